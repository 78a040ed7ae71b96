/* Encoders of blocks of 32 that search for their scale, LANES blocks at a time (lanes_fit.h): the
 * simple types under importance, and the tables of 16 levels. Bytes equal the C reference's. */
#ifndef NIBBLE_X86_ENC_BLOCKS_LANES_H
#define NIBBLE_X86_ENC_BLOCKS_LANES_H

#ifdef NK_LANES

#include "kernels/quant/levels.h"
#include "kernels/quant/pack.h"
#include "kernels/x86/enc_lanes.h"
#include "kernels/x86/x86.h"

/* --- rows under importance: q4_0, q4_1, q5_0, q5_1 -------------------------------------------- */

enum { STRIP = 8 }; /* rows whose sums of squares run side by side */

/* mean x^2 of each of `rows` rows, each sum in index order. */
NK_INLINE void mean_squares_of_rows(const float *x, size_t rows, size_t ncols, float mean[STRIP])
{
    float sum[STRIP] = {0};
    for (size_t i = 0; i < ncols; i++)
        for (size_t r = 0; r < STRIP; r++) {
            float v = x[(r < rows ? r : 0) * ncols + i];
            sum[r] += v * v;
        }
    for (size_t r = 0; r < STRIP; r++)
        mean[r] = sum[r] / (float)ncols;
}

/* Blocks `first`... of a strip: their weights and what each counts. */
NK_INLINE void load_blocks(const float *x, const float *importance, const float *mean, size_t ncols,
                           size_t first, size_t blocks, lanes *out, lanes *w)
{
    int32_t at[LANES], column[LANES];
    float sigma2[LANES];
    for (size_t k = 0; k < LANES; k++) {
        size_t i = (first + k < blocks ? first + k : blocks - 1) * NK_LEN;
        at[k] = (int32_t)i;
        column[k] = (int32_t)(i % ncols);
        sigma2[k] = mean[i / ncols];
    }
    lanes s2 = lanes_load(sigma2);
    lanes_columns(x, at, NK_LEN, out);
    lanes_columns(importance, column, NK_LEN, w);
    for (int i = 0; i < NK_LEN; i++)
        w[i] = lanes_mul(w[i], lanes_sqrt(lanes_add(s2, lanes_mul(out[i], out[i]))));
}

typedef struct found_blocks {
    float d[LANES], min[LANES];
    uint8_t code[LANES][NK_LEN];
} found_blocks;

NK_INLINE void store_found(found_blocks *f, const lane_ints *code)
{
    uint8_t *to[LANES];
    for (int k = 0; k < LANES; k++)
        to[k] = f->code[k];
    lanes_store_rows(to, LANES, code, NK_LEN);
}

NK_INLINE void find_symmetric(const lanes *x, const lanes *w, const int nmax, found_blocks *f)
{
    NK_UNSET lane_ints code[NK_LEN];
    lanes iscale;
    lane_mask counts;
    lanes_store(f->d, fit_symmetric(x, w, NK_LEN, nmax, &iscale, &counts));
    const lanes zero = lanes_set(0);
    for (int i = 0; i < NK_LEN; i++)
        code[i] = lanes_pick_ints(counts, symmetric_up(x[i], iscale, nmax), lanes_to_ints(zero));
    store_found(f, code);
}

NK_INLINE void find_affine(const lanes *x, const lanes *w, const int nmax, found_blocks *f)
{
    static const nk_affine_search search = {.first = -0.9f, .step = 0.05f, .last = 36};
    NK_UNSET lane_ints code[NK_LEN];
    affine_fit a;
    fit_affine(x, w, NK_LEN, nmax, &search, false, 1, &a);
    lanes_store(f->d, a.scale);
    lanes_store(f->min, a.min);
    for (int i = 0; i < NK_LEN; i++)
        code[i] = affine_whole(x[i], a.low, a.iscale, nmax);
    store_found(f, code);
}

NK_INLINE void store_q4_0(void *dst, const found_blocks *f, int k)
{
    nk_block_q4_0 *b = dst;
    b->d = nk_f32_to_f16(f->d[k]);
    nk_pack_nibbles(b->qs, f->code[k], NK_LEN / 2);
}

