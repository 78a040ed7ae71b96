#include "tests/slow_regex.h"

#include "core/base/str.h"
#include "core/base/unicode.h"
#include "tests/check.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* --- text ---------------------------------------------------------------------------------------
 */

struct slow_text {
    size_t n;
    uint32_t *cp;
    nb_cp_kind *kind;
    size_t *at; /* [n + 1] bytes */
};

slow_text *slow_text_open(const char *bytes, size_t n)
{
    slow_text *t = calloc(1, sizeof *t);
    t->cp = calloc(n + 1, sizeof *t->cp);
    t->kind = calloc(n + 1, sizeof *t->kind);
    t->at = calloc(n + 1, sizeof *t->at);
    for (size_t at = 0; at < n; t->n++) {
        uint32_t cp;
        size_t k = nb_utf8_next(bytes + at, n - at, &cp, NULL);
        if (k == 0)
            cp = 0xfffd;
        t->kind[t->n] = nb_cp_kind_of(cp);
        t->cp[t->n] = cp > 0x7f && t->kind[t->n] == NB_KIND_SPACE ? '\v' : cp;
        at += k ? k : 1;
        t->at[t->n + 1] = at;
    }
    return t;
}

void slow_text_close(slow_text **t)
{
    free((*t)->cp);
    free((*t)->kind);
    free((*t)->at);
    free(*t);
    *t = NULL;
}

/* --- compiling: a program of sets and jumps ----------------------------------------------------
 */

typedef enum op_kind { SET, SPLIT, JUMP, LOOK, NOT_LOOK, END, BORDER, ACCEPT } op_kind;
typedef struct op {
    op_kind kind;
    size_t a, b;           /* SPLIT: first and second choice; JUMP, LOOK: where to go on */
    const char *from, *to; /* SET: items */
    bool negated;
} op;
typedef struct program {
    op at[4096];
    size_t n;
    const char *src;
} program;

static size_t emit(program *p, op o)
{
    check(p->n < sizeof p->at / sizeof *p->at, "expression is too long");
    p->at[p->n] = o;
    return p->n++;
}

static size_t char_len(const char *s)
{
    uint32_t cp;
    size_t n = nb_utf8_next(s, strlen(s), &cp, NULL);
    check(n > 0, "expression ends early: %s", s);
    return n;
}

static size_t item_len(const char *s)
{
    if (*s != '\\')
        return char_len(s);
    return s[1] == 'p' ? (size_t)(strchr(s, '}') - s) + 1 : 1 + char_len(s + 1);
}

static void alternatives(program *p);

static void group(program *p)
{
    op_kind look = ACCEPT;
    if (p->src[0] == '?' && p->src[1] == ':')
        p->src += 2;
    else if (p->src[0] == '?') {
        look = p->src[1] == '=' ? LOOK : NOT_LOOK;
        p->src += 2;
    }
    size_t at = look == ACCEPT ? 0 : emit(p, (op){.kind = look});
    alternatives(p);
    check(*p->src == ')', "no ) at %s", p->src);
    p->src++;
    if (look != ACCEPT) {
        emit(p, (op){.kind = ACCEPT});
        p->at[at].a = p->n;
    }
}

static void atom(program *p)
{
    const char *s = p->src;
    if (*s == '(') {
        p->src++;
        group(p);
    } else if (*s == '[') {
        bool negated = s[1] == '^';
        const char *end = s + 1 + negated;
        while (*end != ']')
            end += item_len(end);
        emit(p, (op){.kind = SET, .from = s + 1 + negated, .to = end, .negated = negated});
        p->src = end + 1;
    } else if (*s == '$' || (s[0] == '\\' && s[1] == 'b')) {
        emit(p, (op){.kind = *s == '$' ? END : BORDER});
        p->src += *s == '$' ? 1 : 2;
    } else {
        p->src += item_len(s);
        emit(p, (op){.kind = SET, .from = s, .to = p->src});
    }
}

/* An atom and how often: emitted anew for each time that is a must. */
static void repeated(program *p)
{
    const char *start = p->src;
    size_t begin = p->n;
    unsigned long min = 1, max = 1;
    atom(p);
    char *after = NULL;
    switch (*p->src) {
    case '*':
    case '+':
    case '?':
        min = *p->src == '+';
        max = *p->src == '?' ? 1 : ULONG_MAX;
        after = (char *)(uintptr_t)p->src + 1;
        break;
    case '{':
        min = max = strtoul(p->src + 1, &after, 10);
        if (*after == ',')
            max = strtoul(after + 1, &after, 10);
        after++;
        break;
    default:
        return;
    }
    p->n = begin;
    for (unsigned long i = 0; i < min; i++, p->src = start) {
        p->src = start;
        atom(p);
    }
    size_t split[8], n = 0;
    for (unsigned long i = min; i < max && max != ULONG_MAX; i++) {
        split[n++] = emit(p, (op){.kind = SPLIT, .a = p->n + 1});
        p->src = start;
        atom(p);
    }
    if (max == ULONG_MAX) {
        size_t loop = split[n++] = emit(p, (op){.kind = SPLIT, .a = p->n + 1});
        p->src = start;
        atom(p);
        emit(p, (op){.kind = JUMP, .a = loop});
    }
    while (n > 0)
        p->at[split[--n]].b = p->n;
    p->src = after;
}

