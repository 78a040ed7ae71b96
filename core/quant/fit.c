#include "core/quant/fit.h"

const char *nb_fit_name(nb_fit_word w)
{
    static const char *const name[] = {"FITS", "TIGHT", "PAGES", "NO"};
    return (unsigned)w < countof(name) ? name[w] : "?";
}

static nb_fit_word word_of(const nb_fit *f)
{
    uint64_t held; /* cannot be paged out to the model file */
    if (!nb_add(f->kv, f->compute, &held) || !nb_add(held, f->flat, &held) || held > f->available)
        return NB_NO;
    if (f->total > f->available)
        return NB_PAGES;
    return f->available - f->total > f->available / 100 * 15 ? NB_FITS : NB_TIGHT;
}

nb_fit nb_fit_of(const nb_hparams *hp, uint64_t weight_bytes, uint32_t ctx, bool kv_f32,
                 uint64_t available)
{
    const nb_session_options opt = {.n_ctx = ctx, .kv_f32 = kv_f32};
    return nb_fit_session(hp, weight_bytes, 0, &opt, available);
}

nb_fit nb_fit_session(const nb_hparams *hp, uint64_t weight_bytes, uint64_t flat,
                      const nb_session_options *opt, uint64_t available)
{
    nb_fit f = {.weights = weight_bytes, .flat = flat, .available = available, .ctx = opt->n_ctx};
    nb_session_plan(hp, opt, &f.kv, &f.compute);
    if (!nb_add(f.weights, f.kv, &f.total) || !nb_add(f.total, f.compute, &f.total) ||
        !nb_add(f.total, flat, &f.total))
        f.total = UINT64_MAX;
    f.word = word_of(&f);
    return f;
}

/* As nb_hparams_read settles them. */
static void add_experts(nb_hparams *hp, const nb_entry *e)
{
    bool gated = hp->features & NB_ARCH_SHARED_GATE;
    uint32_t used = (uint32_t)e->n_expert_used, own_ff = gated && used ? hp->n_ff / used : hp->n_ff;
    if (!e->n_expert)
        return;
    hp->features |= NB_ARCH_EXPERTS;
    hp->n_expert = (uint32_t)e->n_expert;
    hp->n_expert_used = used;
    hp->n_expert_ff = e->n_expert_ff ? (uint32_t)e->n_expert_ff : own_ff;
    hp->n_shared_ff = e->n_shared_ff ? (uint32_t)e->n_shared_ff : gated ? hp->n_ff : 0;
}

nb_hparams nb_fit_hparams(const nb_entry *e)
{
    nb_hparams hp = {.arch = nb_arch_find(e->arch),
                     .n_layer = (uint32_t)e->n_layer,
                     .n_embd = (uint32_t)e->n_embd,
                     .n_head = (uint32_t)e->n_head,
                     .n_head_kv = (uint32_t)e->n_head_kv,
                     .head_dim = (uint32_t)e->head_dim,
                     .n_ff = (uint32_t)e->n_ff,
                     .n_vocab = (uint32_t)e->n_vocab,
                     .n_rot = (uint32_t)(e->n_rot ? e->n_rot : e->head_dim),
                     .n_ctx_train = (uint32_t)e->n_ctx,
                     .window = (uint32_t)e->window,
                     .tied = e->tied};
    hp.features = hp.arch ? hp.arch->flags : 0;
    if (hp.arch && hp.arch->position == NB_POS_LEARNED)
        hp.n_rot = 0;
    add_experts(&hp, e);
    return hp;
}
