#include "core/base/config.h"

#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/config_private.h"
#include "core/base/file.h"
#include "core/base/settings.h"
#include "core/base/str.h"

/* --- environment --- */

const char *nb_env(const char *name)
{
    const char *v = getenv(name);
    return v && *v ? v : NULL;
}

static bool env_absolute(const char *name, const char **out)
{
    *out = nb_env(name);
    return *out && **out == '/'; /* the XDG specification: relative paths are ignored */
}

void nb_env_home(char *out, size_t cap)
{
    const char *home = nb_env("HOME");
    struct passwd entry, *found = NULL;
    char buffer[4096];
    if (!home && getpwuid_r(getuid(), &entry, buffer, sizeof buffer, &found) == 0 && found)
        home = entry.pw_dir;
    int n = home && *home == '/' ? snprintf(out, cap, "%s", home) : -1;
    if (n < 0 || (size_t)n >= cap)
        out[0] = '\0';
}

/* --- keys of endpoints --- */

static const char *const key_names[] = {"NIBBLE_API_KEY", "OPENAI_API_KEY"};

bool nb_api_key_there(void)
{
    bool any = false;
    for (size_t i = 0; i < countof(key_names); i++)
        any = any || nb_env(key_names[i]);
    return any;
}

nb_status nb_api_key(char *out, size_t cap, const char **from, nb_err *err)
{
    const char *v = NULL, *name = "";
    for (size_t i = 0; i < countof(key_names) && !v; i++) {
        v = nb_env(key_names[i]);
        name = v ? key_names[i] : "";
    }
    size_t n = v ? strlen(v) : 0;
    bool good = n < cap;
    for (size_t k = 0; good && k < n; k++)
        good = v[k] > ' ' && v[k] < 0x7f;
    out[0] = '\0';
    *from = good ? name : "";
    if (!good)
        return nb_fail(err, NB_USAGE, "%s: no key: too long, or blanks within", name);
    if (v)
        memcpy(out, v, n + 1);
    return NB_OK;
}

/* --- folders --- */

typedef struct xdg_row {
    const char *variable, *fallback; /* fallback: below the home folder */
    size_t field;
} xdg_row;
static const xdg_row xdg_rows[] = {
    {"XDG_CONFIG_HOME", ".config", offsetof(nb_config, config_dir)},
    {"XDG_DATA_HOME", ".local/share", offsetof(nb_config, data_dir)},
    {"XDG_STATE_HOME", ".local/state", offsetof(nb_config, state_dir)},
    {"XDG_CACHE_HOME", ".cache", offsetof(nb_config, cache_dir)},
};

static void set_xdg_folders(nb_config *c, const char *home)
{
    for (size_t i = 0; i < countof(xdg_rows); i++) {
        char *out = (char *)c + xdg_rows[i].field, base[sizeof c->config_dir];
        const char *v;
        bool ok = env_absolute(xdg_rows[i].variable, &v)
                      ? nb_path_join(out, sizeof c->config_dir, v, "nibble")
                      : *home && nb_path_join(base, sizeof base, home, xdg_rows[i].fallback) &&
                            nb_path_join(out, sizeof c->config_dir, base, "nibble");
        if (!ok)
            out[0] = '\0';
    }
}

/* The running program's folder, without trailing slash. */
static bool program_folder(char out[PATH_MAX], const char *exe)
{
    char self[PATH_MAX];
    if (!exe || !strchr(exe, '/')) { /* found through PATH: ask the kernel */
        ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
        if (n <= 0)
            return false;
        self[n] = '\0';
        exe = self;
    }
    if (!realpath(exe, out))
        return false;
    char *slash = strrchr(out, '/');
    if (!slash)
        return false;
    *slash = '\0';
    return true;
}

static bool try_demo(nb_config *c, const char *base, const char *rest)
{
    char dir[PATH_MAX], probe[PATH_MAX], real[PATH_MAX];
    if (!nb_path_join(dir, sizeof dir, base, rest) ||
        !nb_path_join(probe, sizeof probe, dir, "config.json") || !nb_exists(probe) ||
        !realpath(dir, real) || strlen(real) >= sizeof c->demo_dir)
        return false;
    memcpy(c->demo_dir, real, strlen(real) + 1);
    return true;
}

/* Installed beside the program, installed at the configured prefix, or the source tree around
 * build/nibble, build/<conf>/nibble and their tests. */
