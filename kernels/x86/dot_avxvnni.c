#include "kernels/x86/rows_simple_avx2.h"
#include "kernels/x86/x86.h"

NK_SIMPLE_TYPES(SIMPLE_ROWS)
NK_LEVEL_TYPES(SIMPLE_ROWS)

/* One column's products of simple blocks with AVX-VNNI. */
void nk_x86_dot_avxvnni(nk_ops *ops)
{
    NK_SIMPLE_TYPES(NK_ROWS_SET)
    NK_LEVEL_TYPES(NK_ROWS_SET)
}
