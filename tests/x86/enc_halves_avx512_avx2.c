/* kernels/x86/enc_halves_avx512.c on a machine with AVX2. */
#define EMU       static __attribute__((noinline, unused))
#define NK_INLINE static __attribute__((noinline, unused))
#include <stdbool.h>

#include "tests/x86/emulate_kv512.h"

EMU_INTS(max_epi16, _mm256_max_epi16)
EMU_INTS(max_epu16, _mm256_max_epu16)
EMU_INTS(min_epi16, _mm256_min_epi16)
EMU_INTS(packus_epi16, _mm256_packus_epi16)
EMU_INTS(packus_epi32, _mm256_packus_epi32)

/* VSHUFI64X2: four lanes at a time, by two bits of `how` each. */
EMU __m512i emu_shuffle_i64x2(__m512i a, __m512i b, int how)
{
    return emu_castps_si512(emu_shuffle_f32x4(emu_castsi512_ps(a), emu_castsi512_ps(b), how));
}

EMU __m256i emu_castsi512_si256(__m512i v)
{
    emu_ints x = {v};
    return x.half[0];
}

EMU __m512i emu_permutexvar_epi32(__m512i at, __m512i v)
{
    int32_t index[16], from[16], to[16];
    memcpy(index, &at, sizeof index);
    memcpy(from, &v, sizeof from);
    for (int i = 0; i < 16; i++)
        to[i] = from[index[i] & 15];
    return emu_loadu_si512(to);
}

EMU __m256i emu_extracti64x4_epi64(__m512i v, int i)
{
    emu_ints x = {v};
    return x.half[i];
}

#undef _mm512_shuffle_i64x2
#undef _mm512_extracti64x4_epi64
#define _mm512_permutexvar_epi32  emu_permutexvar_epi32
#define _mm512_extracti64x4_epi64 emu_extracti64x4_epi64
#define _mm512_castsi512_si256    emu_castsi512_si256
#define _mm512_max_epi16          emu_max_epi16
#define _mm512_max_epu16          emu_max_epu16
#define _mm512_min_epi16          emu_min_epi16
#define _mm512_packus_epi16       emu_packus_epi16
#define _mm512_packus_epi32       emu_packus_epi32
#define _mm512_shuffle_i64x2      emu_shuffle_i64x2
#define nk_x86_enc_halves_avx512  test_emulated_enc_halves_avx512
#define __AVX512F__               1
#define __AVX512BW__              1
#include "kernels/x86/enc_halves_avx512.c"
