/* Pieces by spelling: hash tables for whole spellings, a sorted list for the longest special token
 * at a place in text. */
#include "core/model/tok_private.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"

enum {
    MAX_PROBES = 256, /* a hash table this unlucky is seeded anew: vocabularies may be hostile */
    MAX_SEEDS = 8,
    MAX_SPECIAL = 256, /* bytes of a special token: bounds the work per byte of text */
    AT_ONCE = 32,      /* spellings looked for together */
};

static uint32_t spelling(const nb_tok *t, int32_t id, const uint8_t **bytes)
{
    *bytes = t->text + t->at[id];
    return t->at[id + 1] - t->at[id];
}

/* Where the search for a spelling begins. */
static uint32_t home_of(const nb_spell *s, const uint8_t *bytes, size_t n)
{
    return (uint32_t)nb_tok_hash(s->seed, bytes, n) & s->mask;
}

/* From its home on: slot of the spelling, or the free one where it belongs; UINT32_MAX after too
 * many probes. */
static uint32_t slot_from(const nb_tok *t, const nb_spell *s, uint32_t at, const uint8_t *bytes,
                          size_t n)
{
    for (int probe = 0; probe < MAX_PROBES; probe++, at = (at + 1) & s->mask) {
        if (s->slot[at] < 0)
            return at;
        const uint8_t *have;
        if (spelling(t, s->slot[at], &have) == n && memcmp(have, bytes, n) == 0)
            return at;
    }
    return UINT32_MAX;
}

static int32_t find_from(const nb_tok *t, const nb_spell *s, uint32_t home, const uint8_t *bytes,
                         size_t n)
{
    if (n > s->max_len)
        return -1;
    uint32_t at = slot_from(t, s, home, bytes, n);
    return at == UINT32_MAX ? -1 : s->slot[at];
}

int32_t nb_spell_find(const nb_tok *t, const nb_spell *s, const uint8_t *bytes, size_t n)
{
    return n > s->max_len ? -1 : find_from(t, s, home_of(s, bytes, n), bytes, n);
}

void nb_spell_find_each(const nb_tok *t, const nb_spell *s, nb_spelling *each, size_t n)
{
    uint32_t home[AT_ONCE];
    for (size_t k; n > 0; each += k, n -= k) {
        k = n < AT_ONCE ? n : AT_ONCE;
        for (size_t i = 0; i < k; i++) {
            home[i] = home_of(s, each[i].bytes, each[i].n);
            __builtin_prefetch(&s->slot[home[i]]);
        }
        for (size_t i = 0; i < k; i++)
            __builtin_prefetch(&t->at[s->slot[home[i]] < 0 ? 0 : s->slot[home[i]]]);
        for (size_t i = 0; i < k; i++)
            __builtin_prefetch(t->text + t->at[s->slot[home[i]] < 0 ? 0 : s->slot[home[i]]]);
        for (size_t i = 0; i < k; i++)
            each[i].id = find_from(t, s, home[i], each[i].bytes, each[i].n);
    }
}

static bool fill(nb_spell *s, const nb_tok *t, unsigned kinds)
{
    uint32_t home[AT_ONCE];
    const uint8_t *bytes;
    memset(s->slot, 0xff, ((size_t)s->mask + 1) * sizeof *s->slot);
    for (uint32_t from = 0, end; from < t->n; from = end) {
        end = t->n - from < AT_ONCE ? t->n : from + AT_ONCE;
        for (uint32_t id = from; id < end; id++) {
            if (!(kinds >> t->kind[id] & 1))
                continue;
            uint32_t n = spelling(t, (int32_t)id, &bytes);
            home[id - from] = home_of(s, bytes, n);
            __builtin_prefetch(&s->slot[home[id - from]], 1);
        }
        for (uint32_t id = from; id < end; id++) {
            uint32_t n = spelling(t, (int32_t)id, &bytes);
            if (n == 0 || !(kinds >> t->kind[id] & 1))
                continue;
            uint32_t at = slot_from(t, s, home[id - from], bytes, n);
            if (at == UINT32_MAX)
                return false;
            s->slot[at] = (int32_t)id;
            if (n > s->max_len)
                s->max_len = n;
        }
    }
    return true;
}

