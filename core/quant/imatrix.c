#include "core/quant/imatrix.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/files/gguf.h"

enum { MAX_ENTRIES = 32768 }; /* two tensors each: the GGUF reader's 65,536 */

typedef struct reader {
    nb_imatrix *im;
    const char *name; /* of the file */
    nb_err *err;
} reader;

/* --- entries -----------------------------------------------------------------------------------
 */

static void free_entry(nb_imatrix_entry *e)
{
    free(e->sum2);
    free(e->importance);
    free(e->count);
}

void nb_imatrix_close(nb_imatrix **imp)
{
    nb_imatrix *im = *imp;
    if (!im)
        return;
    for (size_t i = 0; i < im->n; i++)
        free_entry(&im->entry[i]);
    for (size_t i = 0; i < im->n_datasets; i++)
        free(im->dataset[i]);
    free(im->entry);
    free(im->dataset);
    free(im->path);
    free(im);
    *imp = NULL;
}

/* A new last entry; the list is put in order at the end. */
static nb_status append(nb_imatrix *im, const char *name, size_t len, uint64_t n, uint64_t n_mat,
                        nb_imatrix_entry **out, nb_err *err)
{
    if (im->n == im->cap) {
        size_t cap = im->cap ? 2 * im->cap : 64;
        nb_imatrix_entry *more = nb_alloc(cap, sizeof *more, "importance matrix", err);
        if (!more)
            return NB_NOMEM;
        if (im->n)
            memcpy(more, im->entry, im->n * sizeof *more);
        free(im->entry);
        im->entry = more;
        im->cap = cap;
    }
    nb_imatrix_entry *e = &im->entry[im->n];
    memset(e, 0, sizeof *e);
    memcpy(e->name, name, len);
    e->n = n;
    e->n_mat = n_mat;
    e->sum2 = nb_alloc(n, sizeof *e->sum2, "importance matrix", err);
    e->count = nb_alloc(n_mat, sizeof *e->count, "importance matrix", err);
    im->n++;
    *out = e;
    return e->sum2 && e->count ? NB_OK : NB_NOMEM;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const nb_imatrix_entry *)a)->name, ((const nb_imatrix_entry *)b)->name);
}

static int name_is(const void *name, const void *e)
{
    return strcmp(name, ((const nb_imatrix_entry *)e)->name);
}

const nb_imatrix_entry *nb_imatrix_find(const nb_imatrix *im, const char *name)
{
    return im->n_ordered ? bsearch(name, im->entry, im->n_ordered, sizeof *im->entry, name_is)
                         : NULL;
}

void nb_imatrix_order(nb_imatrix *im)
{
    if (im->n)
        qsort(im->entry, im->n, sizeof *im->entry, by_name);
    im->n_ordered = im->n;
}

nb_status nb_imatrix_new(nb_imatrix **out, uint32_t chunk_size, nb_err *err)
{
    nb_imatrix *im = nb_alloc(1, sizeof *im, "importance matrix", err);
    if (!im)
        return NB_NOMEM;
    im->chunk_size = chunk_size;
    *out = im;
    return NB_OK;
}

/* One count for all becomes one each. */
static nb_status spread_count(nb_imatrix_entry *e, uint64_t n_mat, nb_err *err)
{
    int64_t *count = nb_alloc(n_mat, sizeof *count, "importance matrix", err);
    if (!count)
        return NB_NOMEM;
    for (uint64_t i = 0; i < n_mat; i++)
        count[i] = e->count[0];
    free(e->count);
    e->count = count;
    e->n_mat = n_mat;
    return NB_OK;
}

nb_status nb_imatrix_add(nb_imatrix *im, const char *name, uint64_t n, uint64_t n_mat, nb_err *err)
{
    size_t len = strlen(name);
    nb_imatrix_entry *e = nb_imatrix_at(im, name);
    if (!e && len <= NB_MAX_NAME)
        return append(im, name, len, n, n_mat, &e, err);
    if (!e || e->n != n || (e->n_mat != n_mat && e->n_mat != 1 && n_mat != 1))
        return nb_fail(
            err, NB_FORMAT,
            "imatrix entry \"%s\": %llu values in %llu matrices here, %llu in %llu there", name,
            e ? (unsigned long long)e->n : 0, e ? (unsigned long long)e->n_mat : 0,
            (unsigned long long)n, (unsigned long long)n_mat);
    return e->n_mat < n_mat ? spread_count(e, n_mat, err) : NB_OK;
}

