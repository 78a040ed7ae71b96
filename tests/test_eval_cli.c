/* eval, compare and sensitivity from outside: figures in text and JSON, what is refused and with
 * which exit code, and that stored results are used only where they are alike. */
#include "tests/check.h"
#include "tests/run_child.h"
#include "tests/util.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/json.h"

static const char demo[] = NB_TEST_ROOT "/tests/data/nibble-demo";
static const char text[] = NB_TEST_ROOT "/tests/data/eval.txt";

static child run(const char *const *args)
{
    child_how how = {0};
    for (int i = 0; i < CHILD_ARGS && args[i]; i++)
        how.args[i] = args[i];
    return child_run(&how);
}
#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})

static const char *demo_file(const char *preset)
{
    char name[64];
    snprintf(name, sizeof name, "eval-%s.gguf", preset);
    const char *path = test_path(test_tmpdir(), name);
    if (!nb_exists(path)) {
        child c = RUN("quantize", demo, "-t", preset, "-o", path);
        check(c.code == 0, "status %d: %s", c.code, c.err);
        child_free(&c);
    }
    return path;
}

static nb_json *json_of(const child *c)
{
    nb_json *doc = NULL;
    nb_err err = {0};
    check(c->code == 0, "status %d: %s", c->code, c->err);
    check(nb_json_parse(&doc, c->out, c->n_out, 1 << 24, "output", &err) == NB_OK, "%s: %s",
          err.msg, c->out);
    return doc;
}

static double number(const nb_jval *v, const char *what)
{
    double d;
    check(nb_jnum(v, &d), "%s is no number", what);
    return d;
}

static double at(const nb_json *doc, const char *key)
{
    return number(nb_jget(nb_json_root(doc), key), key);
}

static double in(const nb_json *doc, const char *key, const char *member)
{
    return number(nb_jget(nb_jget(nb_json_root(doc), key), member), member);
}

CHECK_TEST(eval_cli, divergence_comes_from_a_model_or_a_base_file)
{
    const char *q4 = demo_file("Q4_K_M"), *base = test_path(test_tmpdir(), "cli.base");
    child beside =
        RUN("eval", q4, "--ref", demo, "-f", text, "-c", "64", "--chunks", "4", "--json");
    child save =
        RUN("eval", demo, "--save-base", base, "-f", text, "-c", "64", "--chunks", "4", "--json");
    child again = RUN("eval", demo, "--save-base", base, "-f", text, "-c", "64");
    child kept = RUN("eval", q4, "--base", base, "--json");
    nb_json *a = json_of(&beside), *b = json_of(&kept), *s = json_of(&save);
    check(fabs(in(a, "kld", "mean") - in(b, "kld", "mean")) < 1e-5, "%g, from the file %g",
          in(a, "kld", "mean"), in(b, "kld", "mean"));
    check(in(a, "kld", "max") >= in(a, "kld", "p99_9") && in(a, "kld", "stderr") > 0, "order");
    check(in(a, "same_top", "lo") < in(a, "same_top", "value") && at(a, "scored") == 4 * 31,
          "interval");
    check(fabs(in(a, "base_ppl", "value") / at(s, "perplexity") - 1) < 1e-6, "perplexity");
    check(again.code == 10 && strstr(again.err, "--force"), "status %d: %s", again.code, again.err);
    nb_json_close(&a);
    nb_json_close(&b);
    nb_json_close(&s);
    child_free(&beside);
    child_free(&save);
    child_free(&again);
    child_free(&kept);
}

CHECK_TEST(eval_cli, text_output_names_protocol_and_reference)
{
    child c = RUN("eval", demo_file("Q4_K_M"), "--ref", demo, "-f", text, "-c", "64", "--chunks",
                  "1", "--protocol", "papers");
    check(c.code == 0 && strstr(c.out, "papers, 1 chunks of 64, 63 positions") &&
              strstr(c.out, "against nibble-demo") && strstr(c.out, "KL divergence, nats") &&
              strstr(c.out, "99.9 %") && strstr(c.out, "95 %:"),
          "status %d: %s%s", c.code, c.out, c.err);
    child_free(&c);
    c = RUN("eval", demo, "-f", text, "-c", "64", "--chunks", "1", "--stride", "8");
    check(c.code == 0 && strstr(c.out, "strided 8") && strstr(c.out, "8 tokens scored"), "%s%s",
          c.out, c.err);
    child_free(&c);
    c = RUN("eval", demo, "-f", text, "--dry-run", "--save-base", "/tmp/none.base");
    check(c.code == 0 && strstr(c.out, "would read") && strstr(c.out, "MB") &&
              !nb_exists("/tmp/none.base"),
          "%s%s", c.out, c.err);
    child_free(&c);
}

