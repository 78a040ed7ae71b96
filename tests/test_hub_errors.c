/* hub 20: each way a server refuses, through each question that can be asked: its own words, its
 * trouble, its exit code, and whose token it was. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "downloads/hub.h"
#include "tests/check.h"
#include "tests/net_rig.h"

typedef enum question { REPO, SEARCH, CARD, HEADER, WHOAMI } question;
typedef enum who { NOBODY, GRANTED, STRANGER, PENDING, NO_SCOPE, UNKNOWN } who;

#define PENDING_TOKEN  "hf_Pending"
#define NARROW_TOKEN   "hf_FineGrained"
#define STRANGER_TOKEN "hf_Stranger"

static const struct {
    const char *token, *from;
} callers[] = {
    [NOBODY] = {"", ""},
    [GRANTED] = {RIG_TOKEN, "HF_TOKEN"},
    [STRANGER] = {STRANGER_TOKEN, "/home/u/.cache/huggingface/token"},
    [PENDING] = {PENDING_TOKEN, "HF_TOKEN"},
    [NO_SCOPE] = {NARROW_TOKEN, "HUGGING_FACE_HUB_TOKEN"},
    [UNKNOWN] = {"hf_Expired", "/home/u/.cache/huggingface/token"},
};

typedef struct refusal {
    question ask;
    who as;
    const char *id, *fault;
    dl_trouble trouble;
    int exit;
    const char *says[3]; /* NULL = no more */
} refusal;

static const refusal refusals[] = {
    /* a gated repository is shown before it is asked for files */
    {REPO, NOBODY, "ns/gated", NULL, DL_OK, 0, {NULL}},
    {CARD, NOBODY, "ns/gated", NULL, DL_GATED_LOGIN, 8, {"ns/gated", "no token was sent"}},
    {HEADER, NOBODY, "ns/gated", NULL, DL_GATED_LOGIN, 8, {"m.gguf", "no token was sent"}},
    {HEADER,
     STRANGER,
     "ns/gated",
     NULL,
     DL_GATED_PENDING,
     8,
     {"not granted", "token from /home/u/.cache/huggingface/token"}},
    {HEADER,
     PENDING,
     "ns/gated",
     NULL,
     DL_GATED_PENDING,
     8,
     {"not granted", "awaiting a review", "token from HF_TOKEN"}},
    {HEADER,
     NO_SCOPE,
     "ns/gated",
     NULL,
     DL_GATED_PENDING,
     8,
     {"fine-grained token", "token from HUGGING_FACE_HUB_TOKEN"}},
    {HEADER, GRANTED, "ns/gated", NULL, DL_OK, 0, {NULL}},
    /* the Hub hides whether a repository is private or not there */
    {REPO,
     NOBODY,
     "ns/none",
     NULL,
     DL_PRIVATE_OR_NONE,
     4,
     {"ns/none", "private", "no token was sent"}},
    {REPO, NOBODY, "ns/hidden", NULL, DL_PRIVATE_OR_NONE, 4, {"private", "no token was sent"}},
    {REPO, STRANGER, "ns/hidden", NULL, DL_NO_REPO, 4, {"no such repository"}},
    {REPO, GRANTED, "ns/hidden", NULL, DL_OK, 0, {NULL}},
    {REPO, GRANTED, "ns/none", NULL, DL_NO_REPO, 4, {"ns/none", "no such repository"}},
    {REPO, GRANTED, "ns/repo@gone", NULL, DL_NO_REVISION, 4, {"no such revision", "gone"}},
    {CARD, GRANTED, "ns/repo", NULL, DL_NO_FILE, 4, {"no such file"}},
    {REPO, GRANTED, "ns/off", NULL, DL_DISABLED, 8, {"disabled"}},
    /* the token itself */
    {REPO,
     UNKNOWN,
     "ns/repo",
     NULL,
     DL_BAD_TOKEN,
     8,
     {"the token was refused", "token from /home/u/.cache/huggingface/token"}},
    {SEARCH, UNKNOWN, "", NULL, DL_BAD_TOKEN, 8, {"search", "token from /home/u"}},
    {WHOAMI, UNKNOWN, "", NULL, DL_BAD_TOKEN, 8, {"whoami", "token from /home/u"}},
    {WHOAMI, NOBODY, "", NULL, DL_OK, 8, {"no token", "HF_TOKEN"}},
    {WHOAMI, GRANTED, "", "status=401 body=x", DL_BAD_TOKEN, 8, {"token from HF_TOKEN"}},
    {REPO, GRANTED, "ns/repo", "status=403", DL_FORBIDDEN, 8, {"permission", "from HF_TOKEN"}},
    {SEARCH, NOBODY, "", "status=403", DL_FORBIDDEN, 8, {"permission", "no token was sent"}},
    /* the server */
    {REPO, GRANTED, "ns/repo", "status=400", DL_BAD_REQUEST, 7, {"refused", "HTTP 400"}},
    {REPO, GRANTED, "ns/repo", "status=451", DL_SERVER, 7, {"server failed", "HTTP 451"}},
    {SEARCH, GRANTED, "", "status=500", DL_SERVER, 7, {"server failed", "HTTP 500"}},
    {REPO, GRANTED, "ns/repo", "status=429", DL_RATE_LIMITED, 7, {"rate limited", "HTTP 429"}},
    {SEARCH, GRANTED, "", "rst", DL_UNREACHABLE, 7, {"127.0.0.1"}},
    {REPO, GRANTED, "ns/repo", "body=\"<html>x\"", DL_BAD_REPLY, 7, {"ns/repo"}},
    {REPO, GRANTED, "ns/repo", "body={}", DL_BAD_REPLY, 7, {"ns/repo", "no id"}},
    {REPO,
     GRANTED,
     "ns/repo",
     "body=\"{\\\"id\\\":\\\"ns/repo\\\"}\"",
     DL_BAD_REPLY,
     7,
     {"no commit"}},
    {WHOAMI, GRANTED, "", "body={}", DL_BAD_REPLY, 7, {"whoami", "no name"}},
    {WHOAMI, GRANTED, "", "body=[]", DL_BAD_REPLY, 7, {"whoami"}},
    {SEARCH, GRANTED, "", "body=[", DL_BAD_REPLY, 7, {"search"}},
    {SEARCH, GRANTED, "", "redirect={cdn}/login", DL_NOT_A_HUB, 7, {"elsewhere"}},
    {WHOAMI, GRANTED, "", "redirect={cdn}/login", DL_NOT_A_HUB, 7, {"elsewhere"}},
    {REPO, GRANTED, "ns/repo", "loop", DL_REDIRECTS, 7, {"itself"}},
    {REPO, GRANTED, "ns/repo", "gzip", DL_BAD_REPLY, 7, {"compressed"}},
};

