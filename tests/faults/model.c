/* A chat with the demo: weights, model, tokenizer, session, lease and answer (A11). */
#include <string.h>

#include "core/model/chat.h"
#include "kernels/cpu.h"
#include "tests/faults/faults.h"
#include "tests/util.h"

enum { ANSWER = 3, LANES = 2 };

typedef struct heard {
    int32_t id[LANES][ANSWER];
    uint32_t n[LANES];
} heard;

static void hear(void *arg, const nb_token_event *e)
{
    heard *h = arg;
    if (e->id >= 0 && h->n[e->answer] < ANSWER)
        h->id[e->answer][h->n[e->answer]++] = e->id;
}

/* Of a context that is full after two tokens. */
static nb_status ask_both(nb_local *l, heard *h, nb_err *err)
{
    static const nb_chat_arg arg = {"depth", "{\"a\": [1, \"x\"]}"};
    const nb_chat_vars vars = {.think = NB_THINK_OFF, .arg = &arg, .n_arg = 1};
    nb_message msg = {NB_USER, "What is Q4_K?", 13};
    nb_ask ask = {.messages = &msg,
                  .n_messages = 1,
                  .sampling = nb_sampling_greedy(),
                  .max_tokens = ANSWER,
                  .shift = true,
                  .vars = &vars,
                  .token = hear,
                  .arg = h};
    nb_turn_stats stats[LANES] = {{.n_answer = 99}, {.n_answer = 99}};
    nb_status status = nb_local_ask_each(l, &ask, LANES, stats, NULL, err);
    for (int i = 0; i < LANES; i++) {
        bool all = stats[i].n_answer == ANSWER && stats[i].stop == NB_STOP_LIMIT;
        fault_check(stats[i].n_answer == h->n[i], "%u tokens, %u told", stats[i].n_answer, h->n[i]);
        fault_check(all || (status != NB_OK && stats[i].stop == NB_STOP_FAIL), "%d: stop %d", i,
                    stats[i].stop);
    }
    return status;
}

/* The first run has no fault: its answers are what every later success must give. */
static nb_status answer(nb_err *err)
{
    static heard first;
    heard h = {.n = {0}};
    nk_ops ops;
    nb_sched *sched = NULL;
    nb_local *l = NULL;
    nb_session_options options = {.n_ctx = 12, .n_seq = LANES};
    nk_ops_init(&ops, nk_cpu_detect());
    NB_TRY(nb_sched_open(&sched, 2, err));
    nb_status status = nb_local_open(&l, test_data("nibble-demo"), &ops, sched, 0, &options, err);
    fault_check((status == NB_OK) == (l != NULL), "output without success");
    if (status == NB_OK)
        status = ask_both(l, &h, err);
    if (status == NB_OK && !first.n[0])
        first = h;
    fault_check(status != NB_OK || memcmp(&h, &first, sizeof h) == 0, "another answer");
    nb_local_close(&l);
    nb_sched_close(&sched);
    return status;
}

FAULT_SCENARIO(local_answer, NULL, answer, NULL);
