/* The options behind "more": those of llama-quantize that few models need. Their texts are accepted
 * whole or not at all; what was accepted is kept until the screen closes, because recipes that were
 * undone and plans that run borrow it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/screens/quantize.h"

static const quantize_extra *extra_of(const quantize *q)
{
    const quantize_extra *e = q->extras;
    while (e && &e->edits != q->recipe.edits)
        e = e->next;
    return e;
}

const char *ui_quantize_extra_text(const quantize *q, int field)
{
    const quantize_extra *e = extra_of(q);
    return e ? e->text[field - QF_PATTERNS] : "";
}

void ui_quantize_drop_extras(quantize *q)
{
    for (quantize_extra *e = q->extras, *next; e; e = next) {
        next = e->next;
        nb_patterns_close(&e->patterns);
        nb_edits_free(&e->edits);
        free(e);
    }
    q->extras = NULL;
}

/* --- texts -------------------------------------------------------------------------------------
 */

/* REGEX=T between blanks, as in a file of --tensor-type-file. */
static nb_status read_patterns(quantize_extra *e, char *text, nb_err *err)
{
    char *save = NULL;
    if (text[strspn(text, " ")] == '\0')
        return NB_OK;
    NB_TRY(nb_patterns_open(&e->patterns, err));
    for (char *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save))
        NB_TRY(nb_patterns_add(e->patterns, w, err));
    return NB_OK;
}

/* Whether a word begins an override: KEY=TYPE:... */
static bool begins_key(const char *word)
{
    static const char *const type[] = {"=int:", "=float:", "=bool:", "=str:"};
    size_t n = strcspn(word, "= ");
    for (size_t i = 0; i < countof(type); i++)
        if (n && strncmp(word + n, type[i], strlen(type[i])) == 0)
            return true;
    return false;
}

/* Length of the override at s, up to the blank before the next one: values may hold blanks. */
static size_t key_length(const char *s)
{
    for (const char *p = s; (p = strchr(p, ' ')); p++)
        if (begins_key(p + 1))
            return (size_t)(p - s);
    return strlen(s);
}

static nb_status read_keys(quantize_extra *e, const char *text, nb_err *err)
{
    for (const char *p = text + strspn(text, " "); *p;) {
        char one[sizeof e->text[0]];
        size_t n = key_length(p), len = n;
        while (len && p[len - 1] == ' ')
            len--;
        memcpy(one, p, len);
        one[len] = '\0';
        NB_TRY(nb_edits_set(&e->edits, one, err));
        p += n + strspn(p + n, " ");
    }
    return NB_OK;
}

static nb_status read_extra(quantize_extra *e, nb_err *err)
{
    char copy[sizeof e->text[0]];
    memcpy(copy, e->text[0], sizeof copy);
    NB_TRY(read_patterns(e, copy, err));
    NB_TRY(read_keys(e, e->text[1], err));
    return e->text[2][0] ? nb_edits_prune(&e->edits, e->text[2], err) : NB_OK;
}

/* The texts as they are but for one. NULL: it is refused, *err says why. */
static quantize_extra *with_text(quantize *q, int field, const char *text, nb_err *err)
{
    const quantize_extra *old = extra_of(q);
    quantize_extra *e = ui_xcalloc(1, sizeof *e);
    char(*mine)[sizeof e->text[0]] = &e->text[field - QF_PATTERNS];
    nb_status st = NB_OK;
    if (old)
        memcpy(e->text, old->text, sizeof e->text);
    if (strlen(text) >= sizeof *mine)
        st = nb_fail(err, NB_USAGE, "%zu bytes, at most %zu", strlen(text), sizeof *mine - 1);
    else
        memcpy(*mine, text, strlen(text) + 1);
    if (st == NB_OK)
        st = read_extra(e, err);
    if (st == NB_OK) {
        e->next = q->extras;
        q->extras = e;
        return e;
    }
    nb_patterns_close(&e->patterns);
    nb_edits_free(&e->edits);
    free(e);
    return NULL;
}

static bool accept_text(quantize *q, int field, const char *text)
{
    nb_err err = {0};
    const quantize_extra *e = with_text(q, field, text, &err);
    if (!e) {
        snprintf(q->input_error, sizeof q->input_error, "%s", err.msg);
        return false;
    }
    ui_quantize_remember(q);
    q->recipe.patterns = e->patterns;
    q->recipe.edits = &e->edits;
    return true;
}

