/* imatrix: importance matrices collected, merged, converted and looked into. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/eval/collect.h"
#include "core/files/library.h"
#include "tui/commands/cmd.h"
#include "tui/commands/imatrix_out.h"

enum { TEXT_LIMIT = 1 << 30 };

enum {
    I_FILE,
    I_OUT,
    I_FORMAT,
    I_CTX,
    I_CHUNKS,
    I_FROM,
    I_PROCESS_OUTPUT,
    I_SPECIAL,
    I_IN,
    I_OFREQ,
    I_SFREQ,
    I_RESUME,
    I_STATS,
    I_COUNT
};
static const ui_opt imatrix_opt[I_COUNT] = {
    {"file", 'f', UI_OPT_FILE, "TEXT", NULL, 0, 0, "calibration text"},
    {"output", 'o', UI_OPT_FILE, "OUT", "imatrix.gguf", 0, 0, "file to write"},
    {"output-format", 0, UI_OPT_TEXT, "FORM", "by OUT's name", 0, 0, "gguf or dat"},
    {"ctx", 'c', UI_OPT_INT, "N", "512", 1, 1 << 20, "tokens per chunk"},
    {"chunks", 0, UI_OPT_INT, "N", "all", 1, 1 << 30, "chunks at most"},
    {"from-chunk", 0, UI_OPT_INT, "N", "0", 0, 1 << 30, "chunks of the text to pass over"},
    {"process-output", 0, UI_OPT_FLAG, NULL, NULL, 0, 0, "collect for output.weight too"},
    {"parse-special", 0, UI_OPT_FLAG, NULL, NULL, 0, 0,
     "spellings of special tokens become them: for texts with chat templates in them"},
    {"in-file", 0, UI_OPT_TEXTS, "FILE", NULL, 0, 0,
     "importance matrix to add, or several with commas between; may be repeated"},
    {"output-frequency", 0, UI_OPT_INT, "N", "10", 1, 1 << 30, "save after every N chunks"},
    {"save-frequency", 0, UI_OPT_INT, "N", "0", 0, 1 << 30,
     "keep a copy OUT.at_CHUNK after every N chunks"},
    {"resume", 0, UI_OPT_FLAG, NULL, NULL, 0, 0, "go on where OUT, saved of this text, ends"},
    {"show-statistics", 0, UI_OPT_FLAG, NULL, NULL, 0, 0, "look into a file instead"},
};

typedef struct job {
    ui_ctx *ctx; /* borrowed */
    const char *out;
    nb_imatrix_format format;
    nb_imatrix *im;
    nb_weights *weights;
    nb_model *model;
    nb_tok *tok;
    nk_pool *pool;
    nb_session *session;
    char *text;
    size_t len;
} job;

static void job_close(job *j)
{
    nb_session_close(&j->session);
    nk_pool_close(&j->pool);
    nb_tok_close(&j->tok);
    nb_model_close(&j->model);
    nb_weights_close(&j->weights);
    nb_imatrix_close(&j->im);
    free(j->text);
}

static uint32_t chunk_size(const ui_ctx *ctx)
{
    return ctx->opt[I_CTX].set ? (uint32_t)ctx->opt[I_CTX].i : 512;
}

static nb_status choose_output(job *j, nb_err *err)
{
    const ui_arg *out = &j->ctx->opt[I_OUT], *form = &j->ctx->opt[I_FORMAT];
    j->out = out->set ? out->text : "imatrix.gguf";
    j->format = nb_has_suffix(j->out, ".dat") ? NB_IMATRIX_DAT : NB_IMATRIX_GGUF;
    if (!form->set)
        return NB_OK;
    bool dat = strcmp(form->text, "dat") == 0;
    if (!dat && strcmp(form->text, "gguf") != 0)
        return nb_fail(err, NB_USAGE, "--output-format: \"%s\" is neither gguf nor dat",
                       form->text);
    j->format = dat ? NB_IMATRIX_DAT : NB_IMATRIX_GGUF;
    return NB_OK;
}

static nb_status check_output(const job *j, nb_err *err)
{
    const ui_arg *o = j->ctx->opt;
    bool replaces = j->ctx->force || o[I_RESUME].flag || j->ctx->dry_run;
    if (o[I_FILE].set && nb_same_file(o[I_FILE].text, j->out))
        return nb_fail(err, NB_REFUSED, "%s is the text itself", j->out);
    if (j->weights && nb_weights_is_source(j->weights, j->out))
        return nb_fail(err, NB_REFUSED, "%s is the model itself", j->out);
    if (!replaces && nb_exists(j->out))
        return nb_fail(err, NB_REFUSED,
                       "%s exists already: --force replaces it, --resume goes on with it", j->out);
    return NB_OK;
}

