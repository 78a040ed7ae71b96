/* chat: one prompt to one or several precisions of a model, answers one after another. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/files/library.h"
#include "core/model/chat.h"
#include "core/model/session_file.h"
#include "tui/app.h"
#include "tui/commands/session_opt.h"
#include "tui/remote.h"
#include "tui/transcript.h"

enum {
    C_PROMPT,
    C_MAX,
    C_TEMP,
    C_SEED,
    C_TOP_K,
    C_TOP_P,
    C_MIN_P,
    C_PENALTY,
    C_SYSTEM,
    C_CTX,
    C_CACHE_K,
    C_CACHE_V,
    C_SESSION,
    C_LORA,
    C_LORA_SCALE,
    C_COUNT
};
static const ui_opt chat_opt[C_COUNT] = {
    {"prompt", 'p', UI_OPT_TEXT, "TEXT", "standard input", 0, 0, "what to ask"},
    {"predict", 'n', UI_OPT_INT, "N", "until the end", 1, 1 << 20, "tokens at most"},
    {"temp", 0, UI_OPT_NUM, "T", "0", 0, 100, "temperature; 0 = greedy"},
    {"seed", 0, UI_OPT_INT, "S", "1", 0, 0, "seed of the draw"},
    {"top-k", 0, UI_OPT_INT, "K", "40", 0, 1 << 20, "keep the K likeliest; 0 = all"},
    {"top-p", 0, UI_OPT_NUM, "P", "0.95", 0, 1, "keep the likeliest that sum to P; 1 = off"},
    {"min-p", 0, UI_OPT_NUM, "P", "0.05", 0, 1, "drop what is below P of the likeliest; 0 = off"},
    {"repeat-penalty", 0, UI_OPT_NUM, "R", "1", 0.1, 10, "penalty on recent tokens; 1 = off"},
    {"system", 0, UI_OPT_TEXT, "TEXT", NULL, 0, 0, "system prompt"},
    {"ctx", 'c', UI_OPT_INT, "N", "the model's, at most 4096", 1, 1 << 20,
     "context size in tokens"},
    {"cache-type-k", 0, UI_OPT_TEXT, "TYPE", "f16", 0, 0, "type of cached keys: " UI_CACHE_TYPES},
    {"cache-type-v", 0, UI_OPT_TEXT, "TYPE", "f16", 0, 0, "type of cached values"},
    {"session", 0, UI_OPT_FILE, "FILE", NULL, 0, 0,
     "go on from what FILE holds, if there is one, and save it"},
    {"lora", 0, UI_OPT_FILE, "FILE", NULL, 0, 0, "LoRA adapter (GGUF) of every model named"},
    {"lora-scale", 0, UI_OPT_NUM, "S", "1", -1e6, 1e6, "how much of the adapter is added"},
};

enum { STDIN_LIMIT = 64 << 20 };

/* One turn: its answer goes to the log and, streaming, to stdout. */
typedef struct turn {
    ui_ctx *ctx;
    ui_transcript *log;
    int answer; /* message */
    bool stream;
    nb_err err;
} turn;

static void on_token(void *arg, const nb_token_event *e)
{
    turn *t = arg;
    ui_ctx_done(t->ctx); /* of a remote's answer, which is waited for */
    if (t->err.status == NB_OK)
        ui_transcript_token(t->log, t->answer, e, &t->err);
    if (t->stream) {
        ui_print_safe(e->text, e->len);
        fflush(stdout);
    }
}

static nb_sampling sampling_from(const ui_arg *o)
{
    nb_sampling s = nb_sampling_default();
    s.temp = o[C_TEMP].set ? (float)o[C_TEMP].num : 0;
    s.seed = o[C_SEED].set ? (uint64_t)o[C_SEED].i : 1;
    if (o[C_TOP_K].set)
        s.top_k = (int)o[C_TOP_K].i;
    if (o[C_TOP_P].set)
        s.top_p = (float)o[C_TOP_P].num;
    if (o[C_MIN_P].set)
        s.min_p = (float)o[C_MIN_P].num;
    if (o[C_PENALTY].set)
        s.repeat_penalty = (float)o[C_PENALTY].num;
    return s;
}

