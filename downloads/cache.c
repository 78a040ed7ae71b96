/* Where things are in the cache: folders by descriptor, links read and compared, never followed. */
#include "downloads/cache_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/file.h"

/* --- opening -----------------------------------------------------------------------------------
 */

/* Device of path or the nearest folder above it that exists. */
static bool device_of(const char *path, dev_t *out)
{
    char at[1100];
    struct stat st;
    snprintf(at, sizeof at, "%s", path);
    while (stat(at, &st) != 0) {
        char *slash = strrchr(at, '/');
        if (!slash)
            return false;
        slash[slash == at] = '\0';
        if (slash == at && stat(at, &st) != 0)
            return false;
    }
    *out = st.st_dev;
    return true;
}

/* A rename must reach it, so it lies on hub's disk: in $HF_HOME, else beside hub, else in .locks,
 * the only folder inside hub that no client looks into. */
static bool set_trash(dl_cache *c, const char *home)
{
    char beside[sizeof c->hub];
    snprintf(beside, sizeof beside, "%s", c->hub);
    char *slash = strrchr(beside, '/');
    if (slash)
        *(slash == beside ? slash + 1 : slash) = '\0';
    char inside[sizeof c->hub + 8];
    snprintf(inside, sizeof inside, "%s/.locks", c->hub);
    const char *const row[] = {home, slash ? beside : "", inside};
    dev_t want, have;
    bool known = device_of(c->hub, &want);
    for (size_t i = 0; i < countof(row); i++)
        if (row[i][0] && (!known || (device_of(row[i], &have) && have == want)))
            return nb_path_join(c->trash, sizeof c->trash, row[i], ".nibble-trash");
    return false;
}

nb_status dl_cache_open(dl_cache *out, const nb_hub_env *env, nb_err *err)
{
    *out = (dl_cache){.no_symlinks = env->no_symlinks};
    if (!env->hub[0])
        return nb_fail(err, NB_NOTFOUND, "Hugging Face cache: no home folder and no HF_HUB_CACHE");
    snprintf(out->hub, sizeof out->hub, "%s", env->hub);
    for (size_t n = strlen(out->hub); n > 1 && out->hub[n - 1] == '/'; n--)
        out->hub[n - 1] = '\0';
    if (!set_trash(out, env->home))
        return nb_fail(err, NB_IO, "Hugging Face cache: path %s is too long", out->hub);
    return NB_OK;
}

/* --- folders -----------------------------------------------------------------------------------
 */

bool dl_folder_of(char out[DL_FOLDER_MAX], const char *repo)
{
    if (!dl_repo_ok(repo))
        return false;
    const char *slash = strchr(repo, '/');
    int first = slash ? (int)(slash - repo) : 0;
    if (slash)
        snprintf(out, DL_FOLDER_MAX, "models--%.*s--%s", first, repo, slash + 1);
    else
        snprintf(out, DL_FOLDER_MAX, "models--%s", repo);
    return true;
}

bool dl_repo_of(char *out, size_t cap, const char *folder)
{
    if (strncmp(folder, "models--", 8) != 0)
        return false;
    const char *name = folder + 8, *cut = strstr(name, "--");
    int n = cut ? snprintf(out, cap, "%.*s/%s", (int)(cut - name), name, cut + 2)
                : snprintf(out, cap, "%s", name);
    return n > 0 && (size_t)n < cap && dl_repo_ok(out);
}

