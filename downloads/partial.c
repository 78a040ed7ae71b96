#include "downloads/partial.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "downloads/partial_private.h"
#include "kernels/cpu.h"

/* --- life --------------------------------------------------------------------------------------
 */

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void dl_partial_drop(dl_partial **at)
{
    dl_partial *p = *at;
    if (!p)
        return;
    close_fd(&p->data);
    close_fd(&p->state); /* and with it the lock */
    close_fd(&p->dir);
    free(p->seg);
    free(p->crc);
    free(p->filled);
    free(p->before);
    free(p->redone);
    free(p);
    *at = NULL;
}

nb_status dl_partial_mark(dl_partial *p, bool owned, nb_err *err)
{
    uint8_t bytes[DL_STATE_HEAD];
    dl_state_head head = p->head;
    if (!owned)
        head.owner = (dl_owner){0};
    dl_state_write(bytes, &head);
    return nb_pwrite_all(p->state, bytes, sizeof bytes, 0, p->state_name, err);
}

static nb_status make(dl_partial **out, const dl_cache *c, const char *repo, const char *oid,
                      uint64_t size, const char *commit, nb_err *err)
{
    const uint32_t segment = size > UINT64_C(16) << 30 ? DL_SEGMENT_BIG : DL_SEGMENT;
    if (!dl_repo_ok(repo) || !dl_oid_ok(oid) || (commit[0] && !dl_commit_ok(commit)))
        return nb_fail(err, NB_REFUSED, "partial: \"%.80s\" of \"%.80s\" is no content id", oid,
                       repo);
    if (size > (uint64_t)segment * DL_SEGMENTS_MAX)
        return nb_fail(err, NB_UNSUPPORTED, "file of %" PRIu64 " bytes, at most %" PRIu64, size,
                       (uint64_t)segment * DL_SEGMENTS_MAX);
    dl_partial *p = nb_alloc(1, sizeof *p, "partial", err);
    if (!p)
        return NB_NOMEM;
    p->cache = *c;
    p->dir = p->data = p->state = -1;
    p->head = (dl_state_head){.size = size, .segment = segment};
    snprintf(p->head.oid, sizeof p->head.oid, "%s", oid);
    snprintf(p->head.commit, sizeof p->head.commit, "%s", commit);
    snprintf(p->repo, sizeof p->repo, "%s", repo);
    p->crc32c = nk_crc32c(nk_cpu_detect());
    p->n = dl_state_segments(&p->head);
    p->seg = nb_alloc(p->n + 1, sizeof *p->seg, "partial", err);
    p->crc = nb_alloc(p->n + 1, sizeof *p->crc, "partial", err);
    p->filled = nb_alloc(p->n + 1, sizeof *p->filled, "partial", err);
    p->before = nb_alloc(p->n + 1, sizeof *p->before, "partial", err);
    p->redone = nb_alloc(p->n + 1, sizeof *p->redone, "partial", err);
    if (!p->seg || !p->crc || !p->filled || !p->before || !p->redone) {
        dl_partial_drop(&p);
        return NB_NOMEM;
    }
    *out = p;
    return NB_OK;
}

/* Blocks for all of it, now; what an earlier run took is not taken twice. */
static nb_status reserve(dl_partial *p, nb_err *err)
{
    struct stat st;
    nb_err why = {.status = NB_OK};
    if (fstat(p->data, &st) != 0)
        return nb_fail_errno(err, errno, "stat", p->path);
    if ((uint64_t)st.st_size > p->head.size && ftruncate(p->data, (off_t)p->head.size) != 0)
        return nb_fail_errno(err, errno, "cut", p->path);
    if (p->head.size == 0)
        return NB_OK;
    nb_status status = nb_reserve(p->data, p->head.size, p->path, &why);
    if (status == NB_NOSPACE) { /* rather the bytes missing than the system's word */
        uint64_t have = (uint64_t)st.st_blocks * 512;
        uint64_t need = p->head.size > have ? p->head.size - have : 0;
        if (nb_need_space(p->path, need, err) == NB_NOSPACE)
            return NB_NOSPACE;
    }
    if (status != NB_OK && err)
        *err = why;
    return status;
}

static void remove_files(const dl_partial *p)
{
    unlinkat(p->dir, p->data_name, 0);
    unlinkat(p->dir, p->state_name, 0);
}

