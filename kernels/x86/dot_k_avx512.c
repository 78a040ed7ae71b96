#include "kernels/x86/rows_k_avx2.h"
#include "kernels/x86/x86.h"

/* One column's products of K types and trits with AVX-512 and VNNI. */
void nk_x86_dot_k_avx512(nk_ops *ops)
{
    set_k_rows(ops);
}
