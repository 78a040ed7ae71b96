/* Lines on a terminal that cannot be drawn on (tui 30): numbers are choices, Ctrl-C is for the job
 * first, Ctrl-D ends; nothing but lines is ever written. */
#include "tests/pty/pty.h"
#include "tests/util.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static const pty_options dumb = {.w = 160, .h = 60, .term = "dumb"};

/* No sequence of any kind: not one byte of an escape was seen. */
static void check_lines(const pty *p)
{
    const vt *t = &p->screen;
    pty_check(t->odd == 0 && t->switches == 0 && t->coloured == 0 && !t->hidden && !t->mouse &&
                  !t->paste && t->frames == 0 && !t->asked_background && !t->asked_sync,
              "more than lines: %s", t->first_odd);
}

static void start(pty *p)
{
    const char *const argv[] = {pty_program, "demo", NULL};
    pty_start(p, &dumb, argv);
    pty_check(pty_wait(p, "0 goes back", 5000), "no form: \"%s\"", vt_row(&p->screen, 0));
}

/* tui 24, 27, 30: a target, a file, two models that answer. */
static void tui_30_a_dumb_terminal_gets_lines(pty *p)
{
    start(p);
    pty_send(p, "5\nfits 3 MB\n");
    pty_check(pty_wait(p, "0 keeps the target's", 20000), "no front");
    pty_send(p, "0\n13\n");
    pty_check(pty_wait(p, "written: ", 20000), "nothing was written");
    pty_send(p, "0\n3\n1 2\nWhat is Q4_K?\n");
    pty_check(pty_wait(p, "B, Nibble-Demo-", 20000), "no second answer");
    check_lines(p);
    pty_send(p, "\x04"); /* Ctrl-D */
    pty_check(pty_wait_end(p, 3000) && WIFEXITED(p->status) && WEXITSTATUS(p->status) == 0,
              "status %x", p->status);
    pty_check(!pty_left(p), "left behind: %s", pty_left(p));
}

/* tui 13, 30 */
static void tui_30_ctrl_c_is_for_the_job_first(pty *p)
{
    start(p);
    pty_send(p, "3\n2\n\n13\n"); /* best takes its time */
    char part[1200];
    snprintf(part, sizeof part, "%s/.local/share/nibble/models/Nibble-Demo-Q2_K.gguf.part",
             pty_home());
    for (int i = 0; i < 200 && access(part, F_OK) != 0; i++)
        pty_pump(p, 10);
    pty_check(access(part, F_OK) == 0, "it did not begin: \"%s\"", vt_row(&p->screen, 0));
    double before = pty_now();
    pty_send(p, "\x03");
    pty_check(pty_wait(p, "nothing was left on disk", 5000), "not cancelled");
    printf("    cancelled in %.0f ms\n", 1e3 * (pty_now() - before));
    pty_check(access(part, F_OK) != 0, "%s is left", part);
    check_lines(p);
    pty_send(p, "\x03"); /* nothing runs: the end */
    pty_check(pty_wait_end(p, 3000) && WIFEXITED(p->status) && WEXITSTATUS(p->status) == 130,
              "status %x", p->status);
    pty_check(!pty_left(p), "left behind: %s", pty_left(p));
}

/* tui 13: who comes second keeps its hands off, and says so. */
static void tui_13_a_second_workbench_says_so_in_a_line(pty *p)
{
    static pty other;
    static const pty_options plain = {.w = 120, .h = 40, .term = "dumb"};
    pty_options same = plain;
    const char *const argv[] = {pty_program, NULL};
    same.home = pty_home();
    start(p);
    pty_start(&other, &same, argv);
    bool said = pty_wait(&other, "another", 5000);
    pty_close(&other);
    pty_check(said, "not a word");
}

const pty_test pty_plain_tests[] = {
    {"tui 30: a dumb terminal gets lines", tui_30_a_dumb_terminal_gets_lines},
    {"tui 30: Ctrl-C is for the job first", tui_30_ctrl_c_is_for_the_job_first},
    {"tui 13: a second workbench says so in a line", tui_13_a_second_workbench_says_so_in_a_line},
    {0},
};
