/* Recipe + shapes -> types, bytes, offsets and the finished header. Order of tensors and keys as
 * llama-quantize writes them (llama-quant.cpp, gguf.cpp @ 007dbbf): tensors outside layers first,
 * then by layer, then by name; keys as in the source without split.*, with quantization_version and
 * file_type moved to the end. */
#include "core/quant/recipe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/files/gguf.h"
#include "core/quant/presets.h"

enum { ALIGNMENT = 32, QUANTIZATION_VERSION = 2, NOTE_LEN = 96 };

typedef struct item {
    nb_tensor t;         /* name and shape out, type = where nothing quantizes */
    nk_type_id src_type; /* as stored */
    const nb_view *src;  /* NULL from shapes */
} item;

static int by_layer_then_name(const void *a, const void *b)
{
    const nb_tensor *x = &((const item *)a)->t, *y = &((const item *)b)->t;
    int lx = nb_layer_of(x->name), ly = nb_layer_of(y->name);
    return lx != ly ? (lx < ly ? -1 : 1) : strcmp(x->name, y->name);
}

/* --- the model's figures -----------------------------------------------------------------------
 */

static uint32_t arch_uint(const nb_kvs *kvs, const char *arch, const char *name, uint32_t fallback)
{
    char key[160];
    uint64_t v;
    double first;
    snprintf(key, sizeof key, "%s.%s", arch, name);
    if (nb_kvs_uint(kvs, key, &v) && v <= UINT32_MAX)
        return (uint32_t)v;
    const nb_kv *kv = nb_kvs_find(kvs, key); /* per layer: the first layer speaks for all */
    if (kv && kv->type == NB_KV_ARRAY && nb_kv_elem_num(kv, 0, &first) && first >= 0 &&
        first <= UINT32_MAX)
        return (uint32_t)first;
    return fallback;
}

static void shape_info(nb_shape_info *out, char arch[64], const nb_kvs *kvs, const item *it,
                       size_t n)
{
    const char *s = "";
    size_t len = 0;
    nb_kvs_str(kvs, "general.architecture", &s, &len);
    snprintf(arch, 64, "%.*s", (int)(len < 63 ? len : 63), s);
    *out = (nb_shape_info){.arch = arch};
    int last = -1;
    for (size_t i = 0; i < n; i++) {
        int layer = nb_layer_of(it[i].t.name);
        last = layer > last ? layer : last;
        out->has_output |= strcmp(it[i].t.name, "output.weight") == 0;
    }
    out->n_layer = arch_uint(kvs, arch, "block_count", (uint32_t)(last + 1));
    out->n_head = arch_uint(kvs, arch, "attention.head_count", 0);
    out->n_head_kv = arch_uint(kvs, arch, "attention.head_count_kv", out->n_head);
    out->n_expert = arch_uint(kvs, arch, "expert_count", 0);
}

/* --- keys --------------------------------------------------------------------------------------
 */

static bool dropped(const char *key)
{
    static const char *const drop[] = {
        "split.no",
        "split.count",
        "split.tensors.count",
        "general.alignment",
        "general.quantization_version",
        "general.file_type",
    };
    for (size_t i = 0; i < countof(drop); i++)
        if (strcmp(key, drop[i]) == 0)
            return true;
    return false;
}

static nb_status output_keys(nb_kvs **out, const nb_kvs *kvs, const nb_preset *preset, nb_err *err)
{
    nb_kvs *k;
    NB_TRY(nb_kvs_open(&k, err));
    nb_status st = NB_OK;
    for (size_t i = 0; i < nb_kvs_count(kvs) && st == NB_OK; i++)
        if (!dropped(nb_kvs_at(kvs, i)->key))
            st = nb_kvs_put(k, nb_kvs_at(kvs, i), false, err);
    if (st == NB_OK)
        st = nb_kvs_put_u32(k, "general.quantization_version", QUANTIZATION_VERSION, err);
    if (st == NB_OK)
        st = nb_kvs_put_u32(k, "general.file_type", (uint32_t)preset->file_type, err);
    if (st != NB_OK)
        nb_kvs_close(&k);
    else
        *out = k;
    return st;
}

