#include "tests/check.h"
#include "tests/jinja.h"
#include "tests/util.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- published templates --------------------------------------------------------------------- */

static void render_case(const char *name, const char *text, size_t len, const nb_jval *doc,
                        const nb_jval *one)
{
    static const char *const from_doc[] = {"bos_token", "eos_token"};
    static const nb_jinja_clock now = {2026, 1, 31, 12, 0, 0};
    const char *want = NULL, *refuses = NULL, *s;
    nb_jinja *t = NULL;
    nb_jinja_input *in = NULL;
    nb_jinja_text out;
    nb_err err = {0};
    nb_jstr(nb_jget(one, "rendered"), &want);
    nb_jstr(nb_jget(one, "error"), &refuses);
    check(want || refuses, "%s: nothing expected", name);
    check(nb_jinja_open(&t, text, len, "chat template", NULL, &err) == NB_OK, "%s: %s", name,
          err.msg);
    check(nb_jinja_input_open(&in, &err) == NB_OK, "%s", err.msg);
    for (size_t i = 0; i < countof(from_doc); i++)
        if (nb_jstr(nb_jget(doc, from_doc[i]), &s))
            nb_jinja_put_str(in, from_doc[i], s, strlen(s), NB_JINJA_TEMPLATE);
    for (const nb_jval *c = nb_jfirst(one); c; c = nb_jnext(c))
        if (strcmp(nb_jkey(c), "rendered") != 0 && strcmp(nb_jkey(c), "error") != 0)
            jinja_put(in, nb_jkey(c), c, NB_JINJA_USER);
    nb_status st = nb_jinja_render(t, in, &now, &out, &err);
    if (want) {
        check(st == NB_OK, "%s/%s: %s", name, nb_jkey(one), err.msg);
        check(strlen(want) == out.len && memcmp(want, out.at, out.len) == 0,
              "%s/%s:\n--- expected\n%s\n--- rendered\n%s", name, nb_jkey(one), want, out.at);
    } else {
        size_t n = strlen(refuses), has = strlen(err.msg); /* ours says the line before it */
        check(st == NB_REFUSED
                  ? strcmp(err.msg, refuses) == 0
                  : st == NB_FORMAT && has > n && strcmp(err.msg + has - n, refuses) == 0,
              "%s/%s: %s", name, nb_jkey(one), err.msg);
    }
    nb_jinja_text_free(&out);
    nb_jinja_input_close(&in);
    nb_jinja_close(&t);
}

/* Every X.jinja in the folder with the cases of its X.json; returns their number. */
static size_t render_folder(const char *folder)
{
    size_t cases = 0;
    DIR *d = opendir(folder);
    check(d, "%s", folder);
    for (struct dirent *e; (e = readdir(d));) {
        const char *dot = strrchr(e->d_name, '.');
        char path[512];
        size_t len, n;
        nb_json *doc = NULL;
        nb_err err;
        if (!dot || strcmp(dot, ".jinja") != 0)
            continue;
        int stem = (int)(dot - e->d_name);
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        char *text = test_slurp(path, &len);
        snprintf(path, sizeof path, "%s/%.*s.json", folder, stem, e->d_name);
        char *json = test_slurp(path, &n);
        check(text && json, "%s", path);
        check(nb_json_parse(&doc, json, n, n, path, &err) == NB_OK, "%s", err.msg);
        const nb_jval *root = nb_json_root(doc);
        for (const nb_jval *c = nb_jfirst(nb_jget(root, "cases")); c; c = nb_jnext(c), cases++)
            render_case(e->d_name, text, len, root, c);
        nb_json_close(&doc);
        free(text);
        free(json);
    }
    closedir(d);
    return cases;
}

/* A6: good templates render byte-equal. */
CHECK_TEST(jinja, published_templates_render_as_jinja2_does_A6)
{
    const char *folder = test_shared("templates");
    if (!folder)
        check_skip("no ../shared/templates");
    size_t cases = render_folder(folder);
    check(cases >= 60, "%zu cases", cases);
}

