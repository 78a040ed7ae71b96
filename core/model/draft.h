/* Guesses what comes next, so that one pass over the weights can be asked about several tokens
 * (perf.md 4.6). A guess is never believed: the caller evaluates it, draws each token as it would
 * have without, and keeps what agrees. So an answer has the same tokens with a draft as without,
 * for greedy choice and for any sampling and seed; only its speed differs.
 *
 * Two ways: lookup finds the end of the text earlier in it and takes what followed there (prompt
 * lookup: Saxena 2023); a model, smaller or in fewer bits, of the same vocabulary answers along. It
 * draws with the asker's own random numbers: where both see nearly the same odds they draw the same
 * token.
 *
 * How many are guessed follows from how many were right lately and from what a guess costs; none
 * for a while when that does not pay. No clock is asked. */
#ifndef NIBBLE_DRAFT_H
#define NIBBLE_DRAFT_H

#include "core/model/session.h"

typedef struct nb_draft nb_draft;

/* by: session of the model that guesses, borrowed, to be used by nobody else; NULL: lookup. cost:
 * of one of its tokens, in passes of the asker's model; column: what one more token adds to such a
 * pass. n_ctx: tokens of the asker's context. */
nb_status nb_draft_open(nb_draft **out, nb_session *by, double cost, double column, uint32_t n_ctx,
                        nb_err *err);
/* The latter, for a model by these kernels. */
double nb_draft_column_cost(const nb_model *m, const nk_ops *ops);
void nb_draft_close(nb_draft **d);
/* Forgets how it went: another conversation begins. */
void nb_draft_reset(nb_draft *d);
/* Threads for the model that guesses, as nb_session_use_pool. */
void nb_draft_use_pool(nb_draft *d, nk_pool *pool);
/* Guesses what follows ids[0..n) and the token `last`: up to `most` tokens into out, *count of
 * them, 0 where guessing does not pay. smp: the asker's, as it will draw the next token; left as it
 * is. Errors of the guessing model: NB_CANCELED, NB_FORMAT, NB_NOMEM. */
nb_status nb_draft_next(nb_draft *d, const int32_t *ids, size_t n, int32_t last,
                        const nb_sampler *smp, int32_t *out, size_t most, size_t *count,
                        const nb_hooks *hooks, nb_err *err);
/* Of the tokens guessed last, so many were right. */
void nb_draft_judge(nb_draft *d, size_t count, size_t right);

#endif
