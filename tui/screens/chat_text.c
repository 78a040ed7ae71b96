/* A message as display rows, and its rows as tokens: the marker at the first difference, colour by
 * probability or entropy. Wrapping is kept per message and grows with the stream. An answer is
 * shown as Markdown, which knows the marker too, except where single tokens are looked at. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tui/screens/chat.h"

/* --- difference ------------------------------------------------------------------------------ */

static int depth_of(const ui_transcript *t, int message)
{
    int d = -1;
    for (; message >= 0; message = ui_transcript_at(t, message)->parent)
        d++;
    return d;
}

/* Pane A's message at the same depth, of the branch it shows. */
static const ui_message *twin(const chat *c, int message)
{
    int want = depth_of(c->log, message), i = ui_transcript_leaf(c->log, 0);
    for (int d = depth_of(c->log, i); i >= 0 && d > want; d--)
        i = ui_transcript_at(c->log, i)->parent;
    return i >= 0 && depth_of(c->log, i) == want ? ui_transcript_at(c->log, i) : NULL;
}

static bool same_text(const chat *c, int a, int b)
{
    const ui_message *x = ui_transcript_at(c->log, a), *y = ui_transcript_at(c->log, b);
    return x && y && x->text.len == y->text.len &&
           memcmp(nb_str_c(&x->text), nb_str_c(&y->text), x->text.len) == 0;
}

ui_parting ui_chat_parting(const chat *c, int pane, int message)
{
    const ui_parting none = {-1, -1, 0};
    const ui_message *m = ui_transcript_at(c->log, message);
    const ui_message *a = pane > 0 && m && m->role == NB_ASSISTANT ? twin(c, message) : NULL;
    if (ui_transcript_other_vocabulary(c->log, pane))
        return none; /* the same id is another piece of text there */
    if (!a || a->role != NB_ASSISTANT || !same_text(c, a->parent, m->parent))
        return none; /* answers to different questions are not compared */
    return ui_transcript_part(a, m, ui_transcript_by_text(c->log, pane));
}

long ui_chat_difference(const chat *c, int pane, int message)
{
    return ui_chat_parting(c, pane, message).b;
}

/* --- rows ------------------------------------------------------------------------------------ */

static const char *marker(const ui_canvas *canvas)
{
    return ui_glyph_text(canvas, UI_G_DIFF);
}

static chat_rows *slot(chat *c, int message)
{
    size_t need = ui_transcript_count(c->log);
    if (need > c->n_rows) {
        size_t n = need + 32;
        chat_rows *grown = ui_xcalloc(n, sizeof *grown);
        if (c->n_rows)
            memcpy(grown, c->rows, c->n_rows * sizeof *grown);
        free(c->rows);
        c->rows = grown;
        c->n_rows = n;
    }
    return &c->rows[message];
}

static uint32_t diff_start(const ui_message *m, long diff)
{
    return (size_t)diff < m->n_token ? m->token[diff].start : (uint32_t)m->text.len;
}

static void with_marker(chat_rows *r, const ui_message *m, const char *mark)
{
    nb_str_clear(&r->text);
    uint32_t at = r->diff >= 0 ? diff_start(m, r->diff) : 0;
    nb_str_addn(&r->text, nb_str_c(&m->text), at);
    if (r->diff >= 0)
        nb_str_add(&r->text, mark);
    nb_str_addn(&r->text, nb_str_c(&m->text) + at, m->text.len - at);
}

/* Colours and the cursor belong to tokens, and those to the text as written. */
static bool as_markdown(const chat *c, int pane, int message)
{
    bool cursor = pane == c->focus && c->token >= 0 && message == ui_transcript_leaf(c->log, pane);
    return !c->raw && c->metric == CHAT_METRIC_OFF && !cursor &&
           ui_transcript_at(c->log, message)->role == NB_ASSISTANT;
}

/* What follows the thought, if there is one. */
static void lay_markdown(chat_rows *r, const ui_message *m, int width, bool ascii, long diff)
{
    size_t from = r->thought.answer, at = diff >= 0 ? diff_start(m, diff) : 0;
    ui_md_look look = {
        .width = width, .ascii = ascii, .chat = true, .mark = diff >= 0 && at >= from};
    if (look.mark) {
        look.mark_at = at - from;
        look.mark_len = (size_t)diff < m->n_token ? m->token[diff].len : 0;
    }
    ui_md_lay(&r->md, nb_str_c(&m->text) + from, m->text.len - from, &look,
              NULL); /* out of memory: no rows */
}

