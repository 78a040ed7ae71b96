#include "tui/canvas.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *utf8, *ascii;
} glyphs[UI_G_COUNT] = {
    [UI_G_H] = {"─", "-"},          [UI_G_V] = {"│", "|"},          [UI_G_TL] = {"┌", "+"},
    [UI_G_TR] = {"┐", "+"},         [UI_G_BL] = {"└", "+"},         [UI_G_BR] = {"┘", "+"},
    [UI_G_LT] = {"├", "+"},         [UI_G_RT] = {"┤", "+"},         [UI_G_BAR0] = {" ", " "},
    [UI_G_BAR0 + 1] = {"▁", "_"},   [UI_G_BAR0 + 2] = {"▂", "_"},   [UI_G_BAR0 + 3] = {"▃", "."},
    [UI_G_BAR0 + 4] = {"▄", "."},   [UI_G_BAR0 + 5] = {"▅", ":"},   [UI_G_BAR0 + 6] = {"▆", ":"},
    [UI_G_BAR0 + 7] = {"▇", "#"},   [UI_G_BAR8] = {"█", "#"},       [UI_G_SHADE0] = {"░", "."},
    [UI_G_SHADE0 + 1] = {"▒", ":"}, [UI_G_SHADE0 + 2] = {"▓", "*"}, [UI_G_SHADE3] = {"█", "#"},
    [UI_G_DOT] = {"·", "."},        [UI_G_DIFF] = {"÷", "!"},       [UI_G_CHECK] = {"✓", "+"},
    [UI_G_ELLIPSIS] = {"…", "~"},   [UI_G_TEE] = {"├", "+"},        [UI_G_ELL] = {"└", "+"},
    [UI_G_ARROW] = {"→", ">"},      [UI_G_CARET] = {"▏", "_"},      [UI_G_CROSS] = {"┼", "+"},
    [UI_G_BULLET] = {"•", "-"},     [UI_G_LEFT8] = {"▏", " "},      [UI_G_LEFT8 + 1] = {"▎", " "},
    [UI_G_LEFT8 + 2] = {"▍", " "},  [UI_G_LEFT8 + 3] = {"▌", "-"},  [UI_G_LEFT8 + 4] = {"▋", "-"},
    [UI_G_LEFT8 + 5] = {"▊", "="},  [UI_G_LEFT8 + 6] = {"▉", "="},  [UI_G_LEFT8_END] = {"█", "#"},
};

/* ASCII forms of what the screens' own texts use beyond the glyphs above, by code point. */
typedef struct plain_row {
    uint32_t cp;
    const char *ascii;
} plain_row;
static const plain_row plain[] = {
    {0xb1, "+-"},   {0xb7, "."},   {0xd7, "x"},   {0xf7, "!"},   {0x3b1, "a"},   {0x3c3, "s"},
    {0x2013, "-"},  {0x2014, "-"}, {0x2018, "'"}, {0x2019, "'"}, {0x201c, "\""}, {0x201d, "\""},
    {0x2026, "~"},  {0x2039, "<"}, {0x203a, ">"}, {0x2190, "<"}, {0x2191, "^"},  {0x2192, ">"},
    {0x2193, "v"},  {0x2194, "="}, {0x2212, "-"}, {0x2248, "~"}, {0x2260, "!"},  {0x2264, "<="},
    {0x2265, ">="}, {0x25b8, ">"}, {0x2713, "+"}, {0x27e6, "["}, {0x27e7, "]"},  {0x27e8, "<"},
    {0x27e9, ">"},
};

const char *ui_glyph_text(const ui_canvas *c, ui_glyph g)
{
    return c->ascii ? glyphs[g].ascii : glyphs[g].utf8;
}

static ui_rect meet(ui_rect a, ui_rect b)
{
    int x0 = a.x > b.x ? a.x : b.x, y0 = a.y > b.y ? a.y : b.y;
    int x1 = a.x + a.w < b.x + b.w ? a.x + a.w : b.x + b.w;
    int y1 = a.y + a.h < b.y + b.h ? a.y + a.h : b.y + b.h;
    return (ui_rect){x0, y0, x1 > x0 ? x1 - x0 : 0, y1 > y0 ? y1 - y0 : 0};
}

