/* The Hugging Face cache: the same tree that huggingface_hub writes, sound after a kill or a power
 * cut at any step, deaf to planted links (hub 1, 2, 17, 22; A16, A17, A20). */
#include "tests/check.h"

#include "core/base/digest.h"
#include "core/base/file.h"
#include "downloads/cache.h"
#include "downloads/partial.h"
#include "tests/crash.h"
#include "tests/tree.h"
#include "tests/util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char repo[] = "org/repo";
static const char commit[] = "5e1c0f1e5e1c0f1e5e1c0f1e5e1c0f1e5e1c0f1e";
static const char later[] = "1a7e40001a7e40001a7e40001a7e40001a7e4000";

/* A cache below a scratch folder; hub is there, as it is on a disk that was used before. */
static dl_cache cache_make(const char *name)
{
    dl_cache c;
    nb_hub_env *env = calloc(1, sizeof *env);
    nb_err err = {0};
    snprintf(env->home, sizeof env->home, "%s/%s", tree_scratch(), name);
    snprintf(env->hub, sizeof env->hub, "%s/%s/hub", tree_scratch(), name);
    check(nb_mkdirs(env->hub, &err) == NB_OK, "%s", err.msg);
    check(dl_cache_open(&c, env, &err) == NB_OK, "%s", err.msg);
    free(env);
    return c;
}

static const char *in(const dl_cache *c, const char *name)
{
    return test_path(c->hub, name);
}

static void id_of(const void *bytes, size_t n, bool lfs, char oid[65])
{
    nb_status st = lfs ? nb_sha256_of(bytes, n, oid, NULL) : nb_git_sha1_of(bytes, n, oid, NULL);
    check(st == NB_OK, "digest");
}

/* One file through all the steps a transfer takes, less the network. */
static nb_status put(const dl_cache *c, const char *at, const char *path, const void *bytes,
                     size_t n, bool lfs, nb_err *err)
{
    char oid[65];
    dl_lock lock;
    dl_partial *p = NULL;
    id_of(bytes, n, lfs, oid);
    NB_TRY(dl_cache_prepare(c, repo, at, err));
    NB_TRY(dl_cache_lock(c, repo, oid, &lock, err));
    nb_status st = dl_partial_open(&p, c, repo, oid, n, at, err);
    for (uint32_t i = 0; st == NB_OK && i < dl_partial_segments(p); i++) {
        uint64_t len, from = dl_partial_segment_at(p, i, &len);
        st = dl_partial_write(p, i, from, (const char *)bytes + from, (size_t)len, err);
    }
    if (st == NB_OK)
        st = dl_partial_publish(&p, c, repo, err);
    dl_partial_close(&p);
    if (st == NB_OK)
        st = dl_cache_link(c, repo, at, path, oid, err);
    dl_cache_unlock(&lock);
    return st;
}

static void put_all(const dl_cache *c)
{
    static uint8_t bytes[100000];
    nb_err err = {0};
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7 % 251);
    check(put(c, commit, "config.json", "{\"a\": 1}\n", 9, false, &err) == NB_OK, "%s", err.msg);
    check(put(c, commit, "sub/dir/weights.bin", bytes, sizeof bytes, true, &err) == NB_OK, "%s",
          err.msg);
    check(put(c, commit, "empty.txt", "", 0, false, &err) == NB_OK, "%s", err.msg);
    check(dl_cache_ref(c, repo, "main", commit, &err) == NB_OK, "%s", err.msg);
    check(dl_cache_ref(c, repo, "refs/pr/1", commit, &err) == NB_OK, "%s", err.msg);
    check(dl_cache_ref(c, repo, commit, commit, &err) == NB_OK, "%s", err.msg);
}

static char *golden(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/tests/golden/%s", NB_TEST_ROOT, name);
    return test_slurp(path, NULL);
}

/* The listing was written by huggingface_hub @ ee0a4510f: hf_hub_download of the same three files
 * from a local server, umask 022, main and refs/pr/1. */
