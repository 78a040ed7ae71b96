/* One file on its way: the inside of dl_fetch, private to transfer.c (the order of steps),
 * transfer_ask.c (what the Hub says, who else fetches, is there room), transfer_net.c (streams),
 * transfer_retry.c (streams that end early), transfer_head.c (is this reply what was asked),
 * transfer_read.c (hash, checks, repair) and transfer_view.c (what the screens see).
 *
 * Two threads meet here. The net thread starts streams and writes what they bring; the worker, who
 * called dl_fetch, re-reads what an earlier run left, hashes in order behind the first gap and
 * calls the hooks. Runs, slots, address and verdict are under `lock`; disk and network are never
 * waited for under it. The net thread works in dl_transfer_pump, which the worker asks for ten
 * times a second and every ended stream runs by itself. */
#ifndef NIBBLE_TRANSFER_H
#define NIBBLE_TRANSFER_H

#include <pthread.h>

#include "core/base/digest.h"
#include "downloads/http.h"
#include "downloads/partial.h"
#include "downloads/queue.h"
#include "downloads/share.h"
#include "downloads/transfer_runs.h"

enum {
    DL_HOLD = 256 << 10, /* bytes a stream gathers before they are written */
    DL_SNIFF = 256,      /* bytes of a body that is not the file, to tell what it is */
    DL_SAMPLES = 101,    /* one each 0.1 s: the rate is over 10 s */
    DL_STRIKES = 2,      /* odd replies after which ranges are given up, then the file */
};

typedef struct dl_transfer dl_transfer;

/* A connection's place. */
typedef struct dl_slot {
    dl_transfer *t;
    unsigned no;
    dl_stream *stream;  /* NULL = none */
    unsigned serial;    /* of the address it asks; 0 = the Hub's own */
    uint64_t last;      /* of the range asked, inclusive */
    bool live;          /* the body is the run's */
    bool cut;           /* the run was shortened: the stream ends before its range does */
    bool let_go;        /* asked to stop: what it still brings does not count */
    unsigned failures;  /* in a row without a byte */
    double rest_until;  /* dl_clock */
    double started;     /* dl_clock */
    uint64_t got;       /* bytes of this stream */
    double rate, rated; /* bytes/s; dl_clock of the last measurement */
    uint64_t rated_got;
    dl_trouble trouble; /* our verdict on its reply, with why; DL_OK = none */
    nb_err why;
    uint8_t *held;        /* [DL_HOLD] borrowed from the transfer; net thread */
    size_t n_held;        /* bytes in it, behind the run's `at` */
    double flushed;       /* dl_clock */
    char sniff[DL_SNIFF]; /* first bytes of a body that is not the file */
    unsigned n_sniff;
} dl_slot;

struct dl_transfer {
    /* Set before the first stream, then constant. */
    dl_net *net;
    const dl_cache *cache;
    const dl_fetch_request *rq;
    const nb_hooks *hooks;
    char oid[65], subject[320];
    char canonical[DL_URL_MAX]; /* /ns/repo/resolve/commit/path */
    uint64_t size;
    dl_partial *partial;
    dl_share own, *share; /* own: when the caller brought none */
    int member;           /* in share */
    unsigned n_slots;
    uint8_t *held;   /* [n_slots][DL_HOLD], owned; touched as far as it is used */
    double patience; /* s */

    pthread_mutex_t lock;
    pthread_cond_t
        news; /* for the worker: a segment is whole, a stream ended, a verdict; monotonic */
    dl_runs runs;
    dl_slot slot[DL_RUN_SLOTS];
    unsigned streams;           /* whose done is to come */
    bool pumping;               /* a pump is on its way to the net thread */
    bool stop;                  /* no more streams; those there are ended */
    char address[DL_URL_MAX];   /* secret, signed: where the bytes lie; "" = ask the Hub */
    unsigned serial;            /* counts addresses and their ends */
    bool address_good;          /* it has served once */
    bool resolving;             /* a stream asks the Hub for it */
    bool ranges;                /* a range was answered as one */
    bool through;               /* ranges do not work here: one stream over all */
    unsigned strikes, misfits;  /* odd replies; replies of another size */
    uint64_t received;          /* bytes of bodies, those fetched again included */
    double last_byte, gained;   /* dl_clock; gained: of the last that was new */
    uint64_t farthest;          /* bytes written at most, while one stream goes over all */
    unsigned retries, barren;   /* in all; since the last gain */
    double retried;             /* dl_clock of the last */
    double rest_until;          /* dl_clock; nobody starts before while barren */
    double best_rate, measured; /* bytes/s of the fastest stream lately; dl_clock */
    nb_err cause;               /* of the last retry */
    dl_trouble cause_trouble;
    nb_status status; /* the verdict; NB_OK = none */
    dl_trouble trouble;
    nb_err err;
    uint64_t jitter; /* state of a small random generator */

