#include "tests/crash.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernels/nb.h"

/* What linux/ptrace.h (5.3) gives at a stop; glibc's own name for it came later. */
enum { GET_SYSCALL_INFO = 0x420e, AT_ENTRY = 1, AT_EXIT = 2 };
typedef struct stop_info {
    uint8_t op, pad[3];
    uint32_t arch;
    uint64_t ip, sp;
    union {
        struct {
            uint64_t nr, args[6];
        } entry;
        struct {
            int64_t value;
            uint8_t is_error;
        } exit;
    } u;
} stop_info;

typedef enum op_kind {
    OP_CREATE,
    OP_MKDIR,
    OP_SYMLINK,
    OP_RENAME,
    OP_UNLINK,
    OP_WRITE,
    OP_SIZE, /* ftruncate, fallocate */
    OP_SYNC
} op_kind;

typedef struct op {
    op_kind kind;
    char *path, *other; /* below root; other: rename's target, symlink's text */
    uint64_t ino;       /* of the file; numbers are given anew */
    size_t file;        /* which file of that number: 1 + index of its creation, 0 = from before */
    uint64_t at, n;
    uint8_t *bytes; /* WRITE */
} op;

struct crash_log {
    op *at;
    size_t n, cap;
};

/* --- system calls ------------------------------------------------------------------------------
 */

/* Which arguments hold what; -1 = none. dir -1 with path = relative to the current folder. */
typedef struct call {
    long nr;
    op_kind kind;
    int dir, path, dir2, path2, fd, buf, len, pos;
} call;
static const call calls[] = {
    {SYS_openat, OP_CREATE, 0, 1, -1, -1, -1, -1, -1, 2},
    {SYS_mkdirat, OP_MKDIR, 0, 1, -1, -1, -1, -1, -1, -1},
    {SYS_symlinkat, OP_SYMLINK, 1, 2, -1, 0, -1, -1, -1, -1},
    {SYS_renameat2, OP_RENAME, 0, 1, 2, 3, -1, -1, -1, -1},
    {SYS_unlinkat, OP_UNLINK, 0, 1, -1, -1, -1, -1, -1, -1},
    {SYS_pwrite64, OP_WRITE, -1, -1, -1, -1, 0, 1, 2, 3},
    {SYS_write, OP_WRITE, -1, -1, -1, -1, 0, 1, 2, -1},
    {SYS_ftruncate, OP_SIZE, -1, -1, -1, -1, 0, -1, 1, -1},
    {SYS_fallocate, OP_SIZE, -1, -1, -1, -1, 0, -1, 3, -1},
    {SYS_fsync, OP_SYNC, -1, -1, -1, -1, 0, -1, -1, -1},
    {SYS_fdatasync, OP_SYNC, -1, -1, -1, -1, 0, -1, -1, -1},
#ifdef SYS_renameat
    {SYS_renameat, OP_RENAME, 0, 1, 2, 3, -1, -1, -1, -1},
#endif
#ifdef SYS_mkdir
    {SYS_mkdir, OP_MKDIR, -1, 0, -1, -1, -1, -1, -1, -1},
    {SYS_rename, OP_RENAME, -1, 0, -1, 1, -1, -1, -1, -1},
    {SYS_unlink, OP_UNLINK, -1, 0, -1, -1, -1, -1, -1, -1},
    {SYS_rmdir, OP_UNLINK, -1, 0, -1, -1, -1, -1, -1, -1},
    {SYS_symlink, OP_SYMLINK, -1, 1, -1, 0, -1, -1, -1, -1},
    {SYS_open, OP_CREATE, -1, 0, -1, -1, -1, -1, -1, 1},
#endif
};

static const call *known(const stop_info *s)
{
    for (size_t i = 0; i < countof(calls); i++)
        if (calls[i].nr == (long)s->u.entry.nr &&
            (calls[i].kind != OP_CREATE || (s->u.entry.args[calls[i].pos] & O_CREAT)))
            return &calls[i];
    return NULL;
}

static bool peek(pid_t pid, uint64_t from, void *to, size_t n)
{
    struct iovec here = {to, n}, there = {(void *)(uintptr_t)from, n};
    return process_vm_readv(pid, &here, 1, &there, 1, 0) == (ssize_t)n;
}

