/* The frame around every screen: tabs and meters, message, job strip, hints (tui.md 3). Pure: from
 * the app's state to the canvas. */
#include "tui/app_private.h"

#include <stdio.h>
#include <string.h>

static const double PREFIX_POPUP = 0.4; /* seconds after g or y until its keys are listed */
static const double STRIP_AFTER = 0.15; /* seconds a job runs before the strip shows it */
enum { STRIP_JOBS = 3 };

/* --- tabs ------------------------------------------------------------------------------------ */

/* A page without a tab of its own is reached from the first: that one is lit. */
static size_t shown_tab(const ui_app *app)
{
    return app->page[app->at].digit ? app->at : 0;
}

/* " 3 Quantize·1 " or "[3 Quant]"; style 2 = wide titles, 1 = narrow, 0 = digits only. */
static void tab_text(const ui_app *app, const ui_canvas *c, size_t i, int style, char out[64])
{
    const app_page *p = &app->page[i];
    int busy = p->self && p->row->busy ? p->row->busy(p->self) : 0;
    if (p->row->scope == UI_DOWNLOADS) /* they run before anybody opens their screen */
        busy = (int)app->net.running;
    bool here = i == shown_tab(app);
    const char *title = style == 2 ? p->row->title : p->row->title_narrow;
    char count[16] = "";
    if (busy > 0)
        snprintf(count, sizeof count, "%s%d", ui_glyph_text(c, UI_G_DOT), busy);
    if (style == 0 && !here)
        snprintf(out, 64, " %d%s ", p->digit, count);
    else
        snprintf(out, 64, "%s%d %s%s%s", here ? "[" : " ", p->digit, title, count,
                 here ? "]" : " ");
}

static int tabs_width(const ui_app *app, const ui_canvas *c, int style)
{
    char text[64];
    int w = 0;
    for (size_t i = 0; i < app->n_page; i++) {
        if (!app->page[i].digit)
            continue;
        tab_text(app, c, i, style, text);
        w += ui_width(c, text, strlen(text)) + 1;
    }
    return w;
}

/* First style that fits; *x of the first tab. */
static int tabs_style(const ui_app *app, const ui_canvas *c, int *x)
{
    int style = c->w >= APP_WIDE ? 2 : 1;
    *x = c->w >= 60 ? 9 : 0;
    while (style > 0 && *x + tabs_width(app, c, style) > c->w)
        style--;
    if (style == 0)
        *x = 0;
    return style;
}

static int draw_tabs(ui_app *app, ui_canvas *c)
{
    char text[64];
    int x, style = tabs_style(app, c, &x);
    if (x)
        ui_text(c, 1, 0, UI_TITLE, "nibble");
    for (size_t i = 0; i < app->n_page; i++) {
        if (!app->page[i].digit)
            continue;
        tab_text(app, c, i, style, text);
        int w = ui_text(c, x, 0, i == shown_tab(app) ? UI_FOCUS : UI_TEXT, text);
        ui_spots_add(&app->spots, (ui_rect){x, 0, w, 1}, APP_SPOT_TAB + (int)i);
        x += w + 1;
    }
    return x;
}

static void draw_meters(const ui_app *app, ui_canvas *c, int from)
{
    const app_meters *m = &app->meters;
    char text[96], ram[32], bar[4 * 4 + 1] = "", free_disk[16];
    char used[48], total[48];
    if (m->at < 0)
        return;
    nb_fmt_fixed(used, (double)m->ram_used * 1e-9, 1);
    nb_fmt_fixed(total, (double)m->ram_total * 1e-9, 1);
    snprintf(ram, sizeof ram, "%.8s/%.8sG", used, total);
    for (size_t i = 0; i < countof(m->cpu); i++) {
        int level = 1 + m->cpu[i] * 7 / 100;
        size_t at = strlen(bar);
        snprintf(bar + at, sizeof bar - at, "%s",
                 ui_glyph_text(c, UI_G_BAR0 + (level > 8 ? 8 : level)));
    }
    snprintf(text, sizeof text, "cpu %s %d%%  ram %s  free %s", bar, m->cpu[countof(m->cpu) - 1],
             ram, nb_human_bytes(free_disk, m->disk_free));
    if (c->w >= APP_WIDE && from + ui_width(c, text, strlen(text)) + 1 < c->w)
        ui_text_right(c, c->w - 1, 0, UI_DIM, text);
    else if (from + (int)strlen(ram) + 1 < c->w)
        ui_text_right(c, c->w - 1, 0, UI_DIM, ram);
}

