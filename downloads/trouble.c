#include "downloads/net.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/json.h"

/* --- rows --- */

typedef struct trouble_row {
    nb_status status;
    const char *name, *remedy, *keys;
} trouble_row;
static const trouble_row rows[] = {
    {NB_OK, "", "", ""},
#define DL_TROUBLE(name, status, what, remedy, keys) {NB_##status, what, remedy, keys},
#include "downloads/troubles.def"
#undef DL_TROUBLE
};

static const trouble_row *row(dl_trouble t)
{
    return &rows[(unsigned)t < countof(rows) ? t : DL_OK];
}

const char *dl_trouble_remedy(dl_trouble t)
{
    return row(t)->remedy;
}

const char *dl_trouble_keys(dl_trouble t)
{
    return row(t)->keys;
}

const char *dl_trouble_name(dl_trouble t)
{
    return row(t)->name;
}

nb_status dl_trouble_status(dl_trouble t)
{
    return row(t)->status;
}

/* --- replies: the table of hub.md 1.5 --- */

typedef struct judge_row {
    int status;       /* 0 = any */
    const char *code; /* X-Error-Code; NULL = any, "" = none */
    const char *says; /* part of X-Error-Message; NULL = any */
    const char *path; /* part of the address; NULL = any */
    dl_trouble trouble;
} judge_row;
static const judge_row judge_rows[] = {
    {401, "GatedRepo", NULL, NULL, DL_GATED_LOGIN},
    {403, "GatedRepo", NULL, NULL, DL_GATED_PENDING},
    {401, NULL, "nvalid credentials", NULL, DL_BAD_TOKEN},
    {401, NULL, NULL, "/api/whoami-v2", DL_BAD_TOKEN},
    {0, "RepoNotFound", NULL, NULL, DL_NO_REPO},
    {0, "RevisionNotFound", NULL, NULL, DL_NO_REVISION},
    {0, "EntryNotFound", NULL, NULL, DL_NO_FILE},
    {401, NULL, NULL, NULL, DL_PRIVATE_OR_NONE},
    {403, NULL, "is disabled", NULL, DL_DISABLED},
    {403, NULL, NULL, NULL, DL_FORBIDDEN},
    {404, NULL, NULL, "/resolve/", DL_NO_FILE},
    {404, NULL, NULL, NULL, DL_NO_REPO},
    {408, NULL, NULL, NULL, DL_SERVER},
    {451, NULL, NULL, NULL, DL_SERVER},
};

/* The same of an endpoint that serves models: OpenAI's own meanings, which vLLM, SGLang,
 * llama.cpp's server and Ollama keep to. */
static const judge_row remote_rows[] = {
    {401, NULL, NULL, NULL, DL_BAD_KEY},   {403, NULL, NULL, NULL, DL_BAD_KEY},
    {404, NULL, NULL, NULL, DL_NO_MODEL},  {405, NULL, NULL, NULL, DL_NO_MODEL},
    {408, NULL, NULL, NULL, DL_SERVER},    {429, NULL, NULL, NULL, DL_RATE_LIMITED},
    {0, NULL, NULL, NULL, DL_BAD_REQUEST},
};

static bool row_fits(const judge_row *row, const dl_reply *r)
{
    return (row->status == 0 || row->status == r->status) &&
           (!row->code || strcmp(row->code, r->error_code) == 0) &&
           (!row->says || strstr(r->error_message, row->says)) &&
           (!row->path || strstr(r->url, row->path));
}

dl_trouble dl_judge(const nb_hub_env *env, const dl_reply *r)
{
    if (r->status / 100 == 2 || (r->status / 100 == 3 && *r->location))
        return DL_OK;
    if (r->status < 400)
        return DL_BAD_REPLY;
    if (r->status == 429)
        return DL_RATE_LIMITED;
    if (r->status >= 500)
        return DL_SERVER;
    if (!dl_token_may_go(env, r->url) && r->status != 408)
        return DL_CDN_REFUSED;
    for (size_t i = 0; i < countof(judge_rows); i++)
        if (row_fits(&judge_rows[i], r))
            return judge_rows[i].trouble;
    return DL_BAD_REQUEST;
}

