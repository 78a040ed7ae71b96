#include "tests/canvas_text.h"
#include "tests/check.h"
#include "tests/util.h"

#include <stdio.h>
#include <string.h>

#include "tui/canvas.h"

/* Every cell: valid UTF-8 of one cluster, no control or bidi byte, halves in pairs, a known role.
 */
static void well_formed(const ui_canvas *c, const char *what)
{
    for (int i = 0; i < c->w * c->h; i++) {
        const ui_cell *k = &c->cell[i];
        int x = i % c->w;
        size_t n = strlen(k->text);
        check(n < sizeof k->text && nb_utf8_whole(k->text, n) == n, "%s: cell %d is cut", what, i);
        check(k->role < UI_ROLE_COUNT, "%s: cell %d has role %d", what, i, k->role);
        if (k->width == 2)
            check(x + 1 < c->w && c->cell[i + 1].width == 0, "%s: cell %d lost its half", what, i);
        if (k->width == 0)
            check(n == 0 && x > 0 && c->cell[i - 1].width == 2, "%s: half %d is alone", what, i);
        else
            check(n > 0, "%s: cell %d is empty", what, i);
        for (size_t j = 0, used; j < n; j += used) {
            uint32_t cp = 0;
            used = nb_utf8_next(k->text + j, n - j, &cp, NULL);
            check(used > 0, "%s: cell %d is no UTF-8", what, i);
            check(cp >= 0x20 && !(cp >= 0x7f && cp < 0xa0) && !(cp >= 0x202a && cp <= 0x202e) &&
                      !(cp >= 0x2066 && cp <= 0x2069) && cp != 0x200b && cp >> 8 != 0xe00,
                  "%s: cell %d holds U+%04X", what, i, cp);
            check(!c->ascii || cp < 0x7f, "%s: cell %d holds U+%04X in ASCII", what, i, cp);
        }
    }
}

CHECK_TEST(canvas, sizes_are_clamped_and_contents_cleared)
{
    ui_canvas c = canvas_open(4, 2);
    ui_text(&c, 0, 0, UI_OK, "abcd");
    check(ui_canvas_resize(&c, -3, 0, NULL) == NB_OK && c.w == 1 && c.h == 1, "%dx%d", c.w, c.h);
    canvas_shows(&c, "\n");
    check(ui_canvas_resize(&c, 5000, 2, NULL) == NB_OK && c.w == 1000, "%d", c.w);
    ui_canvas_free(&c);
    check(!c.cell && c.w == 0, "free leaves nothing");
    ui_canvas_free(&c);
}

CHECK_TEST(canvas, wide_cells_never_stand_half)
{
    ui_canvas c = canvas_open(6, 1);
    check(ui_text(&c, 0, 0, UI_TEXT, "日本語") == 6, "three wide characters take six cells");
    ui_text(&c, 1, 0, UI_TEXT, "x"); /* over a right half */
    ui_text(&c, 4, 0, UI_TEXT, "y"); /* over a left half */
    well_formed(&c, "overwritten halves");
    canvas_shows(&c, " x本y\n");
    ui_canvas_clear(&c);
    ui_text(&c, 5, 0, UI_TEXT, "日"); /* half of it lies outside */
    well_formed(&c, "cut at the edge");
    canvas_shows(&c, "\n");
    ui_text(&c, 0, 0, UI_TEXT, "z");
    ui_text(&c, -1, 0, UI_TEXT, "日");
    well_formed(&c, "cut at the left edge");
    ui_canvas_free(&c);
}

CHECK_TEST(canvas, long_text_ends_in_an_ellipsis_within_its_limit)
{
    static const char *const texts[] = {"tensor", "日本語のモデル", "a日b本c", "e\xcc\x81t\xc3\xa9",
                                        ""};
    ui_canvas c = canvas_open(40, 1);
    for (int ascii = 0; ascii < 2; ascii++)
        for (size_t i = 0; i < countof(texts); i++)
            for (int max = 0; max < 20; max++) {
                c.ascii = ascii;
                ui_canvas_clear(&c);
                int whole = ui_width(&c, texts[i], strlen(texts[i]));
                int used = ui_textn(&c, 0, 0, UI_TEXT, 0, texts[i], strlen(texts[i]), max);
                check(used <= max, "\"%s\" in %d took %d", texts[i], max, used);
                check(whole > max || used == whole, "\"%s\" fits %d, took %d", texts[i], max, used);
                const char *g = ui_glyph_text(&c, UI_G_ELLIPSIS);
                if (whole > max && max > 0)
                    check(strcmp(c.cell[used - 1].text, g) == 0, "\"%s\" cut without %s", texts[i],
                          g);
                well_formed(&c, texts[i]);
            }
    ui_canvas_free(&c);
}

