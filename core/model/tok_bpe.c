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

int32_t nb_bpe_usable(const nb_tok *t, const uint8_t *spelling, size_t n)
{
    int32_t id = nb_spell_find(t, &t->words, spelling, n);
    if (id >= 0)
        return id;
    id = nb_spell_find(t, &t->specials, spelling, n);
    return id >= 0 && t->kind[id] == NB_PIECE_USER && plain(t, id) ? id : -1;
}

/* Slot of the pair, or the free one where it belongs; NULL after too many probes. */
static nb_rank *slot_of(const nb_merges *m, int32_t left, int32_t right)
{
    const int32_t key[2] = {left, right};
    uint32_t at = (uint32_t)nb_tok_hash(m->seed, (const uint8_t *)key, sizeof key) & m->mask;
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
    for (uint64_t i = 0; i <= m->mask; i++)
        m->slot[i].left = -1;
    for (uint32_t i = 0; i < n; i++) {
        nb_rank *r = slot_of(m, list[i].left, list[i].right);
        if (!r)
            return false;
        if (r->left < 0)
            *r = list[i];
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

/* "left right" -> ids. False when the text can never need it: one of the three is no token. */
static bool read_merge(const nb_tok *t, const char *s, size_t n, nb_str *joined, nb_rank *out)
{
    const char *space = n > 1 ? memchr(s + 1, ' ', n - 1) : NULL;
    if (!space)
        return false;
    size_t n_left = (size_t)(space - s);
    nb_str_clear(joined);
    nb_str_addn(joined, s, n_left);
    nb_str_addn(joined, space + 1, n - n_left - 1);
    const uint8_t *whole = (const uint8_t *)nb_str_c(joined);
    out->left = nb_bpe_usable(t, whole, n_left);
    out->right = nb_bpe_usable(t, whole + n_left, n - n_left - 1);
    out->id = nb_bpe_usable(t, whole, n - 1);
    return out->left >= 0 && out->right >= 0 && out->id >= 0;
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
    nb_str joined = {0};
    const uint8_t *at = NULL;
    const char *s;
    size_t len;
    uint32_t n = 0;
    for (uint32_t i = 0; nb_kv_next_string(kv, &at, &s, &len); i++)
        if (read_merge(t, s, len, &joined, &list[n]))
            list[n++].rank = i;
    nb_status st = joined.failed ? nb_fail(err, NB_NOMEM, "not enough memory for %llu merges",
                                           (unsigned long long)kv->n)
                                 : build_table(&t->merges, list, n, err);
    nb_str_free(&joined);
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
    const nb_rank *r = slot_of(&t->merges, left->id, right->id);
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
