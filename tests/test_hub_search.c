/* Search through real requests: what is asked, what is kept on disk, and what is shown when nobody
 * answers (hub 20, 23, 24). */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/file.h"
#include "downloads/hub.h"
#include "tests/check.h"
#include "tests/net_rig.h"
#include "tests/util.h"

static const dl_search any = {.gated = -1, .limit = 30};

/* A folder for kept answers that no other test uses. */
static const char *fresh_dir(void)
{
    static char dir[600];
    static int n;
    char name[32];
    snprintf(name, sizeof name, "search%d", n++);
    snprintf(dir, sizeof dir, "%s", test_path(test_tmpdir(), name));
    return dir;
}

typedef struct found {
    nb_status status;
    dl_trouble trouble;
    nb_err err;
    dl_page page;
} found;

static found look(net_rig *rig, const char *dir, const dl_search *q, const char *next)
{
    found f = {.trouble = DL_TROUBLES};
    f.status = dl_hub_search(rig->net, dir, q, next, &f.page, &f.trouble, NULL, &f.err);
    return f;
}

static found finds(net_rig *rig, const char *dir, const dl_search *q, size_t rows, bool cached)
{
    found f = look(rig, dir, q, NULL);
    check(f.status == NB_OK, "%s", f.err.msg);
    check(f.page.n == rows && f.page.cached == cached, "%zu rows, cached %d", f.page.n,
          f.page.cached);
    return f;
}

/* Every file below dir/hub, with `seconds` added to its time (0 = only counted); what is in it and
 * its name go to each. */
static size_t each_kept(const char *dir, double seconds,
                        void (*each)(const char *path, const char *text))
{
    char at[700];
    size_t n = 0, len;
    snprintf(at, sizeof at, "%s/hub", dir);
    DIR *d = opendir(at);
    for (struct dirent *e; d && (e = readdir(d));) {
        struct stat st;
        const char *path = test_path(at, e->d_name);
        if (e->d_name[0] == '.' || lstat(path, &st) != 0)
            continue;
        check(S_ISREG(st.st_mode) && (st.st_mode & 0777) == 0600, "%s: mode %o", path, st.st_mode);
        st.st_mtim.tv_sec += (time_t)seconds;
        const struct timespec times[2] = {st.st_atim, st.st_mtim};
        check(utimensat(AT_FDCWD, path, times, 0) == 0, "%s", path);
        if (each) {
            char *text = test_slurp(path, &len);
            each(path, text);
            free(text);
        }
        n++;
    }
    if (d)
        closedir(d);
    return n;
}

static size_t asked(const net_rig *rig)
{
    return fake_hub_count(rig->hub, FAKE_PORTS, NULL, NULL);
}

/* --- what is asked -----------------------------------------------------------------------------
 */

CHECK_TEST(hub_search, a_wish_becomes_the_hubs_words)
{
    static const struct {
        dl_search q;
        const char *has[3], *lacks;
    } rows[] = {
        {{.gated = -1, .limit = 30}, {"limit=30&", "sort=trendingScore&", "expand=tags"}, "search"},
        {{.gated = -1, .limit = 0}, {"limit=1&"}, "gated="},
        {{.gated = -1, .limit = 9999}, {"limit=500&"}, "filter="},
        {{.gated = -1, .text = "qwen 3&x=1", .order = DL_BY_DOWNLOADS, .limit = 1},
         {"search=qwen%203%26x%3D1&", "sort=downloads&"},
         "&x=1"},
        {{.gated = 0, .author = "ns", .order = DL_BY_LIKES, .limit = 1},
         {"author=ns&", "gated=false", "sort=likes&"},
         "gated=true"},
        {{.gated = 1, .task = "text-generation", .order = DL_BY_UPDATED, .limit = 1},
         {"pipeline_tag=text-generation&", "gated=true&", "sort=lastModified&"},
         "gated=false"},
        {{.gated = -1, .license = "apache-2.0", .gguf_only = true, .limit = 1},
         {"filter=license:apache-2.0&", "filter=gguf&"},
         "direction"},
        {{.gated = -1, .params_min = 500000000, .order = DL_BY_CREATED, .limit = 1},
         {"num_parameters=min:500000000&", "sort=createdAt&"},
         "max:"},
        {{.gated = -1, .params_max = 7000000000, .limit = 1},
         {"num_parameters=max:7000000000&"},
         "min:"},
        {{.gated = -1, .params_min = 1, .params_max = 2, .limit = 1},
         {"num_parameters=min:1,max:2&"},
         "expand=gguf"},
    };
    net_rig rig = rig_up(NULL, NULL);
    for (size_t i = 0; i < countof(rows); i++) {
        fake_hub_log_clear(rig.hub);
        found f = look(&rig, NULL, &rows[i].q, NULL);
        check(f.status == NB_OK && f.trouble == DL_OK, "row %zu: %s", i, f.err.msg);
        const char *target = rig_logged(&rig, FAKE_HUB, 0).target;
        check(fix_starts(target, "/api/models?"), "%s", target);
        for (int k = 0; k < 3 && rows[i].has[k]; k++)
            check(strstr(target, rows[i].has[k]), "row %zu: no %s in %s", i, rows[i].has[k],
                  target);
        check(!strstr(target, rows[i].lacks), "row %zu: %s in %s", i, rows[i].lacks, target);
        dl_page_free(&f.page);
    }
    rig_down(&rig);
}

