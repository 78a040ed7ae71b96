/* The quantize form in lines: its rows with numbers, its lists, a target with its front, the run as
 * it goes and what came of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/plain.h"
#include "tui/screens/quantize.h"

enum { ADD_RULE = QF_FIELDS + NB_MAX_RULES, SAVE, UNDO, TENSORS };

typedef struct rows {
    int id[QF_FIELDS + NB_MAX_RULES + 4];
    size_t n;
} rows;

static quantize *form_of(ui_plain *p)
{
    return ui_app_page_of(p->app, UI_QUANTIZE)->self;
}

/* --- what it says ------------------------------------------------------------------------------
 */

static void say_dry_run(ui_plain *p, const quantize *q)
{
    char size[16], bpw[48], line[160];
    if (!q->source)
        return;
    for (size_t i = 0; q->again.known && i < q->again.n; i++) {
        ui_quantize_again_line(&q->again.row[i], line, sizeof line);
        ui_plain_say(p, "quantized already: %s", line);
    }
    if (!q->planned) {
        ui_plain_say(p, "no dry run: %s", q->plan_err.msg);
        return;
    }
    const char *target = !q->target.bytes || !q->target.budget.kind ? ""
                         : q->plan.file_bytes <= q->target.bytes    ? ", within the target"
                                                                    : ", over the target";
    ui_plain_say(p, "dry run: %s, %llu bytes, %s bits per weight%s",
                 nb_human_bytes(size, q->plan.file_bytes), (unsigned long long)q->plan.file_bytes,
                 nb_fmt_fixed(bpw, q->plan.bpw, 3), target);
}

/* Columns are for the eye: runs of blanks become one. */
static void one_blank(char *s)
{
    char *out = s;
    for (const char *in = s; *in; in++)
        if (*in != ' ' || in[1] != ' ')
            *out++ = *in;
    *out = '\0';
}

static void say_field(ui_plain *p, size_t number, const ui_field *f, int id)
{
    const char *label = f->label + strspn(f->label, " ");
    bool toggle = f->kind == UI_FIELD_TOGGLE, note = f->note && id != QF_RUN;
    nb_str line = {0};
    if (id >= QF_RUN)
        label = id == QF_RUN ? "start" : "rule";
    nb_str_addf(&line, "%zu. %s%s%s", number, label, toggle ? ", " : ": ", f->value);
    if (toggle)
        nb_str_add(&line, f->on ? ": yes" : ": no");
    if (note)
        nb_str_addf(&line, " (%s)", f->note);
    if (f->error)
        nb_str_addf(&line, "; %s", f->error);
    if (!line.failed)
        one_blank(line.at);
    ui_plain_say(p, "%s", nb_str_c(&line));
    nb_str_free(&line);
}

/* The rows as they are now: all of them, or that of one field alone. */
static void say_rows(ui_plain *p, const quantize *q, rows *r, int only)
{
    static const char *const more[] = {"add a rule", "save these rules as a recipe", "undo",
                                       "the dry run, tensor by tensor"};
    ui_field field[QF_FIELDS + NB_MAX_RULES];
    quantize_words *words = ui_xcalloc(1, sizeof *words);
    size_t n = r->n;
    r->n = ui_quantize_fields(q, words, field, r->id);
    bool all = only < 0 || r->n + countof(more) != n; /* numbers are others now */
    for (size_t i = 0; i < r->n; i++)
        if (all || r->id[i] == only)
            say_field(p, i + 1, &field[i], r->id[i]);
    free(words);
    for (int k = 0; k < (int)countof(more); k++) {
        r->id[r->n++] = ADD_RULE + k;
        if (all)
            ui_plain_say(p, "%zu. %s", r->n, more[k]);
    }
    say_dry_run(p, q);
}

static void say_tensors(ui_plain *p, const quantize *q)
{
    for (size_t i = 0; q->planned && i < q->plan.n; i++) {
        const nb_planned *t = &q->plan.tensor[i];
        const nk_type *from = nk_type_get((uint32_t)t->src_type);
        ui_plain_say(p, "%s: %s to %s, %llu bytes, %s", q->plan.layout[i].name,
                     from ? from->name : "?", t->type->name, (unsigned long long)t->nbytes,
                     t->why ? t->why : "");
    }
    say_dry_run(p, q);
}

