/* quantize: a model written anew. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/files/library.h"
#include "core/quant/import.h"
#include "core/quant/quantize.h"
#include "core/quant/requantize.h"
#include "core/quant/shards.h"
#include "tui/commands/quantize_opt.h"
#include "tui/twin.h"

/* run NULL: a dry run, figures of the plan alone. */
static nb_status print_json(nb_jout *w, const nb_plan *plan, const char *out_path, nb_run *run,
                            nb_err *err)
{
    nb_run_view v = {0};
    nb_tensor_report *report = run ? nb_alloc(1, sizeof *report, "report", err) : NULL;
    if (run && !report)
        return NB_NOMEM;
    if (run)
        nb_run_look(run, &v);
    nb_jout_object(w);
    ui_twin_quantize(w, plan, out_path, run, v.elapsed, report);
    nb_jout_object_end(w);
    free(report);
    return NB_OK;
}

static void print_imatrix(const nb_plan *plan)
{
    const nb_imatrix *im = plan->imatrix;
    if (!im)
        return;
    ui_print_labelled("importance matrix ", im->path);
    if (im->n_bad)
        printf("%llu of its values are not finite or negative: their matrix's mean was taken\n",
               (unsigned long long)im->n_bad);
    if (plan->n_unweighted)
        printf("quantized without importance, for want of an entry in it: %zu tensor%s\n",
               plan->n_unweighted, plan->n_unweighted == 1 ? "" : "s");
}

static void print_plan(const nb_plan *plan, const char *out_path)
{
    char from[16], to[16];
    for (size_t i = 0; i < plan->n; i++) {
        const nb_planned *p = &plan->tensor[i];
        char line[240];
        nb_import in;
        bool lossy = nb_import_of(&in, p, NULL) && !in.exact;
        snprintf(line, sizeof line, "%-28s %-5s %12llu  %s%s%s%s%s", plan->layout[i].name,
                 p->type->name, (unsigned long long)p->nbytes, p->why, lossy ? "; from " : "",
                 lossy ? in.packing : "", lossy ? ": " : "", lossy ? in.lost : "");
        ui_print_labelled("", line);
    }
    printf("%zu tensors, %s -> %s, ", plan->n, nb_human_bytes(from, plan->source_bytes),
           nb_human_bytes(to, plan->file_bytes));
    char bpw[48];
    printf("%s bits per weight\n", nb_fmt_fixed(bpw, plan->bpw, 3));
    if (plan->n_fallback)
        printf("%zu tensors take another type because of their width\n", plan->n_fallback);
    print_imatrix(plan);
    ui_print_labelled("would write ", out_path);
}

/* One tensor whose weights are not all what the checkpoint defines. */
static void print_loss(const nb_plan *plan, size_t i, const nb_import *in)
{
    char line[240], number[32];
    const nb_planned *p = &plan->tensor[i];
    snprintf(line, sizeof line, "%.*s  %s as %s: %s; at most %s, at row %llu, column %llu",
             NB_MAX_NAME, plan->layout[i].name, in->packing, p->type->name,
             in->lost ? in->lost : "weights differ", nb_fmt_double(number, (double)fabsf(in->most)),
             (unsigned long long)in->row, (unsigned long long)in->col);
    ui_print_labelled("  ", line);
}

/* Of weights that another quantizer packed: how far what the file decodes to lies from what the
 * checkpoint defines, tensor by tensor where it is not the same. */
static void print_import(const nb_plan *plan, nb_run *run)
{
    nb_tensor_report *r = nb_alloc(1, sizeof *r, "report", NULL);
    nb_import_sum sum = {.n = 0};
    for (size_t i = 0; r && i < plan->n; i++)
        if (nb_run_report(run, i, r) && r->done)
            nb_import_add(&sum, &plan->tensor[i], i, &r->stats);
    if (sum.exact)
        printf("%zu of %zu tensors from %s hold every weight of the checkpoint: largest difference "
               "0 over %llu weights\n",
               sum.exact, sum.n, sum.packing, (unsigned long long)sum.equal);
    if (sum.sorted)
        printf("%zu of them are in another order, rows and columns that meet alike, so that codes "
               "are kept: adapters made for the checkpoint do not fit\n",
               sum.sorted);
    if (sum.n > sum.exact)
        printf("%zu of %zu tensors from %s differ from the checkpoint:\n", sum.n - sum.exact, sum.n,
               sum.packing);
    for (size_t i = 0; r && i < plan->n; i++) {
        nb_import in;
        if (nb_run_report(run, i, r) && r->done && nb_import_of(&in, &plan->tensor[i], &r->stats) &&
            !in.exact)
            print_loss(plan, i, &in);
    }
    free(r);
}

