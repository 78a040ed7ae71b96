/* How Chat looks: a status line, panes side by side, the line of first differences, the input. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tui/screens/chat.h"

enum { ONE_PANE = 70, PANE_MIN = 28, INPUT_MAX = 8, INDENT = 5 };

static const char *const metric_word[CHAT_METRICS] = {"off", "probability", "entropy", "KL"};

/* How many fit side by side. */
static int shown_panes(const chat *c, int width)
{
    int n = ui_chat_panes(c), fit = width < ONE_PANE ? 1 : width / PANE_MIN;
    return c->zoom || !fit ? (n ? 1 : 0) : n < fit ? n : fit;
}

/* --- lines ----------------------------------------------------------------------------------- */

static void draw_status(const chat *c, ui_canvas *canvas, ui_rect r)
{
    char params[160], text[400], number[24] = "new chat";
    const chat_pane *p = &c->pane[c->focus];
    ui_chat_params_text(c, params, sizeof params);
    if (ui_transcript_number(c->log))
        snprintf(number, sizeof number, "chat %d", ui_transcript_number(c->log));
    char ctx[32] = "not loaded";
    if (p->ctx)
        snprintf(ctx, sizeof ctx, "ctx %u/%u", p->ctx_used, p->ctx);
    else if (ui_chat_is_remote(p))
        snprintf(ctx, sizeof ctx, "ctx %u, remote", p->ctx_used);
    snprintf(text, sizeof text, "%s · %s · system: %s · %s · metric: %s%s%s", number, params,
             c->system ? "set" : "none", ctx, metric_word[c->metric],
             c->together ? " · together" : "", c->raw ? " · raw" : "");
    ui_textn(canvas, r.x + 1, r.y, UI_DIM, 0, text, strlen(text), r.w - 1);
}

/* A model that is not loaded has no pieces; what it said is still there. */
static void said_piece(const chat *c, int pane, const ui_message *m, const ui_token *k, char *out,
                       size_t cap)
{
    if (ui_chat_loaded(&c->pane[pane]))
        ui_chat_piece(c, pane, k->id, out, cap);
    else
        snprintf(out, cap, "\"%.*s\"", (int)k->len, nb_str_c(&m->text) + k->start);
}

static void difference_text(const chat *c, int pane, char *out, size_t cap)
{
    int index;
    const ui_message *b = ui_chat_answer(c, pane, &index), *a = ui_chat_answer(c, 0, NULL);
    const ui_parting d = b ? ui_chat_parting(c, pane, index) : (ui_parting){-1, -1, 0};
    char from[64] = "the end", to[64] = "the end";
    out[0] = '\0';
    if (d.b < 0 || !a)
        return;
    if ((size_t)d.a < a->n_token)
        said_piece(c, 0, a, &a->token[d.a], from, sizeof from);
    if ((size_t)d.b < b->n_token)
        said_piece(c, pane, b, &b->token[d.b], to, sizeof to);
    snprintf(out, cap, "%c token %ld%s %s -> %s", 'A' + pane, d.b,
             ui_transcript_by_text(c->log, pane) ? " by text" : "", from, to);
}

static void draw_differences(const chat *c, ui_canvas *canvas, ui_rect r)
{
    char text[200];
    int x = r.x + 1, n = 0;
    for (int p = 1; p < ui_chat_panes(c); p++) {
        difference_text(c, p, text, sizeof text);
        if (!text[0])
            continue;
        if (!n++) {
            x += ui_text(canvas, x, r.y, UI_DIFF_FIRST, ui_glyph_text(canvas, UI_G_DIFF));
            x += ui_text(canvas, x, r.y, UI_TEXT, " first difference: ");
        }
        if (x < r.x + r.w)
            x += ui_textn(canvas, x, r.y, UI_TEXT, 0, text, strlen(text), r.x + r.w - x) + 2;
    }
    bool both = ui_chat_panes(c) > 1;
    for (int p = 0; both && p < ui_chat_panes(c); p++) {
        const ui_message *m = ui_chat_answer(c, p, NULL);
        both = m && m->done && m->n_token && !ui_transcript_other_vocabulary(c->log, p);
    }
    bool by_text = false;
    for (int p = 1; p < ui_chat_panes(c); p++)
        by_text = by_text || ui_transcript_by_text(c->log, p);
    if (!n && both)
        ui_text(canvas, x, r.y, UI_OK,
                by_text ? "same text in every pane" : "same tokens in every pane");
    else if (n && x + 48 < r.x + r.w)
        ui_text(canvas, x + 1, r.y, UI_DIM, "n N go there, Enter tells why, F: KL per token");
    else if (n && x + 30 < r.x + r.w)
        ui_text(canvas, x + 1, r.y, UI_DIM, "n N go there, Enter tells why");
    else if (n && x + 14 < r.x + r.w)
        ui_text(canvas, x + 1, r.y, UI_DIM, "n N go there");
}

