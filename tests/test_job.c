#include "tests/check.h"

#include "core/base/job.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct work {
    int steps;
    atomic_int step;    /* how far the worker is */
    atomic_int stop_at; /* the worker waits here until `go` */
    atomic_bool go;
    bool fail;
} work;

static nb_status count_steps(nb_job *job, void *arg, nb_err *err)
{
    work *w = arg;
    nb_hooks hooks = nb_job_hooks(job);
    for (int i = 0; i < w->steps; i++) {
        atomic_store(&w->step, i);
        while (i == atomic_load(&w->stop_at) && !atomic_load(&w->go))
            usleep(50);
        if (nb_canceled(&hooks))
            return nb_fail(err, NB_CANCELED, "stopped at step %d", i);
        nb_report(&hooks, &(nb_progress){.what = "steps", .done = i + 1, .total = w->steps});
    }
    return w->fail ? nb_fail(err, NB_IO, "disk on fire") : NB_OK;
}

/* Drains until DONE; counts what came before. */
static nb_event wait_done(nb_mailbox *m, int *others)
{
    nb_event e;
    int n = 0;
    for (;;) {
        while (nb_mailbox_drain(m, &e)) {
            if (e.kind == NB_EVENT_DONE) {
                if (others)
                    *others = n;
                return e;
            }
            n++;
        }
        struct pollfd p = {.fd = nb_mailbox_fd(m), .events = POLLIN};
        check(poll(&p, 1, 10000) == 1, "no event within 10 s");
    }
}

static nb_mailbox *mailbox(void)
{
    nb_mailbox *m = NULL;
    nb_err err = {0};
    check(nb_mailbox_open(&m, &err) == NB_OK, "%s", err.msg);
    return m;
}

static nb_job *start(nb_mailbox *m, nb_job_fn *run, void *arg)
{
    nb_job *job = NULL;
    nb_err err = {0};
    check(nb_job_start(&job, m, "test", run, arg, &err) == NB_OK, "%s", err.msg);
    return job;
}

CHECK_TEST(job, ends_with_exactly_one_done)
{
    nb_mailbox *m = mailbox();
    work good = {.steps = 3, .stop_at = -1}, bad = {.steps = 1, .stop_at = -1, .fail = true};
    nb_job *job = start(m, count_steps, &good);
    nb_event e = wait_done(m, NULL);
    check(e.job == job && e.err.status == NB_OK, "status %d", e.err.status);
    nb_job_view v;
    nb_job_look(job, &v);
    check(v.finished && v.done == 3 && v.total == 3 && v.eta == 0, "done %d", (int)v.done);
    check(!nb_mailbox_drain(m, &e), "one DONE only");
    struct pollfd p = {.fd = nb_mailbox_fd(m), .events = POLLIN};
    check(poll(&p, 1, 0) == 0, "the descriptor is quiet when nothing waits");
    nb_job_free(&job);
    check(!job, "freed");
    nb_job_free(&job);

    job = start(m, count_steps, &bad);
    e = wait_done(m, NULL);
    check(e.err.status == NB_IO && strcmp(e.err.msg, "disk on fire") == 0, "%s", e.err.msg);
    nb_job_free(&job);
    nb_mailbox_close(&m);
    nb_mailbox_close(&m);
}

CHECK_TEST(job, cancels_at_every_step)
{
    nb_mailbox *m = mailbox();
    for (int at = 0; at < 20; at++) {
        work w = {.steps = 20, .stop_at = at};
        nb_job *job = start(m, count_steps, &w);
        while (atomic_load(&w.step) < at)
            usleep(20);
        nb_job_cancel(job);
        atomic_store(&w.go, true);
        nb_event e = wait_done(m, NULL);
        check(e.err.status == NB_CANCELED, "step %d: %d", at, e.err.status);
        nb_job_view v;
        nb_job_look(job, &v);
        check(v.done == (uint64_t)at && v.finished, "step %d: %d done", at, (int)v.done);
        nb_job_free(&job);
    }
    nb_mailbox_close(&m);
}

CHECK_TEST(job, starts_and_cancels_500_times_A28) /* 10,000 in the long form */
{
    nb_mailbox *m = mailbox();
    int cycles = getenv("NB_TEST_LONG") ? 10000 : 500;
    for (int i = 0; i < cycles; i++) {
        work w = {.steps = 1 << 30, .stop_at = -1};
        nb_job *job = start(m, count_steps, &w);
        nb_job_cancel(job);
        nb_event e = wait_done(m, NULL);
        check(e.err.status == NB_CANCELED, "cycle %d", i);
        nb_job_free(&job);
    }
    nb_mailbox_close(&m);
}

enum { FLOOD = 3000 };

