/* Byte-level BPE over one stretch of text: cut into words (tok_pre.c), each word's bytes are
 * joined, lowest rank first, as the list of merges says. Same ids as llama.cpp (llama-vocab.cpp,
 * llm_tokenizer_bpe_session) on valid UTF-8. Where it would lose text it is kept: a byte that is no
 * UTF-8 is spelled by its own token, and only without one by U+FFFD's. A byte of valid text that
 * the vocabulary cannot spell is left out, as there.
 *
 * Files spell bytes as characters (openai/gpt-2, encoder.py, bytes_to_unicode): the printable ones
 * of Latin-1 stand for themselves, the others, in order, for U+0100 and up. */
#include "core/model/tok_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"
#include "core/base/unicode.h"

enum {
    MAX_MERGES = 1 << 22,
    MAX_PROBES = 256, /* a table this unlucky is seeded anew: merges may be hostile */
    MAX_SEEDS = 8,
    BMP = 0x10000,
    AT_ONCE = 32, /* merges looked at together */
};

/* --- bytes as characters ------------------------------------------------------------------------
 */

static uint32_t char_of(uint8_t byte)
{
    if (byte <= 0x20)
        return 0x100u + byte;
    if (byte >= 0x7f && byte <= 0xa0)
        return 0x121u + byte - 0x7f;
    return byte == 0xad ? 0x143 : byte;
}

static int byte_of(uint32_t cp)
{
    if (cp >= 0x100 && cp <= 0x120)
        return (int)cp - 0x100;
    if (cp >= 0x121 && cp <= 0x142)
        return (int)cp - 0x121 + 0x7f;
    if (cp == 0x143)
        return 0xad;
    return cp <= 0xff && char_of((uint8_t)cp) == cp ? (int)cp : -1;
}

uint32_t nb_bpe_show(const uint8_t *spelling, uint32_t n, uint8_t *out)
{
    uint32_t used = 0;
    for (uint32_t at = 0; at < n;) {
        uint32_t cp;
        if (spelling[at] > 0x20 && spelling[at] < 0x7f) { /* most are */
            out[used++] = spelling[at++];
            continue;
        }
        size_t k = nb_utf8_next((const char *)spelling + at, n - at, &cp, NULL);
        int byte = k ? byte_of(cp) : -1;
        if (byte < 0) {
            memcpy(out, spelling, n);
            return n;
        }
        out[used++] = (uint8_t)byte;
        at += (uint32_t)k;
    }
    return used;
}

/* --- merges -------------------------------------------------------------------------------------
 */

/* Its spelling is its bytes. */
static bool plain(const nb_tok *t, int32_t id)
{
    for (uint32_t i = t->at[id]; i < t->at[id + 1]; i++)
        if (t->text[i] <= 0x20 || t->text[i] >= 0x7f)
            return false;
    return true;
}

/* id is what t->words finds of the spelling. */
static int32_t usable(const nb_tok *t, int32_t id, const uint8_t *spelling, size_t n)
{
    if (id >= 0)
        return id;
    id = nb_spell_find(t, &t->specials, spelling, n);
    return id >= 0 && t->kind[id] == NB_PIECE_USER && plain(t, id) ? id : -1;
}

int32_t nb_bpe_usable(const nb_tok *t, const uint8_t *spelling, size_t n)
{
    return usable(t, nb_spell_find(t, &t->words, spelling, n), spelling, n);
}

static uint32_t home_of(const nb_merges *m, int32_t left, int32_t right)
{
    const int32_t key[2] = {left, right};
    return (uint32_t)nb_tok_hash(m->seed, (const uint8_t *)key, sizeof key) & m->mask;
}

/* From its home on: slot of the pair, or the free one where it belongs; NULL after too many probes.
 */
static nb_rank *slot_from(const nb_merges *m, uint32_t at, int32_t left, int32_t right)
{
    for (int probe = 0; probe < MAX_PROBES; probe++, at = (at + 1) & m->mask) {
        nb_rank *r = &m->slot[at];
        if (r->left < 0 || (r->left == left && r->right == right))
            return r;
    }
    return NULL;
}

/* Of equal merges the first counts. False: too many probes. */
static bool fill(nb_merges *m, const nb_rank *list, uint32_t n)
{
    uint32_t home[AT_ONCE];
    for (uint64_t i = 0; i <= m->mask; i++)
        m->slot[i].left = -1;
    for (uint32_t k; n > 0; list += k, n -= k) {
        k = n < AT_ONCE ? n : AT_ONCE;
        for (uint32_t i = 0; i < k; i++) {
            home[i] = home_of(m, list[i].left, list[i].right);
            __builtin_prefetch(&m->slot[home[i]], 1);
        }
        for (uint32_t i = 0; i < k; i++) {
            nb_rank *r = slot_from(m, home[i], list[i].left, list[i].right);
            if (!r)
                return false;
            if (r->left < 0)
                *r = list[i];
        }
    }
    return true;
}

