/* Templates that ask for what there is not, or in the wrong way: each gives this sentence with its
 * line (A6, A35). */
#include "tests/check.h"
#include "tests/jinja.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* False, and tells: the rendering ended otherwise. */
static bool says(const char *text, size_t n, nb_status status, const char *words)
{
    nb_jinja_text out;
    nb_err err = {0};
    nb_status st = jinja_render(text, n, NULL, &out, &err);
    const char *said = strncmp(err.msg, "test line 1: ", 13) == 0 ? err.msg + 13 : err.msg;
    bool right = st == status && !out.at && strcmp(said, words) == 0;
    if (!right)
        fprintf(stderr, "%.80s: status %d, %s\n", text, st, st == NB_OK ? out.at : err.msg);
    nb_jinja_text_free(&out);
    return right;
}

static const char *const wrong_uses[][2] = {
    /* statements */
    {"{% set a, b = 1 %}", "'int' object is not iterable"},
    {"{% set a, b = [1] %}", "not enough values to unpack (expected 2, got 1)"},
    {"{% set a, b = 'xyz' %}", "too many values to unpack (expected 2, got 3)"},
    {"{% set (a, (b, c)) = [1, [2]] %}", "not enough values to unpack (expected 2, got 1)"},
    {"{% set a = 1 %}{% set a.b = 2 %}", "cannot assign attribute on non-namespace object"},
    {"{% set nope.b = 2 %}", "cannot assign attribute on non-namespace object"},
    {"{% set n = namespace() %}{% set n.a, n.b = [1] %}",
     "not enough values to unpack (expected 2, got 1)"},
    {"{% set true = 1 %}", "cannot assign to a constant"},
    {"{% set none.x = 1 %}", "cannot assign to a constant"},
    {"{% set a, 'b' = 1 %}", "expected a name, found a string"},
    {"{% set (a = 1 %}", "expected ), found \"=\""},
    {"{% for a, b in [[1, 2], 3] %}{% endfor %}", "'int' object is not iterable"},
    {"{% for a, b in [1] if a %}{% endfor %}", "'int' object is not iterable"},
    {"{% for x in 5 %}{% endfor %}", "'int' object is not iterable"},
    {"{% for x in nope.y %}{% endfor %}", "'nope' is undefined"},
    {"{% for x in [1] if nope.y %}{% endfor %}", "'nope' is undefined"},
    {"{% for x in [1] recursive %}{{ loop(1) }}{% endfor %}", "'int' object is not iterable"},
    {"{% for x in [1] recursive %}{{ loop([1], 2) }}{% endfor %}",
     "loop() takes what to go through, and nothing else"},
    {"{% for x in [1] recursive %}{{ loop(other=[1]) }}{% endfor %}",
     "loop() takes what to go through, and nothing else"},
    {"{% for x in [1] recursive %}{{ loop([], iterable=[1]) }}{% endfor %}",
     "loop() takes what to go through, and nothing else"},
    {"{% for x in [1] %}{{ loop.cycle() }}{% endfor %}", "no items for cycling given"},
    {"{% for x in [1] %}{{ loop.nextitem.y }}{% endfor %}", "there is no next item"},
    {"{% for x in [1] %}{{ loop.previtem.y }}{% endfor %}", "there is no previous item"},
    {"{% for x in [1] %}{{ loop.nope.y }}{% endfor %}",
     "'LoopContext object' has no attribute 'nope'"},
    {"{% with a, b = 1 %}{% endwith %}", "'int' object is not iterable"},
    {"{% with a = 1, b %}{% endwith %}", "expected =, found %}"},
    {"{% with a = nope.x %}{% endwith %}", "'nope' is undefined"},
    {"{% filter truncate(1) %}a long text{% endfilter %}", "truncate to 1 characters"},
    {"{% set x | truncate(1) %}a long text{% endset %}", "truncate to 1 characters"},
    {"{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "macro 'm' takes 1 arguments less"},
    {"{% macro m(a) %}{% endmacro %}{{ m(b=2) }}", "macro 'm' takes no keyword argument 'b'"},
    {"{% macro m(a) %}{{ a.x }}{% endmacro %}{{ m() }}", "parameter 'a' was not provided"},
    {"{% macro m(a=nope.x) %}{% endmacro %}{{ m() }}", "'nope' is undefined"},
    {"{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}", "no caller defined"},
    {"{% call 5 %}{% endcall %}", "call needs a call of a macro"},
    {"{% call a.b %}{% endcall %}", "call needs a call of a macro"},
    {"{% call nope() %}{% endcall %}", "'nope' is undefined"},
    {"{% do nope.x %}", "'nope' is undefined"},
    {"{% if nope.x %}{% endif %}", "'nope' is undefined"},
    /* calls */
    {"{{ 5() }}", "'int' object is not callable"},
    {"{{ 'a'|truncate(len=5) }}", "truncate() has no argument 'len'"},
    {"{{ 'a'|truncate(5, length=3) }}", "truncate() got twice the argument 'length'"},
    {"{{ 'a'|upper(1) }}", "upper() takes at most 0 arguments, 1 given"},
    {"{{ 'a'|replace('a') }}", "replace() needs 2 arguments"},
    {"{{ cycler() }}", "at least one item has to be provided"},
    {"{{ joiner()(1) }}", "a joiner takes no arguments"},
    {"{{ joiner()(sep=1) }}", "a joiner takes no arguments"},
    {"{{ dict([[1]]) }}", "a dict is made of pairs"},
    {"{{ dict(5) }}", "'int' object is not iterable"},
    {"{{ {[]: 1} }}", "unhashable type: 'list'"},
    {"{{ {}.get({}) }}", "unhashable type: 'dict'"},
    {"{{ range('a') }}", "expected a whole number, found str"},
    {"{{ range(0, 'a') }}", "expected a whole number, found str"},
    {"{{ range(0, 1, 'a') }}", "expected a whole number, found str"},
    {"{{ range(0, 1, 0) }}", "range() step must not be zero"},
    {"{{ range(-4611686018427387905, 0) }}", "range() is too long"},
    {"{{ range(4611686018427387905, 0) }}", "range() is too long"},
    {"{{ range(0, -4611686018427387905) }}", "range() is too long"},
    {"{{ range(0, 4611686018427387905) }}", "range() is too long"},
    {"{{ strftime_now(5) }}", "expected a string, found int"},
    {"{{ strftime_now() }}", "strftime_now() needs 1 arguments"},
    /* filters and formats */
    {"{{ 'a'|truncate(5, leeway=-1) }}", "truncate to 5 characters"},
    {"{{ 'a'|replace('a', 'b', 'x') }}", "expected a whole number, found str"},
    {"{{ [1]|tojson(separators=[',']) }}", "tojson: separators are two"},
    {"{{ [1]|tojson(separators=(1, ':')) }}", "expected a string, found int"},
    {"{{ [1]|tojson(separators=(',', 1)) }}", "expected a string, found int"},
    {"{{ 9223372036854775807|round(-1) }}", "9223372036854775807 rounded does not fit in 64 bits"},
    {"{{ (-9223372036854775807 - 1)|round(-1) }}",
     "-9223372036854775808 rounded does not fit in 64 bits"},
    {"{{ 1e30|int }}", "int of 1e+30 does not fit in 64 bits"},
    {"{{ '-99999999999999999999'|int }}", "int of -1e+20 does not fit in 64 bits"},
    {"{{ range|tojson }}", "Object of type function is not JSON serializable"},
    {"{{ 'inf'|float|filesizeformat }}", "filesizeformat of no finite number"},
    {"{{ [[1, 2, 3]]|urlencode }}", "urlencode needs pairs"},
    {"{{ [5]|urlencode }}", "'int' object is not iterable"},
    {"{{ '%(a' % {'a': 1} }}", "format requires a mapping"},
    {"{{ '%(b)s' % {'a': 1} }}", "no argument \"b\""},
    {"{{ '%\\x01' % 1 }}", "unsupported format character '?'"},
    {"{{ '%d' % 1e30 }}", "format 'd' does not take a float"},
    {"{{ '%c' % 55296 }}", "%c requires a code point or a character"},
    {"{{ '{:d}'.format(2.5) }}", "format 'd' does not take a float"},
    {"{{ '{:s}'.format(2) }}", "format 's' does not take a int"},
    {"{{ '{:.2}'.format(2) }}", "a whole number takes no precision"},
    {"{{ '{:5}'.format(none) }}", "a NoneType takes no format after :"},
    {"{{ '{:=5}'.format('a') }}", "'=' aligns numbers only"},
    {"{{ '%.41f' % 1.5 }}", "a precision of 41, at most 40"},
    {"{{ '{:.50}'.format(1.5) }}", "a precision of 50, at most 40"},
    {"{{ '{0[]}'.format([1]) }}", "format has a field it cannot read"},
    {"{{ '{!x}'.format(2) }}", "format knows no conversion but !r, !s and !a"},
    {"{{ '{0[a}'.format(2) }}", "format has a field it cannot read"},
    {"{{ '{0[a]b}'.format({'a': 1}) }}", "format has a field it cannot read"},
    {"{{ '{0[a]}'.format(x) }}", "'x' is undefined"},
    {"{{ 5|length }}", "object of type 'int' has no len()"},
    {"{{ {'a\\n': 1}|xmlattr }}", "xmlattr: a name holds white space, / > or ="},
    /* operators and numbers */
    {"{{ +'a' }}", "bad operand type for unary +: 'str'"},
    {"{{ -[] }}", "bad operand type for unary -: 'list'"},
    {"{{ -x }}", "'x' is undefined"},
    {"{{ 'a' + 'b' + x }}", "'x' is undefined"},
    {"{{ [1] < {} }}", "'list' and 'dict' have no order"},
    {"{{ 1 in 'a' }}", "'in <string>' requires string as left operand, not int"},
    {"{{ x[:1 2] }}", "expected ], found a number"},
    {"{{ 1 not x }}", "expected }}, found \"not\""},
    {"{{ 99999999999999999999 }}", "number 99999999999999999999 does not fit in 64 bits"},
    {"{{ 9223372036854775808 }}", "number 9223372036854775808 does not fit in 64 bits"},
    {"{{ 0x10000000000000000 }}", "number 0x10000000000000000 does not fit in 64 bits"},
    {"{{ 1111111111222222222233333333334444444444555 }}",
     "number 1111111111222222222233333333334444444444 does not fit in 64 bits"},
    {"{{ 0x }}", "number 0x does not fit in 64 bits"},
    {"{{ 1e999 }}", "number 1e999 is out of range"},
    {"{{ 0.1111111111222222222233333333334444444444555555555566666666667777 }}",
     "number 0.1111111111222222222233333333334444444444555555555566666666667 is out of range"},
    {"{{ '\\ud800' }}", "a string names U+D800, which is no character"},
    {"{{ '\\x4' }}", "a string has a bad \\ escape"},
    {"{{ a $ b }}", "unexpected character '$'"},
    {"{{ \x01 }}", "unexpected character '?'"}};

CHECK_TEST(jinja_edges, each_wrong_use_has_its_sentence_A35)
{
    size_t wrong = 0;
    for (size_t i = 0; i < countof(wrong_uses); i++)
        wrong += !says(wrong_uses[i][0], strlen(wrong_uses[i][0]), NB_FORMAT, wrong_uses[i][1]);
    wrong += !says("{{ \0 }}", 7, NB_FORMAT, "unexpected character '?'");
    wrong += !says("{{ '%\0' % 1 }}", 14, NB_FORMAT, "unsupported format character '?'");
    check(wrong == 0, "%zu are wrong", wrong);
}

CHECK_TEST(jinja_edges, what_the_subset_lacks_is_unsupported_A35)
{
    static const char *const rows[][2] = {
        {"{% filter upper | nope %}{% endfilter %}", "no filter named 'nope'"},
        {"{{ strftime_now('%Q') }}", "strftime_now: no conversion %Q"},
        {"{{ strftime_now('%-Q') }}", "strftime_now: no conversion %-Q"},
        {"{{ '{:n}'.format(5) }}", "a format after : that is not supported"},
        {"{{ '\\N{DASH}' }}", "\\N{...} in a string is not supported"},
        {"{% set a = ['x' * 90] %}{{ a|pprint }}", "pprint of what is wider than 80 columns"}};
    size_t wrong = 0;
    for (size_t i = 0; i < countof(rows); i++)
        wrong += !says(rows[i][0], strlen(rows[i][0]), NB_UNSUPPORTED, rows[i][1]);
    wrong +=
        !says("{{ strftime_now('%\0') }}", 24, NB_UNSUPPORTED, "strftime_now: no conversion %");
    check(wrong == 0, "%zu are wrong", wrong);
}

/* n times `one` between commas, in brackets. */
static char *many(int n, const char *one)
{
    size_t len = strlen(one), at = 4;
    char *text = malloc((size_t)n * (len + 1) + 16);
    check(text, "memory");
    memcpy(text, "{{ [", 4);
    for (int i = 0; i < n; i++, at += len + 1) {
        memcpy(text + at, one, len);
        text[at + len] = ',';
    }
    memcpy(text + at, "]|length }}", 12);
    return text;
}

CHECK_TEST(jinja_edges, as_many_values_at_once_as_the_stack_holds_A6)
{
    nb_jinja_text out;
    nb_err err = {0};
    char *most = many(4096, "1"), *more = many(4097, "1");
    check(jinja_render(most, strlen(most), NULL, &out, &err) == NB_OK, "%s", err.msg);
    check(strcmp(out.at, "4096") == 0, "%s", out.at);
    nb_jinja_text_free(&out);
    check(says(more, strlen(more), NB_FORMAT, "more than 4096 values at once"), "4097 values");
    free(most);
    free(more);
}

/* More names than the first table of them, and than a scope's first room, holds. */
CHECK_TEST(jinja_edges, many_variables_keep_their_values)
{
    enum { N = 300 };
    nb_str text = {0};
    nb_jinja_text out;
    nb_err err = {0};
    char one[64];
    long sum = 0;
    nb_str_add(&text, "{% for once in [1] %}");
    for (int i = 0; i < N; i++) {
        snprintf(one, sizeof one, "{%% set v%d = %d %%}", i, i * i);
        nb_str_add(&text, one);
        sum += i * i;
    }
    nb_str_add(&text, "{{ v0");
    for (int i = 1; i < N; i++) {
        snprintf(one, sizeof one, " + v%d", i);
        nb_str_add(&text, one);
    }
    nb_str_add(&text, " }}{% endfor %}{{ v7 is defined }}");
    check(jinja_render(nb_str_c(&text), text.len, NULL, &out, &err) == NB_OK, "%s", err.msg);
    snprintf(one, sizeof one, "%ldFalse", sum);
    check(strcmp(out.at, one) == 0, "%s, expected %s", out.at, one);
    nb_jinja_text_free(&out);
    nb_str_free(&text);
}

/* --- input -------------------------------------------------------------------------------------
 */

/* What "{{ x }}" makes of the JSON text under "x". */
static nb_status shown(const char *json, char out[200], nb_err *err)
{
    nb_jinja *t = NULL;
    nb_jinja_input *in = NULL;
    nb_jinja_text text = {0};
    *out = '\0';
    check(nb_jinja_open(&t, "{{ x }}", 7, "t", NULL, err) == NB_OK, "%s", err->msg);
    check(nb_jinja_input_open(&in, err) == NB_OK, "%s", err->msg);
    nb_status st = nb_jinja_put_json(in, "x", json, strlen(json), NB_JINJA_USER, err);
    if (st == NB_OK)
        st = nb_jinja_render(t, in, NULL, &text, err);
    if (st == NB_OK)
        snprintf(out, 200, "%s", text.at);
    nb_jinja_text_free(&text);
    nb_jinja_input_close(&in);
    nb_jinja_close(&t);
    return st;
}

CHECK_TEST(jinja_edges, json_becomes_the_values_python_reads_A35)
{
    static const char *const good[][2] = {
        {"[null, true, false]", "[None, True, False]"},
        {"[1, -0, 1.0, 1e2, 1E2, -1.5]", "[1, 0, 1.0, 100.0, 100.0, -1.5]"},
        {"9223372036854775807", "9223372036854775807"},
        {"9223372036854775808", "9.223372036854776e+18"},
        {"{\"a\": {}, \"b\": [], \"a\": [{\"c\": \"\\u00e9\"}]}", "{'a': [{'c': 'é'}], 'b': []}"},
        {"[1, 2, 3, 4, 5, [6]]", "[1, 2, 3, 4, 5, [6]]"}};
    static const char *const bad[][2] = {
        {"1e999", "x: line 1 column 1: number beyond the range of a double"},
        {"{\"a\":\n[1, nul]}", "x: line 2 column 5: not a value"}};
    char out[200];
    nb_err err = {0};
    for (size_t i = 0; i < countof(good); i++) {
        check(shown(good[i][0], out, &err) == NB_OK, "%s: %s", good[i][0], err.msg);
        check(strcmp(out, good[i][1]) == 0, "%s: %s", good[i][0], out);
    }
    for (size_t i = 0; i < countof(bad); i++) {
        check(shown(bad[i][0], out, &err) == NB_FORMAT, "%s: %s", bad[i][0], out);
        check(strcmp(err.msg, bad[i][1]) == 0, "%s: %s", bad[i][0], err.msg);
    }
}

/* JSON inside of a list has no key; its errors say so. */
CHECK_TEST(jinja_edges, json_goes_into_the_list_that_is_open)
{
    nb_jinja *t = NULL;
    nb_jinja_input *in = NULL;
    nb_jinja_text text;
    nb_err err = {0};
    check(nb_jinja_open(&t, "{{ x }}", 7, "t", NULL, &err) == NB_OK, "%s", err.msg);
    check(nb_jinja_input_open(&in, &err) == NB_OK, "%s", err.msg);
    nb_jinja_begin_list(in, "x");
    check(nb_jinja_put_json(in, NULL, "[1", 2, NB_JINJA_USER, &err) == NB_FORMAT, "half a list");
    check(strncmp(err.msg, "JSON", 4) == 0, "%s", err.msg);
    check(nb_jinja_put_json(in, NULL, "{\"a\":2}", 7, NB_JINJA_USER, &err) == NB_OK, "%s", err.msg);
    nb_jinja_put_int(in, NULL, 3);
    nb_jinja_end(in);
    nb_jinja_end(in); /* of nothing: the variables stay open */
    nb_jinja_put_int(in, "y", 4);
    check(nb_jinja_render(t, in, NULL, &text, &err) == NB_OK, "%s", err.msg);
    check(strcmp(text.at, "[[1], {'a': 2}, 3]") == 0, "%s", text.at);
    nb_jinja_text_free(&text);
    nb_jinja_input_close(&in);
    nb_jinja_close(&t);
}

/* A failure is kept, whatever is put behind it, and comes out at the rendering. */
CHECK_TEST(jinja_edges, input_past_a_limit_fails_the_rendering_A6)
{
    nb_jinja *t = NULL;
    nb_err err = {0};
    check(nb_jinja_open(&t, "{{ x }}", 7, "t", NULL, &err) == NB_OK, "%s", err.msg);
    for (int way = 0; way < 3; way++) {
        nb_jinja_input *in = NULL;
        nb_jinja_text text;
        check(nb_jinja_input_open(&in, &err) == NB_OK, "%s", err.msg);
        if (way == 0) /* is not read: no text is this long */
            nb_jinja_put_str(in, "x", "x", (size_t)UINT32_MAX + 1, NB_JINJA_USER);
        for (int i = 0; i < 80 && way == 1; i++)
            nb_jinja_begin_list(in, i ? NULL : "x");
        for (int i = 0; i < 80 && way == 2; i++)
            nb_jinja_begin_map(in, "x");
        nb_jinja_put_bool(in, way == 1 ? NULL : "y", true);
        nb_jinja_begin_list(in, way == 1 ? NULL : "z");
        nb_jinja_end(in);
        check(nb_jinja_render(t, in, NULL, &text, &err) == NB_NOMEM, "way %d", way);
        check(strcmp(err.msg, "not enough memory for the conversation") == 0, "%s", err.msg);
        nb_jinja_input_close(&in);
    }
    nb_jinja_close(&t);
}
