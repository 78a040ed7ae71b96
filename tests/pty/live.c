/* The running workbench: sizes, keys, idling, a stalled terminal, pastes (tui 3 4 8 10 11 16 17,
 * A30). */
#include "tests/pty/pty.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/str.h"
#include "tests/util.h"

/* tui 4: at every size >= 30 columns the last row tells of ? and : */
static void last_row_keeps_help_and_palette(pty *p)
{
    static const int sizes[][2] = {{30, 10}, {39, 9},   {40, 10},  {59, 14},  {60, 15}, {80, 24},
                                   {99, 30}, {100, 30}, {120, 40}, {200, 60}, {30, 2},  {30, 1}};
    static const char *const screens[] = {"1", "3", "4", "6"};
    for (size_t s = 0; s < 4; s++) {
        pty_open(p, &(pty_options){0}, "demo");
        pty_send(p, screens[s]);
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            pty_resize(p, sizes[i][0], sizes[i][1]);
            pty_pump(p, 90);
            const char *last = vt_row(&p->screen, sizes[i][1] - 1);
            pty_check(!p->ended && strchr(last, '?') && strchr(last, ':'), "%dx%d on %s: \"%s\"",
                      sizes[i][0], sizes[i][1], screens[s], last);
        }
    }
}

/* tui 3, A30: a third of 1,000 resizes while a job runs; the last frame is right. */
static void resizes_end_in_a_fresh_frame(pty *p)
{
    enum { RESIZES = 333 };
    test_rng rng = test_rng_make(30);
    pty_open(p, &(pty_options){.w = 200, .h = 60}, "demo");
    pty_send(p, "\x12"); /* Ctrl-R quantizes */
    for (int i = 0; i < RESIZES; i++) {
        pty_resize(p, 1 + (int)test_below(&rng, 300), 1 + (int)test_below(&rng, 100));
        pty_pump(p, 2);
        pty_check(!p->ended, "ended after %d resizes: %x", i, p->status);
    }
    static const int last[][2] = {{200, 60}, {80, 24}, {20, 5}, {1, 1}, {120, 40}};
    for (int i = 0; i < 5; i++) {
        pty_resize(p, last[i][0], last[i][1]);
        pty_pump(p, 60);
    }
    pty_check(pty_wait(p, "? keys", 3000), "no frame after the resizes");
    pty_pump(p, 2000); /* the job ends; its replay goes on, so look where nothing moves */
    pty_send(p, "1");
    pty_check(pty_wait(p, "[1 Models]", 2000), "no Models screen");
    pty_pump(p, 300);
    pty_check_fresh(p, "120x40");
    pty_check(p->screen.odd == 0, "sent %s", p->screen.first_odd);
}

/* A terminal that cuts what no longer fits has lost it, even when it is as large as before by the
 * time the program looks. */
static void smaller_and_back_at_once_is_painted_anew(pty *p)
{
    pty_open(p, &(pty_options){.w = 120, .h = 40}, "demo");
    pty_send(p, "1");
    pty_check(pty_wait(p, "[1 Models]", 2000), "no Models screen");
    pty_pump(p, 300);
    for (int i = 0; i < 10; i++) {
        pty_resize(p, 9, 3);
        pty_resize(p, 120, 40);
        pty_pump(p, 200);
        pty_check(vt_shows(&p->screen, "? keys"), "time %d: the last row is not painted", i);
        pty_check_fresh(p, "after smaller and back");
    }
}

/* tui 8 */
static void escape_is_quick_and_never_quits(pty *p)
{
    double best = 1e9;
    pty_open(p, &(pty_options){.w = 120, .h = 40}, "demo");
    for (int i = 0; i < 5; i++) {
        pty_send(p, ":");
        pty_check(pty_wait(p, "\xe2\x94\x80 palette", 2000), "no palette");
        pty_pump(p, 100);
        double start = pty_now();
        pty_send(p, "\x1b");
        pty_check(pty_wait_gone(p, "\xe2\x94\x80 palette", 2000), "Esc does not close the palette");
        best = pty_now() - start < best ? pty_now() - start : best;
    }
    printf("    Esc %.0f ms\n", best * 1e3);
    pty_check(best <= test_within(0.060), "Esc took %.0f ms", best * 1e3);
    static const char *const screens[] = {"1", "3", "4", "6"};
    for (int s = 0; s < 4; s++) {
        pty_send(p, screens[s]);
        for (int i = 0; i < 20; i++) {
            pty_send(p, "\x1b");
            pty_pump(p, 30);
            pty_check(!p->ended, "Esc %d quit on %s", i, screens[s]);
        }
    }
}

