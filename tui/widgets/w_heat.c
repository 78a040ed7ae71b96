#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tui/widgets/plot.h"

enum { NAME_W = 13 };

/* Shares of the most damage at which the shades change: three steps to a decade would be finer
 * than the eye; two are not. */
static const double steps[3] = {0.03, 0.1, 0.3};

/* --- rows --------------------------------------------------------------------------------------
 */

/* A row of the map: a kind inside layers, or one tensor outside them. */
typedef struct heat_row {
    uint32_t kind;
    bool inside;
} heat_row;

/* Those inside layers first. Returns their number, at most 2 * NB_SENSE_KINDS. */
static int rows_of(const nb_sense_table *t, heat_row out[2 * NB_SENSE_KINDS])
{
    bool has[2][NB_SENSE_KINDS] = {{false}};
    int n = 0;
    for (size_t i = 0; i < t->n; i++)
        if (t->row[i].kind < NB_SENSE_KINDS)
            has[t->row[i].layer < 0][t->row[i].kind] = true;
    for (int outside = 0; outside < 2; outside++)
        for (uint32_t k = 0; k < t->n_kind; k++)
            if (has[outside][k])
                out[n++] = (heat_row){k, !outside};
    return n;
}

int ui_heat_rows(const nb_sense_table *t)
{
    heat_row row[2 * NB_SENSE_KINDS];
    return rows_of(t, row) + 2;
}

/* NULL: the model has no such tensor. */
static const nb_sense_row *row_of(const nb_sense_table *t, heat_row row, int layer)
{
    return nb_sense_at(t, row.inside ? layer : -1, row.kind);
}

static size_t index_at(const nb_sense_table *t, heat_row row, int layer)
{
    const nb_sense_row *r = row_of(t, row, layer);
    return r ? (size_t)(r - t->row) : SIZE_MAX;
}

static int row_at(const heat_row *row, int n, const nb_sense_row *r)
{
    for (int i = 0; i < n; i++)
        if (row[i].kind == r->kind && row[i].inside == (r->layer >= 0))
            return i;
    return 0;
}

/* --- drawing -----------------------------------------------------------------------------------
 */

static int level_of(double damage, double most)
{
    return (damage >= steps[0] * most) + (damage >= steps[1] * most) + (damage >= steps[2] * most);
}

static void draw_cell(ui_canvas *c, int x, int y, const nb_sense_row *r, double most)
{
    if (r->known)
        ui_shade(c, x, y, level_of(r->damage.kld, most), UI_RAMP_KL_0);
    else
        ui_text(c, x, y, UI_DIM, r->skip ? "x" : "?");
}

static void draw_legend(ui_canvas *c, ui_rect r, double most)
{
    char text[160], a[32], b[32], d[32];
    snprintf(a, sizeof a, "%.2g", steps[0] * most);
    snprintf(b, sizeof b, "%.2g", steps[1] * most);
    snprintf(d, sizeof d, "%.2g", steps[2] * most);
    snprintf(text, sizeof text, "KL %s<%s %s<%s %s<%s %s more  ? not measured  x cannot",
             ui_glyph_text(c, UI_G_SHADE0), a, ui_glyph_text(c, UI_G_SHADE0 + 1), b,
             ui_glyph_text(c, UI_G_SHADE0 + 2), d, ui_glyph_text(c, UI_G_SHADE3));
    ui_textn(c, r.x, r.y, UI_DIM, 0, text, strlen(text), r.w);
}

static void keep_in_view(ui_heat *h, int columns, int layer)
{
    int last = (int)h->table->n_layer - columns;
    if (layer >= 0 && layer < h->first)
        h->first = layer;
    if (layer >= h->first + columns)
        h->first = layer - columns + 1;
    h->first = h->first > last ? last : h->first;
    h->first = h->first < 0 ? 0 : h->first;
}

/* Without colour too: ">" before the kind, "^" under the layer. */
static void draw_selected(ui_canvas *c, ui_rect r, const ui_heat *h, int y, bool focused)
{
    const nb_sense_row *at = &h->table->row[h->at];
    int x = h->area.x + (at->layer < 0 ? 0 : at->layer - h->first);
    ui_text(c, r.x, h->area.y + y, UI_FOCUS, ">");
    ui_tint(c, (ui_rect){x, h->area.y + y, 1, 1}, focused ? UI_SELECT : UI_FOCUS, UI_A_REVERSE);
    if (at->layer >= 0)
        ui_text(c, x, h->area.y + h->area.h, UI_FOCUS, "^");
    if (focused) {
        c->cursor_x = x;
        c->cursor_y = h->area.y + y;
    }
}

