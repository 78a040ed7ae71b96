#include "kernels/ops.h"

/* One work list of row tiles over all matrices. A tile's weights stay in cache while every column
 * passes over them: a few columns at once or as panels (gemm.h) where the type has these, else row
 * by row; products of pairs (pairs.h) a few at once or as panels. Either way each element is summed
 * in one order over the whole row, so neither tiles nor threads nor m can change its bits. */

enum {
    ALIGN = 64,
    ROW_STEP = NK_PANEL_ROWS, /* rows of a tile come in whole panels */
    TILE_BYTES = 32 << 10,    /* weights of a tile: stay in L1/L2 while the columns pass */
    ONCE_BYTES = 128 << 10,   /* those of one column's tile, which need not: memory waits whenever
                                 one is taken */
    TILES_PER_THREAD = 6,     /* enough to steal from when one thread is preempted */
    AHEAD = 4096,             /* bytes of weights asked for before they are needed, see prefetch */
    ALONE_BELOW = 48 * 1024,  /* multiply-adds one thread does while another would wake up */
    PANELS = 4,               /* side by side: a group of columns is loaded once for all of them */
    FEW = 24,                 /* columns that stay in L1, so that one panel at a time reads the
                                           weights in long runs */
    BY_ROWS = 2, /* so many columns are cheaper one after the other than as a panel: unpacking a
                    panel costs as much as one to two columns, ... */
    BY_ROWS_SLOW = 3,                  /* ... where it is slow as three to four */
    ENC_BYTES = sizeof(nk_block_q8_k), /* of a chunk of one column */
    MOST_PARTS = 2,                    /* pairs.h */
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
    /* and for panels or a few at once, group g of chunk k at packed[t] + (k*groups(t) + g) * its
     * size, see packing */
    const unsigned char *packed[NK_TYPE_SLOTS];
    bool wide[NK_TYPE_SLOTS]; /* packed in groups of NK_WIDE */
    unsigned char *out;       /* what encode_columns and pack_groups fill, of type with */
    nk_type_id with;
    const nk_pairs *pairs; /* of a matrix that goes by them: they have the place of packed
                              floats; NULL: none does */
} mm;

/* The activations that w is multiplied with: parts of bf16 go by that type's name, since none has
 * its dot with bf16. */
static nk_type_id with_of(const nk_ops *ops, const nk_matrix *w)
{
    return ops->pairs[w->type->id].run ? NK_BF16 : w->type->dot_with;
}

static size_t encoded_size(const nk_type *t, size_t cols)
{
    return (cols + t->block_len - 1) / t->block_len * t->block_size;
}

static size_t round_up(size_t v, size_t step)
{
    return (v + step - 1) / step * step;
}

static size_t div_up(size_t v, size_t by)
{
    return (v + by - 1) / by;
}

/* How the columns of one activation type are packed for panels, and for a few at once. parts: of
 * pairs, 0 for other types. */
typedef struct packing {
    size_t group;  /* columns */
    size_t size;   /* bytes of a group's chunk */
    size_t groups; /* of m columns */
} packing;

static packing packing_of(nk_type_id with, bool wide, int parts, size_t m)
{
    if (with == NK_BF16) {
        size_t width = m < NK_WIDE ? m : NK_WIDE;
        return (packing){width, nk_pairs_size(width, parts), div_up(m, width)};
    }
    if (with == NK_F32)
        return (packing){NK_GROUP_F, sizeof(nk_columns_f), div_up(m, NK_GROUP_F)};
    if (wide)
        return (packing){NK_WIDE, sizeof(nk_columns_wide), div_up(m, NK_WIDE)};
    return (packing){NK_GROUP, sizeof(nk_columns), div_up(m, NK_GROUP)};
}

static packing packing_for(const mm *a, nk_type_id with)
{
    return packing_of(with, a->wide[with], a->pairs ? a->pairs->parts : 0, a->m);
}

static size_t packed_size(packing p, size_t cols)
{
    return div_up(cols, NK_CHUNK) * p.groups * p.size;
}

size_t nk_matmul_scratch(size_t cols, size_t m)
{
    bool seen[NK_TYPE_SLOTS] = {false};
    size_t count, total = ALIGN;
    const nk_type *const *rows = nk_type_all(&count);
    for (size_t i = 0; i < count; i++) {
        nk_type_id with = rows[i]->dot_with;
        if (!rows[i]->dot || seen[with])
            continue;
        seen[with] = true;
        if (with != NK_F32) /* used where it lies */
            total += round_up(m * encoded_size(nk_type_get(with), cols), ALIGN);
        size_t narrow = packed_size(packing_of(with, false, 0, m), cols);
        size_t wide = packed_size(packing_of(with, true, 0, m), cols);
        size_t most = m == 1 ? 0 : narrow > wide ? narrow : wide;
        size_t pairs =
            with == NK_F32 ? packed_size(packing_of(NK_BF16, false, MOST_PARTS, m), cols) : 0;
        total += pairs > most ? pairs : most;
    }
    return total;
}

