/* The quantizer: the reference's bytes, the same for any thread count, true figures, and files that
 * are whole or not there. Bytes, figures and sources (A24, A25; tui 24, 25); files: test_output.c.
 */
#include "tests/check.h"
#include "tests/quantize.h"
#include "tests/util.h"

#include <ctype.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/quant/run.h"
#include "kernels/fp.h"

static const char *out_path(const char *name)
{
    return test_path(test_tmpdir(), name);
}

static uint64_t file_size(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (uint64_t)st.st_size : UINT64_MAX;
}

static void file_hash(const char *path, char out[65])
{
    size_t n;
    char *bytes = test_slurp(path, &n);
    check(bytes, "%s is missing", path);
    test_sha256(bytes, n, out);
    free(bytes);
}

/* Halves are encoded where they are mapped, if they are in memory, and read if they are not. */
CHECK_TEST(quantize, bytes_do_not_hang_on_where_the_source_lies)
{
    static const char *const sources[] = {"F16", "BF16", "F32"};
    static const char *const presets[] = {"Q4_0", "Q8_0", "Q4_K_M"};
    for (size_t i = 0; i < countof(sources) * countof(presets); i++) {
        const char *path = quant_source(sources[i % countof(sources)]);
        const char *preset = presets[i / countof(sources)];
        char want[65], got[65];
        nb_err err = {0};
        for (int run = 0; run < 3; run++) { /* the C reference; from memory; from disk */
            const char *out = out_path("lies.gguf");
            int fd = open(path, O_RDONLY | O_CLOEXEC);
            check(fd >= 0 && fsync(fd) == 0, "%s", path);
            if (run == 2)
                posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
            close(fd);
            nb_weights *w = quant_open(path);
            quant_job job = {
                .w = w, .preset = preset, .out = out, .force = true, .quiet = run == 1};
            job.slow = run == 0;
            job.threads = run ? 2 : 0;
            check(quant_run(&job, &err) == NB_OK, "%s", err.msg);
            nb_weights_close(&w);
            file_hash(out, run ? got : want);
            check(run == 0 || strcmp(got, want) == 0, "%s to %s, run %d: other bytes",
                  sources[i % countof(sources)], preset, run);
        }
    }
}

/* --- the reference's bytes ---------------------------------------------------------------------
 */

/* One line of reference/tensors.json in short: see the head of tests/data/tensors.golden. */
static void compare_golden(const nb_weights *w, const nb_imatrix *im, char *golden,
                           const char *section, const char *preset, unsigned want_n,
                           uint64_t want_bytes, const char *want_hash)
{
    static nb_tensor_report reports[64];
    nb_str lines = {0};
    uint64_t planned;
    nb_err err = {0};
    char hash[65], line[256], name[64];
    snprintf(name, sizeof name, "%s-%s.gguf", section, preset);
    const char *out = out_path(name);
    quant_job job = {.w = w,
                     .preset = preset,
                     .out = out,
                     .threads = 2,
                     .quiet = true,
                     .pure = strcmp(section, "pure") == 0,
                     .imatrix = im,
                     .reports = reports,
                     .file_bytes = &planned};
    check(quant_run(&job, &err) == NB_OK, "%s %s: %s", section, preset, err.msg);
    check(file_size(out) == planned, "%s: %llu bytes, planned %llu", name,
          (unsigned long long)file_size(out), (unsigned long long)planned);
    nb_weights *q = quant_open(out);
    uint64_t bytes = 0;
    check(nb_weights_count(q) == want_n, "%s: %zu tensors", name, nb_weights_count(q));
    for (size_t i = 0; i < want_n; i++) {
        const nb_tensor *t = &nb_weights_at(q, i)->t;
        char type[16] = {0};
        for (size_t k = 0; nk_type_get(t->type)->name[k]; k++)
            type[k] = (char)tolower((unsigned char)nk_type_get(t->type)->name[k]);
        test_sha256(t->bytes, t->nbytes, hash);
        check(strcmp(hash, reports[i].sha256) == 0, "%s: report of %s", name, t->name);
        nb_str_addf(&lines, "%s %s %s\n", t->name, type, hash);
        bytes += t->nbytes;
        snprintf(line, sizeof line, "\n%s %s ", preset, t->name);
        if (strcmp(section, "plain") == 0 && strstr(golden, line)) {
            snprintf(line, sizeof line, "\n%s %s %s %llu %s\n", preset, t->name, type,
                     (unsigned long long)t->nbytes, hash);
            check(strstr(golden, line), "%s differs from llama-quantize's: %s", name, line + 1);
        }
    }
    test_sha256(lines.at, lines.len, hash);
    check(strcmp(hash, want_hash) == 0, "%s: some tensor differs from llama-quantize's", name);
    check(bytes == want_bytes, "%s: %llu tensor bytes", name, (unsigned long long)bytes);
    nb_str_free(&lines);
    nb_weights_close(&q);
    unlink(out);
}

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { SANITIZED = true };
#else
enum { SANITIZED = false };
#endif

