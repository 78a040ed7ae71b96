/* tokenizer.json -> GGUF keys. */
#include "tests/check.h"
#include "tests/tok_json_rig.h"
#include "tests/tok_rig.h"
#include "tests/tok_train.h"
#include "tests/util.h"

#include "core/base/job.h"
#include "core/base/json.h"
#include "core/files/hf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- byte-level ---------------------------------------------------------------------------------
 */

/* The trained vocabulary as a tokenizer.json. */
static void write_trained(nb_str *out, const tok_trained *v, bool pairs)
{
    nb_jout w = nb_jout_make(out);
    nb_str_add(out, "{\"added_tokens\":[],\"normalizer\":null,\"pre_tokenizer\":" BYTE_LEVEL
                    ",\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"vocab\":");
    nb_jout_object(&w);
    for (size_t i = 0; i < v->n; i++) {
        nb_jout_key(&w, v->token[i]);
        nb_jout_u64(&w, i);
    }
    nb_jout_object_end(&w);
    nb_str_add(out, ",\"merges\":");
    w = nb_jout_make(out);
    nb_jout_array(&w);
    for (size_t i = 0; i < v->n_merges; i++) {
        const char *space = strchr(v->merge[i], ' ');
        if (!pairs) {
            nb_jout_str(&w, v->merge[i]);
            continue;
        }
        nb_jout_array(&w);
        nb_jout_strn(&w, v->merge[i], (size_t)(space - v->merge[i]));
        nb_jout_str(&w, space + 1);
        nb_jout_array_end(&w);
    }
    nb_jout_array_end(&w);
    nb_str_add(out, "}}");
}

CHECK_TEST(tok_json, byte_level_models_tokenize_as_their_keys_do)
{
    size_t n;
    char *text = test_slurp(test_data("eval.txt"), &n);
    tok_trained *v = calloc(1, sizeof *v);
    tok_train(v, text, n);
    nb_tok *want = tok_rig_open(tok_trained_keys(v, "gpt-2"));
    for (int pairs = 0; pairs < 2; pairs++) {
        nb_str json = {0};
        write_trained(&json, v, pairs);
        const char *dir = tok_folder();
        tok_put(dir, "tokenizer.json", nb_str_c(&json));
        nb_kvs *kvs = tok_keys_of(dir, 0);
        tok_check_text(kvs, "tokenizer.ggml.model", "gpt2");
        tok_check_text(kvs, "tokenizer.ggml.pre", "gpt-2");
        check(!nb_kvs_find(kvs, "tokenizer.ggml.scores"), "byte-level BPE has no scores");
        check(nb_kvs_find(kvs, "tokenizer.ggml.merges")->n == v->n_merges, "merges");
        nb_tok *got = tok_rig_open(kvs);
        size_t n_got, n_want;
        int32_t *a = tok_rig_encode(got, text, n, 0, &n_got);
        int32_t *b = tok_rig_encode(want, text, n, 0, &n_want);
        check(n_got == n_want && memcmp(a, b, n_got * sizeof *a) == 0, "%zu ids, expected %zu",
              n_got, n_want);
        free(a);
        free(b);
        nb_tok_close(&got);
        nb_str_free(&json);
    }
    nb_tok_close(&want);
    free(v);
    free(text);
}