nb_status ui_canvas_resize(ui_canvas *c, int w, int h, nb_err *err)
{
    w = w < 1 ? 1 : w > 1000 ? 1000 : w;
    h = h < 1 ? 1 : h > 1000 ? 1000 : h;
    if (w != c->w || h != c->h || !c->cell) {
        ui_cell *cell = nb_alloc((uint64_t)w * (uint64_t)h, sizeof *cell, "screen", err);
        if (!cell)
            return NB_NOMEM;
        free(c->cell);
        c->cell = cell;
        c->w = w;
        c->h = h;
    }
    ui_canvas_clear(c);
    return NB_OK;
}

void ui_canvas_free(ui_canvas *c)
{
    free(c->cell);
    nb_str_free(&c->shown);
    *c = (ui_canvas){0};
}

void ui_canvas_clear(ui_canvas *c)
{
    const ui_cell blank = {.text = " ", .width = 1, .role = UI_TEXT};
    for (int i = 0; i < c->w * c->h; i++)
        c->cell[i] = blank;
    c->clip = (ui_rect){0, 0, c->w, c->h};
    c->cursor_x = c->cursor_y = -1;
    c->n_text = 0;
    c->n_cut = 0;
}

ui_rect ui_canvas_clip(ui_canvas *c, ui_rect r)
{
    ui_rect old = c->clip;
    c->clip = meet(meet(old, r), (ui_rect){0, 0, c->w, c->h});
    return old;
}

static ui_cell *cell_at(ui_canvas *c, int x, int y)
{
    return &c->cell[y * c->w + x];
}

static bool inside(const ui_canvas *c, int x, int y)
{
    return x >= c->clip.x && y >= c->clip.y && x < c->clip.x + c->clip.w &&
           y < c->clip.y + c->clip.h;
}

/* A wide cell that loses a half becomes a space: no half characters reach the terminal. */
static void unpair(ui_canvas *c, int x, int y)
{
    static const char space[sizeof(ui_cell){0}.text] = " ";
    ui_cell *at = cell_at(c, x, y);
    if (at->width == 0 && x > 0) {
        ui_cell *left = cell_at(c, x - 1, y);
        left->width = 1;
        memcpy(left->text, space, sizeof space);
    }
    if (at->width == 2 && x + 1 < c->w) {
        ui_cell *right = cell_at(c, x + 1, y);
        right->width = 1;
        memcpy(right->text, space, sizeof space);
    }
}

/* False when the clip rectangle takes it or a half of it. */
static bool put(ui_canvas *c, int x, int y, ui_role role, unsigned attrs, const char *s, size_t n,
                int width)
{
    if (!inside(c, x, y) || (width == 2 && !inside(c, x + 1, y))) {
        if (width == 2 && inside(c, x, y)) /* half of it is clipped */
            put(c, x, y, role, attrs, " ", 1, 1);
        return false;
    }
    ui_cell cell = {.width = (uint8_t)width, .role = (uint8_t)role, .attrs = (uint8_t)attrs};
    memcpy(cell.text, s, n < sizeof cell.text ? n : sizeof cell.text - 1);
    unpair(c, x, y);
    *cell_at(c, x, y) = cell;
    if (width == 2) {
        unpair(c, x + 1, y);
        *cell_at(c, x + 1, y) = (ui_cell){.role = (uint8_t)role, .attrs = (uint8_t)attrs};
    }
    return true;
}

/* One cluster of sanitised text: a base, combining marks, and what ZWJ joins. A cell keeps its
 * first `keep` bytes: whole characters, and no joiner last, which would swallow the neighbour. */
typedef struct cluster {
    const char *at;
    size_t len, keep;
    int width;
} cluster;

