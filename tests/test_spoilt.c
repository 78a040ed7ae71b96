/* Documents that are right but for one place, and each place by turns: a reader takes it or says in
 * words what is wrong, and leaves nothing behind (A4, A35). */
#include "tests/check.h"
#include "tests/hf_folder.h"
#include "tests/spoil.h"
#include "tests/tok_json_rig.h"
#include "tests/util.h"

#include "core/files/hf.h"
#include "core/files/hf_private.h"
#include "core/files/hfquant.h"
#include "core/files/listing.h"
#include "core/files/weights.h"
#include "downloads/hub_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One of the usual refusals, in words; thin: only every TEST_THIN-th is tried. */
static void check_told(nb_status st, const nb_err *err, const char *what, const char *text)
{
    bool known = st == NB_OK || st == NB_FORMAT || st == NB_UNSUPPORTED || st == NB_NOTFOUND ||
                 st == NB_NETWORK;
    check(known && (st == NB_OK || (err->status == st && err->msg[0])), "%s: %d, \"%s\" in %.400s",
          what, st, err->msg, text);
}

/* --- config.json -------------------------------------------------------------------------------
 */

static const char *const configs[] = {
    HF_LLAMA(",\"num_key_value_heads\":1,\"head_dim\":4,\"rope_theta\":1e4,\"rms_norm_eps\":1e-5,"
             "\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":1,"
             "\"high_freq_factor\":4,\"original_max_position_embeddings\":32}"),
    "{\"architectures\":[\"MistralForCausalLM\"]," HF_SMALL ",\"sliding_window\":16,"
    "\"rope_scaling\":{\"type\":\"yarn\",\"factor\":4,\"original_max_position_embeddings\":16,"
    "\"extrapolation_factor\":1,\"attn_factor\":1,\"attention_factor\":1,\"beta_fast\":32,"
    "\"beta_slow\":1}}",
    "{\"architectures\":[\"Qwen2ForCausalLM\"]," HF_SMALL ",\"original_max_position_embeddings\":9,"
    "\"rope_parameters\":{\"rope_type\":\"yarn\",\"factor\":2,\"rope_theta\":100}}",
    "{\"architectures\":[\"Qwen3ForCausalLM\"]," HF_SMALL ",\"rope_scaling\":{\"type\":\"dynamic\","
    "\"factor\":2,\"original_max_position_embeddings\":64}}",
    "{\"architectures\":[\"Qwen3MoeForCausalLM\"]," HF_SMALL ",\"num_experts\":4,"
    "\"num_experts_per_tok\":2,\"moe_intermediate_size\":8,\"mlp_only_layers\":[],"
    "\"decoder_sparse_step\":1}",
    "{\"architectures\":[\"Qwen2MoeForCausalLM\"]," HF_SMALL ",\"num_experts\":4,"
    "\"num_experts_per_tok\":2,\"moe_intermediate_size\":8,"
    "\"shared_expert_intermediate_size\":8}",
    "{\"architectures\":[\"MixtralForCausalLM\"]," HF_SMALL ",\"num_local_experts\":4,"
    "\"num_experts_per_tok\":2}",
    "{\"architectures\":[\"SmolLM3ForCausalLM\"]," HF_SMALL
    ",\"no_rope_layers\":[1,1,1,0],\"no_rope_layer_interval\":4}",
    "{\"architectures\":[\"GraniteForCausalLM\"]," HF_SMALL ",\"attention_multiplier\":1,"
    "\"embedding_multiplier\":2,\"residual_multiplier\":3,\"logits_scaling\":4}",
    "{\"architectures\":[\"GraniteMoeForCausalLM\"]," HF_SMALL ",\"attention_multiplier\":1,"
    "\"embedding_multiplier\":2,\"residual_multiplier\":3,\"logits_scaling\":4,"
    "\"num_local_experts\":4,\"num_experts_per_tok\":2}",
    "{\"architectures\":[\"GemmaForCausalLM\"]," HF_SMALL ",\"head_dim\":4}",
    "{\"architectures\":[\"Gemma2ForCausalLM\"]," HF_SMALL ",\"head_dim\":4,\"sliding_window\":8,"
    "\"attn_logit_softcapping\":50,\"final_logit_softcapping\":30,\"query_pre_attn_scalar\":4}",
    "{\"architectures\":[\"Gemma3ForConditionalGeneration\"],\"text_config\":{" HF_SMALL
    ",\"head_dim\":4,\"sliding_window\":8,\"sliding_window_pattern\":6,"
    "\"rope_local_base_freq\":10000,\"rope_scaling\":{\"factor\":8,\"rope_type\":\"linear\"}}}",
    "{\"architectures\":[\"Gemma3ForCausalLM\"]," HF_SMALL ",\"head_dim\":4,\"sliding_window\":8,"
    "\"rope_parameters\":{\"full_attention\":{\"rope_type\":\"linear\",\"factor\":8,"
    "\"rope_theta\":1000},\"sliding_attention\":{\"rope_theta\":100}}}",
    "{\"architectures\":[\"Phi3ForCausalLM\"]," HF_SMALL
    ",\"original_max_position_embeddings\":32,\"partial_rotary_factor\":1,\"sliding_window\":8,"
    "\"rope_scaling\":{\"type\":\"longrope\",\"long_factor\":[1.5,2],\"short_factor\":[1,1]}}",
    "{\"architectures\":[\"GPT2LMHeadModel\"],\"n_embd\":8,\"n_layer\":1,\"n_head\":2,"
    "\"n_ctx\":64,\"n_inner\":32,\"vocab_size\":4,\"layer_norm_epsilon\":1e-5,"
    "\"scale_attn_by_inverse_layer_idx\":false}",
    "{\"architectures\":[\"StableLmForCausalLM\"]," HF_SMALL ",\"partial_rotary_factor\":0.5,"
    "\"use_parallel_residual\":true,\"layer_norm_eps\":1e-5}",
    "{\"architectures\":[\"StableLMEpochForCausalLM\"]," HF_SMALL ",\"rope_pct\":0.5}",
    "{\"architectures\":[\"Starcoder2ForCausalLM\"]," HF_SMALL ",\"sliding_window\":8,"
    "\"norm_epsilon\":1e-5}",
    "{\"architectures\":[\"FalconForCausalLM\"]," HF_SMALL ",\"multi_query\":true,\"alibi\":false,"
    "\"num_kv_heads\":2,\"new_decoder_architecture\":true}",
    "{\"architectures\":[\"RWForCausalLM\"]," HF_SMALL ",\"n_head_kv\":1}",
    "{\"architectures\":[\"CohereForCausalLM\"]," HF_SMALL ",\"logit_scale\":0.0625,"
    "\"model_max_length\":128,\"layer_norm_eps\":1e-5}",
    "{\"architectures\":[\"GptOssForCausalLM\"]," HF_SMALL ",\"head_dim\":4,\"sliding_window\":8,"
    "\"num_local_experts\":4,\"num_experts_per_tok\":2,\"rope_scaling\":{\"rope_type\":\"yarn\","
    "\"factor\":32,\"beta_fast\":32,\"beta_slow\":1,\"original_max_position_embeddings\":64}}",
    "{\"architectures\":[\"BitNetForCausalLM\"]," HF_SMALL "}",
};

