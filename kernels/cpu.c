#include "kernels/cpu.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

enum {
    X86 = NK_CPU_AVX2 | NK_CPU_AVXVNNI | NK_CPU_AVX512 | NK_CPU_AVX512BF16 | NK_CPU_AVX512VBMI |
          NK_CPU_AMD | NK_CPU_AMX,
    ARM = NK_CPU_NEON | NK_CPU_DOTPROD | NK_CPU_I8MM,
};

/* In order, one ladder per architecture, scalar at the foot of both. */
static const struct {
    const char *name;
    unsigned family; /* flags of its architecture; 0 = any */
    unsigned needs;  /* the flag that makes the level */
    unsigned keeps;  /* flags left under this ceiling */
} levels[] = {
    {"scalar", 0, 0, 0},
    {"avx2", X86, NK_CPU_AVX2, NK_CPU_AVX2},
    {"avxvnni", X86, NK_CPU_AVXVNNI, NK_CPU_AVX2 | NK_CPU_AVXVNNI},
    {"avx512", X86, NK_CPU_AVX512, X86 & ~(unsigned)NK_CPU_AMX},
    {"amx", X86, NK_CPU_AMX, X86},
    {"neon", ARM, NK_CPU_NEON, NK_CPU_NEON},
    {"dotprod", ARM, NK_CPU_DOTPROD, NK_CPU_NEON | NK_CPU_DOTPROD},
    {"i8mm", ARM, NK_CPU_I8MM, ARM},
};

#if defined(__x86_64__)
enum {
    XCR0_YMM = 0x6,      /* SSE and AVX state */
    XCR0_ZMM = 0xe6,     /* and opmask, ZMM 0-15 high halves, ZMM 16-31 */
    XCR0_TILE = 0x60000, /* tile configuration and data */
    XFEATURE_TILEDATA = 18,
    GET_XCOMP_SUPP = 0x1021, /* arch_prctl: features the kernel can grant */
    REQ_XCOMP_PERM = 0x1023, /* and the request for one (asm/prctl.h) */
};

static uint64_t xgetbv0(void)
{
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

/* Tile data must also be granted by the kernel. Asking what it can grant changes nothing; the
 * request itself is nk_cpu_claim_tiles. */
static bool kernel_offers_tiles(void)
{
#if defined(__linux__) && defined(SYS_arch_prctl)
    uint64_t features = 0;
    return syscall(SYS_arch_prctl, GET_XCOMP_SUPP, &features) == 0 &&
           (features >> XFEATURE_TILEDATA & 1) != 0;
#else
    return false;
#endif
}

bool nk_cpu_claim_tiles(void)
{
#if defined(__linux__) && defined(SYS_arch_prctl)
    return syscall(SYS_arch_prctl, REQ_XCOMP_PERM, XFEATURE_TILEDATA) == 0;
#else
    return false;
#endif
}

static bool is_amd(void)
{
    uint32_t a, b, c, d; /* the name in b, d, c: AMD's manual vol. 3, CPUID function 0 */
    return __get_cpuid(0, &a, &b, &c, &d) && b == signature_AMD_ebx && c == signature_AMD_ecx &&
           d == signature_AMD_edx;
}

/* Bits: Intel SDM vol. 2A, CPUID leaves 1, 7.0 and 7.1; XCR0: vol. 1, 13.3. A level needs every
 * feature its kernels are compiled with, see isa_flags in the Makefile. */
unsigned nk_cpu_detect(void)
{
    uint32_t a, b, c, d, a1 = 0, b1, c1, d1;
    const uint32_t leaf1 = bit_FMA | bit_F16C | bit_AVX | bit_OSXSAVE;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & leaf1) != leaf1)
        return 0;
    uint64_t xcr0 = xgetbv0();
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (xcr0 & XCR0_YMM) != XCR0_YMM ||
        !(b & bit_AVX2))
        return 0;
    unsigned flags = NK_CPU_AVX2;
    if (a >= 1)
        __cpuid_count(7, 1, a1, b1, c1, d1);
    if (a1 & 1u << 4)
        flags |= NK_CPU_AVXVNNI;
    const uint32_t zmm = bit_AVX512F | bit_AVX512BW | bit_AVX512CD | bit_AVX512DQ | bit_AVX512VL;
    if ((xcr0 & XCR0_ZMM) != XCR0_ZMM || (b & zmm) != zmm || !(c & 1u << 11 /* VNNI */))
        return flags;
    flags |= NK_CPU_AVX512;
    const uint32_t bytes = 1u << 1 | 1u << 8; /* VBMI, GFNI */
    if ((c & bytes) == bytes)
        flags |= NK_CPU_AVX512VBMI;
    if (is_amd())
        flags |= NK_CPU_AMD;
    if (!(a1 & 1u << 5))
        return flags;
    flags |= NK_CPU_AVX512BF16;
    const uint32_t amx = 1u << 22 | 1u << 24 | 1u << 25; /* bf16, tile, int8 */
    if ((d & amx) == amx && (xcr0 & XCR0_TILE) == XCR0_TILE && kernel_offers_tiles())
        flags |= NK_CPU_AMX;
    return flags;
}

