/* A chat with the demo: weights, model, tokenizer, session, lease and answer (A11). */
#include <string.h>

#include "core/model/chat.h"
#include "kernels/cpu.h"
#include "tests/faults/faults.h"
#include "tests/util.h"

enum { ANSWER = 3 };

typedef struct heard {
    int32_t id[ANSWER];
    uint32_t n;
} heard;

static void hear(void *arg, const nb_token_event *e)
{
    heard *h = arg;
    if (h->n < ANSWER)
        h->id[h->n++] = e->id;
}

static nb_status ask_three(nb_local *l, heard *h, nb_err *err)
{
    nb_message msg = {NB_USER, "What is Q4_K?", 13};
    nb_ask ask = {.messages = &msg,
                  .n_messages = 1,
                  .sampling = nb_sampling_greedy(),
                  .max_tokens = ANSWER,
                  .token = hear,
                  .arg = h};
    nb_turn_stats stats = {.n_answer = 99};
    nb_responder *r = nb_local_responder(l);
    nb_status status = r->ask(r, &ask, &stats, NULL, err);
    fault_check(stats.n_answer == (status == NB_OK ? ANSWER : 0), "%u tokens", stats.n_answer);
    fault_check(stats.stop == (status == NB_OK ? NB_STOP_LIMIT : NB_STOP_FAIL), "%d", stats.stop);
    return status;
}

/* The first run has no fault: its answer is what every later success must give. */
static nb_status answer(nb_err *err)
{
    static heard first;
    heard h = {.n = 0};
    nk_ops ops;
    nb_sched *sched = NULL;
    nb_local *l = NULL;
    nb_session_options options = {.n_ctx = 64};
    nk_ops_init(&ops, nk_cpu_detect());
    NB_TRY(nb_sched_open(&sched, 2, err));
    nb_status status = nb_local_open(&l, test_data("nibble-demo"), &ops, sched, 0, &options, err);
    fault_check((status == NB_OK) == (l != NULL), "output without success");
    if (status == NB_OK)
        status = ask_three(l, &h, err);
    if (status == NB_OK && !first.n)
        first = h;
    fault_check(status != NB_OK || memcmp(&h, &first, sizeof h) == 0, "another answer");
    nb_local_close(&l);
    nb_sched_close(&sched);
    return status;
}

FAULT_SCENARIO(local_answer, NULL, answer, NULL);