static bool next_cluster(const char *s, size_t n, cluster *out)
{
    uint32_t cp;
    if (n && s[0] >= ' ' && s[0] < 0x7f && (n == 1 || (s[1] >= ' ' && s[1] < 0x7f))) {
        *out = (cluster){s, 1, 1, 1};
        return true;
    }
    size_t used = nb_utf8_next(s, n, &cp, NULL);
    if (!used)
        return false;
    int width = nb_cp_width(cp);
    *out = (cluster){s, used, used, width < 1 ? 1 : width};
    bool joined = false;
    while (out->len < n) {
        used = nb_utf8_next(s + out->len, n - out->len, &cp, NULL);
        if (!used || (nb_cp_width(cp) != 0 && !joined))
            break;
        if (cp == 0xfe0f)
            out->width = 2;
        joined = cp == 0x200d;
        out->len += used;
        if (!joined && out->len < sizeof((ui_cell *)0)->text)
            out->keep = out->len;
    }
    return true;
}

size_t ui_cluster(const char *s, size_t n, int *width)
{
    cluster k = {.len = n ? 1 : 0, .width = 1};
    next_cluster(s, n, &k);
    *width = k.width;
    return k.len;
}

static int plain_cmp(const void *cp, const void *row)
{
    uint32_t a = *(const uint32_t *)cp, b = ((const plain_row *)row)->cp;
    return a < b ? -1 : a > b;
}

/* NULL: it has none. s is one character of `len` bytes. */
static const char *ascii_form(const char *s, size_t len, uint32_t cp)
{
    const plain_row *row = bsearch(&cp, plain, countof(plain), sizeof *plain, plain_cmp);
    if (row)
        return row->ascii;
    for (size_t i = 0; i < UI_G_COUNT; i++)
        if (strncmp(glyphs[i].utf8, s, len) == 0 && glyphs[i].utf8[len] == '\0')
            return glyphs[i].ascii;
    return NULL;
}

/* Turns out's bytes from `at` on into ASCII where they stand: no form is longer than its
 * character. What has none keeps its columns as question marks. */
static void to_ascii(nb_str *out, size_t at)
{
    size_t to = at;
    for (size_t used; at < out->len; at += used) {
        uint32_t cp;
        used = nb_utf8_next(out->at + at, out->len - at, &cp, NULL);
        if (!used)
            break;
        const char *form = cp < 0x80 ? NULL : ascii_form(out->at + at, used, cp);
        if (cp < 0x80)
            out->at[to++] = (char)cp;
        else if (form)
            while (*form)
                out->at[to++] = *form++;
        else
            for (int i = 0; i < nb_cp_width(cp); i++)
                out->at[to++] = '?';
    }
    if (out->at) {
        out->len = to;
        out->at[to] = '\0';
    }
}

/* Text of printable ASCII alone is shown as it is. */
static bool as_is(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] < ' ' || s[i] >= 0x7f)
            return false;
    return true;
}

void ui_shown(nb_str *out, const char *text, size_t n, bool ascii)
{
    size_t at = out->len;
    if (as_is(text, n)) {
        nb_str_addn(out, text, n);
        return;
    }
    nb_safe_text(out, text, n, NB_SAFE_ONE_LINE);
    if (ascii)
        to_ascii(out, at);
}

static int total_width(const char *s, size_t n)
{
    cluster k;
    int w = 0;
    for (size_t i = 0; i < n && next_cluster(s + i, n - i, &k); i += k.len)
        w += k.width;
    return w;
}

int ui_width(const ui_canvas *c, const char *text, size_t n)
{
    nb_str s = {0};
    if (as_is(text, n))
        return n < INT_MAX ? (int)n : INT_MAX;
    ui_shown(&s, text, n, c->ascii);
    int w = total_width(nb_str_c(&s), s.len);
    nb_str_free(&s);
    return w;
}

/* --- cuts ------------------------------------------------------------------------------------ */

