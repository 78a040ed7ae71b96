/* Tokenizers beside a config: what follows from a vocabulary's size, and added tokens that are told
 * wrongly (A4, A35). */
#include "tests/check.h"

#include "core/files/hf.h"
#include "core/files/kv.h"
#include "tests/hf_folder.h"
#include "tests/util.h"

#include <stdio.h>
#include <string.h>

static nb_status keys_of(const char *dir, nb_kvs **kvs, nb_err *err)
{
    *err = (nb_err){.msg = ""};
    check(nb_kvs_open(kvs, NULL) == NB_OK, "kvs");
    return nb_hf_keys(*kvs, dir, err);
}

/* What llama.cpp's converter knows by the size of a vocabulary: CodeLlama's, small Granite's. */
CHECK_TEST(hf_tokens, some_vocabularies_are_known_by_their_size)
{
    static const struct {
        const char *class;
        int vocab;
        uint64_t eot; /* UINT64_MAX: none */
        int bos;      /* -1: no key */
    } rows[] = {
        {"LlamaForCausalLM", 32016, 32010, -1},      {"LlamaForCausalLM", 32015, UINT64_MAX, -1},
        {"LlamaForCausalLM", 49152, UINT64_MAX, 0},  {"Qwen2ForCausalLM", 32016, UINT64_MAX, -1},
        {"Qwen2ForCausalLM", 49152, UINT64_MAX, -1}, {"GemmaForCausalLM", 108, 107, -1},
        {"GemmaForCausalLM", 107, UINT64_MAX, -1}};
    for (size_t i = 0; i < countof(rows); i++) {
        char config[400];
        nb_kvs *kvs;
        nb_err err;
        uint64_t eot = UINT64_MAX;
        bool bos = true;
        snprintf(config, sizeof config,
                 "{\"architectures\":[\"%s\"],\"hidden_size\":8,\"intermediate_size\":8,"
                 "\"num_hidden_layers\":1,\"num_attention_heads\":2,\"head_dim\":4,"
                 "\"max_position_embeddings\":64,\"vocab_size\":%d}",
                 rows[i].class, rows[i].vocab);
        hf_folder f = hf_folder_make("sized", config);
        check(keys_of(f.dir, &kvs, &err) == NB_OK, "%s: %s", config, err.msg);
        nb_kvs_uint(kvs, "tokenizer.ggml.eot_token_id", &eot);
        check(eot == rows[i].eot, "%s: eot %llu", config, (unsigned long long)eot);
        bool told = nb_kvs_bool(kvs, "tokenizer.ggml.add_bos_token", &bos);
        check(told == (rows[i].bos >= 0) && bos == (rows[i].bos != 0), "%s: bos %d", config, bos);
        nb_kvs_close(&kvs);
    }
}

CHECK_TEST(hf_tokens, added_tokens_without_an_id_are_told)
{
    static const struct {
        const char *file, *text, *says; /* NULL: fine */
    } rows[] = {
        {"added_tokens.json", "{\"x\":3,\"y\":99}", NULL},
        {"added_tokens.json", "[3]", "added_tokens.json: entry \"\" has no id"},
        {"added_tokens.json", "{\"x\":-1}", "added_tokens.json: entry \"x\" has no id"},
        {"added_tokens.json", "{\"x\":\"3\"}", "added_tokens.json: entry \"x\" has no id"},
        {"tokenizer_config.json", "{\"added_tokens_decoder\":{\"99\":{\"content\":\"x\"}}}", NULL},
        {"tokenizer_config.json", "{\"added_tokens_decoder\":[{\"content\":\"x\"}]}",
         "added_tokens_decoder: entry \"\""},
        {"tokenizer_config.json", "{\"added_tokens_decoder\":{\"-3\":{\"content\":\"x\"}}}",
         "added_tokens_decoder: entry \"-3\""},
        {"tokenizer_config.json", "{\"added_tokens_decoder\":{\"3\":{\"content\":7}}}",
         "added_tokens_decoder: entry \"3\""}};
    for (size_t i = 0; i < countof(rows); i++) {
        char name[32];
        nb_kvs *kvs;
        nb_err err;
        snprintf(name, sizeof name, "added%d", (int)i);
        hf_folder f = hf_folder_make(name, HF_LLAMA(""));
        test_spit(test_path(f.dir, rows[i].file), rows[i].text, strlen(rows[i].text));
        nb_status st = keys_of(f.dir, &kvs, &err);
        check(st == (rows[i].says ? NB_FORMAT : NB_OK), "%s: %d", rows[i].text, st);
        check(!rows[i].says || strstr(err.msg, rows[i].says), "%s: %s", rows[i].text, err.msg);
        nb_kvs_close(&kvs);
    }
}
