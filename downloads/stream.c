#include "downloads/net.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    SLOW_RATE = 1024,       /* bytes/s below which a window counts as slow (hub 15) */
    SLOW_WINDOWS = 3,       /* of them in a row are a stall */
    BUFFER_MIN = 1024,      /* bytes libcurl reads at once, at least */
    BUFFER_MAX = 128 * 1024 /* and at most */
};

/* --- life --- */

static void copy_cut(char *out, size_t cap, const char *s)
{
    size_t n = strlen(s);
    n = n < cap ? n : nb_utf8_whole(s, cap - 1);
    memcpy(out, s, n);
    out[n] = '\0';
}

/* Absolute and clean into out, from an address or a path below the endpoint. */
static bool resolve_url(char out[DL_URL_MAX], const nb_hub_env *env, const char *url)
{
    char whole[DL_URL_MAX];
    const char *prefix = *url == '/' ? env->endpoint : "";
    int n = snprintf(whole, sizeof whole, "%s%s", prefix, url);
    return n > 0 && n < DL_URL_MAX && dl_url_join(out, "", whole);
}

static void stream_free(dl_stream *s)
{
    if (s->easy)
        curl_easy_cleanup(s->easy);
    dl_reply_free(&s->reply);
    free(s->form);
    free(s);
}

nb_status dl_stream_open(dl_stream **out, dl_net *net, const dl_request *rq, const dl_sink *sink,
                         bool call, nb_err *err)
{
    char shown[256];
    dl_url_safe(shown, rq->subject ? rq->subject : rq->url);
    if (net->offline)
        return nb_fail(err, NB_NETWORK, "%s: offline: no request is made", shown);
    dl_stream *s = nb_alloc(1, sizeof *s, "request", err);
    if (!s)
        return NB_NOMEM;
    s->net = net;
    s->rq = *rq;
    s->rq.url = s->rq.form = s->rq.json = s->rq.subject = NULL; /* the caller's; copied below */
    s->json = rq->json != NULL;
    s->sink = *sink;
    s->call = call;
    s->reply.retry_after = -1;
    copy_cut(s->subject, sizeof s->subject, shown);
    if (!resolve_url(s->url, &net->env, rq->url)) {
        stream_free(s);
        return nb_fail(err, NB_NETWORK, "%s: no address that can be asked", shown);
    }
    s->easy = curl_easy_init();
    const char *form = rq->json ? rq->json : rq->form;
    s->form = form ? nb_strdup(form, NULL) : NULL;
    if (!s->easy || (form && !s->form)) {
        stream_free(s);
        return nb_fail(err, NB_NOMEM, "%s: no memory for a request", shown);
    }
    pthread_mutex_lock(&net->lock);
    bool closing = net->closing;
    if (!closing) {
        *out = s; /* before the net thread can end it */
        *net->fresh_tail = s;
        net->fresh_tail = &s->next;
    }
    pthread_mutex_unlock(&net->lock);
    if (closing) {
        stream_free(s);
        return nb_fail(err, NB_CANCELED, "the network is closing");
    }
    dl_net_wake(net);
    return NB_OK;
}

nb_status dl_stream_start(dl_stream **out, dl_net *net, const dl_request *rq, const dl_sink *sink,
                          nb_err *err)
{
    return dl_stream_open(out, net, rq, sink, false, err);
}

void dl_stream_stop(dl_net *net, dl_stream *s)
{
    atomic_store(&s->stop, true);
    dl_net_wake(net);
}

/* Out of the multi handle; the connection stays for others when the reply was read to its end. */
static void leave(dl_stream *s)
{
    if (s->running) {
        curl_multi_remove_handle(s->net->multi, s->easy);
        pthread_mutex_lock(&s->net->lock);
        s->net->active--;
        pthread_mutex_unlock(&s->net->lock);
    }
    s->running = s->paused = false;
    for (struct curl_slist *h = s->headers; h; h = h->next)
        explicit_bzero(h->data, strlen(h->data));
    curl_slist_free_all(s->headers);
    s->headers = NULL;
}

