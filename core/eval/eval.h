/* Perplexity by llama-perplexity's protocol (quant.md 4.1): the whole text tokenised once, chunks
 * of n_ctx without overlap, BOS in place of each one's first token (if the model wants BOS), second
 * half scored: n_ctx/2 - 1 tokens per chunk. Figures of another protocol are not comparable. */
#ifndef NIBBLE_EVAL_H
#define NIBBLE_EVAL_H

#include "core/model/session.h"
#include "core/model/tok.h"

typedef struct nb_ppl {
    uint32_t n_ctx, chunks;
    uint64_t tokens; /* in the text */
    uint64_t scored;
    double nll; /* mean */
    double perplexity, stderr_;
    double seconds, tok_per_s;
} nb_ppl;

/* fn per chunk (may be NULL) sees the running figures. max_chunks 0 = all. NB_REFUSED when the text
 * has fewer than 2 * n_ctx tokens, or the session's context is smaller, with both numbers. stderr_
 * is one standard error of the perplexity. */
nb_status nb_eval_ppl(nb_ppl *out, nb_session *s, const nb_tok *tok, const char *text, size_t len,
                      uint32_t n_ctx, uint32_t max_chunks,
                      void (*fn)(void *arg, const nb_ppl *so_far), void *arg, const nb_hooks *hooks,
                      nb_err *err);

#endif