typedef struct trial {
    const char *dir, *name; /* the file spoilt */
    size_t seen, refused;
} trial;

static void try_config(void *arg, const char *text, size_t n, const char *what)
{
    trial *t = arg;
    nb_err err = {.status = NB_OK};
    nb_kvs *kvs = NULL;
    nb_entry e;
    nb_hf_config c;
    if (t->seen++ % TEST_THIN != 0)
        return;
    check_told(nb_entry_from_config(&e, text, n, "config", &err), &err, what, text);
    test_spit(test_path(t->dir, "config.json"), text, n);
    check(nb_kvs_open(&kvs, NULL) == NB_OK, "memory");
    nb_status st = nb_hf_keys(kvs, t->dir, &err);
    check_told(st, &err, what, text);
    t->refused += st != NB_OK;
    nb_kvs_close(&kvs);
    if (st == NB_OK && nb_hf_config_open(&c, t->dir, &err) == NB_OK) {
        nb_made made = {.n = 0};
        check_told(nb_hf_make_tensors(&made, &c), &err, what, text);
        nb_made_close(&made);
        nb_hf_config_close(&c);
    }
}

CHECK_TEST(spoilt, any_value_of_a_config_is_taken_or_refused_in_words_A35)
{
    for (size_t i = 0; i < countof(configs); i++) {
        hf_folder f = hf_folder_make("spoilt", configs[i]);
        trial t = {.dir = f.dir};
        try_config(&t, configs[i], strlen(configs[i]), "whole");
        check(t.refused == 0, "%s: the sound one is refused", configs[i]);
        spoil_values(configs[i], strlen(configs[i]), try_config, &t);
        check(t.refused > 5, "%s: %zu of %zu are refused", configs[i], t.refused, t.seen);
    }
}