/* How a matrix meets its columns. Whichever way it goes, each element has the same bits. */
typedef enum way {
    BY_COLUMN,
    BY_FEW,
    BY_PANELS,
} way;

static way way_of(const mm *a, const nk_matrix *w)
{
    if (with_of(a->ops, w) == NK_BF16)
        return a->m <= NK_FEW && a->ops->pairs[w->type->id].few ? BY_FEW : BY_PANELS;
    if (a->pairs && w->type->dot_with == NK_F32)
        return BY_COLUMN;
    const nk_gemm *g = &a->ops->gemm[w->type->id];
    if (a->m > 1 && a->m <= NK_FEW && a->ops->few[w->type->id])
        return BY_FEW;
    size_t few = !a->ops->rows[w->type->id] ? 1 : g->slow_unpack ? BY_ROWS_SLOW : BY_ROWS;
    return a->m > few && g->unpack ? BY_PANELS : BY_COLUMN;
}

/* Whether all matrices that share these activations have a wide product and the columns pay it. */
static bool by_wide(const mm *a, nk_type_id with)
{
    bool all = a->m >= NK_WIDE_FROM;
    for (size_t i = 0; all && i < a->count; i++) {
        const nk_type *t = a->w[i]->type;
        way by = with_of(a->ops, a->w[i]) == with ? way_of(a, a->w[i]) : BY_COLUMN;
        all = by == BY_COLUMN || (by == BY_PANELS && a->ops->wide[t->id].run);
    }
    return all;
}

static void encode_columns(void *arg, size_t begin, size_t end, int thread)
{
    const mm *a = arg;
    (void)thread;
    a->ops->encode[a->with](a->x + begin * a->cols, a->out + begin * a->enc_size[a->with],
                            end - begin, a->cols, NULL);
}

_Static_assert(NK_PARTS * sizeof(nk_block_q8_1) <= ENC_BYTES, "any encoding of a chunk fits");

/* n activations of column j from k on, as column c of a group. */
static void pack_column(const mm *a, void *group, size_t c, size_t j, size_t k, size_t n)
{
    const float *x = a->x + j * a->cols + k;
    if (a->with == NK_F32) {
        nk_columns_pack_f(group, c, x, n);
        return;
    }
    if (a->with == NK_BF16) {
        a->pairs->pack(group, packing_for(a, NK_BF16).group, c, x, n);
        return;
    }
    __attribute__((uninitialized)) unsigned char enc[ENC_BYTES];
    a->ops->encode[a->with](x, enc, 1, n, NULL);
    if (a->wide[a->with])
        nk_columns_pack_wide(group, c, a->with, enc, n);
    else
        a->ops->columns_pack(group, c, a->with, enc, n);
}

/* Groups [begin, end), chunk by chunk. */
static void pack_groups(void *arg, size_t begin, size_t end, int thread)
{
    const mm *a = arg;
    packing p = packing_for(a, a->with);
    (void)thread;
    for (size_t g = begin; g < end; g++)
        for (size_t k = 0; k < a->cols; k += NK_CHUNK) {
            void *group = a->out + (k / NK_CHUNK * p.groups + g) * p.size;
            size_t n = a->cols - k < NK_CHUNK ? a->cols - k : NK_CHUNK;
            for (size_t c = 0; c < p.group && g * p.group + c < a->m; c++)
                pack_column(a, group, c, g * p.group + c, k, n);
        }
}

/* Once per activation type and form the matrices ask for; columns are shared out over the
 * threads. */
