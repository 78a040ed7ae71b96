/* Streams as transfers use them: bytes, ends, pace and stalls (hub 12, 15, 24), and what runs on
 * the net thread. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/net_rig.h"

static const dl_request whole = {
    .url = "/ns/repo/resolve/main/m.gguf", .follow = DL_FOLLOW_ALL, .subject = "ns/repo/m.gguf"};

/* m.gguf of another size; with a digest given, as nobody checks it and computing takes long. */
static void replace_by_noise(net_rig *rig, uint64_t size)
{
    static const char any[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const fake_file file = {.path = "m.gguf", .seed = FIX_SEED, .size = size, .sha256 = any};
    check(fake_repo_file(rig->repo, &file, NULL) == NB_OK, "no file");
}

/* --- bytes ----------------------------------------------------------------------------------- */
CHECK_TEST(net_stream, brings_the_bytes_that_were_asked)
{
    net_rig rig = rig_up(NULL, NULL);
    rig_stream s = {0};
    dl_request part = whole;
    uint8_t want[4096];
    part.ranged = true;
    part.first = 1234567;
    part.last = part.first + sizeof want - 1;
    rig_stream_start(&rig, &s, &part);
    rig_stream_wait(&s);
    check(s.end == NB_OK && s.status == 206 && s.headed, "%d %s", s.status, s.err.msg);
    fake_noise(FIX_SEED, part.first, want, sizeof want);
    check(s.body.len == sizeof want && memcmp(s.body.at, want, sizeof want) == 0, "%zu bytes",
          s.body.len);
    check(strcmp(rig_logged(&rig, FAKE_CDN, 0).range, "bytes=1234567-1238662") == 0, "range");
    rig_stream_free(&s);
    rig_stream_start(&rig, &s, &whole);
    rig_stream_wait(&s);
    check(s.end == NB_OK && s.bytes == FIX_BYTES, "%s", s.err.msg);
    rig_stream_free(&s);
    rig_down(&rig);
}

/* 64-bit offsets reach the server as they are (hub 19). */
CHECK_TEST(net_stream, offsets_beyond_4_gib_are_exact_hub_19)
{
    net_rig rig = rig_up(NULL, NULL);
    rig_stream s = {0};
    dl_request part = whole;
    uint8_t want[100];
    replace_by_noise(&rig, 60000000000);
    part.ranged = true;
    part.first = 59999999900;
    part.last = 59999999999;
    rig_stream_start(&rig, &s, &part);
    rig_stream_wait(&s);
    fake_noise(FIX_SEED, part.first, want, sizeof want);
    check(s.end == NB_OK && s.body.len == 100 && memcmp(s.body.at, want, 100) == 0, "%s",
          s.err.msg);
    rig_stream_free(&s);
    rig_down(&rig);
}

CHECK_TEST(net_stream, each_end_is_told_once_with_its_cause)
{
    static const struct {
        const char *fault;
        nb_status end;
        dl_trouble trouble;
        bool headed;
        const char *says;
    } rows[] = {
        {"GET cdn:* drop_after=1000000", NB_NETWORK, DL_UNREACHABLE, true, "ended early"},
        {"GET cdn:* rst drop_after=1000", NB_NETWORK, DL_UNREACHABLE, true, "broke"},
        {"GET cdn:* rst", NB_NETWORK, DL_UNREACHABLE, false, ""},
        {"GET cdn:* status=403", NB_NETWORK, DL_CDN_REFUSED, false, "HTTP 403"},
        {"GET cdn:* status=500", NB_NETWORK, DL_SERVER, false, "HTTP 500"},
        {"GET cdn:* status=416", NB_NETWORK, DL_CDN_REFUSED, false, "HTTP 416"},
        {"GET cdn:* gzip", NB_NETWORK, DL_BAD_REPLY, false, "compressed"},
        {"GET hub:* status=404", NB_NOTFOUND, DL_NO_FILE, false, "HTTP 404"},
        {"GET cdn:* drop_after=100 chunked", NB_NETWORK, DL_UNREACHABLE, true, ""},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        net_rig rig = rig_up(NULL, NULL);
        rig_stream s = {0};
        fix_fault(rig.hub, rows[i].fault);
        rig_stream_start(&rig, &s, &whole);
        rig_stream_wait(&s);
        check(s.end == rows[i].end && s.trouble == rows[i].trouble, "%s: %s: %s", rows[i].fault,
              dl_trouble_name(s.trouble), s.err.msg);
        check(s.headed == rows[i].headed && strstr(s.err.msg, rows[i].says), "%s: %s",
              rows[i].fault, s.err.msg);
        check(fix_starts(s.err.msg, "ns/repo/m.gguf: "), "%s", s.err.msg);
        check(fake_hub_count(rig.hub, FAKE_PORTS, NULL, NULL) <= 2, "%s: tried again",
              rows[i].fault);
        rig_stream_free(&s);
        rig_down(&rig);
    }
}

CHECK_TEST(net_stream, stops_when_asked_and_when_the_sink_has_enough)
{
    net_rig rig = rig_up(NULL, NULL);
    rig_stream s = {.stop_at = 100000};
    rig_stream_start(&rig, &s, &whole);
    rig_stream_wait(&s);
    check(s.end == NB_CANCELED && s.trouble == DL_OK && s.bytes >= 100000 && s.bytes < 200000,
          "%llu bytes, %s", (unsigned long long)s.bytes, s.err.msg);
    rig_stream_free(&s);
    fix_fault(rig.hub, "GET cdn:* stall_after=1000");
    s.stop_at = 0;
    rig_stream_start(&rig, &s, &whole);
    rig_stream_wait_bytes(&s, 1000);
    double asked = dl_clock();
    dl_stream_stop(rig.net, s.s);
    rig_stream_wait(&s);
    check(s.end == NB_CANCELED && s.ended - asked < .1, "%.3f s", s.ended - asked);
    rig_stream_free(&s);
    rig_down(&rig);
}

/* --- connections ----------------------------------------------------------------------------- */
CHECK_TEST(net_stream, no_more_run_at_once_than_connections)
{
    net_rig rig = rig_up(&(dl_options){.connections = 2}, NULL);
    rig_stream s[5] = {0};
    dl_request rq = {.url = "/ns/repo/resolve/main/d/e.txt"};
    dl_reply r;
    nb_err err;
    check(dl_net_connections(rig.net) == 2, "told");
    fix_fault(rig.hub, "GET hub:*/e.txt delay=200");
    for (size_t i = 0; i < countof(s); i++)
        rig_stream_start(&rig, &s[i], &rq);
    check(rig_get(&rig, "/api/models/ns/repo", &r, &err) == NB_OK, "a call passes by: %s", err.msg);
    dl_reply_free(&r);
    check(!s[4].done, "but not the fifth stream");
    for (size_t i = 0; i < countof(s); i++) {
        rig_stream_wait(&s[i]);
        check(s[i].end == NB_OK, "%s", s[i].err.msg);
        rig_stream_free(&s[i]);
    }
    fake_request *log;
    size_t n = fake_hub_log(rig.hub, &log);
    for (size_t i = 0; i < n; i++) {
        size_t beside = 0;
        for (size_t k = 0; k < n; k++)
            beside += strstr(log[k].name, "e.txt") && strstr(log[i].name, "e.txt") &&
                      log[k].at <= log[i].at && log[k].ended > log[i].at;
        check(beside <= 2, "%zu at once", beside);
    }
    fake_hub_log_free(log, n);
    rig_down(&rig);
}

/* --- pace ------------------------------------------------------------------------------------ */
/* Mean of the bytes received from now on, over `seconds`. */
static double rate_over(dl_net *net, double seconds)
{
    dl_net_view a, b;
    dl_net_look(net, &a);
    double began = dl_clock();
    usleep((useconds_t)(seconds * 1e6));
    dl_net_look(net, &b);
    return (double)(b.received - a.received) / (dl_clock() - began);
}

CHECK_TEST(net_stream, the_limit_holds_over_all_streams_hub_24)
{
    net_rig rig = rig_up(&(dl_options){.limit = 2000000}, NULL);
    rig_stream s[4] = {0};
    dl_net_view v;
    replace_by_noise(&rig, 4ull << 30);
    for (size_t i = 0; i < countof(s); i++)
        rig_stream_start(&rig, &s[i], &whole);
    rig_stream_wait_bytes(&s[0], 1);
    double rate = rate_over(rig.net, 5);
    dl_net_look(rig.net, &v);
    check(fabs(rate / 2e6 - 1) < .1, "%.0f bytes/s over 5 s, 2000000 wanted", rate);
    check(fabs(v.rate / 2e6 - 1) < .1 && v.limit == 2000000 && v.active == 4, "shown: %.0f",
          v.rate);
    uint64_t least = UINT64_MAX, most = 0;
    for (size_t i = 0; i < countof(s); i++) {
        pthread_mutex_lock(&s[i].lock);
        least = s[i].bytes < least ? s[i].bytes : least;
        most = s[i].bytes > most ? s[i].bytes : most;
        pthread_mutex_unlock(&s[i].lock);
    }
    check(most < 2 * least, "shares from %llu to %llu bytes", (unsigned long long)least,
          (unsigned long long)most);
    dl_net_limit(rig.net, 8000000); /* the live key */
    rate_over(rig.net, .2);
    rate = rate_over(rig.net, 2);
    check(fabs(rate / 8e6 - 1) < .1, "%.0f bytes/s, 8000000 wanted", rate);
    dl_net_limit(rig.net, 0);
    rate = rate_over(rig.net, 1);
    check(rate > 9e6, "%.0f bytes/s without a limit", rate);
    for (size_t i = 0; i < countof(s); i++) {
        dl_stream_stop(rig.net, s[i].s);
        rig_stream_wait(&s[i]);
        check(s[i].end == NB_CANCELED, "%s", s[i].err.msg);
        rig_stream_free(&s[i]);
    }
    rig_down(&rig);
}

/* --- stalls ---------------------------------------------------------------------------------- */
CHECK_TEST(net_stream, silence_and_crawling_end_honest_slowness_does_not_hub_15)
{
    static const struct {
        const char *fault;
        bool stalls;
        double least, most; /* s */
    } rows[] = {
        {"GET cdn:* stall_after=0", true, 1, 3}, {"GET cdn:* stall_after=50000", true, 1, 3},
        {"GET cdn:* delay=9000", true, 1, 3},    {"GET cdn:* rate=900", true, 3, 6},
        {"GET cdn:* rate=20K", false, 3.5, 9},   {"GET cdn:* delay=500 rate=200K", false, .5, 5},
    };
    char sha256[65];
    net_rig rig[countof(rows)];
    rig_stream s[countof(rows)];
    memset(s, 0, sizeof s);
    for (size_t i = 0; i < countof(rows); i++) {
        dl_request part = whole;
        part.ranged = true;
        part.last = 80 * 1024 - 1;
        part.timeout = 1;
        rig[i] = rig_up(NULL, NULL);
        check(fake_repo_sha256(rig[i].repo, "m.gguf", sha256),
              "computed now, not in a reply's time");
        fix_fault(rig[i].hub, rows[i].fault);
        rig_stream_start(&rig[i], &s[i], &part);
    }
    for (size_t i = 0; i < countof(rows); i++) {
        rig_stream_wait(&s[i]);
        double took = s[i].ended - s[i].began;
        check((s[i].trouble == DL_STALLED) == rows[i].stalls, "%s: %s", rows[i].fault,
              s[i].err.msg);
        check((s[i].end == NB_OK) != rows[i].stalls, "%s: %s", rows[i].fault, s[i].err.msg);
        check(took > rows[i].least - .05 && took < rows[i].most, "%s: %.3f s, %llu bytes: %s",
              rows[i].fault, took, (unsigned long long)s[i].bytes, s[i].err.msg);
        rig_stream_free(&s[i]);
        rig_down(&rig[i]);
    }
}

/* A limit of ours is no stall of theirs. */
CHECK_TEST(net_stream, a_limit_is_no_stall)
{
    net_rig rig = rig_up(&(dl_options){.limit = 800}, NULL);
    rig_stream s = {0};
    dl_request part = whole;
    part.ranged = true;
    part.last = 1999;
    part.timeout = 1;
    rig_stream_start(&rig, &s, &part);
    rig_stream_wait(&s);
    check(s.end == NB_OK && s.bytes == 2000, "%s", s.err.msg);
    check(s.ended - s.began > 1.5, "%.3f s for 2000 bytes at 800/s", s.ended - s.began);
    rig_stream_free(&s);
    rig_down(&rig);
}

/* --- the net thread -------------------------------------------------------------------------- */
typedef struct order {
    pthread_mutex_t lock;
    dl_net *net;
    char seen[16];
    double at[16]; /* dl_clock */
    unsigned n;
} order;
typedef struct mark {
    order *o;
    char name;
} mark;

static void note(void *ud)
{
    mark *m = ud;
    pthread_mutex_lock(&m->o->lock);
    m->o->at[m->o->n] = dl_clock();
    m->o->seen[m->o->n++] = m->name;
    pthread_mutex_unlock(&m->o->lock);
}

static void note_and_go_on(void *ud)
{
    static mark last;
    mark *m = ud;
    note(m);
    last = (mark){m->o, 'z'};
    check(dl_net_after(m->o->net, 0, note, &last), "from a timer");
}

static unsigned seen(order *o)
{
    pthread_mutex_lock(&o->lock);
    unsigned n = o->n;
    pthread_mutex_unlock(&o->lock);
    return n;
}

CHECK_TEST(net_stream, timers_run_in_their_order)
{
    net_rig rig = rig_up(NULL, NULL);
    order o = {.lock = PTHREAD_MUTEX_INITIALIZER, .net = rig.net};
    mark m[] = {{&o, 'a'}, {&o, 'b'}, {&o, 'c'}, {&o, 'd'}, {&o, 'e'}};
    double began = dl_clock();
    check(dl_net_after(rig.net, .2, note, &m[2]) && dl_net_after(rig.net, .1, note, &m[0]) &&
              dl_net_after(rig.net, .1, note, &m[1]) && dl_net_after(rig.net, 60, note, &m[4]) &&
              dl_net_after(rig.net, .3, note_and_go_on, &m[3]),
          "no memory");
    while (seen(&o) < 5 && dl_clock() < began + 5)
        usleep(1000);
    check(memcmp(o.seen, "abcdz", 5) == 0, "%.5s", o.seen);
    check(o.at[0] - began >= .1 && o.at[2] - began >= .2 && o.at[3] - began < .6, "%.3f s",
          o.at[3] - began);
    rig_down(&rig);
    check(o.n == 5, "a timer ran after the end");
}

/* A transfer goes on from its callbacks: the next stream starts where the last one ends. */
typedef struct chain {
    dl_net *net;
    unsigned left;     /* streams to come */
    nb_status refused; /* of a start while closing */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done; /* under the lock */
} chain;

static bool chain_head(void *ud, const dl_reply *reply)
{
    (void)ud;
    return reply->status == 200;
}

static bool chain_body(void *ud, const void *bytes, size_t n)
{
    (void)ud;
    (void)bytes;
    return n > 0;
}

static void chain_done(void *ud, const dl_reply *reply, nb_status status, const nb_err *err)
{
    chain *c = ud;
    const dl_sink sink = {chain_head, chain_body, chain_done, c};
    const dl_request rq = {.url = "/ns/repo/resolve/main/d/e.txt"};
    dl_stream *s;
    (void)reply;
    (void)err;
    bool over = status != NB_OK || --c->left == 0;
    if (!over)
        over = dl_stream_start(&s, c->net, &rq, &sink, NULL) != NB_OK;
    if (status == NB_CANCELED)
        c->refused = dl_stream_start(&s, c->net, &rq, &sink, NULL);
    pthread_mutex_lock(&c->lock);
    c->done = over;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

CHECK_TEST(net_stream, streams_start_from_callbacks)
{
    net_rig rig = rig_up(NULL, NULL);
    chain c = {.left = 20, .net = rig.net};
    const dl_sink sink = {chain_head, chain_body, chain_done, &c};
    const dl_request rq = {.url = "/ns/repo/resolve/main/d/e.txt"};
    dl_stream *s;
    nb_err err = {0};
    pthread_mutex_init(&c.lock, NULL);
    pthread_cond_init(&c.changed, NULL);
    check(dl_stream_start(&s, rig.net, &rq, &sink, &err) == NB_OK, "%s", err.msg);
    pthread_mutex_lock(&c.lock);
    while (!c.done)
        pthread_cond_wait(&c.changed, &c.lock);
    pthread_mutex_unlock(&c.lock);
    check(c.left == 0 && fake_hub_count(rig.hub, FAKE_HUB, NULL, "*/resolve/*") == 20, "%u left",
          c.left);
    /* while closing nothing new starts */
    fix_fault(rig.hub, "GET hub:* stall_after=0");
    check(dl_stream_start(&s, rig.net, &rq, &sink, &err) == NB_OK, "%s", err.msg);
    check(fake_hub_wait(rig.hub, FAKE_HUB, "*/resolve/*", 21, 5000), "no request");
    dl_net_close(&rig.net);
    check(c.refused == NB_CANCELED, "status %d", c.refused);
    pthread_cond_destroy(&c.changed);
    pthread_mutex_destroy(&c.lock);
    rig_down(&rig);
}