static nb_status build_table(nb_merges *m, const nb_rank *list, uint32_t n, nb_err *err)
{
    uint32_t size = 16;
    while (size < 2 * n)
        size *= 2;
    m->mask = size - 1;
    m->slot = nb_alloc(size, sizeof *m->slot, "tokenizer", err);
    if (!m->slot)
        return NB_NOMEM;
    for (m->seed = 1; m->seed <= MAX_SEEDS; m->seed++)
        if (fill(m, list, n))
            return NB_OK;
    return nb_fail(err, NB_FORMAT, "tokenizer.ggml.merges: merges made to collide");
}

/* Some merges of the list on their way to ids: what is joined of each, what joins. */
typedef struct batch {
    nb_str joined; /* spellings of what comes of them, one behind the other */
    nb_spelling whole[AT_ONCE], part[2 * AT_ONCE];
    uint32_t rank[AT_ONCE];
    uint32_t n;
} batch;

/* "left right"; without a space it is none. */
static void batch_add(batch *b, const char *s, size_t n, uint32_t rank)
{
    const char *space = n > 1 ? memchr(s + 1, ' ', n - 1) : NULL;
    if (!space)
        return;
    size_t n_left = (size_t)(space - s);
    b->part[2 * b->n] = (nb_spelling){.bytes = (const uint8_t *)s, .n = n_left};
    b->part[2 * b->n + 1] = (nb_spelling){.bytes = (const uint8_t *)space + 1, .n = n - n_left - 1};
    b->whole[b->n] = (nb_spelling){.n = n - 1};
    b->rank[b->n++] = rank;
    nb_str_addn(&b->joined, s, n_left);
    nb_str_addn(&b->joined, space + 1, n - n_left - 1);
}

/* Those of the batch that text can need: all three are tokens. Appended to list[*n]. False: no
 * memory. */
static bool batch_end(batch *b, const nb_tok *t, nb_rank *list, uint32_t *n)
{
    if (b->joined.failed)
        return false;
    const uint8_t *joined = (const uint8_t *)nb_str_c(&b->joined);
    for (uint32_t i = 0; i < b->n; joined += b->whole[i++].n)
        b->whole[i].bytes = joined;
    nb_spell_find_each(t, &t->words, b->whole, b->n);
    nb_spell_find_each(t, &t->words, b->part, 2 * (size_t)b->n);
    for (uint32_t i = 0; i < b->n; i++) {
        const nb_spelling *w = &b->whole[i], *l = &b->part[2 * i], *r = l + 1;
        nb_rank *out = &list[*n];
        out->left = usable(t, l->id, l->bytes, l->n);
        out->right = usable(t, r->id, r->bytes, r->n);
        out->id = usable(t, w->id, w->bytes, w->n);
        out->rank = b->rank[i];
        *n += out->left >= 0 && out->right >= 0 && out->id >= 0;
    }
    nb_str_clear(&b->joined);
    b->n = 0;
    return true;
}

static nb_status read_merges(nb_tok *t, const nb_kvs *kvs, nb_err *err)
{
    const nb_kv *kv = nb_kvs_find(kvs, "tokenizer.ggml.merges");
    if (!kv || kv->type != NB_KV_ARRAY || kv->elem != NB_KV_STRING)
        return nb_fail(err, NB_FORMAT, "tokenizer.ggml.merges: no array of strings");
    if (kv->n > MAX_MERGES)
        return nb_fail(err, NB_FORMAT, "tokenizer.ggml.merges: %llu merges, at most %d",
                       (unsigned long long)kv->n, MAX_MERGES);
    nb_rank *list = nb_alloc(kv->n + 1, sizeof *list, "tokenizer", err);
    if (!list)
        return NB_NOMEM;
    batch b = {0};
    const uint8_t *at = NULL;
    const char *s;
    size_t len;
    uint32_t n = 0;
    bool room = true;
    for (uint32_t i = 0; room && nb_kv_next_string(kv, &at, &s, &len); i++) {
        batch_add(&b, s, len, i);
        room = b.n < AT_ONCE || batch_end(&b, t, list, &n);
    }
    room = room && batch_end(&b, t, list, &n);
    nb_status st = room ? build_table(&t->merges, list, n, err)
                        : nb_fail(err, NB_NOMEM, "not enough memory for %llu merges",
                                  (unsigned long long)kv->n);
    nb_str_free(&b.joined);
    free(list);
    return st;
}

