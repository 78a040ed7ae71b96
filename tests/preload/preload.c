/* Preloaded into nibble by tests: flock that always succeeds and fallocate that never does (as on
 * file systems that have none), and a kill right behind the n-th call of one kind.
 *
 *     NB_NO_FLOCK=1
 *     NB_NO_FALLOCATE=1              blocks cannot be taken beforehand: 60 GB of holes stay holes
 *     NB_KILL_AFTER="renameat 1"     also rename, unlink, symlinkat, unlinkat */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static void done(const char *name)
{
    static atomic_int calls;
    char wanted[32] = "";
    int n = 0;
    const char *how = getenv("NB_KILL_AFTER");
    if (!how || sscanf(how, "%31s %d", wanted, &n) != 2 || strcmp(wanted, name) != 0)
        return;
    if (atomic_fetch_add(&calls, 1) + 1 == n)
        raise(SIGKILL);
}

#define REAL(name, ...)                                                                            \
    int (*real)(__VA_ARGS__);                                                                      \
    void *symbol = dlsym(RTLD_NEXT, #name);                                                        \
    memcpy(&real, &symbol, sizeof real)

int flock(int fd, int operation)
{
    REAL(flock, int, int);
    return getenv("NB_NO_FLOCK") ? 0 : real(fd, operation);
}

int fallocate64(int fd, int mode, off64_t at, off64_t n)
{
    REAL(fallocate64, int, int, off64_t, off64_t);
    if (!getenv("NB_NO_FALLOCATE"))
        return real(fd, mode, at, n);
    errno = EOPNOTSUPP;
    return -1;
}

int rename(const char *from, const char *to)
{
    REAL(rename, const char *, const char *);
    int rc = real(from, to);
    done("rename");
    return rc;
}

int unlink(const char *name)
{
    REAL(unlink, const char *);
    int rc = real(name);
    done("unlink");
    return rc;
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    REAL(renameat, int, const char *, int, const char *);
    int rc = real(from_dir, from, to_dir, to);
    done("renameat");
    return rc;
}

int symlinkat(const char *target, int dir, const char *name)
{
    REAL(symlinkat, const char *, int, const char *);
    int rc = real(target, dir, name);
    done("symlinkat");
    return rc;
}

int unlinkat(int dir, const char *name, int flags)
{
    REAL(unlinkat, int, const char *, int);
    int rc = real(dir, name, flags);
    done("unlinkat");
    return rc;
}
