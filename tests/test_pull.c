/* The pull command as a user's shell sees it: what it asks for, prints and refuses (hub 2, 21). */
#include "tests/check.h"
#include "tests/pull.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"

enum { MIB = 1 << 20 };

CHECK_TEST(pull, a_file_by_path_costs_one_request_when_there_hub_2)
{
    rig r;
    char want[1400], commit[1100];
    rig_open(&r, 5);
    fake_repo_noise(r.repo, "sub/m-Q8_0.gguf", 5 * MIB, 7);
    child c = pull(&r, "ns/repo:sub/m-Q8_0.gguf");
    check(c.code == 0, "status %d: %s", c.code, c.err);
    pull_expect_landed(&r, "sub/m-Q8_0.gguf");
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
        pull_expect_landed(&r, shards[i]);
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
    pull_expect_landed(&r, "config.json");
    pull_expect_landed(&r, "tokenizer.json");
    pull_expect_landed(&r, "model.safetensors");
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
