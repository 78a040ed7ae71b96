/* Arithmetic of classes, and what their key rows cannot say: refused, or made into other keys
 * (A4, A35). */
#include "tests/check.h"

#include "core/files/hf_private.h"
#include "tests/hf_folder.h"
#include "tests/util.h"

#include <string.h>

#define CONFIG(class, more) "{\"architectures\":[\"" class "\"]," HF_SMALL more "}"
#define GRANITE                                                                                    \
    ",\"attention_multiplier\":1,\"embedding_multiplier\":1,\"residual_multiplier\":1,"            \
    "\"logits_scaling\":1"

/* The keys of a config.json's text. */
static nb_status keys_of(const char *text, nb_kvs **kvs, nb_err *err)
{
    nb_json *doc = NULL;
    nb_hf_config c;
    *err = (nb_err){.msg = ""};
    check(nb_json_parse(&doc, text, strlen(text), 9999, "config.json", err) == NB_OK &&
              nb_kvs_open(kvs, err) == NB_OK && nb_hf_config_of(&c, doc, "m", err) == NB_OK,
          "%s", err->msg);
    c.kvs = *kvs;
    nb_status st = nb_hf_keys_of_config(&c);
    nb_json_close(&doc);
    return st;
}

CHECK_TEST(hf_extra, a_class_refuses_what_its_architecture_cannot_say_A35)
{
    static const struct {
        const char *config, *says;
    } rows[] = {
        {CONFIG("SmolLM3ForCausalLM", ",\"no_rope_layer_interval\":3"), "only every fourth"},
        {CONFIG("SmolLM3ForCausalLM", ",\"no_rope_layers\":[1,0,1,1]"), "only every fourth"},
        {CONFIG("SmolLM3ForCausalLM", ",\"no_rope_layers\":[1,1,\"1\",0]"), "only every fourth"},
        {CONFIG("SmolLM3ForCausalLM", ",\"no_rope_layer_interval\":0"), "no_rope_layer_interval"},
        {CONFIG("GraniteForCausalLM", GRANITE ",\"num_local_experts\":4"),
         "GraniteForCausalLM with experts is not supported"},
        {CONFIG("Gemma3ForCausalLM", ",\"head_dim\":4,\"attn_logit_softcapping\":50"),
         "attn_logit_softcapping is not supported for gemma3"},
        {CONFIG("Gemma3ForCausalLM", ",\"head_dim\":4,\"sliding_window_pattern\":0"),
         "sliding_window_pattern"},
        {CONFIG("Gemma3ForCausalLM", ",\"head_dim\":4,\"sliding_window\":-1"), "sliding_window"},
        {CONFIG("FalconForCausalLM", ",\"alibi\":true"), "alibi is not supported"},
        {CONFIG("FalconForCausalLM", ",\"new_decoder_architecture\":true,\"num_kv_heads\":3"),
         "num_kv_heads"},
        {CONFIG("StableLmForCausalLM", ",\"partial_rotary_factor\":2"), "partial_rotary_factor"},
        {CONFIG("CohereForCausalLM", ",\"logit_scale\":1,\"model_max_length\":0"),
         "model_max_length"},
        {"{\"architectures\":[\"GPT2LMHeadModel\"],\"n_embd\":8,\"n_layer\":1,\"n_head\":2,"
         "\"n_ctx\":64,\"vocab_size\":4,\"scale_attn_by_inverse_layer_idx\":true}",
         "scale_attn_by_inverse_layer_idx is not supported"}};
    for (size_t i = 0; i < countof(rows); i++) {
        nb_kvs *kvs = NULL;
        nb_err err;
        nb_status st = keys_of(rows[i].config, &kvs, &err);
        check(st == NB_FORMAT || st == NB_UNSUPPORTED, "%s: %d", rows[i].config, st);
        check(strstr(err.msg, "config.json: ") && strstr(err.msg, rows[i].says), "%s: %s",
              rows[i].config, err.msg);
        nb_kvs_close(&kvs);
    }
}

CHECK_TEST(hf_extra, a_class_says_what_no_row_can_A35)
{
    static const struct {
        const char *config, *key;
        uint64_t want; /* UINT64_MAX: no such key */
    } rows[] = {
        {CONFIG("SmolLM3ForCausalLM", ""), "smollm3.block_count", 1},
        {CONFIG("SmolLM3ForCausalLM", ",\"no_rope_layers\":[1,1,1,0,1],"
                                      "\"no_rope_layer_interval\":3"),
         "smollm3.block_count", 1},
        {CONFIG("GraniteForCausalLM", GRANITE), "granite.block_count", 1},
        {CONFIG("Gemma3ForCausalLM", ",\"head_dim\":4,\"sliding_window\":16"),
         "gemma3.attention.sliding_window", 16},
        {CONFIG("Gemma3ForCausalLM",
                ",\"head_dim\":4,\"sliding_window\":16,\"sliding_window_pattern\":1"),
         "gemma3.attention.sliding_window", UINT64_MAX},
        {CONFIG("Gemma3ForCausalLM",
                ",\"head_dim\":4,\"sliding_window\":16,\"_sliding_window_pattern\":2"),
         "gemma3.attention.sliding_window", 16},
        {CONFIG("FalconForCausalLM", ""), "falcon.attention.head_count_kv", 1},
        {CONFIG("FalconForCausalLM", ",\"multi_query\":true,\"num_kv_heads\":2"),
         "falcon.attention.head_count_kv", 1},
        {CONFIG("FalconForCausalLM", ",\"multi_query\":false"), "falcon.attention.head_count_kv",
         2},
        {CONFIG("FalconForCausalLM", ",\"new_decoder_architecture\":true,\"num_kv_heads\":2"),
         "falcon.attention.head_count_kv", 2},
        {CONFIG("FalconForCausalLM", ",\"n_head_kv\":2"), "falcon.attention.head_count_kv", 2},
        {CONFIG("StableLmForCausalLM", ""), "stablelm.rope.dimension_count", 1},
        {CONFIG("StableLmForCausalLM", ",\"rope_pct\":0.5"), "stablelm.rope.dimension_count", 2},
        {CONFIG("CohereForCausalLM", ",\"logit_scale\":1,\"model_max_length\":4096"),
         "command-r.context_length", 4096}};
    for (size_t i = 0; i < countof(rows); i++) {
        nb_kvs *kvs = NULL;
        nb_err err;
        uint64_t got = UINT64_MAX;
        const char *text = rows[i].config;
        check(keys_of(text, &kvs, &err) == NB_OK, "%s: %s", text, err.msg);
        nb_kvs_uint(kvs, rows[i].key, &got);
        check(got == rows[i].want, "%s: %s is %llu", text, rows[i].key, (unsigned long long)got);
        nb_kvs_close(&kvs);
    }
}
