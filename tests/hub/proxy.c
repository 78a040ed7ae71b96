/* The third port: an HTTP proxy that reaches loopback only (RFC 9110 7.6, 9.3.6). Names ending in
 * .test are loopback too, so that a client can be seen to leave the resolving to its proxy. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/hub/hub.h"
#include "tests/hub/mem.h"

static void refuse(exchange *x, int status, const char *text)
{
    nb_str_clear(&x->text);
    nb_str_add(&x->text, text);
    answer_text(x, status, "text/plain");
    x->close = true;
}

/* host:port of an authority; false unless it is loopback. */
static bool loopback(const char *authority, size_t len, uint16_t default_port, uint16_t *port)
{
    static const char *const names[] = {"127.0.0.1", "localhost"};
    char host[256];
    uint64_t number = default_port;
    if (len >= sizeof host)
        return false;
    memcpy(host, authority, len);
    host[len] = '\0';
    char *colon = strrchr(host, ':');
    if (colon) {
        *colon = '\0';
        if (!nb_parse_u64(colon + 1, &number) || number == 0 || number > 65535)
            return false;
    }
    *port = (uint16_t)number;
    size_t n = strlen(host);
    bool ok = n > 5 && strcasecmp(host + n - 5, ".test") == 0;
    for (size_t i = 0; i < countof(names); i++)
        ok = ok || strcasecmp(host, names[i]) == 0;
    return ok;
}

static int reach(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static bool send_all(int fd, const char *at, size_t n)
{
    while (n) {
        ssize_t k = send(fd, at, n, MSG_NOSIGNAL);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return false;
        at += k;
        n -= (size_t)k;
    }
    return true;
}

/* One read from `from` to `to`; false at its end. */
static bool pass(int from, int to, size_t *n)
{
    char bytes[65536];
    ssize_t k = recv(from, bytes, sizeof bytes, 0);
    *n = k > 0 ? (size_t)k : 0;
    return k > 0 && send_all(to, bytes, (size_t)k);
}

/* Both ways until one side ends. Bytes towards the client count as the body. */
static void tunnel(exchange *x, int far)
{
    struct pollfd p[2] = {{.fd = x->conn->fd, .events = POLLIN}, {.fd = far, .events = POLLIN}};
    size_t n;
    bool open = x->conn->n == 0 || send_all(far, x->conn->in, x->conn->n);
    x->conn->n = 0;
    while (open && !atomic_load(&x->hub->stopping)) {
        if (poll(p, 2, 100) <= 0)
            continue;
        if (p[0].revents)
            open = pass(x->conn->fd, far, &n);
        if (open && p[1].revents) {
            open = pass(far, x->conn->fd, &n);
            pthread_mutex_lock(&x->hub->lock);
            x->entry->body += n;
            pthread_mutex_unlock(&x->hub->lock);
        }
    }
    x->whole = true;
}

/* The request as the origin wants it: path instead of address, nothing meant for proxies, one
 * answer to a connection. */
static void forward(exchange *x, const char *path, int far)
{
    static const char *const hop[] = {"Proxy-Connection", "Proxy-Authorization", "Connection",
                                      "Keep-Alive", "Expect"};
    const http_request *r = x->req;
    nb_str out = {0};
    nb_str_addf(&out, "%s %s HTTP/1.1\r\n", r->method, *path ? path : "/");
    for (size_t i = 0; i < r->n_fields; i++) {
        bool drop = false;
        for (size_t k = 0; k < countof(hop); k++)
            drop = drop || strcasecmp(hop[k], r->field[i].name) == 0;
        if (!drop)
            nb_str_addf(&out, "%s: %s\r\n", r->field[i].name, r->field[i].value);
    }
    nb_str_add(&out, "Connection: close\r\n\r\n");
    nb_str_addn(&out, r->body, (size_t)r->body_n);
    if (send_all(far, out.at, out.len))
        tunnel(x, far);
    nb_str_free(&out);
}

static void set_status(exchange *x, int status)
{
    pthread_mutex_lock(&x->hub->lock);
    x->entry->status = status;
    pthread_mutex_unlock(&x->hub->lock);
}

void proxy_answer(exchange *x)
{
    static const char established[] = "HTTP/1.1 200 Connection established\r\n\r\n";
    const char *target = x->req->target, *path = "";
    bool connects = strcmp(x->req->method, "CONNECT") == 0;
    bool absolute = strncasecmp(target, "http://", 7) == 0;
    const char *authority = absolute ? target + 7 : target;
    size_t len = strcspn(authority, "/?#");
    uint16_t port = 0;
    int far = -1;
    x->api = false;
    x->close = true;
    if (reply_fault(x))
        ;
    else if (!connects && !absolute)
        refuse(x, 400, "a proxy wants http:// addresses or CONNECT\n");
    else if (!loopback(authority, len, connects ? 443 : 80, &port))
        refuse(x, 403, "this proxy reaches loopback only\n");
    else if ((far = reach(port)) < 0)
        refuse(x, 502, "nobody answers there\n");
    if (far < 0) {
        reply_finish(x);
        send_reply(x);
        return;
    }
    path = authority + len;
    set_status(x, 200);
    if (!connects)
        forward(x, path, far);
    else if (conn_send(x->conn, established, strlen(established)) == strlen(established))
        tunnel(x, far);
    close(far);
}
