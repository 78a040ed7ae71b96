/* sensitivity: what quantizing each tensor alone costs, as a table of layers and kinds. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/eval/sensitivity.h"
#include "tui/commands/default_text.h"
#include "tui/commands/engine.h"

enum { S_TYPE, S_FILE, S_CTX, S_CHUNKS, S_TENSOR, S_AGAIN, S_COUNT };
enum { FEW_CHUNKS = 4 };
static const ui_opt sensitivity_opt[S_COUNT] = {
    {"type", 't', UI_OPT_TYPE, "TYPE", NULL, 0, 0, "type each tensor gets in its turn: q4_K, q2_K"},
    {"file", 'f', UI_OPT_FILE, "TEXT", "demo's", 0, 0, "text to measure on"},
    {"ctx", 'c', UI_OPT_INT, "N", "512", 8, 1 << 20, "tokens per chunk"},
    {"chunks", 0, UI_OPT_INT, "N", "4", 1, 1 << 20, "chunks at most"},
    {"tensor", 0, UI_OPT_TEXT, "GLOB", "all", 0, 0, "only tensors whose name matches"},
    {"again", 0, UI_OPT_FLAG, NULL, NULL, 0, 0, "measure anew what is stored already"},
};

typedef struct work {
    ui_ctx *ctx;
    ui_engine own;
    nk_pool *pool;
    ui_corpus text;
    nb_reading reading;
    nb_runs *runs; /* NULL: nothing can be remembered */
    nb_run_key key;
    nb_sense_table table;
    size_t todo, done, stored; /* rows to measure, measured, taken from the store */
} work;

static void work_close(work *w)
{
    nb_sense_table_close(&w->table);
    nb_runs_close(&w->runs);
    nb_reading_close(&w->reading);
    ui_text_close(&w->text);
    ui_engine_close(&w->own);
    nk_pool_close(&w->pool);
}

static bool wanted(const work *w, size_t i)
{
    const ui_arg *glob = &w->ctx->opt[S_TENSOR];
    return !glob->set || nb_glob(glob->text, w->table.row[i].view->t.name);
}

/* --- measuring ---------------------------------------------------------------------------------
 */

/* Chunks of one tensor are the small unit, tensors the large one. */
typedef struct inner {
    const work *w;
    nb_hooks outer;
    uint32_t chunks;
    const char *name;
} inner;

static void on_chunk(void *ud, const nb_progress *p)
{
    const inner *in = ud;
    nb_report(&in->outer, &(nb_progress){.what = in->name,
                                         .done = in->w->done * in->chunks + p->done,
                                         .total = in->w->todo * in->chunks});
}

static bool on_cancel(void *ud)
{
    const inner *in = ud;
    return nb_canceled(&in->outer);
}

static nb_status measure_row(work *w, nb_sense *s, size_t i, const nb_hooks *hooks, nb_err *err)
{
    nb_sense_row *r = &w->table.row[i];
    inner in = {w, *hooks, w->reading.chunks, r->view->t.name};
    nb_hooks own = {on_chunk, on_cancel, &in};
    NB_TRY(nb_sense_measure(s, r->view, w->table.type, NULL, &r->damage, &own, err));
    r->known = true;
    w->done++;
    nb_run_key key = nb_sense_key(&w->key, &w->table, i);
    return w->runs ? nb_runs_add(w->runs, NB_RUN_DAMAGE, &key, &r->damage, err) : NB_OK;
}

static nb_status measure_all(work *w, nb_err *err)
{
    nb_sense *s = NULL;
    nb_hooks hooks = ui_ctx_hooks(w->ctx);
    if (w->todo == 0)
        return NB_OK;
    nb_hooks quiet = {NULL, hooks.canceled, hooks.ud};
    NB_TRY(nb_sense_open(&s, w->own.model, &w->ctx->ops, w->pool, &w->reading, &quiet, err));
    nb_status st = NB_OK;
    for (size_t i = 0; i < w->table.n && st == NB_OK; i++)
        if (wanted(w, i) && !w->table.row[i].known && !w->table.row[i].skip)
            st = measure_row(w, s, i, &hooks, err);
    nb_sense_close(&s);
    ui_ctx_done(w->ctx);
    if (st == NB_CANCELED && w->runs && w->done)
        w->ctx->remedy = "what was measured is kept: the same command goes on from there";
    return st;
}

/* --- text --------------------------------------------------------------------------------------
 */

/* Ten steps, three to a decade, the last at the most damage there is. */
static char mark_of(double kld, double most)
{
    static const char marks[] = " .:-=+*%#@";
    int i = kld > 0 && most > 0 ? 9 + (int)floor(3 * log10(kld / most)) : 0;
    return marks[i < 0 ? 0 : i > 9 ? 9 : i];
}

static void print_cell(const nb_sense_row *r, double most)
{
    if (!r)
        printf(" %11s", "");
    else if (!r->known)
        printf(" %11s", r->skip ? "x" : "?");
    else
        printf(" %9.5f %c", r->damage.kld, mark_of(r->damage.kld, most));
}

