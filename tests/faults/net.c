/* The network: a call and a stream against a server of its own process (A11). libcurl's own
 * allocations are not ours to fail. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "downloads/http.h"
#include "tests/faults/faults.h"

enum { BODY = 3000 }; /* bytes */

static char origin[64];

/* Answers every request with BODY bytes until its parent is gone. */
static void serve(int listener)
{
    static char reply[BODY + 128], ask[4096];
    int n = snprintf(reply, sizeof reply, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", BODY);
    memset(reply + n, 'x', BODY);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        while (fd >= 0 && recv(fd, ask, sizeof ask, 0) > 0)
            send(fd, reply, (size_t)n + BODY, MSG_NOSIGNAL);
        if (fd >= 0)
            close(fd);
    }
}

static void start_server(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;
    if (origin[0])
        return;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fault_check(bind(listener, (struct sockaddr *)&at, len) == 0 && listen(listener, 8) == 0 &&
                    getsockname(listener, (struct sockaddr *)&at, &len) == 0,
                "no socket");
    snprintf(origin, sizeof origin, "http://127.0.0.1:%d", ntohs(at.sin_port));
    if (fork() == 0)
        serve(listener);
    close(listener);
}

typedef struct fetched {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
    uint64_t bytes;
    nb_status status;
    nb_err err;
} fetched;

static bool on_head(void *ud, const dl_reply *reply)
{
    (void)ud;
    return reply->status == 200;
}

static bool on_body(void *ud, const void *bytes, size_t n)
{
    (void)bytes;
    ((fetched *)ud)->bytes += n;
    return true;
}

static void on_done(void *ud, const dl_reply *reply, nb_status status, const nb_err *err)
{
    fetched *f = ud;
    (void)reply;
    pthread_mutex_lock(&f->lock);
    f->status = status;
    f->err = *err;
    f->done = true;
    pthread_cond_signal(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static nb_status fetch(dl_net *net, nb_err *err)
{
    fetched f = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    const dl_sink sink = {on_head, on_body, on_done, &f};
    dl_stream *s;
    NB_TRY(dl_stream_start(&s, net, &(dl_request){.url = "/stream"}, &sink, err));
    pthread_mutex_lock(&f.lock);
    while (!f.done)
        pthread_cond_wait(&f.changed, &f.lock);
    pthread_mutex_unlock(&f.lock);
    if (f.status != NB_OK)
        *err = f.err;
    fault_check(f.status != NB_OK || f.bytes == BODY, "%d bytes", (int)f.bytes);
    return f.status;
}

static nb_status call(dl_net *net, nb_err *err)
{
    const dl_request rq = {
        .method = DL_POST, .url = "/call", .form = "a=b", .body_max = 1 << 20, .subject = "it"};
    dl_reply r;
    nb_status status = dl_call(net, &rq, &r, NULL, err);
    fault_check(status != NB_OK || r.body.len == BODY, "%zu bytes", r.body.len);
    dl_reply_free(&r);
    return status;
}

static void nothing(void *ud)
{
    (void)ud;
}

static nb_status run_net(nb_err *err)
{
    dl_options opt = {.env = {.etag_timeout = 10, .token = "hf_x"}};
    dl_net *net = NULL;
    snprintf(opt.env.endpoint, sizeof opt.env.endpoint, "%s", origin);
    NB_TRY(dl_net_open(&net, &opt, err));
    nb_status status = call(net, err);
    if (status == NB_OK)
        status = fetch(net, err);
    if (status == NB_OK && !dl_net_after(net, 60, nothing, NULL))
        status = nb_fail(err, NB_NOMEM, "no memory for a timer");
    dl_net_close(&net);
    return status;
}
FAULT_SCENARIO(net, start_server, run_net, NULL);