/* --- hints ----------------------------------------------------------------------------------- */

/* Those of the row's right end, in its order. */
static const ui_action right_actions[] = {UI_ACT_ANY_HELP, UI_ACT_ANY_PALETTE, UI_ACT_ANY_BACK};

/* "Enter open  / filter": items two spaces apart, the first word of each is the key. Whole items
 * only. The mouse presses their keys, or runs `actions`, one each. */
static void draw_hints(ui_app *app, ui_canvas *c, int x, int end, int y, const char *s,
                       const ui_action *actions)
{
    while (s && *s) {
        const char *stop = strstr(s, "  ");
        size_t n = stop ? (size_t)(stop - s) : strlen(s);
        size_t key = strcspn(s, " ") < n ? strcspn(s, " ") : n;
        int w = ui_width(c, s, n);
        if (x + w > end)
            return;
        ui_textn(c, x, y, UI_KEY, 0, s, key, -1);
        ui_textn(c, x + ui_width(c, s, key), y, UI_HINT, 0, s + key, n - key, -1);
        if (actions)
            ui_spots_add(&app->spots, (ui_rect){x, y, w, 1}, APP_SPOT_ACTION + (int)*actions++);
        else
            ui_app_hint_spots(app, x, y, s, n);
        x += w + 2;
        s += n;
        s += strspn(s, " ");
    }
}

static void first_key(const ui_app *app, ui_action a, char out[16])
{
    const char *keys = ui_app_keys(app, a);
    snprintf(out, 16, "%.*s", (int)strcspn(keys, " "), keys);
}

static void right_hints(const ui_app *app, char out[96])
{
    char help[16], palette[16], q[16];
    first_key(app, right_actions[0], help);
    first_key(app, right_actions[1], palette);
    first_key(app, right_actions[2], q);
    snprintf(out, 96, "%s keys  %s palette  %s %s", help, palette, q, app->at ? "back" : "quit");
}

static void draw_hint_row(ui_app *app, ui_canvas *c, int y)
{
    char right[96];
    app_page *p = ui_app_current(app);
    right_hints(app, right);
    int w = ui_width(c, right, strlen(right)), start = c->w - 1 - w;
    if (start < 0)
        start = 0;
    const char *left = NULL;
    if (app->confirm.open)
        left = app->confirm.downloads  ? "p pause and quit  c cancel and quit  Esc stay"
               : app->confirm.quitting ? "c cancel and quit  Esc stay"
                                       : "y yes  n no";
    else if (app->panel != APP_NO_PANEL)
        left = ui_app_panel_row_of(app->panel)->hints(app, c->w < APP_WIDE);
    else if (p->self && p->row->hints)
        left = p->row->hints(p->self, c->w < APP_WIDE);
    draw_hints(app, c, 1, start - 2, y, left, NULL);
    draw_hints(app, c, start, c->w, y, right, right_actions);
}

/* --- job strip ------------------------------------------------------------------------------- */

static bool in_strip(const app_job *j)
{
    return j->job ? j->view.elapsed >= STRIP_AFTER : !j->seen;
}

static int strip_count(const ui_app *app)
{
    int n = (int)app->net.running;
    for (size_t i = 0; i < app->n_job; i++)
        n += in_strip(&app->job[i]);
    return n;
}

