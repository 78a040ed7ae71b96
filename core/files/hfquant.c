/* Which checkpoints are packed how, and which stored tensors make one weight (quant.md 2.4). */
#include "core/files/hfquant.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/files/hf_private.h"

enum { MAX_CONFIG = 4 << 20 };

/* The first row whose method and format fit. Sources: AutoGPTQ qlinear_cuda_old.py, AutoAWQ
 * utils/packing_utils.py, bitsandbytes functional.py, compressed-tensors, transformers
 * finegrained_fp8.py. */
static const nb_packing packings[] = {
    {.name = "gptq",
     .methods = "gptq",
     .suffix = {"qweight", "scales", "qzeros", "?g_idx"},
     .codes_type = NK_I32,
     .open = nb_gptq_open,
     .codes = nb_gptq_codes,
     .scale = nb_gptq_scale,
     .zero = nb_gptq_zero},
    {.name = "awq",
     .methods = "awq",
     .format = "gemm",
     .suffix = {"qweight", "scales", "qzeros"},
     .codes_type = NK_I32,
     .open = nb_awq_open,
     .codes = nb_awq_codes,
     .scale = nb_gptq_scale,
     .zero = nb_awq_zero},
    {.name = "awq gemv",
     .methods = "awq",
     .format = "gemv",
     .suffix = {"qweight", "scales", "qzeros"},
     .codes_type = NK_I32,
     .open = nb_gemv_open,
     .codes = nb_gemv_codes,
     .scale = nb_gemv_scale,
     .zero = nb_gemv_zero},
    {.name = "fp8",
     .methods = "fp8",
     .suffix = {"weight", "weight_scale_inv"},
     .codes_dtype = NB_DTYPE_F8_E4M3,
     .codes_type = NK_I8,
     .open = nb_fp8_open,
     .values = nb_fp8_values},
    {.name = "compressed-tensors packed",
     .methods = "compressed-tensors",
     .format = "pack-quantized",
     .suffix = {"weight_packed", "weight_scale", "?weight_zero_point", "?weight_g_idx"},
     .codes_type = NK_I32,
     .open = nb_ct_open,
     .codes = nb_gemv_codes,
     .scale = nb_gemv_scale,
     .zero = nb_ct_zero},
    {.name = "compressed-tensors int8",
     .methods = "compressed-tensors",
     .format = "int-quantized",
     .suffix = {"weight", "weight_scale"},
     .codes_type = NK_I8,
     .open = nb_int8_open,
     .codes = nb_int8_codes,
     .scale = nb_int8_scale,
     .zero = nb_no_zero},
    {.name = "compressed-tensors fp8",
     .methods = "compressed-tensors",
     .format = "float-quantized",
     .suffix = {"weight", "weight_scale"},
     .codes_dtype = NB_DTYPE_F8_E4M3,
     .codes_type = NK_I8,
     .open = nb_fp8_open,
     .values = nb_fp8_values},
    {.name = "bitnet",
     .methods = "bitnet",
     .suffix = {"weight", "weight_scale"},
     .codes_dtype = NB_DTYPE_U8,
     .codes_type = NK_I8,
     .open = nb_bitnet_open,
     .codes = nb_bitnet_codes,
     .scale = nb_bitnet_scale,
     .zero = nb_bitnet_zero},
    {.name = "mxfp4",
     .methods = "mxfp4",
     .suffix = {"_blocks", "_scales"},
     .codes_dtype = NB_DTYPE_U8,
     .codes_type = NK_I8,
     .open = nb_mxfp4_open,
     .values = nb_mxfp4_values,
     .block = nb_mxfp4_block},
    {.name = "hqq",
     .methods = "hqq",
     .suffix = {"W_q", "scale", "zero", NULL, NULL, NULL, NULL, "shape"},
     .codes_dtype = NB_DTYPE_U8,
     .codes_type = NK_I8,
     .open = nb_hqq_open,
     .codes = nb_hqq_codes,
     .scale = nb_hqq_scale,
     .offset = nb_hqq_offset,
     .values = nb_hqq_values},
    {.name = "quanto int8",
     .methods = "quanto",
     .format = "qint8",
     .suffix = {"weight._data", "weight._scale"},
     .codes_type = NK_I8,
     .open = nb_int8_open,
     .codes = nb_int8_codes,
     .scale = nb_int8_scale,
     .zero = nb_no_zero},
    {.name = "quanto int4",
     .methods = "quanto",
     .format = "qint4",
     .suffix = {"weight._data._data", "weight._scale", "weight._shift"},
     .codes_dtype = NB_DTYPE_U8,
     .codes_type = NK_I8,
     .open = nb_quanto_open,
     .codes = nb_quanto_codes,
     .scale = nb_hqq_scale,
     .offset = nb_quanto_offset,
     .values = nb_quanto_values},
    {.name = "bitsandbytes int8",
     .methods = "bitsandbytes",
     .format = "int8",
     .suffix = {"weight", "SCB"},
     .codes_type = NK_I8,
     .open = nb_int8_open,
     .codes = nb_int8_codes,
     .scale = nb_scb_scale,
     .zero = nb_no_zero},
    {.name = "bitsandbytes nf4",
     .methods = "bitsandbytes",
     .format = "nf4",
     .suffix = {"weight", "weight.absmax", NULL, NULL, "weight.quant_map", "?weight.nested_absmax",
                "?weight.nested_quant_map", "weight.quant_state.bitsandbytes__nf4"},
     .codes_dtype = NB_DTYPE_U8,
     .codes_type = NK_I8,
     .open = nb_bnb4_open,
     .values = nb_bnb4_values},
    {.name = "bitsandbytes fp4",
     .methods = "bitsandbytes",
     .format = "fp4",
     .suffix = {"weight", "weight.absmax", NULL, NULL, "weight.quant_map", "?weight.nested_absmax",
                "?weight.nested_quant_map", "weight.quant_state.bitsandbytes__fp4"},
     .codes_dtype = NB_DTYPE_U8,
     .codes_type = NK_I8,
     .open = nb_fp4_open,
     .codes = nb_fp4_codes,
     .scale = nb_fp4_scale,
     .zero = nb_no_zero,
     .values = nb_bnb4_values},
};