static fake_hub *seven_more(net_rig *rig)
{
    for (uint64_t i = 0; i < 7; i++) {
        char id[32];
        snprintf(id, sizeof id, "many/m%llu", (unsigned long long)i);
        fake_hub_add(rig->hub, &(fake_repo_info){.id = id, .downloads = 100 - i});
    }
    return rig->hub;
}

CHECK_TEST(hub_search, pages_follow_one_another_and_are_kept)
{
    net_rig rig = rig_up(NULL, NULL);
    seven_more(&rig);
    const char *dir = fresh_dir();
    const dl_search q = {.gated = -1, .limit = 3, .text = "many", .order = DL_BY_DOWNLOADS};
    for (int run = 0; run < 2; run++) { /* the second from disk */
        char next[DL_URL_MAX] = "";
        int row = 0, pages = 0;
        do {
            found f = look(&rig, dir, &q, *next ? next : NULL);
            check(f.status == NB_OK && f.page.cached == (run == 1), "%s", f.err.msg);
            for (size_t i = 0; i < f.page.n; i++, row++)
                check(f.page.at[i].id[6] == '0' + row, "%s is row %d", f.page.at[i].id, row);
            memcpy(next, f.page.next, sizeof next);
            dl_page_free(&f.page);
            pages++;
        } while (*next);
        check(row == 7 && pages == 3, "%d rows, %d pages", row, pages);
    }
    check(asked(&rig) == 3, "%zu requests", asked(&rig));
    rig_down(&rig);
}

/* A server may say "next" for ever: what brings no rows, or itself again, is the end. */
CHECK_TEST(hub_search, endless_chains_end_hub_23)
{
    static const char *const faults[] = {
        "GET hub:/api/models body=[] header=\"Link:<{hub}/api/models?a=1>; rel=\\\"next\\\"\"",
        "GET hub:/api/models body=\"[{},{\\\"id\\\":7}]\" header=\"Link:<{hub}/api/models?a=1>; "
        "rel=\\\"next\\\"\"",
        "GET hub:/api/models header=\"Link:<{hub}/api/models?a=1>; rel=\\\"next\\\"\"",
    };
    net_rig rig = rig_up(NULL, NULL);
    for (size_t i = 0; i < countof(faults); i++) {
        char next[DL_URL_MAX] = "";
        int pages = 0;
        fake_hub_faults_clear(rig.hub);
        fix_fault(rig.hub, faults[i]);
        do {
            found f = look(&rig, NULL, &any, *next ? next : NULL);
            check(f.status == NB_OK, "%s", f.err.msg);
            memcpy(next, f.page.next, sizeof next);
            dl_page_free(&f.page);
        } while (*next && ++pages < 20);
        check(pages < 3, "chain %zu goes on", i);
    }
    rig_down(&rig);
}

/* --- what is kept ------------------------------------------------------------------------------
 */

static void holds_no_token(const char *path, const char *text)
{
    check(!strstr(path, RIG_TOKEN) && !strstr(text, RIG_TOKEN), "the token lies in %s", path);
    check(strstr(text, "ns/repo"), "%s holds no list", path);
}

