#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "downloads/http.h"

static bool is_text(const char *s, size_t cap)
{
    return memchr(s, '\0', cap) != NULL;
}

static bool is_commit(const char *s)
{
    return !*s || (strlen(s) == 40 && strspn(s, "0123456789abcdef") == 40);
}

static bool is_printable(const char *s)
{
    for (; *s; s++)
        if (*s <= ' ' || *s > '~')
            return false;
    return true;
}

static void check_texts(const dl_reply *r)
{
    fuzz_check(is_text(r->commit, sizeof r->commit) && is_commit(r->commit), "commit");
    fuzz_check(is_text(r->etag, sizeof r->etag) && is_printable(r->etag), "etag %s", r->etag);
    fuzz_check(is_text(r->type, sizeof r->type), "type");
    fuzz_check(is_text(r->error_code, sizeof r->error_code), "code");
    fuzz_check(is_text(r->error_message, sizeof r->error_message), "message");
    fuzz_check(is_text(r->request_id, sizeof r->request_id), "request id");
    fuzz_check(is_text(r->location, sizeof r->location) && is_printable(r->location), "location");
    fuzz_check(is_text(r->next, sizeof r->next) && is_printable(r->next), "next");
}

/* Any lines as the head of a reply; the first byte chooses its status: what is taken is within the
 * bounds http.h promises, and the next page is always the endpoint's own. */
FUZZ_TARGET(http_header)
{
    static const int status[] = {200, 206, 302, 307, 404, 416, 429, 503};
    static const nb_hub_env env = {.endpoint = "https://mirror.example:8443/hf"};
    static const char base[] = "https://mirror.example:8443/hf/api/models?c=0";
    dl_reply r = {.status = status[n ? *bytes % 8 : 0], .retry_after = -1};
    const char *at = (const char *)bytes + (n > 0), *end = (const char *)bytes + n;
    memcpy(r.url, base, sizeof base);
    while (at < end) {
        const char *line = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((line ? line : end) - at);
        dl_header_take(&r, &env, at, len, 1.79e9);
        at = line ? line + 1 : end;
    }
    check_texts(&r);
    fuzz_check(!r.has_range || r.first <= r.last, "range");
    fuzz_check(!r.has_range || !r.has_total || r.last < r.total, "total");
    fuzz_check(!r.linked_size || (r.has_size && r.size < (uint64_t)1 << 53), "size");
    fuzz_check(r.linked_size || !r.has_size || (r.has_length && r.size == r.length), "length");
    fuzz_check(!r.linked_etag || *r.etag, "linked etag");
    fuzz_check(r.retry_after >= 0 || r.retry_after == -1, "wait %g", r.retry_after);
    fuzz_check(!*r.next || strncmp(r.next, env.endpoint, strlen(env.endpoint)) == 0, "%s", r.next);
    fuzz_check(!*r.next || dl_token_may_go(&env, r.next), "%s", r.next);
}