CHECK_TEST(eval_cli, what_cannot_be_is_refused)
{
    static const struct {
        const char *args[10];
        int code;
        const char *says;
    } rows[] = {
        {{"eval", demo, "--ref", demo}, 2, "--file is missing"},
        {{"eval", demo, "--ref", demo, "--task", "qa", "-f", text}, 2, "exclude each other"},
        {{"eval", demo, "-f", text, "--protocol", "mine"}, 2, "none of llama, papers"},
        {{"eval", demo, "-f", text, "--protocol", "strided"}, 2, "go together"},
        {{"eval", demo, "--base", text}, 3, "not a base file"},
        {{"eval", demo, "--base", text, "-f", text}, 2, "brings its own text"},
        {{"eval", demo, "-f", text, "--save-base", text, "-c", "64"}, 10, "the text itself"},
        {{"eval", demo, "-f", text, "--save-base", "none.base", "--base-type", "zip"},
         2,
         "neither"},
        {{"eval", demo, "--task", "chess", "-f", text}, 2, "none of hellaswag"},
        {{"eval", demo, "--task", "hellaswag"}, 2, "--file is missing"},
        {{"eval", demo, "--task", "hellaswag", "-f", text}, 3, "line"},
        {{"sensitivity", demo}, 2, "--type is missing"},
        {{"sensitivity", demo, "-t", "q9_Z"}, 2, "no type that can be written"},
        {{"compare", "/no/such.gguf"}, 4, "/no/such.gguf"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        child c = run(rows[i].args);
        check(c.code == rows[i].code && strstr(c.err, rows[i].says), "%zu: status %d: %s", i,
              c.code, c.err);
        check(c.n_out == 0, "%zu: %s", i, c.out);
        child_free(&c);
    }
}

CHECK_TEST(eval_cli, the_demo_needs_no_file_for_its_facts)
{
    child c = RUN("eval", demo, "--task", "qa", "--tasks", "5", "--json");
    nb_json *doc = json_of(&c);
    check(at(doc, "asked") == 5 && at(doc, "in_file") == 71 && at(doc, "right") >= 4 &&
              at(doc, "lo") < at(doc, "hi"),
          "%s", c.out);
    nb_json_close(&doc);
    child_free(&c);
    c = RUN("eval", demo_file("Q2_K"), "--task", "qa", "--tasks", "5");
    check(c.code == 0 && strstr(c.out, "facts kept") && strstr(c.out, "of 5"), "%s%s", c.out,
          c.err);
    child_free(&c);
}

static size_t files_with(const nb_json *doc, const char *key)
{
    size_t n = 0;
    double d;
    for (const nb_jval *v = nb_jfirst(nb_jget(nb_json_root(doc), "files")); v; v = nb_jnext(v))
        n += nb_jnum(nb_jget(v, key), &d);
    return n;
}

CHECK_TEST(eval_cli, compare_measures_what_is_missing_and_no_more)
{
    const char *q4 = demo_file("Q4_K_M"), *q2 = demo_file("Q2_K");
    child first = RUN("compare", q4, q2, "--ref", demo, "-f", text, "-c", "64", "--chunks", "3",
                      "--no-facts", "--json");
    child second = RUN("compare", q4, q2, "--ref", demo, "-f", text, "-c", "64", "--chunks", "3",
                       "--no-facts", "--json");
    child guess = RUN("compare", q4, q2, "--ref", demo, "--no-facts", "--json");
    child other = RUN("compare", q4, q2, "--ref", demo, "-f", text, "-c", "32", "--chunks", "3",
                      "--stored", "--no-facts", "--json");
    nb_json *a = json_of(&first), *b = json_of(&second), *g = json_of(&guess), *o = json_of(&other);
    check(at(a, "measured") == 2 && files_with(a, "kld") == 2 && files_with(a, "ppl") == 3, "%s",
          first.out);
    check(at(b, "measured") == 0 && files_with(b, "kld") == 2, "%s", second.out);
    check(at(g, "measured") == 0 && at(g, "ctx") == 64 && at(g, "chunks") == 3, "%s", guess.out);
    check(files_with(o, "kld") == 0, "another context was taken: %s", other.out);
    nb_json_close(&a);
    nb_json_close(&b);
    nb_json_close(&g);
    nb_json_close(&o);
    child_free(&first);
    child_free(&second);
    child_free(&guess);
    child_free(&other);
    first = RUN("compare", q4, q2, "--ref", demo, "--no-facts");
    check(first.code == 0 && strstr(first.out, "* nothing is smaller") &&
              strstr(first.out, "Q4_K_M.gguf: keep it"),
          "%s%s", first.out, first.err);
    child_free(&first);
}

CHECK_TEST(eval_cli, sensitivity_goes_on_where_it_was)
{
    child part = RUN("sensitivity", demo, "-t", "q3_K", "-f", text, "-c", "64", "--chunks", "1",
                     "--tensor", "blk.0.*", "--json");
    child all =
        RUN("sensitivity", demo, "-t", "q3_K", "-f", text, "-c", "64", "--chunks", "1", "--json");
    child seen = RUN("sensitivity", demo, "-t", "q3_K", "-f", text, "-c", "64", "--chunks", "1");
    nb_json *a = json_of(&part), *b = json_of(&all);
    check(at(a, "measured") == 7 && at(a, "stored") == 0 && at(a, "layers") == 6, "%s", part.out);
    check(at(b, "measured") == 37 && at(b, "stored") == 7 && at(b, "sum") > 0, "%s", all.out);
    check(seen.code == 0 && strstr(seen.out, "one tensor alone is q3_K") &&
              strstr(seen.out, "ffn_down") && strstr(seen.out, "most damage") &&
              strstr(seen.out, "@"),
          "%s%s", seen.out, seen.err);
    nb_json_close(&a);
    nb_json_close(&b);
    child_free(&part);
    child_free(&all);
    child_free(&seen);
}
