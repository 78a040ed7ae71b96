/* HTTP for the rest of downloads/, private to the folder: blocking calls with retries for metadata,
 * streams without retries for transfers. Never a redirect followed by libcurl, never a token
 * outside its origin, never a compressed reply taken for the plain one (hub.md 1.4). */
#ifndef NIBBLE_HTTP_H
#define NIBBLE_HTTP_H

#include "core/base/str.h"
#include "downloads/dl.h"

enum {
    DL_REDIRECT_MAX = 10,
    DL_HEADER_MAX = 256 * 1024,
    DL_ERROR_BODY = 64 * 1024,
    DL_HOLD_MAX = 3600,     /* s a server that asks for it is waited for at most */
    DL_REMOTE_CONNECT = 10, /* s */
};

typedef enum dl_method { DL_GET, DL_HEAD, DL_POST } dl_method;
typedef enum dl_follow {
    DL_FOLLOW_HUB, /* within the Hub's own origins; the first redirect that leaves them is the reply
                      (resolve: the metadata lies on that 3xx) */
    DL_FOLLOW_ALL, /* anywhere over http(s), never https -> http; no token outside its origins */
} dl_follow;

typedef struct dl_request {
    dl_method method;
    dl_follow follow;
    const char *url;  /* absolute, or "/api/..." below the endpoint; borrowed for the call */
    const char *form; /* POST body, x-www-form-urlencoded; NULL */
    const char *json; /* POST body, application/json, instead; NULL */
    bool remote;      /* of a model's endpoint, not of a Hub: its own sentences, a connection
                         within DL_REMOTE_CONNECT, and it may be slow */
    /* Of calls: gets a 2xx's body as it comes, on the net thread; false = stop. Once it had a byte
     * nothing is tried again. NULL = the body is in the reply. */
    bool (*take)(void *ud, const void *bytes, size_t n);
    void *take_ud;
    bool ranged;          /* Range: bytes=first-last */
    uint64_t first, last; /* inclusive */
    uint64_t body_max;    /* body cap in bytes; more is DL_TOO_BIG. 0 = no body wanted; of streams,
                             no cap */
    int timeout;          /* s without a byte; 0 = env.etag_timeout */
    const char *subject;  /* "ns/repo", "ns/repo/file": for messages; borrowed */
} dl_request;

/* Final answer: the last hop's status and headers. Zero or "" = header absent or unusable. */
typedef struct dl_reply {
    int status; /* HTTP; 0 = no answer came */
    bool sent;  /* the request went out: a connection was there */
    dl_trouble trouble;
    char url[DL_URL_MAX];      /* that answered; may be signed: print only through dl_url_safe */
    char location[DL_URL_MAX]; /* of a 3xx not followed, absolute */
    char commit[41];           /* X-Repo-Commit, 40 hex */
    char etag[129];            /* X-Linked-Etag, else ETag: W/ and quotes stripped */
    bool linked_etag, linked_size; /* etag, size came from X-Linked-*: they are the content's, not
                                      those of a storage that names it otherwise */
    bool has_size, has_length, has_range, has_total;
    uint64_t size;               /* X-Linked-Size, else Content-Length of a whole, plain 2xx */
    uint64_t length;             /* Content-Length */
    uint64_t first, last, total; /* Content-Range */
    bool encoded;                /* a Content-Encoding other than identity */
    char type[64];               /* Content-Type, lower case, no parameters */
    char error_code[64], error_message[256], request_id[128]; /* X-..., untrusted text */
    char next[DL_URL_MAX]; /* Link rel=next, re-rooted to the endpoint (hub.md 1.2) */
    double retry_after;    /* s; < 0 = none. Retry-After or RateLimit t when r is 0 */
    nb_str body;           /* blocking calls: whole, or an error's text; owned */
} dl_reply;
void dl_reply_free(dl_reply *r);
/* A 503 that says when to come back (RFC 9110 10.2.3): waited for as a rate limit is; away: but not
 * for longer than DL_HOLD_MAX. */
bool dl_reply_busy(const dl_reply *r);
bool dl_reply_away(const dl_reply *r);

/* Monotonic seconds that nb_now_set does not stop: servers do not know of it. */
double dl_clock(void);

/* Blocking, any thread but the net thread. Waits out rate limits (all requests together), retries
 * 408, 429, 5xx, resets with backoff 0.5-8 s and jitter while progress renews the budget (hub 11,
 * 12), 429 and 503 with Retry-After at most 8 times and a server that takes no connection 3 times;
 * every other non-2xx becomes an error by the table of hub.md 1.5, with out->trouble set and the
 * token's source in the message where it matters. hooks->canceled is polled every 50 ms; progress
 * says "rate limited, resumes in 12 s". out is valid (and to be freed) in any case. A 3xx kept by
 * DL_FOLLOW_HUB is a success. */
