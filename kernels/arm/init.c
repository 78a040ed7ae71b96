#include "kernels/arm/arm.h"

#include "kernels/cpu.h"

/* Upward: a level overrides what it does better and inherits the rest; i8mm is dotprod until it
 * brings kernels of its own. */
void nk_ops_init_arm(nk_ops *ops, unsigned cpu_flags)
{
    if (!(cpu_flags & NK_CPU_NEON))
        return;
    nk_arm_dot_neon(ops);
    nk_arm_float_neon(ops);
    if (!(cpu_flags & NK_CPU_DOTPROD))
        return;
    nk_arm_dot_dotprod(ops);
}
