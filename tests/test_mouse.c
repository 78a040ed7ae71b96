/* The mouse on every screen and panel (tui.md 4.1, 4.12): a press focuses and selects and never
 * acts, the second is Enter, the wheel scrolls what is under it, titles and legends act. */
#include "core/base/json.h"
#include "tests/check.h"
#include "tests/util.h"
#include "tests/workbench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static workbench play(const char *text)
{
    workbench w = workbench_run(text);
    check(w.status == NB_OK, "%s", w.err.msg);
    return w;
}

/* Screens that must show a text, or with a leading '!' must not; NULL-terminated pairs. */
static void look(workbench *w, const char *const *pair)
{
    for (; *pair; pair += 2) {
        const char *screen = workbench_screen(w, pair[0]), *text = pair[1];
        bool absent = *text == '!';
        check(screen, "%s was not saved", pair[0]);
        check((strstr(screen, text + absent) != NULL) != absent, "%s: \"%s\" in:\n%s", pair[0],
              text, screen);
    }
}
#define LOOK(w, ...) look(w, (const char *const[]){__VA_ARGS__, NULL})

/* The JSON one screen saved in two moments. */
static bool same_file(workbench *w, const char *a, const char *b)
{
    const char *x = workbench_screen(w, a), *y = workbench_screen(w, b);
    check(x && y, "%s or %s was not saved", a, b);
    return strcmp(x, y) == 0;
}

CHECK_TEST(mouse, the_frame_is_pressed)
{
    workbench w =
        play("size 120x40\nwait\nclick 3 Quantize\nsave-screen tab\nclick q back\n"
             "save-screen back\nclick : palette\nsave-screen palette\nclick Esc close\n"
             "save-screen closed\nclick ] ctx\nsave-screen more\nclick [ ] ctx\n"
             "save-screen less\nclick Q quantize  t\nwait\nclick Ctrl-R run  h\nframes 3\n"
             "save-screen run\nclick details\nsave-screen jobs\nwait\n");
    LOOK(&w, "tab", "[3 Quantize", "back", "[1 Models", "palette", "─ palette", "closed",
         "!─ palette", "more", "FIT@8k", "less", "FIT@4k", "run", "/44", "jobs", "─ jobs");
    workbench_free(&w);
}

/* The second press of a double click may lie over what the first one brought. */
CHECK_TEST(mouse, a_double_click_on_the_frame_acts_once)
{
    workbench w = play("size 120x40\nwait\nclick ] ctx\ndouble ] ctx\nsave-screen hint\n"
                       "click 4 Inspect\nwait\ndouble 4 Inspect\nsave-screen tab\n");
    LOOK(&w, "hint", "FIT@8k", "tab", "[4 Inspect]");
    workbench_free(&w);
}

/* "gb" and "^R" are keys of a hint, the words behind them belong to the last key before. */
CHECK_TEST(mouse, hints_press_the_keys_they_name)
{
    workbench w = play("size 120x40\nwait\nkeys Enter\nwait\nkeys Enter\nsave-screen block\n"
                       "click gb go to  H\nsave-screen asks\nkeys Esc\nclick H hex  Esc\n"
                       "save-screen hex\nclick Esc back\nsave-screen back\nkeys 3\nwait\n"
                       "click D dry run\nsave-screen dry\nclick or Esc back\n"
                       "save-screen same\n");
    LOOK(&w, "block", "gb go to", "asks", "go to block", "hex", "0000 ", "back", "!H hex  Esc",
         "dry", "dry run: 57 tensors", "same", "!dry run: 57 tensors");
    workbench_free(&w);
}

CHECK_TEST(mouse, nothing_else_is_pressed_while_a_question_waits)
{
    workbench w = play("size 120x40\nwait\nkeys 3\nwait\nkeys C-r\nkeys C-q\nsave-screen asked\n"
                       "click 1 Models\nclick ? keys\nclick 5,5\nsave-screen still\nclick 20,39\n"
                       "save-screen stays\nwait\n");
    LOOK(&w, "asked", "cancels them and quits", "still", "[3 Quantize", "still",
         "cancels them and quits", "stays", "!cancels them and quits");
    workbench_free(&w);
}

static const char two_models[] = "size 120x40\nwait\nkeys 3\nwait\nkeys C-r\nwait\nkeys 1\nwait\n";

CHECK_TEST(mouse, models_select_open_sort_and_filter)
{
    nb_str s = {0};
    nb_str_add(&s, two_models);
    nb_str_add(&s,
               "keys gg\nclick Q2_K\nsave-screen row\ndouble Q2_K  Nib\nwait\nsave-screen opened\n"
               "keys 1\nclick SIZE\nsave-screen size\nclick SIZE\nsave-screen down\n"
               "click PARAM\nsave-screen params\nclick TIGHT\nsave-screen tight\nkeys Esc\n"
               "click / e.g. demo\nsave-screen typing\ntext q2\nclick 9,4\nkeys s\n"
               "save-screen typed\n");
    workbench w = play(nb_str_c(&s));
    LOOK(&w, "row", ">  └ Q2_K", "row", "[1 Models", "opened", "[4 Inspect", "size", "sort size up",
         "down", "sort size down", "params", "sort param up", "tight", "no model matches", "typing",
         "Enter keeps the filter", "typed", "1 of 2", "typed", "sort bpw up");
    nb_str_free(&s);
    workbench_free(&w);
}

