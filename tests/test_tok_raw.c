/* BPE over characters: Gemma 4's and its like, whose spaces are U+2581 and whose bytes are <0x00>
 * to <0xFF>, and the tokenizer "whitespace". Ids as llama.cpp gives them for ggml-vocab-gemma-4,
 * told here by a vocabulary small enough to follow by hand. */
#include "tests/check.h"
#include "tests/tok_rig.h"
#include "tests/util.h"

#include "core/base/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NORMAL = 1, CONTROL = 3, USER = 4, BYTE = 6 };
enum { A, B, MK, MKA, AB, NL2, CTRL, USR, E_ACUTE, WORD, BYTES };

#define MARK "\xe2\x96\x81"

static const char *const pieces[] = {"a",    "b",   MARK,   MARK "a",   "ab",
                                     "\n\n", "<c>", "<us>", "\xc3\xa9", "abab"};
static const int32_t kinds[] = {NORMAL, NORMAL,  NORMAL, NORMAL, NORMAL,
                                NORMAL, CONTROL, USER,   NORMAL, NORMAL};
static const char *const merges[] = {"a b", MARK " a"};

static nb_kvs *vocabulary(const char *model, const char *pre, bool bytes)
{
    const char *text[BYTES + 256];
    static char spelled[256][8];
    int32_t kind[BYTES + 256];
    size_t n = BYTES;
    nb_kvs *kvs = NULL;
    check(nb_kvs_open(&kvs, NULL) == NB_OK, "kvs");
    for (size_t i = 0; i < BYTES; i++) {
        text[i] = pieces[i];
        kind[i] = kinds[i];
    }
    for (unsigned i = 0; bytes && i < 256; i++, n++) {
        snprintf(spelled[i], sizeof spelled[i], "<0x%02X>", i);
        text[n] = spelled[i];
        kind[n] = BYTE;
    }
    nb_kvs_put_str(kvs, "tokenizer.ggml.model", model, strlen(model), NULL);
    if (pre)
        nb_kvs_put_str(kvs, "tokenizer.ggml.pre", pre, strlen(pre), NULL);
    tok_put_strings(kvs, "tokenizer.ggml.tokens", text, n);
    nb_kvs_put_i32s(kvs, "tokenizer.ggml.token_type", kind, n, NULL);
    tok_put_strings(kvs, "tokenizer.ggml.merges", merges, countof(merges));
    return kvs;
}

CHECK_TEST(tok_raw, gemma_4_merges_characters_and_marks_spaces)
{
    nb_tok *t = tok_rig_open(vocabulary("gemma4", NULL, true));
    check_encode(t, "ab", 0, AB);
    check_encode(t, "abab", 0, AB, AB); /* a token that no merge makes */
    check_encode(t, "ab a", 0, AB, MKA);
    check_encode(t, "a  a", 0, A, MK, MKA);
    check_encode(t, "\xc3\xa9", 0, E_ACUTE);
    check_encode(t, "\n\n", 0, NL2); /* newlines alone need no merge */
    check_encode(t, "a\n\nb", 0, A, NL2, B);
    check_encode(t, "\n", 0, BYTES + '\n');
    check_encode(t, "c", 0, BYTES + 'c');
    check_encode(t, "\xc3\xa4", 0, BYTES + 0xc3, BYTES + 0xa4);
    check_encode(t,
                 "a\xff"
                 "b",
                 0, A, BYTES + 0xff, B);
    check_encode(t, MARK "a", 0, BYTES + 0xe2, BYTES + 0x96, BYTES + 0x81, A); /* not a space */
    tok_check_round_trip(t, "ab a\n\n \xc3\xa9 " MARK "a\xff\n", 17);
    nb_tok_close(&t);
}

