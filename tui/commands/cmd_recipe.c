/* recipe: named rules for quantize, and the solver that writes them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/files/library.h"
#include "core/quant/recipe_file.h"
#include "tui/commands/recipe.h"

const ui_opt ui_recipe_opt[R_COUNT] = {
    {"type", 't', UI_OPT_TYPE, "TYPE", NULL, 0, 0, "save: preset beneath the rules"},
    {"rule", 0, UI_OPT_TEXTS, "GLOB=T", NULL, 0, 0,
     "save: ggml type for matching tensors, as in quantize; may be repeated"},
    {"pure", 0, UI_OPT_FLAG, NULL, NULL, 0, 0, "save: the preset's base type everywhere else"},
    {"output-tensor-type", 0, UI_OPT_TEXT, "T", NULL, 0, 0, "save: ggml type of output.weight"},
    {"token-embedding-type", 0, UI_OPT_TEXT, "T", NULL, 0, 0,
     "save: ggml type of token_embd.weight"},
    {"size", 0, UI_OPT_TEXT, "SIZE", NULL, 0, 0, "solve: bytes of the file: 4MB, 7.5GB"},
    {"bpw", 0, UI_OPT_NUM, "N", NULL, 0.5, 32, "solve: bits per weight of the tensors"},
    {"ram", 0, UI_OPT_TEXT, "SIZE", NULL, 0, 0,
     "solve: memory for weights, KV cache and buffers together"},
    {"ctx", 0, UI_OPT_INT, "N", "4096 or trained", 1, 16777216,
     "solve: tokens of context for --ram"},
    {"types", 0, UI_OPT_TEXT, "T,T", NULL, 0, 0, "solve: types to choose from"},
    {"imatrix", 0, UI_OPT_FILE, "FILE", NULL, 0, 0, "solve: weigh errors by its importance"},
    {"sensitivity", 0, UI_OPT_FILE, "FILE", NULL, 0, 0,
     "solve: damage per tensor, what nibble sensitivity --json writes"},
    {"save", 0, UI_OPT_TEXT, "NAME", NULL, 0, 0, "solve: keep the recipe under this name"},
};

/* --- list, show --------------------------------------------------------------------------------
 */

typedef struct listing {
    const ui_ctx *ctx;
    nb_jout *json;
    size_t n;
} listing;

static void list_one(void *ud, const char *name)
{
    listing *l = ud;
    nb_recipe r;
    nb_err err = {0};
    bool ok = nb_recipe_load(&r, &l->ctx->cfg, name, &err) == NB_OK;
    l->n++;
    if (l->ctx->json) {
        nb_jout_object(l->json);
        nb_jout_key(l->json, "name"), nb_jout_str(l->json, name);
        if (ok) {
            nb_jout_key(l->json, "preset"), nb_jout_str(l->json, r.preset->name);
            nb_jout_key(l->json, "rules"), nb_jout_u64(l->json, r.n_rules);
        } else {
            nb_jout_key(l->json, "error"), nb_jout_str(l->json, err.msg);
        }
        nb_jout_object_end(l->json);
    } else if (ok) {
        printf("%-24s %-8s %zu rule%s\n", name, r.preset->name, r.n_rules,
               r.n_rules == 1 ? "" : "s");
    } else {
        printf("%-24s ", name);
        ui_print_line(err.msg);
    }
}

static nb_status list(ui_ctx *ctx, nb_err *err)
{
    nb_str text = {0};
    nb_jout json = nb_jout_make(&text);
    listing l = {.ctx = ctx, .json = &json};
    nb_jout_array(&json);
    nb_status st = nb_recipe_each(&ctx->cfg, list_one, &l, err);
    nb_jout_array_end(&json);
    if (st == NB_OK && ctx->json)
        puts(nb_str_c(&text));
    else if (st == NB_OK && !l.n)
        printf("no recipes yet: nibble recipe save NAME -t Q4_K_M --rule ffn_down=q6_K\n");
    nb_str_free(&text);
    return st;
}

static size_t matches(const nb_plan *plan, size_t rule)
{
    size_t n = 0;
    for (size_t i = 0; i < plan->n; i++)
        n += plan->tensor[i].rule == (int)rule;
    return n;
}