/* Stored beside packed weights and not carried over: activation scales, shapes, version marks. */
static const char *const idle[] = {"weight_shape", "weight_format", "input_scale", "output_scale",
                                   "k_scale", "v_scale", "input_global_scale",
                                   /* hqq's settings */
                                   "nbits", "group_size", "axis", "channel_wise", "optimize",
                                   "round_zero", "view_as_float", "packing", "unpack_view_dtype"};

/* --- quantization_config ------------------------------------------------------------------------
 */

static const char *text_of(const nb_jval *obj, const char *key, const char *fallback)
{
    const char *s = fallback;
    nb_jstr(nb_jget(obj, key), &s);
    return s;
}

static bool is_true(const nb_jval *obj, const char *key, bool fallback)
{
    nb_jbool(nb_jget(obj, key), &fallback);
    return fallback;
}

/* compressed-tensors describes weights in config_groups {name: {"weights": {...}}}; all groups must
 * be packed alike. */
static nb_status read_groups(nb_pack_config *c, const nb_hf_config *config, const nb_jval *q)
{
    const nb_jval *weights = nb_jget(nb_jfirst(nb_jget(q, "config_groups")), "weights");
    if (nb_jlen(nb_jget(q, "config_groups")) != 1)
        return nb_fail(config->err, NB_UNSUPPORTED,
                       "%s/config.json: compressed-tensors with several config_groups is not "
                       "supported",
                       config->dir);
    c->symmetric = is_true(weights, "symmetric", true);
    NB_TRY(nb_jopt_int(config->doc, weights, "num_bits", 2, 8, &c->bits, config->err));
    NB_TRY(nb_jopt_int(config->doc, weights, "group_size", -1, 1 << 20, &c->group, config->err));
    const nb_jval *block = nb_jfirst(nb_jget(weights, "block_structure"));
    nb_jint(block, &c->block[0]);
    nb_jint(nb_jnext(block), &c->block[1]);
    return NB_OK;
}

