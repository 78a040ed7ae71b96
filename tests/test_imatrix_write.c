/* Importance matrices written, merged and collected (issue "importance matrices"): the bytes of
 * llama-imatrix's files, its figures within rounding, the same bits for any number of threads and
 * after any interruption. */
#include "tests/arch_tiny.h"
#include "tests/check.h"
#include "tests/quantize.h"
#include "tests/util.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/eval/collect.h"
#include "core/quant/presets.h"

static nb_imatrix *opened(const char *path)
{
    nb_imatrix *im = NULL;
    nb_err err = {0};
    check(nb_imatrix_open(&im, path, &err) == NB_OK, "%s", err.msg);
    return im;
}

static nb_imatrix *merged(const char *const *paths, size_t n, uint32_t chunk_size)
{
    nb_imatrix *im = NULL;
    nb_err err = {0};
    check(nb_imatrix_new(&im, chunk_size, &err) == NB_OK, "%s", err.msg);
    for (size_t i = 0; i < n; i++) {
        nb_imatrix *from = opened(paths[i]);
        check(nb_imatrix_merge(im, from, &err) == NB_OK, "%s", err.msg);
        nb_imatrix_close(&from);
    }
    return im;
}

static const char *written(const nb_imatrix *im, const char *name, nb_imatrix_format format)
{
    const char *path = test_path(test_tmpdir(), name);
    nb_err err = {0};
    check(nb_imatrix_write(im, path, format, &err) == NB_OK, "%s", err.msg);
    return path;
}

static void check_same_file(const char *a, const char *b)
{
    size_t n, m, i = 0;
    char *x = test_slurp(a, &n), *y = test_slurp(b, &m);
    check(x && y && n == m, "%s has %zu bytes, %s %zu", a, n, b, m);
    while (i < n && x[i] == y[i])
        i++;
    check(i == n, "%s and %s differ at %zu", a, b, i);
    free(x);
    free(y);
}

CHECK_TEST(imatrix_write, a_file_passes_through_unchanged)
{
    const char *const in[] = {test_data("demo.imatrix.gguf")};
    nb_imatrix *im = merged(in, 1, 512);
    check_same_file(written(im, "same.gguf", NB_IMATRIX_GGUF), in[0]);
    nb_imatrix_close(&im);
}

/* llama-imatrix wrote one matrix in both forms. */
CHECK_TEST(imatrix_write, both_forms_have_llama_imatrixs_bytes)
{
    const char *gguf = test_shared("reference/demo.imatrix.gguf"),
               *dat = test_shared("reference/demo.imatrix.dat");
    if (!gguf || !dat)
        check_skip("../shared is absent: demo.imatrix.dat");
    nb_imatrix *im = merged(&gguf, 1, 512);
    check_same_file(written(im, "same.gguf", NB_IMATRIX_GGUF), gguf);
    check_same_file(written(im, "same.dat", NB_IMATRIX_DAT), dat);
    nb_imatrix_close(&im);
}

CHECK_TEST(imatrix_write, legacy_form_keeps_importance)
{
    const char *const in[] = {test_data("demo.imatrix.gguf")};
    nb_imatrix *a = opened(in[0]), *im = merged(in, 1, 512);
    nb_imatrix *b = opened(written(im, "back.dat", NB_IMATRIX_DAT));
    const char *const old[] = {test_path(test_tmpdir(), "back.dat")};
    nb_imatrix *again = merged(old, 1, 512);
    check(b->n == a->n && b->n_chunks == 58 && strcmp(b->dataset[0], "calibration.txt") == 0,
          "%zu entries", b->n);
    check(again->n_chunks == 59 && again->entry[0].count[0] == 59 * 512, "count %lld",
          (long long)again->entry[0].count[0]); /* rounded up, as llama-imatrix rounds */
    nb_err err = {0};
    check(nb_imatrix_settle(again, &err) == NB_OK, "%s", err.msg);
    for (size_t i = 0; i < a->n; i++)
        for (uint64_t k = 0; k < a->entry[i].n; k++) {
            float want = a->entry[i].importance[k];
            check(fabsf(b->entry[i].importance[k] - want) <= 3e-7f * want &&
                      fabsf(again->entry[i].importance[k] - want) <= 5e-7f * want,
                  "%s", a->entry[i].name);
        }
    nb_imatrix_close(&again);
    nb_imatrix_close(&b);
    nb_imatrix_close(&im);
    nb_imatrix_close(&a);
}