NK_INLINE void store_q5_0(void *dst, const found_blocks *f, int k)
{
    nk_block_q5_0 *b = dst;
    b->d = nk_f32_to_f16(f->d[k]);
    nk_pack_nibbles(b->qs, f->code[k], NK_LEN / 2);
    nk_pack_fifth(b->qh, f->code[k]);
}

NK_INLINE void store_q4_1(void *dst, const found_blocks *f, int k)
{
    nk_block_q4_1 *b = dst;
    b->d = nk_f32_to_f16(f->d[k]);
    b->m = nk_f32_to_f16(-f->min[k]);
    nk_pack_nibbles(b->qs, f->code[k], NK_LEN / 2);
}

NK_INLINE void store_q5_1(void *dst, const found_blocks *f, int k)
{
    nk_block_q5_1 *b = dst;
    b->d = nk_f32_to_f16(f->d[k]);
    b->m = nk_f32_to_f16(-f->min[k]);
    nk_pack_nibbles(b->qs, f->code[k], NK_LEN / 2);
    nk_pack_fifth(b->qh, f->code[k]);
}

typedef void find_fn(const lanes *x, const lanes *w, const int nmax, found_blocks *f);
typedef void store_fn(void *dst, const found_blocks *f, int k);

NK_INLINE void encode_weighted(const float *src, uint8_t *dst, size_t nrows, size_t ncols,
                               const float *importance, size_t block_size, find_fn *find,
                               const int nmax, store_fn *store)
{
    for (size_t r = 0; r < nrows; r += STRIP, src += STRIP * ncols) {
        size_t rows = nrows - r < STRIP ? nrows - r : STRIP, blocks = rows * ncols / NK_LEN;
        float mean[STRIP];
        mean_squares_of_rows(src, rows, ncols, mean);
        for (size_t first = 0; first < blocks; first += LANES) {
            NK_UNSET lanes x[NK_LEN], w[NK_LEN];
            NK_UNSET found_blocks f;
            load_blocks(src, importance, mean, ncols, first, blocks, x, w);
            find(x, w, nmax, &f);
            for (int k = 0; k < LANES && first + (size_t)k < blocks; k++, dst += block_size)
                store(dst, &f, k);
        }
    }
}

static void encode_q4_0(const float *src, void *dst, size_t nrows, size_t ncols,
                        const float *importance)
{
    if (!importance)
        nk_x86_plain_q4_0(src, dst, nrows, ncols);
    else
        encode_weighted(src, dst, nrows, ncols, importance, sizeof(nk_block_q4_0), find_symmetric,
                        8, store_q4_0);
}

static void encode_q5_0(const float *src, void *dst, size_t nrows, size_t ncols,
                        const float *importance)
{
    if (!importance)
        nk_x86_plain_q5_0(src, dst, nrows, ncols);
    else
        encode_weighted(src, dst, nrows, ncols, importance, sizeof(nk_block_q5_0), find_symmetric,
                        16, store_q5_0);
}

static void encode_q4_1(const float *src, void *dst, size_t nrows, size_t ncols,
                        const float *importance)
{
    if (!importance)
        nk_x86_plain_q4_1(src, dst, nrows, ncols);
    else
        encode_weighted(src, dst, nrows, ncols, importance, sizeof(nk_block_q4_1), find_affine, 15,
                        store_q4_1);
}

static void encode_q5_1(const float *src, void *dst, size_t nrows, size_t ncols,
                        const float *importance)
{
    if (!importance)
        nk_x86_plain_q5_1(src, dst, nrows, ncols);
    else
        encode_weighted(src, dst, nrows, ncols, importance, sizeof(nk_block_q5_1), find_affine, 31,
                        store_q5_1);
}

/* --- tables of levels: iq4_nl, iq4_xs --------------------------------------------------------- */

