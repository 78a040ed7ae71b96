/* Hugging Face folders whose files are nearly right: every number of config.json out of its range,
 * special tokens found in one file or another, templates, names without a place (A4, A35). */
#include "tests/check.h"

#include "core/base/file.h"
#include "core/base/str.h"
#include "core/files/hf_private.h"
#include "tests/hf_folder.h"
#include "tests/util.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static nb_status keys_of(const char *dir, nb_kvs **kvs, nb_err *err)
{
    *err = (nb_err){.msg = ""};
    check(nb_kvs_open(kvs, NULL) == NB_OK, "kvs");
    return nb_hf_keys(*kvs, dir, err);
}

/* Made and freed again: how many there were stays in made->n. */
static nb_status make_tensors(const char *dir, nb_made *made, nb_err *err)
{
    nb_hf_config c;
    *err = (nb_err){.msg = ""};
    *made = (nb_made){.n = 99};
    NB_TRY(nb_hf_config_open(&c, dir, err));
    nb_status st = nb_hf_make_tensors(made, &c);
    nb_hf_config_close(&c);
    size_t n = made->n;
    if (st == NB_OK)
        nb_made_close(made);
    made->n = n;
    return st;
}

static void refused(const char *config, const char *says)
{
    nb_kvs *kvs;
    nb_err err;
    hf_folder f = hf_folder_make("refused", config);
    nb_status st = keys_of(f.dir, &kvs, &err);
    check(st == NB_FORMAT || st == NB_UNSUPPORTED, "%s: status %d", config, st);
    check(strstr(err.msg, "config.json") && strstr(err.msg, says), "%s: %s", config, err.msg);
    nb_kvs_close(&kvs);
}

/* --- numbers --------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    double sound, low, high; /* low, high: just outside */
    bool needed;
} numbers[] = {{"num_hidden_layers", 1, 0, 1025, true},
               {"hidden_size", 8, 0, (1 << 20) + 1, true},
               {"intermediate_size", 8, 0, (1 << 20) + 1, true},
               {"num_attention_heads", 4, 0, 4097, true},
               {"vocab_size", 4, 0, (1 << 20) + 1, true},
               {"max_position_embeddings", 64, 0, (1 << 30) + 1.0, true},
               {"num_key_value_heads", 2, 0, 5, false},
               {"head_dim", 2, 1, 65537, false},
               {"rope_theta", 1e4, 0.5, 1e13, false},
               {"rms_norm_eps", 1e-5, 1e-13, 1.5, false}};
static const char *const instead[] = {"\"8\"", "[8]", "true", "{}"};
enum { ABSENT, LOW, HIGH, INSTEAD, WAYS = INSTEAD + countof(instead) };

/* A config whose number `wrong` is so in the way `how`. */
static void wrong_config(nb_str *s, size_t wrong, int how)
{
    nb_str_clear(s);
    nb_str_add(s, "{\"architectures\":[\"LlamaForCausalLM\"]");
    for (size_t i = 0; i < countof(numbers); i++) {
        bool bad = i == wrong;
        double v = !bad ? numbers[i].sound : how == LOW ? numbers[i].low : numbers[i].high;
        if (bad && how == ABSENT)
            continue;
        if (bad && how >= INSTEAD)
            nb_str_addf(s, ",\"%s\":%s", numbers[i].name, instead[how - INSTEAD]);
        else
            nb_str_addf(s, ",\"%s\":%.16g", numbers[i].name, v);
    }
    nb_str_add(s, "}");
}

