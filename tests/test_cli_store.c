/* ls, rm, verify and gc from outside: what they print, ask, refuse and exit with (tui 29, hub 18).
 */
#include "tests/check.h"

#include "core/base/digest.h"
#include "core/base/file.h"
#include "core/base/str.h"
#include "downloads/cache.h"
#include "downloads/partial.h"
#include "tests/run_child.h"
#include "tests/tree.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char commit[] = "5e1c0f1e5e1c0f1e5e1c0f1e5e1c0f1e5e1c0f1e";

typedef struct home {
    char env[600], ollama[640];
    dl_cache cache;
} home;

static void put(const dl_cache *c, const char *path, int seed, size_t n, bool finish)
{
    char oid[65];
    uint8_t *bytes = malloc(n);
    dl_partial *p = NULL;
    memset(bytes, seed, n);
    nb_sha256_of(bytes, n, oid, NULL);
    check(dl_cache_prepare(c, "org/repo", commit, NULL) == NB_OK &&
              dl_partial_open(&p, c, "org/repo", oid, n, commit, NULL) == NB_OK &&
              dl_partial_write(p, 0, 0, bytes, finish ? n : n / 2, NULL) == NB_OK,
          "%s", path);
    if (finish)
        check(dl_partial_publish(&p, c, "org/repo", NULL) == NB_OK &&
                  dl_cache_link(c, "org/repo", commit, path, oid, NULL) == NB_OK,
              "%s", path);
    dl_partial_close(&p);
    free(bytes);
}

static void home_make(home *h, const char *name)
{
    nb_hub_env *env = calloc(1, sizeof *env);
    snprintf(env->home, sizeof env->home, "%s/cli-%s", tree_scratch(), name);
    snprintf(env->hub, sizeof env->hub, "%s/cli-%s/hub", tree_scratch(), name);
    snprintf(h->env, sizeof h->env, "HF_HOME=%s/cli-%s", tree_scratch(), name);
    snprintf(h->ollama, sizeof h->ollama, "OLLAMA_MODELS=%s/cli-%s/ollama", tree_scratch(), name);
    check(dl_cache_open(&h->cache, env, NULL) == NB_OK, "open");
    free(env);
    put(&h->cache, "tale-Q4_K_M.gguf", 1, 50000, true);
    put(&h->cache, "sub/tale-Q8_0.gguf", 2, 90000, true);
    put(&h->cache, "tale-Q8_0-old.gguf", 3, 7000, true);
    check(dl_cache_ref(&h->cache, "org/repo", "main", commit, NULL) == NB_OK, "ref");
}

static child run(const home *h, const char *const *args)
{
    child_how how = {.env = {h->env, h->ollama}, .dir = tree_scratch()};
    for (int i = 0; i < CHILD_ARGS && args[i]; i++)
        how.args[i] = args[i];
    return child_run(&how);
}
#define RUN(h, ...) run(h, (const char *const[]){__VA_ARGS__, NULL})

static uint64_t number(const nb_jval *obj, const char *key)
{
    int64_t v = -1;
    check(nb_jint(nb_jget(obj, key), &v) && v >= 0, "%s", key);
    return (uint64_t)v;
}

static bool says(const nb_jval *obj, const char *key, const char *want)
{
    const char *text;
    return nb_jstr(nb_jget(obj, key), &text) && strstr(text, want);
}

