/* Header lines of replies, as the Hub, its storage and hostile servers write them (hub.md 1.4). */
#include "tests/check.h"

#include <stdio.h>
#include <string.h>

#include "downloads/http.h"

static const nb_hub_env env = {.endpoint = "http://h:1/p"};
enum { NOW = 1790000000 }; /* Unix seconds: Mon, 21 Sep 2026 14:13:20 GMT */

/* A reply of that status after these lines. */
static dl_reply reply_of(int status, const char *const *lines)
{
    dl_reply r = {.status = status, .url = "http://h:1/p/api/models?c=0", .retry_after = -1};
    for (; *lines; lines++)
        dl_header_take(&r, &env, *lines, strlen(*lines), NOW);
    return r;
}
#define REPLY(status, ...) reply_of(status, (const char *const[]){__VA_ARGS__, NULL})

CHECK_TEST(http_header, the_linked_fields_go_first)
{
    dl_reply r = REPLY(302, "X-Linked-Etag: \"abc\"", "ETag: \"xet\"", "Content-Length: 1008",
                       "X-Linked-Size: 67108864");
    check(strcmp(r.etag, "abc") == 0 && r.linked_etag, "%s", r.etag);
    check(r.has_size && r.linked_size && r.size == 67108864, "size %llu",
          (unsigned long long)r.size);
    check(r.has_length && r.length == 1008, "its own length");
    r = REPLY(302, "X-Linked-Size: 5", "ETag: W/\"xet\"", "X-Linked-Etag: abc",
              "Content-Length: 9");
    check(strcmp(r.etag, "abc") == 0 && r.size == 5, "in the other order: %s", r.etag);
    r = REPLY(200, "etag:W/\"x\" ", "content-length:\t12 ");
    check(strcmp(r.etag, "x") == 0 && !r.linked_etag && r.has_size && r.size == 12, "plain");
    check(!REPLY(302, "Content-Length: 1008").has_size, "of a redirect");
    check(!REPLY(206, "Content-Length: 1008").has_size, "of a part");
    check(!REPLY(404, "Content-Length: 1008").has_size, "of an error");
    r = REPLY(200, "Content-Length: 10", "Content-Encoding: gzip");
    check(r.encoded && r.has_length && !r.has_size, "compressed");
    check(!REPLY(200, "Content-Encoding: identity").encoded, "identity is none");
    check(!REPLY(200, "Content-Encoding:").encoded, "nothing is none");
}

CHECK_TEST(http_header, unusable_values_are_absent)
{
    static const char *const etags[] = {"ETag: ",       "ETag: \"\"",     "ETag: \"a b\"",
                                        "ETag: a\tb",   "ETag: \"a\"b\"", "ETag: \x1b[0m",
                                        "ETag: W/\"\"", "ETag: \xc3\xa4"};
    static const char *const lengths[] = {"-1",  "0x10", "1e3", "", "18446744073709551616",
                                          "1 2", "+5",   "5,5"};
    for (size_t i = 0; i < countof(etags); i++)
        check(!*REPLY(200, etags[i]).etag, "%s", etags[i]);
    for (size_t i = 0; i < countof(lengths); i++) {
        char length[64], linked[64];
        snprintf(length, sizeof length, "Content-Length: %s", lengths[i]);
        snprintf(linked, sizeof linked, "X-Linked-Size: %s", lengths[i]);
        dl_reply r = REPLY(200, length, linked);
        check(!r.has_length && !r.has_size && !r.linked_size, "%s", lengths[i]);
    }
    check(!REPLY(200, "X-Linked-Size: 9007199254740992").has_size, "2^53 is beyond JSON");
    check(REPLY(200, "X-Linked-Size: 9007199254740991").has_size, "2^53 - 1");
    char etag[160] = "ETag: \"";
    memset(etag + 7, 'a', 129);
    etag[136] = '"';
    check(!*REPLY(200, etag).etag, "129 characters");
    memcpy(etag + 135, "\"", 2);
    check(strlen(REPLY(200, etag).etag) == 128, "128 characters");
    check(!*REPLY(200, "nonsense").etag && !*REPLY(200, "").etag && !*REPLY(200, ":").etag,
          "no field");
    check(!*REPLY(200, "X-ETag: a").etag && !*REPLY(200, "ETag : a").etag, "other fields");
}

