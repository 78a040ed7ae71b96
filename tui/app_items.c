/* The one list behind palette and help: actions of the key table, themes, settings, commands. The
 * same words run a script's `command` lines. */
#include "tui/app_private.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/quant/recipe_file.h"

static const char *const scope_titles[UI_SCOPES] = {
    "any", "Models", "Model page", "Downloads", "Quantize", "Inspect", "Compare", "Chat"};

static const char load_recipe[] = "recipe.load ";

const char *ui_app_scope_title(ui_scope scope)
{
    return scope_titles[scope];
}

/* --- filling --------------------------------------------------------------------------------- */

static app_item *add(app_list *l)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 128;
        app_item *at = ui_xcalloc(cap, sizeof *at);
        uint16_t *shown = ui_xcalloc(cap, sizeof *shown);
        if (l->n)
            memcpy(at, l->at, l->n * sizeof *at);
        free(l->at);
        free(l->shown);
        l->at = at;
        l->shown = shown;
        l->cap = cap;
    }
    l->at[l->n] = (app_item){0};
    return &l->at[l->n++];
}

/* A digit for a screen this build does not have is no action. */
static bool exists(ui_app *app, const ui_keyrow *row)
{
    if (row->action < UI_ACT_ANY_SCREEN_1 || row->action > UI_ACT_ANY_SCREEN_6)
        return true;
    for (size_t i = 0; i < app->n_page; i++)
        if (app->page[i].digit == (int)(row->action - UI_ACT_ANY_SCREEN_1) + 1)
            return true;
    return false;
}

static void add_action(ui_app *app, const ui_keyrow *row, bool help)
{
    const char *keys = ui_app_keys(app, row->action), *why = ui_app_why_not(app, row->action);
    bool here = row->scope == UI_ANY || row->scope == ui_app_current(app)->row->scope;
    bool screen = row->action >= UI_ACT_ANY_SCREEN_1 && row->action <= UI_ACT_ANY_SCREEN_6;
    if (!exists(app, row) || (help && (!here || !*keys)))
        return;
    app_item *it = add(&app->items);
    it->action = row->action;
    it->scope = row->scope;
    const char *group = screen                         ? "Screen"
                        : help || row->scope == UI_ANY ? ""
                                                       : scope_titles[row->scope];
    snprintf(it->name, sizeof it->name, "%s%s%s", group, *group ? ": " : "", row->help);
    snprintf(it->keys, sizeof it->keys, "%s", keys);
    snprintf(it->verb, sizeof it->verb, "%s", row->verb);
    snprintf(it->why_not, sizeof it->why_not, "%s", why ? why : "");
}

static void add_command(ui_app *app, const char *group, const char *name, const char *verb)
{
    for (size_t i = 0; i < app->items.n; i++)
        if (strcmp(app->items.at[i].verb, verb) == 0)
            return;
    app_item *it = add(&app->items);
    snprintf(it->name, sizeof it->name, "%s: %s", group, name);
    snprintf(it->verb, sizeof it->verb, "%s", verb);
}

static void add_themes(ui_app *app)
{
    char verb[80], dir[1100];
    for (size_t i = 0; ui_theme_files[i].name; i++) {
        snprintf(verb, sizeof verb, "theme %.60s", ui_theme_files[i].name);
        add_command(app, "Theme", ui_theme_files[i].name, verb);
    }
    DIR *d = app->cfg.config_dir[0] && nb_path_join(dir, sizeof dir, app->cfg.config_dir, "themes")
                 ? opendir(dir)
                 : NULL;
    const struct dirent *e;
    while (d && (e = readdir(d)) != NULL && app->items.n < 4096) {
        size_t n = strlen(e->d_name);
        if (n < 7 || n > 60 || strcmp(e->d_name + n - 6, ".theme") != 0)
            continue;
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)(n - 6), e->d_name);
        snprintf(verb, sizeof verb, "theme %s", name);
        add_command(app, "Theme", name, verb);
    }
    if (d)
        closedir(d);
}

static void add_recipe(void *ud, const char *name)
{
    char verb[sizeof((app_item *)0)->verb];
    int n = snprintf(verb, sizeof verb, "%s%s", load_recipe, name);
    if (n > 0 && (size_t)n < sizeof verb)
        add_command(ud, "Quantize: recipe", name, verb);
}

