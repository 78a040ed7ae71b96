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

static nb_status target_type(const char *name, nk_type_id *out, nb_err *err)
{
    const nk_type *t = nk_type_find(name);
    if (!t)
        return nb_fail(err, NB_USAGE, "\"%s\" is no tensor type", name);
    if (!t->encode || t->activation_only)
        return nb_fail(err, NB_UNSUPPORTED, "type %s cannot be written", t->name);
    *out = t->id;
    return NB_OK;
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
    NB_TRY(target_type(eq + 1, &rule->type, err));
    memcpy(rule->pattern, text, len);
    rule->pattern[len] = '\0';
    r->n_rules++;
    return NB_OK;
}

/* "ffn_down" stands for "*.ffn_down.weight", "output" for "output.weight". */
static bool pattern_matches(const char *pattern, const char *name)
{
    char whole[sizeof((nb_rule *)0)->pattern + 16];
    if (nb_glob(pattern, name))
        return true;
    snprintf(whole, sizeof whole, "%s.weight", pattern);
    if (nb_glob(whole, name))
        return true;
    snprintf(whole, sizeof whole, "*.%s.weight", pattern);
    return nb_glob(whole, name);
}

const nb_rule *nb_recipe_rule(const nb_recipe *r, const char *name)
{
    for (size_t i = 0; i < r->n_rules; i++)
        if (pattern_matches(r->rule[i].pattern, name))
            return &r->rule[i];
    return NULL;
}