/* What a method that searches harder got, type by type. */
static void print_gain(const nb_plan *plan, nb_run *run)
{
    double gain[NK_TYPE_SLOTS][2] = {{0}};
    nb_tensor_report *r = nb_alloc(1, sizeof *r, "report", NULL);
    for (size_t i = 0; r && i < plan->n; i++)
        if (nb_run_report(run, i, r)) {
            gain[plan->tensor[i].type->id][0] += r->gain[0];
            gain[plan->tensor[i].type->id][1] += r->gain[1];
        }
    free(r);
    for (uint32_t t = 0; t < NK_TYPE_SLOTS; t++)
        if (gain[t][0] > 0) {
            char less[48];
            printf("%s: weighted squared error %s %% less than the reference's\n",
                   nk_type_get(t)->name,
                   nb_fmt_fixed(less, 100 * (1 - gain[t][1] / gain[t][0]), 2));
        }
}

static void print_result(const nb_plan *plan, const char *out_path, nb_run *run)
{
    nb_run_view v;
    char bytes[16], bpw[48], rel[48], sqnr[48], sec[48], from[80];
    nb_run_look(run, &v);
    ui_print_labelled("", out_path);
    printf("%s  %s bits per weight", nb_human_bytes(bytes, plan->file_bytes),
           nb_fmt_fixed(bpw, plan->bpw, 3));
    if (v.figures != NB_FIGURES_NONE)
        printf("  weight error %s %%%s  SQNR %s dB",
               nb_fmt_fixed(rel, 100 * nb_stats_rel_rmse(&v.total), 2),
               nb_measured_text(from, &v.total, v.measured),
               nb_fmt_fixed(sqnr, nb_stats_sqnr_db(&v.total), 1));
    printf("  %s s\n", nb_fmt_fixed(sec, v.elapsed, 2));
    print_gain(plan, run);
    print_imatrix(plan);
    if (v.n_kept)
        printf("%zu of %zu tensors were whole since an earlier run\n", v.n_kept, v.n);
    if (v.figures != NB_FIGURES_NONE)
        print_import(plan, run);
}

static void add_hint(nb_err *err, const char *hint)
{
    size_t n = strlen(err->msg);
    snprintf(err->msg + n, sizeof err->msg - n, "%s", hint);
}

/* What a run needs besides its plan. */
typedef struct engine {
    nb_sched *sched;
    nb_lease *lease;
    nb_hooks hooks;
} engine;

static nb_status engine_open(engine *e, ui_ctx *ctx, nb_err *err)
{
    *e = (engine){.hooks = ui_ctx_hooks(ctx)};
    NB_TRY(nb_sched_open(&e->sched, ctx->threads, err));
    return nb_lease_take(&e->lease, e->sched, NB_WORK_QUANTIZE, 0, err);
}

static void engine_close(engine *e, ui_ctx *ctx)
{
    ui_ctx_done(ctx);
    nb_lease_return(&e->lease);
    nb_sched_close(&e->sched);
}

static nb_status run_plan(ui_ctx *ctx, nb_run **run, const nb_plan *plan, const char *out_path,
                          const nb_quantize_options *opt, nb_err *err)
{
    engine e;
    NB_TRY(ui_refuse_existing(ctx, plan->weights, out_path, err));
    nb_status st = engine_open(&e, ctx, err);
    if (st == NB_OK)
        st = nb_run_open(run, plan, out_path, opt, err);
    if (st == NB_OK)
        st = nb_run_go(*run, &ctx->ops, e.lease, &e.hooks, err);
    engine_close(&e, ctx);
    return st;
}

