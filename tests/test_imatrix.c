/* Importance matrices: both file forms read, hostile ones refused or repaired, and what quantize
 * does with them (issue "importance matrices", quant.md 1.2). Bytes of whole files are compared
 * with llama-quantize's in test_quantize.c. */
#include "tests/check.h"
#include "tests/gguf_file.h"
#include "tests/quantize.h"
#include "tests/util.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/quant/run.h"

static nb_imatrix *opened(const char *path)
{
    nb_imatrix *im = NULL;
    nb_err err = {0};
    check(nb_imatrix_open(&im, path, &err) == NB_OK, "%s", err.msg);
    return im;
}

/* --- files built by hand -----------------------------------------------------------------------
 */

static void add_f32(nb_str *s, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    gg_int(s, bits, 4);
}

/* One weight "w" of n_mat x cols; sums and counts as given. */
typedef struct by_hand {
    unsigned cols, n_mat, n_counts;
    const float *sums, *counts;
    const char *sums_name, *counts_name, *datasets_key;
    unsigned type; /* ggml type of the sums */
} by_hand;

static void add_info(nb_str *s, const char *name, unsigned a, unsigned b, unsigned type,
                     unsigned offset)
{
    gg_text(s, name);
    gg_int(s, 2, 4);
    gg_int(s, a, 8);
    gg_int(s, b, 8);
    gg_int(s, type, 4);
    gg_int(s, offset, 8);
}

static void build(nb_str *s, const by_hand *h)
{
    unsigned bytes = h->cols * h->n_mat * 4, second = (bytes + 31) / 32 * 32;
    nb_str_addn(s, "GGUF", 4);
    gg_int(s, 3, 4);
    gg_int(s, 2, 8);
    gg_int(s, 3, 8);
    gg_text(s, h->datasets_key ? h->datasets_key : "imatrix.datasets");
    gg_int(s, 9, 4), gg_int(s, 8, 4), gg_int(s, 2, 8);
    gg_text(s, "a.txt"), gg_text(s, "b.txt");
    gg_text(s, "imatrix.chunk_count");
    gg_int(s, 4, 4), gg_int(s, 7, 4);
    gg_text(s, "imatrix.chunk_size");
    gg_int(s, 4, 4), gg_int(s, 512, 4);
    add_info(s, h->sums_name ? h->sums_name : "w.in_sum2", h->cols, h->n_mat, h->type, 0);
    add_info(s, h->counts_name ? h->counts_name : "w.counts", 1, h->n_counts, 0, second);
    while (s->len % 32)
        gg_int(s, 0, 1);
    for (unsigned i = 0; i < h->cols * h->n_mat; i++)
        add_f32(s, h->sums[i]);
    while (s->len % 32)
        gg_int(s, 0, 1);
    for (unsigned i = 0; i < h->n_counts; i++)
        add_f32(s, h->counts[i]);
    while (s->len % 32)
        gg_int(s, 0, 1);
}

static nb_status parse(nb_imatrix **im, const nb_str *s, nb_err *err)
{
    uint8_t *copy = malloc(s->len + 1);
    memcpy(copy, s->at, s->len);
    *err = (nb_err){0};
    nb_status st = nb_imatrix_parse(im, copy, s->len, "x.imatrix", err);
    free(copy);
    return st;
}

CHECK_TEST(imatrix, gguf_form_gives_importance_per_expert)
{
    static const float sums[] = {10, 20, 30, 0, 5, 5, 5, 5, 1, 2, 3, 4};
    static const float counts[] = {10, 0, 2.4f}; /* counts are rounded: 2 */
    static const float want[] = {1, 2, 3, 0, 1, 1, 1, 1, 0.5f, 1, 1.5f, 2};
    nb_str s = {0};
    nb_imatrix *im;
    nb_err err;
    build(&s, &(by_hand){.cols = 4, .n_mat = 3, .n_counts = 3, .sums = sums, .counts = counts});
    check(parse(&im, &s, &err) == NB_OK, "%s", err.msg);
    check(im->n == 1 && im->n_chunks == 7 && im->chunk_size == 512 && im->n_datasets == 2 &&
              strcmp(im->dataset[1], "b.txt") == 0 && im->n_bad == 0,
          "%zu entries, %zu data sets", im->n, im->n_datasets);
    const nb_imatrix_entry *e = nb_imatrix_find(im, "w");
    check(e && e->n == 12 && e->n_mat == 3 && e->count[2] == 2, "entry");
    for (size_t i = 0; i < countof(want); i++)
        check(e->importance[i] == want[i], "value %zu is %g", i, (double)e->importance[i]);
    check(!nb_imatrix_find(im, "v"), "found what is not there");
    nb_imatrix_close(&im);
    nb_str_free(&s);
}

