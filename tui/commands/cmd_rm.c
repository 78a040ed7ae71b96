/* rm, gc: what leaves the Hugging Face cache, for a while and for good, and what quantize left. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tui/commands/store.h"

/* Before something goes: --yes, or y at a terminal, or not at all. */
static nb_status ask(const ui_ctx *ctx, const char *question, nb_err *err)
{
    char line[16] = "";
    if (ctx->yes)
        return NB_OK;
    if (isatty(STDIN_FILENO) != 1 || isatty(STDERR_FILENO) != 1)
        return nb_fail(err, NB_REFUSED, "%s (--yes answers; nobody is here to ask)", question);
    fprintf(stderr, "%s [y/N] ", question);
    fflush(stderr);
    if (fgets(line, sizeof line, stdin) && (line[0] == 'y' || line[0] == 'Y'))
        return NB_OK;
    return nb_fail(err, NB_CANCELED, "nothing was changed");
}

/* --- rm ----------------------------------------------------------------------------------------
 */

enum { R_UNDO, R_COUNT };
static const ui_opt rm_opt[R_COUNT] = {
    {"undo", 0, UI_OPT_FLAG, NULL, NULL, 0, 0, "bring back what was removed last"},
};

typedef struct wish { /* one argument */
    dl_name name;
    const char *revision; /* NULL = all */
    char path[1024];      /* "" = no file named */
    bool set;             /* path is a part, all of its set are meant */
    uint64_t bytes;
} wish;

/* Files of the cache that a tag names: the path itself, or files with it as a whole word. The parts
 * of one set are one thing. */
typedef struct match {
    const char *tag;
    char path[1024]; /* "" = none */
    bool exact, several;
} match;

static bool names_tag(const char *file, const char *tag)
{
    size_t n = strlen(tag);
    for (const char *at = file; *at; at++) {
        char word[1024];
        bool start = at == file || strchr("-._/", at[-1]);
        if (!start || strlen(at) <= n || !strchr("-.", at[n]))
            continue;
        snprintf(word, sizeof word, "%.*s", (int)n, at);
        if (nb_same_word(word, tag))
            return true;
    }
    return false;
}

static bool match_file(void *arg, const char *commit, const char *path, uint64_t size)
{
    match *m = arg;
    (void)commit;
    (void)size;
    m->exact = strcmp(path, m->tag) == 0;
    if (!m->exact && !names_tag(path, m->tag))
        return true;
    bool another = m->path[0] && strcmp(path, m->path) != 0 && !dl_store_same_set(path, m->path);
    m->several = !m->exact && (m->several || another);
    snprintf(m->path, sizeof m->path, "%s", path);
    return !m->exact;
}

static nb_status read_wish(const dl_cache *c, const char *text, wish *out, nb_err *err)
{
    match m = {.tag = out->name.tag};
    NB_TRY(dl_name_parse(&out->name, text, err));
    out->revision = text[strlen(out->name.repo)] == '@' ? out->name.revision : NULL;
    if (!out->name.tag[0])
        return NB_OK;
    NB_TRY(dl_store_files(c, out->name.repo, match_file, &m, err));
    if (m.several)
        return nb_fail(err, NB_USAGE, "%s: several files are named %s, name one, such as %s",
                       out->name.repo, out->name.tag, m.path);
    snprintf(out->path, sizeof out->path, "%s", m.path[0] ? m.path : out->name.tag);
    out->set = !m.exact && dl_store_same_set(out->path, out->path);
    return NB_OK;
}

static nb_status trash(const dl_cache *c, wish *w, bool dry_run, nb_err *err)
{
    if (w->set)
        return dl_store_trash_set(c, w->name.repo, w->revision, w->path, dry_run, &w->bytes, err);
    return dl_store_trash(c, w->name.repo, w->revision, w->path[0] ? w->path : NULL, dry_run,
                          &w->bytes, err);
}

static void wish_text(const wish *w, char *out, size_t cap)
{
    snprintf(out, cap, "%s%s%s%s%s", w->name.repo, w->revision ? "@" : "",
             w->revision ? w->revision : "", w->path[0] ? ":" : "", w->set ? w->name.tag : w->path);
}

/* What there is of it: bytes are known before anything moves. */
static nb_status read_wishes(const ui_ctx *ctx, const dl_cache *c, wish *w, size_t *n,
                             uint64_t *sum, nb_err *err)
{
    for (size_t i = 0; i < ctx->n_args; i++) {
        nb_err why = {.status = NB_OK};
        wish *at = &w[*n];
        *at = (wish){.bytes = 0};
        nb_status st = read_wish(c, ctx->args[i], at, &why);
        if (st == NB_OK)
            st = trash(c, at, true, &why);
        if (st == NB_NOTFOUND && ctx->force)
            continue;
        if (st != NB_OK) {
            *err = why;
            return st;
        }
        *sum += at->bytes;
        ++*n;
    }
    return NB_OK;
}

