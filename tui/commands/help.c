/* --help, the man page and shell completion: all written from the command and option tables. */
#include <stdio.h>
#include <string.h>

#include "core/quant/recipe.h"
#include "core/eval/synth.h"
#include "tui/commands/opt.h"

static void option_spelling(const ui_opt *o, char *out, size_t cap)
{
    char letter[8] = "    ";
    if (o->letter)
        snprintf(letter, sizeof letter, "-%c, ", o->letter);
    snprintf(out, cap, "%s--%s%s%s", letter, o->name, o->value ? " " : "",
             o->value ? o->value : "");
}

static void help_option(nb_str *out, const ui_cmd *cmd, size_t i)
{
    const ui_opt *o = ui_opt_at(cmd, i);
    char spelling[80];
    option_spelling(o, spelling, sizeof spelling);
    nb_str_addf(out, "  %-30s %s", spelling, ui_opt_help(cmd, i));
    if (o->fallback)
        nb_str_addf(out, " (default: %s)", o->fallback);
    nb_str_add(out, "\n");
}

static void help_program(nb_str *out)
{
    size_t n;
    const ui_cmd *const *cmd = ui_cmds(&n);
    nb_str_add(out, "nibble: a terminal workbench for quantizing language models\n\n"
                    "usage: nibble [PATH...]        open the workbench\n"
                    "       nibble demo             open it on the bundled demo model\n"
                    "       nibble COMMAND ...\n\ncommands:\n");
    for (size_t i = 0; i < n; i++) {
        if (cmd[i] == &ui_cmd_ui)
            continue;
        nb_str_addf(out, "  %-11s %s", cmd[i]->name, cmd[i]->summary);
        if (cmd[i]->alias)
            nb_str_addf(out, " (also: %s)", cmd[i]->alias);
        nb_str_add(out, "\n");
    }
    nb_str_add(out, "\nworkbench options:\n");
    for (size_t i = 0; i < ui_cmd_ui.n_opt; i++)
        help_option(out, &ui_cmd_ui, i);
    nb_str_add(out,
               "\nMODEL is a GGUF file, a Hugging Face directory, org/repo in the local cache, "
               "or demo.\nnibble COMMAND --help tells more; exit codes stand in the man page.\n");
}

void ui_help_print(const ui_cmd *cmd, nb_str *out)
{
    if (!cmd) {
        help_program(out);
        return;
    }
    const char *name = cmd == &ui_cmd_ui ? "" : cmd->name;
    nb_str_addf(out, "usage: nibble %s%s%s\n\n%s\n", name, *name && *cmd->args ? " " : "",
                cmd->args, cmd->summary);
    if (cmd->details)
        nb_str_addf(out, "\n%s\n", cmd->details);
    nb_str_add(out, "\noptions:\n");
    for (size_t i = 0; i < cmd->n_opt + ui_common_count(cmd); i++)
        help_option(out, cmd, i);
}

/* --- man page ------------------------------------------------------------------------------------
 */

/* roff: a backslash and a leading dot or quote need an escape, a hyphen is written as a minus. */
static void man_text(nb_str *out, const char *s)
{
    bool start = true;
    for (; *s; s++) {
        if (start && (*s == '.' || *s == '\''))
            nb_str_add(out, "\\&");
        if (*s == '\\')
            nb_str_add(out, "\\e");
        else if (*s == '-')
            nb_str_add(out, "\\-");
        else
            nb_str_addn(out, s, 1);
        start = *s == '\n';
    }
}

/* The JSON keys of a command's details are a paragraph of their own. */
static void man_details(nb_str *out, const char *details)
{
    const char *keys = strstr(details, "\nJSON keys:");
    if (strncmp(details, "JSON keys:", 10) == 0 || !keys) {
        man_text(out, details);
        nb_str_add(out, "\n");
        return;
    }
    nb_str head = {0};
    nb_str_addn(&head, details, (size_t)(keys - details));
    man_text(out, nb_str_c(&head));
    nb_str_free(&head);
    nb_str_add(out, "\n.PP\n");
    man_text(out, keys + 1);
    nb_str_add(out, "\n");
}

/* A command's own options, and the common one that has a meaning of its own there. */
static void man_options(nb_str *out, const ui_cmd *cmd)
{
    for (size_t i = 0; i < cmd->n_opt + ui_common_count(cmd); i++) {
        const ui_opt *o = ui_opt_at(cmd, i);
        if (i >= cmd->n_opt && ui_opt_help(cmd, i) == o->help)
            continue;
        char spelling[80];
        option_spelling(o, spelling, sizeof spelling);
        nb_str_add(out, ".TP\n.B ");
        man_text(out, spelling + strspn(spelling, " "));
        nb_str_add(out, "\n");
        man_text(out, ui_opt_help(cmd, i));
        if (o->fallback) {
            nb_str_add(out, " (default: ");
            man_text(out, o->fallback);
            nb_str_add(out, ")");
        }
        nb_str_add(out, "\n");
    }
}

