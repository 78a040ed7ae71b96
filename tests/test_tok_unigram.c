/* SentencePiece unigram: the best sum of scores, spaces, unknown characters, character maps. */
#include "tests/check.h"
#include "tests/tok_rig.h"
#include "tests/util.h"

#include "core/base/job.h"
#include "core/base/str.h"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NORMAL = 1, UNKNOWN, CONTROL, USER, UNUSED, BYTE };

#define M "\xe2\x96\x81"

typedef struct piece {
    const char *text;
    float score;
    int32_t kind;
} piece;

static const piece few[] = {
    {"<pad>", 0, CONTROL}, {"</s>", 0, CONTROL}, {"<unk>", 0, UNKNOWN},    {M, -2, NORMAL},
    {"a", -3, NORMAL},     {"b", -3.5f, NORMAL}, {"c", -4, NORMAL},        {"ab", -4.25f, NORMAL},
    {"abc", -9, NORMAL},   {"bc", -5, NORMAL},   {M "a", -3.25f, NORMAL},  {M "ab", -6, NORMAL},
    {"<x>", 0, USER},      {"<s", -1, NORMAL},   {"\xc3\xa4", -5, NORMAL}, {"aa", -4, NORMAL},
    {"unused", 0, UNUSED}, {"ca", -6, NORMAL},
};
enum { UNK = 2, SP, A, B, C, AB, ABC, BC, SPA, SPAB, X, LS, AE, AA, UN, CA };

static nb_kvs *vocabulary(const piece *p, size_t n, bool bytes)
{
    static char spelled[256][8];
    const char *text[512];
    float score[512];
    int32_t kind[512];
    nb_kvs *kvs = NULL;
    check(nb_kvs_open(&kvs, NULL) == NB_OK, "kvs");
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
    nb_kvs_put_str(kvs, "tokenizer.ggml.model", "t5", 2, NULL);
    tok_put_strings(kvs, "tokenizer.ggml.tokens", text, n);
    nb_kvs_put_f32s(kvs, "tokenizer.ggml.scores", score, n, NULL);
    nb_kvs_put_i32s(kvs, "tokenizer.ggml.token_type", kind, n, NULL);
    return kvs;
}

CHECK_TEST(tok_unigram, the_best_sum_of_scores_wins)
{
    nb_tok *t = tok_rig_open(vocabulary(few, countof(few), false));
    check_encode(t, "ab", 0, AB);
    check_encode(t, "abc", 0, A, BC); /* -8, abc is -9, ab c -8.25 */
    check_encode(t, "aaa", 0, A, AA); /* equal sums: what came first stays */
    check_encode(t, "ca", 0, CA);
    check_encode(t, " a", 0, SPA);
    check_encode(t, "a ab", 0, A, SPAB);
    check_encode(t, "a  ab", 0, A, SP, SPAB);
    check_encode(t, "\xc3\xa4", 0, AE);
    check_encode(t, "a<x>b", 0, A, X, B);
    check_encode(t, "azb", 0, A, UNK, B);
    check_encode(t, "azzyb", 0, A, UNK, B); /* a run of unknown ones is one */
    check_encode(t, "z", 0, UNK);
    check_encode(t, "unused", 0, UNK);
    check(nb_tok_encode(t, "", 0, 0, NULL, 0) == 0, "nothing gives nothing");
    check(nb_tok_bos(t) == -1 && nb_tok_eos(t) == 1, "T5's defaults");
    size_t n;
    int32_t *ids = tok_rig_encode(t, "</s><pad>", 9, 0, &n);
    for (size_t i = 0; i < n; i++)
        check(!nb_tok_is_control(t, ids[i]), "text became control");
    free(ids);
    check_encode(t, "a</s>", NB_TOK_SPECIAL, A, 1);
    nb_tok_close(&t);
}

CHECK_TEST(tok_unigram, spaces_follow_the_keys)
{
    nb_kvs *kvs = vocabulary(few, countof(few), false);
    nb_kvs_put_bool(kvs, "tokenizer.ggml.add_space_prefix", true, NULL);
    nb_tok *t = tok_rig_open(kvs);
    check_encode(t, "a", 0, SPA);
    check_encode(t, "a", NB_TOK_NO_PREFIX, A);
    check_encode(t, "a<x>a", 0, SPA, X, SPA);
    tok_check_round_trip(t, "ab a<x>a  b ", 12);
    nb_tok_close(&t);
    kvs = vocabulary(few, countof(few), false);
    nb_kvs_put_bool(kvs, "tokenizer.ggml.add_space_prefix", true, NULL);
    nb_kvs_put_bool(kvs, "tokenizer.ggml.remove_extra_whitespaces", true, NULL);
    t = tok_rig_open(kvs);
    check_encode(t, "  a   a ", 0, SPA, SPA);
    nb_tok_close(&t);
}