CHECK_TEST(hub_search, an_answer_is_kept_five_minutes)
{
    net_rig rig = rig_up(NULL, NULL);
    const char *dir = fresh_dir();
    found f = finds(&rig, dir, &any, 1, false);
    dl_page_free(&f.page);
    check(each_kept(dir, -200, holds_no_token) == 1, "one answer");
    f = finds(&rig, dir, &any, 1, true);
    check(f.trouble == DL_OK && f.page.age >= 199 && f.page.age < 300, "%.0f s", f.page.age);
    check(strcmp(f.page.at[0].id, "ns/repo") == 0 && f.page.at[0].likes == 2, "%s",
          f.page.at[0].id);
    dl_page_free(&f.page);
    check(asked(&rig) == 1, "a fresh answer was asked again");
    each_kept(dir, -101, NULL);
    f = finds(&rig, dir, &any, 1, false);
    dl_page_free(&f.page);
    check(asked(&rig) == 2, "an old one was not");
    each_kept(dir, 5000, NULL); /* the clock was set back */
    f = finds(&rig, dir, &any, 1, false);
    dl_page_free(&f.page);
    check(asked(&rig) == 3, "one from the future was believed");
    const dl_search other = {.gated = -1, .limit = 29};
    f = finds(&rig, dir, &other, 1, false);
    dl_page_free(&f.page);
    check(each_kept(dir, 0, NULL) == 2, "each query has its own");
    rig_down(&rig);
}

/* A private repository a token may see is nobody else's; another endpoint has other models. */
CHECK_TEST(hub_search, what_a_token_saw_is_not_shown_to_another)
{
    net_rig rig = rig_up(NULL, NULL);
    const char *dir = fresh_dir();
    fake_repo *hidden =
        fake_hub_add(rig.hub, &(fake_repo_info){.id = "ns/hidden", .is_private = true});
    fake_repo_grant(hidden, RIG_TOKEN, FAKE_GRANTED);
    found f = finds(&rig, dir, &any, 2, false);
    dl_page_free(&f.page);
    dl_net_token(rig.net, "", "");
    f = finds(&rig, dir, &any, 1, false);
    dl_page_free(&f.page);
    dl_net_token(rig.net, RIG_TOKEN, "HF_TOKEN");
    f = finds(&rig, dir, &any, 2, true);
    dl_page_free(&f.page);
    net_rig other = rig_up(NULL, NULL);
    f = finds(&other, dir, &any, 1, false);
    dl_page_free(&f.page);
    check(each_kept(dir, 0, NULL) == 3, "three lists");
    rig_down(&other);
    rig_down(&rig);
}

static void spoil(const char *path, const char *text)
{
    static int n;
    const char *line = strchr(text, '\n');
    switch (n++) {
    case 0:
        test_spit(path, text, strlen(text) / 2);
        break;
    case 1:
        test_spit(path, "", 0);
        break;
    case 2: /* another query's */
        test_spit(path, line, strlen(line));
        break;
    case 3:
        test_spit(path, text, (size_t)(line - text));
        break;
    default:
        check(unlink(path) == 0 && mkdir(path, 0600) == 0, "%s", path);
    }
}

CHECK_TEST(hub_search, a_spoilt_answer_is_none)
{
    net_rig rig = rig_up(NULL, NULL);
    const char *dir = fresh_dir();
    for (size_t i = 1; i <= 5; i++) {
        found f = finds(&rig, dir, &any, 1, false);
        dl_page_free(&f.page);
        check(asked(&rig) == i, "%zu: %zu requests", i, asked(&rig));
        each_kept(dir, 0, spoil);
    }
    found f = finds(&rig, dir, &any, 1, false); /* a folder lies there: shown all the same */
    dl_page_free(&f.page);
    f = finds(&rig, "/proc/no/such", &any, 1, false);
    dl_page_free(&f.page);
    rig_down(&rig);
}

CHECK_TEST(hub_search, two_hundred_answers_are_kept_and_the_oldest_go)
{
    net_rig rig = rig_up(NULL, NULL);
    const char *dir = fresh_dir();
    dl_search q = any;
    for (q.limit = 1; q.limit <= 205; q.limit++) {
        found f = finds(&rig, dir, &q, 1, false);
        dl_page_free(&f.page);
        if (q.limit == 1)
            each_kept(dir, -100, NULL);
    }
    check(each_kept(dir, 0, NULL) == 200, "%zu are kept", each_kept(dir, 0, NULL));
    q.limit = 205;
    found f = finds(&rig, dir, &q, 1, true);
    dl_page_free(&f.page);
    q.limit = 1;
    f = finds(&rig, dir, &q, 1, false); /* the oldest went */
    dl_page_free(&f.page);
    rig_down(&rig);
}

