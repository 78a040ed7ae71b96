/* Which type a preset gives a tensor. Facts: src/llama-quant.cpp of llama.cpp @ 007dbbf (MIT),
 * llama_tensor_get_type and what it calls; told here as rows and pinned by tests/test_recipe.c.
 *
 * Tensors are visited in output order (layer, then name). Running counters stand in for the
 * layer number: V-like tensors so far out of all V-like tensors, ffn_down (gate, up) tensors so far
 * out of n_layer. Models with experts take the latter from the name instead. A tensor that a user's
 * rule decides is skipped before it is counted, so rules shift what follows, as they do there. */
#include "core/quant/presets.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const nb_preset presets[] = {
#define NB_PRESET(name, file_type, base, help) {name, file_type, NK_##base, help},
#include "core/quant/presets.def"
#undef NB_PRESET
};

static const nb_preset copy = {"COPY", -1, NK_F32,
                               "every tensor as it is: merges, prunes, sets keys"};

const nb_preset *nb_presets(size_t *count)
{
    *count = countof(presets);
    return presets;
}

const nb_preset *nb_preset_find(const char *name)
{
    static const struct {
        const char *from, *to;
    } alias[] = {{"Q3_K", "Q3_K_M"}, {"Q4_K", "Q4_K_M"}, {"Q5_K", "Q5_K_M"}};
    for (size_t i = 0; i < countof(alias); i++)
        if (strcasecmp(name, alias[i].from) == 0)
            name = alias[i].to;
    uint64_t number;
    bool is_number = nb_parse_u64(name, &number);
    for (size_t i = 0; i < countof(presets); i++)
        if (is_number ? number == (uint64_t)presets[i].file_type
                      : strcasecmp(name, presets[i].name) == 0)
            return &presets[i];
    return strcasecmp(name, copy.name) == 0 ? &copy : NULL;
}

/* --- what a tensor is --------------------------------------------------------------------------
 */

enum { /* bits, so that a row can name several */
       KIND_OTHER = 1 << 0,
       KIND_EMBD = 1 << 1,
       KIND_OUTPUT = 1 << 2, /* and the embedding when it serves as output */
       KIND_Q = 1 << 3,
       KIND_K = 1 << 4,
       KIND_V = 1 << 5, /* attn_v, fused attn_qkv, MLA's attn_kv_b */
       KIND_ATTN_OUT = 1 << 6,
       KIND_UP = 1 << 7,
       KIND_GATE = 1 << 8,
       KIND_DOWN = 1 << 9,
       KIND_ANY = (1 << 10) - 1,
};

static unsigned kind_of(const char *name)
{
    static const struct {
        const char *part;
        unsigned kind;
        bool whole;
    } row[] = {
        {"output.weight", KIND_OUTPUT, true},
        {"token_embd.weight", KIND_EMBD, true},
        {"per_layer_token_embd.weight", KIND_EMBD, true},
        {"attn_qkv.weight", KIND_V, false},
        {"attn_kv_b.weight", KIND_V, false},
        {"attn_v.weight", KIND_V, false},
        {"attn_k.weight", KIND_K, false},
        {"attn_q.weight", KIND_Q, false},
        {"attn_output.weight", KIND_ATTN_OUT, false},
        {"ffn_up", KIND_UP, false},
        {"ffn_gate", KIND_GATE, false},
        {"ffn_down", KIND_DOWN, false},
    };
    for (size_t i = 0; i < countof(row); i++)
        if (row[i].whole ? strcmp(name, row[i].part) == 0 : strstr(name, row[i].part) != NULL)
            return row[i].kind;
    return KIND_OTHER;
}

/* Small or delicate tensors that stay as they are whatever the preset. */
static const char *const never[] = {
    "_norm.weight",
    "ffn_gate_inp.weight",
    "ffn_gate_tid2eid.weight",
    "altup",
    "laurel",
    "per_layer_model_proj",
    "ssm_conv1d",
    "shortconv.conv.weight",
    "indexer.k_proj.weight",
    "indexer.q_proj.weight",
    "time_mix_first.weight",
    "time_mix_w0.weight",
    "time_mix_w1.weight",
    "time_mix_w2.weight",
    "time_mix_v0.weight",
    "time_mix_v1.weight",
    "time_mix_v2.weight",
    "time_mix_a0.weight",
    "time_mix_a1.weight",
    "time_mix_a2.weight",
    "time_mix_g1.weight",
    "time_mix_g2.weight",
    "time_mix_decay_w1.weight",
    "time_mix_decay_w2.weight",
    "time_mix_lerp_fused.weight",
    "attn_rel_b.weight",
    ".position_embd",
    "sam.pos_embd",
    "sam.neck.",
    "sam.net_",
    ".rel_pos",
    ".patch_embd",
    ".patch_merger",
    "a.rvq.codebook",
    "mm.a.code_embd",
};

