#include "tests/check.h"

#include <stdio.h>
#include <string.h>

#include "downloads/http.h"

CHECK_TEST(url, origins_compare_scheme_host_and_port)
{
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {
        {"https://a.b/x", "https://a.b/y?z", true},
        {"https://a.b", "HTTPS://A.B:443/", true},
        {"http://a.b:80/", "http://a.b", true},
        {"http://a.b", "https://a.b", false},
        {"https://a.b", "https://a.b:444", false},
        {"https://a.b", "https://a.b.", false},
        {"https://a.b", "https://x.a.b", false},
        {"http://[::1]:8/", "http://[::1]:8/q", true},
        {"http://[::1]:8/", "http://[::2]:8/", false},
        {"http://a.b@c.d/", "http://c.d/", false},
        {"http://a.b\\@c.d/", "http://a.b/", false},
        {"http://a.b:80:80/", "http://a.b/", false},
        {"http://a.b:/", "http://a.b/", false},
        {"http://a.b:0/", "http://a.b:0/", false},
        {"http://a.b:65536/", "http://a.b:65536/", false},
        {"http://a.b:080/", "http://a.b/", true},
        {"http:///x", "http:///x", false},
        {"http://a%2eb/", "http://a%2eb/", false},
        {"http://[::1/", "http://[::1/", false},
        {"http://[]/", "http://[]/", false},
        {"ftp://a.b/", "ftp://a.b/", false},
        {"", "", false},
    };
    for (size_t i = 0; i < countof(rows); i++)
        check(dl_same_origin(rows[i].a, rows[i].b) == rows[i].same, "%s and %s", rows[i].a,
              rows[i].b);
}

/* hub.md 5, reliability A22 */
CHECK_TEST(url, the_token_stays_with_the_endpoint_A22)
{
    static const struct {
        const char *endpoint, *url;
        bool may;
    } rows[] = {
        {"https://huggingface.co", "https://huggingface.co/api/models", true},
        {"https://huggingface.co", "https://hf.co/ns/repo", true},
        {"https://hf.co", "https://huggingface.co/x", true},
        {"https://huggingface.co", "https://hub-ci.huggingface.co/x", true},
        {"https://huggingface.co", "http://huggingface.co/api", false},
        {"https://huggingface.co", "https://huggingface.co:8443/api", false},
        {"https://huggingface.co", "https://cdn-lfs.huggingface.co/x", false},
        {"https://huggingface.co", "https://us.aws.cdn.hf.co/x", false},
        {"https://huggingface.co", "https://huggingface.co.evil.example/x", false},
        {"https://huggingface.co", "https://huggingface.co@evil.example/x", false},
        {"https://huggingface.co", "https://evil.example/huggingface.co", false},
        {"https://huggingface.co", "https://evil.example/?https://huggingface.co", false},
        {"https://huggingface.co", "https://evil.example#@huggingface.co", false},
        {"https://mirror.example/hf", "https://mirror.example/other", true},
        {"https://mirror.example", "https://huggingface.co/x", false},
        {"https://mirror.example", "http://mirror.example/x", false},
        {"https://mirror.example", "https://mirror.example:8443/x", false},
        {"http://127.0.0.1:8000", "http://127.0.0.1:8000/x", true},
        {"http://127.0.0.1:8000", "http://127.0.0.1:8001/x", false},
        {"http://127.0.0.1:8000", "http://localhost:8000/x", false},
        {"http://127.0.0.1:8000", "https://huggingface.co/x", false},
        {"http://huggingface.co", "https://huggingface.co/x", false},
        {"https://huggingface.co", "/api/models", false},
        {"", "", false},
    };
    nb_hub_env env = {.token = "hf_x"};
    for (size_t i = 0; i < countof(rows); i++) {
        snprintf(env.endpoint, sizeof env.endpoint, "%s", rows[i].endpoint);
        check(dl_token_may_go(&env, rows[i].url) == rows[i].may, "%s to %s", rows[i].endpoint,
              rows[i].url);
    }
}