CHECK_TEST(http_header, a_commit_is_forty_hex_digits)
{
    static const char good[] = "X-Repo-Commit: 0123456789abcdef0123456789abcdef01234567";
    static const char *const bad[] = {
        "X-Repo-Commit: 0123456789abcdef0123456789abcdef0123456",
        "X-Repo-Commit: 0123456789abcdef0123456789abcdef012345678",
        "X-Repo-Commit: 0123456789ABCDEF0123456789abcdef01234567",
        "X-Repo-Commit: ../../../../../../../../../../../etc/pas",
        "X-Repo-Commit:",
    };
    check(strcmp(REPLY(200, good).commit, good + 15) == 0, "taken");
    for (size_t i = 0; i < countof(bad); i++)
        check(!*REPLY(200, good, bad[i]).commit, "%s", bad[i]);
}

CHECK_TEST(http_header, content_ranges_are_believed_only_whole)
{
    static const struct {
        const char *value;
        bool range, total;
        uint64_t first, last, of;
    } rows[] = {
        {"bytes 0-0/1", true, true, 0, 0, 1},
        {"bytes 5-9/*", true, false, 5, 9, 0},
        {"Bytes 4294967296-4294967297/5000000000", true, true, 4294967296, 4294967297, 5000000000},
        {"bytes */1234", false, true, 0, 0, 1234},
        {"bytes 1 - 2 / 3", false, false, 0, 0, 0},
        {"bytes 2-1/9", false, false, 0, 0, 0},
        {"bytes 0-9/9", false, false, 0, 0, 0},
        {"bytes -9/9", false, false, 0, 0, 0},
        {"bytes 0-/9", false, false, 0, 0, 0},
        {"bytes 0-8", true, false, 0, 8, 0},
        {"items 0-8/9", false, false, 0, 0, 0},
        {"bytes=0-8/9", false, false, 0, 0, 0},
        {"bytes 0-18446744073709551616/9", false, false, 0, 0, 0},
        {"", false, false, 0, 0, 0},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        char line[96];
        snprintf(line, sizeof line, "Content-Range: %s", rows[i].value);
        dl_reply r = REPLY(206, line);
        check(r.has_range == rows[i].range && r.has_total == rows[i].total, "\"%s\"",
              rows[i].value);
        check(r.first == rows[i].first && r.last == rows[i].last && r.total == rows[i].of, "\"%s\"",
              rows[i].value);
    }
}

CHECK_TEST(http_header, waits_are_the_longest_that_is_asked_hub_11)
{
    static const struct {
        const char *a, *b;
        double wait;
    } rows[] = {
        {"Retry-After: 3", "", 3},
        {"Retry-After: 0", "", 0},
        {"Retry-After: -3", "", -1},
        {"Retry-After: soon", "", -1},
        {"Retry-After: Mon, 21 Sep 2026 14:13:30 GMT", "", 10},
        {"Retry-After: Monday, 21-Sep-26 14:13:30 GMT", "", 10},
        {"Retry-After: Mon Sep 21 14:13:30 2026", "", 10},
        {"Retry-After: Mon, 21 Sep 2026 14:13:10 GMT", "", 0},
        {"RateLimit: \"api\";r=0;t=55", "", 55},
        {"RateLimit: \"api\";r=12;t=55", "", -1},
        {"RateLimit: \"api\"; r = 0 ; t = 7", "", 7},
        {"RateLimit: \"a;r=0;t=99\";r=1;t=5", "", -1},
        {"RateLimit: \"a\";r=3;t=99, \"b\";r=0;t=5", "", 5},
        {"RateLimit: \"a\";r=0", "", -1},
        {"RateLimit: \"a\";t=9", "", -1},
        {"RateLimit: r=0;t=x", "", -1},
        {"RateLimit-Policy: \"fixed window\";\"api\";q=500;w=300", "", -1},
        {"Retry-After: 3", "RateLimit: \"api\";r=0;t=55", 55},
        {"RateLimit: \"api\";r=0;t=2", "Retry-After: 3", 3},
        {"RateLimit: \"api\";r=9;t=200", "Retry-After: 3", 3},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        dl_reply r = REPLY(429, rows[i].a, rows[i].b);
        check(r.retry_after == rows[i].wait, "\"%s\", \"%s\": %g", rows[i].a, rows[i].b,
              r.retry_after);
    }
}

