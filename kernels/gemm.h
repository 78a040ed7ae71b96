/* Many columns against one matrix. A panel is NK_PANEL_ROWS rows times at most NK_CHUNK weights,
 * unpacked once and used for every column; a group is NK_GROUP columns of the same chunk, laid out
 * so that one pointer walks through all of them. One product kernel serves all block types, one for
 * the floats; a type brings an unpack function.
 *
 * The order of one element's sum is fixed, so that one row alone (nk_ops.dot), a few rows against
 * one column (nk_ops.rows) or a few (nk_ops.few) and panels (nk_ops.gemm) give the same bits on
 * every level that has them, whatever the shape of the product:
 *   blocks of NK_LEN       s = fma(s, d_w * d_x, int), then s = fma(s, m_w, s_x) with a min,
 *                          block by block; int is the exact integer sum of the block
 *                         (nvfp4: group by group of 16)
 *   blocks of NK_SUPER_LEN s = fma(s, d_w * d_x, int); with mins t = int * d_w,
 *                          t = t - dmin_w * min, s = s + t * d_x, each of the two one fma
 *   floats                 by chunks of NK_CHUNK: eight partial sums of k mod 8, each in the order
 *                          of k by fma; added up as lanes i and i+4, then i and i+2, then 0 and 1;
 *                          then s = s + chunk
 * where s begins at 0 (the first chunk of floats is s). Integers cannot overflow: codes times
 * small scales fit 16 bits (q6_K: 32 * 128), 256 products of them and 8-bit activations 31.
 * Products of pairs (pairs.h) have an order of their own. */
#ifndef NIBBLE_GEMM_H
#define NIBBLE_GEMM_H

#include "kernels/blocks.h"
#include "kernels/type.h"

enum {
    NK_CHUNK = NK_SUPER_LEN,
    NK_PANEL_ROWS = 16,
    NK_GROUP = 4,     /* columns of block types */
    NK_GROUP_F = 12,  /* of floats: with a panel they fill L1 */
    NK_FEW = 6,       /* columns that pay no panel where a level has nk_ops.few */
    NK_WIDE = 16,     /* columns of block types where a level has nk_wide */
    NK_WIDE_FROM = 6, /* fewer columns would leave most of a wide group empty */
    NK_PARTS = NK_CHUNK / NK_LEN,
    NK_DEEP = 32,  /* weights of one product of pairs */
    NK_PAIRED = 8, /* where nk_panel.scale has pairs, of types with no more scales than that */
};

/* Weights. Of a short chunk only the first n are set, of the other fields what the type's product
 * reads. A field's last but one index is the row: 16 rows of 4 bytes are one line. */
typedef union nk_panel {
    struct {
        union { /* codes, unsigned or signed (all unsigned in a form of its own, see scale); q8
                   where a level's products take eights */
            _Alignas(64) uint8_t q[NK_CHUNK / 4][NK_PANEL_ROWS][4];
            uint8_t q8[NK_CHUNK / 8][NK_PANEL_ROWS][8];
        };
        int16_t scale[NK_CHUNK / 16][NK_PANEL_ROWS][2]; /* small scale of 16 (or 32), twice; where
                                                           a level has its own form of panels
                                                           (x86/panel_lanes.h), under a zero */
        int16_t min[NK_CHUNK / 32][NK_PANEL_ROWS][2];   /* per 16 weights (or 32): min, or scale
                                                           times the codes' offset */
        float d[NK_PARTS][NK_PANEL_ROWS];               /* per NK_LEN; super-blocks: [0] alone */
        float m[NK_PARTS][NK_PANEL_ROWS];               /* min, or [0] dmin; nvfp4: d is of the
                                                           first 16 weights, m of the others */
        _Alignas(64) int8_t high[NK_CHUNK / 4][NK_PANEL_ROWS][4]; /* nk_wide.prepare's alone */
    };
    _Alignas(64) float f[NK_PANEL_ROWS][NK_CHUNK]; /* floats; a short chunk zero-filled to a
                                                      multiple of 8 */
    /* pairs.h: high parts and (f16) low ones, two weights of every row in turn; a short chunk
     * zero-filled to a multiple of NK_DEEP */
    _Alignas(64) uint16_t pair[2][NK_CHUNK / 2][NK_PANEL_ROWS][2];
} nk_panel;

