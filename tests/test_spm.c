/* tokenizer.model: pieces, padding, flags, and what hostile bytes may not do (A4). */
#include "tests/check.h"

#include "core/files/hf.h"
#include "tests/util.h"

#include <stdlib.h>
#include <string.h>

typedef struct buf {
    uint8_t at[512];
    size_t n;
} buf;

static void add(buf *b, const void *bytes, size_t n)
{
    memcpy(b->at + b->n, bytes, n);
    b->n += n;
}

/* ModelProto.pieces: {piece, score, type} */
static void piece(buf *b, const char *text, float score, uint8_t type)
{
    uint8_t n = (uint8_t)strlen(text);
    add(b, (uint8_t[]){0x0a, (uint8_t)(n + 9), 0x0a, n}, 4);
    add(b, text, n);
    add(b, "\x15", 1);
    add(b, &score, 4);
    add(b, (uint8_t[]){0x18, type}, 2);
}

static nb_status keys(nb_kvs **kvs, const buf *b, uint64_t vocab, nb_err *err)
{
    uint8_t *exact = malloc(b->n ? b->n : 1);
    memcpy(exact, b->at, b->n);
    check(nb_kvs_open(kvs, NULL) == NB_OK, "kvs");
    err->msg[0] = '\0';
    nb_status st = nb_spm_keys(*kvs, exact, b->n, vocab, "tokenizer.model", err);
    free(exact);
    return st;
}

CHECK_TEST(spm, pieces_become_tokens_and_gaps_are_padded)
{
    buf b = {.n = 0};
    nb_kvs *kvs;
    nb_err err;
    piece(&b, "<unk>", 0, 2);
    piece(&b, "<0x0A>", 0, 6);
    piece(&b, "\xe2\x96\x81the", -1.5f, 1);
    add(&b, "\x1a\x04\x18\x00\x20\x00", 6); /* normalizer_spec: no dummy prefix, keeps blanks */
    check(keys(&kvs, &b, 5, &err) == NB_OK, "%s", err.msg);
    static const struct {
        const char *text;
        double score, type;
    } want[] = {{"<unk>", 0, 2},
                {"<0x0A>", 0, 6},
                {"\xe2\x96\x81the", -1.5, 1},
                {"[PAD3]", -10000, 5},
                {"[PAD4]", -10000, 5}};
    const nb_kv *text = nb_kvs_find(kvs, "tokenizer.ggml.tokens");
    const uint8_t *at = NULL;
    for (size_t i = 0; i < countof(want); i++) {
        const char *s;
        size_t n;
        double score, type;
        check(nb_kv_next_string(text, &at, &s, &n) && n == strlen(want[i].text) &&
                  memcmp(s, want[i].text, n) == 0,
              "token %zu: %.*s", i, (int)n, s);
        check(nb_kv_elem_num(nb_kvs_find(kvs, "tokenizer.ggml.scores"), i, &score) &&
                  score == want[i].score,
              "score %zu", i);
        check(nb_kv_elem_num(nb_kvs_find(kvs, "tokenizer.ggml.token_type"), i, &type) &&
                  type == want[i].type,
              "type %zu", i);
    }
    bool prefix = true;
    check(nb_kvs_bool(kvs, "tokenizer.ggml.add_space_prefix", &prefix) && !prefix, "prefix");
    nb_kvs_close(&kvs);
}

CHECK_TEST(spm, unknown_fields_are_skipped)
{
    buf b = {.n = 0};
    nb_kvs *kvs;
    nb_err err;
    add(&b, "\x12\x02xy", 4);             /* trainer_spec */
    add(&b, "\x28\x96\x01", 3);           /* a varint */
    add(&b, "\x31\1\2\3\4\5\6\7\x08", 9); /* fixed64 */
    add(&b, "\x3d\1\2\3\4", 5);           /* fixed32 */
    piece(&b, "a", 0, 1);
    add(&b, "\x08\x01\x18\x01", 4);          /* pieces and normalizer_spec as varints */
    add(&b, "\x1a\x05\x1a\x01x\x08\x01", 7); /* add_dummy_prefix as bytes; a field before it */
    /* a piece whose three fields come as other wire types, and a fourth of each type */
    add(&b, "\x0a\x0c\x08\x01\x10\x02\x1a\x01x\x20\x01\x22\x01y", 14);
    check(keys(&kvs, &b, 2, &err) == NB_OK, "%s", err.msg);
    const nb_kv *text = nb_kvs_find(kvs, "tokenizer.ggml.tokens");
    const uint8_t *at = NULL;
    const char *s;
    size_t n;
    bool prefix = false;
    check(nb_kv_next_string(text, &at, &s, &n) && n == 1 && *s == 'a', "the first piece");
    check(nb_kv_next_string(text, &at, &s, &n) && n == 0, "a piece without text");
    check(nb_kvs_bool(kvs, "tokenizer.ggml.add_space_prefix", &prefix) && prefix, "prefix");
    nb_kvs_close(&kvs);
}

