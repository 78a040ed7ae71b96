#include "tui/theme.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/str.h"

static const struct {
    const char *key;
    uint8_t mono;
} roles[UI_ROLE_COUNT] = {
#define UI_ROLE(sym, key, mono) {key, mono},
#include "tui/roles.def"
#undef UI_ROLE
};

static const struct {
    const char *name;
    uint8_t bit;
} attr_names[] = {{"bold", UI_A_BOLD},       {"dim", UI_A_DIM},       {"underline", UI_A_UNDERLINE},
                  {"reverse", UI_A_REVERSE}, {"italic", UI_A_ITALIC}, {"none", 0}};

enum { MAX_PALETTE = 64, MAX_THEME = 1 << 20, DEPTH = 4 };

typedef struct palette {
    char name[24];
    int32_t rgb;
} palette;

typedef struct reader {
    ui_theme *theme;
    palette colors[MAX_PALETTE];
    size_t n_colors;
    const char *file;
    int line, depth;
    bool in_palette;
    nb_err *err;
} reader;

const char *ui_role_key(ui_role role)
{
    return roles[role].key;
}

static nb_status fail(const reader *r, const char *what, const char *word)
{
    return nb_fail(r->err, NB_FORMAT, "%s line %d: %s \"%.40s\"", r->file, r->line, what, word);
}

static bool hex_color(const char *s, int32_t *rgb)
{
    if (s[0] != '#' || strlen(s) != 7 || strspn(s + 1, "0123456789abcdefABCDEF") != 6)
        return false;
    *rgb = (int32_t)strtol(s + 1, NULL, 16);
    return true;
}

static bool color(const reader *r, const char *s, int32_t *rgb)
{
    if (strcmp(s, "default") == 0) {
        *rgb = -1;
        return true;
    }
    if (hex_color(s, rgb))
        return true;
    for (size_t i = 0; i < r->n_colors; i++)
        if (strcmp(r->colors[i].name, s) == 0) {
            *rgb = r->colors[i].rgb;
            return true;
        }
    return false;
}

static nb_status palette_line(reader *r, const char *key, const char *value)
{
    palette p = {.rgb = -1};
    if (r->n_colors == MAX_PALETTE)
        return fail(r, "too many colours:", key);
    if (strlen(key) >= sizeof p.name)
        return fail(r, "name is too long:", key);
    if (!color(r, value, &p.rgb))
        return fail(r, "no colour:", value);
    memcpy(p.name, key, strlen(key) + 1);
    r->colors[r->n_colors++] = p;
    return NB_OK;
}

/* `fg bg attr...`; after a `|` the attributes without colours. */
static nb_status style_line(reader *r, ui_style *out, char *value)
{
    ui_style s = {.fg = -1, .bg = -1, .mono = out->mono};
    int word = 0;
    bool mono = false;
    char *save = NULL;
    for (char *w = strtok_r(value, " \t", &save); w; w = strtok_r(NULL, " \t", &save)) {
        size_t i = 0;
        if (strcmp(w, "|") == 0) {
            mono = true;
            s.mono = 0;
            continue;
        }
        for (; i < countof(attr_names) && strcmp(attr_names[i].name, w) != 0; i++)
            ;
        if (i < countof(attr_names)) {
            if (mono)
                s.mono |= attr_names[i].bit;
            else
                s.attrs |= attr_names[i].bit;
        } else if (mono || word > 1 || !color(r, w, word ? &s.bg : &s.fg)) {
            return fail(r, "no colour or attribute:", w);
        } else {
            word++;
        }
    }
    *out = s;
    return NB_OK;
}

static nb_status parse(reader *r, const char *text, size_t n);

static nb_status inherit(reader *r, const char *name)
{
    if (r->depth >= DEPTH)
        return fail(r, "inherits too deep:", name);
    for (const ui_theme_file *f = ui_theme_files; f->name; f++) {
        if (strcmp(f->name, name) != 0)
            continue;
        reader parent = {.theme = r->theme, .file = f->name, .depth = r->depth + 1, .err = r->err};
        char own[sizeof r->theme->name]; /* roles and palette are inherited, the name is not */
        memcpy(own, r->theme->name, sizeof own);
        NB_TRY(parse(&parent, f->text, strlen(f->text)));
        memcpy(r->theme->name, own, sizeof own);
        memcpy(r->colors, parent.colors, sizeof r->colors);
        r->n_colors = parent.n_colors;
        return NB_OK;
    }
    return fail(r, "no theme to inherit:", name);
}

static nb_status key_line(reader *r, const char *key, char *value)
{
    if (r->in_palette)
        return palette_line(r, key, value);
    if (strcmp(key, "name") == 0) {
        snprintf(r->theme->name, sizeof r->theme->name, "%s", value);
        return NB_OK;
    }
    if (strcmp(key, "inherits") == 0)
        return inherit(r, value);
    if (strcmp(key, "mode") == 0) {
        r->theme->light = strcmp(value, "light") == 0;
        return r->theme->light || strcmp(value, "dark") == 0
                   ? NB_OK
                   : fail(r, "mode is dark or light, not", value);
    }
    for (int i = 0; i < UI_ROLE_COUNT; i++)
        if (strcmp(roles[i].key, key) == 0)
            return style_line(r, &r->theme->role[i], value);
    return fail(r, "unknown key", key);
}

