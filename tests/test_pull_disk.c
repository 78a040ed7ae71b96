/* Disks that are full and files that are large, as a pull meets them (hub 16, 19; A14). */
#include "tests/check.h"
#include "tests/pull.h"
#include "tests/util.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/digest.h"
#include "core/base/file.h"
#include "core/base/job.h"
#include "downloads/partial.h"
#include "downloads/partial_state.h"
#include "kernels/crc32c.h"

enum { MIB = 1 << 20 };

CHECK_TEST(pull_disk, a_file_size_limit_is_survived_A14)
{
    rig r;
    rig_open(&r, 5);
    fake_repo_noise(r.repo, "m.gguf", 5 * MIB, 7);
    for (uint64_t level = 1; level < 20; level++) {
        child c = pull_how(&r, (child_how){.file_limit = level * 5 * MIB / 20},
                           (const char *[]){"ns/repo:m.gguf", NULL});
        check(c.code == 5 && c.n_out == 0, "level %d: status %d: %s", (int)level, c.code, c.err);
        child_free(&c);
        rig_expect_nothing(&r, "m.gguf");
        pull_expect_sound(&r, "m.gguf", "behind the limit");
    }
    child c =
        pull_how(&r, (child_how){.file_limit = 5 * MIB}, (const char *[]){"ns/repo:m.gguf", NULL});
    check(c.code == 0, "exactly enough: status %d: %s", c.code, c.err);
    pull_expect_landed(&r, "m.gguf");
    child_free(&c);
    rig_close(&r);
}

/* --- a full disk ----------------------------------------------------------------------------- */

enum { LEVELS = 20, PAGE = 4096, FILE_PAGES = 1025 /* of m.gguf: 4 MiB and a page */ };

/* A fetch on a tmpfs with so many pages: first as it is, then with more room. Whether it
 * fitted at once; what was wrong, "" = nothing. No check() while something is mounted. */
static bool fill_level(rig *r, const char *dir, unsigned pages, bool insist, char wrong[400])
{
    char size[32];
    snprintf(size, sizeof size, "size=%u", pages * PAGE);
    if (mount("tmpfs", dir, "tmpfs", 0, size) != 0) {
        snprintf(wrong, 400, "cannot be mounted");
        return false;
    }
    r->ignore_space = insist;
    nb_status st = rig_try(r, "m.gguf");
    bool numbers = strstr(r->err.msg, "needs") || strstr(r->err.msg, "missing") || insist;
    if (st != NB_OK && (st != NB_NOSPACE || r->trouble != DL_DISK_FULL || !numbers))
        snprintf(wrong, 400, "%u pages: %s: %.250s", pages, nb_status_text(st), r->err.msg);
    if (mount(NULL, dir, NULL, MS_REMOUNT, "size=8m") == 0 && rig_try(r, "m.gguf") != NB_OK)
        snprintf(wrong, 400, "%u pages, then room: %.300s", pages, r->err.msg);
    else if (!wrong[0] && !nb_exists(r->got.path))
        snprintf(wrong, 400, "%u pages: not landed", pages);
    umount(dir);
    return st == NB_OK;
}

CHECK_TEST(pull_disk, a_full_disk_is_refused_with_numbers_and_goes_on_with_room_A14)
{
    rig r;
    char wrong[400] = "";
    unsigned fitted = 0;
    rig_open(&r, 5);
    fake_repo_noise(r.repo, "m.gguf", (uint64_t)FILE_PAGES * PAGE, 7);
    r.revision = "main";
    if (geteuid() != 0 || mount("tmpfs", r.env.hub, "tmpfs", 0, "size=8m") != 0)
        check_skip("no tmpfs can be mounted here");
    umount(r.env.hub);
    rig_net(&r);
    /* Far below, then page by page around the last byte: state, tag and ref want one each besides,
     * and what is asked for politely one percent. */
    for (unsigned level = 0; level < LEVELS && !wrong[0]; level++) {
        unsigned pages = level < 4 ? 1 + FILE_PAGES * level / 4 : FILE_PAGES - 6 + level;
        fitted += fill_level(&r, r.env.hub, pages, level % 2, wrong);
    }
    rig_close(&r);
    check(!wrong[0], "%s", wrong);
    check(fitted >= 4 && fitted <= LEVELS - 4, "%u of %d levels hold it", fitted, (int)LEVELS);
}