CHECK_TEST(url, references_resolve_against_their_base) /* RFC 3986 5.4, hub 13 */
{
    static const char base[] = "http://a/b/c/d?q";
    static const struct {
        const char *ref, *want;
    } rows[] = {
        {"g", "http://a/b/c/g"},
        {"./g", "http://a/b/c/g"},
        {"g/", "http://a/b/c/g/"},
        {"/g", "http://a/g"},
        {"//g", "http://g/"},
        {"//g/x", "http://g/x"},
        {"?y", "http://a/b/c/d?y"},
        {"g?y", "http://a/b/c/g?y"},
        {"g?y#s", "http://a/b/c/g?y"},
        {".", "http://a/b/c/"},
        {"./", "http://a/b/c/"},
        {"..", "http://a/b/"},
        {"../g", "http://a/b/g"},
        {"../..", "http://a/"},
        {"../../g", "http://a/g"},
        {"../../../g", "http://a/g"},
        {"/./g", "http://a/g"},
        {"/../g", "http://a/g"},
        {"g.", "http://a/b/c/g."},
        {"..g", "http://a/b/c/..g"},
        {"./../g", "http://a/b/g"},
        {"g/./h", "http://a/b/c/g/h"},
        {"g/../h", "http://a/b/c/h"},
        {"g?y/../x", "http://a/b/c/g?y/../x"},
        {"https://x", "https://x/"},
        {"HTTPS://X:8/y", "https://X:8/y"},
        {"https://x?y=%20", "https://x/?y=%20"},
        {"https://x/a b\xc3\xa4\\\"<>", "https://x/a%20b%C3%A4%5C%22%3C%3E"},
        {"/api/resolve-cache/m/r/c/f?%2Fns=&etag=%22ab%22",
         "http://a/api/resolve-cache/m/r/c/f?%2Fns=&etag=%22ab%22"},
        {"g:h", NULL},
        {"mailto:x", NULL},
        {"file:///etc/passwd", NULL},
        {"http:g", NULL},
        {"http:/g", NULL},
        {"https://u:p@x/", NULL},
        {"//u@x/", NULL},
        {"https://x\\@y/", NULL},
        {"https://x y/", NULL},
        {"/a\rb", NULL},
        {"/a\x7f", NULL},
        {"", NULL},
        {"#s", NULL},
    };
    char out[DL_URL_MAX];
    for (size_t i = 0; i < countof(rows); i++) {
        bool ok = dl_url_join(out, base, rows[i].ref);
        check(ok == (rows[i].want != NULL), "%s: %s", rows[i].ref, out);
        check(strcmp(out, rows[i].want ? rows[i].want : "") == 0, "%s: %s", rows[i].ref, out);
    }
    check(dl_url_join(out, "http://a", "g") && strcmp(out, "http://a/g") == 0, "%s", out);
    check(dl_url_join(out, "http://a?q", "?y") && strcmp(out, "http://a/?y") == 0, "%s", out);
    check(!dl_url_join(out, "nonsense", "g") && !*out, "base %s", out);
}

CHECK_TEST(url, too_long_an_address_is_none)
{
    char out[DL_URL_MAX], ref[DL_URL_MAX + 64];
    memset(ref, 'x', sizeof ref);
    memcpy(ref, "http://h/", 9);
    ref[DL_URL_MAX - 1] = '\0';
    check(dl_url_join(out, "", ref) && strlen(out) == DL_URL_MAX - 1, "%zu", strlen(out));
    ref[DL_URL_MAX - 1] = 'x';
    ref[DL_URL_MAX] = '\0';
    check(!dl_url_join(out, "", ref) && !*out, "one too many");
    ref[DL_URL_MAX - 1] = '\0';
    ref[DL_URL_MAX - 2] = ' ';
    check(!dl_url_join(out, "", ref), "its code does not fit");
    memset(ref, '/', 20);
    check(!dl_url_join(out, "http://h", ref), "an empty host");
}

CHECK_TEST(url, pages_stay_at_the_endpoint_hub_13)
{
    static const struct {
        const char *endpoint, *ref, *want;
    } rows[] = {
        {"https://m", "https://huggingface.co/api/models?c=1", "https://m/api/models?c=1"},
        {"https://m/p", "https://huggingface.co/api/models?c=1", "https://m/p/api/models?c=1"},
        {"https://m/p", "https://m/p/api/models?c=1", "https://m/p/api/models?c=1"},
        {"https://m/p", "https://m/api/models?c=1", "https://m/p/api/models?c=1"},
        {"https://m/p", "https://m/pp?c=1", "https://m/p/pp?c=1"},
        {"https://m/p", "/api/models?c=1", "https://m/p/api/models?c=1"},
        {"https://m/p", "?c=2", "https://m/p/api/models?c=2"},
        {"https://m", "javascript:x", NULL},
    };
    char out[DL_URL_MAX], base[DL_URL_MAX];
    nb_hub_env env = {0};
    for (size_t i = 0; i < countof(rows); i++) {
        snprintf(env.endpoint, sizeof env.endpoint, "%s", rows[i].endpoint);
        snprintf(base, sizeof base, "%s/api/models?c=0", rows[i].endpoint);
        bool ok = dl_url_at_endpoint(out, &env, base, rows[i].ref);
        check(ok == (rows[i].want != NULL), "row %zu", i);
        check(!ok || strcmp(out, rows[i].want) == 0, "row %zu: %s", i, out);
    }
}

