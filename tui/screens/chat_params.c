/* The P panel: sampling, limits, system prompt. Rows of a table; a value is checked as it is typed
 * in and takes effect with the next turn. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/screens/chat.h"

typedef struct param_row {
    const char *name, *help;
    double min, max;
    bool whole;
} param_row;

static const param_row rows[CP_COUNT] = {
    [CP_TEMP] = {"temp", "0 = greedy: always the likeliest token", 0, 10, false},
    [CP_TOP_K] = {"top-k", "only the k likeliest; 0 = all", 0, 1000000, true},
    [CP_TOP_P] = {"top-p", "likeliest until they sum to p; 1 = off", 0, 1, false},
    [CP_MIN_P] = {"min-p", "at least p of the likeliest; 0 = off", 0, 1, false},
    [CP_PENALTY] = {"penalty", "on repeated tokens; 1 = off", 0.01, 10, false},
    [CP_SEED] = {"seed", "same seed, same answer", 0, 9007199254740991.0, true},
    [CP_MAX] = {"max", "tokens of an answer; 0 = until it ends", 0, 1000000, true},
    [CP_CTX] = {"context", "tokens; 0 = the model's; loads anew", 0, 1048576, true},
    [CP_SYSTEM] = {"system", "said before the first message", 0, 0, false},
};

static double value_of(const chat *c, chat_param p)
{
    const nb_sampling *s = &c->sampling;
    const double v[CP_SYSTEM] = {
        (double)s->temp,           s->top_k,        (double)s->top_p, (double)s->min_p,
        (double)s->repeat_penalty, (double)s->seed, c->max_tokens,    c->ctx};
    return v[p];
}

static void set_value(chat *c, chat_param p, double v)
{
    nb_sampling *s = &c->sampling;
    float *const real[CP_SYSTEM] = {[CP_TEMP] = &s->temp,
                                    [CP_TOP_P] = &s->top_p,
                                    [CP_MIN_P] = &s->min_p,
                                    [CP_PENALTY] = &s->repeat_penalty};
    if (real[p])
        *real[p] = (float)v;
    else if (p == CP_TOP_K)
        s->top_k = (int)v;
    else if (p == CP_SEED)
        s->seed = (uint64_t)v;
    else if (p == CP_MAX)
        c->max_tokens = (uint32_t)v;
    else
        c->ctx = (uint32_t)v;
    nb_sampling_fix(s);
    if (p == CP_CTX)
        ui_chat_reload(c);
}

static void value_text(const chat *c, chat_param p, char *out, size_t cap)
{
    char num[48];
    if (p == CP_SYSTEM)
        snprintf(out, cap, "%s", c->system ? c->system : "");
    else if (rows[p].whole)
        snprintf(out, cap, "%.0f", value_of(c, p));
    else
        snprintf(out, cap, "%s", ui_parts_num(num, value_of(c, p)));
}

/* Greedy needs no more words; with a temperature the whole chain is told. */
void ui_chat_params_text(const chat *c, char *out, size_t cap)
{
    static const chat_param shown[] = {CP_TEMP,  CP_SEED,    CP_TOP_K, CP_TOP_P,
                                       CP_MIN_P, CP_PENALTY, CP_MAX};
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < countof(shown); i++) {
        char v[64];
        bool cuts = shown[i] >= CP_TOP_K && shown[i] <= CP_MIN_P;
        bool off = (shown[i] == CP_PENALTY && value_of(c, CP_PENALTY) == 1) ||
                   (shown[i] == CP_MAX && !c->max_tokens);
        if (off || (cuts && !(c->sampling.temp > 0)))
            continue;
        value_text(c, shown[i], v, sizeof v);
        int used = snprintf(out + n, cap - n, "%s%s %s", n ? " · " : "", rows[shown[i]].name, v);
        if (used < 0 || (size_t)used >= cap - n)
            return;
        n += (size_t)used;
    }
}

void ui_chat_params_open(chat *c)
{
    c->params = true;
    c->params_edit = -1;
    c->typing = false;
    ui_list_set(&c->params_list, CP_COUNT);
}

