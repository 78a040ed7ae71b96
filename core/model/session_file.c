#include "core/model/session_file.h"

#include <inttypes.h>
#include <string.h>

#include "core/base/beside.h"
#include "core/base/file.h"
#include "core/base/str.h"
#include "core/model/forward.h"
#include "kernels/crc32c.h"

static const char magic[8] = {'N', 'B', 'S', 'E', 'S', 'S', 'N', '1'};
enum { FAR_ANGLES = 1, SUM = 4, STEP = 1 << 20 };

/* --- head --------------------------------------------------------------------------------------
 */

static bool whole_length(const nb_session_head *h, uint64_t *len)
{
    uint64_t rows, per_layer, cache;
    return nb_add(h->k_row, h->v_row, &rows) && nb_mul(rows, h->n, &per_layer) &&
           nb_mul(per_layer, h->n_layer, &cache) &&
           nb_add(cache, NB_SESSION_HEAD + SUM + 4 * (uint64_t)h->n, len);
}

nb_status nb_session_head_read(nb_session_head *out, const uint8_t *bytes, size_t n, uint64_t len,
                               const char *name, nb_err *err)
{
    nb_cursor c = nb_cursor_make(bytes, n);
    nb_session_head h = {0};
    const uint8_t *mark;
    uint32_t zero;
    uint64_t want;
    if (!nb_read_bytes(&c, sizeof magic, &mark) || memcmp(mark, magic, sizeof magic) != 0)
        return nb_fail(err, NB_FORMAT, "%s: not a saved session", name);
    bool whole = nb_read_u64(&c, &h.fingerprint) && nb_read_u32(&c, &h.n_layer) &&
                 nb_read_u32(&c, &h.n) && nb_read_u32(&c, &h.k_type) &&
                 nb_read_u32(&c, &h.v_type) && nb_read_u64(&c, &h.k_row) &&
                 nb_read_u64(&c, &h.v_row) && nb_read_u32(&c, &h.flags) && nb_read_u32(&c, &zero);
    if (!whole)
        return nb_fail(err, NB_FORMAT, "%s: cut within its head of %d bytes", name,
                       NB_SESSION_HEAD);
    if (h.n == 0 || h.flags > FAR_ANGLES || zero)
        return nb_fail(err, NB_FORMAT, "%s: %u tokens, flags %u: no session of this version", name,
                       h.n, h.flags);
    if (!whole_length(&h, &want) || want != len)
        return nb_fail(err, NB_FORMAT, "%s: %" PRIu64 " bytes do not hold %u tokens in %u layers",
                       name, len, h.n, h.n_layer);
    *out = h;
    return NB_OK;
}

static void put(uint8_t **at, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *(*at)++ = (uint8_t)(v >> (8 * i));
}

static void write_head(uint8_t out[NB_SESSION_HEAD], const nb_session_head *h)
{
    uint8_t *at = out;
    memcpy(at, magic, sizeof magic);
    at += sizeof magic;
    put(&at, h->fingerprint, 8);
    put(&at, h->n_layer, 4);
    put(&at, h->n, 4);
    put(&at, h->k_type, 4);
    put(&at, h->v_type, 4);
    put(&at, h->k_row, 8);
    put(&at, h->v_row, 8);
    put(&at, h->flags, 4);
    put(&at, 0, 4);
}

/* The model's, and that of every adapter with its scale. */
static uint64_t fingerprint_of(const nb_session *s)
{
    uint64_t f = nb_weights_fingerprint(s->model->weights);
    for (uint32_t i = 0; i < s->n_lora; i++) {
        uint32_t scale;
        memcpy(&scale, &s->lora[i].scale, sizeof scale);
        f = (f ^ scale) * 0x100000001b3u; /* FNV-1a's step */
        f = (f ^ nb_weights_fingerprint(s->lora[i].lora->weights)) * 0x100000001b3u;
    }
    return f;
}

