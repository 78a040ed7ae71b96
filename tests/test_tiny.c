#include "tests/tiny.h"
#include "tests/check.h"
#include "tests/util.h"

#include "core/files/gguf.h"
#include "core/model/arch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

tiny tiny_default(void)
{
    return (tiny){.n_layer = 2,
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
    nb_tensor t[256];
    char name[256][NB_MAX_NAME + 1];
    uint8_t *bytes[256];
    size_t n;
} writer;

/* values [rows, cols] become the tensor's bytes in its type. */
static void add(writer *w, const nb_tensor *t, const float *values)
{
    const nk_type *type = nk_type_get(t->type);
    uint64_t row_size = 0, rows = nb_tensor_rows(t), cols = nb_tensor_cols(t);
    check(w->n < 256 && type && type->encode && nk_row_size(type, cols, &row_size), "%s", t->name);
    w->t[w->n] = *t;
    snprintf(w->name[w->n], sizeof w->name[0], "%s", t->name);
    w->t[w->n].name = w->name[w->n];
    w->t[w->n].nbytes = rows * row_size;
    w->bytes[w->n] = malloc(rows * row_size);
    type->encode(values, w->bytes[w->n], rows, cols, NULL);
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

static void put_keys(nb_kvs *kvs, const tiny *t)
{
    nb_kvs_put_str(kvs, "general.architecture", "llama", 5, NULL);
    nb_kvs_put_u32(kvs, "llama.block_count", t->n_layer, NULL);
    nb_kvs_put_u32(kvs, "llama.embedding_length", t->n_embd, NULL);
    nb_kvs_put_u32(kvs, "llama.feed_forward_length", t->n_ff, NULL);
    nb_kvs_put_u32(kvs, "llama.context_length", t->n_ctx, NULL);
    nb_kvs_put_u32(kvs, "llama.attention.head_count", t->n_head, NULL);
    nb_kvs_put_u32(kvs, "llama.attention.head_count_kv", t->n_head_kv, NULL);
    nb_kvs_put_f32(kvs, "llama.attention.layer_norm_rms_epsilon", 1e-5f, NULL);
    nb_kvs_put_u32(kvs, "llama.vocab_size", t->n_vocab, NULL);
}

typedef struct shape {
    uint64_t cols, rows;
} shape;

static shape shape_of(const tiny *t, nb_slot slot)
{
    uint64_t embd = t->n_embd, kv = embd / t->n_head * t->n_head_kv;
    switch (slot) {
    case NB_TOKEN_EMBD:
    case NB_OUTPUT:
        return (shape){embd, t->n_vocab};
    case NB_ROPE_FREQS:
        return (shape){embd / t->n_head / 2, 1};
    case NB_ATTN_K:
    case NB_ATTN_V:
        return (shape){embd, kv};
    case NB_ATTN_Q:
    case NB_ATTN_OUT:
        return (shape){embd, embd};
    case NB_FFN_GATE:
    case NB_FFN_UP:
        return (shape){embd, t->n_ff};
    case NB_FFN_DOWN:
        return (shape){t->n_ff, embd};
    default:
        return (shape){embd, 1};
    }
}

static void add_random(writer *w, const tiny *t, nb_slot slot, uint32_t layer,
                       const tiny_hooks *hooks)
{
    char name[NB_MAX_NAME + 1 + 64];
    shape s = shape_of(t, slot);
    bool vector = s.rows == 1;
    test_rng rng = test_rng_make(t->seed * 1000 + slot * 100 + layer);
    nb_slot_name(slot, layer, name);
    float *values = malloc(s.cols * s.rows * sizeof *values);
    for (uint64_t i = 0; i < s.cols * s.rows; i++)
        values[i] = vector ? 1 + 0.1f * test_uniform(&rng) : 0.08f * test_normal(&rng);
    nb_tensor tensor = {.name = name,
                        .type = vector ? NK_F32 : t->type,
                        .n_dims = vector ? 1 : 2,
                        .shape = {s.cols, s.rows, 1, 1}};
    if (!hooks || !hooks->tensor || hooks->tensor(hooks->arg, &tensor, values))
        add(w, &tensor, values);
    free(values);
}

void tiny_write(const char *path, const tiny *t, const tiny_hooks *hooks)
{
    writer *w = calloc(1, sizeof *w);
    nb_kvs *kvs = NULL;
    check(w && nb_kvs_open(&kvs, NULL) == NB_OK, "memory");
    put_keys(kvs, t);
    if (hooks && hooks->keys)
        hooks->keys(hooks->arg, kvs);
    for (int slot = 0; slot < NB_SLOT_LAYER; slot++)
        if (!(slot == NB_OUTPUT && t->tied) && !(slot == NB_ROPE_FREQS && !t->rope_freqs))
            add_random(w, t, (nb_slot)slot, 0, hooks);
    for (uint32_t layer = 0; layer < t->n_layer; layer++)
        for (int slot = NB_SLOT_LAYER; slot < NB_SLOT_COUNT; slot++)
            add_random(w, t, (nb_slot)slot, layer, hooks);
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