    /* The worker's. */
    dl_stage stage;
    const char *waits_for;           /* holder of the lock, while waiting */
    char said[160];                  /* by dl_call of itself, while asking; "" = nothing */
    uint8_t *buf;                    /* [segment] */
    uint64_t shown;                  /* have, never decreasing */
    double reported, pumped, polled; /* dl_clock */
    bool canceled;
    double sample_at[DL_SAMPLES];
    uint64_t sample[DL_SAMPLES];
    unsigned n_sample;
    dl_fetch_view view;
};

/* --- transfer_ask.c, worker ------------------------------------------------------------------- */
/* "/ns/repo/resolve/revision/path", encoded. NB_REFUSED when it is too long. */
nb_status dl_resolve_path(char out[DL_URL_MAX], const char *repo, const char *revision,
                          const char *path, nb_err *err);
/* dl_resolve of this file, with the transfer's own hooks. */
nb_status dl_transfer_resolve(dl_transfer *t, dl_resolved *out, dl_trouble *trouble, nb_err *err);
/* Fills oid and size, and address when the Hub names one. */
nb_status dl_transfer_ask(dl_transfer *t);
/* Takes the lock of the blob, or waits for its holder as long as the file grows in his hands; then
 * l->fd may stay -1. *there: meanwhile the blob has come. */
nb_status dl_transfer_wait(dl_transfer *t, dl_lock *l, bool *there);
/* Refuses, with numbers, what would not fit. */
nb_status dl_transfer_room(dl_transfer *t);

/* --- transfer_net.c --------------------------------------------------------------------------- */
void dl_transfer_pump(void *transfer); /* net thread */
/* Asks the net thread to pump soon. */
void dl_transfer_prod(dl_transfer *t);
/* Ends all streams and waits until the net thread knows nothing of t any more. */
void dl_transfer_quiet(dl_transfer *t);

/* --- transfer_retry.c ------------------------------------------------------------------------- */
/* Sets the verdict unless there is one. fail: any thread, takes the lock; failed: has it. */
void dl_transfer_fail(dl_transfer *t, nb_status status, dl_trouble trouble, const nb_err *err);
void dl_transfer_failed(dl_transfer *t, nb_status status, dl_trouble trouble, const nb_err *err);
/* Under the lock, any thread: asks the stream, or all of them, to end; nothing counts any more. */
void dl_slot_let_go(dl_slot *s);
void dl_transfer_let_all_go(dl_transfer *t);
/* Under the lock, net thread: why the stream did not bring all of its run, and what follows. */
void dl_slot_weigh(dl_transfer *t, dl_slot *s, const dl_reply *r, nb_status status,
                   const nb_err *err);

/* --- transfer_head.c, pure -------------------------------------------------------------------- */
typedef enum dl_head {
    DL_HEAD_RANGE, /* the bytes asked for, or the first of them */
    DL_HEAD_WHOLE, /* the whole file from its start */
    DL_HEAD_ODD,   /* not what was asked; why tells */
    DL_HEAD_OTHER, /* another size than listed: another file; why tells */
} dl_head;
dl_head dl_head_judge(const dl_reply *r, bool ranged, uint64_t first, uint64_t last, uint64_t size,
                      nb_err *why);
/* What a body that is not the file is, by its first bytes: "a git-LFS pointer", "a web page"; NULL
 * = no telling. */
const char *dl_head_sniff(const char *bytes, size_t n);

/* --- transfer_read.c, worker ------------------------------------------------------------------ */
/* Everything from the first stream to a verified file. */
nb_status dl_transfer_run(dl_transfer *t);

/* --- transfer_view.c, worker ------------------------------------------------------------------ */
/* Calls the hooks when due, and the pump. False = cancelled. */
bool dl_transfer_tend(dl_transfer *t);
/* The same at once: another stage begins. */
bool dl_transfer_stage(dl_transfer *t, dl_stage stage);

/* A failure of our own disk or memory: "disk full", "disk failed", ... */
dl_trouble dl_trouble_of(nb_status status);

#endif
