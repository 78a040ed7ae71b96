/* A Hugging Face Hub for tests and hand trials: a few threads that answer on 127.0.0.1 as the real
 * one does (hub.md 1 and the canned replies of its section 6), with a second port as the CDN and,
 * if wanted, a third as an HTTP proxy. Repositories are added from bytes, files on disk or seeded
 * noise of any size; a fault script makes single requests go wrong; a log keeps every request.
 *
 *     fake_hub *hub;
 *     check(fake_hub_start(&hub, NULL, &err) == NB_OK, "%s", err.msg);
 *     fake_repo *repo = fake_hub_add(hub, &(fake_repo_info){.id = "ns/repo"});
 *     fake_repo_text(repo, "config.json", "{}");
 *     fake_repo_noise(repo, "m.gguf", 64 << 20, 7);
 *     fake_hub_fault(hub, "GET cdn:*.gguf #1 drop_after=100000", &err);
 *     ... HF_ENDPOINT = fake_hub_origin(hub, FAKE_HUB) ...
 *     check(fake_hub_count(hub, FAKE_CDN, "GET", "*.gguf") == 2, "...");
 *     fake_hub_stop(&hub);
 *
 * Every function may be called from any thread while requests are served; strings given are copied
 * unless said otherwise; fake_repo pointers live as long as their hub. Without memory the process
 * ends: only tests use this. Times are real ones: nb_now_set does not reach the server. */
#ifndef NIBBLE_TEST_FAKE_HUB_H
#define NIBBLE_TEST_FAKE_HUB_H

#include "tests/hub/fake_repo.h"

typedef enum fake_port { FAKE_HUB, FAKE_CDN, FAKE_PROXY, FAKE_PORTS } fake_port;

/* Zero = what the Hub does. */
typedef struct fake_hub_options {
    const char *prefix;      /* stands before every path of the Hub: "/mirror"; NULL = none */
    const char *link_origin; /* origin named in Link: rel="next", as mirrors leak the Hub's own */
    unsigned list_page;      /* rows of /api/models without limit, and its largest; 0 = 1000 */
    unsigned tree_page;      /* entries a page of /tree; 0 = 1000 (expand: 50) */
    unsigned signed_seconds; /* life of a CDN address; 0 = 3600 */
    unsigned api_limit;      /* requests a window; then 429; 0 = 500 told, none enforced */
    unsigned resolver_limit; /* 0 = 3000 told, none enforced */
    unsigned whoami_limit;   /* 0 = none */
    unsigned window;         /* seconds of a rate limit's window; 0 = 300 */
    uint64_t cache;          /* bytes of noise kept in memory for speed; 0 = 1 GiB */
    bool cache_needs_query;  /* /api/resolve-cache without its query: 404, as on mirrors (4637) */
    bool proxy;              /* open the third port */
    unsigned short ports[FAKE_PORTS]; /* fixed ports; 0 = the system chooses */
} fake_hub_options;

/* Binds the ports, starts the threads. opt may be NULL. *out is the caller's: fake_hub_stop. */
nb_status fake_hub_start(fake_hub **out, const fake_hub_options *opt, nb_err *err);
/* Cuts every connection, joins every thread, frees everything, NULLs. Accepts NULL. */
void fake_hub_stop(fake_hub **hub);
/* "http://127.0.0.1:40001", for FAKE_HUB with the prefix: an HF_ENDPOINT. NULL for a proxy that was
 * not asked for. Valid until the stop. */
const char *fake_hub_origin(const fake_hub *hub, fake_port port);

/* --- who asks -------------------------------------------------------------------------------- */
/* Tokens not in the table answer 401 "Invalid credentials in Authorization header". */
typedef struct fake_token {
    const char *token;
    const char *name;        /* of whoami-v2; NULL = "tester" */
    const char *role;        /* "read", "write", "fineGrained"; NULL = "read" */
    const char *const *orgs; /* NULL-terminated; NULL = none */
    bool pro;
} fake_token;
void fake_hub_token(fake_hub *hub, const fake_token *token);

