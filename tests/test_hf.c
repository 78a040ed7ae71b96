/* Hugging Face folders made for the purpose: scaling tensors, shard indexes, hostile and wrong
 * ones. */
#include "tests/check.h"

#include "core/base/file.h"
#include "core/base/job.h"
#include "core/base/str.h"
#include "core/files/hf_private.h"
#include "core/files/weights.h"
#include "tests/hf_folder.h"
#include "tests/util.h"

#include <math.h>
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

CHECK_TEST(hf, llama3_scaling_becomes_a_tensor)
{
    hf_folder f = hf_folder_make(
        "llama3", "{\"architectures\":[\"LlamaForCausalLM\"]," HF_SMALL
                  ",\"head_dim\":128,\"rope_theta\":500000.0,\"tie_word_embeddings\":true,"
                  "\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":32.0,"
                  "\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,"
                  "\"original_max_position_embeddings\":8192}}");
    hf_put_tensors(test_path(f.dir, "model.safetensors"), "{" HF_EMBED "}", 64);
    nb_weights *w = opened(f.dir);
    const nb_view *v = nb_weights_find(w, "rope_freqs.weight");
    check(v && v->t.n_dims == 1 && v->t.shape[0] == 64 && v->t.type == NK_F32, "rope_freqs");
    check(!nb_weights_find(w, "output.weight"), "tied: no output");
    const float *x = (const float *)nb_weights_row(v, 0, NULL);
    for (int i = 0; i < 64; i++) {
        double wave = 2 * M_PI * pow(500000.0, 2.0 * i / 128), t = (8192 / wave - 1) / 3;
        double want = wave < 2048 ? 1 : wave > 8192 ? 32 : 1 / ((1 - t) / 32 + t);
        check(fabs(x[i] - want) < 1e-6 * want, "%d: %g, expected %g", i, (double)x[i], want);
    }
    check(x[0] == 1 && x[63] == 32, "ends");
    nb_weights_close(&w);
}

/* A20: weight_map names stay inside the folder. */
CHECK_TEST(hf, hostile_shard_names_are_refused)
{
    static const char *const bad[] = {"../secret.safetensors",
                                      "/etc/passwd",
                                      "a/b.safetensors",
                                      "..",
                                      ".",
                                      "",
                                      "x\\u0001.safetensors",
                                      "a\\\\b",
                                      "x\\u007f",
                                      "../../../../etc/passwd"};
    hf_folder f = hf_folder_make("hostile", HF_LLAMA(""));
    hf_put_tensors(test_path(test_tmpdir(), "secret.safetensors"), "{" HF_EMBED "}", 64);
    for (size_t i = 0; i < countof(bad); i++) {
        char json[300];
        nb_weights *w = NULL;
        nb_err err = {.msg = ""};
        snprintf(json, sizeof json, "{\"weight_map\":{\"model.embed_tokens.weight\":\"%s\"}}",
                 bad[i]);
        test_spit(test_path(f.dir, "model.safetensors.index.json"), json, strlen(json));
        check(nb_weights_open(&w, f.dir, &err) == NB_FORMAT && !w, "\"%s\" was followed", bad[i]);
        check(strstr(err.msg, "weight_map"), "\"%s\": %s", bad[i], err.msg);
    }
}

