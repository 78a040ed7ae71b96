/* How inputs look: what is shown for the text, the caret in it, and the way back for the mouse. */
#include "tui/widgets/w_input_own.h"

#include <stdlib.h>
#include <string.h>

/* What is shown and where the caret stands in it. */
typedef struct shown {
    const char *text; /* of `made`, or the input's own */
    size_t len, at;
    nb_str made;
    ui_row *row; /* [n] owned */
    size_t n, cap;
} shown;

static shown show(const ui_input *in, int width)
{
    shown s = {.text = nb_str_c(&in->text), .len = in->text.len, .at = in->at};
    if (ui_input_folded(in)) {
        ui_input_replace(in, true, &s.made, &s.at);
        s.text = nb_str_c(&s.made);
        s.len = s.made.len;
    }
    if (ui_wrap(s.text, s.len, width, &s.row, &s.n, &s.cap, NULL) != NB_OK)
        s.n = 0;
    return s;
}

static void shown_free(shown *s)
{
    free(s->row);
    nb_str_free(&s->made);
}

/* Byte of the input for a byte of what is shown: inside the words for a paste, before it. */
static size_t byte_of(const ui_input *in, size_t want)
{
    char words[40];
    size_t i = 0, next;
    for (size_t seen = 0; i < in->text.len; i = next) {
        int slot = ui_input_sign(in->text.at + i, in->text.len - i);
        next = slot < 0 ? ui_input_step(in->text.at, in->text.len, i) : i + UI_SIGN_BYTES;
        seen += slot < 0 ? next - i : strlen(ui_input_words(in, slot, words));
        if (seen > want)
            break;
    }
    return i;
}

int ui_input_rows(const ui_canvas *c, const ui_input *in, int width, int max)
{
    (void)c;
    if (!in->multiline)
        return 1;
    shown s = show(in, width);
    int n = (int)s.n;
    shown_free(&s);
    return n < 1 ? 1 : n > max ? max : n;
}

static void draw_caret(ui_canvas *c, int x, int y)
{
    c->cursor_x = x;
    c->cursor_y = y;
}

/* One row, scrolled sideways so that the caret shows; an ellipsis where text goes on. */
static void draw_single(ui_canvas *c, ui_rect r, ui_input *in, bool focused)
{
    const char *s = nb_str_c(&in->text);
    size_t from = 0;
    int left = ui_width(c, s, in->at); /* cells from `from` to the caret */
    while (from < in->at && left >= r.w - (in->at < in->text.len)) {
        size_t next = ui_input_step(s, in->text.len, from);
        left -= ui_width(c, s + from, next - from);
        from = next;
    }
    in->from = from;
    ui_rect old = ui_canvas_clip(c, r);
    ui_textn(c, r.x, r.y, UI_TEXT, 0, s + from, in->text.len - from, r.w);
    if (from)
        ui_fill(c, (ui_rect){r.x, r.y, 1, 1}, UI_DIM, ui_glyph_text(c, UI_G_ELLIPSIS));
    c->clip = old;
    if (focused)
        draw_caret(c, r.x + ui_width(c, s + from, in->at - from), r.y);
}

static size_t row_of(const shown *s, size_t at)
{
    size_t row = 0;
    while (row + 1 < s->n && s->row[row + 1].start <= at)
        row++;
    return row;
}

static void scroll_to(ui_input *in, int row, int rows, int all)
{
    if (row < in->top)
        in->top = row;
    if (row >= in->top + rows)
        in->top = row - rows + 1;
    if (in->top > 0 && in->top + rows > all)
        in->top = all > rows ? all - rows : 0;
}

static void draw_multi(ui_canvas *c, ui_rect r, ui_input *in, bool focused)
{
    shown s = show(in, r.w);
    if (s.n == 0) {
        shown_free(&s);
        return;
    }
    size_t at = row_of(&s, s.at);
    scroll_to(in, (int)at, r.h, (int)s.n);
    ui_rect old = ui_canvas_clip(c, r);
    for (int y = 0; y < r.h && in->top + y < (int)s.n; y++) {
        const ui_row *row = &s.row[in->top + y];
        ui_textn(c, r.x, r.y + y, UI_TEXT, 0, s.text + row->start, row->len, -1);
    }
    c->clip = old;
    if (focused) {
        int x = ui_width(c, s.text + s.row[at].start, s.at - s.row[at].start);
        draw_caret(c, r.x + (x < r.w ? x : r.w - 1), r.y + (int)at - in->top);
    }
    shown_free(&s);
}

void ui_input_draw(ui_canvas *c, ui_rect r, ui_input *in, const char *prompt, bool focused)
{
    in->area = (ui_rect){0};
    if (r.w < 1 || r.h < 1)
        return;
    int w = ui_textn(c, r.x, r.y, UI_DIM, 0, prompt, strlen(prompt), r.w);
    ui_rect inside = {r.x + w, r.y, r.w - w, r.h};
    if (inside.w < 1)
        return;
    in->area = inside;
    if (in->multiline)
        draw_multi(c, inside, in, focused);
    else
        draw_single(c, inside, in, focused);
}

/* --- mouse ---------------------------------------------------------------------------------------
 */

/* Byte of s where cell `x` of it begins to be drawn. */
static size_t byte_at_cell(const char *s, size_t n, int x)
{
    const ui_canvas plain = {0};
    size_t at = 0;
    while (at < n) {
        size_t next = ui_input_step(s, n, at);
        if (ui_width(&plain, s, next) > x)
            break;
        at = next;
    }
    return at;
}

bool ui_input_press(ui_input *in, int x, int y)
{
    const ui_rect *r = &in->area;
    int cell = x - r->x, line = y - r->y;
    if (cell < 0 || cell >= r->w || line < 0 || line >= r->h)
        return false;
    if (!in->multiline) { /* the text may be shorter than in that frame */
        size_t from = in->from < in->text.len ? in->from : in->text.len;
        in->at = from + byte_at_cell(nb_str_c(&in->text) + from, in->text.len - from, cell);
        return true;
    }
    shown s = show(in, r->w);
    size_t row = (size_t)in->top + (size_t)line;
    if (row >= s.n) /* below the text: behind it */
        in->at = in->text.len;
    else
        in->at = byte_of(in, s.row[row].start +
                                 byte_at_cell(s.text + s.row[row].start, s.row[row].len, cell));
    shown_free(&s);
    return true;
}