static void man_commands(nb_str *out)
{
    size_t n;
    const ui_cmd *const *cmd = ui_cmds(&n);
    nb_str_add(out, ".SH COMMANDS\n");
    for (size_t i = 0; i < n; i++) {
        if (cmd[i] == &ui_cmd_ui)
            continue;
        nb_str_addf(out, ".SS \"nibble %s%s", cmd[i]->name, *cmd[i]->args ? " " : "");
        man_text(out, cmd[i]->args);
        nb_str_add(out, "\"\n");
        man_text(out, cmd[i]->summary);
        nb_str_add(out, ".\n");
        if (cmd[i]->details) {
            nb_str_add(out, ".PP\n");
            man_details(out, cmd[i]->details);
        }
        man_options(out, cmd[i]);
    }
}

static void man_tables(nb_str *out)
{
    size_t n;
    nb_str_add(out, ".SH \"EVERY COMMAND ALSO TAKES\"\n");
    for (size_t i = 0; i < UI_COMMON_COUNT; i++) {
        char spelling[80];
        option_spelling(&ui_common[i], spelling, sizeof spelling);
        nb_str_add(out, ".TP\n.B ");
        man_text(out, spelling + strspn(spelling, " "));
        nb_str_add(out, "\n");
        man_text(out, ui_common[i].help);
        nb_str_add(out, i >= UI_COMMON_DRY ? " (commands that write)\n" : "\n");
    }
    nb_str_add(out, ".SH SETTINGS\nLines \\fIkey = value\\fR in "
                    "$XDG_CONFIG_HOME/nibble/config; see nibble config.\n");
    const nb_setting *set = nb_settings(&n);
    for (size_t i = 0; i < n; i++) {
        nb_str_addf(out, ".TP\n.B %s\n", set[i].name);
        man_text(out, set[i].help);
        nb_str_addf(out, " (default: %s)\n", set[i].fallback);
    }
    nb_str_add(out, ".SH \"EXIT STATUS\"\n");
#define NB_MAN_EXIT(name, code, text) nb_str_addf(out, ".TP\n.B %d\n%s\n", code, text);
    NB_STATUS_LIST(NB_MAN_EXIT)
#undef NB_MAN_EXIT
    nb_str_add(out, "Fatal signals are re-raised after the terminal is restored.\n");
}

/* Variables; those of the Hub as huggingface_hub reads them (core/base/hub_env.h). */
static const struct {
    const char *names, *text;
} environment[] = {
    {"NIBBLE_CPU",
     "ceiling of the kernels: scalar, avx2, avxvnni, avx512, amx; neon, dotprod, i8mm. amx "
     "also stands for all of it; else tiles are used where bench --tune found them faster. With "
     "F16 and BF16 weights they change the last bits of results"},
    {"NO_COLOR", "no colours"},
    {"HF_ENDPOINT", "address of the Hub or of a mirror (default: https://huggingface.co; with "
                    "HUGGINGFACE_CO_STAGING its test site)"},
    {"HF_TOKEN, HUGGING_FACE_HUB_TOKEN",
     "the token; else it is read from the file HF_TOKEN_PATH names ($HF_HOME/token by default), "
     "unless HF_HUB_DISABLE_IMPLICIT_TOKEN is set"},
    {"HF_HOME, HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE",
     "where the Hugging Face cache lies (default: huggingface/hub in XDG_CACHE_HOME or ~/.cache)"},
    {"HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE", "1 = ask nobody, use what is on this machine"},
    {"HF_HUB_ETAG_TIMEOUT, HF_HUB_DOWNLOAD_TIMEOUT",
     "seconds without a byte before a question or a download is tried again (default: 10)"},
    {"HF_HUB_DISABLE_SYMLINKS", "1 = files instead of links in the cache"},
    {"HF_HUB_USER_AGENT_ORIGIN", "added to the name nibble gives itself"},
    {"HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY", "proxies, and hosts that are asked without"},
    {"SSL_CERT_FILE, SSL_CERT_DIR", "certificate authorities instead of the system's"},
    {"OLLAMA_MODELS", "where Ollama keeps its models"},
};

