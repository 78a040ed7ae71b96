/* The fake Hub as a server: connections, limits, the log, the proxy, requests nobody should send,
 * and the demonstration it is filled with. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/hub_fixture.h"
#include "tests/util.h"

static double now(void) /* nb_now may stand still */
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* --- connections ----------------------------------------------------------------------------- */
CHECK_TEST(fake_server, one_connection_answers_many_requests)
{
    fake_hub *hub = fix_start(NULL);
    fix_repo(hub);
    const char *url = ask_url(fake_hub_origin(hub, FAKE_HUB), "/api/models/ns/repo");
    int fd = ask_open(url);
    for (int i = 0; i < 20; i++) {
        ask_reply r = ask_on(fd, i % 3 ? "GET" : "HEAD", url, NULL, ASK_MS);
        check(r.status == 200 && !r.closed && (r.n > 0) == (i % 3 != 0), "%d: %d", i, r.status);
        ask_free(&r);
    }
    close(fd);
    check(fake_hub_connections(hub) == 1, "%u", fake_hub_connections(hub));
    check(fake_hub_count(hub, FAKE_HUB, "HEAD", NULL) == 7, "HEAD");
    static const char two[] = "GET /api/models/ns/repo/refs HTTP/1.1\r\nHost: x\r\n\r\n"
                              "GET /api/nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    ask_reply r = ask_raw(url, two, sizeof two - 1, ASK_MS); /* sent at once */
    check(r.status == 200 && fake_hub_wait(hub, FAKE_HUB, "/api/nothing", 1, 5000), "%d", r.status);
    ask_free(&r);
    static const char old[] = "GET /api/models/ns/repo HTTP/1.0\r\n\r\n";
    r = ask_raw(url, old, sizeof old - 1, ASK_MS);
    fix_has(&r, "Connection", "close");
    ask_free(&r);
    fake_hub_stop(&hub);
}

CHECK_TEST(fake_server, survives_requests_nobody_should_send)
{
    static const char *const rows[] = {
        "\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "G\x01T / HTTP/1.1\r\n\r\n",
        "GET /%zz HTTP/1.1\r\n\r\n",
        "GET /%00/x HTTP/1.1\r\n\r\n",
        "GET x HTTP/1.1\r\n\r\n",
        "GET /api/models/ HTTP/1.1\r\n\r\n",
        "GET /api HTTP/1.1\r\n\r\n",
        "GET // HTTP/1.1\r\n\r\n",
        "GET /api/resolve-cache/models/a/b/c HTTP/1.1\r\n\r\n",
        "GET /ns/repo/resolve HTTP/1.1\r\n\r\n",
        "GET /ns/repo/resolve/main HTTP/1.1\r\n\r\n",
        "GET /a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u/v/w/x/y/z/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q"
        "/r/s/t/u/v/w/x/y/z/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/%2 HTTP/1.1\r\n\r\n",
        "GET /api/models HTTP/1.1\r\nno colon\r\n\r\n",
        "GET /api/models HTTP/1.1\r\n: x\r\n\r\n",
        "POST /api/models/ns/repo/paths-info/main HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "POST /api/models/ns/repo/paths-info/main HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        "POST /api/models/ns/repo/paths-info/main HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /api/models/ns/repo/paths-info/main HTTP/1.1\r\nContent-Type: application/json\r\n"
        "Content-Length: 3\r\n\r\n{\"p",
        "POST /api/models/ns/repo HTTP/1.1\r\n\r\n",
        "DELETE /api/models/ns/repo HTTP/1.1\r\n\r\n",
        "GET /api/models?limit=99999999999999999999&cursor=%ff%fe HTTP/1.1\r\n\r\n",
        "GET /api/models?num_parameters=min:,max:&search=%20&filter=, HTTP/1.1\r\n\r\n",
        "GET /ns/repo/resolve/main/config.json HTTP/1.1\r\nAuthorization:\r\n\r\n",
    };
    fake_hub *hub = fix_start(NULL);
    fix_repo(hub);
    for (int port = FAKE_HUB; port <= FAKE_CDN; port++) {
        const char *origin = fake_hub_origin(hub, (fake_port)port);
        for (size_t i = 0; i < countof(rows); i++) {
            ask_reply r = ask_raw(origin, rows[i], strlen(rows[i]), 300);
            check(r.status == 0 || (r.status >= 400 && r.status < 600) || port == FAKE_HUB,
                  "%s: %d", rows[i], r.status);
            ask_free(&r);
        }
        static char long_head[80000];
        memset(long_head, 'a', sizeof long_head);
        memcpy(long_head, "GET / HTTP/1.1\r\nX: ", 19);
        ask_reply r = ask_raw(origin, long_head, sizeof long_head, ASK_MS);
        check(r.status == 431, "%d", r.status);
        ask_free(&r);
    }
    ask_reply r = fix_get(hub, "/api/models/ns/repo", NULL);
    check(r.status == 200, "%d", r.status);
    ask_free(&r);
    fake_hub_stop(&hub);
}

