#include "kernels/arm/arm.h"
#include "kernels/arm/types.h"
#include "kernels/arm/unpack.h"

/* Products of panels with SMMLA: 2 x 8 bytes times 8 x 2, four sums of eight products in one
 * instruction, twice the work of SDOT. Lines are of eight weights, so two rows (two columns) are
 * one vector as they lie in a panel (a group), and no shuffle stands between the loads and the
 * products. A tile is TILE rows by all columns of a group: 8 SMMLA for 6 loads.
 *
 * Sums come as squares of two rows by two columns, and so do scales and mins; a tile of y is
 * brought into squares and back with zips. Integers and the order of floats are those of gemm.h. */

enum {
    TILE = 8,
    PAIRS = TILE / 2,     /* of rows */
    SIDES = NK_GROUP / 2, /* pairs of columns */
    STEPS = NK_LEN / 8,   /* lines of 32 weights */
};

/* Lane 2r + c of [i][j]: row 2i + r, column 2j + c. */
typedef struct squares {
    int32x4_t v[PAIRS][SIDES];
} squares;

typedef struct squares_f {
    float32x4_t v[PAIRS][SIDES];
} squares_f;

/* acc + the products of n lines from `line` on, rows row..row + TILE - 1. */
NK_INLINE void add_lines(squares *acc, const nk_panel *w, size_t row, const nk_columns *x,
                         size_t line, const int n)
{
#pragma GCC unroll 4
    for (int k = 0; k < n; k++) {
        int8x16_t left = vld1q_s8(x->q8[line + (size_t)k][0]);
        int8x16_t right = vld1q_s8(x->q8[line + (size_t)k][2]);
#pragma GCC unroll 4
        for (size_t i = 0; i < PAIRS; i++) {
            int8x16_t rows = vreinterpretq_s8_u8(vld1q_u8(w->q8[line + (size_t)k][row + 2 * i]));
            acc->v[i][0] = vmmlaq_s32(acc->v[i][0], rows, left);
            acc->v[i][1] = vmmlaq_s32(acc->v[i][1], rows, right);
        }
    }
}

NK_INLINE squares no_sums(void)
{
    squares s;
#pragma GCC unroll 4
    for (int i = 0; i < PAIRS; i++)
        s.v[i][0] = s.v[i][1] = vdupq_n_s32(0);
    return s;
}

/* --- squares out of rows and columns -----------------------------------------------------------
 */

NK_INLINE float32x4_t four_rows(const nk_product *p, const float *y, size_t c, size_t quad)
{
    return p->first || c >= p->nc ? vdupq_n_f32(0) : vld1q_f32(y + c * p->y_stride + 4 * quad);
}

NK_INLINE squares_f y_load(const nk_product *p, const float *y)
{
    squares_f s;
#pragma GCC unroll 4
    for (size_t k = 0; k < PAIRS; k++) {
        size_t quad = k / 2, j = k % 2;
        float32x4_t a = four_rows(p, y, 2 * j, quad), b = four_rows(p, y, 2 * j + 1, quad);
        s.v[2 * quad][j] = vzip1q_f32(a, b);
        s.v[2 * quad + 1][j] = vzip2q_f32(a, b);
    }
    return s;
}

NK_INLINE void y_store(const nk_product *p, float *y, const squares_f *s)
{
#pragma GCC unroll 4
    for (size_t k = 0; k < PAIRS; k++) {
        size_t quad = k / 2, j = k % 2;
        float *at = y + 2 * j * p->y_stride + 4 * quad;
        if (2 * j < p->nc)
            vst1q_f32(at, vuzp1q_f32(s->v[2 * quad][j], s->v[2 * quad + 1][j]));
        if (2 * j + 1 < p->nc)
            vst1q_f32(at + p->y_stride, vuzp2q_f32(s->v[2 * quad][j], s->v[2 * quad + 1][j]));
    }
}

/* One number of each row, twice. */
NK_INLINE void of_rows(float32x4_t out[PAIRS], const float d[TILE])
{
#pragma GCC unroll 2
    for (int quad = 0; quad < PAIRS / 2; quad++) {
        float32x4_t v = vld1q_f32(d + 4 * quad);
        out[2 * quad] = vzip1q_f32(v, v);
        out[2 * quad + 1] = vzip2q_f32(v, v);
    }
}

/* One number of each column, both of a pair twice. */
NK_INLINE void of_columns(float32x4_t out[SIDES], const float d[NK_GROUP])
{
    float32x4_t v = vld1q_f32(d);
    out[0] = vcombine_f32(vget_low_f32(v), vget_low_f32(v));
    out[1] = vcombine_f32(vget_high_f32(v), vget_high_f32(v));
}

