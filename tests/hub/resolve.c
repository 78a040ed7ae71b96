/* Files: the redirects of /resolve, small files from /api/resolve-cache, large ones from the CDN
 * behind signed addresses (hub.md 1.4). */
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "core/base/digest.h"
#include "core/base/file.h"
#include "tests/hub/hub.h"
#include "tests/hub/mem.h"

/* --- signed addresses ------------------------------------------------------------------------ */
static void sign(const fake_hub *hub, const char *path, const char *expires, const char *key,
                 char out[65])
{
    nb_str s = {0};
    nb_str_addf(&s, "%s %s %s %s", hub->secret, path, expires, key);
    if (nb_sha256_of(s.at, s.len, out, NULL) != NB_OK)
        abort();
    nb_str_free(&s);
}

/* Quoted for Content-Disposition, both ways. */
static void disposition(nb_str *out, const char *path)
{
    const char *base = nb_path_base(path);
    nb_str_add(out, "inline; filename*=UTF-8''");
    http_encode(out, base, "");
    nb_str_add(out, "; filename=\"");
    http_encode(out, base, " ()[]+,");
    nb_str_add(out, "\";");
}

static void cdn_path(nb_str *out, const fake_repo *repo, const repo_file *file)
{
    if (file->xet)
        nb_str_addf(out, "/xet-bridge-us/%s/%s", repo->oid, file->data->xet);
    else
        nb_str_addf(out, "/repos/%.2s/%.2s/%s/%s", repo->oid, repo->oid + 2, repo->oid,
                    content_sha256(file->data));
}

static void cdn_address(exchange *x, const fake_repo *repo, const repo_file *file, nb_str *out)
{
    const fake_hub *hub = x->hub;
    char expires[32], key[32], signature[65];
    nb_str path = {0}, inline_ = {0};
    long long life = hub->opt.signed_seconds ? hub->opt.signed_seconds : 3600;
    cdn_path(&path, repo, file);
    snprintf(expires, sizeof expires, "%lld", (long long)time(NULL) + life);
    snprintf(key, sizeof key, "K%u", atomic_load(&hub->epoch));
    sign(hub, nb_str_c(&path), expires, key, signature);
    disposition(&inline_, file->path);
    nb_str_addf(out, "%s%s?response-content-disposition=", hub->listener[FAKE_CDN].origin,
                nb_str_c(&path));
    http_encode(out, nb_str_c(&inline_), "");
    nb_str_add(out, "&response-content-type=application%2Foctet-stream");
    nb_str_addf(out, "&Expires=%s&Signature=%s&Key-Pair-Id=%s", expires, signature, key);
    nb_str_free(&path);
    nb_str_free(&inline_);
}

/* --- the Hub's side -------------------------------------------------------------------------- */
static void linked_fields(exchange *x, const fake_repo *repo, const repo_commit *commit,
                          const repo_file *file)
{
    reply_setf(&x->reply, "X-Linked-Etag", "\"%s\"", repo_etag(file));
    if (!file->lfs)
        return;
    reply_setf(&x->reply, "X-Linked-Size", "%llu", (unsigned long long)file->data->size);
    reply_set(&x->reply, "Accept-Ranges", "bytes");
    reply_set(&x->reply, "Cache-Control", "no-store");
    if (!file->xet)
        return;
    const char *origin = x->hub->listener[FAKE_HUB].origin;
    reply_set(&x->reply, "X-Xet-Hash", file->data->xet);
    reply_setf(&x->reply, "Link",
               "<%s/api/models/%s/xet-read-token/%s>; rel=\"xet-auth\", "
               "<%s/v1/reconstructions/%s>; rel=\"xet-reconstruction-info\"",
               origin, repo->id, commit->id, x->hub->listener[FAKE_CDN].origin, file->data->xet);
}

static void cache_address(exchange *x, const fake_repo *repo, const repo_commit *commit,
                          const repo_file *file, nb_str *out)
{
    nb_str_addf(out, "%s/api/resolve-cache/models/%s/%s/", x->hub->prefix, repo->id, commit->id);
    http_encode(out, file->path, "/");
    nb_str_add(out, "?");
    http_encode(out, x->req->path + strlen(x->hub->prefix), "");
    nb_str_addf(out, "=&etag=%%22%s%%22", repo_etag(file));
}

