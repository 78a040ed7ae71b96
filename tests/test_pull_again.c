/* A pull of what is there already: by commit no request, by branch exactly one, and none at all
 * offline, where the sentence says what is missing (hub 2, 24). */
#include "tests/check.h"
#include "tests/pull.h"
#include "tests/tree.h"
#include "tests/util.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/digest.h"
#include "core/base/file.h"
#include "downloads/hub_private.h"

enum { MIB = 1 << 20 };

static size_t requests(rig *r)
{
    return fake_hub_count(r->hub, FAKE_PORTS, NULL, NULL);
}

/* A checkpoint, a set of two shards, a single quant and a projector. */
static void stock(rig *r)
{
    rig_open(r, 5);
    fake_repo_text(r->repo, "config.json", "{\"model_type\":\"llama\"}");
    fake_repo_text(r->repo, "tokenizer.json", "{}");
    fake_repo_noise(r->repo, "model.safetensors", 300000, 1);
    fake_repo_noise(r->repo, "sub/m-Q4_K_M-00001-of-00002.gguf", 200000, 2);
    fake_repo_noise(r->repo, "sub/m-Q4_K_M-00002-of-00002.gguf", 100000, 3);
    fake_repo_noise(r->repo, "m-Q8_0.gguf", 100000, 4);
}

static const char *at_head(rig *r, const char *rest)
{
    static char name[200];
    snprintf(name, sizeof name, "ns/repo@%s%s", fake_repo_head(r->repo), rest);
    return name;
}

/* Pulls name and expects success with so many requests. */
static void expect_cost(rig *r, const char *name, size_t cost, const char *when)
{
    fake_hub_log_clear(r->hub);
    child c = pull(r, name);
    check(c.code == 0 && c.n_out, "%s, %s: status %d: %s", when, name, c.code, c.err);
    check(requests(r) == cost, "%s, %s: %zu requests, expected %zu", when, name, requests(r), cost);
    child_free(&c);
}

static const char *const wishes[] = {":Q4_K_M", ":q8_0", "", ":m-Q8_0.gguf",
                                     ":sub/m-Q4_K_M-00002-of-00002.gguf"};

static const char *named(const char *tag)
{
    static char name[100];
    snprintf(name, sizeof name, "ns/repo%s", tag);
    return name;
}

static child offline(rig *r, const char *name)
{
    pull_env p = pull_place(r);
    child_how how = {.args = {"pull", name},
                     .env = {p.endpoint, p.home, p.timeout, p.kept, "HF_HUB_OFFLINE=1"}};
    return child_run(&how);
}

/* The one file in the folder of kept lists. */
static const char *kept_list(rig *r)
{
    static char path[1600];
    char dir[1300];
    size_t n = 0;
    snprintf(dir, sizeof dir, "%s/cache/nibble/trees", r->env.home);
    DIR *d = opendir(dir);
    check(d != NULL, "no %s", dir);
    for (const struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
            n++;
        }
    closedir(d);
    check(n == 1, "%zu kept lists", n);
    return path;
}

static void forget_lists(rig *r)
{
    char dir[1300];
    snprintf(dir, sizeof dir, "%s/cache", r->env.home);
    tree_remove(dir);
}

/* --- already there (hub 2) ------------------------------------------------------------------- */

CHECK_TEST(pull_again, costs_one_request_by_branch_and_none_by_commit_hub_2)
{
    rig r;
    stock(&r);
    for (size_t i = 0; i < countof(wishes); i++) {
        child c = pull(&r, named(wishes[i]));
        check(c.code == 0, "%s: status %d: %s", wishes[i], c.code, c.err);
        child_free(&c);
        expect_cost(&r, named(wishes[i]), 1, "by branch");
        expect_cost(&r, at_head(&r, wishes[i]), 0, "by commit");
    }
    check(!nb_exists(rig_path(&r, "trees")), "a foreign file in the shared cache");
    check(access(kept_list(&r), R_OK) == 0, "not kept");
    rig_close(&r);
}

CHECK_TEST(pull_again, by_commit_alone_the_list_is_asked_for_once_hub_2)
{
    rig r;
    stock(&r);
    child c = pull(&r, at_head(&r, ":Q4_K_M"));
    check(c.code == 0, "status %d: %s", c.code, c.err);
    child_free(&c);
    check(!nb_exists(rig_path(&r, "refs")), "a commit is no ref");
    expect_cost(&r, at_head(&r, ":Q4_K_M"), 0, "again");
    c = pull(&r, at_head(&r, ":Q8_0")); /* another choice of the same list: only its bytes */
    check(c.code == 0 && fake_hub_count(r.hub, FAKE_HUB, NULL, "/api/*") == 0, "status %d: %s",
          c.code, c.err);
    child_free(&c);
    rig_close(&r);
}