CHECK_TEST(tok_raw, gemma_4_has_bos_whatever_the_key_and_no_default_ids)
{
    nb_kvs *kvs = vocabulary("gemma4", NULL, true);
    nb_kvs_put_bool(kvs, "tokenizer.ggml.add_bos_token", false, NULL);
    nb_tok *t = tok_rig_open(kvs);
    check(nb_tok_bos(t) == -1 && nb_tok_eos(t) == -1, "ids %d %d", nb_tok_bos(t), nb_tok_eos(t));
    nb_tok_close(&t);
    kvs = vocabulary("gemma4", NULL, true);
    nb_kvs_put_bool(kvs, "tokenizer.ggml.add_bos_token", false, NULL);
    nb_kvs_put_u32(kvs, "tokenizer.ggml.bos_token_id", CTRL, NULL);
    t = tok_rig_open(kvs);
    check_encode(t, "a", NB_TOK_BOS, CTRL, A);
    nb_tok_close(&t);
    kvs = vocabulary("gpt2", "sarvam-moe", true); /* the same cut, but the key counts */
    nb_kvs_put_bool(kvs, "tokenizer.ggml.add_bos_token", false, NULL);
    nb_kvs_put_u32(kvs, "tokenizer.ggml.bos_token_id", CTRL, NULL);
    t = tok_rig_open(kvs);
    check_encode(t, "ab a", NB_TOK_BOS, AB, MKA);
    check_encode(t, "\n\n", 0, BYTES + '\n', BYTES + '\n');
    nb_tok_close(&t);
}

CHECK_TEST(tok_raw, text_never_becomes_a_control_token_A6)
{
    nb_tok *t = tok_rig_open(vocabulary("gemma4", NULL, true));
    check_encode(t, "<c>", 0, BYTES + '<', BYTES + 'c', BYTES + '>');
    check_encode(t, "<c>a", NB_TOK_SPECIAL, CTRL, A);
    check_encode(t, "a<us>b", 0, A, USR, B);
    nb_tok_close(&t);
}

CHECK_TEST(tok_raw, whitespace_only_parts_words)
{
    nb_tok *t = tok_rig_open(vocabulary("whitespace", "whitespace", true));
    check_encode(t,
                 " ab\t a \n\xe3\x80\x80"
                 "b",
                 0, AB, A, B);
    check_encode(t, "AB", 0, BYTES + 'A', BYTES + 'B');
    nb_tok_close(&t);
    nb_kvs *kvs = vocabulary("whitespace", "whitespace", true);
    nb_kvs_put_bool(kvs, "tokenizer.ggml.normalizer.lowercase", true, NULL);
    t = tok_rig_open(kvs);
    check_encode(t, "AB \xc3\x89", 0, AB, E_ACUTE);
    check_encode(t, "\xc3\x84", 0, BYTES + 0xc3, BYTES + 0xa4); /* U+00E4 in bytes */
    nb_tok_close(&t);
}

CHECK_TEST(tok_raw, text_without_byte_tokens_is_left_out)
{
    nb_tok *t = tok_rig_open(vocabulary("gemma4", NULL, false));
    check_encode(t, "axb\xff", 0, A, B);
    check_encode(t, MARK "a", 0, MKA); /* a literal mark cannot be told from a space */
    nb_tok_close(&t);
}

CHECK_TEST(tok_raw, long_lines_take_no_longer_than_their_length_A5)
{
    enum { LEN = 1 << 20 };
    nb_tok *t = tok_rig_open(vocabulary("gemma4", NULL, true));
    char *text = malloc(LEN);
    static const char *const units[] = {"a", "ab", " ", " a", "\n", "\xff", "x"};
    for (size_t u = 0; u < countof(units); u++) {
        size_t n, k = strlen(units[u]), len = LEN / k * k;
        for (size_t i = 0; i < len; i += k)
            memcpy(text + i, units[u], k);
        double start = nb_now();
        free(tok_rig_encode(t, text, len, 0, &n));
        check(nb_now() - start < test_within(4), "\"%s\": %g s", units[u], nb_now() - start);
        check(n > 0 && n <= len, "%zu ids", n);
    }
    free(text);
    nb_tok_close(&t);
}
