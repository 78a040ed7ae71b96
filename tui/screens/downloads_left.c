/* What earlier downloads left in the cache and no row of the queue goes on with: told on Downloads
 * with size and age, so that nobody wonders where the disk went (hub 18). `nibble gc` removes it;
 * a new download of the same file goes on from it. */
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
    return dl_store_scan(&cache, &a->found, &hooks, err);
}

void ui_downloads_left_scan(downloads *d)
{
    nb_err err;
    if (d->left.job) {
        d->left.again = true;
        return;
    }
    d->left.again = false;
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
    if (d->left.again)
        ui_downloads_left_scan(d);
}

void ui_downloads_left_close(downloads *d)
{
    dl_store_free(&d->left.store);
    dl_store_free(&d->left.found);
}

/* A row of the queue goes on with it, or another process is at it. */
static bool is_used(const downloads *d, const dl_leftover *l)
{
    for (size_t i = 0; i < d->n; i++)
        if (strcmp(d->item[i].repo, l->repo) == 0 && strcmp(d->item[i].oid, l->oid) == 0)
            return true;
    return l->live;
}

static size_t count(const downloads *d, uint64_t *bytes)
{
    size_t n = 0;
    *bytes = 0;
    for (size_t i = 0; i < d->left.store.n_left; i++)
        if (!is_used(d, &d->left.store.left[i])) {
            *bytes += d->left.store.left[i].bytes;
            n++;
        }
    return n;
}

int ui_downloads_left_rows(const downloads *d)
{
    uint64_t bytes;
    size_t n = count(d, &bytes);
    return n == 0 ? 0 : n <= LINES ? (int)n + 1 : LINES + 2;
}

void ui_downloads_left_draw(const downloads *d, ui_canvas *c, ui_rect r)
{
    char have[16], size[16], age[16];
    uint64_t bytes;
    size_t n = count(d, &bytes), shown = 0;
    parts_lines l = ui_parts_begin(c, r);
    if (!n)
        return;
    ui_parts_line(&l, UI_DIM, "left by earlier downloads, %s of disk: nibble gc removes them",
                  nb_human_bytes(have, bytes));
    for (size_t i = 0; i < d->left.store.n_left; i++) {
        const dl_leftover *k = &d->left.store.left[i];
        if (is_used(d, k))
            continue;
        if (ui_parts_left(&l) == 1 && shown + 1 < n) {
            ui_parts_line(&l, UI_DIM, "and %zu more", n - shown);
            return;
        }
        ui_parts_line(&l, UI_TEXT, "%8s of %-8s %6s old  %s  %.8s", nb_human_bytes(have, k->bytes),
                      k->size ? nb_human_bytes(size, k->size) : "?", nb_human_time(age, k->age),
                      k->repo, k->oid);
        shown++;
    }
}