/* --- tensors -----------------------------------------------------------------------------------
 */

static const char *why_text(const nb_type_choice *c, uint64_t cols, char note[NOTE_LEN])
{
    if (c->why == NB_WHY_NEVER)
        return "never quantized";
    if (c->type != c->wanted) {
        snprintf(note, NOTE_LEN, "width %llu: %s -> %s", (unsigned long long)cols,
                 nk_type_get(c->wanted)->name, nk_type_get(c->type)->name);
        return note;
    }
    if (c->why == NB_WHY_RULE) {
        snprintf(note, NOTE_LEN, "rule %s", c->rule->pattern);
        return note;
    }
    return c->why == NB_WHY_OPTION ? "option" : "preset";
}

/* What happens to one tensor can be done: its source decodes, its target encodes. */
static nb_status check_path(const item *it, const nk_type *to, bool allow_requantize,
                            bool *requantized, nb_err *err)
{
    const nk_type *from = nk_type_get(it->src_type);
    if (!from)
        return nb_fail(err, NB_UNSUPPORTED, "tensor \"%s\": unknown type %u", it->t.name,
                       (unsigned)it->src_type);
    *requantized = false;
    if (from == to)
        return NB_OK;
    if (!from->decode)
        return nb_fail(err, NB_UNSUPPORTED, "tensor \"%s\": type %s cannot be decoded", it->t.name,
                       from->name);
    if (!to->encode || to->wants_imatrix)
        return nb_fail(err, NB_UNSUPPORTED, "tensor \"%s\": type %s cannot be written%s",
                       it->t.name, to->name,
                       to->wants_imatrix ? " without an importance matrix" : "");
    /* codes of another quantizer spelled out as floats, or ternary ones kept, lose nothing */
    bool ternary = from->id == NK_TQ2_0 && to->id == NK_TQ1_0;
    bool spelled_out = (to->is_float || ternary) && it->src && nb_weights_packing(it->src);
    *requantized = !from->is_float && !spelled_out;
    if (*requantized && !allow_requantize)
        return nb_fail(err, NB_REFUSED,
                       "tensor \"%s\" is already quantized (%s); quantizing it again loses more "
                       "than from the source",
                       it->t.name, from->name);
    return NB_OK;
}

static nb_status plan_tensor(nb_plan *p, size_t i, const item *it, const nb_type_choice *c,
                             bool allow_requantize, nb_err *err)
{
    nb_planned *out = &p->tensor[i];
    bool requantized = false;
    out->type = nk_type_get(c->type);
    NB_TRY(check_path(it, out->type, allow_requantize, &requantized, err));
    out->src = it->src;
    out->src_type = it->src_type;
    out->n = nb_tensor_count(&it->t);
    out->why = why_text(c, nb_tensor_cols(&it->t), p->notes + i * NOTE_LEN);
    out->fallback = c->why != NB_WHY_NEVER && c->type != c->wanted;
    p->n_fallback += out->fallback;
    p->n_requantized += requantized;
    p->params += out->n;
    p->layout[i] = it->t;
    p->layout[i].type = c->type;
    p->layout[i].bytes = NULL;
    p->layout[i].shard = 0;
    return NB_OK;
}

/* Whether a factor that stands beside a packed weight is in the weights themselves: they are
 * encoded anew, from values that have it. */
static bool is_folded(const item *it, const nb_type_choice *choice, size_t n, size_t i)
{
    if (!it[i].src || !it[i].src->beside)
        return false;
    item key = {.t = {.name = it[i].src->beside}};
    const item *weight = bsearch(&key, it, n, sizeof *it, by_layer_then_name);
    return weight && choice[weight - it].type != weight->src_type;
}

