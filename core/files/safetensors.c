#include "core/files/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/json.h"
#include "core/files/index.h"

enum {
    MAX_HEADER = 100 << 20,
    MAX_TENSORS = 1 << 20,
    MAX_STORED_NAME = 1024,
    MAX_INDEX = 256 << 20,
};
#define MAX_ELEMENTS (1ull << 40)

/* Stored dtype -> element type, or an integer type as wide where ggml has none. */
static const struct {
    const char *name;
    nk_type_id type;
    nb_dtype dtype;
} dtypes[] = {{"F64", NK_F64, NB_DTYPE_GGML},       {"F32", NK_F32, NB_DTYPE_GGML},
              {"F16", NK_F16, NB_DTYPE_GGML},       {"BF16", NK_BF16, NB_DTYPE_GGML},
              {"I64", NK_I64, NB_DTYPE_GGML},       {"I32", NK_I32, NB_DTYPE_GGML},
              {"I16", NK_I16, NB_DTYPE_GGML},       {"I8", NK_I8, NB_DTYPE_GGML},
              {"U8", NK_I8, NB_DTYPE_U8},           {"F8_E4M3", NK_I8, NB_DTYPE_F8_E4M3},
              {"F8_E5M2", NK_I8, NB_DTYPE_F8_E5M2}, {"F8_E8M0", NK_I8, NB_DTYPE_OTHER},
              {"BOOL", NK_I8, NB_DTYPE_OTHER},      {"U16", NK_I16, NB_DTYPE_OTHER},
              {"U32", NK_I32, NB_DTYPE_OTHER},      {"U64", NK_I64, NB_DTYPE_OTHER}};

typedef struct parse {
    nb_jpull json;
    const char *name; /* of the file */
    uint64_t file_len, data_len;
    nb_tensor *tensors;
    size_t n, cap;
    nb_str names;    /* NUL-terminated names, one after another */
    size_t *name_at; /* [cap] offset into names */
    nb_index index;
    bool packed; /* dtypes without a ggml type are taken */
    nb_err *err;
} parse;

static nb_status bad(const parse *p, const char *tensor, const char *what)
{
    return nb_fail(p->err, NB_FORMAT, "%s: tensor \"%.80s\": %s", p->name, tensor, what);
}

static nb_status read_u64s(parse *p, const char *tensor, const char *what, uint64_t *out,
                           size_t max, size_t *n)
{
    if (nb_jpull_next(&p->json) != NB_JT_ARRAY)
        return bad(p, tensor, what);
    *n = 0;
    for (;;) {
        nb_jtoken t = nb_jpull_next(&p->json);
        if (t == NB_JT_ARRAY_END)
            return NB_OK;
        if (t == NB_JT_ERROR)
            return NB_FORMAT;
        if (t != NB_JT_NUMBER || *n == max || !nb_jpull_u64(&p->json, &out[*n]))
            return bad(p, tensor, what);
        (*n)++;
    }
}

typedef struct fields {
    bool dtype, shape, offsets;
    char dtype_name[16];
    uint64_t dim[8];
    size_t n_dim;
    uint64_t span[2];
} fields;

static nb_status read_field(parse *p, const char *tensor, fields *f)
{
    const char *key = nb_str_c(&p->json.text);
    if (strcmp(key, "dtype") == 0 && !f->dtype) {
        f->dtype = true;
        if (nb_jpull_next(&p->json) != NB_JT_STRING || p->json.text.len >= sizeof f->dtype_name)
            return bad(p, tensor, "dtype is no known name");
        memcpy(f->dtype_name, nb_str_c(&p->json.text), p->json.text.len + 1);
        return NB_OK;
    }
    if (strcmp(key, "shape") == 0 && !f->shape) {
        f->shape = true;
        return read_u64s(p, tensor, "shape is no list of whole numbers", f->dim, 8, &f->n_dim);
    }
    if (strcmp(key, "data_offsets") == 0 && !f->offsets) {
        size_t n;
        f->offsets = true;
        NB_TRY(read_u64s(p, tensor, "data_offsets are no two whole numbers", f->span, 2, &n));
        return n == 2 ? NB_OK : bad(p, tensor, "data_offsets are no two whole numbers");
    }
    return bad(p, tensor, "has an unknown or repeated field");
}

static nb_status read_fields(parse *p, const char *tensor, fields *f)
{
    if (nb_jpull_next(&p->json) != NB_JT_OBJECT)
        return bad(p, tensor, "is no object");
    for (;;) {
        nb_jtoken t = nb_jpull_next(&p->json);
        if (t == NB_JT_OBJECT_END)
            break;
        if (t != NB_JT_KEY)
            return t == NB_JT_ERROR ? NB_FORMAT : bad(p, tensor, "is no object");
        NB_TRY(read_field(p, tensor, f));
    }
    if (!f->dtype || !f->shape || !f->offsets)
        return bad(p, tensor, "lacks dtype, shape or data_offsets");
    return NB_OK;
}