NK_INLINE lane_table table_iq4(void)
{
    float value[NK_LEVELS], middle[NK_LEVELS] = {0};
    for (int k = 0; k < NK_LEVELS; k++)
        value[k] = (float)nk_levels_iq4[k];
    for (int k = 0; k + 1 < NK_LEVELS; k++)
        middle[k] = (float)(nk_levels_iq4[k] + nk_levels_iq4[k + 1]) * 0.5f;
    return lanes_table(value, middle);
}

NK_INLINE fit_sums weigh_levels(const lane_table *t, const lanes *x, const lanes *w, lanes inverse)
{
    fit_sums s = {lanes_set(0), lanes_set(0)};
    for (int i = 0; i < NK_LEN; i++) {
        lanes q = lanes_look_up(t, lanes_nearest(t, lanes_mul(inverse, x[i])));
        lanes wq = lanes_mul(w[i], q);
        s.lx = lanes_add(s.lx, lanes_mul(wq, x[i]));
        s.l2 = lanes_add(s.l2, lanes_mul(wq, q));
    }
    return s;
}

/* iq4.c's fit */
NK_INLINE lanes fit_levels(const lane_table *t, const lanes *x, const lanes *w)
{
    const int tries = 7;
    lanes max = absmax_signed(x, NK_LEN), zero = lanes_set(0);
    lane_mask counts = lanes_less_or_equal(lanes_set(NK_GROUP_EPS), lanes_abs(max));
    lanes d = lanes_div(lanes_neg(max), lanes_set((float)nk_levels_iq4[0]));
    fit_sums s = weigh_levels(t, x, w, lanes_div(lanes_set(1), d));
    d = lanes_pick(lanes_less(zero, s.l2), lanes_div(s.lx, s.l2), zero);
    lanes best = lanes_mul(d, s.lx);
    for (int k = -tries; k <= tries; k++) {
        s = weigh_levels(t, x, w, lanes_div(lanes_set((float)(k + nk_levels_iq4[0])), max));
        lane_mask better = lanes_both(lanes_less(zero, s.l2),
                                      lanes_less(lanes_mul(best, s.l2), lanes_mul(s.lx, s.lx)));
        d = lanes_pick(better, lanes_div(s.lx, s.l2), d);
        best = lanes_pick(better, lanes_mul(d, s.lx), best);
    }
    return lanes_pick(counts, d, zero);
}

/* Codes of a batch under these scales, as bytes to to[lane]. */
NK_INLINE void code_levels(const lane_table *t, const chunk *c, int batch, lanes scale,
                           uint8_t *const *to)
{
    const lanes *x = c->x + batch * NK_LEN;
    NK_UNSET lane_ints code[NK_LEN];
    lanes zero = lanes_set(0);
    lanes inverse = lanes_pick(lanes_differ(scale, zero), lanes_div(lanes_set(1), scale), zero);
    for (int i = 0; i < NK_LEN; i++)
        code[i] = lanes_nearest(t, lanes_mul(inverse, x[i]));
    store_codes(c, batch, NK_LEN, code, to);
}

/* What each weight of a batch counts: by its block's mean square (of_block) or its group's. */
NK_INLINE void level_weights(chunk *c, int batch, const bool of_block, const lanes *x, lanes *w)
{
    if (!c->importance) {
        for (int i = 0; i < NK_LEN; i++)
            w[i] = lanes_mul(x[i], x[i]);
        return;
    }
    if (of_block) {
        importance_weights(c, batch, NK_LEN, x, w);
        return;
    }
    lanes sum = lanes_set(0);
    for (int i = 0; i < NK_LEN; i++)
        sum = lanes_add(sum, lanes_mul(x[i], x[i]));
    lanes sigma2 = lanes_mul(sum, lanes_set(2.0f / NK_LEN));
    load_importance(c, batch, NK_LEN, w);
    for (int i = 0; i < NK_LEN; i++)
        w[i] = lanes_mul(w[i], lanes_sqrt(lanes_add(sigma2, lanes_mul(x[i], x[i]))));
}

