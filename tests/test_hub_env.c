#include "tests/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "core/base/file.h"
#include "core/base/hub_env.h"
#include "tests/util.h"

static const char *const read_here[] = {"HOME",
                                        "XDG_CACHE_HOME",
                                        "HF_HOME",
                                        "HF_HUB_CACHE",
                                        "HUGGINGFACE_HUB_CACHE",
                                        "HF_ENDPOINT",
                                        "HF_TOKEN",
                                        "HUGGING_FACE_HUB_TOKEN",
                                        "HF_TOKEN_PATH",
                                        "HTTP_PROXY",
                                        "HTTPS_PROXY",
                                        "ALL_PROXY",
                                        "http_proxy",
                                        "https_proxy",
                                        "all_proxy",
                                        "NO_PROXY",
                                        "no_proxy",
                                        "SSL_CERT_FILE",
                                        "SSL_CERT_DIR",
                                        "HF_HUB_OFFLINE",
                                        "TRANSFORMERS_OFFLINE",
                                        "HF_HUB_ETAG_TIMEOUT",
                                        "HF_HUB_DOWNLOAD_TIMEOUT",
                                        "HF_HUB_DISABLE_SYMLINKS",
                                        "HF_HUB_DISABLE_IMPLICIT_TOKEN",
                                        "HUGGINGFACE_CO_STAGING",
                                        "HF_HUB_USER_AGENT_ORIGIN"};
static char *saved[countof(read_here)];

/* Only these assignments; restore_environment brings the others back for the next suite. */
static void environment(const char *const *assign)
{
    for (size_t i = 0; i < countof(read_here); i++)
        unsetenv(read_here[i]);
    for (; *assign; assign += 2)
        setenv(assign[0], assign[1], 1);
}
#define ENV(...) environment((const char *const[]){__VA_ARGS__, NULL})

static void save_environment(void)
{
    for (size_t i = 0; i < countof(read_here); i++) {
        const char *v = getenv(read_here[i]);
        saved[i] = v ? strdup(v) : NULL;
    }
}

static void restore_environment(void)
{
    for (size_t i = 0; i < countof(read_here); i++) {
        unsetenv(read_here[i]);
        if (saved[i])
            setenv(read_here[i], saved[i], 1);
        free(saved[i]);
        saved[i] = NULL;
    }
}

CHECK_TEST(hub_env, defaults_are_the_hub_itself)
{
    save_environment();
    nb_hub_env e;
    nb_err err = {0};
    ENV("HOME", "/nowhere");
    check(nb_hub_env_load(&e, &err) == NB_OK, "%s", err.msg);
    check(strcmp(e.endpoint, "https://huggingface.co") == 0, "%s", e.endpoint);
    check(strcmp(e.home, "/nowhere/.cache/huggingface") == 0, "%s", e.home);
    check(strcmp(e.hub, "/nowhere/.cache/huggingface/hub") == 0, "%s", e.hub);
    check(!e.token[0] && !e.token_from[0] && !e.offline && !e.no_symlinks, "nothing else");
    check(e.etag_timeout == 10 && e.download_timeout == 10, "seconds");
    check(!e.proxy_http[0] && !e.proxy_https[0] && !e.no_proxy[0] && !e.ca_file[0], "network");
    restore_environment();
}

