#include "downloads/remote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "downloads/net.h"
#include "downloads/remote_own.h"

enum { SILENCE = 300, PATIENCE = 30, MODELS_MAX = 4 << 20, LISTED = 6 };

/* --- the address ----------------------------------------------------------------------------- */

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The part behind '#', %XX decoded; false for what no name is. */
static bool read_name(char out[256], const char *s)
{
    size_t n = 0;
    for (; *s; s++) {
        int high = *s == '%' ? hex(s[1]) : -1, low = high >= 0 ? hex(s[2]) : -1;
        char c = *s;
        if (low >= 0) {
            c = (char)(high * 16 + low);
            s += 2;
        }
        if ((unsigned char)c < ' ' || c == 0x7f || n + 1 >= 256)
            return false;
        out[n++] = c;
    }
    out[n] = '\0';
    uint32_t cp;
    for (size_t i = 0, k; i < n; i += k)
        if ((k = nb_utf8_next(out + i, n - i, &cp, NULL)) == 0)
            return false;
    return true;
}

/* Into r->base: /v1 where no path is given, no slash at the end. The address is not repeated when
 * it may hold a password. */
static nb_status read_base(dl_remote *r, const char *text, size_t n, nb_err *err)
{
    char plain[DL_URL_MAX];
    const char *from = memmem(text, n, "://", 3);
    size_t skip = from ? (size_t)(from - text) + 3 : 0, authority = 0;
    while (skip + authority < n && !strchr("/?", text[skip + authority]))
        authority++;
    if (memchr(text + skip, '@', authority))
        return nb_fail(err, NB_USAGE,
                       "the address holds a user or a password: an endpoint's key goes into "
                       "NIBBLE_API_KEY");
    if (n >= sizeof plain - 4 || memchr(text, '?', n))
        return nb_fail(err, NB_USAGE, "%s: expected https://host[:port][/path]#name",
                       n >= sizeof plain - 4 ? "a long address" : "an address with a query");
    memcpy(plain, text, n);
    plain[n] = '\0';
    if (!dl_url_join(r->base, "", plain))
        return nb_fail(err, NB_USAGE, "%.150s: expected https://host[:port][/path]#name", plain);
    size_t len = strlen(r->base), root = len;
    while (root > 0 && r->base[root - 1] == '/')
        root--;
    r->base[root] = '\0';
    if (!strchr(strstr(r->base, "://") + 3, '/'))
        memcpy(r->base + root, "/v1", 4);
    return NB_OK;
}

static nb_status read_model(dl_remote *r, const char *model, bool http, nb_err *err)
{
    size_t n = strcspn(model, "#");
    NB_TRY(read_base(r, model, n, err));
    dl_url_authority(r->host, r->base);
    if (model[n] && !read_name(r->name, model + n + 1))
        return nb_fail(err, NB_USAGE, "%.100s: the name behind # is too long, or no text", r->host);
    if (!dl_url_is_tls(r->base) && !dl_url_is_local(r->base) && !http)
        return nb_fail(err, NB_USAGE,
                       "%.100s: http is unencrypted, and that is another machine: https, or "
                       "nibble config remote-http on",
                       r->host);
    snprintf(r->label, sizeof r->label, "%s", *r->name ? r->name : r->host);
    return NB_OK;
}

/* --- life ------------------------------------------------------------------------------------ */

static void close_responder(nb_responder *who)
{
    dl_remote *r = (dl_remote *)(void *)who;
    dl_remote_close(&r);
}

static size_t piece(nb_responder *who, int32_t id, char *out, size_t cap)
{
    return dl_words_text(&((dl_remote *)(void *)who)->words, id, out, cap);
}

