#include "kernels/x86/avx2.h"
#include "kernels/x86/x86.h"

/* Products of panels with AMX tiles, sixteen columns by sixteen rows: columns are the rows of the
 * left operand, a panel's lines are those of the right one, as they lie. Integers are the ones of
 * gemm.h, and so are the floats.
 *
 * Simple blocks: one product of 32 a block, its sums stored and scaled; a chunk's eight blocks are
 * summed up in a register a column. While one panel is scaled the tiles of the next are multiplied.
 * A tile of 8192 products costs one TDPBSSD, 16 lines stored and loaded, and three vector
 * operations a line (four with a min).
 * Super-blocks: codes times small scales, offsets taken off, are numbers of up to 16 bits, kept as
 * two bytes, low ones unsigned: v * x = low * x + 256 * (high * x). Both go through a whole chunk
 * in tiles: 4 or 8 products of 64 deep, then one pass of floats for 65536 products. The codes of
 * q2_K, q3_K and trits times their scales fit one byte (q3_K: less one, see PLUS_ONE).
 *
 * The compiler knows of no memory that tile loads read and stores write, hence the fences. */

#include <immintrin.h>

enum {
    LINES = NK_CHUNK / 4,
    DEEP = 64,             /* products of one tile operation */
    DEEP_LINES = DEEP / 4, /* lines of a panel */
    BLOCK_LINES = NK_LEN / 4,
    LINE_BYTES = NK_PANEL_ROWS * 4,
    C_TILES = 4, /* tiles 0..3; 4.. are operands */
};

/* Sums of one tile, [column][row of the panel]. */
typedef int32_t tile_sums[NK_WIDE][NK_PANEL_ROWS];

/* The 64 bytes LDTILECFG reads (Intel SDM vol. 1, 18.2.2): palette, start row, bytes a row and rows
 * of each tile. */
typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;
_Static_assert(sizeof(tile_config) == 64, "LDTILECFG");

/* Constants, because the compiler would drop stores to a local one. Four tiles of sums; then the
 * operands. */
static const tile_config simple_config = {
    .palette = 1,
    .row_bytes = {LINE_BYTES, LINE_BYTES, LINE_BYTES, LINE_BYTES, NK_LEN, NK_LEN, LINE_BYTES,
                  LINE_BYTES},
    .rows = {NK_WIDE, NK_WIDE, NK_WIDE, NK_WIDE, NK_WIDE, NK_WIDE, BLOCK_LINES, BLOCK_LINES},
};
static const tile_config super_config = {
    .palette = 1,
    .row_bytes = {LINE_BYTES, LINE_BYTES, LINE_BYTES, LINE_BYTES, DEEP, LINE_BYTES, LINE_BYTES,
                  LINE_BYTES},
    .rows = {NK_WIDE, NK_WIDE, NK_WIDE, NK_WIDE, NK_WIDE, DEEP_LINES, DEEP_LINES, DEEP_LINES},
};

NK_INLINE void fence(const void *p)
{
    __asm__ volatile("" : : "r"(p) : "memory");
}

static void enter_simple(void)
{
    _tile_loadconfig(&simple_config);
}

static void enter_super(void)
{
    _tile_loadconfig(&super_config);
}

static void leave(void)
{
    _tile_release();
}

NK_INLINE __m512i line_at(const void *p)
{
    return _mm512_load_si512(p);
}

/* --- simple blocks -----------------------------------------------------------------------------
 */

/* Blocks b and b + 1 of a panel against all columns, b + 1 only if there is one. */
NK_INLINE void multiply_pair(const nk_product *p, const nk_panel *w, size_t b, tile_sums *out)
{
    const nk_columns_wide *x = p->x;
    const size_t blocks = p->n / NK_LEN;
    if (b >= blocks)
        return;
    fence(w);
    _tile_loadd(4, x->q[0] + b * NK_LEN, NK_CHUNK);
    _tile_loadd(6, w->q[b * BLOCK_LINES], LINE_BYTES);
    _tile_zero(0);
    _tile_dpbssd(0, 4, 6);
    if (b + 1 < blocks) {
        _tile_loadd(5, x->q[0] + (b + 1) * NK_LEN, NK_CHUNK);
        _tile_loadd(7, w->q[(b + 1) * BLOCK_LINES], LINE_BYTES);
        _tile_zero(1);
        _tile_dpbssd(1, 5, 7);
        _tile_stored(1, out[b + 1], LINE_BYTES);
    }
    _tile_stored(0, out[b], LINE_BYTES);
    fence(out);
}

