/* The harness judged by programs whose faults are known: a check that cannot fail proves nothing.
 */
#include "tests/pty/pty.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

static void shell(pty *p, const char *script)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    pty_start(p, &(pty_options){.w = 40, .h = 10}, argv);
}

static void draws_what_is_sent(pty *p)
{
    shell(p, "printf '\\033[?1049h\\033[2J\\033[3;5Hab\\033[1mc\\033[2;1H日x\\033[9D\\033[3C!"
             "\\033[10;38Hend'; sleep 5");
    pty_check(pty_wait(p, "end", 2000), "no end");
    pty_check(strcmp(vt_row(&p->screen, 2), "    abc") == 0, "\"%s\"", vt_row(&p->screen, 2));
    pty_check(strcmp(vt_row(&p->screen, 1), "日x!") == 0, "\"%s\"", vt_row(&p->screen, 1));
    pty_check(p->screen.cell[2][6].bold && !p->screen.cell[2][5].bold, "bold");
    pty_check(p->screen.before == 0 && p->screen.odd == 0, "odd: %s", p->screen.first_odd);
}

static void scrolls_erases_and_repeats(pty *p)
{
    shell(p,
          "printf "
          "'\\033[Ha\\033[4b\\033[2;1Hxyz\\033[2;2H\\033[K\\033[10;1Hlast\\r\\n\\033[1;3H\\033[P'"
          "; sleep 5");
    pty_check(pty_wait(p, "last", 2000), "no last row");
    pty_pump(p, 50);
    pty_check(strcmp(vt_row(&p->screen, 0), "x") == 0, "\"%s\"", vt_row(&p->screen, 0));
    pty_check(strcmp(vt_row(&p->screen, 8), "last") == 0, "\"%s\"", vt_row(&p->screen, 8));
}

/* What ncurses sends to scroll lines 2 to 4 up by one. */
static void scrolls_a_region_and_keeps_the_cursor(pty *p)
{
    shell(p, "printf '\\033[2;1Htwo\\033[3;1Hthree\\033[4;1Hfour\\0337\\033[2;4r\\0338\\r\\n'"
             "'\\033[1;10r\\033[9;1Hend'; sleep 5");
    pty_check(pty_wait(p, "end", 2000), "no end");
    pty_check(strcmp(vt_row(&p->screen, 1), "three") == 0 &&
                  strcmp(vt_row(&p->screen, 2), "four") == 0 &&
                  strcmp(vt_row(&p->screen, 3), "") == 0,
              "\"%s\"", vt_row(&p->screen, 1));
}

static void sees_output_before_the_alternate_screen(pty *p)
{
    shell(p, "printf 'warning\\033[?1049hx'; sleep 5");
    pty_check(pty_wait(p, "x", 2000), "no x");
    pty_check(p->screen.before == 7, "%zu bytes before", p->screen.before);
}

static void sees_colour_and_foreign_sequences(pty *p)
{
    static const char *const foreign[] = {
        "\\033]52;c;aGk=\\007", "\\302\\2331m", "\\342\\200\\256x",
        "\\342\\200\\213",      "\\033[5y",     "\\377"};
    shell(p, "printf '\\033[38;5;9mred\\033[0m'; sleep 5");
    pty_check(pty_wait(p, "red", 2000) && p->screen.coloured == 1, "%u", p->screen.coloured);
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        char script[128];
        snprintf(script, sizeof script, "printf '%s.end'; sleep 5", foreign[i]);
        shell(p, script);
        pty_check(pty_wait(p, "end", 2000), "%zu: no end", i);
        pty_check(p->screen.odd > 0, "%s passed", foreign[i]);
    }
}

static void sees_a_terminal_left_behind(pty *p)
{
    static const char *const bad[] = {"printf '\\033[?1049h'", "printf '\\033[?25l'",
                                      "printf '\\033[?2004h'", "printf '\\033[?1000h'",
                                      "printf '\\033[?1004h'", "stty -echo"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        shell(p, bad[i]);
        pty_check(pty_wait_end(p, 2000), "%zu still runs", i);
        pty_check(pty_left(p) != NULL, "%s passed", bad[i]);
    }
    shell(p, "printf '\\033[?1049h\\033[?2004h\\033[?25l\\033[?25h\\033[?2004l\\033[?1049l'");
    pty_check(pty_wait_end(p, 2000) && !pty_left(p), "a clean end: %s", pty_left(p));
}

static void stops_continues_and_tells_the_status(pty *p)
{
    shell(p, "printf ready; kill -STOP $$; printf again; sleep 5");
    pty_check(pty_wait(p, "ready", 2000) && pty_wait_stop(p, 2000), "no stop");
    pty_continue(p);
    pty_check(pty_wait(p, "again", 2000), "no continue");
    kill(p->pid, SIGTERM);
    pty_check(pty_wait_end(p, 2000) && WIFSIGNALED(p->status) && WTERMSIG(p->status) == SIGTERM,
              "status %x", p->status);
    shell(p, "exit 3");
    pty_check(pty_wait_end(p, 2000) && WIFEXITED(p->status) && WEXITSTATUS(p->status) == 3,
              "status %x", p->status);
}

static void sizes_and_keys_arrive(pty *p)
{
    shell(p, "stty -echo; printf ready; read a; stty size; printf \"[$a]\"; sleep 5");
    pty_check(pty_wait(p, "ready", 2000), "not ready");
    pty_resize(p, 33, 7);
    pty_send(p, "key\n");
    pty_check(pty_wait(p, "7 33", 2000) && pty_wait(p, "[key]", 2000), "\"%s\"",
              vt_row(&p->screen, 0));
}

const pty_test pty_self_tests[] = {
    {"vt draws what is sent", draws_what_is_sent},
    {"vt scrolls, erases, repeats", scrolls_erases_and_repeats},
    {"vt scrolls a region", scrolls_a_region_and_keeps_the_cursor},
    {"sees output before the alternate screen", sees_output_before_the_alternate_screen},
    {"sees colour and foreign sequences", sees_colour_and_foreign_sequences},
    {"sees a terminal left behind", sees_a_terminal_left_behind},
    {"stop, continue, status", stops_continues_and_tells_the_status},
    {"sizes and keys arrive", sizes_and_keys_arrive},
    {0}};
