#include "core/quant/recipe_file.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"

enum { MAX_TEXT = 64 * 1024, MAX_NAME = 64 };
static const char suffix[] = ".recipe";

/* --- text --------------------------------------------------------------------------------------
 */

static nb_status read_type(int *out, const char *value, nb_err *err)
{
    nk_type_id id;
    NB_TRY(nb_recipe_type(value, &id, err));
    *out = (int)id;
    return NB_OK;
}

static nb_status read_flag(bool *out, const char *value, nb_err *err)
{
    *out = true;
    return *value ? nb_fail(err, NB_USAGE, "takes no value, found \"%s\"", value) : NB_OK;
}

static nb_status read_preset(nb_recipe *r, const char *value, nb_err *err)
{
    r->preset = nb_preset_find(value);
    return r->preset ? NB_OK : nb_fail(err, NB_USAGE, "no preset \"%s\"", value);
}

static nb_status read_line(nb_recipe *r, const char *key, const char *value, nb_err *err)
{
    if (strcmp(key, "preset") == 0)
        return read_preset(r, value, err);
    if (strcmp(key, "pure") == 0)
        return read_flag(&r->pure, value, err);
    if (strcmp(key, "leave-output-tensor") == 0)
        return read_flag(&r->leave_output, value, err);
    if (strcmp(key, "output-tensor-type") == 0)
        return read_type(&r->output_type, value, err);
    if (strcmp(key, "token-embedding-type") == 0)
        return read_type(&r->embd_type, value, err);
    if (strcmp(key, "rule") == 0)
        return nb_recipe_add(r, value, err);
    return nb_fail(err, NB_USAGE, "an unknown word");
}

/* Splits at the first blanks; trailing ones go. */
static char *value_of(char *line)
{
    size_t n = strlen(line);
    while (n && strchr(" \t\r", line[n - 1]))
        line[--n] = '\0';
    char *value = line + strcspn(line, " \t");
    if (*value)
        *value++ = '\0';
    return value + strspn(value, " \t");
}

static nb_status read_text(nb_recipe *r, char *text, const char *name, nb_err *err)
{
    size_t no = 0;
    for (char *line = text, *next; line; line = next) {
        char *end = strchr(line, '\n');
        next = end ? end + 1 : NULL;
        if (end)
            *end = '\0';
        no++;
        line += strspn(line, " \t");
        char *value = value_of(line);
        nb_err why = {0};
        if (*line == '\0' || *line == '#')
            continue;
        if (read_line(r, line, value, &why) != NB_OK)
            return nb_fail(err, NB_FORMAT, "%s: line %zu: %.40s: %.200s", name, no, line, why.msg);
    }
    return r->preset ? NB_OK : nb_fail(err, NB_FORMAT, "%s: no line says \"preset\"", name);
}

nb_status nb_recipe_parse(nb_recipe *out, const char *text, size_t n, const char *name, nb_err *err)
{
    nb_recipe r;
    nb_recipe_init(&r, NULL);
    if (n > MAX_TEXT || memchr(text, '\0', n))
        return nb_fail(err, NB_FORMAT, "%s: no recipe: %s", name,
                       n > MAX_TEXT ? "too long" : "it holds a NUL byte");
    char *copy = nb_alloc(n + 1, 1, "recipe", err);
    if (!copy)
        return NB_NOMEM;
    memcpy(copy, text, n);
    nb_status st = read_text(&r, copy, name, err);
    free(copy);
    if (st == NB_OK)
        *out = r;
    return st;
}

void nb_recipe_print(const nb_recipe *r, nb_str *out)
{
    nb_str_addf(out, "preset %s\n", r->preset->name);
    if (r->pure)
        nb_str_add(out, "pure\n");
    if (r->leave_output)
        nb_str_add(out, "leave-output-tensor\n");
    if (r->output_type >= 0)
        nb_str_addf(out, "output-tensor-type %s\n", nk_type_get((uint32_t)r->output_type)->name);
    if (r->embd_type >= 0)
        nb_str_addf(out, "token-embedding-type %s\n", nk_type_get((uint32_t)r->embd_type)->name);
    for (size_t i = 0; i < r->n_rules; i++)
        nb_str_addf(out, "rule %s=%s\n", r->rule[i].pattern, nk_type_get(r->rule[i].type)->name);
}

