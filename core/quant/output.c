/* OUT.part: opened under a lock, filled by tiles, closed as OUT only when read back and right. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/digest.h"
#include "core/base/file.h"
#include "core/files/gguf.h"
#include "core/quant/run.h"

/* --- before the first byte ---------------------------------------------------------------------
 */

/* A17: neither name may lead to a file the model is read from. */
static nb_status refuse_source(const nb_run *run, nb_err *err)
{
    const nb_weights *w = run->plan->weights;
    if (w && (nb_weights_is_source(w, run->path) || nb_weights_is_source(w, run->part)))
        return nb_fail(err, NB_REFUSED, "%s is the model being read: choose another output",
                       run->path);
    return NB_OK;
}

static nb_status refuse_existing(const nb_run *run, nb_err *err)
{
    if (run->landed)
        return NB_OK;
    if (nb_is_dir(run->path))
        return nb_fail(err, NB_REFUSED, "%s is a folder", run->path);
    if (!run->opt.force && nb_exists(run->path))
        return nb_fail(err, NB_REFUSED, "%s exists already", run->path);
    return NB_OK;
}

static nb_status lock_part(int fd, const char *part, bool *again, nb_err *err)
{
    struct stat mine, named;
    *again = false;
    if (fstat(fd, &mine) != 0)
        return nb_fail_errno(err, errno, "stat", part);
    if (!S_ISREG(mine.st_mode) || mine.st_nlink > 1)
        return nb_fail(err, NB_REFUSED, "%s is in the way and not a leftover of ours", part);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK
                   ? nb_fail(err, NB_REFUSED, "%s is being written by another run", part)
                   : nb_fail_errno(err, errno, "lock", part);
    /* Between open and lock the other run may have finished: then this is its published file. */
    *again = stat(part, &named) != 0 || named.st_ino != mine.st_ino || named.st_dev != mine.st_dev;
    return NB_OK;
}

