#include "tests/hub/model.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/eval/synth.h"
#include "core/files/gguf.h"
#include "core/quant/recipe.h"
#include "tests/hub/mem.h"

enum { LAYER = 11, OUTSIDE = 3, ALIGN = 32 };

/* Every tensor of a model, by GGUF's names and by Hugging Face's. */
typedef struct tensor_list {
    nb_tensor *t;                  /* [n], names from gguf */
    char (*gguf)[NB_MAX_NAME + 1]; /* [n] */
    char (*hf)[NB_MAX_NAME + 1];   /* [n] */
    size_t n;
} tensor_list;

static void add(tensor_list *l, const char *gguf, const char *hf, uint32_t cols, uint32_t rows)
{
    size_t i = l->n++;
    snprintf(l->gguf[i], sizeof l->gguf[i], "%s", gguf);
    snprintf(l->hf[i], sizeof l->hf[i], "%s", hf);
    l->t[i] = (nb_tensor){.name = l->gguf[i],
                          .type = NK_F32,
                          .n_dims = rows > 1 ? 2 : 1,
                          .shape = {cols, rows, 1, 1}};
}

static void add_layer(tensor_list *l, const nb_shape *s, unsigned no)
{
    uint32_t e = s->n_embd, q = s->n_head * s->head_dim, kv = s->n_head_kv * s->head_dim;
    bool qwen3 = strcmp(s->arch, "qwen3") == 0;
    const struct {
        const char *gguf, *hf;
        uint32_t cols, rows;
        bool wanted;
    } rows[LAYER] = {
        {"attn_norm", "input_layernorm", e, 1, true},
        {"attn_q", "self_attn.q_proj", e, q, true},
        {"attn_k", "self_attn.k_proj", e, kv, true},
        {"attn_v", "self_attn.v_proj", e, kv, true},
        {"attn_output", "self_attn.o_proj", q, e, true},
        {"attn_q_norm", "self_attn.q_norm", s->head_dim, 1, qwen3},
        {"attn_k_norm", "self_attn.k_norm", s->head_dim, 1, qwen3},
        {"ffn_norm", "post_attention_layernorm", e, 1, true},
        {"ffn_gate", "mlp.gate_proj", e, s->n_ff, true},
        {"ffn_up", "mlp.up_proj", e, s->n_ff, true},
        {"ffn_down", "mlp.down_proj", s->n_ff, e, true},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        char gguf[64], hf[64];
        snprintf(gguf, sizeof gguf, "blk.%u.%s.weight", no, rows[i].gguf);
        snprintf(hf, sizeof hf, "model.layers.%u.%s.weight", no, rows[i].hf);
        if (rows[i].wanted)
            add(l, gguf, hf, rows[i].cols, rows[i].rows);
    }
}

static void list_tensors(tensor_list *l, const nb_shape *s)
{
    size_t room = OUTSIDE + (size_t)LAYER * s->n_layer;
    l->t = hub_alloc(room * sizeof *l->t);
    l->gguf = hub_alloc(room * sizeof *l->gguf);
    l->hf = hub_alloc(room * sizeof *l->hf);
    add(l, "token_embd.weight", "model.embed_tokens.weight", s->n_embd, s->n_vocab);
    for (unsigned i = 0; i < s->n_layer; i++)
        add_layer(l, s, i);
    add(l, "output_norm.weight", "model.norm.weight", s->n_embd, 1);
    if (!s->tied)
        add(l, "output.weight", "lm_head.weight", s->n_embd, s->n_vocab);
}

static void free_tensors(tensor_list *l)
{
    free(l->t);
    free(l->gguf);
    free(l->hf);
}

/* Elements [first, last) of n that make part `shard` of `shards`. */
static void part_of(size_t n, unsigned shard, unsigned shards, size_t *first, size_t *last)
{
    bool one = shards == 0 || shard == 0 || shard > shards;
    *first = one ? 0 : n * (shard - 1) / shards;
    *last = one ? n : n * shard / shards;
}

