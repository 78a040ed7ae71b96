#include "core/eval/base_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"
#include "kernels/crc32c.h"
#include "kernels/fp.h"

enum { ALIGN = 64, SUM = 4, MAX_CTX = 1 << 24, MAX_SIDE = 1 << 24, CODED_HEAD = 8 };

/* --- heads -------------------------------------------------------------------------------------
 */

static bool read_i32(nb_cursor *c, int32_t *out)
{
    uint32_t u;
    if (!nb_read_u32(c, &u))
        return false;
    memcpy(out, &u, sizeof u);
    return true;
}

/* A field of n bytes, text and zeros behind, into out[n + 1]. */
static bool read_text(nb_cursor *c, char *out, size_t n)
{
    const uint8_t *at;
    if (!nb_read_bytes(c, n, &at))
        return false;
    memcpy(out, at, n);
    out[n] = '\0';
    return true;
}

/* Places of all parts; false when no file could be so long. */
static bool place_own(nb_base_head *h, uint64_t at, uint64_t *len)
{
    const nb_reading *r = &h->reading;
    uint64_t rows, n;
    h->ids_at = at;
    bool fits = nb_mul(r->chunks - 1, r->step, &h->n_ids) &&
                nb_add(h->n_ids, r->n_ctx, &h->n_ids) && nb_mul(h->n_ids, 4, &n) &&
                nb_add(at, n, &at) && nb_align_up(at, ALIGN, &at);
    h->matrix_at = at;
    fits = fits && nb_mul(h->matrix_row, h->n_vocab, &n) && nb_add(at, n, &at) &&
           nb_align_up(at, ALIGN, &at);
    h->rows_at = at;
    h->row = 4 + ((uint64_t)h->n_embd + 1) / 2 * 4;
    return fits && nb_mul(r->chunks, r->count, &rows) && nb_mul(rows, h->row, &n) &&
           nb_add(at, n, &at) && nb_add(at, SUM, len);
}

/* Scored positions of one that predicts: they and the next lie in the chunk, and some chunk is
 * there. */
static bool sound_reading(const nb_reading *r)
{
    return r->n_ctx >= 4 && r->n_ctx <= MAX_CTX && r->chunks >= 1 && r->step >= 1 &&
           r->step <= r->n_ctx && r->count >= 1 && r->first < r->n_ctx &&
           r->count == r->n_ctx - 1 - r->first;
}

static nb_status read_own(nb_base_head *h, nb_cursor *c, uint64_t len, const char *name,
                          nb_err *err)
{
    nb_reading *r = &h->reading;
    uint32_t protocol;
    uint64_t want;
    bool whole = nb_read_u32(c, &protocol) && nb_read_u32(c, &r->n_ctx) &&
                 nb_read_u32(c, &r->step) && nb_read_u32(c, &r->first) &&
                 nb_read_u32(c, &r->count) && nb_read_u32(c, &r->chunks) && read_i32(c, &r->bos) &&
                 nb_read_u32(c, &h->n_vocab) && nb_read_u32(c, &h->n_embd) &&
                 nb_read_u32(c, &h->type) && nb_read_f32(c, &h->scale) && nb_read_f32(c, &h->cap) &&
                 nb_read_u64(c, &h->reference) && nb_read_u64(c, &h->vocab) &&
                 read_text(c, h->text, 64) && read_text(c, h->name, 64);
    if (!whole)
        return nb_fail(err, NB_FORMAT, "%s: cut within its head", name);
    if (protocol >= NB_PROTOCOL_COUNT || !sound_reading(r) || r->bos < -1 ||
        (r->bos >= 0 && (uint32_t)r->bos >= h->n_vocab))
        return nb_fail(err, NB_FORMAT,
                       "%s: protocol %u, context %u, %u chunks of %u positions from %u: no reading",
                       name, protocol, r->n_ctx, r->chunks, r->count, r->first);
    r->protocol = (nb_protocol)protocol;
    const nk_type *t = nk_type_get(h->type);
    if (!t || !t->dot || t->activation_only || h->n_vocab < 1 || h->n_vocab > MAX_SIDE ||
        h->n_embd < 1 || h->n_embd > MAX_SIDE || !nk_row_size(t, h->n_embd, &h->matrix_row) ||
        !isfinite(h->scale) || !isfinite(h->cap))
        return nb_fail(err, NB_FORMAT, "%s: no output matrix of type %u, %u x %u", name, h->type,
                       h->n_embd, h->n_vocab);
    if (!place_own(h, nb_cursor_pos(c), &want) || want != len)
        return nb_fail(err, NB_FORMAT,
                       "%s: %" PRIu64 " bytes do not hold %u chunks of %u positions", name, len,
                       r->chunks, r->count);
    return NB_OK;
}