/* --- products ----------------------------------------------------------------------------------
 */

NK_INLINE void simple_tile(const simple_type t, const nk_product *p, const nk_panel *w, size_t row,
                           float *y)
{
    const nk_columns *x = p->x;
    squares_f sum = y_load(p, y);
    const size_t parts = t.halves ? 2 : 1, lines = STEPS / parts;
    for (size_t b = 0; b < p->n / NK_LEN; b++) {
        float32x4_t m[PAIRS], dx[SIDES], sx[SIDES];
        of_rows(m, w->m[b] + row);
        of_columns(dx, x->d[b]);
        of_columns(sx, x->s[b]);
#pragma GCC unroll 2
        for (size_t h = 0; h < parts; h++) {
            float32x4_t d[PAIRS];
            squares whole = no_sums();
            add_lines(&whole, w, row, x, b * STEPS + h * lines, (int)lines);
            of_rows(d, (h ? w->m[b] : w->d[b]) + row);
#pragma GCC unroll 4
            for (int i = 0; i < PAIRS; i++)
#pragma GCC unroll 2
                for (int j = 0; j < SIDES; j++) {
                    float32x4_t scale = vmulq_f32(d[i], dx[j]);
                    sum.v[i][j] = vfmaq_f32(sum.v[i][j], vcvtq_f32_s32(whole.v[i][j]), scale);
                    if (t.has_min)
                        sum.v[i][j] = vfmaq_f32(sum.v[i][j], m[i], sx[j]);
                }
        }
    }
    y_store(p, y, &sum);
}

/* A whole super-block whose codes hold the small scales. */
NK_INLINE squares folded_sums(const enum folding f, const nk_panel *w, size_t row,
                              const nk_columns *x)
{
    squares acc = no_sums();
    for (size_t line = 0; line < NK_CHUNK / 8; line += STEPS)
        add_lines(&acc, w, row, x, line, STEPS);
    if (f == FOLDED_LESS_1) { /* plus the sum of the activations */
        int32x4_t total = vdupq_n_s32(0);
        for (int i = 0; i < NK_CHUNK / 32; i++)
            total = vpadalq_s16(total, vld1q_s16(x->sum16[i][0]));
        int32x4_t left = vcombine_s32(vget_low_s32(total), vget_low_s32(total));
        int32x4_t right = vcombine_s32(vget_high_s32(total), vget_high_s32(total));
#pragma GCC unroll 4
        for (int i = 0; i < PAIRS; i++) {
            acc.v[i][0] = vaddq_s32(acc.v[i][0], left);
            acc.v[i][1] = vaddq_s32(acc.v[i][1], right);
        }
    }
    return acc;
}

/* One whose small scales multiply the sums of 16 or 32 weights. */
NK_INLINE squares scaled_sums(const super_type t, const nk_panel *w, size_t row,
                              const nk_columns *x)
{
    const int lines = t.per32 ? STEPS : STEPS / 2;
    squares acc = no_sums();
    for (size_t g = 0; g < NK_CHUNK / 8 / (size_t)lines; g++) {
        squares part = no_sums();
        add_lines(&part, w, row, x, g * (size_t)lines, lines);
#pragma GCC unroll 4
        for (size_t i = 0; i < PAIRS; i++) {
            int32x4_t scale = vmovl_s16(vld1_s16(w->scale[g][row + 2 * i])); /* each twice */
            acc.v[i][0] = vmlaq_s32(acc.v[i][0], part.v[i][0], scale);
            acc.v[i][1] = vmlaq_s32(acc.v[i][1], part.v[i][1], scale);
        }
    }
    return acc;
}

/* Pair i of mins of all rows against both sums of column c. */
#define ADD_MINS(c)                                                                                \
    do {                                                                                           \
        m[0][c] = vmlal_laneq_s16(m[0][c], vget_low_s16(min.val[0]), sums, 2 * (c));               \
        m[1][c] = vmlal_high_laneq_s16(m[1][c], min.val[0], sums, 2 * (c));                        \
        m[0][c] = vmlal_laneq_s16(m[0][c], vget_low_s16(min.val[1]), sums, 2 * (c) + 1);           \
        m[1][c] = vmlal_high_laneq_s16(m[1][c], min.val[1], sums, 2 * (c) + 1);                    \
    } while (0)

