#include "core/eval/base_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/beside.h"
#include "core/base/file.h"
#include "core/base/str.h"
#include "kernels/crc32c.h"
#include "kernels/fp.h"

enum { ALIGN = 64, BUFFER = 1 << 20, TEXT = 64 };

typedef struct writer {
    const nb_base_about *about;
    const nb_session *s;
    const nb_reading *rd;
    nk_matrix w;
    float scale, cap;
    int fd;
    const char *path;
    uint64_t at;     /* bytes written and buffered */
    uint8_t *buffer; /* [BUFFER] owned */
    size_t held;
    uint32_t crc;
    nk_crc32c_fn *sum;
    uint16_t *code; /* [n_vocab + 1] owned; of llama's kind */
} writer;

/* --- lengths -----------------------------------------------------------------------------------
 */

static uint64_t ids_of(const nb_base_about *about, const nb_reading *rd)
{
    if (about->kind == NB_BASE_LLAMA)
        return (uint64_t)rd->chunks * rd->n_ctx;
    return (uint64_t)(rd->chunks - 1) * rd->step + rd->n_ctx;
}

static uint64_t row_of(const nb_base_about *about, const nb_model *m)
{
    uint64_t values = about->kind == NB_BASE_LLAMA ? m->hp.n_vocab : m->hp.n_embd;
    return (about->kind == NB_BASE_LLAMA ? 8 : 4) + (values + 1) / 2 * 4;
}

nb_status nb_base_size(uint64_t *out, const nb_base_about *about, const nb_reading *rd,
                       const nb_model *m, nb_err *err)
{
    nk_matrix w;
    float scale, cap;
    nb_head_of(m, &w, &scale, &cap);
    bool own = about->kind == NB_BASE_NIBBLE;
    /* 8 of mark; 12 four-byte fields, 2 of eight bytes, 2 texts; or 3 four-byte fields */
    uint64_t n = own ? 8 + 12 * 4 + 2 * 8 + 2 * TEXT : 8 + 3 * 4, rows, part;
    bool fits = nb_mul(ids_of(about, rd), 4, &part) && nb_add(n, part, &n);
    if (own)
        fits = fits && nb_align_up(n, ALIGN, &n) && nb_mul(w.rows, w.row_size, &part) &&
               nb_add(n, part, &n) && nb_align_up(n, ALIGN, &n);
    fits = fits && nb_mul(rd->chunks, rd->count, &rows) && nb_mul(rows, row_of(about, m), &part) &&
           nb_add(n, part, &n) && nb_add(n, own ? 4 : 0, out);
    return fits ? NB_OK
                : nb_fail(err, NB_REFUSED, "a base file of %u chunks is too large", rd->chunks);
}

/* --- bytes -------------------------------------------------------------------------------------
 */

static nb_status flush(writer *w, nb_err *err)
{
    NB_TRY(nb_pwrite_all(w->fd, w->buffer, w->held, w->at - w->held, w->path, err));
    w->crc = w->sum(w->crc, w->buffer, w->held);
    w->held = 0;
    return NB_OK;
}

static nb_status put(writer *w, const void *bytes, size_t n, nb_err *err)
{
    const uint8_t *p = bytes;
    for (size_t len; n; p += len, n -= len) {
        len = n < BUFFER - w->held ? n : BUFFER - w->held;
        memcpy(w->buffer + w->held, p, len);
        w->held += len;
        w->at += len;
        if (w->held == BUFFER)
            NB_TRY(flush(w, err));
    }
    return NB_OK;
}

static nb_status put_zeros(writer *w, uint64_t align, nb_err *err)
{
    static const uint8_t zero[ALIGN] = {0};
    return put(w, zero, (size_t)((align - w->at % align) % align), err);
}

static nb_status put_text(writer *w, const char *text, nb_err *err)
{
    char field[TEXT + 1] = {0};
    nb_short(field, sizeof field, text ? text : "");
    return put(w, field, TEXT, err);
}

static nb_status put_head(writer *w, nb_err *err)
{
    const nb_reading *r = w->rd;
    const nb_model *m = nb_session_model(w->s);
    if (w->about->kind == NB_BASE_LLAMA) {
        const uint32_t figure[] = {r->n_ctx, m->hp.n_vocab, r->chunks};
        NB_TRY(put(w, "_logits_", 8, err));
        NB_TRY(put(w, figure, sizeof figure, err));
        return put(w, r->ids, (size_t)ids_of(w->about, r) * sizeof *r->ids, err);
    }
    const uint32_t figure[] = {r->protocol,  r->n_ctx,     r->step,          r->first,
                               r->count,     r->chunks,    (uint32_t)r->bos, m->hp.n_vocab,
                               m->hp.n_embd, w->w.type->id};
    const float logit[] = {w->scale, w->cap};
    const uint64_t print[] = {w->about->reference, w->about->vocab};
    NB_TRY(put(w, "NBBASE01", 8, err));
    NB_TRY(put(w, figure, sizeof figure, err));
    NB_TRY(put(w, logit, sizeof logit, err));
    NB_TRY(put(w, print, sizeof print, err));
    NB_TRY(put_text(w, w->about->text, err));
    NB_TRY(put_text(w, w->about->name, err));
    NB_TRY(put(w, r->ids, (size_t)ids_of(w->about, r) * sizeof *r->ids, err));
    NB_TRY(put_zeros(w, ALIGN, err));
    NB_TRY(put(w, w->w.data, w->w.rows * w->w.row_size, err));
    return put_zeros(w, ALIGN, err);
}