CHECK_TEST(pull_again, a_branch_that_moved_is_listed_anew_hub_2)
{
    rig r;
    stock(&r);
    char *before = strdup(at_head(&r, ":Q8_0"));
    child c = pull(&r, "ns/repo:Q8_0");
    check(c.code == 0, "status %d: %s", c.code, c.err);
    child_free(&c);
    fake_repo_commit(r.repo, "more");
    fake_repo_noise(r.repo, "m-Q2_K.gguf", 50000, 9);
    c = pull(&r, "ns/repo:Q2_K");
    check(c.code == 0, "status %d: %s", c.code, c.err);
    child_free(&c);
    pull_expect_landed(&r, "m-Q2_K.gguf");
    expect_cost(&r, "ns/repo:Q2_K", 1, "the new commit");
    expect_cost(&r, "ns/repo:Q8_0", 1, "its bytes are the old commit's");
    expect_cost(&r, before, 0, "the old commit");
    free(before);
    rig_close(&r);
}

CHECK_TEST(pull_again, a_blob_of_another_client_is_linked_without_a_request_hub_2)
{
    rig r;
    struct stat before, after;
    char oid[65], blob[100], entry[200];
    uint64_t size;
    stock(&r);
    child c = pull(&r, "ns/repo:Q8_0");
    check(c.code == 0, "status %d: %s", c.code, c.err);
    child_free(&c);
    fake_repo_listed(r.repo, "m-Q8_0.gguf", &size, oid);
    snprintf(blob, sizeof blob, "blobs/%s", oid);
    snprintf(entry, sizeof entry, "snapshots/%s/m-Q8_0.gguf", fake_repo_head(r.repo));
    check(unlink(rig_path(&r, entry)) == 0 && stat(rig_path(&r, blob), &before) == 0, "set up");
    expect_cost(&r, at_head(&r, ":Q8_0"), 0, "the blob alone");
    pull_expect_landed(&r, "m-Q8_0.gguf");
    check(stat(rig_path(&r, blob), &after) == 0 && before.st_ino == after.st_ino &&
              before.st_mtim.tv_nsec == after.st_mtim.tv_nsec,
          "the blob was rewritten");
    rig_close(&r);
}

/* As another user, who may read the cache and write nowhere. */
static child pull_as_nobody(rig *r, const char *name)
{
    pull_env p = pull_place(r);
    child_how how = {.program = "setpriv",
                     .args = {"--reuid=65534", "--clear-groups", child_nibble, "pull", name},
                     .env = {p.endpoint, p.home, p.timeout, p.kept}};
    return child_run(&how);
}

CHECK_TEST(pull_again, a_cache_to_read_only_serves_hub_2)
{
    rig r;
    if (geteuid() != 0 || !child_have("setpriv"))
        check_skip("another user is needed: run as root, with setpriv");
    stock(&r);
    check(chmod(test_tmpdir(), 0755) == 0, "chmod");
    for (size_t i = 0; i < countof(wishes); i++) {
        child c = pull(&r, named(wishes[i]));
        check(c.code == 0, "%s: %s", wishes[i], c.err);
        child_free(&c);
        fake_hub_log_clear(r.hub);
        c = pull_as_nobody(&r, named(wishes[i]));
        if (c.code == 126 || c.code == 127)
            check_skip("nobody may run the program where it lies");
        /* The kept list is for its owner alone: here it costs the second request. */
        check(c.code == 0 && c.n_out && requests(&r) >= 1 && requests(&r) <= 2,
              "%s: status %d, %zu requests: %s", wishes[i], c.code, requests(&r), c.err);
        child_free(&c);
    }
    check(fake_hub_count(r.hub, FAKE_CDN, NULL, NULL) == 0, "a byte was asked for");
    rig_close(&r);
}

/* --- kept lists that are damaged ------------------------------------------------------------- */

/* The list with its checksum made right again. */
static void write_list(const char *path, const char *body)
{
    char *text = malloc(strlen(body) + 32);
    sprintf(text, "%016llx\n%s", (unsigned long long)nb_fingerprint(body, strlen(body)), body);
    test_spit(path, text, strlen(text));
    free(text);
}