/* Method and format, in one word each. */
static void read_names(nb_pack_config *c, const nb_jval *q)
{
    c->method = text_of(q, "quant_method", "");
    c->format = text_of(q, "format", text_of(q, "checkpoint_format", text_of(q, "version", "")));
    if (strcmp(c->method, "bitsandbytes") == 0)
        c->format =
            is_true(q, "load_in_8bit", false) ? "int8" : text_of(q, "bnb_4bit_quant_type", "fp4");
    if (strcmp(c->method, "awq") == 0 && (!c->format[0] || nb_same_word(c->format, "exllama")))
        c->format = "gemm";
}

/* HQQ keeps its settings two objects deeper; only groups along the inputs keep their blocks. */
static nb_status read_hqq(nb_pack_config *c, const nb_hf_config *config, const nb_jval *q)
{
    const nb_jval *p = nb_jget(nb_jget(q, "quant_config"), "weight_quant_params");
    int64_t axis = 1;
    NB_TRY(nb_jopt_int(config->doc, p, "nbits", 1, 8, &c->bits, config->err));
    NB_TRY(nb_jopt_int(config->doc, p, "group_size", 1, 1 << 20, &c->group, config->err));
    NB_TRY(nb_jopt_int(config->doc, p, "axis", 0, 1, &axis, config->err));
    if (axis != 1 || (c->bits != 4 && c->bits != 8))
        return nb_fail(config->err, NB_UNSUPPORTED,
                       "%s/config.json: hqq of %lld bits along axis %lld cannot be read",
                       config->dir, (long long)c->bits, (long long)axis);
    return NB_OK;
}

/* optimum-quanto says nothing in config.json: its map names a type for each linear. *found false:
 * there is no such file. */
static nb_status read_quanto(nb_pack_config *c, const nb_hf_config *config, bool *found)
{
    char path[PATH_MAX];
    nb_json *doc;
    *found = nb_path_join(path, sizeof path, config->dir, "quanto_qmap.json") && nb_exists(path);
    if (!*found)
        return NB_OK;
    NB_TRY(nb_json_load(&doc, path, MAX_CONFIG, config->err));
    const char *type = text_of(nb_jfirst(nb_json_root(doc)), "weights", "");
    c->method = "quanto";
    c->format = strcmp(type, "qint8") == 0   ? "qint8"
                : strcmp(type, "qint4") == 0 ? "qint4"
                                             : "of a type other than qint4 and qint8";
    c->bits = strcmp(type, "qint4") == 0 ? 4 : 8;
    nb_json_close(&doc);
    return NB_OK;
}

/* Inputs of a linear by what config.json says, for packings that store no shape. */
static nb_status read_widths(nb_pack_config *c, const nb_hf_config *config)
{
    double ff = 0;
    bool found;
    NB_TRY(nb_hf_number(config, "intermediate_size", 1, 1 << 20, &ff, &found));
    c->width = config->width;
    c->heads_width = config->heads * config->head_dim;
    c->ff = (int64_t)ff;
    return NB_OK;
}

static nb_status read_config(nb_pack_config *c, const nb_hf_config *config, const nb_jval *q)
{
    read_names(c, q);
    c->bits = 4;
    c->group = -1;
    c->zero_bias = strcmp(c->format, "gptq_v2") == 0 ? 0 : 1;
    c->symmetric = is_true(q, "sym", !is_true(q, "zero_point", false));
    c->multiplies = strcmp(text_of(q, "linear_class", ""), "autobitlinear") == 0;
    NB_TRY(nb_jopt_int(config->doc, q, "bits", 2, 8, &c->bits, config->err));
    NB_TRY(nb_jopt_int(config->doc, q, "group_size", -1, 1 << 20, &c->group, config->err));
    const nb_jval *block = nb_jfirst(nb_jget(q, "weight_block_size"));
    nb_jint(block, &c->block[0]);
    nb_jint(nb_jnext(block), &c->block[1]);
    if (strcmp(c->method, "hqq") == 0)
        return read_hqq(c, config, q);
    return strcmp(c->method, "compressed-tensors") == 0 ? read_groups(c, config, q) : NB_OK;
}