static nb_status plan_types(nb_plan *p, const nb_recipe *r, const nb_kvs *kvs, const item *it,
                            bool allow_requantize, nb_err *err)
{
    nb_shape_info info;
    char arch[64];
    nb_type_choice *choice = NULL;
    nb_tensor *shapes = nb_alloc(p->n, sizeof *shapes, "tensor list", err);
    nb_status st = NB_NOMEM;
    if (!shapes)
        goto out;
    choice = nb_alloc(p->n, sizeof *choice, "plan", err);
    if (!choice)
        goto out;
    shape_info(&info, arch, kvs, it, p->n);
    for (size_t i = 0; i < p->n; i++)
        shapes[i] = it[i].t;
    st = nb_preset_choose(r, &info, shapes, p->n, choice, err);
    const size_t n = p->n;
    p->n = 0;
    for (size_t i = 0; i < n && st == NB_OK; i++)
        if (!is_folded(it, choice, n, i))
            st = plan_tensor(p, p->n++, &it[i], &choice[i], allow_requantize, err);
out:
    free(choice);
    free(shapes);
    return st;
}

/* Offsets, sizes and header bytes. */
static nb_status plan_file(nb_plan *p, const nb_kvs *kvs, nb_err *err)
{
    nb_kvs *keys;
    NB_TRY(output_keys(&keys, kvs, p->preset, err));
    nb_status st =
        nb_gguf_layout(&p->header, keys, p->layout, p->n, ALIGNMENT, &p->file_bytes, err);
    nb_kvs_close(&keys);
    if (st != NB_OK)
        return st;
    for (size_t i = 0; i < p->n; i++) {
        p->tensor[i].offset = p->layout[i].offset;
        p->tensor[i].nbytes = p->layout[i].nbytes;
        p->tensor_bytes += p->layout[i].nbytes;
    }
    p->bpw = p->params ? 8.0 * (double)p->tensor_bytes / (double)p->params : 0;
    return NB_OK;
}

/* items[n]: sorted here. */
static nb_status plan_items(nb_plan *out, const nb_recipe *r, const nb_kvs *kvs, item *items,
                            size_t n, bool allow_requantize, nb_err *err)
{
    nb_plan p = {.preset = r->preset, .n = n};
    nb_status st = NB_NOMEM;
    qsort(items, n, sizeof *items, by_layer_then_name);
    p.tensor = nb_alloc(n, sizeof *p.tensor, "plan", err);
    p.layout = nb_alloc(n, sizeof *p.layout, "plan", err);
    p.notes = nb_alloc(n, NOTE_LEN, "plan", err);
    if (p.tensor && p.layout && p.notes)
        st = plan_types(&p, r, kvs, items, allow_requantize, err);
    if (st == NB_OK)
        st = plan_file(&p, kvs, err);
    if (st != NB_OK)
        nb_plan_free(&p);
    else
        *out = p;
    return st;
}

nb_status nb_plan_make(nb_plan *out, const nb_recipe *r, const nb_weights *w, bool allow_requantize,
                       nb_err *err)
{
    size_t n = nb_weights_count(w);
    item *items = nb_alloc(n, sizeof *items, "tensor list", err);
    if (!items)
        return NB_NOMEM;
    uint64_t source_bytes = 0;
    for (size_t i = 0; i < n; i++) {
        const nb_view *v = nb_weights_at(w, i);
        items[i] = (item){.t = v->t, .src_type = v->t.type, .src = v};
        items[i].t.type = v->out_type;
        source_bytes += v->t.nbytes;
    }
    nb_status st = plan_items(out, r, nb_weights_kvs(w), items, n, allow_requantize, err);
    free(items);
    if (st == NB_OK) {
        out->weights = w;
        out->source_bytes = source_bytes;
    }
    return st;
}

nb_status nb_plan_make_shapes(nb_plan *out, const nb_recipe *r, const nb_kvs *kvs,
                              const nb_tensor *t, size_t n, nb_err *err)
{
    item *items = nb_alloc(n, sizeof *items, "tensor list", err);
    if (!items)
        return NB_NOMEM;
    for (size_t i = 0; i < n; i++)
        items[i] = (item){.t = t[i], .src_type = NK_F32};
    nb_status st = plan_items(out, r, kvs, items, n, false, err);
    free(items);
    if (st == NB_OK)
        out->source_bytes = out->params * sizeof(float);
    return st;
}

void nb_plan_free(nb_plan *p)
{
    if (!p)
        return;
    free(p->tensor);
    free(p->layout);
    free(p->notes);
    nb_str_free(&p->header);
    memset(p, 0, sizeof *p);
}
