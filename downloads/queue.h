/* What is being fetched: an ordered queue of files, at most two at once over one set of
 * connections, with pause, order, retry and a bandwidth cap. The queue is a file
 * (state_dir/downloads.json), so it survives quit and crash; one process owns it (flock), a second
 * keeps its own in memory. Each file runs on a worker thread through dl_fetch; the screens and
 * `pull` see copies. */
#ifndef NIBBLE_QUEUE_H
#define NIBBLE_QUEUE_H

#include "downloads/cache.h"
#include "downloads/hub.h"

/* --- one file, blocking: transfer.c
 * ---------------------------------------------------------------*/
/* What /resolve says of one file: one HEAD request, nothing is fetched. */
typedef struct dl_resolved {
    char commit[41], oid[65]; /* oid: sha256 (64 hex) or git sha1 (40 hex) */
    uint64_t size;
    char url[DL_URL_MAX]; /* secret, signed: where the bytes lie; "" = at the Hub itself */
} dl_resolved;
nb_status dl_resolve(dl_net *net, const char *repo, const char *revision, const char *path,
                     dl_resolved *out, dl_trouble *trouble, const nb_hooks *hooks, nb_err *err);

struct dl_share;
typedef struct dl_fetch_request {
    const char *repo, *commit, *path; /* pinned */
    const char *revision;             /* for refs; NULL = write no ref */
    const char *oid;                  /* as listed; "" = ask the server (HEAD) */
    uint64_t size;                    /* UINT64_MAX = ask */
    uint64_t queued_bytes;  /* still missing of files behind this one, for the space check */
    bool ignore_space;      /* the override key */
    struct dl_share *share; /* connections divided with other files (share.h); NULL = all */
    int patience; /* s without a new byte before it gives up; 0 = 30 x env.download_timeout */
} dl_fetch_request;

typedef enum dl_stage { DL_ASK, DL_WAIT, DL_READ, DL_GET_BYTES, DL_VERIFY, DL_LAND } dl_stage;
enum { DL_MAP = 128 };
typedef struct dl_fetch_view { /* nb_progress.detail of dl_fetch */
    dl_stage stage;
    uint64_t size, have, received; /* have never decreases; received counts refetched bytes too */
    uint32_t segments, whole;
    uint8_t map[DL_MAP]; /* shares of the file, 0 todo .. 100 done, 101 = in flight */
    unsigned n_map, connections, retries;
    double rate, stalled; /* bytes/s over 10 s; s without a byte */
    char note[160];       /* "rate limited, resumes in 12 s", "waiting for pid 4711", last retry */
} dl_fetch_view;

typedef struct dl_fetched {
    char path[1024]; /* snapshot path */
    char oid[65];
    uint64_t size, received; /* received 0 = it was there already */
} dl_fetched;
/* Asks, resumes, fetches, verifies while fetching, lands in the cache, links and refs (hub 1-19).
 * bytes of progress are of the file. NB_CANCELED keeps the partial (pause). The hooks are called on
 * the calling thread alone. */
nb_status dl_fetch(dl_net *net, const dl_cache *cache, const dl_fetch_request *rq, dl_fetched *out,
                   dl_trouble *trouble, const nb_hooks *hooks, nb_err *err);

/* --- the queue
 * ------------------------------------------------------------------------------------*/
typedef struct dl_queue dl_queue;
typedef enum dl_state { DL_QUEUED, DL_RUNNING, DL_PAUSED, DL_STOPPED, DL_DONE } dl_state;
typedef struct dl_item {
    uint64_t id;    /* stable within the process */
    uint64_t group; /* files added together: a shard set, a repository */
    char repo[200], revision[200], commit[41], path[1024], oid[65];
    uint64_t size;
    dl_state state;
    dl_trouble trouble; /* STOPPED: why */
    nb_err err;
    dl_fetch_view view;
    double eta; /* s, < 0 = unknown, stalled or not running */
    double elapsed;
    uint8_t history[64]; /* rate, oldest first, 255 = the largest shown */
    unsigned n_history;
    char landed[1024]; /* DONE: snapshot path */
} dl_item;

/* net must outlive the queue. state_dir NULL = in memory only. NB_OK with *err filled tells what
 * was wrong with the file: another process has it, or it was set aside as downloads.bad. wake(ud)
 * after every change worth drawing (any thread, at most 10 a second while running). */
nb_status dl_queue_open(dl_queue **out, dl_net *net, const dl_cache *cache, const char *state_dir,
                        void (*wake)(void *ud), void *ud, nb_err *err);
/* Pauses everything, keeps the file. Returns within 200 ms of the slowest disk write. */
void dl_queue_close(dl_queue **q);
bool dl_queue_foreign(const dl_queue *q); /* another process owns the file */
/* Adds the files of a choice; those already in the cache come as DONE at once. A file that is
 * queued already is not added twice. *group may be NULL. */
nb_status dl_queue_add(dl_queue *q, const dl_repo *repo, const char *revision,
                       const dl_choice *choice, uint64_t *group, nb_err *err);
size_t dl_queue_count(dl_queue *q);
bool dl_queue_look(dl_queue *q, size_t i, dl_item *out);    /* copy; in queue order */
void dl_queue_pause(dl_queue *q, uint64_t id, bool paused); /* id 0 = all */
void dl_queue_cancel(dl_queue *q, uint64_t id, bool delete_partial);
void dl_queue_retry(dl_queue *q, uint64_t id, bool ignore_space);
void dl_queue_move(dl_queue *q, uint64_t id, int by); /* < 0 = earlier */
void dl_queue_forget_done(dl_queue *q);
/* Bytes still missing of everything queued, running or paused. */
uint64_t dl_queue_missing(dl_queue *q);

#endif
