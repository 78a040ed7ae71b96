#include "core/quant/method.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/base/str.h"

#define NB_METHOD(row) extern const nb_method nb_method_##row;
#include "core/quant/methods.def"
#undef NB_METHOD

static const nb_method *const methods[] = {
#define NB_METHOD(row) &nb_method_##row,
#include "core/quant/methods.def"
#undef NB_METHOD
};

const nb_method *const *nb_methods(size_t *count)
{
    *count = countof(methods);
    return methods;
}

const nb_method *nb_method_find(const char *name)
{
    for (size_t i = 0; i < countof(methods); i++)
        if (strcasecmp(methods[i]->name, name) == 0)
            return methods[i];
    return NULL;
}

nb_knobs nb_method_knobs(const nb_method *m)
{
    return (nb_knobs){.group = m->group};
}

static nb_status one_of(int *out, const nb_method *m, unsigned knob, const char *option,
                        const char *text, const char *const *words, size_t n, nb_err *err)
{
    if (!(m->knobs & knob))
        return nb_fail(err, NB_USAGE, "--%s: method %s has no such choice", option, m->name);
    for (size_t i = 0; i < n; i++)
        if (strcmp(text, words[i]) == 0) {
            *out = (int)i;
            return NB_OK;
        }
    return nb_fail(err, NB_USAGE, "--%s: \"%s\" is not %s, ..., %s", option, text, words[0],
                   words[n - 1]);
}

static const char *const schemes[] = {"sym", "asym"};
static const char *const groups[] = {"tensor", "channel", "32", "64", "128"};
static const int group_of[] = {NB_GROUP_TENSOR, NB_GROUP_CHANNEL, 32, 64, 128};
static const char *const clips[] = {"minmax", "mse"};

nb_status nb_knobs_read(nb_knobs *out, const nb_method *m, const char *scheme, const char *group,
                        const char *clip, nb_err *err)
{
    nb_knobs k = *out;
    int i = 0;
    if (scheme)
        NB_TRY(one_of(&i, m, NB_KNOB_SCHEME, "scheme", scheme, schemes, countof(schemes), err));
    k.asymmetric = scheme ? i == 1 : k.asymmetric;
    if (group) {
        NB_TRY(one_of(&i, m, NB_KNOB_GROUP, "group", group, groups, countof(groups), err));
        k.group = group_of[i];
    }
    if (clip)
        NB_TRY(one_of(&i, m, NB_KNOB_CLIP, "clip", clip, clips, countof(clips), err));
    k.mse = clip ? i == 1 : k.mse;
    *out = k;
    return NB_OK;
}

static bool is_word(const char *word, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

static nb_status read_knob(nb_knobs *k, const nb_method *m, const char *word, nb_err *err)
{
    if (is_word(word, schemes, countof(schemes)))
        return nb_knobs_read(k, m, word, NULL, NULL, err);
    if (is_word(word, clips, countof(clips)))
        return nb_knobs_read(k, m, NULL, NULL, word, err);
    return nb_knobs_read(k, m, NULL, word, NULL, err);
}

nb_status nb_method_read(const nb_method **m, nb_knobs *k, const char *text, nb_err *err)
{
    char copy[96], *save = NULL;
    if ((size_t)snprintf(copy, sizeof copy, "%s", text) >= sizeof copy)
        return nb_fail(err, NB_USAGE, "method \"%.40s...\" is too long", text);
    const char *word = strtok_r(copy, " ", &save);
    const nb_method *found = word ? nb_method_find(word) : NULL;
    if (!found)
        return nb_fail(err, NB_USAGE, "no method \"%s\"", word ? word : "");
    nb_knobs knobs = nb_method_knobs(found);
    while ((word = strtok_r(NULL, " ", &save)))
        NB_TRY(read_knob(&knobs, found, word, err));
    *m = found;
    *k = knobs;
    return NB_OK;
}

void nb_method_text(const nb_method *m, const nb_knobs *k, char *out, size_t cap)
{
    size_t group = 0;
    while (group + 1 < countof(groups) && group_of[group] != k->group)
        group++;
    snprintf(out, cap, "%s%s%s%s%s%s%s", m->name, m->knobs & NB_KNOB_SCHEME ? " " : "",
             m->knobs & NB_KNOB_SCHEME ? schemes[k->asymmetric] : "",
             m->knobs & NB_KNOB_GROUP ? " " : "", m->knobs & NB_KNOB_GROUP ? groups[group] : "",
             m->knobs & NB_KNOB_CLIP ? " " : "", m->knobs & NB_KNOB_CLIP ? clips[k->mse] : "");
}
