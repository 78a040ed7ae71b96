/* SentencePiece unigram over one stretch of text: of all ways to spell it with pieces, the one with
 * the greatest sum of scores (Viterbi; sentencepiece, unigram_model.cc, EncodeOptimized). Same ids
 * as llama.cpp (llama-vocab.cpp @ 00ad355, llm_tokenizer_ugm_session). Beyond it, a character that
 * no piece spells is spelled in bytes when the vocabulary has those, as SentencePiece does, and
 * else is the unknown token, one for a run of them. */
#include "core/model/tok_private.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"

enum { LONGEST = 256 }; /* bytes of a piece: bounds the work per byte of text */

static const uint8_t mark[3] = {0xe2, 0x96, 0x81}; /* U+2581, stands for a space */

/* --- pieces as a trie ---------------------------------------------------------------------------
 */

typedef struct range { /* pieces by spelling that share the bytes on the way to a node */
    uint32_t lo, hi;
} range;

static int by_spelling(const void *a, const void *b)
{
    const nb_special *x = a, *y = b;
    int c = memcmp(x->bytes, y->bytes, x->len < y->len ? x->len : y->len);
    if (c || x->len != y->len)
        return c ? c : (x->len > y->len) - (x->len < y->len);
    return (x->id > y->id) - (x->id < y->id);
}

/* The pieces that ordinary text may become, sorted; *total their bytes. */
static nb_status sorted_pieces(const nb_tok *t, nb_special **out, uint32_t *n, uint64_t *total,
                               nb_err *err)
{
    nb_special *list = nb_alloc(t->n, sizeof *list, "tokenizer", err);
    if (!list)
        return NB_NOMEM;
    *n = 0;
    *total = 0;
    for (uint32_t id = 0; id < t->n; id++) {
        nb_special p = {
            .bytes = t->text + t->at[id], .len = t->at[id + 1] - t->at[id], .id = (int32_t)id};
        if (t->kind[id] != NB_PIECE_NORMAL || p.len == 0)
            continue;
        if (p.len > LONGEST) {
            free(list);
            return nb_fail(err, NB_UNSUPPORTED,
                           "tokenizer.ggml.tokens: token %u has %u bytes, at most %d run", id,
                           p.len, LONGEST);
        }
        list[(*n)++] = p;
        *total += p.len;
    }
    qsort(list, *n, sizeof *list, by_spelling);
    *out = list;
    return NB_OK;
}

/* Children of the node, one per byte that follows; they are appended to the trie. */
static void add_children(nb_trie *trie, range *of, const nb_special *list, uint32_t node,
                         uint32_t depth)
{
    uint32_t lo = of[node].lo, hi = of[node].hi;
    for (; lo < hi && list[lo].len == depth; lo++)
        trie->node[node].id = list[lo].id; /* of twins the last */
    trie->node[node].first = trie->n;
    while (lo < hi) {
        uint8_t byte = list[lo].bytes[depth];
        uint32_t end = lo + 1;
        while (end < hi && list[end].bytes[depth] == byte)
            end++;
        of[trie->n] = (range){lo, end};
        trie->node[trie->n++] = (nb_trie_node){.id = -1, .byte = byte};
        trie->node[node].n_kids++;
        lo = end;
    }
}

/* Breadth first: a level's nodes stand together. */
static nb_status build_trie(nb_trie *trie, const nb_special *list, uint32_t n, uint64_t total,
                            nb_err *err)
{
    range *of = nb_alloc(total + 1, sizeof *of, "tokenizer", err);
    trie->node = nb_alloc(total + 1, sizeof *trie->node, "tokenizer", err);
    if (!of || !trie->node) {
        free(of);
        return NB_NOMEM;
    }
    of[0] = (range){0, n};
    trie->node[0] = (nb_trie_node){.id = -1};
    trie->n = 1;
    for (uint32_t depth = 0, from = 0, to = 1; from < to; depth++) {
        for (; from < to; from++)
            add_children(trie, of, list, from, depth);
        to = trie->n;
    }
    free(of);
    return NB_OK;
}

/* The node behind `node` and a byte; 0: none. */
static uint32_t step(const nb_trie *trie, uint32_t node, uint8_t byte)
{
    uint32_t lo = trie->node[node].first, hi = lo + trie->node[node].n_kids, end = hi;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (trie->node[mid].byte < byte)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < end && trie->node[lo].byte == byte ? lo : 0;
}

nb_status nb_unigram_load(nb_tok *t, const nb_kvs *kvs, nb_err *err)
{
    nb_special *list;
    uint32_t n;
    uint64_t total;
    double least = 0;
    NB_TRY(nb_charsmap_load(&t->charsmap, kvs, err));
    NB_TRY(sorted_pieces(t, &list, &n, &total, err));
    nb_status st = build_trie(&t->trie, list, n, total, err);
    for (uint32_t i = 0; i < n; i++)
        if (i == 0 || t->score[list[i].id] < least)
            least = t->score[list[i].id];
    free(list);
    t->unknown_score = (float)least - 10.0f;
    return st;
}

