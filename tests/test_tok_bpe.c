/* Byte-level BPE: merges by rank, words, special tokens, any bytes back (A5), hostile keys (A4). */
#include "tests/check.h"
#include "tests/slow_regex.h"
#include "tests/tok_rig.h"
#include "tests/tok_train.h"
#include "tests/util.h"

#include "core/base/job.h"
#include "core/base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

CHECK_TEST(tok_bpe, gpt_2_vocabulary_gives_llama_cpp_ids)
{
    tok_check_published("gpt-2");
}

CHECK_TEST(tok_bpe, falcon_vocabulary_gives_llama_cpp_ids)
{
    tok_check_published("falcon");
}

CHECK_TEST(tok_bpe, mpt_vocabulary_gives_llama_cpp_ids)
{
    tok_check_published("mpt");
}

CHECK_TEST(tok_bpe, refact_vocabulary_gives_llama_cpp_ids)
{
    tok_check_published("refact");
}

CHECK_TEST(tok_bpe, deepseek_llm_vocabulary_gives_llama_cpp_ids)
{
    tok_check_published("deepseek-llm");
}

/* --- a vocabulary of our own --------------------------------------------------------------------
 */

static const tok_trained *trained(void)
{
    static tok_trained v;
    if (!v.n) {
        size_t n;
        char *text = test_slurp(test_data("eval.txt"), &n);
        check(text && n > 10000, "no text to learn from");
        tok_train(&v, text, n < 40000 ? n : 40000);
        check(v.n_merges == TOK_TRAIN_MERGES, "%zu merges", v.n_merges);
        free(text);
    }
    return &v;
}

/* The definition, slowly: one word's bytes, and while a merge applies the earliest in the list is
 * done at its leftmost place. */
static size_t plain_bpe(const tok_trained *v, const char *word, size_t len, int32_t *ids)
{
    for (size_t i = 0; i < len; i++)
        ids[i] = (unsigned char)word[i];
    for (;;) {
        size_t best = v->n_merges, place = 0;
        for (size_t i = 0; i + 1 < len; i++) {
            char both[160];
            snprintf(both, sizeof both, "%s %s", v->token[ids[i]], v->token[ids[i + 1]]);
            for (size_t m = 0; m < best; m++)
                if (strcmp(v->merge[m], both) == 0) {
                    best = m;
                    place = i;
                }
        }
        if (best == v->n_merges)
            return len;
        ids[place] = (int32_t)(256 + best);
        memmove(ids + place + 1, ids + place + 2, (--len - place - 1) * sizeof *ids);
    }
}

static void random_text(test_rng *rng, char *text, size_t cap, size_t *len)
{
    static const char *const bits[] = {" ",    " the",
                                       " of",  "ing",
                                       "and",  "a",
                                       "e",    "'s",
                                       "7",    "2024",
                                       ".",    ", ",
                                       "\n",   "  ",
                                       "\t",   "\xc3\xa4",
                                       "(",    "\xe4\xb8\xad",
                                       " and", "tion",
                                       " to",  "\xf0\x9f\x98\x80"};
    *len = 0;
    for (uint32_t parts = test_below(rng, 14); parts > 0; parts--) {
        const char *bit = bits[test_below(rng, countof(bits))];
        if (*len + strlen(bit) > cap)
            break;
        memcpy(text + *len, bit, strlen(bit));
        *len += strlen(bit);
    }
}

CHECK_TEST(tok_bpe, ids_are_those_of_the_plain_definition)
{
    static const char *const gpt2[] = {
        "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"};
    const tok_trained *v = trained();
    nb_tok *t = tok_rig_open(tok_trained_keys(v, "gpt-2"));
    test_rng rng = test_rng_make(5);
    size_t joined = 0;
    for (int round = 0; round < 400; round++) {
        char text[120];
        int32_t want[120];
        size_t len, ends[120], n = 0, from = 0;
        random_text(&rng, text, sizeof text - 1, &len);
        text[len] = '\0';
        slow_text *slow = slow_text_open(text, len);
        size_t words = slow_split(slow, gpt2, 1, ends);
        slow_text_close(&slow);
        for (size_t w = 0; w < words; from = ends[w++])
            n += plain_bpe(v, text + from, ends[w] - from, want + n);
        tok_check_ids(t, text, 0, want, n);
        joined += len - n;
    }
    check(joined > 1000, "only %zu merges were done", joined);
    nb_tok_close(&t);
}

