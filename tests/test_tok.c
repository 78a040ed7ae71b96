#include "tests/check.h"
#include "tests/tok_rig.h"
#include "tests/util.h"

#include "core/base/job.h"
#include "core/base/str.h"
#include "core/files/hf.h"
#include "core/model/tok.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NORMAL = 1, UNKNOWN, CONTROL, USER, UNUSED, BYTE };

static nb_kvs *new_kvs(void)
{
    nb_kvs *kvs = NULL;
    nb_err err;
    check(nb_kvs_open(&kvs, &err) == NB_OK, "%s", err.msg);
    check(nb_kvs_put_str(kvs, "tokenizer.ggml.model", "llama", 5, &err) == NB_OK, "%s", err.msg);
    return kvs;
}

typedef struct piece {
    const char *text;
    float score;
    int32_t kind;
} piece;

/* A vocabulary of these pieces, then all 256 byte tokens when `bytes`. */
static nb_kvs *vocabulary(const piece *p, size_t n, bool bytes)
{
    const char *text[512];
    float score[512];
    int32_t kind[512];
    static char spelled[256][8];
    for (size_t i = 0; i < n; i++) {
        text[i] = p[i].text;
        score[i] = p[i].score;
        kind[i] = p[i].kind;
    }
    for (int b = 0; b < 256 && bytes; b++, n++) {
        snprintf(spelled[b], sizeof spelled[b], "<0x%02X>", (unsigned)b);
        text[n] = spelled[b];
        score[n] = 0;
        kind[n] = BYTE;
    }
    nb_kvs *kvs = new_kvs();
    tok_put_strings(kvs, "tokenizer.ggml.tokens", text, n);
    check(nb_kvs_put_f32s(kvs, "tokenizer.ggml.scores", score, n, NULL) == NB_OK, "scores");
    check(nb_kvs_put_i32s(kvs, "tokenizer.ggml.token_type", kind, n, NULL) == NB_OK, "types");
    return kvs;
}

static nb_tok *demo(void)
{
    nb_kvs *kvs = NULL;
    nb_err err;
    check(nb_kvs_open(&kvs, &err) == NB_OK, "%s", err.msg);
    check(nb_hf_keys(kvs, test_data("nibble-demo"), &err) == NB_OK, "demo: %s", err.msg);
    return tok_rig_open(kvs);
}

#define M "\xe2\x96\x81" /* the space mark */

static const piece small[] = {
    {"<unk>", 0, UNKNOWN}, {"<s>", 0, CONTROL}, {"</s>", 0, CONTROL}, {"a", -10, NORMAL},
    {"b", -10, NORMAL},    {"ab", -2, NORMAL},  {"ba", -1, NORMAL},   {"aa", -3, NORMAL},
    {M, -9, NORMAL},       {M "a", -4, NORMAL}, {"bab", -5, NORMAL},  {"<x>", 0, USER},
    {"<|y|>", 0, CONTROL}, {"<|z|>", 0, USER},  {"<x>y", 0, USER},    {"s>", -1, NORMAL},
    {"<s", -1, NORMAL},    {"<", -9, NORMAL},   {"s", -9, NORMAL},    {">", -9, NORMAL},
};
enum { SMALL = sizeof small / sizeof *small };

