/* The fake Hub answers as hub.md says the real one does: the canned replies of section 6, the
 * statuses of 1.5, the pages of 1.2 and 1.3. */
#include "tests/hub_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/digest.h"
#include "tests/check.h"
#include "tests/util.h"

/* --- files ----------------------------------------------------------------------------------- */
CHECK_TEST(fake_hub, a_small_file_is_a_relative_307_to_the_resolve_cache)
{
    fake_hub *hub = fix_start(NULL);
    fake_repo *repo = fix_repo(hub);
    char sha1[41], want[512];
    check(nb_git_sha1_of("{\"model_type\":\"llama\"}", 22, sha1, NULL) == NB_OK, "sha1");
    for (int i = 0; i < 2; i++) {
        ask_reply r =
            ask(i ? "HEAD" : "GET",
                ask_url(fake_hub_origin(hub, FAKE_HUB), "/ns/repo/resolve/main/config.json"), NULL,
                NULL, ASK_MS);
        check(r.status == 307 && r.whole && !r.closed, "status %d", r.status);
        fix_has(&r, "X-Repo-Commit", fake_repo_head(repo));
        snprintf(want, sizeof want, "\"%s\"", sha1);
        fix_has(&r, "X-Linked-Etag", want);
        check(!ask_field(&r, "X-Linked-Size") && !ask_field(&r, "X-Xet-Hash"), "%s", r.head);
        snprintf(want, sizeof want,
                 "/api/resolve-cache/models/ns/repo/%s/config.json?"
                 "%%2Fns%%2Frepo%%2Fresolve%%2Fmain%%2Fconfig.json=&etag=%%22%s%%22",
                 fake_repo_head(repo), sha1);
        fix_has(&r, "Location", want);
        ask_free(&r);
    }
    ask_reply r = fix_get(hub, want, NULL);
    check(r.status == 200 && strcmp(r.body, "{\"model_type\":\"llama\"}") == 0, "%s", r.body);
    snprintf(want, sizeof want, "\"%s\"", sha1);
    fix_has(&r, "ETag", want);
    fix_has(&r, "Accept-Ranges", "bytes");
    fix_has(&r, "Content-Length", "22");
    fix_has(&r, "X-Repo-Commit", fake_repo_head(repo));
    ask_free(&r);
    fake_hub_stop(&hub);
}

CHECK_TEST(fake_hub, a_large_file_is_a_302_to_the_cdn)
{
    fake_hub *hub = fix_start(NULL);
    fake_repo *repo = fix_repo(hub);
    char sha256[65], want[128], xet[80];
    check(fake_repo_sha256(repo, "m.gguf", sha256), "no file");
    ask_reply r =
        ask("HEAD", ask_url(fake_hub_origin(hub, FAKE_HUB), "/ns/repo/resolve/main/m.gguf"), NULL,
            NULL, ASK_MS);
    check(r.status == 302, "status %d", r.status);
    fix_has(&r, "X-Repo-Commit", fake_repo_head(repo));
    fix_has(&r, "X-Linked-Size", "5000000");
    fix_has(&r, "Accept-Ranges", "bytes");
    fix_has(&r, "Cache-Control", "no-store");
    snprintf(want, sizeof want, "\"%s\"", sha256);
    fix_has(&r, "X-Linked-Etag", want);
    snprintf(xet, sizeof xet, "\"%s\"", ask_field(&r, "X-Xet-Hash"));
    check(strlen(xet) == 66 && strcmp(xet, want) != 0, "%s", xet);
    check(strstr(ask_field(&r, "Link"), "/xet-read-token/") &&
              strstr(ask_field(&r, "Link"), "rel=\"xet-auth\""),
          "%s", r.head);
    check(fix_starts(ask_field(&r, "Location"), fake_hub_origin(hub, FAKE_CDN)), "%s", r.head);
    check(atoi(ask_field(&r, "Content-Length")) < 2000, "the redirect's own length");
    ask_reply body = ask_get(ask_field(&r, "Location"));
    check(body.status == 200 && body.n == FIX_BYTES && body.whole, "status %d, %zu", body.status,
          body.n);
    fix_has(&body, "ETag", xet);
    check(!ask_field(&body, "RateLimit"), "the CDN has no limits");
    char got[65];
    test_sha256(body.body, body.n, got);
    check(strcmp(got, sha256) == 0, "%s", got);
    ask_free(&r);
    ask_free(&body);
    fake_hub_stop(&hub);
}

