#include "core/base/hub_env.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "core/base/config_private.h"
#include "core/base/file.h"
#include "core/base/str.h"

enum { TIMEOUT = 10, TIMEOUT_MAX = 3600 /* s */ };

/* --- folders --- */

/* $NAME or ${NAME} at s: appends its value, or itself when unset, as Python's os.path.expandvars
 * does. Returns the characters used, 1 for a lone dollar. */
static size_t expand_variable(nb_str *out, const char *s)
{
    static const char name_chars[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    bool braces = s[1] == '{';
    const char *start = s + 1 + braces;
    size_t n = braces ? strcspn(start, "}") : strspn(start, name_chars);
    size_t used = 1 + braces + n + braces;
    char name[128];
    if (n == 0 || n >= sizeof name || (braces && start[n] != '}')) {
        nb_str_addn(out, s, 1);
        return 1;
    }
    memcpy(name, start, n);
    name[n] = '\0';
    const char *v = getenv(name);
    nb_str_addn(out, v ? v : s, v ? strlen(v) : used);
    return used;
}

/* A Hugging Face path variable: leading ~ and $VAR are expanded (huggingface_hub constants.py @
 * ee0a451). False when it does not fit. */
static bool expand(char *out, size_t cap, const char *path, const char *home)
{
    nb_str s = {0};
    if (path[0] == '~' && (path[1] == '/' || path[1] == '\0')) {
        nb_str_add(&s, home);
        path++;
    }
    while (*path) {
        size_t n = strcspn(path, "$");
        nb_str_addn(&s, path, n);
        path += n;
        if (*path == '$')
            path += expand_variable(&s, path);
    }
    bool fits = !s.failed && s.len < cap;
    if (fits)
        memcpy(out, nb_str_c(&s), s.len + 1);
    nb_str_free(&s);
    return fits;
}

/* An expanded path variable into out[cap], "" and false when it is unset or does not fit. */
static bool env_path(char *out, size_t cap, const char *name)
{
    char home[1024];
    const char *v = nb_env(name);
    nb_env_home(home, sizeof home);
    if (v && expand(out, cap, v, home))
        return true;
    out[0] = '\0';
    return false;
}

static void find_hf_home(char out[1024])
{
    char base[1024];
    bool ok = true;
    if (nb_env("HF_HOME")) {
        env_path(out, 1024, "HF_HOME");
    } else if (nb_env("XDG_CACHE_HOME")) {
        ok = env_path(base, sizeof base, "XDG_CACHE_HOME") &&
             nb_path_join(out, 1024, base, "huggingface");
    } else {
        nb_env_home(base, sizeof base);
        ok = *base && nb_path_join(out, 1024, base, ".cache/huggingface");
    }
    if (!ok)
        out[0] = '\0';
}

void nb_hub_folders(char home[1024], char hub[1024])
{
    find_hf_home(home);
    if (nb_env("HF_HUB_CACHE"))
        env_path(hub, 1024, "HF_HUB_CACHE");
    else if (nb_env("HUGGINGFACE_HUB_CACHE"))
        env_path(hub, 1024, "HUGGINGFACE_HUB_CACHE");
    else if (!*home || !nb_path_join(hub, 1024, home, "hub"))
        hub[0] = '\0';
}

/* --- single variables --- */

/* 1, ON, YES, TRUE in any case (huggingface_hub constants.py @ ee0a451:12). */
static bool env_true(const char *name)
{
    static const char *const yes[] = {"1", "on", "yes", "true"};
    const char *v = nb_env(name);
    for (size_t i = 0; v && i < countof(yes); i++)
        if (nb_same_word(v, yes[i]))
            return true;
    return false;
}

/* The first problem is the one that is told. */
static void note(nb_err *first, nb_status status, const char *name, const char *what)
{
    if (first->status == NB_OK)
        nb_fail(first, status, "%s: %s", name, what);
}

/* Into out[cap]; what does not fit or holds control bytes is left out and told. */
static void env_text(char *out, size_t cap, const char *name, nb_err *first)
{
    const char *v = nb_env(name);
    size_t n = v ? strlen(v) : 0;
    bool good = n < cap;
    for (size_t i = 0; good && i < n; i++)
        good = (unsigned char)v[i] >= ' ' && v[i] != 0x7f;
    if (!good)
        note(first, NB_USAGE, name, "too long, or has control bytes: ignored");
    snprintf(out, cap, "%s", v && good ? v : "");
}

static int env_seconds(const char *name, nb_err *first)
{
    const char *v = nb_env(name);
    int64_t n;
    if (!v)
        return TIMEOUT;
    if (nb_parse_i64(v, &n) && n >= 1 && n <= TIMEOUT_MAX)
        return (int)n;
    note(first, NB_USAGE, name, "expected seconds, 1..3600; 10 is used");
    return TIMEOUT;
}

/* http or https, a host, perhaps a port and a path: no user, query or fragment. downloads/url.c
 * reads it again before anything is asked. */
static bool is_endpoint(const char *url)
{
    size_t scheme = strncmp(url, "https://", 8) == 0 ? 8 : strncmp(url, "http://", 7) == 0 ? 7 : 0;
    if (!scheme || url[scheme] == '/' || !url[scheme])
        return false;
    for (const char *p = url; *p; p++)
        if (*p <= ' ' || *p > '~' || strchr("@?#\\\"<>", *p))
            return false;
    return true;
}

static void set_endpoint(nb_hub_env *e, nb_err *first)
{
    const char *fallback = env_true("HUGGINGFACE_CO_STAGING") ? "https://hub-ci.huggingface.co"
                                                              : "https://huggingface.co";
    env_text(e->endpoint, sizeof e->endpoint, "HF_ENDPOINT", first);
    size_t n = strlen(e->endpoint);
    while (n > 0 && e->endpoint[n - 1] == '/')
        e->endpoint[--n] = '\0';
    if (*e->endpoint && !is_endpoint(e->endpoint)) {
        note(first, NB_USAGE, "HF_ENDPOINT",
             "no address of the form https://host[:port][/path]: the Hub itself is used");
        e->endpoint[0] = '\0';
    }
    if (!*e->endpoint)
        snprintf(e->endpoint, sizeof e->endpoint, "%s", fallback);
}

/* As urllib reads them: the lower case name goes first, then the upper case one, then ALL_PROXY;
 * without a scheme it is an http proxy (httpx 0.28, get_environment_proxies). */
static void set_proxy(char out[1024], const char *const names[4], nb_err *first)
{
    char value[1024];
    for (int i = 0; i < 4; i++) {
        env_text(value, sizeof value, names[i], first);
        if (!*value)
            continue;
        int n = snprintf(out, 1024, "%s%s", strstr(value, "://") ? "" : "http://", value);
        if (n >= 1024) {
            note(first, NB_USAGE, names[i], "too long: ignored");
            out[0] = '\0';
        }
        break;
    }
    explicit_bzero(value, sizeof value); /* it may hold a password */
}

static void set_network(nb_hub_env *e, nb_err *first)
{
    static const char *const plain[4] = {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"};
    static const char *const tls[4] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};
    set_proxy(e->proxy_http, plain, first);
    set_proxy(e->proxy_https, tls, first);
    env_text(e->no_proxy, sizeof e->no_proxy, nb_env("no_proxy") ? "no_proxy" : "NO_PROXY", first);
    env_text(e->ca_file, sizeof e->ca_file, "SSL_CERT_FILE", first);
    env_text(e->ca_dir, sizeof e->ca_dir, "SSL_CERT_DIR", first);
    env_text(e->agent_origin, sizeof e->agent_origin, "HF_HUB_USER_AGENT_ORIGIN", first);
}

/* --- token --- */

static const char *const token_names[] = {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"};

/* A limit of 0 alone would still feed a dump to a program that core_pattern names (core(5)). */
static void no_core_dump(void)
{
#ifdef __linux__
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)
        return;
#endif
    setrlimit(RLIMIT_CORE, &(struct rlimit){.rlim_cur = 0, .rlim_max = 0});
}

void nb_hub_env_guard(void)
{
    bool any = nb_api_key_there();
    for (size_t i = 0; i < countof(token_names); i++)
        any = any || nb_env(token_names[i]);
    if (any)
        no_core_dump();
}

/* Without blanks at its ends into out; false for what no header may carry. */
static bool clean_token(char out[NB_TOKEN_MAX], const char *s, size_t n)
{
    while (n > 0 && strchr(" \t\r\n", *s)) {
        s++;
        n--;
    }
    while (n > 0 && strchr(" \t\r\n", s[n - 1]))
        n--;
    bool good = n < NB_TOKEN_MAX;
    for (size_t i = 0; good && i < n; i++)
        good = s[i] > ' ' && s[i] < 0x7f;
    if (good)
        memcpy(out, s, n);
    out[good ? n : 0] = '\0';
    return good;
}

static bool token_path(const nb_hub_env *e, char out[1024])
{
    if (nb_env("HF_TOKEN_PATH"))
        return env_path(out, 1024, "HF_TOKEN_PATH");
    return *e->home && nb_path_join(out, 1024, e->home, "token");
}

static void read_token_file(nb_hub_env *e, nb_err *first)
{
    char path[1024], *text;
    size_t n;
    nb_err why;
    struct stat st;
    if (!token_path(e, path))
        return;
    nb_status status = nb_file_read(&text, &n, path, 2 * NB_TOKEN_MAX, &why);
    if (status != NB_OK) {
        if (status != NB_NOTFOUND && first->status == NB_OK)
            *first = why;
        return;
    }
    if (!clean_token(e->token, text, n))
        note(first, NB_FORMAT, path, "holds no token: blanks or control bytes within");
    explicit_bzero(text, n);
    free(text);
    if (!*e->token)
        return;
    snprintf(e->token_from, sizeof e->token_from, "%s", path);
    if (stat(path, &st) == 0 && (st.st_mode & 077))
        note(first, NB_DENIED, path, "others may read this token: chmod 600 it");
}

static void set_token(nb_hub_env *e, nb_err *first)
{
    if (env_true("HF_HUB_DISABLE_IMPLICIT_TOKEN"))
        return;
    for (size_t i = 0; i < countof(token_names) && !*e->token; i++) {
        const char *v = nb_env(token_names[i]);
        if (v && !clean_token(e->token, v, strlen(v)))
            note(first, NB_USAGE, token_names[i], "no token: too long, or blanks within");
        if (*e->token)
            snprintf(e->token_from, sizeof e->token_from, "%s", token_names[i]);
    }
    if (!*e->token)
        read_token_file(e, first);
    if (*e->token)
        no_core_dump();
}

/* --- life --- */

nb_status nb_hub_env_load(nb_hub_env *out, nb_err *err)
{
    nb_err first = {.status = NB_OK};
    *out = (nb_hub_env){0};
    nb_hub_folders(out->home, out->hub);
    set_endpoint(out, &first);
    set_network(out, &first);
    out->offline = env_true("HF_HUB_OFFLINE") || env_true("TRANSFORMERS_OFFLINE");
    out->no_symlinks = env_true("HF_HUB_DISABLE_SYMLINKS");
    out->etag_timeout = env_seconds("HF_HUB_ETAG_TIMEOUT", &first);
    out->download_timeout = env_seconds("HF_HUB_DOWNLOAD_TIMEOUT", &first);
    set_token(out, &first);
    if (first.status != NB_OK && err)
        *err = first;
    return first.status;
}

/* The folder of the token, its last part for the user alone when it is new. */
static nb_status make_folder(const char *path, nb_err *err)
{
    char dir[1024];
    snprintf(dir, sizeof dir, "%s", path);
    char *slash = strrchr(dir, '/');
    if (!slash || slash == dir)
        return NB_OK;
    *slash = '\0';
    char *last = strrchr(dir, '/');
    if (last && last != dir) {
        *last = '\0';
        NB_TRY(nb_mkdirs(dir, err));
        *last = '/';
    }
    if (mkdir(dir, 0700) != 0 && !nb_is_dir(dir))
        return nb_fail_errno(err, errno, "create folder", dir);
    return NB_OK;
}

nb_status nb_hub_env_save_token(nb_hub_env *env, const char *token, nb_err *err)
{
    char path[1024], clean[NB_TOKEN_MAX];
    size_t n = strlen(token);
    if (!clean_token(clean, token, n) || strcmp(clean, token) != 0)
        return nb_fail(err, NB_USAGE, "token: too long, or blanks or control bytes within");
    nb_status status = NB_OK;
    no_core_dump();
    if (!token_path(env, path)) {
        status = nb_fail(err, NB_DENIED, "token: no home folder to keep it in");
    } else if (n == 0) {
        if (unlink(path) != 0 && errno != ENOENT)
            status = nb_fail_errno(err, errno, "remove", path);
    } else {
        status = make_folder(path, err);
        if (status == NB_OK)
            status = nb_replace_file(path, clean, n, 0600, err);
    }
    explicit_bzero(clean, sizeof clean);
    if (status != NB_OK)
        return status;
    explicit_bzero(env->token, sizeof env->token);
    memcpy(env->token, token, n + 1);
    snprintf(env->token_from, sizeof env->token_from, "%s", n ? path : "");
    return NB_OK;
}

void nb_hub_env_wipe(nb_hub_env *env)
{
    explicit_bzero(env->token, sizeof env->token);
    explicit_bzero(env->proxy_http, sizeof env->proxy_http);
    explicit_bzero(env->proxy_https, sizeof env->proxy_https);
}