static nb_session_head head_of(const nb_session *s)
{
    const nb_model *m = s->model;
    bool far = s->freq[0] && s->freq[0] == m->rope_freq[NB_TURNS_LONG];
    return (nb_session_head){.fingerprint = fingerprint_of(s),
                             .k_row = s->k_row,
                             .v_row = s->v_row,
                             .n_layer = m->hp.n_layer,
                             .n = (uint32_t)s->seq[s->now].n,
                             .k_type = s->k_type,
                             .v_type = s->v_type,
                             .flags = far ? FAR_ANGLES : 0};
}

/* --- saving ------------------------------------------------------------------------------------
 */

typedef struct writer {
    int fd;
    const char *path;
    uint64_t at, total;
    uint32_t crc;
    nk_crc32c_fn *sum;
    const nb_hooks *hooks;
} writer;

static nb_status write_some(writer *w, const void *bytes, size_t n, nb_err *err)
{
    const uint8_t *p = bytes;
    for (size_t len; n; p += len, n -= len) {
        len = n < STEP ? n : STEP;
        if (nb_canceled(w->hooks))
            return nb_fail(err, NB_CANCELED, "cancelled");
        NB_TRY(nb_pwrite_all(w->fd, p, len, w->at, w->path, err));
        w->crc = w->sum(w->crc, p, len);
        w->at += len;
        nb_report(w->hooks, &(nb_progress){.what = "session", .done = w->at, .total = w->total});
    }
    return NB_OK;
}

static nb_status write_all(writer *w, const nb_session *s, const nb_session_head *h, nb_err *err)
{
    uint8_t head[NB_SESSION_HEAD], sum[SUM], *at = sum;
    size_t k_size = s->n_ctx * s->k_row, v_size = s->n_ctx * s->v_row;
    const uint8_t *cache = s->kv + s->now * (size_t)h->n_layer * (k_size + v_size);
    const nb_seq *q = &s->seq[s->now];
    write_head(head, h);
    NB_TRY(write_some(w, head, sizeof head, err));
    for (uint32_t i = 0; i < h->n; i++) {
        uint8_t id[4], *to = id;
        put(&to, (uint32_t)q->ids[i], 4);
        NB_TRY(write_some(w, id, sizeof id, err));
    }
    for (uint32_t layer = 0; layer < h->n_layer; layer++, cache += k_size + v_size) {
        NB_TRY(write_some(w, cache, h->n * s->k_row, err));
        NB_TRY(write_some(w, cache + k_size, h->n * s->v_row, err));
    }
    put(&at, w->crc, 4);
    return nb_pwrite_all(w->fd, sum, sizeof sum, w->at, w->path, err);
}

nb_status nb_session_save(const nb_session *s, const char *path, const nb_hooks *hooks, nb_err *err)
{
    nb_session_head h = head_of(s);
    writer w = {.hooks = hooks, .sum = nk_crc32c(s->ops->flags)};
    nb_str part = {0};
    if (h.n == 0)
        return nb_fail(err, NB_REFUSED, "an empty session is not saved");
    if (!whole_length(&h, &w.total))
        return nb_fail(err, NB_REFUSED, "a session of %u tokens is too large to save", h.n);
    NB_TRY(nb_need_space(path, w.total, err));
    nb_str_add(&part, path);
    nb_str_add(&part, ".part");
    if (part.failed)
        return nb_fail(err, NB_NOMEM, "%s: no memory to save it", path);
    w.path = nb_str_c(&part);
    nb_status st = nb_beside_open(&w.fd, w.path, 0600, err);
    if (st == NB_OK)
        st = nb_beside_end(w.fd, w.path, path, write_all(&w, s, &h, err), err);
    nb_str_free(&part);
    return st;
}

/* --- restoring ---------------------------------------------------------------------------------
 */