NK_INLINE squares min_sums(const super_type t, const nk_panel *w, size_t row, const nk_columns *x)
{
    int32x4_t m[PAIRS / 2][NK_GROUP];
    squares s;
#pragma GCC unroll 4
    for (int c = 0; c < NK_GROUP; c++)
        m[0][c] = m[1][c] = vdupq_n_s32(0);
    for (int i = 0; i < (t.per32 ? NK_CHUNK / 64 : NK_CHUNK / 32); i++) {
        int16x8_t sums = vld1q_s16(t.per32 ? x->sum32[i][0] : x->sum16[i][0]);
        int16x8x2_t min = vld2q_s16(w->min[i][row]);
        ADD_MINS(0);
        ADD_MINS(1);
        ADD_MINS(2);
        ADD_MINS(3);
    }
#pragma GCC unroll 4
    for (int k = 0; k < PAIRS; k++) {
        int quad = k / 2, j = k % 2;
        s.v[2 * quad][j] = vzip1q_s32(m[quad][2 * j], m[quad][2 * j + 1]);
        s.v[2 * quad + 1][j] = vzip2q_s32(m[quad][2 * j], m[quad][2 * j + 1]);
    }
    return s;
}

NK_INLINE void super_tile(const super_type t, const enum folding f, const nk_product *p,
                          const nk_panel *w, size_t row, float *y)
{
    const nk_columns *x = p->x;
    squares acc = f == AS_THEY_ARE ? scaled_sums(t, w, row, x) : folded_sums(f, w, row, x);
    squares min = t.has_min ? min_sums(t, w, row, x) : acc;
    squares_f sum = y_load(p, y);
    float32x4_t d[PAIRS], m[PAIRS], dx[SIDES];
    of_rows(d, w->d[0] + row);
    of_rows(m, w->m[0] + row);
    of_columns(dx, x->d[0]);
#pragma GCC unroll 4
    for (int i = 0; i < PAIRS; i++)
#pragma GCC unroll 2
        for (int j = 0; j < SIDES; j++) {
            float32x4_t whole = vcvtq_f32_s32(acc.v[i][j]);
            if (t.has_min) {
                float32x4_t part =
                    vfmsq_f32(vmulq_f32(whole, d[i]), vcvtq_f32_s32(min.v[i][j]), m[i]);
                sum.v[i][j] = vfmaq_f32(sum.v[i][j], part, dx[j]);
            } else {
                sum.v[i][j] = vfmaq_f32(sum.v[i][j], whole, vmulq_f32(d[i], dx[j]));
            }
        }
    y_store(p, y, &sum);
}

/* X(enum suffix, symbol, folding) */
#define SUPER_FOLDED(X)                                                                            \
    X(Q2_K, q2_k, FOLDED)                                                                          \
    X(Q3_K, q3_k, FOLDED_LESS_1)                                                                   \
    X(Q4_K, q4_k, AS_THEY_ARE)                                                                     \
    X(Q5_K, q5_k, AS_THEY_ARE)                                                                     \
    X(Q6_K, q6_k, AS_THEY_ARE)                                                                     \
    X(IQ4_XS, iq4_xs, AS_THEY_ARE)

/* `tile`: a call for rows from `row` on of panel w at y. */
#define PRODUCT(sym, tile)                                                                         \
    static void gemm_##sym(const nk_product *p)                                                    \
    {                                                                                              \
        const nk_panel *w = p->w;                                                                  \
        for (size_t i = 0; i < p->panels; i++, w++)                                                \
            for (size_t row = 0; row < NK_PANEL_ROWS; row += TILE) {                               \
                float *y = p->y + i * NK_PANEL_ROWS + row;                                         \
                tile;                                                                              \
            }                                                                                      \
    }
#define SIMPLE_PANEL(ID, sym)                                                                      \
    UNPACK_SIMPLE(sym)                                                                             \
    PRODUCT(sym, simple_tile(sym, p, w, row, y))
#define SUPER_PANEL(ID, sym, folding)                                                              \
    UNPACK_SUPER(sym, folding)                                                                     \
    PRODUCT(sym, super_tile(sym, folding, p, w, row, y))
ARM_SIMPLE_TYPES(SIMPLE_PANEL)
SUPER_FOLDED(SUPER_PANEL)

#define SET_SIMPLE(ID, sym)         ops->gemm[NK_##ID] = (nk_gemm){unpack_##sym, gemm_##sym, false};
#define SET_SUPER(ID, sym, folding) SET_SIMPLE(ID, sym)

void nk_arm_gemm_i8mm(nk_ops *ops)
{
    ARM_SIMPLE_TYPES(SET_SIMPLE)
    SUPER_FOLDED(SET_SUPER)
    ops->columns_pack = nk_columns_pack_eights;
}
