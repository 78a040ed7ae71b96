/* One dot and dot4 per super-block type of arm64, as rows.h. */
#ifndef NIBBLE_ARM_ROWS_K_H
#define NIBBLE_ARM_ROWS_K_H

#if defined(__aarch64__)

#include "kernels/arm/types.h"

ARM_SUPER_TYPES(NK_SUPER_PAIR)

/* Puts this level's dots into the table. */
NK_INLINE void set_super_dots(nk_ops *ops)
{
    ARM_SUPER_TYPES(NK_DOT_SET)
}

#endif
#endif
