/* synth: random models of named shapes. */
#include <stdio.h>

#include "core/base/file.h"
#include "core/eval/synth.h"
#include "tui/commands/quantize_opt.h"

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
        NB_TRY(ui_output_option(&o[S_OUT], path, sizeof path, err));
    if (ctx->dry_run) {
        if (ctx->json)
            synth_json(shape, preset, path, NULL);
        else
            ui_print_labelled("would write ", path);
        return NB_OK;
    }
    NB_TRY(ui_refuse_existing(ctx, NULL, path, err));
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
        ui_print_labelled("", path);
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