CHECK_TEST(hub_env, the_endpoint_is_an_address_or_the_hub_hub_24)
{
    static const struct {
        const char *value, *want;
        nb_status status;
    } rows[] = {
        {"https://hf-mirror.com", "https://hf-mirror.com", NB_OK},
        {"https://hf-mirror.com/", "https://hf-mirror.com", NB_OK},
        {"http://127.0.0.1:8000/mirror//", "http://127.0.0.1:8000/mirror", NB_OK},
        {"hf-mirror.com", "https://huggingface.co", NB_USAGE},
        {"https://", "https://huggingface.co", NB_USAGE},
        {"ftp://x", "https://huggingface.co", NB_USAGE},
        {"https://u:p@x", "https://huggingface.co", NB_USAGE},
        {"https://x/?a", "https://huggingface.co", NB_USAGE},
        {"https://x y", "https://huggingface.co", NB_USAGE},
        {"https://x\n", "https://huggingface.co", NB_USAGE},
    };
    save_environment();
    nb_hub_env e;
    for (size_t i = 0; i < countof(rows); i++) {
        nb_err err = {0};
        ENV("HOME", "/nowhere", "HF_ENDPOINT", rows[i].value);
        check(nb_hub_env_load(&e, &err) == rows[i].status, "%s: %s", rows[i].value, err.msg);
        check(strcmp(e.endpoint, rows[i].want) == 0, "%s: %s", rows[i].value, e.endpoint);
        check(rows[i].status == NB_OK || strstr(err.msg, "HF_ENDPOINT"), "%s", err.msg);
        check(!strstr(err.msg, "u:p"), "the message shows a password: %s", err.msg);
    }
    ENV("HOME", "/nowhere", "HUGGINGFACE_CO_STAGING", "yes");
    nb_hub_env_load(&e, NULL);
    check(strcmp(e.endpoint, "https://hub-ci.huggingface.co") == 0, "%s", e.endpoint);
    restore_environment();
}

CHECK_TEST(hub_env, switches_and_seconds)
{
    static const struct {
        const char *value;
        bool on;
    } rows[] = {{"1", true},  {"ON", true}, {"yes", true}, {"True", true},
                {"0", false}, {"", false},  {"2", false},  {"no", false}};
    save_environment();
    nb_hub_env e;
    nb_err err = {0};
    for (size_t i = 0; i < countof(rows); i++) {
        ENV("HF_HUB_OFFLINE", rows[i].value, "HF_HUB_DISABLE_SYMLINKS", rows[i].value);
        nb_hub_env_load(&e, NULL);
        check(e.offline == rows[i].on && e.no_symlinks == rows[i].on, "\"%s\"", rows[i].value);
    }
    ENV("TRANSFORMERS_OFFLINE", "1", "HF_HUB_ETAG_TIMEOUT", "3", "HF_HUB_DOWNLOAD_TIMEOUT", "3601");
    check(nb_hub_env_load(&e, &err) == NB_USAGE && strstr(err.msg, "HF_HUB_DOWNLOAD_TIMEOUT"), "%s",
          err.msg);
    check(e.offline && e.etag_timeout == 3 && e.download_timeout == 10, "seconds");
    restore_environment();
}

CHECK_TEST(hub_env, proxies_and_certificates_as_httpx_hub_24)
{
    save_environment();
    nb_hub_env e;
    nb_err err = {0};
    ENV("HTTP_PROXY", "http://a:1", "https_proxy", "b:2", "HTTPS_PROXY", "c:3", "ALL_PROXY", "d:4",
        "NO_PROXY", "x, y", "SSL_CERT_FILE", "/ca.pem", "SSL_CERT_DIR", "/certs");
    check(nb_hub_env_load(&e, &err) == NB_OK, "%s", err.msg);
    check(strcmp(e.proxy_http, "http://a:1") == 0, "%s", e.proxy_http);
    check(strcmp(e.proxy_https, "http://b:2") == 0, "%s", e.proxy_https);
    check(strcmp(e.no_proxy, "x, y") == 0, "%s", e.no_proxy);
    check(strcmp(e.ca_file, "/ca.pem") == 0 && strcmp(e.ca_dir, "/certs") == 0, "certificates");
    ENV("all_proxy", "socks5://u:secret@d:4", "no_proxy", "z", "NO_PROXY", "x");
    nb_hub_env_load(&e, NULL);
    check(strcmp(e.proxy_http, "socks5://u:secret@d:4") == 0 &&
              strcmp(e.proxy_https, e.proxy_http) == 0 && strcmp(e.no_proxy, "z") == 0,
          "for all");
    nb_hub_env_wipe(&e);
    check(!e.proxy_http[0] && !e.proxy_https[0], "passwords are wiped");
    char long_proxy[1100];
    memset(long_proxy, 'p', sizeof long_proxy - 1);
    for (size_t n = 1015; n < sizeof long_proxy; n += 40) {
        long_proxy[n] = '\0';
        ENV("HTTPS_PROXY", long_proxy);
        bool fits = n + 7 < sizeof e.proxy_https;
        check((nb_hub_env_load(&e, &err) == NB_OK) == fits && (*e.proxy_https != '\0') == fits,
              "%zu: %s", n, err.msg);
        long_proxy[n] = 'p';
    }
    restore_environment();
}

