/* Statistics and health of importance matrices, by hand and through the commands imatrix and
 * quantize (issue "importance matrices"). */
#include "tests/check.h"
#include "tests/run_child.h"
#include "tests/util.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/quant/imatrix_stats.h"

static const char demo[] = NB_TEST_ROOT "/tests/data/nibble-demo";
static const char matrix[] = NB_TEST_ROOT "/tests/data/demo.imatrix.gguf";
static const char text[] = NB_TEST_ROOT "/tests/data/eval.txt";

static child run(const char *const *args)
{
    child_how how = {0};
    for (int i = 0; i < CHILD_ARGS && args[i]; i++)
        how.args[i] = args[i];
    return child_run(&how);
}
#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})

static const char *scratch(const char *name)
{
    return test_path(test_tmpdir(), name);
}

/* --- by hand -----------------------------------------------------------------------------------
 */

static void fill(nb_imatrix *im, const char *name, const float *sums, int64_t count)
{
    nb_imatrix_entry *e = nb_imatrix_at(im, name);
    memcpy(e->sum2, sums, e->n * sizeof *sums);
    e->count[0] = count;
}

CHECK_TEST(imatrix_stats, figures_are_those_of_their_definitions)
{
    static const float a[] = {2, 2, 2, 2}, b[] = {8, 0, 0, 0}, c[] = {1, 1};
    nb_imatrix *im = NULL;
    nb_imatrix_stats s[3];
    nb_layer_stats l[3];
    check(nb_imatrix_new(&im, 4, NULL) == NB_OK, "new");
    check(nb_imatrix_add(im, "blk.0.attn_q.weight", 4, 1, NULL) == NB_OK, "add");
    check(nb_imatrix_add(im, "blk.1.attn_q.weight", 4, 1, NULL) == NB_OK, "add");
    check(nb_imatrix_add(im, "output.weight", 2, 1, NULL) == NB_OK, "add");
    nb_imatrix_order(im);
    fill(im, "blk.0.attn_q.weight", a, 2);
    fill(im, "blk.1.attn_q.weight", b, 2);
    fill(im, "output.weight", c, 2);
    check(nb_imatrix_settle(im, NULL) == NB_OK, "settle");
    nb_imatrix_describe(s, im);
    check(strcmp(s[0].tensor, "attn_q") == 0 && strcmp(s[2].tensor, "output") == 0, "order");
    check(s[0].layer + s[1].layer == 1 && s[2].layer == -1, "layers");
    const nb_imatrix_stats *even = s[0].layer == 0 ? &s[0] : &s[1],
                           *lone = s[0].layer == 0 ? &s[1] : &s[0];
    check(even->total == 4 && even->mean == 1 && even->stddev == 0 && even->active == 1,
          "even: %g %g", even->total, even->stddev);
    check(even->entropy == 2 && even->entropy_norm == 1 && even->z_density == 0, "entropy %g",
          even->entropy);
    check(lone->total == 4 && lone->min == 0 && lone->max == 4 && lone->active == 0.25, "lone");
    check(fabs(lone->stddev - sqrt(3)) < 1e-12 && lone->entropy == 0 && lone->z_density == 0.25,
          "sd %g", lone->stddev);
    check(lone->n_zero == 3 && even->n_zero == 0, "%llu zero columns",
          (unsigned long long)lone->n_zero);
    check(isnan(even->cosine) && fabs(lone->cosine - 0.5) < 1e-12 && isnan(s[2].cosine),
          "cosine %g", lone->cosine);
    check(nb_imatrix_layers(l, s, 3) == 2 && l[0].layer == 0 && l[1].layer == 1, "layers");
    check(l[1].total == 4 && l[1].z_density == 0.25 && fabs(l[1].cosine - 0.5) < 1e-12, "layer 1");
    nb_imatrix_close(&im);
}

