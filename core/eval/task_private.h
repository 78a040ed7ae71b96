/* Shared by the files of task.h: a parsed file, and the two ways to score. */
#ifndef NIBBLE_TASK_PRIVATE_H
#define NIBBLE_TASK_PRIVATE_H

#include "core/base/json.h"
#include "core/eval/task.h"

struct nb_tasks {
    nb_task_kind kind;
    nb_task_item *item;     /* [n] owned */
    nb_task_option *option; /* [n_option] owned */
    size_t n, cap, n_option, cap_option, in_file;
    nb_json *doc; /* owned: a qa file's strings */
};

/* Scratch of one run. */
typedef struct nb_task_run {
    const nb_tasks *tasks;
    nb_session *s;
    const nb_tok *tok;
    const nb_chat *chat;
    const nb_hooks *hooks;
} nb_task_run;

/* Whether task i is answered rightly. */
nb_status nb_task_choose(const nb_task_run *r, size_t i, bool *right, nb_err *err);
nb_status nb_task_answer(const nb_task_run *r, size_t i, bool *right, nb_err *err);
/* Tokens of an option's parts [0, parts) together; *ids owned by the caller. */
nb_status nb_task_ids(int32_t **ids, size_t *n, const nb_tok *tok, const nb_task_option *o,
                      int parts, nb_err *err);
/* Prompt of a qa task; *ids owned by the caller, with `room` more behind. */
nb_status nb_task_prompt(int32_t **ids, size_t *n, size_t room, const nb_chat *chat,
                         const nb_task_option *o, nb_err *err);

/* The generator of the C++ standard (26.6.4.3), whose picks are the tasks' order. */
typedef struct nb_mt19937 {
    uint32_t state[624];
    uint32_t at;
} nb_mt19937;
void nb_mt19937_seed(nb_mt19937 *g, uint32_t seed);
uint32_t nb_mt19937_next(nb_mt19937 *g);

#endif