/* What never was a sum of squares is replaced by the mean of its matrix and told (llama.cpp 7816,
 * 8661, 12439: NaN in one entry ends in NaN weights). */
CHECK_TEST(imatrix, bad_values_are_replaced_and_counted)
{
    static const float sums[] = {2, NAN, 4, -1, NAN, INFINITY, -INFINITY, NAN};
    static const float counts[] = {1, NAN};
    static const float want[] = {2, 3, 4, 3, 1, 1, 1, 1};
    nb_str s = {0};
    nb_imatrix *im;
    nb_err err;
    build(&s, &(by_hand){.cols = 4, .n_mat = 2, .n_counts = 2, .sums = sums, .counts = counts});
    check(parse(&im, &s, &err) == NB_OK, "%s", err.msg);
    for (size_t i = 0; i < countof(want); i++)
        check(im->entry[0].importance[i] == want[i], "value %zu is %g", i,
              (double)im->entry[0].importance[i]);
    check(im->n_bad == 7 && im->entry[0].n_bad == 7, "%llu replaced",
          (unsigned long long)im->n_bad);
    nb_imatrix_close(&im);
    nb_str_free(&s);
}

CHECK_TEST(imatrix, hostile_gguf_is_refused_with_words)
{
    static const float v[12] = {1, 1, 1, 1};
    static const struct {
        by_hand h;
        const char *says;
    } row[] = {
        {{.cols = 4, .n_mat = 1, .n_counts = 3}, "4 sums for 3 counts"},
        {{.cols = 4, .n_mat = 1, .n_counts = 1, .counts_name = "v.counts"}, "has no sums"},
        {{.cols = 4, .n_mat = 1, .n_counts = 1, .sums_name = "v.in_sum2"}, "has no counts"},
        {{.cols = 4, .n_mat = 1, .n_counts = 1, .counts_name = "x"}, "has no counts"},
        {{.cols = 4, .n_mat = 1, .n_counts = 1, .sums_name = "x", .counts_name = "y"},
         "no importance matrix in it"},
        {{.cols = 4, .n_mat = 1, .n_counts = 1, .type = 26}, "expected f32"},
        {{.cols = 4, .n_mat = 1, .n_counts = 1, .datasets_key = "general.author"},
         "imatrix.datasets is missing"},
    };
    for (size_t i = 0; i < countof(row); i++) {
        nb_str s = {0};
        nb_imatrix *im = NULL;
        nb_err err;
        by_hand h = row[i].h;
        h.sums = h.counts = v;
        build(&s, &h);
        check(parse(&im, &s, &err) == NB_FORMAT && strstr(err.msg, row[i].says) && !im, "%zu: %s",
              i, err.msg);
        nb_str_free(&s);
    }
}

static void old_entry(nb_str *s, const char *name, unsigned calls, const float *v, unsigned n)
{
    gg_int(s, strlen(name), 4);
    nb_str_add(s, name);
    gg_int(s, calls, 4);
    gg_int(s, n, 4);
    for (unsigned i = 0; i < n; i++)
        add_f32(s, v[i]);
}

CHECK_TEST(imatrix, legacy_form_is_read_with_and_without_trailer)
{
    static const float a[] = {4, 8, 12}, b[] = {1, 2};
    for (int trailer = 0; trailer < 3; trailer++) {
        nb_str s = {0};
        nb_imatrix *im;
        nb_err err;
        gg_int(&s, 2, 4);
        old_entry(&s, "b", 4, a, 3);
        old_entry(&s, "a", 0, b, 2);
        if (trailer)
            gg_int(&s, 4, 4);
        if (trailer == 2)
            gg_int(&s, 5, 4), nb_str_add(&s, "x.txt");
        check(parse(&im, &s, &err) == NB_OK, "%s", err.msg);
        check(im->format == NB_IMATRIX_DAT && im->n == 2 && strcmp(im->entry[0].name, "a") == 0,
              "entries");
        check(im->n_chunks == (trailer ? 4 : 0) && im->n_datasets == (trailer == 2), "trailer %d",
              trailer);
        const nb_imatrix_entry *e = nb_imatrix_find(im, "b");
        check(e->importance[0] == 1 && e->importance[2] == 3, "mean x2");
        e = nb_imatrix_find(im, "a"); /* never counted: taken as it is */
        check(e->importance[0] == 1 && e->importance[1] == 2, "uncounted");
        nb_imatrix_close(&im);
        nb_str_free(&s);
    }
}