/* FLOOD short texts: more than the queue holds. */
static nb_status flood_text(nb_job *job, void *arg, nb_err *err)
{
    atomic_int *posted = arg;
    (void)err;
    for (int i = 0; i < FLOOD; i++) {
        nb_job_post(job, NB_EVENT_TEXT, 0, "0123456789" + i % 10, 1);
        atomic_store(posted, i + 1);
    }
    return NB_OK;
}

/* Waits until a poster is blocked: its count stays for 20 ms. */
static int stands_still(const atomic_int *posted)
{
    int seen = -1;
    while (atomic_load(posted) != seen || seen == 0) {
        seen = atomic_load(posted);
        usleep(20000);
    }
    return seen;
}

CHECK_TEST(job, full_mailbox_joins_text_and_loses_none)
{
    nb_mailbox *m = mailbox();
    atomic_int posted = 0;
    nb_job *job = start(m, flood_text, &posted);
    nb_event e;
    size_t got = 0;
    bool joined = false;
    check(stands_still(&posted) < FLOOD, "the queue has no end");
    for (;;) {
        if (!nb_mailbox_drain(m, &e)) {
            struct pollfd p = {.fd = nb_mailbox_fd(m), .events = POLLIN};
            check(poll(&p, 1, 10000) == 1, "no event within 10 s");
            continue;
        }
        if (e.kind == NB_EVENT_DONE)
            break;
        joined = joined || e.len > 1;
        for (size_t i = 0; i < e.len; i++, got++)
            check(e.text[i] == (char)('0' + got % 10), "byte %zu is %c", got, e.text[i]);
    }
    check(got == FLOOD && joined, "%zu bytes", got);
    nb_job_free(&job);
    nb_mailbox_close(&m);
}

static nb_status flood_notes(nb_job *job, void *arg, nb_err *err)
{
    atomic_int *posted = arg;
    for (int i = 0; i < FLOOD; i++) {
        nb_job_post(job, NB_EVENT_NOTE, i, "note", 4);
        atomic_store(posted, i + 1);
    }
    return nb_job_canceled(job) ? nb_fail(err, NB_CANCELED, "cancelled") : NB_OK;
}

CHECK_TEST(job, full_mailbox_blocks_notes_until_cancelled_and_done_still_fits)
{
    nb_mailbox *m = mailbox();
    atomic_int posted = 0;
    nb_job *job = start(m, flood_notes, &posted);
    int seen = stands_still(&posted);
    check(seen > 0 && seen < FLOOD, "posted %d", seen);
    nb_job_cancel(job);
    while (atomic_load(&posted) < FLOOD)
        usleep(100);
    int notes;
    nb_event e = wait_done(m, &notes);
    check(e.err.status == NB_CANCELED && notes == seen, "%d notes of %d", notes, seen);
    nb_job_free(&job);
    nb_mailbox_close(&m);
}

CHECK_TEST(job, free_does_not_hang_on_a_full_mailbox)
{
    nb_mailbox *m = mailbox();
    atomic_int posted = 0, other = 0;
    nb_job *a = start(m, flood_notes, &posted);
    stands_still(&posted); /* b, started first, might leave a no room to begin */
    nb_job *b = start(m, flood_notes, &other);
    nb_job_free(&a);
    nb_job_cancel(b);
    nb_event e = wait_done(m, NULL);
    check(e.job == b, "nothing of the freed job is left");
    nb_job_free(&b);
    check(!nb_mailbox_drain(m, &e), "empty");
    nb_mailbox_close(&m);
}

CHECK_TEST(job, freeing_one_leaves_the_mail_of_others)
{
    nb_mailbox *m = mailbox();
    work w[3] = {
        {.steps = 1, .stop_at = -1}, {.steps = 1, .stop_at = -1}, {.steps = 1, .stop_at = -1}};
    nb_job *jobs[3];
    nb_job_view v = {.finished = false};
    for (int i = 0; i < 3; i++) {
        jobs[i] = start(m, count_steps, &w[i]);
        for (v.finished = false; !v.finished; nb_job_look(jobs[i], &v))
            usleep(50);
    }
    check(strcmp(nb_job_label(jobs[0]), "test") == 0, "%s", nb_job_label(jobs[0]));
    nb_job *gone = jobs[1];
    nb_job_free(&jobs[1]); /* its DONE lies between two others, not yet drained */
    nb_event a = wait_done(m, NULL), b = wait_done(m, NULL);
    check(a.job != b.job && a.job != gone && b.job != gone, "the mail of the two others");
    nb_job_free(&jobs[0]);
    nb_job_free(&jobs[2]);
    check(!nb_mailbox_drain(m, &a), "empty");
    nb_mailbox_close(&m);
}

static nb_status fail_without_words(nb_job *job, void *arg, nb_err *err)
{
    (void)job;
    (void)arg;
    (void)err;
    return NB_IO;
}

