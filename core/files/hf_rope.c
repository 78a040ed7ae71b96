/* What config.json says about rope: base and scaling as keys, frequency factors as tensors
 * (llama.cpp @ 2bbcf7f, conversion/base.py, llama.py, phi.py; transformers,
 * modeling_rope_utils.py). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/files/hf_private.h"

/* transformers 5 moved rope_theta and the scaling into rope_parameters, there perhaps one set per
 * kind of layer (quant.md 2.1). */
static const nb_jval *parameters(const nb_hf_config *c)
{
    const nb_jval *moved = nb_hf_get(c, "rope_parameters");
    const nb_jval *full = nb_jget(moved, "full_attention");
    return full ? full : moved;
}

static const nb_jval *scaling_of(const nb_hf_config *c)
{
    const nb_jval *moved = parameters(c);
    return moved ? moved : nb_hf_get(c, "rope_scaling");
}

/* NULL: none. */
static const char *scaling_type(const nb_jval *scaling)
{
    const char *type = NULL;
    if (!nb_jstr(nb_jget(scaling, "rope_type"), &type))
        nb_jstr(nb_jget(scaling, "type"), &type);
    return type && strcmp(type, "default") != 0 ? type : NULL;
}

static bool is_longrope(const char *type)
{
    return type && (strcmp(type, "longrope") == 0 || strcmp(type, "su") == 0);
}

static nb_status base_of(const nb_hf_config *c, double *base)
{
    bool found;
    *base = 10000;
    NB_TRY(nb_hf_number(c, "rope_theta", 1, 1e12, base, &found));
    return nb_jopt_num(c->doc, parameters(c), "rope_theta", 1, 1e12, base, c->err);
}

/* --- keys ---------------------------------------------------------------------------------------
 */

static nb_status put_optional(nb_hf_config *c, const nb_jval *scaling, const char *name,
                              const char *key)
{
    double v = NAN;
    NB_TRY(nb_jopt_num(c->doc, scaling, name, 0, 1e6, &v, c->err));
    return isnan(v) ? NB_OK : nb_hf_put_f32(c, key, v);
}

static nb_status put_yarn(nb_hf_config *c, const nb_jval *scaling)
{
    int64_t original = c->context;
    bool found;
    double v = 0;
    NB_TRY(nb_hf_number(c, "original_max_position_embeddings", 1, 1 << 30, &v, &found));
    if (found)
        original = (int64_t)v;
    NB_TRY(nb_jopt_int(c->doc, scaling, "original_max_position_embeddings", 1, 1 << 30, &original,
                       c->err));
    NB_TRY(nb_hf_put_u32(c, "rope.scaling.original_context_length", original));
    NB_TRY(put_optional(c, scaling, "extrapolation_factor", "rope.scaling.yarn_ext_factor"));
    NB_TRY(put_optional(c, scaling, "attn_factor", "rope.scaling.yarn_attn_factor"));
    NB_TRY(put_optional(c, scaling, "attention_factor", "rope.scaling.yarn_attn_factor"));
    NB_TRY(put_optional(c, scaling, "beta_fast", "rope.scaling.yarn_beta_fast"));
    return put_optional(c, scaling, "beta_slow", "rope.scaling.yarn_beta_slow");
}

/* Dynamic NTK scaling stretches the base only once a text is longer than the context trained on
 * (transformers, modeling_rope_utils.py _compute_dynamic_ntk_parameters). That is the context here:
 * within it nothing is to be said, and llama.cpp's converter says nothing (conversion/base.py @
 * de3ff81). */
static nb_status check_dynamic(nb_hf_config *c, const nb_jval *scaling)
{
    int64_t original = c->context;
    NB_TRY(nb_jopt_int(c->doc, scaling, "original_max_position_embeddings", 1, 1 << 30, &original,
                       c->err));
    if (original >= c->context && !nb_jget(scaling, "alpha"))
        return NB_OK;
    return nb_fail(
        c->err, NB_UNSUPPORTED,
        "%s/config.json: rope_scaling dynamic within the context is not supported for %s", c->dir,
        c->class->gguf);
}