CHECK_TEST(cli_store, ls_shows_models_repositories_leftovers_and_trash)
{
    home h;
    uint64_t bytes;
    home_make(&h, "ls");
    put(&h.cache, "x", 9, 5000, false);
    check(dl_store_trash(&h.cache, "org/repo", NULL, "tale-Q8_0-old.gguf", false, &bytes, NULL) ==
              NB_OK,
          "trash");
    child c = RUN(&h, "ls"), j = RUN(&h, "ls", "--json");
    check(c.code == 0 && c.n_err == 0, "status %d: %s", c.code, c.err);
    check(strstr(c.out, "nibble-demo") && strstr(c.out, "org/repo") && strstr(c.out, h.cache.hub) &&
              strstr(c.out, ".incomplete") && strstr(c.out, "trash: 1 deleted"),
          "%s", c.out);
    nb_json *doc = child_json(&j);
    const nb_jval *root = nb_json_root(doc), *repo = nb_jfirst(nb_jget(root, "repos"));
    const nb_jval *left = nb_jfirst(nb_jget(root, "leftovers"));
    bool live = true;
    check(nb_jlen(nb_jget(root, "repos")) == 1 && says(repo, "repo", "org/repo") &&
              number(repo, "bytes") == 140000 && number(repo, "files") == 2 &&
              number(repo, "revisions") == 1 && number(repo, "leftovers") == 1,
          "%s", j.out);
    check(number(left, "size") == 5000 && number(left, "bytes") >= 5000 &&
              nb_jbool(nb_jget(left, "live"), &live) && !live && says(left, "path", "blobs/"),
          "%s", j.out);
    check(number(nb_jget(root, "trash"), "items") == 1, "%s", j.out);
    check(nb_jlen(nb_jget(root, "models")) >= 1 && says(root, "hub", h.cache.hub), "%s", j.out);
    nb_json_close(&doc);
    child_free(&c);
    child_free(&j);
}

CHECK_TEST(cli_store, rm_asks_says_what_goes_and_undoes)
{
    home h;
    home_make(&h, "rm");
    char *before = tree_text(h.cache.hub);
    child c = RUN(&h, "rm", "org/repo:Q4_K_M");
    check(c.code == 10 && strstr(c.err, "--yes"), "status %d: %s", c.code, c.err);
    child_free(&c);
    c = RUN(&h, "rm", "org/repo", "--dry-run");
    check(c.code == 0 && strstr(c.out, "would move"), "status %d: %s", c.code, c.err);
    child_free(&c);
    char *same = tree_text(h.cache.hub);
    check(strcmp(before, same) == 0, "changed without a yes");
    c = RUN(&h, "rm", "org/repo:q4_k_m", "--yes");
    check(c.code == 0 && strstr(c.out, "tale-Q4_K_M.gguf") && strstr(c.out, "gc frees"),
          "status %d: %s%s", c.code, c.out, c.err);
    child_free(&c);
    char path[1200];
    check(!dl_cache_find(&h.cache, "org/repo", commit, "tale-Q4_K_M.gguf", UINT64_MAX, path,
                         sizeof path) &&
              dl_cache_find(&h.cache, "org/repo", commit, "sub/tale-Q8_0.gguf", UINT64_MAX, path,
                            sizeof path),
          "what went");
    c = RUN(&h, "rm", "--undo");
    check(c.code == 0 && strstr(c.out, "tale-Q4_K_M.gguf"), "status %d: %s", c.code, c.err);
    child_free(&c);
    char *after = tree_text(h.cache.hub);
    check(strcmp(before, after) == 0, "not as before");
    c = RUN(&h, "rm", "org/repo@main", "org/repo:sub/tale-Q8_0.gguf", "-y", "--json");
    nb_json *doc = child_json(&c);
    check(c.code == 0 && nb_jlen(nb_jget(nb_json_root(doc), "trashed")) == 2 &&
              number(nb_json_root(doc), "bytes") >= 147000,
          "status %d: %s%s", c.code, c.out, c.err);
    nb_json_close(&doc);
    child_free(&c);
    c = RUN(&h, "rm", "--undo", "--json");
    doc = child_json(&c);
    check(c.code == 0 && says(nb_json_root(doc), "restored", "org/repo@5e1c0f1"), "%s", c.out);
    nb_json_close(&doc);
    child_free(&c);
    free(before);
    free(same);
    free(after);
}

static bool in_cache(const home *h, const char *path)
{
    char at[1200];
    return dl_cache_find(&h->cache, "org/repo", commit, path, UINT64_MAX, at, sizeof at);
}

