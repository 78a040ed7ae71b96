/* Every verb of the fault script does what fake_hub.h says, and nothing besides. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/digest.h"
#include "tests/check.h"
#include "tests/hub_fixture.h"
#include "tests/util.h"

/* ns/repo's m.gguf under one rule. */
static ask_reply under(fake_hub **hub, const char *line, const char *range)
{
    *hub = fix_start(NULL);
    fix_repo(*hub);
    fix_fault(*hub, line);
    return fix_file(*hub, range);
}

static void end(fake_hub **hub, ask_reply *r)
{
    ask_free(r);
    fake_hub_stop(hub);
}

/* body[n] is the file from `from` on. */
static bool is_file(const ask_reply *r, uint64_t from, size_t n)
{
    uint8_t *want = malloc(n + 1);
    fake_noise(FIX_SEED, from, want, n);
    bool same = r->n >= n && memcmp(r->body, want, n) == 0;
    free(want);
    return same;
}

/* --- the language ---------------------------------------------------------------------------- */
CHECK_TEST(fake_faults, bad_lines_are_named)
{
    static const char *const rows[][2] = {
        {"", "nothing"},
        {"FETCH * rst", "FETCH"},
        {"GET", "no pattern"},
        {"GET *", "no verb"},
        {"GET * #2", "no verb"},
        {"GET * #0 rst", "#0"},
        {"GET * #3-2 rst", "#3-2"},
        {"GET * #x rst", "#x"},
        {"GET * explode", "explode"},
        {"GET * rst=1", "rst takes no value"},
        {"GET * status", "status needs a value"},
        {"GET * status=2x", "status=2x"},
        {"GET * drop_after=-1", "drop_after=-1"},
        {"GET * rate=99999999999999999999", "rate="},
        {"GET * body_file=/nowhere/at/all", "/nowhere/at/all"},
    };
    fake_hub *hub = fix_start(NULL);
    for (size_t i = 0; i < countof(rows); i++) {
        nb_err err = {0};
        check(fake_hub_fault(hub, rows[i][0], &err) != NB_OK, "%s", rows[i][0]);
        check(strstr(err.msg, rows[i][1]), "%s: %s", rows[i][0], err.msg);
    }
    fake_hub_stop(&hub);
}

CHECK_TEST(fake_faults, rules_count_their_own_requests)
{
    fake_hub *hub = fix_start(NULL);
    fix_repo(hub);
    fix_fault(hub, "GET hub:/api/models/ns/* #2-3 status=503");
    fix_fault(hub, "* */refs #1 status=500");
    fix_fault(hub, "HEAD * status=418");
    static const struct {
        const char *path;
        int status;
    } rows[] = {{"", 200}, {"/tree/main", 503}, {"/refs", 500}, {"", 200}, {"/refs", 200}};
    for (size_t i = 0; i < countof(rows); i++) {
        char path[64];
        snprintf(path, sizeof path, "/api/models/ns/repo%s", rows[i].path);
        ask_reply r = fix_get(hub, path, NULL);
        check(r.status == rows[i].status, "%zu: %d", i, r.status);
        ask_free(&r);
    }
    fake_hub_faults_clear(hub);
    ask_reply r = ask("HEAD", ask_url(fake_hub_origin(hub, FAKE_HUB), "/api/models/ns/repo"), NULL,
                      NULL, ASK_MS);
    check(r.status == 200, "%d", r.status);
    ask_free(&r);
    fake_hub_stop(&hub);
}

CHECK_TEST(fake_faults, the_cdn_is_matched_by_the_name_of_the_file)
{
    fake_hub *hub = fix_start(NULL);
    fix_repo(hub);
    fix_fault(hub, "GET cdn:/ns/repo/m.gguf #2 status=403 body=\"late \\x1b[0m\"");
    ask_reply r = fix_file(hub, "0-9");
    check(r.status == 206, "%d", r.status);
    ask_free(&r);
    r = fix_file(hub, "0-9");
    check(r.status == 403 && strcmp(r.body, "late \x1b[0m") == 0, "%d %s", r.status, r.body);
    ask_free(&r);
    fake_hub_stop(&hub);
}