/* Where the server sends is told and never gone to: another origin must not see what was asked. */
static dl_trouble judge_remote(const dl_reply *r)
{
    if (r->status / 100 == 2)
        return DL_OK;
    if (r->status < 400)
        return DL_ELSEWHERE;
    if (r->status >= 500)
        return DL_SERVER;
    size_t i = 0;
    while (!row_fits(&remote_rows[i], r))
        i++;
    return remote_rows[i].trouble;
}

bool dl_reply_away(const dl_reply *r)
{
    return r->status == 503 && r->retry_after > DL_HOLD_MAX;
}

bool dl_reply_busy(const dl_reply *r)
{
    return r->status == 503 && r->retry_after > 0 && r->retry_after <= DL_HOLD_MAX;
}

/* --- what the server says --- */

/* First string of {"error": s | [s]} or {"errors": [{"message": s}]}, as the Hub has it, of
 * {"error": {"message": s}} (OpenAI), {"message": s} (vLLM) or {"detail": s} (FastAPI); false when
 * there is none. */
static bool json_text(const nb_jval *root, const char **out)
{
    const nb_jval *error = nb_jget(root, "error"), *errors = nb_jget(root, "errors");
    return nb_jstr(error, out) || nb_jstr(nb_jget(error, "message"), out) ||
           nb_jstr(nb_jfirst(error), out) || nb_jstr(nb_jget(nb_jfirst(errors), "message"), out) ||
           nb_jstr(nb_jget(root, "message"), out) || nb_jstr(nb_jget(root, "detail"), out);
}

/* The inside of <tag>..</tag>: <Message> of the storage's XML, <title> of a proxy's page. */
static bool tag_text(const nb_str *body, const char *open, const char **at, size_t *n)
{
    const char *start = strcasestr(nb_str_c(body), open);
    if (!start)
        return false;
    *at = start + strlen(open);
    *n = strcspn(*at, "<");
    return true;
}

/* Appends at most `room` bytes of it, made safe to show on one line; an ellipsis ends what is cut.
 */
static void add_safe(dl_net *net, nb_str *out, const char *text, size_t n, size_t room)
{
    static const char more[] = "\xe2\x80\xa6";
    nb_str raw = {0}, safe = {0};
    while (n > 0 && (*text == ' ' || *text == '\n' || *text == '\r')) {
        text++;
        n--;
    }
    nb_str_addn(&raw, text, n < 4 * room ? n : nb_utf8_whole(text, 4 * room));
    dl_net_hide_token(net, raw.at, raw.len); /* before the cut, which could leave a part of it */
    nb_safe_text(&safe, nb_str_c(&raw), raw.len, NB_SAFE_ONE_LINE);
    while (safe.len > 0 && safe.at[safe.len - 1] == ' ')
        safe.len--;
    if (safe.len <= room) {
        nb_str_addn(out, nb_str_c(&safe), safe.len);
    } else if (room > sizeof more) {
        nb_str_addn(out, safe.at, nb_utf8_whole(safe.at, room - (sizeof more - 1)));
        nb_str_add(out, more);
    }
    nb_str_free(&raw);
    nb_str_free(&safe);
}

/* The server's own words: X-Error-Message, or what the body holds. Untrusted. */
static void server_words(dl_net *net, nb_str *out, const dl_reply *r, size_t room)
{
    const char *text = r->error_message;
    size_t n = strlen(text);
    nb_json *doc = NULL;
    if (n == 0 && !r->encoded && r->body.len > 0) {
        const nb_str *body = &r->body;
        bool found = false;
        if (nb_json_parse(&doc, body->at, body->len, DL_ERROR_BODY, "error", NULL) == NB_OK) {
            found = json_text(nb_json_root(doc), &text);
            n = found ? strlen(text) : 0;
        } else {
            found = tag_text(body, "<Message>", &text, &n) || tag_text(body, "<title>", &text, &n);
        }
        if (!found && !doc && body->at[0] != '<') {
            text = body->at;
            n = strcspn(text, "\n");
        }
    }
    add_safe(net, out, text, n, room);
    nb_json_close(&doc);
}