nb_status nb_spell_build(nb_spell *s, const nb_tok *t, unsigned kinds, nb_err *err)
{
    uint32_t count = 0, size = 16;
    for (uint32_t id = 0; id < t->n; id++)
        count += kinds >> t->kind[id] & 1;
    while (size < 2 * count)
        size *= 2;
    *s = (nb_spell){.mask = size - 1};
    s->slot = nb_alloc(size, sizeof *s->slot, "tokenizer", err);
    if (!s->slot)
        return NB_NOMEM;
    for (s->seed = 1; s->seed <= MAX_SEEDS; s->seed++)
        if (fill(s, t, kinds))
            return NB_OK;
    return nb_fail(err, NB_FORMAT, "tokenizer.ggml.tokens: spellings made to collide");
}

/* By spelling; of equal ones the control token comes first, then the last. */
static int by_spelling(const void *a, const void *b)
{
    const nb_special *x = a, *y = b;
    int c = memcmp(x->bytes, y->bytes, x->len < y->len ? x->len : y->len);
    if (c)
        return c;
    if (x->len != y->len)
        return x->len < y->len ? -1 : 1;
    if (x->user != y->user)
        return x->user ? 1 : -1;
    return x->id < y->id ? 1 : -1;
}

static void drop_twins(nb_tok *t)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < t->n_sorted; i++) {
        const nb_special *s = &t->sorted[i], *last = kept ? &t->sorted[kept - 1] : NULL;
        if (!last || last->len != s->len || memcmp(last->bytes, s->bytes, s->len) != 0)
            t->sorted[kept++] = *s;
    }
    t->n_sorted = kept;
}

static bool keeps_space(const nb_special *s)
{
    static const char *const names[] = {"<unk>", "<s>", "<|endoftext|>"};
    for (size_t i = 0; i < countof(names); i++)
        if (strlen(names[i]) == s->len && memcmp(s->bytes, names[i], s->len) == 0)
            return true;
    return false;
}

nb_status nb_specials_build(nb_tok *t, bool strip, nb_err *err)
{
    const unsigned kinds = 1u << NB_PIECE_CONTROL | 1u << NB_PIECE_USER;
    uint32_t count = 0;
    for (uint32_t id = 0; id < t->n; id++)
        count += kinds >> t->kind[id] & 1;
    t->sorted = nb_alloc(count + 1, sizeof *t->sorted, "tokenizer", err);
    if (!t->sorted)
        return NB_NOMEM;
    for (uint32_t id = 0; id < t->n; id++) {
        nb_special s = {.id = (int32_t)id, .user = t->kind[id] == NB_PIECE_USER};
        s.len = spelling(t, s.id, &s.bytes);
        if (s.len == 0 || !(kinds >> t->kind[id] & 1))
            continue;
        if (s.len > MAX_SPECIAL)
            return nb_fail(err, NB_UNSUPPORTED,
                           "tokenizer.ggml.tokens: special token %u has %u bytes, at most %d run",
                           id, s.len, MAX_SPECIAL);
        s.strip = strip && !keeps_space(&s);
        t->sorted[t->n_sorted++] = s;
        t->starts[s.bytes[0]] = true;
    }
    qsort(t->sorted, t->n_sorted, sizeof *t->sorted, by_spelling);
    drop_twins(t);
    return NB_OK;
}

/* First of sorted[lo..hi), all longer than depth, whose byte at depth is >= want. */
static uint32_t lower(const nb_tok *t, uint32_t lo, uint32_t hi, uint32_t depth, unsigned want)
{
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (t->sorted[mid].bytes[depth] < want)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

const nb_special *nb_special_at(const nb_tok *t, const uint8_t *text, size_t len, bool all)
{
    const nb_special *found = NULL;
    uint32_t lo = 0, hi = t->n_sorted;
    for (uint32_t depth = 0; depth < len; depth++) {
        unsigned want = text[depth];
        lo = lower(t, lo, hi, depth, want);
        hi = lower(t, lo, hi, depth, want + 1);
        if (lo == hi)
            break;
        if (t->sorted[lo].len == depth + 1) { /* the shortest of a range stands first */
            if (all || t->sorted[lo].user)
                found = &t->sorted[lo];
            lo++;
        }
    }
    return found;
}