/* run NULL: a dry run. */
static nb_status print_one(const ui_ctx *ctx, const nb_plan *plan, const char *out_path,
                           nb_run *run, nb_jout *json, nb_err *err)
{
    if (ctx->json)
        return print_json(json, plan, out_path, run, err);
    if (run)
        print_result(plan, out_path, run);
    else
        print_plan(plan, out_path);
    return NB_OK;
}

static nb_status write_plan(ui_ctx *ctx, const nb_plan *plan, const char *out_path,
                            const nb_quantize_options *opt, nb_jout *json, nb_err *err)
{
    nb_run *run = NULL;
    nb_status st = ctx->dry_run ? NB_OK : run_plan(ctx, &run, plan, out_path, opt, err);
    if (st == NB_OK)
        st = print_one(ctx, plan, out_path, run, json, err);
    nb_run_close(&run);
    return st;
}

static nb_status run_shards(ui_ctx *ctx, nb_shards **set, const nb_plan *shard, size_t n,
                            const char *out_path, const nb_quantize_options *opt, nb_err *err)
{
    engine e;
    nb_status st = engine_open(&e, ctx, err);
    if (st == NB_OK)
        st = nb_shards_open(set, shard, n, out_path, opt, err);
    if (st == NB_OK)
        st = nb_shards_go(*set, &ctx->ops, e.lease, &e.hooks, err);
    engine_close(&e, ctx);
    if (st == NB_REFUSED && nb_has_suffix(err->msg, "exists already"))
        add_hint(err, ": --force replaces it");
    return st;
}

/* All of them or none. */
static nb_status write_shards(ui_ctx *ctx, const nb_plan *whole, const char *out_path,
                              const nb_quantize_options *opt, nb_jout *json, nb_err *err)
{
    char path[1100];
    nb_plan *shard = NULL;
    nb_shards *set = NULL;
    size_t n = 0;
    NB_TRY(nb_plan_shards(&shard, &n, whole, err));
    nb_status st = ctx->dry_run ? NB_OK : run_shards(ctx, &set, shard, n, out_path, opt, err);
    nb_jout_object(json);
    nb_jout_key(json, "files"), nb_jout_array(json);
    for (size_t i = 0; i < n && st == NB_OK; i++) {
        st = nb_shard_path(path, sizeof path, out_path, i + 1, n, err);
        if (st == NB_OK)
            st = print_one(ctx, &shard[i], path, set ? nb_shards_run(set, i) : NULL, json, err);
    }
    nb_jout_array_end(json);
    nb_jout_object_end(json);
    nb_shards_close(&set);
    nb_plans_free(&shard, n);
    return st;
}

/* What a second quantizing costs, said before it: coarsest sources first. */
static nb_status say_requantized(const ui_ctx *ctx, const nb_plan *plan, nb_err *err)
{
    nb_requantized r[NB_MAX_REQUANTIZED];
    size_t n;
    if (!plan->n_requantized || ctx->quiet)
        return NB_OK;
    NB_TRY(nb_plan_requantized(plan, &ctx->ops, r, &n, err));
    for (size_t i = 0; i < n; i++) {
        char was[48], step[48], both[48];
        fprintf(stderr,
                "nibble: %zu tensors are %s already (about %s %% off); %s adds %s %%: expect %s %% "
                "of weight error\n",
                r[i].tensors, r[i].from->name, nb_fmt_fixed(was, 100 * r[i].source, 2),
                r[i].to->name, nb_fmt_fixed(step, 100 * r[i].step, 2),
                nb_fmt_fixed(both, 100 * r[i].expected, 2));
    }
    return NB_OK;
}

static nb_status execute(ui_ctx *ctx, const ui_wishes *w, const nb_plan *plan, const char *out_path,
                         nb_err *err)
{
    nb_quantize_options opt = {
        .method = w->method, .knobs = w->knobs, .force = ctx->force, .figures = w->figures};
    nb_str text = {0};
    nb_jout json = nb_jout_make(&text);
    NB_TRY(ui_wishes_check(w, plan, err));
    NB_TRY(say_requantized(ctx, plan, err));
    if (!ctx->quiet)
        ui_wishes_unused(w, plan);
    nb_status st = w->recipe.keep_split ? write_shards(ctx, plan, out_path, &opt, &json, err)
                                        : write_plan(ctx, plan, out_path, &opt, &json, err);
    if (st == NB_OK && ctx->json)
        puts(nb_str_c(&text));
    nb_str_free(&text);
    return st;
}