CHECK_TEST(pull_again, a_damaged_list_costs_a_request_and_never_an_error_hub_2)
{
    enum { EMPTY, CUT, FLIPPED, NO_SUM, OTHER_REPO, NO_JSON, NO_FILES, ALL_HOSTILE, KINDS };
    rig r;
    size_t n;
    stock(&r);
    child c = pull(&r, "ns/repo:Q4_K_M");
    check(c.code == 0, "%s", c.err);
    child_free(&c);
    for (int i = 0; i < KINDS; i++) {
        const char *path = kept_list(&r);
        char *text = test_slurp(path, &n), body[1200];
        snprintf(body, sizeof body, "%s ns/repo %s ns/repo\n", r.env.endpoint,
                 fake_repo_head(r.repo));
        size_t head = strlen(body);
        check(n > head && strncmp(text + 17, body, head) == 0, "%s", text);
        if (i == EMPTY || i == CUT)
            test_spit(path, text, i == CUT ? n - 20 : 0);
        if (i == FLIPPED || i == OTHER_REPO)
            text[i == FLIPPED ? n - 30 : 17 + head - 2] ^= 1;
        if (i == FLIPPED)
            test_spit(path, text, n);
        if (i == NO_SUM)
            test_spit(path, text + 17, n - 17);
        if (i == OTHER_REPO) /* a repository by another name: its files would not be these */
            snprintf(body, sizeof body, "%s ns/other %s ns/other\n%.600s", r.env.endpoint,
                     fake_repo_head(r.repo), text + 17 + head);
        if (i == NO_JSON)
            snprintf(body + head, sizeof body - head, "[{\"path\":");
        if (i == NO_FILES)
            snprintf(body + head, sizeof body - head, "[]");
        if (i == ALL_HOSTILE)
            snprintf(body + head, sizeof body - head, "[{\"path\":\"../x\",\"size\":1},7,null]");
        if (i >= OTHER_REPO)
            write_list(path, body);
        free(text);
        expect_cost(&r, i % 2 ? at_head(&r, ":Q4_K_M") : "ns/repo:Q4_K_M", 2, "damaged");
        expect_cost(&r, at_head(&r, ":Q4_K_M"), 0, "mended");
    }
    rig_close(&r);
}

CHECK_TEST(pull_again, a_list_that_was_wrong_is_asked_for_again_hub_8)
{
    rig r;
    size_t n;
    stock(&r);
    child c = pull(&r, at_head(&r, ":Q4_K_M"));
    check(c.code == 0, "%s", c.err);
    child_free(&c);
    char *text = test_slurp(kept_list(&r), &n);
    char *row = strstr(text, "\"m-Q8_0.gguf\"");
    check(row, "%s", text);
    for (int i = 0; i < 2; i++) { /* of the file, and of its content */
        row = strstr(row, "100000");
        check(row, "%s", text);
        row[5] = '1';
    }
    write_list(kept_list(&r), text + 17);
    free(text);
    c = pull(&r, at_head(&r, ":Q8_0"));
    check(c.code == 9 && strstr(c.err, "100000") && strstr(c.err, "100001"), "status %d: %s",
          c.code, c.err);
    child_free(&c);
    rig_expect_nothing(&r, "m-Q8_0.gguf");
    c = pull(&r, at_head(&r, ":Q8_0"));
    check(c.code == 0, "status %d: %s", c.code, c.err);
    pull_expect_landed(&r, "m-Q8_0.gguf");
    child_free(&c);
    rig_close(&r);
}

CHECK_TEST(pull_again, kept_answers_are_bounded_in_number_and_bytes)
{
    char dir[600], path[700];
    nb_str text = {0};
    size_t left = 0;
    snprintf(dir, sizeof dir, "%s", test_path(test_tmpdir(), "kept-answers"));
    nb_str_add(&text, "0123456789");
    for (int i = 0; i < 9; i++) {
        snprintf(path, sizeof path, "%s/%d", dir, i);
        dl_kept_write(path, &text, i < 5 ? 3 : 9, i < 5 ? 1000 : 20);
        check(nb_exists(path), "the newest is not kept");
        usleep(5000);
    }
    for (int i = 0; i < 9; i++) {
        snprintf(path, sizeof path, "%s/%d", dir, i);
        left += nb_exists(path);
    }
    check(left == 2 && nb_exists(path), "%zu are left", left);
    dl_kept_write(test_path(dir, "large"), &text, 9, 9);
    check(!nb_exists(test_path(dir, "large")), "larger than all may be");
    nb_str_free(&text);
}