CHECK_TEST(mouse, quantize_form_is_selected_then_entered)
{
    workbench w = play(
        "size 120x40\nwait\nkeys 3\nwait\ndouble options of\nsave-json a\nclick pure\nsave-json b\n"
        "save-screen selected\ndouble pure\nsave-json c\nclick o-Q2_K\n"
        "double o-Q2_K\nsave-screen editing\nclick method\nsave-screen left\n"
        "wheel-down threads\nclick Quantize ]\nsave-screen no\nsave-json d\n"
        "double Quantize ]\nframes 2\nsave-screen runs\nwait\n");
    check(same_file(&w, "a", "b"), "a press changed the recipe");
    check(!same_file(&w, "b", "c"), "the second press did not");
    check(same_file(&w, "c", "d"), "something changed it");
    LOOK(&w, "selected", ">   pure", "editing", "Enter accepts", "left", "> method", "left",
         "!Enter accepts", "no", "what it will be", "runs", "/44");
    workbench_free(&w);
}

CHECK_TEST(mouse, quantize_tables_and_error_map)
{
    workbench w = play("size 120x40\nwait\nkeys 3\nwait\nclick blk.0.attn_k\nsave-screen table\n"
                       "wheel-down WHY\nwheel-down blk.0\nwheel-down blk.1\nsave-screen scrolled\n"
                       "click method\nsave-screen form\nkeys C-r\nwait\nframes 120\n"
                       "click 60,22\nsave-screen output\nclick 62,24\nsave-screen cell\n"
                       "wheel-down size  \nsave-screen next\nwheel-up size  \nwheel-up size  \n"
                       "save-screen before\nresize 80x24\nsave-screen one\nclick weight error\n"
                       "save-screen all\n");
    LOOK(&w, "table", "D or Esc back", "table", ">  blk.0.attn_k", "scrolled", "!output_norm",
         "form", "> method", "output", "done  output  1/44", "cell", "done  blk.2.attn_k  ", "next",
         "done  blk.2.attn_output  ", "before", "done  blk.1.ffn_up  ", "one", "!attn_q", "all",
         "attn_q");
    workbench_free(&w);
}

CHECK_TEST(mouse, inspect_panes_titles_and_blocks)
{
    workbench w =
        play("size 120x40\nwait\nkeys 4\nwait\nclick blk.0.attn_q\nwait\nsave-screen tensor\n"
             "click TYPE\nsave-screen type\nclick TENSOR\nclick TENSOR\nsave-screen names\n"
             "click general.type\nsave-screen meta\nwheel-down general.type\nsave-screen wheel\n"
             "click log y\nsave-screen linear\nclick decoded\nsave-screen block\n"
             "click idx\nclick 71,28\nsave-screen value\ndouble TENSOR\nclick 10,3\n"
             "save-screen back\nwheel-down 10,5\nwheel-down 10,5\nsave-screen rows\n");
    LOOK(&w, "tensor", ">  blk.0.attn_q ", "tensor", "blk.0.attn_q.weight", "type", "sort type",
         "names", "sort name", "names", "blk.2.attn_v", "meta", "> general.type", "wheel",
         "!general.type", "linear", "linear y", "block", "!gb go to", "value", "gb go to", "back",
         "!gb go to", "rows", "!token_embd");
    workbench_free(&w);
}

/* A question to two panes: a press on a word focuses its pane and puts the cursor on its token, the
 * second tells what else was likely. */
CHECK_TEST(mouse, chat_panes_tokens_and_input)
{
    nb_str s = {0};
    nb_str_add(&s, two_models);
    nb_str_add(
        &s, "keys gg Space Space t\nwait\ntext What is Q2_K?\nkeys Enter\nwait\n"
            "keys Esc f\nclick 63,6\nsave-roles token\ndouble 63,6\nsave-screen why\nclick 8,6\n"
            "save-screen other\ndouble 8,6\nsave-screen still\nkeys Esc Esc\nclick Ask something\n"
            "save-screen writes\ntext hello\nclick 70,20\nsave-screen leaves\n"
            "keys m\nclick p>.9\nsave-screen legend\nclick H<.3\nsave-screen off\n");
    workbench w = play(nb_str_c(&s));
    LOOK(&w, "why", "side by side", "other", "!token 1, side", "still", "side by side", "writes",
         "Enter send", "leaves", "i write", "leaves", "hello", "legend", "metric: entropy", "off",
         "metric: off");
    const char *roles = workbench_screen(&w, "token");
    check(strstr(roles, "i write"), "%s", roles);
    nb_str_free(&s);
    workbench_free(&w);
}

