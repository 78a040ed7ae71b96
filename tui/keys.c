#include "tui/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const ui_keyrow rows[] = {
#define UI_KEYROW(scope, action, keys, verb, help, safe)                                           \
    {UI_##scope, UI_ACT_##scope##_##action, keys, verb, help, safe},
#include "tui/keys.def"
#undef UI_KEYROW
};

static const struct {
    const char *name;
    ui_keycode code;
} names[] = {{"Enter", UI_K_ENTER},   {"Esc", UI_K_ESC},        {"Tab", UI_K_TAB},
             {"S-Tab", UI_K_BACKTAB}, {"Up", UI_K_UP},          {"Down", UI_K_DOWN},
             {"Left", UI_K_LEFT},     {"Right", UI_K_RIGHT},    {"PgUp", UI_K_PGUP},
             {"PgDn", UI_K_PGDN},     {"Home", UI_K_HOME},      {"End", UI_K_END},
             {"Del", UI_K_DEL},       {"Bksp", UI_K_BACKSPACE}, {"F1", UI_K_F1}};

static const char *const scopes[UI_SCOPES] = {"any",      "models",  "detail",  "downloads",
                                              "quantize", "inspect", "compare", "chat"};

const ui_keyrow *ui_keyrows(size_t *count)
{
    *count = countof(rows);
    return rows;
}

const ui_keyrow *ui_keyrow_of(ui_action a)
{
    return a > UI_ACT_NONE && a < UI_ACT_COUNT ? &rows[a - 1] : NULL;
}

bool ui_key_parse(const char *name, ui_key *out)
{
    ui_key k = {0};
    if (strncmp(name, "M-", 2) == 0 && name[2]) {
        k.alt = true;
        name += 2;
    }
    if (strncmp(name, "C-", 2) == 0 && name[2] && !name[3]) {
        k.ctrl = true;
        name += 2;
    }
    for (size_t i = 0; i < countof(names); i++)
        if (strcmp(names[i].name, name) == 0) {
            k.code = names[i].code;
            *out = k;
            return true;
        }
    k.code = UI_K_CHAR;
    if (strcmp(name, "Space") == 0) {
        k.ch = ' ';
        *out = k;
        return true;
    }
    size_t used = nb_utf8_next(name, strlen(name), &k.ch, NULL);
    if (!used || k.ch < 0x20)
        return false;
    *out = k;
    return true; /* of "gg" the first key */
}

void ui_key_name(const ui_key *k, char out[16])
{
    char base[8] = "?";
    const char *name = base;
    if (k->code == UI_K_CHAR && k->ch == ' ')
        name = "Space";
    else if (k->code == UI_K_CHAR)
        base[nb_utf8_put(k->ch, base)] = '\0';
    for (size_t i = 0; i < countof(names); i++)
        if (names[i].code == k->code)
            name = names[i].name;
    snprintf(out, 16, "%s%s%s", k->alt ? "M-" : "", k->ctrl ? "C-" : "", name);
}

/* --- the map -----------------------------------------------------------------------------------
 */

typedef struct binding {
    ui_scope scope;
    ui_action action;
    ui_key key;
    uint32_t second; /* of a sequence, 0 = single */
    int line;        /* of keys.conf; 0 = default */
} binding;

struct ui_keymap {
    binding *at;
    size_t n, cap;
    char shown[UI_ACT_COUNT][48];
};

static bool same_key(const ui_key *a, const ui_key *b)
{
    return a->code == b->code && a->ch == b->ch && a->ctrl == b->ctrl && a->alt == b->alt;
}

/* Scopes clash when one is everywhere or both are the same. */
static bool scopes_meet(ui_scope a, ui_scope b)
{
    return a == b || a == UI_ANY || b == UI_ANY;
}

static bool clash(const binding *a, const binding *b)
{
    if (!scopes_meet(a->scope, b->scope) || !same_key(&a->key, &b->key))
        return false;
    return a->second == b->second || !a->second || !b->second;
}