/* A cell holds 19 bytes; a family of four joined by ZWJ has 25. */
CHECK_TEST(canvas, clusters_larger_than_a_cell_end_between_characters)
{
    static const char *const texts[] = {
        "👨‍👩‍👧‍👦x",
        "👩🏽‍❤️‍💋‍👨🏿x",
        "q\xcc\x81\xcc\x82\xcc\x83\xcc\x84\xcc\x85\xcc\x86\xcc\x87\xcc\x88\xcc\x89\xcc\x8ax",
    };
    for (size_t i = 0; i < countof(texts); i++) {
        ui_canvas c = canvas_open(12, 1);
        int used = ui_text(&c, 0, 0, UI_TEXT, texts[i]);
        well_formed(&c, texts[i]);
        check(used >= 2 && strcmp(c.cell[used - 1].text, "x") == 0, "what follows is shown");
        for (int x = 0; x < used; x++) {
            size_t n = strlen(c.cell[x].text);
            check(n < 3 || memcmp(c.cell[x].text + n - 3, "\xe2\x80\x8d", 3) != 0,
                  "a cell ends in a joiner: it would swallow its neighbour");
        }
        ui_canvas_free(&c);
    }
}

/* tui 14, A32, A33: nothing foreign reaches the terminal, columns stay aligned. */
CHECK_TEST(canvas, foreign_text_cannot_leave_its_cells)
{
    static const char *const hostile[] = {
        "\x1b]52;c;aGk=\x07",
        "\xc2\x9b"
        "31m",
        "a\rb\bc\nd\te",
        "\xe2\x80\xae"
        "evil",
        "\xe2\x81\xa6iso\xe2\x81\xa9",
        "zero\xe2\x80\x8bwidth",
        "\xf3\xa0\x81\x81tag",
        "\xff\xfe\xc0\xaf",
        "\xed\xa0\x80",
        "cut \xe6\x97",
        "\x7f\x01\x02",
    };
    test_rng rng = test_rng_make(31);
    for (int ascii = 0; ascii < 2; ascii++)
        for (size_t i = 0; i < countof(hostile); i++) {
            ui_canvas c = canvas_open(60, 3);
            c.ascii = ascii;
            int w = ui_width(&c, hostile[i], strlen(hostile[i]));
            int used = ui_text(&c, 1, 1, UI_TEXT, hostile[i]);
            check(w == used, "%zu: width %d, drawn %d", i, w, used);
            ui_text(&c, 1 + used, 1, UI_BORDER, "|");
            well_formed(&c, "hostile text");
            check(strcmp(c.cell[60 + 1 + used].text, "|") == 0, "%zu: the border moved", i);
            for (int x = 0; x < 60; x++)
                check(c.cell[x].text[0] == ' ' && c.cell[120 + x].text[0] == ' ', "other rows");
            ui_canvas_free(&c);
        }
    ui_canvas c = canvas_open(30, 2);
    for (int round = 0; round < 3000; round++) {
        char noise[24];
        uint32_t n = test_below(&rng, sizeof noise);
        for (uint32_t i = 0; i < n; i++)
            noise[i] = (char)test_u64(&rng);
        c.ascii = round & 1;
        if (round % 50 == 0 || c.ascii)
            ui_canvas_clear(&c);
        ui_textn(&c, (int)test_below(&rng, 40) - 5, (int)test_below(&rng, 4) - 1, UI_TEXT, 0, noise,
                 n, (int)test_below(&rng, 30) - 1);
        if (c.ascii || round % 50 == 49) {
            well_formed(&c, "random bytes");
            ui_canvas_clear(&c);
        }
    }
    ui_canvas_free(&c);
}

/* Who lays text out ahead draws from ui_shown's text: it must look like the text itself, and its
 * clusters must be the cells. */
