#include "core/base/regex.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"

enum { POSITIONS = NB_REGEX_TEXT + 1, MAX_DEPTH = 24, MAX_REPEAT = 1000, NO_LIMIT = -1 };

typedef enum op_kind {
    OP_SET, /* one byte of `set` */
    OP_EMPTY,
    OP_BEGIN,
    OP_END,
    OP_WORD_EDGE,
    OP_NO_EDGE,
    OP_CAT,
    OP_ALT,
    OP_REPEAT,
    OP_AHEAD,
    OP_NOT_AHEAD,
    OP_OPEN, /* only while compiling: group kinds */
    OP_OPEN_AHEAD,
    OP_OPEN_NOT_AHEAD,
} op_kind;

typedef struct op {
    op_kind kind;
    int min, max; /* OP_REPEAT; max NO_LIMIT */
    uint64_t set[4];
} op;

struct nb_regex {
    op *at; /* owned: postfix order */
    size_t n;
};

/* --- compiling ---------------------------------------------------------------------------------
 */

typedef struct compiler {
    const char *pattern, *p;
    nb_regex *re;
    op_kind waiting[NB_REGEX_PATTERN * 2 + 2]; /* operators not yet written: groups, |, sequence */
    size_t n_waiting;
    int depth;    /* operands at once while matching */
    bool operand; /* something stands left of here in this branch */
    nb_err *err;
} compiler;

static nb_status bad(const compiler *c, const char *what)
{
    return nb_fail(c->err, NB_USAGE, "expression \"%.200s\": %s at byte %zu", c->pattern, what,
                   (size_t)(c->p - c->pattern) + 1);
}

static nb_status emit(compiler *c, const op *o)
{
    bool binary = o->kind == OP_CAT || o->kind == OP_ALT, leaf = o->kind <= OP_NO_EDGE;
    c->depth += leaf ? 1 : binary ? -1 : 0;
    if (c->depth > MAX_DEPTH)
        return bad(c, "nested too deeply");
    c->re->at[c->re->n++] = *o;
    return NB_OK;
}

static nb_status emit_kind(compiler *c, op_kind kind)
{
    return emit(c, &(op){.kind = kind});
}

static bool is_open(op_kind k)
{
    return k >= OP_OPEN;
}

/* Writes what waits down to the group's begin, or to operators that bind less than `kind`. */
static nb_status settle(compiler *c, op_kind kind)
{
    while (c->n_waiting) {
        op_kind top = c->waiting[c->n_waiting - 1];
        if (is_open(top) || (kind == OP_CAT && top == OP_ALT))
            return NB_OK;
        NB_TRY(emit_kind(c, top));
        c->n_waiting--;
    }
    return NB_OK;
}

/* Before an operand: a sequence with what stands left of it. */
static nb_status before_operand(compiler *c)
{
    if (c->operand) {
        NB_TRY(settle(c, OP_CAT));
        c->waiting[c->n_waiting++] = OP_CAT;
    }
    c->operand = true;
    return NB_OK;
}

static void set_add(uint64_t set[4], unsigned from, unsigned to)
{
    for (unsigned b = from; b <= to; b++)
        set[b >> 6] |= UINT64_C(1) << (b & 63);
}

static bool set_has(const uint64_t set[4], unsigned char b)
{
    return set[b >> 6] >> (b & 63) & 1;
}

static void set_turn(uint64_t set[4])
{
    for (int i = 0; i < 4; i++)
        set[i] = ~set[i];
}

/* Classes by name: "alpha" of [[:alpha:]], "d" of \d. */
static bool named_class(uint64_t set[4], const char *name, size_t len)
{
    static const struct {
        const char *name, *ranges; /* pairs of first, last */
    } row[] = {
        {"d", "09"},         {"digit", "09"},      {"w", "azAZ09__"},   {"s", "\t\r  "},
        {"space", "\t\r  "}, {"alpha", "azAZ"},    {"alnum", "azAZ09"}, {"lower", "az"},
        {"upper", "AZ"},     {"xdigit", "09afAF"}, {"blank", "  \t\t"}, {"punct", "!/:@[`{~"},
        {"print", " ~"},     {"graph", "!~"},
    };
    for (size_t i = 0; i < countof(row); i++) {
        if (strlen(row[i].name) != len || memcmp(row[i].name, name, len) != 0)
            continue;
        for (const char *r = row[i].ranges; *r; r += 2)
            set_add(set, (unsigned char)r[0], (unsigned char)r[1]);
        return true;
    }
    return false;
}

