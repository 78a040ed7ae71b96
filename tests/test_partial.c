/* Files on their way: what a run leaves, what the next one takes over, what damage costs (hub 2, 4,
 * 5, 6a). */
#include "tests/check.h"

#include "core/base/digest.h"
#include "core/base/file.h"
#include "downloads/partial.h"
#include "downloads/partial_state.h"
#include "tests/tree.h"
#include "tests/util.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char repo[] = "org/repo", commit[] = "5e1c0f1e5e1c0f1e5e1c0f1e5e1c0f1e5e1c0f1e";
enum { SIZE = 5 * DL_SEGMENT + 1234, SEGMENTS = 6 };

typedef struct bench {
    dl_cache cache;
    uint8_t *bytes, *buf;
    char oid[65], blobs[1200];
} bench;

static void bench_make(bench *b, const char *name)
{
    nb_hub_env *env = calloc(1, sizeof *env);
    nb_err err = {0};
    snprintf(env->home, sizeof env->home, "%s/%s", tree_scratch(), name);
    snprintf(env->hub, sizeof env->hub, "%s/%s/hub", tree_scratch(), name);
    check(dl_cache_open(&b->cache, env, &err) == NB_OK, "%s", err.msg);
    free(env);
    check(dl_cache_prepare(&b->cache, repo, commit, &err) == NB_OK, "%s", err.msg);
    b->bytes = malloc(SIZE);
    b->buf = malloc(DL_SEGMENT);
    test_rng rng = test_rng_make(5);
    for (size_t i = 0; i < SIZE; i++)
        b->bytes[i] = (uint8_t)test_u64(&rng);
    check(nb_sha256_of(b->bytes, SIZE, b->oid, &err) == NB_OK, "%s", err.msg);
    snprintf(b->blobs, sizeof b->blobs, "%s/models--org--repo/blobs", b->cache.hub);
}

static void bench_free(bench *b)
{
    free(b->bytes);
    free(b->buf);
}

static dl_partial *take(bench *b)
{
    dl_partial *p = NULL;
    nb_err err = {0};
    check(dl_partial_open(&p, &b->cache, repo, b->oid, SIZE, commit, &err) == NB_OK, "%s", err.msg);
    return p;
}

static void fetch(bench *b, dl_partial *p, uint32_t i)
{
    uint64_t len, at = dl_partial_segment_at(p, i, &len);
    nb_err err = {0};
    for (uint64_t done = 0; done < len; done += 300000) {
        size_t n = len - done < 300000 ? (size_t)(len - done) : 300000;
        check(dl_partial_write(p, i, at + done, b->bytes + at + done, n, &err) == NB_OK, "%s",
              err.msg);
    }
    check(dl_partial_state(p, i) == DL_SEG_WHOLE, "segment %d", (int)i);
}

/* Re-reads what was recorded, as a resuming run does; segments to fetch afterwards. */
static unsigned reread(bench *b, dl_partial *p)
{
    unsigned todo = 0;
    for (uint32_t i = 0; i < SEGMENTS; i++) {
        bool ok = false;
        if (dl_partial_state(p, i) == DL_SEG_RECORDED)
            check(dl_partial_check(p, i, b->buf, &ok, NULL) == NB_OK, "check");
        check(ok == (dl_partial_state(p, i) == DL_SEG_WHOLE), "segment %d", (int)i);
        todo += dl_partial_state(p, i) == DL_SEG_TODO;
    }
    return todo;
}

static void finish(bench *b, dl_partial *p)
{
    nb_err err = {0};
    char path[1400];
    size_t n;
    for (uint32_t i = 0; i < SEGMENTS; i++)
        if (dl_partial_state(p, i) != DL_SEG_WHOLE)
            fetch(b, p, i);
    check(dl_partial_publish(&p, &b->cache, repo, &err) == NB_OK && !p, "%s", err.msg);
    snprintf(path, sizeof path, "%s/%s", b->blobs, b->oid);
    char *got = test_slurp(path, &n);
    check(got && n == SIZE && memcmp(got, b->bytes, SIZE) == 0, "the blob's bytes");
    free(got);
}