/* A5: any bytes come back, whichever way words are cut. */
CHECK_TEST(tok_bpe, any_bytes_come_back_A5)
{
    static const char *const pres[] = {"gpt-2",        "llama-bpe",      "qwen2",       "qwen35",
                                       "starcoder",    "tekken",         "gpt-4o",      "default",
                                       "deepseek-llm", "deepseek-coder", "deepseek-v3", "falcon",
                                       "bloom",        "tiny_aya"};
    for (size_t p = 0; p < countof(pres); p++) {
        nb_tok *t = tok_rig_open(tok_trained_keys(trained(), pres[p]));
        test_rng rng = test_rng_make(p);
        for (int round = 0; round < 400; round++) {
            char text[256];
            size_t len = 0, more;
            while (len + 80 < sizeof text && test_below(&rng, 5)) {
                random_text(&rng, text + len, 70, &more);
                len += more;
                for (uint32_t k = test_below(&rng, 4); k > 0; k--)
                    text[len++] = (char)test_u64(&rng);
            }
            tok_check_round_trip(t, text, len);
        }
        nb_tok_close(&t);
    }
}

/* A5: a mebibyte of one thing. */
CHECK_TEST(tok_bpe, long_runs_take_no_longer_than_their_length_A5)
{
    static const char *const units[] = {
        "a",    "e", " ", "7",       "\xf0\x9f\x98\x80", "\xff", "\n", "th", "\xe4\xb8\xad",
        " the", "'", "=", "\xcc\x81"};
    static const char *const pres[] = {"gpt-2", "llama-bpe", "deepseek-llm", "tekken"};
    enum { LEN = 1 << 20 };
    char *text = malloc(LEN);
    for (size_t p = 0; p < countof(pres); p++) {
        nb_tok *t = tok_rig_open(tok_trained_keys(trained(), pres[p]));
        for (size_t u = 0; u < countof(units); u++) {
            size_t k = strlen(units[u]), len = LEN / k * k;
            for (size_t i = 0; i < len; i += k)
                memcpy(text + i, units[u], k);
            double start = nb_now();
            size_t n = nb_tok_encode(t, text, len, 0, NULL, 0);
            check(n > 0 && n != SIZE_MAX, "unit %zu", u);
            check(nb_now() - start < test_within(2), "%s, unit %zu: %g s", pres[p], u,
                  nb_now() - start);
        }
        nb_tok_close(&t);
    }
    free(text);
}

/* --- small vocabularies by hand -----------------------------------------------------------------
 */

enum { NORMAL = 1, UNKNOWN, CONTROL, USER, UNUSED };

typedef struct entry {
    const char *text;
    int32_t kind;
} entry;

/* Letters a..d come as 0..3, then what is given. */
static nb_kvs *by_hand(const char *pre, const entry *e, size_t n, const char *const *merges,
                       size_t n_merges)
{
    const char *text[64] = {"a", "b", "c", "d"};
    int32_t kind[64] = {NORMAL, NORMAL, NORMAL, NORMAL};
    nb_kvs *kvs = NULL;
    check(nb_kvs_open(&kvs, NULL) == NB_OK, "kvs");
    for (size_t i = 0; i < n; i++) {
        text[4 + i] = e[i].text;
        kind[4 + i] = e[i].kind;
    }
    nb_kvs_put_str(kvs, "tokenizer.ggml.model", "gpt2", 4, NULL);
    if (pre)
        nb_kvs_put_str(kvs, "tokenizer.ggml.pre", pre, strlen(pre), NULL);
    tok_put_strings(kvs, "tokenizer.ggml.tokens", text, 4 + n);
    nb_kvs_put_i32s(kvs, "tokenizer.ggml.token_type", kind, 4 + n, NULL);
    tok_put_strings(kvs, "tokenizer.ggml.merges", merges, n_merges);
    return kvs;
}

#define G "\xc4\xa0" /* U+0120, the space */

