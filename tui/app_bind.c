/* Keys as the user wants them: keys.conf read, and written by Ctrl-O in palette and help. */
#include "tui/app_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"

enum { MAX_CONF = 1 << 20, MAX_KEYS = 47 }; /* bytes of the file; of one row's keys */

/* keys.conf and its path; nothing when there is none. */
static nb_status read_conf(const ui_app *app, char path[1100], nb_str *out, nb_err *err)
{
    char *text = NULL;
    size_t n = 0;
    path[0] = '\0';
    if (!app->cfg.config_dir[0] || !nb_path_join(path, 1100, app->cfg.config_dir, "keys.conf") ||
        !nb_exists(path))
        return NB_OK;
    NB_TRY(nb_file_read(&text, &n, path, MAX_CONF, err));
    nb_str_addn(out, text, n);
    free(text);
    return NB_OK;
}

/* keys.conf, and no keys for screens this build lacks. */
nb_status ui_app_keys_load(ui_app *app, nb_err *err)
{
    static const struct {
        ui_scope scope;
        const char *verb;
    } digits[] = {{UI_MODELS, "screen.models"},     {UI_DOWNLOADS, "screen.downloads"},
                  {UI_QUANTIZE, "screen.quantize"}, {UI_INSPECT, "screen.inspect"},
                  {UI_COMPARE, "screen.compare"},   {UI_CHAT, "screen.chat"}};
    char path[1100];
    nb_str conf = {0}, warnings = {0};
    nb_err e = {0};
    if (read_conf(app, path, &conf, &e) != NB_OK)
        ui_app_error(app, e.msg, "the default keys apply", "");
    for (size_t i = 0; i < countof(digits); i++)
        if (!ui_app_page_of(app, digits[i].scope))
            nb_str_addf(&conf, "\nany.%s =", digits[i].verb);
    ui_keymap *keys;
    nb_status st = ui_keymap_open(&keys, nb_str_c(&conf), conf.len, &warnings, err);
    if (st == NB_OK) {
        ui_keymap_close(&app->keys);
        app->keys = keys;
    }
    if (st == NB_OK && warnings.len)
        ui_app_error(app, nb_str_c(&warnings), "", "E shows all of it");
    nb_str_free(&conf);
    nb_str_free(&warnings);
    return st;
}

/* --- a key for a row ------------------------------------------------------------------------- */

void ui_app_bind(ui_app *app, const app_item *it)
{
    if (it->action == UI_ACT_NONE)
        ui_app_say(app, "only actions have keys, \"%s\" is a command", it->verb);
    else if (app->opt.read_only || !app->cfg.writable || !app->cfg.config_dir[0])
        ui_app_say(app, "keys cannot be kept: %s",
                   app->opt.read_only ? "started with --read-only" : "no home folder");
    else
        app->binding = it->action;
    if (app->binding != UI_ACT_NONE)
        ui_app_say(app, "press the key for \"%s\"; Esc leaves it as it is", it->name);
}

/* A key that keys.conf can name: mouse, pastes and some chords cannot be. */
static bool can_be_named(const ui_key *k, char name[16])
{
    ui_key back;
    ui_key_name(k, name);
    return ui_key_parse(name, &back) && back.code == k->code && back.ch == k->ch &&
           back.ctrl == k->ctrl && back.alt == k->alt;
}

static nb_status keep(ui_app *app, ui_action a, const char *keys, nb_err *err)
{
    char path[1100];
    nb_str was = {0}, conf = {0};
    nb_status st = read_conf(app, path, &was, err);
    if (st == NB_OK)
        ui_keymap_edit(&conf, nb_str_c(&was), was.len, a, keys);
    if (st == NB_OK && conf.failed)
        st = nb_fail(err, NB_NOMEM, "keys.conf: not enough memory");
    if (st == NB_OK)
        st = nb_mkdirs(app->cfg.config_dir, err);
    if (st == NB_OK)
        st = nb_replace_file(path, conf.at, conf.len, 0, err);
    nb_str_free(&was);
    nb_str_free(&conf);
    return st == NB_OK ? ui_app_keys_load(app, err) : st;
}

static void bind(ui_app *app, ui_action a, const char *name)
{
    char keys[2 * MAX_KEYS];
    const char *had = ui_app_keys(app, a);
    nb_err err = {0};
    snprintf(keys, sizeof keys, "%s%s%s", had, *had ? " " : "", name);
    if (strlen(keys) > MAX_KEYS) {
        ui_app_say(app, "it has enough keys: %s", had);
        return;
    }
    if (keep(app, a, keys, &err) != NB_OK) {
        ui_app_error(app, err.msg, "the keys stay as they were", "");
        return;
    }
    for (size_t i = 0; i < app->items.n; i++)
        if (app->items.at[i].action == a)
            snprintf(app->items.at[i].keys, sizeof app->items.at[i].keys, "%s",
                     ui_app_keys(app, a));
    ui_app_say(app, "%s: %s, kept in keys.conf", ui_keyrow_of(a)->help, keys);
}

void ui_app_bind_key(ui_app *app, const ui_key *k)
{
    char name[16];
    ui_action a = app->binding;
    app->binding = UI_ACT_NONE;
    if (k->code == UI_K_ESC && !k->alt && !k->ctrl) {
        ui_app_say(app, "the keys stay as they were");
        return;
    }
    if (!can_be_named(k, name)) {
        ui_app_say(app, "keys.conf has no name for that key");
        return;
    }
    const ui_keyrow *other = ui_keymap_taken(app->keys, a, k);
    if (!other)
        bind(app, a, name);
    else if (other->action == a)
        ui_app_say(app, "%s does that already", name);
    else
        ui_app_say(app, "%s is taken: %s%s\"%s\" (%s)", name,
                   other->scope == UI_ANY ? "" : ui_app_scope_title(other->scope),
                   other->scope == UI_ANY ? "" : ": ", other->help, other->verb);
}
