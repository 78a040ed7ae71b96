#include "tui/screens/parts.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"

ui_role ui_parts_fit_role(nb_fit_word w)
{
    static const ui_role role[] = {UI_FITS, UI_TIGHT, UI_PAGES, UI_NO};
    return (unsigned)w < countof(role) ? role[w] : UI_TEXT;
}

void ui_parts_memory(const ui_app *app, uint64_t *available, uint64_t *total)
{
    *available = 8ull << 30;
    *total = 16ull << 30;
    if (!ui_app_scripted(app))
        nb_memory(available, total);
    uint64_t limit = ui_app_config(app)->ram_limit;
    if (limit && limit < *available)
        *available = limit;
}

uint64_t ui_parts_free(const ui_app *app, const char *path)
{
    uint64_t bytes = 100000000000;
    const char *dir = ui_app_config(app)->data_dir;
    if (ui_app_scripted(app) || nb_free_space(path, &bytes, NULL) == NB_OK ||
        nb_free_space(dir, &bytes, NULL) == NB_OK || nb_free_space("/", &bytes, NULL) == NB_OK)
        return bytes;
    return 0;
}

/* --- lines ----------------------------------------------------------------------------------- */

parts_lines ui_parts_begin(ui_canvas *c, ui_rect r)
{
    return (parts_lines){.c = c, .r = r};
}

int ui_parts_left(const parts_lines *l)
{
    return l->y < l->r.h ? l->r.h - l->y : 0;
}

void ui_parts_skip(parts_lines *l)
{
    l->y++;
}

static void put(parts_lines *l, int x, ui_role role, const char *text)
{
    if (ui_parts_left(l) && x < l->r.w)
        ui_textn(l->c, l->r.x + x, l->r.y + l->y, role, 0, text, strlen(text), l->r.w - x);
}

void ui_parts_line(parts_lines *l, ui_role role, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    put(l, 0, role, text);
    l->y++;
}

