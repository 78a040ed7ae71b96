/* hub 22, 23: servers that mean harm, through real requests: names that would leave their folder,
 * text a terminal would obey, every field of another kind, answers without end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "downloads/cache.h"
#include "downloads/hub.h"
#include "tests/check.h"
#include "tests/net_rig.h"
#include "tests/util.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { GROWS_MAX = 512 }; /* MiB: freed memory stays in quarantine */
#else
enum { GROWS_MAX = 96 };
#endif

/* What a GET of these paths answers from now on, and nothing else. */
static void serve(net_rig *rig, const char *glob, const char *text)
{
    char line[900];
    const char *path = test_path(test_tmpdir(), "answer.json");
    test_spit(path, text, strlen(text));
    fake_hub_faults_clear(rig->hub);
    snprintf(line, sizeof line, "* hub:%s body_file=%s", glob, path);
    fix_fault(rig->hub, line);
}

static nb_status repo_of(net_rig *rig, dl_repo *r, dl_trouble *trouble, nb_err *err)
{
    *err = (nb_err){0};
    return dl_hub_repo(rig->net, "ns/repo", NULL, r, trouble, NULL, err);
}

/* --- names and text ----------------------------------------------------------------------------
 */

CHECK_TEST(hub_hostile, names_that_leave_their_folder_are_left_out_hub_22)
{
    static const char *const bad[] = {"../x.gguf",
                                      "/etc/x.gguf",
                                      "a\\..\\b.gguf",
                                      "a//b.gguf",
                                      "a/./b.gguf",
                                      "a/../../b.gguf",
                                      "~/x.gguf",
                                      "-x.gguf",
                                      "C:/x.gguf",
                                      "\x1b]0;title\x07-Q4_K_M.gguf",
                                      "\x1b]52;c;ZXZpbA==\x07.gguf",
                                      "\xc2\x9b"
                                      "2J.gguf",
                                      "a\nb.gguf",
                                      "a\x7f.gguf"};
    net_rig rig = rig_up(NULL, NULL);
    dl_repo r;
    dl_trouble trouble;
    nb_err err;
    char deep[400];
    memset(deep, 'x', 300);
    memcpy(deep + 300, ".gguf", 6);
    for (size_t i = 0; i < countof(bad); i++)
        fake_repo_text(rig.repo, bad[i], "x");
    fake_repo_text(rig.repo, deep, "x");
    check(repo_of(&rig, &r, &trouble, &err) == NB_OK, "%s", err.msg);
    check(r.n_file == 3 && r.dropped == countof(bad) + 1, "%zu files, %zu left out", r.n_file,
          r.dropped);
    for (size_t i = 0; i < r.n_file; i++)
        check(dl_path_ok(r.file[i].path, NULL) == NB_OK, "%s", r.file[i].path);
    dl_repo_free(&r);
    rig_down(&rig);
}

/* Nothing a terminal would obey or hide. */
static void is_plain(const char *text, size_t n)
{
    nb_str again = {0};
    nb_safe_text(&again, text, n, NB_SAFE_ONE_LINE);
    check(again.len == n && memcmp(nb_str_c(&again), text, n) == 0, "\"%s\"", text);
    nb_str_free(&again);
}

#define EVIL "\\u001b]0;x\\u0007\\u001b[2J\\r\\n\\u009b31m\\u202etxet\\u200b"