CHECK_TEST(hf, shards_of_an_index_are_one_model)
{
    hf_folder f =
        hf_folder_make("sharded", "{\"architectures\":[\"MistralForCausalLM\"]," HF_SMALL "}");
    static const char index[] = "{\"metadata\":{\"total_size\":80},\"weight_map\":{"
                                "\"model.embed_tokens.weight\":\"model-1.safetensors\","
                                "\"model.norm.weight\":\"model-2.safetensors\"}}";
    test_spit(test_path(f.dir, "model.safetensors.index.json"), index, sizeof index - 1);
    hf_put_tensors(test_path(f.dir, "model-1.safetensors"), "{" HF_EMBED "}", 64);
    hf_put_tensors(
        test_path(f.dir, "model-2.safetensors"),
        "{\"model.norm.weight\":{\"dtype\":\"F16\",\"shape\":[8],\"data_offsets\":[0,16]}}", 16);
    nb_weights *w = opened(f.dir);
    check(nb_weights_count(w) == 2, "%zu tensors", nb_weights_count(w));
    check(nb_weights_find(w, "output_norm.weight")->out_type == NK_F32, "norms become f32");
    nb_weights_close(&w);
    hf_put_tensors(test_path(f.dir, "model-2.safetensors"), "{" HF_EMBED "}", 64);
    nb_err err = {.msg = ""};
    check(nb_weights_open(&w, f.dir, &err) == NB_FORMAT && strstr(err.msg, "twice"), "twins: %s",
          err.msg);
    unlink(test_path(f.dir, "model-2.safetensors"));
    check(nb_weights_open(&w, f.dir, &err) == NB_NOTFOUND && strstr(err.msg, "model-2"), "%s",
          err.msg);
}

CHECK_TEST(hf, a_tensor_name_too_long_for_an_index_is_refused)
{
    hf_folder f = hf_folder_make("longname", HF_LLAMA(""));
    char json[1200];
    snprintf(json, sizeof json, "{\"weight_map\":{\"%01024d\":\"a.safetensors\"}}", 1);
    test_spit(test_path(f.dir, "model.safetensors.index.json"), json, strlen(json));
    nb_hf_shards s;
    nb_err err = {.msg = ""};
    check(nb_hf_shards_open(&s, f.dir, &err) == NB_FORMAT && strstr(err.msg, "too long names"),
          "%s", err.msg);
}

/* A7: an index that names its many shards in turn costs no walk over all of them per tensor. */
CHECK_TEST(hf, an_index_of_many_shards_is_read_in_linear_time)
{
    enum { TENSORS = 200000, SHARDS = 1000 };
    hf_folder f = hf_folder_make("turns", HF_LLAMA(""));
    nb_str json = {0};
    nb_str_add(&json, "{\"weight_map\":{");
    for (int i = 0; i < TENSORS; i++)
        nb_str_addf(&json, "%s\"t%d\":\"long_shard_name_%d\"", i ? "," : "", i, i % SHARDS);
    nb_str_add(&json, "}}");
    test_spit(test_path(f.dir, "model.safetensors.index.json"), json.at, json.len);
    nb_str_free(&json);
    nb_hf_shards s;
    nb_err err = {.msg = ""};
    double start = nb_now();
    check(nb_hf_shards_open(&s, f.dir, &err) == NB_OK && s.n == SHARDS, "%s", err.msg);
    check(strcmp(s.name[0], "long_shard_name_0") == 0 &&
              strcmp(s.name[SHARDS - 1], "long_shard_name_999") == 0,
          "in the index's order");
    check(nb_now() - start < test_within(1), "%.2f s", nb_now() - start);
    nb_hf_shards_close(&s);
}

/* Folders of more than 1,024 bytes are opened; what no system takes is refused in words. */
CHECK_TEST(hf, long_paths_are_opened_or_refused)
{
    char dir[3000];
    snprintf(dir, sizeof dir, "%s/deep", test_tmpdir());
    mkdir(dir, 0755);
    while (strlen(dir) < 1500) {
        size_t n = strlen(dir);
        snprintf(dir + n, sizeof dir - n, "/%0100d", 7);
        mkdir(dir, 0755);
    }
    hf_folder f = hf_folder_make("short", HF_LLAMA(""));
    hf_put_tensors(test_path(f.dir, "model.safetensors"), "{" HF_EMBED "}", 64);
    char model[3100];
    snprintf(model, sizeof model, "%s/m", dir);
    check(rename(f.dir, model) == 0, "move");
    nb_weights_close(&(nb_weights *){opened(model)});
    strcat(model, "/model.safetensors");
    nb_weights *w = opened(model);
    check(nb_weights_container(w) == NB_HF_DIR, "its config.json is found");
    nb_weights_close(&w);
    static char endless[9000];
    memset(endless, 'a', sizeof endless - 1);
    memcpy(endless + 8000, "/x.safetensors", 15);
    nb_err err = {.msg = ""};
    check(nb_weights_open(&w, endless, &err) == NB_USAGE && strstr(err.msg, "8000"), "%s", err.msg);
}

