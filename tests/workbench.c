#include "tests/workbench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/util.h"

void workbench_config(nb_config *cfg, const char *dir)
{
    *cfg = (nb_config){.writable = true, .mouse = -1, .threads = 2};
    snprintf(cfg->config_dir, sizeof cfg->config_dir, "%s/config", dir);
    snprintf(cfg->data_dir, sizeof cfg->data_dir, "%s/data", dir);
    snprintf(cfg->state_dir, sizeof cfg->state_dir, "%s/state", dir);
    snprintf(cfg->cache_dir, sizeof cfg->cache_dir, "%s/cache", dir);
    snprintf(cfg->hf_hub, sizeof cfg->hf_hub, "%s/hub", dir);
    snprintf(cfg->demo_dir, sizeof cfg->demo_dir, "%s", test_data("nibble-demo"));
    snprintf(cfg->theme, sizeof cfg->theme, "default");
}

static workbench run(const char *script, ui_app_options opt)
{
    static int runs;
    workbench w = {0};
    snprintf(w.dir, sizeof w.dir, "%s/run%d", test_tmpdir(), runs++);
    mkdir(w.dir, 0700);
    nb_config *cfg = malloc(sizeof *cfg);
    char back[4096];
    const char *path = test_path(w.dir, "script"), *home = getenv("HOME");
    char *home_was = home ? strdup(home) : NULL;
    const char *paths[] = {test_data("nibble-demo")};
    opt.paths = paths;
    opt.n_paths = 1;
    opt.script = path;
    opt.threads = 2;
    workbench_config(cfg, w.dir);
    test_spit(path, script, strlen(script));
    setenv("HOME", w.dir, 1); /* no model of the machine's owner in the list */
    if (getcwd(back, sizeof back) && chdir(w.dir) == 0) {
        w.status = ui_app_run(cfg, &opt, &w.err);
        if (chdir(back) != 0)
            w.status = NB_ERROR;
    }
    if (home_was)
        setenv("HOME", home_was, 1);
    free(home_was);
    free(cfg);
    return w;
}

workbench workbench_run(const char *script)
{
    return run(script, (ui_app_options){0});
}

workbench workbench_chat(const char *script, const ui_app_setting *settings, size_t n)
{
    return run(script, (ui_app_options){.start = "chat", .settings = settings, .n_settings = n});
}

const char *workbench_screen(workbench *w, const char *name)
{
    size_t n;
    char *text = test_slurp(test_path(w->dir, name), &n);
    if (text && w->n < 32)
        w->screen[w->n++] = text;
    return text;
}

void workbench_expect(workbench *w, const char *name, const char *part)
{
    const char *screen = workbench_screen(w, name);
    check(w->status == NB_OK, "%s", w->err.msg);
    check(screen && strstr(screen, part), "\"%s\" is not on %s:\n%s", part, name,
          screen ? screen : "(not saved)");
}

void workbench_free(workbench *w)
{
    for (int i = 0; i < w->n; i++)
        free(w->screen[i]);
    w->n = 0;
}

ui_app *workbench_app(void)
{
    static const ui_screen *const rows[] = {
#define UI_SCREEN(sym, scope, digit) &ui_screen_##sym,
#include "tui/screens/screens.def"
#undef UI_SCREEN
    };
    static const int digits[] = {
#define UI_SCREEN(sym, scope, digit) digit,
#include "tui/screens/screens.def"
#undef UI_SCREEN
    };
    ui_app *app = calloc(1, sizeof *app);
    nb_err err = {0};
    workbench_config(&app->cfg, test_tmpdir());
    app->opt.script = "none";
    app->log_fd = -1;
    app->w = 80;
    app->h = 24;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        app->page[app->n_page++] = (app_page){.row = rows[i], .digit = digits[i]};
    check(ui_keymap_open(&app->keys, NULL, 0, NULL, &err) == NB_OK, "%s", err.msg);
    check(nb_mailbox_open(&app->mail, &err) == NB_OK, "%s", err.msg);
    check(ui_canvas_resize(&app->canvas, app->w, app->h, &err) == NB_OK, "%s", err.msg);
    check(ui_app_theme(app, "default", &err) == NB_OK, "%s", err.msg);
    return app;
}

void workbench_drop(ui_app *app)
{
    ui_app_jobs_end(app, -1);
    ui_keymap_close(&app->keys);
    nb_mailbox_close(&app->mail);
    ui_canvas_free(&app->canvas);
    free(app->items.at);
    free(app->items.shown);
    ui_input_free(&app->items.input);
    free(app);
}

void workbench_press(ui_app *app, const char *name)
{
    ui_key k;
    check(ui_key_parse(name, &k), "%s", name);
    ui_app_key(app, &k);
}

bool workbench_shows(ui_app *app, const char *text)
{
    nb_str s = {0};
    ui_app_draw(app);
    ui_canvas_text(&app->canvas, &s, false);
    bool found = strstr(nb_str_c(&s), text) != NULL;
    nb_str_free(&s);
    return found;
}
