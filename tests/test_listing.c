/* One row of the library from one file or folder: what keys, tensors and config.json that leave
 * things out, spell them otherwise or are ill-typed make of it (A4, A35). */
#include "tests/check.h"

#include "core/base/file.h"
#include "core/base/str.h"
#include "core/files/gguf.h"
#include "core/files/listing.h"
#include "tests/hf_folder.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- GGUF --------------------------------------------------------------------------------------
 */

typedef struct pair {
    const char *key, *text;
} pair;
enum { PAIRS = 5 };

/* A matrix of 32 x 2 of this type, and its norm; NK_TYPE_SLOTS: no tensors. */
static void write_gguf(const char *path, const pair keys[PAIRS], size_t type)
{
    nb_kvs *kvs;
    nb_str header = {0};
    uint64_t len;
    nb_err err;
    nb_tensor t[] = {
        {.name = "a.weight", .type = (nk_type_id)type, .n_dims = 2, .shape = {32, 2, 1, 1}},
        {.name = "b.weight", .n_dims = 1, .shape = {32, 1, 1, 1}}};
    check(nb_kvs_open(&kvs, NULL) == NB_OK, "kvs");
    for (size_t i = 0; i < PAIRS && keys[i].key; i++)
        nb_kvs_put_str(kvs, keys[i].key, keys[i].text, strlen(keys[i].text), NULL);
    check(nb_gguf_layout(&header, kvs, t, type < NK_TYPE_SLOTS ? 2 : 0, 32, &len, &err) == NB_OK,
          "%s", err.msg);
    char *bytes = calloc(1, len);
    check(bytes, "memory");
    memcpy(bytes, header.at, header.len);
    test_spit(path, bytes, len);
    free(bytes);
    nb_str_free(&header);
    nb_kvs_close(&kvs);
}

#define ARCH                                                                                       \
    {                                                                                              \
        "general.architecture", "llama"                                                            \
    }
static const char url[] = "general.base_model.0.repo_url",
                  base_name[] = "general.base_model.0.name";