void resolve_file(exchange *x, const char *id, const char *rev, const char *path, const char *rest)
{
    const fake_repo *repo = answer_repo(x, "/", id, rest, true);
    const repo_commit *commit = repo ? answer_commit(x, repo, rev) : NULL;
    if (!commit)
        return;
    const repo_file *file = repo_lookup(commit, path);
    nb_str to = {0};
    if (!file) {
        answer_error(x, 404, "EntryNotFound", "Entry not found");
    } else if (file->lfs) {
        cdn_address(x, repo, file, &to);
        answer_redirect(x, 302, nb_str_c(&to));
    } else {
        cache_address(x, repo, commit, file, &to);
        answer_redirect(x, 307, nb_str_c(&to));
    }
    if (file)
        linked_fields(x, repo, commit, file);
    reply_set(&x->reply, "X-Repo-Commit", commit->id);
    nb_str_free(&to);
}

static void body_of(exchange *x, const repo_file *file, const char *type)
{
    nb_str how = {0};
    disposition(&how, file->path);
    answer_text(x, 200, type);
    x->file = file->data;
    reply_set(&x->reply, "Accept-Ranges", "bytes");
    reply_set(&x->reply, "Content-Disposition", nb_str_c(&how));
    nb_str_free(&how);
}

void resolve_raw(exchange *x, const char *id, const char *rev, const char *path, const char *rest)
{
    char pointer[41], text[256];
    const fake_repo *repo = answer_repo(x, "/", id, rest, true);
    const repo_commit *commit = repo ? answer_commit(x, repo, rev) : NULL;
    if (!commit)
        return;
    const repo_file *file = repo_lookup(commit, path);
    if (!file) {
        answer_error(x, 404, "EntryNotFound", "Entry not found");
    } else if (file->lfs) {
        nb_str_addn(&x->text, text, content_pointer(file->data, text, pointer));
        answer_text(x, 200, "text/plain; charset=utf-8");
        reply_setf(&x->reply, "ETag", "\"%s\"", pointer);
    } else {
        body_of(x, file, "text/plain; charset=utf-8");
        reply_setf(&x->reply, "ETag", "\"%s\"", repo_etag(file));
    }
    reply_set(&x->reply, "X-Repo-Commit", commit->id);
}

/* Whether the address came with its query. The Hub does without; mirrors that sign it do not. */
static bool has_query(const exchange *x, const char *quoted)
{
    char *etag = http_param(x->req->query, "etag");
    bool same = etag && strcmp(etag, quoted) == 0;
    free(etag);
    return same || !x->hub->opt.cache_needs_query;
}

void resolve_cache(exchange *x, const char *id, const char *commit, const char *path)
{
    const fake_repo *repo = answer_repo(x, "/api/resolve-cache/models/", id, "", true);
    const repo_commit *at = repo ? answer_commit(x, repo, commit) : NULL;
    if (!at)
        return;
    const repo_file *file = repo_lookup(at, path);
    nb_str etag = {0};
    if (file)
        nb_str_addf(&etag, "\"%s\"", repo_etag(file));
    if (file && !file->lfs && has_query(x, nb_str_c(&etag))) {
        body_of(x, file,
                nb_has_suffix(path, ".json") ? "application/json" : "text/plain; charset=utf-8");
        reply_set(&x->reply, "ETag", nb_str_c(&etag));
    } else {
        answer_error(x, 404, "EntryNotFound", "Entry not found");
    }
    reply_set(&x->reply, "X-Repo-Commit", at->id);
    nb_str_free(&etag);
}

/* --- the CDN's side -------------------------------------------------------------------------- */
void resolve_cdn_error(exchange *x, int status, const char *message)
{
    nb_str_clear(&x->text);
    nb_str_addf(&x->text,
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code>"
                "<Message>%s</Message></Error>",
                status == 403   ? "AccessDenied"
                : status == 404 ? "NoSuchKey"
                                : "InvalidRequest",
                message);
    answer_text(x, status, "application/xml");
}

