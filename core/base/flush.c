#include "core/base/flush.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/job.h"

struct nb_flush {
    int fd;
    uint64_t step;
    pthread_t thread;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t more;
    uint64_t told, synced; /* bytes */
    unsigned times;
    bool over, left; /* nothing more comes; nobody waits for the thread */
};

static void drop(nb_flush *f)
{
    close(f->fd);
    pthread_cond_destroy(&f->more);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

static void *work(void *arg)
{
    nb_flush *f = arg;
    pthread_mutex_lock(&f->lock);
    for (;;) {
        while (!f->over && f->told - f->synced < f->step)
            pthread_cond_wait(&f->more, &f->lock);
        if (f->told - f->synced < f->step || f->left)
            break;
        f->synced = f->told;
        pthread_mutex_unlock(&f->lock);
        while (fdatasync(f->fd) != 0 && errno == EINTR)
            ;
        pthread_mutex_lock(&f->lock);
        f->times++;
    }
    bool left = f->left;
    f->over = true;
    pthread_mutex_unlock(&f->lock);
    if (left)
        drop(f);
    return NULL;
}

nb_flush *nb_flush_open(const char *path, uint64_t step)
{
    nb_flush *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->step = step;
    f->fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->more, NULL);
    if (f->fd >= 0 && nb_thread_start(&f->thread, work, f) == 0)
        return f;
    drop(f);
    return NULL;
}

void nb_flush_tell(nb_flush *f, uint64_t bytes)
{
    if (!f)
        return;
    pthread_mutex_lock(&f->lock);
    f->told = bytes > f->told ? bytes : f->told;
    if (f->told - f->synced >= f->step)
        pthread_cond_signal(&f->more);
    pthread_mutex_unlock(&f->lock);
}

unsigned nb_flush_close(nb_flush **fp, bool wait)
{
    nb_flush *f = *fp;
    *fp = NULL;
    if (!f)
        return 0;
    pthread_t thread = f->thread;
    pthread_mutex_lock(&f->lock);
    f->over = true;
    f->left = !wait;
    unsigned times = f->times;
    pthread_cond_signal(&f->more);
    pthread_mutex_unlock(&f->lock);
    if (!wait) {
        pthread_detach(thread);
        return times;
    }
    pthread_join(thread, NULL);
    times = f->times;
    drop(f);
    return times;
}
