/* Encoders of super-blocks, LANES groups at a time (lanes_fit.h); bytes equal the C reference's.
 * Blocks come in chunks: what belongs to a whole block (its scales under importance, its mean
 * square) then has a lane per block. Included after lanes_avx2.h or lanes_avx512.h. */
#ifndef NIBBLE_X86_ENC_LANES_H
#define NIBBLE_X86_ENC_LANES_H

#ifdef NK_LANES

#include "kernels/quant/super.h"
#include "kernels/x86/lanes_symmetric.h"
#include "kernels/x86/super_avx2.h"

enum {
    CHUNK = 8,                            /* super-blocks */
    CHUNK_GROUPS = CHUNK * NK_GROUPS_MAX, /* at most */
    CHUNK_VECTORS = CHUNK * NK_SUPER_LEN / LANES,
};

/* Blocks as they go through: vector v = batch * n + i holds weight i of groups batch * LANES ...,
 * counted through the chunk. Of a last, short chunk the last group stands in for what is missing.
 */
typedef struct chunk {
    const float *src;        /* [blocks, 256] */
    int blocks;              /* 1..CHUNK */
    int groups;              /* of all of them */
    const float *importance; /* [ncols], NULL: none */
    size_t ncols;
    size_t first_weight; /* place of src in its run of rows */
    lanes x[CHUNK_VECTORS];
    float sigma2[CHUNK];
    float scale[CHUNK_GROUPS], min[CHUNK_GROUPS], sum_w[CHUNK_GROUPS];
    float iscale[CHUNK_GROUPS], low[CHUNK_GROUPS]; /* of the trial codes */
    lanes trial[CHUNK_VECTORS];                    /* those of q3_K's sweep */
} chunk;

NK_INLINE int group_of(const chunk *c, int batch, int lane)
{
    int g = batch * LANES + lane;
    return g < c->groups ? g : c->groups - 1;
}

NK_INLINE int batches(const chunk *c)
{
    return (c->groups + LANES - 1) / LANES;
}

/* Weight i of a batch's groups of n. */
NK_INLINE void load_batch(const chunk *c, const int batch, const int n, lanes *x)
{
    int32_t at[LANES];
    for (int k = 0; k < LANES; k++)
        at[k] = group_of(c, batch, k) * n;
    lanes_columns(c->src, at, n, x);
}

/* nk_sum_squares of each block: factor * sum / divisor. */
NK_INLINE void mean_squares(chunk *c, float factor, float divisor)
{
    float sum[CHUNK] = {0};
    for (int i = 0; i < NK_SUPER_LEN; i++)
        for (int b = 0; b < CHUNK; b++) {
            float x = c->src[(b < c->blocks ? b : 0) * NK_SUPER_LEN + i];
            sum[b] += x * x;
        }
    for (int b = 0; b < CHUNK; b++)
        c->sigma2[b] = factor * sum[b] / divisor;
}

/* The importance of a batch's weights, as it is. */
NK_INLINE void load_importance(const chunk *c, int batch, const int n, lanes *w)
{
    int32_t at[LANES];
    for (int k = 0; k < LANES; k++)
        at[k] = (int32_t)((c->first_weight + (size_t)(group_of(c, batch, k) * n)) % c->ncols);
    lanes_columns(c->importance, at, n, w);
}

/* nk_importance_weights of a batch, and their sums. */
NK_INLINE void importance_weights(chunk *c, int batch, const int n, const lanes *x, lanes *w)
{
    float sigma2[LANES];
    for (int k = 0; k < LANES; k++)
        sigma2[k] = c->sigma2[group_of(c, batch, k) / (NK_SUPER_LEN / n)];
    lanes s2 = lanes_load(sigma2), sum = lanes_set(0);
    load_importance(c, batch, n, w);
    for (int i = 0; i < n; i++) {
        w[i] = lanes_mul(w[i], lanes_sqrt(lanes_add(s2, lanes_mul(x[i], x[i]))));
        sum = lanes_add(sum, w[i]);
    }
    lanes_store(c->sum_w + batch * LANES, sum);
}

/* value[groups of the chunk] -> vector j: value j of each block, one block a lane; blocks beyond
 * the chunk's repeat its last. From block `from` on. */
