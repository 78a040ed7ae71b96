/* Opened models: the demo folder against llama.cpp's own conversion, split files, what a path may
 * name, and what a writer must never overwrite. */
#include "tests/check.h"

#include "core/base/file.h"
#include "core/base/str.h"
#include "core/files/gguf.h"
#include "core/files/weights.h"
#include "tests/hf_folder.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static nb_weights *opened(const char *path)
{
    nb_weights *w;
    nb_err err = {.msg = ""};
    check(nb_weights_open(&w, path, &err) == NB_OK, "%s: %s", path, err.msg);
    return w;
}

/* Rows in output order, as they would be written; F32 when the view converts to it. */
static void hash_rows(const nb_view *v, char out[65])
{
    uint64_t rows = nb_tensor_rows(&v->t), cols = nb_tensor_cols(&v->t);
    uint64_t stored = v->t.nbytes / rows;
    bool widen = v->out_type != v->t.type;
    uint64_t width = widen ? cols * 4 : stored;
    uint8_t *all = malloc(rows * width);
    for (uint64_t r = 0; r < rows; r++) {
        if (widen)
            nk_type_get(v->t.type)->decode(nb_weights_row(v, r, NULL), (float *)(all + r * width),
                                           cols);
        else
            memcpy(all + r * width, nb_weights_row(v, r, NULL), width);
    }
    test_sha256(all, rows * width, out);
    free(all);
}

/* SHA-256 of the BF16 conversion's tensors: shared/reference/tensors.json, "plain" / "BF16". */
CHECK_TEST(weights, demo_equals_its_gguf_conversion)
{
    static const struct {
        const char *name, *sha256;
        nk_type_id type;
        uint64_t cols, rows;
    } row[] = {
        {"token_embd.weight", "afaae8fa4717bc5eb18375dac4a00c9e996a2648ad3ace06edc7e963e7256e03",
         NK_BF16, 256, 2048},
        {"output.weight", "8a4c7683916bcaa7a2161b3edfddb5fe9517cee3a5ba2aa322c18879d0ed7552",
         NK_BF16, 256, 2048},
        {"output_norm.weight", "4d22e26ffa7958d2b0e1c8240678909c0aa8e927cb3a3c7856c6484b0a3a46a7",
         NK_F32, 256, 1},
        {"blk.0.attn_q.weight", "e19f50395f715bac06344406b378b6450d1faedc6f39d9ade4b16039a86801bb",
         NK_BF16, 256, 256},
        {"blk.0.attn_k.weight", "253bd66bb2e07740168971fae56fe59ce0ec614153d56091c963341ff6157f1a",
         NK_BF16, 256, 128},
        {"blk.0.attn_v.weight", "9579eb201195d55c4354a290f4a325bd3291ff3a81b4b497d9768901501ee938",
         NK_BF16, 256, 128},
        {"blk.5.attn_q.weight", "6fab61c0523f7f530026af6890799c6d8cc78b4850731f711cec49cb80d6e370",
         NK_BF16, 256, 256},
        {"blk.5.attn_k.weight", "e92c2ccf32d315f4613be911632f99e0171fc3e9c1bc75e617f35e22a0ae3dad",
         NK_BF16, 256, 128},
        {"blk.4.attn_output.weight",
         "6cfbb2c49e6feddc879da3a3cbda9b0bb86ef180888a72e445b38143d8de540f", NK_BF16, 256, 256},
        {"blk.2.ffn_gate.weight",
         "b835a7264560176f5234db4feb3a930dbc4ef866343d141b3498f8da189dac9c", NK_BF16, 256, 768},
        {"blk.3.ffn_down.weight",
         "8eaf249c370d66a8419c051c928500e205339098aa449e6ef9b370968ee16ded", NK_BF16, 768, 256},
        {"blk.0.attn_norm.weight",
         "a9260496573ee1e36dd1b158ff7f5a6a66888da3ee60f26650e57453f4cfe2be", NK_F32, 256, 1},
    };
    nb_weights *w = opened(test_data("nibble-demo"));
    check(nb_weights_count(w) == 57 && nb_weights_container(w) == NB_HF_DIR, "%zu tensors",
          nb_weights_count(w));
    for (size_t i = 0; i < countof(row); i++) {
        char hash[65];
        const nb_view *v = nb_weights_find(w, row[i].name);
        check(v, "no %s", row[i].name);
        check(nb_tensor_cols(&v->t) == row[i].cols && nb_tensor_rows(&v->t) == row[i].rows,
              "%s: shape", row[i].name);
        check(v->out_type == row[i].type, "%s: type %d", row[i].name, v->out_type);
        hash_rows(v, hash);
        check(strcmp(hash, row[i].sha256) == 0, "%s: %s", row[i].name, hash);
    }
    check(!nb_weights_find(w, "model.norm.weight") && !nb_weights_find(w, ""), "foreign names");
    nb_weights_close(&w);
    check(!w, "not cleared");
}

