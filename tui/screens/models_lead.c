/* Where the models that are here lead: other screens, with the one under the cursor or the marked
 * ones. */
#include <stdlib.h>
#include <string.h>

#include "tui/screens/models.h"

void ui_models_to_screen(models *m, ui_scope screen)
{
    const nb_entry *e = ui_models_current(m);
    if (!e)
        return;
    /* A variant is looked at against the model it was made from. */
    size_t at = m->row[m->list.at].entry, source = ui_models_source(m, at);
    bool pair = screen == UI_INSPECT && source != at;
    const char *paths[] = {e->path, pair ? nb_library_at(m->lib, source)->path : NULL, NULL};
    ui_app_show(m->app, screen, paths, NULL);
}

static int by_bytes_down(const void *a, const void *b)
{
    const nb_entry *x = *(const nb_entry *const *)a, *y = *(const nb_entry *const *)b;
    return x->bytes < y->bytes ? 1 : x->bytes > y->bytes ? -1 : strcmp(x->path, y->path);
}

/* The marked ones, the most precise first: it is what the others are held against. */
void ui_models_talk(models *m)
{
    enum { PANES = 4 };
    const nb_entry *pick[64];
    const char *paths[PANES + 1] = {NULL};
    size_t n = 0;
    for (size_t i = 0; m->lib && i < nb_library_count(m->lib) && n < countof(pick); i++)
        if (ui_models_marked(m, nb_library_at(m->lib, i)->path))
            pick[n++] = nb_library_at(m->lib, i);
    if (!n) {
        ui_models_to_screen(m, UI_CHAT);
        return;
    }
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): pointers are sorted */
    qsort(pick, n, sizeof *pick, by_bytes_down);
    for (size_t i = 0; i < n && i < PANES; i++)
        paths[i] = pick[i]->path;
    ui_app_show(m->app, UI_CHAT, paths, NULL);
    if (n > PANES)
        ui_app_say(m->app, "%zu marked, a chat has %d panes: the %d largest", n, PANES, PANES);
}

/* The marked ones of the family of the first, else all of the family under the cursor. */
void ui_models_compare(models *m)
{
    enum { MOST = 64 };
    const char *paths[MOST + 1] = {NULL};
    size_t n = 0, others = 0, first = SIZE_MAX, source = SIZE_MAX;
    const nb_entry *e = ui_models_current(m);
    if (!e)
        return;
    for (size_t i = 0; i < nb_library_count(m->lib) && n < MOST - 1; i++) {
        if (!ui_models_marked(m, nb_library_at(m->lib, i)->path))
            continue;
        first = first == SIZE_MAX ? i : first;
        if (nb_library_family(m->lib, first, i))
            paths[n++] = nb_library_at(m->lib, i)->path;
        else
            others++;
    }
    if (n < 2) {
        const char *family[] = {e->path, NULL};
        ui_app_show(m->app, UI_COMPARE, family, "family");
        return;
    }
    /* What they are measured against comes along. */
    source = ui_models_source(m, first);
    if (!ui_models_marked(m, nb_library_at(m->lib, source)->path))
        paths[n++] = nb_library_at(m->lib, source)->path;
    ui_app_show(m->app, UI_COMPARE, paths, NULL);
    if (others)
        ui_app_say(m->app, "%zu marked of another model: files of one model are compared", others);
}

/* Two files tensor by tensor: the marked two, the marked one and this, or this and its source; the
 * one with more bits is what the other is held against. */
void ui_models_diff(models *m)
{
    const nb_entry *pick[3] = {NULL}, *e = ui_models_current(m);
    size_t n = 0;
    for (size_t i = 0; m->lib && i < nb_library_count(m->lib) && n < countof(pick); i++)
        if (ui_models_marked(m, nb_library_at(m->lib, i)->path))
            pick[n++] = nb_library_at(m->lib, i);
    if (n == 1 && e && e != pick[0])
        pick[n++] = e;
    if (n > 2) {
        ui_app_say(m->app, "more than two are marked: differences are of two");
        return;
    }
    if (n == 2) {
        bool swap = pick[0]->bpw < pick[1]->bpw;
        const char *paths[] = {pick[!swap]->path, pick[swap]->path, NULL};
        ui_app_show(m->app, UI_INSPECT, paths, NULL);
        return;
    }
    if (e && ui_models_source(m, m->row[m->list.at].entry) != m->row[m->list.at].entry)
        ui_models_to_screen(m, UI_INSPECT);
    else
        ui_app_say(m->app, "Space marks two files, = shows how they differ");
}
