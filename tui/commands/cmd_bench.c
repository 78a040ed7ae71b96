/* bench: prefill and decode speed with the limit measured beside it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/job.h"
#include "core/eval/runs.h"
#include "core/eval/tune.h"
#include "core/files/library.h"
#include "kernels/cpu.h"
#include "tui/commands/engine.h"
#include "tui/commands/session_opt.h"

enum { B_PROMPT, B_GEN, B_ROUNDS, B_DEPTH, B_CACHE_K, B_CACHE_V, B_DRAFT, B_FLAT, B_TUNE, B_COUNT };
static const ui_opt bench_opt[B_COUNT] = {
    {"prompt", 'p', UI_OPT_INT, "N", "512", 1, 1 << 20,
     "tokens of the prompt, at most the context"},
    {"predict", 'n', UI_OPT_INT, "N", "64", 1, 1 << 20, "tokens to generate"},
    {"rounds", 'r', UI_OPT_INT, "N", "5", 1, 1000, "rounds; the median is told"},
    {"depth", 0, UI_OPT_INT, "N", "0", 0, 1 << 20, "tokens in the cache before the prompt"},
    {"cache-type-k", 0, UI_OPT_TEXT, "TYPE", "f16", 0, 0, "type of cached keys: " UI_CACHE_TYPES},
    {"cache-type-v", 0, UI_OPT_TEXT, "TYPE", "f16", 0, 0, "type of cached values"},
    {"draft", 0, UI_OPT_FILE, "HOW", NULL, 0, 0,
     "also an answer with guesses: lookup, or a MODEL with the same tokens"},
    {"flat", 0, UI_OPT_FLAG, NULL, NULL, 0, 0, UI_FLAT_HELP},
    {"tune", 0, UI_OPT_FLAG, NULL, NULL, 0, 0,
     "without MODEL: time the kernels this machine has a choice of, and keep the faster"},
};

static void draft_json(nb_jout *w, const char *how, const nb_bench_draft *d)
{
    nb_jout_key(w, "draft");
    if (!how) {
        nb_jout_null(w);
        return;
    }
    nb_jout_object(w);
    nb_jout_key(w, "how"), nb_jout_str(w, how);
    nb_jout_key(w, "answer"), nb_jout_u64(w, d->n_answer);
    nb_jout_key(w, "drafted_tokens"), nb_jout_u64(w, d->n_drafted);
    nb_jout_key(w, "accepted_tokens"), nb_jout_u64(w, d->n_accepted);
    nb_jout_key(w, "tok_s"), nb_jout_double(w, d->draft_tok_s);
    nb_jout_key(w, "alone_tok_s"), nb_jout_double(w, d->alone_tok_s);
    nb_jout_object_end(w);
}

/* how: NULL = without a draft */
static void bench_json(const char *model, const nb_bench *b, const char *how,
                       const nb_bench_draft *d)
{
    nb_str text = {0};
    nb_jout w = nb_jout_make(&text);
    nb_jout_object(&w);
    nb_jout_key(&w, "model"), nb_jout_str(&w, model);
    nb_jout_key(&w, "cpu"), nb_jout_str(&w, b->cpu);
    nb_jout_key(&w, "level"), nb_jout_str(&w, b->level);
    nb_jout_key(&w, "threads"), nb_jout_u64(&w, b->threads);
    nb_jout_key(&w, "depth"), nb_jout_u64(&w, b->depth);
    nb_jout_key(&w, "prompt"), nb_jout_u64(&w, b->n_prompt);
    nb_jout_key(&w, "predict"), nb_jout_u64(&w, b->n_gen);
    nb_jout_key(&w, "pp_tok_s"), nb_jout_double(&w, b->pp_tok_s);
    nb_jout_key(&w, "pp_err"), nb_jout_double(&w, b->pp_err);
    nb_jout_key(&w, "pp_int8_macs"), nb_jout_double(&w, b->pp_macs.int8);
    nb_jout_key(&w, "pp_f32_macs"), nb_jout_double(&w, b->pp_macs.f32);
    nb_jout_key(&w, "pp_bf16_macs"), nb_jout_double(&w, b->pp_macs.bf16);
    nb_jout_key(&w, "int8_mac_rate"), nb_jout_double(&w, b->mac_rate.int8);
    nb_jout_key(&w, "f32_mac_rate"), nb_jout_double(&w, b->mac_rate.f32);
    nb_jout_key(&w, "bf16_mac_rate"), nb_jout_double(&w, b->mac_rate.bf16);
    nb_jout_key(&w, "pp_limit_tok_s"), nb_jout_double(&w, b->pp_limit_tok_s);
    nb_jout_key(&w, "pp_fraction"), nb_jout_double(&w, b->pp_fraction);
    nb_jout_key(&w, "tg_tok_s"), nb_jout_double(&w, b->tg_tok_s);
    nb_jout_key(&w, "tg_err"), nb_jout_double(&w, b->tg_err);
    nb_jout_key(&w, "bandwidth"), nb_jout_double(&w, b->bandwidth);
    nb_jout_key(&w, "kv_bytes"), nb_jout_double(&w, b->kv_bytes);
    nb_jout_key(&w, "tg_limit_tok_s"), nb_jout_double(&w, b->limit_tok_s);
    nb_jout_key(&w, "tg_fraction"), nb_jout_double(&w, b->fraction);
    nb_jout_key(&w, "load_ms"), nb_jout_double(&w, b->load_ms);
    nb_jout_key(&w, "ttft_ms"), nb_jout_double(&w, b->ttft_ms);
    nb_jout_key(&w, "weight_bytes"), nb_jout_u64(&w, b->weight_bytes);
    nb_jout_key(&w, "rss"), nb_jout_u64(&w, b->rss);
    nb_jout_key(&w, "flat_bytes"), nb_jout_u64(&w, b->flat_bytes);
    draft_json(&w, how, d);
    nb_jout_object_end(&w);
    puts(nb_str_c(&text));
    nb_str_free(&text);
}