/* --- merging -----------------------------------------------------------------------------------
 */

static nb_status add_file(job *j, const char *path, nb_err *err)
{
    nb_imatrix *from = NULL;
    NB_TRY(nb_imatrix_open(&from, path, err));
    nb_status st = nb_imatrix_merge(j->im, from, err);
    nb_imatrix_close(&from);
    return st;
}

/* "a,b" is two files, unless there is one of that name. */
static nb_status add_files(job *j, const char *list, nb_err *err)
{
    nb_status st = NB_OK;
    if (nb_exists(list) || !strchr(list, ','))
        return add_file(j, list, err);
    char *copy = nb_strdup(list, err), *save = NULL;
    if (!copy)
        return NB_NOMEM;
    for (char *p = strtok_r(copy, ",", &save); p && st == NB_OK; p = strtok_r(NULL, ",", &save))
        st = add_file(j, p, err);
    free(copy);
    return st;
}

static nb_status add_inputs(job *j, nb_err *err)
{
    const ui_arg *in = &j->ctx->opt[I_IN];
    NB_TRY(nb_imatrix_new(&j->im, chunk_size(j->ctx), err));
    for (size_t i = 0; i < in->n_texts; i++)
        NB_TRY(add_files(j, in->texts[i], err));
    return NB_OK;
}

/* --- collecting --------------------------------------------------------------------------------
 */

static nb_status open_model(job *j, nb_err *err)
{
    char path[1024];
    const ui_ctx *ctx = j->ctx;
    nb_session_options opt = {.n_ctx = chunk_size(ctx)};
    NB_TRY(nb_library_resolve(&ctx->cfg, ctx->args[0], path, sizeof path, err));
    NB_TRY(nb_file_read(&j->text, &j->len, ctx->opt[I_FILE].text, TEXT_LIMIT, err));
    NB_TRY(nb_weights_open(&j->weights, path, err));
    NB_TRY(nb_tok_open(&j->tok, nb_weights_kvs(j->weights), err));
    if (ctx->dry_run)
        return NB_OK;
    NB_TRY(nb_model_open(&j->model, j->weights, err));
    NB_TRY(nk_pool_open(&j->pool, ctx->threads, err));
    return nb_session_open(&j->session, j->model, &ctx->ops, j->pool, &opt, err);
}

/* llama-imatrix reads the text without its last line end (common/arg.cpp, --file). */
static void drop_line_end(job *j)
{
    if (j->len && j->text[j->len - 1] == '\n')
        j->len--;
}

static uint32_t save_every(const ui_ctx *ctx)
{
    return ctx->opt[I_OFREQ].set ? (uint32_t)ctx->opt[I_OFREQ].i : 10;
}

static nb_status save(void *arg, nb_imatrix *im, uint64_t done, nb_err *err)
{
    const job *j = arg;
    const ui_arg *o = j->ctx->opt;
    uint32_t copy = o[I_SFREQ].set ? (uint32_t)o[I_SFREQ].i : 0;
    char path[1100];
    (void)done;
    if (copy && im->n_chunks % copy == 0) {
        if (snprintf(path, sizeof path, "%s.at_%u", j->out, im->n_chunks) >= (int)sizeof path)
            return nb_fail(err, NB_USAGE, "--output: the name is longer than 1000 bytes");
        NB_TRY(nb_imatrix_write(im, path, j->format, err));
    }
    return im->n_chunks % save_every(j->ctx) == 0 ? nb_imatrix_write(im, j->out, j->format, err)
                                                  : NB_OK;
}