/* As llama.cpp's converter: the embedding has no rows for the rest. */
CHECK_TEST(spm, pieces_past_the_vocabulary_are_left_out)
{
    buf b = {.n = 0};
    nb_kvs *kvs;
    nb_err err;
    piece(&b, "a", 0, 1);
    piece(&b, "b", 0, 1);
    check(keys(&kvs, &b, 1, &err) == NB_OK, "%s", err.msg);
    check(nb_kvs_find(kvs, "tokenizer.ggml.tokens")->n == 1, "one row, one token");
    nb_kvs_close(&kvs);
}

CHECK_TEST(spm, malformed_models_are_refused)
{
    static const struct {
        const char *what, *bytes;
        size_t n;
        uint64_t vocab;
    } row[] = {
        {"empty", "", 0, 4},
        {"text", "hello, I am no model", 20, 4},
        {"a group", "\x0b", 1, 4},
        {"wire type 7", "\x0f", 1, 4},
        {"piece past the end",
         "\x0a\x7f\x0a\x01"
         "a",
         5, 4},
        {"length 2^64-1", "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, 4},
        {"eleven-byte varint", "\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12, 4},
        {"cut varint", "\x28\xff", 2, 4},
        {"cut tag", "\x80", 1, 4},
        {"field number 2^32", "\x80\x80\x80\x80\x80\x01", 6, 4},
        {"cut fixed64", "\x31\1\2\3", 4, 4},
        {"cut fixed32", "\x3d\1\2\3", 4, 4},
        {"bytes without a length", "\x12", 1, 4},
        {"text past its piece",
         "\x0a\x03\x0a\x09"
         "a",
         5, 4},
        {"cut score", "\x0a\x05\x15\0\0\0", 6, 4},
        {"NaN score",
         "\x0a\x08\x0a\x01"
         "a\x15\0\0\xc0\x7f",
         10, 4},
        {"infinite score",
         "\x0a\x08\x0a\x01"
         "a\x15\0\0\x80\x7f",
         10, 4},
        {"type 0",
         "\x0a\x05\x0a\x01"
         "a\x18\0",
         7, 4},
        {"type 7",
         "\x0a\x05\x0a\x01"
         "a\x18\x07",
         7, 4},
        {"type 2^35",
         "\x0a\x0a\x0a\x01"
         "a\x18\x80\x80\x80\x80\x80\x01",
         12, 4},
        {"no vocabulary",
         "\x0a\x03\x0a\x01"
         "a",
         5, 0},
        {"2^20 + 1 tokens",
         "\x0a\x03\x0a\x01"
         "a",
         5, (1 << 20) + 1},
        {"2^64 - 1 tokens",
         "\x0a\x03\x0a\x01"
         "a",
         5, UINT64_MAX},
        {"cut normalizer",
         "\x0a\x03\x0a\x01"
         "a\x1a\x02\x18\xff",
         9, 4},
    };
    for (size_t i = 0; i < countof(row); i++) {
        buf b = {.n = 0};
        nb_kvs *kvs;
        nb_err err;
        add(&b, row[i].bytes, row[i].n);
        check(keys(&kvs, &b, row[i].vocab, &err) == NB_FORMAT, "%s was accepted", row[i].what);
        check(strstr(err.msg, "tokenizer.model"), "%s: %s", row[i].what, err.msg);
        check(nb_kvs_count(kvs) == 0, "%s left keys behind", row[i].what);
        nb_kvs_close(&kvs);
    }
}

CHECK_TEST(spm, every_cut_of_the_demo_model_is_refused_or_whole)
{
    size_t n, accepted = 0;
    char *model = test_slurp(test_data("nibble-demo/tokenizer.model"), &n);
    check(model, "no demo");
    for (size_t cut = 1; cut < n; cut += cut < 4096 ? 13 : n / 97) {
        nb_kvs *kvs;
        nb_err err;
        uint8_t *exact = malloc(cut);
        memcpy(exact, model, cut);
        check(nb_kvs_open(&kvs, NULL) == NB_OK, "kvs");
        nb_status st = nb_spm_keys(kvs, exact, cut, 2048, "m", &err);
        check(st == NB_OK || (st == NB_FORMAT && err.msg[0]), "cut at %zu: %d", cut, st);
        accepted += st == NB_OK; /* a cut between two pieces is a shorter model */
        nb_kvs_close(&kvs);
        free(exact);
    }
    check(accepted < 100, "%zu cuts passed", accepted);
    free(model);
}