static nb_status find_type(const parse *p, const char *tensor, const char *dtype, nb_tensor *out)
{
    for (size_t i = 0; i < countof(dtypes); i++) {
        if (strcmp(dtypes[i].name, dtype) != 0)
            continue;
        if (dtypes[i].dtype != NB_DTYPE_GGML && !p->packed)
            return nb_fail(p->err, NB_UNSUPPORTED,
                           "%s: tensor \"%.80s\": dtype %s is not supported", p->name, tensor,
                           dtype);
        out->type = dtypes[i].type;
        out->dtype = dtypes[i].dtype;
        return NB_OK;
    }
    return bad(p, tensor, "dtype is no known name");
}

/* Shape reversed to ne order; leading dimensions of one fold away when there are more than four. */
static nb_status set_shape(const parse *p, const char *tensor, const fields *f, nb_tensor *t)
{
    uint64_t count = 1;
    size_t n = f->n_dim;
    while (n > NB_MAX_DIMS && f->dim[f->n_dim - n] == 1)
        n--;
    if (n > NB_MAX_DIMS)
        return bad(p, tensor, "has more than 4 dimensions");
    t->n_dims = n ? (uint32_t)n : 1;
    for (size_t d = 0; d < NB_MAX_DIMS; d++) {
        t->shape[d] = d < n ? f->dim[f->n_dim - 1 - d] : 1;
        if (t->shape[d] == 0 || !nb_mul(count, t->shape[d], &count) || count > MAX_ELEMENTS)
            return bad(p, tensor, "a dimension is 0 or the product is over 2^40");
    }
    uint64_t row;
    if (!nk_row_size(nk_type_get(t->type), t->shape[0], &row) ||
        !nb_mul(row, nb_tensor_rows(t), &t->nbytes))
        return bad(p, tensor, "its size overflows");
    return NB_OK;
}

static nb_status set_span(const parse *p, const char *tensor, const fields *f, nb_tensor *t)
{
    if (f->span[0] > f->span[1] || f->span[1] - f->span[0] != t->nbytes)
        return nb_fail(
            p->err, NB_FORMAT,
            "%s: tensor \"%.80s\": data_offsets %llu..%llu, dtype and shape need %llu bytes",
            p->name, tensor, (unsigned long long)f->span[0], (unsigned long long)f->span[1],
            (unsigned long long)t->nbytes);
    if (f->span[1] > p->data_len) {
        uint64_t at;
        if (!nb_add(p->file_len - p->data_len, f->span[0], &at))
            at = UINT64_MAX;
        return nb_fail(p->err, NB_FORMAT,
                       "%s: tensor \"%.80s\": needs %llu bytes at %llu, file has %llu", p->name,
                       tensor, (unsigned long long)t->nbytes, (unsigned long long)at,
                       (unsigned long long)p->file_len);
    }
    t->offset = f->span[0];
    return NB_OK;
}

typedef struct twin {
    const parse *p;
    const char *name;
} twin;

static bool same_name(const void *arg, size_t item)
{
    const twin *t = arg;
    return strcmp(t->p->names.at + t->p->name_at[item], t->name) == 0;
}

static nb_status grow(parse *p)
{
    if (p->n < p->cap)
        return NB_OK;
    size_t cap = p->cap ? p->cap * 2 : 64;
    if (p->n >= MAX_TENSORS)
        return nb_fail(p->err, NB_FORMAT, "%s: more than %d tensors", p->name, MAX_TENSORS);
    nb_tensor *t = realloc(p->tensors, cap * sizeof *t);
    if (t)
        p->tensors = t;
    size_t *at = t ? realloc(p->name_at, cap * sizeof *at) : NULL;
    if (!at)
        return nb_fail(p->err, NB_NOMEM, "%s: tensor list of %zu", p->name, cap);
    p->name_at = at;
    p->cap = cap;
    return NB_OK;
}

/* The key just read names a tensor. */
static nb_status read_tensor(parse *p)
{
    char name[MAX_STORED_NAME];
    size_t len = p->json.text.len;
    fields f = {0};
    if (len == 0 || len >= sizeof name)
        return nb_fail(p->err, NB_FORMAT, "%s: tensor name of %zu bytes, limit %d", p->name, len,
                       MAX_STORED_NAME - 1);
    memcpy(name, nb_str_c(&p->json.text), len + 1);
    twin t = {p, name};
    if (nb_index_find(&p->index, name, len, same_name, &t) != SIZE_MAX)
        return bad(p, name, "stands twice");
    NB_TRY(read_fields(p, name, &f));
    NB_TRY(grow(p));
    nb_tensor *out = &p->tensors[p->n];
    *out = (nb_tensor){0};
    NB_TRY(find_type(p, name, f.dtype_name, out));
    NB_TRY(set_shape(p, name, &f, out));
    NB_TRY(set_span(p, name, &f, out));
    p->name_at[p->n] = p->names.len;
    nb_str_addn(&p->names, name, len + 1);
    if (p->names.failed)
        return nb_fail(p->err, NB_NOMEM, "%s: tensor names", p->name);
    return nb_index_add(&p->index, name, len, p->n++, p->err);
}