CHECK_TEST(hf, every_number_of_a_config_is_asked_for_and_bounded)
{
    nb_str s = {0};
    for (size_t i = 0; i < countof(numbers); i++)
        for (int how = numbers[i].needed ? ABSENT : LOW; how < WAYS; how++) {
            wrong_config(&s, i, how);
            refused(s.at, numbers[i].name);
        }
    nb_str_free(&s);
    refused("{\"architectures\":[\"LlamaForCausalLM\"],\"num_hidden_layers\":1,\"hidden_size\":8,"
            "\"intermediate_size\":8,\"num_attention_heads\":4,\"vocab_size\":4,"
            "\"max_position_embeddings\":64,\"num_key_value_heads\":3}",
            "4 heads over 3");
    refused(HF_LLAMA(",\"rope_parameters\":{\"rope_theta\":0}"), "rope_theta");
    refused(HF_LLAMA(",\"rope_scaling\":{\"type\":\"linear\",\"factor\":0.5}"), "factor");
}

/* transformers' spellings of "none": all of them open. Dynamic scaling is none within the context.
 */
CHECK_TEST(hf, absent_scaling_has_many_spellings)
{
    static const char *const fields[] = {
        ",\"rope_scaling\":null",
        ",\"rope_scaling\":{}",
        ",\"rope_scaling\":[1]",
        ",\"rope_scaling\":{\"rope_type\":\"default\"}",
        ",\"rope_parameters\":{\"rope_type\":\"default\",\"rope_theta\":1e6}",
        ",\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2}"};
    for (size_t i = 0; i < countof(fields); i++) {
        nb_kvs *kvs;
        nb_err err;
        char config[400];
        nb_made made;
        double base = 0;
        snprintf(config, sizeof config, "{\"architectures\":[\"LlamaForCausalLM\"],%s%s}", HF_SMALL,
                 fields[i]);
        hf_folder f = hf_folder_make("none", config);
        check(keys_of(f.dir, &kvs, &err) == NB_OK, "%s: %s", fields[i], err.msg);
        check(nb_kvs_float(kvs, "llama.rope.freq_base", &base) && base == (i == 4 ? 1e6 : 1e4),
              "%s: base %g", fields[i], base);
        check(!nb_kvs_find(kvs, "llama.rope.scaling.type"), "%s", fields[i]);
        nb_kvs_close(&kvs);
        check(make_tensors(f.dir, &made, &err) == NB_OK && made.n == 0, "%s", fields[i]);
    }
}

CHECK_TEST(hf, wrong_llama3_scaling_is_refused)
{
    static const struct {
        const char *fields, *says;
    } row[] = {
        {"\"hidden_size\":8,\"num_attention_heads\":8,\"num_hidden_layers\":1,\"vocab_size\":4,",
         "high_freq_factor"}, /* heads of one */
        {HF_SMALL ",\"head_dim\":1,", "head_dim"},
        {HF_SMALL ",\"rope_theta\":0,", "rope_theta"},
        {HF_SMALL ",\"rope_parameters\":{\"type\":\"llama3\",\"rope_theta\":\"x\"},", "rope_theta"},
        {HF_SMALL ",\"rope_parameters\":{\"type\":\"llama3\",\"factor\":0},", "factor"},
        {HF_SMALL ",\"rope_parameters\":{\"type\":\"llama3\",\"low_freq_factor\":0},",
         "low_freq_factor"},
        {HF_SMALL ",\"rope_parameters\":{\"type\":\"llama3\",\"high_freq_factor\":-1},",
         "high_freq_factor"},
        {HF_SMALL ",\"rope_parameters\":{\"type\":\"llama3\",\"low_freq_factor\":4},",
         "high_freq_factor"},
        {HF_SMALL ",\"rope_parameters\":{\"type\":\"llama3\","
                  "\"original_max_position_embeddings\":0},",
         "original_max_position_embeddings"},
    };
    for (size_t i = 0; i < countof(row); i++) {
        char config[500];
        nb_made made;
        nb_err err;
        snprintf(config, sizeof config,
                 "{\"architectures\":[\"LlamaForCausalLM\"],%s"
                 "\"rope_scaling\":{\"type\":\"llama3\"}}",
                 row[i].fields);
        hf_folder f = hf_folder_make("llama3-wrong", config);
        check(make_tensors(f.dir, &made, &err) == NB_FORMAT, "%s", config);
        check(strstr(err.msg, row[i].says), "%s: %s", config, err.msg);
    }
}

