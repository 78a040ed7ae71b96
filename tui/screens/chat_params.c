/* The P panel: sampling, limits, what the template is told. Rows of a table; a value is checked as
 * it is typed in and takes effect with the next turn. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "tui/screens/chat.h"

typedef enum param_kind { REAL, WHOLE, WORD, TEXT } param_kind;

enum { MOST_ANSWERS = 8 };

typedef struct param_row {
    const char *name, *help;
    double min, max;
    param_kind kind;
    bool apart; /* what a running turn reads, or a model is loaded with: not to change meanwhile */
    const char *const *word; /* WORD: [max + 1] */
} param_row;

static const char *const no_yes[] = {"off", "on"};
static const char *const guess_word[] = {
    [CHAT_GUESS_OFF] = "off", [CHAT_GUESS_LOOKUP] = "lookup", [CHAT_GUESS_PANE] = "pane"};
static const char *const think_word[] = {
    [NB_THINK_AUTO] = "auto", [NB_THINK_OFF] = "off", [NB_THINK_ON] = "on"};

static const char *const cache_word[] = {"f16", "bf16", "q8_0", "q4_0", "f32"};
enum { LAST_CACHE = countof(cache_word) - 1 };

static const param_row rows[CP_COUNT] = {
    [CP_TEMP] = {"temp", "0 = greedy: always the likeliest token", 0, 10, REAL, false, NULL},
    [CP_TOP_K] = {"top-k", "only the k likeliest; 0 = all", 0, 1000000, WHOLE, false, NULL},
    [CP_TOP_P] = {"top-p", "likeliest until they sum to p; 1 = off", 0, 1, REAL, false, NULL},
    [CP_MIN_P] = {"min-p", "at least p of the likeliest; 0 = off", 0, 1, REAL, false, NULL},
    [CP_PENALTY] = {"penalty", "on repeated tokens; 1 = off", 0.01, 10, REAL, false, NULL},
    [CP_SEED] = {"seed", "same seed, same answer", 0, 9007199254740991.0, WHOLE, false, NULL},
    [CP_MAX] = {"max", "tokens of an answer; 0 = until it ends", 0, 1000000, WHOLE, false, NULL},
    [CP_CTX] = {"context", "tokens; 0 = the model's; loads anew", 0, 1048576, WHOLE, true, NULL},
    [CP_ANSWERS] = {"answers", "at once, [ ] between them; loads anew", 1, MOST_ANSWERS, WHOLE,
                    true, NULL},
    [CP_SHIFT] = {"shift", "a full context forgets its older half", 0, 1, WORD, false, no_yes},
    [CP_THINK] = {"think", "if the template asks for it", 0, 2, WORD, false, think_word},
    [CP_TOOLS] = {"tools", "file; calls are shown, not made", 0, 0, TEXT, true, NULL},
    [CP_SYSTEM] = {"system", "said before the first message", 0, 0, TEXT, true, NULL},
    [CP_DRAFT] = {"draft", "guess ahead, same answer: text, light pane", 0, 2, WORD, false,
                  guess_word},
    [CP_KEYS] = {"k-cache", "type of cached keys; loads anew", 0, LAST_CACHE, WORD, true,
                 cache_word},
    [CP_VALUES] = {"v-cache", "type of cached values; loads anew", 0, LAST_CACHE, WORD, true,
                   cache_word},
    [CP_FLAT] = {"flat", "IQ1-3 weights copied: faster; loads anew", 0, 1, WORD, true, no_yes},
    [CP_LORA] = {"lora", "adapter, a GGUF file; loads anew", 0, 0, TEXT, true, NULL},
    [CP_LORA_SCALE] = {"lora-scale", "how much of it; loads anew", -1e6, 1e6, REAL, true, NULL},
};

static bool is_flat(const chat *c)
{
    return c->flat < 0 ? ui_app_config(c->app)->flat == 1 : c->flat;
}

static double value_of(const chat *c, chat_param p)
{
    const nb_sampling *s = &c->sampling;
    const double v[CP_COUNT] = {[CP_TEMP] = (double)s->temp,
                                [CP_TOP_K] = s->top_k,
                                [CP_TOP_P] = (double)s->top_p,
                                [CP_MIN_P] = (double)s->min_p,
                                [CP_PENALTY] = (double)s->repeat_penalty,
                                [CP_SEED] = (double)s->seed,
                                [CP_MAX] = c->max_tokens,
                                [CP_CTX] = c->ctx,
                                [CP_ANSWERS] = c->answers,
                                [CP_SHIFT] = c->shift,
                                [CP_DRAFT] = c->draft,
                                [CP_KEYS] = c->k_type,
                                [CP_VALUES] = c->v_type,
                                [CP_FLAT] = is_flat(c),
                                [CP_LORA_SCALE] = (double)c->lora_scale,
                                [CP_THINK] = c->think};
    return v[p];
}

