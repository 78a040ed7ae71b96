/* Keeping house: what `hf cache ls` would say, deleting that can be undone, leftovers, re-hashing
 * (hub 2, 6, 7, 18, 22). */
#include "tests/check.h"

#include "core/base/digest.h"
#include "core/base/file.h"
#include "downloads/cache.h"
#include "downloads/partial.h"
#include "tests/tree.h"
#include "tests/util.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char commit[] = "5e1c0f1e5e1c0f1e5e1c0f1e5e1c0f1e5e1c0f1e";
static const char later[] = "1a7e40001a7e40001a7e40001a7e40001a7e4000";
static const char xet[] = "abababababababababababababababababababababababababababababababab";

static dl_cache cache_make(const char *name)
{
    dl_cache c;
    nb_hub_env *env = calloc(1, sizeof *env);
    snprintf(env->home, sizeof env->home, "%s/%s", tree_scratch(), name);
    snprintf(env->hub, sizeof env->hub, "%s/%s/hub", tree_scratch(), name);
    check(nb_mkdirs(env->hub, NULL) == NB_OK, "mkdir");
    check(dl_cache_open(&c, env, NULL) == NB_OK, "open");
    free(env);
    return c;
}

static const char *in(const dl_cache *c, const char *name)
{
    return test_path(c->hub, name);
}

/* Bytes of one file: n times the byte `seed`. */
static void put(const dl_cache *c, const char *repo, const char *at, const char *path, int seed,
                size_t n, bool lfs, char oid[65])
{
    nb_err err = {0};
    char id[65];
    uint8_t *bytes = malloc(n + 1);
    dl_partial *p = NULL;
    memset(bytes, seed, n);
    check((lfs ? nb_sha256_of(bytes, n, id, &err) : nb_git_sha1_of(bytes, n, id, &err)) == NB_OK,
          "%s", err.msg);
    check(dl_cache_prepare(c, repo, at, &err) == NB_OK, "%s", err.msg);
    if (!dl_cache_has_blob(c, repo, id, n)) {
        check(dl_partial_open(&p, c, repo, id, n, at, &err) == NB_OK, "%s", err.msg);
        for (uint32_t i = 0; i < dl_partial_segments(p); i++) {
            uint64_t len, from = dl_partial_segment_at(p, i, &len);
            check(dl_partial_write(p, i, from, bytes + from, (size_t)len, &err) == NB_OK, "%s",
                  err.msg);
        }
        check(dl_partial_publish(&p, c, repo, &err) == NB_OK, "%s", err.msg);
    }
    check(dl_cache_link(c, repo, at, path, id, &err) == NB_OK, "%s", err.msg);
    if (oid)
        memcpy(oid, id, sizeof id);
    free(bytes);
}

/* org/repo with two snapshots that share w.bin, org/other with one. */
static void put_some(const dl_cache *c)
{
    put(c, "org/repo", commit, "config.json", 1, 100, false, NULL);
    put(c, "org/repo", commit, "sub/w.bin", 2, 50000, true, NULL);
    put(c, "org/repo", commit, "sub/deep/old.bin", 3, 70000, true, NULL);
    put(c, "org/repo", later, "config.json", 4, 200, false, NULL);
    put(c, "org/repo", later, "sub/w.bin", 2, 50000, true, NULL);
    put(c, "org/other", commit, "x.gguf", 5, 1000, true, NULL);
    check(dl_cache_ref(c, "org/repo", "v1", commit, NULL) == NB_OK &&
              dl_cache_ref(c, "org/repo", "refs/pr/1", commit, NULL) == NB_OK &&
              dl_cache_ref(c, "org/repo", "main", later, NULL) == NB_OK &&
              dl_cache_ref(c, "org/other", "main", commit, NULL) == NB_OK,
          "refs");
}

static dl_store scan(const dl_cache *c)
{
    dl_store s;
    nb_err err = {0};
    check(dl_store_scan(c, &s, NULL, &err) == NB_OK, "%s", err.msg);
    return s;
}

static const dl_repo_row *row(const dl_store *s, const char *repo)
{
    for (size_t i = 0; i < s->n_repo; i++)
        if (strcmp(s->repo[i].repo, repo) == 0)
            return &s->repo[i];
    check_fail(__FILE__, __LINE__, repo, "is not listed");
}

