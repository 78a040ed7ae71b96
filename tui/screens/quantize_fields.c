/* The form's rows in words: what each field holds, what is wrong with it, what it means. The form
 * draws them, --plain numbers them. */
#include <stdio.h>
#include <string.h>

#include "core/base/file.h"
#include "tui/screens/quantize.h"

/* Tensors that a rule decides in the dry run. */
static size_t matches(const quantize *q, size_t rule)
{
    size_t n = 0;
    for (size_t i = 0; q->planned && i < q->plan.n; i++)
        n += q->plan.tensor[i].rule == (int)rule;
    return n;
}

static double base_bpw(const nb_preset *p)
{
    const nk_type *t = nk_type_get((uint32_t)p->base);
    return t ? nk_type_bpw(t) : 0;
}

/* --- values ------------------------------------------------------------------------------------
 */

static void recipe_words(const quantize *q, quantize_words *t)
{
    char num[48];
    size_t n;
    const nb_preset *p = q->recipe.preset;
    const nb_imatrix *im = q->recipe.imatrix;
    snprintf(t->text[QF_RECIPE], QUANTIZE_TEXT, "%s", q->recipe_name[0] ? q->recipe_name : "none");
    snprintf(t->text[QF_TYPE], QUANTIZE_TEXT, "%s", p->name);
    snprintf(t->note[QF_TYPE], sizeof t->note[0], "%s bpw base", nb_fmt_fixed(num, base_bpw(p), 2));
    nb_short(t->text[QF_IMATRIX], 160,
             q->reading ? "reading"
             : im       ? nb_path_base(im->path)
                        : "none");
    nb_method_text(nb_methods(&n)[q->method], &q->knobs, t->text[QF_METHOD], QUANTIZE_TEXT);
    for (n = 0; n < q->recipe.n_rules; n++) {
        const nk_type *type = nk_type_get((uint32_t)q->recipe.rule[n].type);
        size_t hits = matches(q, n);
        snprintf(t->text[QF_FIELDS + n], QUANTIZE_TEXT, "%-20s %s", q->recipe.rule[n].pattern,
                 type ? type->name : "?");
        if (q->planned)
            snprintf(t->note[QF_FIELDS + n], sizeof t->note[0], "x%zu", hits);
    }
}

static void target_words(const quantize *q, quantize_words *t)
{
    const quantize_target *g = &q->target;
    char size[16], num[48], text[80];
    nb_job_view v;
    nb_budget_text(&g->budget, text, sizeof text);
    if (g->budget.kind == NB_BUDGET_SIZE)
        snprintf(text, sizeof text, "%s", nb_human_bytes(size, g->budget.bytes));
    snprintf(t->text[QF_TARGET], QUANTIZE_TEXT, "%s", text);
    if (g->job) {
        nb_job_look(g->job, &v);
        snprintf(t->note[QF_TARGET], sizeof t->note[0], "measuring %d%%",
                 v.total ? (int)(100.0 * (double)v.done / (double)v.total) : 0);
    } else if (g->met) {
        snprintf(t->note[QF_TARGET], sizeof t->note[0], "damage %s",
                 nb_fmt_fixed(num, g->took.damage, g->took.damage < 0.1 ? 5 : 3));
    }
}

static const char *type_name(int type)
{
    const nk_type *t = type >= 0 ? nk_type_get((uint32_t)type) : NULL;
    return t ? t->name : "preset's";
}

static void more_words(const quantize *q, quantize_words *t)
{
    const nb_recipe *r = &q->recipe;
    size_t set = (size_t)r->pure + r->leave_output + r->keep_split + (r->output_type >= 0) +
                 (r->embd_type >= 0) + (r->patterns != NULL) +
                 (*ui_quantize_extra_text(q, QF_KEYS) != '\0') +
                 (*ui_quantize_extra_text(q, QF_PRUNE) != '\0');
    if (set)
        snprintf(t->note[QF_MORE], sizeof t->note[0], "%zu set", set);
    snprintf(t->text[QF_OUT_TYPE], QUANTIZE_TEXT, "%s", type_name(r->output_type));
    snprintf(t->text[QF_EMBD_TYPE], QUANTIZE_TEXT, "%s", type_name(r->embd_type));
    for (int f = QF_PATTERNS; f <= QF_PRUNE; f++) {
        const char *text = ui_quantize_extra_text(q, f);
        snprintf(t->text[f], QUANTIZE_TEXT, "%s", *text ? text : "none");
    }
}