/* Names in blobs/ that end in suffix; the last one's path in out (may be NULL). */
static unsigned files(const bench *b, const char *suffix, char *out)
{
    unsigned n = 0;
    DIR *d = opendir(b->blobs);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.' && nb_has_suffix(e->d_name, suffix)) {
            n++;
            if (out)
                snprintf(out, 1600, "%s/%s", b->blobs, e->d_name);
        }
    if (d)
        closedir(d);
    return n;
}

/* Runs fn in a child that is killed where it stands, as kill -9 would. */
static void in_killed_child(bench *b, void (*fn)(bench *b))
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        fn(b);
        _exit(1);
    }
    check(waitpid(child, &status, 0) == child && WIFSIGNALED(status), "status %x", status);
}

CHECK_TEST(partial, a_new_file_is_reserved_written_and_published)
{
    bench b;
    struct stat st;
    char path[1600];
    uint64_t len;
    bench_make(&b, "new");
    dl_partial *p = take(&b);
    check(!dl_partial_adopted(p) && dl_partial_size(p) == SIZE, "new");
    check(dl_partial_segments(p) == SEGMENTS && dl_partial_segment_at(p, 5, &len) == SIZE - 1234 &&
              len == 1234,
          "segments");
    check(files(&b, ".incomplete", NULL) == 2 && files(&b, ".state.incomplete", NULL) == 1,
          "two files, both for hf cache prune");
    check(stat(dl_partial_path(p), &st) == 0 && st.st_size == SIZE, "%d bytes", (int)st.st_size);
    finish(&b, p);
    check(files(&b, ".incomplete", path) == 0, "left: %s", path);
    bench_free(&b);
}

static void fetch_three_and_die(bench *b)
{
    dl_partial *p = take(b);
    fetch(b, p, 0);
    fetch(b, p, 4);
    fetch(b, p, 2);
    uint64_t len, at = dl_partial_segment_at(p, 1, &len);
    dl_partial_write(p, 1, at, b->bytes + at, 1000, NULL); /* in flight */
    raise(SIGKILL);
}

CHECK_TEST(partial, a_killed_run_costs_only_what_was_in_flight) /* hub 4 */
{
    bench b;
    char path[1600];
    bench_make(&b, "killed");
    in_killed_child(&b, fetch_three_and_die);
    check(files(&b, ".state.incomplete", path) == 1, "one state file");
    int look = open(path, O_RDWR); /* somebody's, for a moment: his until he ends */
    check(look >= 0 && flock(look, LOCK_EX) == 0, "lock");
    if (fork() == 0)
        _exit(usleep(50000));
    close(look);
    dl_partial *p = take(&b);
    check(dl_partial_adopted(p) && wait(NULL) > 0, "not taken over");
    for (uint32_t i = 0; i < SEGMENTS; i++)
        check(dl_partial_state(p, i) == (i % 2 ? DL_SEG_TODO : DL_SEG_RECORDED), "segment %d",
              (int)i);
    check(reread(&b, p) == 3, "segments to fetch");
    finish(&b, p);
    check(files(&b, ".incomplete", path) == 0, "left: %s", path);
    bench_free(&b);
}

static void fetch_all_and_die(bench *b)
{
    dl_partial *p = take(b);
    for (uint32_t i = 0; i < SEGMENTS; i++)
        fetch(b, p, i);
    raise(SIGKILL);
}

CHECK_TEST(partial, a_whole_file_killed_before_its_rename_is_checked_and_published) /* hub 5 */
{
    bench b;
    bench_make(&b, "unnamed");
    in_killed_child(&b, fetch_all_and_die);
    dl_partial *p = take(&b);
    check(dl_partial_adopted(p) && reread(&b, p) == 0, "nothing to fetch");
    for (uint32_t i = 0; i < SEGMENTS; i++) {
        uint64_t len, at = dl_partial_segment_at(p, i, &len);
        nb_err err = {0};
        check(dl_partial_read(p, i, b.buf, &err) == NB_OK && memcmp(b.buf, b.bytes + at, len) == 0,
              "segment %d %s", (int)i, err.msg);
    }
    finish(&b, p);
    bench_free(&b);
}

