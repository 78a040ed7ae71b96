/* What a command's --json and its screen's JSON both say, written once, so that the numbers are the
 * same (tui 29). The keys are documented with the commands: show, inspect, quantize, compare;
 * chat's are written by transcript_view.c. Each function adds members to the object open in w. */
#ifndef NIBBLE_TWIN_H
#define NIBBLE_TWIN_H

#include "core/base/json.h"
#include "core/eval/compare.h"
#include "core/files/weights.h"
#include "core/quant/diff.h"
#include "core/quant/fit.h"
#include "core/quant/quantize.h"

/* A model as listed, or opened. */
typedef struct twin_model {
    const char *path;
    nb_container container;
    uint64_t file_bytes, tensor_bytes, params;
} twin_model;
void ui_twin_model(nb_jout *w, const twin_model *m); /* path .. params, bpw */
void ui_twin_fit(nb_jout *w, const nb_fit *f);       /* fit {} */
void ui_twin_keys(nb_jout *w, const nb_kvs *kvs);    /* keys {}; arrays by length and type */
void ui_twin_tensor(nb_jout *w, const nb_tensor *t); /* name, type, shape, bytes */

/* n .. inf, histogram; compared: rel_rmse .. cosine, difference too. */
void ui_twin_figures(nb_jout *w, const nb_diff *d);
/* block {}; original [v->len] as stored in the file compared with, NULL = there is none. */
void ui_twin_block(nb_jout *w, uint64_t index, const nk_block_view *v, const float *original);

/* source .. tensors []. run NULL: a dry run, which has no figures; else report is room for one
 * tensor's, and figures are of the tensors done so far. seconds: what the run took. */
void ui_twin_quantize(nb_jout *w, const nb_plan *plan, const char *out, nb_run *run, double seconds,
                      nb_tensor_report *report);

/* reference .. files []. pick: the row to keep, SIZE_MAX = none, and why. */
void ui_twin_compare(nb_jout *w, const nb_compare *c, size_t pick, const char *why);

const char *ui_twin_container(nb_container c); /* "gguf", "safetensors", "huggingface" */

#endif
