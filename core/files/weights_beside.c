/* Factors that a packed weight's rows leave out, as tensors beside it: "X.scale", and
 * "X.input_scale" for runtimes that round activations too; one number, or one per expert of a stack
 * (llama.cpp @ de3ff81, conversion/base.py _repack_nvfp4 and _flush_nvfp4_experts). Where all are 1
 * there is none. */
#include <stdio.h>
#include <string.h>

#include "core/files/weights_private.h"

typedef struct kind {
    const char *tail; /* instead of "weight" */
    float (*of)(const nb_packed *p);
} kind;

static float factor_of(const nb_packed *p)
{
    return p->factor;
}

static float input_of(const nb_packed *p)
{
    return p->type == NK_NVFP4 && p->input > 0 ? p->input : 1;
}

static const kind kinds[] = {{"scale", factor_of}, {"input_scale", input_of}};

static size_t parts_of(const nb_view *v)
{
    const nb_gather *g = v->gather;
    return !g || !g->packed ? 0 : g->part ? (size_t)v->t.shape[v->t.n_dims - 1] : 1;
}

/* *room floats are there for it; moves on past what it took. */
static nb_status add_beside(nb_weights *w, const nb_view *v, const kind *k, float **room,
                            nb_err *err)
{
    const nb_gather *g = v->gather;
    const size_t n = parts_of(v), stem = strlen(v->t.name) - strlen("weight");
    float *at = *room;
    bool trivial = true;
    for (size_t i = 0; i < n; i++) {
        at[i] = k->of(g->part ? g->part[i] : g->packed);
        trivial = trivial && at[i] == 1;
    }
    if (trivial)
        return NB_OK;
    char *name = w->names + w->n * (NB_MAX_NAME + 1);
    int len = snprintf(name, NB_MAX_NAME + 1, "%.*s%s", (int)stem, v->t.name, k->tail);
    if (len > NB_MAX_NAME)
        return nb_fail(err, NB_FORMAT, "tensor \"%s\": name is too long", v->t.name);
    w->views[w->n++] = (nb_view){
        .t = {.name = name,
              .type = NK_F32,
              .n_dims = 1,
              .shape = {n, 1, 1, 1},
              .bytes = (const uint8_t *)at,
              .nbytes = n * sizeof *at},
        .stored_name = v->stored_name,
        .out_type = NK_F32,
        .beside = v->t.name,
    };
    *room += n;
    return NB_OK;
}

nb_status nb_weights_add_beside(nb_weights *w, nb_err *err)
{
    size_t n = w->n, total = 0;
    for (size_t i = 0; i < n; i++)
        total += countof(kinds) * parts_of(&w->views[i]);
    if (!total)
        return NB_OK;
    w->factors = nb_alloc(total, sizeof *w->factors, "factors", err);
    if (!w->factors)
        return NB_NOMEM;
    float *room = w->factors;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < countof(kinds) && parts_of(&w->views[i]); k++)
            NB_TRY(add_beside(w, &w->views[i], &kinds[k], &room, err));
    return NB_OK;
}
