/* How Detail looks: the repository's models with their fit, beside them card or tensors. */
#include <stdio.h>
#include <string.h>

#include "tui/hub_out.h"
#include "tui/screens/detail.h"

enum { COL_NAME, COL_BPW, COL_SIZE, COL_NEEDS, COL_FIT, COL_FILES, COLS };
enum { T_NAME, T_SHAPE, T_TYPE, T_BYTES, T_COLS };
enum { ABOUT = 9 }; /* rows below the list on a wide screen */

static bool fit_of(const detail *d, const dl_choice *c, uint32_t ctx, nb_fit *out)
{
    return d->has_entry && ui_hub_fit(&d->entry, c, ctx, d->kv_f32, d->available, out);
}

/* --- the list ------------------------------------------------------------------------------------
 */

static void cell(const void *arg, size_t row, size_t col, char *buf, size_t cap, ui_role *role)
{
    const detail *d = arg;
    const dl_choice *c = &d->choices.at[d->row[row]];
    nb_fit fit;
    char num[48];
    bool fits = fit_of(d, c, d->ctx, &fit);
    double bpw = ui_hub_bpw(&d->repo, d->has_entry ? &d->entry : NULL, c);
    buf[0] = '\0';
    if (!c->complete)
        *role = UI_DIM;
    switch (col) {
    case COL_NAME:
        snprintf(buf, cap, "%s", c->name);
        break;
    case COL_BPW:
        snprintf(buf, cap, "%s", bpw > 0 ? nb_fmt_fixed(num, bpw, 2) : "");
        break;
    case COL_SIZE:
        snprintf(buf, cap, "%s", nb_human_bytes(num, c->bytes));
        break;
    case COL_NEEDS:
        snprintf(buf, cap, "%s", fits ? nb_human_bytes(num, fit.total) : "");
        break;
    case COL_FIT:
        if (!c->complete)
            snprintf(buf, cap, "cut");
        else if (fits)
            snprintf(buf, cap, "%s", nb_fit_name(fit.word));
        else if (c->kind <= DL_CHOICE_GGUF)
            snprintf(buf, cap, "?");
        if (fits && c->complete)
            *role = ui_parts_fit_role(fit.word);
        break;
    default:
        snprintf(buf, cap, "%zu", c->n_file);
    }
}

static char row_mark(const void *arg, size_t row)
{
    const detail *d = arg;
    const dl_choice *c = &d->choices.at[d->row[row]];
    return d->marked[d->row[row]] ? '*' : c->complete ? ' ' : '!';
}

static void draw_state(detail *d, ui_canvas *c, ui_rect r)
{
    const char *none[] = {"no repository is open", "", "1 shows the models, u there the Hub", NULL};
    const char *asking[] = {"asking the Hub for", d->id, NULL};
    const char *failed[] = {"the Hub did not give", d->id, "", NULL};
    if (!d->id[0]) {
        ui_parts_empty(c, r, none);
    } else if (d->problem.status == NB_OK) {
        ui_parts_empty(c, r, asking);
    } else {
        ui_rect top, rest;
        ui_parts_rows(r, r.h / 3 > 4 ? r.h / 3 : 4, &top, &rest);
        ui_parts_empty(c, top, failed);
        parts_lines l = ui_parts_begin(c, (ui_rect){rest.x + 4, rest.y, rest.w - 8, rest.h});
        ui_parts_wrap(&l, UI_ERR, d->problem.msg);
        ui_parts_skip(&l);
        ui_parts_wrap(&l, UI_TEXT, dl_trouble_remedy(d->trouble));
        ui_parts_wrap(&l, UI_HINT, dl_trouble_keys(d->trouble));
    }
}

static void draw_list(detail *d, ui_canvas *c, ui_rect r)
{
    char title[64], note[48], ctx[16];
    snprintf(title, sizeof title, "%zu model%s, %zu file%s", d->n_row, d->n_row == 1 ? "" : "s",
             d->repo.n_file, d->repo.n_file == 1 ? "" : "s");
    snprintf(note, sizeof note, "ctx %s  KV %s", ui_parts_ctx(ctx, d->ctx),
             d->kv_f32 ? "f32" : "f16");
    ui_box(c, r, d->loaded ? title : "model", d->loaded ? note : NULL, !d->on_right);
    ui_rect in = ui_inside(r);
    if (!d->loaded) {
        draw_state(d, c, in);
        return;
    }
    static const char *const none[] = {"no GGUF and no safetensors model here",
                                       "f shows every file", NULL};
    if (!d->n_row) {
        ui_parts_empty(c, in, none);
        return;
    }
    snprintf(d->fit_title, sizeof d->fit_title, "FIT@%s", ui_parts_ctx(ctx, d->ctx));
    const ui_column col[COLS] = {
        {"MODEL", 0, false, 0}, {"BPW", 5, true, 3},        {"SIZE", 8, true, 1},
        {"NEEDS", 8, true, 2},  {d->fit_title, 9, true, 1}, {"FILES", 5, true, 4},
    };
    ui_table t = {.col = col, .n_col = COLS, .cell = cell, .mark = row_mark, .arg = d};
    ui_table_draw(c, in, &t, &d->list, !d->on_right);
}

