/* show, inspect, tokenize: what is inside a model. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/files/library.h"
#include "core/files/weights.h"
#include "core/model/tok.h"
#include "core/quant/fit.h"
#include "core/quant/hist.h"
#include "kernels/fp.h"
#include "tui/commands/cmd.h"
#include "tui/commands/repo.h"
#include "tui/commands/show_diff.h"
#include "tui/twin.h"

/* --- show
 * ------------------------------------------------------------------------------------------ */

enum { H_TENSORS, H_KEYS, H_CTX, H_DIFF, H_REMOTE, H_FILES, H_CARD, H_COUNT };
static const ui_opt show_opt[H_COUNT] = {
    {"tensors", 0, UI_OPT_FLAG, NULL, NULL, 0, 0, "every tensor, not the summary by type"},
    {"keys", 0, UI_OPT_FLAG, NULL, NULL, 0, 0, "every metadata key"},
    {"ctx", 'c', UI_OPT_INT, "N", "4096", 1, 1 << 24, "context size for the memory figure"},
    {"diff", 0, UI_OPT_MODEL, "OTHER", NULL, 0, 0, "what differs in this one, tensor by tensor"},
    {"remote", 0, UI_OPT_FLAG, NULL, NULL, 0, 0, "ask the Hub even if it is in the cache"},
    {"files", 0, UI_OPT_FLAG, NULL, NULL, 0, 0, "every file of a repository"},
    {"card", 0, UI_OPT_FLAG, NULL, NULL, 0, 0, "the model card of a repository"},
};

typedef struct type_sum {
    uint64_t tensors, bytes, params;
} type_sum;

typedef struct summary {
    type_sum by_type[NK_TYPE_SLOTS];
    uint64_t params, bytes;
    bool has_fit;
    nb_hparams hp;
    nb_fit fit;
} summary;

static void summarise(summary *s, const nb_weights *w, uint32_t ctx, uint64_t limit)
{
    *s = (summary){0};
    for (size_t i = 0; i < nb_weights_count(w); i++) {
        const nb_tensor *t = &nb_weights_at(w, i)->t;
        type_sum *sum = &s->by_type[t->type];
        sum->tensors++;
        sum->bytes += t->nbytes;
        sum->params += nb_tensor_count(t);
        s->params += nb_tensor_count(t);
        s->bytes += t->nbytes;
    }
    uint64_t available, total;
    nb_memory(&available, &total);
    if (limit && limit < available)
        available = limit;
    s->has_fit = nb_hparams_read(&s->hp, nb_weights_kvs(w), NULL) == NB_OK;
    if (s->has_fit) {
        if (ctx > s->hp.n_ctx_train)
            ctx = s->hp.n_ctx_train;
        s->fit = nb_fit_of(&s->hp, nb_weights_file_bytes(w), ctx, false, available);
    }
}

static void show_json(const nb_weights *weights, const summary *s)
{
    nb_str text = {0};
    nb_jout w = nb_jout_make(&text);
    const twin_model m = {.path = nb_weights_path(weights),
                          .container = nb_weights_container(weights),
                          .file_bytes = nb_weights_file_bytes(weights),
                          .tensor_bytes = s->bytes,
                          .params = s->params};
    nb_jout_object(&w);
    ui_twin_model(&w, &m);
    if (s->has_fit)
        ui_twin_fit(&w, &s->fit);
    ui_twin_keys(&w, nb_weights_kvs(weights));
    nb_jout_key(&w, "tensors"), nb_jout_array(&w);
    for (size_t i = 0; i < nb_weights_count(weights); i++) {
        nb_jout_object(&w);
        ui_twin_tensor(&w, &nb_weights_at(weights, i)->t);
        nb_jout_object_end(&w);
    }
    nb_jout_array_end(&w);
    nb_jout_object_end(&w);
    puts(nb_str_c(&text));
    nb_str_free(&text);
}

