/* How weights come out of the blocks of the IQ types on grids: group g of 32 signed values (g a
 * constant after inlining) and a small scale per 16; w = d * scale * value as in quant/lattice.h.
 * Included only by files compiled for AVX2 and above; the layouts are drawn in blocks.h. */
#ifndef NIBBLE_X86_LATTICE_AVX2_H
#define NIBBLE_X86_LATTICE_AVX2_H

#include "kernels/flat.h"
#include "kernels/quant/grid.h"
#include "kernels/x86/avx2.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

/* grid: nk_grid_values of the type. */
typedef __m256i lattice_values_fn(const void *block, const uint64_t *grid, int g);
typedef void lattice_scales_fn(const void *block, uint8_t sc[16]);
typedef float lattice_d_fn(const void *block);

/* What of one type makes up the loops of dot and decode. */
typedef struct lattice_type {
    lattice_values_fn *values;
    lattice_scales_fn *scales;
    lattice_d_fn *d;
    size_t block_size;
    nk_grid_id grid;
} lattice_type;

NK_INLINE uint32_t load_u32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Four times seven signs, bits 0-27, as four bytes of eight whose number is even. */
NK_INLINE uint32_t even_signs(uint32_t bits)
{
    uint32_t s =
        (bits & 0x7f) | (bits << 1 & 0x7f00) | (bits << 2 & 0x7f0000) | (bits << 3 & 0x7f000000);
    uint32_t odd = s ^ s >> 4;
    odd ^= odd >> 2;
    odd ^= odd >> 1;
    return s | (odd & 0x01010101u) << 7;
}

/* v negative where a bit of signs is set */
NK_INLINE __m256i apply_signs(__m256i v, uint32_t signs)
{
    __m256i minus = spread_bits(&signs);
    return _mm256_sub_epi8(_mm256_xor_si256(v, minus), minus);
}

NK_INLINE __m256i four_points(const uint64_t *grid, unsigned a, unsigned b, unsigned c, unsigned d)
{
    return _mm256_setr_epi64x((long long)grid[a], (long long)grid[b], (long long)grid[c],
                              (long long)grid[d]);
}

/* Points of four weights. */
NK_INLINE __m256i eight_points(const uint64_t *grid, const uint8_t *low, unsigned high)
{
    NK_UNSET uint64_t v[4];
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++)
        v[k] = grid[low[2 * k] | (high >> 2 * k & 1) << 8] |
               grid[low[2 * k + 1] | (high >> (2 * k + 1) & 1) << 8] << 32;
    return _mm256_setr_epi64x((long long)v[0], (long long)v[1], (long long)v[2], (long long)v[3]);
}

/* --- iq2 -------------------------------------------------------------------------------------- */

NK_INLINE __m256i values_iq2_xxs(const void *block, const uint64_t *grid, int g)
{
    const uint8_t *q = ((const nk_block_iq2_xxs *)block)->qs + 8 * g;
    return apply_signs(four_points(grid, q[0], q[1], q[2], q[3]), even_signs(load_u32(q + 4)));
}

NK_INLINE __m256i values_iq2_xs(const void *block, const uint64_t *grid, int g)
{
    uint64_t q;
    memcpy(&q, ((const nk_block_iq2_xs *)block)->qs + 8 * g, sizeof q);
    uint32_t bits = (uint32_t)((q >> 9 & 0x7f) | (q >> 18 & 0x3f80) | (q >> 27 & 0x1fc000) |
                               (q >> 36 & 0xfe00000));
    return apply_signs(
        four_points(grid, q & 511, q >> 16 & 511, q >> 32 & 511, (unsigned)(q >> 48) & 511),
        even_signs(bits));
}

NK_INLINE __m256i values_iq2_s(const void *block, const uint64_t *grid, int g)
{
    const nk_block_iq2_s *b = block;
    const uint8_t *q = b->qs + 4 * g;
    unsigned h = (unsigned)b->qh[g] << 8;
    return apply_signs(four_points(grid, q[0] | (h & 0x300), q[1] | (h >> 2 & 0x300),
                                   q[2] | (h >> 4 & 0x300), q[3] | (h >> 6 & 0x300)),
                       load_u32(b->signs + 4 * g));
}

