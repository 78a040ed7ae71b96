/* quantize, synth: commands that write models. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/eval/synth.h"
#include "core/files/library.h"
#include "core/quant/import.h"
#include "core/quant/quantize.h"
#include "tui/commands/cmd.h"
#include "tui/twin.h"

enum {
    Q_TYPE,
    Q_OUT,
    Q_METHOD,
    Q_PURE,
    Q_OUTPUT_TYPE,
    Q_EMBD_TYPE,
    Q_RULES,
    Q_REQUANTIZE,
    Q_COUNT
};
static const ui_opt quantize_opt[Q_COUNT] = {
    {"type", 't', UI_OPT_TYPE, "TYPE", NULL, 0, 0, "preset: Q4_K_M, Q8_0, F16 ..."},
    {"output", 'o', UI_OPT_FILE, "OUT", "NAME-TYPE.gguf here", 0, 0, "file to write"},
    {"method", 0, UI_OPT_TEXT, "METHOD", "reference", 0, 0, "how codes are chosen"},
    {"pure", 0, UI_OPT_FLAG, NULL, NULL, 0, 0, "the preset's base type everywhere"},
    {"output-tensor-type", 0, UI_OPT_TEXT, "T", NULL, 0, 0, "ggml type of output.weight"},
    {"token-embedding-type", 0, UI_OPT_TEXT, "T", NULL, 0, 0, "ggml type of token_embd.weight"},
    {"tensor-type", 0, UI_OPT_TEXTS, "GLOB=T", NULL, 0, 0,
     "ggml type for matching tensors; first match wins; may be repeated"},
    {"allow-requantize", 0, UI_OPT_FLAG, NULL, NULL, 0, 0,
     "accept a source that is quantized already"},
};

static nb_status type_option(int *out, const ui_arg *a, const char *name, nb_err *err)
{
    if (!a->set)
        return NB_OK;
    const nk_type *t = nk_type_find(a->text);
    if (!t || !t->encode || t->activation_only)
        return nb_fail(err, NB_USAGE, "--%s: \"%s\" is no ggml type that can be written", name,
                       a->text);
    *out = (int)t->id;
    return NB_OK;
}

static nb_status recipe_from(nb_recipe *r, const ui_ctx *ctx, nb_err *err)
{
    const ui_arg *o = ctx->opt;
    if (!o[Q_TYPE].set)
        return nb_fail(err, NB_USAGE, "--type is missing: for example -t Q4_K_M");
    const nb_preset *preset = nb_preset_find(o[Q_TYPE].text);
    if (!preset)
        return nb_fail(err, NB_USAGE, "--type: no preset \"%s\" (nibble quantize --help)",
                       o[Q_TYPE].text);
    nb_recipe_init(r, preset);
    r->pure = o[Q_PURE].flag;
    NB_TRY(type_option(&r->output_type, &o[Q_OUTPUT_TYPE], "output-tensor-type", err));
    NB_TRY(type_option(&r->embd_type, &o[Q_EMBD_TYPE], "token-embedding-type", err));
    for (size_t i = 0; i < o[Q_RULES].n_texts; i++)
        NB_TRY(nb_recipe_add(r, o[Q_RULES].texts[i], err));
    return NB_OK;
}

/* run NULL: a dry run, figures of the plan alone. */
static nb_status print_json(const nb_plan *plan, const char *out_path, nb_run *run, nb_err *err)
{
    nb_str text = {0};
    nb_jout w = nb_jout_make(&text);
    nb_run_view v = {0};
    nb_tensor_report *report = run ? nb_alloc(1, sizeof *report, "report", err) : NULL;
    if (run && !report)
        return NB_NOMEM;
    if (run)
        nb_run_look(run, &v);
    nb_jout_object(&w);
    ui_twin_quantize(&w, plan, out_path, run, v.elapsed, report);
    nb_jout_object_end(&w);
    puts(nb_str_c(&text));
    nb_str_free(&text);
    free(report);
    return NB_OK;
}