/* A4: one sentence for each wrong config. */
CHECK_TEST(hf, wrong_configs_are_refused)
{
    static const struct {
        const char *config, *says;
    } row[] = {
        {"", "config.json"},
        {"[]", "architectures"},
        {"{}", "architectures"},
        {"{\"architectures\":[]}", "architectures"},
        {"{\"architectures\":\"LlamaForCausalLM\"," HF_SMALL "}", "architectures"},
        {"{\"architectures\":[\"BertModel\"]}", "BertModel"},
        {"{\"architectures\":[\"LlamaForCausalLM\"]}", "num_hidden_layers"},
        {"{\"architectures\":[\"LlamaForCausalLM\"],\"num_hidden_layers\":0}", "num_hidden_layers"},
        {"{\"architectures\":[\"LlamaForCausalLM\"],\"num_hidden_layers\":1e9}",
         "num_hidden_layers"},
        {"{\"architectures\":[\"LlamaForCausalLM\"],\"num_hidden_layers\":1.5}",
         "num_hidden_layers"},
        {"{\"architectures\":[\"LlamaForCausalLM\"],\"num_hidden_layers\":\"6\"}",
         "num_hidden_layers"},
        {"{\"architectures\":[\"LlamaForCausalLM\"]," HF_SMALL ",\"num_key_value_heads\":3}",
         "num_key_value_heads"},
        {"{\"architectures\":[\"LlamaForCausalLM\"]," HF_SMALL ",\"rms_norm_eps\":-1}",
         "rms_norm_eps"},
        {"{\"architectures\":[\"LlamaForCausalLM\"]," HF_SMALL ",\"rope_theta\":0}", "rope_theta"},
        {"{\"architectures\":[\"LlamaForCausalLM\"]," HF_SMALL
         ",\"rope_scaling\":{\"type\":\"yarn\"}}",
         "factor"},
        {"{\"architectures\":[\"LlamaForCausalLM\"]," HF_SMALL
         ",\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2,"
         "\"original_max_position_embeddings\":32}}",
         "dynamic"},
        {"{\"architectures\":[\"LlamaForCausalLM\"]," HF_SMALL
         ",\"rope_scaling\":{\"type\":\"dynamic\",\"alpha\":1000}}",
         "dynamic"},
        {"{\"architectures\":[\"LlamaForCausalLM\"]," HF_SMALL
         ",\"rope_scaling\":{\"type\":\"linear\"}}",
         "factor"},
        {"{\"architectures\":[\"LlamaForCausalLM\"]," HF_SMALL "} trailing", "config.json"},
        {"{\"architectures\":[\"LlamaForCausalLM\"]," HF_SMALL ",\"vocab_size\":5}", "config.json"},
    };
    for (size_t i = 0; i < countof(row); i++) {
        nb_weights *w = NULL;
        nb_err err = {.msg = ""};
        hf_folder f = hf_folder_make("wrong", row[i].config);
        hf_put_tensors(test_path(f.dir, "model.safetensors"), "{" HF_EMBED "}", 64);
        nb_status st = nb_weights_open(&w, f.dir, &err);
        check(!w && (st == NB_FORMAT || st == NB_UNSUPPORTED), "%zu: status %d", i, st);
        check(strstr(err.msg, row[i].says), "%zu: %s", i, err.msg);
    }
}

