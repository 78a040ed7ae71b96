/* Who overrides what on arm64: one function per file and level, called by init.c in order. Each is
 * compiled with its own level's flags and may run only when the flags say so. */
#ifndef NIBBLE_ARM_ARM_H
#define NIBBLE_ARM_ARM_H

#include "kernels/crc32c.h"
#include "kernels/ops.h"

void nk_arm_dot_neon(nk_ops *ops);    /* block types, their panels too */
void nk_arm_float_neon(nk_ops *ops);  /* float types, their panels too */
void nk_arm_dot_dotprod(nk_ops *ops); /* block types, their panels too */
void nk_arm_gemm_i8mm(nk_ops *ops);   /* panels of block types */
void nk_arm_burst_neon(nk_ops *ops);  /* what the level could multiply at most */
void nk_arm_burst_dotprod(nk_ops *ops);
void nk_arm_burst_i8mm(nk_ops *ops);

nk_crc32c_fn nk_arm_crc32c_crc32; /* called through nk_crc32c */

#endif
