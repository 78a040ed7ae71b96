/* Which models are shown, in which order: filter words, sort columns, variants under sources. */
#include "tui/screens/models.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const nb_entry *ui_models_entry(const models *m, size_t row)
{
    return row < m->n_row ? nb_library_at(m->lib, m->row[row].entry) : NULL;
}

const nb_entry *ui_models_current(const models *m)
{
    return ui_models_entry(m, m->list.at);
}

/* --- marks ----------------------------------------------------------------------------------- */

bool ui_models_marked(const models *m, const char *path)
{
    for (size_t i = 0; i < m->n_mark; i++)
        if (strcmp(m->mark[i], path) == 0)
            return true;
    return false;
}

void ui_models_toggle(models *m, const char *path, bool on)
{
    if (ui_models_marked(m, path) == on)
        return;
    if (!on) {
        size_t i = 0;
        while (strcmp(m->mark[i], path) != 0)
            i++;
        memmove(m->mark[i], m->mark[i + 1], (--m->n_mark - i) * sizeof *m->mark);
        return;
    }
    void *grown = ui_xmalloc((m->n_mark + 1) * sizeof *m->mark);
    if (m->n_mark)
        memcpy(grown, m->mark, m->n_mark * sizeof *m->mark);
    free(m->mark);
    m->mark = grown;
    strncpy(m->mark[m->n_mark], path, sizeof *m->mark - 1);
    m->mark[m->n_mark++][sizeof *m->mark - 1] = '\0';
}

/* --- figures --------------------------------------------------------------------------------- */

void ui_models_fits(models *m)
{
    if (!m->lib)
        return;
    size_t n = nb_library_count(m->lib);
    free(m->fit);
    m->fit = ui_xcalloc(n + 1, sizeof *m->fit);
    for (size_t i = 0; i < n; i++) {
        const nb_entry *e = nb_library_at(m->lib, i);
        nb_hparams hp = nb_fit_hparams(e);
        uint32_t ctx = e->n_ctx && e->n_ctx < m->ctx ? (uint32_t)e->n_ctx : m->ctx;
        m->fit[i] = nb_fit_of(&hp, e->bytes, ctx, m->kv_f32, m->available);
    }
}

bool ui_models_speed(const models *m, size_t entry, double *tok_s)
{
    const nb_entry *e = nb_library_at(m->lib, entry);
    *tok_s = m->speed ? m->speed[entry] : 0;
    if (*tok_s > 0)
        return true;
    double usable = m->runs ? nb_runs_bandwidth(m->runs) : 0;
    *tok_s = e->bytes ? usable / (double)e->bytes : 0;
    return false;
}

size_t ui_models_source(const models *m, size_t entry)
{
    return nb_library_source(m->lib, entry);
}

/* --- filter ---------------------------------------------------------------------------------- */

bool ui_models_amount(const char *s, size_t n, double *out)
{
    char text[32];
    double unit = 1;
    if (!n || n >= sizeof text)
        return false;
    memcpy(text, s, n);
    text[n] = '\0';
    static const struct {
        char letter;
        double unit;
    } row[] = {{'k', 1e3}, {'m', 1e6}, {'g', 1e9}, {'b', 1e9}, {'t', 1e12}};
    for (size_t i = 0; i < countof(row); i++)
        if (tolower((unsigned char)text[n - 1]) == row[i].letter) {
            unit = row[i].unit;
            text[n - 1] = '\0';
        }
    if (!nb_parse_double(text, out))
        return false;
    *out *= unit;
    return true;
}

static double field(const models *m, size_t entry, const char *name, size_t n, bool *known)
{
    const nb_entry *e = nb_library_at(m->lib, entry);
    double speed;
    ui_models_speed(m, entry, &speed);
    const struct {
        const char *name;
        double value;
    } row[] = {{"params", (double)e->params},
               {"param", (double)e->params},
               {"size", (double)e->bytes},
               {"bpw", e->bpw},
               {"ctx", (double)e->n_ctx},
               {"layers", (double)e->n_layer},
               {"tok", speed}};
    *known = true;
    for (size_t i = 0; i < countof(row); i++)
        if (strlen(row[i].name) == n && strncasecmp(row[i].name, name, n) == 0)
            return row[i].value;
    *known = false;
    return 0;
}

static bool contains(const char *text, const char *word, size_t n)
{
    for (; *text; text++)
        if (strncasecmp(text, word, n) == 0)
            return true;
    return n == 0;
}

/* One word: field:<number, field:>number, field:=number, a fit word, type:NAME or a piece of text.
 */