void ui_recipe_json(nb_jout *w, const nb_recipe *r, const nb_plan *plan)
{
    nb_jout_key(w, "preset"), nb_jout_str(w, r->preset->name);
    nb_jout_key(w, "pure"), nb_jout_bool(w, r->pure);
    nb_jout_key(w, "leave_output"), nb_jout_bool(w, r->leave_output);
    nb_jout_key(w, "output_type");
    nb_jout_str(w, r->output_type < 0 ? "" : nk_type_get((uint32_t)r->output_type)->name);
    nb_jout_key(w, "embedding_type");
    nb_jout_str(w, r->embd_type < 0 ? "" : nk_type_get((uint32_t)r->embd_type)->name);
    nb_jout_key(w, "rules"), nb_jout_array(w);
    for (size_t i = 0; i < r->n_rules; i++) {
        nb_jout_object(w);
        nb_jout_key(w, "pattern"), nb_jout_str(w, r->rule[i].pattern);
        nb_jout_key(w, "type"), nb_jout_str(w, nk_type_get(r->rule[i].type)->name);
        if (plan)
            nb_jout_key(w, "tensors"), nb_jout_u64(w, matches(plan, i));
        nb_jout_object_end(w);
    }
    nb_jout_array_end(w);
    if (plan) {
        nb_jout_key(w, "bytes"), nb_jout_u64(w, plan->file_bytes);
        nb_jout_key(w, "bpw"), nb_jout_double(w, plan->bpw);
    }
}

static void print_recipe(const nb_recipe *r, const nb_plan *plan)
{
    nb_str text = {0};
    char bytes[16], bpw[48];
    if (!plan) {
        nb_recipe_print(r, &text);
        printf("%s", nb_str_c(&text));
        nb_str_free(&text);
        return;
    }
    printf("preset %s%s\n", r->preset->name, r->pure ? ", pure" : "");
    for (size_t i = 0; i < r->n_rules; i++)
        printf("%4zu tensors  %s=%s\n", matches(plan, i), r->rule[i].pattern,
               nk_type_get(r->rule[i].type)->name);
    printf("%s, %s bits per weight\n", nb_human_bytes(bytes, plan->file_bytes),
           nb_fmt_fixed(bpw, plan->bpw, 3));
}

static nb_status show(ui_ctx *ctx, nb_err *err)
{
    nb_recipe r;
    nb_weights *w = NULL;
    nb_plan plan = {0};
    char path[1024];
    bool model = ctx->n_args > 2;
    if (ctx->n_args < 2)
        return nb_fail(err, NB_USAGE, "usage: nibble recipe show NAME [MODEL]");
    NB_TRY(nb_recipe_load(&r, &ctx->cfg, ctx->args[1], err));
    if (model)
        NB_TRY(nb_library_resolve(&ctx->cfg, ctx->args[2], path, sizeof path, err));
    nb_status st = model ? nb_weights_open(&w, path, err) : NB_OK;
    if (st == NB_OK && model)
        st = nb_plan_make(&plan, &r, w, true, err);
    if (st == NB_OK && ctx->json) {
        nb_str text = {0};
        nb_jout json = nb_jout_make(&text);
        nb_jout_object(&json);
        nb_jout_key(&json, "name"), nb_jout_str(&json, ctx->args[1]);
        ui_recipe_json(&json, &r, model ? &plan : NULL);
        nb_jout_object_end(&json);
        puts(nb_str_c(&text));
        nb_str_free(&text);
    } else if (st == NB_OK) {
        print_recipe(&r, model ? &plan : NULL);
    }
    nb_plan_free(&plan);
    nb_weights_close(&w);
    return st;
}

/* --- save, rm ----------------------------------------------------------------------------------
 */

static nb_status from_options(nb_recipe *r, const ui_ctx *ctx, nb_err *err)
{
    const ui_arg *o = ctx->opt;
    nk_type_id id;
    if (!o[R_TYPE].set)
        return nb_fail(err, NB_USAGE, "--type is missing: for example -t Q4_K_M");
    const nb_preset *preset = nb_preset_find(o[R_TYPE].text);
    if (!preset)
        return nb_fail(err, NB_USAGE, "--type: no preset \"%s\"", o[R_TYPE].text);
    nb_recipe_init(r, preset);
    r->pure = o[R_PURE].flag;
    for (size_t i = 0; i < o[R_RULES].n_texts; i++)
        NB_TRY(nb_recipe_add(r, o[R_RULES].texts[i], err));
    if (o[R_OUTPUT].set) {
        NB_TRY(nb_recipe_type(o[R_OUTPUT].text, &id, err));
        r->output_type = (int)id;
    }
    if (o[R_EMBD].set) {
        NB_TRY(nb_recipe_type(o[R_EMBD].text, &id, err));
        r->embd_type = (int)id;
    }
    return NB_OK;
}