/* Eight bytes of two nibbles s -> sixteen 2s + 1 */
NK_INLINE void nibble_scales(const uint8_t *nibbles, uint8_t sc[16])
{
    __m128i v = _mm_loadl_epi64((const __m128i_u *)nibbles), low = _mm_set1_epi8(15);
    v = _mm_unpacklo_epi8(_mm_and_si128(v, low), _mm_and_si128(_mm_srli_epi16(v, 4), low));
    v = _mm_add_epi8(_mm_add_epi8(v, v), _mm_set1_epi8(1));
    _mm_storeu_si128((__m128i_u *)sc, v);
}

/* s at bits 28-31 of a u32 per 32 weights, `stride` bytes apart */
NK_INLINE void top_scales(const uint8_t *words, int stride, uint8_t sc[16])
{
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++)
        sc[2 * g] = sc[2 * g + 1] = (uint8_t)((words[stride * g + 3] >> 4) * 2 + 1);
}

NK_INLINE void scales_iq2_xxs(const void *block, uint8_t sc[16])
{
    top_scales(((const nk_block_iq2_xxs *)block)->qs + 4, 8, sc);
}

NK_INLINE void scales_iq2_xs(const void *block, uint8_t sc[16])
{
    nibble_scales(((const nk_block_iq2_xs *)block)->scales, sc);
}

NK_INLINE void scales_iq2_s(const void *block, uint8_t sc[16])
{
    nibble_scales(((const nk_block_iq2_s *)block)->scales, sc);
}

/* d is every block's first field but iq1_m's */
NK_INLINE float first_d(const void *block)
{
    nk_f16 d;
    memcpy(&d, block, sizeof d);
    return f16_one(d);
}

NK_INLINE float d_eighth(const void *block)
{
    return first_d(block) * 0.125f;
}

NK_INLINE float d_quarter(const void *block)
{
    return first_d(block) * 0.25f;
}

/* --- iq3 -------------------------------------------------------------------------------------- */

NK_INLINE __m256i values_iq3_xxs(const void *block, const uint64_t *grid, int g)
{
    const nk_block_iq3_xxs *b = block;
    return apply_signs(eight_points(grid, b->qs + 8 * g, 0),
                       even_signs(load_u32(b->signs + 4 * g)));
}

NK_INLINE __m256i values_iq3_s(const void *block, const uint64_t *grid, int g)
{
    const nk_block_iq3_s *b = block;
    return apply_signs(eight_points(grid, b->qs + 8 * g, b->qh[g]), load_u32(b->signs + 4 * g));
}

NK_INLINE void scales_iq3_xxs(const void *block, uint8_t sc[16])
{
    top_scales(((const nk_block_iq3_xxs *)block)->signs, 4, sc);
}

/* Four bytes of two nibbles s, each of 32 weights. */
NK_INLINE void four_scales(const uint8_t *s, uint8_t sc[16])
{
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++)
        sc[2 * g] = sc[2 * g + 1] = (uint8_t)((s[g / 2] >> g % 2 * 4 & 15) * 2 + 1);
}

NK_INLINE void scales_iq3_s(const void *block, uint8_t sc[16])
{
    four_scales(((const nk_block_iq3_s *)block)->scales, sc);
}

/* --- iq1: eighths, 8 * level + 1 or - 1 --------------------------------------------------------
 */

NK_INLINE __m256i eighths(__m256i levels, __m256i shift)
{
    __m256i by8 = _mm256_and_si256(_mm256_slli_epi16(levels, 3), _mm256_set1_epi8((char)0xf8));
    return _mm256_add_epi8(by8, shift);
}

NK_INLINE long long shift_of(unsigned minus)
{
    return minus ? -1LL : 0x0101010101010101LL;
}