/* --- other answers --------------------------------------------------------------------------- */
CHECK_TEST(fake_faults, status_and_body_answer_instead)
{
    fake_hub *hub = fix_start(NULL);
    fix_repo(hub);
    fix_fault(hub, "GET */a status=429 header=Retry-After:3");
    fix_fault(hub, "GET */b body=\"[{\\\"id\\\":1e308}]\"");
    fix_fault(hub, "GET */c status=200 body=<html>");
    ask_reply r = fix_get(hub, "/api/a", NULL);
    check(r.status == 429 && fix_starts(ask_field(&r, "RateLimit"), "\"api\";r=0;t=55"), "%s",
          r.head);
    fix_has(&r, "Retry-After", "3");
    ask_free(&r);
    r = fix_get(hub, "/api/b", NULL);
    check(r.status == 200 && strcmp(r.body, "[{\"id\":1e308}]") == 0 &&
              fix_starts(ask_field(&r, "Content-Type"), "application/json"),
          "%s", r.body);
    ask_free(&r);
    r = fix_get(hub, "/api/c", NULL);
    check(r.status == 200 && strcmp(r.body, "<html>") == 0, "%s", r.body);
    ask_free(&r);
    const char *path = test_path(test_tmpdir(), "body.json");
    char line[600];
    test_spit(path, "[\0]", 3);
    snprintf(line, sizeof line, "GET */d body_file=%s", path);
    fix_fault(hub, line);
    r = fix_get(hub, "/api/d", NULL);
    check(r.n == 3 && memcmp(r.body, "[\0]", 3) == 0, "%zu", r.n);
    ask_free(&r);
    fake_hub_stop(&hub);
}

CHECK_TEST(fake_faults, redirects_lead_anywhere)
{
    fake_hub *hub = fix_start(NULL);
    fix_repo(hub);
    fix_fault(hub, "GET */far redirect={cdn}/x");
    fix_fault(hub, "GET */kept status=308 redirect=/api/models/ns/repo");
    fix_fault(hub, "GET */round loop");
    fix_fault(hub, "GET */chain body=[] header=\"Link:<{hub}/chain>; rel=\\\"next\\\"\"");
    ask_reply r = fix_get(hub, "/chain", NULL);
    check(r.status == 200 && strcmp(r.body, "[]") == 0 &&
              strstr(ask_field(&r, "Link"), "/chain>; rel=\"next\""),
          "%s", r.head);
    ask_free(&r);
    r = fix_get(hub, "/far", NULL);
    char want[128];
    snprintf(want, sizeof want, "%s/x", fake_hub_origin(hub, FAKE_CDN));
    check(r.status == 302, "%d", r.status);
    fix_has(&r, "Location", want);
    ask_free(&r);
    r = fix_get(hub, "/kept", NULL);
    check(r.status == 308, "%d", r.status);
    fix_has(&r, "Location", "/api/models/ns/repo");
    ask_free(&r);
    r = fix_get(hub, "/round?a=b", NULL);
    check(r.status == 302, "%d", r.status);
    fix_has(&r, "Location", "/round?a=b");
    ask_free(&r);
    fake_hub_stop(&hub);
}

CHECK_TEST(fake_faults, an_endless_body_has_no_end)
{
    fake_hub *hub = fix_start(NULL);
    fix_repo(hub);
    fix_fault(hub, "GET */api/models body=[ endless_body drop_after=3M");
    ask_reply r = fix_get(hub, "/api/models", NULL);
    check(r.status == 200 && r.n == 3 << 20 && !r.whole && r.closed, "%d %zu", r.status, r.n);
    check(r.body[0] == '[' && r.body[1] == ' ' && r.body[r.n - 1] == ' ', "%.9s", r.body);
    ask_free(&r);
    fake_hub_stop(&hub);
}

/* --- other heads ----------------------------------------------------------------------------- */
CHECK_TEST(fake_faults, heads_are_changed)
{
    fake_hub *hub;
    ask_reply r = under(&hub,
                        "GET cdn:* header=X-Cache: header=ETag:W/\"\\\"q\\\"\" header=A:1 "
                        "big_headers=100K",
                        "0-0");
    check(r.status == 206 && !ask_field(&r, "X-Cache"), "%.300s", r.head);
    fix_has(&r, "ETag", "W/\"q\"");
    fix_has(&r, "A", "1");
    check(strlen(r.head) > 100 << 10 && ask_field(&r, "X-Filler"), "%zu", strlen(r.head));
    end(&hub, &r);
    r = under(&hub, "GET cdn:* no_content_range", "5-9");
    check(r.status == 206 && !ask_field(&r, "Content-Range") && is_file(&r, 5, 5), "%s", r.head);
    end(&hub, &r);
}

CHECK_TEST(fake_faults, etags_are_wrong_in_the_right_form)
{
    fake_hub *hub = fix_start(NULL);
    fake_repo *repo = fix_repo(hub);
    char sha256[65], etag[80];
    check(fake_repo_sha256(repo, "m.gguf", sha256), "no file");
    fix_fault(hub, "GET hub:*.gguf bad_etag");
    ask_reply r = fix_get(hub, "/ns/repo/resolve/main/m.gguf", NULL);
    snprintf(etag, sizeof etag, "%s", ask_field(&r, "X-Linked-Etag"));
    check(strlen(etag) == 66 && strncmp(etag + 1, sha256, 64) != 0 &&
              strncmp(etag + 2, sha256 + 1, 63) == 0,
          "%s", etag);
    ask_free(&r);
    fix_fault(hub, "GET hub:*.gguf bad_etag=../../x");
    r = fix_get(hub, "/ns/repo/resolve/main/m.gguf", NULL);
    fix_has(&r, "X-Linked-Etag", "\"../../x\"");
    ask_free(&r);
    fake_hub_stop(&hub);
}

