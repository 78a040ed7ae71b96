#include "downloads/http.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

/* A value is a slice of its line: never NUL-terminated, any byte may be in it. */
typedef struct slice {
    const char *at, *end;
} slice;

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static char small(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static slice trimmed(slice s)
{
    while (s.at < s.end && is_blank(*s.at))
        s.at++;
    while (s.end > s.at && is_blank(s.end[-1]))
        s.end--;
    return s;
}

static bool same(slice s, const char *small_word)
{
    size_t n = strlen(small_word);
    if ((size_t)(s.end - s.at) != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (small(s.at[i]) != small_word[i])
            return false;
    return true;
}

/* Cuts off what stands before the first `stop` outside quotes; *rest goes on behind it. */
static slice until(slice *rest, char stop)
{
    slice head = *rest;
    bool quoted = false;
    const char *p = rest->at;
    for (; p < rest->end && (quoted || *p != stop); p++) {
        if (quoted && *p == '\\' && p + 1 < rest->end)
            p++;
        else if (*p == '"')
            quoted = !quoted;
    }
    head.end = p;
    rest->at = p < rest->end ? p + 1 : p;
    return trimmed(head);
}

static bool number(slice s, uint64_t *out)
{
    uint64_t v = 0;
    if (s.at == s.end)
        return false;
    for (; s.at < s.end; s.at++)
        if (*s.at < '0' || *s.at > '9' || !nb_mul(v, 10, &v) || !nb_add(v, *s.at - '0', &v))
            return false;
    *out = v;
    return true;
}

/* Into out[cap], cut between characters. A NUL in the value ends it. */
static void text(char *out, size_t cap, slice s)
{
    size_t n = (size_t)(s.end - s.at);
    const char *nul = memchr(s.at, '\0', n);
    if (nul)
        n = (size_t)(nul - s.at);
    if (n >= cap)
        n = nb_utf8_whole(s.at, cap - 1);
    memcpy(out, s.at, n);
    out[n] = '\0';
}

const char *dl_header_value(const char *line, size_t n, const char *name, size_t *n_value)
{
    const char *colon = memchr(line, ':', n);
    if (!colon || !same((slice){line, colon}, name))
        return NULL;
    slice value = trimmed((slice){colon + 1, line + n});
    *n_value = (size_t)(value.end - value.at);
    return value.at;
}

/* --- one function a header --- */

typedef struct context {
    dl_reply *reply;
    const nb_hub_env *env; /* borrowed */
    double now;            /* Unix seconds */
} context;

static void take_commit(const context *c, slice v)
{
    char *commit = c->reply->commit;
    bool good = v.end - v.at == 40;
    for (const char *p = v.at; good && p < v.end; p++)
        good = (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'f');
    text(commit, sizeof c->reply->commit, good ? v : (slice){v.at, v.at});
}

/* W/"x", "x" or x. False when it does not fit or holds what no content id does. */
static bool unquote_etag(slice v, char out[129])
{
    if (v.end - v.at > 2 && small(v.at[0]) == 'w' && v.at[1] == '/')
        v.at += 2;
    if (v.end - v.at >= 2 && *v.at == '"' && v.end[-1] == '"') {
        v.at++;
        v.end--;
    }
    size_t n = (size_t)(v.end - v.at);
    if (n == 0 || n > 128)
        return false;
    for (size_t i = 0; i < n; i++)
        if (v.at[i] <= ' ' || v.at[i] > '~' || v.at[i] == '"')
            return false;
    text(out, 129, v);
    return true;
}

static void take_etag(const context *c, slice v)
{
    char etag[129];
    if (!c->reply->linked_etag && unquote_etag(v, etag))
        memcpy(c->reply->etag, etag, sizeof etag);
}

static void take_linked_etag(const context *c, slice v)
{
    if (unquote_etag(v, c->reply->etag))
        c->reply->linked_etag = true;
}

/* Content-Length is the file's size only in a whole and plain answer, and the linked size always
 * goes before it, in whatever order the lines come. */
static void settle_size(dl_reply *r)
{
    if (r->linked_size)
        return;
    r->has_size = r->has_length && !r->encoded && r->status / 100 == 2 && r->status != 206;
    r->size = r->has_size ? r->length : 0;
}

static void take_linked_size(const context *c, slice v)
{
    uint64_t size;
    if (number(v, &size) && size < (uint64_t)1 << 53) {
        c->reply->size = size;
        c->reply->has_size = c->reply->linked_size = true;
    }
}

static void take_length(const context *c, slice v)
{
    c->reply->has_length = number(v, &c->reply->length);
    settle_size(c->reply);
}

static void take_encoding(const context *c, slice v)
{
    c->reply->encoded = v.at < v.end && !same(v, "identity");
    settle_size(c->reply);
}

/* "bytes 0-99/1234", "bytes 0-99/" + "*", and of a 416 "bytes " + "*" + "/1234" (RFC 9110 14.4). */
static void take_range(const context *c, slice v)
{
    dl_reply *r = c->reply;
    uint64_t first, last, total;
    slice unit = until(&v, ' '), range = until(&v, '/'), low = until(&range, '-');
    r->has_range = r->has_total = false;
    if (!same(unit, "bytes"))
        return;
    bool known = number(trimmed(v), &total);
    bool within = number(low, &first) && number(range, &last) && first <= last;
    if (within && known && last >= total)
        return;
    if (within) {
        r->has_range = true;
        r->first = first;
        r->last = last;
    }
    if (known && (within || same(low, "*"))) {
        r->has_total = true;
        r->total = total;
    }
}

static void take_type(const context *c, slice v)
{
    text(c->reply->type, sizeof c->reply->type, until(&v, ';'));
    for (char *p = c->reply->type; *p; p++)
        *p = small(*p);
}

static void take_error_code(const context *c, slice v)
{
    text(c->reply->error_code, sizeof c->reply->error_code, v);
}

static void take_error_message(const context *c, slice v)
{
    text(c->reply->error_message, sizeof c->reply->error_message, v);
}

static void take_request_id(const context *c, slice v)
{
    text(c->reply->request_id, sizeof c->reply->request_id, v);
}

static void take_location(const context *c, slice v)
{
    char ref[DL_URL_MAX];
    if (v.at < v.end && (size_t)(v.end - v.at) < sizeof ref) {
        text(ref, sizeof ref, v);
        dl_url_join(c->reply->location, c->reply->url, ref);
    }
}

static bool is_next(slice parameters)
{
    while (parameters.at < parameters.end) {
        slice one = until(&parameters, ';'), name = until(&one, '=');
        slice value = trimmed(one);
        if (value.end - value.at >= 2 && *value.at == '"' && value.end[-1] == '"')
            value = (slice){value.at + 1, value.end - 1};
        if (same(name, "rel") && same(value, "next"))
            return true;
    }
    return false;
}

/* <url>; rel="next", <url>; rel="x" (RFC 8288). Commas and semicolons may stand in a url. */
static void take_link(const context *c, slice v)
{
    while (v.at < v.end) {
        const char *open = memchr(v.at, '<', (size_t)(v.end - v.at));
        const char *close = open ? memchr(open, '>', (size_t)(v.end - open)) : NULL;
        if (!close)
            return;
        slice url = {open + 1, close};
        v.at = close + 1;
        char ref[DL_URL_MAX];
        bool fits = (size_t)(url.end - url.at) < sizeof ref;
        if (!is_next(until(&v, ',')) || !fits)
            continue;
        text(ref, sizeof ref, url);
        dl_url_at_endpoint(c->reply->next, c->env, c->reply->url, ref);
        return;
    }
}

static void wait_at_least(dl_reply *r, double seconds)
{
    if (seconds > r->retry_after)
        r->retry_after = seconds;
}

/* Seconds, or a date in any of the three forms of RFC 9110 5.6.7. */
static void take_retry_after(const context *c, slice v)
{
    char date[64];
    uint64_t seconds;
    if (number(v, &seconds)) {
        wait_at_least(c->reply, (double)seconds);
        return;
    }
    text(date, sizeof date, v);
    time_t when = curl_getdate(date, NULL);
    if (when != -1)
        wait_at_least(c->reply, (double)when > c->now ? (double)when - c->now : 0);
}

/* "api";r=0;t=55, "other";r=9;t=55: the longest t of a bucket that is empty (hub.md 1.5). */
static void take_rate_limit(const context *c, slice v)
{
    while (v.at < v.end) {
        slice item = until(&v, ',');
        uint64_t left = UINT64_MAX, reset = 0;
        bool told = false;
        while (item.at < item.end) {
            slice value = until(&item, ';'), name = until(&value, '=');
            value = trimmed(value);
            if (same(name, "r"))
                number(value, &left);
            else if (same(name, "t"))
                told = number(value, &reset);
        }
        if (left == 0 && told)
            wait_at_least(c->reply, (double)reset);
    }
}

typedef struct header_row {
    const char *name; /* lower case */
    void (*take)(const context *c, slice value);
} header_row;
static const header_row rows[] = {
    {"x-repo-commit", take_commit},
    {"x-linked-etag", take_linked_etag},
    {"etag", take_etag},
    {"x-linked-size", take_linked_size},
    {"content-length", take_length},
    {"content-range", take_range},
    {"content-encoding", take_encoding},
    {"content-type", take_type},
    {"location", take_location},
    {"x-error-code", take_error_code},
    {"link", take_link},
    {"x-error-message", take_error_message},
    {"ratelimit", take_rate_limit},
    {"retry-after", take_retry_after},
    {"x-request-id", take_request_id},
};

void dl_header_take(dl_reply *reply, const nb_hub_env *env, const char *line, size_t n, double now)
{
    const context c = {reply, env, now};
    for (size_t i = 0; i < countof(rows); i++) {
        size_t len;
        const char *value = dl_header_value(line, n, rows[i].name, &len);
        if (value) {
            rows[i].take(&c, (slice){value, value + len});
            return;
        }
    }
}
