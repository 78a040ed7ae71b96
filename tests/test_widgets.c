#include "tests/check.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/widgets/widget.h"

static ui_canvas open_canvas(int w, int h)
{
    ui_canvas c = {0};
    nb_err err = {0};
    check(ui_canvas_resize(&c, w, h, &err) == NB_OK, "%s", err.msg);
    return c;
}

static void shows(const ui_canvas *c, const char *want)
{
    nb_str s = {0};
    ui_canvas_text(c, &s, false);
    check(strcmp(nb_str_c(&s), want) == 0, "shows\n%swanted\n%s", nb_str_c(&s), want);
    nb_str_free(&s);
}

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

/* --- input --- */

static void type(ui_input *in, const char *keys)
{
    char word[24];
    for (const char *s = keys; *s;) {
        size_t n = strcspn(s, " ");
        ui_key k;
        memcpy(word, s, n);
        word[n] = '\0';
        check(ui_key_parse(word, &k), "%s", word);
        ui_input_key(in, &k);
        s += n + strspn(s + n, " ");
    }
}

static void holds(const ui_input *in, const char *want)
{
    nb_str s = {0};
    nb_str_addn(&s, nb_str_c(&in->text), in->at);
    nb_str_add(&s, "^");
    nb_str_add(&s, nb_str_c(&in->text) + in->at);
    check(strcmp(nb_str_c(&s), want) == 0, "holds \"%s\", wanted \"%s\"", nb_str_c(&s), want);
    nb_str_free(&s);
}

CHECK_TEST(widgets, input_edits_with_readline_keys)
{
    static const struct {
        const char *start, *keys, *want;
    } rows[] = {
        {"", "a b c", "abc^"},
        {"one two", "C-w", "one ^"},
        {"one two", "M-b M-b x", "x^one two"},
        {"one two", "C-a M-d", "^ two"},
        {"one two", "C-a C-k", "^"},
        {"one two", "Left Left C-u", "^wo"},
        {"ab", "Home Del", "^b"},
        {"ab", "Bksp Bksp Bksp", "^"},
        {"日本", "Left x", "日x^本"},
        {"日本", "Bksp", "日^"},
        {"ae\xcc\x81", "Bksp", "a^"},
        {"x👨‍👩‍👧‍👦", "Left y", "xy^👨‍👩‍👧‍👦"},
        {"x👨‍👩‍👧‍👦", "Bksp", "x^"},
        {"ab", "C-b C-f C-h C-a C-d", "^"},
        {"ab", "End Right Right Home Left", "^ab"},
        {"ab", "C-j Up", "ab^"}, /* one line: neither does anything */
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ui_input in = {0};
        ui_input_set(&in, rows[i].start);
        type(&in, rows[i].keys);
        holds(&in, rows[i].want);
        ui_input_free(&in);
    }
}

/* tui 17: Ctrl-J and Alt-Enter insert a newline, Enter is the owner's. */
CHECK_TEST(widgets, only_multiline_inputs_take_newlines)
{
    ui_input in = {.multiline = true};
    ui_key enter = {.code = UI_K_ENTER};
    type(&in, "a C-j b M-Enter c");
    holds(&in, "a\nb\nc^");
    check(!ui_input_key(&in, &enter), "Enter belongs to the owner");
    type(&in, "Up Home x End y");
    holds(&in, "a\nxby^\nc");
    type(&in, "Down Down");
    holds(&in, "a\nxby\nc^");
    ui_input_free(&in);
}

/* tui 16: 500 lines with tabs and ESC sequences are one edit. */
CHECK_TEST(widgets, a_paste_is_one_edit_without_control_bytes)
{
    nb_str p = {0};
    for (int i = 0; i < 500; i++)
        nb_str_add(&p, i % 3 ? "line\twith \x1b[31mred\x07\r\n" : "q:wq\r");
    for (int multi = 0; multi < 2; multi++) {
        ui_input in = {.multiline = multi};
        ui_key k = {.code = UI_K_PASTE, .paste = p.at, .paste_len = p.len};
        check(ui_input_key(&in, &k), "taken");
        size_t lines = 0;
        for (size_t i = 0; i < in.text.len; i++) {
            unsigned char b = (unsigned char)in.text.at[i];
            lines += b == '\n';
            check(b >= 0x20 || b == '\n', "byte %u in the text", b);
        }
        check(lines == (multi ? 500u : 0u), "%zu lines", lines);
        check(in.at == in.text.len, "the caret is behind it");
        ui_input_free(&in);
    }
    nb_str_free(&p);
}

