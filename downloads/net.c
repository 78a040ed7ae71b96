#include "downloads/net.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/digest.h"
#include "core/base/job.h"

static const double BURST = .1;     /* s of the limit that may come at once */
static const double RATE_SPAN = 5;  /* s of DL_SLOTS */
static const double IDLE_POLL = 60; /* s; a wake-up ends it */

double dl_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* --- figures --- */

/* Under the lock: forgets the tenths that are over 5 s old. */
static void slots_turn(dl_net *net, double now)
{
    int64_t slot = (int64_t)(now * 10);
    for (int i = 0; i < DL_SLOTS && net->slot < slot; i++)
        net->slots[++net->slot % DL_SLOTS] = 0;
    net->slot = slot;
}

static uint64_t slots_sum(const dl_net *net)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < DL_SLOTS; i++)
        sum += net->slots[i];
    return sum;
}

void dl_net_count(dl_net *net, size_t n)
{
    double now = dl_clock();
    uint64_t limit = atomic_load(&net->limit);
    pthread_mutex_lock(&net->lock);
    slots_turn(net, now);
    if (slots_sum(net) == 0)
        net->rate_from = now;
    net->slots[net->slot % DL_SLOTS] += n;
    net->received += n;
    pthread_mutex_unlock(&net->lock);
    if (limit) /* calls are not slowed, but what they take is not taken twice */
        net->tokens = fmax(net->tokens - (double)n, -(double)limit);
}

void dl_net_look(dl_net *net, dl_net_view *out)
{
    *out = (dl_net_view){.limit = atomic_load(&net->limit)};
    pthread_mutex_lock(&net->lock);
    double now = dl_clock();
    slots_turn(net, now);
    out->rate = (double)slots_sum(net) / fmax(1, fmin(now - net->rate_from, RATE_SPAN));
    out->hold = fmax(0, net->hold_until - now);
    out->held = net->held ? net->held : "";
    out->received = net->received;
    out->requests = net->requests;
    out->active = net->active;
    memcpy(out->warning, net->warning, sizeof out->warning);
    pthread_mutex_unlock(&net->lock);
}

/* --- pace --- */

bool dl_net_may_take(dl_net *net, double now)
{
    double limit = (double)atomic_load(&net->limit);
    if (limit <= 0)
        return true;
    net->tokens = fmin(net->tokens + limit * (now - net->filled), limit * BURST);
    net->filled = now;
    return net->tokens > 0;
}

/* dl_clock at which the bucket is half full again: waking for every byte would cost a core. */
static double refilled_at(const dl_net *net)
{
    double limit = (double)atomic_load(&net->limit);
    return limit > 0 ? net->filled + fmax(0, limit * BURST / 2 - net->tokens) / limit : 0;
}

void dl_net_limit(dl_net *net, uint64_t bytes_per_second)
{
    atomic_store(&net->limit, bytes_per_second);
    dl_net_wake(net);
}

static void hold(dl_net *net, double seconds, const char *why)
{
    double until = dl_clock() + fmin(seconds, DL_HOLD_MAX);
    pthread_mutex_lock(&net->lock);
    if (until > net->hold_until) {
        net->hold_until = until;
        net->held = why;
    }
    pthread_mutex_unlock(&net->lock);
}

void dl_net_heed(dl_net *net, const dl_reply *r)
{
    if (r->trouble == DL_RATE_LIMITED)
        hold(net, r->retry_after >= 0 ? r->retry_after : 1, "rate limited");
    else if (dl_reply_busy(r))
        hold(net, r->retry_after, "server busy");
}

/* Fewer bytes of a token cut off by the text's end tell nobody anything. */
enum { HIDDEN_MIN = 6 };

static void hide(char *text, size_t n, const char *token)
{
    size_t len = strlen(token);
    if (n < HIDDEN_MIN)
        return;
    for (char *p = text, *end = text + n; len && (p = memmem(p, (size_t)(end - p), token, len));)
        memset(p, '*', len);
    for (size_t k = len < n ? len : n; k >= HIDDEN_MIN; k--)
        if (memcmp(text + n - k, token, k) == 0)
            memset(text + n - k, '*', k);
}

void dl_net_warn(dl_net *net, const char *text, size_t n)
{
    char topic[sizeof net->topics[0]];
    const char *semicolon = memchr(text, ';', n);
    size_t len = semicolon ? (size_t)(semicolon - text) : n;
    snprintf(topic, sizeof topic, "%.*s", (int)(len < 63 ? len : 63), text);
    bool known = false;
    pthread_mutex_lock(&net->lock);
    for (unsigned i = 0; i < DL_TOPICS && i < net->n_topics; i++)
        known = known || strcmp(net->topics[i], topic) == 0;
    if (!known) {
        memcpy(net->topics[net->n_topics++ % DL_TOPICS], topic, sizeof topic);
        size_t cut = n < sizeof net->warning ? n : nb_utf8_whole(text, sizeof net->warning - 1);
        snprintf(net->warning, sizeof net->warning, "%.*s", (int)cut, text);
        hide(net->warning, strlen(net->warning), net->env.token);
    }
    pthread_mutex_unlock(&net->lock);
}

