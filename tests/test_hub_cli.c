/* search, show and whoami as a shell meets them: texts, JSON keys, exit codes (hub 20, 24). */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "downloads/dl.h"
#include "tests/check.h"
#include "tests/hub_stage.h"
#include "tests/util.h"
#include "tui/commands/cmd.h"

static bool has(const child *c, const char *part)
{
    return strstr(c->out, part) != NULL;
}

/* --- texts -------------------------------------------------------------------------------------
 */

CHECK_TEST(hub_cli, search_prints_a_row_a_model)
{
    stage s = stage_up();
    child c = STAGE_RUN(&s, "search", "repo");
    stage_works(&c, "search");
    check(fix_starts(c.out, "ns/repo ") && has(&c, " 1 ") && has(&c, " mit\n") &&
              !strchr(c.out, '~'),
          "%s", c.out);
    child_free(&c);
    c = STAGE_RUN(&s, "search", "--gated", "yes");
    stage_works(&c, "search --gated yes");
    check(fix_starts(c.out, "ns/gated ") && has(&c, "gated") && !has(&c, "ns/repo"), "%s", c.out);
    child_free(&c);
    c = STAGE_RUN(&s, "search", "-n", "1", "--sort", "likes");
    stage_works(&c, "search -n 1");
    check(fix_starts(c.out, "ns/gated ") && strchr(c.out, '\n')[1] == '\0', "%s", c.out);
    child_free(&c);
    c = STAGE_RUN(&s, "search", "nothing-like-it");
    check(c.code == 0 && c.n_out == 0 && strcmp(c.err, "nibble: no model fits\n") == 0, "%s%s",
          c.out, c.err);
    child_free(&c);
    stage_down(&s);
}

/* More rows than a page: asked page by page, and no more pages than rows. */
CHECK_TEST(hub_cli, search_goes_on_until_it_has_enough)
{
    static const struct {
        const char *limit;
        size_t rows, pages;
    } rows[] = {{"30", 30, 1}, {"100", 100, 1}, {"220", 220, 3}, {"1000", 250, 3}};
    for (size_t i = 0; i < countof(rows); i++) {
        stage s = stage_up();
        for (int k = 0; k < 250; k++) {
            char id[32];
            snprintf(id, sizeof id, "many/m%d", k);
            fake_hub_add(s.hub, &(fake_repo_info){.id = id});
        }
        child c = STAGE_RUN(&s, "search", "many", "-n", rows[i].limit, "-s", "downloads");
        stage_works(&c, rows[i].limit);
        size_t n = 0, pages = fake_hub_count(s.hub, FAKE_HUB, NULL, "/api/models");
        for (const char *p = c.out; (p = strchr(p, '\n')); p++)
            n++;
        check(n == rows[i].rows && pages == rows[i].pages, "%s: %zu rows, %zu pages", rows[i].limit,
              n, pages);
        child_free(&c);
        stage_down(&s);
    }
}

CHECK_TEST(hub_cli, a_search_without_end_ends_hub_23)
{
    stage s = stage_up();
    fix_fault(s.hub,
              "GET hub:/api/models header=\"Link:<{hub}/api/models?a=1>; rel=\\\"next\\\"\"");
    child c = STAGE_RUN(&s, "search", "-n", "10000");
    stage_works(&c, "search");
    size_t pages = fake_hub_count(s.hub, FAKE_HUB, NULL, "/api/models");
    check(pages <= 2, "%zu pages", pages);
    child_free(&c);
    stage_down(&s);
}

CHECK_TEST(hub_cli, show_tells_models_sizes_and_fit)
{
    static const struct {
        const char *args[5], *has[4], *lacks;
    } rows[] = {
        {{"show", "ns/repo"},
         {"ns/repo @ ", "1.0B parameters, licence mit", "Q4_0", "other file"},
         "sha256"},
        {{"show", "ns/repo", "--files"}, {"config.json", "sha1", "d/e.txt", "sha256"}, "\x1b"},
        {{"show", "ns/repo:Q4_0"}, {"Q4_0", "tensors", "s-Q4_0.gguf", "scanners"}, "m.gguf"},
        {{"show", "ns/repo:config.json"}, {"config.json", "sha1"}, "tensors"},
        {{"show", "ns/repo", "--card"}, {"# A card\n\n", "\tend\n"}, "ns/repo"},
        {{"show", "ns/gated"}, {"gated, ", "need accepted terms: http://", "Q8_0"}, "sha256"},
        {{"show", "ns/gated:Q8_0"}, {"gated, ", "m-Q8_0.gguf"}, "tensors"},
    };
    stage s = stage_up();
    for (size_t i = 0; i < countof(rows); i++) {
        child c = stage_run_args(&s, NULL, rows[i].args);
        stage_works(&c, rows[i].args[1]);
        for (int k = 0; k < 4 && rows[i].has[k]; k++)
            check(has(&c, rows[i].has[k]), "%s: no %s in %s", rows[i].args[1], rows[i].has[k],
                  c.out);
        check(!has(&c, rows[i].lacks), "%s: %s", rows[i].args[1], c.out);
        child_free(&c);
    }
    stage_down(&s);
}