CHECK_TEST(weights, demo_tensors_stand_in_the_writers_order)
{
    nb_weights *w = opened(test_data("nibble-demo"));
    static const char *const first[] = {"output.weight", "output_norm.weight", "token_embd.weight",
                                        "blk.0.attn_k.weight", "blk.0.attn_norm.weight"};
    for (size_t i = 0; i < countof(first); i++)
        check(strcmp(nb_weights_at(w, i)->t.name, first[i]) == 0, "%zu: %s", i,
              nb_weights_at(w, i)->t.name);
    check(strcmp(nb_weights_at(w, 56)->t.name, "blk.5.ffn_up.weight") == 0, "last");
    for (size_t i = 0; i < 57; i++)
        check(nb_weights_find(w, nb_weights_at(w, i)->t.name) == nb_weights_at(w, i), "index");
    nb_weights_close(&w);
}

/* Values as llama.cpp's converter writes them for this folder (quant.md 2.1, 2.3). */
CHECK_TEST(weights, demo_keys_are_the_converters)
{
    static const struct {
        const char *key;
        double value;
    } number[] = {{"llama.block_count", 6},
                  {"llama.context_length", 512},
                  {"llama.embedding_length", 256},
                  {"llama.feed_forward_length", 768},
                  {"llama.attention.head_count", 4},
                  {"llama.attention.head_count_kv", 2},
                  {"llama.attention.key_length", 64},
                  {"llama.attention.value_length", 64},
                  {"llama.rope.dimension_count", 64},
                  {"llama.vocab_size", 2048},
                  {"llama.rope.freq_base", 10000},
                  {"llama.attention.layer_norm_rms_epsilon", (double)1e-5f},
                  {"tokenizer.ggml.bos_token_id", 1},
                  {"tokenizer.ggml.eos_token_id", 5},
                  {"tokenizer.ggml.unknown_token_id", 0}};
    static const struct {
        const char *key, *value;
    } text[] = {{"general.architecture", "llama"},
                {"general.type", "model"},
                {"general.name", "Nibble Demo"},
                {"tokenizer.ggml.model", "llama"},
                {"tokenizer.ggml.pre", "default"}};
    nb_weights *w = opened(test_data("nibble-demo"));
    const nb_kvs *k = nb_weights_kvs(w);
    for (size_t i = 0; i < countof(number); i++) {
        uint64_t u = 0;
        double f = 0;
        bool got = nb_kvs_uint(k, number[i].key, &u) ? (f = (double)u, true)
                                                     : nb_kvs_float(k, number[i].key, &f);
        check(got && f == number[i].value, "%s = %g", number[i].key, f);
    }
    for (size_t i = 0; i < countof(text); i++) {
        const char *s = "";
        size_t n = 0;
        check(nb_kvs_str(k, text[i].key, &s, &n) && n == strlen(text[i].value) &&
                  memcmp(s, text[i].value, n) == 0,
              "%s = %.*s", text[i].key, (int)n, s);
    }
    bool bos = false, eos = true;
    check(nb_kvs_bool(k, "tokenizer.ggml.add_bos_token", &bos) && bos, "add_bos_token");
    check(nb_kvs_bool(k, "tokenizer.ggml.add_eos_token", &eos) && !eos, "add_eos_token");
    const char *s;
    size_t n;
    check(nb_kvs_str(k, "tokenizer.chat_template", &s, &n) && n > 100 &&
              memcmp(s, "{{ bos_token", 12) == 0,
          "template");
    nb_weights_close(&w);
}