nb_status nb_bpe_load(nb_tok *t, const nb_kvs *kvs, nb_err *err)
{
    for (int byte = 0; byte < 256; byte++) {
        char spelling[8];
        size_t n = 6;
        if (t->byte_id[byte] >= 0 && t->pre->flags & NB_PRE_RAW)
            continue;
        if (t->pre->flags & NB_PRE_RAW)
            snprintf(spelling, sizeof spelling, "<0x%02X>", (unsigned)byte);
        else
            n = nb_utf8_put(char_of((uint8_t)byte), spelling);
        t->byte_id[byte] = nb_bpe_usable(t, (const uint8_t *)spelling, n);
    }
    t->char_kinds = nb_alloc(BMP, 1, "tokenizer", err);
    if (!t->char_kinds)
        return NB_NOMEM;
    nb_cp_kinds(t->char_kinds, BMP);
    return read_merges(t, kvs, err);
}

/* --- words --------------------------------------------------------------------------------------
 */

bool nb_bpe_joins(const nb_tok *t, const uint8_t *text, const nb_symbol *left,
                  const nb_symbol *right, float *score, int32_t *id)
{
    (void)text;
    if (left->id < 0 || right->id < 0)
        return false;
    const nb_merges *m = &t->merges;
    const nb_rank *r = slot_from(m, home_of(m, left->id, right->id), left->id, right->id);
    if (!r || r->left < 0)
        return false;
    *score = -(float)r->rank; /* exact: MAX_MERGES < 2^24 */
    *id = r->id;
    return true;
}

/* The token that a whole word is, or -1. */
static int32_t whole_token(const nb_tok *t, const uint8_t *word, size_t len)
{
    enum { LONGEST = 512 }; /* bytes of a spelling that can be a word of its own */
    char spelling[LONGEST];
    size_t n = 0;
    if (len > LONGEST / 2)
        return -1;
    for (size_t i = 0; i < len; i++)
        n += nb_utf8_put(char_of(word[i]), spelling + n);
    return nb_bpe_usable(t, (const uint8_t *)spelling, n);
}

/* word[at] is part of a character. */
static bool in_character(const uint8_t *word, size_t len, size_t at)
{
    uint32_t cp;
    for (size_t back = 0; back <= 3 && back <= at; back++)
        if (nb_utf8_next((const char *)word + at - back, len - at + back, &cp, NULL) > back)
            return true;
    return false;
}

static void put_unspelled(const nb_tok *t, const uint8_t *word, size_t len, size_t at, nb_ids *ids)
{
    static const uint8_t replacement[] = {0xef, 0xbf, 0xbd};
    if (in_character(word, len, at))
        return;
    for (size_t i = 0; i < sizeof replacement; i++)
        if (t->byte_id[replacement[i]] >= 0)
            nb_ids_put(ids, t->byte_id[replacement[i]]);
}

static bool encode_word(const nb_tok *t, nb_merger *m, const uint8_t *word, size_t len, nb_ids *ids)
{
    int32_t id = len == 1                        ? t->byte_id[word[0]]
                 : t->pre->flags & NB_PRE_MERGED ? whole_token(t, word, len)
                                                 : -1;
    if (id >= 0) {
        nb_ids_put(ids, id);
        return true;
    }
    if (!nb_merger_reserve(m, len))
        return false;
    for (size_t i = 0; i < len; i++)
        m->sym[i] = (nb_symbol){(uint32_t)i, 1, (int32_t)i - 1, i + 1 < len ? (int32_t)i + 1 : -1,
                                t->byte_id[word[i]]};
    nb_merger_join(m, t, word, len, nb_bpe_joins);
    for (int32_t i = 0; i >= 0; i = m->sym[i].next)
        if (m->sym[i].id >= 0)
            nb_ids_put(ids, m->sym[i].id);
        else
            put_unspelled(t, word, len, m->sym[i].at, ids);
    return true;
}

bool nb_bpe_encode(const nb_tok *t, nb_merger *m, const uint8_t *text, size_t len, nb_ids *ids)
{
    const nb_pre_text x = {text, t->char_kinds};
    nb_split split;
    size_t from, to;
    nb_split_open(&split, t->pre, &x, len);
    while (nb_split_next(&split, &from, &to))
        if (!encode_word(t, m, text + from, to - from, ids))
            return false;
    return true;
}
