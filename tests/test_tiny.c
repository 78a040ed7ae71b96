#include "tests/tiny.h"
#include "tests/check.h"
#include "tests/util.h"

#include "core/files/gguf.h"
#include "core/model/model.h"
#include "kernels/cpu.h"
#include "kernels/ops.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

tiny tiny_default(void)
{
    return (tiny){.arch = "llama",
                  .n_layer = 2,
                  .n_embd = 256,
                  .n_head = 4,
                  .n_head_kv = 2,
                  .n_ff = 512,
                  .n_vocab = 300,
                  .n_ctx = 128,
                  .type = NK_F32,
                  .seed = 1};
}

/* Tensors under construction: encoded bytes owned, names in their own storage. */
typedef struct writer {
    nb_tensor t[2048];
    char name[2048][NB_MAX_NAME + 1];
    uint8_t *bytes[2048];
    size_t n;
} writer;

/* values [rows, cols] become the tensor's bytes in its type. Every level encodes to the same bytes;
 * the IQ types' C reference takes minutes under a sanitizer. */
static void add(writer *w, const nb_tensor *t, const float *values)
{
    const nk_type *type = nk_type_get(t->type);
    uint64_t row_size = 0, rows = nb_tensor_rows(t), cols = nb_tensor_cols(t);
    nk_ops ops;
    check(w->n < countof(w->t) && type && type->encode && nk_row_size(type, cols, &row_size), "%s",
          t->name);
    w->t[w->n] = *t;
    snprintf(w->name[w->n], sizeof w->name[0], "%s", t->name);
    w->t[w->n].name = w->name[w->n];
    w->t[w->n].nbytes = rows * row_size;
    w->bytes[w->n] = malloc(rows * row_size);
    nk_ops_init(&ops, nk_cpu_detect());
    ops.encode[t->type](values, w->bytes[w->n], rows, cols, NULL);
    w->n++;
}

static void finish(writer *w, const char *path, const nb_kvs *kvs)
{
    nb_str head = {0};
    uint64_t len;
    nb_err err;
    check(nb_gguf_layout(&head, kvs, w->t, w->n, 32, &len, &err) == NB_OK, "%s", err.msg);
    uint8_t *file = calloc(1, len);
    memcpy(file, head.at, head.len);
    for (size_t i = 0; i < w->n; i++) {
        memcpy(file + w->t[i].offset, w->bytes[i], w->t[i].nbytes);
        free(w->bytes[i]);
    }
    test_spit(path, file, len);
    free(file);
    nb_str_free(&head);
    free(w);
}

static void put_u32(nb_kvs *kvs, const tiny *t, const char *name, uint32_t v)
{
    char key[128];
    snprintf(key, sizeof key, "%s.%s", t->arch, name);
    nb_kvs_put_u32(kvs, key, v, NULL);
}

static void put_keys(nb_kvs *kvs, const tiny *t)
{
    const nb_arch *arch = nb_arch_find(t->arch);
    char eps[128];
    check(arch, "%s", t->arch);
    snprintf(eps, sizeof eps, "%s.attention.layer_norm_%sepsilon", t->arch,
             arch->flags & NB_ARCH_LAYER_NORM ? "" : "rms_");
    nb_kvs_put_str(kvs, "general.architecture", t->arch, strlen(t->arch), NULL);
    put_u32(kvs, t, "block_count", t->n_layer);
    put_u32(kvs, t, "embedding_length", t->n_embd);
    put_u32(kvs, t, "feed_forward_length", t->n_ff);
    put_u32(kvs, t, "context_length", t->n_ctx);
    put_u32(kvs, t, "attention.head_count", t->n_head);
    put_u32(kvs, t, "attention.head_count_kv", t->n_head_kv);
    nb_kvs_put_f32(kvs, eps, 1e-5f, NULL);
    put_u32(kvs, t, "vocab_size", t->n_vocab);
    if (t->keys)
        t->keys(kvs);
}

/* Norms lie around 1; gate, biases and sinks around 0; factors of rope are at least 1. */
static float random_value(const tiny *t, const nb_slot_row *row, test_rng *rng)
{
    const char *name = row->name;
    if (strncmp(name, "rope", 4) == 0)
        return 1 + fabsf(test_uniform(rng));
    if (strstr(name, "norm") && strstr(name, ".weight"))
        return 1 + 0.1f * test_uniform(rng);
    float spread = t->spread > 0 ? t->spread : 0.08f;
    return (row->is_vector ? 0.2f : spread) * test_normal(rng);
}

