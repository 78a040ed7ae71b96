/* Pre-tokenizers of byte-level BPE: text is cut into words, and no token crosses two. A family is a
 * list of rules, each the meaning of one regular expression of llama.cpp's (llama-vocab.cpp @
 * 00ad355, unicode.cpp @ 0c4093c), written by hand so that time is linear in any text: the first
 * rule cuts the text into its matches and what lies between them, the next one cuts each of those
 * pieces, and so on.
 *
 * As there, a letter beyond ASCII counts as upper and as lower case, white space beyond ASCII is
 * white space but no newline, and each byte that is no UTF-8 counts as U+FFFD. Private to tok*.c.
 */
#ifndef NIBBLE_TOK_PRE_H
#define NIBBLE_TOK_PRE_H

#include "kernels/nb.h"

enum { NB_PRE_RULES = 6 };

typedef struct nb_pre_text {
    const uint8_t *bytes; /* borrowed */
    const uint8_t *kinds; /* [65536] nb_cp_kind of the code point, borrowed */
} nb_pre_text;

/* True: [at, *to) is a match. False: none begins in [at, *to). at < *to <= end either way. Sees
 * nothing beyond end. */
typedef bool nb_pre_match(const nb_pre_text *x, size_t at, size_t end, const void *arg, size_t *to);

typedef struct nb_pre_rule {
    nb_pre_match *match; /* NULL ends a family */
    const void *arg;
} nb_pre_rule;

enum {                       /* what a name implies */
       NB_PRE_MERGED = 1,    /* a whole word that is a token needs no merges (ignore_merges) */
       NB_PRE_BOS = 2,       /* add_bos_token unless the file says otherwise */
       NB_PRE_NO_BOS_ID = 4, /* no default for bos_token_id */
       NB_PRE_RAW = 8,       /* characters are merged, not bytes; <0x41> spells a byte */
       NB_PRE_MARKS = 16,    /* a space is U+2581, as in SentencePiece */
       NB_PRE_NEWLINES = 32, /* a word of newlines that is a token needs no merges; BOS always */
};

typedef struct nb_pre {
    const char *name;
    const nb_pre_rule *rules; /* ended by match NULL */
    unsigned flags;
} nb_pre;

/* NULL: no such pre-tokenizer is known. name[n] need not be terminated. */
const nb_pre *nb_pre_find(const char *name, size_t n);

/* The words of one stretch of text, in order. */
typedef struct nb_split {
    nb_pre_text text;
    const nb_pre_rule *rules;
    struct {
        size_t at, end;
        size_t found; /* end of a match that begins at `at`; 0: not looked for */
    } level[NB_PRE_RULES];
    int depth; /* deepest level in use, -1 at the end */
} nb_split;

void nb_split_open(nb_split *s, const nb_pre *pre, const nb_pre_text *text, size_t len);
/* False at the end; else [*from, *to), never empty, *from the last *to. */
bool nb_split_next(nb_split *s, size_t *from, size_t *to);

#endif
