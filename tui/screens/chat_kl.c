/* What forced scoring found, as it looks: a line of figures in each pane, and under the panes a
 * cell for each token of A's answer. The glyph says what the colour says. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tui/screens/chat.h"

enum { CELLS_MIN = 12, LEGEND_MIN = 28 };

/* Nats from which on the next level begins. */
static const double level_from[CHAT_KL_LEVELS - 1] = {0.01, 0.1, 1};

int ui_chat_kl_level(double kl)
{
    int level = 0;
    while (level < CHAT_KL_LEVELS - 1 && kl >= level_from[level])
        level++;
    return level;
}

static ui_role role_of(int level)
{
    return (ui_role)(UI_RAMP_KL_0 + level);
}

/* --- a pane's figures --------------------------------------------------------------------------
 */

int ui_chat_forced_words(const chat *c, int pane, char *out, size_t cap)
{
    char mean[48], err[48], share[48];
    const chat_score *s = &c->forced.score[pane];
    unsigned long long n = s->sum.n;
    if (!s->point)
        return snprintf(out, cap, "no KL: %s", s->why);
    ui_parts_num(mean, s->sum.kld);
    ui_parts_num(err, s->sum.kld_err);
    ui_parts_percent(share, s->sum.same);
    return n > 10 ? snprintf(out, cap, "KL %s ±%s (n %llu)  top-1 %s", mean, err, n, share)
                  : snprintf(out, cap, "KL %s (n %llu: too few for ±)  top-1 %s", mean, n, share);
}

/* What does not fit goes whole: the share, then the brackets. */
static void shorten(const ui_canvas *canvas, char *text, int room)
{
    char *tail = strstr(text, "  top-1"), *open, *end;
    if (!tail || ui_width(canvas, text, strlen(text)) <= room)
        return;
    *tail = '\0';
    open = strchr(text, '(');
    end = strchr(text, ')');
    if (!open || !end || ui_width(canvas, text, strlen(text)) <= room)
        return;
    *end = '\0';
    memmove(open, open + 1, strlen(open + 1) + 1);
}

void ui_chat_kl_figures(const chat *c, ui_canvas *canvas, ui_rect r, int pane)
{
    const chat_score *s = &c->forced.score[pane];
    char text[200];
    if (pane == 0)
        snprintf(text, sizeof text, "reference of KL, %zu tokens", c->forced.n);
    else
        ui_chat_forced_words(c, pane, text, sizeof text);
    ui_role role = s->point ? role_of(ui_chat_kl_level(s->sum.kld)) : UI_DIM;
    shorten(canvas, text, r.w);
    ui_textn(canvas, r.x, r.y, role, 0, text, strlen(text), r.w);
}

/* --- the strip ---------------------------------------------------------------------------------
 */

/* The token of a cell with the most, which is what it shows. */
static size_t worst_of(const chat *c, const chat_strip *s, size_t cell)
{
    const nb_kld_point *p = c->forced.score[s->pane].point;
    size_t at = cell * s->per, end = at + s->per < c->forced.n ? at + s->per : c->forced.n;
    for (size_t i = at + 1; i < end; i++)
        at = p[i].kld > p[at].kld ? i : at;
    return at;
}

static int draw_cells(const chat *c, ui_canvas *canvas, const chat_strip *s, long cursor)
{
    int x = s->x;
    for (size_t i = 0; i < s->cells; i++) {
        double kl = c->forced.score[s->pane].point[worst_of(c, s, i)].kld;
        int level = ui_chat_kl_level(kl);
        bool here = cursor >= 0 && (size_t)cursor / s->per == i;
        if ((long)i == s->mark)
            x += ui_text(canvas, x, s->y, UI_DIFF_FIRST, ui_glyph_text(canvas, UI_G_DIFF));
        x += ui_text(canvas, x, s->y, here ? UI_SELECT : role_of(level),
                     ui_glyph_text(canvas, (ui_glyph)(UI_G_SHADE0 + level)));
    }
    return x - s->x;
}

/* One pane's, in so many columns. */
static chat_strip strip_of(const chat *c, int pane, int x, int y, int room)
{
    chat_strip s = {.x = x, .y = y, .pane = pane, .mark = -1};
    int index;
    const ui_message *m = ui_chat_answer(c, pane, &index);
    long d = m ? ui_chat_difference(c, pane, index) : -1;
    size_t most = room > 1 ? (size_t)room - 1 : 1; /* one for the mark */
    s.per = (c->forced.n + most - 1) / most;
    s.cells = (c->forced.n + s.per - 1) / s.per;
    if (d >= 0 && (size_t)d < c->forced.n)
        s.mark = d / (long)s.per;
    return s;
}