CHECK_TEST(http_header, the_next_page_is_found_and_stays_here_hub_13)
{
    static const struct {
        const char *link, *want;
    } rows[] = {
        {"<http://h:1/p/api/models?cursor=a>; rel=\"next\"", "http://h:1/p/api/models?cursor=a"},
        {"<https://huggingface.co/api/models?a=1,2;b>; rel=\"next\"",
         "http://h:1/p/api/models?a=1,2;b"},
        {"<http://x/>; rel=\"xet-auth\", <http://y/n>; rel=next", "http://h:1/p/n"},
        {"<http://y/n>;title=\"a, b; rel=next\"; REL = \"NEXT\"", "http://h:1/p/n"},
        {"<http://y/n>;title=\"a, b; rel=next\"", ""},
        {"<http://y/n>; rel=\"prev\"", ""},
        {"<http://y/n>", ""},
        {"<?cursor=b>; rel=next", "http://h:1/p/api/models?cursor=b"},
        {"<file:///etc/passwd>; rel=next", ""},
        {"<http://y/n; rel=next", ""},
        {"rel=next", ""},
        {"<>; rel=next", ""},
        {"", ""},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        char line[128];
        snprintf(line, sizeof line, "Link: %s", rows[i].link);
        dl_reply r = REPLY(200, line);
        check(strcmp(r.next, rows[i].want) == 0, "%s: %s", rows[i].link, r.next);
    }
}

CHECK_TEST(http_header, locations_become_absolute)
{
    check(strcmp(REPLY(307, "Location: /x?y=%22").location, "http://h:1/x?y=%22") == 0, "path");
    check(strcmp(REPLY(302, "Location:  https://c/d ").location, "https://c/d") == 0, "absolute");
    check(!*REPLY(302, "Location: file:///x").location, "another scheme");
    check(!*REPLY(302, "Location:").location, "empty");
    dl_reply r = REPLY(200, "Content-Type: Application/JSON; charset=utf-8");
    check(strcmp(r.type, "application/json") == 0, "%s", r.type);
}

/* What ends up in messages keeps its bytes, cut between characters and at a NUL. */
CHECK_TEST(http_header, texts_are_cut_to_their_room)
{
    char line[600] = "X-Error-Message: ";
    for (size_t i = strlen(line); i + 2 < sizeof line; i += 2)
        memcpy(line + i, "\xc3\xa4", 3);
    dl_reply r = REPLY(401, line);
    check(strlen(r.error_message) == 254, "%zu", strlen(r.error_message));
    r = REPLY(401, "X-Error-Code: GatedRepo", "X-Request-Id: Root=1-a", "x-error-message: no");
    check(strcmp(r.error_code, "GatedRepo") == 0 && strcmp(r.request_id, "Root=1-a") == 0 &&
              strcmp(r.error_message, "no") == 0,
          "%s %s %s", r.error_code, r.request_id, r.error_message);
    static const char nul[] = "X-Error-Code: ab\0cd";
    dl_header_take(&r, &env, nul, sizeof nul - 1, NOW);
    check(strcmp(r.error_code, "ab") == 0, "%s", r.error_code);
}
