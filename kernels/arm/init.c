#include "kernels/arm/arm.h"

#include "kernels/cpu.h"

/* Upward: a level overrides what it does better and inherits the rest. i8mm brings panels; one
 * column gives SMMLA, which takes two, nothing to do that dotprod does not. */
void nk_ops_init_arm(nk_ops *ops, unsigned cpu_flags)
{
    if (!(cpu_flags & NK_CPU_NEON))
        return;
    nk_arm_dot_neon(ops);
    nk_arm_float_neon(ops);
    nk_arm_burst_neon(ops);
    if (!(cpu_flags & NK_CPU_DOTPROD))
        return;
    nk_arm_dot_dotprod(ops);
    nk_arm_burst_dotprod(ops);
    if (!(cpu_flags & NK_CPU_I8MM))
        return;
    nk_arm_gemm_i8mm(ops);
    nk_arm_burst_i8mm(ops);
}