CHECK_TEST(widgets, the_caret_never_stands_inside_a_cluster)
{
    static const char *const keys[] = {"Left", "Right", "Up",  "Down", "Home", "End", "Bksp",
                                       "Del",  "C-w",   "C-k", "C-u",  "M-b",  "M-f", "M-d",
                                       "C-j",  "a",     "日",  "é",    "Space"};
    test_rng rng = test_rng_make(5);
    ui_canvas c = open_canvas(9, 4);
    ui_input in = {.multiline = true};
    for (int i = 0; i < 6000; i++) {
        if (i % 100 == 0)
            ui_input_set(&in, "e\xcc\x81 👨‍👩‍👧‍👦 日本\n\nx\xcc\x81");
        type(&in, keys[test_below(&rng, countof(keys))]);
        const char *s = nb_str_c(&in.text);
        check(in.at <= in.text.len && nb_utf8_whole(s, in.text.len) == in.text.len, "round %d", i);
        check(in.at == in.text.len || ((unsigned char)s[in.at] & 0xc0) != 0x80,
              "caret inside a character");
        if (i % 8)
            continue;
        ui_canvas_clear(&c);
        ui_input_draw(&c, (ui_rect){0, 0, 9, 4}, &in, "> ", true);
        check(c.cursor_x >= 2 && c.cursor_x < 9 && c.cursor_y >= 0 && c.cursor_y < 4,
              "the cursor left the box: %d,%d", c.cursor_x, c.cursor_y);
    }
    ui_input_free(&in);
    ui_canvas_free(&c);
}

CHECK_TEST(widgets, inputs_scroll_to_their_caret)
{
    ui_canvas c = open_canvas(8, 1);
    ui_input in = {0};
    ui_input_set(&in, "abcdefghij");
    ui_input_draw(&c, (ui_rect){0, 0, 8, 1}, &in, ":", true);
    shows(&c, ":…fghij\n");
    check(c.cursor_x == 7, "cursor at %d", c.cursor_x);
    ui_canvas_clear(&c);
    type(&in, "Home");
    ui_input_draw(&c, (ui_rect){0, 0, 8, 1}, &in, ":", true);
    shows(&c, ":abcdef…\n");
    check(c.cursor_x == 1, "cursor at %d", c.cursor_x);
    for (int w = 0; w < 4; w++)
        ui_input_draw(&c, (ui_rect){0, 0, w, 1}, &in, "prompt", true);
    ui_input_free(&in);
    ui_canvas_free(&c);
}

/* A mebibyte pasted into a filter must not freeze the program (tui 9). */
CHECK_TEST(widgets, a_huge_paste_into_one_line_draws_at_once)
{
    enum { N = 1 << 20 };
    char *big = malloc(N);
    memset(big, 'x', N);
    ui_input in = {0};
    ui_key k = {.code = UI_K_PASTE, .paste = big, .paste_len = N};
    ui_input_key(&in, &k);
    check(in.text.len == 64 << 10, "a line of %zu bytes", in.text.len);
    ui_canvas c = open_canvas(40, 1);
    for (int frame = 0; frame < 20; frame++)
        ui_input_draw(&c, (ui_rect){0, 0, 40, 1}, &in, "/ ", true);
    check(c.cursor_x > 1 && c.cursor_x < 40, "cursor at %d", c.cursor_x);
    ui_canvas_free(&c);
    ui_input_free(&in);
    free(big);
}