/* One column of a panel: the sums of its blocks into y. */
NK_INLINE void scale_simple(const nk_product *p, const nk_panel *w, const tile_sums *sums, size_t c,
                            float *y, const bool has_m)
{
    const nk_columns_wide *x = p->x;
    __m512 sum = p->first ? _mm512_setzero_ps() : _mm512_loadu_ps(y);
#pragma GCC unroll 8
    for (size_t b = 0; b < NK_PARTS; b++) {
        if (b >= p->n / NK_LEN)
            break;
        __m512 scale = _mm512_mul_ps(_mm512_load_ps(w->d[b]), _mm512_set1_ps(x->d[b][c]));
        sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(line_at(sums[b][c])), scale, sum);
        if (has_m)
            sum = _mm512_fmadd_ps(_mm512_load_ps(w->m[b]), _mm512_set1_ps(x->s[b][c]), sum);
    }
    _mm512_storeu_ps(y, sum);
}

NK_INLINE void simple_product(const nk_product *p, const bool has_m)
{
    _Alignas(64) NK_UNSET tile_sums sums[2][NK_PARTS];
    for (size_t b = 0; b < NK_PARTS; b += 2)
        multiply_pair(p, p->w, b, sums[0]);
    for (size_t i = 0; i < p->panels; i++) {
        const nk_panel *w = p->w + i;
        for (size_t quarter = 0; quarter < NK_WIDE / 4; quarter++) {
            if (i + 1 < p->panels)
                multiply_pair(p, w + 1, 2 * quarter, sums[(i + 1) % 2]);
            for (size_t c = 4 * quarter; c < 4 * quarter + 4 && c < p->nc; c++)
                scale_simple(p, w, sums[i % 2], c, p->y + c * p->y_stride + i * NK_PANEL_ROWS,
                             has_m);
        }
    }
}

static void wide_simple(const nk_product *p)
{
    simple_product(p, false);
}

static void wide_simple_min(const nk_product *p)
{
    simple_product(p, true);
}

/* Unsigned codes to signed ones. */
NK_INLINE void take_off(nk_panel *panel, size_t n, int offset)
{
    for (size_t i = 0; i < n / 4; i++)
        _mm512_store_si512(panel->q[i],
                           _mm512_sub_epi8(line_at(panel->q[i]), _mm512_set1_epi8((char)offset)));
}

static void prepare_less8(nk_panel *panel, size_t n)
{
    take_off(panel, n, 8);
}

static void prepare_less16(nk_panel *panel, size_t n)
{
    take_off(panel, n, 16);
}

static void prepare_less128(nk_panel *panel, size_t n)
{
    take_off(panel, n, 128);
}

/* --- super-blocks ------------------------------------------------------------------------------
 */

/* What of a type makes up its product; all constants. */
typedef struct folded_type {
    int group;      /* lines under one small scale, 4 or 8 */
    bool is_signed; /* codes, before an offset */
    bool offset;    /* panels hold scale times offset in min */
    int min;        /* pairs of mins; 0: none */
    int planes;     /* bytes of code times scale */
    int less;       /* taken off to fit one byte, added as that many times the activations' sum */
} folded_type;

/* (scale - 32) * (code - 4) is in -124..128 */
enum { PLUS_ONE = 1 };

static const folded_type fold_q2_k = {.group = 4, .min = NK_CHUNK / 32, .planes = 1};
static const folded_type fold_q3_k = {.group = 4, .offset = true, .planes = 1, .less = PLUS_ONE};
static const folded_type fold_mins = {.group = 8, .min = NK_CHUNK / 64, .planes = 2};
static const folded_type fold_less = {.group = 4, .offset = true, .planes = 2};
static const folded_type fold_trits = {.group = 8, .offset = true, .planes = 1};
static const folded_type fold_signed16 = {.group = 4, .is_signed = true, .planes = 2};
static const folded_type fold_signed32 = {.group = 8, .is_signed = true, .planes = 2};

/* The lower 16 bits of each lane in both halves of it. */
NK_INLINE __m512i lower_twice(__m512i v)
{
    v = _mm512_and_si512(v, _mm512_set1_epi32(0xffff));
    return _mm512_or_si512(v, _mm512_slli_epi32(v, 16));
}

/* The offset of group g times its scale, twice in each lane. */
NK_INLINE __m512i offset_of(const nk_panel *p, size_t g)
{
    __m512i pair = line_at(p->min[g / 2]);
    return lower_twice(g % 2 ? _mm512_srli_epi32(pair, 16) : pair);
}

