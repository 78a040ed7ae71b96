/* From a request to its reply: a fault that answers itself or the page asked for, then what every
 * reply of the Hub carries, then the range, then the faults of the head. */
#include <ctype.h>
#include <string.h>
#include <time.h>

#include "tests/hub/hub.h"
#include "tests/hub/mem.h"

/* --- faults that answer ---------------------------------------------------------------------- */
/* {hub} and {cdn} become the origins. */
static char *expand(const fake_hub *hub, const char *text)
{
    static const char *const word[] = {"{hub}", "{cdn}"};
    nb_str out = {0};
    while (*text) {
        size_t k = 0;
        while (k < countof(word) && strncmp(text, word[k], 5) != 0)
            k++;
        if (k < countof(word))
            nb_str_add(&out, hub->listener[k].origin);
        else
            nb_str_addn(&out, text, 1);
        text += k < countof(word) ? 5 : 1;
    }
    char *copy = hub_strdup(nb_str_c(&out));
    nb_str_free(&out);
    return copy;
}

static void fault_body(exchange *x, int status)
{
    const fault *f = &x->fault;
    const char *text = f->text[FAULT_BODY];
    nb_str_clear(&x->text);
    nb_str_addn(&x->text, text, f->text_n[FAULT_BODY]);
    bool json = *text == '{' || *text == '[';
    answer_text(x, status, json ? "application/json; charset=utf-8" : "text/plain; charset=utf-8");
}

bool reply_fault(exchange *x)
{
    const fault *f = &x->fault;
    bool moved = f->has[FAULT_REDIRECT] || f->has[FAULT_LOOP];
    int status = f->has[FAULT_STATUS] ? (int)f->num[FAULT_STATUS] : moved ? 302 : 200;
    if (moved) {
        char *to = f->has[FAULT_LOOP] ? hub_strdup(x->req->target)
                                      : expand(x->hub, f->text[FAULT_REDIRECT]);
        answer_redirect(x, status, to);
        free(to);
    }
    if (f->has[FAULT_BODY])
        fault_body(x, status);
    else if (!moved && f->has[FAULT_STATUS] && x->port == FAKE_CDN)
        resolve_cdn_error(x, status, http_reason(status));
    else if (!moved && f->has[FAULT_STATUS])
        answer_error(x, status, NULL, "%s", http_reason(status));
    return moved || f->has[FAULT_BODY] || f->has[FAULT_STATUS];
}

/* --- rate limits ----------------------------------------------------------------------------- */
static hub_bucket bucket_of(const exchange *x)
{
    const char *path = x->req->path;
    if (strstr(path, "/api/whoami-v2"))
        return BUCKET_WHOAMI;
    if (strstr(path, "/resolve/") || strstr(path, "/api/resolve-cache/"))
        return BUCKET_RESOLVERS;
    return strstr(path, "/api/") ? BUCKET_API : BUCKET_PAGES;
}

/* Counts the request in its bucket and tells what is left; false = refused with 429. */
static bool count_rate(exchange *x)
{
    static const char *const name[BUCKETS] = {"api", "resolvers", "pages", "api"};
    fake_hub *hub = x->hub;
    const fake_hub_options *o = &hub->opt;
    const unsigned limit[BUCKETS] = {o->api_limit, o->resolver_limit, 0, o->whoami_limit};
    const unsigned told[BUCKETS] = {500, 3000, 100, 500};
    hub_bucket b = bucket_of(x);
    double window = o->window ? o->window : 300;
    pthread_mutex_lock(&hub->lock);
    double now = hub_now(hub), since = hub->bucket[b].since;
    if (hub->bucket[b].used == 0 || now - since >= window) {
        hub->bucket[b].used = 0;
        hub->bucket[b].since = since = now;
    }
    unsigned used = ++hub->bucket[b].used, q = limit[b] ? limit[b] : told[b];
    pthread_mutex_unlock(&hub->lock);
    bool pass = !limit[b] || used <= limit[b];
    bool forced = x->fault.has[FAULT_STATUS] && x->fault.num[FAULT_STATUS] == 429;
    unsigned left = forced ? 0 : used < q ? q - used : limit[b] ? 0 : 1;
    unsigned reset = (unsigned)(since + window - now);
    reply_setf(&x->reply, "RateLimit", "\"%s\";r=%u;t=%u", name[b], left,
               forced && !limit[b] ? 55 : reset);
    reply_setf(&x->reply, "RateLimit-Policy", "\"fixed window\";\"%s\";q=%u;w=%.0f", name[b], q,
               window);
    return pass;
}

