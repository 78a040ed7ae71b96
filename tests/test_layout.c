/* No screen loses letters silently: at four sizes every state of tests/scripts is drawn and the
 * canvas must have noted no cut, neither of the clip rectangle nor of one text by another; and a
 * name too long for its place ends in an ellipsis (tui 2). */
#include "tests/check.h"
#include "tests/stage.h"
#include "tests/util.h"
#include "tui/screens/parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const sizes[] = {"80x24", "100x30", "120x40", "200x60"};

static void holds_whole_words(const char *script, const char *demo)
{
    char folder[64];
    stage s;
    snprintf(folder, sizeof folder, "layout-%s", script);
    stage_begin(&s, folder, demo);
    s.opt.cpu = NULL;
    stage_whole_words(&s, script);
}

CHECK_TEST(layout, tui_2_models_cut_no_word)
{
    holds_whole_words("models", "nibble-demo");
}

CHECK_TEST(layout, tui_2_quantize_cuts_no_word)
{
    holds_whole_words("quantize", "nibble-demo");
}

CHECK_TEST(layout, tui_2_form_cuts_no_word)
{
    holds_whole_words("form", "nibble-demo");
}

CHECK_TEST(layout, tui_2_inspect_cuts_no_word)
{
    holds_whole_words("inspect", "nibble-demo");
}

CHECK_TEST(layout, tui_2_chat_cuts_no_word)
{
    holds_whole_words("chat", "nibble-demo");
}

CHECK_TEST(layout, tui_2_panels_cut_no_word)
{
    holds_whole_words("panels", "nibble-demo");
}

CHECK_TEST(layout, tui_2_empty_screens_cut_no_word)
{
    holds_whole_words("nothing", NULL);
}

/* --- long names ------------------------------------------------------------------------------ */

/* As the folder is called, and as files made from it and headings are. */
static const char *const long_names[] = {
    "A-model-whose-name-is-so-long-that-no-column-of-any-screen-has-a-place-for-it-omega",
    "A-Model-Whose-Name-Is-So-Long-That-No-Column-Of-Any-Screen-Has-A-Place-For-It-Omega",
    "A Model Whose Name Is So Long That No Column Of Any Screen Has A Place For It Omega",
};

/* Everywhere a model's name can stand; over an empty list where a panel would cover names. */
static const char name_script[] =
    "wait\nsave-screen models\nkeys +\nsave-screen zoom\nkeys + Enter\nwait\nsave-screen inspect\n"
    "keys 3\nwait\nsave-screen recipe\nkeys D\nsave-screen dry\nkeys D C-r p\nframes 3\n"
    "keys 1\nsave-screen strip\nkeys 3 p\nwait\nsave-screen done\nkeys t\nwait\n"
    "text What is Q2_K?\nkeys Enter\nwait\nsave-screen chat\nkeys Esc =\nsave-screen words\n"
    "keys = 1\nwait\nkeys j Enter\nwait\nsave-screen against\nkeys 1\nkeys /\ntext zzz\n"
    "keys Enter J\nsave-screen jobs\nkeys Esc E\nsave-screen log\n";

/* What follows the name's letters at `at`: its end, an ellipsis, or the rest in the next row. Where
 * it has words, whole ones may be left out. */
static bool whole_or_marked(const char *at, const char *name)
{
    size_t n = 0;
    char rest[8] = "";
    while (name[n] && at[n] == name[n])
        n++;
    memcpy(rest, name + n, strnlen(name + n, sizeof rest - 1));
    const char *next = strchr(at, '\n'), *end = next ? strchr(next + 1, '\n') : NULL;
    const char *goes_on = next ? strstr(next, rest) : NULL;
    return !name[n] || name[n] == ' ' || strncmp(at + n, "\xe2\x80\xa6", 3) == 0 ||
           (goes_on && goes_on < end);
}

CHECK_TEST(layout, tui_2_long_names_end_in_an_ellipsis)
{
    enum { SURELY = 9 }; /* letters that only this name begins with */
    char name[64], file[80], begin[SURELY + 1] = "";
    const char *at = name_script;
    stage s;
    nb_str all = {0}, cuts = {0};
    int seen = 0;
    stage_begin(&s, "names", long_names[0]);
    s.opt.cpu = NULL;
    stage_at_sizes(&all, name_script, sizes, countof(sizes), NULL);
    stage_play(&s, nb_str_c(&all));
    while (stage_next_screen(&at, name, true))
        for (size_t i = 0; i < countof(sizes) * countof(long_names); i++) {
            size_t n;
            const char *size = sizes[i / countof(long_names)],
                       *want = long_names[i % countof(long_names)];
            snprintf(file, sizeof file, "%s-%s", name, size);
            memcpy(begin, want, SURELY);
            char *screen = test_slurp(file, &n);
            for (const char *p = screen; p && (p = strstr(p, begin)); p += SURELY, seen++)
                if (!whole_or_marked(p, want))
                    nb_str_addf(&cuts, "%s: %.*s\n", file, (int)strcspn(p, "\n"), p);
            free(screen);
        }
    stage_leave();
    check(cuts.len == 0, "cut without an ellipsis:\n%s", nb_str_c(&cuts));
    check(seen > 50, "the name stands in %d places only", seen);
    nb_str_free(&all);
}

/* --- wrapped text ----------------------------------------------------------------------------- */

/* Where rows are too few the last says that text goes on; where they are enough, nothing is lost.
 */
CHECK_TEST(layout, tui_2_wrapped_text_says_that_it_goes_on)
{
    static const char text[] = "the quick brown fox jumps over a-name-without-any-space-in-it";
    for (int w = 2; w < 80; w++)
        for (int h = 1; h < 12; h++) {
            ui_canvas c = {0};
            nb_str shown = {0};
            check(ui_canvas_resize(&c, w, h, NULL) == NB_OK, "memory");
            parts_lines l = ui_parts_begin(&c, (ui_rect){0, 0, w, h});
            ui_parts_wrap(&l, UI_TEXT, text);
            ui_canvas_text(&c, &shown, false);
            size_t letters = 0, want = 0;
            for (const char *p = nb_str_c(&shown); *p; p++)
                letters += *p >= 'a' && *p <= 'z';
            for (const char *p = text; *p; p++)
                want += *p >= 'a' && *p <= 'z';
            bool marked = strstr(nb_str_c(&shown), "\xe2\x80\xa6") != NULL;
            check(marked == (letters < want) && c.n_cut == 0, "%dx%d, %zu of %zu letters:\n%s", w,
                  h, letters, want, nb_str_c(&shown));
            nb_str_free(&shown);
            ui_canvas_free(&c);
        }
}
