/* Names from a server or a command line before they become paths (A20, hub 22). */
#include "tests/check.h"

#include "downloads/cache.h"
#include "downloads/partial_state.h"

#include <stdio.h>
#include <string.h>

static char long_part[97 + 1], long_segment[256 + 1], long_path[4096 + 1];

static void fill(void)
{
    memset(long_part, 'a', 97);
    memset(long_segment, 'a', 256);
    for (size_t i = 0; i < 4096; i++)
        long_path[i] = i % 2 ? '/' : 'a';
}

CHECK_TEST(names, repositories_are_one_or_two_plain_words)
{
    fill();
    static const char *const good[] = {
        "gpt2",    "org/repo", "a/b", "Org-1/re.po_2", "_x/y_", "0/1", "TheBloke/Llama-2-7B-GGUF",
        "x/y.git2"};
    const char *const bad[] = {"",
                               "/",
                               "a/",
                               "/a",
                               "a/b/c",
                               "../x",
                               "a/..",
                               "a/.",
                               ".a/b",
                               "a/b.",
                               "-a/b",
                               "a/b-",
                               "a--b/c",
                               "a/b--c",
                               "a..b/c",
                               "a/b.git",
                               "x.git",
                               "a b/c",
                               "a/b c",
                               "a\\b/c",
                               "a/b\n",
                               "a/\x1b[2J",
                               "a/b\xc3\xa9",
                               "~/b",
                               "a/b:c",
                               "a/b@c",
                               "a%2fb",
                               long_part,
                               "models--a",
                               "a/\xe2\x80\xae",
                               "datasets--a--b"};
    for (size_t i = 0; i < countof(good); i++)
        check(dl_repo_ok(good[i]), "%s", good[i]);
    for (size_t i = 0; i < countof(bad); i++)
        check(!dl_repo_ok(bad[i]), "row %d: %.40s", (int)i, bad[i]);
    long_part[96] = '\0';
    check(dl_repo_ok(long_part), "96 bytes");
}

CHECK_TEST(names, commits_and_content_ids_are_lower_case_hex_of_one_length)
{
    char hex[66];
    memset(hex, 'a', sizeof hex);
    for (size_t n = 0; n < 66; n++) {
        hex[n] = '\0';
        check(dl_commit_ok(hex) == (n == 40), "commit of %d", (int)n);
        check(dl_oid_ok(hex) == (n == 40 || n == 64), "oid of %d", (int)n);
        hex[n] = 'a';
    }
    hex[40] = '\0';
    static const char odd[] = "AgG/.\n ";
    for (size_t i = 0; odd[i]; i++) {
        hex[i * 6] = odd[i];
        check(!dl_commit_ok(hex) && !dl_oid_ok(hex), "%c", odd[i]);
        hex[i * 6] = 'a';
    }
    check(dl_commit_ok(hex) && dl_oid_ok(hex), "%s", hex);
}

CHECK_TEST(names, hostile_paths_are_refused_with_the_reason) /* A20: 60 names with the next two */
{
    fill();
    const struct {
        const char *path, *why;
    } rows[] = {
        {"", "empty"},
        {".", "\".\""},
        {"..", "\"..\""},
        {"../x", "\"..\""},
        {"a/../x", "\"..\""},
        {"a/..", "\"..\""},
        {"./x", "\".\""},
        {"a/./x", "\".\""},
        {"/", "leading slash"},
        {"/etc/passwd", "leading slash"},
        {"//host/share", "leading slash"},
        {"a//b", "empty"},
        {"a/", "empty"},
        {"a\\b", "backslash"},
        {"..\\..\\x", "backslash"},
        {"\\\\host\\share", "backslash"},
        {"C:\\x", "backslash"},
        {"C:x", "drive"},
        {"c:/x", "drive"},
        {"a/D:x", "drive"},
        {"~", "tilde"},
        {"~root/.ssh/authorized_keys", "tilde"},
        {"-rf", "dash"},
        {"--help", "dash"},
        {"a\nb", "control"},
        {"a\rb", "control"},
        {"a\tb", "control"},
        {"a\x01", "control"},
        {"a\x1b[31mb", "control"},
        {"a\x1b]52;c;aGk=\x07", "control"},
        {"a\x7f", "control"},
        {"a\xc2\x9b"
         "31m",
         "control"},
        {"a\xc2\x80", "control"},
        {"a\xff", "UTF-8"},
        {"a\xc0\xae\xc0\xae/x", "UTF-8"},
        {"a\xe2\x82", "UTF-8"},
        {"a\xed\xa0\x80", "UTF-8"},
        {long_segment, "255"},
        {long_path, "1000"},
    };
    nb_err err;
    for (size_t i = 0; i < countof(rows); i++) {
        check(dl_path_ok(rows[i].path, &err) == NB_REFUSED, "row %d", (int)i);
        check(strstr(err.msg, rows[i].why), "row %d: %s", (int)i, err.msg);
    }
    static const char *const good[] = {"config.json",
                                       ".gitattributes",
                                       "a/b/c.gguf",
                                       "...",
                                       "..a",
                                       "a..",
                                       "a b",
                                       "a~b",
                                       "a-b",
                                       "onnx/model_q4.onnx",
                                       "\xc3\xa9t\xc3\xa9.txt",
                                       "ab:c",
                                       "aux",
                                       "\xe6\xa8\xa1\xe5\x9e\x8b.gguf"};
    for (size_t i = 0; i < countof(good); i++)
        check(dl_path_ok(good[i], &err) == NB_OK, "%s: %s", good[i], err.msg);
    long_segment[255] = '\0';
    check(dl_path_ok(long_segment, NULL) == NB_OK, "255 bytes");
}