CHECK_TEST(fake_hub, the_cdn_serves_ranges)
{
    static const struct {
        const char *range, *content_range;
        int status;
        size_t from, n;
    } rows[] = {
        {"bytes=0-9", "bytes 0-9/5000000", 206, 0, 10},
        {"bytes=4999990-", "bytes 4999990-4999999/5000000", 206, 4999990, 10},
        {"bytes=4999999-9999999", "bytes 4999999-4999999/5000000", 206, 4999999, 1},
        {"bytes=-3", "bytes 4999997-4999999/5000000", 206, 4999997, 3},
        {"bytes=-9000000", "bytes 0-4999999/5000000", 206, 0, FIX_BYTES},
        {"bytes=1234567-2345678", "bytes 1234567-2345678/5000000", 206, 1234567, 1111112},
        {"bytes=5000000-", "bytes */5000000", 416, 0, 0},
        {"bytes=0-1,3-4", NULL, 200, 0, FIX_BYTES},
        {"bytes=9-1", NULL, 200, 0, FIX_BYTES},
        {"bytes=0--1", NULL, 200, 0, FIX_BYTES},
        {"items=0-1", NULL, 200, 0, FIX_BYTES},
    };
    fake_hub *hub = fix_start(NULL);
    fix_repo(hub);
    uint8_t *want = malloc(FIX_BYTES);
    fake_noise(7, 0, want, FIX_BYTES);
    for (size_t i = 0; i < countof(rows); i++) {
        char fields[64];
        snprintf(fields, sizeof fields, "Range: %s\r\n", rows[i].range);
        ask_reply r = ask_file(
            ask_url(fake_hub_origin(hub, FAKE_HUB), "/ns/repo/resolve/main/m.gguf"), fields);
        const char *range = ask_field(&r, "Content-Range");
        check(r.status == rows[i].status, "%s: status %d", rows[i].range, r.status);
        check(rows[i].content_range ? range && strcmp(range, rows[i].content_range) == 0 : !range,
              "%s: %s", rows[i].range, range);
        check(r.whole, "%s", rows[i].range);
        if (r.status != 416)
            check(r.n == rows[i].n && memcmp(r.body, want + rows[i].from, r.n) == 0, "%s: %zu",
                  rows[i].range, r.n);
        ask_free(&r);
    }
    free(want);
    fake_hub_stop(&hub);
}

CHECK_TEST(fake_hub, small_files_serve_ranges_and_if_range)
{
    fake_hub *hub = fix_start(NULL);
    fix_repo(hub);
    const char *url = ask_url(fake_hub_origin(hub, FAKE_HUB), "/ns/repo/resolve/main/config.json");
    ask_reply r = ask_file(url, "Range: bytes=2-11\r\n");
    check(r.status == 206 && strcmp(r.body, "model_type") == 0, "%d %s", r.status, r.body);
    ask_free(&r);
    r = ask_file(url, "Range: bytes=2-11\r\nIf-Range: \"another\"\r\n");
    check(r.status == 200 && r.n == 22, "%d %zu", r.status, r.n);
    ask_free(&r);
    r = ask_file(ask_url(fake_hub_origin(hub, FAKE_HUB), "/ns/repo/raw/main/m.gguf"), NULL);
    check(fix_starts(r.body, "version https://git-lfs.github.com/spec/v1\noid sha256:"), "%s",
          r.body);
    ask_free(&r);
    fake_hub_stop(&hub);
}

CHECK_TEST(fake_hub, the_cdn_forgets_the_range_of_who_takes_gzip)
{
    fake_hub *hub = fix_start(NULL);
    fix_repo(hub);
    const char *url = ask_url(fake_hub_origin(hub, FAKE_HUB), "/ns/repo/resolve/main/m.gguf");
    ask_reply r = ask_file(url, "Range: bytes=0-9\r\nAccept-Encoding: gzip, br\r\n");
    check(r.status == 200 && r.n == FIX_BYTES, "%d %zu", r.status, r.n);
    ask_free(&r);
    r = ask_file(url, "Range: bytes=0-9\r\nAccept-Encoding: identity\r\n");
    check(r.status == 206 && r.n == 10, "%d %zu", r.status, r.n);
    ask_free(&r);
    fake_hub_stop(&hub);
}

