/* Dispatch, frame, panels and jobs of the workbench (tui 3, 4, 8, 18, 19). */
#include "tests/check.h"
#include "tests/util.h"
#include "tests/workbench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Esc, twenty times, on every screen and over every panel: the script goes on (tui 8). */
CHECK_TEST(app, escape_never_quits)
{
    static const char twenty[] = "keys Esc Esc Esc Esc Esc Esc Esc Esc Esc Esc Esc Esc Esc Esc Esc "
                                 "Esc Esc Esc Esc Esc\n";
    char text[8192] = "size 80x24\nwait\n";
    static const char *const starts[] = {"1", "3", "4", "6", ":", "?", "J", "E", "/", "g"};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        size_t at = strlen(text);
        snprintf(text + at, sizeof text - at, "keys %s\n%s", starts[i], twenty);
    }
    strcat(text, "save-screen end\n");
    workbench w = workbench_run(text);
    check(w.status == NB_OK, "%s", w.err.msg);
    const char *end = workbench_screen(&w, "end");
    check(end && strstr(end, "[1 Models]"), "back on the first screen:\n%s", end ? end : "quit");
    workbench_free(&w);
}

/* q goes back the way one came, and quits on Models. */
CHECK_TEST(app, q_goes_back_then_quits)
{
    workbench w =
        workbench_run("size 120x30\nwait\nkeys 3\nwait\nkeys 4\nwait\nsave-screen a\n"
                      "keys q\nsave-screen b\nkeys q\nsave-screen c\nkeys q\nsave-screen d\n");
    check(w.status == NB_OK, "%s", w.err.msg);
    check(strstr(workbench_screen(&w, "a"), "[4 Inspect"), "a");
    check(strstr(workbench_screen(&w, "b"), "[3 Quantize"), "%s", workbench_screen(&w, "b"));
    check(strstr(workbench_screen(&w, "c"), "[1 Models"), "c");
    check(strstr(workbench_screen(&w, "c"), "q quit"), "the hint says so");
    check(!workbench_screen(&w, "d"), "quit");
    workbench_free(&w);
}

/* From 30 columns on the last row says how to get help and the palette (tui 4). */
CHECK_TEST(app, last_row_always_helps)
{
    ui_app *app = workbench_app();
    for (int w = 30; w <= 200; w += w < 130 ? 1 : 7)
        for (int h = 1; h <= 40; h += 13) {
            nb_str s = {0};
            ui_app_resize(app, w, h);
            ui_app_draw(app);
            ui_canvas_text(&app->canvas, &s, false);
            const char *last = s.at;
            for (const char *nl; (nl = strchr(last, '\n')) && nl[1];)
                last = nl + 1;
            check(strstr(last, "? keys") && strstr(last, ": palette"), "%dx%d: %s", w, h, last);
            nb_str_free(&s);
        }
    workbench_drop(app);
}

/* Panels stay inside their boxes at every size, and below 40x10 the status line stands for them. */
CHECK_TEST(app, panels_stay_in_their_boxes)
{
    static const char *const doors[] = {":", "?", "J", "E"};
    ui_app *app = workbench_app();
    for (size_t i = 0; i < sizeof doors / sizeof doors[0]; i++) {
        workbench_press(app, doors[i]);
        for (int w = APP_MIN_W; w <= 130; w++) {
            ui_app_resize(app, w, 24);
            ui_app_draw(app);
            int boxes = 0;
            for (int y = 2; y < 22;
                 y++) { /* what is right of the box's last border is the screen's */
                const ui_cell *row = &app->canvas.cell[y * w];
                int last = w - 1;
                while (last > 0 && strcmp(row[last].text, " ") == 0)
                    last--;
                boxes += strcmp(row[last].text, "│") == 0;
                check(last == 0 || strstr("│┘┐", row[last].text), "%s at %d, row %d ends in \"%s\"",
                      doors[i], w, y, row[last].text);
            }
            check(boxes > 5, "%s at %d: no box", doors[i], w);
        }
        ui_app_resize(app, 39, 9);
        check(i > 1 ? workbench_shows(app, "Esc closes") : workbench_shows(app, " > "),
              "%s when tiny", doors[i]);
        workbench_press(app, "Esc");
    }
    workbench_drop(app);
}

static int rows_of_scope(ui_app *app, bool screens_only, ui_scope scope)
{
    size_t n;
    const ui_keyrow *row = ui_keyrows(&n);
    int count = 0;
    for (size_t i = 0; i < n; i++) {
        bool here = row[i].scope == UI_ANY || row[i].scope == scope;
        bool digit = row[i].action >= UI_ACT_ANY_SCREEN_1 && row[i].action <= UI_ACT_ANY_SCREEN_6;
        bool exists = !digit;
        for (size_t p = 0; digit && p < app->n_page; p++)
            exists = exists || app->page[p].digit == (int)(row[i].action - UI_ACT_ANY_SCREEN_1) + 1;
        count += (screens_only || (here && row[i].keys[0])) && exists;
    }
    return count;
}