void ui_quantize_clear_patterns(quantize *q)
{
    const quantize_extra *e = q->recipe.patterns ? with_text(q, QF_PATTERNS, "", NULL) : NULL;
    if (!e)
        return;
    q->recipe.patterns = NULL;
    q->recipe.edits = &e->edits;
}

static bool accept_type(quantize *q, int *type, const char *text)
{
    nk_type_id id;
    nb_err err = {0};
    int wanted = -1;
    if (*text && strcmp(text, "preset") != 0) {
        if (nb_recipe_type(text, &id, &err) != NB_OK) {
            snprintf(q->input_error, sizeof q->input_error, "%s", err.msg);
            return false;
        }
        wanted = (int)id;
    }
    ui_quantize_remember(q);
    *type = wanted;
    return true;
}

bool ui_quantize_accept_more(quantize *q, int field, const char *text)
{
    if (field == QF_OUT_TYPE)
        return accept_type(q, &q->recipe.output_type, text);
    if (field == QF_EMBD_TYPE)
        return accept_type(q, &q->recipe.embd_type, text);
    return accept_text(q, field, text);
}

/* --- choices -----------------------------------------------------------------------------------
 */

/* -1 (the preset's), then every type that can be written. */
static int step_type(int type, int step)
{
    size_t n;
    const nk_type *const *all = nk_type_all(&n);
    int at = -1;
    for (size_t i = 0; i < n; i++)
        if (type >= 0 && (int)all[i]->id == type)
            at = (int)i;
    do {
        at += step;
        at = at < -1 ? (int)n - 1 : at >= (int)n ? -1 : at;
    } while (at >= 0 && (!all[at]->encode || all[at]->activation_only || all[at]->wants_imatrix));
    return at < 0 ? -1 : (int)all[at]->id;
}

void ui_quantize_change_more(quantize *q, int field, int step)
{
    nb_recipe *r = &q->recipe;
    if (field == QF_PATTERNS || field == QF_KEYS || field == QF_PRUNE)
        return; /* texts: Enter */
    ui_quantize_remember(q);
    if (field == QF_PURE)
        r->pure = !r->pure;
    else if (field == QF_LEAVE)
        r->leave_output = !r->leave_output;
    else if (field == QF_SPLIT)
        r->keep_split = !r->keep_split;
    else if (field == QF_OUT_TYPE)
        r->output_type = step_type(r->output_type, step);
    else
        r->embd_type = step_type(r->embd_type, step);
}

/* --- as a command ------------------------------------------------------------------------------
 */

static void add_type(nb_str *out, const char *option, int type)
{
    if (type >= 0)
        nb_str_addf(out, " --%s %s", option, nk_type_get((uint32_t)type)->name);
}

void ui_quantize_more_command(const quantize *q, nb_str *out)
{
    const nb_recipe *r = &q->recipe;
    const char *patterns = ui_quantize_extra_text(q, QF_PATTERNS);
    const char *keys = ui_quantize_extra_text(q, QF_KEYS);
    const char *prune = ui_quantize_extra_text(q, QF_PRUNE);
    if (r->pure)
        nb_str_add(out, " --pure");
    if (r->leave_output)
        nb_str_add(out, " --leave-output-tensor");
    if (r->keep_split)
        nb_str_add(out, " --keep-split");
    add_type(out, "output-tensor-type", r->output_type);
    add_type(out, "token-embedding-type", r->embd_type);
    for (const char *p = patterns + strspn(patterns, " "); *p;) {
        char one[sizeof q->extras->text[0]];
        size_t n = strcspn(p, " ");
        snprintf(one, sizeof one, "%.*s", (int)n, p);
        nb_str_add(out, " --tensor-type");
        ui_parts_word(out, one);
        p += n + strspn(p + n, " ");
    }
    for (const char *p = keys + strspn(keys, " "); *p;) {
        char one[sizeof q->extras->text[0]];
        size_t n = key_length(p);
        snprintf(one, sizeof one, "%.*s", (int)n, p);
        nb_str_add(out, " --override-kv");
        ui_parts_word(out, one);
        p += n + strspn(p + n, " ");
    }
    if (*prune) {
        nb_str_add(out, " --prune-layers");
        ui_parts_word(out, prune);
    }
}
