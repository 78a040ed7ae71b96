/* The text input: readline keys, pastes and their folding, what is shown, the caret. */
#include "tests/canvas_text.h"
#include "tests/check.h"
#include "tests/util.h"

#include <stdlib.h>
#include <string.h>

#include "tui/widgets/widget.h"

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

CHECK_TEST(input, edits_with_readline_keys)
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
CHECK_TEST(input, only_multiline_inputs_take_newlines)
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
CHECK_TEST(input, a_paste_is_one_edit_without_control_bytes)
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

static void paste_lines(ui_input *in, int lines, const char *each)
{
    nb_str p = {0};
    for (int i = 0; i < lines; i++)
        nb_str_addf(&p, i + 1 < lines ? "%s %d\n" : "%s %d", each, i);
    ui_input_key(in, &(ui_key){.code = UI_K_PASTE, .paste = p.at, .paste_len = p.len});
    nb_str_free(&p);
}

static size_t whole_len(const ui_input *in)
{
    nb_str s = {0};
    ui_input_whole(in, &s);
    size_t n = s.len;
    nb_str_free(&s);
    return n;
}

/* tui.md 4.5: more than 20 lines fold; the sign is one step of the caret, goes with one Backspace,
 * opens in its place, and the whole text never lacks a byte. */
CHECK_TEST(input, long_pastes_fold)
{
    ui_canvas c = canvas_open(30, 3);
    ui_input in = {.multiline = true, .folds = true};
    paste_lines(&in, UI_FOLD_LINES, "x");
    check(!ui_input_folded(&in) && !ui_input_unfold(&in), "20 lines do not fold");
    ui_input_set(&in, "");
    type(&in, "a");
    paste_lines(&in, 214, "x");
    type(&in, "b Left Left Left");
    size_t all = 2 + 213 + 2 * 214 + 10 + 90 * 2 + 114 * 3;
    check(in.at == 0 && whole_len(&in) == all, "caret at %zu, %zu bytes of %zu", in.at,
          whole_len(&in), all);
    ui_input_draw(&c, (ui_rect){0, 0, 30, 3}, &in, "", true);
    canvas_shows(&c, "a[pasted 214 lines]b\n\n\n");
    type(&in, "Right Right");
    ui_input_draw(&c, (ui_rect){0, 0, 30, 3}, &in, "", true);
    check(c.cursor_x == 19, "the caret is behind the words, not at %d", c.cursor_x);
    check(ui_input_rows(&c, &in, 30, 8) == 1, "it takes a row");
    for (int x = 0; x < 30; x++) {
        ui_input_press(&in, x, 0);
        check(in.at == (x < 1    ? 0
                        : x < 19 ? 1
                        : x < 20 ? 4
                                 : 5),
              "a press at %d: byte %zu", x, in.at);
    }
    ui_input_press(&in, 20, 0);
    type(&in, "Left c");
    check(whole_len(&in) == all + 1 && ui_input_unfold(&in), "opens");
    check(in.text.len == all + 1 && in.at == all && in.text.at[in.at] == 'b', "the caret stays");
    check(strncmp(in.text.at, "ax 0\nx 1\n", 9) == 0 && strstr(in.text.at, "x 213cb"), "in place");
    ui_input_set(&in, "");
    for (int i = 0; i < UI_FOLDS; i++)
        paste_lines(&in, 30, "y");
    check(in.text.len == 3 * UI_FOLDS, "each has its sign");
    paste_lines(&in, 30, "z");
    check(in.text.len > 3 * UI_FOLDS + 60 && strstr(in.text.at, "z 29"), "one more stays open");
    type(&in, "Home Home C-u C-a");
    ui_input_set(&in, "");
    paste_lines(&in, 30, "y");
    type(&in, "Bksp");
    check(in.text.len == 0 && whole_len(&in) == 0, "gone with one key");
    ui_input_free(&in);
    ui_canvas_free(&c);
}

/* Whatever is typed, pasted and erased: the text stays UTF-8 and no sign comes from outside. */
CHECK_TEST(input, signs_of_pastes_are_never_forged)
{
    static const char *const keys[] = {"Left", "Right", "Bksp", "Del", "C-w", "C-k", "C-u",
                                       "M-b",  "Home",  "End",  "Up",  "C-j", "x",   "日"};
    static const char *const bits[] = {"\xef\xb7\x90", "\xef", "\xb7\x90",
                                       "\xef\xb7",     "\x90", "\xef\xef\xb7\x90\xb7\x90"};
    test_rng rng = test_rng_make(16);
    ui_input in = {.multiline = true, .folds = true};
    for (int i = 0; i < 4000; i++) {
        const char *bit = bits[test_below(&rng, countof(bits))];
        size_t signs = 0, n = in.text.len;
        switch (test_below(&rng, 5)) {
        case 0:
            paste_lines(&in, 21, bit);
            check(in.text.len <= n + 3 || in.text.len > n + 60, "folded or open");
            break;
        case 1:
            ui_input_key(&in,
                         &(ui_key){.code = UI_K_PASTE, .paste = bit, .paste_len = strlen(bit)});
            break;
        case 2:
            ui_input_key(&in, &(ui_key){.code = UI_K_CHAR, .ch = 0xfdd0 + test_below(&rng, 32)});
            check(in.text.len == n, "a sign was typed");
            break;
        default:
            type(&in, keys[test_below(&rng, countof(keys))]);
        }
        if (in.text.len > 400)
            ui_input_set(&in, "\xef\xb7\x90 \xef\xb7\xaf"); /* signs a draft may hold: dropped */
        const char *s = nb_str_c(&in.text);
        for (size_t k = 0; k < in.text.len;) {
            uint32_t cp = 0;
            size_t used = nb_utf8_next(s + k, in.text.len - k, &cp, NULL);
            bool sign = cp >= 0xfdd0 && cp <= 0xfdef;
            check(used, "round %d: byte %zu is no UTF-8", i, k);
            check(!sign || (cp < 0xfdd0 + UI_FOLDS && in.fold[cp - 0xfdd0]), "a forged sign");
            signs += sign;
            k += used ? used : 1;
        }
        check(signs <= UI_FOLDS && ui_input_folded(&in) == (signs > 0), "%zu signs", signs);
    }
    ui_input_free(&in);
}

