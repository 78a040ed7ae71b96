/* The queue's inside, shared by queue.c (the list and who works on it) and queue_file.c (the file).
 *
 * Threads: two runners fetch, one saver writes the file and removes what was thrown away, so that
 * the callers of queue.h never wait for a disk. Everything is under `lock` but `stop` of an entry.
 */
#ifndef NIBBLE_QUEUE_PRIVATE_H
#define NIBBLE_QUEUE_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "downloads/queue.h"
#include "downloads/share.h"

enum { DL_RUNNERS = 2, DL_HISTORY = 64, DL_QUEUE_MAX = 4096 /* files */ };

typedef struct dl_entry {
    dl_item item;
    bool busy;    /* a runner has it: names, commit, oid and size stay as they are */
    bool leaving; /* cancelled meanwhile: no longer in the list, the runner frees it */
    bool discard; /* then its partial goes, too */
    bool ignore_space;
    atomic_bool stop;          /* asks the runner to let go */
    double started, sampled;   /* nb_now: of this run, of the last rate */
    double elapsed;            /* s of earlier runs */
    double rate[DL_HISTORY];   /* one a second, a ring */
    unsigned n_rate;           /* ever taken */
    struct dl_entry *next_out; /* in `out` */
} dl_entry;

struct dl_queue {
    dl_net *net;    /* borrowed */
    dl_cache cache; /* a copy */
    dl_share share;
    void (*wake)(void *ud);
    void *ud;
    char file[1024]; /* "" = memory only */
    int file_lock;   /* fd; -1 = not ours */
    bool foreign;
    pthread_t runner[DL_RUNNERS], saver;
    unsigned n_runner;
    bool has_saver;
    atomic_bool closing;

    pthread_mutex_t lock;
    pthread_cond_t work, chore; /* for runners; for the saver */
    dl_entry **at;              /* [n] owned, in order */
    size_t n, cap;
    dl_entry *out; /* cancelled, not busy: the saver removes their partials and frees them */
    uint64_t last_id, last_group;
    bool dirty;   /* the file is older than the list */
    double woken; /* nb_now */
};

/* queue_list.c; all under the lock */
/* Appends e (then owned by the list) and gives it its id. NB_NOMEM, NB_REFUSED at DL_QUEUE_MAX. */
nb_status dl_queue_push(dl_queue *q, dl_entry *e, nb_err *err);
/* Something differs: the file is to be written, runners may have work. */
void dl_queue_changed(dl_queue *q);
/* Bytes of a file not there yet; of one with unknown size none. */
uint64_t dl_item_missing(const dl_item *x);
static inline bool dl_entry_waiting(const dl_entry *e)
{
    return e->item.state == DL_QUEUED && !e->busy;
}

/* queue_file.c */
/* Takes the lock and reads the file. NB_OK unless memory is short; *err may tell what was wrong
 * with a file that was set aside, or that another process has it. */
nb_status dl_queue_load(dl_queue *q, const char *state_dir, nb_err *err);
/* The list as the file's text. Under the lock. */
nb_status dl_queue_text(const dl_queue *q, nb_str *out, nb_err *err);

#endif
