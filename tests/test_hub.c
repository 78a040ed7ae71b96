/* One repository of the Hub through real requests: what is told of it, how many questions that
 * costs, and which revision, name and origin they go to (hub 2, 11, 13, 21). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "downloads/hub.h"
#include "tests/check.h"
#include "tests/net_rig.h"

static dl_repo repo_of(net_rig *rig, const char *id, const char *revision)
{
    dl_repo r;
    dl_trouble trouble = DL_TROUBLES;
    nb_err err = {0};
    check(dl_hub_repo(rig->net, id, revision, &r, &trouble, NULL, &err) == NB_OK, "%s: %s", id,
          err.msg);
    check(trouble == DL_OK, "%s: %s", id, dl_trouble_name(trouble));
    return r;
}

static const dl_file *file_of(const dl_repo *r, const char *path)
{
    for (size_t i = 0; i < r->n_file; i++)
        if (strcmp(r->file[i].path, path) == 0)
            return &r->file[i];
    check(false, "%s is not listed", path);
    return NULL;
}

static size_t asked(const net_rig *rig, const char *method, const char *glob)
{
    return fake_hub_count(rig->hub, FAKE_PORTS, method, glob);
}

CHECK_TEST(hub, a_repository_is_told_whole)
{
    static const char *const tags[] = {
        "gguf",        "base_model:ns/base", "base_model:quantized:ns/base",
        "license:mit", "region:us",          NULL};
    net_rig rig = rig_up(NULL, NULL);
    fake_repo *repo = fake_hub_add(
        rig.hub, &(fake_repo_info){.id = "Org_1/Model.v2-7B-GGUF",
                                   .tags = tags,
                                   .pipeline_tag = "text-generation",
                                   .library_name = "gguf",
                                   .modified = "2026-09-01T10:20:30.000Z",
                                   .downloads = 12345,
                                   .likes = 67,
                                   .gated = FAKE_GATED_MANUAL,
                                   .gguf = "{\"total\":7000000001,\"architecture\":\"llama\","
                                           "\"context_length\":8192}"});
    fake_repo_text(repo, "sub dir/a+b&c=100%.txt", "x");
    fake_repo_text(repo, "README.md", "# hello");
    fake_repo_noise(repo, "m-Q4_K_M.gguf", 3 << 20, 1);
    check(fake_repo_file(repo, &(fake_file){.path = "m-Q8_0.gguf", .size = 9, .scan = "suspicious"},
                         NULL) == NB_OK,
          "no file");
    dl_repo r = repo_of(&rig, "Org_1/Model.v2-7B-GGUF", NULL);
    const dl_model *m = &r.model;
    check(strcmp(m->id, "Org_1/Model.v2-7B-GGUF") == 0 && strcmp(m->author, "Org_1") == 0, "%s %s",
          m->id, m->author);
    check(m->gated == DL_GATED_MANUAL && m->gguf && m->downloads == 12345 && m->likes == 67,
          "%d %lld %lld", m->gated, (long long)m->downloads, (long long)m->likes);
    check(m->params == 7000000001 && !m->params_guessed && m->context == 8192 &&
              strcmp(m->arch, "llama") == 0 && m->updated == 1788258030,
          "%llu %llu %s %lld", (unsigned long long)m->params, (unsigned long long)m->context,
          m->arch, (long long)m->updated);
    check(strcmp(m->license, "mit") == 0 && strcmp(m->base_model, "ns/base") == 0 &&
              strcmp(m->base_relation, "quantized") == 0 &&
              strcmp(m->task, "text-generation") == 0 && strcmp(m->library, "gguf") == 0,
          "%s %s %s %s %s", m->license, m->base_model, m->base_relation, m->task, m->library);
    check(strcmp(r.commit, fake_repo_head(repo)) == 0, "%s", r.commit);
    check(r.n_file == 4 && r.dropped == 0, "%zu files, %zu dropped", r.n_file, r.dropped);
    for (size_t i = 0; i < r.n_file; i++) {
        uint64_t size;
        char oid[65];
        const dl_file *f = &r.file[i];
        check(i == 0 || strcmp(r.file[i - 1].path, f->path) < 0, "%s is out of order", f->path);
        check(fake_repo_listed(repo, f->path, &size, oid), "%s", f->path);
        check(f->size == size && strcmp(f->oid, oid) == 0 && f->lfs == (strlen(oid) == 64),
              "%s: %llu %s", f->path, (unsigned long long)f->size, f->oid);
    }
    check(strcmp(file_of(&r, "m-Q8_0.gguf")->security, "suspicious") == 0 &&
              strcmp(file_of(&r, "m-Q4_K_M.gguf")->security, "safe") == 0,
          "\"%s\"", file_of(&r, "m-Q8_0.gguf")->security);
    dl_repo_free(&r);
    rig_down(&rig);
}

/* Info, the list and the scanners' words: three calls, nobody asks for single files. Without
 * weights there is nothing to scan; more than a page costs a call a page and no more. */