/* Fields keep what the server said, an id never: it is a path and an address. */
CHECK_TEST(hub_hostile, texts_are_kept_and_ids_are_not_hub_22)
{
    static const char info[] =
        "{\"id\":\"ns/repo\",\"sha\":\"0123456789abcdef0123456789abcdef01234567\","
        "\"author\":\"" EVIL "\",\"pipeline_tag\":\"" EVIL "\",\"library_name\":\"" EVIL "\","
        "\"tags\":[\"license:" EVIL "\",\"base_model:../../x\",\"base_model:quantized:" EVIL "\"],"
        "\"gguf\":{\"architecture\":\"" EVIL "\"}}";
    static const char *const ids[] = {"ns/repo" EVIL,   "../../etc", "a/b/c",      "",
                                      "ns/\\u202erepo", "ns/re po",  "ns--x/repo", "ns/repo.git"};
    net_rig rig = rig_up(NULL, NULL);
    dl_repo r;
    dl_trouble trouble;
    nb_err err;
    serve(&rig, "*/revision/main", info);
    check(repo_of(&rig, &r, &trouble, &err) == NB_NOTFOUND && trouble == DL_NO_REVISION,
          "a commit that is not there: %s", err.msg);
    serve(&rig, "*/repo/*", info); /* info, tree and scanners alike: no list, no files */
    check(repo_of(&rig, &r, &trouble, &err) == NB_NETWORK && trouble == DL_BAD_REPLY, "%s",
          err.msg);
    for (size_t i = 0; i < countof(ids); i++) {
        nb_str json = {0};
        nb_str_addf(&json, "[{\"id\":\"%s\",\"author\":\"a\"},{\"id\":\"ns/good\"}]", ids[i]);
        serve(&rig, "/api/models", json.at);
        dl_page page;
        check(dl_hub_search(rig.net, NULL, &(dl_search){.gated = -1, .limit = 9}, NULL, &page, NULL,
                            NULL, &err) == NB_OK,
              "%s: %s", ids[i], err.msg);
        check(page.n == 1 && page.dropped == 1 && strcmp(page.at[0].id, "ns/good") == 0,
              "%s is an id", ids[i]);
        dl_page_free(&page);
        json.len = 0;
        nb_str_addf(&json, "{\"id\":\"%s\",\"sha\":\"0123456789abcdef0123456789abcdef01234567\"}",
                    ids[i]);
        serve(&rig, "*/revision/main", json.at);
        check(repo_of(&rig, &r, &trouble, &err) == NB_NETWORK && trouble == DL_BAD_REPLY, "%s: %s",
              ids[i], err.msg);
        nb_str_free(&json);
    }
    rig_down(&rig);
}

CHECK_TEST(hub_hostile, a_servers_words_are_plain_in_a_message_hub_22)
{
    static const char *const faults[] = {
        "GET hub:* status=403 header=\"X-Error-Message:\x1b]0;x\x07\xc2\x9b"
        "31m\xe2\x80\xaetxet\"",
        "GET hub:* status=403 body=\"{\\\"error\\\":\\\"\\\\u001b[2J\\\\u009b\\\\n\\\\u202e\\\"}\"",
        "GET hub:* status=403 body=\"\\x1b[2J\\x9b\\xff \\x00 x\"",
        "GET hub:* status=403 header=\"X-Request-Id:\x1b[2J\xe2\x80\x8b\"",
        "GET hub:* status=403 header=\"X-Error-Code:\x1b[2J\"",
    };
    net_rig rig = rig_up(NULL, NULL);
    for (size_t i = 0; i < countof(faults); i++) {
        dl_repo r;
        dl_trouble trouble;
        nb_err err;
        fake_hub_faults_clear(rig.hub);
        fix_fault(rig.hub, faults[i]);
        check(repo_of(&rig, &r, &trouble, &err) == NB_DENIED && trouble == DL_FORBIDDEN, "%zu: %s",
              i, err.msg);
        is_plain(err.msg, strlen(err.msg));
    }
    rig_down(&rig);
}

/* --- every field of another kind ---------------------------------------------------------------
 */

static const char *const values[] = {"null",
                                     "true",
                                     "-1",
                                     "0",
                                     "1e308",
                                     "9007199254740993",
                                     "-9e18",
                                     "1.5",
                                     "\"\"",
                                     "\"x\"",
                                     "\"\\ud83d\\ude00\"",
                                     "[]",
                                     "{}",
                                     "[[[[[]]]]]",
                                     "{\"a\":{\"b\":[{\"c\":1}]}}",
                                     "[null,1,\"x\",{\"id\":\"a/b\"}]",
                                     "{\"oid\":1,\"size\":\"x\",\"status\":[],\"total\":-1}",
                                     "{\"accessToken\":[{\"role\":{}}]}"};

/* form: text with one %s for "key":value. */
static void put(nb_str *out, const char *form, const char *key, const char *value)
{
    char member[200];
    snprintf(member, sizeof member, "\"%s\":%s", key, value);
    const char *hole = strstr(form, "%s");
    nb_str_clear(out);
    nb_str_addn(out, form, (size_t)(hole - form));
    nb_str_add(out, member);
    nb_str_add(out, hole + 2);
}

