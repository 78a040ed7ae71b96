/* A solution as a recipe: per kind of tensor its types as rules over layers, the most frequent one
 * last and without them. */
#include <stdio.h>
#include <string.h>

#include "core/quant/presets.h"
#include "core/quant/solve.h"

enum { MAX_KINDS = 64 };

typedef struct kinds {
    char name[MAX_KINDS][NB_MAX_NAME + 1]; /* "ffn_down", "output" */
    size_t n;
} kinds;

static nk_type_id taken(const nb_solve *s, size_t i)
{
    return s->item[i].choice[s->item[i].taken].type;
}

/* The name without "blk.N." and ".weight". */
static void kind_of(const char *name, char out[NB_MAX_NAME + 1])
{
    size_t at, len;
    const char *p = name;
    if (nb_edits_layer(name, &at, &len) >= 0)
        p = name + at + len + 1;
    size_t n = strlen(p);
    if (n > 7 && strcmp(p + n - 7, ".weight") == 0)
        n -= 7;
    snprintf(out, NB_MAX_NAME + 1, "%.*s", (int)n, p);
}

static size_t kind_index(kinds *k, const char *name)
{
    char kind[NB_MAX_NAME + 1];
    kind_of(name, kind);
    for (size_t i = 0; i < k->n; i++)
        if (strcmp(k->name[i], kind) == 0)
            return i;
    if (k->n == MAX_KINDS)
        return SIZE_MAX;
    memcpy(k->name[k->n], kind, sizeof kind);
    return k->n++;
}

/* " 0-3,7" of sorted layers; false when it does not fit. */
static bool add_layers(char *out, size_t cap, const int *layer, size_t n)
{
    size_t len = 0;
    for (size_t i = 0; i < n;) {
        size_t k = i;
        while (k + 1 < n && layer[k + 1] == layer[k] + 1)
            k++;
        int wrote =
            k > i ? snprintf(out + len, cap - len, "%s%d-%d", i ? "," : "", layer[i], layer[k])
                  : snprintf(out + len, cap - len, "%s%d", i ? "," : "", layer[i]);
        if (wrote < 0 || (size_t)wrote >= cap - len)
            return false;
        len += (size_t)wrote;
        i = k + 1;
    }
    return true;
}

typedef struct members {
    int layer[1024];
    size_t n;
} members;

/* Layers of one kind with one type, ascending: items are in the plan's order. */
static void collect(const nb_solve *s, kinds *k, size_t kind, nk_type_id type, members *out)
{
    out->n = 0;
    for (size_t i = 0; i < s->n; i++) {
        size_t at, len;
        const char *name = s->plan->layout[s->item[i].tensor].name;
        if (taken(s, i) == type && kind_index(k, name) == kind && out->n < countof(out->layer))
            out->layer[out->n++] = nb_edits_layer(name, &at, &len);
    }
}

static nb_status add_rule(nb_recipe *r, const char *kind, const char *layers, nk_type_id type,
                          nb_err *err)
{
    nb_str text = {0};
    nb_str_addf(&text, "%s%s%s=%s", kind, *layers ? "@" : "", layers, nk_type_get(type)->name);
    nb_status st = text.failed ? nb_fail(err, NB_NOMEM, "rule: out of memory")
                               : nb_recipe_add(r, nb_str_c(&text), err);
    nb_str_free(&text);
    return st == NB_USAGE
               ? nb_fail(err, NB_UNSUPPORTED, "the solution takes more than %d rules", NB_MAX_RULES)
               : st;
}

/* One type of one kind: its layers, in several rules where one would be too long. */
static nb_status add_layered(nb_recipe *r, const char *kind, const members *m, nk_type_id type,
                             nb_err *err)
{
    char layers[sizeof r->rule[0].pattern];
    size_t room = sizeof layers - strlen(kind) - 2;
    for (size_t from = 0; from < m->n;) {
        size_t n = m->n - from;
        while (n > 1 && !add_layers(layers, room, m->layer + from, n))
            n--;
        add_layers(layers, room, m->layer + from, n);
        NB_TRY(add_rule(r, kind, layers, type, err));
        from += n;
    }
    return NB_OK;
}

static nb_status add_kind(const nb_solve *s, nb_recipe *r, kinds *k, size_t kind, nb_err *err)
{
    members m;
    size_t most = 0;
    nk_type_id usual = NK_F32;
    for (uint32_t t = 0; t < NK_TYPE_SLOTS; t++) {
        collect(s, k, kind, (nk_type_id)t, &m);
        if (m.n > most) {
            most = m.n;
            usual = (nk_type_id)t;
        }
    }
    for (uint32_t t = 0; t < NK_TYPE_SLOTS; t++) {
        collect(s, k, kind, (nk_type_id)t, &m);
        if (m.n && t != usual)
            NB_TRY(add_layered(r, k->name[kind], &m, (nk_type_id)t, err));
    }
    return add_rule(r, k->name[kind], "", usual, err);
}

nb_status nb_solve_recipe(const nb_solve *s, nb_recipe *out, nb_err *err)
{
    kinds k = {.n = 0};
    uint64_t weights[NK_TYPE_SLOTS] = {0};
    size_t most = NK_Q4_K;
    for (size_t i = 0; i < s->n; i++) {
        weights[taken(s, i)] += s->plan->tensor[s->item[i].tensor].n;
        most = weights[taken(s, i)] > weights[most] ? taken(s, i) : most;
        if (kind_index(&k, s->plan->layout[s->item[i].tensor].name) == SIZE_MAX)
            return nb_fail(err, NB_UNSUPPORTED, "the model has more than %d kinds of tensors",
                           MAX_KINDS);
    }
    const nb_preset *preset = nb_preset_find(nk_type_get((uint32_t)most)->name);
    nb_recipe_init(out, preset ? preset : nb_preset_find("Q4_K_M"));
    out->pure = true;
    for (size_t i = 0; i < k.n; i++)
        NB_TRY(add_kind(s, out, &k, i, err));
    return NB_OK;
}
