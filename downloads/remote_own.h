/* The inside of remote models, private to remote*.c: server-sent events, one answer being read, the
 * texts an endpoint used, requests as JSON. */
#ifndef NIBBLE_REMOTE_OWN_H
#define NIBBLE_REMOTE_OWN_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/base/json.h"
#include "downloads/http.h"
#include "downloads/remote.h"

enum {
    DL_EVENT_MAX = 4 << 20,    /* bytes of one event, more is no token's */
    DL_ANSWER_MAX = 256 << 20, /* bytes of one answer with all that is told of its tokens */
    DL_WORDS_MAX = 1 << 20,    /* texts an endpoint may have */
    DL_WORD_MAX = 16 << 20,    /* bytes of them */
};

/* --- remote_sse.c: server-sent events (WHATWG HTML 9.2.6), pulled --- */
typedef struct dl_sse {
    nb_str in;   /* bytes not yet read, from `at` on */
    size_t at;   /* beginning of the line */
    size_t seen; /* no line end before it */
    nb_str data; /* of the event being read */
    bool has_data, given, started, skip_lf;
    bool marked; /* a byte order mark was looked for */
    bool whole;  /* all bytes came */
    bool plain;  /* no events: one document, which in holds */
    bool over;   /* an event grew beyond DL_EVENT_MAX: nothing more comes */
} dl_sse;
void dl_sse_push(dl_sse *s, const void *bytes, size_t n); /* after all that can be pulled was */
void dl_sse_end(dl_sse *s); /* no more bytes: what is there is an event */
/* The next event's data, borrowed until the next call; false = more bytes are needed, or over, or
 * no memory (in.failed, data.failed). */
bool dl_sse_next(dl_sse *s, char **data, size_t *n);
void dl_sse_free(dl_sse *s);

/* --- remote_words.c: texts <-> numbers --- */
typedef struct dl_words {
    pthread_mutex_t lock; /* the asking thread adds, others look */
    nb_str text;
    uint32_t *start; /* [n + 1] owned */
    uint32_t *slot;  /* [cap] 1 + number; a power of two; owned */
    size_t n, cap_start, cap;
} dl_words;
void dl_words_open(dl_words *w);
/* -1 without memory, and beyond DL_WORDS_MAX or DL_WORD_MAX. */
int32_t dl_words_id(dl_words *w, const char *text, size_t n);
/* Copies; returns the length needed (snprintf style), 0 for no such id. */
size_t dl_words_text(dl_words *w, int32_t id, char *out, size_t cap);
void dl_words_close(dl_words *w);

/* --- remote_read.c: events -> tokens --- */
typedef struct dl_answer {
    dl_words *words;            /* borrowed */
    const nb_ask *ask;          /* borrowed */
    const char *subject;        /* for messages; borrowed */
    uint32_t n_token;           /* told with an id */
    int64_t n_prompt, n_answer; /* as the server counts; -1 = not told */
    bool thinking, spoke;       /* inside of a thought; any text came */
    bool finished, done;        /* a finish_reason; [DONE] */
    nb_stop stop;
    double first, last; /* nb_now of the first and last text; 0 = none */
    nb_str said;        /* the server's own words about an error; "" */
} dl_answer;
/* One event, or the whole of an answer that is not streamed. NB_FORMAT: no JSON, or none of an
 * answer; NB_NETWORK: the server tells of an error (its words are in a->said). */
nb_status dl_answer_take(dl_answer *a, const char *json, size_t n, nb_err *err);
void dl_answer_free(dl_answer *a);

/* --- remote_score.c --- */
/* A reply of /completions. Not *told: it says nothing of the prompt, and out is empty. */
nb_status dl_scores_read(dl_scores *out, bool *told, const char *json, size_t n, const char *what,
                         nb_err *err);

/* --- remote.c --- */
/* What a request asks for beyond the least, and may have to do without. */
enum {
    DL_WITH_LOGPROBS = 1,
    DL_WITH_USAGE = 2,
    DL_WITH_EXTRAS = 4, /* top_k, min_p, repeat_penalty */
    DL_WITH_SEED = 8,
    DL_WITH_ALL = 15,
    DL_RENAMED_MAX = 16, /* max_completion_tokens: OpenAI's own since 2024-09 */
};

struct dl_remote {
    nb_responder responder;
    dl_net *net;
    char base[DL_URL_MAX]; /* "https://host/v1", no slash at its end */
    char host[300], label[300];
    pthread_mutex_t lock; /* name */
    char name[256];
    int silence;
    unsigned without; /* DL_WITH_ that this endpoint refuses; the asking thread's */
    size_t dialect;   /* of scores that it is known to speak; the asking thread's, as score_top */
    int score_top;    /* how many alternatives it tells; 0 = not known */
    atomic_int trouble;
    dl_words words;
};

/* The name, asked for when it was not given. */
nb_status dl_remote_need_name(dl_remote *r, char out[256], const nb_hooks *hooks, nb_err *err);
/* POST {base}{path}. take may be NULL. */
nb_status dl_remote_post(dl_remote *r, const char *path, const nb_str *json,
                         bool (*take)(void *ud, const void *bytes, size_t n), void *ud,
                         dl_reply *reply, const nb_hooks *hooks, nb_err *err);
nb_status dl_remote_ask(nb_responder *r, const nb_ask *ask, nb_turn_stats *stats,
                        const nb_hooks *hooks, nb_err *err);

#endif
