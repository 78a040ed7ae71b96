/* The pull reader: a state machine over borrowed bytes with one byte of state per open container.
 * Grammar: RFC 8259, minus what json.h lists as refused. */
#include "core/base/json.h"

#include <string.h>

enum {
    ST_VALUE,      /* a value must follow */
    ST_FIRST_ELEM, /* a value or ] */
    ST_FIRST_KEY,  /* a key or } */
    ST_KEY,        /* a key */
    ST_COLON,      /* : then a value */
    ST_AFTER,      /* , or the end of the container; at depth 0 the end of the document */
    ST_ERROR,
};

enum { NUMBER_MAX = 1000 };

static nb_jtoken bad(nb_jpull *p, const char *at, const char *problem)
{
    size_t line = 1, column = 1;
    for (const char *c = p->start; c < at; c++) {
        column++;
        if (*c == '\n') {
            line++;
            column = 1;
        }
    }
    p->state = ST_ERROR;
    p->status =
        nb_fail(p->err, NB_FORMAT, "%s: line %zu column %zu: %s", p->what, line, column, problem);
    return NB_JT_ERROR;
}

static nb_jtoken no_memory(nb_jpull *p)
{
    p->state = ST_ERROR;
    p->status = nb_fail(p->err, NB_NOMEM, "%s: no memory behind byte %zu", p->what,
                        (size_t)(p->at - p->start));
    return NB_JT_ERROR;
}

void nb_jpull_open(nb_jpull *p, const char *bytes, size_t n, const char *what, nb_err *err)
{
    *p = (nb_jpull){.at = bytes, .end = bytes + n, .start = bytes, .what = what, .err = err};
    p->state = ST_VALUE;
}

void nb_jpull_close(nb_jpull *p)
{
    nb_str_free(&p->text);
    p->state = ST_ERROR;
}

nb_status nb_jpull_end(nb_jpull *p, nb_status status)
{
    if (status != NB_OK && p->status == NB_NOMEM) {
        no_memory(p);
        status = NB_NOMEM;
    }
    nb_jpull_close(p);
    return status;
}

static void skip_space(nb_jpull *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\n' || *p->at == '\r' || *p->at == '\t'))
        p->at++;
}

static bool hex4(const nb_jpull *p, const char *at, uint32_t *out)
{
    uint32_t v = 0;
    if (p->end - at < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                                : 16;
        if (digit == 16)
            return false;
        v = v << 4 | digit;
    }
    *out = v;
    return true;
}

/* at stands behind "\u": one code point, possibly of two escapes. Bytes used, 0 after bad(). */
static size_t unicode_escape(nb_jpull *p, const char *at)
{
    uint32_t cp, low;
    size_t used = 4;
    char utf8[4];
    if (!hex4(p, at, &cp))
        return bad(p, at, "\\u needs four hexadecimal digits"), 0;
    if (cp == 0)
        return bad(p, at, "\\u0000 in a string"), 0;
    if (cp >= 0xd800 && cp <= 0xdbff && p->end - at >= 6 && at[4] == '\\' && at[5] == 'u' &&
        hex4(p, at + 6, &low) && low >= 0xdc00 && low <= 0xdfff) {
        cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
        used = 10;
    }
    size_t n = nb_utf8_put(cp, utf8);
    if (n == 0)
        return bad(p, at, "lone surrogate in a string"), 0;
    nb_str_addn(&p->text, utf8, n);
    return used;
}

/* at stands on a backslash; returns behind the escape, or NULL after bad(). */
static const char *escape(nb_jpull *p, const char *at)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (p->end - at < 2)
        return bad(p, at, "string is not closed"), NULL;
    if (at[1] == 'u') {
        size_t used = unicode_escape(p, at + 2);
        return used ? at + 2 + used : NULL;
    }
    const char *hit = memchr(from, at[1], sizeof from - 1);
    if (!hit)
        return bad(p, at, "unknown escape in a string"), NULL;
    nb_str_addn(&p->text, &to[hit - from], 1);
    return at + 2;
}

/* p->at stands on the opening quote. */
static nb_jtoken string(nb_jpull *p, nb_jtoken kind)
{
    const char *at = p->at + 1, *run = at;
    nb_str_clear(&p->text);
    nb_str_addn(&p->text, "", 0);
    while (at < p->end && *at != '"') {
        uint8_t c = (uint8_t)*at;
        uint32_t cp;
        if (c < 0x20)
            return bad(p, at, "control byte in a string");
        if (c == '\\') {
            nb_str_addn(&p->text, run, (size_t)(at - run));
            at = escape(p, at);
            if (!at)
                return NB_JT_ERROR;
            run = at;
            continue;
        }
        size_t n = c < 0x80 ? 1 : nb_utf8_next(at, (size_t)(p->end - at), &cp, NULL);
        if (n == 0)
            return bad(p, at, "string is not UTF-8");
        at += n;
    }
    if (at == p->end)
        return bad(p, p->at, "string is not closed");
    nb_str_addn(&p->text, run, (size_t)(at - run));
    if (p->text.failed)
        return no_memory(p);
    p->at = at + 1;
    p->state = kind == NB_JT_KEY ? ST_COLON : ST_AFTER;
    return kind;
}

static const char *digits(const nb_jpull *p, const char *at)
{
    while (at < p->end && *at >= '0' && *at <= '9')
        at++;
    return at;
}

