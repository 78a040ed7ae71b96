/* A byte-level BPE vocabulary of our own: merges learned from a text, the most frequent pair of
 * neighbours inside words first. */
#ifndef NIBBLE_TEST_TOK_TRAIN_H
#define NIBBLE_TEST_TOK_TRAIN_H

#include "core/files/kv.h"

enum { TOK_TRAIN_MERGES = 400, TOK_TRAIN_MAX = 256 + TOK_TRAIN_MERGES };

typedef struct tok_trained {
    char token[TOK_TRAIN_MAX][64]; /* byte characters: token i < 256 is byte i */
    char merge[TOK_TRAIN_MERGES][132];
    size_t n, n_merges;
} tok_trained;

/* The spelling of a byte (bytes_to_unicode of openai/gpt-2). Returns its length, 1 or 2. */
size_t tok_byte_char(unsigned char byte, char out[3]);
void tok_train(tok_trained *v, const char *text, size_t len);
/* Keys of model "gpt2": these tokens and merges, all of them normal. */
nb_kvs *tok_trained_keys(const tok_trained *v, const char *pre);

#endif
