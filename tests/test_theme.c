#include "tests/check.h"
#include "tests/util.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/str.h"
#include "tui/theme.h"

static const char *const names[] = {"default", "dark", "light", "mono", "contrast", "colorblind"};

static ui_theme load(const char *name)
{
    ui_theme t;
    nb_err err = {0};
    check(ui_theme_load(&t, name, NULL, &err) == NB_OK, "%s: %s", name, err.msg);
    return t;
}

/* WCAG 2.1 relative luminance, written anew from the text so that it can disagree. */
static double luminance(int32_t rgb)
{
    static const double weight[3] = {0.2126, 0.7152, 0.0722};
    double sum = 0;
    for (int i = 0; i < 3; i++) {
        double v = (double)(rgb >> (16 - 8 * i) & 255) / 255;
        sum += weight[i] * (v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4));
    }
    return sum;
}

static double contrast(int32_t a, int32_t b)
{
    double x = luminance(a) + 0.05, y = luminance(b) + 0.05;
    return x > y ? x / y : y / x;
}

static bool is_ramp(ui_role r)
{
    return r >= UI_RAMP_ERROR_0 && r <= UI_RAMP_PROB_3;
}

/* WCAG: 4.5 to 1 for text (1.4.3), 3 to 1 for the bars and lines of a plot (1.4.11). */
static double least(ui_role r)
{
    return r > UI_PLOT_AXIS && r <= UI_PLOT_FRONTIER ? 3.0 : 4.5;
}

/* The backgrounds a role may meet: its own, or the terminals the theme is meant for. */
static int backgrounds(const ui_theme *t, const ui_style *s, int32_t out[2])
{
    if (s->bg >= 0) {
        out[0] = s->bg;
        return 1;
    }
    if (strcmp(t->name, "default") == 0) {
        out[0] = 0x000000;
        out[1] = 0xffffff;
        return 2;
    }
    out[0] = t->light ? 0xffffff : 0x000000;
    return 1;
}

CHECK_TEST(theme, all_six_are_built_in_and_named)
{
    size_t n = 0;
    for (const ui_theme_file *f = ui_theme_files; f->name; f++, n++) {
        ui_theme t = load(f->name);
        check(strcmp(t.name, f->name) == 0, "%s calls itself %s", f->name, t.name);
        for (int r = 0; r < UI_ROLE_COUNT; r++) { /* style.md 4: a test demands every role */
            char key[48];
            snprintf(key, sizeof key, "\n%s =", ui_role_key((ui_role)r));
            check(strstr(f->text, key) || strstr(f->text, "\ninherits"), "%s lacks %s", f->name,
                  ui_role_key((ui_role)r));
        }
    }
    for (size_t i = 0; i < countof(names); i++)
        load(names[i]);
    check(n >= countof(names), "%zu themes", n);
}

/* tui 7: text contrast >= 4.5, for every colour vision. */
CHECK_TEST(theme, text_stays_legible_for_every_colour_vision)
{
    for (const ui_theme_file *f = ui_theme_files; f->name; f++) {
        ui_theme t = load(f->name);
        for (int r = 0; r < UI_ROLE_COUNT; r++) {
            const ui_style *s = &t.role[r];
            int32_t bg[2];
            if (is_ramp((ui_role)r) || s->fg < 0)
                continue; /* ramps: below; the terminal's own text colour is its own matter */
            int n = backgrounds(&t, s, bg);
            for (int i = 0; i < n; i++)
                for (int eye = -1; eye < 3; eye++) {
                    double c =
                        contrast(ui_color_simulate(s->fg, eye), ui_color_simulate(bg[i], eye));
                    check(c >= least((ui_role)r), "%s %s on #%06x, eye %d: %.2f", f->name,
                          ui_role_key((ui_role)r), bg[i], eye, c);
                }
            double own = ui_theme_contrast(&t, (ui_role)r);
            check(own >= least((ui_role)r), "%s %s: ui_theme_contrast says %.2f", f->name,
                  ui_role_key((ui_role)r), own);
        }
    }
}