static void add_settings(ui_app *app)
{
    size_t n;
    const nb_setting *s = nb_settings(&n);
    for (size_t i = 0; i < n; i++) {
        char verb[80];
        snprintf(verb, sizeof verb, "set %s ", s[i].name);
        add_command(app, "Setting", s[i].help, verb);
        if (app->opt.read_only)
            snprintf(app->items.at[app->items.n - 1].why_not, 96, "read-only: nothing is written");
    }
}

void ui_app_items_fill(ui_app *app, bool help)
{
    size_t n;
    const ui_keyrow *row = ui_keyrows(&n);
    ui_scope here = ui_app_current(app)->row->scope;
    app->items.n = 0;
    for (size_t i = 0; i < n; i++)
        if (row[i].scope == here)
            add_action(app, &row[i], help);
    for (size_t i = 0; i < n; i++)
        if (row[i].scope != here)
            add_action(app, &row[i], help);
    if (!help) {
        add_themes(app);
        add_settings(app);
        nb_recipe_each(&app->cfg, add_recipe, app, NULL); /* none that can be read: none to load */
        add_command(app, "Screen", "save it as text", "save-screen ");
        add_command(app, "Chat", "a pane for the model at https://host/v1#name", "remote ");
        add_command(app, "Screen", "welcome, as at the first start", "welcome");
    }
    app->items.list = (ui_list){0};
    ui_input_set(&app->items.input, "");
    ui_app_items_filter(app, "");
}

/* --- finding --------------------------------------------------------------------------------- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool word_start(const char *text, size_t i)
{
    return i == 0 || strchr(" .:,-", text[i - 1]);
}

/* How well one query word is found: at a word's start, inside, as letters in order; 0 = not. */
static int word_score(const char *text, const char *word, size_t n)
{
    size_t len = strlen(text), best = 0, j = 0, gaps = 0, last = 0;
    for (size_t i = 0; i + n <= len; i++) {
        size_t k = 0;
        while (k < n && lower(text[i + k]) == lower(word[k]))
            k++;
        size_t got = k < n ? 0 : i == 0 ? 120 : word_start(text, i) ? 100 : 60;
        best = got > best ? got : best;
    }
    if (best)
        return (int)best;
    for (size_t i = 0; i < len && j < n; i++)
        if (lower(text[i]) == lower(word[j])) {
            gaps += j && i != last + 1;
            last = i;
            j++;
        }
    return j < n ? 0 : gaps < 20 ? 40 - 2 * (int)gaps : 1;
}

static bool has_key(const app_item *it, const char *key)
{
    size_t n = strlen(key);
    for (const char *s = it->keys; *s; s += strcspn(s, " "), s += strspn(s, " "))
        if (strncmp(s, key, n) == 0)
            return true;
    return n == 0;
}

static int item_score(const app_item *it, const char *query)
{
    if (strncmp(query, "key:", 4) == 0)
        return has_key(it, query + 4) ? 1 : 0;
    int sum = strcmp(query, it->verb) == 0 ? 1000 : 1;
    for (const char *s = query; *s;) {
        size_t n = strcspn(s, " ");
        int name = n ? word_score(it->name, s, n) : 1, verb = n ? word_score(it->verb, s, n) : 1;
        if (!name && !verb)
            return 0;
        sum += name > verb ? name : verb;
        s += n + strspn(s + n, " ");
    }
    return sum - (it->why_not[0] ? 15 : 0) > 0 ? sum - (it->why_not[0] ? 15 : 0) : 1;
}

static int recency(const ui_app *app, const app_item *it)
{
    for (int i = 0; i < APP_RECENT; i++)
        if (app->recent[i][0] && strcmp(app->recent[i], it->verb) == 0)
            return APP_RECENT - i;
    return 0;
}

/* Best first; equals stay in the table's order. */
static void insert(app_list *l, size_t count, uint16_t item)
{
    size_t i = count;
    for (; i > 0 && l->at[l->shown[i - 1]].score < l->at[item].score; i--)
        l->shown[i] = l->shown[i - 1];
    l->shown[i] = item;
}