static bool word_matches(const models *m, size_t entry, const char *w, size_t n)
{
    const nb_entry *e = nb_library_at(m->lib, entry);
    const char *colon = memchr(w, ':', n);
    if (colon) {
        size_t name = (size_t)(colon - w), left = n - name - 1;
        const char *v = colon + 1;
        bool known;
        double have = field(m, entry, w, name, &known), want;
        char op = left ? *v : '\0';
        if (known && (op == '<' || op == '>' || op == '=') &&
            ui_models_amount(v + 1, left - 1, &want))
            return op == '<' ? have < want : op == '>' ? have > want : have == want;
        if (known)
            return left == 0 || !ui_models_amount(v, left, &want) || have == want;
        if (name == 4 && strncasecmp(w, "type", 4) == 0)
            return contains(e->type_name, v, left);
        if (name == 4 && strncasecmp(w, "arch", 4) == 0)
            return contains(e->arch, v, left);
    }
    for (int f = NB_FITS; f <= NB_NO; f++) {
        const char *name = nb_fit_name((nb_fit_word)f);
        if (strlen(name) == n && strncasecmp(name, w, n) == 0)
            return m->fit[entry].word == (nb_fit_word)f;
    }
    return contains(e->name, w, n) || contains(e->file, w, n) || contains(e->type_name, w, n) ||
           contains(e->arch, w, n);
}

bool ui_models_match(const models *m, size_t entry, const char *filter)
{
    for (const char *p = filter; *p;) {
        size_t skip = strspn(p, " "), n = strcspn(p + skip, " ");
        if (n && !word_matches(m, entry, p + skip, n))
            return false;
        p += skip + n;
    }
    return true;
}

/* --- order ----------------------------------------------------------------------------------- */

static double key_of(const models *m, size_t entry)
{
    const nb_entry *e = nb_library_at(m->lib, entry);
    double speed;
    ui_models_speed(m, entry, &speed);
    switch (m->sort) {
    case MODELS_PARAMS:
        return (double)e->params;
    case MODELS_BPW:
        return e->bpw;
    case MODELS_SIZE:
        return (double)e->bytes;
    case MODELS_FIT:
        return (double)m->fit[entry].total;
    case MODELS_SPEED:
        return speed;
    default:
        return 0;
    }
}

static int compare(const models *m, size_t a, size_t b)
{
    int c = 0;
    if (m->sort == MODELS_NAME) {
        c = strcasecmp(nb_library_at(m->lib, a)->name, nb_library_at(m->lib, b)->name);
    } else {
        double x = key_of(m, a), y = key_of(m, b);
        c = x < y ? -1 : x > y;
    }
    if (!c)
        return a < b ? -1 : a > b; /* as found: the order is total */
    return m->reverse ? -c : c;
}

/* Sources by the key, variants by the key within their source. */
static int compare_rows(const void *pa, const void *pb, void *arg)
{
    const models *m = arg;
    size_t a = ((const models_row *)pa)->entry, b = ((const models_row *)pb)->entry;
    size_t sa = ui_models_source(m, a), sb = ui_models_source(m, b);
    if (sa != sb)
        return compare(m, sa, sb);
    if ((a == sa) != (b == sb))
        return a == sa ? -1 : 1;
    return compare(m, a, b);
}

static bool shown(const models *m, size_t entry)
{
    for (size_t i = 0; i < m->n_row; i++)
        if (m->row[i].entry == entry)
            return true;
    return false;
}

static void nest(models *m)
{
    for (size_t i = 0; i < m->n_row; i++) {
        size_t source = ui_models_source(m, m->row[i].entry);
        bool more = i + 1 < m->n_row && ui_models_source(m, m->row[i + 1].entry) == source;
        m->row[i].nested = source != m->row[i].entry && shown(m, source);
        m->row[i].last = !more;
    }
}

void ui_models_arrange(models *m)
{
    if (!m->lib)
        return;
    char keep[1024] = "";
    const nb_entry *now = ui_models_current(m);
    if (m->wanted[0] || now)
        snprintf(keep, sizeof keep, "%s", m->wanted[0] ? m->wanted : now->path);
    size_t n = nb_library_count(m->lib);
    free(m->row);
    m->row = ui_xcalloc(n + 1, sizeof *m->row);
    m->n_row = 0;
    for (size_t i = 0; i < n; i++)
        if (ui_models_match(m, i, nb_str_c(&m->filter.text)))
            m->row[m->n_row++].entry = i;
    qsort_r(m->row, m->n_row, sizeof *m->row, compare_rows, m);
    nest(m);
    ui_list_set(&m->list, m->n_row);
    for (size_t i = 0; i < m->n_row; i++)
        if (strcmp(ui_models_entry(m, i)->path, keep) == 0) {
            m->list.at = i;
            m->wanted[0] = '\0';
        }
}
