/* The wrapped calls. -Wl,--wrap=NAME makes every reference to NAME in our own objects one to
 * __wrap_NAME and gives the original as __real_NAME; libraries keep theirs. With 64-bit file
 * offsets the headers rename some calls (open64), so both names are wrapped. */
#include "tests/faults/faults.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

typedef struct tally {
    atomic_uint_fast64_t calls;
    atomic_bool fired;
} tally;

bool faults_trace;
static atomic_int armed = -1; /* fault_class, -1 = none */
static tally *seen;           /* shared with what faults_fork starts */
static uint64_t at;           /* written before arming */
static bool forever;          /* likewise */
static int errnum;            /* likewise */

void faults_arm(fault_class class, uint64_t nth, bool stay, int number)
{
    if (!seen)
        seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    fault_check(seen != MAP_FAILED, "no shared page");
    at = nth;
    forever = stay;
    errnum = number;
    atomic_store(&seen->calls, 0);
    atomic_store(&seen->fired, false);
    atomic_store(&armed, (int)class);
}

uint64_t faults_disarm(bool *out)
{
    atomic_store(&armed, -1);
    if (out)
        *out = atomic_load(&seen->fired);
    return atomic_load(&seen->calls);
}

pid_t faults_fork(void)
{
    int class = atomic_exchange(&armed, -1);
    pid_t pid = fork();
    fault_check(pid >= 0, "fork");
    if (pid == 0)
        atomic_store(&armed, class);
    return pid;
}

static bool hit(fault_class class)
{
    if (atomic_load(&armed) != (int)class)
        return false;
    uint64_t n = atomic_fetch_add(&seen->calls, 1) + 1;
    if (at == 0 || !(forever ? n >= at : n == at))
        return false;
    atomic_store(&seen->fired, true);
#ifdef __SANITIZE_ADDRESS__
    if (faults_trace) {
        atomic_store(&armed, -1); /* printing allocates, too */
        __sanitizer_print_stack_trace();
        atomic_store(&armed, (int)class);
    }
#endif
    return true;
}

/* --- memory --- */

#define WRAP_MEMORY(type, name, params, args, failure)                                             \
    type __real_##name params;                                                                     \
    type __wrap_##name params;                                                                     \
    type __wrap_##name params                                                                      \
    {                                                                                              \
        if (!hit(FAULT_MEMORY))                                                                    \
            return __real_##name args;                                                             \
        errno = ENOMEM;                                                                            \
        return failure;                                                                            \
    }
WRAP_MEMORY(void *, malloc, (size_t n), (n), NULL)
WRAP_MEMORY(void *, calloc, (size_t n, size_t size), (n, size), NULL)
WRAP_MEMORY(void *, realloc, (void *p, size_t n), (p, n), NULL)
WRAP_MEMORY(char *, strdup, (const char *s), (s), NULL)
WRAP_MEMORY(void *, aligned_alloc, (size_t align, size_t n), (align, n), NULL)
WRAP_MEMORY(int, posix_memalign, (void **out, size_t align, size_t n), (out, align, n), ENOMEM)
WRAP_MEMORY(void *, mmap, (void *p, size_t n, int prot, int flags, int fd, off_t offset),
            (p, n, prot, flags, fd, offset), MAP_FAILED)
WRAP_MEMORY(void *, mmap64, (void *p, size_t n, int prot, int flags, int fd, off_t offset),
            (p, n, prot, flags, fd, offset), MAP_FAILED)
WRAP_MEMORY(int, pthread_create,
            (pthread_t * thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg),
            (thread, attr, run, arg), EAGAIN)

/* --- input and output --- */

/* True when the call fails now, with errno set. A short count is no failure of these. */
static bool io_fails(void)
{
    if (!hit(FAULT_IO) || errnum == FAULT_SHORT)
        return false;
    errno = errnum;
    return true;
}

#define WRAP_IO(name, params, args)                                                                \
    int __real_##name params;                                                                      \
    int __wrap_##name params;                                                                      \
    int __wrap_##name params                                                                       \
    {                                                                                              \
        return io_fails() ? -1 : __real_##name args;                                               \
    }
WRAP_IO(fsync, (int fd), (fd))
WRAP_IO(fdatasync, (int fd), (fd))
WRAP_IO(fallocate, (int fd, int mode, off_t offset, off_t n), (fd, mode, offset, n))
WRAP_IO(fallocate64, (int fd, int mode, off_t offset, off_t n), (fd, mode, offset, n))
WRAP_IO(ftruncate, (int fd, off_t n), (fd, n))
WRAP_IO(ftruncate64, (int fd, off_t n), (fd, n))
WRAP_IO(sync_file_range, (int fd, off_t offset, off_t n, unsigned flags), (fd, offset, n, flags))
WRAP_IO(eventfd, (unsigned start, int flags), (start, flags))
WRAP_IO(getentropy, (void *bytes, size_t n), (bytes, n))

