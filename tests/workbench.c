#include "tests/workbench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

workbench workbench_run(const char *script)
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
    ui_app_options opt = {.paths = paths, .n_paths = 1, .script = path, .threads = 2};
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

const char *workbench_screen(workbench *w, const char *name)
{
    size_t n;
    char *text = test_slurp(test_path(w->dir, name), &n);
    if (text && w->n < 32)
        w->screen[w->n++] = text;
    return text;
}

void workbench_free(workbench *w)
{
    for (int i = 0; i < w->n; i++)
        free(w->screen[i]);
    w->n = 0;
}
