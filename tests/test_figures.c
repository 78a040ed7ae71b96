/* What a run tells of large tensors: a sample, how good it is, and that it is the same sample
 * whoever takes it. Small ones are measured whole: test_quantize.c. */
#include "tests/check.h"
#include "tests/quantize.h"
#include "tests/util.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/quant/run.h"

enum { VOCAB = 34000, WIDTH = 256, WEIGHTS = VOCAB * WIDTH, MOST = 16 };

/* One tensor of it is large. */
static const char *wide_model(void)
{
    static const nb_shape shape = {.name = "wide",
                                   .arch = "llama",
                                   .n_layer = 1,
                                   .n_embd = WIDTH,
                                   .n_head = 4,
                                   .n_head_kv = 2,
                                   .head_dim = 64,
                                   .n_ff = 256,
                                   .n_vocab = VOCAB,
                                   .n_ctx = 128,
                                   .rope_base = 1e4f,
                                   .rms_eps = 1e-5f,
                                   .tied = true};
    static char path[600];
    nb_recipe r;
    nb_err err = {0};
    uint64_t bytes;
    snprintf(path, sizeof path, "%s/wide.gguf", test_tmpdir());
    nb_recipe_init(&r, nb_preset_find("F16"));
    if (!nb_exists(path))
        check(nb_synth_write(&shape, &r, 1, path, false, quant_ops(), NULL, &bytes, NULL, &err) ==
                  NB_OK,
              "%s", err.msg);
    return path;
}

static const nb_tensor_report *large(const nb_tensor_report *r, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(r[i].name, "token_embd.weight") == 0)
            return &r[i];
    check(false, "no large tensor");
    return r;
}

static const nb_tensor_report *measured(nb_tensor_report r[MOST], nb_weights *w, quant_job job)
{
    nb_err err = {0};
    job.w = w;
    job.reports = r;
    job.out = test_path(test_tmpdir(), "wide-out.gguf");
    job.force = true;
    check(nb_weights_count(w) <= MOST && quant_run(&job, &err) == NB_OK, "%s", err.msg);
    return large(r, nb_weights_count(w));
}

CHECK_TEST(figures, of_large_tensors_are_a_sample_near_the_whole_and_say_so)
{
    static nb_tensor_report some[MOST], all[MOST];
    static nb_run_view view;
    static const char *const presets[] = {"Q8_0", "Q4_K_S", "F16"};
    nb_weights *w = quant_open(wide_model());
    for (size_t i = 0; i < countof(presets); i++) {
        quant_job job = {.preset = presets[i], .view = &view};
        const nb_tensor_report *a = measured(some, w, job);
        uint64_t taken = view.measured, of = view.total.n;
        job.all = true;
        const nb_tensor_report *b = measured(all, w, job);
        const uint64_t least =
            strcmp(presets[i], "Q4_K_S") ? NB_FIGURES_LEAST / NB_FIGURES_QUICK : NB_FIGURES_LEAST;
        check(a->stats.n >= least * 9 / 10 && a->stats.n <= least * 11 / 10 &&
                  a->stats.n_looks >= a->stats.n / NB_LOOK_WEIGHTS,
              "%s: %llu of %d weights in %llu looks", presets[i], (unsigned long long)a->stats.n,
              WEIGHTS, (unsigned long long)a->stats.n_looks);
        check(b->stats.n == WEIGHTS && b->stats.n_looks == 0, "--figures all leaves weights out");
        nb_stats e = nb_stats_expand(&a->stats, WEIGHTS);
        double got = nb_stats_rel_rmse(&e), want = nb_stats_rel_rmse(&b->stats);
        double se = nb_stats_rel_rmse_error(&e);
        bool exact = strcmp(presets[i], "F16") == 0;
        check(exact ? got == 0 && want == 0 && se == 0 : se > 0 && se < 0.01 * want, "%s: se %g",
              presets[i], se);
        check(fabs(got - want) <= 4 * se, "%s: %g +/- %g, all of them %g", presets[i], got, se,
              want);
        check(e.n == WEIGHTS && fabs(e.sum2 / b->stats.sum2 - 1) < 0.05, "%s: sums expand",
              presets[i]);
        check(nb_stats_rel_rmse_error(&b->stats) == 0, "a whole has no such error");
        check(a->stats.min >= b->stats.min && a->stats.max <= b->stats.max &&
                  fabsf(a->stats.max_err) <= fabsf(b->stats.max_err),
              "%s: extremes beyond those there are", presets[i]);
        check(a->hist_n > a->stats.n / 5 && a->hist_n < a->stats.n * 3 / 10 &&
                  a->before.total == a->hist_n && a->after.total == a->hist_n &&
                  a->error.total == a->hist_n,
              "%s: %llu drawn", presets[i], (unsigned long long)a->hist_n);
        check(memcmp(&a->before, &b->before, sizeof a->before) == 0 &&
                  memcmp(&a->error, &b->error, sizeof a->error) == 0,
              "%s: another sample in the histograms", presets[i]);
        check(exact ? of == 0 : taken < of && view.measured == of && of == view.total.n,
              "%s: %llu of %llu", presets[i], (unsigned long long)taken, (unsigned long long)of);
    }
    nb_weights_close(&w);
}

CHECK_TEST(figures, are_the_same_for_any_number_of_threads)
{
    static nb_tensor_report first[MOST], now[MOST];
    nb_weights *w = quant_open(wide_model());
    measured(first, w, (quant_job){.preset = "Q4_K_M"});
    for (int threads = 1; threads <= 7; threads += 3) {
        measured(now, w, (quant_job){.preset = "Q4_K_M", .threads = threads});
        for (size_t i = 0; i < nb_weights_count(w); i++)
            check(memcmp(&now[i].stats, &first[i].stats, sizeof now[i].stats) == 0 &&
                      memcmp(&now[i].before, &first[i].before, 3 * sizeof now[i].before) == 0 &&
                      now[i].hist_n == first[i].hist_n,
                  "%d threads: %s", threads, now[i].name);
    }
    nb_weights_close(&w);
}