static const struct {
    const char *file;
    pair keys[PAIRS];
    size_t type;
    const char *name, *arch, *type_name, *base, *base_name, *problem;
    bool unsupported, skip;
} rows[] = {
    {"plain.gguf", {ARCH}, NK_F16, "plain", "llama", "f16", "", "", "", false, false},
    {"named.gguf",
     {ARCH, {"general.name", "Tale"}},
     NK_F32,
     "Tale",
     "llama",
     "f32",
     "",
     "",
     "",
     false,
     false},
    {"empty.gguf",
     {ARCH, {"general.name", ""}},
     NK_F32,
     "empty",
     "llama",
     "f32",
     "",
     "",
     "",
     false,
     false},
    {"a-b-Q8_0.gguf", {ARCH}, NK_Q8_0, "a-b", "llama", "q8_0", "", "", "", false, false},
    {"a.q4_k_m.gguf", {ARCH}, NK_Q8_0, "a", "llama", "q8_0", "", "", "", false, false},
    {"a-b.gguf", {ARCH}, NK_F16, "a-b", "llama", "f16", "", "", "", false, false},
    {"model", {ARCH}, NK_F16, "model", "llama", "f16", "", "", "", false, false},
    {"url.gguf",
     {ARCH, {url, "https://hf.co/Org/Tale-7B.v1"}},
     NK_F16,
     "url",
     "llama",
     "f16",
     "tale7b.v1",
     "Tale-7B.v1",
     "",
     false,
     false},
    {"repo.gguf",
     {ARCH, {url, "Tale 7B"}},
     NK_F16,
     "repo",
     "llama",
     "f16",
     "tale7b",
     "Tale 7B",
     "",
     false,
     false},
    {"both.gguf",
     {ARCH, {url, "x/Tale-GGUF"}, {base_name, "Tale (1)"}},
     NK_F16,
     "both",
     "llama",
     "f16",
     "talegguf",
     "Tale (1)",
     "",
     false,
     false},
    {"base.gguf",
     {ARCH, {base_name, "T\xc3\xa4le 7B"}},
     NK_F16,
     "base",
     "llama",
     "f16",
     "t\xc3\xa4le7b",
     "T\xc3\xa4le 7B",
     "",
     false,
     false},
    {"type.gguf",
     {ARCH, {"general.type", "model"}},
     NK_F16,
     "type",
     "llama",
     "f16",
     "",
     "",
     "",
     false,
     false},
    {"adapter.gguf",
     {ARCH, {"general.type", "adapter"}},
     NK_F16,
     "adapter",
     "llama",
     "f16",
     "",
     "",
     "adapter file, not a model of its own",
     true,
     false},
    {"imatrix.gguf",
     {ARCH, {"general.type", "imatrix"}},
     NK_F32,
     "imatrix",
     "llama",
     "f32",
     "",
     "",
     "imatrix file, not a model of its own",
     true,
     true},
    {"none.gguf",
     {{"general.name", "No"}},
     NK_F16,
     "No",
     "",
     "f16",
     "",
     "",
     "no architecture is named in the file",
     true,
     false},
    {"other.gguf",
     {{"general.architecture", "rwkv6"}},
     NK_F16,
     "other",
     "rwkv6",
     "f16",
     "",
     "",
     "architecture rwkv6 cannot be run yet",
     true,
     false},
    {"mmproj.gguf",
     {{"general.architecture", "clip"}, {"general.type", "mmproj"}},
     NK_F16,
     "mmproj",
     "clip",
     "f16",
     "",
     "",
     "mmproj file, not a model of its own",
     true,
     false},
    {"whole.gguf",
     {ARCH},
     NK_I32,
     "whole",
     "llama",
     "i32",
     "",
     "",
     "i32 tensors cannot be run yet",
     true,
     false},
    {"whole-x.gguf",
     {{"general.architecture", "rwkv6"}},
     NK_I32,
     "whole-x",
     "rwkv6",
     "i32",
     "",
     "",
     "architecture rwkv6 cannot be run yet",
     true,
     false},
    {"bare.gguf",
     {ARCH},
     NK_TYPE_SLOTS,
     "bare",
     "llama",
     "f32",
     "",
     "",
     "no tensors, only metadata",
     true,
     false},
    {"bare-x.gguf",
     {{"general.architecture", "rwkv6"}},
     NK_TYPE_SLOTS,
     "bare-x",
     "rwkv6",
     "f32",
     "",
     "",
     "architecture rwkv6 cannot be run yet",
     true,
     false},
    {"s-00001-of-00001.gguf", {ARCH}, NK_F16, "s", "llama", "f16", "", "", "", false, false}};

CHECK_TEST(listing, a_gguf_file_is_listed_by_what_its_keys_tell_A35)
{
    for (size_t i = 0; i < countof(rows); i++) {
        const char *path = test_path(test_tmpdir(), rows[i].file);
        nb_listing l;
        write_gguf(path, rows[i].keys, rows[i].type);
        nb_listing_gguf(&l, path);
        const nb_entry *e = &l.e;
        check(strcmp(e->path, path) == 0 && strcmp(e->file, rows[i].file) == 0 && !e->is_dir, "%s",
              e->path);
        check(strcmp(e->name, rows[i].name) == 0, "%s: name %s", e->file, e->name);
        check(strcmp(e->arch, rows[i].arch) == 0, "%s: arch %s", e->file, e->arch);
        check(strcmp(e->type_name, rows[i].type_name) == 0, "%s: type %s", e->file, e->type_name);
        check(strcmp(l.base, rows[i].base) == 0, "%s: base %s", e->file, l.base);
        check(strcmp(l.base_name, rows[i].base_name) == 0, "%s: base %s", e->file, l.base_name);
        check(strcmp(e->problem, rows[i].problem) == 0, "%s: %s", e->file, e->problem);
        check(e->unsupported == rows[i].unsupported && l.skip == rows[i].skip, "%s: %d, %d",
              e->file, e->unsupported, l.skip);
        check(e->params == (rows[i].type < NK_TYPE_SLOTS ? 96 : 0), "%s: %llu weights", e->file,
              (unsigned long long)e->params);
        check(e->tied == (rows[i].type < NK_TYPE_SLOTS), "%s: tied", e->file);
    }
}

/* Of a model in two files the second is none; without the second the first says which is missing.
 */