/* --- tokenizer.json and what lies beside it ----------------------------------------------------
 */

#define MARKED_PRE                                                                                 \
    "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":"    \
    "\"\xe2\x96\x81\"},{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":"          \
    "\"\xe2\x96\x81\"}]}"

static const char *const tokenizers[] = {
    "{\"version\":\"1.0\",\"added_tokens\":[{\"id\":3,\"content\":\"<s>\",\"special\":true,"
    "\"lstrip\":false}],\"normalizer\":{\"type\":\"NFC\"},\"pre_tokenizer\":{\"type\":\"Sequence\","
    "\"pretokenizers\":[{\"type\":\"ByteLevel\",\"use_regex\":true}]},\"post_processor\":{\"type\":"
    "\"Sequence\",\"processors\":[{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":"
    "{\"id\":\"<s>\"}},{\"Sequence\":{\"id\":\"A\"}},{\"SpecialToken\":{\"id\":\"a\"}}]}]},"
    "\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"dropout\":null,"
    "\"ignore_merges\":false,\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\",[\"a\","
    "\"b\"]]}}",
    "{" MARKED_PRE ",\"model\":{\"type\":\"BPE\",\"byte_fallback\":true,\"unk_id\":2,\"vocab\":"
    "{\"<0x41>\":0,\"\xe2\x96\x81\":1,\"a\":2,\"\xe2\x96\x81"
    "a\":3},\"merges\":[\"\xe2\x96\x81 a\"]}}",
    "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Precompiled\","
    "\"precompiled_charsmap\":\"AAAAAAAA\"},{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" "
    "{2,}\"},"
    "\"content\":\" \"},{\"type\":\"Strip\"}]},\"pre_tokenizer\":{\"type\":\"Sequence\","
    "\"pretokenizers\":[{\"type\":\"WhitespaceSplit\"},{\"type\":\"Metaspace\",\"prepend_scheme\":"
    "\"always\",\"add_prefix_space\":true}]},\"model\":{\"type\":\"Unigram\",\"unk_id\":0,"
    "\"vocab\":[[\"<unk>\",0],[\"a\",-1.5],[\"b\",-2]]}}",
    "{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\","
    "\"individual_digits\":true},{\"type\":\"Punctuation\",\"behavior\":\"Contiguous\"},{\"type\":"
    "\"Split\",\"pattern\":{\"Regex\":\"x\\r\\n\"},\"behavior\":\"Isolated\",\"invert\":false},"
    "{\"type\":\"ByteLevel\"}]},\"model\":{\"vocab\":{\"a\":0},\"merges\":[]}}",
};
static const char special[] =
    "{\"bos_token\":{\"content\":\"<s>\"},\"eos_token\":\"a\",\"unk_token\":\"b\",\"add_bos_"
    "token\":"
    "true,\"add_eos_token\":false,\"add_prefix_space\":true,\"added_tokens_decoder\":{\"2\":"
    "{\"content\":\"<|x|>\",\"special\":false},\"4\":{\"content\":\"new\",\"special\":true}},"
    "\"chat_template\":[{\"name\":\"default\",\"template\":\"x\"},{\"name\":\"tool_use\","
    "\"template\":\"y\"}]}";
static const char generation[] = "{\"bos_token_id\":0,\"eos_token_id\":[0,1,2],\"pad_token_id\":1,"
                                 "\"temperature\":0.5,\"top_k\":4,\"sequence\":\"k\"}";

static void try_tokens(void *arg, const char *text, size_t n, const char *what)
{
    trial *t = arg;
    nb_err err = {.status = NB_OK};
    nb_kvs *kvs = NULL;
    if (t->seen++ % TEST_THIN != 0)
        return;
    test_spit(test_path(t->dir, t->name), text, n);
    check(nb_kvs_open(&kvs, NULL) == NB_OK, "memory");
    nb_status st = nb_tok_json_keys(kvs, t->dir, t->seen % 2 ? 0 : 6, &err);
    check_told(st, &err, what, text);
    t->refused += st != NB_OK;
    nb_kvs_close(&kvs);
}

CHECK_TEST(spoilt, any_byte_of_a_tokenizer_is_taken_or_refused_in_words_A35)
{
    trial t = {.dir = tok_folder(), .name = "tokenizer.json"};
    for (size_t i = 0; i < countof(tokenizers); i++) {
        size_t n = strlen(tokenizers[i]);
        spoil_ends(tokenizers[i], n, try_tokens, &t);
        spoil_bytes(tokenizers[i], n, "}?0", try_tokens, &t);
        spoil_values(tokenizers[i], n, try_tokens, &t);
    }
    check(t.refused > t.seen / TEST_THIN / 2, "%zu of %zu are refused", t.refused, t.seen);
}