static bool sound(float v)
{
    return isfinite(v) && v >= 0;
}

/* Bad values of one matrix take the mean of the sound ones; 1 a row when there is none. */
static void repair(nb_imatrix_entry *e, float *v, uint64_t cols, int64_t count)
{
    double sum = 0;
    uint64_t n_good = 0;
    for (uint64_t i = 0; i < cols; i++)
        if (sound(v[i]))
            sum += (double)v[i], n_good++;
    if (n_good == cols)
        return;
    float fill = n_good ? (float)(sum / (double)n_good) : (float)count;
    for (uint64_t i = 0; i < cols; i++)
        if (!sound(v[i]))
            v[i] = fill, e->n_bad++;
}

/* sum2 and count -> importance, by llama-quantize's division (tools/quantize/quantize.cpp). */
static void settle(nb_imatrix_entry *e, bool legacy)
{
    uint64_t cols = e->n / e->n_mat;
    for (uint64_t m = 0; m < e->n_mat; m++) {
        float *sum2 = e->sum2 + m * cols, *importance = e->importance + m * cols;
        float count = (float)e->count[m];
        repair(e, sum2, cols, e->count[m]);
        for (uint64_t i = 0; i < cols; i++)
            if (count > 0)
                importance[i] = sum2[i] / count;
            else
                importance[i] = legacy ? sum2[i] : 1.0f;
    }
}

nb_status nb_imatrix_settle(nb_imatrix *im, nb_err *err)
{
    im->n_bad = 0;
    for (size_t i = 0; i < im->n; i++) {
        nb_imatrix_entry *e = &im->entry[i];
        if (!e->importance)
            e->importance = nb_alloc(e->n, sizeof *e->importance, "importance matrix", err);
        if (!e->importance)
            return NB_NOMEM;
        settle(e, im->format == NB_IMATRIX_DAT);
        im->n_bad += e->n_bad;
    }
    return NB_OK;
}

static nb_status finish(reader *r)
{
    nb_imatrix *im = r->im;
    if (im->n == 0)
        return nb_fail(r->err, NB_FORMAT, "%s: no importance matrix in it", r->name);
    nb_imatrix_order(im);
    for (size_t i = 1; i < im->n; i++)
        if (strcmp(im->entry[i - 1].name, im->entry[i].name) == 0)
            return nb_fail(r->err, NB_FORMAT, "%s: entry \"%s\" stands twice", r->name,
                           im->entry[i].name);
    return nb_imatrix_settle(im, r->err);
}

nb_status nb_imatrix_add_dataset(nb_imatrix *im, const char *s, size_t n, nb_err *err)
{
    char **more = nb_alloc(im->n_datasets + 1, sizeof *more, "data set names", err);
    char *copy = more ? nb_alloc(n + 1, 1, "data set name", err) : NULL;
    if (!copy) {
        free(more);
        return NB_NOMEM;
    }
    memcpy(copy, s, n);
    if (im->n_datasets)
        memcpy(more, im->dataset, im->n_datasets * sizeof *more);
    free(im->dataset);
    im->dataset = more;
    im->dataset[im->n_datasets++] = copy;
    return NB_OK;
}

/* --- GGUF --------------------------------------------------------------------------------------
 */

/* The weight's name when the tensor's ends in suffix, else 0. */
static size_t stem(const char *name, const char *suffix)
{
    size_t n = strlen(name), tail = strlen(suffix);
    return n > tail && strcmp(name + n - tail, suffix) == 0 ? n - tail : 0;
}

typedef struct pair {
    const nb_tensor *t;
    size_t len;  /* of the weight's name */
    bool counts; /* else sums */
} pair;

static int by_weight(const void *a, const void *b)
{
    const pair *x = a, *y = b;
    size_t n = x->len < y->len ? x->len : y->len;
    int c = memcmp(x->t->name, y->t->name, n);
    if (c)
        return c;
    if (x->len != y->len)
        return x->len < y->len ? -1 : 1;
    return x->counts - y->counts;
}