CHECK_TEST(tok_json, tokens_get_their_types_and_gaps_are_padded)
{
    const char *dir = tok_folder();
    tok_put(dir, "tokenizer.json",
            "{\"version\":\"1.0\",\"added_tokens\":["
            "{\"id\":5,\"content\":\"<s>\",\"special\":true},"
            "{\"special\":false,\"id\":1,\"content\":\"b\",\"lstrip\":false},"
            "{\"id\":6,\"content\":\"<|x|>\",\"special\":false},"
            "{\"id\":7,\"content\":\"a\xe2\x96\x81\xe2\x96\x81z\",\"special\":false},"
            "{\"id\":90,\"content\":\"far\",\"special\":true}],"
            "\"pre_tokenizer\":" BYTE_LEVEL ","
            "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,"
            "\"\\u0120\":3},\"merges\":[\"a b\",[\"a\",\" \"]]}}");
    tok_put(dir, "tokenizer_config.json",
            "{\"added_tokens_decoder\":{\"5\":{\"content\":\"<no>\",\"special\":false},"
            "\"8\":{\"content\":\"<pad>\"}}}");
    nb_kvs *kvs = tok_keys_of(dir, 11);
    static const char *const text[] = {"a",     "b",    "ab",    "\xc4\xa0", "[PAD4]", "<s>",
                                       "<|x|>", "a  z", "<pad>", "[PAD9]",   "[PAD10]"};
    static const int type[] = {1, 4, 1, 1, 5, 3, 3, 4, 3, 5, 5};
    check(nb_kvs_find(kvs, "tokenizer.ggml.tokens")->n == 11, "as many as the embedding has rows");
    for (size_t i = 0; i < countof(text); i++) {
        tok_check_item(kvs, "tokenizer.ggml.tokens", i, text[i]);
        check(tok_number(kvs, "tokenizer.ggml.token_type", i) == type[i], "type of %s", text[i]);
    }
    tok_check_item(kvs, "tokenizer.ggml.merges", 0, "a b");
    tok_check_item(kvs, "tokenizer.ggml.merges", 1, "a \xc4\xa0"); /* its space became a byte */
    nb_kvs_close(&kvs);
    kvs = tok_keys_of(dir, 0);
    check(nb_kvs_find(kvs, "tokenizer.ggml.tokens")->n == 91, "as many as there are");
    nb_kvs_close(&kvs);
    dir = tok_folder(); /* as openai-community/gpt2 has it: no type */
    tok_put(dir, "tokenizer.json",
            "{\"pre_tokenizer\":" BYTE_LEVEL
            ",\"model\":{\"unk_token\":null,\"vocab\":{\"a\":0},\"merges\":[]}}");
    kvs = tok_keys_of(dir, 0);
    tok_check_text(kvs, "tokenizer.ggml.model", "gpt2");
    nb_kvs_close(&kvs);
}

/* --- which pre-tokenizer ------------------------------------------------------------------------
 */

static const struct {
    const char *name;
    unsigned needs;
    const char *content;
} rows[] = {
#define MERGED                         1
#define JSON_PRE(name, needs, content) {name, needs, content},
#include "core/files/tok_json_pre.def"
#undef JSON_PRE
#undef MERGED
};

/* A row's content as the JSON of a pre_tokenizer; `inverted`: as some conversions write it. */
static void write_pre(nb_str *out, const char *content, bool inverted)
{
    nb_str_add(out, "{\"type\":\"Sequence\",\"pretokenizers\":[");
    bool regex = false;
    for (const char *s = content, *end; *s; s = end + 1) {
        end = strchr(s, '\n');
        size_t n = (size_t)(end - s);
        if (s != content)
            nb_str_add(out, ",");
        if (strncmp(s, "split ", 6) == 0) {
            nb_str_add(out, "{\"type\":\"Split\",\"pattern\":{\"Regex\":");
            nb_jout w = nb_jout_make(out);
            nb_jout_strn(&w, s + 6, n - 6);
            nb_str_add(out, inverted ? "},\"behavior\":\"Removed\",\"invert\":true}"
                                     : "},\"behavior\":\"Isolated\",\"invert\":false}");
        } else if (strncmp(s, "gpt2", n) == 0) {
            regex = true;
            nb_str_add(out, "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}");
        } else if (strncmp(s, "punctuation", n) == 0) {
            nb_str_add(out, "{\"type\":\"Punctuation\",\"behavior\":\"Contiguous\"}");
        } else {
            nb_str_addf(out, "{\"type\":\"Digits\",\"individual_digits\":%s}",
                        strncmp(s, "digit", n) == 0 ? "true" : "false");
        }
    }
    nb_str_add(out, regex ? "]}" : ",{\"type\":\"ByteLevel\",\"use_regex\":false}]}");
}

static void write_small(nb_str *out, const char *normalizer, const char *pre, bool merged)
{
    nb_str_addf(
        out,
        "{\"normalizer\":%s,\"pre_tokenizer\":%s,\"decoder\":{\"type\":\"ByteLevel\"},"
        "\"model\":{\"type\":\"BPE\",\"ignore_merges\":%s,\"vocab\":{\"a\":0},\"merges\":[]}}",
        normalizer, pre, merged ? "true" : "false");
}

