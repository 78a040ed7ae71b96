/* Read-only mappings and the SIGBUS guard (reliability A19).
 *
 * The table of open mappings is the one piece of process-wide mutable state in core: a signal
 * handler gets no argument, so what it must know has to be findable from nowhere. Every slot is
 * atomics only; the handler reads them, sets `lost`, and makes one mmap system call: mmap is not on
 * POSIX's list of async-signal-safe functions, so where one can the kernel is asked directly. */
#include "core/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif
#include <unistd.h>

enum {
    MAP_SLOTS = 1024, /* open mappings per process: a sharded model has some hundred at most */
    FAULT_STEP = 64 * 1024, /* bytes that Linux maps at one fault where they are in memory */
};

typedef struct map_slot {
    _Atomic uintptr_t base; /* 0 = free, 1 = being filled; published last */
    _Atomic uintptr_t end;  /* rounded up to a page */
    atomic_int fd;          /* nb_map's own */
    atomic_bool lost;
} map_slot;

static map_slot slots[MAP_SLOTS];
static pthread_mutex_t guard_lock = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction guard_previous; /* written under guard_lock before the handler is live */

static uintptr_t page_size(void)
{
    long n = sysconf(_SC_PAGESIZE);
    return n > 0 ? (uintptr_t)n : 4096;
}

static map_slot *slot_claim(void)
{
    for (size_t i = 0; i < MAP_SLOTS; i++) {
        uintptr_t free_mark = 0;
        if (atomic_compare_exchange_strong(&slots[i].base, &free_mark, 1))
            return &slots[i];
    }
    return NULL;
}

static map_slot *slot_of(uintptr_t address)
{
    for (size_t i = 0; i < MAP_SLOTS; i++) {
        uintptr_t base = atomic_load_explicit(&slots[i].base, memory_order_acquire);
        if (base > 1 && address >= base && address < atomic_load(&slots[i].end))
            return &slots[i];
    }
    return NULL;
}

/* Not ours: what would have happened without the guard. A real fault happens again on return, under
 * the handler put back here; a signal somebody sent is sent once more. */
static void hand_on(const siginfo_t *info)
{
    sigaction(SIGBUS, &guard_previous, NULL);
    if (info->si_code <= 0)
        raise(SIGBUS);
}

/* Zeros from at to end in place of what is mapped there. */
static bool map_zeros(uintptr_t at, uintptr_t end)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
#if defined(__linux__) && defined(__LP64__)
    return syscall(SYS_mmap, at, end - at, PROT_READ, flags, -1, 0) == (long)at;
#else
    return mmap((void *)at, end - at, PROT_READ, flags, -1, 0) != MAP_FAILED;
#endif
}

static void on_bus(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number;
    (void)context;
    int saved = errno;
    uintptr_t page = page_size(), at = (uintptr_t)info->si_addr & ~(page - 1);
    map_slot *slot = info->si_code > 0 ? slot_of(at) : NULL;
    if (!slot) {
        hand_on(info);
        errno = saved;
        return;
    }
    atomic_store(&slot->lost, true);
    /* To the end: a file that lost this page has lost those behind it, and one region instead of
     * one per page keeps the process below vm.max_map_count. */
    if (!map_zeros(at, atomic_load(&slot->end)))
        hand_on(info);
    errno = saved;
}

void nb_map_guard_install(void)
{
    struct sigaction mine = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    struct sigaction now = {0};
    sigemptyset(&mine.sa_mask);
    pthread_mutex_lock(&guard_lock);
    bool ours = sigaction(SIGBUS, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) &&
                now.sa_sigaction == on_bus;
    if (!ours) {
        guard_previous = now;
        sigaction(SIGBUS, &mine, NULL);
    }
    pthread_mutex_unlock(&guard_lock);
}

