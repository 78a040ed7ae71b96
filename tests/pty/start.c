/* How the workbench starts, and what it never sends (tui rows 1, 4, 5, 6; A32). */
#include "tests/pty/pty.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/util.h"
#include "tui/term_private.h"

/* tui 1: first usable frame within 150 ms with 500 files, the best of five on a shared machine. */
static void first_frame_comes_within_150_ms(pty *p)
{
    enum { FILES = 500, HEAD = 128 << 10 };
    char dir[400], model[512], name[600];
    snprintf(dir, sizeof dir, "%s", pty_folder("many"));
    snprintf(model, sizeof model, "%s/m.gguf", dir);
    const char *const make[] = {pty_program, "quantize", "demo", "-t", "Q4_0", "-o", model, NULL};
    pty_start(p, &(pty_options){.w = 120}, make);
    pty_check(pty_wait_end(p, 30000) && WIFEXITED(p->status) && WEXITSTATUS(p->status) == 0,
              "no model: \"%s\"", vt_row(&p->screen, 0));
    size_t n;
    char *bytes = test_slurp(model, &n);
    pty_check(bytes && n > HEAD, "%zu bytes", n);
    for (int i = 1; i < FILES; i++) { /* headers, then a hole where the weights are */
        snprintf(name, sizeof name, "%s/m%03d.gguf", dir, i);
        test_spit(name, bytes, HEAD);
        pty_check(truncate(name, (off_t)n) == 0, "%s", name);
    }
    free(bytes);
    double best = 1e9;
    for (int i = 0; i < 5; i++) {
        const char *const argv[] = {pty_program, dir, NULL};
        double start = pty_now();
        pty_start(p, &(pty_options){.w = 120, .h = 40}, argv);
        pty_check(pty_wait(p, "of 501", 5000), "not 500 files and the demo: %s",
                  vt_row(&p->screen, 2));
        best = pty_now() - start < best ? pty_now() - start : best;
        pty_check(p->screen.before == 0, "%zu bytes before the alternate screen", p->screen.before);
    }
    printf("    first frame %.0f ms\n", best * 1e3);
    pty_check(best <= test_within(0.150), "first frame after %.0f ms", best * 1e3);
}

/* tui 5 */
static void no_color_sends_no_colour_and_states_stay_apart(pty *p)
{
    static const char *const env[] = {"NO_COLOR=1", NULL};
    static const char *const screens[] = {"1", "3", "4", "6"};
    pty_open(p, &(pty_options){.w = 120, .h = 40, .env = env}, "demo");
    for (size_t i = 0; i < 4; i++) {
        pty_send(p, "\x1b");
        pty_pump(p, 60);
        pty_send(p, screens[i]);
        pty_pump(p, 150);
    }
    pty_check(p->screen.coloured == 0, "%u colours", p->screen.coloured);
    pty_send(p, "\x1b");
    pty_pump(p, 60);
    pty_send(p, "1");
    pty_check(pty_wait(p, "FITS", 2000) && vt_shows(&p->screen, ">"), "cursor or FITS missing");
    pty_send(p, " ");
    pty_check(pty_wait(p, "* nibble-demo", 2000), "a marked row looks like others");
    char dir[400];
    snprintf(dir, sizeof dir, "%s", pty_folder("broken"));
    test_spit(test_path(dir, "broken.gguf"), "GGUF\3\0\0\0nonsense", 16);
    pty_open(p, &(pty_options){.w = 120, .h = 40, .env = env}, dir);
    pty_send(p, "1");
    pty_pump(p, 150);
    pty_send(p, "gg");
    pty_pump(p, 60);
    pty_send(p, "jt");
    pty_check(pty_wait(p, "! ", 3000), "an error has no sign of its own");
    pty_check(p->screen.coloured == 0, "%u colours", p->screen.coloured);
    pty_open(p, &(pty_options){.w = 120, .h = 40}, "demo");
    pty_check(p->screen.coloured > 0, "with colour there is none: the check sees nothing");
}

