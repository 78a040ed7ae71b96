/* SentencePiece BPE over one stretch of text: characters are joined, best score first, as long as
 * the joined spelling is a piece; what is no piece at the end is spelled in bytes. Same ids as
 * llama.cpp's SPM tokenizer (llama-vocab.cpp, llm_tokenizer_spm) on valid UTF-8. Three cases differ
 * so that decoding gives back every byte: bytes that are no UTF-8 stand alone, a literal U+2581
 * (SentencePiece's space mark) is spelled in bytes, and text never joins to a control token. */
#include "core/model/tok_spm.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"

static const uint8_t mark[3] = {0xe2, 0x96, 0x81}; /* U+2581, stands for a space */

typedef struct symbol {
    uint32_t at, len; /* bytes in the escaped text; len 0 = joined to its left */
    int32_t prev, next;
} symbol;

typedef struct pair { /* two neighbours that could be joined */
    float score;
    int32_t left, right;
    uint32_t len; /* of both when queued: else it is out of date */
} pair;

enum { SMALL = 64 }; /* symbols that need no allocation: most words */

typedef struct work { /* one run of text without a cut point */
    const nb_tok *tok;
    const uint8_t *text; /* escaped */
    symbol *sym;         /* [n] */
    pair *heap;          /* [2n] at most: n - 1 at first, each join takes one and adds two */
    size_t n_heap;
} work;

void nb_ids_put(nb_ids *ids, int32_t id)
{
    if (ids->n < ids->cap)
        ids->out[ids->n] = id;
    ids->n++;
}

static bool above(const pair *a, const pair *b) /* higher score, then further left */
{
    return a->score > b->score || (a->score == b->score && a->left < b->left);
}

static void heap_push(work *w, pair v)
{
    size_t at = w->n_heap++;
    while (at > 0 && above(&v, &w->heap[(at - 1) / 2])) {
        w->heap[at] = w->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    w->heap[at] = v;
}

static pair heap_pop(work *w)
{
    pair top = w->heap[0], v = w->heap[--w->n_heap];
    size_t at = 0;
    for (size_t kid; (kid = 2 * at + 1) < w->n_heap; at = kid) {
        if (kid + 1 < w->n_heap && above(&w->heap[kid + 1], &w->heap[kid]))
            kid++;
        if (!above(&w->heap[kid], &v))
            break;
        w->heap[at] = w->heap[kid];
    }
    w->heap[at] = v;
    return top;
}

static void offer(work *w, int32_t left, int32_t right)
{
    if (left < 0 || right < 0)
        return;
    const symbol *l = &w->sym[left], *r = &w->sym[right];
    int32_t id = nb_spell_find(w->tok, &w->tok->words, w->text + l->at, l->len + r->len);
    if (id >= 0)
        heap_push(w, (pair){w->tok->score[id], left, right, l->len + r->len});
}

static void put_bytes(const nb_tok *t, const uint8_t *bytes, size_t n, nb_ids *ids)
{
    for (size_t i = 0; i < n; i++)
        nb_ids_put(ids, t->byte_id[bytes[i]] >= 0 ? t->byte_id[bytes[i]] : t->unk);
}

static void join(work *w, size_t n, nb_ids *ids)
{
    for (size_t i = 1; i < n; i++)
        offer(w, (int32_t)i - 1, (int32_t)i);
    while (w->n_heap) {
        pair p = heap_pop(w);
        symbol *l = &w->sym[p.left], *r = &w->sym[p.right];
        if (l->len == 0 || r->len == 0 || l->len + r->len != p.len)
            continue;
        l->len = p.len;
        r->len = 0;
        l->next = r->next;
        if (r->next >= 0)
            w->sym[r->next].prev = p.left;
        offer(w, l->prev, p.left);
        offer(w, p.left, l->next);
    }
    for (int32_t i = 0; i >= 0; i = w->sym[i].next) {
        const uint8_t *bytes = w->text + w->sym[i].at;
        int32_t id = nb_spell_find(w->tok, &w->tok->words, bytes, w->sym[i].len);
        if (id >= 0)
            nb_ids_put(ids, id);
        else if (w->sym[i].len == sizeof mark && memcmp(bytes, mark, sizeof mark) == 0)
            put_bytes(w->tok, (const uint8_t *)" ", 1, ids);
        else
            put_bytes(w->tok, bytes, w->sym[i].len, ids);
    }
}

/* Bytes of the symbol at text[at]. */
static size_t step(const uint8_t *text, size_t len, size_t at)
{
    uint32_t cp;
    size_t n = nb_utf8_next((const char *)text + at, len - at, &cp, NULL);
    return n ? n : 1;
}

/* One run of n symbols: escaped text[0..len). */
static bool encode_run(const nb_tok *t, const uint8_t *text, size_t len, size_t n, nb_ids *ids)
{
    symbol small[SMALL];
    pair small_heap[2 * SMALL];
    if (n == 0)
        return true;
    if (n > INT32_MAX / 2 || len > UINT32_MAX)
        return false;
    work w = {.tok = t, .text = text, .sym = small, .heap = small_heap};
    if (n > SMALL) {
        w.sym = malloc(n * sizeof *w.sym);
        w.heap = malloc(2 * n * sizeof *w.heap);
    }
    bool ok = w.sym && w.heap;
    if (ok) {
        size_t at = 0;
        for (size_t i = 0; i < n; i++) {
            size_t bytes = step(text, len, at);
            w.sym[i] = (symbol){(uint32_t)at, (uint32_t)bytes, (int32_t)i - 1,
                                i + 1 < n ? (int32_t)i + 1 : -1};
            at += bytes;
        }
        join(&w, n, ids);
    }
    if (n > SMALL) {
        free(w.sym);
        free(w.heap);
    }
    return ok;
}

/* The escaped text of a run while it grows. */
typedef struct run {
    nb_str text;
    size_t n; /* symbols */
    bool ends_in_mark;
} run;

static bool flush(const nb_tok *t, run *r, nb_ids *ids)
{
    bool ok = !r->text.failed &&
              encode_run(t, (const uint8_t *)nb_str_c(&r->text), r->text.len, r->n, ids);
    nb_str_clear(&r->text);
    r->n = 0;
    r->ends_in_mark = false;
    return ok;
}

static bool add_space(const nb_tok *t, run *r, nb_ids *ids)
{
    if (t->words_split && r->n && !r->ends_in_mark && !flush(t, r, ids))
        return false;
    nb_str_addn(&r->text, mark, sizeof mark);
    r->n++;
    r->ends_in_mark = true;
    return true;
}

bool nb_spm_encode(const nb_tok *t, const uint8_t *text, size_t len, bool space, nb_ids *ids)
{
    run r = {0};
    bool ok = !space || add_space(t, &r, ids);
    bool bytes = t->byte_id[mark[0]] >= 0; /* a literal mark can be spelled */
    for (size_t at = 0; ok && at < len;) {
        size_t n = step(text, len, at);
        if (text[at] == ' ') {
            ok = add_space(t, &r, ids);
        } else if (bytes && n == sizeof mark && memcmp(text + at, mark, n) == 0) {
            ok = flush(t, &r, ids);
            put_bytes(t, mark, n, ids);
        } else {
            nb_str_addn(&r.text, text + at, n);
            r.n++;
            r.ends_in_mark = false;
        }
        at += n;
    }
    ok = ok && flush(t, &r, ids);
    nb_str_free(&r.text);
    return ok;
}
