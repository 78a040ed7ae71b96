#include "core/model/model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* "llama.block_count": the architecture's name and a key. */
typedef struct key_name {
    char text[128];
} key_name;

static key_name key_of(const nb_arch *arch, const char *key)
{
    key_name k;
    snprintf(k.text, sizeof k.text, "%s.%s", arch->name, key);
    return k;
}

/* An array is fine when all its elements are the same number. Other arrays belong to architectures
 * that have no row here: llama.cpp's converter (conversion/NAME.py @ de3ff81) writes lists of heads
 * or widths for deci, openelm, gemma3n, gemma4, laguna, plamo2, step3 and hybrids alone. */
static bool array_uint(const nb_kv *kv, uint64_t *out)
{
    double first, v;
    if (!nb_kv_elem_num(kv, 0, &first) || first < 0 || first > UINT32_MAX)
        return false;
    for (uint64_t i = 1; i < kv->n; i++)
        if (!nb_kv_elem_num(kv, i, &v) || v < first || v > first)
            return false;
    *out = (uint64_t)first;
    return true;
}

/* Absent: *out keeps its value, unless that is below min: then the key is required. */
static nb_status read_uint(const nb_kvs *kvs, const nb_arch *arch, const char *key, uint32_t min,
                           uint32_t max, uint32_t *out, nb_err *err)
{
    key_name k = key_of(arch, key);
    const nb_kv *kv = nb_kvs_find(kvs, k.text);
    uint64_t v = *out;
    if (kv && kv->type == NB_KV_ARRAY && !array_uint(kv, &v))
        return nb_fail(err, NB_UNSUPPORTED, "%s differs from layer to layer", k.text);
    bool whole = kv && (kv->type == NB_KV_ARRAY || nb_kvs_uint(kvs, k.text, &v));
    if (kv ? !whole : v < min)
        return nb_fail(err, NB_FORMAT, "%s: %s", k.text, kv ? "no whole number" : "missing");
    if (v < min || v > max)
        return nb_fail(err, NB_FORMAT, "%s: %llu, expected %u..%u", k.text, (unsigned long long)v,
                       min, max);
    *out = (uint32_t)v;
    return NB_OK;
}

/* A default of NAN: the key is required. */
static nb_status read_float(const nb_kvs *kvs, const nb_arch *arch, const char *key, double min,
                            double max, float *out, nb_err *err)
{
    key_name k = key_of(arch, key);
    double v = (double)*out;
    if (nb_kvs_find(kvs, k.text) && !nb_kvs_float(kvs, k.text, &v))
        return nb_fail(err, NB_FORMAT, "%s: no number", k.text);
    if (!(v >= min && v <= max)) /* also refuses NaN, the mark of a required key */
        return nb_fail(err, NB_FORMAT, "%s: missing or not in %g..%g", k.text, min, max);
    *out = (float)v;
    return NB_OK;
}

/* A scale that is absent or 0 is 1 (llama.cpp's mark of "not used"). */
static nb_status read_scale(const nb_kvs *kvs, const nb_arch *arch, const char *key, float *out,
                            nb_err *err)
{
    float v = 0;
    NB_TRY(read_float(kvs, arch, key, -1e6, 1e6, &v, err));
    *out = v < 0 || v > 0 ? v : *out;
    return NB_OK;
}

typedef enum scaling_type { NONE, LINEAR, YARN, LONGROPE, SCALING_TYPES } scaling_type;

static nb_status scaling_of(const nb_hparams *hp, const nb_kvs *kvs, scaling_type *out, nb_err *err)
{
    static const char *const name[SCALING_TYPES] = {"none", "linear", "yarn", "longrope"};
    key_name k = key_of(hp->arch, "rope.scaling.type");
    const char *type;
    size_t n;
    *out = LINEAR; /* files older than the type key give only a factor */
    if (!nb_kvs_str(kvs, k.text, &type, &n))
        return NB_OK;
    for (int i = 0; i < SCALING_TYPES; i++)
        if (n == strlen(name[i]) && memcmp(type, name[i], n) == 0) {
            *out = (scaling_type)i;
            return NB_OK;
        }
    return nb_fail(err, NB_UNSUPPORTED, "%s: \"%.*s\" does not run here", k.text,
                   n > 40 ? 40 : (int)n, type);
}

