/* However the workbench ends, the terminal is as it was (tui 12, A31). */
#include "tests/pty/pty.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/util.h"

static const char *const states[] = {"", "1/abc", "1thello", "4", "\x12"}; /* the last quantizes */

static void reach(pty *p, const char *keys)
{
    pty_open(p, &(pty_options){.w = 100, .h = 30}, "demo");
    pty_send(p, keys);
    pty_pump(p, 80);
    pty_check(!p->ended, "it ended by itself: %x", p->status);
}

/* A31: signals by states, a seeded third of the 55; SIGPIPE is ignored by design elsewhere. */
static void signals_restore_the_terminal(pty *p)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGSEGV,
                                  SIGBUS, SIGFPE,  SIGILL, SIGABRT, SIGPIPE};
    test_rng rng = test_rng_make(31);
    int run = 0;
    for (size_t s = 0; s < sizeof signals / sizeof signals[0]; s++) {
        size_t must = test_below(&rng, 5); /* every signal at least once */
        for (size_t k = 0; k < 5; k++) {
            if (k != must && test_below(&rng, 6) != 0)
                continue;
            int sig = signals[s];
            reach(p, states[k]);
            kill(p->pid, sig);
            pty_check(pty_wait_end(p, 3000), "signal %d in state %zu: still there", sig, k);
            const char *left = pty_left(p);
            pty_check(!left, "signal %d in state %zu: %s", sig, k, left);
            pty_check(WIFSIGNALED(p->status) && WTERMSIG(p->status) == sig,
                      "signal %d in state %zu: status %x", sig, k, p->status);
            run++;
        }
    }
    printf("    %d of 50 signal and state pairs\n", run);
}

/* tui 12 */
static void suspend_and_continue(pty *p)
{
    for (int i = 0; i < 2; i++) {
        reach(p, "1");
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
        pty_check(vt_shows(&p->screen, "? keys"), "way %d: no frame", i);
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
    reach(p, "1");
    int null = dup(STDIN_FILENO);
    close(p->slave);
    close(p->fd);
    p->slave = p->fd = null;
    double start = pty_now();
    bool gone = false;
    double cpu = pty_cpu(p);
    while (!gone && pty_now() - start < 2) {
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
        reach(p, "");
        pty_send(p, ways[i]);
        pty_check(pty_wait_end(p, 2000) && WIFEXITED(p->status) && WEXITSTATUS(p->status) == 0,
                  "way %zu: status %x", i, p->status);
        const char *left = pty_left(p);
        pty_check(!left, "way %zu: %s", i, left);
    }
}

const pty_test pty_end_tests[] = {{"tui 12, A31: signals", signals_restore_the_terminal},
                                  {"tui 12: suspend", suspend_and_continue},
                                  {"A31: hang-up", a_closed_terminal_ends_the_program},
                                  {"quit", quitting_leaves_nothing_behind},
                                  {0}};