CHECK_TEST(tok_json, pre_is_chosen_from_the_content)
{
    for (size_t i = 0; i < countof(rows); i++)
        for (int inverted = 0; inverted < 2; inverted++) {
            nb_str pre = {0}, json = {0};
            const char *dir = tok_folder();
            write_pre(&pre, rows[i].content, inverted);
            write_small(&json, inverted ? "{\"type\":\"NFC\"}" : "null", nb_str_c(&pre),
                        rows[i].needs);
            tok_put(dir, "tokenizer.json", nb_str_c(&json));
            nb_kvs *kvs = tok_keys_of(dir, 0);
            tok_check_text(kvs, "tokenizer.ggml.pre", rows[i].name);
            nb_tok *t = tok_rig_open(kvs); /* and it is one that runs */
            nb_tok_close(&t);
            nb_str_free(&pre);
            nb_str_free(&json);
        }
}

CHECK_TEST(tok_json, what_is_not_known_is_named)
{
    static const struct {
        const char *normalizer, *pre, *word;
    } row[] = {
        {"null",
         "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":"
         "\"strange+\"},\"behavior\":\"Isolated\"},{\"type\":\"ByteLevel\",\"use_regex\":false}]}",
         "strange+"},
        {"null",
         "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":"
         "\"\\\\p{N}{1,3}\"},\"behavior\":\"MergedWithNext\"},{\"type\":\"ByteLevel\"}]}",
         "\\p{N}{1,3}"},
        {"null", "{\"type\":\"BertPreTokenizer\"}", "BertPreTokenizer"},
        {"{\"type\":\"Lowercase\"}", "{\"type\":\"ByteLevel\"}", "Lowercase"},
        {"null", "{\"type\":\"ByteLevel\",\"use_regex\":false}", "nothing"},
    };
    for (size_t i = 0; i < countof(row); i++) {
        nb_str json = {0};
        write_small(&json, row[i].normalizer, row[i].pre, false);
        tok_refused(nb_str_c(&json), NB_UNSUPPORTED, row[i].word);
        nb_str_free(&json);
    }
    tok_refused("{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":0}}}", NB_UNSUPPORTED,
                "WordPiece");
    tok_refused("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}", NB_UNSUPPORTED,
                "pre_tokenizer");
    nb_str deep = {0}, json = {0};
    for (int i = 0; i < 20; i++)
        nb_str_add(&deep, "{\"type\":\"Sequence\",\"pretokenizers\":[");
    nb_str_add(&deep, "{\"type\":\"ByteLevel\"}");
    for (int i = 0; i < 20; i++)
        nb_str_add(&deep, "]}");
    write_small(&json, "null", nb_str_c(&deep), false);
    tok_refused(nb_str_c(&json), NB_UNSUPPORTED, "pre_tokenizer");
    nb_str_free(&deep);
    nb_str_free(&json);
}

/* --- SentencePiece through its merges -----------------------------------------------------------
 */

#define MARKED                                                                                     \
    "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":"    \
    "\"\xe2\x96\x81\"},{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":"          \
    "\"\xe2\x96\x81\"}]},\"pre_tokenizer\":null,\"decoder\":{\"type\":\"Sequence\",\"decoders\":"  \
    "[{\"type\":\"ByteFallback\"}]}"

typedef struct merge {
    const char *text;
    uint32_t left, len;
    float score;
} merge;

static int best_first(const void *a, const void *b)
{
    const merge *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->text == y->text ? (x->left > y->left) - (x->left < y->left)
                              : (x->text > y->text ? 1 : -1);
}

typedef struct demo_vocab {
    const char *text[2048];
    size_t len[2048];
    double score[2048], type[2048];
    size_t n;
} demo_vocab;

static bool has(const demo_vocab *d, const char *text, size_t n)
{
    for (size_t i = 0; i < d->n; i++)
        if (d->type[i] == 1 && d->len[i] == n && memcmp(d->text[i], text, n) == 0)
            return true;
    return false;
}

/* As transformers' convert_slow_tokenizer.py, SentencePieceExtractor: every way to make a piece of
 * two pieces is a merge, the best piece first. */
static void write_merges(nb_str *out, const demo_vocab *d)
{
    merge *list = calloc(2048 * 32, sizeof *list);
    size_t n = 0;
    for (size_t i = 0; i < d->n; i++)
        for (size_t left = 1; d->type[i] == 1 && left < d->len[i] && n < 2048 * 32; left++)
            if (has(d, d->text[i], left) && has(d, d->text[i] + left, d->len[i] - left))
                list[n++] =
                    (merge){d->text[i], (uint32_t)left, (uint32_t)d->len[i], (float)d->score[i]};
    qsort(list, n, sizeof *list, best_first);
    nb_jout w = nb_jout_make(out);
    nb_jout_array(&w);
    for (size_t i = 0; i < n; i++) {
        nb_jout_array(&w);
        nb_jout_strn(&w, list[i].text, list[i].left);
        nb_jout_strn(&w, list[i].text + list[i].left, list[i].len - list[i].left);
        nb_jout_array_end(&w);
    }
    nb_jout_array_end(&w);
    free(list);
}

