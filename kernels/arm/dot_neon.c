#include "kernels/arm/arm.h"
#include "kernels/arm/rows.h"
#include "kernels/arm/rows_k.h"

#include "kernels/arm/panels.h"

/* The base architecture: products widen to int16, pairs add up in int32. */
void nk_arm_dot_neon(nk_ops *ops)
{
    set_simple_dots(ops);
    set_super_dots(ops);
    set_panels(ops);
}
