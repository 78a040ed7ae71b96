/* A MODEL argument becomes a path; files by the end of their names. */
#include "core/files/library.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/file.h"
#include "core/base/str.h"
#include "core/files/folder.h"
#include "core/files/gguf.h"
#include "core/files/listing.h"
#include "core/files/ollama.h"

static nb_status give(char *path, size_t cap, const char *found, nb_err *err)
{
    size_t n = strlen(found);
    if (n >= cap)
        return nb_fail(err, NB_USAGE, "path of %zu bytes, at most %zu", n, cap - 1);
    memcpy(path, found, n + 1);
    return NB_OK;
}

/* Org and name of the Hub: letters, digits, '-', '_', '.', never ".." and never "--" (hub.md 2). */
static bool repo_part(const char *s, size_t n)
{
    if (n == 0 || n > 96 || s[0] == '.' || s[0] == '-')
        return false;
    for (size_t i = 0; i < n; i++) {
        bool plain = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') ||
                     (s[i] >= '0' && s[i] <= '9') || s[i] == '_' || s[i] == '-' || s[i] == '.';
        bool twice = i && s[i] == s[i - 1] && (s[i] == '.' || s[i] == '-');
        if (!plain || twice)
            return false;
    }
    return true;
}

/* Does the name say the type: "x-Q4_K_M.gguf" for tag "q4_k_m"? Whole words only. */
static bool names_tag(const char *file, const char *tag)
{
    size_t n = strlen(tag);
    for (const char *at = file; *at; at++) {
        bool start = at == file || strchr("-._", at[-1]);
        if (start && strncasecmp(at, tag, n) == 0 && strchr("-.", at[n]) && at[n])
            return true;
    }
    return false;
}

typedef struct pick {
    char path[1024];
    char other[128]; /* some file, for the message */
    size_t matches, files;
} pick;

static void pick_gguf(pick *p, const char *dir, const char *tag, int depth)
{
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[1024];
        size_t prefix;
        uint32_t no, count;
        if (e->d_name[0] == '.' || !nb_path_join(path, sizeof path, dir, e->d_name))
            continue;
        if (depth > 0 && nb_is_dir(path))
            pick_gguf(p, path, tag, depth - 1);
        if (!nb_has_suffix(e->d_name, ".gguf") ||
            (nb_gguf_split_name(e->d_name, &prefix, &no, &count) && no > 1))
            continue;
        if (strcasestr(e->d_name, "mmproj") && !(tag && strcasestr(tag, "mmproj")))
            continue; /* a projector is no model of its own */
        p->files++;
        snprintf(p->other, sizeof p->other, "%.127s", e->d_name);
        if (tag && !names_tag(e->d_name, tag))
            continue;
        if (p->matches++ == 0 || strcmp(path, p->path) < 0)
            snprintf(p->path, sizeof p->path, "%s", path);
    }
    if (d)
        closedir(d);
}

/* A snapshot folder: the model in it, or its only (matching) GGUF. */
static nb_status pick_in(char *path, size_t cap, const char *dir, const char *repo, const char *tag,
                         nb_err *err)
{
    pick p = {.matches = 0};
    if (!tag && nb_is_model_dir(dir))
        return give(path, cap, dir, err);
    pick_gguf(&p, dir, tag, 1);
    if (p.matches == 1)
        return give(path, cap, p.path, err);
    if (p.files == 0)
        return nb_fail(err, NB_NOTFOUND, "%s: no model files in %s", repo, dir);
    if (p.matches == 0)
        return nb_fail(err, NB_NOTFOUND, "%s: none of %zu GGUF files is named %s, one is %s", repo,
                       p.files, tag, p.other);
    return nb_fail(err, NB_NOTFOUND, "%s: %zu GGUF files fit, name one of them, such as %s", repo,
                   p.matches, p.other);
}

/* The only snapshot there is: a repository fetched by commit has no refs/main. */
static bool only_snapshot(const char *snapshots, char *dir, size_t cap)
{
    DIR *d = opendir(snapshots);
    size_t found = 0;
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.' && nb_path_join(dir, cap, snapshots, e->d_name))
            found++;
    if (d)
        closedir(d);
    return found == 1 && nb_is_dir(dir);
}

static bool snapshot_of(const nb_config *cfg, const char *repo, size_t n, char *dir, size_t cap)
{
    char root[1300], path[1400], commit[41] = "";
    char *text = NULL;
    size_t len;
    const char *slash = memchr(repo, '/', n);
    snprintf(root, sizeof root, "%s/models--%.*s--%.*s", cfg->hf_hub, (int)(slash - repo), repo,
             (int)(repo + n - slash - 1), slash + 1);
    snprintf(path, sizeof path, "%s/refs/main", root);
    if (nb_file_read(&text, &len, path, 256, NULL) == NB_OK && len >= 40)
        memcpy(commit, text, 40);
    free(text);
    snprintf(path, sizeof path, "%s/snapshots", root);
    if (!commit[0])
        return only_snapshot(path, dir, cap);
    return strspn(commit, "0123456789abcdef") == 40 && nb_path_join(dir, cap, path, commit) &&
           nb_is_dir(dir);
}