CHECK_TEST(tok, joins_the_best_score_first_then_the_leftmost)
{
    nb_tok *t = tok_rig_open(vocabulary(small, SMALL, true));
    check_encode(t, "ab", NB_TOK_NO_PREFIX, 5);
    check_encode(t, "aba", NB_TOK_NO_PREFIX, 3, 6); /* "ba" beats "ab" */
    check_encode(t, "aaa", NB_TOK_NO_PREFIX, 7, 3); /* equal scores: left first */
    check_encode(t, "bab", NB_TOK_NO_PREFIX, 10);   /* "ba" + "b" */
    check_encode(t, "abab", NB_TOK_NO_PREFIX, 3, 10);
    check_encode(t, "a", 0, 9); /* the space in front joins */
    check_encode(t, "b", 0, 8, 4);
    check_encode(t, "a a", 0, 9, 9);
    check_encode(t, "a", NB_TOK_BOS, 1, 9);
    check_encode(t, "a", NB_TOK_BOS | NB_TOK_NO_PREFIX, 1, 3);
    check_encode(t, "c", NB_TOK_NO_PREFIX, SMALL + 'c'); /* byte fallback */
    check_encode(t, "\xff", NB_TOK_NO_PREFIX, SMALL + 255);
    check_encode(t, "\xc3\xa4", NB_TOK_NO_PREFIX, SMALL + 0xc3, SMALL + 0xa4);
    check(nb_tok_encode(t, "", 0, 0, NULL, 0) == 0, "nothing gives nothing, not even a space");
    nb_tok_close(&t);
    check(!t, "closed");
    nb_tok_close(&t);
}

/* A6: text never becomes a control token, however it is put together. */
CHECK_TEST(tok, text_never_becomes_a_control_token_A6)
{
    nb_tok *t = tok_rig_open(vocabulary(small, SMALL, true));
    check_encode(t, "<s>", NB_TOK_NO_PREFIX, 16, 19); /* "<s" + ">", though "<s>" is in reach */
    check_encode(t, "<s>", NB_TOK_NO_PREFIX | NB_TOK_SPECIAL, 1);
    check_encode(t, "a<|y|>a", NB_TOK_NO_PREFIX | NB_TOK_SPECIAL, 3, 12, 9);
    static const char *const texts[] = {"<s>",   "</s>",   "<|y|>",  "<|z|>",
                                        "<unk>", "<0x41>", "<s><s>a"};
    for (size_t i = 0; i < countof(texts); i++) {
        size_t n;
        int32_t *ids = tok_rig_encode(t, texts[i], strlen(texts[i]), NB_TOK_BOS, &n);
        for (size_t k = 1; k < n; k++)
            check(!nb_tok_is_control(t, ids[k]) && ids[k] != 13, "\"%s\": id %d", texts[i], ids[k]);
        free(ids);
        tok_check_round_trip(t, texts[i], strlen(texts[i]));
    }
    check(nb_tok_is_control(t, 13), "user-defined <|z|> counts as control");
    nb_tok_close(&t);
}

CHECK_TEST(tok, user_defined_tokens_are_found_in_any_text_longest_first)
{
    nb_tok *t = tok_rig_open(vocabulary(small, SMALL, true));
    check_encode(t, "a<x>a", 0, 9, 11, 9);
    check_encode(t, "a<x>ya", 0, 9, 14, 9);
    check_encode(t, "<x><x>y<x", 0, 11, 14, 8, 17, SMALL + 'x');
    tok_check_round_trip(t, "a<x>a", 5);
    tok_check_round_trip(t, "a<x> a <x>y", 11);
    nb_tok_close(&t);
}

/* Phi-3's templates have newlines behind their special tokens that the model never saw. */
CHECK_TEST(tok, phi_3_has_no_space_behind_special_tokens)
{
    nb_kvs *kvs = vocabulary(small, SMALL, true);
    nb_kvs_put_str(kvs, "general.name", "My Phi-3 tune", 13, NULL);
    nb_tok *t = tok_rig_open(kvs);
    check_encode(t, "<|y|>\n a<s> a", NB_TOK_NO_PREFIX | NB_TOK_SPECIAL, 12, 9, 1, 8, 9);
    check_encode(t, "<x> a", NB_TOK_NO_PREFIX, 11, 8, 9); /* not in people's text */
    nb_tok_close(&t);
    kvs = vocabulary(small, SMALL, true);
    nb_kvs_put_str(kvs, "general.name", "Phi-2", 5, NULL);
    t = tok_rig_open(kvs);
    check_encode(t, "<|y|>\na", NB_TOK_NO_PREFIX | NB_TOK_SPECIAL, 12, 8, SMALL + '\n', 3);
    nb_tok_close(&t);
}