CHECK_TEST(cache, the_tree_equals_what_huggingface_hub_writes) /* hub 1 */
{
    mode_t mask = umask(022);
    dl_cache c = cache_make("golden");
    put_all(&c);
    umask(mask);
    char *got = tree_text(c.hub), *want = golden("hf-cache.listing");
    check(want && strcmp(got, want) == 0, "wrote\n%s, want\n%s", got, want);
    put_all(&c); /* a second time changes nothing */
    char *again = tree_text(c.hub);
    check(strcmp(got, again) == 0, "again\n%s", again);
    free(got);
    free(want);
    free(again);
}

/* --- what other clients call sound -------------------------------------------------------------
 */

/* Links in dir, and below it, that lead nowhere. */
static unsigned dangling(const char *dir)
{
    unsigned n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[4096];
        struct stat st;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (e->d_type == DT_LNK)
            n += stat(path, &st) != 0;
        else if (e->d_type == DT_DIR && strspn(e->d_name, ".") != strlen(e->d_name))
            n += dangling(path);
    }
    if (d)
        closedir(d);
    return n;
}

/* No dangling link, no ref without its snapshot, no ref of another length than 40; what a blob's
 * name says is what is in it (huggingface_hub _cache_manager.py:695-840). */
static void check_sound(const char *hub, const char *when)
{
    char path[1200], snap[1300];
    check(dangling(hub) == 0, "%s: a dangling link", when);
    static const char *const refs[] = {"main", "refs/pr/1"};
    for (size_t i = 0; i < countof(refs); i++) {
        size_t n;
        snprintf(path, sizeof path, "%s/models--org--repo/refs/%s", hub, refs[i]);
        char *text = test_slurp(path, &n);
        if (!text)
            continue;
        snprintf(snap, sizeof snap, "%s/models--org--repo/snapshots/%s", hub, text);
        check(n == 40 && nb_is_dir(snap), "%s: ref %s is \"%s\"", when, refs[i], text);
        free(text);
    }
    snprintf(path, sizeof path, "%s/models--org--repo/blobs", hub);
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        char blob[1500], oid[65];
        size_t n;
        if (!dl_oid_ok(e->d_name))
            continue;
        snprintf(blob, sizeof blob, "%s/%s", path, e->d_name);
        char *bytes = test_slurp(blob, &n);
        id_of(bytes, n, strlen(e->d_name) == 64, oid);
        check(strcmp(oid, e->d_name) == 0, "%s: blob %s holds %s", when, e->d_name, oid);
        free(bytes);
    }
    if (d)
        closedir(d);
}

static void publish_twice(void *arg)
{
    static uint8_t bytes[10000];
    const dl_cache *c = arg;
    memset(bytes, 7, sizeof bytes);
    if (put(c, commit, "config.json", "{}", 2, false, NULL) != NB_OK ||
        put(c, commit, "sub/w.bin", bytes, sizeof bytes, true, NULL) != NB_OK ||
        dl_cache_ref(c, repo, "main", commit, NULL) != NB_OK ||
        put(c, later, "config.json", "{\"b\": 2}", 8, false, NULL) != NB_OK ||
        dl_cache_ref(c, repo, "main", later, NULL) != NB_OK)
        _exit(1);
}

CHECK_TEST(cache, a_kill_before_any_call_leaves_it_sound) /* hub 1 */
{
    size_t n = 1;
    for (;; n++) {
        char name[32], when[64], found[1200];
        snprintf(name, sizeof name, "kill%d", (int)n);
        dl_cache c = cache_make(name);
        if (!crash_kill(publish_twice, &c, c.hub, n))
            break;
        snprintf(when, sizeof when, "killed before call %d", (int)n);
        check_sound(c.hub, when);
        publish_twice(&c); /* and the next run goes on from there */
        check_sound(c.hub, when);
        check(dl_cache_find(&c, repo, later, "config.json", 8, found, sizeof found), "%s", when);
        tree_remove(c.hub);
    }
    if (n == 1)
        check_skip("no process may be traced here");
    check(n > 50, "only %d calls were seen", (int)n);
}

