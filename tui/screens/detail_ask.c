/* What Detail asks of the Hub, a job each: the repository, then what its model is and its card, and
 * a header when it is wanted. */
#include "tui/screens/detail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- jobs ----------------------------------------------------------------------------------------
 */

static nb_status load(nb_job *job, void *arg, nb_err *err)
{
    detail_load *l = arg;
    nb_hooks hooks = nb_job_hooks(job);
    NB_TRY(dl_hub_repo(l->net, l->id, l->revision, &l->repo, &l->trouble, &hooks, err));
    return dl_choices_make(&l->repo, &l->choices, err);
}

/* Neither is needed for downloading: what cannot be had stays away, but for a cancel. */
static nb_status more(nb_job *job, void *arg, nb_err *err)
{
    detail_more *m = arg;
    nb_hooks hooks = nb_job_hooks(job);
    nb_status st =
        dl_hub_card(m->net, m->repo->model.id, m->repo->commit, &m->card, NULL, &hooks, err);
    m->has_card = st == NB_OK;
    if (st != NB_CANCELED)
        st = dl_hub_entry(m->net, m->repo, m->choices, &m->entry, &hooks, err);
    m->has_entry = st == NB_OK;
    return st == NB_CANCELED ? st : NB_OK;
}

static nb_status peek(nb_job *job, void *arg, nb_err *err)
{
    detail_peek *p = arg;
    nb_hooks hooks = nb_job_hooks(job);
    return dl_hub_header(p->net, p->repo->model.id, p->repo->commit, &p->repo->file[p->file],
                         &p->header, &p->trouble, &hooks, err);
}

/* --- starting ------------------------------------------------------------------------------------
 */

void ui_detail_ask(detail *d)
{
    nb_err err = {.status = NB_OK};
    dl_net *net = ui_app_net(d->app, &err);
    d->problem = (nb_err){.status = NB_OK};
    d->load = (detail_load){.net = net};
    memcpy(d->load.id, d->id, sizeof d->id);
    memcpy(d->load.revision, d->revision, sizeof d->revision);
    if (!net || ui_app_job(d->app, &d->job, UI_DETAIL, "hub", d->id, load, &d->load, &err) != NB_OK)
        d->problem = err;
}

static void ask_more(detail *d)
{
    nb_err err;
    d->more = (detail_more){.net = d->load.net, .repo = &d->repo, .choices = &d->choices};
    if (ui_app_job(d->app, &d->more_job, UI_DETAIL, "hub", "card and shape", more, &d->more,
                   &err) != NB_OK)
        ui_app_log(d->app, "%s", err.msg);
}

void ui_detail_peek(detail *d)
{
    nb_err err;
    const dl_choice *c = ui_detail_current(d);
    if (!c || d->peek_job)
        return;
    size_t file = ui_detail_header_file(c);
    if (d->has_header && d->header_of == file)
        return;
    d->header_problem[0] = '\0';
    d->peek = (detail_peek){.net = d->load.net, .repo = &d->repo, .file = file};
    if (ui_app_job(d->app, &d->peek_job, UI_DETAIL, "hub", d->repo.file[file].path, peek, &d->peek,
                   &err) != NB_OK)
        snprintf(d->header_problem, sizeof d->header_problem, "%s", err.msg);
}

/* --- what comes back -----------------------------------------------------------------------------
 */

void ui_detail_drop(detail *d)
{
    dl_header_free(&d->header);
    dl_choices_free(&d->choices);
    dl_repo_free(&d->repo);
    nb_str_free(&d->card);
    ui_md_close(&d->md);
    free(d->row);
    free(d->marked);
    d->row = NULL;
    d->marked = NULL;
    d->n_row = d->card_top = 0;
    d->loaded = d->has_entry = d->has_card = d->has_header = false;
    d->list = d->tensors = (ui_list){0};
    ui_list_hide(&d->list);
    ui_list_hide(&d->tensors);
}

static void loaded(detail *d, const nb_err *result)
{
    d->trouble = d->load.trouble;
    if (result->status != NB_OK) {
        dl_choices_free(&d->load.choices);
        dl_repo_free(&d->load.repo);
        d->problem = *result;
        return;
    }
    ui_detail_drop(d);
    d->repo = d->load.repo;
    d->choices = d->load.choices;
    d->loaded = true;
    memcpy(d->id, d->repo.model.id, sizeof d->id); /* a renamed one has another */
    d->marked = ui_xcalloc(d->choices.n + 1, sizeof *d->marked);
    d->load = (detail_load){.net = d->load.net};
    ui_detail_arrange(d);
    ask_more(d);
}

static void got_more(detail *d)
{
    d->has_entry = d->more.has_entry;
    d->entry = d->more.entry;
    d->has_card = d->more.has_card;
    nb_str_free(&d->card);
    d->card = d->more.card;
    d->more = (detail_more){.net = NULL};
}

static void peeked(detail *d, const nb_err *result)
{
    if (result->status != NB_OK) {
        dl_header_free(&d->peek.header);
        const char *remedy = dl_trouble_remedy(d->peek.trouble);
        snprintf(d->header_problem, sizeof d->header_problem, "%s%s%s", result->msg,
                 *remedy ? "; " : "", remedy);
        return;
    }
    dl_header_free(&d->header);
    d->header = d->peek.header;
    d->header_of = d->peek.file;
    d->has_header = true;
    d->tensors = (ui_list){0};
    ui_list_hide(&d->tensors);
}

/* A repository asked for while jobs still looked at the last one. */
static void go_on(detail *d)
{
    if (!d->leave_after || d->job || d->more_job || d->peek_job)
        return;
    d->leave_after = false;
    ui_detail_drop(d);
    memcpy(d->id, d->next_id, sizeof d->id);
    memcpy(d->revision, d->next_revision, sizeof d->revision);
    ui_detail_ask(d);
}

void ui_detail_event(void *self, const nb_event *e)
{
    detail *d = self;
    if (e->kind != NB_EVENT_DONE)
        return;
    if (e->job == d->job) {
        d->job = NULL;
        loaded(d, &e->err);
    } else if (e->job == d->more_job) {
        d->more_job = NULL;
        got_more(d);
    } else if (e->job == d->peek_job) {
        d->peek_job = NULL;
        peeked(d, &e->err);
    }
    go_on(d);
}
