#include "tui/twin.h"

#include "core/quant/import.h"

static void u64(nb_jout *w, const char *key, uint64_t v)
{
    nb_jout_key(w, key);
    nb_jout_u64(w, v);
}

static void num(nb_jout *w, const char *key, double v)
{
    nb_jout_key(w, key);
    nb_jout_double(w, v);
}

static void str(nb_jout *w, const char *key, const char *v)
{
    nb_jout_key(w, key);
    nb_jout_str(w, v);
}

/* --- models ---------------------------------------------------------------------------------- */

const char *ui_twin_container(nb_container c)
{
    static const char *const name[] = {"gguf", "safetensors", "huggingface"};
    return (unsigned)c < countof(name) ? name[c] : "?";
}

void ui_twin_model(nb_jout *w, const twin_model *m)
{
    str(w, "path", m->path);
    str(w, "container", ui_twin_container(m->container));
    u64(w, "file_bytes", m->file_bytes);
    u64(w, "tensor_bytes", m->tensor_bytes);
    u64(w, "params", m->params);
    num(w, "bpw", m->params ? 8.0 * (double)m->tensor_bytes / (double)m->params : 0);
}

void ui_twin_fit(nb_jout *w, const nb_fit *f)
{
    nb_jout_key(w, "fit");
    nb_jout_object(w);
    u64(w, "ctx", f->ctx);
    u64(w, "weights", f->weights);
    u64(w, "kv", f->kv);
    u64(w, "compute", f->compute);
    u64(w, "total", f->total);
    u64(w, "available", f->available);
    str(w, "word", nb_fit_name(f->word));
    nb_jout_object_end(w);
}

static void key(nb_jout *w, const nb_kv *kv)
{
    nb_jout_key(w, kv->key);
    switch (kv->type) {
    case NB_KV_BOOL:
        nb_jout_bool(w, kv->v.u != 0);
        return;
    case NB_KV_STRING:
        nb_jout_strn(w, (const char *)kv->v.bytes, kv->n);
        return;
    case NB_KV_F32:
    case NB_KV_F64:
        nb_jout_double(w, kv->v.f);
        return;
    case NB_KV_ARRAY: /* long arrays (vocabularies) by count */
        nb_jout_object(w);
        u64(w, "elements", kv->n);
        str(w, "type", nb_kv_type_name(kv->elem));
        nb_jout_object_end(w);
        return;
    case NB_KV_I8:
    case NB_KV_I16:
    case NB_KV_I32:
    case NB_KV_I64:
        nb_jout_i64(w, kv->v.i);
        return;
    default:
        nb_jout_u64(w, kv->v.u);
        return;
    }
}

void ui_twin_keys(nb_jout *w, const nb_kvs *kvs)
{
    nb_jout_key(w, "keys");
    nb_jout_object(w);
    for (size_t i = 0; i < nb_kvs_count(kvs); i++)
        key(w, nb_kvs_at(kvs, i));
    nb_jout_object_end(w);
}

/* --- tensors --------------------------------------------------------------------------------- */

void ui_twin_tensor(nb_jout *w, const nb_tensor *t)
{
    const nk_type *type = nk_type_get((uint32_t)t->type);
    str(w, "name", t->name);
    str(w, "type", type ? type->name : "?");
    nb_jout_key(w, "shape");
    nb_jout_array(w);
    for (uint32_t d = 0; d < t->n_dims; d++)
        nb_jout_u64(w, t->shape[d]);
    nb_jout_array_end(w);
    u64(w, "bytes", t->nbytes);
}

static void histogram(nb_jout *w, const char *key, const nb_hist *h)
{
    nb_jout_key(w, key);
    nb_jout_array(w);
    for (size_t i = 0; i < NB_HIST_BINS; i++) {
        if (!h->count[i])
            continue;
        nb_jout_array(w);
        nb_jout_double(w, nb_hist_edge(i));
        nb_jout_u64(w, h->count[i]);
        nb_jout_array_end(w);
    }
    nb_jout_array_end(w);
}

static void errors(nb_jout *w, const nb_stats *s)
{
    num(w, "rel_rmse", nb_stats_rel_rmse(s));
    num(w, "sqnr_db", nb_stats_sqnr_db(s));
    num(w, "max_error", (double)s->max_err);
    u64(w, "max_error_at", s->max_err_at);
}

void ui_twin_figures(nb_jout *w, const nb_diff *d)
{
    const nb_stats *s = &d->stats;
    u64(w, "n", s->n);
    num(w, "mean", s->n ? s->sum / (double)s->n : 0);
    num(w, "std", nb_stats_std(s));
    num(w, "min", (double)s->min);
    num(w, "max", (double)s->max);
    num(w, "kurtosis", nb_stats_kurtosis(s));
    u64(w, "zeros", s->n_zero);
    u64(w, "nan", s->n_nan);
    u64(w, "inf", s->n_inf);
    histogram(w, "histogram", &d->hist);
    if (!d->compared)
        return;
    errors(w, s);
    num(w, "cosine", nb_diff_cosine(d));
    histogram(w, "difference", &d->error);
}

