/* Which page of the Hub a path is, and the small pages themselves. */
#include <string.h>

#include "tests/hub/hub.h"
#include "tests/hub/mem.h"

/* --- the path -------------------------------------------------------------------------------- */
typedef struct route {
    char *seg[HTTP_SEGMENTS];       /* decoded, owned */
    const char *raw[HTTP_SEGMENTS]; /* where segment i begins in the raw path */
    size_t n;
} route;

/* Bytes [0, n) decoded; NULL for bad escapes and NUL. */
static char *decode(const char *raw, size_t n)
{
    size_t len;
    char *text = http_decode(raw, n, false, &len);
    if (text && strlen(text) != len) {
        free(text);
        return NULL;
    }
    return text;
}

static bool split(route *r, const char *path)
{
    char *whole = decode(path, strlen(path));
    free(whole);
    if (!whole)
        return false;
    while (*path == '/' && r->n < HTTP_SEGMENTS) {
        size_t n = strcspn(++path, "/");
        r->raw[r->n] = path;
        r->seg[r->n++] = decode(path, n);
        path += n;
    }
    return true;
}

static void free_route(route *r)
{
    for (size_t i = 0; i < r->n; i++)
        free(r->seg[i]);
}

/* Segments i and on as one decoded path, malloc'd. */
static char *tail(const route *r, size_t i)
{
    return i < r->n ? decode(r->raw[i], strlen(r->raw[i])) : hub_strdup("");
}

/* "name" or "ns/name" from segment i, depending on which of the two comes before `word` (one of
 * words); *next is behind it. */
static char *take_id(const route *r, size_t i, const char *const *words, size_t *next)
{
    nb_str id = {0};
    size_t n = i + 1 < r->n ? 2 : 1;
    for (; n == 2 && *words; words++)
        if (strcmp(r->seg[i + 1], *words) == 0)
            n = 1;
    nb_str_add(&id, r->seg[i]);
    if (n == 2)
        nb_str_addf(&id, "/%s", r->seg[i + 1]);
    *next = i + n;
    char *out = hub_strdup(nb_str_c(&id));
    nb_str_free(&id);
    return out;
}

/* --- the Hub's pages ------------------------------------------------------------------------- */
static const char not_here[] = "Sorry, we can't find the page you are looking for.";

static void route_model(exchange *x, const route *r)
{
    static const char *const words[] = {"revision",   "refs",           "tree",
                                        "paths-info", "xet-read-token", NULL};
    size_t at;
    char *id = take_id(r, 2, words, &at);
    const char *word = at < r->n ? r->seg[at] : NULL, *rev = at + 1 < r->n ? r->seg[at + 1] : NULL;
    const char *rest = word ? r->raw[at] - 1 : "";
    bool post = strcmp(x->req->method, "POST") == 0;
    if (word && rev && strcmp(word, "paths-info") == 0 && post)
        tree_paths(x, id, rev, rest);
    else if (post)
        answer_error(x, 405, NULL, "Method not allowed");
    else if (!word)
        models_info(x, id, "main", rest);
    else if (strcmp(word, "revision") == 0 && rev && at + 2 == r->n)
        models_info(x, id, rev, rest);
    else if (strcmp(word, "refs") == 0 && !rev)
        tree_refs(x, id, rest);
    else if (strcmp(word, "tree") == 0 && rev) {
        char *path = tail(r, at + 2);
        tree_list(x, id, rev, path, rest);
        free(path);
    } else {
        answer_error(x, 404, NULL, "%s", not_here);
    }
    free(id);
}

static void whoami(exchange *x)
{
    const hub_token *t = x->token;
    if (!t) {
        answer_error(x, 401, NULL, "Invalid username or password.");
        return;
    }
    nb_jout w = nb_jout_make(&x->text);
    nb_jout_object(&w);
    json_text(&w, "type", "user");
    json_text(&w, "id", "650000000000000000000001");
    json_text(&w, "name", t->name);
    json_text(&w, "fullname", t->name);
    nb_jout_key(&w, "isPro");
    nb_jout_bool(&w, t->pro);
    nb_jout_key(&w, "orgs");
    nb_jout_array(&w);
    for (size_t i = 0; i < t->n_orgs; i++) {
        nb_jout_object(&w);
        json_text(&w, "type", "org");
        json_text(&w, "name", t->orgs[i]);
        nb_jout_object_end(&w);
    }
    nb_jout_array_end(&w);
    nb_jout_key(&w, "auth");
    nb_jout_object(&w);
    json_text(&w, "type", "access_token");
    nb_jout_key(&w, "accessToken");
    nb_jout_object(&w);
    json_text(&w, "displayName", "test");
    json_text(&w, "role", t->role);
    nb_jout_object_end(&w);
    nb_jout_object_end(&w);
    nb_jout_object_end(&w);
    answer_json(x);
}