CHECK_TEST(canvas, text_shown_ahead_draws_the_same)
{
    static const char *const texts[] = {"plain",
                                        "日本 ±≥… x",
                                        "e\xcc\x81\xe2\x80\xae\xff \tz",
                                        "👨‍👩‍👧‍👦 ok",
                                        "⟨⟩\x1b[0m",
                                        ""};
    for (int ascii = 0; ascii < 2; ascii++)
        for (size_t i = 0; i < countof(texts); i++) {
            ui_canvas a = canvas_open(40, 1), b = canvas_open(40, 1);
            nb_str s = {0};
            int cells = 0, w;
            a.ascii = b.ascii = ascii;
            ui_shown(&s, texts[i], strlen(texts[i]), ascii);
            for (size_t at = 0; at < s.len; cells += w)
                at += ui_cluster(s.at + at, s.len - at, &w);
            check(cells == ui_width(&a, texts[i], strlen(texts[i])), "\"%s\": %d", texts[i], cells);
            ui_text(&a, 0, 0, UI_TEXT, texts[i]);
            ui_text(&b, 0, 0, UI_TEXT, nb_str_c(&s));
            check(ui_canvas_equal(&a, &b), "\"%s\" as \"%s\"", texts[i], nb_str_c(&s));
            nb_str_free(&s);
            ui_canvas_free(&a);
            ui_canvas_free(&b);
        }
}

CHECK_TEST(canvas, ten_thousand_combining_marks_take_one_cell)
{
    nb_str s = {0};
    nb_str_add(&s, "a");
    for (int i = 0; i < 10000; i++)
        nb_str_add(&s, "\xcc\x81");
    nb_str_add(&s, "b");
    ui_canvas c = canvas_open(8, 1);
    check(ui_text(&c, 0, 0, UI_TEXT, nb_str_c(&s)) == 2, "a and b are two cells");
    well_formed(&c, "combining storm");
    ui_canvas_free(&c);
    nb_str_free(&s);
}

CHECK_TEST(canvas, drawing_stays_inside_the_clip)
{
    ui_canvas c = canvas_open(10, 6);
    ui_rect old = ui_canvas_clip(&c, (ui_rect){2, 1, 5, 3});
    check(old.w == 10 && old.h == 6, "the previous clip comes back");
    ui_canvas_clip(&c, (ui_rect){-5, -5, 100, 100});
    ui_fill(&c, (ui_rect){-1000, -1000, 5000, 5000}, UI_ERR, "#");
    ui_box(&c, (ui_rect){0, 0, 10, 6}, "title", "note", true);
    ui_tint(&c, (ui_rect){0, 0, 10, 6}, UI_SELECT, UI_A_BOLD);
    ui_text(&c, -3, 2, UI_TEXT, "left of the edge, and far beyond the other");
    ui_text(&c, 3, 99, UI_TEXT, "below");
    for (int y = 0; y < 6; y++)
        for (int x = 0; x < 10; x++) {
            const ui_cell *k = &c.cell[y * 10 + x];
            bool in = x >= 2 && x < 7 && y >= 1 && y < 4;
            check(in || (strcmp(k->text, " ") == 0 && k->role == UI_TEXT && !k->attrs),
                  "%d,%d is outside the clip", x, y);
        }
    ui_canvas_free(&c);
}

/* tui 3: code that never subtracts below 0 survives 1x1. */
CHECK_TEST(canvas, boxes_of_every_size_are_whole_or_absent)
{
    for (int w = -1; w < 14; w++)
        for (int h = -1; h < 5; h++) {
            ui_canvas c = canvas_open(12, 4);
            ui_box(&c, (ui_rect){0, 0, w, h}, "日本語 title", "note", w & 1);
            well_formed(&c, "box");
            if (w >= 2 && h >= 2 && w <= 12 && h <= 4) {
                check(strcmp(c.cell[0].text, "┌") == 0, "%dx%d", w, h);
                check(strcmp(c.cell[w - 1].text, "┐") == 0, "%dx%d: title over the corner", w, h);
                check(strcmp(c.cell[(h - 1) * 12 + w - 1].text, "┘") == 0, "%dx%d", w, h);
            }
            ui_canvas_free(&c);
        }
}

/* tui 6: LC_ALL=C output is pure ASCII. */
CHECK_TEST(canvas, every_glyph_has_an_ascii_form_of_one_cell)
{
    ui_canvas c = {.ascii = false}, a = {.ascii = true};
    for (int g = 0; g < UI_G_COUNT; g++) {
        const char *wide = ui_glyph_text(&c, (ui_glyph)g), *plain = ui_glyph_text(&a, (ui_glyph)g);
        check(wide && plain, "glyph %d is missing", g);
        check(ui_width(&c, wide, strlen(wide)) == 1, "glyph %d", g);
        check(strlen(plain) == 1 && plain[0] >= ' ' && plain[0] < 0x7f, "glyph %d: %s", g, plain);
    }
    static const char *const marks[] = {"·", "…", "±", "×", "÷", "→", "←",
                                        "↑", "↓", "≤", "≥", "✓", "σ"};
    for (size_t i = 0; i < countof(marks); i++) {
        ui_canvas b = canvas_open(6, 1);
        b.ascii = true;
        ui_text(&b, 0, 0, UI_TEXT, marks[i]);
        well_formed(&b, marks[i]);
        check(strcmp(b.cell[0].text, "?") != 0, "%s has no ASCII form", marks[i]);
        ui_canvas_free(&b);
    }
}