/* Activations of block types. Columns that a last group lacks are not set. */
typedef struct nk_columns {
    union { /* as in nk_panel */
        _Alignas(64) int8_t q[NK_CHUNK / 4][NK_GROUP][4];
        int8_t q8[NK_CHUNK / 8][NK_GROUP][8];
    };
    float d[NK_PARTS][NK_GROUP]; /* as in nk_panel */
    union {
        struct {
            float s[NK_PARTS][NK_GROUP];      /* q8_1 */
            int32_t less[NK_PARTS][NK_GROUP]; /* minus the sum of the codes of NK_LEN */
        };
        struct {                                       /* q8_K */
            int32_t less32[NK_CHUNK / 32][NK_GROUP];   /* -8 times the sum of 32 */
            int16_t sum32[NK_CHUNK / 64][NK_GROUP][2]; /* of 32 */
        };
    };
    int16_t sum16[NK_CHUNK / 32][NK_GROUP][2]; /* of 16; q8_K: bsums */
    int32_t half16[NK_CHUNK / 16][NK_GROUP];   /* q8_K: -16 times the sum of 16 */
    int32_t less8[NK_CHUNK / 8][NK_GROUP];     /* q8_K: -32 times the sum of 8 */
    int32_t less16[NK_CHUNK / 16][NK_GROUP];   /* q8_K: -128 times the sum of 16 */
} nk_columns;

/* Activations of floats, likewise; zero-filled as in nk_panel. Packed, because columns a power of
 * two apart would share few lines of L1. */
typedef struct nk_columns_f {
    _Alignas(64) float f[NK_GROUP_F][NK_CHUNK];
} nk_columns_f;

/* Activations of block types for nk_wide: a column's codes side by side. The rest as in nk_columns;
 * total is the sum of a chunk's codes, q8_K alone. */
typedef struct nk_columns_wide {
    _Alignas(64) int8_t q[NK_WIDE][NK_CHUNK];
    float d[NK_PARTS][NK_WIDE];
    float s[NK_PARTS][NK_WIDE];
    int16_t sum16[NK_CHUNK / 32][NK_WIDE][2];
    int16_t sum32[NK_CHUNK / 64][NK_WIDE][2];
    int32_t total[NK_WIDE];
} nk_columns_wide;

/* row[r]: n weights of row r, n <= NK_CHUNK and a multiple of the type's block. */
typedef void nk_unpack_fn(const void *const row[NK_PANEL_ROWS], size_t n, nk_panel *p);

/* What one call multiplies: `panels` panels one below the other, nc columns. */
typedef struct nk_product {
    const nk_panel *w;
    size_t panels;
    const void *x; /* one nk_columns, nk_columns_wide, nk_columns_f or group of pairs.h */
    size_t n;      /* weights of the chunk */
    size_t nc;     /* 1..width */
    size_t width;  /* columns of x: NK_GROUP, NK_WIDE, NK_GROUP_F; pairs.h: up to NK_WIDE */
    float *y;      /* column j, row r: y[j * y_stride + r] */
    size_t y_stride;
    bool first; /* y begins at 0 instead of what it holds */
} nk_product;
typedef void nk_gemm_fn(const nk_product *p);

/* The same product by a unit that takes NK_WIDE columns at once, with the bits of nk_gemm.run. All
 * calls stand between enter and leave, made by the thread that makes them. */
typedef struct nk_wide {
    nk_gemm_fn *run;                            /* NULL: the level has none */
    void (*prepare)(nk_panel *panel, size_t n); /* of every panel after unpack; NULL: nothing */
    void (*enter)(void), (*leave)(void);
} nk_wide;

typedef struct nk_gemm {
    nk_unpack_fn *unpack; /* NULL: the type has no panels here */
    nk_gemm_fn *run;
    bool slow_unpack; /* unpacking costs as much as several columns: points are loaded */
} nk_gemm;

/* The dots of rows 0..rows-1 (row_size bytes apart) with one encoded column: y[rows]. */
typedef void nk_rows_fn(size_t n, const void *w, size_t row_size, size_t rows, const void *x,
                        float *y);

/* Rows against two to NK_FEW columns: weights are unpacked once for several columns, into
 * registers, not into a panel. */
typedef struct nk_few {
    size_t n; /* weights of a row */
    const void *w;
    size_t row_size, rows; /* bytes from row to row */
    const void *x;         /* the first chunk's groups: nk_columns, or one nk_columns_f */
    size_t x_step;         /* bytes from chunk to chunk */
    size_t m;              /* columns */
    float *y;              /* column j, row r: y[j * y_stride + r] */
    size_t y_stride;
} nk_few;
typedef void nk_few_fn(const nk_few *p);

/* Column c of a group from its chunk of n activations encoded as `with`: q8_0, q8_1 or q8_K. The
 * first fills q, the second q8. */
typedef void nk_columns_fn(nk_columns *out, size_t c, nk_type_id with, const void *enc, size_t n);
nk_columns_fn nk_columns_pack, nk_columns_pack_eights;
void nk_columns_pack_wide(nk_columns_wide *out, size_t c, nk_type_id with, const void *enc,
                          size_t n);
/* The same from n floats. */
void nk_columns_pack_f(nk_columns_f *out, size_t c, const float *x, size_t n);

#endif
