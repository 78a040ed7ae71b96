/* The pull command as a user's shell sees it: what it prints and leaves, killed, interrupted, and
 * beside another one (hub 1, 2, 4, 17, 18, 21; A15, A18). */
#include "tests/check.h"
#include "tests/run_child.h"
#include "tests/transfer.h"
#include "tests/util.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/job.h"

enum { MIB = 1 << 20 };

/* A sanitizer's runtime insists on being the first library. */
enum { PRELOADS = RIG_SLOW == 1 };

/* --- helpers --------------------------------------------------------------------------------- */

typedef struct place { /* environment of a child */
    char endpoint[600], home[1100], timeout[64], preload[600];
} place;

static place place_of(rig *r)
{
    place p;
    snprintf(p.endpoint, sizeof p.endpoint, "HF_ENDPOINT=%s", r->env.endpoint);
    snprintf(p.home, sizeof p.home, "HF_HOME=%s", r->env.home);
    snprintf(p.timeout, sizeof p.timeout, "HF_HUB_DOWNLOAD_TIMEOUT=%d", r->env.download_timeout);
    snprintf(p.preload, sizeof p.preload, "LD_PRELOAD=%s/%s/tests/preload.so", NB_TEST_ROOT,
             NB_TEST_BUILD);
    return p;
}

/* args end with NULL; how's environment and arguments are filled in. */
static child pull_how(rig *r, child_how how, const char *const *args)
{
    place p = place_of(r);
    how.args[0] = "pull";
    for (int i = 0; args[i]; i++)
        how.args[i + 1] = args[i];
    int n = 0;
    while (how.env[n])
        n++;
    how.env[n] = p.endpoint;
    how.env[n + 1] = p.home;
    how.env[n + 2] = p.timeout;
    if (n) /* something for the preloaded library */
        how.env[n + 3] = p.preload;
    return child_run(&how);
}

static child pull(rig *r, const char *name)
{
    return pull_how(r, (child_how){0}, (const char *[]){name, NULL});
}

/* What the last pull left is what rig_fetch would have told. */
static void expect_landed(rig *r, const char *path)
{
    char rest[300];
    snprintf(rest, sizeof rest, "snapshots/%s/%s", fake_repo_head(r->repo), path);
    r->err = (nb_err){0};
    check(fake_repo_listed(r->repo, path, &r->got.size, r->got.oid), "no %s", path);
    snprintf(r->got.path, sizeof r->got.path, "%s", rig_path(r, rest));
    rig_expect_landed(r, path);
}

/* What `hf cache ls` would call corrupt: a dangling link, a ref without its snapshot. */
static void expect_sound(rig *r, const char *path, const char *when)
{
    char rest[300], target[300];
    struct stat st;
    size_t n;
    snprintf(rest, sizeof rest, "snapshots/%s/%s", fake_repo_head(r->repo), path);
    const char *entry = rig_path(r, rest);
    if (lstat(entry, &st) == 0)
        check(stat(entry, &st) == 0, "%s: the link dangles", when);
    char *ref = test_slurp(rig_path(r, "refs/main"), &n);
    if (ref) {
        snprintf(target, sizeof target, "snapshots/%.40s", ref);
        check(n == 40 && stat(rig_path(r, target), &st) == 0, "%s: the ref leads nowhere", when);
        check(stat(entry, &st) == 0, "%s: the ref came before the file", when);
    }
    free(ref);
}

/* --- what it prints -------------------------------------------------------------------------- */