static const nb_packing *find(const nb_pack_config *c)
{
    for (size_t i = 0; i < countof(packings); i++)
        if (strcmp(packings[i].methods, c->method) == 0 &&
            (!packings[i].format || nb_same_word(packings[i].format, c->format)))
            return &packings[i];
    return NULL;
}

bool nb_packing_is_plain(const nb_jval *quantization_config)
{
    const nb_jval *q = quantization_config;
    return strcmp(text_of(q, "quant_method", ""), "bitnet") == 0 &&
           strcmp(text_of(q, "quantization_mode", ""), "online") == 0;
}

const nb_packing *nb_packing_of(const nb_jval *quantization_config)
{
    nb_pack_config c = {.bits = 4};
    read_names(&c, quantization_config);
    return find(&c);
}

static nb_status not_read(const nb_hf_config *config, const nb_pack_config *c)
{
    return nb_fail(config->err, NB_UNSUPPORTED,
                   "%s/config.json: packed by %.40s%s%.40s, which cannot be read", config->dir,
                   c->method[0] ? c->method : "another quantizer", c->format[0] ? " " : "",
                   c->format);
}

nb_status nb_packs_open(nb_packs *out, const nb_hf_config *c, size_t n_tensors, nb_err *err)
{
    const nb_jval *q = nb_hf_get(c, "quantization_config");
    nb_packs p = {.cap = n_tensors};
    bool packed = nb_jkind_of(q) == NB_JOBJECT && !nb_packing_is_plain(q);
    if (packed)
        NB_TRY(read_config(&p.cfg, c, q));
    else if (!q)
        NB_TRY(read_quanto(&p.cfg, c, &packed));
    if (!packed) {
        *out = p;
        return NB_OK;
    }
    NB_TRY(read_widths(&p.cfg, c));
    p.how = find(&p.cfg);
    if (!p.how)
        return not_read(c, &p.cfg);
    p.at = nb_alloc(n_tensors ? n_tensors : 1, sizeof *p.at, "packed tensors", err);
    if (!p.at)
        return NB_NOMEM;
    *out = p;
    return NB_OK;
}

/* --- pieces -------------------------------------------------------------------------------------
 */

/* Length of the stem before ".suffix", or before "_suffix" as it stands; SIZE_MAX: it does not end
 * so. */
static size_t stem_before(const char *name, const char *suffix)
{
    size_t n = strlen(name), len = strlen(suffix), dot = suffix[0] != '_';
    bool ends =
        n > len + dot && (!dot || name[n - len - 1] == '.') && strcmp(name + n - len, suffix) == 0;
    return ends ? n - len - dot : SIZE_MAX;
}

/* The longest suffix wins: "weight.absmax" is no "absmax". */
static int role_of(const nb_packing *how, const nb_tensor *t, size_t *stem)
{
    int best = -1;
    *stem = SIZE_MAX;
    for (int i = 0; i < NB_PACK_PARTS; i++) {
        const char *s = how->suffix[i];
        size_t at = s ? stem_before(t->name, s + (*s == '?')) : SIZE_MAX;
        if (at != SIZE_MAX && at < *stem) {
            best = i;
            *stem = at;
        }
    }
    bool codes = best == NB_PACK_CODES;
    return codes && (t->dtype != how->codes_dtype || t->type != how->codes_type) ? -1 : best;
}

static bool is_idle(const char *name)
{
    for (size_t i = 0; i < countof(idle); i++)
        if (stem_before(name, idle[i]) != SIZE_MAX)
            return true;
    return false;
}

uint64_t nb_packing_weights(const nb_packing *how, const nb_jval *quantization_config,
                            const nb_tensor *t)
{
    size_t stem;
    int64_t bits = 4;
    int role = is_idle(t->name) ? NB_PACK_SCALES : role_of(how, t, &stem);
    nb_jint(nb_jget(quantization_config, "bits"), &bits);
    if (role > NB_PACK_CODES)
        return 0;
    if (role == NB_PACK_CODES && t->type == NK_I32 && bits > 0)
        return nb_tensor_count(t) * 32 / (uint64_t)bits;
    return nb_tensor_count(t) * (role == NB_PACK_CODES && t->dtype == NB_DTYPE_U8 ? 2 : 1);
}

