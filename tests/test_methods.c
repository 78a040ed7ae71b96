/* Ways of choosing codes: the textbook's values, worked out here on their own, are what the file
 * decodes to; ternary and HQQ against plain search; no block of `best` worse than the reference's.
 */
#include "tests/check.h"
#include "tests/quantize.h"
#include "tests/util.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "kernels/fp.h"

enum { COLS = 1024, ROWS = 3, N = COLS * ROWS };

static float w[N], dec[N], want[N];
static uint8_t bytes[N * 4];

static void fill(uint64_t seed)
{
    test_rng rng = test_rng_make(seed);
    for (int i = 0; i < N; i++)
        w[i] = 0.02f * test_normal(&rng) * (test_below(&rng, 50) ? 1.0f : 4.0f);
}

static double sum_error(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return sum;
}

/* Encodes w by a method and decodes it. */
static void through(const char *name, const nk_type *t, nb_knobs knobs, const nb_range *tensor)
{
    nb_encode_job job = {.ops = quant_ops(), .type = t, .knobs = &knobs, .tensor = tensor};
    nb_method_find(name)->encode(&job, w, bytes, ROWS, COLS);
    t->decode(bytes, dec, N);
}

static float f16(float v)
{
    return nk_f16_to_f32(nk_f32_to_f16(v));
}

/* --- the textbook, by its formulas alone
 * -----------------------------------------------------------
 */

static void textbook_sym(const float *x, float *out, size_t n, int bits)
{
    float most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmaxf(most, fabsf(x[i]));
    float s = f16(most / (float)((1 << (bits - 1)) - 1));
    for (size_t i = 0; i < n; i++) {
        float q = s > 0 ? roundf(x[i] / s) : 0;
        q = fminf(fmaxf(q, (float)-(1 << (bits - 1))), (float)((1 << (bits - 1)) - 1));
        out[i] = s * q;
    }
}

static void textbook_asym(const float *x, float *out, size_t n, int bits)
{
    float lo = 0, hi = 0, top = (float)((1 << bits) - 1);
    bool nine = false;
    for (size_t i = 0; i < n; i++) {
        lo = fminf(lo, x[i]);
        hi = fmaxf(hi, x[i]);
    }
    float s = f16((hi - lo) / top), z = s > 0 ? fminf(roundf(-lo / s), top) : 0;
    for (size_t i = 0; i < n; i++) {
        float q = s > 0 ? fminf(fmaxf(roundf(x[i] / s) + z, 0), top) : z;
        nine |= q - z > 127 || q - z < -128;
        out[i] = bits == 4 ? q * s + f16(-z * s) : (q - z) * s;
    }
    for (size_t i = 0; i < n && bits == 8 && nine; i++)
        out[i] = 2 * s * roundf(roundf(out[i] / s) / 2); /* every second code */
}

CHECK_TEST(methods, integers_decode_to_the_textbooks_values)
{
    static const struct {
        const char *method;
        int bits, group;
        bool asymmetric;
        const char *type;
    } row[] = {
        {"int8", 8, 32, false, "q8_0"},
        {"int8", 8, 128, false, "q8_0"},
        {"int8", 8, NB_GROUP_CHANNEL, false, "q8_0"},
        {"int8", 8, 64, true, "q8_0"},
        {"int4", 4, 32, false, "q4_0"},
        {"int4", 4, 64, false, "q4_0"},
        {"int4", 4, NB_GROUP_CHANNEL, false, "q4_0"},
        {"int4", 4, 32, true, "q4_1"},
        {"int4", 4, 128, true, "q4_1"},
        {"int4", 4, NB_GROUP_CHANNEL, true, "q4_1"},
        {"int2", 2, NB_GROUP_CHANNEL, false, "q2_K"},
        {"int2", 2, NB_GROUP_CHANNEL, true, "q2_K"},
    };
    fill(1);
    for (int k = 0; k < 64; k++)
        w[COLS + k] = 0; /* a group of nothing */
    for (size_t i = 0; i < countof(row); i++) {
        size_t unit = row[i].group > 0 ? (size_t)row[i].group : COLS;
        const nk_type *t = nk_type_find(row[i].type);
        nb_knobs knobs = {.asymmetric = row[i].asymmetric, .group = row[i].group};
        const nb_method *m = nb_method_find(row[i].method);
        check(m->writes(t, &knobs) && nb_preset_find(m->preset(&knobs))->base == t->id, "%s: type",
              row[i].method);
        through(row[i].method, t, knobs, NULL);
        for (size_t at = 0; at < N; at += unit)
            (row[i].asymmetric ? textbook_asym : textbook_sym)(w + at, want + at, unit,
                                                               row[i].bits);
        for (size_t k = 0; k < N; k++)
            check(dec[k] == want[k], "%s group %d: weight %zu is %.9g, the textbook's %.9g",
                  row[i].method, row[i].group, k, (double)dec[k], (double)want[k]);
    }
}

