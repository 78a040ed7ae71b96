#include "core/eval/bench.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/config.h"
#include "core/base/job.h"
#include "core/base/str.h"
#include "kernels/cpu.h"

enum { MAX_ROUNDS = 1000, READ_CHUNK = 256 * 1024, READ_AHEAD = 4096, LINE = 64 };
static const double BANDWIDTH_SECONDS = 0.3;

/* --- read bandwidth over the mapped weights ----------------------------------------------------
 */

typedef struct reader {
    const nb_model *m;
    atomic_uint_fast64_t sum; /* so that no read can be left out */
} reader;

/* Of each line one word: memory brings lines, and a loop that takes in all of one is at its own
 * limit before memory is at its. Asks for lines ahead as the kernels do: hardware stops at the ends
 * of pages. */
static uint64_t read_lines(const uint8_t *p, size_t n)
{
    uint64_t sum = 0, w;
    for (size_t i = 0; i + sizeof w <= n; i += LINE) {
        __builtin_prefetch(p + (n - i > READ_AHEAD ? i + READ_AHEAD : i));
        memcpy(&w, p + i, sizeof w);
        sum += w;
    }
    return sum;
}

/* The i-th matrix of the model, embedding last; NULL past the end. */
static const nk_matrix *matrix_at(const nb_model *m, size_t i)
{
    size_t per_layer = NB_SLOT_COUNT - NB_SLOT_LAYER;
    if (i < m->hp.n_layer * per_layer)
        return &m->layer[i / per_layer].w[NB_SLOT_LAYER + i % per_layer];
    return i == m->hp.n_layer * per_layer ? &m->global[m->hp.tied ? NB_TOKEN_EMBD : NB_OUTPUT]
                                          : NULL;
}

static void read_some(void *arg, size_t begin, size_t end, int thread)
{
    reader *r = arg;
    (void)thread;
    for (size_t i = begin; i < end; i++) {
        size_t left = i, at = 0;
        const nk_matrix *w = matrix_at(r->m, 0);
        for (size_t k = 0; w; w = matrix_at(r->m, ++k)) {
            size_t bytes = w->rows * w->row_size, chunks = (bytes + READ_CHUNK - 1) / READ_CHUNK;
            if (left < chunks) {
                at = left * READ_CHUNK;
                size_t n = bytes - at < READ_CHUNK ? bytes - at : READ_CHUNK;
                atomic_fetch_add(&r->sum, read_lines((const uint8_t *)w->data + at, n));
                break;
            }
            left -= chunks;
        }
    }
}

/* Of the fastest pass: a limit is what the machine can do, not what it does beside others. */
static double read_bandwidth(const nb_model *m, nk_pool *pool)
{
    reader r = {.m = m};
    size_t chunks = 0, bytes = 0;
    const nk_matrix *w = matrix_at(m, 0);
    for (size_t k = 0; w; w = matrix_at(m, ++k)) {
        size_t n = w->rows * w->row_size;
        chunks += (n + READ_CHUNK - 1) / READ_CHUNK;
        bytes += n;
    }
    double begin = nb_seconds(), now = begin, best = 0;
    while (now - begin < BANDWIDTH_SECONDS) {
        double start = now;
        nk_parallel(pool, chunks, 1, read_some, &r);
        now = nb_seconds();
        double rate = (double)bytes / (now > start ? now - start : 1e-9);
        best = rate > best ? rate : best;
    }
    return best;
}

/* --- rounds ------------------------------------------------------------------------------------
 */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median, and half the width of the middle half. Sorts v. */