/* EINTR is not among its errors. */
int __real_pipe(int fds[2]);
int __wrap_pipe(int fds[2]);
int __wrap_pipe(int fds[2])
{
    return io_fails() && errnum != EINTR ? -1 : __real_pipe(fds);
}
WRAP_IO(mkdirat, (int dir, const char *path, mode_t mode), (dir, path, mode))
WRAP_IO(symlinkat, (const char *target, int dir, const char *path), (target, dir, path))
WRAP_IO(renameat, (int dir, const char *from, int to_dir, const char *to), (dir, from, to_dir, to))

int __real_open(const char *path, int flags, ...);
int __real_close(int fd);

/* A partial file keeps its writer's lock until it has its final name: were it let go before, the
 * next run to the same output could empty the file that is about to be published. */
static void renamed_under_lock(const char *from)
{
    size_t n = strlen(from);
    if (n < 5 || strcmp(from + n - 5, ".part") != 0)
        return;
    int fd = __real_open(from, O_RDONLY | O_CLOEXEC);
    fault_check(fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0, "%s is renamed unlocked", from);
    __real_close(fd);
}

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to)
{
    if (io_fails())
        return -1;
    renamed_under_lock(from);
    return __real_rename(from, to);
}

/* These return the error instead of setting errno. */
#define WRAP_POSIX_FALLOCATE(name)                                                                 \
    int __real_##name(int fd, off_t offset, off_t n);                                              \
    int __wrap_##name(int fd, off_t offset, off_t n);                                              \
    int __wrap_##name(int fd, off_t offset, off_t n)                                               \
    {                                                                                              \
        return io_fails() ? errnum : __real_##name(fd, offset, n);                                 \
    }
WRAP_POSIX_FALLOCATE(posix_fallocate)
WRAP_POSIX_FALLOCATE(posix_fallocate64)

/* A close that fails has closed all the same. */
int __wrap_close(int fd);
int __wrap_close(int fd)
{
    bool fails = io_fails();
    int rc = __real_close(fd);
    if (fails)
        errno = errnum;
    return fails ? -1 : rc;
}

#define WRAP_OPEN(name)                                                                            \
    int __real_##name(const char *path, int flags, ...);                                           \
    int __wrap_##name(const char *path, int flags, ...);                                           \
    int __wrap_##name(const char *path, int flags, ...)                                            \
    {                                                                                              \
        va_list ap;                                                                                \
        va_start(ap, flags);                                                                       \
        unsigned mode = flags & O_CREAT ? va_arg(ap, unsigned) : 0;                                \
        va_end(ap);                                                                                \
        return io_fails() ? -1 : __real_##name(path, flags, mode);                                 \
    }
WRAP_OPEN(open)
WRAP_OPEN(open64)

#define WRAP_OPENAT(name)                                                                          \
    int __real_##name(int dir, const char *path, int flags, ...);                                  \
    int __wrap_##name(int dir, const char *path, int flags, ...);                                  \
    int __wrap_##name(int dir, const char *path, int flags, ...)                                   \
    {                                                                                              \
        va_list ap;                                                                                \
        va_start(ap, flags);                                                                       \
        unsigned mode = flags & O_CREAT ? va_arg(ap, unsigned) : 0;                                \
        va_end(ap);                                                                                \
        return io_fails() ? -1 : __real_##name(dir, path, flags, mode);                            \
    }
WRAP_OPENAT(openat)
WRAP_OPENAT(openat64)

/* Half of n, at least one byte, for a short count; -1 when the call fails; n otherwise. */
static ssize_t io_count(size_t n)
{
    if (!hit(FAULT_IO))
        return (ssize_t)n;
    if (errnum == FAULT_SHORT)
        return n > 1 ? (ssize_t)(n / 2) : (ssize_t)n;
    errno = errnum;
    return -1;
}

#define WRAP_TRANSFER(name, params, args)                                                          \
    ssize_t __real_##name params;                                                                  \
    ssize_t __wrap_##name params;                                                                  \
    ssize_t __wrap_##name params                                                                   \
    {                                                                                              \
        ssize_t count = io_count(n);                                                               \
        if (count < 0)                                                                             \
            return -1;                                                                             \
        n = (size_t)count;                                                                         \
        return __real_##name args;                                                                 \
    }
WRAP_TRANSFER(read, (int fd, void *p, size_t n), (fd, p, n))
/* What read becomes where _FORTIFY_SOURCE knows the buffer. */
WRAP_TRANSFER(__read_chk, (int fd, void *p, size_t n, size_t room), (fd, p, n, room))
WRAP_TRANSFER(write, (int fd, const void *p, size_t n), (fd, p, n))
WRAP_TRANSFER(pread, (int fd, void *p, size_t n, off_t offset), (fd, p, n, offset))
WRAP_TRANSFER(pread64, (int fd, void *p, size_t n, off_t offset), (fd, p, n, offset))
WRAP_TRANSFER(pwrite, (int fd, const void *p, size_t n, off_t offset), (fd, p, n, offset))
WRAP_TRANSFER(pwrite64, (int fd, const void *p, size_t n, off_t offset), (fd, p, n, offset))
