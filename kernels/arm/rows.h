/* One dot and dot4 per simple block type of arm64, for the level whose flags the including file
 * has. */
#ifndef NIBBLE_ARM_ROWS_H
#define NIBBLE_ARM_ROWS_H

#if defined(__aarch64__)

#include "kernels/arm/types.h"

ARM_SIMPLE_TYPES(NK_SIMPLE_PAIR)

/* Puts this level's dots into the table. */
NK_INLINE void set_simple_dots(nk_ops *ops)
{
    ARM_SIMPLE_TYPES(NK_DOT_SET)
}

#endif
#endif