static void alternatives(program *p)
{
    size_t jumps[32], n = 0;
    for (;;) {
        size_t split = emit(p, (op){.kind = SPLIT, .a = p->n + 1, .b = SIZE_MAX});
        while (*p->src && *p->src != '|' && *p->src != ')')
            repeated(p);
        if (*p->src != '|')
            break;
        p->src++;
        jumps[n++] = emit(p, (op){.kind = JUMP});
        p->at[split].b = p->n;
    }
    while (n > 0)
        p->at[jumps[--n]].a = p->n;
}

/* --- matching -----------------------------------------------------------------------------------
 */

static uint32_t literal(const char **s)
{
    uint32_t cp;
    bool escaped = **s == '\\';
    *s += escaped;
    *s += nb_utf8_next(*s, strlen(*s), &cp, NULL);
    return escaped && cp == 'r'   ? '\r'
           : escaped && cp == 'n' ? '\n'
           : escaped && cp == 't' ? '\t'
                                  : cp;
}

static bool word_char(uint32_t cp)
{
    return cp < 0x80 &&
           (cp == '_' || (cp >= '0' && cp <= '9') || ((cp | 0x20) >= 'a' && (cp | 0x20) <= 'z'));
}

/* One \x of a class; -1: it is a literal. */
static int class_escape(const char *s, uint32_t cp, nb_cp_kind kind)
{
    static const char letters[] = "LMNPS";
    static const nb_cp_kind kinds[] = {NB_KIND_LETTER, NB_KIND_MARK, NB_KIND_NUMBER, NB_KIND_PUNCT,
                                       NB_KIND_SYMBOL};
    if (s[0] != '\\')
        return -1;
    switch (s[1]) {
    case 's':
        return kind == NB_KIND_SPACE;
    case 'S':
        return kind != NB_KIND_SPACE;
    case 'd':
        return cp >= '0' && cp <= '9';
    case 'p':
        return kind == kinds[strchr(letters, s[3]) - letters];
    default:
        return -1;
    }
}

static bool in_set(const op *o, uint32_t cp, nb_cp_kind kind)
{
    bool in = false;
    for (const char *s = o->from; s < o->to;) {
        int escape = class_escape(s, cp, kind);
        if (escape >= 0) {
            in = in || escape;
            s += item_len(s);
            continue;
        }
        uint32_t first = literal(&s), last = first;
        if (s + 1 < o->to && *s == '-') {
            s++;
            last = literal(&s);
        }
        in = in || (cp >= first && cp <= last);
    }
    return in != o->negated;
}

typedef struct matching {
    const program *p;
    const slow_text *t;
    size_t begin, end; /* the stretch that the expression sees */
} matching;

static bool border(const matching *m, size_t at)
{
    bool before = at > m->begin && word_char(m->t->cp[at - 1]);
    return before != (at < m->end && word_char(m->t->cp[at]));
}

/* End of the match from pc at `at`, or SIZE_MAX. */
static size_t match(const matching *m, size_t pc, size_t at)
{
    for (;;) {
        const op *o = &m->p->at[pc++];
        size_t got;
        switch (o->kind) {
        case SET:
            if (at >= m->end || !in_set(o, m->t->cp[at], m->t->kind[at]))
                return SIZE_MAX;
            at++;
            break;
        case SPLIT:
            got = match(m, o->a, at);
            if (got != SIZE_MAX || o->b == SIZE_MAX)
                return got;
            pc = o->b;
            break;
        case JUMP:
            pc = o->a;
            break;
        case LOOK:
        case NOT_LOOK:
            if ((match(m, pc, at) != SIZE_MAX) != (o->kind == LOOK))
                return SIZE_MAX;
            pc = o->a;
            break;
        case END:
            if (at != m->end)
                return SIZE_MAX;
            break;
        case BORDER:
            if (!border(m, at))
                return SIZE_MAX;
            break;
        case ACCEPT:
            return at;
        }
    }
}

/* --- splitting ----------------------------------------------------------------------------------
 */

static size_t split_once(matching *m, size_t *ends, size_t n)
{
    size_t start = m->begin;
    for (size_t at = m->begin; at < m->end;) {
        size_t to = match(m, 0, at);
        if (to != SIZE_MAX && at > start)
            ends[n++] = start = at;
        if (to == SIZE_MAX || to == at) {
            at++;
            continue;
        }
        ends[n++] = to;
        at = start = to;
    }
    if (start < m->end)
        ends[n++] = m->end;
    return n;
}

size_t slow_split(const slow_text *t, const char *const *regex, size_t n, size_t *ends)
{
    size_t *had = calloc(t->n + 1, sizeof *had), n_ends = t->n > 0;
    program *p = malloc(sizeof *p); /* 196 KiB, of which little is touched */
    ends[0] = t->n;
    for (size_t i = 0; i < n; i++) {
        size_t n_had = n_ends, from = 0;
        p->src = regex[i];
        p->n = 0;
        alternatives(p);
        check(!*p->src, "expression goes on: %s", p->src);
        emit(p, (op){.kind = ACCEPT});
        memcpy(had, ends, n_had * sizeof *had);
        n_ends = 0;
        for (size_t k = 0; k < n_had; from = had[k++]) {
            matching m = {p, t, from, had[k]};
            n_ends = split_once(&m, ends, n_ends);
        }
    }
    for (size_t k = 0; k < n_ends; k++)
        ends[k] = t->at[ends[k]];
    free(had);
    free(p);
    return n_ends;
}
