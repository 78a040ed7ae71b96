#include "core/eval/eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/job.h"
#include "core/base/str.h"

typedef struct scorer {
    const int32_t *ids; /* of the chunk as evaluated */
    uint32_t n_ctx, n_vocab;
    uint64_t n;
    double nll, nll2;
    const nb_eval_watch *watch;
    nb_status st; /* of the watch's row */
    nb_err *err;
} scorer;

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
    if (pos + 1 >= s->n_ctx || s->st != NB_OK)
        return;
    double nll = surprise(logits, s->n_vocab, s->ids[pos + 1]);
    s->nll += nll;
    s->nll2 += nll * nll;
    s->n++;
    if (s->watch->row)
        s->st = s->watch->row(s->watch->row_arg, pos, logits, s->err);
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

nb_status nb_eval_read(nb_ppl *out, nb_session *s, const nb_reading *rd, const nb_eval_watch *watch,
                       const nb_hooks *hooks, nb_err *err)
{
    static const nb_eval_watch nobody = {0};
    nb_ppl p = {.n_ctx = rd->n_ctx, .tokens = rd->tokens};
    scorer sc = {.n_ctx = rd->n_ctx,
                 .n_vocab = nb_session_model(s)->hp.n_vocab,
                 .watch = watch ? watch : &nobody,
                 .err = err};
    double start = nb_seconds();
    if (rd->n_ctx > nb_session_ctx(s))
        return nb_fail(err, NB_REFUSED, "context %u asked, the session holds %u", rd->n_ctx,
                       nb_session_ctx(s));
    int32_t *chunk = nb_alloc(rd->n_ctx, sizeof *chunk, "chunk", err);
    if (!chunk)
        return NB_NOMEM;
    nb_status st = NB_OK;
    nb_hooks quiet = nb_quiet(hooks);
    for (uint32_t c = 0; c < rd->chunks && st == NB_OK; c++) {
        nb_reading_chunk(rd, c, chunk);
        sc.ids = chunk;
        st = nb_canceled(hooks)
                 ? nb_fail(err, NB_CANCELED, "cancelled")
                 : nb_session_score(s, chunk, rd->n_ctx, rd->first, score, &sc, &quiet, err);
        st = st == NB_OK ? sc.st : st;
        if (st != NB_OK)
            break;
        p.chunks = c + 1;
        figures(&p, &sc, nb_seconds() - start);
        if (sc.watch->chunk)
            sc.watch->chunk(sc.watch->arg, &p);
        nb_report(
            hooks,
            &(nb_progress){.what = "perplexity", .done = c + 1, .total = rd->chunks, .detail = &p});
    }
    free(chunk);
    if (st == NB_OK)
        *out = p;
    return st;
}

nb_status nb_eval_ppl(nb_ppl *out, nb_session *s, const nb_tok *tok, const char *text, size_t len,
                      uint32_t n_ctx, uint32_t max_chunks,
                      void (*fn)(void *arg, const nb_ppl *so_far), void *arg, const nb_hooks *hooks,
                      nb_err *err)
{
    nb_reading rd;
    nb_reading_options opt = {.n_ctx = n_ctx, .max_chunks = max_chunks};
    if (n_ctx > nb_session_ctx(s))
        return nb_fail(err, NB_REFUSED, "context %u asked, the session holds %u", n_ctx,
                       nb_session_ctx(s));
    NB_TRY(nb_reading_open(&rd, tok, nb_session_model(s)->hp.n_vocab, text, len, &opt, err));
    nb_status st = nb_eval_read(out, s, &rd, &(nb_eval_watch){.chunk = fn, .arg = arg}, hooks, err);
    nb_reading_close(&rd);
    return st;
}