static void add_random(writer *w, const tiny *t, const nb_hparams *hp, nb_slot slot, uint32_t layer,
                       const tiny_hooks *hooks)
{
    char name[NB_MAX_NAME + 1 + 64];
    const nb_slot_row *row = nb_slot_of(slot);
    uint64_t cols = nb_hparams_side(hp, row->side[0]), rows = nb_hparams_side(hp, row->side[1]),
             depth = nb_hparams_side(hp, row->side[2]);
    test_rng rng = test_rng_make(t->seed * 1000 + slot * 100 + layer);
    nb_slot_name(slot, layer, name);
    float *values = malloc(cols * rows * depth * sizeof *values);
    for (uint64_t i = 0; i < cols * rows * depth; i++)
        values[i] = random_value(t, row, &rng);
    nb_tensor tensor = {.name = name,
                        .type = row->is_vector || slot == NB_MOE_ROUTER ? NK_F32 : t->type,
                        .n_dims = depth > 1  ? 3
                                  : rows > 1 ? 2
                                             : 1,
                        .shape = {cols, rows, depth, 1}};
    if (!hooks || !hooks->tensor || hooks->tensor(hooks->arg, &tensor, values))
        add(w, &tensor, values);
    free(values);
}

float tiny_scale(const char *weight, uint64_t expert)
{
    uint64_t h = 5 + expert;
    for (; *weight; weight++)
        h = h * 31 + (unsigned char)*weight;
    return (float)(1 << h % 4) / 2;
}

static void add_scale(writer *w, const nb_hparams *hp, nb_slot slot, uint32_t layer,
                      const tiny_hooks *hooks)
{
    char weight[NB_MAX_NAME + 1], name[NB_MAX_NAME + 1];
    uint64_t depth = nb_hparams_side(hp, nb_slot_of(slot)->side[2]);
    float *values = malloc(depth * sizeof *values);
    nb_slot_name(slot, layer, weight);
    snprintf(name, sizeof name, "%.*s.scale", (int)(strlen(weight) - strlen(".weight")), weight);
    for (uint64_t e = 0; e < depth; e++)
        values[e] = tiny_scale(weight, e);
    nb_tensor t = {.name = name, .type = NK_F32, .n_dims = 1, .shape = {depth, 1, 1, 1}};
    if (!hooks || !hooks->tensor || hooks->tensor(hooks->arg, &t, values))
        add(w, &t, values);
    free(values);
}

static void add_slot(writer *w, const tiny *t, const nb_hparams *hp, nb_slot slot, uint32_t layer,
                     const tiny_hooks *hooks)
{
    add_random(w, t, hp, slot, layer, hooks);
    if (t->scales && nb_slot_is_linear(slot))
        add_scale(w, hp, slot, layer, hooks);
}

static bool wanted(const tiny *t, const nb_hparams *hp, nb_slot slot)
{
    if (!nb_slot_exists(slot, hp->features))
        return false;
    if (slot == NB_OUTPUT)
        return !t->tied;
    if (slot == NB_ROPE_FREQS)
        return t->rope_freqs;
    if (slot == NB_ROPE_LONG || slot == NB_ROPE_SHORT)
        return t->rope_lengths;
    return t->optional || nb_slot_required(slot, hp->features);
}

void tiny_write(const char *path, const tiny *t, const tiny_hooks *hooks)
{
    writer *w = calloc(1, sizeof *w);
    nb_kvs *kvs = NULL;
    nb_hparams hp;
    nb_err err = {0};
    check(w && nb_kvs_open(&kvs, NULL) == NB_OK, "memory");
    put_keys(kvs, t);
    check(nb_hparams_read(&hp, kvs, &err) == NB_OK, "%s", err.msg);
    hp.features |= t->fused_qkv ? NB_ARCH_FUSED_QKV : 0;
    if (hooks && hooks->keys)
        hooks->keys(hooks->arg, kvs);
    for (int slot = 0; slot < NB_SLOT_LAYER; slot++)
        if (wanted(t, &hp, (nb_slot)slot))
            add_slot(w, t, &hp, (nb_slot)slot, 0, hooks);
    for (uint32_t layer = 0; layer < t->n_layer; layer++)
        for (int slot = NB_SLOT_LAYER; slot < NB_SLOT_COUNT; slot++)
            if (wanted(t, &hp, (nb_slot)slot))
                add_slot(w, t, &hp, (nb_slot)slot, layer, hooks);
    finish(w, path, kvs);
    nb_kvs_close(&kvs);
}

void tiny_convert(const char *path, const char *source, nk_type_id type)
{
    nb_weights *from = NULL;
    nb_err err;
    check(nb_weights_open(&from, source, &err) == NB_OK, "%s", err.msg);
    writer *w = calloc(1, sizeof *w);
    for (size_t i = 0; i < nb_weights_count(from); i++) {
        const nb_view *v = nb_weights_at(from, i);
        uint64_t cols = nb_tensor_cols(&v->t), rows = nb_tensor_rows(&v->t);
        float *values = malloc(cols * rows * sizeof *values);
        for (uint64_t r = 0; r < rows; r++)
            nk_type_get(v->t.type)->decode(nb_weights_row(v, r, NULL), values + r * cols, cols);
        nb_tensor t = v->t;
        t.type = rows == 1 ? NK_F32 : type;
        add(w, &t, values);
        free(values);
    }
    finish(w, path, nb_weights_kvs(from));
    nb_weights_close(&from);
}
