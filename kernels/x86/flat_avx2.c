#include "kernels/flat.h"
#include "kernels/dot_rows.h"
#include "kernels/x86/groups_avx2.h"
#include "kernels/x86/x86.h"

/* Flat blocks of IQ types against q8_K, and how they are made. Codes are looked up as levels raised
 * to be unsigned, so that one maddubs multiplies them; each small scale's share of the raise is
 * taken off first, by the activations' sums: the integers are those of the source type. iq3_s needs
 * no table: 2q - 15 is the code itself under a doubled scale. */

enum { RAISE_IQ1 = 9, RAISE_IQ2 = 43, RAISE_IQ3_XXS = 62, RAISE_IQ3_S = 15 };

static const int8_t raised_iq1[NK_FLAT_LEVELS] = {0, 2, 8, 10, 16, 18};
static const int8_t raised_iq2[NK_FLAT_LEVELS] = {0, 18, 35, 51, 68, 86};
static const int8_t raised_iq3_xxs[NK_FLAT_LEVELS] = {0,  10, 18, 26, 34, 42,  50,  58,
                                                      66, 74, 82, 90, 98, 106, 114, 124};

/* --- dots ---------------------------------------------------------------------------------------
 */

NK_INLINE void read_flat3(const char *block, const column *c, const int raise, parts *p)
{
    p->scale16 = scales_of_nibbles(((const nk_block_flat3 *)(const void *)block)->scales);
    __m256i less = _mm256_mullo_epi16(p->scale16, _mm256_set1_epi16((short)-raise));
    p->sum = _mm256_madd_epi16(less, c->sum16);
}

NK_INLINE void read_flat_iq1(const char *block, const column *c, parts *p)
{
    read_flat3(block, c, RAISE_IQ1, p);
}

NK_INLINE __m256i pairs_flat_iq1(const char *block, const int8_t *x, const parts *p,
                                 const uint64_t *grid, const int g)
{
    (void)p;
    (void)grid;
    __m256i v = levels_of(codes_flat3(block, g), raised_iq1);
    return _mm256_maddubs_epi16(v, load32(x + NK_LEN * g));
}

NK_INLINE void read_flat_iq2(const char *block, const column *c, parts *p)
{
    read_flat3(block, c, RAISE_IQ2, p);
}

NK_INLINE __m256i pairs_flat_iq2(const char *block, const int8_t *x, const parts *p,
                                 const uint64_t *grid, const int g)
{
    (void)p;
    (void)grid;
    __m256i v = levels_of(codes_flat3(block, g), raised_iq2);
    return _mm256_maddubs_epi16(v, load32(x + NK_LEN * g));
}

NK_INLINE void read_flat4(const char *block, const column *c, const int raise, const bool twice,
                          parts *p)
{
    __m128i low = _mm_set1_epi8(15);
    __m128i v =
        _mm_cvtsi32_si128((int)load_u32(((const nk_block_flat4 *)(const void *)block)->scales));
    v = _mm_unpacklo_epi8(_mm_and_si128(v, low), _mm_and_si128(_mm_srli_epi16(v, 4), low));
    v = _mm_cvtepu8_epi16(_mm_or_si128(_mm_add_epi8(v, v), _mm_set1_epi8(1)));
    __m128i less = _mm_mullo_epi16(v, _mm_set1_epi16((short)-raise));
    p->sum = _mm256_zextsi128_si256(_mm_madd_epi16(less, c->sum32));
    if (twice)
        v = _mm_add_epi16(v, v);
    _mm_store_si128((__m128i *)p->scale32[0], _mm_unpacklo_epi16(v, v));
    _mm_store_si128((__m128i *)p->scale32[4], _mm_unpackhi_epi16(v, v));
}

NK_INLINE void read_flat_iq3_xxs(const char *block, const column *c, parts *p)
{
    read_flat4(block, c, RAISE_IQ3_XXS, false, p);
}

NK_INLINE __m256i pairs_flat_iq3_xxs(const char *block, const int8_t *x, const parts *p,
                                     const uint64_t *grid, const int g)
{
    (void)p;
    (void)grid;
    __m256i v = levels_of(codes_flat4(block, g), raised_iq3_xxs);
    return _mm256_maddubs_epi16(v, load32(x + NK_LEN * g));
}

NK_INLINE void read_flat_iq3_s(const char *block, const column *c, parts *p)
{
    read_flat4(block, c, RAISE_IQ3_S, true, p);
}

NK_INLINE __m256i pairs_flat_iq3_s(const char *block, const int8_t *x, const parts *p,
                                   const uint64_t *grid, const int g)
{
    (void)p;
    (void)grid;
    return _mm256_maddubs_epi16(codes_flat4(block, g), load32(x + NK_LEN * g));
}

#define FLAT_TYPE(sym, d, scaling)                                                                 \
    static const grid_type grid_##sym = {read_##sym,    pairs_##sym, d, sizeof(nk_block_##sym),    \
                                         NK_GRID_COUNT, scaling};
FLAT_TYPE(flat_iq1, eighth_of_8, PER_16)
FLAT_TYPE(flat_iq2, eighth_of_8, PER_16)
FLAT_TYPE(flat_iq3_xxs, quarter_of_8, PER_32)
FLAT_TYPE(flat_iq3_s, first_of_8, PER_32)

