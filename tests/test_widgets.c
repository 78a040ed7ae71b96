#include "tests/canvas_text.h"
#include "tests/check.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/widgets/widget.h"

/* --- wrapping --- */

/* Rows of text joined by '|'. */
static void wraps(const char *text, int width, const char *want)
{
    ui_row *rows = NULL;
    size_t count = 0, cap = 0;
    nb_str s = {0};
    check(ui_wrap(text, strlen(text), width, &rows, &count, &cap, NULL) == NB_OK, "memory");
    for (size_t i = 0; i < count; i++) {
        nb_str_add(&s, i ? "|" : "");
        nb_str_addn(&s, text + rows[i].start, rows[i].len);
    }
    check(strcmp(nb_str_c(&s), want) == 0, "\"%s\" at %d wraps \"%s\", wanted \"%s\"", text, width,
          nb_str_c(&s), want);
    nb_str_free(&s);
    free(rows);
}

CHECK_TEST(widgets, words_wrap_and_long_words_are_cut)
{
    wraps("", 5, "");
    wraps("one two three", 7, "one two|three");
    wraps("one two three", 5, "one|two|three");
    wraps("abcdefgh", 3, "abc|def|gh");
    wraps("ab\n\ncd", 9, "ab||cd");
    wraps("ab\n", 9, "ab|");
    wraps("日本語", 4, "日本|語");
    wraps("日本", 1, "日|本");
    wraps("a e\xcc\x81\xcc\x81 b", 3, "a e\xcc\x81\xcc\x81|b");
    wraps("👨‍👩‍👧‍👦x", 3, "👨‍👩‍👧‍👦x");
    wraps("abc", 0, "a|b|c");
}

/* A stream is wrapped piece by piece: the result may not depend on where it was cut. */
CHECK_TEST(widgets, streamed_text_wraps_like_whole_text)
{
    static const char *const bits[] = {"a",  "bc ",       " ",        "日",
                                       "\n", "e\xcc\x81", "longword", "👩‍👧 "};
    test_rng rng = test_rng_make(19);
    for (int round = 0; round < 300; round++) {
        nb_str s = {0};
        ui_row *whole = NULL, *live = NULL;
        size_t n = 0, cap = 0, m = 0, live_cap = 0;
        int width = 1 + (int)test_below(&rng, 12);
        for (int i = 0; i < 24; i++) {
            nb_str_add(&s, bits[test_below(&rng, countof(bits))]);
            if (test_below(&rng, 2))
                ui_wrap(s.at, s.len, width, &live, &m, &live_cap, NULL);
        }
        ui_wrap(s.at, s.len, width, &live, &m, &live_cap, NULL);
        ui_wrap(s.at, s.len, width, &whole, &n, &cap, NULL);
        check(n == m, "%zu rows whole, %zu streamed: \"%s\" at %d", n, m, s.at, width);
        for (size_t i = 0; i < n; i++)
            check(whole[i].start == live[i].start && whole[i].len == live[i].len,
                  "row %zu of \"%s\" at %d", i, s.at, width);
        free(whole);
        free(live);
        nb_str_free(&s);
    }
}

/* --- list, table, form --- */

CHECK_TEST(widgets, lists_keep_the_cursor_in_range_and_in_sight)
{
    static const ui_action moves[] = {UI_ACT_ANY_UP,        UI_ACT_ANY_DOWN,    UI_ACT_ANY_FIRST,
                                      UI_ACT_ANY_HALF_DOWN, UI_ACT_ANY_HALF_UP, UI_ACT_ANY_LAST};
    test_rng rng = test_rng_make(8);
    ui_list l = {0};
    for (int i = 0; i < 5000; i++) {
        int rows = (int)test_below(&rng, 12);
        if (test_below(&rng, 20) == 0)
            ui_list_set(&l, test_below(&rng, 40));
        check(ui_list_move(&l, moves[test_below(&rng, countof(moves))], rows), "a movement");
        ui_list_scroll(&l, rows);
        size_t shown = rows > 0 ? (size_t)rows : 1;
        check(l.n == 0 ? l.at == 0 && l.top == 0 : l.at < l.n, "row %zu of %zu", l.at, l.n);
        check(l.at >= l.top && l.at < l.top + shown, "row %zu, shown %zu+%zu", l.at, l.top, shown);
        check(l.n <= shown ? l.top == 0 : l.top + shown <= l.n, "empty rows below the last");
    }
    check(!ui_list_move(&l, UI_ACT_ANY_JOBS, 5), "J is no movement");
}