CHECK_TEST(cache, a_power_cut_after_any_call_leaves_it_sound) /* A16 */
{
    dl_cache c = cache_make("power");
    crash_log *log = crash_record(publish_twice, &c, c.hub);
    if (!log)
        check_skip("no process may be traced here");
    test_rng rng = test_rng_make(16);
    const int rounds = test_rounds(400, 4000);
    for (int i = 0; i < rounds; i++) {
        char when[64];
        size_t n = test_below(&rng, (uint32_t)crash_calls(log) + 1);
        const char *disk = test_path(tree_scratch(), "disk");
        snprintf(when, sizeof when, "round %d, power off after call %d", i, (int)n);
        crash_replay(log, n, &rng, disk);
        check_sound(disk, when);
        dl_cache after = c;
        snprintf(after.hub, sizeof after.hub, "%s", disk);
        publish_twice(&after);
        check_sound(disk, when);
        tree_remove(disk);
    }
    crash_replay(log, crash_calls(log), &rng, test_path(tree_scratch(), "end"));
    dl_cache end = c;
    char found[1200];
    snprintf(end.hub, sizeof end.hub, "%s", test_path(tree_scratch(), "end"));
    check(dl_cache_find(&end, repo, later, "config.json", 8, found, sizeof found),
          "what was said to be done did not last");
    check(dl_cache_commit(&end, repo, "main", found) && strcmp(found, later) == 0, "ref");
    crash_free(log);
}

/* --- finding -----------------------------------------------------------------------------------
 */

CHECK_TEST(cache, finds_what_is_whole_and_nothing_else) /* hub 2 */
{
    dl_cache c = cache_make("find");
    char path[1200], oid[65], got[41];
    put_all(&c);
    check(dl_cache_commit(&c, repo, "main", got) && strcmp(got, commit) == 0, "main");
    check(dl_cache_commit(&c, repo, "refs/pr/1", got), "a nested ref");
    check(dl_cache_commit(&c, repo, later, got) && strcmp(got, later) == 0, "a commit is itself");
    check(!dl_cache_commit(&c, repo, "dev", got) && !dl_cache_commit(&c, repo, "refs/pr", got) &&
              !dl_cache_commit(&c, "org/other", "main", got) &&
              !dl_cache_commit(&c, repo, "../refs/main", got),
          "what is not there");
    test_spit(in(&c, "models--org--repo/refs/nl"), "5e1c0f1e5e1c0f1e5e1c0f1e5e1c0f1e5e1c0f1e\n",
              41);
    test_spit(in(&c, "models--org--repo/refs/bad"), "../../../../etc", 15);
    check(dl_cache_commit(&c, repo, "nl", got) && strcmp(got, commit) == 0, "a newline");
    check(!dl_cache_commit(&c, repo, "bad", got), "no commit");
    check(dl_cache_find(&c, repo, commit, "sub/dir/weights.bin", 100000, path, sizeof path) &&
              nb_exists(path),
          "%s", path);
    check(dl_cache_find(&c, repo, commit, "config.json", UINT64_MAX, path, sizeof path),
          "any size");
    check(!dl_cache_find(&c, repo, commit, "config.json", 10, path, sizeof path), "another size");
    check(!dl_cache_find(&c, repo, later, "config.json", 9, path, sizeof path), "another commit");
    check(!dl_cache_find(&c, repo, commit, "sub/dir", UINT64_MAX, path, sizeof path), "a folder");
    check(!dl_cache_find(&c, repo, commit, "config.json", 9, path, 20), "no room for the path");
    id_of("{\"a\": 1}\n", 9, false, oid);
    check(dl_cache_has_blob(&c, repo, oid, 9) && !dl_cache_has_blob(&c, repo, oid, 8), "blob");
    test_spit(test_path(in(&c, "models--org--repo/blobs"), oid), "cut", 3);
    check(!dl_cache_find(&c, repo, commit, "config.json", 9, path, sizeof path), "a cut blob");
    unlink(test_path(in(&c, "models--org--repo/blobs"), oid));
    check(!dl_cache_find(&c, repo, commit, "config.json", UINT64_MAX, path, sizeof path),
          "dangling");
}