/* Code times scale of one line in place, its high bytes into the other plane. */
NK_INLINE void fold_line(const folded_type t, nk_panel *p, size_t i, __m512i scale, __m512i off)
{
    const __m512i low = _mm512_set1_epi16(0xff);
    __m512i line = line_at(p->q[i]), odd, even;
    if (t.is_signed) {
        even = _mm512_srai_epi16(_mm512_slli_epi16(line, 8), 8);
        odd = _mm512_srai_epi16(line, 8);
    } else {
        even = _mm512_and_si512(line, low);
        odd = _mm512_srli_epi16(line, 8);
    }
    even = _mm512_sub_epi16(_mm512_mullo_epi16(even, scale), off);
    odd = _mm512_sub_epi16(_mm512_mullo_epi16(odd, scale), off);
    line = _mm512_or_si512(_mm512_and_si512(even, low), _mm512_slli_epi16(odd, 8));
    _mm512_store_si512(p->q[i], line);
    if (t.planes == 1)
        return;
    line = _mm512_or_si512(_mm512_srli_epi16(even, 8), _mm512_andnot_si512(low, odd));
    _mm512_store_si512(p->high[i], line);
}

NK_INLINE void fold(const folded_type t, nk_panel *p)
{
    for (size_t g = 0; g < LINES / (size_t)t.group; g++) {
        __m512i scale = lower_twice(line_at(p->scale[g])), less = _mm512_set1_epi16((short)t.less);
        __m512i off = t.offset ? _mm512_add_epi16(offset_of(p, g), less) : less;
        for (size_t k = 0; k < (size_t)t.group; k++)
            fold_line(t, p, g * (size_t)t.group + k, scale, off);
    }
}

/* A chunk against all columns: four planes, of one panel or side by side, live of them. Their sums
 * come out in order. `low` holds for even planes: whether bytes are unsigned. */
NK_INLINE void multiply_planes(const nk_columns_wide *x, const void *const plane[C_TILES],
                               size_t live, const bool low, tile_sums out[C_TILES])
{
    fence(plane);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (size_t k = 0; k < NK_CHUNK / DEEP; k++) {
        const size_t at = k * DEEP_LINES * LINE_BYTES;
        _tile_loadd(4, x->q[0] + k * DEEP, NK_CHUNK);
        _tile_loadd(5, (const char *)plane[0] + at, LINE_BYTES);
        if (low)
            _tile_dpbsud(0, 4, 5);
        else
            _tile_dpbssd(0, 4, 5);
        if (live > 1) {
            _tile_loadd(6, (const char *)plane[1] + at, LINE_BYTES);
            _tile_dpbssd(1, 4, 6);
        }
        if (live > 2) {
            _tile_loadd(7, (const char *)plane[2] + at, LINE_BYTES);
            if (low)
                _tile_dpbsud(2, 4, 7);
            else
                _tile_dpbssd(2, 4, 7);
        }
        if (live > 3) {
            _tile_loadd(5, (const char *)plane[3] + at, LINE_BYTES);
            _tile_dpbssd(3, 4, 5);
        }
    }
    _tile_stored(0, out[0], LINE_BYTES);
    _tile_stored(1, out[1], LINE_BYTES);
    _tile_stored(2, out[2], LINE_BYTES);
    _tile_stored(3, out[3], LINE_BYTES);
    fence(out);
}

/* One column of a panel. */
NK_INLINE void scale_super(const folded_type t, const nk_product *p, const nk_panel *w,
                           const tile_sums *sums, size_t c, float *y)
{
    const nk_columns_wide *x = p->x;
    const __m512 d = _mm512_load_ps(w->d[0]), dx = _mm512_set1_ps(x->d[0][c]);
    __m512 sum = p->first ? _mm512_setzero_ps() : _mm512_loadu_ps(y);
    __m512i whole = line_at(sums[0][c]);
    if (t.planes == 2)
        whole = _mm512_add_epi32(whole, _mm512_slli_epi32(line_at(sums[1][c]), 8));
    if (t.less)
        whole = _mm512_add_epi32(whole, _mm512_set1_epi32(t.less * x->total[c]));
    if (!t.min) {
        sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(whole), _mm512_mul_ps(d, dx), sum);
    } else {
        __m512i min = _mm512_setzero_si512();
#pragma GCC unroll 8
        for (int i = 0; i < t.min; i++) {
            int32_t pair;
            memcpy(&pair, t.min == NK_CHUNK / 32 ? x->sum16[i][c] : x->sum32[i][c], sizeof pair);
            min = _mm512_dpwssd_epi32(min, line_at(w->min[i]), _mm512_set1_epi32(pair));
        }
        __m512 part = _mm512_mul_ps(_mm512_cvtepi32_ps(whole), d);
        part = _mm512_fnmadd_ps(_mm512_cvtepi32_ps(min), _mm512_load_ps(w->m[0]), part);
        sum = _mm512_fmadd_ps(part, dx, sum);
    }
    _mm512_storeu_ps(y, sum);
}