static void print_safe_line(const char *label, const char *text)
{
    printf("%s", label);
    ui_print_safe(text, strlen(text));
    putchar('\n');
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
        print_safe_line("", line);
    }
    printf("%zu tensors, %s -> %s, ", plan->n, nb_human_bytes(from, plan->source_bytes),
           nb_human_bytes(to, plan->file_bytes));
    char bpw[48];
    printf("%s bits per weight\n", nb_fmt_fixed(bpw, plan->bpw, 3));
    if (plan->n_fallback)
        printf("%zu tensors take another type because of their width\n", plan->n_fallback);
    print_safe_line("would write ", out_path);
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
    print_safe_line("  ", line);
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

static void print_result(const nb_plan *plan, const char *out_path, nb_run *run)
{
    nb_run_view v;
    char bytes[16], bpw[48], rel[48], sqnr[48], sec[48];
    nb_run_look(run, &v);
    print_safe_line("", out_path);
    printf("%s  %s bits per weight  weight error %s %%  SQNR %s dB  %s s\n",
           nb_human_bytes(bytes, plan->file_bytes), nb_fmt_fixed(bpw, plan->bpw, 3),
           nb_fmt_fixed(rel, 100 * nb_stats_rel_rmse(&v.total), 2),
           nb_fmt_fixed(sqnr, nb_stats_sqnr_db(&v.total), 1), nb_fmt_fixed(sec, v.elapsed, 2));
    print_import(plan, run);
}

/* Said before the writer refuses, with the way out; an input is refused there in its own words. */
static nb_status refuse_existing(const ui_ctx *ctx, const nb_weights *w, const char *path,
                                 nb_err *err)
{
    if (ctx->force || !nb_exists(path) || nb_is_dir(path) || (w && nb_weights_is_source(w, path)))
        return NB_OK;
    return nb_fail(err, NB_REFUSED, "%s exists already: --force replaces it", path);
}

static void add_hint(nb_err *err, const char *hint)
{
    size_t n = strlen(err->msg);
    snprintf(err->msg + n, sizeof err->msg - n, "%s", hint);
}

static nb_status output_option(const ui_arg *a, char *out, size_t cap, nb_err *err)
{
    if ((size_t)snprintf(out, cap, "%s", a->text) >= cap)
        return nb_fail(err, NB_USAGE, "--output: name is longer than %zu bytes", cap - 1);
    return NB_OK;
}

static nb_status execute(ui_ctx *ctx, const nb_plan *plan, const char *out_path, nb_err *err)
{
    nb_sched *sched = NULL;
    nb_lease *lease = NULL;
    nb_run *run = NULL;
    nb_quantize_options opt = {.force = ctx->force, .telemetry = true};
    nb_hooks hooks = ui_ctx_hooks(ctx);
    const ui_arg *method = &ctx->opt[Q_METHOD];
    if (method->set && !(opt.method = nb_method_find(method->text)))
        return nb_fail(err, NB_USAGE, "--method: no method \"%s\"", method->text);
    NB_TRY(refuse_existing(ctx, plan->weights, out_path, err));
    nb_status st = nb_sched_open(&sched, ctx->threads, err);
    if (st == NB_OK)
        st = nb_lease_take(&lease, sched, NB_WORK_QUANTIZE, 0, err);
    if (st == NB_OK)
        st = nb_run_open(&run, plan, out_path, &opt, err);
    if (st == NB_OK)
        st = nb_run_go(run, &ctx->ops, lease, &hooks, err);
    ui_ctx_done(ctx);
    if (st == NB_OK && ctx->json)
        st = print_json(plan, out_path, run, err);
    else if (st == NB_OK)
        print_result(plan, out_path, run);
    nb_run_close(&run);
    nb_lease_return(&lease);
    nb_sched_close(&sched);
    return st;
}