static const entry few[] = {
    {"ab", NORMAL},       {"bc", NORMAL},   {"abc", NORMAL}, {G, NORMAL},
    {G "a", NORMAL},      {"<e>", CONTROL}, {"<|u|>", USER}, {"aa", USER},
    {"\xc3\xb6", USER},   {"dd", NORMAL},   {"dad", NORMAL}, {"\xc3\x83", NORMAL},
    {"\xc2\xb6", NORMAL},
};
static const char *const few_merges[] = {"b c", "a b", "ab c", G " a", "a bc",
                                         "x y", "d d", "d",    " d"};
enum { AB = 4, BC, ABC, SP, SPA, END, U, AA, OE, DD, DAD, C3, B6 };

CHECK_TEST(tok_bpe, the_earliest_merge_goes_first_then_the_leftmost)
{
    nb_tok *t = tok_rig_open(by_hand("gpt-2", few, countof(few), few_merges, countof(few_merges)));
    check_encode(t, "ab", 0, AB);
    check_encode(t, "abc", 0, ABC); /* b c, then a bc */
    check_encode(t, "abbc", 0, AB, BC);
    check_encode(t, "ddd", 0, DD, 3);
    check_encode(t, "b a", 0, 1, SPA);
    check_encode(t, "dad", 0, 3, 0, 3); /* a token that no merge makes */
    check_encode(t, "a  a", 0, 0, SP, SPA);
    check(nb_tok_encode(t, "", 0, 0, NULL, 0) == 0, "nothing gives nothing");
    tok_check_round_trip(t, "abc ab dd  d a", 14);
    nb_tok_close(&t);
    t = tok_rig_open(by_hand("llama-bpe", few, countof(few), few_merges, countof(few_merges)));
    check_encode(t, "dad", 0, DAD); /* here a word that is a token is that token */
    nb_tok_close(&t);
}

CHECK_TEST(tok_bpe, text_never_becomes_a_control_token_A6)
{
    nb_tok *t =
        tok_rig_open(by_hand("llama-bpe", few, countof(few), few_merges, countof(few_merges)));
    size_t n;
    int32_t *ids = tok_rig_encode(t, "<e><|u|>a", 9, 0, &n);
    check(n == 1 && ids[0] == 0, "%zu ids", n); /* the vocabulary spells none of < > | e u */
    free(ids);
    check_encode(t, "<e><|u|>a", NB_TOK_SPECIAL, END, U, 0);
    check(nb_tok_is_control(t, END) && nb_tok_is_control(t, U), "both are control");
    check_encode(t, "baab", 0, 1, AA, 1); /* user-defined: in any text */
    check_encode(t, "b\xc3\xb6", 0, 1, OE);
    const char *s;
    check(nb_tok_piece(t, OE, false, &s) == 2 && memcmp(s, "\xc3\xb6", 2) == 0, "as it is typed");
    check(nb_tok_piece(t, SPA, false, &s) == 2 && memcmp(s, " a", 2) == 0, "a space");
    check(nb_tok_piece(t, END, false, &s) == 0 && nb_tok_piece(t, END, true, &s) == 3, "control");
    nb_tok_close(&t);
}

/* As llama.cpp: unspelled text is left out, and bytes that are no UTF-8 become U+FFFD if need be.
 */
CHECK_TEST(tok_bpe, bytes_without_a_token_become_what_can_be_said)
{
    static const entry marks[] = {{"\xc3\xaf", NORMAL},
                                  {"\xc2\xbf", NORMAL},
                                  {"\xc2\xbd", NORMAL},
                                  {"\xc3\xb6", USER}}; /* ef bf bd, and what looks like f6 */
    static const char *const none[] = {"a a"};
    nb_tok *t = tok_rig_open(by_hand("gpt-2", marks, countof(marks), none, 1));
    check_encode(t,
                 "a\xff"
                 "b",
                 0, 0, 4, 5, 6, 1);
    check_encode(t,
                 "a\xf6"
                 "b",
                 0, 0, 4, 5, 6, 1);
    check_encode(t, "axb", 0, 0, 1);
    check_encode(t,
                 "a\xc3\xa4"
                 "b",
                 0, 0, 1);
    nb_tok_close(&t);
}

