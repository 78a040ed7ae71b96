#include "tests/stage.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "tests/check.h"
#include "tests/util.h"

/* A folder of that name with the demo's files and its importance matrix. */
static void link_demo(const char *folder)
{
    int to = -1;
    char *from = realpath(test_data("nibble-demo"), NULL);
    DIR *d = from ? opendir(from) : NULL;
    check(d && mkdir(folder, 0700) == 0 && (to = open(folder, O_RDONLY | O_DIRECTORY)) >= 0, "%s",
          folder);
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.')
            check(symlinkat(test_path(from, e->d_name), to, e->d_name) == 0, "%s", e->d_name);
    free(from);
    from = realpath(test_data("demo.imatrix.gguf"), NULL);
    check(from && symlinkat(from, to, "demo.imatrix.gguf") == 0, "demo.imatrix.gguf");
    close(to);
    closedir(d);
    free(from);
}

void stage_begin(stage *s, const char *name, const char *demo)
{
    nb_err err = {0};
    char top[512];
    snprintf(top, sizeof top, "%s", test_path(test_tmpdir(), name));
    check(nb_mkdirs(test_path(top, "cwd"), &err) == NB_OK, "%s", err.msg);
    if (demo)
        link_demo(test_path(top, demo));
    check(chdir(test_path(top, "cwd")) == 0, "chdir");
    *s = (stage){.cfg = {.writable = true, .mouse = 0, .theme = "default"},
                 .opt = {.threads = 2, .cpu = "scalar", .offline = true}};
    strcpy(s->cfg.config_dir, "../config");
    strcpy(s->cfg.data_dir, "../data");
    strcpy(s->cfg.state_dir, "../state");
    strcpy(s->cfg.cache_dir, "../cache");
    strcpy(s->cfg.hf_hub, "../hf");
    if (demo)
        snprintf(s->cfg.demo_dir, sizeof s->cfg.demo_dir, "../%s", demo);
}

void stage_play(stage *s, const char *text)
{
    nb_err err = {0};
    test_spit("play.script", text, strlen(text));
    s->opt.script = "play.script";
    nb_status st = ui_app_run(&s->cfg, &s->opt, &err);
    if (st != NB_OK)
        stage_leave();
    check(st == NB_OK, "script: %s", err.msg);
}

char *stage_script(const char *name)
{
    char path[256];
    size_t n;
    snprintf(path, sizeof path, "%s/tests/scripts/%s.script", NB_TEST_ROOT, name);
    char *text = test_slurp(path, &n);
    check(text, "%s", path);
    return text;
}

/* "save-cuts" marks a screen that has no golden. */
static bool saves(const char *line, char verb[16], char name[64], bool cuts)
{
    return sscanf(line, "%15s %63s", verb, name) == 2 &&
           (strcmp(verb, "save-screen") == 0 || strcmp(verb, "save-roles") == 0 ||
            (cuts && strcmp(verb, "save-cuts") == 0));
}

void stage_at_sizes(nb_str *out, const char *script, const char *const *sizes, size_t n_sizes,
                    const char *verb)
{
    char own[16], name[64], line[200];
    nb_str_addf(out, "size %s\n", sizes[n_sizes - 1]);
    for (const char *end; (end = strchr(script, '\n')); script = end + 1) {
        snprintf(line, sizeof line, "%.*s", (int)(end - script), script);
        bool screen = saves(line, own, name, true);
        if (!screen)
            nb_str_addf(out, "%s\n", line);
        for (size_t i = 0; screen && (verb || saves(line, own, name, false)) && i < n_sizes; i++)
            nb_str_addf(out, "resize %s\n%s %s-%s\n", sizes[i], verb ? verb : own, name, sizes[i]);
    }
}

bool stage_next_screen(const char **at, char name[64], bool cuts)
{
    char verb[16];
    for (const char *end; (end = strchr(*at, '\n'));) {
        const char *line = *at;
        *at = end + 1;
        if (saves(line, verb, name, cuts))
            return true;
    }
    return false;
}

/* --- goldens --------------------------------------------------------------------------------- */

/* A server of the test has another port in every run (five digits) and numbers its requests by the
 * clock: signs of the same width instead. */
static void hide_changing(char *text)
{
    static const struct {
        const char *before, *kind;
    } row[] = {{"127.0.0.1:", "0123456789"}, {"Root=1-", "0123456789abcdef-"}};
    for (size_t i = 0; i < countof(row); i++)
        for (char *s = text; (s = strstr(s, row[i].before));) {
            s += strlen(row[i].before);
            size_t n = strspn(s, row[i].kind);
            memset(s, '#', n);
        }
}

void stage_compare(const char *name, const char *size)
{
    char golden[1024], saved[128];
    size_t n = 0, m = 0;
    snprintf(golden, sizeof golden, "%s/tests/golden/%s-%s.screen", NB_TEST_ROOT, name, size);
    snprintf(saved, sizeof saved, "%s-%s", name, size);
    char *got = test_slurp(saved, &n);
    if (!got)
        stage_leave();
    check(got, "%s was not saved", saved);
    hide_changing(got);
    const char *mode = getenv("NB_GOLDEN");
    if (mode && strcmp(mode, "write") == 0)
        test_spit(golden, got, n);
    char *want = test_slurp(golden, &m);
    bool same = want && n == m && memcmp(got, want, n) == 0;
    size_t at = 0, line = 1;
    while (want && at < n && at < m && got[at] == want[at])
        line += got[at++] == '\n';
    if (!same) {
        stage_leave();
        fprintf(stderr, "--- %s at %s\n%s\n", name, size, got);
    }
    check(same, "%s at %s differs from its golden in line %zu%s", name, size, line,
          want ? "" : ": there is none");
    free(got);
    free(want);
}

void stage_goldens(stage *s, const char *script)
{
    static const char *const sizes[] = {"120x40", "80x24"};
    char name[64];
    nb_str all = {0};
    char *text = stage_script(script);
    stage_at_sizes(&all, text, sizes, countof(sizes), NULL);
    stage_play(s, nb_str_c(&all));
    for (const char *at = text; stage_next_screen(&at, name, false);)
        for (size_t i = 0; i < countof(sizes); i++)
            stage_compare(name, sizes[i]);
    nb_str_free(&all);
    free(text);
}

void stage_whole_words(stage *s, const char *script)
{
    /* The small ones first: what can be scrolled there is not clamped yet. */
    static const char *const sizes[] = {"80x24", "100x30", "120x40", "200x60"};
    char name[64], file[80];
    nb_str all = {0}, cuts = {0};
    char *text = stage_script(script);
    stage_at_sizes(&all, text, sizes, countof(sizes), "save-cuts");
    stage_play(s, nb_str_c(&all));
    for (const char *at = text; stage_next_screen(&at, name, true);)
        for (size_t i = 0; i < countof(sizes); i++) {
            size_t n;
            snprintf(file, sizeof file, "%s-%s", name, sizes[i]);
            char *found = test_slurp(file, &n);
            if (!found || n)
                nb_str_addf(&cuts, "%s: %s", file, found ? found : "not saved\n");
            free(found);
        }
    stage_leave();
    check(cuts.len == 0, "cut without an ellipsis:\n%s", nb_str_c(&cuts));
    nb_str_free(&all);
    free(text);
}

void stage_leave(void)
{
    check(chdir(NB_TEST_ROOT) == 0, "chdir back");
}