static void show_tensor(const nb_tensor *t)
{
    char line[200], shape[64] = "";
    size_t n = 0;
    for (uint32_t d = 0; d < t->n_dims && n < sizeof shape; d++)
        n += (size_t)snprintf(shape + n, sizeof shape - n, "%s%llu", d ? " x " : "",
                              (unsigned long long)t->shape[d]);
    snprintf(line, sizeof line, "%-32s %-6s %16s %12llu", t->name, nk_type_get(t->type)->name,
             shape, (unsigned long long)t->nbytes);
    ui_print_line(line);
}

static void show_types(const nb_weights *w, const summary *s)
{
    (void)w;
    for (size_t id = 0; id < NK_TYPE_SLOTS; id++) {
        const type_sum *sum = &s->by_type[id];
        char bytes[16];
        if (sum->tensors)
            printf("  %-8s %4llu tensors  %9s  %5.1f %% of the bytes\n",
                   nk_type_get((uint32_t)id)->name, (unsigned long long)sum->tensors,
                   nb_human_bytes(bytes, sum->bytes),
                   100.0 * (double)sum->bytes / (double)(s->bytes ? s->bytes : 1));
    }
}

static void show_keys(const nb_kvs *kvs, bool all)
{
    for (size_t i = 0; i < nb_kvs_count(kvs); i++) {
        const nb_kv *kv = nb_kvs_at(kvs, i);
        if (!all && (kv->type == NB_KV_ARRAY || strstr(kv->key, "chat_template")))
            continue;
        char value[96], line[256];
        nb_kv_text(kv, value, sizeof value);
        snprintf(line, sizeof line, "  %-40s %s", kv->key, value);
        ui_print_line(line);
    }
}

static void show_text(const nb_weights *w, const summary *s, const ui_arg *opt)
{
    char bytes[16], a[16], b[16], c[16], d[16], e[16];
    ui_print_line(nb_weights_path(w));
    printf("  %s, %zu tensors, %.2f M parameters, %s, %.3f bits per weight\n",
           ui_twin_container(nb_weights_container(w)), nb_weights_count(w), (double)s->params / 1e6,
           nb_human_bytes(bytes, s->bytes),
           s->params ? 8.0 * (double)s->bytes / (double)s->params : 0);
    if (s->has_fit)
        printf("  memory at context %u: weights %s + KV %s + buffers %s = %s of %s: %s\n",
               s->fit.ctx, nb_human_bytes(a, s->fit.weights), nb_human_bytes(b, s->fit.kv),
               nb_human_bytes(c, s->fit.compute), nb_human_bytes(d, s->fit.total),
               nb_human_bytes(e, s->fit.available), nb_fit_name(s->fit.word));
    show_keys(nb_weights_kvs(w), opt[H_KEYS].flag);
    if (!opt[H_TENSORS].flag)
        show_types(w, s);
    for (size_t i = 0; opt[H_TENSORS].flag && i < nb_weights_count(w); i++)
        show_tensor(&nb_weights_at(w, i)->t);
}

static nb_status open_arg(nb_weights **w, const ui_ctx *ctx, const char *model, nb_err *err)
{
    char path[1024];
    NB_TRY(nb_library_resolve(&ctx->cfg, model, path, sizeof path, err));
    return nb_weights_open(w, path, err);
}

/* A repository is asked of the Hub when it is not here, or when only the Hub has the answer. */
static bool ask_hub(const ui_ctx *ctx, const char *model)
{
    char path[1024];
    const ui_arg *o = ctx->opt;
    if (!ui_is_repo(model))
        return false;
    if (o[H_DIFF].set)
        return false; /* values are needed, not headers */
    return o[H_REMOTE].flag || o[H_FILES].flag || o[H_CARD].flag ||
           nb_library_resolve(&ctx->cfg, model, path, sizeof path, NULL) != NB_OK;
}

