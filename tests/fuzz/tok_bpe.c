/* First byte: which pre-tokenizer. Second: how many merges (0..127); each two bytes, the tokens
 * that join. Then how many more tokens (0..15): kind * 32 + length, spelling. The rest is text. All
 * bytes are tokens, so whatever opens gives any text back (A4, A5), and text never becomes control
 * (A6). */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <string.h>

#include "core/base/str.h"
#include "core/model/tok.h"
#include "core/model/tok_pre.h"

enum { MAX_TOKENS = 2 * 256 + 128 + 16, LONGEST = 96 };

typedef struct vocab {
    char token[MAX_TOKENS][LONGEST + 1];
    size_t len[MAX_TOKENS];
    int32_t kind[MAX_TOKENS];
    size_t n, n_merges;
    nb_str merges;
} vocab;

static void add(vocab *v, const char *text, size_t n, int32_t kind)
{
    memcpy(v->token[v->n], text, n);
    v->len[v->n] = n;
    v->kind[v->n++] = kind;
}

/* bytes_to_unicode of openai/gpt-2 */
static void add_bytes(vocab *v)
{
    uint32_t next = 0x100;
    for (uint32_t b = 0; b < 256; b++) {
        char text[4];
        bool shown = (b > 0x20 && b < 0x7f) || (b > 0xa0 && b != 0xad);
        size_t n = nb_utf8_put(shown ? b : next, text);
        next += !shown;
        add(v, text, n, 1);
    }
}

static void add_merge(vocab *v, size_t left, size_t right)
{
    char both[2 * LONGEST + 1];
    size_t n = v->len[left];
    if (n + v->len[right] > LONGEST)
        return;
    memcpy(both, v->token[left], n);
    both[n] = ' ';
    memcpy(both + n + 1, v->token[right], v->len[right]);
    nb_kv_add_str(&v->merges, both, n + 1 + v->len[right]);
    v->n_merges++;
    memmove(both + n, both + n + 1, v->len[right]);
    add(v, both, n + v->len[right], 1);
}

static void read_vocab(vocab *v, nb_cursor *c)
{
    uint8_t count, left, right, head;
    const uint8_t *text;
    add_bytes(v);
    if (!nb_read_u8(c, &count))
        return;
    for (int i = 0; i < (count & 127) && nb_read_u8(c, &left) && nb_read_u8(c, &right); i++)
        /* the newest tokens are the likeliest to join */
        add_merge(v, left < 128 ? left : v->n - 1 - left % 32,
                  right < 128 ? right : v->n - 1 - right % 32);
    if (!nb_read_u8(c, &count))
        return;
    for (int i = 0; i < (count & 15); i++) {
        if (!nb_read_u8(c, &head) || !nb_read_bytes(c, head & 31, &text))
            return;
        add(v, (const char *)text, head & 31, head >> 5);
    }
}

/* Where characters are merged, bytes are spelled <0x00> to <0xFF>. */
static void add_spelled_bytes(vocab *v)
{
    for (unsigned b = 0; b < 256; b++) {
        char text[8];
        snprintf(text, sizeof text, "<0x%02X>", b);
        add(v, text, 6, 6);
    }
}

static nb_tok *open_vocab(vocab *v, uint8_t which)
{
    static const char *const pres[] = {
#define PRE(name, family, flags) name,
#include "core/model/pretok.def"
#undef PRE
    };
    const char *pre = pres[which % countof(pres)];
    nb_kvs *kvs = NULL;
    nb_tok *t = NULL;
    nb_str tokens = {0};
    nb_err err;
    if (nb_kvs_open(&kvs, &err) != NB_OK)
        return NULL;
    if (nb_pre_find(pre, strlen(pre))->flags & NB_PRE_RAW)
        add_spelled_bytes(v);
    for (size_t i = 0; i < v->n; i++)
        nb_kv_add_str(&tokens, v->token[i], v->len[i]);
    nb_kvs_put_str(kvs, "tokenizer.ggml.model", "gpt2", 4, &err);
    nb_kvs_put_str(kvs, "tokenizer.ggml.pre", pre, strlen(pre), &err);
    nb_kvs_put_strs(kvs, "tokenizer.ggml.tokens", &tokens, v->n, &err);
    nb_kvs_put_strs(kvs, "tokenizer.ggml.merges", &v->merges, v->n_merges, &err);
    nb_kvs_put_i32s(kvs, "tokenizer.ggml.token_type", v->kind, v->n, &err);
    if (nb_tok_open(&t, kvs, &err) != NB_OK)
        fuzz_check(!t && err.msg[0], "a refusal says why");
    nb_kvs_close(&kvs);
    nb_str_free(&tokens);
    return t;
}

static void encode_and_back(const nb_tok *t, const char *text, size_t len, unsigned flags)
{
    size_t n = nb_tok_encode(t, text, len, flags, NULL, 0), back_len;
    fuzz_check(n <= len, "%zu ids for %zu bytes", n, len);
    int32_t *ids = malloc((n + 1) * sizeof *ids);
    fuzz_check(ids && nb_tok_encode(t, text, len, flags, ids, n) == n, "another count");
    for (size_t i = 0; i < n; i++) {
        fuzz_check(ids[i] >= 0 && (uint32_t)ids[i] < nb_tok_count(t), "id %d", ids[i]);
        fuzz_check(flags & NB_TOK_SPECIAL || !nb_tok_is_control(t, ids[i]), "text became control");
    }
    char *back = NULL;
    fuzz_check(nb_tok_decode(t, ids, n, true, flags & NB_TOK_SPECIAL, &back, &back_len, NULL) ==
                   NB_OK,
               "decode");
    fuzz_check(back_len == len && memcmp(back, text, len) == 0, "%zu bytes came back as %zu", len,
               back_len);
    free(back);
    free(ids);
}

FUZZ_TARGET(tok_bpe)
{
    vocab v = {.n = 0};
    nb_cursor c = nb_cursor_make(bytes, n);
    uint8_t which = 0;
    nb_read_u8(&c, &which);
    read_vocab(&v, &c);
    nb_tok *t = open_vocab(&v, which);
    if (t) {
        encode_and_back(t, (const char *)c.at, nb_cursor_left(&c), 0);
        encode_and_back(t, (const char *)c.at, nb_cursor_left(&c), NB_TOK_SPECIAL);
    }
    nb_tok_close(&t);
    nb_str_free(&v.merges);
}