/* Sentences of the troubles a reply can be; "" = only the server's words. */
static const char *const sentence[DL_TROUBLES] = {
    [DL_GATED_LOGIN] = "gated, and no token was sent",
    [DL_GATED_PENDING] = "gated, and access was not granted",
    [DL_BAD_TOKEN] = "the token was refused",
    [DL_PRIVATE_OR_NONE] = "does not exist, or is private and needs a token",
    [DL_NO_REPO] = "no such repository",
    [DL_NO_REVISION] = "no such revision",
    [DL_NO_FILE] = "no such file",
    [DL_DISABLED] = "disabled by the Hub",
    [DL_FORBIDDEN] = "permission denied",
    [DL_RATE_LIMITED] = "rate limited",
    [DL_BAD_REQUEST] = "request refused",
    [DL_SERVER] = "the server failed",
    [DL_CDN_REFUSED] = "the storage refused",
    [DL_BAD_REPLY] = "a redirect to no address that can be asked",
    [DL_BAD_KEY] = "the endpoint wants a key, or refuses this one",
    [DL_NO_MODEL] = "no such model, or nothing that serves models there",
    [DL_ELSEWHERE] = "the endpoint sends elsewhere, which is not followed",
};

/* " (token from HF_TOKEN)" where the token is the matter; " (no token)". */
static void add_token_source(dl_stream *s, nb_str *tail)
{
    dl_trouble t = s->reply.trouble;
    const char *word = s->rq.remote ? "key" : "token";
    if (t != DL_BAD_TOKEN && t != DL_GATED_PENDING && t != DL_FORBIDDEN &&
        t != DL_PRIVATE_OR_NONE && t != DL_BAD_KEY)
        return;
    pthread_mutex_lock(&s->net->lock);
    if (s->sent_token)
        nb_str_addf(tail, " (%s from %s)", word, s->net->env.token_from);
    else
        nb_str_addf(tail, " (no %s was sent)", word);
    pthread_mutex_unlock(&s->net->lock);
}

void dl_judge_reply(dl_stream *s)
{
    dl_reply *r = &s->reply;
    r->sent = true;
    r->trouble = s->rq.remote ? judge_remote(r) : dl_judge(&s->net->env, r);
    if (r->trouble == DL_OK)
        return;
    nb_str words = {0}, tail = {0};
    char there[256];
    add_token_source(s, &tail);
    if (r->trouble == DL_ELSEWHERE && *r->location)
        nb_str_addf(&tail, ": %.120s", dl_url_safe(there, r->location));
    if (*r->request_id) {
        nb_str_add(&tail, ", request ");
        add_safe(s->net, &tail, r->request_id, strlen(r->request_id), 64);
    }
    nb_str_addf(&words, "%s: %s (HTTP %d)", s->subject, sentence[r->trouble], r->status);
    size_t used = words.len + tail.len + 3, cap = sizeof s->err.msg;
    size_t before = words.len;
    if (used < cap) {
        nb_str_add(&words, ": ");
        server_words(s->net, &words, r, cap - used);
        if (words.len == before + 2)
            words.len = before;
    }
    s->status = nb_fail(&s->err, dl_trouble_status(r->trouble), "%.*s%s", (int)words.len,
                        nb_str_c(&words), nb_str_c(&tail));
    nb_str_free(&words);
    nb_str_free(&tail);
}

/* --- libcurl's failures --- */