CHECK_TEST(tok_bpe, begin_and_end_follow_llama_cpp)
{
    static const entry many[] = {
        {"e", NORMAL},         {"f", NORMAL},         {"g", NORMAL},           {"h", NORMAL},
        {"i", NORMAL},         {"j", NORMAL},         {"k", NORMAL},           {"<|im_end|>", USER},
        {"<eos>", USER},       {"<|call|>", CONTROL}, {"<|return|>", CONTROL}, {"<|end|>", CONTROL},
        {"<|eot_id|>", NORMAL}};
    static const char *const none[] = {"a b"};
    nb_tok *t = tok_rig_open(by_hand("gpt-2", many, countof(many), none, 1));
    check(nb_tok_bos(t) == 11 && nb_tok_eos(t) == 11, "11 by default");
    check_encode(t, "a", NB_TOK_BOS, 0);
    check(nb_tok_is_end(t, 11) && nb_tok_is_end(t, 12) && nb_tok_is_end(t, 13), "by name");
    check(nb_tok_is_end(t, 16), "<|eot_id|> of no type");
    check(!nb_tok_is_end(t, 15) && !nb_tok_is_end(t, 0), "<|end|> beside <|call|> and <|return|>");
    check(nb_tok_is_control(t, 11) && nb_tok_is_control(t, 12) && nb_tok_is_control(t, 16), "ends");
    nb_tok_close(&t);
    t = tok_rig_open(by_hand("llama-bpe", many, countof(many), none, 1));
    check_encode(t, "a", NB_TOK_BOS, 11, 0);
    nb_tok_close(&t);
    t = tok_rig_open(by_hand("glm4", many, countof(many), none, 1));
    check(nb_tok_bos(t) == -1 && nb_tok_eos(t) == 11, "glm4 has no default BOS");
    nb_tok_close(&t);
    nb_kvs *kvs = by_hand("llama-bpe", many, countof(many), none, 1);
    nb_kvs_put_bool(kvs, "tokenizer.ggml.add_bos_token", false, NULL);
    nb_kvs_put_bool(kvs, "tokenizer.ggml.add_space_prefix", true, NULL);
    nb_kvs_put_u32(kvs, "tokenizer.ggml.eos_token_id", 3, NULL);
    t = tok_rig_open(kvs);
    check_encode(t, "a", NB_TOK_BOS, 0);
    check(nb_tok_eos(t) == 3 && nb_tok_is_end(t, 3) && !nb_tok_space_follows(t, 12), "keys");
    nb_tok_close(&t);
}

CHECK_TEST(tok_bpe, keys_that_lie_are_refused_A4)
{
    static const char *const merges = "tokenizer.ggml.merges";
    const float numbers[] = {1, 2};
    tok_refuse(by_hand("llama-bpe-9", few, 2, few_merges, 2), NB_UNSUPPORTED, "llama-bpe-9");
    nb_kvs *kvs = by_hand("gpt-2", few, 2, few_merges, 2);
    nb_kvs_drop(kvs, merges);
    tok_refuse(kvs, NB_FORMAT, merges);
    kvs = by_hand("gpt-2", few, 2, few_merges, 2);
    nb_kvs_put_f32s(kvs, merges, numbers, 2, NULL);
    tok_refuse(kvs, NB_FORMAT, merges);
    kvs = by_hand("gpt-2", few, 2, few_merges, 2);
    nb_kvs_put_str(kvs, merges, "a b", 3, NULL);
    tok_refuse(kvs, NB_FORMAT, merges);
    kvs = by_hand("gpt-2", few, 2, few_merges, 2);
    nb_kvs_put_u32(kvs, "tokenizer.ggml.pre", 1, NULL);
    tok_refuse(kvs, NB_FORMAT, "tokenizer.ggml.pre");
    nb_tok *t = tok_rig_open(by_hand(NULL, few, 2, few_merges, 2)); /* no pre: "default" */
    check_encode(t, "ab", 0, AB);
    nb_tok_close(&t);
    t = tok_rig_open(by_hand("gpt-2", few, 2, few_merges, 0)); /* no merges at all */
    check_encode(t, "ab", 0, 0, 1);
    nb_tok_close(&t);
}
