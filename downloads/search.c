/* Search: the query as a URL, pages, and a small cache on disk that also answers when the network
 * does not. A cached answer is one file named by the query's fingerprint: the query in the first
 * line (two queries may share a fingerprint), the next page's URL in the second, then the Hub's own
 * JSON, read by the same parser as a fresh one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/base/digest.h"
#include "core/base/file.h"
#include "downloads/hub_private.h"

enum {
    FRESH = 300,    /* s an answer is taken without asking */
    KEPT_MAX = 200, /* answers on disk; the oldest make room */
};

/* Sorting words of the Hub, by dl_order; always descending (hub.md 1.2). */
static const char *const orders[] = {"trendingScore", "downloads", "likes", "lastModified",
                                     "createdAt"};

static void add_pair(nb_str *url, const char *key, const char *value)
{
    nb_str_addf(url, "&%s=", key);
    dl_url_encode(url, value, false);
}

static void add_query(nb_str *url, const dl_search *q)
{
    /* What a row shows; gguf and cardData would bring templates and prompts along (hub.md 1.2). */
    static const char *const wanted[] = {
        "author",       "createdAt",    "disabled", "downloads",    "gated",
        "lastModified", "library_name", "likes",    "pipeline_tag", "private",
        "safetensors",  "sha",          "tags",     "usedStorage",
    };
    int limit = q->limit < 1 ? 1 : q->limit > 500 ? 500 : q->limit;
    nb_str_addf(url, "/api/models?limit=%d&sort=%s", limit, orders[q->order]);
    if (q->text && *q->text)
        add_pair(url, "search", q->text);
    if (q->author && *q->author)
        add_pair(url, "author", q->author);
    if (q->task && *q->task)
        add_pair(url, "pipeline_tag", q->task);
    if (q->license && *q->license) {
        nb_str_add(url, "&filter=license:");
        dl_url_encode(url, q->license, false);
    }
    if (q->gguf_only)
        add_pair(url, "filter", "gguf");
    if (q->gated >= 0)
        add_pair(url, "gated", q->gated ? "true" : "false");
    if (q->params_min || q->params_max) {
        nb_str_add(url, "&num_parameters=");
        if (q->params_min)
            nb_str_addf(url, "min:%llu", (unsigned long long)q->params_min);
        if (q->params_max)
            nb_str_addf(url, "%smax:%llu", q->params_min ? "," : "",
                        (unsigned long long)q->params_max);
    }
    for (size_t i = 0; i < countof(wanted); i++)
        add_pair(url, "expand", wanted[i]);
}

/* --- on disk -------------------------------------------------------------------------------------
 */

/* One name per query, endpoint and token: what a token may see is nobody else's. */
static bool kept_path(char *out, size_t cap, const char *cache_dir, dl_net *net, const char *query)
{
    if (!cache_dir || !*cache_dir)
        return false;
    uint64_t who = dl_net_mark(net, NULL), what = nb_fingerprint(query, strlen(query));
    int n = snprintf(out, cap, "%s/hub/%016llx%016llx.json", cache_dir, (unsigned long long)who,
                     (unsigned long long)what);
    return n > 0 && (size_t)n < cap;
}

static void keep(const char *path, const char *query, const dl_reply *reply)
{
    nb_str text = {0};
    nb_str_addf(&text, "%s\n%s\n", query, reply->next);
    nb_str_addn(&text, nb_str_c(&reply->body), reply->body.len);
    dl_kept_write(path, &text, KEPT_MAX, UINT64_MAX);
    nb_str_free(&text);
}

/* The kept answer to query, if it is one; *age in seconds. */
static bool recall(const char *path, const char *query, dl_page *out, double *age)
{
    struct stat st;
    char *text = NULL;
    size_t len, n = strlen(query);
    dl_page page = {.n = 0};
    bool ok = stat(path, &st) == 0 &&
              nb_file_read(&text, &len, path, DL_BODY_MAX + 2ull * DL_URL_MAX, NULL) == NB_OK &&
              len > n && memcmp(text, query, n) == 0 && text[n] == '\n';
    const char *next = ok ? text + n + 1 : NULL, *end = ok ? strchr(next, '\n') : NULL;
    ok = end && (size_t)(end - next) < sizeof page.next &&
         dl_json_models(end + 1, len - (size_t)(end + 1 - text), "kept search", &page, NULL) ==
             NB_OK;
    if (ok) {
        double old = difftime(time(NULL), st.st_mtime);
        snprintf(page.next, sizeof page.next, "%.*s", (int)(end - next), next);
        page.cached = true;
        page.age = old < 0 ? 0 : old;
        *age = old; /* negative: the clock was set back; not fresh */
        *out = page;
    } else {
        dl_page_free(&page);
    }
    free(text);
    return ok;
}

/* --- asking --------------------------------------------------------------------------------------
 */

static nb_status ask(dl_net *net, const char *url, const char *path, dl_page *out,
                     dl_trouble *trouble, const nb_hooks *hooks, nb_err *err)
{
    dl_page page = {.n = 0};
    nb_str address = {0};
    dl_reply reply;
    nb_str_add(&address, url);
    nb_status st = dl_get_json(net, &address, "search", &reply, hooks, err);
    *trouble = reply.trouble;
    if (st == NB_OK)
        st =
            dl_believed(dl_json_models(nb_str_c(&reply.body), reply.body.len, "search", &page, err),
                        trouble, err);
    /* A chain of empty pages has no end, and one that names itself would come again and again. */
    if (st == NB_OK && (page.n == 0 || strcmp(reply.next, reply.url) == 0))
        reply.next[0] = '\0';
    if (st == NB_OK) {
        memcpy(page.next, reply.next, sizeof page.next);
        if (path)
            keep(path, url, &reply);
        *out = page;
    } else {
        dl_page_free(&page);
    }
    dl_reply_free(&reply);
    nb_str_free(&address);
    return st;
}

nb_status dl_hub_search(dl_net *net, const char *cache_dir, const dl_search *q, const char *next,
                        dl_page *out, dl_trouble *trouble, const nb_hooks *hooks, nb_err *err)
{
    char path[1300];
    nb_str url = {0};
    double age = -1;
    dl_trouble unused = DL_OK;
    dl_page old = {.n = 0};
    trouble = trouble ? trouble : &unused;
    *trouble = DL_OK;
    if (next)
        nb_str_add(&url, next);
    else
        add_query(&url, q);
    if (url.failed) {
        nb_str_free(&url);
        return nb_fail(err, NB_NOMEM, "search: no memory for the request");
    }
    bool keeps = kept_path(path, sizeof path, cache_dir, net, url.at);
    bool have = keeps && recall(path, url.at, &old, &age);
    bool fresh = have && age >= 0 && age < FRESH;
    nb_status st = fresh ? NB_OK : ask(net, url.at, keeps ? path : NULL, out, trouble, hooks, err);
    /* Nobody answered as a Hub does: better an old list than none. */
    bool lost = st == NB_NETWORK && *trouble != DL_BAD_REQUEST;
    if (have && (fresh || lost)) {
        *out = old;
        old = (dl_page){.n = 0};
        st = NB_OK;
    }
    dl_page_free(&old);
    nb_str_free(&url);
    return st;
}
