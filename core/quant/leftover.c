#include "core/quant/leftover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/files/library.h"
#include "core/quant/journal.h"

/* --- looking -----------------------------------------------------------------------------------
 */

/* Opened for a look: a file of its own, no link, no device. -1 = none. */
static int open_plain(const char *path, struct stat *st)
{
    int fd;
    do
        fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    if (fd >= 0 && (fstat(fd, st) != 0 || !S_ISREG(st->st_mode) || st->st_nlink > 1)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static bool is_journal(const char *path, struct stat *st)
{
    uint8_t head[NB_JOURNAL_HEAD];
    char id[NB_JOURNAL_ID + 1];
    int fd = open_plain(path, st);
    if (fd < 0)
        return false;
    bool ours = nb_pread_all(fd, head, sizeof head, 0, path, NULL) == NB_OK;
    nb_cursor c = nb_cursor_make(head, sizeof head);
    ours = ours && nb_journal_head(&c, id);
    close(fd);
    return ours;
}

static bool is_locked(int fd)
{
    return flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

static double seconds_since(const struct stat *st)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    double age = difftime(now.tv_sec, st->st_mtim.tv_sec) +
                 1e-9 * (double)(now.tv_nsec - st->st_mtim.tv_nsec);
    return age > 0 ? age : 0;
}

static uint64_t on_disk(const struct stat *st)
{
    return (uint64_t)st->st_blocks * 512;
}

/* Fills l from its three names; false when there is no journal of ours. */
static bool look(nb_leftover *l)
{
    struct stat journal, part;
    if (!is_journal(l->journal, &journal))
        return false;
    l->dev = journal.st_dev;
    l->ino = journal.st_ino;
    l->bytes = on_disk(&journal);
    l->age = seconds_since(&journal);
    int fd = open_plain(l->part, &part);
    if (fd >= 0) {
        double age = seconds_since(&part);
        l->bytes += on_disk(&part);
        l->size = (uint64_t)part.st_size;
        l->age = age < l->age ? age : l->age;
    } else {
        fd = open_plain(l->output, &part); /* named, and its journal still there */
    }
    l->live = fd >= 0 && is_locked(fd);
    if (fd >= 0)
        close(fd);
    return true;
}

typedef struct finder {
    nb_leftovers *out;
    size_t cap;
    const nb_hooks *hooks;
} finder;

static nb_status add(void *arg, const char *path, nb_err *err)
{
    static const char part[] = ".part", journal[] = ".journal";
    finder *f = arg;
    nb_leftovers *l = f->out;
    nb_leftover one = {.size = 0};
    size_t n = strlen(path) - strlen(journal), stem = n - strlen(part);
    if (nb_canceled(f->hooks))
        return nb_fail(err, NB_CANCELED, "cancelled");
    if (n >= sizeof one.part || stem == 0 || stem >= sizeof one.output)
        return NB_OK;
    snprintf(one.output, sizeof one.output, "%.*s", (int)stem, path);
    snprintf(one.part, sizeof one.part, "%.*s", (int)n, path);
    snprintf(one.journal, sizeof one.journal, "%s", path);
    if (!look(&one))
        return NB_OK;
    if (l->n == f->cap) {
        size_t cap = f->cap ? f->cap * 2 : 8;
        nb_leftover *at = realloc(l->at, cap * sizeof *at);
        if (!at)
            return nb_fail(err, NB_NOMEM, "list of %zu leftovers", cap);
        l->at = at;
        f->cap = cap;
    }
    l->at[l->n++] = one;
    return NB_OK;
}

static int by_inode(const void *a, const void *b)
{
    const nb_leftover *x = a, *y = b;
    if (x->dev != y->dev)
        return x->dev < y->dev ? -1 : 1;
    return x->ino < y->ino ? -1 : x->ino > y->ino;
}

static int by_path(const void *a, const void *b)
{
    const nb_leftover *x = a, *y = b;
    return strcmp(x->journal, y->journal);
}

/* A folder can be this one and nibble's own. */
static void drop_doubles(nb_leftovers *l)
{
    size_t kept = 0;
    if (!l->n)
        return;
    qsort(l->at, l->n, sizeof *l->at, by_inode);
    for (size_t i = 0; i < l->n; i++)
        if (i == 0 || by_inode(&l->at[i], &l->at[kept - 1]) != 0)
            l->at[kept++] = l->at[i];
    l->n = kept;
    qsort(l->at, l->n, sizeof *l->at, by_path);
}

nb_status nb_leftovers_find(nb_leftovers *out, const nb_config *cfg, const char *const *paths,
                            size_t n, const nb_hooks *hooks, nb_err *err)
{
    finder f = {.out = out, .hooks = hooks};
    *out = (nb_leftovers){.n = 0};
    nb_status st = nb_library_each(cfg, paths, n, ".part.journal", add, &f, err);
    if (st == NB_OK)
        drop_doubles(out);
    else
        nb_leftovers_free(out);
    return st;
}

void nb_leftovers_free(nb_leftovers *l)
{
    free(l->at);
    *l = (nb_leftovers){.n = 0};
}

/* --- removing ----------------------------------------------------------------------------------
 */

static nb_status unlink_one(const char *path, nb_err *err)
{
    return unlink(path) == 0 || errno == ENOENT ? NB_OK : nb_fail_errno(err, errno, "remove", path);
}

/* The journal goes first, while the lock on the part keeps others out: who opens the part next
 * finds neither. */
static nb_status remove_one(const nb_leftover *l, bool *gone, nb_err *err)
{
    struct stat held, named;
    bool has_part;
    int fd = open_plain(l->part, &held);
    has_part = fd >= 0;
    if (!has_part)
        fd = open_plain(l->output, &held);
    *gone = fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (has_part) /* what was locked is still what has the name */
        *gone = *gone && lstat(l->part, &named) == 0 && named.st_ino == held.st_ino &&
                named.st_dev == held.st_dev;
    nb_status st = *gone ? unlink_one(l->journal, err) : NB_OK;
    if (*gone && has_part && st == NB_OK)
        st = unlink_one(l->part, err);
    if (fd >= 0)
        close(fd);
    return st;
}

nb_status nb_leftovers_remove(const nb_leftovers *l, double age, bool dry_run, uint64_t *bytes,
                              size_t *n, const nb_hooks *hooks, nb_err *err)
{
    for (size_t i = 0; i < l->n; i++) {
        nb_leftover now = l->at[i];
        bool gone = true;
        if (nb_canceled(hooks))
            return nb_fail(err, NB_CANCELED, "cancelled");
        now.size = 0;
        if (!look(&now) || now.live || now.age < age)
            continue;
        if (!dry_run)
            NB_TRY(remove_one(&now, &gone, err));
        if (!gone)
            continue;
        *bytes += now.bytes;
        ++*n;
    }
    return NB_OK;
}