CHECK_TEST(widgets, multiline_inputs_grow_to_their_limit)
{
    ui_canvas c = open_canvas(10, 8);
    ui_input in = {.multiline = true};
    check(ui_input_rows(&c, &in, 10, 8) == 1, "empty");
    ui_input_set(&in, "a\nb\nc");
    check(ui_input_rows(&c, &in, 10, 8) == 3 && ui_input_rows(&c, &in, 10, 2) == 2, "three lines");
    ui_input_set(&in, "1\n2\n3\n4\n5\n6");
    ui_canvas_clear(&c);
    ui_input_draw(&c, (ui_rect){0, 0, 10, 3}, &in, "", true);
    shows(&c, "4\n5\n6\n\n\n\n\n\n");
    type(&in, "Up Up Up Up Up");
    ui_canvas_clear(&c);
    ui_input_draw(&c, (ui_rect){0, 0, 10, 3}, &in, "", true);
    shows(&c, "1\n2\n3\n\n\n\n\n\n");
    ui_input_free(&in);
    ui_canvas_free(&c);
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
    ui_canvas c = open_canvas(36, 4);
    ui_table_draw(&c, (ui_rect){0, 0, 36, 4}, &t, &l, true);
    shows(&c, "   NAME                  BPW     KLD\n"
              ">  model-0               0.1     0.2\n"
              " * model-1               1.1     1.2\n"
              "   model-2               2.1     2.2\n");
    check(c.cursor_x == 0 && c.cursor_y == 1, "cursor %d,%d", c.cursor_x, c.cursor_y);
    check(c.cell[36].role == UI_SELECT && c.cell[2 * 36 + 1].role == UI_MARK, "roles");
    ui_canvas_clear(&c);
    ui_table_draw(&c, (ui_rect){0, 0, 24, 4}, &t, &l, false);
    shows(&c, "   NAME              BPW\n"
              ">  model-0           0.1\n"
              " * model-1           1.1\n"
              "   model-2           2.1\n");
    check(c.cursor_x == -1 && c.cell[36].role == UI_FOCUS, "no focus: a marker, no cursor");
    l.at = 8;
    ui_canvas_clear(&c);
    ui_table_draw(&c, (ui_rect){0, 0, 16, 4}, &t, &l, true);
    shows(&c, "   NAME\n   model-6\n   model-7\n>  model-8\n");
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
    ui_canvas c = open_canvas(30, 4);
    ui_form_draw(&c, (ui_rect){0, 0, 30, 4}, f, countof(f), &l, 6, true);
    shows(&c, "  target Q4_K_M  4.9 bpw\n"
              "  force  [x] overwrite\n"
              "> out    x  exists\n"
              "         [ Run ]\n");
    check(c.cursor_y == 2, "cursor in row %d", c.cursor_y);
    ui_form_draw(&c, (ui_rect){0, 0, 30, 4}, f, countof(f), &l, 6, false);
    for (int w = -1; w < 30; w++)
        ui_form_draw(&c, (ui_rect){0, 0, w, 4}, f, countof(f), &l, 6, true);
    ui_canvas_free(&c);
}

/* --- pictures --- */

CHECK_TEST(widgets, bars_grow_with_their_values)
{
    static const double v[] = {0, 1, 4, 8, 16, -1, 0.001};
    ui_canvas c = open_canvas(7, 2);
    ui_bars_draw(&c, (ui_rect){0, 0, 7, 2}, v, countof(v), 0, false, UI_PLOT_A);
    shows(&c, "    █\n ▁▄██ ▁\n");
    ui_canvas_clear(&c);
    ui_bars_draw(&c, (ui_rect){0, 0, 7, 2}, v, countof(v), 32, false, UI_PLOT_A);
    shows(&c, "\n ▁▂▄█ ▁\n");
    double zero[3] = {0, 0, 0};
    ui_canvas_clear(&c);
    ui_bars_draw(&c, (ui_rect){0, 0, 3, 2}, zero, 3, 0, true, UI_PLOT_A);
    shows(&c, "\n\n");
    ui_canvas_free(&c);
}

CHECK_TEST(widgets, progress_fills_by_eighths_and_never_leaves_its_bar)
{
    ui_canvas c = open_canvas(10, 1);
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
        ui_canvas c = open_canvas(6, 1);
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