static void draw_strip(ui_app *app, ui_canvas *c, int y, int count)
{
    const char *bar = ui_glyph_text(c, UI_G_V);
    char text[192], words[96], key[16], label[44];
    int x = 0, shown = 0;
    first_key(app, UI_ACT_ANY_JOBS, key);
    int end = c->w - (int)strlen(key) - 12;
    x += ui_textf(c, x, y, UI_BUSY, "jobs %d", count);
    if (ui_app_net_words(app, text, sizeof text)) {
        x += ui_textf(c, x, y, UI_BORDER, " %s ", bar);
        x += ui_textn(c, x, y, UI_TEXT, 0, text, strlen(text), end > x ? end - x : 0);
        shown++;
    }
    for (size_t i = app->n_job; i-- > 0 && shown < STRIP_JOBS;) {
        const app_job *j = &app->job[i];
        if (!in_strip(j))
            continue;
        ui_app_job_words(j, words, sizeof words);
        if (c->w >= APP_WIDE)
            snprintf(text, sizeof text, "%s %s %s", j->kind,
                     nb_short(label, sizeof label, j->label), words);
        else
            snprintf(text, sizeof text, "%s %s", j->kind,
                     *words ? words : nb_short(label, sizeof label, j->label));
        int w = ui_width(c, text, strlen(text));
        if (shown && x + 3 + w > end)
            break;
        x += ui_textf(c, x, y, UI_BORDER, " %s ", bar);
        x += ui_textn(c, x, y, j->job ? UI_TEXT : UI_ERR, 0, text, strlen(text),
                      end > x ? end - x : 0);
        shown++;
    }
    x += ui_textf(c, x, y, UI_BORDER, " %s ", bar);
    x += ui_text(c, x, y, UI_KEY, key);
    ui_text(c, x, y, UI_HINT, " details");
    ui_spots_add(&app->spots, (ui_rect){0, y, c->w, 1}, APP_SPOT_STRIP);
}

/* --- message, prefix popup ------------------------------------------------------------------- */

static void draw_message(const ui_app *app, ui_canvas *c, int y)
{
    bool sticky = !app->message[0];
    const char *text = sticky ? app->sticky : app->message;
    int x = 0;
    if (sticky)
        x += ui_text(c, x, y, UI_ERR, "! ");
    else
        x += 1;
    ui_textn(c, x, y, sticky ? UI_ERR : UI_TEXT, 0, text, strlen(text), c->w - x);
}

/* One row per key that may follow. */
static void draw_prefix(ui_app *app, ui_canvas *c, ui_rect area)
{
    size_t n;
    const ui_keyrow *row = ui_keyrows(&n);
    const char *line[16], *keys[16];
    char name[8];
    int count = 0;
    name[nb_utf8_put(app->prefix, name)] = '\0';
    for (size_t i = 0; i < n && count < (int)countof(line); i++) {
        const char *k = ui_app_keys(app, row[i].action);
        bool here = row[i].scope == UI_ANY || row[i].scope == ui_app_current(app)->row->scope;
        for (; here && *k; k += strcspn(k, " "), k += strspn(k, " "))
            if (k[0] == name[0] && strcspn(k, " ") == 2) {
                keys[count] = k;
                line[count++] = row[i].help;
                break;
            }
    }
    int w = 30 < area.w ? 30 : area.w, h = count + 2;
    if (!count || h > area.h)
        return;
    ui_rect r = {area.x + area.w - w, area.y + area.h - h, w, h};
    ui_fill(c, r, UI_TEXT, " ");
    ui_box(c, r, name, "Esc", true);
    for (int i = 0; i < count; i++) {
        ui_textn(c, r.x + 2, r.y + 1 + i, UI_KEY, 0, keys[i], 2, -1);
        ui_textn(c, r.x + 6, r.y + 1 + i, UI_TEXT, 0, line[i], strlen(line[i]), w - 8);
    }
}

/* --- all of it ------------------------------------------------------------------------------- */

static void draw_screen(ui_app *app, ui_canvas *c, ui_rect area)
{
    app_page *p = ui_app_current(app);
    if (!p->self) {
        ui_textn(c, area.x + 1, area.y, UI_ERR, 0, "this screen could not be opened", 31, area.w);
        return;
    }
    ui_rect old = ui_canvas_clip(c, area);
    p->row->draw(p->self, c, area);
    c->clip = old;
}

static void draw_over(ui_app *app, ui_canvas *c, ui_rect area)
{
    if (app->panel != APP_NO_PANEL)
        ui_app_panel_row_of(app->panel)->draw(app, c, area);
    else if (app->prefix && nb_now() - app->prefix_at >= PREFIX_POPUP)
        draw_prefix(app, c, area);
    if (app->confirm.open)
        ui_app_confirm_draw(app, c, area);
}

