/* Templates that call what there is with arguments of every kind: a value or a sentence, never
 * another kind's bytes (A6, A35); and days of the calendar. */
#include "tests/check.h"
#include "tests/jinja.h"
#include "tests/util.h"

#include <stdio.h>
#include <string.h>

static const char *const kinds[] = {
    "nothing", "none", "true",   "-1",       "3",        "2.5",  "'ab'",        "''",
    "[1]",     "[]",   "(1, 2)", "{'a': 1}", "range(3)", "dict", "cycler('a')", "namespace(a=1)"};
static const char *const filters[] = {
    "abs",     "attr",      "batch",       "capitalize", "center",
    "count",   "default",   "dictsort",    "e",          "filesizeformat",
    "first",   "float",     "forceescape", "format",     "groupby",
    "indent",  "int",       "items",       "join",       "last",
    "length",  "list",      "lower",       "map",        "max",
    "min",     "pprint",    "reject",      "rejectattr", "replace",
    "reverse", "round",     "safe",        "select",     "selectattr",
    "slice",   "sort",      "string",      "striptags",  "sum",
    "title",   "tojson",    "trim",        "truncate",   "unique",
    "upper",   "urlencode", "wordcount",   "wordwrap",   "xmlattr"};
static const char *const methods[] = {
    "capitalize", "count",   "endswith",     "find",         "format",     "get",    "index",
    "isdigit",    "isspace", "items",        "join",         "keys",       "lower",  "lstrip",
    "partition",  "pop",     "removeprefix", "removesuffix", "replace",    "rfind",  "rpartition",
    "rsplit",     "rstrip",  "split",        "splitlines",   "startswith", "strip",  "title",
    "update",     "upper",   "values",       "append",       "insert",     "extend", "next"};
static const char *const tests[] = {
    "boolean", "callable", "divisibleby", "defined", "eq",        "even",     "filter",
    "float",   "ge",       "gt",          "in",      "integer",   "iterable", "le",
    "lower",   "lt",       "mapping",     "ne",      "none",      "number",   "odd",
    "sameas",  "sequence", "string",      "test",    "undefined", "upper"};

static void must_end(const char *text, size_t *ok)
{
    nb_jinja_text out;
    nb_err err = {.status = NB_OK};
    nb_status st = jinja_render(text, strlen(text), NULL, &out, &err);
    check(st == NB_OK || ((st == NB_FORMAT || st == NB_UNSUPPORTED) && err.status == st &&
                          strstr(err.msg, "line 1: ") && !out.at),
          "%s: %d, %s", text, st, err.msg);
    *ok += st == NB_OK;
    nb_jinja_text_free(&out);
}

/* Behind a self of each kind: by, name; without arguments, with one, with two. */
static void each_kind(const char *by, const char *name, size_t *ok)
{
    char text[200];
    for (size_t i = 0; i < countof(kinds); i++) {
        snprintf(text, sizeof text, "{{ (%s)%s%s%s }}", kinds[i], by, name, *by == '.' ? "()" : "");
        must_end(text, ok);
        for (size_t k = 0; k < countof(kinds); k++) {
            snprintf(text, sizeof text, "{{ (%s)%s%s(%s) }}", kinds[i], by, name, kinds[k]);
            must_end(text, ok);
            snprintf(text, sizeof text, "{{ (%s)%s%s(%s, %s) }}", kinds[i], by, name,
                     kinds[(i + k) % countof(kinds)], kinds[k]);
            must_end(text, ok);
        }
    }
}

CHECK_TEST(jinja_kinds, filters_methods_and_tests_take_any_kind_or_say_why_not_A35)
{
    size_t ok = 0;
    for (size_t i = 0; i < countof(filters); i++)
        if (i % TEST_THIN == 0)
            each_kind("|", filters[i], &ok);
    for (size_t i = 0; i < countof(methods); i++)
        if (i % TEST_THIN == 0)
            each_kind(".", methods[i], &ok);
    for (size_t i = 0; i < countof(tests); i++)
        if (i % TEST_THIN == 0)
            each_kind(" is ", tests[i], &ok);
    check(ok > 1000 / TEST_THIN, "%zu render", ok);
}

CHECK_TEST(jinja_kinds, operators_take_any_two_kinds_or_say_why_not_A35)
{
    static const char *const ops[] = {"+", "-",  "*", "/",  "//", "%",   "**",
                                      "~", "==", "<", ">=", "in", "and", "not in"};
    size_t ok = 0;
    char text[200];
    for (size_t o = 0; o < countof(ops); o++)
        for (size_t i = 0; i < countof(kinds); i++)
            for (size_t k = 0; k < countof(kinds); k++) {
                snprintf(text, sizeof text, "{{ %s %s %s }}", kinds[i], ops[o], kinds[k]);
                must_end(text, &ok);
                snprintf(text, sizeof text, "{{ (%s)[%s:%s:2] }}{{ (%s)[%s] }}", kinds[i], kinds[k],
                         kinds[(i + o) % countof(kinds)], kinds[i], kinds[k]);
                must_end(text, &ok);
            }
    check(ok > 1000 / TEST_THIN, "%zu render", ok);
}

CHECK_TEST(jinja_kinds, days_of_the_calendar_are_pythons)
{
    static const struct {
        nb_jinja_clock now;
        const char *want;
    } rows[] = {{{2024, 2, 29, 0, 5, 9}, "060|12|AM|4|4|Thu"},
                {{2000, 12, 31, 23, 59, 59}, "366|11|PM|7|0|Sun"},
                {{1900, 3, 1, 12, 0, 0}, "060|12|PM|4|4|Thu"},
                {{2023, 12, 31, 1, 0, 0}, "365|01|AM|7|0|Sun"}};
    static const char text[] = "{{ strftime_now('%j|%I|%p|%u|%w|%a') }}";
    for (size_t i = 0; i < countof(rows); i++) {
        nb_jinja *t = NULL;
        nb_jinja_text out;
        nb_err err = {0};
        check(nb_jinja_open(&t, text, sizeof text - 1, "x", NULL, &err) == NB_OK, "%s", err.msg);
        check(nb_jinja_render(t, NULL, &rows[i].now, &out, &err) == NB_OK, "%s", err.msg);
        check(strcmp(out.at, rows[i].want) == 0, "%s, expected %s", out.at, rows[i].want);
        nb_jinja_text_free(&out);
        nb_jinja_close(&t);
    }
}

CHECK_TEST(jinja_kinds, objects_print_their_kind_and_name)
{
    static const char *const rows[][2] = {
        {"{{ namespace(a=1) }}", "<Namespace {'a': 1}>"},
        {"{% macro m() %}{% endmacro %}{{ m }}", "<Macro 'm'>"},
        {"{{ ''.isdigit() }}{{ '12'.isdigit() }}{{ '1a'.isdigit() }}{{ '/'.isdigit() }}",
         "FalseTrueFalseFalse"},
        {"{{ ''.isspace() }}{{ ' '.isspace() }}{{ ' a'.isspace() }}", "FalseTrueFalse"},
        {"{{ [1] * -1 }}{{ true * 'ab' }}{{ 'ab' * false }}", "[]ab"}};
    for (size_t i = 0; i < countof(rows); i++) {
        nb_jinja_text out;
        nb_err err = {0};
        check(jinja_render(rows[i][0], strlen(rows[i][0]), NULL, &out, &err) == NB_OK, "%s: %s",
              rows[i][0], err.msg);
        check(strcmp(out.at, rows[i][1]) == 0, "%s: %s", rows[i][0], out.at);
        nb_jinja_text_free(&out);
    }
}
