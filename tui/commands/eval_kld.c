/* eval --ref, --base: KL divergence from a reference. */
#include <stdio.h>
#include <string.h>

#include "core/base/digest.h"
#include "core/eval/base_file.h"
#include "tui/commands/eval_cmd.h"

/* --- figures -----------------------------------------------------------------------------------
 */

typedef struct quantile {
    const char *key, *name;
    size_t at;
} quantile;

#define Q(key, name, member)                                                                       \
    {                                                                                              \
        key, name, offsetof(nb_spread, member)                                                     \
    }
static const quantile quantiles[] = {
    Q("max", "maximum", max),   Q("p99_9", "99.9 %", p999), Q("p99", "99 %", p99),
    Q("p95", "95 %", p95),      Q("p90", "90 %", p90),      Q("p75", "75 %", p75),
    Q("p50", "median", median), Q("p25", "25 %", p25),      Q("p10", "10 %", p10),
    Q("p5", "5 %", p5),         Q("p1", "1 %", p1),         Q("p0_1", "0.1 %", p01),
    Q("min", "minimum", min),
};
#undef Q

static double value_at(const nb_spread *s, size_t i)
{
    double v;
    memcpy(&v, (const char *)s + quantiles[i].at, sizeof v);
    return v;
}

static void pair_json(nb_jout *w, const char *key, double value, double err)
{
    nb_jout_key(w, key);
    nb_jout_object(w);
    nb_jout_key(w, "value"), nb_jout_double(w, value);
    nb_jout_key(w, "stderr"), nb_jout_double(w, err);
    nb_jout_object_end(w);
}

static void spread_json(nb_jout *w, const char *key, const nb_spread *s)
{
    nb_jout_key(w, key);
    nb_jout_object(w);
    nb_jout_key(w, "mean"), nb_jout_double(w, s->mean);
    nb_jout_key(w, "stderr"), nb_jout_double(w, s->err);
    for (size_t i = 0; i < countof(quantiles); i++)
        nb_jout_key(w, quantiles[i].key), nb_jout_double(w, value_at(s, i));
    nb_jout_object_end(w);
}

void ui_kld_json(nb_jout *w, const nb_kld *k)
{
    nb_jout_key(w, "scored"), nb_jout_u64(w, k->scored);
    pair_json(w, "ppl", k->ppl, k->ppl_err);
    pair_json(w, "base_ppl", k->base_ppl, k->base_ppl_err);
    nb_jout_key(w, "cor"), nb_jout_double(w, k->cor);
    pair_json(w, "ln_ratio", k->ln_ratio, k->ln_ratio_err);
    pair_json(w, "ratio", k->ratio, k->ratio_err);
    pair_json(w, "diff", k->diff, k->diff_err);
    spread_json(w, "kld", &k->kld);
    spread_json(w, "dp", &k->dp);
    pair_json(w, "rms_dp", k->rms_dp, k->rms_dp_err);
    nb_jout_key(w, "same_top");
    nb_jout_object(w);
    nb_jout_key(w, "value"), nb_jout_double(w, k->same_top);
    nb_jout_key(w, "stderr"), nb_jout_double(w, k->same_top_err);
    nb_jout_key(w, "lo"), nb_jout_double(w, k->same_top_lo);
    nb_jout_key(w, "hi"), nb_jout_double(w, k->same_top_hi);
    nb_jout_object_end(w);
    nb_jout_key(w, "tok_per_s"), nb_jout_double(w, k->tok_per_s);
}

void ui_kld_print(const nb_kld *k)
{
    printf("perplexity of the model       %12.6f +/- %.6f\n", k->ppl, k->ppl_err);
    printf("perplexity of the reference   %12.6f +/- %.6f\n", k->base_ppl, k->base_ppl_err);
    printf("correlation of their logs     %11.2f %%\n", 100 * k->cor);
    printf("ln(model / reference)         %12.6f +/- %.6f\n", k->ln_ratio, k->ln_ratio_err);
    printf("model / reference             %12.6f +/- %.6f\n", k->ratio, k->ratio_err);
    printf("model - reference             %12.6f +/- %.6f\n", k->diff, k->diff_err);
    printf("KL divergence, nats           %12.6f +/- %.6f\n", k->kld.mean, k->kld.err);
    printf("change of p, %%                %12.3f +/- %.3f\n", 100 * k->dp.mean, 100 * k->dp.err);
    printf("its root mean square, %%       %12.3f +/- %.3f\n", 100 * k->rms_dp,
           100 * k->rms_dp_err);
    printf("same most likely token, %%     %12.3f +/- %.3f  (95 %%: %.3f to %.3f)\n",
           100 * k->same_top, 100 * k->same_top_err, 100 * k->same_top_lo, 100 * k->same_top_hi);
    printf("\n%-10s %14s %16s\n", "", "KL divergence", "change of p, %");
    for (size_t i = 0; i < countof(quantiles); i++)
        printf("%-10s %14.6f %16.3f\n", quantiles[i].name, value_at(&k->kld, i),
               100 * value_at(&k->dp, i));
    puts("\n+/- one standard error");
}