NK_INLINE void lanes_of_blocks(const chunk *c, const float *value, const int per_block, int from,
                               lanes *out)
{
    int32_t at[LANES];
    for (int k = 0; k < LANES; k++)
        at[k] = (from + k < c->blocks ? from + k : c->blocks - 1) * per_block;
    lanes_columns(value, at, per_block, out);
}

/* Codes by lane -> the blocks they belong to: code[i] of group g -> to[g][i]. */
NK_INLINE void store_codes(const chunk *c, int batch, const int n, const lane_ints *code,
                           uint8_t *const *to)
{
    lanes_store_rows(to, c->groups - batch * LANES, code, n);
}

/* --- affine: q2_K, q4_K, q5_K ----------------------------------------------------------------- */

NK_INLINE void plain_weights(const lanes *x, const int n, const bool rms, lanes *w)
{
    lanes base = lanes_set(0);
    for (int i = 0; i < n && rms; i++)
        base = lanes_add(base, lanes_mul(x[i], x[i]));
    if (rms)
        base = lanes_sqrt(lanes_div(base, lanes_set((float)n)));
    for (int i = 0; i < n; i++)
        w[i] = rms ? lanes_add(base, lanes_abs(x[i])) : lanes_abs(x[i]);
}

/* `side` batches from `batch` on. */
NK_INLINE void fit_batches(const nk_affine_codec *codec, chunk *c, int batch, const int side,
                           const int n, const int nmax, const bool rms, const bool absolute)
{
    NK_UNSET lanes w[AFFINE_SIDE * NK_LEN];
    lanes *x = c->x + batch * n;
    NK_UNSET affine_fit f[AFFINE_SIDE];
    for (int b = 0; b < side; b++) {
        load_batch(c, batch + b, n, x + b * n);
        if (c->importance)
            importance_weights(c, batch + b, n, x + b * n, w + b * n);
        else
            plain_weights(x + b * n, n, rms, w + b * n);
    }
    if (c->importance)
        fit_affine(x, w, n, nmax, &codec->weighted, false, side, f);
    else
        fit_affine(x, w, n, nmax, &codec->plain, absolute, side, f);
    for (int b = 0; b < side; b++) {
        int at = (batch + b) * LANES;
        lanes_store(c->scale + at, f[b].scale);
        lanes_store(c->min + at, f[b].min);
        lanes_store(c->iscale + at, f[b].iscale);
        lanes_store(c->low + at, f[b].low);
    }
}

NK_INLINE void fit_groups(const nk_affine_codec *codec, chunk *c, const int n, const int nmax,
                          const bool rms, const bool absolute)
{
    int batch = 0;
    for (; batch + AFFINE_SIDE <= batches(c); batch += AFFINE_SIDE)
        fit_batches(codec, c, batch, AFFINE_SIDE, n, nmax, rms, absolute);
    for (; batch < batches(c); batch++)
        fit_batches(codec, c, batch, 1, n, nmax, rms, absolute);
}

/* Scales or mins of blocks from `from` on under the groups' total weights: d[lane] and a code per
 * lane and group. */
NK_INLINE void code_positive(const chunk *c, const float *value, const int per_block,
                             const int scale_max, int from, float d[LANES],
                             uint8_t code[NK_GROUPS_MAX][LANES])
{
    lanes v[NK_GROUPS_MAX], w[NK_GROUPS_MAX], q[NK_GROUPS_MAX];
    lanes_of_blocks(c, value, per_block, from, v);
    lanes_of_blocks(c, c->sum_w, per_block, from, w);
    lanes_store(d, fit_positive(v, w, per_block, scale_max, q));
    for (int j = 0; j < per_block; j++)
        lanes_store_bytes(code[j], q[j]);
}

NK_INLINE void code_weighted_scales(const chunk *c, const int per_block, const int scale_max,
                                    nk_affine_block *a)
{
    for (int from = 0; from < c->blocks; from += LANES) {
        float d[LANES], dmin[LANES];
        uint8_t sc[NK_GROUPS_MAX][LANES], m[NK_GROUPS_MAX][LANES];
        code_positive(c, c->scale, per_block, scale_max, from, d, sc);
        code_positive(c, c->min, per_block, scale_max, from, dmin, m);
        for (int k = 0; k < LANES && from + k < c->blocks; k++) {
            nk_affine_block *b = &a[from + k];
            b->d = nk_f32_to_f16(d[k]);
            b->dmin = nk_f32_to_f16(dmin[k]);
            for (int j = 0; j < per_block; j++) {
                b->sc[j] = sc[j][k];
                b->m[j] = m[j][k];
            }
        }
    }
}

