/* Scenarios of the engine: a whole turn of chat (A11). */
#include <string.h>

#include "core/model/chat.h"
#include "kernels/cpu.h"
#include "tests/faults/faults.h"
#include "tests/util.h"

static const nk_ops *ops(void)
{
    static nk_ops table;
    static bool done;
    if (!done)
        nk_ops_init(&table, nk_cpu_detect());
    done = true;
    return &table;
}

enum { ANSWER = 6 };

typedef struct heard {
    int32_t id[ANSWER];
    size_t n;
} heard;

static void hear(void *arg, const nb_token_event *e)
{
    heard *h = arg;
    if (h->n < ANSWER)
        h->id[h->n++] = e->id;
}

static nb_status ask(nb_local *l, heard *h, nb_err *err)
{
    static const char question[] = "What is Q4_K?";
    nb_message msg = {NB_USER, question, sizeof question - 1};
    nb_ask a = {&msg, 1, nb_sampling_greedy(), ANSWER, hear, h};
    nb_turn_stats stats;
    nb_responder *r = nb_local_responder(l);
    return r->ask(r, &a, &stats, NULL, err);
}

static nb_status chat_with(nb_sched *sched, heard *h, nb_err *err)
{
    nb_local *l = NULL;
    nb_session_options opt = {.n_ctx = 64};
    NB_TRY(nb_local_open(&l, test_data("nibble-demo"), ops(), sched, 2, &opt, err));
    nb_status status = ask(l, h, err);
    nb_local_close(&l);
    return status;
}

/* The first run has no fault: its answer is what every later success must give. */
static nb_status chat(nb_err *err)
{
    static heard first;
    heard h = {.n = 0};
    nb_sched *sched = NULL;
    NB_TRY(nb_sched_open(&sched, 2, err));
    nb_status status = chat_with(sched, &h, err);
    nb_sched_close(&sched);
    if (status == NB_OK && !first.n)
        first = h;
    fault_check(status != NB_OK || (h.n > 0 && memcmp(&h, &first, sizeof h) == 0),
                "%zu tokens, another answer", h.n);
    return status;
}
FAULT_SCENARIO(chat_turn, NULL, chat, NULL);