static void find_as_nobody(void *arg)
{
    char path[1200];
    const dl_cache *c = arg;
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0)
        _exit(2);
    bool ok = dl_cache_find(c, repo, commit, "config.json", 9, path, sizeof path) &&
              dl_cache_commit(c, repo, "main", path) &&
              dl_cache_prepare(c, repo, later, NULL) != NB_OK;
    _exit(ok ? 0 : 1);
}

CHECK_TEST(cache, a_cache_that_cannot_be_written_is_read) /* hub 2 */
{
    dl_cache c = cache_make("readonly");
    put_all(&c);
    char *before = tree_text(c.hub);
    chmod(tree_scratch(), 0755);
    int status;
    static const char *const folders[] = {"models--org--repo", "models--org--repo/snapshots",
                                          "models--org--repo/blobs", ".locks", ""};
    for (size_t i = 0; i < countof(folders); i++)
        chmod(in(&c, folders[i]), 0555);
    pid_t child = fork();
    if (child == 0)
        find_as_nobody(&c);
    check(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0,
          "status %x", status);
    for (size_t i = 0; i < countof(folders); i++)
        chmod(in(&c, folders[i]), 0755);
    char *after = tree_text(c.hub);
    check(strcmp(before, after) == 0, "changed");
    free(before);
    free(after);
}

CHECK_TEST(cache, the_trash_lies_on_the_disk_of_the_cache)
{
    nb_hub_env *env = calloc(1, sizeof *env);
    dl_cache c;
    nb_err err = {0};
    check(dl_cache_open(&c, env, &err) == NB_NOTFOUND && err.msg[0], "no home");
    snprintf(env->home, sizeof env->home, "%s/home", tree_scratch());
    snprintf(env->hub, sizeof env->hub, "%s/home/hub//", tree_scratch());
    check(dl_cache_open(&c, env, &err) == NB_OK, "%s", err.msg);
    check(nb_has_suffix(c.hub, "/home/hub") && nb_has_suffix(c.trash, "/home/.nibble-trash"),
          "%s, %s", c.hub, c.trash);
    check(!nb_exists(env->home), "opening makes nothing");
    snprintf(env->home, sizeof env->home, "/dev/shm/nibble-none");
    struct stat a, b;
    if (stat("/dev/shm", &a) == 0 && stat(tree_scratch(), &b) == 0 && a.st_dev != b.st_dev) {
        check(dl_cache_open(&c, env, &err) == NB_OK, "%s", err.msg);
        check(nb_has_suffix(c.trash, "/home/.nibble-trash"), "beside hub: %s", c.trash);
    }
    free(env);
}

/* --- locks -------------------------------------------------------------------------------------
 */

/* As filelock does it (hub.md 2): open, flock, keep. Tells when it holds and waits to be let go. */
static pid_t hold_lock(const char *path, int *go)
{
    int held[2], end[2];
    char byte;
    check(pipe(held) == 0 && pipe(end) == 0, "pipe");
    pid_t child = fork();
    if (child == 0) {
        int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0664);
        close(end[1]);
        byte = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 ? 'y' : 'n';
        _exit(write(held[1], &byte, 1) == 1 && read(end[0], &byte, 1) >= 0 ? 0 : 1);
    }
    check(read(held[0], &byte, 1) == 1 && byte == 'y', "the child has no lock");
    close(held[0]);
    close(held[1]);
    close(end[0]);
    *go = end[1];
    return child;
}