bool nb_quantizable(const nb_tensor *t)
{
    static const char *const whole[] = {"position_embd.weight", "token_types.weight"};
    size_t len = strlen(t->name);
    bool wide = t->shape[1] > 1 || t->shape[2] > 1 || t->shape[3] > 1;
    if (!wide || len < 6 || strcmp(t->name + len - 6, "weight") != 0)
        return false;
    for (size_t i = 0; i < countof(whole); i++)
        if (strcmp(t->name, whole[i]) == 0)
            return false;
    for (size_t i = 0; i < countof(never); i++)
        if (strstr(t->name, never[i]))
            return false;
    return true;
}

/* --- the rules ---------------------------------------------------------------------------------
 */

enum {                   /* what may hold for one tensor of one model */
       IF_GQA4 = 1 << 0, /* at least 4 query heads share a KV head */
       IF_FALCON = 1 << 1,
       IF_8X = 1 << 2,   /* exactly 8 experts: Mixtral */
       IF_MORE = 1 << 3, /* first and last eighth of the layers, and every third between */
       IF_I2 = 1 << 4,   /* counter below 2 */
       IF_I4 = 1 << 5,
       IF_N8 = 1 << 6,     /* in the first eighth */
       IF_N16 = 1 << 7,    /* in the first sixteenth */
       IF_ODD = 1 << 8,    /* width no multiple of the base type's block */
       IF_70B = 1 << 9,    /* 80 layers with grouped queries */
       IF_34K = 1 << 10,   /* so far q3_K or q4_K */
       IF_STACK = 1 << 11, /* three dimensions: experts, MLA's matrices per head */
       IF_IMATRIX = 1 << 12,
       IF_4X = 1 << 13,     /* 4 experts or more */
       IF_MIDDLE = 1 << 14, /* neither in the first nor in the last eighth */
};

/* File types as bits 1 << general.file_type. An enum holds no 64 bits. */
#define FT_Q4_0      (UINT64_C(1) << 2)
#define FT_Q8_0      (UINT64_C(1) << 7)
#define FT_Q5_0      (UINT64_C(1) << 8)
#define FT_Q2_K      (UINT64_C(1) << 10)
#define FT_Q3_K_S    (UINT64_C(1) << 11)
#define FT_Q3_K_M    (UINT64_C(1) << 12)
#define FT_Q3_K_L    (UINT64_C(1) << 13)
#define FT_Q4_K_S    (UINT64_C(1) << 14)
#define FT_Q4_K_M    (UINT64_C(1) << 15)
#define FT_Q5_K_M    (UINT64_C(1) << 17)
#define FT_IQ2_XXS   (UINT64_C(1) << 19)
#define FT_IQ2_XS    (UINT64_C(1) << 20)
#define FT_Q2_K_S    (UINT64_C(1) << 21)
#define FT_IQ3_XS    (UINT64_C(1) << 22)
#define FT_IQ3_XXS   (UINT64_C(1) << 23)
#define FT_IQ1_S     (UINT64_C(1) << 24)
#define FT_IQ4_NL    (UINT64_C(1) << 25)
#define FT_IQ3_S     (UINT64_C(1) << 26)
#define FT_IQ3_M     (UINT64_C(1) << 27)
#define FT_IQ2_S     (UINT64_C(1) << 28)
#define FT_IQ2_M     (UINT64_C(1) << 29)
#define FT_IQ4_XS    (UINT64_C(1) << 30)
#define FT_IQ1_M     (UINT64_C(1) << 31)
#define FT_TQ1_0     (UINT64_C(1) << 36)
#define FT_TQ2_0     (UINT64_C(1) << 37)
#define FT_MXFP4_MOE (UINT64_C(1) << 38)
#define FT_ANY       UINT64_MAX
/* Files of one and two bits have rules of their own and none of the others'. */
#define FT_ONE      (FT_IQ1_S | FT_IQ1_M)
#define FT_TWO_LOW  (FT_IQ2_XXS | FT_IQ2_XS)
#define FT_TWO_HIGH (FT_IQ2_S | FT_IQ2_M)
#define FT_LOW      (FT_ONE | FT_TWO_LOW | FT_TWO_HIGH)