static nb_status put_scaling(nb_hf_config *c)
{
    const nb_jval *scaling = scaling_of(c);
    const char *type = scaling_type(scaling);
    double factor = 0;
    if (!type || strcmp(type, "llama3") == 0)
        return NB_OK; /* llama3 becomes the tensor rope_freqs.weight */
    if (strcmp(type, "dynamic") == 0)
        return check_dynamic(c, scaling);
    if (strcmp(type, "linear") != 0 && strcmp(type, "yarn") != 0)
        return nb_fail(c->err, NB_UNSUPPORTED,
                       "%s/config.json: rope_scaling %.40s is not supported for %s", c->dir, type,
                       c->class->gguf);
    NB_TRY(nb_jopt_num(c->doc, scaling, "factor", 1, 1e6, &factor, c->err));
    if (factor < 1)
        return nb_fail(c->err, NB_FORMAT, "%s/config.json: rope_scaling has no factor", c->dir);
    NB_TRY(nb_hf_put_str(c, "rope.scaling.type", type));
    NB_TRY(nb_hf_put_f32(c, "rope.scaling.factor", factor));
    return strcmp(type, "yarn") == 0 ? put_yarn(c, scaling) : NB_OK;
}

/* Base of layers with a sliding window, where it is another (Gemma 3). */
static nb_status put_local_base(nb_hf_config *c)
{
    bool found;
    double local = 0;
    const nb_jval *sliding = nb_jget(nb_hf_get(c, "rope_parameters"), "sliding_attention");
    NB_TRY(nb_hf_number(c, "rope_local_base_freq", 1, 1e12, &local, &found));
    NB_TRY(nb_jopt_num(c->doc, sliding, "rope_theta", 1, 1e12, &local, c->err));
    return local > 0 ? nb_hf_put_f32(c, "rope.freq_base_swa", local) : NB_OK;
}

nb_status nb_hf_keys_of_rope(nb_hf_config *c)
{
    double base;
    if (c->class->flags & NB_HF_OWN_ROPE)
        return NB_OK;
    NB_TRY(base_of(c, &base));
    if (base != 10000 || !(c->class->flags & NB_HF_BASE_IMPLIED))
        NB_TRY(nb_hf_put_f32(c, "rope.freq_base", base));
    NB_TRY(put_local_base(c));
    return put_scaling(c);
}

/* Phi-3: rope over a part of the head, long and short factors, the attention's own factor. */
nb_status nb_hf_extra_phi3(nb_hf_config *c)
{
    const char *type = scaling_type(scaling_of(c));
    double base, original = 0, part = 1, window = 0;
    bool found;
    NB_TRY(base_of(c, &base));
    NB_TRY(nb_hf_number(c, "original_max_position_embeddings", 2, 1 << 30, &original, &found));
    NB_TRY(nb_hf_number(c, "partial_rotary_factor", 1e-3, 1, &part, &found));
    NB_TRY(nb_hf_number(c, "sliding_window", 0, 1 << 30, &window, &found));
    NB_TRY(nb_hf_put_u32(c, "rope.scaling.original_context_length", (int64_t)original));
    NB_TRY(nb_hf_put_u32(c, "rope.dimension_count", (int64_t)(part * (double)c->width) / c->heads));
    NB_TRY(nb_hf_put_f32(c, "rope.freq_base", base));
    /* 0 tells Phi-4 from the others */
    NB_TRY(nb_hf_put_u32(c, "attention.sliding_window", found ? (int64_t)window : 0));
    if (!type)
        return NB_OK;
    if (!is_longrope(type))
        return nb_fail(c->err, NB_UNSUPPORTED,
                       "%s/config.json: rope_scaling %.40s is not supported for phi3", c->dir,
                       type);
    double scale = (double)c->context / original;
    return nb_hf_put_f32(c, "rope.scaling.attn_factor",
                         scale > 1 ? sqrt(1 + log(scale) / log(original)) : 1);
}

/* --- tensors ------------------------------------------------------------------------------------
 */

static nb_status add_made(nb_made *m, const char *name, size_t len, nb_err *err)
{
    float *at = nb_alloc(len, sizeof *at, "rope factors", err);
    if (!at)
        return NB_NOMEM;
    m->tensor[m->n].name = name;
    m->tensor[m->n].at = at;
    m->tensor[m->n++].len = len;
    return NB_OK;
}