/* --- when nobody answers -----------------------------------------------------------------------
 */

/* The old list with its age and the reason; without one the reason alone. */
CHECK_TEST(hub_search, an_old_list_stands_in_when_nobody_answers_hub_24)
{
    static const struct {
        const char *fault;
        dl_trouble trouble;
        nb_status status; /* NB_OK: the old list stands in; the status without one otherwise */
    } rows[] = {
        {"GET hub:* status=503", DL_SERVER, NB_OK},
        {"GET hub:* rst", DL_UNREACHABLE, NB_OK},
        {"GET hub:* body=\"<html>Log in to this hotel</html>\"", DL_BAD_REPLY, NB_OK},
        {"GET hub:* redirect=http://127.0.0.1:1/login", DL_NOT_A_HUB, NB_OK},
        {"GET hub:* status=451", DL_SERVER, NB_OK},
        {"GET hub:* status=400", DL_BAD_REQUEST, NB_NETWORK},
        {"GET hub:* status=403", DL_FORBIDDEN, NB_DENIED},
    };
    const dl_options opt = {.patience = .2};
    for (size_t i = 0; i < countof(rows); i++) {
        net_rig rig = rig_up(&opt, NULL);
        const char *dir = fresh_dir();
        found f = finds(&rig, dir, &any, 1, false);
        dl_page_free(&f.page);
        each_kept(dir, -7200, NULL);
        fix_fault(rig.hub, rows[i].fault);
        f = look(&rig, dir, &any, NULL);
        check(f.status == rows[i].status && f.trouble == rows[i].trouble, "%s: %d %s %s",
              rows[i].fault, f.status, dl_trouble_name(f.trouble), f.err.msg);
        check(f.status != NB_OK || (f.page.cached && f.page.n == 1 && f.page.age >= 7199),
              "%s: age %.0f", rows[i].fault, f.page.age);
        dl_page_free(&f.page);
        f = look(&rig, NULL, &any, NULL);
        check(f.status == dl_trouble_status(rows[i].trouble) && f.trouble == rows[i].trouble &&
                  fix_starts(f.err.msg, "search: "),
              "%s: %d %s", rows[i].fault, f.status, f.err.msg);
        rig_down(&rig);
    }
}

CHECK_TEST(hub_search, offline_answers_from_disk_and_asks_nobody_hub_24)
{
    net_rig rig = rig_up(NULL, NULL);
    const char *dir = fresh_dir();
    found f = finds(&rig, dir, &any, 1, false);
    dl_page_free(&f.page);
    each_kept(dir, -3600, NULL);
    nb_hub_env env = rig_env(rig.hub);
    env.offline = true;
    rig_again(&rig, &env);
    unsigned before = fake_hub_connections(rig.hub);
    f = finds(&rig, dir, &any, 1, true);
    check(f.trouble == DL_OFFLINE_MODE && f.page.age >= 3599, "%s, %.0f s",
          dl_trouble_name(f.trouble), f.page.age);
    dl_page_free(&f.page);
    const dl_search other = {.gated = -1, .limit = 7};
    f = look(&rig, dir, &other, NULL);
    check(f.status == NB_NETWORK && f.trouble == DL_OFFLINE_MODE && strstr(f.err.msg, "offline"),
          "%s", f.err.msg);
    dl_repo r;
    dl_account a;
    dl_trouble trouble;
    nb_err err = {0};
    check(dl_hub_repo(rig.net, "ns/repo", NULL, &r, &trouble, NULL, &err) == NB_NETWORK &&
              trouble == DL_OFFLINE_MODE,
          "%s", err.msg);
    check(dl_hub_whoami(rig.net, &a, &trouble, NULL, &err) == NB_NETWORK &&
              trouble == DL_OFFLINE_MODE,
          "%s", err.msg);
    check(fake_hub_connections(rig.hub) == before, "a connection");
    rig_down(&rig);
}