CHECK_TEST(cache, a_lock_that_python_holds_is_seen_and_ours_is_seen_by_it) /* hub 17 */
{
    dl_cache c = cache_make("locks");
    char oid[65], path[1200], holder[64];
    dl_lock l;
    nb_err err = {0};
    int go;
    struct stat st;
    id_of("x", 1, true, oid);
    snprintf(path, sizeof path, "%s/.locks/models--org--repo/%s.lock", c.hub, oid);
    mode_t mask = umask(077);
    check(dl_cache_lock(&c, repo, oid, &l, &err) == NB_OK && l.fd >= 0 && !l.busy, "%s", err.msg);
    umask(mask);
    check(stat(path, &st) == 0 && (st.st_mode & 0777) == 0664 && st.st_size == 0, "mode %o",
          st.st_mode & 0777);
    int fd = open(path, O_RDWR);
    check(flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK, "ours is no flock");
    dl_cache_unlock(&l);
    check(l.fd == -1 && flock(fd, LOCK_EX | LOCK_NB) == 0, "not let go");
    close(fd);
    check(nb_exists(path), "the file stays");
    pid_t child = hold_lock(path, &go);
    check(dl_cache_lock(&c, repo, oid, &l, &err) == NB_OK && l.busy && l.fd == -1, "%s", err.msg);
    snprintf(holder, sizeof holder, "pid %d", (int)child);
    check(strcmp(l.holder, holder) == 0 || strcmp(l.holder, "another program") == 0, "%s",
          l.holder);
    close(go);
    waitpid(child, NULL, 0);
    check(dl_cache_lock(&c, repo, oid, &l, &err) == NB_OK && l.fd >= 0 && !l.busy, "free again");
    dl_cache_unlock(&l);
}

/* --- without symlinks, and with others' ---------------------------------------------------------
 */

CHECK_TEST(cache, without_symlinks_the_file_itself_stands_in_the_snapshot)
{
    dl_cache c = cache_make("degraded");
    nb_err err = {0};
    char path[1200], oid[65];
    struct stat st;
    c.no_symlinks = true;
    put_all(&c);
    check(dl_cache_find(&c, repo, commit, "sub/dir/weights.bin", 100000, path, sizeof path) &&
              lstat(path, &st) == 0 && S_ISREG(st.st_mode),
          "moved");
    id_of("{\"a\": 1}\n", 9, false, oid);
    check(!dl_cache_has_blob(&c, repo, oid, 9), "moved, not copied");
    check(dl_cache_link(&c, repo, commit, "config.json", oid, &err) == NB_OK, "twice is once");
    check(dl_cache_link(&c, repo, later, "config.json", oid, &err) == NB_NOTFOUND, "no blob");
    /* a blob that another snapshot links to is copied */
    c.no_symlinks = false;
    check(put(&c, commit, "shared.txt", "shared", 6, false, &err) == NB_OK, "%s", err.msg);
    c.no_symlinks = true;
    id_of("shared", 6, false, oid);
    check(dl_cache_prepare(&c, repo, later, &err) == NB_OK &&
              dl_cache_link(&c, repo, later, "shared.txt", oid, &err) == NB_OK,
          "%s", err.msg);
    check(dl_cache_find(&c, repo, commit, "shared.txt", 6, path, sizeof path) &&
              dl_cache_find(&c, repo, later, "shared.txt", 6, path, sizeof path) &&
              lstat(path, &st) == 0 && S_ISREG(st.st_mode),
          "copied");
    check_sound(c.hub, "degraded");
    /* and where links work again, they come back */
    c.no_symlinks = false;
    check(dl_cache_link(&c, repo, later, "shared.txt", oid, &err) == NB_OK, "%s", err.msg);
    check(lstat(path, &st) == 0 && S_ISLNK(st.st_mode), "a link over a file");
}