static void man_environment(nb_str *out)
{
    nb_str_add(out, ".SH ENVIRONMENT\n");
    for (size_t i = 0; i < countof(environment); i++) {
        nb_str_addf(out, ".TP\n.B %s\n", environment[i].names);
        man_text(out, environment[i].text);
        nb_str_add(out, "\n");
    }
}

void ui_manpage(nb_str *out)
{
    nb_str_addf(out, ".TH NIBBLE 1 \"\" \"nibble %s\" \"User Commands\"\n", NB_VERSION);
    nb_str_add(out, ".SH NAME\nnibble \\- a terminal workbench for quantizing language models\n"
                    ".SH SYNOPSIS\n.B nibble\n[\\fIPATH\\fR...]\n.br\n.B nibble demo\n.br\n"
                    ".B nibble\n\\fICOMMAND\\fR ...\n.SH DESCRIPTION\n");
    man_text(out, ui_cmd_ui.details);
    nb_str_add(out, "\n");
    man_options(out, &ui_cmd_ui);
    man_commands(out);
    man_tables(out);
    man_environment(out);
}

/* --- completion ----------------------------------------------------------------------------------
 */

/* What may stand after an option, as words; NULL = files. */
static void value_words(nb_str *out, const ui_opt *o, const ui_cmd *cmd)
{
    size_t n;
    if (o->kind == UI_OPT_TYPE) {
        const nb_preset *p = nb_presets(&n);
        for (size_t i = 0; i < n; i++)
            nb_str_addf(out, "%s%s", i ? " " : "", p[i].name);
    }
    (void)cmd;
}

static void arg_words(nb_str *out, const ui_cmd *cmd)
{
    size_t n;
    if (cmd == &ui_cmd_synth) {
        const nb_shape *s = nb_shapes(&n);
        for (size_t i = 0; i < n; i++)
            nb_str_addf(out, "%s ", s[i].name);
    } else if (cmd == &ui_cmd_completion) {
        nb_str_add(out, "bash zsh fish man ");
    } else if (cmd == &ui_cmd_config) {
        const nb_setting *s = nb_settings(&n);
        for (size_t i = 0; i < n; i++)
            nb_str_addf(out, "%s ", s[i].name);
    } else if (cmd == &ui_cmd_theme) {
        nb_str_add(out, "check list ");
    } else if (strstr(cmd->args, "MODEL")) {
        nb_str_add(out, "demo ");
    }
}

static void option_words(nb_str *out, const ui_cmd *cmd)
{
    for (size_t i = 0; i < cmd->n_opt + ui_common_count(cmd); i++)
        nb_str_addf(out, "--%s ", ui_opt_at(cmd, i)->name);
}

static void complete_bash(nb_str *out)
{
    size_t n;
    const ui_cmd *const *cmd = ui_cmds(&n);
    nb_str_add(
        out,
        "_nibble()\n{\n    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}"
        " words=\n    if [ \"$COMP_CWORD\" = 1 ]; then\n        words=\"demo ");
    for (size_t i = 0; i < n; i++)
        if (cmd[i] != &ui_cmd_ui)
            nb_str_addf(out, "%s ", cmd[i]->name);
    option_words(out, &ui_cmd_ui);
    nb_str_add(out, "\"\n    else case ${COMP_WORDS[1]} in\n");
    for (size_t i = 0; i < n; i++) {
        const ui_cmd *c = cmd[i];
        nb_str_addf(out, "    %s%s%s)\n        words=\"", c->name, c->alias ? "|" : "",
                    c->alias ? c->alias : "");
        arg_words(out, c);
        option_words(out, c);
        nb_str_add(out, "\"\n");
        for (size_t k = 0; k < c->n_opt; k++) {
            nb_str values = {0};
            value_words(&values, &c->opt[k], c);
            if (values.len)
                nb_str_addf(out, "        case $prev in --%s|-%c) words=\"%s\" ;; esac\n",
                            c->opt[k].name, c->opt[k].letter ? c->opt[k].letter : '-',
                            nb_str_c(&values));
            nb_str_free(&values);
        }
        nb_str_add(out, "        ;;\n");
    }
    nb_str_add(out, "    esac; fi\n    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\")"
                    " $(compgen -f -- \"$cur\"))\n}\ncomplete -o filenames -F _nibble nibble\n");
}

/* zsh and fish quote with single quotes: none of the tables' texts may hold one. */
static void quoted(nb_str *out, const char *s)
{
    for (; *s; s++)
        if (*s == '\'')
            nb_str_add(out, "'\\''");
        else if (*s == '[' || *s == ']' || *s == ':')
            nb_str_addf(out, "\\%c", *s);
        else
            nb_str_addn(out, s, 1);
}