static void peek_text(pid_t pid, uint64_t from, char *to, size_t cap)
{
    size_t n = 0;
    while (n + 1 < cap && peek(pid, from + n, to + n, 1) && to[n])
        n++;
    to[n] = '\0';
}

/* What a descriptor of the child, or AT_FDCWD, stands for. */
static void fd_path(pid_t pid, int fd, char *out, size_t cap)
{
    char path[64];
    if (fd == AT_FDCWD)
        snprintf(path, sizeof path, "/proc/%d/cwd", (int)pid);
    else
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
    ssize_t n = readlink(path, out, cap - 1);
    out[n > 0 ? n : 0] = '\0';
}

/* Absolute path of a call's name argument. */
static void full_path(pid_t pid, const stop_info *s, int dir, int path, char *out, size_t cap)
{
    char name[2048], base[2048];
    peek_text(pid, s->u.entry.args[path], name, sizeof name);
    int fd = dir >= 0 ? (int)s->u.entry.args[dir] : AT_FDCWD;
    if (name[0] == '/') {
        snprintf(out, cap, "%s", name);
        return;
    }
    fd_path(pid, fd, base, sizeof base);
    snprintf(out, cap, "%.2000s/%.2000s", base, name);
}

/* path below root, or NULL. */
static const char *below(const char *root, const char *path)
{
    size_t n = strlen(root);
    return strncmp(path, root, n) == 0 && path[n] == '/' ? path + n + 1 : NULL;
}

static uint64_t inode_of(pid_t pid, int fd)
{
    char path[64];
    struct stat st;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
    return stat(path, &st) == 0 ? st.st_ino : 0;
}

/* --- tracing -----------------------------------------------------------------------------------
 */

static pid_t start(void (*fn)(void *arg), void *arg)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(3);
        raise(SIGSTOP);
        fn(arg);
        _exit(0);
    }
    int status;
    if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) &&
        ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) == 0)
        return pid;
    return -1;
}

/* Runs to the next system call's begin or end; false when the child is gone, *status says how. */
static bool next_stop(pid_t pid, stop_info *s, int *status)
{
    for (int sig = 0;;) {
        if (ptrace(PTRACE_SYSCALL, pid, NULL, sig) != 0 || waitpid(pid, status, 0) != pid ||
            !WIFSTOPPED(*status))
            return false;
        if (WSTOPSIG(*status) == (SIGTRAP | 0x80))
            return syscall(SYS_ptrace, (long)GET_SYSCALL_INFO, (long)pid, sizeof *s, s) > 0;
        sig = WSTOPSIG(*status) == SIGTRAP ? 0 : WSTOPSIG(*status);
    }
}

/* Where a write without a place of its own begins: the end of a file that is appended to. */
static uint64_t place_of(pid_t pid, int fd)
{
    char path[64];
    unsigned long long pos = 0;
    unsigned flags = 0;
    struct stat st;
    snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", (int)pid, fd);
    FILE *f = fopen(path, "r");
    if (!f || fscanf(f, "pos: %llu flags: %o", &pos, &flags) != 2)
        pos = 0;
    if (f)
        fclose(f);
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
    return flags & O_APPEND && stat(path, &st) == 0 ? (uint64_t)st.st_size : pos;
}

