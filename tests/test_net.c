/* Blocking calls over the fake Hub: replies, redirects, errors, waits, limits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/config.h"
#include "tests/check.h"
#include "tests/net_rig.h"
#include "tests/util.h"

/* --- good replies ---------------------------------------------------------------------------- */
CHECK_TEST(net, a_call_brings_status_headers_and_body)
{
    net_rig rig = rig_up(NULL, NULL);
    dl_reply r;
    nb_err err;
    check(rig_get(&rig, "/api/models/ns/repo", &r, &err) == NB_OK, "%s", err.msg);
    check(r.status == 200 && r.trouble == DL_OK && r.body.len == r.length, "%d, %zu of %llu",
          r.status, r.body.len, (unsigned long long)r.length);
    check(strstr(r.body.at, "\"id\":\"ns/repo\""), "%s", r.body.at);
    check(strcmp(r.type, "application/json") == 0 && *r.request_id, "%s", r.type);
    check(r.retry_after < 0, "a limit far away is no wait: %g", r.retry_after);
    fake_request q = rig_logged(&rig, FAKE_HUB, 0);
    check(strcmp(q.authorization, "Bearer " RIG_TOKEN) == 0, "%s", q.authorization);
    check(strstr(q.head, "Accept-Encoding: identity\r\n"), "%s", q.head);
    check(strstr(q.head, "User-Agent: nibble/"), "%s", q.head);
    check(!strstr(q.head, "Expect:") && !strstr(q.head, "Range:"), "%s", q.head);
    dl_net_view v;
    dl_net_look(rig.net, &v);
    check(v.requests == 1 && v.received == r.body.len && v.active == 0 && v.hold == 0, "figures");
    dl_reply_free(&r);
    rig_down(&rig);
}

CHECK_TEST(net, head_and_post_are_what_they_say)
{
    net_rig rig = rig_up(NULL, NULL);
    dl_reply r;
    nb_err err = {0};
    dl_request rq = {.method = DL_HEAD, .url = "/ns/repo/resolve/main/config.json"};
    check(dl_call(rig.net, &rq, &r, NULL, &err) == NB_OK, "%s", err.msg);
    check(r.status == 200 && r.body.len == 0 && r.has_size && r.size == 22, "%d", r.status);
    dl_reply_free(&r);
    rq = (dl_request){.method = DL_POST,
                      .url = "/api/models/ns/repo/paths-info/main",
                      .form = "paths=config.json&paths=none&expand=false",
                      .body_max = 1 << 20};
    check(dl_call(rig.net, &rq, &r, NULL, &err) == NB_OK, "%s", err.msg);
    check(r.status == 200 && strstr(r.body.at, "\"path\":\"config.json\""), "%s", r.body.at);
    check(strcmp(rig_logged(&rig, FAKE_HUB, 2).method, "POST") == 0, "method");
    dl_reply_free(&r);
    rq = (dl_request){.url = "/api/models/ns/repo", .body_max = 0};
    check(dl_call(rig.net, &rq, &r, NULL, &err) == NB_OK && r.body.len == 0, "no body wanted: %s",
          err.msg);
    dl_reply_free(&r);
    rig_down(&rig);
}

/* The metadata of a file lies on the first redirect that leaves the Hub (hub.md 1.4). */
CHECK_TEST(net, resolving_stops_where_the_hub_ends)
{
    net_rig rig = rig_up(NULL, NULL);
    dl_reply r;
    nb_err err;
    char sha256[65];
    check(fake_repo_sha256(rig.repo, "m.gguf", sha256), "no file");
    dl_request rq = {.method = DL_HEAD, .url = "/ns/repo/resolve/main/m.gguf"};
    check(dl_call(rig.net, &rq, &r, NULL, &err) == NB_OK, "%s", err.msg);
    check(r.status == 302 && fix_starts(r.location, fake_hub_origin(rig.hub, FAKE_CDN)), "%d %s",
          r.status, r.location);
    check(strcmp(r.etag, sha256) == 0 && r.linked_etag, "%s", r.etag);
    check(r.linked_size && r.size == FIX_BYTES, "%llu", (unsigned long long)r.size);
    check(strcmp(r.commit, fake_repo_head(rig.repo)) == 0, "%s", r.commit);
    check(fake_hub_count(rig.hub, FAKE_CDN, NULL, NULL) == 0, "the storage was not asked");
    dl_reply_free(&r);
    rq = (dl_request){.url = "/ns/repo/resolve/main/m.gguf",
                      .follow = DL_FOLLOW_ALL,
                      .ranged = true,
                      .first = 4999000,
                      .last = 4999999,
                      .body_max = 1000};
    check(dl_call(rig.net, &rq, &r, NULL, &err) == NB_OK, "%s", err.msg);
    check(r.status == 206 && r.has_range && r.first == 4999000 && r.last == 4999999 &&
              r.total == FIX_BYTES && r.body.len == 1000,
          "%d, %zu bytes", r.status, r.body.len);
    uint8_t want[1000];
    fake_noise(FIX_SEED, 4999000, want, sizeof want);
    check(memcmp(r.body.at, want, sizeof want) == 0, "other bytes");
    dl_reply_free(&r);
    rig_down(&rig);
}

