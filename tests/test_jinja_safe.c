/* What a hostile template cannot do, and whose each byte of a result is (reliability A6). */
#include "tests/check.h"
#include "tests/jinja.h"
#include "tests/util.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* n times the text. */
static void repeat(nb_str *s, const char *text, int n)
{
    for (int i = 0; i < n; i++)
        nb_str_add(s, text);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Compiles and renders; must fail as NB_FORMAT with these words, in time. */
static void must_stop(const char *text, size_t len, const char *words)
{
    nb_jinja_text out;
    nb_err err = {0};
    double start = seconds();
    nb_status st = jinja_render(text, len, NULL, &out, &err);
    double took = seconds() - start;
    check(st == NB_FORMAT, "%.60s...: status %d, %zu bytes", text, st, out.len);
    check(strstr(err.msg, words), "%.60s...: %s", text, err.msg);
    check(strstr(err.msg, "line "), "no line: %s", err.msg);
    check(took < test_within(0.25), "%.60s...: %.3f s", text, took);
    check(!out.at && !out.run, "output after a failure");
}

static const char *const hostile[][2] = {
    {"{% for i in range(10**9) %}{% for j in range(10**9) %}{% endfor %}{% endfor %}", "stopped"},
    {"{% for i in range(10**15) %}x{% endfor %}", "stopped"},
    {"{{ range(10**9)|list }}", "stopped"},
    {"{{ 'A' * 10**9 }}", ""},
    {"{{ 'A' * 10**18 }}", ""},
    {"{{ [1] * 10**12 }}", ""},
    {"{% set s = 'ab' %}{% for i in range(99) %}{% set ns = namespace(s=s) %}{% endfor %}"
     "{% set n = namespace(s='ab') %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}",
     ""},
    {"{% set n = namespace(l=[1]) %}{% for i in range(99) %}{% set n.l = n.l + n.l %}{% endfor %}",
     "bytes of memory"},
    {"{% set n = namespace(l=[1]) %}{% for i in range(99) %}{% set n.l = [n.l, n.l] %}{% endfor %}"
     "{{ n.l }}",
     ""},
    {"{% set n = namespace(l=[1]) %}{% for i in range(40) %}{% set n.l = [n.l, n.l] %}{% endfor %}"
     "{{ n.l == n.l[:] }}{% set m = namespace(l=[1]) %}{% for i in range(40) %}"
     "{% set m.l = [m.l, m.l] %}{% endfor %}{{ n.l == m.l }}",
     "stopped"},
    {"{% macro x() %}{{ x() }}{% endmacro %}{{ x() }}", "nested deeper"},
    {"{% macro a(n) %}{{ b(n + 1) }}{% endmacro %}{% macro b(n) %}{{ a(n + 1) }}{% endmacro %}"
     "{{ a(0) }}",
     "nested deeper"},
    {"{% macro m() %}{% for i in range(9) %}{{ m() }}{% endfor %}{% endmacro %}{{ m() }}",
     "nested deeper"},
    {"{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}", "nested deeper"},
    {"{% for i in [1] recursive %}{{ loop(range(99)) }}{% endfor %}", "nested deeper"},
    {"{% set n = namespace() %}{% for i in [1] recursive %}{% set n.l = loop %}{% endfor %}"
     "{% for i in range(10**7) %}{% set x = n.l([1, 2]) %}{% endfor %}",
     "bytes of memory"},
    {"{% set l = [1] %}{% do l.append(l) %}{% for i in l recursive %}{{ loop(l) }}{% endfor %}",
     "nested deeper"},
    {"{% macro m() %}{{ m(*varargs, **kwargs) }}{% endmacro %}{{ m(*range(9), a=1) }}",
     "nested deeper"},
    {"{{ dict(*range(10**9)) }}", ""},
    {"{% set s = 'a-b ' * 200000 %}{% for i in range(99) %}{{ s|wordwrap(1) }}{% endfor %}", ""},
    {"{% set s = '<!--' * 200000 %}{% for i in range(10**6) %}{{ s|striptags }}{% endfor %}", ""},
    {"{% set s = '&#' * 200000 %}{% for i in range(10**6) %}{{ s|striptags }}{% endfor %}", ""},
    {"{% set s = 'a ' * 200000 %}{% for i in range(10**6) %}{{ s|wordcount }}{% endfor %}",
     "stopped"},
    {"{% set l = [1] %}{% do l.append(l) %}{{ l|pprint }}", "nested deeper"},
    {"{% set l = [1] %}{% do l.append(l) %}{{ l }}", "nested deeper"},
    {"{% set l = [1] %}{% do l.append(l) %}{{ l|tojson }}", "nested deeper"},
    {"{% set l = [1] %}{% do l.append(l) %}{% set k = [1] %}{% do k.append(k) %}{{ l == k }}",
     "nested deeper"},
    {"{% set l = [1] %}{% do l.append(l) %}{% set k = [1] %}{% do k.append(k) %}{{ l < k }}", ""},
    {"{% set d = {} %}{% do d.update(a=d) %}{{ d }}", "nested deeper"},
    {"{% set l = [1] %}{% for i in l %}{% do l.append(i) %}{% endfor %}{{ l[10**9] }}{{ x.y }}",
     "undefined"},
    {"{% set l = [] %}{% for i in range(10**7) %}{% do l.append(i) %}{% endfor %}", ""},
    {"{% set d = {} %}{% for i in range(10**6) %}{% do d.update({i: i}) %}{% endfor %}", "stopped"},
    {"{% set s = 'a' * 2000000 %}{% for i in range(10**6) %}{% set x = 'b' in s %}{% endfor %}",
     "stopped"},
    {"{% set s = 'a' * 2000000 %}{% for i in range(10**6) %}{{ s|length }}{% endfor %}", "stopped"},
    {"{% set s = 'a' * 900000 %}{% for i in range(10**6) %}{% set x = s.rfind('ab') %}{% endfor %}",
     "stopped"},
    {"{% set s = 'a' * 900000 %}{% for i in range(10**6) %}{% set x = s == s ~ 'b' %}{% endfor %}",
     ""},
    {"{% set s = 'aab' * 300000 %}{{ s.replace('a', s) }}", "longer than"},
    {"{% set s = 'ab' * 300000 %}{{ s|list|join(s) }}", ""},
    {"{% set s = 'a\\n' * 200000 %}{{ s|indent(10**6) }}", ""},
    {"{{ 'x'|indent(10**12) }}", ""},
    {"{{ '%1000000000d' % 1 }}", "a width of"},
    {"{{ '{:9999999999}'.format(1) }}", "a width of"},
    {"{{ 'x'|center(10**12) }}", ""},
    {"{{ range(10**6)|map('string')|sort|join }}", ""},
    {"{{ range(3000)|map('string')|unique|list }}{{ range(3000)|unique|list }}", ""},
    {"{% for i in range(10**6) %}{% set s = range(1000)|sort(reverse=true) %}{% endfor %}", ""},
    {"{{ 2 ** 4000000000 }}", "64 bits"},
    {"{{ 9223372036854775807 + 1 }}", "64 bits"},
    {"{{ -9223372036854775807 - 2 }}", "64 bits"},
    {"{{ (-9223372036854775807 - 1) // -1 }}", "64 bits"},
    {"{{ -(-9223372036854775807 - 1) }}", "64 bits"},
    {"{{ (-9223372036854775807 - 1)|abs }}", "64 bits"},
    {"{{ range(-9223372036854775807, 9223372036854775807)|length }}", "too long"},
    {"{{ 1 % 0 }}", "division by zero"},
    {"{{ ''.__class__ }}{{ ''.__class__.__mro__ }}", "no attribute '__class__'"},
    {"{{ self.__init__ }}", "undefined"},
    {"{{ cycler.__init__.__globals__ }}", "no attribute"},
    {"{{ messages.append.__self__.x }}", "undefined"},
};

/* Other statuses are for what is refused by name. */
CHECK_TEST(jinja_safe, hostile_templates_are_stopped_by_a_limit_A6)
{
    for (size_t i = 0; i < countof(hostile); i++)
        must_stop(hostile[i][0], strlen(hostile[i][0]), hostile[i][1]);
}

/* 8 MiB for the template and its rendering; what malloc keeps around them is granted. */
CHECK_TEST(jinja_safe, hostile_templates_take_little_memory_A6)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    check_skip("a sanitizer keeps freed memory");
#endif
    nb_str long_one = {0};
    repeat(&long_one, "{{a}}", NB_JINJA_TEXT_MAX / 5);
    for (size_t i = 0; i <= countof(hostile); i++) {
        const char *text = i < countof(hostile) ? hostile[i][0] : long_one.at;
        test_rss_peak(1);
        uint64_t before = test_rss_peak(0);
        nb_jinja_text out;
        nb_err err;
        check(jinja_render(text, strlen(text), NULL, &out, &err) == NB_FORMAT, "%.60s", text);
        uint64_t after = test_rss_peak(0);
        check(!before || after < before + (10u << 20), "%.60s: %llu bytes more", text,
              (unsigned long long)(after - before));
    }
    nb_str_free(&long_one);
}

