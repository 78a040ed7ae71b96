/* Neighbours in a row of symbols are joined, best first, until none can be: the step that
 * SentencePiece BPE (by score) and byte-level BPE (by rank) share. A heap keeps it n log n. */
#include "core/model/tok_private.h"

#include <stdlib.h>

void nb_ids_put(nb_ids *ids, int32_t id)
{
    if (ids->n < ids->cap)
        ids->out[ids->n] = id;
    ids->n++;
}

bool nb_merger_reserve(nb_merger *m, size_t n)
{
    enum { LEAST = 64 };
    if (n <= m->cap)
        return true;
    if (n > INT32_MAX / 2)
        return false;
    size_t cap = n < LEAST ? LEAST : n;
    nb_merger_free(m);
    m->sym = malloc(cap * sizeof *m->sym);
    m->heap = malloc(2 * cap * sizeof *m->heap);
    if (m->sym && m->heap)
        m->cap = cap;
    return m->cap > 0;
}

void nb_merger_free(nb_merger *m)
{
    free(m->sym);
    free(m->heap);
    *m = (nb_merger){0};
}

static bool above(const nb_pair *a, const nb_pair *b) /* higher score, then further left */
{
    return a->score > b->score || (a->score == b->score && a->left < b->left);
}

static void heap_push(nb_merger *m, nb_pair v)
{
    size_t at = m->n_heap++;
    while (at > 0 && above(&v, &m->heap[(at - 1) / 2])) {
        m->heap[at] = m->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    m->heap[at] = v;
}

static nb_pair heap_pop(nb_merger *m)
{
    nb_pair top = m->heap[0], v = m->heap[--m->n_heap];
    size_t at = 0;
    for (size_t kid; (kid = 2 * at + 1) < m->n_heap; at = kid) {
        if (kid + 1 < m->n_heap && above(&m->heap[kid + 1], &m->heap[kid]))
            kid++;
        if (!above(&m->heap[kid], &v))
            break;
        m->heap[at] = m->heap[kid];
    }
    m->heap[at] = v;
    return top;
}

typedef struct joining {
    const nb_tok *tok;
    const uint8_t *text;
    nb_joins *joins;
} joining;

static void offer(nb_merger *m, const joining *j, int32_t left, int32_t right)
{
    float score;
    int32_t id;
    if (left < 0 || right < 0)
        return;
    const nb_symbol *l = &m->sym[left], *r = &m->sym[right];
    if (j->joins(j->tok, j->text, l, r, &score, &id))
        heap_push(m, (nb_pair){score, left, right, l->len + r->len, id});
}

void nb_merger_join(nb_merger *m, const nb_tok *t, const uint8_t *text, size_t n, nb_joins *joins)
{
    const joining j = {t, text, joins};
    m->n_heap = 0;
    for (size_t i = 1; i < n; i++)
        offer(m, &j, (int32_t)i - 1, (int32_t)i);
    while (m->n_heap) {
        nb_pair p = heap_pop(m);
        nb_symbol *l = &m->sym[p.left], *r = &m->sym[p.right];
        if (l->len == 0 || r->len == 0 || l->len + r->len != p.len)
            continue;
        l->len = p.len;
        l->id = p.id;
        r->len = 0;
        l->next = r->next;
        if (r->next >= 0)
            m->sym[r->next].prev = p.left;
        offer(m, &j, l->prev, p.left);
        offer(m, &j, p.left, l->next);
    }
}
