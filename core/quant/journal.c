#include "core/quant/journal.h"

#include <string.h>

#include "kernels/crc32c.h"

enum { MAGIC = 8 };
static const char magic[MAGIC + 1] = "NBQUANT2";

static void put(nb_str *out, uint64_t v, unsigned bytes)
{
    uint8_t le[8];
    for (unsigned i = 0; i < bytes; i++)
        le[i] = (uint8_t)(v >> 8 * i);
    nb_str_addn(out, le, bytes);
}

static void put_f64(nb_str *out, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    put(out, bits, 8);
}

static void put_f32(nb_str *out, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    put(out, bits, 4);
}

static void put_sum(nb_str *out, size_t from)
{
    if (!out->failed)
        put(out, nk_crc32c_c(0, out->at + from, out->len - from), 4);
}

void nb_journal_begin(nb_str *out, const char id[NB_JOURNAL_ID + 1])
{
    size_t from = out->len;
    nb_str_addn(out, magic, MAGIC);
    nb_str_addn(out, id, NB_JOURNAL_ID);
    put_sum(out, from);
}

void nb_journal_add(nb_str *out, uint32_t tensor, const nb_stats *s, const uint64_t *marks,
                    uint32_t n_tiles)
{
    size_t from = out->len;
    put(out, tensor, 4);
    put(out, n_tiles, 4);
    put(out, s->n, 8), put(out, s->n_zero, 8), put(out, s->n_nan, 8);
    put(out, s->n_inf, 8), put(out, s->n_clip, 8);
    put_f64(out, s->sum), put_f64(out, s->sum2), put_f64(out, s->sum4);
    put_f64(out, s->sum_err), put_f64(out, s->sum_err2);
    put_f32(out, s->min), put_f32(out, s->max), put_f32(out, s->max_err);
    put(out, s->max_err_at, 8), put(out, s->n_looks, 8);
    put_f64(out, s->look_ee), put_f64(out, s->look_ew), put_f64(out, s->look_ww);
    for (uint32_t i = 0; i < n_tiles; i++)
        put(out, marks[i], 8);
    put_sum(out, from);
}

/* --- reading -----------------------------------------------------------------------------------
 */

/* The sum that follows holds for everything from `from` on. */
static bool read_sum(nb_cursor *c, const uint8_t *from)
{
    size_t n = (size_t)(c->at - from);
    uint32_t sum;
    return nb_read_u32(c, &sum) && sum == nk_crc32c_c(0, from, n);
}

bool nb_journal_head(nb_cursor *c, char id[NB_JOURNAL_ID + 1])
{
    const uint8_t *from = c->at, *name, *digits;
    if (!nb_read_bytes(c, MAGIC, &name) || memcmp(name, magic, MAGIC) != 0 ||
        !nb_read_bytes(c, NB_JOURNAL_ID, &digits) || !read_sum(c, from))
        return false;
    memcpy(id, digits, NB_JOURNAL_ID);
    id[NB_JOURNAL_ID] = '\0';
    return strspn(id, "0123456789abcdef") == NB_JOURNAL_ID;
}

static bool read_stats(nb_cursor *c, nb_stats *s)
{
    return nb_read_u64(c, &s->n) && nb_read_u64(c, &s->n_zero) && nb_read_u64(c, &s->n_nan) &&
           nb_read_u64(c, &s->n_inf) && nb_read_u64(c, &s->n_clip) && nb_read_f64(c, &s->sum) &&
           nb_read_f64(c, &s->sum2) && nb_read_f64(c, &s->sum4) && nb_read_f64(c, &s->sum_err) &&
           nb_read_f64(c, &s->sum_err2) && nb_read_f32(c, &s->min) && nb_read_f32(c, &s->max) &&
           nb_read_f32(c, &s->max_err) && nb_read_u64(c, &s->max_err_at) &&
           nb_read_u64(c, &s->n_looks) && nb_read_f64(c, &s->look_ee) &&
           nb_read_f64(c, &s->look_ew) && nb_read_f64(c, &s->look_ww);
}

bool nb_journal_next(nb_cursor *c, nb_journal_record *out)
{
    nb_cursor at = *c;
    nb_journal_record r;
    if (!nb_read_u32(&at, &r.tensor) || !nb_read_u32(&at, &r.n_tiles) ||
        !read_stats(&at, &r.stats) || !nb_read_bytes(&at, (uint64_t)r.n_tiles * 8, &r.marks) ||
        !read_sum(&at, c->at))
        return false;
    *c = at;
    *out = r;
    return true;
}

uint64_t nb_journal_mark(const nb_journal_record *r, uint32_t tile)
{
    uint64_t mark = 0;
    for (unsigned i = 0; i < 8; i++)
        mark |= (uint64_t)r->marks[(size_t)tile * 8 + i] << 8 * i;
    return mark;
}