static double median(double *v, uint32_t n, double *spread)
{
    qsort(v, n, sizeof *v, by_value);
    *spread = (v[(n - 1) - (n - 1) / 4] - v[(n - 1) / 4]) / 2;
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

typedef struct rounds {
    nb_session *s;
    int32_t *ids;    /* [depth + n_prompt + n_gen] */
    double *pp, *tg; /* [rounds] seconds */
    uint32_t n_vocab, depth, n_prompt, n_gen;
} rounds;

static nb_status one_round(rounds *r, uint32_t round, const nb_hooks *hooks, nb_err *err)
{
    /* The first token behind those at depth differs from the last round's: no more is reused. */
    size_t shown = (size_t)r->depth + r->n_prompt;
    for (size_t i = 0; i < shown + r->n_gen; i++) {
        uint64_t salt = i < r->depth ? 0 : 1 + round;
        r->ids[i] = (int32_t)((salt + i * UINT64_C(2654435761)) % r->n_vocab);
    }
    if (r->depth)
        NB_TRY(nb_session_feed(r->s, r->ids, r->depth, NULL, hooks, err));
    double start = nb_seconds();
    NB_TRY(nb_session_feed(r->s, r->ids, shown, NULL, hooks, err));
    double middle = nb_seconds();
    for (uint32_t i = 1; i <= r->n_gen; i++)
        NB_TRY(nb_session_feed(r->s, r->ids, shown + i, NULL, hooks, err));
    r->pp[round] = middle - start;
    r->tg[round] = nb_seconds() - middle;
    return NB_OK;
}

static nb_status run_rounds(nb_bench *out, rounds *r, uint32_t n, const nb_hooks *hooks,
                            nb_err *err)
{
    double spread;
    for (uint32_t i = 0; i < n; i++) {
        if (nb_canceled(hooks))
            return nb_fail(err, NB_CANCELED, "cancelled");
        NB_TRY(one_round(r, i, hooks, err));
        nb_report(hooks, &(nb_progress){.what = "bench", .done = i + 1, .total = n});
    }
    out->ttft_ms = median(r->pp, n, &spread) * 1e3;
    for (uint32_t i = 0; i < n; i++) {
        r->pp[i] = r->n_prompt / r->pp[i];
        r->tg[i] = r->n_gen / r->tg[i];
    }
    out->pp_tok_s = median(r->pp, n, &out->pp_err);
    out->tg_tok_s = median(r->tg, n, &out->tg_err);
    return NB_OK;
}

/* Bytes of one head's row of the cache. */
static double cache_row(const nk_type *t, uint32_t head_dim)
{
    t = t ? t : &nk_type_f16;
    return (double)head_dim / t->block_len * t->block_size;
}

/* What attention reads for one token, halfway through the generated ones. */
static double cache_bytes(const nb_model *m, const nb_bench_how *how)
{
    const nb_hparams *hp = &m->hp;
    double ctx = (double)how->depth + how->n_prompt + (how->n_gen + 1) / 2.0, rows = 0;
    for (uint32_t i = 0; i < hp->n_layer; i++) {
        uint32_t window = m->layer[i].window;
        rows += (window && window < ctx ? window : ctx) * hp->n_head_kv;
    }
    return rows * (cache_row(how->k_type, hp->head_dim) + cache_row(how->v_type, hp->head_dim));
}

static void limits(nb_bench *out, const nb_model *m, const nk_ops *ops, const nb_bench_how *how,
                   nk_pool *pool)
{
    out->pp_macs = nb_macs_of_prompt(m, ops, how->k_type, how->v_type, how->depth, how->n_prompt);
    out->mac_rate = nb_macs_rate(ops, pool);
    out->pp_limit_tok_s = how->n_prompt / nb_macs_seconds(&out->pp_macs, &out->mac_rate);
    out->pp_fraction = out->pp_tok_s / out->pp_limit_tok_s;
    out->kv_bytes = cache_bytes(m, how);
    out->bandwidth = read_bandwidth(m, pool);
    out->weight_bytes = m->weight_bytes;
    out->flat_bytes = m->flat_bytes;
    out->limit_tok_s = out->bandwidth / ((double)m->weight_bytes + out->kv_bytes);
    out->fraction = out->limit_tok_s > 0 ? out->tg_tok_s / out->limit_tok_s : 0;
}

static nb_status measure(nb_bench *out, const nb_model *m, const nk_ops *ops, nk_pool *pool,
                         rounds *r, const nb_bench_how *how, const nb_hooks *hooks, nb_err *err)
{
    nb_session_options opt = {.n_ctx = how->depth + how->n_prompt + how->n_gen,
                              .k_type = how->k_type,
                              .v_type = how->v_type};
    int32_t first = 0;
    double start = nb_seconds();
    NB_TRY(nb_session_open(&r->s, m, ops, pool, &opt, err));
    NB_TRY(nb_session_feed(r->s, &first, 1, NULL, hooks, err));
    out->load_ms = (nb_seconds() - start) * 1e3;
    NB_TRY(run_rounds(out, r, how->rounds, hooks, err));
    limits(out, m, ops, how, pool);
    out->rss = nb_rss();
    snprintf(out->level, sizeof out->level, "%s", nk_cpu_level(ops->flags));
    nk_cpu_model(out->cpu, sizeof out->cpu);
    return NB_OK;
}

nb_status nb_bench_run(nb_bench *out, const nb_model *m, const nk_ops *ops, nk_pool *pool,
                       const nb_bench_how *how, const nb_hooks *hooks, nb_err *err)
{
    uint32_t room = m->hp.n_ctx_train, n = how->rounds;
    uint64_t tokens = (uint64_t)how->depth + how->n_prompt + how->n_gen;
    if (!how->n_prompt || !how->n_gen || !n || n > MAX_ROUNDS)
        return nb_fail(err, NB_USAGE,
                       "bench needs at least one prompt token, one generated token "
                       "and 1..%d rounds",
                       MAX_ROUNDS);
    if (tokens > room)
        return nb_fail(err, NB_REFUSED, "%u + %u + %u tokens do not fit the model's context of %u",
                       how->depth, how->n_prompt, how->n_gen, room);
    nk_ops quick = *ops; /* as answers have them */
    nb_model_quicken(m, &quick);
    nb_bench b = {.depth = how->depth, .n_prompt = how->n_prompt, .n_gen = how->n_gen};
    b.threads = pool ? (uint32_t)nk_pool_count(pool) : 1;
    rounds r = {.n_vocab = m->hp.n_vocab,
                .depth = how->depth,
                .n_prompt = how->n_prompt,
                .n_gen = how->n_gen};
    r.ids = nb_alloc(tokens, sizeof *r.ids, "bench", err);
    r.pp = nb_alloc(n, sizeof *r.pp, "bench", err);
    r.tg = nb_alloc(n, sizeof *r.tg, "bench", err);
    nb_status st = NB_NOMEM;
    if (r.ids && r.pp && r.tg)
        st = measure(&b, m, &quick, pool, &r, how, hooks, err);
    nb_session_close(&r.s);
    free(r.ids);
    free(r.pp);
    free(r.tg);
    if (st == NB_OK)
        *out = b;
    return st;
}

/* --- guessing ahead ----------------------------------------------------------------------------
 */

static void ignore(void *arg, const nb_token_event *e)
{
    (void)arg;
    (void)e;
}

nb_status nb_bench_drafted(nb_bench_draft *out, nb_local *l, const char *how, uint32_t n_gen,
                           const nb_hooks *hooks, nb_err *err)
{
    /* An answer that repeats much of its question, as edits do. */
    static const char question[] =
        "Repeat this list, then repeat it with the last line left out:\n"
        "int width = image_width(image);\nint height = image_height(image);\n"
        "for (int y = 0; y < height; y++)\n    for (int x = 0; x < width; x++)\n"
        "        image_set(image, x, y, image_get(image, width - 1 - x, y));";
    const nb_message msg = {NB_USER, question, sizeof question - 1};
    const nb_ask ask = {.messages = &msg,
                        .n_messages = 1,
                        .sampling = nb_sampling_greedy(),
                        .max_tokens = n_gen,
                        .token = ignore};
    const char *const way[] = {"off", how};
    nb_turn_stats st[2];
    for (int i = 0; i < 2; i++) {
        NB_TRY(nb_local_draft(l, way[i], hooks, err));
        nb_session_reset(nb_local_session(l));
        NB_TRY(nb_local_ask_each(l, &ask, 1, &st[i], hooks, err));
    }
    *out = (nb_bench_draft){.n_answer = st[1].n_answer,
                            .n_drafted = st[1].n_drafted,
                            .n_accepted = st[1].n_accepted,
                            .alone_tok_s = st[0].tok_per_s,
                            .draft_tok_s = st[1].tok_per_s};
    return NB_OK;
}
