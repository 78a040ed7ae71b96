/* Attention over spans: exact within rounding on every level, and the same bits however queries are
 * put together and spans are shared out. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/model/session.h"
#include "kernels/blocks.h"
#include "kernels/fp.h"
#include "kernels/ops.h"
#include "tests/arch_rows.h"
#include "tests/check.h"
#include "tests/kernels.h"
#include "tests/util.h"

enum { MAX_POS = 700, MAX_DIM = 128, MAX_ROWS = 42, STRIDE = 4 * MAX_DIM + 16 };

static const nk_type_id cache_types[] = {NK_F32, NK_F16, NK_BF16, NK_Q8_0, NK_Q4_0};

/* A cache of one KV head, what its rows decode to, and queries; qf: as keys meet them. */
typedef struct cache {
    unsigned char k[MAX_POS * STRIDE], v[MAX_POS * STRIDE];
    float kf[MAX_POS * MAX_DIM], vf[MAX_POS * MAX_DIM];
    float q[MAX_ROWS * MAX_DIM], qf[MAX_ROWS * MAX_DIM], out[MAX_ROWS * MAX_DIM + 1],
        other[MAX_ROWS * MAX_DIM + 1];
    float sink[MAX_ROWS];
} cache;

static void fill_rows(test_rng *r, const nk_type *t, unsigned char *rows, float *plain, size_t dim)
{
    for (size_t p = 0; p < MAX_POS; p++) {
        float *f = plain + p * MAX_DIM;
        for (size_t i = 0; i < dim; i++)
            f[i] = test_normal(r);
        t->encode(f, rows + p * STRIDE, 1, dim, NULL);
        t->decode(rows + p * STRIDE, f, dim);
    }
}

/* Encodes queries where keys of this type want that. */
static void prepare_queries(cache *c, nk_type_id kt, size_t dim)
{
    size_t n = countof(c->q) / dim * dim;
    memcpy(c->qf, c->q, sizeof c->q);
    if (kt != NK_Q8_0)
        return;
    nk_attn_encode(c->q, n, dim);
    for (size_t i = 0; i < n; i++) {
        static const size_t place[] = {0, 2, 1, 3};
        nk_attn_code b;
        memcpy(&b, (char *)(c->q + i / dim * dim) + i % dim / NK_ATTN_BLOCK * sizeof b, sizeof b);
        double v = (double)b.step * b.code[i % NK_ATTN_BLOCK / 4 * 4 + place[i % 4]];
        check(fabs(v - (double)c->qf[i]) <= (double)b.step * 0.51, "query %zu: %g, encoded %g", i,
              (double)c->qf[i], v);
        c->qf[i] = (float)v;
    }
}

static nk_attn set_up(cache *c, test_rng *r, nk_type_id kt, nk_type_id vt, size_t dim)
{
    fill_rows(r, nk_type_get(kt), c->k, c->kf, dim);
    fill_rows(r, nk_type_get(vt), c->v, c->vf, dim);
    for (size_t i = 0; i < countof(c->q); i++)
        c->q[i] = test_normal(r);
    prepare_queries(c, kt, dim);
    for (size_t i = 0; i < countof(c->sink); i++)
        c->sink[i] = 2 * test_normal(r);
    return (nk_attn){.q = c->q,
                     .out = c->out,
                     .k = c->k,
                     .v = c->v,
                     .k_stride = STRIDE,
                     .v_stride = STRIDE,
                     .k_type = kt,
                     .v_type = vt,
                     .head_dim = dim,
                     .scale = 0.2f};
}

static void run(const test_level *lv, nk_attn *a, size_t group, size_t n, size_t pos)
{
    a->group = group;
    a->n_query = n;
    a->pos = pos;
    a->q_stride = a->out_stride = group * a->head_dim;
    float *scratch = test_guard(nk_attn_scratch(a->head_dim, n * group) * sizeof *scratch, 0);
    nk_attn_run(&lv->ops, a, scratch);
    test_guard_free(scratch);
}

