#include "kernels/x86/gemm_avx2.h"
#include "kernels/x86/gemm_products.h"

#include "kernels/x86/gemm_signed.h"
#include "kernels/x86/x86.h"

/* Products of panels with AVX-VNNI; panels are AVX2's. */

void nk_x86_gemm_avxvnni(nk_ops *ops)
{
    set_products(ops);
}
