/* The fake Hub's API: search, model infos, trees, refs, tokens, limits, log, and what it does with
 * requests nobody should send. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/job.h"
#include "tests/check.h"
#include "tests/hub_fixture.h"
#include "tests/util.h"

/* --- search ---------------------------------------------------------------------------------- */
static void many(fake_hub *hub)
{
    static const char *const gguf[] = {"gguf", "license:mit", NULL}, *const plain[] = {"pytorch",
                                                                                       NULL};
    static const struct {
        const char *id;
        uint64_t downloads, likes;
        const char *total;
        fake_gate gate;
        bool gguf;
    } rows[] = {
        {"a/small-chat", 10, 5, "{\"total\":500000000}", FAKE_OPEN, true},
        {"a/large-chat", 30, 1, "{\"total\":70000000000}", FAKE_GATED_AUTO, true},
        {"b/middle", 20, 9, "{\"total\":8000000000}", FAKE_OPEN, true},
        {"b/older", 40, 2, NULL, FAKE_GATED_MANUAL, false},
        {"b/Chat-Large", 5, 3, "{\"total\":7000000000}", FAKE_OPEN, false},
    };
    for (size_t i = 0; i < countof(rows); i++)
        fake_hub_add(hub, &(fake_repo_info){.id = rows[i].id,
                                            .downloads = rows[i].downloads,
                                            .likes = rows[i].likes,
                                            .gguf = rows[i].total,
                                            .gated = rows[i].gate,
                                            .pipeline_tag = "text-generation",
                                            .tags = rows[i].gguf ? gguf : plain,
                                            .trending = 1.0 / (double)(i + 1)});
    fake_hub_add(hub, &(fake_repo_info){.id = "b/hidden", .is_private = true, .downloads = 99});
}

/* The ids of a list, joined by blanks; follows Link to the end. */
static void ids_of(fake_hub *hub, const char *query, char out[512], int *pages)
{
    char url[1024];
    snprintf(url, sizeof url, "%s/api/models%s", fake_hub_origin(hub, FAKE_HUB), query);
    *out = '\0';
    for (*pages = 0; *url; ++*pages) {
        ask_reply r = ask_get(url);
        nb_json *doc = fix_json(&r);
        for (const nb_jval *v = nb_jfirst(nb_json_root(doc)); v; v = nb_jnext(v)) {
            strncat(out, *out ? " " : "", 511 - strlen(out));
            strncat(out, fix_str(v, "id"), 511 - strlen(out));
        }
        const char *link = ask_field(&r, "Link");
        check(!link || (*link == '<' && strstr(link, ">; rel=\"next\"")), "%s", link);
        snprintf(url, sizeof url, "%.*s", link ? (int)strcspn(link + 1, ">") : 0,
                 link ? link + 1 : "");
        nb_json_close(&doc);
        ask_free(&r);
    }
}

CHECK_TEST(fake_api, search_filters_sorts_and_pages)
{
    static const struct {
        const char *query, *ids;
        int pages;
    } rows[] = {
        {"", "a/small-chat a/large-chat b/middle b/older b/Chat-Large", 1},
        {"?sort=downloads&limit=2", "b/older a/large-chat b/middle a/small-chat b/Chat-Large", 3},
        {"?sort=likes&limit=5", "b/middle a/small-chat b/Chat-Large b/older a/large-chat", 1},
        {"?filter=gguf&limit=2&sort=downloads", "a/large-chat b/middle a/small-chat", 2},
        {"?search=chat%20large&sort=downloads", "a/large-chat b/Chat-Large", 1},
        {"?search=chat&search=small", "a/small-chat", 1},
        {"?author=b&filter=gguf,license:mit", "b/middle", 1},
        {"?gated=true", "a/large-chat b/older", 1},
        {"?gated=false&filter=gguf", "a/small-chat b/middle", 1},
        {"?num_parameters=min:6B,max:10B", "b/middle b/Chat-Large", 1},
        {"?num_parameters=max:1B", "a/small-chat", 1},
        {"?apps=llama.cpp&sort=num_parameters", "a/large-chat b/middle a/small-chat", 1},
        {"?pipeline_tag=text-generation&limit=9",
         "a/small-chat a/large-chat b/middle b/older "
         "b/Chat-Large",
         1},
        {"?pipeline_tag=none", "", 1},
    };
    fake_hub *hub = fix_start(NULL);
    many(hub);
    for (size_t i = 0; i < countof(rows); i++) {
        char ids[512];
        int pages;
        ids_of(hub, rows[i].query, ids, &pages);
        check(strcmp(ids, rows[i].ids) == 0, "%s: %s", rows[i].query, ids);
        check(pages == rows[i].pages, "%s: %d pages", rows[i].query, pages);
    }
    fake_hub_stop(&hub);
}

