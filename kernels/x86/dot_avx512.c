#include "kernels/x86/rows_simple_avx2.h"
#include "kernels/x86/x86.h"

/* One column's products of simple blocks with AVX-512 and VNNI. */
void nk_x86_dot_avx512(nk_ops *ops)
{
    set_simple_rows(ops);
}
