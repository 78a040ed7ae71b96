#include "tests/remote_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/base/json.h"
#include "tests/check.h"

enum { REQUESTS = 512, REQUEST_MAX = 1 << 20, CONNS = 512 };

typedef struct conn {
    remote_server *s;
    int fd;
    pthread_t thread;
} conn;

struct remote_server {
    pthread_mutex_t lock; /* how, log, conns */
    remote_how how;
    int fd, port;
    pthread_t thread;
    atomic_bool stopping;
    char base[64], model[72];
    char *log[REQUESTS]; /* owned */
    size_t n_log;
    conn conn[CONNS];
    size_t n_conn;
    int refused; /* requests answered with how.status so far */
};

/* --- one connection --------------------------------------------------------------------------- */

static bool put(const conn *c, const char *text, size_t n)
{
    while (n) {
        ssize_t k = send(c->fd, text, n, MSG_NOSIGNAL);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return false;
        text += k;
        n -= (size_t)k;
    }
    return true;
}

/* In pieces of how->write_n bytes. */
static bool put_slowly(const conn *c, const remote_how *how, const nb_str *text)
{
    size_t step = how->write_n ? how->write_n : text->len;
    for (size_t at = 0; at < text->len; at += step) {
        size_t n = text->len - at < step ? text->len - at : step;
        if (!put(c, text->at + at, n))
            return false;
        if (how->write_n)
            nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    }
    return true;
}