/* One byte changed at `at` of a file, or the file cut there when `cut`. */
static void damage(const char *path, off_t at, bool cut)
{
    uint8_t byte;
    int fd = open(path, O_RDWR);
    check(fd >= 0, "%s", path);
    if (cut)
        check(ftruncate(fd, at) == 0, "cut");
    else
        check(pread(fd, &byte, 1, at) == 1 && (byte ^= 16, pwrite(fd, &byte, 1, at) == 1), "flip");
    close(fd);
}

CHECK_TEST(partial, damage_costs_the_segment_it_is_in) /* hub 4, 6a */
{
    const off_t record = DL_STATE_HEAD + 2 * DL_STATE_RECORD;
    const struct {
        const char *what;
        bool state, cut;
        off_t at;
        unsigned todo;
        bool adopted;
    } rows[] = {
        {"nothing", true, true, DL_STATE_HEAD + SEGMENTS * DL_STATE_RECORD, 0, true},
        {"one byte of the data", false, false, 2 * DL_SEGMENT + 77, 1, true},
        {"the last byte of the data", false, false, SIZE - 1, 1, true},
        {"data cut in segment 3", false, true, 3 * DL_SEGMENT + 5, 3, true},
        {"data cut to nothing", false, true, 0, SEGMENTS, true},
        {"a record's crc", true, false, record, 1, true},
        {"a record's check", true, false, record + 5, 1, true},
        {"a record torn in the middle", true, true, record + 4, 4, true},
        {"all records gone", true, true, DL_STATE_HEAD, SEGMENTS, true},
        {"the header", true, false, 20, SEGMENTS, false},
        {"the header torn", true, true, DL_STATE_HEAD - 1, SEGMENTS, false},
        {"an empty state file", true, true, 0, SEGMENTS, false},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        bench b;
        char name[32], path[1600], other[1600];
        snprintf(name, sizeof name, "damage%d", (int)i);
        bench_make(&b, name);
        in_killed_child(&b, fetch_all_and_die);
        files(&b, ".state.incomplete", path);
        if (!rows[i].state)
            strcpy(strstr(path, ".state.incomplete"), ".incomplete");
        damage(path, rows[i].at, rows[i].cut);
        dl_partial *p = take(&b);
        check(dl_partial_adopted(p) == rows[i].adopted, "%s: adopted", rows[i].what);
        unsigned todo = reread(&b, p);
        check(todo == rows[i].todo, "%s: %u segments", rows[i].what, todo);
        finish(&b, p);
        check(files(&b, ".incomplete", other) == 0, "%s: left %s", rows[i].what, other);
        bench_free(&b);
    }
}

CHECK_TEST(partial, a_paused_one_goes_on_and_a_live_one_is_left_alone) /* hub 17 */
{
    bench b;
    bench_make(&b, "owners");
    dl_partial *live = take(&b);
    fetch(&b, live, 0);
    dl_partial *second = take(&b); /* the first is ours and open */
    check(!dl_partial_adopted(second) &&
              strcmp(dl_partial_path(live), dl_partial_path(second)) != 0,
          "two writers of one file");
    fetch(&b, second, 1);
    dl_partial_close(&second);
    check(!second, "closed");
    second = take(&b);
    check(dl_partial_adopted(second) && dl_partial_state(second, 1) == DL_SEG_RECORDED, "paused");
    finish(&b, second);
    finish(&b, live); /* and publishing twice is no harm */
    check(files(&b, ".incomplete", NULL) == 0, "left");
    bench_free(&b);
}

/* Rewrites the owner of the only state file. */
static void set_owner(bench *b, const dl_owner *owner)
{
    char path[1600];
    uint8_t bytes[DL_STATE_HEAD];
    dl_state_head head;
    check(files(b, ".state.incomplete", path) == 1, "one state file");
    int fd = open(path, O_RDWR);
    check(fd >= 0 && pread(fd, bytes, sizeof bytes, 0) == sizeof bytes &&
              dl_state_read(&head, bytes, sizeof bytes),
          "%s", path);
    head.owner = *owner;
    dl_state_write(bytes, &head);
    check(pwrite(fd, bytes, sizeof bytes, 0) == sizeof bytes, "write");
    close(fd);
}

