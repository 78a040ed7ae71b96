#include "tui/plain.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/screens/models.h"

/* --- models -------------------------------------------------------------------------------------
 */

static models *models_of(ui_plain *p)
{
    return ui_app_page_of(p->app, UI_MODELS)->self;
}

static bool scanning(const void *arg)
{
    const ui_plain *p = arg;
    const models *m = ui_app_page_of(p->app, UI_MODELS)->self;
    return m->job || p->app->rescan;
}

static void say_model(ui_plain *p, size_t i)
{
    const models *m = models_of(p);
    const nb_entry *e = nb_library_at(m->lib, i);
    char size[16], bpw[48];
    ui_plain_say(p, "%zu. %s%s%s, %s, %s, %s bits per weight%s%s%s%s", i + 1, e->name,
                 e->source[0] ? ", file " : "", e->source[0] ? e->file : "", e->type_name,
                 nb_human_bytes(size, e->bytes), nb_fmt_fixed(bpw, e->bpw, 2), m->fit ? ", " : "",
                 m->fit && !e->unsupported ? nb_fit_name(m->fit[i].word) : "",
                 e->problem[0] ? ", " : "", e->problem);
}

/* Numbers between blanks. */
static size_t take_numbers(ui_plain *p, const char *text, const char *out[], size_t most)
{
    const models *m = models_of(p);
    size_t n = 0, count = nb_library_count(m->lib);
    char word[24];
    while (*(text += strspn(text, " ,"))) {
        uint64_t number;
        size_t len = strcspn(text, " ,");
        snprintf(word, sizeof word, "%.*s", (int)(len < 20 ? len : 20), text);
        text += len;
        if (!nb_parse_u64(word, &number) || number < 1 || number > count) {
            ui_plain_say(p, "\"%s\" is no number from 1 to %zu", word, count);
            return 0;
        }
        if (n == most) {
            ui_plain_say(p, "at most %zu", most);
            return 0;
        }
        out[n++] = nb_library_at(m->lib, number - 1)->path;
    }
    return n;
}

size_t ui_plain_models(ui_plain *p, const char *out[], size_t most, const char *what)
{
    if (!ui_plain_wait(p, scanning, p))
        return 0;
    const models *m = models_of(p);
    size_t n = m->lib ? nb_library_count(m->lib) : 0;
    if (!n) {
        ui_plain_say(p, "%s",
                     m->problem[0] ? m->problem
                                   : "no models here yet: download one, or start with its path");
        return 0;
    }
    for (size_t i = 0; i < n; i++)
        say_model(p, i);
    for (;;) {
        const char *text =
            ui_plain_ask(p,
                         most == 1 ? "%s: number of the model, 0 goes back"
                                   : "%s: numbers of the models, blanks between, 0 goes back",
                         what);
        if (!text || !*text || strcmp(text, "0") == 0)
            return 0;
        size_t got = take_numbers(p, text, out, most);
        if (got)
            return got;
    }
}

/* --- jobs ---------------------------------------------------------------------------------------
 */

static void say_jobs(ui_plain *p)
{
    ui_app *app = p->app;
    char words[160];
    ui_app_jobs_look(app);
    for (size_t i = 0; i < app->n_job; i++) {
        ui_app_job_words(&app->job[i], words, sizeof words);
        ui_plain_say(p, "%s %s: %s", app->job[i].kind, app->job[i].label,
                     words[0] ? words : ui_app_job_state(&app->job[i]));
    }
    if (ui_app_net_words(app, words, sizeof words))
        ui_plain_say(p, "%s", words);
    if (!app->n_job)
        ui_plain_say(p, "nothing has run yet");
}

/* --- the root -----------------------------------------------------------------------------------
 */

static void menu(ui_plain *p)
{
    static const struct {
        const char *name;
        void (*run)(ui_plain *p);
    } row[] = {
        {"quantize a model", ui_plain_quantize},
        {"compare files of a model", ui_plain_compare},
        {"chat with one to four models", ui_plain_chat},
        {"download a model", ui_plain_download},
        {"jobs", say_jobs},
    };
    while (!p->ended || p->in.len) {
        for (size_t i = 0; i < countof(row); i++)
            ui_plain_say(p, "%zu. %s", i + 1, row[i].name);
        int at = ui_plain_choose(p, countof(row), 0, "nibble: number of a choice, 0 or q quits");
        if (!at)
            return;
        row[at - 1].run(p);
    }
}

nb_status ui_plain_run(ui_app *app, nb_err *err)
{
    ui_plain *p = nb_alloc(1, sizeof *p, "lines", err);
    if (!p)
        return NB_NOMEM;
    p->app = app;
    app->first_run = false; /* the greeting is a panel */
    ui_plain_begin(p);
    ui_app_begin(app);
    if (app->opt.start && strcmp(app->opt.start, "quantize") == 0)
        ui_plain_quantize(p);
    else if (app->opt.start && strcmp(app->opt.start, "chat") == 0)
        ui_plain_chat(p);
    menu(p);
    ui_plain_end(p);
    free(p);
    if (app->signal != SIGINT)
        return NB_OK;
    app->signal = 0;
    return nb_fail(err, NB_CANCELED, "ended by Ctrl-C");
}
