#include "downloads/http.h"

#include <stdio.h>
#include <string.h>

/* Only what both this reader and libcurl's read alike is an address here: http or https, a host of
 * plain ASCII, a decimal port, no user or password. What two readers could take for two hosts is
 * refused, as that is how tokens leak (reliability A22). */
typedef struct url_parts {
    bool tls;
    const char *host; /* borrowed; [..] of IPv6 included */
    size_t n_host;
    unsigned port;    /* the scheme's own when none is written */
    const char *path; /* "", "/..." or "?..." */
} url_parts;

static char small(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_digit(c) || (small(c) >= 'a' && small(c) <= 'z');
}

static bool has_prefix(const char *s, const char *small_prefix)
{
    for (; *small_prefix; s++, small_prefix++)
        if (small(*s) != *small_prefix)
            return false;
    return true;
}

/* Length of the host at s, 0 when it is none. */
static size_t host_length(const char *s)
{
    size_t n = 0;
    if (*s == '[') {
        n = 1 + strspn(s + 1, "0123456789abcdefABCDEF:.");
        return n > 2 && s[n] == ']' ? n + 1 : 0;
    }
    while (is_alnum(s[n]) || s[n] == '-' || s[n] == '.' || s[n] == '_')
        n++;
    return n;
}

/* ":8080" at *s; without it *port stays. */
static bool read_port(const char **s, unsigned *port)
{
    if (**s != ':')
        return true;
    unsigned v = 0;
    const char *p = *s + 1;
    for (; is_digit(*p) && v <= 65535; p++)
        v = v * 10 + (unsigned)(*p - '0');
    if (p == *s + 1 || v == 0 || v > 65535)
        return false;
    *port = v;
    *s = p;
    return true;
}

static bool split(url_parts *out, const char *url)
{
    out->tls = has_prefix(url, "https://");
    if (!out->tls && !has_prefix(url, "http://"))
        return false;
    out->host = url + (out->tls ? 8 : 7);
    out->n_host = host_length(out->host);
    out->port = out->tls ? 443 : 80;
    out->path = out->host + out->n_host;
    return out->n_host > 0 && read_port(&out->path, &out->port) &&
           (*out->path == '\0' || *out->path == '/' || *out->path == '?' || *out->path == '#');
}