CHECK_TEST(net, a_relative_redirect_keeps_its_query_hub_13)
{
    net_rig rig = rig_up(NULL, NULL);
    dl_reply r;
    nb_err err;
    check(rig_get(&rig, "/ns/repo/resolve/main/config.json", &r, &err) == NB_OK, "%s", err.msg);
    check(r.status == 200 && strcmp(nb_str_c(&r.body), "{\"model_type\":\"llama\"}") == 0, "%s",
          nb_str_c(&r.body));
    fake_request q = rig_logged(&rig, FAKE_HUB, 1);
    check(strstr(q.target, "?%2Fns%2Frepo%2Fresolve%2Fmain%2Fconfig.json=&etag=%22"), "%s",
          q.target);
    check(q.authorization != NULL, "within the Hub the token goes along");
    dl_reply_free(&r);
    rig_down(&rig);
}

CHECK_TEST(net, a_mirror_lives_below_a_prefix_hub_24)
{
    const fake_hub_options opt = {
        .prefix = "/mirror", .list_page = 1, .link_origin = "https://huggingface.co"};
    net_rig rig = rig_up(NULL, &opt);
    dl_reply r;
    nb_err err;
    char next[DL_URL_MAX];
    fake_hub_add(rig.hub, &(fake_repo_info){.id = "ns/second"});
    check(rig_get(&rig, "/api/models?filter=gguf", &r, &err) == NB_OK, "%s", err.msg);
    dl_reply_free(&r);
    check(rig_get(&rig, "/api/models?limit=1", &r, &err) == NB_OK && *r.next, "%s", err.msg);
    check(fix_starts(r.next, fake_hub_origin(rig.hub, FAKE_HUB)), "%s", r.next);
    memcpy(next, r.next, sizeof next);
    dl_reply_free(&r);
    check(rig_get(&rig, next, &r, &err) == NB_OK && r.body.len > 2, "%s", err.msg);
    dl_reply_free(&r);
    rig_down(&rig);
}

/* --- what is refused ------------------------------------------------------------------------- */
CHECK_TEST(net, offline_asks_nobody_hub_24)
{
    net_rig rig = rig_up(NULL, NULL);
    nb_hub_env env = rig_env(rig.hub);
    dl_reply r;
    nb_err err;
    env.offline = true;
    rig_again(&rig, &env);
    check(dl_net_offline(rig.net), "told");
    check(rig_get(&rig, "/api/models", &r, &err) == NB_NETWORK && r.trouble == DL_OFFLINE_MODE &&
              strstr(err.msg, "offline"),
          "%s", err.msg);
    dl_reply_free(&r);
    dl_stream *s;
    check(dl_stream_start(&s, rig.net, &(dl_request){.url = "/x"}, &(dl_sink){0}, &err) ==
              NB_NETWORK,
          "streams too");
    check(fake_hub_connections(rig.hub) == 0, "no connection");
    rig_down(&rig);
}

