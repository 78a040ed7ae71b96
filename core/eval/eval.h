/* Perplexity of a text by one of the protocols of reading.h; figures of another protocol are not
 * comparable. */
#ifndef NIBBLE_EVAL_H
#define NIBBLE_EVAL_H

#include "core/eval/reading.h"
#include "core/model/session.h"

typedef struct nb_ppl {
    uint32_t n_ctx, chunks;
    uint64_t tokens; /* in the text */
    uint64_t scored;
    double nll; /* mean */
    double perplexity, stderr_;
    double seconds, tok_per_s;
} nb_ppl;

/* Who looks on: chunk sees the running figures after each chunk; row the logits of each scored
 * position, and ends the run when it fails. Both may be NULL. */
typedef struct nb_eval_watch {
    void (*chunk)(void *arg, const nb_ppl *so_far);
    nb_status (*row)(void *arg, size_t pos, const float *logits, nb_err *err);
    void *arg, *row_arg;
} nb_eval_watch;

/* stderr_ is one standard error of the perplexity. watch may be NULL. NB_REFUSED when the session's
 * context is smaller than the reading's. */
nb_status nb_eval_read(nb_ppl *out, nb_session *s, const nb_reading *rd, const nb_eval_watch *watch,
                       const nb_hooks *hooks, nb_err *err);
/* The same by llama-perplexity's protocol. max_chunks 0 = all. NB_REFUSED when the text has fewer
 * than 2 * n_ctx tokens, with both numbers. */
nb_status nb_eval_ppl(nb_ppl *out, nb_session *s, const nb_tok *tok, const char *text, size_t len,
                      uint32_t n_ctx, uint32_t max_chunks,
                      void (*fn)(void *arg, const nb_ppl *so_far), void *arg, const nb_hooks *hooks,
                      nb_err *err);

#endif