static bool same_host(const url_parts *a, const char *host, size_t n)
{
    if (a->n_host != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (small(a->host[i]) != small(host[i]))
            return false;
    return true;
}

bool dl_same_origin(const char *a, const char *b)
{
    url_parts x, y;
    return split(&x, a) && split(&y, b) && x.tls == y.tls && x.port == y.port &&
           same_host(&x, y.host, y.n_host);
}

/* The names the Hub itself answers under (huggingface_hub constants.py @ ee0a451:79-90). */
static bool is_hub(const url_parts *u)
{
    static const char *const names[] = {"huggingface.co", "hf.co", "hub-ci.huggingface.co"};
    for (size_t i = 0; i < countof(names); i++)
        if (u->tls && u->port == 443 && same_host(u, names[i], strlen(names[i])))
            return true;
    return false;
}

bool dl_token_may_go(const nb_hub_env *env, const char *url)
{
    url_parts home, there;
    if (!split(&home, env->endpoint) || !split(&there, url))
        return false;
    if (is_hub(&home) && is_hub(&there))
        return true;
    return home.tls == there.tls && home.port == there.port &&
           same_host(&home, there.host, there.n_host);
}

bool dl_url_is_tls(const char *url)
{
    url_parts u;
    return split(&u, url) && u.tls;
}

bool dl_url_is_local(const char *url)
{
    url_parts u;
    if (!split(&u, url))
        return false;
    bool ipv4 = strspn(u.host, "0123456789.") >= u.n_host;
    return same_host(&u, "localhost", 9) || same_host(&u, "[::1]", 5) ||
           (ipv4 && has_prefix(u.host, "127."));
}

const char *dl_url_host(char out[256], const char *url)
{
    url_parts u;
    if (split(&u, url))
        snprintf(out, 256, "%.*s", (int)(u.n_host < 255 ? u.n_host : 255), u.host);
    else
        snprintf(out, 256, "?");
    return out;
}

const char *dl_url_authority(char out[300], const char *url)
{
    url_parts u;
    size_t n = split(&u, url) ? (size_t)(u.path - u.host) : 0;
    if (n > 0)
        snprintf(out, 300, "%.*s", (int)(n < 299 ? n : 299), u.host);
    else
        snprintf(out, 300, "?");
    return out;
}

/* --- proxies, chosen as httpx does (0.28, get_environment_proxies and URLPattern) --- */

/* host is something below the domain tail[n]. */
static bool is_below(const url_parts *u, const char *tail, size_t n)
{
    if (u->n_host <= n + 1 || u->host[u->n_host - n - 1] != '.')
        return false;
    const url_parts end = {.host = u->host + u->n_host - n, .n_host = n};
    return same_host(&end, tail, n);
}

/* One entry of NO_PROXY: "*", "example.com" (and what is below it), ".example.com" (only what is
 * below), an IP address, localhost or "https://host" (exactly that); with ":port" only that one. */
static bool is_exempt(const url_parts *u, const char *entry, size_t n)
{
    char text[300];
    url_parts e;
    if (n == 0 || n > 256)
        return false;
    if (n == 1 && *entry == '*')
        return true;
    size_t skip = n > 1 && entry[0] == '*' && entry[1] == '.', colons = 0;
    bool whole = memmem(entry, n, "://", 3) != NULL, below = entry[skip] == '.';
    for (size_t i = 0; i < n; i++)
        colons += entry[i] == ':';
    bool bare6 = colons > 1 && !whole && *entry != '[';
    skip += below;
    snprintf(text, sizeof text, "%s%s%.*s%s",
             whole    ? ""
             : u->tls ? "https://"
                      : "http://",
             bare6 ? "[" : "", (int)(n - skip), entry + skip, bare6 ? "]" : "");
    if (!split(&e, text) || e.tls != u->tls)
        return false;
    if (e.path > e.host + e.n_host && e.port != u->port)
        return false;
    bool ip = *e.host == '[' || strspn(e.host, "0123456789.") >= e.n_host;
    bool alone = whole || ip || same_host(&e, "localhost", 9);
    return (!below && same_host(u, e.host, e.n_host)) || (!alone && is_below(u, e.host, e.n_host));
}

const char *dl_url_proxy(const nb_hub_env *env, const char *url)
{
    url_parts u;
    if (!split(&u, url))
        return NULL;
    const char *proxy = u.tls ? env->proxy_https : env->proxy_http;
    for (const char *p = env->no_proxy; *p;) {
        size_t blank = strspn(p, ", \t"), n = strcspn(p + blank, ", \t");
        if (is_exempt(&u, p + blank, n))
            return NULL;
        p += blank + n;
    }
    return *proxy ? proxy : NULL;
}

/* --- writing --- */

static bool unreserved(char c)
{
    return is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

void dl_url_encode(nb_str *out, const char *s, bool keep_slash)
{
    for (; *s; s++) {
        if (unreserved(*s) || (keep_slash && *s == '/'))
            nb_str_addn(out, s, 1);
        else
            nb_str_addf(out, "%%%02X", (unsigned)(unsigned char)*s);
    }
}

typedef struct writer {
    char *out;
    size_t n;
    bool over;
} writer;

static void put(writer *w, const char *s, size_t n)
{
    if (w->over || n >= DL_URL_MAX - w->n) {
        w->over = true;
        return;
    }
    memcpy(w->out + w->n, s, n);
    w->n += n;
    w->out[w->n] = '\0';
}

/* Path and query as they may stand in a request line: what no address may hold is encoded, as
 * browsers do; the fragment is left off. False for control bytes. */
static bool put_clean(writer *w, const char *s, size_t n)
{
    for (size_t i = 0; i < n && s[i] != '#'; i++) {
        unsigned char c = (unsigned char)s[i];
        char code[4];
        if (c < 0x20 || c == 0x7f)
            return false;
        bool bad = c == ' ' || c == '\\' || c == '"' || c == '<' || c == '>' || c >= 0x80;
        snprintf(code, sizeof code, "%%%02X", (unsigned)c);
        put(w, bad ? code : &s[i], bad ? 3 : 1);
    }
    return true;
}

/* RFC 3986 5.2.4 on out[start, n), in place: "." and ".." segments go. */
static void remove_dots(writer *w, size_t start)
{
    char *path = w->out + start;
    size_t to = 0, n = w->n - start;
    for (size_t from = 0; from < n;) {
        size_t len = 1;
        while (from + len < n && path[from + len] != '/')
            len++;
        bool last = from + len == n;
        bool one = len == 2 && path[from + 1] == '.';
        bool two = len == 3 && path[from + 1] == '.' && path[from + 2] == '.';
        while (two && to > 0 && path[--to] != '/')
            continue;
        if (!one && !two) {
            memmove(path + to, path + from, len);
            to += len;
        } else if (last) {
            path[to++] = '/';
        }
        from += len;
    }
    w->n = start + to;
    w->out[w->n] = '\0';
}

/* What base gives a relative reference: its path for "?x", its path up to the last slash for "x",
 * nothing beyond the host for "/x". */
static bool put_base_path(writer *w, const url_parts *base, char first)
{
    size_t keep = first == '/' ? 0 : strcspn(base->path, "?#");
    while (first != '?' && keep > 0 && base->path[keep - 1] != '/')
        keep--;
    if (keep == 0 && first != '/')
        put(w, "/", 1);
    return put_clean(w, base->path, keep);
}

static bool join(writer *w, const char *base, const char *ref)
{
    url_parts from, to = {0};
    char scheme[DL_URL_MAX + 8];
    bool absolute = split(&to, ref);
    if (!absolute && ref[0] == '/' && ref[1] == '/') { /* the base's scheme */
        if (!split(&from, base) || strlen(ref) >= DL_URL_MAX)
            return false;
        snprintf(scheme, sizeof scheme, "%s%s", from.tls ? "https:" : "http:", ref);
        ref = scheme;
        absolute = split(&to, ref);
        if (!absolute)
            return false;
    }
    if (!absolute && (strcspn(ref, ":") < strcspn(ref, "/?#") || !split(&from, base)))
        return false; /* another scheme, or a host this reader does not take */
    const url_parts *origin = absolute ? &to : &from;
    const char *path = absolute ? to.path : ref;
    put(w, origin->tls ? "https://" : "http://", origin->tls ? 8 : 7);
    put(w, origin->host, (size_t)(origin->path - origin->host));
    size_t start = w->n, n = strcspn(path, "?#");
    if (absolute && n == 0)
        put(w, "/", 1);
    if (!absolute && (*path == '\0' || *path == '#' || !put_base_path(w, origin, *path)))
        return false;
    if (!put_clean(w, path, n))
        return false;
    if (!w->over)
        remove_dots(w, start);
    return put_clean(w, path + n, strlen(path + n)) && !w->over;
}

bool dl_url_join(char out[DL_URL_MAX], const char *base, const char *ref)
{
    writer w = {.out = out};
    bool good = join(&w, base, ref);
    if (!good)
        out[0] = '\0';
    return good;
}

bool dl_url_at_endpoint(char out[DL_URL_MAX], const nb_hub_env *env, const char *base,
                        const char *ref)
{
    url_parts home, there;
    char plain[DL_URL_MAX];
    if (!split(&home, env->endpoint) || !dl_url_join(plain, base, ref) || !split(&there, plain))
        return false;
    size_t prefix = strlen(home.path), root = (size_t)(home.path - env->endpoint);
    bool below = prefix > 0 && strncmp(there.path, home.path, prefix) == 0 &&
                 (there.path[prefix] == '/' || there.path[prefix] == '?');
    int n = snprintf(out, DL_URL_MAX, "%.*s%s", (int)(below ? root : root + prefix), env->endpoint,
                     there.path);
    if (n < 0 || n >= DL_URL_MAX) {
        out[0] = '\0';
        return false;
    }
    return true;
}

/* --- showing --- */

static void safe_put(char out[256], size_t *n, const char *s, size_t len)
{
    size_t room = 255 - *n;
    if (len > room)
        len = nb_utf8_whole(s, room);
    memcpy(out + *n, s, len);
    *n += len;
    out[*n] = '\0';
}

const char *dl_url_safe(char out[256], const char *url)
{
    static const char hidden[] = "\xe2\x80\xa6"; /* … */
    size_t n = 0;
    const char *authority = strstr(url, "://"), *at = url;
    out[0] = '\0';
    authority = authority ? authority + 3 : url;
    const char *path = authority + strcspn(authority, "/?#"), *user = path;
    while (user > authority && user[-1] != '@')
        user--;
    if (user > authority) {
        safe_put(out, &n, url, (size_t)(authority - url));
        safe_put(out, &n, hidden, 3);
        at = user - 1;
    }
    const char *query = path + strcspn(path, "?#");
    safe_put(out, &n, at, (size_t)(query - at));
    while (*query == '?' || *query == '&') {
        size_t name = 1 + strcspn(query + 1, "=&#");
        safe_put(out, &n, query, name);
        query += name;
        if (*query != '=')
            continue;
        safe_put(out, &n, "=", 1);
        safe_put(out, &n, hidden, 3);
        query += strcspn(query, "&#");
    }
    return out;
}
