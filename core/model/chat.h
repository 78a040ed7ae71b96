/* Conversations to token ids by the model's own chat template, and one interface for whoever
 * answers: a local session now, a remote endpoint later (nb_responder). User text is encoded as
 * text only; control tokens come from the template alone (A6). */
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

/* --- chat template --------------------------------------------------------------------------- */
typedef struct nb_chat nb_chat;

/* The template of a model's keys (tokenizer.chat_template, or the one named default or tool_use),
 * compiled and tried; a row of templates.def where there is none, or where it cannot be run. tok is
 * borrowed. Safe to use from several threads. */
nb_status nb_chat_open(nb_chat **out, const nb_kvs *kvs, const nb_tok *tok, nb_err *err);
void nb_chat_close(nb_chat **c);
/* Name of the template in use: "own", "chatml", "plain". *problem (may be NULL): why the model's
 * own is not used; NULL = it is, or there is none. */
const char *nb_chat_template(const nb_chat *c, const char **problem);

typedef struct nb_prompt {
    size_t n;      /* ids needed */
    bool thinking; /* it ends inside of a thought that the answer goes on with */
} nb_prompt;

typedef enum nb_think { NB_THINK_AUTO, NB_THINK_OFF, NB_THINK_ON } nb_think;

/* A variable for the template: chat_template_kwargs of vLLM and llama.cpp's server. */
typedef struct nb_chat_arg {
    const char *name, *json;
} nb_chat_arg;

/* What a template is told besides the conversation; all borrowed. Texts from here are the user's:
 * they never become control tokens (A6). */
typedef struct nb_chat_vars {
    nb_think think;    /* enable_thinking, or thinking where that is the template's word */
    const char *tools; /* NULL = none; else JSON that nb_chat_tools_check takes */
    size_t tools_len;
    const nb_chat_arg *arg; /* [n_arg] */
    size_t n_arg;
} nb_chat_vars;

/* Conversation and the opening of the assistant's turn -> ids, at most cap of them written. What an
 * answer holds as <think>...</think> goes apart to a template that asks for it so. vars may be
 * NULL. NB_UNSUPPORTED: the template refuses the conversation, in its own words, takes no tools, or
 * cannot be run on it; NB_FORMAT names a variable that is no JSON, NB_USAGE one that is not the
 * caller's to set. */
nb_status nb_chat_encode(const nb_chat *c, const nb_message *msg, size_t n,
                         const nb_chat_vars *vars, int32_t *out, size_t cap, nb_prompt *prompt,
                         nb_err *err);
/* Whether the template asks if it may think. */
bool nb_chat_can_think(const nb_chat *c);

/* A thought at the beginning of an answer. */
typedef struct nb_thought {
    size_t start, len; /* of what is between the tags */
    size_t answer;     /* where the answer proper begins; the text's length while still thinking */
    bool done;
} nb_thought;
/* False: the answer begins with no thought. */
bool nb_chat_thought(const char *text, size_t len, nb_thought *out);

/* --- an answer as it comes -------------------------------------------------------------------- */
typedef enum nb_stop {
    NB_STOP_END,
    NB_STOP_LIMIT,
    NB_STOP_CONTEXT,
    NB_STOP_CANCEL,
    NB_STOP_FAIL
} nb_stop;

typedef struct nb_token_event {
    int32_t id;       /* -1: no new token, only text that did not fit or that ends the answer */
    uint32_t index;   /* 0 = first token of the answer */
    uint32_t answer;  /* which of several to one question */
    uint32_t dropped; /* context shift: tokens forgotten right before this one */
    float logprob, entropy; /* NAN: a remote endpoint does not tell */
    int32_t top_id[NB_TOP]; /* -1 from the first that is not there */
    float top_logprob[NB_TOP];
    uint16_t len; /* bytes of text that are whole UTF-8 now (a token may add 0) */
    char text[128];
} nb_token_event;

typedef struct nb_turn_stats {
    uint32_t n_prompt, n_reused, n_answer;
    uint32_t n_dropped; /* context shift: tokens forgotten, of the prompt and since */
    double ttft;        /* seconds from ask to first token */
    double tok_per_s;   /* of generation, first token excluded */
    nb_stop stop;
    bool tools; /* the model was told of tools: an answer that looks like a call is one */
    uint32_t n_drafted, n_accepted; /* tokens guessed for it, and of them those it chose too */
} nb_turn_stats;

typedef struct nb_ask {
    const nb_message *messages;
    size_t n_messages;
    nb_sampling sampling;
    uint32_t max_tokens; /* 0 = until the end or the context is full */
    /* A full context is no end: what stands before the first question stays, of the rest the older
       half is forgotten. Without max_tokens the answer then ends after as many tokens as the model
       was trained on. */
    bool shift;
    const nb_chat_vars *vars; /* may be NULL */
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
    /* One who has its own numbers for tokens: copies the bytes of one into out[cap], returns how
     * many there are (0: none of its). Any thread. NULL: the ids are a tokenizer's. */
    size_t (*piece)(struct nb_responder *r, int32_t id, char *out, size_t cap);
} nb_responder;

/* A local model behind the interface: owns weights, model, tokenizer and session. ops and sched are
 * borrowed. ctx 0 = default. */
typedef struct nb_local nb_local;
nb_status nb_local_open(nb_local **out, const char *path, const nk_ops *ops, nb_sched *sched,
                        int threads, const nb_session_options *opt, nb_err *err);
nb_responder *nb_local_responder(nb_local *l);
/* n answers to one question at once, in one pass over the weights per token: number i is what ask
 * alone gives with the i-th seed from ask's on. stats [n]. NB_USAGE: more than the session has
 * sequences (nb_session_options). */
nb_status nb_local_ask_each(nb_local *l, const nb_ask *ask, uint32_t n, nb_turn_stats *stats,
                            const nb_hooks *hooks, nb_err *err);
const nb_tok *nb_local_tok(const nb_local *l);
const nb_chat *nb_local_chat(const nb_local *l);
uint32_t nb_local_ctx(const nb_local *l);
/* Answers from now on by a flat copy (nb_model_flatten), and so does a model that guesses for this
 * one, now or later; of at most `room` bytes in all. *bytes (may be NULL): their size now, 0 where
 * nothing is gained by one. */
nb_status nb_local_flatten(nb_local *l, uint64_t room, uint64_t *bytes, const nb_hooks *hooks,
                           nb_err *err);
/* Answers from now on with the adapter in this file (lora.h), scaled. */
nb_status nb_local_add_lora(nb_local *l, const char *path, float scale, nb_err *err);
/* Answers from now on with guesses (draft.h), where one answer is asked for: the same tokens, in
 * fewer passes over the weights. how: "lookup", "off", or the path of a model with the same tokens,
 * such as this one in fewer bits. On failure as before: NB_REFUSED for another vocabulary, and what
 * nb_local_open gives. */
nb_status nb_local_draft(nb_local *l, const char *how, const nb_hooks *hooks, nb_err *err);
/* To save and restore between answers; never during one. */
nb_session *nb_local_session(nb_local *l);
void nb_local_close(nb_local **l);

#endif