CHECK_TEST(fake_faults, lengths_lie) /* hub 8 */
{
    fake_hub *hub;
    ask_reply r = under(&hub, "GET cdn:* bad_len=6000000", NULL);
    check(r.status == 200 && r.n == FIX_BYTES && !r.whole && r.closed, "%zu", r.n);
    fix_has(&r, "Content-Length", "6000000");
    end(&hub, &r);
    r = under(&hub, "GET cdn:* bad_len=6000000", "0-9");
    fix_has(&r, "Content-Range", "bytes 0-9/6000000");
    check(r.n == 10 && r.whole, "%zu", r.n);
    end(&hub, &r);
    hub = fix_start(NULL);
    fix_repo(hub);
    fix_fault(hub, "HEAD hub:* bad_len=77");
    r = ask("HEAD", ask_url(fake_hub_origin(hub, FAKE_HUB), "/ns/repo/resolve/main/m.gguf"), NULL,
            NULL, ASK_MS);
    fix_has(&r, "X-Linked-Size", "77");
    end(&hub, &r);
    r = under(&hub, "GET cdn:* no_length", NULL);
    check(!ask_field(&r, "Content-Length") && r.closed && is_file(&r, 0, FIX_BYTES), "%zu", r.n);
    end(&hub, &r);
    r = under(&hub, "GET cdn:* chunked", "100-999999");
    fix_has(&r, "Transfer-Encoding", "chunked");
    check(!ask_field(&r, "Content-Length") && r.whole && r.n == 999900 && is_file(&r, 100, 999900),
          "%zu", r.n);
    end(&hub, &r);
}

/* --- other bodies ---------------------------------------------------------------------------- */
CHECK_TEST(fake_faults, ranges_are_ignored_or_shifted) /* hub 9 */
{
    static const struct {
        const char *line, *range, *content_range;
        int status;
        uint64_t from;
        size_t n;
    } rows[] = {
        {"GET cdn:* ignore_range", "1000-1999", NULL, 200, 0, FIX_BYTES},
        {"GET cdn:* shift_range=100", "1000-1999", "bytes 1100-1999/5000000", 206, 1100, 900},
        {"GET cdn:* shift_range=-100", "1000-1999", "bytes 900-1999/5000000", 206, 900, 1100},
        {"GET cdn:* shift_range=-5000", "1000-1999", "bytes 0-1999/5000000", 206, 0, 2000},
        {"GET cdn:* shift_range=5000", "1000-1999", "bytes 6000-6000/5000000", 206, 6000, 1},
        {"GET cdn:* shift_range=1G", "1000-1999", "bytes 4999999-4999999/5000000", 206, 4999999, 1},
        {"GET cdn:* short=100", "1000-1999", "bytes 1000-1899/5000000", 206, 1000, 900},
        {"GET cdn:* short=100", NULL, NULL, 200, 0, FIX_BYTES - 100},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        fake_hub *hub;
        ask_reply r = under(&hub, rows[i].line, rows[i].range);
        const char *range = ask_field(&r, "Content-Range");
        check(r.status == rows[i].status && r.n == rows[i].n && r.whole, "%s: %d %zu", rows[i].line,
              r.status, r.n);
        check(rows[i].content_range ? range && strcmp(range, rows[i].content_range) == 0 : !range,
              "%s: %s", rows[i].line, range);
        check(is_file(&r, rows[i].from, rows[i].n), "%s: other bytes", rows[i].line);
        end(&hub, &r);
    }
}

CHECK_TEST(fake_faults, bytes_too_many_and_bytes_wrong) /* hub 6, 8 */
{
    fake_hub *hub;
    ask_reply r = under(&hub, "GET cdn:* extra=5", "10-19");
    fix_has(&r, "Content-Range", "bytes 10-19/5000000");
    fix_has(&r, "Content-Length", "15");
    check(r.n == 15 && is_file(&r, 10, 15), "%zu", r.n);
    end(&hub, &r);
    r = under(&hub, "GET cdn:* extra=5 no_length", NULL);
    check(r.n == FIX_BYTES + 5 && is_file(&r, 0, FIX_BYTES) &&
              memcmp(r.body + FIX_BYTES, "XXXXX", 5) == 0,
          "%zu", r.n);
    end(&hub, &r);
    r = under(&hub, "GET cdn:* #1 flip_byte=3000000", "2999990-3000009");
    uint8_t want[20];
    fake_noise(FIX_SEED, 2999990, want, sizeof want);
    want[10] ^= 0xff;
    check(r.n == 20 && memcmp(r.body, want, 20) == 0, "one byte");
    ask_free(&r);
    r = fix_file(hub, "2999990-3000009");
    check(is_file(&r, 2999990, 20), "only once");
    end(&hub, &r);
    r = under(&hub, "GET cdn:* flip_byte=3000000", "0-9");
    check(is_file(&r, 0, 10), "not in this range");
    end(&hub, &r);
}