static void bench_text(const nb_bench *b, const char *how, const nb_bench_draft *d)
{
    char weights[16], kv[16], rss[16], bandwidth[16], flat[16], parts[32] = "";
    if (b->pp_macs.bf16 > 0) /* none of the other kinds' limits bounds these */
        snprintf(parts, sizeof parts, ", %.0f G bf16", b->mac_rate.bf16 * 1e-9);
    printf("%s, level %s, %u threads, %s of weights and %s of cache per token, %s resident\n",
           b->cpu, b->level, b->threads, nb_human_bytes(weights, b->weight_bytes),
           nb_human_bytes(kv, (uint64_t)b->kv_bytes), nb_human_bytes(rss, b->rss));
    printf(
        "prefill %5u tokens  %9.1f tok/s  +/- %.1f   %.0f %% of %.1f, the limit at %.0f G int8%s "
        "and %.0f G f32 multiply-adds/s\n",
        b->n_prompt, b->pp_tok_s, b->pp_err, 100 * b->pp_fraction, b->pp_limit_tok_s,
        b->mac_rate.int8 * 1e-9, parts, b->mac_rate.f32 * 1e-9);
    printf("decode  %5u tokens  %9.1f tok/s  +/- %.1f   %.0f %% of %.1f, the limit at %s/s\n",
           b->n_gen, b->tg_tok_s, b->tg_err, 100 * b->fraction, b->limit_tok_s,
           nb_human_bytes(bandwidth, (uint64_t)b->bandwidth));
    printf("open %.1f ms, first token after %.1f ms\n", b->load_ms, b->ttft_ms);
    if (b->flat_bytes)
        printf("flat copy: %s\n", nb_human_bytes(flat, b->flat_bytes));
    if (b->depth)
        printf("at depth %u\n", b->depth);
    if (how)
        printf("with guesses %.1f tok/s, without %.1f, %u of %u guesses right\n", d->draft_tok_s,
               d->alone_tok_s, d->n_accepted, d->n_drafted);
}

