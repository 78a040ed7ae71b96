/* One connection: reads requests, has them answered, one after the other. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/hub/hub.h"
#include "tests/hub/mem.h"

/* --- one connection's bytes ------------------------------------------------------------------- */
size_t conn_send(hub_conn *c, const void *bytes, size_t n)
{
    const char *at = bytes;
    size_t sent = 0;
    while (sent < n) {
        ssize_t k = send(c->fd, at + sent, n - sent, MSG_NOSIGNAL);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            break;
        sent += (size_t)k;
    }
    return sent;
}

static bool alive(const hub_conn *c)
{
    char byte;
    if (atomic_load(&c->hub->stopping))
        return false;
    ssize_t k = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return k > 0 || (k < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR));
}

bool conn_pause(hub_conn *c, double seconds)
{
    double end = hub_now(c->hub) + seconds;
    while (alive(c)) {
        double left = seconds < 0 ? 1 : end - hub_now(c->hub);
        if (left <= 0)
            return true;
        if (left > 0.005)
            left = 0.005;
        nanosleep(&(struct timespec){.tv_nsec = (long)(left * 1e9)}, NULL);
    }
    return false;
}

void conn_reset(hub_conn *c)
{
    struct linger now = {.l_onoff = 1};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

/* More bytes into c->in; false at the end of the connection. */
static bool receive(hub_conn *c)
{
    ssize_t k;
    do
        k = recv(c->fd, c->in + c->n, HTTP_HEAD - c->n, 0);
    while (k < 0 && errno == EINTR);
    if (k > 0)
        c->n += (size_t)k;
    return k > 0;
}

static void use(hub_conn *c, size_t n)
{
    c->n -= n;
    memmove(c->in, c->in + n, c->n);
}

/* Length of the head in c->in, 0 when the connection ended before; *status is not 0 when it is too
 * long. */
static size_t read_head(hub_conn *c, int *status)
{
    for (;;) {
        while (c->n && (c->in[0] == '\r' || c->in[0] == '\n')) /* RFC 9112 2.2 */
            use(c, 1);
        const char *end = memmem(c->in, c->n, "\r\n\r\n", 4),
                   *bare = memmem(c->in, c->n, "\n\n", 2);
        if (end || bare)
            return end && (!bare || end < bare) ? (size_t)(end - c->in) + 4
                                                : (size_t)(bare - c->in) + 2;
        if (c->n == HTTP_HEAD) {
            *status = 431;
            return c->n;
        }
        if (!receive(c))
            return 0;
    }
}

/* Returns 0, or the status to refuse with; -1 when the client went away. */
static int read_body(hub_conn *c, http_request *r)
{
    if (r->chunked)
        return 411;
    if (r->body_n > HTTP_BODY)
        return 413;
    if (r->expects && r->body_n && conn_send(c, "HTTP/1.1 100 Continue\r\n\r\n", 25) < 25)
        return -1;
    r->body = hub_alloc(r->body_n + 1);
    for (size_t have = 0; have < r->body_n;) {
        size_t n = r->body_n - have < c->n ? r->body_n - have : c->n;
        memcpy(r->body + have, c->in, n);
        use(c, n);
        have += n;
        if (have < r->body_n && !receive(c))
            return -1;
    }
    return 0;
}

/* --- one request ----------------------------------------------------------------------------- */
static char *name_of(fake_hub *hub, fake_port port, const http_request *r)
{
    size_t n, skip = strlen(hub->prefix);
    char *name = port == FAKE_CDN ? resolve_name(hub, r) : NULL;
    const char *path = port == FAKE_PROXY ? r->target : r->path;
    if (port == FAKE_HUB && strncmp(path, hub->prefix, skip) == 0)
        path += skip;
    if (!name)
        name = http_decode(path, strlen(path), false, &n);
    return name ? name : hub_strdup(path);
}

/* False = the connection is over. */
static bool serve(exchange *x)
{
    const fault *f = &x->fault;
    if (f->has[FAULT_DELAY] && !conn_pause(x->conn, 1e-3 * (double)f->num[FAULT_DELAY]))
        return false;
    if (f->has[FAULT_RST] && !f->has[FAULT_DROP_AFTER]) {
        conn_reset(x->conn);
        return false;
    }
    if (x->port == FAKE_PROXY) {
        proxy_answer(x);
        return false;
    }
    reply_make(x);
    return send_reply(x);
}

static bool handle(hub_conn *c, size_t n, int refused)
{
    fake_hub *hub = c->hub;
    http_request req;
    int status = http_parse(&req, c->in, n);
    use(c, n);
    if (refused == 0)
        refused = status;
    if (refused == 0)
        refused = read_body(c, &req);
    char *name = name_of(hub, c->port, &req);
    exchange x = {.hub = hub, .conn = c, .port = c->port, .req = &req, .api = true};
    x.head = strcmp(req.method, "HEAD") == 0;
    x.close = !req.keep || refused;
    x.entry = log_begin(hub, c, &req, name, &x.number);
    if (refused == 0) {
        pthread_mutex_lock(&hub->lock);
        fault_match(hub->faults, c->port, req.method, name, &x.fault);
        pthread_mutex_unlock(&hub->lock);
    } else if (refused > 0) {
        c->refused = true;
        x.fault.has[FAULT_STATUS] = true;
        x.fault.num[FAULT_STATUS] = refused;
    }
    bool go_on = refused >= 0 && serve(&x);
    log_end(hub, x.entry, x.whole);
    reply_clear(&x.reply);
    nb_str_free(&x.text);
    fault_clear(&x.fault);
    http_free(&req);
    free(name);
    return go_on;
}

/* Closing with bytes unread would reset the connection and take the reply away with it. */
static void drain(hub_conn *c)
{
    char waste[4096];
    double end = hub_now(c->hub) + 1;
    shutdown(c->fd, SHUT_WR);
    while (conn_pause(c, 0.002) && hub_now(c->hub) < end &&
           recv(c->fd, waste, sizeof waste, MSG_DONTWAIT) != 0)
        ;
}

void *conn_run(void *arg)
{
    hub_conn *c = arg;
    int status = 0;
    size_t n;
    c->in = hub_alloc(HTTP_HEAD);
    while ((n = read_head(c, &status)) > 0 && handle(c, n, status))
        ;
    if (c->refused)
        drain(c);
    free(c->in);
    pthread_mutex_lock(&c->hub->lock); /* the stop must not shut down a number given anew */
    close(c->fd);
    c->fd = -1;
    pthread_mutex_unlock(&c->hub->lock);
    atomic_store(&c->done, true);
    return NULL;
}