void ui_twin_block(nb_jout *w, uint64_t index, const nk_block_view *v, const float *original)
{
    nb_jout_key(w, "block");
    nb_jout_object(w);
    u64(w, "index", index);
    num(w, "d", (double)v->d);
    nb_jout_key(w, "values");
    nb_jout_array(w);
    for (uint32_t i = 0; i < v->len; i++) {
        nb_jout_object(w);
        nb_jout_key(w, "code");
        nb_jout_i64(w, v->code[i]);
        num(w, "scale", (double)v->scale[i / v->group]);
        num(w, "offset", (double)v->offset[i / v->group]);
        num(w, "decoded", (double)nk_view_weight(v, i));
        if (original)
            num(w, "original", (double)original[i]);
        nb_jout_object_end(w);
    }
    nb_jout_array_end(w);
    nb_jout_object_end(w);
}

/* --- quantize -------------------------------------------------------------------------------- */

/* Of a packed weight: what it was packed by, the type that holds its codes, whether all of it is
 * kept, and what is not. */
static void imported(nb_jout *w, const nb_planned *p, const nb_stats *s)
{
    nb_import in;
    if (!nb_import_of(&in, p, s))
        return;
    str(w, "packing", in.packing);
    str(w, "lands_in", nk_type_get(p->src_type)->name);
    nb_jout_key(w, "exact");
    nb_jout_bool(w, in.exact);
    if (in.sorted) {
        nb_jout_key(w, "sorted");
        nb_jout_bool(w, true);
    }
    if (!in.exact && in.lost)
        str(w, "lost", in.lost);
}

static void planned(nb_jout *w, const nb_plan *plan, size_t i, const nb_tensor_report *r)
{
    const nb_planned *p = &plan->tensor[i];
    nb_jout_object(w);
    str(w, "name", plan->layout[i].name);
    str(w, "type", p->type->name);
    u64(w, "bytes", p->nbytes);
    str(w, "why", p->why);
    if (plan->imatrix) {
        nb_jout_key(w, "importance");
        nb_jout_bool(w, p->importance != NULL);
    }
    imported(w, p, r ? &r->stats : NULL);
    if (r && r->stats.n) {
        nb_stats all = nb_stats_expand(&r->stats, p->n);
        errors(w, &r->stats);
        u64(w, "clipped", r->stats.n_clip);
        u64(w, "measured", r->stats.n);
        num(w, "rel_rmse_error", nb_stats_rel_rmse_error(&all));
    }
    if (r && r->gain[0] > 0)
        num(w, "gain", 1 - r->gain[1] / r->gain[0]);
    nb_jout_object_end(w);
}

static void imatrix(nb_jout *w, const nb_plan *plan)
{
    const nb_imatrix *im = plan->imatrix;
    nb_jout_key(w, "imatrix");
    nb_jout_object(w);
    str(w, "file", im->path);
    nb_jout_key(w, "datasets");
    nb_jout_array(w);
    for (size_t i = 0; i < im->n_datasets; i++)
        nb_jout_str(w, im->dataset[i]);
    nb_jout_array_end(w);
    u64(w, "entries", im->n);
    u64(w, "chunks", im->n_chunks);
    u64(w, "replaced", im->n_bad);
    u64(w, "unweighted", plan->n_unweighted);
    nb_jout_object_end(w);
}

void ui_twin_quantize(nb_jout *w, const nb_plan *plan, const char *out, nb_run *run, double seconds,
                      nb_tensor_report *report)
{
    str(w, "source", nb_weights_path(plan->weights));
    str(w, "output", out);
    str(w, "preset", plan->preset->name);
    nb_jout_key(w, "dry_run");
    nb_jout_bool(w, !run);
    u64(w, "bytes", plan->file_bytes);
    u64(w, "tensor_bytes", plan->tensor_bytes);
    u64(w, "params", plan->params);
    num(w, "bpw", plan->bpw);
    if (run) {
        nb_run_view v;
        nb_run_look(run, &v);
        num(w, "seconds", seconds);
        u64(w, "kept", v.n_kept);
        if (v.figures != NB_FIGURES_NONE) {
            num(w, "rel_rmse", nb_stats_rel_rmse(&v.total));
            num(w, "sqnr_db", nb_stats_sqnr_db(&v.total));
            num(w, "rel_rmse_error", nb_stats_rel_rmse_error(&v.total));
        }
        u64(w, "measured", v.measured);
    }
    if (plan->imatrix)
        imatrix(w, plan);
    nb_jout_key(w, "tensors");
    nb_jout_array(w);
    for (size_t i = 0; i < plan->n; i++) {
        bool measured = run && nb_run_report(run, i, report) && report->done;
        planned(w, plan, i, measured ? report : NULL);
    }
    nb_jout_array_end(w);
}