/* Every byte of a message is a user's in what any of them renders, "<|im_start|>" or not. */
static void check_owner(const char *name, const char *text, size_t len)
{
    static const char said
        [] = "\xe2\x96\x88<|im_start|>\xe2\x96\x88",
    vars[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"\xe2\x96\x88<|im_start|>\xe2\x96\x88\"}],"
        "\"add_generation_prompt\":true,\"bos_token\":\"<s>\",\"eos_token\":\"</s>\"}";
    nb_json *doc = NULL;
    nb_jinja_text out;
    nb_err err;
    size_t from = 0, n = sizeof said - 1;
    check(nb_json_parse(&doc, vars, sizeof vars - 1, 4096, "vars", &err) == NB_OK, "%s", err.msg);
    check(jinja_render(text, len, nb_json_root(doc), &out, &err) == NB_OK, "%s: %s", name, err.msg);
    const char *at = memmem(out.at, out.len, said, n);
    check(at, "%s does not tell the message", name);
    for (size_t i = 0; i < out.n_run; from = out.run[i++].end) {
        const char *run = out.at + from;
        bool user = out.run[i].owner == NB_JINJA_USER;
        bool marked = memmem(run, out.run[i].end - from, said, 3) != NULL;
        check(!marked || user, "%s: a template's run holds the message", name);
        check(!user || (run >= at && out.at + out.run[i].end <= at + n) || !marked,
              "%s: a user's run goes past the message", name);
    }
    nb_jinja_text_free(&out);
    nb_json_close(&doc);
}

CHECK_TEST(jinja, a_message_stays_a_users_in_published_templates_A6)
{
    const char *folder = test_shared("templates");
    size_t seen = 0;
    if (!folder)
        check_skip("no ../shared/templates");
    DIR *d = opendir(folder);
    check(d, "%s", folder);
    for (struct dirent *e; (e = readdir(d));) {
        char path[512];
        size_t len, name = strlen(e->d_name);
        if (name < 6 || strcmp(e->d_name + name - 6, ".jinja") != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        char *text = test_slurp(path, &len);
        check(text, "%s", path);
        check_owner(e->d_name, text, len);
        free(text);
        seen++;
    }
    closedir(d);
    check(seen >= 10, "%zu templates", seen);
}

/* --- expressions, against what Jinja2 made of them (tests/reference/jinja.py) ------------------
 */

static void check_expression(const nb_jval *variables, const char *expr, const char *want,
                             size_t *wrong)
{
    nb_str text = {0};
    nb_jinja_text out;
    nb_err err = {0};
    nb_str_add(&text, "{{ ");
    nb_str_add(&text, expr);
    nb_str_add(&text, " }}");
    nb_status st = jinja_render(nb_str_c(&text), text.len, variables, &out, &err);
    if (want && st != NB_OK)
        fprintf(stderr, "%s: %s\n", expr, err.msg);
    else if (want && (strlen(want) != out.len || memcmp(want, out.at, out.len) != 0))
        fprintf(stderr, "%s: expected %s, rendered %s\n", expr, want, out.at);
    else if (!want && st == NB_OK)
        fprintf(stderr, "%s: Jinja2 refuses it, rendered %s\n", expr, out.at);
    else
        (*wrong)--;
    (*wrong)++;
    nb_jinja_text_free(&out);
    nb_str_free(&text);
}

static void check_expressions(const char *file, size_t least)
{
    size_t n, rows = 0, wrong = 0;
    nb_json *doc = NULL;
    nb_err err;
    char *json = test_slurp(test_data(file), &n);
    check(json, "no %s", file);
    check(nb_json_parse(&doc, json, n, n, file, &err) == NB_OK, "%s", err.msg);
    const nb_jval *root = nb_json_root(doc), *variables = nb_jget(root, "variables");
    for (const nb_jval *r = nb_jfirst(nb_jget(root, "rows")); r; r = nb_jnext(r), rows++) {
        const char *expr = NULL, *want = NULL;
        nb_jstr(nb_jfirst(r), &expr);
        nb_jstr(nb_jnext(nb_jfirst(r)), &want);
        check(expr, "row %zu", rows);
        check_expression(variables, expr, want, &wrong);
    }
    check(rows > least && wrong == 0, "%zu of %zu are wrong", wrong, rows);
    nb_json_close(&doc);
    free(json);
}

CHECK_TEST(jinja, expressions_have_the_values_of_jinja2)
{
    check_expressions("jinja/expressions.json", 1500);
}

CHECK_TEST(jinja, rare_expressions_have_the_values_of_jinja2)
{
    check_expressions("jinja/rare.json", 400);
}

/* --- our own templates, one per group of features ----------------------------------------------
 */

CHECK_TEST(jinja, features_render_as_jinja2_does)
{
    size_t cases = render_folder(test_data("jinja"));
    check(cases >= 12, "%zu cases", cases);
}
