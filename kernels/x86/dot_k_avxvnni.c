#include "kernels/x86/rows_k_avx2.h"
#include "kernels/x86/x86.h"

NK_SUPER_TYPES(SUPER_ROWS)
NK_TRIT_TYPES(SUPER_ROWS)

/* One column's products of K types and trits with AVX-VNNI. */
void nk_x86_dot_k_avxvnni(nk_ops *ops)
{
    NK_SUPER_TYPES(NK_ROWS_SET)
    NK_TRIT_TYPES(NK_ROWS_SET)
}
