/* faults [--points N] [--all] [--seed S] [--at N] [SCENARIO]...: sweeps the scenarios. Without
 * --all about N points (300) are drawn by seed, spread evenly over each scenario's calls; the more
 * calls, the more points, but past 500 no more. --at N tries only the Nth call in every mode and
 * prints the stack where it failed. */
#include <cjson/cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/base/job.h"
#include "tests/faults/faults.h"
#include "tests/util.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#define leaked() __lsan_do_recoverable_leak_check()
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/lsan_interface.h>
#define leaked() __lsan_do_recoverable_leak_check()
#endif
#endif
#ifndef leaked
#define leaked() 0
#endif

typedef struct mode {
    const char *name;
    fault_class class;
    bool forever;
    int errnum;
    nb_status status; /* what a failure must be; NB_OK = it must succeed in spite of it */
} mode;
static const mode modes[] = {
    {"one allocation fails", FAULT_MEMORY, false, ENOMEM, NB_NOMEM},
    {"allocations fail from then on", FAULT_MEMORY, true, ENOMEM, NB_NOMEM},
    {"EIO", FAULT_IO, false, EIO, NB_IO},
    {"EIO from then on", FAULT_IO, true, EIO, NB_IO},
    {"ENOSPC", FAULT_IO, false, ENOSPC, NB_NOSPACE},
    {"EDQUOT", FAULT_IO, false, EDQUOT, NB_NOSPACE},
    {"EINTR", FAULT_IO, false, EINTR, NB_OK},
    {"half a transfer", FAULT_IO, false, FAULT_SHORT, NB_OK},
};

static fault_scenario *scenarios;
static const mode *current; /* of the run under way, and its scenario and call */
static const char *current_name;
static uint64_t current_nth;
static uint64_t faults_at; /* --at; 0 = sweep */

void faults_register(fault_scenario *s)
{
    s->next = scenarios;
    scenarios = s;
}

bool faults_leaked(void)
{
    return leaked();
}

void faults_where(void)
{
    if (current)
        fprintf(stderr, "%s, %s %d: ", current_name, current_nth ? current->name : "no fault",
                (int)current_nth);
}

fault_class faults_class(void)
{
    return current->class;
}

nb_status faults_status(int exit_code)
{
    if (exit_code == nb_exit_code(current->status))
        return current->status;
    int s = NB_OK;
    while (s < NB_STATUS_COUNT && nb_exit_code((nb_status)s) != exit_code)
        s++;
    return s < NB_STATUS_COUNT ? (nb_status)s : NB_ERROR;
}

static int open_files(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

/* What a mode's calls weigh when points are shared out. */
static uint64_t weight(uint64_t calls)
{
    return calls < 500 ? calls : 500;
}

/* One run; nth 0 = no fault. Returns the calls counted. */
static uint64_t go(const fault_scenario *s, const mode *m, uint64_t nth, bool *fired)
{
    nb_err err = {.status = NB_OK};
    int files = open_files();
    current = m;
    current_name = s->name;
    current_nth = nth;
    if (s->before)
        s->before();
    faults_arm(m->class, nth, m->forever, m->errnum);
    nb_status status = s->run(&err);
    uint64_t calls = faults_disarm(fired);
    fault_check(status == NB_OK || *fired, "%s", err.msg);
    fault_check(status == NB_OK || (err.status == status && err.msg[0]), "no words (%s)",
                nb_status_text(status));
    fault_check(status == NB_OK || status == m->status, "\"%s\" is status %s", err.msg,
                nb_status_text(status));
    if (s->after)
        s->after(status);
    fault_check(open_files() == files, "%d descriptors, %d before", open_files(), files);
    fault_check(!faults_leaked(), "leaks (above)");
    return calls;
}

/* quota points over 1..calls, one drawn from each of quota equal parts. */
static void sweep(const fault_scenario *s, const mode *m, uint64_t calls, uint64_t quota,
                  test_rng *rng, int *points)
{
    bool fired;
    if (quota > calls)
        quota = calls;
    if (faults_at) {
        go(s, m, faults_at, &fired);
        quota = 0;
    }
    for (uint64_t i = 0; i < quota; i++) {
        uint64_t from = i * calls / quota, to = (i + 1) * calls / quota;
        go(s, m, from + 1 + test_below(rng, (uint32_t)(to - from)), &fired);
        *points += fired;
    }
    if (quota)
        go(s, m, 0, &fired); /* and it works again */
}

static bool wanted(const char *name, int argc, char **argv)
{
    bool any = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--points") == 0 || strcmp(argv[i], "--seed") == 0 ||
            strcmp(argv[i], "--at") == 0)
            i++;
        else if (argv[i][0] != '-')
            any = true;
        if (i < argc && strcmp(argv[i], name) == 0)
            return true;
    }
    return !any;
}

static uint64_t option(const char *name, uint64_t fallback, int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return strtoull(argv[i + 1], NULL, 10);
    return fallback;
}

static bool flag(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return true;
    return false;
}

/* cJSON allocates inside its library; through these it is ours to fail. */
static void *cjson_malloc(size_t n)
{
    return malloc(n);
}

static void cjson_free(void *p)
{
    free(p);
}

int main(int argc, char **argv)
{
    uint64_t budget = option("--points", 300, argc, argv), total = 0;
    test_rng rng = test_rng_make(option("--seed", 11, argc, argv));
    bool all = flag("--all", argc, argv), fired;
    int sum = 0, swept = 0;
    faults_at = option("--at", 0, argc, argv);
    faults_trace = faults_at != 0;
    cJSON_InitHooks(&(cJSON_Hooks){cjson_malloc, cjson_free});
    for (const fault_scenario *s = scenarios; s; s = s->next)
        for (size_t i = 0; i < countof(modes) && wanted(s->name, argc, argv); i++)
            total += weight(go(s, &modes[i], 0, &fired));
    for (const fault_scenario *s = scenarios; s; s = s->next) {
        if (!wanted(s->name, argc, argv))
            continue;
        double t = nb_now();
        uint64_t known = 0;
        int points = 0;
        for (size_t i = 0; i < countof(modes); i++) {
            uint64_t calls = go(s, &modes[i], 0, &fired);
            known += calls;
            sweep(s, &modes[i], calls, all ? calls : 2 + budget * weight(calls) / (total + 1), &rng,
                  &points);
        }
        printf("faults: %s: %d of %d points, all answered cleanly, %.1f s\n", s->name, points,
               (int)known, nb_now() - t);
        fflush(stdout);
        sum += points;
        swept++;
    }
    printf("faults: %d scenarios, %d points in all\n", swept, sum);
    return sum ? 0 : 1;
}
