#include "kernels/ops.h"

/* One work list of row tiles over all matrices. A tile's weights stay in cache while every column
 * passes over them, four columns to one unpacking of a row. Each element is one dot over the whole
 * row, so neither tiles nor threads nor m can change its bits. */

enum {
    ALIGN = 64,
    ROW_STEP = 16,           /* rows of a tile come in whole lines of y */
    TILE_BYTES = 32 << 10,   /* weights of a tile: stay in L1/L2 while the columns pass */
    TILES_PER_THREAD = 6,    /* enough to steal from when one thread is preempted */
    AHEAD = 4096,            /* bytes of weights asked for before they are needed, see prefetch */
    ALONE_BELOW = 48 * 1024, /* multiply-adds one thread does while another would wake up */
};

typedef struct mm {
    const nk_ops *ops;
    float *const *y;
    const size_t *y_stride;
    const nk_matrix *const *w;
    size_t count; /* matrices */
    const float *x;
    size_t cols, m;
    size_t tile; /* rows */
    /* The columns as each activation type, column j at enc[t] + j*enc_size[t]; NULL = unused */
    const unsigned char *enc[NK_TYPE_SLOTS];
    size_t enc_size[NK_TYPE_SLOTS];
    unsigned char *enc_out; /* of enc_type: what encode_columns fills */
    nk_type_id enc_type;
} mm;

static size_t encoded_size(const nk_type *t, size_t cols)
{
    return (cols + t->block_len - 1) / t->block_len * t->block_size;
}

static size_t round_up(size_t v, size_t step)
{
    return (v + step - 1) / step * step;
}

size_t nk_matmul_scratch(size_t cols, size_t m)
{
    bool seen[NK_TYPE_SLOTS] = {false};
    seen[NK_F32] = true; /* used where it lies */
    size_t count, total = ALIGN;
    const nk_type *const *rows = nk_type_all(&count);
    for (size_t i = 0; i < count; i++) {
        nk_type_id with = rows[i]->dot_with;
        if (!rows[i]->dot || seen[with])
            continue;
        seen[with] = true;
        total += round_up(m * encoded_size(nk_type_get(with), cols), ALIGN);
    }
    return total;
}

static void encode_columns(void *arg, size_t begin, size_t end, int thread)
{
    const mm *a = arg;
    (void)thread;
    a->ops->encode[a->enc_type](a->x + begin * a->cols,
                                a->enc_out + begin * a->enc_size[a->enc_type], end - begin, a->cols,
                                NULL);
}

/* Once per activation type the matrices ask for; columns are shared out over the threads. */
static void encode_all(mm *a, nk_pool *pool, void *scratch)
{
    uintptr_t base = (uintptr_t)scratch;
    unsigned char *at = (unsigned char *)scratch + (round_up(base, ALIGN) - base);
    for (size_t i = 0; i < a->count; i++) {
        nk_type_id with = a->w[i]->type->dot_with;
        if (a->enc[with])
            continue;
        a->enc_size[with] = encoded_size(nk_type_get(with), a->cols);
        if (with == NK_F32) {
            a->enc[with] = (const unsigned char *)a->x;
            continue;
        }
        a->enc_type = with;
        a->enc_out = at;
        if (a->m * a->cols < ALONE_BELOW / 4)
            encode_columns(a, 0, a->m, 0);
        else
            nk_parallel(pool, a->m, 1 + ALONE_BELOW / 16 / a->cols, encode_columns, a);
        a->enc[with] = at;
        at += round_up(a->m * a->enc_size[with], ALIGN);
    }
}

/* Asks for the bytes one row's length further on, AHEAD of row r. Hardware prefetchers stop at page
 * ends, every 4 KiB of a mapped file; without this Q4_K reads memory a third slower. */
static void prefetch(const nk_matrix *w, size_t r)
{
    size_t len = w->row_size < AHEAD ? w->row_size : AHEAD;
    size_t at = r * w->row_size + AHEAD;
    if (at + len > w->rows * w->row_size)
        return;
    const unsigned char *p = (const unsigned char *)w->data + at;
    for (size_t i = 0; i < len; i += ALIGN)
        __builtin_prefetch(p + i);
}

