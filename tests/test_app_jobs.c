/* Jobs in the workbench: strip, panel, quitting, and a list that stays bounded (tui.md 4.9). */
#include "tests/check.h"
#include "tests/workbench.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static nb_status until_canceled(nb_job *job, void *arg, nb_err *err)
{
    nb_hooks hooks = nb_job_hooks(job);
    struct timespec ms = {.tv_nsec = 1000000};
    atomic_int *rounds = arg;
    while (!nb_job_canceled(job)) {
        nb_report(&hooks, &(nb_progress){.what = "rows", .done = 63, .total = 100});
        atomic_fetch_add(rounds, 1);
        nanosleep(&ms, NULL);
    }
    return nb_fail(err, NB_CANCELED, "cancelled");
}

static nb_status fails(nb_job *job, void *arg, nb_err *err)
{
    (void)job;
    (void)arg;
    return nb_fail(err, NB_NOSPACE, "disk full: 12 bytes missing");
}

static void start(ui_app *app, const char *label, nb_job_fn *run, void *arg)
{
    nb_job *job;
    nb_err err = {0};
    check(ui_app_job(app, &job, UI_MODELS, "test", label, run, arg, &err) == NB_OK, "%s", err.msg);
}

static void wait_rounds(atomic_int *rounds)
{
    struct timespec ms = {.tv_nsec = 1000000};
    int from = atomic_load(rounds);
    for (int i = 0; i < 5000 && atomic_load(rounds) < from + 2; i++)
        nanosleep(&ms, NULL);
}

/* Quitting with jobs asks: Esc stays, c cancels them and quits. */
CHECK_TEST(app_jobs, quitting_with_jobs_asks)
{
    atomic_int rounds = 0;
    ui_app *app = workbench_app();
    start(app, "endless", until_canceled, &rounds);
    workbench_press(app, "q");
    check(app->confirm.open && app->confirm.quitting && !app->quit, "asks");
    check(workbench_shows(app, "cannot be resumed") && workbench_shows(app, "c cancel"),
          "says what it costs");
    workbench_press(app, "Esc");
    check(!app->confirm.open && !app->quit && ui_app_running(app) == 1, "stays");
    workbench_press(app, "C-q");
    check(app->confirm.open, "asks again");
    workbench_press(app, "x");
    check(app->confirm.open && !app->quit, "other keys do nothing");
    workbench_press(app, "c");
    check(app->quit, "quits");
    check(ui_app_jobs_end(app, 5), "the job stops");
    check(ui_app_running(app) == 0 && app->job[0].result.status == NB_CANCELED, "cancelled");
    workbench_drop(app);
}

/* The strip shows a job once it is one; J lists it, x cancels it. */
CHECK_TEST(app_jobs, jobs_show_progress_and_stop)
{
    atomic_int rounds = 0;
    ui_app *app = workbench_app();
    ui_app_resize(app, 120, 30);
    start(app, "endless", until_canceled, &rounds);
    wait_rounds(&rounds);
    app->job[0].view.elapsed = 0;
    for (int i = 0; i < 200 && !workbench_shows(app, "jobs 1"); i++)
        wait_rounds(&rounds);
    check(workbench_shows(app, "test endless 63%"), "in the strip");
    workbench_press(app, "J");
    check(workbench_shows(app, "started by Models") && workbench_shows(app, "running"),
          "in the panel");
    workbench_press(app, "p");
    check(nb_job_paused(app->job[0].job) && workbench_shows(app, "paused"), "paused");
    workbench_press(app, "p");
    check(!nb_job_paused(app->job[0].job), "goes on");
    workbench_press(app, "x");
    check(workbench_shows(app, "stopping"), "asked to stop");
    check(ui_app_jobs_wait(app, 5), "stops");
    check(workbench_shows(app, "cancelled"), "stays listed");
    workbench_drop(app);
}

/* A failure stays in the strip until it was looked at, and in E. */
CHECK_TEST(app_jobs, failures_stay_until_seen)
{
    ui_app *app = workbench_app();
    start(app, "doomed", fails, NULL);
    check(ui_app_jobs_wait(app, 5), "ends");
    check(workbench_shows(app, "jobs 1") && workbench_shows(app, "failed"), "in the strip");
    workbench_press(app, "E");
    check(workbench_shows(app, "disk full: 12 bytes missing"), "in the log");
    workbench_press(app, "Esc");
    check(!workbench_shows(app, "jobs 1"), "seen");
    workbench_press(app, "J");
    check(workbench_shows(app, "disk full"), "still in J");
    workbench_drop(app);
}

/* The list of jobs is bounded: finished ones make room, running ones never do. */
CHECK_TEST(app_jobs, job_list_is_bounded)
{
    atomic_int rounds = 0;
    nb_job *job;
    nb_err err = {0};
    ui_app *app = workbench_app();
    start(app, "first", until_canceled, &rounds);
    for (int i = 0; i < APP_JOBS + 10; i++) {
        start(app, "short", fails, NULL);
        for (int k = 0; k < 5000 && ui_app_running(app) > 1; k++) {
            ui_app_drain(app, 100);
            wait_rounds(&rounds);
        }
    }
    check(app->n_job == APP_JOBS && app->job[0].job, "the running one is kept");
    check(ui_app_jobs_end(app, 5), "ends");
    for (int i = 0; i < APP_JOBS; i++)
        start(app, "endless", until_canceled, &rounds);
    check(ui_app_job(app, &job, UI_MODELS, "test", "one more", fails, NULL, &err) == NB_REFUSED,
          "refused");
    workbench_drop(app);
}

CHECK_TEST(app_jobs, job_words)
{
    char some;
    nb_job *any = (nb_job *)&some; /* only its presence is looked at */
    char words[96];
    static const struct {
        nb_job_view view;
        const char *words;
    } cases[] = {
        {{.done = 63, .total = 100, .eta = 72}, "63% 1:12"},
        {{.done = 63, .total = 100, .eta = -1}, "63%"},
        {{.done = 5, .total = 10, .eta = 9, .stalled = 12}, "50% stalled 0:12"},
        {{.eta = -1, .bytes_in = 20000000, .elapsed = 2}, "10.0 MB/s"},
        {{.paused = true, .eta = 3}, "paused"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        app_job j = {.job = any, .view = cases[i].view};
        ui_app_job_words(&j, words, sizeof words);
        check(strcmp(words, cases[i].words) == 0, "case %zu: \"%s\"", i, words);
    }
}