CHECK_TEST(listing, a_later_shard_is_no_model)
{
    static const pair keys[PAIRS] = {ARCH};
    nb_listing l;
    const char *first = test_path(test_tmpdir(), "two-00001-of-00002.gguf");
    const char *second = test_path(test_tmpdir(), "two-00002-of-00002.gguf");
    write_gguf(first, keys, NK_F16);
    write_gguf(second, keys, NK_F16);
    nb_listing_gguf(&l, first);
    check(!l.skip && l.e.params == 192 && strcmp(l.e.name, "two") == 0, "%s", l.e.name);
    nb_listing_gguf(&l, second);
    check(l.skip && l.e.params == 192, "the second of two");
}

static const char *const numbers[] = {"block_count",
                                      "context_length",
                                      "embedding_length",
                                      "feed_forward_length",
                                      "attention.head_count",
                                      "attention.head_count_kv",
                                      "attention.key_length",
                                      "vocab_size",
                                      "rope.dimension_count",
                                      "expert_count",
                                      "expert_used_count",
                                      "expert_feed_forward_length",
                                      "expert_shared_feed_forward_length",
                                      "attention.sliding_window"};

/* nb_listing_hparams with number i as 10 + i, but for `without` (-1: with all); or none at all. */
static nb_entry figures(int without, bool any, const char *tokens)
{
    nb_kvs *kvs;
    nb_str two = {0};
    nb_entry e = {.arch = "llama"};
    check(nb_kvs_open(&kvs, NULL) == NB_OK, "kvs");
    for (int i = 0; any && i < (int)countof(numbers); i++) {
        char key[96];
        snprintf(key, sizeof key, "llama.%s", numbers[i]);
        if (i != without)
            nb_kvs_put_u32(kvs, key, 10 + (uint32_t)i, NULL);
    }
    nb_kv_add_str(&two, "a", 1);
    nb_kv_add_str(&two, "b", 1);
    if (tokens && *tokens)
        nb_kvs_put_str(kvs, "tokenizer.ggml.tokens", tokens, strlen(tokens), NULL);
    else if (tokens)
        nb_kvs_put_strs(kvs, "tokenizer.ggml.tokens", &two, 2, NULL);
    nb_listing_hparams(&e, kvs);
    nb_str_free(&two);
    nb_kvs_close(&kvs);
    return e;
}

CHECK_TEST(listing, figures_that_are_not_told_follow_from_the_others)
{
    nb_entry e = figures(-1, true, "");
    const uint64_t all[] = {e.n_layer,       e.n_ctx,       e.n_embd,      e.n_ff,  e.n_head,
                            e.n_head_kv,     e.head_dim,    e.n_vocab,     e.n_rot, e.n_expert,
                            e.n_expert_used, e.n_expert_ff, e.n_shared_ff, e.window};
    for (size_t i = 0; i < countof(all); i++)
        check(all[i] == 10 + i, "%s: %llu", numbers[i], (unsigned long long)all[i]);
    e = figures(5, true, NULL);
    check(e.n_head_kv == e.n_head && e.n_head == 14, "as many key heads as heads");
    e = figures(6, true, NULL);
    check(e.head_dim == 0, "12 over 14 heads: %llu", (unsigned long long)e.head_dim);
    e = figures(7, true, "");
    check(e.n_vocab == 2, "%llu tokens", (unsigned long long)e.n_vocab);
    e = figures(7, true, "text");
    check(e.n_vocab == 0, "%llu tokens in a text", (unsigned long long)e.n_vocab);
    e = figures(7, true, NULL);
    check(e.n_vocab == 0, "%llu tokens of nowhere", (unsigned long long)e.n_vocab);
    e = figures(-1, false, NULL);
    check(!e.n_head && !e.head_dim && !e.n_head_kv, "figures of nothing");
}