/* tui 10 */
static void idling_costs_next_to_nothing(pty *p)
{
    pty_open(p, &(pty_options){.w = 120, .h = 40}, "demo");
    pty_send(p, "1");
    pty_pump(p, 1500);
    double cpu = pty_cpu(p);
    size_t bytes = pty_pump(p, 10000);
    cpu = pty_cpu(p) - cpu;
    printf("    %zu bytes, %.0f ms of CPU in 10 s\n", bytes, cpu * 1e3);
    pty_check(bytes <= 300, "%zu bytes in 10 s", bytes);
    pty_check(cpu < test_within(0.050), "%.0f ms of CPU in 10 s", cpu * 1e3);
}

/* tui 11: the reader stops (3 s here, 30 in full), then resumes. */
static void a_stalled_terminal_is_not_replayed(pty *p)
{
    pty_open(p, &(pty_options){.w = 120, .h = 40}, "demo");
    pty_send(p, "\x12");
    double end = pty_now() + 3;
    for (int i = 0; pty_now() < end; i++) {
        char keys[2] = {"1346"[i & 3], '\0'};
        pty_check(write(p->fd, keys, 1) == 1, "the program no longer reads its keys");
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    size_t bytes = pty_pump(p, 400);
    printf("    %zu bytes after the stall\n", bytes);
    pty_check(!p->ended && bytes < 96 << 10, "%zu bytes were waiting", bytes);
    pty_send(p, "\x1b");
    pty_pump(p, 100);
    pty_send(p, "1");
    pty_pump(p, 300);
    pty_check_fresh(p, "after the stall");
}

static void open_chat(pty *p)
{
    pty_send(p, "1");
    pty_pump(p, 150);
    pty_send(p, "t");
    pty_check(pty_wait(p, "[6 Chat", 3000) && pty_wait(p, "Enter send", 3000), "no chat: \"%s\"",
              vt_row(&p->screen, p->screen.h - 1));
}

/* tui 16 */
static void a_paste_is_one_edit(pty *p)
{
    pty_open(p, &(pty_options){.w = 120, .h = 40}, "demo");
    pty_check(p->screen.paste, "bracketed paste is off");
    open_chat(p);
    pty_send(p, "\x1b[200~");
    for (int i = 0; i < 500; i++)
        pty_send(p, i % 2 ? "q:quit\tand \x1b[A more\r" : "\x11\x03plain line\n");
    pty_send(p, "the last line\x1b[201~");
    pty_pump(p, 500);
    pty_check(!p->ended, "the paste was typed: status %x", p->status);
    pty_check(pty_wait(p, "[pasted 501 lines]", 3000), "the paste is not there");
    pty_check(vt_shows(&p->screen, "[6 Chat"), "the paste changed the screen");
    pty_check(!vt_shows(&p->screen, "you  "), "the paste was sent");
    pty_check(pty_wait(p, "Ctrl-O shows the paste", 3000), "nothing says how to see it");
    pty_send(p, "\r");
    pty_pump(p, 1500);
    const char *chat = test_path(pty_home(), ".local/share/nibble/chats/chat-0001.jsonl");
    int sent = 0;
    size_t n;
    char *text = test_slurp(chat, &n);
    for (char *at = text; at && (at = strstr(at, "\"user\"")); at++)
        sent++;
    bool whole = text && strstr(text, "q:quit    and [A more\\nplain line\\n") &&
                 strstr(text, "plain line\\nq:quit") && strstr(text, "the last line\"");
    free(text);
    pty_check(sent == 1 && whole, "Enter sent %d messages, whole: %d", sent, whole);
    pty_check(p->screen.odd == 0, "sent %s", p->screen.first_odd);
}

/* tui 17: three ways to end a line stay apart in xterm, tmux and screen. */
static void newlines_and_enter_stay_apart(pty *p)
{
    static const char *const terms[] = {"xterm-256color", "tmux-256color", "screen"};
    for (int i = 0; i < 3; i++) {
        pty_open(p, &(pty_options){.w = 120, .h = 40, .term = terms[i]}, "demo");
        open_chat(p);
        pty_send(p, "alpha\nbeta");
        pty_pump(p, 50);
        pty_send(p, "\x1b\r");
        pty_pump(p, 50);
        pty_send(p, "gamma");
        pty_check(pty_wait(p, "gamma", 2000), "%s: nothing typed", terms[i]);
        pty_pump(p, 150); /* the frame is whole */
        int row[3] = {-1, -1, -1};
        static const char *const words[] = {"alpha", "beta", "gamma"};
        for (int y = 0; y < 40; y++)
            for (int w = 0; w < 3; w++)
                if (strstr(vt_row(&p->screen, y), words[w]))
                    row[w] = y;
        pty_check(row[0] >= 0 && row[1] == row[0] + 1 && row[2] == row[1] + 1, "%s: rows %d %d %d",
                  terms[i], row[0], row[1], row[2]);
    }
}

/* A press and its release where the screen shows text; `notch` 64 or 65 turns the wheel there. */
static void press(pty *p, const char *text, int notch)
{
    char bytes[64];
    int x, y;
    pty_check(vt_find(&p->screen, text, &x, &y), "\"%s\" is not shown", text);
    if (notch)
        snprintf(bytes, sizeof bytes, "\x1b[<%d;%d;%dM", notch, x + 1, y + 1);
    else
        snprintf(bytes, sizeof bytes, "\x1b[<0;%d;%dM\x1b[<0;%d;%dm", x + 1, y + 1, x + 1, y + 1);
    pty_send(p, bytes);
}

/* tui.md 4.12, with the bytes a terminal sends: press selects, the second press enters, the wheel
 * scrolls, drags and other buttons mean nothing; over ssh none of it before M. */
static void the_mouse_works_with_real_bytes(pty *p)
{
    static const char *const ssh[] = {"SSH_CONNECTION=10.0.0.1 1 10.0.0.2 22", NULL};
    pty_open(p, &(pty_options){.w = 120, .h = 40, .env = ssh}, "demo");
    pty_check(!p->screen.mouse, "asked for over ssh");
    pty_send(p, "M");
    pty_pump(p, 150);
    pty_check(p->screen.mouse, "M did nothing");
    press(p, "1 Models", 0);
    pty_check(pty_wait(p, "[1 Models]", 2000) && pty_wait(p, "nibble-demo  ", 3000), "the tab");
    pty_pump(p, 450); /* the next press is a first one */
    press(p, "SIZE", 0);
    pty_check(pty_wait(p, "sort size up", 2000), "the title does not sort");
    press(p, "nibble-demo  ", 0);
    pty_pump(p, 100);
    pty_check(vt_shows(&p->screen, "[1 Models]"), "one press opened it");
    press(p, "nibble-demo  ", 0);
    pty_check(pty_wait(p, "[4 Inspect", 3000) && pty_wait(p, "blk.0.attn_k", 3000),
              "the second did not");
    pty_pump(p, 300);
    press(p, "blk.0.attn_k", 65);
    press(p, "blk.0.attn_k", 65);
    pty_check(pty_wait_gone(p, "token_embd  ", 2000), "the wheel does not scroll");
    pty_send(p, "\x1b[<32;9;9M\x1b[<2;9;9M\x1b[<1;9;9M\x1b[<35;60;9M\x1b[<0;9999;9999M");
    press(p, "? keys", 0);
    pty_check(pty_wait(p, "keys here: Inspect", 2000), "the hint");
    pty_check(!p->ended && p->screen.odd == 0, "sent %s", p->screen.first_odd);
}

/* A19: a model written to while it chats is not believed; r loads it anew. A touch looks the same
 * from outside, and costs that key alone. */
static void a_touched_model_is_loaded_anew(pty *p)
{
    char model[600];
    snprintf(model, sizeof model, "%s/m.gguf", pty_home());
    const char *const make[] = {pty_program, "quantize", "demo", "-t", "Q4_0", "-o", model, NULL};
    pty_start(p, &(pty_options){.w = 120}, make);
    pty_check(pty_wait_end(p, 30000) && p->status == 0, "no model: \"%s\"", vt_row(&p->screen, 0));
    pty_open(p, &(pty_options){.w = 120, .h = 40}, model);
    pty_pump(p, 300);
    open_chat(p);
    pty_send(p, "What is Q4_K?\r");
    pty_check(pty_wait(p, "tok  done", 10000), "no answer");
    pty_check(utimensat(AT_FDCWD, model, NULL, 0) == 0, "touch");
    pty_send(p, "What is Q2_K?\r");
    pty_check(pty_wait(p, "was changed", 5000) && pty_wait(p, "r loads it anew", 1000),
              "not noticed");
    pty_send(p, "\x1b");
    pty_pump(p, 80);
    pty_send(p, "r");
    pty_check(pty_wait_gone(p, "was changed", 5000) && pty_wait(p, "tok  done", 10000) &&
                  pty_wait(p, "Q2_K stores", 3000),
              "r does not help: \"%s\"", vt_row(&p->screen, 3));
}

/* Row 1 may differ: live it has the machine's meters. */
static void check_replayed(const char *live, const char *replayed)
{
    size_t n, m;
    char *a = test_slurp(live, &n), *b = test_slurp(replayed, &m);
    const char *x = a ? strchr(a, '\n') : NULL, *y = b ? strchr(b, '\n') : NULL;
    bool same = x && y && strcmp(x, y) == 0;
    if (!same)
        printf("--- live\n%s--- replayed\n%s", a ? a : "not saved\n", b ? b : "not saved\n");
    free(a);
    free(b);
    pty_check(same, "%s and %s differ", live, replayed);
}

/* tui 29: what is typed at a terminal, written as verbs, shows the same without one. */
static void keys_replay_as_verbs(pty *p)
{
    static const struct {
        const char *keys, *verbs, *shows;
    } step[] = {{"4", "keys 4", "n 524k"},
                {"Ljj", "keys L j j", "linear y"},
                {"\r", "keys Enter", "H hex"},
                {"lll", "keys l l l", "block 3 of"},
                {"H", "keys H", "0010 "},
                {"\x1b", "keys Esc", "Enter block"},
                {"/ffn_d\r", "keys /\ntext ffn_d\nkeys Enter", "6 of 57"},
                {"\tjj", "keys Tab j j", "general.name"},
                {"+", "keys +", "kurt"}};
    enum { STEPS = sizeof step / sizeof step[0] };
    char live[STEPS][512], replayed[STEPS][512], script[512];
    nb_str text = {0};
    nb_str_add(&text, "size 120x40\nwait\n");
    pty_open(p, &(pty_options){.w = 120, .h = 40}, "demo");
    for (int i = 0; i < STEPS; i++) {
        char line[600];
        snprintf(live[i], sizeof live[i], "%s/live%d", pty_home(), i);
        snprintf(replayed[i], sizeof replayed[i], "%s/replayed%d", pty_home(), i);
        pty_send(p, step[i].keys);
        pty_check(pty_wait(p, step[i].shows, 3000), "step %d: no \"%s\"", i, step[i].shows);
        pty_pump(p, 150);
        nb_str_addf(&text, "%s\nwait\ncommand save-screen %s\n", step[i].verbs, replayed[i]);
        snprintf(line, sizeof line, ":save-screen %s\r", live[i]);
        pty_send(p, line);
        pty_check(pty_wait(p, "written to", 3000), "step %d was not saved", i);
    }
    snprintf(script, sizeof script, "%s/script", pty_home());
    test_spit(script, text.at, text.len);
    nb_str_free(&text);
    const char *const argv[] = {pty_program, "demo", "--script", script, NULL};
    pty_start(p, &(pty_options){.w = 120, .home = pty_home()}, argv);
    pty_check(pty_wait_end(p, 30000) && p->status == 0, "%s", vt_row(&p->screen, 0));
    for (int i = 0; i < STEPS; i++)
        check_replayed(live[i], replayed[i]);
}

const pty_test pty_live_tests[] = {
    {"tui 4: last row", last_row_keeps_help_and_palette},
    {"tui 3, A30: resizes", resizes_end_in_a_fresh_frame},
    {"A30: smaller and back", smaller_and_back_at_once_is_painted_anew},
    {"tui 8: Esc", escape_is_quick_and_never_quits},
    {"tui 10: idle", idling_costs_next_to_nothing},
    {"tui 11: stalled terminal", a_stalled_terminal_is_not_replayed},
    {"tui 16: paste", a_paste_is_one_edit},
    {"tui 17: newlines", newlines_and_enter_stay_apart},
    {"A19: touched model", a_touched_model_is_loaded_anew},
    {"mouse", the_mouse_works_with_real_bytes},
    {"tui 29: replay", keys_replay_as_verbs},
    {0}};