/* Quick form: every type once; under a sanitizer the cheap ones. NB_TEST_PRESETS=all runs the rest:
 * the same types mixed by rules that test_recipe.c proves anyway. */
static bool preset_wanted(const char *section, const char *preset)
{
    static const char *const slow[] = {"Q3_K_S", "Q3_K_L", "Q4_K_S", "Q5_K_S"};
    static const char *const cheap[] = {"BF16", "Q4_0"};
    if (getenv("NB_TEST_PRESETS"))
        return true;
    for (size_t i = 0; i < countof(slow); i++)
        if (strcmp(preset, slow[i]) == 0)
            return false;
    for (size_t i = 0; i < countof(cheap); i++)
        if (strcmp(preset, cheap[i]) == 0)
            return true;
    return !SANITIZED && strcmp(section, "pure") != 0;
}

static void compare_section(const char *section)
{
    size_t n;
    char *golden = test_slurp(test_data("tensors.golden"), &n);
    char *copy = test_slurp(test_data("tensors.golden"), &n), *save = NULL;
    nb_weights *w = quant_open(test_data("nibble-demo"));
    nb_imatrix *im = NULL;
    nb_err err = {0};
    int compared = 0;
    if (strcmp(section, "imatrix") == 0)
        check(nb_imatrix_open(&im, test_data("demo.imatrix.gguf"), &err) == NB_OK, "%s", err.msg);
    for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char sec[16], preset[16], hash[65];
        unsigned count;
        unsigned long long bytes;
        if (sscanf(line, "%15s %15s %u %llu %64s", sec, preset, &count, &bytes, hash) != 5 ||
            strcmp(sec, section) != 0 || !preset_wanted(sec, preset))
            continue;
        if (!nb_preset_find(preset)) {
            printf("preset %s is not known here: not compared\n", preset);
            continue;
        }
        compare_golden(w, im, golden, sec, preset, count, bytes, hash);
        compared++;
    }
    check(compared > 0, "nothing was compared");
    nb_imatrix_close(&im);
    nb_weights_close(&w);
    free(copy);
    free(golden);
}

CHECK_TEST(quantize, presets_write_llama_quantizes_bytes)
{
    compare_section("plain");
}

CHECK_TEST(quantize, presets_with_an_imatrix_write_llama_quantizes_bytes)
{
    compare_section("imatrix");
}

CHECK_TEST(quantize, pure_types_write_llama_quantizes_bytes)
{
    compare_section("pure");
}

CHECK_TEST(quantize, keys_end_with_version_and_file_type)
{
    nb_weights *w = quant_open(quant_source("BF16"));
    nb_err err = {0};
    uint64_t v;
    const char *out = out_path("keys.gguf");
    check(quant_run(&(quant_job){.w = w, .preset = "Q8_0", .out = out}, &err) == NB_OK, "%s",
          err.msg);
    nb_weights *q = quant_open(out);
    const nb_kvs *a = nb_weights_kvs(w), *b = nb_weights_kvs(q);
    size_t n = nb_kvs_count(b);
    check(n == nb_kvs_count(a), "%zu keys from %zu", n, nb_kvs_count(a));
    check(nb_kvs_uint(b, "general.file_type", &v) && v == 7, "file type");
    check(nb_kvs_uint(b, "general.quantization_version", &v) && v == 2, "version");
    check(strcmp(nb_kvs_at(b, n - 2)->key, "general.quantization_version") == 0 &&
              strcmp(nb_kvs_at(b, n - 1)->key, "general.file_type") == 0,
          "order at the end");
    for (size_t i = 0; i + 2 < n; i++)
        check(strcmp(nb_kvs_at(a, i)->key, nb_kvs_at(b, i)->key) == 0, "key %zu", i);
    nb_weights_close(&q);
    nb_weights_close(&w);
}

