/* eval: a text through a model. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/digest.h"
#include "core/base/file.h"
#include "core/eval/eval.h"
#include "core/eval/runs.h"
#include "core/files/library.h"
#include "core/model/lora.h"
#include "tui/commands/eval_remote.h"
#include "tui/commands/session_opt.h"

enum { TEXT_LIMIT = 1 << 30 };

enum {
    E_FILE,
    E_CTX,
    E_CHUNKS,
    E_REF,
    E_KV_F32,
    E_CACHE_K,
    E_CACHE_V,
    E_LORA,
    E_LORA_SCALE,
    E_COUNT
};
static const ui_opt eval_opt[E_COUNT] = {
    {"file", 'f', UI_OPT_FILE, "TEXT", NULL, 0, 0, "text file to read"},
    {"ctx", 'c', UI_OPT_INT, "N", "512", 8, 1 << 20, "tokens per chunk"},
    {"chunks", 0, UI_OPT_INT, "N", "all", 1, 1 << 30, "chunks at most"},
    {"ref", 0, UI_OPT_MODEL, "MODEL", NULL, 0, 0,
     "KL divergence from this remote model, https://host/v1#name"},
    {"kv-f32", 0, UI_OPT_FLAG, NULL, NULL, 0, 0, "KV cache in F32 instead of F16"},
    {"cache-type-k", 0, UI_OPT_TEXT, "TYPE", "f16", 0, 0, "type of cached keys: " UI_CACHE_TYPES},
    {"cache-type-v", 0, UI_OPT_TEXT, "TYPE", "f16", 0, 0, "type of cached values"},
    {"lora", 0, UI_OPT_FILE, "FILE", NULL, 0, 0, "LoRA adapter (GGUF) of the model"},
    {"lora-scale", 0, UI_OPT_NUM, "S", "1", -1e6, 1e6, "how much of the adapter is added"},
};

typedef struct evaluation {
    nb_weights *weights;
    nb_model *model;
    nb_tok *tok;
    nk_pool *pool;
    nb_session *session;
    nb_weights *adapter;
    nb_lora *lora;
    char *text;
    size_t len;
} evaluation;

static void evaluation_close(evaluation *e)
{
    nb_session_close(&e->session);
    nb_lora_close(&e->lora);
    nb_weights_close(&e->adapter);
    nk_pool_close(&e->pool);
    nb_tok_close(&e->tok);
    nb_model_close(&e->model);
    nb_weights_close(&e->weights);
    free(e->text);
}

static nb_status evaluation_open(evaluation *e, const ui_ctx *ctx, uint32_t n_ctx, nb_err *err)
{
    char path[1024];
    nb_session_options opt = {.n_ctx = n_ctx, .kv_f32 = ctx->opt[E_KV_F32].flag};
    NB_TRY(ui_cache_types(&opt, &ctx->opt[E_CACHE_K], &ctx->opt[E_CACHE_V], err));
    NB_TRY(nb_library_resolve(&ctx->cfg, ctx->args[0], path, sizeof path, err));
    NB_TRY(nb_file_read(&e->text, &e->len, ctx->opt[E_FILE].text, TEXT_LIMIT, err));
    NB_TRY(nb_weights_open(&e->weights, path, err));
    NB_TRY(nb_model_open(&e->model, e->weights, err));
    NB_TRY(nb_tok_open(&e->tok, nb_weights_kvs(e->weights), err));
    NB_TRY(nk_pool_open(&e->pool, ctx->threads, err));
    NB_TRY(nb_session_open(&e->session, e->model, &ctx->ops, e->pool, &opt, err));
    const ui_arg *file = &ctx->opt[E_LORA], *scale = &ctx->opt[E_LORA_SCALE];
    if (!file->set)
        return NB_OK;
    NB_TRY(nb_weights_open(&e->adapter, file->text, err));
    NB_TRY(nb_lora_open(&e->lora, e->model, e->adapter, err));
    return nb_session_add_lora(e->session, e->lora, scale->set ? (float)scale->num : 1, err);
}

static void on_chunk(void *arg, const nb_ppl *p)
{
    const ui_ctx *ctx = arg;
    if (!ctx->quiet && !ctx->json)
        fprintf(stderr, "[%u]%.4f%s", p->chunks, p->perplexity, ctx->err_tty ? " " : "\n");
}

static void eval_json(const ui_ctx *ctx, const nb_ppl *p, const char *sha256)
{
    nb_str text = {0};
    nb_jout w = nb_jout_make(&text);
    nb_jout_object(&w);
    nb_jout_key(&w, "model"), nb_jout_str(&w, ctx->args[0]);
    nb_jout_key(&w, "text"), nb_jout_str(&w, ctx->opt[E_FILE].text);
    nb_jout_key(&w, "text_sha256"), nb_jout_str(&w, sha256);
    nb_jout_key(&w, "protocol"), nb_jout_str(&w, "llama-perplexity");
    nb_jout_key(&w, "ctx"), nb_jout_u64(&w, p->n_ctx);
    nb_jout_key(&w, "chunks"), nb_jout_u64(&w, p->chunks);
    nb_jout_key(&w, "tokens"), nb_jout_u64(&w, p->tokens);
    nb_jout_key(&w, "scored"), nb_jout_u64(&w, p->scored);
    nb_jout_key(&w, "nll"), nb_jout_double(&w, p->nll);
    nb_jout_key(&w, "perplexity"), nb_jout_double(&w, p->perplexity);
    nb_jout_key(&w, "stderr"), nb_jout_double(&w, p->stderr_);
    nb_jout_key(&w, "tok_per_s"), nb_jout_double(&w, p->tok_per_s);
    nb_jout_object_end(&w);
    puts(nb_str_c(&text));
    nb_str_free(&text);
}

/* A result is worth keeping, but never worth failing for. What an adapter or another cache type
 * gave is not the file's own. */
