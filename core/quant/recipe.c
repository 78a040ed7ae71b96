#include "core/quant/recipe.h"

#include <stdio.h>
#include <string.h>

#include "core/quant/presets.h"

void nb_recipe_init(nb_recipe *r, const nb_preset *preset)
{
    memset(r, 0, sizeof *r);
    r->preset = preset;
    r->output_type = -1;
    r->embd_type = -1;
}

nb_status nb_recipe_type(const char *name, nk_type_id *out, nb_err *err)
{
    const nk_type *t = nk_type_find(name);
    if (!t)
        return nb_fail(err, NB_USAGE, "\"%s\" is no tensor type", name);
    if (!t->encode || t->activation_only)
        return nb_fail(err, NB_UNSUPPORTED, "type %s cannot be written", t->name);
    *out = t->id;
    return NB_OK;
}

/* --- layers ------------------------------------------------------------------------------------
 */

/* One word of a layer list: whether it may stand there, and whether it names layer i of n. */
static bool layer_word(const char *s, size_t len, uint32_t i, uint32_t n, bool *hit)
{
    static const char *const share[] = {"first/", "last/"};
    char word[24];
    uint64_t from, to;
    *hit = false;
    if (len == 0 || len >= sizeof word)
        return false;
    memcpy(word, s, len);
    word[len] = '\0';
    if (strcmp(word, "more") == 0) {
        *hit = n && nb_layer_more(i, n);
        return true;
    }
    for (size_t k = 0; k < countof(share); k++) {
        size_t skip = strlen(share[k]);
        if (strncmp(word, share[k], skip) != 0)
            continue;
        if (!nb_parse_u64(word + skip, &to) || to == 0)
            return false;
        *hit = k == 0 ? i < n / to : i >= n - n / to;
        return true;
    }
    char *dash = strchr(word, '-');
    if (dash)
        *dash = '\0';
    if (!nb_parse_u64(word, &from) || !nb_parse_u64(dash ? dash + 1 : word, &to) || from > to)
        return false;
    *hit = i >= from && i <= to;
    return true;
}

static bool layer_list(const char *list, uint32_t i, uint32_t n, bool *hit)
{
    *hit = false;
    for (const char *p = list;; p++) {
        bool one;
        size_t len = strcspn(p, ",");
        if (!layer_word(p, len, i, n, &one))
            return false;
        *hit |= one;
        p += len;
        if (!*p)
            return true;
    }
}

nb_status nb_recipe_add(nb_recipe *r, const char *text, nb_err *err)
{
    const char *eq = strrchr(text, '=');
    if (!eq || eq == text || eq[1] == '\0')
        return nb_fail(err, NB_USAGE, "rule \"%s\": expected PATTERN=TYPE", text);
    size_t len = (size_t)(eq - text);
    if (len >= sizeof r->rule[0].pattern)
        return nb_fail(err, NB_USAGE, "rule \"%s\": pattern has %zu bytes, at most %zu", text, len,
                       sizeof r->rule[0].pattern - 1);
    if (r->n_rules == NB_MAX_RULES)
        return nb_fail(err, NB_USAGE, "rule \"%s\": more than %d rules", text, NB_MAX_RULES);
    nb_rule *rule = &r->rule[r->n_rules];
    NB_TRY(nb_recipe_type(eq + 1, &rule->type, err));
    memcpy(rule->pattern, text, len);
    rule->pattern[len] = '\0';
    const char *layers = strchr(rule->pattern, '@');
    bool hit;
    if (layers && (layers == rule->pattern || !layer_list(layers + 1, 0, 0, &hit)))
        return nb_fail(err, NB_USAGE,
                       "rule \"%s\": after @ stand layers: 0-3, more, first/8, last/8", text);
    r->n_rules++;
    return NB_OK;
}

/* "ffn_down" stands for "*.ffn_down.weight", "output" for "output.weight". */
static bool pattern_matches(const char *pattern, const char *name, uint32_t n_layer)
{
    char glob[sizeof((nb_rule *)0)->pattern], whole[sizeof glob + 16];
    const char *layers = strchr(pattern, '@');
    bool hit;
    int layer = nb_layer_of(name);
    snprintf(glob, sizeof glob, "%.*s", (int)strcspn(pattern, "@"), pattern);
    if (layers && (layer < 0 || !layer_list(layers + 1, (uint32_t)layer, n_layer, &hit) || !hit))
        return false;
    if (nb_glob(glob, name))
        return true;
    snprintf(whole, sizeof whole, "%s.weight", glob);
    if (nb_glob(whole, name))
        return true;
    snprintf(whole, sizeof whole, "*.%s.weight", glob);
    return nb_glob(whole, name);
}

const nb_rule *nb_recipe_rule(const nb_recipe *r, const char *name, uint32_t n_layer)
{
    for (size_t i = 0; i < r->n_rules; i++)
        if (pattern_matches(r->rule[i].pattern, name, n_layer))
            return &r->rule[i];
    return NULL;
}