/* --- tokenizer ------------------------------------------------------------------------------- */

static void put(const hf_folder *f, const char *name, const char *text)
{
    test_spit(test_path(f->dir, name), text, strlen(text));
}

/* tokenizer_config.json before special_tokens_map.json before numbers, config.json's first. */
CHECK_TEST(hf, a_special_token_is_looked_for_in_four_files)
{
    static const struct {
        const char *tok, *map, *config, *gen;
        int id; /* -1: none */
    } row[] = {
        {"{\"eos_token\":\"a\"}", "{\"eos_token\":\"<unk>\"}", ",\"eos_token_id\":3", "{}", 1},
        {"{\"eos_token\":\"b\"}", "{\"eos_token\":\"<unk>\"}", ",\"eos_token_id\":3", "{}", 0},
        {"{\"eos_token\":\"<nk>>\"}", "{\"eos_token\":{\"content\":\"x\"}}", ",\"eos_token_id\":3",
         "{}", 3},
        {"{\"eos_token\":7}", "[]", ",\"eos_token_id\":-1", "{\"eos_token_id\":2}", 2},
        {"{}", "{}", ",\"eos_token_id\":4", "{\"eos_token_id\":[]}", -1},
        {"{}", "{}", ",\"eos_token_id\":\"2\"", "{\"eos_token_id\":[1.5]}", -1},
    };
    for (size_t i = 0; i < countof(row); i++) {
        nb_kvs *kvs;
        nb_err err;
        char config[400];
        uint64_t id = 99;
        snprintf(config, sizeof config, "{\"architectures\":[\"LlamaForCausalLM\"],%s%s}", HF_SMALL,
                 row[i].config);
        hf_folder f = hf_folder_make("special", config);
        put(&f, "tokenizer_config.json", row[i].tok);
        put(&f, "special_tokens_map.json", row[i].map);
        put(&f, "generation_config.json", row[i].gen);
        check(keys_of(f.dir, &kvs, &err) == NB_OK, "%zu: %s", i, err.msg);
        bool got = nb_kvs_uint(kvs, "tokenizer.ggml.eos_token_id", &id);
        check(got == (row[i].id >= 0) && (!got || id == (uint64_t)row[i].id), "%zu: %d", i,
              (int)id);
        nb_kvs_close(&kvs);
    }
}

/* Only the shape <|...|> is control by its looks. */
CHECK_TEST(hf, added_tokens_are_control_by_mark_or_by_shape)
{
    static const struct {
        const char *content;
        double type;
    } row[] = {{"\"<|>\"", 4},
               {"\"<|ab\"", 4},
               {"\"ab|>\"", 4},
               {"\"<||>\"", 3},
               {"\"\"", 4},
               {"\"x\",\"special\":true", 3},
               {"\"x\",\"special\":1", 4}};
    for (size_t i = 0; i < countof(row); i++) {
        nb_kvs *kvs;
        nb_err err;
        char tok[200];
        double type = 0;
        hf_folder f = hf_folder_make("shapes", HF_LLAMA(""));
        snprintf(tok, sizeof tok, "{\"added_tokens_decoder\":{\"3\":{\"content\":%s}}}",
                 row[i].content);
        put(&f, "tokenizer_config.json", tok);
        check(keys_of(f.dir, &kvs, &err) == NB_OK, "%s: %s", tok, err.msg);
        check(nb_kv_elem_num(nb_kvs_find(kvs, "tokenizer.ggml.token_type"), 3, &type) &&
                  type == row[i].type,
              "%s has type %g", row[i].content, type);
        nb_kvs_close(&kvs);
    }
}