CHECK_TEST(hub_cli, whoami_names_the_token_s_origin_and_not_the_token)
{
    stage s = stage_up();
    child c = STAGE_RUN_ENV(&s, "HF_TOKEN=" STAGE_TOKEN, "whoami");
    stage_works(&c, "whoami");
    check(strcmp(c.out, "tester (tester)\ntoken from HF_TOKEN, role read\n"
                        "organisations: nibblers\n") == 0,
          "%s", c.out);
    child_free(&c);
    const char *folder = test_path(s.dir, ".cache/huggingface"), *file = test_path(folder, "token");
    check(nb_mkdirs(folder, NULL) == NB_OK, "no folder");
    test_spit(file, STAGE_TOKEN "\n", sizeof STAGE_TOKEN);
    check(chmod(file, 0600) == 0, "chmod");
    c = STAGE_RUN(&s, "whoami");
    stage_works(&c, "whoami with a file");
    check(has(&c, file) && !has(&c, STAGE_TOKEN), "%s", c.out);
    child_free(&c);
    stage_down(&s);
}

/* --- JSON --------------------------------------------------------------------------------------
 */

static bool word_in(const char *text, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = text; (p = strstr(p, word)); p++) {
        char before = p == text ? ' ' : p[-1];
        bool starts = !strchr("abcdefghijklmnopqrstuvwxyz_", before);
        bool ends = !strchr("abcdefghijklmnopqrstuvwxyz_", p[n] ? p[n] : ' ');
        if (starts && ends)
            return true;
    }
    return false;
}

/* In a command's help, or in the one it refers to. */
static bool documented(const ui_cmd *cmd, const char *key)
{
    return word_in(cmd->details, key) ||
           (strstr(cmd->details, "as in search") && word_in(ui_cmd_find("search")->details, key));
}

/* Every key anywhere below v is a word of the help text. */
static size_t are_documented(const nb_jval *v, const ui_cmd *cmd)
{
    size_t n = 0;
    bool object = nb_jkind_of(v) == NB_JOBJECT;
    if (!object && nb_jkind_of(v) != NB_JARRAY)
        return 0;
    for (const nb_jval *m = nb_jfirst(v); m; m = nb_jnext(m)) {
        check(!object || documented(cmd, nb_jkey(m)), "%s is not in the help text", nb_jkey(m));
        n += object + are_documented(m, cmd);
    }
    return n;
}

static bool has_key(const nb_jval *v, const char *key)
{
    bool object = nb_jkind_of(v) == NB_JOBJECT, found = false;
    if (!object && nb_jkind_of(v) != NB_JARRAY)
        return false;
    for (const nb_jval *m = nb_jfirst(v); m && !found; m = nb_jnext(m))
        found = (object && strcmp(nb_jkey(m), key) == 0) || has_key(m, key);
    return found;
}