static nb_status run_show(ui_ctx *ctx, nb_err *err)
{
    nb_weights *w = NULL;
    uint32_t n_ctx = ctx->opt[H_CTX].set ? (uint32_t)ctx->opt[H_CTX].i : 4096;
    if (ask_hub(ctx, ctx->args[0])) {
        ui_repo_look look = {n_ctx, ctx->opt[H_FILES].flag, ctx->opt[H_CARD].flag};
        return ui_show_repo(ctx, ctx->args[0], &look, err);
    }
    NB_TRY(open_arg(&w, ctx, ctx->args[0], err));
    if (ctx->opt[H_DIFF].set) {
        nb_weights *other = NULL;
        nb_status st = open_arg(&other, ctx, ctx->opt[H_DIFF].text, err);
        if (st == NB_OK)
            st = ui_show_diff(ctx, w, other, err);
        nb_weights_close(&other);
        nb_weights_close(&w);
        return st;
    }
    summary *s = nb_alloc(1, sizeof *s, "summary", err);
    if (s) {
        summarise(s, w, n_ctx, ctx->cfg.ram_limit);
        if (ctx->json)
            show_json(w, s);
        else
            show_text(w, s, ctx->opt);
    }
    nb_weights_close(&w);
    bool ok = s != NULL;
    free(s);
    return ok ? NB_OK : NB_NOMEM;
}

const ui_cmd ui_cmd_show = {
    .name = "show",
    .alias = "info",
    .args = "MODEL",
    .summary = "keys, tensors, types and memory need of a model, here or on the Hub",
    .details =
        "org/repo[@revision] that is not in the cache is asked of the Hub: its models with size,\n"
        "bits per weight and fit; with :TAG the header of that model, read by ranges.\n"
        "With --diff every tensor of OTHER is held against MODEL's: rms and greatest difference,\n"
        "relative to MODEL, and the cosine; types and shards may differ.\n"
        "\n"
        "JSON keys: path, container, file_bytes, tensor_bytes, params, bpw, fit {ctx, weights,\n"
        "kv, compute, total, available, word}, keys {}, tensors[] with name, type, shape, bytes.\n"
        "Of a repository: repo {as in search}, commit, chosen, choices[] with name, kind, bytes,\n"
        "bpw, complete, files[], fit {}, files[] with path, bytes, oid, lfs, security, dropped\n"
        "(files left out for unsafe names), with :TAG tensors[]; with --card only repo, commit,\n"
        "card. With --diff a, b, a_bytes, b_bytes, tensors[] {name, shape, a_type, b_type,\n"
        "a_bytes, b_bytes, equal, rel_rmse, max_error, cosine, or skipped}, only_a[], only_b[],\n"
        "keys[] {key, a, b} of those that differ, null where one has none.",
    .opt = show_opt,
    .n_opt = H_COUNT,
    .min_args = 1,
    .max_args = 1,
    .run = run_show,
};

/* --- inspect
 * --------------------------------------------------------------------------------------- */

enum { I_BLOCK, I_AGAINST, I_COUNT };
static const ui_opt inspect_opt[I_COUNT] = {
    {"block", 'b', UI_OPT_INT, "N", NULL, 0, 0, "show block N value by value"},
    {"against", 0, UI_OPT_MODEL, "MODEL", NULL, 0, 0, "the source: adds errors to every figure"},
};

typedef struct look {
    const nb_view *view, *ref; /* ref NULL without --against */
    const nk_type *type;
    float *row, *ref_row; /* [2 cols]: a row decoded, and room to make its bytes */
    nb_diff d;
} look;