/* The call as an operation below root; false when it is none. */
static bool to_op(pid_t pid, const stop_info *s, const char *root, op *out)
{
    const call *c = known(s);
    char path[4096], other[4096] = "";
    if (!c)
        return false;
    *out = (op){.kind = c->kind};
    if (c->fd >= 0) {
        out->ino = inode_of(pid, (int)s->u.entry.args[c->fd]);
        fd_path(pid, (int)s->u.entry.args[c->fd], path, sizeof path);
    } else {
        full_path(pid, s, c->dir, c->path, path, sizeof path);
    }
    const char *name = strcmp(path, root) == 0 ? "" : below(root, path);
    if (!name)
        return false;
    if (c->kind == OP_WRITE)
        out->at =
            c->pos >= 0 ? s->u.entry.args[c->pos] : place_of(pid, (int)s->u.entry.args[c->fd]);
    out->n = c->len >= 0 ? s->u.entry.args[c->len] : 0;
    struct stat st;
    if (c->kind == OP_RENAME) {
        full_path(pid, s, c->dir2, c->path2, other, sizeof other);
        out->ino = lstat(path, &st) == 0 ? st.st_ino : 0;
    }
    if (c->kind == OP_CREATE && lstat(path, &st) == 0)
        return false; /* only opened */
    if (c->kind == OP_SYMLINK)
        peek_text(pid, s->u.entry.args[c->path2], other, sizeof other);
    const char *to = c->kind == OP_RENAME ? below(root, other) : other;
    out->path = strdup(name);
    out->other = strdup(to ? to : "");
    if (c->kind == OP_WRITE) {
        out->bytes = malloc(out->n + 1);
        if (!peek(pid, s->u.entry.args[c->buf], out->bytes, out->n))
            out->n = 0;
    }
    return true;
}

static void op_free(op *o)
{
    free(o->path);
    free(o->other);
    free(o->bytes);
}

bool crash_kill(void (*fn)(void *arg), void *arg, const char *root, size_t n)
{
    stop_info s;
    int status = 0;
    pid_t pid = start(fn, arg);
    while (pid > 0 && next_stop(pid, &s, &status)) {
        op o;
        if (s.op != AT_ENTRY || !to_op(pid, &s, root, &o))
            continue;
        op_free(&o);
        if (--n > 0)
            continue;
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        return true;
    }
    return false;
}

static void append(crash_log *log, op *o)
{
    for (size_t i = log->n; i-- > 0 && !o->file && o->ino;)
        if (log->at[i].kind == OP_CREATE && log->at[i].ino == o->ino)
            o->file = i + 1;
    if (o->kind == OP_CREATE)
        o->file = log->n + 1;
    if (log->n == log->cap)
        log->at = realloc(log->at, (log->cap = log->cap ? log->cap * 2 : 64) * sizeof *log->at);
    log->at[log->n++] = *o;
}

crash_log *crash_record(void (*fn)(void *arg), void *arg, const char *root)
{
    stop_info s;
    op o;
    bool pending = false;
    int status = 0;
    crash_log *log = calloc(1, sizeof *log);
    if (rmdir(root) != 0 || mkdir(root, 0777) != 0) {
        perror(root); /* not empty: what was there before is not in the log */
        exit(1);
    }
    pid_t pid = start(fn, arg);
    while (pid > 0 && next_stop(pid, &s, &status)) {
        if (s.op == AT_ENTRY) {
            pending = to_op(pid, &s, root, &o);
        } else if (s.op == AT_EXIT && pending) {
            pending = false;
            if (o.kind == OP_CREATE && s.u.exit.value >= 0)
                o.ino = inode_of(pid, (int)s.u.exit.value);
            if (o.kind == OP_WRITE && s.u.exit.value >= 0)
                o.n = (uint64_t)s.u.exit.value;
            if (s.u.exit.value >= 0)
                append(log, &o);
            else
                op_free(&o);
        }
    }
    if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return log;
    crash_free(log);
    return NULL;
}

size_t crash_calls(const crash_log *log)
{
    return log->n;
}

void crash_free(crash_log *log)
{
    for (size_t i = 0; log && i < log->n; i++)
        op_free(&log->at[i]);
    if (log)
        free(log->at);
    free(log);
}

/* --- power -------------------------------------------------------------------------------------
 */

/* The name an operation changes, and whether that is one in the folder `dir`. */
static const char *changed(const op *o)
{
    return o->kind == OP_RENAME ? o->other : o->path;
}

static size_t dir_len(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) : 0;
}

static bool same_dir(const op *a, const op *b)
{
    size_t n = dir_len(changed(a));
    return n == dir_len(changed(b)) && strncmp(changed(a), changed(b), n) == 0;
}

/* Whether a later call among the first n synced the folder of the name that call i changes. */
static bool dir_synced(const crash_log *log, size_t n, size_t i)
{
    const char *name = changed(&log->at[i]);
    size_t len = dir_len(name);
    for (size_t k = i + 1; k < n; k++)
        if (log->at[k].kind == OP_SYNC && strlen(log->at[k].path) == len &&
            strncmp(log->at[k].path, name, len) == 0)
            return true;
    return false;
}

