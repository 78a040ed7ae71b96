#include "kernels/x86/rows_k_avx2.h"
#include "kernels/x86/x86.h"

void nk_x86_dot_k_avx2(nk_ops *ops)
{
    set_k_rows(ops);
}