/* The answer itself is the progress; a remote's has to be waited for. */
static nb_status run_turn(ui_ctx *ctx, nb_responder *r, bool waits, const char *prompt, turn *t,
                          nb_turn_stats *stats, nb_err *err)
{
    const ui_arg *o = ctx->opt;
    nb_message msg[2];
    size_t n = 0;
    if (o[C_SYSTEM].set)
        msg[n++] = (nb_message){NB_SYSTEM, o[C_SYSTEM].text, strlen(o[C_SYSTEM].text)};
    msg[n++] = (nb_message){NB_USER, prompt, strlen(prompt)};
    nb_ask ask = {.messages = msg,
                  .n_messages = n,
                  .sampling = sampling_from(o),
                  .max_tokens = o[C_MAX].set ? (uint32_t)o[C_MAX].i : 0,
                  .token = on_token,
                  .arg = t};
    nb_hooks hooks = ui_ctx_hooks(ctx);
    if (!waits)
        hooks.progress = NULL;
    NB_TRY(r->ask(r, &ask, stats, &hooks, err));
    if (t->err.status != NB_OK && err)
        *err = t->err;
    return t->err.status;
}

/* Adapter first: a saved session knows it. */
static nb_status resume(const ui_ctx *ctx, nb_local *local, nb_err *err)
{
    const ui_arg *file = &ctx->opt[C_SESSION], *o = ctx->opt;
    float scale = o[C_LORA_SCALE].set ? (float)o[C_LORA_SCALE].num : 1;
    if (o[C_LORA].set)
        NB_TRY(nb_local_add_lora(local, o[C_LORA].text, scale, err));
    if (!file->set || !nb_exists(file->text))
        return NB_OK;
    return nb_session_restore(nb_local_session(local), file->text, NULL, err);
}

static nb_status log_question(turn *t, int pane, const char *prompt, nb_err *err)
{
    int question;
    NB_TRY(ui_transcript_add(t->log, pane, -1, NB_USER, prompt, strlen(prompt), &question, err));
    return ui_transcript_add(t->log, pane, question, NB_ASSISTANT, NULL, 0, &t->answer, err);
}

static void print_figures(const ui_ctx *ctx, const nb_turn_stats *s, const char *host)
{
    if (!ctx->json && !ctx->quiet && ctx->err_tty)
        fprintf(stderr, "[%u tokens, %.1f tok/s, first after %.2f s%s%s]\n", s->n_answer,
                s->tok_per_s, s->ttft, host ? ", remote " : "", host ? host : "");
}

/* What only a model on this machine has. */
static nb_status only_remote_options(const ui_ctx *ctx, nb_err *err)
{
    static const int local[] = {C_CTX, C_CACHE_K, C_CACHE_V, C_SESSION, C_LORA, C_LORA_SCALE};
    for (size_t i = 0; i < countof(local); i++)
        if (ctx->opt[local[i]].set)
            return nb_fail(err, NB_USAGE, "--%s: a remote model has none that nibble could set",
                           chat_opt[local[i]].name);
    return NB_OK;
}

static nb_status ask_remote(ui_ctx *ctx, int pane, const char *prompt, ui_transcript *log,
                            nb_err *err)
{
    dl_remote *remote = NULL;
    turn t = {.ctx = ctx, .log = log, .stream = !ctx->json};
    nb_turn_stats stats = {0};
    const char *model = ctx->args[pane];
    NB_TRY(only_remote_options(ctx, err));
    NB_TRY(ui_remote_open(&remote, &ctx->cfg, false, model, err));
    ui_transcript_name_pane(log, pane, model, model);
    nb_status st = log_question(&t, pane, prompt, err);
    if (st == NB_OK)
        st = run_turn(ctx, dl_remote_responder(remote), true, prompt, &t, &stats, err);
    if (st == NB_OK)
        ui_transcript_end(log, t.answer, &stats);
    ui_ctx_done(ctx);
    if (!ctx->json)
        putchar('\n');
    if (st == NB_OK)
        print_figures(ctx, &stats, dl_remote_host(remote));
    const char *remedy = dl_remote_remedy(dl_remote_trouble(remote));
    if (st != NB_OK && *remedy)
        ctx->remedy = remedy;
    dl_remote_close(&remote);
    return st;
}

