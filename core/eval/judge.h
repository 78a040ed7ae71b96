/* A reference, a text and questions, ready to measure file after file against: what compare does
 * with files that have no stored run yet, as a command and on screen. */
#ifndef NIBBLE_JUDGE_H
#define NIBBLE_JUDGE_H

#include "core/eval/compare.h"
#include "core/files/weights.h"

typedef struct nb_judge_options {
    const char *reference; /* path */
    const char *text;      /* what is read; len bytes, SHA-256 in hex */
    size_t len;
    const char *text_sha256;
    nb_reading_options reading;
    const char *qa; /* JSON of questions; NULL: none are asked */
    size_t qa_len;
    const char *qa_sha256;
} nb_judge_options;

typedef struct nb_judge nb_judge;
/* Opens the reference. It is evaluated before the first file is measured, and not at all where none
 * is; its states are kept where they fit into NB_JUDGE_KEEP bytes, else it runs beside each file.
 * What options point to, ops and pool are borrowed. */
enum { NB_JUDGE_KEEP = 512 << 20 };
nb_status nb_judge_open(nb_judge **out, const nb_judge_options *opt, const nk_ops *ops,
                        nk_pool *pool, const nb_hooks *hooks, nb_err *err);
void nb_judge_close(nb_judge **j);
/* Key of the divergences it measures; model is 0. */
nb_run_key nb_judge_key(const nb_judge *j);
/* Evaluates the reference now, chunk by chunk; measuring does it where this was not called. */
nb_status nb_judge_ready(nb_judge *j, const nb_hooks *hooks, nb_err *err);
/* Of the file at path. Divergence, with the perplexity of both. NB_REFUSED names the first token in
 * which the vocabularies differ. */
nb_status nb_judge_kld(nb_judge *j, const char *path, nb_kld *out, const nb_hooks *hooks,
                       nb_err *err);
/* Questions answered as asked; NB_USAGE without questions. */
nb_status nb_judge_facts(nb_judge *j, const char *path, nb_task_score *out, const nb_hooks *hooks,
                         nb_err *err);
/* What row i of the table lacks: divergence, unless it is the reference, and facts, where questions
 * were given. Each is put into the table and stored at once; runs NULL: not stored. *measured
 * counts them. c->key is the judge's. */
nb_status nb_judge_row(nb_judge *j, nb_compare *c, size_t i, nb_runs *runs, size_t *measured,
                       const nb_hooks *hooks, nb_err *err);

#endif
