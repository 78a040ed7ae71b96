/* Several processes at once, and disks with no room left (A14, A18, hub 16, 17). */
#include "tests/check.h"

#include "core/base/digest.h"
#include "core/base/file.h"
#include "downloads/cache.h"
#include "downloads/partial.h"
#include "tests/tree.h"
#include "tests/util.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char repo[] = "org/repo", commit[] = "5e1c0f1e5e1c0f1e5e1c0f1e5e1c0f1e5e1c0f1e";
enum { SIZE = 2 * DL_SEGMENT + 777 };

typedef struct job {
    dl_cache cache;
    uint8_t *bytes, *buf;
    char oid[65];
} job;

static void job_make(job *j, const char *hub)
{
    *j = (job){.bytes = malloc(SIZE), .buf = malloc(DL_SEGMENT)};
    snprintf(j->cache.hub, sizeof j->cache.hub, "%s", hub);
    test_rng rng = test_rng_make(18);
    for (size_t i = 0; i < SIZE; i++)
        j->bytes[i] = (uint8_t)test_u64(&rng);
    check(nb_sha256_of(j->bytes, SIZE, j->oid, NULL) == NB_OK, "digest");
}

static void job_free(job *j)
{
    free(j->bytes);
    free(j->buf);
}

/* The whole way of one file, on from whatever an earlier or another run left. */
static nb_status land(job *j, nb_err *err)
{
    dl_partial *p = NULL;
    char found[1300];
    NB_TRY(dl_cache_prepare(&j->cache, repo, commit, err));
    nb_status st = NB_OK;
    if (!dl_cache_has_blob(&j->cache, repo, j->oid, SIZE)) {
        NB_TRY(dl_partial_open(&p, &j->cache, repo, j->oid, SIZE, commit, err));
        for (uint32_t i = 0; i < dl_partial_segments(p) && st == NB_OK; i++) {
            uint64_t len, at = dl_partial_segment_at(p, i, &len);
            bool ok = false;
            if (dl_partial_state(p, i) == DL_SEG_RECORDED)
                dl_partial_check(p, i, j->buf, &ok, NULL);
            if (!ok)
                st = dl_partial_write(p, i, at, j->bytes + at, (size_t)len, err);
        }
        if (st == NB_OK)
            st = dl_partial_publish(&p, &j->cache, repo, err);
        dl_partial_close(&p);
    }
    if (st == NB_OK)
        st = dl_cache_link(&j->cache, repo, commit, "sub/w.bin", j->oid, err);
    if (st == NB_OK)
        st = dl_cache_ref(&j->cache, repo, "main", commit, err);
    if (st == NB_OK &&
        !dl_cache_find(&j->cache, repo, commit, "sub/w.bin", SIZE, found, sizeof found))
        st = nb_fail(err, NB_ERROR, "landed but not found");
    return st;
}

static void check_landed(const job *j)
{
    char path[1300], got[65];
    size_t n = 0;
    snprintf(path, sizeof path, "%s/models--org--repo/blobs/%s", j->cache.hub, j->oid);
    char *text = test_slurp(path, &n);
    check(text && nb_sha256_of(text, n, got, NULL) == NB_OK && strcmp(got, j->oid) == 0,
          "the blob holds other bytes");
    free(text);
}

/* Without the courtesy lock, as on a disk where flock does nothing between machines. */
CHECK_TEST(cache, processes_that_land_one_file_at_once_all_end_well) /* A18, hub 17 */
{
    enum { PROCESSES = 4 };
    const int rounds = test_rounds(10, 50);
    for (int round = 0; round < rounds; round++) {
        job j;
        pid_t child[PROCESSES];
        int start[2];
        char byte, name[32];
        snprintf(name, sizeof name, "race%d/hub", round);
        job_make(&j, test_path(tree_scratch(), name));
        check(pipe(start) == 0, "pipe");
        for (int i = 0; i < PROCESSES; i++)
            if ((child[i] = fork()) == 0) {
                nb_err err = {0};
                close(start[1]);
                if (read(start[0], &byte, 1) != 0) /* all begin when the parent closes its end */
                    _exit(2);
                nb_status st = land(&j, &err);
                if (st != NB_OK)
                    fprintf(stderr, "process %d: %s\n", i, err.msg);
                _exit(st == NB_OK ? 0 : 1);
            }
        close(start[0]);
        close(start[1]);
        for (int i = 0; i < PROCESSES; i++) {
            int status;
            check(waitpid(child[i], &status, 0) == child[i] && status == 0, "round %d: status %x",
                  round, status);
        }
        check_landed(&j);
        dl_partial_sweep(&j.cache, repo);
        dl_store s;
        check(dl_store_scan(&j.cache, &s, NULL, NULL) == NB_OK && s.n_left == 0 && s.n_repo == 1 &&
                  !s.repo[0].problem[0],
              "round %d: leftovers", round);
        dl_store_free(&s);
        tree_remove(test_path(tree_scratch(), name));
        job_free(&j);
    }
}

/* A disk of 8 MB with `room` bytes left, below a name space of its own. The answer in the exit
 * status: 0 = well, 3 = nothing may be mounted here. */
static void on_full_disk(job *j, const char *disk, uint64_t room)
{
    char filler[1200];
    nb_err err = {0};
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", disk, "tmpfs", 0, "size=8m") != 0)
        _exit(3);
    snprintf(filler, sizeof filler, "%s/filler", disk);
    int fd = open(filler, O_RDWR | O_CREAT, 0600);
    if (fd < 0 || fallocate(fd, 0, 0, (off_t)((8u << 20) - room)) != 0)
        _exit(4);
    nb_status full = land(j, &err);
    if (full != NB_NOSPACE || !err.msg[0] || dl_cache_has_blob(&j->cache, repo, j->oid, SIZE)) {
        fprintf(stderr, "%d bytes left: status %d %s\n", (int)room, full, err.msg);
        _exit(1);
    }
    if (ftruncate(fd, 0) != 0)
        _exit(4);
    close(fd);
    if (land(j, &err) != NB_OK) { /* the same job, once there is room */
        fprintf(stderr, "after %d bytes were left: %s\n", (int)room, err.msg);
        _exit(1);
    }
    _exit(0);
}

CHECK_TEST(cache, a_full_disk_is_said_and_work_goes_on_when_there_is_room) /* A14, hub 16 */
{
    enum { LEVELS = 20 };
    const char *disk = test_path(tree_scratch(), "disk");
    char hub[1100];
    job j;
    nb_mkdirs(disk, NULL);
    snprintf(hub, sizeof hub, "%s/hub", disk);
    job_make(&j, hub);
    for (int i = 0; i < LEVELS; i++) {
        int status;
        uint64_t room = (uint64_t)(SIZE - 1) / 4096 * 4096 * (uint64_t)i / (LEVELS - 1);
        pid_t child = fork();
        if (child == 0)
            on_full_disk(&j, disk, room);
        check(waitpid(child, &status, 0) == child && WIFEXITED(status), "status %x", status);
        if (WEXITSTATUS(status) == 3)
            check_skip("no file system may be mounted here");
        check(WEXITSTATUS(status) == 0, "%d bytes left: status %d", (int)room, WEXITSTATUS(status));
    }
    job_free(&j);
}