static void report(const ui_eval *e, const nb_run_key *key, const char *reference, const nb_kld *k)
{
    if (!e->ctx->json) {
        nb_str head = {0};
        nb_str_addf(&head, "%s against %s: %s, %u chunks of %u, %llu positions, %.0f tok/s",
                    ui_engine_name(&e->own), reference, key->protocol, k->chunks, k->n_ctx,
                    (unsigned long long)k->scored, k->tok_per_s);
        ui_print_line(nb_str_c(&head));
        nb_str_free(&head);
        ui_kld_print(k);
        return;
    }
    nb_str text = {0};
    nb_jout w = nb_jout_make(&text);
    nb_jout_object(&w);
    ui_eval_json_head(&w, e);
    nb_jout_key(&w, "reference"), nb_jout_str(&w, reference);
    ui_kld_json(&w, k);
    nb_jout_object_end(&w);
    puts(nb_str_c(&text));
    nb_str_free(&text);
}

/* --- runs --------------------------------------------------------------------------------------
 */

static nb_status measure(ui_eval *e, nb_reference *ref, const nb_reading *rd, uint64_t reference,
                         const char *name, nb_err *err)
{
    nb_kld k;
    nb_hooks hooks = ui_ctx_hooks(e->ctx);
    nb_status st = nb_kld_run(&k, e->own.session, ref, e->pool, rd, NULL, NULL, &hooks, err);
    ui_ctx_done(e->ctx);
    if (st != NB_OK)
        return st;
    nb_run_key key = ui_eval_key(e);
    key.reference = reference;
    report(e, &key, name, &k);
    ui_eval_keep(e, NB_RUN_KLD, &key, &k);
    return NB_OK;
}

static nb_status beside(ui_eval *e, nb_err *err)
{
    ui_engine other = {0};
    nb_live live;
    nb_status st = ui_engine_open(&other, e->ctx, e->ctx->opt[UI_EVAL_REF].text, err);
    if (st == NB_OK)
        st = nb_vocab_same(e->own.tok, ui_engine_name(&e->own), other.tok, ui_engine_name(&other),
                           err);
    if (st == NB_OK)
        st = ui_eval_cut(e, err);
    if (st == NB_OK)
        st = ui_eval_session(e, e->reading.n_ctx, err);
    if (st == NB_OK && e->ctx->opt[UI_EVAL_FLAT].flag)
        st = ui_engine_flatten(&other, e->ctx, e->pool, err);
    if (st == NB_OK)
        st = ui_engine_session(&other, e->ctx, e->pool, &e->session, err);
    if (st == NB_OK) {
        nb_live_init(&live, other.session);
        st = measure(e, &live.ref, &e->reading, ui_engine_print(&other), ui_engine_name(&other),
                     err);
    }
    ui_engine_close(&other);
    return st;
}

/* The file says what is read: text, protocol and chunks are its own. */
static nb_status from_base(ui_eval *e, nb_err *err)
{
    const ui_arg *o = e->ctx->opt;
    const char *path = o[UI_EVAL_BASE].text;
    nb_base *b = NULL;
    if (o[UI_EVAL_FILE].set || o[UI_EVAL_PROTOCOL].set || o[UI_EVAL_STRIDE].set ||
        o[UI_EVAL_CTX].set)
        return nb_fail(err, NB_USAGE, "--base brings its own text, protocol and context");
    NB_TRY(nb_base_open(&b, path, e->own.tok, &e->ctx->ops, e->pool, err));
    const char *name = b->head.name[0] ? b->head.name : nb_path_base(path);
    uint64_t reference =
        b->head.reference ? b->head.reference : nb_fingerprint(b->map.at, b->map.len);
    e->reading = b->reading; /* lent, for the head of the report */
    snprintf(e->sha256, sizeof e->sha256, "%s", b->head.text);
    if (o[UI_EVAL_CHUNKS].set && (uint64_t)o[UI_EVAL_CHUNKS].i < e->reading.chunks)
        e->reading.chunks = (uint32_t)o[UI_EVAL_CHUNKS].i;
    nb_status st = ui_eval_session(e, e->reading.n_ctx, err);
    if (st == NB_OK)
        st = measure(e, &b->ref, &e->reading, reference, name, err);
    e->reading = (nb_reading){0};
    nb_base_close(&b);
    return st;
}

nb_status ui_eval_kld(ui_eval *e, nb_err *err)
{
    return e->ctx->opt[UI_EVAL_BASE].set ? from_base(e, err) : beside(e, err);
}