CHECK_TEST(job, done_always_has_words)
{
    nb_mailbox *m = mailbox();
    nb_job *job = start(m, fail_without_words, NULL);
    nb_event e = wait_done(m, NULL);
    check(e.err.status == NB_IO && strcmp(e.err.msg, "test: input or output failed") == 0, "%s",
          e.err.msg);
    nb_job_free(&job);
    nb_mailbox_close(&m);
}

static nb_status post_long(nb_job *job, void *arg, nb_err *err)
{
    (void)err;
    nb_job_post(job, NB_EVENT_TEXT, 7, arg, strlen(arg));
    return NB_OK;
}

CHECK_TEST(job, long_text_is_cut_between_characters)
{
    char text[1501], back[1501];
    for (int i = 0; i < 500; i++)
        memcpy(text + 3 * i, "\xe2\x82\xac", 3);
    text[1500] = '\0';
    nb_mailbox *m = mailbox();
    nb_job *job = start(m, post_long, text);
    nb_event e = wait_done(m, NULL);
    nb_job_free(&job);
    job = start(m, post_long, text);
    size_t n = 0;
    e.kind = NB_EVENT_TEXT;
    do {
        struct pollfd p = {.fd = nb_mailbox_fd(m), .events = POLLIN};
        check(poll(&p, 1, 10000) == 1, "no event");
        while (nb_mailbox_drain(m, &e) && e.kind == NB_EVENT_TEXT) {
            check(e.len % 3 == 0 && e.code == 7, "piece of %zu bytes", e.len);
            memcpy(back + n, e.text, e.len);
            n += e.len;
        }
    } while (e.kind != NB_EVENT_DONE);
    check(n == 1500 && memcmp(back, text, n) == 0, "%zu bytes back", n);
    nb_job_free(&job);
    nb_mailbox_close(&m);
}

CHECK_TEST(job, pause_holds_the_worker_and_the_clock)
{
    nb_mailbox *m = mailbox();
    work w = {.steps = 1 << 30, .stop_at = -1};
    nb_now_set(100);
    nb_job *job = start(m, count_steps, &w);
    nb_now_set(110);
    nb_job_pause(job, true);
    int before = -1;
    while (atomic_load(&w.step) != before) {
        before = atomic_load(&w.step);
        usleep(5000);
    }
    nb_now_set(500);
    nb_job_view v;
    nb_job_look(job, &v);
    check(v.paused && nb_job_paused(job) && v.elapsed == 10, "elapsed %g", v.elapsed);
    nb_job_pause(job, false);
    nb_now_set(503);
    while (atomic_load(&w.step) == before)
        usleep(100);
    nb_job_look(job, &v);
    check(!v.paused && v.elapsed == 13, "elapsed %g", v.elapsed);
    nb_job_pause(job, true);
    nb_job_cancel(job); /* cancel beats pause */
    check(wait_done(m, NULL).err.status == NB_CANCELED, "cancelled while paused");
    nb_now_set(-1);
    nb_job_free(&job);
    nb_mailbox_close(&m);
}

static nb_status idle(nb_job *job, void *arg, nb_err *err)
{
    (void)arg;
    while (!nb_job_canceled(job))
        usleep(200);
    return nb_fail(err, NB_CANCELED, "cancelled");
}

CHECK_TEST(job, progress_is_monotone_and_rate_is_a_weighted_mean)
{
    nb_mailbox *m = mailbox();
    nb_now_set(0);
    nb_job *job = start(m, idle, NULL);
    nb_hooks h = nb_job_hooks(job);
    nb_job_view v;
    nb_job_look(job, &v);
    check(v.rate == 0 && v.eta < 0, "nothing known yet");
    for (int i = 1; i <= 100; i++) {
        nb_now_set(i);
        nb_report(&h, &(nb_progress){.what = "x", .done = i * 10, .total = 10000});
    }
    nb_job_look(job, &v);
    check(v.rate > 9.99 && v.rate < 10.01, "steady rate %g", v.rate);
    check(v.eta > 899 && v.eta < 901, "eta %g", v.eta);
    nb_report(&h, &(nb_progress){.what = "x", .done = 5, .total = 10000});
    nb_job_look(job, &v);
    check(v.done == 1000, "went back to %d", (int)v.done);
    for (int i = 101; i <= 108; i++) {
        nb_now_set(i);
        nb_report(&h, &(nb_progress){.what = "x", .done = 1000 + (i - 100) * 20, .total = 10000});
    }
    nb_job_look(job, &v); /* one time constant of 20/s after 10/s: 20 - 10/e */
    check(v.rate > 16.2 && v.rate < 16.4, "rate %g", v.rate);
    nb_now_set(125);
    nb_job_look(job, &v);
    check(v.stalled == 17 && v.eta < 0, "stalled %g, eta %g", v.stalled, v.eta);
    nb_now_set(-1);
    nb_job_cancel(job);
    wait_done(m, NULL);
    nb_job_free(&job);
    nb_mailbox_close(&m);
}