/* --- the same for any thread count (A24) -------------------------------------------------------
 */

CHECK_TEST(quantize, threads_change_neither_bytes_nor_figures)
{
    static const int threads[] = {1, 2, 3, 7};
    static nb_tensor_report first[32], now[32];
    nb_weights *w = quant_open(quant_source("BF16"));
    char want[65], got[65];
    for (size_t k = 0; k < countof(threads); k++) {
        nb_err err = {0};
        const char *out = out_path("threads.gguf");
        quant_job job = {.w = w,
                         .preset = "Q3_K_L",
                         .out = out,
                         .threads = threads[k],
                         .force = true,
                         .reports = k ? now : first};
        check(quant_run(&job, &err) == NB_OK, "%s", err.msg);
        file_hash(out, k ? got : want);
        if (k == 0)
            continue;
        check(strcmp(got, want) == 0, "%d threads wrote other bytes", threads[k]);
        for (size_t i = 0; i < nb_weights_count(w); i++) {
            now[i].seconds = first[i].seconds;
            check(memcmp(&now[i], &first[i], sizeof now[i]) == 0, "%d threads, %s: other figures",
                  threads[k], first[i].name);
        }
    }
    nb_weights_close(&w);
}

/* --- figures (tui 25) --------------------------------------------------------------------------
 */

static void decode_all(const nb_weights *w, const char *name, float *dst)
{
    const nb_view *v = nb_weights_find(w, name);
    uint64_t cols = nb_tensor_cols(&v->t);
    for (uint64_t r = 0; r < nb_tensor_rows(&v->t); r++)
        nk_type_get(v->t.type)->decode(nb_weights_row(v, r, NULL), dst + r * cols, cols);
}

/* Writes value over one weight of an F32 file. */
static void poke(const char *from, const char *to, const char *tensor, uint64_t row, uint64_t col,
                 float value)
{
    size_t n;
    char *bytes = test_slurp(from, &n);
    nb_weights *w = quant_open(from);
    const nb_view *v = nb_weights_find(w, tensor);
    const nk_type *t = nk_type_get(v->t.type);
    t->encode(&value, bytes + v->t.offset + (row * nb_tensor_cols(&v->t) + col) * t->block_size, 1,
              1, NULL);
    nb_weights_close(&w);
    test_spit(to, bytes, n);
    free(bytes);
}

/* By definition: every block's scales looked at. */
static uint64_t count_clips(const nb_weights *q, const char *name, const float *src,
                            const float *dec)
{
    const nb_view *v = nb_weights_find(q, name);
    const nk_type *t = nk_type_get(v->t.type);
    nb_stats all;
    nb_stats_clear(&all);
    for (uint64_t r = 0; t->explain && r < nb_tensor_rows(&v->t); r++)
        for (uint64_t c = 0; c < nb_tensor_cols(&v->t); c += t->block_len) {
            nk_block_view b;
            uint64_t at = r * nb_tensor_cols(&v->t) + c;
            t->explain(nb_weights_row(v, r, NULL) + c / t->block_len * t->block_size, &b);
            nb_stats_add_clips(&all, &b, src + at, dec + at);
        }
    return all.n_clip;
}