/* --- changing ----------------------------------------------------------------------------------
 */

static bool job_runs(const void *arg)
{
    nb_job *const *job = arg;
    return *job != NULL;
}

/* As if it had been typed into the field; false: refused, and why was said. */
static bool enter(ui_plain *p, quantize *q, int field, const char *text)
{
    q->editing = field;
    q->saving = false;
    ui_input_set(&q->input, text);
    q->input_error[0] = '\0';
    ui_quantize_accept(q);
    bool taken = q->editing < 0;
    if (!taken)
        ui_plain_say(p, "%s", q->input_error);
    q->editing = -1;
    return taken;
}

static void ask_text(ui_plain *p, quantize *q, int field, const char *what)
{
    const char *text = ui_plain_ask(p, "%s; a line of \"-\" leaves it as it is", what);
    if (text && strcmp(text, "-") != 0)
        enter(p, q, field, text);
}

static void pick(ui_plain *p, quantize *q, quantize_list what)
{
    ui_quantize_pick_open(q, what);
    for (size_t i = 0; q->picking && i < q->n_pick; i++) {
        const quantize_pick *row = &q->pick[i];
        char size[16], bpw[48];
        if (row->possible && row->bytes)
            ui_plain_say(p, "%zu. %s, %s bits per weight, %s: %s", i + 1, row->name,
                         nb_fmt_fixed(bpw, row->bpw, 2), nb_human_bytes(size, row->bytes),
                         row->why);
        else
            ui_plain_say(p, "%zu. %s: %s", i + 1, row->name, row->why);
    }
    int at = q->picking ? ui_plain_choose(p, (int)q->n_pick, 0, "number, 0 goes back") : 0;
    if (at)
        ui_quantize_pick_take(q, (size_t)at - 1);
    ui_quantize_pick_close(q);
}

static void choose_method(ui_plain *p, quantize *q)
{
    size_t n;
    const nb_method *const *all = nb_methods(&n);
    for (size_t i = 0; i < n; i++)
        ui_plain_say(p, "%zu. %s: %s", i + 1, all[i]->name, all[i]->help);
    int at = ui_plain_choose(p, (int)n, 0, "number of the method, 0 goes back");
    if (!at)
        return;
    const char *knobs =
        all[at - 1]->knobs
            ? ui_plain_ask(p, "words for it: sym or asym; tensor, channel, 32, 64 or 128; minmax "
                              "or mse; an empty line takes the usual ones")
            : "";
    char text[200];
    snprintf(text, sizeof text, "%s %.150s", all[at - 1]->name, knobs ? knobs : "");
    enter(p, q, QF_METHOD, text);
}

static void choose_target(ui_plain *p, quantize *q)
{
    enum { MOST = 16 };
    size_t row[MOST];
    const char *text = ui_plain_ask(p, "what it may take: 4 MB, 4.5 bpw, 8 GB ram; none; a line of "
                                       "\"-\" leaves it as it is");
    if (!text || strcmp(text, "-") == 0 || !enter(p, q, QF_TARGET, text))
        return;
    if (!ui_plain_wait(p, job_runs, &q->target.job) || !q->target.budget.kind)
        return;
    if (q->target.error[0])
        ui_plain_say(p, "%s", q->target.error);
    if (!ui_quantize_has_front(q))
        return;
    size_t n = ui_quantize_front_rows(q, row, MOST);
    ui_plain_say(p, "sizes against damage, estimated on samples");
    for (size_t i = 0; i < n; i++) {
        const nb_front_point *f = &q->target.solve.front[row[i]];
        char size[16], bpw[48], damage[48];
        ui_plain_say(p, "%zu. %s, %s bits per weight, damage %s", i + 1,
                     nb_human_bytes(size, f->bytes), nb_fmt_fixed(bpw, f->bpw, 2),
                     nb_fmt_fixed(damage, f->damage, 5));
    }
    int at = ui_plain_choose(p, (int)n, 0,
                             q->target.met ? "number of another one, 0 keeps the target's"
                                           : "number of one, 0 goes back");
    if (at)
        ui_quantize_take_point(q, row[at - 1]);
}

