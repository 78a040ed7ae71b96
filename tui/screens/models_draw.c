/* How the Models screen looks: filter row and table, beside or below it the preview. */
#include <stdio.h>
#include <string.h>

#include "core/base/file.h"
#include "tui/screens/models.h"
#include "tui/twin.h"

enum { COL_NAME, COL_PARAM, COL_BPW, COL_SIZE, COL_FIT, COL_SPEED, COLS };
enum { BAR = 18 };

static const char *const sort_word[] = {"found", "name", "param", "bpw", "size", "memory", "tok/s"};

models_sort ui_models_sort_of(int column)
{
    static const models_sort by[COLS] = {MODELS_NAME, MODELS_PARAMS, MODELS_BPW,
                                         MODELS_SIZE, MODELS_FIT,    MODELS_SPEED};
    return by[column];
}

static bool is_float(const nb_entry *e)
{
    const nk_type *t = nk_type_find(e->type_name);
    return t && t->is_float;
}

static void speed_text(const models *m, size_t entry, char *buf, size_t cap)
{
    double v;
    char num[48];
    bool ok = ui_models_speed(m, entry, &v);
    if (v <= 0)
        snprintf(buf, cap, "?");
    else
        snprintf(buf, cap, ok ? "%s %s" : "~%s", nb_fmt_fixed(num, v, v < 10 ? 1 : 0),
                 ui_glyph_text(m->canvas, UI_G_CHECK));
}

static void name_text(const models *m, size_t row, char *buf, size_t cap)
{
    const nb_entry *e = ui_models_entry(m, row);
    if (!m->row[row].nested) {
        snprintf(buf, cap, "%s", e->name);
        return;
    }
    const char *glyph = ui_glyph_text(m->canvas, m->row[row].last ? UI_G_ELL : UI_G_TEE);
    snprintf(buf, cap, "%s %s  %s", glyph, e->type_name, e->file);
}

static void cell(const void *arg, size_t row, size_t col, char *buf, size_t cap, ui_role *role)
{
    const models *m = arg;
    const nb_entry *e = ui_models_entry(m, row);
    size_t entry = m->row[row].entry;
    char num[48];
    if (e->problem[0])
        *role = UI_DIM;
    switch (col) {
    case COL_NAME:
        name_text(m, row, buf, cap);
        break;
    case COL_PARAM:
        snprintf(buf, cap, "%s", e->params ? ui_parts_count(num, e->params) : "");
        break;
    case COL_BPW:
        snprintf(buf, cap, "%s", is_float(e) ? e->type_name : nb_fmt_fixed(num, e->bpw, 2));
        break;
    case COL_SIZE:
        snprintf(buf, cap, "%s", nb_human_bytes(num, e->bytes));
        break;
    case COL_FIT:
        if (e->problem[0]) {
            snprintf(buf, cap, e->unsupported ? "cannot run" : "broken");
            *role = UI_WARN;
            break;
        }
        snprintf(buf, cap, "%s", nb_fit_name(m->fit[entry].word));
        *role = ui_parts_fit_role(m->fit[entry].word);
        break;
    default:
        speed_text(m, entry, buf, cap);
    }
}

static char row_mark(const void *arg, size_t row)
{
    const models *m = arg;
    const nb_entry *e = ui_models_entry(m, row);
    return ui_models_marked(m, e->path) ? '*' : e->problem[0] && !e->unsupported ? '!' : ' ';
}

static void draw_filter(models *m, ui_canvas *c, ui_rect r)
{
    char count[48];
    size_t all = m->lib ? nb_library_count(m->lib) : 0;
    snprintf(count, sizeof count, m->n_mark ? "%zu of %zu, %zu marked" : "%zu of %zu", m->n_row,
             all, m->n_mark);
    int w = (int)strlen(count);
    if (r.w > w + 20)
        ui_text_right(c, r.x + r.w - 1, r.y, UI_DIM, count);
    ui_rect in = {r.x + 1, r.y, r.w > w + 4 ? r.w - w - 4 : r.w - 1, 1};
    if (m->typing || m->filter.text.len)
        ui_input_draw(c, in, &m->filter, "/ ", m->typing);
    else
        ui_textn(c, in.x, in.y, UI_DIM, 0, "/ e.g. demo  params:<4b  bpw:<5  fits", 37, in.w);
}