static int64_t mtime_of(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

bool nb_map_lost(const nb_map *m)
{
    struct stat st;
    if (!m->at)
        return false;
    if (atomic_load(&slots[m->slot].lost))
        return true;
    return fstat(m->fd, &st) != 0 || (uint64_t)st.st_size != m->len || mtime_of(&st) != m->mtime_ns;
}

void nb_map_ahead(const void *at, uint64_t n)
{
#ifdef MADV_WILLNEED
    uintptr_t from = (uintptr_t)at & ~(page_size() - 1), end = (uintptr_t)at + (uintptr_t)n;
    (void)madvise((void *)from, end - from, MADV_WILLNEED);
#else
    (void)at, (void)n;
#endif
}

void nb_map_behind(const void *at, uint64_t n)
{
#ifdef MADV_COLD
    uintptr_t from = (uintptr_t)at & ~(page_size() - 1), end = (uintptr_t)at + (uintptr_t)n;
    (void)madvise((void *)from, end - from, MADV_COLD);
#else
    (void)at, (void)n;
#endif
}

/* What is in memory already, where the system tells; else as pread. */
static ssize_t read_present(int fd, void *out, size_t n, off_t from)
{
#ifdef RWF_NOWAIT
    struct iovec to = {.iov_base = out, .iov_len = n};
    return preadv2(fd, &to, 1, from, RWF_NOWAIT);
#else
    return pread(fd, out, n, from);
#endif
}

bool nb_map_read(const void *at, size_t n, void *out)
{
    uint8_t *to = out;
    map_slot *slot = slot_of((uintptr_t)at);
    if (!slot) {
        memcpy(out, at, n);
        return true;
    }
    int fd = atomic_load(&slot->fd);
    uintptr_t from = (uintptr_t)at - atomic_load(&slot->base);
    ssize_t got = read_present(fd, to, n, (off_t)from);
    size_t done = got > 0 ? (size_t)got : 0;
    bool present = done == n;
    if (!present && nb_pread_all(fd, to + done, n - done, from + done, "", NULL) != NB_OK) {
        atomic_store(&slot->lost, true); /* as a fault there would be served */
        memset(to + done, 0, n - done);
    }
    return present;
}

bool nb_map_present(const void *at, uint64_t n)
{
#ifdef RWF_NOWAIT
    enum { STEP = 128 * 1024 }; /* what systems read ahead at least */
    map_slot *slot = slot_of((uintptr_t)at);
    if (!slot)
        return false;
    int fd = atomic_load(&slot->fd);
    off_t from = (off_t)((uintptr_t)at - atomic_load(&slot->base));
    uint8_t byte;
    for (uint64_t i = 0; i < n; i += STEP)
        if (read_present(fd, &byte, 1, from + (off_t)i) != 1)
            return false;
    return read_present(fd, &byte, 1, from + (off_t)n - 1) == 1;
#else
    (void)at, (void)n;
    return false;
#endif
}

void nb_map_enter(const void *at, uint64_t n)
{
    uintptr_t page = page_size(), from = (uintptr_t)at & ~(page - 1), end = (uintptr_t)at + n;
    if (!nb_map_present(at, 1) || !nb_map_present((const void *)(end - 1), 1))
        return;
    for (; from < end; from += FAULT_STEP)
        (void)*(const volatile uint8_t *)from;
}

static int open_regular(const char *path, struct stat *st, nb_err *err)
{
    int fd;
    do
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        nb_fail_errno(err, errno, "open", path);
        return -1;
    }
    if (fstat(fd, st) != 0) {
        nb_fail_errno(err, errno, "stat", path);
    } else if (!S_ISREG(st->st_mode)) {
        nb_fail(err, NB_UNSUPPORTED, "%s: not a regular file", path);
    } else {
        return fd;
    }
    close(fd);
    return -1;
}

static nb_status map_fd(nb_map *m, int fd, const char *path, nb_err *err)
{
    uint64_t end;
    if (m->len == 0)
        return NB_OK;
    if (m->len > SIZE_MAX / 2 || !nb_align_up(m->len, page_size(), &end))
        return nb_fail(err, NB_NOMEM, "map %s: %" PRIu64 " bytes", path, m->len);
    map_slot *slot = slot_claim();
    if (!slot)
        return nb_fail(err, NB_ERROR, "map %s: more than %d files are mapped", path, MAP_SLOTS);
    void *at = mmap(NULL, (size_t)m->len, PROT_READ, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED) {
        int why = errno;
        atomic_store(&slot->base, 0);
        return nb_fail_errno(err, why, "map", path);
    }
    atomic_store(&slot->lost, false);
    atomic_store(&slot->fd, fd);
    atomic_store(&slot->end, (uintptr_t)at + (uintptr_t)end);
    atomic_store_explicit(&slot->base, (uintptr_t)at, memory_order_release);
    m->at = at;
    m->fd = fd;
    m->slot = (unsigned)(slot - slots);
    return NB_OK;
}

nb_status nb_map_open(nb_map *out, const char *path, nb_err *err)
{
    struct stat st;
    nb_err why = {.status = NB_ERROR};
    int fd = open_regular(path, &st, &why);
    if (fd < 0) {
        if (err)
            *err = why;
        return why.status;
    }
    nb_map m = {.len = (uint64_t)st.st_size,
                .dev = (uint64_t)st.st_dev,
                .ino = (uint64_t)st.st_ino,
                .mtime_ns = mtime_of(&st)};
    nb_status status = map_fd(&m, fd, path, err);
    if (!m.at)
        close(fd);
    if (status == NB_OK)
        *out = m;
    return status;
}

void nb_map_close(nb_map *m)
{
    if (m && m->at) {
        atomic_store(&slots[m->slot].base, 0); /* first: the address may be mapped again at once */
        munmap((void *)(uintptr_t)m->at, (size_t)m->len);
        close(m->fd);
    }
    if (m)
        *m = (nb_map){0};
}