static void remember(const ui_ctx *ctx, const evaluation *e, const char *sha256, const nb_ppl *p)
{
    nb_runs *runs = NULL;
    const ui_arg *o = ctx->opt;
    bool plain = !e->lora && !o[E_CACHE_K].set && !o[E_CACHE_V].set && !o[E_KV_F32].flag;
    if (!plain || !ctx->cfg.writable || nb_runs_open(&runs, &ctx->cfg, NULL) != NB_OK)
        return;
    nb_runs_add_ppl(runs, nb_weights_fingerprint(e->weights), sha256, p, NULL);
    nb_runs_close(&runs);
}

/* One side is behind an address. */
static nb_status run_remote(ui_ctx *ctx, uint32_t n_ctx, nb_err *err)
{
    static const int local[] = {E_KV_F32, E_CACHE_K, E_CACHE_V, E_LORA, E_LORA_SCALE};
    const ui_arg *o = ctx->opt;
    bool far = nb_is_remote(ctx->args[0]);
    ui_eval_remote what = {.model = ctx->args[0],
                           .ref = o[E_REF].text,
                           .file = o[E_FILE].text,
                           .ctx = n_ctx,
                           .chunks = o[E_CHUNKS].set ? (uint32_t)o[E_CHUNKS].i : 0,
                           .session = {.kv_f32 = o[E_KV_F32].flag}};
    if (far && o[E_REF].set)
        return nb_fail(err, NB_USAGE,
                       "--ref: a file's divergence from a remote model is measured, not a remote "
                       "one's");
    if (!far && !nb_is_remote(o[E_REF].text))
        return nb_fail(err, NB_USAGE, "--ref: expected https://host[:port][/path]#name");
    for (size_t i = 0; i < countof(local); i++)
        if ((far || local[i] >= E_LORA) && o[local[i]].set)
            return nb_fail(err, NB_USAGE, "--%s: not with a remote model", eval_opt[local[i]].name);
    NB_TRY(ui_cache_types(&what.session, &o[E_CACHE_K], &o[E_CACHE_V], err));
    return ui_eval_remote_run(ctx, &what, err);
}

static nb_status run_eval(ui_ctx *ctx, nb_err *err)
{
    const ui_arg *o = ctx->opt;
    evaluation e = {0};
    nb_ppl p;
    char sha256[65];
    if (!o[E_FILE].set)
        return nb_fail(err, NB_USAGE, "--file is missing: the text to read");
    uint32_t n_ctx = o[E_CTX].set ? (uint32_t)o[E_CTX].i : 512;
    if (nb_is_remote(ctx->args[0]) || o[E_REF].set)
        return run_remote(ctx, n_ctx, err);
    nb_status st = evaluation_open(&e, ctx, n_ctx, err);
    nb_hooks hooks = ui_ctx_hooks(ctx);
    hooks.progress = NULL; /* one figure per chunk instead */
    if (st == NB_OK)
        st = nb_sha256_of(e.text, e.len, sha256, err);
    if (st == NB_OK)
        st = nb_eval_ppl(&p, e.session, e.tok, e.text, e.len, n_ctx,
                         o[E_CHUNKS].set ? (uint32_t)o[E_CHUNKS].i : 0, on_chunk, ctx, &hooks, err);
    if (!ctx->quiet && !ctx->json && ctx->err_tty)
        fputc('\n', stderr);
    if (st == NB_OK) {
        if (ctx->json)
            eval_json(ctx, &p, sha256);
        else
            printf("perplexity %.4f +/- %.4f  (%u chunks of %u, %llu tokens scored, %.0f tok/s)\n",
                   p.perplexity, p.stderr_, p.chunks, p.n_ctx, (unsigned long long)p.scored,
                   p.tok_per_s);
        remember(ctx, &e, sha256, &p);
    }
    evaluation_close(&e);
    return st;
}

const ui_cmd ui_cmd_eval = {
    .name = "eval",
    .alias = "perplexity",
    .args = "MODEL -f TEXT",
    .summary = "perplexity of a text, by llama-perplexity's protocol",
    .details =
        "The text is cut into chunks of --ctx tokens without overlap; the second half of each\n"
        "is scored. Figures of other protocols or contexts are not comparable.\n"
        "A remote MODEL (https://host[:port][/path]#name) is scored by what its endpoint tells of "
        "a\n"
        "prompt: pieces of 4 bytes a token of --ctx, by the server's tokens, never comparable "
        "with\n"
        "files. vLLM and SGLang tell; llama.cpp's server and Ollama do not. --ref takes such a "
        "model\n"
        "as the reference of a file: its likeliest tokens and one bucket for the rest give a "
        "lower\n"
        "bound of the KL divergence.\n"
        "JSON keys: model, text, text_sha256, protocol, ctx, chunks, tokens, scored, nll,\n"
        "perplexity, stderr, tok_per_s; of remotes also untold; with --ref also ref, kl_at_least,\n"
        "kl_stderr, kl_max, same_top, rest_ref, rest, perplexity_ref, unmatched, unknown.",
    .opt = eval_opt,
    .n_opt = E_COUNT,
    .min_args = 1,
    .max_args = 1,
    .run = run_eval,
};