static void rm_json(const ui_ctx *ctx, const wish *w, size_t n, uint64_t sum)
{
    nb_str text = {0};
    nb_jout j = nb_jout_make(&text);
    nb_jout_object(&j);
    nb_jout_key(&j, "dry_run"), nb_jout_bool(&j, ctx->dry_run);
    nb_jout_key(&j, "trashed"), nb_jout_array(&j);
    for (size_t i = 0; i < n; i++) {
        char name[1400];
        wish_text(&w[i], name, sizeof name);
        nb_jout_object(&j);
        nb_jout_key(&j, "name"), nb_jout_str(&j, name);
        nb_jout_key(&j, "bytes"), nb_jout_u64(&j, w[i].bytes);
        nb_jout_object_end(&j);
    }
    nb_jout_array_end(&j);
    nb_jout_key(&j, "bytes"), nb_jout_u64(&j, sum);
    nb_jout_object_end(&j);
    ui_print_json(&text);
}

static void rm_text(const ui_ctx *ctx, const wish *w, size_t n, uint64_t sum)
{
    char name[1400], line[1500], bytes[16];
    for (size_t i = 0; i < n; i++) {
        wish_text(&w[i], name, sizeof name);
        snprintf(line, sizeof line, "%8s  %s", nb_human_bytes(bytes, w[i].bytes), name);
        ui_print_line(line);
    }
    nb_human_bytes(bytes, sum);
    if (ctx->dry_run)
        printf("would move %s to the trash\n", bytes);
    else
        printf("in the trash: nibble rm --undo brings it back, nibble gc frees %s\n", bytes);
}

static nb_status remove_wishes(ui_ctx *ctx, const dl_cache *c, wish *w, nb_err *err)
{
    size_t n = 0;
    uint64_t sum = 0;
    char question[80], bytes[16];
    NB_TRY(read_wishes(ctx, c, w, &n, &sum, err));
    snprintf(question, sizeof question, "move %s to the trash?", nb_human_bytes(bytes, sum));
    if (!ctx->dry_run && n)
        NB_TRY(ask(ctx, question, err));
    for (size_t i = 0; i < n && !ctx->dry_run; i++) {
        nb_err why = {.status = NB_OK};
        nb_status st = trash(c, &w[i], false, &why);
        if (st != NB_OK && (st != NB_NOTFOUND || i == 0)) { /* an earlier one took it along */
            *err = why;
            return st;
        }
    }
    if (ctx->json)
        rm_json(ctx, w, n, sum);
    else if (n)
        rm_text(ctx, w, n, sum);
    return NB_OK;
}

static nb_status undo(const ui_ctx *ctx, const dl_cache *c, nb_err *err)
{
    char what[1400];
    NB_TRY(dl_store_restore(c, what, sizeof what, err));
    if (ctx->json) {
        nb_str text = {0};
        nb_jout w = nb_jout_make(&text);
        nb_jout_object(&w);
        nb_jout_key(&w, "restored"), nb_jout_str(&w, what);
        nb_jout_object_end(&w);
        ui_print_json(&text);
        return NB_OK;
    }
    fputs("back in the cache: ", stdout);
    ui_print_line(what);
    return NB_OK;
}

static nb_status run_rm(ui_ctx *ctx, nb_err *err)
{
    dl_cache cache;
    if (ctx->opt[R_UNDO].flag == (ctx->n_args > 0))
        return nb_fail(err, NB_USAGE, "rm: expected ORG/REPO[@REVISION][:FILE], or --undo");
    NB_TRY(ui_cache_open(&cache, err));
    if (ctx->opt[R_UNDO].flag)
        return undo(ctx, &cache, err);
    wish *w = nb_alloc(ctx->n_args, sizeof *w, "rm", err);
    nb_status st = w ? remove_wishes(ctx, &cache, w, err) : NB_NOMEM;
    free(w);
    return st;
}

const ui_cmd ui_cmd_rm = {
    .name = "rm",
    .args = "ORG/REPO[@REVISION][:FILE]... | --undo",
    .summary = "move models of the Hugging Face cache to the trash",
    .details =
        "A whole repository, one revision, or one file (its path, or a tag as in Q4_K_M, which\n"
        "means all parts of a set) with the bytes nobody else has. Other clients see it gone;\n"
        "--undo brings the last one back; gc frees the space. Refused while a download writes\n"
        "there. With --force a name that is not in the cache is no failure.\n"
        "\n"
        "JSON keys: dry_run, trashed[] {name, bytes}, bytes; with --undo: restored.",
    .opt = rm_opt,
    .n_opt = R_COUNT,
    .min_args = 0,
    .max_args = -1,
    .writes = true,
    .force = "a name that is not in the cache is no failure",
    .run = run_rm,
};

/* --- gc ----------------------------------------------------------------------------------------
 */