CHECK_TEST(fake_server, survives_random_bytes)
{
    static const char *const words[] = {"GET ",
                                        "HEAD ",
                                        "POST ",
                                        "/",
                                        "api",
                                        "models",
                                        "ns/repo",
                                        "resolve",
                                        "main",
                                        "tree",
                                        "%2F",
                                        "%",
                                        "?",
                                        "&",
                                        "=",
                                        " ",
                                        "HTTP/1.1",
                                        "\r\n",
                                        "\r\n\r\n",
                                        "Range: bytes=",
                                        "-",
                                        "0",
                                        "Content-Length: 5",
                                        "expand",
                                        "cursor",
                                        "\xff",
                                        ":"};
    fake_hub *hub = fix_start(&(fake_hub_options){.proxy = true});
    fix_repo(hub);
    test_rng rng = test_rng_make(11);
    for (int i = 0; i < 300; i++) {
        char text[512] = "";
        for (int k = 0; k < 12; k++)
            strcat(text, words[test_below(&rng, countof(words))]);
        strcat(text, "\r\n\r\n");
        int fd = ask_open(fake_hub_origin(hub, (fake_port)(i % FAKE_PORTS)));
        check(send(fd, text, strlen(text), MSG_NOSIGNAL) > 0, "send");
        close(fd);
    }
    ask_reply r = fix_get(hub, "/api/models/ns/repo", NULL);
    check(r.status == 200, "%d", r.status);
    ask_free(&r);
    fake_hub_stop(&hub);
}

CHECK_TEST(fake_server, a_stop_cuts_what_is_still_being_answered)
{
    static const char *const lines[] = {"GET * delay=600000", "GET * stall_after=10",
                                        "GET * rate=1", "GET * endless_body"};
    for (size_t i = 0; i < countof(lines); i++) {
        fake_hub *hub = fix_start(NULL);
        fix_repo(hub);
        fix_fault(hub, lines[i]);
        const char *url = ask_url(fake_hub_origin(hub, FAKE_HUB), "/api/models/ns/repo");
        int fd = ask_open(url);
        static const char get[] = "GET /api/models/ns/repo HTTP/1.1\r\nHost: x\r\n\r\n";
        check(send(fd, get, sizeof get - 1, MSG_NOSIGNAL) > 0, "send");
        check(fake_hub_wait(hub, FAKE_HUB, NULL, 1, 5000), "%s: no request", lines[i]);
        double start = now();
        fake_hub_stop(&hub);
        check(now() - start < 1, "%s: %.2f s", lines[i], now() - start);
        close(fd);
    }
}

/* --- limits and log -------------------------------------------------------------------------- */
CHECK_TEST(fake_server, limits_are_enforced_when_asked_for) /* hub 11 */
{
    fake_hub *hub = fix_start(&(fake_hub_options){.api_limit = 3, .window = 1, .whoami_limit = 1});
    fix_repo(hub);
    fake_hub_token(hub, &(fake_token){.token = "t"});
    static const char *const left[] = {
        "\"api\";r=2;t=", "\"api\";r=1;t=", "\"api\";r=0;t=", "\"api\";r=0;t="};
    for (int i = 0; i < 4; i++) {
        ask_reply r = fix_get(hub, "/api/models/ns/repo", NULL);
        check(r.status == (i < 3 ? 200 : 429), "%d: %d", i, r.status);
        check(fix_starts(ask_field(&r, "RateLimit"), left[i]), "%s", ask_field(&r, "RateLimit"));
        fix_has(&r, "RateLimit-Policy", "\"fixed window\";\"api\";q=3;w=1");
        ask_free(&r);
    }
    ask_reply r = fix_get(hub, "/ns/repo/resolve/main/config.json", NULL);
    check(r.status == 307 && fix_starts(ask_field(&r, "RateLimit"), "\"resolvers\";r=2999;"), "%s",
          r.head);
    ask_free(&r);
    for (int i = 0; i < 2; i++) {
        r = fix_get(hub, "/api/whoami-v2", "t");
        check(r.status == (i ? 429 : 200), "whoami %d: %d", i, r.status);
        ask_free(&r);
    }
    double start = now();
    int status = 429;
    while (status == 429 && now() - start < 5) {
        r = fix_get(hub, "/api/models/ns/repo", NULL);
        status = r.status;
        ask_free(&r);
    }
    check(status == 200 && now() - start < 3, "a new window: %d", status);
    fake_hub_stop(&hub);
}