static void zsh_option(nb_str *out, const ui_cmd *cmd, size_t i)
{
    const ui_opt *o = ui_opt_at(cmd, i);
    nb_str_addf(out, "        '--%s[", o->name);
    quoted(out, ui_opt_help(cmd, i));
    nb_str_add(out, "]");
    if (o->kind != UI_OPT_FLAG) {
        nb_str values = {0};
        value_words(&values, o, cmd);
        nb_str_addf(out, ":%s:", o->value);
        if (values.len)
            nb_str_addf(out, "(%s)", nb_str_c(&values));
        else
            nb_str_add(out, "_files");
        nb_str_free(&values);
    }
    nb_str_add(out, "' \\\n");
}

static void complete_zsh(nb_str *out)
{
    size_t n;
    const ui_cmd *const *cmd = ui_cmds(&n);
    nb_str_add(out, "#compdef nibble\n_nibble() {\n    local -a commands\n    commands=(\n"
                    "        'demo:open the workbench on the demo model'\n");
    for (size_t i = 0; i < n; i++) {
        if (cmd[i] == &ui_cmd_ui)
            continue;
        nb_str_addf(out, "        '%s:", cmd[i]->name);
        quoted(out, cmd[i]->summary);
        nb_str_add(out, "'\n");
    }
    nb_str_add(
        out,
        "    )\n    if (( CURRENT == 2 )); then _describe command commands; _files; return; fi\n"
        "    case $words[2] in\n");
    for (size_t i = 0; i < n; i++) {
        const ui_cmd *c = cmd[i];
        nb_str words = {0};
        arg_words(&words, c);
        nb_str_addf(out, "    %s%s%s) shift words; (( CURRENT-- )); _arguments \\\n", c->name,
                    c->alias ? "|" : "", c->alias ? c->alias : "");
        for (size_t k = 0; k < c->n_opt + ui_common_count(c); k++)
            zsh_option(out, c, k);
        if (words.len)
            nb_str_addf(out,
                        "        '*:argument:_alternative \"words\\:word\\:(%s)\" "
                        "\"files\\:file\\:_files\"' ;;\n",
                        nb_str_c(&words));
        else
            nb_str_add(out, "        '*:file:_files' ;;\n");
        nb_str_free(&words);
    }
    nb_str_add(out, "    esac\n}\n_nibble \"$@\"\n");
}

static void complete_fish(nb_str *out)
{
    size_t n;
    const ui_cmd *const *cmd = ui_cmds(&n);
    for (size_t i = 0; i < n; i++) {
        const ui_cmd *c = cmd[i];
        nb_str words = {0};
        if (c != &ui_cmd_ui) {
            nb_str_addf(out, "complete -c nibble -n __fish_use_subcommand -a %s -d '", c->name);
            for (const char *s = c->summary; *s; s++)
                nb_str_addf(out, *s == '\'' ? "\\%c" : "%c", *s);
            nb_str_add(out, "'\n");
        }
        arg_words(&words, c);
        if (words.len)
            nb_str_addf(out, "complete -c nibble -n '__fish_seen_subcommand_from %s' -a '%s'\n",
                        c->name, nb_str_c(&words));
        nb_str_free(&words);
        for (size_t k = 0; k < c->n_opt + ui_common_count(c); k++) {
            const ui_opt *o = ui_opt_at(c, k);
            nb_str values = {0};
            value_words(&values, o, c);
            nb_str_addf(out, "complete -c nibble -n '__fish_seen_subcommand_from %s' -l %s",
                        c->name, o->name);
            if (o->letter)
                nb_str_addf(out, " -s %c", o->letter);
            if (o->kind != UI_OPT_FLAG)
                nb_str_add(out, " -r");
            if (values.len)
                nb_str_addf(out, " -f -a '%s'", nb_str_c(&values));
            nb_str_addf(out, " -d '");
            for (const char *s = ui_opt_help(c, k); *s; s++)
                nb_str_addf(out, *s == '\'' ? "\\%c" : "%c", *s);
            nb_str_add(out, "'\n");
            nb_str_free(&values);
        }
    }
}

nb_status ui_completion(const char *shell, nb_str *out, nb_err *err)
{
    static const struct {
        const char *name;
        void (*write)(nb_str *out);
    } shells[] = {{"bash", complete_bash},
                  {"zsh", complete_zsh},
                  {"fish", complete_fish},
                  {"man", ui_manpage}};
    for (size_t i = 0; i < countof(shells); i++)
        if (strcmp(shells[i].name, shell) == 0) {
            shells[i].write(out);
            return NB_OK;
        }
    return nb_fail(err, NB_USAGE, "completion: no shell \"%s\": bash, zsh, fish or man", shell);
}
