#include "tests/pack_rig.h"

#include "tests/check.h"
#include "tests/hf_folder.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void pack_rig_put(pack_rig *r, const char *name, const char *dtype, const char *shape,
                  const void *bytes, size_t n)
{
    nb_str_addf(&r->json, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%zu,%zu]}",
                r->json.len ? "," : "{", name, dtype, shape, r->data.len, r->data.len + n);
    nb_str_addn(&r->data, bytes, n);
}

pack_rig pack_rig_make(const char *name, const char *quantization)
{
    pack_rig r = {.dir = ""};
    char config[2000];
    static const uint16_t zeros[4 * PACK_COLS];
    snprintf(
        config, sizeof config,
        "{\"architectures\":[\"LlamaForCausalLM\"],\"hidden_size\":128,\"intermediate_size\":64,"
        "\"num_hidden_layers\":1,\"num_attention_heads\":4,\"head_dim\":16,\"vocab_size\":4,"
        "\"max_position_embeddings\":64,\"quantization_config\":%s}",
        quantization);
    snprintf(r.dir, sizeof r.dir, "%s", hf_folder_make(name, config).dir);
    pack_rig_put(&r, "model.embed_tokens.weight", "F16", "[4,128]", zeros, sizeof zeros);
    return r;
}

nb_status pack_rig_open(pack_rig *r, nb_weights **w, nb_err *err)
{
    uint64_t n = r->json.len + 1;
    nb_str file = {0};
    nb_str_add(&r->json, "}");
    nb_str_addn(&file, &n, 8);
    nb_str_addn(&file, r->json.at, r->json.len);
    nb_str_addn(&file, r->data.at, r->data.len);
    test_spit(test_path(r->dir, "model.safetensors"), file.at, file.len);
    nb_str_free(&file);
    nb_str_free(&r->json);
    nb_str_free(&r->data);
    *err = (nb_err){.msg = ""};
    *w = NULL;
    return nb_weights_open(w, r->dir, err);
}

nb_weights *pack_rig_opened(pack_rig *r)
{
    nb_weights *w;
    nb_err err;
    check(pack_rig_open(r, &w, &err) == NB_OK, "%s", err.msg);
    return w;
}

char *packed_slurp(const char *folder, const char *name, const char *suffix, size_t *n)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s%s", folder, name, suffix);
    char *bytes = test_slurp(test_data(path), n);
    check(bytes, "%s cannot be read", path);
    return bytes;
}

hf_folder packed_folder(const char *name)
{
    size_t n;
    char *config = packed_slurp("packed", name, ".json", &n);
    hf_folder f = hf_folder_make(name, config);
    char *weights = packed_slurp("packed", name, ".safetensors", &n);
    test_spit(test_path(f.dir, "model.safetensors"), weights, n);
    if (strstr(name, "quanto")) {
        char *map = packed_slurp("packed", name, ".qmap.json", &n);
        test_spit(test_path(f.dir, "quanto_qmap.json"), map, n);
        free(map);
    }
    free(config);
    free(weights);
    return f;
}
