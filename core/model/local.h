/* What local.c (opening) and answer.c (asking) share. */
#ifndef NIBBLE_LOCAL_H
#define NIBBLE_LOCAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/model/chat.h"
#include "core/model/draft.h"
#include "core/model/lora.h"

struct nb_local {
    nb_responder responder;
    nb_weights *weights;
    pthread_t warmer; /* enters the weights into the page tables while the rest is opened */
    bool warming;
    atomic_bool warmed; /* the warmer is to end */
    nb_model *model;
    nb_tok *tok;
    nb_session *session;
    nb_sampler *sampler[NB_MAX_SEQ]; /* one for each of the session's sequences */
    nb_weights *adapter[NB_MAX_LORA];
    nb_lora *lora[NB_MAX_LORA];
    nk_ops ops;      /* the caller's, quickened */
    nb_sched *sched; /* borrowed, may be NULL: one thread */
    int threads;
    nb_chat *chat;
    nb_draft *draft;   /* NULL: none */
    nb_local *drafter; /* whose session guesses; NULL: none */
    char *draft_how;   /* as it was asked for; NULL: off */
    uint64_t room;     /* bytes that flat copies may take, the drafter's too; 0: none are made */
    int32_t *ids;      /* [n_ctx] the conversation */
    char label[128];
};

/* The weights are needed now, or no more: ends what warms them. */
void nb_local_end_warming(nb_local *l);

#endif