/* What OUT holds of this text already. */
static nb_status resume(job *j, uint64_t *chunks, nb_err *err)
{
    const ui_arg *o = j->ctx->opt;
    nb_imatrix *old = NULL;
    if (o[I_IN].n_texts || o[I_FROM].set)
        return nb_fail(err, NB_USAGE,
                       "--resume with --in-file or --from-chunk: OUT does not tell "
                       "what of it came from where");
    if (j->format == NB_IMATRIX_DAT)
        return nb_fail(err, NB_USAGE, "--resume: a .dat file holds no sums to go on with");
    if (!nb_exists(j->out))
        return NB_OK;
    NB_TRY(nb_imatrix_open(&old, j->out, err));
    nb_status st = NB_OK;
    if (old->format != NB_IMATRIX_GGUF || old->chunk_size != j->im->chunk_size)
        st = nb_fail(err, NB_REFUSED, "%s: chunks of %u tokens, not %u", j->out, old->chunk_size,
                     j->im->chunk_size);
    else if (old->n_datasets != 1 || strcmp(old->dataset[0], o[I_FILE].text) != 0)
        st = nb_fail(err, NB_REFUSED, "%s: collected on %.100s, not on this text alone", j->out,
                     old->n_datasets ? old->dataset[0] : "no text");
    else
        st = nb_imatrix_merge(j->im, old, err);
    nb_imatrix_close(&old);
    *chunks = j->im->n_chunks;
    return st;
}

static nb_status collect(job *j, nb_collected *c, nb_hooks *hooks, nb_err *err)
{
    const ui_arg *o = j->ctx->opt;
    nb_collect_options opt = {.n_ctx = chunk_size(j->ctx),
                              .from_chunk = o[I_FROM].set ? (uint64_t)o[I_FROM].i : 0,
                              .max_chunks = o[I_CHUNKS].set ? (uint64_t)o[I_CHUNKS].i : 0,
                              .output = o[I_PROCESS_OUTPUT].flag,
                              .special = o[I_SPECIAL].flag,
                              .chunk = save,
                              .arg = j};
    uint64_t have = 0;
    drop_line_end(j);
    NB_TRY(nb_collect_count(c, j->tok, j->text, j->len, &opt, err));
    if (o[I_RESUME].flag)
        NB_TRY(resume(j, &have, err));
    if (have >= c->of && have)
        return NB_OK;
    opt.from_chunk += have;
    opt.max_chunks = c->of -= have;
    if (j->ctx->dry_run)
        return NB_OK;
    if (!have)
        NB_TRY(nb_imatrix_add_dataset(j->im, o[I_FILE].text, strlen(o[I_FILE].text), err));
    return nb_collect(c, j->im, j->session, j->pool, j->tok, j->text, j->len, &opt, hooks, err);
}

/* --- telling -----------------------------------------------------------------------------------
 */

static void result_json(const job *j, const nb_collected *c)
{
    nb_str text = {0};
    nb_jout w = nb_jout_make(&text);
    const ui_ctx *ctx = j->ctx;
    nb_jout_object(&w);
    nb_jout_key(&w, "output"), nb_jout_str(&w, j->out);
    nb_jout_key(&w, "dry_run"), nb_jout_bool(&w, ctx->dry_run);
    if (j->weights) {
        nb_jout_key(&w, "model"), nb_jout_str(&w, nb_weights_path(j->weights));
        nb_jout_key(&w, "text"), nb_jout_str(&w, ctx->opt[I_FILE].text);
        nb_jout_key(&w, "tokens"), nb_jout_u64(&w, c->tokens);
        nb_jout_key(&w, "collected"), nb_jout_u64(&w, ctx->dry_run ? c->of : c->chunks);
        nb_jout_key(&w, "seconds"), nb_jout_double(&w, c->seconds);
    }
    j->im->format = j->format;
    ui_imatrix_keys(&w, j->im);
    nb_jout_object_end(&w);
    puts(nb_str_c(&text));
    nb_str_free(&text);
}

static nb_status tell(const job *j, const nb_collected *c, nb_err *err)
{
    char rate[48];
    if (j->ctx->json) {
        result_json(j, c);
        return NB_OK;
    }
    if (j->ctx->dry_run && j->weights)
        printf("%llu chunks of %u tokens, of a text of %llu tokens\nwould write ",
               (unsigned long long)c->of, j->im->chunk_size, (unsigned long long)c->tokens);
    else if (j->ctx->dry_run)
        printf("would write ");
    ui_print_line(j->out);
    if (j->ctx->dry_run)
        return NB_OK;
    printf("%zu weights, %u chunks of %u tokens", j->im->n, j->im->n_chunks, j->im->chunk_size);
    if (c->seconds > 0)
        printf(", %s tok/s",
               nb_fmt_fixed(rate, (double)(c->chunks * j->im->chunk_size) / c->seconds, 0));
    putchar('\n');
    return ui_imatrix_health(j->im, err);
}

