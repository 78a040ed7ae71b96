/* Which stored runs may stand in one ranking, and why others may not. */
#include <stdio.h>
#include <string.h>

#include "core/eval/compare.h"

nb_unlike nb_run_key_unlike(const nb_run_key *a, const nb_run_key *b)
{
    return a->reference != b->reference            ? NB_UNLIKE_REFERENCE
           : strcmp(a->text, b->text) != 0         ? NB_UNLIKE_TEXT
           : strcmp(a->protocol, b->protocol) != 0 ? NB_UNLIKE_PROTOCOL
           : a->n_ctx != b->n_ctx                  ? NB_UNLIKE_CTX
           : a->chunks != b->chunks                ? NB_UNLIKE_CHUNKS
                                                   : NB_LIKE;
}

void nb_unlike_text(char *out, size_t cap, const nb_run_key *have, const nb_run_key *want)
{
    switch (nb_run_key_unlike(have, want)) {
    case NB_UNLIKE_REFERENCE:
        snprintf(out, cap, "measured against another reference");
        break;
    case NB_UNLIKE_TEXT:
        snprintf(out, cap, "measured on another text");
        break;
    case NB_UNLIKE_PROTOCOL:
        snprintf(out, cap, "measured by the protocol %s, not %s", have->protocol, want->protocol);
        break;
    case NB_UNLIKE_CTX:
        snprintf(out, cap, "measured at context %u, not %u", have->n_ctx, want->n_ctx);
        break;
    case NB_UNLIKE_CHUNKS:
        snprintf(out, cap, "measured on %u chunks of the text, not %u", have->chunks, want->chunks);
        break;
    default:
        snprintf(out, cap, "measured alike");
    }
}

static bool of_table(const nb_compare *c, uint64_t model)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->row[i].model == model)
            return true;
    return false;
}

/* The key of the group a run of the table's files belongs to. A perplexity has no reference: it
 * goes with the divergences from the table's first file. */
static bool group_key(nb_run_key *out, const nb_compare *c, const nb_runs *runs, size_t i)
{
    const nb_run_key *key;
    const void *record;
    nb_run_kind kind = nb_runs_at(runs, i, &key, &record);
    if ((kind != NB_RUN_KLD && kind != NB_RUN_PPL) || !of_table(c, key->model))
        return false;
    *out = *key;
    out->model = 0;
    out->reference = kind == NB_RUN_KLD ? key->reference : c->row[0].model;
    return true;
}

static void count_files(nb_run_group *g, const nb_compare *c, const nb_runs *runs)
{
    nb_kld k;
    nb_ppl p;
    for (size_t i = 0; i < c->n; i++) {
        nb_run_key key = g->key;
        key.model = c->row[i].model;
        g->kld += nb_runs_find(runs, NB_RUN_KLD, &key, &k);
        key.reference = 0;
        g->ppl += nb_runs_find(runs, NB_RUN_PPL, &key, &p);
    }
}

static bool fuller(const nb_run_group *a, const nb_run_group *b)
{
    return a->kld > b->kld || (a->kld == b->kld && a->ppl > b->ppl);
}

size_t nb_compare_groups(const nb_compare *c, const nb_runs *runs, nb_run_group out[NB_RUN_GROUPS])
{
    size_t n = 0;
    for (size_t i = nb_runs_count(runs); i > 0 && n < NB_RUN_GROUPS; i--) {
        nb_run_group g = {.kld = 0};
        size_t k = 0;
        if (!group_key(&g.key, c, runs, i - 1))
            continue;
        while (k < n && !nb_run_key_comparable(&out[k].key, &g.key))
            k++;
        if (k < n)
            continue;
        count_files(&g, c, runs);
        for (k = n++; k > 0 && fuller(&g, &out[k - 1]); k--)
            out[k] = out[k - 1];
        out[k] = g;
    }
    return n;
}

/* A file without a figure here may have one elsewhere: the latest tells why it is not joined. */
static void look_elsewhere(nb_compare *c, nb_compare_row *r, const nb_runs *runs)
{
    for (size_t i = nb_runs_count(runs); i > 0 && r->unlike == NB_LIKE; i--) {
        const nb_run_key *key;
        const void *record;
        if (nb_runs_at(runs, i - 1, &key, &record) != NB_RUN_KLD || key->model != r->model)
            continue;
        r->unlike = nb_run_key_unlike(key, &c->key);
        r->other = *key;
    }
}

void nb_compare_use(nb_compare *c, const nb_run_key *key, const nb_runs *runs)
{
    c->key = *key;
    c->key.model = 0;
    for (size_t i = 0; i < c->n; i++) {
        nb_compare_row *r = &c->row[i];
        r->has_kld = r->has_ppl = r->has_facts = r->has_speed = r->front = false;
        r->advice[0] = '\0';
        r->kld = (nb_kld){.n_ctx = 0};
        r->unlike = NB_LIKE;
        r->is_reference = r->model == key->reference;
    }
    nb_compare_look(c, runs);
    for (size_t i = 0; i < c->n; i++)
        if (!c->row[i].has_kld && !c->row[i].is_reference)
            look_elsewhere(c, &c->row[i], runs);
}
