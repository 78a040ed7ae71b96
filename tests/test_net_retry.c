/* Calls that wait and try again: rate limits (hub 11), failures (hub 12), cancel and close. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/net_rig.h"

static const double SLACK = .02; /* s two clocks and a scheduler may differ */

/* Seconds between the end of the n-th and the arrival of the next request of the log. */
static double gap(net_rig *rig, size_t n)
{
    double ended = rig_logged(rig, FAKE_HUB, n).ended;
    return rig_logged(rig, FAKE_HUB, n + 1).at - ended;
}

/* --- callers of their own threads, so that waits run side by side --- */
typedef struct caller {
    net_rig own, *rig; /* rig: own, or one shared */
    rig_hooks seen;
    pthread_t thread;
    dl_reply reply;
    nb_status status;
    nb_err err;
    double ended; /* dl_clock */
    unsigned calls;
} caller;

static void *call_once(void *ud)
{
    caller *c = ud;
    nb_hooks hooks = rig_hook(&c->seen);
    const dl_request rq = {.url = "/api/models/ns/repo", .body_max = 1 << 20, .timeout = 2};
    c->status = dl_call(c->rig->net, &rq, &c->reply, &hooks, &c->err);
    c->ended = dl_clock();
    return NULL;
}

static void caller_start(caller *c, void *(*run)(void *))
{
    check(pthread_create(&c->thread, NULL, run, c) == 0, "no thread");
}

/* A Hub of its own with this fault of its first reply, and a call on it that should say so. */
static void caller_up(caller *c, const char *fault, const char *says)
{
    char line[160];
    *c = (caller){.own = rig_up(&(dl_options){.patience = 20}, NULL), .seen = {.want = says}};
    c->rig = &c->own;
    snprintf(line, sizeof line, "GET hub:* #1 %s", fault);
    fix_fault(c->own.hub, line);
    caller_start(c, call_once);
}

static void caller_down(caller *c)
{
    dl_reply_free(&c->reply);
    rig_down(&c->own);
}

/* --- rate limits ----------------------------------------------------------------------------- */
CHECK_TEST(net_retry, a_rate_limit_is_waited_out_hub_11)
{
    static const struct {
        const char *fault;
        double wait, most; /* s */
    } rows[] = {
        {"status=429 header=\"Retry-After:1\" header=RateLimit:", 1, 2.2},
        {"status=429 header=\"RateLimit:\\\"api\\\";r=0;t=2\"", 2, 3.2},
        {"status=429 header=\"Retry-After:2\" header=\"RateLimit:\\\"api\\\";r=0;t=1\"", 2, 3.2},
        {"status=429 header=\"RateLimit:\\\"api\\\";r=7;t=100\"", .5, 2.2},
        {"status=429 header=RateLimit:", .5, 2.2},
    };
    caller c[countof(rows)];
    for (size_t i = 0; i < countof(rows); i++)
        caller_up(&c[i], rows[i].fault, "rate limited, resumes in ");
    for (size_t i = 0; i < countof(rows); i++) {
        pthread_join(c[i].thread, NULL);
        check(c[i].status == NB_OK, "row %zu: %s", i, c[i].err.msg);
        double waited = gap(&c[i].own, 0);
        check(waited >= rows[i].wait - SLACK && waited < rows[i].most, "row %zu: %.3f s", i,
              waited);
        check(*c[i].seen.what, "row %zu: nothing was said", i);
        caller_down(&c[i]);
    }
}

CHECK_TEST(net_retry, a_limit_s_date_is_waited_for_hub_11)
{
    net_rig rig = rig_up(NULL, NULL);
    dl_reply r;
    nb_err err;
    char line[128], date[64];
    time_t when = time(NULL) + 2;
    struct tm tm;
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&when, &tm));
    snprintf(line, sizeof line,
             "GET hub:* #1 status=429 header=\"Retry-After:%s\" header=RateLimit:", date);
    fix_fault(rig.hub, line);
    check(rig_get(&rig, "/api/models/ns/repo", &r, &err) == NB_OK, "%s", err.msg);
    check(time(NULL) >= when, "too early");
    dl_reply_free(&r);
    rig_down(&rig);
}