/* An answer longer than its pane: the wheel scrolls the pane it is over, whoever has the focus. */
CHECK_TEST(mouse, the_wheel_scrolls_the_pane_under_it)
{
    nb_str s = {0};
    nb_str_add(&s, two_models);
    nb_str_add(&s, "keys gg Space Space t\nwait\ntext What is Q2_K?\nkeys Enter\nwait\n"
                   "resize 80x16\nsave-screen a\nwheel-up 50,5\nsave-screen b\n"
                   "wheel-down 50,5\nsave-screen c\nwheel-up 5,5\nsave-screen d\n");
    workbench w = play(nb_str_c(&s));
    const char *a = workbench_screen(&w, "a"), *b = workbench_screen(&w, "b"),
               *c = workbench_screen(&w, "c"), *d = workbench_screen(&w, "d");
    check(strcmp(a, b) != 0 && strcmp(a, c) == 0, "up and down:\n%s\n%s\n%s", a, b, c);
    check(strcmp(b, d) != 0 && strcmp(a, d) != 0, "another pane:\n%s", d);
    nb_str_free(&s);
    workbench_free(&w);
}

CHECK_TEST(mouse, sampling_rows_are_entered_by_a_second_press)
{
    workbench w = play("size 120x40\nwait\nkeys t\nwait\nkeys Esc P\nclick top-k\n"
                       "save-screen selected\ndouble top-k\nsave-screen editing\n"
                       "click same seed\nsave-screen left\n");
    LOOK(&w, "selected", "> top-k", "selected", "!│top-k", "editing", "│top-k", "left", "> seed",
         "left", "!│top-k");
    workbench_free(&w);
}

CHECK_TEST(mouse, palette_and_help_rows_run_by_a_second_press)
{
    workbench w =
        play("size 120x40\nwait\nkeys :\ntext errors\nclick errors and log\n"
             "save-screen selected\ndouble errors and log\nsave-screen ran\nkeys Esc\n"
             "keys ?\nsave-screen help\nclick Screen: Quantize\ndouble Screen: Quantize\n"
             "save-screen went\nkeys :\nsave-screen top\nwheel-down 20,12\nwheel-down 20,12\n"
             "save-screen wheel\n");
    LOOK(&w, "selected", "─ palette", "ran", "─ errors and log", "help", "keys here", "went",
         "[3 Quantize", "top", "dry run, tensor by", "wheel", "!dry run, tensor by");
    workbench_free(&w);
}

CHECK_TEST(mouse, jobs_and_errors_rows)
{
    workbench w =
        play("size 120x40\nwait\nkeys 3\nwait\nkeys J\nsave-screen jobs\nclick scan models\n"
             "save-screen second\ndouble scan models\nsave-screen went\nkeys 4\nwait\nkeys E\n"
             "save-screen log\nclick 15,12\nsave-screen row\n"
             "click 12,11\ntext to quantize\nsave-screen filter\n");
    LOOK(&w, "jobs", "> done       open", "second", "  done       open", "second",
         "> done       scan", "went", "[1 Models]", "went", "!─ jobs", "log", "to inspect",
         "filter", "/ to quantize", "filter", "!to inspect");
    workbench_free(&w);
}

/* What an earlier frame drew is gone with it: no press lands on a list that is not shown. */
CHECK_TEST(mouse, hidden_lists_are_not_hit)
{
    workbench w = play("size 120x40\nwait\nsave-json a\nkeys +\nclick 50,3\nclick 5,3\n"
                       "double 5,4\nresize 39x9\nclick 5,3\ndouble 5,3\nresize 120x40\n"
                       "keys Esc\nsave-screen still\nsave-json b\n");
    LOOK(&w, "still", "[1 Models", "still", "sort found");
    check(same_file(&w, "a", "b"), "something was pressed");
    workbench_free(&w);
}

/* Presses and notches anywhere, at any size, on every screen and panel: nothing breaks, nothing
 * quits. */
CHECK_TEST(mouse, any_press_anywhere_is_safe)
{
    static const char *const doors[] = {"1", "3", "4", "6", ":", "?", "J", "E", "D", "P", "Enter"};
    static const char *const verbs[] = {"click", "double", "wheel-up", "wheel-down"};
    test_rng r = test_rng_make(41);
    nb_str s = {0};
    nb_str_add(&s, two_models);
    for (int i = 0; i < 60; i++) {
        unsigned w = 20 + test_below(&r, 160), h = 5 + test_below(&r, 50);
        nb_str_addf(&s, "keys Esc Esc %s\nresize %ux%u\n", doors[test_below(&r, 4)], w, h);
        nb_str_addf(&s, "keys %s\n", doors[test_below(&r, 11)]);
        for (int k = 0; k < 25; k++)
            nb_str_addf(&s, "%s %u,%u\n", verbs[test_below(&r, 4)], test_below(&r, w),
                        test_below(&r, h));
    }
    nb_str_add(&s, "resize 120x40\nwait\nkeys Esc Esc Esc 1\nsave-screen end\n");
    workbench w = play(nb_str_c(&s));
    LOOK(&w, "end", "? keys");
    nb_str_free(&s);
    workbench_free(&w);
}