static nb_status one_line(reader *r, char *s)
{
    size_t n = strlen(s);
    while (n && (s[n - 1] == ' ' || s[n - 1] == '\t' || s[n - 1] == '\r'))
        s[--n] = '\0';
    s += strspn(s, " \t");
    if (!*s || (*s == '#' && s[1] == ' ') || strcmp(s, "#") == 0)
        return NB_OK;
    if (*s == '[') {
        r->in_palette = strcmp(s, "[palette]") == 0;
        return r->in_palette || strcmp(s, "[roles]") == 0 ? NB_OK : fail(r, "unknown section", s);
    }
    char *eq = strchr(s, '=');
    if (!eq)
        return fail(r, "expected key = value, found", s);
    char *end = eq;
    while (end > s && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *end = '\0';
    return key_line(r, s, eq + 1 + strspn(eq + 1, " \t"));
}

static nb_status parse(reader *r, const char *text, size_t n)
{
    char line[256];
    for (size_t i = 0; i < n;) {
        const char *nl = memchr(text + i, '\n', n - i);
        size_t len = nl ? (size_t)(nl - text) - i : n - i;
        r->line++;
        if (len >= sizeof line || memchr(text + i, '\0', len))
            return fail(r, "line is too long or holds a NUL byte", "");
        memcpy(line, text + i, len);
        line[len] = '\0';
        NB_TRY(one_line(r, line));
        i += len + 1;
    }
    return NB_OK;
}

nb_status ui_theme_parse(ui_theme *out, const char *text, size_t n, const char *name, nb_err *err)
{
    ui_theme t = {0};
    for (int i = 0; i < UI_ROLE_COUNT; i++)
        t.role[i] = (ui_style){.fg = -1, .bg = -1, .mono = roles[i].mono};
    snprintf(t.name, sizeof t.name, "%s", nb_path_base(name));
    reader r = {.theme = &t, .file = name, .err = err};
    NB_TRY(parse(&r, text, n));
    *out = t;
    return NB_OK;
}

nb_status ui_theme_load(ui_theme *out, const char *name, const char *user_dir, nb_err *err)
{
    char path[1200], file[80];
    snprintf(file, sizeof file, "%.60s.theme", name);
    if (user_dir && !strchr(name, '/') && nb_path_join(path, sizeof path, user_dir, file) &&
        nb_exists(path)) {
        char *text;
        size_t n;
        NB_TRY(nb_file_read(&text, &n, path, MAX_THEME, err));
        nb_status st = ui_theme_parse(out, text, n, path, err);
        free(text);
        return st;
    }
    for (const ui_theme_file *f = ui_theme_files; f->name; f++)
        if (strcmp(f->name, name) == 0)
            return ui_theme_parse(out, f->text, strlen(f->text), f->name, err);
    return nb_fail(err, NB_NOTFOUND, "no theme \"%.40s\"", name);
}

/* --- contrast -----------------------------------------------------------------------------------
 */

static double linear(int v) /* sRGB, IEC 61966-2-1 */
{
    double c = v / 255.0;
    return c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4);
}

static double luminance(int32_t rgb) /* WCAG 2.1 */
{
    return 0.2126 * linear(rgb >> 16 & 255) + 0.7152 * linear(rgb >> 8 & 255) +
           0.0722 * linear(rgb & 255);
}

static double ratio(int32_t a, int32_t b)
{
    double x = luminance(a) + 0.05, y = luminance(b) + 0.05;
    return x > y ? x / y : y / x;
}

double ui_theme_contrast(const ui_theme *t, ui_role role)
{
    const ui_style *s = &t->role[role];
    if (s->fg < 0 && s->bg < 0)
        return 0;
    if (s->fg >= 0 && s->bg >= 0)
        return ratio(s->fg, s->bg);
    /* one side is the terminal's: a theme's mode says what it is meant for */
    int32_t own = s->fg >= 0 ? s->fg : s->bg;
    int32_t terminal =
        s->fg >= 0 ? (t->light ? 0xffffff : 0x000000) : (t->light ? 0x000000 : 0xffffff);
    if (strcmp(t->name, "default") == 0 && s->fg >= 0)
        return fmin(ratio(own, 0x000000), ratio(own, 0xffffff));
    return ratio(own, terminal);
}

bool ui_color_is_light(int32_t rgb)
{
    return ratio(rgb, 0x000000) > ratio(rgb, 0xffffff);
}

int32_t ui_color_simulate(int32_t rgb, int deficiency)
{
    /* Machado, Oliveira, Fernandes 2009, severity 1.0, on linear RGB */
    static const double m[3][9] = {{0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216,
                                    -0.003882, -0.048116, 1.051998},
                                   {0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413,
                                    -0.011820, 0.042940, 0.968881},
                                   {1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602,
                                    0.004733, 0.691367, 0.303900}};
    double in[3] = {linear(rgb >> 16 & 255), linear(rgb >> 8 & 255), linear(rgb & 255)};
    int32_t out = 0;
    if (rgb < 0 || deficiency < 0 || deficiency > 2)
        return rgb;
    for (int i = 0; i < 3; i++) {
        double v = 0;
        for (int k = 0; k < 3; k++)
            v += m[deficiency][3 * i + k] * in[k];
        v = v < 0 ? 0 : v > 1 ? 1 : v;
        v = v <= 0.0031308 ? 12.92 * v : 1.055 * pow(v, 1 / 2.4) - 0.055;
        out = out << 8 | (int32_t)lround(v * 255);
    }
    return out;
}