/* Row r in double: softmax weights of the positions it sees. */
static void exact_weights(const cache *c, const nk_attn *a, size_t r, double *p, size_t *from,
                          size_t *to)
{
    double max = -INFINITY, sum = 0;
    *to = a->pos + r / a->group + 1;
    *from = a->window && *to > a->window ? *to - a->window : 0;
    for (size_t k = *from; k < *to; k++) {
        double s = 0;
        for (size_t i = 0; i < a->head_dim; i++)
            s += (double)c->qf[r * a->head_dim + i] * (double)c->kf[k * MAX_DIM + i];
        p[k] = s * (double)a->scale;
        if (a->cap > 0)
            p[k] = (double)a->cap * tanh(p[k] / (double)a->cap);
        max = fmax(max, p[k]);
    }
    if (a->sink)
        max = fmax(max, (double)a->sink[r % a->group]);
    sum = a->sink ? exp((double)a->sink[r % a->group] - max) : 0;
    for (size_t k = *from; k < *to; k++)
        sum += p[k] = exp(p[k] - max);
    for (size_t k = *from; k < *to; k++)
        p[k] /= sum;
}

/* Half a step of the weights of values of q8_0, which are codes within a span: times what it is
 * multiplied by, element i of row r. */
static double step_error(const cache *c, const nk_attn *a, const double *p, size_t from, size_t to,
                         size_t i)
{
    double total = 0;
    for (size_t k = from; a->v_type == NK_Q8_0 && k < to;) {
        size_t end = (k / NK_ATTN_SPAN + 1) * NK_ATTN_SPAN;
        double weight = 0, scale = 0, codes = 0;
        for (; k < to && k < end; k++) {
            nk_block_q8_0 b;
            memcpy(&b, c->v + k * STRIDE + i / NK_ATTN_BLOCK * sizeof b, sizeof b);
            weight = fmax(weight, p[k]);
            scale = fmax(scale, (double)nk_f16_to_f32(b.d));
            codes += abs(b.qs[i % NK_ATTN_BLOCK]);
        }
        total += 0.51 * weight * scale / NK_ATTN_CODE * codes;
    }
    return total;
}

static void check_exact(const cache *c, const nk_attn *a, const char *level)
{
    static double p[MAX_POS];
    size_t rows = a->n_query * a->group, from, to;
    for (size_t r = 0; r < rows; r++) {
        exact_weights(c, a, r, p, &from, &to);
        for (size_t i = 0; i < a->head_dim; i++) {
            double sum = 0, size = 0;
            for (size_t k = from; k < to; k++) {
                sum += p[k] * (double)c->vf[k * MAX_DIM + i];
                size += fabs(p[k] * (double)c->vf[k * MAX_DIM + i]);
            }
            double got = (double)a->out[r * a->head_dim + i];
            double most = 32 * (double)FLT_EPSILON * size + step_error(c, a, p, from, to, i);
            check(fabs(got - sum) <= most,
                  "%s %s/%s dim %zu pos %zu group %zu window %zu cap %g: row %zu [%zu] %g, exact "
                  "%g",
                  level, nk_type_get(a->k_type)->name, nk_type_get(a->v_type)->name, a->head_dim,
                  a->pos, a->group, a->window, (double)a->cap, r, i, got, sum);
        }
    }
}

/* Levels that attend by code of their own. */
static size_t attn_levels(test_level lv[MAX_LEVELS])
{
    size_t n = 0, all = test_levels(lv);
    for (size_t l = 0; l < all; l++) {
        size_t k = 0;
        while (k < n && lv[k].ops.attn_span != lv[l].ops.attn_span)
            k++;
        if (k == n)
            lv[n++] = lv[l];
    }
    return n;
}

CHECK_TEST(attn, is_exact_within_rounding)
{
    static cache c;
    static const size_t dims[] = {4, 20, 64, 72, 100, 128}, windows[] = {0, 5, 130, 300};
    static const size_t places[] = {0, 1, 6, 120, 126, 127, 128, 255, 600};
    static const size_t shapes[][2] = {{1, 1}, {2, 1}, {8, 1}, {1, 5}, {3, 14}, {7, 2}};
    test_rng r = test_rng_make(4);
    test_level lv[MAX_LEVELS];
    size_t levels = attn_levels(lv);
    for (size_t d = 0; d < countof(dims); d++) {
        nk_type_id type = d % 2 ? NK_F16 : NK_F32;
        nk_attn a = set_up(&c, &r, type, type, dims[d]);
        for (size_t v = 0; v < 60; v++) {
            const size_t *shape = shapes[test_below(&r, countof(shapes))];
            size_t pos = places[test_below(&r, countof(places))];
            a.window = windows[test_below(&r, countof(windows))];
            a.cap = test_below(&r, 2) ? 3.0f : 0.0f;
            a.sink = test_below(&r, 2) ? c.sink : NULL;
            for (size_t l = 0; l < levels; l++) {
                size_t end = shape[0] * shape[1] * dims[d];
                c.out[end] = 12345;
                run(&lv[l], &a, shape[0], shape[1], pos);
                check_exact(&c, &a, lv[l].name);
                check(c.out[end] == 12345, "%s dim %zu: wrote past out", lv[l].name, dims[d]);
            }
        }
    }
}