CHECK_TEST(store, lists_repositories_by_inode)
{
    dl_cache c = cache_make("list");
    dl_store s = scan(&c);
    check(s.n_repo == 0 && s.n_left == 0 && s.n_trash == 0, "an empty cache");
    put_some(&c);
    nb_mkdirs(in(&c, "datasets--org--d/blobs"), NULL);
    nb_mkdirs(in(&c, "models--bad..name/blobs"), NULL);
    test_spit(in(&c, "version.txt"), "1", 1);
    s = scan(&c);
    check(s.n_repo == 2 && strcmp(s.repo[0].repo, "org/other") == 0, "%d rows", (int)s.n_repo);
    const dl_repo_row *r = row(&s, "org/repo");
    check(r->bytes == 100 + 50000 + 70000 + 200 && r->n_file == 4, "%d bytes, %d files",
          (int)r->bytes, (int)r->n_file);
    check(r->n_snapshot == 2 && r->n_leftover == 0 && !r->problem[0], "%s", r->problem);
    check(r->used > time(NULL) - 100 && r->used <= time(NULL), "used");
    dl_store_free(&s);
    check(!s.repo && s.n_repo == 0, "freed");
    dl_cache none = c;
    snprintf(none.hub, sizeof none.hub, "%s/none", tree_scratch());
    s = scan(&none);
    check(s.n_repo == 0, "no cache yet");
}

CHECK_TEST(store, shared_payloads_count_once) /* hub 2 */
{
    dl_cache c = cache_make("shared");
    static const char *const repo[] = {"a/one", "b/two"};
    char oid[65], link[128], path[1200];
    nb_sha256_of("payload", 7, oid, NULL);
    nb_mkdirs(in(&c, "blobs/ab"), NULL);
    test_spit(test_path(in(&c, "blobs/ab"), xet), "payload", 7);
    test_spit(in(&c, "blobs/.huggingface-shared-blobs"), "1\n", 2);
    snprintf(link, sizeof link, "../../blobs/ab/%s", xet);
    for (int i = 0; i < 2; i++) {
        check(dl_cache_prepare(&c, repo[i], commit, NULL) == NB_OK, "prepare");
        check(dl_cache_repo_dir(&c, repo[i], path, sizeof path), "dir");
        check(symlink(link, test_path(test_path(path, "blobs"), oid)) == 0, "link");
        check(dl_cache_link(&c, repo[i], commit, "w.bin", oid, NULL) == NB_OK, "link");
    }
    dl_store s = scan(&c);
    check(s.n_repo == 2 && s.repo[0].bytes + s.repo[1].bytes == 7, "counted twice");
    check(s.repo[0].n_file == 1 && s.repo[1].n_file == 1, "files");
    dl_store_free(&s);
    char *before = tree_text(in(&c, "blobs"));
    uint64_t bytes;
    check(dl_store_trash(&c, "a/one", NULL, "w.bin", false, &bytes, NULL) == NB_OK && bytes == 0,
          "%d bytes freed of a payload others have", (int)bytes);
    char *after = tree_text(in(&c, "blobs"));
    check(strcmp(before, after) == 0, "the shared store was touched");
    check(dl_cache_has_blob(&c, "b/two", oid, 7), "the other's is gone");
    check(dl_store_restore(&c, path, sizeof path, NULL) == NB_OK &&
              dl_cache_has_blob(&c, "a/one", oid, 7),
          "restored");
    free(before);
    free(after);
}