CHECK_TEST(tok, pieces_show_what_they_print)
{
    nb_tok *t = tok_rig_open(vocabulary(small, SMALL, true));
    const char *s;
    check(nb_tok_piece(t, 9, false, &s) == 2 && memcmp(s, " a", 2) == 0, "space unescaped");
    check(nb_tok_piece(t, 1, false, &s) == 0, "control tokens print nothing");
    check(nb_tok_piece(t, 1, true, &s) == 3 && memcmp(s, "<s>", 3) == 0, "unless asked");
    check(nb_tok_piece(t, SMALL + 7, false, &s) == 1 && s[0] == 7, "a byte");
    check(nb_tok_piece(t, -1, true, &s) == 0 && nb_tok_piece(t, 1 << 20, true, &s) == 0, "range");
    check(nb_tok_count(t) == SMALL + 256, "count");
    check(nb_tok_bos(t) == 1 && nb_tok_eos(t) == 2, "ids by default");
    check(nb_tok_is_end(t, 2) && !nb_tok_is_end(t, 1) && !nb_tok_is_end(t, -1), "ends");
    check(nb_tok_special(t, "<|y|>") == 12 && nb_tok_special(t, "ab") == -1, "by spelling");
    char *text;
    size_t len;
    const int32_t ids[] = {1, 9, 3, 12, 9};
    check(nb_tok_decode(t, ids, 5, false, true, &text, &len, NULL) == NB_OK, "decode");
    check(strcmp(text, "<s>aa<|y|>a") == 0, "%s", text);
    free(text);
    check(nb_tok_decode(t, ids, 0, true, true, &text, &len, NULL) == NB_OK && len == 0, "empty");
    free(text);
    nb_tok_close(&t);
}

/* The definition, slowly: while two neighbours join to a word, join the best. */
typedef struct sym {
    size_t at, n;
} sym;

static int32_t word(const nb_kvs *kvs, const char *text, sym s, double *score)
{
    const nb_kv *tokens = nb_kvs_find(kvs, "tokenizer.ggml.tokens"),
                *kinds = nb_kvs_find(kvs, "tokenizer.ggml.token_type");
    const uint8_t *at = NULL;
    const char *have;
    size_t n;
    double kind;
    for (int32_t id = 0; nb_kv_next_string(tokens, &at, &have, &n); id++)
        if (n == s.n && memcmp(have, text + s.at, n) == 0 &&
            nb_kv_elem_num(kinds, (uint64_t)id, &kind) && kind == NORMAL)
            return nb_kv_elem_num(nb_kvs_find(kvs, "tokenizer.ggml.scores"), (uint64_t)id, score)
                       ? id
                       : -1;
    return -1;
}

/* text: ASCII without spaces, marks in front of words. Returns ids; unknown symbols end the test.
 */
static size_t plain_spm(const nb_kvs *kvs, const char *text, int32_t *out)
{
    sym s[128];
    size_t count = 0, len = strlen(text);
    double score, best;
    for (size_t at = 0; at < len; count++) {
        s[count] = (sym){at, (text[at] & 0x80) ? 3 : 1};
        at += s[count].n;
    }
    for (size_t pick = 0; pick != SIZE_MAX;) {
        pick = SIZE_MAX;
        best = -INFINITY;
        for (size_t i = 0; i + 1 < count; i++)
            if (word(kvs, text, (sym){s[i].at, s[i].n + s[i + 1].n}, &score) >= 0 && score > best) {
                best = score;
                pick = i;
            }
        if (pick == SIZE_MAX)
            break;
        s[pick].n += s[pick + 1].n;
        memmove(s + pick + 1, s + pick + 2, (--count - pick - 1) * sizeof *s);
    }
    for (size_t i = 0; i < count; i++) {
        out[i] = word(kvs, text, s[i], &score);
        check(out[i] >= 0, "symbol %zu of \"%s\" is no word", i, text);
    }
    return count;
}

