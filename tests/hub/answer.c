/* The pieces of every answer: bodies, errors, redirects, paging, and who may see what (hub.md
 * 1.5). */
#include <stdarg.h>
#include <string.h>

#include "tests/hub/hub.h"
#include "tests/hub/mem.h"

/* --- bodies ---------------------------------------------------------------------------------- */
void answer_text(exchange *x, int status, const char *type)
{
    x->file = NULL;
    x->reply.status = status;
    reply_set(&x->reply, "Content-Type", type);
}

void answer_json(exchange *x)
{
    answer_text(x, 200, "application/json; charset=utf-8");
}

void json_raw(nb_jout *w, const char *text)
{
    nb_jout_null(w); /* brings the comma; its four letters give way */
    w->out->len -= 4;
    nb_str_add(w->out, text);
}

void json_text(nb_jout *w, const char *key, const char *value)
{
    nb_jout_key(w, key);
    nb_jout_str(w, value);
}

/* What a field of a head can hold. */
static void one_line(char *text)
{
    for (char *p = text; *p; p++)
        if (*p < ' ' || *p == 0x7f)
            *p = '?';
}

void answer_error(exchange *x, int status, const char *code, const char *fmt, ...)
{
    char *message = NULL;
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&message, fmt, ap) < 0)
        abort();
    va_end(ap);
    nb_str_clear(&x->text);
    if (x->api) {
        nb_jout w = nb_jout_make(&x->text);
        nb_jout_object(&w);
        nb_jout_key(&w, "error");
        nb_jout_str(&w, message);
        nb_jout_object_end(&w);
    } else {
        nb_str_add(&x->text, message);
    }
    answer_text(x, status,
                x->api ? "application/json; charset=utf-8" : "text/plain; charset=utf-8");
    one_line(message);
    reply_set(&x->reply, "X-Error-Code", code);
    reply_set(&x->reply, "X-Error-Message", message);
    if (status == 401)
        reply_set(&x->reply, "WWW-Authenticate",
                  "Bearer realm=\"Authentication required\", charset=\"UTF-8\"");
    free(message);
}

void answer_redirect(exchange *x, int status, const char *location)
{
    nb_str_clear(&x->text);
    nb_str_addf(&x->text, "%s. Redirecting to %s", http_reason(status), location);
    answer_text(x, status, "text/plain; charset=utf-8");
    reply_set(&x->reply, "Location", location);
}

/* --- paging ---------------------------------------------------------------------------------- */
/* A cursor is opaque to clients; here the position of the first row to come, scrambled. */
enum { CURSOR_KEY = 0x5bd1e995 };

void answer_next(exchange *x, size_t at)
{
    const char *origin = x->hub->link_origin, *query = x->req->query, *pair;
    nb_str link = {0};
    nb_str_addf(&link, "<%s%.*s?", origin ? origin : x->hub->listener[FAKE_HUB].origin,
                (int)strlen(x->req->path), x->req->path + strlen(x->hub->prefix));
    while (*(pair = query)) {
        size_t n = strcspn(pair, "&");
        query += n + (pair[n] == '&');
        if (n && strncmp(pair, "cursor=", 7) != 0)
            nb_str_addf(&link, "%.*s&", (int)n, pair);
    }
    nb_str_addf(&link, "cursor=%08x>; rel=\"next\"", (unsigned)at ^ CURSOR_KEY);
    reply_set(&x->reply, "Link", nb_str_c(&link));
    nb_str_free(&link);
}

bool answer_cursor(exchange *x, size_t *at)
{
    char *cursor = http_param(x->req->query, "cursor"), *end = NULL;
    *at = 0;
    if (cursor)
        *at = (size_t)(strtoul(cursor, &end, 16) ^ CURSOR_KEY);
    bool ok = !cursor || (strlen(cursor) == 8 && !*end && *at < 1u << 30);
    free(cursor);
    if (!ok)
        answer_error(x, 400, NULL, "Invalid cursor");
    return ok;
}

/* --- who may see what ------------------------------------------------------------------------ */
static const repo_grant *grant_of(const exchange *x, const fake_repo *r)
{
    for (size_t i = 0; x->token && i < r->n_grants; i++)
        if (strcmp(r->grant[i].token, x->token->token) == 0)
            return &r->grant[i];
    return NULL;
}

bool answer_sees(const exchange *x, const fake_repo *r)
{
    const repo_grant *g = grant_of(x, r);
    return !r->is_private || (g && g->access == FAKE_GRANTED);
}

/* The Hub does not tell a stranger whether there is such a repository. */
static void refuse_unknown(exchange *x)
{
    if (x->token)
        answer_error(x, 404, "RepoNotFound", "Repository not found");
    else
        answer_error(x, 401, NULL, "Invalid username or password.");
}

static bool gate_opens(exchange *x, const fake_repo *r)
{
    const repo_grant *g = grant_of(x, r);
    if (r->gated == FAKE_OPEN || (g && g->access == FAKE_GRANTED))
        return true;
    if (!x->token)
        answer_error(x, 401, "GatedRepo",
                     "Access to model %s is restricted. You must have access to it and be "
                     "authenticated to access it. Please log in.",
                     r->id);
    else if (g && g->access == FAKE_PENDING)
        answer_error(x, 403, "GatedRepo",
                     "Your request to access model %s is awaiting a review from the repo authors.",
                     r->id);
    else if (g)
        answer_error(x, 403, "GatedRepo",
                     "Please enable access to public gated repositories in your fine-grained token "
                     "settings to view this repository.");
    else
        answer_error(x, 403, "GatedRepo",
                     "Access to model %s is restricted and you are not in the authorized list. "
                     "Visit %s/%s to ask for access.",
                     r->id, x->hub->listener[FAKE_HUB].origin, r->id);
    return false;
}

static void redirect_moved(exchange *x, const char *before, const char *id, const char *rest)
{
    nb_str to = {0};
    nb_str_addf(&to, "%s%s%s%s%s%s", x->hub->prefix, before, id, rest, *x->req->query ? "?" : "",
                x->req->query);
    answer_redirect(x, 307, nb_str_c(&to));
    nb_str_free(&to);
}

fake_repo *answer_repo(exchange *x, const char *before, const char *id, const char *rest,
                       bool files)
{
    fake_repo *r = repo_find(x->hub, id);
    const char *moved = r ? NULL : repo_moved(x->hub, id);
    if (moved)
        redirect_moved(x, before, moved, rest);
    else if (!r || !answer_sees(x, r))
        refuse_unknown(x);
    else if (r->disabled)
        answer_error(x, 403, NULL, "Access to this resource is disabled.");
    else if (!files || gate_opens(x, r))
        return r;
    return NULL;
}

repo_commit *answer_commit(exchange *x, const fake_repo *repo, const char *rev)
{
    repo_commit *c = repo_resolve(repo, rev);
    x->api = x->api || !c; /* this one error is JSON everywhere */
    if (!c)
        answer_error(x, 404, "RevisionNotFound", "Invalid rev id: %s", rev);
    return c;
}