static nb_status measure(ui_ctx *ctx, const nb_weights *w, double t0, nb_bench *b, nb_err *err)
{
    const ui_arg *o = ctx->opt;
    nb_model *m = NULL;
    nk_pool *pool = NULL;
    nb_session_options cache = {0};
    NB_TRY(ui_cache_types(&cache, &o[B_CACHE_K], &o[B_CACHE_V], err));
    nb_bench_how how = {.k_type = cache.k_type, .v_type = cache.v_type};
    NB_TRY(nb_model_open(&m, w, err));
    double load_ms = 1e3 * (nb_now() - t0);
    nb_status st = nk_pool_open(&pool, ctx->threads, err);
    nb_hooks hooks = ui_ctx_hooks(ctx);
    if (st == NB_OK && o[B_FLAT].flag)
        st = nb_model_flatten(m, &ctx->ops, pool, ui_engine_room(ctx), &hooks, err);
    how.n_gen = o[B_GEN].set ? (uint32_t)o[B_GEN].i : 64;
    how.depth = o[B_DEPTH].set ? (uint32_t)o[B_DEPTH].i : 0;
    how.rounds = o[B_ROUNDS].set ? (uint32_t)o[B_ROUNDS].i : 5;
    uint32_t used = how.n_gen + how.depth, all = m->hp.n_ctx_train;
    uint32_t room = all > used ? all - used : 1;
    how.n_prompt = o[B_PROMPT].set ? (uint32_t)o[B_PROMPT].i : room < 512 ? room : 512;
    if (st == NB_OK)
        st = nb_bench_run(b, m, &ctx->ops, pool, &how, &hooks, err);
    b->load_ms = load_ms;
    nk_pool_close(&pool);
    nb_model_close(&m);
    return st;
}

/* An answer with guesses and one without, by the chat's own code. */
static nb_status measure_draft(ui_ctx *ctx, const char *path, nb_bench_draft *d, nb_err *err)
{
    char other[1024];
    nb_sched *sched = NULL;
    nb_local *l = NULL;
    const ui_arg *o = ctx->opt;
    const char *how = o[B_DRAFT].text;
    if (strcmp(how, "lookup") != 0 && strcmp(how, "off") != 0) {
        NB_TRY(nb_library_resolve(&ctx->cfg, how, other, sizeof other, err));
        how = other;
    }
    nb_session_options opt = {0};
    NB_TRY(ui_cache_types(&opt, &o[B_CACHE_K], &o[B_CACHE_V], err));
    NB_TRY(nb_sched_open(&sched, ctx->threads, err));
    nb_status st = nb_local_open(&l, path, &ctx->ops, sched, ctx->threads, &opt, err);
    nb_hooks hooks = ui_ctx_hooks(ctx);
    hooks.progress = NULL;
    if (st == NB_OK && o[B_FLAT].flag)
        st = nb_local_flatten(l, ui_engine_room(ctx), NULL, &hooks, err);
    if (st == NB_OK)
        st = nb_bench_drafted(d, l, how, o[B_GEN].set ? (uint32_t)o[B_GEN].i : 64, &hooks, err);
    nb_local_close(&l);
    nb_sched_close(&sched);
    return st;
}

/* --- tune --------------------------------------------------------------------------------------
 */

static void tune_json(const nb_tune *t, const char *level)
{
    nb_str text = {0};
    nb_jout w = nb_jout_make(&text);
    nb_jout_object(&w);
    nb_jout_key(&w, "cpu"), nb_jout_str(&w, t->cpu);
    nb_jout_key(&w, "level"), nb_jout_str(&w, level);
    nb_jout_key(&w, "types");
    nb_jout_array(&w);
    for (size_t i = 0; i < t->n; i++) {
        nb_jout_object(&w);
        nb_jout_key(&w, "type"), nb_jout_str(&w, t->row[i].type->name);
        nb_jout_key(&w, "gain"), nb_jout_double(&w, t->row[i].gain);
        nb_jout_key(&w, "used"), nb_jout_bool(&w, t->row[i].gain >= NB_TUNE_WIN);
        nb_jout_object_end(&w);
    }
    nb_jout_array_end(&w);
    nb_jout_object_end(&w);
    puts(nb_str_c(&text));
    nb_str_free(&text);
}

static void tune_text(const nb_tune *t, const char *level)
{
    if (!t->n)
        printf("%s, level %s: one kernel for everything, nothing to choose\n", t->cpu, level);
    for (size_t i = 0; i < t->n; i++)
        printf("%-8s %5.2f times as fast on tiles%s\n", t->row[i].type->name, t->row[i].gain,
               t->row[i].gain >= NB_TUNE_WIN ? ", used from now on" : "");
}