CHECK_TEST(store, problems_are_those_that_hf_cache_ls_names)
{
    static const struct {
        const char *remove, *make, *link, *says;
    } rows[] = {
        {NULL, NULL, NULL, ""},
        {"snapshots", NULL, NULL, "no folder snapshots"},
        {NULL, "snapshots/file", NULL, "a file among the snapshots: file"},
        {NULL, NULL, "snapshots/5e1c0f1e5e1c0f1e5e1c0f1e5e1c0f1e5e1c0f1e/gone", "link to nothing"},
        {NULL, "refs/dev", NULL, "a ref without its snapshot: dev"},
        {NULL, "refs/refs/pr/7", NULL, "a ref without its snapshot: 7"},
        {NULL, "refs/.DS_Store", NULL, ""},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        char name[32];
        snprintf(name, sizeof name, "problem%d", (int)i);
        dl_cache c = cache_make(name);
        put_some(&c);
        const char *dir = in(&c, "models--org--repo");
        if (rows[i].remove)
            tree_remove(test_path(dir, rows[i].remove));
        if (rows[i].make)
            test_spit(test_path(dir, rows[i].make), later + 1, 39);
        if (rows[i].link)
            check(symlink("../../blobs/none", test_path(dir, rows[i].link)) == 0, "link");
        dl_store s = scan(&c);
        const char *says = row(&s, "org/repo")->problem;
        check(rows[i].says[0] ? strstr(says, rows[i].says) != NULL : !says[0], "row %d: \"%s\"",
              (int)i, says);
        check(!row(&s, "org/other")->problem[0], "the other repository");
        dl_store_free(&s);
    }
}

/* --- leftovers ---------------------------------------------------------------------------------
 */

static void leave_partial(const dl_cache *c, const char *repo, int seed, size_t n)
{
    char oid[65];
    uint8_t *bytes = malloc(n);
    dl_partial *p = NULL;
    memset(bytes, seed, n);
    nb_sha256_of(bytes, n, oid, NULL);
    check(dl_cache_prepare(c, repo, commit, NULL) == NB_OK &&
              dl_partial_open(&p, c, repo, oid, n, commit, NULL) == NB_OK &&
              dl_partial_write(p, 0, 0, bytes, n / 2, NULL) == NB_OK,
          "partial");
    dl_partial_close(&p);
    free(bytes);
}

static void set_age(const char *path, long seconds)
{
    struct timespec t[2] = {{.tv_sec = time(NULL) - seconds}, {.tv_sec = time(NULL) - seconds}};
    check(utimensat(AT_FDCWD, path, t, 0) == 0, "%s", path);
}

CHECK_TEST(store, leftovers_of_every_client_are_listed_and_swept_when_dead) /* hub 18 */
{
    dl_cache c = cache_make("left");
    nb_err err = {0};
    char oid[65], name[200], lock[1200];
    uint64_t bytes;
    size_t n;
    put_some(&c);
    leave_partial(&c, "org/repo", 9, 5000);
    const char *blobs = in(&c, "models--org--repo/blobs");
    memset(oid, 'c', 64);
    oid[64] = '\0';
    snprintf(name, sizeof name, "%s.01234567.incomplete", oid); /* Python since 1.18 */
    test_spit(test_path(blobs, name), "12345678", 8);
    snprintf(name, sizeof name, "%s.incomplete", oid); /* and before */
    test_spit(test_path(blobs, name), "12345678", 8);
    snprintf(name, sizeof name, "%s.downloadInProgress", oid); /* llama.cpp, just now */
    test_spit(test_path(blobs, name), "12345678", 8);
    snprintf(name, sizeof name, "%s.89abcdef.bad.incomplete", oid);
    test_spit(test_path(blobs, name), "12345678", 8);
    dl_store s = scan(&c);
    check(s.n_left == 5 && row(&s, "org/repo")->n_leftover == 5, "%d leftovers", (int)s.n_left);
    size_t live = 0, sized = 0;
    for (size_t i = 0; i < s.n_left; i++) {
        check(nb_exists(s.left[i].path) && s.left[i].age < 100 && s.left[i].bytes > 0 &&
                  strcmp(s.left[i].repo, "org/repo") == 0 && dl_oid_ok(s.left[i].oid),
              "%s", s.left[i].path);
        live += s.left[i].live;
        sized += s.left[i].size == 5000;
    }
    check(live == 1 && sized == 1, "%d live, %d with a size", (int)live, (int)sized);
    dl_store_free(&s);
    /* while Python holds its lock its partials are live */
    nb_mkdirs(in(&c, ".locks/models--org--repo"), NULL);
    snprintf(lock, sizeof lock, "%s/.locks/models--org--repo/%s.lock", c.hub, oid);
    int fd = open(lock, O_RDWR | O_CREAT, 0664);
    check(flock(fd, LOCK_EX) == 0, "flock");
    check(dl_store_gc(&c, 0, true, &bytes, &n, NULL, &err) == NB_OK && n == 2, "%d dead", (int)n);
    close(fd);
    check(dl_store_gc(&c, 1000, true, &bytes, &n, NULL, &err) == NB_OK && n == 0, "all are young");
    char *before = tree_text(c.hub);
    check(dl_store_gc(&c, 0, true, &bytes, &n, NULL, &err) == NB_OK && n == 4, "%d dead", (int)n);
    char *after = tree_text(c.hub);
    check(strcmp(before, after) == 0, "a dry run removed something");
    free(before);
    free(after);
    snprintf(name, sizeof name, "%s.downloadInProgress", oid);
    set_age(test_path(blobs, name), 3000);
    uint64_t freed;
    check(dl_store_gc(&c, 0, false, &freed, &n, NULL, &err) == NB_OK && n == 5 && freed >= bytes,
          "%s", err.msg);
    s = scan(&c);
    check(s.n_left == 0 && s.repo[1].bytes == 100 + 50000 + 70000 + 200, "blobs stay");
    dl_store_free(&s);
}