static int hex_digit(char ch)
{
    if (ch >= '0' && ch <= '9')
        return ch - '0';
    if (ch >= 'a' && ch <= 'f')
        return ch - 'a' + 10;
    return ch >= 'A' && ch <= 'F' ? ch - 'A' + 10 : -1;
}

/* After a backslash, c->p at the letter: a class joins `set` (*byte = -1), or *byte is the one. */
static nb_status escape(compiler *c, uint64_t set[4], int *byte)
{
    static const char from[] = "0bfnrtv", to[] = "\0\b\f\n\r\t\v";
    char ch = *c->p, low = (char)(ch | 32);
    const char *known = ch ? strchr(from, ch) : NULL;
    *byte = -1;
    if (!ch)
        return bad(c, "a backslash ends it");
    c->p++;
    if (low == 'd' || low == 'w' || low == 's') {
        uint64_t own[4] = {0};
        named_class(own, &low, 1);
        if (ch != low)
            set_turn(own);
        for (int i = 0; i < 4; i++)
            set[i] |= own[i];
        return NB_OK;
    }
    if (ch >= '1' && ch <= '9')
        return bad(c, "back references are not supported");
    *byte = (unsigned char)ch;
    if (known) {
        *byte = (unsigned char)to[known - from];
    } else if (ch == 'x' || ch == 'u') {
        *byte = 0;
        for (int left = ch == 'x' ? 2 : 4; left > 0; left--, c->p++) {
            int digit = hex_digit(*c->p);
            if (digit < 0 || *byte > 0x0f)
                return bad(c, "not the number of a byte");
            *byte = *byte * 16 + digit;
        }
    } else if (ch == 'c' && *c->p) {
        *byte = *c->p++ & 31;
    }
    return NB_OK;
}

/* One member of a bracket; *byte = -1: a class, already in set. */
static nb_status member(compiler *c, uint64_t set[4], int *byte)
{
    const char *end;
    *byte = -1;
    if (c->p[0] == '[' && (c->p[1] == ':' || c->p[1] == '.' || c->p[1] == '=')) {
        end = strstr(c->p, ":]");
        if (c->p[1] != ':' || !end || !named_class(set, c->p + 2, (size_t)(end - c->p) - 2))
            return bad(c, "no such class");
        c->p = end + 2;
        return NB_OK;
    }
    if (*c->p == '\\') {
        c->p++;
        return escape(c, set, byte);
    }
    *byte = (unsigned char)*c->p++;
    return NB_OK;
}

/* c->p after "[". */
static nb_status bracket(compiler *c, op *o)
{
    bool turn = *c->p == '^';
    c->p += turn;
    if (*c->p == ']')
        return bad(c, "an empty class");
    while (*c->p && *c->p != ']') {
        int from, to;
        NB_TRY(member(c, o->set, &from));
        to = from;
        if (from >= 0 && c->p[0] == '-' && c->p[1] && c->p[1] != ']') {
            c->p++;
            NB_TRY(member(c, o->set, &to));
            if (to < from)
                return bad(c, "a range that runs backwards");
        }
        if (from >= 0)
            set_add(o->set, (unsigned)from, (unsigned)to);
    }
    if (!*c->p)
        return bad(c, "a class without end");
    c->p++;
    if (turn)
        set_turn(o->set);
    return NB_OK;
}

static nb_status open_group(compiler *c)
{
    op_kind kind = OP_OPEN;
    NB_TRY(before_operand(c));
    if (*c->p == '?') {
        kind = c->p[1] == ':'   ? OP_OPEN
               : c->p[1] == '=' ? OP_OPEN_AHEAD
               : c->p[1] == '!' ? OP_OPEN_NOT_AHEAD
                                : OP_EMPTY;
        if (kind == OP_EMPTY)
            return bad(c, "an unknown kind of group");
        c->p += 2;
    }
    c->waiting[c->n_waiting++] = kind;
    c->operand = false;
    return NB_OK;
}

static nb_status end_branch(compiler *c)
{
    return c->operand ? NB_OK : emit_kind(c, OP_EMPTY);
}