static void fill(net_rig *rig)
{
    static const char *const known[] = {PENDING_TOKEN, NARROW_TOKEN, STRANGER_TOKEN};
    fake_repo *gated =
        fake_hub_add(rig->hub, &(fake_repo_info){.id = "ns/gated", .gated = FAKE_GATED_MANUAL});
    fake_repo *hidden =
        fake_hub_add(rig->hub, &(fake_repo_info){.id = "ns/hidden", .is_private = true});
    fake_hub_add(rig->hub, &(fake_repo_info){.id = "ns/off", .disabled = true});
    for (size_t i = 0; i < countof(known); i++)
        fake_hub_token(rig->hub, &(fake_token){.token = known[i]});
    fake_repo_grant(gated, RIG_TOKEN, FAKE_GRANTED);
    fake_repo_grant(gated, PENDING_TOKEN, FAKE_PENDING);
    fake_repo_grant(gated, NARROW_TOKEN, FAKE_NO_GATED_SCOPE);
    fake_repo_grant(hidden, RIG_TOKEN, FAKE_GRANTED);
    /* the smallest GGUF: version 3, no tensors, no keys */
    static const char gguf[32] = "GGUF\3";
    check(fake_repo_file(gated, &(fake_file){.path = "m.gguf", .bytes = gguf, .size = sizeof gguf},
                         NULL) == NB_OK,
          "no file");
}

static nb_status ask_repo(net_rig *rig, const refusal *r, dl_trouble *trouble, nb_err *err)
{
    char id[64];
    dl_repo repo;
    snprintf(id, sizeof id, "%s", r->id);
    char *at = strchr(id, '@');
    if (at)
        *at = '\0';
    nb_status st = dl_hub_repo(rig->net, id, at ? at + 1 : NULL, &repo, trouble, NULL, err);
    if (st == NB_OK) {
        check(strcmp(id, "ns/gated") != 0 || repo.model.gated == DL_GATED_MANUAL,
              "a gated repository is not told gated");
        dl_repo_free(&repo);
    }
    return st;
}

static nb_status put_question(net_rig *rig, const refusal *r, dl_trouble *trouble, nb_err *err)
{
    dl_page page = {.n = 0};
    dl_header header;
    dl_account account;
    nb_str card = {0};
    const dl_search any = {.gated = -1, .limit = 10};
    const dl_file file = {.path = "m.gguf", .size = 32};
    const fake_repo *repo = *r->id ? fake_hub_repo(rig->hub, r->id) : NULL;
    const char *commit = repo ? fake_repo_head(repo) : "";
    nb_status st = NB_ERROR;
    switch (r->ask) {
    case REPO:
        return ask_repo(rig, r, trouble, err);
    case SEARCH:
        st = dl_hub_search(rig->net, NULL, &any, NULL, &page, trouble, NULL, err);
        dl_page_free(&page);
        break;
    case CARD:
        st = dl_hub_card(rig->net, r->id, commit, &card, trouble, NULL, err);
        nb_str_free(&card);
        break;
    case HEADER:
        st = dl_hub_header(rig->net, r->id, commit, &file, &header, trouble, NULL, err);
        if (st == NB_OK)
            dl_header_free(&header);
        break;
    case WHOAMI:
        st = dl_hub_whoami(rig->net, &account, trouble, NULL, err);
        break;
    }
    return st;
}