/* Legend of the colours: the words say what the underline says. */
static void draw_legend(chat *c, ui_canvas *canvas, ui_rect r)
{
    static const char *const word[CHAT_METRICS][4] = {
        {0}, {"p>.9", "p>.5", "p>.1", "p<.1"}, {"H<.3", "H<1", "H<2 nats", "H>2 nats"}, {0}};
    int x = r.x + 1;
    if (c->metric == CHAT_METRIC_KL) {
        ui_chat_kl_strip(c, canvas, r);
        return;
    }
    ui_spots_add(&c->spots, r, CHAT_SPOT_LEGEND);
    const ui_message *m = ui_chat_answer(c, c->focus, NULL);
    bool remote = ui_chat_is_remote(&c->pane[c->focus]);
    if (remote && m && (c->metric == CHAT_METRIC_ENTROPY || ui_chat_untold(m))) {
        static const char text[] = "the endpoint tells no probabilities of this answer";
        static const char few[] = "an endpoint tells the likeliest tokens only: no entropy";
        const char *why = ui_chat_untold(m) ? text : few;
        ui_textn(canvas, x, r.y, UI_DIM, 0, why, strlen(why), r.w - 1);
        return;
    }
    for (int i = 0; i < 4 && c->metric != CHAT_METRIC_OFF; i++) {
        unsigned attrs = (i >= 2 ? UI_A_UNDERLINE : 0) | (i == 3 ? UI_A_BOLD : 0);
        const char *w = word[c->metric][i];
        if (x + 12 > r.x + r.w)
            return;
        x += ui_textn(canvas, x, r.y, (ui_role)(UI_RAMP_PROB_0 + i), attrs, w, strlen(w), -1) + 2;
    }
    if (c->metric != CHAT_METRIC_OFF)
        ui_textn(canvas, x, r.y, UI_DIM, 0, "underlined = unsure", 19, r.x + r.w - x);
}

/* --- one pane -------------------------------------------------------------------------------- */

static const char *state_word(const chat *c, const chat_pane *p, const ui_message *m)
{
    static const char *const word[] = {"done", "token limit reached", "context full", "stopped",
                                       "failed"};
    (void)c;
    if (p->loading)
        return "loading";
    if (p->job)
        return m && m->n_token ? "writing" : "reading";
    if (p->pending)
        return "waits for its turn";
    if (!m)
        return ui_chat_loaded(p) ? "ready" : "not loaded";
    return m->done ? word[m->stop] : "interrupted";
}

static const char *first_token(char out[48], double seconds)
{
    char num[48];
    bool ms = seconds < 0.1;
    snprintf(out, 48, "%.40s %s", ui_parts_num(num, ms ? 1000 * seconds : seconds),
             ms ? "ms" : "s");
    return out;
}

/* What the question to an endpoint waits for: itself, or "rate limited, resumes in 12 s". */
static void waiting_text(const chat_pane *p, bool said, char *out, size_t cap)
{
    nb_job_view v;
    nb_job_look(p->job, &v);
    bool plain = !v.what[0] || strcmp(v.what, p->label) == 0;
    if (said)
        snprintf(out, cap, "writing");
    else
        snprintf(out, cap, "%s%.90s", plain ? "asking " : "", plain ? p->label : v.what);
}

/* How fast a question is read or one answer written, told while it is; of a question how much of it
 * is, and when the rest will be. */
static void speed_text(const chat_pane *p, const char *word, char *out, size_t cap)
{
    char num[48], left[32], far[64] = "";
    nb_job_view v;
    nb_job_look(p->job, &v);
    if (strcmp(v.what, "prompt") == 0 && v.total)
        snprintf(far, sizeof far, " %d %%%s%s", (int)(100 * v.done / v.total),
                 v.eta > 0 ? "  " : "", v.eta > 0 ? nb_human_time(left, v.eta) : "");
    if (v.rate > 0 && p->work.n_answers <= 1 && !p->work.pinned)
        snprintf(out, cap, "%s tok/s%s  %s%s", ui_parts_num(num, v.rate),
                 p->shared ? " (shared)" : "", word, far);
    else
        snprintf(out, cap, "%s%s", word, far);
}