static void cell(const void *arg, size_t row, size_t col, char *buf, size_t cap, ui_role *role)
{
    (void)arg;
    snprintf(buf, cap, col == 0 ? "model-%zu" : "%zu.%zu", row, col);
    *role = col == 1 ? UI_OK : UI_TEXT;
}

static char mark(const void *arg, size_t row)
{
    return *(const size_t *)arg == row ? '*' : ' ';
}

CHECK_TEST(widgets, tables_mark_drop_columns_and_hold_the_cursor)
{
    static const ui_column cols[] = {
        {"NAME", 0, false, 0}, {"BPW", 5, true, 1}, {"KLD", 6, true, 2}};
    size_t marked = 1;
    ui_table t = {.col = cols, .n_col = 3, .cell = cell, .mark = mark, .arg = &marked};
    ui_list l = {.n = 9};
    ui_canvas c = canvas_open(36, 4);
    ui_table_draw(&c, (ui_rect){0, 0, 36, 4}, &t, &l, true);
    canvas_shows(&c, "   NAME                  BPW     KLD\n"
                     ">  model-0               0.1     0.2\n"
                     " * model-1               1.1     1.2\n"
                     "   model-2               2.1     2.2\n");
    check(c.cursor_x == 0 && c.cursor_y == 1, "cursor %d,%d", c.cursor_x, c.cursor_y);
    check(c.cell[36].role == UI_SELECT && c.cell[2 * 36 + 1].role == UI_MARK, "roles");
    ui_canvas_clear(&c);
    ui_table_draw(&c, (ui_rect){0, 0, 24, 4}, &t, &l, false);
    canvas_shows(&c, "   NAME              BPW\n"
                     ">  model-0           0.1\n"
                     " * model-1           1.1\n"
                     "   model-2           2.1\n");
    check(c.cursor_x == -1 && c.cell[36].role == UI_FOCUS, "no focus: a marker, no cursor");
    l.at = 8;
    ui_canvas_clear(&c);
    ui_table_draw(&c, (ui_rect){0, 0, 16, 4}, &t, &l, true);
    canvas_shows(&c, "   NAME\n   model-6\n   model-7\n>  model-8\n");
    for (int w = -1; w < 36; w++)
        for (int h = -1; h < 5; h++)
            ui_table_draw(&c, (ui_rect){1, 0, w, h}, &t, &l, true);
    ui_canvas_free(&c);
}

CHECK_TEST(widgets, forms_show_values_errors_and_focus)
{
    ui_field f[] = {
        {.label = "target", .kind = UI_FIELD_CHOICE, .value = "Q4_K_M", .note = "4.9 bpw"},
        {.label = "force", .kind = UI_FIELD_TOGGLE, .value = "overwrite", .on = true},
        {.label = "out", .kind = UI_FIELD_TEXT, .value = "x", .error = "exists"},
        {.kind = UI_FIELD_BUTTON, .value = "Run"}};
    ui_list l = {.at = 2};
    ui_canvas c = canvas_open(30, 4);
    ui_form_draw(&c, (ui_rect){0, 0, 30, 4}, f, countof(f), &l, 6, true);
    canvas_shows(&c, "  target Q4_K_M  4.9 bpw\n"
                     "  force  [x] overwrite\n"
                     "> out    x  exists\n"
                     "         [ Run ]\n");
    check(c.cursor_y == 2, "cursor in row %d", c.cursor_y);
    ui_form_draw(&c, (ui_rect){0, 0, 30, 4}, f, countof(f), &l, 6, false);
    for (int w = -1; w < 30; w++)
        ui_form_draw(&c, (ui_rect){0, 0, w, 4}, f, countof(f), &l, 6, true);
    ui_canvas_free(&c);
}

