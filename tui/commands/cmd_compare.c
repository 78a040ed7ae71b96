/* compare: files of one model side by side: what each is worth, and which to keep. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/eval/compare.h"
#include "core/eval/judge.h"
#include "core/files/library.h"
#include "tui/commands/compare_far.h"
#include "tui/commands/default_text.h"

enum { C_REF, C_FILE, C_CTX, C_CHUNKS, C_PROTOCOL, C_STORED, C_NO_FACTS, C_COUNT };
enum { MOST_FILES = 64 };
static const ui_opt compare_opt[C_COUNT] = {
    {"ref", 0, UI_OPT_MODEL, "MODEL", "most bits", 0, 0, "the model that all are measured against"},
    {"file", 'f', UI_OPT_FILE, "TEXT", "as stored, or the demo's", 0, 0, "text to measure on"},
    {"ctx", 'c', UI_OPT_INT, "N", "512", 8, 1 << 20, "tokens per chunk"},
    {"chunks", 0, UI_OPT_INT, "N", "all", 1, 1 << 30, "chunks at most"},
    {"protocol", 0, UI_OPT_TEXT, "NAME", "llama", 0, 0, "llama or papers"},
    {"stored", 0, UI_OPT_FLAG, NULL, NULL, 0, 0, "measure nothing: only what is known already"},
    {"no-facts", 0, UI_OPT_FLAG, NULL, NULL, 0, 0, "do not ask the demo's questions"},
};

typedef struct work {
    ui_ctx *ctx;
    char path[MOST_FILES][1024];
    char ref[1024];
    const char *far[MOST_FILES]; /* arguments that are addresses */
    size_t n_far;
    nb_compare c;
    ui_corpus text, qa;
    bool demo; /* the demo's questions may be asked of these files */
    nk_pool *pool;
    nb_runs *runs; /* NULL: nothing can be remembered */
    nb_judge *judge;
    size_t measured;
} work;

static void work_close(work *w)
{
    nb_judge_close(&w->judge);
    nb_compare_close(&w->c);
    nb_runs_close(&w->runs);
    ui_text_close(&w->text);
    ui_text_close(&w->qa);
    nk_pool_close(&w->pool);
}

/* --- measuring ---------------------------------------------------------------------------------
 */

static void keep(work *w, nb_run_kind kind, nb_run_key key, size_t i, const void *record)
{
    key.model = w->c.row[i].model;
    if (w->runs)
        nb_runs_add(w->runs, kind, &key, record, NULL);
    w->measured++;
}

static nb_status measure_row(work *w, size_t i, const nb_hooks *hooks, nb_err *err)
{
    nb_compare_row *r = &w->c.row[i];
    nb_kld k;
    nb_task_score facts;
    if (!r->is_reference && !r->has_kld) {
        NB_TRY(nb_judge_kld(w->judge, r->path, &k, hooks, err));
        nb_compare_put_kld(&w->c, i, &k);
        keep(w, NB_RUN_KLD, w->c.key, i, &k);
    }
    if (w->demo && !r->has_facts) {
        NB_TRY(nb_judge_facts(w->judge, r->path, &facts, hooks, err));
        nb_compare_put_facts(&w->c, i, &facts);
        keep(w, NB_RUN_FACTS, w->c.qa_key, i, &facts);
    }
    return NB_OK;
}

static bool all_known(const work *w)
{
    bool known = true;
    for (size_t i = 0; i < w->c.n; i++)
        known &= (w->c.row[i].has_kld || w->c.row[i].is_reference) &&
                 (w->c.row[i].has_facts || !w->demo);
    return known;
}