/* The same row from a header that came over the net: its bytes are the tensors'. */
CHECK_TEST(listing, a_header_alone_makes_the_same_row)
{
    static const pair keys[PAIRS] = {ARCH, {"general.name", "Tale"}, {base_name, "B"}};
    nb_listing l;
    nb_entry e;
    nb_gguf_info info;
    nb_err err = {0};
    size_t n;
    const char *path = test_path(test_tmpdir(), "head.gguf");
    write_gguf(path, keys, NK_Q8_0);
    nb_listing_gguf(&l, path);
    char *bytes = test_slurp(path, &n);
    check(nb_gguf_parse(&info, (uint8_t *)bytes, n, n, "head", &err) == NB_OK, "%s", err.msg);
    nb_entry_from_gguf(&e, &info, "some/where/head.gguf");
    check(strcmp(e.file, "head.gguf") == 0 && strcmp(e.name, l.e.name) == 0 && !e.path[0], "%s, %s",
          e.file, e.name);
    check(strcmp(e.type_name, "q8_0") == 0 && e.tied && e.params == 96, "%s", e.type_name);
    check(e.bytes == 68 + 128 && e.tensor_bytes == e.bytes && e.bpw == l.e.bpw, "%llu bytes",
          (unsigned long long)e.bytes);
    nb_gguf_free(&info);
    free(bytes);
}

CHECK_TEST(listing, a_key_is_letters_digits_and_dots)
{
    static const char *const keys[][2] = {{"Llama 3.2 1B", "llama3.21b"},
                                          {"llama-3.2-1b", "llama3.21b"},
                                          {"@[`{/:!~", ""},
                                          {"AZaz09", "azaz09"},
                                          {"", ""},
                                          {"t\xc3\xa4le_\xe6\xbc\xa2", "t\xc3\xa4le\xe6\xbc\xa2"}};
    char key[96], hundred[101];
    for (size_t i = 0; i < countof(keys); i++) {
        nb_listing_key(key, keys[i][0], strlen(keys[i][0]));
        check(strcmp(key, keys[i][1]) == 0, "%s: %s", keys[i][0], key);
    }
    memset(hundred, 'A', 100);
    nb_listing_key(key, hundred, 100);
    check(strlen(key) == 95 && strspn(key, "a") == 95, "%s", key);
    nb_listing l = {.e = {.name = ""}};
    for (size_t i = 0; i < NB_ENTRY_KEYS + 2; i++) {
        char name[2] = {(char)('a' + i), '\0'};
        nb_listing_add_key(&l, name, 1);
        nb_listing_add_key(&l, "B", 1); /* once only */
        nb_listing_add_key(&l, "-", 1); /* no key at all */
    }
    static const char *const want[NB_ENTRY_KEYS] = {"a", "b", "c", "d", "e", "f"};
    for (size_t i = 0; i < NB_ENTRY_KEYS; i++)
        check(strcmp(l.key[i], want[i]) == 0, "key %zu is %s", i, l.key[i]);
}

/* --- folders -----------------------------------------------------------------------------------
 */

CHECK_TEST(listing, a_folder_of_a_model_has_a_config_and_weights)
{
    hf_folder f = hf_folder_make("listed", HF_LLAMA(""));
    char longer[1300];
    check(!nb_is_model_dir(f.dir), "no weights are there");
    test_spit(test_path(f.dir, "model.safetensors.index.json"), "{}", 2);
    check(nb_is_model_dir(f.dir), "an index is there");
    check(!nb_is_model_dir(test_path(f.dir, "none")), "no such folder");
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    check(!nb_is_model_dir(longer), "no path is this long");
}