/* Keys of the first object of a list, in order. */
static void keys_of(const nb_jval *obj, char out[512])
{
    *out = '\0';
    for (const nb_jval *v = nb_jfirst(obj); v; v = nb_jnext(v)) {
        strncat(out, *out ? " " : "", 511 - strlen(out));
        strncat(out, nb_jkey(v), 511 - strlen(out));
    }
}

CHECK_TEST(fake_api, expand_returns_only_what_was_listed)
{
    static const struct {
        const char *query, *keys;
    } rows[] = {
        {"?limit=1", "_id id likes trendingScore private downloads tags pipeline_tag createdAt "
                     "modelId"},
        {"?limit=1&full=true", "_id id author gated lastModified likes trendingScore private sha "
                               "downloads tags pipeline_tag createdAt modelId siblings"},
        {"?limit=1&expand=gguf&expand=downloads&expand=gated", "_id id gated downloads gguf"},
        {"?limit=1&expand=gguf,likes", "_id id likes gguf"},
    };
    fake_hub *hub = fix_start(NULL);
    many(hub);
    for (size_t i = 0; i < countof(rows); i++) {
        char path[256], keys[512];
        snprintf(path, sizeof path, "/api/models%s", rows[i].query);
        ask_reply r = fix_get(hub, path, NULL);
        nb_json *doc = fix_json(&r);
        keys_of(nb_jfirst(nb_json_root(doc)), keys);
        check(strcmp(keys, rows[i].keys) == 0, "%s: %s", rows[i].query, keys);
        nb_json_close(&doc);
        ask_free(&r);
    }
    static const char *const bad[] = {"?expand=gguf&full=true", "?expand=nothing", "?sort=beauty",
                                      "?limit=-1", "?cursor=zz"};
    for (size_t i = 0; i < countof(bad); i++) {
        char path[256];
        snprintf(path, sizeof path, "/api/models%s", bad[i]);
        ask_reply r = fix_get(hub, path, NULL);
        check(r.status == 400, "%s: %d", bad[i], r.status);
        ask_free(&r);
    }
    fake_hub_stop(&hub);
}

CHECK_TEST(fake_api, a_mirror_leaks_the_origin_of_its_links) /* hub 13, 24 */
{
    fake_hub *hub = fix_start(
        &(fake_hub_options){.prefix = "/mirror", .link_origin = "https://huggingface.co"});
    many(hub);
    check(strstr(fake_hub_origin(hub, FAKE_HUB), "/mirror"), "%s", fake_hub_origin(hub, FAKE_HUB));
    ask_reply r = fix_get(hub, "/api/models?limit=2", NULL);
    check(fix_starts(ask_field(&r, "Link"), "<https://huggingface.co/api/models?limit=2&cursor="),
          "%s", ask_field(&r, "Link"));
    ask_free(&r);
    fake_repo_text(fake_hub_add(hub, &(fake_repo_info){.id = "ns/x"}), "c.json", "{}");
    r = fix_get(hub, "/ns/x/resolve/main/c.json", NULL);
    check(fix_starts(ask_field(&r, "Location"), "/mirror/api/resolve-cache/"), "%s", r.head);
    ask_free(&r);
    r = ask_file(ask_url(fake_hub_origin(hub, FAKE_HUB), "/ns/x/resolve/main/c.json"), NULL);
    check(r.status == 200 && r.n == 2, "%d", r.status);
    ask_free(&r);
    fake_hub_stop(&hub);
}

