/* Servers that mean harm: where the token goes (reliability A22), what never ends (A23). */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/config.h"
#include "tests/check.h"
#include "tests/net_rig.h"
#include "tests/util.h"

/* --- A22 ------------------------------------------------------------------------------------- */
typedef struct shape {
    const char *to;    /* Location; {hub}, {cdn}; {port} = the Hub's port */
    const char *extra; /* a further fault */
    fake_port port;    /* that is asked second; FAKE_PORTS = nobody */
    bool token, ok;    /* sent there; the call succeeds */
    size_t hops;       /* requests in all */
} shape;

/* Two or more requests: the last one's Authorization is what counts. */
static const shape shapes[] = {
    {"/api/models/ns/two", NULL, FAKE_HUB, true, true, 2},
    {"{hub}/api/models/ns/two?x=%22y%22", NULL, FAKE_HUB, true, true, 2},
    {"//127.0.0.1:{port}/api/models/ns/two", NULL, FAKE_HUB, true, true, 2},
    {"{cdn}/x", NULL, FAKE_CDN, false, false, 2},
    {"http://localhost:{port}/api/models/ns/two", NULL, FAKE_HUB, false, true, 2},
    {"http://LOCALHOST:{port}/api/models/ns/two", NULL, FAKE_HUB, false, true, 2},
    {"http://127.1:{port}/api/models/ns/two", NULL, FAKE_HUB, false, true, 2},
    {"http://localhost:{port}/api/models/ns/back",
     "GET hub:*/back redirect={hub}/api/models/ns/two", FAKE_HUB, false, true, 3},
    {"{cdn}/back", "GET cdn:*back redirect={hub}/api/models/ns/two", FAKE_HUB, false, true, 3},
    {"http://127.0.0.1:{port}@localhost:{port}/api/models/ns/two", NULL, FAKE_PORTS, false, false,
     1},
    {"http://u:p@127.0.0.1:{port}/api/models/ns/two", NULL, FAKE_PORTS, false, false, 1},
    {"http://127.0.0.1:{port}\\\\@localhost:{port}/api/models/ns/two", NULL, FAKE_PORTS, false,
     false, 1},
    {"ftp://127.0.0.1:{port}/x", NULL, FAKE_PORTS, false, false, 1},
    {"gopher://127.0.0.1:{port}/x", NULL, FAKE_PORTS, false, false, 1},
};

static void add_fault(net_rig *rig, const shape *s, int status)
{
    char line[512] = "GET hub:*/api/models/ns/repo #1 redirect=\"";
    const char *port = strrchr(fake_hub_origin(rig->hub, FAKE_HUB), ':') + 1;
    for (const char *p = s->to; *p;) {
        bool hole = strncmp(p, "{port}", 6) == 0;
        size_t n = strlen(line);
        snprintf(line + n, sizeof line - n, "%.*s", hole ? 5 : 1, hole ? port : p);
        p += hole ? 6 : 1;
    }
    size_t n = strlen(line);
    snprintf(line + n, sizeof line - n, "\" status=%d", status);
    fake_hub_faults_clear(rig->hub);
    fake_hub_log_clear(rig->hub);
    if (s->extra)
        fix_fault(rig->hub, s->extra);
    fix_fault(rig->hub, line);
}