static const struct {
    const char *path, *fault;
    bool token;
    dl_trouble trouble;
    nb_status status;
    const char *says[2];
} refusals[] = {
    {"/ns/gated/resolve/main/a", NULL, false, DL_GATED_LOGIN, NB_DENIED, {"gated", "no token"}},
    {"/ns/gated/resolve/main/a",
     NULL,
     true,
     DL_GATED_PENDING,
     NB_DENIED,
     {"not granted", "token from HF_TOKEN"}},
    {"/api/models/ns/none",
     NULL,
     false,
     DL_PRIVATE_OR_NONE,
     NB_NOTFOUND,
     {"private", "no token was sent"}},
    {"/api/models/ns/none", NULL, true, DL_NO_REPO, NB_NOTFOUND, {"no such repository", ""}},
    {"/api/models/ns/repo/revision/none",
     NULL,
     true,
     DL_NO_REVISION,
     NB_NOTFOUND,
     {"no such revision", ""}},
    {"/ns/repo/resolve/main/none", NULL, true, DL_NO_FILE, NB_NOTFOUND, {"no such file", ""}},
    {"/api/models/ns/repo",
     "status=403 header=\"X-Error-Message:Access to this resource is disabled.\"",
     true,
     DL_DISABLED,
     NB_DENIED,
     {"disabled", ""}},
    {"/api/models/ns/repo",
     "status=403",
     true,
     DL_FORBIDDEN,
     NB_DENIED,
     {"permission", "token from HF_TOKEN"}},
    {"/api/models/ns/repo",
     "status=400 body=\"{\\\"error\\\":\\\"bad limit\\\"}\"",
     true,
     DL_BAD_REQUEST,
     NB_NETWORK,
     {"HTTP 400", "bad limit"}},
    {"/api/models/ns/repo",
     "status=400 body=\"{\\\"error\\\":[\\\"first\\\",\\\"x\\\"]}\"",
     true,
     DL_BAD_REQUEST,
     NB_NETWORK,
     {"HTTP 400", "first"}},
    {"/api/models/ns/repo",
     "status=400 body=\"{\\\"errors\\\":[{\\\"message\\\":\\\"in a list\\\"}]}\"",
     true,
     DL_BAD_REQUEST,
     NB_NETWORK,
     {"HTTP 400", "in a list"}},
    {"/api/models/ns/repo",
     "status=404 body=gone",
     true,
     DL_NO_REPO,
     NB_NOTFOUND,
     {"HTTP 404", "gone"}},
    {"/api/models/ns/repo", "status=410", true, DL_BAD_REQUEST, NB_NETWORK, {"HTTP 410", ""}},
    {"/api/models/ns/repo", "status=416", true, DL_BAD_REQUEST, NB_NETWORK, {"HTTP 416", ""}},
    {"/api/models/ns/repo", "status=451", true, DL_SERVER, NB_NETWORK, {"HTTP 451", ""}},
    {"/api/models/ns/repo", "gzip", true, DL_BAD_REPLY, NB_NETWORK, {"compressed", ""}},
    {"/api/models/ns/repo", "status=302 body=x", true, DL_BAD_REPLY, NB_NETWORK, {"redirect", ""}},
    {"/api/models/ns/repo", "body=\"\" status=304", true, DL_BAD_REPLY, NB_NETWORK, {"304", ""}},
    {"/api/models/ns/repo",
     "redirect=file:///etc/passwd",
     true,
     DL_BAD_REPLY,
     NB_NETWORK,
     {"redirect", ""}},
    {"/api/models/ns/repo", "loop", true, DL_REDIRECTS, NB_NETWORK, {"itself", ""}},
};

/* Each row of hub.md 1.5 has its own words and class; the token's source is named where it
 * matters. */
CHECK_TEST(net, each_refusal_has_its_own_words_hub_20)
{
    net_rig rig = rig_up(NULL, NULL);
    fake_repo *gated =
        fake_hub_add(rig.hub, &(fake_repo_info){.id = "ns/gated", .gated = FAKE_GATED_MANUAL});
    fake_repo_text(gated, "a", "secret");
    for (size_t i = 0; i < countof(refusals); i++) {
        nb_hub_env env = rig_env(rig.hub);
        dl_reply r;
        nb_err err;
        char line[256];
        if (!refusals[i].token)
            env.token[0] = '\0';
        rig_again(&rig, &env);
        fake_hub_faults_clear(rig.hub);
        fake_hub_log_clear(rig.hub);
        snprintf(line, sizeof line, "GET hub:* %s", refusals[i].fault ? refusals[i].fault : "");
        if (refusals[i].fault)
            fix_fault(rig.hub, line);
        check(rig_get(&rig, refusals[i].path, &r, &err) == refusals[i].status, "row %zu: %d %s", i,
              r.status, err.msg);
        check(r.trouble == refusals[i].trouble, "row %zu: %s: %s", i, dl_trouble_name(r.trouble),
              err.msg);
        check(fix_starts(err.msg, "ns/repo: "), "row %zu: %s", i, err.msg);
        for (int k = 0; k < 2; k++)
            check(strstr(err.msg, refusals[i].says[k]), "row %zu: %s", i, err.msg);
        check(!strstr(err.msg, RIG_TOKEN), "row %zu: %s", i, err.msg);
        check(!r.sent || r.status < 400 || strstr(err.msg, "request Root=1-"), "row %zu: %s", i,
              err.msg);
        check(fake_hub_count(rig.hub, FAKE_HUB, NULL, NULL) == 1, "row %zu: asked again", i);
        dl_reply_free(&r);
    }
    rig_down(&rig);
}