static nb_status read_pair(reader *r, const nb_tensor *sums, const nb_tensor *counts, size_t len)
{
    nb_imatrix_entry *e;
    uint64_t n = nb_tensor_count(sums), n_mat = nb_tensor_count(counts);
    if (sums->type != NK_F32 || counts->type != NK_F32)
        return nb_fail(r->err, NB_FORMAT, "%s: tensor \"%s\" is %s, expected f32", r->name,
                       sums->name,
                       nk_type_get(sums->type != NK_F32 ? sums->type : counts->type)->name);
    if (n % n_mat)
        return nb_fail(r->err, NB_FORMAT, "%s: tensor \"%s\": %llu sums for %llu counts", r->name,
                       sums->name, (unsigned long long)n, (unsigned long long)n_mat);
    NB_TRY(append(r->im, sums->name, len, n, n_mat, &e, r->err));
    memcpy(e->sum2, sums->bytes, n * sizeof *e->sum2);
    for (uint64_t i = 0; i < n_mat; i++) {
        float v;
        memcpy(&v, counts->bytes + i * sizeof v, sizeof v);
        bool good = sound(v) && v < 0x1p62f;
        e->count[i] = good ? llroundf(v) : 0;
        e->n_bad += !good;
    }
    return NB_OK;
}

static nb_status read_pairs(reader *r, const nb_gguf_info *info, pair *list)
{
    size_t n = 0;
    for (size_t i = 0; i < info->n_tensors; i++) {
        const nb_tensor *t = &info->tensors[i];
        size_t sums = stem(t->name, ".in_sum2"), counts = stem(t->name, ".counts");
        if (sums || counts)
            list[n++] = (pair){.t = t, .len = sums ? sums : counts, .counts = counts != 0};
    }
    qsort(list, n, sizeof *list, by_weight);
    for (size_t i = 0; i < n; i += 2) {
        const pair *a = &list[i], *b = &list[i + 1];
        if (a->counts || i + 1 == n || !b->counts || a->len != b->len ||
            memcmp(a->t->name, b->t->name, a->len) != 0)
            return nb_fail(r->err, NB_FORMAT, "%s: tensor \"%s\" has no %s", r->name, a->t->name,
                           a->counts ? "sums (.in_sum2)" : "counts");
        NB_TRY(read_pair(r, a->t, b->t, a->len));
    }
    return NB_OK;
}

static nb_status read_keys(reader *r, const nb_kvs *kvs)
{
    static const char *const number[] = {"imatrix.chunk_count", "imatrix.chunk_size"};
    uint32_t *const to[] = {&r->im->n_chunks, &r->im->chunk_size};
    const char *type = "model", *s;
    size_t n = strlen(type);
    const nb_kv *sets = nb_kvs_find(kvs, "imatrix.datasets");
    nb_kvs_str(kvs, "general.type", &type, &n);
    if (!sets || sets->type != NB_KV_ARRAY || sets->elem != NB_KV_STRING)
        return nb_fail(r->err, NB_FORMAT,
                       "%s is no importance matrix (general.type \"%.*s\"): imatrix.datasets is "
                       "missing",
                       r->name, (int)(n < 32 ? n : 32), type);
    for (size_t i = 0; i < countof(number); i++) {
        uint64_t v;
        if (!nb_kvs_uint(kvs, number[i], &v))
            return nb_fail(r->err, NB_FORMAT, "%s: key %s is missing", r->name, number[i]);
        *to[i] = v <= UINT32_MAX ? (uint32_t)v : 0;
    }
    for (const uint8_t *at = NULL; nb_kv_next_string(sets, &at, &s, &n);)
        NB_TRY(nb_imatrix_add_dataset(r->im, s, n, r->err));
    return NB_OK;
}

static nb_status read_gguf(reader *r, const uint8_t *bytes, size_t n)
{
    nb_gguf_info info = {0};
    NB_TRY(nb_gguf_parse(&info, bytes, n, n, r->name, r->err));
    pair *list = nb_alloc(info.n_tensors + 1, sizeof *list, "importance matrix", r->err);
    nb_status st = list ? read_keys(r, info.kvs) : NB_NOMEM;
    if (st == NB_OK)
        st = read_pairs(r, &info, list);
    free(list);
    nb_gguf_free(&info);
    return st;
}

/* --- the legacy form ---------------------------------------------------------------------------
 */

static bool read_i32(nb_cursor *c, int32_t *out)
{
    uint32_t v;
    if (!nb_read_u32(c, &v))
        return false;
    memcpy(out, &v, sizeof v);
    return true;
}