static nb_status open_judge(work *w, nb_err *err)
{
    const ui_arg *o = w->ctx->opt;
    nb_judge_options j = {.reference = nb_compare_reference(&w->c),
                          .text = w->text.at,
                          .len = w->text.len,
                          .text_sha256 = w->text.sha256,
                          .reading = {.protocol = o[C_PROTOCOL].set
                                                      ? nb_protocol_find(o[C_PROTOCOL].text)
                                                      : NB_PROTOCOL_LLAMA,
                                      .n_ctx = o[C_CTX].set ? (uint32_t)o[C_CTX].i : 512,
                                      .max_chunks = o[C_CHUNKS].set ? (uint32_t)o[C_CHUNKS].i : 0},
                          .qa = w->demo ? w->qa.at : NULL,
                          .qa_len = w->qa.len,
                          .qa_sha256 = w->qa.sha256};
    if (j.reading.protocol != NB_PROTOCOL_LLAMA && j.reading.protocol != NB_PROTOCOL_PAPERS)
        return nb_fail(err, NB_USAGE, "--protocol: \"%.40s\" is neither llama nor papers",
                       o[C_PROTOCOL].text);
    nb_hooks hooks = ui_ctx_hooks(w->ctx);
    NB_TRY(nb_judge_open(&w->judge, &j, &w->ctx->ops, w->pool, &hooks, err));
    w->c.key = nb_judge_key(w->judge);
    return NB_OK;
}

static nb_status measure_all(work *w, nb_err *err)
{
    NB_TRY(nk_pool_open(&w->pool, w->ctx->threads, err));
    NB_TRY(open_judge(w, err));
    if (w->runs)
        nb_compare_look(&w->c, w->runs);
    nb_status st = NB_OK;
    nb_hooks hooks = ui_ctx_hooks(w->ctx);
    for (size_t i = 0; i < w->c.n && st == NB_OK && !w->ctx->opt[C_STORED].flag; i++)
        st = measure_row(w, i, &hooks, err);
    ui_ctx_done(w->ctx);
    return st;
}

static ui_compare_far far_of(const work *w)
{
    return (ui_compare_far){.c = &w->c, .runs = w->runs, .far = w->far, .n = w->n_far};
}

/* --- text --------------------------------------------------------------------------------------
 */

static void pair(char *out, size_t cap, bool known, double v, double err, int decimals)
{
    if (known)
        snprintf(out, cap, "%.*f +/- %.*f", decimals, v, decimals, err);
    else
        snprintf(out, cap, "?");
}

static void print_row(const nb_compare_row *r)
{
    char size[16], ppl[40], kld[40], top[24] = "?", facts[24] = "?", speed[16] = "?";
    nb_str name = {0};
    nb_safe_text(&name, r->name, strlen(r->name), NB_SAFE_ONE_LINE);
    pair(ppl, sizeof ppl, r->has_ppl, r->ppl, r->ppl_err, 3);
    pair(kld, sizeof kld, r->has_kld, r->kld.kld.mean, r->kld.kld.err, 5);
    if (r->is_reference)
        snprintf(kld, sizeof kld, "reference");
    if (r->has_kld)
        snprintf(top, sizeof top, "%.2f +/- %.2f", 100 * r->kld.same_top,
                 100 * r->kld.same_top_err);
    if (r->has_facts)
        snprintf(facts, sizeof facts, "%llu/%llu %.0f-%.0f%%", (unsigned long long)r->facts.right,
                 (unsigned long long)r->facts.asked, 100 * r->facts.lo, 100 * r->facts.hi);
    if (r->has_speed)
        snprintf(speed, sizeof speed, "%.1f", r->tg_tok_s);
    printf("%c %-28.28s %9s %6.2f  %-20s %-22s %-15s %-14s %7s\n", r->front ? '*' : ' ',
           nb_str_c(&name), nb_human_bytes(size, r->bytes), r->bpw, ppl, kld,
           r->is_reference ? "" : top, facts, speed);
    nb_str_free(&name);
}

static void print_text(const work *w)
{
    const nb_compare *c = &w->c;
    printf("  %-28s %9s %6s  %-20s %-22s %-15s %-14s %7s\n", "file", "weights", "bpw", "perplexity",
           "KL divergence, nats", "top-1 %", "facts", "tok/s");
    for (size_t i = 0; i < c->n; i++)
        print_row(&c->row[i]);
    nb_str s = {0};
    nb_str_addf(
        &s,
        "* nothing is smaller and as close; +/- one standard error, facts with 95 %% interval; %s, "
        "%u chunks of %u",
        c->key.protocol, c->key.chunks, c->key.n_ctx);
    if (w->text.name)
        nb_str_addf(&s, " of %s", w->text.name);
    ui_print_line(nb_str_c(&s));
    nb_str_free(&s);
    putchar('\n');
    for (size_t i = 0; i < c->n; i++) {
        nb_str_addf(&s, "%s: %s", c->row[i].name, c->row[i].advice);
        ui_print_line(nb_str_c(&s));
        nb_str_free(&s);
    }
}

