#include "kernels/x86/avx2.h"
#include "kernels/x86/burst.h"
#include "kernels/x86/x86.h"

BURST(int8, __m256i, _mm256_setzero_si256(), __m256i a = _mm256_set1_epi8(3);
      const __m256i b = _mm256_set1_epi8(-5), sum[k] = _mm256_dpbusd_avx_epi32(sum[k], a, b),
      sizeof(__m256i))

void nk_x86_burst_avxvnni(nk_ops *ops)
{
    ops->burst.int8 = int8;
}