static nb_status read_header(parse *p)
{
    if (nb_jpull_next(&p->json) != NB_JT_OBJECT)
        return nb_fail(p->err, NB_FORMAT, "%s: header is no JSON object", p->name);
    bool metadata = false;
    for (;;) {
        nb_jtoken t = nb_jpull_next(&p->json);
        if (t == NB_JT_OBJECT_END)
            break;
        if (t != NB_JT_KEY)
            return t == NB_JT_ERROR
                       ? NB_FORMAT
                       : nb_fail(p->err, NB_FORMAT, "%s: header is no object", p->name);
        if (strcmp(nb_str_c(&p->json.text), "__metadata__") != 0) {
            NB_TRY(read_tensor(p));
            continue;
        }
        if (metadata)
            return nb_fail(p->err, NB_FORMAT, "%s: __metadata__ stands twice", p->name);
        metadata = true;
        if (!nb_jpull_skip(&p->json))
            return NB_FORMAT;
    }
    nb_jtoken last = nb_jpull_next(&p->json);
    if (last == NB_JT_END)
        return NB_OK;
    return last == NB_JT_ERROR ? NB_FORMAT
                               : nb_fail(p->err, NB_FORMAT, "%s: text after the header", p->name);
}

static int by_offset(const void *a, const void *b)
{
    const nb_tensor *x = a, *y = b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return x->nbytes < y->nbytes ? -1 : x->nbytes > y->nbytes;
}

/* Data must be covered exactly: no holes, no overlap, nothing behind. */
static nb_status check_cover(const parse *p, const nb_tensor *t, size_t n)
{
    uint64_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (t[i].offset != at)
            return nb_fail(p->err, NB_FORMAT,
                           "%s: tensor \"%.80s\": begins at %llu, expected %llu: %s", p->name,
                           t[i].name, (unsigned long long)t[i].offset, (unsigned long long)at,
                           t[i].offset < at ? "overlap" : "hole");
        at += t[i].nbytes;
    }
    if (at != p->data_len)
        return nb_fail(p->err, NB_FORMAT, "%s: tensors end at %llu, file has %llu bytes of data",
                       p->name, (unsigned long long)at, (unsigned long long)p->data_len);
    return NB_OK;
}

static nb_status header_length(const uint8_t *bytes, uint64_t n, uint64_t file_len,
                               const char *name, uint64_t *len, nb_err *err)
{
    nb_cursor c = nb_cursor_make(bytes, (size_t)n);
    if (!nb_read_u64(&c, len))
        return nb_fail(err, NB_FORMAT, "%s: needs 8 bytes, has %llu", name, (unsigned long long)n);
    if (*len > MAX_HEADER)
        return nb_fail(err, NB_FORMAT, "%s: header of %llu bytes, limit %d", name,
                       (unsigned long long)*len, MAX_HEADER);
    if (*len + 8 > file_len)
        return nb_fail(err, NB_FORMAT, "%s: header needs %llu bytes, file has %llu", name,
                       (unsigned long long)*len + 8, (unsigned long long)file_len);
    if (*len + 8 > n)
        return nb_fail(err, NB_MORE, "%s: header needs more than %llu bytes", name,
                       (unsigned long long)n);
    if (*len < 2 || bytes[8] != '{')
        return nb_fail(err, NB_FORMAT, "%s: header does not begin with {", name);
    return NB_OK;
}

static nb_status parse_file(nb_safetensors_info *out, const uint8_t *bytes, uint64_t n,
                            uint64_t file_len, const char *name, bool packed, nb_err *err)
{
    uint64_t header;
    NB_TRY(header_length(bytes, n, file_len, name, &header, err));
    parse p = {.name = name,
               .file_len = file_len,
               .data_len = file_len - 8 - header,
               .packed = packed,
               .err = err};
    nb_jpull_open(&p.json, (const char *)bytes + 8, (size_t)header, name, err);
    nb_status st = read_header(&p);
    for (size_t i = 0; st == NB_OK && i < p.n; i++)
        p.tensors[i].name = p.names.at + p.name_at[i];
    if (st == NB_OK && p.n)
        qsort(p.tensors, p.n, sizeof *p.tensors, by_offset);
    if (st == NB_OK)
        st = check_cover(&p, p.tensors, p.n);
    for (size_t i = 0; st == NB_OK && i < p.n; i++) {
        nb_tensor *t = &p.tensors[i];
        t->offset += 8 + header;
        t->bytes = t->offset + t->nbytes <= n ? bytes + t->offset : NULL;
    }
    st = nb_jpull_end(&p.json, st);
    nb_index_free(&p.index);
    free(p.name_at);
    if (st != NB_OK) {
        free(p.tensors);
        nb_str_free(&p.names);
        return st;
    }
    *out = (nb_safetensors_info){.n_tensors = p.n, .tensors = p.tensors, .names = p.names.at};
    return NB_OK;
}