static void expect_text(const nb_kvs *kvs, const char *key, const char *want)
{
    const char *s = "";
    size_t n = 0;
    check(nb_kvs_str(kvs, key, &s, &n) && n == strlen(want) && memcmp(s, want, n) == 0, "%s = %.*s",
          key, (int)n, s);
}

CHECK_TEST(hf, tokenizer_files_decide_ids_types_and_template)
{
    hf_folder f = hf_folder_make("tok", "{\"architectures\":[\"LlamaForCausalLM\"]," HF_SMALL
                                        ",\"eos_token_id\":[3,1],\"pad_token_id\":9,"
                                        "\"rope_scaling\":{\"type\":\"linear\",\"factor\":2.0}}");
    static const char tok[] = "{\"bos_token\":{\"content\":\"a\"},\"add_bos_token\":false,"
                              "\"add_prefix_space\":false,"
                              "\"added_tokens_decoder\":{\"2\":{\"content\":\"<|x|>\"},"
                              "\"3\":{\"content\":\"word\"},\"77\":{\"content\":\"beyond\"}},"
                              "\"chat_template\":[{\"name\":\"tool_use\",\"template\":\"T\"},"
                              "{\"name\":\"default\",\"template\":\"D\"}]}";
    test_spit(test_path(f.dir, "tokenizer_config.json"), tok, sizeof tok - 1);
    hf_put_tensors(test_path(f.dir, "model.safetensors"), "{" HF_EMBED "}", 64);
    nb_weights *w = opened(f.dir);
    const nb_kvs *k = nb_weights_kvs(w);
    static const double want[] = {2, 1, 3, 4}; /* unknown, normal, control by shape, user-defined */
    for (size_t i = 0; i < countof(want); i++) {
        double type = 0;
        check(nb_kv_elem_num(nb_kvs_find(k, "tokenizer.ggml.token_type"), i, &type) &&
                  type == want[i],
              "token %zu has type %g", i, type);
    }
    uint64_t id = 99;
    double factor = 0;
    bool flag = true;
    check(nb_kvs_uint(k, "tokenizer.ggml.bos_token_id", &id) && id == 1, "bos by its spelling: %d",
          (int)id);
    check(nb_kvs_uint(k, "tokenizer.ggml.eos_token_id", &id) && id == 3, "eos: first of the list");
    check(!nb_kvs_find(k, "tokenizer.ggml.padding_token_id"), "an id past the vocabulary is no id");
    check(nb_kvs_bool(k, "tokenizer.ggml.add_bos_token", &flag) && !flag, "add_bos_token");
    flag = true;
    check(nb_kvs_bool(k, "tokenizer.ggml.add_space_prefix", &flag) && !flag, "add_space_prefix");
    check(nb_kvs_float(k, "llama.rope.scaling.factor", &factor) && factor == 2, "factor %g",
          factor);
    expect_text(k, "llama.rope.scaling.type", "linear");
    expect_text(k, "tokenizer.chat_template", "D");
    nb_weights_close(&w);
    test_spit(test_path(f.dir, "chat_template.jinja"), "file", 4);
    w = opened(f.dir);
    expect_text(nb_weights_kvs(w), "tokenizer.chat_template", "file");
    nb_weights_close(&w);
}

static const char *token_text(const nb_kvs *k, size_t id, size_t *n)
{
    const nb_kv *tokens = nb_kvs_find(k, "tokenizer.ggml.tokens");
    const uint8_t *at = NULL;
    const char *s = NULL;
    for (size_t i = 0; i <= id; i++)
        check(nb_kv_next_string(tokens, &at, &s, n), "token %zu", i);
    return s;
}

/* As llama.cpp's converter: what tokenizer_config.json describes has plain spaces unless it is
 * control, what only added_tokens.json names is taken as it stands. */
