#include "tests/pack_rig.h"

#include "tests/check.h"
#include "tests/hf_folder.h"
#include "kernels/fp.h"
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

/* sym: zero is 2^(bits - 1); scales are F16 values. */
pack_plain pack_plain_make(unsigned bits, bool sym, uint64_t seed)
{
    pack_plain p;
    test_rng rng = test_rng_make(seed);
    for (int r = 0; r < PACK_ROWS; r++) {
        for (int c = 0; c < PACK_COLS; c++)
            p.code[r][c] = (int)test_below(&rng, 1u << bits);
        for (int g = 0; g < PACK_GROUPS; g++) {
            p.zero[r][g] = sym ? 1 << (bits - 1) : 1 + (int)test_below(&rng, (1u << bits) - 1);
            p.scale[r][g] = nk_f16_to_f32(nk_f32_to_f16(0.01f + 0.1f * test_uniform(&rng)));
        }
    }
    for (int c = 0; c < PACK_COLS; c++)
        p.group[c] = c / PACK_GROUP;
    return p;
}

double pack_plain_value(const pack_plain *p, int r, int c)
{
    int g = p->group[c];
    return (double)p->scale[r][g] * (p->code[r][c] - p->zero[r][g]);
}

static void put_bits(uint32_t *words, size_t stride, size_t at, unsigned bits, unsigned v)
{
    for (unsigned b = 0; b < bits; b++, at++)
        words[at / 32 * stride] |= (v >> b & 1u) << (at % 32);
}

const char *pack_shape2(size_t a, size_t b)
{
    static char text[4][40];
    static int next;
    snprintf(text[next = (next + 1) % 4], sizeof text[0], "[%zu,%zu]", a, b);
    return text[next];
}

/* AutoGPTQ, qlinear_cuda_old.py pack(): codes down the inputs, zeros - bias along the outputs. */
void pack_put_gptq(pack_rig *r, const char *stem, const pack_plain *p, unsigned bits, int bias,
                   bool order)
{
    char name[200];
    uint32_t *q = calloc(PACK_COLS * PACK_ROWS, 4), *z = calloc(PACK_ROWS * PACK_GROUPS, 4);
    uint16_t s[PACK_GROUPS][PACK_ROWS];
    int32_t g_idx[PACK_COLS];
    for (int row = 0; row < PACK_ROWS; row++) {
        for (int c = 0; c < PACK_COLS; c++)
            put_bits(q + row, PACK_ROWS, (size_t)c * bits, bits, (unsigned)p->code[row][c]);
        for (int g = 0; g < PACK_GROUPS; g++) {
            put_bits(z + (size_t)g * PACK_ROWS * bits / 32, 1, (size_t)row * bits, bits,
                     (unsigned)(p->zero[row][g] - bias));
            s[g][row] = nk_f32_to_f16(p->scale[row][g]);
        }
    }
    for (int c = 0; c < PACK_COLS; c++)
        g_idx[c] = p->group[c];
    snprintf(name, sizeof name, "%s.qweight", stem);
    pack_rig_put(r, name, "I32", pack_shape2(PACK_COLS * bits / 32, PACK_ROWS), q,
                 (size_t)PACK_COLS * bits / 8 * PACK_ROWS);
    snprintf(name, sizeof name, "%s.qzeros", stem);
    pack_rig_put(r, name, "I32", pack_shape2(PACK_GROUPS, PACK_ROWS * bits / 32), z,
                 (size_t)PACK_ROWS * bits / 8 * PACK_GROUPS);
    snprintf(name, sizeof name, "%s.scales", stem);
    pack_rig_put(r, name, "F16", pack_shape2(PACK_GROUPS, PACK_ROWS), s, sizeof s);
    snprintf(name, sizeof name, "%s.g_idx", stem);
    if (order)
        pack_rig_put(r, name, "I32", "[128]", g_idx, sizeof g_idx);
    free(q);
    free(z);
}