/* The network, whose Hub is the endpoint: its token is the key. */
static nb_status open_net(dl_remote *r, const dl_remote_options *opt, nb_err *err)
{
    dl_options *net = nb_alloc(1, sizeof *net, "network", err);
    if (!net)
        return NB_NOMEM;
    net->env = *opt->env;
    explicit_bzero(net->env.token, sizeof net->env.token); /* the Hub's */
    net->env.token_from[0] = '\0';
    nb_status st = NB_OK;
    if (strlen(r->base) >= sizeof net->env.endpoint)
        st = nb_fail(err, NB_USAGE, "%.100s: the address is too long", r->host);
    else
        memcpy(net->env.endpoint, r->base, strlen(r->base) + 1);
    if (dl_url_is_local(r->base)) /* a proxy would ask its own machine */
        net->env.proxy_http[0] = net->env.proxy_https[0] = '\0';
    if (opt->key && *opt->key && strlen(opt->key) < sizeof net->env.token) {
        memcpy(net->env.token, opt->key, strlen(opt->key) + 1);
        snprintf(net->env.token_from, sizeof net->env.token_from, "%s", opt->key_from);
    }
    net->offline = opt->offline;
    net->patience = opt->patience > 0 ? opt->patience : PATIENCE;
    if (st == NB_OK)
        st = dl_net_open(&r->net, net, err);
    nb_hub_env_wipe(&net->env);
    free(net);
    return st;
}

nb_status dl_remote_open(dl_remote **out, const char *model, const dl_remote_options *opt,
                         nb_err *err)
{
    dl_remote *r = nb_alloc(1, sizeof *r, "remote model", err);
    if (!r)
        return NB_NOMEM;
    pthread_mutex_init(&r->lock, NULL);
    dl_words_open(&r->words);
    r->silence = opt->silence > 0 ? opt->silence : SILENCE;
    r->responder = (nb_responder){dl_remote_ask, close_responder, r->label, piece};
    nb_status st = read_model(r, model, opt->http, err);
    if (st == NB_OK)
        st = open_net(r, opt, err);
    if (st != NB_OK)
        dl_remote_close(&r);
    else
        *out = r;
    return st;
}

nb_status dl_remote_check(const char *model, bool http, nb_err *err)
{
    dl_remote *r = nb_alloc(1, sizeof *r, "remote model", err);
    if (!r)
        return NB_NOMEM;
    nb_status st = read_model(r, model, http, err);
    free(r);
    return st;
}

bool dl_remote_in_clear(const char *model, char host[256])
{
    bool clear = false;
    dl_remote *r = nb_alloc(1, sizeof *r, "remote model", NULL);
    if (r && read_model(r, model, true, NULL) == NB_OK) {
        clear = !dl_url_is_tls(r->base) && !dl_url_is_local(r->base);
        snprintf(host, 256, "%.255s", r->host);
    }
    free(r);
    return clear;
}

void dl_remote_close(dl_remote **pr)
{
    dl_remote *r = *pr;
    if (!r)
        return;
    dl_net_close(&r->net);
    dl_words_close(&r->words);
    pthread_mutex_destroy(&r->lock);
    free(r);
    *pr = NULL;
}

nb_responder *dl_remote_responder(dl_remote *r)
{
    return &r->responder;
}

const char *dl_remote_host(const dl_remote *r)
{
    return r->host;
}

void dl_remote_name(dl_remote *r, char out[256])
{
    pthread_mutex_lock(&r->lock);
    memcpy(out, r->name, sizeof r->name);
    pthread_mutex_unlock(&r->lock);
}

dl_trouble dl_remote_trouble(const dl_remote *r)
{
    return (dl_trouble)atomic_load(&r->trouble);
}

const char *dl_remote_remedy(dl_trouble t)
{
    static const struct {
        dl_trouble trouble;
        const char *remedy;
    } rows[] = {
        {DL_UNREACHABLE, "check the address, the port and that the server runs"},
        {DL_STALLED, "what has arrived is kept"},
        {DL_RATE_LIMITED, "wait, or ask whose endpoint it is for more"},
        {DL_OFFLINE_MODE, "HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE or --offline is set"},
        {DL_BAD_REQUEST, "its words tell what it does not take"},
    };
    for (size_t i = 0; i < countof(rows); i++)
        if (rows[i].trouble == t)
            return rows[i].remedy;
    return dl_trouble_remedy(t);
}