CHECK_TEST(hf, templates_are_chosen_by_name_and_bounded)
{
    static const struct {
        const char *tok, *want; /* NULL: no template */
    } row[] = {{"{\"chat_template\":\"T\"}", "T"},
               {"{\"chat_template\":7}", NULL},
               {"{\"chat_template\":[]}", NULL},
               {"{\"chat_template\":[{\"name\":\"rag\",\"template\":\"R\"},{\"template\":\"N\"},"
                "{\"name\":3},7]}",
                NULL},
               {"{\"chat_template\":[{\"name\":\"default\"}]}", NULL}};
    enum { OVER = (1 << 20) + 1 };
    nb_kvs *kvs;
    nb_err err;
    hf_folder f = hf_folder_make("templates", HF_LLAMA(""));
    for (size_t i = 0; i < countof(row); i++) {
        const char *s = NULL;
        size_t n;
        put(&f, "tokenizer_config.json", row[i].tok);
        check(keys_of(f.dir, &kvs, &err) == NB_OK, "%s: %s", row[i].tok, err.msg);
        bool got = nb_kvs_str(kvs, "tokenizer.chat_template", &s, &n);
        check(got == (row[i].want != NULL) && (!got || (n == 1 && *s == *row[i].want)), "%s",
              row[i].tok);
        nb_kvs_close(&kvs);
    }
    nb_str big = {0};
    nb_str_addf(&big, "{\"chat_template\":\"%0*d\"}", OVER, 0);
    put(&f, "tokenizer_config.json", big.at);
    check(keys_of(f.dir, &kvs, &err) == NB_FORMAT && strstr(err.msg, "1048576"), "%s", err.msg);
    nb_kvs_close(&kvs);
    test_spit(test_path(f.dir, "chat_template.jinja"), big.at, OVER);
    check(keys_of(f.dir, &kvs, &err) == NB_FORMAT && strstr(err.msg, "chat_template.jinja"), "%s",
          err.msg);
    nb_kvs_close(&kvs);
    nb_str_free(&big);
}

/* --- names and shards ------------------------------------------------------------------------ */

static nb_status place(const char *class_name, const char *name, nb_hf_place out[NB_HF_PLACES],
                       size_t *n, nb_err *err)
{
    *err = (nb_err){.msg = ""};
    return nb_hf_places(nb_hf_class_find(class_name), name, out, n, err);
}