typedef struct wanted {
    const nb_packs *p;
    const char *name;
    size_t n;
} wanted;

static bool same_stem(const void *arg, size_t item)
{
    const wanted *w = arg;
    const char *have = w->p->at[item].name;
    return strlen(have) == w->n + strlen(".weight") && memcmp(have, w->name, w->n) == 0;
}

static nb_status group_of(nb_packs *p, const char *name, size_t stem, nb_packed **out, nb_err *err)
{
    wanted w = {p, name, stem};
    size_t i = nb_index_find(&p->index, name, stem, same_stem, &w);
    if (i == SIZE_MAX) {
        nb_packed *g = &p->at[p->n];
        g->name = nb_alloc(stem + sizeof ".weight", 1, "tensor name", err);
        if (!g->name)
            return NB_NOMEM;
        snprintf(g->name, stem + sizeof ".weight", "%.*s.weight", (int)stem, name);
        g->how = p->how;
        g->cfg = &p->cfg;
        i = p->n++;
        NB_TRY(nb_index_add(&p->index, name, stem, i, err));
    }
    *out = &p->at[i];
    return NB_OK;
}

nb_status nb_packs_take(nb_packs *p, const nb_tensor *t, uint32_t shard, bool *taken, nb_err *err)
{
    size_t stem;
    nb_packed *g;
    *taken = false;
    if (!p->how)
        return NB_OK;
    *taken = is_idle(t->name);
    int role = *taken ? -1 : role_of(p->how, t, &stem);
    if (role < 0)
        return NB_OK;
    *taken = true;
    NB_TRY(group_of(p, t->name, stem, &g, err));
    if (g->part[role])
        return nb_fail(err, NB_FORMAT, "tensor \"%.120s\" stands twice", t->name);
    g->part[role] = t;
    if (role == NB_PACK_CODES)
        g->shard = shard;
    return NB_OK;
}

nb_status nb_packs_settle(nb_packs *p, nb_err *err)
{
    for (size_t i = 0; i < p->n; i++) {
        nb_packed *g = &p->at[i];
        for (int k = 0; k < NB_PACK_PARTS; k++) {
            const char *s = g->how->suffix[k];
            if (s && *s != '?' && !g->part[k])
                return nb_fail(err, NB_FORMAT, "tensor \"%.120s\": its %s is missing", g->name, s);
        }
        NB_TRY(g->how->open(g, err));
        uint64_t row;
        if (!g->rows || !g->cols || !nk_row_size(nk_type_get(g->type), g->cols, &row))
            return nb_fail(err, NB_FORMAT, "tensor \"%.120s\": %llu x %llu is no %s", g->name,
                           (unsigned long long)g->rows, (unsigned long long)g->cols,
                           nk_type_get(g->type)->name);
    }
    return NB_OK;
}

void nb_packs_close(nb_packs *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->at[i].name);
    free(p->at);
    nb_index_free(&p->index);
    *p = (nb_packs){.n = 0};
}

/* --- shared by the packings ---------------------------------------------------------------------
 */

bool nb_packed_is(const nb_packed *p, int role, uint64_t rows, uint64_t cols)
{
    const nb_tensor *t = p->part[role];
    return t && nb_tensor_cols(t) == cols && nb_tensor_rows(t) == rows;
}

nb_status nb_packed_wrong(const nb_packed *p, int role, uint64_t rows, uint64_t cols, nb_err *err)
{
    const nb_tensor *t = p->part[role];
    return nb_fail(err, NB_FORMAT, "tensor \"%.120s\": %llu x %llu %s, expected %llu x %llu",
                   t->name, (unsigned long long)nb_tensor_rows(t),
                   (unsigned long long)nb_tensor_cols(t), nk_type_get(t->type)->name,
                   (unsigned long long)rows, (unsigned long long)cols);
}
