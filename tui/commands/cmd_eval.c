/* eval: a text or tasks through a model. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/digest.h"
#include "core/base/file.h"
#include "core/eval/base_file.h"
#include "tui/commands/eval_cmd.h"
#include "core/files/library.h"
#include "tui/commands/eval_remote.h"
#include "tui/commands/session_opt.h"

enum { TEXT_LIMIT = 1 << 30, PAPERS_CTX = 2048, DEFAULT_CTX = 512 };

static const ui_opt eval_opt[UI_EVAL_COUNT] = {
    {"file", 'f', UI_OPT_FILE, "TEXT", NULL, 0, 0, "text or task file to read"},
    {"ctx", 'c', UI_OPT_INT, "N", "512, papers 2048", 8, 1 << 20, "tokens per chunk"},
    {"chunks", 0, UI_OPT_INT, "N", "all", 1, 1 << 30, "chunks at most"},
    {"protocol", 0, UI_OPT_TEXT, "NAME", "llama", 0, 0,
     "llama: llama-perplexity's; papers: all positions, rows joined; strided"},
    {"stride", 0, UI_OPT_INT, "N", NULL, 1, 1 << 20,
     "chunks begin N tokens apart, the last N of each are scored"},
    {"ref", 0, UI_OPT_MODEL, "MODEL", NULL, 0, 0,
     "KL divergence from this model, which runs beside the first, or is remote"},
    {"base", 0, UI_OPT_FILE, "FILE", NULL, 0, 0,
     "KL divergence from a base file, nibble's or llama-perplexity's"},
    {"save-base", 0, UI_OPT_FILE, "FILE", NULL, 0, 0, "keep the model's answers as a base file"},
    {"base-type", 0, UI_OPT_TEXT, "KIND", "nibble", 0, 0,
     "of --save-base: nibble (compact) or llama (llama-perplexity's)"},
    {"task", 0, UI_OPT_TEXT, "NAME", NULL, 0, 0,
     "score tasks instead: hellaswag, winogrande, choice or qa"},
    {"tasks", 0, UI_OPT_INT, "N", "all", 1, 1 << 24, "tasks at most, picked as llama.cpp picks"},
    {"kv-f32", 0, UI_OPT_FLAG, NULL, NULL, 0, 0, "KV cache in F32 instead of F16"},
    {"cache-type-k", 0, UI_OPT_TEXT, "TYPE", "f16", 0, 0, "type of cached keys: " UI_CACHE_TYPES},
    {"cache-type-v", 0, UI_OPT_TEXT, "TYPE", "f16", 0, 0, "type of cached values"},
    {"lora", 0, UI_OPT_FILE, "FILE", NULL, 0, 0, "LoRA adapter (GGUF) of the model"},
    {"lora-scale", 0, UI_OPT_NUM, "S", "1", -1e6, 1e6, "how much of the adapter is added"},
    {"flat", 0, UI_OPT_FLAG, NULL, NULL, 0, 0, UI_FLAT_HELP},
    {"chat", 0, UI_OPT_FILE, "FILE", NULL, 0, 0,
     "score pane A's last answer in a chat, token by token; --ref: A's model"},
    {"system", 0, UI_OPT_TEXT, "TEXT", NULL, 0, 0, "of --chat: the system prompt it had"},
    {"think", 0, UI_OPT_TEXT, "HOW", "auto", 0, 0, "of --chat: on, off or auto, as it was"},
    {"tools", 0, UI_OPT_FILE, "FILE", NULL, 0, 0, "of --chat: the tools it was told of"},
};

/* --- shared by the parts -----------------------------------------------------------------------
 */

nb_status ui_eval_read(ui_eval *e, const char *path, nb_err *err)
{
    NB_TRY(nb_file_read(&e->text, &e->len, path, TEXT_LIMIT, err));
    return nb_sha256_of(e->text, e->len, e->sha256, err);
}