CHECK_TEST(attn, reads_every_type_a_cache_may_have)
{
    static cache c;
    test_rng r = test_rng_make(9);
    test_level lv[MAX_LEVELS];
    size_t levels = attn_levels(lv);
    for (size_t v = 0; v < countof(cache_types) * countof(cache_types) * 2; v++) {
        nk_type_id kt = cache_types[v / 2 / countof(cache_types)];
        nk_type_id vt = cache_types[v / 2 % countof(cache_types)];
        nk_attn a = set_up(&c, &r, kt, vt, v % 2 ? 128 : 32);
        for (size_t l = 0; l < levels; l++) {
            run(&lv[l], &a, 4, 3, 150);
            check_exact(&c, &a, lv[l].name);
        }
    }
}

/* Every row of a tile has the bits it has alone, and those of spans done apart and joined. */
CHECK_TEST(attn, rows_do_not_depend_on_their_neighbours_or_on_threads)
{
    static cache c;
    static const size_t windows[] = {0, 9, 200};
    test_rng r = test_rng_make(11);
    test_level lv[MAX_LEVELS];
    size_t levels = attn_levels(lv);
    for (size_t v = 0; v < 30; v++) {
        size_t dim = 32 * (1 + test_below(&r, 4)), group = 1 + test_below(&r, 4);
        size_t n = 1 + test_below(&r, MAX_ROWS / 4), pos = test_below(&r, MAX_POS - MAX_ROWS);
        nk_attn a = set_up(&c, &r, cache_types[v % countof(cache_types)], NK_F16, dim);
        a.window = windows[v % countof(windows)];
        a.cap = v % 2 ? 4.0f : 0.0f;
        a.sink = v % 4 > 1 ? c.sink : NULL;
        for (size_t l = 0; l < levels; l++) {
            run(&lv[l], &a, group, n, pos);
            for (size_t t = 0; t < n; t++) {
                nk_attn one = a;
                size_t size = nk_attn_state_floats(dim, group), from, to;
                one.q = a.q + t * group * dim;
                one.out = c.other;
                run(&lv[l], &one, group, 1, pos + t);
                check(memcmp(c.other, c.out + t * group * dim, group * dim * sizeof(float)) == 0,
                      "%s: query %zu of %zu differs from itself alone", lv[l].name, t, n);
                float *parts = test_guard((MAX_POS / NK_ATTN_SPAN + 1) * size * sizeof *parts, 0);
                float *scratch = test_guard(nk_attn_scratch(dim, group) * sizeof *scratch, 0);
                nk_attn_spans(&one, &from, &to);
                for (size_t s = to; s-- > from;) /* the order of threads is no order */
                    nk_attn_part(&lv[l].ops, &one, s, parts, scratch);
                nk_attn_finish(&lv[l].ops, &one, parts, scratch);
                check(memcmp(c.other, c.out + t * group * dim, group * dim * sizeof(float)) == 0,
                      "%s: query %zu in parts differs", lv[l].name, t);
                test_guard_free(parts);
                test_guard_free(scratch);
            }
        }
    }
}

/* How many lanes there are makes no difference: all levels but the C reference agree. */
CHECK_TEST(attn, has_the_same_bits_in_any_lanes)
{
    static cache c;
    static const size_t dims[] = {100, 32, 96, 128, 64, 72, 4};
    test_rng r = test_rng_make(21);
    test_level lv[MAX_LEVELS];
    size_t levels = attn_levels(lv);
    for (size_t d = 0; d < 3 * countof(dims); d++) {
        size_t dim = dims[d % countof(dims)];
        nk_type_id type = cache_types[d % (dim % NK_ATTN_BLOCK ? 3 : countof(cache_types))];
        nk_attn a = set_up(&c, &r, type, type, dim);
        for (size_t group = 1; group <= 9; group++) {
            size_t n = group % 2 ? 1 : 1 + test_below(&r, MAX_ROWS / group);
            size_t pos = test_below(&r, MAX_POS - MAX_ROWS), size = n * group * dim;
            a.window = group % 3 ? 0 : 1 + test_below(&r, 200);
            a.cap = group % 4 ? 0.0f : 4.0f;
            for (size_t l = 1; l < levels; l++) {
                run(&lv[l], &a, group, n, pos);
                if (l == 1)
                    memcpy(c.other, c.out, size * sizeof *c.out);
                check(memcmp(c.other, c.out, size * sizeof *c.out) == 0,
                      "%s, not %s: %s, dim %zu, %zu of %zu at %zu", lv[l].name, lv[1].name,
                      nk_type_get(type)->name, dim, n, group, pos);
            }
        }
    }
}

