#include "core/quant/patterns.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/regex.h"
#include "core/base/str.h"
#include "core/quant/recipe.h"

enum { MAX_PATTERNS = 4096, MAX_FILE = 1 << 20 };

typedef struct pattern {
    nb_regex *re; /* owned */
    char *text;   /* owned: as given, without the type */
    nk_type_id type;
} pattern;

struct nb_patterns {
    pattern *at; /* owned */
    size_t n, cap;
};

nb_status nb_patterns_open(nb_patterns **out, nb_err *err)
{
    *out = nb_alloc(1, sizeof **out, "patterns", err);
    return *out ? NB_OK : NB_NOMEM;
}

void nb_patterns_close(nb_patterns **p)
{
    if (!*p)
        return;
    for (size_t i = 0; i < (*p)->n; i++) {
        nb_regex_close(&(*p)->at[i].re);
        free((*p)->at[i].text);
    }
    free((*p)->at);
    free(*p);
    *p = NULL;
}

static nb_status room(nb_patterns *p, nb_err *err)
{
    if (p->n < p->cap)
        return NB_OK;
    if (p->n == MAX_PATTERNS)
        return nb_fail(err, NB_USAGE, "more than %d patterns", MAX_PATTERNS);
    size_t cap = p->cap ? 2 * p->cap : 16;
    pattern *at = nb_alloc(cap, sizeof *at, "patterns", err);
    if (!at)
        return NB_NOMEM;
    if (p->n)
        memcpy(at, p->at, p->n * sizeof *at);
    free(p->at);
    p->at = at;
    p->cap = cap;
    return NB_OK;
}

static void fold_case(char *s)
{
    for (; *s; s++)
        if (*s >= 'A' && *s <= 'Z')
            *s = (char)(*s | 32);
}

nb_status nb_patterns_add(nb_patterns *p, const char *text, nb_err *err)
{
    const char *eq = strchr(text, '=');
    pattern one = {0};
    if (!eq || eq == text || eq[1] == '\0')
        return nb_fail(err, NB_USAGE, "pattern \"%s\": expected REGEX=TYPE", text);
    NB_TRY(room(p, err));
    NB_TRY(nb_recipe_type(eq + 1, &one.type, err));
    one.text = nb_strdup(text, err);
    if (!one.text)
        return NB_NOMEM;
    one.text[eq - text] = '\0';
    fold_case(one.text);
    nb_status st = nb_regex_open(&one.re, one.text, err);
    if (st != NB_OK)
        free(one.text);
    else
        p->at[p->n++] = one;
    return st;
}

nb_status nb_patterns_read(nb_patterns *p, const char *path, nb_err *err)
{
    static const char blank[] = " \t\r\n\v\f";
    char *text = NULL, *save = NULL;
    size_t len;
    NB_TRY(nb_file_read(&text, &len, path, MAX_FILE, err));
    nb_status st = strlen(text) == len
                       ? NB_OK
                       : nb_fail(err, NB_FORMAT, "%s: holds a NUL byte: no text file", path);
    for (char *word = strtok_r(text, blank, &save); word && st == NB_OK;
         word = strtok_r(NULL, blank, &save))
        st = nb_patterns_add(p, word, err);
    free(text);
    return st;
}

size_t nb_patterns_count(const nb_patterns *p)
{
    return p ? p->n : 0;
}

const char *nb_patterns_text(const nb_patterns *p, size_t i)
{
    return p->at[i].text;
}

nk_type_id nb_patterns_type(const nb_patterns *p, size_t i)
{
    return p->at[i].type;
}

int nb_patterns_find(const nb_patterns *p, const char *name)
{
    for (size_t i = 0; p && i < p->n; i++)
        if (nb_regex_search(p->at[i].re, name))
            return (int)i;
    return -1;
}