CHECK_TEST(hf, added_tokens_are_spelled_as_text_has_them)
{
    hf_folder f = hf_folder_make("added", HF_LLAMA(""));
    static const char tok[] =
        "{\"added_tokens_decoder\":{\"2\":{\"content\":\"\xe2\x96\x81\xe2\x96\x81x\"},"
        "\"3\":{\"content\":\"<\xe2\x96\x81>\",\"special\":true}}}";
    static const char added[] = "{\"\xe2\x96\x81y\":1,\"beyond\":4}";
    static const char *const want[] = {"<unk>", "\xe2\x96\x81y", "  x", "<\xe2\x96\x81>"};
    test_spit(test_path(f.dir, "tokenizer_config.json"), tok, sizeof tok - 1);
    test_spit(test_path(f.dir, "added_tokens.json"), added, sizeof added - 1);
    hf_put_tensors(test_path(f.dir, "model.safetensors"), "{" HF_EMBED "}", 64);
    nb_weights *w = opened(f.dir);
    for (size_t i = 0; i < countof(want); i++) {
        size_t n;
        const char *s = token_text(nb_weights_kvs(w), i, &n);
        check(n == strlen(want[i]) && memcmp(s, want[i], n) == 0, "%zu: %.*s", i, (int)n, s);
    }
    nb_weights_close(&w);
}

static void expect_list(const nb_kvs *kvs, const char *key, const char *want)
{
    const nb_kv *list = nb_kvs_find(kvs, key);
    const uint8_t *at = NULL;
    const char *s;
    size_t n;
    nb_str all = {0};
    while (list && nb_kv_next_string(list, &at, &s, &n))
        nb_str_addf(&all, "%.*s,", (int)n, s);
    check(strcmp(nb_str_c(&all), want) == 0, "%s = %s", key, nb_str_c(&all));
    nb_str_free(&all);
}

CHECK_TEST(hf, a_model_card_tells_licence_origin_tags_and_languages)
{
    static const char card[] =
        "---\r\n# a comment: no\nlicense: \"apache-2.0\"\nlanguage:\n- en\n- de # two\n"
        "tags: [tiny, 'two words']\npipeline_tag: text-generation\nbase_model:\n  - "
        "org/big-model-7b\n"
        "model-index:\n- name: nothing\n  results: x\nempty:\nlicense_link: https://x.org/l\n"
        "model_name: Short \xff\nnested:\n  license: wrong\n---\nlicense: body\n";
    hf_folder f = hf_folder_make("v2-tiny-chat_x-1.1b", HF_LLAMA(""));
    hf_put_tensors(test_path(f.dir, "model.safetensors"), "{" HF_EMBED "}", 64);
    char slashed[620];
    snprintf(slashed, sizeof slashed, "%s//", f.dir);
    nb_weights *w = opened(slashed);
    expect_text(nb_weights_kvs(w), "general.name", "v2 Tiny Chat_X 1.1b");
    expect_text(nb_weights_kvs(w), "general.size_label", "0.03K");
    check(!nb_kvs_find(nb_weights_kvs(w), "general.license"), "no card, no licence");
    nb_weights_close(&w);
    test_spit(test_path(f.dir, "README.md"), card, sizeof card - 1);
    w = opened(f.dir);
    const nb_kvs *k = nb_weights_kvs(w);
    expect_text(k, "general.name", "v2 Tiny Chat_X 1.1b"); /* the card's is no UTF-8 */
    expect_text(k, "general.license", "apache-2.0");
    expect_text(k, "general.license_link", "https://x.org/l");
    expect_text(k, "general.base_model.0.name", "Big Model 7b");
    expect_text(k, "general.base_model.0.organization", "Org");
    expect_text(k, "general.base_model.0.repo_url", "https://huggingface.co/org/big-model-7b");
    expect_list(k, "general.tags", "tiny,two words,text-generation,");
    expect_list(k, "general.languages", "en,de,");
    nb_weights_close(&w);
    test_spit(test_path(f.dir, "README.md"), "license: mit\n", 13);
    w = opened(f.dir);
    check(!nb_kvs_find(nb_weights_kvs(w), "general.license"), "text without dashes is no card");
    nb_weights_close(&w);
}

