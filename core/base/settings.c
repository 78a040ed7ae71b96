#include "core/base/settings.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/file.h"

static const nb_setting settings[] = {
    {"theme", "colours of the screens: a theme's name, or a path to a .theme file", "default",
     "text"},
    {"threads", "CPU threads a job may use; 0 = all cores", "0", "int"},
    {"mouse", "mouse support: on, off, or auto (off over ssh)", "auto", "bool"},
    {"ctx", "context of a new chat in tokens; 0 = the model's, at most 4096", "0", "int"},
    {"ram-limit", "most memory models may take, as 8GB or 6.5GiB; 0 = what is free", "0", "bytes"},
    {"remote-http", "remote models over unencrypted http on other machines too: on or off", "off",
     "bool"},
    {"flat", "flat copies of IQ1, IQ2, IQ3 weights for chats: larger, prompts quicker; on or off",
     "off", "bool"},
};

/* How a row's text becomes its field, row by row as above. */
typedef struct rule {
    size_t field;
    int64_t max; /* of a switch: TWO words or THREE, "auto" the third */
} rule;
enum { TWO = 2, THREE };
static const rule rules[] = {
    {offsetof(nb_config, theme), sizeof((nb_config *)0)->theme - 1},
    {offsetof(nb_config, threads), 4096},
    {offsetof(nb_config, mouse), THREE},
    {offsetof(nb_config, ctx), 1 << 24},
    {offsetof(nb_config, ram_limit), INT64_MAX},
    {offsetof(nb_config, remote_http), TWO},
    {offsetof(nb_config, flat), TWO},
};
static_assert(countof(rules) == countof(settings), "one rule per setting");

const nb_setting *nb_settings(size_t *count)
{
    *count = countof(settings);
    return settings;
}

/* "8000000000", "8GB", "6.5 GiB", "512m": decimal units, binary with an i. */
static bool parse_bytes(const char *text, uint64_t *out)
{
    static const char prefixes[] = "kmgt";
    char number[32];
    size_t n = strspn(text, "0123456789.");
    double v, unit = 1;
    if (n == 0 || n >= sizeof number)
        return false;
    memcpy(number, text, n);
    number[n] = '\0';
    text += n + strspn(text + n, " ");
    const char *hit = *text ? strchr(prefixes, *text | 0x20) : NULL;
    if (hit) {
        text++;
        bool binary = *text == 'i';
        text += binary;
        for (ptrdiff_t i = 0; i <= hit - prefixes; i++)
            unit *= binary ? 1024 : 1000;
    }
    text += *text == 'B' || *text == 'b';
    if (*text || !nb_parse_double(number, &v) || v * unit >= 0x1p63)
        return false;
    *out = (uint64_t)(v * unit);
    return true;
}

static bool parse_switch(const char *value, bool has_auto, int *out)
{
    static const struct {
        const char *text;
        int value;
    } words[] = {{"auto", -1}, {"on", 1}, {"true", 1},  {"yes", 1}, {"1", 1},
                 {"off", 0},   {"no", 0}, {"false", 0}, {"0", 0}};
    for (size_t i = has_auto ? 0 : 1; i < countof(words); i++)
        if (strcmp(words[i].text, value) == 0) {
            *out = words[i].value;
            return true;
        }
    return false;
}

/* Control bytes would break the file's lines; the theme's name also becomes a file name. */
static bool sound_text(const char *value, size_t max)
{
    size_t n = strlen(value);
    for (size_t i = 0; i < n; i++)
        if ((uint8_t)value[i] < 0x20 || value[i] == 0x7f)
            return false;
    return n > 0 && n <= max;
}

static nb_status apply_int(void *field, const char *name, const char *value, int64_t max,
                           nb_err *err)
{
    int64_t v;
    if (!nb_parse_i64(value, &v) || v < 0 || v > max)
        return nb_fail(err, NB_USAGE, "%s: expected an integer 0..%" PRId64 ", found \"%s\"", name,
                       max, value);
    *(int *)field = (int)v;
    return NB_OK;
}

static nb_status apply_bool(void *field, const char *name, const char *value, int64_t max,
                            nb_err *err)
{
    if (parse_switch(value, max == THREE, field))
        return NB_OK;
    return nb_fail(err, NB_USAGE, "%s: expected on%s, found \"%s\"", name,
                   max == THREE ? ", off or auto" : " or off", value);
}

static nb_status apply_bytes(void *field, const char *name, const char *value, int64_t max,
                             nb_err *err)
{
    uint64_t v;
    if (!parse_bytes(value, &v) || v > (uint64_t)max)
        return nb_fail(err, NB_USAGE, "%s: expected a size such as 8GB, found \"%s\"", name, value);
    *(uint64_t *)field = v;
    return NB_OK;
}

static nb_status apply_text(void *field, const char *name, const char *value, int64_t max,
                            nb_err *err)
{
    if (!sound_text(value, (size_t)max))
        return nb_fail(err, NB_USAGE, "%s: expected 1..%" PRId64 " printable bytes", name, max);
    memcpy(field, value, strlen(value) + 1);
    return NB_OK;
}

static void show_int(const void *field, char *out, size_t cap)
{
    snprintf(out, cap, "%d", *(const int *)field);
}

