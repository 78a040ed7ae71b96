/* Template text to tokens, on demand. Whitespace control is Jinja's own with trim_blocks and
 * lstrip_blocks (jinja2/lexer.py @ 3.1.6): "-" strips all white space on its side, "+" switches
 * the automatic forms off; a line end behind a tag or comment goes, and so do blanks before one
 * that begins its line. */
#include "core/model/jinja_node.h"

#include <string.h>

static bool name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t left(const nb_jparser *p)
{
    return (size_t)(p->end - p->at);
}

static bool begins(const nb_jparser *p, const char *at, const char *text)
{
    size_t n = strlen(text);
    return (size_t)(p->end - at) >= n && memcmp(at, text, n) == 0;
}

static void count_lines(nb_jparser *p, const char *to)
{
    for (const char *s = p->at; s < to; s++)
        p->line += *s == '\n';
}

/* Moves on to `to`; what was passed decides whether a line begins there. */
static void move(nb_jparser *p, const char *to)
{
    count_lines(p, to);
    if (to > p->at)
        p->line_start = to[-1] == '\n';
    p->at = to;
}

static const char *skip_space(const nb_jparser *p, const char *s)
{
    uint32_t cp;
    while (s < p->end) {
        size_t n = nb_jchar(s, (size_t)(p->end - s), &cp);
        if (!nb_jspace(cp))
            break;
        s += n;
    }
    return s;
}

/* Length of s[0..n) without white space at its end. */
static size_t strip_end(const char *s, size_t n)
{
    for (size_t at = 0, used, kept = 0;; at += used) {
        uint32_t cp;
        if (at == n)
            return kept;
        used = nb_jchar(s + at, n - at, &cp);
        if (!nb_jspace(cp))
            kept = at + used;
    }
}

/* Length of the text s[0..n) before a tag with this sign. */
static size_t before_tag(const nb_jparser *p, const char *s, size_t n, char sign, bool print)
{
    size_t line = n;
    if (sign == '-')
        return strip_end(s, n);
    if (sign == '+' || print)
        return n;
    while (line > 0 && s[line - 1] != '\n')
        line--;
    bool blank = (line > 0 || p->line_start) && strip_end(s + line, n - line) == 0;
    return blank ? line : n;
}

/* Behind the closing delimiter at `s` ("%}" or "#}"), with its sign one byte before. */
static const char *after_tag(const nb_jparser *p, const char *s, char sign)
{
    s += 2;
    if (sign == '-')
        return skip_space(p, s);
    return sign != '+' && s < p->end && *s == '\n' ? s + 1 : s;
}

static nb_status skip_comment(nb_jparser *p)
{
    const char *from = p->at + 2;
    from += from < p->end && (*from == '-' || *from == '+');
    const char *s = memmem(from, (size_t)(p->end - from), "#}", 2);
    if (!s)
        return nb_jp_fail(p, NB_FORMAT, p->line, "a comment is never closed");
    move(p, after_tag(p, s, s > from ? s[-1] : ' '));
    return NB_OK;
}

/* Whether a tag at s holds this word alone; *body is where its inside ends. */
static bool word_tag(const nb_jparser *p, const char *s, const char *word, const char **close)
{
    s += 2;
    s += s < p->end && (*s == '-' || *s == '+');
    s = skip_space(p, s);
    if (!begins(p, s, word))
        return false;
    s = skip_space(p, s + strlen(word));
    s += s < p->end && (*s == '-' || *s == '+');
    *close = s;
    return begins(p, s, "%}");
}

/* {% raw %}...{% endraw %}: what is between becomes one DATA token. */
static nb_status lex_raw(nb_jparser *p, const char *close)
{
    move(p, close[-1] == '-' ? skip_space(p, close + 2) : close + 2);
    for (const char *s = p->at;; s++) {
        s = memmem(s, (size_t)(p->end - s), "{%", 2);
        if (!s)
            return nb_jp_fail(p, NB_FORMAT, p->line, "raw is never closed");
        if (!word_tag(p, s, "endraw", &close))
            continue;
        char sign = s + 2 < p->end ? s[2] : ' ';
        size_t n = before_tag(p, p->at, (size_t)(s - p->at), sign, false);
        p->tok = (nb_jtok){NB_JTK_DATA, p->line, nb_jv_text(p->at, n)};
        move(p, s);
        move(p, after_tag(p, close, close[-1]));
        return NB_OK;
    }
}

static const char *find_tag(const nb_jparser *p)
{
    for (const char *s = p->at; s < p->end; s++) {
        s = memchr(s, '{', (size_t)(p->end - s));
        if (!s)
            break;
        if (s + 1 < p->end && (s[1] == '{' || s[1] == '%' || s[1] == '#'))
            return s;
    }
    return NULL;
}