CHECK_TEST(imatrix, hostile_legacy_files_are_refused_with_words)
{
    static const float v[] = {1, 2};
    static const struct {
        unsigned entries, len, n;
        const char *name, *says;
    } row[] = {
        {0, 1, 2, "a", "neither GGUF nor a count"},
        {0xffffffff, 1, 2, "a", "neither GGUF nor a count"},
        {2, 1, 2, "a", "entry 1: no name"},
        {1, 0, 2, "a", "entry 0: no name"},
        {1, 64, 2, "a", "entry 0: no name"},
        {1, 0xffffffff, 2, "a", "entry 0: no name"},
        {1, 1, 0, "a", "no number of values"},
        {1, 1, 0x80000000, "a", "no number of values"},
        {1, 1, 3, "a", "needs 3 values, 8 bytes are left"},
        {1, 1, 0x7fffffff, "a", "needs 2147483647 values"},
    };
    for (size_t i = 0; i < countof(row); i++) {
        nb_str s = {0};
        nb_imatrix *im = NULL;
        nb_err err;
        gg_int(&s, row[i].entries, 4);
        gg_int(&s, row[i].len, 4);
        nb_str_add(&s, row[i].name);
        gg_int(&s, 1, 4);
        gg_int(&s, row[i].n, 4);
        add_f32(&s, v[0]), add_f32(&s, v[1]);
        check(parse(&im, &s, &err) == NB_FORMAT && strstr(err.msg, row[i].says) && !im, "%zu: %s",
              i, err.msg);
        nb_str_free(&s);
    }
    nb_str s = {0};
    nb_imatrix *im = NULL;
    nb_err err;
    gg_int(&s, 2, 4);
    old_entry(&s, "twin", 1, v, 2);
    old_entry(&s, "twin", 1, v, 2);
    check(parse(&im, &s, &err) == NB_FORMAT && strstr(err.msg, "\"twin\" stands twice"), "%s",
          err.msg);
    nb_str_free(&s);
}

/* llama-imatrix wrote both files in one run. */
CHECK_TEST(imatrix, both_forms_of_one_matrix_agree)
{
    const char *path = test_shared("reference/demo.imatrix.dat");
    if (!path)
        check_skip("../shared is absent: demo.imatrix.dat");
    nb_imatrix *a = opened(test_data("demo.imatrix.gguf")), *b = opened(path);
    check(a->n == 43 && b->n == 43 && a->n_chunks == 58 && b->n_chunks == 58, "%zu and %zu entries",
          a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        const nb_imatrix_entry *x = &a->entry[i], *y = &b->entry[i];
        check(strcmp(x->name, y->name) == 0 && x->n == y->n, "%s and %s", x->name, y->name);
        for (uint64_t k = 0; k < x->n; k++)
            check(fabsf(x->importance[k] - y->importance[k]) <= 3e-7f * x->importance[k], "%s",
                  x->name);
    }
    nb_imatrix_close(&a);
    nb_imatrix_close(&b);
}

CHECK_TEST(imatrix, words_keep_or_drop_entries)
{
    static const char *const words[] = {"attn_q", "ffn_up"};
    nb_imatrix *im = opened(test_data("demo.imatrix.gguf"));
    nb_imatrix_keep(im, NULL, 0, true);
    check(im->n == 43, "no words changed it");
    nb_imatrix_keep(im, words, 1, false);
    check(im->n == 37 && !nb_imatrix_find(im, "blk.0.attn_q.weight"), "%zu left", im->n);
    nb_imatrix_keep(im, words, 2, true);
    check(im->n == 6 && nb_imatrix_find(im, "blk.5.ffn_up.weight"), "%zu left", im->n);
    nb_imatrix_close(&im);
}

/* --- what quantize does with it ----------------------------------------------------------------
 */