static nb_status run_tune(ui_ctx *ctx, nb_err *err)
{
    unsigned flags = 0;
    nk_ops all; /* without what was stored */
    nk_pool *pool = NULL;
    nb_tune t;
    nb_hooks hooks = ui_ctx_hooks(ctx);
    if (ctx->n_args)
        return nb_fail(err, NB_USAGE, "bench --tune takes no MODEL, found \"%s\"", ctx->args[0]);
    NB_TRY(nk_cpu_cap(nk_cpu_detect(), ctx->cfg.cpu, &flags, err));
    nk_ops_init(&all, flags);
    NB_TRY(nk_pool_open(&pool, ctx->threads, err));
    nb_status st = nb_tune_run(&t, &all, pool, NB_TUNE_BYTES, &hooks, err);
    nk_pool_close(&pool);
    ui_ctx_done(ctx);
    NB_TRY(st);
    if (t.n)
        NB_TRY(nb_tune_save(&ctx->cfg, &t, err));
    if (ctx->json)
        tune_json(&t, nk_cpu_level(all.flags));
    else
        tune_text(&t, nk_cpu_level(all.flags));
    return NB_OK;
}

static nb_status run_bench(ui_ctx *ctx, nb_err *err)
{
    if (ctx->opt[B_TUNE].flag)
        return run_tune(ctx, err);
    if (!ctx->n_args)
        return nb_fail(err, NB_USAGE, "usage: nibble bench MODEL, or nibble bench --tune");
    char path[1024];
    nb_weights *w = NULL;
    nb_runs *runs = NULL;
    nb_bench b = {0};
    nb_bench_draft d = {0};
    const char *how = ctx->opt[B_DRAFT].set ? ctx->opt[B_DRAFT].text : NULL;
    NB_TRY(nb_library_resolve(&ctx->cfg, ctx->args[0], path, sizeof path, err));
    double t0 = nb_now();
    NB_TRY(nb_weights_open(&w, path, err));
    nb_status st = measure(ctx, w, t0, &b, err);
    if (st == NB_OK && how)
        st = measure_draft(ctx, path, &d, err);
    ui_ctx_done(ctx);
    if (st == NB_OK) {
        if (ctx->json)
            bench_json(ctx->args[0], &b, how, &d);
        else
            bench_text(&b, how, &d);
        /* at depth, flat or with another cache it is not the speed that the Models screen speaks of
         */
        bool usual =
            !b.depth && !b.flat_bytes && !ctx->opt[B_CACHE_K].set && !ctx->opt[B_CACHE_V].set;
        if (usual && ctx->cfg.writable && nb_runs_open(&runs, &ctx->cfg, NULL) == NB_OK)
            nb_runs_add_bench(runs, nb_weights_fingerprint(w), &b, NULL);
    }
    nb_runs_close(&runs);
    nb_weights_close(&w);
    return st;
}

const ui_cmd ui_cmd_bench = {
    .name = "bench",
    .args = "[MODEL]",
    .summary = "prefill and decode speed, with the limits of the same run",
    .details =
        "The result is kept for this file and machine, unless at depth, --flat or with a\n"
        "cache of another type: the Models screen shows it as measured.\n"
        "--draft: the same greedy answer twice, as chat --draft gives it.\n"
        "JSON keys: model, cpu, level, threads, depth, prompt, predict, pp_tok_s, pp_err,\n"
        "pp_int8_macs, pp_f32_macs, pp_bf16_macs (multiply-adds of the prompt: block types;\n"
        "float types and attention; float types on AMX tiles, in parts), int8_mac_rate,\n"
        "f32_mac_rate, bf16_mac_rate (the most in a second, from registers; 0: no such unit),\n"
        "pp_limit_tok_s, pp_fraction (of that limit), tg_tok_s, tg_err, bandwidth (bytes/s),\n"
        "kv_bytes (of the cache, read per token), tg_limit_tok_s, tg_fraction (of that limit:\n"
        "weights and cache), load_ms, ttft_ms, weight_bytes, rss, flat_bytes (0: none), draft\n"
        "(null, or how, answer: its tokens, drafted_tokens, accepted_tokens, tok_s, alone_tok_s).\n"
        "--tune: types run on AMX tiles only where this found them faster. Sums are the same, but\n"
        "those of F16 and BF16 weights, which differ in their last bits: these go that way for\n"
        "prompts and answers alike, and only if answers lose nothing.\n"
        "JSON keys: cpu, level, types (type, gain, used).",
    .opt = bench_opt,
    .n_opt = B_COUNT,
    .max_args = 1,
    .run = run_bench,
};