/* --- about the row under the cursor --------------------------------------------------------------
 */

static void sum_line(const detail *d, parts_lines *l, const dl_choice *c)
{
    char a[16], b[16], k[16], t[16], f[16], ctx[16], text[160];
    nb_fit fit;
    if (!fit_of(d, c, d->ctx, &fit)) {
        if (d->more_job)
            ui_parts_line(l, UI_DIM, "asking what the model is");
        else if (c->kind <= DL_CHOICE_GGUF)
            ui_parts_line(l, UI_DIM, "its shape is not known: no memory figure");
        return;
    }
    ui_parts_ctx(ctx, fit.ctx);
    nb_human_bytes(a, fit.weights);
    nb_human_bytes(b, fit.kv);
    nb_human_bytes(k, fit.compute);
    nb_human_bytes(t, fit.total);
    nb_human_bytes(f, fit.available);
    snprintf(text, sizeof text, "%s at ctx %s: %s + KV %s + buffers %s = %s of %s",
             nb_fit_name(fit.word), ctx, a, b, k, t, f);
    if ((int)strlen(text) > l->r.w) /* all figures, fewer words */
        snprintf(text, sizeof text, "%s@%s: %s + KV %s + buffers %s = %s of %s",
                 nb_fit_name(fit.word), ctx, a, b, k, t, f);
    if ((int)strlen(text) > l->r.w)
        snprintf(text, sizeof text, "%s@%s: %s + KV %s + %s = %s of %s", nb_fit_name(fit.word), ctx,
                 a, b, k, t, f);
    ui_parts_line(l, ui_parts_fit_role(fit.word), "%s", text);
}

/* What it needs at several contexts, a column each, up to the model's own. */
static void draw_contexts(const detail *d, parts_lines *l, const dl_choice *c)
{
    char ctx[16], size[16];
    int x = l->r.x + 8;
    nb_fit fit;
    if (ui_parts_left(l) < 3 || !fit_of(d, c, 2048, &fit))
        return;
    ui_text(l->c, l->r.x, l->r.y + l->y, UI_DIM, "ctx");
    ui_text(l->c, l->r.x, l->r.y + l->y + 1, UI_DIM, "needs");
    for (uint32_t n = 2048; n <= 131072 && x + 9 <= l->r.x + l->r.w; n *= 2, x += 9) {
        bool last = d->entry.n_ctx && n >= d->entry.n_ctx;
        if (!fit_of(d, c, n, &fit))
            return;
        ui_text_right(l->c, x + 8, l->r.y + l->y, UI_DIM, ui_parts_ctx(ctx, fit.ctx));
        ui_text_right(l->c, x + 8, l->r.y + l->y + 1, UI_TEXT, nb_human_bytes(size, fit.total));
        ui_text_right(l->c, x + 8, l->r.y + l->y + 2, ui_parts_fit_role(fit.word),
                      nb_fit_name(fit.word));
        if (last)
            break;
    }
    l->y += 3;
}

static void draw_file(const detail *d, parts_lines *l, const dl_choice *c)
{
    const dl_file *f = &d->repo.file[ui_detail_header_file(c)];
    ui_parts_line(l, UI_DIM, "%s%s", f->path, c->n_file > 1 ? " and the rest of its set" : "");
    if (f->oid[0])
        ui_parts_line(l, UI_DIM, "%s %s", f->lfs ? "sha256" : "git sha1", f->oid);
    if (f->security[0] && strcmp(f->security, "safe") != 0)
        ui_parts_line(l, UI_WARN, "the Hub's scanners say of it: %s", f->security);
    if (d->repo.dropped)
        ui_parts_line(l, UI_WARN, "%zu file%s with unsafe names left out", d->repo.dropped,
                      d->repo.dropped == 1 ? "" : "s");
}

static void draw_about(detail *d, ui_canvas *c, ui_rect r)
{
    const dl_choice *choice = ui_detail_current(d);
    ui_box(c, r, choice ? choice->name : "model", NULL, false);
    if (!choice)
        return;
    ui_rect in = ui_inside(r);
    parts_lines l = ui_parts_begin(c, (ui_rect){in.x + 1, in.y, in.w - 2, in.h});
    sum_line(d, &l, choice);
    draw_contexts(d, &l, choice);
    draw_file(d, &l, choice);
}

