/* kernels/x86/attn_avx512.c on a machine with AVX2. */
#define NK_INLINE static __attribute__((noinline, unused))
#include <stdbool.h>

#include "tests/x86/emulate_kv512.h"

#define NK_REGISTER        "+m"
#define nk_x86_attn_avx512 test_emulated_attn_avx512
#define __AVX512F__        1
#define __AVX512BW__       1
#define __AVX512DQ__       1
#define __AVX512VL__       1
#define __AVX512VNNI__     1
#include "kernels/x86/attn_avx512.c"