void ui_heat_draw(ui_canvas *c, ui_rect r, ui_heat *h, bool focused)
{
    const nb_sense_table *t = h->table;
    heat_row row[2 * NB_SENSE_KINDS];
    int n = rows_of(t, row), columns = r.w - NAME_W - 2;
    int shown = n < r.h - 2 ? n : r.h - 2, top = 0;
    h->area.w = 0;
    if (columns < 1 || shown < 1)
        return;
    const nb_sense_row *at = h->at < t->n ? &t->row[h->at] : NULL;
    int y_at = at ? row_at(row, n, at) : 0;
    if (y_at >= shown)
        top = y_at - shown + 1;
    columns = columns < (int)t->n_layer ? columns : (int)t->n_layer;
    columns = columns < 1 ? 1 : columns;
    keep_in_view(h, columns, at ? at->layer : -1);
    h->area = (ui_rect){r.x + NAME_W + 2, r.y, columns, shown};
    double most = nb_sense_most(t);
    for (int y = 0; y < shown; y++) {
        const char *name = t->kind[row[top + y].kind];
        ui_textn(c, r.x + 1, r.y + y, UI_DIM, 0, name, strlen(name), NAME_W);
        for (int x = 0; x < (row[top + y].inside ? columns : 1); x++) {
            const nb_sense_row *r_at = row_of(t, row[top + y], h->first + x);
            if (r_at)
                draw_cell(c, h->area.x + x, r.y + y, r_at, most);
        }
    }
    if (at)
        draw_selected(c, r, h, y_at - top, focused);
    if (columns < (int)t->n_layer)
        ui_textf(c, r.x + 1, r.y + shown, UI_DIM, "L%d..%d", h->first, h->first + columns - 1);
    draw_legend(c, (ui_rect){r.x + 1, r.y + shown + 1, r.w - 1, 1}, most);
}

/* --- moving ------------------------------------------------------------------------------------
 */

/* The nearest tensor of the row: a model need not have every kind in every layer. */
static size_t nearest(const nb_sense_table *t, heat_row row, int layer)
{
    for (int d = 0; d <= (int)t->n_layer; d++) {
        size_t left = index_at(t, row, layer - d), right = index_at(t, row, layer + d);
        if (left < t->n || right < t->n)
            return left < t->n ? left : right;
    }
    return SIZE_MAX;
}

static bool step_layer(ui_heat *h, heat_row row, int layer, int step)
{
    const nb_sense_table *t = h->table;
    for (int l = layer + step; row.inside && l >= 0 && l < (int)t->n_layer; l += step) {
        size_t i = index_at(t, row, l);
        if (i >= t->n)
            continue;
        h->at = i;
        break;
    }
    return true;
}

bool ui_heat_move(ui_heat *h, ui_action a)
{
    const nb_sense_table *t = h->table;
    heat_row row[2 * NB_SENSE_KINDS];
    int n = rows_of(t, row);
    if (n == 0)
        return false;
    if (h->at >= t->n)
        h->at = 0;
    const nb_sense_row *r = &t->row[h->at];
    int y = row_at(row, n, r), layer = r->layer < 0 ? h->first : r->layer, to;
    switch (a) {
    case UI_ACT_ANY_LEFT:
    case UI_ACT_ANY_RIGHT:
        return step_layer(h, row[y], layer, a == UI_ACT_ANY_LEFT ? -1 : 1);
    case UI_ACT_ANY_UP:
        to = y > 0 ? y - 1 : 0;
        break;
    case UI_ACT_ANY_DOWN:
        to = y + 1 < n ? y + 1 : y;
        break;
    case UI_ACT_ANY_FIRST:
        to = 0;
        break;
    case UI_ACT_ANY_LAST:
        to = n - 1;
        break;
    default:
        return false;
    }
    size_t i = nearest(t, row[to], layer);
    h->at = i < t->n ? i : h->at;
    return true;
}

size_t ui_heat_hit(const ui_heat *h, int x, int y)
{
    heat_row row[2 * NB_SENSE_KINDS];
    const ui_rect *r = &h->area;
    if (x < r->x || x >= r->x + r->w || y < r->y || y >= r->y + r->h)
        return SIZE_MAX;
    int n = rows_of(h->table, row), y_at = 0;
    if (h->at < h->table->n)
        y_at = row_at(row, n, &h->table->row[h->at]);
    int top = y_at >= r->h ? y_at - r->h + 1 : 0;
    return top + y - r->y < n ? index_at(h->table, row[top + y - r->y], h->first + x - r->x)
                              : SIZE_MAX;
}
