/* The types of blocks of 32 codes as rows of constants, for dots and panels alike. Included only by
 * files compiled for AVX2 and above. */
#ifndef NIBBLE_X86_SIMPLE_AVX2_H
#define NIBBLE_X86_SIMPLE_AVX2_H

#include "kernels/dot_rows.h"
#include "kernels/x86/avx2.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

typedef __m256i simple_codes_fn(const void *block);
typedef __m128 simple_scales_fn(const char *p, size_t block_size, const int nb);

/* With a min the block starts d, m. */
typedef struct simple_type {
    simple_codes_fn *codes;
    simple_scales_fn *scales; /* of up to four blocks of w */
    size_t block_size;
    bool is_signed; /* codes, and then no min */
} simple_type;

static const simple_type q4_0 = {codes_q4_0, f16_of_blocks, sizeof(nk_block_q4_0), true};
static const simple_type q4_1 = {codes_q4_1, f16_of_blocks, sizeof(nk_block_q4_1), false};
static const simple_type q5_0 = {codes_q5_0, f16_of_blocks, sizeof(nk_block_q5_0), true};
static const simple_type q5_1 = {codes_q5_1, f16_of_blocks, sizeof(nk_block_q5_1), false};
static const simple_type q8_0 = {codes_q8_0, f16_of_blocks, sizeof(nk_block_q8_0), true};
static const simple_type iq4_nl = {codes_iq4_nl, f16_of_blocks, sizeof(nk_block_iq4_nl), true};
static const simple_type mxfp4 = {codes_mxfp4, e8m0_of_blocks, sizeof(nk_block_mxfp4), true};

#endif
#endif