CHECK_TEST(attn, nan_in_a_key_or_value_is_not_hidden)
{
    static cache c;
    test_rng r = test_rng_make(12);
    test_level lv[MAX_LEVELS];
    size_t levels = attn_levels(lv);
    for (size_t l = 0; l < levels; l++)
        for (size_t at = 0; at < 300; at += 37)
            for (int value = 0; value < 2; value++) {
                nk_attn a = set_up(&c, &r, NK_F32, NK_F32, 64);
                const float nan = NAN;
                memcpy((value ? c.v : c.k) + at * STRIDE + 8, &nan, sizeof nan);
                run(&lv[l], &a, 2, 1, 299);
                check(isnan(c.out[2]), "%s: position %zu, %s", lv[l].name, at,
                      value ? "value" : "key");
                if (at == 0)
                    continue;
                run(&lv[l], &a, 2, 1, at - 1); /* before it: not seen */
                check(isfinite(c.out[2]), "%s: position %zu is not to be seen", lv[l].name, at);
            }
}

/* --- in a session ------------------------------------------------------------------------------
 */

enum { LONG = 300 }; /* three spans */

/* Logits behind LONG tokens that are evaluated `step` at a time, by so many threads. */
static void logits_of(const nb_model *m, const nk_ops *ops, int threads, size_t step,
                      const nk_type *kv, float *out)
{
    nb_session *s = NULL;
    nk_pool *pool = NULL;
    nb_err err = {0};
    int32_t ids[LONG];
    const nb_session_options opt = {.n_ctx = LONG, .k_type = kv, .v_type = kv};
    for (size_t i = 0; i < LONG; i++)
        ids[i] = (int32_t)((3 + i * 11) % m->hp.n_vocab);
    check(nk_pool_open(&pool, threads, &err) == NB_OK &&
              nb_session_open(&s, m, ops, pool, &opt, &err) == NB_OK,
          "%s", err.msg);
    for (size_t n = step; n < LONG; n += step)
        check(nb_session_feed(s, ids, n, NULL, NULL, &err) == NB_OK, "%s", err.msg);
    check(nb_session_feed(s, ids, LONG, NULL, NULL, &err) == NB_OK, "%s", err.msg);
    memcpy(out, nb_session_logits(s), m->hp.n_vocab * sizeof *out);
    nb_session_close(&s);
    nk_pool_close(&pool);
}

CHECK_TEST(attn, prompt_and_decode_have_the_same_bits_for_any_threads)
{
    static const size_t steps[] = {LONG, 1, 7, 90};
    static const int threads[] = {1, 3, 2, 5};
    const arch_row *row;
    size_t n = arch_rows(&row), seen = 0;
    nk_ops ops;
    nb_err err = {0};
    nk_ops_init(&ops, nk_cpu_detect());
    for (size_t i = 0; i < n; i++) {
        nb_weights *w = NULL;
        nb_model *m = NULL;
        const char *path = test_path(test_tmpdir(), "long.gguf");
        arch_row_write(path, &row[i], NK_Q8_0);
        check(nb_weights_open(&w, path, &err) == NB_OK && nb_model_open(&m, w, &err) == NB_OK,
              "%s: %s", row[i].label, err.msg);
        if (!(m->hp.features & NB_ARCH_LEARNED) || m->hp.n_ctx_train >= LONG) {
            size_t size = m->hp.n_vocab * sizeof(float);
            bool blocks = m->hp.head_dim % NK_ATTN_BLOCK == 0;
            const nk_type *kv = nk_type_get(blocks && i % 2 ? NK_Q8_0 : NK_F16);
            float *first = malloc(size), *other = malloc(size);
            logits_of(m, &ops, threads[0], steps[0], kv, first);
            for (size_t k = 1; k < countof(steps); k++) {
                logits_of(m, &ops, threads[k], steps[k], kv, other);
                check(memcmp(first, other, size) == 0, "%s: %zu at a time, %d threads: other bits",
                      row[i].label, steps[k], threads[k]);
            }
            free(first);
            free(other);
            seen++;
        }
        nb_model_close(&m);
        nb_weights_close(&w);
    }
    check(seen > n / 2, "%zu of %zu", seen, n);
}