/* A6, CVE PoCs: depth of the text itself. */
CHECK_TEST(jinja_safe, nesting_of_the_text_is_bounded_A6)
{
    static const struct {
        const char *open, *middle, *close;
        int n;
    } rows[] = {
        {"(", "1", ")", 60000},  {"[", "1", "]", 60000},   {"{1:", "1", "}", 60000},
        {"-", "1", "", 60000},   {"not ", "1", "", 60000}, {"1 if ", "1", " else 1", 60000},
        {"a(", "1", ")", 60000}, {"a[", "1", "]", 60000},  {"1 if 1 else ", "1", "", 60000}};
    nb_str s = {0};
    for (size_t i = 0; i < countof(rows); i++) {
        nb_str_clear(&s);
        nb_str_add(&s, "{{ ");
        repeat(&s, rows[i].open, rows[i].n);
        nb_str_add(&s, rows[i].middle);
        repeat(&s, rows[i].close, rows[i].n);
        nb_str_add(&s, " }}");
        must_stop(s.at, s.len, "nested deeper than 128");
    }
    static const char *const tags[] = {"{% if 1 %}",  "{% for i in [1] %}", "{% macro m() %}",
                                       "{% set x %}", "{% with %}",         "{% filter e %}"};
    for (size_t i = 0; i < countof(tags); i++) {
        nb_str_clear(&s);
        repeat(&s, tags[i], 20000);
        must_stop(s.at, s.len, "nested deeper than 128");
    }
    nb_str_free(&s);
}

