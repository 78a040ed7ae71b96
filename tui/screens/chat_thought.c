/* The thought that an answer begins with: one dim line, or under it the rows of what was thought.
 * The transcript keeps it whole; a text shown as written is never folded. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/screens/chat.h"

/* Tokens that begin before byte `end`. */
static size_t tokens_before(const ui_message *m, size_t end)
{
    size_t lo = 0, hi = m->n_token;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (m->token[mid].start < end)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

void ui_chat_thought_lay(const chat *c, chat_thought *t, const ui_message *m, int width, long diff)
{
    nb_thought found;
    const char *text = nb_str_c(&m->text);
    bool was = t->there;
    t->there = nb_chat_thought(text, m->text.len, &found);
    t->answer = t->there ? found.answer : 0;
    if (!t->there)
        return;
    bool grown = was && t->open == c->thoughts && t->width == width && t->start == found.start &&
                 t->len <= found.len;
    if (!grown)
        t->n = 0;
    else if (t->len < found.len)
        t->n = t->n > 2 ? t->n - 2 : 0; /* only the last rows can change */
    bool same = grown && t->len == found.len;
    t->open = c->thoughts;
    t->done = found.done;
    t->ended = m->done;
    t->width = width;
    t->start = found.start;
    t->len = found.len;
    t->tokens = tokens_before(m, found.answer);
    t->differs = diff >= 0 && (size_t)diff < t->tokens;
    if (t->open && !same &&
        ui_wrap(text + t->start, t->len, width, &t->row, &t->n, &t->cap, NULL) != NB_OK)
        t->n = 0;
}

size_t ui_chat_thought_rows(const chat_thought *t, size_t answer_rows)
{
    if (!t->there)
        return 0;
    return 1 + (t->open ? t->n : 0) + (answer_rows > 0);
}

static void draw_line(ui_canvas *canvas, ui_rect r, const chat_thought *t)
{
    char text[96];
    const char *hint = t->open ? "Ctrl-O folds it" : "Ctrl-O shows it";
    int x = r.x, end = r.x + r.w;
    if (t->differs)
        x += ui_textn(canvas, x, r.y, UI_DIFF_FIRST, UI_A_BOLD, ui_glyph_text(canvas, UI_G_DIFF),
                      strlen(ui_glyph_text(canvas, UI_G_DIFF)), end - x) +
             1;
    snprintf(text, sizeof text, "%c %s %zu token%s%s", t->open ? '-' : '+',
             t->done || t->ended ? "thought for" : "thinking:", t->tokens,
             t->tokens == 1 ? "" : "s", t->ended && !t->done ? ", cut short" : "");
    x += ui_textn(canvas, x, r.y, UI_DIM, 0, text, strlen(text), end - x) + 2;
    if (x + (int)strlen(hint) <= end)
        ui_text(canvas, x, r.y, UI_HINT, hint);
}

int ui_chat_thought_draw(ui_canvas *canvas, ui_rect r, const chat_thought *t, const char *text,
                         size_t top, size_t rows)
{
    int y = 0;
    for (; y < r.h && top + (size_t)y < rows; y++) {
        size_t row = top + (size_t)y;
        if (row == 0)
            draw_line(canvas, (ui_rect){r.x, r.y + y, r.w, 1}, t);
        else if (t->open && row <= t->n)
            ui_textn(canvas, r.x, r.y + y, UI_DIM, 0, text + t->start + t->row[row - 1].start,
                     t->row[row - 1].len, r.w);
    }
    return y;
}

bool ui_chat_has_thought(const chat *c)
{
    for (int p = 0; p < ui_chat_panes(c); p++) {
        const ui_message *m = ui_transcript_at(c->log, ui_transcript_leaf(c->log, p));
        nb_thought t;
        for (; m; m = ui_transcript_at(c->log, m->parent))
            if (m->role == NB_ASSISTANT && nb_chat_thought(nb_str_c(&m->text), m->text.len, &t))
                return true;
    }
    return false;
}
