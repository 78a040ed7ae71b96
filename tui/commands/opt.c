#include "tui/commands/opt.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"

const ui_opt ui_common[UI_COMMON_COUNT] = {
    {"json", 0, UI_OPT_FLAG, NULL, NULL, 0, 0, "one JSON document on stdout"},
    {"threads", 0, UI_OPT_INT, "N", "all cores", 1, 1024, "threads to use"},
    {"quiet", 'q', UI_OPT_FLAG, NULL, NULL, 0, 0, "no progress on stderr"},
    {"help", 'h', UI_OPT_FLAG, NULL, NULL, 0, 0, "this text"},
    {"dry-run", 0, UI_OPT_FLAG, NULL, NULL, 0, 0, "say what would be written, write nothing"},
    {"yes", 'y', UI_OPT_FLAG, NULL, NULL, 0, 0, "answer yes to questions"},
    {"force", 0, UI_OPT_FLAG, NULL, NULL, 0, 0,
     "insist: replace an existing output (never the input)"},
};

size_t ui_common_count(const ui_cmd *cmd)
{
    return cmd->writes ? UI_COMMON_COUNT : UI_COMMON_DRY;
}

const ui_opt *ui_opt_at(const ui_cmd *cmd, size_t i)
{
    return i < cmd->n_opt ? &cmd->opt[i] : &ui_common[i - cmd->n_opt];
}

const char *ui_opt_help(const ui_cmd *cmd, size_t i)
{
    return cmd->force && i == cmd->n_opt + UI_COMMON_FORCE ? cmd->force : ui_opt_at(cmd, i)->help;
}

static size_t find_long(const ui_cmd *cmd, const char *name, size_t len)
{
    size_t n = cmd->n_opt + ui_common_count(cmd);
    for (size_t i = 0; i < n; i++) {
        const ui_opt *o = ui_opt_at(cmd, i);
        if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
            return i;
    }
    return SIZE_MAX;
}

static size_t find_letter(const ui_cmd *cmd, char letter)
{
    size_t n = cmd->n_opt + ui_common_count(cmd);
    for (size_t i = 0; i < n; i++)
        if (ui_opt_at(cmd, i)->letter == letter)
            return i;
    return SIZE_MAX;
}

static nb_status set_number(ui_arg *a, const ui_opt *o, const char *text, nb_err *err)
{
    bool bounded = o->min < o->max, ok;
    if (o->kind == UI_OPT_INT) {
        ok = nb_parse_i64(text, &a->i);
        a->num = (double)a->i;
    } else {
        ok = nb_parse_double(text, &a->num);
    }
    if (ok && (!bounded || (a->num >= o->min && a->num <= o->max)))
        return NB_OK;
    const char *what = o->kind == UI_OPT_INT ? "a whole number" : "a number";
    char lo[48], hi[48];
    if (!bounded)
        return nb_fail(err, NB_USAGE, "--%s: expected %s, found \"%s\"", o->name, what, text);
    nb_fmt_double(lo, o->min);
    nb_fmt_double(hi, o->max);
    return nb_fail(err, NB_USAGE, "--%s: expected %s %s..%s, found \"%s\"", o->name, what, lo, hi,
                   text);
}

static nb_status set_value(ui_parsed *p, ui_arg *a, const ui_opt *o, const char *text, size_t room,
                           nb_err *err)
{
    a->set = true;
    a->text = text;
    if (o->kind == UI_OPT_INT || o->kind == UI_OPT_NUM)
        return set_number(a, o, text, err);
    if (o->kind != UI_OPT_TEXTS)
        return NB_OK;
    /* values of one option lie together: each option owns a stretch of `room` slots */
    const char **slot = p->texts + (size_t)(a - p->opt) * room;
    slot[a->n_texts++] = text;
    a->texts = slot;
    return NB_OK;
}

/* One option word; *i moves past the words it used. */
static nb_status parse_option(ui_parsed *p, const ui_cmd *cmd, int argc, char **argv, int *i,
                              nb_err *err)
{
    const char *word = argv[*i], *value = NULL;
    size_t k;
    if (word[1] == '-') {
        const char *eq = strchr(word, '=');
        k = find_long(cmd, word + 2, eq ? (size_t)(eq - word - 2) : strlen(word + 2));
        value = eq ? eq + 1 : NULL;
    } else {
        k = find_letter(cmd, word[1]);
        value = word[2] ? word + 2 : NULL;
    }
    if (k == SIZE_MAX)
        return nb_fail(err, NB_USAGE, "unknown option \"%s\" (nibble %s --help lists them)", word,
                       cmd->name);
    const ui_opt *o = ui_opt_at(cmd, k);
    if (o->kind == UI_OPT_FLAG) {
        if (value)
            return nb_fail(err, NB_USAGE, "--%s takes no value, found \"%s\"", o->name, value);
        p->opt[k].set = p->opt[k].flag = true;
        return NB_OK;
    }
    if (!value && *i + 1 < argc)
        value = argv[++*i];
    if (!value)
        return nb_fail(err, NB_USAGE, "--%s needs a value: %s", o->name, o->value);
    return set_value(p, &p->opt[k], o, value, (size_t)argc, err);
}

static nb_status check_args(const ui_parsed *p, const ui_cmd *cmd, nb_err *err)
{
    if (p->n_args < (size_t)cmd->min_args)
        return nb_fail(err, NB_USAGE, "usage: nibble %s %s", cmd->name, cmd->args);
    if (cmd->max_args >= 0 && p->n_args > (size_t)cmd->max_args)
        return nb_fail(err, NB_USAGE, "unexpected \"%s\"; usage: nibble %s %s",
                       p->args[cmd->max_args], cmd->name, cmd->args);
    return NB_OK;
}

nb_status ui_parse(ui_parsed *out, const ui_cmd *cmd, int argc, char **argv, nb_err *err)
{
    size_t n = cmd->n_opt + UI_COMMON_COUNT, words = (size_t)argc + 1;
    ui_parsed p = {0};
    nb_status st = NB_NOMEM;
    p.opt = nb_alloc(n, sizeof *p.opt, "options", err);
    p.args = p.opt ? nb_alloc(words, sizeof *p.args, "arguments", err) : NULL;
    p.texts = p.args ? nb_alloc(n * words, sizeof *p.texts, "arguments", err) : NULL;
    if (!p.texts)
        goto fail;
    bool only_args = false;
    for (int i = 0; i < argc; i++) {
        if (only_args || argv[i][0] != '-' || argv[i][1] == '\0') {
            p.args[p.n_args++] = argv[i];
        } else if (strcmp(argv[i], "--") == 0) {
            only_args = true;
        } else if ((st = parse_option(&p, cmd, argc, argv, &i, err)) != NB_OK) {
            goto fail;
        }
    }
    if (!p.opt[cmd->n_opt + UI_COMMON_HELP].set && (st = check_args(&p, cmd, err)) != NB_OK)
        goto fail;
    *out = p;
    return NB_OK;
fail:
    ui_parsed_free(&p);
    return st;
}

void ui_parsed_free(ui_parsed *p)
{
    free(p->opt);
    free(p->args);
    free(p->texts);
    *p = (ui_parsed){0};
}