CHECK_TEST(weights, demo_tokens_have_their_types)
{
    nb_weights *w = opened(test_data("nibble-demo"));
    const nb_kv *text = nb_kvs_find(nb_weights_kvs(w), "tokenizer.ggml.tokens");
    const nb_kv *type = nb_kvs_find(nb_weights_kvs(w), "tokenizer.ggml.token_type");
    const nb_kv *score = nb_kvs_find(nb_weights_kvs(w), "tokenizer.ggml.scores");
    check(text && type && score && text->n == 2048 && type->n == 2048 && score->n == 2048,
          "arrays");
    const uint8_t *at = NULL;
    const char *s;
    size_t n;
    size_t i = 0, bytes = 0;
    for (; nb_kv_next_string(text, &at, &s, &n); i++) {
        double t;
        check(nb_kv_elem_num(type, i, &t), "type %zu", i);
        if (i < 6)
            check(t == 3, "%.*s is control, not %g", (int)n, s, t);
        bytes += t == 6;
        if (t == 6)
            check(n == 6 && memcmp(s, "<0x", 3) == 0, "%.*s is no byte", (int)n, s);
    }
    check(i == 2048 && bytes == 256, "%zu tokens, %zu bytes", i, bytes);
    nb_weights_close(&w);
}

/* Every file a person may point at inside a model folder opens the folder. */
CHECK_TEST(weights, any_file_of_a_folder_opens_the_folder)
{
    static const char *const name[] = {"nibble-demo", "nibble-demo/", "nibble-demo/config.json",
                                       "nibble-demo/model.safetensors"};
    uint64_t print = 0;
    for (size_t i = 0; i < countof(name); i++) {
        nb_weights *w = opened(test_data(name[i]));
        check(nb_weights_count(w) == 57, "%s: %zu", name[i], nb_weights_count(w));
        check(i == 0 || nb_weights_fingerprint(w) == print, "%s: fingerprint", name[i]);
        print = nb_weights_fingerprint(w);
        nb_weights_close(&w);
    }
}

/* A21: what is often found instead of a model is named in one sentence. */
CHECK_TEST(weights, impostors_are_named)
{
    static const struct {
        const char *name, *bytes, *says;
        nb_status status;
    } row[] = {
        {"lfs.gguf", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
         "git-LFS", NB_FORMAT},
        {"lfs.safetensors", "version https://git-lfs.github.com/spec/v1\n", "git-LFS", NB_FORMAT},
        {"page.gguf", "<!DOCTYPE html><html><body>404</body>", "HTML", NB_FORMAT},
        {"page.safetensors", "<html>", "HTML", NB_FORMAT},
        {"empty.gguf", "", "empty", NB_FORMAT},
        {"empty.safetensors", "", "empty", NB_FORMAT},
        {"text.gguf", "hello, world", "GGUF", NB_FORMAT},
        {"absent.gguf", NULL, "absent.gguf", NB_NOTFOUND},
    };
    nb_err err;
    nb_weights *w = NULL;
    for (size_t i = 0; i < countof(row); i++) {
        const char *path = test_path(test_tmpdir(), row[i].name);
        if (row[i].bytes)
            test_spit(path, row[i].bytes, strlen(row[i].bytes));
        nb_status st = nb_weights_open(&w, path, &err);
        check(st == row[i].status && !w, "%s: status %d", row[i].name, st);
        check(strstr(err.msg, row[i].says), "%s: %s", row[i].name, err.msg);
    }
    /* A header of 60 bytes begins with the '<' of a page. */
    const char *path = test_path(test_tmpdir(), "sixty.safetensors");
    hf_put_tensors(path, "{\"w\":{\"dtype\":\"F16\",\"shape\":[4,8],\"data_offsets\":[0,64]}}   ",
                   64);
    check(nb_weights_open(&w, path, &err) == NB_OK && nb_weights_count(w) == 1, "%s", err.msg);
    nb_weights_close(&w);
    char dir[600];
    snprintf(dir, sizeof dir, "%s/no-model", test_tmpdir());
    mkdir(dir, 0755);
    check(nb_weights_open(&w, dir, &err) == NB_NOTFOUND && strstr(err.msg, "no model"), "%s",
          err.msg);
    check(nb_weights_open(&w, "/dev/null", &err) == NB_UNSUPPORTED, "a device: %s", err.msg);
}