typedef struct rule {
    uint64_t file_types;
    unsigned kinds;
    unsigned when, unless; /* all of `when` and nothing of `unless` holds */
    nk_type_id to;
} rule;

/* The first row that fits decides; none: the base type. */
static const rule choose[] = {
    {FT_MXFP4_MOE, KIND_ANY, 0, IF_STACK, NK_Q8_0},
    {FT_MXFP4_MOE, KIND_ANY, IF_STACK, 0, NK_MXFP4},

    {FT_ANY, KIND_OUTPUT, IF_FALCON, 0, NK_Q8_0},
    {FT_ANY, KIND_OUTPUT, IF_ODD, 0, NK_Q8_0},
    {FT_Q8_0, KIND_OUTPUT, 0, 0, NK_Q8_0},
    {FT_LOW | FT_IQ3_XXS, KIND_OUTPUT, 0, 0, NK_Q5_K},
    {FT_ANY, KIND_OUTPUT, 0, 0, NK_Q6_K},
    {FT_TQ1_0 | FT_TQ2_0, KIND_EMBD, 0, 0, NK_Q4_K},
    {FT_ONE | FT_TWO_LOW, KIND_EMBD, 0, 0, NK_Q2_K},
    {FT_TWO_HIGH | FT_IQ3_XXS, KIND_EMBD, 0, 0, NK_IQ3_S},

    {FT_LOW, KIND_V, IF_GQA4, 0, NK_Q4_K},
    {FT_LOW, KIND_V, IF_4X, 0, NK_Q4_K},
    {FT_TWO_HIGH, KIND_V, 0, 0, NK_IQ3_S},
    {FT_LOW, KIND_V, 0, 0, NK_Q2_K},
    {FT_LOW, KIND_K, IF_8X, 0, NK_Q4_K},
    {FT_TWO_HIGH, KIND_DOWN, IF_N8, 0, NK_IQ3_S},
    {FT_LOW, KIND_DOWN, IF_N8, 0, NK_Q2_K},
    {FT_LOW, KIND_ATTN_OUT, IF_8X, 0, NK_Q5_K},
    {FT_ONE, KIND_ATTN_OUT, 0, 0, NK_IQ2_XXS},
    {FT_TWO_HIGH, KIND_ATTN_OUT, 0, 0, NK_IQ3_S},

    {FT_Q2_K, KIND_V, IF_GQA4, 0, NK_Q4_K},
    {FT_Q2_K, KIND_V, 0, 0, NK_Q3_K},
    {FT_Q2_K_S | FT_IQ3_XXS | FT_IQ3_XS | FT_IQ3_S, KIND_V, IF_GQA4, 0, NK_Q4_K},
    {FT_IQ3_XXS, KIND_V, 0, IF_IMATRIX, NK_IQ3_S},
    {FT_IQ3_M, KIND_V, 0, 0, NK_Q4_K},
    {FT_Q3_K_M, KIND_V, IF_I2, 0, NK_Q5_K},
    {FT_Q3_K_M, KIND_V, 0, 0, NK_Q4_K},
    {FT_Q3_K_L, KIND_V, 0, 0, NK_Q5_K},
    {FT_Q4_K_M | FT_Q5_K_M, KIND_V, IF_MORE, 0, NK_Q6_K},
    {FT_Q4_K_S, KIND_V, IF_I4, 0, NK_Q5_K},
    {FT_IQ4_NL | FT_IQ4_XS, KIND_V, IF_GQA4, 0, NK_Q5_K},

    {FT_IQ3_XS, KIND_Q | KIND_K, 0, 0, NK_IQ3_XXS},
    {FT_IQ3_XXS, KIND_Q | KIND_K, 0, 0, NK_IQ2_S},
    {FT_IQ3_XS, KIND_GATE | KIND_UP, IF_MIDDLE, 0, NK_IQ3_XXS},

    {FT_Q2_K, KIND_DOWN, 0, 0, NK_Q3_K},
    {FT_Q2_K_S, KIND_DOWN, IF_N8, 0, NK_Q4_K},
    {FT_IQ3_XXS, KIND_DOWN, IF_N8, IF_IMATRIX, NK_Q4_K},
    {FT_IQ3_XXS, KIND_DOWN, 0, IF_IMATRIX, NK_Q3_K},
    {FT_IQ3_M, KIND_DOWN, IF_N8, 0, NK_Q4_K},
    {FT_IQ3_M, KIND_DOWN, IF_8X | IF_MORE, 0, NK_Q4_K},
    {FT_Q3_K_M, KIND_DOWN, IF_N16, 0, NK_Q5_K},
    {FT_Q3_K_M, KIND_DOWN, IF_FALCON | IF_MORE, 0, NK_Q4_K},
    {FT_Q3_K_M, KIND_DOWN, 0, IF_FALCON, NK_Q4_K},
    {FT_Q3_K_L, KIND_DOWN, IF_FALCON, 0, NK_Q4_K},
    {FT_Q3_K_L, KIND_DOWN, 0, 0, NK_Q5_K},
    {FT_Q4_K_M, KIND_DOWN, IF_FALCON | IF_N16, 0, NK_Q6_K},
    {FT_Q4_K_M, KIND_DOWN, IF_FALCON | IF_MORE, 0, NK_Q5_K},
    {FT_Q4_K_M, KIND_DOWN, IF_MORE, IF_FALCON, NK_Q6_K},
    {FT_Q5_K_M, KIND_DOWN, IF_MORE, 0, NK_Q6_K},
    {FT_Q4_K_S, KIND_DOWN, IF_N8, IF_FALCON, NK_Q5_K},
    {FT_IQ4_NL | FT_IQ4_XS, KIND_DOWN, IF_N8, IF_IMATRIX, NK_Q5_K},
    {FT_Q4_0, KIND_DOWN, IF_N8 | IF_IMATRIX, 0, NK_Q4_1},
    {FT_Q5_0, KIND_DOWN, IF_N8 | IF_IMATRIX, 0, NK_Q5_1},

    {FT_Q2_K | FT_Q3_K_S | FT_Q3_K_M | FT_Q4_K_S | FT_Q4_K_M | FT_IQ4_NL | FT_IQ4_XS | FT_IQ3_XXS |
         FT_IQ3_XS | FT_IQ3_S | FT_IQ3_M,
     KIND_ATTN_OUT, IF_8X, IF_FALCON, NK_Q5_K},
    {FT_IQ3_XXS, KIND_ATTN_OUT, 0, IF_8X | IF_FALCON, NK_IQ3_S},
    {FT_IQ3_M, KIND_ATTN_OUT, 0, IF_8X | IF_FALCON, NK_Q4_K},
    {FT_Q2_K, KIND_ATTN_OUT, 0, IF_8X | IF_FALCON, NK_Q3_K},
    {FT_Q3_K_M, KIND_ATTN_OUT, 0, IF_8X | IF_FALCON, NK_Q4_K},
    {FT_Q3_K_L, KIND_ATTN_OUT, 0, IF_8X | IF_FALCON, NK_Q5_K},
    {FT_Q3_K_L, KIND_ATTN_OUT, IF_FALCON, 0, NK_Q4_K},
};