CHECK_TEST(cache, shared_payloads_are_read_and_never_written) /* hub 2 */
{
    static const char xet[] = "abababababababababababababababababababababababababababababababab";
    dl_cache c = cache_make("payload");
    nb_err err = {0};
    char oid[65], path[1200], link[200];
    id_of("payload", 7, true, oid);
    check(dl_cache_prepare(&c, repo, commit, &err) == NB_OK &&
              nb_mkdirs(in(&c, "blobs/ab"), &err) == NB_OK,
          "%s", err.msg);
    const char *payload = test_path(in(&c, "blobs/ab"), xet);
    test_spit(payload, "payload", 7);
    chmod(payload, 0444);
    snprintf(link, sizeof link, "../../blobs/ab/%s", xet);
    snprintf(path, sizeof path, "%s/models--org--repo/blobs/%s", c.hub, oid);
    check(symlink(link, path) == 0, "symlink");
    char *before = tree_text(in(&c, "blobs"));
    check(dl_cache_has_blob(&c, repo, oid, 7) && !dl_cache_has_blob(&c, repo, oid, 8), "usable");
    check(dl_cache_link(&c, repo, commit, "w.bin", oid, &err) == NB_OK, "%s", err.msg);
    check(dl_cache_find(&c, repo, commit, "w.bin", 7, path, sizeof path), "found");
    c.no_symlinks = true;
    check(dl_cache_link(&c, repo, commit, "copy.bin", oid, &err) == NB_OK, "%s", err.msg);
    check(dl_cache_find(&c, repo, commit, "copy.bin", 7, path, sizeof path), "copied");
    c.no_symlinks = false;
    check(put(&c, commit, "w.bin", "payload", 7, true, &err) == NB_OK, "%s", err.msg);
    check(dl_cache_has_blob(&c, repo, oid, 7), "own bytes in its place");
    char *after = tree_text(in(&c, "blobs"));
    check(strcmp(before, after) == 0, "the shared store changed:\n%s\n%s", before, after);
    free(before);
    free(after);
}

/* --- planted ------------------------------------------------------------------------------------
 */

CHECK_TEST(cache, planted_links_are_not_followed) /* A17, A20, hub 22 */
{
    static const struct {
        const char *at;
        bool refused; /* else replaced */
    } rows[] = {
        {"models--org--repo", true},
        {"models--org--repo/blobs", true},
        {"models--org--repo/snapshots", true},
        {"models--org--repo/snapshots/5e1c0f1e5e1c0f1e5e1c0f1e5e1c0f1e5e1c0f1e", true},
        {"models--org--repo/snapshots/5e1c0f1e5e1c0f1e5e1c0f1e5e1c0f1e5e1c0f1e/sub", true},
        {"models--org--repo/snapshots/5e1c0f1e5e1c0f1e5e1c0f1e5e1c0f1e5e1c0f1e/sub/w.bin", false},
        {"models--org--repo/refs", true},
        {"models--org--repo/refs/main", false},
        {".locks", true},
        {".locks/models--org--repo", true},
        {"CACHEDIR.TAG", false},
        {"BLOB", false},
        {"LOCK", true},
    };
    char oid[65];
    id_of("victim", 6, true, oid);
    for (size_t i = 0; i < countof(rows); i++)
        for (int file = 0; file < 2; file++) {
            char name[32], at[400], up[1200], out[1200];
            nb_err err = {0};
            snprintf(name, sizeof name, "plant%d-%d", (int)i, file);
            dl_cache c = cache_make(name);
            const char *outside = test_path(tree_scratch(), test_path(name, "outside"));
            const char *victim = test_path(outside, "victim");
            nb_mkdirs(outside, NULL);
            test_spit(victim, "xxxxxx", 6);
            snprintf(at, sizeof at, "%s", rows[i].at);
            if (strcmp(at, "BLOB") == 0)
                snprintf(at, sizeof at, "models--org--repo/blobs/%s", oid);
            if (strcmp(at, "LOCK") == 0)
                snprintf(at, sizeof at, ".locks/models--org--repo/%s.lock", oid);
            snprintf(up, sizeof up, "%s/%.*s", c.hub, (int)(nb_path_base(at) - at), at);
            check(nb_mkdirs(up, &err) == NB_OK, "%s", err.msg);
            check(symlink(file ? victim : outside, in(&c, at)) == 0, "plant %s", at);
            char *before = tree_text(outside);
            nb_status st = put(&c, commit, "sub/w.bin", "victim", 6, true, &err);
            const bool linked = st == NB_OK;
            if (linked)
                st = dl_cache_ref(&c, repo, "main", commit, &err);
            char *after = tree_text(outside);
            check(strcmp(before, after) == 0, "%s: written through", rows[i].at);
            check((st != NB_OK) == rows[i].refused, "%s: status %d %s", rows[i].at, st, err.msg);
            check(linked == dl_cache_find(&c, repo, commit, "sub/w.bin", 6, out, sizeof out),
                  "%s: found", rows[i].at);
            free(before);
            free(after);
        }
}

