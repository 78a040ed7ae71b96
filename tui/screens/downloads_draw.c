/* How the Downloads screen looks: the queue, below it the file under the cursor. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/base/file.h"
#include "core/base/json.h"
#include "tui/screens/downloads.h"

enum { COL_STATE, COL_FILE, COL_BAR, COL_DONE, COL_RATE, COL_ETA, COLS };
enum { BAR = 22, BAR_NARROW = 12 };
enum { LABEL = 9 };

/* --- the list ------------------------------------------------------------------------------------
 */

/* "repo/file" without the organisation: what tells one file from another. */
static void full_text(const dl_item *it, char *buf, size_t cap)
{
    const char *name = strchr(it->repo, '/');
    snprintf(buf, cap, "%s/%s", name ? name + 1 : it->repo, it->path);
}

/* In a column: the file alone where its name begins as the repository's does, as GGUF files' do. */
static void file_text(const dl_item *it, char *buf, size_t cap)
{
    const char *name = strchr(it->repo, '/'), *base = nb_path_base(it->path);
    name = name ? name + 1 : it->repo;
    size_t n = strlen(name) - (nb_has_suffix(name, "-GGUF") ? 5 : 0);
    if (n && strncasecmp(base, name, n) == 0)
        snprintf(buf, cap, "%s", base);
    else
        full_text(it, buf, cap);
}

static double share_of(const dl_item *it)
{
    if (it->state == DL_DONE)
        return 1;
    return it->size && it->size != UINT64_MAX ? (double)it->view.have / (double)it->size : 0;
}

static void bar_text(const downloads *d, double share, int width, char *buf, size_t cap)
{
    int e = (int)(share * width * 8);
    size_t n = 0;
    buf[0] = '\0';
    for (int i = 0; i < width; i++, e -= 8) {
        ui_glyph g = e >= 8 ? UI_G_LEFT8_END : e > 0 ? (ui_glyph)(UI_G_LEFT8 + e - 1) : UI_G_DOT;
        const char *s = ui_glyph_text(d->canvas, g);
        if (n + strlen(s) + 1 > cap)
            return;
        memcpy(buf + n, s, strlen(s) + 1);
        n += strlen(s);
    }
}

static void done_text(const dl_item *it, char *buf, size_t cap)
{
    char have[16], size[16];
    bool known = it->size != UINT64_MAX;
    if (it->state == DL_DONE)
        snprintf(buf, cap, "%s", nb_human_bytes(size, it->size));
    else
        snprintf(buf, cap, "%s/%s", nb_human_bytes(have, it->view.have),
                 known ? nb_human_bytes(size, it->size) : "?");
}

static void rate_text(const downloads *d, const dl_item *it, char *buf, size_t cap)
{
    char rate[16];
    buf[0] = '\0';
    if (it->state == DL_DONE)
        snprintf(buf, cap, "%s %s", strlen(it->oid) == 64 ? "sha256" : "sha1",
                 ui_glyph_text(d->canvas, UI_G_CHECK));
    else if (it->state == DL_STOPPED)
        snprintf(buf, cap, "%s", dl_trouble_name(it->trouble));
    else if (it->state == DL_RUNNING && it->view.stage == DL_GET_BYTES)
        snprintf(buf, cap, "%s/s", nb_human_bytes(rate, (uint64_t)it->view.rate));
}

static void eta_text(const dl_item *it, char *buf, size_t cap)
{
    char time[16];
    buf[0] = '\0';
    if (it->state == DL_DONE)
        snprintf(buf, cap, "%s", nb_human_time(time, it->elapsed));
    else if (it->state == DL_RUNNING && it->view.stalled >= 5)
        snprintf(buf, cap, "stalled");
    else if (it->state == DL_RUNNING && it->eta >= 0)
        snprintf(buf, cap, "%s", nb_human_time(time, it->eta));
}

static ui_role role_of(const dl_item *it)
{
    static const ui_role role[] = {UI_DIM, UI_BUSY, UI_DIM, UI_ERR, UI_OK};
    return role[it->state];
}