static bool model_from_cpu(char *out, size_t cap)
{
    uint32_t brand[13] = {0};
    if ((uint32_t)__get_cpuid_max(0x80000000u, NULL) < 0x80000004u)
        return false;
    for (unsigned i = 0; i < 3; i++)
        __get_cpuid(0x80000002u + i, &brand[4 * i], &brand[4 * i + 1], &brand[4 * i + 2],
                    &brand[4 * i + 3]);
    const char *text = (const char *)brand;
    snprintf(out, cap, "%s", text + strspn(text, " "));
    return out[0] != '\0';
}
#else
unsigned nk_cpu_detect(void)
{
    unsigned flags = 0;
#if defined(__aarch64__)
    flags = NK_CPU_NEON; /* part of the base architecture */
#if defined(__linux__)
    /* asm/hwcap.h: HWCAP_ASIMDDP is bit 20, HWCAP2_I8MM is bit 13. */
    if (getauxval(AT_HWCAP) & 1ul << 20)
        flags |= NK_CPU_DOTPROD;
    if ((flags & NK_CPU_DOTPROD) && (getauxval(AT_HWCAP2) & 1ul << 13))
        flags |= NK_CPU_I8MM;
#endif
#endif
    return flags;
}

bool nk_cpu_claim_tiles(void)
{
    return false;
}

static bool model_from_cpu(char *out, size_t cap)
{
    (void)out;
    (void)cap;
    return false;
}
#endif

static size_t top_level(unsigned flags)
{
    size_t top = 0;
    for (size_t i = 1; i < countof(levels); i++)
        if (flags & levels[i].needs)
            top = i;
    return top;
}

static void list_levels(unsigned have, char *out, size_t cap)
{
    size_t len = 0;
    for (size_t i = 0; i < countof(levels); i++) {
        if ((have & levels[i].needs) != levels[i].needs)
            continue;
        int n = snprintf(out + len, cap - len, "%s%s", len ? ", " : "", levels[i].name);
        if (n < 0 || (size_t)n >= cap - len)
            return;
        len += (size_t)n;
    }
}

nb_status nk_cpu_cap(unsigned have, const char *name, unsigned *flags, nb_err *err)
{
    if (!name || !name[0]) {
        *flags = have;
        return NB_OK;
    }
    char list[96] = "";
    list_levels(have, list, sizeof list);
    for (size_t i = 0; i < countof(levels); i++) {
        if (strcmp(levels[i].name, name) != 0)
            continue;
        if (levels[i].family && !(have & levels[i].family))
            break;
        if (i > top_level(have & (levels[i].family ? levels[i].family : ~0u)))
            break;
        *flags = have & levels[i].keeps;
        return NB_OK;
    }
    return nb_fail(err, NB_USAGE, "NIBBLE_CPU: \"%.32s\" is not a level of this machine: %s", name,
                   list);
}

const char *nk_cpu_level(unsigned flags)
{
    return levels[top_level(flags)].name;
}

/* The first "model name" line of /proc/cpuinfo, or a device tree's name of the board. */
static bool model_from_files(char *out, size_t cap)
{
    char line[256];
    bool found = false;
    FILE *f = fopen("/proc/cpuinfo", "re");
    while (f && !found && fgets(line, sizeof line, f)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon) {
            snprintf(out, cap, "%s", colon + 1 + strspn(colon + 1, " \t"));
            found = true;
        }
    }
    if (f)
        fclose(f);
    f = found ? NULL : fopen("/sys/firmware/devicetree/base/model", "re");
    if (f) {
        found = fgets(line, sizeof line, f) != NULL;
        if (found)
            snprintf(out, cap, "%s", line);
        fclose(f);
    }
    out[strcspn(out, "\n")] = '\0';
    return found && out[0] != '\0';
}

void nk_cpu_model(char *out, size_t cap)
{
    if (cap == 0)
        return;
    out[0] = '\0';
    if (!model_from_cpu(out, cap) && !model_from_files(out, cap))
        snprintf(out, cap, "unknown");
}

int nk_cpu_count(void)
{
#if defined(__linux__)
    /* The kernel refuses a set smaller than its own; grow until it fits. */
    for (int cpus = 1024; cpus <= 1 << 18; cpus *= 4) {
        cpu_set_t *set = CPU_ALLOC(cpus);
        if (!set)
            break;
        size_t size = CPU_ALLOC_SIZE(cpus);
        CPU_ZERO_S(size, set);
        int n = sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (n > 0)
            return n;
    }
#endif
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}
