/* Private to tok*.c: the vocabulary in memory, and the SentencePiece merge over one stretch of
 * text. Pieces lie back to back in one buffer; two hash tables find them by spelling: what ordinary
 * text may become, and the special tokens that only a template may name. */
#ifndef NIBBLE_TOK_SPM_H
#define NIBBLE_TOK_SPM_H

#include "core/model/tok.h"

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
    bool user; /* recognised in any text, not only in templates */
} nb_special;

struct nb_tok {
    uint32_t n;
    uint8_t *text;      /* spellings, as in the file; owned */
    uint32_t *at;       /* [n + 1] offsets into text; owned */
    uint8_t *shown;     /* what tokens print: spaces unescaped, byte tokens as their byte; owned */
    uint32_t *shown_at; /* [n + 1]; owned */
    float *score;       /* [n]; owned */
    uint8_t *kind;      /* [n] NB_PIECE_*; owned */
    uint8_t *end;       /* [n] 1 = generation stops; owned */
    nb_spell words;     /* normal and user-defined */
    nb_spell specials;  /* control and user-defined */
    nb_special *sorted; /* [n_sorted] specials by spelling, for matching in text; owned */
    uint32_t n_sorted;
    bool starts[256];     /* first bytes of specials */
    int32_t byte_id[256]; /* -1: no such byte token */
    int32_t bos, eos, unk;
    bool add_bos, add_space;
    bool words_split; /* no word has a space mark after another character: text may be cut there */
};

/* -1: not held. */
int32_t nb_spell_find(const nb_tok *t, const nb_spell *s, const uint8_t *bytes, size_t n);
/* Tables over the kinds given as bits (1 << NB_PIECE_*); the last of equal spellings is found. */
nb_status nb_spell_build(nb_spell *s, const nb_tok *t, unsigned kinds, nb_err *err);
/* Fills sorted and starts. */
nb_status nb_specials_build(nb_tok *t, nb_err *err);
/* The longest special that text[0..len) begins with; NULL: none. Without `all` user-defined only.
 */
const nb_special *nb_special_at(const nb_tok *t, const uint8_t *text, size_t len, bool all);

/* Where ids go: counts past cap too. */
typedef struct nb_ids {
    int32_t *out;
    size_t cap, n;
} nb_ids;

void nb_ids_put(nb_ids *ids, int32_t id);
/* Encodes text without special tokens; `space` puts one space mark in front. False: no memory. */
bool nb_spm_encode(const nb_tok *t, const uint8_t *text, size_t len, bool space, nb_ids *ids);

#endif