/* r = 0 on a good reply is no 429 yet. */
CHECK_TEST(net_retry, limits_told_beside_a_good_reply_cause_no_wait_hub_11)
{
    net_rig rig = rig_up(NULL, NULL);
    dl_reply r;
    nb_err err;
    dl_net_view v;
    fix_fault(rig.hub, "GET hub:* header=\"RateLimit:\\\"api\\\";r=0;t=100\"");
    for (int i = 0; i < 3; i++) {
        check(rig_get(&rig, "/api/models/ns/repo", &r, &err) == NB_OK, "%s", err.msg);
        check(r.retry_after == 100, "told: %g", r.retry_after);
        dl_reply_free(&r);
    }
    dl_net_look(rig.net, &v);
    check(v.hold == 0 && gap(&rig, 1) < .3, "held for %g s, %g s apart", v.hold, gap(&rig, 1));
    rig_down(&rig);
}

/* Whoever was refused: nobody asks before the time is over. */
CHECK_TEST(net_retry, all_requests_pause_together_hub_11)
{
    net_rig rig = rig_up(NULL, NULL);
    rig_stream refused = {0}, other = {0}, third = {0};
    dl_net_view v;
    fix_fault(rig.hub, "GET hub:*/config.json #1 status=429 header=\"Retry-After:1\"");
    rig_stream_start(&rig, &refused, &(dl_request){.url = "/ns/repo/resolve/main/config.json"});
    rig_stream_wait(&refused);
    check(refused.end == NB_NETWORK && refused.trouble == DL_RATE_LIMITED, "%s", refused.err.msg);
    check(!refused.headed, "an error is no file");
    dl_net_look(rig.net, &v);
    check(v.hold > .5 && v.hold <= 55, "%g s", v.hold);
    rig_stream_start(&rig, &other, &(dl_request){.url = "/api/models/ns/repo"});
    rig_stream_start(&rig, &third,
                     &(dl_request){.url = "/ns/repo/resolve/main/m.gguf", .follow = DL_FOLLOW_ALL});
    usleep(200000);
    check(fake_hub_count(rig.hub, FAKE_PORTS, NULL, NULL) == 1, "somebody did not wait");
    dl_stream_stop(rig.net, other.s);
    rig_stream_wait(&other);
    check(other.end == NB_CANCELED && other.ended - other.began < .4, "%.3f s",
          other.ended - other.began);
    rig_stream_free(&refused);
    rig_stream_free(&other);
    dl_stream_stop(rig.net, third.s);
    rig_stream_wait(&third);
    rig_stream_free(&third);
    rig_down(&rig);
}

CHECK_TEST(net_retry, an_endless_limit_is_an_error)
{
    net_rig rig = rig_up(NULL, NULL);
    dl_reply r;
    nb_err err;
    fix_fault(rig.hub, "GET hub:* status=429 header=\"Retry-After:3601\"");
    check(rig_get(&rig, "/api/models/ns/repo", &r, &err) == NB_NETWORK &&
              r.trouble == DL_RATE_LIMITED && strstr(err.msg, "HTTP 429"),
          "%s", err.msg);
    check(fake_hub_count(rig.hub, FAKE_HUB, NULL, NULL) == 1, "asked again");
    dl_reply_free(&r);
    rig_down(&rig);
}