/* --- JSON --------------------------------------------------------------------------------------
 */

static void value_json(nb_jout *j, const char *key, bool known, double v)
{
    nb_jout_key(j, key);
    if (known)
        nb_jout_double(j, v);
    else
        nb_jout_null(j);
}

static void row_json(nb_jout *j, const nb_compare_row *r)
{
    nb_jout_object(j);
    nb_jout_key(j, "file"), nb_jout_str(j, r->path);
    nb_jout_key(j, "type"), nb_jout_str(j, r->type_name);
    nb_jout_key(j, "reference"), nb_jout_bool(j, r->is_reference);
    nb_jout_key(j, "bytes"), nb_jout_u64(j, r->bytes);
    nb_jout_key(j, "params"), nb_jout_u64(j, r->params);
    nb_jout_key(j, "bpw"), nb_jout_double(j, r->bpw);
    value_json(j, "ppl", r->has_ppl, r->ppl);
    value_json(j, "ppl_stderr", r->has_ppl, r->ppl_err);
    value_json(j, "kld", r->has_kld, r->kld.kld.mean);
    value_json(j, "kld_stderr", r->has_kld, r->kld.kld.err);
    value_json(j, "kld_p99", r->has_kld, r->kld.kld.p99);
    value_json(j, "same_top", r->has_kld, r->kld.same_top);
    value_json(j, "same_top_lo", r->has_kld, r->kld.same_top_lo);
    value_json(j, "same_top_hi", r->has_kld, r->kld.same_top_hi);
    value_json(j, "facts_kept", r->has_facts, (double)r->facts.right);
    value_json(j, "facts", r->has_facts, (double)r->facts.asked);
    value_json(j, "facts_lo", r->has_facts, r->facts.lo);
    value_json(j, "facts_hi", r->has_facts, r->facts.hi);
    value_json(j, "tok_per_s", r->has_speed, r->tg_tok_s);
    nb_jout_key(j, "pareto"), nb_jout_bool(j, r->front);
    nb_jout_key(j, "advice"), nb_jout_str(j, r->advice);
    nb_jout_object_end(j);
}

static void print_json(const work *w)
{
    const nb_compare *c = &w->c;
    nb_str text = {0};
    nb_jout j = nb_jout_make(&text);
    nb_jout_object(&j);
    nb_jout_key(&j, "reference"), nb_jout_str(&j, nb_compare_reference(c));
    nb_jout_key(&j, "text_sha256"), nb_jout_str(&j, c->key.text);
    nb_jout_key(&j, "protocol"), nb_jout_str(&j, c->key.protocol);
    nb_jout_key(&j, "ctx"), nb_jout_u64(&j, c->key.n_ctx);
    nb_jout_key(&j, "chunks"), nb_jout_u64(&j, c->key.chunks);
    nb_jout_key(&j, "measured"), nb_jout_u64(&j, w->measured);
    nb_jout_key(&j, "files"), nb_jout_array(&j);
    for (size_t i = 0; i < c->n; i++)
        row_json(&j, &c->row[i]);
    nb_jout_array_end(&j);
    const ui_compare_far far = far_of(w);
    ui_compare_far_json(&j, &far);
    nb_jout_object_end(&j);
    puts(nb_str_c(&text));
    nb_str_free(&text);
}

/* --- the command -------------------------------------------------------------------------------
 */

static nb_status open_files(work *w, nb_err *err)
{
    const ui_ctx *ctx = w->ctx;
    const char *paths[MOST_FILES];
    const ui_arg *ref = &ctx->opt[C_REF];
    if (ctx->n_args > MOST_FILES)
        return nb_fail(err, NB_USAGE, "%zu files: at most %d", ctx->n_args, MOST_FILES);
    size_t n = 0;
    for (size_t i = 0; i < ctx->n_args; i++) {
        if (nb_is_remote(ctx->args[i])) {
            w->far[w->n_far++] = ctx->args[i];
            continue;
        }
        NB_TRY(nb_library_resolve(&ctx->cfg, ctx->args[i], w->path[n], sizeof w->path[n], err));
        paths[n] = w->path[n];
        n++;
    }
    if (ref->set)
        NB_TRY(nb_library_resolve(&ctx->cfg, ref->text, w->ref, sizeof w->ref, err));
    return nb_compare_open(&w->c, paths, n, ref->set ? w->ref : NULL, err);
}