CHECK_TEST(input, a_press_puts_the_caret_under_the_pointer)
{
    ui_canvas c = canvas_open(12, 3);
    ui_input in = {.multiline = true};
    ui_input_set(&in, "日本 ab\nlonger words");
    ui_input_draw(&c, (ui_rect){1, 0, 10, 3}, &in, "> ", true);
    canvas_shows(&c, " > 日本 ab\n   longer\n   words\n");
    static const struct {
        int x, y;
        size_t at;
    } rows[] = {{3, 0, 0},  {4, 0, 0},  {5, 0, 3},   {8, 0, 7},  {10, 0, 9},
                {3, 1, 10}, {5, 1, 12}, {10, 1, 16}, {3, 2, 17}, {10, 2, 22}};
    for (size_t i = 0; i < countof(rows); i++)
        check(ui_input_press(&in, rows[i].x, rows[i].y) && in.at == rows[i].at, "%d,%d: byte %zu",
              rows[i].x, rows[i].y, in.at);
    check(!ui_input_press(&in, 2, 0) && !ui_input_press(&in, 11, 0), "beside it");
    in.multiline = false;
    ui_input_set(&in, "abcdefghijklmnop");
    ui_input_draw(&c, (ui_rect){0, 0, 12, 1}, &in, "/", true);
    check(ui_input_press(&in, 1, 0) && in.at == in.from && in.from > 0, "scrolled sideways: %zu",
          in.at);
    in.text.len = 2; /* shorter since that frame */
    in.text.at[2] = '\0';
    check(ui_input_press(&in, 9, 0) && in.at == 2, "byte %zu of 2", in.at);
    ui_input_free(&in);
    ui_canvas_free(&c);
}

CHECK_TEST(input, the_caret_never_stands_inside_a_cluster)
{
    static const char *const keys[] = {"Left", "Right", "Up",  "Down", "Home", "End", "Bksp",
                                       "Del",  "C-w",   "C-k", "C-u",  "M-b",  "M-f", "M-d",
                                       "C-j",  "a",     "日",  "é",    "Space"};
    test_rng rng = test_rng_make(5);
    ui_canvas c = canvas_open(9, 4);
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

CHECK_TEST(input, inputs_scroll_to_their_caret)
{
    ui_canvas c = canvas_open(8, 1);
    ui_input in = {0};
    ui_input_set(&in, "abcdefghij");
    ui_input_draw(&c, (ui_rect){0, 0, 8, 1}, &in, ":", true);
    canvas_shows(&c, ":…fghij\n");
    check(c.cursor_x == 7, "cursor at %d", c.cursor_x);
    ui_canvas_clear(&c);
    type(&in, "Home");
    ui_input_draw(&c, (ui_rect){0, 0, 8, 1}, &in, ":", true);
    canvas_shows(&c, ":abcdef…\n");
    check(c.cursor_x == 1, "cursor at %d", c.cursor_x);
    for (int w = 0; w < 4; w++)
        ui_input_draw(&c, (ui_rect){0, 0, w, 1}, &in, "prompt", true);
    ui_input_free(&in);
    ui_canvas_free(&c);
}

/* A mebibyte pasted into a filter must not freeze the program (tui 9). */
CHECK_TEST(input, a_huge_paste_into_one_line_draws_at_once)
{
    enum { N = 1 << 20 };
    char *big = malloc(N);
    memset(big, 'x', N);
    ui_input in = {0};
    ui_key k = {.code = UI_K_PASTE, .paste = big, .paste_len = N};
    ui_input_key(&in, &k);
    check(in.text.len == 64 << 10, "a line of %zu bytes", in.text.len);
    ui_canvas c = canvas_open(40, 1);
    for (int frame = 0; frame < 20; frame++)
        ui_input_draw(&c, (ui_rect){0, 0, 40, 1}, &in, "/ ", true);
    check(c.cursor_x > 1 && c.cursor_x < 40, "cursor at %d", c.cursor_x);
    ui_canvas_free(&c);
    ui_input_free(&in);
    free(big);
}

CHECK_TEST(input, multiline_inputs_grow_to_their_limit)
{
    ui_canvas c = canvas_open(10, 8);
    ui_input in = {.multiline = true};
    check(ui_input_rows(&c, &in, 10, 8) == 1, "empty");
    ui_input_set(&in, "a\nb\nc");
    check(ui_input_rows(&c, &in, 10, 8) == 3 && ui_input_rows(&c, &in, 10, 2) == 2, "three lines");
    ui_input_set(&in, "1\n2\n3\n4\n5\n6");
    ui_canvas_clear(&c);
    ui_input_draw(&c, (ui_rect){0, 0, 10, 3}, &in, "", true);
    canvas_shows(&c, "4\n5\n6\n\n\n\n\n\n");
    type(&in, "Up Up Up Up Up");
    ui_canvas_clear(&c);
    ui_input_draw(&c, (ui_rect){0, 0, 10, 3}, &in, "", true);
    canvas_shows(&c, "1\n2\n3\n\n\n\n\n\n");
    ui_input_free(&in);
    ui_canvas_free(&c);
}
