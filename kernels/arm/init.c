#include "kernels/ops.h"

/* No level of arm64 has kernels of its own yet: every op runs the C reference. */
void nk_ops_init_arm(nk_ops *ops, unsigned cpu_flags)
{
    (void)ops;
    (void)cpu_flags;
}
