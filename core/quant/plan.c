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

enum { ALIGNMENT = 32, QUANTIZATION_VERSION = 2, NOTE_LEN = 208 };

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

/* --keep-split: as the tensors lie in the files. */
static int by_shard_then_offset(const void *a, const void *b)
{
    const nb_view *x = ((const item *)a)->src, *y = ((const item *)b)->src;
    if (!x || !y)
        return by_layer_then_name(a, b);
    if (x->t.shard != y->t.shard)
        return x->t.shard < y->t.shard ? -1 : 1;
    return x->t.offset < y->t.offset ? -1 : x->t.offset > y->t.offset;
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

/* The most frequent type of the tensors as a file type, marked as guessed (+1024): what
 * llama.cpp's loader makes of a file that has no general.file_type (llama-model-loader.cpp). */
static uint32_t guess_file_type(const item *it, size_t n)
{
    enum { GUESSED = 1024 };
    size_t count[NK_TYPE_SLOTS] = {0}, most = 0;
    for (size_t i = 0; i < n; i++)
        if (++count[it[i].t.type] > count[most])
            most = it[i].t.type;
    const nk_type *type = nk_type_get((uint32_t)most);
    const nb_preset *p = type ? nb_preset_find(type->name) : NULL; /* q4_K: Q4_K_M, as there */
    return p ? (uint32_t)p->file_type | GUESSED : GUESSED;
}

static uint32_t file_type_of(const nb_recipe *r, const nb_kvs *kvs, const item *it, size_t n)
{
    uint64_t kept;
    if (r->preset->file_type >= 0)
        return (uint32_t)r->preset->file_type;
    if (nb_kvs_uint(kvs, "general.file_type", &kept) && kept <= UINT32_MAX)
        return (uint32_t)kept;
    return guess_file_type(it, n);
}

/* One key of llama-quantize's about the imatrix, moved to the end as there. Texts keep at most 127
 * bytes, what its key overrides hold (llama.h, llama_model_kv_override). */
static nb_status put_text(nb_kvs *k, const char *key, const char *text, nb_err *err)
{
    enum { MAX_TEXT = 127 };
    size_t n = strlen(text);
    nb_kvs_drop(k, key);
    return nb_kvs_put_str(k, key, text, n <= MAX_TEXT ? n : nb_utf8_whole(text, MAX_TEXT), err);
}

static nb_status put_count(nb_kvs *k, const char *key, uint32_t v, nb_err *err)
{
    nb_kvs_drop(k, key);
    return nb_kvs_put_u32(k, key, v, err);
}

static nb_status imatrix_keys(nb_kvs *k, const nb_imatrix *im, nb_err *err)
{
    NB_TRY(put_text(k, "quantize.imatrix.file", im->path, err));
    if (im->n_datasets)
        NB_TRY(put_text(k, "quantize.imatrix.dataset", im->dataset[0], err));
    NB_TRY(put_count(k, "quantize.imatrix.entries_count", (uint32_t)im->n, err));
    if (im->n_chunks)
        NB_TRY(put_count(k, "quantize.imatrix.chunks_count", im->n_chunks, err));
    if (im->floor > 0)
        NB_TRY(nb_kvs_put_f32(k, "nibble.imatrix.floor", im->floor, err));
    return NB_OK;
}

/* layers: those that stay, where some were left out. */
static nb_status output_keys(nb_kvs **out, const nb_recipe *r, const nb_kvs *kvs,
                             uint32_t file_type, const nb_shape_info *info, uint32_t layers,
                             nb_err *err)
{
    nb_kvs *k;
    char key[160];
    NB_TRY(nb_kvs_open(&k, err));
    nb_status st = NB_OK;
    for (size_t i = 0; i < nb_kvs_count(kvs) && st == NB_OK; i++)
        if (!dropped(nb_kvs_at(kvs, i)->key))
            st = nb_kvs_put(k, nb_kvs_at(kvs, i), false, err);
    if (st == NB_OK)
        st = nb_kvs_put_u32(k, "general.quantization_version", QUANTIZATION_VERSION, err);
    if (st == NB_OK)
        st = nb_kvs_put_u32(k, "general.file_type", file_type, err);
    if (st == NB_OK)
        st = nb_edits_apply(k, r->edits, err);
    if (st == NB_OK && r->imatrix)
        st = imatrix_keys(k, r->imatrix, err);
    if (st == NB_OK && r->edits && r->edits->n_pruned) {
        snprintf(key, sizeof key, "%s.block_count", info->arch);
        nb_kvs_drop(k, key);
        st = nb_kvs_put_u32(k, key, layers, err);
        if (st == NB_OK)
            st = nb_edits_cut_arrays(k, r->edits, info->arch, info->n_layer, err);
    }
    if (st != NB_OK)
        nb_kvs_close(&k);
    else
        *out = k;
    return st;
}

/* --- layers left out ---------------------------------------------------------------------------
 */

static nb_status check_pruned(const nb_edits *e, const item *it, size_t n, nb_err *err)
{
    size_t at, len;
    int last = -1;
    for (size_t i = 0; i < n; i++) {
        int layer = nb_edits_layer(it[i].t.name, &at, &len);
        last = layer > last ? layer : last;
    }
    uint32_t most = e->pruned[e->n_pruned - 1];
    if (last < 0 || most > (uint32_t)last)
        return nb_fail(err, NB_USAGE, "layer %u to be left out: the model has %d", most, last + 1);
    return e->n_pruned <= (size_t)last
               ? NB_OK
               : nb_fail(err, NB_USAGE, "no layer would be left of %d", last + 1);
}

/* Drops items of pruned layers and numbers the others anew, as remap_layer does: layers before the
 * first pruned one keep their number, the rest count on. *layers: how many there are then. Items
 * are sorted by layer. */
static nb_status prune(nb_plan *p, const nb_edits *e, item *it, uint32_t *layers, nb_err *err)
{
    size_t n = 0;
    int next = 0, seen = -1, number = 0;
    NB_TRY(check_pruned(e, it, p->n, err));
    p->names = nb_alloc(p->n, NB_MAX_NAME + 1, "names", err);
    if (!p->names)
        return NB_NOMEM;
    for (size_t i = 0; i < p->n; i++) {
        size_t at, len;
        int layer = nb_edits_layer(it[i].t.name, &at, &len);
        if (nb_edits_prunes(e, layer))
            continue;
        if (layer >= 0 && layer != seen) {
            seen = layer;
            number = (uint32_t)layer < e->pruned[0] ? layer : next;
            next = number + 1;
        }
        char *name = p->names + n * (NB_MAX_NAME + 1);
        it[n] = it[i];
        if (layer >= 0) {
            snprintf(name, NB_MAX_NAME + 1, "%.*s%d%s", (int)at, it[i].t.name, number,
                     it[i].t.name + at + len);
            it[n].t.name = name;
        }
        n++;
    }
    p->n = n;
    *layers = (uint32_t)next;
    return NB_OK;
}

/* --- tensors -----------------------------------------------------------------------------------
 */

static const char *why_text(const nb_recipe *r, const nb_type_choice *c, uint64_t cols,
                            char note[NOTE_LEN])
{
    if (c->why == NB_WHY_NEVER && r->preset->file_type < 0)
        return "copied";
    if (c->why == NB_WHY_NEVER)
        return r->leave_output ? "left as it is" : "never quantized";
    if (c->type != c->wanted) {
        snprintf(note, NOTE_LEN, "width %llu: %s -> %s", (unsigned long long)cols,
                 nk_type_get(c->wanted)->name, nk_type_get(c->type)->name);
        return note;
    }
    if (c->why == NB_WHY_RULE) {
        snprintf(note, NOTE_LEN, "rule %s", c->rule->pattern);
        return note;
    }
    if (c->why == NB_WHY_PATTERN) {
        snprintf(note, NOTE_LEN, "pattern %.80s",
                 nb_patterns_text(r->patterns, (size_t)c->pattern));
        return note;
    }
    return c->why == NB_WHY_OPTION ? "option" : "preset";
}

/* Types whose codes are noise without importance; llama-quantize counts q2_K of Q2_K_S among them
 * (llama-quant.cpp, tensor_requires_imatrix @ de3ff81). */
static bool wants_importance(const nb_preset *preset, const char *name, const nk_type *to)
{
    enum { FILE_Q2_K_S = 21 };
    bool outer = strcmp(name, "token_embd.weight") == 0 || strcmp(name, "output.weight") == 0;
    return to->wants_imatrix || (to->id == NK_Q2_K && preset->file_type == FILE_Q2_K_S && !outer);
}

/* The recipe's importance for a tensor that is encoded; NULL when it has none. An entry of another
 * size is of another model; llama-quantize passes over that for the embedding alone, where old
 * files always have one. */
static nb_status find_importance(const nb_recipe *r, const item *it, const float **out, nb_err *err)
{
    const nb_tensor *t = &it->t;
    const char *name = it->src ? it->src->t.name : t->name; /* before layers were renumbered */
    const nb_imatrix_entry *e = r->imatrix ? nb_imatrix_find(r->imatrix, name) : NULL;
    *out = NULL;
    if (!e)
        return NB_OK;
    if (t->shape[3] == 1 && e->n / t->shape[0] == t->shape[2] && e->n % t->shape[0] == 0)
        *out = e->importance;
    else if (strcmp(t->name, "token_embd.weight") != 0)
        return nb_fail(
            err, NB_FORMAT,
            "imatrix entry \"%s\" has %llu values, the tensor %llu x %llu columns: it is "
            "of another model",
            t->name, (unsigned long long)e->n, (unsigned long long)t->shape[2],
            (unsigned long long)t->shape[0]);
    return NB_OK;
}

/* What happens to one tensor can be done: its source decodes, its target encodes. */
static nb_status check_path(const nb_recipe *r, const item *it, const nk_type *to,
                            const float *importance, bool allow_requantize, bool *requantized,
                            nb_err *err)
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
    if (!to->encode)
        return nb_fail(err, NB_UNSUPPORTED, "tensor \"%s\": type %s cannot be written", it->t.name,
                       to->name);
    if (!importance && wants_importance(r->preset, it->t.name, to))
        return nb_fail(err, NB_UNSUPPORTED,
                       "tensor \"%s\": type %s cannot be written without an importance matrix%s",
                       it->t.name, to->name,
                       r->imatrix ? ", and this one has no entry for it" : "");
    /* codes of another quantizer spelled out as floats, or ternary ones kept, lose nothing */
    bool ternary = from->id == NK_TQ2_0 && to->id == NK_TQ1_0;
    bool spelled_out = (to->is_float || ternary) && it->src && nb_weights_packing(it->src);
    *requantized = !from->is_float && !spelled_out;
    if (!*requantized || allow_requantize)
        return NB_OK;
    const char *packing = it->src ? nb_weights_packing(it->src) : NULL;
    return nb_fail(err, NB_REFUSED,
                   "tensor \"%s\" is already quantized (%s%s%s); quantizing it again loses more "
                   "than from the source",
                   it->t.name, packing ? packing : "", packing ? ", kept as " : "", from->name);
}