static void draw_empty(models *m, ui_canvas *c, ui_rect r)
{
    static const char *const looking[] = {"looking for models", "", NULL};
    static const char *const none[] = {"no models found", "",
                                       "nibble looks in the current folder, the Hugging Face cache",
                                       "and the paths it is given: nibble PATH", NULL};
    static const char *const no_match[] = {"no model matches the filter", "",
                                           "Esc clears it, u asks the Hub for it", NULL};
    const char *failed[] = {"the models could not be listed", m->problem, "r looks again", NULL};
    if (m->problem[0] && !m->lib)
        ui_parts_empty(c, r, failed);
    else if (!m->lib)
        ui_parts_empty(c, r, looking);
    else if (!nb_library_count(m->lib))
        ui_parts_empty(c, r, none);
    else
        ui_parts_empty(c, r, no_match);
}

static void draw_list(models *m, ui_canvas *c, ui_rect r)
{
    char title[48], note[64];
    snprintf(title, sizeof title, m->lib ? "local %zu" : "local",
             m->lib ? nb_library_count(m->lib) : 0);
    snprintf(note, sizeof note, "sort %s%s  s", sort_word[m->sort],
             m->sort == MODELS_FOUND && !m->reverse ? ""
             : m->reverse                           ? " down"
                                                    : " up");
    ui_box(c, r, title, note, !m->hub.focus);
    ui_rect in = ui_inside(r), filter, table;
    if (in.h < 1)
        return;
    ui_parts_rows(in, 1, &filter, &table);
    draw_filter(m, c, filter);
    ui_spots_add(&m->spots, filter, MODELS_SPOT_FILTER);
    if (!m->n_row) {
        draw_empty(m, c, table);
        return;
    }
    char ctx[16];
    snprintf(m->fit_title, sizeof m->fit_title, "FIT@%s", ui_parts_ctx(ctx, m->ctx));
    const ui_column col[COLS] = {
        {"NAME", 0, false, 0}, {"PARAM", 6, true, 3},       {"BPW", 5, true, 1},
        {"SIZE", 8, true, 2},  {m->fit_title, 10, true, 1}, {"TOK/S", 7, true, 4},
    };
    ui_table t = {.col = col, .n_col = COLS, .cell = cell, .mark = row_mark, .arg = m};
    ui_table_draw(c, table, &t, &m->list, !m->typing && !m->hub.focus);
}

/* --- preview --------------------------------------------------------------------------------- */

static void memory_bar(parts_lines *l, const char *label, uint64_t bytes, uint64_t of)
{
    char b[16];
    if (ui_parts_left(l)) {
        int x = l->r.x, y = l->r.y + l->y;
        ui_text(l->c, x + 2, y, UI_DIM, label);
        ui_text_right(l->c, x + 18, y, UI_TEXT, nb_human_bytes(b, bytes));
        int w = l->r.w - 20 < BAR ? l->r.w - 20 : BAR;
        if (w > 2)
            ui_progress_draw(l->c, x + 19, y, w, of ? (double)bytes / (double)of : 0, UI_PLOT_A);
    }
    l->y++;
}

static void draw_memory(const models *m, parts_lines *l, size_t entry)
{
    const nb_fit *f = &m->fit[entry];
    char a[16], b[16], ctx[16];
    ui_parts_line(l, UI_TITLE, "memory at ctx %s%s, KV %s", ui_parts_ctx(ctx, f->ctx),
                  f->ctx < m->ctx ? " (its most)" : "", m->kv_f32 ? "f32" : "f16");
    memory_bar(l, "weights", f->weights, f->total);
    memory_bar(l, "KV", f->kv, f->total);
    memory_bar(l, "compute", f->compute, f->total);
    ui_parts_line(l, ui_parts_fit_role(f->word), "  total %s of %s free: %s",
                  nb_human_bytes(a, f->total), nb_human_bytes(b, f->available),
                  nb_fit_name(f->word));
    ui_parts_line(l, UI_DIM, "  [ ] context   V KV type");
}