/* --- one repository -------------------------------------------------------------------------- */
CHECK_TEST(fake_api, a_model_names_its_commit_and_blobs)
{
    fake_hub *hub = fix_start(NULL);
    fake_repo *repo = fix_repo(hub);
    char sha256[65];
    const char *text;
    int64_t size;
    check(fake_repo_sha256(repo, "m.gguf", sha256), "no file");
    ask_reply r =
        fix_get(hub, "/api/models/ns/repo/revision/main?blobs=true&securityStatus=true", NULL);
    nb_json *doc = fix_json(&r);
    const nb_jval *root = nb_json_root(doc), *file = nb_jfirst(nb_jget(root, "siblings"));
    check(strcmp(fix_str(root, "sha"), fake_repo_head(repo)) == 0, "%s", fix_str(root, "sha"));
    check(nb_jget(nb_jget(root, "securityRepoStatus"), "scansDone"), "%s", r.body);
    check(strcmp(fix_str(file, "rfilename"), "config.json") == 0 && !nb_jget(file, "lfs"), "%s",
          r.body);
    file = nb_jnext(nb_jnext(file));
    check(nb_jint(nb_jget(nb_jget(file, "lfs"), "size"), &size) && size == FIX_BYTES, "%s", r.body);
    check(nb_jstr(nb_jget(nb_jget(file, "lfs"), "sha256"), &text) && strcmp(text, sha256) == 0,
          "%s", text);
    nb_json_close(&doc);
    ask_free(&r);
    fake_hub_stop(&hub);
}

CHECK_TEST(fake_api, revisions_are_branches_tags_commits_and_requests)
{
    fake_hub *hub = fix_start(NULL);
    fake_repo *repo = fix_repo(hub);
    char first[41], second[41], path[256];
    snprintf(first, sizeof first, "%s", fake_repo_head(repo));
    fake_repo_ref(repo, "refs/tags/v1", NULL);
    fake_repo_ref(repo, "refs/pr/1", NULL);
    snprintf(second, sizeof second, "%s", fake_repo_commit(repo, "add"));
    fake_repo_text(repo, "new.txt", "n");
    fake_repo_ref(repo, "refs/heads/dev", first);
    const struct {
        const char *rev, *commit;
    } rows[] = {{"main", second}, {"HEAD", second},         {"v1", first},
                {"dev", first},   {"refs%2Fpr%2F1", first}, {first, first}};
    for (size_t i = 0; i < countof(rows); i++) {
        snprintf(path, sizeof path, "/ns/repo/resolve/%s/config.json", rows[i].rev);
        ask_reply r = fix_get(hub, path, NULL);
        check(r.status == 307, "%s: %d", path, r.status);
        fix_has(&r, "X-Repo-Commit", rows[i].commit);
        ask_free(&r);
    }
    snprintf(path, sizeof path, "/ns/repo/resolve/%.7s/new.txt", second);
    ask_reply r = fix_get(hub, path, NULL);
    check(r.status == 307, "short: %d", r.status);
    ask_free(&r);
    r = fix_get(hub, "/ns/repo/resolve/v1/new.txt", NULL);
    check(r.status == 404, "not yet there: %d", r.status);
    ask_free(&r);
    r = fix_get(hub, "/api/models/ns/repo/refs?include_prs=1", NULL);
    nb_json *doc = fix_json(&r);
    check(nb_jlen(nb_jget(nb_json_root(doc), "branches")) == 2 &&
              nb_jlen(nb_jget(nb_json_root(doc), "tags")) == 1 &&
              nb_jlen(nb_jget(nb_json_root(doc), "pullRequests")) == 1,
          "%s", r.body);
    nb_json_close(&doc);
    ask_free(&r);
    fake_hub_stop(&hub);
}

