#include "core/base/beside.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"

/* The part is ours alone from here on. */
static nb_status lock_part(int fd, const char *path, nb_err *err)
{
    struct stat mine, named;
    if (fstat(fd, &mine) != 0)
        return nb_fail_errno(err, errno, "stat", path);
    if (!S_ISREG(mine.st_mode) || mine.st_nlink > 1)
        return nb_fail(err, NB_REFUSED, "%s is in the way and not a leftover of ours", path);
    bool locked = flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (!locked && errno != EWOULDBLOCK)
        return nb_fail_errno(err, errno, "lock", path);
    /* between open and lock another run may have published it */
    if (!locked || stat(path, &named) != 0 || named.st_ino != mine.st_ino)
        return nb_fail(err, NB_REFUSED, "%s is being written by another run", path);
    return NB_OK;
}

nb_status nb_beside_open(int *out, const char *part, unsigned mode, nb_err *err)
{
    int fd, rc;
    do
        fd = open(part, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return nb_fail_errno(err, errno, "create", part);
    nb_status st = lock_part(fd, part, err);
    do
        rc = st == NB_OK ? ftruncate(fd, 0) : 0;
    while (rc != 0 && errno == EINTR);
    if (rc != 0) {
        st = nb_fail_errno(err, errno, "truncate", part);
        unlink(part);
    }
    if (st != NB_OK)
        close(fd);
    else
        *out = fd;
    return st;
}

nb_status nb_beside_end(int fd, const char *part, const char *path, nb_status st, nb_err *err)
{
    int lock = st == NB_OK ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (st == NB_OK && lock < 0)
        st = nb_fail_errno(err, errno, "keep locked", part);
    if (st == NB_OK)
        st = nb_publish_file(fd, part, path, err); /* closes it in any case */
    else
        lock = fd;
    if (st != NB_OK)
        unlink(part);
    close(lock);
    return st;
}
