/* Which of two kernels multiplies a type faster on this machine: what `bench --tune` measured, kept
 * in <state>/tune.json and read when a command starts. Wide units (nk_wide) and pairs (nk_pairs)
 * are used only for types that won here. The bits of a product are the same with a wide unit; with
 * pairs they are not, but f16 and bf16 then go that way in prefill and decode alike. Nothing is
 * timed at start-up, so the same machine runs the same kernels every time. */
#ifndef NIBBLE_TUNE_H
#define NIBBLE_TUNE_H

#include "core/base/config.h"
#include "kernels/ops.h"

typedef struct nb_tune_row {
    const nk_type *type;
    double gain; /* time of a prefill without the unit / with it; of pairs the worse of that and of
                    one column's if the latter is below NB_TUNE_EVEN */
} nb_tune_row;

typedef struct nb_tune {
    char cpu[96]; /* nk_cpu_model */
    size_t n;     /* 0: this machine has one kernel for everything */
    nb_tune_row row[NK_TYPE_SLOTS];
} nb_tune;

/* Less is noise, and the unit lowers the clock of what runs beside it. */
#define NB_TUNE_WIN 1.05
/* One column waits for memory either way: what loses more than noise was in the unit's way. */
#define NB_TUNE_EVEN 0.97
/* Of a matrix that one column is timed with: no cache keeps so much. */
#define NB_TUNE_BYTES ((size_t)256 << 20)

/* Times both for every type that ops has a wide product or pairs of, on all threads of the pool.
 * bytes: NB_TUNE_BYTES; allocated only where there are pairs. */
nb_status nb_tune_run(nb_tune *out, const nk_ops *ops, nk_pool *pool, size_t bytes,
                      const nb_hooks *hooks, nb_err *err);
/* Replaces what was stored; NB_REFUSED where nothing can be remembered. */
nb_status nb_tune_save(const nb_config *cfg, const nb_tune *t, nb_err *err);
/* Takes the wide products and pairs out of ops that no stored measurement of this CPU and this
 * version of nibble found faster, and the level with the last of them. level: the ceiling the user
 * named, "" for none; by naming "amx" they ask for all of it. A file that cannot be read counts as
 * none. */
void nb_tune_apply(const nb_config *cfg, const char *level, nk_ops *ops);

#endif