/* --- requests -------------------------------------------------------------------------------- */

static nb_status call(dl_remote *r, dl_request *rq, const char *path, dl_reply *reply,
                      const nb_hooks *hooks, nb_err *err)
{
    char url[DL_URL_MAX + 64], subject[256];
    snprintf(url, sizeof url, "%s%s", r->base, path);
    dl_remote_name(r, subject);
    rq->url = url;
    rq->remote = true;
    rq->follow = DL_FOLLOW_HUB;
    rq->timeout = r->silence;
    rq->subject = *subject ? subject : r->host;
    nb_status st = dl_call(r->net, rq, reply, hooks, err);
    atomic_store(&r->trouble, (int)reply->trouble);
    return st;
}

nb_status dl_remote_post(dl_remote *r, const char *path, const nb_str *json,
                         bool (*take)(void *ud, const void *bytes, size_t n), void *ud,
                         dl_reply *reply, const nb_hooks *hooks, nb_err *err)
{
    dl_request rq = {.method = DL_POST,
                     .json = nb_str_c(json),
                     .body_max = DL_ANSWER_MAX,
                     .take = take,
                     .take_ud = ud};
    return call(r, &rq, path, reply, hooks, err);
}

/* Those served, as a list that fits into a sentence. Foreign text. */
static void list_models(nb_str *out, const nb_jval *data)
{
    size_t n = 0;
    for (const nb_jval *m = nb_jfirst(data); m; m = nb_jnext(m)) {
        const char *id = "?";
        nb_jstr(nb_jget(m, "id"), &id);
        if (n < LISTED && out->len < 120) {
            nb_str_add(out, n ? ", " : "");
            nb_safe_text(out, id, nb_utf8_whole(id, strnlen(id, 60)), NB_SAFE_ONE_LINE);
            n++;
        }
    }
    if (n < nb_jlen(data))
        nb_str_addf(out, " and %zu more", nb_jlen(data) - n);
}

static nb_status choose(dl_remote *r, const dl_reply *reply, nb_err *err)
{
    nb_json *doc = NULL;
    const char *id = "";
    nb_str names = {0};
    NB_TRY(nb_json_parse(&doc, nb_str_c(&reply->body), reply->body.len, MODELS_MAX, r->host, err));
    const nb_jval *data = nb_jget(nb_json_root(doc), "data");
    size_t n = nb_jkind_of(data) == NB_JARRAY ? nb_jlen(data) : 0;
    nb_status st = NB_OK;
    if (n == 0) {
        st = nb_fail(err, NB_NOTFOUND, "%.100s: the endpoint names no model: give one as #name",
                     r->host);
    } else if (n > 1) {
        list_models(&names, data);
        st = nb_fail(err, NB_USAGE, "%.60s: several models, choose one as #name: %.150s", r->host,
                     nb_str_c(&names));
    } else if (!nb_jstr(nb_jget(nb_jfirst(data), "id"), &id) || !*id ||
               strlen(id) >= sizeof r->name) {
        st = nb_fail(err, NB_FORMAT, "%.100s: the endpoint's model has no name", r->host);
    } else {
        pthread_mutex_lock(&r->lock);
        memcpy(r->name, id, strlen(id) + 1);
        pthread_mutex_unlock(&r->lock);
    }
    nb_str_free(&names);
    nb_json_close(&doc);
    return st;
}

nb_status dl_remote_need_name(dl_remote *r, char out[256], const nb_hooks *hooks, nb_err *err)
{
    dl_reply reply;
    dl_remote_name(r, out);
    if (*out)
        return NB_OK;
    dl_request rq = {.method = DL_GET, .body_max = MODELS_MAX};
    nb_status st = call(r, &rq, "/models", &reply, hooks, err);
    if (st == NB_OK)
        st = choose(r, &reply, err);
    dl_reply_free(&reply);
    dl_remote_name(r, out);
    return st;
}