/* Groups of two bits share a super-block's scale: within the rounding that is told, 1/15 of the
 * largest step. */
CHECK_TEST(methods, two_bit_groups_are_near_the_textbooks)
{
    static const int group[] = {32, 64, 128};
    fill(2);
    for (size_t i = 0; i < countof(group); i++)
        for (int asymmetric = 0; asymmetric < 2; asymmetric++) {
            nb_knobs knobs = {.asymmetric = asymmetric, .group = group[i]};
            through("int2", nk_type_find("q2_K"), knobs, NULL);
            for (size_t at = 0; at < N; at += (size_t)group[i])
                (asymmetric ? textbook_asym : textbook_sym)(w + at, want + at, (size_t)group[i], 2);
            double exact = sum_error(w, want, N), got = sum_error(w, dec, N);
            check(got < 1.1 * exact, "group %d: %g of the textbook's error", group[i], got / exact);
        }
}

CHECK_TEST(methods, clipping_never_costs_error_and_saves_some)
{
    static const char *const method[] = {"int8", "int4", "int2"};
    static const int group[] = {32, 128, NB_GROUP_CHANNEL};
    fill(3);
    for (size_t m = 0; m < countof(method); m++)
        for (size_t g = 0; g < countof(group); g++)
            for (int asymmetric = 0; asymmetric < 2; asymmetric++) {
                nb_knobs k = {.asymmetric = asymmetric, .group = group[g]};
                const nk_type *t =
                    nk_type_get(nb_preset_find(nb_method_find(method[m])->preset(&k))->base);
                through(method[m], t, k, NULL);
                double plain = sum_error(w, dec, N);
                k.mse = true;
                through(method[m], t, k, NULL);
                double clipped = sum_error(w, dec, N);
                check(clipped <= plain * 1.0001, "%s group %d: %g to %g", method[m], group[g],
                      plain, clipped);
                check(m == 0 || clipped < 0.95 * plain, "%s group %d: %g to %g saves nothing",
                      method[m], group[g], plain, clipped);
            }
}