CHECK_TEST(store, a_live_download_is_neither_swept_nor_trashed)
{
    dl_cache c = cache_make("live");
    nb_err err = {0};
    dl_partial *p = NULL;
    char oid[65];
    uint64_t bytes;
    size_t n;
    put_some(&c);
    nb_sha256_of("live", 4, oid, NULL);
    check(dl_partial_open(&p, &c, "org/repo", oid, 4, commit, &err) == NB_OK, "%s", err.msg);
    check(dl_store_gc(&c, 0, false, &bytes, &n, NULL, &err) == NB_OK && n == 0, "swept");
    check(dl_store_trash(&c, "org/repo", NULL, NULL, false, &bytes, &err) == NB_REFUSED &&
              strstr(err.msg, "org/repo"),
          "%s", err.msg);
    check(dl_store_trash(&c, "org/repo", "v1", NULL, false, &bytes, &err) == NB_REFUSED, "%s",
          err.msg);
    check(dl_store_trash(&c, "org/other", NULL, NULL, false, &bytes, &err) == NB_OK, "%s", err.msg);
    check(nb_exists(dl_partial_path(p)), "its file");
    dl_partial_close(&p);
    check(dl_store_trash(&c, "org/repo", NULL, NULL, false, &bytes, &err) == NB_OK, "%s", err.msg);
}

/* --- trash -------------------------------------------------------------------------------------
 */

/* Trashes, looks, restores: the tree is as before. */
static void there_and_back(const dl_cache *c, const char *repo, const char *revision,
                           const char *path, uint64_t want, const char *what)
{
    char said[300], shown[300];
    nb_err err = {0};
    uint64_t dry, bytes;
    char *before = tree_text(c->hub);
    snprintf(shown, sizeof shown, "%s@%s:%s", repo, revision ? revision : "", path ? path : "");
    check(dl_store_trash(c, repo, revision, path, true, &dry, &err) == NB_OK, "%s: %s", shown,
          err.msg);
    char *same = tree_text(c->hub);
    check(strcmp(before, same) == 0, "%s: a dry run changed something", shown);
    check(dl_store_trash(c, repo, revision, path, false, &bytes, &err) == NB_OK, "%s: %s", shown,
          err.msg);
    check(bytes == dry && bytes >= want && bytes < want + 40000, "%s: %d bytes, dry %d", shown,
          (int)bytes, (int)dry);
    dl_store s = scan(c);
    check(s.n_trash == 1 && s.trash_bytes >= bytes && s.trash_bytes < bytes + 40000, "%s: trash",
          shown);
    for (size_t i = 0; i < s.n_repo; i++)
        check(!s.repo[i].problem[0], "%s: %s", shown, s.repo[i].problem);
    dl_store_free(&s);
    check(dl_store_restore(c, said, sizeof said, &err) == NB_OK, "%s: %s", shown, err.msg);
    check(strstr(said, what), "%s: %s", shown, said);
    char *after = tree_text(c->hub);
    check(strcmp(before, after) == 0, "%s: not as before\n%s\n%s", shown, before, after);
    check(dl_store_restore(c, said, sizeof said, &err) == NB_NOTFOUND, "%s: twice", shown);
    free(before);
    free(same);
    free(after);
}