/* Keys and their defaults: llama_model::load_hparams and llama_new_context of llama.cpp @ c392e50;
 * rope.freq_base_swa: olmo2.cpp @ 8a5c4e0, gemma3 since 2025-03. */
static nb_status read_rope(nb_hparams *hp, const nb_kvs *kvs, nb_err *err)
{
    const nb_arch *a = hp->arch;
    nb_rope_keys *r = &hp->rope;
    scaling_type type;
    *r = (nb_rope_keys){.base = 10000,
                        .scale = 1,
                        .attn_factor = 1,
                        .beta_fast = 32,
                        .beta_slow = 1,
                        .n_ctx_orig = hp->n_ctx_train};
    NB_TRY(read_float(kvs, a, "rope.freq_base", 1e-3, 1e30, &r->base, err));
    r->local_base = hp->features & NB_ARCH_EMBD_SQRT ? 10000 : r->base; /* gemma3's own */
    NB_TRY(read_float(kvs, a, "rope.freq_base_swa", 1e-3, 1e30, &r->local_base, err));
    bool finetuned = true;
    nb_kvs_bool(kvs, key_of(a, "rope.scaling.finetuned").text, &finetuned);
    r->off = !finetuned && (hp->features & NB_ARCH_MAY_NOT_TURN);
    NB_TRY(read_float(kvs, a, "rope.scaling.attn_factor", 1e-6, 1e6, &r->attn_factor, err));
    NB_TRY(read_uint(kvs, a, "rope.scaling.original_context_length", 1, 1u << 30, &r->n_ctx_orig,
                     err));
    NB_TRY(scaling_of(hp, kvs, &type, err));
    if (type == NONE)
        return NB_OK;
    float factor = 1;
    NB_TRY(read_float(kvs, a, "rope.scale_linear", 0, 1e6, &factor, err));
    NB_TRY(read_float(kvs, a, "rope.scaling.factor", 0, 1e6, &factor, err));
    r->scale = factor > 0 ? 1 / factor : 1; /* some converters write 0 for "off" */
    if (type != YARN)
        return NB_OK;
    r->stretch = 1;
    NB_TRY(read_float(kvs, a, "rope.scaling.yarn_ext_factor", 0, 1, &r->stretch, err));
    NB_TRY(read_float(kvs, a, "rope.scaling.yarn_attn_factor", 1e-6, 1e6, &r->attn_factor, err));
    NB_TRY(read_float(kvs, a, "rope.scaling.yarn_beta_fast", 1e-3, 1e6, &r->beta_fast, err));
    NB_TRY(read_float(kvs, a, "rope.scaling.yarn_beta_slow", 1e-3, 1e6, &r->beta_slow, err));
    if (r->base <= 1)
        return nb_fail(err, NB_FORMAT, "%s.rope.freq_base: %g, yarn needs more than 1", a->name,
                       (double)r->base);
    return NB_OK;
}

