/* Protocol: tools/perplexity/perplexity.cpp of llama.cpp @ 050ee92 (MIT), retold in quant.md 4.1.
 */
#include "core/eval/eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/str.h"

typedef struct scorer {
    const int32_t *ids; /* of the chunk as evaluated */
    uint32_t n_ctx, n_vocab;
    uint64_t n;
    double nll, nll2;
} scorer;

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* -log p(target): maximum and logits in float, the sum in double. */
static double surprise(const float *logits, uint32_t n, int32_t target)
{
    float max = logits[0];
    for (uint32_t i = 1; i < n; i++)
        max = logits[i] > max ? logits[i] : max;
    double sum = 0; /* at least 1 in the end: the maximum's own term */
    for (uint32_t i = 0; i < n; i++)
        sum += (double)expf(logits[i] - max);
    // cppcheck-suppress invalidFunctionArg
    return log(sum) - (double)(logits[target] - max);
}

/* Logits at pos predict the token after it; the chunk's last position has none. */
static void score(void *arg, size_t pos, const float *logits)
{
    scorer *s = arg;
    if (pos + 1 >= s->n_ctx)
        return;
    double nll = surprise(logits, s->n_vocab, s->ids[pos + 1]);
    s->nll += nll;
    s->nll2 += nll * nll;
    s->n++;
}

static void figures(nb_ppl *out, const scorer *s, double elapsed)
{
    out->scored = s->n;
    out->seconds = elapsed;
    out->tok_per_s = elapsed > 0 ? (double)out->chunks * out->n_ctx / elapsed : 0;
    if (s->n == 0)
        return;
    double n = (double)s->n, mean = s->nll / n, var = s->nll2 / n - mean * mean;
    out->nll = mean;
    out->perplexity = exp(mean);
    out->stderr_ = s->n > 1 && var > 0 ? out->perplexity * sqrt(var / (n - 1)) : 0;
}

static nb_status token_ids(int32_t **out, size_t *n, const nb_tok *tok, const char *text,
                           size_t len, uint32_t n_vocab, nb_err *err)
{
    size_t need = nb_tok_encode(tok, text, len, NB_TOK_BOS, NULL, 0);
    int32_t *ids = nb_alloc(need + 1, sizeof *ids, "tokens of the text", err);
    if (!ids)
        return NB_NOMEM;
    nb_tok_encode(tok, text, len, NB_TOK_BOS, ids, need);
    for (size_t i = 0; i < need; i++)
        if (ids[i] < 0 || (uint32_t)ids[i] >= n_vocab) {
            nb_status st = nb_fail(err, NB_FORMAT, "token %d of the text is outside the model's %u",
                                   ids[i], n_vocab);
            free(ids);
            return st;
        }
    *out = ids;
    *n = need;
    return NB_OK;
}

typedef struct reporter {
    void (*fn)(void *arg, const nb_ppl *so_far);
    void *arg;
} reporter;

static nb_status run_chunks(nb_ppl *out, nb_session *s, const int32_t *ids, int32_t bos,
                            uint32_t chunks, const reporter *r, const nb_hooks *hooks, nb_err *err)
{
    scorer sc = {.n_ctx = out->n_ctx, .n_vocab = nb_session_model(s)->hp.n_vocab};
    double start = seconds();
    int32_t *chunk = nb_alloc(out->n_ctx, sizeof *chunk, "chunk", err);
    if (!chunk)
        return NB_NOMEM;
    nb_status st = NB_OK;
    for (uint32_t c = 0; c < chunks && st == NB_OK; c++) {
        memcpy(chunk, ids + (size_t)c * out->n_ctx, out->n_ctx * sizeof *chunk);
        if (bos >= 0)
            chunk[0] = bos;
        sc.ids = chunk;
        st = nb_canceled(hooks)
                 ? nb_fail(err, NB_CANCELED, "cancelled")
                 : nb_session_score(s, chunk, out->n_ctx, out->n_ctx / 2, score, &sc, hooks, err);
        if (st != NB_OK)
            break;
        out->chunks = c + 1;
        figures(out, &sc, seconds() - start);
        if (r->fn)
            r->fn(r->arg, out);
        nb_report(hooks, &(nb_progress){
                             .what = "perplexity", .done = c + 1, .total = chunks, .detail = out});
    }
    free(chunk);
    return st;
}

nb_status nb_eval_ppl(nb_ppl *out, nb_session *s, const nb_tok *tok, const char *text, size_t len,
                      uint32_t n_ctx, uint32_t max_chunks,
                      void (*fn)(void *arg, const nb_ppl *so_far), void *arg, const nb_hooks *hooks,
                      nb_err *err)
{
    nb_ppl p = {.n_ctx = n_ctx};
    int32_t *ids = NULL, bos[1];
    size_t n = 0;
    if (n_ctx < 4)
        return nb_fail(err, NB_USAGE, "context %u is too short to score", n_ctx);
    if (n_ctx > nb_session_ctx(s))
        return nb_fail(err, NB_REFUSED, "context %u asked, the session holds %u", n_ctx,
                       nb_session_ctx(s));
    NB_TRY(token_ids(&ids, &n, tok, text, len, nb_session_model(s)->hp.n_vocab, err));
    p.tokens = n;
    nb_status st;
    if (n < 2 * (uint64_t)n_ctx) {
        st = nb_fail(err, NB_REFUSED, "the text has %zu tokens, %llu are needed at context %u", n,
                     2 * (unsigned long long)n_ctx, n_ctx);
    } else {
        uint64_t chunks = n / n_ctx;
        if (max_chunks && chunks > max_chunks)
            chunks = max_chunks;
        bool wants_bos = nb_tok_encode(tok, "", 0, NB_TOK_BOS, bos, 1) == 1;
        st = run_chunks(&p, s, ids, wants_bos ? bos[0] : -1, (uint32_t)chunks, &(reporter){fn, arg},
                        hooks, err);
    }
    free(ids);
    if (st == NB_OK)
        *out = p;
    return st;
}