/* tui 7: ramps monotone in luminance, >= 1.4 a step; with default eyes and under simulation. */
CHECK_TEST(theme, ramps_climb_in_luminance)
{
    static const ui_role first[] = {UI_RAMP_ERROR_0, UI_RAMP_KL_0, UI_RAMP_PROB_0};
    for (const ui_theme_file *f = ui_theme_files; f->name; f++) {
        ui_theme t = load(f->name);
        for (size_t k = 0; k < countof(first); k++)
            for (int eye = -1; eye < 3; eye++) {
                int sign = 0;
                for (int i = 0; i < 3; i++) {
                    int32_t a = t.role[first[k] + i].fg, b = t.role[first[k] + i + 1].fg;
                    if (a < 0 || b < 0)
                        continue; /* mono: attributes and glyphs tell */
                    a = ui_color_simulate(a, eye);
                    b = ui_color_simulate(b, eye);
                    int way = luminance(b) > luminance(a) ? 1 : -1;
                    check(!sign || way == sign, "%s %s turns back", f->name, ui_role_key(first[k]));
                    sign = way;
                    check(contrast(a, b) >= 1.4, "%s %s step %d, eye %d: %.3f", f->name,
                          ui_role_key(first[k]), i, eye, contrast(a, b));
                }
            }
    }
}

/* tui 5: without colour, what needs you still looks different from plain text. */
CHECK_TEST(theme, without_colour_states_still_differ)
{
    static const ui_role loud[] = {UI_SELECT, UI_MARK,  UI_WARN,       UI_ERR,  UI_NO,
                                   UI_TIGHT,  UI_PAGES, UI_DIFF_FIRST, UI_FOCUS};
    for (size_t n = 0; n < countof(names); n++) {
        ui_theme t = load(names[n]);
        for (size_t i = 0; i < countof(loud); i++)
            check(t.role[loud[i]].mono != t.role[UI_TEXT].mono, "%s: %s looks like text", names[n],
                  ui_role_key(loud[i]));
        check(t.role[UI_NO].mono != t.role[UI_FITS].mono, "%s: NO looks like FITS", names[n]);
    }
    ui_theme mono = load("mono");
    for (int r = 0; r < UI_ROLE_COUNT; r++)
        check(mono.role[r].fg < 0 && mono.role[r].bg < 0, "mono colours %s",
              ui_role_key((ui_role)r));
}

CHECK_TEST(theme, simulation_keeps_greys_and_follows_the_paper)
{
    for (int eye = 0; eye < 3; eye++)
        for (int v = 0; v < 256; v += 15) {
            int32_t grey = v << 16 | v << 8 | v, seen = ui_color_simulate(grey, eye);
            for (int s = 0; s < 24; s += 8)
                check(abs((seen >> s & 255) - v) <= 2, "grey %d seen as #%06x", v, seen);
        }
    check(ui_color_simulate(-1, 0) == -1 && ui_color_simulate(0x123456, 7) == 0x123456,
          "untouched");
    /* red and green of equal lightness are what a deuteranope cannot tell apart */
    int32_t a = ui_color_simulate(0xff0000, 1), b = ui_color_simulate(0x00ff00, 1);
    check((a >> 16 & 255) > (a & 255) && (b >> 16 & 255) > (b & 255), "#%06x #%06x", a, b);
    check(luminance(ui_color_simulate(0xff0000, 0)) < 0.6 * luminance(0xff0000),
          "protanopes see red dark");
}

CHECK_TEST(theme, keys_inherit_override_and_name_their_mono_look)
{
    static const char text[] = "name = mine\ninherits = dark\n[palette]\nrose = #ff8080\n[roles]\n"
                               "err = rose #101010 bold | underline\nok = #00FF00\n";
    ui_theme t, dark = load("dark");
    nb_err err = {0};
    check(ui_theme_parse(&t, text, strlen(text), "mine.theme", &err) == NB_OK, "%s", err.msg);
    check(strcmp(t.name, "mine") == 0, "%s", t.name);
    check(t.role[UI_ERR].fg == 0xff8080 && t.role[UI_ERR].bg == 0x101010, "#%06x",
          t.role[UI_ERR].fg);
    check(t.role[UI_ERR].attrs == UI_A_BOLD && t.role[UI_ERR].mono == UI_A_UNDERLINE, "attributes");
    check(t.role[UI_OK].fg == 0x00ff00 && t.role[UI_OK].bg == -1, "ok");
    check(memcmp(&t.role[UI_WARN], &dark.role[UI_WARN], sizeof(ui_style)) == 0,
          "the rest is dark's");
}

