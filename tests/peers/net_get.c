/* net_get [--stream] [--range A-B] URL: one GET through downloads/, for servers that are not ours
 * (tls.sh). The environment says the rest, as for nibble itself. One line on stdout:
 *
 *     STATUS TROUBLE BYTES SHA-256-OF-THE-BODY LAST-ADDRESS
 *
 * and the message, if any, on stderr. Exit status as nibble's. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/digest.h"
#include "downloads/http.h"

static const char *const trouble_names[] = {
    "OK",
#define DL_TROUBLE(name, status, what, remedy, keys) #name,
#include "downloads/troubles.def"
#undef DL_TROUBLE
};

typedef struct got {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
    nb_str body;
    int http;
    dl_trouble trouble;
    char url[DL_URL_MAX];
    nb_status status;
    nb_err err;
} got;

static bool on_head(void *ud, const dl_reply *reply)
{
    (void)ud;
    (void)reply;
    return true;
}

static bool on_body(void *ud, const void *bytes, size_t n)
{
    got *g = ud;
    nb_str_addn(&g->body, bytes, n);
    return !g->body.failed;
}

static void on_done(void *ud, const dl_reply *reply, nb_status status, const nb_err *err)
{
    got *g = ud;
    pthread_mutex_lock(&g->lock);
    g->http = reply->status;
    g->trouble = reply->trouble;
    memcpy(g->url, reply->url, sizeof g->url);
    g->status = status;
    g->err = *err;
    g->done = true;
    pthread_cond_signal(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

static void get_stream(dl_net *net, const dl_request *rq, got *g)
{
    const dl_sink sink = {on_head, on_body, on_done, g};
    dl_stream *s;
    nb_err err;
    nb_status status = dl_stream_start(&s, net, rq, &sink, &err);
    pthread_mutex_lock(&g->lock);
    if (status != NB_OK) { /* else on_done says it, perhaps it already has */
        g->status = status;
        g->err = err;
    }
    while (status == NB_OK && !g->done)
        pthread_cond_wait(&g->changed, &g->lock);
    pthread_mutex_unlock(&g->lock);
}

static void get_call(dl_net *net, const dl_request *rq, got *g)
{
    dl_reply r;
    g->status = dl_call(net, rq, &r, NULL, &g->err);
    g->http = r.status;
    g->trouble = r.trouble;
    memcpy(g->url, r.url, sizeof g->url);
    g->body = r.body;
}

static bool arguments(int argc, char **argv, dl_request *rq, bool *stream)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--stream") == 0)
            *stream = true;
        else if (strcmp(argv[i], "--range") == 0 && i + 1 < argc)
            rq->ranged = sscanf(argv[++i], "%" SCNu64 "-%" SCNu64, &rq->first, &rq->last) == 2;
        else
            rq->url = argv[i];
    }
    return rq->url != NULL;
}

int main(int argc, char **argv)
{
    static got g = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    static dl_options opt = {.patience = 2};
    dl_request rq = {.follow = DL_FOLLOW_ALL, .body_max = 1 << 30};
    dl_net *net;
    char hex[65] = "", shown[256];
    bool stream = false;
    if (!arguments(argc, argv, &rq, &stream))
        return 2;
    nb_hub_env_load(&opt.env, NULL);
    if (dl_net_open(&net, &opt, &g.err) != NB_OK) {
        fprintf(stderr, "%s\n", g.err.msg);
        return 1;
    }
    if (stream)
        get_stream(net, &rq, &g);
    else
        get_call(net, &rq, &g);
    dl_net_close(&net);
    nb_sha256_of(nb_str_c(&g.body), g.body.len, hex, NULL);
    printf("%d %s %zu %s %s\n", g.http, trouble_names[g.trouble], g.body.len, hex,
           dl_url_safe(shown, g.url));
    if (g.status != NB_OK)
        fprintf(stderr, "%s\n", g.err.msg);
    nb_str_free(&g.body);
    return nb_exit_code(g.status);
}