nb_status ui_eval_cut(ui_eval *e, nb_err *err)
{
    const ui_arg *o = e->ctx->opt;
    nb_reading_options r = {.max_chunks =
                                o[UI_EVAL_CHUNKS].set ? (uint32_t)o[UI_EVAL_CHUNKS].i : 0};
    if (o[UI_EVAL_PROTOCOL].set)
        r.protocol = nb_protocol_find(o[UI_EVAL_PROTOCOL].text);
    else if (o[UI_EVAL_STRIDE].set)
        r.protocol = NB_PROTOCOL_STRIDED;
    if (r.protocol == NB_PROTOCOL_COUNT)
        return nb_fail(err, NB_USAGE, "--protocol: \"%.40s\" is none of llama, papers, strided",
                       o[UI_EVAL_PROTOCOL].text);
    if ((r.protocol == NB_PROTOCOL_STRIDED) != o[UI_EVAL_STRIDE].set)
        return nb_fail(err, NB_USAGE, "--stride N and the protocol strided go together");
    r.n_ctx = r.protocol == NB_PROTOCOL_PAPERS ? PAPERS_CTX : DEFAULT_CTX;
    if (o[UI_EVAL_CTX].set)
        r.n_ctx = (uint32_t)o[UI_EVAL_CTX].i;
    r.stride = o[UI_EVAL_STRIDE].set ? (uint32_t)o[UI_EVAL_STRIDE].i : 0;
    return nb_reading_open(&e->reading, e->own.tok, e->own.model->hp.n_vocab, e->text, e->len, &r,
                           err);
}

nb_status ui_eval_session(ui_eval *e, uint32_t n_ctx, nb_err *err)
{
    const ui_arg *file = &e->ctx->opt[UI_EVAL_LORA], *scale = &e->ctx->opt[UI_EVAL_LORA_SCALE];
    uint32_t trained = e->own.model->hp.n_ctx_train;
    e->session.n_ctx = n_ctx;
    if (trained && n_ctx > trained && !e->ctx->quiet && !e->ctx->json)
        fprintf(stderr, "note: context %u, the model was trained on %u\n", n_ctx, trained);
    if (e->ctx->opt[UI_EVAL_FLAT].flag)
        NB_TRY(ui_engine_flatten(&e->own, e->ctx, e->pool, err));
    NB_TRY(ui_engine_session(&e->own, e->ctx, e->pool, &e->session, err));
    if (!file->set)
        return NB_OK;
    return ui_engine_lora(&e->own, file->text, scale->set ? (float)scale->num : 1, err);
}

nb_run_key ui_eval_key(const ui_eval *e)
{
    nb_run_key key = {
        .model = ui_engine_print(&e->own), .n_ctx = e->reading.n_ctx, .chunks = e->reading.chunks};
    snprintf(key.text, sizeof key.text, "%s", e->sha256);
    nb_protocol_text(key.protocol, sizeof key.protocol, &e->reading);
    return key;
}

void ui_eval_keep(const ui_eval *e, nb_run_kind kind, const nb_run_key *key, const void *record)
{
    nb_runs *runs = NULL;
    const nb_config *cfg = &e->ctx->cfg;
    if (!e->plain || !cfg->writable || nb_runs_open(&runs, cfg, NULL) != NB_OK)
        return;
    nb_runs_add(runs, kind, key, record, NULL);
    nb_runs_close(&runs);
}

void ui_eval_json_head(nb_jout *w, const ui_eval *e)
{
    const ui_arg *file = &e->ctx->opt[UI_EVAL_FILE];
    nb_run_key key = ui_eval_key(e);
    nb_jout_key(w, "model"), nb_jout_str(w, e->ctx->args[0]);
    nb_jout_key(w, "text");
    if (file->set)
        nb_jout_str(w, file->text);
    else
        nb_jout_null(w);
    nb_jout_key(w, "text_sha256"), nb_jout_str(w, e->sha256);
    nb_jout_key(w, "protocol"), nb_jout_str(w, key.protocol);
    nb_jout_key(w, "ctx"), nb_jout_u64(w, e->reading.n_ctx);
    nb_jout_key(w, "chunks"), nb_jout_u64(w, e->reading.chunks);
    nb_jout_key(w, "flat_bytes"), nb_jout_u64(w, e->own.model->flat_bytes);
}

/* --- perplexity, and base files ----------------------------------------------------------------
 */

static void on_chunk(void *arg, const nb_ppl *p)
{
    const ui_ctx *ctx = arg;
    if (!ctx->quiet && !ctx->json)
        fprintf(stderr, "[%u]%.4f%s", p->chunks, p->perplexity, ctx->err_tty ? " " : "\n");
}

