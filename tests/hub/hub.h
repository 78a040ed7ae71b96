/* What the parts of the fake Hub share: its state, its repositories, one request and its answer. */
#ifndef NIBBLE_TEST_HUB_HUB_H
#define NIBBLE_TEST_HUB_HUB_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/base/json.h"
#include "tests/hub/content.h"
#include "tests/hub/fault.h"
#include "tests/hub/http.h"

/* --- repositories, under fake_hub.repos_lock -------------------------------------------------- */
typedef struct repo_file {
    char *path;
    content *data; /* borrowed from the hub's list */
    bool lfs, xet; /* lfs: SHA-256 as etag; xet besides: X-Xet-Hash */
    char *scan;
} repo_file;

typedef struct repo_commit {
    char id[41];
    char *title;
    repo_file *file; /* by path */
    size_t n;
} repo_commit;

typedef struct repo_ref {
    char *name; /* refs/heads/main */
    repo_commit *commit;
} repo_ref;

typedef struct repo_grant {
    char *token;
    fake_access access;
} repo_grant;

struct fake_repo {
    fake_repo *next;
    fake_hub *hub;
    bool gone;    /* replaced by another of its id */
    char oid[25]; /* the Hub's _id */
    char *id, *pipeline_tag, *library_name, *created, *modified, *card, *config, *gguf,
        *safetensors, *raw;
    char **tags;
    size_t n_tags;
    uint64_t downloads, downloads_all, likes, parameters;
    double trending;
    fake_gate gated;
    bool is_private, disabled;
    repo_commit **commit; /* oldest first */
    size_t n_commits;
    repo_ref *ref;
    size_t n_refs;
    repo_grant *grant;
    size_t n_grants;
};

typedef struct hub_token {
    struct hub_token *next;
    char *token, *name, *role;
    char **orgs;
    size_t n_orgs;
    bool pro;
} hub_token;

typedef struct hub_rename {
    struct hub_rename *next;
    char *from, *to;
} hub_rename;

typedef enum hub_bucket {
    BUCKET_API,
    BUCKET_RESOLVERS,
    BUCKET_PAGES,
    BUCKET_WHOAMI,
    BUCKETS
} hub_bucket;

typedef struct hub_conn {
    struct hub_conn *next; /* fake_hub.lock */
    fake_hub *hub;
    fake_port port;
    int fd; /* -1 once closed, fake_hub.lock */
    unsigned number;
    pthread_t thread;
    atomic_bool done;
    char *in; /* [HTTP_HEAD], bytes read and not yet used */
    size_t n;
    bool refused; /* with bytes of a request still to come */
} hub_conn;

struct fake_hub {
    fake_hub_options opt;
    char *prefix, *link_origin; /* "" and NULL when not wanted */
    char secret[33];
    double start;
    struct hub_listener {
        fake_hub *hub;
        fake_port port;
        int fd;
        bool running;
        pthread_t thread;
        char *origin; /* owned */
    } listener[FAKE_PORTS];
    atomic_bool stopping;
    _Atomic uint64_t cache_left;
    atomic_uint epoch; /* of signed addresses */

    pthread_rwlock_t repos_lock;
    fake_repo *repos; /* in order of addition */
    content *contents;
    hub_token *tokens;
    hub_rename *renames;

    pthread_mutex_t lock;   /* over the rest */
    pthread_cond_t changed; /* the log */
    fault_rule *faults;
    fake_request **log;
    size_t log_from, log_n; /* [log_from, log_n) is the log, what lies before was cleared */
    hub_conn *conns;
    unsigned n_conns; /* so far */
    struct {
        double since;
        unsigned used;
    } bucket[BUCKETS];
};

/* --- one request ------------------------------------------------------------------------------ */
typedef struct exchange {
    fake_hub *hub;
    hub_conn *conn;
    fake_port port;
    http_request *req;
    fake_request *entry; /* of the log */
    const hub_token *token;
    fault fault;
    unsigned number; /* of the request, from 1 over all ports */
    bool head, api;  /* HEAD; errors are JSON */

    http_reply reply;
    nb_str text;      /* the body, unless */
    content *file;    /* it is a file's */
    uint64_t total;   /* bytes of the whole body before any range */
    uint64_t from, n; /* part of it that is sent */
    bool close;       /* the connection, after the reply */
    bool whole;       /* the reply was sent to its end */
} exchange;

double hub_now(const fake_hub *hub); /* seconds since its start */