static void set_demo_folder(nb_config *c, const char *exe)
{
    static const char *const beside[] = {"../share/nibble/demo", "../tests/data/nibble-demo",
                                         "../../tests/data/nibble-demo",
                                         "../../../tests/data/nibble-demo"};
    char dir[PATH_MAX];
    bool known = program_folder(dir, exe);
    if ((known && try_demo(c, dir, beside[0])) || try_demo(c, NB_PREFIX, "share/nibble/demo"))
        return;
    for (size_t i = 1; known && i < countof(beside); i++)
        if (try_demo(c, dir, beside[i]))
            return;
}

/* Stores of other programs, read only. Ollama's Linux installer runs it as a user of its own, whose
 * home is /usr/share/ollama. */
static void set_other_stores(nb_config *c, const char *home)
{
    static const char service[] = "/usr/share/ollama/.ollama/models";
    static const char *const lmstudio[] = {".lmstudio/models", ".cache/lm-studio/models"};
    const char *v = nb_env("OLLAMA_MODELS");
    if (v)
        snprintf(c->ollama, sizeof c->ollama, "%s", v);
    else if (*home && nb_path_join(c->ollama, sizeof c->ollama, home, ".ollama/models") &&
             !nb_exists(c->ollama) && nb_is_dir(service))
        snprintf(c->ollama, sizeof c->ollama, "%s", service);
    for (size_t i = 0; i < countof(lmstudio) && *home; i++)
        if (!nb_path_join(c->lmstudio[i], sizeof c->lmstudio[i], home, lmstudio[i]))
            c->lmstudio[i][0] = '\0';
}

/* True when the state folder, or where it would be made, takes files. */
static bool can_write(const char *folder)
{
    char dir[sizeof((nb_config *)0)->state_dir];
    if (!*folder)
        return false;
    snprintf(dir, sizeof dir, "%s", folder);
    while (!nb_exists(dir)) {
        char *slash = strrchr(dir, '/');
        if (!slash || slash == dir)
            return false;
        *slash = '\0';
    }
    return nb_is_dir(dir) && access(dir, W_OK | X_OK) == 0;
}

static void set_environment(nb_config *c, const char *exe)
{
    char home[sizeof c->config_dir], hf_home[1024];
    const char *cpu = nb_env("NIBBLE_CPU");
    nb_env_home(home, sizeof home);
    set_xdg_folders(c, home);
    nb_hub_folders(hf_home, c->hf_hub);
    set_other_stores(c, home);
    set_demo_folder(c, exe);
    snprintf(c->cpu, sizeof c->cpu, "%s", cpu ? cpu : "");
    c->no_color = nb_env("NO_COLOR") != NULL; /* no-color.org: set and not empty */
    c->ssh = nb_env("SSH_CONNECTION") != NULL;
    c->writable = can_write(c->state_dir) && *c->config_dir;
}

/* --- file --- */

static bool config_path(const nb_config *c, char out[PATH_MAX])
{
    return *c->config_dir && nb_path_join(out, PATH_MAX, c->config_dir, "config");
}

nb_status nb_config_load(nb_config *out, const char *exe, nb_err *err)
{
    char path[PATH_MAX], *text;
    size_t n;
    nb_err why = {.status = NB_OK};
    *out = (nb_config){0};
    nb_settings_reset(out);
    set_environment(out, exe);
    if (!config_path(out, path))
        return NB_OK;
    nb_status status = nb_file_read(&text, &n, path, NB_SETTINGS_MAX, &why);
    if (status == NB_OK) {
        status = nb_settings_read(out, text, n, path, &why);
        free(text);
    } else if (status == NB_NOTFOUND) {
        return NB_OK; /* no settings yet */
    }
    if (status != NB_OK && err)
        *err = why;
    return status;
}

nb_status nb_config_set(nb_config *c, const char *name, const char *value, nb_err *err)
{
    char path[PATH_MAX], *text = NULL;
    size_t n = 0;
    nb_str after = {0};
    nb_err why = {.status = NB_OK};
    nb_config changed = *c;
    NB_TRY(nb_settings_apply(&changed, name, value, err));
    if (!config_path(c, path))
        return nb_fail(err, NB_DENIED, "%s: no home folder to keep settings in", name);
    nb_status status = nb_file_read(&text, &n, path, NB_SETTINGS_MAX, &why);
    if (status == NB_NOTFOUND)
        status = nb_mkdirs(c->config_dir, &why);
    if (status == NB_OK) {
        nb_settings_edit(&after, text ? text : "", n, name, value);
        status = after.failed ? nb_fail(&why, NB_NOMEM, "%s: no memory to rewrite it", path)
                              : nb_replace_file(path, nb_str_c(&after), after.len, 0, &why);
    }
    nb_str_free(&after);
    free(text);
    if (status == NB_OK)
        *c = changed;
    else if (err)
        *err = why;
    return status;
}