/* Which changes of names reached the disk: synced ones, and of each folder's others the first few.
 */
static void choose_names(const crash_log *log, size_t n, test_rng *rng, bool *kept)
{
    bool *decided = calloc(n + 1, sizeof *decided);
    for (size_t i = 0; i < n; i++) {
        if (log->at[i].kind > OP_UNLINK || decided[i])
            continue;
        kept[i] = decided[i] = dir_synced(log, n, i);
        if (decided[i])
            continue;
        size_t loose = 0;
        for (size_t k = i; k < n; k++)
            loose += log->at[k].kind <= OP_UNLINK && same_dir(&log->at[i], &log->at[k]);
        size_t first = test_below(rng, (uint32_t)loose + 1);
        for (size_t k = i; k < n; k++)
            if (log->at[k].kind <= OP_UNLINK && same_dir(&log->at[i], &log->at[k])) {
                decided[k] = true;
                kept[k] = first > 0;
                first -= first > 0;
            }
    }
    free(decided);
}

static void write_at(int fd, const uint8_t *bytes, size_t n, uint64_t at)
{
    while (n) {
        ssize_t put = pwrite(fd, bytes, n, (off_t)at);
        if (put <= 0)
            abort();
        bytes += put;
        at += (uint64_t)put;
        n -= (size_t)put;
    }
}

/* A write that no fsync followed: there, gone, zeros, or some pages of it. */
static void tear(int fd, const op *o, test_rng *rng)
{
    enum { PAGE = 4096 };
    uint32_t fate = test_below(rng, 4);
    size_t whole = fate == 0   ? o->n
                   : fate == 3 ? test_below(rng, o->n / PAGE + 1) * (size_t)PAGE
                               : 0;
    if (fate == 1)
        return;
    uint8_t *zeros = calloc(1, o->n + 1);
    write_at(fd, o->bytes, whole, o->at);
    write_at(fd, zeros, o->n - whole, o->at + whole);
    free(zeros);
}

/* The file at path, which is not there yet. */
static void make_file(const crash_log *log, size_t n, size_t file, test_rng *rng, const char *path)
{
    size_t synced = 0;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0666);
    if (fd < 0)
        return; /* its folder is not there */
    for (size_t i = 0; i < n; i++)
        if (log->at[i].file == file && log->at[i].kind == OP_SYNC)
            synced = i;
    for (size_t i = 0; i < n; i++) {
        const op *o = &log->at[i];
        if (o->file != file)
            continue;
        if (o->kind == OP_WRITE && i < synced)
            write_at(fd, o->bytes, (size_t)o->n, o->at);
        else if (o->kind == OP_WRITE)
            tear(fd, o, rng);
        else if (o->kind == OP_SIZE && (i < synced || test_below(rng, 2)) &&
                 ftruncate(fd, (off_t)o->n) != 0)
            abort();
    }
    close(fd);
}

void crash_replay(const crash_log *log, size_t n, test_rng *rng, const char *into)
{
    char at[8192], to[8192];
    bool *kept = calloc(n + 1, sizeof *kept);
    choose_names(log, n, rng, kept);
    mkdir(into, 0777);
    for (size_t i = 0; i < n; i++) {
        const op *o = &log->at[i];
        if (!kept[i])
            continue;
        snprintf(at, sizeof at, "%s/%s", into, o->path);
        snprintf(to, sizeof to, "%s/%s", into, o->other);
        if (o->kind == OP_CREATE)
            make_file(log, n, o->file, rng, at);
        else if (o->kind == OP_MKDIR)
            mkdir(at, 0777);
        else if (o->kind == OP_SYMLINK)
            (void)!symlink(o->other, at);
        else if (o->kind == OP_UNLINK)
            remove(at);
        else if (rename(at, to) != 0 && errno == ENOENT) {
            remove(to); /* it came from another folder, whose change is lost */
            make_file(log, n, o->file, rng, to);
        }
    }
    free(kept);
}