/* Killed, and its parent has not asked for it: in a container that may last for ever. */
CHECK_TEST(partial, an_owner_that_was_not_reaped_is_gone)
{
    int ready[2], go[2];
    dl_owner owner;
    check(pipe(ready) == 0 && pipe(go) == 0, "pipe");
    pid_t pid = fork();
    if (pid == 0) {
        dl_owner_self(&owner);
        ssize_t n = write(ready[1], &owner, sizeof owner);
        char byte;
        n = read(go[0], &byte, n > 0);
        _exit(0);
    }
    check(pid > 0 && read(ready[0], &owner, sizeof owner) == (ssize_t)sizeof owner, "child");
    check(owner.pid == pid && dl_owner_look(&owner) == DL_OWNER_RUNS, "it runs");
    siginfo_t info;
    check(write(go[1], "x", 1) == 1 && waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0,
          "end");
    check(dl_owner_look(&owner) == DL_OWNER_GONE, "it ended");
    waitpid(pid, NULL, 0);
    for (int i = 0; i < 2; i++) {
        close(ready[i]);
        close(go[i]);
    }
}

CHECK_TEST(partial, owners_are_told_apart_without_the_lock) /* hub 17: flock that does nothing */
{
    dl_owner self, o;
    dl_owner_self(&self);
    check(self.pid == getpid() && dl_owner_look(&self) == DL_OWNER_RUNS, "we run");
    o = self;
    o.pid = 0;
    check(dl_owner_look(&o) == DL_OWNER_GONE, "nobody");
    o = self;
    o.start++;
    check(dl_owner_look(&o) == DL_OWNER_GONE, "the number was given anew");
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    waitpid(child, NULL, 0);
    o = self;
    o.pid = child;
    check(dl_owner_look(&o) == DL_OWNER_GONE, "a process that ended");
    o = self;
    memset(o.boot, 'f', 36);
    check(dl_owner_look(&o) == DL_OWNER_GONE, "before the restart");
    snprintf(o.host, sizeof o.host, "elsewhere");
    check(dl_owner_look(&o) == DL_OWNER_ELSEWHERE, "another machine");

    bench b;
    bench_make(&b, "elsewhere");
    dl_partial *p = take(&b);
    fetch(&b, p, 3);
    dl_partial_close(&p);
    set_owner(&b, &o);
    p = take(&b);
    check(!dl_partial_adopted(p), "another machine's, written just now");
    dl_partial_discard(&p);
    char path[1600];
    check(files(&b, ".state.incomplete", path) == 1, "the other's is kept");
    strcpy(strstr(path, ".state.incomplete"), ".incomplete");
    struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    check(utimensat(AT_FDCWD, path, old, 0) == 0, "utimensat");
    p = take(&b);
    check(dl_partial_adopted(p) && dl_partial_state(p, 3) == DL_SEG_RECORDED, "long quiet");
    finish(&b, p);
    bench_free(&b);
}

CHECK_TEST(partial, only_a_plain_file_of_ones_own_is_taken_over) /* hub 22 */
{
    bench b;
    char state[1600], data[1600], victim[1600];
    bench_make(&b, "planted");
    snprintf(victim, sizeof victim, "%s/victim", b.cache.hub);
    for (int i = 0; i < 3; i++) {
        dl_partial *p = take(&b);
        fetch(&b, p, 0);
        dl_partial_close(&p);
        check(files(&b, ".state.incomplete", state) == 1, "state");
        snprintf(data, sizeof data, "%.*s.incomplete",
                 (int)(strstr(state, ".state.incomplete") - state), state);
        test_spit(victim, "precious", 8);
        if (i < 2)
            check(unlink(data) == 0 && (i ? link(victim, data) : symlink(victim, data)) == 0,
                  "plant");
        else
            check(unlink(state) == 0 && symlink(victim, state) == 0, "plant");
        p = take(&b);
        check(!dl_partial_adopted(p), "row %d: taken over", i);
        fetch(&b, p, 0);
        dl_partial_discard(&p);
        size_t n;
        char *text = test_slurp(victim, &n);
        check(n == 8 && memcmp(text, "precious", 8) == 0, "row %d: written through", i);
        free(text);
        unlink(state);
        unlink(data);
        nb_mkdirs(b.blobs, NULL);
    }
    bench_free(&b);
}

