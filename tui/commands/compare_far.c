#include "tui/commands/compare_far.h"

#include <stdio.h>
#include <string.h>

#include "core/base/str.h"
#include "tui/commands/cmd.h"

static bool same_key(const nb_run_key *a, const nb_run_key *b)
{
    return a->model == b->model && nb_run_key_comparable(a, b);
}

/* Of runs with one key the latest counts. */
static bool is_latest(const nb_runs *runs, size_t i, const nb_run_key *key)
{
    for (size_t k = i + 1; k < nb_runs_count(runs); k++) {
        const nb_run_key *other;
        const void *record;
        if (nb_runs_at(runs, k, &other, &record) == NB_RUN_FAR && same_key(other, key))
            return false;
    }
    return true;
}

/* An address as typed, whose name may not be said. */
static bool is_asked_for(const ui_compare_far *f, const char *remote)
{
    for (size_t i = 0; i < f->n && !f->every; i++) {
        size_t n = strlen(f->far[i]);
        bool named = strchr(f->far[i], '#') != NULL;
        if (strncmp(remote, f->far[i], n) == 0 && remote[n] == (named ? '\0' : '#'))
            return true;
    }
    return f->every;
}

/* The file's name, or the endpoint's where it is the model; NULL: no row of this table. */
static const char *model_of(const ui_compare_far *f, const nb_run_key *key, const nb_far *r)
{
    if (!key->reference)
        return is_asked_for(f, r->remote) ? r->remote : NULL;
    for (size_t i = 0; i < f->c->n; i++)
        if (f->c->row[i].model == key->model)
            return f->c->row[i].name;
    return NULL;
}

typedef void see_fn(void *arg, const char *model, const nb_run_key *key, const nb_far *r);

static void each(const ui_compare_far *f, see_fn *see, void *arg)
{
    for (size_t i = 0; f->runs && i < nb_runs_count(f->runs); i++) {
        const nb_run_key *key;
        const void *record;
        if (nb_runs_at(f->runs, i, &key, &record) != NB_RUN_FAR)
            continue;
        const char *model = model_of(f, key, record);
        if (model && is_latest(f->runs, i, key))
            see(arg, model, key, record);
    }
}

const char ui_compare_far_title[] =
    "remote, not ranked (lower bounds, each against its own reference, protocol and text)";

typedef struct lines {
    void (*see)(void *arg, const char *line);
    void *arg;
    size_t n;
} lines;

static void line_of(void *arg, const char *model, const nb_run_key *key, const nb_far *r)
{
    nb_str s = {0};
    lines *l = arg;
    if (key->reference)
        nb_str_addf(&s,
                    "%s: KL at least %.5f +/- %.5f from %s, same likeliest token %.2f %%, "
                    "perplexity %.3f, remote %.3f",
                    model, r->kld, r->kld_err, r->remote, 100 * r->same_top, r->ppl, r->far_ppl);
    else
        nb_str_addf(&s, "%s: perplexity %.3f +/- %.3f", model, r->ppl, r->ppl_err);
    nb_str_addf(&s, "  (%s: %u pieces of about %u, text %.8s)", key->protocol, r->chunks, r->n_ctx,
                key->text);
    l->see(l->arg, nb_str_c(&s));
    l->n++;
    nb_str_free(&s);
}

size_t ui_compare_far_lines(const ui_compare_far *f, void (*see)(void *arg, const char *line),
                            void *arg)
{
    lines l = {.see = see, .arg = arg};
    each(f, line_of, &l);
    return l.n;
}

static void print_one(void *arg, const char *line)
{
    bool *any = arg;
    if (!*any)
        printf("\n%s\n", ui_compare_far_title);
    *any = true;
    ui_print_line(line);
}

void ui_compare_far_print(const ui_compare_far *f)
{
    bool any = false;
    ui_compare_far_lines(f, print_one, &any);
}

static void add_double(nb_jout *w, const char *key, double v)
{
    nb_jout_key(w, key);
    nb_jout_double(w, v);
}

static void json_one(void *arg, const char *model, const nb_run_key *key, const nb_far *r)
{
    nb_jout *w = arg;
    nb_jout_object(w);
    nb_jout_key(w, "model"), nb_jout_str(w, model);
    if (key->reference) {
        nb_jout_key(w, "reference"), nb_jout_str(w, r->remote);
        add_double(w, "kl_at_least", r->kld);
        add_double(w, "kl_stderr", r->kld_err);
        add_double(w, "same_top", r->same_top);
        add_double(w, "perplexity_ref", r->far_ppl);
    }
    add_double(w, "perplexity", r->ppl);
    add_double(w, "stderr", r->ppl_err);
    nb_jout_key(w, "scored"), nb_jout_u64(w, r->scored);
    nb_jout_key(w, "protocol"), nb_jout_str(w, key->protocol);
    nb_jout_key(w, "text_sha256"), nb_jout_str(w, key->text);
    nb_jout_key(w, "ctx"), nb_jout_u64(w, r->n_ctx);
    nb_jout_key(w, "chunks"), nb_jout_u64(w, r->chunks);
    nb_jout_object_end(w);
}

void ui_compare_far_json(nb_jout *w, const ui_compare_far *f)
{
    nb_jout_key(w, "remote"), nb_jout_array(w);
    each(f, json_one, w);
    nb_jout_array_end(w);
}
