/* The workbench without a terminal: verbs, pinned time, errors that name the line (tui 29). */
#include "tests/check.h"
#include "tests/util.h"
#include "tests/workbench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

CHECK_TEST(script, verbs_do_what_they_say)
{
    workbench w = workbench_run("# a comment\n"
                                "\n"
                                "size 100x30\r\n"
                                "  wait\n"
                                "save-screen a\n"
                                "keys /\n"
                                "text nib-demo\n"
                                "save-screen b\n"
                                "keys Bksp Bksp C-u Esc\n"
                                "verb help\n"
                                "save-screen c\n"
                                "keys Esc\n"
                                "resize 64x12\n"
                                "save-screen d\n"
                                "quit\n"
                                "save-screen never\n");
    check(w.status == NB_OK, "%s", w.err.msg);
    const char *a = workbench_screen(&w, "a"), *b = workbench_screen(&w, "b"),
               *c = workbench_screen(&w, "c"), *d = workbench_screen(&w, "d");
    check(a && strstr(a, "nibble-demo"), "wait waits for the scan:\n%s", a ? a : "");
    check(b && strstr(b, "nib-demo"), "text types:\n%s", b ? b : "");
    check(c && strstr(c, "keys here: Models"), "verb runs:\n%s", c ? c : "");
    int rows = 0;
    for (const char *s = d; s && *s; s++)
        rows += *s == '\n';
    check(d && rows == 12 && strstr(d, "64x") == NULL, "%d rows of 12", rows);
    check(!workbench_screen(&w, "never"), "quit ends the script");
    workbench_free(&w);
}

CHECK_TEST(script, wrong_lines_are_named)
{
    static const struct {
        const char *line, *part;
    } bad[] = {{"dance", "no such verb \"dance\""},
               {"keys Bongo", "no key is called \"Bongo\""},
               {"size 80", "found \"80\""},
               {"size 0x9", "found \"0x9\""},
               {"frames none", "found \"none\""},
               {"paste open", "expected \"text\""},
               {"paste \"\\q\"", "expected"},
               {"click Bongo", "does not show \"Bongo\""},
               {"double", "does not show"},
               {"wheel-down 5,1001", "\"5,1001\""},
               {"verb fly", "no action is called \"fly\""},
               {"verb quantize.run", "works on Quantize"},
               {"command theme nowhere", "nowhere"},
               {"wait now", "no argument"},
               {"wait-for", "no text"},
               {"save-screen /nonexistent/x", "nonexistent"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[128];
        snprintf(text, sizeof text, "size 80x24\n%s\nsave-screen after\n", bad[i].line);
        workbench w = workbench_run(text);
        check(w.status != NB_OK, "%s: accepted", bad[i].line);
        check(strstr(w.err.msg, "line 2: ") && strstr(w.err.msg, bad[i].part), "%s: %s",
              bad[i].line, w.err.msg);
        check(!workbench_screen(&w, "after"), "%s: went on", bad[i].line);
        workbench_free(&w);
    }
}

/* Time moves by frames alone: the popup of a prefix key shows after 400 ms. */
CHECK_TEST(script, frames_move_the_clock)
{
    workbench w = workbench_run("size 80x24\nwait\nkeys g\nframes 3\nsave-screen a\n"
                                "frames 2\nsave-screen b\nkeys Esc\nsave-screen c\n");
    check(w.status == NB_OK, "%s", w.err.msg);
    check(!strstr(workbench_screen(&w, "a"), "first row"), "too early");
    check(strstr(workbench_screen(&w, "b"), "first row"), "listed:\n%s", workbench_screen(&w, "b"));
    check(!strstr(workbench_screen(&w, "c"), "first row"), "gone");
    workbench_free(&w);
}

/* The same verbs give the same bytes, colours included (tui 29). */
CHECK_TEST(script, replays_to_the_same_bytes)
{
    static const char text[] = "size 120x40\nwait\nframes 12\nsave-roles a\nkeys : \ntext th\n"
                               "save-roles b\nkeys Esc 3\nwait\nframes 3\nsave-roles c\n";
    workbench one = workbench_run(text), two = workbench_run(text);
    check(one.status == NB_OK && two.status == NB_OK, "%s%s", one.err.msg, two.err.msg);
    for (const char *name = "abc"; *name; name++) {
        char file[2] = {*name, 0};
        const char *x = workbench_screen(&one, file), *y = workbench_screen(&two, file);
        check(x && y && strlen(x) > 4800 && strcmp(x, y) == 0, "%s differs", file);
    }
    workbench_free(&one);
    workbench_free(&two);
}

/* A paste is one edit: nothing in it acts as a key (tui 16). */
CHECK_TEST(script, paste_is_one_edit)
{
    workbench w = workbench_run("size 80x24\nwait\npaste \"q\\nq\"\nsave-screen a\nkeys /\n"
                                "paste \"demo\\e[201~q\"\nsave-screen b\n");
    check(w.status == NB_OK, "%s", w.err.msg);
    check(strstr(workbench_screen(&w, "a"), "no field has the focus"), "%s",
          workbench_screen(&w, "a"));
    check(workbench_screen(&w, "b") && strstr(workbench_screen(&w, "b"), "demo"), "typed");
    check(!strchr(workbench_screen(&w, "b"), '\033'), "an escape byte got through");
    workbench_free(&w);
}

/* A long paste into a chat folds, says how to see it, and is sent whole (tui.md 4.5). */
CHECK_TEST(script, long_pastes_fold_in_chat)
{
    nb_str s = {0};
    nb_str_add(&s, "size 120x40\nwait\nkeys t\nwait\ntext about\nkeys Space\npaste \"");
    for (int i = 1; i <= 25; i++)
        nb_str_addf(&s, "line %d%s", i, i < 25 ? "\\n" : "\"\n");
    nb_str_add(&s, "save-screen folded\nkeys C-o\nsave-screen open\nkeys C-u C-o\n"
                   "save-screen again\n");
    workbench w = workbench_run(nb_str_c(&s));
    check(w.status == NB_OK, "%s", w.err.msg);
    const char *folded = workbench_screen(&w, "folded"), *open = workbench_screen(&w, "open"),
               *again = workbench_screen(&w, "again");
    check(strstr(folded, "about [pasted 25 lines]") && strstr(folded, "Ctrl-O shows the paste") &&
              !strstr(folded, "line 25"),
          "%s", folded);
    check(strstr(open, "line 25") && !strstr(open, "pasted") && strstr(open, "Ctrl-G editor"), "%s",
          open);
    check(strstr(again, "no paste is folded"), "%s", again);
    workbench_free(&w);
    nb_str_free(&s);
}

/* What the JSON of a screen says is what the list shows (tui 29). */
CHECK_TEST(script, screens_have_a_json_twin)
{
    workbench w = workbench_run("size 120x40\nwait\nsave-json a\n");
    check(w.status == NB_OK, "%s", w.err.msg);
    const char *a = workbench_screen(&w, "a");
    check(a && a[0] == '{' && strstr(a, "nibble-demo"), "%s", a ? a : "none");
    workbench_free(&w);
}