CHECK_TEST(cli_store, rm_by_tag_takes_all_parts_of_a_set_in_one_step_hub_21)
{
    static const char *const parts[] = {"q/tale-Q6_K-00001-of-00003.gguf",
                                        "q/tale-Q6_K-00002-of-00003.gguf",
                                        "q/tale-Q6_K-00003-of-00003.gguf"};
    home h;
    home_make(&h, "set");
    for (int i = 0; i < 3; i++)
        put(&h.cache, parts[i], 10 + i, 20000, true);
    put(&h.cache, "q/tale-Q6_K-00001-of-00002.gguf", 20, 3000, true); /* another set */
    char *before = tree_text(h.cache.hub);
    child c = RUN(&h, "rm", "org/repo:Q6_K", "-y");
    check(c.code == 2 && strstr(c.err, "several"), "status %d: %s%s", c.code, c.out, c.err);
    child_free(&c);
    c = RUN(&h, "rm", "org/repo:q/tale-Q6_K-00001-of-00002.gguf", "-y"); /* a path is one file */
    check(c.code == 0 && in_cache(&h, parts[0]), "status %d: %s", c.code, c.err);
    child_free(&c);
    c = RUN(&h, "rm", "org/repo:q6_k", "-y", "--json");
    nb_json *doc = child_json(&c);
    check(c.code == 0 && number(nb_json_root(doc), "bytes") >= 60000 &&
              says(nb_jfirst(nb_jget(nb_json_root(doc), "trashed")), "name", "org/repo:q6_k"),
          "status %d: %s%s", c.code, c.out, c.err);
    nb_json_close(&doc);
    child_free(&c);
    for (int i = 0; i < 3; i++)
        check(!in_cache(&h, parts[i]), "%s stayed", parts[i]);
    check(in_cache(&h, "tale-Q4_K_M.gguf"), "too much went");
    c = RUN(&h, "rm", "--undo"); /* one step back */
    check(c.code == 0 && strstr(c.out, "and the rest of its set"), "status %d: %s%s", c.code, c.out,
          c.err);
    child_free(&c);
    for (int i = 0; i < 3; i++)
        check(in_cache(&h, parts[i]), "%s is not back", parts[i]);
    c = RUN(&h, "rm", "--undo");
    check(c.code == 0, "%s", c.err);
    child_free(&c);
    char *after = tree_text(h.cache.hub);
    check(strcmp(before, after) == 0, "not as before");
    free(before);
    free(after);
}

CHECK_TEST(cli_store, rm_refuses_what_it_cannot_mean)
{
    static const struct {
        const char *args[4];
        int code;
        const char *says;
    } rows[] = {
        {{"rm"}, 2, "expected"},
        {{"rm", "--undo", "org/repo"}, 2, "--undo"},
        {{"rm", "org/none", "-y"}, 4, "org/none"},
        {{"rm", "org/repo@dev", "-y"}, 4, "dev"},
        {{"rm", "org/repo:none.gguf", "-y"}, 4, "none.gguf"},
        {{"rm", "org/repo:Q8_0", "-y"}, 2, "several"},
        {{"rm", "org/repo:../x", "-y"}, 2, "\"..\""},
        {{"rm", "../x", "-y"}, 2, "expected"},
        {{"rm", "--undo"}, 4, "empty"},
        {{"rm", "org/none", "--force"}, 0, ""},
        {{"gc", "--older", "soon"}, 2, "no age"},
        {{"gc", "--older", "7"}, 2, "no age"},
        {{"verify", "org/none"}, 4, "org/none"},
    };
    home h;
    home_make(&h, "refuse");
    char *before = tree_text(h.cache.hub);
    for (size_t i = 0; i < countof(rows); i++) {
        child c = run(&h, rows[i].args);
        check(c.code == rows[i].code && strstr(c.err, rows[i].says), "row %d: status %d: %s",
              (int)i, c.code, c.err);
        child_free(&c);
    }
    char *after = tree_text(h.cache.hub);
    check(strcmp(before, after) == 0 && !nb_exists(h.cache.trash), "changed");
    free(before);
    free(after);
}