static nb_status look_open(look *l, const nb_weights *w, const nb_weights *ref, const char *name,
                           nb_err *err)
{
    l->view = nb_weights_find(w, name);
    if (!l->view)
        return nb_fail(err, NB_NOTFOUND, "no tensor \"%s\" in %s", name, nb_weights_path(w));
    l->type = nk_type_get(l->view->t.type);
    if (!l->type->decode)
        return nb_fail(err, NB_UNSUPPORTED, "tensor \"%s\": type %s cannot be decoded", name,
                       l->type->name);
    if (ref && !(l->ref = nb_weights_find(ref, name)))
        return nb_fail(err, NB_NOTFOUND, "no tensor \"%s\" in %s", name, nb_weights_path(ref));
    if (l->ref && memcmp(l->ref->t.shape, l->view->t.shape, sizeof l->ref->t.shape) != 0)
        return nb_fail(err, NB_REFUSED, "tensor \"%s\" has another shape in %s", name,
                       nb_weights_path(ref));
    uint64_t cols = nb_tensor_cols(&l->view->t);
    l->row = nb_alloc(cols, 2 * sizeof *l->row, "row", err);
    l->ref_row = nb_alloc(cols, 2 * sizeof *l->ref_row, "row", err);
    return l->row && l->ref_row ? NB_OK : NB_NOMEM;
}

static void decode_row(const ui_ctx *ctx, const nb_view *v, uint64_t r, float *out)
{
    size_t cols = (size_t)nb_tensor_cols(&v->t);
    ctx->ops.decode[v->t.type](nb_weights_row(v, r, out + cols), out, cols);
}

/* Block `index` counts over the whole tensor. */
static nb_status block_view(const look *l, const ui_ctx *ctx, uint64_t index, nk_block_view *view,
                            float original[NK_VIEW_LEN], nb_err *err)
{
    uint64_t per_row = nb_tensor_cols(&l->view->t) / l->type->block_len;
    uint64_t total = per_row * nb_tensor_rows(&l->view->t);
    if (!l->type->explain)
        return nb_fail(err, NB_UNSUPPORTED, "type %s has no blocks to explain", l->type->name);
    if (index >= total)
        return nb_fail(err, NB_USAGE, "--block: tensor \"%s\" has blocks 0..%llu", l->view->t.name,
                       (unsigned long long)total - 1);
    uint64_t row = index / per_row, in_row = index % per_row;
    l->type->explain(nb_weights_row(l->view, row, l->row) + in_row * l->type->block_size, view);
    if (l->ref) {
        decode_row(ctx, l->ref, row, l->ref_row);
        memcpy(original, l->ref_row + in_row * l->type->block_len, view->len * sizeof *original);
    }
    return NB_OK;
}