static int status_of(const char *url, const char *fields)
{
    ask_reply r = ask("GET", url, fields, NULL, ASK_MS);
    int status = r.status;
    ask_free(&r);
    return status;
}

static void signed_url(fake_hub *hub, char out[2048])
{
    ask_reply r = fix_get(hub, "/ns/repo/resolve/main/m.gguf", NULL);
    snprintf(out, 2048, "%s", ask_field(&r, "Location"));
    ask_free(&r);
}

CHECK_TEST(fake_hub, signed_addresses_expire_and_hold_no_token) /* hub 13, 14 */
{
    fake_hub *hub = fix_start(NULL);
    char url[2048];
    fix_repo(hub);
    signed_url(hub, url);
    check(status_of(url, "Range: bytes=0-0\r\n") == 206, "valid");
    check(status_of(url, "Authorization: Bearer x\r\n") == 400, "with a token");
    char *digit = strstr(url, "Signature=") + 10;
    *digit = *digit == '0' ? '1' : '0';
    check(status_of(url, NULL) == 403, "another signature");
    signed_url(hub, url);
    fake_hub_expire(hub);
    ask_reply r = ask_get(url);
    check(r.status == 403 && strstr(r.body, "expired"), "%d %s", r.status, r.body);
    ask_free(&r);
    signed_url(hub, url);
    check(status_of(url, "Range: bytes=0-0\r\n") == 206, "signed anew");
    fake_hub_stop(&hub);
}

CHECK_TEST(fake_hub, over_50_GB_only_bounded_ranges) /* hub 19 */
{
    fake_hub *hub = fix_start(NULL);
    fake_repo *repo = fake_hub_add(hub, &(fake_repo_info){.id = "ns/big"});
    fake_repo_noise(repo, "m.gguf", 60000000000u, 3);
    const char *url = ask_url(fake_hub_origin(hub, FAKE_HUB), "/ns/big/resolve/main/m.gguf");
    static const char *const fields[] = {NULL, "Range: bytes=59999999990-\r\n",
                                         "Range: bytes=-5\r\n"};
    for (size_t i = 0; i < countof(fields); i++) {
        ask_reply r = ask_file(url, fields[i]);
        check(r.status == 400, "%s: %d", fields[i] ? fields[i] : "all", r.status);
        ask_free(&r);
    }
    static const uint64_t from[] = {(1ull << 32) - 3, 50000000001u, 59999999995u};
    for (size_t i = 0; i < countof(from); i++) {
        char range[96];
        uint8_t want[5];
        snprintf(range, sizeof range, "Range: bytes=%llu-%llu\r\n", (unsigned long long)from[i],
                 (unsigned long long)from[i] + 4);
        ask_reply r = ask_file(url, range);
        fake_noise(3, from[i], want, 5);
        check(r.status == 206 && r.n == 5 && memcmp(r.body, want, 5) == 0, "%s: %d", range,
              r.status);
        ask_free(&r);
    }
    fake_hub_stop(&hub);
}

