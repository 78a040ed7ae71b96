/* Which partial to go on with: files of dead owners are taken over, newest first, under the lock on
 * their state file; what is of no use any more goes. */
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
#include "downloads/partial_private.h"

enum {
    CANDIDATES = 16,
    QUIET = 3600,   /* s: a partial of another machine that nobody wrote to */
    BEING_MADE = 5, /* s: a state file without a header and without data */
};

static bool read_head(int fd, dl_state_head *head)
{
    uint8_t bytes[DL_STATE_HEAD];
    return nb_pread_all(fd, bytes, sizeof bytes, 0, "state", NULL) == NB_OK &&
           dl_state_read(head, bytes, sizeof bytes);
}

/* Nobody's, as far as lock, owner and age can tell. A file system without flock leaves the owner.
 */
static bool without_owner(const dl_partial_look *l)
{
    if (flock(l->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return false;
    if (!l->whole) /* torn, unless it is being made just now: then it has no data yet */
        return l->data || time(NULL) - l->made > BEING_MADE;
    dl_owner_is is = dl_owner_look(&l->head.owner);
    bool quiet = !l->data || time(NULL) - l->st.st_mtime > QUIET;
    return is == DL_OWNER_GONE || (is == DL_OWNER_ELSEWHERE && quiet);
}

bool dl_partial_look_at(int dir, const char *data_name, const char *state_name, int flags,
                        dl_partial_look *l)
{
    struct stat st;
    *l = (dl_partial_look){.fd = dl_openat(dir, state_name, flags, 0)};
    if (l->fd < 0)
        return false;
    if (fstat(l->fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(l->fd);
        return false;
    }
    l->made = st.st_mtime;
    l->data = fstatat(dir, data_name, &l->st, AT_SYMLINK_NOFOLLOW) == 0;
    l->whole = read_head(l->fd, &l->head);
    l->gone = without_owner(l);
    return true;
}

static void remove_both(int dir, const char *data_name, const char *state_name)
{
    unlinkat(dir, data_name, 0);
    unlinkat(dir, state_name, 0);
}

/* --- sweeping ----------------------------------------------------------------------------------
 */

/* State without data, or of a blob that is there: left by a kill around the last rename. */
static void sweep_one(const dl_cache *c, int dir, const char *oid, const char *tag)
{
    char data_name[DL_NAME_MAX], state_name[DL_NAME_MAX];
    dl_blob blob;
    dl_partial_look l;
    dl_partial_names(data_name, state_name, oid, tag);
    if (!dl_partial_look_at(dir, data_name, state_name, O_RDWR, &l))
        return;
    bool landed = l.whole && dl_blob_look(c, dir, oid, &blob) && blob.size == l.head.size;
    if (l.gone && (!l.data || landed))
        remove_both(dir, data_name, state_name);
    close(l.fd);
}

typedef struct candidate {
    char tag[9];
    struct timespec at;
} candidate;

typedef struct listing {
    const dl_cache *c;
    const char *oid; /* wanted; others are only swept */
    candidate row[CANDIDATES];
    size_t n;
} listing;

static void list_one(listing *l, int dir, const char *name)
{
    char oid[65], tag[9], data_name[DL_NAME_MAX], state_name[DL_NAME_MAX];
    bool state;
    struct stat st;
    if (!dl_partial_name(name, oid, tag, &state) || !state)
        return;
    sweep_one(l->c, dir, oid, tag);
    dl_partial_names(data_name, state_name, oid, tag);
    if (!l->oid || strcmp(oid, l->oid) != 0 || l->n == CANDIDATES ||
        fstatat(dir, data_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    candidate *row = &l->row[l->n++];
    row->at = st.st_mtim;
    memcpy(row->tag, tag, sizeof row->tag);
}

static int newest_first(const void *a, const void *b)
{
    const struct timespec *x = &((const candidate *)a)->at, *y = &((const candidate *)b)->at;
    if (x->tv_sec != y->tv_sec)
        return x->tv_sec > y->tv_sec ? -1 : 1;
    return x->tv_nsec > y->tv_nsec ? -1 : x->tv_nsec < y->tv_nsec;
}

static nb_status list_all(listing *l, int dir, nb_err *err)
{
    nb_str names = {0};
    nb_status st = dl_names_in(dir, &names, err);
    for (const char *at = NULL; st == NB_OK && (at = dl_names_next(&names, at));)
        list_one(l, dir, at);
    nb_str_free(&names);
    qsort(l->row, l->n, sizeof l->row[0], newest_first);
    return st;
}

void dl_partial_sweep(const dl_cache *c, const char *repo)
{
    char folder[DL_FOLDER_MAX], rel[DL_REL_MAX];
    listing l = {.c = c};
    int dir;
    if (!dl_folder_of(folder, repo))
        return;
    snprintf(rel, sizeof rel, "%s/blobs", folder);
    if (dl_dir_open(c, rel, false, &dir, NULL) != NB_OK)
        return;
    (void)list_all(&l, dir, NULL);
    close(dir);
}

/* --- removing ----------------------------------------------------------------------------------
 */

void dl_partial_remove(const dl_cache *c, const char *repo, const char *oid)
{
    char folder[DL_FOLDER_MAX], rel[DL_REL_MAX];
    char data_name[DL_NAME_MAX], state_name[DL_NAME_MAX];
    listing l = {.c = c, .oid = oid};
    dl_partial_look at;
    int dir;
    if (!dl_folder_of(folder, repo) || !dl_oid_ok(oid))
        return;
    snprintf(rel, sizeof rel, "%s/blobs", folder);
    if (dl_dir_open(c, rel, false, &dir, NULL) != NB_OK)
        return;
    (void)list_all(&l, dir, NULL);
    for (size_t i = 0; i < l.n; i++) {
        dl_partial_names(data_name, state_name, oid, l.row[i].tag);
        if (!dl_partial_look_at(dir, data_name, state_name, O_RDWR, &at))
            continue;
        if (at.gone)
            remove_both(dir, data_name, state_name);
        close(at.fd);
    }
    close(dir);
    dl_partial_tidy(c, folder);
}

/* --- taking over -------------------------------------------------------------------------------
 */

/* What the earlier run recorded; a record that does not check is a segment to fetch. */
static nb_status load_records(dl_partial *p, nb_err *err)
{
    enum { AT_ONCE = 512 };
    uint8_t bytes[AT_ONCE * DL_STATE_RECORD];
    for (uint32_t i = 0; i < p->n; i += AT_ONCE) {
        uint32_t n = p->n - i < AT_ONCE ? p->n - i : AT_ONCE;
        off_t at = DL_STATE_HEAD + (off_t)i * DL_STATE_RECORD;
        ssize_t got;
        do
            got = pread(p->state, bytes, n * (size_t)DL_STATE_RECORD, at);
        while (got < 0 && errno == EINTR);
        if (got < 0)
            return nb_fail_errno(err, errno, "read", p->state_name);
        for (uint32_t k = 0; k < n && (k + 1) * DL_STATE_RECORD <= (size_t)got; k++)
            if (dl_record_read(bytes + k * DL_STATE_RECORD, &p->head, i + k, &p->crc[i + k]))
                atomic_store(&p->seg[i + k], DL_SEG_RECORDED);
        if (got < (ssize_t)(n * (size_t)DL_STATE_RECORD))
            break; /* the file ends here */
    }
    return NB_OK;
}

/* The data as this user's own plain file with one name: bytes verified later must not be open to
 * another writer. -1 with errno when it is something else. */
static int open_data(int dir, const char *name)
{
    struct stat st;
    int fd = dl_openat(dir, name, O_RDWR, 0);
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 && st.st_uid == geteuid())
        return fd;
    close(fd);
    errno = EPERM;
    return -1;
}

/* As dl_partial_look_at; one whose owner is gone may be locked by somebody who looks at it, too,
 * and is free in a moment. */
static bool look_again(int dir, const char *data_name, const char *state_name, dl_partial_look *l)
{
    enum { TRIES = 20, EVERY_US = 10000 };
    for (int i = 0; dl_partial_look_at(dir, data_name, state_name, O_RDWR, l); i++) {
        bool only_locked = !l->gone && l->whole && dl_owner_look(&l->head.owner) == DL_OWNER_GONE;
        if (!only_locked || i == TRIES)
            return true;
        close(l->fd);
        usleep(EVERY_US);
    }
    return false;
}

/* Takes one over when it is free, sound and of this size. What is free and of no use is removed. */
static bool adopt(dl_partial *p, const char *tag)
{
    dl_partial_look l;
    dl_partial_names(p->data_name, p->state_name, p->head.oid, tag);
    if (!look_again(p->dir, p->data_name, p->state_name, &l))
        return false;
    bool fits = l.whole && strcmp(l.head.oid, p->head.oid) == 0 && l.head.size == p->head.size &&
                l.head.segment == p->head.segment;
    if (l.gone && !fits)
        remove_both(p->dir, p->data_name, p->state_name);
    int data = l.gone && fits ? open_data(p->dir, p->data_name) : -1;
    if (data < 0) {
        close(l.fd);
        return false;
    }
    p->state = l.fd;
    p->data = data;
    p->adopted = true;
    return true;
}

static nb_status create(dl_partial *p, nb_err *err)
{
    const int flags = O_RDWR | O_CREAT | O_EXCL;
    for (int i = 0; i < 100; i++) {
        char tag[9];
        dl_random_hex(tag);
        dl_partial_names(p->data_name, p->state_name, p->head.oid, tag);
        p->state = dl_openat(p->dir, p->state_name, flags, 0666);
        if (p->state < 0 && errno == EEXIST)
            continue;
        if (p->state < 0)
            return nb_fail_errno(err, errno, "create", p->state_name);
        if (flock(p->state, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
            break;
        close(p->state); /* a sweep looks at it just now and will remove it */
        p->state = -1;
    }
    if (p->state < 0)
        return nb_fail(err, NB_IO, "create %s: no free name", p->state_name);
    /* The owner before the data: data without one would be anybody's where flock does nothing. */
    nb_status status = dl_partial_mark(p, true, err);
    if (status == NB_OK && (p->data = dl_openat(p->dir, p->data_name, flags, 0666)) < 0)
        status = nb_fail_errno(err, errno, "create", p->data_name);
    if (status == NB_OK)
        return NB_OK;
    unlinkat(p->dir, p->state_name, 0);
    return status;
}

nb_status dl_partial_attach(dl_partial *p, nb_err *err)
{
    char folder[DL_FOLDER_MAX], rel[DL_REL_MAX];
    listing *l = nb_alloc(1, sizeof *l, "partials", err);
    if (!l)
        return NB_NOMEM;
    l->c = &p->cache;
    l->oid = p->head.oid;
    dl_folder_of(folder, p->repo);
    snprintf(rel, sizeof rel, "%s/blobs", folder);
    nb_status status = dl_dir_open(&p->cache, rel, false, &p->dir, err);
    if (status == NB_OK)
        status = list_all(l, p->dir, err);
    for (size_t i = 0; i < l->n && status == NB_OK && !p->adopted; i++)
        adopt(p, l->row[i].tag);
    free(l);
    dl_owner_self(&p->head.owner);
    if (status == NB_OK)
        status = p->adopted ? load_records(p, err) : create(p, err);
    return status;
}