#define FLAT_ROWS(ID, sym, d_of, grid_of) NK_ROWS_PAIR(grid_rows, grid_##sym, sym)
NK_FLAT_TYPES(FLAT_ROWS)

/* --- making -------------------------------------------------------------------------------------
 */

/* Magnitudes, shifted right by this, count up from 0. */
enum { SHIFT_IQ1 = 2, SHIFT_IQ2 = 4, SHIFT_IQ3_XXS = 3, SHIFT_IQ3_S = 1 };

typedef nk_f16 half_fn(const void *block); /* d */

NK_INLINE nk_f16 first_half(const void *block)
{
    nk_f16 d;
    memcpy(&d, block, sizeof d);
    return d;
}

/* Group g of 32 codes; half: of the levels. */
NK_INLINE __m256i codes_of(const lattice_type t, const void *block, const uint64_t *grid,
                           const int shift, const int half, const int g)
{
    __m256i v = t.values(block, grid, g);
    __m256i size = _mm256_and_si256(_mm256_srli_epi16(_mm256_abs_epi8(v), shift),
                                    _mm256_set1_epi8((char)(0xff >> shift)));
    __m256i above = _mm256_add_epi8(size, _mm256_set1_epi8((char)half));
    __m256i below = _mm256_sub_epi8(_mm256_set1_epi8((char)(half - 1)), size);
    return _mm256_blendv_epi8(above, below, v);
}

NK_INLINE void flatten3(const lattice_type t, half_fn *half_of, const int shift, const void *src,
                        void *dst, size_t n)
{
    const uint64_t *grid = grid_of(t.grid);
    const char *from = src;
    nk_block_flat3 *b = dst;
    for (size_t i = 0; i < n / NK_SUPER_LEN; i++, from += t.block_size, b++) {
        NK_UNSET __m256i q[8];
        NK_UNSET uint8_t sc[16];
        t.scales(from, sc);
        b->d = half_of(from);
        for (int g = 0; g < 8; g++)
            b->scales[g] = (uint8_t)(sc[2 * g] >> 1 | (sc[2 * g + 1] >> 1) << 4);
#pragma GCC unroll 8
        for (int g = 0; g < 8; g++)
            q[g] = codes_of(t, from, grid, shift, 3, g);
        const __m256i low2 = _mm256_set1_epi8(3), bit2 = _mm256_set1_epi8(4);
        const __m256i rest[3] = {
            _mm256_slli_epi16(_mm256_and_si256(q[6], low2), 6),
            _mm256_slli_epi16(_mm256_and_si256(q[7], low2), 6),
            _mm256_or_si256(_mm256_slli_epi16(_mm256_and_si256(q[6], bit2), 4),
                            _mm256_slli_epi16(_mm256_and_si256(q[7], bit2), 5)),
        };
#pragma GCC unroll 3
        for (int k = 0; k < 3; k++) {
            __m256i v = _mm256_or_si256(q[2 * k], _mm256_slli_epi16(q[2 * k + 1], 3));
            store32(b->qs + k * NK_FLAT_PLANE, _mm256_or_si256(v, rest[k]));
        }
    }
}

NK_INLINE void flatten4(const lattice_type t, half_fn *half_of, const int shift, const void *src,
                        void *dst, size_t n)
{
    const uint64_t *grid = grid_of(t.grid);
    const char *from = src;
    nk_block_flat4 *b = dst;
    for (size_t i = 0; i < n / NK_SUPER_LEN; i++, from += t.block_size, b++) {
        NK_UNSET uint8_t sc[16];
        t.scales(from, sc);
        b->d = half_of(from);
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++) {
            __m256i low = codes_of(t, from, grid, shift, 8, 2 * k);
            __m256i high = codes_of(t, from, grid, shift, 8, 2 * k + 1);
            b->scales[k] = (uint8_t)(sc[4 * k] >> 1 | (sc[4 * k + 2] >> 1) << 4);
            store32(b->qs + 32 * k, _mm256_or_si256(low, _mm256_slli_epi16(high, 4)));
        }
    }
}

NK_LATTICE_TYPES(NK_LATTICE_TYPE)

#define FLATTEN(sym, way, shift, half_of)                                                          \
    static void flatten_##sym(const void *src, void *dst, size_t n)                                \
    {                                                                                              \
        way(lattice_##sym, half_of, shift, src, dst, n);                                           \
    }
FLATTEN(iq1_s, flatten3, SHIFT_IQ1, first_half)
FLATTEN(iq1_m, flatten3, SHIFT_IQ1, half_iq1_m)
FLATTEN(iq2_xxs, flatten3, SHIFT_IQ2, first_half)
FLATTEN(iq2_xs, flatten3, SHIFT_IQ2, first_half)
FLATTEN(iq2_s, flatten3, SHIFT_IQ2, first_half)
FLATTEN(iq3_xxs, flatten4, SHIFT_IQ3_XXS, first_half)
FLATTEN(iq3_s, flatten4, SHIFT_IQ3_S, first_half)

#define FLAT_SET(ID, sym, d_of, grid_of)    NK_ROWS_SET(ID, sym)
#define FLATTEN_SET(ID, sym, d_of, grid_of) ops->flatten[NK_##ID] = flatten_##sym;

void nk_x86_flat_avx2(nk_ops *ops)
{
    NK_FLAT_TYPES(FLAT_SET)
    NK_LATTICE_TYPES(FLATTEN_SET)
}