/* tui 6 */
static void every_terminal_starts_or_says_why(pty *p)
{
    static const struct {
        const char *term, *locale;
        bool runs;
    } rows[] = {{"xterm-256color", "C.UTF-8", true},   {"screen", "C.UTF-8", true},
                {"tmux-256color", "C.UTF-8", true},    {"vt100", "C.UTF-8", true},
                {"xterm-256color", "C", true},         {"linux", "C", true},
                {"no-such-terminal", "C.UTF-8", true}, {"dumb", "C.UTF-8", false}};
    /* a dumb one gets lines: tests/pty/plain.c */
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *const argv[] = {pty_program, "demo", NULL};
        const vt *t = &p->screen;
        pty_start(p, &(pty_options){.term = rows[i].term, .locale = rows[i].locale}, argv);
        if (rows[i].runs) {
            pty_check(pty_wait(p, "? keys", 5000), "%s %s: \"%s\"", rows[i].term, rows[i].locale,
                      vt_row(t, 0));
            pty_check(t->odd == 0, "%s: %s", rows[i].term, t->first_odd);
            bool asks = strcmp(rows[i].term, "vt100") != 0 && strcmp(rows[i].term, "linux") != 0;
            pty_check(t->asked_background == asks && t->asked_sync == asks,
                      "%s: asked %u, %u times", rows[i].term, t->asked_background, t->asked_sync);
        } else {
            pty_check(pty_wait(p, "0 goes back", 5000) && t->switches == 0, "%s: no lines: \"%s\"",
                      rows[i].term, vt_row(t, 0));
            pty_check(!t->asked_background && !t->asked_sync, "%s was asked", rows[i].term);
        }
        if (strcmp(rows[i].locale, "C") == 0)
            pty_check(t->high == 0, "%s: %u bytes beyond ASCII", rows[i].term, t->high);
    }
}

/* tui 4: over ssh no mouse mode is requested until M. */
static void mouse_is_off_over_ssh_until_asked(pty *p)
{
    static const char *const env[] = {"SSH_CONNECTION=10.0.0.1 1 10.0.0.2 22", NULL};
    pty_open(p, &(pty_options){.env = env}, "demo");
    pty_check(!p->screen.mouse, "mouse is on");
    pty_send(p, "M");
    pty_pump(p, 200);
    pty_check(p->screen.mouse, "M did nothing");
    pty_open(p, &(pty_options){0}, "demo");
    pty_check(p->screen.mouse, "locally it is off");
}

static int focus_color(const char *theme)
{
    ui_theme t;
    pty_check(ui_theme_load(&t, theme, NULL, NULL) == NB_OK, "%s", theme);
    return ui_term_color_index(t.role[UI_FOCUS].fg, 256);
}

/* A whole frame of it shows the colours of this theme and of no other. */
static void check_theme(pty *p, const char *theme)
{
    static const char *const themes[] = {"default", "dark", "light"};
    memset(p->screen.fg, 0, sizeof p->screen.fg);
    pty_send(p, "\f");
    pty_pump(p, 200);
    for (int i = 0; i < 3; i++) {
        bool want = strcmp(theme, themes[i]) == 0;
        pty_check((p->screen.fg[focus_color(themes[i])] > 0) == want,
                  "%s: the focus has%s the colour of %s", theme, want ? " not" : "", themes[i]);
    }
}

/* tui.md 4.16, 5: the default theme is the one for the terminal's background, if that is told in
 * 100 ms; a late or missing answer changes nothing, and no answer is ever typed. */
