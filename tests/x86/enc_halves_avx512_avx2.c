/* kernels/x86/enc_halves_avx512.c on a machine with AVX2. */
#define EMU       static __attribute__((noinline, unused))
#define NK_INLINE static __attribute__((noinline, unused))
#include <stdbool.h>

#include "tests/x86/emulate_kv512.h"

#define nk_x86_enc_halves_avx512 test_emulated_enc_halves_avx512
#define __AVX512F__              1
#define __AVX512BW__             1
#include "kernels/x86/enc_halves_avx512.c"
