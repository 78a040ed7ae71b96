#include "core/model/draft.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"
#include "kernels/cpu.h"

enum {
    MATCH_LEAST = 3, /* tokens that must agree before what followed is worth a guess */
    MATCH_MOST = 16, /* longer matches are not told apart */
    PAUSE_LEAST = 8, /* tokens without a guess, after guessing stopped paying; doubled ... */
    PAUSE_MOST = 512,
};

/* What one more column adds to a pass over the weights where a kernel takes a few at once: of f32,
 * f16 and bf16, and of block types. Measured as nk_matmul over 64 MB of weights, least of many
 * times against one column. AVX2 on two cores of an AMD EPYC (Zen 3): f16 2 columns 1.05, 4 1.3,
 * 6 1.5 to 1.7; q4_K, q5_K, q6_K, q8_0 and q4_0 1.05 to 1.3, 1.35 to 1.65, 1.8 to 2.2. The levels
 * above on one core of an Intel Xeon (Emerald Rapids), from memory that others left 9 to 25 GB/s
 * of, 2, 4 and 6 columns: AVX-VNNI, the same blocks 1.05, 1.05 to 1.25, 1.1 to 1.7; AVX-512,
 * blocks 1.0 to 1.2, 1.0 to 1.25, 1.15 to 1.45, f16 1.0 to 1.25, 1.1 to 1.6, 1.2 to 2.0. */
static const struct column_cost {
    unsigned flag; /* of the level; the first row that it has counts */
    double floats, blocks;
} COLUMN_COST[] = {
    {NK_CPU_AVX512, 0.1, 0.08}, {NK_CPU_AVXVNNI, 0.12, 0.12}, {NK_CPU_AVX2, 0.12, 0.2}};
/* And where none does: as panels 2 columns cost 1.4 to 1.8, 4 1.6 to 3. */
static const double NOT_FEW = 0.4;
/* Share of right guesses assumed at first and after a pause: a text repeats itself seldom, a model
 * in fewer bits mostly agrees. And what an observation weighs. */
static const double LOOKUP_HOPE = 0.5, MODEL_HOPE = 0.8, RECENT = 0.2;

struct nb_draft {
    nb_session *by; /* borrowed; NULL: lookup */
    nb_sampler *sampler;
    double cost, column;
    int32_t *text; /* [n_ctx + 1] what `by` is to go on with; NULL for lookup */
    uint32_t n_ctx;
    double right; /* share of right guesses, lately */
    uint32_t pause, next_pause;
};

static double cost_of(const nk_ops *ops, const nk_type *t)
{
    size_t i = 0;
    const nk_pairs *pairs = &ops->pairs[t->id];
    if (!(pairs->run ? pairs->few : ops->few[t->id]))
        return NOT_FEW;
    while (i + 1 < countof(COLUMN_COST) && !(ops->flags & COLUMN_COST[i].flag))
        i++;
    return t->is_float ? COLUMN_COST[i].floats : COLUMN_COST[i].blocks;
}

double nb_draft_column_cost(const nb_model *m, const nk_ops *ops)
{
    double bytes = 0, cost = 0;
    for (uint32_t l = 0; l < m->hp.n_layer; l++)
        for (size_t i = 0; i < NB_SLOT_COUNT; i++) {
            const nk_matrix *w = &m->layer[l].w[i];
            if (!w->data || w->rows < 2) /* vectors are no product */
                continue;
            double size = (double)w->rows * (double)w->row_size;
            bytes += size;
            cost += size * cost_of(ops, w->type);
        }
    return bytes > 0 ? cost / bytes : NOT_FEW;
}

nb_status nb_draft_open(nb_draft **out, nb_session *by, double cost, double column, uint32_t n_ctx,
                        nb_err *err)
{
    nb_sampling greedy = nb_sampling_greedy();
    nb_draft *d = nb_alloc(1, sizeof *d, "draft", err);
    if (!d)
        return NB_NOMEM;
    *d = (nb_draft){.by = by, .cost = by ? cost : 0, .column = column, .n_ctx = n_ctx};
    nb_draft_reset(d);
    nb_status st = NB_OK;
    if (by) {
        d->text = nb_alloc((uint64_t)n_ctx + 1, sizeof *d->text, "draft", err);
        st = d->text ? nb_sampler_open(&d->sampler, &greedy, nb_session_model(by)->hp.n_vocab, err)
                     : NB_NOMEM;
    }
    if (st != NB_OK) {
        nb_draft_close(&d);
        return st;
    }
    *out = d;
    return NB_OK;
}

void nb_draft_close(nb_draft **dp)
{
    nb_draft *d = *dp;
    if (!d)
        return;
    nb_sampler_close(&d->sampler);
    free(d->text);
    free(d);
    *dp = NULL;
}

