/* Shared by the tests of writers: a small source model, one call that quantizes, a look at what is
 * left in a folder. */
#ifndef NIBBLE_TEST_QUANTIZE_H
#define NIBBLE_TEST_QUANTIZE_H

#include "core/eval/synth.h"
#include "core/quant/quantize.h"

/* A two-layer model of 256 wide layers, 0.9 M weights, written once per folder; path stays valid.
 */
const char *quant_source(const char *preset);
nb_weights *quant_open(const char *path);
/* The same model as STEM-00001-of-0000N.gguf and so on, as llama-gguf-split lays it out: keys in
 * the first, tensors in their order. */
void quant_split(const char *in, const char *stem, size_t n);

typedef struct quant_job {
    const nb_weights *w;
    const char *preset, *out;
    const char *rule; /* "ffn_down=q6_K"; may be NULL */
    int threads;      /* 0 = no pool */
    bool slow;        /* by the C reference: long enough to be stopped on the way */
    bool force, pure, allow_requantize;
    bool quiet, all;           /* no figures; of every weight */
    const nb_imatrix *imatrix; /* NULL = none */
    const nb_method *method;   /* NULL = reference */
    nb_knobs knobs;            /* group 0 = its usual */
    const nb_hooks *hooks;
    nb_tensor_report *reports; /* NULL or [count of w] */
    nb_run_view *view;         /* may be NULL */
    uint64_t *file_bytes;      /* planned; may be NULL */
} quant_job;
nb_status quant_run(const quant_job *job, nb_err *err);
const nk_ops *quant_ops(void);
const nk_ops *quant_slow_ops(void);
/* Files in dir whose name holds `part`. */
int quant_count(const char *dir, const char *part);

#endif