static nb_status close_group(compiler *c)
{
    NB_TRY(end_branch(c));
    NB_TRY(settle(c, OP_ALT));
    if (!c->n_waiting)
        return bad(c, "a \")\" too many");
    op_kind kind = c->waiting[--c->n_waiting];
    c->operand = true;
    if (kind == OP_OPEN)
        return NB_OK;
    return emit_kind(c, kind == OP_OPEN_AHEAD ? OP_AHEAD : OP_NOT_AHEAD);
}

static nb_status number(compiler *c, int *out)
{
    *out = 0;
    if (*c->p < '0' || *c->p > '9')
        return bad(c, "a repeat without a number");
    for (; *c->p >= '0' && *c->p <= '9'; c->p++) {
        *out = *out * 10 + (*c->p - '0');
        if (*out > MAX_REPEAT)
            return bad(c, "more than 1000 repeats");
    }
    return NB_OK;
}

/* ch: * + ? or {, already read. */
static nb_status repeat(compiler *c, char ch)
{
    op o = {.kind = OP_REPEAT, .min = ch == '+', .max = ch == '?' ? 1 : NO_LIMIT};
    if (!c->operand)
        return bad(c, "nothing to repeat");
    if (ch == '{') {
        NB_TRY(number(c, &o.min));
        o.max = o.min;
        if (*c->p == ',') {
            c->p++;
            o.max = NO_LIMIT;
            if (*c->p != '}')
                NB_TRY(number(c, &o.max));
        }
        if (*c->p != '}' || (o.max != NO_LIMIT && o.max < o.min))
            return bad(c, "a repeat that makes no sense");
        c->p++;
    }
    if (*c->p == '?') /* lazy: where it matches first differs, whether it does not */
        c->p++;
    return emit(c, &o);
}

static nb_status atom(compiler *c, char ch)
{
    op o = {.kind = OP_SET};
    int byte = (unsigned char)ch;
    if (ch == '[') {
        NB_TRY(bracket(c, &o));
        byte = -1;
    } else if (ch == '.') {
        set_add(o.set, 0, 255);
        o.set['\n' >> 6] &= ~((UINT64_C(1) << '\n') | (UINT64_C(1) << '\r'));
        byte = -1;
    } else if (ch == '^' || ch == '$') {
        o.kind = ch == '^' ? OP_BEGIN : OP_END;
    } else if (ch == '\\' && (*c->p == 'b' || *c->p == 'B')) {
        o.kind = *c->p++ == 'b' ? OP_WORD_EDGE : OP_NO_EDGE;
    } else if (ch == '\\') {
        NB_TRY(escape(c, o.set, &byte));
    }
    if (o.kind == OP_SET && byte >= 0)
        set_add(o.set, (unsigned)byte, (unsigned)byte);
    NB_TRY(before_operand(c));
    return emit(c, &o);
}

static nb_status compile(compiler *c)
{
    while (*c->p) {
        char ch = *c->p++;
        if (ch == '(') {
            NB_TRY(open_group(c));
        } else if (ch == ')') {
            NB_TRY(close_group(c));
        } else if (ch == '|') {
            NB_TRY(end_branch(c));
            NB_TRY(settle(c, OP_ALT));
            c->waiting[c->n_waiting++] = OP_ALT;
            c->operand = false;
        } else if (strchr("*+?{", ch)) {
            NB_TRY(repeat(c, ch));
        } else {
            NB_TRY(atom(c, ch));
        }
    }
    NB_TRY(end_branch(c));
    NB_TRY(settle(c, OP_ALT));
    return c->n_waiting ? bad(c, "a \"(\" too many") : NB_OK;
}

nb_status nb_regex_open(nb_regex **out, const char *pattern, nb_err *err)
{
    size_t len = strlen(pattern);
    if (len > NB_REGEX_PATTERN)
        return nb_fail(err, NB_USAGE, "expression of %zu bytes, at most %d", len, NB_REGEX_PATTERN);
    nb_regex *re = nb_alloc(1, sizeof *re, "expression", err);
    compiler *c = nb_alloc(1, sizeof *c, "expression", err);
    nb_status st = NB_NOMEM;
    if (!re || !c)
        goto out;
    /* each byte of the pattern writes at most three: an empty branch, itself, its sequence */
    re->at = nb_alloc(3 * len + 2, sizeof *re->at, "expression", err);
    if (!re->at)
        goto out;
    *c = (compiler){.pattern = pattern, .p = pattern, .re = re, .err = err};
    st = compile(c);
out:
    free(c);
    if (st == NB_OK)
        *out = re;
    else
        nb_regex_close(&re);
    return st;
}

