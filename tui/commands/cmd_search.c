/* search, whoami: the Hub from the command line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tui/commands/net.h"
#include "tui/hub_out.h"

/* --- search --------------------------------------------------------------------------------------
 */

enum { S_AUTHOR, S_TASK, S_LICENSE, S_GGUF, S_GATED, S_MIN, S_MAX, S_SORT, S_LIMIT, S_COUNT };
static const ui_opt search_opt[S_COUNT] = {
    {"author", 'a', UI_OPT_TEXT, "NAME", NULL, 0, 0, "only this user or organisation"},
    {"task", 0, UI_OPT_TEXT, "TASK", NULL, 0, 0, "pipeline tag, such as text-generation"},
    {"license", 0, UI_OPT_TEXT, "ID", NULL, 0, 0, "licence, such as apache-2.0"},
    {"gguf", 'g', UI_OPT_FLAG, NULL, NULL, 0, 0, "only repositories with GGUF files"},
    {"gated", 0, UI_OPT_TEXT, "yes|no", NULL, 0, 0, "only gated ones, or none of them"},
    {"min-params", 0, UI_OPT_TEXT, "N", NULL, 0, 0, "at least so many parameters: 500M, 7B"},
    {"max-params", 0, UI_OPT_TEXT, "N", NULL, 0, 0, "at most so many parameters"},
    {"sort", 's', UI_OPT_TEXT, "KEY", "trending", 0, 0,
     "trending, downloads, likes, updated or created"},
    {"limit", 'n', UI_OPT_INT, "N", "30", 1, 10000, "rows at most"},
};

static const char *const sort_names[] = {"trending", "downloads", "likes", "updated", "created"};

/* "7B", "500M": a count in the units model names use. */
static nb_status parse_count(const char *opt, const char *text, uint64_t *out, nb_err *err)
{
    char copy[40];
    size_t n = strlen(text);
    if (n && n < sizeof copy) {
        memcpy(copy, text, n + 1);
        if ((copy[n - 1] | 0x20) == 'b') /* billions, not bytes */
            copy[n - 1] = 'G';
        if (ui_parse_size(copy, out) && *out)
            return NB_OK;
    }
    return nb_fail(err, NB_USAGE, "--%s: \"%s\" is no count such as 500M or 7B", opt, text);
}

static nb_status parse_gated(const ui_arg *o, int *out, nb_err *err)
{
    *out = -1;
    if (!o->set)
        return NB_OK;
    bool yes = nb_same_word(o->text, "yes"), no = nb_same_word(o->text, "no");
    if (!yes && !no)
        return nb_fail(err, NB_USAGE, "--gated: \"%s\", expected yes or no", o->text);
    *out = yes;
    return NB_OK;
}

static nb_status parse_sort(const ui_arg *o, dl_order *out, nb_err *err)
{
    *out = DL_BY_TRENDING;
    for (size_t i = 0; o->set && i < countof(sort_names); i++)
        if (nb_same_word(o->text, sort_names[i])) {
            *out = (dl_order)i;
            return NB_OK;
        }
    if (o->set)
        return nb_fail(err, NB_USAGE,
                       "--sort: \"%s\", expected trending, downloads, likes, updated or created",
                       o->text);
    return NB_OK;
}

static nb_status parse_query(const ui_ctx *ctx, const nb_str *words, dl_search *q, nb_err *err)
{
    const ui_arg *o = ctx->opt;
    *q = (dl_search){.text = nb_str_c(words),
                     .author = o[S_AUTHOR].text,
                     .task = o[S_TASK].text,
                     .license = o[S_LICENSE].text,
                     .gguf_only = o[S_GGUF].flag};
    int wanted = o[S_LIMIT].set ? (int)o[S_LIMIT].i : 30;
    q->limit = wanted < 100 ? wanted : 100;
    NB_TRY(parse_gated(&o[S_GATED], &q->gated, err));
    NB_TRY(parse_sort(&o[S_SORT], &q->order, err));
    if (o[S_MIN].set)
        NB_TRY(parse_count("min-params", o[S_MIN].text, &q->params_min, err));
    if (o[S_MAX].set)
        NB_TRY(parse_count("max-params", o[S_MAX].text, &q->params_max, err));
    return NB_OK;
}