/* What is printed is documented, and what is documented is printed by one of a command's forms. */
CHECK_TEST(hub_cli, json_prints_the_documented_keys_and_no_others)
{
    static const struct {
        const char *args[5], *keys; /* separated by blanks */
    } rows[] = {
        {{"search", "repo"},
         "models id author commit task library license base_model base_relation gated private "
         "gguf downloads likes updated params params_guessed bytes"},
        {{"show", "ns/repo"},
         "repo id commit chosen choices name kind bytes bpw complete files path oid lfs security "
         "dropped"},
        {{"show", "ns/fits"}, "fit ctx weights kv compute total available word"},
        {{"show", "ns/repo:Q4_0"}, "chosen tensors name type shape bytes"},
        {{"show", "ns/repo", "--card"}, "repo commit card"},
        {{"whoami"}, "name fullname role pro token_from endpoint orgs"},
    };
    stage s = stage_up();
    fake_repo *fits = fake_hub_add(s.hub, &(fake_repo_info){.id = "ns/fits"});
    check(fake_repo_folder(fits, NB_TEST_ROOT "/tests/data/nibble-demo", NULL) == NB_OK, "demo");
    snprintf(s.token, sizeof s.token, "HF_TOKEN=" STAGE_TOKEN);
    for (size_t i = 0; i < countof(rows); i++) {
        const char *args[6] = {NULL};
        char keys[400], *rest = NULL;
        int n = 0;
        for (; rows[i].args[n]; n++)
            args[n] = rows[i].args[n];
        args[n] = "--json";
        child c = stage_run_args(&s, NULL, args);
        nb_json *doc = child_json(&c);
        check(c.n_err == 0, "%s", c.err);
        const ui_cmd *cmd = ui_cmd_find(args[0]);
        check(are_documented(nb_json_root(doc), cmd) > 2, "%s", c.out);
        snprintf(keys, sizeof keys, "%s", rows[i].keys);
        for (char *k = strtok_r(keys, " ", &rest); k; k = strtok_r(NULL, " ", &rest)) {
            check(has_key(nb_json_root(doc), k), "%s %s: no %s", args[0], args[1], k);
            check(documented(cmd, k), "%s: %s", args[0], k);
        }
        nb_json_close(&doc);
        child_free(&c);
    }
    stage_down(&s);
}