/* The file whose name ends the address, newest commits first; NULL if there is none. */
static const repo_file *find_in(const fake_repo *r, const char *last)
{
    for (size_t k = r->n_commits; k-- > 0;) {
        const repo_commit *c = r->commit[k];
        for (size_t i = 0; i < c->n; i++) {
            const repo_file *f = &c->file[i];
            if (f->lfs && strcmp(f->xet ? f->data->xet : content_sha256(f->data), last) == 0)
                return f;
        }
    }
    return NULL;
}

static const repo_file *find_file(fake_hub *hub, const char *path, const fake_repo **of)
{
    const char *last = strrchr(path, '/');
    for (const fake_repo *r = hub->repos; r && last; r = r->next) {
        if (r->gone || !strstr(path, r->oid))
            continue;
        *of = r;
        return find_in(r, last + 1);
    }
    return NULL;
}

char *resolve_name(fake_hub *hub, const http_request *req)
{
    const fake_repo *repo = NULL;
    char *name = NULL;
    pthread_rwlock_rdlock(&hub->repos_lock);
    const repo_file *file = find_file(hub, req->path, &repo);
    if (file && asprintf(&name, "/%s/%s", repo->id, file->path) < 0)
        abort();
    pthread_rwlock_unlock(&hub->repos_lock);
    return name;
}

/* What is wrong with a signature; NULL = nothing. */
static const char *refused(const exchange *x)
{
    const char *query = x->req->query, *why = NULL;
    char *expires = http_param(query, "Expires"), *key = http_param(query, "Key-Pair-Id");
    char *signature = http_param(query, "Signature"), want[65] = "";
    uint64_t until = 0;
    if (expires && key && signature)
        sign(x->hub, x->req->path, expires, key, want);
    if (!want[0])
        why = "Missing Key-Pair-Id query parameter or cookie value";
    else if (strcmp(want, signature) != 0)
        why = "Access denied";
    else if (!nb_parse_u64(expires, &until) || (time_t)until < time(NULL) ||
             strtoul(key + 1, NULL, 10) != atomic_load(&x->hub->epoch))
        why = "Request has expired";
    free(expires);
    free(key);
    free(signature);
    return why;
}

/* Over 50 GB only bounded ranges, over 400 GB nothing (hub.md 1.4). */
static bool too_large(const exchange *x, uint64_t size)
{
    uint64_t from, n;
    bool bounded = false;
    if (size <= 50000000000u)
        return false;
    int r = http_range(http_get(x->req, "Range"), size, &from, &n, &bounded);
    return size > 400000000000u || r != 1 || !bounded;
}

void resolve_cdn(exchange *x)
{
    const fake_repo *repo = NULL;
    const char *why = refused(x);
    bool reads = strcmp(x->req->method, "GET") == 0 || x->head;
    if (http_get(x->req, "Authorization")) {
        resolve_cdn_error(x, 400,
                          "Only one auth mechanism allowed; only the Signature query string "
                          "parameter or the Authorization header should be specified");
        return;
    }
    const repo_file *file = why || !reads ? NULL : find_file(x->hub, x->req->path, &repo);
    if (!reads) {
        resolve_cdn_error(x, 405, "The specified method is not allowed against this resource.");
    } else if (why) {
        resolve_cdn_error(x, 403, why);
    } else if (!file) {
        resolve_cdn_error(x, 404, "The specified key does not exist.");
    } else if (!x->head && too_large(x, file->data->size)) {
        resolve_cdn_error(x, 400, "The requested object is too large for a single response.");
    } else {
        body_of(x, file, "application/octet-stream");
        reply_setf(&x->reply, "ETag", "\"%.*s\"", file->xet ? 64 : 32, file->data->xet);
        reply_set(&x->reply, "Cache-Control", "public, max-age=31536000");
        reply_set(&x->reply, "X-Cache", "Hit from cloudfront");
    }
}