/* The demo's questions are asked of the demo's own precisions: files that bear its name. */
static nb_status open_questions(work *w, nb_err *err)
{
    nb_weights *model = NULL;
    NB_TRY(nb_weights_open(&model, nb_compare_reference(&w->c), err));
    w->demo = !w->ctx->opt[C_NO_FACTS].flag && ui_is_demo(model) &&
              ui_demo_questions(&w->qa, &w->ctx->cfg);
    nb_weights_close(&model);
    return w->demo ? nb_compare_ask(&w->c, w->qa.at, w->qa.len, w->qa.sha256, err) : NB_OK;
}

static nb_status fill(work *w, nb_err *err)
{
    const ui_ctx *ctx = w->ctx;
    const ui_arg *o = ctx->opt;
    NB_TRY(open_files(w, err));
    NB_TRY(open_questions(w, err));
    if (ctx->cfg.writable && nb_runs_open(&w->runs, &ctx->cfg, NULL) != NB_OK)
        w->runs = NULL;
    bool asked = o[C_FILE].set || o[C_CTX].set || o[C_CHUNKS].set || o[C_PROTOCOL].set;
    if (!asked && w->runs && nb_compare_guess(&w->c, w->runs)) {
        nb_compare_look(&w->c, w->runs);
        if (all_known(w) || o[C_STORED].flag)
            return NB_OK;
        /* Other files want the same text; without it only a new one can join them all. */
        for (size_t i = 0; i < w->c.n; i++)
            w->c.row[i].has_kld = w->c.row[i].has_ppl = false;
    }
    NB_TRY(ui_text_open(&w->text, &ctx->cfg, o[C_FILE].set ? o[C_FILE].text : NULL, err));
    return measure_all(w, err);
}

static nb_status run_compare(ui_ctx *ctx, nb_err *err)
{
    work *w = nb_alloc(1, sizeof *w, "comparison", err);
    if (!w)
        return NB_NOMEM;
    w->ctx = ctx;
    nb_status st = fill(w, err);
    if (st == NB_OK) {
        nb_compare_advise(&w->c);
        (ctx->json ? print_json : print_text)(w);
        const ui_compare_far far = far_of(w);
        if (!ctx->json)
            ui_compare_far_print(&far);
    }
    work_close(w);
    free(w);
    return st;
}

const ui_cmd ui_cmd_compare = {
    .name = "compare",
    .args = "FILE... [https://HOST/v1#NAME...]",
    .summary = "files of one model side by side: which to keep, and why",
    .details =
        "Size, perplexity, KL divergence from the reference, agreement and, for the demo, facts\n"
        "kept. Stored runs with the same reference, text, context and protocol are used; what is\n"
        "missing is measured and stored. Without --file the text of the stored runs counts, else\n"
        "the demo's questions and answers are read. What eval stored of remote models, those "
        "files\n"
        "held against one and the addresses given themselves, stands below in no ranking.\n"
        "JSON keys: reference, text_sha256, protocol, ctx, chunks, measured, files[] {file, type,\n"
        "reference, bytes, params, bpw, ppl, ppl_stderr, kld, kld_stderr, kld_p99, same_top,\n"
        "same_top_lo, same_top_hi, facts_kept, facts, facts_lo, facts_hi, tok_per_s, pareto,\n"
        "advice}; null where nothing is known; remote[] {model, reference, kl_at_least, "
        "kl_stderr,\n"
        "same_top, perplexity_ref, perplexity, stderr, scored, protocol, text_sha256, ctx, "
        "chunks}.",
    .opt = compare_opt,
    .n_opt = C_COUNT,
    .min_args = 1,
    .max_args = -1,
    .run = run_compare,
};