/* --- split files --- */

static void write_shard(const char *path, unsigned no, unsigned count, int total, bool keys)
{
    nb_kvs *kvs;
    nb_str head = {0};
    uint64_t len;
    nb_err err;
    char name[32];
    snprintf(name, sizeof name, "blk.%u.attn_q.weight", no);
    nb_tensor t = {.name = name, .type = NK_F32, .n_dims = 2, .shape = {4, 2, 1, 1}};
    check(nb_kvs_open(&kvs, NULL) == NB_OK, "kvs");
    if (keys)
        nb_kvs_put_str(kvs, "general.architecture", "llama", 5, NULL);
    nb_kvs_put(kvs, &(nb_kv){.key = "split.no", .type = NB_KV_U16, .v.u = no}, true, NULL);
    nb_kvs_put(kvs, &(nb_kv){.key = "split.count", .type = NB_KV_U16, .v.u = count}, true, NULL);
    nb_kvs_put_i32(kvs, "split.tensors.count", total, NULL);
    check(nb_gguf_layout(&head, kvs, &t, 1, 32, &len, &err) == NB_OK, "%s", err.msg);
    float v[8] = {(float)no};
    char *bytes = calloc(1, len);
    memcpy(bytes, head.at, head.len);
    memcpy(bytes + t.offset, v, sizeof v);
    test_spit(path, bytes, len);
    free(bytes);
    nb_str_free(&head);
    nb_kvs_close(&kvs);
}

static const char *shard(const char *stem, unsigned no)
{
    char name[64];
    snprintf(name, sizeof name, "%s-%05u-of-00003.gguf", stem, no);
    return test_path(test_tmpdir(), name);
}

CHECK_TEST(weights, names_of_shards_are_told_from_others)
{
    static const struct {
        const char *path;
        size_t prefix; /* 0: no shard */
        uint32_t no, count;
    } row[] = {{"m-00002-of-00005.gguf", 1, 2, 5},
               {"dir/a-b-00001-of-00001.GGUF", 7, 1, 1},
               {"x-99999-of-99999.gguf", 1, 99999, 99999},
               {"-00001-of-00002.gguf", 0, 0, 0}, /* nothing before the number */
               {"", 0, 0, 0},
               {"m-00002-of-00005.bin_", 0, 0, 0},
               {"m_00002-of-00005.gguf", 0, 0, 0},
               {"m-0000x-of-00005.gguf", 0, 0, 0},
               {"m-/0002-of-00005.gguf", 0, 0, 0},
               {"m-00002-if-00005.gguf", 0, 0, 0},
               {"m-00002-of-0000:.gguf", 0, 0, 0},
               {"m-00000-of-00005.gguf", 0, 0, 0},
               {"m-00006-of-00005.gguf", 0, 0, 0}};
    for (size_t i = 0; i < countof(row); i++) {
        size_t prefix = 0;
        uint32_t no = 0, count = 0;
        bool is = nb_gguf_split_name(row[i].path, &prefix, &no, &count);
        check(is == (row[i].prefix > 0), "%s", row[i].path);
        check(prefix == row[i].prefix && no == row[i].no && count == row[i].count,
              "%s: %zu, %u of %u", row[i].path, prefix, no, count);
    }
}

