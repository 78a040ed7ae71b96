#include "kernels/x86/rows_simple_avx2.h"
#include "kernels/x86/x86.h"

/* One column's products of simple blocks with AVX-VNNI. */
void nk_x86_dot_avxvnni(nk_ops *ops)
{
    set_simple_rows(ops);
}