CHECK_TEST(store, what_is_trashed_comes_back_as_it_was)
{
    dl_cache c = cache_make("back");
    put_some(&c);
    there_and_back(&c, "org/repo", NULL, NULL, 120300, "org/repo, ");
    there_and_back(&c, "org/repo", "v1", NULL, 70100, "org/repo@5e1c0f1, ");
    there_and_back(&c, "org/repo", later, NULL, 200, "org/repo@1a7e400, ");
    there_and_back(&c, "org/repo", NULL, "sub/w.bin", 50000, "org/repo:sub/w.bin, ");
    there_and_back(&c, "org/repo", "v1", "sub/w.bin", 0, "org/repo:sub/w.bin, ");
    there_and_back(&c, "org/repo", NULL, "sub/deep/old.bin", 70000, "org/repo:sub/deep/old.bin");
    there_and_back(&c, "org/other", NULL, NULL, 1000, "org/other, ");
    c.no_symlinks = true;
    put(&c, "org/plain", commit, "a/b.bin", 8, 3000, true, NULL);
    there_and_back(&c, "org/plain", NULL, "a/b.bin", 3000, "org/plain:a/b.bin");
    there_and_back(&c, "org/plain", commit, NULL, 3000, "org/plain@5e1c0f1");
}

CHECK_TEST(store, trashing_takes_refs_and_unshared_blobs_along)
{
    dl_cache c = cache_make("along");
    char got[41], path[1200];
    uint64_t bytes;
    nb_err err = {0};
    put_some(&c);
    check(dl_store_trash(&c, "org/repo", "v1", NULL, false, &bytes, &err) == NB_OK, "%s", err.msg);
    check(!dl_cache_commit(&c, "org/repo", "v1", got) &&
              !dl_cache_commit(&c, "org/repo", "refs/pr/1", got) &&
              dl_cache_commit(&c, "org/repo", "main", got),
          "refs");
    check(!dl_cache_find(&c, "org/repo", commit, "config.json", 100, path, sizeof path) &&
              dl_cache_find(&c, "org/repo", later, "sub/w.bin", 50000, path, sizeof path),
          "the other snapshot lost its blob");
    dl_store s = scan(&c);
    check(row(&s, "org/repo")->bytes == 50200, "%d bytes", (int)row(&s, "org/repo")->bytes);
    dl_store_free(&s);
    check(dl_store_trash(&c, "org/repo", NULL, "sub/w.bin", false, &bytes, &err) == NB_OK, "%s",
          err.msg);
    check(!nb_exists(in(&c, "models--org--repo/snapshots/"
                            "1a7e40001a7e40001a7e40001a7e40001a7e4000/sub")),
          "an empty folder");
    size_t n;
    uint64_t freed;
    check(dl_store_gc(&c, 0, false, &freed, &n, NULL, &err) == NB_OK && n == 2 && freed > 120000,
          "%d freed in %d", (int)freed, (int)n);
    check(dl_store_restore(&c, path, sizeof path, &err) == NB_NOTFOUND, "restored from nothing");
}

CHECK_TEST(store, restore_takes_the_newest_and_meets_what_came_since)
{
    dl_cache c = cache_make("since");
    char what[300], path[1200];
    uint64_t bytes;
    nb_err err = {0};
    put_some(&c);
    check(dl_store_trash(&c, "org/other", NULL, NULL, false, &bytes, &err) == NB_OK &&
              dl_store_trash(&c, "org/repo", NULL, "config.json", false, &bytes, &err) == NB_OK,
          "%s", err.msg);
    put(&c, "org/repo", later, "config.json", 6, 300, false, NULL); /* fetched anew, and newer */
    check(dl_store_restore(&c, what, sizeof what, &err) == NB_OK && strstr(what, "config.json"),
          "%s%s", what, err.msg);
    check(dl_cache_find(&c, "org/repo", later, "config.json", 300, path, sizeof path) &&
              dl_cache_find(&c, "org/repo", commit, "config.json", 100, path, sizeof path),
          "what is there stays, what is not comes back");
    put(&c, "org/other", commit, "x.gguf", 5, 1000, true, NULL);
    check(dl_store_restore(&c, what, sizeof what, &err) == NB_REFUSED &&
              strstr(err.msg, "in the cache again"),
          "%s", err.msg);
    tree_remove(in(&c, "models--org--other"));
    check(dl_store_restore(&c, what, sizeof what, &err) == NB_OK && strstr(what, "org/other"), "%s",
          err.msg);
}