static nb_status run_quantize(ui_ctx *ctx, nb_err *err)
{
    char path[1024], out_path[1024];
    nb_weights *w = NULL;
    nb_plan plan = {0};
    nb_recipe recipe;
    NB_TRY(recipe_from(&recipe, ctx, err));
    NB_TRY(nb_library_resolve(&ctx->cfg, ctx->args[0], path, sizeof path, err));
    NB_TRY(nb_weights_open(&w, path, err));
    nb_status st = nb_plan_make(&plan, &recipe, w, ctx->opt[Q_REQUANTIZE].flag, err);
    if (st == NB_REFUSED && !ctx->opt[Q_REQUANTIZE].flag)
        add_hint(err, ": --allow-requantize does it all the same");
    if (st != NB_OK)
        goto out;
    if (!ctx->opt[Q_OUT].set)
        st = nb_output_name(out_path, sizeof out_path, ".", w, recipe.preset, err);
    else
        st = output_option(&ctx->opt[Q_OUT], out_path, sizeof out_path, err);
    if (st != NB_OK)
        goto out;
    if (!ctx->dry_run)
        st = execute(ctx, &plan, out_path, err);
    else if (ctx->json)
        st = print_json(&plan, out_path, NULL, err);
    else
        print_plan(&plan, out_path);
out:
    nb_plan_free(&plan);
    nb_weights_close(&w);
    return st;
}

const ui_cmd ui_cmd_quantize = {
    .name = "quantize",
    .args = "MODEL -t TYPE [-o OUT]",
    .summary = "write a quantized GGUF of a model",
    .details =
        "MODEL is a GGUF file or a Hugging Face directory; a directory goes straight to the\n"
        "quantized file in one pass. Tensor bytes equal those of llama-quantize. The output "
        "appears\n"
        "under its name only when it is whole, written to disk and verified; cancelling leaves "
        "nothing.\n"
        "JSON keys: source, output, preset, dry_run, bytes, tensor_bytes, params, bpw, seconds,\n"
        "rel_rmse, sqnr_db, tensors[] with name, type, bytes, why, rel_rmse, sqnr_db, max_error,\n"
        "max_error_at, clipped. Where another quantizer's codes are read the error is against what "
        "those\n"
        "mean, and there are packing, lands_in (the type their codes fit), exact (no weight "
        "differs) and,\n"
        "where it is not, lost: what is rounded or chosen anew; sorted where columns of act-order, "
        "and\n"
        "the rows that meet them, were put in the order of their steps. A figure that is not "
        "finite is "
        "null: sqnr_db of an "
        "exact tensor.\n"
        "A dry run has no figures, only names, types, bytes and why.",
    .opt = quantize_opt,
    .n_opt = Q_COUNT,
    .min_args = 1,
    .max_args = 1,
    .writes = true,
    .run = run_quantize,
};

/* --- synth -------------------------------------------------------------------------------------
 */

enum { S_TYPE, S_OUT, S_SEED, S_LIST, S_COUNT };
static const ui_opt synth_opt[S_COUNT] = {
    {"type", 't', UI_OPT_TYPE, "TYPE", "Q8_0", 0, 0, "preset of the file"},
    {"output", 'o', UI_OPT_FILE, "OUT", "SHAPE-TYPE.gguf here", 0, 0, "file to write"},
    {"seed", 0, UI_OPT_INT, "S", "1", 0, 0, "seed of the weights"},
    {"list", 0, UI_OPT_FLAG, NULL, NULL, 0, 0, "list the shapes"},
};

static void list_shapes(bool json)
{
    size_t n;
    const nb_shape *s = nb_shapes(&n);
    nb_str text = {0};
    nb_jout w = nb_jout_make(&text);
    nb_jout_array(&w);
    for (size_t i = 0; i < n; i++) {
        nb_jout_object(&w);
        nb_jout_key(&w, "name"), nb_jout_str(&w, s[i].name);
        nb_jout_key(&w, "architecture"), nb_jout_str(&w, s[i].arch);
        nb_jout_key(&w, "params"), nb_jout_u64(&w, nb_shape_params(&s[i]));
        nb_jout_object_end(&w);
        if (!json)
            printf("%-14s %-8s %6.2f B parameters  %u layers, width %u\n", s[i].name, s[i].arch,
                   (double)nb_shape_params(&s[i]) / 1e9, s[i].n_layer, s[i].n_embd);
    }
    nb_jout_array_end(&w);
    if (json)
        puts(nb_str_c(&text));
    nb_str_free(&text);
}