void ui_app_items_filter(ui_app *app, const char *query)
{
    app_list *l = &app->items;
    size_t count = 0;
    query += strspn(query, " ");
    for (size_t i = 0; i < l->n; i++) {
        app_item *it = &l->at[i];
        it->score = *query ? item_score(it, query) : 1;
        if (it->score > 0)
            it->score = 10 * it->score + (app->panel == APP_PALETTE ? recency(app, it) : 0);
        if (it->score > 0)
            insert(l, count++, (uint16_t)i);
    }
    l->list.at = l->list.top = 0;
    ui_list_set(&l->list, count);
}

const app_item *ui_app_items_at(const ui_app *app, size_t i)
{
    return i < app->items.list.n ? &app->items.at[app->items.shown[i]] : NULL;
}

/* --- running --------------------------------------------------------------------------------- */

nb_status ui_app_verb(ui_app *app, const char *name, nb_err *err)
{
    size_t n;
    const ui_keyrow *row = ui_keyrows(&n), *hit = NULL;
    ui_scope here = ui_app_current(app)->row->scope;
    for (size_t i = 0; i < n; i++)
        if (strcmp(row[i].verb, name) == 0 && exists(app, &row[i]) &&
            (!hit || row[i].scope == here))
            hit = &row[i];
    if (!hit)
        return nb_fail(err, NB_USAGE, "no action is called \"%.80s\"", name);
    const char *why = ui_app_why_not(app, hit->action);
    if (why)
        return nb_fail(err, NB_USAGE, "%s: %s", name, why);
    ui_app_action(app, hit->action);
    return NB_OK;
}

/* Kept in the settings, so that it is there at the next start. */
static nb_status run_theme(ui_app *app, const char *name, nb_err *err)
{
    NB_TRY(ui_app_theme(app, name, err));
    if (!ui_app_scripted(app) && !app->opt.read_only && app->cfg.writable)
        NB_TRY(nb_config_set(&app->cfg, "theme", name, err));
    ui_app_say(app, "theme %s", name);
    return NB_OK;
}

static nb_status run_set(ui_app *app, const char *rest, nb_err *err)
{
    char name[64];
    size_t n = strcspn(rest, " ");
    const char *value = rest + n + strspn(rest + n, " ");
    if (n == 0 || n >= sizeof name || !*value)
        return nb_fail(err, NB_USAGE, "set: expected NAME VALUE");
    if (app->opt.read_only)
        return nb_fail(err, NB_REFUSED, "set: read-only, nothing is written");
    memcpy(name, rest, n);
    name[n] = '\0';
    NB_TRY(nb_config_set(&app->cfg, name, value, err));
    if (strcmp(name, "theme") == 0)
        NB_TRY(ui_app_theme(app, value, err));
    ui_app_say(app, "%s = %s", name, value);
    return NB_OK;
}

nb_status ui_app_command(ui_app *app, const char *line, nb_err *err)
{
    line += strspn(line, " ");
    if (strcmp(line, "q") == 0) {
        ui_app_quit(app);
        return NB_OK;
    }
    if (strcmp(line, "welcome") == 0) {
        ui_app_panel_open(app, APP_FIRST);
        return NB_OK;
    }
    if (strncmp(line, "theme ", 6) == 0)
        return run_theme(app, line + 6, err);
    if (strncmp(line, "set ", 4) == 0)
        return run_set(app, line + 4, err);
    if (strncmp(line, "remote ", 7) == 0 && line[7]) {
        const char *paths[] = {line + 7, NULL};
        if (!nb_is_remote(paths[0]))
            return nb_fail(err, NB_USAGE, "remote: expected https://host[:port][/path]#name");
        ui_app_show(app, UI_CHAT, paths, "add");
        return NB_OK;
    }
    if (strncmp(line, load_recipe, sizeof load_recipe - 1) == 0 && line[sizeof load_recipe - 1]) {
        const char *names[] = {line + sizeof load_recipe - 1, NULL};
        ui_app_show(app, UI_QUANTIZE, names, "recipe");
        return NB_OK;
    }
    if (strncmp(line, "save-screen ", 12) == 0 && line[12]) {
        if (app->opt.read_only)
            return nb_fail(err, NB_REFUSED, "save-screen: read-only, nothing is written");
        ui_app_draw(app);
        NB_TRY(ui_app_save_text(app, line + 12, false, err));
        ui_app_say(app, "written to %s", line + 12);
        return NB_OK;
    }
    return ui_app_verb(app, line, err);
}
