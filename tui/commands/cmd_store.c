/* ls, verify: the models on this machine, and whether the Hugging Face cache holds what it says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/hub_env.h"
#include "core/files/library.h"
#include "tui/commands/store.h"

/* --- common ------------------------------------------------------------------------------------
 */

nb_status ui_cache_open(dl_cache *out, nb_err *err)
{
    nb_hub_env *env = nb_alloc(1, sizeof *env, "environment", err);
    if (!env)
        return NB_NOMEM;
    nb_hub_env_load(env, NULL); /* what is odd about the token is not asked here */
    nb_status st = dl_cache_open(out, env, err);
    nb_hub_env_wipe(env);
    free(env);
    return st;
}

void ui_print_json(nb_str *text)
{
    puts(nb_str_c(text));
    nb_str_free(text);
}

/* "3d", "5h", "12m", "8s": the largest unit that fits. */
const char *ui_age_text(char out[24], double seconds)
{
    static const struct {
        double in;
        char unit;
    } row[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    size_t i = 0;
    while (i + 1 < countof(row) && seconds < row[i].in)
        i++;
    snprintf(out, 24, "%.0f%c", seconds / row[i].in, row[i].unit);
    return out;
}

/* --- ls ----------------------------------------------------------------------------------------
 */

static const char *const store_name[] = {
    [NB_STORE_DEMO] = "demo",        [NB_STORE_GIVEN] = "given", [NB_STORE_HERE] = "here",
    [NB_STORE_OWN] = "own",          [NB_STORE_HF] = "hf",       [NB_STORE_OLLAMA] = "ollama",
    [NB_STORE_LMSTUDIO] = "lmstudio"};

static void json_models(nb_jout *w, const nb_library *lib)
{
    nb_jout_key(w, "models"), nb_jout_array(w);
    for (size_t i = 0; i < nb_library_count(lib); i++) {
        const nb_entry *e = nb_library_at(lib, i);
        nb_jout_object(w);
        nb_jout_key(w, "store"), nb_jout_str(w, store_name[e->store]);
        nb_jout_key(w, "name"), nb_jout_str(w, e->name);
        nb_jout_key(w, "path"), nb_jout_str(w, e->path);
        nb_jout_key(w, "type"), nb_jout_str(w, e->type_name);
        nb_jout_key(w, "bytes"), nb_jout_u64(w, e->bytes);
        nb_jout_key(w, "params"), nb_jout_u64(w, e->params);
        nb_jout_key(w, "source"), nb_jout_str(w, e->source);
        nb_jout_key(w, "problem"), nb_jout_str(w, e->problem);
        nb_jout_object_end(w);
    }
    nb_jout_array_end(w);
}

static void json_leftover(nb_jout *w, const dl_leftover *l)
{
    nb_jout_object(w);
    nb_jout_key(w, "repo"), nb_jout_str(w, l->repo);
    nb_jout_key(w, "oid"), nb_jout_str(w, l->oid);
    nb_jout_key(w, "path"), nb_jout_str(w, l->path);
    nb_jout_key(w, "bytes"), nb_jout_u64(w, l->bytes);
    nb_jout_key(w, "size"), nb_jout_u64(w, l->size);
    nb_jout_key(w, "age"), nb_jout_double(w, l->age);
    nb_jout_key(w, "live"), nb_jout_bool(w, l->live);
    nb_jout_object_end(w);
}

static void json_run_leftover(nb_jout *w, const nb_leftover *l)
{
    nb_jout_object(w);
    nb_jout_key(w, "output"), nb_jout_str(w, l->output);
    nb_jout_key(w, "path"), nb_jout_str(w, l->size ? l->part : l->journal);
    nb_jout_key(w, "bytes"), nb_jout_u64(w, l->bytes);
    nb_jout_key(w, "size"), nb_jout_u64(w, l->size);
    nb_jout_key(w, "age"), nb_jout_double(w, l->age);
    nb_jout_key(w, "live"), nb_jout_bool(w, l->live);
    nb_jout_object_end(w);
}

static void json_store(nb_jout *w, const dl_store *s, const nb_leftovers *runs)
{
    nb_jout_key(w, "repos"), nb_jout_array(w);
    for (size_t i = 0; i < s->n_repo; i++) {
        const dl_repo_row *r = &s->repo[i];
        nb_jout_object(w);
        nb_jout_key(w, "repo"), nb_jout_str(w, r->repo);
        nb_jout_key(w, "files"), nb_jout_u64(w, r->n_file);
        nb_jout_key(w, "revisions"), nb_jout_u64(w, r->n_snapshot);
        nb_jout_key(w, "bytes"), nb_jout_u64(w, r->bytes);
        nb_jout_key(w, "leftovers"), nb_jout_u64(w, r->n_leftover);
        nb_jout_key(w, "leftover_bytes"), nb_jout_u64(w, r->partial);
        nb_jout_key(w, "used"), nb_jout_i64(w, r->used);
        nb_jout_key(w, "problem"), nb_jout_str(w, r->problem);
        nb_jout_object_end(w);
    }
    nb_jout_array_end(w);
    nb_jout_key(w, "leftovers"), nb_jout_array(w);
    for (size_t i = 0; i < s->n_left; i++)
        json_leftover(w, &s->left[i]);
    nb_jout_array_end(w);
    nb_jout_key(w, "unfinished"), nb_jout_array(w);
    for (size_t i = 0; i < runs->n; i++)
        json_run_leftover(w, &runs->at[i]);
    nb_jout_array_end(w);
    nb_jout_key(w, "trash"), nb_jout_object(w);
    nb_jout_key(w, "items"), nb_jout_u64(w, s->n_trash);
    nb_jout_key(w, "bytes"), nb_jout_u64(w, s->trash_bytes);
    nb_jout_object_end(w);
}

static void list_models(const nb_library *lib)
{
    char line[500], bytes[16];
    if (nb_library_count(lib))
        puts("STORE     TYPE          SIZE  NAME");
    for (size_t i = 0; i < nb_library_count(lib); i++) {
        const nb_entry *e = nb_library_at(lib, i);
        snprintf(line, sizeof line, "%-9s %-9s %8s  %s%s%s%s%s", store_name[e->store], e->type_name,
                 nb_human_bytes(bytes, e->bytes), e->name, e->source[0] ? "  of " : "", e->source,
                 e->problem[0] ? "  ! " : "", e->problem);
        ui_print_line(line);
    }
}

static void list_repos(const dl_store *s, const char *hub)
{
    char line[1300], bytes[16], partial[16], age[24];
    if (!s->n_repo)
        return;
    snprintf(line, sizeof line, "\nHugging Face cache %s", hub);
    ui_print_line(line);
    puts("FILES  REVISIONS      SIZE  LEFTOVERS    AGE  REPOSITORY");
    for (size_t i = 0; i < s->n_repo; i++) {
        const dl_repo_row *r = &s->repo[i];
        double old = difftime(time(NULL), (time_t)r->used);
        snprintf(line, sizeof line, "%5zu  %9zu  %8s  %9s  %5s  %s%s%s", r->n_file, r->n_snapshot,
                 nb_human_bytes(bytes, r->bytes),
                 r->n_leftover ? nb_human_bytes(partial, r->partial) : "-",
                 ui_age_text(age, old > 0 ? old : 0), r->repo, r->problem[0] ? "  ! " : "",
                 r->problem);
        ui_print_line(line);
    }
}

static void print_leftover(uint64_t bytes, uint64_t size, double age, bool live, double older,
                           const char *path)
{
    char line[1800], have[16], all[16], old[24];
    const char *what = live ? "running" : older < 0 || age < older ? "kept" : "goes";
    snprintf(line, sizeof line, "%8s  %8s  %5s  %-7s  %s", nb_human_bytes(have, bytes),
             size ? nb_human_bytes(all, size) : "?", ui_age_text(old, age), what, path);
    ui_print_line(line);
}

/* older: s, from which on gc takes a dead one; < 0 = no such column. */
void ui_print_leftovers(const dl_store *s, const nb_leftovers *runs, double older)
{
    char bytes[16];
    if (s->n_left || runs->n)
        puts("\nLEFTOVER        OF    AGE         FILE");
    for (size_t i = 0; i < s->n_left; i++) {
        const dl_leftover *l = &s->left[i];
        print_leftover(l->bytes, l->size, l->age, l->live, older, l->path);
    }
    for (size_t i = 0; i < runs->n; i++) {
        const nb_leftover *l = &runs->at[i];
        print_leftover(l->bytes, l->size, l->age, l->live, older, l->size ? l->part : l->journal);
    }
    if (s->n_trash)
        printf("\ntrash: %zu deleted, %s\n", s->n_trash, nb_human_bytes(bytes, s->trash_bytes));
}

static nb_status run_ls(ui_ctx *ctx, nb_err *err)
{
    dl_cache cache;
    dl_store store = {0};
    nb_leftovers runs = {.n = 0};
    nb_library *lib = NULL;
    nb_hooks hooks = ui_ctx_hooks(ctx);
    bool has_cache = ui_cache_open(&cache, NULL) == NB_OK; /* without a home there is none */
    NB_TRY(nb_library_scan(&lib, &ctx->cfg, ctx->args, ctx->n_args, &hooks, err));
    nb_status st = has_cache ? dl_store_scan(&cache, &store, &hooks, err) : NB_OK;
    if (st == NB_OK)
        st = nb_leftovers_find(&runs, &ctx->cfg, ctx->args, ctx->n_args, &hooks, err);
    ui_ctx_done(ctx);
    if (st == NB_OK && ctx->json) {
        nb_str text = {0};
        nb_jout w = nb_jout_make(&text);
        nb_jout_object(&w);
        json_models(&w, lib);
        nb_jout_key(&w, "hub"), nb_jout_str(&w, has_cache ? cache.hub : "");
        json_store(&w, &store, &runs);
        nb_jout_object_end(&w);
        ui_print_json(&text);
    } else if (st == NB_OK) {
        list_models(lib);
        list_repos(&store, cache.hub);
        ui_print_leftovers(&store, &runs, -1);
    }
    nb_leftovers_free(&runs);
    dl_store_free(&store);
    nb_library_close(&lib);
    return st;
}

const ui_cmd ui_cmd_ls = {
    .name = "ls",
    .alias = "list",
    .args = "[PATH...]",
    .summary = "models on this machine, and what the Hugging Face cache holds",
    .details =
        "Stores: demo, given (PATH), here (this folder), own (nibble's models), hf (the Hugging\n"
        "Face cache), ollama, lmstudio. Leftovers are downloads and quantize runs that did not\n"
        "finish: the next one of the same file goes on from there; gc removes them.\n"
        "\n"
        "JSON keys: models[] {store, name, path, type, bytes, params, source, problem}, hub,\n"
        "repos[] {repo, files, revisions, bytes, leftovers, leftover_bytes, used (Unix seconds),\n"
        "problem}, leftovers[] {repo, oid, path, bytes, size, age (s), live}, unfinished[] of\n"
        "quantize {output, path, bytes, size, age, live}, trash {items, bytes}.",
    .min_args = 0,
    .max_args = -1,
    .run = run_ls,
};

/* --- verify ------------------------------------------------------------------------------------
 */

typedef struct checked {
    const ui_ctx *ctx;
    nb_jout *json;
    uint64_t files, bytes, bad;
    nb_status worst;
    nb_err first; /* what was wrong with the first bad one */
} checked;

/* Wrong bytes weigh more than unreadable ones, those more than missing ones. */
static int weight(nb_status st)
{
    return st == NB_HASH ? 3 : st == NB_IO ? 2 : st == NB_OK ? 0 : 1;
}

static void check_one(void *arg, const char *repo, const char *oid, const char *path, uint64_t size,
                      nb_status status, const nb_err *why)
{
    checked *k = arg;
    char line[1700];
    k->files++;
    k->bytes += size;
    if (status == NB_OK)
        return;
    if (k->bad++ == 0)
        nb_fail(&k->first, status, "%.60s:%.60s: %s", repo, path, why->msg);
    if (weight(status) > weight(k->worst))
        k->worst = status;
    if (!k->ctx->json) {
        snprintf(line, sizeof line, "%s:%s: %s", repo, path, why->msg);
        ui_print_line(line);
        return;
    }
    nb_jout_object(k->json);
    nb_jout_key(k->json, "repo"), nb_jout_str(k->json, repo);
    nb_jout_key(k->json, "path"), nb_jout_str(k->json, path);
    nb_jout_key(k->json, "oid"), nb_jout_str(k->json, oid);
    nb_jout_key(k->json, "bytes"), nb_jout_u64(k->json, size);
    nb_jout_key(k->json, "status"), nb_jout_str(k->json, nb_status_text(status));
    nb_jout_key(k->json, "message"), nb_jout_str(k->json, why->msg);
    nb_jout_object_end(k->json);
}

static nb_status check_all(ui_ctx *ctx, const dl_cache *c, checked *k, nb_err *err)
{
    nb_hooks hooks = ui_ctx_hooks(ctx);
    nb_status st = NB_OK;
    if (ctx->n_args == 0)
        st = dl_store_verify(c, NULL, check_one, k, &hooks, err);
    for (size_t i = 0; i < ctx->n_args && st == NB_OK; i++)
        st = dl_store_verify(c, ctx->args[i], check_one, k, &hooks, err);
    ui_ctx_done(ctx);
    return st;
}

static nb_status run_verify(ui_ctx *ctx, nb_err *err)
{
    dl_cache cache;
    nb_str text = {0};
    nb_jout w = nb_jout_make(&text);
    checked k = {.ctx = ctx, .json = &w, .worst = NB_OK};
    char bytes[16];
    NB_TRY(ui_cache_open(&cache, err));
    nb_jout_object(&w);
    nb_jout_key(&w, "bad"), nb_jout_array(&w);
    nb_status st = check_all(ctx, &cache, &k, err);
    nb_jout_array_end(&w);
    nb_jout_key(&w, "files"), nb_jout_u64(&w, k.files);
    nb_jout_key(&w, "bytes"), nb_jout_u64(&w, k.bytes);
    nb_jout_object_end(&w);
    if (st == NB_OK && ctx->json)
        puts(nb_str_c(&text));
    nb_str_free(&text);
    if (st != NB_OK)
        return st;
    if (!ctx->json)
        printf("%llu of %llu files are what their names say, %s read\n",
               (unsigned long long)(k.files - k.bad), (unsigned long long)k.files,
               nb_human_bytes(bytes, k.bytes));
    if (k.bad == 0)
        return NB_OK;
    k.first.status = k.worst;
    *err = k.first;
    return k.worst;
}

const ui_cmd ui_cmd_verify = {
    .name = "verify",
    .args = "[ORG/REPO...]",
    .summary = "read the Hugging Face cache again and compare every file with its hash",
    .details =
        "Files are named by the hash of their content: sha256, or git's sha1 for small ones.\n"
        "Exit code 9 when one differs; rm and a new download replace it.\n"
        "\n"
        "JSON keys: bad[] {repo, path, oid, bytes, status, message}, files, bytes.",
    .min_args = 0,
    .max_args = -1,
    .run = run_verify,
};
