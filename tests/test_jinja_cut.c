/* Rendering ends cleanly wherever a limit is met: the expressions of tests/data/jinja, each with
 * too few steps and too little memory by turns, so that every call a filter makes is once the one
 * that fails (reliability A6, A35). */
#include "tests/check.h"
#include "tests/jinja.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEED = 35, STEPS = 600, MEMORY = 1 << 15, SHARE = 40 };

typedef struct shelf {
    nb_json *doc;
    nb_jinja_input *in;
    const nb_jval *rows;
} shelf;

static shelf open_shelf(void)
{
    shelf s = {0};
    size_t n;
    nb_err err;
    char *json = test_slurp(test_data("jinja/expressions.json"), &n);
    check(json, "no expressions.json");
    check(nb_json_parse(&s.doc, json, n, n, "expressions.json", &err) == NB_OK, "%s", err.msg);
    free(json);
    check(nb_jinja_input_open(&s.in, &err) == NB_OK, "%s", err.msg);
    const nb_jval *root = nb_json_root(s.doc);
    for (const nb_jval *v = nb_jfirst(nb_jget(root, "variables")); v; v = nb_jnext(v))
        jinja_put(s.in, nb_jkey(v), v, NB_JINJA_USER);
    s.rows = nb_jget(root, "rows");
    return s;
}

static void close_shelf(shelf *s)
{
    nb_jinja_input_close(&s->in);
    nb_json_close(&s->doc);
}

/* The template's status under these limits; *out is empty unless it is NB_OK. */
static nb_status render(const shelf *s, const char *expr, const nb_jinja_limits *limits,
                        nb_jinja_text *out)
{
    static const nb_jinja_clock now = {2026, 1, 31, 12, 0, 0};
    char text[1024];
    nb_jinja *t = NULL;
    nb_err err = {.status = NB_OK};
    *out = (nb_jinja_text){0};
    int n = snprintf(text, sizeof text, "{{ %s }}", expr);
    check(n > 0 && (size_t)n < sizeof text, "%s is too long", expr);
    nb_status st = nb_jinja_open(&t, text, (size_t)n, "cut", limits, &err);
    if (st == NB_OK)
        st = nb_jinja_render(t, s->in, &now, out, &err);
    nb_jinja_close(&t);
    check(st == NB_OK || (err.status == st && err.msg[0] && !out->at), "%s: %d without words", expr,
          st);
    return st;
}

/* What a limit lets through is what there is without it; what it stops is a clean NB_FORMAT. */
static void under(const shelf *s, const char *expr, const nb_jinja_limits *limits,
                  const nb_jinja_text *whole, int *stopped)
{
    nb_jinja_text out;
    nb_status st = render(s, expr, limits, &out);
    check(st == NB_OK || st == NB_FORMAT, "%s: status %d", expr, st);
    check(st != NB_OK ||
              (out.len == whole->len && (!out.len || memcmp(out.at, whole->at, out.len) == 0)),
          "%s: another text under a limit", expr);
    *stopped += st != NB_OK;
    nb_jinja_text_free(&out);
}

/* Every few steps; memory as much denser as a template is larger than what it gives. */
static void cut_one(const shelf *s, const char *expr, test_rng *rng, int *stopped)
{
    nb_jinja_limits limits = nb_jinja_default_limits();
    nb_jinja_text whole;
    if (render(s, expr, NULL, &whole) != NB_OK)
        return;
    limits.cpu_ms = 10000;
    for (uint64_t steps = 1; steps < STEPS; steps += 1 + test_below(rng, 3)) {
        int before = *stopped;
        limits.steps = steps;
        under(s, expr, &limits, &whole, stopped);
        if (*stopped == before)
            break;
    }
    limits.steps = nb_jinja_default_limits().steps;
    for (size_t memory = 64; memory < MEMORY; memory += 16 * (1 + test_below(rng, 4))) {
        int before = *stopped;
        limits.memory = memory;
        under(s, expr, &limits, &whole, stopped);
        if (*stopped == before)
            break;
    }
    nb_jinja_text_free(&whole);
}

/* The first ones are by hand, of each kind one or two; of the others a share. */
CHECK_TEST(jinja_cut, any_limit_ends_any_expression_cleanly_A35)
{
    shelf s = open_shelf();
    test_rng rng = test_rng_make(SEED);
    int stopped = 0, n = 0, share = getenv("NB_TEST_LONG") ? 1 : SHARE;
    for (const nb_jval *r = nb_jfirst(s.rows); r; r = nb_jnext(r), n++) {
        const char *expr = NULL;
        nb_jstr(nb_jfirst(r), &expr);
        check(expr, "row %d", n);
        if ((n < 900 && n % TEST_THIN == 0) || n % share == 0)
            cut_one(&s, expr, &rng, &stopped);
    }
    check(stopped > 10 * n, "%d times stopped in %d expressions", stopped, n);
    close_shelf(&s);
}