CHECK_TEST(hub_hostile, an_info_of_wrong_kinds_is_read_or_refused_hub_23)
{
    static const char *const keys[] = {"id",
                                       "modelId",
                                       "author",
                                       "sha",
                                       "tags",
                                       "gated",
                                       "private",
                                       "disabled",
                                       "downloads",
                                       "likes",
                                       "lastModified",
                                       "createdAt",
                                       "library_name",
                                       "siblings",
                                       "safetensors",
                                       "gguf",
                                       "cardData",
                                       "config",
                                       "usedStorage",
                                       "downloadsAllTime",
                                       "trendingScore",
                                       "pipeline_tag"};
    net_rig rig = rig_up(NULL, NULL);
    nb_str json = {0}, form = {0};
    nb_str_addf(&form, "{\"id\":\"ns/repo\",\"sha\":\"%s\",%%s,\"context\":1,\"likes\":3}",
                fake_repo_head(rig.repo));
    size_t sound = 0;
    for (size_t k = 0; k < countof(keys); k++)
        for (size_t v = 0; v < countof(values); v++) {
            dl_repo r;
            dl_trouble trouble;
            nb_err err;
            put(&json, form.at, keys[k], values[v]);
            serve(&rig, "*/revision/main", json.at);
            nb_status st = repo_of(&rig, &r, &trouble, &err);
            bool other = st == NB_NOTFOUND && k < 2; /* an id that is sound and nobody's */
            check(st == NB_OK || other || (st == NB_NETWORK && trouble == DL_BAD_REPLY), "%s: %s",
                  json.at, err.msg);
            if (st != NB_OK)
                continue;
            check(r.model.likes == 3 && strcmp(r.model.id, "ns/repo") == 0 && r.n_file == 3,
                  "%s: %zu files", json.at, r.n_file);
            dl_repo_free(&r);
            sound++;
        }
    check(sound > (countof(keys) - 5) * countof(values), "%zu were read", sound);
    nb_str_free(&json);
    nb_str_free(&form);
    rig_down(&rig);
}

CHECK_TEST(hub_hostile, a_tree_of_wrong_kinds_loses_that_entry_hub_23)
{
    static const char *const keys[] = {"type", "path",    "size",       "oid",
                                       "lfs",  "xetHash", "lastCommit", "securityFileStatus"};
    static const char form[] =
        "[{\"type\":\"file\",\"path\":\"a.gguf\",\"size\":7,\"oid\":\"x\",%s},"
        "{\"type\":\"file\",\"path\":\"z.txt\",\"size\":5}]";
    net_rig rig = rig_up(NULL, NULL);
    nb_str json = {0};
    for (size_t k = 0; k < countof(keys); k++)
        for (size_t v = 0; v < countof(values); v++) {
            dl_repo r;
            dl_trouble trouble;
            nb_err err;
            put(&json, form, keys[k], values[v]);
            serve(&rig, "*/tree/*", json.at);
            check(repo_of(&rig, &r, &trouble, &err) == NB_OK, "%s: %s", json.at, err.msg);
            size_t found = 0;
            for (size_t i = 0; i < r.n_file; i++) {
                check(r.file[i].size < UINT64_C(1) << 53, "%s", json.at);
                found += strcmp(r.file[i].path, "z.txt") == 0 && r.file[i].size == 5;
            }
            check(found == 1, "%s: the entry behind it is lost", json.at);
            dl_repo_free(&r);
            serve(&rig, "*/paths-info/*", json.at); /* only a remark: never an error */
            check(repo_of(&rig, &r, &trouble, &err) == NB_OK && r.n_file == 3, "%s: %s", json.at,
                  err.msg);
            dl_repo_free(&r);
        }
    nb_str_free(&json);
    rig_down(&rig);
}

CHECK_TEST(hub_hostile, an_account_of_wrong_kinds_keeps_its_name_hub_23)
{
    static const char *const keys[] = {"fullname", "isPro", "orgs", "auth", "email", "type"};
    net_rig rig = rig_up(NULL, NULL);
    nb_str json = {0};
    for (size_t k = 0; k < countof(keys); k++)
        for (size_t v = 0; v < countof(values); v++) {
            dl_account a;
            nb_err err = {0};
            put(&json, "{%s,\"name\":\"me\"}", keys[k], values[v]);
            serve(&rig, "/api/whoami-v2", json.at);
            rig_again(&rig, NULL); /* it is asked once a net */
            check(dl_hub_whoami(rig.net, &a, NULL, NULL, &err) == NB_OK, "%s: %s", json.at,
                  err.msg);
            check(strcmp(a.name, "me") == 0 && a.n_org <= 1, "%s: %s", json.at, a.name);
        }
    nb_str_free(&json);
    rig_down(&rig);
}