const chat_rows *ui_chat_wrap(chat *c, const ui_canvas *canvas, int pane, int message, int width)
{
    const ui_message *m = ui_transcript_at(c->log, message);
    long diff = ui_chat_difference(c, pane, message);
    chat_rows *r = slot(c, message);
    r->markdown = as_markdown(c, pane, message);
    if (r->markdown) {
        size_t answer = r->thought.answer;
        ui_chat_thought_lay(c, &r->thought, m, width, diff);
        if (r->thought.answer != answer)
            ui_md_close(&r->md); /* it begins elsewhere */
        lay_markdown(r, m, width, canvas->ascii, diff);
        return r;
    }
    if (r->width == width && r->len == m->text.len && r->diff == diff && r->ascii == canvas->ascii)
        return r;
    bool grown = r->width == width && r->len < m->text.len && r->diff == diff;
    r->n = grown && r->n > 2 ? r->n - 2 : 0; /* only the last rows can change */
    r->width = width;
    r->len = m->text.len;
    r->diff = diff;
    r->ascii = canvas->ascii;
    with_marker(r, m, marker(canvas));
    if (ui_wrap(nb_str_c(&r->text), r->text.len, width, &r->row, &r->n, &r->cap, NULL) != NB_OK)
        r->n = 0;
    return r;
}

size_t ui_chat_row_count(const chat_rows *rows)
{
    size_t md = rows->markdown ? ui_md_rows(rows->md) : 0;
    return rows->markdown ? md + ui_chat_thought_rows(&rows->thought, md) : rows->n;
}

void ui_chat_forget_rows(chat *c)
{
    for (size_t i = 0; i < c->n_rows; i++) {
        c->rows[i].width = 0;
        c->rows[i].thought.there = false;
        ui_md_close(&c->rows[i].md);
    }
}

/* --- colour ---------------------------------------------------------------------------------- */

/* 0 sure .. 3 unsure, whatever the metric. */
static int unsure(chat_metric metric, const ui_token *k)
{
    if (metric == CHAT_METRIC_PROB) {
        double p = exp((double)k->logprob);
        return (p < 0.9) + (p < 0.5) + (p < 0.1);
    }
    return (k->entropy > 0.3F) + (k->entropy > 1.0F) + (k->entropy > 2.0F);
}

/* How sure, as a colour; the attributes are read without one. */
static ui_role token_role(const chat *c, int pane, int message, size_t i, long diff,
                          unsigned *attrs)
{
    const ui_message *m = ui_transcript_at(c->log, message);
    *attrs = 0;
    if ((long)i == diff)
        return UI_DIFF_FIRST;
    if (c->metric == CHAT_METRIC_OFF || m->role != NB_ASSISTANT)
        return UI_TEXT;
    if (c->metric == CHAT_METRIC_KL) {
        double kl = ui_chat_forced_kl(c, pane, message, i, diff);
        int level = ui_chat_kl_level(kl);
        *attrs = level >= 2 ? UI_A_UNDERLINE : 0;
        return kl < 0 ? UI_TEXT : (ui_role)(UI_RAMP_KL_0 + level);
    }
    if (isnan(c->metric == CHAT_METRIC_PROB ? m->token[i].logprob : m->token[i].entropy))
        return UI_TEXT;
    int level = unsure(c->metric, &m->token[i]);
    *attrs = level >= 2 ? UI_A_UNDERLINE : 0;
    if (level == 3)
        *attrs |= UI_A_BOLD;
    return (ui_role)(UI_RAMP_PROB_0 + level);
}

