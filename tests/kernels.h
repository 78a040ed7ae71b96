/* What the kernel tests share: the function tables of every level this machine has, [0] the pure-C
 * reference all others are measured against; then, on x86-64 with AVX2, those of the levels above
 * by emulation (tests/x86). */
#ifndef NIBBLE_TEST_KERNELS_H
#define NIBBLE_TEST_KERNELS_H

#include "kernels/cpu.h"
#include "kernels/ops.h"

#include <string.h>

enum { MAX_LEVELS = 12 };

typedef struct test_level {
    const char *name;
    bool emulated; /* slow */
    nk_ops ops;
} test_level;

#if defined(__x86_64__)
void test_emulated_dot_avxvnni(nk_ops *ops);
void test_emulated_dot_k_avxvnni(nk_ops *ops);
void test_emulated_dot_grid_avxvnni(nk_ops *ops);
void test_emulated_gemm_avxvnni(nk_ops *ops);
void test_emulated_few_avxvnni(nk_ops *ops);
void test_emulated_burst_avxvnni(nk_ops *ops);
void test_emulated_dot_avx512(nk_ops *ops);
void test_emulated_dot_k_avx512(nk_ops *ops);
void test_emulated_dot_grid_avx512(nk_ops *ops);
void test_emulated_dot_levels_avx512(nk_ops *ops);
void test_emulated_dot_simple_avx512vbmi(nk_ops *ops);
void test_emulated_dot_iq1_avx512vbmi(nk_ops *ops);
void test_emulated_dot_iq2_avx512vbmi(nk_ops *ops);
void test_emulated_dot_iq3_avx512vbmi(nk_ops *ops);
void test_emulated_gemm_avx512(nk_ops *ops);
void test_emulated_gemm_ports_avx512(nk_ops *ops);
void test_emulated_gemm_float_avx512(nk_ops *ops);
void test_emulated_few_avx512(nk_ops *ops);
void test_emulated_few_float_avx512(nk_ops *ops);
void test_emulated_enc_halves_avx512(nk_ops *ops);
void test_emulated_enc_k_avx512(nk_ops *ops);
void test_emulated_enc_lattice_avx512(nk_ops *ops);
void test_emulated_measure_avx512(nk_ops *ops);
void test_emulated_burst_avx512(nk_ops *ops);
void test_emulated_attn_avx512(nk_ops *ops);
void test_emulated_gemm_amx(nk_ops *ops);
void test_emulated_gemm_bf16_amx(nk_ops *ops);
void test_emulated_gemm_bf16_avx512bf16(nk_ops *ops);
bool test_emulated_pair_tiles_idle(void); /* of gemm_bf16_amx.c */
/* Whether this thread's emulated tiles are as a thread has them that never used any. */
bool test_emulated_tiles_idle(void);

static inline size_t test_emulated_levels(test_level *out)
{
    if (!(nk_cpu_detect() & NK_CPU_AVX2))
        return 0;
    static const char *const names[] = {"avxvnni by emulation", "avx512 by emulation",
                                        "avx512 with VBMI and BF16 on four ports by emulation",
                                        "amx by emulation"};
    for (size_t i = 0; i < countof(names); i++) {
        out[i].name = names[i];
        out[i].emulated = true;
        nk_ops_init(&out[i].ops, NK_CPU_AVX2);
        test_emulated_dot_avxvnni(&out[i].ops);
        test_emulated_dot_k_avxvnni(&out[i].ops);
        test_emulated_dot_grid_avxvnni(&out[i].ops);
        test_emulated_gemm_avxvnni(&out[i].ops);
        test_emulated_few_avxvnni(&out[i].ops);
        test_emulated_burst_avxvnni(&out[i].ops);
        if (i == 0)
            continue;
        test_emulated_dot_avx512(&out[i].ops);
        test_emulated_dot_k_avx512(&out[i].ops);
        test_emulated_dot_grid_avx512(&out[i].ops);
        test_emulated_dot_levels_avx512(&out[i].ops);
        test_emulated_gemm_avx512(&out[i].ops);
        test_emulated_gemm_float_avx512(&out[i].ops);
        test_emulated_few_avx512(&out[i].ops);
        test_emulated_few_float_avx512(&out[i].ops);
        test_emulated_enc_halves_avx512(&out[i].ops);
        test_emulated_enc_k_avx512(&out[i].ops);
        test_emulated_enc_lattice_avx512(&out[i].ops);
        test_emulated_measure_avx512(&out[i].ops);
        test_emulated_burst_avx512(&out[i].ops);
        test_emulated_attn_avx512(&out[i].ops);
        if (i == 2) {
            test_emulated_gemm_ports_avx512(&out[i].ops);
            test_emulated_dot_simple_avx512vbmi(&out[i].ops);
            test_emulated_gemm_bf16_avx512bf16(&out[i].ops);
            test_emulated_dot_iq1_avx512vbmi(&out[i].ops);
            test_emulated_dot_iq2_avx512vbmi(&out[i].ops);
            test_emulated_dot_iq3_avx512vbmi(&out[i].ops);
        }
        if (i <= 2)
            continue;
        test_emulated_gemm_amx(&out[i].ops);
        test_emulated_gemm_bf16_amx(&out[i].ops);
    }
    return countof(names);
}
#else
static inline bool test_emulated_tiles_idle(void)
{
    return true;
}

static inline size_t test_emulated_levels(test_level *out)
{
    (void)out;
    return 0;
}
#endif

static inline size_t test_levels(test_level out[MAX_LEVELS])
{
    static const char *const names[] = {"scalar", "avx2", "avxvnni", "avx512",
                                        "amx",    "neon", "dotprod", "i8mm"};
    unsigned have = nk_cpu_detect(), flags;
    size_t n = 0;
    for (size_t i = 0; i < countof(names); i++) {
        if (nk_cpu_cap(have, names[i], &flags, NULL) != NB_OK)
            continue;
        out[n].name = names[i];
        out[n].emulated = false;
        nk_ops_init(&out[n].ops, flags);
        /* a level without kernels of its own is the one below: once is enough */
        const size_t skip = offsetof(nk_ops, dot);
        if (n == 0 || memcmp((char *)&out[n].ops + skip, (char *)&out[n - 1].ops + skip,
                             sizeof(nk_ops) - skip) != 0)
            n++;
    }
    nk_ops one_part;
    nk_ops_init(&one_part, have);
    nk_ops_one_part(&one_part);
    if (one_part.pairs[NK_BF16].parts == 1)
        out[n++] = (test_level){.name = "activations of one part", .ops = one_part};
    if (have & NK_CPU_AVX512VBMI) {
        out[n].name = "avx512 without vbmi";
        out[n].emulated = false;
        nk_ops_init(&out[n++].ops, have & ~(unsigned)(NK_CPU_AVX512VBMI | NK_CPU_AMD | NK_CPU_AMX));
    }
    n += test_emulated_levels(out + n);
    return n;
}

#endif