CHECK_TEST(pull, a_file_by_path_costs_one_request_when_there_hub_2)
{
    rig r;
    char want[1400], commit[1100];
    rig_open(&r, 5);
    fake_repo_noise(r.repo, "sub/m-Q8_0.gguf", 5 * MIB, 7);
    child c = pull(&r, "ns/repo:sub/m-Q8_0.gguf");
    check(c.code == 0, "status %d: %s", c.code, c.err);
    expect_landed(&r, "sub/m-Q8_0.gguf");
    snprintf(want, sizeof want, "%s\n", r.got.path);
    check(strcmp(c.out, want) == 0 && c.n_err == 0, "\"%s\" \"%s\"", c.out, c.err);
    child_free(&c);

    fake_hub_log_clear(r.hub);
    c = pull(&r, "ns/repo:sub/m-Q8_0.gguf");
    check(c.code == 0 && strcmp(c.out, want) == 0, "%s%s", c.out, c.err);
    check(fake_hub_count(r.hub, FAKE_PORTS, NULL, NULL) == 1, "by branch: %zu requests",
          fake_hub_count(r.hub, FAKE_PORTS, NULL, NULL));
    child_free(&c);

    fake_hub_log_clear(r.hub);
    snprintf(commit, sizeof commit, "ns/repo@%s:sub/m-Q8_0.gguf", fake_repo_head(r.repo));
    c = pull(&r, commit);
    check(c.code == 0 && strcmp(c.out, want) == 0, "%s%s", c.out, c.err);
    check(fake_hub_count(r.hub, FAKE_PORTS, NULL, NULL) == 0, "by commit: a request");
    child_free(&c);
    rig_close(&r);
}

static uint64_t json_u64(const nb_jval *obj, const char *key)
{
    int64_t v = -1;
    nb_jint(nb_jget(obj, key), &v);
    return (uint64_t)v;
}

static const char *json_str(const nb_jval *obj, const char *key)
{
    const char *s = "";
    nb_jstr(nb_jget(obj, key), &s);
    return s;
}

CHECK_TEST(pull, a_quant_brings_all_its_shards_hub_21)
{
    static const char *const shards[] = {"m-Q4_K_M-00001-of-00002.gguf",
                                         "m-Q4_K_M-00002-of-00002.gguf"};
    rig r;
    nb_jval const *f;
    rig_open(&r, 5);
    fake_repo_noise(r.repo, shards[0], 3 * MIB, 1);
    fake_repo_noise(r.repo, shards[1], 2 * MIB, 2);
    fake_repo_noise(r.repo, "m-Q8_0.gguf", MIB, 3);
    child c = pull_how(&r, (child_how){0}, (const char *[]){"ns/repo:q4_k_m", "--json", NULL});
    nb_json *doc = child_json(&c);
    const nb_jval *one = nb_jfirst(nb_jget(nb_json_root(doc), "pulled"));
    check(strcmp(json_str(one, "repo"), "ns/repo") == 0 &&
              strcmp(json_str(one, "commit"), fake_repo_head(r.repo)) == 0 &&
              strcmp(json_str(one, "revision"), "main") == 0 &&
              strcmp(json_str(one, "name"), "Q4_K_M") == 0 && json_u64(one, "bytes") == 5 * MIB,
          "%s", c.out);
    f = nb_jfirst(nb_jget(one, "files"));
    for (int i = 0; i < 2; i++, f = nb_jnext(f)) {
        bool cached = true;
        nb_jbool(nb_jget(f, "cached"), &cached);
        expect_landed(&r, shards[i]);
        check(f && strcmp(json_str(f, "path"), shards[i]) == 0 && !cached &&
                  strcmp(json_str(f, "sha256"), r.got.oid) == 0 &&
                  strcmp(json_str(f, "landed"), r.got.path) == 0,
              "%s", c.out);
    }
    check(!f && json_u64(nb_json_root(doc), "bytes") == 5 * MIB, "%s", c.out);
    check(!nb_exists(rig_path(&r, "snapshots/x")) && rig_count_blobs(&r, "") == 2, "others came");
    nb_json_close(&doc);
    child_free(&c);
    rig_close(&r);
}

CHECK_TEST(pull, an_incomplete_set_costs_no_byte_hub_21)
{
    rig r;
    rig_open(&r, 5);
    fake_repo_noise(r.repo, "m-Q4_K_M-00001-of-00003.gguf", MIB, 1);
    fake_repo_noise(r.repo, "m-Q4_K_M-00003-of-00003.gguf", MIB, 2);
    child c = pull(&r, "ns/repo:Q4_K_M");
    check(c.code == 3 && strstr(c.err, "part 2 of 3"), "status %d: %s", c.code, c.err);
    check(fake_hub_count(r.hub, FAKE_CDN, NULL, NULL) == 0, "a byte was asked for");
    child_free(&c);
    c = pull(&r, "ns/repo:m-Q4_K_M-00001-of-00003.gguf"); /* nor by one shard's name */
    check(c.code == 3 && fake_hub_count(r.hub, FAKE_CDN, NULL, NULL) == 0, "status %d: %s", c.code,
          c.err);
    child_free(&c);
    rig_close(&r);
}

