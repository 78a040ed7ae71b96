/* Why a token was said: what each pane held likely in its place, side by side. Where the texts are
 * the same up to it the numbers answer each other: quantizing moved this probability to that one.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tui/screens/chat.h"

enum { COLUMN = 34, COLUMN_MIN = 25, BAR = 6 };

typedef struct seen {
    int pane;
    const ui_token *token; /* NULL: its answer ended before */
    bool same;             /* the same text came before it as in A */
} seen;

/* The token at this place of a pane's answer to the question in focus. */
static seen look(const chat *c, int pane)
{
    int index;
    const ui_message *m = ui_chat_answer(c, pane, &index);
    seen s = {.pane = pane};
    if (!m)
        return s;
    if ((size_t)c->token < m->n_token)
        s.token = &m->token[c->token];
    const ui_parting d = ui_chat_parting(c, pane, index);
    const ui_message *a = ui_chat_answer(c, 0, NULL);
    s.same = !ui_transcript_other_vocabulary(c->log, pane) && (d.b < 0 || c->token <= d.b);
    if (ui_transcript_by_text(c->log, pane)) /* tokens may be cut elsewhere */
        s.same = s.same && a && s.token && (size_t)c->token < a->n_token &&
                 a->token[c->token].start == s.token->start;
    return s;
}

/* The same piece of text: an id, or across an endpoint what it spells. */
static bool same_piece(const chat *c, int pane, int32_t id, int other, int32_t other_id)
{
    char a[64], b[64];
    if (!ui_chat_is_remote(&c->pane[pane]) && !ui_chat_is_remote(&c->pane[other]))
        return id == other_id;
    if (pane == other)
        return id == other_id;
    ui_chat_piece(c, pane, id, a, sizeof a);
    ui_chat_piece(c, other, other_id, b, sizeof b);
    return strcmp(a, b) == 0;
}

/* The focused pane, and those that stood at the same place after the same text; pane order. */
static int gather(const chat *c, int fit, seen out[UI_PANES])
{
    int n = 0, all = ui_chat_panes(c);
    bool together = look(c, c->focus).same;
    for (int p = 0; p < all && n < UI_PANES; p++) {
        seen s = look(c, p);
        bool spare = n + (p < c->focus ? 1 : 0) < fit; /* keeps a place for the focused one */
        if (p == c->focus || (together && s.same && s.token && spare))
            out[n++] = s;
    }
    return n;
}

/* In "61.2%", or "<0.4%" when the pane kept eight that were all likelier: what s thought of a
 * token of `from`. */
static const char *share_of(const chat *c, char out[64], const seen *s, const seen *from)
{
    char num[48];
    double least = 1;
    const ui_token *k = s->token;
    int32_t id = from->token->id;
    bool listed = same_piece(c, s->pane, k->id, from->pane, id);
    double p = listed ? exp((double)k->logprob) : 0;
    for (int i = 0; i < NB_TOP && k->top_id[i] >= 0; i++) {
        double q = exp((double)k->top_logprob[i]);
        least = q;
        if (same_piece(c, s->pane, k->top_id[i], from->pane, id)) {
            p = q;
            listed = true;
        }
    }
    snprintf(out, 64, "%s%s", listed ? "" : "<", ui_parts_percent(num, listed ? p : least));
    return out;
}

/* Who took this token, as letters: " A B". */
static void takers(const chat *c, const seen *s, int n, int pane, int32_t id, char out[16])
{
    out[0] = '\0';
    for (int i = 0; i < n; i++)
        if (s[i].token && same_piece(c, s[i].pane, s[i].token->id, pane, id) &&
            strlen(out) + 3 < 16)
            snprintf(out + strlen(out), 16 - strlen(out), " %c", 'A' + s[i].pane);
}

static void alternative(const chat *c, parts_lines *l, const seen *s, int n, const seen *me, int i)
{
    const ui_token *k = me->token;
    char piece[64], num[48], by[16];
    bool mine = k->top_id[i] == k->id;
    double p = exp((double)k->top_logprob[i]);
    takers(c, s, n, me->pane, k->top_id[i], by);
    ui_chat_piece(c, me->pane, k->top_id[i], piece, sizeof piece);
    if (ui_parts_left(l) && l->r.w > 10 + BAR) {
        int y = l->r.y + l->y;
        ui_progress_draw(l->c, l->r.x + 9, y, BAR, p, mine ? UI_PLOT_B : UI_PLOT_A);
        ui_text_right(l->c, l->r.x + l->r.w, y, UI_DIFF_CHANGE, by);
        int room = l->r.w - 10 - BAR - (int)strlen(by);
        ui_textf(l->c, l->r.x, y, mine ? UI_FOCUS : UI_TEXT, "%s%7s", mine ? ">" : " ",
                 ui_parts_percent(num, p));
        ui_textn(l->c, l->r.x + 10 + BAR, y, mine ? UI_FOCUS : UI_TEXT, 0, piece, strlen(piece),
                 room > 0 ? room : 0);
    }
    l->y++;
}