static void set_value(chat *c, chat_param p, double v)
{
    nb_sampling *s = &c->sampling;
    float *const real[CP_COUNT] = {[CP_TEMP] = &s->temp,
                                   [CP_TOP_P] = &s->top_p,
                                   [CP_MIN_P] = &s->min_p,
                                   [CP_PENALTY] = &s->repeat_penalty,
                                   [CP_LORA_SCALE] = &c->lora_scale};
    uint32_t *const whole[CP_COUNT] = {[CP_MAX] = &c->max_tokens,
                                       [CP_CTX] = &c->ctx,
                                       [CP_ANSWERS] = &c->answers,
                                       [CP_KEYS] = &c->k_type,
                                       [CP_VALUES] = &c->v_type};
    if (real[p])
        *real[p] = (float)v;
    else if (whole[p])
        *whole[p] = (uint32_t)v;
    else if (p == CP_TOP_K)
        s->top_k = (int)v;
    else if (p == CP_SEED)
        s->seed = (uint64_t)v;
    else if (p == CP_SHIFT)
        c->shift = v > 0;
    else if (p == CP_FLAT)
        c->flat = v > 0;
    else if (p == CP_DRAFT)
        c->draft = (chat_guess)v;
    else
        c->think = (nb_think)v;
    nb_sampling_fix(s);
    bool loads = p == CP_CTX || p == CP_ANSWERS || p == CP_KEYS || p == CP_VALUES || p == CP_FLAT;
    if (loads || (p == CP_LORA_SCALE && c->lora))
        ui_chat_reload(c);
}

static const char *text_of(const chat *c, chat_param p)
{
    const char *text = p == CP_TOOLS ? c->tools_path : p == CP_LORA ? c->lora : c->system;
    return text ? text : "";
}

static void value_text(const chat *c, chat_param p, char *out, size_t cap)
{
    char num[48];
    const param_row *r = &rows[p];
    if (r->kind == TEXT)
        snprintf(out, cap, "%s", text_of(c, p));
    else if (r->kind == WORD)
        snprintf(out, cap, "%s", r->word[(size_t)value_of(c, p)]);
    else if (r->kind == WHOLE)
        snprintf(out, cap, "%.0f", value_of(c, p));
    else
        snprintf(out, cap, "%s", ui_parts_num(num, value_of(c, p)));
}

/* A value that changes nothing is not worth a word. */
static bool is_off(const chat *c, chat_param p)
{
    bool cuts = p >= CP_TOP_K && p <= CP_MIN_P; /* greedy needs no more words */
    return (cuts && !(c->sampling.temp > 0)) || (p == CP_PENALTY && value_of(c, p) == 1) ||
           (p == CP_MAX && !c->max_tokens) || (p == CP_ANSWERS && c->answers <= 1) ||
           (p == CP_LORA_SCALE && (!c->lora || c->lora_scale == 1)) ||
           (rows[p].kind == WORD && value_of(c, p) == 0) ||
           (rows[p].kind == TEXT && !text_of(c, p)[0]);
}