/* --- GGUF ------------------------------------------------------------------------------------ */
static nb_status put_vocabulary(nb_kvs *k, uint32_t n, nb_err *err)
{
    nb_str tokens = {0};
    for (uint32_t i = 0; i < n; i++) {
        char text[16];
        int len = snprintf(text, sizeof text, "t%u", i);
        nb_kv_add_str(&tokens, text, (size_t)len);
    }
    nb_status st = nb_kvs_put_str(k, "tokenizer.ggml.model", "gpt2", 4, err);
    if (st == NB_OK)
        st = nb_kvs_put_strs(k, "tokenizer.ggml.tokens", &tokens, n, err);
    nb_str_free(&tokens);
    return st;
}

static nb_status put_keys(nb_kvs *k, const nb_shape *s, const nb_preset *preset, nb_err *err)
{
    const struct {
        const char *name;
        uint32_t v;
    } rows[] = {{"block_count", s->n_layer},
                {"context_length", s->n_ctx},
                {"embedding_length", s->n_embd},
                {"feed_forward_length", s->n_ff},
                {"attention.head_count", s->n_head},
                {"attention.head_count_kv", s->n_head_kv},
                {"attention.key_length", s->head_dim},
                {"attention.value_length", s->head_dim},
                {"vocab_size", s->n_vocab}};
    char key[96];
    NB_TRY(nb_kvs_put_str(k, "general.architecture", s->arch, strlen(s->arch), err));
    NB_TRY(nb_kvs_put_str(k, "general.name", s->name, strlen(s->name), err));
    NB_TRY(nb_kvs_put_u32(k, "general.file_type", (uint32_t)preset->file_type, err));
    for (size_t i = 0; i < countof(rows); i++) {
        snprintf(key, sizeof key, "%s.%s", s->arch, rows[i].name);
        NB_TRY(nb_kvs_put_u32(k, key, rows[i].v, err));
    }
    snprintf(key, sizeof key, "%s.rope.freq_base", s->arch);
    NB_TRY(nb_kvs_put_f32(k, key, s->rope_base, err));
    snprintf(key, sizeof key, "%s.attention.layer_norm_rms_epsilon", s->arch);
    NB_TRY(nb_kvs_put_f32(k, key, s->rms_eps, err));
    return put_vocabulary(k, s->n_vocab, err);
}

/* As gguf-split leaves them: every part with all keys here, only the first in its files. */
static nb_status put_split(nb_kvs *k, size_t n, unsigned shard, unsigned shards, nb_err *err)
{
    const nb_kv rows[] = {{.key = "split.no", .type = NB_KV_U16, .v.u = shard - 1},
                          {.key = "split.count", .type = NB_KV_U16, .v.u = shards},
                          {.key = "split.tensors.count", .type = NB_KV_I32, .v.i = (int64_t)n}};
    for (size_t i = 0; i < countof(rows); i++)
        NB_TRY(nb_kvs_put(k, &rows[i], true, err));
    return NB_OK;
}

static nb_status gguf_header(nb_str *out, uint64_t *file_size, const nb_shape *s,
                             const tensor_list *l, const char *name, unsigned shard,
                             unsigned shards, nb_err *err)
{
    const nb_preset *preset = nb_preset_find(name);
    size_t first, last;
    nb_recipe recipe;
    nb_plan plan = {0};
    nb_kvs *keys;
    if (!preset)
        return nb_fail(err, NB_USAGE, "%s is no preset", name);
    nb_recipe_init(&recipe, preset);
    NB_TRY(nb_kvs_open(&keys, err));
    nb_status st = put_keys(keys, s, preset, err);
    if (st == NB_OK)
        st = nb_plan_make_shapes(&plan, &recipe, keys, l->t, l->n, err);
    for (size_t i = 0; st == NB_OK && i < plan.n; i++)
        plan.layout[i].type = plan.tensor[i].type->id;
    if (st == NB_OK && shards)
        st = put_split(keys, plan.n, shard, shards, err);
    part_of(plan.n, shard, shards, &first, &last);
    if (st == NB_OK)
        st = nb_gguf_layout(out, keys, plan.layout + first, last - first, ALIGN, file_size, err);
    nb_plan_free(&plan);
    nb_kvs_close(&keys);
    return st;
}