CHECK_TEST(pull, a_checkpoint_comes_with_config_and_tokenizer)
{
    rig r;
    char want[1400];
    rig_open(&r, 5);
    fake_repo_text(r.repo, "config.json", "{\"model_type\":\"llama\"}");
    fake_repo_text(r.repo, "tokenizer.json", "{}");
    fake_repo_noise(r.repo, "model.safetensors", 3 * MIB, 1);
    child c = pull_how(&r, (child_how){0}, (const char *[]){"ns/repo", "--dry-run", NULL});
    check(c.code == 0 && strstr(c.out, "fetch  model.safetensors") &&
              strstr(c.out, "would land in"),
          "status %d: %s%s", c.code, c.out, c.err);
    check(!nb_exists(rig_path(&r, "blobs")), "a dry run writes");
    child_free(&c);
    c = pull(&r, "ns/repo");
    check(c.code == 0, "status %d: %s", c.code, c.err);
    expect_landed(&r, "config.json");
    expect_landed(&r, "tokenizer.json");
    expect_landed(&r, "model.safetensors");
    snprintf(want, sizeof want, "%s\n", r.got.path);
    *strrchr(want, '/') = '\0';
    check(strncmp(c.out, want, strlen(want)) == 0 && strcmp(c.out + strlen(want), "\n") == 0, "%s",
          c.out);
    child_free(&c);
    rig_close(&r);
}

CHECK_TEST(pull, wrong_usage_and_refusals_have_their_codes)
{
    static const struct {
        const char *args[4];
        int code;
        const char *says;
    } rows[] = {
        {{"no"}, 4, "does not exist"},
        {{"a/../b"}, 2, "expected"},
        {{"ns/repo:../x"}, 2, "has"},
        {{"ns/repo", "--limit", "fast"}, 2, "--limit"},
        {{"ns/repo", "--connections", "99"}, 2, "--connections"},
        {{"ns/repo@main", "--revision", "dev"}, 2, "--revision"},
        {{"ns/repo@nope:m.gguf"}, 4, "no such revision"},
        {{"ns/repo:q3_k_s"}, 4, "q3_k_s"},
        {{"ns/gated:m.gguf"}, 8, "gated"},
    };
    rig r;
    rig_open(&r, 5);
    fake_repo_noise(r.repo, "m.gguf", MIB, 1);
    fake_repo *gated =
        fake_hub_add(r.hub, &(fake_repo_info){.id = "ns/gated", .gated = FAKE_GATED_MANUAL});
    fake_repo_noise(gated, "m.gguf", MIB, 1);
    for (size_t i = 0; i < countof(rows); i++) {
        child c = pull_how(&r, (child_how){0}, rows[i].args);
        check(c.code == rows[i].code && strstr(c.err, rows[i].says) && c.n_out == 0,
              "%s: status %d, \"%s\"", rows[i].args[0], c.code, c.err);
        check(strchr(c.err, '\n') == c.err + c.n_err - 1, "more than a sentence: %s", c.err);
        child_free(&c);
    }
    check(rig_count_blobs(&r, "") == 0, "something was written");
    rig_close(&r);
}

/* --- interrupted (hub 18) -------------------------------------------------------------------- */

CHECK_TEST(pull, interrupt_keeps_what_came_and_says_so_hub_18)
{
    rig r;
    rig_open(&r, 5);
    fake_repo_noise(r.repo, "m.gguf", 32 * MIB, 7);
    rig_fault(&r, "GET cdn:*m.gguf rate=8M");
    child c =
        pull_how(&r, (child_how){.interrupt_after = .8}, (const char *[]){"ns/repo:m.gguf", NULL});
    check(c.code == 130 && strstr(c.err, "are kept, the same command goes on"), "status %d: %s",
          c.code, c.err);
    check(c.after_signal < .2 * RIG_SLOW, "%.3f s", c.after_signal);
    child_free(&c);
    check(rig_count_blobs(&r, ".incomplete") == 2, "nothing is kept");
    rig_expect_nothing(&r, "m.gguf");
    fake_hub_faults_clear(r.hub);
    fake_hub_log_clear(r.hub);
    c = pull(&r, "ns/repo:m.gguf");
    check(c.code == 0, "status %d: %s", c.code, c.err);
    expect_landed(&r, "m.gguf");
    check(rig_served(&r, "m.gguf") < 28 * MIB, "%" PRIu64 " bytes", rig_served(&r, "m.gguf"));
    child_free(&c);
    rig_close(&r);
}