static void warn_clash(const binding *a, const binding *b, nb_str *warnings)
{
    char key[16];
    const ui_keyrow *x = ui_keyrow_of(a->action), *y = ui_keyrow_of(b->action);
    if (!warnings)
        return;
    ui_key_name(&a->key, key);
    nb_str_addf(warnings, "key %s: %s.%s (line %d) and %s.%s (", key, scopes[x->scope], x->verb,
                a->line, scopes[y->scope], y->verb);
    nb_str_addf(warnings, b->line ? "line %d)\n" : "default)\n", b->line);
}

static nb_status add(ui_keymap *m, const binding *b, nb_str *warnings, nb_err *err)
{
    for (size_t i = 0; i < m->n; i++)
        if (clash(b, &m->at[i]) && m->at[i].action != b->action)
            warn_clash(b, &m->at[i], warnings);
    if (m->n == m->cap) {
        size_t cap = m->cap ? m->cap * 2 : 128;
        binding *at = realloc(m->at, cap * sizeof *at);
        if (!at)
            return nb_fail(err, NB_NOMEM, "key table");
        m->at = at;
        m->cap = cap;
    }
    m->at[m->n++] = *b;
    return NB_OK;
}

/* "C-d PgDn" or "gg" bound to an action. */
static nb_status bind(ui_keymap *m, const ui_keyrow *row, const char *keys, int line,
                      nb_str *warnings, nb_err *err)
{
    char word[24];
    for (const char *s = keys; *s;) {
        size_t n = strcspn(s, " ");
        if (n >= sizeof word)
            return nb_fail(err, NB_USAGE, "key \"%.40s\": no such key", s);
        memcpy(word, s, n);
        word[n] = '\0';
        s += n + strspn(s + n, " ");
        binding b = {.scope = row->scope, .action = row->action, .line = line};
        if (n == 0)
            continue;
        if (!ui_key_parse(word, &b.key))
            return nb_fail(err, NB_USAGE, "key \"%s\": no such key", word);
        if (b.key.code == UI_K_CHAR && n == 2 && !b.key.ctrl && !b.key.alt &&
            (uint8_t)word[0] < 0x80)
            b.second = (uint8_t)word[1];
        NB_TRY(add(m, &b, warnings, err));
    }
    snprintf(m->shown[row->action], sizeof m->shown[0], "%s", keys);
    return NB_OK;
}

static void unbind(ui_keymap *m, ui_action a)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++)
        if (m->at[i].action != a)
            m->at[n++] = m->at[i];
    m->n = n;
    m->shown[a][0] = '\0';
}

static const ui_keyrow *row_by_name(const char *name, size_t n)
{
    for (size_t i = 0; i < countof(rows); i++) {
        char full[64];
        int len = snprintf(full, sizeof full, "%s.%s", scopes[rows[i].scope], rows[i].verb);
        if ((size_t)len == n && memcmp(full, name, n) == 0)
            return &rows[i];
    }
    return NULL;
}

static void trim(const char **s, size_t *n)
{
    while (*n && ((*s)[*n - 1] == ' ' || (*s)[*n - 1] == '\r' || (*s)[*n - 1] == '\t'))
        --*n;
    for (; *n && (**s == ' ' || **s == '\t'); --*n)
        ++*s;
}

/* The row a trimmed line `scope.verb = keys` names, NULL = none; its keys. */
static const ui_keyrow *row_of_line(const char *s, size_t n, const char **value, size_t *len)
{
    const char *eq = n ? memchr(s, '=', n) : NULL;
    size_t name = eq ? (size_t)(eq - s) : 0;
    *value = eq ? eq + 1 : s;
    *len = (size_t)(s + n - *value);
    trim(value, len);
    trim(&s, &name);
    return eq ? row_by_name(s, name) : NULL;
}

/* One line `scope.verb = keys`; empty keys unbind. */
static void conf_line(ui_keymap *m, const char *s, size_t n, int line, nb_str *warnings)
{
    char keys[128];
    const char *value;
    size_t len;
    nb_err e;
    trim(&s, &n);
    if (n == 0 || *s == '#')
        return;
    const ui_keyrow *row = row_of_line(s, n, &value, &len);
    if (row && len < sizeof keys) {
        memcpy(keys, value, len);
        keys[len] = '\0';
        unbind(m, row->action);
        if (bind(m, row, keys, line, warnings, &e) == NB_OK)
            return;
        unbind(m, row->action);
        (void)bind(m, row, row->keys, 0, NULL, NULL); /* they fitted before */
        if (warnings)
            nb_str_addf(warnings, "keys.conf line %d: %s\n", line, e.msg);
    } else if (warnings) {
        nb_str_addf(warnings, "keys.conf line %d: expected scope.verb = keys\n", line);
    }
}

