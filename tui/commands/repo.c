#include "tui/commands/repo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/files/weights.h"
#include "downloads/cache.h"
#include "tui/commands/net.h"
#include "tui/hub_out.h"

typedef struct view {
    dl_net *net;
    dl_name name;
    dl_repo repo;
    dl_choices choices;
    const dl_choice *chosen; /* with a tag */
    bool has_entry, has_header;
    nb_entry entry;
    dl_header header;
    nb_str card;
    dl_trouble trouble;
    uint64_t available;
} view;

bool ui_is_repo(const char *text)
{
    dl_name name;
    return strchr(text, '/') && text[0] != '/' && text[0] != '.' &&
           dl_name_parse(&name, text, NULL) == NB_OK;
}

static void view_free(view *v)
{
    dl_header_free(&v->header);
    dl_choices_free(&v->choices);
    dl_repo_free(&v->repo);
    nb_str_free(&v->card);
    dl_net_close(&v->net);
    free(v);
}

/* --- asking --------------------------------------------------------------------------------------
 */

/* What a tag's first file holds. A gated file is shown without: its metadata is public, it is not.
 */
static nb_status read_header(view *v, const nb_hooks *hooks, nb_err *err)
{
    const dl_choice *c = v->chosen;
    const dl_file *f = &v->repo.file[c->file[c->n_file - 1]]; /* a checkpoint's weights come last */
    if (c->kind == DL_CHOICE_FILE)
        return NB_OK;
    if (c->kind != DL_CHOICE_CHECKPOINT)
        f = &v->repo.file[c->file[0]];
    nb_status st = dl_hub_header(v->net, v->repo.model.id, v->repo.commit, f, &v->header,
                                 &v->trouble, hooks, err);
    v->has_header = st == NB_OK;
    if (st != NB_DENIED && st != NB_UNSUPPORTED)
        return st;
    v->trouble = DL_OK;
    return NB_OK;
}

static nb_status ask(view *v, const ui_repo_look *look, const nb_hooks *hooks, nb_err *err)
{
    uint64_t total;
    NB_TRY(dl_hub_repo(v->net, v->name.repo, v->name.revision, &v->repo, &v->trouble, hooks, err));
    NB_TRY(dl_choices_make(&v->repo, &v->choices, err));
    if (look->card)
        return dl_hub_card(v->net, v->repo.model.id, v->repo.commit, &v->card, &v->trouble, hooks,
                           err);
    if (v->name.tag[0]) {
        NB_TRY(dl_pick(&v->repo, &v->choices, v->name.tag, &v->chosen, err));
        NB_TRY(read_header(v, hooks, err));
    }
    nb_status st = dl_hub_entry(v->net, &v->repo, &v->choices, &v->entry, hooks, NULL);
    if (st == NB_CANCELED)
        return nb_fail(err, st, "cancelled");
    v->has_entry = st == NB_OK; /* otherwise shown without fits */
    nb_memory(&v->available, &total);
    return NB_OK;
}

/* --- as text -------------------------------------------------------------------------------------
 */

