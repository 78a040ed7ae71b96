#include "kernels/x86/rows_grid_avx2.h"
#include "kernels/x86/x86.h"

/* One column's products of IQ types on grids and iq4_xs. */
void nk_x86_dot_grid_avx2(nk_ops *ops)
{
    set_grid_rows(ops);
}
