#include "core/files/gguf.h"

#include <stdlib.h>
#include <string.h>

#include "core/files/index.h"

/* Limits of reliability.md 4. */
enum {
    MAX_KEYS = 65536,
    MAX_TENSORS = 65536,
    MAX_KEY = 65535,
    MIN_ALIGN = 8,
    MAX_ALIGN = 65536,
    MAX_STRING = 16 << 20,
    MAX_ARRAY = 64 << 20,
    MAX_HEADER = 512 << 20,
    DEFAULT_ALIGN = 32,
};
#define MAX_ELEMENTS (1ull << 40)

typedef struct reader {
    nb_cursor c;
    const char *name; /* of the file */
    uint64_t file_len;
    bool partial; /* the bytes are a prefix of the file */
    nb_gguf_info *info;
    nb_err *err;
} reader;

/* A read ran into the end: of the file (it is cut short), or of the prefix that was brought. */
static nb_status short_of(const reader *r, uint64_t need, const char *what)
{
    uint64_t pos = nb_cursor_pos(&r->c), end;
    if (!nb_add(pos, need, &end))
        end = UINT64_MAX;
    if (r->partial && end <= r->file_len)
        return nb_fail(r->err, NB_MORE, "%s: header needs more than %zu bytes (%s)", r->name,
                       (size_t)(r->c.end - r->c.start), what);
    return nb_fail(r->err, NB_FORMAT, "%s: %s needs %llu bytes at %llu, file has %llu", r->name,
                   what, (unsigned long long)need, (unsigned long long)pos,
                   (unsigned long long)r->file_len);
}

static nb_status read_string(reader *r, const char *what, uint64_t max, const char **s, uint64_t *n)
{
    uint64_t len;
    const uint8_t *bytes;
    if (!nb_read_u64(&r->c, &len))
        return short_of(r, 8, what);
    if (len > max)
        return nb_fail(r->err, NB_FORMAT, "%s: %s of %llu bytes, limit %llu", r->name, what,
                       (unsigned long long)len, (unsigned long long)max);
    if (!nb_read_bytes(&r->c, len, &bytes))
        return short_of(r, len, what);
    *s = (const char *)bytes;
    *n = len;
    return NB_OK;
}

/* --- keys --------------------------------------------------------------------------------------
 */

/* Token and merge lists are most of a header, and a listing reads many headers: sound strings are
 * stepped over in this loop, read_string tells what is wrong with the others. */
static nb_status skip_strings(reader *r, const char *key, uint64_t n)
{
    const uint8_t *at = r->c.at;
    uint64_t len, i = 0;
    for (; i < n && r->c.end - at >= 8; i++) {
        memcpy(&len, at, sizeof len);
        if (len > MAX_STRING || len > (uint64_t)(r->c.end - at - 8))
            break;
        at += 8 + len;
    }
    r->c.at = at;
    for (; i < n; i++) {
        const char *s;
        NB_TRY(read_string(r, key, MAX_STRING, &s, &len));
    }
    return NB_OK;
}

static nb_status read_array(reader *r, nb_kv *kv)
{
    uint32_t elem;
    if (!nb_read_u32(&r->c, &elem))
        return short_of(r, 4, kv->key);
    if (!nb_read_u64(&r->c, &kv->n))
        return short_of(r, 8, kv->key);
    if (elem == NB_KV_ARRAY || elem >= NB_KV_TYPES)
        return nb_fail(r->err, NB_FORMAT, "%s: key \"%s\": array of type %u", r->name, kv->key,
                       elem);
    kv->elem = (nb_kv_type)elem;
    uint64_t least = elem == NB_KV_STRING ? 8 : nb_kv_type_size(kv->elem), bytes;
    if (kv->n > MAX_ARRAY || !nb_mul(kv->n, least, &bytes))
        return nb_fail(r->err, NB_FORMAT, "%s: key \"%s\": array of %llu elements, limit %d",
                       r->name, kv->key, (unsigned long long)kv->n, MAX_ARRAY);
    if (bytes > nb_cursor_left(&r->c))
        return short_of(r, bytes, kv->key);
    kv->v.bytes = r->c.at;
    if (elem == NB_KV_STRING) {
        NB_TRY(skip_strings(r, kv->key, kv->n));
        kv->nbytes = (uint64_t)(r->c.at - kv->v.bytes);
        return NB_OK;
    }
    kv->nbytes = bytes;
    const uint8_t *unused;
    nb_read_bytes(&r->c, bytes, &unused);
    return NB_OK;
}

