#include "tests/net_rig.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/check.h"

nb_hub_env rig_env(fake_hub *hub)
{
    nb_hub_env env = {.etag_timeout = 10, .download_timeout = 10};
    snprintf(env.endpoint, sizeof env.endpoint, "%s", fake_hub_origin(hub, FAKE_HUB));
    snprintf(env.token, sizeof env.token, "%s", RIG_TOKEN);
    snprintf(env.token_from, sizeof env.token_from, "HF_TOKEN");
    return env;
}

static void open_net(net_rig *rig, const dl_options *opt, const nb_hub_env *env)
{
    dl_options all = opt ? *opt : (dl_options){0};
    nb_err err = {0};
    all.env = env ? *env : rig_env(rig->hub);
    all.patience = all.patience > 0 ? all.patience : 2;
    check(dl_net_open(&rig->net, &all, &err) == NB_OK, "%s", err.msg);
}

net_rig rig_up(const dl_options *opt, const fake_hub_options *hub_opt)
{
    net_rig rig = {.hub = fix_start(hub_opt)};
    rig.repo = fix_repo(rig.hub);
    fake_hub_token(rig.hub, &(fake_token){.token = RIG_TOKEN});
    open_net(&rig, opt, NULL);
    return rig;
}

void rig_down(net_rig *rig)
{
    dl_net_close(&rig->net);
    fake_hub_stop(&rig->hub);
}

void rig_again(net_rig *rig, const nb_hub_env *env)
{
    dl_net_close(&rig->net);
    open_net(rig, NULL, env);
}

nb_status rig_get(net_rig *rig, const char *path, dl_reply *reply, nb_err *err)
{
    const dl_request rq = {.url = path, .body_max = 1 << 20, .subject = "ns/repo"};
    *err = (nb_err){0};
    return dl_call(rig->net, &rq, reply, NULL, err);
}

fake_request rig_logged(net_rig *rig, fake_port port, size_t n)
{
    static fake_request *kept;
    static size_t n_kept;
    fake_hub_log_free(kept, n_kept);
    n_kept = fake_hub_log(rig->hub, &kept);
    for (size_t i = 0; i < n_kept; i++)
        if (kept[i].port == port && n-- == 0)
            return kept[i];
    check(false, "the log has no such request");
    return (fake_request){0};
}

bool rig_unmentioned(net_rig *rig, fake_port port, const char *text)
{
    fake_request *log;
    size_t n = fake_hub_log(rig->hub, &log);
    bool clean = true;
    for (size_t i = 0; i < n; i++)
        clean = clean && (log[i].port != port || !strstr(log[i].head, text));
    fake_hub_log_free(log, n);
    return clean;
}

/* --- streams --------------------------------------------------------------------------------- */
static bool on_head(void *ud, const dl_reply *reply)
{
    rig_stream *s = ud;
    pthread_mutex_lock(&s->lock);
    s->headed = true;
    s->status = reply->status;
    pthread_mutex_unlock(&s->lock);
    return true;
}

static bool on_body(void *ud, const void *bytes, size_t n)
{
    rig_stream *s = ud;
    pthread_mutex_lock(&s->lock);
    s->bytes += n;
    if (s->body.len < 1 << 20)
        nb_str_addn(&s->body, bytes, n);
    bool more = !s->stop_at || s->bytes < s->stop_at;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return more;
}

static void on_done(void *ud, const dl_reply *reply, nb_status status, const nb_err *err)
{
    rig_stream *s = ud;
    pthread_mutex_lock(&s->lock);
    s->status = reply->status;
    s->trouble = reply->trouble;
    s->end = status;
    s->err = *err;
    s->ended = dl_clock();
    s->done = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

void rig_stream_start(net_rig *rig, rig_stream *s, const dl_request *rq)
{
    const dl_sink sink = {on_head, on_body, on_done, s};
    pthread_condattr_t attr;
    nb_err err = {0};
    *s = (rig_stream){.net = rig->net, .stop_at = s->stop_at, .began = dl_clock()};
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &attr);
    pthread_condattr_destroy(&attr);
    check(dl_stream_start(&s->s, rig->net, rq, &sink, &err) == NB_OK, "%s", err.msg);
}

static bool wait_until(rig_stream *s, uint64_t bytes)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += 30;
    int rc = 0;
    pthread_mutex_lock(&s->lock);
    while (!s->done && s->bytes < bytes && rc == 0)
        rc = pthread_cond_timedwait(&s->changed, &s->lock, &end);
    bool good = s->done || s->bytes >= bytes;
    pthread_mutex_unlock(&s->lock);
    return good;
}

void rig_stream_wait(rig_stream *s)
{
    check(wait_until(s, UINT64_MAX), "no end within 30 s");
}

void rig_stream_wait_bytes(rig_stream *s, uint64_t bytes)
{
    check(wait_until(s, bytes), "no bytes within 30 s");
}

void rig_stream_free(rig_stream *s)
{
    nb_str_free(&s->body);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
}

/* --- hooks ----------------------------------------------------------------------------------- */
static void on_progress(void *ud, const nb_progress *p)
{
    rig_hooks *h = ud;
    h->told++;
    if (h->want && !*h->what && strncmp(p->what, h->want, strlen(h->want)) == 0)
        snprintf(h->what, sizeof h->what, "%s", p->what);
}

static bool on_canceled(void *ud)
{
    rig_hooks *h = ud;
    return h->cancel;
}

nb_hooks rig_hook(rig_hooks *h)
{
    return (nb_hooks){on_progress, on_canceled, h};
}