static void cell(const void *arg, size_t row, size_t col, char *buf, size_t cap, ui_role *role)
{
    const downloads *d = arg;
    const dl_item *it = &d->item[row];
    switch (col) {
    case COL_STATE:
        snprintf(buf, cap, "%s", ui_downloads_word(it));
        *role = role_of(it);
        break;
    case COL_FILE:
        file_text(it, buf, cap);
        break;
    case COL_BAR:
        bar_text(d, share_of(it), d->canvas->w >= 100 ? BAR : BAR_NARROW, buf, cap);
        *role = it->state == DL_DONE ? UI_OK : UI_PLOT_A;
        break;
    case COL_DONE:
        done_text(it, buf, cap);
        break;
    case COL_RATE:
        rate_text(d, it, buf, cap);
        *role = it->state == DL_STOPPED ? UI_ERR : UI_TEXT;
        break;
    default:
        eta_text(it, buf, cap);
    }
}

static char mark(const void *arg, size_t row)
{
    const downloads *d = arg;
    return d->item[row].state == DL_STOPPED ? '!' : ' ';
}

static void title_text(const downloads *d, char *buf, size_t cap)
{
    static const struct {
        dl_state state;
        const char *word;
    } row[] = {{DL_RUNNING, "active"},
               {DL_QUEUED, "queued"},
               {DL_PAUSED, "paused"},
               {DL_STOPPED, "stopped"},
               {DL_DONE, "done"}};
    size_t n = (size_t)snprintf(buf, cap, "Downloads");
    for (size_t i = 0; i < countof(row) && n < cap; i++)
        if (d->count[row[i].state])
            n += (size_t)snprintf(buf + n, cap - n, "%s%zu %s", n == 9 ? "  " : " · ",
                                  d->count[row[i].state], row[i].word);
}

static void note_text(const downloads *d, char *buf, size_t cap)
{
    char size[16], wait[16];
    if (d->net.hold > 0)
        snprintf(buf, cap, "%s, resumes in %s", d->net.held, nb_human_time(wait, d->net.hold));
    else if (d->net.limit)
        snprintf(buf, cap, "limit %s/s  L", nb_human_bytes(size, d->net.limit));
    else
        snprintf(buf, cap, "limit none  L");
}

static void draw_list(downloads *d, ui_canvas *c, ui_rect r)
{
    static const char *const none[] = {"nothing is downloaded", "",
                                       "1 shows the models, u there the Hugging Face Hub:",
                                       "open a repository and press d on a file", NULL};
    char title[96], note[64];
    title_text(d, title, sizeof title);
    note_text(d, note, sizeof note);
    ui_box(c, r, title, note, true);
    ui_spots_add(&d->spots, (ui_rect){r.x + r.w / 2, r.y, r.w / 2, 1}, DOWNLOADS_SPOT_LIMIT);
    ui_rect in = ui_inside(r);
    int left = ui_downloads_left_rows(d);
    if (left && in.h > left + 4) {
        ui_rect rest;
        ui_parts_rows(in, in.h - left, &in, &rest);
        ui_downloads_left_draw(d, c, (ui_rect){rest.x + 1, rest.y, rest.w - 2, rest.h});
    }
    if (!d->n) {
        ui_parts_empty(c, in, none);
        return;
    }
    const ui_column col[COLS] = {
        {"STATE", 7, false, 0},
        {"FILE", 0, false, 0},
        {"PROGRESS", c->w >= 100 ? BAR : BAR_NARROW, false, 2},
        {"DONE", 17, true, 4},
        {"RATE", 21, true, 1},
        {"ETA", 7, true, 3},
    };
    ui_table t = {.col = col, .n_col = COLS, .cell = cell, .mark = mark, .arg = d};
    ui_table_draw(c, in, &t, &d->list, !d->typing);
}

/* --- one file ------------------------------------------------------------------------------------
 */

