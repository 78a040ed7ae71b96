/* A question to a test endpoint and what came of it. */
#ifndef NIBBLE_TEST_REMOTE_RIG_H
#define NIBBLE_TEST_REMOTE_RIG_H

#include "downloads/remote.h"
#include "tests/remote_server.h"

typedef struct far_token {
    int32_t id;
    float logprob;
    int n_top;
    size_t start, len; /* in far_answer.text */
} far_token;

typedef struct far_answer {
    nb_status status;
    nb_err err;
    nb_turn_stats stats;
    nb_str text;
    far_token token[256]; /* those with an id */
    size_t n, bare;       /* bare: events without one */
    double seconds;       /* the question took */
    char what[96];        /* last progress that began with "rate limited" */
    _Atomic bool cancel;
    bool cancel_at_first; /* token */
    double cancel_after;  /* s after the question; 0 = not */
    double canceled;      /* when */
} far_answer;

/* A client of that server: patience 4 s, silence 10 s unless opt says otherwise. */
dl_remote *far_open(const char *model, const dl_remote_options *opt);
/* Asks one question; a is zeroed but for cancel_at_first and cancel_after. */
void far_ask(dl_remote *r, const nb_ask *ask, far_answer *a);
void far_say(dl_remote *r, const char *question, far_answer *a);
void far_free(far_answer *a);

#endif