/* --- tokens ---------------------------------------------------------------------------------- */
CHECK_TEST(hub_env, tokens_come_from_where_python_looks)
{
    save_environment();
    nb_hub_env e;
    nb_err err = {0};
    const char *home = test_path(test_tmpdir(), "hf"), *file = test_path(home, "token");
    const char *other = test_path(test_tmpdir(), "elsewhere");
    check(nb_mkdirs(home, NULL) == NB_OK, "mkdir");
    test_spit(file, "  hf_file\r\n\n", 11);
    test_spit(other, "hf_other", 8);
    chmod(file, 0600);
    chmod(other, 0600);
    ENV("HF_HOME", home, "HF_TOKEN", " hf_env\n", "HUGGING_FACE_HUB_TOKEN", "hf_old");
    check(nb_hub_env_load(&e, &err) == NB_OK && strcmp(e.token, "hf_env") == 0 &&
              strcmp(e.token_from, "HF_TOKEN") == 0,
          "%s", e.token_from);
    ENV("HF_HOME", home, "HF_TOKEN", "", "HUGGING_FACE_HUB_TOKEN", "hf_old");
    check(nb_hub_env_load(&e, &err) == NB_OK && strcmp(e.token, "hf_old") == 0 &&
              strcmp(e.token_from, "HUGGING_FACE_HUB_TOKEN") == 0,
          "%s", e.token_from);
    ENV("HF_HOME", home);
    check(nb_hub_env_load(&e, &err) == NB_OK && strcmp(e.token, "hf_file") == 0 &&
              strcmp(e.token_from, file) == 0,
          "%s", e.token_from);
    ENV("HF_HOME", home, "HF_TOKEN_PATH", other);
    check(nb_hub_env_load(&e, &err) == NB_OK && strcmp(e.token, "hf_other") == 0, "%s",
          e.token_from);
    ENV("HF_HOME", home, "HF_TOKEN", "x", "HF_HUB_DISABLE_IMPLICIT_TOKEN", "1");
    check(nb_hub_env_load(&e, &err) == NB_OK && !e.token[0] && !e.token_from[0], "none wanted");
    chmod(file, 0644);
    ENV("HF_HOME", home);
    check(nb_hub_env_load(&e, &err) == NB_DENIED && strcmp(e.token, "hf_file") == 0 &&
              strstr(err.msg, file) && strstr(err.msg, "chmod"),
          "used, and told: %s", err.msg);
    restore_environment();
}

#ifdef __linux__
/* A22: memory that holds a token is not dumped, from the moment it does. */
CHECK_TEST(hub_env, a_token_in_memory_ends_core_dumps)
{
    nb_hub_env e;
    save_environment();
    int was = prctl(PR_GET_DUMPABLE);
    const char *home = test_path(test_tmpdir(), "hf-dump");
    check(prctl(PR_SET_DUMPABLE, 1) == 0, "prctl");
    ENV("HF_HOME", home);
    nb_hub_env_guard();
    nb_hub_env_load(&e, NULL);
    check(prctl(PR_GET_DUMPABLE) == 1, "ended without a token");
    check(nb_hub_env_save_token(&e, "hf_x", NULL) == NB_OK, "save");
    check(prctl(PR_GET_DUMPABLE) == 0, "saved");
    prctl(PR_SET_DUMPABLE, 1);
    nb_hub_env_load(&e, NULL);
    check(prctl(PR_GET_DUMPABLE) == 0, "read from the file");
    prctl(PR_SET_DUMPABLE, 1);
    ENV("HF_HOME", home, "HUGGING_FACE_HUB_TOKEN", "x", "HF_HUB_DISABLE_IMPLICIT_TOKEN", "1");
    nb_hub_env_guard();
    check(prctl(PR_GET_DUMPABLE) == 0, "in the environment");
    prctl(PR_SET_DUMPABLE, was);
    restore_environment();
}
#endif

