/* Importance matrices merged and written, in the bytes that llama-imatrix writes
 * (tools/imatrix/imatrix.cpp @ de3ff81). */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/files/gguf.h"
#include "core/quant/imatrix.h"

enum { ALIGNMENT = 32 };

/* --- merging -----------------------------------------------------------------------------------
 */

static int64_t highest(const nb_imatrix_entry *e)
{
    int64_t most = 0;
    for (uint64_t i = 0; i < e->n_mat; i++)
        most = e->count[i] > most ? e->count[i] : most;
    return most;
}

void nb_imatrix_count_chunks(nb_imatrix *im)
{
    int64_t most = 0;
    for (size_t i = 0; i < im->n; i++) {
        int64_t count = highest(&im->entry[i]);
        most = count > most ? count : most;
    }
    most /= im->chunk_size ? im->chunk_size : 1;
    im->n_chunks = most < INT32_MAX ? (uint32_t)most : INT32_MAX;
}

/* Sums of two files can pass what an int64 holds only when both lie. */
static int64_t add_counts(int64_t a, int64_t b)
{
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

static void add_entry(nb_imatrix_entry *to, const nb_imatrix_entry *e, uint32_t unit)
{
    for (uint64_t i = 0; i < e->n; i++)
        to->sum2[i] += unit == 1 ? e->sum2[i] : e->sum2[i] * (float)unit;
    for (uint64_t i = 0; i < to->n_mat; i++) {
        int64_t count = e->count[e->n_mat == 1 ? 0 : i];
        count = count > INT64_MAX / unit ? INT64_MAX : count * unit;
        to->count[i] = add_counts(to->count[i], count);
    }
}

nb_status nb_imatrix_merge(nb_imatrix *into, const nb_imatrix *from, nb_err *err)
{
    uint32_t unit = from->format == NB_IMATRIX_DAT ? into->chunk_size : 1;
    for (size_t i = 0; i < from->n; i++)
        NB_TRY(
            nb_imatrix_add(into, from->entry[i].name, from->entry[i].n, from->entry[i].n_mat, err));
    nb_imatrix_order(into);
    for (size_t i = 0; i < from->n; i++) {
        const nb_imatrix_entry *e = &from->entry[i];
        add_entry(nb_imatrix_at(into, e->name), e, unit);
    }
    for (size_t i = 0; i < from->n_datasets; i++)
        NB_TRY(nb_imatrix_add_dataset(into, from->dataset[i], strlen(from->dataset[i]), err));
    nb_imatrix_count_chunks(into);
    return NB_OK;
}

/* --- writing -----------------------------------------------------------------------------------
 */

/* What is written of an entry, or why nothing may be. */
static nb_status check_entry(const nb_imatrix_entry *e, nb_err *err)
{
    for (uint64_t i = 0; i < e->n; i++)
        if (!isfinite(e->sum2[i]))
            return nb_fail(err, NB_FORMAT,
                           "weight \"%s\": the sum of column %llu is not finite: the model's "
                           "activations hold NaN or Inf",
                           e->name, (unsigned long long)(i % (e->n / e->n_mat)));
    return NB_OK;
}

static void add_u32(nb_str *s, uint32_t v)
{
    uint8_t bytes[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};
    nb_str_addn(s, bytes, sizeof bytes);
}

static void add_f32(nb_str *s, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    add_u32(s, bits);
}

static void pad_to(nb_str *s, uint64_t len)
{
    static const char zeros[ALIGNMENT];
    while (s->len < len && !s->failed)
        nb_str_addn(s, zeros, len - s->len < sizeof zeros ? (size_t)(len - s->len) : sizeof zeros);
}

static nb_status gguf_keys(nb_kvs **out, const nb_imatrix *im, nb_err *err)
{
    nb_str sets = {0};
    nb_kvs *k;
    NB_TRY(nb_kvs_open(&k, err));
    for (size_t i = 0; i < im->n_datasets; i++)
        nb_kv_add_str(&sets, im->dataset[i], strlen(im->dataset[i]));
    nb_status st = nb_kvs_put_str(k, "general.type", "imatrix", 7, err);
    if (st == NB_OK)
        st = nb_kvs_put_strs(k, "imatrix.datasets", &sets, im->n_datasets, err);
    if (st == NB_OK)
        st = nb_kvs_put_u32(k, "imatrix.chunk_count", im->n_chunks, err);
    if (st == NB_OK)
        st = nb_kvs_put_u32(k, "imatrix.chunk_size", im->chunk_size, err);
    nb_str_free(&sets);
    if (st != NB_OK)
        nb_kvs_close(&k);
    else
        *out = k;
    return st;
}

typedef struct name_pair {
    char sums[NB_MAX_NAME + 16], counts[NB_MAX_NAME + 16];
} name_pair;

/* [columns, matrices] and [1, matrices]; ggml leaves a last dimension of 1 unsaid. */
static nb_status describe(nb_tensor t[2], name_pair *name, const nb_imatrix_entry *e, nb_err *err)
{
    int n = snprintf(name->sums, sizeof name->sums, "%s.in_sum2", e->name);
    if (n > NB_MAX_NAME)
        return nb_fail(err, NB_FORMAT,
                       "weight \"%s\": its name with .in_sum2 has %d bytes, limit %d", e->name, n,
                       NB_MAX_NAME);
    snprintf(name->counts, sizeof name->counts, "%s.counts", e->name);
    uint32_t dims = e->n_mat > 1 ? 2 : 1;
    t[0] = (nb_tensor){.name = name->sums,
                       .type = NK_F32,
                       .n_dims = dims,
                       .shape = {e->n / e->n_mat, e->n_mat, 1, 1}};
    t[1] = (nb_tensor){
        .name = name->counts, .type = NK_F32, .n_dims = dims, .shape = {1, e->n_mat, 1, 1}};
    return NB_OK;
}

static nb_status build_gguf(nb_str *s, const nb_imatrix *im, nb_err *err)
{
    uint64_t file_len;
    nb_kvs *keys = NULL;
    size_t n = 0;
    nb_tensor *t = nb_alloc(2 * im->n + 1, sizeof *t, "importance matrix", err);
    name_pair *names = nb_alloc(im->n + 1, sizeof *names, "importance matrix", err);
    nb_status st = t && names ? gguf_keys(&keys, im, err) : NB_NOMEM;
    for (size_t i = 0; i < im->n && st == NB_OK; i++)
        if (highest(&im->entry[i]) > 0)
            st = describe(&t[2 * n], &names[n], &im->entry[i], err), n++;
    if (st == NB_OK)
        st = nb_gguf_layout(s, keys, t, 2 * n, ALIGNMENT, &file_len, err);
    for (size_t i = 0, k = 0; i < im->n && st == NB_OK; i++) {
        const nb_imatrix_entry *e = &im->entry[i];
        if (highest(e) <= 0)
            continue;
        pad_to(s, t[k++].offset);
        for (uint64_t j = 0; j < e->n; j++)
            add_f32(s, e->sum2[j]);
        pad_to(s, t[k++].offset);
        for (uint64_t j = 0; j < e->n_mat; j++)
            add_f32(s, (float)e->count[j]);
    }
    if (st == NB_OK)
        pad_to(s, file_len);
    nb_kvs_close(&keys);
    free(names);
    free(t);
    return st;
}

/* Values are (sum / count) * calls, 1 * calls where a matrix saw nothing; calls are chunks, rounded
 * up so that they are never 0. */
static nb_status add_old_entry(nb_str *s, const nb_imatrix *im, const nb_imatrix_entry *e,
                               nb_err *err)
{
    uint32_t unit = im->chunk_size ? im->chunk_size : 1;
    int64_t calls = highest(e) / unit + (highest(e) % unit != 0);
    uint64_t cols = e->n / e->n_mat;
    if (e->n > INT32_MAX || calls > INT32_MAX)
        return nb_fail(err, NB_UNSUPPORTED, "weight \"%s\": too large for the .dat form", e->name);
    add_u32(s, (uint32_t)strlen(e->name));
    nb_str_add(s, e->name);
    add_u32(s, (uint32_t)calls);
    add_u32(s, (uint32_t)e->n);
    for (uint64_t i = 0; i < e->n; i++) {
        uint64_t matrix = i / cols;
        float count = (float)e->count[matrix];
        float mean = count > 0 ? e->sum2[i] / count : 1.0f;
        add_f32(s, mean * (float)calls);
    }
    return NB_OK;
}

static nb_status build_old(nb_str *s, const nb_imatrix *im, nb_err *err)
{
    uint32_t n = 0;
    for (size_t i = 0; i < im->n; i++)
        n += highest(&im->entry[i]) > 0;
    add_u32(s, n);
    for (size_t i = 0; i < im->n; i++)
        if (highest(&im->entry[i]) > 0)
            NB_TRY(add_old_entry(s, im, &im->entry[i], err));
    const char *set = im->n_datasets ? im->dataset[im->n_datasets - 1] : "";
    add_u32(s, im->n_chunks);
    add_u32(s, (uint32_t)strlen(set));
    nb_str_add(s, set);
    return NB_OK;
}

nb_status nb_imatrix_write(const nb_imatrix *im, const char *path, nb_imatrix_format format,
                           nb_err *err)
{
    nb_str s = {0};
    nb_status st = NB_OK;
    for (size_t i = 0; i < im->n && st == NB_OK; i++)
        st = check_entry(&im->entry[i], err);
    if (st == NB_OK)
        st = format == NB_IMATRIX_DAT ? build_old(&s, im, err) : build_gguf(&s, im, err);
    if (st == NB_OK && s.failed)
        st = nb_fail(err, NB_NOMEM, "%s: no memory for its bytes", path);
    if (st == NB_OK)
        st = nb_replace_file(path, s.at, s.len, 0, err);
    nb_str_free(&s);
    return st;
}

/* --- the floor ---------------------------------------------------------------------------------
 */

/* Of column c: what all matrices saw together. */
static float together(const nb_imatrix_entry *e, uint64_t c, bool legacy)
{
    uint64_t cols = e->n / e->n_mat;
    double sum = 0, count = 0;
    for (uint64_t m = 0; m < e->n_mat; m++) {
        sum += (double)e->sum2[m * cols + c];
        count += (double)e->count[m];
    }
    return count > 0 ? (float)(sum / count) : legacy ? e->importance[c] : 1.0f;
}

static void mix(float *v, uint64_t n, float base, float share)
{
    for (uint64_t i = 0; i < n; i++)
        v[i] = (1 - share) * v[i] + share * base;
}

void nb_imatrix_floor(nb_imatrix *im, float share)
{
    im->floor = share;
    for (size_t i = 0; i < im->n && share > 0; i++) {
        nb_imatrix_entry *e = &im->entry[i];
        uint64_t cols = e->n / e->n_mat;
        if (e->n_mat == 1) {
            double sum = 0;
            for (uint64_t c = 0; c < cols; c++)
                sum += (double)e->importance[c];
            mix(e->importance, cols, (float)(sum / (double)cols), share);
            continue;
        }
        for (uint64_t c = 0; c < cols; c++) {
            float base = together(e, c, im->format == NB_IMATRIX_DAT);
            for (uint64_t m = 0; m < e->n_mat; m++)
                mix(&e->importance[m * cols + c], 1, base, e->count[m] ? share : 1);
        }
    }
}