CHECK_TEST(theme, broken_files_say_line_and_word)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"text = red\n", "line 1"},
        {"\n\nbogus = #000000\n", "line 3"},
        {"ok = #12345\n", "#12345"},
        {"ok = #12345g\n", "#12345g"},
        {"ok\n", "key = value"},
        {"[colours]\n", "section"},
        {"inherits = nobody\n", "nobody"},
        {"mode = dusk\n", "dusk"},
        {"ok = #000000 #000000 #000000\n", "line 1"},
        {"ok = #000000 | #ffffff\n", "#ffffff"},
        {"ok = 000000\n", "no colour or attribute: \"000000\""},
        {"[palette]\nrose = dusty\n", "line 2: no colour: \"dusty\""},
        {"[palette]\nabcdefghijklmnopqrstuvwx = #000000\n", "line 2: name is too long"},
        {"= x\n", "unknown key \"\""},
        {" = \n", "unknown key \"\""},
    };
    for (size_t i = 0; i < countof(bad); i++) {
        ui_theme t = {.light = true, .name = "kept"};
        nb_err err = {0};
        size_t n = strlen(bad[i].text);
        char *exact = test_guard(n, 1);
        memcpy(exact, bad[i].text, n);
        check(ui_theme_parse(&t, exact, n, "x.theme", &err) == NB_FORMAT, "%zu is taken", i);
        test_guard_free(exact);
        check(strstr(err.msg, bad[i].says) && strstr(err.msg, "x.theme"), "%zu: %s", i, err.msg);
        check(strcmp(t.name, "kept") == 0, "%zu wrote its output", i);
    }
}

/* n times the line; then `more`. */
static nb_status parse_many(const char *line, int n, const char *more, ui_theme *t, nb_err *err)
{
    nb_str text = {0};
    nb_str_add(&text, "[palette]\n");
    for (int i = 0; i < n; i++)
        nb_str_add(&text, line);
    nb_str_add(&text, more);
    nb_status st = ui_theme_parse(t, nb_str_c(&text), text.len, "x.theme", err);
    nb_str_free(&text);
    return st;
}

CHECK_TEST(theme, lines_colours_and_bytes_have_their_limits)
{
    ui_theme t;
    nb_err err = {0};
    char line[300];
    check(parse_many("c = #010203\n", 64, "", &t, &err) == NB_OK, "%s", err.msg);
    check(parse_many("c = #010203\n", 65, "", &t, &err) == NB_FORMAT &&
              strstr(err.msg, "line 66: too many colours: \"c\""),
          "%s", err.msg);
    memset(line, '#', sizeof line);
    line[1] = ' ';
    check(ui_theme_parse(&t, line, 255, "x", &err) == NB_OK, "%s", err.msg);
    check(ui_theme_parse(&t, line, 256, "x", &err) == NB_FORMAT &&
              strstr(err.msg, "too long or holds a NUL byte"),
          "%s", err.msg);
    check(ui_theme_parse(&t, "# \0", 3, "x", &err) == NB_FORMAT && strstr(err.msg, "NUL byte"),
          "%s", err.msg);
}

CHECK_TEST(theme, blanks_and_comments_say_nothing)
{
    static const char text[] =
        "#\n# one\n\n  \t \r\n\tok \t=\t #102030 \t\r\n[roles]\n  warn = ok_c\n";
    static const char sound[] =
        "#\n# one\n\n  \t \r\n[palette]\nok_c = #405060\nsame = ok_c\nno = default\n[roles]\n"
        "\tok \t=\t #102030 \t\r\n  warn = same no italic dim reverse none\nmode = light";
    ui_theme t;
    nb_err err = {0};
    check(ui_theme_parse(&t, text, sizeof text - 1, "x", &err) == NB_FORMAT &&
              strstr(err.msg, "line 7: no colour or attribute: \"ok_c\""),
          "%s", err.msg);
    check(ui_theme_parse(&t, sound, sizeof sound - 1, "a/x.theme", &err) == NB_OK, "%s", err.msg);
    check(t.light && t.role[UI_OK].fg == 0x102030 && t.role[UI_WARN].fg == 0x405060 &&
              t.role[UI_WARN].bg == -1,
          "colours");
    check(t.role[UI_WARN].attrs == (UI_A_ITALIC | UI_A_DIM | UI_A_REVERSE), "attributes %d",
          t.role[UI_WARN].attrs);
    check(strcmp(t.name, "x.theme") == 0, "the file's name stands in: %s", t.name);
}