CHECK_TEST(imatrix_write, merging_adds_sums_and_counts)
{
    const char *const twice[] = {test_data("demo.imatrix.gguf"), test_data("demo.imatrix.gguf")};
    nb_imatrix *one = merged(twice, 1, 512), *two = merged(twice, 2, 512);
    check(two->n == one->n && two->n_datasets == 2 && two->n_chunks == 117, "%u chunks",
          two->n_chunks);
    for (size_t i = 0; i < one->n; i++) {
        const nb_imatrix_entry *a = &one->entry[i], *b = &two->entry[i];
        check(b->count[0] == 2 * a->count[0], "%s: count", a->name);
        for (uint64_t k = 0; k < a->n; k++)
            check(b->sum2[k] == 2 * a->sum2[k], "%s: sum", a->name);
    }
    nb_imatrix_close(&one);
    nb_imatrix_close(&two);
}

/* An old file has one count for a stack; another has one for each expert (imatrix.cpp). */
CHECK_TEST(imatrix_write, merging_spreads_an_old_count_over_experts)
{
    nb_imatrix *im = NULL, *other = NULL;
    nb_err err = {0};
    check(nb_imatrix_new(&im, 10, &err) == NB_OK && nb_imatrix_new(&other, 10, &err) == NB_OK,
          "new");
    check(nb_imatrix_add(im, "w", 4, 1, &err) == NB_OK, "%s", err.msg);
    check(nb_imatrix_add(other, "w", 4, 2, &err) == NB_OK, "%s", err.msg);
    check(nb_imatrix_add(other, "v", 3, 1, &err) == NB_OK, "%s", err.msg);
    nb_imatrix_order(im);
    nb_imatrix_order(other);
    nb_imatrix_at(im, "w")->count[0] = 5;
    nb_imatrix_at(other, "w")->count[1] = 30;
    nb_imatrix_at(other, "v")->count[0] = 7;
    check(nb_imatrix_merge(im, other, &err) == NB_OK, "%s", err.msg);
    const nb_imatrix_entry *e = nb_imatrix_find(im, "w");
    check(e->n_mat == 2 && e->count[0] == 5 && e->count[1] == 35, "counts");
    check(im->n == 2 && im->n_chunks == 3 && nb_imatrix_find(im, "v")->count[0] == 7, "v");
    check(nb_imatrix_add(im, "w", 5, 1, &err) == NB_FORMAT && strstr(err.msg, "\"w\": 4 values"),
          "%s", err.msg);
    check(nb_imatrix_add(im, "w", 4, 4, &err) == NB_FORMAT, "four matrices");
    nb_imatrix_close(&im);
    nb_imatrix_close(&other);
}

CHECK_TEST(imatrix_write, sums_that_are_not_finite_are_never_written)
{
    const char *const in[] = {test_data("demo.imatrix.gguf")};
    const char *path = test_path(test_tmpdir(), "never.gguf");
    nb_imatrix *im = merged(in, 1, 512);
    nb_err err = {0};
    im->entry[3].sum2[17] = NAN;
    check(nb_imatrix_write(im, path, NB_IMATRIX_GGUF, &err) == NB_FORMAT &&
              strstr(err.msg, "\"blk.0.attn_v.weight\": the sum of column 17") && !nb_exists(path),
          "%s", err.msg);
    nb_imatrix_close(&im);
}