NK_INLINE void super_product(const folded_type t, const nk_product *p)
{
    _Alignas(64) NK_UNSET tile_sums sums[C_TILES];
    const size_t side = (size_t)(C_TILES / t.planes);
    for (size_t i = 0; i < p->panels; i += side) {
        const void *plane[C_TILES] = {0};
        size_t panels = p->panels - i < side ? p->panels - i : side, live = 0;
        for (size_t k = 0; k < panels; k++) {
            plane[live++] = p->w[i + k].q;
            if (t.planes == 2)
                plane[live++] = p->w[i + k].high;
        }
        multiply_planes(p->x, plane, live, t.planes == 2, sums);
        for (size_t k = 0; k < panels; k++)
            for (size_t c = 0; c < p->nc; c++)
                scale_super(t, p, p->w + i + k, sums + k * (size_t)t.planes, c,
                            p->y + c * p->y_stride + (i + k) * NK_PANEL_ROWS);
    }
}

#define FOLDED(type)                                                                               \
    static void prepare_##type(nk_panel *panel, size_t n)                                          \
    {                                                                                              \
        (void)n;                                                                                   \
        fold(fold_##type, panel);                                                                  \
    }                                                                                              \
    static void wide_##type(const nk_product *p)                                                   \
    {                                                                                              \
        super_product(fold_##type, p);                                                             \
    }
FOLDED(q2_k)
FOLDED(q3_k)
FOLDED(mins)
FOLDED(less)
FOLDED(trits)
FOLDED(signed16)
FOLDED(signed32)

/* Two whole tiles by two, kernels/burst.h. */
static uint64_t burst(size_t turns)
{
    static const tile_config config = {
        .palette = 1,
        .row_bytes = {DEEP, DEEP, DEEP, DEEP, DEEP, DEEP, DEEP, DEEP},
        .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
    _tile_loadconfig(&config);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
    _tile_zero(6);
    _tile_zero(7);
    for (size_t i = 0; i < turns; i++) {
        _tile_dpbssd(0, 4, 6);
        _tile_dpbssd(1, 4, 7);
        _tile_dpbssd(2, 5, 6);
        _tile_dpbssd(3, 5, 7);
    }
    _tile_release();
    return (uint64_t)turns * C_TILES * 16 * 16 * DEEP;
}

/* --- the table ---------------------------------------------------------------------------------
 */

#define SIMPLE(run, prepare)                                                                       \
    {                                                                                              \
        run, prepare, enter_simple, leave                                                          \
    }
#define SUPER(type)                                                                                \
    {                                                                                              \
        wide_##type, prepare_##type, enter_super, leave                                            \
    }

void nk_x86_gemm_amx(nk_ops *ops)
{
    static const struct {
        nk_type_id id;
        nk_wide wide;
    } rows[] = {
        {NK_Q4_0, SIMPLE(wide_simple, prepare_less8)},
        {NK_Q4_1, SIMPLE(wide_simple_min, NULL)},
        {NK_Q5_0, SIMPLE(wide_simple, prepare_less16)},
        {NK_Q5_1, SIMPLE(wide_simple_min, NULL)},
        {NK_Q8_0, SIMPLE(wide_simple, prepare_less128)},
        {NK_IQ4_NL, SIMPLE(wide_simple, prepare_less128)},
        {NK_MXFP4, SIMPLE(wide_simple, prepare_less16)},
        {NK_Q1_0, SIMPLE(wide_simple, prepare_less8)},
        {NK_Q2_K, SUPER(q2_k)},
        {NK_Q3_K, SUPER(q3_k)},
        {NK_Q4_K, SUPER(mins)},
        {NK_Q5_K, SUPER(mins)},
        {NK_Q6_K, SUPER(less)},
        {NK_TQ1_0, SUPER(trits)},
        {NK_TQ2_0, SUPER(trits)},
        {NK_IQ4_XS, SUPER(signed32)},
        {NK_IQ1_S, SUPER(less)},
        {NK_IQ1_M, SUPER(less)},
        {NK_IQ2_XXS, SUPER(signed32)},
        {NK_IQ2_XS, SUPER(signed16)},
        {NK_IQ2_S, SUPER(signed16)},
        {NK_IQ3_XXS, SUPER(signed32)},
        {NK_IQ3_S, SUPER(less)},
        {NK_FLAT_IQ1, SUPER(less)},
        {NK_FLAT_IQ2, SUPER(signed16)},
        {NK_FLAT_IQ3_XXS, SUPER(signed32)},
        {NK_FLAT_IQ3_S, SUPER(less)},
    };
    for (size_t i = 0; i < countof(rows); i++)
        ops->wide[rows[i].id] = rows[i].wide;
    ops->burst.int8 = burst;
}