static void show_bool(const void *field, char *out, size_t cap)
{
    static const char *const text[] = {"auto", "off", "on"};
    snprintf(out, cap, "%s", text[*(const int *)field + 1]);
}

static void show_bytes(const void *field, char *out, size_t cap)
{
    snprintf(out, cap, "%" PRIu64, *(const uint64_t *)field);
}

static void show_text(const void *field, char *out, size_t cap)
{
    snprintf(out, cap, "%s", (const char *)field);
}

typedef struct kind {
    const char *name;
    nb_status (*apply)(void *field, const char *name, const char *value, int64_t max, nb_err *err);
    void (*show)(const void *field, char *out, size_t cap);
} kind;
static const kind kinds[] = {
    {"int", apply_int, show_int},
    {"bool", apply_bool, show_bool},
    {"bytes", apply_bytes, show_bytes},
    {"text", apply_text, show_text},
};

/* The row called name and its kind; false for an unknown name. */
static bool find(const char *name, const rule **r, const kind **k)
{
    for (size_t i = 0; i < countof(settings); i++) {
        if (strcmp(settings[i].name, name) != 0)
            continue;
        *r = &rules[i];
        *k = kinds;
        while (strcmp((*k)->name, settings[i].kind) != 0)
            ++*k;
        return true;
    }
    return false;
}

nb_status nb_settings_apply(nb_config *c, const char *name, const char *value, nb_err *err)
{
    const rule *r;
    const kind *k;
    if (!find(name, &r, &k))
        return nb_fail(err, NB_USAGE, "unknown setting \"%s\"", name);
    return k->apply((char *)c + r->field, name, value, r->max, err);
}

bool nb_config_get(const nb_config *c, const char *name, char *out, size_t cap)
{
    const rule *r;
    const kind *k;
    if (!find(name, &r, &k))
        return false;
    k->show((const char *)c + r->field, out, cap);
    return true;
}

void nb_settings_reset(nb_config *c)
{
    for (size_t i = 0; i < countof(settings); i++)
        nb_settings_apply(c, settings[i].name, settings[i].fallback, NULL);
}

/* One line of a settings file: [at, at + len) without its newline. */
typedef struct line {
    const char *at;
    size_t len;
} line;

static bool next_line(const char **at, const char *end, line *out)
{
    if (*at == end)
        return false;
    const char *newline = memchr(*at, '\n', (size_t)(end - *at));
    *out = (line){*at, (size_t)((newline ? newline : end) - *at)};
    *at = newline ? newline + 1 : end;
    return true;
}

static line trim(line l)
{
    while (l.len && (*l.at == ' ' || *l.at == '\t')) {
        l.at++;
        l.len--;
    }
    while (l.len && strchr(" \t\r", l.at[l.len - 1]) && l.at[l.len - 1])
        l.len--;
    return l;
}

/* Splits at the first '='. False for comments, blanks and lines without one. */
static bool split(line l, line *key, line *value)
{
    l = trim(l);
    const char *equals = l.len ? memchr(l.at, '=', l.len) : NULL;
    if (!equals || *l.at == '#')
        return false;
    *key = trim((line){l.at, (size_t)(equals - l.at)});
    *value = trim((line){equals + 1, l.len - (size_t)(equals - l.at) - 1});
    return true;
}

static bool is_comment(line l)
{
    l = trim(l);
    return l.len == 0 || *l.at == '#';
}

static nb_status read_line(nb_config *c, line l, nb_err *err)
{
    line key, value;
    char name[64], text[512];
    if (is_comment(l))
        return NB_OK;
    if (!split(l, &key, &value))
        return nb_fail(err, NB_FORMAT, "expected key = value");
    if (key.len >= sizeof name || value.len >= sizeof text)
        return nb_fail(err, NB_FORMAT, "key or value too long");
    if (memchr(key.at, '\0', key.len) || memchr(value.at, '\0', value.len))
        return nb_fail(err, NB_FORMAT, "NUL byte");
    memcpy(name, key.at, key.len);
    name[key.len] = '\0';
    memcpy(text, value.at, value.len);
    text[value.len] = '\0';
    return nb_settings_apply(c, name, text, err);
}

nb_status nb_settings_read(nb_config *c, const char *text, size_t n, const char *path, nb_err *err)
{
    const char *at = text, *end = text + n;
    nb_status status = NB_OK;
    line l;
    for (size_t number = 1; next_line(&at, end, &l); number++) {
        nb_err why = {.status = NB_OK};
        if (read_line(c, l, &why) != NB_OK && status == NB_OK)
            status =
                nb_fail(err, NB_FORMAT, "%s: line %zu: %s", nb_path_base(path), number, why.msg);
    }
    return status;
}

void nb_settings_edit(nb_str *out, const char *text, size_t n, const char *name, const char *value)
{
    const char *at = text, *end = text + n;
    size_t name_len = strlen(name);
    bool written = false;
    line l, key, old;
    while (next_line(&at, end, &l)) {
        bool ours =
            split(l, &key, &old) && key.len == name_len && memcmp(key.at, name, name_len) == 0;
        if (!ours) {
            nb_str_addn(out, l.at, l.len);
            nb_str_add(out, "\n");
        } else if (!written) {
            nb_str_addf(out, "%s = %s\n", name, value);
            written = true;
        }
    }
    if (!written)
        nb_str_addf(out, "%s = %s\n", name, value);
}
