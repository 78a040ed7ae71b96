/* AMX tiles are used for what `bench --tune` found faster on this CPU, and for nothing else. */
#include "tests/check.h"
#include "tests/kernels.h"
#include "tests/util.h"

#include "core/base/file.h"
#include "core/eval/tune.h"

#include <stdio.h>
#include <string.h>

static void run(const nk_product *p)
{
    (void)p;
}

/* A table whose q4_0, q8_0 and q4_K have a wide product. */
static nk_ops wide_table(void)
{
    nk_ops ops;
    nk_ops_init(&ops, 0);
    ops.flags = NK_CPU_AVX2 | NK_CPU_AVX512 | NK_CPU_AMX;
    ops.wide[NK_Q4_0].run = ops.wide[NK_Q8_0].run = ops.wide[NK_Q4_K].run = run;
    return ops;
}

static nb_config home(const char *name)
{
    nb_config c = {.writable = true};
    snprintf(c.state_dir, sizeof c.state_dir, "%s/%s/deep", test_tmpdir(), name);
    return c;
}

static nb_tune stored_tune(void)
{
    nb_tune t = {.n = 2, .row = {{&nk_type_q4_0, 1.7}, {&nk_type_q8_0, 1.04}}};
    nk_cpu_model(t.cpu, sizeof t.cpu);
    return t;
}

CHECK_TEST(tune, only_types_that_won_on_this_cpu_keep_their_wide_product)
{
    nb_config cfg = home("wins");
    nb_tune t = stored_tune();
    nb_err err = {0};
    check(nb_tune_save(&cfg, &t, &err) == NB_OK, "%s", err.msg);
    nk_ops ops = wide_table();
    nb_tune_apply(&cfg, "", &ops);
    check(ops.wide[NK_Q4_0].run == run, "the winner is gone");
    check(!ops.wide[NK_Q8_0].run, "a gain of 1.04 is noise");
    check(!ops.wide[NK_Q4_K].run, "never measured, yet used");
    check(ops.flags & NK_CPU_AMX, "the level does not say that tiles are used");
    ops = wide_table();
    nb_tune_apply(&cfg, "amx", &ops);
    check(ops.wide[NK_Q8_0].run && ops.wide[NK_Q4_K].run, "asked for by name, yet withheld");

    strcpy(t.cpu, "another");
    check(nb_tune_save(&cfg, &t, &err) == NB_OK, "%s", err.msg);
    ops = wide_table();
    nb_tune_apply(&cfg, "", &ops);
    check(!ops.wide[NK_Q4_0].run && !(ops.flags & NK_CPU_AMX), "wins of another CPU count");
}

/* Products of pairs, whose bits differ: never without a stored win of this very type. */
CHECK_TEST(tune, pairs_are_used_only_for_types_that_won)
{
    nb_config cfg = home("pairs");
    nb_tune t = stored_tune();
    nb_err err = {0};
    nk_ops ops = wide_table();
    ops.pairs[NK_F16].run = ops.pairs[NK_BF16].run = run;
    nb_tune_apply(&cfg, "amx", &ops);
    check(ops.pairs[NK_F16].run && ops.pairs[NK_BF16].run, "asked for by name, yet withheld");
    nk_ops unmeasured = ops;
    nb_tune_apply(&cfg, "", &unmeasured);
    check(!unmeasured.pairs[NK_F16].run && !unmeasured.pairs[NK_BF16].run,
          "never measured, yet used");
    t.n = 2;
    t.row[0] = (nb_tune_row){&nk_type_f16, 1.7};
    t.row[1] = (nb_tune_row){&nk_type_bf16, 0.9};
    check(nb_tune_save(&cfg, &t, &err) == NB_OK, "%s", err.msg);
    nb_tune_apply(&cfg, "", &ops);
    check(ops.pairs[NK_F16].run == run, "the winner is gone");
    check(!ops.pairs[NK_BF16].run, "slower, yet used");
    check(ops.flags & NK_CPU_AMX, "the level does not say that tiles are used");
}

/* Flat blocks are multiplied as what they are made of. */
CHECK_TEST(tune, flat_blocks_go_with_their_source)
{
    nb_config cfg = home("flat");
    nb_tune t = {.n = 3,
                 .row = {{&nk_type_iq2_xxs, 0.9}, {&nk_type_iq2_xs, 1.7}, {&nk_type_iq3_s, 0.9}}};
    nb_err err = {0};
    nk_cpu_model(t.cpu, sizeof t.cpu);
    check(nb_tune_save(&cfg, &t, &err) == NB_OK, "%s", err.msg);
    nk_ops ops = wide_table();
    ops.wide[NK_FLAT_IQ2].run = ops.wide[NK_FLAT_IQ3_S].run = run;
    nb_tune_apply(&cfg, "", &ops);
    check(ops.wide[NK_FLAT_IQ2].run == run, "iq2_xs won");
    check(!ops.wide[NK_FLAT_IQ3_S].run, "iq3_s did not");
}

CHECK_TEST(tune, without_a_file_that_can_be_read_nothing_wide_is_used)
{
    static const char *const texts[] = {
        NULL,
        "",
        "{",
        "[]",
        "{\"gain\": {\"q4_0\": 9}}",
        "{\"version\": \"0.0.0\", \"cpu\": \"x\", \"gain\": {\"q4_0\": 9}}"};
    for (size_t i = 0; i < countof(texts); i++) {
        nb_config cfg = home("torn");
        if (texts[i]) {
            check(nb_mkdirs(cfg.state_dir, NULL) == NB_OK, "mkdir");
            test_spit(test_path(cfg.state_dir, "tune.json"), texts[i], strlen(texts[i]));
        }
        nk_ops ops = wide_table();
        nb_tune_apply(&cfg, "", &ops);
        check(!ops.wide[NK_Q4_0].run && !(ops.flags & NK_CPU_AMX), "text %zu counts", i);
    }
    nb_config none = {.writable = false};
    nb_tune t = stored_tune();
    nb_err err = {0};
    check(nb_tune_save(&none, &t, &err) == NB_REFUSED && err.msg[0], "kept without a home");
}

/* Both ways are run for every type of the level; the emulation's speeds are no one's. */
CHECK_TEST(tune, measuring_covers_every_type_with_a_choice)
{
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv);
    const nk_ops *ops = &lv[levels - 1].ops;
    size_t choices = 0;
    for (size_t i = 0; i < NK_TYPE_SLOTS; i++)
        choices += nk_type_get((uint32_t)i) && (ops->wide[i].run || ops->pairs[i].run);
    nb_tune t;
    nb_err err = {0};
    check(nb_tune_run(&t, ops, NULL, 1 << 20, NULL, &err) == NB_OK, "%s", err.msg);
    check(t.n == choices && t.cpu[0], "%zu of %zu types measured", t.n, choices);
    for (size_t i = 0; i < t.n; i++)
        check(t.row[i].gain > 0, "%s: %g", t.row[i].type->name, t.row[i].gain);
    check(choices > 0 || !lv[levels - 1].emulated, "the emulated level has no choice");
}