/* Codes rounded with the scales a reader will see; groups of scale 0 keep their trial codes. */
NK_INLINE void recode_groups(const chunk *c, const int n, const int nmax, nk_affine_block *a)
{
    const int per_block = NK_SUPER_LEN / n;
    for (int batch = 0; batch < batches(c); batch++) {
        const lanes *x = c->x + batch * n;
        float scale[LANES], min[LANES];
        uint8_t *to[LANES];
        NK_UNSET lane_ints code[NK_LEN];
        for (int k = 0; k < LANES; k++) {
            int g = group_of(c, batch, k), j = g % per_block;
            nk_affine_block *b = &a[g / per_block];
            scale[k] = f16_one(b->d) * (float)b->sc[j];
            min[k] = f16_one(b->dmin) * (float)b->m[j];
            to[k] = b->code + j * n;
        }
        lanes d = lanes_load(scale), m = lanes_load(min);
        lane_mask coded = lanes_differ(d, lanes_set(0));
        for (int i = 0; i < n; i++)
            code[i] = lanes_whole(lanes_div(lanes_add(x[i], m), d), 0, nmax, 0);
        if (!lanes_all(coded)) {
            lanes low = lanes_load(c->low + batch * LANES);
            lanes iscale = lanes_load(c->iscale + batch * LANES);
            for (int i = 0; i < n; i++)
                code[i] = lanes_pick_ints(coded, code[i], affine_whole(x[i], low, iscale, nmax));
        }
        store_codes(c, batch, n, code, to);
    }
}

NK_INLINE void encode_affine_chunk(const nk_affine_codec *codec, chunk *c, const int n,
                                   const int nmax, const int scale_max, const bool rms,
                                   const bool absolute, uint8_t *out)
{
    const int per_block = NK_SUPER_LEN / n;
    NK_UNSET nk_affine_block a[CHUNK];
    c->groups = c->blocks * per_block;
    if (c->importance)
        mean_squares(c, codec->sigma_factor, NK_SUPER_LEN);
    fit_groups(codec, c, n, nmax, rms, absolute);
    if (c->importance)
        code_weighted_scales(c, per_block, scale_max, a);
    for (int b = 0; b < c->blocks; b++) {
        uint8_t *block = out + (size_t)b * codec->block_size;
        if (!c->importance)
            nk_affine_code_scales(codec, c->scale + b * per_block, c->min + b * per_block, &a[b]);
        nk_affine_clamp(codec, c->importance != NULL, &a[b]);
        codec->pack_scales(block, &a[b]);
        codec->unpack_scales(block, &a[b]);
    }
    recode_groups(c, n, nmax, a);
    for (int b = 0; b < c->blocks; b++)
        codec->pack_codes(out + (size_t)b * codec->block_size, &a[b]);
}

/* The next chunk of `blocks` super-blocks in all, of which `done` are behind. */
NK_INLINE void next_chunk(chunk *c, const float *src, size_t done, size_t blocks, size_t ncols,
                          const float *importance)
{
    c->src = src + done * NK_SUPER_LEN;
    c->blocks = blocks - done < CHUNK ? (int)(blocks - done) : CHUNK;
    c->importance = importance;
    c->ncols = ncols;
    c->first_weight = done * NK_SUPER_LEN;
}

NK_INLINE void encode_affine(const nk_affine_codec *codec, const float *src, void *dst,
                             size_t nrows, size_t ncols, const float *importance, const int n,
                             const int nmax, const int scale_max, const bool rms,
                             const bool absolute)
{
    NK_UNSET chunk c;
    size_t blocks = nrows * ncols / NK_SUPER_LEN;
    for (size_t i = 0; i < blocks; i += CHUNK) {
        next_chunk(&c, src, i, blocks, ncols, importance);
        encode_affine_chunk(codec, &c, n, nmax, scale_max, rms, absolute,
                            (uint8_t *)dst + i * codec->block_size);
    }
}