/* --- sixty gigabytes ------------------------------------------------------------------------- */

static void write_at(int fd, const void *bytes, size_t n, uint64_t at)
{
    check(pwrite(fd, bytes, n, (off_t)at) == (ssize_t)n, "the state cannot be written");
}

/* A partial of nothing but holes, each recorded as whole but for three segments. */
static void lay_partial(rig *r, const char *sha256, uint64_t size, const uint32_t left[3])
{
    char data[DL_NAME_MAX], state[DL_NAME_MAX], rest[DL_NAME_MAX + 8];
    uint8_t head[DL_STATE_HEAD], record[DL_STATE_RECORD];
    dl_state_head h = {.size = size, .segment = DL_SEGMENT_BIG};
    uint8_t *zeros = calloc(1, DL_SEGMENT_BIG);
    snprintf(h.oid, sizeof h.oid, "%s", sha256);
    dl_partial_names(data, state, sha256, "0123abcd");
    check(nb_mkdirs(rig_path(r, "blobs"), &r->err) == NB_OK, "%s", r->err.msg);
    snprintf(rest, sizeof rest, "blobs/%s", data);
    int fd = open(rig_path(r, rest), O_RDWR | O_CREAT, 0600);
    check(fd >= 0 && ftruncate(fd, (off_t)size) == 0 && close(fd) == 0, "no sparse file");
    snprintf(rest, sizeof rest, "blobs/%s", state);
    fd = open(rig_path(r, rest), O_RDWR | O_CREAT, 0600);
    dl_state_write(head, &h);
    write_at(fd, head, sizeof head, 0);
    uint32_t crc = nk_crc32c_c(0, zeros, DL_SEGMENT_BIG);
    for (uint32_t i = 0; i < dl_state_segments(&h); i++) {
        dl_record_write(record, &h, i, crc);
        if (i != left[0] && i != left[1] && i != left[2])
            write_at(fd, record, sizeof record, DL_STATE_HEAD + (uint64_t)i * sizeof record);
    }
    close(fd);
    free(zeros);
}

CHECK_TEST(pull_disk, exact_ranges_beyond_fifty_gigabytes_hub_19)
{
    static const uint64_t size = 60000000000;
    static const char sha256[] = "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";
    static const uint32_t left[3] = {256, 2980, 3576}; /* 4 GiB, 50 GB, the end */
    static const char *const want[3] = {"bytes=4294967296-4311744511",
                                        "bytes=49996103680-50012880895",
                                        "bytes=59995324416-59999999999"};
    rig r;
    fake_request *log;
    unsigned seen = 0;
    if (!PULL_PRELOADS)
        check_skip("nothing can be preloaded before a sanitizer");
    rig_open(&r, 5);
    fake_file file = {.path = "big.gguf", .seed = 7, .size = size, .sha256 = sha256};
    check(fake_repo_file(r.repo, &file, &r.err) == NB_OK, "%s", r.err.msg);
    lay_partial(&r, sha256, size, left);
    child c = pull_how(&r, (child_how){.interrupt_after = 1.5, .env = {"NB_NO_FALLOCATE=1"}},
                       (const char *[]){"ns/repo:big.gguf", "--force", NULL});
    check(c.code == 130, "status %d: %s", c.code, c.err); /* it was reading what is recorded */
    child_free(&c);
    size_t n = fake_hub_log(r.hub, &log);
    for (size_t i = 0; i < n; i++) {
        if (log[i].port != FAKE_CDN)
            continue;
        check(log[i].range, "a request for all of it");
        for (int k = 0; k < 3; k++)
            seen |= (strcmp(log[i].range, want[k]) == 0) << k;
    }
    check(seen == 7 && fake_hub_count(r.hub, FAKE_CDN, "GET", NULL) == 3, "of three %x, in all %zu",
          seen, fake_hub_count(r.hub, FAKE_CDN, "GET", NULL));
    fake_hub_log_free(log, n);
    rig_close(&r);
}