CHECK_TEST(cache, links_that_no_client_writes_are_not_found) /* hub 22 */
{
    static const char *const target[] = {"/etc/hostname",
                                         "../../../../../../etc/hostname",
                                         "../../blobs/../blobs/x",
                                         "../blobs/x",
                                         "x",
                                         "../.."};
    dl_cache c = cache_make("odd");
    char path[1200];
    check(dl_cache_prepare(&c, repo, commit, NULL) == NB_OK, "prepare");
    const char *dir = test_path(in(&c, "models--org--repo/snapshots"), commit);
    for (size_t i = 0; i < countof(target); i++) {
        char name[8];
        snprintf(name, sizeof name, "f%d", (int)i);
        check(symlink(target[i], test_path(dir, name)) == 0, "symlink");
        check(!dl_cache_find(&c, repo, commit, name, UINT64_MAX, path, sizeof path), "%s",
              target[i]);
    }
}

CHECK_TEST(cache, hostile_names_reach_no_file) /* A20 */
{
    static char huge[4097], segment[300];
    memset(huge, 'a', 4096);
    memset(segment, 'b', 299);
    const char *const names[] = {
        "",      ".",     "..",    "../x",  "../../x", "a/../../x", "/etc/x", "//x",
        "a//b",  "a/",    "~",     "~/x",   "-rf",     "--",        "a\nb",   "a\x1b[2J",
        "a\x7f", "a\\b",  "..\\x", "C:x",   "C:\\x",   "\\\\h\\s",  "a\xff",  "\xc0\xae\xc0\xae/x",
        huge,    segment, "./x",   "a/./b", "a/..",    "a\x01"};
    dl_cache c = cache_make("names");
    char oid[65], path[1200];
    nb_err err = {0};
    dl_lock lock;
    check(put(&c, commit, "ok", "x", 1, true, &err) == NB_OK, "%s", err.msg);
    id_of("x", 1, true, oid);
    char *before = tree_text(test_path(tree_scratch(), "names"));
    for (size_t i = 0; i < countof(names); i++) {
        const char *s = names[i];
        check(dl_cache_link(&c, repo, commit, s, oid, &err) == NB_REFUSED, "path %d", (int)i);
        check(dl_cache_prepare(&c, s, commit, &err) == NB_REFUSED, "repo %d", (int)i);
        check(dl_cache_prepare(&c, repo, s, &err) == NB_REFUSED, "commit %d", (int)i);
        check(dl_cache_ref(&c, repo, s, commit, &err) == NB_REFUSED, "revision %d", (int)i);
        check(dl_cache_ref(&c, repo, "main", s, &err) == NB_REFUSED, "commit of a ref %d", (int)i);
        check(dl_cache_lock(&c, repo, s, &lock, &err) == NB_REFUSED && lock.fd == -1, "oid %d",
              (int)i);
        check(dl_cache_link(&c, repo, commit, "a", s, &err) == NB_REFUSED, "oid %d", (int)i);
        int fd = open(test_path(c.hub, "CACHEDIR.TAG"), O_RDONLY);
        check(dl_cache_publish_blob(&c, repo, s, fd, "x", &err) == NB_REFUSED, "blob %d", (int)i);
        check(fcntl(fd, F_GETFD) == -1, "fd is closed");
        check(!dl_cache_find(&c, repo, commit, s, UINT64_MAX, path, sizeof path) &&
                  !dl_cache_find(&c, s, commit, "ok", UINT64_MAX, path, sizeof path) &&
                  !dl_cache_has_blob(&c, repo, s, UINT64_MAX) &&
                  !dl_cache_commit(&c, repo, s, path) &&
                  !dl_cache_repo_dir(&c, s, path, sizeof path),
              "found %d", (int)i);
    }
    char *after = tree_text(test_path(tree_scratch(), "names"));
    check(strcmp(before, after) == 0, "changed:\n%s\n%s", before, after);
    free(before);
    free(after);
}