static void encode_q2_k(const float *src, void *dst, size_t nrows, size_t ncols,
                        const float *importance)
{
    encode_affine(&nk_codec_q2_k, src, dst, nrows, ncols, importance, 16, 3, 15, false, true);
}

static void encode_q4_k(const float *src, void *dst, size_t nrows, size_t ncols,
                        const float *importance)
{
    encode_affine(&nk_codec_q4_k, src, dst, nrows, ncols, importance, 32, 15, 63, true, false);
}

static void encode_q5_k(const float *src, void *dst, size_t nrows, size_t ncols,
                        const float *importance)
{
    encode_affine(&nk_codec_q5_k, src, dst, nrows, ncols, importance, 32, 31, 63, true, false);
}

/* --- symmetric: q3_K, q6_K -------------------------------------------------------------------- */

enum { GROUP = 16, BLOCK_GROUPS = NK_SUPER_LEN / GROUP, BIAS_Q3 = 4, BIAS_Q6 = 32 };
enum { SIDE = 4 };                  /* batches swept side by side */
enum { Q3_TOP = 32, Q6_TOP = 128 }; /* scale codes: -top..top - 1 */

/* The 19 scales of fit_symmetric for every group; low is 1 where a group counts for nothing, else
 * 0. The scale of the trial codes is kept under importance alone: without, hardly any are asked for
 * (keep_trial_codes). */
NK_INLINE void search_groups(chunk *c, const int bias, const bool sigma)
{
    for (int batch = 0; batch < batches(c); batch++) {
        NK_UNSET lanes w[GROUP];
        lanes *x = c->x + batch * GROUP, iscale, scale;
        lane_mask counts;
        load_batch(c, batch, GROUP, x);
        if (sigma)
            importance_weights(c, batch, GROUP, x, w);
        else if (c->importance)
            load_importance(c, batch, GROUP, w);
        if (sigma || c->importance) {
            scale = fit_symmetric(x, w, GROUP, bias, &iscale, &counts);
            lanes_store(c->iscale + batch * LANES, iscale);
        } else {
            scale = fit_symmetric(x, NULL, GROUP, bias, NULL, &counts);
        }
        lanes_store(c->scale + batch * LANES, scale);
        lanes_store(c->low + batch * LANES, lanes_pick(counts, lanes_set(0), lanes_set(1)));
    }
}

/* `side` batches from `batch` on. */
NK_INLINE void sweep_batches(chunk *c, int batch, const int side, const int bias)
{
    lanes *x = c->x + batch * GROUP, scale[SIDE];
    for (int b = 0; b < side; b++)
        load_batch(c, batch + b, GROUP, x + b * GROUP);
    fit_symmetric_sweep(x, GROUP, bias, side, c->trial + batch * GROUP, scale);
    for (int b = 0; b < side; b++)
        lanes_store(c->scale + (batch + b) * LANES, scale[b]);
}

NK_INLINE void sweep_groups(chunk *c, const int bias)
{
    int batch = 0;
    for (; batch + SIDE <= batches(c); batch += SIDE)
        sweep_batches(c, batch, SIDE, bias);
    for (; batch < batches(c); batch++)
        sweep_batches(c, batch, 1, bias);
}

/* Trial codes of a batch with their bias to the groups whose scale d is 0: they keep them. */
NK_INLINE void keep_trial_codes(const chunk *c, int batch, const int bias, const bool swept,
                                lanes d, lane_ints code[GROUP])
{
    const lanes *x = c->x + batch * GROUP, zero = lanes_set(0);
    const lane_mask keep = lanes_equal(d, zero);
    if (swept) {
        for (int i = 0; i < GROUP; i++) {
            lanes trial = lanes_add(c->trial[batch * GROUP + i], lanes_set((float)bias));
            code[i] = lanes_pick_ints(keep, lanes_to_ints(trial), code[i]);
        }
        return;
    }
    const lane_mask count = lanes_less_or_equal(lanes_load(c->low + batch * LANES), zero);
    lanes iscale = zero;
    if (c->importance)
        iscale = lanes_load(c->iscale + batch * LANES);
    else if (lanes_any(lanes_both(keep, count)))
        iscale = best_iscale(x, GROUP, bias);
    for (int i = 0; i < GROUP; i++) {
        lane_ints trial =
            lanes_pick_ints(count, symmetric_up(x[i], iscale, bias), lanes_to_ints(zero));
        code[i] = lanes_pick_ints(keep, trial, code[i]);
    }
}