CHECK_TEST(tok, ids_are_those_of_the_plain_definition)
{
    nb_kvs *kvs = NULL;
    nb_err err;
    check(nb_kvs_open(&kvs, &err) == NB_OK, "%s", err.msg);
    check(nb_hf_keys(kvs, test_data("nibble-demo"), &err) == NB_OK, "demo: %s", err.msg);
    nb_tok *t = NULL;
    check(nb_tok_open(&t, kvs, &err) == NB_OK, "%s", err.msg);
    test_rng rng = test_rng_make(21);
    for (int round = 0; round < 25; round++) {
        char text[64], marked[160] = M;
        size_t len = 8 + test_below(&rng, 16);
        for (size_t i = 0; i < len; i++)
            text[i] = " etaoinshrdlu_Q4"[test_below(&rng, 16)];
        text[len] = '\0';
        for (size_t i = 0, at = 3; i < len; i++)
            at += (size_t)snprintf(marked + at, sizeof marked - at, text[i] == ' ' ? M : "%c",
                                   text[i]);
        int32_t want[128];
        size_t n = plain_spm(kvs, marked, want);
        tok_check_ids(t, text, 0, want, n);
    }
    nb_tok_close(&t);
    nb_kvs_close(&kvs);
}

CHECK_TEST(tok, demo_spells_as_its_training_did)
{
    nb_tok *t = demo();
    check_encode(t, "What is Q4_K?", NB_TOK_BOS, 1, 479, 349, 491, 2033, 2032, 2013, 2005);
    check_encode(t, "<s><|user|>What is Q4_K?<|end|><|assistant|>", NB_TOK_SPECIAL, 1, 3, 479, 349,
                 491, 2033, 2032, 2013, 2005, 5, 4);
    check_encode(t, "Once upon a time there was a king", NB_TOK_BOS, 1, 1108, 335, 601, 264, 538,
                 439, 314, 264, 769);
    check(nb_tok_is_end(t, 5) && nb_tok_eos(t) == 5 && nb_tok_count(t) == 2048, "keys");
    check(nb_tok_is_control(t, 3) && nb_tok_is_control(t, 4), "roles are control tokens");
    nb_tok_close(&t);
}

/* A5: any bytes come back. */
CHECK_TEST(tok, any_bytes_come_back_A5)
{
    static const char *const bits[] = {" ",
                                       "  ",
                                       "\n",
                                       "a",
                                       "the",
                                       "Q4_K",
                                       "\xc3\xa4",
                                       M,
                                       "\xf0\x9f\x98\x80",
                                       "\xf0\x9f",
                                       "\xff",
                                       "\xe2\x96",
                                       "\xc0\x80",
                                       "<s>",
                                       "<|user|>",
                                       "<0x41>",
                                       "\xed\xa0\x80",
                                       "\t",
                                       "<",
                                       "|>"};
    nb_tok *t = demo();
    test_rng rng = test_rng_make(8);
    for (int round = 0; round < 3000; round++) {
        char text[256];
        size_t len = 0, parts = test_below(&rng, 12);
        for (size_t i = 0; i < parts; i++) {
            if (test_below(&rng, 4) == 0) {
                text[len++] = (char)test_u64(&rng);
                continue;
            }
            const char *bit = bits[test_below(&rng, countof(bits))];
            memcpy(text + len, bit, strlen(bit));
            len += strlen(bit);
        }
        tok_check_round_trip(t, text, len);
    }
    char zeros[64] = {0};
    tok_check_round_trip(t, zeros, sizeof zeros);
    nb_tok_close(&t);
}