CHECK_TEST(spoilt, any_value_beside_a_tokenizer_is_taken_or_refused_in_words_A35)
{
    const char *dir = tok_folder();
    static const char *const names[] = {"tokenizer_config.json", "special_tokens_map.json",
                                        "generation_config.json"};
    const char *const texts[] = {special, special, generation};
    tok_put(dir, "tokenizer.json", tokenizers[0]);
    for (size_t i = 0; i < countof(names); i++) {
        trial t = {.dir = dir, .name = names[i]};
        try_tokens(&t, texts[i], strlen(texts[i]), "whole");
        check(t.refused == 0, "the sound %s is refused", names[i]);
        spoil_values(texts[i], strlen(texts[i]), try_tokens, &t);
        spoil_ends(texts[i], strlen(texts[i]), try_tokens, &t);
        check(t.refused > 0, "%s", names[i]);
        tok_put(dir, names[i], texts[i]);
    }
}

/* --- packed weights: quantization_config over the corpus' headers ------------------------------
 */

static void try_packed(void *arg, const char *text, size_t n, const char *what)
{
    trial *t = arg;
    nb_err err = {.status = NB_OK};
    nb_weights *w = NULL;
    if (t->seen++ % TEST_THIN != 0)
        return;
    test_spit(test_path(t->dir, "config.json"), text, n);
    nb_status st = nb_weights_open(&w, t->dir, &err);
    check((st == NB_OK) == (w != NULL), "%s: output without success", what);
    check_told(st, &err, what, text);
    t->refused += st != NB_OK;
    nb_weights_close(&w);
}

/* What the numbers of a header reach to, as tests/fuzz/hfmodel.c has it. */
static size_t data_length(const char *at)
{
    size_t most = 0, v = 0;
    for (; *at; at++) {
        v = *at >= '0' && *at <= '9' && v < 1 << 20 ? v * 10 + (size_t)(*at - '0') : 0;
        most = v > most && v < 1 << 20 ? v : most;
    }
    return most;
}

CHECK_TEST(spoilt, any_value_of_a_packing_is_taken_or_refused_in_words_A35)
{
    static const char *const names[] = {"awq_gemm",    "awq_gemv_fast", "bitnet",    "bnb_int8",
                                        "ct_mixed",    "ct_pack_asym",  "fp8_block", "gptq4",
                                        "gptq_marlin", "hqq4",          "nvfp4"};
    for (size_t i = 0; i < countof(names); i++) {
        char path[600];
        size_t n;
        snprintf(path, sizeof path, "%s/tests/fuzz/corpus/hfmodel/%s", NB_TEST_ROOT, names[i]);
        char *config = test_slurp(path, &n);
        check(config, "%s", path);
        size_t len = strlen(config);
        char *header = config + len + 1;
        hf_folder f = hf_folder_make("packed", config);
        hf_put_tensors(test_path(f.dir, "model.safetensors"), header, data_length(header));
        trial t = {.dir = f.dir};
        spoil_values(config, len, try_packed, &t);
        check(t.refused > 0, "%s: none of %zu is refused", names[i], t.seen);
        free(config);
    }
}

/* What quanto and ModelOpt say in a file of their own. */
static void try_beside(void *arg, const char *text, size_t n, const char *what)
{
    const trial *t = arg;
    nb_packing_set set = {.n = 0};
    nb_weights *w = NULL;
    nb_err err = {.status = NB_OK};
    test_spit(test_path(t->dir, t->name), text, n);
    nb_packing_of(&set, NULL, t->dir);
    check(set.n <= NB_PACK_ROWS, "%s: %zu rows", what, set.n);
    check_told(nb_weights_open(&w, t->dir, &err), &err, what, text);
    nb_weights_close(&w);
}

