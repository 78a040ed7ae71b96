#include "kernels/x86/vectors_avx512.h"
#include "kernels/x86/x86.h"

/* Products of panels with AVX-512 and VNNI: all rows of a panel in one vector; panels are AVX2's
 * and those of few_avx512.c. */

#define NK_GEMM_LANES
#include "kernels/x86/gemm_lanes.h"
#include "kernels/x86/gemm_products.h"
#include "kernels/x86/gemm_signed.h"

void nk_x86_gemm_avx512(nk_ops *ops)
{
    set_products(ops);
}
