/* The one memory figure of every screen and command: weights + KV + buffers, and a flat copy where
 * one is made, against what this machine has now. FITS: more than 15 % of the available memory
 * left; TIGHT: less; PAGES: weights exceed memory but can be paged from disk, slowly; NO: the parts
 * that cannot be paged do not fit.
 */
#ifndef NIBBLE_FIT_H
#define NIBBLE_FIT_H

#include "core/files/library.h"
#include "core/model/session.h"

typedef enum nb_fit_word { NB_FITS, NB_TIGHT, NB_PAGES, NB_NO } nb_fit_word;

typedef struct nb_fit {
    uint64_t weights, kv, compute, flat, total, available; /* flat: a copy of weights, model.h */
    uint32_t ctx;
    nb_fit_word word;
} nb_fit;

const char *nb_fit_name(nb_fit_word w); /* "FITS" */
/* weight_bytes: the model's files, headers too. ctx 0 = the session's default. available:
 * nb_memory's. */
nb_fit nb_fit_of(const nb_hparams *hp, uint64_t weight_bytes, uint32_t ctx, bool kv_f32,
                 uint64_t available);
/* The same of any session; flat: nb_model_flat_plan's where that copy is made, else 0. */
nb_fit nb_fit_session(const nb_hparams *hp, uint64_t weight_bytes, uint64_t flat,
                      const nb_session_options *opt, uint64_t available);
/* As far as a listing knows them; enough for nb_fit_of. n_layer 0 = the fit cannot be told. */
nb_hparams nb_fit_hparams(const nb_entry *e);

#endif