/* Every variable that is read is in the man page. */
CHECK_TEST(hub_cli, the_man_page_names_the_environment_of_the_hub)
{
    size_t n, names = 0;
    char *source = test_slurp(NB_TEST_ROOT "/core/base/hub_env.c", &n);
    child page = child_run(&(child_how){.args = {"completion", "man"}});
    check(source && page.code == 0, "status %d: %s", page.code, page.err);
    for (const char *p = source; (p = strchr(p, '"')); p++) {
        char name[64];
        size_t len = strspn(p + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
        if (len < 4 || len >= sizeof name || p[1 + len] != '"')
            continue;
        snprintf(name, sizeof name, "%.*s", (int)len, p + 1);
        check(has(&page, name), "%s is read and not told", name);
        names++;
    }
    check(names >= 15, "only %zu names", names);
    child_free(&page);
    free(source);
}

/* --- exit codes --------------------------------------------------------------------------------
 */

/* One sentence on stderr, ending in what to do about it; nothing on stdout. */
CHECK_TEST(hub_cli, every_failure_has_its_code_and_its_remedy_hub_20)
{
    static const struct {
        const char *args[6], *env, *fault;
        int code;
        dl_trouble trouble; /* DL_OK: none is told */
        const char *says;
    } rows[] = {
        {{"show", "ns/none"}, NULL, NULL, 4, DL_PRIVATE_OR_NONE, "no token was sent"},
        {{"show", "ns/none"}, "HF_TOKEN=" STAGE_TOKEN, NULL, 4, DL_NO_REPO, "ns/none"},
        {{"show", "ns/repo@gone"}, NULL, NULL, 4, DL_NO_REVISION, "gone"},
        {{"show", "ns/repo:Q9_K"}, NULL, NULL, 4, DL_OK, "no Q9_K here, there is: "},
        {{"show", "ns/gated:config.json"}, NULL, NULL, 4, DL_OK, "no config.json here"},
        {{"show", "ns/repo:Q8_0"}, NULL, NULL, 3, DL_OK, "part 2 of 2"},
        {{"show", "ns/gated", "--card"}, NULL, NULL, 8, DL_GATED_LOGIN, "gated"},
        {{"show", "ns/gated", "--card"},
         "HF_TOKEN=" STAGE_TOKEN,
         NULL,
         8,
         DL_GATED_PENDING,
         "token from HF_TOKEN"},
        {{"show", "ns/off"}, NULL, NULL, 8, DL_DISABLED, "disabled"},
        {{"show", "ns/repo"}, "HF_TOKEN=hf_Wrong", NULL, 8, DL_BAD_TOKEN, "token from HF_TOKEN"},
        {{"search", "x"}, "HF_TOKEN=hf_Wrong", NULL, 8, DL_BAD_TOKEN, "token from HF_TOKEN"},
        {{"whoami"}, "HF_TOKEN=hf_Wrong", NULL, 8, DL_BAD_TOKEN, "token from HF_TOKEN"},
        {{"whoami"}, NULL, NULL, 8, DL_OK, "no token"},
        {{"search", "x"}, "HF_HUB_OFFLINE=1", NULL, 7, DL_OFFLINE_MODE, "offline"},
        {{"show", "ns/repo"}, "TRANSFORMERS_OFFLINE=yes", NULL, 7, DL_OFFLINE_MODE, "offline"},
        {{"search", "w"}, "HF_ENDPOINT=http://127.0.0.1:1", NULL, 7, DL_UNREACHABLE, "127.0.0.1"},
        {{"search", "y"}, NULL, "status=400", 7, DL_BAD_REQUEST, "HTTP 400"},
        {{"search", "z"}, NULL, "body=<html>", 7, DL_BAD_REPLY, "search"},
        {{"show", "ns/repo"}, NULL, "redirect={cdn}/x", 7, DL_NOT_A_HUB, "elsewhere"},
        {{"search", "a"}, NULL, "endless_body", 10, DL_TOO_BIG, "33554432"},
        {{"search", "--sort", "beauty"}, NULL, NULL, 2, DL_OK, "beauty"},
        {{"search", "--gated", "perhaps"}, NULL, NULL, 2, DL_OK, "perhaps"},
        {{"search", "--min-params", "many"}, NULL, NULL, 2, DL_OK, "many"},
        {{"search", "-n", "0"}, NULL, NULL, 2, DL_OK, "limit"},
        {{"show", "ns/repo@a..b", "--files"}, NULL, NULL, 4, DL_OK, "ns/repo@a..b"},
        {{"whoami", "me"}, NULL, NULL, 2, DL_OK, "whoami"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        char line[128];
        stage s = stage_up();
        snprintf(line, sizeof line, "GET hub:* %s", rows[i].fault ? rows[i].fault : "");
        if (rows[i].fault)
            fix_fault(s.hub, line);
        child c = stage_run_args(&s, rows[i].env, rows[i].args);
        const char *remedy = dl_trouble_remedy(rows[i].trouble), *end = strchr(c.err, '\n');
        check(c.code == rows[i].code && c.n_out == 0, "row %zu: status %d: %s%s", i, c.code, c.out,
              c.err);
        check(fix_starts(c.err, "nibble: ") && end && end[1] == '\0', "row %zu: %s", i, c.err);
        check(strstr(c.err, rows[i].says), "row %zu: no \"%s\" in %s", i, rows[i].says, c.err);
        size_t n = strlen(remedy);
        check((size_t)(end - c.err) > n && strncmp(end - n, remedy, n) == 0, "row %zu: %s", i,
              c.err);
        check(!strstr(c.err, STAGE_TOKEN) && !strstr(c.err, "hf_Wrong"), "row %zu: %s", i, c.err);
        check(!strstr(c.err, "r tries again"), "row %zu: keys of screens: %s", i, c.err);
        child_free(&c);
        stage_down(&s);
    }
}

/* --- offline -----------------------------------------------------------------------------------
 */

static void age_below(const char *dir, double seconds)
{
    char at[1000];
    snprintf(at, sizeof at, "%s", dir);
    DIR *d = opendir(at);
    for (struct dirent *e; d && (e = readdir(d));) {
        struct stat st;
        char path[1300];
        snprintf(path, sizeof path, "%s/%s", at, e->d_name);
        if (e->d_name[0] == '.' || lstat(path, &st) != 0)
            continue;
        st.st_mtim.tv_sec -= (time_t)seconds;
        const struct timespec times[2] = {st.st_atim, st.st_mtim};
        check(utimensat(AT_FDCWD, path, times, 0) == 0, "%s", path);
    }
    if (d)
        closedir(d);
}

CHECK_TEST(hub_cli, offline_shows_the_last_list_and_its_age_hub_24)
{
    stage s = stage_up();
    child c = STAGE_RUN(&s, "search", "repo", "-n", "17");
    stage_works(&c, "search");
    char *first = strdup(c.out);
    child_free(&c);
    age_below(test_path(s.dir, ".cache/nibble/hub"), 7200);
    unsigned before = fake_hub_connections(s.hub);
    c = STAGE_RUN_ENV(&s, "HF_HUB_OFFLINE=1", "search", "repo", "-n", "17");
    check(c.code == 0 && strcmp(c.out, first) == 0, "status %d: %s", c.code, c.out);
    check(strcmp(c.err, "nibble: offline: this list is 2h00 old\n") == 0, "%s", c.err);
    child_free(&c);
    c = STAGE_RUN_ENV(&s, "HF_HUB_OFFLINE=1", "search", "repo", "-n", "17", "--quiet");
    stage_works(&c, "--quiet");
    child_free(&c);
    check(fake_hub_connections(s.hub) == before, "a connection");
    free(first);
    stage_down(&s);
}