/* The folder of a snapshot is named by a commit: the repository's name is the model's. */
CHECK_TEST(hf, a_snapshot_is_named_by_its_repository)
{
    mkdir(test_path(test_tmpdir(), "models--org--my-model"), 0755);
    mkdir(test_path(test_tmpdir(), "models--org--my-model/snapshots"), 0755);
    hf_folder f = hf_folder_make("models--org--my-model/snapshots/0123abcd", HF_LLAMA(""));
    hf_put_tensors(test_path(f.dir, "model.safetensors"), "{" HF_EMBED "}", 64);
    nb_weights *w = opened(f.dir);
    expect_text(nb_weights_kvs(w), "general.name", "My Model");
    nb_weights_close(&w);
    static const char named[] = "{\"architectures\":[\"LlamaForCausalLM\"]," HF_SMALL
                                ",\"_name_or_path\":\"org/Other-1B\"}";
    test_spit(test_path(f.dir, "config.json"), named, sizeof named - 1);
    w = opened(f.dir);
    expect_text(nb_weights_kvs(w), "general.name", "Other 1B");
    nb_weights_close(&w);
}

CHECK_TEST(hf, broken_tokenizer_files_are_refused)
{
    static const struct {
        const char *file, *text, *says;
    } row[] = {
        {"tokenizer_config.json", "{\"added_tokens_decoder\":[1]}", "added_tokens_decoder"},
        {"added_tokens.json", "[\"a\"]", "added_tokens.json"},
        {"added_tokens.json", "{\"a\":-1}", "added_tokens.json"},
        {"tokenizer_config.json", "{\"added_tokens_decoder\":{\"x\":{\"content\":\"y\"}}}",
         "added_tokens_decoder"},
        {"tokenizer_config.json", "{\"added_tokens_decoder\":{\"1\":{}}}", "added_tokens_decoder"},
        {"tokenizer_config.json", "{", "tokenizer_config.json"},
        {"special_tokens_map.json", "nonsense", "special_tokens_map.json"},
        {"generation_config.json", "{\"eos_token_id\":[1,]}", "generation_config.json"},
        {"tokenizer.model", "", "tokenizer.model"}};
    for (size_t i = 0; i < countof(row); i++) {
        char name[16];
        snprintf(name, sizeof name, "broken%zu", i);
        hf_folder f = hf_folder_make(name, HF_LLAMA(""));
        hf_put_tensors(test_path(f.dir, "model.safetensors"), "{" HF_EMBED "}", 64);
        test_spit(test_path(f.dir, row[i].file), row[i].text, strlen(row[i].text));
        nb_weights *w = NULL;
        nb_err err = {.msg = ""};
        check(nb_weights_open(&w, f.dir, &err) == NB_FORMAT && !w, "%s: %s", row[i].file,
              row[i].text);
        check(strstr(err.msg, row[i].says), "%s: %s", row[i].file, err.msg);
    }
    hf_folder f = hf_folder_make("bpe", HF_LLAMA(""));
    hf_put_tensors(test_path(f.dir, "model.safetensors"), "{" HF_EMBED "}", 64);
    unlink(test_path(f.dir, "tokenizer.model"));
    nb_weights *w = NULL;
    nb_err err = {.msg = ""};
    check(nb_weights_open(&w, f.dir, &err) == NB_NOTFOUND && strstr(err.msg, "tokenizer.json"),
          "%s", err.msg);
}

/* No tokenizer.model: tokenizer.json speaks, for a class whose vocabulary is not in its config
 * (Gemma 3) it also counts; the embedding is cut to it. */