/* repo.c; callers hold repos_lock. */
fake_repo *repo_find(fake_hub *hub, const char *id);
/* The id a request should have used: of a renamed repository, or in the right case; else NULL. */
const char *repo_moved(fake_hub *hub, const char *id);
repo_commit *repo_resolve(const fake_repo *repo, const char *rev);
const repo_file *repo_lookup(const repo_commit *commit, const char *path);
const char *repo_etag(const repo_file *file);
void repo_free_all(fake_hub *hub);

/* reply.c: the whole reply to x->req, ready to be sent. */
void reply_make(exchange *x);
/* The last part of it: fields every reply has, range, faults of the head. */
void reply_finish(exchange *x);
/* Only what a fault says instead of an answer; false when it says nothing. */
bool reply_fault(exchange *x);

/* route.c: the answer of the Hub to a path. */
void route_page(exchange *x);

/* answer.c */
/* An error as the Hub words it; code NULL = no X-Error-Code. */
void answer_error(exchange *x, int status, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Fills the reply with the body gathered in x->text. */
void answer_json(exchange *x);
void answer_text(exchange *x, int status, const char *type);
void answer_redirect(exchange *x, int status, const char *location);
/* The repository named in a request, if this token may see it (and, with files, read files);
 * otherwise the reply is the refusal and NULL comes back. rest: the path behind the id, for the
 * redirect of a renamed one. */
fake_repo *answer_repo(exchange *x, const char *before, const char *id, const char *rest,
                       bool files);
/* Not private, or granted to this token. */
bool answer_sees(const exchange *x, const fake_repo *repo);
/* A commit of it, else the 404. */
repo_commit *answer_commit(exchange *x, const fake_repo *repo, const char *rev);
/* Link: rel="next" to this page with another cursor. */
void answer_next(exchange *x, size_t at);
/* Position of a cursor of answer_next, 0 without one; false when it is none of ours. */
bool answer_cursor(exchange *x, size_t *at);

/* models.c, search.c, tree.c, resolve.c: each fills x->reply. Paths are raw. */
void models_info(exchange *x, const char *id, const char *rev, const char *rest);
void models_put(nb_jout *w, const fake_repo *repo, const repo_commit *commit, const char *query,
                unsigned set);
bool models_expand_ok(exchange *x);
enum {
    PROPS_ROW = 1,
    PROPS_FULL = 2,
    PROPS_INFO = 4,
    PROPS_CONFIG = 8,
    PROPS_CARD = 16,
    PROPS_SCANS = 32
};
void search_models(exchange *x);
void tree_refs(exchange *x, const char *id, const char *rest);
void tree_list(exchange *x, const char *id, const char *rev, const char *path, const char *rest);
void tree_paths(exchange *x, const char *id, const char *rev, const char *rest);
void resolve_file(exchange *x, const char *id, const char *rev, const char *path, const char *rest);
/* The blob as git keeps it: of large files the pointer. */
void resolve_raw(exchange *x, const char *id, const char *rev, const char *path, const char *rest);
void resolve_cache(exchange *x, const char *id, const char *commit, const char *path);
void resolve_cdn(exchange *x);
void resolve_cdn_error(exchange *x, int status, const char *message);
/* "/ns/repo/path" of a signed address, malloc'd; NULL if it names nothing. */
char *resolve_name(fake_hub *hub, const http_request *req);

/* send.c: the reply on the wire, with its faults. False = the connection must end. */
bool send_reply(exchange *x);
/* Bytes of the gzip file that n bytes become. */
uint64_t send_gzip_length(uint64_t n);

/* conn.c */
/* Bytes sent: fewer than n when the client has gone. */
size_t conn_send(hub_conn *c, const void *bytes, size_t n);
/* Sleeps; false when the client went away or the hub stops. seconds < 0 = until then. */
bool conn_pause(hub_conn *c, double seconds);
void conn_reset(hub_conn *c); /* the close to come will be a reset */
void *conn_run(void *conn);   /* its thread */

/* log.c: a line of the log, in it from now on and valid until the stop; only its own connection
 * writes to it, under fake_hub.lock. */
fake_request *log_begin(fake_hub *hub, const hub_conn *c, const http_request *req, const char *name,
                        unsigned *number);
void log_end(fake_hub *hub, fake_request *entry, bool whole);
void log_free_all(fake_hub *hub);

/* proxy.c: answers on a connection of the third port; it ends afterwards. */
void proxy_answer(exchange *x);

/* A JSON text as the next value; a member that is a string. */
void json_raw(nb_jout *w, const char *text);
void json_text(nb_jout *w, const char *key, const char *value);

#endif