/* --- rows --------------------------------------------------------------------------------------
 */

static float largest(const float *v, size_t n)
{
    float most = 0;
    for (size_t i = 0; i < n; i++)
        most = fabsf(v[i]) > most ? fabsf(v[i]) : most;
    return most;
}

/* Scaled to 1: no state leaves F16's range. */
static nb_status put_state(writer *w, const float *state, nb_err *err)
{
    uint32_t n = (uint32_t)w->w.cols;
    float most = largest(state, n), scale = most > 0 ? most : 1;
    NB_TRY(put(w, &scale, sizeof scale, err));
    for (uint32_t i = 0; i < n; i++) {
        uint16_t half = nk_f32_to_f16(state[i] / scale);
        NB_TRY(put(w, &half, sizeof half, err));
    }
    return put_zeros(w, 4, err);
}

void nb_base_code(const float *logits, uint32_t n, float *scale, float *least, uint16_t *code)
{
    float max = logits[0], min = logits[0];
    for (uint32_t i = 1; i < n; i++) {
        max = logits[i] > max ? logits[i] : max;
        min = logits[i] < min ? logits[i] : min;
    }
    min = min < max - 16 ? max - 16 : min;
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += (double)expf(logits[i] - max);
    // cppcheck-suppress invalidFunctionArg
    float lse = (float)log(sum);
    *least = min - max - lse;
    *scale = (max - min) / 65535.0F;
    float inverse = *scale > 0 ? 1 / *scale : 0;
    for (uint32_t i = 0; i < n; i++)
        code[i] = logits[i] > min ? (uint16_t)lrintf(inverse * (logits[i] - min)) : 0;
}

static nb_status put_coded(writer *w, const float *logits, nb_err *err)
{
    float head[2];
    uint32_t n = nb_session_model(w->s)->hp.n_vocab;
    nb_base_code(logits, n, &head[0], &head[1], w->code);
    NB_TRY(put(w, head, sizeof head, err));
    return put(w, w->code, (n + 1) / 2 * 4, err); /* the odd one stays 0 */
}

static nb_status on_row(void *arg, size_t pos, const float *logits, nb_err *err)
{
    writer *w = arg;
    (void)pos;
    return w->about->kind == NB_BASE_LLAMA ? put_coded(w, logits, err)
                                           : put_state(w, nb_session_hidden(w->s), err);
}

static nb_status put_end(writer *w, nb_err *err)
{
    NB_TRY(flush(w, err));
    uint32_t crc = w->crc;
    if (w->about->kind == NB_BASE_LLAMA)
        return NB_OK;
    NB_TRY(put(w, &crc, sizeof crc, err));
    return flush(w, err);
}

/* --- the file ----------------------------------------------------------------------------------
 */

static nb_status check_kind(const nb_base_about *about, const nb_reading *rd, nb_err *err)
{
    if (about->kind == NB_BASE_LLAMA && rd->protocol != NB_PROTOCOL_LLAMA)
        return nb_fail(err, NB_USAGE,
                       "llama.cpp's base file knows its own protocol only, not \"%s\"",
                       nb_protocol_name(rd->protocol));
    return NB_OK;
}

static nb_status write_all(nb_ppl *out, writer *w, nb_session *s, const nb_eval_watch *watch,
                           const nb_hooks *hooks, nb_err *err)
{
    nb_eval_watch rows = watch ? *watch : (nb_eval_watch){0};
    rows.row = on_row;
    rows.row_arg = w;
    NB_TRY(put_head(w, err));
    NB_TRY(nb_eval_read(out, s, w->rd, &rows, hooks, err));
    return put_end(w, err);
}

nb_status nb_base_save(nb_ppl *out, const char *path, const nb_base_about *about, nb_session *s,
                       const nb_reading *rd, const nb_eval_watch *watch, const nb_hooks *hooks,
                       nb_err *err)
{
    const nb_model *m = nb_session_model(s);
    uint64_t total;
    nb_ppl p;
    nb_str part = {0};
    writer w = {.about = about, .s = s, .rd = rd, .fd = -1, .sum = nk_crc32c(about->cpu_flags)};
    NB_TRY(check_kind(about, rd, err));
    NB_TRY(nb_base_size(&total, about, rd, m, err));
    NB_TRY(nb_need_space(path, total, err));
    nb_head_of(m, &w.w, &w.scale, &w.cap);
    nb_status st = NB_NOMEM;
    if (!(w.buffer = nb_alloc(BUFFER, 1, "base file", err)) ||
        !(w.code = nb_alloc(m->hp.n_vocab + 1, sizeof *w.code, "codes", err)))
        goto out;
    nb_str_add(&part, path);
    nb_str_add(&part, ".part");
    w.path = nb_str_c(&part);
    st = part.failed ? nb_fail(err, NB_NOMEM, "%s: no memory to save it", path) : NB_OK;
    if (st == NB_OK)
        st = nb_beside_open(&w.fd, w.path, 0666, err);
    if (st == NB_OK)
        st = write_all(&p, &w, s, watch, hooks, err);
    if (w.fd >= 0)
        st = nb_beside_end(w.fd, w.path, path, st, err);
out:
    if (st == NB_OK)
        *out = p;
    free(w.buffer);
    free(w.code);
    nb_str_free(&part);
    return st;
}
