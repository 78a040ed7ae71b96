/* What a wish means in a repository (hub 21): a quant's name, a file, or nothing at all. */
#include <string.h>

#include "core/base/file.h"
#include "core/base/str.h"
#include "downloads/hub.h"

enum { NAMES_SHOWN = 6 }; /* candidates in a message */

/* A model, not a projector and not a loose file. */
static bool is_model(const dl_choice *c)
{
    return c->kind == DL_CHOICE_CHECKPOINT || c->kind == DL_CHOICE_GGUF;
}

static const char *first_path(const dl_repo *repo, const dl_choice *c)
{
    return repo->file[c->file[0]].path;
}

typedef bool match_fn(const dl_repo *repo, const dl_choice *c, const char *tag);

static bool has_path(const dl_repo *repo, const dl_choice *c, const char *tag)
{
    for (size_t i = 0; i < c->n_file && c->kind != DL_CHOICE_CHECKPOINT; i++)
        if (strcmp(repo->file[c->file[i]].path, tag) == 0)
            return true;
    return false;
}

static bool has_base(const dl_repo *repo, const dl_choice *c, const char *tag)
{
    for (size_t i = 0; i < c->n_file && c->kind != DL_CHOICE_CHECKPOINT; i++)
        if (strcmp(nb_path_base(repo->file[c->file[i]].path), tag) == 0)
            return true;
    return false;
}

static bool has_name(const dl_repo *repo, const dl_choice *c, const char *tag)
{
    (void)repo;
    return c->kind != DL_CHOICE_FILE && nb_same_word(c->name, tag);
}

static bool any_model(const dl_repo *repo, const dl_choice *c, const char *tag)
{
    (void)repo;
    (void)tag;
    return is_model(c);
}

static size_t count(const dl_repo *repo, const dl_choices *cs, match_fn *fits, const char *tag,
                    const dl_choice **last)
{
    size_t n = 0;
    for (size_t i = 0; i < cs->n; i++)
        if (fits(repo, &cs->at[i], tag)) {
            n++;
            *last = &cs->at[i];
        }
    return n;
}

/* Names (or, where those are equal, paths) of what fits, cut to what a message holds. */
static void list(nb_str *out, const dl_repo *repo, const dl_choices *cs, match_fn *fits,
                 const char *tag)
{
    size_t shown = 0, more = 0;
    for (size_t i = 0; i < cs->n; i++) {
        const dl_choice *c = &cs->at[i], *same;
        if (!fits(repo, c, tag))
            continue;
        if (shown == NAMES_SHOWN || out->len > 120) {
            more++;
            continue;
        }
        bool alone = count(repo, cs, has_name, c->name, &same) == 1;
        nb_str_addf(out, "%s%s", shown++ ? ", " : "", alone ? c->name : first_path(repo, c));
    }
    if (more)
        nb_str_addf(out, " and %zu more", more);
}

static nb_status refuse(const dl_repo *repo, const dl_choices *cs, match_fn *fits, const char *tag,
                        nb_status status, const char *why, nb_err *err)
{
    nb_str names = {0};
    list(&names, repo, cs, fits, tag);
    nb_status st = nb_fail(err, status, "%s: %s%s%s", repo->model.id, why, names.len ? ": " : "",
                           nb_str_c(&names));
    nb_str_free(&names);
    return st;
}

static nb_status whole(const dl_repo *repo, const dl_choice *c, const dl_choice **out, nb_err *err)
{
    if (!c->complete)
        return nb_fail(err, NB_FORMAT, "%s: %s: part %u of %u is not in the repository",
                       repo->model.id, c->name, c->missing_no, c->missing_of);
    *out = c;
    return NB_OK;
}

/* No wish: the checkpoint, else the only model, else what llama.cpp and ollama take. */
static nb_status pick_default(const dl_repo *repo, const dl_choices *cs, const dl_choice **out,
                              nb_err *err)
{
    static const char *const usual[] = {"safetensors", "Q4_K_M", "Q8_0"};
    const dl_choice *c = NULL;
    size_t n = count(repo, cs, any_model, NULL, &c);
    if (n == 1)
        return whole(repo, c, out, err);
    for (size_t i = 0; i < countof(usual) && n; i++)
        if (count(repo, cs, has_name, usual[i], &c) == 1)
            return whole(repo, c, out, err);
    if (n == 0)
        return nb_fail(err, NB_NOTFOUND, "%s: holds no GGUF and no safetensors model",
                       repo->model.id);
    return refuse(repo, cs, any_model, NULL, NB_USAGE, "several models, name one", err);
}

nb_status dl_pick(const dl_repo *repo, const dl_choices *cs, const char *tag, const dl_choice **out,
                  nb_err *err)
{
    static match_fn *const ways[] = {has_path, has_name, has_base};
    if (!tag || !*tag)
        return pick_default(repo, cs, out, err);
    for (size_t i = 0; i < countof(ways); i++) {
        const dl_choice *c = NULL;
        size_t n = count(repo, cs, ways[i], tag, &c);
        if (n == 1)
            return whole(repo, c, out, err);
        if (n > 1)
            return refuse(repo, cs, ways[i], tag, NB_USAGE, "several files fit, name one", err);
    }
    nb_str why = {0};
    nb_str_addf(&why, "no %s here, there is", tag);
    nb_status st = refuse(repo, cs, any_model, NULL, NB_NOTFOUND, nb_str_c(&why), err);
    nb_str_free(&why);
    return st;
}

const dl_choice *dl_pick_mmproj(const dl_repo *repo, const dl_choices *cs, const dl_choice *model)
{
    const char *path = first_path(repo, model);
    const dl_choice *best = NULL;
    size_t deepest = 0;
    for (size_t i = 0; i < cs->n; i++) {
        const dl_choice *c = &cs->at[i];
        if (c->kind != DL_CHOICE_MMPROJ || !c->complete)
            continue;
        const char *at = first_path(repo, c);
        size_t shared = 1, k = 0; /* folders in common, + 1 */
        for (; path[k] && path[k] == at[k]; k++)
            shared += path[k] == '/';
        bool inside = !strchr(at + k, '/'); /* it lies in the model's folder or above it */
        if (inside && (shared > deepest || (shared == deepest && best && c->bytes < best->bytes))) {
            best = c;
            deepest = shared;
        }
    }
    return best;
}