nb_status nb_safetensors_parse(nb_safetensors_info *out, const uint8_t *bytes, uint64_t n,
                               uint64_t file_len, const char *name, nb_err *err)
{
    return parse_file(out, bytes, n, file_len, name, false, err);
}

nb_status nb_safetensors_parse_packed(nb_safetensors_info *out, const uint8_t *bytes, uint64_t n,
                                      uint64_t file_len, const char *name, nb_err *err)
{
    return parse_file(out, bytes, n, file_len, name, true, err);
}

void nb_safetensors_free(nb_safetensors_info *info)
{
    free(info->tensors);
    free(info->names);
    *info = (nb_safetensors_info){0};
}

/* --- shard index --------------------------------------------------------------------------------
 */

static bool safe_component(const char *s)
{
    if (!*s || strlen(s) > 255 || strcmp(s, ".") == 0 || strcmp(s, "..") == 0)
        return false;
    for (; *s; s++)
        if (*s == '/' || *s == '\\' || (unsigned char)*s < 0x20 || *s == 0x7f)
            return false;
    return true;
}

static nb_status read_map(nb_jpull *j, const char *path, nb_index_fn *fn, void *arg, nb_err *err)
{
    char tensor[MAX_STORED_NAME];
    if (nb_jpull_next(j) != NB_JT_OBJECT)
        return nb_fail(err, NB_FORMAT, "%s: weight_map is no object", path);
    for (size_t n = 0;; n++) {
        nb_jtoken t = nb_jpull_next(j);
        if (t == NB_JT_OBJECT_END)
            return NB_OK;
        if (t != NB_JT_KEY)
            return t == NB_JT_ERROR ? NB_FORMAT : nb_fail(err, NB_FORMAT, "%s: weight_map", path);
        if (n >= MAX_TENSORS || j->text.len >= sizeof tensor)
            return nb_fail(err, NB_FORMAT, "%s: weight_map has too many or too long names", path);
        memcpy(tensor, nb_str_c(&j->text), j->text.len + 1);
        if (nb_jpull_next(j) != NB_JT_STRING || !safe_component(nb_str_c(&j->text)))
            return nb_fail(err, NB_FORMAT, "%s: weight_map: tensor \"%.80s\": no plain file name",
                           path, tensor);
        NB_TRY(fn(arg, tensor, nb_str_c(&j->text), err));
    }
}

static nb_status read_index(nb_jpull *j, const char *path, nb_index_fn *fn, void *arg, nb_err *err)
{
    bool seen = false;
    if (nb_jpull_next(j) != NB_JT_OBJECT)
        return nb_fail(err, NB_FORMAT, "%s: no JSON object", path);
    for (;;) {
        nb_jtoken t = nb_jpull_next(j);
        if (t == NB_JT_OBJECT_END)
            break;
        if (t != NB_JT_KEY)
            return t == NB_JT_ERROR ? NB_FORMAT : nb_fail(err, NB_FORMAT, "%s: no object", path);
        if (strcmp(nb_str_c(&j->text), "weight_map") != 0) {
            if (!nb_jpull_skip(j))
                return NB_FORMAT;
        } else if (seen) {
            return nb_fail(err, NB_FORMAT, "%s: weight_map stands twice", path);
        } else {
            seen = true;
            NB_TRY(read_map(j, path, fn, arg, err));
        }
    }
    if (!seen)
        return nb_fail(err, NB_FORMAT, "%s: no weight_map", path);
    return nb_jpull_next(j) == NB_JT_END ? NB_OK : nb_fail(err, NB_FORMAT, "%s: text behind", path);
}

nb_status nb_safetensors_index(const char *path, nb_index_fn *fn, void *arg, nb_err *err)
{
    char *text;
    size_t n;
    nb_jpull j;
    NB_TRY(nb_file_read(&text, &n, path, MAX_INDEX, err));
    nb_jpull_open(&j, text, n, path, err);
    nb_status st = read_index(&j, path, fn, arg, err);
    st = nb_jpull_end(&j, st);
    free(text);
    return st;
}
