/* The inside of the network, private to net.c (the thread, its clock and what all requests share),
 * stream.c (one request on its way), trouble.c (what a reply or libcurl's failure means) and http.c
 * (blocking calls on top of streams). */
#ifndef NIBBLE_NET_H
#define NIBBLE_NET_H

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "downloads/http.h"

enum {
    DL_SLOTS = 50,       /* of 0.1 s: the mean of dl_net_view */
    DL_TOPICS = 16,      /* warnings remembered as shown */
    DL_PATIENCE = 60,    /* s, see dl_options */
    DL_CONNECTIONS = 4,  /* see dl_options */
    DL_DROP_MAX = 65536, /* bytes of an unwanted body that are read to keep the connection */
};

typedef struct dl_timer {
    double due; /* dl_clock */
    void (*fn)(void *ud);
    void *ud;
    struct dl_timer *next;
} dl_timer;

struct dl_net {
    pthread_t thread;
    CURLM *multi;   /* the net thread's; the others only wake it */
    nb_hub_env env; /* token and token_from: under the lock */
    bool offline;
    int connections;
    double patience;
    char agent[256];
    _Atomic uint64_t limit; /* bytes/s, 0 = none */

    pthread_mutex_t lock;   /* guards all up to the blank line */
    pthread_cond_t changed; /* a call's stream ended, a caller left, closing; monotonic clock */
    bool closing;
    unsigned callers;               /* threads inside dl_call */
    dl_stream *fresh, **fresh_tail; /* started, not yet seen by the net thread */
    dl_timer *timers;               /* soonest first */
    double hold_until;              /* dl_clock; no request starts before */
    const char *held;               /* constant: why; NULL = never was */
    uint64_t received, requests;    /* as in dl_net_view */
    int active;                     /* as in dl_net_view */
    uint64_t slots[DL_SLOTS];       /* bytes by tenth of a second, a ring */
    int64_t slot;                   /* the newest one's tenth */
    double rate_from;               /* dl_clock of the first byte the slots know */
    char warning[256];              /* as in dl_net_view */
    char topics[DL_TOPICS][64];     /* of warnings shown, a ring */
    unsigned n_topics;
    void *kept; /* owned; see dl_net_swap_kept */

    dl_stream *streams;    /* the net thread's, in order of arrival */
    double tokens, filled; /* bytes bodies may take now; dl_clock of the last refill */
};

/* What becomes of a hop's body. */
typedef enum dl_plan {
    DL_NO_HEAD, /* the head is not read yet */
    DL_HOP,     /* a redirect that is followed: drop the body */
    DL_GIVE,    /* to the sink */
    DL_KEEP,    /* an error's, for the message */
    DL_DROP,    /* nobody wants it */
} dl_plan;

struct dl_stream {
    dl_net *net;     /* borrowed */
    dl_stream *next; /* in net->fresh, then in net->streams */
    dl_request rq;   /* its url, form and subject are the ones below */
    char *form;      /* owned; NULL. JSON when that is what was given */
    bool json;
    char subject[160];
    dl_sink sink;
    bool call;        /* of dl_call: outside the connections and the pace of transfers */
    atomic_bool stop; /* asked to end */

    /* Only the net thread's from here on. */
    CURL *easy;
    struct curl_slist *headers; /* may hold the token: wiped before it is freed */
    char url[DL_URL_MAX];       /* of this hop */
    int hops;                   /* redirects followed */
    bool strayed;               /* a hop left the Hub's origins: the token does not come back */
    bool running;               /* this hop is in the multi handle */
    bool sent_token;            /* with this hop */
    bool interim, cut;          /* head of a 1xx; rest of an unwanted body refused */
    bool paused;                /* by the limit, since paused_at */
    dl_plan plan;
    size_t head_bytes;   /* of this hop, 1xx and trailers included */
    uint64_t got;        /* bytes of this hop's body */
    double heard;        /* dl_clock of the last byte, or of the hop's start */
    double paused_at;    /* dl_clock */
    double window;       /* dl_clock of the start of the window got_window belongs to */
    uint64_t got_window; /* bytes */
    unsigned slow;       /* windows below 1 KiB/s in a row */
    dl_reply reply;
    nb_status status; /* a verdict before libcurl's, with err and reply.trouble; NB_OK = none */
    nb_err err;
    char why[CURL_ERROR_SIZE]; /* libcurl's words */
};

/* --- net.c ----------------------------------------------------------------------------------- */
/* Bytes of a body arrived: figures and, for transfers and calls alike, the pace. */
void dl_net_count(dl_net *net, size_t n);
/* May a transfer's body go on now? Net thread. */
bool dl_net_may_take(dl_net *net, double now);
/* A server that asks to wait, by 429 or 503: no request starts before, for at most DL_HOLD_MAX. */
void dl_net_heed(dl_net *net, const dl_reply *r);
/* "topic; text" into dl_net_view.warning, unless the topic was there before. */
void dl_net_warn(dl_net *net, const char *text, size_t n);
/* Under the lock, out[NB_TOKEN_MAX]; false ("" in out) when there is none. The caller wipes. */
bool dl_net_copy_token(dl_net *net, char *out);
/* Stars over the token wherever it stands in text[n], and over what of it stands at the end: a
 * server may send back what it was sent, and messages are shown and logged. */
void dl_net_hide_token(dl_net *net, char *text, size_t n);
void dl_net_wake(dl_net *net);

/* --- stream.c, net thread only -----------------------------------------------------------------
 */
/* As dl_stream_start; call: see dl_stream. */
nb_status dl_stream_open(dl_stream **out, dl_net *net, const dl_request *rq, const dl_sink *sink,
                         bool call, nb_err *err);
/* Begins a hop. A failure ends up in s->status. */
void dl_stream_send(dl_stream *s, double now);
/* libcurl is done with the hop. True when the stream is over, false when it waits for its next hop.
 */
bool dl_stream_answered(dl_stream *s, CURLcode code);
/* True when the server is silent or too slow; else *wake is lowered to the next look. */
bool dl_stream_stalled(dl_stream *s, double now, double *wake);
void dl_stream_resume(dl_stream *s, double now); /* after a pause */
/* Tells done and frees. NB_OK in status: the verdict is s->status. */
void dl_stream_end(dl_stream *s, nb_status status);

/* --- trouble.c ------------------------------------------------------------------------------- */
/* The table of hub.md 1.5 for a final answer: DL_OK for 2xx and 3xx. */
dl_trouble dl_judge(const nb_hub_env *env, const dl_reply *reply);
/* Fills s->err, s->status and s->reply.trouble for a reply that is one (DL_OK: nothing). */
void dl_judge_reply(dl_stream *s);
void dl_judge_curl(dl_stream *s, CURLcode code);
/* Sets a verdict of our own: "subject: text". */
void dl_judge_own(dl_stream *s, dl_trouble trouble, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
