/* What earlier downloads left in the cache and no row of the queue goes on with, and what quantize
 * runs that were killed left beside their outputs: told on Downloads with size and age, so that
 * nobody wonders where the disk went (hub 18). `nibble gc` removes it; the same download or run
 * goes on from it. */
#include <stdio.h>
#include <string.h>

#include "downloads/cache.h"
#include "tui/screens/downloads.h"

enum { LINES = 3 }; /* of a list that is not empty */

static nb_status scan(nb_job *job, void *arg, nb_err *err)
{
    downloads_left *a = arg;
    nb_hooks hooks = nb_job_hooks(job);
    dl_cache cache;
    NB_TRY(dl_cache_open(&cache, dl_net_env(a->net), err));
    NB_TRY(dl_store_scan(&cache, &a->found, &hooks, err));
    return nb_leftovers_find(&a->found_runs, a->cfg, NULL, 0, &hooks, err);
}

void ui_downloads_left_scan(downloads *d)
{
    nb_err err;
    if (d->left.job) {
        d->left.again = true;
        return;
    }
    d->left.again = false;
    d->left.cfg = ui_app_config(d->app);
    d->left.net = ui_app_net(d->app, &err);
    if (d->left.net && ui_app_job(d->app, &d->left.job, UI_DOWNLOADS, "cache", "leftovers", scan,
                                  &d->left, &err) != NB_OK)
        d->left.job = NULL;
}

void ui_downloads_left_event(void *self, const nb_event *e)
{
    downloads *d = self;
    if (e->kind != NB_EVENT_DONE || e->job != d->left.job)
        return;
    d->left.job = NULL;
    dl_store_free(&d->left.store);
    d->left.store = d->left.found;
    d->left.found = (dl_store){.n_left = 0};
    nb_leftovers_free(&d->left.runs);
    d->left.runs = d->left.found_runs;
    d->left.found_runs = (nb_leftovers){.n = 0};
    if (d->left.again)
        ui_downloads_left_scan(d);
}

void ui_downloads_left_close(downloads *d)
{
    dl_store_free(&d->left.store);
    dl_store_free(&d->left.found);
    nb_leftovers_free(&d->left.runs);
    nb_leftovers_free(&d->left.found_runs);
}

/* A row of the queue goes on with it, or another process is at it. */
static bool is_used(const downloads *d, const dl_leftover *l)
{
    for (size_t i = 0; i < d->n; i++)
        if (strcmp(d->item[i].repo, l->repo) == 0 && strcmp(d->item[i].oid, l->oid) == 0)
            return true;
    return l->live;
}

typedef struct tally {
    size_t downloads, runs;
    uint64_t bytes;
} tally;

static tally count(const downloads *d)
{
    tally t = {.bytes = 0};
    for (size_t i = 0; i < d->left.store.n_left; i++)
        if (!is_used(d, &d->left.store.left[i])) {
            t.bytes += d->left.store.left[i].bytes;
            t.downloads++;
        }
    for (size_t i = 0; i < d->left.runs.n; i++)
        if (!d->left.runs.at[i].live) {
            t.bytes += d->left.runs.at[i].bytes;
            t.runs++;
        }
    return t;
}

int ui_downloads_left_rows(const downloads *d)
{
    tally t = count(d);
    size_t n = t.downloads + t.runs;
    return n == 0 ? 0 : n <= LINES ? (int)n + 1 : LINES + 2;
}

typedef struct lines {
    parts_lines at;
    size_t shown, n;
} lines;

/* One leftover, or how many more there are. */
static void line(lines *l, uint64_t bytes, uint64_t size, double age, const char *what, int digits,
                 const char *oid)
{
    char have[16], all[16], old[16];
    int left = ui_parts_left(&l->at);
    if (left == 1 && l->shown + 1 < l->n)
        ui_parts_line(&l->at, UI_DIM, "and %zu more", l->n - l->shown);
    else if (left > 0)
        ui_parts_line(&l->at, UI_TEXT, "%8s of %-8s %6s old  %s  %.*s", nb_human_bytes(have, bytes),
                      size ? nb_human_bytes(all, size) : "?", nb_human_time(old, age), what, digits,
                      oid);
    l->shown++;
}

void ui_downloads_left_draw(const downloads *d, ui_canvas *c, ui_rect r)
{
    char have[16];
    tally t = count(d);
    lines l = {.at = ui_parts_begin(c, r), .n = t.downloads + t.runs};
    if (!l.n)
        return;
    ui_parts_line(&l.at, UI_DIM, "left by earlier %s%s%s, %s of disk: nibble gc removes them",
                  t.downloads ? "downloads" : "", t.downloads && t.runs ? " and " : "",
                  t.runs ? "quantize runs" : "", nb_human_bytes(have, t.bytes));
    for (size_t i = 0; i < d->left.store.n_left; i++) {
        const dl_leftover *k = &d->left.store.left[i];
        if (!is_used(d, k))
            line(&l, k->bytes, k->size, k->age, k->repo, 8, k->oid);
    }
    for (size_t i = 0; i < d->left.runs.n; i++) {
        const nb_leftover *k = &d->left.runs.at[i];
        if (!k->live)
            line(&l, k->bytes, k->size, k->age, k->output, 0, "");
    }
}
