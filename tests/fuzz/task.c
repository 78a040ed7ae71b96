/* Any bytes as a task file of each kind (the first byte says which): refused with words, or tasks
 * whose texts lie within the file. */
#include "tests/fuzz/fuzz.h"

#include "core/eval/task.h"

static void check_option(const nb_task_option *o, const uint8_t *bytes, size_t n)
{
    for (int i = 0; i < 3; i++) {
        const uint8_t *at = (const uint8_t *)o->part[i].at;
        bool inside = at >= bytes && at <= bytes + n;
        fuzz_check(!inside || o->part[i].len <= (size_t)(bytes + n - at), "a text past the end");
    }
}

FUZZ_TARGET(task)
{
    nb_tasks *t = NULL;
    nb_err err = {.msg = ""};
    if (n == 0)
        return;
    nb_task_kind kind = (nb_task_kind)(bytes[0] % NB_TASK_KINDS);
    uint32_t most = bytes[0] >> 4;
    nb_status st = nb_tasks_open(&t, kind, bytes + 1, n - 1, most, "fuzz", &err);
    if (st != NB_OK) {
        fuzz_check(err.status == st && err.msg[0] && !t, "failure without words");
        return;
    }
    fuzz_check(nb_tasks_count(t) >= 1 && nb_tasks_count(t) <= nb_tasks_in_file(t), "counts");
    for (size_t i = 0; i < nb_tasks_count(t); i++) {
        const nb_task_item *it = nb_tasks_at(t, i);
        fuzz_check(it->n >= 1, "a task without options");
        for (uint32_t k = 0; k < it->n; k++)
            check_option(nb_tasks_option(t, it->first + k), bytes + 1, n - 1);
    }
    nb_tasks_close(&t);
}