static void draw_made_from(const models *m, parts_lines *l, size_t entry)
{
    size_t source = ui_models_source(m, entry), n = nb_library_count(m->lib), found = 0;
    char num[48], size[16];
    for (size_t i = 0; i < n; i++) {
        const nb_entry *e = nb_library_at(m->lib, i);
        if (i == source || ui_models_source(m, i) != source)
            continue;
        if (!found++)
            ui_parts_line(l, UI_TITLE, "made from this model");
        ui_parts_line(l, i == entry ? UI_FOCUS : UI_TEXT, "  %-8s %5s bpw %9s", e->type_name,
                      nb_fmt_fixed(num, e->bpw, 2), nb_human_bytes(size, e->bytes));
    }
    if (!found)
        ui_parts_line(l, UI_DIM, "nothing made from it yet: Q quantizes it");
}

/* A press on a word filters by it. */
static void draw_legend(models *m, parts_lines *l)
{
    static const struct {
        nb_fit_word word;
        const char *text;
    } row[] = {{NB_FITS, "over 15 % of free memory left"},
               {NB_TIGHT, "less than 15 % left"},
               {NB_PAGES, "paged from disk, slow"},
               {NB_NO, "cannot be loaded"}};
    if (ui_parts_left(l) < 7)
        return;
    ui_parts_skip(l);
    for (size_t i = 0; i < countof(row); i++) {
        ui_spots_add(&m->spots, (ui_rect){l->r.x, l->r.y + l->y, l->r.w, 1},
                     MODELS_SPOT_LEGEND + (int)row[i].word);
        ui_parts_pair(l, 7, nb_fit_name(row[i].word), UI_DIM, "%s", row[i].text);
    }
    ui_parts_line(l, UI_DIM, "~ estimate   %s measured here   ? not known",
                  ui_glyph_text(m->canvas, UI_G_CHECK));
}

static void draw_preview(models *m, ui_canvas *c, ui_rect r)
{
    if (m->hub.focus) {
        ui_models_hub_preview(m, c, r);
        return;
    }
    const nb_entry *e = ui_models_current(m);
    char num[48], ctx[16];
    ui_box(c, r, e ? e->name : "model", NULL, false);
    if (!e)
        return;
    ui_rect in = ui_inside(r);
    parts_lines l = ui_parts_begin(c, (ui_rect){in.x + 1, in.y, in.w - 2, in.h});
    size_t entry = m->row[m->list.at].entry;
    ui_parts_line(&l, UI_TEXT, "arch %s · %llu layers · %s par", e->arch,
                  (unsigned long long)e->n_layer, ui_parts_count(num, e->params));
    ui_parts_line(&l, UI_TEXT, "ctx %s · vocab %llu%s", ui_parts_ctx(ctx, e->n_ctx),
                  (unsigned long long)e->n_vocab, e->tied ? " · tied" : "");
    ui_parts_line(&l, UI_DIM, "%s · %s", e->type_name, e->is_dir ? "folder" : e->file);
    ui_parts_wrap(&l, UI_DIM, e->path);
    if (e->problem[0]) {
        ui_parts_skip(&l);
        ui_parts_wrap(&l, UI_WARN, e->problem);
        return;
    }
    ui_parts_skip(&l);
    draw_memory(m, &l, entry);
    ui_parts_skip(&l);
    draw_made_from(m, &l, entry);
    draw_legend(m, &l);
}

/* Four rows below a narrow list. */
static void draw_brief(models *m, ui_canvas *c, ui_rect r)
{
    if (m->hub.focus) {
        ui_models_hub_preview(m, c, r);
        return;
    }
    const nb_entry *e = ui_models_current(m);
    char a[48], b[16], w[16], k[16], x[16], t[16];
    ui_box(c, r, e ? e->name : "model", e ? "+ more" : NULL, false);
    if (!e)
        return;
    ui_rect in = ui_inside(r);
    parts_lines l = ui_parts_begin(c, (ui_rect){in.x + 1, in.y, in.w - 2, in.h});
    const nb_fit *f = &m->fit[m->row[m->list.at].entry];
    ui_parts_line(&l, UI_TEXT, "%s %lluL %s par · ctx %s · vocab %llu · %s", e->arch,
                  (unsigned long long)e->n_layer, ui_parts_count(a, e->params),
                  ui_parts_ctx(b, e->n_ctx), (unsigned long long)e->n_vocab, e->type_name);
    if (e->problem[0])
        ui_parts_line(&l, UI_WARN, "%s", e->problem);
    else
        ui_parts_line(&l, ui_parts_fit_role(f->word), "ctx %s: %s + KV %s + compute %s = %s  %s",
                      ui_parts_ctx(b, f->ctx), nb_human_bytes(w, f->weights),
                      nb_human_bytes(k, f->kv), nb_human_bytes(x, f->compute),
                      nb_human_bytes(t, f->total), nb_fit_name(f->word));
    ui_parts_line(&l, UI_DIM, "%s", e->path);
    ui_parts_line(&l, UI_DIM, "~ estimate  %s measured here  [ ] context %s  V KV %s",
                  ui_glyph_text(c, UI_G_CHECK), ui_parts_ctx(b, m->ctx), m->kv_f32 ? "f32" : "f16");
}