/* --- token --- */

void dl_net_token(dl_net *net, const char *token, const char *from)
{
    pthread_mutex_lock(&net->lock);
    explicit_bzero(net->env.token, sizeof net->env.token);
    snprintf(net->env.token, sizeof net->env.token, "%s", token);
    snprintf(net->env.token_from, sizeof net->env.token_from, "%s", from);
    pthread_mutex_unlock(&net->lock);
}

bool dl_net_copy_token(dl_net *net, char *out)
{
    pthread_mutex_lock(&net->lock);
    memcpy(out, net->env.token, sizeof net->env.token);
    pthread_mutex_unlock(&net->lock);
    return *out != '\0';
}

void dl_net_hide_token(dl_net *net, char *text, size_t n)
{
    pthread_mutex_lock(&net->lock);
    hide(text, n, net->env.token);
    pthread_mutex_unlock(&net->lock);
}

void *dl_net_swap_kept(dl_net *net, void *kept)
{
    pthread_mutex_lock(&net->lock);
    void *before = net->kept;
    net->kept = kept;
    pthread_mutex_unlock(&net->lock);
    return before;
}

uint64_t dl_net_mark(dl_net *net, bool *has_token)
{
    pthread_mutex_lock(&net->lock);
    const nb_hub_env *env = &net->env;
    uint64_t token = nb_fingerprint(env->token, strlen(env->token));
    uint64_t endpoint = nb_fingerprint(env->endpoint, strlen(env->endpoint));
    if (has_token)
        *has_token = env->token[0] != '\0';
    pthread_mutex_unlock(&net->lock);
    return token ^ (endpoint * UINT64_C(0x9e3779b97f4a7c15));
}

/* --- the thread --- */

void dl_net_wake(dl_net *net)
{
    curl_multi_wakeup(net->multi);
}

bool dl_net_after(dl_net *net, double seconds, void (*fn)(void *ud), void *ud)
{
    dl_timer *t = nb_alloc(1, sizeof *t, "timer", NULL);
    if (!t)
        return false;
    *t = (dl_timer){.due = dl_clock() + fmax(0, seconds), .fn = fn, .ud = ud};
    pthread_mutex_lock(&net->lock);
    bool closing = net->closing;
    dl_timer **link = &net->timers;
    while (*link && (*link)->due <= t->due)
        link = &(*link)->next;
    if (!closing) {
        t->next = *link;
        *link = t;
    }
    pthread_mutex_unlock(&net->lock);
    if (closing)
        free(t);
    else
        dl_net_wake(net);
    return !closing;
}

/* The first timer that is due, taken out of the list. */
static dl_timer *due_timer(dl_net *net, double now)
{
    pthread_mutex_lock(&net->lock);
    dl_timer *t = net->timers && net->timers->due <= now ? net->timers : NULL;
    if (t)
        net->timers = t->next;
    pthread_mutex_unlock(&net->lock);
    return t;
}

/* Only those due now: one that starts itself again with 0 s comes next turn. */
static void run_timers(dl_net *net, double now)
{
    for (dl_timer *t; (t = due_timer(net, now));) {
        t->fn(t->ud);
        free(t);
    }
}

/* Moves new streams behind the others. False when the net is closing. */
static bool adopt(dl_net *net)
{
    dl_stream **tail = &net->streams;
    while (*tail)
        tail = &(*tail)->next;
    pthread_mutex_lock(&net->lock);
    *tail = net->fresh;
    net->fresh = NULL;
    net->fresh_tail = &net->fresh;
    bool closing = net->closing;
    pthread_mutex_unlock(&net->lock);
    return !closing;
}

/* Out of the list, told and freed. */
static void end(dl_net *net, dl_stream *s, nb_status status)
{
    dl_stream **link = &net->streams;
    while (*link != s)
        link = &(*link)->next;
    *link = s->next;
    dl_stream_end(s, status);
}

/* Streams that may go get their request; those asked to stop or stalled end. Lowers *wake to the
 * moment of the next change. */
static void tend_streams(dl_net *net, double now, double *wake)
{
    pthread_mutex_lock(&net->lock);
    double hold = net->hold_until;
    pthread_mutex_unlock(&net->lock);
    int busy = 0;
    for (const dl_stream *s = net->streams; s; s = s->next)
        busy += s->running && !s->call;
    for (dl_stream *s = net->streams, *next; s; s = next) {
        next = s->next;
        bool may_go = !s->running && now >= hold && (s->call || busy < net->connections);
        if (atomic_load(&s->stop)) {
            end(net, s, NB_CANCELED);
            *wake = now; /* its connection is free */
            continue;
        }
        if (may_go) {
            dl_stream_send(s, now);
            busy += s->running && !s->call;
        } else if (!s->running && hold > now) {
            *wake = fmin(*wake, hold);
        }
        if (s->status != NB_OK || dl_stream_stalled(s, now, wake)) {
            end(net, s, NB_OK);
            *wake = now;
            continue;
        }
    }
}