static void draw_figures(const chat *c, ui_canvas *canvas, ui_rect r, int pane)
{
    const chat_pane *p = &c->pane[pane];
    int index;
    const ui_message *m = ui_chat_answer(c, pane, &index);
    char a[48], b[48], guesses[48] = "", text[200];
    if (m && m->n_drafted)
        snprintf(guesses, sizeof guesses, "  guesses %u/%u", m->n_accepted, m->n_drafted);
    if (m && m->done && m->n_token)
        snprintf(text, sizeof text, "%s tok/s%s  ttft %s%s", ui_parts_num(a, m->tok_per_s),
                 p->shared ? " (shared)" : "", first_token(b, m->ttft), guesses);
    else if (p->local && p->tmpl_problem)
        snprintf(text, sizeof text, "%s is used: its %.150s", p->tmpl, p->tmpl_problem);
    else if (ui_chat_is_remote(p) && p->job && !p->loading)
        waiting_text(p, m && m->n_token, text, sizeof text);
    else if (p->local && p->job && !p->loading)
        speed_text(p, state_word(c, p, m), text, sizeof text);
    else
        snprintf(text, sizeof text, "%s",
                 ui_chat_loaded(p) && !p->pending ? "ready" : state_word(c, p, m));
    ui_textn(canvas, r.x, r.y, UI_DIM, 0, text, strlen(text), r.w);
}

/* What an answer asks for or has lost: calls of tools, which are not made, and context shifts. */
static void note_text(const ui_message *m, char *out, size_t cap)
{
    nb_tool_call call;
    char shifts[64];
    size_t n = m && m->done ? ui_transcript_calls(m, &call, 1) : 0;
    nb_str name = {0};
    if (m)
        ui_transcript_shifts(m, shifts, sizeof shifts);
    if (n)
        nb_safe_text(&name, call.name, strlen(call.name), NB_SAFE_ONE_LINE);
    snprintf(out, cap, "%s%s%s%s", n ? "calls " : "", nb_str_c(&name), n > 1 ? " and more" : "",
             m ? shifts + (n || !shifts[0] ? 0 : strlen(" · ")) : "");
    nb_str_free(&name);
}

static void draw_foot(const chat *c, ui_canvas *canvas, ui_rect r, int pane)
{
    const chat_pane *p = &c->pane[pane];
    int index, at, of;
    const ui_message *m = ui_chat_answer(c, pane, &index);
    char text[160];
    int x = r.x;
    bool pieces = m && ui_chat_is_remote(p) && ui_chat_untold(m); /* as they came, no tokens */
    x +=
        ui_textf(canvas, x, r.y, UI_DIM, "%zu %s  ", m ? m->n_token : 0, pieces ? "pieces" : "tok");
    const char *word = state_word(c, p, m);
    bool bad = m && m->done && !p->job && (m->stop == NB_STOP_FAIL || m->stop == NB_STOP_CONTEXT);
    x += ui_textn(canvas, x, r.y,
                  bad      ? UI_WARN
                  : p->job ? UI_BUSY
                           : UI_DIM,
                  0, word, strlen(word), r.x + r.w - x) +
         2;
    ui_transcript_branch(c->log, index, &at, &of);
    if (of > 1 && x + 14 < r.x + r.w)
        x += ui_textf(canvas, x, r.y, UI_DIM, "[ ] %d of %d", at + 1, of) + 2;
    note_text(m, text, sizeof text);
    if (text[0] && x < r.x + r.w)
        x += ui_textn(canvas, x, r.y, UI_WARN, 0, text, strlen(text), r.x + r.w - x) + 2;
    long d = m ? ui_chat_difference(c, pane, index) : -1;
    if (ui_transcript_other_vocabulary(c->log, pane))
        ui_textn(canvas, x, r.y, UI_DIM, 0, "other vocabulary", 16, r.x + r.w - x);
    if (d < 0 || x + 16 > r.x + r.w)
        return;
    double share = m->n_token ? (double)d / (double)m->n_token : 1;
    snprintf(text, sizeof text, "%s token %ld (%.0f%%)", ui_glyph_text(canvas, UI_G_DIFF), d,
             floor(100 * share));
    ui_textn(canvas, x, r.y, UI_DIFF_CHANGE, 0, text, strlen(text), r.x + r.w - x);
}