/* --- killed (A15, hub 1, 4) ------------------------------------------------------------------ */

CHECK_TEST(pull, killed_at_any_moment_and_run_again_A15)
{
    enum { SIZE = 32 * MIB, REFETCH = 8 * MIB };
    const int rounds = getenv("NB_TEST_LONG") ? 200 : 20;
    test_rng rng = test_rng_make(15);
    int killed = 0;
    for (int i = 0; i < rounds; i++) {
        rig r;
        rig_open(&r, 5);
        fake_repo_noise(r.repo, "m.gguf", SIZE, 7);
        rig_fault(&r, "GET cdn:*m.gguf rate=32M"); /* each connection: little waits in sockets */
        double after = .02 + .38 * (double)test_uniform(&rng);
        child c = pull_how(&r, (child_how){.kill_after = after, .may_die = true},
                           (const char *[]){"ns/repo:m.gguf", NULL});
        killed += c.code == 1009;
        child_free(&c);
        expect_sound(&r, "m.gguf", "after the kill");
        uint64_t before = rig_served(&r, "m.gguf");
        fake_hub_faults_clear(r.hub);
        c = pull(&r, "ns/repo:m.gguf");
        check(c.code == 0, "round %d: status %d: %s", i, c.code, c.err);
        expect_landed(&r, "m.gguf");
        uint64_t all = rig_served(&r, "m.gguf");
        check(all <= SIZE + REFETCH, "round %d: %" PRIu64 " bytes, %" PRIu64 " before the kill", i,
              all, before);
        child_free(&c);
        rig_close(&r);
    }
    check(killed > rounds / 2, "only %d of %d were killed", killed, rounds);
}

CHECK_TEST(pull, killed_behind_each_step_of_publishing_hub_1)
{
    static const char *const moments[] = {"NB_KILL_AFTER=renameat 1", "NB_KILL_AFTER=unlinkat 1",
                                          "NB_KILL_AFTER=symlinkat 1", "NB_KILL_AFTER=renameat 2"};
    if (!PRELOADS)
        check_skip("nothing can be preloaded before a sanitizer");
    for (size_t i = 0; i < countof(moments); i++) {
        rig r;
        rig_open(&r, 5);
        fake_repo_noise(r.repo, "m.gguf", 3 * MIB, 7);
        child c = pull_how(&r, (child_how){.env = {moments[i]}, .may_die = true},
                           (const char *[]){"ns/repo:m.gguf", NULL});
        check(c.code == 1009, "%s: status %d: %s", moments[i], c.code, c.err);
        child_free(&c);
        expect_sound(&r, "m.gguf", moments[i]);
        fake_hub_log_clear(r.hub);
        c = pull(&r, "ns/repo:m.gguf");
        check(c.code == 0, "%s: status %d: %s", moments[i], c.code, c.err);
        expect_landed(&r, "m.gguf");
        check(rig_served(&r, "m.gguf") == 0, "%s: bytes were fetched again", moments[i]);
        check(access(rig_path(&r, "refs/main"), F_OK) == 0, "%s: no ref", moments[i]);
        child_free(&c);
        rig_close(&r);
    }
}

/* --- two at once (hub 17, A18) --------------------------------------------------------------- */