CHECK_TEST(store, a_trash_that_lies_is_refused) /* A20 */
{
    static const char *const origins[] = {
        "",
        "{}",
        "[]",
        "{\"repo\":\"../x\",\"moved\":[]}",
        "{\"repo\":\"a/b\",\"moved\":[{\"at\":\"blobs\",\"name\":\"../../x\"}]}",
        "{\"repo\":\"a/b\",\"moved\":[{\"at\":\"snapshots\",\"name\":\"../x\"}]}",
        "{\"repo\":\"a/b\",\"moved\":[{\"at\":\"snapshots\",\"name\":"
        "\"5e1c0f1e5e1c0f1e5e1c0f1e5e1c0f1e5e1c0f1e/../../x\"}]}",
        "{\"repo\":\"a/b\",\"moved\":[{\"at\":\"refs\",\"name\":\"../x\"}]}",
        "{\"repo\":\"a/b\",\"moved\":[{\"at\":\"\",\"name\":\"x\"}]}",
        "{\"repo\":\"a/b\",\"moved\":[{\"at\":\"..\",\"name\":\"\"}]}",
        "{\"repo\":\"a/b\",\"moved\":[{\"at\":1,\"name\":2}]}",
        "{\"repo\":\"a/b\",\"moved\":[{\"at\":\"blobs\"}]}",
    };
    dl_cache c = cache_make("lies");
    put_some(&c);
    char item[1200];
    snprintf(item, sizeof item, "%s/00000000000000000001-01234567", c.trash);
    nb_mkdirs(item, NULL);
    test_spit(test_path(item, "0"), "x", 1);
    char *before = tree_text(c.hub);
    for (size_t i = 0; i < countof(origins); i++) {
        char what[300];
        nb_err err = {0};
        test_spit(test_path(item, "origin.json"), origins[i], strlen(origins[i]));
        check(dl_store_restore(&c, what, sizeof what, &err) == NB_FORMAT && err.msg[0],
              "row %d: %s", (int)i, err.msg);
        char *after = tree_text(c.hub);
        check(strcmp(before, after) == 0 && nb_exists(test_path(item, "0")), "row %d", (int)i);
        free(after);
    }
    free(before);
}

CHECK_TEST(store, emptying_follows_no_link_out_of_the_trash) /* A17 */
{
    dl_cache c = cache_make("out");
    uint64_t bytes;
    size_t n;
    nb_err err = {0};
    put_some(&c);
    const char *outside = test_path(tree_scratch(), "outside");
    nb_mkdirs(test_path(outside, "deep"), NULL);
    test_spit(test_path(outside, "deep/file"), "precious", 8);
    check(symlink(outside, in(&c, "models--org--repo/snapshots/link")) == 0, "plant");
    check(dl_store_trash(&c, "org/repo", NULL, NULL, false, &bytes, &err) == NB_OK, "%s", err.msg);
    check(symlink(outside, test_path(c.trash, "00000000000000000001-01234567")) == 0, "plant");
    nb_mkdirs(test_path(c.trash, "not ours"), NULL);
    char *before = tree_text(outside);
    check(dl_store_gc(&c, 0, false, &bytes, &n, NULL, &err) == NB_OK && n == 2, "%s", err.msg);
    char *after = tree_text(outside);
    check(strcmp(before, after) == 0, "removed through a link");
    check(nb_exists(test_path(c.trash, "not ours")), "a folder that is no item");
    check(!nb_exists(in(&c, "models--org--repo")), "the repository");
    free(before);
    free(after);
}