CHECK_TEST(tok_unigram, bytes_spell_what_no_piece_does)
{
    nb_tok *t = tok_rig_open(vocabulary(few, countof(few), true));
    const int32_t byte = countof(few);
    check_encode(t, "azb", 0, A, byte + 'z', B);
    check_encode(t, "\xe4\xb8\xad", 0, byte + 0xe4, byte + 0xb8, byte + 0xad);
    check_encode(t, "\xff\xc3", 0, byte + 0xff, byte + 0xc3);
    test_rng rng = test_rng_make(4);
    for (int round = 0; round < 2000; round++) {
        char text[40];
        size_t len = test_below(&rng, sizeof text);
        for (size_t i = 0; i < len; i++) {
            char any = (char)test_u64(&rng);
            text[i] = test_below(&rng, 3) ? "ab c<x>"[test_below(&rng, 7)] : any;
        }
        tok_check_round_trip(t, text, len);
    }
    nb_tok_close(&t);
}

/* The definition, slowly: the best sum over every way to cut the text into pieces. */
static double best_sum(const char *s, size_t len, double *memo)
{
    if (len == 0)
        return 0;
    if (memo[len] != 0)
        return memo[len];
    double best = -DBL_MAX;
    for (size_t p = 0; p < countof(few); p++) {
        size_t n = strlen(few[p].text);
        if (few[p].kind == NORMAL && n <= len && memcmp(few[p].text, s + len - n, n) == 0) {
            double sum = best_sum(s, len - n, memo) + few[p].score;
            best = sum > best ? sum : best;
        }
    }
    return memo[len] = best;
}

CHECK_TEST(tok_unigram, sums_are_those_of_the_plain_definition)
{
    nb_tok *t = tok_rig_open(vocabulary(few, countof(few), false));
    test_rng rng = test_rng_make(9);
    for (int round = 0; round < 3000; round++) {
        char text[64], marked[200] = "", shown[200] = "";
        double memo[200] = {0}, sum = 0;
        size_t len = 1 + test_below(&rng, 24), n;
        for (size_t i = 0; i < len; i++) {
            text[i] = "aabbc "[test_below(&rng, 6)];
            if (text[i] == ' ')
                strcat(marked, M);
            else
                strcat(marked, (char[]){text[i], '\0'});
        }
        int32_t *ids = tok_rig_encode(t, text, len, 0, &n);
        for (size_t i = 0; i < n; i++) {
            sum += few[ids[i]].score;
            strcat(shown, few[ids[i]].text);
        }
        check(strcmp(shown, marked) == 0, "\"%s\" was spelled \"%s\"", marked, shown);
        double want = best_sum(marked, strlen(marked), memo);
        check(sum > want - 1e-6 && sum < want + 1e-6, "\"%s\": %g, best is %g", marked, sum, want);
        free(ids);
    }
    nb_tok_close(&t);
}

/* A map that writes A as "a" and the ligature fi as "bc": nodes as tok_charsmap.c draws them. */
enum { NODES = 0x800 };
typedef struct map {
    uint32_t size, node[NODES];
    char replacement[16];
} map;

static uint32_t node(uint32_t base, uint32_t leaf, uint32_t label)
{
    return base << 10 | leaf << 8 | label;
}

static map make_map(void)
{
    map m = {.size = sizeof m.node, .replacement = "a\0bc"};
    m.node[0] = node(0x100, 0, 0);
    m.node[0x100 ^ 'A'] = node(0x200, 1, 'A');
    m.node[0x100 ^ 'A' ^ 0x200] = 0; /* the replacement at 0 */
    m.node[0x100 ^ 0xef] = node(0x400, 0, 0xef);
    m.node[0x100 ^ 0xef ^ 0x400 ^ 0xac] = node(0x600, 0, 0xac);
    m.node[0x100 ^ 0xef ^ 0x400 ^ 0xac ^ 0x600 ^ 0x81] = node(0x700, 1, 0x81);
    m.node[0x100 ^ 0xef ^ 0x400 ^ 0xac ^ 0x600 ^ 0x81 ^ 0x700] = 2; /* at 2 */
    return m;
}