static nb_status read_value(reader *r, nb_kv *kv)
{
    if (kv->type == NB_KV_STRING) {
        const char *s;
        NB_TRY(read_string(r, kv->key, MAX_STRING, &s, &kv->n));
        kv->v.bytes = (const uint8_t *)s;
        return NB_OK;
    }
    if (kv->type == NB_KV_ARRAY)
        return read_array(r, kv);
    if (!nb_kv_read_scalar(&r->c, kv->type, kv))
        return short_of(r, nb_kv_type_size(kv->type), kv->key);
    if (kv->type == NB_KV_BOOL && kv->v.u > 1)
        return nb_fail(r->err, NB_FORMAT, "%s: key \"%s\": bool holds %llu", r->name, kv->key,
                       (unsigned long long)kv->v.u);
    return NB_OK;
}

static nb_status read_key(reader *r, char *key)
{
    const char *s = NULL;
    uint64_t n = 0;
    uint32_t type;
    NB_TRY(read_string(r, "key", MAX_KEY, &s, &n));
    if (n == 0 || memchr(s, '\0', n))
        return nb_fail(r->err, NB_FORMAT, "%s: key %zu is empty or holds a NUL byte", r->name,
                       nb_kvs_count(r->info->kvs));
    memcpy(key, s, n);
    key[n] = '\0';
    if (nb_kvs_find(r->info->kvs, key))
        return nb_fail(r->err, NB_FORMAT, "%s: key \"%.80s\" stands twice", r->name, key);
    if (!nb_read_u32(&r->c, &type))
        return short_of(r, 4, "key type");
    if (type >= NB_KV_TYPES)
        return nb_fail(r->err, NB_FORMAT, "%s: key \"%.80s\": type %u is unknown", r->name, key,
                       type);
    nb_kv kv = {.key = key, .type = (nb_kv_type)type};
    NB_TRY(read_value(r, &kv));
    return nb_kvs_put(r->info->kvs, &kv, false, r->err);
}

static nb_status read_keys(reader *r, uint64_t n)
{
    char *key = nb_alloc(MAX_KEY + 1, 1, "key", r->err);
    nb_status st = key ? NB_OK : NB_NOMEM;
    for (uint64_t i = 0; i < n && st == NB_OK; i++)
        st = read_key(r, key);
    free(key);
    return st;
}

static nb_status read_alignment(reader *r)
{
    const nb_kv *kv = nb_kvs_find(r->info->kvs, "general.alignment");
    r->info->alignment = DEFAULT_ALIGN;
    if (!kv)
        return NB_OK;
    uint64_t a = kv->v.u;
    if (kv->type != NB_KV_U32)
        return nb_fail(r->err, NB_FORMAT, "%s: general.alignment is %s, expected u32", r->name,
                       nb_kv_type_name(kv->type));
    if (a < MIN_ALIGN || a > MAX_ALIGN || (a & (a - 1)))
        return nb_fail(r->err, NB_FORMAT,
                       "%s: general.alignment %llu, expected a power of two %d..%d", r->name,
                       (unsigned long long)a, MIN_ALIGN, MAX_ALIGN);
    r->info->alignment = (uint32_t)a;
    return NB_OK;
}

/* --- tensors -----------------------------------------------------------------------------------
 */

static nb_status read_shape(reader *r, nb_tensor *t)
{
    uint64_t count = 1;
    if (!nb_read_u32(&r->c, &t->n_dims))
        return short_of(r, 4, t->name);
    if (t->n_dims < 1 || t->n_dims > NB_MAX_DIMS)
        return nb_fail(r->err, NB_FORMAT, "%s: tensor \"%s\": %u dimensions, expected 1..4",
                       r->name, t->name, t->n_dims);
    for (uint32_t d = 0; d < NB_MAX_DIMS; d++) {
        t->shape[d] = 1;
        if (d >= t->n_dims)
            continue;
        if (!nb_read_u64(&r->c, &t->shape[d]))
            return short_of(r, 8, t->name);
        if (t->shape[d] < 1 || !nb_mul(count, t->shape[d], &count) || count > MAX_ELEMENTS)
            return nb_fail(r->err, NB_FORMAT,
                           "%s: tensor \"%s\": dimension %u is %llu, product limit 2^40", r->name,
                           t->name, d, (unsigned long long)t->shape[d]);
    }
    return NB_OK;
}