static void inspect_text(const look *l)
{
    enum { COLS = 64, ROWS = 8 };
    static const char *const bar[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    const nb_stats *s = &l->d.stats;
    double column[COLS], below, above, top = 0;
    double reach = nb_hist_reach(&l->d.hist, 1.0);
    nb_hist_columns(&l->d.hist, -reach, reach, column, COLS, &below, &above);
    for (size_t i = 0; i < COLS; i++)
        top = fmax(top, column[i]);
    for (int y = ROWS - 1; y >= 0 && top > 0; y--) {
        for (size_t i = 0; i < COLS; i++) {
            double eighths = column[i] / top * ROWS * 8 - y * 8;
            fputs(bar[eighths <= 0 ? 0 : eighths >= 8 ? 8 : (int)ceil(eighths)], stdout);
        }
        putchar('\n');
    }
    printf("%-30.4g%4s%30.4g\n", -reach, "0", reach);
    printf("n %llu  mean %.3g  sigma %.4g  min %.4g  max %.4g  zeros %llu  NaN %llu  Inf %llu\n",
           (unsigned long long)s->n, s->n ? s->sum / (double)s->n : 0, nb_stats_std(s),
           (double)s->min, (double)s->max, (unsigned long long)s->n_zero,
           (unsigned long long)s->n_nan, (unsigned long long)s->n_inf);
    if (l->ref)
        printf("weight error %.3f %%  SQNR %.1f dB  max error %.4g at %llu  cosine %.6f\n",
               100 * nb_stats_rel_rmse(s), nb_stats_sqnr_db(s), (double)s->max_err,
               (unsigned long long)s->max_err_at, nb_diff_cosine(&l->d));
}

static void block_text(const look *l, uint64_t index, const nk_block_view *v, const float *original)
{
    printf("block %llu, %s: %u weights, codes %d..%d, d %.6g\n", (unsigned long long)index,
           l->type->name, v->len, v->code_min, v->code_max, (double)v->d);
    printf("  idx  code        scale       offset      decoded%s\n",
           l->ref ? "     original        error" : "");
    for (uint32_t i = 0; i < v->len; i++) {
        float w = nk_view_weight(v, i);
        printf("%5u %5d %12.5g %12.5g %12.5g", i, v->code[i], (double)v->scale[i / v->group],
               (double)(v->offset[i / v->group] + 0.0f), (double)w); /* -0 reads badly */
        if (l->ref)
            printf(" %12.5g %12.5g", (double)original[i], (double)(w - original[i]));
        putchar('\n');
    }
}

static void inspect_json(const look *l, bool block, uint64_t index, const nk_block_view *v,
                         const float *original)
{
    nb_str text = {0};
    nb_jout w = nb_jout_make(&text);
    nb_jout_object(&w);
    ui_twin_tensor(&w, &l->view->t);
    ui_twin_figures(&w, &l->d);
    if (block)
        ui_twin_block(&w, index, v, l->ref ? original : NULL);
    nb_jout_object_end(&w);
    puts(nb_str_c(&text));
    nb_str_free(&text);
}

static nb_status run_inspect(ui_ctx *ctx, nb_err *err)
{
    nb_weights *w = NULL, *ref = NULL;
    const ui_arg *o = ctx->opt;
    float original[NK_VIEW_LEN];
    nk_block_view view;
    nb_hooks hooks = ui_ctx_hooks(ctx);
    look *l = nb_alloc(1, sizeof *l, "statistics", err);
    if (!l)
        return NB_NOMEM;
    nb_status st = open_arg(&w, ctx, ctx->args[0], err);
    if (st == NB_OK && o[I_AGAINST].set)
        st = open_arg(&ref, ctx, o[I_AGAINST].text, err);
    if (st == NB_OK)
        st = look_open(l, w, ref, ctx->args[1], err);
    if (st == NB_OK)
        st = nb_diff_read(&l->d, l->view, l->ref, &ctx->ops, &hooks, err);
    uint64_t index = (uint64_t)o[I_BLOCK].i;
    if (st == NB_OK && o[I_BLOCK].set)
        st = block_view(l, ctx, index, &view, original, err);
    if (st == NB_OK && ctx->json) {
        inspect_json(l, o[I_BLOCK].set, index, &view, original);
    } else if (st == NB_OK) {
        inspect_text(l);
        if (o[I_BLOCK].set)
            block_text(l, index, &view, original);
    }
    free(l->row);
    free(l->ref_row);
    free(l);
    nb_weights_close(&ref);
    nb_weights_close(&w);
    return st;
}

const ui_cmd ui_cmd_inspect = {
    .name = "inspect",
    .args = "MODEL TENSOR",
    .summary = "histogram and statistics of one tensor, or one block value by value",
    .details =
        "JSON keys: name, type, shape, bytes, n, mean, std, min, max, kurtosis, zeros, nan, inf,\n"
        "histogram [lower edge, count], with --against rel_rmse, sqnr_db, max_error,\n"
        "max_error_at, cosine, difference [as histogram]; with --block block {index, d, values[] "
        "with code, scale, offset, decoded,\n"
        "original}. decoded = scale * code + offset.",
    .opt = inspect_opt,
    .n_opt = I_COUNT,
    .min_args = 2,
    .max_args = 2,
    .run = run_inspect,
};
