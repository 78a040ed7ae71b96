#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "core/base/str.h"
#include "core/model/tok.h"

/* First byte: how many pieces (1..64), with 128 of a unigram model. Each piece: kind and length (1
 * byte: kind * 32 + length), score (1 byte), spelling. The rest is text to encode. The vocabulary
 * may be refused; one that opens must encode anything, and with all bytes in it give the text back
 * (A4, A5). */
enum { MAX_PIECES = 64 };

typedef struct vocab {
    bool unigram;
    nb_str strings;
    float score[MAX_PIECES + 256];
    int32_t kind[MAX_PIECES + 256];
    size_t n;
} vocab;

static void add(vocab *v, const void *text, size_t n, int kind, float score)
{
    uint64_t len = n;
    nb_str_addn(&v->strings, &len, sizeof len);
    nb_str_addn(&v->strings, text, n);
    v->kind[v->n] = kind;
    v->score[v->n++] = score;
}

static void read_vocab(vocab *v, nb_cursor *c)
{
    uint8_t count, head, score;
    const uint8_t *text;
    if (!nb_read_u8(c, &count))
        return;
    v->unigram = count >= 128;
    for (int i = 0; i <= count % MAX_PIECES; i++) {
        if (!nb_read_u8(c, &head) || !nb_read_u8(c, &score) || !nb_read_bytes(c, head & 31, &text))
            return;
        add(v, text, head & 31, head >> 5, (float)score - 128);
    }
}

static nb_tok *open_vocab(vocab *v)
{
    nb_kvs *kvs = NULL;
    nb_tok *t = NULL;
    nb_err err;
    if (nb_kvs_open(&kvs, &err) != NB_OK)
        return NULL;
    for (int b = 0; b < 256; b++) {
        char spelling[8];
        snprintf(spelling, sizeof spelling, "<0x%02X>", (unsigned)b);
        add(v, spelling, 6, 6, 0);
    }
    nb_kv kv = {.key = "tokenizer.ggml.tokens",
                .type = NB_KV_ARRAY,
                .elem = NB_KV_STRING,
                .n = v->n,
                .nbytes = v->strings.len,
                .v.bytes = (const uint8_t *)nb_str_c(&v->strings)};
    const char *model = v->unigram ? "t5" : "llama";
    nb_kvs_put_str(kvs, "tokenizer.ggml.model", model, strlen(model), &err);
    nb_kvs_put(kvs, &kv, true, &err);
    nb_kvs_put_f32s(kvs, "tokenizer.ggml.scores", v->score, v->n, &err);
    nb_kvs_put_i32s(kvs, "tokenizer.ggml.token_type", v->kind, v->n, &err);
    if (nb_tok_open(&t, kvs, &err) != NB_OK)
        fuzz_check(!t && err.msg[0], "a refusal says why");
    nb_kvs_close(&kvs);
    return t;
}

/* A unigram model takes a literal space mark for a space, as llama.cpp does. */
static bool comes_back(const vocab *v, const char *text, size_t len)
{
    for (size_t i = 0; v->unigram && i + 3 <= len; i++)
        if (memcmp(text + i, "\xe2\x96\x81", 3) == 0)
            return false;
    return true;
}

static void encode_and_back(const nb_tok *t, const vocab *v, const char *text, size_t len,
                            unsigned flags)
{
    size_t n = nb_tok_encode(t, text, len, flags, NULL, 0), back_len;
    fuzz_check(n != SIZE_MAX && n <= len + 2 + 2 * len, "%zu ids for %zu bytes", n, len);
    int32_t *ids = malloc((n + 1) * sizeof *ids);
    fuzz_check(ids && nb_tok_encode(t, text, len, flags, ids, n) == n, "another count");
    for (size_t i = 0; i < n; i++) {
        fuzz_check(ids[i] >= 0 && (uint32_t)ids[i] < nb_tok_count(t), "id %d", ids[i]);
        fuzz_check(flags & NB_TOK_SPECIAL || !nb_tok_is_control(t, ids[i]), "text became control");
    }
    char *back = NULL;
    fuzz_check(nb_tok_decode(t, ids, n, !(flags & NB_TOK_NO_PREFIX), flags & NB_TOK_SPECIAL, &back,
                             &back_len, NULL) == NB_OK,
               "decode");
    fuzz_check(!comes_back(v, text, len) || (back_len == len && memcmp(back, text, len) == 0),
               "%zu bytes came back as %zu", len, back_len);
    free(back);
    free(ids);
}

FUZZ_TARGET(tok)
{
    vocab v = {.n = 0};
    nb_cursor c = nb_cursor_make(bytes, n);
    read_vocab(&v, &c);
    nb_tok *t = open_vocab(&v);
    if (t) {
        const char *text = (const char *)c.at;
        encode_and_back(t, &v, text, nb_cursor_left(&c), 0);
        encode_and_back(t, &v, text, nb_cursor_left(&c), NB_TOK_NO_PREFIX);
        encode_and_back(t, &v, text, nb_cursor_left(&c), NB_TOK_SPECIAL);
    }
    nb_tok_close(&t);
    nb_str_free(&v.strings);
}
