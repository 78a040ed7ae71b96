/* Which checkpoints are packed how: a row for each packing, and what config.json and the files
 * beside it say (quant.md 2.4). */
#include "core/files/hfquant_rows.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/base/file.h"
#include "core/files/hf_private.h"

enum { MAX_CONFIG = 4 << 20 };

/* compressed-tensors names a layout for all, or "mixed-precision" and one per group: what a linear
 * is stored as tells in any case. */
#define CT_FORMATS                                                                                 \
    "pack-quantized|int-quantized|float-quantized|naive-quantized|nvfp4-pack-quantized|"           \
    "mixed-precision"
#define MODELOPT_FORMATS "nvfp4|w4a16_nvfp4|fp8|mixed_precision"

/* The rows whose method and format fit; a linear's own is the one whose codes it has. Sources:
 * AutoGPTQ qlinear_cuda_old.py, AutoAWQ utils/packing_utils.py, bitsandbytes functional.py,
 * compressed-tensors, transformers finegrained_fp8.py. */
static const nb_packing packings[] = {
    {.name = "gptq",
     .methods = "gptq",
     .formats = "gptq|gptq_v2",
     .suffix = {"qweight", "scales", "qzeros", "?g_idx"},
     .codes_type = NK_I32,
     .open = nb_gptq_open,
     .codes = nb_gptq_codes,
     .scale = nb_gptq_scale,
     .zero = nb_gptq_zero},
    {.name = "gptq marlin",
     .methods = "gptq",
     .formats = "marlin",
     .suffix = {"B", "s"},
     .codes_type = NK_I32,
     .open = nb_marlin_open,
     .codes = nb_marlin_codes,
     .scale = nb_marlin_scale,
     .zero = nb_marlin_zero},
    {.name = "awq",
     .methods = "awq",
     .formats = "gemm",
     .suffix = {"qweight", "scales", "qzeros"},
     .codes_type = NK_I32,
     .open = nb_awq_open,
     .codes = nb_awq_codes,
     .scale = nb_gptq_scale,
     .zero = nb_awq_zero},
    {.name = "awq gemv",
     .methods = "awq",
     .formats = "gemv",
     .suffix = {"qweight", "scales", "qzeros"},
     .codes_type = NK_I32,
     .open = nb_gemv_open,
     .codes = nb_gemv_codes,
     .scale = nb_gemv_scale,
     .zero = nb_gemv_zero},
    {.name = "awq marlin",
     .methods = "awq",
     .formats = "marlin",
     .suffix = {"qweight", "scales"},
     .codes_type = NK_I32,
     .open = nb_marlin_open,
     .codes = nb_marlin_codes,
     .scale = nb_marlin_scale,
     .zero = nb_marlin_zero},
    {.name = "awq gemv_fast",
     .methods = "awq",
     .formats = "gemv_fast",
     .suffix = {"qweight", "scales", "?qzeros", NULL, NULL, "?scaled_zeros"},
     .codes_type = NK_I16,
     .per_code = 4,
     .open = nb_fast_open,
     .codes = nb_fast_codes,
     .scale = nb_gptq_scale,
     .offset = nb_fast_offset,
     .values = nb_fast_values},
    {.name = "fp8",
     .per_code = 1,
     .methods = "fp8",
     .suffix = {"weight", "weight_scale_inv"},
     .codes_dtype = NB_DTYPE_F8_E4M3,
     .codes_type = NK_I8,
     .open = nb_fp8_open,
     .values = nb_fp8_values},
    {.name = "compressed-tensors packed",
     .methods = "compressed-tensors",
     .formats = CT_FORMATS,
     .suffix = {"weight_packed", "weight_scale", "?weight_zero_point", "?weight_g_idx", NULL, NULL,
                NULL, "?weight_shape"},
     .codes_type = NK_I32,
     .open = nb_ct_open,
     .codes = nb_gemv_codes,
     .scale = nb_gemv_scale,
     .zero = nb_ct_zero},
    {.name = "compressed-tensors int8",
     .per_code = 1,
     .methods = "compressed-tensors",
     .formats = CT_FORMATS,
     .suffix = {"weight", "weight_scale"},
     .codes_type = NK_I8,
     .open = nb_int8_open,
     .codes = nb_int8_codes,
     .scale = nb_int8_scale,
     .zero = nb_no_zero},
    {.name = "compressed-tensors fp8",
     .per_code = 1,
     .methods = "compressed-tensors",
     .formats = CT_FORMATS,
     .suffix = {"weight", "weight_scale"},
     .codes_dtype = NB_DTYPE_F8_E4M3,
     .codes_type = NK_I8,
     .open = nb_fp8_open,
     .values = nb_fp8_values},
    {.name = "compressed-tensors nvfp4",
     .methods = "compressed-tensors",
     .formats = CT_FORMATS,
     .suffix = {[NB_PACK_CODES] = "weight_packed",
                [NB_PACK_SCALES] = "weight_scale",
                [NB_PACK_FACTOR] = "weight_global_scale",
                [NB_PACK_INPUT] = "?input_global_scale"},
     .codes_dtype = NB_DTYPE_U8,
     .codes_type = NK_I8,
     .per_code = 2,
     .open = nb_nvfp4_inverse_open,
     .values = nb_nvfp4_values,
     .block = nb_nvfp4_block},
    {.name = "modelopt nvfp4",
     .methods = "modelopt",
     .formats = MODELOPT_FORMATS,
     .suffix = {[NB_PACK_CODES] = "weight",
                [NB_PACK_SCALES] = "weight_scale",
                [NB_PACK_FACTOR] = "?weight_scale_2",
                [NB_PACK_INPUT] = "?input_scale"},
     .codes_dtype = NB_DTYPE_U8,
     .codes_type = NK_I8,
     .per_code = 2,
     .open = nb_nvfp4_open,
     .values = nb_nvfp4_values,
     .block = nb_nvfp4_block},
    {.name = "modelopt fp8",
     .methods = "modelopt",
     .formats = MODELOPT_FORMATS,
     .suffix = {"weight", "weight_scale"},
     .codes_dtype = NB_DTYPE_F8_E4M3,
     .codes_type = NK_I8,
     .per_code = 1,
     .open = nb_fp8_open,
     .values = nb_fp8_values},
    {.name = "bitnet",
     .per_code = 4,
     .methods = "bitnet",
     .suffix = {"weight", "weight_scale"},
     .codes_dtype = NB_DTYPE_U8,
     .codes_type = NK_I8,
     .open = nb_bitnet_open,
     .codes = nb_bitnet_codes,
     .scale = nb_bitnet_scale,
     .zero = nb_bitnet_zero},
    {.name = "mxfp4",
     .per_code = 2,
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
     .per_code = 1,
     .methods = "quanto",
     .formats = "qint8",
     .suffix = {"weight._data", "weight._scale"},
     .codes_type = NK_I8,
     .open = nb_int8_open,
     .codes = nb_int8_codes,
     .scale = nb_int8_scale,
     .zero = nb_no_zero},
    {.name = "quanto int4",
     .per_code = 2,
     .methods = "quanto",
     .formats = "qint4",
     .suffix = {"weight._data._data", "weight._scale", "weight._shift"},
     .codes_dtype = NB_DTYPE_U8,
     .codes_type = NK_I8,
     .open = nb_quanto_open,
     .codes = nb_quanto_codes,
     .scale = nb_hqq_scale,
     .offset = nb_quanto_offset,
     .values = nb_quanto_values},
    {.name = "bitsandbytes int8",
     .per_code = 1,
     .methods = "bitsandbytes",
     .formats = "int8",
     .suffix = {"weight", "SCB"},
     .codes_type = NK_I8,
     .open = nb_int8_open,
     .codes = nb_int8_codes,
     .scale = nb_scb_scale,
     .zero = nb_no_zero},
    {.name = "bitsandbytes nf4",
     .loss = "its 16 levels are rounded to 255 steps",
     .per_code = 2,
     .methods = "bitsandbytes",
     .formats = "nf4",
     .suffix = {"weight", "weight.absmax", NULL, NULL, "weight.quant_map", "?weight.nested_absmax",
                "?weight.nested_quant_map", "weight.quant_state.bitsandbytes__nf4"},
     .codes_dtype = NB_DTYPE_U8,
     .codes_type = NK_I8,
     .open = nb_bnb4_open,
     .values = nb_bnb4_values},
    {.name = "bitsandbytes fp4",
     .loss = "steps are rounded to float16, a sixteenth of one to 0",
     .per_code = 2,
     .methods = "bitsandbytes",
     .formats = "fp4",
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

/* Whether "a|b|c" has the word. */
static bool has_word(const char *words, const char *word)
{
    char one[40];
    for (const char *at = words; *at; at += *at == '|') {
        size_t n = strcspn(at, "|");
        snprintf(one, sizeof one, "%.*s", (int)n, at);
        if (nb_same_word(one, word))
            return true;
        at += n;
    }
    return false;
}

/* compressed-tensors describes weights in config_groups {name: {"weights": {...}, "targets": ...}}.
 * Of several only the layouts are looked at: which group a linear is in, and its bits and group
 * size, follow from what is stored. */
static nb_status read_groups(nb_pack_config *c, const nb_hf_config *config, const nb_jval *q)
{
    const nb_jval *groups = nb_jget(q, "config_groups"), *g = nb_jfirst(groups);
    if (!g)
        return nb_fail(config->err, NB_UNSUPPORTED, "%s/config.json: config_groups is empty",
                       config->dir);
    c->symmetric = true; /* unless the zeros say otherwise */
    c->mixed = nb_jlen(groups) > 1;
    for (; g; g = nb_jnext(g)) {
        const nb_jval *weights = nb_jget(g, "weights");
        const nb_jval *block = nb_jfirst(nb_jget(weights, "block_structure"));
        const char *format = text_of(g, "format", c->format);
        if (!has_word(CT_FORMATS, format))
            return nb_fail(config->err, NB_UNSUPPORTED,
                           "%s/config.json: packed by %s %.40s, which cannot be read", config->dir,
                           c->method, format);
        NB_TRY(nb_jopt_int(config->doc, weights, "num_bits", 2, 8, &c->bits, config->err));
        NB_TRY(
            nb_jopt_int(config->doc, weights, "group_size", -1, 1 << 20, &c->group, config->err));
        nb_jint(block, &c->block[0]);
        nb_jint(nb_jnext(block), &c->block[1]);
    }
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
    if (strcmp(c->method, "gptq") == 0 && is_true(q, "is_marlin_format", false))
        c->format = "marlin";
    else if (strcmp(c->method, "gptq") == 0 && !c->format[0])
        c->format = "gptq";
    if (strcmp(c->method, "modelopt") == 0)
        c->format = text_of(q, "quant_algo", "");
}

/* HQQ keeps its settings two objects deeper. */
static nb_status read_hqq(nb_pack_config *c, const nb_hf_config *config, const nb_jval *q)
{
    const nb_jval *p = nb_jget(nb_jget(q, "quant_config"), "weight_quant_params");
    NB_TRY(nb_jopt_int(config->doc, p, "nbits", 1, 8, &c->bits, config->err));
    NB_TRY(nb_jopt_int(config->doc, p, "group_size", 1, 1 << 20, &c->group, config->err));
    NB_TRY(nb_jopt_int(config->doc, p, "axis", 0, 1, &c->axis, config->err));
    if (c->bits != 4 && c->bits != 8)
        return nb_fail(config->err, NB_UNSUPPORTED,
                       "%s/config.json: hqq of %lld bits cannot be read", config->dir,
                       (long long)c->bits);
    return NB_OK;
}

/* optimum-quanto says nothing in config.json: its map names a type for each linear. *found false:
 * there is no such file. */
static nb_status read_quanto(nb_pack_config *c, const char *dir, bool *found, nb_err *err)
{
    char path[PATH_MAX];
    nb_json *doc;
    *found = nb_path_join(path, sizeof path, dir, "quanto_qmap.json") && nb_exists(path);
    if (!*found)
        return NB_OK;
    NB_TRY(nb_json_load(&doc, path, MAX_CONFIG, err));
    const char *type = text_of(nb_jfirst(nb_json_root(doc)), "weights", "");
    c->method = "quanto";
    c->format = strcmp(type, "qint8") == 0   ? "qint8"
                : strcmp(type, "qint4") == 0 ? "qint4"
                                             : "of a type other than qint4 and qint8";
    c->bits = strcmp(type, "qint4") == 0 ? 4 : 8;
    nb_json_close(&doc);
    return NB_OK;
}

/* ModelOpt's older files have their settings beside config.json. *found false: there are none. */
static nb_status read_modelopt(nb_pack_config *c, const char *dir, bool *found, nb_err *err)
{
    static const char *const algo[] = {"NVFP4", "W4A16_NVFP4", "FP8", "MIXED_PRECISION"};
    char path[PATH_MAX];
    nb_json *doc;
    *found = nb_path_join(path, sizeof path, dir, "hf_quant_config.json") && nb_exists(path);
    if (!*found)
        return NB_OK;
    NB_TRY(nb_json_load(&doc, path, MAX_CONFIG, err));
    const nb_jval *q = nb_jget(nb_json_root(doc), "quantization");
    const char *named = text_of(q, "quant_algo", "");
    c->method = "modelopt";
    c->format = named[0] ? "by another algorithm than NVFP4 and FP8" : "";
    for (size_t i = 0; i < countof(algo); i++)
        if (nb_same_word(named, algo[i]))
            c->format = algo[i];
    *found = nb_jkind_of(q) == NB_JOBJECT;
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

/* All rows that c's names fit. */
static void find(const nb_pack_config *c, nb_packing_set *out)
{
    *out = (nb_packing_set){.bits = c->bits};
    for (size_t i = 0; i < countof(packings) && out->n < NB_PACK_ROWS; i++)
        if (strcmp(packings[i].methods, c->method) == 0 &&
            (!packings[i].formats || has_word(packings[i].formats, c->format)))
            out->row[out->n++] = &packings[i];
}

bool nb_packing_is_plain(const nb_jval *quantization_config)
{
    const nb_jval *q = quantization_config;
    return strcmp(text_of(q, "quant_method", ""), "bitnet") == 0 &&
           strcmp(text_of(q, "quantization_mode", ""), "online") == 0;
}

/* Bits of a code, wherever the method says it; 4 where it does not. */
static int64_t bits_said(const nb_jval *q)
{
    int64_t bits = 4;
    const nb_jval *group = nb_jfirst(nb_jget(q, "config_groups"));
    nb_jint(nb_jget(q, "bits"), &bits);
    nb_jint(nb_jget(nb_jget(group, "weights"), "num_bits"), &bits);
    nb_jint(nb_jget(nb_jget(nb_jget(q, "quant_config"), "weight_quant_params"), "nbits"), &bits);
    return bits >= 1 && bits <= 8 ? bits : 4;
}

void nb_packing_of(nb_packing_set *out, const nb_jval *quantization_config, const char *dir)
{
    nb_pack_config c = {.method = "", .format = ""};
    bool found = nb_jkind_of(quantization_config) == NB_JOBJECT;
    *out = (nb_packing_set){.n = 0};
    if (found)
        read_names(&c, quantization_config);
    c.bits = bits_said(quantization_config);
    if (!found && dir && read_quanto(&c, dir, &found, NULL) != NB_OK)
        return;
    if (!found && dir && read_modelopt(&c, dir, &found, NULL) != NB_OK)
        return;
    if (found)
        find(&c, out);
}

static nb_status not_read(const nb_hf_config *config, const nb_pack_config *c)
{
    return nb_fail(config->err, NB_UNSUPPORTED,
                   "%s/config.json: packed by %.40s%s%.40s, which cannot be read", config->dir,
                   c->method[0] ? c->method : "another quantizer", c->format[0] ? " " : "",
                   c->format);
}

nb_status nb_pack_config_read(nb_pack_config *cfg, nb_packing_set *how, const nb_hf_config *c)
{
    const nb_jval *q = nb_hf_get(c, "quantization_config");
    bool packed = nb_jkind_of(q) == NB_JOBJECT && !nb_packing_is_plain(q);
    *how = (nb_packing_set){.n = 0};
    cfg->axis = 1;
    if (packed)
        NB_TRY(read_config(cfg, c, q));
    if (!q)
        NB_TRY(read_quanto(cfg, c->dir, &packed, c->err));
    if (!q && !packed)
        NB_TRY(read_modelopt(cfg, c->dir, &packed, c->err));
    if (!packed)
        return NB_OK;
    NB_TRY(read_widths(cfg, c));
    find(cfg, how);
    return how->n ? NB_OK : not_read(c, cfg);
}