/* The file from its start to its end: done, in flight, to do. */
static void draw_map(parts_lines *l, const dl_item *it)
{
    int y = l->r.y + l->y, w = l->r.w - LABEL;
    if (!ui_parts_left(l) || w < 4 || !it->view.n_map)
        return;
    ui_text(l->c, l->r.x, y, UI_DIM, "segments");
    for (int i = 0; i < w; i++) {
        unsigned at = (unsigned)i * it->view.n_map / (unsigned)w;
        uint8_t v = it->view.map[at];
        ui_glyph g = v == 101   ? UI_G_SHADE0 + 2
                     : v >= 100 ? UI_G_SHADE3
                     : v        ? UI_G_SHADE0
                                : UI_G_DOT;
        ui_text(l->c, l->r.x + LABEL + i, y,
                v == 101 ? UI_BUSY
                : v      ? UI_PLOT_A
                         : UI_DIM,
                ui_glyph_text(l->c, g));
    }
    l->y++;
}

static void draw_rate(parts_lines *l, const dl_item *it)
{
    char rate[16], mean[16], text[48];
    double v[64];
    double average = it->elapsed > 0.5 ? (double)it->view.received / it->elapsed : 0;
    int y = l->r.y + l->y, w = l->r.w - LABEL;
    if (!ui_parts_left(l) || it->state == DL_DONE || it->state == DL_QUEUED)
        return;
    snprintf(text, sizeof text, "%s/s, mean %s/s",
             nb_human_bytes(rate, it->state == DL_RUNNING ? (uint64_t)it->view.rate : 0),
             nb_human_bytes(mean, (uint64_t)average));
    ui_text(l->c, l->r.x, y, UI_DIM, "rate");
    int bars = w - (int)strlen(text) - 2;
    if (bars > (int)it->n_history)
        bars = (int)it->n_history;
    for (int i = 0; i < bars; i++)
        v[i] = it->history[(int)it->n_history - bars + i];
    if (bars > 0)
        ui_bars_draw(l->c, (ui_rect){l->r.x + LABEL, y, bars, 1}, v, (size_t)bars, 255, false,
                     UI_PLOT_A);
    ui_text(l->c, l->r.x + LABEL + (bars > 0 ? bars + 2 : 0), y, UI_TEXT, text);
    l->y++;
}

static void draw_disk(const downloads *d, parts_lines *l, const dl_item *it)
{
    char need[16], have[16];
    uint64_t free_bytes = ui_parts_free(d->app, d->hub);
    if (it->state == DL_DONE || it->size == UINT64_MAX)
        return;
    ui_parts_pair(l, LABEL, "disk", UI_TEXT, "needs %s more, %s free after the reserve",
                  nb_human_bytes(need, it->size > it->view.have ? it->size - it->view.have : 0),
                  nb_human_bytes(have, free_bytes));
}

static void draw_trouble(const downloads *d, parts_lines *l, const dl_item *it)
{
    char text[400];
    if (it->state != DL_STOPPED)
        return;
    snprintf(text, sizeof text, "! %s", it->err.msg);
    ui_parts_wrap(l, UI_ERR, text);
    const char *remedy = dl_trouble_remedy(it->trouble), *keys = dl_trouble_keys(it->trouble);
    snprintf(text, sizeof text, "%s%s%s", remedy, *remedy && *keys ? " · " : "", keys);
    ui_parts_wrap(l, UI_TEXT, text);
    if (ui_downloads_may_insist(d, it))
        ui_parts_wrap(l, UI_WARN, "r once more begins all the same, without that check");
    bool page = it->trouble == DL_GATED_LOGIN || it->trouble == DL_GATED_PENDING;
    if (page)
        ui_parts_pair(l, LABEL, "page", UI_TEXT, "%s/%s", d->endpoint, it->repo);
}

static void draw_places(const downloads *d, parts_lines *l, const dl_item *it)
{
    ui_parts_pair(l, LABEL, "source", UI_TEXT, "%s/%s/resolve/%.8s/%s", d->endpoint, it->repo,
                  it->commit, it->path);
    if (it->state == DL_DONE)
        ui_parts_pair(l, LABEL, "lies at", UI_TEXT, "%s", it->landed);
    else
        ui_parts_pair(l, LABEL, "to", UI_TEXT, "%s (the Hugging Face cache: others see it too)",
                      d->hub);
}