static nb_status read_type(reader *r, nb_tensor *t)
{
    uint32_t id;
    uint64_t row;
    if (!nb_read_u32(&r->c, &id))
        return short_of(r, 4, t->name);
    const nk_type *type = nk_type_get(id);
    if (!type || type->activation_only)
        return nb_fail(r->err, NB_UNSUPPORTED, "%s: tensor \"%s\": type id %u is unknown", r->name,
                       t->name, id);
    t->type = type->id;
    if (!nk_row_size(type, t->shape[0], &row))
        return nb_fail(r->err, NB_FORMAT,
                       "%s: tensor \"%s\": width %llu is no multiple of %u, the block of %s",
                       r->name, t->name, (unsigned long long)t->shape[0], type->block_len,
                       type->name);
    if (!nb_mul(row, nb_tensor_rows(t), &t->nbytes))
        return nb_fail(r->err, NB_FORMAT, "%s: tensor \"%s\": size overflows", r->name, t->name);
    return NB_OK;
}

static nb_status read_tensor(reader *r, nb_tensor *t, char *name)
{
    const char *s = NULL;
    uint64_t n = 0;
    NB_TRY(read_string(r, "tensor name", NB_MAX_NAME, &s, &n));
    if (n == 0 || memchr(s, '\0', n))
        return nb_fail(r->err, NB_FORMAT, "%s: tensor %zu has an empty name or a NUL byte in it",
                       r->name, (size_t)(t - r->info->tensors));
    memcpy(name, s, n);
    name[n] = '\0';
    t->name = name;
    NB_TRY(read_shape(r, t));
    NB_TRY(read_type(r, t));
    if (!nb_read_u64(&r->c, &t->offset))
        return short_of(r, 8, t->name);
    return NB_OK;
}

typedef struct name_lookup {
    const nb_tensor *tensors;
    const char *name;
} name_lookup;

static bool same_name(const void *arg, size_t item)
{
    const name_lookup *l = arg;
    return strcmp(l->tensors[item].name, l->name) == 0;
}

static nb_status refuse_twins(const reader *r)
{
    nb_index index = {0};
    nb_status st = NB_OK;
    for (size_t i = 0; i < r->info->n_tensors && st == NB_OK; i++) {
        name_lookup l = {r->info->tensors, r->info->tensors[i].name};
        size_t len = strlen(l.name);
        if (nb_index_find(&index, l.name, len, same_name, &l) != SIZE_MAX)
            st = nb_fail(r->err, NB_FORMAT, "%s: tensor \"%s\" stands twice", r->name, l.name);
        else
            st = nb_index_add(&index, l.name, len, i, r->err);
    }
    nb_index_free(&index);
    return st;
}

/* Offsets must be exactly the running padded sum: no holes, no overlap, no reordering. */
static nb_status place_tensors(reader *r)
{
    nb_gguf_info *info = r->info;
    uint64_t sum = 0;
    for (size_t i = 0; i < info->n_tensors; i++) {
        nb_tensor *t = &info->tensors[i];
        uint64_t at, end;
        if (t->offset != sum)
            return nb_fail(r->err, NB_FORMAT, "%s: tensor \"%s\": offset %llu, expected %llu",
                           r->name, t->name, (unsigned long long)t->offset,
                           (unsigned long long)sum);
        if (!nb_add(info->data_offset, sum, &at) || !nb_add(at, t->nbytes, &end) ||
            end > r->file_len)
            return nb_fail(
                r->err, NB_FORMAT, "%s: tensor \"%s\": needs %llu bytes at %llu, file has %llu",
                r->name, t->name, (unsigned long long)t->nbytes,
                (unsigned long long)info->data_offset + sum, (unsigned long long)r->file_len);
        t->offset = at;
        t->bytes = end <= (uint64_t)(r->c.end - r->c.start) ? r->c.start + at : NULL;
        if (!nb_add(sum, t->nbytes, &sum) || !nb_align_up(sum, info->alignment, &sum))
            return nb_fail(r->err, NB_FORMAT, "%s: tensor \"%s\": sizes overflow", r->name,
                           t->name);
    }
    return NB_OK;
}