int dl_openat(int dir, const char *name, int flags, unsigned mode)
{
    int fd;
    do
        fd = openat(dir, name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

int dl_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    int rc;
    do
        rc = renameat(from_dir, from, to_dir, to);
    while (rc != 0 && errno == EINTR);
    return rc;
}

nb_status dl_names_in(int dir, nb_str *out, nb_err *err)
{
    int copy = dl_openat(dir, ".", O_RDONLY | O_DIRECTORY, 0);
    if (copy < 0)
        return nb_fail_errno(err, errno, "list", "folder of the cache");
    DIR *d = fdopendir(copy);
    if (!d) {
        close(copy);
        return nb_fail(err, NB_NOMEM, "cache: a folder cannot be listed");
    }
    for (struct dirent *e; (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            nb_str_addn(out, e->d_name, strlen(e->d_name) + 1);
    closedir(d);
    return out->failed ? nb_fail(err, NB_NOMEM, "cache: list of names") : NB_OK;
}

const char *dl_names_next(const nb_str *names, const char *at)
{
    const char *next = at ? at + strlen(at) + 1 : names->at;
    return next && next < names->at + names->len ? next : NULL;
}

nb_status dl_dir_sync(int fd, const char *shown, nb_err *err)
{
    int rc;
    do
        rc = fsync(fd);
    while (rc != 0 && errno == EINTR);
    if (rc != 0 && errno != EINVAL && errno != ENOTSUP) /* some file systems sync no folders */
        return nb_fail_errno(err, errno, "sync folder", shown);
    return NB_OK;
}

nb_status dl_dir_at(int at, const char *name, bool create, const char *shown, int *fd, nb_err *err)
{
    int got;
    for (;;) {
        got = dl_openat(at, name, O_RDONLY | O_DIRECTORY, 0);
        if (got >= 0 || errno != ENOENT || !create)
            break;
        if (mkdirat(at, name, 0777) != 0 && errno != EEXIST && errno != EINTR)
            return nb_fail_errno(err, errno, "create folder", shown);
        NB_TRY(dl_dir_sync(at, shown, err));
    }
    if (got < 0 && (errno == ELOOP || errno == ENOTDIR))
        return nb_fail(err, NB_REFUSED, "%s: \"%.100s\" is a link or a file, not a folder", shown,
                       name);
    if (got < 0)
        return nb_fail_errno(err, errno, "open folder", shown);
    *fd = got;
    return NB_OK;
}

static nb_status hub_open(const dl_cache *c, bool create, int *fd, nb_err *err)
{
    if (create)
        NB_TRY(nb_mkdirs(c->hub, err));
    do
        *fd = open(c->hub, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (*fd < 0 && errno == EINTR);
    return *fd < 0 ? nb_fail_errno(err, errno, "open folder", c->hub) : NB_OK;
}

nb_status dl_dir_open(const dl_cache *c, const char *rel, bool create, int *fd, nb_err *err)
{
    char shown[sizeof c->hub + DL_REL_MAX], name[256];
    int at = -1;
    snprintf(shown, sizeof shown, "%s/%s", c->hub, rel);
    NB_TRY(hub_open(c, create, &at, err));
    while (*rel) {
        size_t n = strcspn(rel, "/");
        int next = -1;
        nb_status st =
            n >= sizeof name ? nb_fail(err, NB_REFUSED, "%s: name of %zu bytes", shown, n) : NB_OK;
        if (st == NB_OK) {
            memcpy(name, rel, n);
            name[n] = '\0';
            st = dl_dir_at(at, name, create, shown, &next, err);
        }
        close(at);
        if (st != NB_OK)
            return st;
        at = next;
        rel += n + (rel[n] == '/');
    }
    *fd = at;
    return NB_OK;
}

/* --- blobs and links ---------------------------------------------------------------------------
 */

unsigned dl_depth(const char *path)
{
    unsigned n = 0;
    for (; *path; path++)
        n += *path == '/';
    return n;
}

bool dl_link_text(char *out, size_t cap, unsigned up, const char *oid)
{
    size_t at = 0;
    int n = 0;
    for (unsigned i = 0; i < up && at + 3 < cap; i++, at += 3)
        n = snprintf(out + at, cap - at, "../");
    n = n >= 0 && at == 3 * (size_t)up ? snprintf(out + at, cap - at, "blobs/%s", oid) : -1;
    return n > 0 && (size_t)n < cap - at;
}

bool dl_link_oid(int dir, const char *name, unsigned up, char oid[65])
{
    char text[DL_REL_MAX * 2], want[DL_REL_MAX * 2];
    ssize_t n = readlinkat(dir, name, text, sizeof text - 1);
    if (n <= 0)
        return false;
    text[n] = '\0';
    const char *base = nb_path_base(text);
    if (!dl_oid_ok(base) || !dl_link_text(want, sizeof want, up, base) || strcmp(text, want) != 0)
        return false;
    snprintf(oid, 65, "%s", base);
    return true;
}

/* "../../blobs/pp/<64 hex>" (hub.md 2, shared blobs): "pp/<64 hex>" into out. */
static bool shared_payload(const char *link, char out[80])
{
    static const char start[] = "../../blobs/";
    const size_t n = sizeof start - 1;
    if (strncmp(link, start, n) != 0 || strlen(link) != n + 67 || link[n + 2] != '/' ||
        strspn(link + n, "0123456789abcdef") != 2 || !dl_oid_ok(link + n + 3))
        return false;
    memcpy(out, link + n, 68);
    return true;
}

static bool look_regular(int dir, const char *name, dl_blob *out)
{
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
        return false;
    out->size = (uint64_t)st.st_size;
    out->disk = (uint64_t)st.st_blocks * 512;
    out->dev = st.st_dev;
    out->ino = st.st_ino;
    out->mtime = (int64_t)st.st_mtime;
    return true;
}

bool dl_blob_look(const dl_cache *c, int blobs, const char *oid, dl_blob *out)
{
    char link[128], dir[16];
    *out = (dl_blob){0};
    if (look_regular(blobs, oid, out))
        return true;
    ssize_t n = readlinkat(blobs, oid, link, sizeof link - 1);
    if (n <= 0)
        return false;
    link[n] = '\0';
    int fd;
    if (!shared_payload(link, out->payload))
        return false;
    snprintf(dir, sizeof dir, "blobs/%.2s", out->payload);
    if (dl_dir_open(c, dir, false, &fd, NULL) != NB_OK)
        return false;
    out->shared = true;
    bool found = look_regular(fd, out->payload + 3, out);
    close(fd);
    return found;
}

bool dl_cache_has_blob(const dl_cache *c, const char *repo, const char *oid, uint64_t size)
{
    char folder[DL_FOLDER_MAX], rel[DL_REL_MAX];
    dl_blob blob;
    int fd;
    if (!dl_oid_ok(oid) || !dl_folder_of(folder, repo))
        return false;
    snprintf(rel, sizeof rel, "%s/blobs", folder);
    if (dl_dir_open(c, rel, false, &fd, NULL) != NB_OK)
        return false;
    bool found = dl_blob_look(c, fd, oid, &blob) && (size == UINT64_MAX || blob.size == size);
    close(fd);
    return found;
}

/* --- finding -----------------------------------------------------------------------------------
 */

bool dl_cache_repo_dir(const dl_cache *c, const char *repo, char *out, size_t cap)
{
    char folder[DL_FOLDER_MAX];
    return dl_folder_of(folder, repo) && nb_path_join(out, cap, c->hub, folder);
}

/* 40 hex digits; llama.cpp and hand-made refs may end in a newline. */
static bool read_commit(int dir, const char *name, char out[41])
{
    char text[64];
    int fd = dl_openat(dir, name, O_RDONLY, 0);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    text[n > 0 ? n : 0] = '\0';
    if (!dl_commit_ok(text))
        return false;
    memcpy(out, text, 41);
    return true;
}

bool dl_cache_commit(const dl_cache *c, const char *repo, const char *revision, char out[41])
{
    char folder[DL_FOLDER_MAX], rel[DL_REL_MAX];
    int fd;
    if (dl_commit_ok(revision)) {
        memcpy(out, revision, 41);
        return true;
    }
    if (!dl_folder_of(folder, repo) || !dl_revision_ok(revision))
        return false;
    const char *base = nb_path_base(revision);
    snprintf(rel, sizeof rel, "%s/refs/%.*s", folder, (int)(base - revision), revision);
    if (dl_dir_open(c, rel, false, &fd, NULL) != NB_OK)
        return false;
    bool found = read_commit(fd, base, out);
    close(fd);
    return found;
}

/* A snapshot's entry: a file of its own (written without symlinks) or a link to a usable blob. */
static bool entry_whole(const dl_cache *c, const char *repo, int dir, const char *path,
                        uint64_t size)
{
    const char *base = nb_path_base(path);
    char oid[65];
    dl_blob own;
    if (look_regular(dir, base, &own))
        return size == UINT64_MAX || own.size == size;
    return dl_link_oid(dir, base, dl_depth(path) + 2, oid) && dl_cache_has_blob(c, repo, oid, size);
}

bool dl_cache_find(const dl_cache *c, const char *repo, const char *commit, const char *path,
                   uint64_t size, char *out, size_t cap)
{
    char folder[DL_FOLDER_MAX], rel[DL_REL_MAX];
    int fd;
    if (!dl_folder_of(folder, repo) || !dl_commit_ok(commit) || dl_path_ok(path, NULL) != NB_OK)
        return false;
    const char *base = nb_path_base(path);
    snprintf(rel, sizeof rel, "%s/snapshots/%s/%.*s", folder, commit, (int)(base - path), path);
    if (dl_dir_open(c, rel, false, &fd, NULL) != NB_OK)
        return false;
    bool found = entry_whole(c, repo, fd, path, size);
    close(fd);
    int n = snprintf(out, cap, "%s/%s/snapshots/%s/%s", c->hub, folder, commit, path);
    return found && n > 0 && (size_t)n < cap;
}

void dl_random_hex(char out[9])
{
    uint32_t v;
    if (getrandom(&v, sizeof v, GRND_NONBLOCK) != (ssize_t)sizeof v) {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        v = (uint32_t)t.tv_nsec ^ (uint32_t)getpid() << 12;
    }
    snprintf(out, 9, "%08x", v);
}