/* --- text as pieces spell it --------------------------------------------------------------------
 */

typedef struct writer {
    const nb_tok *tok;
    nb_str out;
    bool prefix; /* a space mark goes before the first word */
    bool in_word;
} writer;

/* One byte of normalized text, spaces marked (llm_tokenizer_ugm_session::normalize). */
static void put_byte(writer *w, uint8_t byte)
{
    if (byte == ' ') {
        w->in_word = false;
        if (!w->tok->merge_spaces)
            nb_str_addn(&w->out, mark, sizeof mark);
        return;
    }
    if (!w->in_word && (w->prefix || w->tok->merge_spaces)) {
        nb_str_addn(&w->out, mark, sizeof mark);
        w->prefix = false;
    }
    w->in_word = true;
    nb_str_addn(&w->out, &byte, 1);
}

static void normalize(writer *w, const uint8_t *text, size_t len)
{
    static const uint8_t replacement[] = {0xef, 0xbf, 0xbd};
    for (size_t at = 0; at < len;) {
        uint32_t cp;
        const uint8_t *with = NULL;
        size_t n = 0, used = nb_charsmap_find(&w->tok->charsmap, text + at, len - at, &with, &n);
        if (!used) {
            used = n = nb_utf8_next((const char *)text + at, len - at, &cp, NULL);
            with = text + at;
        }
        if (!used && w->tok->byte_id[text[at]] >= 0) {
            used = n = 1; /* its byte token spells it */
        } else if (!used) {
            with = replacement;
            n = sizeof replacement;
            used = 1;
        }
        for (size_t i = 0; i < n; i++)
            put_byte(w, with[i]);
        at += used;
    }
}

/* --- the best way -------------------------------------------------------------------------------
 */

typedef struct place { /* the best spelling of all text before this byte */
    double score;
    int32_t id; /* of its last piece; -1: a character that none spells */
    uint32_t from;
} place;

static void offer(place *best, double score, int32_t id, uint32_t from)
{
    if (score > best->score)
        *best = (place){score, id, from};
}

static void search(const nb_tok *t, const uint8_t *text, uint32_t len, place *best)
{
    for (uint32_t i = 1; i <= len; i++)
        best[i].score = -DBL_MAX;
    best[0] = (place){.id = -1};
    for (uint32_t at = 0; at < len;) {
        uint32_t cp, node = 0, to = at;
        size_t n = nb_utf8_next((const char *)text + at, len - at, &cp, NULL);
        uint32_t next = at + (n ? (uint32_t)n : 1);
        bool whole = false;
        while (to < len && (node = step(&t->trie, node, text[to])) != 0) {
            int32_t id = t->trie.node[node].id;
            to++;
            if (id < 0)
                continue;
            offer(&best[to], best[at].score + (double)t->score[id], id, at);
            whole = whole || to == next;
        }
        if (!whole)
            offer(&best[next], best[at].score + (double)t->unknown_score, -1, at);
        at = next;
    }
}

/* Turns the links around: best[at].from becomes the end of the piece that begins at `at`. */
static void turn(place *best, uint32_t len)
{
    uint32_t to = len;
    int32_t id = best[to].id;
    for (uint32_t end = len, from = best[end].from; end > 0;) {
        uint32_t before = best[from].from;
        int32_t before_id = best[from].id;
        best[from].from = end;
        best[from].id = id;
        end = from;
        from = before;
        id = before_id;
    }
}

static bool spell(const nb_tok *t, const uint8_t *text, uint32_t len, nb_ids *ids)
{
    for (uint32_t i = 0; i < len; i++)
        if (t->byte_id[text[i]] < 0)
            return false;
    for (uint32_t i = 0; i < len; i++)
        nb_ids_put(ids, t->byte_id[text[i]]);
    return true;
}

bool nb_unigram_encode(const nb_tok *t, const uint8_t *text, size_t len, bool space, nb_ids *ids)
{
    writer w = {.tok = t, .prefix = space};
    normalize(&w, text, len);
    const uint8_t *s = (const uint8_t *)nb_str_c(&w.out);
    bool ok = !w.out.failed && w.out.len < UINT32_MAX;
    uint32_t n = ok ? (uint32_t)w.out.len : 0;
    place *best = ok ? malloc(((size_t)n + 1) * sizeof *best) : NULL;
    if (best) {
        bool unknown = false;
        search(t, s, n, best);
        turn(best, n);
        for (uint32_t at = 0, to; at < n; at = to) {
            to = best[at].from;
            bool was = unknown;
            bool is_mark = to - at == sizeof mark && memcmp(s + at, mark, sizeof mark) == 0;
            unknown = false;
            if (best[at].id >= 0)
                nb_ids_put(ids, best[at].id);
            else if (is_mark ? !spell(t, (const uint8_t *)" ", 1, ids)
                             : !spell(t, s + at, to - at, ids)) {
                unknown = true;
                if (!was && t->unk >= 0)
                    nb_ids_put(ids, t->unk);
            }
        }
    }
    free(best);
    nb_str_free(&w.out);
    return best != NULL;
}