/* `?` lists exactly the keys bound in this context (tui 18). */
CHECK_TEST(app, help_lists_exactly_the_bound_keys)
{
    ui_app *app = workbench_app();
    for (app->at = 0; app->at < app->n_page; app->at++) {
        ui_scope scope = ui_app_current(app)->row->scope;
        workbench_press(app, "?");
        check(app->panel == APP_HELP, "help is open");
        check((int)app->items.n == rows_of_scope(app, false, scope), "%s: %zu rows of %d",
              ui_app_current(app)->row->name, app->items.n, rows_of_scope(app, false, scope));
        for (size_t i = 0; i < app->items.n; i++) {
            const app_item *it = &app->items.at[i];
            const ui_keyrow *r = ui_keyrow_of(it->action);
            check(r && (r->scope == UI_ANY || r->scope == scope), "%s", it->name);
            check(strcmp(it->keys, r->keys) == 0 && it->keys[0], "%s: %s", it->name, it->keys);
            for (size_t j = 0; j < i; j++)
                check(app->items.at[j].action != it->action, "%s twice", it->name);
        }
        workbench_press(app, "Esc");
        check(app->panel == APP_NO_PANEL, "closed");
    }
    app->at = 0;
    workbench_drop(app);
}

/* Enter on a row acts like its key; a row that is not safe asks first. */
CHECK_TEST(app, help_rows_run)
{
    ui_app *app = workbench_app();
    workbench_press(app, "?");
    for (const char *s = "errors"; *s; s++)
        workbench_press(app, (char[]){*s, 0});
    workbench_press(app, "Enter");
    check(app->panel == APP_ERRORS, "the errors panel, not %d", app->panel);
    workbench_press(app, "Esc");
    workbench_press(app, "?");
    for (const char *s = "key:C-q"; *s; s++)
        workbench_press(app, (char[]){*s, 0});
    check(app->items.list.n == 1, "%zu rows", app->items.list.n);
    workbench_press(app, "Enter");
    check(app->confirm.open && !app->quit, "asks");
    workbench_press(app, "Enter");
    check(!app->confirm.open && !app->quit, "the default is no");
    workbench_drop(app);
}

static bool listed(const ui_app *app, const app_item *it, size_t within)
{
    for (size_t i = 0; i < app->items.list.n && i < within; i++)
        if (ui_app_items_at(app, i) == it)
            return true;
    return false;
}

/* Every row is found by its name, by each word of it, by key:X, and with up to three letters
 * missing (tui 19); rows of other screens say where they work. */
CHECK_TEST(app, palette_finds_every_action)
{
    char query[128];
    ui_app *app = workbench_app();
    workbench_press(app, ":");
    check((int)app->items.n > rows_of_scope(app, true, UI_ANY), "actions, themes and settings");
    for (size_t i = 0; i < app->items.n; i++) {
        const app_item *it = &app->items.at[i];
        ui_app_items_filter(app, it->verb);
        check(listed(app, it, 6), "%s is not among the first", it->verb);
        ui_app_items_filter(app, it->name);
        check(listed(app, it, 6), "%s is not found by name", it->name);
        for (const char *s = it->name; *s; s += strcspn(s, " "), s += strspn(s, " ")) {
            snprintf(query, sizeof query, "%.*s", (int)strcspn(s, " "), s);
            ui_app_items_filter(app, query);
            check(listed(app, it, 1000), "%s is not found by \"%s\"", it->name, query);
        }
        for (const char *s = it->keys; *s; s += strcspn(s, " "), s += strspn(s, " ")) {
            snprintf(query, sizeof query, "key:%.*s", (int)strcspn(s, " "), s);
            ui_app_items_filter(app, query);
            check(listed(app, it, 1000), "%s is not found by \"%s\"", it->name, query);
        }
        size_t len = 0;
        for (size_t k = 0; it->verb[k]; k++) /* letters 2, 4 and 6 are missing */
            if (k != 1 && k != 3 && k != 5)
                query[len++] = it->verb[k];
        query[len] = '\0';
        ui_app_items_filter(app, query);
        check(listed(app, it, 1000), "%s is not found by \"%s\"", it->verb, query);
        if (it->scope != UI_ANY && it->scope != UI_MODELS)
            check(strstr(it->why_not, "works on"), "%s: \"%s\"", it->name, it->why_not);
    }
    workbench_drop(app);
}