void dl_stream_end(dl_stream *s, nb_status status)
{
    leave(s);
    if (status == NB_OK)
        status = s->status;
    if (status == NB_CANCELED) {
        s->reply.trouble = DL_OK;
        nb_fail(&s->err, status, "%s: cancelled", s->subject);
    }
    dl_net_hide_token(s->net, s->err.msg, strlen(s->err.msg));
    s->sink.done(s->sink.ud, &s->reply, status, &s->err);
    stream_free(s);
}

/* --- one hop --- */

static void reply_reset(dl_stream *s)
{
    nb_str body = s->reply.body;
    s->reply = (dl_reply){.retry_after = -1, .body = body};
    nb_str_clear(&s->reply.body);
    memcpy(s->reply.url, s->url, sizeof s->url);
}

static bool add_header(dl_stream *s, const char *line)
{
    struct curl_slist *longer = curl_slist_append(s->headers, line);
    if (!longer)
        return false;
    s->headers = longer;
    return true;
}

/* The token, where it may go, and never again once a server outside had a say. */
static bool add_token(dl_stream *s)
{
    char line[NB_TOKEN_MAX + 32] = "Authorization: Bearer ";
    char host[256], warning[300];
    s->strayed = s->strayed || !dl_token_may_go(&s->net->env, s->url);
    s->sent_token = !s->strayed && dl_net_copy_token(s->net, line + strlen(line));
    if (!s->sent_token)
        return true;
    if (!dl_url_is_tls(s->url) && !dl_url_is_local(s->url)) {
        int n = snprintf(warning, sizeof warning, "token; it travels unencrypted to %s",
                         dl_url_host(host, s->url));
        dl_net_warn(s->net, warning, (size_t)n);
    }
    bool added = add_header(s, line);
    explicit_bzero(line, sizeof line);
    return added;
}

static size_t on_head(char *line, size_t one, size_t n, void *ud);
static size_t on_body(char *bytes, size_t one, size_t n, void *ud);

/* The traps of hub.md 1.4: what never changes, numbers, then what points somewhere. Each fails only
 * without memory. */