static void note_cut(ui_canvas *c, int x, int y, const char *text, size_t n)
{
    if (c->n_cut++ >= UI_CUTS)
        return;
    ui_cut *cut = &c->cut[c->n_cut - 1];
    size_t room = sizeof cut->text - 1;
    *cut = (ui_cut){.x = x, .y = y};
    memcpy(cut->text, text, nb_utf8_whole(text, n < room ? n : room));
}

/* The text whose letter stands there; 0 = none. */
static uint32_t letter_of(const ui_canvas *c, int x, int y)
{
    const ui_cell *k = x >= 0 && x < c->w ? &c->cell[y * c->w + x] : NULL;
    return k && strcmp(k->text, " ") != 0 ? k->owner : 0;
}

/* A word crosses the border between x - 1 and x: what is put up to there breaks it off. */
static bool word_across(const ui_canvas *c, int x, int y)
{
    return inside(c, x, y) && letter_of(c, x, y) && letter_of(c, x, y) == letter_of(c, x - 1, y);
}

static void own(ui_canvas *c, int x, int y, int w)
{
    c->n_text++;
    for (int end = x + w; x < end; x++)
        if (inside(c, x, y))
            cell_at(c, x, y)->owner = c->n_text;
}

int ui_textn(ui_canvas *c, int x, int y, ui_role role, unsigned attrs, const char *text, size_t n,
             int max)
{
    cluster k;
    int used = 0;
    if (max == 0 || !c->cell)
        return 0;
    if (!as_is(text, n)) {
        nb_str_clear(&c->shown);
        ui_shown(&c->shown, text, n, c->ascii);
        text = nb_str_c(&c->shown);
        n = c->shown.len;
    }
    int width = total_width(text, n);
    bool cut = max > 0 && width > max, lost = false;
    int room = cut ? max - 1 : max, end = x + (cut ? max : width);
    if (width && (word_across(c, x, y) || word_across(c, end, y)))
        note_cut(c, x, y, text, n);
    for (size_t i = 0; i < n && next_cluster(text + i, n - i, &k); i += k.len) {
        if (room >= 0 && used + k.width > room)
            break;
        bool shown = put(c, x + used, y, role, attrs, k.at, k.keep, k.width);
        lost = lost || (!shown && *k.at != ' ');
        used += k.width;
    }
    if (cut) {
        const char *g = ui_glyph_text(c, UI_G_ELLIPSIS);
        lost = !put(c, x + used, y, role, attrs, g, strlen(g), 1) || lost;
        used++;
    }
    if (lost && y >= c->clip.y && y < c->clip.y + c->clip.h)
        note_cut(c, x, y, text, n);
    own(c, x, y, used);
    return used;
}

int ui_text(ui_canvas *c, int x, int y, ui_role role, const char *text)
{
    return ui_textn(c, x, y, role, 0, text, strlen(text), -1);
}