/* The stored blocks of a gzip file joined; -1 when it is none. */
static long unzip_stored(const uint8_t *at, size_t n, uint8_t *out)
{
    size_t i = 10, len = 0;
    bool last = n < 18 || at[0] != 0x1f || at[1] != 0x8b;
    if (last)
        return -1;
    while (!last) {
        size_t block = at[i + 1] | (size_t)at[i + 2] << 8;
        if ((at[i] & 6) || (block ^ (at[i + 3] | (size_t)at[i + 4] << 8)) != 0xffff)
            return -1;
        last = at[i] & 1;
        memcpy(out + len, at + i + 5, block);
        len += block;
        i += 5 + block;
    }
    return i + 8 == n ? (long)len : -1;
}

CHECK_TEST(fake_faults, gzip_ignores_the_range) /* hub 7 */
{
    fake_hub *hub;
    ask_reply r = under(&hub, "GET cdn:* gzip", "5-9");
    ask_reply unzipped = {.body = calloc(1, FIX_BYTES + 1)};
    check(r.status == 200 && r.whole && !ask_field(&r, "Content-Range"), "%s", r.head);
    fix_has(&r, "Content-Encoding", "gzip");
    long n = unzip_stored((const uint8_t *)r.body, r.n, (uint8_t *)unzipped.body);
    unzipped.n = FIX_BYTES;
    check(n == FIX_BYTES && is_file(&unzipped, 0, FIX_BYTES), "%ld", n);
    free(unzipped.body);
    end(&hub, &r);
}

/* --- another pace ---------------------------------------------------------------------------- */
CHECK_TEST(fake_faults, bodies_are_dropped_reset_and_stalled) /* hub 3, 12, 15 */
{
    fake_hub *hub;
    ask_reply r = under(&hub, "GET cdn:* drop_after=100000", "1000-");
    check(r.n == 100000 && r.closed && !r.reset && !r.whole && is_file(&r, 1000, r.n), "%zu", r.n);
    check(fake_hub_idle(hub, 5000) && fake_hub_bytes(hub, FAKE_CDN, NULL) == 100000, "log");
    end(&hub, &r);
    r = under(&hub, "GET cdn:* drop_after=0", NULL);
    check(r.status == 200 && r.n == 0 && r.closed, "%zu", r.n);
    end(&hub, &r);
    r = under(&hub, "GET cdn:* rst", NULL);
    check(r.status == 0 && r.reset, "%d", r.status);
    end(&hub, &r);
    r = under(&hub, "GET cdn:* rst drop_after=100", NULL);
    check(r.status == 200 && r.n == 100 && r.reset, "%zu", r.n);
    end(&hub, &r);
    hub = fix_start(NULL);
    fix_repo(hub);
    fix_fault(hub, "GET hub:* stall_after=5");
    r = ask("GET", ask_url(fake_hub_origin(hub, FAKE_HUB), "/api/models/ns/repo"), NULL, NULL, 200);
    check(r.status == 200 && r.n == 5 && !r.closed && !r.whole, "%zu", r.n);
    check(fake_hub_idle(hub, 5000), "the client has gone");
    end(&hub, &r);
}

CHECK_TEST(fake_faults, answers_are_late_and_slow) /* hub 15 */
{
    fake_hub *hub = fix_start(NULL);
    fix_repo(hub);
    fix_fault(hub, "GET */config.json delay=300");
    ask_reply r = fix_get(hub, "/ns/repo/resolve/main/config.json", NULL);
    check(r.status == 307 && r.first >= 0.29 && r.first < 5, "%.3f s", r.first);
    end(&hub, &r);
    hub = fix_start(NULL);
    fix_repo(hub);
    fix_fault(hub, "GET cdn:* rate=2M");
    r = fix_file(hub, "0-1048575");
    check(r.n == 1 << 20 && r.whole && r.last > 0.4 && r.last < 5, "%.3f s", r.last);
    end(&hub, &r);
    hub = fix_start(NULL);
    fix_repo(hub);
    fix_fault(hub, "GET cdn:* rate=20");
    r = fix_file(hub, "0-9");
    check(r.n == 10 && is_file(&r, 0, 10) && r.last > 0.4, "%.3f s", r.last);
    end(&hub, &r);
}