CHECK_TEST(theme, contrast_is_against_what_the_terminal_may_be)
{
    static const struct {
        const char *text;
        double least, most; /* of role ok */
    } rows[] = {{"ok = bold\n", 0, 0},
                {"ok = #ffffff #000000\n", 20.9, 21.1},
                {"ok = #000000 #ffffff\n", 20.9, 21.1},
                {"mode = dark\nok = #ffffff\n", 20.9, 21.1},
                {"mode = light\nok = #ffffff\n", 0.99, 1.01},
                {"mode = dark\nok = default #000000\n", 20.9, 21.1},
                {"mode = light\nok = default #000000\n", 0.99, 1.01},
                {"name = default\nok = #ffffff\n", 0.99, 1.01},
                {"name = default\nok = #000000\n", 0.99, 1.01},
                {"name = default\nok = default #000000\n", 20.9, 21.1}};
    for (size_t i = 0; i < countof(rows); i++) {
        ui_theme t;
        nb_err err = {0};
        check(ui_theme_parse(&t, rows[i].text, strlen(rows[i].text), "x", &err) == NB_OK, "%s",
              err.msg);
        double got = ui_theme_contrast(&t, UI_OK);
        check(got >= rows[i].least && got <= rows[i].most, "%s: %g", rows[i].text, got);
    }
    check(ui_color_is_light(0xffffff) && !ui_color_is_light(0x000000), "light");
    check(ui_color_simulate(-1, 0) == -1 && ui_color_simulate(5, -1) == 5 &&
              ui_color_simulate(5, 3) == 5,
          "what is none stays");
    check(ui_color_simulate(0x000000, 0) == 0 && ui_color_simulate(0x010101, 1) <= 0x020202,
          "dark");
}

CHECK_TEST(theme, any_bytes_end_in_a_theme_or_a_sentence)
{
    test_rng rng = test_rng_make(7);
    static const char bits[] = "ok = #12abef default bold | \n[palette]inheritsdark\r\t\0\xff";
    for (int round = 0; round < 500; round++) {
        uint32_t n = 1 + test_below(&rng, 300);
        char *s = test_guard(n, 1);
        for (uint32_t i = 0; i < n; i++)
            s[i] = bits[test_below(&rng, sizeof bits - 1)];
        ui_theme t;
        nb_err err = {0};
        nb_status st = ui_theme_parse(&t, s, n, "x", &err);
        check(st == NB_OK || (st == NB_FORMAT && err.msg[0]), "status %d", st);
        test_guard_free(s);
    }
}

CHECK_TEST(theme, user_files_win_and_names_are_no_paths)
{
    const char *dir = test_tmpdir();
    static const char text[] = "name = dark\nerr = #ff0000\n";
    test_spit(test_path(dir, "dark.theme"), text, strlen(text));
    ui_theme t;
    nb_err err = {0};
    check(ui_theme_load(&t, "dark", dir, &err) == NB_OK && t.role[UI_ERR].fg == 0xff0000, "%s",
          err.msg);
    check(ui_theme_load(&t, "light", dir, &err) == NB_OK && t.light, "built-in behind it");
    check(ui_theme_load(&t, "../dark", dir, &err) == NB_NOTFOUND, "a path is no name");
    check(ui_theme_load(&t, "nobody", dir, &err) == NB_NOTFOUND && strstr(err.msg, "nobody"), "%s",
          err.msg);
    check(ui_theme_load(&t, "light", NULL, &err) == NB_OK && t.light, "no folder of the user's");
    test_spit(test_path(dir, "torn.theme"), "err\n", 4);
    check(ui_theme_load(&t, "torn", dir, &err) == NB_FORMAT && strstr(err.msg, "torn.theme line 1"),
          "%s", err.msg);
    mkdir(test_path(dir, "folder.theme"), 0755);
    check(ui_theme_load(&t, "folder", dir, &err) != NB_OK && err.msg[0], "a folder is no theme");
}