CHECK_TEST(cli_store, verify_names_the_file_and_both_hashes) /* hub 6, 7; exit code 9 */
{
    home h;
    char path[1200], oid[65];
    home_make(&h, "verify");
    child c = RUN(&h, "verify");
    check(c.code == 0 && strstr(c.out, "3 of 3"), "status %d: %s%s", c.code, c.out, c.err);
    child_free(&c);
    check(dl_cache_find(&h.cache, "org/repo", commit, "tale-Q4_K_M.gguf", UINT64_MAX, path,
                        sizeof path),
          "find");
    uint8_t *bytes = calloc(1, 50000);
    test_spit(path, bytes, 50000); /* through the link, as a careless tool does */
    nb_sha256_of(bytes, 50000, oid, NULL);
    free(bytes);
    c = RUN(&h, "verify", "org/repo");
    check(c.code == 9 && strstr(c.out, "org/repo:tale-Q4_K_M.gguf") && strstr(c.out, oid) &&
              strstr(c.out, "want ") && strstr(c.out, "2 of 3") && strstr(c.err, "does not match"),
          "status %d: %s%s", c.code, c.out, c.err);
    child_free(&c);
    c = RUN(&h, "verify", "--json");
    nb_json *doc = NULL;
    check(nb_json_parse(&doc, c.out, c.n_out, 1 << 20, "verify", NULL) == NB_OK, "%s", c.out);
    const nb_jval *bad = nb_jget(nb_json_root(doc), "bad");
    check(c.code == 9 && nb_jlen(bad) == 1 && says(nb_jfirst(bad), "path", "tale-Q4_K_M.gguf") &&
              says(nb_jfirst(bad), "message", oid) && number(nb_json_root(doc), "files") == 3,
          "status %d: %s", c.code, c.out);
    nb_json_close(&doc);
    child_free(&c);
}

CHECK_TEST(cli_store, gc_shows_asks_and_removes_what_is_old_enough) /* hub 18 */
{
    home h;
    home_make(&h, "gc");
    put(&h.cache, "x", 9, 5000, false);
    child c = RUN(&h, "gc", "-y");
    check(c.code == 0 && strstr(c.out, "kept") && strstr(c.out, "nothing to remove"),
          "status %d: %s%s", c.code, c.out, c.err);
    child_free(&c);
    c = RUN(&h, "gc", "--older", "0");
    check(c.code == 10 && strstr(c.out, "goes") && strstr(c.err, "--yes"), "status %d: %s", c.code,
          c.err);
    child_free(&c);
    c = RUN(&h, "gc", "--older", "0", "--dry-run", "--json");
    nb_json *doc = child_json(&c);
    check(c.code == 0 && number(nb_json_root(doc), "removed") == 1 &&
              number(nb_json_root(doc), "bytes") >= 5000,
          "%s", c.out);
    nb_json_close(&doc);
    child_free(&c);
    dl_store s;
    check(dl_store_scan(&h.cache, &s, NULL, NULL) == NB_OK && s.n_left == 1, "still there");
    dl_store_free(&s);
    c = RUN(&h, "rm", "org/repo", "-y");
    check(c.code == 0, "%s", c.err);
    child_free(&c);
    c = RUN(&h, "gc", "--force", "-y");
    check(c.code == 0 && strstr(c.out, "removed 1"), "status %d: %s%s", c.code, c.out, c.err);
    child_free(&c);
    check(dl_store_scan(&h.cache, &s, NULL, NULL) == NB_OK && s.n_left == 0 && s.n_trash == 0 &&
              s.n_repo == 0,
          "left");
    dl_store_free(&s);
}

CHECK_TEST(cli_store, ls_of_an_empty_machine_is_no_failure)
{
    home h;
    snprintf(h.env, sizeof h.env, "HF_HOME=%s/none", tree_scratch());
    snprintf(h.ollama, sizeof h.ollama, "OLLAMA_MODELS=%s/none", tree_scratch());
    static const char *const first[] = {"ls", "verify", "gc"};
    for (size_t i = 0; i < countof(first); i++) {
        child c = RUN(&h, first[i]);
        check(c.code == 0 && c.n_err == 0, "%s: status %d: %s", first[i], c.code, c.err);
        child_free(&c);
    }
    check(!nb_exists(test_path(tree_scratch(), "none")), "something was made");
}

CHECK_TEST(cli_store, names_from_the_disk_are_made_safe) /* A32 */
{
    home h;
    home_make(&h, "safe");
    char path[1200];
    snprintf(path, sizeof path, "%s/models--org--repo/refs/a\x1b]52;c;eA==\x07", h.cache.hub);
    test_spit(path, "x", 1);
    child c = RUN(&h, "ls");
    check(c.code == 0 && strstr(c.out, "ref without") && !strchr(c.out, 0x1b) &&
              !strchr(c.out, 0x07),
          "%s", c.out);
    child_free(&c);
}