CHECK_TEST(net, a_refused_token_is_named_hub_20)
{
    net_rig rig = rig_up(NULL, NULL);
    dl_reply r;
    nb_err err;
    dl_net_token(rig.net, "hf_Wrong", "/home/u/token");
    check(rig_get(&rig, "/api/models/ns/repo", &r, &err) == NB_DENIED && r.trouble == DL_BAD_TOKEN,
          "%s", err.msg);
    check(strstr(err.msg, "token from /home/u/token") && !strstr(err.msg, "hf_Wrong"), "%s",
          err.msg);
    dl_reply_free(&r);
    fix_fault(rig.hub, "GET hub:*/whoami-v2 status=401 body=\"{\\\"error\\\":\\\"no\\\"}\"");
    dl_net_token(rig.net, RIG_TOKEN, "HF_TOKEN");
    check(rig_get(&rig, "/api/whoami-v2", &r, &err) == NB_DENIED && r.trouble == DL_BAD_TOKEN, "%s",
          err.msg);
    dl_reply_free(&r);
    check(rig_get(&rig, "/api/models/ns/repo", &r, &err) == NB_OK, "the new token is sent: %s",
          err.msg);
    dl_reply_free(&r);
    dl_net_token(rig.net, "", "");
    check(rig_get(&rig, "/api/models/ns/repo", &r, &err) == NB_OK, "%s", err.msg);
    dl_reply_free(&r);
    check(!rig_logged(&rig, FAKE_HUB, 3).authorization, "no token, none sent");
    rig_down(&rig);
}

/* hub 14, 22: the storage's own words, made safe. */
CHECK_TEST(net, the_storage_s_words_are_shown_safely_hub_22)
{
    net_rig rig = rig_up(NULL, NULL);
    dl_reply r;
    nb_err err;
    const dl_request rq = {
        .url = "/ns/repo/resolve/main/m.gguf", .follow = DL_FOLLOW_ALL, .body_max = 1 << 20};
    fix_fault(rig.hub, "GET cdn:* status=403 body=\"<?xml?><Error><Code>AccessDenied</Code>"
                       "<Message>Request has \\x1b]52;c;x\\x07expired</Message></Error>\"");
    check(dl_call(rig.net, &rq, &r, NULL, &err) == NB_NETWORK && r.trouble == DL_CDN_REFUSED, "%s",
          err.msg);
    check(strstr(err.msg, "Request has \xe2\x9f\xa8U+001B\xe2\x9f\xa9]52;c;x"), "%s", err.msg);
    check(!strchr(err.msg, '\x1b') && !strchr(err.msg, '\x07'), "a raw control byte");
    check(!strstr(err.msg, "AccessDenied<"), "tags: %s", err.msg);
    dl_reply_free(&r);
    fake_hub_faults_clear(rig.hub);
    fix_fault(rig.hub, "GET cdn:* status=400 body=\"<html><head><title>Too large</title>\"");
    check(dl_call(rig.net, &rq, &r, NULL, &err) == NB_NETWORK && strstr(err.msg, ": Too large"),
          "%s", err.msg);
    dl_reply_free(&r);
    rig_down(&rig);
}