/* bytes NULL: a dry run. */
static void synth_json(const nb_shape *shape, const nb_preset *preset, const char *path,
                       const uint64_t *bytes)
{
    nb_str text = {0};
    nb_jout w = nb_jout_make(&text);
    nb_jout_object(&w);
    nb_jout_key(&w, "output"), nb_jout_str(&w, path);
    nb_jout_key(&w, "preset"), nb_jout_str(&w, preset->name);
    nb_jout_key(&w, "params"), nb_jout_u64(&w, nb_shape_params(shape));
    if (bytes)
        nb_jout_key(&w, "bytes"), nb_jout_u64(&w, *bytes);
    nb_jout_object_end(&w);
    puts(nb_str_c(&text));
    nb_str_free(&text);
}

static nb_status run_synth(ui_ctx *ctx, nb_err *err)
{
    const ui_arg *o = ctx->opt;
    if (o[S_LIST].flag) {
        list_shapes(ctx->json);
        return NB_OK;
    }
    if (ctx->n_args == 0)
        return nb_fail(err, NB_USAGE, "usage: nibble synth SHAPE -t TYPE -o OUT");
    const nb_shape *shape = nb_shape_find(ctx->args[0]);
    if (!shape)
        return nb_fail(err, NB_NOTFOUND, "no shape \"%s\" (nibble synth --list)", ctx->args[0]);
    const char *type = o[S_TYPE].set ? o[S_TYPE].text : "Q8_0";
    const nb_preset *preset = nb_preset_find(type);
    if (!preset)
        return nb_fail(err, NB_USAGE, "--type: no preset \"%s\"", type);
    nb_recipe recipe;
    nb_recipe_init(&recipe, preset);
    char path[1024];
    snprintf(path, sizeof path, "%s-%s.gguf", shape->name, preset->name);
    if (o[S_OUT].set)
        NB_TRY(output_option(&o[S_OUT], path, sizeof path, err));
    if (ctx->dry_run) {
        if (ctx->json)
            synth_json(shape, preset, path, NULL);
        else
            print_safe_line("would write ", path);
        return NB_OK;
    }
    NB_TRY(refuse_existing(ctx, NULL, path, err));
    nk_pool *pool = NULL;
    uint64_t bytes = 0;
    nb_hooks hooks = ui_ctx_hooks(ctx);
    NB_TRY(nk_pool_open(&pool, ctx->threads, err));
    nb_status st = nb_synth_write(shape, &recipe, o[S_SEED].set ? (uint64_t)o[S_SEED].i : 1, path,
                                  ctx->force, &ctx->ops, pool, &bytes, &hooks, err);
    nk_pool_close(&pool);
    ui_ctx_done(ctx);
    if (st != NB_OK)
        return st;
    if (ctx->json)
        synth_json(shape, preset, path, &bytes);
    else
        print_safe_line("", path);
    return NB_OK;
}

const ui_cmd ui_cmd_synth = {
    .name = "synth",
    .args = "SHAPE -t TYPE -o OUT",
    .summary = "write a random model of a named shape, for benchmarks",
    .details = "Weights are seeded noise: the file measures speed and memory, it cannot talk.\n"
               "JSON keys: output, preset, params, bytes (not in a dry run); with --list an array "
               "of name, architecture,\n"
               "params.",
    .opt = synth_opt,
    .n_opt = S_COUNT,
    .min_args = 0,
    .max_args = 1,
    .writes = true,
    .run = run_synth,
};