CHECK_TEST(methods, one_scale_for_a_tensor_is_the_same_for_any_threads)
{
    static const int threads[] = {0, 2, 3, 7};
    static float all[512 * 256];
    char first[65] = "", hash[65];
    nb_weights *src = quant_open(quant_source("F32"));
    const char *out = test_path(test_tmpdir(), "tensor.gguf");
    for (int mse = 0; mse < 2; mse++)
        for (size_t i = 0; i < countof(threads); i++) {
            nb_err err = {0};
            quant_job job = {.w = src,
                             .preset = "Q4_0",
                             .out = out,
                             .pure = true,
                             .force = true,
                             .threads = threads[i],
                             .method = nb_method_find("int4"),
                             .knobs = {.mse = mse, .group = NB_GROUP_TENSOR}};
            check(quant_run(&job, &err) == NB_OK, "%s", err.msg);
            size_t n;
            char *file = test_slurp(out, &n);
            test_sha256(file, n, hash);
            free(file);
            check(i == 0 || strcmp(hash, first) == 0, "%d threads: other bytes", threads[i]);
            memcpy(first, hash, sizeof first);
        }
    nb_weights *q = quant_open(out);
    const nb_view *a = nb_weights_find(src, "blk.0.ffn_up.weight"),
                  *b = nb_weights_find(q, "blk.0.ffn_up.weight");
    uint16_t d, other;
    double plain = 0;
    memcpy(&d, b->t.bytes, sizeof d);
    for (uint64_t k = 0; k < b->t.nbytes; k += 18) {
        memcpy(&other, b->t.bytes + k, sizeof other);
        check(other == d, "block %llu has another scale", (unsigned long long)(k / 18));
    }
    nb_weights_floats(b, all);
    const float *x = (const float *)(const void *)a->t.bytes;
    double clipped = sum_error(x, all, countof(all));
    textbook_sym(x, all, countof(all), 4);
    plain = sum_error(x, all, countof(all));
    check(clipped < plain, "%g without clipping, %g with", plain, clipped);
    nb_weights_close(&q);
    nb_weights_close(&src);
}

/* --- ternary, HQQ ------------------------------------------------------------------------------
 */

/* Least error of any number of weights kept, by trying all. */
static double best_ternary(const float *x)
{
    double least = INFINITY;
    for (int k = 0; k < 256; k++) {
        double t = fabs((double)x[k]), sum = 0, n = 0, e = 0;
        for (int i = 0; i < 256; i++)
            if (fabs((double)x[i]) >= t)
                sum += fabs((double)x[i]), n++;
        for (int i = 0; i < 256; i++) {
            double v = fabs((double)x[i]) >= t ? fabs((double)x[i]) - sum / n : (double)x[i];
            e += v * v;
        }
        least = e < least ? e : least;
    }
    return least;
}

CHECK_TEST(methods, ternary_finds_the_best_threshold)
{
    static const char *const type[] = {"tq1_0", "tq2_0"};
    fill(4);
    memset(w + 256, 0, 256 * sizeof *w);
    for (size_t t = 0; t < countof(type); t++) {
        through("ternary", nk_type_find(type[t]), (nb_knobs){.group = 32}, NULL);
        for (size_t at = 0; at < N; at += 256) {
            double got = sum_error(w + at, dec + at, 256), least = best_ternary(w + at);
            check(got <= least * 1.001 && got >= least * 0.999, "%s block %zu: %g, best %g",
                  type[t], at / 256, got, least);
        }
    }
}

CHECK_TEST(methods, hqq_beats_the_plain_range_on_mean_error)
{
    fill(5);
    static const int group[] = {32, 64, 128};
    for (size_t g = 0; g < countof(group); g++) {
        double plain = 0, hqq = 0;
        nb_knobs k = {.asymmetric = true, .group = group[g]};
        through("int4", nk_type_find("q4_1"), k, NULL);
        for (int i = 0; i < N; i++)
            plain += fabs((double)dec[i] - w[i]);
        through("hqq", nk_type_find("q4_1"), k, NULL);
        for (int i = 0; i < N; i++)
            hqq += fabs((double)dec[i] - w[i]);
        check(hqq < plain, "group %d: %g, range alone %g", group[g], hqq / N, plain / N);
    }
    for (int i = 0; i < N; i++) /* rows of one value are exact */
        w[i] = i < COLS ? -0.5f : 0.25f;
    through("hqq", nk_type_find("q5_1"), (nb_knobs){.group = 64}, NULL);
    check(sum_error(w, dec, N) == 0, "%g", sum_error(w, dec, N));
}

/* --- best --------------------------------------------------------------------------------------
 */

static double block_error(const float *a, const float *b, const float *imp, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (imp ? (double)imp[i] : 1.0) * ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return sum;
}