CHECK_TEST(hub, a_list_of_files_costs_three_calls_hub_11)
{
    static const struct {
        size_t files;
        bool weights;
        size_t calls;
    } rows[] = {{0, false, 2}, {1, true, 3}, {1000, false, 2}, {999, true, 3}, {2500, true, 4}};
    net_rig rig = rig_up(NULL, NULL);
    for (size_t i = 0; i < countof(rows); i++) {
        char id[32], name[32];
        snprintf(id, sizeof id, "big/r%zu", i);
        fake_repo *repo = fake_hub_add(rig.hub, &(fake_repo_info){.id = id});
        for (size_t k = 0; k < rows[i].files; k++) {
            snprintf(name, sizeof name, "f-%05zu.json", k);
            fake_repo_text(repo, name, name);
        }
        if (rows[i].weights)
            fake_repo_noise(repo, "m-Q8_0.gguf", 1000, 1);
        fake_hub_log_clear(rig.hub);
        dl_repo r = repo_of(&rig, id, NULL);
        check(r.n_file == rows[i].files + rows[i].weights, "%zu files", r.n_file);
        check(asked(&rig, NULL, NULL) == rows[i].calls, "%zu files cost %zu calls", rows[i].files,
              asked(&rig, NULL, NULL));
        check(asked(&rig, "HEAD", NULL) == 0 && asked(&rig, NULL, "*/resolve/*") == 0,
              "single files were asked for");
        for (size_t k = 0; k < rows[i].files; k++)
            check(strlen(r.file[k].oid) == 40 && r.file[k].size == 12, "%s", r.file[k].path);
        dl_repo_free(&r);
    }
    rig_down(&rig);
}

CHECK_TEST(hub, small_pages_bring_every_file_once)
{
    net_rig rig = rig_up(NULL, &(fake_hub_options){.tree_page = 2});
    for (int i = 0; i < 9; i++) {
        char name[32];
        snprintf(name, sizeof name, "d%d/e/f%d.txt", i % 3, i);
        fake_repo_text(rig.repo, name, "x");
    }
    dl_repo r = repo_of(&rig, "ns/repo", NULL);
    check(r.n_file == 12 && r.dropped == 0, "%zu files, %zu dropped", r.n_file, r.dropped);
    dl_repo_free(&r);
    rig_down(&rig);
}

/* --- which revision, which name ----------------------------------------------------------------
 */

CHECK_TEST(hub, revisions_are_branches_tags_requests_and_commits)
{
    net_rig rig = rig_up(NULL, NULL);
    fake_repo *repo = rig.repo;
    char first[41], second[41];
    snprintf(first, sizeof first, "%s", fake_repo_head(repo));
    fake_repo_ref(repo, "refs/tags/v1.0", NULL);
    fake_repo_ref(repo, "refs/heads/feature/x", NULL);
    fake_repo_ref(repo, "refs/pr/1", NULL);
    snprintf(second, sizeof second, "%s", fake_repo_commit(repo, "add"));
    fake_repo_text(repo, "new.txt", "n");
    const struct {
        const char *revision, *commit;
    } rows[] = {{NULL, second}, {"", second},         {"main", second},     {"v1.0", first},
                {first, first}, {"feature/x", first}, {"refs/pr/1", first}, {second, second}};
    for (size_t i = 0; i < countof(rows); i++) {
        dl_repo r = repo_of(&rig, "ns/repo", rows[i].revision);
        check(strcmp(r.commit, rows[i].commit) == 0, "%s: %s", rows[i].revision, r.commit);
        check(r.n_file == (strcmp(r.commit, second) == 0 ? 4u : 3u), "%s: %zu files",
              rows[i].revision, r.n_file);
        dl_repo_free(&r);
    }
    static const char *const bad[] = {"../x", "a b", "-x", "a..b", "x.lock", "a\\b", "\x1b[2J"};
    fake_hub_log_clear(rig.hub);
    for (size_t i = 0; i < countof(bad); i++) {
        dl_repo r;
        nb_err err = {0};
        check(dl_hub_repo(rig.net, "ns/repo", bad[i], &r, NULL, NULL, &err) == NB_USAGE,
              "%s passed", bad[i]);
    }
    check(asked(&rig, NULL, NULL) == 0, "an unusable revision was asked for");
    rig_down(&rig);
}