NK_INLINE void fit_level_groups(const lane_table *t, chunk *c, const bool of_block)
{
    for (int batch = 0; batch < batches(c); batch++) {
        NK_UNSET lanes w[NK_LEN];
        lanes *x = c->x + batch * NK_LEN;
        load_batch(c, batch, NK_LEN, x);
        level_weights(c, batch, of_block, x, w);
        lanes_store(c->scale + batch * LANES, fit_levels(t, x, w));
    }
}

enum { XS_GROUPS = NK_XS_GROUPS, NL_CHUNK = CHUNK * XS_GROUPS };

static void encode_iq4_nl(const float *src, void *dst, size_t nrows, size_t ncols,
                          const float *importance)
{
    lane_table t = table_iq4();
    nk_block_iq4_nl *out = dst;
    NK_UNSET chunk c;
    size_t blocks = nrows * ncols / NK_LEN;
    for (size_t i = 0; i < blocks; i += NL_CHUNK, out += NL_CHUNK) {
        c.src = src + i * NK_LEN;
        c.importance = importance;
        c.ncols = ncols;
        NK_UNSET uint8_t code[NL_CHUNK][NK_LEN];
        c.groups = blocks - i < NL_CHUNK ? (int)(blocks - i) : NL_CHUNK;
        c.first_weight = i * NK_LEN;
        fit_level_groups(&t, &c, false);
        for (int batch = 0; batch < batches(&c); batch++) {
            uint8_t *to[LANES];
            for (int k = 0; k < LANES; k++)
                to[k] = code[group_of(&c, batch, k)];
            code_levels(&t, &c, batch, lanes_load(c.scale + batch * LANES), to);
        }
        for (int g = 0; g < c.groups; g++) {
            out[g].d = nk_f32_to_f16(c.scale[g]);
            nk_pack_nibbles(out[g].qs, code[g], NK_LEN / 2);
        }
    }
}

static void encode_iq4_xs(const float *src, void *dst, size_t nrows, size_t ncols,
                          const float *importance)
{
    lane_table t = table_iq4();
    nk_block_iq4_xs *out = dst;
    NK_UNSET chunk c;
    size_t blocks = nrows * ncols / NK_SUPER_LEN;
    for (size_t i = 0; i < blocks; i += CHUNK, out += CHUNK) {
        NK_UNSET uint8_t code[NL_CHUNK][NK_LEN];
        next_chunk(&c, src, i, blocks, ncols, importance);
        c.groups = c.blocks * XS_GROUPS;
        if (importance)
            mean_squares(&c, 2.0f / NK_SUPER_LEN, 1);
        fit_level_groups(&t, &c, true);
        for (int b = 0; b < c.blocks; b++)
            nk_scales_iq4_xs(&out[b], c.scale + b * XS_GROUPS);
        for (int batch = 0; batch < batches(&c); batch++) {
            float scale[LANES];
            uint8_t *to[LANES];
            for (int k = 0; k < LANES; k++) {
                scale[k] = c.scale[group_of(&c, batch, k)];
                to[k] = code[group_of(&c, batch, k)];
            }
            code_levels(&t, &c, batch, lanes_load(scale), to);
        }
        for (int g = 0; g < c.groups; g++)
            nk_pack_nibbles(out[g / XS_GROUPS].qs + g % XS_GROUPS * NK_LEN / 2, code[g],
                            NK_LEN / 2);
    }
}

/* Whatever ops had for these types is replaced. */
NK_INLINE void set_encoders(nk_ops *ops)
{
    ops->encode[NK_Q4_0] = encode_q4_0;
    ops->encode[NK_Q4_1] = encode_q4_1;
    ops->encode[NK_Q5_0] = encode_q5_0;
    ops->encode[NK_Q5_1] = encode_q5_1;
    ops->encode[NK_Q2_K] = encode_q2_k;
    ops->encode[NK_Q3_K] = encode_q3_k;
    ops->encode[NK_Q4_K] = encode_q4_k;
    ops->encode[NK_Q5_K] = encode_q5_k;
    ops->encode[NK_Q6_K] = encode_q6_k;
    ops->encode[NK_IQ4_NL] = encode_iq4_nl;
    ops->encode[NK_IQ4_XS] = encode_iq4_xs;
}

#endif
#endif
