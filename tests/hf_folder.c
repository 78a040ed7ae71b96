#include "tests/hf_folder.h"

#include "core/base/str.h"
#include "kernels/nb.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

hf_folder hf_folder_make(const char *name, const char *config)
{
    hf_folder f;
    snprintf(f.dir, sizeof f.dir, "%s/%s", test_tmpdir(), name);
    mkdir(f.dir, 0755);
    test_spit(test_path(f.dir, "config.json"), config, strlen(config));
    static const char spm[] = "\x0a\x0e\x0a\x05<unk>\x15\0\0\0\0\x18\x02\x0a\x08\x0a\x01"
                              "a\x15\0\0\x80\xbf";
    test_spit(test_path(f.dir, "tokenizer.model"), spm, sizeof spm - 1);
    return f;
}

void hf_put_tensors(const char *path, const char *json, size_t data)
{
    uint64_t n = strlen(json);
    char *bytes = calloc(1, 8 + n + data);
    memcpy(bytes, &n, 8);
    memcpy(bytes + 8, json, n);
    test_spit(path, bytes, 8 + n + data);
    free(bytes);
}

/* --- a whole model --------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int rows, cols; /* cols 0: one dimension */
} tensors[] = {{"model.embed_tokens", 64, 64},
               {"model.layers.0.input_layernorm", 64, 0},
               {"model.layers.0.self_attn.q_proj", 64, 64},
               {"model.layers.0.self_attn.k_proj", 64, 64},
               {"model.layers.0.self_attn.v_proj", 64, 64},
               {"model.layers.0.self_attn.o_proj", 64, 64},
               {"model.layers.0.post_attention_layernorm", 64, 0},
               {"model.layers.0.mlp.gate_proj", 96, 64},
               {"model.layers.0.mlp.up_proj", 96, 64},
               {"model.layers.0.mlp.down_proj", 64, 96},
               {"model.norm", 64, 0}};

/* Which of `shards` holds tensor i: neighbours stay together. */
static int shard_of(size_t i, int shards)
{
    return (int)(i * (size_t)shards / countof(tensors));
}

static const char *shard_name(char out[32], int shard, int shards)
{
    if (shards == 1)
        return "model.safetensors";
    snprintf(out, 32, "model-%d.safetensors", shard + 1);
    return out;
}

static void put_shard(const char *dir, int shard, int shards)
{
    nb_str json = {0};
    char name[32];
    size_t at = 0;
    for (size_t i = 0; i < countof(tensors); i++) {
        if (shard_of(i, shards) != shard)
            continue;
        size_t n = 2 * (size_t)tensors[i].rows * (size_t)(tensors[i].cols ? tensors[i].cols : 1);
        nb_str_addf(&json, "%s\"%s.weight\":{\"dtype\":\"F16\",\"shape\":[%d", at ? "," : "{",
                    tensors[i].name, tensors[i].rows);
        if (tensors[i].cols)
            nb_str_addf(&json, ",%d", tensors[i].cols);
        nb_str_addf(&json, "],\"data_offsets\":[%zu,%zu]}", at, at + n);
        at += n;
    }
    nb_str_add(&json, "}");
    hf_put_tensors(test_path(dir, shard_name(name, shard, shards)), json.at, at);
    nb_str_free(&json);
}

static void put_index(const char *dir, int shards)
{
    nb_str json = {0};
    char name[32];
    nb_str_add(&json, "{\"weight_map\":{");
    for (size_t i = 0; i < countof(tensors); i++)
        nb_str_addf(&json, "%s\"%s.weight\":\"%s\"", i ? "," : "", tensors[i].name,
                    shard_name(name, shard_of(i, shards), shards));
    nb_str_add(&json, "}}");
    test_spit(test_path(dir, "model.safetensors.index.json"), json.at, json.len);
    nb_str_free(&json);
}

hf_folder hf_model_make(const char *name, int shards)
{
    hf_folder f = hf_folder_make(
        name, "{\"architectures\":[\"LlamaForCausalLM\"],\"hidden_size\":64,"
              "\"intermediate_size\":96,\"num_hidden_layers\":1,\"num_attention_heads\":2,"
              "\"vocab_size\":64,\"max_position_embeddings\":64,\"tie_word_embeddings\":true}");
    for (int i = 0; i < shards; i++)
        put_shard(f.dir, i, shards);
    if (shards > 1)
        put_index(f.dir, shards);
    return f;
}