void nb_regex_close(nb_regex **re)
{
    if (!*re)
        return;
    free((*re)->at);
    free(*re);
    *re = NULL;
}

/* --- matching ----------------------------------------------------------------------------------
 */

/* to[i]: bit j = a match that begins at position i may end at j. */
typedef struct relation {
    uint64_t to[POSITIONS];
} relation;

static void product(relation *out, const relation *a, const relation *b, size_t n)
{
    relation r = {0};
    for (size_t i = 0; i <= n; i++) {
        r.to[i] = 0;
        for (uint64_t ends = a->to[i]; ends; ends &= ends - 1)
            r.to[i] |= b->to[__builtin_ctzll(ends)];
    }
    memcpy(out->to, r.to, (n + 1) * sizeof *r.to);
}

static void identity(relation *out, size_t n)
{
    for (size_t i = 0; i <= n; i++)
        out->to[i] = UINT64_C(1) << i;
}

/* a between min and max times. Six squarings of "a or nothing" are 64 steps: past the text's end.
 */
static void power(relation *a, int min, int max, size_t n)
{
    relation all = {0}, maybe = *a;
    identity(&all, n);
    for (int k = 0; k < min; k++)
        product(&all, &all, a, n);
    for (size_t i = 0; i <= n; i++)
        maybe.to[i] |= UINT64_C(1) << i;
    if (max == NO_LIMIT) {
        for (int k = 0; k < 6; k++)
            product(&maybe, &maybe, &maybe, n);
        product(&all, &all, &maybe, n);
    } else {
        for (int k = min; k < max; k++)
            product(&all, &all, &maybe, n);
    }
    *a = all;
}

static bool is_word(char ch)
{
    uint64_t set[4] = {0};
    named_class(set, "w", 1);
    return set_has(set, (unsigned char)ch);
}

static bool holds_at(op_kind kind, const char *text, size_t n, size_t i)
{
    bool edge = (i > 0 && is_word(text[i - 1])) != (i < n && is_word(text[i]));
    switch (kind) {
    case OP_BEGIN:
        return i == 0;
    case OP_END:
        return i == n;
    case OP_WORD_EDGE:
        return edge;
    case OP_NO_EDGE:
        return !edge;
    default:
        return true;
    }
}

static void leaf(relation *r, const op *o, const char *text, size_t n)
{
    for (size_t i = 0; i <= n; i++) {
        if (o->kind == OP_SET)
            r->to[i] = i < n && set_has(o->set, (unsigned char)text[i]) ? UINT64_C(2) << i : 0;
        else
            r->to[i] = holds_at(o->kind, text, n, i) ? UINT64_C(1) << i : 0;
    }
}

static void look_ahead(relation *r, bool want, size_t n)
{
    for (size_t i = 0; i <= n; i++)
        r->to[i] = (r->to[i] != 0) == want ? UINT64_C(1) << i : 0;
}

bool nb_regex_search(const nb_regex *re, const char *text)
{
    relation stack[MAX_DEPTH] = {0};
    size_t depth = 0, n = strlen(text);
    if (n > NB_REGEX_TEXT)
        return false;
    for (size_t k = 0; k < re->n; k++) {
        const op *o = &re->at[k];
        if (o->kind <= OP_NO_EDGE) {
            leaf(&stack[depth++], o, text, n);
        } else if (o->kind == OP_CAT) {
            depth--;
            product(&stack[depth - 1], &stack[depth - 1], &stack[depth], n);
        } else if (o->kind == OP_ALT) {
            depth--;
            for (size_t i = 0; i <= n; i++)
                stack[depth - 1].to[i] |= stack[depth].to[i];
        } else if (o->kind == OP_REPEAT) {
            power(&stack[depth - 1], o->min, o->max, n);
        } else {
            look_ahead(&stack[depth - 1], o->kind == OP_AHEAD, n);
        }
    }
    for (size_t i = 0; i <= n; i++)
        if (stack[0].to[i])
            return true;
    return false;
}
