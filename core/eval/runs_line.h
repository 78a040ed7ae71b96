/* One stored run as a line of JSON, both ways. Private to runs.c and its tests. */
#ifndef NIBBLE_RUNS_LINE_H
#define NIBBLE_RUNS_LINE_H

#include "core/base/json.h"
#include "core/eval/runs.h"

typedef struct nb_run {
    nb_run_kind kind;
    nb_run_key key;
    union {
        nb_ppl ppl;
        nb_kld kld;
        nb_task_score task;
        nb_damage damage;
        nb_bench bench;
        nb_far far;
    } of;
} nb_run;

size_t nb_run_size(nb_run_kind kind); /* bytes of its record */
/* key.n_ctx and key.chunks become what the record says of them. */
void nb_run_settle(nb_run *r);
void nb_run_write(nb_str *out, const nb_run *r); /* with its line end */
bool nb_run_read(nb_run *out, const nb_jval *obj);

#endif
