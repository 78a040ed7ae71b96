/* One dot and dot4 per simple block type of arm64, for the level whose flags the including file
 * has. */
#ifndef NIBBLE_ARM_ROWS_H
#define NIBBLE_ARM_ROWS_H

#if defined(__aarch64__)

#include "kernels/arm/dot.h"
#include "kernels/dot_rows.h"

static const simple_type q4_0 = {codes_q4_0, sizeof(nk_block_q4_0), sizeof(nk_block_q8_0), false};
static const simple_type q4_1 = {codes_q4_1, sizeof(nk_block_q4_1), sizeof(nk_block_q8_1), true};
static const simple_type q5_0 = {codes_q5_0, sizeof(nk_block_q5_0), sizeof(nk_block_q8_0), false};
static const simple_type q5_1 = {codes_q5_1, sizeof(nk_block_q5_1), sizeof(nk_block_q8_1), true};
static const simple_type q8_0 = {codes_q8_0, sizeof(nk_block_q8_0), sizeof(nk_block_q8_0), false};

NK_SIMPLE_TYPES(NK_SIMPLE_PAIR)

/* Puts this level's dots into the table. */
NK_INLINE void set_simple_dots(nk_ops *ops)
{
    NK_SIMPLE_TYPES(NK_DOT_SET)
}

#endif
#endif
