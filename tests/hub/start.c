/* Ports and threads: one that accepts for each port, one for each connection. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/hub/hub.h"
#include "tests/hub/mem.h"

static double monotonic(void) /* not nb_now, which tests may hold still */
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double hub_now(const fake_hub *hub)
{
    return monotonic() - hub->start;
}

/* Joins connections that have ended, or with all every one. */
static void reap(fake_hub *hub, bool all)
{
    hub_conn *ended = NULL;
    pthread_mutex_lock(&hub->lock);
    for (hub_conn **at = &hub->conns; *at;) {
        hub_conn *c = *at;
        if (all && c->fd >= 0)
            shutdown(c->fd, SHUT_RDWR);
        if (!all && !atomic_load(&c->done)) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        c->next = ended;
        ended = c;
    }
    pthread_mutex_unlock(&hub->lock);
    while (ended) {
        hub_conn *next = ended->next;
        pthread_join(ended->thread, NULL);
        free(ended);
        ended = next;
    }
}

static void welcome(fake_hub *hub, fake_port port, int fd)
{
    enum { SEND_BUFFER = 256 << 10 };
    int on = 1, size = SEND_BUFFER;
    hub_conn *c = hub_alloc(sizeof *c);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    c->hub = hub;
    c->port = port;
    c->fd = fd;
    pthread_mutex_lock(&hub->lock);
    c->number = ++hub->n_conns;
    bool ok = pthread_create(&c->thread, NULL, conn_run, c) == 0;
    if (ok) {
        c->next = hub->conns;
        hub->conns = c;
    }
    pthread_mutex_unlock(&hub->lock);
    if (ok)
        return;
    close(fd);
    free(c);
}

static void *run_listener(void *arg)
{
    struct hub_listener *l = arg;
    while (!atomic_load(&l->hub->stopping)) {
        struct pollfd p = {.fd = l->fd, .events = POLLIN};
        if (poll(&p, 1, 100) <= 0)
            continue;
        int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            welcome(l->hub, l->port, fd);
        else /* out of descriptors: some will be closed */
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        reap(l->hub, false);
    }
    return NULL;
}

/* Only ever 127.0.0.1. */
static nb_status open_port(fake_hub *hub, fake_port port, nb_err *err)
{
    struct hub_listener *l = &hub->listener[port];
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(hub->opt.ports[port])};
    socklen_t len = sizeof at;
    int on = 1;
    char name[32];
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    snprintf(name, sizeof name, "127.0.0.1:%u", hub->opt.ports[port]);
    l->hub = hub;
    l->port = port;
    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (l->fd < 0)
        return nb_fail_errno(err, errno, "socket for", name);
    setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(l->fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(l->fd, 64) != 0 ||
        getsockname(l->fd, (struct sockaddr *)&at, &len) != 0)
        return nb_fail_errno(err, errno, "listen on", name);
    if (asprintf(&l->origin, "http://127.0.0.1:%u%s", ntohs(at.sin_port),
                 port == FAKE_HUB ? hub->prefix : "") < 0)
        abort();
    if (pthread_create(&l->thread, NULL, run_listener, l) != 0)
        return nb_fail(err, NB_ERROR, "the hub's thread cannot be started");
    l->running = true;
    return NB_OK;
}

/* Threads of the hub leave signals to the program's own. */
static nb_status open_ports(fake_hub *hub, nb_err *err)
{
    sigset_t all, before;
    nb_status st = NB_OK;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (int i = 0; i < FAKE_PORTS && st == NB_OK; i++)
        if (i != FAKE_PROXY || hub->opt.proxy)
            st = open_port(hub, (fake_port)i, err);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return st;
}

nb_status fake_hub_start(fake_hub **out, const fake_hub_options *opt, nb_err *err)
{
    pthread_condattr_t clock;
    fake_hub *hub = hub_alloc(sizeof *hub);
    if (opt)
        hub->opt = *opt;
    hub->prefix = hub_strdup(hub->opt.prefix ? hub->opt.prefix : "");
    hub->link_origin = hub_strdup(hub->opt.link_origin);
    hub->start = monotonic();
    snprintf(hub->secret, sizeof hub->secret, "%d %.9f", (int)getpid(), hub->start);
    atomic_store(&hub->cache_left, hub->opt.cache ? hub->opt.cache : 1u << 30);
    pthread_rwlock_init(&hub->repos_lock, NULL);
    pthread_mutex_init(&hub->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&hub->changed, &clock);
    pthread_condattr_destroy(&clock);
    for (int i = 0; i < FAKE_PORTS; i++)
        hub->listener[i].fd = -1;
    nb_status st = open_ports(hub, err);
    if (st == NB_OK)
        *out = hub;
    else
        fake_hub_stop(&hub);
    return st;
}

void fake_hub_stop(fake_hub **hub_at)
{
    fake_hub *hub = *hub_at;
    if (!hub)
        return;
    atomic_store(&hub->stopping, true);
    for (int i = 0; i < FAKE_PORTS; i++) {
        struct hub_listener *l = &hub->listener[i];
        if (l->fd >= 0)
            shutdown(l->fd, SHUT_RDWR);
        if (l->running)
            pthread_join(l->thread, NULL);
        if (l->fd >= 0)
            close(l->fd);
        free(l->origin);
    }
    reap(hub, true);
    repo_free_all(hub);
    fault_free_rules(&hub->faults);
    log_free_all(hub);
    pthread_cond_destroy(&hub->changed);
    pthread_mutex_destroy(&hub->lock);
    pthread_rwlock_destroy(&hub->repos_lock);
    free(hub->prefix);
    free(hub->link_origin);
    free(hub);
    *hub_at = NULL;
}

const char *fake_hub_origin(const fake_hub *hub, fake_port port)
{
    return hub->listener[port].origin;
}

nb_status fake_hub_fault(fake_hub *hub, const char *line, nb_err *err)
{
    pthread_mutex_lock(&hub->lock);
    nb_status st = fault_add(&hub->faults, line, err);
    pthread_mutex_unlock(&hub->lock);
    return st;
}

void fake_hub_faults_clear(fake_hub *hub)
{
    pthread_mutex_lock(&hub->lock);
    fault_free_rules(&hub->faults);
    pthread_mutex_unlock(&hub->lock);
}

void fake_hub_expire(fake_hub *hub)
{
    atomic_fetch_add(&hub->epoch, 1);
}