/* The model's answer as pane `pane` of the log. */
static nb_status ask_one(ui_ctx *ctx, int pane, const char *prompt, nb_sched *sched,
                         ui_transcript *log, nb_err *err)
{
    char path[1024];
    const char *model = ctx->args[pane];
    const ui_arg *ctx_opt = &ctx->opt[C_CTX];
    nb_local *local = NULL;
    nb_session_options opt = {.n_ctx = ctx_opt->set ? (uint32_t)ctx_opt->i : 0};
    turn t = {.ctx = ctx, .log = log, .stream = !ctx->json};
    nb_turn_stats stats = {0};
    if (nb_is_remote(model))
        return ask_remote(ctx, pane, prompt, log, err);
    if (ctx->opt[C_SESSION].set && ctx->n_args > 1)
        return nb_fail(err, NB_USAGE, "--session: a session is of one model");
    NB_TRY(ui_cache_types(&opt, &ctx->opt[C_CACHE_K], &ctx->opt[C_CACHE_V], err));
    NB_TRY(nb_library_resolve(&ctx->cfg, model, path, sizeof path, err));
    NB_TRY(nb_local_open(&local, path, &ctx->ops, sched, ctx->threads, &opt, err));
    const char *problem, *name = nb_chat_template(nb_local_chat(local), &problem);
    if (problem && !ctx->quiet) {
        nb_str safe = {0};
        nb_safe_text(&safe, problem, strlen(problem), NB_SAFE_ONE_LINE);
        fprintf(stderr, "nibble: the model's own chat template cannot be run (%s); using %s\n",
                nb_str_c(&safe), name);
        nb_str_free(&safe);
    }
    ui_transcript_set_vocabulary(log, pane, ui_transcript_vocabulary(nb_local_tok(local)));
    ui_transcript_name_pane(log, pane, model, model);
    nb_status st = log_question(&t, pane, prompt, err);
    if (st == NB_OK)
        st = resume(ctx, local, err);
    if (st == NB_OK)
        st = run_turn(ctx, nb_local_responder(local), false, prompt, &t, &stats, err);
    if (st == NB_OK && ctx->opt[C_SESSION].set)
        st = nb_session_save(nb_local_session(local), ctx->opt[C_SESSION].text, NULL, err);
    if (st == NB_OK)
        ui_transcript_end(log, t.answer, &stats);
    nb_local_close(&local);
    if (!ctx->json)
        putchar('\n');
    if (st == NB_OK)
        print_figures(ctx, &stats, NULL);
    return st;
}

static void print_json(const ui_transcript *log)
{
    nb_str text = {0};
    nb_jout w = nb_jout_make(&text);
    nb_jout_object(&w);
    ui_transcript_answers_json(log, &w);
    nb_jout_object_end(&w);
    puts(nb_str_c(&text));
    nb_str_free(&text);
}

static void print_differences(ui_ctx *ctx, const ui_transcript *log)
{
    for (int i = 1; i < (int)ctx->n_args; i++) {
        long at = ui_transcript_difference(log, i);
        size_t n = ui_transcript_at(log, ui_transcript_leaf(log, i))->n_token;
        ui_print_safe(ctx->args[i], strlen(ctx->args[i]));
        if (ui_transcript_other_vocabulary(log, i))
            printf(": another vocabulary, its tokens are not compared\n");
        else if (at < 0 && ui_transcript_by_text(log, i))
            printf(": the same text\n");
        else if (at < 0)
            printf(": the same %zu tokens\n", n);
        else
            printf(": first difference at token %ld%s\n", at,
                   ui_transcript_by_text(log, i) ? ", compared by text" : "");
    }
}