static void is_refused(net_rig *rig, size_t i)
{
    const refusal *r = &refusals[i];
    dl_trouble trouble = DL_TROUBLES;
    nb_err err = {0};
    char line[256];
    fake_hub_faults_clear(rig->hub);
    snprintf(line, sizeof line, "GET hub:* %s", r->fault ? r->fault : "");
    if (r->fault)
        fix_fault(rig->hub, line);
    dl_net_token(rig->net, callers[r->as].token, callers[r->as].from);
    nb_status st = put_question(rig, r, &trouble, &err);
    check(nb_exit_code(st) == r->exit, "row %zu: status %d: %s", i, st, err.msg);
    check(trouble == r->trouble, "row %zu: %s: %s", i, dl_trouble_name(trouble), err.msg);
    check(trouble == DL_OK || st == dl_trouble_status(trouble), "row %zu: %d is not %s", i, st,
          dl_trouble_name(trouble));
    check(trouble == DL_OK || *dl_trouble_remedy(trouble), "row %zu: no remedy", i);
    for (int k = 0; k < 3 && r->says[k]; k++)
        check(strstr(err.msg, r->says[k]), "row %zu: no \"%s\" in: %s", i, r->says[k], err.msg);
    check(!*callers[r->as].token || !strstr(err.msg, callers[r->as].token), "row %zu: %s", i,
          err.msg);
    fake_request *log;
    size_t n = fake_hub_log(rig->hub, &log);
    for (size_t k = 0; k < n; k++)
        check(log[k].port == FAKE_HUB || !log[k].authorization, "row %zu: %s got the token", i,
              log[k].target);
    fake_hub_log_free(log, n);
}

/* A net of its own for each row: a rate limit holds back all that comes after it. */
CHECK_TEST(hub_errors, each_refusal_has_its_words_trouble_and_exit_code_hub_20)
{
    const dl_options opt = {.patience = .2};
    for (size_t i = 0; i < countof(refusals); i++) {
        net_rig rig = rig_up(&opt, &(fake_hub_options){.window = 1});
        fill(&rig);
        is_refused(&rig, i);
        rig_down(&rig);
    }
}

/* No two troubles of the API sound alike. */
CHECK_TEST(hub_errors, no_trouble_is_told_like_another_hub_20)
{
    for (int a = DL_OK + 1; a < DL_TROUBLES; a++)
        for (int b = a + 1; b < DL_TROUBLES; b++) {
            check(strcmp(dl_trouble_name(a), dl_trouble_name(b)) != 0, "%s twice",
                  dl_trouble_name(a));
            check(strcmp(dl_trouble_remedy(a), dl_trouble_remedy(b)) != 0, "%s, %s: %s",
                  dl_trouble_name(a), dl_trouble_name(b), dl_trouble_remedy(a));
        }
}

static dl_account whoami(net_rig *rig)
{
    dl_account a;
    dl_trouble trouble = DL_TROUBLES;
    nb_err err = {0};
    check(dl_hub_whoami(rig->net, &a, &trouble, NULL, &err) == NB_OK && trouble == DL_OK, "%s",
          err.msg);
    return a;
}

CHECK_TEST(hub_errors, whoami_is_asked_once_a_token_hub_20)
{
    static const char *const orgs[] = {"first", "second", NULL};
    net_rig rig = rig_up(NULL, &(fake_hub_options){.whoami_limit = 2});
    fake_hub_token(rig.hub, &(fake_token){.token = "hf_Other",
                                          .name = "other",
                                          .role = "fineGrained",
                                          .orgs = orgs,
                                          .pro = true});
    for (int i = 0; i < 5; i++) {
        dl_account a = whoami(&rig);
        check(strcmp(a.name, "tester") == 0 && strcmp(a.role, "read") == 0 && !a.pro &&
                  a.n_org == 0,
              "%s %s", a.name, a.role);
    }
    check(fake_hub_count(rig.hub, FAKE_HUB, NULL, "/api/whoami-v2") == 1, "asked again");
    dl_net_token(rig.net, "hf_Other", "HF_TOKEN");
    for (int i = 0; i < 5; i++) {
        dl_account a = whoami(&rig);
        check(strcmp(a.name, "other") == 0 && strcmp(a.role, "fineGrained") == 0 && a.pro &&
                  a.n_org == 2 && strcmp(a.org[1], "second") == 0,
              "%s %s %zu", a.name, a.role, a.n_org);
    }
    check(fake_hub_count(rig.hub, FAKE_HUB, NULL, "/api/whoami-v2") == 2, "once for each token");
    rig_down(&rig);
}
