/* A text as an evaluation reads it: token ids, cut into chunks by a protocol. Protocols score other
 * positions with other pasts, so their figures are not comparable; each has a name that goes with
 * the figures. */
#ifndef NIBBLE_READING_H
#define NIBBLE_READING_H

#include "core/model/tok.h"

typedef enum nb_protocol {
    /* tools/perplexity of llama.cpp (quant.md 4.1): chunks without overlap, BOS in place of each
     * one's first token, the second half scored. Needs 2 * n_ctx tokens. */
    NB_PROTOCOL_LLAMA,
    /* GPTQ and the papers after it: lines joined by blank ones as datasets gives wikitext's rows,
     * chunks without overlap and without a BOS of their own, every position scored. */
    NB_PROTOCOL_PAPERS,
    /* llama-perplexity --ppl-stride: chunks begin `stride` tokens apart, the last `stride` of each
     * are scored. */
    NB_PROTOCOL_STRIDED,
    NB_PROTOCOL_COUNT
} nb_protocol;

const char *nb_protocol_name(nb_protocol p); /* "llama-perplexity", "papers", "strided" */
/* "llama" is short for the first; NB_PROTOCOL_COUNT: no such name. */
nb_protocol nb_protocol_find(const char *name);

typedef struct nb_reading_options {
    nb_protocol protocol;
    uint32_t n_ctx;      /* tokens per chunk, >= 4 */
    uint32_t stride;     /* NB_PROTOCOL_STRIDED: 1..n_ctx - 1 */
    uint32_t max_chunks; /* 0 = all */
} nb_reading_options;

typedef struct nb_reading {
    nb_protocol protocol;
    uint32_t n_ctx, step;  /* tokens of a chunk, from one's first to the next one's */
    uint32_t first, count; /* positions first..first+count-1 are scored: each predicts the next */
    uint32_t chunks;
    uint64_t tokens; /* in the text */
    int32_t bos;     /* in place of each chunk's first token; -1: none */
    int32_t *ids;    /* owned */
    size_t n_ids;
} nb_reading;

/* NB_REFUSED with both numbers when the text is too short, NB_FORMAT for a token outside the
 * model's n_vocab. */
nb_status nb_reading_open(nb_reading *out, const nb_tok *tok, uint32_t n_vocab, const char *text,
                          size_t len, const nb_reading_options *opt, nb_err *err);
/* Chunks by another's figures, over ids that some file brought: ids becomes the reading's. False:
 * they do not hold so many chunks. */
bool nb_reading_of_ids(nb_reading *out, const nb_reading *like, int32_t *ids, size_t n_ids);
void nb_reading_close(nb_reading *r);
/* How it was read, for records and people: the protocol's name, with its stride. */
void nb_protocol_text(char *out, size_t cap, const nb_reading *r);
/* Tokens of chunk c < chunks, as they are evaluated, to out[n_ctx]. */
void nb_reading_chunk(const nb_reading *r, uint32_t c, int32_t *out);

/* One hash of all pieces and control tokens: readings of tokenizers with different ones differ. */
uint64_t nb_vocab_print(const nb_tok *t);
/* NB_REFUSED names the first token in which the two differ. */
nb_status nb_vocab_same(const nb_tok *a, const char *name_a, const nb_tok *b, const char *name_b,
                        nb_err *err);

#endif