CHECK_TEST(quantize, reports_tell_what_the_file_holds)
{
    static nb_tensor_report reports[32];
    static nb_run_view view;
    const char *in = out_path("outlier.gguf"), *out = out_path("figures.gguf");
    /* beside it the scales of the other groups in its super-block round to 0: all clipped */
    poke(quant_source("F32"), in, "blk.0.ffn_up.weight", 7, 40, 1000.0f);
    nb_weights *w = quant_open(in);
    nb_err err = {0};
    uint64_t clips = 0;
    quant_job job = {
        .w = w, .preset = "Q4_K_M", .out = out, .threads = 2, .reports = reports, .view = &view};
    check(quant_run(&job, &err) == NB_OK, "%s", err.msg);
    nb_weights *q = quant_open(out);
    size_t n = nb_weights_count(w);
    check(view.finished && view.status == NB_OK && view.n_done == n && view.n == n, "view");
    check(view.bytes_out == view.bytes_total_out && view.bytes_in == view.bytes_total_in &&
              fabs(view.bpw_now - view.bpw_final) < 1e-9,
          "%llu of %llu bytes", (unsigned long long)view.bytes_out,
          (unsigned long long)view.bytes_total_out);
    float *src = malloc(sizeof(float) << 20), *dec = malloc(sizeof(float) << 20);
    for (size_t i = 0; i < n; i++) {
        const nb_tensor_report *r = &reports[i];
        const nb_tensor *t = &nb_weights_find(q, r->name)->t;
        uint64_t count = nb_tensor_count(t);
        double e2 = 0, w2 = 0, worst = 0;
        decode_all(w, r->name, src);
        decode_all(q, r->name, dec);
        for (uint64_t k = 0; k < count; k++) {
            double e = (double)dec[k] - src[k];
            e2 += e * e, w2 += (double)src[k] * src[k];
            worst = fabs(e) > worst ? fabs(e) : worst;
        }
        check(r->done && r->hist_n == count && r->before.total == count &&
                  r->after.total == count && r->error.total == count && r->stats.n == count,
              "%s: %llu of %llu counted", r->name, (unsigned long long)r->hist_n,
              (unsigned long long)count);
        check(fabs(nb_stats_rel_rmse(&r->stats) - sqrt(e2 / w2)) < 1e-9, "%s: %g", r->name,
              nb_stats_rel_rmse(&r->stats));
        check(fabs(fabs((double)r->stats.max_err) - worst) <= 1e-7 * worst, "%s: worst", r->name);
        check(dec[r->stats.max_err_at] - src[r->stats.max_err_at] == r->stats.max_err,
              "%s: place of the worst", r->name);
        check(r->stats.n_clip == count_clips(q, r->name, src, dec), "%s: %llu clips", r->name,
              (unsigned long long)r->stats.n_clip);
        clips += r->stats.n_clip;
    }
    check(clips > 0, "nothing was clipped: the count proves nothing");
    free(src);
    free(dec);
    nb_weights_close(&q);
    nb_weights_close(&w);
}

/* Per thread, whatever the model: 64 threads on 70 B stay under 200 MiB. */
CHECK_TEST(quantize, memory_does_not_grow_with_the_model)
{
    enum { LAYERS = 80, PER = 3, N = LAYERS * PER + 1 };
    static nb_tensor layout[N];
    static nb_planned planned[N];
    static nb_cut cut[N];
    for (size_t i = 0; i < N; i++) {
        uint64_t cols = i == 0 ? 8192 : i % PER == 0 ? 28672 : 8192;
        uint64_t rows = i == 0 ? 128256 : i % PER == 0 ? 8192 : 28672;
        layout[i] = (nb_tensor){.name = "t", .n_dims = 2, .shape = {cols, rows, 1, 1}};
        planned[i] = (nb_planned){.type = i % 2 ? &nk_type_q4_k : &nk_type_f32, .n = cols * rows};
    }
    nb_plan plan = {.n = N, .tensor = planned, .layout = layout};
    nb_run run = {.plan = &plan, .cut = cut};
    nb_err err = {0};
    check(nb_run_cut(&run, &err) == NB_OK, "%s", err.msg);
    uint64_t thread = run.strip * 2 * sizeof(float) + run.out_cap + sizeof(nb_workspace);
    uint64_t shared = N * (sizeof(nb_cut) + sizeof(nb_tensor_report) + sizeof(nb_hist_trio)) +
                      run.n_tiles * 8 + NB_WAVE_TILES * (sizeof(nb_stats) + 1);
    check(64 * thread + shared < 200u << 20, "%llu per thread, %llu shared",
          (unsigned long long)thread, (unsigned long long)shared);
    uint64_t seen = 0; /* and the tiles cover every weight once */
    for (uint64_t i = 0; i < run.n_tiles; i += 1) {
        nb_tile t = nb_run_tile(&run, i);
        check(t.row + t.rows <= cut[t.tensor].rows && t.col + t.cols <= cut[t.tensor].cols, "tile");
        seen += t.rows * t.cols;
    }
    uint64_t all = 0;
    for (size_t i = 0; i < N; i++)
        all += planned[i].n;
    check(seen == all, "%llu of %llu weights", (unsigned long long)seen, (unsigned long long)all);
}

/* --- sources that cannot be quantized ----------------------------------------------------------
 */