nb_status ui_keymap_open(ui_keymap **out, const char *conf, size_t n, nb_str *warnings, nb_err *err)
{
    ui_keymap *m = nb_alloc(1, sizeof *m, "key table", err);
    if (!m)
        return NB_NOMEM;
    for (size_t i = 0; i < countof(rows); i++)
        if (bind(m, &rows[i], rows[i].keys, 0, warnings, err) != NB_OK) {
            ui_keymap_close(&m);
            return NB_NOMEM;
        }
    int line = 1;
    for (size_t i = 0; conf && i < n; line++) {
        const char *nl = memchr(conf + i, '\n', n - i);
        size_t len = nl ? (size_t)(nl - conf) - i : n - i;
        conf_line(m, conf + i, len, line, warnings);
        i += len + 1;
    }
    *out = m;
    return NB_OK;
}

const ui_keyrow *ui_keymap_taken(const ui_keymap *m, ui_action a, const ui_key *k)
{
    const ui_keyrow *row = ui_keyrow_of(a);
    const binding b = {.scope = row ? row->scope : UI_ANY, .action = a, .key = *k};
    for (size_t i = 0; i < m->n; i++)
        if (clash(&b, &m->at[i]))
            return ui_keyrow_of(m->at[i].action);
    return NULL;
}

void ui_keymap_edit(nb_str *out, const char *conf, size_t n, ui_action a, const char *keys)
{
    const ui_keyrow *row = ui_keyrow_of(a);
    bool written = false;
    for (size_t i = 0; i < n;) {
        const char *nl = memchr(conf + i, '\n', n - i), *value;
        size_t whole = nl ? (size_t)(nl - conf) - i : n - i, len = whole, rest;
        const char *s = conf + i;
        i += whole + 1;
        trim(&s, &len);
        bool ours = row && len && *s != '#' && row_of_line(s, len, &value, &rest) == row;
        if (ours && written)
            continue;
        if (ours)
            nb_str_addf(out, "%s.%s = %s", scopes[row->scope], row->verb, keys);
        else
            nb_str_addn(out, conf + i - whole - 1, whole);
        nb_str_add(out, "\n");
        written = written || ours;
    }
    if (row && !written)
        nb_str_addf(out, "%s.%s = %s\n", scopes[row->scope], row->verb, keys);
}

void ui_keymap_close(ui_keymap **m)
{
    if (*m)
        free((*m)->at);
    free(*m);
    *m = NULL;
}

/* What acts while letters type. */
static bool acts_in_text(const ui_key *k)
{
    return k->ctrl || k->alt || k->code == UI_K_ENTER || k->code == UI_K_ESC ||
           k->code == UI_K_TAB || k->code == UI_K_BACKTAB || k->code == UI_K_F1;
}

ui_action ui_keymap_find(const ui_keymap *m, ui_scope scope, bool text, const ui_key *k,
                         uint32_t *pending)
{
    uint32_t prefix = *pending;
    *pending = 0;
    if (text && !acts_in_text(k))
        return UI_ACT_NONE;
    ui_action everywhere = UI_ACT_NONE;
    bool awaits = false;
    for (size_t i = 0; i < m->n; i++) {
        const binding *b = &m->at[i];
        if (b->scope != scope && b->scope != UI_ANY)
            continue;
        bool hit = prefix ? b->second && b->key.ch == prefix && k->code == UI_K_CHAR && !k->ctrl &&
                                !k->alt && k->ch == b->second
                          : !b->second && same_key(&b->key, k);
        if (hit && b->scope == scope)
            return b->action;
        if (hit)
            everywhere = b->action;
        awaits = awaits || (!prefix && b->second && same_key(&b->key, k));
    }
    if (everywhere == UI_ACT_NONE && awaits)
        *pending = k->ch;
    return everywhere;
}

const char *ui_keymap_keys(const ui_keymap *m, ui_action a)
{
    return a > UI_ACT_NONE && a < UI_ACT_COUNT ? m->shown[a] : "";
}
