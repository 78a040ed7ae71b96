/* One dot and dot4 per super-block type of arm64, as rows.h. */
#ifndef NIBBLE_ARM_ROWS_K_H
#define NIBBLE_ARM_ROWS_K_H

#if defined(__aarch64__)

#include "kernels/arm/dot.h"
#include "kernels/dot_rows.h"

static const super_type q2_k = {codes_q2_k, scales_q2_k, sizeof(nk_block_q2_k), true, false};
static const super_type q3_k = {codes_q3_k, scales_q3_k, sizeof(nk_block_q3_k), false, false};
static const super_type q4_k = {codes_q4_k, scales_q4_k, sizeof(nk_block_q4_k), true, true};
static const super_type q5_k = {codes_q5_k, scales_q5_k, sizeof(nk_block_q5_k), true, true};
static const super_type q6_k = {codes_q6_k, scales_q6_k, sizeof(nk_block_q6_k), false, false};

NK_SUPER_TYPES(NK_SUPER_PAIR)

/* Puts this level's dots into the table. */
NK_INLINE void set_super_dots(nk_ops *ops)
{
    NK_SUPER_TYPES(NK_DOT_SET)
}

#endif
#endif