CHECK_TEST(hf, tokenizer_json_serves_where_there_is_no_sentencepiece)
{
    static const char json[] =
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]},"
        "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false}}";
    static const char *const config[] = {
        "{\"architectures\":[\"Qwen2ForCausalLM\"]," HF_SMALL "}",
        "{\"architectures\":[\"Gemma3ForCausalLM\"],\"hidden_size\":8,\"intermediate_size\":8,"
        "\"num_hidden_layers\":1,\"num_attention_heads\":2,\"num_key_value_heads\":1}"};
    static const uint64_t tokens[] = {4, 3}; /* Qwen2's config has four rows: one is a pad */
    for (size_t i = 0; i < countof(config); i++) {
        hf_folder f = hf_folder_make("json", config[i]);
        unlink(test_path(f.dir, "tokenizer.model"));
        test_spit(test_path(f.dir, "tokenizer.json"), json, sizeof json - 1);
        hf_put_tensors(test_path(f.dir, "model.safetensors"), "{" HF_EMBED "}", 64);
        nb_weights *w = opened(f.dir);
        const nb_kv *list = nb_kvs_find(nb_weights_kvs(w), "tokenizer.ggml.tokens");
        expect_text(nb_weights_kvs(w), "tokenizer.ggml.model", "gpt2");
        expect_text(nb_weights_kvs(w), "tokenizer.ggml.pre", "gpt-2");
        check(list && list->n == tokens[i], "%zu: %d tokens", i, list ? (int)list->n : -1);
        check(nb_weights_find(w, "token_embd.weight")->t.shape[1] == tokens[i], "rows");
        nb_weights_close(&w);
    }
}

CHECK_TEST(hf, tensors_without_a_place_are_refused)
{
    static const struct {
        const char *json, *says;
        size_t data;
    } row[] = {
        {"{" HF_EMBED
         ",\"model.layers.0.mlp.experts.0.w1.weight\":{\"dtype\":\"F16\",\"shape\":[8],"
         "\"data_offsets\":[64,80]}}",
         "experts", 80},
        {"{" HF_EMBED ",\"model.layers.x.input_layernorm.weight\":{\"dtype\":\"F16\",\"shape\":[8],"
         "\"data_offsets\":[64,80]}}",
         "layers.x", 80},
        {"{" HF_EMBED ",\"model.layers.0.self_attn.q_proj.bias\":{\"dtype\":\"F16\",\"shape\":[6],"
         "\"data_offsets\":[64,76]}}",
         "6 rows do not divide", 76},
        {"{" HF_EMBED ",\"model.layers.0.mlp.up_proj.weight\":{\"dtype\":\"I16\",\"shape\":[8],"
         "\"data_offsets\":[64,80]}}",
         "not as floats", 80},
        {"{" HF_EMBED
         ",\"model.layers.0.self_attn.q_proj.weight\":{\"dtype\":\"F16\",\"shape\":[3,8],"
         "\"data_offsets\":[64,112]}}",
         "heads", 112},
        {"{\"model.norm.weight\":{\"dtype\":\"F16\",\"shape\":[8],\"data_offsets\":[0,16]}}",
         "embed_tokens", 16},
    };
    hf_folder f = hf_folder_make("misplaced", HF_LLAMA(""));
    for (size_t i = 0; i < countof(row); i++) {
        nb_weights *w = NULL;
        nb_err err = {.msg = ""};
        hf_put_tensors(test_path(f.dir, "model.safetensors"), row[i].json, row[i].data);
        check(nb_weights_open(&w, f.dir, &err) != NB_OK && !w, "row %zu", i);
        check(strstr(err.msg, row[i].says), "row %zu: %s", i, err.msg);
    }
    nb_weights *w = NULL;
    hf_put_tensors(test_path(f.dir, "model.safetensors"),
                   "{" HF_EMBED
                   ",\"model.layers.0.self_attn.rotary_emb.inv_freq\":{\"dtype\":\"F32\","
                   "\"shape\":[2],\"data_offsets\":[64,72]}}",
                   72);
    w = opened(f.dir);
    check(nb_weights_count(w) == 1, "inv_freq is dropped");
    nb_weights_close(&w);
}