static nb_kvs *demo_keys(demo_vocab *d)
{
    nb_kvs *kvs = NULL;
    size_t n;
    char *model = test_slurp(test_data("nibble-demo/tokenizer.model"), &n);
    check(nb_kvs_open(&kvs, NULL) == NB_OK && model, "kvs");
    check(nb_spm_keys(kvs, (const uint8_t *)model, n, 2048, "m", NULL) == NB_OK, "model");
    free(model);
    const uint8_t *at = NULL;
    const nb_kv *tokens = nb_kvs_find(kvs, "tokenizer.ggml.tokens");
    for (d->n = 0; d->n < 2048 && nb_kv_next_string(tokens, &at, &d->text[d->n], &d->len[d->n]);
         d->n++) {
        d->score[d->n] = tok_number(kvs, "tokenizer.ggml.scores", d->n);
        d->type[d->n] = tok_number(kvs, "tokenizer.ggml.token_type", d->n);
    }
    return kvs;
}

CHECK_TEST(tok_json, marked_models_tokenize_as_their_sentencepiece_model)
{
    static demo_vocab d;
    size_t n, n_got, n_want;
    nb_str json = {0};
    nb_kvs *kvs = demo_keys(&d);
    nb_str_add(&json, "{" MARKED ",\"added_tokens\":[");
    const char *comma = "";
    for (size_t i = 0; i < d.n; i++)
        if (d.type[i] == 2 || d.type[i] == 3) {
            nb_str_addf(&json, "%s{\"id\":%zu,\"special\":true,\"content\":\"%.*s\"}", comma, i,
                        (int)d.len[i], d.text[i]);
            comma = ",";
        }
    nb_str_add(&json, "],\"model\":{\"type\":\"BPE\",\"byte_fallback\":true,\"vocab\":");
    nb_jout w = nb_jout_make(&json);
    nb_jout_object(&w);
    for (size_t i = 0; i < d.n; i++) {
        char key[128];
        snprintf(key, sizeof key, "%.*s", (int)d.len[i], d.text[i]);
        nb_jout_key(&w, key);
        nb_jout_u64(&w, i);
    }
    nb_jout_object_end(&w);
    nb_str_add(&json, ",\"merges\":");
    write_merges(&json, &d);
    nb_str_add(&json, "}}");
    const char *dir = tok_folder();
    tok_put(dir, "tokenizer.json", nb_str_c(&json));
    nb_str_free(&json);
    nb_tok *want = tok_rig_open(kvs);
    kvs = tok_keys_of(dir, 2048);
    tok_check_text(kvs, "tokenizer.ggml.model", "llama");
    check(tok_truth(kvs, "tokenizer.ggml.add_space_prefix") == 1, "Prepend");
    nb_tok *got = tok_rig_open(kvs);
    char *text = test_slurp(test_data("eval.txt"), &n);
    int32_t *a = tok_rig_encode(got, text, n, NB_TOK_BOS, &n_got);
    int32_t *b = tok_rig_encode(want, text, n, NB_TOK_BOS, &n_want);
    for (size_t i = 0; i < n_got && i < n_want; i++)
        check(a[i] == b[i], "id %zu: %d, expected %d", i, a[i], b[i]);
    check(n_got == n_want, "%zu ids, expected %zu", n_got, n_want);
    free(a);
    free(b);
    free(text);
    nb_tok_close(&got);
    nb_tok_close(&want);
}