CHECK_TEST(imatrix_stats, experts_that_saw_nothing_are_no_columns)
{
    static const float sums[] = {4, 4, 0, 0, 12, 12};
    nb_imatrix *im = NULL;
    nb_imatrix_stats s;
    check(nb_imatrix_new(&im, 4, NULL) == NB_OK, "new");
    check(nb_imatrix_add(im, "blk.0.ffn_up_exps.weight", 6, 3, NULL) == NB_OK, "add");
    nb_imatrix_order(im);
    memcpy(im->entry[0].sum2, sums, sizeof sums);
    im->entry[0].count[0] = 2;
    im->entry[0].count[2] = 4;
    check(nb_imatrix_settle(im, NULL) == NB_OK, "settle");
    nb_imatrix_describe(&s, im);
    check(s.n == 4 && s.n_mat == 3 && s.n_seen == 2 && s.count_min == 2 && s.count_max == 4,
          "%llu columns, %llu seen", (unsigned long long)s.n, (unsigned long long)s.n_seen);
    check(s.total == 10 && s.min == 2 && s.max == 3 && s.n_zero == 0, "total %g", s.total);
    nb_imatrix_close(&im);
}

/* --- the command imatrix -----------------------------------------------------------------------
 */

static double number(const nb_json *doc, const char *key)
{
    double v = -1;
    check(nb_jnum(nb_jget(nb_json_root(doc), key), &v), "%s is missing", key);
    return v;
}

CHECK_TEST(imatrix_cli, collects_and_shows_statistics)
{
    const char *out = scratch("cli.gguf");
    child c = RUN("imatrix", demo, "-f", text, "-c", "64", "--chunks", "2", "-o", out, "--json");
    check(c.code == 0, "%d: %s", c.code, c.err);
    nb_json *doc = child_json(&c);
    check(number(doc, "chunks") == 2 && number(doc, "chunk_size") == 64 &&
              number(doc, "entries") == 42 && number(doc, "collected") == 2,
          "%s", c.out);
    nb_json_close(&doc);
    child_free(&c);
    c = RUN("imatrix", out, "--show-statistics");
    check(c.code == 0 && strstr(c.out, "cossim") && strstr(c.out, "42 weights, 2 chunks of 64"),
          "%s%s", c.out, c.err);
    child_free(&c);
    c = RUN("imatrix", out, "--show-statistics", "--json");
    doc = child_json(&c);
    check(number(doc, "entries") == 42 && strstr(c.out, "\"layers\":[{\"layer\":0"), "%s", c.out);
    nb_json_close(&doc);
    child_free(&c);
}

CHECK_TEST(imatrix_cli, merges_and_converts_files)
{
    const char *dat = scratch("merged.dat"), *back = scratch("back.gguf");
    char both[1300];
    snprintf(both, sizeof both, "%s,%s", matrix, matrix);
    child c = RUN("imatrix", "--in-file", both, "-o", dat);
    check(c.code == 0 && strstr(c.out, "43 weights, 117 chunks of 512"), "%s%s", c.out, c.err);
    child_free(&c);
    c = RUN("imatrix", "--in-file", dat, "-o", back);
    check(c.code == 0, "%s", c.err);
    child_free(&c);
    c = RUN("imatrix", "--in-file", matrix, "-o", back, "--force", "--output-format", "gguf");
    check(c.code == 0, "%s", c.err);
    child_free(&c);
    size_t n, m;
    char *a = test_slurp(matrix, &n), *b = test_slurp(back, &m);
    check(a && b && n == m && memcmp(a, b, n) == 0, "%zu and %zu bytes", n, m);
    free(a);
    free(b);
}

CHECK_TEST(imatrix_cli, refuses_with_words_and_codes)
{
    const char *out = scratch("taken.gguf"), *junk = scratch("junk.gguf");
    test_spit(out, "x", 1);
    test_spit(junk, "GGUFjunk", 8);
    const struct {
        const char *args[8];
        int code;
        const char *says;
    } row[] = {
        {{"imatrix"}, 2, "nothing to do"},
        {{"imatrix", demo}, 2, "--file is missing"},
        {{"imatrix", "-f", text}, 2, "the model is missing"},
        {{"imatrix", demo, "-f", text, "-o", out}, 10, "exists already"},
        {{"imatrix", demo, "-f", text, "-o", text}, 10, "the text itself"},
        {{"imatrix", "--in-file", matrix, "--output-format", "x"}, 2, "neither gguf nor dat"},
        {{"imatrix", "--in-file", junk}, 3, "junk.gguf"},
        {{"imatrix", "--show-statistics"}, 2, "looks into one file"},
        {{"imatrix", demo, "-f", text, "-c", "100000"}, 10, "are needed"},
        {{"imatrix", demo, "-f", text, "-o", junk, "--resume"}, 3, "junk.gguf"},
        {{"quantize", demo, "-t", "Q4_0", "--imatrix", junk, "-o", out}, 3, "junk.gguf"},
        {{"quantize", demo, "-t", "Q4_0", "--include-weights", "a"}, 2, "--imatrix is missing"},
    };
    for (size_t i = 0; i < countof(row); i++) {
        child_how how = {.dir = test_tmpdir()};
        memcpy(how.args, row[i].args, sizeof row[i].args);
        child c = child_run(&how);
        check(c.code == row[i].code && strstr(c.err, row[i].says), "%zu: %d: %s", i, c.code, c.err);
        child_free(&c);
    }
}