CHECK_TEST(methods, best_is_worse_on_no_block_of_any_type)
{
    static float ref[N], imp[COLS];
    size_t n, blocks = 0;
    const nk_type *const *type = nk_type_all(&n);
    const nb_method *best = nb_method_find("best");
    test_rng rng = test_rng_make(6);
    nb_knobs knobs = {.group = 32};
    fill(6);
    memset(w + 512, 0, 256 * sizeof *w);
    for (int i = 0; i < COLS; i++)
        imp[i] = expf(2 * test_normal(&rng));
    for (size_t i = 0; i < n; i++) {
        const nk_type *t = type[i];
        if (!t->encode || t->activation_only || !best->writes(t, &knobs))
            continue;
        for (int weighted = t->wants_imatrix; weighted < 2; weighted++) {
            const float *weight = weighted ? imp : NULL;
            nb_encode_job job = {
                .ops = quant_ops(), .type = t, .knobs = &knobs, .importance = weight};
            t->encode(w, bytes, ROWS, COLS, weight);
            t->decode(bytes, ref, N);
            best->encode(&job, w, bytes, ROWS, COLS);
            t->decode(bytes, dec, N);
            double was = 0, is = 0;
            for (size_t at = 0; at < N; at += t->block_len, blocks++) {
                const float *own = weight ? weight + at % COLS : NULL;
                double a = block_error(w + at, ref + at, own, t->block_len),
                       b = block_error(w + at, dec + at, own, t->block_len);
                check(b <= a, "%s block %zu: %g, the reference's %g", t->name, at, b, a);
                was += a;
                is += b;
            }
            check(fabs(job.gain[0] - was) <= 1e-9 * was && fabs(job.gain[1] - is) <= 1e-9 * was,
                  "%s: told %g to %g, is %g to %g", t->name, job.gain[0], job.gain[1], was, is);
        }
    }
    printf("best against the reference: %zu blocks\n", blocks);
    check(blocks > 500, "%zu", blocks);
}

/* --- words -------------------------------------------------------------------------------------
 */

CHECK_TEST(methods, knobs_are_read_and_told)
{
    static const struct {
        const char *method, *scheme, *group, *clip, *says;
    } row[] = {
        {"int4", "asym", "64", "mse", "int4 asym 64 mse"},
        {"int8", NULL, "tensor", NULL, "int8 sym tensor minmax"},
        {"int2", NULL, NULL, NULL, "int2 sym channel minmax"},
        {"hqq", NULL, "128", NULL, "hqq 128"},
        {"reference", NULL, NULL, NULL, "reference"},
    };
    char text[96];
    nb_err err = {0};
    for (size_t i = 0; i < countof(row); i++) {
        const nb_method *m = nb_method_find(row[i].method);
        nb_knobs k = nb_method_knobs(m);
        check(nb_knobs_read(&k, m, row[i].scheme, row[i].group, row[i].clip, &err) == NB_OK, "%s",
              err.msg);
        nb_method_text(m, &k, text, sizeof text);
        check(strcmp(text, row[i].says) == 0, "\"%s\"", text);
    }
    for (size_t i = 0; i < countof(row); i++) { /* what is told is read */
        const nb_method *m = NULL;
        nb_knobs all = {0};
        check(nb_method_read(&m, &all, row[i].says, &err) == NB_OK, "%s", err.msg);
        nb_method_text(m, &all, text, sizeof text);
        check(strcmp(text, row[i].says) == 0, "\"%s\"", text);
    }
    nb_knobs k = {0};
    check(nb_knobs_read(&k, nb_method_find("best"), "sym", NULL, NULL, &err) == NB_USAGE &&
              strstr(err.msg, "method best has no such choice"),
          "%s", err.msg);
    check(nb_knobs_read(&k, nb_method_find("int8"), NULL, "33", NULL, &err) == NB_USAGE &&
              strstr(err.msg, "\"33\" is not tensor, ..., 128"),
          "%s", err.msg);
}