static nb_status run_quantize(ui_ctx *ctx, nb_err *err)
{
    char path[1024], out_path[1024];
    nb_weights *w = NULL;
    nb_plan plan = {0};
    ui_wishes wishes = {0};
    nb_status st = ui_wishes_read(&wishes, ctx, err);
    if (st == NB_OK)
        st = nb_library_resolve(&ctx->cfg, ctx->args[0], path, sizeof path, err);
    if (st == NB_OK)
        st = nb_weights_open(&w, path, err);
    if (st == NB_OK)
        st = nb_plan_make(&plan, &wishes.recipe, w, ctx->opt[Q_REQUANTIZE].flag, err);
    if (st == NB_REFUSED && w && !ctx->opt[Q_REQUANTIZE].flag)
        add_hint(err, ": --allow-requantize does it all the same");
    if (st == NB_OK && !ctx->opt[Q_OUT].set)
        st = nb_output_name(out_path, sizeof out_path, ".", w, wishes.recipe.preset->name, err);
    else if (st == NB_OK)
        st = ui_output_option(&ctx->opt[Q_OUT], out_path, sizeof out_path, err);
    if (st == NB_OK)
        st = execute(ctx, &wishes, &plan, out_path, err);
    nb_plan_free(&plan);
    nb_weights_close(&w);
    ui_wishes_free(&wishes);
    return st;
}

const ui_cmd ui_cmd_quantize = {
    .name = "quantize",
    .args = "MODEL -t TYPE [-o OUT]",
    .summary = "write a quantized GGUF of a model",
    .details =
        "MODEL is a GGUF file or a Hugging Face directory; a directory goes straight to the\n"
        "quantized file in one pass. The file equals llama-quantize's byte for byte, with the "
        "options of\n"
        "its names too. The output appears under its name only when it is whole, written to disk "
        "and\n"
        "verified; cancelling leaves nothing. After a kill the same command goes on behind the "
        "last "
        "whole\n"
        "tensor: OUT.part and OUT.part.journal are what it needs.\n"
        "JSON keys: source, output, preset, dry_run, bytes, tensor_bytes, params, bpw, seconds,\n"
        "kept (tensors an earlier run left whole), rel_rmse, sqnr_db, tensors[] with name, type, "
        "bytes, why,\n"
        "rel_rmse, sqnr_db, max_error,\n"
        "max_error_at, clipped, measured (weights that the errors are made of), rel_rmse_error.\n"
        "Of tensors beyond 262144 weights, in models beyond 8 million, these are a sample of at\n"
        "least a 512th, of floats, Q8_0 and Q4_0 a third of that, the same in every run;\n"
        "--figures all takes every weight. Of a sample\n"
        "rel_rmse and sqnr_db are estimates with the standard error rel_rmse_error, max_error is\n"
        "the largest met, clipped the count among the measured. --figures none leaves errors out.\n"
        "Where another quantizer's codes are read the error is against what those\n"
        "mean, and there are packing, lands_in (the type their codes fit), exact (no weight "
        "differs) and,\n"
        "where it is not, lost: what is rounded or chosen anew; sorted where columns of act-order, "
        "and\n"
        "the rows that meet them, were put in the order of their steps. A figure that is not "
        "finite is "
        "null: sqnr_db of an "
        "exact tensor.\n"
        "A dry run has no figures, only names, types, bytes and why. With --keep-split one such "
        "object per\n"
        "file stands in files[]; the files get their names when all are whole, and the same "
        "command\n"
        "goes on after a kill in between. gain: share of the reference's weighted squared error "
        "that "
        "--best saves.\n"
        "With --imatrix also imatrix (file, data sets, entries, chunks, values that were "
        "replaced,\n"
        "unweighted: tensors it lacks) and importance of every tensor. Types that need it are\n"
        "refused without; a file of another model is refused.",
    .opt = ui_quantize_opt,
    .n_opt = Q_COUNT,
    .min_args = 1,
    .max_args = 1,
    .writes = true,
    .run = run_quantize,
};
