#include "kernels/x86/avx2.h"
#include "kernels/x86/burst.h"
#include "kernels/x86/x86.h"

BURST(int8, __m512i, _mm512_setzero_si512(), __m512i a = _mm512_set1_epi8(3);
      const __m512i b = _mm512_set1_epi8(-5), sum[k] = _mm512_dpbusd_epi32(sum[k], a, b),
      sizeof(__m512i))
BURST(f32, __m512, _mm512_setzero_ps(), __m512 a = _mm512_set1_ps(1);
      const __m512 b = _mm512_set1_ps(0x1p-20F), sum[k] = _mm512_fmadd_ps(a, b, sum[k]),
      sizeof(__m512) / sizeof(float))

void nk_x86_burst_avx512(nk_ops *ops)
{
    ops->burst = (nk_bursts){.int8 = int8, .f32 = f32};
}
