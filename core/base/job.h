/* One background task: a thread, an atomic cancel, the latest progress (overwritten, never queued)
 * and a mailbox to the thread that draws. Exactly one DONE event ends a job; only after it may the
 * job be freed. Libraries know nb_hooks, not jobs: nb_job_hooks makes the bridge. */
#ifndef NIBBLE_JOB_H
#define NIBBLE_JOB_H

#include <pthread.h>

#include "kernels/nb.h"

typedef struct nb_job nb_job;
typedef struct nb_mailbox nb_mailbox;

typedef enum nb_event_kind {
    NB_EVENT_TEXT, /* bytes of text, e.g. a token's */
    NB_EVENT_NOTE, /* one log line */
    NB_EVENT_DATA, /* a small fixed record in `text` bytes; meaning by `code` */
    NB_EVENT_DONE, /* the job's end: err.status tells how */
} nb_event_kind;

typedef struct nb_event {
    nb_event_kind kind;
    nb_job *job;
    int code;
    nb_err err; /* DONE */
    size_t len; /* bytes in text */
    char text[512];
} nb_event;

/* Bounded queue; posting from any thread, draining from one. A full queue joins TEXT to the last
 * TEXT of the same job when it fits and otherwise blocks the poster until drained or the job is
 * cancelled; DONE always has room. */
nb_status nb_mailbox_open(nb_mailbox **out, nb_err *err);
int nb_mailbox_fd(const nb_mailbox *m); /* readable when something waits; poll it */
/* Moves one event to *out; false when empty (and the fd is quiet again). */
bool nb_mailbox_drain(nb_mailbox *m, nb_event *out);
/* Makes the fd readable without an event, from any thread: there is something to look at. */
void nb_mailbox_poke(nb_mailbox *m);
void nb_mailbox_close(nb_mailbox **m); /* after all its jobs are freed */

/* run(job, arg) on its own thread. arg stays the caller's until DONE. label is copied. */
typedef nb_status nb_job_fn(nb_job *job, void *arg, nb_err *err);
nb_status nb_job_start(nb_job **out, nb_mailbox *m, const char *label, nb_job_fn *run, void *arg,
                       nb_err *err);
void nb_job_cancel(nb_job *job); /* only asks */
void nb_job_pause(nb_job *job, bool paused);
bool nb_job_paused(const nb_job *job);
const char *nb_job_label(const nb_job *job);
/* After DONE (or to wait for it): joins and frees; NULLs. Accepts NULL. */
void nb_job_free(nb_job **job);

/* Called by the worker: */
bool nb_job_canceled(nb_job *job); /* also waits here while paused */
void nb_job_post(nb_job *job, nb_event_kind kind, int code, const void *bytes, size_t n);
/* Hooks whose progress overwrites the job's snapshot and whose canceled polls it. */
nb_hooks nb_job_hooks(nb_job *job);

/* Latest snapshot, copied; rate and ETA by an exponentially weighted mean. Any thread. */
typedef struct nb_job_view {
    char what[96];
    uint64_t done, total, bytes_in, bytes_out;
    double rate;    /* units of done per second; 0 = unknown */
    double eta;     /* seconds; < 0 = unknown */
    double elapsed; /* seconds since start, pauses excluded */
    double stalled; /* seconds since the last change */
    bool finished, paused;
} nb_job_view;
void nb_job_look(nb_job *job, nb_job_view *out);
/* A thread for the background: 1 MiB of stack, takes no signals but the faults it makes. Returns 0
 * or an errno. */
int nb_thread_start(pthread_t *out, void *(*run)(void *arg), void *arg);

/* Monotonic seconds. Tests and --script replace the clock of the whole process: from nb_now_set on
 * it stands at `seconds`; a negative value brings the real one back. */
double nb_now(void);
void nb_now_set(double seconds);
double nb_seconds(void); /* monotonic and always real: to measure by */

#endif
