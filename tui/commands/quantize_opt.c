#include "tui/commands/quantize_opt.h"

#include <stdio.h>
#include <string.h>

#include "core/base/file.h"
#include "core/quant/recipe_file.h"

const ui_opt ui_quantize_opt[Q_COUNT] = {
    {"type", 't', UI_OPT_TYPE, "TYPE", NULL, 0, 0, "preset: Q4_K_M, Q8_0, F16 ... or COPY"},
    {"output", 'o', UI_OPT_FILE, "OUT", "NAME-TYPE.gguf here", 0, 0, "file to write"},
    {"method", 0, UI_OPT_TEXT, "METHOD", "reference", 0, 0,
     "how codes are chosen: reference, best, int8, int4, int2, ternary, hqq; the last five write "
     "their own types and need no -t"},
    {"scheme", 0, UI_OPT_TEXT, "S", "sym", 0, 0, "int8, int4, int2: sym or asym"},
    {"group", 0, UI_OPT_TEXT, "G", NULL, 0, 0,
     "weights that share a scale: tensor, channel, 32, 64 or 128"},
    {"clip", 0, UI_OPT_TEXT, "C", "minmax", 0, 0, "int8, int4, int2: minmax or mse"},
    {"best", 0, UI_OPT_FLAG, NULL, NULL, 0, 0, "the same as --method best"},
    {"pure", 0, UI_OPT_FLAG, NULL, NULL, 0, 0, "the preset's base type everywhere"},
    {"output-tensor-type", 0, UI_OPT_TEXT, "T", NULL, 0, 0, "ggml type of output.weight"},
    {"token-embedding-type", 0, UI_OPT_TEXT, "T", NULL, 0, 0, "ggml type of token_embd.weight"},
    {"leave-output-tensor", 0, UI_OPT_FLAG, NULL, NULL, 0, 0, "output.weight stays as it is"},
    {"tensor-type", 0, UI_OPT_TEXTS, "REGEX=T", NULL, 0, 0,
     "ggml type for tensors whose name the expression is found in, where the preset quantizes; "
     "first match wins; may be repeated"},
    {"tensor-type-file", 0, UI_OPT_FILE, "FILE", NULL, 0, 0,
     "the same from a file, after those of the command line"},
    {"rule", 0, UI_OPT_TEXTS, "GLOB=T", NULL, 0, 0,
     "ggml type for tensors that the glob names, before all other options; GLOB@first/8,more,20-23 "
     "in these layers only; may be repeated"},
    {"recipe", 0, UI_OPT_TEXT, "NAME", NULL, 0, 0,
     "a saved recipe or a recipe's file; options beside it come first"},
    {"prune-layers", 0, UI_OPT_TEXT, "L0,L1", NULL, 0, 0, "leave layers out, number the rest anew"},
    {"override-kv", 0, UI_OPT_TEXTS, "KEY=TYPE:VALUE", NULL, 0, 0,
     "set a key of the output: int, float, bool or str; may be repeated"},
    {"keep-split", 0, UI_OPT_FLAG, NULL, NULL, 0, 0,
     "as many files as the model has: OUT-00001-of-00003.gguf ..."},
    {"copy", 0, UI_OPT_FLAG, NULL, NULL, 0, 0, "every tensor as it is: the same as -t COPY"},
    {"allow-requantize", 0, UI_OPT_FLAG, NULL, NULL, 0, 0,
     "accept a source that is quantized already; says what it costs"},
    {"imatrix", 0, UI_OPT_FILE, "FILE", NULL, 0, 0,
     "importance matrix of llama-imatrix or nibble imatrix, GGUF or .dat"},
    {"include-weights", 0, UI_OPT_TEXTS, "WORD", NULL, 0, 0,
     "use it for tensors with WORD in their name alone; may be repeated"},
    {"exclude-weights", 0, UI_OPT_TEXTS, "WORD", NULL, 0, 0,
     "use it for no tensor with WORD in its name; may be repeated"},
    {"imatrix-floor", 0, UI_OPT_NUM, "S", "0", 0, 1,
     "share of what all experts saw mixed into each one's importance, all of it for one that saw "
     "nothing; 0 writes llama-quantize's bytes"},
    {"figures", 0, UI_OPT_TEXT, "F", "sample", 0, 0,
     "what errors are measured on: sample, all (every weight: takes longer) or none"},
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

static nb_status method_option(ui_wishes *w, const ui_arg *o, nb_err *err)
{
    const char *text = o[Q_BEST].flag ? "best" : o[Q_METHOD].set ? o[Q_METHOD].text : "reference";
    NB_TRY(nb_method_read(&w->method, &w->knobs, text, err));
    if (o[Q_BEST].flag && o[Q_METHOD].set && nb_method_find(o[Q_METHOD].text) != w->method)
        return nb_fail(err, NB_USAGE, "--best and --method %s do not go together",
                       o[Q_METHOD].text);
    return nb_knobs_read(&w->knobs, w->method, o[Q_SCHEME].text, o[Q_GROUP].text, o[Q_CLIP].text,
                         err);
}

static nb_status figures_option(ui_wishes *w, const ui_arg *o, nb_err *err)
{
    static const char *const words[] = {
        [NB_FIGURES_NONE] = "none", [NB_FIGURES_SAMPLE] = "sample", [NB_FIGURES_ALL] = "all"};
    size_t i = 0;
    w->figures = NB_FIGURES_SAMPLE;
    if (!o->set)
        return NB_OK;
    while (i < countof(words) && strcmp(o->text, words[i]) != 0)
        i++;
    if (i == countof(words))
        return nb_fail(err, NB_USAGE, "--figures: \"%s\" is not sample, all or none", o->text);
    w->figures = (nb_figures)i;
    return NB_OK;
}

/* A method that writes types of its own needs none said: then every tensor that can gets them. */
static nb_status preset_option(ui_wishes *w, const ui_arg *o, nb_err *err)
{
    const char *name = o[Q_COPY].flag ? "COPY" : o[Q_TYPE].text;
    bool pure = o[Q_PURE].flag;
    if (o[Q_COPY].flag && o[Q_TYPE].set && nb_preset_find(o[Q_TYPE].text) != nb_preset_find(name))
        return nb_fail(err, NB_USAGE, "--copy and --type %s do not go together", o[Q_TYPE].text);
    if (!name && o[Q_RECIPE].set) /* its own preset and wishes */
        return NB_OK;
    if (!name && w->method->preset) {
        name = w->method->preset(&w->knobs);
        pure = true;
    }
    if (!name)
        return nb_fail(err, NB_USAGE, "--type is missing: for example -t Q4_K_M");
    const nb_preset *preset = nb_preset_find(name);
    if (!preset)
        return nb_fail(err, NB_USAGE, "--type: no preset \"%s\" (nibble quantize --help)", name);
    nb_recipe_init(&w->recipe, preset);
    w->recipe.pure = pure;
    return NB_OK;
}

static nb_status patterns_option(ui_wishes *w, const ui_arg *o, nb_err *err)
{
    if (!o[Q_PATTERNS].set && !o[Q_PATTERN_FILE].set)
        return NB_OK;
    NB_TRY(nb_patterns_open(&w->patterns, err));
    w->recipe.patterns = w->patterns;
    for (size_t i = 0; i < o[Q_PATTERNS].n_texts; i++)
        NB_TRY(nb_patterns_add(w->patterns, o[Q_PATTERNS].texts[i], err));
    return o[Q_PATTERN_FILE].set ? nb_patterns_read(w->patterns, o[Q_PATTERN_FILE].text, err)
                                 : NB_OK;
}

/* The file of --imatrix as far as --include-weights and --exclude-weights leave it; *out stays NULL
 * without the option. Nothing left of it is as good as none, as for llama-quantize. */
static nb_status imatrix_option(nb_imatrix **out, nb_recipe *r, const ui_ctx *ctx, nb_err *err)
{
    const ui_arg *o = ctx->opt;
    if (o[Q_INCLUDE].n_texts && o[Q_EXCLUDE].n_texts)
        return nb_fail(err, NB_USAGE, "--include-weights and --exclude-weights together");
    if (!o[Q_IMATRIX].set && (o[Q_INCLUDE].n_texts || o[Q_EXCLUDE].n_texts || o[Q_FLOOR].set))
        return nb_fail(err, NB_USAGE, "--%s: --imatrix is missing",
                       o[Q_FLOOR].set         ? "imatrix-floor"
                       : o[Q_INCLUDE].n_texts ? "include-weights"
                                              : "exclude-weights");
    if (!o[Q_IMATRIX].set)
        return NB_OK;
    NB_TRY(nb_imatrix_open(out, o[Q_IMATRIX].text, err));
    nb_imatrix_keep(*out, o[Q_EXCLUDE].texts, o[Q_EXCLUDE].n_texts, false);
    nb_imatrix_keep(*out, o[Q_INCLUDE].texts, o[Q_INCLUDE].n_texts, true);
    if (o[Q_FLOOR].set)
        nb_imatrix_floor(*out, (float)o[Q_FLOOR].num);
    r->imatrix = (*out)->n ? *out : NULL;
    return NB_OK;
}

/* What a recipe wishes beside the preset, which -t may have replaced. */
static void keep_recipe(nb_recipe *r, const nb_recipe *own, bool pure)
{
    const nb_preset *preset = r->preset;
    *r = *own;
    r->preset = preset;
    r->pure |= pure;
    r->n_rules = 0;
}

/* The command line's rules stand before the recipe's: the first match wins. */
static nb_status rules_option(nb_recipe *r, const nb_recipe *own, const ui_arg *o, nb_err *err)
{
    for (size_t i = 0; i < o[Q_RULES].n_texts; i++)
        NB_TRY(nb_recipe_add(r, o[Q_RULES].texts[i], err));
    if (own->n_rules > NB_MAX_RULES - r->n_rules)
        return nb_fail(err, NB_USAGE, "--recipe and --rule: more than %d rules", NB_MAX_RULES);
    memcpy(r->rule + r->n_rules, own->rule, own->n_rules * sizeof *own->rule);
    r->n_rules += own->n_rules;
    return NB_OK;
}

nb_status ui_wishes_read(ui_wishes *w, const ui_ctx *ctx, nb_err *err)
{
    const ui_arg *o = ctx->opt;
    nb_recipe *r = &w->recipe;
    nb_recipe own;
    NB_TRY(method_option(w, o, err));
    NB_TRY(figures_option(w, &o[Q_FIGURES], err));
    if (o[Q_RECIPE].set)
        NB_TRY(nb_recipe_load(r, &ctx->cfg, o[Q_RECIPE].text, err));
    own = *r;
    NB_TRY(preset_option(w, o, err));
    if (o[Q_RECIPE].set)
        keep_recipe(r, &own, o[Q_PURE].flag);
    r->leave_output |= o[Q_LEAVE_OUTPUT].flag;
    r->keep_split = o[Q_KEEP_SPLIT].flag;
    r->edits = &w->edits;
    NB_TRY(type_option(&r->output_type, &o[Q_OUTPUT_TYPE], "output-tensor-type", err));
    NB_TRY(type_option(&r->embd_type, &o[Q_EMBD_TYPE], "token-embedding-type", err));
    NB_TRY(patterns_option(w, o, err));
    NB_TRY(imatrix_option(&w->imatrix, r, ctx, err));
    NB_TRY(rules_option(r, &own, o, err));
    for (size_t i = 0; i < o[Q_SET].n_texts; i++)
        NB_TRY(nb_edits_set(&w->edits, o[Q_SET].texts[i], err));
    return o[Q_PRUNE].set ? nb_edits_prune(&w->edits, o[Q_PRUNE].text, err) : NB_OK;
}

void ui_wishes_free(ui_wishes *w)
{
    nb_patterns_close(&w->patterns);
    nb_edits_free(&w->edits);
    nb_imatrix_close(&w->imatrix);
}

static void say_unused(const char *option, const char *text)
{
    nb_str safe = {0};
    nb_safe_text(&safe, text, strlen(text), NB_SAFE_ONE_LINE);
    fprintf(stderr, "nibble: --%s %s decides no tensor\n", option, nb_str_c(&safe));
    nb_str_free(&safe);
}

void ui_wishes_unused(const ui_wishes *w, const nb_plan *plan)
{
    for (size_t k = 0; k < w->recipe.n_rules; k++) {
        size_t i = 0;
        while (i < plan->n && plan->tensor[i].rule != (int)k)
            i++;
        if (i == plan->n)
            say_unused("rule", w->recipe.rule[k].pattern);
    }
    for (size_t k = 0; k < nb_patterns_count(w->patterns); k++) {
        size_t i = 0;
        while (i < plan->n && plan->tensor[i].pattern != (int)k)
            i++;
        if (i == plan->n)
            say_unused("tensor-type", nb_patterns_text(w->patterns, k));
    }
}

nb_status ui_wishes_check(const ui_wishes *w, const nb_plan *plan, nb_err *err)
{
    for (size_t i = 0; i < plan->n; i++) {
        const nb_planned *t = &plan->tensor[i];
        if (!w->method->writes ||
            (t->src_type != t->type->id && w->method->writes(t->type, &w->knobs)))
            return NB_OK;
    }
    return nb_fail(err, NB_USAGE, "--method %s: no tensor gets a type that it writes (%s)",
                   w->method->name,
                   w->method->preset ? w->method->preset(&w->knobs) : "quantized ones");
}

nb_status ui_output_option(const ui_arg *a, char *out, size_t cap, nb_err *err)
{
    if ((size_t)snprintf(out, cap, "%s", a->text) >= cap)
        return nb_fail(err, NB_USAGE, "--output: name is longer than %zu bytes", cap - 1);
    return NB_OK;
}

nb_status ui_refuse_existing(const ui_ctx *ctx, const nb_weights *w, const char *path, nb_err *err)
{
    if (ctx->force || !nb_exists(path) || nb_is_dir(path) || (w && nb_weights_is_source(w, path)))
        return NB_OK;
    return nb_fail(err, NB_REFUSED, "%s exists already: --force replaces it", path);
}

void ui_print_labelled(const char *label, const char *text)
{
    printf("%s", label);
    ui_print_safe(text, strlen(text));
    putchar('\n');
}