/* "7d", "12h", "30m", "90s", "0" -> seconds. */
static bool parse_age(const char *text, double *out)
{
    static const char unit[] = "smhd";
    static const double in[] = {1, 60, 3600, 86400};
    char number[16];
    size_t n = strlen(text);
    double value, factor = 1;
    const char *last = n ? strchr(unit, text[n - 1]) : NULL;
    if (n == 0 || n >= sizeof number)
        return false;
    if (last) {
        factor = in[last - unit];
        n--;
    }
    snprintf(number, sizeof number, "%.*s", (int)n, text);
    if (!nb_parse_double(number, &value) || value < 0 || value > 1e9 || (!last && value != 0))
        return false;
    *out = value * factor;
    return true;
}

enum { G_OLDER, G_COUNT };
static const ui_opt gc_opt[G_COUNT] = {
    {"older", 0, UI_OPT_TEXT, "AGE", "1d", 0, 0, "leftovers from this age on: 7d, 12h, 30m, 0"},
};

typedef struct rubbish {
    dl_cache cache;
    nb_leftovers runs;
    double older;
    uint64_t bytes; /* that go, or went */
    size_t n;
} rubbish;

/* Counts, or removes for good. */
static nb_status sweep(rubbish *r, bool dry_run, const nb_hooks *hooks, nb_err *err)
{
    NB_TRY(dl_store_gc(&r->cache, r->older, dry_run, &r->bytes, &r->n, hooks, err));
    return nb_leftovers_remove(&r->runs, r->older, dry_run, &r->bytes, &r->n, hooks, err);
}

static nb_status gc_text(ui_ctx *ctx, const rubbish *r, nb_err *err)
{
    dl_store s;
    nb_hooks hooks = ui_ctx_hooks(ctx);
    NB_TRY(dl_store_scan(&r->cache, &s, &hooks, err));
    ui_ctx_done(ctx);
    ui_print_leftovers(&s, &r->runs, r->older);
    dl_store_free(&s);
    return NB_OK;
}

static void gc_json(const ui_ctx *ctx, const rubbish *r)
{
    nb_str text = {0};
    nb_jout w = nb_jout_make(&text);
    nb_jout_object(&w);
    nb_jout_key(&w, "dry_run"), nb_jout_bool(&w, ctx->dry_run);
    nb_jout_key(&w, "older"), nb_jout_double(&w, r->older);
    nb_jout_key(&w, "removed"), nb_jout_u64(&w, r->n);
    nb_jout_key(&w, "bytes"), nb_jout_u64(&w, r->bytes);
    nb_jout_object_end(&w);
    ui_print_json(&text);
}

static nb_status empty(ui_ctx *ctx, rubbish *r, nb_err *err)
{
    char human[16], question[80];
    nb_hooks hooks = ui_ctx_hooks(ctx);
    NB_TRY(nb_leftovers_find(&r->runs, &ctx->cfg, ctx->args, ctx->n_args, &hooks, err));
    ui_ctx_done(ctx);
    NB_TRY(sweep(r, true, NULL, err));
    if (!ctx->json)
        NB_TRY(gc_text(ctx, r, err));
    snprintf(question, sizeof question, "remove %zu for good, %s?", r->n,
             nb_human_bytes(human, r->bytes));
    if (!ctx->dry_run && r->n) {
        NB_TRY(ask(ctx, question, err));
        NB_TRY(sweep(r, false, &hooks, err));
        ui_ctx_done(ctx);
    }
    if (ctx->json)
        gc_json(ctx, r);
    else if (r->n)
        printf("%s %zu, %s\n", ctx->dry_run ? "would remove" : "removed", r->n,
               nb_human_bytes(human, r->bytes));
    else
        puts("nothing to remove");
    return NB_OK;
}

static nb_status run_gc(ui_ctx *ctx, nb_err *err)
{
    rubbish r = {.older = 86400};
    const ui_arg *age = &ctx->opt[G_OLDER];
    if (age->set && !parse_age(age->text, &r.older))
        return nb_fail(err, NB_USAGE, "--older: \"%.40s\" is no age (7d, 12h, 30m, 0)", age->text);
    if (ctx->force)
        r.older = 0;
    NB_TRY(ui_cache_open(&r.cache, err));
    nb_status st = empty(ctx, &r, err);
    nb_leftovers_free(&r.runs);
    return st;
}

const ui_cmd ui_cmd_gc = {
    .name = "gc",
    .alias = "prune",
    .args = "[--older AGE] [PATH...]",
    .summary = "empty the trash, remove downloads and quantize runs that did not finish",
    .details =
        "What runs now is never touched, whoever runs it. Unfinished downloads of the cache, and\n"
        "what quantize left (OUT.part and its journal) in this folder, in nibble's models and in\n"
        "each PATH, go from an age of one day on, with --older from another, with --force\n"
        "whatever their age. What went is gone for good.\n"
        "\n"
        "JSON keys: dry_run, older (s), removed (things), bytes.",
    .opt = gc_opt,
    .n_opt = G_COUNT,
    .min_args = 0,
    .max_args = -1,
    .writes = true,
    .force = "what is unfinished goes whatever its age",
    .run = run_gc,
};
