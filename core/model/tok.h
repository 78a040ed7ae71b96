/* Text <-> token ids, from GGUF tokenizer keys: SentencePiece BPE with byte fallback ("llama"),
 * SentencePiece unigram ("t5"), and byte-level BPE ("gpt2"), whose pre-tokenizer is
 * tokenizer.ggml.pre (pretok.def).
 *
 * Any bytes are accepted, in linear or n log n time (A5). Text never becomes a control token unless
 * NB_TOK_SPECIAL is given, and that is for text of our own templates only (A6). */
#ifndef NIBBLE_TOK_H
#define NIBBLE_TOK_H

#include "core/files/kv.h"

typedef struct nb_tok nb_tok;

enum {
    NB_TOK_BOS = 1,       /* add BOS if the model wants it */
    NB_TOK_SPECIAL = 2,   /* parse special-token spellings (templates only) */
    NB_TOK_NO_PREFIX = 4, /* no space in front even if add_space_prefix: a continuation */
    NB_TOK_EOS = 8,       /* add EOS behind if the model wants it */
};

/* Copies what it needs; kvs may go. NB_UNSUPPORTED names a tokenizer model or pre-tokenizer that it
 * cannot run. */
nb_status nb_tok_open(nb_tok **out, const nb_kvs *kvs, nb_err *err);
void nb_tok_close(nb_tok **t);

/* Writes up to cap ids, returns the count needed (snprintf style). out may be NULL with cap 0.
 * SIZE_MAX: no memory. As llama.cpp, a space goes in front of the text and of what follows a
 * special token when the model asks for it (add_space_prefix). */
size_t nb_tok_encode(const nb_tok *t, const char *text, size_t len, unsigned flags, int32_t *out,
                     size_t cap);
/* The same of a text whose stretches differ in whether special-token spellings are parsed in them;
 * each ends where the next begins. Text of stretches side by side is still encoded as one. */
typedef struct nb_tok_span {
    size_t end; /* offset in the text */
    bool special;
} nb_tok_span;
size_t nb_tok_encode_spans(const nb_tok *t, const char *text, const nb_tok_span *span,
                           size_t n_span, unsigned flags, int32_t *out, size_t cap);
/* Bytes of one token: raw (byte tokens give one byte, spaces unescaped; control tokens give ""
 * unless special). Returns the length; borrowed until close. */
size_t nb_tok_piece(const nb_tok *t, int32_t id, bool special, const char **bytes);
/* Text of ids. The spaces that encode put in are taken out again: behind each special token, and
 * at the beginning when `start`. */
nb_status nb_tok_decode(const nb_tok *t, const int32_t *ids, size_t n, bool start, bool special,
                        char **out, size_t *len, nb_err *err);

uint32_t nb_tok_count(const nb_tok *t);
int32_t nb_tok_bos(const nb_tok *t); /* -1 = none */
int32_t nb_tok_eos(const nb_tok *t);
/* Whether the model wants NB_TOK_BOS or NB_TOK_EOS around a text, and has that token. */
bool nb_tok_adds(const nb_tok *t, unsigned flag);
bool nb_tok_is_end(const nb_tok *t, int32_t id); /* eos, eot, eom: generation stops */
bool nb_tok_is_control(const nb_tok *t, int32_t id);
/* The space that begins the text behind this token was put there by encode and is not shown. */
bool nb_tok_space_follows(const nb_tok *t, int32_t id);
/* Id of an exact special spelling like "<|user|>"; -1. */
int32_t nb_tok_special(const nb_tok *t, const char *spelling);

#endif