/* Whether no value is 2^22 scales away from 0. Under weights that are not negative a fitted scale
 * is a mean of x / code, so a value is at most 2 nmax + 2 of those: what is to be coded by a scale
 * that is not much less is near enough. Where sums underflow that does not hold, but such values
 * are nothing to a scale that f16 can hold. */
NK_INLINE bool in_reach(lanes fitted, lanes scale)
{
    return lanes_all(
        lanes_less(lanes_abs(fitted), lanes_mul(lanes_set(0x1p14f), lanes_abs(scale))));
}

/* nk_symmetric_recode: codes into the blocks, by the scales a reader will see. */
NK_INLINE void recode_symmetric(chunk *c, const int bias, const bool swept, nk_symmetric_block *s)
{
    NK_UNSET uint8_t *to[CHUNK_GROUPS]; /* whole batches: a block has LANES groups or more */
    NK_UNSET float scale[CHUNK_GROUPS];
    for (int b = 0; b < c->blocks; b++) {
        float d = f16_one(s[b].d);
        for (int j = 0; j < BLOCK_GROUPS; j++) {
            scale[b * BLOCK_GROUPS + j] = d * (float)s[b].sc[j];
            to[b * BLOCK_GROUPS + j] = s[b].code + j * GROUP;
        }
    }
    for (int batch = 0; batch < batches(c); batch++) {
        const lanes *x = c->x + batch * GROUP;
        NK_UNSET lane_ints code[GROUP];
        lanes d = lanes_load(scale + batch * LANES);
        if (!swept && !c->importance && in_reach(lanes_load(c->scale + batch * LANES), d)) {
            lanes_store_quotients(to + batch * LANES, LANES, x, d, -bias, bias - 1, bias);
            continue;
        }
        for (int i = 0; i < GROUP; i++)
            code[i] = lanes_whole(lanes_div(x[i], d), -bias, bias - 1, bias);
        if (lanes_any(lanes_equal(d, lanes_set(0))))
            keep_trial_codes(c, batch, bias, swept, d, code);
        store_codes(c, batch, GROUP, code, to + batch * LANES);
    }
}

/* code_scales of q3_k.c and q6_k.c: the greatest scale of a block maps to -top; a lane per block.
 * To size[block]: that scale's magnitude. */
NK_INLINE void code_scales(const chunk *c, const int top, nk_symmetric_block *s, float size[CHUNK])
{
    const lanes zero = lanes_set(0);
    for (int from = 0; from < c->blocks; from += LANES) {
        NK_UNSET lanes v[BLOCK_GROUPS];
        NK_UNSET lane_ints sc[BLOCK_GROUPS];
        float d[LANES], most[LANES];
        uint8_t *to[LANES];
        int blocks = c->blocks - from < LANES ? c->blocks - from : LANES;
        lanes_of_blocks(c, c->scale, BLOCK_GROUPS, from, v);
        lanes max = absmax_signed(v, BLOCK_GROUPS);
        lane_mask some = lanes_differ(max, zero);
        lanes inverse = lanes_div(lanes_set((float)-top), max);
        lanes_store(d, lanes_pick(some, lanes_div(lanes_set(1), inverse), zero));
        lanes_store(most, lanes_abs(max));
        for (int j = 0; j < BLOCK_GROUPS; j++) {
            lane_ints q = lanes_whole(lanes_mul(inverse, v[j]), -top, top - 1, 0);
            q = lanes_pick_ints(some, q, lanes_to_ints(lanes_set((float)-top)));
            sc[j] = lanes_low_byte(q);
        }
        for (int k = 0; k < LANES; k++)
            to[k] = (uint8_t *)s[from + (k < blocks ? k : blocks - 1)].sc;
        lanes_store_rows(to, blocks, sc, BLOCK_GROUPS);
        for (int k = 0; k < blocks; k++) {
            size[from + k] = most[k];
            s[from + k].d = nk_f32_to_f16(d[k]);
        }
    }
}