static const char *model_with_experts(void)
{
    enum { COLS = 256, ROWS = 48, EXPERTS = 3 };
    static char path[600];
    nb_str s = {0};
    test_rng rng = test_rng_make(5);
    snprintf(path, sizeof path, "%s/experts.gguf", test_tmpdir());
    nb_str_addn(&s, "GGUF", 4);
    gg_int(&s, 3, 4), gg_int(&s, 1, 8), gg_int(&s, 1, 8);
    gg_text(&s, "general.architecture");
    gg_int(&s, 8, 4), gg_text(&s, "llama");
    gg_text(&s, "blk.0.ffn_up_exps.weight");
    gg_int(&s, 3, 4), gg_int(&s, COLS, 8), gg_int(&s, ROWS, 8), gg_int(&s, EXPERTS, 8);
    gg_int(&s, 0, 4), gg_int(&s, 0, 8);
    while (s.len % 32)
        gg_int(&s, 0, 1);
    for (int i = 0; i < COLS * ROWS * EXPERTS; i++)
        add_f32(&s, test_normal(&rng));
    test_spit(path, s.at, s.len);
    nb_str_free(&s);
    return path;
}

/* Strips of 64 rows span experts of 48: each expert's rows meet its own importance. */
CHECK_TEST(imatrix, every_expert_is_encoded_with_its_own_importance)
{
    enum { COLS = 256, ROWS = 48, EXPERTS = 3, N = COLS * ROWS * EXPERTS };
    static float values[COLS * EXPERTS], src[N];
    static uint8_t want[N];
    static const char *const preset[] = {"Q4_0", "Q4_K_M", "IQ4_NL"};
    test_rng rng = test_rng_make(9);
    for (int i = 0; i < COLS * EXPERTS; i++)
        values[i] = test_uniform(&rng) * (i < COLS ? 100.0f : 0.01f);
    nb_imatrix_entry e = {
        .name = "blk.0.ffn_up_exps.weight", .n = COLS * EXPERTS, .n_mat = 3, .importance = values};
    nb_imatrix im = {.path = (char[]){"x"}, .entry = &e, .n = 1, .n_ordered = 1};
    nb_weights *w = quant_open(model_with_experts());
    memcpy(src, nb_weights_at(w, 0)->t.bytes, sizeof src);
    for (size_t k = 0; k < countof(preset); k++) {
        nb_err err = {0};
        const char *out = test_path(test_tmpdir(), "experts-out.gguf");
        quant_job job = {.w = w, .preset = preset[k], .out = out, .imatrix = &im, .threads = 2};
        check(quant_run(&job, &err) == NB_OK, "%s", err.msg);
        nb_weights *q = quant_open(out);
        const nb_tensor *t = &nb_weights_at(q, 0)->t;
        const nk_type *type = nk_type_get(t->type);
        size_t each = (size_t)t->nbytes / EXPERTS;
        for (size_t x = 0; x < EXPERTS; x++)
            type->encode(src + x * COLS * ROWS, want + x * each, ROWS, COLS, values + x * COLS);
        check(memcmp(want, t->bytes, t->nbytes) == 0, "%s: other bytes", preset[k]);
        type->encode(src, want, (size_t)ROWS * EXPERTS, COLS, NULL);
        check(memcmp(want, t->bytes, t->nbytes) != 0, "%s: importance changes nothing", preset[k]);
        nb_weights_close(&q);
        unlink(out);
    }
    nb_weights_close(&w);
}

CHECK_TEST(imatrix, keys_tell_what_was_used)
{
    static const char *const key[] = {"quantize.imatrix.file", "quantize.imatrix.dataset",
                                      "quantize.imatrix.entries_count",
                                      "quantize.imatrix.chunks_count"};
    nb_imatrix *im = opened(test_data("demo.imatrix.gguf"));
    nb_weights *w = quant_open(test_data("nibble-demo"));
    const char *out = test_path(test_tmpdir(), "keys-imatrix.gguf"), *s;
    nb_err err = {0};
    size_t len;
    uint64_t v;
    char name[201];
    memset(name, 'x', 200);
    name[200] = '\0';
    free(im->path);
    im->path = nb_strdup(name, NULL);
    quant_job job = {.w = w, .preset = "Q4_0", .out = out, .imatrix = im, .quiet = true};
    check(quant_run(&job, &err) == NB_OK, "%s", err.msg);
    nb_weights *q = quant_open(out);
    const nb_kvs *kvs = nb_weights_kvs(q);
    size_t n = nb_kvs_count(kvs);
    for (size_t i = 0; i < countof(key); i++)
        check(strcmp(nb_kvs_at(kvs, n - 4 + i)->key, key[i]) == 0, "%s stands elsewhere", key[i]);
    check(nb_kvs_str(kvs, key[0], &s, &len) && len == 127 && s[0] == 'x', "file name of %zu", len);
    check(nb_kvs_str(kvs, key[1], &s, &len) && len == 15, "data set");
    check(nb_kvs_uint(kvs, key[2], &v) && v == 43, "entries");
    check(nb_kvs_uint(kvs, key[3], &v) && v == 58, "chunks");
    nb_weights_close(&q);
    nb_weights_close(&w);
    nb_imatrix_close(&im);
}