static void ppl_json(const ui_eval *e, const nb_ppl *p)
{
    nb_str text = {0};
    nb_jout w = nb_jout_make(&text);
    nb_jout_object(&w);
    ui_eval_json_head(&w, e);
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

static void ppl_print(const ui_eval *e, const nb_ppl *p)
{
    nb_run_key key = ui_eval_key(e);
    bool named = e->reading.protocol != NB_PROTOCOL_LLAMA;
    printf("perplexity %.4f +/- %.4f  (%s%s%u chunks of %u, %llu tokens scored, %.0f tok/s)\n",
           p->perplexity, p->stderr_, named ? key.protocol : "", named ? ": " : "", p->chunks,
           p->n_ctx, (unsigned long long)p->scored, p->tok_per_s);
}

static nb_status base_about(nb_base_about *out, const ui_eval *e, nb_err *err)
{
    const ui_arg *kind = &e->ctx->opt[UI_EVAL_BASE_TYPE], *lora = &e->ctx->opt[UI_EVAL_LORA];
    const char *name = kind->set ? kind->text : "nibble";
    bool own = nb_same_word(name, "nibble");
    if (!own && !nb_same_word(name, "llama"))
        return nb_fail(err, NB_USAGE, "--base-type: \"%.40s\" is neither nibble nor llama", name);
    if (own && lora->set)
        return nb_fail(err, NB_USAGE,
                       "--save-base keeps the file's own output matrix: --lora needs "
                       "--base-type llama");
    *out = (nb_base_about){.kind = own ? NB_BASE_NIBBLE : NB_BASE_LLAMA,
                           .reference = ui_engine_print(&e->own),
                           .vocab = nb_vocab_print(e->own.tok),
                           .text = e->sha256,
                           .name = ui_engine_name(&e->own),
                           .cpu_flags = e->ctx->ops.flags};
    return NB_OK;
}

static nb_status check_base_path(const ui_eval *e, const char *path, nb_err *err)
{
    if (nb_weights_is_source(e->own.weights, path))
        return nb_fail(err, NB_REFUSED, "%s is the model itself", path);
    if (nb_same_file(path, e->ctx->opt[UI_EVAL_FILE].text))
        return nb_fail(err, NB_REFUSED, "%s is the text itself", path);
    if (nb_is_dir(path))
        return nb_fail(err, NB_USAGE, "%s is a folder", path);
    if (nb_exists(path) && !e->ctx->force)
        return nb_fail(err, NB_REFUSED, "%s exists; --force replaces it", path);
    return NB_OK;
}

/* --dry-run: what would be read, and written. */
static nb_status forecast(const ui_eval *e, const nb_base_about *about, nb_err *err)
{
    uint64_t bytes = 0, n = (uint64_t)e->reading.chunks * e->reading.n_ctx;
    char human[16];
    nb_str text = {0};
    if (about)
        NB_TRY(nb_base_size(&bytes, about, &e->reading, e->own.model, err));
    if (e->ctx->json) {
        nb_jout w = nb_jout_make(&text);
        nb_jout_object(&w);
        ui_eval_json_head(&w, e);
        nb_jout_key(&w, "tokens"), nb_jout_u64(&w, n);
        nb_jout_key(&w, "base_bytes"), nb_jout_u64(&w, bytes);
        nb_jout_object_end(&w);
        puts(nb_str_c(&text));
        nb_str_free(&text);
        return NB_OK;
    }
    printf("would read %u chunks of %u: %llu tokens", e->reading.chunks, e->reading.n_ctx,
           (unsigned long long)n);
    if (about)
        printf(", and write %s", nb_human_bytes(human, bytes));
    putchar('\n');
    return NB_OK;
}

static nb_status run_ppl(ui_eval *e, nb_err *err)
{
    ui_ctx *ctx = e->ctx;
    const ui_arg *save = &ctx->opt[UI_EVAL_SAVE_BASE];
    nb_base_about about;
    nb_ppl p;
    NB_TRY(ui_eval_cut(e, err));
    if (save->set) {
        NB_TRY(check_base_path(e, save->text, err));
        NB_TRY(base_about(&about, e, err));
    }
    if (ctx->dry_run)
        return forecast(e, save->set ? &about : NULL, err);
    NB_TRY(ui_eval_session(e, e->reading.n_ctx, err));
    nb_hooks hooks = ui_ctx_hooks(ctx);
    hooks.progress = NULL; /* one figure per chunk instead */
    nb_eval_watch watch = {.chunk = on_chunk, .arg = ctx};
    nb_status st = save->set ? nb_base_save(&p, save->text, &about, e->own.session, &e->reading,
                                            &watch, &hooks, err)
                             : nb_eval_read(&p, e->own.session, &e->reading, &watch, &hooks, err);
    if (!ctx->quiet && !ctx->json && ctx->err_tty)
        fputc('\n', stderr);
    if (st != NB_OK)
        return st;
    nb_run_key key = ui_eval_key(e);
    if (ctx->json)
        ppl_json(e, &p);
    else
        ppl_print(e, &p);
    ui_eval_keep(e, NB_RUN_PPL, &key, &p);
    return NB_OK;
}

/* --- the command -------------------------------------------------------------------------------
 */

static nb_status check_use(const ui_arg *o, nb_err *err)
{
    if (o[UI_EVAL_REF].set + o[UI_EVAL_BASE].set + o[UI_EVAL_SAVE_BASE].set + o[UI_EVAL_TASK].set >
        1)
        return nb_fail(err, NB_USAGE, "--ref, --base, --save-base and --task exclude each other");
    static const int of_chat[] = {UI_EVAL_SYSTEM, UI_EVAL_THINK, UI_EVAL_TOOLS};
    static const int of_text[] = {
        UI_EVAL_FILE, UI_EVAL_CTX,       UI_EVAL_CHUNKS,    UI_EVAL_PROTOCOL, UI_EVAL_STRIDE,
        UI_EVAL_BASE, UI_EVAL_SAVE_BASE, UI_EVAL_BASE_TYPE, UI_EVAL_TASK,     UI_EVAL_TASKS};
    for (size_t i = 0; i < countof(of_text); i++)
        if (o[of_text[i]].set && o[UI_EVAL_CHAT].set)
            return nb_fail(err, NB_USAGE, "--%s: not with --chat", eval_opt[of_text[i]].name);
    for (size_t i = 0; i < countof(of_chat); i++)
        if (o[of_chat[i]].set && !o[UI_EVAL_CHAT].set)
            return nb_fail(err, NB_USAGE, "--%s: only with --chat", eval_opt[of_chat[i]].name);
    if (!o[UI_EVAL_FILE].set && !o[UI_EVAL_BASE].set && !o[UI_EVAL_TASK].set &&
        !o[UI_EVAL_CHAT].set)
        return nb_fail(err, NB_USAGE, "--file is missing: the text to read");
    return NB_OK;
}

/* One side is behind an address. */
static nb_status run_remote(ui_ctx *ctx, nb_err *err)
{
    static const int own[] = {UI_EVAL_PROTOCOL,   UI_EVAL_STRIDE, UI_EVAL_BASE,  UI_EVAL_SAVE_BASE,
                              UI_EVAL_BASE_TYPE,  UI_EVAL_TASK,   UI_EVAL_TASKS, UI_EVAL_LORA,
                              UI_EVAL_LORA_SCALE, UI_EVAL_FLAT,   UI_EVAL_CHAT};
    static const int cache[] = {UI_EVAL_KV_F32, UI_EVAL_CACHE_K, UI_EVAL_CACHE_V};
    const ui_arg *o = ctx->opt;
    bool far = nb_is_remote(ctx->args[0]);
    ui_eval_remote what = {.model = ctx->args[0],
                           .ref = o[UI_EVAL_REF].text,
                           .file = o[UI_EVAL_FILE].text,
                           .ctx = o[UI_EVAL_CTX].set ? (uint32_t)o[UI_EVAL_CTX].i : DEFAULT_CTX,
                           .chunks = o[UI_EVAL_CHUNKS].set ? (uint32_t)o[UI_EVAL_CHUNKS].i : 0,
                           .session = {.kv_f32 = o[UI_EVAL_KV_F32].flag},
                           .plain = !o[UI_EVAL_CACHE_K].set && !o[UI_EVAL_CACHE_V].set &&
                                    !o[UI_EVAL_KV_F32].flag};
    if (far && o[UI_EVAL_REF].set)
        return nb_fail(err, NB_USAGE,
                       "--ref: a file's divergence from a remote model is measured, not a remote "
                       "one's");
    if (ctx->dry_run)
        return nb_fail(err, NB_USAGE, "--dry-run: not with a remote model");
    for (size_t i = 0; i < countof(own); i++)
        if (o[own[i]].set)
            return nb_fail(err, NB_USAGE, "--%s: not with a remote model", eval_opt[own[i]].name);
    for (size_t i = 0; i < countof(cache); i++)
        if (far && o[cache[i]].set)
            return nb_fail(err, NB_USAGE, "--%s: not with a remote model", eval_opt[cache[i]].name);
    NB_TRY(ui_cache_types(&what.session, &o[UI_EVAL_CACHE_K], &o[UI_EVAL_CACHE_V], err));
    return ui_eval_remote_run(ctx, &what, err);
}

static nb_status run_parts(ui_eval *e, nb_err *err)
{
    ui_ctx *ctx = e->ctx;
    const ui_arg *o = ctx->opt;
    NB_TRY(check_use(o, err));
    if (nb_is_remote(ctx->args[0]) || (o[UI_EVAL_REF].set && nb_is_remote(o[UI_EVAL_REF].text)))
        return run_remote(ctx, err);
    NB_TRY(ui_cache_types(&e->session, &o[UI_EVAL_CACHE_K], &o[UI_EVAL_CACHE_V], err));
    if (o[UI_EVAL_FILE].set)
        NB_TRY(ui_eval_read(e, o[UI_EVAL_FILE].text, err));
    NB_TRY(ui_engine_open(&e->own, ctx, ctx->args[0], err));
    NB_TRY(nk_pool_open(&e->pool, ctx->threads, err));
    if (o[UI_EVAL_CHAT].set)
        return ui_eval_chat(e, err);
    if (o[UI_EVAL_TASK].set)
        return ui_eval_task(e, err);
    return o[UI_EVAL_REF].set || o[UI_EVAL_BASE].set ? ui_eval_kld(e, err) : run_ppl(e, err);
}

static nb_status run_eval(ui_ctx *ctx, nb_err *err)
{
    const ui_arg *o = ctx->opt;
    ui_eval e = {.ctx = ctx,
                 .session.kv_f32 = o[UI_EVAL_KV_F32].flag,
                 .plain = !o[UI_EVAL_LORA].set && !o[UI_EVAL_CACHE_K].set &&
                          !o[UI_EVAL_CACHE_V].set && !o[UI_EVAL_KV_F32].flag};
    nb_status st = run_parts(&e, err);
    ui_ctx_done(ctx);
    ui_engine_close(&e.own);
    nk_pool_close(&e.pool);
    nb_reading_close(&e.reading);
    free(e.text);
    return st;
}

const ui_cmd ui_cmd_eval = {
    .name = "eval",
    .alias = "perplexity",
    .args = "MODEL -f TEXT",
    .summary = "perplexity, KL divergence, tasks: how good a model is",
    .details =
        "Perplexity by llama-perplexity's protocol: the text is cut into chunks of --ctx tokens\n"
        "without overlap; the second half of each is scored. Figures of other protocols,\n"
        "contexts or texts are not comparable.\n"
        "--ref and --base measure KL divergence from a reference, with all of\n"
        "llama-perplexity's statistics. A base file of nibble's own kind keeps hidden states\n"
        "and the output matrix; it may be made once and used for many files.\n"
        "A remote MODEL (https://host[:port][/path]#name) is scored by what its endpoint tells of "
        "a\n"
        "prompt: pieces of 4 bytes a token of --ctx, by the server's tokens, never comparable "
        "with\n"
        "files. vLLM and SGLang tell; llama.cpp's server and Ollama do not. As --ref of a file "
        "such\n"
        "a model's likeliest tokens and one bucket for the rest give a lower bound of the KL\n"
        "divergence.\n"
        "--task hellaswag reads llama.cpp's text file, winogrande its CSV, choice its binary\n"
        "file, qa a JSON list of {questions, answer}, of which the first question must be\n"
        "answered word for word; the demo's own is used without --file.\n"
        "--chat reads a chat that the workbench keeps (data folder, chats/*.jsonl) and gives pane\n"
        "A's last answer to MODEL in the context in which A wrote it: forced scoring, what F does\n"
        "in Chat. The reference is --ref, or else the file that A was.\n"
        "JSON keys: model, text, text_sha256, protocol, ctx, chunks, then\n"
        "perplexity: tokens, scored, nll, perplexity, stderr, tok_per_s;\n"
        "divergence: reference, scored, ppl, base_ppl, cor, ln_ratio, ratio, diff (each {value,\n"
        "stderr}), kld and dp ({mean, stderr, max, p99_9 ... min}), rms_dp, same_top ({value,\n"
        "stderr, lo, hi}), tok_per_s;\n"
        "tasks: task, in_file, asked, right, score, lo, hi (Wilson's 95 %), chance, seconds;\n"
        "chats: model, reference, chat, prompt_tokens, scored, kld ({mean, stderr, max,\n"
        "max_token}), same_top ({value, lo, hi}), tokens[] (id, text, kl, p, p_reference,\n"
        "same_top);\n"
        "remotes: also untold; with a remote --ref also ref, kl_at_least, kl_stderr, kl_max,\n"
        "same_top, rest_ref, rest, perplexity_ref, unmatched, unknown; warning, where a key goes\n"
        "unencrypted to another machine. Stored for compare, which ranks them with no others.",
    .opt = eval_opt,
    .n_opt = UI_EVAL_COUNT,
    .min_args = 1,
    .max_args = 1,
    .writes = true,
    .force = "replaces the base file",
    .run = run_eval,
};