CHECK_TEST(figures, none_are_taken_where_none_are_wanted)
{
    static nb_tensor_report r[MOST];
    static nb_run_view view;
    nb_weights *w = quant_open(wide_model());
    const nb_tensor_report *t =
        measured(r, w, (quant_job){.preset = "Q8_0", .quiet = true, .view = &view});
    check(t->done && t->stats.n == 0 && t->hist_n == 0 && view.measured == 0, "%llu measured",
          (unsigned long long)t->stats.n);
    nb_weights_close(&w);
}

/* Every weight is found finite or named, measured or not. */
CHECK_TEST(figures, leave_no_weight_unchecked_A25)
{
    static const uint16_t nan = 0x7e00;
    const char *bad = test_path(test_tmpdir(), "wide-bad.gguf");
    size_t n;
    char *bytes = test_slurp(wide_model(), &n);
    nb_weights *w = quant_open(wide_model());
    const size_t first = (size_t)nb_weights_find(w, "token_embd.weight")->t.offset;
    nb_weights_close(&w);
    for (size_t row = 1; row < VOCAB; row += 4801) {
        char want[80], kept[sizeof nan], *place;
        nb_err err = {0};
        place = bytes + first + (row * WIDTH + row % WIDTH) * sizeof nan;
        memcpy(kept, place, sizeof nan), memcpy(place, &nan, sizeof nan);
        test_spit(bad, bytes, n);
        memcpy(place, kept, sizeof nan);
        w = quant_open(bad);
        snprintf(want, sizeof want, "\"token_embd.weight\": row %zu: weight %zu is NaN", row,
                 row % WIDTH);
        for (int quiet = 0; quiet < 2; quiet++) {
            quant_job job = {.w = w,
                             .preset = row % 2 ? "Q8_0" : "F16",
                             .quiet = quiet == 1,
                             .force = true,
                             .out = test_path(test_tmpdir(), "wide-out.gguf")};
            check(quant_run(&job, &err) == NB_FORMAT && strstr(err.msg, want), "%s", err.msg);
        }
        nb_weights_close(&w);
    }
    free(bytes);
}

/* Samples of one population: their estimates spread as each of them says. */
CHECK_TEST(figures, the_error_told_is_that_of_the_estimate)
{
    enum { N = 400 * NB_LOOK_WEIGHTS, EVERY = 20, ROUNDS = 300 };
    test_rng rng = test_rng_make(3);
    float *src = malloc(N * sizeof *src), *dec = malloc(N * sizeof *dec);
    float size = 1;
    for (size_t i = 0; i < N; i++) {
        if (i % NB_LOOK_WEIGHTS == 0) /* looks differ, as rows of a matrix do */
            size = 0.5f + (float)test_below(&rng, 100) / 60.0f;
        src[i] = size * test_normal(&rng);
        dec[i] = src[i] + 0.05f * test_normal(&rng);
    }
    nb_stats whole;
    nb_stats_clear(&whole);
    nb_stats_add(&whole, NULL, src, dec, N, 0);
    double want = nb_stats_rel_rmse(&whole), square = 0, told = 0;
    for (int k = 0; k < ROUNDS; k++) {
        nb_stats s;
        nb_stats_clear(&s);
        for (size_t i = 0; i < N / NB_LOOK_WEIGHTS / EVERY; i++) {
            size_t at = (i * EVERY + test_below(&rng, EVERY)) * NB_LOOK_WEIGHTS;
            nb_stats_add_look(&s, NULL, src + at, dec + at, NB_LOOK_WEIGHTS, at);
        }
        nb_stats e = nb_stats_expand(&s, N);
        double off = nb_stats_rel_rmse(&e) - want, se = nb_stats_rel_rmse_error(&e);
        square += off * off / ROUNDS;
        told += se * se / ROUNDS;
    }
    check(sqrt(told / square) > 0.8 && sqrt(told / square) < 1.25, "told %g, is %g", sqrt(told),
          sqrt(square));
    free(src);
    free(dec);
}

CHECK_TEST(figures, of_several_tensors_weigh_as_much_as_their_weights)
{
    nb_stats sample = {.n = 100,
                       .n_clip = 3,
                       .sum2 = 10,
                       .sum_err2 = 1,
                       .n_looks = 4,
                       .look_ee = 0.26,
                       .look_ew = 2.5,
                       .look_ww = 25};
    nb_stats small = {.n = 50, .sum2 = 100, .sum_err2 = 2};
    nb_stats total = nb_stats_expand(&sample, 1000), part = nb_stats_expand(&small, 50);
    nb_stats_merge(&total, &part);
    check(total.n == 1050 && total.n_clip == 30 && total.sum2 == 200 && total.sum_err2 == 12,
          "%llu weights, %g of %g", (unsigned long long)total.n, total.sum_err2, total.sum2);
    /* (ee - 2R ew + RR ww) * m/(m-1) * 10^2 * (1 - 1/10), R = 12/200 */
    double var = (0.26 - 2 * 0.06 * 2.5 + 0.06 * 0.06 * 25) * 4 / 3 * 100 * 0.9;
    double se = sqrt(var) / 200 / (2 * sqrt(0.06));
    check(fabs(nb_stats_rel_rmse_error(&total) / se - 1) < 1e-12, "%g, by hand %g",
          nb_stats_rel_rmse_error(&total), se);
}
