/* Cells to the terminal: rows that differ from the last frame go to curses, which sends the
 * differing cells. Colours are mapped to what the terminal has; its palette is never changed. */
#include <curses.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "tui/app.h"
#include "tui/term_private.h"

/* --- colours --------------------------------------------------------------------------------- */

static int channel(int32_t rgb, int shift)
{
    return (rgb >> shift) & 255;
}

/* Squared distance weighted by how the eye takes the channels ("redmean"). */
static long distance(int32_t a, int32_t b)
{
    long mean = (channel(a, 16) + channel(b, 16)) / 2;
    long r = channel(a, 16) - channel(b, 16), g = channel(a, 8) - channel(b, 8),
         bl = channel(a, 0) - channel(b, 0);
    return (((512 + mean) * r * r) >> 8) + 4 * g * g + (((767 - mean) * bl * bl) >> 8);
}

/* Colour `i` of xterm's 256: 16..231 a 6x6x6 cube, 232..255 greys. 0..15 are the user's own. */
static int32_t cube_color(int i)
{
    static const int level[6] = {0, 95, 135, 175, 215, 255};
    if (i >= 232) {
        int v = 8 + 10 * (i - 232);
        return (v << 16) | (v << 8) | v;
    }
    i -= 16;
    return (level[i / 36] << 16) | (level[i / 6 % 6] << 8) | level[i % 6];
}

/* The eight hues; greys follow the terminal's own text and background. */
static int hue_color(int32_t rgb)
{
    int r = channel(rgb, 16), g = channel(rgb, 8), b = channel(rgb, 0);
    int max = r > g ? (r > b ? r : b) : (g > b ? g : b);
    int min = r < g ? (r < b ? r : b) : (g < b ? g : b);
    if (max - min < 40)
        return -1;
    int half = (max + min) / 2;
    return (r > half ? 1 : 0) | (g > half ? 2 : 0) | (b > half ? 4 : 0);
}

int ui_term_color_index(int32_t rgb, int colors)
{
    if (rgb < 0 || colors < 8)
        return -1;
    if (colors < 256)
        return hue_color(rgb);
    int best = 16;
    for (int i = 17; i < 256; i++)
        if (distance(rgb, cube_color(i)) < distance(rgb, cube_color(best)))
            best = i;
    return best;
}

static unsigned curses_attrs(unsigned a)
{
    return (a & UI_A_BOLD ? A_BOLD : 0) | (a & UI_A_DIM ? A_DIM : 0) |
           (a & UI_A_UNDERLINE ? A_UNDERLINE : 0) | (a & UI_A_REVERSE ? A_REVERSE : 0) |
           (a & UI_A_ITALIC ? A_ITALIC : 0);
}

void ui_term_look_compile(ui_term *t, const ui_theme *theme)
{
    for (int i = 0; i < UI_ROLE_COUNT; i++) {
        const ui_style *s = &theme->role[i];
        term_look *look = &t->look[i];
        *look = (term_look){.attrs = curses_attrs(s->mono)};
        if (!t->colors)
            continue;
        int fg = ui_term_color_index(s->fg, t->colors), bg = ui_term_color_index(s->bg, t->colors);
        int pair = fg == -1 && bg == -1 ? 0 : alloc_pair(fg, bg);
        look->attrs = curses_attrs(s->attrs);
        look->pair = pair > 0 ? pair : 0;
    }
    t->redraw = true;
}

/* --- cells ----------------------------------------------------------------------------------- */

/* Text, width, role and attributes lie together, and behind a text's end is nothing but zeros. A
 * frame compares all its cells: three words of each. */
static bool same_cell(const ui_cell *a, const ui_cell *b)
{
    enum { SEEN = offsetof(ui_cell, attrs) + 1 };
    _Static_assert(SEEN > 16 && SEEN <= 24, "three words");
    static const size_t at[] = {0, 8, SEEN - 8};
    uint64_t differ = 0, x, y;
    for (size_t i = 0; i < countof(at); i++) {
        memcpy(&x, (const char *)a + at[i], sizeof x);
        memcpy(&y, (const char *)b + at[i], sizeof y);
        differ |= x ^ y;
    }
    return differ == 0;
}

/* The cluster as wide characters whose cells terminals agree on: where the C library counts a base
 * differently, or marks join several bases, only what is safe is sent. */
static void wide_text(const ui_term *t, const ui_cell *cell, wchar_t out[CCHARW_MAX + 1])
{
    size_t n = strlen(cell->text), used, count = 0;
    uint32_t cp;
    for (size_t i = 0; i < n && count < CCHARW_MAX - 1; i += used) {
        used = nb_utf8_next(cell->text + i, n - i, &cp, NULL);
        if (!used || cp == 0x200d || cp == 0xfe0f || (count && wcwidth((wchar_t)cp) != 0))
            break;
        out[count++] = (wchar_t)cp;
    }
    int w = count ? wcwidth(out[0]) : -1;
    if (w < 1 || w > cell->width) {
        out[0] = t->ascii ? L'?' : L'\ufffd';
        count = 1;
    }
    out[count] = L'\0';
}

/* Cells from..to-1 of row y to curses. */
static void put_cells(ui_term *t, const ui_canvas *c, int y, int from, int to)
{
    const ui_cell *row = &c->cell[y * c->w];
    for (int x = from; x < to; x++) {
        wchar_t text[CCHARW_MAX + 1];
        cchar_t cc;
        const ui_cell *cell = &row[x];
        if (cell->width == 0)
            continue;
        const term_look *look = &t->look[cell->role < UI_ROLE_COUNT ? cell->role : 0];
        int pair = look->pair;
        wide_text(t, cell, text);
        if (setcchar(&cc, text, look->attrs | curses_attrs(cell->attrs), 0, &pair) != OK)
            continue;
        mvadd_wch(y, x, &cc);
        if (cell->width == 2 && wcwidth(text[0]) == 1) { /* two cells here, one there: pad */
            setcchar(&cc, L" ", look->attrs, 0, &pair);
            mvadd_wch(y, x + 1, &cc);
        }
    }
}