/* What the status line of a tiny terminal says beside the screen's name. */
static void tiny_text(const ui_app *app, char out[160])
{
    const app_item *it = ui_app_items_at(app, app->items.list.at);
    bool list = app->panel == APP_PALETTE || app->panel == APP_HELP;
    if (app->confirm.open)
        snprintf(out, 160, ": %.150s", app->confirm.question);
    else if (app->message[0] || app->sticky[0])
        snprintf(out, 160, ": %.150s", app->message[0] ? app->message : app->sticky);
    else if (list)
        snprintf(out, 160, ": %.60s > %.80s", nb_str_c(&app->items.input.text), it ? it->name : "");
    else if (app->panel != APP_NO_PANEL)
        snprintf(out, 160, ": Esc closes %s", app->panel == APP_ERRORS ? "errors" : "jobs");
    else
        snprintf(out, 160, ", 40x10 shows more");
}

/* Below 40x10 there is no room for panes: one status line over the hints. */
static void draw_tiny(ui_app *app, ui_canvas *c)
{
    char text[256], rest[160];
    tiny_text(app, rest);
    snprintf(text, sizeof text, "%s%s%s", ui_app_current(app)->row->title,
             strip_count(app) ? ", jobs run" : "", rest);
    draw_hint_row(app, c, c->h - 1);
    if (c->h > 1)
        ui_textn(c, 0, c->h - 2, UI_TEXT, 0, text, strlen(text), c->w);
}

void ui_app_draw(ui_app *app)
{
    ui_canvas *c = &app->canvas;
    ui_app_jobs_look(app);
    ui_canvas_clear(c);
    app->spots.n = app->n_pressed = 0;
    app->dirty = false;
    app->frames++;
    if (c->w < APP_MIN_W || c->h < APP_MIN_H) {
        draw_tiny(app, c);
        return;
    }
    int jobs = strip_count(app), bottom = c->h - 1;
    draw_meters(app, c, draw_tabs(app, c));
    draw_hint_row(app, c, bottom);
    if (jobs)
        draw_strip(app, c, --bottom, jobs);
    if (app->message[0] || app->sticky[0])
        draw_message(app, c, --bottom);
    ui_rect area = {0, 1, c->w, bottom - 1};
    draw_screen(app, c, area);
    draw_over(app, c, area);
}

void ui_app_resize(ui_app *app, int w, int h)
{
    nb_err err = {0};
    app->w = w;
    app->h = h;
    if (ui_canvas_resize(&app->canvas, w, h, &err) != NB_OK)
        ui_app_say(app, "%s", err.msg);
    ui_app_dirty(app);
}

double ui_app_tick(ui_app *app)
{
    app_page *p = ui_app_current(app);
    double now = nb_now(), next = 60;
    if (app->rescan) {
        app_page *models = ui_app_page_of(app, UI_MODELS);
        app->rescan = false;
        if (models && models->self)
            models->row->local(models->self, UI_ACT_MODELS_RESCAN);
    }
    if (app->first_run && app->frames > 0) {
        app->first_run = false;
        ui_app_greet(app);
    }
    double look = ui_app_net_tick(app);
    next = look < next ? look : next;
    if (ui_app_meters_read(app))
        ui_app_dirty(app);
    if (app->meters.at >= 0)
        next = app->meters.at + 4 - now < next ? app->meters.at + 4 - now : next;
    if (ui_app_running(app) > 0) {
        ui_app_dirty(app);
        next = next < .25 ? next : .25;
    }
    if (app->prefix) {
        double left = app->prefix_at + PREFIX_POPUP - now;
        if (left <= 0 && left > -.1)
            ui_app_dirty(app);
        else if (left > 0)
            next = left < next ? left : next;
    }
    if (p->self && p->row->tick) {
        bool due = p->wake >= 0 && now >= p->wake;
        if (due || app->dirty) { /* a frame will be drawn: the screen may have news for it */
            double in = p->row->tick(p->self, now);
            p->wake = in < 0 ? -1 : now + in;
        }
        if (due)
            ui_app_dirty(app);
        if (p->wake >= 0 && p->wake - now < next)
            next = p->wake - now;
    }
    return next > 0 ? next : 0;
}