/* Then every row that fits is applied, in order. */
static const rule amend[] = {
    {FT_ANY & ~FT_LOW, KIND_V, IF_70B | IF_34K, 0, NK_Q5_K},
    {FT_ANY & ~FT_LOW, KIND_V | KIND_K, IF_8X, 0, NK_Q8_0},
};

/* A width that is no multiple of the block: the next type of similar size with blocks of 32. */
static const struct {
    nk_type_id from, to;
} narrower[] = {
    {NK_Q2_K, NK_Q4_0},      {NK_Q3_K, NK_Q4_0},      {NK_Q4_K, NK_Q5_0},     {NK_Q5_K, NK_Q5_1},
    {NK_Q6_K, NK_Q8_0},      {NK_TQ1_0, NK_Q4_0},     {NK_TQ2_0, NK_Q4_0},    {NK_IQ1_S, NK_IQ4_NL},
    {NK_IQ1_M, NK_IQ4_NL},   {NK_IQ2_XXS, NK_IQ4_NL}, {NK_IQ2_XS, NK_IQ4_NL}, {NK_IQ2_S, NK_IQ4_NL},
    {NK_IQ3_XXS, NK_IQ4_NL}, {NK_IQ3_S, NK_IQ4_NL},   {NK_IQ4_XS, NK_IQ4_NL},
};

static bool fits(nk_type_id id, uint64_t cols)
{
    const nk_type *t = nk_type_get(id);
    return t && cols % t->block_len == 0;
}