static void print_layers(const nb_sense_table *t, bool inside)
{
    double most = nb_sense_most(t);
    bool has[NB_SENSE_KINDS] = {false};
    for (size_t i = 0; i < t->n; i++)
        if (t->row[i].kind < NB_SENSE_KINDS && (t->row[i].layer >= 0) == inside)
            has[t->row[i].kind] = true;
    printf("%-6s", inside ? "layer" : "");
    for (uint32_t k = 0; k < t->n_kind; k++)
        if (has[k])
            printf(" %11.11s", t->kind[k]);
    putchar('\n');
    for (int l = inside ? 0 : -1; l < (inside ? (int)t->n_layer : 0); l++) {
        if (inside)
            printf("%-6d", l);
        else
            printf("%-6s", "");
        for (uint32_t k = 0; k < t->n_kind; k++)
            if (has[k])
                print_cell(nb_sense_at(t, l, k), most);
        putchar('\n');
    }
}

static int by_damage(const void *a, const void *b)
{
    double x = (*(const nb_sense_row *const *)a)->damage.kld;
    double y = (*(const nb_sense_row *const *)b)->damage.kld;
    return (x < y) - (x > y);
}

/* The worst tensors, with their weight error: it is another thing. */
static nb_status print_worst(const nb_sense_table *t, nb_err *err)
{
    size_t n = 0;
    const nb_sense_row **order = nb_alloc(t->n ? t->n : 1, sizeof(nb_sense_row *), "order", err);
    if (!order)
        return NB_NOMEM;
    for (size_t i = 0; i < t->n; i++)
        if (t->row[i].known)
            order[n++] = &t->row[i];
    qsort(order, n, sizeof(nb_sense_row *), by_damage);
    printf("\n%-32s %10s %10s %8s %12s\n", "most damage", "KL", "+/-", "top-1 %", "weight error");
    for (size_t i = 0; i < n && i < 8; i++) {
        const nb_damage *d = &order[i]->damage;
        nb_str name = {0};
        nb_safe_text(&name, order[i]->view->t.name, strlen(order[i]->view->t.name),
                     NB_SAFE_ONE_LINE);
        printf("%-32s %10.5f %10.5f %8.2f %10.2f %%\n", nb_str_c(&name), d->kld, d->kld_err,
               100 * d->same_top, 100 * d->rmse);
        nb_str_free(&name);
    }
    free(order);
    return NB_OK;
}

static nb_status print_text(const work *w, nb_err *err)
{
    const nb_sense_table *t = &w->table;
    size_t unknown = 0, skipped = 0;
    for (size_t i = 0; i < t->n; i++) {
        skipped += t->row[i].skip != NULL;
        unknown += !t->row[i].known && !t->row[i].skip;
    }
    printf("KL divergence, nats, when one tensor alone is %s: %s, %u chunks of %u of ",
           t->type->name, w->key.protocol, w->reading.chunks, w->reading.n_ctx);
    ui_print_line(w->text.name);
    print_layers(t, true);
    print_layers(t, false);
    printf("\nmarks: @ the most, then three steps to each tenth of it; sum of all %.5f\n",
           nb_sense_sum(t));
    if (skipped || unknown)
        printf("x %zu tensors cannot be %s, ? %zu are not measured\n", skipped, t->type->name,
               unknown);
    return print_worst(t, err);
}

/* --- JSON --------------------------------------------------------------------------------------
 */

static void row_json(nb_jout *j, const nb_sense_table *t, const nb_sense_row *r)
{
    nb_jout_object(j);
    nb_jout_key(j, "name"), nb_jout_str(j, r->view->t.name);
    nb_jout_key(j, "layer");
    if (r->layer >= 0)
        nb_jout_i64(j, r->layer);
    else
        nb_jout_null(j);
    nb_jout_key(j, "kind"), nb_jout_str(j, r->kind < t->n_kind ? t->kind[r->kind] : "");
    nb_jout_key(j, "weights"), nb_jout_u64(j, r->weights);
    nb_jout_key(j, "source_bytes"), nb_jout_u64(j, r->view->t.nbytes);
    if (r->known) {
        nb_jout_key(j, "bytes"), nb_jout_u64(j, r->damage.bytes);
        nb_jout_key(j, "kld"), nb_jout_double(j, r->damage.kld);
        nb_jout_key(j, "stderr"), nb_jout_double(j, r->damage.kld_err);
        nb_jout_key(j, "same_top"), nb_jout_double(j, r->damage.same_top);
        nb_jout_key(j, "ln_ratio"), nb_jout_double(j, r->damage.ln_ratio);
        nb_jout_key(j, "weight_error"), nb_jout_double(j, r->damage.rmse);
    } else {
        nb_jout_key(j, "skipped"), nb_jout_str(j, r->skip ? r->skip : "not asked for");
    }
    nb_jout_object_end(j);
}

