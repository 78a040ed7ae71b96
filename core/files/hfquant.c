/* Which stored tensors make one packed weight, and whether all of them are there. */
#include "core/files/hfquant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Stored beside packed weights and not carried over: activation scales, shapes, version marks. */
static const char *const idle[] = {"weight_shape", "weight_format", "input_scale", "output_scale",
                                   "k_scale", "v_scale", "input_global_scale",
                                   /* hqq's settings */
                                   "nbits", "group_size", "axis", "channel_wise", "optimize",
                                   "round_zero", "view_as_float", "packing", "unpack_view_dtype"};

nb_status nb_packs_open(nb_packs *out, const nb_hf_config *c, size_t n_tensors, nb_err *err)
{
    nb_packs p = {.cap = n_tensors};
    NB_TRY(nb_pack_config_read(&p.cfg, &p.how, c));
    if (p.how.n)
        p.at = nb_alloc(n_tensors ? n_tensors : 1, sizeof *p.at, "packed tensors", err);
    if (p.how.n && !p.at)
        return NB_NOMEM;
    *out = p;
    return NB_OK;
}

/* Length of the stem before ".suffix", or before "_suffix" as it stands; SIZE_MAX: it does not end
 * so. */
static size_t stem_before(const char *name, const char *suffix)
{
    size_t n = strlen(name), len = strlen(suffix), dot = suffix[0] != '_';
    bool ends =
        n > len + dot && (!dot || name[n - len - 1] == '.') && strcmp(name + n - len, suffix) == 0;
    return ends ? n - len - dot : SIZE_MAX;
}

/* The longest suffix wins: "weight.absmax" is no "absmax". */
static int role_of(const nb_packing *how, const nb_tensor *t, size_t *stem)
{
    int best = -1;
    *stem = SIZE_MAX;
    for (int i = 0; i < NB_PACK_PARTS; i++) {
        const char *s = how->suffix[i];
        size_t at = s ? stem_before(t->name, s + (*s == '?')) : SIZE_MAX;
        if (at != SIZE_MAX && at < *stem) {
            best = i;
            *stem = at;
        }
    }
    bool codes = best == NB_PACK_CODES;
    return codes && (t->dtype != how->codes_dtype || t->type != how->codes_type) ? -1 : best;
}

/* The role under the first row that gives it one. */
static int role_in(const nb_packing_set *set, const nb_tensor *t, size_t *stem,
                   const nb_packing **row)
{
    int role = -1;
    for (size_t i = 0; i < set->n && role < 0; i++) {
        *row = set->row[i];
        role = role_of(*row, t, stem);
    }
    return role;
}

static bool is_idle(const char *name)
{
    for (size_t i = 0; i < countof(idle); i++)
        if (stem_before(name, idle[i]) != SIZE_MAX)
            return true;
    return false;
}

uint64_t nb_packing_weights(const nb_packing_set *set, const nb_tensor *t)
{
    size_t stem;
    const nb_packing *row = NULL;
    int role = role_in(set, t, &stem, &row);
    if (role != NB_PACK_CODES)
        return role >= 0 || is_idle(t->name) ? 0 : nb_tensor_count(t);
    uint64_t each = (t->type == NK_I32 ? 32 : 8);
    return row->per_code ? nb_tensor_count(t) * row->per_code
                         : nb_tensor_count(t) * each / (uint64_t)set->bits;
}

typedef struct wanted {
    const nb_packs *p;
    const char *name;
    size_t n;
} wanted;

static bool same_stem(const void *arg, size_t item)
{
    const wanted *w = arg;
    const char *have = w->p->at[item].name;
    return strlen(have) == w->n + strlen(".weight") && memcmp(have, w->name, w->n) == 0;
}

static nb_status group_of(nb_packs *p, const char *name, size_t stem, nb_packed **out, nb_err *err)
{
    wanted w = {p, name, stem};
    size_t i = nb_index_find(&p->index, name, stem, same_stem, &w);
    if (i == SIZE_MAX) {
        nb_packed *g = &p->at[p->n];
        g->name = nb_alloc(stem + sizeof ".weight", 1, "tensor name", err);
        if (!g->name)
            return NB_NOMEM;
        snprintf(g->name, stem + sizeof ".weight", "%.*s.weight", (int)stem, name);
        g->cfg = &p->cfg;
        i = p->n++;
        NB_TRY(nb_index_add(&p->index, name, stem, i, err));
    }
    *out = &p->at[i];
    return NB_OK;
}

nb_status nb_packs_take(nb_packs *p, const nb_tensor *t, uint32_t shard, bool *taken, nb_err *err)
{
    size_t stem;
    nb_packed *g;
    *taken = false;
    if (!p->how.n)
        return NB_OK;
    const nb_packing *row;
    int role = role_in(&p->how, t, &stem, &row);
    *taken = role >= 0 || is_idle(t->name);
    if (role < 0)
        return NB_OK;
    NB_TRY(group_of(p, t->name, stem, &g, err));
    if (g->part[role])
        return nb_fail(err, NB_FORMAT, "tensor \"%.120s\" stands twice", t->name);
    g->part[role] = t;
    if (role == NB_PACK_CODES) {
        g->shard = shard;
        g->how = row;
    }
    return NB_OK;
}

nb_status nb_packs_settle(nb_packs *p, nb_err *err)
{
    for (size_t i = 0; i < p->n; i++) {
        nb_packed *g = &p->at[i];
        g->how = g->how ? g->how : p->how.row[0]; /* codes that are missing are asked for below */
        g->factor = 1;
        for (int k = 0; k < NB_PACK_PARTS; k++) {
            const char *s = g->how->suffix[k];
            if (s && *s != '?' && !g->part[k])
                return nb_fail(err, NB_FORMAT, "tensor \"%.120s\": its %s is missing", g->name, s);
        }
        NB_TRY(g->how->open(g, err));
        uint64_t row;
        if (!g->rows || !g->cols || !nk_row_size(nk_type_get(g->type), g->cols, &row))
            return nb_fail(err, NB_FORMAT, "tensor \"%.120s\": %llu x %llu is no %s", g->name,
                           (unsigned long long)g->rows, (unsigned long long)g->cols,
                           nk_type_get(g->type)->name);
    }
    return NB_OK;
}

void nb_packs_close(nb_packs *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->at[i].name);
    free(p->at);
    nb_index_free(&p->index);
    *p = (nb_packs){.n = 0};
}

/* --- shared by the packings ---------------------------------------------------------------------
 */

bool nb_packed_is(const nb_packed *p, int role, uint64_t rows, uint64_t cols)
{
    const nb_tensor *t = p->part[role];
    return t && nb_tensor_cols(t) == cols && nb_tensor_rows(t) == rows;
}

nb_status nb_packed_wrong(const nb_packed *p, int role, uint64_t rows, uint64_t cols, nb_err *err)
{
    const nb_tensor *t = p->part[role];
    return nb_fail(err, NB_FORMAT, "tensor \"%.120s\": %llu x %llu %s, expected %llu x %llu",
                   t->name, (unsigned long long)nb_tensor_rows(t),
                   (unsigned long long)nb_tensor_cols(t), nk_type_get(t->type)->name,
                   (unsigned long long)rows, (unsigned long long)cols);
}