CHECK_TEST(listing, a_config_alone_makes_a_row_A35)
{
    static const struct {
        const char *config, *arch, *problem;
        bool tied;
        uint64_t n_embd, head_dim, n_head_kv, n_vocab;
    } configs[] = {
        {HF_LLAMA(""), "llama", "", false, 8, 4, 2, 4},
        {HF_LLAMA(",\"tie_word_embeddings\":true"), "llama", "", true, 8, 4, 2, 4},
        {HF_LLAMA(",\"tie_word_embeddings\":false"), "llama", "", false, 8, 4, 2, 4},
        {HF_LLAMA(",\"tie_word_embeddings\":1"), "llama", "", false, 8, 4, 2, 4},
        {"{}", "", "no architecture is named in the file", false, 0, 0, 0, 0},
        {"[]", "", "no architecture is named in the file", false, 0, 0, 0, 0},
        {"{\"model_type\":\"llama\"}", "llama", "", false, 0, 0, 0, 0},
        {"{\"model_type\":7,\"architectures\":7}", "", "no architecture is named in the file",
         false, 0, 0, 0, 0},
        {"{\"architectures\":[\"NoSuchModel\"],\"model_type\":\"odd\",\"hidden_size\":64,"
         "\"num_attention_heads\":4}",
         "odd", "architecture odd cannot be run yet", false, 64, 16, 4, 0},
        {"{\"model_type\":\"odd\",\"n_embd\":64,\"n_head\":2,\"vocab_size\":-5}", "odd",
         "architecture odd cannot be run yet", false, 64, 32, 2, 0},
        {"{\"model_type\":\"odd\",\"text_config\":{\"hidden_size\":32},\"hidden_size\":64}", "odd",
         "architecture odd cannot be run yet", false, 32, 0, 0, 0},
        {"{\"model_type\":\"llama\",\"quantization_config\":{}}", "llama",
         "packed by another quantizer, which cannot be read yet", false, 0, 0, 0, 0},
        {"{\"model_type\":\"llama\",\"quantization_config\":{\"quant_method\":\"spqr\"}}", "llama",
         "packed by spqr, which cannot be read yet", false, 0, 0, 0, 0},
        {"{\"model_type\":\"llama\",\"quantization_config\":5}", "llama", "", false, 0, 0, 0, 0},
        {"{\"model_type\":\"llama\",\"quantization_config\":{\"quant_method\":\"gptq\",\"bits\":4,"
         "\"group_size\":128}}",
         "llama", "", false, 0, 0, 0, 0}};
    for (size_t i = 0; i < countof(configs); i++) {
        const char *text = configs[i].config;
        nb_entry e;
        nb_err err = {0};
        check(nb_entry_from_config(&e, text, strlen(text), "c", &err) == NB_OK, "%s: %s", text,
              err.msg);
        check(e.is_dir && strcmp(e.arch, configs[i].arch) == 0, "%s: %s", text, e.arch);
        check(strcmp(e.problem, configs[i].problem) == 0, "%s: %s", text, e.problem);
        check(e.unsupported == (configs[i].problem[0] != '\0'), "%s: unsupported", text);
        check(e.tied == configs[i].tied, "%s: tied %d", text, e.tied);
        check(e.n_embd == configs[i].n_embd && e.head_dim == configs[i].head_dim &&
                  e.n_head_kv == configs[i].n_head_kv && e.n_vocab == configs[i].n_vocab,
              "%s: %llu, %llu, %llu, %llu", text, (unsigned long long)e.n_embd,
              (unsigned long long)e.head_dim, (unsigned long long)e.n_head_kv,
              (unsigned long long)e.n_vocab);
    }
    nb_entry e = {.n_ff = 5};
    nb_err err = {0};
    check(nb_entry_from_config(&e, "{", 1, "c", &err) == NB_FORMAT && e.n_ff == 5, "half a config");
    check(strncmp(err.msg, "c: ", 3) == 0, "%s", err.msg);
}

/* Shards count together; slashes behind the folder's name do not; the first trouble stays. */
CHECK_TEST(listing, a_folder_is_listed_with_all_its_shards)
{
    nb_listing l;
    char dir[700];
    hf_folder f = hf_model_make("sharded", 2);
    snprintf(dir, sizeof dir, "%s//", f.dir);
    nb_listing_hf(&l, dir, true);
    check(strcmp(l.e.path, f.dir) == 0 && strcmp(l.e.name, "sharded") == 0, "%s", l.e.path);
    check(!l.e.problem[0] && l.ino && l.e.params > 1000, "%s: %llu", l.e.problem,
          (unsigned long long)l.e.params);
    uint64_t whole = l.e.params;
    check(remove(test_path(f.dir, "model-1.safetensors")) == 0, "remove");
    test_spit(test_path(f.dir, "config.json"), "{", 1);
    nb_listing_hf(&l, f.dir, true);
    check(strstr(l.e.problem, "config.json") && l.e.params < whole, "%s", l.e.problem);
    nb_listing_hf(&l, "/", true);
    check(strcmp(l.e.path, "/") == 0 && l.e.problem[0], "%s: %s", l.e.path, l.e.problem);
}