static void print_json(const work *w)
{
    nb_str text = {0};
    nb_jout j = nb_jout_make(&text);
    nb_jout_object(&j);
    nb_jout_key(&j, "model"), nb_jout_str(&j, w->ctx->args[0]);
    nb_jout_key(&j, "type"), nb_jout_str(&j, w->table.type->name);
    nb_jout_key(&j, "text_sha256"), nb_jout_str(&j, w->text.sha256);
    nb_jout_key(&j, "protocol"), nb_jout_str(&j, w->key.protocol);
    nb_jout_key(&j, "ctx"), nb_jout_u64(&j, w->reading.n_ctx);
    nb_jout_key(&j, "chunks"), nb_jout_u64(&j, w->reading.chunks);
    nb_jout_key(&j, "layers"), nb_jout_u64(&j, w->table.n_layer);
    nb_jout_key(&j, "measured"), nb_jout_u64(&j, w->done);
    nb_jout_key(&j, "stored"), nb_jout_u64(&j, w->stored);
    nb_jout_key(&j, "sum"), nb_jout_double(&j, nb_sense_sum(&w->table));
    nb_jout_key(&j, "tensors"), nb_jout_array(&j);
    for (size_t i = 0; i < w->table.n; i++)
        row_json(&j, &w->table, &w->table.row[i]);
    nb_jout_array_end(&j);
    nb_jout_object_end(&j);
    puts(nb_str_c(&text));
    nb_str_free(&text);
}

/* --- the command -------------------------------------------------------------------------------
 */

static nb_status find_type(const nk_type **out, const ui_arg *arg, nb_err *err)
{
    const nk_type *t = arg->set ? nk_type_find(arg->text) : NULL;
    if (!arg->set)
        return nb_fail(err, NB_USAGE, "--type is missing: the type each tensor gets");
    if (!t || !t->encode || !t->decode || t->activation_only)
        return nb_fail(err, NB_USAGE, "--type: \"%.40s\" is no type that can be written",
                       arg->text);
    if (t->wants_imatrix)
        return nb_fail(err, NB_UNSUPPORTED, "%s cannot be made without an importance matrix",
                       t->name);
    *out = t;
    return NB_OK;
}

static nb_status prepare(work *w, nb_err *err)
{
    const ui_arg *o = w->ctx->opt;
    const nk_type *type = NULL;
    nb_reading_options r = {.n_ctx = o[S_CTX].set ? (uint32_t)o[S_CTX].i : 512,
                            .max_chunks = o[S_CHUNKS].set ? (uint32_t)o[S_CHUNKS].i : FEW_CHUNKS};
    NB_TRY(find_type(&type, &o[S_TYPE], err));
    NB_TRY(ui_text_open(&w->text, &w->ctx->cfg, o[S_FILE].set ? o[S_FILE].text : NULL, err));
    NB_TRY(ui_engine_open(&w->own, w->ctx, w->ctx->args[0], err));
    NB_TRY(nk_pool_open(&w->pool, w->ctx->threads, err));
    NB_TRY(nb_reading_open(&w->reading, w->own.tok, w->own.model->hp.n_vocab, w->text.at,
                           w->text.len, &r, err));
    NB_TRY(nb_sense_table_open(&w->table, w->own.weights, type, err));
    w->key = (nb_run_key){
        .model = ui_engine_print(&w->own), .n_ctx = w->reading.n_ctx, .chunks = w->reading.chunks};
    memcpy(w->key.text, w->text.sha256, sizeof w->key.text);
    nb_protocol_text(w->key.protocol, sizeof w->key.protocol, &w->reading);
    if (w->ctx->cfg.writable && nb_runs_open(&w->runs, &w->ctx->cfg, NULL) != NB_OK)
        w->runs = NULL;
    if (w->runs && !o[S_AGAIN].flag)
        w->stored = nb_sense_look(&w->table, w->runs, &w->key);
    for (size_t i = 0; i < w->table.n; i++)
        w->todo += wanted(w, i) && !w->table.row[i].known && !w->table.row[i].skip;
    return NB_OK;
}

static nb_status run_sensitivity(ui_ctx *ctx, nb_err *err)
{
    work w = {.ctx = ctx};
    nb_status st = prepare(&w, err);
    if (st == NB_OK)
        st = measure_all(&w, err);
    if (st == NB_OK && ctx->json)
        print_json(&w);
    else if (st == NB_OK)
        st = print_text(&w, err);
    work_close(&w);
    return st;
}

const ui_cmd ui_cmd_sensitivity = {
    .name = "sensitivity",
    .args = "MODEL -t TYPE",
    .summary = "what quantizing each tensor alone costs, layer by layer",
    .details =
        "Each tensor in its turn is replaced by what TYPE makes of it, and the whole model's KL\n"
        "divergence from itself is measured (llama-perplexity's protocol, a few chunks). Each\n"
        "result is stored at once: an interrupted run goes on where it was.\n"
        "JSON keys: model, type, text_sha256, protocol, ctx, chunks, layers, measured, stored,\n"
        "sum, tensors[] {name, layer, kind, weights, source_bytes, bytes, kld, stderr, same_top,\n"
        "ln_ratio, weight_error or skipped}.",
    .opt = sensitivity_opt,
    .n_opt = S_COUNT,
    .min_args = 1,
    .max_args = 1,
    .run = run_sensitivity,
};