static nb_status ask_all(ui_ctx *ctx, const char *prompt, nb_err *err)
{
    nb_sched *sched = NULL;
    ui_transcript *log = NULL;
    nb_status st = nb_sched_open(&sched, ctx->threads, err);
    if (st == NB_OK)
        st = ui_transcript_open(&log, NULL, err);
    for (int i = 0; st == NB_OK && i < (int)ctx->n_args; i++) {
        if (!ctx->json && ctx->n_args > 1) {
            printf("== ");
            ui_print_safe(ctx->args[i], strlen(ctx->args[i]));
            putchar('\n');
        }
        st = ask_one(ctx, i, prompt, sched, log, err);
    }
    if (st == NB_OK && ctx->json)
        print_json(log);
    else if (st == NB_OK && ctx->n_args > 1)
        print_differences(ctx, log);
    ui_transcript_close(&log);
    nb_sched_close(&sched);
    return st;
}

static nb_status read_stdin(nb_str *out, nb_err *err)
{
    char buf[4096];
    size_t n;
    while ((n = fread(buf, 1, sizeof buf, stdin)) > 0) {
        nb_str_addn(out, buf, n);
        if (out->len > STDIN_LIMIT)
            return nb_fail(err, NB_REFUSED, "standard input: prompt is longer than %d bytes",
                           STDIN_LIMIT);
    }
    while (out->len && out->at[out->len - 1] == '\n')
        out->at[--out->len] = '\0';
    if (out->len == 0)
        return nb_fail(err, NB_USAGE, "no prompt: give -p TEXT or write to standard input");
    return NB_OK;
}

static nb_status run_chat(ui_ctx *ctx, nb_err *err)
{
    const ui_arg *prompt = &ctx->opt[C_PROMPT];
    for (size_t i = 0; i < ctx->n_args; i++) /* before anything shows it */
        if (nb_is_remote(ctx->args[i]))
            NB_TRY(dl_remote_check(ctx->args[i], ctx->cfg.remote_http == 1, err));
    if (prompt->set)
        return ask_all(ctx, prompt->text, err);
    if (isatty(STDIN_FILENO) == 1 && !ctx->json) {
        ui_app_options opt = {.paths = ctx->args,
                              .n_paths = ctx->n_args,
                              .start = "chat",
                              .no_color = ctx->cfg.no_color,
                              .threads = ctx->threads};
        return ui_app_run(&ctx->cfg, &opt, err);
    }
    nb_str text = {0};
    nb_status st = read_stdin(&text, err);
    if (st == NB_OK)
        st = ask_all(ctx, nb_str_c(&text), err);
    nb_str_free(&text);
    return st;
}

const ui_cmd ui_cmd_chat = {
    .name = "chat",
    .args = "MODEL... [-p TEXT]",
    .summary = "ask a model, or up to four precisions of one",
    .details =
        "With -p, or a prompt on standard input, stdout carries the answer and nothing else;\n"
        "with several models the answers follow one another, then where each first differs from\n"
        "the first. Without a prompt and in a terminal the workbench opens on Chat.\n"
        "MODEL may be https://host[:port][/path]#name, an OpenAI-compatible endpoint (vLLM, "
        "SGLang,\n"
        "llama.cpp's server, Ollama); its key is NIBBLE_API_KEY or OPENAI_API_KEY. Answers are "
        "then\n"
        "compared by text, as its tokens have no ids here.\n"
        "JSON keys: prompt, answers[] with model, text, ids (of a remote none), remote, "
        "tok_per_s,\n"
        "ttft_s, prompt_tokens, stop (end, limit, context), compared_by (tokens, text) and\n"
        "first_difference (token index against the first answer,\n"
        "null = same, or of another vocabulary); first_difference of all answers: the earliest of\n"
        "these.",
    .opt = chat_opt,
    .n_opt = C_COUNT,
    .min_args = 1,
    .max_args = UI_PANES,
    .run = run_chat,
};