static void fill_words(const quantize *q, quantize_words *t)
{
    char size[16];
    const quantize_source *s = q->source;
    for (size_t i = 0; i < countof(t->note); i++) /* of the frame before */
        t->note[i][0] = t->text[i][0] = '\0';
    if (s)
        snprintf(t->text[QF_SOURCE], QUANTIZE_TEXT, "%s  %s  %s", s->name, s->type,
                 nb_human_bytes(size, nb_weights_file_bytes(s->weights)));
    else
        snprintf(t->text[QF_SOURCE], QUANTIZE_TEXT, q->opening ? "opening" : "none: Enter chooses");
    recipe_words(q, t);
    target_words(q, t);
    more_words(q, t);
    ui_quantize_collect_line(q, t->text[QF_COLLECT], QUANTIZE_TEXT);
    nb_short(t->text[QF_OUTPUT], 160, nb_path_base(q->output));
    snprintf(t->text[QF_THREADS], QUANTIZE_TEXT, "%d of %d", q->threads, ui_app_threads(q->app));
}

/* --- rows --------------------------------------------------------------------------------------
 */

static const struct {
    const char *label, *value; /* value NULL: in words */
    ui_field_kind kind;
} row_of[QF_FIELDS] = {
    [QF_SOURCE] = {"source", NULL, UI_FIELD_BUTTON},
    [QF_RECIPE] = {"recipe", NULL, UI_FIELD_CHOICE},
    [QF_METHOD] = {"method", NULL, UI_FIELD_CHOICE},
    [QF_TYPE] = {"type", NULL, UI_FIELD_CHOICE},
    [QF_TARGET] = {"target", NULL, UI_FIELD_TEXT},
    [QF_IMATRIX] = {"imatrix", NULL, UI_FIELD_CHOICE},
    [QF_COLLECT] = {"collect", NULL, UI_FIELD_BUTTON},
    [QF_OUTPUT] = {"output", NULL, UI_FIELD_TEXT},
    [QF_THREADS] = {"threads", NULL, UI_FIELD_CHOICE},
    [QF_AGAIN] = {"requantize", "even if quantized", UI_FIELD_TOGGLE},
    [QF_CHAT] = {"after", "Chat against the source", UI_FIELD_TOGGLE},
    [QF_MORE] = {"more", "options of llama-quantize", UI_FIELD_TOGGLE},
    [QF_PURE] = {"  pure", "the base type everywhere", UI_FIELD_TOGGLE},
    [QF_OUT_TYPE] = {"  output", NULL, UI_FIELD_CHOICE},
    [QF_EMBD_TYPE] = {"  embed", NULL, UI_FIELD_CHOICE},
    [QF_LEAVE] = {"  leave", "output.weight as it is", UI_FIELD_TOGGLE},
    [QF_PATTERNS] = {"  tensors", NULL, UI_FIELD_TEXT},
    [QF_KEYS] = {"  keys", NULL, UI_FIELD_TEXT},
    [QF_PRUNE] = {"  prune", NULL, UI_FIELD_TEXT},
    [QF_SPLIT] = {"  split", "as many files as the model", UI_FIELD_TOGGLE},
    [QF_RUN] = {"", "Quantize", UI_FIELD_BUTTON},
};

static const char *error_of(const quantize *q, int field)
{
    const char *text = field == QF_SOURCE    ? q->problem
                       : field == QF_TARGET  ? q->target.error
                       : field == QF_IMATRIX ? q->matrix_error
                       : field == QF_COLLECT ? q->collect.error
                                             : "";
    if (field == QF_AGAIN && q->plan_err.status == NB_REFUSED)
        return "needed: errors add up";
    return *text ? text : NULL;
}

static bool is_on(const quantize *q, int field)
{
    switch (field) {
    case QF_AGAIN:
        return q->requantize;
    case QF_CHAT:
        return q->after_chat;
    case QF_MORE:
        return q->more;
    case QF_PURE:
        return q->recipe.pure;
    case QF_LEAVE:
        return q->recipe.leave_output;
    case QF_SPLIT:
        return q->recipe.keep_split;
    default:
        return false;
    }
}