/* --- faults ---------------------------------------------------------------------------------- */
/* One rule a line; all rules that match a request apply, the later over the earlier:
 *
 *     METHOD [hub:|cdn:|proxy:]GLOB [#N | #N-M | #N+] VERB[=VALUE]...
 *
 * METHOD is GET, HEAD, POST or *. GLOB (* ? [abc], * crosses /) is held against the decoded path
 * without prefix and query; a request to the CDN is matched as /ns/repo/path-of-the-file, whatever
 * its signed address looks like, so "GET cdn:*.gguf" means what is downloaded and "* hub:*.gguf"
 * the redirect to it. #N counts the requests that matched this rule, from 1; without it all do.
 * VALUE ends at a blank unless in "..." with \n \t \" \\ \xHH inside; {hub} and {cdn} in it are the
 * origins; K, N, OFF are bytes, with K M G as 1024^n. Offsets of a body count from its first byte.
 *
 *   before any answer
 *     delay=MS          wait first
 *     rst               reset; with drop_after=K after K bytes of the body
 *   another answer
 *     status=N          this status with the Hub's or the CDN's error body; 429 of the Hub has r=0
 *     body=TEXT body_file=PATH    this body (200 unless status=)
 *     redirect=URL      Location (302 unless status=); loop = redirected to itself
 *     endless_body      spaces for ever after the body (chunked)
 *   another head
 *     header=K:V        replaces K or adds it; header=K: removes it; may stand repeatedly
 *     big_headers[=N]   N bytes (1M) of further fields
 *     bad_etag[=TEXT]   ETag and X-Linked-Etag are a wrong digest of the right form, or TEXT
 *     bad_len=N         Content-Length (or Content-Range's total) and X-Linked-Size say N
 *     no_length chunked no Content-Length: the end is the connection's, or chunks'
 *     no_content_range  206 without it
 *   another body
 *     ignore_range      200 and everything
 *     shift_range=K     206 of a range that starts K later (earlier when negative), said so
 *     short=K           206 or 200 that is K bytes shorter than asked, said so
 *     extra=K           K bytes too many (the file's next, X behind its end), Content-Length says
 *                       so, Content-Range does not
 *     flip_byte=OFF     the file's byte OFF is inverted, if this reply holds it
 *     gzip              200, everything, Content-Encoding: gzip
 *   another pace
 *     rate=N            bytes a second
 *     drop_after=K      closed after K bytes of the body
 *     stall_after=K     silent after K bytes until the client goes away (0 = after the head)
 *
 * The proxy knows those before and instead of an answer; what it forwards it does not change.
 * NB_USAGE names what is wrong in a line. */
nb_status fake_hub_fault(fake_hub *hub, const char *line, nb_err *err);
void fake_hub_faults_clear(fake_hub *hub);
/* CDN addresses given out so far answer 403 from now on. */
void fake_hub_expire(fake_hub *hub);

/* --- what was asked -------------------------------------------------------------------------- */
typedef struct fake_request {
    fake_port port;
    char method[8];
    char *target;                       /* path and query, as sent */
    char *name;                         /* what GLOB is held against */
    char *head;                         /* request line and fields, as sent */
    char *range, *authorization, *host; /* field values; NULL = not sent */
    unsigned connection;                /* numbered from 1 in order of arrival, over all ports */
    int status;                         /* 0 = none sent */
    uint64_t offset;  /* of the body's first byte in the file; 0 for other bodies */
    uint64_t body;    /* bytes of body handed to the socket, 0 for HEAD */
    double at, ended; /* seconds since the start; ended 0 = still being answered */
    bool cut;         /* the body was not sent to its end, for whatever reason */
} fake_request;

/* A copy of the log in order of arrival: *out[n], freed with fake_hub_log_free. Returns n. */
size_t fake_hub_log(fake_hub *hub, fake_request **out);
void fake_hub_log_free(fake_request *log, size_t n);
void fake_hub_log_clear(fake_hub *hub);
/* Requests of the log: port FAKE_PORTS = any, method and glob NULL = any. */
size_t fake_hub_count(fake_hub *hub, fake_port port, const char *method, const char *glob);
/* Bytes of body they were sent. */
uint64_t fake_hub_bytes(fake_hub *hub, fake_port port, const char *glob);
/* Connections accepted so far, closed ones included (offline: 0). */
unsigned fake_hub_connections(fake_hub *hub);
/* Waits until that many such requests have arrived, at most ms; false = they did not. */
bool fake_hub_wait(fake_hub *hub, fake_port port, const char *glob, size_t n, int ms);
/* Waits until every request of the log is answered, at most ms: who has just received the last byte
 * is a moment ahead of `ended` and `cut`, though not of `status`, `offset` and `body`. */
bool fake_hub_idle(fake_hub *hub, int ms);

#endif
