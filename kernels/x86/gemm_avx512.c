#include "kernels/x86/avx2.h"
#include "kernels/x86/x86.h"

/* Products of panels with AVX-512 and VNNI: all rows of a panel in one vector; panels are AVX2's.
 */

typedef __m512i iv;
typedef __m512 fv;
enum { FV_LEN = 16 };

NK_INLINE iv iv_zero(void)
{
    return _mm512_setzero_si512();
}

NK_INLINE iv iv_load(const void *p)
{
    return _mm512_load_si512(p);
}

NK_INLINE iv iv_set(int32_t v)
{
    return _mm512_set1_epi32(v);
}

/* Four bytes for all lanes. */
NK_INLINE iv iv_four(const void *p)
{
    int32_t v;
    memcpy(&v, p, sizeof v);
    return _mm512_set1_epi32(v);
}

/* sum + a * b of the pairs of 16 bits */
NK_INLINE iv iv_dpwssd(iv sum, iv a, iv b)
{
    return _mm512_dpwssd_epi32(sum, a, b);
}

/* sum + four products of unsigned w and signed x in each lane */
NK_INLINE iv iv_dpbusd(iv sum, iv w, iv x)
{
    return _mm512_dpbusd_epi32(sum, w, x);
}

NK_INLINE iv iv_mul(iv a, iv b)
{
    return _mm512_mullo_epi32(a, b);
}

/* The upper 16 bits of each lane, signed. */
NK_INLINE iv iv_upper(iv v)
{
    return _mm512_srai_epi32(v, 16);
}

/* The lower 16 bits alone. */
NK_INLINE iv iv_lower(iv v)
{
    return _mm512_and_si512(v, _mm512_set1_epi32(0xffff));
}

/* Signed bytes as unsigned ones, 128 higher. */
NK_INLINE iv iv_flip(iv v)
{
    return _mm512_xor_si512(v, _mm512_set1_epi8(-128));
}

NK_INLINE iv iv_add(iv a, iv b)
{
    return _mm512_add_epi32(a, b);
}

NK_INLINE iv iv_sub(iv a, iv b)
{
    return _mm512_sub_epi32(a, b);
}

NK_INLINE iv iv_shift(iv v, int left)
{
    return _mm512_sll_epi32(v, _mm_cvtsi32_si128(left));
}

NK_INLINE fv fv_zero(void)
{
    return _mm512_setzero_ps();
}

NK_INLINE fv fv_of(iv v)
{
    return _mm512_cvtepi32_ps(v);
}

NK_INLINE fv fv_load(const void *p)
{
    return _mm512_loadu_ps(p);
}

NK_INLINE void fv_store(float *p, fv v)
{
    _mm512_storeu_ps(p, v);
}

NK_INLINE fv fv_set(float v)
{
    return _mm512_set1_ps(v);
}

NK_INLINE fv fv_mul(fv a, fv b)
{
    return _mm512_mul_ps(a, b);
}

/* a * b + c, c - a * b */
NK_INLINE fv fv_fma(fv a, fv b, fv c)
{
    return _mm512_fmadd_ps(a, b, c);
}

NK_INLINE fv fv_fnma(fv a, fv b, fv c)
{
    return _mm512_fnmadd_ps(a, b, c);
}

/* Has v wait in memory, not in a register: here there are enough of them. */
NK_INLINE void fv_put_away(fv *v)
{
    (void)v;
}

#define NK_GEMM_VNNI
#define NK_GEMM_LANES
#include "kernels/x86/gemm_lanes.h"
#include "kernels/x86/gemm_products.h"
#include "kernels/x86/gemm_signed.h"

#define SET_SIMPLE(ID, sym, product, less) ops->gemm[NK_##ID].run = gemm_##product;
#define SET_SUPER(ID, sym, product)        ops->gemm[NK_##ID].run = gemm_##product;
#define SET_SIGNED(ID, product)            ops->gemm[NK_##ID].run = gemm_##product;

void nk_x86_gemm_avx512(nk_ops *ops)
{
    SIMPLE_PANELS(SET_SIMPLE)
    HALVED_PANELS(SET_SIMPLE)
    SUPER_PANELS(SET_SUPER)
    SIGNED_PANELS(SET_SIGNED)
}
