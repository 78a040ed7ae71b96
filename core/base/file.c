#include "core/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/magic.h>
#include <sys/vfs.h>
#endif

#include "core/base/str.h"

enum { RESERVED_IN_MEMORY = 64 << 20 }; /* bytes, at most */

static int open_retry(const char *path, int flags, mode_t mode)
{
    int fd;
    do
        fd = open(path, flags | O_CLOEXEC | O_NOCTTY, mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

static int fsync_retry(int fd)
{
    int rc;
    do
        rc = fsync(fd);
    while (rc != 0 && errno == EINTR);
    return rc;
}

/* Linux frees the descriptor even when close says EINTR; everybody else's data was fsynced. */
static int close_once(int fd)
{
    return close(fd) == 0 || errno == EINTR ? 0 : -1;
}

/* --- reading --- */

static nb_status read_all(int fd, nb_str *text, const char *path, uint64_t limit, nb_err *err)
{
    char chunk[1 << 14];
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return nb_fail_errno(err, errno, "read", path);
        if ((uint64_t)n > limit - text->len)
            return nb_fail(err, NB_FORMAT, "%s: more than %" PRIu64 " bytes, the limit", path,
                           limit);
        nb_str_addn(text, chunk, (size_t)n);
        if (text->failed)
            return nb_fail(err, NB_NOMEM, "read %s: no memory behind %zu bytes", path, text->len);
        if (n == 0)
            return NB_OK;
    }
}

nb_status nb_file_read(char **out, size_t *len, const char *path, uint64_t limit, nb_err *err)
{
    struct stat st;
    nb_str text = {0};
    nb_status status = NB_OK;
    int fd = open_retry(path, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0)
        return nb_fail_errno(err, errno, "open", path);
    if (fstat(fd, &st) != 0)
        status = nb_fail_errno(err, errno, "stat", path);
    else if (!S_ISREG(st.st_mode))
        status = nb_fail(err, NB_UNSUPPORTED, "%s: not a regular file", path);
    else if ((uint64_t)st.st_size > limit)
        status = nb_fail(err, NB_FORMAT, "%s: %" PRIu64 " bytes, the limit is %" PRIu64, path,
                         (uint64_t)st.st_size, limit);
    else
        status = read_all(fd, &text, path, limit, err);
    close(fd);
    if (status != NB_OK) {
        nb_str_free(&text);
        return status;
    }
    *out = text.at;
    *len = text.len;
    return NB_OK;
}

nb_status nb_pread_all(int fd, void *bytes, size_t n, uint64_t offset, const char *path,
                       nb_err *err)
{
    uint8_t *at = bytes;
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(fd, at + done, n - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return nb_fail_errno(err, errno, "read", path);
        if (got == 0)
            return nb_fail(err, NB_IO, "read %s: needs %zu bytes at %" PRIu64 ", has %zu", path, n,
                           offset, done);
        done += (size_t)got;
    }
    return NB_OK;
}

#ifdef __linux__
static bool in_memory(int fd)
{
    struct statfs fs;
    return fstatfs(fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}
#endif

nb_status nb_reserve(int fd, uint64_t n, const char *path, nb_err *err)
{
    int rc;
#ifdef __linux__
    if (n > RESERVED_IN_MEMORY && in_memory(fd))
        return NB_OK;
#endif
    do {
#ifdef __linux__
        rc = fallocate(fd, 0, 0, (off_t)n) == 0 ? 0 : errno;
#else
        rc = posix_fallocate(fd, 0, (off_t)n);
#endif
    } while (rc == EINTR);
    if (rc == 0 || rc == EINVAL || rc == EOPNOTSUPP || rc == ENOSYS)
        return NB_OK;
    if (rc == EFBIG)
        return nb_fail(err, NB_NOSPACE, "reserve %s: file size limit, %" PRIu64 " bytes wanted",
                       path, n);
    return nb_fail_errno(err, rc, "reserve", path);
}

void nb_write_behind(int fd, uint64_t offset, uint64_t n)
{
#ifdef SYNC_FILE_RANGE_WRITE
    (void)sync_file_range(fd, (off_t)offset, (off_t)n, SYNC_FILE_RANGE_WRITE);
#else
    (void)fd;
    (void)offset;
    (void)n;
#endif
}

nb_status nb_write_out(int fd, uint64_t offset, uint64_t n, const char *path, nb_err *err)
{
#ifdef SYNC_FILE_RANGE_WRITE
    const unsigned all =
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    int rc;
    do
        rc = sync_file_range(fd, (off_t)offset, (off_t)n, all);
    while (rc != 0 && errno == EINTR);
    /* A lost write is told once per descriptor: the fsync that follows would not hear of it. */
    if (rc != 0 && (errno == EIO || errno == ENOSPC || errno == EDQUOT))
        return nb_fail_errno(err, errno, "write", path);
#else
    (void)fd;
    (void)offset;
    (void)n;
    (void)path;
    (void)err;
#endif
    return NB_OK;
}

/* --- writing --- */

/* positioned = false: at the descriptor's own place. */
static nb_status write_all(int fd, const void *bytes, size_t n, bool positioned, uint64_t offset,
                           const char *path, nb_err *err)
{
    const uint8_t *at = bytes;
    for (size_t done = 0; done < n;) {
        ssize_t put = positioned ? pwrite(fd, at + done, n - done, (off_t)(offset + done))
                                 : write(fd, at + done, n - done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
            return nb_fail(err, NB_NOSPACE, "write %s: %s, %zu bytes missing", path,
                           errno == EFBIG    ? "file size limit"
                           : errno == EDQUOT ? "disk quota full"
                                             : "disk full",
                           n - done);
        if (put < 0)
            return nb_fail_errno(err, errno, "write", path);
        if (put == 0)
            return nb_fail(err, NB_IO, "write %s: nothing written, %zu bytes left", path, n - done);
        done += (size_t)put;
    }
    return NB_OK;
}

nb_status nb_pwrite_all(int fd, const void *bytes, size_t n, uint64_t offset, const char *path,
                        nb_err *err)
{
    return write_all(fd, bytes, n, true, offset, path, err);
}

/* Folder part of path into out: "." without a slash, "/" for the root. */
static bool path_dir(char *out, size_t cap, const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t n = !slash ? 1 : slash == path ? 1 : (size_t)(slash - path);
    if (n >= cap)
        return false;
    memcpy(out, slash ? path : ".", n);
    out[n] = '\0';
    return true;
}

/* A rename lasts only when its folder reached the disk. File systems that cannot sync a folder say
 * EINVAL; there is nothing more to do on them. */
static nb_status sync_dir(const char *path, nb_err *err)
{
    char dir[PATH_MAX];
    if (!path_dir(dir, sizeof dir, path))
        return nb_fail(err, NB_IO, "%s: path of more than %d bytes", path, PATH_MAX);
    int fd = open_retry(dir, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return nb_fail_errno(err, errno, "open folder", dir);
    int rc = fsync_retry(fd), why = errno;
    close(fd);
    if (rc != 0 && why != EINVAL && why != ENOTSUP)
        return nb_fail_errno(err, why, "sync folder", dir);
    return NB_OK;
}

static nb_status rename_synced(const char *from, const char *to, nb_err *err)
{
    int rc;
    do
        rc = rename(from, to);
    while (rc != 0 && errno == EINTR);
    if (rc != 0)
        return nb_fail_errno(err, errno, "rename to", to);
    return sync_dir(to, err);
}

nb_status nb_publish_file(int fd, const char *from, const char *to, nb_err *err)
{
    int rc = fsync_retry(fd), why = errno;
    if (close_once(fd) != 0 && rc == 0) {
        rc = -1;
        why = errno;
    }
    if (rc != 0)
        return nb_fail_errno(err, why, "sync", from);
    return rename_synced(from, to, err);
}

/* Opens a new file beside path under a name nobody has. */
static int open_temp(const char *path, char *temp, size_t cap, mode_t mode, nb_err *err)
{
    char dir[PATH_MAX];
    if (!path_dir(dir, sizeof dir, path)) {
        nb_fail(err, NB_IO, "%s: path of more than %d bytes", path, PATH_MAX);
        return -1;
    }
    for (unsigned attempt = 0; attempt < 100; attempt++) {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        int n = snprintf(temp, cap, "%s/.%.60s.%lx-%lx-%x.tmp", dir, nb_path_base(path),
                         (unsigned long)getpid(), (unsigned long)t.tv_nsec, attempt);
        if (n < 0 || (size_t)n >= cap) {
            nb_fail(err, NB_IO, "%s: path of more than %zu bytes", path, cap);
            return -1;
        }
        int fd = open_retry(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
        if (fd >= 0)
            return fd;
        if (errno != EEXIST) {
            nb_fail_errno(err, errno, "create", temp);
            return -1;
        }
    }
    nb_fail(err, NB_IO, "create %s: no free name", temp);
    return -1;
}

nb_status nb_replace_file(const char *path, const void *bytes, size_t n, unsigned mode, nb_err *err)
{
    char temp[PATH_MAX], real[PATH_MAX];
    struct stat st;
    nb_err why = {.status = NB_IO};
    if (realpath(path, real)) /* a symlink stays one: what it points at is replaced */
        path = real;
    if (mode == 0 && stat(path, &st) == 0 && S_ISREG(st.st_mode))
        mode = st.st_mode & 0777;
    /* With a mode of its own nobody else may open it before it has that. */
    int fd = open_temp(path, temp, sizeof temp, mode ? 0600 : 0666, &why);
    nb_status status = fd < 0 ? why.status : NB_OK;
    if (status == NB_OK && mode != 0 && fchmod(fd, (mode_t)mode) != 0)
        status = nb_fail_errno(&why, errno, "set the mode of", temp);
    if (status == NB_OK)
        status = write_all(fd, bytes, n, false, 0, path, &why);
    if (status == NB_OK)
        status = nb_publish_file(fd, temp, path, &why);
    else if (fd >= 0)
        close(fd);
    if (status != NB_OK && fd >= 0)
        unlink(temp); /* already gone when only the folder's sync failed */
    if (status != NB_OK && err)
        *err = why;
    return status;
}

nb_status nb_remove_file(const char *path, nb_err *err)
{
    if (unlink(path) == 0)
        return sync_dir(path, err);
    return errno == ENOENT ? NB_OK : nb_fail_errno(err, errno, "remove", path);
}

nb_status nb_append_file(const char *path, const void *bytes, size_t n, nb_err *err)
{
    struct stat st;
    bool fresh = !nb_exists(path);
    int fd = open_retry(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, 0600);
    if (fd < 0)
        return nb_fail_errno(err, errno, "open", path);
    nb_status status;
    if (fstat(fd, &st) != 0) {
        status = nb_fail_errno(err, errno, "stat", path);
    } else if (!S_ISREG(st.st_mode)) {
        status = nb_fail(err, NB_UNSUPPORTED, "%s: not a regular file", path);
    } else {
        status = write_all(fd, bytes, n, false, 0, path, err);
        if (status == NB_OK && fsync_retry(fd) != 0)
            status = nb_fail_errno(err, errno, "sync", path);
        if (status != NB_OK && ftruncate(fd, st.st_size) != 0)
            status = NB_IO; /* a torn last line is left; err keeps the first cause */
    }
    if (close_once(fd) != 0 && status == NB_OK)
        status = nb_fail_errno(err, errno, "close", path);
    if (status == NB_OK && fresh)
        status = sync_dir(path, err);
    return status;
}

/* --- disk and names --- */

nb_status nb_free_space(const char *path, uint64_t *bytes, nb_err *err)
{
    char dir[PATH_MAX];
    struct statvfs v;
    if (!path_dir(dir, sizeof dir, path))
        return nb_fail(err, NB_IO, "%s: path of more than %d bytes", path, PATH_MAX);
    while (statvfs(dir, &v) != 0) {
        char up[PATH_MAX];
        if (errno == EINTR)
            continue;
        if (errno != ENOENT || !path_dir(up, sizeof up, dir) || strcmp(up, dir) == 0)
            return nb_fail_errno(err, errno, "free space of", dir);
        memcpy(dir, up, sizeof dir);
    }
    uint64_t unit = v.f_frsize ? v.f_frsize : v.f_bsize, total, free_bytes;
    if (!nb_mul(v.f_blocks, unit, &total) || !nb_mul(v.f_bavail, unit, &free_bytes))
        return nb_fail(err, NB_IO, "free space of %s: more than 16 EB", dir);
    uint64_t reserve = total / 100 < (1u << 30) ? total / 100 : 1u << 30;
    *bytes = free_bytes > reserve ? free_bytes - reserve : 0;
    return NB_OK;
}

nb_status nb_need_space(const char *path, uint64_t need, nb_err *err)
{
    uint64_t have = 0;
    char a[16], b[16], c[16];
    NB_TRY(nb_free_space(path, &have, err));
    if (need <= have)
        return NB_OK;
    return nb_fail(err, NB_NOSPACE, "disk: %s needs %s, %s free: %s (%" PRIu64 " bytes) missing",
                   path, nb_human_bytes(a, need), nb_human_bytes(b, have),
                   nb_human_bytes(c, need - have), need - have);
}

bool nb_same_file(const char *a, const char *b)
{
    struct stat sa, sb;
    return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
           sa.st_ino == sb.st_ino;
}

bool nb_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

bool nb_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

nb_status nb_mkdirs(const char *path, nb_err *err)
{
    char part[PATH_MAX];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof part)
        return nb_fail(err, NB_IO, "create folder: path of %zu bytes", n);
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST && !nb_is_dir(part))
            return nb_fail_errno(err, errno, "create folder", part);
    }
    if (!nb_is_dir(path))
        return nb_fail(err, NB_IO, "create folder %s: a file is in its place", path);
    return NB_OK;
}

bool nb_path_join(char *out, size_t cap, const char *dir, const char *name)
{
    size_t n = strlen(dir);
    const char *slash = n == 0 || dir[n - 1] == '/' ? "" : "/";
    int len = snprintf(out, cap, "%s%s%s", dir, slash, name);
    return len >= 0 && (size_t)len < cap;
}

const char *nb_path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool nb_has_suffix(const char *name, const char *suffix)
{
    size_t n = strlen(name), m = strlen(suffix);
    return n >= m && nb_same_word(name + n - m, suffix);
}