/* A5: a mebibyte of one thing. Quadratic work would take minutes, the limit is generous. */
CHECK_TEST(tok, long_runs_take_no_longer_than_their_length_A5)
{
    static const char *const units[] = {"a", " ", "7", "\xf0\x9f\x98\x80", "\xff", M, "e "};
    nb_tok *t = demo();
    enum { LEN = 1 << 20 };
    char *text = malloc(LEN);
    for (size_t u = 0; u < countof(units); u++) {
        size_t k = strlen(units[u]), len = LEN / k * k;
        for (size_t i = 0; i < len; i += k)
            memcpy(text + i, units[u], k);
        double start = nb_now();
        size_t n = nb_tok_encode(t, text, len, 0, NULL, 0);
        check(n > 0 && n != SIZE_MAX, "unit %zu", u);
        check(nb_now() - start < test_within(2), "unit %zu: %g s", u, nb_now() - start);
    }
    free(text);
    nb_tok_close(&t);
}

CHECK_TEST(tok, llama_vocabulary_gives_llama_cpp_ids)
{
    tok_check_published("llama-spm");
}

CHECK_TEST(tok, phi_3_vocabulary_gives_llama_cpp_ids)
{
    tok_check_published("phi-3");
}

/* --- A4: vocabularies that lie -----------------------------------------------------------------
 */

CHECK_TEST(tok, byte_tokens_must_be_spelled_as_bytes_A4)
{
    static const char *const bad[] = {"<0x-1>", "<0xZZ>", "<0x4>",  "<0x414>", "0x41", "",
                                      "<0x4G>", "<0X41>", "<0x+1>", "<0x 1>",  "<0x41"};
    for (size_t i = 0; i < countof(bad); i++) {
        const piece p[] = {{"<unk>", 0, UNKNOWN}, {"a", 0, NORMAL}, {bad[i], 0, BYTE}};
        tok_refuse(vocabulary(p, 3, false), NB_FORMAT, "token 2");
    }
}

CHECK_TEST(tok, keys_of_wrong_type_or_length_are_refused_A4)
{
    const piece p[] = {{"<unk>", 0, UNKNOWN}, {"a", 0, NORMAL}, {"b", 0, NORMAL}};
    const char *const tokens = "tokenizer.ggml.tokens", *const scores = "tokenizer.ggml.scores",
                      *const types = "tokenizer.ggml.token_type";
    const float two[] = {1, 2}, nan[] = {0, NAN, 0}, inf[] = {0, 0, INFINITY};
    const int32_t kinds[][3] = {{2, 1, 7}, {2, -1, 1}, {2, 1, 1 << 30}};
    static const char *const words[] = {"x", "y", "z"};
    nb_kvs *kvs = vocabulary(p, 3, false);
    nb_kvs_drop(kvs, "tokenizer.ggml.model");
    tok_refuse(kvs, NB_UNSUPPORTED, "no tokenizer");
    kvs = vocabulary(p, 3, false);
    nb_kvs_put_str(kvs, "tokenizer.ggml.model", "bert", 4, NULL);
    tok_refuse(kvs, NB_UNSUPPORTED, "bert");
    kvs = vocabulary(p, 3, false);
    nb_kvs_drop(kvs, tokens);
    tok_refuse(kvs, NB_FORMAT, tokens);
    kvs = vocabulary(p, 3, false);
    nb_kvs_put_u32(kvs, tokens, 3, NULL);
    tok_refuse(kvs, NB_FORMAT, tokens);
    kvs = vocabulary(p, 3, false);
    nb_kvs_put_f32s(kvs, tokens, two, 2, NULL);
    tok_refuse(kvs, NB_FORMAT, tokens);
    tok_refuse(vocabulary(p, 0, false), NB_FORMAT, tokens);
    kvs = vocabulary(p, 3, false);
    nb_kvs_put_f32s(kvs, scores, two, 2, NULL);
    tok_refuse(kvs, NB_FORMAT, scores);
    kvs = vocabulary(p, 3, false);
    tok_put_strings(kvs, scores, words, 3);
    tok_refuse(kvs, NB_FORMAT, scores);
    kvs = vocabulary(p, 3, false);
    nb_kvs_put_str(kvs, scores, "1", 1, NULL);
    tok_refuse(kvs, NB_FORMAT, scores);
    kvs = vocabulary(p, 3, false);
    nb_kvs_put_f32s(kvs, scores, nan, 3, NULL);
    tok_refuse(kvs, NB_FORMAT, "token 1");
    kvs = vocabulary(p, 3, false);
    nb_kvs_put_f32s(kvs, scores, inf, 3, NULL);
    tok_refuse(kvs, NB_FORMAT, "token 2");
    for (size_t i = 0; i < countof(kinds); i++) {
        kvs = vocabulary(p, 3, false);
        nb_kvs_put_i32s(kvs, types, kinds[i], 3, NULL);
        tok_refuse(kvs, NB_FORMAT, types);
    }
}