NK_INLINE __m256i values_iq1_s(const void *block, const uint64_t *grid, int g)
{
    const nk_block_iq1_s *b = block;
    const uint8_t *q = b->qs + 4 * g;
    unsigned h = (unsigned)b->qh[2 * g] | (unsigned)b->qh[2 * g + 1] << 8;
    __m256i v = four_points(grid, q[0] | (h << 8 & 0x700), q[1] | (h << 5 & 0x700),
                            q[2] | (h << 2 & 0x700), q[3] | (h >> 1 & 0x700));
    return eighths(v, _mm256_set1_epi64x(shift_of(h & 0x8000)));
}

NK_INLINE __m256i values_iq1_m(const void *block, const uint64_t *grid, int g)
{
    const nk_block_iq1_m *b = block;
    const uint8_t *q = b->qs + 4 * g;
    unsigned h = (unsigned)b->qh[2 * g] | (unsigned)b->qh[2 * g + 1] << 8;
    __m256i v = four_points(grid, q[0] | (h << 8 & 0x700), q[1] | (h << 4 & 0x700),
                            q[2] | (h & 0x700), q[3] | (h >> 4 & 0x700));
    return eighths(v, _mm256_setr_epi64x(shift_of(h & 0x8), shift_of(h & 0x80), shift_of(h & 0x800),
                                         shift_of(h & 0x8000)));
}

NK_INLINE void scales_iq1_s(const void *block, uint8_t sc[16])
{
    const nk_block_iq1_s *b = block;
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++)
        sc[2 * g] = sc[2 * g + 1] = (uint8_t)((b->qh[2 * g + 1] >> 4 & 7) * 2 + 1);
}

NK_INLINE uint64_t words_iq1_m(const void *block)
{
    uint64_t s;
    memcpy(&s, ((const nk_block_iq1_m *)block)->scales, sizeof s);
    return s;
}

NK_INLINE void scales_iq1_m(const void *block, uint8_t sc[16])
{
    uint64_t s = words_iq1_m(block);
#pragma GCC unroll 16
    for (int k = 0; k < 16; k++)
        sc[k] = (uint8_t)((s >> (k / 4 * 16 + k % 4 * 3) & 7) * 2 + 1);
}

NK_INLINE nk_f16 half_iq1_m(const void *block)
{
    uint64_t s = words_iq1_m(block);
    uint64_t d = (s >> 12 & 15) | (s >> 24 & 0xf0) | (s >> 36 & 0xf00) | (s >> 48 & 0xf000);
    return (nk_f16)d;
}

NK_INLINE float d_iq1_m(const void *block)
{
    return f16_one(half_iq1_m(block)) * 0.125f;
}

/* --- flat blocks: no grid ----------------------------------------------------------------------
 */

NK_INLINE __m256i codes_flat3(const void *block, int g)
{
    const uint8_t *q = ((const nk_block_flat3 *)block)->qs;
    const __m256i low3 = _mm256_set1_epi8(7), low2 = _mm256_set1_epi8(3);
    if (g < 6) {
        __m256i v = load32(q + g / 2 * NK_FLAT_PLANE);
        return _mm256_and_si256(g % 2 ? _mm256_srli_epi16(v, 3) : v, low3);
    }
    __m256i v = load32(q + (g - 6) * NK_FLAT_PLANE), top = load32(q + 2 * NK_FLAT_PLANE);
    v = _mm256_and_si256(_mm256_srli_epi16(v, 6), low2);
    top = _mm256_and_si256(_mm256_srli_epi16(top, g - 2), _mm256_set1_epi8(4));
    return _mm256_or_si256(v, top);
}

NK_INLINE __m256i codes_flat4(const void *block, int g)
{
    __m256i v = load32(((const nk_block_flat4 *)block)->qs + g / 2 * 32);
    return _mm256_and_si256(g % 2 ? _mm256_srli_epi16(v, 4) : v, _mm256_set1_epi8(15));
}