CHECK_TEST(canvas, text_and_roles_are_written_for_goldens)
{
    ui_canvas c = canvas_open(8, 2);
    ui_text(&c, 0, 0, UI_TEXT, "ab");
    ui_text_right(&c, 8, 1, UI_ERR, "日");
    nb_str s = {0};
    ui_canvas_text(&c, &s, true);
    char e = (char)('!' + UI_ERR), want[64];
    snprintf(want, sizeof want, "ab\n      日\n\n      %c%c\n", e, e);
    check(strcmp(nb_str_c(&s), want) == 0, "got\n%swanted\n%s", nb_str_c(&s), want);
    nb_str_free(&s);
    ui_canvas d = canvas_open(8, 2);
    check(!ui_canvas_equal(&c, &d), "a drawn canvas differs from an empty one");
    ui_text(&d, 0, 0, UI_TEXT, "ab");
    ui_text_right(&d, 8, 1, UI_ERR, "日");
    check(ui_canvas_equal(&c, &d), "the same drawing is equal");
    ui_tint(&d, (ui_rect){0, 0, 1, 1}, UI_TEXT, UI_A_BOLD);
    check(!ui_canvas_equal(&c, &d), "attributes count");
    ui_canvas_free(&c);
    ui_canvas_free(&d);
}

/* tui 2: what a layout loses without an ellipsis is noted, and nothing else is. */
CHECK_TEST(canvas, lost_letters_are_noted)
{
    static const struct {
        int x, y, max, cuts;
        const char *text;
    } row[] = {{2, 1, -1, 0, "fits"},          {2, 1, 3, 0, "ends in ..."},
               {5, 1, -1, 1, "over the edge"}, {-2, 1, -1, 1, "left"},
               {5, 1, -1, 0, "end   "},        {2, 0, -1, 0, "a row not shown"},
               {6, 1, 3, 1, "ellipsis"},       {9, 1, -1, 1, "outside"},
               {6, 1, -1, 1, "日本"},          {2, 9, -1, 0, "far below"}};
    for (size_t i = 0; i < countof(row); i++) {
        ui_canvas c = canvas_open(10, 3);
        ui_canvas_clip(&c, (ui_rect){1, 1, 7, 1});
        ui_textn(&c, row[i].x, row[i].y, UI_TEXT, 0, row[i].text, strlen(row[i].text), row[i].max);
        check(c.n_cut == row[i].cuts, "\"%s\": %d cuts", row[i].text, c.n_cut);
        check(!c.n_cut || (c.cut[0].x == row[i].x && strcmp(c.cut[0].text, row[i].text) == 0),
              "\"%s\": noted as %d \"%s\"", row[i].text, c.cut[0].x, c.cut[0].text);
        ui_canvas_clear(&c);
        check(c.n_cut == 0, "a new frame begins without");
        ui_canvas_free(&c);
    }
}

/* The same when a second text stands in the way; a popup, which fills its place first, covers. */
CHECK_TEST(canvas, words_painted_over_are_noted)
{
    static const struct {
        int x, cuts;
        const char *text;
    } row[] = {{3, 1, "in"},        {0, 1, "fro"},   {0, 0, "front"},           {9, 1, "behind"},
               {5, 0, " between "}, {6, 0, "words"}, {0, 0, "the whole of it"}, {6, 1, "w"},
               {30, 0, "beside"}};
    for (size_t i = 0; i < countof(row); i++)
        for (int fill = 0; fill < 2; fill++) {
            ui_canvas c = canvas_open(40, 1);
            ui_text(&c, 0, 0, UI_TEXT, "first words");
            if (fill)
                ui_fill(&c, (ui_rect){row[i].x, 0, (int)strlen(row[i].text), 1}, UI_TEXT, " ");
            ui_text(&c, row[i].x, 0, UI_TEXT, row[i].text);
            check(c.n_cut == (fill ? 0 : row[i].cuts), "\"%s\" at %d: %d cuts", row[i].text,
                  row[i].x, c.n_cut);
            ui_canvas_free(&c);
        }
    ui_canvas c = canvas_open(4, 1);
    for (int i = 0; i < 3 * UI_CUTS; i++)
        ui_text(&c, 2, 0, UI_TEXT, "much");
    check(c.n_cut == 3 * UI_CUTS, "all are counted, the first are kept: %d", c.n_cut);
    ui_canvas_free(&c);
}
