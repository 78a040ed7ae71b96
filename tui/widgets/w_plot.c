#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tui/widgets/plot.h"
#include "tui/widgets/w_dots.h"

enum { LABEL_W = 8, LEAST_W = 20, LEAST_H = 4, TICKS = 12 };

/* --- scales ------------------------------------------------------------------------------------
 */

/* lo..hi of the axis in the scale's own units: the value, or its logarithm to 10. */
typedef struct scale {
    bool log;
    double lo, hi;
} scale;

static double scaled(const scale *s, double v)
{
    if (!s->log)
        return v;
    return v > 0 ? log10(v) : s->lo;
}

static scale scale_of(const ui_plot *p, bool x)
{
    scale s = {.log = x ? p->x.log : p->y.log, .lo = INFINITY, .hi = -INFINITY};
    for (size_t i = 0; i < p->n; i++) {
        double v = x ? p->point[i].x : p->point[i].y;
        if (s.log && !(v > 0))
            continue;
        v = scaled(&s, v);
        s.lo = fmin(s.lo, v);
        s.hi = fmax(s.hi, v);
    }
    if (!(s.lo <= s.hi))
        s.lo = s.hi = 0;
    double room = s.hi > s.lo ? 0.06 * (s.hi - s.lo) : s.log ? 0.1 : fmax(fabs(s.hi) * 0.1, 0.5);
    s.lo -= room;
    s.hi += room;
    return s;
}

/* 0..cells-1 from the low end. */
static int place(const scale *s, double v, int cells)
{
    double share = (scaled(s, v) - s->lo) / (s->hi - s->lo);
    int at = (int)floor(share * cells);
    return at < 0 ? 0 : at >= cells ? cells - 1 : at;
}

/* --- ticks -------------------------------------------------------------------------------------
 */

static size_t add_tick(double *out, size_t n, const scale *s, double v)
{
    double at = scaled(s, v);
    if (n < TICKS && at >= s->lo && at <= s->hi)
        out[n++] = v;
    return n;
}

static size_t log_ticks(double out[TICKS], const scale *s, const double *digit, size_t n_digit)
{
    size_t n = 0;
    for (int e = (int)floor(s->lo); e <= (int)ceil(s->hi); e++)
        for (size_t i = 0; i < n_digit; i++)
            n = add_tick(out, n, s, digit[i] * pow(10, e));
    return n;
}

static size_t even_ticks(double out[TICKS], const scale *s, int most)
{
    static const double step[] = {1, 2, 2.5, 5, 10};
    double lo = s->log ? pow(10, s->lo) : s->lo, hi = s->log ? pow(10, s->hi) : s->hi;
    double rough = (hi - lo) / (most > 1 ? most : 1), unit = pow(10, floor(log10(rough)));
    size_t n = 0, i = 0;
    while (i + 1 < countof(step) && step[i] * unit < rough)
        i++;
    double every = step[i] * unit, first = ceil(lo / every);
    for (int k = 0; k < TICKS && (first + k) * every <= hi; k++) {
        double v = (first + k) * every;
        n = add_tick(out, n, s, fabs(v) < unit / 1e6 ? 0 : v);
    }
    return n;
}

/* Round values, as few digits as give three of them. */
static size_t ticks_of(double out[TICKS], const scale *s, int most)
{
    static const double digits[] = {1, 2, 5};
    size_t n = 0;
    most = most < 2 ? 2 : most > TICKS ? TICKS : most;
    if (s->log) {
        n = log_ticks(out, s, digits, 1);
        if (n < 3)
            n = log_ticks(out, s, digits, countof(digits));
    }
    return n >= 3 ? n : even_ticks(out, s, most);
}

static void draw_y_axis(ui_canvas *c, ui_rect plot, const ui_plot *p, const scale *s)
{
    double tick[TICKS];
    int last = -2;
    char text[24];
    size_t n = ticks_of(tick, s, plot.h / 2);
    for (int y = 0; y < plot.h; y++)
        ui_text(c, plot.x - 1, plot.y + y, UI_PLOT_AXIS, ui_glyph_text(c, UI_G_V));
    for (size_t i = 0; i < n; i++) {
        int at = place(s, tick[i], plot.h);
        if (at - last < 2)
            continue;
        last = at;
        int y = plot.y + plot.h - 1 - at;
        ui_text_right(c, plot.x - 2, y, UI_PLOT_AXIS, p->y.text(text, tick[i]));
        ui_text(c, plot.x - 1, y, UI_PLOT_AXIS, ui_glyph_text(c, UI_G_RT));
    }
}

static void draw_x_axis(ui_canvas *c, ui_rect plot, const ui_plot *p, const scale *s)
{
    double tick[TICKS];
    char text[24];
    int y = plot.y + plot.h, free_from = plot.x;
    size_t n = ticks_of(tick, s, plot.w / 12);
    ui_fill(c, (ui_rect){plot.x, y, plot.w, 1}, UI_PLOT_AXIS, ui_glyph_text(c, UI_G_H));
    ui_text(c, plot.x - 1, y, UI_PLOT_AXIS, ui_glyph_text(c, UI_G_BL));
    for (size_t i = 0; i < n; i++) {
        const char *label = p->x.text(text, tick[i]);
        int w = ui_width(c, label, strlen(label)), x = plot.x + place(s, tick[i], plot.w) - w / 2;
        if (x < free_from || x + w > plot.x + plot.w)
            continue;
        ui_text(c, x, y + 1, UI_PLOT_AXIS, label);
        free_from = x + w + 2;
    }
}

/* --- the line ----------------------------------------------------------------------------------
 */

