#include "downloads/share.h"

#include <assert.h>

void dl_share_open(dl_share *s, int connections)
{
    assert(connections > 0);
    *s = (dl_share){.total = connections};
    pthread_mutex_init(&s->lock, NULL);
}

void dl_share_close(dl_share *s)
{
    pthread_mutex_destroy(&s->lock);
}

int dl_share_join(dl_share *s)
{
    int m = -1;
    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < DL_SHARE_MEMBERS && m < 0; i++)
        if (!s->member[i].in)
            m = i;
    if (m >= 0)
        s->member[m] = (struct dl_share_member){.in = true};
    pthread_mutex_unlock(&s->lock);
    return m;
}

void dl_share_leave(dl_share *s, int m)
{
    pthread_mutex_lock(&s->lock);
    s->member[m] = (struct dl_share_member){0};
    pthread_mutex_unlock(&s->lock);
}

/* Under the lock: total / members, the first ones one more. */
static int part(const dl_share *s, int m)
{
    int members = 0, rank = 0;
    for (int i = 0; i < DL_SHARE_MEMBERS; i++) {
        members += s->member[i].in;
        rank += i < m && s->member[i].in;
    }
    return s->total / members + (rank < s->total % members);
}

/* Under the lock: somebody else waits for what is his. */
static bool another_waits(const dl_share *s, int m)
{
    for (int i = 0; i < DL_SHARE_MEMBERS; i++)
        if (i != m && s->member[i].waits && s->member[i].used < part(s, i))
            return true;
    return false;
}

bool dl_share_take(dl_share *s, int m)
{
    int used = 0;
    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < DL_SHARE_MEMBERS; i++)
        used += s->member[i].used;
    bool got = used < s->total && (s->member[m].used < part(s, m) || !another_waits(s, m));
    s->member[m].used += got;
    s->member[m].waits = !got;
    pthread_mutex_unlock(&s->lock);
    return got;
}

void dl_share_give(dl_share *s, int m)
{
    pthread_mutex_lock(&s->lock);
    assert(s->member[m].used > 0);
    s->member[m].used--;
    pthread_mutex_unlock(&s->lock);
}

void dl_share_content(dl_share *s, int m)
{
    pthread_mutex_lock(&s->lock);
    s->member[m].waits = false;
    pthread_mutex_unlock(&s->lock);
}

int dl_share_over(dl_share *s, int m)
{
    pthread_mutex_lock(&s->lock);
    int over = another_waits(s, m) ? s->member[m].used - part(s, m) : 0;
    pthread_mutex_unlock(&s->lock);
    return over > 0 ? over : 0;
}