CHECK_TEST(hf, tensor_names_map_only_when_whole)
{
    static const char *const bad[] = {"",
                                      "lm_head",
                                      ".weight",
                                      "lm_head.scale",
                                      "xm_head.weight",
                                      "model.layers..input_layernorm.weight",
                                      "model.layers.123456.input_layernorm.weight",
                                      "model.layers.1input_layernorm.weight",
                                      "model.layers.1",
                                      "model.layers.1.weight",
                                      "model.layers.-1.input_layernorm.weight",
                                      "model.layers.1.input_layernorm.bias.x"};
    static const struct {
        const char *class_name, *name, *want; /* NULL: dropped */
        size_t n;
    } good[] = {
        {"LlamaForCausalLM", "lm_head.bias", "output.bias", 1},
        {"LlamaForCausalLM", "model.layers.9999.mlp.up_proj.weight", "blk.9999.ffn_up.weight", 1},
        {"LlamaForCausalLM", "model.layers.0.self_attn.rotary_emb.inv_freq", NULL, 0},
        {"GemmaForCausalLM", "lm_head.weight", NULL, 0},
        {"Gemma3ForConditionalGeneration", "language_model.model.norm.weight", "output_norm.weight",
         1},
        {"Gemma3ForConditionalGeneration", "model.language_model.norm.weight", "output_norm.weight",
         1},
        {"Gemma3ForConditionalGeneration", "vision_tower.vision_model.x.weight", NULL, 0},
        {"GPT2LMHeadModel", "h.3.attn.bias", NULL, 0},
        {"GPT2LMHeadModel", "h.3.attn.c_attn.bias", "blk.3.attn_qkv.bias", 1},
        {"GPT2LMHeadModel", "transformer.wte.weight", "token_embd.weight", 1},
        {"Qwen3MoeForCausalLM", "model.layers.0.mlp.experts.gate_up_proj",
         "blk.0.ffn_gate_exps.weight", 2},
        {"GptOssForCausalLM", "model.layers.0.mlp.experts.gate_up_proj_bias",
         "blk.0.ffn_gate_exps.bias", 2},
        {"GptOssForCausalLM", "model.layers.0.self_attn.sinks", "blk.0.attn_sinks.weight", 1},
    };
    nb_hf_place p[NB_HF_PLACES];
    size_t n;
    nb_err err;
    for (size_t i = 0; i < countof(bad); i++)
        check(place("LlamaForCausalLM", bad[i], p, &n, &err) == NB_UNSUPPORTED &&
                  strstr(err.msg, "no place"),
              "\"%s\": %s", bad[i], err.msg);
    for (size_t i = 0; i < countof(good); i++) {
        check(place(good[i].class_name, good[i].name, p, &n, &err) == NB_OK && n == good[i].n,
              "%s: %zu places, %s", good[i].name, n, err.msg);
        check(!n || strcmp(p[0].name, good[i].want) == 0, "%s: %s", good[i].name, p[0].name);
    }
    check(place("LlamaForCausalLM", "model.layers.0.self_attn.q_norm.weight", p, &n, &err) == NB_OK,
          "%s", err.msg);
    check(place("MixtralForCausalLM", "model.layers.7.block_sparse_moe.experts.12.w2.weight", p, &n,
                &err) == NB_OK &&
              n == 1 && p[0].index == 12 && strcmp(p[0].name, "blk.7.ffn_down_exps.weight") == 0,
          "%s", err.msg);
}

CHECK_TEST(hf_config, a_tensor_name_of_no_length_at_all_has_no_place)
{
    nb_hf_place p[NB_HF_PLACES];
    char name[600];
    size_t n = 7;
    nb_err err;
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    check(place("LlamaForCausalLM", name, p, &n, &err) == NB_UNSUPPORTED && n == 0, "%zu", n);
    check(strstr(err.msg, "aaa...\" has no place in a llama model"), "%s", err.msg);
    name[500] = '\0';
    memcpy(name, "wte.", 4); /* fits, but not with what GPT-2's newer files have before it */
    check(place("GPT2LMHeadModel", name, p, &n, &err) == NB_UNSUPPORTED && n == 0, "%zu", n);
    check(strstr(err.msg, "has no place in a gpt2 model"), "%s", err.msg);
}

/* Each class has one row, its name finds it, and the list of a refusal fits an error's text. */
CHECK_TEST(hf, an_unknown_class_is_told_what_is_known)
{
    hf_folder f =
        hf_folder_make("unknown", "{\"architectures\":[\"MambaForCausalLM\"]," HF_SMALL "}");
    nb_kvs *kvs;
    nb_err err;
    check(keys_of(f.dir, &kvs, &err) == NB_UNSUPPORTED && strstr(err.msg, "MambaForCausalLM") &&
              strstr(err.msg, "Llama ") && strstr(err.msg, " BitNet)"),
          "%s", err.msg);
    nb_kvs_close(&kvs);
    check(!nb_hf_class_find("") && !nb_hf_class_find("Llama") && !nb_hf_class_find("|"),
          "no class");
    check(nb_hf_class_find("RWForCausalLM") == nb_hf_class_find("FalconForCausalLM"), "one row");
}