static nb_status plan_tensor(nb_plan *p, const nb_recipe *r, size_t i, const item *it,
                             const nb_type_choice *c, bool allow_requantize, nb_err *err)
{
    nb_planned *out = &p->tensor[i];
    bool requantized = false;
    out->type = nk_type_get(c->type);
    bool encoded = nk_type_get(it->src_type) != out->type;
    if (encoded)
        NB_TRY(find_importance(r, it, &out->importance, err));
    NB_TRY(check_path(r, it, out->type, out->importance, allow_requantize, &requantized, err));
    out->src = it->src;
    out->src_type = it->src_type;
    out->n = nb_tensor_count(&it->t);
    out->why = why_text(r, c, nb_tensor_cols(&it->t), p->notes + i * NOTE_LEN);
    out->rule = c->rule ? (int)(c->rule - r->rule) : -1;
    out->pattern = c->pattern;
    out->fallback = c->why != NB_WHY_NEVER && c->type != c->wanted;
    p->n_fallback += out->fallback;
    p->n_requantized += requantized;
    p->n_unweighted += r->imatrix && encoded && !out->type->is_float && !out->importance;
    p->params += out->n;
    p->layout[i] = it->t;
    p->layout[i].type = c->type;
    p->layout[i].bytes = NULL;
    p->layout[i].shard = it->src ? it->src->t.shard : 0;
    return NB_OK;
}