/* --- safetensors ----------------------------------------------------------------------------- */
static void put_tensor(nb_jout *w, const nb_tensor *t, const char *name, uint64_t *offset)
{
    uint64_t end = *offset + 2 * nb_tensor_count(t);
    nb_jout_key(w, name);
    nb_jout_object(w);
    nb_jout_key(w, "dtype");
    nb_jout_str(w, "BF16");
    nb_jout_key(w, "shape");
    nb_jout_array(w);
    if (t->n_dims > 1)
        nb_jout_u64(w, t->shape[1]);
    nb_jout_u64(w, t->shape[0]);
    nb_jout_array_end(w);
    nb_jout_key(w, "data_offsets");
    nb_jout_array(w);
    nb_jout_u64(w, *offset);
    nb_jout_u64(w, end);
    nb_jout_array_end(w);
    nb_jout_object_end(w);
    *offset = end;
}

static void safetensors_header(nb_str *out, uint64_t *file_size, const tensor_list *l,
                               unsigned shard, unsigned shards)
{
    size_t first, last;
    uint64_t offset = 0;
    nb_str json = {0};
    nb_jout w = nb_jout_make(&json);
    part_of(l->n, shard, shards, &first, &last);
    nb_jout_object(&w);
    for (size_t i = first; i < last; i++)
        put_tensor(&w, &l->t[i], l->hf[i], &offset);
    nb_jout_object_end(&w);
    while (json.len % 8)
        nb_str_add(&json, " ");
    for (int i = 0; i < 8; i++)
        nb_str_addn(out, &(uint8_t){(uint8_t)((uint64_t)json.len >> 8 * i)}, 1);
    nb_str_addn(out, json.at, json.len);
    nb_str_free(&json);
    *file_size = out->len + offset;
}

/* model.safetensors.index.json of that many parts. */
static void index_file(nb_str *out, const tensor_list *l, unsigned shards)
{
    uint64_t total = 0;
    nb_jout w = nb_jout_make(out);
    for (size_t i = 0; i < l->n; i++)
        total += 2 * nb_tensor_count(&l->t[i]);
    nb_jout_object(&w);
    nb_jout_key(&w, "metadata");
    nb_jout_object(&w);
    nb_jout_key(&w, "total_size");
    nb_jout_u64(&w, total);
    nb_jout_object_end(&w);
    nb_jout_key(&w, "weight_map");
    nb_jout_object(&w);
    for (unsigned k = 1; k <= shards; k++) {
        size_t first, last;
        char name[64];
        part_of(l->n, k, shards, &first, &last);
        snprintf(name, sizeof name, "model-%05u-of-%05u.safetensors", k, shards);
        for (size_t i = first; i < last; i++) {
            nb_jout_key(&w, l->hf[i]);
            nb_jout_str(&w, name);
        }
    }
    nb_jout_object_end(&w);
    nb_jout_object_end(&w);
}

nb_status model_header(nb_str *out, uint64_t *file_size, const char *shape, const char *preset,
                       unsigned shard, unsigned shards, nb_err *err)
{
    const nb_shape *s = shape ? nb_shape_find(shape) : NULL;
    nb_status st = NB_OK;
    tensor_list l = {0};
    if (!s || !preset)
        return nb_fail(err, NB_USAGE, "%s: no such shape", shape ? shape : "nothing");
    list_tensors(&l, s);
    if (strcmp(preset, "index") == 0) {
        index_file(out, &l, shards);
        *file_size = out->len;
    } else if (strcmp(preset, "safetensors") == 0) {
        safetensors_header(out, file_size, &l, shard, shards);
    } else {
        st = gguf_header(out, file_size, s, &l, preset, shard, shards, err);
    }
    free_tensors(&l);
    return st;
}