CHECK_TEST(store, unknown_things_are_not_found)
{
    dl_cache c = cache_make("unknown");
    uint64_t bytes;
    nb_err err = {0};
    put_some(&c);
    check(dl_store_trash(&c, "org/none", NULL, NULL, false, &bytes, &err) == NB_NOTFOUND, "repo");
    check(dl_store_trash(&c, "org/repo", "dev", NULL, false, &bytes, &err) == NB_NOTFOUND, "rev");
    check(dl_store_trash(&c, "org/repo", "dddddddddddddddddddddddddddddddddddddddd", NULL, false,
                         &bytes, &err) == NB_NOTFOUND,
          "commit");
    check(dl_store_trash(&c, "org/repo", NULL, "none", false, &bytes, &err) == NB_NOTFOUND, "file");
    check(dl_store_trash(&c, "org/repo", NULL, "../x", false, &bytes, &err) == NB_REFUSED, "path");
    check(dl_store_trash(&c, "../x", NULL, NULL, false, &bytes, &err) == NB_USAGE, "name");
    check(!nb_exists(c.trash), "an empty trash was made");
}

/* --- verify ------------------------------------------------------------------------------------
 */

typedef struct tally {
    unsigned n[NB_STATUS_COUNT];
    char bad[200], why[240];
} tally;

static void count(void *arg, const char *repo, const char *oid, const char *path, uint64_t size,
                  nb_status status, const nb_err *why)
{
    tally *t = arg;
    (void)size;
    t->n[status]++;
    check(dl_oid_ok(oid), "%s", oid);
    if (status != NB_OK) {
        snprintf(t->bad, sizeof t->bad, "%s:%s", repo, path);
        snprintf(t->why, sizeof t->why, "%s", why->msg);
    }
}

CHECK_TEST(store, verify_hashes_both_kinds_and_names_what_differs) /* hub 7 */
{
    dl_cache c = cache_make("verify");
    tally t = {0};
    nb_err err = {0};
    char oid[65], git[65];
    put_some(&c);
    check(dl_store_verify(&c, NULL, count, &t, NULL, &err) == NB_OK && t.n[NB_OK] == 5, "%d ok",
          t.n[NB_OK]);
    put(&c, "org/bad", commit, "sub/w.bin", 7, 9000000, true, oid);
    put(&c, "org/bad", commit, "config.json", 7, 10, false, git);
    const char *blob = test_path(in(&c, "models--org--bad/blobs"), oid);
    int fd = open(blob, O_WRONLY);
    check(pwrite(fd, "x", 1, 8999999) == 1, "flip");
    close(fd);
    t = (tally){0};
    check(dl_store_verify(&c, "org/bad", count, &t, NULL, &err) == NB_OK && t.n[NB_OK] == 1 &&
              t.n[NB_HASH] == 1,
          "%s", err.msg);
    check(strcmp(t.bad, "org/bad:sub/w.bin") == 0 && strstr(t.why, oid) && strstr(t.why, "got "),
          "%s: %s", t.bad, t.why);
    unlink(test_path(in(&c, "models--org--bad/blobs"), git));
    t = (tally){0};
    check(dl_store_verify(&c, "org/bad", count, &t, NULL, &err) == NB_OK && t.n[NB_NOTFOUND] == 1,
          "a dangling link");
    check(dl_store_verify(&c, "org/none", count, &t, NULL, &err) == NB_NOTFOUND, "no such repo");
}

static bool always(void *ud)
{
    (void)ud;
    return true;
}

CHECK_TEST(store, long_walks_can_be_cancelled)
{
    dl_cache c = cache_make("cancel");
    nb_hooks hooks = {.canceled = always};
    tally t = {0};
    nb_err err = {0};
    dl_store s;
    uint64_t bytes;
    size_t n;
    put_some(&c);
    leave_partial(&c, "org/repo", 9, 5000);
    check(dl_store_verify(&c, NULL, count, &t, &hooks, &err) == NB_CANCELED, "verify");
    check(dl_store_scan(&c, &s, &hooks, &err) == NB_CANCELED, "scan");
    check(dl_store_gc(&c, 0, false, &bytes, &n, &hooks, &err) == NB_CANCELED && n == 0, "gc");
}
