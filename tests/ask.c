#include "tests/ask.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/base/str.h"
#include "tests/check.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* "http://127.0.0.1:40001/x": the port, and where the path begins. */
static const char *path_of(const char *url, unsigned *port)
{
    check(sscanf(url, "http://127.0.0.1:%u", port) == 1, "%s", url);
    const char *path = strchr(url + 7, '/');
    return path ? path : "/";
}

int ask_open(const char *url)
{
    unsigned port;
    path_of(url, &port);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0, "%s: errno %d", url,
          errno);
    return fd;
}

/* --- receiving ------------------------------------------------------------------------------- */
typedef struct stream {
    int fd, ms;
    nb_str bytes;
    double start;
    ask_reply *r;
} stream;

static bool more(stream *s)
{
    char part[65536];
    struct pollfd p = {.fd = s->fd, .events = POLLIN};
    if (s->r->closed || poll(&p, 1, s->ms) <= 0)
        return false;
    ssize_t k = recv(s->fd, part, sizeof part, 0);
    s->r->closed = k <= 0;
    s->r->reset = k < 0 && errno == ECONNRESET;
    if (k <= 0)
        return false;
    s->r->last = now() - s->start;
    if (s->bytes.len == 0)
        s->r->first = s->r->last;
    nb_str_addn(&s->bytes, part, (size_t)k);
    return true;
}

static void read_head(stream *s)
{
    const char *end = NULL;
    while (!(end = s->bytes.len ? strstr(s->bytes.at, "\r\n\r\n") : NULL) && more(s))
        ;
    if (!end)
        return;
    size_t n = (size_t)(end - s->bytes.at) + 4;
    s->r->head = strndup(s->bytes.at, n);
    sscanf(s->r->head, "HTTP/1.1 %d", &s->r->status);
    memmove(s->bytes.at, s->bytes.at + n, s->bytes.len - n + 1);
    s->bytes.len -= n;
}

/* Joins the chunks that have come; true with the last. */
static bool join_chunks(const nb_str *from, nb_str *to)
{
    const char *at = nb_str_c(from), *end = at + from->len;
    nb_str_clear(to);
    while (at < end) {
        char *line = memmem(at, (size_t)(end - at), "\r\n", 2);
        size_t n = line ? strtoul(at, NULL, 16) : 0;
        if (!line)
            return false;
        at = line + 2;
        if (n == 0)
            return (size_t)(end - at) >= 2;
        size_t have = (size_t)(end - at) < n ? (size_t)(end - at) : n;
        nb_str_addn(to, at, have);
        if ((size_t)(end - at) < n + 2)
            return false;
        at += n + 2;
    }
    return false;
}

static void read_body(stream *s, bool none)
{
    const char *length = ask_field(s->r, "Content-Length");
    bool chunked = ask_field(s->r, "Transfer-Encoding") != NULL;
    size_t n = length ? strtoul(length, NULL, 10) : SIZE_MAX;
    nb_str joined = {0};
    if (none)
        n = 0;
    while (chunked && !none && !(s->r->whole = join_chunks(&s->bytes, &joined)) && more(s))
        ;
    while (!chunked && s->bytes.len < n && more(s))
        ;
    if (chunked && !none) {
        nb_str_free(&s->bytes);
        s->bytes = joined;
    } else {
        s->r->whole = n == SIZE_MAX ? s->r->closed && !s->r->reset : s->bytes.len >= n;
    }
    s->r->n = s->bytes.len;
    s->r->body = calloc(1, s->bytes.len + 1);
    if (s->bytes.len)
        memcpy(s->r->body, s->bytes.at, s->bytes.len);
    nb_str_free(&s->bytes);
}

static void send_bytes(int fd, const char *bytes, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t k = send(fd, bytes + done, n - done, MSG_NOSIGNAL);
        if (k <= 0)
            return; /* the reply will tell */
        done += (size_t)k;
    }
}

/* --- asking ---------------------------------------------------------------------------------- */
static ask_reply talk(int fd, const char *method, const char *url, const char *fields,
                      const char *body, int ms)
{
    unsigned port;
    const char *path = path_of(url, &port);
    ask_reply r = {0};
    stream s = {.fd = fd, .ms = ms, .start = now(), .r = &r};
    nb_str text = {0};
    nb_str_addf(&text, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s", method, path, port,
                fields ? fields : "");
    if (body)
        nb_str_addf(&text, "Content-Length: %zu\r\n", strlen(body));
    nb_str_addf(&text, "\r\n%s", body ? body : "");
    send_bytes(fd, text.at, text.len);
    nb_str_free(&text);
    read_head(&s);
    read_body(&s, strcmp(method, "HEAD") == 0 || !r.head);
    return r;
}

ask_reply ask(const char *method, const char *url, const char *fields, const char *body, int ms)
{
    int fd = ask_open(url);
    ask_reply r = talk(fd, method, url, fields, body, ms);
    close(fd);
    return r;
}

ask_reply ask_on(int fd, const char *method, const char *url, const char *fields, int ms)
{
    return talk(fd, method, url, fields, NULL, ms);
}

ask_reply ask_get(const char *url)
{
    return ask("GET", url, NULL, NULL, ASK_MS);
}

ask_reply ask_file(const char *url, const char *fields)
{
    char at[4096];
    snprintf(at, sizeof at, "%s", url);
    ask_reply r = ask("GET", at, fields, NULL, ASK_MS);
    for (int i = 0; i < 4 && r.status / 100 == 3; i++) {
        const char *to = ask_field(&r, "Location");
        unsigned port;
        path_of(at, &port);
        check(to, "%s: no Location", at);
        if (*to == '/')
            snprintf(at, sizeof at, "http://127.0.0.1:%u%s", port, to);
        else
            snprintf(at, sizeof at, "%s", to);
        ask_free(&r);
        r = ask("GET", at, fields, NULL, ASK_MS);
    }
    return r;
}

ask_reply ask_raw(const char *url, const char *bytes, size_t n, int ms)
{
    int fd = ask_open(url);
    ask_reply r = {0};
    stream s = {.fd = fd, .ms = ms, .start = now(), .r = &r};
    send_bytes(fd, bytes, n);
    read_head(&s);
    read_body(&s, !r.head);
    close(fd);
    return r;
}

const char *ask_field(const ask_reply *r, const char *name)
{
    static char ring[8][8192];
    static unsigned at;
    size_t n = strlen(name);
    for (const char *p = r->head ? strstr(r->head, "\r\n") : NULL; p; p = strstr(p + 2, "\r\n")) {
        if (strncasecmp(p + 2, name, n) != 0 || p[2 + n] != ':')
            continue;
        const char *value = p + 3 + n + strspn(p + 3 + n, " ");
        snprintf(ring[at %= 8], sizeof ring[0], "%.*s", (int)strcspn(value, "\r"), value);
        return ring[at++];
    }
    return NULL;
}

void ask_free(ask_reply *r)
{
    free(r->head);
    free(r->body);
    *r = (ask_reply){0};
}

const char *ask_url(const char *origin, const char *path)
{
    static char ring[8][4096];
    static unsigned at;
    snprintf(ring[at %= 8], sizeof ring[0], "%s%s", origin, path);
    return ring[at++];
}