/* Long, but not deep: fine. */
CHECK_TEST(jinja_safe, long_chains_are_not_deep)
{
    static const char *const chain[] = {" + 1", " and 1", " or 0", " ~ 'x'", "|abs", " == 1"};
    nb_str s = {0};
    nb_jinja_text out;
    nb_err err;
    for (size_t i = 0; i < countof(chain); i++) {
        nb_str_clear(&s);
        nb_str_add(&s, "{{ 1");
        repeat(&s, chain[i], 5000);
        nb_str_add(&s, " }}{% if 0 %}");
        repeat(&s, "{% elif 0 %}", 5000);
        nb_str_add(&s, "{% endif %}");
        check(jinja_render(s.at, s.len, NULL, &out, &err) == NB_OK, "%s: %s", chain[i], err.msg);
        nb_jinja_text_free(&out);
    }
    nb_str_free(&s);
}

/* The deepest that is allowed, on a small stack: 128 brackets called by macros as deep as may be.
 */
static void *deep_thread(void *arg)
{
    nb_str s = {0};
    nb_jinja_text out;
    nb_err err;
    nb_str_add(&s, "{% macro m() %}{{ ");
    repeat(&s, "[", 100);
    nb_str_add(&s, "m()");
    repeat(&s, "]", 100);
    nb_str_add(&s, " }}{% endmacro %}{{ m() }}");
    *(bool *)arg = jinja_render(s.at, s.len, NULL, &out, &err) == NB_FORMAT &&
                   strstr(err.msg, "nested deeper than") != NULL;
    nb_str_free(&s);
    return NULL;
}

CHECK_TEST(jinja_safe, the_deepest_fits_a_small_stack_A6)
{
    pthread_attr_t attr;
    pthread_t t;
    bool stopped = false;
    size_t stack = 256 << 10;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    stack *= 8; /* their frames are larger */
#endif
    pthread_attr_init(&attr);
    check(pthread_attr_setstacksize(&attr, stack) == 0, "stack size");
    check(pthread_create(&t, &attr, deep_thread, &stopped) == 0, "thread");
    pthread_join(t, NULL);
    pthread_attr_destroy(&attr);
    check(stopped, "not stopped by depth");
}