/* --- mouse --- */

static bool press(ui_list *l, int x, int y, int button)
{
    return ui_list_mouse(l, &(ui_key){.code = UI_K_MOUSE, .x = x, .y = y, .button = button});
}

/* tui.md 4.12: every cell of a table is a row, a title, or nothing; what is drawn is what is hit.
 */
CHECK_TEST(widgets, the_mouse_finds_what_was_drawn)
{
    static const ui_column cols[] = {
        {"NAME", 0, false, 0}, {"BPW", 5, true, 1}, {"KLD", 6, true, 2}};
    size_t marked = 0;
    ui_table t = {.col = cols, .n_col = 3, .cell = cell, .mark = mark, .arg = &marked};
    ui_list l = {.n = 9, .top = 2, .at = 3};
    ui_canvas c = canvas_open(40, 8);
    check(ui_list_hit(&l, 5, 3) == SIZE_MAX && ui_table_hit(&l, 5, 1) < 0, "not drawn yet");
    ui_table_draw(&c, (ui_rect){2, 1, 36, 4}, &t, &l, true);
    for (int y = 0; y < 8; y++)
        for (int x = 0; x < 40; x++) {
            bool in = x >= 2 && x < 38;
            size_t want = in && y >= 2 && y < 5 ? (size_t)y : SIZE_MAX;
            check(ui_list_hit(&l, x, y) == want, "%d,%d is row %zu", x, y, ui_list_hit(&l, x, y));
            int title = in && y == 1 ? x < 5 ? -1 : x < 25 ? 0 : x < 32 ? 1 : 2 : -1;
            check(ui_table_hit(&l, x, y) == title, "%d,%d is title %d", x, y,
                  ui_table_hit(&l, x, y));
        }
    ui_table_draw(&c, (ui_rect){0, 0, 24, 4}, &t, &l, false); /* KLD is dropped */
    check(ui_table_hit(&l, 23, 0) == 1, "title %d", ui_table_hit(&l, 23, 0));
    l.n = 3; /* fewer rows than the frame had */
    check(ui_list_hit(&l, 5, 2) == SIZE_MAX, "a row that is gone");
    ui_list_hide(&l);
    check(ui_list_hit(&l, 5, 1) == SIZE_MAX && ui_table_hit(&l, 5, 0) < 0, "hidden");
    ui_canvas_free(&c);
}

CHECK_TEST(widgets, a_press_selects_and_the_wheel_scrolls)
{
    ui_list l = {.n = 20};
    ui_list_place(&l, (ui_rect){10, 5, 8, 6});
    check(press(&l, 10, 9, 1) && l.at == 4 && l.top == 0, "row %zu", l.at);
    check(!press(&l, 9, 9, 1) && !press(&l, 10, 11, 1) && l.at == 4, "beside it");
    check(press(&l, 17, 5, 5) && l.top == 3 && l.at == 4, "top %zu, row %zu", l.top, l.at);
    check(press(&l, 17, 5, 5) && l.top == 6 && l.at == 6, "the cursor goes along at the edge");
    for (int i = 0; i < 9; i++)
        press(&l, 17, 5, 5);
    check(l.top == 14 && l.at == 14, "no empty rows below: %zu", l.top);
    for (int i = 0; i < 9; i++)
        press(&l, 17, 5, 4);
    check(l.top == 0 && l.at == 5, "top %zu, row %zu", l.top, l.at);
    check(!press(&l, 17, 4, 4) && l.top == 0, "beside it");
    l.across = 2; /* 2 columns of 3 cells with 2 between them */
    ui_list_place(&l, (ui_rect){10, 5, 8, 6});
    check(ui_list_hit(&l, 12, 6) == 1 && ui_list_hit(&l, 15, 6) == 7, "the second column");
    check(ui_list_hit(&l, 13, 6) == SIZE_MAX, "between them");
    check(press(&l, 15, 10, 5) && l.top == 3, "top %zu", l.top);
    ui_list none = {0};
    ui_list_place(&none, (ui_rect){0, 0, 5, 5});
    check(press(&none, 1, 1, 5) && !press(&none, 1, 1, 1) && none.at == 0, "no rows");
}