/* --- offline (hub 24) ------------------------------------------------------------------------ */

CHECK_TEST(pull_again, offline_serves_what_is_there_with_and_without_a_list_hub_24)
{
    rig r;
    stock(&r);
    for (size_t i = 0; i < countof(wishes); i++) {
        child c = pull(&r, named(wishes[i]));
        check(c.code == 0, "%s: %s", wishes[i], c.err);
        child_free(&c);
    }
    unsigned before = fake_hub_connections(r.hub);
    for (int listed = 1; listed >= 0; listed--) {
        for (size_t i = 0; i < 2 * countof(wishes); i++) {
            const char *tag = wishes[i / 2], *name = i % 2 ? named(tag) : at_head(&r, tag);
            child on = offline(&r, name);
            check(on.code == 0 && on.n_err == 0 && strstr(on.out, "snapshots/"),
                  "%s, %s list: status %d: %s", name, listed ? "with" : "no", on.code, on.err);
            child_free(&on);
        }
        forget_lists(&r);
    }
    check(fake_hub_connections(r.hub) == before, "a connection was made");
    rig_close(&r);
}

typedef struct gap_row {
    const char *name, *says;
    bool listed; /* else the list is forgotten */
} gap_row;

CHECK_TEST(pull_again, offline_says_in_a_sentence_what_is_missing_hub_24)
{
    static const gap_row rows[] = {
        {"ns/repo:Q8_0", "1 of 1 files (m-Q8_0.gguf) is not in the cache", true},
        {"ns/repo:Q4_K_M", "1 of 2 files (sub/m-Q4_K_M-00002-of-00002.gguf) is not in the", true},
        {"ns/repo", "2 of 3 files (the first is tokenizer.json) are not in the cache", true},
        {"ns/repo:Q2_K", "no Q2_K here", true},
        {"ns/repo@dev:Q8_0", "nothing of revision dev is in the cache", true},
        {"ns/none", "nothing of revision main is in the cache", true},
        {"ns/repo:m-Q8_0.gguf", "ns/repo:m-Q8_0.gguf: 1 of 1 files", true},
        {"ns/repo:Q4_K_M", "ns/repo:Q4_K_M: part 2 of 2 is not in the cache", false},
        {"ns/repo:Q8_0", "ns/repo:Q8_0: not in the cache", false},
        {"ns/repo:m-Q8_0.gguf", "ns/repo:m-Q8_0.gguf: not in the cache", false},
    };
    rig r;
    char rest[200];
    stock(&r);
    child c = pull(&r, "ns/repo:Q4_K_M");
    check(c.code == 0, "%s", c.err);
    child_free(&c);
    c = pull(&r, "ns/repo:config.json");
    child_free(&c);
    snprintf(rest, sizeof rest, "snapshots/%s/sub/m-Q4_K_M-00002-of-00002.gguf",
             fake_repo_head(r.repo));
    char *blob = realpath(rig_path(&r, rest), NULL);
    check(blob && unlink(blob) == 0, "no blob");
    free(blob);
    unsigned before = fake_hub_connections(r.hub);
    for (size_t i = 0; i < countof(rows); i++) {
        if (!rows[i].listed)
            forget_lists(&r);
        c = offline(&r, rows[i].name);
        check(c.code == (strstr(rows[i].name, "Q2_K") ? 4 : 7) && strstr(c.err, rows[i].says) &&
                  c.n_out == 0 && strchr(c.err, '\n') == c.err + c.n_err - 1,
              "%s: status %d: %s", rows[i].name, c.code, c.err);
        child_free(&c);
    }
    check(fake_hub_connections(r.hub) == before, "a connection was made");
    rig_close(&r);
}

CHECK_TEST(pull_again, offline_a_checkpoint_without_its_configuration_is_not_whole_hub_24)
{
    rig r;
    stock(&r);
    child c = pull(&r, "ns/repo:model.safetensors");
    check(c.code == 0, "%s", c.err);
    child_free(&c);
    forget_lists(&r);
    c = offline(&r, "ns/repo");
    check(c.code == 7 && strstr(c.err, "config.json is not in the cache"), "status %d: %s", c.code,
          c.err);
    child_free(&c);
    rig_close(&r);
}