static bool place_llama(nb_base_head *h, uint64_t at, uint64_t *len)
{
    const nb_reading *r = &h->reading;
    uint64_t rows, n;
    h->ids_at = at;
    h->n_ids = (uint64_t)r->chunks * r->n_ctx;
    h->row = CODED_HEAD + ((uint64_t)h->n_vocab + 1) / 2 * 4;
    bool fits = nb_mul(h->n_ids, 4, &n) && nb_add(at, n, &at);
    h->rows_at = at;
    return fits && nb_mul(r->chunks, r->count, &rows) && nb_mul(rows, h->row, &n) &&
           nb_add(at, n, len);
}

static nb_status read_llama(nb_base_head *h, nb_cursor *c, uint64_t len, const char *name,
                            nb_err *err)
{
    nb_reading *r = &h->reading;
    uint64_t want;
    h->kind = NB_BASE_LLAMA;
    if (!nb_read_u32(c, &r->n_ctx) || !nb_read_u32(c, &h->n_vocab) || !nb_read_u32(c, &r->chunks))
        return nb_fail(err, NB_FORMAT, "%s: cut within its head", name);
    r->step = r->n_ctx;
    r->first = r->n_ctx / 2;
    r->count = r->n_ctx > r->first ? r->n_ctx - 1 - r->first : 0;
    r->bos = -1;
    if (!sound_reading(r) || h->n_vocab < 1 || h->n_vocab > MAX_SIDE)
        return nb_fail(err, NB_FORMAT, "%s: context %u, %u tokens, %u chunks: no base file", name,
                       r->n_ctx, h->n_vocab, r->chunks);
    if (!place_llama(h, nb_cursor_pos(c), &want) || want != len)
        return nb_fail(err, NB_FORMAT,
                       "%s: %" PRIu64 " bytes do not hold %u chunks of %u positions", name, len,
                       r->chunks, r->count);
    return NB_OK;
}

nb_status nb_base_head_read(nb_base_head *out, const uint8_t *bytes, uint64_t len, const char *name,
                            nb_err *err)
{
    nb_cursor c = nb_cursor_make(bytes, (size_t)len);
    nb_base_head h = {0};
    const uint8_t *mark;
    bool any = nb_read_bytes(&c, 8, &mark), own = any && memcmp(mark, "NBBASE01", 8) == 0;
    if (!own && (!any || memcmp(mark, "_logits_", 8) != 0))
        return nb_fail(err, NB_FORMAT, "%s: not a base file of nibble or llama-perplexity", name);
    NB_TRY((own ? read_own : read_llama)(&h, &c, len, name, err));
    *out = h;
    return NB_OK;
}

/* --- rows --------------------------------------------------------------------------------------
 */

static nb_status own_rows(nb_reference *ref, uint32_t chunk, const int32_t *ids, uint32_t from,
                          uint32_t n, float *out, const nb_hooks *hooks, nb_err *err)
{
    nb_base *b = (nb_base *)ref;
    const nb_base_head *h = &b->head;
    (void)ids;
    if (nb_canceled(hooks))
        return nb_fail(err, NB_CANCELED, "cancelled");
    uint64_t first = (uint64_t)chunk * h->reading.count + (from - h->reading.first);
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *at = b->map.at + h->rows_at + (first + i) * h->row;
        float scale, *x = b->state + (size_t)i * h->n_embd;
        memcpy(&scale, at, sizeof scale);
        for (uint32_t k = 0; k < h->n_embd; k++) {
            uint16_t half;
            memcpy(&half, at + 4 + 2 * (size_t)k, sizeof half);
            x[k] = scale * nk_f16_to_f32(half);
        }
    }
    nb_head_logits(&b->last, b->state, n, out);
    return NB_OK;
}

static nb_status llama_rows(nb_reference *ref, uint32_t chunk, const int32_t *ids, uint32_t from,
                            uint32_t n, float *out, const nb_hooks *hooks, nb_err *err)
{
    const nb_base *b = (const nb_base *)ref;
    const nb_base_head *h = &b->head;
    (void)ids;
    if (nb_canceled(hooks))
        return nb_fail(err, NB_CANCELED, "cancelled");
    uint64_t first = (uint64_t)chunk * h->reading.count + (from - h->reading.first);
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *at = b->map.at + h->rows_at + (first + i) * h->row;
        float scale, least, *row = out + (size_t)i * h->n_vocab;
        memcpy(&scale, at, sizeof scale);
        memcpy(&least, at + 4, sizeof least);
        if (!(scale >= 0 && scale <= 1 && least <= 0 && isfinite(least)))
            return nb_fail(err, NB_FORMAT, "%s: position %" PRIu64 ": scale %g, least %g",
                           nb_path_base(b->path), first + i, (double)scale, (double)least);
        for (uint32_t k = 0; k < h->n_vocab; k++) {
            uint16_t code;
            memcpy(&code, at + CODED_HEAD + 2 * (size_t)k, sizeof code);
            row[k] = scale * (float)code + least;
        }
    }
    return NB_OK;
}