static void try_shape(net_rig *rig, size_t i, int status)
{
    const shape *s = &shapes[i];
    const dl_request rq = {.url = "/api/models/ns/repo",
                           .follow = DL_FOLLOW_ALL,
                           .body_max = 1 << 20,
                           .subject = "ns/repo"};
    dl_reply r;
    nb_err err = {0};
    add_fault(rig, s, status);
    nb_status got = dl_call(rig->net, &rq, &r, NULL, &err);
    check((got == NB_OK) == s->ok, "shape %zu: %s", i, err.msg);
    check(!strstr(err.msg, RIG_TOKEN) && !strstr(err.msg, "u:p"), "shape %zu: %s", i, err.msg);
    fake_request *log;
    size_t n = fake_hub_log(rig->hub, &log);
    check(n == s->hops || (s->port == FAKE_PORTS && n >= 1), "shape %zu: %zu requests", i, n);
    check(log[0].authorization, "shape %zu: the endpoint got its token", i);
    for (size_t k = 1; k < n; k++) {
        check(!s->token || log[k].authorization, "shape %zu: token lost", i);
        check(s->token || !log[k].authorization, "shape %zu: request %zu to %s: %s", i, k,
              log[k].host, log[k].authorization);
    }
    check(n == 1 || log[n - 1].port == s->port, "shape %zu: asked port %d", i, log[n - 1].port);
    fake_hub_log_free(log, n);
    check(rig_unmentioned(rig, FAKE_CDN, RIG_TOKEN), "shape %zu: the storage saw the token", i);
    dl_reply_free(&r);
}

CHECK_TEST(net_safety, the_token_follows_no_redirect_out_A22)
{
    net_rig rig = rig_up(NULL, NULL);
    const char *home = test_tmpdir();
    char *saved = getenv("HOME") ? strdup(getenv("HOME")) : NULL;
    static const char netrc[] = "machine 127.0.0.1 login evil password evil\n"
                                "machine localhost login evil password evil\n"
                                "default login evil password evil\n";
    test_spit(test_path(home, ".netrc"), netrc, sizeof netrc - 1);
    setenv("HOME", home, 1);
    fake_hub_add(rig.hub, &(fake_repo_info){.id = "ns/two"});
    static const int status[] = {301, 302, 303, 307, 308};
    for (size_t i = 0; i < countof(shapes); i++)
        for (size_t k = 0; k < (i < 4 ? countof(status) : 1); k++)
            try_shape(&rig, i, status[i < 4 ? k : i % countof(status)]);
    check(rig_unmentioned(&rig, FAKE_HUB, "Basic"), ".netrc was used");
    check(rig_unmentioned(&rig, FAKE_CDN, "Basic"), ".netrc was used");
    if (saved)
        setenv("HOME", saved, 1);
    else
        unsetenv("HOME");
    free(saved);
    rig_down(&rig);
}

/* A stream, as transfers use it, whose address is already the storage's. */
CHECK_TEST(net_safety, the_storage_never_gets_the_token_A22)
{
    net_rig rig = rig_up(NULL, NULL);
    rig_stream s = {0};
    rig_stream_start(&rig, &s,
                     &(dl_request){.url = "/ns/repo/resolve/main/m.gguf", .follow = DL_FOLLOW_ALL});
    rig_stream_wait(&s);
    check(s.end == NB_OK && s.bytes == FIX_BYTES, "%s", s.err.msg);
    rig_stream_free(&s);
    check(fake_hub_count(rig.hub, FAKE_CDN, "GET", NULL) == 1, "the storage was asked");
    check(rig_unmentioned(&rig, FAKE_CDN, "Authorization"), "by nobody");
    check(rig_logged(&rig, FAKE_HUB, 0).authorization, "the Hub was told who asks");
    rig_down(&rig);
}

/* Proxies and debugging servers send back what they were sent, and messages are shown and logged.
 */
