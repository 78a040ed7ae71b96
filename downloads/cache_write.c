/* Writing the cache in the order blob, link, ref. Each step leaves what all clients call sound, and
 * is on the disk before the next begins. */
#include "downloads/cache_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"

/* huggingface_hub _local_folder.py:64-69 @ ee0a4510f, byte for byte. */
static const char cachedir_tag[] =
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This file is a cache directory tag created by huggingface_hub.\n"
    "# For information about cache directory tags, see:\n"
    "#\thttps://bford.info/cachedir/\n";

static int fsync_retry(int fd)
{
    int rc;
    do
        rc = fsync(fd);
    while (rc != 0 && errno == EINTR);
    return rc;
}

/* A new file in dir under a name nobody has: prefix + 8 hex digits + suffix. */
static int create_temp(int dir, const char *prefix, const char *suffix, char *name, size_t cap)
{
    for (int i = 0; i < 100; i++) {
        char hex[9];
        dl_random_hex(hex);
        snprintf(name, cap, "%s%s%s", prefix, hex, suffix);
        int fd = dl_openat(dir, name, O_RDWR | O_CREAT | O_EXCL, 0666);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

/* fsync and close; the first failure's errno, 0 = done. */
static int finish(int fd)
{
    int why = fsync_retry(fd) == 0 ? 0 : errno;
    if (close(fd) != 0 && errno != EINTR && !why)
        why = errno;
    return why;
}

/* --- prepare -----------------------------------------------------------------------------------
 */

/* Absent, or without its first line because a crash came between creating and writing it. */
static bool wants_tag(int hub)
{
    char text[19];
    struct stat st;
    if (fstatat(hub, "CACHEDIR.TAG", &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT;
    int fd = S_ISREG(st.st_mode) ? dl_openat(hub, "CACHEDIR.TAG", O_RDONLY, 0) : -1;
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof text);
    close(fd);
    return n != (ssize_t)sizeof text || memcmp(text, cachedir_tag, sizeof text) != 0;
}

static nb_status write_tag(const dl_cache *c, nb_err *err)
{
    char shown[1100];
    int hub;
    snprintf(shown, sizeof shown, "%s/CACHEDIR.TAG", c->hub);
    NB_TRY(dl_dir_open(c, "", false, &hub, err));
    const bool wanted = wants_tag(hub);
    int fd = wanted ? dl_openat(hub, "CACHEDIR.TAG", O_WRONLY | O_CREAT, 0666) : -1;
    int why = errno;
    close(hub);
    if (!wanted)
        return NB_OK;
    if (fd < 0)
        return nb_fail_errno(err, why, "create", shown);
    nb_status status = nb_pwrite_all(fd, cachedir_tag, sizeof cachedir_tag - 1, 0, shown, err);
    if (close(fd) != 0 && errno != EINTR && status == NB_OK)
        status = nb_fail_errno(err, errno, "close", shown);
    return status;
}

static nb_status make_folder(const dl_cache *c, const char *rel, nb_err *err)
{
    int fd;
    NB_TRY(dl_dir_open(c, rel, true, &fd, err));
    close(fd);
    return NB_OK;
}

nb_status dl_cache_prepare(const dl_cache *c, const char *repo, const char *commit, nb_err *err)
{
    char folder[DL_FOLDER_MAX], rel[DL_REL_MAX];
    if (!dl_folder_of(folder, repo))
        return nb_fail(err, NB_REFUSED, "\"%.100s\" is no repository name", repo);
    if (!dl_commit_ok(commit))
        return nb_fail(err, NB_REFUSED, "%s: \"%.60s\" is no commit", repo, commit);
    snprintf(rel, sizeof rel, "%s/snapshots/%s", folder, commit); /* without it, called broken */
    NB_TRY(make_folder(c, rel, err));
    snprintf(rel, sizeof rel, "%s/blobs", folder);
    NB_TRY(make_folder(c, rel, err));
    NB_TRY(write_tag(c, err));
    snprintf(rel, sizeof rel, ".locks/%s", folder);
    return make_folder(c, rel, err);
}

/* --- blob --------------------------------------------------------------------------------------
 */

static nb_status blobs_open(const dl_cache *c, const char *repo, const char *oid, int *fd,
                            char folder[DL_FOLDER_MAX], nb_err *err)
{
    char rel[DL_REL_MAX];
    if (!dl_folder_of(folder, repo))
        return nb_fail(err, NB_REFUSED, "\"%.100s\" is no repository name", repo);
    if (!dl_oid_ok(oid))
        return nb_fail(err, NB_REFUSED, "%s: \"%.80s\" is no content id", repo, oid);
    snprintf(rel, sizeof rel, "%s/blobs", folder);
    return dl_dir_open(c, rel, false, fd, err);
}

static bool same_inode(int fd, int dir, const char *name)
{
    struct stat a, b;
    return fstat(fd, &a) == 0 && fstatat(dir, name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(a.st_mode) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static nb_status land_blob(int blobs, const char *oid, int fd, const char *from, nb_err *err)
{
    const char *base = nb_path_base(from);
    bool same = same_inode(fd, blobs, base);
    int why = finish(fd);
    if (!same)
        return nb_fail(err, NB_REFUSED, "%s: was replaced while it was written", from);
    if (why)
        return nb_fail_errno(err, why, "sync", from);
    if (dl_renameat(blobs, base, blobs, oid) != 0)
        return nb_fail_errno(err, errno, "rename to blob", oid);
    return dl_dir_sync(blobs, from, err);
}

nb_status dl_cache_publish_blob(const dl_cache *c, const char *repo, const char *oid, int fd,
                                const char *from, nb_err *err)
{
    char folder[DL_FOLDER_MAX];
    int blobs;
    nb_status status = blobs_open(c, repo, oid, &blobs, folder, err);
    if (status != NB_OK) {
        close(fd);
        return status;
    }
    status = land_blob(blobs, oid, fd, from, err);
    close(blobs);
    return status;
}

/* --- link --------------------------------------------------------------------------------------
 */

typedef struct place { /* where an entry goes */
    int blobs, dir;    /* open folders */
    const char *folder, *commit, *path, *base, *oid;
} place;

/* Another name is in the way: the link is made beside it and renamed over it. */
static nb_status relink(const place *p, const char *target, nb_err *err)
{
    for (int i = 0; i < 100; i++) {
        char hex[9], temp[24];
        dl_random_hex(hex);
        snprintf(temp, sizeof temp, ".%s.tmp", hex);
        if (symlinkat(target, p->dir, temp) != 0) {
            if (errno == EEXIST || errno == EINTR)
                continue;
            return nb_fail_errno(err, errno, "link", p->path);
        }
        if (dl_renameat(p->dir, temp, p->dir, p->base) == 0)
            return NB_OK;
        nb_status status = nb_fail_errno(err, errno, "link", p->path);
        unlinkat(p->dir, temp, 0);
        return status;
    }
    return nb_fail(err, NB_IO, "link %s: no free name", p->path);
}

/* *unable: this file system has no symlinks. */
static nb_status make_link(const place *p, bool *unable, nb_err *err)
{
    char target[DL_REL_MAX * 2], oid[65];
    const unsigned up = dl_depth(p->path) + 2;
    *unable = false;
    if (!dl_link_text(target, sizeof target, up, p->oid))
        return nb_fail(err, NB_REFUSED, "%s: too deep", p->path);
    int rc;
    do
        rc = symlinkat(target, p->dir, p->base);
    while (rc != 0 && errno == EINTR);
    const int why = rc == 0 ? 0 : errno;
    if (why == EEXIST && (!dl_link_oid(p->dir, p->base, up, oid) || strcmp(oid, p->oid) != 0))
        return relink(p, target, err);
    *unable = why == EPERM || why == ENOSYS || why == ENOTSUP || why == EOPNOTSUPP;
    if (why == 0 || why == EEXIST || *unable)
        return NB_OK;
    return nb_fail_errno(err, why, "link", p->path);
}

/* The payload's bytes under a name of our own in blobs/. */
static nb_status copy_blob(const dl_cache *c, const place *p, const dl_blob *blob, char *temp,
                           size_t cap, nb_err *err)
{
    enum { CHUNK = 1 << 20 };
    char dir[16], prefix[72];
    int from_dir = p->blobs, from;
    if (blob->shared) {
        snprintf(dir, sizeof dir, "blobs/%.2s", blob->payload);
        NB_TRY(dl_dir_open(c, dir, false, &from_dir, err));
    }
    from = dl_openat(from_dir, blob->shared ? blob->payload + 3 : p->oid, O_RDONLY, 0);
    int why = errno;
    if (blob->shared)
        close(from_dir);
    if (from < 0)
        return nb_fail_errno(err, why, "open blob", p->oid);
    snprintf(prefix, sizeof prefix, "%s.", p->oid);
    int to = create_temp(p->blobs, prefix, ".incomplete", temp, cap);
    nb_status status = to < 0 ? nb_fail_errno(err, errno, "create", temp) : NB_OK;
    char *buf = status == NB_OK ? nb_alloc(1, CHUNK, "copy", err) : NULL;
    if (status == NB_OK && !buf)
        status = NB_NOMEM;
    for (uint64_t at = 0; status == NB_OK && at < blob->size; at += CHUNK) {
        size_t n = blob->size - at < CHUNK ? (size_t)(blob->size - at) : CHUNK;
        status = nb_pread_all(from, buf, n, at, p->oid, err);
        if (status == NB_OK)
            status = nb_pwrite_all(to, buf, n, at, temp, err);
    }
    free(buf);
    close(from);
    if (to >= 0 && (why = finish(to)) != 0 && status == NB_OK)
        status = nb_fail_errno(err, why, "sync", temp);
    if (to >= 0 && status != NB_OK)
        unlinkat(p->blobs, temp, 0);
    return status;
}

typedef struct count {
    const char *oid;
    size_t n;
} count;

static bool count_link(void *arg, const dl_entry *e)
{
    count *k = arg;
    k->n += strcmp(e->oid, k->oid) == 0;
    return k->n == 0;
}

/* Without symlinks the file itself stands in the snapshot (huggingface_hub file_download.py:683-697
 * @ ee0a4510f): moved there, or copied when others need the blob. */
static nb_status make_copy(const dl_cache *c, const place *p, const dl_blob *blob, nb_err *err)
{
    char temp[128];
    count k = {p->oid, 0};
    snprintf(temp, sizeof temp, "%s", p->oid);
    NB_TRY(dl_snapshots_walk(c, p->folder, NULL, count_link, &k, err));
    const bool copied = blob->shared || k.n > 0;
    if (copied)
        NB_TRY(copy_blob(c, p, blob, temp, sizeof temp, err));
    if (dl_renameat(p->blobs, temp, p->dir, p->base) == 0)
        return dl_dir_sync(p->blobs, p->path, err);
    nb_status status = nb_fail_errno(err, errno, "move to", p->path);
    if (copied)
        unlinkat(p->blobs, temp, 0);
    return status;
}

static nb_status link_entry(const dl_cache *c, const place *p, nb_err *err)
{
    dl_blob blob;
    struct stat st;
    bool unable = c->no_symlinks;
    if (!dl_blob_look(c, p->blobs, p->oid, &blob)) {
        if (unable && fstatat(p->dir, p->base, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(st.st_mode))
            return NB_OK; /* moved there before */
        return nb_fail(err, NB_NOTFOUND, "%s: blob %s is not in the cache", p->path, p->oid);
    }
    if (!unable)
        NB_TRY(make_link(p, &unable, err));
    if (unable)
        NB_TRY(make_copy(c, p, &blob, err));
    return dl_dir_sync(p->dir, p->path, err);
}

nb_status dl_cache_link(const dl_cache *c, const char *repo, const char *commit, const char *path,
                        const char *oid, nb_err *err)
{
    char folder[DL_FOLDER_MAX], rel[DL_REL_MAX];
    place p = {.folder = folder, .commit = commit, .path = path, .oid = oid};
    NB_TRY(dl_path_ok(path, err));
    if (!dl_commit_ok(commit))
        return nb_fail(err, NB_REFUSED, "%s: \"%.60s\" is no commit", repo, commit);
    NB_TRY(blobs_open(c, repo, oid, &p.blobs, folder, err));
    p.base = nb_path_base(path);
    snprintf(rel, sizeof rel, "%s/snapshots/%s/%.*s", folder, commit, (int)(p.base - path), path);
    nb_status status = dl_dir_open(c, rel, true, &p.dir, err);
    if (status == NB_OK) {
        status = link_entry(c, &p, err);
        close(p.dir);
    }
    close(p.blobs);
    return status;
}

/* --- ref ---------------------------------------------------------------------------------------
 */

/* Exactly 40 bytes: a newline behind them, as llama.cpp wrote, is read as part of the name. */
static bool ref_says(int dir, const char *base, const char *commit)
{
    char text[64];
    int fd = dl_openat(dir, base, O_RDONLY, 0);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof text);
    close(fd);
    return n == 40 && memcmp(text, commit, 40) == 0;
}

/* The temp file lies in the repository's folder: whatever is in refs/ counts as a ref. */
static nb_status write_ref(int repo, int dir, const char *base, const char *commit, nb_err *err)
{
    char temp[32];
    int fd = create_temp(repo, ".ref-", ".tmp", temp, sizeof temp);
    if (fd < 0)
        return nb_fail_errno(err, errno, "create ref", base);
    nb_status status = nb_pwrite_all(fd, commit, 40, 0, base, err);
    int why = finish(fd);
    if (status == NB_OK && why)
        status = nb_fail_errno(err, why, "sync ref", base);
    if (status == NB_OK && dl_renameat(repo, temp, dir, base) != 0)
        status = nb_fail_errno(err, errno, "rename to ref", base);
    if (status != NB_OK) {
        unlinkat(repo, temp, 0);
        return status;
    }
    return dl_dir_sync(dir, base, err);
}

nb_status dl_cache_ref(const dl_cache *c, const char *repo, const char *revision,
                       const char *commit, nb_err *err)
{
    char folder[DL_FOLDER_MAX], rel[DL_REL_MAX];
    int top, dir;
    if (!dl_folder_of(folder, repo) || !dl_commit_ok(commit) || !dl_revision_ok(revision))
        return nb_fail(err, NB_REFUSED, "%.100s: \"%.60s\" = \"%.60s\" is no ref", repo, revision,
                       commit);
    if (dl_commit_ok(revision))
        return NB_OK;
    snprintf(rel, sizeof rel, "%s/snapshots/%s", folder, commit);
    NB_TRY(dl_dir_open(c, rel, false, &dir, err)); /* no ref without its snapshot */
    close(dir);
    NB_TRY(dl_dir_open(c, folder, false, &top, err));
    const char *base = nb_path_base(revision);
    snprintf(rel, sizeof rel, "%s/refs/%.*s", folder, (int)(base - revision), revision);
    nb_status status = dl_dir_open(c, rel, true, &dir, err);
    if (status == NB_OK) {
        if (!ref_says(dir, base, commit))
            status = write_ref(top, dir, base, commit, err);
        close(dir);
    }
    close(top);
    return status;
}