static void encode_all(mm *a, nk_pool *pool, void *scratch)
{
    for (size_t i = 0; i < a->count; i++)
        if (with_of(a->ops, a->w[i]) == NK_BF16)
            a->pairs = &a->ops->pairs[a->w[i]->type->id];
    uintptr_t base = (uintptr_t)scratch;
    unsigned char *at = (unsigned char *)scratch + (round_up(base, ALIGN) - base);
    for (size_t i = 0; i < a->count; i++) {
        nk_type_id with = with_of(a->ops, a->w[i]);
        bool packed = way_of(a, a->w[i]) != BY_COLUMN;
        a->wide[with] = by_wide(a, with);
        packing p = packing_for(a, with);
        if (packed ? a->packed[with] : a->enc[with])
            continue;
        a->enc_size[with] = encoded_size(nk_type_get(with), a->cols);
        if (with == NK_F32 && !packed) {
            a->enc[with] = (const unsigned char *)a->x;
            continue;
        }
        a->with = with;
        a->out = at;
        size_t items = packed ? p.groups : a->m, each = packed ? p.group * a->cols : a->cols;
        nk_pool_fn *fn = packed ? pack_groups : encode_columns;
        if (items * each < ALONE_BELOW / 4)
            fn(a, 0, items, 0);
        else
            nk_parallel(pool, items, 1 + ALONE_BELOW / 16 / each, fn, a);
        if (packed)
            a->packed[with] = at;
        else
            a->enc[with] = at;
        at += packed ? packed_size(p, a->cols) : round_up(a->m * a->enc_size[with], ALIGN);
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

/* Rows [begin, end) of one matrix against one column after the other, several rows at once. */
static void run_columns(const mm *a, size_t which, size_t begin, size_t end)
{
    const nk_matrix *w = a->w[which];
    nk_type_id with = w->type->dot_with;
    const unsigned char *first = (const unsigned char *)w->data + begin * w->row_size;
    for (size_t j = 0; j < a->m; j++)
        a->ops->rows[w->type->id](a->cols, first, w->row_size, end - begin,
                                  a->enc[with] + j * a->enc_size[with],
                                  a->y[which] + j * a->y_stride[which] + begin);
}

/* Rows [begin, end) of one matrix against all columns, row by row. */
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
}

/* Rows [begin, end) of one matrix against all columns, which are few. */
static void run_few(const mm *a, size_t which, size_t begin, size_t end)
{
    const nk_matrix *w = a->w[which];
    nk_type_id with = with_of(a->ops, w), id = w->type->id;
    packing x = packing_for(a, with);
    nk_few p = {.n = a->cols,
                .w = (const unsigned char *)w->data + begin * w->row_size,
                .row_size = w->row_size,
                .rows = end - begin,
                .x = a->packed[with],
                .x_step = x.groups * x.size,
                .m = a->m,
                .y = a->y[which] + begin,
                .y_stride = a->y_stride[which]};
    (with == NK_BF16 ? a->ops->pairs[id].few : a->ops->few[id])(&p);
}

/* Unpacks chunk k of rows [begin, end), at most PANELS panels; a short last panel repeats its last
 * row. */
static void unpack(const mm *a, const nk_matrix *w, size_t begin, size_t end, size_t k, size_t n,
                   nk_panel *panel)
{
    const nk_type *t = w->type;
    const nk_wide *wide = &a->ops->wide[t->id];
    nk_unpack_fn *pairs = a->ops->pairs[t->id].unpack;
    const unsigned char *chunk =
        (const unsigned char *)w->data + k * NK_CHUNK / t->block_len * t->block_size;
    for (size_t r = begin; r < end; r += NK_PANEL_ROWS, panel++) {
        __attribute__((uninitialized)) const void *row[NK_PANEL_ROWS];
        for (size_t i = 0; i < NK_PANEL_ROWS; i++)
            row[i] = chunk + (r + i < end ? r + i : end - 1) * w->row_size;
        (pairs ? pairs : a->ops->gemm[t->id].unpack)(row, n, panel);
        if (a->wide[t->dot_with] && wide->prepare)
            wide->prepare(panel, n);
    }
}

/* One product whose rows end inside its last panel, by way of a whole one beside y. */
static void run_edge(nk_gemm_fn *run, nk_product p, size_t rows)
{
    __attribute__((uninitialized)) float whole[NK_WIDE][NK_PANEL_ROWS];
    float *y = p.y;
    size_t stride = p.y_stride;
    for (size_t c = 0; c < p.nc; c++)
        for (size_t r = 0; r < NK_PANEL_ROWS; r++)
            whole[c][r] = !p.first && r < rows ? y[c * stride + r] : 0;
    p.y = whole[0];
    p.y_stride = NK_PANEL_ROWS;
    run(&p);
    for (size_t c = 0; c < p.nc; c++)
        for (size_t r = 0; r < rows; r++)
            y[c * stride + r] = whole[c][r];
}

/* Asks for the weights that are unpacked after chunk k of rows [begin, end), the part of them that
 * is group g's of `groups`: by then they have come while the columns passed. Each row's lie in a
 * page of their own, which no hardware prefetcher foresees. The rows behind this tile's may be
 * another thread's; asking for them in vain costs little. */
static void prefetch_next(const nk_matrix *w, size_t begin, size_t end, size_t k, size_t g,
                          size_t groups)
{
    size_t size = NK_CHUNK / w->type->block_len * w->type->block_size, at = (k + 1) * size;
    size_t rows = end - begin;
    if (at >= w->row_size) {
        at = 0;
        begin = end;
        rows = w->rows - end < rows ? w->rows - end : rows;
    }
    size_t n = w->row_size - at < size ? w->row_size - at : size;
    for (size_t r = begin + rows * g / groups; r < begin + rows * (g + 1) / groups; r++) {
        const unsigned char *p = (const unsigned char *)w->data + r * w->row_size + at;
        for (size_t i = 0; i < n; i += ALIGN)
            __builtin_prefetch(p + i, 0, 2);
        __builtin_prefetch(p + n - 1, 0, 2);
    }
}

/* Panels of one chunk of rows [begin, end) against all columns. */
static void run_chunk(const mm *a, size_t which, size_t begin, size_t end, size_t k, size_t n,
                      const nk_panel *panel)
{
    const nk_matrix *w = a->w[which];
    const nk_ops *ops = a->ops;
    nk_type_id with = with_of(ops, w), id = w->type->id;
    nk_gemm_fn *run = with == NK_BF16 ? ops->pairs[id].run
                      : a->wide[with] ? ops->wide[id].run
                                      : ops->gemm[id].run;
    size_t stride = a->y_stride[which], whole = (end - begin) / NK_PANEL_ROWS;
    size_t rest = (end - begin) % NK_PANEL_ROWS;
    packing x = packing_for(a, with);
    for (size_t g = 0; g < x.groups; g++) {
        size_t j = g * x.group;
        if (!ops->pairs[id].asks || (k + 1) * NK_CHUNK >= a->cols)
            prefetch_next(w, begin, end, k, g, x.groups);
        nk_product p = {.w = panel,
                        .panels = whole,
                        .x = a->packed[with] + (k * x.groups + g) * x.size,
                        .n = n,
                        .nc = a->m - j < x.group ? a->m - j : x.group,
                        .width = x.group,
                        .y = a->y[which] + j * stride + begin,
                        .y_stride = stride,
                        .first = k == 0};
        if (whole > 0)
            run(&p);
        if (rest == 0)
            continue;
        p.w += whole;
        p.panels = 1;
        p.y += whole * NK_PANEL_ROWS;
        run_edge(run, p, rest);
    }
}

static void run_panels(const mm *a, size_t which, size_t begin, size_t end)
{
    __attribute__((uninitialized)) nk_panel panel[PANELS];
    const nk_type *t = a->w[which]->type;
    const nk_wide *wide = a->wide[t->dot_with] ? &a->ops->wide[t->id] : NULL;
    const nk_pairs *pairs = a->ops->pairs[t->id].run ? &a->ops->pairs[t->id] : NULL;
    size_t step = (a->m <= FEW && !wide && !pairs ? 1 : PANELS) * NK_PANEL_ROWS;
    if (pairs && pairs->enter)
        pairs->enter(packing_for(a, NK_BF16).group);
    else if (wide)
        wide->enter();
    for (size_t r = begin; r < end; r += step) {
        size_t last = end - r < step ? end : r + step;
        for (size_t k = 0; k * NK_CHUNK < a->cols; k++) {
            size_t n = a->cols - k * NK_CHUNK < NK_CHUNK ? a->cols - k * NK_CHUNK : NK_CHUNK;
            unpack(a, a->w[which], r, last, k, n, panel);
            run_chunk(a, which, r, last, k, n, panel);
        }
    }
    if (pairs && pairs->leave)
        pairs->leave();
    else if (wide)
        wide->leave();
}

static void run_tile(const mm *a, size_t which, size_t begin, size_t end)
{
    way by = way_of(a, a->w[which]);
    if (by == BY_PANELS)
        run_panels(a, which, begin, end);
    else if (by == BY_FEW)
        run_few(a, which, begin, end);
    else if (a->ops->rows[a->w[which]->type->id])
        run_columns(a, which, begin, end);
    else
        run_rows(a, which, begin, end);
    if (a->w[which]->scale)
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
            run_tile(a, i, t * a->tile, last < rows ? last : rows);
        }
        first += tiles;
    }
}

/* Small enough for the cache and for every thread to get its share, in whole steps; as many panels
 * as go side by side where that is more than one. */
static size_t tile_rows(size_t rows, size_t row_size, size_t m, bool side_by_side, int threads)
{
    size_t bytes = m == 1 ? ONCE_BYTES : TILE_BYTES;
    size_t by_cache = side_by_side ? PANELS * NK_PANEL_ROWS : bytes / (row_size ? row_size : 1);
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
    bool side_by_side = m > FEW;
    for (size_t i = 0; i < count; i++) {
        rows += w[i]->rows;
        row_size = w[i]->row_size > row_size ? w[i]->row_size : row_size;
        side_by_side = side_by_side || with_of(ops, w[i]) == NK_BF16;
    }
    a.tile = tile_rows(rows, row_size, m, side_by_side, pool ? nk_pool_count(pool) : 1);
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