typedef struct number_row {
    CURLoption option;
    long value;
} number_row;
typedef struct pointer_row {
    CURLoption option;
    const void *value;
} pointer_row;
static const number_row fixed[] = {
    {CURLOPT_FOLLOWLOCATION, 0},
    {CURLOPT_UNRESTRICTED_AUTH, 0},
    {CURLOPT_NETRC, CURL_NETRC_IGNORED},
    {CURLOPT_PATH_AS_IS, 1},
    {CURLOPT_NOSIGNAL, 1},
    {CURLOPT_QUICK_EXIT, 1}, /* a name server that does not answer holds up no end */
    {CURLOPT_HTTP_CONTENT_DECODING, 0},
    {CURLOPT_TCP_KEEPALIVE, 1},
    {CURLOPT_SSL_VERIFYPEER, 1},
    {CURLOPT_SSL_VERIFYHOST, 2},
    {CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
    {CURLOPT_SUPPRESS_CONNECT_HEADERS, 1},
};

static bool set_numbers(CURL *easy, const number_row *rows, size_t n)
{
    bool good = true;
    for (size_t i = 0; i < n; i++)
        good = good && curl_easy_setopt(easy, rows[i].option, rows[i].value) == CURLE_OK;
    return good;
}

static bool set_pointers(CURL *easy, const pointer_row *rows, size_t n)
{
    bool good = true;
    for (size_t i = 0; i < n; i++)
        good = good && curl_easy_setopt(easy, rows[i].option, rows[i].value) == CURLE_OK;
    return good;
}

/* As in Python the user's authorities stand instead of the system's, not beside them. */
static bool set_authorities(dl_stream *s)
{
    const nb_hub_env *env = &s->net->env;
    const char *file = *env->ca_file ? env->ca_file : NULL;
    const char *dir = *env->ca_dir ? env->ca_dir : NULL;
    const pointer_row rows[] = {
        {CURLOPT_CAINFO, file},
        {CURLOPT_CAPATH, dir},
        {CURLOPT_PROXY_CAINFO, file},
        {CURLOPT_PROXY_CAPATH, dir},
    };
    return (!file && !dir) || set_pointers(s->easy, rows, countof(rows));
}

static bool set_method(dl_stream *s)
{
    const number_row head = {CURLOPT_NOBODY, 1};
    const pointer_row post = {CURLOPT_COPYPOSTFIELDS, s->form ? s->form : ""};
    char range[48];
    const pointer_row ranged = {CURLOPT_RANGE, range};
    snprintf(range, sizeof range, "%" PRIu64 "-%" PRIu64, s->rq.first, s->rq.last);
    return (s->rq.method != DL_HEAD || set_numbers(s->easy, &head, 1)) &&
           (s->rq.method != DL_POST || set_pointers(s->easy, &post, 1)) &&
           (!s->rq.ranged || set_pointers(s->easy, &ranged, 1));
}

/* Calls may use HTTP/2; a transfer's streams want connections, and a pace, of their own. Under a
 * limit libcurl reads less at once, so that few bytes lie between two looks at it. */
static bool set_options(dl_stream *s)
{
    const nb_hub_env *env = &s->net->env;
    const char *proxy = dl_url_proxy(env, s->url);
    uint64_t limit = atomic_load(&s->net->limit);
    long buffer = limit && limit / 40 < BUFFER_MAX ? (long)(limit / 40) : BUFFER_MAX;
    const number_row numbers[] = {
        {CURLOPT_HTTP_VERSION, s->call ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1},
        {CURLOPT_CONNECTTIMEOUT_MS,
         1000L * (s->rq.remote && s->rq.timeout > DL_REMOTE_CONNECT ? DL_REMOTE_CONNECT
                                                                    : s->rq.timeout)},
        {CURLOPT_BUFFERSIZE, buffer < BUFFER_MIN ? BUFFER_MIN : buffer},
    };
    const pointer_row pointers[] = {
        {CURLOPT_URL, s->url},
        {CURLOPT_PROTOCOLS_STR, dl_url_is_tls(env->endpoint) ? "https" : "http,https"},
        {CURLOPT_HTTPHEADER, s->headers},
        {CURLOPT_USERAGENT, s->net->agent},
        {CURLOPT_PROXY, proxy ? proxy : ""}, /* "" = not the environment's either */
        {CURLOPT_NOPROXY, ""},
        {CURLOPT_ERRORBUFFER, s->why},
        {CURLOPT_PRIVATE, s},
        {CURLOPT_HEADERDATA, s},
        {CURLOPT_WRITEDATA, s},
    };
    curl_easy_reset(s->easy);
    return set_numbers(s->easy, fixed, countof(fixed)) &&
           set_numbers(s->easy, numbers, countof(numbers)) &&
           set_pointers(s->easy, pointers, countof(pointers)) && set_authorities(s) &&
           curl_easy_setopt(s->easy, CURLOPT_HEADERFUNCTION, on_head) == CURLE_OK &&
           curl_easy_setopt(s->easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK && set_method(s);
}

void dl_stream_send(dl_stream *s, double now)
{
    s->head_bytes = 0;
    s->got = s->got_window = 0;
    s->slow = 0;
    s->interim = s->cut = false;
    s->plan = DL_NO_HEAD;
    s->heard = s->window = now;
    s->why[0] = '\0';
    if (s->rq.timeout <= 0)
        s->rq.timeout = s->net->env.etag_timeout;
    reply_reset(s);
    if (!add_header(s, "Accept-Encoding: identity") || !add_header(s, "Expect:") ||
        (s->json && !add_header(s, "Content-Type: application/json")) || !add_token(s) ||
        !set_options(s) || curl_multi_add_handle(s->net->multi, s->easy) != CURLM_OK) {
        s->status = nb_fail(&s->err, NB_NOMEM, "%s: no memory for a request", s->subject);
        return;
    }
    s->running = true;
    pthread_mutex_lock(&s->net->lock);
    s->net->requests++;
    s->net->active++;
    pthread_mutex_unlock(&s->net->lock);
}

/* --- head --- */

/* A redirect that this request follows by itself; the others are its answer. */
static bool follows(const dl_stream *s)
{
    const dl_reply *r = &s->reply;
    bool redirect = r->status == 301 || r->status == 302 || r->status == 303 || r->status == 307 ||
                    r->status == 308;
    return redirect && *r->location &&
           (s->rq.follow == DL_FOLLOW_ALL || dl_token_may_go(&s->net->env, r->location));
}

/* The head is complete: decides what becomes of the body. False ends the stream. */
static bool head_done(dl_stream *s)
{
    const dl_reply *r = &s->reply;
    if (follows(s)) {
        s->plan = DL_HOP;
        return true;
    }
    if (r->status >= 400) {
        s->plan = DL_KEEP;
        return true;
    }
    s->plan = r->status >= 300 || (s->call && s->rq.body_max == 0) ? DL_DROP : DL_GIVE;
    if (s->plan == DL_GIVE && r->encoded && s->rq.method != DL_HEAD) {
        dl_judge_own(s, DL_BAD_REPLY, "a compressed answer to a request for the plain one");
        return false;
    }
    if (s->plan == DL_GIVE && s->rq.body_max && r->has_length && r->length > s->rq.body_max) {
        dl_judge_own(s, DL_TOO_BIG, "an answer of %" PRIu64 " bytes, at most %" PRIu64 " expected",
                     r->length, s->rq.body_max);
        return false;
    }
    if (!s->sink.head(s->sink.ud, r)) {
        s->status = NB_CANCELED;
        return false;
    }
    return true;
}

/* "HTTP/1.1 200 OK": a new head, of a 1xx or of the answer. */
static void status_line(dl_stream *s, const char *line, size_t n)
{
    const char *blank = memchr(line, ' ', n);
    int status = 0;
    for (const char *p = blank ? blank + 1 : line; blank && p < line + n && p < blank + 4; p++)
        status = *p >= '0' && *p <= '9' ? status * 10 + (*p - '0') : status;
    reply_reset(s);
    s->reply.status = status;
    s->interim = status < 200;
}

static size_t on_head(char *line, size_t one, size_t n, void *ud)
{
    dl_stream *s = ud;
    size_t full = n * one, len = full, n_warning;
    s->heard = dl_clock();
    s->head_bytes += full;
    if (s->head_bytes > DL_HEADER_MAX) {
        dl_judge_own(s, DL_TOO_BIG, "headers beyond %d bytes", DL_HEADER_MAX);
        return 0;
    }
    while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
        len--;
    if (s->plan != DL_NO_HEAD)
        return full; /* trailers say nothing we ask for */
    if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        status_line(s, line, len);
    } else if (len == 0) {
        return s->interim || head_done(s) ? full : 0;
    } else {
        const char *warning = dl_header_value(line, len, "x-hf-warning", &n_warning);
        dl_header_take(&s->reply, &s->net->env, line, len, (double)time(NULL));
        if (warning)
            dl_net_warn(s->net, warning, n_warning);
    }
    return full;
}

/* --- body --- */

/* What is not wanted is read as long as it is short, so that the connection can be used again. */
static size_t drop(dl_stream *s, size_t n)
{
    s->cut = s->got > DL_DROP_MAX;
    return s->cut ? 0 : n;
}

static size_t keep(dl_stream *s, const char *bytes, size_t n)
{
    nb_str *body = &s->reply.body;
    size_t room = DL_ERROR_BODY - body->len;
    nb_str_addn(body, bytes, n < room ? n : room);
    s->cut = n > room;
    return s->cut ? 0 : n;
}

static size_t give(dl_stream *s, const char *bytes, size_t n)
{
    if (s->rq.body_max && s->got > s->rq.body_max) {
        dl_judge_own(s, DL_TOO_BIG, "more than the %" PRIu64 " bytes expected", s->rq.body_max);
        return 0;
    }
    if (s->sink.body(s->sink.ud, bytes, n))
        return n;
    s->status = NB_CANCELED;
    return 0;
}

static size_t on_body(char *bytes, size_t one, size_t n, void *ud)
{
    dl_stream *s = ud;
    double now = dl_clock();
    n *= one;
    s->heard = now;
    if (s->plan == DL_GIVE && !s->call && !dl_net_may_take(s->net, now)) {
        s->paused = true;
        s->paused_at = now;
        return CURL_WRITEFUNC_PAUSE;
    }
    s->got += n;
    s->got_window += n;
    dl_net_count(s->net, n);
    if (s->plan == DL_GIVE)
        return give(s, bytes, n);
    return s->plan == DL_KEEP ? keep(s, bytes, n) : drop(s, n);
}

void dl_stream_resume(dl_stream *s, double now)
{
    s->paused = false;
    s->heard = s->window = now;
    s->got_window = 0;
    curl_easy_pause(s->easy, CURLPAUSE_CONT); /* may call on_body at once */
}

/* --- time --- */

bool dl_stream_stalled(dl_stream *s, double now, double *wake)
{
    double window = s->rq.timeout;
    if (!s->running || s->paused)
        return false;
    if (now >= s->heard + window) {
        dl_judge_curl(s, CURLE_OPERATION_TIMEDOUT);
        return true;
    }
    if (s->plan == DL_NO_HEAD) {
        s->window = now;
    } else if (now >= s->window + window) {
        s->slow = (double)s->got_window < SLOW_RATE * (now - s->window) ? s->slow + 1 : 0;
        s->window = now;
        s->got_window = 0;
    }
    if (s->slow >= SLOW_WINDOWS && !s->rq.remote) {
        dl_judge_own(s, DL_STALLED, "below 1 KiB/s for %.0f s", SLOW_WINDOWS * window);
        return true;
    }
    *wake = fmin(*wake, fmin(s->heard, s->window) + window);
    return false;
}

/* --- the answer --- */

/* Next hop, or a verdict. */
static void take_hop(dl_stream *s)
{
    const dl_reply *r = &s->reply;
    char shown[256];
    if (dl_url_is_tls(s->url) && !dl_url_is_tls(r->location)) {
        dl_judge_own(s, DL_BAD_REPLY, "a redirect from https to http refused: %s",
                     dl_url_safe(shown, r->location));
    } else if (strcmp(s->url, r->location) == 0 && s->rq.method != DL_POST) {
        dl_judge_own(s, DL_REDIRECTS, "redirected to itself: %s", dl_url_safe(shown, s->url));
    } else if (++s->hops > DL_REDIRECT_MAX) {
        dl_judge_own(s, DL_REDIRECTS, "more than %d redirects, the last to %s", DL_REDIRECT_MAX,
                     dl_url_safe(shown, r->location));
    } else {
        memcpy(s->url, r->location, sizeof s->url);
        if (s->rq.method == DL_POST && r->status < 307) /* as every browser does */
            s->rq.method = DL_GET;
    }
}

bool dl_stream_answered(dl_stream *s, CURLcode code)
{
    leave(s);
    if (s->status != NB_OK)
        return true;
    /* An error or a redirect is known by its head, whatever became of its body. */
    bool known = s->plan == DL_HOP || s->plan == DL_KEEP || (s->plan == DL_DROP && s->cut);
    if (code != CURLE_OK && !known) {
        dl_judge_curl(s, code);
        return true;
    }
    if (s->plan == DL_HOP) {
        take_hop(s);
        return s->status != NB_OK;
    }
    dl_judge_reply(s);
    dl_net_heed(s->net, &s->reply);
    return true;
}
