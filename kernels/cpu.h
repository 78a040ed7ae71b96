/* What this CPU can run, as one flags word, and the ladder of levels NIBBLE_CPU caps.
 * Levels are ceilings: scalar < avx2 < avxvnni < avx512 < amx; scalar < neon < dotprod < i8mm.
 * avx2 means AVX2 + FMA + F16C with the OS saving ymm state. Detection asks CPUID and XGETBV
 * (x86) or HWCAP (arm64) once per call; nothing is cached here. */
#ifndef NIBBLE_CPU_H
#define NIBBLE_CPU_H

#include "kernels/nb.h"

enum {
    NK_CPU_AVX2 = 1 << 0,    /* with FMA and F16C */
    NK_CPU_AVXVNNI = 1 << 1, /* VEX-coded VNNI */
    NK_CPU_AVX512 = 1 << 2,  /* F BW CD DQ VL VNNI */
    NK_CPU_AVX512BF16 = 1 << 3,
    NK_CPU_AMX = 1 << 4,        /* tile, int8, bf16, and the kernel's permission */
    NK_CPU_AVX512VBMI = 1 << 5, /* with GFNI; no level of its own: Ice Lake and Zen 4 have it,
                                   Cascade Lake has not */
    NK_CPU_AMD = 1 << 6,        /* with AVX-512. It runs on four ports, of which two multiply;
                                   lookups in two registers (vpermi2b) are one step, by Intel three;
                                   more memory can be on its way to L1 at once than to L2 */
    NK_CPU_NEON = 1 << 8,
    NK_CPU_DOTPROD = 1 << 9,
    NK_CPU_I8MM = 1 << 10,
};

/* All flags of this machine. */
unsigned nk_cpu_detect(void);
/* Flags left under a level's ceiling. name NULL or "" = no ceiling. Fails NB_USAGE on a name that
 * is unknown, of the other architecture, or above what this machine has; the text lists the
 * levels it does have. */
nb_status nk_cpu_cap(unsigned have, const char *name, unsigned *flags, nb_err *err);
/* Asks the system to let this process use AMX tiles, once for all its threads: CPUID and
 * nk_cpu_detect tell only that it may be asked. False where it is refused, e.g. because a thread's
 * signal stack is too small for them. */
bool nk_cpu_claim_tiles(void);
/* Highest level the flags reach: "avx2". */
const char *nk_cpu_level(unsigned flags);
/* CPU model as the system names it, e.g. for bench records; "unknown" if it does not say. */
void nk_cpu_model(char *out, size_t cap);
/* Cores this process may run on (affinity counted), at least 1. */
int nk_cpu_count(void);

#endif