static void print_row(const dl_model *m)
{
    char params[16], downloads[16], likes[16], size[16], line[400];
    snprintf(line, sizeof line, "%-48s %7s %9s %8s %6s  %s%s", m->id, ui_hub_params(params, m),
             m->bytes ? nb_human_bytes(size, m->bytes) : "?", ui_hub_count(downloads, m->downloads),
             ui_hub_count(likes, m->likes), m->gated ? "gated " : "",
             m->license[0] ? m->license : "?");
    ui_print_line(line);
}

/* Pages until `wanted` rows are printed or the Hub has no more. */
static nb_status each_page(dl_net *net, ui_ctx *ctx, const dl_search *q, size_t wanted, nb_jout *w,
                           nb_err *err)
{
    nb_hooks hooks = ui_ctx_hooks(ctx);
    dl_page *page = nb_alloc(1, sizeof *page, "page", err);
    char *next = page ? nb_alloc(DL_URL_MAX, 1, "page", err) : NULL;
    nb_status st = next ? NB_OK : NB_NOMEM;
    size_t shown = 0;
    dl_trouble trouble = DL_OK;
    while (st == NB_OK && shown < wanted) {
        st = dl_hub_search(net, ctx->cfg.cache_dir, q, *next ? next : NULL, page, &trouble, &hooks,
                           err);
        if (st != NB_OK)
            break;
        ui_ctx_done(ctx);
        for (size_t i = 0; i < page->n && shown < wanted; i++, shown++)
            if (w)
                ui_hub_json_model(w, &page->at[i]);
            else
                print_row(&page->at[i]);
        bool last = !page->next[0];
        memcpy(next, page->next, DL_URL_MAX);
        if (trouble != DL_OK && !ctx->quiet) {
            char age[16];
            fprintf(stderr, "nibble: %s: this list is %s old\n", dl_trouble_name(trouble),
                    nb_human_time(age, page->age));
        }
        dl_page_free(page);
        if (last)
            break;
    }
    if (st == NB_OK && shown == 0 && !w && !ctx->quiet)
        fprintf(stderr, "nibble: no model fits\n");
    free(next);
    free(page);
    return st == NB_OK ? st : ui_net_fail(ctx, st, trouble);
}

static nb_status run_search(ui_ctx *ctx, nb_err *err)
{
    nb_str words = {0}, json = {0};
    dl_search q;
    dl_net *net = NULL;
    for (size_t i = 0; i < ctx->n_args; i++)
        nb_str_addf(&words, "%s%s", i ? " " : "", ctx->args[i]);
    nb_status st = parse_query(ctx, &words, &q, err);
    if (st == NB_OK)
        st = ui_net_open(&net, ctx, 0, 0, err);
    size_t wanted = ctx->opt[S_LIMIT].set ? (size_t)ctx->opt[S_LIMIT].i : 30;
    nb_jout w = nb_jout_make(&json);
    if (ctx->json) {
        nb_jout_object(&w);
        nb_jout_key(&w, "models"), nb_jout_array(&w);
    }
    if (st == NB_OK)
        st = each_page(net, ctx, &q, wanted, ctx->json ? &w : NULL, err);
    if (st == NB_OK && ctx->json) {
        nb_jout_array_end(&w);
        nb_jout_object_end(&w);
        puts(nb_str_c(&json));
    }
    dl_net_close(&net);
    nb_str_free(&json);
    nb_str_free(&words);
    return st;
}