CHECK_TEST(hf, shards_are_found_counted_and_bounded)
{
    enum { MOST = 4096 };
    hf_folder f = hf_folder_make("shards", HF_LLAMA(""));
    nb_hf_shards s;
    nb_err err = {.msg = ""};
    check(nb_hf_shards_open(&s, f.dir, &err) == NB_NOTFOUND && strstr(err.msg, "neither"), "%s",
          err.msg);
    for (int over = 0; over < 2; over++) {
        nb_str json = {0};
        for (int i = 0; i < MOST + over; i++)
            nb_str_addf(&json, "%s\"t%d\":\"s%d\"", i ? "," : "{\"weight_map\":{", i, i);
        nb_str_add(&json, "}}");
        put(&f, "model.safetensors.index.json", json.at);
        nb_str_free(&json);
        nb_status st = nb_hf_shards_open(&s, f.dir, &err);
        check(st == (over ? NB_FORMAT : NB_OK), "%d over: %s", over, err.msg);
        check(over || s.n == MOST, "%zu shards", s.n);
        check(!over || strstr(err.msg, "4096"), "%s", err.msg);
        if (st == NB_OK)
            nb_hf_shards_close(&s);
    }
    static char endless[PATH_MAX + 10];
    memset(endless, 'x', sizeof endless - 1);
    check(nb_hf_shards_open(&s, endless, &err) == NB_NOTFOUND, "a path longer than any");
}

/* null is no window; where the member is missing, Mistral's class has one of 4,096. */
CHECK_TEST(hf_config, windows_are_those_of_transformers)
{
    static const struct {
        const char *class, *member;
        uint64_t want; /* 0: no key */
    } rows[] = {
        {"Mistral", ",\"sliding_window\":64", 64},    {"Mistral", ",\"sliding_window\":null", 0},
        {"Mistral", ",\"sliding_window\":0", 0},      {"Mistral", "", 4096},
        {"Starcoder2", ",\"sliding_window\":64", 64}, {"Starcoder2", "", 0},
        {"Llama", ",\"sliding_window\":64", 0}};
    for (size_t i = 0; i < countof(rows); i++) {
        char config[600], key[64];
        uint64_t window = 0;
        nb_kvs *kvs;
        nb_err err;
        snprintf(config, sizeof config, "{\"architectures\":[\"%sForCausalLM\"]," HF_SMALL "%s}",
                 rows[i].class, rows[i].member);
        hf_folder f = hf_folder_make("window", config);
        check(keys_of(f.dir, &kvs, &err) == NB_OK, "%s: %s", config, err.msg);
        snprintf(key, sizeof key, "%s.attention.sliding_window",
                 strcmp(rows[i].class, "Starcoder2") == 0 ? "starcoder2" : "llama");
        nb_kvs_uint(kvs, key, &window);
        check(window == rows[i].want, "row %zu: %llu", i, (unsigned long long)window);
        nb_kvs_close(&kvs);
    }
}

/* --- weights ---------------------------------------------------------------------------------- */

CHECK_TEST(hf_config, weights_that_are_not_there_or_not_to_be_read_are_told)
{
    static const struct {
        const char *file, *text, *says;
        nb_status status;
    } rows[] = {
        {"pytorch_model.bin", "x", "its weights are pickles", NB_UNSUPPORTED},
        {"pytorch_model.bin.index.json", "x", "its weights are pickles", NB_UNSUPPORTED},
        {"notes.txt", "x", "neither model.safetensors nor its index is here", NB_NOTFOUND},
        {"model.safetensors.index.json",
         "{\"weight_map\":{\"a\":\"0123456789012345678901234567890123456789012345678901234567890123"
         "01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678"
         "01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678"
         "0123456789.safetensors\"}}",
         "", NB_FORMAT},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        char name[32];
        nb_hf_shards s = {0};
        nb_err err = {.msg = ""};
        snprintf(name, sizeof name, "weights%zu", i);
        hf_folder f = hf_folder_make(name, HF_LLAMA(""));
        test_spit(test_path(f.dir, rows[i].file), rows[i].text, strlen(rows[i].text));
        nb_status st = nb_hf_shards_open(&s, f.dir, &err);
        check(st == rows[i].status && err.msg[0] && strstr(err.msg, rows[i].says), "%s: %d, %s",
              rows[i].file, st, err.msg);
    }
}
