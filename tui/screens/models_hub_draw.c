/* How the Hub's list on Models looks. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tui/hub_out.h"
#include "tui/screens/models.h"

enum { COL_REPO, COL_PARAM, COL_SIZE, COL_FIT, COL_DOWN, COL_LIKES, COL_LICENCE, COLS };

/* An id wants room: what a row can do without goes first. */
static const ui_column columns[COLS] = {
    {"REPOSITORY", 0, false, 0}, {"PARAM", 7, true, 1}, {"SIZE", 8, true, 3},
    {"FIT", 6, true, 2},         {"DOWN", 6, true, 4},  {"LIKES", 6, true, 6},
    {"LICENCE", 12, false, 5},
};
static const int wide[] = {COL_REPO, COL_PARAM, COL_SIZE,   COL_FIT,
                           COL_DOWN, COL_LIKES, COL_LICENCE};
static const int narrow[] = {COL_REPO, COL_PARAM, COL_FIT, COL_LICENCE};
enum { WIDE = 96 };

static void cell(const void *arg, size_t row, size_t col, char *buf, size_t cap, ui_role *role)
{
    const models *m = arg;
    const dl_model *r = &m->hub.at[row];
    nb_fit_word word;
    char num[16];
    buf[0] = '\0';
    switch (m->hub.wide ? wide[col] : narrow[col]) {
    case COL_REPO:
        snprintf(buf, cap, "%s", r->id);
        break;
    case COL_PARAM:
        snprintf(buf, cap, "%s", ui_hub_params(num, r));
        break;
    case COL_SIZE:
        snprintf(buf, cap, "%s", r->bytes ? nb_human_bytes(num, r->bytes) : "?");
        break;
    case COL_FIT:
        if (!ui_models_hub_fit(m, r, &word)) {
            snprintf(buf, cap, "?");
            break;
        }
        snprintf(buf, cap, "~%s", nb_fit_name(word));
        *role = ui_parts_fit_role(word);
        break;
    case COL_DOWN:
        snprintf(buf, cap, "%s", ui_hub_count(num, r->downloads));
        break;
    case COL_LIKES:
        snprintf(buf, cap, "%s", ui_hub_count(num, r->likes));
        break;
    default:
        snprintf(buf, cap, "%s", r->gated ? "gated" : r->license[0] ? r->license : "?");
        if (r->gated)
            *role = UI_WARN;
    }
}

static char row_mark(const void *arg, size_t row)
{
    const models *m = arg;
    return m->hub.at[row].disabled ? '!' : ' ';
}

static void note_text(const models *m, char *buf, size_t cap)
{
    const models_hub *h = &m->hub;
    char age[16];
    const char *sort = ui_models_hub_order(m);
    /* why no newer list comes */
    dl_trouble why = h->offline ? DL_OFFLINE_MODE : h->cached ? h->trouble : DL_OK;
    if (h->job)
        snprintf(buf, cap, "asking");
    else if (why != DL_OK && h->cached)
        snprintf(buf, cap, "%s: %s old  sort %s  s", dl_trouble_name(why),
                 nb_human_time(age, h->age), sort);
    else if (why != DL_OK)
        snprintf(buf, cap, "%s", dl_trouble_name(why));
    else if (h->cached && h->age >= 60)
        snprintf(buf, cap, "%s old  sort %s  s", nb_human_time(age, h->age), sort);
    else
        snprintf(buf, cap, "sort %s  s", sort);
}

static void draw_query(models *m, ui_canvas *c, ui_rect r)
{
    models_hub *h = &m->hub;
    char count[48];
    snprintf(count, sizeof count, h->next[0] ? "%zu and more" : "%zu", h->n);
    int w = (int)strlen(count);
    if (r.w > w + 24)
        ui_text_right(c, r.x + r.w - 1, r.y, UI_DIM, count);
    ui_rect in = {r.x + 1, r.y, r.w > w + 4 ? r.w - w - 4 : r.w - 1, 1};
    if (h->typing || h->query.text.len)
        ui_input_draw(c, in, &h->query, "/ ", h->typing);
    else
        ui_textn(c, in.x, in.y, UI_DIM, 0,
                 "/ e.g. llama gguf  author:x  params:<4b  lic:apache-2.0", 55, in.w);
    ui_spots_add(&m->spots, r, MODELS_SPOT_QUERY);
}