void ui_parts_pair(parts_lines *l, int label_w, const char *label, ui_role role, const char *fmt,
                   ...)
{
    char text[1200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    put(l, 0, UI_DIM, label);
    put(l, label_w, role, text);
    l->y++;
}

void ui_parts_wrap(parts_lines *l, ui_role role, const char *text)
{
    ui_row *rows = NULL;
    size_t n = 0, cap = 0;
    if (l->r.w < 1 || ui_wrap(text, strlen(text), l->r.w, &rows, &n, &cap, NULL) != NB_OK)
        n = 0;
    for (size_t i = 0; i < n && ui_parts_left(l); i++, l->y++) {
        bool last = i + 1 < n && ui_parts_left(l) == 1; /* of those that fit: all that is left */
        size_t len = last ? strlen(text + rows[i].start) : rows[i].len;
        ui_textn(l->c, l->r.x, l->r.y + l->y, role, 0, text + rows[i].start, len, l->r.w);
    }
    free(rows);
}

int ui_parts_rows_of(const char *text, int width)
{
    ui_row *rows = NULL;
    size_t n = 0, cap = 0;
    if (width < 1 || ui_wrap(text, strlen(text), width, &rows, &n, &cap, NULL) != NB_OK)
        n = 1;
    free(rows);
    return n > 1 ? (int)n : 1;
}

void ui_parts_wrapf(parts_lines *l, ui_role role, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    ui_parts_wrap(l, role, text);
}

/* --- numbers --------------------------------------------------------------------------------- */

const char *ui_parts_ctx(char out[16], uint64_t ctx)
{
    if (ctx >= 1024 && ctx % 1024 == 0 && ctx < 1024000)
        snprintf(out, 16, "%uk", (unsigned)(ctx / 1024));
    else
        snprintf(out, 16, "%llu", (unsigned long long)ctx);
    return out;
}

const char *ui_parts_count(char out[16], uint64_t n)
{
    static const struct {
        double unit;
        const char *name;
    } row[] = {{1e12, "T"}, {1e9, "B"}, {1e6, "M"}, {1e3, "k"}};
    char num[48];
    for (size_t i = 0; i < countof(row); i++) {
        double v = (double)n / row[i].unit;
        if (v < 0.9995)
            continue;
        snprintf(out, 16, "%s%s",
                 nb_fmt_fixed(num, v,
                              v < 9.995   ? 2
                              : v < 99.95 ? 1
                                          : 0),
                 row[i].name);
        return out;
    }
    snprintf(out, 16, "%u", (unsigned)n);
    return out;
}

const char *ui_parts_num(char out[48], double v)
{
    double a = fabs(v);
    if (isnan(v) || isinf(v)) {
        snprintf(out, 48, "%s", isnan(v) ? "NaN" : v > 0 ? "inf" : "-inf");
        return out;
    }
    if (a != 0 && (a < 1e-4 || a >= 1e6)) {
        int e = (int)floor(log10(a));
        char m[48];
        nb_fmt_fixed(m, v / pow(10, e), 2);
        snprintf(out, 48, "%.20se%d", m, e);
        return out;
    }
    int decimals = a == 0 ? 0 : 2 - (int)floor(log10(a));
    return nb_fmt_fixed(out, v, decimals < 0 ? 0 : decimals);
}

const char *ui_parts_percent(char out[48], double share)
{
    char num[48];
    double p = 100 * share;
    nb_fmt_fixed(num, p, fabs(p) < 10 ? 2 : 1);
    snprintf(out, 48, "%.40s%%", num);
    return out;
}

void ui_parts_type(const nb_weights *w, char out[24])
{
    uint64_t bytes[NK_TYPE_SLOTS] = {0}, most = 0;
    for (size_t i = 0; i < nb_weights_count(w); i++) {
        const nb_tensor *t = &nb_weights_at(w, i)->t;
        const nk_type *type = nk_type_get((uint32_t)t->type);
        if (!type || (bytes[t->type] += t->nbytes) <= most)
            continue;
        most = bytes[t->type];
        snprintf(out, 24, "%s", type->name);
    }
}

int ui_parts_short(const char *name)
{
    static const char end[] = ".weight";
    size_t n = strlen(name), e = sizeof end - 1;
    return (int)(n > e && strcmp(name + n - e, end) == 0 ? n - e : n);
}

void ui_parts_shape(const nb_tensor *t, char *buf, size_t cap)
{
    size_t n = 0;
    buf[0] = '\0';
    for (uint32_t d = 0; d < t->n_dims && n < cap; d++)
        n += (size_t)snprintf(buf + n, cap - n, "%s%llu", d ? "x" : "",
                              (unsigned long long)t->shape[d]);
}

/* --- layout ---------------------------------------------------------------------------------- */

static int within(int v, int max)
{
    return v < 0 ? 0 : v > max ? max : v;
}

void ui_parts_columns(ui_rect r, int first, ui_rect *left, ui_rect *right)
{
    first = within(first, r.w);
    *left = (ui_rect){r.x, r.y, first, r.h};
    *right = (ui_rect){r.x + first, r.y, r.w - first, r.h};
}

void ui_parts_rows(ui_rect r, int first, ui_rect *top, ui_rect *bottom)
{
    first = within(first, r.h);
    *top = (ui_rect){r.x, r.y, r.w, first};
    *bottom = (ui_rect){r.x, r.y + first, r.w, r.h - first};
}

void ui_parts_empty(ui_canvas *c, ui_rect r, const char *const *lines)
{
    int n = 0;
    while (lines[n])
        n++;
    int y = r.y + (r.h > n ? (r.h - n) / 2 : 0);
    for (int i = 0; i < n && y < r.y + r.h; i++, y++) {
        size_t len = strlen(lines[i]);
        int w = ui_width(c, lines[i], len);
        int x = r.x + (r.w > w ? (r.w - w) / 2 : 0);
        ui_textn(c, x, y, i ? UI_DIM : UI_TITLE, 0, lines[i], len, r.x + r.w - x);
    }
}

/* --- shell words ----------------------------------------------------------------------------- */

/* Nothing in it that a terminal might obey or hide. */
static bool shows_as_is(const char *text)
{
    nb_str safe = {0};
    nb_safe_text(&safe, text, strlen(text), NB_SAFE_ONE_LINE);
    bool same = !safe.failed && strcmp(nb_str_c(&safe), text) == 0;
    nb_str_free(&safe);
    return same;
}

void ui_parts_word(nb_str *out, const char *text)
{
    bool plain = shows_as_is(text);
    nb_str_add(out, plain ? " '" : " $'");
    for (const char *s = text; *s; s++) {
        unsigned char b = (unsigned char)*s;
        if (b == '\'')
            nb_str_add(out, plain ? "'\\''" : "\\'");
        else if (!plain && (b < 0x20 || b >= 0x7f))
            nb_str_addf(out, "\\%03o", b);
        else if (!plain && b == '\\')
            nb_str_add(out, "\\\\");
        else
            nb_str_addn(out, s, 1);
    }
    nb_str_add(out, "'");
}

void ui_parts_path(nb_str *out, const char *path)
{
    nb_str whole = {0};
    nb_str_addf(&whole, "%s%s", *path == '-' ? "./" : "", path);
    ui_parts_word(out, nb_str_c(&whole));
    nb_str_free(&whole);
}

/* --- exports --------------------------------------------------------------------------------- */

void ui_parts_export(ui_app *app, const char *name, const char *ext, const nb_str *text)
{
    const nb_config *cfg = ui_app_config(app);
    char dir[1040], path[1400];
    nb_err err = {0};
    if (ui_app_read_only(app) || !cfg->writable) {
        ui_app_say(app, "nothing is written: %s",
                   cfg->writable ? "started with --read-only" : "no home folder");
        return;
    }
    snprintf(dir, sizeof dir, "%s/exports", cfg->data_dir);
    nb_status st = nb_mkdirs(dir, &err);
    for (int i = 1; st == NB_OK && i < 10000; i++) {
        if (i == 1)
            snprintf(path, sizeof path, "%s/%s.%s", dir, name, ext);
        else
            snprintf(path, sizeof path, "%s/%s-%d.%s", dir, name, i, ext);
        if (!nb_exists(path))
            break;
    }
    if (st == NB_OK)
        st = nb_replace_file(path, nb_str_c(text), text->len, 0, &err);
    if (st == NB_OK) {
        ui_app_say(app, "written: %s", path);
        ui_app_log(app, "wrote %s", path);
    } else {
        ui_app_error(app, err.msg, "nothing was written", "free some space or change the folder");
    }
}
