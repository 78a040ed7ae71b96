/* Context shift: a sequence goes on beyond its context by forgetting tokens in its middle. Turning
 * by a, then by -b, is turning by a - b, whatever scaling made the angles, so keys need no new
 * evaluation (build_rope_shift of src/llama-kv-cache.cpp of llama.cpp @ de3ff81 does the same). The
 * gain of yarn and longrope is in the keys already and is not given twice. */
#include "core/model/forward.h"

#include <math.h>
#include <string.h>

typedef struct shift {
    nb_session *s;
    size_t keep, drop, n;
    uint32_t first; /* layer whose scratch row is the first */
} shift;

static void turn_back(const nb_session *s, size_t drop)
{
    size_t pairs = s->model->hp.n_rot / 2;
    for (int t = 0; t < 2; t++)
        for (size_t i = 0; s->cs[t] && s->freq[t] && i < pairs; i++) {
            double angle = (double)drop * (double)s->freq[t][i];
            s->cs[t][2 * i] = (float)cos(angle);
            s->cs[t][2 * i + 1] = (float)-sin(angle);
        }
}

/* Keys of one layer: each row decoded, turned, encoded where it now belongs. */
static void shift_keys(const shift *p, const nb_layer *l, uint8_t *k, float *row)
{
    const nb_session *s = p->s;
    const nb_hparams *hp = &s->model->hp;
    size_t nkv = (size_t)hp->n_head_kv * hp->head_dim;
    nk_rope_kind kind = hp->arch->position == NB_POS_NEOX ? NK_ROPE_NEOX : NK_ROPE_NORM;
    const float *cs = s->cs[l->turn == NB_TURN_LOCAL];
    for (size_t pos = p->keep + p->drop; pos < p->n; pos++) {
        s->ops->decode[s->k_type](k + pos * s->k_row, row, nkv);
        s->ops->rope(row, hp->n_head_kv, hp->head_dim, cs, hp->n_rot, kind);
        s->ops->encode[s->k_type](row, k + (pos - p->drop) * s->k_row, 1, nkv, NULL);
    }
}

static void shift_layers(void *arg, size_t begin, size_t end, int thread)
{
    const shift *p = arg;
    const nb_session *s = p->s;
    const nb_hparams *hp = &s->model->hp;
    size_t nkv = (size_t)hp->n_head_kv * hp->head_dim, rest = p->n - p->keep - p->drop;
    size_t k_size = s->n_ctx * s->k_row, v_size = s->n_ctx * s->v_row;
    (void)thread;
    for (size_t i = begin; i < end; i++) {
        const nb_layer *l = &s->model->layer[p->first + i];
        uint8_t *k = s->kv + (s->now * hp->n_layer + p->first + i) * (k_size + v_size);
        uint8_t *v = k + k_size;
        if (l->turn == NB_TURN_NONE)
            memmove(k + p->keep * s->k_row, k + (p->keep + p->drop) * s->k_row, rest * s->k_row);
        else
            shift_keys(p, l, k, s->k + i * nkv);
        memmove(v + p->keep * s->v_row, v + (p->keep + p->drop) * s->v_row, rest * s->v_row);
    }
}

nb_status nb_session_shift(nb_session *s, size_t keep, size_t drop, nb_err *err)
{
    nb_seq *q = &s->seq[s->now];
    const nb_hparams *hp = &s->model->hp;
    if (hp->features & NB_ARCH_LEARNED)
        return nb_fail(err, NB_UNSUPPORTED,
                       "context full: %s has learned its positions, they cannot be shifted",
                       hp->arch->name);
    if (keep > q->n || drop > q->n - keep)
        return nb_fail(err, NB_USAGE, "context shift: %zu kept and %zu dropped of %zu tokens", keep,
                       drop, q->n);
    if (drop == 0)
        return NB_OK;
    shift p = {.s = s, .keep = keep, .drop = drop, .n = q->n};
    uint32_t rows = s->n_batch > NB_HEAD_ROWS ? s->n_batch : NB_HEAD_ROWS; /* of s->k */
    turn_back(s, drop);
    for (; p.first < hp->n_layer; p.first += rows) {
        uint32_t left = hp->n_layer - p.first;
        nk_parallel(s->pool, left < rows ? left : rows, 1, shift_layers, &p);
    }
    memmove(q->ids + keep, q->ids + keep + drop, (q->n - keep - drop) * sizeof *q->ids);
    q->n -= drop;
    return NB_OK;
}
