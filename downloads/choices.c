/* Which files of a repository make one model (hub 21). GGUF files are grouped into quants by the
 * name of their shards; safetensors files into one checkpoint with its configuration and tokenizer.
 * All from names and sizes alone: nothing is asked of the server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/str.h"
#include "downloads/hub.h"

/* --- quant names ---------------------------------------------------------------------------------
 */

/* Names that are no Q-number: spelled as llama.cpp's file types and the Hub's files do. */
static const char *const plain_types[] = {"F16",  "FP16", "BF16",     "F32",   "FP32",
                                          "FP8",  "F8",   "MXFP4",    "NVFP4", "MXFP4_MOE",
                                          "INT8", "INT4", "Q8_0_FP16"};

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool alnum(char c)
{
    return digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool same_run(const char *a, size_t n, const char *word)
{
    char copy[32];
    if (n != strlen(word) || n >= sizeof copy)
        return false;
    memcpy(copy, a, n);
    copy[n] = '\0';
    return nb_same_word(copy, word);
}

/* "Q4_K_M", "IQ2_XXS", "TQ1_0", "q8_0": [IT]Q, a digit, then parts behind underscores. */
static bool is_quant(const char *s, size_t n)
{
    for (size_t i = 0; i < countof(plain_types); i++)
        if (same_run(s, n, plain_types[i]))
            return true;
    size_t at = n && strchr("iItT", s[0]) ? 1 : 0;
    if (n < at + 2 || (s[at] != 'q' && s[at] != 'Q') || !digit(s[at + 1]))
        return false;
    for (at += 2; at < n; at++)
        if (!alnum(s[at]) && !(s[at] == '_' && at + 1 < n && alnum(s[at + 1])))
            return false;
    return true;
}

/* Where the quant that ends a part begins: "Q4_K_M", or its longest tail behind an underscore,
 * "model_7b_Q4_K_M". n = it names none. */
static size_t quant_start(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((i == 0 || s[i - 1] == '_') && is_quant(s + i, n - i))
            return i;
    return n;
}

/* The quant a run of text names: in its last part between '-' and '.' that has one, with unsloth's
 * "UD-" before it. False when it names none. */
static bool find_quant(const char *s, size_t n, const char **at, size_t *len)
{
    bool found = false;
    for (size_t i = 0, k; i < n; i = k + 1) {
        k = i;
        while (k < n && s[k] != '-' && s[k] != '.')
            k++;
        size_t q = i + quant_start(s + i, k - i);
        if (q == k)
            continue;
        bool dynamic = q == i && i >= 3 && strncmp(s + i - 3, "UD-", 3) == 0 &&
                       (i == 3 || s[i - 4] == '-' || s[i - 4] == '.' || s[i - 4] == '/');
        *at = s + q - (dynamic ? 3 : 0);
        *len = k - q + (dynamic ? 3 : 0);
        found = true;
    }
    return found;
}

/* --- grouping ------------------------------------------------------------------------------------
 */

/* One weights file: the set it belongs to and its number there. */
typedef struct part {
    const char *stem; /* path up to the shard number or the suffix; borrowed */
    size_t n;
    uint32_t no, count; /* 1 of 1 = not split */
    size_t file;
} part;

/* "a/m-00001-of-00003.safetensors": as nb_gguf_split_name, for any suffix. */
static part part_of(const dl_repo *repo, size_t file, const char *suffix)
{
    char twin[1200];
    const char *path = repo->file[file].path;
    part p = {path, strlen(path) - strlen(suffix), 1, 1, file};
    int n = snprintf(twin, sizeof twin, "%.*s.gguf", (int)p.n, path);
    if (n > 0 && (size_t)n < sizeof twin)
        nb_gguf_split_name(twin, &p.n, &p.no, &p.count);
    return p;
}

static int by_set(const part *a, const part *b)
{
    int c = memcmp(a->stem, b->stem, a->n < b->n ? a->n : b->n);
    if (c)
        return c;
    if (a->n != b->n)
        return a->n < b->n ? -1 : 1;
    return a->count < b->count ? -1 : a->count > b->count;
}

static int by_part(const void *x, const void *y)
{
    const part *a = x, *b = y;
    int c = by_set(a, b);
    if (c)
        return c;
    return a->no < b->no ? -1 : a->no > b->no;
}

static nb_status add_file(dl_choice *c, const dl_repo *repo, size_t file, nb_err *err)
{
    if ((c->n_file & (c->n_file - 1)) == 0) { /* full at every power of two */
        size_t *more = realloc(c->file, (c->n_file ? c->n_file * 2 : 1) * sizeof *more);
        if (!more)
            return nb_fail(err, NB_NOMEM, "%s: list of %zu files", c->name, c->n_file + 1);
        c->file = more;
    }
    c->file[c->n_file++] = file;
    c->bytes += repo->file[file].size;
    return NB_OK;
}

/* A new choice at the end, or NULL. */
static dl_choice *add_choice(dl_choices *cs, const char *name, size_t n, nb_err *err)
{
    if ((cs->n & (cs->n - 1)) == 0) {
        dl_choice *more = realloc(cs->at, (cs->n ? cs->n * 2 : 1) * sizeof *more);
        if (!more) {
            nb_fail(err, NB_NOMEM, "list of %zu choices", cs->n + 1);
            return NULL;
        }
        cs->at = more;
    }
    dl_choice *c = &cs->at[cs->n++];
    *c = (dl_choice){.complete = true};
    snprintf(c->name, sizeof c->name, "%.*s", (int)n, name);
    return c;
}

/* n parts of one set, in order, into c; tells the first that is missing. */
static nb_status add_parts(dl_choice *c, const dl_repo *repo, const part *p, size_t n, nb_err *err)
{
    uint32_t want = 1;
    for (size_t i = 0; i < n; i++) {
        if (p[i].no == want)
            want++;
        NB_TRY(add_file(c, repo, p[i].file, err));
    }
    c->complete = want == p->count + 1;
    c->missing_no = c->complete ? 0 : want;
    c->missing_of = c->complete ? 0 : p->count;
    return NB_OK;
}

/* All files with this suffix that `wanted` wants, grouped: parts of a set stand together. malloc'd.
 */
static nb_status find_parts(const dl_repo *repo, const char *suffix,
                            bool (*wanted)(const char *path), part **out, size_t *n_out,
                            nb_err *err)
{
    size_t n = 0;
    part *p = nb_alloc(repo->n_file + 1, sizeof *p, "files of a repository", err);
    if (!p)
        return NB_NOMEM;
    for (size_t i = 0; i < repo->n_file; i++)
        if (nb_has_suffix(repo->file[i].path, suffix) && wanted(repo->file[i].path))
            p[n++] = part_of(repo, i, suffix);
    if (n)
        qsort(p, n, sizeof *p, by_part);
    *out = p;
    *n_out = n;
    return NB_OK;
}

static size_t set_end(const part *p, size_t n, size_t i)
{
    size_t k = i + 1;
    while (k < n && by_set(&p[i], &p[k]) == 0)
        k++;
    return k;
}

static bool has_word(const char *path, const char *word)
{
    size_t n = strlen(word);
    for (; *path; path++) {
        size_t i = 0;
        while (i < n && path[i] && (path[i] | 0x20) == word[i])
            i++;
        if (i == n)
            return true;
    }
    return false;
}

/* What a GGUF set is called: the quant its file names, else the one its folder names, else the
 * file's own name. A projector keeps its word: "mmproj-F16". */
static void name_gguf(char out[128], const part *g, bool mmproj)
{
    const char *at, *base = g->stem;
    size_t len;
    for (size_t i = 0; i < g->n; i++)
        if (g->stem[i] == '/')
            base = g->stem + i + 1;
    size_t n = g->n - (size_t)(base - g->stem);
    bool found = find_quant(base, n, &at, &len);
    for (const char *end = base; !found && end > g->stem;) { /* its folders, nearest first */
        const char *from = --end;
        while (from > g->stem && from[-1] != '/')
            from--;
        found = find_quant(from, (size_t)(end - from), &at, &len);
        end = from;
    }
    if (found && mmproj)
        snprintf(out, 128, "mmproj-%.*s", (int)len, at);
    else
        snprintf(out, 128, "%.*s", found ? (int)len : (int)n, found ? at : base);
}

static bool is_gguf_model(const char *path)
{
    return !has_word(nb_path_base(path), "imatrix");
}

static nb_status add_gguf(dl_choices *out, const dl_repo *repo, const part *p, size_t n,
                          nb_err *err)
{
    char name[128];
    bool mmproj = has_word(nb_path_base(repo->file[p->file].path), "mmproj");
    name_gguf(name, p, mmproj);
    dl_choice *c = add_choice(out, name, strlen(name), err);
    if (!c)
        return NB_NOMEM;
    c->kind = mmproj ? DL_CHOICE_MMPROJ : DL_CHOICE_GGUF;
    return add_parts(c, repo, p, n, err);
}

static nb_status add_ggufs(dl_choices *out, const dl_repo *repo, nb_err *err)
{
    size_t n;
    part *p;
    NB_TRY(find_parts(repo, ".gguf", is_gguf_model, &p, &n, err));
    nb_status st = NB_OK;
    for (size_t i = 0, end; i < n && st == NB_OK; i = end) {
        end = set_end(p, n, i);
        st = add_gguf(out, repo, p + i, end - i, err);
    }
    free(p);
    return st;
}

/* --- safetensors ---------------------------------------------------------------------------------
 */

/* What a checkpoint needs beside its weights, all in the repository's root (hub.md 1.3; files that
 * transformers and llama.cpp's converter read). */
static const char *const companions[] = {
    "README.md",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "config.json",
    "generation_config.json",
    "merges.txt",
    "model.safetensors.index.json",
    "preprocessor_config.json",
    "special_tokens_map.json",
    "tekken.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
};

/* Neither an adapter nor the original author's consolidated copy of the same weights. */
static bool is_checkpoint(const char *path)
{
    return !strchr(path, '/') && !has_word(path, "adapter") && !has_word(path, "consolidated");
}

static nb_status add_companions(dl_choice *c, const dl_repo *repo, nb_err *err)
{
    for (size_t i = 0; i < repo->n_file; i++)
        for (size_t k = 0; k < countof(companions); k++)
            if (strcmp(repo->file[i].path, companions[k]) == 0)
                NB_TRY(add_file(c, repo, i, err));
    return NB_OK;
}

/* The set called "model", else the only one there is. Small files first: they tell what is coming.
 */
static nb_status add_checkpoint(dl_choices *out, const dl_repo *repo, nb_err *err)
{
    size_t n, at = 0, sets = 0;
    part *p;
    NB_TRY(find_parts(repo, ".safetensors", is_checkpoint, &p, &n, err));
    for (size_t i = 0; i < n; i = set_end(p, n, i)) {
        bool model = p[i].n == 5 && memcmp(p[i].stem, "model", 5) == 0;
        if (model || sets == 0)
            at = i;
        sets++;
        if (model) {
            sets = 1;
            break;
        }
    }
    nb_status st = NB_OK;
    if (sets == 1) {
        dl_choice *c = add_choice(out, "safetensors", strlen("safetensors"), err);
        st = c ? add_companions(c, repo, err) : NB_NOMEM;
        if (st == NB_OK)
            st = add_parts(c, repo, p + at, set_end(p, n, at) - at, err);
    }
    free(p);
    return st;
}

/* --- the list ------------------------------------------------------------------------------------
 */

static nb_status add_others(dl_choices *out, const dl_repo *repo, nb_err *err)
{
    bool *taken = nb_alloc(repo->n_file + 1, sizeof *taken, "files of a repository", err);
    if (!taken)
        return NB_NOMEM;
    for (size_t i = 0; i < out->n; i++)
        for (size_t k = 0; k < out->at[i].n_file; k++)
            taken[out->at[i].file[k]] = out->at[i].kind != DL_CHOICE_CHECKPOINT;
    nb_status st = NB_OK;
    for (size_t i = 0; i < repo->n_file && st == NB_OK; i++) {
        const char *path = repo->file[i].path;
        if (taken[i])
            continue;
        dl_choice *c = add_choice(out, path, strlen(path), err);
        st = c ? add_file(c, repo, i, err) : NB_NOMEM;
        if (c)
            c->kind = DL_CHOICE_FILE;
    }
    free(taken);
    return st;
}

nb_status dl_choices_make(const dl_repo *repo, dl_choices *out, nb_err *err)
{
    dl_choices cs = {0};
    nb_status st = add_checkpoint(&cs, repo, err);
    if (st == NB_OK)
        st = add_ggufs(&cs, repo, err);
    if (st == NB_OK)
        st = add_others(&cs, repo, err);
    if (st != NB_OK)
        dl_choices_free(&cs);
    else
        *out = cs;
    return st;
}

void dl_choices_free(dl_choices *c)
{
    for (size_t i = 0; i < c->n; i++)
        free(c->at[i].file);
    free(c->at);
    *c = (dl_choices){0};
}
