/* Runs a plan: rows -> f32 -> encode -> (of a sample: decode, statistics, histograms) -> positioned
 * writes into OUT.part -> every tile handed to the disk and read back through another descriptor
 * (equals what was encoded; SHA-256 taken on the way) -> fsync -> header -> fsync -> header read
 * back (parses to the plan) -> rename OUT. One global list of 64-row tiles over all tensors;
 * results do not depend on threads. Peak memory is per thread, not per model.
 *
 * Before the first byte: output may not be the input (inode, A17), must not exist unless force, and
 * the disk must have room (A14). OUT.part is locked: a second run to the same output gets
 * NB_REFUSED. The header is written last: a killed run never looks complete. On failure or cancel
 * nothing is left under OUT or OUT.part.
 *
 * A run that is killed leaves OUT.part and OUT.part.journal; the same run again (model, plan,
 * method, version) goes on behind the last whole tensor and writes the same bytes. Another one to
 * the same name gets NB_REFUSED unless force. */
#ifndef NIBBLE_QUANTIZE_H
#define NIBBLE_QUANTIZE_H

#include "core/model/sched.h"
#include "core/quant/hist.h"
#include "core/quant/method.h"
#include "core/quant/recipe.h"

/* One tensor's telemetry, kept for the whole run and after. Written under the run's lock. */
typedef struct nb_tensor_report {
    const nb_planned *plan; /* borrowed */
    const char *name;       /* borrowed: plan */
    bool done;              /* every tile encoded: figures are final */
    nb_stats stats;         /* of the stats.n weights that were measured, of plan->n; for sums over
                               tensors see nb_stats_expand */
    nb_hist before, after, error;
    uint64_t hist_n; /* weights in the histograms: all where all were measured, else about a quarter
                        of those that were */
    double gain[2];  /* weighted squared error of the reference's codes and of those written, where
                        the method measures both; else 0 */
    double seconds;  /* of compute, summed over threads */
    char sha256[65]; /* of the bytes read back, if asked for; "" until verified */
} nb_tensor_report;

typedef struct nb_run nb_run; /* live state of one quantize, readable while it runs */

/* Which weights figures are made of. A sample is drawn the same way in every run: of a tensor at
 * least 16 Ki weights and a 512th, of types that are encoded as fast as they are read a third of
 * it. Models up to 8 Mi weights, tensors up to 256 Ki and imported ones are measured whole. Every
 * weight is checked to be finite whatever is measured. */
typedef enum nb_figures { NB_FIGURES_NONE, NB_FIGURES_SAMPLE, NB_FIGURES_ALL } nb_figures;

typedef struct nb_quantize_options {
    const nb_method *method; /* NULL = reference */
    nb_knobs knobs;          /* group 0 = the method's usual ones */
    bool force;              /* replace an existing output (never the input) */
    nb_figures figures;      /* sums, and but for NONE histograms of the sample */
    bool sha256;             /* of every tensor, into its report; reading back needs none */
} nb_quantize_options;

/* plan is borrowed until close. */
nb_status nb_run_open(nb_run **out, const nb_plan *plan, const char *path,
                      const nb_quantize_options *opt, nb_err *err);
/* Blocks until written or failed; call once. lease NULL = this thread alone. Progress counts
 * weights, at least 10 times a second; cancel is answered within 100 ms, pause too (all threads
 * wait inside canceled). NB_FORMAT names tensor and row of a weight that is not finite. */
nb_status nb_run_go(nb_run *run, const nk_ops *ops, nb_lease *lease, const nb_hooks *hooks,
                    nb_err *err);
/* Any thread, during and after: copies one tensor's report; false if i is out of range. */
bool nb_run_report(nb_run *run, size_t i, nb_tensor_report *out);
typedef struct nb_run_view {
    size_t current; /* plan index being worked on */
    size_t n_done, n;
    size_t n_kept; /* of n_done: whole since an earlier run that did not end */
    uint64_t bytes_in, bytes_out, bytes_total_in, bytes_total_out;
    double bpw_now, bpw_final;
    double elapsed, eta; /* seconds, eta < 0 unknown */
    double weights_per_s;
    nb_stats total;    /* over all finished quantized tensors, expanded: estimates where */
    uint64_t measured; /* weights the figures are made of, is less than total.n */
    nb_figures figures;
    bool finished;
    nb_status status;
} nb_run_view;
void nb_run_look(nb_run *run, nb_run_view *out);
void nb_run_close(nb_run **run);
/* What stands behind a relative error that was estimated: " +/- 0.02 % from 0.9 % of the weights";
 * "" where all of the s->n weights were measured. s: expanded. */
const char *nb_measured_text(char out[80], const nb_stats *s, uint64_t measured);

/* A free output name beside others: dir/name-LABEL.gguf, "-2", "-3" ... when taken. The label is a
 * preset's name, or what a mix of types came to. */
nb_status nb_output_name(char *out, size_t cap, const char *dir, const nb_weights *w,
                         const char *label, nb_err *err);

#endif