static void put_map(nb_kvs *kvs, const void *bytes, size_t n)
{
    nb_kv kv = {.key = "tokenizer.ggml.precompiled_charsmap",
                .type = NB_KV_ARRAY,
                .elem = NB_KV_U8,
                .n = n,
                .nbytes = n,
                .v.bytes = bytes};
    check(nb_kvs_put(kvs, &kv, true, NULL) == NB_OK, "put");
}

CHECK_TEST(tok_unigram, a_character_map_is_followed)
{
    map m = make_map();
    nb_kvs *kvs = vocabulary(few, countof(few), false);
    put_map(kvs, &m, sizeof m);
    nb_tok *t = tok_rig_open(kvs);
    check_encode(t, "Ab", 0, AB);
    check_encode(t, "A\xef\xac\x81", 0, A, BC);
    check_encode(t, "\xef\xac\x80", 0, UNK);
    nb_tok_close(&t);
}

/* A4: maps cut short, and maps whose every index points anywhere. */
CHECK_TEST(tok_unigram, character_maps_that_lie_stay_defined_A4)
{
    map m = make_map();
    const uint8_t tiny[] = {0, 0, 0};
    nb_kvs *kvs = vocabulary(few, countof(few), false);
    put_map(kvs, tiny, sizeof tiny);
    tok_refuse(kvs, NB_FORMAT, "precompiled_charsmap");
    kvs = vocabulary(few, countof(few), false);
    put_map(kvs, &m, sizeof m.node);
    tok_refuse(kvs, NB_FORMAT, "precompiled_charsmap");
    kvs = vocabulary(few, countof(few), false);
    nb_kvs_put_u32(kvs, "tokenizer.ggml.precompiled_charsmap", 1, NULL);
    tok_refuse(kvs, NB_FORMAT, "precompiled_charsmap");
    test_rng rng = test_rng_make(3);
    for (int round = 0; round < 200; round++) {
        m = make_map();
        for (int k = 0; k < 40; k++)
            m.node[test_below(&rng, NODES)] = (uint32_t)test_u64(&rng);
        memset(m.replacement, round & 1 ? 'x' : 0, sizeof m.replacement);
        kvs = vocabulary(few, countof(few), true);
        put_map(kvs, &m, sizeof m);
        nb_tok *t = tok_rig_open(kvs);
        char text[64];
        for (size_t i = 0; i < sizeof text; i++)
            text[i] = (char)(i % 2 ? test_u64(&rng) : 'A');
        check(nb_tok_encode(t, text, sizeof text, 0, NULL, 0) != SIZE_MAX, "memory");
        nb_tok_close(&t);
    }
}

CHECK_TEST(tok_unigram, pieces_too_long_are_refused)
{
    char long_piece[300];
    memset(long_piece, 'a', sizeof long_piece);
    long_piece[299] = '\0';
    const piece p[] = {{"<pad>", 0, CONTROL}, {long_piece, -1, NORMAL}};
    tok_refuse(vocabulary(p, 2, false), NB_UNSUPPORTED, "token 1");
}

/* A5: a mebibyte of one thing. */
CHECK_TEST(tok_unigram, long_runs_take_no_longer_than_their_length_A5)
{
    static const char *const units[] = {"a", " ", "z", "\xc3\xa4", "\xff", "ab ", "abc"};
    enum { LEN = 1 << 20 };
    char *text = malloc(LEN);
    nb_tok *t = tok_rig_open(vocabulary(few, countof(few), true));
    for (size_t u = 0; u < countof(units); u++) {
        size_t k = strlen(units[u]), len = LEN / k * k;
        for (size_t i = 0; i < len; i += k)
            memcpy(text + i, units[u], k);
        double start = nb_now();
        size_t n = nb_tok_encode(t, text, len, 0, NULL, 0);
        check(n > 0 && n != SIZE_MAX, "unit %zu", u);
        check(nb_now() - start < test_within(2), "unit %zu: %g s", u, nb_now() - start);
    }
    nb_tok_close(&t);
    free(text);
}
