/* Collects an importance matrix: a text passes the model chunk by chunk, and of every weight inside
 * the layers the squares of what it reads are summed for each input column, for each expert of a
 * stack apart (tools/imatrix/imatrix.cpp of llama.cpp @ de3ff81). Sums are floats, added row by row
 * in the order of the text, as there: so a collection resumed from its file ends in the same bits,
 * and so does one on any number of threads. llama-imatrix leaves out what its batches end with in
 * pieces of under 16 rows: of calibration.txt's 59 chunks 6 rows, and so it tells 58. */
#ifndef NIBBLE_COLLECT_H
#define NIBBLE_COLLECT_H

#include "core/model/session.h"
#include "core/model/tok.h"
#include "core/quant/imatrix.h"

typedef struct nb_collect_options {
    uint32_t n_ctx;      /* tokens of a chunk, at most the session's */
    uint64_t from_chunk; /* chunks of the text passed over */
    uint64_t max_chunks; /* 0 = to the end */
    bool output;         /* output.weight too (--process-output) */
    bool special;        /* spellings of special tokens become them (--parse-special) */
    /* After each chunk, with the sums so far; a failure ends the collection. NULL = not wanted. */
    nb_status (*chunk)(void *arg, nb_imatrix *im, uint64_t done, nb_err *err);
    void *arg;
} nb_collect_options;

typedef struct nb_collected {
    uint64_t tokens;     /* of the text */
    uint64_t chunks, of; /* evaluated; those asked for */
    double seconds;
} nb_collected;

/* How many chunks that would be; NB_REFUSED for a text of less than two. */
nb_status nb_collect_count(nb_collected *out, const nb_tok *tok, const char *text, size_t len,
                           const nb_collect_options *opt, nb_err *err);
/* Adds to im, whose chunk_size is n_ctx. Progress counts tokens. NB_FORMAT when im holds another
 * model's entries. After a failure or cancel im may hold part of a chunk: what `chunk` saw last is
 * sound. */
nb_status nb_collect(nb_collected *out, nb_imatrix *im, nb_session *s, nk_pool *pool,
                     const nb_tok *tok, const char *text, size_t len, const nb_collect_options *opt,
                     const nb_hooks *hooks, nb_err *err);
/* The same for one sequence of ids, as it is. */
nb_status nb_collect_ids(nb_imatrix *im, nb_session *s, nk_pool *pool, const int32_t *ids, size_t n,
                         bool output, const nb_hooks *hooks, nb_err *err);

#endif