CHECK_TEST(net_safety, a_token_that_comes_back_is_hidden_A22)
{
    static const char *const faults[] = {
        "status=403 header=\"X-Error-Message:who is " RIG_TOKEN "?\"",
        "status=403 body=\"Authorization: Bearer " RIG_TOKEN "\"",
        "status=403 body=\"{\\\"error\\\":\\\"no " RIG_TOKEN " no " RIG_TOKEN "\\\"}\"",
        "status=403 body=\"<html><title>" RIG_TOKEN "</title>\"",
        "status=403 header=\"X-Request-Id:" RIG_TOKEN "\"",
        "redirect=file:///x/" RIG_TOKEN,
        "redirect=/x/" RIG_TOKEN " loop",
        "header=\"X-HF-Warning:odd; you sent " RIG_TOKEN "\" status=400",
    };
    net_rig rig = rig_up(NULL, NULL);
    const size_t n = countof(faults);
    for (size_t i = 0; i < n + 200; i++) { /* and wherever the message is cut */
        char line[700], filler[220] = "";
        dl_reply r;
        nb_err err;
        dl_net_view v;
        if (i >= n)
            snprintf(line, sizeof line, "GET hub:* status=403 body=\"%s%s\"",
                     (char *)memset(filler, 'x', i - n), RIG_TOKEN);
        else
            snprintf(line, sizeof line, "GET hub:* %s", faults[i]);
        fake_hub_faults_clear(rig.hub);
        fix_fault(rig.hub, line);
        check(rig_get(&rig, "/api/models/ns/repo", &r, &err) != NB_OK, "%s", line);
        dl_net_look(rig.net, &v);
        check(!strstr(err.msg, "TheSecret") && !strstr(v.warning, "TheSecret"), "%s: %s: %s", line,
              err.msg, v.warning);
        check(i >= 4 || strstr(err.msg, "**********"), "%s: %s", line, err.msg);
        dl_reply_free(&r);
    }
    rig_down(&rig);
}

CHECK_TEST(net_safety, redirects_end_hub_13)
{
    net_rig rig = rig_up(NULL, NULL);
    dl_reply r;
    nb_err err;
    char line[96];
    for (int i = 0; i < 12; i++) {
        snprintf(line, sizeof line, "GET hub:/hop/%d redirect=/hop/%d", i, i + 1);
        fix_fault(rig.hub, line);
    }
    check(rig_get(&rig, "/hop/0", &r, &err) == NB_NETWORK && r.trouble == DL_REDIRECTS &&
              strstr(err.msg, "10 redirects"),
          "%s", err.msg);
    dl_reply_free(&r);
    check(fake_hub_count(rig.hub, FAKE_HUB, NULL, NULL) == 11, "%zu requests",
          fake_hub_count(rig.hub, FAKE_HUB, NULL, NULL));
    fake_hub_log_clear(rig.hub);
    check(rig_get(&rig, "/hop/3", &r, &err) == NB_NOTFOUND, "nine are followed: %s", err.msg);
    dl_reply_free(&r);
    fix_fault(rig.hub, "GET hub:/ping redirect=/pong");
    fix_fault(rig.hub, "GET hub:/pong redirect=/ping");
    check(rig_get(&rig, "/ping", &r, &err) == NB_NETWORK && r.trouble == DL_REDIRECTS, "%s",
          err.msg);
    dl_reply_free(&r);
    rig_down(&rig);
}

/* --- A23 ------------------------------------------------------------------------------------- */
/* A server without end: sends `first`, then `again` for ever, until the client has enough. */
typedef struct flood {
    int listener;
    char origin[64];
    const char *first, *again;
    uint64_t sent;
    pthread_t thread;
} flood;

static void *flood_main(void *ud)
{
    flood *f = ud;
    char ask[4096];
    int fd = accept(f->listener, NULL, NULL);
    if (fd < 0)
        return NULL;
    ssize_t n = recv(fd, ask, sizeof ask, 0);
    const char *text = f->first;
    while (n > 0 && (n = send(fd, text, strlen(text), MSG_NOSIGNAL)) > 0) {
        f->sent += (uint64_t)n;
        text = f->again;
    }
    close(fd);
    return NULL;
}

static void flood_start(flood *f, const char *first, const char *again)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *f = (flood){.first = first, .again = again};
    f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(bind(f->listener, (struct sockaddr *)&at, len) == 0 && listen(f->listener, 1) == 0 &&
              getsockname(f->listener, (struct sockaddr *)&at, &len) == 0,
          "no socket");
    snprintf(f->origin, sizeof f->origin, "http://127.0.0.1:%d/", ntohs(at.sin_port));
    check(pthread_create(&f->thread, NULL, flood_main, f) == 0, "no thread");
}