CHECK_TEST(fake_server, the_log_keeps_every_request)
{
    fake_hub *hub = fix_start(NULL);
    fix_repo(hub);
    fake_hub_token(hub, &(fake_token){.token = "secret"});
    ask_reply r = fix_get(hub, "/ns/repo/resolve/main/m.gguf?download=true", "secret");
    ask_reply body =
        ask("GET", ask_field(&r, "Location"), "Range: bytes=100-299\r\n", NULL, ASK_MS);
    ask_free(&r);
    ask_free(&body);
    fake_request *log;
    check(fake_hub_idle(hub, 5000), "still answering");
    size_t n = fake_hub_log(hub, &log);
    check(n == 2, "%zu", n);
    check(log[0].port == FAKE_HUB && strcmp(log[0].method, "GET") == 0 && log[0].status == 302 &&
              strcmp(log[0].target, "/ns/repo/resolve/main/m.gguf?download=true") == 0 &&
              strcmp(log[0].name, "/ns/repo/resolve/main/m.gguf") == 0 && !log[0].range &&
              strcmp(log[0].authorization, "Bearer secret") == 0 && log[0].connection == 1,
          "%s", log[0].head);
    check(log[1].port == FAKE_CDN && strcmp(log[1].name, "/ns/repo/m.gguf") == 0 &&
              strcmp(log[1].range, "bytes=100-299") == 0 && !log[1].authorization &&
              log[1].status == 206 && log[1].offset == 100 && log[1].body == 200 && !log[1].cut &&
              log[1].ended >= log[1].at && log[1].at >= log[0].at && log[1].connection == 2,
          "%s", log[1].head);
    check(strstr(fake_hub_origin(hub, FAKE_CDN), log[1].host), "%s", log[1].host);
    fake_hub_log_free(log, n);
    check(fake_hub_bytes(hub, FAKE_CDN, "*.gguf") == 200, "bytes");
    check(fake_hub_count(hub, FAKE_PORTS, NULL, NULL) == 2, "count");
    check(!fake_hub_wait(hub, FAKE_HUB, "*", 2, 20), "there is one");
    fake_hub_log_clear(hub);
    check(fake_hub_log(hub, &log) == 0 && fake_hub_count(hub, FAKE_PORTS, NULL, NULL) == 0,
          "clear");
    fake_hub_log_free(log, 0);
    fake_hub_stop(&hub);
}

/* --- proxy ----------------------------------------------------------------------------------- */
static ask_reply through_proxy(fake_hub *hub, const char *line, const char *rest)
{
    char text[1024];
    snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: x\r\n%s\r\n", line, rest);
    return ask_raw(fake_hub_origin(hub, FAKE_PROXY), text, strlen(text), ASK_MS);
}

CHECK_TEST(fake_server, the_proxy_reaches_loopback_only) /* hub 24 */
{
    fake_hub *hub = fix_start(&(fake_hub_options){.proxy = true});
    fix_repo(hub);
    char line[256];
    unsigned port = 0;
    sscanf(fake_hub_origin(hub, FAKE_HUB), "http://127.0.0.1:%u", &port);
    snprintf(line, sizeof line, "GET http://hub.test:%u/api/models/ns/repo", port);
    ask_reply r = through_proxy(hub, line, "Proxy-Authorization: Basic eA==\r\n");
    check(r.status == 200 && strstr(r.body, "\"ns/repo\""), "%d", r.status);
    ask_free(&r);
    snprintf(line, sizeof line, "CONNECT localhost:%u", port);
    r = through_proxy(hub, line,
                      "\r\nGET /api/models/ns/repo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    check(r.status == 200 && strstr(r.body, "\"ns/repo\""), "%d %s", r.status, r.body);
    ask_free(&r);
    static const char *const refused[] = {"GET http://192.0.2.1/x", "CONNECT example.com:443",
                                          "GET /api/models", "CONNECT localhost:99999"};
    for (size_t i = 0; i < countof(refused); i++) {
        r = through_proxy(hub, refused[i], "");
        check(r.status == 403 || r.status == 400, "%s: %d", refused[i], r.status);
        ask_free(&r);
    }
    fix_fault(hub, "CONNECT proxy:* status=407 header=Proxy-Authenticate:Basic");
    r = through_proxy(hub, "CONNECT localhost:1", "");
    check(r.status == 407, "%d", r.status);
    fix_has(&r, "Proxy-Authenticate", "Basic");
    ask_free(&r);
    check(fake_hub_count(hub, FAKE_PROXY, "CONNECT", NULL) == 4, "CONNECT");
    fake_request *log;
    size_t n = fake_hub_log(hub, &log);
    check(n > 1 && log[0].port == FAKE_PROXY && strstr(log[0].head, "Proxy-Authorization") &&
              log[1].port == FAKE_HUB && !strstr(log[1].head, "Proxy-Authorization") &&
              strcmp(log[1].host, "x") == 0,
          "%s", log[1].head);
    fake_hub_log_free(log, n);
    fake_hub_stop(&hub);
}