static void choose_imatrix(ui_plain *p, quantize *q)
{
    int at = ui_plain_choose(p, 3, 0,
                             "1 the next file found near the model, 2 none, 3 a path, 0 goes back");
    if (at == 1) {
        ui_quantize_step_imatrix(q, 1);
    } else if (at) {
        const char *path = at == 3 ? ui_plain_ask(p, "path of the importance matrix") : "";
        if (path)
            enter(p, q, QF_IMATRIX, path);
    }
    if (ui_plain_wait(p, job_runs, &q->reading) && ui_plain_wait(p, job_runs, &q->target.job) &&
        q->matrix_error[0])
        ui_plain_say(p, "%s", q->matrix_error);
}

/* Coverage as the collection goes: a line for every chunk would be too many, its own line of
 * progress comes once a second; this one says what it has seen when it ends. */
static void collect(ui_plain *p, quantize *q)
{
    const char *text = ui_plain_ask(p, "path of the text, an empty line takes the bundled one, a "
                                       "line of \"-\" goes back");
    if (!text || strcmp(text, "-") == 0)
        return;
    ui_quantize_collect(q, text);
    if (!ui_plain_wait(p, job_runs, &q->collect.job))
        return;
    const quantize_coverage *c = &q->collect.seen;
    if (q->collect.error[0])
        ui_plain_say(p, "%s", q->collect.error);
    else if (c->weights)
        ui_plain_say(p, "%llu of %llu chunks read, %llu weights, %llu of %llu matrices unseen",
                     (unsigned long long)c->chunks, (unsigned long long)c->of,
                     (unsigned long long)c->weights, (unsigned long long)c->unseen,
                     (unsigned long long)c->matrices);
    ui_plain_wait(p, job_runs, &q->reading);
    ui_plain_wait(p, job_runs, &q->target.job);
}

static void change_rule(ui_plain *p, quantize *q, int field)
{
    static const ui_action act[] = {UI_ACT_QUANTIZE_DELETE, UI_ACT_QUANTIZE_EARLIER,
                                    UI_ACT_QUANTIZE_LATER};
    int at =
        ui_plain_choose(p, 4, 0, "1 write it anew, 2 drop it, 3 earlier, 4 later, 0 goes back");
    ui_quantize_go(q, field);
    if (at == 1)
        ask_text(p, q, field, "the rule: ffn_down@first/8=q6_K");
    else if (at)
        ui_quantize_rule_action(q, act[at - 2]);
}

static void save_recipe(ui_plain *p, quantize *q)
{
    const char *name = ui_plain_ask(p, "name for the recipe, an empty line goes back");
    if (name && *name && !ui_quantize_save_recipe(q, name))
        ui_plain_say(p, "%s", q->input_error);
}

static void choose_threads(ui_plain *p, quantize *q)
{
    int all = ui_app_threads(p->app), at = ui_plain_choose(p, all, 0, "threads, 1 to %d", all);
    q->threads = at ? at : q->threads;
}

/* --- running -----------------------------------------------------------------------------------
 */