static nb_status read_tensors(reader *r, uint64_t n)
{
    nb_gguf_info *info = r->info;
    enum { INFO_LEAST = 8 + 1 + 4 + 8 + 4 + 8 }; /* name of one byte, one dimension */
    if (n > nb_cursor_left(&r->c) / INFO_LEAST)
        return short_of(r, n * INFO_LEAST, "tensor list");
    if (n) {
        info->tensors = nb_alloc(n, sizeof *info->tensors, "tensor list", r->err);
        info->names = nb_alloc(n, NB_MAX_NAME + 1, "tensor names", r->err);
        if (!info->tensors || !info->names)
            return NB_NOMEM;
    }
    for (uint64_t i = 0; i < n; i++) {
        info->n_tensors = (size_t)i;
        NB_TRY(read_tensor(r, &info->tensors[i], info->names + i * (NB_MAX_NAME + 1)));
    }
    info->n_tensors = (size_t)n;
    NB_TRY(refuse_twins(r));
    if (!nb_align_up(nb_cursor_pos(&r->c), info->alignment, &info->data_offset))
        return nb_fail(r->err, NB_FORMAT, "%s: header size overflows", r->name);
    if (n && info->data_offset > MAX_HEADER)
        return nb_fail(r->err, NB_FORMAT, "%s: header of %llu bytes, limit %d", r->name,
                       (unsigned long long)info->data_offset, MAX_HEADER);
    return place_tensors(r);
}

/* --- the file ----------------------------------------------------------------------------------
 */

static nb_status read_magic(reader *r)
{
    const uint8_t *m;
    nb_gguf_info *info = r->info;
    if (!nb_read_bytes(&r->c, 4, &m))
        return short_of(r, 4, "magic");
    if (memcmp(m, "GGUF", 4) != 0)
        return nb_fail(r->err, NB_FORMAT, "%s: no GGUF file: it begins with %02x %02x %02x %02x",
                       r->name, m[0], m[1], m[2], m[3]);
    if (!nb_read_u32(&r->c, &info->version))
        return short_of(r, 4, "version");
    if ((info->version & 0xffff) == 0 && info->version)
        return nb_fail(r->err, NB_UNSUPPORTED, "%s: GGUF version %08x: written big-endian", r->name,
                       info->version);
    if (info->version != 2 && info->version != 3)
        return nb_fail(r->err, NB_UNSUPPORTED, "%s: GGUF version %u, expected 2 or 3", r->name,
                       info->version);
    return NB_OK;
}

static nb_status read_header(reader *r)
{
    uint64_t n_tensors, n_keys;
    NB_TRY(read_magic(r));
    if (!nb_read_u64(&r->c, &n_tensors) || !nb_read_u64(&r->c, &n_keys))
        return short_of(r, 16, "counts");
    if (n_tensors > MAX_TENSORS)
        return nb_fail(r->err, NB_FORMAT, "%s: %llu tensors, limit %d", r->name,
                       (unsigned long long)n_tensors, MAX_TENSORS);
    if (n_keys > MAX_KEYS)
        return nb_fail(r->err, NB_FORMAT, "%s: %llu keys, limit %d", r->name,
                       (unsigned long long)n_keys, MAX_KEYS);
    NB_TRY(nb_kvs_open(&r->info->kvs, r->err));
    NB_TRY(read_keys(r, n_keys));
    NB_TRY(read_alignment(r));
    return read_tensors(r, n_tensors);
}

nb_status nb_gguf_parse(nb_gguf_info *out, const uint8_t *bytes, uint64_t n, uint64_t file_len,
                        const char *name, nb_err *err)
{
    nb_gguf_info info = {0};
    reader r = {.c = nb_cursor_make(bytes, (size_t)n),
                .name = name,
                .file_len = file_len,
                .partial = n < file_len,
                .info = &info,
                .err = err};
    nb_status st = read_header(&r);
    if (st != NB_OK) {
        nb_gguf_free(&info);
        return st;
    }
    *out = info;
    return NB_OK;
}

void nb_gguf_free(nb_gguf_info *info)
{
    nb_kvs_close(&info->kvs);
    free(info->tensors);
    free(info->names);
    *info = (nb_gguf_info){0};
}

/* --- split files ------------------------------------------------------------------------------ */

static bool digits5(const char *s, uint32_t *out)
{
    uint32_t v = 0;
    for (int i = 0; i < 5; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        v = v * 10 + (uint32_t)(s[i] - '0');
    }
    *out = v;
    return true;
}

bool nb_gguf_split_name(const char *path, size_t *prefix, uint32_t *no, uint32_t *count)
{
    enum { TAIL = 20 }; /* -00001-of-00005.gguf */
    size_t n = strlen(path);
    if (n <= TAIL || !nb_same_word(path + n - 5, ".gguf"))
        return false;
    const char *tail = path + n - TAIL;
    uint32_t a, b;
    if (tail[0] != '-' || !digits5(tail + 1, &a) || strncmp(tail + 6, "-of-", 4) != 0 ||
        !digits5(tail + 10, &b) || a < 1 || a > b)
        return false;
    *prefix = n - TAIL;
    *no = a;
    *count = b;
    return true;
}