static uint64_t flood_end(flood *f)
{
    pthread_join(f->thread, NULL);
    close(f->listener);
    return f->sent;
}

CHECK_TEST(net_safety, what_never_ends_is_cut_A23)
{
    static const struct {
        const char *first, *again;
        dl_trouble trouble;
        nb_status status;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\n", "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
         DL_TOO_BIG, NB_REFUSED},
        {"HTTP/1.1 200 OK\r\nX-Filler: ", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         DL_TOO_BIG, NB_REFUSED},
        {"HTTP/1.1 103 Early Hints\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n",
         DL_TOO_BIG, NB_REFUSED},
        {"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[", "{\"id\":\"a/b\"},",
         DL_TOO_BIG, NB_REFUSED},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "8\r\n[[[[[[[[\r\n", DL_TOO_BIG,
         NB_REFUSED},
        {"HTTP/1.1 400 Bad\r\n\r\n", "no no no no no no no no no no no ", DL_BAD_REQUEST,
         NB_NETWORK},
        {"HTTP/1.1 302 Found\r\nLocation: file:///x\r\n\r\n", "elsewhere elsewhere elsewhere ",
         DL_BAD_REPLY, NB_NETWORK},
    };
    net_rig rig = rig_up(NULL, NULL);
    test_rss_peak(1);
    uint64_t before = nb_rss();
    for (size_t i = 0; i < countof(rows); i++) {
        flood f;
        dl_reply r;
        nb_err err = {0};
        flood_start(&f, rows[i].first, rows[i].again);
        nb_hub_env env = rig_env(rig.hub);
        snprintf(env.endpoint, sizeof env.endpoint, "%.*s", (int)strlen(f.origin) - 1, f.origin);
        rig_again(&rig, &env);
        nb_status status = rig_get(&rig, "/x", &r, &err);
        check(status == rows[i].status && r.trouble == rows[i].trouble, "row %zu: %s: %s", i,
              dl_trouble_name(r.trouble), err.msg);
        check(r.body.len <= DL_ERROR_BODY, "row %zu: %zu bytes kept", i, r.body.len);
        dl_reply_free(&r);
        dl_net_close(&rig.net);
        uint64_t sent = flood_end(&f);
        check(sent < 16 << 20, "row %zu: %llu bytes were taken", i, (unsigned long long)sent);
    }
    uint64_t most = test_rss_peak(0);
    check(most == 0 || most < before + (64 << 20), "%llu MiB grew",
          (unsigned long long)(most - before) >> 20);
    rig_down(&rig);
}

/* The length is announced: nothing of it is read. */
CHECK_TEST(net_safety, an_announced_giant_is_refused_at_once_A23)
{
    net_rig rig = rig_up(NULL, NULL);
    const dl_request rq = {.url = "/ns/repo/resolve/main/big.gguf",
                           .follow = DL_FOLLOW_ALL,
                           .body_max = 1 << 20,
                           .subject = "ns/repo"};
    dl_reply r;
    nb_err err = {0};
    const fake_file big = {.path = "big.gguf",
                           .size = 100 << 20,
                           .sha256 = "0123456789abcdef0123456789abcdef"
                                     "0123456789abcdef0123456789abcdef"};
    check(fake_repo_file(rig.repo, &big, NULL) == NB_OK, "no file");
    check(dl_call(rig.net, &rq, &r, NULL, &err) == NB_REFUSED && r.trouble == DL_TOO_BIG, "%s",
          err.msg);
    check(strstr(err.msg, "104857600") && strstr(err.msg, "1048576"), "both numbers: %s", err.msg);
    dl_net_view v;
    dl_net_look(rig.net, &v);
    check(v.received < 8192, "%llu bytes were read", (unsigned long long)v.received);
    dl_reply_free(&r);
    rig_down(&rig);
}