static void draw_legend(ui_canvas *canvas, int x, int y, int room)
{
    static const char *const word[CHAT_KL_LEVELS] = {"<.01 ", "<.1 ", "<1 ", "≥1 nats"};
    int end = x + room;
    if (room < LEGEND_MIN)
        return;
    for (int i = 0; i < CHAT_KL_LEVELS; i++) {
        x += ui_text(canvas, x, y, role_of(i), ui_glyph_text(canvas, (ui_glyph)(UI_G_SHADE0 + i)));
        x += ui_textn(canvas, x, y, UI_DIM, 0, word[i], strlen(word[i]), end - x);
    }
}

bool ui_chat_kl_token(const chat *c, ui_canvas *canvas, ui_rect r)
{
    char text[400], piece[64], num[48], share[48];
    const ui_message *a = ui_chat_answer(c, 0, NULL);
    long token = ui_chat_forced_token(c);
    int n = 0;
    if (c->metric != CHAT_METRIC_KL || c->token < 0 || !ui_chat_forced_shown(c))
        return false;
    if (token < 0)
        n = snprintf(text, sizeof text, "behind its first difference: other words than A's, no KL");
    else
        ui_chat_piece(c, 0, a->token[token].id, piece, sizeof piece);
    for (int p = 1; token >= 0 && p < ui_chat_panes(c); p++) {
        const chat_score *s = ui_chat_forced_score(c, p);
        if (!s)
            continue;
        const nb_kld_point *k = &s->point[token];
        if (!n)
            n = snprintf(text, sizeof text, "token %ld %s A %s", token, piece,
                         ui_parts_percent(share, exp(-k->base_nll)));
        n += snprintf(text + n, sizeof text - (size_t)n, "  %c %s KL %s", 'A' + p,
                      ui_parts_percent(share, exp(-k->nll)), ui_parts_num(num, k->kld));
    }
    ui_textn(canvas, r.x + 1, r.y, token < 0 ? UI_DIM : UI_FOCUS, 0, text, (size_t)n, r.w - 1);
    return true;
}

/* Panes whose strips are drawn side by side: all scored, or where they would be too short the
 * focused one's alone. */
static int strips(const chat *c, int room, int out[UI_PANES])
{
    int n = 0, one = 0;
    for (int p = 1; p < ui_chat_panes(c); p++)
        if (ui_chat_forced_score(c, p)) {
            one = p == c->focus || !one ? p : one;
            out[n++] = p;
        }
    size_t need = c->forced.n + 1 < CELLS_MIN ? c->forced.n + 1 : CELLS_MIN;
    if (n > 1 && (size_t)(room / n) < need + 4) {
        out[0] = one;
        n = 1;
    }
    return n;
}

void ui_chat_kl_strip(chat *c, ui_canvas *canvas, ui_rect r)
{
    int pane[UI_PANES], x = r.x + 1;
    long token = ui_chat_forced_token(c);
    c->forced.n_strip = 0;
    ui_spots_add(&c->spots, r, CHAT_SPOT_STRIP);
    if (!ui_chat_forced_shown(c)) {
        static const char text[] = "this answer of A is not the one that was scored: F scores it";
        ui_textn(canvas, x, r.y, UI_DIM, 0, text, sizeof text - 1, r.w - 1);
        return;
    }
    int aside = r.w >= 2 * LEGEND_MIN ? LEGEND_MIN : 0, label = 12;
    int room = r.w - 1 - label - aside, n = strips(c, room, pane);
    if (n < 1)
        return;
    chat_strip like = strip_of(c, pane[0], 0, r.y, room / n - 4);
    char head[32] = "KL/token";
    if (like.per > 1)
        snprintf(head, sizeof head, "KL, max of %zu", like.per);
    x += ui_textn(canvas, x, r.y, UI_DIM, 0, head, strlen(head), r.w - 1) + 1;
    for (int i = 0; i < n; i++) {
        x += ui_textf(canvas, x + 1, r.y, UI_TEXT, "%c ", 'A' + pane[i]) + 1;
        chat_strip s = strip_of(c, pane[i], x, r.y, room / n - 4);
        c->forced.strip[c->forced.n_strip++] = s;
        x += draw_cells(c, canvas, &s, token) + 1;
    }
    draw_legend(canvas, x + 1, r.y, r.x + r.w - x - 1);
}

bool ui_chat_kl_press(chat *c, int x, int y)
{
    for (size_t i = 0; i < c->forced.n_strip; i++) {
        const chat_strip *s = &c->forced.strip[i];
        int cell = x - s->x;
        if (s->mark >= 0 && cell > s->mark)
            cell--; /* the mark itself is its token */
        if (y != s->y || cell < 0 || (size_t)cell >= s->cells)
            continue;
        c->focus = 0;
        c->typing = false;
        c->token = (int)worst_of(c, s, (size_t)cell);
        return true;
    }
    return false;
}
