/* The options of quantize, spelled as llama-quantize spells them where both have them, and what
 * they ask for. synth shares the words about outputs. */
#ifndef NIBBLE_QUANTIZE_OPT_H
#define NIBBLE_QUANTIZE_OPT_H

#include "core/quant/quantize.h"
#include "tui/commands/cmd.h"

enum {
    Q_TYPE,
    Q_OUT,
    Q_METHOD,
    Q_SCHEME,
    Q_GROUP,
    Q_CLIP,
    Q_BEST,
    Q_PURE,
    Q_OUTPUT_TYPE,
    Q_EMBD_TYPE,
    Q_LEAVE_OUTPUT,
    Q_PATTERNS,
    Q_PATTERN_FILE,
    Q_RULES,
    Q_RECIPE,
    Q_PRUNE,
    Q_SET,
    Q_KEEP_SPLIT,
    Q_COPY,
    Q_REQUANTIZE,
    Q_IMATRIX,
    Q_INCLUDE,
    Q_EXCLUDE,
    Q_FLOOR,
    Q_FIGURES,
    Q_COUNT
};
extern const ui_opt ui_quantize_opt[Q_COUNT];

/* What the command line asks for; recipe borrows the rest of it. */
typedef struct ui_wishes {
    nb_recipe recipe;
    const nb_method *method;
    nb_knobs knobs;
    nb_figures figures;
    nb_patterns *patterns; /* owned; NULL = none */
    nb_edits edits;
    nb_imatrix *imatrix; /* owned; NULL = none */
} ui_wishes;

/* On failure, too, to be freed. */
nb_status ui_wishes_read(ui_wishes *out, const ui_ctx *ctx, nb_err *err);
void ui_wishes_free(ui_wishes *w);
/* Says on stderr which rules and patterns found no tensor. */
void ui_wishes_unused(const ui_wishes *w, const nb_plan *plan);

/* NB_USAGE when the method writes no tensor of the plan. */
nb_status ui_wishes_check(const ui_wishes *w, const nb_plan *plan, nb_err *err);

nb_status ui_output_option(const ui_arg *a, char *out, size_t cap, nb_err *err);
/* Said before the writer refuses, with the way out; an input is refused there in its own words. */
nb_status ui_refuse_existing(const ui_ctx *ctx, const nb_weights *w, const char *path, nb_err *err);
void ui_print_labelled(const char *label, const char *text); /* text is foreign */

#endif
