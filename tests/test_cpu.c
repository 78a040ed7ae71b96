#include "tests/check.h"

#include "kernels/cpu.h"

#include <string.h>

static const unsigned amx_machine = NK_CPU_AVX2 | NK_CPU_AVXVNNI | NK_CPU_AVX512 |
                                    NK_CPU_AVX512BF16 | NK_CPU_AVX512VBMI | NK_CPU_AMX;
static const unsigned arm_machine = NK_CPU_NEON | NK_CPU_DOTPROD | NK_CPU_I8MM;

CHECK_TEST(cpu, every_level_is_a_ceiling)
{
    static const struct {
        unsigned have;
        const char *name;
        unsigned left;
        const char *level;
    } rows[] = {
        {amx_machine, NULL, amx_machine, "amx"},
        {amx_machine, "", amx_machine, "amx"},
        {amx_machine, "amx", amx_machine, "amx"},
        {amx_machine, "avx512", amx_machine & ~NK_CPU_AMX, "avx512"},
        {amx_machine, "avxvnni", NK_CPU_AVX2 | NK_CPU_AVXVNNI, "avxvnni"},
        {amx_machine, "avx2", NK_CPU_AVX2, "avx2"},
        {amx_machine, "scalar", 0, "scalar"},
        {NK_CPU_AVX2 | NK_CPU_AVX512, "avx512", NK_CPU_AVX2 | NK_CPU_AVX512, "avx512"},
        /* AVX-512 without VEX VNNI: a lower ceiling still holds what lies under it */
        {NK_CPU_AVX2 | NK_CPU_AVX512, "avxvnni", NK_CPU_AVX2, "avx2"},
        {NK_CPU_AVX2 | NK_CPU_AVX512 | NK_CPU_AMD, "avx512",
         NK_CPU_AVX2 | NK_CPU_AVX512 | NK_CPU_AMD, "avx512"},
        {NK_CPU_AVX2 | NK_CPU_AVX512 | NK_CPU_AMD, "avx2", NK_CPU_AVX2, "avx2"},
        {0, "scalar", 0, "scalar"},
        {0, NULL, 0, "scalar"},
        {arm_machine, NULL, arm_machine, "i8mm"},
        {arm_machine, "dotprod", NK_CPU_NEON | NK_CPU_DOTPROD, "dotprod"},
        {arm_machine, "neon", NK_CPU_NEON, "neon"},
        {arm_machine, "scalar", 0, "scalar"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        unsigned flags = ~0u;
        nb_err err = {0};
        nb_status st = nk_cpu_cap(rows[i].have, rows[i].name, &flags, &err);
        check(st == NB_OK, "row %zu: %s", i, err.msg);
        check(flags == rows[i].left, "row %zu: flags %x", i, flags);
        check(strcmp(nk_cpu_level(flags), rows[i].level) == 0, "row %zu: %s", i,
              nk_cpu_level(flags));
    }
}

CHECK_TEST(cpu, levels_out_of_reach_are_refused_and_the_others_listed)
{
    static const struct {
        unsigned have;
        const char *name, *list;
    } rows[] = {
        {NK_CPU_AVX2, "avx512", ": scalar, avx2"},
        {NK_CPU_AVX2 | NK_CPU_AVXVNNI, "amx", ": scalar, avx2, avxvnni"},
        {NK_CPU_AVX2, "neon", ": scalar, avx2"},
        {0, "avx2", ": scalar"},
        {NK_CPU_NEON, "i8mm", ": scalar, neon"},
        {arm_machine, "avx2", ": scalar, neon, dotprod, i8mm"},
        {amx_machine, "AVX2", ": scalar, avx2, avxvnni, avx512, amx"},
        {amx_machine, "avx", ": scalar, avx2, avxvnni, avx512, amx"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        unsigned flags = 12345;
        nb_err err = {0};
        nb_status st = nk_cpu_cap(rows[i].have, rows[i].name, &flags, &err);
        check(st == NB_USAGE && err.status == NB_USAGE, "row %zu: status %d", i, st);
        check(flags == 12345, "row %zu: output written", i);
        const char *at = strstr(err.msg, rows[i].list);
        check(at && strcmp(at, rows[i].list) == 0, "row %zu: %s", i, err.msg);
        check(strstr(err.msg, rows[i].name), "row %zu: %s", i, err.msg);
    }
    check(nk_cpu_cap(0, "avx2", &(unsigned){0}, NULL) == NB_USAGE, "err may be NULL");
}

CHECK_TEST(cpu, detection_is_a_ladder_and_says_who_it_is)
{
    unsigned have = nk_cpu_detect(), flags;
    check(have == nk_cpu_detect(), "two answers");
    check(!(have & NK_CPU_AVX512) || (have & NK_CPU_AVX2), "AVX-512 without AVX2: %x", have);
    check(!(have & NK_CPU_AMX) || (have & NK_CPU_AVX512BF16), "AMX without bf16: %x", have);
    check(nk_cpu_cap(have, nk_cpu_level(have), &flags, NULL) == NB_OK && flags == have,
          "own level %s is no ceiling", nk_cpu_level(have));
    check(nk_cpu_count() >= 1, "no core");
    char model[64];
    nk_cpu_model(model, sizeof model);
    check(model[0] && model[0] != ' ' && !strchr(model, '\n'), "model \"%s\"", model);
    char tiny[4] = "xyz";
    nk_cpu_model(tiny, sizeof tiny);
    check(strlen(tiny) <= 3, "ran over");
    nk_cpu_model(tiny, 0);
}
