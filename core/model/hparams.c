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

/* Absent: *out keeps its value, unless that is below min: then the key is required. */
static nb_status read_uint(const nb_kvs *kvs, const nb_arch *arch, const char *key, uint32_t min,
                           uint32_t max, uint32_t *out, nb_err *err)
{
    key_name k = key_of(arch, key);
    const nb_kv *kv = nb_kvs_find(kvs, k.text);
    uint64_t v = *out;
    if (kv && kv->type == NB_KV_ARRAY)
        return nb_fail(err, NB_UNSUPPORTED, "%s differs from layer to layer", k.text);
    if (kv ? !nb_kvs_uint(kvs, k.text, &v) : v < min)
        return nb_fail(err, NB_FORMAT, "%s: %s", k.text, kv ? "no whole number" : "missing");
    if (v < min || v > max)
        return nb_fail(err, NB_FORMAT, "%s: %llu, expected %u..%u", k.text, (unsigned long long)v,
                       min, max);
    *out = (uint32_t)v;
    return NB_OK;
}

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

static nb_status read_scaling(nb_hparams *hp, const nb_kvs *kvs, nb_err *err)
{
    key_name k = key_of(hp->arch, "rope.scaling.type");
    const char *type;
    size_t n;
    hp->rope_scale = 1;
    bool linear = true; /* files older than the type key give only a factor */
    if (nb_kvs_str(kvs, k.text, &type, &n)) {
        bool none = n == 4 && memcmp(type, "none", 4) == 0;
        linear = n == 6 && memcmp(type, "linear", 6) == 0;
        if (!none && !linear)
            return nb_fail(err, NB_UNSUPPORTED, "%s: \"%.*s\" does not run here", k.text,
                           n > 40 ? 40 : (int)n, type);
    }
    if (!linear)
        return NB_OK;
    float factor = 1;
    NB_TRY(read_float(kvs, hp->arch, "rope.scale_linear", 0, 1e6, &factor, err));
    NB_TRY(read_float(kvs, hp->arch, "rope.scaling.factor", 0, 1e6, &factor, err));
    hp->rope_scale = factor > 0 ? 1 / factor : 1; /* some converters write 0 for "off" */
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
    hp->n_rot = hp->head_dim;
    NB_TRY(read_uint(kvs, a, "rope.dimension_count", 2, hp->head_dim, &hp->n_rot, err));
    if (hp->n_rot % 2)
        return nb_fail(err, NB_FORMAT, "%s.rope.dimension_count: %u is odd", a->name, hp->n_rot);
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

nb_status nb_hparams_read(nb_hparams *out, const nb_kvs *kvs, nb_err *err)
{
    const char *name;
    size_t n;
    char arch[64];
    if (!nb_kvs_str(kvs, "general.architecture", &name, &n))
        return nb_fail(err, NB_FORMAT, "general.architecture: missing");
    snprintf(arch, sizeof arch, "%.*s", n >= sizeof arch ? 0 : (int)n, name);
    nb_hparams hp = {.arch = nb_arch_find(arch)};
    if (!hp.arch)
        return nb_fail(err, NB_UNSUPPORTED, "architecture \"%.*s\" does not run here yet",
                       n > 60 ? 60 : (int)n, name);
    const nb_arch *a = hp.arch;
    NB_TRY(read_uint(kvs, a, "block_count", 1, 1024, &hp.n_layer, err));
    NB_TRY(read_uint(kvs, a, "embedding_length", 1, 1 << 18, &hp.n_embd, err));
    NB_TRY(read_uint(kvs, a, "feed_forward_length", 1, 1 << 20, &hp.n_ff, err));
    NB_TRY(read_uint(kvs, a, "context_length", 1, 1u << 30, &hp.n_ctx_train, err));
    NB_TRY(read_heads(&hp, kvs, err));
    NB_TRY(read_vocab(&hp, kvs, err));
    hp.rms_eps = NAN;
    NB_TRY(read_float(kvs, a, "attention.layer_norm_rms_epsilon", 0, 1, &hp.rms_eps, err));
    hp.rope_base = 10000;
    NB_TRY(read_float(kvs, a, "rope.freq_base", 1e-3, 1e30, &hp.rope_base, err));
    NB_TRY(read_scaling(&hp, kvs, err));
    uint32_t experts = 0;
    NB_TRY(read_uint(kvs, a, "expert_count", 0, UINT32_MAX, &experts, err));
    if (experts)
        return nb_fail(err, NB_UNSUPPORTED, "%u experts: mixtures do not run here yet", experts);
    *out = hp;
    return NB_OK;
}
