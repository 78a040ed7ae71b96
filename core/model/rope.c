/* Angle per position of every rotated pair, all scalings folded in: linear, yarn, longrope and the
 * factors Llama 3 files carry. Formulas: ggml_rope_ext of ggml/src/ggml-cpu/ggml-cpu.c (rope_yarn,
 * ggml_rope_yarn_corr_dims) and build_rope_factors of src/llama.cpp @ c392e50; YaRN is
 * arXiv:2309.00071. */
#include <math.h>
#include <stdlib.h>

#include "core/base/str.h"
#include "core/model/model.h"

typedef struct scaling {
    double base, scale, stretch, low, high; /* pairs low..high: the ramp from turned to scaled */
} scaling;

/* The pair that turns `turns` times within the original context. */
static double pair_of_turns(const nb_hparams *hp, double base, double turns)
{
    const double tau = 6.283185307179586;
    return hp->n_rot * log(hp->rope.n_ctx_orig / (turns * tau)) / (2 * log(base));
}

static scaling main_scaling(const nb_hparams *hp)
{
    const nb_rope_keys *r = &hp->rope;
    scaling s = {.base = (double)r->base, .scale = (double)r->scale};
    if (r->stretch > 0) {
        s.stretch = (double)r->stretch;
        s.low = floor(pair_of_turns(hp, s.base, (double)r->beta_fast));
        s.high = ceil(pair_of_turns(hp, s.base, (double)r->beta_slow));
        s.low = s.low > 0 ? s.low : 0;
        s.high = s.high < hp->n_rot - 1 ? s.high : hp->n_rot - 1;
    }
    return s;
}

static double angle(const scaling *s, uint32_t n_rot, uint32_t i, double factor)
{
    double plain = pow(s->base, -2.0 * i / n_rot) / factor;
    double width = s->high - s->low, ramp = 0;
    if (s->stretch > 0) {
        ramp = 1 - (i - s->low) / (width > 0.001 ? width : 0.001);
        ramp = (ramp < 0 ? 0 : ramp > 1 ? 1 : ramp) * s->stretch;
    }
    return plain * (s->scale * (1 - ramp) + ramp);
}

static nb_status fill(float *out, const nb_hparams *hp, const scaling *s, const nk_matrix *factors,
                      nb_slot slot, nb_err *err)
{
    const float *factor = factors->data;
    for (uint32_t i = 0; i < hp->n_rot / 2; i++) {
        if (factor && !(factor[i] > 0 && factor[i] < INFINITY))
            return nb_fail(err, NB_FORMAT, "tensor \"%s\": value %u is not positive",
                           nb_slot_of(slot)->name, i);
        out[i] = (float)angle(s, hp->n_rot, i, factor ? (double)factor[i] : 1);
    }
    return NB_OK;
}

nb_status nb_rope_fill(nb_model *m, nb_err *err)
{
    const nb_hparams *hp = &m->hp;
    const nb_rope_keys *r = &hp->rope;
    size_t pairs = hp->n_rot / 2;
    float *block = nb_alloc(pairs * NB_TURNS_COUNT, sizeof *block, "model", err);
    if (!block)
        return NB_NOMEM;
    m->rope_freq[NB_TURNS_MAIN] = block;
    double gain = (double)r->attn_factor;
    if (r->stretch > 0)
        gain *= 1 + 0.1 * log(1 / (double)r->scale);
    m->rope_gain[NB_TURNS_MAIN] = m->rope_gain[NB_TURNS_LONG] = (float)gain;
    m->rope_gain[NB_TURNS_LOCAL] = 1;

    /* what llama.cpp looks at: its converter writes no scaling type beside the factors */
    bool by_length = m->global[NB_ROPE_SHORT].data && !m->global[NB_ROPE_FREQS].data;
    nb_slot slot = by_length ? NB_ROPE_SHORT : NB_ROPE_FREQS;
    scaling s = main_scaling(hp);
    NB_TRY(fill(block, hp, &s, &m->global[slot], slot, err));
    if (by_length && m->global[NB_ROPE_LONG].data) {
        m->rope_freq[NB_TURNS_LONG] = block + pairs;
        NB_TRY(fill(block + pairs, hp, &s, &m->global[NB_ROPE_LONG], NB_ROPE_LONG, err));
    }
    if ((hp->features & NB_ARCH_LOCAL_ROPE) && hp->window) {
        const nk_matrix none = {0};
        scaling local = {.base = (double)r->local_base, .scale = 1};
        m->rope_freq[NB_TURNS_LOCAL] = block + 2 * pairs;
        NB_TRY(fill(block + 2 * pairs, hp, &local, &none, NB_ROPE_FREQS, err));
    }
    return NB_OK;
}