/* --- every reply ----------------------------------------------------------------------------- */
static void common_fields(exchange *x)
{
    char date[64];
    time_t t = time(NULL);
    struct tm tm;
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&t, &tm));
    reply_set(&x->reply, "Date", date);
    if (x->port != FAKE_HUB)
        return;
    uint64_t id[2];
    fake_noise(x->number, 0, id, sizeof id);
    reply_setf(&x->reply, "X-Request-Id", "Root=1-%08llx-%016llx%08llx", (unsigned long long)t,
               (unsigned long long)id[0], (unsigned long long)(id[1] >> 32));
    reply_set(&x->reply, "X-Powered-By", "fake-hub");
    reply_set(&x->reply, "Vary", "Origin, Accept");
}

/* --- which bytes ----------------------------------------------------------------------------- */
static void shift(exchange *x, int64_t by)
{
    uint64_t last = x->from + x->n - 1, back = (uint64_t)-by;
    if (by < 0)
        x->from = back < x->from ? x->from - back : 0;
    else
        x->from = (uint64_t)by < x->total - x->from ? x->from + (uint64_t)by : x->total - 1;
    last = last > x->from ? last : x->from;
    x->n = last - x->from + 1;
}

static void refuse_range(exchange *x)
{
    uint64_t total = x->total;
    nb_str_add(&x->text, "The requested range cannot be satisfied.\n");
    answer_text(x, 416, "text/plain; charset=utf-8");
    reply_setf(&x->reply, "Content-Range", "bytes */%llu", (unsigned long long)total);
    x->from = 0;
    x->n = x->total = x->text.len;
}

/* CloudFront forgets the range of a client that takes gzip (hub.md 1.4, huggingface_hub#3778). */
static bool compresses(const exchange *x)
{
    const char *accept = http_get(x->req, "Accept-Encoding");
    return x->port == FAKE_CDN && accept && strstr(accept, "gzip");
}

static void choose_bytes(exchange *x)
{
    const fault *f = &x->fault;
    const char *same = http_get(x->req, "If-Range"), *etag = reply_get(&x->reply, "ETag");
    bool bounded, part = x->file && x->reply.status == 200 && strcmp(x->req->method, "GET") == 0;
    x->from = 0;
    x->n = x->total = x->file ? x->file->size : x->text.len;
    if (f->has[FAULT_IGNORE_RANGE] || f->has[FAULT_GZIP] || compresses(x))
        part = false;
    if (same && (!etag || strcmp(same, etag) != 0))
        part = false;
    int r = part ? http_range(http_get(x->req, "Range"), x->total, &x->from, &x->n, &bounded) : 0;
    if (r < 0) {
        refuse_range(x);
        return;
    }
    if (r > 0)
        x->reply.status = 206;
    if (r > 0 && f->has[FAULT_SHIFT_RANGE])
        shift(x, f->num[FAULT_SHIFT_RANGE]);
    if (f->has[FAULT_SHORT])
        x->n -= (uint64_t)f->num[FAULT_SHORT] < x->n ? (uint64_t)f->num[FAULT_SHORT] : x->n;
}