/* Scales of q3_K under the groups' total weights: one more symmetric search, a lane per block. */
NK_INLINE void code_scales_q3_k(const chunk *c, nk_symmetric_block *s)
{
    for (int from = 0; from < c->blocks; from += LANES) {
        lanes v[BLOCK_GROUPS], w[BLOCK_GROUPS], iscale;
        lane_mask counts;
        float d[LANES];
        uint8_t sc[BLOCK_GROUPS][LANES];
        lanes_of_blocks(c, c->scale, BLOCK_GROUPS, from, v);
        lanes_of_blocks(c, c->sum_w, BLOCK_GROUPS, from, w);
        lanes_store(d, fit_symmetric(v, w, BLOCK_GROUPS, 32, &iscale, &counts));
        for (int j = 0; j < BLOCK_GROUPS; j++)
            lanes_store_bytes(sc[j],
                              lanes_pick(counts, symmetric_code(v[j], iscale, 32), lanes_set(-32)));
        for (int k = 0; k < LANES && from + k < c->blocks; k++) {
            s[from + k].d = nk_f32_to_f16(d[k]);
            for (int j = 0; j < BLOCK_GROUPS; j++)
                s[from + k].sc[j] = (int8_t)sc[j][k];
        }
    }
}

static void encode_q3_k(const float *src, void *dst, size_t nrows, size_t ncols,
                        const float *importance)
{
    nk_block_q3_k *out = dst;
    NK_UNSET nk_symmetric_block s[CHUNK];
    NK_UNSET chunk c;
    size_t blocks = nrows * ncols / NK_SUPER_LEN;
    for (size_t i = 0; i < blocks; i += CHUNK, out += CHUNK) {
        float size[CHUNK];
        next_chunk(&c, src, i, blocks, ncols, importance);
        c.groups = c.blocks * BLOCK_GROUPS;
        if (importance) {
            mean_squares(&c, 2, NK_SUPER_LEN);
            search_groups(&c, BIAS_Q3, true);
            code_scales_q3_k(&c, s);
        } else {
            sweep_groups(&c, BIAS_Q3);
            code_scales(&c, Q3_TOP, s, size);
        }
        recode_symmetric(&c, BIAS_Q3, !importance, s);
        for (int b = 0; b < c.blocks; b++)
            nk_pack_q3_k(&out[b], &s[b]);
    }
}

/* nk_pack_q6_k, 32 codes at a time. */
NK_INLINE void pack_q6_k(nk_block_q6_k *b, const nk_symmetric_block *s)
{
    for (int half = 0; half < 2; half++) {
        __m256i q[4], high = _mm256_setzero_si256();
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++) {
            q[k] = load32(s->code + 128 * half + 32 * k);
            high = _mm256_or_si256(high, bits_of(q[k], 4, 2, 2 * k));
        }
#pragma GCC unroll 2
        for (int k = 0; k < 2; k++)
            store32(b->ql + 64 * half + 32 * k,
                    _mm256_or_si256(bits_of(q[k], 0, 4, 0), bits_of(q[k + 2], 0, 4, 4)));
        store32(b->qh + 32 * half, high);
    }
    memcpy(b->scales, s->sc, sizeof b->scales);
    b->d = s->d;
}

static void encode_q6_k(const float *src, void *dst, size_t nrows, size_t ncols,
                        const float *importance)
{
    nk_block_q6_k *out = dst;
    NK_UNSET nk_symmetric_block s[CHUNK];
    NK_UNSET chunk c;
    size_t blocks = nrows * ncols / NK_SUPER_LEN;
    for (size_t i = 0; i < blocks; i += CHUNK, out += CHUNK) {
        float size[CHUNK];
        next_chunk(&c, src, i, blocks, ncols, importance);
        c.groups = c.blocks * BLOCK_GROUPS;
        search_groups(&c, BIAS_Q6, false);
        code_scales(&c, Q6_TOP, s, size);
        recode_symmetric(&c, BIAS_Q6, false, s);
        for (int b = 0; b < c.blocks; b++) {
            if (size[b] < NK_GROUP_EPS)
                memset(&out[b], 0, sizeof out[b]);
            else
                pack_q6_k(&out[b], &s[b]);
        }
    }
}

#endif
#endif
