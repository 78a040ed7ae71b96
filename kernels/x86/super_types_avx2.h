/* The K types and trits as rows of constants, for dots and panels alike. Included only by files
 * compiled for AVX2 and above. */
#ifndef NIBBLE_X86_SUPER_TYPES_AVX2_H
#define NIBBLE_X86_SUPER_TYPES_AVX2_H

#include "kernels/dot_rows.h"
#include "kernels/x86/super_avx2.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

/* What of one type makes up the loops of dots and panels. */
typedef __m256i super_codes_fn(const void *block, int g);
typedef super_scales super_scales_fn(const void *block);
typedef struct super_type {
    super_codes_fn *codes;
    super_scales_fn *scales;
    size_t block_size;
    bool has_min; /* else min is part of the integer sum */
    bool per32;   /* scales and mins of a pair of groups of 16 are the same */
} super_type;

static const super_type q2_k = {codes_q2_k, scales_q2_k, sizeof(nk_block_q2_k), true, false};
static const super_type q3_k = {codes_q3_k, scales_q3_k, sizeof(nk_block_q3_k), false, false};
static const super_type q4_k = {codes_q4_k, scales_q4_k, sizeof(nk_block_q4_k), true, true};
static const super_type q5_k = {codes_q5_k, scales_q5_k, sizeof(nk_block_q5_k), true, true};
static const super_type q6_k = {codes_q6_k, scales_q6_k, sizeof(nk_block_q6_k), false, false};
static const super_type tq1_0 = {codes_tq1_0, scales_tq1_0, sizeof(nk_block_tq1_0), false, true};
static const super_type tq2_0 = {codes_tq2_0, scales_tq2_0, sizeof(nk_block_tq2_0), false, true};

/* X(enum suffix, symbol) */
#define NK_TRIT_TYPES(X) X(TQ1_0, tq1_0) X(TQ2_0, tq2_0)

#endif
#endif