/* Wavelength by wavelength: long ones are slowed by the factor, short ones kept, a smooth step
 * between (transformers, modeling_rope_utils; llama.cpp conversion/llama.py). */
static nb_status llama3_factors(nb_made *m, const nb_hf_config *c, const nb_jval *scaling)
{
    double base, factor = 8, low = 1, high = 4, old = 8192;
    size_t n = (size_t)c->head_dim / 2;
    NB_TRY(base_of(c, &base));
    NB_TRY(nb_jopt_num(c->doc, scaling, "factor", 1, 1e6, &factor, c->err));
    NB_TRY(nb_jopt_num(c->doc, scaling, "low_freq_factor", 1e-3, 1e6, &low, c->err));
    NB_TRY(nb_jopt_num(c->doc, scaling, "high_freq_factor", 1e-3, 1e6, &high, c->err));
    NB_TRY(nb_jopt_num(c->doc, scaling, "original_max_position_embeddings", 1, 1e9, &old, c->err));
    if (high <= low || n == 0)
        return nb_fail(c->err, NB_FORMAT,
                       "%s/config.json: rope_scaling: high_freq_factor is not above low", c->dir);
    NB_TRY(add_made(m, "rope_freqs.weight", n, c->err));
    for (size_t i = 0; i < n; i++) {
        double freq = pow(base, -(double)i / (double)n);
        double wave = 2 * 3.14159265358979323846 / freq;
        double smooth = (old / wave - low) / (high - low);
        m->tensor[m->n - 1].at[i] =
            (float)(wave < old / high  ? 1.0
                    : wave > old / low ? factor
                                       : 1.0 / ((1 - smooth) / factor + smooth));
    }
    return NB_OK;
}

static nb_status listed_factors(nb_made *m, const nb_hf_config *c, const nb_jval *list,
                                const char *name, size_t len)
{
    if (nb_jlen(list) != len || nb_jkind_of(list) != NB_JARRAY)
        return nb_fail(c->err, NB_FORMAT,
                       "%s/config.json: rope_scaling: %zu long or short factors, expected %zu",
                       c->dir, nb_jlen(list), len);
    NB_TRY(add_made(m, name, len, c->err));
    size_t i = 0;
    for (const nb_jval *v = nb_jfirst(list); v; v = nb_jnext(v)) {
        double f = 0;
        if (!nb_jnum(v, &f) || !(f > 0 && f < 1e30))
            return nb_fail(c->err, NB_FORMAT, "%s/config.json: rope_scaling: factor %zu is wrong",
                           c->dir, i);
        m->tensor[m->n - 1].at[i++] = (float)f;
    }
    return NB_OK;
}

static nb_status longrope_factors(nb_made *m, const nb_hf_config *c, const nb_jval *scaling)
{
    double part = 1;
    bool found;
    NB_TRY(nb_hf_number(c, "partial_rotary_factor", 1e-3, 1, &part, &found));
    size_t len = (size_t)(part * (double)c->width) / (size_t)c->heads / 2;
    if (len == 0)
        return nb_fail(c->err, NB_FORMAT, "%s/config.json: no dimension of a head is rotated",
                       c->dir);
    NB_TRY(listed_factors(m, c, nb_jget(scaling, "long_factor"), "rope_factors_long.weight", len));
    return listed_factors(m, c, nb_jget(scaling, "short_factor"), "rope_factors_short.weight", len);
}

nb_status nb_hf_make_tensors(nb_made *out, const nb_hf_config *c)
{
    const nb_jval *scaling = scaling_of(c);
    const char *type = scaling_type(scaling);
    nb_made m = {0};
    nb_status st = NB_OK;
    if (type && strcmp(type, "llama3") == 0)
        st = llama3_factors(&m, c, scaling);
    else if (is_longrope(type) && c->class->extra == nb_hf_extra_phi3)
        st = longrope_factors(&m, c, scaling);
    if (st != NB_OK)
        nb_made_close(&m);
    else
        *out = m;
    return st;
}

void nb_made_close(nb_made *m)
{
    for (size_t i = 0; i < m->n; i++)
        free(m->tensor[i].at);
    m->n = 0;
}
