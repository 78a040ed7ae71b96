/* Private to tok*.c: the vocabulary in memory, and what turns one stretch of text without special
 * tokens into ids, a file per model of tokenizer. Pieces lie back to back in one buffer; two hash
 * tables find them by spelling: what ordinary text may become, and the special tokens that only a
 * template may name. */
#ifndef NIBBLE_TOK_PRIVATE_H
#define NIBBLE_TOK_PRIVATE_H

#include <string.h>

#include "core/model/tok.h"
#include "core/model/tok_pre.h"

enum { /* tokenizer.ggml.token_type */
       NB_PIECE_NONE,
       NB_PIECE_NORMAL,
       NB_PIECE_UNKNOWN,
       NB_PIECE_CONTROL,
       NB_PIECE_USER,
       NB_PIECE_UNUSED,
       NB_PIECE_BYTE,
       NB_PIECE_KINDS
};

typedef struct nb_spell {
    int32_t *slot; /* [mask + 1] id or -1; owned */
    uint32_t mask;
    uint64_t seed;
    uint32_t max_len; /* longest spelling held, bytes */
} nb_spell;

typedef struct nb_special {
    const uint8_t *bytes; /* borrowed: nb_tok.text */
    uint32_t len;
    int32_t id;
    bool user;  /* recognised in any text, not only in templates */
    bool strip; /* white space behind it in a template is left out */
} nb_special;

typedef struct nb_rank { /* a merge of byte-level BPE: two tokens that become one */
    int32_t left, right; /* left -1: free slot */
    int32_t id;
    uint32_t rank; /* place in the list: the lowest goes first */
} nb_rank;

typedef struct nb_merges {
    nb_rank *slot; /* [mask + 1]; owned */
    uint32_t mask;
    uint64_t seed;
} nb_merges;

typedef struct nb_trie_node {
    uint32_t first; /* its children stand together, by byte */
    int32_t id;     /* the piece that ends here, or -1 */
    uint16_t n_kids;
    uint8_t byte;
} nb_trie_node;

typedef struct nb_trie {
    nb_trie_node *node; /* [n], node 0 is the root; owned */
    uint32_t n;
} nb_trie;

typedef struct nb_charsmap {
    uint8_t *bytes; /* [n], NULL: no map; owned */
    size_t n;
    uint32_t n_nodes;
} nb_charsmap;

typedef enum nb_tok_model { NB_TOK_SPM, NB_TOK_BPE, NB_TOK_UNIGRAM } nb_tok_model;

struct nb_tok {
    nb_tok_model model;
    uint32_t n;
    uint8_t *text;      /* spellings, as in the file; owned */
    uint32_t *at;       /* [n + 1] offsets into text; owned */
    uint8_t *shown;     /* what tokens print: spaces unescaped, byte tokens as their byte; owned */
    uint32_t *shown_at; /* [n + 1]; owned */
    float *score;       /* [n]; owned */
    uint8_t *kind;      /* [n] NB_PIECE_*; owned */
    uint8_t *end;       /* [n] 1 = generation stops; owned */
    nb_spell words;     /* normal */
    nb_spell specials;  /* control and user-defined */
    nb_special *sorted; /* [n_sorted] specials by spelling, for matching in text; owned */
    uint32_t n_sorted;
    bool starts[256];     /* first bytes of specials */
    int32_t byte_id[256]; /* -1: no such byte token */
    int32_t bos, eos, unk;
    bool add_bos, add_eos, add_space;
    bool words_split;  /* SPM: no word has a space mark after another character: text may be cut */
    const nb_pre *pre; /* BPE */
    nb_merges merges;  /* BPE */
    uint8_t *char_kinds;  /* BPE: [65536] nb_cp_kind; owned */
    nb_trie trie;         /* unigram: normal pieces */
    nb_charsmap charsmap; /* unigram */
    float unknown_score;  /* unigram: of a character that no piece spells */
    bool merge_spaces;    /* unigram: remove_extra_whitespaces */
    bool own_ids;         /* BPE: special ids have no defaults ("gemma4") */
    bool no_blanks;       /* BPE: white space only parts words and is left out ("whitespace") */
    bool lower;           /* BPE with no_blanks: in lower case */
};

/* -1: not held. */
int32_t nb_spell_find(const nb_tok *t, const nb_spell *s, const uint8_t *bytes, size_t n);
typedef struct nb_spelling {
    const uint8_t *bytes; /* borrowed */
    size_t n;
    int32_t id; /* found; -1: not held */
} nb_spelling;
/* The id of each, as nb_spell_find tells it, several times sooner: what one waits for of memory,
 * a table's place, the piece there, is asked for by many before the first needs it. */
void nb_spell_find_each(const nb_tok *t, const nb_spell *s, nb_spelling *each, size_t n);
/* Tables over the kinds given as bits (1 << NB_PIECE_*); the last of equal spellings is found. */
nb_status nb_spell_build(nb_spell *s, const nb_tok *t, unsigned kinds, nb_err *err);
/* Fills sorted and starts. strip: white space behind them is left out, but for the oldest three. */
nb_status nb_specials_build(nb_tok *t, bool strip, nb_err *err);
/* The longest special that text[0..len) begins with; NULL: none. Without `all` user-defined only.
 */
