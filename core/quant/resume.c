/* What an unfinished run leaves for the next one, and what that makes of it: OUT.part with
 * OUT.part.journal. Both are guarded by the lock on OUT.part. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/digest.h"
#include "core/base/file.h"
#include "core/quant/journal.h"
#include "core/quant/run.h"

enum { MAX_JOURNAL = 256 << 20 };

/* --- what decides the bytes --------------------------------------------------------------------
 */

static void add_text(nb_sha256 *h, const char *s)
{
    nb_sha256_add(h, s, strlen(s) + 1);
}

static void add_u64(nb_sha256 *h, uint64_t v)
{
    nb_sha256_add(h, &v, sizeof v);
}

/* The files' sizes and times too: a fingerprint looks at a sample of the bytes only. */
static void add_source(nb_sha256 *h, const nb_weights *w)
{
    const char *const *paths;
    struct stat st;
    size_t n = nb_weights_files(w, &paths);
    add_u64(h, nb_weights_fingerprint(w));
    add_u64(h, n);
    for (size_t i = 0; i < n; i++) {
        if (stat(paths[i], &st) != 0)
            continue;
        add_u64(h, (uint64_t)st.st_size);
        add_u64(h, (uint64_t)st.st_mtim.tv_sec);
        add_u64(h, (uint64_t)st.st_mtim.tv_nsec);
    }
}

static nb_status identity(const nb_run *run, char id[NB_JOURNAL_ID + 1], nb_err *err)
{
    const nb_plan *p = run->plan;
    nb_sha256 *h;
    char method[96];
    NB_TRY(nb_sha256_open(&h, err));
    add_text(h, NB_VERSION);
    nb_method_text(run->method, &run->knobs, method, sizeof method);
    add_text(h, method);
    nb_sha256_add(h, p->header.at, p->header.len); /* keys, names, shapes, types, offsets */
    add_source(h, p->weights);
    for (size_t i = 0; i < p->n; i++) {
        const nb_planned *t = &p->tensor[i];
        uint64_t n = p->layout[i].shape[0] * p->layout[i].shape[2];
        add_text(h, t->src->t.name); /* pruned layers move */
        if (t->importance)
            nb_sha256_add(h, t->importance, (size_t)n * sizeof *t->importance);
    }
    nb_sha256_hex(h, id);
    nb_sha256_close(&h);
    return NB_OK;
}

/* --- the journal's file ------------------------------------------------------------------------
 */