CHECK_TEST(hub, a_renamed_repository_goes_on_under_its_new_name)
{
    static const char *const ids[] = {"old", "old/name", "NS/Repo"};
    net_rig rig = rig_up(NULL, NULL);
    fake_hub_rename(rig.hub, "old", "ns/repo");
    fake_hub_rename(rig.hub, "old/name", "ns/repo");
    for (size_t i = 0; i < countof(ids); i++) {
        fake_hub_log_clear(rig.hub);
        dl_repo r = repo_of(&rig, ids[i], NULL);
        check(strcmp(r.model.id, "ns/repo") == 0 && r.n_file == 3, "%s: %s", ids[i], r.model.id);
        check(asked(&rig, NULL, NULL) == 4, "%s: %zu requests: one redirect too many", ids[i],
              asked(&rig, NULL, NULL));
        nb_str card = {0};
        check(dl_hub_card(rig.net, r.model.id, r.commit, &card, NULL, NULL, NULL) == NB_NOTFOUND,
              "no card");
        nb_str_free(&card);
        dl_repo_free(&r);
    }
    rig_down(&rig);
}

/* --- where the pages lie -----------------------------------------------------------------------
 */

static void page_through(net_rig *rig, size_t want)
{
    dl_search q = {.gated = -1, .limit = 2};
    char next[DL_URL_MAX] = "";
    size_t rows = 0;
    do {
        dl_page page;
        nb_err err = {0};
        check(dl_hub_search(rig->net, NULL, &q, *next ? next : NULL, &page, NULL, NULL, &err) ==
                  NB_OK,
              "%s", err.msg);
        rows += page.n;
        memcpy(next, page.next, sizeof next);
        dl_page_free(&page);
    } while (*next);
    check(rows == want, "%zu rows", rows);
}

/* A mirror below a prefix whose Link names the Hub, another server that listens, and nobody: every
 * page is asked of the mirror, with its token, and the other server hears nothing. */
CHECK_TEST(hub, pages_stay_with_a_mirror_that_leaks_origins_hub_13)
{
    static const char *const prefixes[] = {NULL, "/mirror", "/a/b"};
    net_rig other = rig_up(NULL, NULL);
    for (size_t i = 0; i < 9; i++) {
        const char *origins[] = {"https://huggingface.co", fake_hub_origin(other.hub, FAKE_HUB),
                                 "http://127.0.0.1:1"};
        net_rig rig = rig_up(NULL, &(fake_hub_options){.prefix = prefixes[i / 3],
                                                       .link_origin = origins[i % 3],
                                                       .tree_page = 1});
        for (int k = 0; k < 4; k++) {
            char id[24];
            snprintf(id, sizeof id, "ns/more%d", k);
            fake_hub_add(rig.hub, &(fake_repo_info){.id = id});
        }
        page_through(&rig, 5);
        dl_repo r = repo_of(&rig, "ns/repo", NULL);
        check(r.n_file == 3, "%zu files", r.n_file);
        dl_repo_free(&r);
        fake_request *log;
        size_t n = fake_hub_log(rig.hub, &log);
        check(n == 3 + 1 + 4, "%zu requests", n); /* pages of search, info, pages of the tree */
        for (size_t k = 0; k < n; k++)
            check(log[k].status == 200 && log[k].authorization, "%s: %d", log[k].target,
                  log[k].status);
        fake_hub_log_free(log, n);
        rig_down(&rig);
    }
    check(fake_hub_connections(other.hub) == 0, "another origin was asked");
    rig_down(&other);
}

/* --- what a tree offers ------------------------------------------------------------------------
 */