CHECK_TEST(tok_json, a_space_goes_in_front_when_the_file_says_so)
{
    static const struct {
        const char *json;
        int prefix;
    } row[] = {
        {"\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":"
         "\"\xe2\x96\x81\"},\"pre_tokenizer\":{\"type\":\"Split\"}",
         0}, /* Gemma */
        {"\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"Metaspace\",\"prepend_scheme\":"
         "\"first\"}",
         1}, /* Mistral 0.3 */
        {"\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"Metaspace\",\"prepend_scheme\":"
         "\"never\"}",
         0},
        {"\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"Metaspace\",\"add_prefix_space\":"
         "false}",
         0},
        {MARKED, 1}, /* Llama 2 */
    };
    for (size_t i = 0; i < countof(row); i++) {
        char json[800];
        const char *dir = tok_folder();
        snprintf(json, sizeof json,
                 "{%s,\"model\":{\"type\":\"BPE\",\"byte_fallback\":true,\"vocab\":{\"a\":0,"
                 "\"<0x0A>\":1,\"ab\":2,\"b\":3,\"abb\":4},\"merges\":[\"a b\",\"ab b\"]}}",
                 row[i].json);
        tok_put(dir, "tokenizer.json", json);
        nb_kvs *kvs = tok_keys_of(dir, 6);
        check(tok_truth(kvs, "tokenizer.ggml.add_space_prefix") == row[i].prefix, "row %zu", i);
        check(tok_number(kvs, "tokenizer.ggml.token_type", 1) == 6, "a byte");
        check(tok_number(kvs, "tokenizer.ggml.scores", 2) == 0, "the first merge");
        check(tok_number(kvs, "tokenizer.ggml.scores", 4) == -1, "the second");
        check(tok_number(kvs, "tokenizer.ggml.scores", 3) < -1, "made by none");
        check(tok_number(kvs, "tokenizer.ggml.scores", 5) == -10000, "a gap");
        nb_kvs_close(&kvs);
    }
}

/* --- unigram ------------------------------------------------------------------------------------
 */

CHECK_TEST(tok_json, unigram_models_keep_scores_and_text_rules)
{
    const char *dir = tok_folder();
    tok_put(
        dir, "tokenizer.json",
        "{\"added_tokens\":[{\"id\":0,\"content\":\"<pad>\",\"special\":true},{\"id\":2,"
        "\"content\":\"<unk>\",\"special\":true}],\"normalizer\":{\"type\":\"Sequence\","
        "\"normalizers\":[{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"BAAAAAAEAABhAA==\"},"
        "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" {2,}\"},\"content\":\" \"}]},"
        "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"prepend_scheme\":\"always\"},"
        "\"model\":{\"type\":\"Unigram\",\"unk_id\":2,\"vocab\":[[\"<pad>\",0.0],"
        "[\"</s>\",0.0],[\"<unk>\",0],[\"\xe2\x96\x81\",-2],[\"a\",-1.5e0],[\"\xe2\x96\x81"
        "a\",-3]]}}");
    nb_kvs *kvs = tok_keys_of(dir, 7);
    tok_check_text(kvs, "tokenizer.ggml.model", "t5");
    check(tok_number(kvs, "tokenizer.ggml.scores", 4) == -1.5, "a score");
    check(tok_number(kvs, "tokenizer.ggml.scores", 6) == -10000, "a gap");
    check(tok_number(kvs, "tokenizer.ggml.token_type", 0) == 3, "control");
    check(tok_number(kvs, "tokenizer.ggml.token_type", 2) == 2, "unknown");
    check(tok_whole(kvs, "tokenizer.ggml.unknown_token_id") == 2, "unk_id");
    check(tok_truth(kvs, "tokenizer.ggml.add_space_prefix") == 1, "prepend");
    check(tok_truth(kvs, "tokenizer.ggml.remove_extra_whitespaces") == 1, "spaces");
    check(nb_kvs_find(kvs, "tokenizer.ggml.precompiled_charsmap")->n == 10, "the map's bytes");
    check(tok_number(kvs, "tokenizer.ggml.precompiled_charsmap", 8) == 'a', "decoded");
    nb_tok *t = tok_rig_open(kvs);
    check_encode(t, " a   a", 0, 5, 5);
    nb_tok_close(&t);
    tok_refused(
        "{\"pre_tokenizer\":{\"type\":\"Metaspace\"},\"normalizer\":{\"type\":\"Precompiled\","
        "\"precompiled_charsmap\":\"A?==\"},\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0]]"
        "}}",
        NB_FORMAT, "base64");
    tok_refused("{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0]]}}", NB_UNSUPPORTED,
                "Metaspace");
    tok_refused(
        "{\"normalizer\":{\"type\":\"Lowercase\"},\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\""
        ",0]]}}",
        NB_UNSUPPORTED, "Lowercase");
}
