/* Two files tensor by tensor: the figures are what a plain loop gives, other types, shards and
 * layers are told, and a wish to stop is heard at the next row. */
#include "tests/check.h"
#include "tests/eval_rig.h"
#include "tests/quantize.h"
#include "tests/run_child.h"
#include "tests/util.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/quant/diff.h"

static void near(double got, double want, double rel, const char *what)
{
    check(fabs(got - want) <= rel * fabs(want), "%s: %.17g, by the plain loop %.17g", what, got,
          want);
}

static void like_a_plain_loop(const nb_view *a, const nb_view *b)
{
    size_t n = (size_t)nb_tensor_count(&a->t);
    float *x = malloc(n * sizeof *x), *y = malloc(n * sizeof *y);
    nb_diff *d = malloc(sizeof *d), *plain = malloc(sizeof *plain);
    nb_err err = {0};
    check(x && y && d && plain, "memory");
    nb_weights_floats(a, x);
    nb_weights_floats(b, y);
    double xx = 0, yy = 0, xy = 0, ee = 0, most = 0;
    for (size_t i = 0; i < n; i++) {
        double u = (double)x[i], v = (double)y[i];
        xx += u * u;
        yy += v * v;
        xy += u * v;
        ee += (v - u) * (v - u);
        most = fmax(most, fabs(v - u));
    }
    check(nb_diff_read(d, b, a, quant_ops(), NULL, &err) == NB_OK, "%s", err.msg);
    check(nb_diff_read(plain, b, a, NULL, NULL, &err) == NB_OK, "%s", err.msg);
    near(nb_diff_cosine(d), xy / sqrt(xx * yy), 1e-6, "cosine");
    near(nb_stats_rel_rmse(&d->stats), sqrt(ee / xx), 1e-6, "relative error");
    near(fabs((double)d->stats.max_err), most, 1e-6, "greatest difference");
    check(d->error.total == n && d->hist.total == n && d->compared, "%zu values", n);
    check(memcmp(d, plain, sizeof *d) == 0, "another level reads other figures");
    free(x);
    free(y);
    free(d);
    free(plain);
}

CHECK_TEST(diff, figures_are_those_of_a_plain_loop)
{
    nb_weights *a = quant_open(test_data("nibble-demo")), *b = quant_open(eval_file("Q2_K"));
    static const char *const names[] = {"token_embd.weight", "blk.0.attn_q.weight",
                                        "blk.3.ffn_down.weight", "output.weight"};
    for (size_t i = 0; i < countof(names); i++)
        like_a_plain_loop(nb_weights_find(a, names[i]), nb_weights_find(b, names[i]));
    nb_weights_close(&a);
    nb_weights_close(&b);
}

static bool always(void *ud)
{
    (void)ud;
    return true;
}

CHECK_TEST(diff, a_tensor_alone_an_equal_one_and_a_cancelled_one)
{
    nb_weights *a = quant_open(test_data("nibble-demo")), *b = quant_open(eval_file("Q2_K"));
    const nb_view *q = nb_weights_find(b, "blk.0.attn_q.weight");
    nb_diff *d = calloc(1, sizeof *d);
    nb_err err = {0};
    const nb_hooks stop = {NULL, always, NULL};
    const char *why = NULL;
    check(nb_diff_read(d, q, NULL, NULL, &stop, &err) == NB_CANCELED && d->hist.total == 0,
          "status %d", err.status);
    check(nb_diff_read(d, q, NULL, NULL, NULL, &err) == NB_OK && !d->compared &&
              d->error.total == 0 && d->hist.total == 256 * 256,
          "%s", err.msg);
    check(nb_diff_read(d, q, q, NULL, NULL, &err) == NB_OK && !(d->stats.sum_err2 > 0), "%s",
          err.msg);
    near(nb_diff_cosine(d), 1, 1e-6, "cosine with itself");
    check(nb_diff_cosine(d) <= 1, "cosine over 1");
    check(nb_diff_twin(a, q, &why) && !why, "%s", why);
    check(!nb_diff_twin(NULL, q, &why) && strcmp(why, "not there") == 0, "no other file");
    nb_view odd = *q;
    odd.t.shape[0]++;
    check(!nb_diff_twin(a, &odd, &why) && strcmp(why, "another shape") == 0, "%s", why);
    *d = (nb_diff){.ab = 0};
    check(nb_diff_cosine(d) == 1, "two of zeros are alike");
    d->bb = 1;
    check(nb_diff_cosine(d) == 0, "zeros and something are not");
    free(d);
    nb_weights_close(&a);
    nb_weights_close(&b);
}

/* --- the command -------------------------------------------------------------------------------
 */

static child run(const char *const *args)
{
    child_how how = {.program = NULL};
    for (int i = 0; i < CHILD_ARGS && args[i]; i++)
        how.args[i] = args[i];
    return child_run(&how);
}
#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})

static const char demo[] = NB_TEST_ROOT "/tests/data/nibble-demo";

static const nb_jval *named(const nb_json *doc, const char *list, const char *name)
{
    const char *s;
    for (const nb_jval *v = nb_jfirst(nb_jget(nb_json_root(doc), list)); v; v = nb_jnext(v))
        if (nb_jstr(nb_jget(v, "name"), &s) && strcmp(s, name) == 0)
            return v;
    return NULL;
}

