/* Folders with a tokenizer.json, the keys they become, and checks of those. */
#ifndef NIBBLE_TEST_TOK_JSON_RIG_H
#define NIBBLE_TEST_TOK_JSON_RIG_H

#include "core/files/kv.h"

#define BYTE_LEVEL "{\"type\":\"ByteLevel\",\"use_regex\":true}"

const char *tok_folder(void); /* an empty one */
void tok_put(const char *dir, const char *name, const char *text);
/* The keys; vocab rows, 0 = as many as there are. The caller's. */
nb_kvs *tok_keys_of(const char *dir, uint64_t vocab);
/* This tokenizer.json fails so, and the sentence has the word. */
void tok_refused(const char *json, nb_status want, const char *word);

void tok_check_text(const nb_kvs *kvs, const char *key, const char *want); /* NULL: absent */
void tok_check_item(const nb_kvs *kvs, const char *key, uint64_t i, const char *want);
double tok_number(const nb_kvs *kvs, const char *key, uint64_t i);
int64_t tok_whole(const nb_kvs *kvs, const char *key); /* -1: absent */
int tok_truth(const nb_kvs *kvs, const char *key);     /* 0, 1; -1: absent */

#endif