static nb_status check_head(const nb_session *s, const nb_session_head *h, const char *name,
                            nb_err *err)
{
    nb_session_head own = head_of(s);
    if (h->fingerprint != own.fingerprint || h->n_layer != own.n_layer)
        return nb_fail(err, NB_REFUSED, "%s: saved from another model or with other adapters",
                       name);
    if (h->k_type != own.k_type || h->v_type != own.v_type || h->k_row != own.k_row ||
        h->v_row != own.v_row) {
        const nk_type *k = nk_type_get(h->k_type), *v = nk_type_get(h->v_type);
        return nb_fail(err, NB_REFUSED, "%s: its cache is %s and %s, this one %s and %s", name,
                       k ? k->name : "unknown", v ? v->name : "unknown",
                       nk_type_get(s->k_type)->name, nk_type_get(s->v_type)->name);
    }
    if (h->n > s->n_ctx)
        return nb_fail(err, NB_REFUSED, "%s: %u tokens, the context has room for %u", name, h->n,
                       s->n_ctx);
    if (h->flags != own.flags)
        return nb_fail(err, NB_REFUSED, "%s: saved with a context on the other side of %u tokens",
                       name, s->model->hp.rope.n_ctx_orig);
    return NB_OK;
}

static nb_status check_sum(const nb_session *s, const nb_map *map, const char *name,
                           const nb_hooks *hooks, nb_err *err)
{
    nk_crc32c_fn *sum = nk_crc32c(s->ops->flags);
    uint64_t len = map->len - SUM;
    uint32_t crc = 0, want = 0;
    for (uint64_t at = 0; at < len; at += STEP) {
        if (nb_canceled(hooks))
            return nb_fail(err, NB_CANCELED, "cancelled");
        crc = sum(crc, map->at + at, (size_t)(len - at < STEP ? len - at : STEP));
        nb_report(hooks, &(nb_progress){.what = "session", .done = at, .total = map->len});
    }
    nb_cursor c = nb_cursor_make(map->at + len, SUM);
    if (!nb_read_u32(&c, &want) || crc != want)
        return nb_fail(err, NB_FORMAT, "%s: damaged: its bytes do not have their sum", name);
    return NB_OK;
}

/* Copies the file's rows in; the sequence is empty until all of them are. */
static nb_status take(nb_session *s, const nb_session_head *h, const nb_map *map, const char *name,
                      nb_err *err)
{
    nb_seq *q = &s->seq[s->now];
    nb_cursor c = nb_cursor_make(map->at + NB_SESSION_HEAD, (size_t)map->len - NB_SESSION_HEAD);
    size_t k_size = s->n_ctx * s->k_row, v_size = s->n_ctx * s->v_row;
    uint8_t *cache = s->kv + s->now * (size_t)h->n_layer * (k_size + v_size);
    const uint8_t *k, *v;
    q->n = 0;
    q->has_logits = false;
    for (uint32_t i = 0; i < h->n; i++) {
        uint32_t id;
        if (!nb_read_u32(&c, &id) || id >= s->model->hp.n_vocab)
            return nb_fail(err, NB_FORMAT, "%s: token %u is none of the model's %u", name, i,
                           s->model->hp.n_vocab);
        q->ids[i] = (int32_t)id;
    }
    for (uint32_t layer = 0; layer < h->n_layer; layer++, cache += k_size + v_size) {
        if (!nb_read_bytes(&c, h->n * s->k_row, &k) || !nb_read_bytes(&c, h->n * s->v_row, &v))
            return nb_fail(err, NB_FORMAT, "%s: cut in layer %u", name, layer);
        memcpy(cache, k, h->n * s->k_row);
        memcpy(cache + k_size, v, h->n * s->v_row);
    }
    if (nb_map_lost(map))
        return nb_fail(err, NB_FORMAT, "%s was changed while it was read", name);
    q->n = h->n;
    return NB_OK;
}

nb_status nb_session_restore(nb_session *s, const char *path, const nb_hooks *hooks, nb_err *err)
{
    nb_session_head h;
    nb_map map;
    const char *name = nb_path_base(path);
    NB_TRY(nb_map_open(&map, path, err));
    nb_status st = nb_session_head_read(&h, map.at, (size_t)map.len, map.len, name, err);
    if (st == NB_OK)
        st = check_head(s, &h, name, err);
    if (st == NB_OK)
        st = check_sum(s, &map, name, hooks, err);
    if (st == NB_OK)
        st = take(s, &h, &map, name, err);
    nb_map_close(&map);
    return st;
}
