/* Deleting that can be undone. An item of the trash is a folder that holds what was moved,
 * numbered, and origin.json, written first, that says where each belongs; so a kill in the middle
 * leaves two halves that restore joins again. The order refs, entries, blobs keeps the cache sound
 * meanwhile, and the reverse on the way back. */
#include "downloads/store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/json.h"

enum { ORIGIN_MAX = 32 << 20 };
static const char *const where_name[DL_WHERES] = {"", "refs", "snapshots", "blobs"};

/* --- the trash ---------------------------------------------------------------------------------
 */

bool dl_trash_name_ok(const char *name)
{
    return strspn(name, "0123456789") == 20 && name[20] == '-' &&
           strspn(name + 21, "0123456789abcdef") == 8 && name[29] == '\0';
}

nb_status dl_trash_open(const dl_cache *c, bool create, int *fd, nb_err *err)
{
    if (create)
        NB_TRY(nb_mkdirs(c->trash, err));
    do
        *fd = open(c->trash, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    while (*fd < 0 && errno == EINTR);
    return *fd < 0 ? nb_fail_errno(err, errno, "open trash", c->trash) : NB_OK;
}

static void write_origin(nb_str *out, const dl_store_plan *p)
{
    nb_jout w = nb_jout_make(out);
    nb_jout_object(&w);
    nb_jout_key(&w, "format_version"), nb_jout_u64(&w, 1);
    nb_jout_key(&w, "repo"), nb_jout_str(&w, p->repo);
    nb_jout_key(&w, "bytes"), nb_jout_u64(&w, p->bytes);
    nb_jout_key(&w, "moved"), nb_jout_array(&w);
    for (size_t i = 0; i < p->n; i++) {
        nb_jout_object(&w);
        nb_jout_key(&w, "at"), nb_jout_str(&w, where_name[p->at[i].at]);
        nb_jout_key(&w, "name"), nb_jout_str(&w, p->at[i].name);
        nb_jout_object_end(&w);
    }
    nb_jout_array_end(&w);
    nb_jout_object_end(&w);
}

/* A new item's folder with its origin; its name in `name`. */
static nb_status make_item(const dl_store_plan *p, int trash, char name[32], int *item, nb_err *err)
{
    char hex[9], path[1200];
    nb_str text = {0};
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    dl_random_hex(hex);
    snprintf(name, 32, "%011lld%09ld-%s", (long long)t.tv_sec, t.tv_nsec, hex);
    NB_TRY(dl_dir_at(trash, name, true, p->c->trash, item, err));
    snprintf(path, sizeof path, "%s/%s/origin.json", p->c->trash, name);
    write_origin(&text, p);
    nb_status st = text.failed ? nb_fail(err, NB_NOMEM, "trash: no memory for %zu names", p->n)
                               : nb_replace_file(path, nb_str_c(&text), text.len, 0600, err);
    nb_str_free(&text);
    if (st != NB_OK) {
        close(*item);
        (void)dl_tree_remove(trash, name, NULL);
    }
    return st;
}

/* Folder and last name of a move below hub. */
static nb_status place_of(const dl_store_plan *p, const dl_move *m, bool create, int *dir,
                          const char **base, nb_err *err)
{
    char rel[DL_FOLDER_MAX + DL_REL_MAX];
    if (m->at == DL_AT_HUB) {
        *base = p->folder;
        return dl_dir_open(p->c, "", create, dir, err);
    }
    *base = nb_path_base(m->name);
    snprintf(rel, sizeof rel, "%s/%s/%.*s", p->folder, where_name[m->at], (int)(*base - m->name),
             m->name);
    return dl_dir_open(p->c, rel, create, dir, err);
}

/* Folders of a snapshot that a file's going emptied; the snapshot's own stays. */
static void prune(const dl_store_plan *p, const char *name)
{
    char up[DL_REL_MAX], rel[DL_FOLDER_MAX + DL_REL_MAX];
    snprintf(up, sizeof up, "%s", name);
    for (char *slash; (slash = strrchr(up, '/')) && strchr(up, '/') != slash;) {
        int fd;
        *slash = '\0';
        const char *base = nb_path_base(up);
        snprintf(rel, sizeof rel, "%s/snapshots/%.*s", p->folder, (int)(base - up), up);
        if (dl_dir_open(p->c, rel, false, &fd, NULL) != NB_OK)
            return;
        bool gone = unlinkat(fd, base, AT_REMOVEDIR) == 0;
        close(fd);
        if (!gone)
            return;
    }
}

static nb_status move_out(const dl_store_plan *p, int item, nb_err *err)
{
    for (size_t i = 0; i < p->n; i++) {
        char number[24];
        const char *base;
        int dir;
        snprintf(number, sizeof number, "%zu", i);
        NB_TRY(place_of(p, &p->at[i], false, &dir, &base, err));
        int rc = dl_renameat(dir, base, item, number), why = errno;
        close(dir);
        if (rc != 0 && why != ENOENT)
            return nb_fail_errno(err, why, "move to the trash", base);
        if (p->at[i].at == DL_AT_SNAPSHOTS && p->path)
            prune(p, p->at[i].name);
    }
    return dl_dir_sync(item, p->c->trash, err);
}

static nb_status trash(const dl_cache *c, const char *repo, const char *revision, const char *path,
                       bool set, bool dry_run, uint64_t *bytes, nb_err *err)
{
    char commit[41], name[32], where_is[1300];
    dl_store_plan p = {.c = c, .path = path, .set = set, .err = err};
    int trash, item;
    if (!dl_folder_of(p.folder, repo))
        return nb_fail(err, NB_USAGE, "\"%.100s\" is no repository name", repo);
    if (path)
        NB_TRY(dl_path_ok(path, err));
    snprintf(p.repo, sizeof p.repo, "%s", repo);
    if (!dl_cache_repo_dir(c, repo, where_is, sizeof where_is) || !nb_is_dir(where_is))
        return nb_fail(err, NB_NOTFOUND, "%s: not in the cache %s", repo, c->hub);
    nb_status st = dl_plan_make(&p, revision, commit);
    if (st == NB_OK && !dry_run) {
        st = dl_trash_open(c, true, &trash, err);
        if (st == NB_OK) {
            st = make_item(&p, trash, name, &item, err);
            if (st == NB_OK) {
                st = move_out(&p, item, err);
                close(item);
            }
            close(trash);
        }
    }
    if (st == NB_OK)
        *bytes = p.bytes;
    dl_store_plan_free(&p);
    return st;
}

nb_status dl_store_trash(const dl_cache *c, const char *repo, const char *revision,
                         const char *path, bool dry_run, uint64_t *bytes, nb_err *err)
{
    return trash(c, repo, revision, path, false, dry_run, bytes, err);
}

nb_status dl_store_trash_set(const dl_cache *c, const char *repo, const char *revision,
                             const char *part, bool dry_run, uint64_t *bytes, nb_err *err)
{
    return trash(c, repo, revision, part, true, dry_run, bytes, err);
}

/* --- and back ----------------------------------------------------------------------------------
 */

static bool name_fits(dl_where at, const char *name)
{
    char commit[41];
    switch (at) {
    case DL_AT_HUB:
        return name[0] == '\0';
    case DL_AT_REFS:
        return dl_revision_ok(name);
    case DL_AT_BLOBS:
        return dl_oid_ok(name);
    default:
        snprintf(commit, sizeof commit, "%.40s", name);
        return dl_commit_ok(commit) &&
               (!name[40] || (name[40] == '/' && dl_path_ok(name + 41, NULL) == NB_OK));
    }
}

static nb_status read_move(dl_store_plan *p, const nb_jval *v, const char *shown)
{
    const char *at, *name;
    if (nb_jstr(nb_jget(v, "at"), &at) && nb_jstr(nb_jget(v, "name"), &name))
        for (int w = 0; w < DL_WHERES; w++)
            if (strcmp(at, where_name[w]) == 0 && name_fits((dl_where)w, name))
                return dl_store_plan_add(p, (dl_where)w, name);
    return nb_fail(p->err, NB_FORMAT, "%s: entry %zu is not a place in the cache", shown, p->n);
}

/* The item may have been changed since: every name is checked as when it came from a server. */
static nb_status read_origin(dl_store_plan *p, const char *item)
{
    char path[1200];
    const char *repo;
    int64_t bytes;
    nb_json *doc = NULL;
    snprintf(path, sizeof path, "%s/%s/origin.json", p->c->trash, item);
    NB_TRY(nb_json_load(&doc, path, ORIGIN_MAX, p->err));
    const nb_jval *root = nb_json_root(doc);
    nb_status st = NB_OK;
    if (!nb_jstr(nb_jget(root, "repo"), &repo) || !dl_folder_of(p->folder, repo))
        st = nb_fail(p->err, NB_FORMAT, "%s: names no repository", path);
    else
        snprintf(p->repo, sizeof p->repo, "%s", repo);
    if (nb_jint(nb_jget(root, "bytes"), &bytes) && bytes > 0)
        p->bytes = (uint64_t)bytes;
    for (const nb_jval *v = nb_jfirst(nb_jget(root, "moved")); v && st == NB_OK; v = nb_jnext(v))
        st = read_move(p, v, path);
    nb_json_close(&doc);
    return st;
}

static bool is_there(int dir, const char *name)
{
    struct stat st;
    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A kill before its first file left an item that moved nothing. */
static bool has_origin(int trash, const char *item)
{
    char path[64];
    snprintf(path, sizeof path, "%.31s/origin.json", item);
    return dl_trash_name_ok(item) && is_there(trash, path);
}

/* Whole folders must not meet a newer one in their place. */
static nb_status refuse_occupied(const dl_store_plan *p)
{
    for (size_t i = 0; i < p->n; i++) {
        const dl_move *m = &p->at[i];
        const char *base;
        int dir;
        if (m->at != DL_AT_HUB && (m->at != DL_AT_SNAPSHOTS || strchr(m->name, '/')))
            continue;
        if (place_of(p, m, false, &dir, &base, NULL) != NB_OK)
            continue;
        bool there = is_there(dir, base);
        close(dir);
        if (there)
            return nb_fail(p->err, NB_REFUSED, "%s%s%s: is in the cache again", p->repo,
                           m->name[0] ? "@" : "", m->name);
    }
    return NB_OK;
}

/* Blobs, entries, refs. What is there again stays; what a kill left in its place is there. */
static nb_status move_back(const dl_store_plan *p, int item)
{
    for (size_t i = p->n; i-- > 0;) {
        char number[24];
        const char *base;
        int dir;
        snprintf(number, sizeof number, "%zu", i);
        if (!is_there(item, number))
            continue;
        NB_TRY(place_of(p, &p->at[i], true, &dir, &base, p->err));
        int rc = is_there(dir, base) ? 0 : dl_renameat(item, number, dir, base), why = errno;
        close(dir);
        if (rc != 0)
            return nb_fail_errno(p->err, why, "move back", base);
    }
    return NB_OK;
}

static const char *path_below(const char *name)
{
    const char *slash = strchr(name, '/');
    return slash ? slash + 1 : NULL;
}

static void describe(const dl_store_plan *p, char *what, size_t cap)
{
    char bytes[16];
    const char *one = NULL, *path = NULL;
    bool others = false;
    for (size_t i = 0; i < p->n; i++)
        if (p->at[i].at == DL_AT_SNAPSHOTS) {
            const char *before = path;
            one = p->at[i].name;
            path = path_below(one);
            others = others || (before && path && strcmp(before, path) != 0);
        }
    nb_human_bytes(bytes, p->bytes);
    if (path)
        snprintf(what, cap, "%s:%s%s, %s", p->repo, path, others ? " and the rest of its set" : "",
                 bytes);
    else
        snprintf(what, cap, "%s%s%.7s, %s", p->repo, one ? "@" : "", one ? one : "", bytes);
}

nb_status dl_store_restore(const dl_cache *c, char *what, size_t cap, nb_err *err)
{
    dl_store_plan p = {.c = c, .err = err};
    nb_str names = {0};
    char newest[32] = "";
    int trash, item;
    nb_err why = {.status = NB_OK};
    nb_status st = dl_trash_open(c, false, &trash, &why);
    if (st != NB_OK)
        return nb_fail(err, st, "%s", st == NB_NOTFOUND ? "the trash is empty" : why.msg);
    st = dl_names_in(trash, &names, err);
    for (const char *at = NULL; st == NB_OK && (at = dl_names_next(&names, at));)
        if (strcmp(at, newest) > 0 && has_origin(trash, at))
            snprintf(newest, sizeof newest, "%s", at);
    nb_str_free(&names);
    if (st == NB_OK && !newest[0])
        st = nb_fail(err, NB_NOTFOUND, "the trash is empty");
    if (st == NB_OK)
        st = dl_dir_at(trash, newest, false, c->trash, &item, err);
    if (st == NB_OK) {
        st = read_origin(&p, newest);
        if (st == NB_OK)
            st = refuse_occupied(&p);
        if (st == NB_OK)
            st = move_back(&p, item);
        close(item);
        if (st == NB_OK)
            st = dl_tree_remove(trash, newest, err);
    }
    if (st == NB_OK)
        describe(&p, what, cap);
    close(trash);
    dl_store_plan_free(&p);
    return st;
}