CHECK_TEST(partial, a_segment_fetched_again_tells_whether_it_differed) /* hub 6b */
{
    bench b;
    nb_err err = {0};
    bench_make(&b, "again");
    dl_partial *p = take(&b);
    b.bytes[DL_SEGMENT + 9] ^= 1; /* the server's flip */
    for (uint32_t i = 0; i < SEGMENTS; i++)
        fetch(&b, p, i);
    b.bytes[DL_SEGMENT + 9] ^= 1;
    for (uint32_t i = 0; i < 2; i++) {
        check(dl_partial_again(p, i, &err) == NB_OK && dl_partial_state(p, i) == DL_SEG_TODO, "%s",
              err.msg);
        check(!dl_partial_differed(p, i), "not yet fetched");
        fetch(&b, p, i);
        check(dl_partial_differed(p, i) == (i == 1), "segment %d", (int)i);
    }
    finish(&b, p);
    bench_free(&b);
}

CHECK_TEST(partial, bytes_out_of_order_or_past_the_end_are_refused) /* hub 8, 9 */
{
    bench b;
    nb_err err = {0};
    bench_make(&b, "order");
    dl_partial *p = take(&b);
    const uint64_t at = DL_SEGMENT;
    check(dl_partial_write(p, 1, at, b.bytes + at, 100, &err) == NB_OK, "%s", err.msg);
    check(dl_partial_write(p, 1, at + 101, b.bytes, 10, &err) == NB_REFUSED, "a gap");
    check(dl_partial_write(p, 1, at + 99, b.bytes, 10, &err) == NB_REFUSED, "a step back");
    check(dl_partial_write(p, 1, at - 1, b.bytes, 10, &err) == NB_REFUSED, "another segment");
    check(dl_partial_write(p, 1, at + 100, b.bytes, DL_SEGMENT, &err) == NB_REFUSED, "too much");
    check(dl_partial_write(p, 5, SIZE - 1234, b.bytes, 1235, &err) == NB_REFUSED, "past the end");
    fetch(&b, p, 1); /* and from the start again is fine */
    check(dl_partial_write(p, 1, at, b.buf, 100, &err) == NB_OK &&
              dl_partial_state(p, 1) == DL_SEG_WHOLE,
          "dropped");
    finish(&b, p);
    bench_free(&b);
}

CHECK_TEST(partial, discard_leaves_no_file_and_no_empty_folder) /* hub 18 */
{
    bench b;
    char folder[1300];
    bench_make(&b, "discard");
    dl_partial *p = take(&b);
    fetch(&b, p, 0);
    dl_partial_discard(&p);
    check(!p && dl_cache_repo_dir(&b.cache, repo, folder, sizeof folder), "freed");
    check(!nb_exists(folder), "%s is left", folder);
    check(dl_cache_prepare(&b.cache, repo, commit, NULL) == NB_OK, "prepare");
    check(nb_mkdirs(test_path(folder, "refs"), NULL) == NB_OK, "refs");
    p = take(&b);
    dl_partial_discard(&p);
    check(nb_is_dir(test_path(folder, "snapshots")), "refs without snapshots/ count as broken");
    bench_free(&b);
}

CHECK_TEST(partial, quarantine_keeps_the_bytes_and_frees_the_name) /* hub 6c */
{
    bench b;
    char path[1600];
    bench_make(&b, "bad");
    dl_partial *p = take(&b);
    fetch(&b, p, 0);
    dl_partial_quarantine(&p);
    check(!p && files(&b, ".incomplete", path) == 1 && nb_has_suffix(path, ".bad.incomplete"), "%s",
          path);
    p = take(&b);
    check(!dl_partial_adopted(p), "quarantined bytes were taken over");
    finish(&b, p);
    bench_free(&b);
}

