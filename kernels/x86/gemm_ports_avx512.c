#include "kernels/x86/vectors_avx512.h"
#include "kernels/x86/x86.h"

/* gemm_avx512.c for CPUs that shift and blend on ports which do not multiply. Measured on Zen 5: of
 * VPDPBUSD and VPDPWSSD two a cycle, with a shift and a blend beside every five of them 1.93, with
 * a shuffle in place of these 1.94 or less. So two parts of a super-block are put side by side and
 * one VPDPWSSD scales both. Intel's CPUs from Ice Lake to Granite Rapids have two ports for vectors
 * of this width, and every operation beside the products costs one of their turns. */

#define NK_GEMM_LANES
#define NK_FOUR_PORTS
#include "kernels/x86/gemm_lanes.h"
#include "kernels/x86/gemm_products.h"
#include "kernels/x86/gemm_signed.h"

void nk_x86_gemm_ports_avx512(nk_ops *ops)
{
    set_products(ops);
}
