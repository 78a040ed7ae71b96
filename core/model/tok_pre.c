#include "core/model/tok_pre.h"

#include <string.h>

#include "core/model/tok_pre_rules.h"

static const nb_pre table[] = {
#define MERGED                   NB_PRE_MERGED
#define BOS                      NB_PRE_BOS
#define NO_BOS_ID                NB_PRE_NO_BOS_ID
#define RAW                      NB_PRE_RAW
#define MARKS                    NB_PRE_MARKS
#define NEWLINES                 NB_PRE_NEWLINES
#define PRE(name, family, flags) {name, nb_pre_families[NB_PRE_##family], flags},
#include "core/model/pretok.def"
#undef PRE
#undef NEWLINES
#undef MARKS
#undef RAW
#undef NO_BOS_ID
#undef BOS
#undef MERGED
};

const nb_pre *nb_pre_find(const char *name, size_t n)
{
    for (size_t i = 0; i < countof(table); i++)
        if (strlen(table[i].name) == n && memcmp(table[i].name, name, n) == 0)
            return &table[i];
    return NULL;
}

void nb_split_open(nb_split *s, const nb_pre *pre, const nb_pre_text *text, size_t len)
{
    *s = (nb_split){.text = *text, .rules = pre->rules, .depth = 0};
    s->level[0].end = len;
}

/* One piece of the level's stretch: a match of its rule, or what lies before the next one. */
static void next_piece(nb_split *s, int depth, size_t *from, size_t *to)
{
    const nb_pre_rule *rule = &s->rules[depth];
    size_t end = s->level[depth].end, found = s->level[depth].found;
    *from = s->level[depth].at;
    s->level[depth].found = 0;
    if (!found) {
        size_t at = *from;
        while (at < end && !rule->match(&s->text, at, end, rule->arg, &found))
            at = found;
        if (at > *from) {
            s->level[depth].found = at < end ? found : 0;
            found = at;
        }
    }
    s->level[depth].at = *to = found;
}

bool nb_split_next(nb_split *s, size_t *from, size_t *to)
{
    while (s->depth >= 0) {
        if (s->level[s->depth].at == s->level[s->depth].end) {
            s->depth--;
            continue;
        }
        next_piece(s, s->depth, from, to);
        if (!s->rules[s->depth + 1].match)
            return true;
        s->depth++;
        s->level[s->depth].at = *from;
        s->level[s->depth].end = *to;
        s->level[s->depth].found = 0;
    }
    return false;
}