CHECK_TEST(imatrix_write, the_floor_gives_unseen_experts_what_all_saw)
{
    static const float sums[] = {10, 0, 0, 0, 30, 4};
    nb_imatrix *im = NULL;
    nb_err err = {0};
    check(nb_imatrix_new(&im, 10, &err) == NB_OK, "%s", err.msg);
    check(nb_imatrix_add(im, "w", 6, 3, &err) == NB_OK, "%s", err.msg);
    nb_imatrix_order(im);
    memcpy(im->entry[0].sum2, sums, sizeof sums);
    im->entry[0].count[0] = 10;
    im->entry[0].count[2] = 10;
    check(nb_imatrix_settle(im, &err) == NB_OK, "%s", err.msg);
    const float *v = im->entry[0].importance;
    nb_imatrix_floor(im, 0);
    check(v[0] == 1 && v[1] == 0 && v[2] == 1 && v[3] == 1, "no floor, llama-quantize's values");
    nb_imatrix_floor(im, 0.25f); /* together: 40/20 and 4/20 */
    check(v[2] == 2 && v[3] == 0.2f, "unseen: %g %g", (double)v[2], (double)v[3]);
    check(v[0] == 1.25f && v[1] == 0.05f && v[4] == 2.75f, "mixed: %g %g %g", (double)v[0],
          (double)v[1], (double)v[4]);
    nb_imatrix_close(&im);
}

/* --- collecting --------------------------------------------------------------------------------
 */

typedef struct rig {
    nb_weights *w;
    nb_model *model;
    nb_tok *tok;
    nk_pool *pool;
    nb_session *s;
    char *text;
    size_t len;
} rig;

static void rig_open(rig *r, int threads, uint32_t n_ctx, const char *text)
{
    nb_err err = {0};
    nb_session_options opt = {.n_ctx = n_ctx};
    *r = (rig){.w = quant_open(test_data("nibble-demo"))};
    r->text = test_slurp(text, &r->len);
    check(r->text, "%s", text);
    check(nb_model_open(&r->model, r->w, &err) == NB_OK, "%s", err.msg);
    check(nb_tok_open(&r->tok, nb_weights_kvs(r->w), &err) == NB_OK, "%s", err.msg);
    check(nk_pool_open(&r->pool, threads, &err) == NB_OK, "%s", err.msg);
    check(nb_session_open(&r->s, r->model, quant_ops(), r->pool, &opt, &err) == NB_OK, "%s",
          err.msg);
}

static void rig_close(rig *r)
{
    nb_session_close(&r->s);
    nk_pool_close(&r->pool);
    nb_tok_close(&r->tok);
    nb_model_close(&r->model);
    nb_weights_close(&r->w);
    free(r->text);
}

static void run(rig *r, nb_imatrix *im, const nb_collect_options *opt, nb_collected *c)
{
    nb_err err = {0};
    check(nb_collect(c, im, r->s, r->pool, r->tok, r->text, r->len, opt, NULL, &err) == NB_OK, "%s",
          err.msg);
}

CHECK_TEST(imatrix_write, collecting_gives_the_same_bits_for_any_threads)
{
    static const int threads[] = {1, 2, 5};
    for (size_t i = 0; i < countof(threads); i++) {
        rig r;
        nb_imatrix *im = NULL;
        nb_collected c;
        char name[32];
        rig_open(&r, threads[i], 64, test_data("eval.txt"));
        check(nb_imatrix_new(&im, 64, NULL) == NB_OK, "new");
        run(&r, im, &(nb_collect_options){.n_ctx = 64, .max_chunks = 3, .output = true}, &c);
        check(c.chunks == 3 && im->n == 43 && im->n_chunks == 3 && im->entry[0].count[0] == 3 * 64,
              "%llu chunks, %zu entries", (unsigned long long)c.chunks, im->n);
        snprintf(name, sizeof name, "threads-%zu.gguf", i);
        written(im, name, NB_IMATRIX_GGUF);
        if (i)
            check_same_file(test_path(test_tmpdir(), name),
                            test_path(test_tmpdir(), "threads-0.gguf"));
        nb_imatrix_close(&im);
        rig_close(&r);
    }
}

typedef struct wish {
    int left;  /* questions until it is wished */
    int after; /* questions, reports and chunks behind it */
} wish;

static bool wished(void *ud)
{
    wish *w = ud;
    w->after += w->left < 0;
    return w->left-- <= 0;
}

static void reported(void *ud, const nb_progress *p)
{
    wish *w = ud;
    (void)p;
    w->after += w->left < 0;
}

static nb_status seen(void *arg, nb_imatrix *im, uint64_t done, nb_err *err)
{
    wish *w = arg;
    (void)im;
    (void)done;
    (void)err;
    w->after += w->left < 0;
    return NB_OK;
}

/* It asks at least twice a layer, and at the first yes nothing more is computed, reported or given
 * away. */