/* What was run last comes first when nothing is typed. */
CHECK_TEST(app, palette_remembers_what_was_run)
{
    ui_app *app = workbench_app();
    workbench_press(app, ":");
    for (const char *s = "jobs"; *s; s++)
        workbench_press(app, (char[]){*s, 0});
    workbench_press(app, "Enter");
    check(app->panel == APP_JOBS_PANEL, "jobs");
    workbench_press(app, "Esc");
    workbench_press(app, ":");
    check(ui_app_items_at(app, 0)->action == UI_ACT_ANY_JOBS, "%s", ui_app_items_at(app, 0)->name);
    workbench_drop(app);
}

/* A theme shows while the cursor is on it; Esc brings the old one back, Enter keeps it. */
CHECK_TEST(app, themes_are_previewed)
{
    ui_app *app = workbench_app();
    workbench_press(app, ":");
    for (const char *s = "theme mono"; *s; s++)
        workbench_press(app, *s == ' ' ? "Space" : (char[]){*s, 0});
    check(strcmp(app->theme.name, "mono") == 0, "shown: %s", app->theme.name);
    workbench_press(app, "Esc");
    check(strcmp(app->theme.name, "default") == 0, "back: %s", app->theme.name);
    workbench_press(app, ":");
    for (const char *s = "theme dark"; *s; s++)
        workbench_press(app, *s == ' ' ? "Space" : (char[]){*s, 0});
    workbench_press(app, "Enter");
    check(app->panel == APP_NO_PANEL && strcmp(app->theme.name, "dark") == 0, "kept: %s",
          app->theme.name);
    workbench_drop(app);
}

static void type(ui_app *app, const char *text)
{
    for (; *text; text++)
        workbench_press(app, *text == ' ' ? "Space" : (char[]){*text, 0});
}

static void conf_is(const ui_app *app, const char *want)
{
    size_t n;
    char *text = test_slurp(test_path(app->cfg.config_dir, "keys.conf"), &n);
    check(text ? strcmp(text, want) == 0 : !*want, "keys.conf holds \"%s\"", text ? text : "");
    free(text);
}

/* Ctrl-O in the palette: a key for the row, refused when it is taken, kept and in force at once
 * (tui.md 4.6). */
CHECK_TEST(app, palette_binds_keys)
{
    static const char mine[] = "# mine\nany.errors = E\n";
    ui_app *app = workbench_app();
    check(mkdir(app->cfg.config_dir, 0700) == 0, "mkdir");
    test_spit(test_path(app->cfg.config_dir, "keys.conf"), mine, sizeof mine - 1);
    workbench_press(app, ":");
    type(app, "jobs");
    workbench_press(app, "C-o");
    check(app->binding == UI_ACT_ANY_JOBS && workbench_shows(app, "press the key for \"jobs\""),
          "asks");
    workbench_press(app, "m");
    check(workbench_shows(app,
                          "m is taken: Compare: \"measure the file or the marked ones\" (measure)"),
          "the other is named");
    workbench_press(app, "C-o");
    workbench_press(app, "E");
    check(workbench_shows(app, "E is taken: \"errors and log\" (errors)"), "the other is named");
    workbench_press(app, "C-o");
    workbench_press(app, "J");
    check(workbench_shows(app, "J does that already"), "its own key");
    workbench_press(app, "C-o");
    workbench_press(app, "Esc");
    check(app->panel == APP_PALETTE && app->binding == UI_ACT_NONE, "Esc leaves only the question");
    conf_is(app, mine);
    workbench_press(app, "C-o");
    workbench_press(app, "C-t");
    check(workbench_shows(app, "jobs: J C-t, kept in keys.conf"), "kept");
    check(strcmp(ui_app_items_at(app, app->items.list.at)->keys, "J C-t") == 0, "the row shows it");
    conf_is(app, "# mine\nany.errors = E\nany.jobs = J C-t\n");
    workbench_press(app, "Esc");
    workbench_press(app, "C-t");
    check(app->panel == APP_JOBS_PANEL, "it works at once");
    workbench_press(app, "Esc");
    workbench_press(app, ":");
    type(app, "theme mono");
    workbench_press(app, "C-o");
    check(workbench_shows(app, "only actions have keys"), "commands have none");
    workbench_press(app, "Esc");
    workbench_drop(app);
}