/* --- failures -------------------------------------------------------------------------------- */
CHECK_TEST(net_retry, failures_that_pass_are_tried_again_hub_12)
{
    static const char *const faults[] = {
        "status=500", "status=502",       "status=503",     "status=504",    "status=408",
        "rst",        "rst drop_after=9", "drop_after=100", "stall_after=0", "stall_after=50",
    };
    caller c[countof(faults)];
    for (size_t i = 0; i < countof(faults); i++)
        caller_up(&c[i], faults[i], "trying again");
    for (size_t i = 0; i < countof(faults); i++) {
        pthread_join(c[i].thread, NULL);
        const dl_reply *r = &c[i].reply;
        check(c[i].status == NB_OK, "%s: %s", faults[i], c[i].err.msg);
        check(r->body.len == r->length, "%s: %zu of %llu", faults[i], r->body.len,
              (unsigned long long)r->length);
        check(fake_hub_count(c[i].own.hub, FAKE_HUB, NULL, NULL) == 2, "%s", faults[i]);
        double waited = gap(&c[i].own, 0);
        check(waited >= .5 - SLACK && waited < 2.5, "%s: %.3f s", faults[i], waited);
        caller_down(&c[i]);
    }
}

CHECK_TEST(net_retry, waits_grow_and_end_with_the_last_cause_hub_12)
{
    net_rig rig = rig_up(&(dl_options){.patience = 4}, NULL);
    rig_hooks seen = {.want = "server failed, trying again"};
    nb_hooks hooks = rig_hook(&seen);
    const dl_request rq = {.url = "/api/models/ns/repo", .body_max = 1 << 20, .subject = "ns/repo"};
    dl_reply r;
    nb_err err = {0};
    fix_fault(rig.hub, "GET hub:* status=500 body=\"first\"");
    fix_fault(rig.hub, "GET hub:* #2+ status=503 body=\"later\"");
    double began = dl_clock();
    check(dl_call(rig.net, &rq, &r, &hooks, &err) == NB_NETWORK && r.trouble == DL_SERVER, "%s",
          err.msg);
    double took = dl_clock() - began;
    size_t n = fake_hub_count(rig.hub, FAKE_HUB, NULL, NULL);
    check(took < 4.5 && n >= 3 && n <= 4, "%zu requests in %.3f s", n, took);
    check(strstr(err.msg, "HTTP 503") && strstr(err.msg, "later"), "%s", err.msg);
    check(strstr(err.msg, ", tried 3 times") || strstr(err.msg, ", tried 4 times"), "%s", err.msg);
    check(gap(&rig, 0) <= 1.2 && gap(&rig, 1) >= 1 - SLACK, "%.3f s, %.3f s", gap(&rig, 0),
          gap(&rig, 1));
    check(*seen.what, "nothing was said");
    dl_reply_free(&r);
    rig_down(&rig);
}

/* RFC 9110 10.2.3: a 503 may say when to come back. */
CHECK_TEST(net_retry, a_busy_server_s_word_is_kept_hub_12)
{
    static const struct {
        const char *fault;
        double wait, most; /* s */
    } rows[] = {
        {"status=503 header=\"Retry-After:3\"", 3, 4.2},
        {"status=503 header=\"Retry-After:2\" body=\"<h1>maintenance</h1>\"", 2, 3.2},
        {"status=503 header=\"RateLimit:\\\"api\\\";r=0;t=2\"", 2, 3.2},
    };
    caller c[countof(rows)];
    for (size_t i = 0; i < countof(rows); i++)
        caller_up(&c[i], rows[i].fault, "server busy, resumes in ");
    for (size_t i = 0; i < countof(rows); i++) {
        pthread_join(c[i].thread, NULL);
        check(c[i].status == NB_OK, "row %zu: %s", i, c[i].err.msg);
        double waited = gap(&c[i].own, 0);
        check(waited >= rows[i].wait - SLACK && waited < rows[i].most, "row %zu: %.3f s", i,
              waited);
        check(*c[i].seen.what, "row %zu: nothing was said", i);
        caller_down(&c[i]);
    }
}