static void draw_detail(downloads *d, ui_canvas *c, ui_rect r)
{
    const dl_item *it = ui_downloads_current(d);
    char title[400], note[64] = "";
    if (!it)
        return;
    full_text(it, title, sizeof title);
    if (it->view.segments)
        snprintf(note, sizeof note, "%d%% · %u of %u segments", (int)(100 * share_of(it)),
                 it->view.whole, it->view.segments);
    ui_box(c, r, title, note, false);
    ui_rect in = ui_inside(r);
    parts_lines l = ui_parts_begin(c, (ui_rect){in.x + 1, in.y, in.w - 2, in.h});
    draw_trouble(d, &l, it);
    draw_map(&l, it);
    draw_rate(&l, it);
    if (it->view.note[0] && it->state == DL_RUNNING)
        ui_parts_pair(&l, LABEL, "now", UI_WARN, "%s", it->view.note);
    draw_places(d, &l, it);
    draw_disk(d, &l, it);
    ui_parts_pair(&l, LABEL, "resume", UI_DIM,
                  "kept over quit, crash and power cut; pinned to this commit");
    ui_parts_pair(&l, LABEL, "retries", UI_TEXT, "%u   connections %u", it->view.retries,
                  it->view.connections);
    ui_parts_pair(&l, LABEL, "verify", UI_TEXT, "%s %s, hashed while it arrives",
                  strlen(it->oid) == 64 ? "sha256" : "git sha1", it->oid[0] ? it->oid : "not told");
}

static void draw_limit(downloads *d, ui_canvas *c, ui_rect r)
{
    ui_box(c, r, "limit for all downloads", d->limit_error[0] ? d->limit_error : "2M, 500k, none",
           true);
    ui_rect in = ui_inside(r);
    ui_input_draw(c, in, &d->limit, "bytes per second ", true);
}

void ui_downloads_draw(void *self, ui_canvas *c, ui_rect r)
{
    downloads *d = self;
    ui_rect list = r, detail;
    d->canvas = c;
    d->spots.n = 0;
    ui_list_hide(&d->list);
    if (d->typing && r.h >= 8) {
        ui_parts_rows(r, r.h - 3, &list, &detail);
        draw_limit(d, c, detail);
    } else if (d->n && r.h >= 16) {
        int rows = (int)d->n + 3 + ui_downloads_left_rows(d), most = r.h - (r.h >= 24 ? 14 : 8);
        ui_parts_rows(r, rows < 6 ? 6 : rows < most ? rows : most, &list, &detail);
        draw_detail(d, c, detail);
    }
    draw_list(d, c, list);
    d->canvas = NULL;
}

/* --- the same as JSON ----------------------------------------------------------------------------
 */

void ui_downloads_json(const void *self, nb_str *out)
{
    const downloads *d = self;
    nb_jout w = nb_jout_make(out);
    nb_jout_object(&w);
    nb_jout_key(&w, "limit"), nb_jout_u64(&w, d->net.limit);
    nb_jout_key(&w, "downloads"), nb_jout_array(&w);
    for (size_t i = 0; i < d->n; i++) {
        const dl_item *it = &d->item[i];
        nb_jout_object(&w);
        nb_jout_key(&w, "repo"), nb_jout_str(&w, it->repo);
        nb_jout_key(&w, "commit"), nb_jout_str(&w, it->commit);
        nb_jout_key(&w, "path"), nb_jout_str(&w, it->path);
        nb_jout_key(&w, "state"), nb_jout_str(&w, ui_downloads_word(it));
        nb_jout_key(&w, "bytes"), nb_jout_u64(&w, it->size);
        nb_jout_key(&w, "have"), nb_jout_u64(&w, it->view.have);
        nb_jout_key(&w, "oid"), nb_jout_str(&w, it->oid);
        nb_jout_key(&w, "landed"), nb_jout_str(&w, it->landed);
        nb_jout_key(&w, "error"), nb_jout_str(&w, it->state == DL_STOPPED ? it->err.msg : "");
        nb_jout_object_end(&w);
    }
    nb_jout_array_end(&w);
    nb_jout_object_end(&w);
}
