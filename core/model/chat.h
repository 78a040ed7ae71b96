/* Conversations to token ids by a template row, and one interface for whoever answers: a local
 * session now, a remote endpoint later (nb_responder). User text is encoded as text only; control
 * tokens come from the template alone (A6). */
#ifndef NIBBLE_CHAT_H
#define NIBBLE_CHAT_H

#include "core/model/sched.h"
#include "core/model/session.h"
#include "core/model/tok.h"

typedef enum nb_role { NB_SYSTEM, NB_USER, NB_ASSISTANT } nb_role;

typedef struct nb_message {
    nb_role role;
    const char *text; /* borrowed, len bytes */
    size_t len;
} nb_message;

typedef enum nb_template {
#define NB_TEMPLATE(sym, name, mark) NB_TEMPLATE_##sym,
#include "core/model/templates.def"
#undef NB_TEMPLATE
    NB_TEMPLATE_COUNT
} nb_template;

const char *nb_template_name(nb_template t);
/* The row for a model's keys; *fallback tells that its own template was not recognised. */
nb_template nb_template_for(const nb_kvs *kvs, const nb_tok *tok, bool *fallback);
/* Conversation + the opening of the assistant's turn -> ids; returns the count needed, SIZE_MAX
 * without memory. */
size_t nb_chat_encode(nb_template t, const nb_tok *tok, const nb_message *msg, size_t n,
                      int32_t *out, size_t cap);

/* --- an answer as it comes -------------------------------------------------------------------- */
typedef enum nb_stop {
    NB_STOP_END,
    NB_STOP_LIMIT,
    NB_STOP_CONTEXT,
    NB_STOP_CANCEL,
    NB_STOP_FAIL
} nb_stop;

typedef struct nb_token_event {
    int32_t id;     /* -1: no new token, only text that did not fit or that ends the answer */
    uint32_t index; /* 0 = first token of the answer */
    float logprob, entropy;
    int32_t top_id[NB_TOP];
    float top_logprob[NB_TOP];
    uint16_t len; /* bytes of text that are whole UTF-8 now (a token may add 0) */
    char text[128];
} nb_token_event;

typedef struct nb_turn_stats {
    uint32_t n_prompt, n_reused, n_answer;
    double ttft;      /* seconds from ask to first token */
    double tok_per_s; /* of generation, first token excluded */
    nb_stop stop;
} nb_turn_stats;

typedef struct nb_ask {
    const nb_message *messages;
    size_t n_messages;
    nb_sampling sampling;
    uint32_t max_tokens; /* 0 = until the end or the context is full */
    /* Called for each token, on the caller's thread. */
    void (*token)(void *arg, const nb_token_event *e);
    void *arg;
} nb_ask;

/* One who answers. ask blocks until the answer ends; stats are filled however it ends. The token
 * that ends an answer is neither reported nor counted. NB_CANCELED: hooks asked (<= 1 token late).
 * NB_REFUSED with NB_STOP_CONTEXT: the conversation alone does not fit; an answer that fills the
 * context is NB_OK with NB_STOP_CONTEXT. */
typedef struct nb_responder {
    nb_status (*ask)(struct nb_responder *r, const nb_ask *ask, nb_turn_stats *stats,
                     const nb_hooks *hooks, nb_err *err);
    void (*close)(struct nb_responder *r);
    const char *label;
} nb_responder;

/* A local model behind the interface: owns weights, model, tokenizer and session. ops and sched are
 * borrowed. ctx 0 = default. */
typedef struct nb_local nb_local;
nb_status nb_local_open(nb_local **out, const char *path, const nk_ops *ops, nb_sched *sched,
                        int threads, const nb_session_options *opt, nb_err *err);
nb_responder *nb_local_responder(nb_local *l);
const nb_model *nb_local_model(const nb_local *l);
const nb_tok *nb_local_tok(const nb_local *l);
nb_template nb_local_template(const nb_local *l, bool *fallback);
uint32_t nb_local_ctx(const nb_local *l);
/* Answers from now on with the adapter in this file (lora.h), scaled. */
nb_status nb_local_add_lora(nb_local *l, const char *path, float scale, nb_err *err);
/* To save and restore between answers; never during one. */
nb_session *nb_local_session(nb_local *l);
void nb_local_close(nb_local **l);

#endif
