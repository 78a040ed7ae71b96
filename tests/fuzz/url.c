#include "tests/fuzz/fuzz.h"

#include <curl/curl.h>
#include <string.h>

#include "downloads/http.h"

/* libcurl reads the same host out of it, and no user: else a token could go where we did not look.
 */
static void check_same_reading(const char *url)
{
    CURLU *u = curl_url();
    char *host = NULL, *user = NULL, *port = NULL, *scheme = NULL, again[DL_URL_MAX + 256];
    if (!u)
        return;
    if (curl_url_set(u, CURLUPART_URL, url, CURLU_PATH_AS_IS) != CURLUE_OK) {
        curl_url_cleanup(u); /* then nobody is asked */
        return;
    }
    fuzz_check(curl_url_get(u, CURLUPART_USER, &user, 0) == CURLUE_NO_USER, "user in %s", url);
    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0);
    curl_url_get(u, CURLUPART_HOST, &host, 0);
    curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
    if (scheme && host && port) {
        char ours[256];
        bool number = strspn(host, "0123456789.") == strlen(host); /* libcurl writes 127.1 out */
        dl_url_host(ours, url);
        snprintf(again, sizeof again, "%s://%s:%s/", scheme, number ? ours : host, port);
        fuzz_check(strlen(ours) == 255 || host[0] == '[' || dl_same_origin(url, again), "%s is %s",
                   url, again);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(u);
}

static void check_address(const char *url)
{
    char again[DL_URL_MAX], shown[256];
    fuzz_check(strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0, "%s", url);
    for (const char *p = url; *p; p++)
        fuzz_check(*p > ' ' && *p <= '~' && !strchr("\\\"<>#", *p), "byte %d in %s", *p, url);
    fuzz_check(dl_url_join(again, "", url) && strcmp(again, url) == 0, "%s became %s", url, again);
    fuzz_check(dl_same_origin(url, url), "%s", url);
    fuzz_check(dl_url_is_tls(url) == (url[4] == 's'), "%s", url);
    fuzz_check(strlen(dl_url_safe(shown, url)) < sizeof shown, "%s", url);
    check_same_reading(url);
}

static void check_encoding(const char *s)
{
    nb_str out = {0};
    dl_url_encode(&out, s, false);
    const char *p = nb_str_c(&out);
    for (; *s; s++) {
        unsigned byte = (unsigned char)*p;
        fuzz_check(*p != '%' || sscanf(p + 1, "%2X", &byte) == 1, "%s", p);
        fuzz_check(byte == (unsigned char)*s, "%s is not %s", p, s);
        p += *p == '%' ? 3 : 1;
    }
    fuzz_check(!*p, "%s is left", p);
    nb_str_free(&out);
}

/* Three lines: an endpoint, a base, a reference. What dl_url_join takes is an address that means
 * the same to everybody; where the token may go is the endpoint's origin or the Hub's. */
FUZZ_TARGET(url)
{
    char line[3][DL_URL_MAX] = {{0}}, out[DL_URL_MAX], shown[256];
    nb_hub_env env = {.proxy_http = "http://p:1", .proxy_https = "http://p:2"};
    const char *at = (const char *)bytes, *end = at + n;
    for (int i = 0; i < 3 && at < end; i++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((stop ? stop : end) - at);
        memcpy(line[i], at, len < DL_URL_MAX ? len : DL_URL_MAX - 1);
        at = stop ? stop + 1 : end;
    }
    snprintf(env.endpoint, sizeof env.endpoint, "%.500s", line[0]);
    snprintf(env.no_proxy, sizeof env.no_proxy, "%.1000s", line[0]);
    for (int i = 0; i < 3; i++) {
        dl_url_safe(shown, line[i]);
        dl_url_host(shown, line[i]);
        dl_url_proxy(&env, line[i]);
        check_encoding(line[i]);
        bool hub = dl_same_origin(line[i], "https://huggingface.co") ||
                   dl_same_origin(line[i], "https://hf.co") ||
                   dl_same_origin(line[i], "https://hub-ci.huggingface.co");
        fuzz_check(!dl_token_may_go(&env, line[i]) || hub || dl_same_origin(env.endpoint, line[i]),
                   "the token of %s to %s", env.endpoint, line[i]);
    }
    if (dl_url_join(out, line[1], line[2]))
        check_address(out);
    else
        fuzz_check(!*out, "%s without success", out);
    if (dl_url_at_endpoint(out, &env, line[1], line[2]))
        fuzz_check(strncmp(out, env.endpoint, strcspn(env.endpoint, "/") + 2) == 0, "%s", out);
}