/* Outside of tags. */
static nb_status lex_data(nb_jparser *p)
{
    const char *close;
    for (;;) {
        const char *tag = find_tag(p), *stop = tag ? tag : p->end;
        size_t n = (size_t)(stop - p->at);
        if (tag)
            n = before_tag(p, p->at, n, tag + 2 < p->end ? tag[2] : ' ', tag[1] == '{');
        p->tok = (nb_jtok){NB_JTK_DATA, p->line, nb_jv_text(p->at, n)};
        move(p, stop);
        if (n)
            return NB_OK;
        if (!tag) {
            p->tok.kind = NB_JTK_EOF;
            return NB_OK;
        }
        if (tag[1] == '#') {
            NB_TRY(skip_comment(p));
            continue;
        }
        if (tag[1] == '%' && word_tag(p, tag, "raw", &close))
            return lex_raw(p, close);
        p->inside = true;
        p->in_tag = tag[1] == '%';
        p->tok.kind = p->in_tag ? NB_JTK_TAG_BEGIN : NB_JTK_PRINT_BEGIN;
        p->at += 2;
        p->at += p->at < p->end && (*p->at == '-' || *p->at == '+');
        return NB_OK;
    }
}

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Digits in base 2, 8, 10, 16 with single underscores between; false: none, or too big. */
static bool read_int(const char *s, size_t n, int base, int64_t *out)
{
    int64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '_')
            continue;
        if (__builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, hex_digit(s[i]), &v))
            return false;
    }
    *out = v;
    return n > 0;
}

static const char *digits(const nb_jparser *p, const char *s, int base)
{
    while (s < p->end && ((hex_digit(*s) >= 0 && hex_digit(*s) < base) ||
                          (*s == '_' && s + 1 < p->end && hex_digit(s[1]) >= 0)))
        s++;
    return s;
}

/* Behind the fraction and exponent that may follow the digits before s. */
static const char *float_tail(const nb_jparser *p, const char *s)
{
    if (s + 1 < p->end && *s == '.' && is_digit(s[1]))
        s = digits(p, s + 1, 10);
    if (s < p->end && (*s == 'e' || *s == 'E')) {
        const char *x = s + 1;
        x += x < p->end && (*x == '+' || *x == '-');
        if (x < p->end && is_digit(*x))
            s = digits(p, x, 10);
    }
    return s;
}

static nb_status lex_float(nb_jparser *p, const char *end)
{
    char text[64];
    size_t n = 0;
    for (const char *s = p->at; s < end; s++)
        if (*s != '_' && n < sizeof text - 1)
            text[n++] = *s;
    text[n] = '\0';
    p->tok.kind = NB_JTK_FLOAT;
    p->tok.v = nb_jv_float(0);
    if (n == sizeof text - 1 || !nb_parse_double(text, &p->tok.v.f))
        return nb_jp_fail(p, NB_FORMAT, p->line, "number %s is out of range", text);
    p->at = end;
    return NB_OK;
}

static nb_status lex_number(nb_jparser *p)
{
    static const struct {
        char letter;
        int base;
    } prefix[] = {{'b', 2}, {'o', 8}, {'x', 16}};
    const char *from = p->at;
    int base = 10;
    for (size_t i = 0; i < countof(prefix); i++)
        if (left(p) > 2 && *from == '0' && (from[1] | 0x20) == prefix[i].letter)
            base = prefix[i].base;
    from += base == 10 ? 0 : 2;
    const char *end = digits(p, from, base), *tail = base == 10 ? float_tail(p, end) : end;
    if (tail > end)
        return lex_float(p, tail);
    p->tok.kind = NB_JTK_INTEGER;
    p->tok.v = nb_jv_int(0);
    if (!read_int(from, (size_t)(end - from), base, &p->tok.v.i))
        return nb_jp_fail(p, NB_FORMAT, p->line, "number %.*s does not fit in 64 bits",
                          end - p->at > 40 ? 40 : (int)(end - p->at), p->at);
    p->at = end;
    return NB_OK;
}

/* \x41 \u00e9 \U0001f642: n hex digits at s as UTF-8. */
static nb_status put_hex(nb_jparser *p, const char *s, const char *end, int n, char **to)
{
    uint32_t cp = 0;
    for (int i = 0; i < n; i++) {
        int d = s + i < end ? hex_digit(s[i]) : -1;
        if (d < 0)
            return nb_jp_fail(p, NB_FORMAT, p->line, "a string has a bad \\ escape");
        cp = cp << 4 | (uint32_t)d;
    }
    size_t used = nb_utf8_put(cp, *to);
    if (!used)
        return nb_jp_fail(p, NB_FORMAT, p->line, "a string names U+%04X, which is no character",
                          (unsigned)cp);
    *to += used;
    return NB_OK;
}

