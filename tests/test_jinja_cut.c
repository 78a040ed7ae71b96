/* Compiling and rendering end cleanly wherever the text or a limit does: the templates and
 * expressions of tests/data/jinja, cut or spoilt at every byte, and each with too few steps, too
 * little memory and too little room for its text by turns, so that every call that can fail is once
 * the one that does (reliability A6, A35). */
#include "tests/check.h"
#include "tests/jinja.h"
#include "tests/util.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEED = 35, STEPS = 600, MEMORY = 1 << 14, TAKES = 60, OUTPUT = 1 << 12, SHARE = 40 };

typedef struct shelf {
    nb_json *doc;
    nb_jinja_input *in;
    const nb_jval *rows;
} shelf;

static shelf open_shelf(const char *file)
{
    shelf s = {0};
    size_t n;
    nb_err err;
    char *json = test_slurp(test_data(file), &n);
    check(json, "no %s", file);
    check(nb_json_parse(&s.doc, json, n, n, file, &err) == NB_OK, "%s", err.msg);
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
static nb_status render(const nb_jinja_input *in, const char *text, const nb_jinja_limits *limits,
                        nb_jinja_text *out)
{
    static const nb_jinja_clock now = {2026, 1, 31, 12, 0, 0};
    nb_jinja *t = NULL;
    nb_err err = {.status = NB_OK};
    *out = (nb_jinja_text){0};
    nb_status st = nb_jinja_open(&t, text, strlen(text), "cut", limits, &err);
    if (st == NB_OK)
        st = nb_jinja_render(t, in, &now, out, &err);
    nb_jinja_close(&t);
    check(st == NB_OK || (err.status == st && err.msg[0] && !out->at), "%s: %d without words", text,
          st);
    return st;
}

/* What a limit lets through is what there is without it; what it stops is a clean NB_FORMAT. False:
 * it let it through. */
static bool stops(const nb_jinja_input *in, const char *text, const nb_jinja_limits *limits,
                  const nb_jinja_text *whole, int *stopped)
{
    nb_jinja_text out;
    nb_status st = render(in, text, limits, &out);
    check(st == NB_OK || st == NB_FORMAT, "%s: status %d", text, st);
    check(st != NB_OK ||
              (out.len == whole->len && (!out.len || memcmp(out.at, whole->at, out.len) == 0)),
          "%s: another text under a limit", text);
    *stopped += st != NB_OK;
    nb_jinja_text_free(&out);
    return st != NB_OK;
}

/* About what the template takes when nothing is to spare: most of it is the stack, so that only a
 * little less lets a rendering begin that cannot end. */
static size_t least_memory(const nb_jinja_input *in, const char *text,
                           const nb_jinja_limits *limits)
{
    nb_jinja_limits l = *limits;
    size_t low = 0, high = nb_jinja_default_limits().memory;
    while (high - low > 16) {
        nb_jinja_text out;
        l.memory = low + (high - low) / 2;
        if (render(in, text, &l, &out) == NB_OK)
            high = l.memory;
        else
            low = l.memory;
        nb_jinja_text_free(&out);
    }
    return high;
}

/* Every few steps and bytes, of long texts fewer; memory as much denser as a template is larger
 * than what it gives. */
static void cut_one(const nb_jinja_input *in, const char *text, uint32_t stride, test_rng *rng,
                    int *stopped)
{
    nb_jinja_limits limits = nb_jinja_default_limits(), most = limits;
    nb_jinja_text whole;
    if (render(in, text, NULL, &whole) != NB_OK)
        return;
    limits.cpu_ms = 10000;
    limits.steps = 1;
    while (limits.steps < STEPS * stride && stops(in, text, &limits, &whole, stopped))
        limits.steps += 1 + test_below(rng, 3 * stride);
    limits.steps = most.steps;
    limits.memory = 64;
    while (limits.memory < MEMORY * stride && stops(in, text, &limits, &whole, stopped))
        limits.memory += 16 * (1 + test_below(rng, 4 * stride));
    limits.memory = least_memory(in, text, &limits);
    for (uint32_t i = 0; i < TAKES * stride / TEST_THIN && limits.memory > MEMORY; i++) {
        limits.memory -= 16 * (1 + test_below(rng, 4));
        stops(in, text, &limits, &whole, stopped);
    }
    limits.memory = most.memory;
    limits.output = 0;
    while (limits.output < OUTPUT * stride && stops(in, text, &limits, &whole, stopped))
        limits.output += 1 + test_below(rng, stride) + whole.len * TEST_THIN / 400;
    nb_jinja_text_free(&whole);
}

static const char *printed(char out[1024], const char *expr)
{
    int n = snprintf(out, 1024, "{{ %s }}", expr);
    check(n > 0 && n < 1024, "%s is too long", expr);
    return out;
}

/* The first ones are by hand, of each kind one or two; of the others a share. */
CHECK_TEST(jinja_cut, any_limit_ends_any_expression_cleanly_A35)
{
    shelf s = open_shelf("jinja/expressions.json");
    test_rng rng = test_rng_make(SEED);
    int stopped = 0, n = 0, share = getenv("NB_TEST_LONG") ? 1 : SHARE;
    for (const nb_jval *r = nb_jfirst(s.rows); r; r = nb_jnext(r), n++) {
        const char *expr = NULL;
        char text[1024];
        nb_jstr(nb_jfirst(r), &expr);
        check(expr, "row %d", n);
        if ((n < 900 && n % TEST_THIN == 0) || n % share == 0)
            cut_one(s.in, printed(text, expr), 1, &rng, &stopped);
    }
    check(stopped > 10 * n, "%d times stopped in %d expressions", stopped, n);
    close_shelf(&s);
}

/* With every lack of steps, and of memory by what the arena gives out at a time: down to `floor`,
 * which a template that does nothing takes. */
static void cut_densely(const nb_jinja_input *in, const char *text, size_t floor, int *stopped)
{
    nb_jinja_limits limits = nb_jinja_default_limits(), most = limits;
    nb_jinja_text whole;
    if (render(in, text, NULL, &whole) != NB_OK)
        return;
    limits.cpu_ms = 10000;
    limits.steps = 1;
    while (stops(in, text, &limits, &whole, stopped))
        limits.steps += TEST_THIN;
    limits.steps = most.steps;
    limits.memory = least_memory(in, text, &limits);
    for (; limits.memory > floor; limits.memory -= 16 * TEST_THIN)
        stops(in, text, &limits, &whole, stopped);
    nb_jinja_text_free(&whole);
}

CHECK_TEST(jinja_cut, any_lack_ends_rare_expressions_cleanly_A35)
{
    shelf s = open_shelf("jinja/rare.json");
    nb_jinja_limits limits = nb_jinja_default_limits();
    size_t floor = least_memory(s.in, "{{ 1 }}", &limits);
    int stopped = 0, n = 0;
    for (const nb_jval *r = nb_jfirst(s.rows); r; r = nb_jnext(r), n++) {
        const char *expr = NULL;
        char text[1024];
        nb_jstr(nb_jfirst(r), &expr);
        check(expr, "row %d", n);
        cut_densely(s.in, printed(text, expr), floor, &stopped);
    }
    check(stopped > 10 * n, "%d times stopped in %d expressions", stopped, n);
    close_shelf(&s);
}

/* --- templates ---------------------------------------------------------------------------------
 */

/* fn for every X.jinja of tests/data/jinja with the root of its X.json; returns their number. */
static int each_template(void (*fn)(void *arg, const char *text, const nb_jval *root), void *arg)
{
    const char *folder = test_data("jinja");
    int count = 0;
    DIR *d = opendir(folder);
    check(d, "%s", folder);
    for (struct dirent *e; (e = readdir(d));) {
        const char *dot = strrchr(e->d_name, '.');
        char path[600];
        size_t n;
        nb_json *doc = NULL;
        nb_err err;
        if (!dot || strcmp(dot, ".jinja") != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        char *text = test_slurp(path, &n);
        snprintf(path, sizeof path, "%s/%.*s.json", folder, (int)(dot - e->d_name), e->d_name);
        check(text && nb_json_load(&doc, path, 1 << 20, &err) == NB_OK, "%s", path);
        fn(arg, text, nb_json_root(doc));
        nb_json_close(&doc);
        free(text);
        count++;
    }
    closedir(d);
    return count;
}

typedef struct cutting {
    test_rng rng;
    int stopped;
} cutting;

static void cut_cases(void *arg, const char *text, const nb_jval *root)
{
    cutting *c = arg;
    for (const nb_jval *one = nb_jfirst(nb_jget(root, "cases")); one; one = nb_jnext(one)) {
        nb_jinja_input *in = NULL;
        nb_err err;
        check(nb_jinja_input_open(&in, &err) == NB_OK, "%s", err.msg);
        for (const nb_jval *v = nb_jfirst(one); v; v = nb_jnext(v))
            jinja_put(in, nb_jkey(v), v, NB_JINJA_USER);
        cut_one(in, text, 2 * TEST_THIN, &c->rng, &c->stopped);
        nb_jinja_input_close(&in);
    }
}

CHECK_TEST(jinja_cut, any_limit_ends_any_template_cleanly_A35)
{
    cutting c = {.rng = test_rng_make(SEED)};
    int n = each_template(cut_cases, &c);
    check(n >= 10 && c.stopped > 100 * n, "%d times stopped in %d templates", c.stopped, n);
}

/* --- texts that end or err anywhere ------------------------------------------------------------
 */

static void must_compile_or_tell(const char *text, size_t n)
{
    nb_jinja *t = NULL;
    nb_err err = {.status = NB_OK};
    nb_status st = nb_jinja_open(&t, text, n, "cut", NULL, &err);
    check((st == NB_OK) == (t != NULL), "%.*s: status %d", (int)n, text, st);
    check(st == NB_OK || ((st == NB_FORMAT || st == NB_UNSUPPORTED) && err.status == st &&
                          strncmp(err.msg, "cut line ", 9) == 0),
          "%.*s: %d, %s", (int)n, text, st, err.msg);
    nb_jinja_close(&t);
}

/* Ends behind every byte; has every byte left out, and replaced by what no token begins with and by
 * what ends a name. */
static void spoil(const char *text)
{
    size_t n = strlen(text);
    char *bad = malloc(n + 1);
    check(bad, "memory");
    for (size_t i = 0; i < n; i++) {
        must_compile_or_tell(text, i);
        memcpy(bad, text, n + 1);
        bad[i] = '?';
        must_compile_or_tell(bad, n);
        bad[i] = ' ';
        must_compile_or_tell(bad, n);
        memmove(bad + i, text + i + 1, n - i);
        must_compile_or_tell(bad, n - 1);
    }
    free(bad);
}

static void spoil_text(void *arg, const char *text, const nb_jval *root)
{
    (void)arg;
    (void)root;
    spoil(text);
}

CHECK_TEST(jinja_cut, a_text_that_ends_or_errs_anywhere_compiles_or_names_its_line_A35)
{
    check(each_template(spoil_text, NULL) >= 10, "templates");
    shelf s = open_shelf("jinja/expressions.json");
    int n = 0;
    for (const nb_jval *r = nb_jfirst(s.rows); r; r = nb_jnext(r), n++) {
        const char *expr = NULL;
        char text[1024];
        nb_jstr(nb_jfirst(r), &expr);
        check(expr, "row %d", n);
        if (n % (8 * TEST_THIN) == 0)
            spoil(printed(text, expr));
    }
    close_shelf(&s);
}