/* Away for hours: told at once. Busy again and again: eight waits, though none costs patience. */
CHECK_TEST(net_retry, a_busy_server_is_not_waited_for_for_ever_hub_12)
{
    net_rig rig = rig_up(&(dl_options){.patience = 60}, NULL);
    dl_reply r;
    nb_err err;
    fix_fault(rig.hub, "GET hub:* status=503 header=\"Retry-After:3601\"");
    check(rig_get(&rig, "/api/models/ns/repo", &r, &err) == NB_NETWORK && r.trouble == DL_SERVER &&
              strstr(err.msg, "HTTP 503"),
          "%s", err.msg);
    check(fake_hub_count(rig.hub, FAKE_HUB, NULL, NULL) == 1, "asked again");
    dl_reply_free(&r);
    if (!getenv("NB_TEST_LONG")) {
        rig_down(&rig);
        return; /* the rest takes 40 s */
    }
    fake_hub_faults_clear(rig.hub);
    fake_hub_log_clear(rig.hub);
    fix_fault(rig.hub, "GET hub:* status=503 header=\"Retry-After:1\"");
    check(rig_get(&rig, "/api/models/ns/repo", &r, &err) == NB_NETWORK && r.trouble == DL_SERVER,
          "%s", err.msg);
    check(fake_hub_count(rig.hub, FAKE_HUB, NULL, NULL) == 8, "%zu requests",
          fake_hub_count(rig.hub, FAKE_HUB, NULL, NULL));
    dl_reply_free(&r);
    rig_down(&rig);
}

/* Five waits in a row are longer than the patience, each alone is not. */
CHECK_TEST(net_retry, getting_farther_renews_the_patience_hub_12)
{
    if (!getenv("NB_TEST_LONG"))
        check_skip("takes 30 s: set NB_TEST_LONG");
    net_rig farther = rig_up(&(dl_options){.patience = 8.5}, NULL);
    net_rig same = rig_up(&(dl_options){.patience = 8.5}, NULL);
    dl_reply r;
    nb_err err;
    char line[64];
    for (int i = 1; i <= 5; i++) {
        snprintf(line, sizeof line, "GET hub:* #%d drop_after=%d", i, 20 * i);
        fix_fault(farther.hub, line);
        snprintf(line, sizeof line, "GET hub:* #%d drop_after=20", i);
        fix_fault(same.hub, line);
    }
    check(rig_get(&same, "/api/models/ns/repo", &r, &err) == NB_NETWORK, "no end without progress");
    dl_reply_free(&r);
    check(rig_get(&farther, "/api/models/ns/repo", &r, &err) == NB_OK, "%s", err.msg);
    dl_reply_free(&r);
    rig_down(&farther);
    rig_down(&same);
}

CHECK_TEST(net_retry, nobody_there_is_told_soon)
{
    net_rig rig = rig_up(NULL, NULL);
    nb_hub_env env = rig_env(rig.hub);
    dl_reply r;
    nb_err err;
    snprintf(env.endpoint, sizeof env.endpoint, "http://127.0.0.1:1");
    rig_again(&rig, &env);
    double began = dl_clock();
    check(rig_get(&rig, "/api/models", &r, &err) == NB_NETWORK && r.trouble == DL_UNREACHABLE &&
              !r.sent && r.status == 0,
          "%s", err.msg);
    check(strstr(err.msg, "127.0.0.1") && dl_clock() - began < 3.5, "%s after %.3f s", err.msg,
          dl_clock() - began);
    dl_reply_free(&r);
    snprintf(env.endpoint, sizeof env.endpoint, "http://no-such-host.invalid");
    rig_again(&rig, &env);
    check(rig_get(&rig, "/api/models", &r, &err) == NB_NETWORK && r.trouble == DL_UNREACHABLE, "%s",
          err.msg);
    dl_reply_free(&r);
    rig_down(&rig);
}

/* --- cancel and close ------------------------------------------------------------------------ */
/* Cancels at a moment. */
static bool time_is_up(void *ud)
{
    const double *when = ud;
    return dl_clock() >= *when;
}