/* --- right side ----------------------------------------------------------------------------------
 */

static void head_lines(const detail *d, parts_lines *l)
{
    const dl_model *m = &d->repo.model;
    char params[16], downloads[16], likes[16];
    ui_parts_wrapf(l, UI_TEXT, "%s par · licence %s%s%s", ui_hub_params(params, m),
                   m->license[0] ? m->license : "not told", m->gated ? " · gated" : "",
                   m->private_repo ? " · private" : "");
    ui_parts_wrapf(l, UI_DIM, "downloads %s · likes %s%s%s", ui_hub_count(downloads, m->downloads),
                   ui_hub_count(likes, m->likes), m->task[0] ? " · " : "", m->task);
    if (m->base_model[0])
        ui_parts_wrapf(l, UI_DIM, "%s from %s", m->base_relation[0] ? m->base_relation : "made",
                       m->base_model);
    if (m->gated)
        ui_parts_wrap(l, UI_WARN, "gated: accept its terms on the page (O), token with A");
}

static void draw_card(detail *d, ui_canvas *c, ui_rect r)
{
    nb_err err;
    ui_box(c, r, "card", d->on_right ? "j k scroll" : "C", d->on_right);
    ui_rect in = ui_inside(r);
    ui_rect text = {in.x + 1, in.y, in.w - 2, in.h};
    if (!d->loaded)
        return;
    parts_lines l = ui_parts_begin(c, text);
    head_lines(d, &l);
    ui_parts_skip(&l);
    text.y += l.y;
    text.h -= l.y;
    if (text.h < 1 || text.w < 1)
        return;
    if (!d->has_card || !d->card.len) {
        bool none = d->has_card || d->card_trouble == DL_OK || d->card_trouble == DL_NO_FILE;
        ui_parts_wrapf(&l, none || d->more_job ? UI_DIM : UI_WARN, "%s%s",
                       d->more_job ? "asking"
                       : none      ? "no card"
                                   : "no card: ",
                       none || d->more_job ? "" : dl_trouble_name(d->card_trouble));
        return;
    }
    ui_md_look look = {.width = text.w, .ascii = c->ascii};
    if (ui_md_lay(&d->md, d->card.at, d->card.len, &look, &err) != NB_OK)
        return;
    size_t rows = ui_md_rows(d->md), shown = (size_t)text.h;
    if (d->card_top + shown > rows)
        d->card_top = rows > shown ? rows - shown : 0;
    ui_md_draw(d->md, c, text, d->card_top);
}

static const nb_tensor *header_tensors(const detail *d, size_t *n)
{
    *n = !d->has_header ? 0 : d->header.gguf ? d->header.g.n_tensors : d->header.s.n_tensors;
    return d->header.gguf ? d->header.g.tensors : d->header.s.tensors;
}

static void tensor_cell(const void *arg, size_t row, size_t col, char *buf, size_t cap,
                        ui_role *role)
{
    size_t n;
    const nb_tensor *t = &header_tensors(arg, &n)[row];
    (void)role;
    switch (col) {
    case T_NAME:
        snprintf(buf, cap, "%.*s", ui_parts_short(t->name), t->name);
        break;
    case T_SHAPE:
        ui_parts_shape(t, buf, cap);
        break;
    case T_TYPE:
        snprintf(buf, cap, "%s", nk_type_get(t->type)->name);
        break;
    default: {
        char size[16];
        snprintf(buf, cap, "%s", nb_human_bytes(size, t->nbytes));
    }
    }
}

/* "q4_K x168 61.2% ████": the mix of types, most bytes first. */
static int draw_mix(detail *d, ui_canvas *c, ui_rect r)
{
    uint64_t bytes[NK_TYPE_SLOTS] = {0}, all = 0;
    size_t count[NK_TYPE_SLOTS] = {0}, n;
    const nb_tensor *t = header_tensors(d, &n);
    int y = 0;
    char text[48];
    for (size_t i = 0; i < n; i++) {
        bytes[t[i].type] += t[i].nbytes;
        count[t[i].type]++;
        all += t[i].nbytes;
    }
    for (; y < r.h && all; y++) {
        size_t top = 0;
        for (size_t k = 1; k < NK_TYPE_SLOTS; k++)
            if (bytes[k] > bytes[top])
                top = k;
        if (!count[top])
            break;
        double share = (double)bytes[top] / (double)all;
        snprintf(text, sizeof text, "%-6s x%-5zu %5.1f%%", nk_type_get((uint32_t)top)->name,
                 count[top], 100 * share);
        int w = ui_text(c, r.x, r.y + y, UI_TEXT, text);
        if (r.w > w + 6)
            ui_progress_draw(c, r.x + w + 1, r.y + y, r.w - w - 1, share, UI_PLOT_A);
        bytes[top] = 0;
        count[top] = 0;
    }
    return y;
}