static nb_jtoken number(nb_jpull *p)
{
    const char *at = p->at;
    bool exponent = false;
    if (*at == '-')
        at++;
    const char *whole = at;
    at = digits(p, at);
    if (at == whole)
        return bad(p, p->at, "not a value");
    if (*whole == '0' && at - whole > 1)
        return bad(p, p->at, "number with a leading zero");
    if (at < p->end && *at == '.') {
        const char *fraction = ++at;
        at = digits(p, at);
        if (at == fraction)
            return bad(p, p->at, "number without digits behind its point");
    }
    if (at < p->end && (*at == 'e' || *at == 'E')) {
        exponent = true;
        at++;
        if (at < p->end && (*at == '+' || *at == '-'))
            at++;
        const char *power = at;
        at = digits(p, at);
        if (at == power)
            return bad(p, p->at, "number without digits in its exponent");
    }
    size_t n = (size_t)(at - p->at);
    if (n > NUMBER_MAX)
        return bad(p, p->at, "number of more than 1000 characters");
    nb_str_clear(&p->text);
    nb_str_addn(&p->text, p->at, n);
    double v;
    if (p->text.failed)
        return no_memory(p);
    if ((exponent || n > 300) && !nb_jpull_double(p, &v))
        return bad(p, p->at, "number beyond the range of a double");
    p->at = at;
    p->state = ST_AFTER;
    return NB_JT_NUMBER;
}

static nb_jtoken word(nb_jpull *p, const char *spelling, nb_jtoken kind)
{
    size_t n = strlen(spelling);
    if ((size_t)(p->end - p->at) < n || memcmp(p->at, spelling, n) != 0)
        return bad(p, p->at, "not a value");
    p->at += n;
    p->state = ST_AFTER;
    return kind;
}

static nb_jtoken open(nb_jpull *p, nb_jtoken kind)
{
    if (p->depth == (int)sizeof p->stack)
        return bad(p, p->at, "nested deeper than 64 levels");
    p->stack[p->depth++] = (uint8_t)kind;
    p->at++;
    p->state = kind == NB_JT_OBJECT ? ST_FIRST_KEY : ST_FIRST_ELEM;
    return kind;
}

static nb_jtoken close_container(nb_jpull *p)
{
    nb_jtoken kind = (nb_jtoken)p->stack[--p->depth];
    p->at++;
    p->state = ST_AFTER;
    return kind == NB_JT_OBJECT ? NB_JT_OBJECT_END : NB_JT_ARRAY_END;
}

static nb_jtoken value(nb_jpull *p)
{
    switch (*p->at) {
    case '{':
        return open(p, NB_JT_OBJECT);
    case '[':
        return open(p, NB_JT_ARRAY);
    case '"':
        return string(p, NB_JT_STRING);
    case 't':
        return word(p, "true", NB_JT_TRUE);
    case 'f':
        return word(p, "false", NB_JT_FALSE);
    case 'n':
        return word(p, "null", NB_JT_NULL);
    default:
        return number(p);
    }
}

/* Behind a complete value inside a container: its end, or a comma and what must follow. True when
 * the token is final (*out), false when the caller goes on in the new state. */
static bool after(nb_jpull *p, nb_jtoken *out)
{
    bool object = p->stack[p->depth - 1] == NB_JT_OBJECT;
    if (*p->at == (object ? '}' : ']')) {
        *out = close_container(p);
        return true;
    }
    if (*p->at != ',') {
        *out = bad(p, p->at, object ? "expected , or }" : "expected , or ]");
        return true;
    }
    p->at++;
    p->state = object ? ST_KEY : ST_VALUE;
    return false;
}

static nb_jtoken key(nb_jpull *p)
{
    if (p->state == ST_FIRST_KEY && *p->at == '}')
        return close_container(p);
    if (*p->at != '"')
        return bad(p, p->at, "expected a key");
    return string(p, NB_JT_KEY);
}

nb_jtoken nb_jpull_next(nb_jpull *p)
{
    if (p->state == ST_ERROR)
        return NB_JT_ERROR;
    skip_space(p);
    if (p->depth == 0 && p->state == ST_AFTER)
        return p->at == p->end ? NB_JT_END : bad(p, p->at, "more text behind the document");
    if (p->at == p->end)
        return bad(p, p->at, "ends too early");
    nb_jtoken token;
    if (p->state == ST_AFTER && after(p, &token))
        return token;
    if (p->state == ST_COLON) {
        if (*p->at != ':')
            return bad(p, p->at, "expected :");
        p->at++;
        p->state = ST_VALUE;
    }
    skip_space(p);
    if (p->at == p->end)
        return bad(p, p->at, "ends too early");
    if (p->state == ST_KEY || p->state == ST_FIRST_KEY)
        return key(p);
    if (p->state == ST_FIRST_ELEM && *p->at == ']')
        return close_container(p);
    return value(p);
}

bool nb_jpull_skip(nb_jpull *p)
{
    int depth = p->depth;
    nb_jtoken t = nb_jpull_next(p);
    if (t == NB_JT_ARRAY_END || t == NB_JT_OBJECT_END || t == NB_JT_END)
        return bad(p, p->at, "expected a value"), false;
    while (t != NB_JT_ERROR && p->depth > depth)
        t = nb_jpull_next(p);
    return t != NB_JT_ERROR;
}

bool nb_jpull_u64(const nb_jpull *p, uint64_t *out)
{
    return nb_parse_u64(nb_str_c(&p->text), out);
}

bool nb_jpull_double(const nb_jpull *p, double *out)
{
    return nb_parse_double(nb_str_c(&p->text), out);
}