/* Whether a factor that stands beside a packed weight is in the weights themselves: they are
 * encoded anew, from values that have it. */
static bool is_folded(const item *it, const nb_type_choice *choice, size_t n, size_t i)
{
    const char *beside = it[i].src ? it[i].src->beside : NULL;
    for (size_t k = 0; beside && k < n; k++)
        if (it[k].src && strcmp(it[k].src->t.name, beside) == 0)
            return choice[k].type != it[k].src_type;
    return false;
}

static nb_status plan_types(nb_plan *p, const nb_recipe *r, const nb_shape_info *info,
                            const item *it, bool allow_requantize, nb_err *err)
{
    nb_type_choice *choice = NULL;
    nb_tensor *shapes = nb_alloc(p->n, sizeof *shapes, "tensor list", err);
    nb_status st = NB_NOMEM;
    if (!shapes)
        goto out;
    choice = nb_alloc(p->n, sizeof *choice, "plan", err);
    if (!choice)
        goto out;
    for (size_t i = 0; i < p->n; i++)
        shapes[i] = it[i].t;
    st = nb_preset_choose(r, info, shapes, p->n, choice, err);
    const size_t n = p->n;
    p->n = 0;
    for (size_t i = 0; i < n && st == NB_OK; i++)
        if (!is_folded(it, choice, n, i))
            st = plan_tensor(p, r, p->n++, &it[i], &choice[i], allow_requantize, err);
out:
    free(choice);
    free(shapes);
    return st;
}