/* Its entropy, and the divergence from A where that was measured. */
static void draw_spread(const chat *c, parts_lines *l, const seen *me)
{
    char num[48], kl[48];
    int message;
    double d = -1;
    ui_parts_num(num, (double)me->token->entropy);
    if (me->pane > 0 && ui_chat_answer(c, me->pane, &message))
        d = ui_chat_forced_kl(c, me->pane, message, (size_t)c->token,
                              ui_chat_difference(c, me->pane, message));
    if (d < 0)
        ui_parts_line(l, UI_DIM, "entropy %s nats", num);
    else
        ui_parts_line(l, UI_DIM, "entropy %s, KL %s nats", num, ui_parts_num(kl, d));
}

static void column(const chat *c, ui_canvas *canvas, ui_rect r, const seen *s, int n, int at)
{
    const seen *me = &s[at];
    parts_lines l = ui_parts_begin(canvas, r);
    ui_parts_line(&l, me->pane == c->focus ? UI_TITLE : UI_TEXT, "%c %s", 'A' + me->pane,
                  c->pane[me->pane].label);
    if (!me->token || me->token->top_id[0] < 0) {
        ui_parts_wrap(&l, UI_DIM,
                      ui_chat_is_remote(&c->pane[me->pane])
                          ? "none are kept: the endpoint told none, or the chat is from disk"
                          : "alternatives are not kept on disk: r answers anew");
        return;
    }
    if (isnan(me->token->entropy))
        ui_parts_line(&l, UI_DIM, "the likeliest, as the endpoint tells");
    else
        draw_spread(c, &l, me);
    for (int i = 0; i < NB_TOP && me->token->top_id[i] >= 0; i++)
        alternative(c, &l, s, n, me, i);
}

/* In words: what one took and what the other thought of it. */
static void explain(const chat *c, const seen *s, int n, char *out, size_t cap)
{
    char a[64], b[64], p[4][64];
    const seen *x = NULL, *y = NULL;
    for (int i = 0; i < n; i++) {
        if (s[i].pane == 0)
            x = &s[i];
        else if (!y || s[i].pane == c->focus)
            y = &s[i];
    }
    out[0] = '\0';
    if (ui_chat_panes(c) > 1 && !look(c, c->focus).same)
        snprintf(out, cap,
                 ui_transcript_other_vocabulary(c->log, c->focus)
                     ? "Another vocabulary than A's: its tokens are not compared."
                     : "The texts differed before this token: A answered another text.");
    if (!x || !y || x->token->top_id[0] < 0 || y->token->top_id[0] < 0)
        return;
    ui_chat_piece(c, x->pane, x->token->id, a, sizeof a);
    ui_chat_piece(c, y->pane, y->token->id, b, sizeof b);
    share_of(c, p[0], x, x);
    share_of(c, p[1], y, x);
    share_of(c, p[2], y, y);
    share_of(c, p[3], x, y);
    if (same_piece(c, x->pane, x->token->id, y->pane, y->token->id))
        snprintf(out, cap, "After the same text both take %s: %s in A, %s in %c.", a, p[0], p[1],
                 'A' + y->pane);
    else
        snprintf(out, cap,
                 "After the same text A takes %s (%s; %c gives it %s), %c takes %s "
                 "(%s; A gives it %s).",
                 a, p[0], 'A' + y->pane, p[1], 'A' + y->pane, b, p[2], p[3]);
}

void ui_chat_draw_top(chat *c, ui_canvas *canvas, ui_rect r)
{
    enum { ROWS = 2 + NB_TOP, WORDS = 2 };
    seen s[UI_PANES];
    char title[64], words[640];
    const ui_message *m = ui_chat_answer(c, c->focus, NULL);
    if (!c->top || !m || c->token < 0 || (size_t)c->token >= m->n_token || r.w < 10 || r.h < 4)
        return;
    int fit = (r.w - 2) / (COLUMN_MIN + 1), n = gather(c, fit > 1 ? fit : 1, s);
    explain(c, s, n, words, sizeof words);
    int wide = n > 1 ? n * (COLUMN + 2) + 2 : COLUMN + 12, high = ROWS + 2 + (words[0] ? WORDS : 0);
    int w = wide < r.w ? wide : r.w, h = high < r.h ? high : r.h;
    ui_rect box = {r.x + (r.w - w) / 2, r.y + (r.h - h) / 2, w, h};
    snprintf(title, sizeof title, n > 1 ? "token %d, side by side" : "token %d of %c", c->token,
             'A' + c->focus);
    ui_spots_add(&c->spots, box, CHAT_SPOT_TOP);
    ui_fill(canvas, box, UI_TEXT, " ");
    ui_box(canvas, box, title, "h l move  Esc", true);
    ui_rect in = ui_inside(box);
    for (int i = 0; i < n; i++) {
        int x = in.w * i / n, end = in.w * (i + 1) / n;
        column(c, canvas, (ui_rect){in.x + x + 1, in.y, end - x - 2, in.h}, s, n, i);
    }
    parts_lines l = ui_parts_begin(
        canvas, (ui_rect){in.x + 1, in.y + ROWS, in.w - 2, in.h > ROWS ? in.h - ROWS : 0});
    ui_parts_wrap(&l, UI_TEXT, words);
}