static void print_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void print_line(const char *fmt, ...)
{
    char line[1400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    ui_print_line(line);
}

static void print_head(const view *v)
{
    const dl_model *m = &v->repo.model;
    char params[16], downloads[16], likes[16], day[16] = "?";
    time_t updated = (time_t)m->updated;
    struct tm tm;
    if (m->updated && gmtime_r(&updated, &tm))
        strftime(day, sizeof day, "%Y-%m-%d", &tm);
    print_line("%s @ %s", m->id, v->repo.commit);
    print_line("  %s parameters, licence %s, %s%sdownloads %s, likes %s, updated %s",
               ui_hub_params(params, m), m->license[0] ? m->license : "not told",
               m->gated ? "gated, " : "", m->private_repo ? "private, " : "",
               ui_hub_count(downloads, m->downloads), ui_hub_count(likes, m->likes), day);
    if (m->base_model[0])
        print_line("  %s from %s", m->base_relation[0] ? m->base_relation : "made", m->base_model);
    if (m->gated)
        print_line("  its files need accepted terms: %s/%s", dl_net_env(v->net)->endpoint, m->id);
    if (v->repo.dropped)
        print_line("  %zu files with unsafe names are left out", v->repo.dropped);
}

static void print_sum(const nb_fit *f)
{
    char a[16], b[16], c[16], d[16], e[16];
    print_line("  memory at context %u: weights %s + KV %s + buffers %s = %s of %s: %s", f->ctx,
               nb_human_bytes(a, f->weights), nb_human_bytes(b, f->kv),
               nb_human_bytes(c, f->compute), nb_human_bytes(d, f->total),
               nb_human_bytes(e, f->available), nb_fit_name(f->word));
}

static void print_choice(const view *v, const dl_choice *c, uint32_t ctx)
{
    char size[16], needs[16] = "", bpw[48] = "";
    nb_fit fit;
    bool fits = v->has_entry && ui_hub_fit(&v->entry, c, ctx, false, v->available, &fit);
    double bits = ui_hub_bpw(&v->repo, v->has_entry ? &v->entry : NULL, c);
    if (bits > 0)
        nb_fmt_fixed(bpw, bits, 2);
    if (fits)
        nb_human_bytes(needs, fit.total);
    print_line("  %-22s %9s %6s %9s %-6s %3zu file%s%s", c->name, nb_human_bytes(size, c->bytes),
               bpw, needs, fits ? nb_fit_name(fit.word) : "", c->n_file, c->n_file == 1 ? "" : "s",
               c->complete ? "" : ", a part is missing");
}

static void print_choices(const view *v, const ui_repo_look *look)
{
    size_t others = 0;
    uint64_t bytes = 0;
    char size[16];
    print_line("  %-22s %9s %6s %9s %s", "MODEL", "SIZE", "BPW", "NEEDS", "FIT");
    for (size_t i = 0; i < v->choices.n; i++) {
        const dl_choice *c = &v->choices.at[i];
        if (c->kind != DL_CHOICE_FILE) {
            print_choice(v, c, look->ctx);
        } else {
            others++;
            bytes += c->bytes;
        }
    }
    if (others && !look->files)
        print_line("  %zu other file%s, %s (--files lists all)", others, others == 1 ? "" : "s",
                   nb_human_bytes(size, bytes));
}

static void print_files(const dl_repo *r, const dl_choice *only)
{
    char size[16];
    size_t n = only ? only->n_file : r->n_file;
    for (size_t i = 0; i < n; i++) {
        const dl_file *f = &r->file[only ? only->file[i] : i];
        print_line("  %-56s %9s  %s %s%s", f->path, nb_human_bytes(size, f->size),
                   f->lfs ? "sha256" : "sha1", f->oid[0] ? f->oid : "not told",
                   f->security[0] && strcmp(f->security, "safe") != 0 ? "  ! scanners say otherwise"
                                                                      : "");
    }
}

/* Types and what they take, from the header; a set's first file speaks for itself only. */
static void print_types(const nb_tensor *t, size_t n)
{
    uint64_t bytes[NK_TYPE_SLOTS] = {0}, count[NK_TYPE_SLOTS] = {0}, all = 0;
    for (size_t i = 0; i < n; i++) {
        bytes[t[i].type] += t[i].nbytes;
        count[t[i].type]++;
        all += t[i].nbytes;
    }
    for (uint32_t id = 0; id < NK_TYPE_SLOTS; id++)
        if (count[id])
            print_line("  %-8s %4llu tensors  %5.1f %% of the bytes", nk_type_get(id)->name,
                       (unsigned long long)count[id],
                       100.0 * (double)bytes[id] / (double)(all ? all : 1));
}

static void print_text(const view *v, const ui_repo_look *look)
{
    nb_fit fit;
    if (look->card) {
        ui_print_safe(nb_str_c(&v->card), v->card.len);
        return;
    }
    print_head(v);
    if (v->chosen && v->has_entry &&
        ui_hub_fit(&v->entry, v->chosen, look->ctx, false, v->available, &fit))
        print_sum(&fit);
    if (v->has_header && v->header.gguf)
        print_types(v->header.g.tensors, v->header.g.n_tensors);
    else if (v->has_header)
        print_types(v->header.s.tensors, v->header.s.n_tensors);
    if (v->chosen)
        print_files(&v->repo, v->chosen);
    else
        print_choices(v, look);
    if (look->files && !v->chosen)
        print_files(&v->repo, NULL);
}

/* --- as JSON -------------------------------------------------------------------------------------
 */

static void json_tensors(nb_jout *w, const nb_tensor *t, size_t n)
{
    nb_jout_key(w, "tensors"), nb_jout_array(w);
    for (size_t i = 0; i < n; i++) {
        nb_jout_object(w);
        nb_jout_key(w, "name"), nb_jout_str(w, t[i].name);
        nb_jout_key(w, "type"), nb_jout_str(w, nk_type_get(t[i].type)->name);
        nb_jout_key(w, "shape"), nb_jout_array(w);
        for (uint32_t d = 0; d < t[i].n_dims; d++)
            nb_jout_u64(w, t[i].shape[d]);
        nb_jout_array_end(w);
        nb_jout_key(w, "bytes"), nb_jout_u64(w, t[i].nbytes);
        nb_jout_object_end(w);
    }
    nb_jout_array_end(w);
}

static void print_json(const view *v, const ui_repo_look *look)
{
    nb_str text = {0};
    nb_jout w = nb_jout_make(&text);
    nb_jout_object(&w);
    nb_jout_key(&w, "repo"), ui_hub_json_model(&w, &v->repo.model);
    nb_jout_key(&w, "commit"), nb_jout_str(&w, v->repo.commit);
    if (look->card) {
        nb_jout_key(&w, "card"), nb_jout_strn(&w, nb_str_c(&v->card), v->card.len);
    } else {
        nb_jout_key(&w, "chosen");
        v->chosen ? nb_jout_str(&w, v->chosen->name) : nb_jout_null(&w);
        ui_hub_json_repo(&w, &v->repo, &v->choices, v->has_entry ? &v->entry : NULL, look->ctx,
                         false, v->available);
        if (v->has_header && v->header.gguf)
            json_tensors(&w, v->header.g.tensors, v->header.g.n_tensors);
        else if (v->has_header)
            json_tensors(&w, v->header.s.tensors, v->header.s.n_tensors);
    }
    nb_jout_object_end(&w);
    puts(nb_str_c(&text));
    nb_str_free(&text);
}

nb_status ui_show_repo(ui_ctx *ctx, const char *name, const ui_repo_look *look, nb_err *err)
{
    view *v = nb_alloc(1, sizeof *v, "repository", err);
    if (!v)
        return NB_NOMEM;
    nb_hooks hooks = ui_ctx_hooks(ctx);
    nb_status st = dl_name_parse(&v->name, name, err);
    if (st == NB_OK)
        st = ui_net_open(&v->net, ctx, 0, 0, err);
    if (st == NB_OK)
        st = ask(v, look, &hooks, err);
    ui_ctx_done(ctx);
    if (st == NB_OK && ctx->json)
        print_json(v, look);
    else if (st == NB_OK)
        print_text(v, look);
    else
        st = ui_net_fail(ctx, st, v->trouble);
    view_free(v);
    return st;
}