int ui_textf(ui_canvas *c, int x, int y, ui_role role, const char *fmt, ...)
{
    char buf[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(buf, sizeof buf, fmt, ap);
    va_end(ap);
    return ui_text(c, x, y, role, buf);
}

int ui_text_right(ui_canvas *c, int x_end, int y, ui_role role, const char *text)
{
    int w = ui_width(c, text, strlen(text));
    return ui_text(c, x_end - w, y, role, text);
}

void ui_fill(ui_canvas *c, ui_rect r, ui_role role, const char *glyph)
{
    ui_rect m = meet(r, c->clip);
    size_t n = strlen(glyph);
    for (int y = m.y; y < m.y + m.h; y++)
        for (int x = m.x; x < m.x + m.w; x++)
            put(c, x, y, role, 0, glyph, n, 1);
}

void ui_tint(ui_canvas *c, ui_rect r, ui_role role, unsigned attrs)
{
    ui_rect m = meet(r, c->clip);
    for (int y = m.y; y < m.y + m.h; y++)
        for (int x = m.x; x < m.x + m.w; x++) {
            ui_cell *cell = cell_at(c, x, y);
            cell->role = (uint8_t)role;
            cell->attrs = (uint8_t)(cell->attrs | attrs);
        }
}

static void border_text(ui_canvas *c, ui_rect r, const char *title, const char *note, ui_role role)
{
    int room = r.w - 4, note_w = note && *note ? ui_width(c, note, strlen(note)) + 2 : 0;
    if (title && *title && room > 2) {
        int max = room - (note_w && note_w < room - 4 ? note_w : 0) - 2;
        ui_text(c, r.x + 2, r.y, role, " ");
        int w = ui_textn(c, r.x + 3, r.y, role == UI_FOCUS ? UI_FOCUS : UI_TITLE, 0, title,
                         strlen(title), max > 1 ? max : 1);
        ui_text(c, r.x + 3 + w, r.y, role, " ");
    }
    if (note_w && note_w <= room - 4) {
        int x = r.x + r.w - 2 - note_w;
        ui_text(c, x, r.y, role, " ");
        ui_text(c, x + 1, r.y, UI_DIM, note);
        ui_text(c, x + note_w - 1, r.y, role, " ");
    }
}

void ui_box(ui_canvas *c, ui_rect r, const char *title, const char *note, bool focused)
{
    ui_role role = focused ? UI_FOCUS : UI_BORDER;
    if (r.w < 2 || r.h < 2)
        return;
    ui_fill(c, (ui_rect){r.x + 1, r.y, r.w - 2, 1}, role, ui_glyph_text(c, UI_G_H));
    ui_fill(c, (ui_rect){r.x + 1, r.y + r.h - 1, r.w - 2, 1}, role, ui_glyph_text(c, UI_G_H));
    ui_fill(c, (ui_rect){r.x, r.y + 1, 1, r.h - 2}, role, ui_glyph_text(c, UI_G_V));
    ui_fill(c, (ui_rect){r.x + r.w - 1, r.y + 1, 1, r.h - 2}, role, ui_glyph_text(c, UI_G_V));
    ui_text(c, r.x, r.y, role, ui_glyph_text(c, UI_G_TL));
    ui_text(c, r.x + r.w - 1, r.y, role, ui_glyph_text(c, UI_G_TR));
    ui_text(c, r.x, r.y + r.h - 1, role, ui_glyph_text(c, UI_G_BL));
    ui_text(c, r.x + r.w - 1, r.y + r.h - 1, role, ui_glyph_text(c, UI_G_BR));
    border_text(c, r, title, note, role);
}

static void add_row(const ui_canvas *c, nb_str *out, int y, bool roles)
{
    size_t start = out->len, last = start;
    for (int x = 0; x < c->w; x++) {
        const ui_cell *cell = &c->cell[y * c->w + x];
        if (roles) {
            /* one letter a role: ' ' for plain text, then '!'.. in the table's order */
            char letter = cell->role == UI_TEXT ? ' ' : (char)('!' + cell->role);
            nb_str_addn(out, &letter, 1);
            last = cell->role == UI_TEXT ? last : out->len;
        } else if (cell->width) {
            nb_str_add(out, cell->text);
            last = strcmp(cell->text, " ") == 0 ? last : out->len;
        }
    }
    if (out->at) {
        out->len = last;
        out->at[last] = '\0';
    }
    nb_str_add(out, "\n");
}

void ui_canvas_text(const ui_canvas *c, nb_str *out, bool roles)
{
    for (int y = 0; y < c->h; y++)
        add_row(c, out, y, false);
    for (int y = 0; roles && y < c->h; y++)
        add_row(c, out, y, true);
}

bool ui_canvas_equal(const ui_canvas *a, const ui_canvas *b)
{
    if (a->w != b->w || a->h != b->h)
        return false;
    for (int i = 0; i < a->w * a->h; i++) {
        const ui_cell *x = &a->cell[i], *y = &b->cell[i];
        if (x->role != y->role || x->attrs != y->attrs || x->width != y->width ||
            strcmp(x->text, y->text) != 0)
            return false;
    }
    return true;
}
