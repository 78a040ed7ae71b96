#include "kernels/arm/arm.h"
#include "kernels/arm/rows.h"
#include "kernels/arm/rows_k.h"

#include "kernels/arm/panels.h"

/* SDOT multiplies and adds 16 signed bytes in one step. */
void nk_arm_dot_dotprod(nk_ops *ops)
{
    set_simple_dots(ops);
    set_super_dots(ops);
    set_panels(ops);
}