NK_INLINE __m256i values_flat_iq1(const void *block, const uint64_t *grid, int g)
{
    (void)grid;
    return levels_of(codes_flat3(block, g), nk_flat_levels_iq1);
}

NK_INLINE __m256i values_flat_iq2(const void *block, const uint64_t *grid, int g)
{
    (void)grid;
    return levels_of(codes_flat3(block, g), nk_flat_levels_iq2);
}

NK_INLINE __m256i values_flat_iq3_xxs(const void *block, const uint64_t *grid, int g)
{
    (void)grid;
    return levels_of(codes_flat4(block, g), nk_flat_levels_iq3_xxs);
}

NK_INLINE __m256i values_flat_iq3_s(const void *block, const uint64_t *grid, int g)
{
    __m256i v = codes_flat4(block, g);
    (void)grid;
    return _mm256_sub_epi8(_mm256_add_epi8(v, v), _mm256_set1_epi8(15));
}

NK_INLINE void scales_flat_iq1(const void *block, uint8_t sc[16])
{
    nibble_scales(((const nk_block_flat3 *)block)->scales, sc);
}

NK_INLINE void scales_flat_iq2(const void *block, uint8_t sc[16])
{
    nibble_scales(((const nk_block_flat3 *)block)->scales, sc);
}

NK_INLINE void scales_flat_iq3_xxs(const void *block, uint8_t sc[16])
{
    four_scales(((const nk_block_flat4 *)block)->scales, sc);
}

NK_INLINE void scales_flat_iq3_s(const void *block, uint8_t sc[16])
{
    four_scales(((const nk_block_flat4 *)block)->scales, sc);
}

/* --- the types ---------------------------------------------------------------------------------
 */

/* X(enum suffix, symbol, d, grid) */
#define NK_LATTICE_TYPES(X)                                                                        \
    X(IQ2_XXS, iq2_xxs, d_eighth, IQ2_XXS)                                                         \
    X(IQ2_XS, iq2_xs, d_eighth, IQ2_XS)                                                            \
    X(IQ2_S, iq2_s, d_eighth, IQ2_S)                                                               \
    X(IQ3_XXS, iq3_xxs, d_quarter, IQ3_XXS)                                                        \
    X(IQ3_S, iq3_s, first_d, IQ3_S)                                                                \
    X(IQ1_S, iq1_s, d_eighth, IQ1)                                                                 \
    X(IQ1_M, iq1_m, d_iq1_m, IQ1)

#define NK_LATTICE_TYPE(ID, sym, d_of, grid_of)                                                    \
    static const lattice_type lattice_##sym = {values_##sym, scales_##sym, d_of,                   \
                                               sizeof(nk_block_##sym), NK_GRID_##grid_of};

/* The same of flat blocks. */
typedef nk_block_flat3 nk_block_flat_iq1, nk_block_flat_iq2;
typedef nk_block_flat4 nk_block_flat_iq3_xxs, nk_block_flat_iq3_s;
#define NK_FLAT_TYPES(X)                                                                           \
    X(FLAT_IQ1, flat_iq1, d_eighth, COUNT)                                                         \
    X(FLAT_IQ2, flat_iq2, d_eighth, COUNT)                                                         \
    X(FLAT_IQ3_XXS, flat_iq3_xxs, d_quarter, COUNT)                                                \
    X(FLAT_IQ3_S, flat_iq3_s, first_d, COUNT)

/* NULL: the type has no grid. */
NK_INLINE const uint64_t *grid_of(const nk_grid_id id)
{
    return id < NK_GRID_COUNT ? nk_grid_values(id) : NULL;
}

/* --- q1_0: bits of 32 weights -> 1 or -1 --------------------------------------------------------
 */

NK_INLINE __m256i values_q1_0(const void *block, int g)
{
    __m256i set = spread_bits(((const nk_block_q1_0 *)block)->qs + 4 * g); /* -1 or 0 */
    return _mm256_sub_epi8(_mm256_set1_epi8(-1), _mm256_add_epi8(set, set));
}

#endif
#endif