static void draw_tensors(detail *d, ui_canvas *c, ui_rect r)
{
    const dl_choice *choice = ui_detail_current(d);
    char note[64] = "";
    size_t n;
    header_tensors(d, &n);
    size_t file = choice ? ui_detail_header_file(choice) : SIZE_MAX;
    bool here = d->has_header && d->header_of == file;
    bool failed = d->header_problem[0] && d->problem_of == file;
    if (here)
        snprintf(note, sizeof note, "%zu, %d request%s", n, d->header.requests,
                 d->header.requests == 1 ? "" : "s");
    ui_box(c, r, "tensors", note, d->on_right);
    ui_rect in = ui_inside(r), top, table;
    const char *word = d->peek_job ? "reading the header"
                       : here      ? NULL
                       : failed    ? d->header_problem
                                   : "T reads this file's header";
    if (word) {
        parts_lines l = ui_parts_begin(c, (ui_rect){in.x + 1, in.y, in.w - 2, in.h});
        ui_parts_wrap(&l, failed && !d->peek_job ? UI_WARN : UI_DIM, word);
        return;
    }
    int mix = draw_mix(d, c, (ui_rect){in.x + 1, in.y, in.w - 2, in.h < 6 ? in.h : 6});
    ui_parts_rows(in, mix + 1, &top, &table);
    const ui_column col[T_COLS] = {{"TENSOR", 0, false, 0},
                                   {"SHAPE", 13, true, 2},
                                   {"TYPE", 6, true, 1},
                                   {"BYTES", 8, true, 3}};
    ui_table t = {.col = col, .n_col = T_COLS, .cell = tensor_cell, .arg = d};
    ui_list_set(&d->tensors, n);
    ui_table_draw(c, table, &t, &d->tensors, d->on_right);
}

static void draw_right(detail *d, ui_canvas *c, ui_rect r)
{
    ui_spots_add(&d->spots, r, DETAIL_SPOT_RIGHT);
    if (d->pane == DETAIL_CARD)
        draw_card(d, c, r);
    else
        draw_tensors(d, c, r);
}

/* --- all of it -----------------------------------------------------------------------------------
 */

static void draw_path(const detail *d, ui_canvas *c, ui_rect r)
{
    int x = r.x + 1;
    x += ui_text(c, x, r.y, UI_DIM, "Models > ");
    x += ui_textn(c, x, r.y, UI_TITLE, 0, d->id, strlen(d->id), r.w - 12);
    if (d->loaded && r.w - (x - r.x) > 14)
        ui_textf(c, x, r.y, UI_DIM, " @ %.8s", d->repo.commit);
}

void ui_detail_draw(void *self, ui_canvas *c, ui_rect r)
{
    detail *d = self;
    ui_rect path, body, left, right, list, about;
    d->canvas = c;
    d->spots.n = 0;
    ui_list_hide(&d->list);
    ui_list_hide(&d->tensors);
    ui_parts_rows(r, 1, &path, &body);
    draw_path(d, c, path);
    if (!d->loaded) {
        draw_list(d, c, body);
    } else if (d->zoom) {
        draw_right(d, c, body);
    } else if (body.w >= 100) {
        ui_parts_columns(body, body.w * 3 / 5, &left, &right);
        ui_parts_rows(left, left.h > ABOUT + 6 ? left.h - ABOUT : left.h, &list, &about);
        draw_list(d, c, list);
        if (about.h > 2)
            draw_about(d, c, about);
        draw_right(d, c, right);
    } else if (d->on_right) {
        draw_right(d, c, body);
    } else {
        ui_parts_rows(body, body.h > 14 ? body.h - 6 : body.h, &list, &about);
        draw_list(d, c, list);
        if (about.h > 2)
            draw_about(d, c, about);
    }
    d->canvas = NULL;
}

void ui_detail_json(const void *self, nb_str *out)
{
    const detail *d = self;
    nb_jout w = nb_jout_make(out);
    nb_jout_object(&w);
    if (d->loaded) {
        nb_jout_key(&w, "repo"), ui_hub_json_model(&w, &d->repo.model);
        nb_jout_key(&w, "commit"), nb_jout_str(&w, d->repo.commit);
        ui_hub_json_repo(&w, &d->repo, &d->choices, d->has_entry ? &d->entry : NULL, d->ctx,
                         d->kv_f32, d->available);
    }
    nb_jout_object_end(&w);
}
