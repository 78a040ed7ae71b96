/* What the tests of tokenizers share. */
#ifndef NIBBLE_TEST_TOK_RIG_H
#define NIBBLE_TEST_TOK_RIG_H

#include "core/model/tok.h"

void tok_put_strings(nb_kvs *kvs, const char *key, const char *const *s, size_t n);
/* Closes kvs: the tokenizer keeps its own copy. */
nb_tok *tok_rig_open(nb_kvs *kvs);
/* The ids, malloc'd, *n of them. */
int32_t *tok_rig_encode(const nb_tok *t, const char *text, size_t len, unsigned flags, size_t *n);
void tok_check_ids(const nb_tok *t, const char *text, unsigned flags, const int32_t *want,
                   size_t n_want);
#define check_encode(t, text, flags, ...)                                                          \
    tok_check_ids(t, text, flags, (const int32_t[]){__VA_ARGS__},                                  \
                  sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t))
/* Encoding and decoding gives every byte back. */
void tok_check_round_trip(const nb_tok *t, const char *text, size_t len);
/* ../shared/vocab/ggml-vocab-NAME.gguf: ids of its test strings as llama.cpp computed them; skips
 * when it is not there. */
nb_tok *tok_published(const char *name);
void tok_check_published(const char *name);
/* Opening fails so, and the message holds the word; closes kvs. */
void tok_refuse(nb_kvs *kvs, nb_status want, const char *word_in_text);

#endif
