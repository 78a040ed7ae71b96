/* Files and stored runs, read by a job; which runs are shown as one group. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "tui/commands/default_text.h"
#include "tui/commands/compare_far.h"
#include "tui/screens/compare.h"

static const double LOOK_EVERY = 1; /* s between looks at the times of files */

/* --- the job -----------------------------------------------------------------------------------
 */

static void add_path(compare_load *l, const char *path)
{
    for (size_t i = 0; i < l->n_path; i++)
        if (strcmp(l->path[i], path) == 0)
            return;
    if (l->n_path < COMPARE_FILES)
        snprintf(l->path[l->n_path++], sizeof l->path[0], "%s", path);
}

/* The first path's model and all that was made from it. */
static nb_status find_family(compare_load *l, const nb_hooks *hooks, nb_err *err)
{
    nb_library *lib = NULL;
    size_t at = 0;
    NB_TRY(nb_library_scan(&lib, l->cfg, l->given, l->n_given, hooks, err));
    size_t n = nb_library_count(lib);
    while (at < n && strcmp(nb_library_at(lib, at)->path, l->path[0]) != 0)
        at++;
    for (size_t i = 0; i < n && at < n; i++)
        if (nb_library_family(lib, at, i) && !nb_library_at(lib, i)->problem[0])
            add_path(l, nb_library_at(lib, i)->path);
    nb_library_close(&lib);
    return NB_OK;
}

/* One file that cannot be opened does not keep the others from being compared. */
static void leave_out_broken(compare_load *l)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n_path; i++) {
        nb_weights *w = NULL;
        nb_err err = {0};
        if (nb_weights_open(&w, l->path[i], &err) == NB_OK)
            memmove(l->path[n++], l->path[i], sizeof l->path[0]);
        else if (l->n_path > 1)
            memcpy(l->left_out, err.msg, sizeof l->left_out);
        else
            n++; /* opening the table says what is wrong */
        nb_weights_close(&w);
    }
    l->n_path = n;
}

/* The demo's precisions are asked the demo's questions. */
static void ask_questions(compare_load *l)
{
    nb_weights *w = NULL;
    ui_corpus qa;
    if (nb_weights_open(&w, nb_compare_reference(&l->table), NULL) == NB_OK && ui_is_demo(w) &&
        ui_demo_questions(&qa, l->cfg)) {
        nb_compare_ask(&l->table, qa.at, qa.len, qa.sha256, NULL);
        ui_text_close(&qa);
    }
    nb_weights_close(&w);
}

/* A run of one tensor alone belongs to the map of its type, text and reading. */
static void add_map(compare_load *l, const nb_run_key *key)
{
    nb_run_key k = *key;
    k.tensor[0] = '\0';
    for (size_t i = 0; i < l->n_map; i++)
        if (nb_run_key_comparable(&l->map[i], &k))
            return;
    if (l->n_map < COMPARE_MAPS)
        l->map[l->n_map++] = k;
}

/* Of the first file of the table that has sensitivity runs, the latest first. */
static void find_maps(compare_load *l)
{
    for (size_t f = 0; f < l->table.n && !l->n_map; f++) {
        for (size_t i = nb_runs_count(l->runs); i > 0; i--) {
            const nb_run_key *key;
            const void *record;
            if (nb_runs_at(l->runs, i - 1, &key, &record) == NB_RUN_DAMAGE &&
                key->model == l->table.row[f].model)
                add_map(l, key);
        }
        if (l->n_map && nb_weights_open(&l->mapped, l->table.row[f].path, NULL) != NB_OK)
            l->n_map = 0;
    }
}

static nb_status load(nb_job *job, void *arg, nb_err *err)
{
    compare_load *l = arg;
    nb_hooks hooks = nb_job_hooks(job);
    const char *paths[COMPARE_FILES];
    if (l->family)
        NB_TRY(find_family(l, &hooks, err));
    leave_out_broken(l);
    if (!l->n_path)
        return nb_fail(err, NB_NOTFOUND, "%s", l->left_out);
    if (nb_job_canceled(job))
        return nb_fail(err, NB_CANCELED, "cancelled");
    for (size_t i = 0; i < l->n_path; i++)
        paths[i] = l->path[i];
    NB_TRY(nb_compare_open(&l->table, paths, l->n_path, NULL, err));
    NB_TRY(nb_runs_open(&l->runs, l->cfg, err));
    ask_questions(l);
    find_maps(l);
    return NB_OK;
}

static void drop_load(compare_load *l)
{
    nb_compare_close(&l->table);
    nb_runs_close(&l->runs);
    nb_weights_close(&l->mapped);
    *l = (compare_load){.n_path = 0};
}