CHECK_TEST(names, revisions_are_what_git_allows_and_a_path_bears)
{
    fill();
    static const char *const good[] = {"main",
                                       "v1.0",
                                       "refs/pr/1",
                                       "feature/x-1",
                                       "abc12",
                                       "@x",
                                       "5e1c0f1e5e1c0f1e5e1c0f1e5e1c0f1e5e1c0f1e"};
    const char *const bad[] = {"",      ".",     "..",   "../x",       "a/../b",   "/a",
                               "a/",    "a//b",  "a b",  "a~1",        "a^",       "ab:c",
                               "a?",    "a*",    "a[",   "a\\b",       "a..b",     "@",
                               "a@{1}", ".a",    "a/.b", "a.lock",     "a.lock/b", "a.",
                               "-a",    "a\x1b", "~a",   long_segment, long_path};
    for (size_t i = 0; i < countof(good); i++)
        check(dl_revision_ok(good[i]), "%s", good[i]);
    for (size_t i = 0; i < countof(bad); i++)
        check(!dl_revision_ok(bad[i]), "row %d: %.40s", (int)i, bad[i]);
}

CHECK_TEST(names, a_wish_splits_into_repository_revision_and_tag)
{
    static const struct {
        const char *text, *repo, *revision, *tag;
    } good[] = {
        {"org/repo", "org/repo", "main", ""},
        {"gpt2", "gpt2", "main", ""},
        {"org/repo:Q4_K_M", "org/repo", "main", "Q4_K_M"},
        {"org/repo@v1", "org/repo", "v1", ""},
        {"org/repo@refs/pr/3:sub/x.gguf", "org/repo", "refs/pr/3", "sub/x.gguf"},
        {"org/repo:a@b:c", "org/repo", "main", "a@b:c"},
    };
    static const char *const bad[] = {"",
                                      ":",
                                      "@",
                                      "org/repo:",
                                      "org/repo@",
                                      "org/repo@:x",
                                      "org/repo@../x",
                                      "org/repo:../x",
                                      "org/repo:/etc/passwd",
                                      "a/b/c",
                                      "../x",
                                      "org/repo@a b",
                                      "org/repo:a\\b",
                                      "org/repo:-rf"};
    dl_name name;
    nb_err err;
    for (size_t i = 0; i < countof(good); i++) {
        check(dl_name_parse(&name, good[i].text, &err) == NB_OK, "%s", err.msg);
        check(strcmp(name.repo, good[i].repo) == 0 &&
                  strcmp(name.revision, good[i].revision) == 0 &&
                  strcmp(name.tag, good[i].tag) == 0,
              "%s: %s @ %s : %s", good[i].text, name.repo, name.revision, name.tag);
    }
    for (size_t i = 0; i < countof(bad); i++) {
        memset(&name, 7, sizeof name);
        check(dl_name_parse(&name, bad[i], &err) == NB_USAGE && err.msg[0], "%s", bad[i]);
        check(name.repo[0] == 7, "%s: written on failure", bad[i]);
    }
}

CHECK_TEST(names, a_partials_name_is_read_back_and_nothing_else_is)
{
    char data[DL_NAME_MAX], state[DL_NAME_MAX], oid[65], tag[9], hex[65];
    bool is_state;
    memset(hex, 'b', 64);
    hex[64] = '\0';
    dl_partial_names(data, state, hex, "0123abcd");
    check(dl_partial_name(data, oid, tag, &is_state) && !is_state && strcmp(oid, hex) == 0 &&
              strcmp(tag, "0123abcd") == 0,
          "%s", data);
    check(dl_partial_name(state, oid, tag, &is_state) && is_state, "%s", state);
    check(strstr(data, ".incomplete") && strstr(state, ".incomplete"), "hf cache prune's glob");
    hex[40] = '\0';
    char other[200];
    static const char *const rest[] = {"",
                                       ".incomplete",
                                       ".0123abc.incomplete",
                                       ".0123abcde.incomplete",
                                       ".0123ABCD.incomplete",
                                       ".0123abcd.incomplete~",
                                       ".0123abcd.bad.incomplete",
                                       ".0123abcd.state",
                                       ".0123abcd"};
    for (size_t i = 0; i < countof(rest); i++) {
        snprintf(other, sizeof other, "%s%s", hex, rest[i]);
        check(!dl_partial_name(other, oid, tag, &is_state), "%s", other);
    }
}
