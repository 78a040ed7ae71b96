/* However the workbench ends, the terminal is as it was (tui 12, A31). */
#include "tests/pty/pty.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/pty/make.h"
#include "tests/util.h"

enum { STATES = 5, WORKING = 4 };
static const char *const states[STATES] = {"1", "1/abc", "1thello", "4", "a job on all cores"};

static void reach(pty *p, size_t state)
{
    pty_open(p, &(pty_options){.w = 100, .h = 30}, state == WORKING ? make_big() : "demo");
    if (state == WORKING) {
        pty_send(p, "\x1b");
        pty_pump(p, 70);
        pty_send(p, "1");
        pty_check(pty_wait(p, "synthetic b", 3000), "no model");
        pty_send(p, "gg");
        pty_pump(p, 50);
        pty_send(p, "j");
        pty_pump(p, 50);
        pty_send(p, "Q");
        pty_check(pty_wait(p, "[ synthetic big", 3000), "no source");
        pty_pump(p, 80);
        pty_send(p, "\x12");
        pty_check(pty_wait(p, "running", 3000), "it does not run");
    } else {
        pty_send(p, states[state]);
    }
    pty_pump(p, 80);
    pty_check(!p->ended, "it ended by itself: %x", p->status);
}

/* The newest thread of the program that is not its first; 0 = it has only one. */
static pid_t worker_of(pid_t pid)
{
    char path[64];
    pid_t found = 0;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));)
        found = atoi(e->d_name) > pid ? atoi(e->d_name) : found;
    if (d)
        closedir(d);
    return found;
}

static void end_by_signal(pty *p, int sig, size_t state, bool in_worker)
{
    reach(p, state);
    pid_t worker = worker_of(p->pid);
    pty_check(!in_worker || worker, "state %zu has no second thread", state);
    pty_check(syscall(SYS_tgkill, p->pid, in_worker ? worker : p->pid, sig) == 0, "tgkill");
    const char *where = in_worker ? "a worker" : "the first thread";
    pty_check(pty_wait_end(p, 3000), "signal %d in state %zu, %s: still there", sig, state, where);
    const char *left = pty_left(p);
    pty_check(!left, "signal %d in state %zu, %s: %s", sig, state, where, left);
    pty_check(WIFSIGNALED(p->status) && WTERMSIG(p->status) == sig,
              "signal %d in state %zu, %s: status %x", sig, state, where, p->status);
}

static bool is_fault(int sig)
{
    return sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE || sig == SIGILL || sig == SIGABRT;
}

/* A31: signals by states, in the first thread and, what a thread can do to itself, in a worker;
 * every signal at least once in each, about half of all; the whole with NB_TEST_LONG. */
static void signals_restore_the_terminal(pty *p)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGSEGV,
                                  SIGBUS, SIGFPE,  SIGILL, SIGABRT, SIGPIPE};
    test_rng rng = test_rng_make(31);
    bool all = getenv("NB_TEST_LONG") != NULL;
    int run = 0;
    for (size_t s = 0; s < sizeof signals / sizeof signals[0]; s++) {
        size_t must = test_below(&rng, WORKING);
        for (size_t k = 0; k < STATES; k++)
            for (int worker = 0; worker < 2; worker++) {
                bool chosen = worker ? k == WORKING : k == must;
                if (!chosen && test_below(&rng, 8) != 0 && !all)
                    continue;
                if (worker && (k != WORKING || !is_fault(signals[s])))
                    continue; /* the others are blocked there: the first thread gets them */
                end_by_signal(p, signals[s], k, worker);
                run++;
            }
    }
    printf("    %d of 55 cases\n", run);
}

/* A31: stopped and continued in every state, twice: modes off, then on again. */
static void every_state_survives_a_stop(pty *p)
{
    for (size_t k = 0; k < STATES; k++) {
        reach(p, k);
        for (int i = 0; i < 2; i++) {
            kill(p->pid, SIGTSTP);
            pty_check(pty_wait_stop(p, 2000), "state %zu: not suspended", k);
            const char *left = pty_left(p);
            pty_check(!left, "state %zu, suspended: %s", k, left);
            pty_continue(p);
            pty_pump(p, 250);
            pty_check(p->screen.alternate && p->screen.paste && p->screen.mouse,
                      "state %zu, continued: screen %d, paste %d, mouse %d", k, p->screen.alternate,
                      p->screen.paste, p->screen.mouse);
        }
        kill(p->pid, SIGTERM);
        pty_check(pty_wait_end(p, 3000) && !pty_left(p), "state %zu: %s", k, pty_left(p));
    }
}

/* tui 12 */
static void suspend_and_continue(pty *p)
{
    for (int i = 0; i < 2; i++) {
        reach(p, 0);
        if (i == 0)
            pty_send(p, "\x1a");
        else
            kill(p->pid, SIGTSTP);
        pty_check(pty_wait_stop(p, 2000), "way %d: not suspended", i);
        const char *left = pty_left(p);
        pty_check(!left, "way %d, suspended: %s", i, left);
        pty_continue(p);
        pty_pump(p, 500);
        pty_check(p->screen.alternate && p->screen.paste, "way %d, continued: screen %d, paste %d",
                  i, p->screen.alternate, p->screen.paste);
        pty_check(pty_wait(p, "? keys", 3000), "way %d: no frame", i);
        pty_send(p, "q");
        pty_check(pty_wait_end(p, 2000) && WIFEXITED(p->status) && WEXITSTATUS(p->status) == 0,
                  "way %d: status %x", i, p->status);
        left = pty_left(p);
        pty_check(!left, "way %d, quit: %s", i, left);
    }
}

/* A31: the terminal window closes. */
static void a_closed_terminal_ends_the_program(pty *p)
{
    reach(p, 0);
    int null = dup(STDIN_FILENO);
    close(p->slave);
    close(p->fd);
    p->slave = p->fd = null;
    double start = pty_now();
    bool gone = false;
    double cpu = pty_cpu(p);
    while (!gone && pty_now() - start < test_within(2)) {
        gone = kill(p->pid, 0) != 0;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    cpu = pty_cpu(p) - cpu;
    p->slave = dup(null);
    pty_check(gone, "still running 2 s after its terminal went, %.2f s of CPU", cpu);
}

/* tui.md 4.2: q on Models, :q and Ctrl-Q. */
static void quitting_leaves_nothing_behind(pty *p)
{
    static const char *const ways[] = {"1q", "\x11"};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        reach(p, 0);
        pty_send(p, ways[i]);
        pty_check(pty_wait_end(p, 2000) && WIFEXITED(p->status) && WEXITSTATUS(p->status) == 0,
                  "way %zu: status %x", i, p->status);
        const char *left = pty_left(p);
        pty_check(!left, "way %zu: %s", i, left);
    }
}

const pty_test pty_end_tests[] = {{"tui 12, A31: signals", signals_restore_the_terminal},
                                  {"tui 12: suspend", suspend_and_continue},
                                  {"A31: stop and continue", every_state_survives_a_stop},
                                  {"A31: hang-up", a_closed_terminal_ends_the_program},
                                  {"quit", quitting_leaves_nothing_behind},
                                  {0}};