CHECK_TEST(widgets, spots_lie_over_one_another)
{
    ui_spots s = {0};
    ui_spots_add(&s, (ui_rect){0, 0, 10, 10}, 1);
    ui_spots_add(&s, (ui_rect){2, 2, 3, 1}, 2);
    ui_spots_add(&s, (ui_rect){4, 4, 0, 1}, 3);
    check(ui_spots_hit(&s, 2, 2) == 2 && ui_spots_hit(&s, 5, 2) == 1, "the last wins");
    check(ui_spots_hit(&s, 4, 4) == 1 && ui_spots_hit(&s, 10, 0) == -1, "empty and outside");
    for (int i = 0; i < 2 * UI_SPOTS; i++)
        ui_spots_add(&s, (ui_rect){20, 0, 1, 1}, 9);
    check(s.n == UI_SPOTS && ui_spots_hit(&s, 20, 0) == 9, "%zu spots", s.n);
}

/* --- pictures --- */

CHECK_TEST(widgets, bars_grow_with_their_values)
{
    static const double v[] = {0, 1, 4, 8, 16, -1, 0.001};
    ui_canvas c = canvas_open(7, 2);
    ui_bars_draw(&c, (ui_rect){0, 0, 7, 2}, v, countof(v), 0, false, UI_PLOT_A);
    canvas_shows(&c, "    █\n ▁▄██ ▁\n");
    ui_canvas_clear(&c);
    ui_bars_draw(&c, (ui_rect){0, 0, 7, 2}, v, countof(v), 32, false, UI_PLOT_A);
    canvas_shows(&c, "\n ▁▂▄█ ▁\n");
    double zero[3] = {0, 0, 0};
    ui_canvas_clear(&c);
    ui_bars_draw(&c, (ui_rect){0, 0, 3, 2}, zero, 3, 0, true, UI_PLOT_A);
    canvas_shows(&c, "\n\n");
    ui_canvas_free(&c);
}

CHECK_TEST(widgets, progress_fills_by_eighths_and_never_leaves_its_bar)
{
    ui_canvas c = canvas_open(10, 1);
    double last = -1;
    for (int i = -10; i <= 130; i++) {
        double full = 0;
        ui_canvas_clear(&c);
        ui_progress_draw(&c, 1, 0, 8, i / 100.0, UI_BUSY);
        for (int x = 1; x < 9; x++)
            for (int g = UI_G_LEFT8; g <= UI_G_LEFT8_END; g++)
                if (strcmp(c.cell[x].text, ui_glyph_text(&c, (ui_glyph)g)) == 0)
                    full += (g - UI_G_LEFT8 + 1) / 8.0;
        double share = i < 0 ? 0 : i > 100 ? 1 : i / 100.0;
        check(full >= last && full <= 8 * share + 1e-9 && full > 8 * share - 0.126,
              "%d%%: %g cells", i, full);
        check(c.cell[0].text[0] == ' ' && c.cell[9].text[0] == ' ', "outside the bar");
        last = full;
    }
    ui_progress_draw(&c, 1, 0, 8, 0.0 / (last - last), UI_BUSY); /* NaN */
    ui_canvas_free(&c);
}

/* tui 7: levels differ by glyph as well as by colour. */
CHECK_TEST(widgets, error_levels_differ_by_glyph)
{
    for (int ascii = 0; ascii < 2; ascii++) {
        ui_canvas c = canvas_open(6, 1);
        c.ascii = ascii;
        for (int level = -1; level < 5; level++)
            ui_shade(&c, level + 1, 0, level, UI_RAMP_ERROR_0);
        for (int i = 1; i < 4; i++) {
            check(strcmp(c.cell[i].text, c.cell[i + 1].text) != 0, "level %d and %d", i - 1, i);
            check(c.cell[i].role == UI_RAMP_ERROR_0 + i - 1, "role %d", c.cell[i].role);
        }
        ui_canvas_free(&c);
    }
}