const ui_cmd ui_cmd_search = {
    .name = "search",
    .args = "[WORDS...]",
    .summary = "find models on the Hugging Face Hub",
    .details =
        "Columns: repository, parameters (~ from its name), size of all its files, downloads of\n"
        "30 days, likes, licence. Without a connection the last answer to the same query is\n"
        "shown with its age.\n"
        "\n"
        "JSON keys: models[] with id, author, commit, task, library, license, base_model,\n"
        "base_relation, gated (false, auto, manual), private, gguf, downloads, likes, updated\n"
        "(Unix seconds), params, params_guessed, bytes.",
    .opt = search_opt,
    .n_opt = S_COUNT,
    .min_args = 0,
    .max_args = -1,
    .run = run_search,
};

/* --- whoami --------------------------------------------------------------------------------------
 */

static void print_account(const dl_account *a, const nb_hub_env *env)
{
    nb_str text = {0};
    nb_str_addf(&text, "%s", a->name);
    if (a->fullname[0])
        nb_str_addf(&text, " (%s)", a->fullname);
    nb_str_addf(&text, "\ntoken from %s, role %s%s\n", env->token_from,
                a->role[0] ? a->role : "unknown", a->pro ? ", PRO" : "");
    for (size_t i = 0; i < a->n_org; i++)
        nb_str_addf(&text, "%s%s", i ? ", " : "organisations: ", a->org[i]);
    if (a->n_org)
        nb_str_add(&text, "\n");
    ui_print_safe(nb_str_c(&text), text.len);
    nb_str_free(&text);
}

static void json_account(const dl_account *a, const nb_hub_env *env)
{
    nb_str text = {0};
    nb_jout w = nb_jout_make(&text);
    nb_jout_object(&w);
    nb_jout_key(&w, "name"), nb_jout_str(&w, a->name);
    nb_jout_key(&w, "fullname"), nb_jout_str(&w, a->fullname);
    nb_jout_key(&w, "role"), nb_jout_str(&w, a->role);
    nb_jout_key(&w, "pro"), nb_jout_bool(&w, a->pro);
    nb_jout_key(&w, "token_from"), nb_jout_str(&w, env->token_from);
    nb_jout_key(&w, "endpoint"), nb_jout_str(&w, env->endpoint);
    nb_jout_key(&w, "orgs"), nb_jout_array(&w);
    for (size_t i = 0; i < a->n_org; i++)
        nb_jout_str(&w, a->org[i]);
    nb_jout_array_end(&w);
    nb_jout_object_end(&w);
    puts(nb_str_c(&text));
    nb_str_free(&text);
}

static nb_status run_whoami(ui_ctx *ctx, nb_err *err)
{
    dl_net *net = NULL;
    dl_account *a = nb_alloc(1, sizeof *a, "account", err);
    nb_status st = a ? ui_net_open(&net, ctx, 0, 0, err) : NB_NOMEM;
    nb_hooks hooks = ui_ctx_hooks(ctx);
    dl_trouble trouble;
    if (st == NB_OK && (st = dl_hub_whoami(net, a, &trouble, &hooks, err)) != NB_OK)
        ui_net_fail(ctx, st, trouble);
    ui_ctx_done(ctx);
    if (st == NB_OK && ctx->json)
        json_account(a, dl_net_env(net));
    else if (st == NB_OK)
        print_account(a, dl_net_env(net));
    dl_net_close(&net);
    free(a);
    return st;
}

const ui_cmd ui_cmd_whoami = {
    .name = "whoami",
    .args = "",
    .summary = "whose Hugging Face token is used, and where it comes from",
    .details =
        "The token comes from HF_TOKEN, HUGGING_FACE_HUB_TOKEN, or the file HF_TOKEN_PATH names\n"
        "($HF_HOME/token by default). It goes to the configured endpoint only.\n"
        "\n"
        "JSON keys: name, fullname, role, pro, token_from, endpoint, orgs[].",
    .min_args = 0,
    .max_args = 0,
    .run = run_whoami,
};