/* A number is typed anew, its present value stays in sight; the prompt is edited. */
static void begin_edit(chat *c)
{
    bool text = c->params_list.at == CP_SYSTEM;
    c->params_edit = (int)c->params_list.at;
    c->params_error[0] = '\0';
    ui_input_set(&c->params_input, text && c->system ? c->system : "");
}

static void accept(chat *c)
{
    const char *text = nb_str_c(&c->params_input.text);
    const param_row *r = &rows[c->params_edit];
    char lo[48], hi[48];
    double v;
    if (c->params_edit == CP_SYSTEM) {
        if (ui_chat_busy(c)) { /* a running turn reads the old one */
            snprintf(c->params_error, sizeof c->params_error, "an answer is being written");
            return;
        }
        free(c->system);
        c->system = *text ? ui_xstrdup(text) : NULL;
    } else if (!*text) {
        c->params_edit = -1; /* stays as it was */
    } else if (!nb_parse_double(text, &v) || v < r->min || v > r->max ||
               (r->whole && v != (double)(uint64_t)v)) {
        snprintf(c->params_error, sizeof c->params_error, "%s from %s to %s",
                 r->whole ? "a whole number" : "a number", ui_parts_num(lo, r->min),
                 ui_parts_num(hi, r->max));
        return;
    } else if (c->params_edit == CP_CTX && ui_chat_busy(c)) {
        snprintf(c->params_error, sizeof c->params_error, "an answer is being written");
        return;
    } else {
        set_value(c, (chat_param)c->params_edit, v);
    }
    c->params_edit = -1;
}

bool ui_chat_params_action(chat *c, ui_action a)
{
    switch (a) {
    case UI_ACT_ANY_OPEN:
        if (c->params_edit >= 0)
            accept(c);
        else
            begin_edit(c);
        return true;
    case UI_ACT_CHAT_EDIT:
        begin_edit(c);
        return true;
    case UI_ACT_ANY_ESCAPE:
    case UI_ACT_ANY_BACK:
    case UI_ACT_CHAT_PARAMS:
        if (c->params_edit >= 0)
            c->params_edit = -1;
        else
            c->params = false;
        return true;
    default:
        return c->params_edit < 0 && ui_list_move(&c->params_list, a, 5);
    }
}

bool ui_chat_params_key(chat *c, const ui_key *k)
{
    c->params_error[0] = '\0';
    return c->params_edit >= 0 && ui_input_key(&c->params_input, k);
}

void ui_chat_params_draw(chat *c, ui_canvas *canvas, ui_rect r)
{
    char text[CP_COUNT][160];
    ui_field f[CP_COUNT];
    int w = r.w < 72 ? r.w : 72, h = CP_COUNT + 4;
    h = r.h < h ? r.h : h;
    ui_rect box = {r.x + (r.w - w) / 2, r.y + (r.h - h) / 2, w, h};
    ui_fill(canvas, box, UI_TEXT, " ");
    ui_box(canvas, box, "sampling and system prompt", "Enter edit  Esc back", true);
    for (int p = 0; p < CP_COUNT; p++) {
        char value[160];
        value_text(c, (chat_param)p, value, sizeof value);
        snprintf(text[p], sizeof text[p], p == CP_SYSTEM ? "%s" : "%-8s", value);
        f[p] = (ui_field){
            .label = rows[p].name, .kind = UI_FIELD_TEXT, .value = text[p], .note = rows[p].help};
        if (p == c->params_edit && c->params_error[0])
            f[p].error = c->params_error;
    }
    ui_rect in = ui_inside(box), top, rest;
    ui_parts_rows(in, in.h - 1, &top, &rest);
    ui_form_draw(canvas, top, f, CP_COUNT, &c->params_list, 10, c->params_edit < 0);
    if (c->params_edit >= 0) {
        char prompt[24];
        snprintf(prompt, sizeof prompt, "%s ", rows[c->params_edit].name);
        ui_input_draw(canvas, rest, &c->params_input, prompt, true);
    }
}