typedef struct curl_row {
    CURLcode code;
    dl_trouble trouble;
    const char *text;
} curl_row;
static const curl_row curl_rows[] = {
    {CURLE_COULDNT_RESOLVE_HOST, DL_UNREACHABLE, "name not found"},
    {CURLE_COULDNT_RESOLVE_PROXY, DL_UNREACHABLE, "the proxy's name was not found"},
    {CURLE_COULDNT_CONNECT, DL_UNREACHABLE, "no connection"},
    {CURLE_PROXY, DL_UNREACHABLE, "the proxy failed"},
    {CURLE_SSL_CONNECT_ERROR, DL_UNREACHABLE, "no secure connection"},
    {CURLE_SEND_ERROR, DL_UNREACHABLE, "the connection broke"},
    {CURLE_RECV_ERROR, DL_UNREACHABLE, "the connection broke"},
    {CURLE_GOT_NOTHING, DL_UNREACHABLE, "closed without an answer"},
    {CURLE_PARTIAL_FILE, DL_UNREACHABLE, "the connection ended early"},
    {CURLE_HTTP2, DL_UNREACHABLE, "the connection broke"},
    {CURLE_HTTP2_STREAM, DL_UNREACHABLE, "the connection broke"},
    {CURLE_PEER_FAILED_VERIFICATION, DL_CERTIFICATE, "certificate refused"},
    {CURLE_SSL_CACERT_BADFILE, DL_CERTIFICATE, "SSL_CERT_FILE cannot be used"},
    {CURLE_SSL_CERTPROBLEM, DL_CERTIFICATE, "certificate refused"},
    {CURLE_SSL_ISSUER_ERROR, DL_CERTIFICATE, "certificate refused"},
    {CURLE_SSL_INVALIDCERTSTATUS, DL_CERTIFICATE, "certificate refused"},
    {CURLE_UNSUPPORTED_PROTOCOL, DL_BAD_REPLY, "only https is asked"},
};

/* libcurl 7.88 calls a header line over 100 KiB "out of memory" too (lib/dynbuf.c): between the
 * request and the end of its head that is the likelier cause. */
static bool endless_line(const dl_stream *s, CURLcode code)
{
    return code == CURLE_OUT_OF_MEMORY && s->reply.sent && s->plan == DL_NO_HEAD;
}

void dl_judge_curl(dl_stream *s, CURLcode code)
{
    char host[256];
    curl_off_t sent = 0;
    curl_easy_getinfo(s->easy, CURLINFO_PRETRANSFER_TIME_T, &sent);
    s->reply.sent = sent > 0;
    dl_url_host(host, s->url);
    if (endless_line(s, code)) {
        dl_judge_own(s, DL_TOO_BIG, "%s: a header line beyond 100 KiB", host);
        return;
    }
    if (code == CURLE_OUT_OF_MEMORY) {
        s->status = nb_fail(&s->err, NB_NOMEM, "%s: no memory for a request", s->subject);
        return;
    }
    if (code == CURLE_OPERATION_TIMEDOUT) {
        if (s->reply.sent)
            dl_judge_own(s, DL_STALLED, "%s sent nothing for %d s", host, s->rq.timeout);
        else
            dl_judge_own(s, DL_UNREACHABLE, "no connection to %s within %d s", host, s->rq.timeout);
        return;
    }
    for (size_t i = 0; i < countof(curl_rows); i++) {
        if (curl_rows[i].code != code)
            continue;
        dl_judge_own(s, curl_rows[i].trouble, "%s: %s%s%s", host, curl_rows[i].text,
                     *s->why ? ": " : "", s->why);
        return;
    }
    dl_judge_own(s, DL_BAD_REPLY, "%s: %s", host, *s->why ? s->why : curl_easy_strerror(code));
}

void dl_judge_own(dl_stream *s, dl_trouble trouble, const char *fmt, ...)
{
    char text[sizeof s->err.msg];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    s->reply.trouble = trouble;
    s->status = nb_fail(&s->err, dl_trouble_status(trouble), "%s: %s", s->subject, text);
}
