#include "core/model/tools.h"

#include <stdio.h>
#include <string.h>

#include "core/base/json.h"

nb_status nb_tools_check(const char *json, size_t n, const char *what, nb_err *err)
{
    nb_json *doc = NULL;
    size_t i = 0;
    const char *name;
    NB_TRY(nb_json_parse(&doc, json, n, NB_TOOLS_MAX, what, err));
    const nb_jval *root = nb_json_root(doc);
    bool list = nb_jkind_of(root) == NB_JARRAY && nb_jlen(root) > 0;
    const nb_jval *tool = list ? nb_jfirst(root) : NULL;
    while (tool && nb_jstr(nb_jget(nb_jget(tool, "function"), "name"), &name) && *name) {
        tool = nb_jnext(tool);
        i++;
    }
    nb_json_close(&doc);
    if (!list)
        return nb_fail(err, NB_FORMAT, "%s: no list of tools", what);
    if (tool)
        return nb_fail(err, NB_FORMAT, "%s: tool %zu has no function.name", what, i);
    return NB_OK;
}

/* --- calls in an answer ------------------------------------------------------------------------
 */

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static void trim(const char *text, size_t *at, size_t *end)
{
    while (*at < *end && is_blank(text[*at]))
        ++*at;
    while (*end > *at && is_blank(text[*end - 1]))
        --*end;
}

static bool key_is(const nb_jpull *p, const char *a, const char *b)
{
    return strcmp(nb_str_c(&p->text), a) == 0 || strcmp(nb_str_c(&p->text), b) == 0;
}

/* The members of one object of p, whose text begins at `base` of the answer; past its end. False
 * when it is no call. */
static bool read_call(nb_jpull *p, size_t base, nb_tool_call *c)
{
    nb_jtoken t;
    *c = (nb_tool_call){.at = base + (size_t)(p->at - p->start) - 1};
    while ((t = nb_jpull_next(p)) == NB_JT_KEY) {
        bool name = key_is(p, "name", "tool_name"), args = key_is(p, "arguments", "parameters");
        size_t at = (size_t)(p->at - p->start);
        if (name) {
            if (nb_jpull_next(p) != NB_JT_STRING)
                return false;
            size_t n = p->text.len < sizeof c->name ? p->text.len : sizeof c->name - 1;
            n = nb_utf8_whole(nb_str_c(&p->text), n);
            memcpy(c->name, nb_str_c(&p->text), n);
            c->name[n] = '\0';
        } else if (!nb_jpull_skip(p)) {
            return false;
        }
        size_t end = (size_t)(p->at - p->start);
        if (!args)
            continue;
        while (at < end && (p->start[at] == ':' || is_blank(p->start[at])))
            at++;
        c->args_at = base + at;
        c->args_len = end - at;
    }
    c->len = base + (size_t)(p->at - p->start) - c->at;
    return t == NB_JT_OBJECT_END && c->name[0] && c->args_len;
}

/* Text that is one call or a list of calls, and nothing else; the number of calls. */
static size_t read_calls(const char *text, size_t at, size_t end, nb_tool_call *out, size_t cap)
{
    nb_jpull p;
    nb_tool_call c;
    size_t n = 0;
    trim(text, &at, &end);
    if (at == end || (text[at] != '{' && text[at] != '['))
        return 0;
    nb_jpull_open(&p, text + at, end - at, "answer", NULL);
    nb_jtoken t = nb_jpull_next(&p);
    bool list = t == NB_JT_ARRAY;
    if (list)
        t = nb_jpull_next(&p);
    while (t == NB_JT_OBJECT && read_call(&p, at, &c)) {
        if (n < cap)
            out[n] = c;
        n++;
        t = nb_jpull_next(&p);
    }
    if (list && t == NB_JT_ARRAY_END)
        t = nb_jpull_next(&p);
    nb_jpull_close(&p);
    return t == NB_JT_END ? n : 0;
}

size_t nb_tool_calls(const char *text, size_t len, bool bare, nb_tool_call *out, size_t cap)
{
    static const char open[] = "<tool_call>", close[] = "</tool_call>";
    enum { OPEN = sizeof open - 1, CLOSE = sizeof close - 1 };
    size_t n = 0, at = 0;
    for (;;) {
        const char *begin = memmem(text + at, len - at, open, OPEN);
        if (!begin)
            break;
        size_t from = (size_t)(begin - text) + OPEN;
        const char *end = memmem(text + from, len - from, close, CLOSE);
        size_t to = end ? (size_t)(end - text) : len; /* some models end with the call */
        n += read_calls(text, from, to, n < cap ? out + n : NULL, n < cap ? cap - n : 0);
        at = end ? to + CLOSE : len;
    }
    if (n == 0 && bare)
        n = read_calls(text, 0, len, out, cap);
    return n;
}
