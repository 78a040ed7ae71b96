/* The lock Python's client takes (filelock's UnixFileLock through WeakFileLock, huggingface_hub
 * utils/_fixes.py @ ee0a4510f): flock on an empty file that stays. Courtesy only: what is written
 * is verified, and private until it is renamed. */
#include "downloads/cache_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* "1: FLOCK  ADVISORY  WRITE 4711 fe:01:123456 0 EOF" (proc(5)): whose line names this inode. pid 0
 * or less is a process of another namespace. */
static void find_holder(const struct stat *st, char out[64])
{
    char line[256];
    long pid = 0;
    snprintf(out, 64, "another program");
    FILE *f = fopen("/proc/locks", "re");
    while (f && pid == 0 && fgets(line, sizeof line, f)) {
        long who;
        unsigned major_no, minor_no;
        unsigned long long ino;
        if (sscanf(line, /* NOLINT(cert-err34-c): the kernel's own numbers, compared with st's */
                   "%*d: FLOCK %*s %*s %ld %x:%x:%llu", &who, &major_no, &minor_no, &ino) == 4 &&
            ino == st->st_ino && major_no == major(st->st_dev) && minor_no == minor(st->st_dev))
            pid = who;
    }
    if (f)
        fclose(f);
    if (pid > 0)
        snprintf(out, 64, "pid %ld", pid);
}

/* A lock file of its group too: several users share a cache (mode 0664, whatever the umask). */
static int open_lock(int dir, const char *name)
{
    int fd = dl_openat(dir, name, O_RDWR | O_CREAT | O_EXCL, 0664);
    if (fd >= 0)
        (void)fchmod(fd, 0664);
    else if (errno == EEXIST)
        fd = dl_openat(dir, name, O_RDWR, 0);
    return fd;
}

/* One try. *again: the file was removed between opening and locking. */
static nb_status try_lock(int dir, const char *name, dl_lock *out, bool *again, nb_err *err)
{
    struct stat st;
    *again = false;
    int fd = open_lock(dir, name);
    if (fd < 0) {
        *again = errno == EINTR || errno == ENOENT;
        return *again ? NB_OK : nb_fail_errno(err, errno, "open lock", name);
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return nb_fail(err, NB_REFUSED, "lock %s: not a regular file", name);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        *again = fstat(fd, &st) != 0 || st.st_nlink == 0;
        if (!*again)
            out->fd = fd;
        else
            close(fd);
        return NB_OK;
    }
    *again = errno == EINTR;
    /* EACCES on some network file systems; anything else is one without flock: do without. */
    out->busy = errno == EWOULDBLOCK || errno == EACCES;
    if (out->busy)
        find_holder(&st, out->holder);
    close(fd);
    return NB_OK;
}

nb_status dl_cache_lock(const dl_cache *c, const char *repo, const char *oid, dl_lock *out,
                        nb_err *err)
{
    char folder[DL_FOLDER_MAX], rel[DL_REL_MAX], name[72];
    int dir;
    *out = (dl_lock){.fd = -1};
    if (!dl_folder_of(folder, repo) || !dl_oid_ok(oid))
        return nb_fail(err, NB_REFUSED, "lock: \"%.100s\" of \"%.100s\" is no content id", oid,
                       repo);
    snprintf(rel, sizeof rel, ".locks/%s", folder);
    snprintf(name, sizeof name, "%s.lock", oid);
    NB_TRY(dl_dir_open(c, rel, true, &dir, err));
    bool again = true;
    nb_status st = NB_OK;
    for (int i = 0; i < 100 && again && st == NB_OK; i++)
        st = try_lock(dir, name, out, &again, err);
    close(dir);
    return st;
}

void dl_cache_unlock(dl_lock *l)
{
    if (l->fd >= 0)
        close(l->fd);
    *l = (dl_lock){.fd = -1};
}