CHECK_TEST(net, warnings_are_shown_once_a_topic)
{
    net_rig rig = rig_up(NULL, NULL);
    dl_reply r;
    nb_err err;
    dl_net_view v;
    fix_fault(rig.hub, "GET hub:* #1 header=\"X-HF-Warning:limits; slow down\"");
    fix_fault(rig.hub, "GET hub:* #2 header=\"X-HF-Warning:api; v1 ends\"");
    fix_fault(rig.hub, "GET hub:* #3 header=\"X-HF-Warning:limits; slow down!\"");
    static const char *const want[] = {"limits; slow down", "api; v1 ends", "api; v1 ends"};
    for (size_t i = 0; i < countof(want); i++) {
        check(rig_get(&rig, "/api/models/ns/repo", &r, &err) == NB_OK, "%s", err.msg);
        dl_reply_free(&r);
        dl_net_look(rig.net, &v);
        check(strcmp(v.warning, want[i]) == 0, "after %zu: %s", i, v.warning);
    }
    check(fake_hub_connections(rig.hub) == 1, "three calls share a connection");
    rig_down(&rig);
}

/* --- proxies --------------------------------------------------------------------------------- */
CHECK_TEST(net, proxies_are_used_as_told_hub_24)
{
    net_rig rig = rig_up(NULL, &(fake_hub_options){.proxy = true});
    nb_hub_env env = rig_env(rig.hub);
    dl_reply r;
    nb_err err;
    dl_net_view v;
    snprintf(env.proxy_http, sizeof env.proxy_http, "%s", fake_hub_origin(rig.hub, FAKE_PROXY));
    rig_again(&rig, &env);
    check(rig_get(&rig, "/api/models/ns/repo", &r, &err) == NB_OK, "%s", err.msg);
    dl_reply_free(&r);
    check(fake_hub_count(rig.hub, FAKE_PROXY, "GET", NULL) == 1, "through the proxy");
    dl_net_look(rig.net, &v);
    check(!*v.warning, "%s", v.warning);
    /* a name only the proxy knows, over plain http: the token goes, and we say so (hub.md 5) */
    const char *port = strrchr(fake_hub_origin(rig.hub, FAKE_HUB), ':');
    snprintf(env.endpoint, sizeof env.endpoint, "http://hub.test%s", port);
    rig_again(&rig, &env);
    check(rig_get(&rig, "/api/models/ns/repo", &r, &err) == NB_OK, "%s", err.msg);
    dl_reply_free(&r);
    dl_net_look(rig.net, &v);
    check(strstr(v.warning, "unencrypted to hub.test"), "%s", v.warning);
    snprintf(env.no_proxy, sizeof env.no_proxy, "127.0.0.1, x.test");
    snprintf(env.endpoint, sizeof env.endpoint, "%s", fake_hub_origin(rig.hub, FAKE_HUB));
    rig_again(&rig, &env);
    size_t before = fake_hub_count(rig.hub, FAKE_PROXY, NULL, NULL);
    check(rig_get(&rig, "/api/models/ns/repo", &r, &err) == NB_OK, "%s", err.msg);
    dl_reply_free(&r);
    check(fake_hub_count(rig.hub, FAKE_PROXY, NULL, NULL) == before, "past the proxy");
    env.no_proxy[0] = '\0';
    snprintf(env.proxy_http, sizeof env.proxy_http, "http://u:secret@127.0.0.1:1");
    rig_again(&rig, &env);
    check(rig_get(&rig, "/api/models/ns/repo", &r, &err) == NB_NETWORK &&
              r.trouble == DL_UNREACHABLE && !strstr(err.msg, "secret"),
          "%s", err.msg);
    dl_reply_free(&r);
    rig_down(&rig);
}

/* libcurl must not read the environment behind our back. */
CHECK_TEST(net, the_environment_is_not_read_twice)
{
    static const char *const names[] = {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"};
    char *saved[countof(names)];
    net_rig rig = rig_up(NULL, NULL);
    dl_reply r;
    nb_err err;
    for (size_t i = 0; i < countof(names); i++) {
        const char *v = getenv(names[i]);
        saved[i] = v ? strdup(v) : NULL;
        setenv(names[i], "http://127.0.0.1:1", 1);
    }
    nb_status status = rig_get(&rig, "/api/models/ns/repo", &r, &err);
    for (size_t i = 0; i < countof(names); i++) {
        unsetenv(names[i]);
        if (saved[i])
            setenv(names[i], saved[i], 1);
        free(saved[i]);
    }
    check(status == NB_OK, "%s", err.msg);
    dl_reply_free(&r);
    rig_down(&rig);
}