/* f16 where even that does not fit; llama-quantize gives up on a few types there. */
static nk_type_id fit_width(nk_type_id id, uint64_t cols)
{
    if (fits(id, cols))
        return id;
    for (size_t i = 0; i < countof(narrower); i++)
        if (narrower[i].from == id && fits(narrower[i].to, cols))
            return narrower[i].to;
    return NK_F16;
}

/* --- walking a model ---------------------------------------------------------------------------
 */

typedef struct walk {
    const nb_recipe *recipe;
    const nb_shape_info *info;
    uint32_t n_v, i_v; /* V-like tensors in all; visited so far */
    uint32_t i_down, i_gate, i_up;
    unsigned model; /* IF_ bits that hold for the whole model */
} walk;

static bool is_70b(const nb_shape_info *m)
{
    static const char *const arch[] = {"llama", "qwen2", "deci"};
    if (m->n_layer != 80 || m->n_head == m->n_head_kv)
        return false;
    for (size_t i = 0; i < countof(arch); i++)
        if (strcmp(m->arch, arch[i]) == 0)
            return true;
    return false;
}

static unsigned model_bits(const nb_recipe *r, const nb_shape_info *m)
{
    unsigned bits = 0;
    bits |= r->imatrix ? IF_IMATRIX : 0;
    bits |= m->n_head_kv && m->n_head / m->n_head_kv >= 4 ? IF_GQA4 : 0;
    bits |= strcmp(m->arch, "falcon") == 0 ? IF_FALCON : 0;
    bits |= m->n_expert == 8 ? IF_8X : 0;
    bits |= m->n_expert >= 4 ? IF_4X : 0;
    bits |= is_70b(m) ? IF_70B : 0;
    return bits;
}

int nb_layer_of(const char *name)
{
    int layer = 0, used = 0;
    if (strncmp(name, "blk.", 4) != 0)
        return -1;
    for (const char *p = name + 4; *p >= '0' && *p <= '9' && layer < 1000000; p++, used++)
        layer = layer * 10 + (*p - '0');
    return used && name[4 + used] == '.' ? layer : -1;
}

bool nb_layer_more(uint32_t i, uint32_t n)
{
    return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2;
}

static unsigned layer_bits(uint32_t i, uint32_t n)
{
    unsigned bits = 0;
    bits |= nb_layer_more(i, n) ? IF_MORE : 0;
    bits |= i < n / 8 ? IF_N8 : 0;
    bits |= i >= n / 8 && i < 7 * n / 8 ? IF_MIDDLE : 0;
    bits |= i < n / 16 ? IF_N16 : 0;
    bits |= i < 2 ? IF_I2 : 0;
    bits |= i < 4 ? IF_I4 : 0;
    return bits;
}

static bool row_fits(const rule *r, uint64_t file_type, unsigned kind, unsigned bits)
{
    return (r->file_types & file_type) && (r->kinds & kind) && (r->when & ~bits) == 0 &&
           (r->unless & bits) == 0;
}

/* What holds for the layer of a tensor whose like have been counted so far; of models with experts
 * the name tells the layer, except in files of one and two bits. */
static nb_status count_layer(const walk *w, const nb_tensor *t, uint64_t file_type,
                             uint32_t *counter, unsigned *bits, nb_err *err)
{
    uint32_t i = (*counter)++;
    if (w->info->n_expert > 1 && !(file_type & FT_LOW)) {
        int layer = nb_layer_of(t->name);
        if (layer < 0 || (uint32_t)layer >= w->info->n_layer)
            return nb_fail(err, NB_FORMAT, "tensor \"%s\": layer outside 0..%u", t->name,
                           w->info->n_layer - 1);
        i = (uint32_t)layer;
    }
    *bits |= layer_bits(i, w->info->n_layer);
    return NB_OK;
}