nb_status dl_call(dl_net *net, const dl_request *rq, dl_reply *out, const nb_hooks *hooks,
                  nb_err *err);

/* A streamed GET. All three run on the net thread, must not block beyond a disk write and may start
 * and stop streams. head: status and headers of a 2xx or a kept 3xx are known, false = stop. body:
 * of a 2xx, false = stop. done: exactly once, last; status NB_OK only if the whole announced body
 * came; reply->trouble says why not (DL_OK with NB_CANCELED and NB_NOMEM), and an error's text, at
 * most DL_ERROR_BODY bytes, is in reply->body until done returns. Redirects do not reach the sink;
 * a 429, or a 503 with Retry-After, makes all requests wait, but this one is over. A rate limit cap
 * slows bodies; a stall ends the stream with DL_STALLED after `timeout` seconds without a byte, or
 * three windows of it below 1 KiB/s. */
typedef struct dl_sink {
    bool (*head)(void *ud, const dl_reply *reply);
    bool (*body)(void *ud, const void *bytes, size_t n);
    void (*done)(void *ud, const dl_reply *reply, nb_status status, const nb_err *err);
    void *ud;
} dl_sink;
typedef struct dl_stream dl_stream;
/* Any thread. On success done will come; on failure it will not. The handle is valid until done
 * returns. */
nb_status dl_stream_start(dl_stream **out, dl_net *net, const dl_request *rq, const dl_sink *sink,
                          nb_err *err);
void dl_stream_stop(dl_net *net, dl_stream *s); /* only asks */
/* Runs fn(ud) on the net thread after `seconds` (0 = next turn); false = no memory or closing. What
 * is not due when the net closes does not run. */
bool dl_net_after(dl_net *net, double seconds, void (*fn)(void *ud), void *ud);

/* One pointer that hub.c keeps with the net (the account); returns the one before. free()d at
 * close. Any thread. */
void *dl_net_swap_kept(dl_net *net, void *kept);
/* A mark of endpoint and token, by which kept answers are told apart. *has_token may be NULL. Any
 * thread. */
uint64_t dl_net_mark(dl_net *net, bool *has_token);

/* --- URLs and headers: pure, fuzzed (url.c, header.c) -------------------------------------------
 */
/* Scheme, host and port equal (default ports filled in). */
bool dl_same_origin(const char *a, const char *b);
/* May the token go to url: the endpoint's origin, or, when that is the Hub itself, one of its own
 * https names (hub.md 1.1). */
bool dl_token_may_go(const nb_hub_env *env, const char *url);
bool dl_url_is_tls(const char *url);
bool dl_url_is_local(const char *url); /* the host is this machine: localhost, 127.*, [::1] */
const char *dl_url_host(char out[256], const char *url); /* for messages; "?" if it is no URL */
/* The same with the port where one is written: "localhost:8080". */
const char *dl_url_authority(char out[300], const char *url);
/* The proxy for url by env and its no_proxy, borrowed from env; NULL = none. May hold a password.
 */
const char *dl_url_proxy(const nb_hub_env *env, const char *url);
/* Appends s percent-encoded; keep_slash leaves '/' (file paths), else everything reserved goes. */
void dl_url_encode(nb_str *out, const char *s, bool keep_slash);
/* base + relative reference -> absolute, query kept, fragment dropped, what no address may hold
 * encoded. False ("" in out) when not http(s), with user or password, with control bytes, or too
 * long. */
bool dl_url_join(char out[DL_URL_MAX], const char *base, const char *ref);
/* The same, then moved below env's endpoint and its path prefix, whatever origin ref names. */
bool dl_url_at_endpoint(char out[DL_URL_MAX], const nb_hub_env *env, const char *base,
                        const char *ref);
/* For messages and logs: user, password and query values become "…". */
const char *dl_url_safe(char out[256], const char *url);
/* One header line "Name: value" (no CRLF) into reply, whose status and url are set; Link is
 * re-rooted to env's endpoint. now: Unix seconds, for dates in Retry-After. */
void dl_header_take(dl_reply *reply, const nb_hub_env *env, const char *line, size_t n, double now);
/* Value of "Name: value" when the line is of that name (given in lower case), without blanks around
 * it: borrowed, *n_value bytes. NULL otherwise. */
const char *dl_header_value(const char *line, size_t n, const char *name, size_t *n_value);

#endif