/* Rows of a message and the empty one after it. */
static int rows_of(chat *c, ui_canvas *canvas, int pane, int message, int width)
{
    const ui_message *m = ui_transcript_at(c->log, message);
    int w = m->role == NB_USER ? width - INDENT : width;
    return (int)ui_chat_row_count(ui_chat_wrap(c, canvas, pane, message, w > 1 ? w : 1)) + 1;
}

static void draw_message(chat *c, ui_canvas *canvas, ui_rect r, int pane, int message, int first)
{
    const ui_message *m = ui_transcript_at(c->log, message);
    int indent = m->role == NB_USER ? INDENT : 0, w = r.w - indent > 1 ? r.w - indent : 1;
    const chat_rows *rows = ui_chat_wrap(c, canvas, pane, message, w);
    if (indent && first >= 0 && first < r.h)
        ui_text(canvas, r.x, r.y + first, UI_TITLE, "you");
    int y = first > 0 ? first : 0, top = first < 0 ? -first : 0;
    ui_chat_draw_rows(c, canvas, (ui_rect){r.x + indent, r.y + y, w, r.h - y}, pane, message, rows,
                      (size_t)top);
    for (int i = top; i < (int)ui_chat_row_count(rows) && first + i < r.h; i++)
        ui_chat_mouse_row(c, (chat_seen){r.x + indent, r.y + first + i, w, message, (size_t)i});
}

/* Rows left empty below an answer being written: it moves up half a pane at once, because a pane
 * that moves by every row is sent to the terminal whole with every row (tui 10). */
static int room_to_write(const chat_pane *p, int hidden, int h)
{
    int step = h / 2 > 1 ? h / 2 : 1;
    return p->job && !p->loading && !p->scroll ? (step - hidden % step) % step : 0;
}

static void draw_conversation(chat *c, ui_canvas *canvas, ui_rect r, int pane)
{
    int total = 0;
    const int leaf = ui_transcript_leaf(c->log, pane);
    chat_pane *p = &c->pane[pane];
    if (r.w < 2 || r.h < 1)
        return;
    for (int i = leaf; i >= 0; i = ui_transcript_at(c->log, i)->parent)
        total += rows_of(c, canvas, pane, i, r.w);
    int hidden = total - 1 > r.h ? total - 1 - r.h : 0, most = hidden ? hidden + 1 : 0;
    p->scroll = p->scroll < 0 ? 0 : p->scroll > most ? most : p->scroll;
    bool back = p->scroll > 0;
    r.h -= back; /* the last row tells */
    int bottom = hidden ? r.h + 1 + p->scroll - room_to_write(p, hidden, r.h) : total;
    ui_rect clip = ui_canvas_clip(canvas, r);
    for (int i = leaf; i >= 0 && bottom > 0; i = ui_transcript_at(c->log, i)->parent) {
        bottom -= rows_of(c, canvas, pane, i, r.w);
        if (bottom < r.h)
            draw_message(c, canvas, r, pane, i, bottom);
    }
    canvas->clip = clip;
    if (back)
        ui_text_right(canvas, r.x + r.w, r.y + r.h, UI_HINT, "more below");
}

static void draw_pane(chat *c, ui_canvas *canvas, ui_rect r, int pane)
{
    const chat_pane *p = &c->pane[pane];
    char title[256], far[160] = "";
    bool focus = pane == c->focus && ui_chat_panes(c) > 1;
    ui_spots_add(&c->spots, r, pane);
    if (ui_chat_is_remote(p))
        snprintf(far, sizeof far, ", remote%s%.120s", p->remote ? " " : "",
                 p->remote ? dl_remote_host(p->remote) : "");
    snprintf(title, sizeof title, "%c %s%s%s", 'A' + pane, p->label, far,
             pane == 0 && ui_chat_panes(c) > 1 ? " reference" : "");
    /* Not the model's own template: said for as long as the pane is there. */
    ui_box(canvas, r, title, p->local && p->tmpl_problem ? p->tmpl : NULL, focus);
    ui_rect in = ui_inside(r), head, rest, body, foot;
    in = (ui_rect){in.x + 1, in.y, in.w > 2 ? in.w - 2 : in.w, in.h};
    if (in.h < 1 || in.w < 1)
        return;
    if (p->problem[0]) { /* whole: it says what to do about it */
        parts_lines l = ui_parts_begin(canvas, (ui_rect){in.x + 2, in.y, in.w - 2, in.h});
        ui_text(canvas, in.x, in.y, UI_ERR, "!");
        ui_parts_wrap(&l, UI_ERR, p->problem);
        ui_parts_rows(in, l.y, &head, &rest);
    } else {
        ui_parts_rows(in, 1, &head, &rest);
        draw_figures(c, canvas, head, pane);
    }
    if (rest.h > 2 && ui_chat_forced_shown(c)) {
        ui_parts_rows(rest, 1, &head, &rest);
        ui_chat_kl_figures(c, canvas, head, pane);
    }
    if (rest.h < 1)
        return;
    ui_parts_rows(rest, rest.h - 1, &body, &foot);
    draw_conversation(c, canvas, body, pane);
    draw_foot(c, canvas, foot, pane);
}

