/* The sensitivity map: damage of each tensor alone, by layer and kind, from stored runs. */
#include <stdio.h>
#include <string.h>

#include "core/base/file.h"
#include "tui/screens/compare.h"

void ui_compare_drop_map(compare *s)
{
    nb_sense_table_close(&s->sense);
    s->heat = (ui_heat){.at = SIZE_MAX};
}

/* "q2_K+1a2b3c4" was made with an importance matrix: the type is what stands before. */
static const nk_type *type_of(const nb_run_key *key)
{
    char name[sizeof key->type];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(key->type, "+"), key->type);
    return nk_type_find(name);
}

static size_t worst(const nb_sense_table *t)
{
    size_t at = SIZE_MAX;
    for (size_t i = 0; i < t->n; i++)
        if (t->row[i].known && (at == SIZE_MAX || t->row[i].damage.kld > t->row[at].damage.kld))
            at = i;
    return at;
}

void ui_compare_map(compare *s, size_t map)
{
    nb_err err = {0};
    ui_compare_drop_map(s);
    s->at_map = map < s->n_map ? map : 0;
    if (!s->n_map || !s->mapped) {
        s->map = s->on_map = false;
        return;
    }
    const nb_run_key *key = &s->map_key[s->at_map];
    const nk_type *type = type_of(key);
    const char *plus = strchr(key->type, '+');
    if (!type || nb_sense_table_open(&s->sense, s->mapped, type, &err) != NB_OK) {
        s->map = s->on_map = false;
        ui_app_say(s->app, "%s", type ? err.msg : "a type this version does not know");
        return;
    }
    if (plus)
        snprintf(s->sense.with, sizeof s->sense.with, "%s", plus + 1);
    nb_sense_look(&s->sense, s->runs, key);
    s->heat.table = &s->sense;
    s->heat.at = worst(&s->sense);
}

static void draw_selected(const compare *s, parts_lines *l)
{
    const nb_sense_row *r = s->heat.at < s->sense.n ? &s->sense.row[s->heat.at] : NULL;
    char a[48], b[48], d[48], e[48], size[16];
    if (!r)
        return;
    const nb_damage *g = &r->damage;
    if (r->known)
        ui_parts_wrapf(l, UI_TEXT,
                       "%.*s %s: KL %s ±%s, top-1 kept %s, weight error %s, %s at that type",
                       ui_parts_short(r->view->t.name), r->view->t.name, s->sense.type->name,
                       ui_parts_num(a, g->kld), ui_parts_num(b, 1.96 * g->kld_err),
                       ui_parts_percent(d, g->same_top), ui_parts_percent(e, g->rmse),
                       nb_human_bytes(size, g->bytes));
    else
        ui_parts_wrapf(l, UI_DIM, "%.*s: %s", ui_parts_short(r->view->t.name), r->view->t.name,
                       r->skip ? r->skip : "not measured");
}

void ui_compare_draw_map(compare *s, ui_canvas *c, ui_rect r)
{
    const nb_run_key *key = &s->map_key[s->at_map];
    char title[160], name[64], note[64];
    snprintf(title, sizeof title, "one tensor alone as %s: KL, nats  %s", key->type,
             nb_short(name, sizeof name, nb_path_base(nb_weights_path(s->mapped))));
    snprintf(note, sizeof note, "%ux%u%s", key->chunks, key->n_ctx,
             s->n_map > 1 ? "  [ ] type" : "");
    ui_box(c, r, title, note, s->on_map);
    ui_rect in = ui_inside(r), top, text;
    int rows = ui_heat_rows(&s->sense);
    ui_parts_rows(in, rows < in.h - 2 ? rows : in.h - 2, &top, &text);
    ui_heat_draw(c, top, &s->heat, s->on_map && !s->asking);
    parts_lines l = ui_parts_begin(c, (ui_rect){text.x + 1, text.y, text.w - 2, text.h});
    draw_selected(s, &l);
}