CHECK_TEST(weights, split_files_open_from_any_shard)
{
    for (unsigned i = 0; i < 3; i++)
        write_shard(shard("s", i + 1), i, 3, 3, i == 0);
    for (unsigned i = 1; i <= 3; i++) {
        nb_weights *w = opened(shard("s", i));
        const char *const *paths;
        check(nb_weights_count(w) == 3 && nb_weights_files(w, &paths) == 3, "from shard %u", i);
        const nb_view *v = nb_weights_find(w, "blk.2.attn_q.weight");
        float first;
        memcpy(&first, nb_weights_row(v, 0, NULL), 4);
        check(v->t.shard == 2 && first == 2, "shard %u, value %g", v->t.shard, (double)first);
        check(nb_kvs_find(nb_weights_kvs(w), "general.architecture"), "keys come from shard 0");
        nb_weights_close(&w);
    }
}

CHECK_TEST(weights, inconsistent_split_files_are_refused)
{
    static const struct {
        const char *stem;
        unsigned no, count;
        int total;
        bool missing;
        const char *says;
    } row[] = {{"no", 1, 3, 3, false, "split.no"},
               {"count", 2, 4, 3, false, "split.count"},
               {"total", 2, 3, 3, false, "split.tensors.count"},
               {"gap", 2, 3, 3, true, "gap-00003"}};
    for (size_t i = 0; i < countof(row); i++) {
        for (unsigned k = 0; k < 3; k++)
            write_shard(shard(row[i].stem, k + 1), k, 3, strcmp(row[i].stem, "total") ? 3 : 4,
                        k == 0);
        write_shard(shard(row[i].stem, 3), row[i].no, row[i].count, row[i].total, false);
        if (row[i].missing)
            unlink(shard(row[i].stem, 3));
        nb_weights *w = NULL;
        nb_err err = {.msg = ""};
        check(nb_weights_open(&w, shard(row[i].stem, 1), &err) != NB_OK && !w, "%s", row[i].stem);
        check(strstr(err.msg, row[i].says), "%s: %s", row[i].stem, err.msg);
    }
}

/* A17: the output may not be the input, by whatever name. */
CHECK_TEST(weights, a_source_is_known_under_every_name)
{
    char dir[600], file[700], name[8][1200];
    snprintf(dir, sizeof dir, "%s/source", test_tmpdir());
    mkdir(dir, 0755);
    snprintf(file, sizeof file, "%s/m-00001-of-00003.gguf", dir);
    for (unsigned i = 0; i < 3; i++) {
        snprintf(name[0], sizeof name[0], "%s/m-%05u-of-00003.gguf", dir, i + 1);
        write_shard(name[0], i, 3, 3, i == 0);
    }
    snprintf(name[0], sizeof name[0], "%s", file);
    snprintf(name[1], sizeof name[1], "%s/./m-00001-of-00003.gguf", dir);
    snprintf(name[2], sizeof name[2], "%s/../source/m-00001-of-00003.gguf", dir);
    snprintf(name[3], sizeof name[3], "%s/soft.gguf", dir);
    snprintf(name[4], sizeof name[4], "%s/hard.gguf", dir);
    snprintf(name[5], sizeof name[5], "%s/m-00003-of-00003.gguf", dir);
    snprintf(name[6], sizeof name[6], "%s/twice.gguf", dir);
    snprintf(name[7], sizeof name[7], "%s/link/m-00002-of-00003.gguf", dir);
    char folder[700];
    snprintf(folder, sizeof folder, "%s/link", dir);
    check(symlink(file, name[3]) == 0 && link(file, name[4]) == 0 &&
              symlink(name[3], name[6]) == 0 && symlink(dir, folder) == 0,
          "links");
    nb_weights *w = opened(file);
    for (size_t i = 0; i < countof(name); i++)
        check(nb_weights_is_source(w, name[i]), "%s is not known", name[i]);
    test_spit(test_path(dir, "other.gguf"), "x", 1);
    check(!nb_weights_is_source(w, test_path(dir, "other.gguf")), "another file");
    check(!nb_weights_is_source(w, test_path(dir, "new.gguf")), "a file that is not there");
    nb_weights_close(&w);
    w = opened(test_data("nibble-demo"));
    check(nb_weights_is_source(w, test_data("nibble-demo/config.json")),
          "what keys are read from counts too");
    nb_weights_close(&w);
}
