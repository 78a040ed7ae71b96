#include "core/base/mailbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/eventfd.h>
#endif

#include "core/base/str.h"

enum { MAIL_MAX = 256 }; /* events that wait at most, DONE not counted */

typedef struct mail {
    nb_event event;
    uint64_t turn;
} mail;

struct nb_mailbox {
    pthread_mutex_t lock; /* guards all below but the descriptors */
    pthread_cond_t room;
    mail ring[MAIL_MAX];
    size_t first, count;
    nb_mail_done *done, **done_tail;
    uint64_t next_turn;
    bool rung;  /* the descriptor is readable */
    int fds[2]; /* read end, write end; the same eventfd on Linux */
};

static bool open_wake(int fds[2])
{
#ifdef __linux__
    fds[0] = fds[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fds[0] >= 0)
        return true;
#endif
    if (pipe(fds) != 0)
        return false;
    for (int i = 0; i < 2; i++) {
        fcntl(fds[i], F_SETFD, FD_CLOEXEC);
        fcntl(fds[i], F_SETFL, O_NONBLOCK);
    }
    return true;
}

static void close_wake(int fds[2])
{
    close(fds[0]);
    if (fds[1] != fds[0])
        close(fds[1]);
}

nb_status nb_mailbox_open(nb_mailbox **out, nb_err *err)
{
    nb_mailbox *m = nb_alloc(1, sizeof *m, "mailbox", err);
    if (!m)
        return NB_NOMEM;
    if (!open_wake(m->fds)) {
        int why = errno;
        free(m);
        return nb_fail_errno(err, why, "open", "wake-up descriptor");
    }
    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->room, NULL);
    m->done_tail = &m->done;
    *out = m;
    return NB_OK;
}

void nb_mailbox_close(nb_mailbox **m)
{
    if (!*m)
        return;
    close_wake((*m)->fds);
    pthread_cond_destroy(&(*m)->room);
    pthread_mutex_destroy(&(*m)->lock);
    free(*m);
    *m = NULL;
}

int nb_mailbox_fd(const nb_mailbox *m)
{
    return m->fds[0];
}

/* Under the lock. One count of eight bytes suits an eventfd and a pipe alike; a full pipe is
 * readable already, so a write that fails changes nothing. */
static void ring_bell(nb_mailbox *m)
{
    uint64_t one = 1;
    if (m->rung)
        return;
    m->rung = true;
    while (write(m->fds[1], &one, sizeof one) < 0 && errno == EINTR)
        continue;
}

static void silence_bell(nb_mailbox *m)
{
    uint64_t count;
    if (!m->rung)
        return;
    m->rung = false;
    while (read(m->fds[0], &count, sizeof count) < 0 && errno == EINTR)
        continue;
}

void nb_mailbox_poke(nb_mailbox *m)
{
    pthread_mutex_lock(&m->lock);
    ring_bell(m);
    pthread_mutex_unlock(&m->lock);
}

/* Under the lock, queue full: adds the text to the job's last event when that is text of the same
 * code and has room. */
static bool join_text(nb_mailbox *m, const nb_event *event)
{
    if (event->kind != NB_EVENT_TEXT)
        return false;
    for (size_t i = m->count; i-- > 0;) {
        nb_event *last = &m->ring[(m->first + i) % MAIL_MAX].event;
        if (last->job != event->job)
            continue;
        if (last->kind != NB_EVENT_TEXT || last->code != event->code ||
            event->len > sizeof last->text - last->len)
            return false;
        memcpy(last->text + last->len, event->text, event->len);
        last->len += event->len;
        return true;
    }
    return false;
}

void nb_mailbox_post(nb_mailbox *m, const nb_event *event, const atomic_bool *stop)
{
    pthread_mutex_lock(&m->lock);
    bool joined = false;
    while (m->count == MAIL_MAX && !(joined = join_text(m, event)) && !atomic_load(stop))
        pthread_cond_wait(&m->room, &m->lock);
    if (!joined && m->count < MAIL_MAX) {
        m->ring[(m->first + m->count++) % MAIL_MAX] = (mail){*event, m->next_turn++};
        ring_bell(m);
    }
    pthread_mutex_unlock(&m->lock);
}

void nb_mailbox_post_done(nb_mailbox *m, nb_mail_done *done)
{
    pthread_mutex_lock(&m->lock);
    done->turn = m->next_turn++;
    done->next = NULL;
    *m->done_tail = done;
    m->done_tail = &done->next;
    ring_bell(m);
    pthread_mutex_unlock(&m->lock);
}

bool nb_mailbox_drain(nb_mailbox *m, nb_event *out)
{
    bool any = true;
    pthread_mutex_lock(&m->lock);
    const mail *oldest = m->count ? &m->ring[m->first] : NULL;
    if (m->done && (!oldest || m->done->turn < oldest->turn)) {
        *out = m->done->event;
        m->done = m->done->next;
        if (!m->done)
            m->done_tail = &m->done;
    } else if (oldest) {
        *out = oldest->event;
        m->first = (m->first + 1) % MAIL_MAX;
        m->count--;
        pthread_cond_broadcast(&m->room);
    } else {
        any = false;
        silence_bell(m);
    }
    pthread_mutex_unlock(&m->lock);
    return any;
}

void nb_mailbox_wake(nb_mailbox *m)
{
    pthread_mutex_lock(&m->lock);
    pthread_cond_broadcast(&m->room);
    pthread_mutex_unlock(&m->lock);
}

void nb_mailbox_forget(nb_mailbox *m, const nb_job *job)
{
    pthread_mutex_lock(&m->lock);
    size_t kept = 0;
    for (size_t i = 0; i < m->count; i++) {
        const mail *at = &m->ring[(m->first + i) % MAIL_MAX];
        if (at->event.job != job)
            m->ring[(m->first + kept++) % MAIL_MAX] = *at;
    }
    m->count = kept;
    nb_mail_done **link = &m->done;
    while (*link) {
        if ((*link)->event.job == job)
            *link = (*link)->next;
        else
            link = &(*link)->next;
    }
    m->done_tail = link;
    pthread_cond_broadcast(&m->room);
    pthread_mutex_unlock(&m->lock);
}