size_t ui_quantize_fields(const quantize *q, quantize_words *words, ui_field *field, int *id)
{
    size_t n = 0;
    fill_words(q, words);
    for (int i = 0; i < QF_FIELDS + (int)q->recipe.n_rules; i++) {
        if (!q->more && i > QF_MORE && i < QF_RUN)
            continue;
        const char *note = i == QF_RUN ? "Ctrl-R" : words->note[i][0] ? words->note[i] : NULL;
        if (id)
            id[n] = i;
        if (i < QF_FIELDS)
            field[n++] = (ui_field){.label = row_of[i].label,
                                    .kind = row_of[i].kind,
                                    .value = row_of[i].value ? row_of[i].value : words->text[i],
                                    .note = note,
                                    .error = error_of(q, i),
                                    .on = is_on(q, i)};
        else
            field[n++] = (ui_field){.label = i == QF_FIELDS ? "rules" : "",
                                    .kind = UI_FIELD_CHOICE,
                                    .value = words->text[i],
                                    .note = note};
    }
    return n;
}

/* --- meaning -----------------------------------------------------------------------------------
 */

const char *ui_quantize_help(const quantize *q, int field)
{
    static const char *const help[QF_FIELDS] = {
        [QF_SOURCE] = "Enter goes to Models; Q on a model there brings it here",
        [QF_RECIPE] = "saved rules: h l walk, Enter lists them; w saves these by name",
        [QF_TARGET] = "4 MB, 4.5 bpw, 8 GB ram: the best types that fit are found first",
        [QF_IMATRIX] = "weighs errors by use: h l files near the model, Enter a path",
        [QF_COLLECT] = "reads a text with the model and makes an imatrix; x stops it",
        [QF_OUTPUT] = "beside nibble's other models, or a path; nothing is overwritten",
        [QF_THREADS] = "chat comes first: it takes threads away while it answers",
        [QF_AGAIN] = "allowed, but a second quantization adds its error to the first",
        [QF_CHAT] = "goes to Chat by itself when the file is written",
        [QF_MORE] = "pure, output and embedding types, patterns, keys, layers, split",
        [QF_PURE] = "the base type wherever the width allows, no mix",
        [QF_OUT_TYPE] = "type of output.weight; h l walk, Enter types it",
        [QF_EMBD_TYPE] = "type of token_embd.weight; h l walk, Enter types it",
        [QF_LEAVE] = "output.weight is copied, not quantized",
        [QF_PATTERNS] = "REGEX=TYPE, blanks between: where the preset quantizes",
        [QF_KEYS] = "KEY=TYPE:VALUE, blanks between; int, float, bool or str",
        [QF_PRUNE] = "layers to leave out, commas between: 3,17",
        [QF_SPLIT] = "OUT-00001-of-00003.gguf ..., cut where the model is",
        [QF_RUN] = "the source is never touched; x cancels and leaves nothing",
    };
    size_t n;
    if (field == QF_METHOD)
        return nb_methods(&n)[q->method]->help;
    if (field == QF_TYPE)
        return q->recipe.preset->help;
    return field >= QF_FIELDS ? "first match wins; h l change the type, e the text, < > the order"
                              : help[field];
}

const char *ui_quantize_prompt(const quantize *q)
{
    static const char *const prompt[QF_FIELDS] = {
        [QF_METHOD] = "method ",        [QF_TARGET] = "target ",
        [QF_IMATRIX] = "imatrix file ", [QF_COLLECT] = "text file ",
        [QF_OUTPUT] = "output ",        [QF_OUT_TYPE] = "output type ",
        [QF_EMBD_TYPE] = "embed type ", [QF_PATTERNS] = "REGEX=TYPE ",
        [QF_KEYS] = "KEY=TYPE:VALUE ",  [QF_PRUNE] = "layers ",
    };
    if (q->saving)
        return "save as ";
    const char *own = q->editing < QF_FIELDS ? prompt[q->editing] : NULL;
    return own ? own : "rule pattern=type ";
}