/* --- what changed ---------------------------------------------------------------------------- */

enum { ADDRESS = 7, LOOK = 12 }; /* bytes of a cursor address, of other colours or attributes */

typedef struct run {
    int from, to; /* cells; empty = nothing changed any more */
    size_t cost;  /* bytes, about */
} run;

static size_t cell_cost(const ui_cell *row, int x, int first)
{
    bool same = x > first && row[x].role == row[x - 1].role && row[x].attrs == row[x - 1].attrs;
    return strlen(row[x].text) + (same ? 0 : LOOK);
}

/* The next changed cells of a row from x on. What did not change is sent again where that takes
 * fewer bytes than to skip it: a border between two panes, in colours of its own, does not. */
static run next_run(const ui_cell *was, const ui_cell *is, int w, int x)
{
    run r = {w, w, 0};
    while (x < w && same_cell(&was[x], &is[x]))
        x++;
    if (x == w)
        return r;
    r.from = x > 0 && is[x].width == 0 ? x - 1 : x;
    r.cost = ADDRESS;
    size_t cost = ADDRESS, gap = 0; /* up to x; of that, since the last change */
    for (x = r.from; x < w && gap <= ADDRESS; x++) {
        size_t cell = cell_cost(is, x, r.from);
        bool same = same_cell(&was[x], &is[x]) && x > r.from;
        cost += cell;
        gap = same ? gap + cell : 0;
        if (!same) {
            r.to = x + 1;
            r.cost = cost;
        }
    }
    if (r.to < w && is[r.to].width == 0)
        r.to++;
    return r;
}

/* The runs of row y that stand apart, from column t->done[y] on; true when others follow. */
static bool put_runs(ui_term *t, const ui_canvas *c, int y, bool all)
{
    enum { APART = 10 }; /* cells over which curses skips by itself */
    const ui_cell *was = &t->shown[y * c->w], *is = &c->cell[y * c->w];
    run r = next_run(was, is, c->w, t->done[y]);
    for (int last = -APART - 1; r.from < c->w && (all || r.from > last + APART);) {
        put_cells(t, c, y, r.from, r.to);
        t->written += r.cost;
        last = r.to;
        r = next_run(was, is, c->w, last);
    }
    t->done[y] = r.from;
    return r.from < c->w;
}

/* Where each row's first run begins; true when there is one. */
static bool find_changes(ui_term *t, const ui_canvas *c)
{
    bool any = false;
    for (int y = 0; y < c->h; y++) {
        t->done[y] = next_run(&t->shown[y * c->w], &c->cell[y * c->w], c->w, 0).from;
        any = any || t->done[y] < c->w;
    }
    return any;
}

/* What the terminal shows from now on. */
static void keep_row(ui_term *t, const ui_canvas *c, int y)
{
    size_t at = (size_t)y * (size_t)c->w;
    memcpy(t->shown + at, c->cell + at, (size_t)c->w * sizeof *t->shown);
}

/* Curses, left alone, sends short gaps between changed cells again, whatever colours are in them:
 * the borders between panes that scroll took half the bytes. So it gets close runs in turns. */
static void put_changes(ui_term *t, const ui_canvas *c)
{
    enum { TURNS = 8 };
    bool more = true;
    for (int turn = 1; more; turn++) {
        more = false;
        for (int y = 0; y < c->h; y++) {
            if (t->done[y] == c->w)
                continue;
            if (put_runs(t, c, y, turn == TURNS))
                more = true;
            else
                keep_row(t, c, y);
        }
        if (!more)
            return;            /* the caller sends the last */
        leaveok(stdscr, TRUE); /* the cursor has its place at the end */
        wnoutrefresh(stdscr);
        doupdate();
        leaveok(stdscr, FALSE);
    }
}

static void place_cursor(ui_term *t, const ui_canvas *c)
{
    bool was = t->cursor_x >= 0, is = c->cursor_x >= 0;
    if (was != is)
        curs_set(is);
    t->cursor_x = c->cursor_x;
    t->cursor_y = c->cursor_y;
    if (is)
        move(c->cursor_y, c->cursor_x);
}

bool ui_term_draw(ui_term *t, const ui_canvas *c)
{
    size_t cells = (size_t)c->w * (size_t)c->h;
    if (!t->shown || t->shown_w != c->w || t->shown_h != c->h) {
        free(t->shown);
        free(t->done);
        t->shown = ui_xcalloc(cells, sizeof *t->shown);
        t->done = ui_xcalloc((size_t)c->h, sizeof *t->done);
        t->shown_w = c->w;
        t->shown_h = c->h;
        t->redraw = true;
    }
    bool changed = find_changes(t, c) || t->redraw;
    if (changed)
        ui_term_frame(t, true);
    t->written = 0;
    if (t->redraw) {
        clearok(curscr, TRUE);
        for (int y = 0; y < c->h; y++) {
            put_cells(t, c, y, 0, c->w);
            keep_row(t, c, y);
        }
    } else {
        put_changes(t, c);
    }
    t->redraw = false;
    place_cursor(t, c);
    wnoutrefresh(stdscr);
    doupdate();
    if (changed)
        ui_term_frame(t, false);
    return true;
}
