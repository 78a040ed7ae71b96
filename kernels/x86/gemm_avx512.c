#include "kernels/x86/vectors_avx512.h"
#include "kernels/x86/x86.h"

/* Products of panels with AVX-512 and VNNI: all rows of a panel in one vector; panels are AVX2's.
 */

#define NK_GEMM_LANES
#include "kernels/x86/gemm_lanes.h"
#include "kernels/x86/gemm_products.h"
#include "kernels/x86/gemm_signed.h"

#define SET_SIMPLE(ID, sym, product, less) ops->gemm[NK_##ID].run = gemm_##product;
#define SET_SUPER(ID, sym, product)        ops->gemm[NK_##ID].run = gemm_##product;
#define SET_SIGNED(ID, product)            ops->gemm[NK_##ID].run = gemm_##product;

void nk_x86_gemm_avx512(nk_ops *ops)
{
    SIMPLE_PANELS(SET_SIMPLE)
    HALVED_PANELS(SET_SIMPLE)
    SUPER_PANELS(SET_SUPER)
    SIGNED_PANELS(SET_SIGNED)
}