/* --- lengths and faults of the head ---------------------------------------------------------- */
static void lengths(exchange *x)
{
    const fault *f = &x->fault;
    uint64_t told = f->has[FAULT_BAD_LEN] ? (uint64_t)f->num[FAULT_BAD_LEN] : x->total;
    uint64_t n = x->n + (f->has[FAULT_EXTRA] ? (uint64_t)f->num[FAULT_EXTRA] : 0);
    if (x->reply.status == 206 && !f->has[FAULT_NO_CONTENT_RANGE])
        reply_setf(&x->reply, "Content-Range", "bytes %llu-%llu/%llu", (unsigned long long)x->from,
                   (unsigned long long)(x->from + x->n - 1), (unsigned long long)told);
    if (f->has[FAULT_BAD_LEN] && reply_get(&x->reply, "X-Linked-Size"))
        reply_setf(&x->reply, "X-Linked-Size", "%llu", (unsigned long long)told);
    if (f->has[FAULT_BAD_LEN] && x->file && x->reply.status == 200)
        n = told;
    if (f->has[FAULT_GZIP]) {
        reply_set(&x->reply, "Content-Encoding", "gzip");
        n = send_gzip_length(x->n);
    }
    if (f->has[FAULT_CHUNKED] || f->has[FAULT_ENDLESS_BODY])
        reply_set(&x->reply, "Transfer-Encoding", "chunked");
    else if (!f->has[FAULT_NO_LENGTH])
        reply_setf(&x->reply, "Content-Length", "%llu", (unsigned long long)n);
    x->close = x->close || f->has[FAULT_NO_LENGTH] || f->has[FAULT_BAD_LEN];
}

static void wrong_etag(exchange *x, const char *name)
{
    const char *given = x->fault.text[FAULT_BAD_ETAG], *etag = reply_get(&x->reply, name);
    if (!etag)
        return;
    if (given) {
        reply_setf(&x->reply, name, "\"%s\"", given);
        return;
    }
    char *wrong = hub_strdup(etag), *digit = wrong;
    while (*digit && !isxdigit((unsigned char)*digit))
        digit++;
    if (*digit)
        *digit = *digit == '0' ? '1' : '0';
    reply_set(&x->reply, name, wrong);
    free(wrong);
}

static void fault_fields(exchange *x)
{
    char *lines = x->fault.has[FAULT_HEADER] ? expand(x->hub, x->fault.text[FAULT_HEADER]) : NULL;
    char *save = NULL;
    for (char *line = lines ? strtok_r(lines, "\n", &save) : NULL; line;
         line = strtok_r(NULL, "\n", &save)) {
        char *colon = strchr(line, ':');
        if (!colon)
            continue;
        *colon = '\0';
        const char *value = colon + 1 + strspn(colon + 1, " ");
        reply_set(&x->reply, line, *value ? value : NULL);
    }
    free(lines);
}

void reply_finish(exchange *x)
{
    common_fields(x);
    choose_bytes(x);
    lengths(x);
    if (x->fault.has[FAULT_BAD_ETAG]) {
        wrong_etag(x, "ETag");
        wrong_etag(x, "X-Linked-Etag");
    }
    fault_fields(x);
    if (x->close)
        reply_set(&x->reply, "Connection", "close");
    else if (x->req->minor == 0)
        reply_set(&x->reply, "Connection", "keep-alive");
}

void reply_make(exchange *x)
{
    pthread_rwlock_rdlock(&x->hub->repos_lock);
    bool pass = x->port != FAKE_HUB || count_rate(x);
    if (reply_fault(x))
        ;
    else if (!pass)
        answer_error(x, 429, NULL,
                     "We had to rate limit your IP (127.0.0.1). To continue using our service, "
                     "create a HF account or login to your existing account.");
    else if (x->port == FAKE_CDN)
        resolve_cdn(x);
    else
        route_page(x);
    pthread_rwlock_unlock(&x->hub->repos_lock);
    reply_finish(x);
}