static nb_status plan_with(nb_plan *plan, const nb_weights *w, const char *preset,
                           const nb_imatrix *im, nb_err *err)
{
    nb_recipe r;
    nb_recipe_init(&r, nb_preset_find(preset));
    r.imatrix = im;
    *err = (nb_err){0};
    return nb_plan_make(plan, &r, w, false, err);
}

CHECK_TEST(imatrix, a_matrix_of_another_model_is_named)
{
    nb_imatrix *im = opened(test_data("demo.imatrix.gguf"));
    nb_weights *w = quant_open(quant_source("BF16"));
    nb_plan plan;
    nb_err err;
    check(plan_with(&plan, w, "Q4_0", im, &err) == NB_FORMAT &&
              strstr(err.msg, "\"blk.0.ffn_down.weight\" has 768 values") &&
              strstr(err.msg, "1 x 512 columns"),
          "%s", err.msg);
    check(plan_with(&plan, w, "BF16", im, &err) == NB_OK, "%s", err.msg); /* nothing is encoded */
    nb_plan_free(&plan);
    nb_weights_close(&w);
    nb_imatrix_close(&im);
}

CHECK_TEST(imatrix, tensors_it_lacks_are_counted)
{
    static const char *const words[] = {"attn_v"};
    nb_imatrix *im = opened(test_data("demo.imatrix.gguf"));
    nb_weights *w = quant_open(test_data("nibble-demo"));
    nb_plan plan;
    nb_err err;
    check(plan_with(&plan, w, "Q4_K_M", im, &err) == NB_OK, "%s", err.msg);
    check(plan.n_unweighted == 1, "%zu without: the embedding alone", plan.n_unweighted);
    nb_plan_free(&plan);
    nb_imatrix_keep(im, words, 1, false);
    check(plan_with(&plan, w, "Q4_K_M", im, &err) == NB_OK, "%s", err.msg);
    check(plan.n_unweighted == 7, "%zu without", plan.n_unweighted);
    for (size_t i = 0; i < plan.n; i++)
        check(!strstr(plan.layout[i].name, "attn_v") || !plan.tensor[i].importance, "%s",
              plan.layout[i].name);
    nb_plan_free(&plan);
    nb_weights_close(&w);
    nb_imatrix_close(&im);
}

/* llama-quant.cpp: with an imatrix the first eighth of ffn_down leaves q4_0 and q5_0, and iq4's
 * stays what it is. */
CHECK_TEST(imatrix, presets_choose_with_it_in_mind)
{
    enum { LAYERS = 16 };
    static const struct {
        const char *preset;
        nk_type_id plain, with;
    } row[] = {{"Q4_0", NK_Q4_0, NK_Q4_1},
               {"Q5_0", NK_Q5_0, NK_Q5_1},
               {"IQ4_NL", NK_Q5_K, NK_IQ4_NL},
               {"IQ4_XS", NK_Q5_K, NK_IQ4_XS},
               {"Q4_1", NK_Q4_1, NK_Q4_1}};
    const nb_shape_info info = {
        .arch = "llama", .n_layer = LAYERS, .n_head = 8, .n_head_kv = 8, .has_output = true};
    const nb_imatrix im = {.n = 1};
    char name[LAYERS][NB_MAX_NAME + 1];
    nb_tensor t[LAYERS];
    nk_type_id got[LAYERS];
    for (int i = 0; i < LAYERS; i++) {
        snprintf(name[i], sizeof name[i], "blk.%d.ffn_down.weight", i);
        t[i] = (nb_tensor){.name = name[i], .type = NK_F32, .n_dims = 2, .shape = {256, 256, 1, 1}};
    }
    for (size_t k = 0; k < countof(row); k++)
        for (int with = 0; with < 2; with++) {
            nb_recipe r;
            nb_recipe_init(&r, nb_preset_find(row[k].preset));
            r.imatrix = with ? &im : NULL;
            check(nb_preset_types(&r, &info, t, LAYERS, got, NULL) == NB_OK, "types");
            for (int i = 0; i < LAYERS; i++) {
                nk_type_id rest = r.preset->base;
                nk_type_id want = i >= 2 ? rest : with ? row[k].with : row[k].plain;
                check(got[i] == want, "%s layer %d with %d: type %d", row[k].preset, i, with,
                      (int)got[i]);
            }
        }
}