/* --- without end -------------------------------------------------------------------------------
 */

static void repeat(nb_str *out, const char *text, size_t times)
{
    for (size_t i = 0; i < times; i++)
        nb_str_add(out, text);
}

CHECK_TEST(hub_hostile, deep_nesting_is_refused_hub_23)
{
    static const char *const forms[][3] = {
        {"", "[", "*/tree/*"},
        {"{\"id\":\"ns/repo\",\"x\":", "{\"a\":", "*/revision/main"},
        {"{\"id\":\"ns/repo\",\"tags\":", "[", "*/revision/main"},
        {"{\"id\":\"ns/repo\",\"safetensors\":{\"parameters\":", "{\"a\":", "*/revision/main"},
        {"[{\"path\":\"x\",\"lfs\":", "{\"oid\":", "*/tree/*"}};
    net_rig rig = rig_up(NULL, NULL);
    for (size_t i = 0; i < countof(forms); i++) {
        dl_repo r;
        dl_trouble trouble;
        nb_err err;
        nb_str json = {0};
        nb_str_add(&json, forms[i][0]);
        repeat(&json, forms[i][1], 200000);
        serve(&rig, forms[i][2], json.at);
        check(repo_of(&rig, &r, &trouble, &err) == NB_NETWORK && trouble == DL_BAD_REPLY,
              "form %zu: %s", i, err.msg);
        nb_str_free(&json);
    }
    rig_down(&rig);
}

typedef nb_status asking(net_rig *rig, dl_trouble *trouble, nb_err *err);

static nb_status ask_repo(net_rig *rig, dl_trouble *trouble, nb_err *err)
{
    dl_repo r;
    nb_status st = repo_of(rig, &r, trouble, err);
    if (st == NB_OK)
        dl_repo_free(&r);
    return st;
}

static nb_status ask_search(net_rig *rig, dl_trouble *trouble, nb_err *err)
{
    dl_page page = {.n = 0};
    nb_status st =
        dl_hub_search(rig->net, test_path(test_tmpdir(), "kept"),
                      &(dl_search){.gated = -1, .limit = 9}, NULL, &page, trouble, NULL, err);
    dl_page_free(&page);
    return st;
}

static nb_status ask_card(net_rig *rig, dl_trouble *trouble, nb_err *err)
{
    nb_str card = {0};
    nb_status st =
        dl_hub_card(rig->net, "ns/repo", fake_repo_head(rig->repo), &card, trouble, NULL, err);
    nb_str_free(&card);
    return st;
}

static nb_status ask_whoami(net_rig *rig, dl_trouble *trouble, nb_err *err)
{
    dl_account a;
    return dl_hub_whoami(rig->net, &a, trouble, NULL, err);
}

static nb_status ask_header(net_rig *rig, dl_trouble *trouble, nb_err *err)
{
    dl_header h;
    const dl_file f = {.path = "m.gguf", .size = FIX_BYTES};
    nb_status st =
        dl_hub_header(rig->net, "ns/repo", fake_repo_head(rig->repo), &f, &h, trouble, NULL, err);
    if (st == NB_OK)
        dl_header_free(&h);
    return st;
}

/* A body that does not end is read to its limit and no further, whoever asks; the most memory all
 * of them took is a few pages of JSON. */