/* What a matrix as a whole is multiplied by. */
static void scale_rows(const mm *a, size_t which, size_t begin, size_t end)
{
    const float scale = *a->w[which]->scale;
    for (size_t j = 0; j < a->m; j++) {
        float *y = a->y[which] + j * a->y_stride[which];
        for (size_t r = begin; r < end; r++)
            y[r] *= scale;
    }
}

/* Rows [begin, end) of one matrix against all columns. */
static void run_rows(const mm *a, size_t which, size_t begin, size_t end)
{
    const nk_matrix *w = a->w[which];
    const unsigned char *rows = w->data;
    nk_type_id with = w->type->dot_with;
    size_t x_size = a->enc_size[with], stride = a->y_stride[which];
    nk_dot4_fn *dot4 = a->ops->dot4[w->type->id];
    nk_dot_fn *dot = a->ops->dot[w->type->id];
    size_t j = 0;
    for (; dot4 && j + 4 <= a->m; j += 4) {
        const unsigned char *x = a->enc[with] + j * x_size;
        float *y = a->y[which] + j * stride;
        for (size_t r = begin; r < end; r++) {
            float four[4];
            if (j == 0)
                prefetch(w, r);
            dot4(a->cols, rows + r * w->row_size, x, x_size, four);
            for (size_t k = 0; k < 4; k++)
                y[k * stride + r] = four[k];
        }
    }
    for (; j < a->m; j++) {
        const unsigned char *x = a->enc[with] + j * x_size;
        float *y = a->y[which] + j * stride;
        for (size_t r = begin; r < end; r++) {
            if (j == 0)
                prefetch(w, r);
            y[r] = dot(a->cols, rows + r * w->row_size, x);
        }
    }
    if (w->scale)
        scale_rows(a, which, begin, end);
}

static void run_tiles(void *arg, size_t begin, size_t end, int thread)
{
    const mm *a = arg;
    (void)thread;
    size_t first = 0; /* tile number where matrix i begins */
    for (size_t i = 0; i < a->count && first < end; i++) {
        size_t rows = a->w[i]->rows, tiles = (rows + a->tile - 1) / a->tile;
        size_t from = begin > first ? begin - first : 0;
        size_t to = end - first < tiles ? end - first : tiles;
        for (size_t t = from; t < to; t++) {
            size_t last = (t + 1) * a->tile;
            run_rows(a, i, t * a->tile, last < rows ? last : rows);
        }
        first += tiles;
    }
}

/* Small enough for the cache and for every thread to get its share, in whole steps. */
static size_t tile_rows(size_t rows, size_t row_size, int threads)
{
    size_t by_cache = TILE_BYTES / (row_size ? row_size : 1);
    size_t by_share = rows / ((size_t)threads * TILES_PER_THREAD);
    size_t tile = by_cache < by_share ? by_cache : by_share;
    return tile < ROW_STEP ? ROW_STEP : tile / ROW_STEP * ROW_STEP;
}

void nk_matmul_many(const nk_ops *ops, nk_pool *pool, float *const *y, const size_t *y_stride,
                    const nk_matrix *const *w, size_t count, const float *x, size_t m,
                    void *scratch)
{
    if (count == 0 || m == 0)
        return;
    mm a = {.ops = ops,
            .y = y,
            .y_stride = y_stride,
            .w = w,
            .count = count,
            .x = x,
            .cols = w[0]->cols,
            .m = m};
    encode_all(&a, pool, scratch);
    size_t rows = 0, row_size = 0, tiles = 0;
    for (size_t i = 0; i < count; i++) {
        rows += w[i]->rows;
        row_size = w[i]->row_size > row_size ? w[i]->row_size : row_size;
    }
    a.tile = tile_rows(rows, row_size, pool ? nk_pool_count(pool) : 1);
    for (size_t i = 0; i < count; i++)
        tiles += (w[i]->rows + a.tile - 1) / a.tile;
    if (rows * a.cols * m < ALONE_BELOW)
        pool = NULL;
    nk_parallel(pool, tiles, pool ? 1 : tiles, run_tiles, &a);
}

void nk_matmul(const nk_ops *ops, nk_pool *pool, float *y, size_t y_stride, const nk_matrix *w,
               const float *x, size_t m, void *scratch)
{
    nk_matmul_many(ops, pool, &y, &y_stride, &w, 1, x, m, scratch);
}
