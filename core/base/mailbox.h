/* The part of the mailbox only jobs use: posting, and DONE, which waits in its job instead of in
 * the bounded queue and therefore always has room. Private to core/base. */
#ifndef NIBBLE_MAILBOX_H
#define NIBBLE_MAILBOX_H

#include <stdatomic.h>

#include "core/base/job.h"

/* A job's reserved DONE. All fields belong to the mailbox's lock once it is posted. */
typedef struct nb_mail_done {
    nb_event event;
    uint64_t turn; /* place among all events, so DONE comes behind its job's own posts */
    struct nb_mail_done *next;
} nb_mail_done;

/* Queues one event of at most sizeof event->text bytes. Blocks while the queue is full, until room,
 * or *stop becomes true and nb_mailbox_wake is called: then the event is dropped. */
void nb_mailbox_post(nb_mailbox *m, const nb_event *event, const atomic_bool *stop);
void nb_mailbox_post_done(nb_mailbox *m, nb_mail_done *done);
/* Lets blocked posters look at their stop flag again. */
void nb_mailbox_wake(nb_mailbox *m);
/* Removes everything job has in the mailbox. */
void nb_mailbox_forget(nb_mailbox *m, const nb_job *job);

#endif