static nb_status read_heads(nb_hparams *hp, const nb_kvs *kvs, nb_err *err)
{
    const nb_arch *a = hp->arch;
    NB_TRY(read_uint(kvs, a, "attention.head_count", 1, 4096, &hp->n_head, err));
    hp->n_head_kv = hp->n_head;
    NB_TRY(read_uint(kvs, a, "attention.head_count_kv", 1, 4096, &hp->n_head_kv, err));
    if (hp->n_head % hp->n_head_kv)
        return nb_fail(err, NB_FORMAT, "%s.attention.head_count: %u is no multiple of %u KV heads",
                       a->name, hp->n_head, hp->n_head_kv);
    hp->head_dim = hp->n_embd / hp->n_head;
    NB_TRY(read_uint(kvs, a, "attention.key_length", 2, 4096, &hp->head_dim, err));
    uint32_t value = hp->head_dim;
    NB_TRY(read_uint(kvs, a, "attention.value_length", 2, 4096, &value, err));
    if (value != hp->head_dim)
        return nb_fail(err, NB_UNSUPPORTED, "%s.attention.value_length: %u, but keys have %u",
                       a->name, value, hp->head_dim);
    if (hp->features & NB_ARCH_LEARNED)
        return NB_OK; /* n_rot stays 0 */
    hp->n_rot = hp->head_dim;
    NB_TRY(read_uint(kvs, a, "rope.dimension_count", 2, hp->head_dim, &hp->n_rot, err));
    if (hp->n_rot % 2)
        return nb_fail(err, NB_FORMAT, "%s.rope.dimension_count: %u is odd", a->name, hp->n_rot);
    return NB_OK;
}

/* Scales, caps and windows. Defaults where a family's keys are missing: llama_hparams of llama.cpp
 * @ c392e50 (gemma2: 50, 30, 4096). */
static nb_status read_scores(nb_hparams *hp, const nb_kvs *kvs, nb_err *err)
{
    const nb_arch *a = hp->arch;
    bool capped = hp->features & NB_ARCH_SOFT_CAPS;
    uint32_t wide = a->wide_layers && hp->n_layer == a->wide_layers;
    hp->attn_scale = 1.0f / sqrtf((float)(wide ? hp->n_embd / hp->n_head : hp->head_dim));
    NB_TRY(read_scale(kvs, a, "attention.scale", &hp->attn_scale, err));
    hp->attn_cap = capped ? 50 : 0;
    hp->logit_cap = capped ? 30 : 0;
    NB_TRY(read_float(kvs, a, "attn_logit_softcapping", 0, 1e6, &hp->attn_cap, err));
    NB_TRY(read_float(kvs, a, "final_logit_softcapping", 0, 1e6, &hp->logit_cap, err));
    hp->embd_scale = hp->features & NB_ARCH_EMBD_SQRT ? sqrtf((float)hp->n_embd) : 1;
    NB_TRY(read_scale(kvs, a, "embedding_scale", &hp->embd_scale, err));
    hp->block_scale = hp->logit_scale = hp->expert_scale = 1;
    NB_TRY(read_scale(kvs, a, "residual_scale", &hp->block_scale, err));
    NB_TRY(read_scale(kvs, a, "logit_scale", &hp->logit_scale, err));
    NB_TRY(read_scale(kvs, a, "expert_weights_scale", &hp->expert_scale, err));
    if (!(hp->features & NB_ARCH_LOGIT_TIMES))
        hp->logit_scale = 1 / hp->logit_scale;
    if (a->window_every == 0)
        return NB_OK;
    hp->window = capped ? 4096 : 0;
    NB_TRY(read_uint(kvs, a, "attention.sliding_window", 0, UINT32_MAX, &hp->window, err));
    hp->window_every = a->window_every;
    const nb_kv *pattern = nb_kvs_find(kvs, key_of(a, "attention.sliding_window_pattern").text);
    if (pattern && pattern->type == NB_KV_ARRAY)
        return NB_OK; /* layer by layer: model.c */
    return read_uint(kvs, a, "attention.sliding_window_pattern", 1, 1024, &hp->window_every, err);
}