static void the_default_theme_follows_the_background(pty *p)
{
    static const struct {
        const char *reply;
        int ms;
        const char *setting, *theme;
    } rows[] = {{"\x1b]11;rgb:ffff/ffff/ffff\x1b\\", 0, "", "light"},
                {"\x1b]11;rgb:00/00/00\a", 0, "", "dark"},
                {"\x1b]11;rgb:fdfd/f6f6/e3e3\a\x1b[?2026;2$y", 50, "theme = default\n", "light"},
                {"\x1b]11;rgb:ffff/ffff/ffff\a", 300, "", "default"},
                {NULL, 0, "", "default"},
                {"\x1b]11;rgb:ffff/ffff/ffff\a", 0, "theme = dark\n", "dark"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char dir[600];
        pty_new_home();
        snprintf(dir, sizeof dir, "%s/.config", pty_home());
        mkdir(dir, 0700);
        strcat(dir, "/nibble");
        mkdir(dir, 0700);
        test_spit(test_path(dir, "config"), rows[i].setting, strlen(rows[i].setting));
        double start = pty_now();
        pty_open(p,
                 &(pty_options){.w = 120, .h = 40, .reply = rows[i].reply, .reply_ms = rows[i].ms},
                 "demo");
        pty_check(p->screen.asked_background == 1 && p->screen.asked_sync == 1,
                  "asked %u, %u times", p->screen.asked_background, p->screen.asked_sync);
        pty_send(p, "1");
        pty_pump(p, 150);
        pty_send(p, "/");
        pty_pump(p, 400 - (int)((pty_now() - start) * 1000) > 0 ? 400 : 50);
        pty_check(vt_shows(&p->screen, "Enter keeps the filter") && !vt_shows(&p->screen, "11;"),
                  "row %zu: the answer was typed", i);
        check_theme(p, rows[i].theme);
        pty_check(p->screen.odd == 0, "sent %s", p->screen.first_odd);
    }
}

/* Halves of an answer with a pause between them, and one that comes when the program has gone. */
static void answers_are_never_typed(pty *p)
{
    pty_open(p, &(pty_options){.w = 120, .h = 40}, "demo");
    pty_send(p, "1");
    pty_pump(p, 150);
    pty_send(p, "/");
    pty_check(pty_wait(p, "Enter keeps the filter", 2000), "no filter");
    pty_send(p, "\x1b]11;rgb:ffff/ff");
    pty_pump(p, 80);
    pty_send(p, "ff/ffff\x1b\\\x1b[?20");
    pty_pump(p, 80);
    pty_send(p, "26;2$yab");
    pty_check(pty_wait(p, "/ ab", 2000), "typed \"%s\"", vt_row(&p->screen, 2));
    int waiting = -1;
    const char *const argv[] = {pty_program, "demo", NULL};
    pty_start(p,
              &(pty_options){.reply = "\x1b]11;rgb:ffff/ffff/ffff\a\x1b[?2026;2$y", .reply_ms = 60},
              argv);
    pty_check(pty_wait(p, "? keys", 3000), "no frame");
    kill(p->pid, SIGTERM);
    pty_check(pty_wait_end(p, 3000), "it does not end");
    pty_pump(p, 200);
    pty_check(!p->reply && ioctl(p->slave, FIONREAD, &waiting) == 0 && waiting == 0,
              "%d bytes of the answer are left to the shell", waiting);
}

/* tui.md 5: frames are held back until they are whole only where the terminal said it can. */
static void frames_are_marked_when_the_terminal_knows(pty *p)
{
    static const char *const replies[] = {"\x1b[?2026;2$y", "\x1b[?2026;0$y", NULL};
    for (int i = 0; i < 3; i++) {
        pty_open(p, &(pty_options){.w = 120, .h = 40, .reply = replies[i]}, "demo");
        for (int k = 0; k < 6; k++) {
            pty_send(p, k & 1 ? "3" : "1");
            pty_pump(p, 100);
        }
        pty_check((p->screen.frames > 3) == (i == 0), "reply %d: %u frames", i, p->screen.frames);
        pty_check(!p->screen.frame, "the last frame is still held back");
        pty_send(p, "\x1a");
        pty_check(pty_wait_stop(p, 2000) && !pty_left(p), "suspended: %s", pty_left(p));
    }
}

/* tui 14, A32: file names are foreign text. */
static void hostile_names_stay_text(pty *p)
{
    static const char *const names[] = {
        "\x1b]52;c;aGk=\x07",
        "\xc2\x9b"
        "31m",
        "a\rb\bc",
        "\xe2\x80\xae"
        "evil",
        "z\xe2\x80\x8bw",
        "\xf3\xa0\x81\x81t",
        "\xff\xfe",
        "\x1b[2J",
        "\x1bPq",
        "e\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81"};
    char dir[400];
    snprintf(dir, sizeof dir, "%s", pty_folder("hostile"));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[600];
        snprintf(path, sizeof path, "%s/%s%zu.gguf", dir, names[i], i);
        test_spit(path, "GGUF", 4);
    }
    pty_open(p, &(pty_options){.w = 120, .h = 40}, dir);
    for (int i = 0; i < 12; i++) {
        pty_send(p, "j");
        pty_pump(p, 40);
    }
    pty_check(p->screen.odd == 0, "sent %s", p->screen.first_odd);
    pty_check(vt_shows(&p->screen, "\xe2\x9f\xa8U+202E\xe2\x9f\xa9"), "U+202E is not made visible");
}

const pty_test pty_start_tests[] = {
    {"tui 1: first frame", first_frame_comes_within_150_ms},
    {"tui 5: NO_COLOR", no_color_sends_no_colour_and_states_stay_apart},
    {"tui 6: terminals", every_terminal_starts_or_says_why},
    {"tui 4: mouse", mouse_is_off_over_ssh_until_asked},
    {"theme: background", the_default_theme_follows_the_background},
    {"theme: late answers", answers_are_never_typed},
    {"synchronized output", frames_are_marked_when_the_terminal_knows},
    {"tui 14, A32: hostile names", hostile_names_stay_text},
    {0}};