CHECK_TEST(quantize, quantized_sources_are_refused_unless_asked)
{
    nb_weights *w = quant_open(quant_source("Q8_0"));
    nb_err err = {0};
    const char *out = out_path("again.gguf");
    quant_job job = {.w = w, .preset = "Q4_0", .out = out};
    check(quant_run(&job, &err) == NB_REFUSED && strstr(err.msg, "already quantized (q8_0)"), "%s",
          err.msg);
    check(!nb_exists(out), "a file was left");
    job.allow_requantize = true;
    check(quant_run(&job, &err) == NB_OK, "%s", err.msg);
    job.preset = "Q8_0"; /* the same type is a copy, not a second loss */
    job.allow_requantize = false;
    job.out = out_path("copy.gguf");
    check(quant_run(&job, &err) == NB_OK, "%s", err.msg);
    nb_weights *q = quant_open(job.out);
    for (size_t i = 0; i < nb_weights_count(w); i++) {
        const nb_tensor *a = &nb_weights_at(w, i)->t, *b = &nb_weights_find(q, a->name)->t;
        check(a->nbytes == b->nbytes && memcmp(a->bytes, b->bytes, a->nbytes) == 0, "%s", a->name);
    }
    nb_weights_close(&q);
    nb_weights_close(&w);
}

CHECK_TEST(quantize, bad_values_are_named_by_tensor_and_row_a25)
{
    static const struct {
        const char *tensor, *preset;
        unsigned row;
        float value;
        const char *says, *source;
    } row[] = {
        {"blk.1.ffn_down.weight", "Q4_K_M", 200, NAN, "row 200: weight 3 is NaN", "F32"},
        {"token_embd.weight", "Q8_0", 0, INFINITY, "row 0: weight 3 is infinite", "F32"},
        {"blk.0.attn_v.weight", "Q2_K", 127, -INFINITY, "row 127: weight 3 is infinite", "F32"},
        {"output.weight", "F32", 299, NAN, "row 299: weight 3 is NaN", "F32"},
        {"output_norm.weight", "Q6_K", 0, NAN, "row 0: weight 3 is NaN", "F32"},
        {"blk.0.attn_q.weight", "F16", 5, 70000, "row 5: weight 3 (70000) does not fit f16", "F32"},
        {"blk.1.ffn_up.weight", "Q4_0", 250, NAN, "row 250: weight 3 is NaN", "F16"},
        {"blk.1.ffn_up.weight", "Q8_0", 1, -INFINITY, "row 1: weight 3 is infinite", "BF16"},
        {"blk.1.ffn_up.weight", "Q8_0", 9, 0x1p100f, "does not fit q8_0", "BF16"},
    };
    const char *bad = out_path("bad.gguf"), *out = out_path("bad-out.gguf");
    for (size_t i = 0; i < countof(row); i++) {
        nb_err err = {0};
        poke(quant_source(row[i].source), bad, row[i].tensor, row[i].row, 3, row[i].value);
        nb_weights *w = quant_open(bad);
        for (int threads = 0; threads <= 3; threads += 3) {
            nb_status st = quant_run(
                &(quant_job){.w = w, .preset = row[i].preset, .out = out, .threads = threads},
                &err);
            check(st == NB_FORMAT && strstr(err.msg, row[i].tensor) && strstr(err.msg, row[i].says),
                  "%s", err.msg);
            check(quant_count(test_tmpdir(), "bad-out") == 0, "something was left");
        }
        nb_weights_close(&w);
    }
}

CHECK_TEST(quantize, odd_but_finite_rows_pass_a25)
{
    static const float value[] = {0x1p-149f, -0x1p-126f, 0.0f, -0.0f, 65504.0f, -65504.0f};
    static const char *const preset[] = {"F16", "Q4_0", "Q5_1", "Q8_0", "Q3_K_S", "Q6_K"};
    const char *in = out_path("odd.gguf"), *out = out_path("odd-out.gguf");
    size_t n;
    char *bytes = test_slurp(quant_source("F32"), &n);
    nb_weights *w = quant_open(quant_source("F32"));
    const nb_view *v = nb_weights_find(w, "blk.0.ffn_up.weight");
    for (uint64_t r = 0; r < countof(value); r++)
        for (uint64_t c = 0; c < 256; c++)
            memcpy(bytes + v->t.offset + (r * 256 + c) * sizeof *value, &value[r], sizeof *value);
    nb_weights_close(&w);
    test_spit(in, bytes, n);
    free(bytes);
    w = quant_open(in);
    for (size_t i = 0; i < countof(preset); i++) {
        nb_err err = {0};
        quant_job job = {.w = w, .preset = preset[i], .out = out, .force = true};
        check(quant_run(&job, &err) == NB_OK, "%s: %s", preset[i], err.msg);
    }
    nb_weights_close(&w);
}