/* --- who may what ---------------------------------------------------------------------------- */
static const struct {
    const char *token, *path;
    int status;
    const char *code, *message; /* NULL = no such field; the message may go on */
} refusals[] = {
    {NULL, "/ns/gated/resolve/main/config.json", 401, "GatedRepo", "Access to model ns/gated"},
    {"none", "/ns/gated/resolve/main/config.json", 403, "GatedRepo",
     "Access to model ns/gated is restricted and you are not"},
    {"pending", "/ns/gated/resolve/main/config.json", 403, "GatedRepo",
     "Your request to access model ns/gated is awaiting"},
    {"fine", "/ns/gated/resolve/main/config.json", 403, "GatedRepo", "Please enable access"},
    {"granted", "/ns/gated/resolve/main/config.json", 307, NULL, NULL},
    {NULL, "/api/models/ns/gated", 200, NULL, NULL},
    {NULL, "/api/models/ns/gated/tree/main", 200, NULL, NULL},
    {NULL, "/ns/nope/resolve/main/x", 401, NULL, "Invalid username or password."},
    {NULL, "/api/models/ns/nope", 401, NULL, "Invalid username or password."},
    {NULL, "/api/models/ns/private", 401, NULL, "Invalid username or password."},
    {"none", "/api/models/ns/private", 404, "RepoNotFound", "Repository not found"},
    {"none", "/api/models/ns/nope", 404, "RepoNotFound", "Repository not found"},
    {"granted", "/api/models/ns/private", 200, NULL, NULL},
    {"unknown", "/api/models/ns/repo", 401, NULL, "Invalid credentials in Authorization header"},
    {"unknown", "/ns/repo/resolve/main/config.json", 401, NULL, "Invalid credentials"},
    {NULL, "/ns/repo/resolve/nope/x", 404, "RevisionNotFound", "Invalid rev id: nope"},
    {NULL, "/api/models/ns/repo/tree/nope", 404, "RevisionNotFound", "Invalid rev id: nope"},
    {NULL, "/ns/repo/resolve/main/nope", 404, "EntryNotFound", "Entry not found"},
    {NULL, "/api/models/ns/repo/tree/main/nope", 404, "EntryNotFound", "nope does not exist"},
    {NULL, "/api/models/ns/disabled", 403, NULL, "Access to this resource is disabled."},
    {NULL, "/ns/disabled/resolve/main/x", 403, NULL, "Access to this resource is disabled."},
    {NULL, "/api/whoami-v2", 401, NULL, "Invalid username or password."},
    {"granted", "/api/whoami-v2", 200, NULL, NULL},
    {NULL, "/api/nothing", 404, NULL, "Sorry"},
};

CHECK_TEST(fake_hub, statuses_and_texts_of_errors) /* hub.md 1.5 */
{
    fake_hub *hub = fix_start(NULL);
    fake_repo *repo = fix_repo(hub);
    fake_repo *gated =
        fake_hub_add(hub, &(fake_repo_info){.id = "ns/gated", .gated = FAKE_GATED_MANUAL});
    fake_repo *closed =
        fake_hub_add(hub, &(fake_repo_info){.id = "ns/private", .is_private = true});
    fake_hub_add(hub, &(fake_repo_info){.id = "ns/disabled", .disabled = true});
    fake_repo_text(gated, "config.json", "{}");
    static const char *const tokens[] = {"none", "pending", "fine", "granted"};
    for (size_t i = 0; i < countof(tokens); i++)
        fake_hub_token(hub, &(fake_token){.token = tokens[i]});
    fake_repo_grant(gated, "pending", FAKE_PENDING);
    fake_repo_grant(gated, "fine", FAKE_NO_GATED_SCOPE);
    fake_repo_grant(gated, "granted", FAKE_GRANTED);
    fake_repo_grant(closed, "granted", FAKE_GRANTED);
    for (size_t i = 0; i < countof(refusals); i++) {
        ask_reply r = fix_get(hub, refusals[i].path, refusals[i].token);
        const char *code = ask_field(&r, "X-Error-Code"), *text = ask_field(&r, "X-Error-Message");
        check(r.status == refusals[i].status, "%s: %d", refusals[i].path, r.status);
        check(refusals[i].code ? code && strcmp(code, refusals[i].code) == 0 : !code, "%s: %s",
              refusals[i].path, code);
        check(refusals[i].message
                  ? fix_starts(text, refusals[i].message) && strstr(r.body, refusals[i].message)
                  : !text,
              "%s: %s", refusals[i].path, text);
        check(r.status != 401 || fix_starts(ask_field(&r, "WWW-Authenticate"), "Bearer "), "%s",
              r.head);
        if (code && strcmp(code, "EntryNotFound") == 0 && fix_starts(refusals[i].path, "/ns"))
            fix_has(&r, "X-Repo-Commit", fake_repo_head(repo));
        check(fix_starts(ask_field(&r, "X-Request-Id"), "Root=1-"), "%s", r.head);
        check(ask_field(&r, "RateLimit") && ask_field(&r, "RateLimit-Policy"), "%s", r.head);
        ask_free(&r);
    }
    fake_hub_stop(&hub);
}