CHECK_TEST(imatrix_write, a_cancelled_collection_ends_at_the_next_question)
{
    rig r;
    nb_err err = {0};
    rig_open(&r, 2, 64, test_data("eval.txt"));
    wish all = {.left = 1 << 30};
    nb_hooks hooks = {.progress = reported, .canceled = wished, .ud = &all};
    nb_collect_options opt = {.n_ctx = 64, .max_chunks = 2, .chunk = seen, .arg = &all};
    nb_collected c;
    nb_imatrix *im = NULL;
    check(nb_imatrix_new(&im, 64, NULL) == NB_OK, "new");
    check(nb_collect(&c, im, r.s, r.pool, r.tok, r.text, r.len, &opt, &hooks, &err) == NB_OK, "%s",
          err.msg);
    nb_imatrix_close(&im);
    int polls = (1 << 30) - all.left, least = 2 * 2 * (int)r.model->hp.n_layer;
    check(polls >= least, "%d questions in 2 chunks of %u layers", polls, r.model->hp.n_layer);
    for (int i = 0; i < polls; i += 1 + polls / 17) {
        wish w = {.left = i};
        hooks.ud = opt.arg = &w;
        check(nb_imatrix_new(&im, 64, NULL) == NB_OK, "new");
        check(nb_collect(&c, im, r.s, r.pool, r.tok, r.text, r.len, &opt, &hooks, &err) ==
                  NB_CANCELED,
              "after %d questions: %s", i, err.msg);
        check(w.after == 0, "after %d questions it went on: %d", i, w.after);
        nb_imatrix_close(&im);
    }
    rig_close(&r);
}

CHECK_TEST(imatrix_write, a_resumed_collection_ends_in_the_same_bytes)
{
    rig r;
    nb_collected c;
    nb_imatrix *whole = NULL, *part = NULL;
    rig_open(&r, 2, 64, test_data("eval.txt"));
    check(nb_imatrix_new(&whole, 64, NULL) == NB_OK && nb_imatrix_new(&part, 64, NULL) == NB_OK,
          "new");
    run(&r, whole, &(nb_collect_options){.n_ctx = 64, .max_chunks = 4}, &c);
    check(whole->n == 42 && !nb_imatrix_find(whole, "output.weight"), "%zu entries", whole->n);
    run(&r, part, &(nb_collect_options){.n_ctx = 64, .max_chunks = 1}, &c);
    const char *const saved[] = {written(part, "part.gguf", NB_IMATRIX_GGUF)};
    nb_imatrix_close(&part);
    part = merged(saved, 1, 64);
    run(&r, part, &(nb_collect_options){.n_ctx = 64, .from_chunk = 1, .max_chunks = 3}, &c);
    check_same_file(written(part, "resumed.gguf", NB_IMATRIX_GGUF),
                    written(whole, "whole.gguf", NB_IMATRIX_GGUF));
    nb_imatrix_close(&part);
    nb_imatrix_close(&whole);
    rig_close(&r);
}

/* What attention reads first are the normed embeddings: sums worked out here. */
CHECK_TEST(imatrix_write, sums_are_those_of_the_rows_a_weight_reads)
{
    enum { N = 20 };
    rig r;
    nb_imatrix *im = NULL;
    nb_err err = {0};
    int32_t ids[N];
    rig_open(&r, 2, N, test_data("eval.txt"));
    check(nb_imatrix_new(&im, N, NULL) == NB_OK, "new");
    for (int32_t i = 0; i < N; i++)
        ids[i] = 40 + 7 * i;
    check(nb_collect_ids(im, r.s, r.pool, ids, N, false, NULL, &err) == NB_OK, "%s", err.msg);
    size_t cols = r.model->hp.n_embd;
    const nk_matrix *embd = &r.model->global[NB_TOKEN_EMBD];
    const float *weight = r.model->layer[0].w[NB_ATTN_NORM].data;
    float *x = malloc(cols * sizeof *x);
    double *want = calloc(cols, sizeof *want);
    for (int i = 0; i < N; i++) {
        double square = 0;
        embd->type->decode((const uint8_t *)embd->data + (size_t)ids[i] * embd->row_size, x, cols);
        for (size_t c = 0; c < cols; c++)
            square += (double)x[c] * (double)x[c];
        double scale = 1 / sqrt(square / (double)cols + (double)r.model->hp.norm_eps);
        for (size_t c = 0; c < cols; c++)
            want[c] += pow((double)x[c] * scale * (double)weight[c], 2);
    }
    static const char *const name[] = {"blk.0.attn_q.weight", "blk.0.attn_k.weight",
                                       "blk.0.attn_v.weight"};
    for (size_t k = 0; k < countof(name); k++) {
        const nb_imatrix_entry *e = nb_imatrix_find(im, name[k]);
        check(e && e->count[0] == N, "%s", name[k]);
        for (size_t c = 0; c < cols; c++)
            check(fabs((double)e->sum2[c] - want[c]) <= 1e-5 * want[c], "%s: column %zu: %g of %g",
                  name[k], c, (double)e->sum2[c], want[c]);
    }
    free(want);
    free(x);
    nb_imatrix_close(&im);
    rig_close(&r);
}

