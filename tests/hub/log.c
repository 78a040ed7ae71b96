/* What was asked, in order of arrival. */
#include <string.h>
#include <time.h>

#include "tests/hub/hub.h"
#include "tests/hub/mem.h"

fake_request *log_begin(fake_hub *hub, const hub_conn *c, const http_request *req, const char *name,
                        unsigned *number)
{
    fake_request *e = hub_alloc(sizeof *e);
    *e = (fake_request){
        .port = c->port,
        .target = hub_strdup(req->target),
        .name = hub_strdup(name),
        .head = hub_strdup(req->head),
        .range = hub_strdup(http_get(req, "Range")),
        .authorization = hub_strdup(http_get(req, "Authorization")),
        .host = hub_strdup(http_get(req, "Host")),
        .connection = c->number,
        .at = hub_now(hub),
        .cut = true, /* until its end */
    };
    snprintf(e->method, sizeof e->method, "%s", req->method);
    pthread_mutex_lock(&hub->lock);
    hub->log = hub_grow(hub->log, hub->log_n, sizeof *hub->log);
    hub->log[hub->log_n++] = e;
    *number = (unsigned)hub->log_n;
    pthread_cond_broadcast(&hub->changed);
    pthread_mutex_unlock(&hub->lock);
    return e;
}

void log_end(fake_hub *hub, fake_request *e, bool whole)
{
    pthread_mutex_lock(&hub->lock);
    e->ended = hub_now(hub);
    e->cut = !whole;
    pthread_cond_broadcast(&hub->changed);
    pthread_mutex_unlock(&hub->lock);
}

static void free_texts(fake_request *e)
{
    free(e->target);
    free(e->name);
    free(e->head);
    free(e->range);
    free(e->authorization);
    free(e->host);
}

void log_free_all(fake_hub *hub)
{
    for (size_t i = 0; i < hub->log_n; i++) {
        free_texts(hub->log[i]);
        free(hub->log[i]);
    }
    free(hub->log);
}

size_t fake_hub_log(fake_hub *hub, fake_request **out)
{
    pthread_mutex_lock(&hub->lock);
    size_t n = hub->log_n - hub->log_from;
    fake_request *copy = hub_alloc(n * sizeof *copy);
    for (size_t i = 0; i < n; i++) {
        const fake_request *e = hub->log[hub->log_from + i];
        copy[i] = *e;
        copy[i].target = hub_strdup(e->target);
        copy[i].name = hub_strdup(e->name);
        copy[i].head = hub_strdup(e->head);
        copy[i].range = hub_strdup(e->range);
        copy[i].authorization = hub_strdup(e->authorization);
        copy[i].host = hub_strdup(e->host);
    }
    pthread_mutex_unlock(&hub->lock);
    *out = copy;
    return n;
}

void fake_hub_log_free(fake_request *log, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free_texts(&log[i]);
    free(log);
}

void fake_hub_log_clear(fake_hub *hub)
{
    pthread_mutex_lock(&hub->lock);
    hub->log_from = hub->log_n; /* their connections may still write to them */
    pthread_mutex_unlock(&hub->lock);
}

/* Requests and their bytes of body; the caller holds the lock. */
static size_t select_log(const fake_hub *hub, fake_port port, const char *method, const char *glob,
                         uint64_t *bytes)
{
    size_t n = 0;
    *bytes = 0;
    for (size_t i = hub->log_from; i < hub->log_n; i++) {
        const fake_request *e = hub->log[i];
        if ((port != FAKE_PORTS && e->port != port) || (method && strcmp(method, e->method) != 0) ||
            (glob && !nb_glob(glob, e->name)))
            continue;
        n++;
        *bytes += e->body;
    }
    return n;
}

size_t fake_hub_count(fake_hub *hub, fake_port port, const char *method, const char *glob)
{
    uint64_t bytes;
    pthread_mutex_lock(&hub->lock);
    size_t n = select_log(hub, port, method, glob, &bytes);
    pthread_mutex_unlock(&hub->lock);
    return n;
}

uint64_t fake_hub_bytes(fake_hub *hub, fake_port port, const char *glob)
{
    uint64_t bytes;
    pthread_mutex_lock(&hub->lock);
    select_log(hub, port, NULL, glob, &bytes);
    pthread_mutex_unlock(&hub->lock);
    return bytes;
}

unsigned fake_hub_connections(fake_hub *hub)
{
    pthread_mutex_lock(&hub->lock);
    unsigned n = hub->n_conns;
    pthread_mutex_unlock(&hub->lock);
    return n;
}

static bool any_open(const fake_hub *hub)
{
    for (size_t i = hub->log_from; i < hub->log_n; i++)
        if (hub->log[i]->ended == 0)
            return true;
    return false;
}

static struct timespec in_ms(int ms)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += ms / 1000;
    end.tv_nsec += ms % 1000 * 1000000l;
    end.tv_sec += end.tv_nsec / 1000000000;
    end.tv_nsec %= 1000000000;
    return end;
}

bool fake_hub_wait(fake_hub *hub, fake_port port, const char *glob, size_t n, int ms)
{
    struct timespec end = in_ms(ms);
    uint64_t bytes;
    int late = 0;
    pthread_mutex_lock(&hub->lock);
    while (select_log(hub, port, NULL, glob, &bytes) < n && late == 0)
        late = pthread_cond_timedwait(&hub->changed, &hub->lock, &end);
    bool ok = select_log(hub, port, NULL, glob, &bytes) >= n;
    pthread_mutex_unlock(&hub->lock);
    return ok;
}

bool fake_hub_idle(fake_hub *hub, int ms)
{
    struct timespec end = in_ms(ms);
    int late = 0;
    pthread_mutex_lock(&hub->lock);
    while (any_open(hub) && late == 0)
        late = pthread_cond_timedwait(&hub->changed, &hub->lock, &end);
    bool ok = !any_open(hub);
    pthread_mutex_unlock(&hub->lock);
    return ok;
}