CHECK_TEST(spoilt, any_byte_of_a_packing_beside_is_taken_or_refused_in_words_A35)
{
    static const char *const files[][2] = {
        {"quanto_qmap.json", "{\"model.layers.0.mlp.up_proj\":{\"weights\":\"qint4\"}}"},
        {"quanto_qmap.json", "{\"model.layers.0.mlp.up_proj\":{\"weights\":\"qint8\"}}"},
        {"quanto_qmap.json", "{\"model.layers.0.mlp.up_proj\":{\"weights\":\"qfloat8\"}}"},
        {"hf_quant_config.json", "{\"quantization\":{\"quant_algo\":\"NVFP4\",\"group_size\":16}}"},
        {"hf_quant_config.json", "{\"quantization\":{\"quant_algo\":\"W4A8\",\"group_size\":16}}"}};
    for (size_t i = 0; i < countof(files); i++) {
        hf_folder f = hf_folder_make("beside", HF_LLAMA(""));
        trial t = {.dir = f.dir, .name = files[i][0]};
        size_t n = strlen(files[i][1]);
        hf_put_tensors(test_path(f.dir, "model.safetensors"), "{" HF_EMBED "}", 64);
        try_beside(&t, files[i][1], n, "whole");
        spoil_ends(files[i][1], n, try_beside, &t);
        spoil_values(files[i][1], n, try_beside, &t);
        remove(test_path(f.dir, files[i][0]));
    }
}

/* --- the Hub's answers -------------------------------------------------------------------------
 */

static const char models[] =
    "[{\"id\":\"a/b-7B\",\"modelId\":\"a/b-7B\",\"author\":\"a\",\"sha\":"
    "\"0123456789012345678901234567890123456789\",\"pipeline_tag\":\"text-generation\","
    "\"library_name\":\"gguf\",\"private\":false,\"disabled\":false,\"gated\":\"manual\","
    "\"downloads\":5,\"likes\":6,\"lastModified\":\"2026-01-31T12:00:00.000Z\",\"createdAt\":"
    "\"2025-01-31T12:00:00.000Z\",\"usedStorage\":77,\"tags\":[\"gguf\",\"license:mit\","
    "\"base_model:a/c\",\"base_model:quantized:a/c\"],\"safetensors\":{\"parameters\":{\"BF16\":5,"
    "\"F32\":6},\"total\":11},\"gguf\":{\"total\":12,\"architecture\":\"llama\",\"context_length\":"
    "64,\"totalFileSize\":99},\"cardData\":{\"license\":\"other\",\"license_name\":\"own\","
    "\"base_model\":[\"a/c\",\"a/d\"]},\"config\":{\"model_type\":\"llama\",\"x\":[1]}},"
    "{\"id\":\"a/x-8x7B-it\"}]";
static const char tree[] =
    "[{\"type\":\"file\",\"path\":\"x.gguf\",\"size\":3,\"oid\":"
    "\"0123456789012345678901234567890123456789\",\"securityFileStatus\":{\"status\":\"safe\","
    "\"x\":[]}},{\"type\":\"directory\",\"path\":\"d\"},{\"type\":\"file\",\"path\":\"d/w.bin\","
    "\"size\":1,\"lfs\":{\"oid\":"
    "\"0123456789012345678901234567890123456789012345678901234567890123\",\"size\":9,"
    "\"pointerSize\":130}},7]";

static void try_models(void *arg, const char *text, size_t n, const char *what)
{
    dl_page page = {.n = 0};
    dl_model m;
    nb_err err = {.status = NB_OK};
    (void)arg;
    check_told(dl_json_models(text, n, "models", &page, &err), &err, what, text);
    dl_page_free(&page);
    if (n > 1)
        check_told(dl_json_model(text + 1, n - 1, "model", &m, &err), &err, what, text);
}

static void try_tree(void *arg, const char *text, size_t n, const char *what)
{
    dl_repo r = {.n_file = 0};
    nb_err err = {.status = NB_OK};
    (void)arg;
    check_told(dl_json_tree(tree, sizeof tree - 1, "tree", &r, &err), &err, what, tree);
    dl_repo_settle(&r);
    check_told(dl_json_security(text, n, "security", &r, &err), &err, what, text);
    dl_repo_free(&r);
    check_told(dl_json_tree(text, n, "tree", &r, &err), &err, what, text);
    dl_repo_free(&r);
}

CHECK_TEST(spoilt, any_byte_of_the_hubs_answers_is_taken_or_refused_in_words_A35)
{
    spoil_ends(models, sizeof models - 1, try_models, NULL);
    spoil_bytes(models, sizeof models - 1, "\"}]0", try_models, NULL);
    spoil_values(models, sizeof models - 1, try_models, NULL);
    spoil_ends(tree, sizeof tree - 1, try_tree, NULL);
    spoil_bytes(tree, sizeof tree - 1, "\"}]0", try_tree, NULL);
    spoil_values(tree, sizeof tree - 1, try_tree, NULL);
}