/* Offsets, sizes and header bytes. */
static nb_status plan_file(nb_plan *p, nb_err *err)
{
    NB_TRY(nb_gguf_layout(&p->header, p->keys, p->layout, p->n, ALIGNMENT, &p->file_bytes, err));
    p->tensor_bytes = 0;
    for (size_t i = 0; i < p->n; i++) {
        p->tensor[i].offset = p->layout[i].offset;
        p->tensor[i].nbytes = p->layout[i].nbytes;
        p->tensor_bytes += p->layout[i].nbytes;
    }
    p->bpw = p->params ? 8.0 * (double)p->tensor_bytes / (double)p->params : 0;
    return NB_OK;
}

static nb_status plan_steps(nb_plan *p, const nb_recipe *r, const nb_kvs *kvs, item *items,
                            bool allow_requantize, nb_err *err)
{
    nb_shape_info info;
    char arch[64];
    uint32_t layers = 0;
    uint32_t file_type = file_type_of(r, kvs, items, p->n);
    shape_info(&info, arch, kvs, items, p->n);
    if (r->edits && r->edits->n_pruned)
        NB_TRY(prune(p, r->edits, items, &layers, err));
    if (r->keep_split)
        qsort(items, p->n, sizeof *items, by_shard_then_offset);
    p->tensor = nb_alloc(p->n, sizeof *p->tensor, "plan", err);
    p->layout = nb_alloc(p->n, sizeof *p->layout, "plan", err);
    p->notes = nb_alloc(p->n, NOTE_LEN, "plan", err);
    if (!p->tensor || !p->layout || !p->notes)
        return NB_NOMEM;
    NB_TRY(plan_types(p, r, &info, items, allow_requantize, err));
    NB_TRY(output_keys(&p->keys, r, kvs, file_type, &info, layers, err));
    return plan_file(p, err);
}

/* items[n]: sorted here. */
static nb_status plan_items(nb_plan *out, const nb_recipe *r, const nb_kvs *kvs, item *items,
                            size_t n, bool allow_requantize, nb_err *err)
{
    nb_plan p = {.preset = r->preset, .imatrix = r->imatrix, .n = n};
    nb_kvs *seen;
    NB_TRY(nb_kvs_open(&seen, err));
    nb_status st = NB_OK;
    for (size_t i = 0; i < nb_kvs_count(kvs) && st == NB_OK; i++)
        st = nb_kvs_put(seen, nb_kvs_at(kvs, i), false, err);
    if (st == NB_OK)
        st = nb_edits_apply(seen, r->edits, err);
    qsort(items, n, sizeof *items, by_layer_then_name);
    if (st == NB_OK)
        st = plan_steps(&p, r, seen, items, allow_requantize, err);
    nb_kvs_close(&seen);
    if (st != NB_OK)
        nb_plan_free(&p);
    else
        *out = p;
    return st;
}

/* llama-quantize writes no dimension of 1 at the end (ggml_n_dims); llama.cpp's converter, which is
 * what the float types of a folder come from, keeps it. */
static void drop_ones(nb_tensor *t, const nb_recipe *r, const nb_weights *w)
{
    nk_type_id base = r->preset->base;
    bool converted = nb_weights_container(w) == NB_HF_DIR &&
                     (base == NK_F32 || base == NK_F16 || base == NK_BF16);
    while (!converted && t->n_dims > 1 && t->shape[t->n_dims - 1] == 1)
        t->n_dims--;
}

nb_status nb_plan_make(nb_plan *out, const nb_recipe *r, const nb_weights *w, bool allow_requantize,
                       nb_err *err)
{
    size_t n = nb_weights_count(w);
    item *items = nb_alloc(n, sizeof *items, "tensor list", err);
    if (!items)
        return NB_NOMEM;
    for (size_t i = 0; i < n; i++) {
        const nb_view *v = nb_weights_at(w, i);
        items[i] = (item){.t = v->t, .src_type = v->t.type, .src = v};
        items[i].t.type = v->out_type;
        drop_ones(&items[i].t, r, w);
    }
    nb_status st = plan_items(out, r, nb_weights_kvs(w), items, n, allow_requantize, err);
    free(items);
    if (st == NB_OK) {
        out->weights = w;
        for (size_t i = 0; i < out->n; i++)
            out->source_bytes += out->tensor[i].src->t.nbytes;
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
    free(p->names);
    nb_kvs_close(&p->keys);
    nb_str_free(&p->header);
    memset(p, 0, sizeof *p);
}