CHECK_TEST(jinja_safe, what_is_missing_is_named)
{
    static const struct {
        const char *text;
        nb_status status;
        const char *words;
    } rows[] = {
        {"\n{% include 'x' %}", NB_UNSUPPORTED, "line 2: tag \"include\" is not supported"},
        {"{% import 'x' as y %}", NB_UNSUPPORTED, "tag \"import\""},
        {"{% from 'x' import y %}", NB_UNSUPPORTED, "no other can be loaded"},
        {"{% extends 'x' %}", NB_UNSUPPORTED, "tag \"extends\""},
        {"{{ x|random }}", NB_UNSUPPORTED, "no filter named 'random'"},
        {"{{ x|urlize }}", NB_UNSUPPORTED, "no filter named 'urlize'"},
        {"a\n\n{{ x|frobnicate }}", NB_UNSUPPORTED, "line 3: no filter named 'frobnicate'"},
        {"{{ 1 is frob }}", NB_UNSUPPORTED, "no test named 'frob'"},
        {"{{ dict(*1) }}", NB_FORMAT, "'int' object is not iterable"},
        {"{{ dict(**[1]) }}", NB_FORMAT, "after ** must be a mapping, not list"},
        {"{{ dict(**{1: 2}) }}", NB_FORMAT, "keywords must be strings"},
        {"{{ dict(a=1, **{'a': 2}) }}", NB_FORMAT, "multiple values for keyword argument 'a'"},
        {"{{ dict(*[], *[]) }}", NB_FORMAT, "invalid syntax for function call"},
        {"{{ dict(**{}, a=1) }}", NB_FORMAT, "invalid syntax for function call"},
        {"{{ dict(a=1, 2) }}", NB_FORMAT, "invalid syntax for function call"},
        {"{% for x in [1] %}{{ loop([2]) }}{% endfor %}", NB_FORMAT, "'recursive' marker"},
        {"{% for x in [1] recursive %}{{ loop() }}{% endfor %}", NB_FORMAT, "loop() takes"},
        {"{{ ['x' * 90]|pprint }}", NB_UNSUPPORTED, "wider than 80 columns"},
        {"{{ 'a'|wordwrap(0) }}", NB_FORMAT, "invalid width 0"},
        {"{{ {'a b': 1}|xmlattr }}", NB_FORMAT, "a name holds white space"},
        {"{{ 'x'|filesizeformat }}", NB_FORMAT, "what is no number"},
        {"{% endif %}", NB_FORMAT, "endif closes nothing"},
        {"{% if 1 %}", NB_FORMAT, "found the end of the template"},
        {"\n{{ 1 +", NB_FORMAT, "line 2: the template ends inside a tag"},
        {"{{ 'abc }}", NB_FORMAT, "a string is never closed"},
        {"{# x", NB_FORMAT, "a comment is never closed"},
        {"{% raw %}x", NB_FORMAT, "raw is never closed"},
        {"{{ a b }}", NB_FORMAT, "expected }}, found \"b\""},
        {"{{ ? }}", NB_FORMAT, "unexpected character '?'"},
        {"{% break %}", NB_FORMAT, "outside of a loop"},
        {"{% set 1 = 2 %}", NB_FORMAT, "expected a name"},
        {"{{ nope.x }}", NB_FORMAT, "'nope' is undefined"},
        {"{{ nope() }}", NB_FORMAT, "'nope' is undefined"},
        {"{% set x = {} %}{{ x.a.b }}", NB_FORMAT, "'dict object' has no attribute 'a'"},
        {"{{ raise_exception('own \"words\"') }}", NB_REFUSED, "own \"words\""}};
    for (size_t i = 0; i < countof(rows); i++) {
        nb_jinja_text out;
        nb_err err = {0};
        nb_status st = jinja_render(rows[i].text, strlen(rows[i].text), NULL, &out, &err);
        check(st == rows[i].status, "%s: status %d, %s", rows[i].text, st, err.msg);
        check(strstr(err.msg, rows[i].words), "%s: %s", rows[i].text, err.msg);
    }
}

/* The conversation is the caller's, whatever the template does to it. */
CHECK_TEST(jinja_safe, input_cannot_be_changed)
{
    static const char *const texts[] = {"{% do l.append(1) %}", "{% do d.update(a=1) %}",
                                        "{{ l.pop() }}",        "{{ d.pop('k') }}",
                                        "{% do l.clear() %}",   "{{ d.setdefault('n', 1) }}",
                                        "{% do l.reverse() %}", "{% do d.clear() %}"};
    nb_json *doc = NULL;
    nb_err err;
    static const char vars[] = "{\"l\":[1],\"d\":{\"k\":1}}";
    check(nb_json_parse(&doc, vars, sizeof vars - 1, 99, "v", &err) == NB_OK, "%s", err.msg);
    for (size_t i = 0; i < countof(texts); i++) {
        nb_jinja_text out;
        nb_status st = jinja_render(texts[i], strlen(texts[i]), nb_json_root(doc), &out, &err);
        check(st == NB_FORMAT && strstr(err.msg, "cannot be changed"), "%s: %s", texts[i], err.msg);
    }
    nb_json_close(&doc);
}

/* --- whose -------------------------------------------------------------------------------------
 */