/* --- beyond 32 bits, all of it --------------------------------------------------------------- */

static void noise_sha256(uint64_t seed, uint64_t size, char hex[65])
{
    enum { CHUNK = 8 * MIB };
    uint8_t *bytes = malloc(CHUNK);
    nb_sha256 *h = NULL;
    check(bytes && nb_sha256_open(&h, NULL) == NB_OK, "no SHA-256");
    for (uint64_t at = 0; at < size; at += CHUNK) {
        size_t n = size - at < CHUNK ? (size_t)(size - at) : CHUNK;
        fake_noise(seed, at, bytes, n);
        nb_sha256_add(h, bytes, n);
    }
    nb_sha256_hex(h, hex);
    nb_sha256_close(&h);
    free(bytes);
}

/* Every request a range of at most 1 GiB within the file; some of them behind 4 GiB. */
static void expect_bounded_ranges(rig *r, uint64_t size)
{
    fake_request *log;
    size_t n = fake_hub_log(r->hub, &log), beyond = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t first, last;
        if (log[i].port != FAKE_CDN)
            continue;
        check(log[i].range &&
                  sscanf(log[i].range, "bytes=%" SCNu64 "-%" SCNu64, &first, &last) == 2,
              "range \"%s\"", log[i].range ? log[i].range : "");
        check(first <= last && last < size && last - first < UINT64_C(1) << 30, "%s", log[i].range);
        beyond += last >= UINT64_C(1) << 32;
    }
    fake_hub_log_free(log, n);
    check(beyond > 0, "no request behind 4 GiB");
}

CHECK_TEST(pull_disk, a_file_beyond_four_gigabytes_comes_whole_hub_19)
{
    static const uint64_t size = 4402341479; /* 4.1 GiB, and odd */
    rig r;
    char sha256[65];
    uint64_t room = 0;
    if (!getenv("NB_TEST_LONG"))
        check_skip("takes a minute and 4.1 GiB: set NB_TEST_LONG");
    rig_open(&r, 10);
    if (nb_free_space(r.env.hub, &room, NULL) != NB_OK || room < 2 * size)
        check_skip("no room for 4.1 GiB");
    noise_sha256(7, size, sha256);
    fake_file file = {.path = "big.gguf", .seed = 7, .size = size, .sha256 = sha256};
    check(fake_repo_file(r.repo, &file, &r.err) == NB_OK, "%s", r.err.msg);
    double start = nb_now();
    child c = pull_how(&r, (child_how){.seconds = 900, .peak = true},
                       (const char *[]){"ns/repo:big.gguf", NULL});
    double took = nb_now() - start;
    check(c.code == 0, "status %d: %s", c.code, c.err);
    printf("4.1 GiB in %.1f s, peak %.1f MiB\n", took, (double)c.peak / MIB);
    check(c.peak == 0 || c.peak < (uint64_t)64 * MIB * RIG_SLOW, "%.1f MiB of memory",
          (double)c.peak / MIB);
    child_free(&c);
    pull_expect_landed(&r, "big.gguf"); /* reads and hashes it */
    expect_bounded_ranges(&r, size);
    check(rig_served(&r, "big.gguf") < size + RIG_EXTRA, "%" PRIu64 " bytes",
          rig_served(&r, "big.gguf"));
    check(unlink(rig_find_blob(&r, "")) == 0, "no blob");
    rig_close(&r);
}