const nb_special *nb_special_at(const nb_tok *t, const uint8_t *text, size_t len, bool all);

/* n bytes, 1..7, as a number: two loads that may overlap instead of a call of memcpy. */
static inline uint64_t nb_few_bytes(const uint8_t *bytes, size_t n)
{
    uint32_t low, high;
    if (n < 4)
        return bytes[0] | (uint64_t)bytes[n / 2] << n / 2 * 8 |
               (uint64_t)bytes[n - 1] << (n - 1) * 8;
    memcpy(&low, bytes, 4);
    memcpy(&high, bytes + n - 4, 4);
    return low | (uint64_t)high << (n - 4) * 8;
}

static inline uint64_t nb_tok_mix(uint64_t h, uint64_t part)
{
    h = (h ^ part) * 0xff51afd7ed558ccdu;
    return h ^ h >> 32;
}

static inline uint64_t nb_tok_hash(uint64_t seed, const uint8_t *bytes, size_t n)
{
    uint64_t h = seed ^ n * 0x9e3779b97f4a7c15u, part;
    for (; n >= sizeof part; bytes += sizeof part, n -= sizeof part) {
        memcpy(&part, bytes, sizeof part);
        h = nb_tok_mix(h, part);
    }
    if (n > 0)
        h = nb_tok_mix(h, nb_few_bytes(bytes, n));
    h *= 0xc4ceb9fe1a85ec53u;
    return h ^ h >> 29;
}

/* Fills t from GGUF keys; what it made is nb_tok_close's even after a failure. */
nb_status nb_tok_load(nb_tok *t, const nb_kvs *kvs, nb_err *err);

/* Where ids go: counts past cap too. */
typedef struct nb_ids {
    int32_t *out;
    size_t cap, n;
} nb_ids;

void nb_ids_put(nb_ids *ids, int32_t id);

/* --- joining neighbours, best first (tok_merge.c) --- */
typedef struct nb_symbol {
    uint32_t at, len; /* bytes in the text; len 0 = joined to its left */
    int32_t prev, next;
    int32_t id; /* -1: no token */
} nb_symbol;

typedef struct nb_pair { /* two neighbours that could be joined */
    float score;
    int32_t left, right;
    uint32_t len; /* of both when queued: else it is out of date */
    int32_t id;   /* of the joined symbol */
} nb_pair;

/* Whether two neighbours join, how good that is, and what they become. */
typedef bool nb_joins(const nb_tok *t, const uint8_t *text, const nb_symbol *left,
                      const nb_symbol *right, float *score, int32_t *id);

typedef struct nb_merger { /* memory of one encode call; zero-initialise */
    nb_symbol *sym;        /* [cap] */
    nb_pair *heap;         /* [2 * cap]: n - 1 at first, each join takes one and adds two */
    size_t cap, n_heap;
} nb_merger;

/* Room for n symbols. False: no memory, or too many. */
bool nb_merger_reserve(nb_merger *m, size_t n);
/* Joins m->sym[0..n), already filled and linked: the highest score first, then the leftmost. What
 * is left is linked by next from m->sym[0]. */
void nb_merger_join(nb_merger *m, const nb_tok *t, const uint8_t *text, size_t n, nb_joins *joins);
void nb_merger_free(nb_merger *m);

/* --- models --- */
/* Encodes text without special tokens; `space` puts one space mark in front. False: no memory. */
bool nb_spm_encode(const nb_tok *t, nb_merger *m, const uint8_t *text, size_t len, bool space,
                   nb_ids *ids);
bool nb_bpe_encode(const nb_tok *t, nb_merger *m, const uint8_t *text, size_t len, nb_ids *ids);
/* BPE over characters (NB_PRE_RAW). */
bool nb_raw_encode(const nb_tok *t, nb_merger *m, const uint8_t *text, size_t len, nb_ids *ids);

bool nb_unigram_encode(const nb_tok *t, const uint8_t *text, size_t len, bool space, nb_ids *ids);

/* The trie and the character map, once the pieces are there. */
nb_status nb_unigram_load(nb_tok *t, const nb_kvs *kvs, nb_err *err);
nb_status nb_charsmap_load(nb_charsmap *m, const nb_kvs *kvs, nb_err *err);
/* How many bytes of text are written otherwise, and how (*with [*n], borrowed); 0: none. */
size_t nb_charsmap_find(const nb_charsmap *m, const uint8_t *text, size_t len, const uint8_t **with,
                        size_t *n);

/* Merges and byte tokens, once the pieces and t->words are there. */
nb_status nb_bpe_load(nb_tok *t, const nb_kvs *kvs, nb_err *err);
/* The token that ordinary text may become and that reads back the same: a normal one, else a
 * user-defined one that is plain; -1: none. */
int32_t nb_bpe_usable(const nb_tok *t, const uint8_t *spelling, size_t n);
/* Whether a merge joins two symbols that are tokens. */
nb_joins nb_bpe_joins;
/* The bytes that a byte-level spelling stands for, to out[n]; how many. A spelling with other
 * characters is copied. */
uint32_t nb_bpe_show(const uint8_t *spelling, uint32_t n, uint8_t *out);

#endif