CHECK_TEST(net_retry, a_call_is_cancelled_within_a_tenth_hub_18)
{
    static const struct {
        const char *fault;
        double after; /* s */
    } rows[] = {
        {"stall_after=0", .2},
        {"stall_after=60", .2},
        {"delay=5000", .2},
        {"status=503", .3},                           /* between two tries */
        {"status=429 header=\"Retry-After:30\"", .3}, /* while all wait */
        {"stall_after=0", 0},                         /* before it began */
    };
    for (size_t i = 0; i < countof(rows); i++) {
        net_rig rig = rig_up(NULL, NULL);
        double when = dl_clock() + rows[i].after;
        const nb_hooks hooks = {NULL, time_is_up, &when};
        const dl_request rq = {.url = "/api/models/ns/repo", .body_max = 1 << 20};
        dl_reply r;
        nb_err err = {0};
        char line[96];
        snprintf(line, sizeof line, "GET hub:* %s", rows[i].fault);
        fix_fault(rig.hub, line);
        check(dl_call(rig.net, &rq, &r, &hooks, &err) == NB_CANCELED, "row %zu: %s", i, err.msg);
        double late = dl_clock() - when;
        check(late < .1 && r.trouble == DL_OK && *err.msg, "row %zu: %.3f s late", i, late);
        dl_reply_free(&r);
        rig_down(&rig);
    }
}

CHECK_TEST(net_retry, closing_ends_everything_within_a_fifth_of_a_second)
{
    static const char *const faults[] = {"stall_after=0", "status=503",
                                         "status=429 header=\"Retry-After:30\""};
    for (size_t i = 0; i < countof(faults); i++) {
        net_rig rig = rig_up(&(dl_options){.patience = 60}, NULL);
        caller c[3];
        rig_stream s = {0};
        char line[96];
        snprintf(line, sizeof line, "GET hub:* %s", faults[i]);
        fix_fault(rig.hub, line);
        fix_fault(rig.hub, "GET hub:*/d/e.txt stall_after=0");
        rig_stream_start(&rig, &s, &(dl_request){.url = "/ns/repo/resolve/main/d/e.txt"});
        for (size_t k = 0; k < countof(c); k++) {
            c[k] = (caller){.rig = &rig};
            caller_start(&c[k], call_once);
        }
        check(fake_hub_wait(rig.hub, FAKE_HUB, "/api/models/ns/repo", 1, 5000), "no request");
        usleep(150000);
        double began = dl_clock();
        dl_net_close(&rig.net);
        double took = dl_clock() - began;
        check(took < .2 && !rig.net, "%s: %.3f s", faults[i], took);
        for (size_t k = 0; k < countof(c); k++) {
            pthread_join(c[k].thread, NULL);
            check(c[k].status == NB_CANCELED && c[k].ended - began < .2, "%s: status %d", faults[i],
                  c[k].status);
            dl_reply_free(&c[k].reply);
        }
        check(s.done && s.end == NB_CANCELED, "the stream was told");
        rig_stream_free(&s);
        rig_down(&rig);
    }
}

/* --- many at once ---------------------------------------------------------------------------- */
static void *call_often(void *ud)
{
    caller *c = ud;
    static const char *const paths[] = {"/api/models/ns/repo", "/api/models",
                                        "/ns/repo/resolve/main/config.json",
                                        "/api/models/ns/repo/tree/main"};
    for (unsigned i = 0; i < 20; i++) {
        dl_reply r;
        nb_err err;
        dl_net_view v;
        c->calls += rig_get(c->rig, paths[i % countof(paths)], &r, &err) == NB_OK;
        dl_net_look(c->rig->net, &v);
        dl_reply_free(&r);
    }
    return NULL;
}

CHECK_TEST(net_retry, many_threads_call_at_once)
{
    net_rig rig = rig_up(NULL, NULL);
    caller c[8];
    for (size_t k = 0; k < countof(c); k++) {
        c[k] = (caller){.rig = &rig};
        caller_start(&c[k], call_often);
    }
    for (int i = 0; i < 50; i++) {
        dl_net_token(rig.net, i % 2 ? RIG_TOKEN : "", "file");
        dl_net_limit(rig.net, i % 2 ? 0 : 50000000);
        usleep(1000);
    }
    for (size_t k = 0; k < countof(c); k++) {
        pthread_join(c[k].thread, NULL);
        check(c[k].calls == 20, "%u of 20", c[k].calls);
    }
    rig_down(&rig);
}