/* SIGINT once the first save is there; what goes on ends in the bytes of an undisturbed run. */
CHECK_TEST(imatrix_cli, an_interrupted_collection_goes_on_to_the_same_bytes)
{
    const char *out = scratch("cut.gguf"), *whole = scratch("undisturbed.gguf");
    const char *const args[] = {"imatrix", demo, "-f", text, "-c", "128", "--output-frequency",
                                "1",       "-o"};
    child_how how = {.interrupt_when = out};
    memcpy(how.args, args, sizeof args);
    how.args[countof(args)] = out;
    child c = child_run(&how);
    check(c.code == 130 || c.code == 0, "%d: %s", c.code, c.err);
    if (c.code == 130)
        check(strstr(c.err, "--resume"), "%s", c.err);
    child_free(&c);
    how = (child_how){0};
    memcpy(how.args, args, sizeof args);
    how.args[countof(args)] = out;
    how.args[countof(args) + 1] = "--resume";
    c = child_run(&how);
    check(c.code == 0, "%s", c.err);
    child_free(&c);
    how.args[countof(args)] = whole;
    how.args[countof(args) + 1] = "--threads";
    how.args[countof(args) + 2] = "1";
    c = child_run(&how);
    check(c.code == 0, "%s", c.err);
    child_free(&c);
    size_t n, m;
    char *a = test_slurp(out, &n), *b = test_slurp(whole, &m);
    check(a && b && n == m && memcmp(a, b, n) == 0, "%zu and %zu bytes", n, m);
    free(a);
    free(b);
}

/* --- the command quantize ----------------------------------------------------------------------
 */

CHECK_TEST(imatrix_cli, quantize_tells_what_it_used)
{
    child c = RUN("quantize", demo, "-t", "Q4_0", "--imatrix", matrix, "--exclude-weights",
                  "attn_v", "--dry-run", "--json");
    check(c.code == 0, "%s", c.err);
    nb_json *doc = child_json(&c);
    check(strstr(c.out, "\"entries\":37,\"chunks\":58,\"replaced\":0,\"unweighted\":7"), "%s",
          c.out);
    nb_json_close(&doc);
    child_free(&c);
    c = RUN("quantize", demo, "-t", "Q4_0", "--imatrix", matrix, "--dry-run");
    check(c.code == 0 && strstr(c.out, "importance matrix ") &&
              strstr(c.out, "for want of an entry in it: 1 tensor\n"),
          "%s", c.out);
    child_free(&c);
    c = RUN("quantize", demo, "-t", "Q4_0", "--imatrix", matrix, "--include-weights", "nothing",
            "--dry-run");
    check(c.code == 0 && !strstr(c.out, "importance matrix"), "%s", c.out);
    child_free(&c);
}

CHECK_TEST(imatrix_cli, a_floor_changes_bytes_and_is_told_in_the_file)
{
    const char *plain = scratch("plain.gguf"), *mixed = scratch("mixed.gguf");
    child c = RUN("quantize", demo, "-t", "Q4_0", "--imatrix", matrix, "-o", plain);
    check(c.code == 0, "%s", c.err);
    child_free(&c);
    c = RUN("quantize", demo, "-t", "Q4_0", "--imatrix", matrix, "--imatrix-floor", "0.5", "-o",
            mixed);
    check(c.code == 0, "%s", c.err);
    child_free(&c);
    c = RUN("show", mixed, "--json");
    check(c.code == 0, "%s", c.err);
    child_free(&c);
    size_t n, m;
    char *a = test_slurp(plain, &n), *b = test_slurp(mixed, &m);
    check(a && b && n < m, "%zu and %zu bytes", n, m);
    check(!memmem(a, n, "nibble.imatrix.floor", 20) && memmem(b, m, "nibble.imatrix.floor", 20),
          "key");
    free(a);
    free(b);
}