CHECK_TEST(hub_env, what_is_no_token_is_none)
{
    save_environment();
    nb_hub_env e;
    char long_token[NB_TOKEN_MAX + 1];
    const char *home = test_path(test_tmpdir(), "hf2"), *file = test_path(home, "token");
    memset(long_token, 'x', NB_TOKEN_MAX);
    long_token[NB_TOKEN_MAX] = '\0';
    const char *const bad[] = {"hf_a\r\nX-Evil: 1", "hf a", "hf_\xc3\xa4", "a\x01", long_token};
    check(nb_mkdirs(home, NULL) == NB_OK, "mkdir");
    for (size_t i = 0; i < countof(bad); i++) {
        nb_err err = {0};
        ENV("HF_HOME", "/nowhere", "HF_TOKEN", bad[i]);
        check(nb_hub_env_load(&e, &err) == NB_USAGE && !e.token[0], "row %zu", i);
        check(strstr(err.msg, "HF_TOKEN") && !strstr(err.msg, bad[i]), "%s", err.msg);
        test_spit(file, bad[i], strlen(bad[i]));
        chmod(file, 0600);
        ENV("HF_HOME", home);
        check(nb_hub_env_load(&e, &err) == NB_FORMAT && !e.token[0] && strstr(err.msg, file),
              "row %zu: %s", i, err.msg);
    }
    long_token[NB_TOKEN_MAX - 1] = '\0';
    ENV("HF_TOKEN", long_token);
    check(nb_hub_env_load(&e, NULL) == NB_OK && strcmp(e.token, long_token) == 0, "the longest");
    restore_environment();
}

CHECK_TEST(hub_env, a_saved_token_is_its_owners_alone)
{
    save_environment();
    nb_hub_env e;
    nb_err err = {0};
    struct stat st;
    const char *home = test_path(test_tmpdir(), "new/hf"), *file = test_path(home, "token");
    ENV("HF_HOME", home);
    nb_hub_env_load(&e, NULL);
    check(nb_hub_env_save_token(&e, "hf_saved", &err) == NB_OK, "%s", err.msg);
    check(stat(file, &st) == 0 && (st.st_mode & 0777) == 0600, "mode %o", st.st_mode & 0777);
    check(stat(home, &st) == 0 && (st.st_mode & 0777) == 0700, "mode %o", st.st_mode & 0777);
    check(strcmp(e.token, "hf_saved") == 0 && strcmp(e.token_from, file) == 0, "%s", e.token_from);
    chmod(file, 0644);
    check(nb_hub_env_save_token(&e, "hf_second", &err) == NB_OK, "%s", err.msg);
    check(stat(file, &st) == 0 && (st.st_mode & 0777) == 0600, "mode %o", st.st_mode & 0777);
    nb_hub_env_wipe(&e);
    check(!e.token[0], "wiped");
    check(nb_hub_env_load(&e, &err) == NB_OK && strcmp(e.token, "hf_second") == 0, "read again");
    check(nb_hub_env_save_token(&e, "a b", &err) == NB_USAGE && !strstr(err.msg, "a b") &&
              strcmp(e.token, "hf_second") == 0,
          "%s", err.msg);
    check(nb_hub_env_save_token(&e, "", &err) == NB_OK && !nb_exists(file) && !e.token[0] &&
              !e.token_from[0],
          "removed: %s", err.msg);
    check(nb_hub_env_save_token(&e, "", &err) == NB_OK, "twice: %s", err.msg);
    snprintf(e.home, sizeof e.home, "/proc/none/here");
    check(nb_hub_env_save_token(&e, "x", &err) != NB_OK && !e.token[0], "nowhere to keep it");
    e.home[0] = '\0';
    check(nb_hub_env_save_token(&e, "x", &err) == NB_DENIED, "no home: %s", err.msg);
    restore_environment();
}