CHECK_TEST(tok, ids_out_of_range_are_refused_A4)
{
    static const char *const keys[] = {"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id",
                                       "tokenizer.ggml.unknown_token_id",
                                       "tokenizer.ggml.eot_token_id",
                                       "tokenizer.ggml.eom_token_id"};
    for (size_t i = 0; i < countof(keys); i++) {
        nb_kvs *kvs = vocabulary(small, SMALL, false);
        nb_kvs_put_u32(kvs, keys[i], SMALL, NULL);
        tok_refuse(kvs, NB_FORMAT, keys[i]);
        kvs = vocabulary(small, SMALL, false);
        nb_kvs_put_i32(kvs, keys[i], -1, NULL);
        tok_refuse(kvs, NB_FORMAT, keys[i]);
        kvs = vocabulary(small, SMALL, false);
        nb_kvs_put_str(kvs, keys[i], "1", 1, NULL);
        tok_refuse(kvs, NB_FORMAT, keys[i]);
        kvs = vocabulary(small, SMALL, false);
        nb_kvs_put_u32(kvs, keys[i], SMALL - 1, NULL);
        nb_tok *t = tok_rig_open(kvs);
        nb_tok_close(&t);
    }
    nb_kvs *kvs = vocabulary(small, SMALL, false);
    nb_kvs_put_u32(kvs, "tokenizer.ggml.add_bos_token", 1, NULL);
    tok_refuse(kvs, NB_FORMAT, "add_bos_token");
}

/* Legal but strange: opens, and every call stays defined. */
CHECK_TEST(tok, strange_vocabularies_stay_defined_A4)
{
    const piece one[] = {{"x", 0, NORMAL}};
    const piece empty[] = {{"", 0, NORMAL}, {"", 0, CONTROL}, {"", 0, USER}, {"", 0, UNKNOWN}};
    const piece twins[] = {{"a", 0, NORMAL}, {"a", 5, NORMAL},   {"<b>", 0, CONTROL},
                           {"<b>", 0, USER}, {"<b>", 0, NORMAL}, {M, 0, NORMAL},
                           {M "a", 0, USER}};
    nb_tok *t = tok_rig_open(vocabulary(one, 1, false));
    check_encode(t, "xy", NB_TOK_NO_PREFIX | NB_TOK_BOS | NB_TOK_SPECIAL, 0,
                 0); /* y: unknown = 0 */
    check(nb_tok_bos(t) == -1 && nb_tok_eos(t) == -1, "no such ids");
    nb_tok_close(&t);
    t = tok_rig_open(vocabulary(empty, 4, true));
    tok_check_round_trip(t, "any thing", 9);
    nb_tok_close(&t);
    t = tok_rig_open(vocabulary(twins, 7, true));
    check_encode(t, "a", NB_TOK_NO_PREFIX, 1);
    check_encode(t, "<b>", NB_TOK_NO_PREFIX | NB_TOK_SPECIAL, 2);
    tok_check_round_trip(t, "a <b> a", 7);
    tok_check_round_trip(t, "aa  a" M "a", 8);
    nb_tok_close(&t);
}