/* --- files -------------------------------------------------------------------------------------
 */

bool nb_recipe_name_ok(const char *name)
{
    size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
    return n > 0 && n <= MAX_NAME && name[n] == '\0' && name[0] != '.';
}

nb_status nb_recipe_path(char *out, size_t cap, const nb_config *cfg, const char *name, nb_err *err)
{
    if (!nb_recipe_name_ok(name))
        return nb_fail(
            err, NB_USAGE,
            "\"%.80s\" is no name for a recipe: 1 to %d letters, digits, \".\", \"_\" or "
            "\"-\"",
            name, MAX_NAME);
    int n = snprintf(out, cap, "%s/recipes/%s%s", cfg->data_dir, name, suffix);
    return n > 0 && (size_t)n < cap ? NB_OK : nb_fail(err, NB_IO, "recipe %s: path too long", name);
}

nb_status nb_recipe_load(nb_recipe *out, const nb_config *cfg, const char *name, nb_err *err)
{
    char path[1200], *text;
    size_t n;
    bool saved = nb_recipe_name_ok(name) &&
                 nb_recipe_path(path, sizeof path, cfg, name, err) == NB_OK && nb_exists(path);
    if (!saved && !nb_exists(name))
        return nb_fail(err, NB_NOTFOUND, "no recipe and no file \"%.200s\"", name);
    NB_TRY(nb_file_read(&text, &n, saved ? path : name, MAX_TEXT, err));
    nb_status st = nb_recipe_parse(out, text, n, name, err);
    free(text);
    return st;
}

nb_status nb_recipe_save(const nb_recipe *r, const nb_config *cfg, const char *name, bool force,
                         nb_err *err)
{
    char path[1200], dir[1100];
    nb_str text = {0};
    NB_TRY(nb_recipe_path(path, sizeof path, cfg, name, err));
    if (!force && nb_exists(path))
        return nb_fail(err, NB_REFUSED, "recipe %s exists already: --force replaces it", name);
    snprintf(dir, sizeof dir, "%s/recipes", cfg->data_dir);
    NB_TRY(nb_mkdirs(dir, err));
    nb_recipe_print(r, &text);
    nb_status st = text.failed ? nb_fail(err, NB_NOMEM, "recipe: out of memory")
                               : nb_replace_file(path, text.at, text.len, 0, err);
    nb_str_free(&text);
    return st;
}

/* By what stands before the suffix: "a" comes before "a.2". */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    const char *x = (*a)->d_name, *y = (*b)->d_name;
    size_t n = strlen(x) - strlen(suffix), m = strlen(y) - strlen(suffix);
    int c = memcmp(x, y, n < m ? n : m);
    return c ? c : (n > m) - (n < m);
}

static int is_recipe(const struct dirent *e)
{
    char name[MAX_NAME + 1];
    size_t n = strlen(e->d_name), end = sizeof suffix - 1;
    if (!nb_has_suffix(e->d_name, suffix) || n - end > MAX_NAME)
        return 0;
    snprintf(name, sizeof name, "%.*s", (int)(n - end), e->d_name);
    return nb_recipe_name_ok(name);
}

nb_status nb_recipe_each(const nb_config *cfg, void (*see)(void *ud, const char *name), void *ud,
                         nb_err *err)
{
    char dir[1100];
    struct dirent **found = NULL;
    snprintf(dir, sizeof dir, "%s/recipes", cfg->data_dir);
    int n = scandir(dir, &found, is_recipe, by_name);
    if (n < 0)
        return errno == ENOENT ? NB_OK : nb_fail_errno(err, errno, "list", dir);
    for (int i = 0; i < n; i++) {
        found[i]->d_name[strlen(found[i]->d_name) - strlen(suffix)] = '\0';
        see(ud, found[i]->d_name);
        free(found[i]);
    }
    free(found);
    return NB_OK;
}