/* --- opening -----------------------------------------------------------------------------------
 */

static nb_status check_sum(const nb_base *b, const nk_ops *ops, nb_err *err)
{
    uint32_t sum, have = 0;
    uint64_t n = b->map.len - SUM;
    memcpy(&sum, b->map.at + n, sizeof sum);
    have = nk_crc32c(ops->flags)(have, b->map.at, (size_t)n);
    if (have == sum)
        return NB_OK;
    return nb_fail(err, NB_FORMAT, "%s: damaged: its sum is %08x, its bytes give %08x",
                   nb_path_base(b->path), sum, have);
}

static nb_status open_own(nb_base *b, const nb_tok *tok, const nk_ops *ops, nk_pool *pool,
                          nb_err *err)
{
    const nb_base_head *h = &b->head;
    NB_TRY(check_sum(b, ops, err));
    if (h->vocab != nb_vocab_print(tok))
        return nb_fail(err, NB_REFUSED,
                       "%s: made with another tokenizer or vocabulary than the model's",
                       nb_path_base(b->path));
    nk_matrix w = {.data = b->map.at + h->matrix_at,
                   .type = nk_type_get(h->type),
                   .rows = h->n_vocab,
                   .cols = h->n_embd,
                   .row_size = (size_t)h->matrix_row};
    NB_TRY(nb_head_init(&b->last, &w, h->scale, h->cap, ops, pool, err));
    b->state = nb_alloc((uint64_t)NB_HEAD_BATCH * h->n_embd, sizeof *b->state, "states", err);
    return b->state ? NB_OK : NB_NOMEM;
}

static nb_status read_ids(nb_base *b, const nb_tok *tok, nb_err *err)
{
    const nb_base_head *h = &b->head;
    int32_t *ids = nb_alloc(h->n_ids, sizeof *ids, "tokens of the base file", err);
    if (!ids)
        return NB_NOMEM;
    memcpy(ids, b->map.at + h->ids_at, (size_t)h->n_ids * sizeof *ids);
    for (uint64_t i = 0; i < h->n_ids; i++)
        if (ids[i] < 0 || (uint32_t)ids[i] >= h->n_vocab) {
            nb_status st = nb_fail(err, NB_FORMAT, "%s: token %" PRIu64 ": id %d of %u",
                                   nb_path_base(b->path), i, ids[i], h->n_vocab);
            free(ids);
            return st;
        }
    nb_reading_of_ids(&b->reading, &h->reading, ids, (size_t)h->n_ids);
    int32_t bos[1];
    if (h->kind == NB_BASE_LLAMA && nb_tok_encode(tok, "", 0, NB_TOK_BOS, bos, 1) == 1)
        b->reading.bos = bos[0];
    return NB_OK;
}

nb_status nb_base_open(nb_base **out, const char *path, const nb_tok *tok, const nk_ops *ops,
                       nk_pool *pool, nb_err *err)
{
    nb_base *b = nb_alloc(1, sizeof *b, "base file", err);
    if (!b)
        return NB_NOMEM;
    snprintf(b->path, sizeof b->path, "%s", path);
    nb_status st = nb_map_open(&b->map, path, err);
    if (st == NB_OK)
        st = nb_base_head_read(&b->head, b->map.at, b->map.len, nb_path_base(path), err);
    if (st == NB_OK && b->head.kind == NB_BASE_NIBBLE)
        st = open_own(b, tok, ops, pool, err);
    if (st == NB_OK)
        st = read_ids(b, tok, err);
    if (st != NB_OK) {
        nb_base_close(&b);
        return st;
    }
    bool own = b->head.kind == NB_BASE_NIBBLE;
    b->ref = (nb_reference){
        .rows = own ? own_rows : llama_rows, .coded = !own, .n_vocab = b->head.n_vocab};
    *out = b;
    return NB_OK;
}

void nb_base_close(nb_base **b)
{
    if (!*b)
        return;
    nb_head_free(&(*b)->last);
    nb_reading_close(&(*b)->reading);
    nb_map_close(&(*b)->map);
    free((*b)->state);
    free(*b);
    *b = NULL;
}
