/* doctor, config, theme, completion: the program about itself. */
#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/files/library.h"
#include "core/model/model.h"
#include "core/model/tok.h"
#include "kernels/cpu.h"
#include "tui/commands/cmd.h"
#include "tui/theme.h"

static void emit(nb_str *text)
{
    puts(nb_str_c(text));
    nb_str_free(text);
}

/* --- doctor
 * ---------------------------------------------------------------------------------------- */

typedef struct finding {
    const char *name;
    char value[320];
    bool bad;
} finding;

enum { FINDINGS = 16 };
typedef struct findings {
    finding at[FINDINGS];
    size_t n;
} findings;

static void found(findings *f, const char *name, bool bad, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static void found(findings *f, const char *name, bool bad, const char *fmt, ...)
{
    if (f->n == FINDINGS)
        return;
    finding *at = &f->at[f->n++];
    va_list ap;
    va_start(ap, fmt);
    at->name = name;
    at->bad = bad;
    vsnprintf(at->value, sizeof at->value, fmt, ap);
    va_end(ap);
}

static void check_machine(findings *f, const ui_ctx *ctx)
{
    char cpu[96], total[16], free_[16];
    uint64_t available, all, disk = 0;
    nb_err e;
    nk_cpu_model(cpu, sizeof cpu);
    found(f, "cpu", false, "%s, %d cores, kernels up to %s, using %s", cpu, nk_cpu_count(),
          nk_cpu_level(nk_cpu_detect()), nk_cpu_level(ctx->ops.flags));
    nb_memory(&available, &all);
    found(f, "memory", available < (256u << 20), "%s available of %s",
          nb_human_bytes(free_, available), nb_human_bytes(total, all));
    const char *dir = ctx->cfg.writable ? ctx->cfg.data_dir : ".";
    if (nb_free_space(dir, &disk, &e) == NB_OK || nb_free_space(".", &disk, &e) == NB_OK)
        found(f, "disk", disk < (64u << 20), "%s free for new models", nb_human_bytes(free_, disk));
    else
        found(f, "disk", true, "%s", e.msg);
}

static void check_places(findings *f, const ui_ctx *ctx)
{
    const nb_config *c = &ctx->cfg;
    found(f, "settings", !c->writable, "%s%s", c->config_dir,
          c->writable ? "" : " (not writable: nothing is remembered)");
    found(f, "models", false, "%s/models", c->data_dir);
    found(f, "hugging face", false, "%s%s", c->hf_hub, nb_is_dir(c->hf_hub) ? "" : " (absent)");
    found(f, "demo model", !c->demo_dir[0], "%s", c->demo_dir[0] ? c->demo_dir : "not found");
}

static void check_terminal(findings *f, const ui_ctx *ctx)
{
    const char *term = getenv("TERM");
    const char *codeset = nl_langinfo(CODESET);
    bool utf8 = strcmp(codeset, "UTF-8") == 0;
    found(f, "terminal", !term, "TERM=%s, %s%s%s", term ? term : "(not set)",
          utf8 ? "UTF-8" : codeset, utf8 ? "" : " (ASCII glyphs)",
          ctx->cfg.no_color ? ", NO_COLOR" : "");
}

/* One model: opens it as chat would and names the first thing that stops it. */
static nb_status check_model(findings *f, const ui_ctx *ctx, const char *model, nb_err *err)
{
    char path[1024];
    nb_weights *w = NULL;
    nb_model *m = NULL;
    nb_tok *tok = NULL;
    nb_status st = nb_library_resolve(&ctx->cfg, model, path, sizeof path, err);
    if (st == NB_OK)
        st = nb_weights_open(&w, path, err);
    if (st == NB_OK)
        found(f, "file", false, "%s, %zu tensors, whole", path, nb_weights_count(w));
    if (st == NB_OK)
        st = nb_model_open(&m, w, err);
    if (st == NB_OK)
        found(f, "model", false, "%s, %u layers: can be run and quantized", m->hp.arch->name,
              m->hp.n_layer);
    if (st == NB_OK)
        st = nb_tok_open(&tok, nb_weights_kvs(w), err);
    if (st == NB_OK)
        found(f, "tokenizer", false, "%u tokens", nb_tok_count(tok));
    nb_tok_close(&tok);
    nb_model_close(&m);
    nb_weights_close(&w);
    return st;
}

static void print_findings(const findings *f, bool json)
{
    nb_str text = {0};
    nb_jout w = nb_jout_make(&text);
    nb_jout_object(&w);
    for (size_t i = 0; i < f->n; i++) {
        nb_jout_key(&w, f->at[i].name), nb_jout_object(&w);
        nb_jout_key(&w, "ok"), nb_jout_bool(&w, !f->at[i].bad);
        nb_jout_key(&w, "value"), nb_jout_str(&w, f->at[i].value);
        nb_jout_object_end(&w);
        if (json)
            continue;
        printf("%s %-13s ", f->at[i].bad ? "!" : " ", f->at[i].name);
        ui_print_safe(f->at[i].value, strlen(f->at[i].value));
        putchar('\n');
    }
    nb_jout_object_end(&w);
    if (json)
        puts(nb_str_c(&text));
    nb_str_free(&text);
}

static nb_status run_doctor(ui_ctx *ctx, nb_err *err)
{
    nb_status st = NB_OK;
    findings *f = nb_alloc(1, sizeof *f, "findings", err);
    if (!f)
        return NB_NOMEM;
    if (ctx->n_args > 0) {
        st = check_model(f, ctx, ctx->args[0], err);
    } else {
        check_machine(f, ctx);
        check_places(f, ctx);
        check_terminal(f, ctx);
    }
    print_findings(f, ctx->json);
    free(f);
    return st;
}

const ui_cmd ui_cmd_doctor = {
    .name = "doctor",
    .args = "[MODEL]",
    .summary = "look over this machine, or explain why a model cannot be run",
    .details =
        "JSON: an object of findings, each with ok and value. A model that cannot be run ends\n"
        "with the sentence that says why, and exit status 3.",
    .min_args = 0,
    .max_args = 1,
    .run = run_doctor,
};

/* --- config
 * ---------------------------------------------------------------------------------------- */

enum { G_EXPLAIN, G_COUNT };
static const ui_opt config_opt[G_COUNT] = {
    {"explain", 0, UI_OPT_TEXT, "NAME", NULL, 0, 0, "what a setting means"},
};

static nb_status explain(const char *name, nb_err *err)
{
    size_t n;
    const nb_setting *s = nb_settings(&n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(s[i].name, name) == 0) {
            printf("%s (%s, default %s): %s\n", s[i].name, s[i].kind, s[i].fallback, s[i].help);
            return NB_OK;
        }
    return nb_fail(err, NB_NOTFOUND, "no setting \"%s\" (nibble config lists them)", name);
}

static void list_settings(const ui_ctx *ctx)
{
    size_t n;
    const nb_setting *s = nb_settings(&n);
    nb_str text = {0};
    nb_jout w = nb_jout_make(&text);
    nb_jout_object(&w);
    for (size_t i = 0; i < n; i++) {
        char value[1100] = "";
        nb_config_get(&ctx->cfg, s[i].name, value, sizeof value);
        nb_jout_key(&w, s[i].name), nb_jout_str(&w, value);
        if (!ctx->json) {
            printf("%-12s = ", s[i].name);
            ui_print_safe(value, strlen(value));
            printf("%*s# %s\n", (int)(strlen(value) < 16 ? 16 - strlen(value) : 1), "", s[i].help);
        }
    }
    nb_jout_object_end(&w);
    if (ctx->json)
        puts(nb_str_c(&text));
    nb_str_free(&text);
}

static nb_status run_config(ui_ctx *ctx, nb_err *err)
{
    if (ctx->opt[G_EXPLAIN].set)
        return explain(ctx->opt[G_EXPLAIN].text, err);
    if (ctx->n_args == 2)
        return nb_config_set(&ctx->cfg, ctx->args[0], ctx->args[1], err);
    if (ctx->n_args == 0) {
        list_settings(ctx);
        return NB_OK;
    }
    char value[1100];
    if (!nb_config_get(&ctx->cfg, ctx->args[0], value, sizeof value))
        return nb_fail(err, NB_NOTFOUND, "no setting \"%s\" (nibble config lists them)",
                       ctx->args[0]);
    nb_str text = {0};
    nb_jout w = nb_jout_make(&text);
    if (ctx->json)
        nb_jout_str(&w, value);
    else
        nb_safe_text(&text, value, strlen(value), NB_SAFE_ONE_LINE);
    emit(&text);
    return NB_OK;
}

const ui_cmd ui_cmd_config = {
    .name = "config",
    .args = "[NAME [VALUE]]",
    .summary = "show or change settings",
    .details = "JSON: an object of settings and values as text; with NAME the value alone.",
    .opt = config_opt,
    .n_opt = G_COUNT,
    .min_args = 0,
    .max_args = 2,
    .run = run_config,
};

/* --- theme
 * ----------------------------------------------------------------------------------------- */

enum { THEME_LIMIT = 1 << 20 };

static void theme_roles(const ui_theme *t, bool json)
{
    nb_str text = {0};
    nb_jout w = nb_jout_make(&text);
    nb_jout_object(&w);
    nb_jout_key(&w, "name"), nb_jout_str(&w, t->name);
    nb_jout_key(&w, "contrast"), nb_jout_object(&w);
    for (int r = 0; r < UI_ROLE_COUNT; r++) {
        double c = ui_theme_contrast(t, (ui_role)r);
        nb_jout_key(&w, ui_role_key((ui_role)r)), nb_jout_double(&w, c);
        if (!json && c > 0)
            printf("  %-14s contrast %5.2f%s\n", ui_role_key((ui_role)r), c,
                   c < 4.5 ? "  below 4.5" : "");
        else if (!json)
            printf("  %-14s the terminal's own colours\n", ui_role_key((ui_role)r));
    }
    nb_jout_object_end(&w);
    nb_jout_object_end(&w);
    if (json)
        puts(nb_str_c(&text));
    nb_str_free(&text);
}

static nb_status theme_check(const ui_ctx *ctx, const char *path, nb_err *err)
{
    char *text;
    size_t n;
    ui_theme t;
    NB_TRY(nb_file_read(&text, &n, path, THEME_LIMIT, err));
    nb_status st = ui_theme_parse(&t, text, n, path, err);
    free(text);
    if (st == NB_OK)
        theme_roles(&t, ctx->json);
    return st;
}

static nb_status run_theme(ui_ctx *ctx, nb_err *err)
{
    if (strcmp(ctx->args[0], "check") == 0 && ctx->n_args == 2)
        return theme_check(ctx, ctx->args[1], err);
    if (strcmp(ctx->args[0], "list") != 0 || ctx->n_args != 1)
        return nb_fail(err, NB_USAGE, "usage: nibble theme check FILE | list");
    nb_str text = {0};
    nb_jout w = nb_jout_make(&text);
    nb_jout_array(&w);
    for (const ui_theme_file *f = ui_theme_files; f->name; f++) {
        nb_jout_str(&w, f->name);
        if (!ctx->json)
            puts(f->name);
    }
    nb_jout_array_end(&w);
    if (ctx->json)
        puts(nb_str_c(&text));
    nb_str_free(&text);
    return NB_OK;
}

const ui_cmd ui_cmd_theme = {
    .name = "theme",
    .args = "check FILE | list",
    .summary = "check a theme file's keys and contrast, or list the themes",
    .details = "JSON keys of check: name, contrast {role: WCAG ratio, 0 where the terminal's own\n"
               "colours are used}; of list: an array of names.",
    .min_args = 1,
    .max_args = 2,
    .run = run_theme,
};

/* --- completion
 * ------------------------------------------------------------------------------------ */

static nb_status run_completion(ui_ctx *ctx, nb_err *err)
{
    nb_str text = {0};
    NB_TRY(ui_completion(ctx->args[0], &text, err));
    nb_str quoted = {0};
    nb_jout w = nb_jout_make(&quoted);
    if (ctx->json) {
        nb_jout_object(&w);
        nb_jout_key(&w, "shell"), nb_jout_str(&w, ctx->args[0]);
        nb_jout_key(&w, "text"), nb_jout_strn(&w, nb_str_c(&text), text.len);
        nb_jout_object_end(&w);
        puts(nb_str_c(&quoted));
    } else {
        fputs(nb_str_c(&text), stdout);
    }
    nb_str_free(&quoted);
    nb_str_free(&text);
    return NB_OK;
}

const ui_cmd ui_cmd_completion = {
    .name = "completion",
    .args = "bash|zsh|fish|man",
    .summary = "print shell completion, or the man page",
    .details = "JSON keys: shell, text.",
    .min_args = 1,
    .max_args = 1,
    .run = run_completion,
};