/* i32 length, name, i32 calls, i32 n, f32[n] = mean x² times calls. */
static nb_status read_old_entry(reader *r, nb_cursor *c, int32_t i)
{
    int32_t len, calls, n;
    const uint8_t *name, *values;
    nb_imatrix_entry *e;
    if (!read_i32(c, &len) || len < 1 || len > NB_MAX_NAME ||
        !nb_read_bytes(c, (uint64_t)len, &name) || memchr(name, '\0', (size_t)len))
        return nb_fail(r->err, NB_FORMAT, "%s: entry %d: no name of 1..%d bytes", r->name, i,
                       NB_MAX_NAME);
    if (!read_i32(c, &calls) || !read_i32(c, &n) || n < 1)
        return nb_fail(r->err, NB_FORMAT, "%s: entry \"%.*s\": no number of values", r->name, len,
                       (const char *)name);
    if (!nb_read_bytes(c, (uint64_t)n * sizeof(float), &values))
        return nb_fail(r->err, NB_FORMAT, "%s: entry \"%.*s\": needs %d values, %zu bytes are left",
                       r->name, len, (const char *)name, n, nb_cursor_left(c));
    NB_TRY(append(r->im, (const char *)name, (size_t)len, (uint64_t)n, 1, &e, r->err));
    memcpy(e->sum2, values, (size_t)n * sizeof *e->sum2);
    e->count[0] = calls > 0 ? calls : 0;
    return NB_OK;
}

/* Chunk count and data set came later to the form and may be missing or cut. */
static nb_status read_trailer(reader *r, nb_cursor *c)
{
    int32_t chunks, len;
    const uint8_t *s;
    if (!read_i32(c, &chunks))
        return NB_OK;
    r->im->n_chunks = chunks > 0 ? (uint32_t)chunks : 0;
    if (!read_i32(c, &len) || len < 1 || !nb_read_bytes(c, (uint64_t)len, &s))
        return NB_OK;
    return nb_imatrix_add_dataset(r->im, (const char *)s, (size_t)len, r->err);
}

static nb_status read_old(reader *r, const uint8_t *bytes, size_t size)
{
    nb_cursor c = nb_cursor_make(bytes, size);
    int32_t n;
    r->im->format = NB_IMATRIX_DAT;
    if (!read_i32(&c, &n) || n < 1 || n > MAX_ENTRIES)
        return nb_fail(r->err, NB_FORMAT,
                       "%s is no importance matrix: neither GGUF nor a count of 1..%d entries",
                       r->name, MAX_ENTRIES);
    for (int32_t i = 0; i < n; i++)
        NB_TRY(read_old_entry(r, &c, i));
    return read_trailer(r, &c);
}

/* --- the file ----------------------------------------------------------------------------------
 */

nb_status nb_imatrix_parse(nb_imatrix **out, const uint8_t *bytes, size_t n, const char *name,
                           nb_err *err)
{
    reader r = {
        .im = nb_alloc(1, sizeof *r.im, "importance matrix", err), .name = name, .err = err};
    if (!r.im)
        return NB_NOMEM;
    nb_status st = NB_NOMEM;
    r.im->path = nb_strdup(name, err);
    if (r.im->path)
        st = n >= 4 && memcmp(bytes, "GGUF", 4) == 0 ? read_gguf(&r, bytes, n)
                                                     : read_old(&r, bytes, n);
    if (st == NB_OK)
        st = finish(&r);
    if (st != NB_OK)
        nb_imatrix_close(&r.im);
    else
        *out = r.im;
    return st;
}

nb_status nb_imatrix_open(nb_imatrix **out, const char *path, nb_err *err)
{
    nb_map map;
    nb_imatrix *im = NULL;
    NB_TRY(nb_map_open(&map, path, err));
    nb_status st = nb_imatrix_parse(&im, map.at, (size_t)map.len, path, err);
    if (st == NB_OK && nb_map_lost(&map)) {
        nb_imatrix_close(&im);
        st = nb_fail(err, NB_IO, "%s changed while it was read", path);
    }
    nb_map_close(&map);
    if (st == NB_OK)
        *out = im;
    return st;
}

void nb_imatrix_keep(nb_imatrix *im, const char *const *words, size_t n, bool include)
{
    size_t kept = 0;
    for (size_t i = 0; n && i < im->n; i++) {
        bool hit = false;
        for (size_t k = 0; k < n && !hit; k++)
            hit = strstr(im->entry[i].name, words[k]) != NULL;
        if (hit == include)
            im->entry[kept++] = im->entry[i];
        else
            free_entry(&im->entry[i]);
    }
    if (n)
        im->n = im->n_ordered = kept;
}