static int64_t time_of(const char *path)
{
    struct stat st;
    if (!path[0] || stat(path, &st) != 0)
        return 0;
    return (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

/* Times of the stored runs and of the folder quantized files go to. */
static void note_times(const compare *s, int64_t *runs, int64_t *models)
{
    const nb_config *cfg = ui_app_config(s->app);
    char path[1100];
    *runs = nb_path_join(path, sizeof path, cfg->state_dir, "runs.jsonl") ? time_of(path) : 0;
    *models = nb_path_join(path, sizeof path, cfg->data_dir, "models") ? time_of(path) : 0;
}

void ui_compare_load(compare *s)
{
    const ui_app_options *opt = ui_app_options_of(s->app);
    nb_err err = {0};
    if (s->loading || !s->n_path) {
        s->again = s->loading != NULL;
        return;
    }
    bool demo = opt->n_paths == 1 && strcmp(opt->paths[0], "demo") == 0;
    s->load = (compare_load){.cfg = ui_app_config(s->app),
                             .given = demo ? NULL : opt->paths,
                             .n_given = demo ? 0 : opt->n_paths,
                             .family = s->family,
                             .n_path = s->n_path};
    memcpy(s->load.path, s->path, sizeof s->path);
    note_times(s, &s->runs_time, &s->models_time);
    if (ui_app_job(s->app, &s->loading, UI_COMPARE, "read", "stored runs", load, &s->load, &err) !=
        NB_OK)
        memcpy(s->problem, err.msg, sizeof s->problem);
}

void ui_compare_watch(compare *s, double now)
{
    int64_t runs, models;
    if (s->loading || !s->n_path || (now >= s->looked && now - s->looked < LOOK_EVERY))
        return;
    s->looked = now;
    note_times(s, &runs, &models);
    if (runs != s->runs_time || (s->family && models != s->models_time))
        ui_compare_load(s);
}

/* --- what it brought ---------------------------------------------------------------------------
 */

void ui_compare_show_group(compare *s, size_t group)
{
    nb_run_key none = {.reference = s->table.row[0].model};
    s->at_group = group < s->n_group ? group : 0;
    nb_compare_use(&s->table, s->n_group ? &s->group[s->at_group].key : &none, s->runs);
    nb_compare_advise(&s->table);
    s->pick = nb_compare_pick(&s->table, s->why, sizeof s->why);
    ui_compare_arrange(s);
}

static void add_far(void *arg, const char *line)
{
    nb_str *far = arg;
    nb_str_add(far, far->len ? "\n" : ui_compare_far_title);
    if (!strchr(nb_str_c(far), '\n'))
        nb_str_add(far, "\n");
    nb_safe_text(far, line, strlen(line), NB_SAFE_ONE_LINE);
}

/* The group that was shown, if it is still there. */
static size_t same_group(const compare *s, const nb_run_key *key)
{
    for (size_t i = 0; i < s->n_group; i++)
        if (nb_run_key_comparable(&s->group[i].key, key))
            return i;
    return 0;
}

void ui_compare_drop(compare *s)
{
    ui_compare_drop_map(s);
    nb_compare_close(&s->table);
    nb_runs_close(&s->runs);
    nb_weights_close(&s->mapped);
    nb_str_free(&s->far);
    s->n_row = s->n_group = s->n_map = 0;
    s->pick = SIZE_MAX;
}

static size_t same_map(const compare *s, const nb_run_key *key)
{
    for (size_t i = 0; i < s->n_map; i++)
        if (nb_run_key_comparable(&s->map_key[i], key))
            return i;
    return 0;
}

static void take(compare *s)
{
    nb_run_key shown = s->table.key, map = s->map_key[s->at_map];
    bool fresh = s->table.n == 0;
    ui_compare_drop(s);
    s->table = s->load.table;
    s->runs = s->load.runs;
    s->mapped = s->load.mapped;
    s->n_map = s->load.n_map;
    memcpy(s->map_key, s->load.map, sizeof s->map_key);
    if (s->load.left_out[0])
        ui_app_say(s->app, "left out: %s", s->load.left_out);
    s->load.table = (nb_compare){.n = 0};
    s->load.runs = NULL;
    s->load.mapped = NULL;
    s->problem[0] = '\0';
    const ui_compare_far far = {.c = &s->table, .runs = s->runs, .every = true};
    ui_compare_far_lines(&far, add_far, &s->far);
    s->n_group = nb_compare_groups(&s->table, s->runs, s->group);
    if (fresh && s->n_group && !s->group[0].kld)
        s->y = NB_AXIS_PPL; /* all there is */
    ui_compare_show_group(s, fresh ? 0 : same_group(s, &shown));
    if (s->map)
        ui_compare_map(s, same_map(s, &map));
}

void ui_compare_loaded(compare *s, const nb_event *e)
{
    s->loading = NULL;
    if (e->err.status == NB_OK)
        take(s);
    else if (e->err.status != NB_CANCELED && s->table.n)
        ui_app_error(s->app, e->err.msg, "the comparison shown stays", "r reads again");
    else if (e->err.status != NB_CANCELED)
        memcpy(s->problem, e->err.msg, sizeof s->problem);
    drop_load(&s->load);
    if (s->again) {
        s->again = false;
        ui_compare_load(s);
    }
}
