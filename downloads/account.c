/* Who the token belongs to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "downloads/hub_private.h"
#include "downloads/take.h"

static void take_orgs(nb_jpull *p, dl_account *a)
{
    char key[64], name[100];
    nb_jtoken t = nb_jpull_next(p);
    if (t != NB_JT_ARRAY) {
        dl_rest(p, t);
        return;
    }
    while ((t = nb_jpull_next(p)) != NB_JT_ARRAY_END && t != NB_JT_ERROR) {
        if (t != NB_JT_OBJECT) {
            dl_rest(p, t);
            continue;
        }
        name[0] = '\0';
        while (dl_next_member(p, key))
            if (strcmp(key, "name") == 0)
                dl_take_text(p, name, sizeof name);
            else
                nb_jpull_skip(p);
        if (name[0] && a->n_org < countof(a->org))
            memcpy(a->org[a->n_org++], name, sizeof name);
    }
}

/* auth: {accessToken: {displayName, role}}: one text of one member, two objects deep. */
static void take_role(nb_jpull *p, dl_account *a)
{
    nb_jtoken t = nb_jpull_next(p);
    int depth = p->depth - (t == NB_JT_OBJECT || t == NB_JT_ARRAY);
    char key[64] = "";
    while (t != NB_JT_ERROR && p->depth > depth) {
        t = nb_jpull_next(p);
        if (t == NB_JT_KEY)
            snprintf(key, sizeof key, "%s", nb_str_c(&p->text));
        else if (t == NB_JT_STRING && strcmp(key, "role") == 0)
            snprintf(a->role, sizeof a->role, "%.23s", nb_str_c(&p->text));
    }
}

static nb_status read_account(const char *json, size_t n, const char *what, dl_account *out,
                              nb_err *err)
{
    char key[64];
    nb_jpull p;
    dl_account a = {.pro = false};
    nb_jpull_open(&p, json, n, what, err);
    nb_status st = dl_expect(&p, nb_jpull_next(&p), NB_JT_OBJECT, "object", err);
    while (st == NB_OK && dl_next_member(&p, key)) {
        if (strcmp(key, "name") == 0)
            dl_take_text(&p, a.name, sizeof a.name);
        else if (strcmp(key, "fullname") == 0)
            dl_take_text(&p, a.fullname, sizeof a.fullname);
        else if (strcmp(key, "isPro") == 0)
            dl_take_bool(&p, &a.pro);
        else if (strcmp(key, "orgs") == 0)
            take_orgs(&p, &a);
        else if (strcmp(key, "auth") == 0)
            take_role(&p, &a);
        else
            nb_jpull_skip(&p);
    }
    if (st == NB_OK)
        st = p.status;
    if (st == NB_OK && !a.name[0])
        st = nb_fail(err, NB_NETWORK, "%s: the answer has no name", what);
    if (st == NB_OK)
        *out = a;
    return nb_jpull_end(&p, st);
}

/* The last answer, kept with the net: the endpoint limits these requests tightly. */
typedef struct kept {
    uint64_t token; /* dl_net_mark it was asked with */
    dl_account account;
} kept;

static nb_status ask_account(dl_net *net, dl_account *out, dl_trouble *trouble,
                             const nb_hooks *hooks, nb_err *err)
{
    nb_str url = {0};
    nb_str_add(&url, "/api/whoami-v2");
    dl_reply reply;
    nb_status st = dl_get_json(net, &url, "whoami", &reply, hooks, err);
    *trouble = reply.trouble;
    if (st == NB_OK)
        st = dl_believed(read_account(nb_str_c(&reply.body), reply.body.len, "whoami", out, err),
                         trouble, err);
    dl_reply_free(&reply);
    nb_str_free(&url);
    return st;
}

nb_status dl_hub_whoami(dl_net *net, dl_account *out, dl_trouble *trouble, const nb_hooks *hooks,
                        nb_err *err)
{
    bool has_token;
    dl_trouble unused = DL_OK;
    trouble = trouble ? trouble : &unused;
    *trouble = DL_OK;
    uint64_t token = dl_net_mark(net, &has_token);
    if (!has_token)
        return nb_fail(err, NB_DENIED,
                       "no token: set HF_TOKEN, or store one with A in the workbench");
    kept *k = dl_net_swap_kept(net, NULL);
    if (!k || k->token != token) {
        free(k);
        k = nb_alloc(1, sizeof *k, "account", err);
        nb_status st = k ? ask_account(net, &k->account, trouble, hooks, err) : NB_NOMEM;
        if (st != NB_OK) {
            free(k);
            return st;
        }
        k->token = token;
    }
    *out = k->account;
    free(dl_net_swap_kept(net, k));
    return NB_OK;
}
