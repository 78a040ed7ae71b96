#include "kernels/x86/x86.h"

#include "kernels/cpu.h"

/* Upward: a level overrides what it does better and inherits the rest. Where the system refuses
 * tiles the table is avx512's and says so. */
void nk_ops_init_x86(nk_ops *ops, unsigned cpu_flags)
{
    if (!(cpu_flags & NK_CPU_AVX2))
        return;
    nk_x86_dot_avx2(ops);
    nk_x86_dot_k_avx2(ops);
    nk_x86_dot_levels_avx2(ops);
    nk_x86_dot_grid_avx2(ops);
    nk_x86_flat_avx2(ops);
    nk_x86_dot_lattice_avx2(ops);
    nk_x86_gemm_avx2(ops);
    nk_x86_decode_avx2(ops);
    nk_x86_decode_lattice_avx2(ops);
    nk_x86_enc_avx2(ops);
    nk_x86_enc_halves_avx2(ops);
    nk_x86_enc_k_avx2(ops);
    nk_x86_enc_small_avx2(ops);
    nk_x86_enc_lattice_avx2(ops);
    nk_x86_enc_iq1_avx2(ops);
    nk_x86_measure_avx2(ops);
    nk_x86_burst_avx2(ops);
    nk_x86_ops_avx2(ops);
    nk_x86_attn_avx2(ops);
    nk_x86_few_avx2(ops);
    nk_x86_few_float_avx2(ops);
    if (cpu_flags & NK_CPU_AVXVNNI) {
        nk_x86_dot_avxvnni(ops);
        nk_x86_dot_k_avxvnni(ops);
        nk_x86_dot_grid_avxvnni(ops);
        nk_x86_gemm_avxvnni(ops);
        nk_x86_few_avxvnni(ops);
        nk_x86_burst_avxvnni(ops);
    }
    if (!(cpu_flags & NK_CPU_AVX512))
        return;
    nk_x86_dot_avx512(ops);
    nk_x86_dot_k_avx512(ops);
    nk_x86_dot_levels_avx512(ops);
    nk_x86_dot_grid_avx512(ops);
    if (cpu_flags & NK_CPU_AVX512VBMI) {
        nk_x86_dot_simple_avx512vbmi(ops);
        nk_x86_dot_iq3_avx512vbmi(ops);
        nk_x86_dot_iq2_avx512vbmi(ops);
        if (cpu_flags & NK_CPU_AMD)
            nk_x86_dot_iq1_avx512vbmi(ops);
    }
    if (cpu_flags & NK_CPU_AMD)
        nk_x86_gemm_ports_avx512(ops);
    else
        nk_x86_gemm_avx512(ops);
    nk_x86_gemm_float_avx512(ops);
    nk_x86_few_avx512(ops);
    nk_x86_few_float_avx512(ops);
    nk_x86_enc_halves_avx512(ops);
    nk_x86_enc_k_avx512(ops);
    nk_x86_enc_lattice_avx512(ops);
    nk_x86_measure_avx512(ops);
    nk_x86_burst_avx512(ops);
    nk_x86_attn_avx512(ops);
    if (!(cpu_flags & NK_CPU_AMX))
        return;
    if (!nk_cpu_claim_tiles()) {
        ops->flags &= ~(unsigned)NK_CPU_AMX;
        return;
    }
    nk_x86_gemm_amx(ops);
    nk_x86_gemm_bf16_amx(ops);
}

/* Of Intel's CPUs VDPBF16PS has no gain over FMA, and AMX has two parts for less. */
void nk_ops_one_part_x86(nk_ops *ops)
{
    const unsigned need = NK_CPU_AMD | NK_CPU_AVX512 | NK_CPU_AVX512BF16;
    if ((ops->flags & (need | NK_CPU_AMX)) == need)
        nk_x86_gemm_bf16_avx512bf16(ops);
}