/* Bodies held back by the limit go on, the one that waited longest first. */
static void resume_streams(dl_net *net, double now, double *wake)
{
    for (;;) {
        dl_stream *longest = NULL;
        for (dl_stream *s = net->streams; s; s = s->next)
            if (s->paused && (!longest || s->paused_at < longest->paused_at))
                longest = s;
        if (!longest)
            return;
        if (!dl_net_may_take(net, now)) {
            *wake = fmin(*wake, refilled_at(net));
            return;
        }
        dl_stream_resume(longest, now);
    }
}

static void collect_answers(dl_net *net)
{
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(net->multi, &left));) {
        dl_stream *s = NULL;
        if (m->msg != CURLMSG_DONE)
            continue;
        CURLcode code = m->data.result; /* m dies with the handle's removal */
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &s);
        if (dl_stream_answered(s, code))
            end(net, s, NB_OK);
    }
}

static double next_timer(dl_net *net, double wake)
{
    pthread_mutex_lock(&net->lock);
    if (net->timers)
        wake = fmin(wake, net->timers->due);
    if (net->fresh || net->closing)
        wake = 0;
    pthread_mutex_unlock(&net->lock);
    return wake;
}

static void *net_main(void *ud)
{
    dl_net *net = ud;
    while (adopt(net)) {
        int running;
        double now = dl_clock(), wake = now + IDLE_POLL;
        run_timers(net, now);
        curl_multi_perform(net->multi, &running);
        collect_answers(net);
        resume_streams(net, dl_clock(), &wake);
        tend_streams(net, dl_clock(), &wake);
        wake = next_timer(net, wake);
        double ms = ceil(1000 * (wake - dl_clock()));
        curl_multi_poll(net->multi, NULL, 0, (int)fmax(0, ms), NULL);
    }
    while (net->streams)
        end(net, net->streams, NB_CANCELED);
    return NULL;
}

/* --- life --- */

static void init_locks(dl_net *net)
{
    pthread_condattr_t attr;
    pthread_mutex_init(&net->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&net->changed, &attr);
    pthread_condattr_destroy(&attr);
}

static void destroy(dl_net *net)
{
    for (dl_timer *t = net->timers, *next; t; t = next) {
        next = t->next;
        free(t);
    }
    curl_multi_cleanup(net->multi);
    pthread_cond_destroy(&net->changed);
    pthread_mutex_destroy(&net->lock);
    nb_hub_env_wipe(&net->env);
    free(net->kept);
    free(net);
    curl_global_cleanup();
}

static void write_agent(dl_net *net)
{
    const char *origin = net->env.agent_origin;
    snprintf(net->agent, sizeof net->agent, "nibble/%s; libcurl/%s%s%s", NB_VERSION,
             curl_version_info(CURLVERSION_NOW)->version, *origin ? "; origin/" : "", origin);
}

nb_status dl_net_open(dl_net **out, const dl_options *opt, nb_err *err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return nb_fail(err, NB_NETWORK, "libcurl cannot start");
    dl_net *net = nb_alloc(1, sizeof *net, "network", err);
    if (!net) {
        curl_global_cleanup();
        return NB_NOMEM;
    }
    net->env = opt->env;
    net->offline = opt->offline || opt->env.offline;
    net->connections = opt->connections > 0 ? opt->connections : DL_CONNECTIONS;
    net->patience = opt->patience > 0 ? opt->patience : DL_PATIENCE;
    net->fresh_tail = &net->fresh;
    atomic_init(&net->limit, opt->limit);
    net->filled = dl_clock();
    write_agent(net);
    init_locks(net);
    net->multi = curl_multi_init();
    if (!net->multi) {
        destroy(net);
        return nb_fail(err, NB_NOMEM, "network: no memory for libcurl");
    }
    curl_multi_setopt(net->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    int rc = nb_thread_start(&net->thread, net_main, net);
    if (rc != 0) {
        destroy(net);
        return nb_fail(err, NB_NOMEM, "network: cannot start a thread (error %d)", rc);
    }
    *out = net;
    return NB_OK;
}

void dl_net_close(dl_net **net)
{
    dl_net *n = *net;
    if (!n)
        return;
    pthread_mutex_lock(&n->lock);
    n->closing = true;
    pthread_cond_broadcast(&n->changed);
    pthread_mutex_unlock(&n->lock);
    dl_net_wake(n);
    pthread_join(n->thread, NULL);
    pthread_mutex_lock(&n->lock);
    while (n->callers)
        pthread_cond_wait(&n->changed, &n->lock);
    pthread_mutex_unlock(&n->lock);
    destroy(n);
    *net = NULL;
}

const nb_hub_env *dl_net_env(const dl_net *net)
{
    return &net->env;
}

bool dl_net_offline(const dl_net *net)
{
    return net->offline;
}

int dl_net_connections(const dl_net *net)
{
    return net->connections;
}