CHECK_TEST(hub_hostile, bodies_without_end_are_cut_hub_23)
{
    static const struct {
        asking *ask;
        const char *fault;
        nb_status status;
        dl_trouble trouble;
        unsigned most; /* MiB sent: the limit, and what the sockets' buffers may hold (10) */
    } rows[] = {
        {ask_search, "GET hub:/api/models endless_body", NB_REFUSED, DL_TOO_BIG, 48},
        {ask_repo, "GET hub:*/revision/main endless_body", NB_REFUSED, DL_TOO_BIG, 48},
        {ask_repo, "GET hub:*/tree/* endless_body", NB_REFUSED, DL_TOO_BIG, 48},
        {ask_repo, "POST hub:*/paths-info/* endless_body", NB_OK, DL_OK, 48},
        {ask_whoami, "GET hub:/api/whoami-v2 endless_body", NB_REFUSED, DL_TOO_BIG, 48},
        {ask_card, "GET hub:*/resolve-cache/* endless_body", NB_REFUSED, DL_TOO_BIG, 16},
        {ask_header, "GET cdn:* endless_body", NB_REFUSED, DL_TOO_BIG, 16},
        {ask_repo, "GET hub:*/tree/* status=404 endless_body", NB_NOTFOUND, DL_NO_REPO, 16},
    };
    net_rig rig = rig_up(NULL, NULL);
    fake_repo_text(rig.repo, "README.md", "# card");
    check(ask_repo(&rig, &(dl_trouble){0}, &(nb_err){0}) == NB_OK, "before");
    test_rss_peak(true);
    uint64_t before = test_rss_peak(false);
    for (size_t i = 0; i < countof(rows); i++) {
        dl_trouble trouble = DL_TROUBLES;
        nb_err err = {0};
        fake_hub_faults_clear(rig.hub);
        fake_hub_log_clear(rig.hub);
        fix_fault(rig.hub, rows[i].fault);
        check(rows[i].ask(&rig, &trouble, &err) == rows[i].status && trouble == rows[i].trouble,
              "%s: %s: %s", rows[i].fault, dl_trouble_name(trouble), err.msg);
        check(fake_hub_idle(rig.hub, 5000), "%s: still sending", rows[i].fault);
        uint64_t sent = fake_hub_bytes(rig.hub, FAKE_PORTS, NULL);
        check(sent < (uint64_t)rows[i].most << 20, "%s: %llu bytes were taken", rows[i].fault,
              (unsigned long long)sent);
    }
    uint64_t most = test_rss_peak(false);
    check(most == 0 || most < before + ((uint64_t)GROWS_MAX << 20), "%llu MiB grew",
          (unsigned long long)(most - before) >> 20);
    rig_down(&rig);
}

CHECK_TEST(hub_hostile, pages_that_name_one_another_for_ever_end_hub_23)
{
    char line[400];
    dl_trouble trouble;
    nb_err err;
    net_rig rig = rig_up(NULL, NULL);
    for (int i = 1; i <= 200; i++) {
        snprintf(line, sizeof line,
                 "GET hub:*/tree/* #%d header=\"Link:<{hub}/api/models/ns/repo/tree/%s?n=%d>; "
                 "rel=\\\"next\\\"\"",
                 i, fake_repo_head(rig.repo), i);
        fix_fault(rig.hub, line);
    }
    check(ask_repo(&rig, &trouble, &err) == NB_REFUSED && trouble == DL_TOO_BIG, "%s", err.msg);
    size_t asked = fake_hub_count(rig.hub, FAKE_HUB, NULL, "*/tree/*");
    check(asked <= 70, "%zu pages were asked for", asked);
    fake_hub_faults_clear(rig.hub);
    fake_hub_log_clear(rig.hub);
    snprintf(line, sizeof line,
             "GET hub:*/tree/* header=\"Link:<{hub}/api/models/ns/repo/tree/%s?n=1>; "
             "rel=\\\"next\\\"\"",
             fake_repo_head(rig.repo));
    fix_fault(rig.hub, line);
    check(ask_repo(&rig, &trouble, &err) == NB_NETWORK && trouble == DL_BAD_REPLY, "%s", err.msg);
    check(fake_hub_count(rig.hub, FAKE_HUB, NULL, "*/tree/*") == 2, "a circle was walked");
    rig_down(&rig);
}

/* More files than any repository has: the list ends in an error, not in memory. */
CHECK_TEST(hub_hostile, a_list_of_too_many_files_is_refused_hub_23)
{
    net_rig rig = rig_up(NULL, NULL);
    nb_str json = {0};
    dl_trouble trouble;
    nb_err err;
    nb_str_add(&json, "[");
    for (int i = 0; i < 65537; i++)
        nb_str_addf(&json, "%s{\"type\":\"file\",\"path\":\"f%d\",\"size\":1}", i ? "," : "", i);
    nb_str_add(&json, "]");
    serve(&rig, "*/tree/*", json.at);
    check(ask_repo(&rig, &trouble, &err) == NB_REFUSED && trouble == DL_TOO_BIG &&
              strstr(err.msg, "65536"),
          "%s: %s", dl_trouble_name(trouble), err.msg);
    nb_str_free(&json);
    rig_down(&rig);
}