static void draw_none(models *m, ui_canvas *c, ui_rect r)
{
    models_hub *h = &m->hub;
    static const char *const asking[] = {"asking the Hub", NULL};
    static const char *const none[] = {"no repository fits the search", "Esc clears it", NULL};
    if (h->problem[0]) {
        parts_lines l = ui_parts_begin(c, (ui_rect){r.x + 2, r.y + r.h / 4, r.w - 4, r.h * 3 / 4});
        ui_parts_wrap(&l, UI_ERR, h->problem);
        ui_parts_wrap(&l, UI_TEXT, dl_trouble_remedy(h->trouble));
        ui_parts_wrap(&l, UI_HINT, "r asks again  A account  u local models");
    } else {
        ui_parts_empty(c, r, h->job ? asking : none);
    }
}

void ui_models_hub_draw(models *m, ui_canvas *c, ui_rect r)
{
    models_hub *h = &m->hub;
    char note[64];
    note_text(m, note, sizeof note);
    ui_box(c, r, h->order == DL_BY_TRENDING && !h->query.text.len ? "hub: trending" : "hub", note,
           h->focus);
    ui_rect in = ui_inside(r), query, table;
    if (in.h < 2)
        return;
    ui_parts_rows(in, 1, &query, &table);
    draw_query(m, c, query);
    if (!h->n) {
        draw_none(m, c, table);
        return;
    }
    if (h->problem[0]) { /* a further page, or the same again, failed */
        const char *remedy = dl_trouble_remedy(h->trouble);
        int rows = table.h > 6 ? 2 : 1;
        table.h -= rows;
        parts_lines l =
            ui_parts_begin(c, (ui_rect){table.x + 1, table.y + table.h, table.w - 2, rows});
        ui_parts_wrapf(&l, UI_ERR, "! %s%s%s", h->problem, *remedy ? "; " : "", remedy);
    }
    ui_column col[COLS];
    h->wide = table.w >= WIDE;
    size_t n = h->wide ? countof(wide) : countof(narrow);
    for (size_t k = 0; k < n; k++)
        col[k] = columns[h->wide ? wide[k] : narrow[k]];
    ui_table t = {.col = col, .n_col = n, .cell = cell, .mark = row_mark, .arg = m};
    ui_table_draw(c, table, &t, &h->list, h->focus && !h->typing);
}

void ui_models_hub_preview(models *m, ui_canvas *c, ui_rect r)
{
    const dl_model *row = ui_models_hub_current(m);
    char params[16], size[16], downloads[16], likes[16], day[16] = "?";
    ui_box(c, r, row ? row->id : "repository", row ? "Enter opens it" : NULL, false);
    if (!row)
        return;
    ui_rect in = ui_inside(r);
    parts_lines l = ui_parts_begin(c, (ui_rect){in.x + 1, in.y, in.w - 2, in.h});
    time_t at = (time_t)row->updated;
    struct tm tm;
    if (row->updated && gmtime_r(&at, &tm))
        strftime(day, sizeof day, "%Y-%m-%d", &tm);
    if (row->disabled)
        ui_parts_wrap(&l, UI_ERR, "disabled by the Hub: nothing of it can be had");
    if (row->gated)
        ui_parts_wrap(&l, UI_WARN, "gated: its files need accepted terms and a token (A)");
    ui_parts_wrapf(&l, UI_TEXT, "%s par · %s in all · licence %s", ui_hub_params(params, row),
                   row->bytes ? nb_human_bytes(size, row->bytes) : "?",
                   row->license[0] ? row->license : "not told");
    ui_parts_wrapf(&l, UI_DIM, "downloads %s · likes %s · updated %s",
                   ui_hub_count(downloads, row->downloads), ui_hub_count(likes, row->likes), day);
    if (row->base_model[0])
        ui_parts_wrapf(&l, UI_DIM, "%s from %s",
                       row->base_relation[0] ? row->base_relation : "made", row->base_model);
    if (row->private_repo)
        ui_parts_line(&l, UI_DIM, "private");
    nb_fit_word word;
    if (ui_models_hub_fit(m, row, &word))
        ui_parts_wrapf(&l, ui_parts_fit_role(word), "~%s as %s, from its parameters alone",
                       nb_fit_name(word), row->gguf ? "Q4_K_M" : "bf16");
    if (m->hub.dropped)
        ui_parts_wrapf(&l, UI_WARN, "%zu rows of the answer could not be read", m->hub.dropped);
}

void ui_models_hub_json(const models *m, nb_jout *w)
{
    nb_jout_key(w, "hub"), nb_jout_array(w);
    for (size_t i = 0; i < m->hub.n; i++)
        ui_hub_json_model(w, &m->hub.at[i]);
    nb_jout_array_end(w);
}