nb_status ui_recipe_keep(const ui_ctx *ctx, const nb_recipe *r, const char *name, nb_err *err)
{
    char path[1200];
    NB_TRY(nb_recipe_path(path, sizeof path, &ctx->cfg, name, err));
    if (!ctx->dry_run)
        NB_TRY(nb_recipe_save(r, &ctx->cfg, name, ctx->force, err));
    if (!ctx->json)
        printf("%s recipe %s\n", ctx->dry_run ? "would save" : "saved", name);
    return NB_OK;
}

static nb_status save(ui_ctx *ctx, nb_err *err)
{
    nb_recipe r;
    if (ctx->n_args < 2)
        return nb_fail(err, NB_USAGE,
                       "usage: nibble recipe save NAME -t TYPE --rule GLOB=T, or save NAME FILE");
    if (ctx->n_args > 2)
        NB_TRY(nb_recipe_load(&r, &ctx->cfg, ctx->args[2], err));
    else
        NB_TRY(from_options(&r, ctx, err));
    NB_TRY(ui_recipe_keep(ctx, &r, ctx->args[1], err));
    if (ctx->json) {
        nb_str text = {0};
        nb_jout json = nb_jout_make(&text);
        nb_jout_object(&json);
        nb_jout_key(&json, "name"), nb_jout_str(&json, ctx->args[1]);
        ui_recipe_json(&json, &r, NULL);
        nb_jout_object_end(&json);
        puts(nb_str_c(&text));
        nb_str_free(&text);
    }
    return NB_OK;
}

static nb_status drop(ui_ctx *ctx, nb_err *err)
{
    char path[1200];
    if (ctx->n_args != 2)
        return nb_fail(err, NB_USAGE, "usage: nibble recipe rm NAME");
    NB_TRY(nb_recipe_path(path, sizeof path, &ctx->cfg, ctx->args[1], err));
    if (!nb_exists(path))
        return nb_fail(err, NB_NOTFOUND, "no recipe \"%s\"", ctx->args[1]);
    if (!ctx->yes && !ctx->dry_run)
        return nb_fail(err, NB_REFUSED, "recipe %s would be gone for good: --yes removes it",
                       ctx->args[1]);
    if (!ctx->dry_run && unlink(path) != 0)
        return nb_fail(err, NB_IO, "remove %s: it cannot be removed", path);
    if (ctx->json)
        printf("{\"removed\":\"%s\",\"dry_run\":%s}\n", ctx->args[1],
               ctx->dry_run ? "true" : "false");
    else
        printf("%s %s\n", ctx->dry_run ? "would remove" : "removed", ctx->args[1]);
    return NB_OK;
}

static nb_status run_recipe(ui_ctx *ctx, nb_err *err)
{
    static const struct {
        const char *name;
        nb_status (*run)(ui_ctx *ctx, nb_err *err);
    } verb[] = {
        {"list", list}, {"show", show}, {"save", save}, {"rm", drop}, {"solve", ui_recipe_solve}};
    for (size_t i = 0; i < countof(verb); i++)
        if (strcmp(ctx->args[0], verb[i].name) == 0)
            return verb[i].run(ctx, err);
    return nb_fail(err, NB_USAGE, "recipe: \"%s\" is not list, show, save, rm or solve",
                   ctx->args[0]);
}

const ui_cmd ui_cmd_recipe = {
    .name = "recipe",
    .args = "list | show NAME [MODEL] | save NAME [FILE] | rm NAME | solve MODEL",
    .summary = "named rules for quantize; solve finds the best for a size",
    .details =
        "A recipe is a preset and rules; quantize --recipe takes its name or file. show with a "
        "MODEL\n"
        "tells how many tensors each rule decides, the size and the bits per weight. solve "
        "measures\n"
        "every type on a sample of each tensor, prints the front of sizes against damage and, "
        "given\n"
        "--size, --bpw or --ram, the rules with the least damage that fit; --save keeps them. "
        "Damage is\n"
        "the sum of relative squared errors, by importance and sensitivity where those are given.\n"
        "JSON keys: list an array of name, preset, rules; show, save name, preset, pure, "
        "leave_output,\n"
        "output_type, embedding_type, rules[] with pattern, type, tensors, and with a model bytes, "
        "bpw;\n"
        "rm removed, dry_run; solve model, front[] with bytes, bpw, damage, and once picked "
        "budget,\n"
        "damage, predicted and the recipe's keys.",
    .opt = ui_recipe_opt,
    .n_opt = R_COUNT,
    .min_args = 1,
    .max_args = 3,
    .writes = true,
    .force = "replace a recipe of that name",
    .run = run_recipe,
};