static void draw_panes(chat *c, ui_canvas *canvas, ui_rect r)
{
    int n = shown_panes(c, r.w), all = ui_chat_panes(c);
    if (n < 1)
        return;
    int first = c->focus >= n ? c->focus - n + 1 : 0;
    if (n < all && n > 1)
        first = c->focus == 0 ? 0 : first;
    for (int i = 0; i < n; i++) {
        int x = r.w * i / n, end = r.w * (i + 1) / n;
        draw_pane(c, canvas, (ui_rect){r.x + x, r.y, end - x, r.h}, first + i);
    }
}

/* --- input ----------------------------------------------------------------------------------- */

static void draw_input(chat *c, ui_canvas *canvas, ui_rect r)
{
    char note[64], to[16] = "";
    int hidden = ui_chat_panes(c) - shown_panes(c, r.w);
    for (int p = 0; p < ui_chat_panes(c); p++)
        snprintf(to + strlen(to), sizeof to - strlen(to), " %c", 'A' + p);
    if (hidden > 0)
        snprintf(note, sizeof note, "to%s  %d hidden: Tab", to, hidden);
    else
        snprintf(note, sizeof note, c->typing ? "to%s" : "to%s  i writes", to);
    ui_box(canvas, r, c->editing >= 0 ? "you, again" : "you", note, c->typing);
    ui_spots_add(&c->spots, r, CHAT_SPOT_INPUT);
    ui_rect in = ui_inside(r);
    in = (ui_rect){in.x + 1, in.y, in.w - 2, in.h};
    bool empty = !c->input.text.len;
    ui_input_draw(canvas, in, &c->input, "", c->typing);
    if (empty)
        ui_textn(canvas, in.x + 1, in.y, UI_DIM, 0, "Ask something: What is Q2_K?", 28, in.w - 1);
}

static void draw_nobody(ui_canvas *canvas, ui_rect r)
{
    static const char *const lines[] = {
        "nobody to talk to yet", "", "in Models: t on a model, or mark up to four with Space",
        "after Quantize: t asks the new model and its source", NULL};
    ui_box(canvas, r, "chat", NULL, false);
    ui_parts_empty(canvas, ui_inside(r), lines);
}

void ui_chat_draw(void *self, ui_canvas *canvas, ui_rect r)
{
    chat *c = self;
    ui_chat_mouse_forget(c);
    if (!ui_chat_panes(c)) {
        draw_nobody(canvas, r);
        return;
    }
    int wish = ui_input_rows(canvas, &c->input, r.w - 4 > 1 ? r.w - 4 : 1, INPUT_MAX) + 2;
    int lines = r.h >= 14 ? (c->metric != CHAT_METRIC_OFF ? 3 : 2) : r.h >= 10 ? 1 : 0;
    int input = wish < r.h / 2 ? wish : r.h / 2 > 2 ? 3 : 0;
    ui_rect status, rest, panes, below, line, box;
    ui_parts_rows(r, lines >= 2 ? 1 : 0, &status, &rest);
    ui_parts_rows(rest, rest.h - input - (lines >= 2 ? lines - 1 : lines), &panes, &below);
    ui_parts_rows(below, below.h - input, &line, &box);
    if (status.h)
        draw_status(c, canvas, status);
    if (c->diff.open && !ui_chat_diff_why_not(c))
        ui_chat_diff_draw(c, canvas, panes);
    else
        draw_panes(c, canvas, panes);
    if (line.h && !ui_chat_kl_token(c, canvas, line))
        draw_differences(c, canvas, line);
    if (line.h > 1)
        draw_legend(c, canvas, (ui_rect){line.x, line.y + 1, line.w, 1});
    if (box.h > 2)
        draw_input(c, canvas, box);
    if (c->params)
        ui_chat_params_draw(c, canvas, r);
    ui_chat_draw_top(c, canvas, r);
}