/* What `show --diff` says of a tensor is what `inspect --against` says. */
CHECK_TEST(diff, show_says_what_inspect_says)
{
    const char *q2 = eval_file("Q2_K"), *name = "blk.1.ffn_down.weight";
    child c = RUN("show", demo, "--diff", q2, "--json"),
          one = RUN("inspect", q2, name, "--against", demo, "--json");
    nb_json *doc = child_json(&c), *alone = child_json(&one);
    const nb_jval *t = named(doc, "tensors", name);
    static const char *const keys[] = {"rel_rmse", "cosine"};
    for (size_t i = 0; i < countof(keys); i++) {
        double x = -1, y = -2;
        check(nb_jnum(nb_jget(t, keys[i]), &x) &&
                  nb_jnum(nb_jget(nb_json_root(alone), keys[i]), &y) && x == y,
              "%s: %g, %g", keys[i], x, y);
    }
    check(nb_jlen(nb_jget(nb_json_root(doc), "tensors")) == 57, "every tensor");
    check(nb_jlen(nb_jget(nb_json_root(doc), "keys")) >= 2, "keys the quantizer adds differ");
    nb_json_close(&doc);
    nb_json_close(&alone);
    child_free(&c);
    child_free(&one);
}

CHECK_TEST(diff, tensors_that_one_file_lacks_are_told)
{
    const char *few = test_path(test_tmpdir(), "pruned.gguf");
    child made = RUN("quantize", demo, "-t", "Q8_0", "-o", few, "--prune-layers", "5", "--force");
    check(made.code == 0, "%s", made.err);
    child c = RUN("show", demo, "--diff", few), json = RUN("show", few, "--diff", demo, "--json");
    nb_json *doc = child_json(&json);
    check(c.code == 0 && strstr(c.out, "blk.5.attn_q.weight only in") &&
              strstr(c.out, "48 tensors in both"),
          "%s%s", c.out, c.err);
    check(nb_jlen(nb_jget(nb_json_root(doc), "only_b")) == 9 &&
              nb_jlen(nb_jget(nb_json_root(doc), "only_a")) == 0,
          "%s", json.out);
    child none = RUN("show", demo, "--diff", "/no/such.gguf");
    check(none.code == 4 && strstr(none.err, "/no/such.gguf"), "status %d: %s", none.code,
          none.err);
    nb_json_close(&doc);
    child_free(&made);
    child_free(&c);
    child_free(&json);
    child_free(&none);
}

/* --- sensitivity with an importance matrix -----------------------------------------------------
 */

static double kld_of(const child *c)
{
    double kld = -1;
    nb_json *doc = child_json(c);
    nb_jnum(nb_jget(named(doc, "tensors", "blk.0.attn_q.weight"), "kld"), &kld);
    nb_json_close(&doc);
    return kld;
}

/* The type is made with the matrix, results are kept apart from those without, and a type that
 * needs one can be measured. */
CHECK_TEST(sensitivity, takes_an_importance_matrix)
{
    static const char im[] = NB_TEST_ROOT "/tests/data/demo.imatrix.gguf";
#define SENSE(type, ...)                                                                           \
    RUN("sensitivity", demo, "-t", type, "-c", "64", "--chunks", "1", "--tensor",                  \
        "blk.0.attn_q.weight", "--json", __VA_ARGS__)
    child plain = SENSE("q2_K", NULL), with = SENSE("q2_K", "--imatrix", im),
          again = SENSE("q2_K", NULL), with_again = SENSE("q2_K", "--imatrix", im);
    double a = kld_of(&plain), b = kld_of(&with);
    check(a > 0 && b > 0 && a != b, "%g without, %g with", a, b);
    check(kld_of(&again) == a && kld_of(&with_again) == b, "the store mixes them");
    check(strstr(again.out, "\"measured\":0") && strstr(with_again.out, "\"measured\":0") &&
              strstr(with_again.out, "demo.imatrix.gguf"),
          "%s", with_again.out);
    child refused = SENSE("iq2_xxs", NULL), made = SENSE("iq2_xxs", "--imatrix", im),
          none = SENSE("q2_K", "--imatrix", "/no/such.gguf");
    check(refused.code != 0 && strstr(refused.err, "--imatrix FILE"), "%s", refused.err);
    check(kld_of(&made) > 0, "%s", made.err);
    check(none.code != 0 && strstr(none.err, "/no/such.gguf"), "%s", none.err);
    child *all[] = {&plain, &with, &again, &with_again, &refused, &made, &none};
    for (size_t i = 0; i < countof(all); i++)
        child_free(all[i]);
}

CHECK_TEST(sensitivity, prints_a_map_of_kinds_and_layers)
{
    child c = RUN("sensitivity", demo, "-t", "q2_K", "-c", "64", "--chunks", "1", "--tensor",
                  "blk.?.attn_q.weight");
    check(c.code == 0 && strstr(c.out, " ffn_down      ??????") &&
              strstr(c.out, " output        ?") && strstr(c.out, "? not measured"),
          "%s%s", c.out, c.err);
    const char *row = strstr(c.out, "\n attn_q ");
    check(row && !memchr(row, '?', strcspn(row + 1, "\n")), "%s", c.out);
    child_free(&c);
}