/* One line a second says how far it is; the job's own name and speed come with it. */
static void start(ui_plain *p, quantize *q)
{
    char size[16], bpw[48], rel[48], sqnr[48], from[80];
    ui_quantize_start(q);
    if (p->app->confirm.open && !ui_plain_settle(p))
        return;
    if (!q->live.job || !ui_plain_wait(p, job_runs, &q->live.job))
        return;
    const quantize_live *l = &q->live;
    if (l->state != QUANTIZE_DONE)
        return;
    q->live.replay = false;
    ui_plain_say(p, "written: %s", l->out);
    ui_plain_say(p, "%s, %s bits per weight, weight error %s %%%s, SQNR %s dB",
                 nb_human_bytes(size, l->plan.file_bytes), nb_fmt_fixed(bpw, l->plan.bpw, 3),
                 nb_fmt_fixed(rel, 100 * nb_stats_rel_rmse(&l->view.total), 2),
                 nb_measured_text(from, &l->view.total, l->view.measured),
                 nb_fmt_fixed(sqnr, nb_stats_sqnr_db(&l->view.total), 1));
    if (l->view.n_kept)
        ui_plain_say(p, "%zu of %zu tensors were whole since an earlier run", l->view.n_kept,
                     l->view.n);
    ui_plain_say(p, "weight error is not answer quality: compare measures that, chat shows it");
    if (q->after_chat) {
        const char *paths[] = {l->source->path, l->out, NULL};
        ui_app_show(p->app, UI_CHAT, paths, NULL);
        ui_plain_chat(p);
    }
}

static void choose_source(ui_plain *p, quantize *q)
{
    const char *path[2] = {NULL};
    if (ui_plain_models(p, path, 1, "quantize"))
        ui_app_show(p->app, UI_QUANTIZE, path, NULL);
    if (ui_plain_wait(p, job_runs, &q->opening) && q->problem[0])
        ui_plain_say(p, "%s", q->problem);
}

static void change_other(ui_plain *p, quantize *q, int field)
{
    static const char *const text[QF_FIELDS] = {
        [QF_OUTPUT] = "name or path of the file",
        [QF_OUT_TYPE] = "type of output.weight, or preset",
        [QF_EMBD_TYPE] = "type of token_embd.weight, or preset",
        [QF_PATTERNS] = "REGEX=TYPE, blanks between",
        [QF_KEYS] = "KEY=TYPE:VALUE, blanks between",
        [QF_PRUNE] = "layers to leave out, commas between",
    };
    if (field >= QF_FIELDS) {
        change_rule(p, q, field);
    } else if (text[field]) {
        ask_text(p, q, field, text[field]);
    } else { /* yes or no */
        ui_quantize_go(q, field);
        ui_quantize_change(q, 1);
    }
}

static void change(ui_plain *p, quantize *q, int field)
{
    static const struct {
        int field;
        void (*run)(ui_plain *p, quantize *q);
    } row[] = {
        {QF_SOURCE, choose_source},
        {QF_METHOD, choose_method},
        {QF_TARGET, choose_target},
        {QF_IMATRIX, choose_imatrix},
        {QF_COLLECT, collect},
        {QF_THREADS, choose_threads},
        {QF_RUN, start},
        {SAVE, save_recipe},
    };
    for (size_t i = 0; i < countof(row); i++)
        if (row[i].field == field) {
            row[i].run(p, q);
            return;
        }
    if (field == QF_TYPE || field == QF_RECIPE)
        pick(p, q, field == QF_TYPE ? QUANTIZE_PRESETS : QUANTIZE_RECIPES);
    else if (field == ADD_RULE)
        ask_text(p, q, QF_FIELDS + (int)q->recipe.n_rules, "the rule: ffn_down@first/8=q6_K");
    else if (field == UNDO)
        ui_plain_say(p, ui_quantize_undo(q, false) ? "undone" : "nothing to undo");
    else if (field == TENSORS)
        say_tensors(p, q);
    else
        change_other(p, q, field);
}

void ui_plain_quantize(ui_plain *p)
{
    const char *none[] = {NULL};
    ui_app_show(p->app, UI_QUANTIZE, none, NULL);
    quantize *q = form_of(p);
    if (!q)
        return;
    if (!ui_plain_wait(p, job_runs, &q->opening))
        return;
    if (!q->source)
        choose_source(p, q);
    rows r = {.n = 0};
    for (int only = -1; q->source;) {
        say_rows(p, q, &r, only);
        int at = ui_plain_choose(p, (int)r.n, -1,
                                 "quantize: number to change or start, an empty line lists them, "
                                 "0 goes back");
        if (at == 0)
            return;
        only = at > 0 ? r.id[at - 1] : -1;
        if (at > 0)
            change(p, q, only);
        if (!ui_plain_wait(p, job_runs, &q->again.job))
            return;
    }
}