void nb_draft_reset(nb_draft *d)
{
    d->right = d->by ? MODEL_HOPE : LOOKUP_HOPE;
    d->pause = 0;
    d->next_pause = PAUSE_LEAST;
}

void nb_draft_use_pool(nb_draft *d, nk_pool *pool)
{
    if (d->by)
        nb_session_use_pool(d->by, pool);
}

/* --- how many ----------------------------------------------------------------------------------
 */

/* The count, at most `most`, that gives most tokens for its cost: k guesses, each right with the
 * same chance as long as those before it were, give 1 + p + ... + p^k tokens. */
static size_t worth(const nb_draft *d, size_t most)
{
    double tokens = 1, chance = 1, best = 1;
    size_t count = 0;
    for (size_t k = 1; k <= most; k++) {
        chance *= d->right;
        tokens += chance;
        double rate = tokens / (1 + (double)k * (d->cost + d->column));
        if (rate > best) {
            best = rate;
            count = k;
        }
    }
    return count;
}

void nb_draft_judge(nb_draft *d, size_t count, size_t right)
{
    for (size_t i = 0; i < right; i++)
        d->right += RECENT * (1 - d->right);
    if (right < count) /* what stands behind a wrong one says nothing */
        d->right -= RECENT * d->right;
    if (worth(d, count) > 0) {
        d->next_pause = right > 1 ? PAUSE_LEAST : d->next_pause;
        return;
    }
    d->right = d->by ? MODEL_HOPE : LOOKUP_HOPE;
    d->pause = d->next_pause;
    d->next_pause = d->next_pause * 2 < PAUSE_MOST ? d->next_pause * 2 : PAUSE_MOST;
}

/* --- lookup ------------------------------------------------------------------------------------
 */

/* Tokens that ids[..end) and the text, ids[0..n) and last, have in common at their ends. */
static size_t common_end(const int32_t *ids, size_t end, size_t n, int32_t last)
{
    if (ids[end - 1] != last)
        return 0;
    size_t len = 1;
    while (len < end && len < MATCH_MOST && ids[end - 1 - len] == ids[n - len])
        len++;
    return len;
}

/* What followed the latest of the longest places that end as the text does; where that is the
 * text's own end, it is taken to repeat itself. */
static size_t look_up(const int32_t *ids, size_t n, int32_t last, int32_t *out, size_t most)
{
    size_t best = MATCH_LEAST - 1, at = 0;
    for (size_t end = n; end > 0 && best < MATCH_MOST; end--) {
        size_t len = common_end(ids, end, n, last);
        if (len > best) {
            best = len;
            at = end;
        }
    }
    if (at == 0)
        return 0;
    for (size_t i = 0; i < most; i++, at++)
        out[i] = at < n ? ids[at] : at == n ? last : out[at - n - 1];
    return most;
}

/* --- another model -----------------------------------------------------------------------------
 */

static nb_status ask(nb_draft *d, const int32_t *ids, size_t n, int32_t last, const nb_sampler *smp,
                     int32_t *out, size_t most, size_t *count, const nb_hooks *hooks, nb_err *err)
{
    size_t room = nb_session_ctx(d->by), held;
    *count = 0;
    if (n > d->n_ctx || n + 1 + most > room)
        return NB_OK;
    memcpy(d->text, ids, n * sizeof *ids);
    d->text[n] = last;
    nb_sampler_follow(d->sampler, smp);
    NB_TRY(nb_session_feed(d->by, d->text, n + 1, NULL, hooks, err));
    for (;;) {
        nb_choice c;
        const uint32_t seq = 0;
        const int32_t *now = nb_session_tokens(d->by, &held);
        NB_TRY(nb_sampler_pick(d->sampler, nb_session_logits(d->by), now, held, &c, err));
        out[(*count)++] = c.id;
        if (*count == most)
            return NB_OK;
        NB_TRY(nb_session_append_each(d->by, &seq, 1, &c.id, hooks, err));
    }
}

nb_status nb_draft_next(nb_draft *d, const int32_t *ids, size_t n, int32_t last,
                        const nb_sampler *smp, int32_t *out, size_t most, size_t *count,
                        const nb_hooks *hooks, nb_err *err)
{
    *count = 0;
    if (d->pause > 0) {
        d->pause--;
        return NB_OK;
    }
    most = worth(d, most);
    if (most == 0)
        return NB_OK;
    if (d->by) {
        nb_hooks quiet = nb_quiet(hooks); /* a prompt is read a second time */
        return ask(d, ids, n, last, smp, out, most, count, &quiet, err);
    }
    *count = look_up(ids, n, last, out, most);
    return NB_OK;
}