typedef struct likeness {
    double cosine, off; /* off: mean of |a - b| / b */
} likeness;

static likeness compare(const nb_imatrix_entry *a, const nb_imatrix_entry *b)
{
    double ab = 0, aa = 0, bb = 0, off = 0;
    for (uint64_t i = 0; i < a->n; i++) {
        double x = (double)a->importance[i], y = (double)b->importance[i];
        ab += x * y, aa += x * x, bb += y * y;
        off += fabs(x - y) / y;
    }
    return (likeness){ab / sqrt(aa * bb), off / (double)a->n};
}

/* llama-imatrix's own figures on the same text: 59 chunks give cosines of 0.9999995 and more and
 * mean differences of 0.03 % (measured; its sums are of 30,202 rows: the last six come in a piece
 * it passes over). A few chunks come near; the whole text is for the long runs. */
CHECK_TEST(imatrix_write, collecting_comes_to_llama_imatrixs_figures)
{
    const char *text = test_shared("reference/calibration.txt");
    if (!text)
        check_skip("../shared is absent: calibration.txt");
    bool all = getenv("NB_TEST_LONG");
    likeness least = {1, 0};
    rig r;
    nb_collected c;
    nb_imatrix *im = NULL, *want = opened(test_data("demo.imatrix.gguf"));
    rig_open(&r, 2, 512, text);
    check(nb_imatrix_new(&im, 512, NULL) == NB_OK, "new");
    run(&r, im,
        &(nb_collect_options){.n_ctx = 512,
                              .max_chunks = all             ? 0
                                            : TEST_THIN > 1 ? 4
                                                            : 12,
                              .output = true},
        &c);
    check(nb_imatrix_settle(im, NULL) == NB_OK && im->n == want->n && im->n_bad == 0, "settle");
    for (size_t i = 0; i < im->n; i++) {
        check(strcmp(im->entry[i].name, want->entry[i].name) == 0, "%s", im->entry[i].name);
        likeness l = compare(&im->entry[i], &want->entry[i]);
        least.cosine = l.cosine < least.cosine ? l.cosine : least.cosine;
        least.off = l.off > least.off ? l.off : least.off;
    }
    printf("%llu chunks: cosine at least %.7f, mean difference at most %.5f\n",
           (unsigned long long)c.chunks, least.cosine, least.off);
    check(least.cosine > (all ? 0.999999 : 0.9), "cosine %.7f", least.cosine);
    check(least.off < (all ? 0.001 : 0.5), "difference %.5f", least.off);
    nb_imatrix_close(&im);
    nb_imatrix_close(&want);
    rig_close(&r);
}

static nb_status stop_at_two(void *arg, nb_imatrix *im, uint64_t done, nb_err *err)
{
    *(uint32_t *)arg = im->n_chunks;
    return done == 2 ? nb_fail(err, NB_NOSPACE, "no more") : NB_OK;
}