/* False when the client has gone or the server stops. */
static bool wait_ms(const conn *c, int ms)
{
    for (int i = 0; i < ms || ms < 0; i += 2) {
        char byte;
        ssize_t k = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        if (k == 0 || (k < 0 && errno != EAGAIN && errno != EINTR) || atomic_load(&c->s->stopping))
            return false;
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    return true;
}

/* Head and body; owned. NULL when the client left before the end. */
static char *read_request(const conn *c, const char **body)
{
    nb_str in = {0};
    char bytes[4096];
    for (;;) {
        const char *end = in.len ? strstr(in.at, "\r\n\r\n") : NULL;
        const char *length = end ? strcasestr(in.at, "\r\nContent-Length:") : NULL;
        size_t want = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
        if (end && in.len >= (size_t)(end + 4 - in.at) + want) {
            *body = end + 4;
            return in.at;
        }
        ssize_t k = in.len < REQUEST_MAX ? recv(c->fd, bytes, sizeof bytes, 0) : 0;
        if (k <= 0)
            break;
        nb_str_addn(&in, bytes, (size_t)k);
    }
    nb_str_free(&in);
    return NULL;
}

static bool put_head(const conn *c, int status, const char *type, const char *more)
{
    nb_str head = {0};
    nb_str_addf(&head, "HTTP/1.1 %d Because\r\nConnection: close\r\n%s", status, more);
    if (type)
        nb_str_addf(&head, "Content-Type: %s\r\n", type);
    nb_str_add(&head, "\r\n");
    bool good = put(c, head.at, head.len);
    nb_str_free(&head);
    return good;
}

static void put_document(const conn *c, const remote_how *how, int status, const char *text)
{
    nb_str body = {0}, more = {0};
    nb_str_add(&body, text);
    nb_str_addf(&more, "Content-Length: %zu\r\n", body.len);
    if (how->retry_after && status >= 400)
        nb_str_addf(&more, "Retry-After: %d\r\n", how->retry_after);
    if (how->location && status / 100 == 3)
        nb_str_addf(&more, "Location: %s\r\n", how->location);
    if (put_head(c, status, *text == '<' ? "text/html" : "application/json", nb_str_c(&more)))
        put_slowly(c, how, &body);
    nb_str_free(&body);
    nb_str_free(&more);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void add_token(nb_jout *w, const remote_how *how, const char *text, size_t n, double p)
{
    nb_jout_key(w, "token"), how->bytes_only ? nb_jout_str(w, "?") : nb_jout_strn(w, text, n);
    nb_jout_key(w, "logprob"), nb_jout_double(w, p);
    nb_jout_key(w, "bytes"), nb_jout_array(w);
    for (size_t i = 0; i < n; i++)
        nb_jout_i64(w, (unsigned char)text[i]);
    nb_jout_array_end(w);
}

static void add_logprobs(nb_jout *w, const remote_how *how, const char *text, size_t n)
{
    static const double half = -0.6931471805599453, quarter = -1.3862943611198906;
    nb_jout_key(w, "logprobs"), nb_jout_object(w);
    nb_jout_key(w, "content"), nb_jout_array(w), nb_jout_object(w);
    add_token(w, how, text, n, half);
    nb_jout_key(w, "top_logprobs"), nb_jout_array(w);
    nb_jout_object(w), add_token(w, how, text, n, half), nb_jout_object_end(w);
    nb_jout_object(w), add_token(w, how, " other", 6, quarter), nb_jout_object_end(w);
    nb_jout_array_end(w);
    nb_jout_object_end(w), nb_jout_array_end(w), nb_jout_object_end(w);
}

/* A chunk, or the whole with key "message". finish NULL: null. */
static void choice(nb_str *out, const remote_how *how, const char *key, const char *field,
                   const char *text, size_t n, const char *finish, bool logprobs)
{
    nb_jout w = nb_jout_make(out);
    nb_jout_object(&w);
    nb_jout_key(&w, "object"), nb_jout_str(&w, "chat.completion.chunk");
    nb_jout_key(&w, "choices"), nb_jout_array(&w), nb_jout_object(&w);
    nb_jout_key(&w, "index"), nb_jout_i64(&w, 0);
    nb_jout_key(&w, key), nb_jout_object(&w);
    if (n)
        nb_jout_key(&w, field), nb_jout_strn(&w, text, n);
    nb_jout_object_end(&w);
    if (logprobs && n)
        add_logprobs(&w, how, text, n);
    nb_jout_key(&w, "finish_reason"), finish ? nb_jout_str(&w, finish) : nb_jout_null(&w);
    nb_jout_object_end(&w), nb_jout_array_end(&w);
    if (strcmp(key, "message") == 0 && !how->no_usage) {
        nb_jout_key(&w, "usage"), nb_jout_object(&w);
        nb_jout_key(&w, "prompt_tokens"), nb_jout_i64(&w, 11);
        nb_jout_key(&w, "completion_tokens"), nb_jout_i64(&w, 4);
        nb_jout_object_end(&w);
    }
    nb_jout_object_end(&w);
}

static bool put_event(const conn *c, const remote_how *how, const char *json)
{
    nb_str event = {0};
    const char *end = how->crlf ? "\r\n" : "\n";
    nb_str_addf(&event, "data: %s%s%s", json, end, end);
    bool good = put_slowly(c, how, &event);
    nb_str_free(&event);
    return good;
}

/* " word" after " word" of the text as events; their number. False = over. */
static bool put_words(const conn *c, const remote_how *how, const char *field, const char *text,
                      bool logprobs, int *count)
{
    for (size_t at = 0, n; text[at]; at += n) {
        nb_str json = {0};
        n = 1 + strcspn(text + at + 1, " ");
        choice(&json, how, "delta", field, text + at, n, NULL, logprobs);
        bool good = put_event(c, how, json.at);
        nb_str_free(&json);
        if (!good || ++*count == how->cut_after || (how->token_ms && !wait_ms(c, how->token_ms)))
            return false;
    }
    return true;
}

static void stream(const conn *c, const remote_how *how, const char *answer, bool logprobs)
{
    const char *finish = how->finish ? how->finish : "stop";
    nb_str json = {0};
    int count = 0;
    if (!put_head(c, 200, "text/event-stream", ""))
        return;
    if (how->silent) {
        wait_ms(c, -1);
        return;
    }
    static const char preface[] = ": a comment\n\nevent: message\nid: 1\n";
    put(c, preface, sizeof preface - 1);
    bool go_on =
        !how->thought || put_words(c, how, "reasoning_content", how->thought, logprobs, &count);
    do
        go_on = go_on && put_words(c, how, "content", answer, logprobs, &count);
    while (go_on && how->endless);
    if (!go_on)
        return;
    choice(&json, how, "delta", "content", "", 0, *finish ? finish : NULL, false);
    put_event(c, how, json.at);
    nb_str_free(&json);
    if (!how->no_usage)
        put_event(c, how,
                  "{\"choices\":[],\"usage\":{\"prompt_tokens\":11,"
                  "\"completion_tokens\":4}}");
    if (!how->no_done)
        put_event(c, how, "[DONE]");
    if (how->lingers)
        wait_ms(c, -1);
}

static void put_models(const conn *c, const remote_how *how)
{
    nb_str out = {0};
    nb_jout w = nb_jout_make(&out);
    nb_jout_object(&w);
    nb_jout_key(&w, "data"), nb_jout_array(&w);
    for (const char *m = how->models ? how->models : "far"; *m;) {
        size_t n = strcspn(m, ",");
        nb_jout_object(&w);
        nb_jout_key(&w, "id"), nb_jout_strn(&w, m, n);
        nb_jout_object_end(&w);
        m += n + (m[n] == ',');
    }
    nb_jout_array_end(&w), nb_jout_object_end(&w);
    put_document(c, how, 200, out.at);
    nb_str_free(&out);
}

static void chat(const conn *c, const remote_how *how, const char *body)
{
    nb_str said = {0}, json = {0};
    const char *answer = how->answer ? how->answer : "Hello from afar.";
    bool logprobs = how->logprobs && strstr(body, "\"logprobs\":true");
    if (how->chat) {
        how->chat(how->ud, body, &said);
        answer = nb_str_c(&said);
    }
    if (how->raw) {
        nb_str raw = {0};
        nb_str_addn(&raw, how->raw, how->raw_n ? how->raw_n : strlen(how->raw));
        if (put_head(c, 200, "text/event-stream", ""))
            put_slowly(c, how, &raw);
        nb_str_free(&raw);
    } else if (how->plain) {
        choice(&json, how, "message", "content", answer, strlen(answer), "stop", logprobs);
        put_document(c, how, 200, json.at);
    } else {
        stream(c, how, answer, logprobs);
    }
    nb_str_free(&said);
    nb_str_free(&json);
}

static void complete(const conn *c, const remote_how *how, const char *body)
{
    nb_str json = {0};
    if (how->complete) {
        how->complete(how->ud, body, &json);
        put_document(c, how, 200, nb_str_c(&json));
    } else if (strstr(body, "\"echo\":true")) {
        put_document(c, how, 400,
                     "{\"error\":{\"code\":400,\"message\":\"Only no echo is supported\","
                     "\"type\":\"invalid_request_error\"}}");
    } else {
        put_document(c, how, 200, "{\"choices\":[{\"text\":\"x\",\"finish_reason\":\"length\"}]}");
    }
    nb_str_free(&json);
}

/* What a fault says instead of an answer; false = there is none. */
static bool fault(const conn *c, const remote_how *how, const char *request, const char *body,
                  bool refused)
{
    nb_str text = {0};
    if (refused) {
        put_document(c, how, how->status,
                     how->error ? how->error : "{\"error\":{\"message\":\"so it is\"}}");
    } else if (how->refuses && strstr(body, how->refuses)) {
        nb_str_addf(&text, "{\"error\":{\"message\":\"unsupported: %s\"}}",
                    how->quietly ? "something" : how->refuses);
        put_document(c, how, 400, text.at);
    } else if (how->key && !strstr(request, how->key)) {
        put_document(c, how, 401, "{\"error\":{\"message\":\"Incorrect API key provided\"}}");
    } else {
        return false;
    }
    nb_str_free(&text);
    return true;
}

static void *run_conn(void *arg)
{
    conn *c = arg;
    remote_server *s = c->s;
    const char *body = "";
    char *request = read_request(c, &body);
    pthread_mutex_lock(&s->lock);
    remote_how how = s->how;
    bool refused = request && how.status && (how.times == 0 || s->refused < how.times);
    s->refused += refused;
    if (request && s->n_log < REQUESTS)
        s->log[s->n_log++] = strdup(request);
    pthread_mutex_unlock(&s->lock);
    if (request && (!how.delay_ms || wait_ms(c, how.delay_ms)) &&
        !fault(c, &how, request, body, refused)) {
        if (strncmp(request, "GET /v1/models ", 15) == 0)
            put_models(c, &how);
        else if (strncmp(request, "POST /v1/chat/completions ", 26) == 0)
            chat(c, &how, body);
        else if (strncmp(request, "POST /v1/completions ", 21) == 0)
            complete(c, &how, body);
        else
            put_document(c, &how, 404, "{\"detail\":\"Not Found\"}");
    }
    free(request);
    shutdown(c->fd, SHUT_WR);
    for (int i = 0; i < 500 && wait_ms(c, 2); i++) /* what is unread would reset the connection */
        ;
    shutdown(c->fd, SHUT_RDWR);
    return NULL;
}

/* --- life ------------------------------------------------------------------------------------ */

static void *run_server(void *arg)
{
    remote_server *s = arg;
    while (!atomic_load(&s->stopping)) {
        struct pollfd p = {.fd = s->fd, .events = POLLIN};
        if (poll(&p, 1, 20) <= 0)
            continue;
        int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        pthread_mutex_lock(&s->lock);
        conn *c = s->n_conn < CONNS ? &s->conn[s->n_conn] : NULL;
        if (c) {
            *c = (conn){.s = s, .fd = fd};
            s->n_conn += pthread_create(&c->thread, NULL, run_conn, c) == 0;
        } else {
            close(fd);
        }
        pthread_mutex_unlock(&s->lock);
    }
    return NULL;
}

remote_server *remote_server_start(const remote_how *how)
{
    remote_server *s = calloc(1, sizeof *s);
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;
    check(s != NULL, "no memory");
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    pthread_mutex_init(&s->lock, NULL);
    s->how = how ? *how : (remote_how){0};
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(s->fd >= 0 && bind(s->fd, (struct sockaddr *)&at, sizeof at) == 0 &&
              listen(s->fd, 64) == 0 && getsockname(s->fd, (struct sockaddr *)&at, &len) == 0,
          "no port: %s", strerror(errno));
    s->port = ntohs(at.sin_port);
    snprintf(s->base, sizeof s->base, "http://127.0.0.1:%d/v1", s->port);
    snprintf(s->model, sizeof s->model, "%s#far", s->base);
    check(pthread_create(&s->thread, NULL, run_server, s) == 0, "no thread");
    return s;
}

void remote_server_stop(remote_server **ps)
{
    remote_server *s = *ps;
    if (!s)
        return;
    atomic_store(&s->stopping, true);
    pthread_join(s->thread, NULL);
    for (size_t i = 0; i < s->n_conn; i++) {
        shutdown(s->conn[i].fd, SHUT_RDWR);
        pthread_join(s->conn[i].thread, NULL);
        close(s->conn[i].fd);
    }
    for (size_t i = 0; i < s->n_log; i++)
        free(s->log[i]);
    close(s->fd);
    pthread_mutex_destroy(&s->lock);
    free(s);
    *ps = NULL;
}

void remote_server_set(remote_server *s, const remote_how *how)
{
    pthread_mutex_lock(&s->lock);
    s->how = *how;
    s->refused = 0;
    pthread_mutex_unlock(&s->lock);
}

const char *remote_server_model(const remote_server *s)
{
    return s->model;
}

const char *remote_server_base(const remote_server *s)
{
    return s->base;
}

size_t remote_server_count(remote_server *s)
{
    pthread_mutex_lock(&s->lock);
    size_t n = s->n_log;
    pthread_mutex_unlock(&s->lock);
    return n;
}

const char *remote_server_request(remote_server *s, size_t n)
{
    pthread_mutex_lock(&s->lock);
    const char *text = n < s->n_log ? s->log[n] : NULL;
    pthread_mutex_unlock(&s->lock);
    check(text != NULL, "no request %zu", n);
    return text;
}