static int open_journal(const nb_run *run, int flags)
{
    int fd;
    do
        fd = open(run->journal, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
    while (fd < 0 && errno == EINTR);
    return fd;
}

/* Of a regular file that only this name leads to, and not one of the model's. */
static nb_status check_journal(const nb_run *run, int fd, nb_err *err)
{
    struct stat st;
    const nb_weights *w = run->plan->weights;
    if (fstat(fd, &st) != 0)
        return nb_fail_errno(err, errno, "stat", run->journal);
    if (!S_ISREG(st.st_mode) || st.st_nlink > 1 || (w && nb_weights_is_source(w, run->journal)))
        return nb_fail(err, NB_REFUSED, "%s is in the way and not a leftover of ours",
                       run->journal);
    return NB_OK;
}

/* Takes over what is said of tensors of this plan; nothing is believed yet. */
static void load_records(nb_run *run, nb_cursor *c)
{
    nb_journal_record r;
    while (nb_journal_next(c, &r)) {
        if (r.tensor >= run->plan->n || r.n_tiles != run->cut[r.tensor].n_tiles)
            continue;
        uint64_t *mark = run->mark + run->cut[r.tensor].first_tile;
        for (uint32_t i = 0; i < r.n_tiles; i++)
            mark[i] = nb_journal_mark(&r, i);
        run->report[r.tensor].stats = r.stats;
        run->kept[r.tensor] = true;
    }
    run->journal_len = nb_cursor_pos(c);
}

static bool part_is_sized(const nb_run *run)
{
    struct stat st;
    return fstat(run->fd, &st) == 0 && (uint64_t)st.st_size == run->plan->file_bytes;
}

static bool part_is_empty(const nb_run *run)
{
    struct stat st;
    return fstat(run->fd, &st) == 0 && st.st_size == 0;
}

/* What lies there, if it is a journal; *found = its identity is this run's. */
static nb_status read_journal(nb_run *run, int fd, const char *id, bool *found, nb_err *err)
{
    struct stat st;
    char was[NB_JOURNAL_ID + 1];
    *found = false;
    NB_TRY(check_journal(run, fd, err));
    if (fstat(fd, &st) != 0 || st.st_size < NB_JOURNAL_HEAD || st.st_size > MAX_JOURNAL)
        return NB_OK;
    uint8_t *bytes = nb_alloc((uint64_t)st.st_size, 1, "journal", err);
    if (!bytes)
        return NB_NOMEM;
    nb_status status = nb_pread_all(fd, bytes, (size_t)st.st_size, 0, run->journal, err);
    nb_cursor c = nb_cursor_make(bytes, (size_t)st.st_size);
    if (status == NB_OK && nb_journal_head(&c, was)) {
        *found = strcmp(was, id) == 0;
        if (*found && part_is_sized(run))
            load_records(run, &c);
        else if (!*found && !run->opt.force && !part_is_empty(run))
            status = nb_fail(err, NB_REFUSED,
                             "%s was begun with other options, another model or version and can "
                             "only go on with those; another name or --force starts anew",
                             run->part);
    }
    free(bytes);
    return status;
}

/* A journal that cannot be written costs a later run its work, not this one. */
static void begin_journal(nb_run *run, const char *id)
{
    nb_str head = {0};
    nb_journal_begin(&head, id);
    bool ok = !head.failed && ftruncate(run->journal_fd, 0) == 0 &&
              nb_pwrite_all(run->journal_fd, head.at, head.len, 0, run->journal, NULL) == NB_OK;
    run->journal_len = head.len;
    nb_str_free(&head);
    if (!ok)
        nb_journal_close(run, true);
}

nb_status nb_journal_open(nb_run *run, bool *resumes, nb_err *err)
{
    char id[NB_JOURNAL_ID + 1] = "";
    bool found = false;
    bool keeps = !run->rows && run->plan->weights;
    *resumes = false;
    if (keeps)
        NB_TRY(identity(run, id, err));
    run->journal_fd = open_journal(run, keeps ? O_RDWR | O_CREAT : O_RDWR);
    if (run->journal_fd < 0 && errno == ELOOP)
        return nb_fail(err, NB_REFUSED, "%s is a symbolic link in the way", run->journal);
    if (run->journal_fd < 0)
        return NB_OK; /* none there, or none to be kept: this run does without */
    NB_TRY(read_journal(run, run->journal_fd, id, &found, err));
    *resumes = keeps && found && part_is_sized(run);
    if (run->landed && !*resumes)
        return nb_fail(err, NB_REFUSED, "%s exists already", run->path);
    if (!keeps)
        nb_journal_close(run, true);
    else if (!*resumes)
        begin_journal(run, id);
    else if (ftruncate(run->journal_fd, (off_t)run->journal_len) != 0) /* cut what is torn */
        nb_journal_close(run, false);
    return NB_OK;
}

void nb_journal_close(nb_run *run, bool drop)
{
    if (run->journal_fd < 0)
        return;
    if (drop)
        unlink(run->journal);
    close(run->journal_fd);
    run->journal_fd = -1;
}

nb_status nb_journal_sync(const nb_run *run, nb_err *err)
{
    if (run->journal_fd < 0)
        return NB_OK; /* it could not be kept: a later run does the work again */
    int rc = fsync(run->journal_fd);
    while (rc != 0 && errno == EINTR)
        rc = fsync(run->journal_fd);
    return rc == 0 ? NB_OK : nb_fail_errno(err, errno, "sync", run->journal);
}

void nb_journal_note(nb_run *run, size_t tensor)
{
    nb_str text = {0};
    const nb_cut *c = &run->cut[tensor];
    if (run->journal_fd < 0 || run->journal_len > MAX_JOURNAL || c->n_tiles > UINT32_MAX)
        return;
    nb_journal_add(&text, (uint32_t)tensor, &run->report[tensor].stats, run->mark + c->first_tile,
                   (uint32_t)c->n_tiles);
    if (!text.failed && nb_pwrite_all(run->journal_fd, text.at, text.len, run->journal_len,
                                      run->journal, NULL) == NB_OK)
        run->journal_len += text.len;
    nb_str_free(&text);
}

/* --- believing what is there -------------------------------------------------------------------
 */

/* Reads a tensor back: false when some tile is not what the journal says. */
static bool still_there(nb_run *run, nb_workspace *ws, size_t i)
{
    const nb_cut *c = &run->cut[i];
    for (uint64_t k = c->first_tile; k < c->first_tile + c->n_tiles; k++) {
        nb_tile t = nb_run_tile(run, k);
        size_t n = (size_t)nb_tile_bytes(run, &t);
        if (nb_pread_all(run->fd, ws->out, n, nb_tile_offset(run, &t), run->part, NULL) != NB_OK ||
            nb_mark(ws->out, n) != run->mark[k] || !nb_run_poll(run))
            return false;
    }
    return true;
}

static void check_work(void *arg, size_t begin, size_t end, int thread)
{
    nb_run *run = arg;
    (void)begin;
    (void)end;
    for (;;) {
        size_t i = (size_t)atomic_fetch_add(&run->next, 1);
        if (i >= run->plan->n || atomic_load(&run->stop))
            return;
        if (run->kept[i] && !still_there(run, &run->space[thread], i))
            run->kept[i] = false;
    }
}

void nb_journal_check(nb_run *run, nk_pool *pool, int threads)
{
    if (!run->resumed)
        return;
    atomic_store(&run->next, 0);
    nk_parallel(pool, (size_t)threads, 1, check_work, run);
    pthread_mutex_lock(&run->lock);
    for (size_t i = 0; i < run->plan->n; i++) {
        nb_tensor_report *r = &run->report[i];
        if (!run->kept[i]) {
            nb_stats_clear(&r->stats);
            continue;
        }
        run->n_kept++;
        run->type_all[r->plan->type->id] -= r->plan->n;
    }
    pthread_mutex_unlock(&run->lock);
}