static nb_status open_locked(nb_run *run, nb_err *err)
{
    bool again = true;
    int make = run->landed ? 0 : O_CREAT;
    for (int attempt = 0; attempt < 10 && again; attempt++) {
        int fd = open(run->part, O_RDWR | make | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
        if (fd < 0 && errno == EINTR)
            continue;
        if (fd < 0)
            return errno == ELOOP
                       ? nb_fail(err, NB_REFUSED, "%s is a symbolic link in the way", run->part)
                       : nb_fail_errno(err, errno, "create", run->part);
        nb_status st = lock_part(fd, run->part, &again, err);
        if (st == NB_OK && !again) {
            run->fd = fd;
            return NB_OK;
        }
        close(fd);
        if (st != NB_OK)
            return st;
    }
    return nb_fail(err, NB_REFUSED, "%s keeps changing hands", run->part);
}

static int truncate_retry(int fd, uint64_t n)
{
    int rc = ftruncate(fd, (off_t)n);
    while (rc != 0 && errno == EINTR)
        rc = ftruncate(fd, (off_t)n);
    return rc;
}

/* Room for the whole file, taken now: a full disk shows before the work, not after. */
static nb_status reserve(nb_run *run, nb_err *err)
{
    uint64_t bytes = run->plan->file_bytes;
    if (truncate_retry(run->fd, 0) != 0) /* a leftover's bytes count as free */
        return nb_fail_errno(err, errno, "truncate", run->part);
    NB_TRY(nb_need_space(run->path, bytes, err));
    NB_TRY(nb_reserve(run->fd, bytes, run->part, err));
    if (truncate_retry(run->fd, bytes) != 0)
        return nb_fail_errno(err, errno, "truncate", run->part);
    return NB_OK;
}

/* Removes OUT.part if it is still the file behind fd, whose lock keeps others out meanwhile. */
static void unlink_ours(int fd, const char *part)
{
    struct stat mine, named;
    if (fstat(fd, &mine) == 0 && lstat(part, &named) == 0 && mine.st_ino == named.st_ino &&
        mine.st_dev == named.st_dev)
        unlink(part);
}

static void close_both(nb_run *run, bool drop_journal)
{
    nb_journal_close(run, drop_journal);
    if (run->fd >= 0)
        close(run->fd);
    run->fd = -1;
}

void nb_part_drop(nb_run *run)
{
    if (!run->keep)
        nb_journal_close(run, true);
    if (run->fd >= 0 && !run->keep)
        unlink_ours(run->fd, run->part);
    close_both(run, false);
}

void nb_part_leave(nb_run *run)
{
    if (run->started || !run->resumed)
        nb_part_drop(run);
    else
        close_both(run, false);
}

void nb_part_done(nb_run *run)
{
    close_both(run, true);
}

nb_status nb_part_open(nb_run *run, nb_err *err)
{
    NB_TRY(refuse_source(run, err));
    NB_TRY(refuse_existing(run, err));
    NB_TRY(open_locked(run, err));
    nb_status st = nb_journal_open(run, &run->resumed, err);
    if (st != NB_OK) { /* what lies there stays, an empty file is of our making */
        struct stat part;
        if (!run->landed && fstat(run->fd, &part) == 0 && part.st_size == 0)
            unlink_ours(run->fd, run->part);
        close_both(run, false);
        return st;
    }
    st = run->resumed ? NB_OK : reserve(run, err);
    if (st != NB_OK)
        nb_part_drop(run);
    return st;
}

/* --- read back ---------------------------------------------------------------------------------
 */

static bool same_tensor(const nb_tensor *a, const nb_tensor *b)
{
    return strcmp(a->name, b->name) == 0 && a->type == b->type && a->n_dims == b->n_dims &&
           memcmp(a->shape, b->shape, sizeof a->shape) == 0 && a->offset == b->offset &&
           a->nbytes == b->nbytes;
}

static nb_status verify_header(const nb_run *run, int fd, nb_err *err)
{
    const nb_plan *p = run->plan;
    nb_gguf_info info = {0};
    bool same;
    uint8_t *bytes = nb_alloc(p->header.len, 1, "header", err);
    if (!bytes)
        return NB_NOMEM;
    nb_status st = nb_pread_all(fd, bytes, p->header.len, 0, run->part, err);
    if (st == NB_OK)
        st = nb_gguf_parse(&info, bytes, p->header.len, p->file_bytes, run->part, err);
    if (st == NB_OK) {
        same = info.n_tensors == p->n && memcmp(bytes, p->header.at, p->header.len) == 0;
        for (size_t i = 0; i < p->n && same; i++)
            same = same_tensor(&info.tensors[i], &p->layout[i]);
        if (!same)
            st = nb_fail(err, NB_HASH, "%s: the header read back is not the plan", run->part);
        nb_gguf_free(&info);
    }
    free(bytes);
    return st;
}

typedef struct verify {
    nb_run *run;
    int fd;
} verify;

/* Reads one tensor back tile by tile into the thread's buffer, each when it has been handed to the
 * disk: while one thread waits for that another reads, and the fsync that follows finds little
 * left. */
static nb_status verify_tensor(const verify *v, nb_workspace *ws, size_t i, nb_sha256 *hash,
                               nb_err *err)
{
    nb_run *run = v->run;
    const nb_cut *c = &run->cut[i];
    for (uint64_t k = c->first_tile; k < c->first_tile + c->n_tiles; k++) {
        nb_tile t = nb_run_tile(run, k);
        size_t n = (size_t)nb_tile_bytes(run, &t);
        NB_TRY(nb_write_out(run->fd, nb_tile_offset(run, &t), n, run->part, err));
        NB_TRY(nb_pread_all(v->fd, ws->out, n, nb_tile_offset(run, &t), run->part, err));
        if (nb_mark(ws->out, n) != run->mark[k])
            return nb_fail(err, NB_HASH,
                           "tensor \"%s\": rows %llu.. read back differ from what was written",
                           run->plan->layout[i].name, (unsigned long long)t.row);
        if (hash)
            nb_sha256_add(hash, ws->out, n);
        pthread_mutex_lock(&run->lock);
        run->bytes_verified += n;
        pthread_mutex_unlock(&run->lock);
        if (!nb_run_poll(run))
            return NB_CANCELED;
    }
    return NB_OK;
}

static void verify_work(void *arg, size_t begin, size_t end, int thread)
{
    const verify *v = arg;
    nb_run *run = v->run;
    (void)begin;
    (void)end;
    for (;;) {
        size_t i = (size_t)atomic_fetch_add(&run->next, 1);
        if (i >= run->plan->n || atomic_load(&run->stop))
            return;
        nb_err err = {0};
        nb_sha256 *hash = NULL;
        char hex[65];
        nb_status st = run->opt.sha256 ? nb_sha256_open(&hash, &err) : NB_OK;
        if (st == NB_OK)
            st = verify_tensor(v, &run->space[thread], i, hash, &err);
        if (st == NB_OK && hash) {
            nb_sha256_hex(hash, hex);
            pthread_mutex_lock(&run->lock);
            memcpy(run->report[i].sha256, hex, sizeof hex);
            pthread_mutex_unlock(&run->lock);
        } else if (st != NB_OK && err.status != NB_OK) {
            nb_run_fail(run, run->cut[i].first_tile, &err);
        }
        nb_sha256_close(&hash);
    }
}

/* Header and length, when all has been synced. */
static nb_status verify_file(const nb_run *run, int fd, nb_err *err)
{
    struct stat st, mine;
    if (fstat(fd, &st) != 0 || fstat(run->fd, &mine) != 0)
        return nb_fail_errno(err, errno, "stat", run->part);
    if (st.st_ino != mine.st_ino || (uint64_t)st.st_size != run->plan->file_bytes)
        return nb_fail(err, NB_HASH, "%s has %lld bytes, planned %llu", run->part,
                       (long long)st.st_size, (unsigned long long)run->plan->file_bytes);
    return verify_header(run, fd, err);
}

static nb_status verify_tensors(nb_run *run, int fd, nk_pool *pool, nb_err *err)
{
    verify v = {.run = run, .fd = fd};
    atomic_store(&run->next, 0);
    nk_parallel(pool, pool ? (size_t)nk_pool_count(pool) : 1, 1, verify_work, &v);
    if (run->fail.status != NB_OK && err)
        *err = run->fail;
    return run->fail.status;
}

static nb_status sync_part(const nb_run *run, nb_err *err)
{
    int rc = fsync(run->fd);
    while (rc != 0 && errno == EINTR)
        rc = fsync(run->fd);
    return rc == 0 ? NB_OK : nb_fail_errno(err, errno, "sync", run->part);
}

nb_status nb_part_may_publish(const nb_run *run, nb_err *err)
{
    NB_TRY(nb_run_source_stands(run, err));
    NB_TRY(refuse_source(run, err));
    return refuse_existing(run, err);
}

/* The lock outlives the rename: between the two another run could otherwise empty the file. */
nb_status nb_part_publish(nb_run *run, nb_err *err)
{
    if (run->landed)
        return NB_OK;
    int lock = fcntl(run->fd, F_DUPFD_CLOEXEC, 0), fd = run->fd;
    if (lock < 0)
        return nb_fail_errno(err, errno, "keep locked", run->part);
    run->fd = lock; /* nb_publish_file closes the other whatever happens */
    return nb_publish_file(fd, run->part, run->path, err);
}

/* Read through a new descriptor, as a reader would find it. */
static nb_status write_and_verify(nb_run *run, int fd, nk_pool *pool, nb_err *err)
{
    const nb_plan *p = run->plan;
    NB_TRY(verify_tensors(run, fd, pool, err));
    NB_TRY(sync_part(run, err)); /* data before the header that claims it */
    if (!run->landed)
        NB_TRY(nb_pwrite_all(run->fd, p->header.at, p->header.len, 0, run->part, err));
    NB_TRY(sync_part(run, err));
    return verify_file(run, fd, err);
}

/* A file of its own is published here, a shard when its whole set has come as far. */
nb_status nb_part_finish(nb_run *run, nk_pool *pool, nb_err *err)
{
    int fd = open(run->part, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    while (fd < 0 && errno == EINTR)
        fd = open(run->part, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return nb_fail_errno(err, errno, "reopen", run->part);
    nb_status st = write_and_verify(run, fd, pool, err);
    close(fd);
    NB_TRY(st);
    NB_TRY(nb_part_may_publish(run, err));
    if (run->hold)
        return NB_OK;
    NB_TRY(nb_part_publish(run, err));
    nb_part_done(run);
    return NB_OK;
}