static nb_status read_act(nb_hparams *hp, const nb_kvs *kvs, nb_err *err)
{
    static const struct {
        const char *name;
        nk_glu_kind act;
    } known[] = {{"silu", NK_GLU_SILU},
                 {"relu2", NK_GLU_RELU2},
                 {"gelu", NK_GLU_GELU_ERF},
                 {"gelu_new", NK_GLU_GELU},
                 {"gelu_pytorch_tanh", NK_GLU_GELU}};
    key_name k = key_of(hp->arch, "hidden_activation");
    const char *s;
    size_t n;
    hp->act = hp->arch->act;
    if (!nb_kvs_str(kvs, k.text, &s, &n))
        return NB_OK;
    for (size_t i = 0; i < countof(known); i++)
        if (n == strlen(known[i].name) && memcmp(s, known[i].name, n) == 0) {
            hp->act = known[i].act;
            return NB_OK;
        }
    return nb_fail(err, NB_UNSUPPORTED, "%s: \"%.*s\" does not run here", k.text,
                   n > 40 ? 40 : (int)n, s);
}

/* enum llama_expert_gating_func_type of llama.cpp */
enum { GATING_SOFTMAX = 1, GATING_LATE = 3 };

static nb_status read_experts(nb_hparams *hp, const nb_kvs *kvs, nb_err *err)
{
    const nb_arch *a = hp->arch;
    bool must = hp->features & NB_ARCH_EXPERTS;
    NB_TRY(read_uint(kvs, a, "expert_count", must, 4096, &hp->n_expert, err));
    if (hp->n_expert == 0)
        return NB_OK;
    if (!(hp->features & (NB_ARCH_EXPERTS | NB_ARCH_ROUTE_NORM)))
        return nb_fail(err, NB_UNSUPPORTED, "%s with %u experts: no mixture of this family runs",
                       a->name, hp->n_expert);
    hp->features |= NB_ARCH_EXPERTS;
    NB_TRY(read_uint(kvs, a, "expert_used_count", 1, hp->n_expert, &hp->n_expert_used, err));
    bool gated = hp->features & NB_ARCH_SHARED_GATE; /* qwen2moe: n_ff is the shared expert's */
    hp->n_expert_ff = gated ? hp->n_ff / hp->n_expert_used : hp->n_ff;
    NB_TRY(read_uint(kvs, a, "expert_feed_forward_length", 1, 1 << 20, &hp->n_expert_ff, err));
    hp->n_shared_ff = gated ? hp->n_ff : 0;
    NB_TRY(
        read_uint(kvs, a, "expert_shared_feed_forward_length", 0, 1 << 20, &hp->n_shared_ff, err));
    if (hp->n_shared_ff)
        hp->features |= NB_ARCH_SHARED;
    uint32_t have = hp->features & NB_ARCH_ROUTE_LATE ? GATING_LATE : GATING_SOFTMAX, want = have;
    NB_TRY(read_uint(kvs, a, "expert_gating_func", 0, 255, &want, err));
    if (want && want != have)
        return nb_fail(err, NB_UNSUPPORTED, "%s.expert_gating_func: %u does not run here", a->name,
                       want);
    return NB_OK;
}

static nb_status read_vocab(nb_hparams *hp, const nb_kvs *kvs, nb_err *err)
{
    const nb_kv *tokens = nb_kvs_find(kvs, "tokenizer.ggml.tokens");
    uint32_t known = 0;
    if (tokens && tokens->type == NB_KV_ARRAY)
        known = tokens->n > UINT32_MAX ? UINT32_MAX : (uint32_t)tokens->n;
    hp->n_vocab = known;
    NB_TRY(read_uint(kvs, hp->arch, "vocab_size", 1, 1 << 20, &hp->n_vocab, err));
    if (known > hp->n_vocab)
        return nb_fail(err, NB_FORMAT, "%s.vocab_size: %u, but there are %u tokens", hp->arch->name,
                       hp->n_vocab, known);
    return NB_OK;
}

