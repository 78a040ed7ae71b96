#include "kernels/x86/avx2.h"
#include "kernels/x86/burst.h"
#include "kernels/x86/x86.h"

BURST(int8, __m256i, _mm256_setzero_si256(), __m256i a = _mm256_set1_epi8(3);
      const __m256i b = _mm256_set1_epi8(-5);
      const __m256i one = _mm256_set1_epi16(1),
      sum[k] = _mm256_add_epi32(sum[k], _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), one)),
      sizeof(__m256i))
BURST(f32, __m256, _mm256_setzero_ps(), __m256 a = _mm256_set1_ps(1);
      const __m256 b = _mm256_set1_ps(0x1p-20F), sum[k] = _mm256_fmadd_ps(a, b, sum[k]),
      sizeof(__m256) / sizeof(float))

void nk_x86_burst_avx2(nk_ops *ops)
{
    ops->burst = (nk_bursts){.int8 = int8, .f32 = f32};
}
