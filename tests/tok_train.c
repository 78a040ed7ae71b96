#include "tests/tok_train.h"

#include "tests/check.h"
#include "tests/tok_rig.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

size_t tok_byte_char(unsigned char byte, char out[3])
{
    unsigned cp = byte, next = 0x100;
    for (unsigned b = 0; b < 256; b++) {
        if ((b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae)
            continue;
        if (b == byte)
            cp = next;
        next++;
    }
    memset(out, 0, 3);
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    out[0] = (char)(0xc0 | cp >> 6);
    out[1] = (char)(0x80 | (cp & 0x3f));
    return 2;
}

/* The most frequent pair of neighbours that are in one word; false when none occurs twice. */
static bool best_pair(const uint16_t *ids, size_t n, size_t n_tokens, uint16_t *a, uint16_t *b)
{
    uint32_t *count = calloc(n_tokens * n_tokens, sizeof *count), most = 1;
    for (size_t i = 0; i + 1 < n; i++) {
        if (ids[i + 1] == ' ' || ids[i] == '\n' || ids[i + 1] == '\n')
            continue; /* a space begins a word */
        uint32_t c = ++count[ids[i] * n_tokens + ids[i + 1]];
        if (c > most) {
            most = c;
            *a = ids[i];
            *b = ids[i + 1];
        }
    }
    free(count);
    return most > 1;
}

void tok_train(tok_trained *v, const char *text, size_t len)
{
    uint16_t *ids = calloc(len + 1, sizeof *ids), a, b;
    v->n = 256;
    v->n_merges = 0;
    for (unsigned i = 0; i < 256; i++)
        tok_byte_char((unsigned char)i, v->token[i]);
    for (size_t i = 0; i < len; i++)
        ids[i] = (unsigned char)text[i];
    while (v->n_merges < TOK_TRAIN_MERGES && best_pair(ids, len, v->n, &a, &b)) {
        size_t kept = 0, n_a = strlen(v->token[a]), n_b = strlen(v->token[b]);
        if (n_a + n_b >= sizeof v->token[0])
            break;
        memcpy(v->merge[v->n_merges], v->token[a], n_a);
        v->merge[v->n_merges][n_a] = ' ';
        memcpy(v->merge[v->n_merges++] + n_a + 1, v->token[b], n_b + 1);
        memcpy(v->token[v->n], v->token[a], n_a);
        memcpy(v->token[v->n] + n_a, v->token[b], n_b + 1);
        for (size_t i = 0; i < len; kept++) {
            bool join = i + 1 < len && ids[i] == a && ids[i + 1] == b;
            ids[kept] = join ? (uint16_t)v->n : ids[i];
            i += join ? 2 : 1;
        }
        len = kept;
        v->n++;
    }
    free(ids);
}

nb_kvs *tok_trained_keys(const tok_trained *v, const char *pre)
{
    const char *s[TOK_TRAIN_MAX];
    nb_kvs *kvs = NULL;
    check(nb_kvs_open(&kvs, NULL) == NB_OK, "kvs");
    nb_kvs_put_str(kvs, "tokenizer.ggml.model", "gpt2", 4, NULL);
    nb_kvs_put_str(kvs, "tokenizer.ggml.pre", pre, strlen(pre), NULL);
    for (size_t i = 0; i < v->n; i++)
        s[i] = v->token[i];
    tok_put_strings(kvs, "tokenizer.ggml.tokens", s, v->n);
    for (size_t i = 0; i < v->n_merges; i++)
        s[i] = v->merge[i];
    tok_put_strings(kvs, "tokenizer.ggml.merges", s, v->n_merges);
    return kvs;
}