nb_status dl_partial_open(dl_partial **out, const dl_cache *c, const char *repo, const char *oid,
                          uint64_t size, const char *commit, nb_err *err)
{
    char dir[1300];
    dl_partial *p = NULL;
    NB_TRY(make(&p, c, repo, oid, size, commit, err));
    nb_status status = dl_partial_attach(p, err);
    if (status == NB_OK && (!dl_cache_repo_dir(c, repo, dir, sizeof dir) ||
                            snprintf(p->path, sizeof p->path, "%s/blobs/%s", dir, p->data_name) >=
                                (int)sizeof p->path))
        status = nb_fail(err, NB_IO, "%s: path is too long", p->data_name);
    if (status == NB_OK)
        status = dl_partial_mark(p, true, err);
    if (status == NB_OK)
        status = reserve(p, err);
    if (status == NB_OK) {
        *out = p;
        return NB_OK;
    }
    if (p->adopted)
        dl_partial_close(&p);
    if (p && p->data >= 0)
        remove_files(p);
    dl_partial_drop(&p);
    return status;
}

void dl_partial_close(dl_partial **p)
{
    if (*p)
        (void)dl_partial_mark(*p, false, NULL); /* unmarked, it is free once this process ended */
    dl_partial_drop(p);
}

/* Snapshots without an entry; unlinkat refuses the others. */
static void tidy_snapshots(int snapshots)
{
    int copy = openat(snapshots, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    if (!d && copy >= 0)
        close(copy);
    for (const struct dirent *e; d && (e = readdir(d));)
        if (dl_commit_ok(e->d_name))
            unlinkat(snapshots, e->d_name, AT_REMOVEDIR);
    if (d)
        closedir(d);
}

/* Without snapshots/ a repository with refs counts as broken, so that one comes back if need be. */
void dl_partial_tidy(const dl_cache *c, const char *folder)
{
    int top, snapshots;
    if (dl_dir_open(c, folder, false, &top, NULL) != NB_OK)
        return;
    bool empty = unlinkat(top, "blobs", AT_REMOVEDIR) == 0;
    if (empty && dl_dir_at(top, "snapshots", false, folder, &snapshots, NULL) == NB_OK) {
        tidy_snapshots(snapshots);
        close(snapshots);
        empty = unlinkat(top, "snapshots", AT_REMOVEDIR) == 0;
    }
    close(top);
    int hub;
    if (!empty || dl_dir_open(c, "", false, &hub, NULL) != NB_OK)
        return;
    bool gone = unlinkat(hub, folder, AT_REMOVEDIR) == 0;
    close(hub);
    if (!gone && dl_dir_open(c, folder, false, &top, NULL) == NB_OK) {
        mkdirat(top, "snapshots", 0777);
        close(top);
    }
}

void dl_partial_discard(dl_partial **p)
{
    if (!*p)
        return;
    char folder[DL_FOLDER_MAX];
    remove_files(*p);
    dl_folder_of(folder, (*p)->repo);
    dl_partial_tidy(&(*p)->cache, folder);
    dl_partial_drop(p);
}

void dl_partial_quarantine(dl_partial **at)
{
    dl_partial *p = *at;
    char bad[DL_NAME_MAX];
    if (!p)
        return;
    const char *cut = strstr(p->data_name, ".incomplete");
    snprintf(bad, sizeof bad, "%.*s.bad.incomplete", (int)(cut - p->data_name), p->data_name);
    if (dl_renameat(p->dir, p->data_name, p->dir, bad) != 0)
        unlinkat(p->dir, p->data_name, 0);
    unlinkat(p->dir, p->state_name, 0);
    dl_partial_drop(at);
}

nb_status dl_partial_publish(dl_partial **at, const dl_cache *c, const char *repo, nb_err *err)
{
    dl_partial *p = *at;
    nb_status status = NB_OK;
    for (uint32_t i = 0; i < p->n && status == NB_OK; i++)
        if (dl_partial_state(p, i) != DL_SEG_WHOLE)
            status = nb_fail(err, NB_REFUSED, "%s: segment %u of %u is not whole", p->data_name, i,
                             p->n);
    if (status == NB_OK) {
        int fd = p->data;
        p->data = -1;
        status = dl_cache_publish_blob(c, repo, p->head.oid, fd, p->path, err);
    }
    if (status != NB_OK) {
        dl_partial_close(at);
        return status;
    }
    unlinkat(p->dir, p->state_name, 0);
    dl_partial_drop(at);
    return NB_OK;
}

/* --- what it is --------------------------------------------------------------------------------
 */

uint64_t dl_partial_size(const dl_partial *p)
{
    return p->head.size;
}

uint32_t dl_partial_segments(const dl_partial *p)
{
    return p->n;
}

uint64_t dl_partial_segment_at(const dl_partial *p, uint32_t i, uint64_t *len)
{
    uint64_t at = (uint64_t)i * p->head.segment, left = p->head.size - at;
    *len = left < p->head.segment ? left : p->head.segment;
    return at;
}

bool dl_partial_adopted(const dl_partial *p)
{
    return p->adopted;
}

const char *dl_partial_path(const dl_partial *p)
{
    return p->path;
}

dl_segment_state dl_partial_state(const dl_partial *p, uint32_t i)
{
    return (dl_segment_state)atomic_load(&p->seg[i]);
}

bool dl_partial_differed(const dl_partial *p, uint32_t i)
{
    return p->redone[i] && dl_partial_state(p, i) == DL_SEG_WHOLE && p->before[i] != p->crc[i];
}

/* --- bytes -------------------------------------------------------------------------------------
 */

static nb_status record(dl_partial *p, uint32_t i, nb_err *err)
{
    uint8_t bytes[DL_STATE_RECORD];
    dl_record_write(bytes, &p->head, i, p->crc[i]);
    return nb_pwrite_all(p->state, bytes, sizeof bytes,
                         DL_STATE_HEAD + (uint64_t)i * DL_STATE_RECORD, p->state_name, err);
}

nb_status dl_partial_write(dl_partial *p, uint32_t i, uint64_t at, const void *bytes, size_t n,
                           nb_err *err)
{
    uint64_t len, start = dl_partial_segment_at(p, i, &len);
    if (dl_partial_state(p, i) == DL_SEG_WHOLE)
        return NB_OK;
    if (at == start) {
        p->crc[i] = p->filled[i] = 0;
        atomic_store(&p->seg[i], DL_SEG_TODO);
    }
    if (at != start + p->filled[i] || n > len - p->filled[i])
        return nb_fail(err, NB_REFUSED,
                       "segment %u: %zu bytes at %" PRIu64 ", expected at most %" PRIu64
                       " at %" PRIu64,
                       i, n, at, len - p->filled[i], start + p->filled[i]);
    NB_TRY(nb_pwrite_all(p->data, bytes, n, at, p->path, err));
    p->crc[i] = p->crc32c(p->crc[i], bytes, n);
    p->filled[i] += (uint32_t)n;
    if (p->filled[i] < len)
        return NB_OK;
    nb_write_behind(p->data, start, len); /* leaves the last fsync little to do */
    NB_TRY(record(p, i, err));
    atomic_store(&p->seg[i], DL_SEG_WHOLE);
    return NB_OK;
}

/* What cannot be read is as good as wrong: the segment is fetched again. */
nb_status dl_partial_check(dl_partial *p, uint32_t i, uint8_t *buf, bool *ok, nb_err *err)
{
    uint64_t len, at = dl_partial_segment_at(p, i, &len);
    (void)err;
    *ok = nb_pread_all(p->data, buf, (size_t)len, at, p->path, NULL) == NB_OK &&
          p->crc32c(0, buf, (size_t)len) == p->crc[i];
    atomic_store(&p->seg[i], *ok ? DL_SEG_WHOLE : DL_SEG_TODO);
    return NB_OK;
}

nb_status dl_partial_read(dl_partial *p, uint32_t i, uint8_t *buf, nb_err *err)
{
    uint64_t len, at = dl_partial_segment_at(p, i, &len);
    return nb_pread_all(p->data, buf, (size_t)len, at, p->path, err);
}

nb_status dl_partial_again(dl_partial *p, uint32_t i, nb_err *err)
{
    static const uint8_t nothing[DL_STATE_RECORD];
    p->before[i] = p->crc[i];
    p->redone[i] = true;
    p->filled[i] = 0;
    atomic_store(&p->seg[i], DL_SEG_TODO);
    return nb_pwrite_all(p->state, nothing, sizeof nothing,
                         DL_STATE_HEAD + (uint64_t)i * DL_STATE_RECORD, p->state_name, err);
}