static void put_dots(ui_canvas *c, int x, int y, uint8_t dots)
{
    const char *plain = !(dots & 0xe4u) ? "'" : !(dots & 0x1bu) ? "." : ":";
    char utf8[UI_DOTS_UTF8];
    ui_text(c, x, y, UI_PLOT_FRONTIER, c->ascii ? plain : ui_dots_glyph(dots, utf8));
}

/* From dot to dot: along the longer side, the other one rounded. */
static void draw_line(ui_canvas *c, ui_rect plot, int x0, int y0, int x1, int y1)
{
    int dx = x1 - x0, dy = y1 - y0;
    int n = abs(dx) > abs(dy) ? abs(dx) : abs(dy), cell_x = -1, cell_y = -1;
    uint8_t dots = 0;
    for (int i = 0; i <= n; i++) {
        int x = x0 + (n ? (int)lround((double)dx * i / n) : 0);
        int y = y0 + (n ? (int)lround((double)dy * i / n) : 0);
        if (x / 2 != cell_x || y / 4 != cell_y) {
            if (dots)
                put_dots(c, plot.x + cell_x, plot.y + cell_y, dots);
            cell_x = x / 2;
            cell_y = y / 4;
            dots = 0;
        }
        dots |= ui_dots_bit(x, y);
    }
    if (dots)
        put_dots(c, plot.x + cell_x, plot.y + cell_y, dots);
}

/* The front in order of x (of equal ones by y), as indices. */
static size_t front_order(const ui_plot *p, size_t order[UI_POINTS])
{
    size_t n = 0;
    for (size_t i = 0; i < p->n && i < UI_POINTS; i++) {
        const ui_point *a = &p->point[i];
        if (!a->front)
            continue;
        size_t k = n++;
        for (; k > 0; k--) {
            const ui_point *b = &p->point[order[k - 1]];
            if (b->x < a->x || (!(b->x > a->x) && b->y <= a->y))
                break;
            order[k] = order[k - 1];
        }
        order[k] = i;
    }
    return n;
}

static void draw_front(ui_canvas *c, ui_rect plot, const ui_plot *p, const scale *sx,
                       const scale *sy)
{
    size_t order[UI_POINTS], n = front_order(p, order);
    for (size_t i = 1; i < n; i++) {
        const ui_point *a = &p->point[order[i - 1]], *b = &p->point[order[i]];
        draw_line(c, plot, place(sx, a->x, 2 * plot.w),
                  4 * plot.h - 1 - place(sy, a->y, 4 * plot.h), place(sx, b->x, 2 * plot.w),
                  4 * plot.h - 1 - place(sy, b->y, 4 * plot.h));
    }
}

/* --- letters -----------------------------------------------------------------------------------
 */

typedef struct spot {
    int x, y;
} spot;

/* Where point i's letter goes: its cell, or the next free one to the right, then to the left. */
static spot letter_place(const spot *taken, size_t n, spot want, ui_rect plot)
{
    enum { FAR = 4 };
    for (int k = 0; k < 2 * FAR; k++) {
        spot at = {want.x + (k < FAR ? k : FAR - 1 - k), want.y};
        bool is_free = at.x >= plot.x && at.x < plot.x + plot.w;
        for (size_t i = 0; i < n && is_free; i++)
            is_free = taken[i].x != at.x || taken[i].y != at.y;
        if (is_free)
            return at;
    }
    return want;
}

static bool is_taken(const spot *taken, size_t n, int x, int y)
{
    for (size_t i = 0; i < n; i++)
        if (taken[i].x == x && taken[i].y == y)
            return true;
    return false;
}

static void draw_letters(ui_canvas *c, ui_rect plot, const ui_plot *p, const scale *sx,
                         const scale *sy, ui_spots *spots)
{
    spot at[UI_POINTS];
    size_t n = p->n < UI_POINTS ? p->n : UI_POINTS;
    for (size_t i = 0; i < n; i++) {
        spot want = {plot.x + place(sx, p->point[i].x, plot.w),
                     plot.y + plot.h - 1 - place(sy, p->point[i].y, plot.h)};
        at[i] = letter_place(at, i, want, plot);
    }
    for (size_t i = 0; i < n; i++) {
        const ui_point *q = &p->point[i];
        const char letter[2] = {q->letter, '\0'};
        ui_text(c, at[i].x, at[i].y, q->front ? UI_PLOT_FRONTIER : UI_PLOT_A, letter);
        if (q->selected)
            ui_tint(c, (ui_rect){at[i].x, at[i].y, 1, 1}, UI_SELECT, UI_A_REVERSE);
        if (q->selected && at[i].x > plot.x && !is_taken(at, n, at[i].x - 1, at[i].y))
            ui_text(c, at[i].x - 1, at[i].y, UI_FOCUS, ">");
        if (!q->front && at[i].x + 1 < plot.x + plot.w && !is_taken(at, n, at[i].x + 1, at[i].y))
            ui_text(c, at[i].x + 1, at[i].y, UI_DIM, ui_glyph_text(c, UI_G_DOT));
        if (spots)
            ui_spots_add(spots, (ui_rect){at[i].x, at[i].y, 1, 1}, q->what);
    }
}

void ui_plot_draw(ui_canvas *c, ui_rect r, const ui_plot *p, ui_spots *spots)
{
    if (r.w < LEAST_W || r.h < LEAST_H || p->n == 0)
        return;
    ui_rect plot = {r.x + LABEL_W + 2, r.y, r.w - LABEL_W - 2, r.h - 2};
    scale sx = scale_of(p, true), sy = scale_of(p, false);
    draw_y_axis(c, plot, p, &sy);
    draw_x_axis(c, plot, p, &sx);
    draw_front(c, plot, p, &sx, &sy);
    draw_letters(c, plot, p, &sx, &sy, spots);
}