/* Two pulls of one file at the same moment; the exit codes of both in the output. */
static child pull_twice(rig *r, const char *no_flock)
{
    static char script[700];
    place p = place_of(r);
    snprintf(script, sizeof script,
             "N='%s/%s/nibble'; $N pull ns/repo:m.gguf & $N pull ns/repo:m.gguf; b=$?; wait $!; "
             "echo codes $? $b",
             NB_TEST_ROOT, NB_TEST_BUILD);
    child_how how = {.program = "sh", .args = {"-c", script}};
    how.env[0] = p.endpoint;
    how.env[1] = p.home;
    how.env[2] = p.timeout;
    if (no_flock) {
        how.env[3] = p.preload;
        how.env[4] = no_flock;
    }
    return child_run(&how);
}

CHECK_TEST(pull, the_second_of_two_waits_for_the_first_hub_17)
{
    enum { SIZE = 16 * MIB };
    rig r;
    rig_open(&r, 5);
    fake_repo_noise(r.repo, "m.gguf", SIZE, 7);
    rig_fault(&r, "GET cdn:*m.gguf rate=8M");
    child c = pull_twice(&r, NULL);
    check(strstr(c.out, "codes 0 0"), "%s%s", c.out, c.err);
    check(strstr(c.err, "waiting for pid "), "nobody says that he waits: %s", c.err);
    expect_landed(&r, "m.gguf");
    check(rig_served(&r, "m.gguf") <= SIZE + SIZE / 10, "%" PRIu64 " bytes",
          rig_served(&r, "m.gguf"));
    child_free(&c);
    rig_close(&r);
}

CHECK_TEST(pull, races_without_flock_end_well_A18)
{
    const int rounds = getenv("NB_TEST_LONG") ? 50 : 8;
    if (!PRELOADS)
        check_skip("nothing can be preloaded before a sanitizer");
    for (int i = 0; i < rounds; i++) {
        rig r;
        rig_open(&r, 5);
        fake_repo_noise(r.repo, "m.gguf", 5 * MIB + i, 7);
        child c = pull_twice(&r, "NB_NO_FLOCK=1");
        check(strstr(c.out, "codes 0 0"), "round %d: %s%s", i, c.out, c.err);
        expect_landed(&r, "m.gguf");
        child_free(&c);
        rig_close(&r);
    }
}

/* --- a Python client's lock (hub 17) --------------------------------------------------------- */

static int hold_lock(rig *r, const char *path)
{
    char oid[65], dir[1200], file[1400];
    uint64_t size;
    check(fake_repo_listed(r->repo, path, &size, oid), "no %s", path);
    snprintf(dir, sizeof dir, "%s/.locks/models--ns--repo", r->env.hub);
    check(nb_mkdirs(dir, &r->err) == NB_OK, "%s", r->err.msg);
    snprintf(file, sizeof file, "%s/%s.lock", dir, oid);
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0664);
    check(fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0, "%s cannot be locked", file);
    return fd;
}

CHECK_TEST(pull, a_lock_whose_file_stands_still_is_passed_after_five_seconds_hub_17)
{
    rig r;
    rig_open(&r, 5);
    fake_repo_noise(r.repo, "m.gguf", MIB, 7);
    int fd = hold_lock(&r, "m.gguf");
    double start = nb_now();
    child c = pull(&r, "ns/repo:m.gguf");
    double took = nb_now() - start;
    close(fd);
    check(c.code == 0, "status %d: %s", c.code, c.err);
    check(took > 4.9 && took < 8 + RIG_SLOW, "%.1f s", took);
    check(strstr(c.err, "waiting for pid "), "%s", c.err);
    expect_landed(&r, "m.gguf");
    child_free(&c);
    rig_close(&r);
}

CHECK_TEST(pull, waiting_for_a_lock_can_be_cancelled_hub_17)
{
    rig r;
    rig_open(&r, 5);
    fake_repo_noise(r.repo, "m.gguf", MIB, 7);
    int fd = hold_lock(&r, "m.gguf");
    child c =
        pull_how(&r, (child_how){.interrupt_after = .5}, (const char *[]){"ns/repo:m.gguf", NULL});
    close(fd);
    check(c.code == 130 && c.after_signal < .3 * RIG_SLOW, "status %d after %.2f s: %s", c.code,
          c.after_signal, c.err);
    check(fake_hub_count(r.hub, FAKE_CDN, NULL, NULL) == 0, "bytes were asked for");
    child_free(&c);
    rig_close(&r);
}