/* An interrupted collection says where it can go on. */
static void add_hint(const job *j, nb_status st, const nb_collected *c, nb_err *err)
{
    size_t n = strlen(err->msg);
    bool saved = j->im->n_chunks >= save_every(j->ctx) && nb_exists(j->out);
    if (st == NB_CANCELED && c->chunks && saved && j->format == NB_IMATRIX_GGUF)
        snprintf(err->msg + n, sizeof err->msg - n,
                 " after %llu chunks: what was saved goes on with --resume",
                 (unsigned long long)c->chunks);
}

static nb_status make(job *j, nb_err *err)
{
    ui_ctx *ctx = j->ctx;
    nb_collected c = {0};
    nb_hooks hooks = ui_ctx_hooks(ctx);
    bool text = ctx->opt[I_FILE].set;
    if (text)
        NB_TRY(open_model(j, err));
    NB_TRY(choose_output(j, err));
    NB_TRY(check_output(j, err));
    NB_TRY(add_inputs(j, err));
    nb_status st = text ? collect(j, &c, &hooks, err) : NB_OK;
    ui_ctx_done(ctx);
    if (st == NB_OK && !ctx->dry_run)
        st = nb_imatrix_write(j->im, j->out, j->format, err);
    if (st == NB_OK)
        st = nb_imatrix_settle(j->im, err);
    if (st != NB_OK) {
        add_hint(j, st, &c, err);
        return st;
    }
    return tell(j, &c, err);
}

static nb_status show(const ui_ctx *ctx, nb_err *err)
{
    const ui_arg *in = &ctx->opt[I_IN];
    nb_imatrix *im = NULL;
    if (ctx->n_args + in->n_texts != 1)
        return nb_fail(err, NB_USAGE, "--show-statistics looks into one file");
    const char *file = ctx->n_args ? ctx->args[0] : in->texts[0];
    NB_TRY(nb_imatrix_open(&im, file, err));
    nb_status st = ui_imatrix_statistics(im, file, ctx->json, err);
    nb_imatrix_close(&im);
    return st;
}

static nb_status run_imatrix(ui_ctx *ctx, nb_err *err)
{
    const ui_arg *o = ctx->opt;
    job j = {.ctx = ctx};
    if (o[I_STATS].flag)
        return show(ctx, err);
    if (o[I_FILE].set && !ctx->n_args)
        return nb_fail(err, NB_USAGE, "the model is missing: nibble imatrix MODEL -f TEXT");
    if (!o[I_FILE].set && ctx->n_args)
        return nb_fail(err, NB_USAGE, "--file is missing: the text to collect on");
    if (!o[I_FILE].set && !o[I_IN].n_texts)
        return nb_fail(err, NB_USAGE, "nothing to do: MODEL -f TEXT collects, --in-file merges");
    nb_status st = make(&j, err);
    job_close(&j);
    return st;
}

const ui_cmd ui_cmd_imatrix = {
    .name = "imatrix",
    .args = "MODEL -f TEXT [-o OUT]",
    .summary = "importance matrix of a model on a text, for quantize --imatrix",
    .details =
        "The text passes the model in chunks of --ctx tokens; of every weight the squares of what\n"
        "it reads are summed for each input column, for each expert apart. 10,000 tokens serve a\n"
        "dense model; experts need many more. OUT is what llama-quantize reads: GGUF, or the old\n"
        "form for a name in .dat. It is saved as it grows; --resume goes on after an interruption\n"
        "and ends in the same bytes.\n"
        "Without MODEL and text the files of --in-file are merged, or one is converted.\n"
        "  nibble imatrix FILE --show-statistics\n"
        "shows each weight: act2 is the mean square of a column; active: columns above 1e-5;\n"
        "zd: columns a standard deviation above the mean; cossim: likeness to the layer before.\n"
        "JSON keys: output, dry_run, model, text, tokens, collected, seconds (of a collection),\n"
        "format, datasets[], chunks, chunk_size, entries, replaced, unseen (matrices without a\n"
        "row). Statistics: file, the keys from format on, tensors[] with name, total, min, max,\n"
        "mean, stddev, active, n, entropy, entropy_norm, z_density, cosine, matrices, seen,\n"
        "rows_min, rows_max, zero_columns, replaced; layers[] with layer, total, z_density, "
        "cosine.",
    .opt = imatrix_opt,
    .n_opt = I_COUNT,
    .min_args = 0,
    .max_args = 1,
    .writes = true,
    .run = run_imatrix,
};