CHECK_TEST(app, keys_that_cannot_be_kept_stay)
{
    ui_app *app = workbench_app();
    app->opt.read_only = true;
    workbench_press(app, ":");
    type(app, "jobs");
    workbench_press(app, "C-o");
    check(app->binding == UI_ACT_NONE && workbench_shows(app, "started with --read-only"), "said");
    app->opt.read_only = false;
    snprintf(app->cfg.config_dir, sizeof app->cfg.config_dir, "/proc/nowhere");
    workbench_press(app, "C-o");
    workbench_press(app, "C-t");
    check(app->sticky[0] && strcmp(ui_app_keys(app, UI_ACT_ANY_JOBS), "J") == 0, "%s", app->sticky);
    workbench_press(app, "C-o");
    ui_key mouse = {.code = UI_K_PASTE, .paste = "x", .paste_len = 1};
    ui_app_key(app, &mouse);
    check(workbench_shows(app, "no name for that key"), "a paste is no key");
    workbench_drop(app);
}

/* --- errors, questions ----------------------------------------------------------------------- */

/* A banner stays over other keys and goes by Esc, before Esc leaves the screen. */
CHECK_TEST(app, errors_stay_until_escape)
{
    ui_app *app = workbench_app();
    ui_app_error(app, "gone.gguf is not there", "the list is old", "r looks again");
    check(workbench_shows(app, "! gone.gguf is not there · the list is old · r looks again"),
          "shown");
    workbench_press(app, "j");
    check(workbench_shows(app, "gone.gguf"), "stays");
    ui_app_say(app, "one key long");
    check(workbench_shows(app, "one key long") && !workbench_shows(app, "gone.gguf"),
          "a message goes first");
    workbench_press(app, "j");
    check(workbench_shows(app, "gone.gguf"), "back");
    workbench_press(app, "Esc");
    check(!workbench_shows(app, "gone.gguf"), "dismissed");
    workbench_press(app, "E");
    check(workbench_shows(app, "gone.gguf"), "logged");
    workbench_drop(app);
}

/* Foreign bytes in an error reach the screen in visible form only (tui 14, A32). */
CHECK_TEST(app, errors_are_sanitised)
{
    ui_app *app = workbench_app();
    ui_app_error(app, "bad\033]52;c;eA==\a\xe2\x80\xae name", "", "");
    nb_str s = {0};
    ui_app_draw(app);
    ui_canvas_text(&app->canvas, &s, false);
    check(!strchr(s.at, '\033') && !strchr(s.at, '\a') && !strstr(s.at, "\xe2\x80\xae"),
          "raw bytes");
    check(strstr(s.at, "U+001B") && strstr(s.at, "U+202E"), "%s", s.at);
    nb_str_free(&s);
    workbench_drop(app);
}

static void answer(void *arg, bool yes)
{
    *(int *)arg = yes ? 1 : 2;
}

CHECK_TEST(app, questions_default_to_no)
{
    static const struct {
        const char *key;
        int answer;
    } cases[] = {{"y", 1}, {"Y", 1}, {"n", 2}, {"Enter", 2}, {"Esc", 2}, {"q", 2}, {"j", 0}};
    ui_app *app = workbench_app();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int got = 0;
        ui_app_confirm(app, "Write 3 GB to a slow disk?", answer, &got);
        check(workbench_shows(app, "Write 3 GB to a slow disk?"), "asked");
        workbench_press(app, cases[i].key);
        check(got == cases[i].answer, "%s: %d", cases[i].key, got);
        app->confirm = (app_confirm){0};
    }
    workbench_drop(app);
}

/* --- sizes ----------------------------------------------------------------------------------- */

/* Two hundred resizes 1x1 .. 300x100 on every screen, panels open or not; then the frame is the one
 * a fresh start draws (tui 3, A30). */
CHECK_TEST(app, resize_storm)
{
    test_rng r = test_rng_make(11);
    nb_str text = {0};
    static const char *const doors[] = {"1", "3", "4", "6", ":", "?", "J", "E"};
    nb_str_add(&text, "size 200x60\nwait\n");
    for (int i = 0; i < 200; i++) {
        if (i % 10 == 0)
            nb_str_addf(&text, "keys Esc Esc %s\nwait\n", doors[i / 10 % 8]);
        nb_str_addf(&text, "resize %ux%u\nframes 1\n", 1 + test_below(&r, 300),
                    1 + test_below(&r, 100));
    }
    nb_str_add(&text,
               "resize 1x1\nframes 1\nkeys Esc Esc Esc Esc 1\nresize 120x40\nsave-roles a\n");
    workbench w = workbench_run(text.at),
              fresh = workbench_run("size 120x40\nwait\nsave-roles a\n");
    check(w.status == NB_OK, "%s", w.err.msg);
    const char *a = workbench_screen(&w, "a"), *b = workbench_screen(&fresh, "a");
    check(a && b && strcmp(a, b) == 0, "after the storm:\n%s\nfresh:\n%s", a ? a : "", b ? b : "");
    nb_str_free(&text);
    workbench_free(&w);
    workbench_free(&fresh);
}