/* The escape at *s, behind its backslash; what is none stays as written, as in Python. */
static nb_status put_escape(nb_jparser *p, const char **s, const char *end, char **to)
{
    static const char plain[] = "\\\\''\"\"n\nt\tr\ra\ab\bf\fv\v";
    char c = *(*s)++;
    int n = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    for (size_t i = 0; i + 1 < sizeof plain; i += 2)
        if (c == plain[i]) {
            *(*to)++ = plain[i + 1];
            return NB_OK;
        }
    if (n) {
        NB_TRY(put_hex(p, *s, end, n, to));
        *s += n;
    } else if (c >= '0' && c <= '7') {
        unsigned v = (unsigned)(c - '0');
        for (int i = 0; i < 2 && *s < end && **s >= '0' && **s <= '7'; i++)
            v = v * 8 + (unsigned)(*(*s)++ - '0');
        *to += nb_utf8_put(v, *to);
    } else if (c == 'N') {
        return nb_jp_fail(p, NB_UNSUPPORTED, p->line, "\\N{...} in a string is not supported");
    } else if (c != '\n') {
        *(*to)++ = '\\';
        *(*to)++ = c;
    }
    return NB_OK;
}

static nb_status lex_string(nb_jparser *p)
{
    const char *from = p->at + 1, *s = from;
    bool escapes = false;
    while (s < p->end && *s != *p->at) {
        escapes = escapes || *s == '\\';
        s += *s == '\\' && s + 1 < p->end ? 2 : 1;
    }
    if (s >= p->end)
        return nb_jp_fail(p, NB_FORMAT, p->line, "a string is never closed");
    p->tok.kind = NB_JTK_STRING;
    p->tok.v = nb_jv_text(from, (size_t)(s - from));
    if (escapes) {
        char *text = NULL, *to;
        NB_TRY(nb_jp_take(p, (uint64_t)(s - from) + 1, 1, &text));
        to = text;
        for (const char *at = from; at < s;) {
            if (*at == '\\') {
                at++;
                NB_TRY(put_escape(p, &at, s, &to));
            } else {
                *to++ = *at++;
            }
        }
        p->tok.v = nb_jv_text(text, (size_t)(to - text));
    }
    count_lines(p, s);
    p->at = s + 1;
    return NB_OK;
}

static bool lex_end(nb_jparser *p)
{
    const char *s = p->at, *close = p->in_tag ? "%}" : "}}";
    char sign = *s;
    if (p->brackets)
        return false;
    s += sign == '-' || (sign == '+' && p->in_tag);
    if (!begins(p, s, close))
        return false;
    p->tok.kind = p->in_tag ? NB_JTK_TAG_END : NB_JTK_PRINT_END;
    p->tok.v = nb_jv_text(close, 2);
    const char *to = p->in_tag ? after_tag(p, s, sign) : s + 2;
    move(p, !p->in_tag && sign == '-' ? skip_space(p, to) : to);
    p->inside = false;
    return true;
}

static nb_status lex_operator(nb_jparser *p)
{
    static const char two[][3] = {"//", "**", "==", "!=", ">=", "<="};
    static const char one[] = "+-*/%~[](){}<>=.:|,;";
    size_t n = strchr(one, *p->at) && *p->at ? 1 : 0;
    for (size_t i = 0; i < countof(two); i++)
        if (begins(p, p->at, two[i]))
            n = 2;
    if (!n)
        return nb_jp_fail(p, NB_FORMAT, p->line, "unexpected character '%c'",
                          *p->at > ' ' && *p->at < 0x7f ? *p->at : '?');
    if (strchr("([{", *p->at))
        p->brackets++;
    if (strchr(")]}", *p->at) && p->brackets)
        p->brackets--;
    p->tok.kind = NB_JTK_OP;
    p->tok.v = nb_jv_text(p->at, n);
    p->at += n;
    return NB_OK;
}

/* Inside of a tag. */
static nb_status lex_inside(nb_jparser *p)
{
    move(p, skip_space(p, p->at));
    p->tok = (nb_jtok){NB_JTK_EOF, p->line, nb_jv_text("", 0)};
    if (p->at == p->end)
        return nb_jp_fail(p, NB_FORMAT, p->line, "the template ends inside a tag");
    if (lex_end(p))
        return NB_OK;
    if (is_digit(*p->at))
        return lex_number(p);
    if (*p->at == '\'' || *p->at == '"')
        return lex_string(p);
    if (!name_start(*p->at))
        return lex_operator(p);
    const char *s = p->at;
    while (s < p->end && (name_start(*s) || is_digit(*s)))
        s++;
    p->tok.kind = NB_JTK_NAME;
    p->tok.v = nb_jv_text(p->at, (size_t)(s - p->at));
    p->at = s;
    return NB_OK;
}

nb_status nb_jp_next(nb_jparser *p)
{
    if (p->has_next) {
        p->has_next = false;
        p->tok = p->next;
        return NB_OK;
    }
    return p->inside ? lex_inside(p) : lex_data(p);
}

nb_status nb_jp_peek(nb_jparser *p)
{
    nb_jtok now = p->tok;
    if (p->has_next)
        return NB_OK;
    NB_TRY(p->inside ? lex_inside(p) : lex_data(p));
    p->next = p->tok;
    p->tok = now;
    p->has_next = true;
    return NB_OK;
}