/* Index of the token that holds display byte `at` (marker taken out). */
static size_t token_at(const ui_message *m, uint32_t at)
{
    size_t lo = 0, hi = m->n_token;
    while (lo + 1 < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (m->token[mid].start <= at)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

typedef struct pen {
    ui_canvas *canvas;
    int x, y, end;
} pen;

static void put(pen *p, ui_role role, unsigned attrs, const char *text, size_t n)
{
    if (p->x < p->end && n)
        p->x += ui_textn(p->canvas, p->x, p->y, role, attrs, text, n, p->end - p->x);
}

static void draw_row(const chat *c, ui_canvas *canvas, int x, int y, int width, int pane,
                     int message, const chat_rows *rows, size_t row)
{
    const ui_message *m = ui_transcript_at(c->log, message);
    const char *text = nb_str_c(&rows->text);
    uint32_t at = rows->row[row].start, end = at + rows->row[row].len;
    uint32_t mark_len = rows->diff >= 0 ? (uint32_t)strlen(marker(canvas)) : 0;
    uint32_t mark_at = rows->diff >= 0 ? diff_start(m, rows->diff) : UINT32_MAX;
    bool cursor = pane == c->focus && c->token >= 0 && message == ui_transcript_leaf(c->log, pane);
    pen p = {canvas, x, y, x + width};
    if (!m->n_token) {
        put(&p, UI_TEXT, 0, text + at, end - at);
        return;
    }
    while (at < end) {
        if (at == mark_at) {
            put(&p, UI_DIFF_FIRST, UI_A_BOLD, text + at, mark_len);
            at += mark_len;
            continue;
        }
        uint32_t shift = at > mark_at ? mark_len : 0;
        size_t i = token_at(m, at - shift);
        uint32_t next = i + 1 < m->n_token ? m->token[i + 1].start : (uint32_t)m->text.len;
        next += shift;
        if (at < mark_at && next > mark_at)
            next = mark_at;
        if (next <= at)
            next = at + 1;
        if (next > end)
            next = end;
        unsigned attrs;
        ui_role role = token_role(c, pane, message, i, rows->diff, &attrs);
        if (cursor && (int)i == c->token)
            role = UI_SELECT;
        put(&p, role, attrs, text + at, next - at);
        at = next;
    }
}

void ui_chat_draw_rows(const chat *c, ui_canvas *canvas, ui_rect r, int pane, int message,
                       const chat_rows *rows, size_t top)
{
    if (rows->markdown) {
        const char *text = nb_str_c(&ui_transcript_at(c->log, message)->text);
        size_t above = ui_chat_thought_rows(&rows->thought, ui_md_rows(rows->md));
        int used = ui_chat_thought_draw(canvas, r, &rows->thought, text, top, above);
        r.y += used;
        r.h -= used;
        ui_md_draw(rows->md, canvas, r, top > above ? top - above : 0);
        return;
    }
    for (int y = 0; y < r.h && top + (size_t)y < rows->n; y++)
        draw_row(c, canvas, r.x, r.y + y, r.w, pane, message, rows, top + (size_t)y);
}

void ui_chat_piece(const chat *c, int pane, int32_t id, char *out, size_t cap)
{
    const nb_local *l = c->pane[pane].local;
    const char *bytes = "";
    char far[256];
    size_t n = 0;
    nb_str safe = {0};
    if (c->pane[pane].remote) {
        nb_responder *who = dl_remote_responder(c->pane[pane].remote);
        n = who->piece(who, id, far, sizeof far);
        n = n < sizeof far ? n : nb_utf8_whole(far, sizeof far);
        bytes = far;
    } else if (l && id >= 0 && (uint32_t)id < nb_tok_count(nb_local_tok(l)))
        n = nb_tok_piece(nb_local_tok(l), id, true, &bytes);
    nb_str_add(&safe, "\"");
    for (size_t i = 0; i < n;) {
        size_t line = 0;
        while (i + line < n && bytes[i + line] != '\n')
            line++;
        nb_safe_text(&safe, bytes + i, line, NB_SAFE_ONE_LINE);
        if (i + line < n)
            nb_str_add(&safe, "\\n");
        i += line + 1;
    }
    nb_str_add(&safe, "\"");
    size_t keep = safe.len < cap ? safe.len : cap - 1;
    memcpy(out, nb_str_c(&safe), keep);
    out[keep] = '\0';
    nb_str_free(&safe);
}

/* The way back from cells to bytes. */
int ui_chat_token_at(const chat *c, int message, size_t row, int cell)
{
    const ui_message *m = ui_transcript_at(c->log, message);
    const chat_rows *r = (size_t)message < c->n_rows ? &c->rows[message] : NULL;
    if (!m || !m->n_token || !r || r->markdown || row >= r->n || cell < 0)
        return -1;
    const ui_canvas like = {.ascii = r->ascii};
    const char *text = nb_str_c(&r->text) + r->row[row].start;
    uint32_t len = r->row[row].len, at = 0, cp;
    for (uint32_t end = 0; at < len; at = end) {
        size_t used = nb_utf8_next(text + at, len - at, &cp, NULL);
        end = at + (used ? (uint32_t)used : 1);
        if (ui_width(&like, text, end) > cell)
            break;
    }
    if (at == len)
        return -1; /* right of the last word */
    at += r->row[row].start;
    uint32_t mark_at = r->diff >= 0 ? diff_start(m, r->diff) : UINT32_MAX;
    if (at >= mark_at) {
        uint32_t end = mark_at + (uint32_t)strlen(marker(&like));
        at = at < end ? mark_at : at - (end - mark_at);
    }
    return (int)token_at(m, at);
}