/* Renders with user = "<u>" and shows a user's bytes as @, the template's as they are. */
static void whose(const char *text, const char *want)
{
    nb_jinja_text out;
    nb_json *doc = NULL;
    nb_err err;
    static const char vars[] = "{\"u\":\"<u>\",\"v\":\" v \",\"d\":{\"k\":\"<k>\"},"
                               "\"l\":[\"a\",\"b\"],\"bos_token\":\"<s>\"}";
    check(nb_json_parse(&doc, vars, sizeof vars - 1, 999, "v", &err) == NB_OK, "%s", err.msg);
    nb_status st = jinja_render(text, strlen(text), nb_json_root(doc), &out, &err);
    check(st == NB_OK, "%s: %s", text, err.msg);
    size_t from = 0;
    for (size_t i = 0; i < out.n_run; i++) {
        check(out.run[i].end > from, "%s: an empty run", text);
        check(i == 0 || out.run[i].owner != out.run[i - 1].owner, "%s: runs alike", text);
        for (; from < out.run[i].end; from++)
            if (out.run[i].owner == NB_JINJA_USER)
                out.at[from] = '@';
    }
    check(from == out.len, "%s: runs cover %zu of %zu", text, from, out.len);
    check(strcmp(out.at, want) == 0, "%s: %s, expected %s", text, out.at, want);
    nb_jinja_text_free(&out);
    nb_json_close(&doc);
}

CHECK_TEST(jinja_safe, users_text_stays_the_users_A6)
{
    static const char *const rows[][2] = {
        {"a{{ u }}b", "a@@@b"},
        {"{{ '<s>' + u + '</s>' }}", "<s>@@@</s>"},
        {"{{ bos_token ~ u ~ 1 }}", "<s>@@@1"},
        {"{{ ('<a>' + u + '<b>')[2:5] }}", ">@@"},
        {"{{ ('<a>' + u)[::-1] }}", "@@@>a<"},
        {"{{ ('  ' + v + '  ')|trim }}", "@"},
        {"{{ ('a,' + u + ',b').split(',') }}", "['a', '@@@', 'b']"},
        {"{{ ('a,' + u + ',b').split(',')|join(';') }}", "a;@@@;b"},
        {"{{ 'a-b'.replace('-', u) }}", "a@@@b"},
        {"{{ u.replace('u', '<|x|>') }}", "@<|x|>@"},
        {"{{ u|upper }}{{ u|title }}{{ u|tojson }}", "@@@@@@\"@@@\""},
        {"{{ d|tojson }}", "{\"k\": \"@@@\"}"},
        {"{{ d }}{{ [u] }}", "{'k': '@@@'}['@@@']"},
        {"{{ l|join(u) }}", "@@@@@"},
        {"{{ u * 2 }}{{ [u, 'a']|last }}{{ {'x': u}['x'] }}", "@@@@@@a@@@"},
        {"{{ '%s|%5s' % (u, u) }}{{ '<{}>'.format(u) }}", "@@@|  @@@<@@@>"},
        {"{% set s %}<a>{{ u }}{% endset %}{{ s }}{{ s|upper }}", "<a>@@@<A>@@@"},
        {"{% macro m(x) %}<m>{{ x }}{% endmacro %}{{ m(u) ~ '!' }}", "<m>@@@!"},
        {"{% filter upper %}a{{ u }}{% endfilter %}", "A@@@"},
        {"{% set ns = namespace(s='a') %}{% set ns.s = ns.s + u %}{{ ns.s }}", "a@@@"},
        {"{% for c in u %}{{ c }}.{% endfor %}", "@.@.@."},
        {"{{ 'a\n' ~ u | indent(1) }}{{ u|e }}", "a\n@@@@@@@@@@@@"},
        {"{{ u if u == '<u>' else 1 }}{{ '<u>' if u == '<u>' }}", "@@@<u>"},
        {"{{ u|length }}{{ u|first }}{{ u|default('x') }}{{ x|default(u) }}", "3@@@@@@@"},
        {"{{ [u, 'b', 'a']|sort|join }}{{ ['a', u]|map('upper')|join }}", "@@@abA@@@"},
        {"{{ 'a' ~ u ~ 'b' ~ u ~ 'c' }}", "a@@@b@@@c"},
        {"{{ u|truncate(3) }}{{ u|center(5) }}|{{ u|string|safe }}", "@@@ @@@ |@@@"}};
    for (size_t i = 0; i < countof(rows); i++)
        whose(rows[i][0], rows[i][1]);
}
