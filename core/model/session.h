/* One timeline of a model, or several side by side: its KV cache, scratch and position. The caller
 * always gives the whole token prefix; feed reuses what the cache already holds and evaluates only
 * the new suffix, so regenerate, edit and branch cost what changed. Results are bit-identical for
 * any thread count and for any split of the prefix into calls.
 *
 *     nb_session_feed(s, ids, n, hooks, err);        // logits of the last token are ready
 *     while (nb_session_next(s, &smp, &id, err) == NB_OK && id != eos) ...
 */
#ifndef NIBBLE_SESSION_H
#define NIBBLE_SESSION_H

#include "core/model/model.h"
#include "core/model/sample.h"

typedef struct nb_session nb_session;

enum {
    NB_MAX_SEQ = 16,
    NB_MAX_TRY = 16, /* tokens tried in one pass */
};

typedef struct nb_session_options {
    uint32_t n_ctx; /* 0 = min(n_ctx_train, 4096) */
    bool kv_f32;    /* cache in F32 instead of F16 */
    /* Types of cached keys and values; NULL: by kv_f32. nb_session_kv_type names those there are.
     */
    const nk_type *k_type, *v_type;
    uint32_t n_batch; /* tokens of a pass, 0 = 128 to 512 by the size of a layer */
    uint32_t n_seq;   /* sequences, each of n_ctx tokens; 0 = 1, at most NB_MAX_SEQ */
} nb_session_options;

/* "f32", "f16", "bf16", "q8_0", "q4_0" (llama.cpp's --cache-type-k); NULL: no cache of that type.
 */
const nk_type *nb_session_kv_type(const char *name);

/* ops is borrowed and outlives the session. pool may be NULL (one thread) and may be changed
 * between calls with nb_session_use_pool. NB_NOMEM names the bytes of KV and scratch. NB_USAGE for
 * a context longer than learned positions, and for a block type that heads do not consist of. */
nb_status nb_session_open(nb_session **out, const nb_model *m, const nk_ops *ops, nk_pool *pool,
                          const nb_session_options *opt, nb_err *err);
void nb_session_use_pool(nb_session *s, nk_pool *pool);
void nb_session_close(nb_session **s);

/* Brings the cache to exactly ids[0..n): keeps the longest common prefix (the last token is always
 * evaluated). n >= 1 and n <= n_ctx, else NB_REFUSED "context full" (A26). *reused (may be NULL):
 * tokens kept. On NB_CANCELED or NB_FORMAT the cache holds what was evaluated, still usable.
 * NB_FORMAT when logits are not finite (A25) or the file was truncated under us (A19). */
nb_status nb_session_feed(nb_session *s, const int32_t *ids, size_t n, size_t *reused,
                          const nb_hooks *hooks, nb_err *err);
/* Samples from the current logits, appends the token and evaluates it. NB_REFUSED when the context
 * is full: the token is still returned, logits are gone. */
nb_status nb_session_next(nb_session *s, nb_sampler *smp, nb_choice *choice, const nb_hooks *hooks,
                          nb_err *err);
/* The sequence that all other calls speak of; 0 at first. seq < n_seq. */
void nb_session_use_seq(nb_session *s, uint32_t seq);
/* The current sequence becomes what `from` is: a branch that shares its past for one copy. */
void nb_session_copy_seq(nb_session *s, uint32_t from);
/* Appends ids[i] to sequence seq[i], n <= NB_MAX_SEQ different ones, and evaluates them in one pass
 * over the weights: the same bits as one by one. NB_REFUSED names the first that has no room; then
 * nothing has changed. On another failure none of them has logits. */
nb_status nb_session_append_each(nb_session *s, const uint32_t *seq, size_t n, const int32_t *ids,
                                 const nb_hooks *hooks, nb_err *err);
/* Appends ids[0..n) to the current sequence on trial and evaluates them in one pass: each has the
 * bits it has alone. n <= nb_session_most_tried. NB_REFUSED: no room; nothing has changed then.
 * There are no logits until nb_session_keep says how many of them stand, the first n: those after
 * the n-th are the sequence's then. It may be called again for more of them, not for fewer. */
nb_status nb_session_try(nb_session *s, const int32_t *ids, size_t n, const nb_hooks *hooks,
                         nb_err *err);
void nb_session_keep(nb_session *s, size_t n);
size_t nb_session_most_tried(const nb_session *s);
/* Makes room in the current sequence: the first `keep` tokens stay, the next `drop` go, the rest
 * moves up to them: its keys are turned to their new positions (a cache of blocks or halves is
 * rounded anew), its values stay as they were evaluated with what is gone. Logits stay. keep + drop
 * <= the tokens there are, else NB_USAGE; NB_UNSUPPORTED: positions are learned. */
nb_status nb_session_shift(nb_session *s, size_t keep, size_t drop, nb_err *err);
/* [n_vocab] logits after the last token; valid until the next call. */
const float *nb_session_logits(const nb_session *s);
/* Evaluates ids and calls fn with the logits of each position >= from, for perplexity: cache is
 * reset first. logits [n_vocab] valid during the call. */
typedef void nb_logits_fn(void *arg, size_t pos, const float *logits);
nb_status nb_session_score(nb_session *s, const int32_t *ids, size_t n, size_t from,
                           nb_logits_fn *fn, void *arg, const nb_hooks *hooks, nb_err *err);
/* The same without the reset: what the cache holds of ids[0..from) is kept, so a text can be scored
 * in slices, and several endings of one beginning evaluate that once. No current logits remain. */
nb_status nb_session_extend(nb_session *s, const int32_t *ids, size_t n, size_t from,
                            nb_logits_fn *fn, void *arg, const nb_hooks *hooks, nb_err *err);
/* Forgets what the current sequence holds: for who changes the weights beneath it. */
void nb_session_reset(nb_session *s);
/* During fn: [n_embd] that position's hidden state behind the final norm, what the logits are made
 * from. NULL at any other time. */
const float *nb_session_hidden(const nb_session *s);

/* Told of the rows that products read: m rows of the weight's columns at x, valid during the call,
 * on the thread that evaluates. layer is 0 outside layers, expert 0 where there is no stack. A
 * fused weight is told once for each slot that lies in it. */
typedef void nb_tap_fn(void *ud, nb_slot slot, uint32_t layer, uint32_t expert, const float *x,
                       size_t m);
void nb_session_tap(nb_session *s, nb_tap_fn *fn, void *ud); /* NULL: nobody */
/* Evaluates ids for the tap: every position in every layer, and the logits when `output`. The cache
 * is reset first. */
nb_status nb_session_watch(nb_session *s, const int32_t *ids, size_t n, bool output,
                           const nb_hooks *hooks, nb_err *err);

const int32_t *nb_session_tokens(const nb_session *s, size_t *n);
uint32_t nb_session_ctx(const nb_session *s);
uint32_t nb_session_sequences(const nb_session *s);
const nb_model *nb_session_model(const nb_session *s); /* borrowed */
/* Bytes the session holds (KV, scratch): the fit module's prediction is tested against these. */
void nb_session_bytes(const nb_session *s, uint64_t *kv, uint64_t *scratch);
void nb_session_plan(const nb_hparams *hp, const nb_session_options *opt, uint64_t *kv,
                     uint64_t *scratch);

#endif
