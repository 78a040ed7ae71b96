#include "core/files/folder.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void nb_names_free(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

/* One more name into names[*n], *cap grown as needed. */
static nb_status add_name(char ***names, size_t *n, size_t *cap, const char *name, nb_err *err)
{
    if (*n == *cap) {
        size_t more = *cap ? *cap * 2 : 32;
        char **at = realloc(*names, more * sizeof *at);
        if (!at)
            return nb_fail(err, NB_NOMEM, "library: list of %zu names", more);
        *names = at;
        *cap = more;
    }
    (*names)[*n] = nb_strdup(name, err);
    if (!(*names)[*n])
        return NB_NOMEM;
    ++*n;
    return NB_OK;
}

nb_status nb_names_in(const char *dir, char ***out, size_t *n_out, nb_err *err)
{
    size_t n = 0, cap = 0;
    char **names = NULL;
    nb_status st = NB_OK;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && st == NB_OK && (e = readdir(d));)
        if (e->d_name[0] != '.')
            st = add_name(&names, &n, &cap, e->d_name, err);
    if (d)
        closedir(d);
    if (st != NB_OK) {
        nb_names_free(names, n);
        return st;
    }
    if (n)
        qsort(names, n, sizeof *names, by_name);
    *out = names;
    *n_out = n;
    return NB_OK;
}