static nb_status preset_type(walk *w, const nb_tensor *t, unsigned kind, nk_type_id *type,
                             nb_err *err)
{
    unsigned bits = w->model;
    uint64_t file_type = UINT64_C(1) << w->recipe->preset->file_type;
    if (kind == KIND_V)
        bits |= layer_bits(w->i_v++, w->n_v);
    if (kind == KIND_DOWN)
        NB_TRY(count_layer(w, t, file_type, &w->i_down, &bits, err));
    if (kind == KIND_GATE)
        NB_TRY(count_layer(w, t, file_type, &w->i_gate, &bits, err));
    if (kind == KIND_UP)
        NB_TRY(count_layer(w, t, file_type, &w->i_up, &bits, err));
    if (kind == KIND_EMBD && !w->info->has_output)
        kind = KIND_OUTPUT;
    if (!fits(*type, nb_tensor_cols(t)))
        bits |= IF_ODD;
    if (t->shape[2] > 1)
        bits |= IF_STACK;
    for (size_t i = 0; i < countof(choose); i++)
        if (row_fits(&choose[i], file_type, kind, bits)) {
            *type = choose[i].to;
            break;
        }
    for (size_t i = 0; i < countof(amend); i++) {
        unsigned now = bits | (*type == NK_Q3_K || *type == NK_Q4_K ? IF_34K : 0);
        if (row_fits(&amend[i], file_type, kind, now))
            *type = amend[i].to;
    }
    return NB_OK;
}

/* The embedding's option holds for per_layer_token_embd too, unless a pattern names that. */
static bool embd_option(const nb_recipe *r, const nb_tensor *t, unsigned kind)
{
    return kind == KIND_EMBD && r->embd_type >= 0 &&
           (strcmp(t->name, "token_embd.weight") == 0 ||
            nb_patterns_find(r->patterns, t->name) < 0);
}

static bool stays(const nb_recipe *r, const nb_tensor *t)
{
    return r->preset->file_type < 0 || !nb_quantizable(t) ||
           (r->leave_output && strcmp(t->name, "output.weight") == 0);
}

static nb_status choose_type(walk *w, const nb_tensor *t, nb_type_choice *c, nb_err *err)
{
    const nb_recipe *r = w->recipe;
    unsigned kind = kind_of(t->name);
    bool quantizes = !nk_type_get(r->preset->base)->is_float;
    *c = (nb_type_choice){.type = t->type, .pattern = -1, .why = NB_WHY_NEVER};
    if (stays(r, t))
        return NB_OK;
    c->why = NB_WHY_PRESET;
    c->type = r->preset->base;
    c->rule = nb_recipe_rule(r, t->name, w->info->n_layer);
    if (c->rule) {
        c->type = c->rule->type;
        c->why = NB_WHY_RULE;
    } else if (embd_option(r, t, kind)) {
        c->type = (nk_type_id)r->embd_type;
        c->why = NB_WHY_OPTION;
    } else if (r->output_type >= 0 && kind == KIND_OUTPUT) {
        c->type = (nk_type_id)r->output_type;
        c->why = NB_WHY_OPTION;
    } else if (quantizes && (c->pattern = nb_patterns_find(r->patterns, t->name)) >= 0) {
        c->type = nb_patterns_type(r->patterns, (size_t)c->pattern);
        c->why = NB_WHY_PATTERN;
    } else if (r->output_type >= 0 && kind == KIND_EMBD && !w->info->has_output && !r->pure &&
               quantizes) {
        c->type = (nk_type_id)r->output_type;
        c->why = NB_WHY_OPTION;
    } else if (!r->pure && quantizes) {
        NB_TRY(preset_type(w, t, kind, &c->type, err));
    }
    c->wanted = c->type;
    c->type = fit_width(c->type, nb_tensor_cols(t));
    return NB_OK;
}

static walk walk_from(const nb_recipe *r, const nb_shape_info *info, const nb_tensor *t, size_t n)
{
    walk w = {.recipe = r, .info = info, .model = model_bits(r, info)};
    for (size_t i = 0; i < n; i++)
        w.n_v += kind_of(t[i].name) == KIND_V;
    return w;
}

nb_status nb_preset_choose(const nb_recipe *r, const nb_shape_info *info, const nb_tensor *t,
                           size_t n, nb_type_choice *out, nb_err *err)
{
    walk w = walk_from(r, info, t, n);
    for (size_t i = 0; i < n; i++)
        NB_TRY(choose_type(&w, &t[i], &out[i], err));
    return NB_OK;
}

nb_status nb_preset_types(const nb_recipe *r, const nb_shape_info *info, const nb_tensor *t,
                          size_t n, nk_type_id *types, nb_err *err)
{
    walk w = walk_from(r, info, t, n);
    for (size_t i = 0; i < n; i++) {
        nb_type_choice c;
        NB_TRY(choose_type(&w, &t[i], &c, err));
        types[i] = c.type;
    }
    return NB_OK;
}