static void route_resolve(exchange *x, const route *r)
{
    static const char *const words[] = {"resolve", "raw", NULL};
    size_t at;
    char *id = take_id(r, 0, words, &at);
    const char *word = at < r->n ? r->seg[at] : "";
    bool raw = strcmp(word, "raw") == 0;
    if (strcmp(x->req->method, "POST") == 0) {
        answer_error(x, 405, NULL, "Method not allowed");
    } else if (at + 2 < r->n && (raw || strcmp(word, "resolve") == 0)) {
        char *path = tail(r, at + 2);
        (raw ? resolve_raw : resolve_file)(x, id, r->seg[at + 1], path, r->raw[at] - 1);
        free(path);
    } else if (at != r->n) {
        answer_error(x, 404, NULL, "%s", not_here);
    } else if (answer_repo(x, "/", id, "", false)) {
        nb_str_addf(&x->text, "<!doctype html><title>%s</title>", id);
        answer_text(x, 200, "text/html; charset=utf-8");
    }
    free(id);
}

static void route_cache(exchange *x,
                        const route *r) /* /api/resolve-cache/models/ns/name/commit/path */
{
    static const char *const words[] = {NULL};
    size_t at;
    x->api = false;
    if (r->n < 6 || strcmp(r->seg[2], "models") != 0) {
        answer_error(x, 404, NULL, "%s", not_here);
        return;
    }
    char *id = take_id(r, 3, words, &at);
    if (!repo_find(x->hub, id) && repo_find(x->hub, r->seg[3])) { /* one without a namespace */
        free(id);
        id = hub_strdup(r->seg[3]);
        at = 4;
    }
    char *path = tail(r, at + 1);
    resolve_cache(x, id, r->seg[at], path);
    free(path);
    free(id);
}

static bool sign_in(exchange *x)
{
    const char *given = http_get(x->req, "Authorization");
    if (!given)
        return true;
    const hub_token *t = x->hub->tokens;
    if (strncmp(given, "Bearer ", 7) != 0)
        t = NULL;
    while (t && strcmp(t->token, given + 7) != 0)
        t = t->next;
    x->token = t;
    if (!t)
        answer_error(x, 401, NULL, "Invalid credentials in Authorization header");
    return t != NULL;
}

static void route_hub(exchange *x, const route *r)
{
    static const char *const api[] = {"models", "whoami-v2", "resolve-cache"};
    size_t k = 0;
    if (!sign_in(x))
        return;
    if (!x->api) {
        route_resolve(x, r);
        return;
    }
    while (r->n > 1 && k < countof(api) && strcmp(r->seg[1], api[k]) != 0)
        k++;
    if (r->n < 2 || k == countof(api))
        answer_error(x, 404, NULL, "%s", not_here);
    else if (k == 2)
        route_cache(x, r);
    else if (k == 1)
        whoami(x);
    else if (r->n == 2)
        search_models(x);
    else
        route_model(x, r);
}

void route_page(exchange *x)
{
    size_t n = strlen(x->hub->prefix);
    const char *path = x->req->path;
    const char *method = x->req->method;
    route r = {0};
    x->api = strncmp(path, x->hub->prefix, n) != 0 || strncmp(path + n, "/api", 4) == 0;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0 && strcmp(method, "POST") != 0)
        answer_error(x, 405, NULL, "Method not allowed");
    else if (strncmp(path, x->hub->prefix, n) != 0 || path[n] != '/')
        answer_error(x, 404, NULL, "%s", not_here);
    else if (!split(&r, path + n) || r.n == 0)
        answer_error(x, 400, NULL, "Bad request");
    else
        route_hub(x, &r);
    free_route(&r);
}