CHECK_TEST(url, encoding_leaves_only_unreserved)
{
    nb_str s = {0};
    dl_url_encode(&s, "refs/pr/1 a~b-c_d.e%\xc3\xa4?#&", false);
    check(strcmp(s.at, "refs%2Fpr%2F1%20a~b-c_d.e%25%C3%A4%3F%23%26") == 0, "%s", s.at);
    nb_str_clear(&s);
    dl_url_encode(&s, "d/e f", true);
    check(strcmp(s.at, "d/e%20f") == 0, "%s", s.at);
    nb_str_free(&s);
}

CHECK_TEST(url, shown_addresses_keep_their_secrets)
{
    static const struct {
        const char *url, *want;
    } rows[] = {
        {"https://h/p", "https://h/p"},
        {"https://u:p@h:8/p", "https://\xe2\x80\xa6@h:8/p"},
        {"u:p@h:8", "\xe2\x80\xa6@h:8"},
        {"https://h/p?X-Sig=abc&b=&c", "https://h/p?X-Sig=\xe2\x80\xa6&b=\xe2\x80\xa6&c"},
        {"https://h?t=1#f", "https://h?t=\xe2\x80\xa6"},
        {"https://a@b@h/x@y", "https://\xe2\x80\xa6@h/x@y"},
        {"", ""},
    };
    char out[256], url[1000];
    for (size_t i = 0; i < countof(rows); i++)
        check(strcmp(dl_url_safe(out, rows[i].url), rows[i].want) == 0, "%s", out);
    memset(url, 'x', sizeof url - 1);
    url[sizeof url - 1] = '\0';
    check(strlen(dl_url_safe(out, url)) == 255, "cut at %zu", strlen(out));
    memset(url, '?', sizeof url - 1);
    check(strlen(dl_url_safe(out, url)) == 255, "cut at %zu", strlen(out));
}

CHECK_TEST(url, no_proxy_reads_as_in_python_hub_24)
{
    static const struct {
        const char *no_proxy, *url;
        bool direct;
    } rows[] = {
        {"", "https://a.example/", false},
        {"*", "https://a.example/", true},
        {"example", "https://a.example/", true},
        {"a.example", "https://a.example/", true},
        {"a.example", "https://A.Example:8/", true},
        {"a.example", "https://xa.example/", false},
        {".example", "https://a.example/", true},
        {".a.example", "https://a.example/", false},
        {"*.a.example", "https://b.a.example/", true},
        {"*.a.example", "https://a.example/", false},
        {" x , a.example", "https://a.example/", true},
        {"a.example:8", "https://a.example:8/", true},
        {"a.example:8", "https://a.example/", false},
        {"https://a.example", "https://a.example/", true},
        {"https://a.example", "http://a.example/", false},
        {"https://a.example", "https://b.a.example/", false},
        {"10.0.0.1", "http://10.0.0.1:9/", true},
        {"0.0.1", "http://10.0.0.1/", false},
        {"0.0.1", "http://10.0.0.0.1/", false},
        {"localhost", "http://localhost:1/", true},
        {"localhost", "http://x.localhost/", false},
        {"::1", "http://[::1]:1/", true},
        {"[::1]", "http://[::1]:1/", true},
        {"[::1]:2", "http://[::1]:1/", false},
        {",,,", "http://a/", false},
        {"%%%", "http://a/", false},
    };
    nb_hub_env env = {.proxy_http = "http://p:1", .proxy_https = "http://p:2"};
    for (size_t i = 0; i < countof(rows); i++) {
        snprintf(env.no_proxy, sizeof env.no_proxy, "%s", rows[i].no_proxy);
        const char *proxy = dl_url_proxy(&env, rows[i].url);
        const char *want = strncmp(rows[i].url, "https", 5) == 0 ? "http://p:2" : "http://p:1";
        check(rows[i].direct ? !proxy : proxy && strcmp(proxy, want) == 0, "\"%s\" for %s: %s",
              rows[i].no_proxy, rows[i].url, proxy ? proxy : "direct");
    }
    env = (nb_hub_env){.proxy_http = "http://p:1"};
    check(!dl_url_proxy(&env, "https://a/") && dl_url_proxy(&env, "http://a/"), "by scheme");
}

CHECK_TEST(url, this_machine_is_told_from_others)
{
    check(dl_url_is_local("http://localhost:1/") && dl_url_is_local("http://127.9.0.1/") &&
              dl_url_is_local("http://[::1]/"),
          "loopback");
    check(!dl_url_is_local("http://10.0.0.1/") && !dl_url_is_local("http://127.example.com/") &&
              !dl_url_is_local("http://localhost.example/"),
          "elsewhere");
}