CHECK_TEST(imatrix_write, collecting_refuses_what_it_cannot_do)
{
    rig r;
    nb_imatrix *im = NULL;
    nb_collected c;
    nb_err err = {0};
    uint32_t seen = 0;
    rig_open(&r, 1, 64, test_data("eval.txt"));
    check(nb_imatrix_new(&im, 64, NULL) == NB_OK, "new");
    nb_collect_options opt = {.n_ctx = 65};
    check(nb_collect(&c, im, r.s, NULL, r.tok, r.text, r.len, &opt, NULL, &err) == NB_REFUSED,
          "longer than the session");
    opt.n_ctx = 64;
    check(nb_collect(&c, im, r.s, NULL, r.tok, r.text, 100, &opt, NULL, &err) == NB_REFUSED &&
              strstr(err.msg, "at least 2 are needed"),
          "%s", err.msg);
    opt.from_chunk = 1000;
    check(nb_collect(&c, im, r.s, NULL, r.tok, r.text, r.len, &opt, NULL, &err) == NB_REFUSED,
          "past the end");
    opt = (nb_collect_options){.n_ctx = 64, .chunk = stop_at_two, .arg = &seen};
    check(nb_collect(&c, im, r.s, NULL, r.tok, r.text, r.len, &opt, NULL, &err) == NB_NOSPACE &&
              c.chunks == 2 && seen == 2,
          "%s after %llu", err.msg, (unsigned long long)c.chunks);
    im->entry[0].n--; /* now of another model */
    check(nb_collect(&c, im, r.s, NULL, r.tok, r.text, r.len, &opt, NULL, &err) == NB_FORMAT,
          "another model's");
    im->entry[0].n++;
    nb_imatrix_close(&im);
    rig_close(&r);
}

/* --- every architecture ------------------------------------------------------------------------
 */

enum { TOKENS = 24 };

static void check_counts(const nb_model *m, const nb_imatrix_entry *e)
{
    int64_t sum = 0, want = TOKENS;
    bool stack = strstr(e->name, "_exps.weight");
    for (uint64_t i = 0; i < e->n_mat; i++)
        sum += e->count[i];
    if (stack)
        want = (int64_t)TOKENS * m->hp.n_expert_used;
    check(e->n_mat == (stack ? m->hp.n_expert : 1) && sum == want, "%s: %lld rows in %llu", e->name,
          (long long)sum, (unsigned long long)e->n_mat);
}

/* Whatever may be quantized inside the layers has an entry of its size, that saw every token. */
static void check_complete(const nb_weights *w, const nb_model *m, const nb_imatrix *im)
{
    for (size_t i = 0; i < nb_weights_count(w); i++) {
        const nb_tensor *t = &nb_weights_at(w, i)->t;
        if (!nb_quantizable(t) || strncmp(t->name, "blk.", 4) != 0)
            continue;
        const nb_imatrix_entry *e = nb_imatrix_find(im, t->name);
        check(e && e->n == t->shape[0] * t->shape[2], "%s has no entry of its size", t->name);
        check_counts(m, e);
    }
}

static void check_arch(const char *name)
{
    nb_err err = {0};
    nb_imatrix *im = NULL;
    nb_model *m = NULL;
    nb_session *s = NULL;
    int32_t ids[TOKENS];
    const char *dir = test_path(test_tmpdir(), name);
    const nb_session_options opt = {.n_ctx = TOKENS, .n_batch = 16};
    arch_tiny_make(dir, name);
    nb_weights *w = quant_open(dir);
    check(nb_model_open(&m, w, &err) == NB_OK, "%s: %s", name, err.msg);
    check(nb_session_open(&s, m, quant_ops(), NULL, &opt, &err) == NB_OK, "%s", err.msg);
    check(nb_imatrix_new(&im, TOKENS, &err) == NB_OK, "%s", err.msg);
    for (int32_t i = 0; i < TOKENS; i++)
        ids[i] = i + 1;
    check(nb_collect_ids(im, s, NULL, ids, TOKENS, true, NULL, &err) == NB_OK, "%s: %s", name,
          err.msg);
    check(im->n_chunks == (m->hp.n_expert ? im->n_chunks : 1), "%s: %u chunks", name, im->n_chunks);
    check_complete(w, m, im);
    nb_imatrix_close(&im);
    nb_session_close(&s);
    nb_model_close(&m);
    nb_weights_close(&w);
}

CHECK_TEST(imatrix_write, every_architecture_is_collected_whole)
{
    const char *const *names;
    size_t n = arch_tiny_names(&names);
    check(n >= 39, "%zu models", n);
    for (size_t i = 0; i < n; i++)
        check_arch(names[i]);
}