CHECK_TEST(hub, quants_and_shards_of_a_listed_repository_hub_21)
{
    static const struct {
        const char *path;
        unsigned kib;
    } files[] = {
        {"README.md", 1},
        {"m-7B-Q4_K_M.gguf", 40},
        {"m-7B-UD-Q4_K_XL.gguf", 42},
        {"BF16/m-7B-BF16-00001-of-00002.gguf", 70},
        {"BF16/m-7B-BF16-00002-of-00002.gguf", 71},
        {"Q6_K/m-7B-Q6_K-00001-of-00003.gguf", 10},
        {"Q6_K/m-7B-Q6_K-00003-of-00003.gguf", 10},
        {"mmproj-F16.gguf", 5},
        {"BF16/mmproj-BF16.gguf", 6},
    };
    static const struct {
        const char *tag;
        nb_status status;
        size_t files;
        unsigned kib;
        const char *mmproj, *says;
    } rows[] = {
        {"q4_k_m", NB_OK, 1, 40, "mmproj-F16", ""},
        {"UD-Q4_K_XL", NB_OK, 1, 42, "mmproj-F16", ""},
        {"bf16", NB_OK, 2, 141, "mmproj-BF16", ""},
        {NULL, NB_OK, 1, 40, "mmproj-F16", ""},
        {"m-7B-Q4_K_M.gguf", NB_OK, 1, 40, "mmproj-F16", ""},
        {"Q4_K_XL", NB_NOTFOUND, 0, 0, NULL, "UD-Q4_K_XL"},
        {"Q6_K", NB_FORMAT, 0, 0, NULL, "part 2 of 3"},
    };
    net_rig rig = rig_up(NULL, NULL);
    fake_repo *repo = fake_hub_add(rig.hub, &(fake_repo_info){.id = "ns/quants"});
    for (size_t i = 0; i < countof(files); i++)
        fake_repo_noise(repo, files[i].path, files[i].kib << 10, i);
    dl_repo r = repo_of(&rig, "ns/quants", NULL);
    dl_choices cs;
    check(dl_choices_make(&r, &cs, NULL) == NB_OK, "no choices");
    fake_hub_log_clear(rig.hub);
    for (size_t i = 0; i < countof(rows); i++) {
        const dl_choice *c = NULL;
        nb_err err = {0};
        check(dl_pick(&r, &cs, rows[i].tag, &c, &err) == rows[i].status, "%s: %s", rows[i].tag,
              err.msg);
        check(strstr(err.msg, rows[i].says), "%s: %s", rows[i].tag, err.msg);
        if (rows[i].status != NB_OK)
            continue;
        check(c->n_file == rows[i].files && c->bytes == rows[i].kib * 1024ull, "%s: %zu, %llu",
              rows[i].tag, c->n_file, (unsigned long long)c->bytes);
        const dl_choice *p = dl_pick_mmproj(&r, &cs, c);
        check(p && strcmp(p->name, rows[i].mmproj) == 0, "%s: %s", rows[i].tag, p ? p->name : "-");
    }
    check(asked(&rig, NULL, NULL) == 0, "picking asked the server");
    dl_choices_free(&cs);
    dl_repo_free(&r);
    rig_down(&rig);
}

CHECK_TEST(hub, a_card_is_read_whole_or_cut_at_a_mebibyte)
{
    enum { MIB = 1 << 20 };
    static const size_t sizes[] = {1, 5000, MIB, MIB + 1, 3 * MIB};
    net_rig rig = rig_up(NULL, NULL);
    char *text = malloc(3 * MIB + 1);
    check(text, "no memory");
    memset(text, '#', 3 * MIB + 1);
    for (size_t i = 0; i < countof(sizes); i++) {
        nb_str card = {0};
        nb_err err = {0};
        text[sizes[i]] = '\0';
        fake_repo_text(rig.repo, "README.md", text);
        text[sizes[i]] = '#';
        fake_hub_log_clear(rig.hub);
        check(dl_hub_card(rig.net, "ns/repo", fake_repo_head(rig.repo), &card, NULL, NULL, &err) ==
                  NB_OK,
              "%zu bytes: %s", sizes[i], err.msg);
        check(card.len == (sizes[i] < MIB ? sizes[i] : MIB), "%zu of %zu bytes", card.len,
              sizes[i]);
        check(asked(&rig, NULL, NULL) == 2, "%zu requests: resolve and its redirect",
              asked(&rig, NULL, NULL));
        nb_str_free(&card);
    }
    fake_repo_text(rig.repo, "README.md", "");
    nb_str card = {0};
    dl_trouble trouble = DL_TROUBLES;
    check(dl_hub_card(rig.net, "ns/repo", fake_repo_head(rig.repo), &card, &trouble, NULL, NULL) ==
                  NB_OK &&
              card.len == 0 && trouble == DL_OK,
          "an empty card: %zu bytes, %s", card.len, dl_trouble_name(trouble));
    free(text);
    rig_down(&rig);
}
