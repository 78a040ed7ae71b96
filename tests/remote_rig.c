#include "tests/remote_rig.h"

#include <math.h>
#include <string.h>

#include "core/base/job.h"
#include "downloads/http.h"
#include "tests/check.h"

dl_remote *far_open(const char *model, const dl_remote_options *opt)
{
    dl_remote_options all = opt ? *opt : (dl_remote_options){0};
    nb_hub_env env = {.etag_timeout = 10, .download_timeout = 10};
    dl_remote *r = NULL;
    nb_err err = {0};
    if (!all.env)
        all.env = &env;
    all.patience = all.patience > 0 ? all.patience : 4;
    all.silence = all.silence > 0 ? all.silence : 10;
    check(dl_remote_open(&r, model, &all, &err) == NB_OK, "%s", err.msg);
    return r;
}

static void on_token(void *arg, const nb_token_event *e)
{
    far_answer *a = arg;
    if (e->id < 0) {
        a->bare++;
    } else if (a->n < 256) {
        far_token *t = &a->token[a->n++];
        *t = (far_token){.id = e->id, .logprob = e->logprob, .start = a->text.len, .len = e->len};
        while (t->n_top < NB_TOP && e->top_id[t->n_top] >= 0)
            t->n_top++;
    }
    nb_str_addn(&a->text, e->text, e->len);
    if (a->cancel_at_first && !a->cancel) {
        a->canceled = dl_clock();
        a->cancel = true;
    }
}

static void on_progress(void *ud, const nb_progress *p)
{
    far_answer *a = ud;
    if (strncmp(p->what, "rate limited", 12) == 0)
        nb_short(a->what, sizeof a->what, p->what);
}

static bool on_canceled(void *ud)
{
    const far_answer *a = ud;
    return a->cancel || (a->cancel_after > 0 && dl_clock() >= a->canceled);
}

void far_ask(dl_remote *r, const nb_ask *ask, far_answer *a)
{
    nb_responder *who = dl_remote_responder(r);
    const nb_hooks hooks = {on_progress, on_canceled, a};
    nb_ask mine = *ask;
    double start = dl_clock();
    *a = (far_answer){.cancel_at_first = a->cancel_at_first, .cancel_after = a->cancel_after};
    a->canceled = a->cancel_after > 0 ? start + a->cancel_after : 0;
    mine.token = on_token;
    mine.arg = a;
    a->status = who->ask(who, &mine, &a->stats, &hooks, &a->err);
    a->seconds = dl_clock() - start;
}

void far_say(dl_remote *r, const char *question, far_answer *a)
{
    const nb_message m = {NB_USER, question, strlen(question)};
    const nb_ask ask = {.messages = &m, .n_messages = 1, .sampling = nb_sampling_greedy()};
    far_ask(r, &ask, a);
}

void far_free(far_answer *a)
{
    nb_str_free(&a->text);
}