CHECK_TEST(partial, publishing_needs_every_segment_and_keeps_the_rest)
{
    bench b;
    nb_err err = {0};
    bench_make(&b, "early");
    dl_partial *p = take(&b);
    fetch(&b, p, 0);
    check(dl_partial_publish(&p, &b.cache, repo, &err) == NB_REFUSED && !p, "%s", err.msg);
    check(!dl_cache_has_blob(&b.cache, repo, b.oid, UINT64_MAX), "a blob of one segment");
    p = take(&b);
    check(dl_partial_adopted(p) && dl_partial_state(p, 0) == DL_SEG_RECORDED, "kept");
    finish(&b, p);
    bench_free(&b);
}

static void publish_and_die(bench *b)
{
    char data[1600], blob[1600];
    dl_partial *p = take(b);
    fetch(b, p, 0);
    snprintf(data, sizeof data, "%s", dl_partial_path(p));
    snprintf(blob, sizeof blob, "%s/%s", b->blobs, b->oid);
    rename(data, blob); /* the rename came through, the rest did not */
    raise(SIGKILL);
}

CHECK_TEST(partial, what_a_kill_after_the_rename_left_is_swept)
{
    bench b;
    char path[1600];
    bench_make(&b, "swept");
    in_killed_child(&b, publish_and_die);
    check(files(&b, ".incomplete", NULL) == 1, "state is left");
    dl_partial_sweep(&b.cache, repo);
    check(files(&b, ".incomplete", path) == 0, "left: %s", path);
    bench_free(&b);
}

static void open_over_limit(bench *b)
{
    struct rlimit r = {SIZE / 2, SIZE / 2};
    nb_err err = {0};
    dl_partial *p = NULL;
    signal(SIGXFSZ, SIG_IGN);
    bool ok = setrlimit(RLIMIT_FSIZE, &r) == 0 &&
              dl_partial_open(&p, &b->cache, repo, b->oid, SIZE, commit, &err) == NB_NOSPACE &&
              !p && strstr(err.msg, "bytes");
    if (ok)
        raise(SIGKILL);
}

CHECK_TEST(partial, no_room_is_said_before_a_byte_and_leaves_nothing) /* A14, hub 16 */
{
    bench b;
    char path[1600];
    bench_make(&b, "full");
    in_killed_child(&b, open_over_limit);
    check(files(&b, ".incomplete", path) == 0, "left: %s", path);
    bench_free(&b);
}

CHECK_TEST(partial, an_empty_file_has_no_segments)
{
    bench b;
    nb_err err = {0};
    dl_partial *p = NULL;
    static const char none[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    bench_make(&b, "empty");
    check(dl_partial_open(&p, &b.cache, repo, none, 0, commit, &err) == NB_OK, "%s", err.msg);
    check(dl_partial_segments(p) == 0, "segments");
    check(dl_partial_publish(&p, &b.cache, repo, &err) == NB_OK, "%s", err.msg);
    check(dl_cache_has_blob(&b.cache, repo, none, 0), "blob");
    bench_free(&b);
}

CHECK_TEST(partial, big_files_get_big_segments_and_absurd_ones_are_refused) /* hub 19 */
{
    dl_state_head h = {.size = UINT64_C(60000000000), .segment = DL_SEGMENT_BIG};
    check(dl_state_segments(&h) == 3577, "%u segments", dl_state_segments(&h));
    bench b;
    nb_err err = {0};
    dl_partial *p = NULL;
    bench_make(&b, "absurd");
    check(dl_partial_open(&p, &b.cache, repo, b.oid, UINT64_C(1) << 53, commit, &err) ==
                  NB_UNSUPPORTED &&
              !p,
          "%s", err.msg);
    check(dl_partial_open(&p, &b.cache, repo, "../x", 1, commit, &err) == NB_REFUSED, "oid");
    check(dl_partial_open(&p, &b.cache, "../x", b.oid, 1, commit, &err) == NB_REFUSED, "repo");
    check(dl_partial_open(&p, &b.cache, repo, b.oid, 1, "../x", &err) == NB_REFUSED, "commit");
    check(files(&b, ".incomplete", NULL) == 0, "left");
    bench_free(&b);
}