static nb_status find_arch(const nb_arch **out, const nb_kvs *kvs, nb_err *err)
{
    const char *name;
    size_t n;
    char arch[64];
    if (!nb_kvs_str(kvs, "general.architecture", &name, &n))
        return nb_fail(err, NB_FORMAT, "general.architecture: missing");
    snprintf(arch, sizeof arch, "%.*s", n >= sizeof arch ? 0 : (int)n, name);
    *out = nb_arch_find(arch);
    if (*out)
        return NB_OK;
    const char *kind = nb_arch_kind(arch);
    return nb_fail(err, NB_UNSUPPORTED, "architecture \"%.*s\"%s%s%s does not run here yet",
                   n > 60 ? 60 : (int)n, name, kind ? " (" : "", kind ? kind : "", kind ? ")" : "");
}

nb_status nb_hparams_read(nb_hparams *out, const nb_kvs *kvs, nb_err *err)
{
    nb_hparams hp = {0};
    NB_TRY(find_arch(&hp.arch, kvs, err));
    const nb_arch *a = hp.arch;
    hp.features = a->flags | (a->position == NB_POS_LEARNED ? NB_ARCH_LEARNED : 0);
    NB_TRY(read_uint(kvs, a, "block_count", 1, 1024, &hp.n_layer, err));
    NB_TRY(read_uint(kvs, a, "embedding_length", 1, 1 << 18, &hp.n_embd, err));
    NB_TRY(read_uint(kvs, a, "feed_forward_length", 1, 1 << 20, &hp.n_ff, err));
    NB_TRY(read_uint(kvs, a, "context_length", 1, 1u << 30, &hp.n_ctx_train, err));
    NB_TRY(read_heads(&hp, kvs, err));
    NB_TRY(read_vocab(&hp, kvs, err));
    hp.norm_eps = NAN;
    NB_TRY(read_float(kvs, a,
                      hp.features & NB_ARCH_LAYER_NORM ? "attention.layer_norm_epsilon"
                                                       : "attention.layer_norm_rms_epsilon",
                      0, 1, &hp.norm_eps, err));
    NB_TRY(read_rope(&hp, kvs, err));
    NB_TRY(read_scores(&hp, kvs, err));
    NB_TRY(read_act(&hp, kvs, err));
    NB_TRY(read_experts(&hp, kvs, err));
    *out = hp;
    return NB_OK;
}

uint64_t nb_hparams_side(const nb_hparams *hp, nb_side side)
{
    uint64_t q = (uint64_t)hp->n_head * hp->head_dim, kv = (uint64_t)hp->n_head_kv * hp->head_dim;
    bool all = hp->features & NB_ARCH_QK_NORM_ALL, each = hp->features & NB_ARCH_QK_NORM_EACH;
    const uint64_t size[] = {
        [NB_SIDE_ONE] = 1,
        [NB_SIDE_EMBD] = hp->n_embd,
        [NB_SIDE_VOCAB] = hp->n_vocab,
        [NB_SIDE_CTX] = hp->n_ctx_train,
        [NB_SIDE_TURNS] = hp->n_rot / 2,
        [NB_SIDE_Q] = q,
        [NB_SIDE_KV] = kv,
        [NB_SIDE_QKV] = q + 2 * kv,
        [NB_SIDE_HEADS] = hp->n_head,
        [NB_SIDE_Q_NORM] = all ? q : hp->head_dim,
        [NB_SIDE_Q_NORMS] = each ? hp->n_head : 1,
        [NB_SIDE_K_NORM] = all ? kv : hp->head_dim,
        [NB_SIDE_K_NORMS] = each ? hp->n_head_kv : 1,
        [NB_SIDE_FF] = hp->n_ff,
        [NB_SIDE_FF_UP] = (hp->features & NB_ARCH_FUSED_GATE ? 2 : 1) * (uint64_t)hp->n_ff,
        [NB_SIDE_EXPERT_FF] = hp->n_expert_ff,
        [NB_SIDE_SHARED_FF] = hp->n_shared_ff,
        [NB_SIDE_EXPERTS] = hp->n_expert,
    };
    return size[side];
}
