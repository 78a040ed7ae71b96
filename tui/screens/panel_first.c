/* The first start: what this machine is, what lies on it already, where things go; every key leads
 * on (tui.md 4.17: no account, no config). Shown once, when nothing was ever kept. */
#include <stdio.h>
#include <string.h>

#include "kernels/cpu.h"
#include "tui/app_private.h"
#include "tui/screens/parts.h"

enum { LABEL = 10 };

static void open(ui_app *app)
{
    (void)app;
}

static void sample(parts_lines *l)
{
    static const struct {
        ui_role role;
        const char *word;
    } row[] = {{UI_FITS, "FITS"},   {UI_TIGHT, "TIGHT"},   {UI_PAGES, "PAGES"}, {UI_NO, "NO"},
               {UI_FOCUS, "focus"}, {UI_SELECT, "chosen"}, {UI_ERR, "error"}};
    int x = l->r.x + LABEL;
    if (!ui_parts_left(l))
        return;
    ui_text(l->c, l->r.x, l->r.y + l->y, UI_DIM, "theme");
    for (size_t i = 0; i < countof(row); i++)
        x += ui_text(l->c, x, l->r.y + l->y, row[i].role, row[i].word) + 1;
    l->y++;
}

static void draw(ui_app *app, ui_canvas *c, ui_rect area)
{
    int w = area.w >= APP_WIDE ? 84 : area.w - 4, h = area.h < 18 ? area.h : 18;
    char total[16], available[16], disk[16];
    uint64_t free_bytes, all;
    ui_rect in = ui_app_panel_box(c, area, w, h, "welcome to nibble", "any key goes on");
    parts_lines l = ui_parts_begin(c, in);
    ui_parts_memory(app, &free_bytes, &all);
    uint64_t room = ui_parts_free(app, app->cfg.hf_hub[0] ? app->cfg.hf_hub : ".");
    ui_parts_pair(&l, LABEL, "machine", UI_TEXT, "%d cores, %s of memory, %s of it free",
                  ui_app_scripted(app) ? app->threads : nk_cpu_count(), nb_human_bytes(total, all),
                  nb_human_bytes(available, free_bytes));
    ui_parts_pair(&l, LABEL, "kernels", UI_TEXT, "%s", nk_cpu_level(app->ops.flags));
    ui_parts_pair(&l, LABEL, "disk", UI_TEXT, "%s free for models", nb_human_bytes(disk, room));
    ui_parts_pair(&l, LABEL, "cache", UI_TEXT, "%s", app->cfg.hf_hub[0] ? app->cfg.hf_hub : "none");
    ui_parts_pair(&l, LABEL, "own files", UI_TEXT, "%s", app->cfg.data_dir);
    sample(&l);
    ui_parts_skip(&l);
    ui_parts_wrap(&l, UI_TEXT,
                  "Models on this machine are listed already: this folder, the Hugging "
                  "Face cache (shared with other programs), Ollama's and LM Studio's. u shows the "
                  "Hub.");
    ui_parts_wrap(&l, UI_TEXT,
                  "A stores a Hugging Face token; only gated and private models need "
                  "one. :theme tries other colours.");
    ui_parts_skip(&l);
    ui_parts_wrap(&l, UI_DIM,
                  "Nothing is sent anywhere until you ask the Hub; nibble listens on no "
                  "port. ? lists the keys of every screen.");
}

static const char *hints(const ui_app *app, bool narrow)
{
    (void)app;
    return narrow ? "A account  any key goes on" : "A account  : palette  any other key goes on";
}

static bool key(ui_app *app, const ui_key *k)
{
    bool account = k->code == UI_K_CHAR && k->ch == 'A' && !k->ctrl && !k->alt;
    ui_app_panel_close(app);
    if (account)
        ui_app_panel_open(app, APP_ACCOUNT);
    else if (k->code != UI_K_ESC && k->code != UI_K_ENTER)
        ui_app_key(app, k);
    return true;
}

static void mouse(ui_app *app, const ui_key *k)
{
    if (k->button <= 2)
        ui_app_panel_close(app);
}

void ui_app_greet(ui_app *app)
{
    if (app->panel == APP_NO_PANEL && !app->confirm.open && app->at == 0)
        ui_app_panel_open(app, APP_FIRST);
}

const app_panel_row ui_app_first_row = {
    .open = open, .draw = draw, .key = key, .mouse = mouse, .hints = hints};
