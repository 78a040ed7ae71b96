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
    nb_status st = NB_OK;
    if (!m->has_card) {
        st = dl_hub_card(m->net, m->repo->model.id, m->repo->commit, &m->card, &m->card_trouble,
                         &hooks, err);
        m->has_card = st == NB_OK;
    }
    if (!m->has_entry && st != NB_CANCELED) {
        st = dl_hub_entry(m->net, m->repo, m->choices, &m->entry, &hooks, err);
        m->has_entry = st == NB_OK;
    }
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
    if (d->has_entry && d->has_card)
        return;
    d->more = (detail_more){.net = d->load.net,
                            .repo = &d->repo,
                            .choices = &d->choices,
                            .has_entry = d->has_entry,
                            .has_card = d->has_card};
    if (ui_app_job(d->app, &d->more_job, UI_DETAIL, "hub", "card and shape", more, &d->more,
                   &err) != NB_OK)
        ui_app_log(d->app, "%s", err.msg);
}

void ui_detail_peek(detail *d)
{
    nb_err err;
    const dl_choice *c = ui_detail_current(d);
    if (!c || d->peek_job || d->job) /* that one replaces the repository */
        return;
    size_t file = ui_detail_header_file(c);
    if (d->has_header && d->header_of == file)
        return;
    d->header_problem[0] = '\0';
    d->problem_of = file;
    d->peek = (detail_peek){.net = d->load.net, .repo = &d->repo, .file = file};
    if (ui_app_job(d->app, &d->peek_job, UI_DETAIL, "hub", d->repo.file[file].path, peek, &d->peek,
                   &err) != NB_OK)
        snprintf(d->header_problem, sizeof d->header_problem, "%s", err.msg);
}

/* --- what is kept -------------------------------------------------------------------------------
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
    d->header_problem[0] = '\0';
    d->card_trouble = DL_OK;
    d->loaded = d->has_entry = d->has_card = d->has_header = false;
    d->list = d->tensors = (ui_list){0};
    ui_list_hide(&d->list);
    ui_list_hide(&d->tensors);
}

static void free_kept(detail_kept *k)
{
    dl_header_free(&k->header);
    dl_choices_free(&k->choices);
    dl_repo_free(&k->repo);
    nb_str_free(&k->card);
}

void ui_detail_drop_kept(detail *d)
{
    while (d->n_kept > 0)
        free_kept(&d->kept[--d->n_kept]);
}

/* What is loaded, out of d, which is to be dropped next. */
static void take_out(detail *d, detail_kept *k)
{
    *k = (detail_kept){.repo = d->repo,
                       .choices = d->choices,
                       .has_entry = d->has_entry,
                       .has_card = d->has_card,
                       .has_header = d->has_header,
                       .entry = d->entry,
                       .card = d->card,
                       .card_trouble = d->card_trouble,
                       .header = d->header,
                       .header_of = d->header_of};
    memcpy(k->id, d->id, sizeof k->id);
    memcpy(k->revision, d->revision, sizeof k->revision);
    d->repo = (dl_repo){.n_file = 0};
    d->choices = (dl_choices){.n = 0};
    d->card = (nb_str){0};
    d->header = (dl_header){.gguf = false};
}

/* The other way; d is empty. */
static void put_in(detail *d, const detail_kept *k)
{
    d->repo = k->repo;
    d->choices = k->choices;
    d->has_entry = k->has_entry;
    d->has_card = k->has_card;
    d->has_header = k->has_header;
    d->entry = k->entry;
    d->card = k->card;
    d->card_trouble = k->card_trouble;
    d->header = k->header;
    d->header_of = k->header_of;
    d->loaded = true;
    d->marked = ui_xcalloc(d->choices.n + 1, sizeof *d->marked);
    ui_detail_arrange(d);
}

static void put_away(detail *d)
{
    detail_kept k;
    if (!d->loaded)
        return;
    take_out(d, &k);
    if (k.header.bytes.len > DETAIL_HEADER_KEPT) {
        dl_header_free(&k.header);
        k.has_header = false;
    }
    if (d->n_kept == DETAIL_KEPT)
        free_kept(&d->kept[--d->n_kept]);
    memmove(d->kept + 1, d->kept, d->n_kept * sizeof d->kept[0]);
    d->kept[0] = k;
    d->n_kept++;
}

void ui_detail_turn(detail *d)
{
    size_t i = 0;
    d->leave_after = false;
    put_away(d);
    ui_detail_drop(d);
    memcpy(d->id, d->next_id, sizeof d->id);
    memcpy(d->revision, d->next_revision, sizeof d->revision);
    while (i < d->n_kept &&
           (strcmp(d->kept[i].id, d->id) != 0 || strcmp(d->kept[i].revision, d->revision) != 0))
        i++;
    if (i == d->n_kept) {
        ui_detail_ask(d);
        return;
    }
    put_in(d, &d->kept[i]);
    d->n_kept--;
    memmove(d->kept + i, d->kept + i + 1, (d->n_kept - i) * sizeof d->kept[0]);
    d->problem = (nb_err){.status = NB_OK};
    ask_more(d);
}

/* --- what comes back ----------------------------------------------------------------------------
 */

static void loaded(detail *d, const nb_err *result)
{
    d->trouble = d->load.trouble;
    if (result->status != NB_OK) {
        dl_choices_free(&d->load.choices);
        dl_repo_free(&d->load.repo);
        d->problem = *result;
        if (d->loaded && result->status != NB_CANCELED) /* the old answer stays on the screen */
            ui_app_trouble(d->app, d->trouble, result);
        return;
    }
    detail_kept known = {.has_card = false};
    bool same = d->loaded && strcmp(d->repo.commit, d->load.repo.commit) == 0;
    if (same)
        take_out(d, &known);
    ui_detail_drop(d);
    if (same) { /* the lists are new, but no file of a commit changes */
        dl_repo_free(&known.repo);
        dl_choices_free(&known.choices);
    }
    known.repo = d->load.repo;
    known.choices = d->load.choices;
    put_in(d, &known);
    memcpy(d->id, d->repo.model.id, sizeof d->id); /* a renamed one has another */
    d->load = (detail_load){.net = d->load.net};
    ask_more(d);
}

static void got_more(detail *d)
{
    if (d->more.has_entry && !d->has_entry)
        d->entry = d->more.entry;
    d->has_entry = d->more.has_entry;
    if (!d->has_card) {
        nb_str_free(&d->card);
        d->card = d->more.card;
        d->card_trouble = d->more.card_trouble;
    }
    d->has_card = d->more.has_card;
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
    d->peek = (detail_peek){.net = NULL}; /* the header is the screen's now */
    d->has_header = true;
    d->tensors = (ui_list){0};
    ui_list_hide(&d->tensors);
}

/* A repository asked for while jobs still looked at the last one. */
static void go_on(detail *d)
{
    if (!d->leave_after || d->job || d->more_job || d->peek_job)
        return;
    ui_detail_turn(d);
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
