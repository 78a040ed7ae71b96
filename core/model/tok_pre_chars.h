/* Characters as the rules of pre-tokenizers see them, and runs of them. Private to tok_pre_*.c. */
#ifndef NIBBLE_TOK_PRE_CHARS_H
#define NIBBLE_TOK_PRE_CHARS_H

#include "core/base/str.h"
#include "core/base/unicode.h"
#include "core/model/tok_pre.h"

enum { /* sets of kinds, 1 << nb_cp_kind */
       LETTER = 1 << NB_KIND_LETTER,
       MARK = 1 << NB_KIND_MARK,
       NUMBER = 1 << NB_KIND_NUMBER,
       PUNCT = 1 << NB_KIND_PUNCT,
       SYMBOL = 1 << NB_KIND_SYMBOL,
       SPACE = 1 << NB_KIND_SPACE,
       ANY = (1 << NB_KINDS) - 1,
};

typedef struct chr {
    uint32_t cp;   /* white space beyond ASCII: a vertical tab */
    unsigned kind; /* 1 << nb_cp_kind; 0 at the end */
    unsigned n;    /* bytes */
} chr;

static inline chr wide_chr(const nb_pre_text *x, size_t at, size_t end)
{
    uint32_t cp;
    size_t n = nb_utf8_next((const char *)x->bytes + at, end - at, &cp, NULL);
    if (n == 0)
        return (chr){0xfffd, SYMBOL, 1};
    unsigned kind = 1u << (cp < 0x10000 ? x->kinds[cp] : (unsigned)nb_cp_kind_of(cp));
    return (chr){kind == SPACE ? '\v' : cp, kind, (unsigned)n};
}

static inline chr chr_at(const nb_pre_text *x, size_t at, size_t end)
{
    if (at >= end)
        return (chr){0};
    uint8_t b = x->bytes[at];
    return b < 0x80 ? (chr){b, 1u << x->kinds[b], 1} : wide_chr(x, at, end);
}

/* End of the run of such characters that begins at `at`, at most `max` of them. */
static inline size_t run(const nb_pre_text *x, size_t at, size_t end, unsigned kinds, size_t max)
{
    for (chr c; max > 0 && (c = chr_at(x, at, end)).kind & kinds; max--)
        at += c.n;
    return at;
}

static inline bool matched(size_t at, size_t to, size_t *out)
{
    *out = to;
    return to > at;
}

static inline bool no_match(size_t at, chr c, size_t *to)
{
    *to = at + c.n;
    return false;
}

#endif