CHECK_TEST(fake_api, renamed_ids_are_redirected_with_their_query)
{
    fake_hub *hub = fix_start(NULL);
    fix_repo(hub);
    fake_hub_rename(hub, "old", "ns/repo");
    static const char *const rows[][2] = {
        {"/api/models/old?blobs=true", "/api/models/ns/repo?blobs=true"},
        {"/api/models/NS/Repo/tree/main?recursive=true",
         "/api/models/ns/repo/tree/main?recursive=true"},
        {"/old/resolve/main/d/e.txt", "/ns/repo/resolve/main/d/e.txt"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        ask_reply r = fix_get(hub, rows[i][0], NULL);
        check(r.status == 307, "%s: %d", rows[i][0], r.status);
        fix_has(&r, "Location", rows[i][1]);
        ask_free(&r);
    }
    fake_hub_stop(&hub);
}

CHECK_TEST(fake_api, trees_are_listed_page_by_page)
{
    fake_hub *hub = fix_start(&(fake_hub_options){.tree_page = 2});
    fix_repo(hub);
    static const struct {
        const char *path, *want;
    } rows[] = {
        {"/api/models/ns/repo/tree/main?recursive=true", "config.json d/ d/e.txt m.gguf"},
        {"/api/models/ns/repo/tree/main", "config.json d/ m.gguf"},
        {"/api/models/ns/repo/tree/main/d", "d/e.txt"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        char url[1024], seen[256] = "";
        snprintf(url, sizeof url, "%s%s", fake_hub_origin(hub, FAKE_HUB), rows[i].path);
        for (int pages = 0; *url && pages < 9; pages++) {
            ask_reply r = ask_get(url);
            nb_json *doc = fix_json(&r);
            check(nb_jlen(nb_json_root(doc)) <= 2, "%s", r.body);
            for (const nb_jval *v = nb_jfirst(nb_json_root(doc)); v; v = nb_jnext(v)) {
                size_t n = strlen(seen);
                snprintf(seen + n, sizeof seen - n, "%s%s%s", n ? " " : "", fix_str(v, "path"),
                         strcmp(fix_str(v, "type"), "file") ? "/" : "");
            }
            const char *link = ask_field(&r, "Link");
            snprintf(url, sizeof url, "%.*s", link ? (int)strcspn(link + 1, ">") : 0,
                     link ? link + 1 : "");
            nb_json_close(&doc);
            ask_free(&r);
        }
        check(strcmp(seen, rows[i].want) == 0, "%s: %s", rows[i].path, seen);
    }
    fake_hub_stop(&hub);
}

CHECK_TEST(fake_api, single_paths_by_form_and_by_json)
{
    fake_hub *hub = fix_start(NULL);
    fix_repo(hub);
    static const char *const rows[][2] = {
        {"Content-Type: application/x-www-form-urlencoded\r\n", "paths=d&paths=m.gguf&paths=zz"},
        {"Content-Type: application/json\r\n", "{\"paths\":[\"d\",\"m.gguf\",\"zz\"]}"}};
    for (size_t i = 0; i < countof(rows); i++) {
        ask_reply r = ask(
            "POST", ask_url(fake_hub_origin(hub, FAKE_HUB), "/api/models/ns/repo/paths-info/main"),
            rows[i][0], rows[i][1], ASK_MS);
        nb_json *doc = fix_json(&r);
        const nb_jval *first = nb_jfirst(nb_json_root(doc));
        check(nb_jlen(nb_json_root(doc)) == 2 && strcmp(fix_str(first, "type"), "directory") == 0 &&
                  strcmp(fix_str(nb_jnext(first), "path"), "m.gguf") == 0,
              "%s", r.body);
        nb_json_close(&doc);
        ask_free(&r);
    }
    fake_hub_stop(&hub);
}