/* "org/repo" or "org/repo:TAG". */
static bool is_repo(const char *model, size_t *n, const char **tag)
{
    const char *slash = strchr(model, '/'), *colon = strchr(model, ':');
    *n = colon ? (size_t)(colon - model) : strlen(model);
    *tag = colon ? colon + 1 : NULL;
    return slash && slash < model + *n && repo_part(model, (size_t)(slash - model)) &&
           repo_part(slash + 1, *n - (size_t)(slash + 1 - model)) && (!colon || colon[1]);
}

/* publisher/repo of LM Studio's folders; false when neither has it. */
static bool lmstudio_dir(const nb_config *cfg, const char *repo, size_t n, char *dir, size_t cap)
{
    for (size_t i = 0; i < countof(cfg->lmstudio); i++) {
        int used = snprintf(dir, cap, "%s/%.*s", cfg->lmstudio[i], (int)n, repo);
        if (cfg->lmstudio[i][0] && used > 0 && (size_t)used < cap && nb_is_dir(dir))
            return true;
    }
    return false;
}

bool nb_is_remote(const char *model)
{
    return strncasecmp(model, "https://", 8) == 0 || strncasecmp(model, "http://", 7) == 0;
}

nb_status nb_library_resolve(const nb_config *cfg, const char *model, char *path, size_t cap,
                             nb_err *err)
{
    char dir[1024];
    size_t n;
    const char *tag;
    if (nb_is_remote(model)) /* not repeated: a password may be in it */
        return nb_fail(err, NB_USAGE,
                       "an address names a remote model, which has no file here: chat and eval ask "
                       "one");
    if (strcmp(model, "demo") == 0 && cfg->demo_dir[0])
        return give(path, cap, cfg->demo_dir, err);
    if (nb_exists(model))
        return give(path, cap, model, err);
    if (strncmp(model, "ollama:", 7) == 0 && cfg->ollama[0])
        return nb_ollama_find(cfg->ollama, model + 7, path, cap, err);
    if (is_repo(model, &n, &tag)) {
        if ((cfg->hf_hub[0] && snapshot_of(cfg, model, n, dir, sizeof dir)) ||
            lmstudio_dir(cfg, model, n, dir, sizeof dir))
            return pick_in(path, cap, dir, model, tag, err);
        return nb_fail(err, NB_NOTFOUND, "%s: no such file, and not in the Hugging Face cache %s",
                       model, cfg->hf_hub[0] ? cfg->hf_hub : "(none)");
    }
    static const char *const endings[] = {"", ".gguf"};
    for (size_t i = 0; i < countof(endings) && model[0] && !strchr(model, '/'); i++) {
        int used = snprintf(dir, sizeof dir, "%s/models/%s%s", cfg->data_dir, model, endings[i]);
        if (used > 0 && (size_t)used < sizeof dir && model[0] != '.' && nb_exists(dir))
            return give(path, cap, dir, err);
    }
    return nb_fail(err, NB_NOTFOUND, "%s: no such file or folder, and not in %s/models", model,
                   cfg->data_dir);
}

/* --- by suffix ---------------------------------------------------------------------------------
 */

typedef struct each {
    const char *suffix;
    nb_path_fn *fn;
    void *arg;
    nb_err *err;
} each;

static nb_status each_in(const each *e, const char *dir, int depth)
{
    size_t n;
    char **names;
    NB_TRY(nb_names_in(dir, &names, &n, e->err));
    nb_status st = NB_OK;
    for (size_t i = 0; i < n && st == NB_OK; i++) {
        char path[1024];
        if (!nb_path_join(path, sizeof path, dir, names[i]))
            continue;
        if (nb_has_suffix(names[i], e->suffix))
            st = e->fn(e->arg, path, e->err);
        else if (depth > 0 && nb_is_dir(path))
            st = each_in(e, path, depth - 1);
    }
    nb_names_free(names, n);
    return st;
}

nb_status nb_library_each(const nb_config *cfg, const char *const *paths, size_t n,
                          const char *suffix, nb_path_fn *fn, void *arg, nb_err *err)
{
    const each e = {suffix, fn, arg, err};
    char own[1100];
    for (size_t i = 0; i < n; i++) {
        if (nb_is_dir(paths[i]))
            NB_TRY(each_in(&e, paths[i], NB_DEPTH_GIVEN));
        else if (nb_has_suffix(paths[i], suffix) && nb_exists(paths[i]))
            NB_TRY(fn(arg, paths[i], err));
    }
    NB_TRY(each_in(&e, ".", NB_DEPTH_HERE));
    if (cfg->data_dir[0] && nb_path_join(own, sizeof own, cfg->data_dir, "models"))
        NB_TRY(each_in(&e, own, NB_DEPTH_OWN));
    return NB_OK;
}