void ui_chat_params_text(const chat *c, char *out, size_t cap)
{
    static const chat_param shown[] = {CP_TEMP,    CP_SEED,      CP_TOP_K,   CP_TOP_P,  CP_MIN_P,
                                       CP_PENALTY, CP_MAX,       CP_ANSWERS, CP_SHIFT,  CP_DRAFT,
                                       CP_THINK,   CP_TOOLS,     CP_KEYS,    CP_VALUES, CP_FLAT,
                                       CP_LORA,    CP_LORA_SCALE};
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < countof(shown); i++) {
        char v[64];
        if (is_off(c, shown[i]))
            continue;
        value_text(c, shown[i], v, sizeof v);
        bool file = rows[shown[i]].kind == TEXT;
        const char *value = file ? nb_path_base(text_of(c, shown[i])) : v;
        int used =
            snprintf(out + n, cap - n, "%s%s %s", n ? " · " : "", rows[shown[i]].name, value);
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

static bool must_wait(chat *c, chat_param p)
{
    if (!rows[p].apart || !ui_chat_busy(c))
        return false;
    snprintf(c->params_error, sizeof c->params_error, "%s", ui_chat_busy_words(c));
    return true;
}

/* A number is typed anew, its present value stays in sight; a text is edited; of words the next one
 * is taken. */
static void begin_edit(chat *c)
{
    chat_param p = (chat_param)c->params_list.at;
    const param_row *r = &rows[p];
    c->params_error[0] = '\0';
    if (r->kind == WORD && must_wait(c, p))
        return;
    if (r->kind == WORD) {
        set_value(c, p, value_of(c, p) < r->max ? value_of(c, p) + 1 : 0);
        return;
    }
    c->params_edit = (int)p;
    ui_input_set(&c->params_input, r->kind == TEXT ? text_of(c, p) : "");
}

/* False with the reason in params_error: the tools that were there stay. */
static bool accept_tools(chat *c, const char *path)
{
    char *bytes = NULL;
    size_t n = 0;
    nb_err err = {0};
    nb_status st = *path ? nb_file_read(&bytes, &n, path, NB_TOOLS_MAX, &err) : NB_OK;
    if (st == NB_OK && *path)
        st = nb_tools_check(bytes, n, nb_path_base(path), &err);
    if (st != NB_OK) {
        nb_short(c->params_error, sizeof c->params_error, err.msg);
        free(bytes);
        return false;
    }
    free(c->tools);
    free(c->tools_path);
    c->tools = bytes;
    c->tools_len = n;
    c->tools_path = *path ? ui_xstrdup(path) : NULL;
    return true;
}

static bool accept_number(chat *c, chat_param p, const char *text)
{
    const param_row *r = &rows[p];
    char lo[48], hi[48];
    double v;
    if (!*text)
        return true; /* stays as it was */
    if (!nb_parse_double(text, &v) || v < r->min || v > r->max ||
        (r->kind == WHOLE && v != (double)(uint64_t)v)) {
        snprintf(c->params_error, sizeof c->params_error, "%s from %s to %s",
                 r->kind == WHOLE ? "a whole number" : "a number", ui_parts_num(lo, r->min),
                 ui_parts_num(hi, r->max));
        return false;
    }
    if (must_wait(c, p))
        return false;
    set_value(c, p, v);
    return true;
}

static bool accept_word(chat *c, chat_param p, const char *text)
{
    const param_row *r = &rows[p];
    for (size_t i = 0; i <= (size_t)r->max; i++)
        if (strcmp(r->word[i], text) == 0) {
            set_value(c, p, (double)i);
            return true;
        }
    snprintf(c->params_error, sizeof c->params_error, "\"%.40s\" is none of its words", text);
    return false;
}

/* False with the reason in params_error. */
static bool accept_text(chat *c, chat_param p, const char *text)
{
    char **at = p == CP_LORA ? &c->lora : &c->system;
    if (must_wait(c, p))
        return false;
    if (p == CP_TOOLS)
        return accept_tools(c, text);
    free(*at);
    *at = *text ? ui_xstrdup(text) : NULL;
    if (p == CP_LORA)
        ui_chat_reload(c);
    return true;
}

static void accept(chat *c)
{
    const char *text = nb_str_c(&c->params_input.text);
    chat_param p = (chat_param)c->params_edit;
    if (rows[p].kind == TEXT ? accept_text(c, p, text) : accept_number(c, p, text))
        c->params_edit = -1;
}

static bool accept_given(chat *c, chat_param p, const char *text)
{
    switch (rows[p].kind) {
    case TEXT:
        return accept_text(c, p, text);
    case WORD:
        return accept_word(c, p, text);
    default:
        return accept_number(c, p, text);
    }
}

nb_status ui_chat_params_given(chat *c, nb_err *err)
{
    const ui_app_options *o = ui_app_options_of(c->app);
    for (size_t i = 0; i < o->n_settings; i++) {
        int p = 0;
        while (p < CP_COUNT && strcmp(rows[p].name, o->settings[i].name) != 0)
            p++;
        if (p == CP_COUNT)
            return nb_fail(err, NB_USAGE, "%s: no setting of Chat", o->settings[i].name);
        if (!accept_given(c, (chat_param)p, o->settings[i].value))
            return nb_fail(err, NB_USAGE, "%s: %s", rows[p].name, c->params_error);
    }
    return NB_OK;
}

void ui_chat_params_loaded(const chat *c, nb_str *out)
{
    if (c->k_type)
        nb_str_addf(out, " --cache-type-k %s", cache_word[c->k_type]);
    if (c->v_type)
        nb_str_addf(out, " --cache-type-v %s", cache_word[c->v_type]);
    if (is_flat(c))
        nb_str_add(out, " --flat");
    if (!c->lora)
        return;
    nb_str_add(out, " --lora");
    ui_parts_path(out, c->lora);
    if (c->lora_scale != 1)
        nb_str_addf(out, " --lora-scale %g", (double)c->lora_scale);
}

void ui_chat_params_load(const chat *c, struct chat_work *k)
{
    k->k_type = nb_session_kv_type(cache_word[c->k_type]);
    k->v_type = nb_session_kv_type(cache_word[c->v_type]);
    snprintf(k->lora, sizeof k->lora, "%s", c->lora ? c->lora : "");
    k->lora_scale = c->lora_scale;
    k->flat = is_flat(c);
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
        snprintf(text[p], sizeof text[p], rows[p].kind == TEXT ? "%s" : "%-8s", value);
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

static uint64_t weight_bytes(const chat_pane *p)
{
    return nb_session_model(nb_local_session(p->local))->weight_bytes;
}

const char *ui_chat_drafter(const chat *c, int pane)
{
    const chat_pane *mine = &c->pane[pane], *best = NULL;
    if (c->draft == CHAT_GUESS_LOOKUP)
        return "lookup";
    for (int p = 0; c->draft == CHAT_GUESS_PANE && p < ui_chat_panes(c); p++) {
        const chat_pane *other = &c->pane[p];
        if (p != pane && mine->local && other->local && other->vocabulary == mine->vocabulary &&
            weight_bytes(other) < weight_bytes(best ? best : mine))
            best = other;
    }
    return best ? best->path : "off";
}