/* The local list, the Hub's, or one over the other. */
static void draw_lists(models *m, ui_canvas *c, ui_rect r)
{
    ui_rect top, bottom;
    bool both = m->hub.view == MODELS_BOTH && r.h >= 20;
    if (both) {
        int local = (int)m->n_row + 4, most = r.h / 2;
        ui_parts_rows(r, local < 7 ? 7 : local < most ? local : most, &top, &bottom);
        draw_list(m, c, top);
        ui_models_hub_draw(m, c, bottom);
    } else if (m->hub.focus) {
        ui_models_hub_draw(m, c, r);
    } else {
        draw_list(m, c, r);
    }
}

void ui_models_draw(void *self, ui_canvas *c, ui_rect r)
{
    models *m = self;
    ui_rect list, preview;
    m->canvas = c;
    m->spots.n = 0;
    ui_list_hide(&m->list);
    ui_list_hide(&m->hub.list);
    m->after_scan = UI_ACT_NONE; /* came back before it was brought */
    if (m->zoom) {
        draw_preview(m, c, r);
    } else if (r.w >= 100 && r.h >= 12) {
        ui_parts_columns(r, r.w - (r.w >= 150 ? 60 : 46), &list, &preview);
        draw_lists(m, c, list);
        draw_preview(m, c, preview);
    } else if (r.h >= 16) {
        ui_parts_rows(r, r.h - 6, &list, &preview);
        draw_lists(m, c, list);
        draw_brief(m, c, preview);
    } else {
        draw_lists(m, c, r);
    }
    m->canvas = NULL;
}

/* --- the same as JSON, keys of `nibble show --json` ------------------------------------------ */

static void entry_json(const models *m, nb_jout *w, size_t entry)
{
    const nb_entry *e = nb_library_at(m->lib, entry);
    const twin_model t = {.path = e->path,
                          .container = e->is_dir                         ? NB_HF_DIR
                                       : nb_has_suffix(e->path, ".gguf") ? NB_GGUF
                                                                         : NB_SAFETENSORS,
                          .file_bytes = e->bytes,
                          .tensor_bytes = e->tensor_bytes,
                          .params = e->params};
    nb_jout_object(w);
    nb_jout_key(w, "name");
    nb_jout_str(w, e->name);
    nb_jout_key(w, "type");
    nb_jout_str(w, e->type_name);
    ui_twin_model(w, &t);
    if (e->problem[0]) {
        nb_jout_key(w, "problem");
        nb_jout_str(w, e->problem);
    } else {
        ui_twin_fit(w, &m->fit[entry]);
    }
    nb_jout_key(w, "context");
    nb_jout_u64(w, e->n_ctx);
    nb_jout_key(w, "marked");
    nb_jout_bool(w, ui_models_marked(m, e->path));
    nb_jout_object_end(w);
}

void ui_models_json(const void *self, nb_str *out)
{
    const models *m = self;
    nb_jout w = nb_jout_make(out);
    nb_jout_object(&w);
    nb_jout_key(&w, "ctx");
    nb_jout_u64(&w, m->ctx);
    nb_jout_key(&w, "models");
    nb_jout_array(&w);
    for (size_t i = 0; i < m->n_row; i++)
        entry_json(m, &w, m->row[i].entry);
    nb_jout_array_end(&w);
    if (m->hub.view != MODELS_LOCAL)
        ui_models_hub_json(m, &w);
    nb_jout_object_end(&w);
}
