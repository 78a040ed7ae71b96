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
#include "tui/commands/chat_opt.h"
#include "tui/commands/engine.h"
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
    C_DRAFT,
    C_SESSION,
    C_LORA,
    C_LORA_SCALE,
    C_PARALLEL,
    C_SHIFT,
    C_FLAT,
    C_THINK,
    C_TOOLS,
    C_VARIABLE,
    C_COUNT
};
static const ui_opt chat_opt[C_COUNT] = {
    {"prompt", 'p', UI_OPT_TEXT, "TEXT", "standard input", 0, 0, "what to ask"},
    {"predict", 'n', UI_OPT_INT, "N", "until the end", 1, 1000000, "tokens at most"},
    {"temp", 0, UI_OPT_NUM, "T", "0", 0, 10, "temperature; 0 = greedy"},
    {"seed", 0, UI_OPT_INT, "S", "1", 0, 0, "seed of the draw"},
    {"top-k", 0, UI_OPT_INT, "K", "40", 0, 1000000, "keep the K likeliest; 0 = all"},
    {"top-p", 0, UI_OPT_NUM, "P", "0.95", 0, 1, "keep the likeliest that sum to P; 1 = off"},
    {"min-p", 0, UI_OPT_NUM, "P", "0.05", 0, 1, "drop what is below P of the likeliest; 0 = off"},
    {"repeat-penalty", 0, UI_OPT_NUM, "R", "1", 0.01, 10, "penalty on recent tokens; 1 = off"},
    {"system", 0, UI_OPT_TEXT, "TEXT", NULL, 0, 0, "system prompt"},
    {"ctx", 'c', UI_OPT_INT, "N", "the model's, at most 4096", 1, 1 << 20,
     "context size in tokens"},
    {"cache-type-k", 0, UI_OPT_TEXT, "TYPE", "f16", 0, 0, "type of cached keys: " UI_CACHE_TYPES},
    {"cache-type-v", 0, UI_OPT_TEXT, "TYPE", "f16", 0, 0, "type of cached values"},
    {"draft", 0, UI_OPT_FILE, "HOW", "off", 0, 0,
     "guess ahead, same answer: lookup, or a MODEL with the same tokens"},
    {"session", 0, UI_OPT_FILE, "FILE", NULL, 0, 0,
     "go on from what FILE holds, if there is one, and save it"},
    {"lora", 0, UI_OPT_FILE, "FILE", NULL, 0, 0, "LoRA adapter (GGUF) of every model named"},
    {"lora-scale", 0, UI_OPT_NUM, "S", "1", -1e6, 1e6, "how much of the adapter is added"},
    {"parallel", 0, UI_OPT_INT, "N", "1", 1, NB_MAX_SEQ,
     "N answers at once, with seeds S, S+1, ..."},
    {"context-shift", 0, UI_OPT_FLAG, NULL, NULL, 0, 0,
     "a full context forgets its older half instead of ending the answer"},
    {"flat", 0, UI_OPT_FLAG, NULL, NULL, 0, 0, UI_FLAT_HELP},
    {"think", 0, UI_OPT_TEXT, "WORD", "auto", 0, 0, "whether the template asks to think: on, off"},
    {"tools", 0, UI_OPT_FILE, "FILE", NULL, 0, 0, "tools for the template, as OpenAI's API lists"},
    {"template-arg", 0, UI_OPT_TEXTS, "KEY=JSON", NULL, 0, 0, "a variable for the template"},
};

enum { STDIN_LIMIT = 64 << 20 };

/* One turn: its answers go to the log and, streaming, to stdout. */
typedef struct turn {
    ui_ctx *ctx;
    dl_remote *remote; /* NULL: local */
    ui_transcript *log;
    int answer; /* message; those of other answers at once follow it */
    uint32_t n; /* answers */
    bool stream;
    const nb_chat_vars *vars;
    nb_turn_stats stats[NB_MAX_SEQ];
    nb_err err;
} turn;

static void on_token(void *arg, const nb_token_event *e)
{
    turn *t = arg;
    ui_ctx_done(t->ctx); /* of a remote's answer, which is waited for */
    if (t->err.status == NB_OK)
        ui_transcript_token(t->log, t->answer + (int)e->answer, e, &t->err);
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

static nb_status run_turn(ui_ctx *ctx, nb_local *local, const char *prompt, turn *t, nb_err *err)
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
                  .shift = o[C_SHIFT].flag,
                  .vars = t->vars,
                  .token = on_token,
                  .arg = t};
    nb_hooks hooks = ui_ctx_hooks(ctx);
    nb_responder *far = t->remote ? dl_remote_responder(t->remote) : NULL;
    if (far) {
        NB_TRY(far->ask(far, &ask, t->stats, &hooks, err));
    } else {
        hooks.progress = NULL; /* the answer itself is the progress */
        NB_TRY(nb_local_ask_each(local, &ask, t->n, t->stats, &hooks, err));
    }
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

/* --flat, or the setting of that name, of the model and of the one that guesses for it: what gains
 * nothing by it stays as it is. */
static nb_status flatten(ui_ctx *ctx, nb_local *local, uint64_t *bytes, nb_err *err)
{
    bool asked = ctx->opt[C_FLAT].flag;
    if (!asked && ctx->cfg.flat != 1)
        return NB_OK;
    nb_hooks hooks = ui_ctx_hooks(ctx);
    nb_status st = nb_local_flatten(local, ui_engine_room(ctx), bytes, &hooks, err);
    ui_ctx_done(ctx);
    if (st == NB_OK && !ctx->quiet && !ctx->json && (asked || *bytes))
        ui_flat_say(*bytes);
    return st;
}

/* --draft: a word, or a model as every command takes it. */
static nb_status draft(const ui_ctx *ctx, nb_local *local, nb_err *err)
{
    char path[1024];
    const ui_arg *how = &ctx->opt[C_DRAFT];
    if (!how->set || strcmp(how->text, "lookup") == 0 || strcmp(how->text, "off") == 0)
        return nb_local_draft(local, how->set ? how->text : "off", NULL, err);
    NB_TRY(nb_library_resolve(&ctx->cfg, how->text, path, sizeof path, err));
    return nb_local_draft(local, path, NULL, err);
}

/* What is told on stderr: which template is used, and what is asked of it in vain. */
static void tell_template(const ui_ctx *ctx, const nb_chat *chat)
{
    const char *problem, *name = nb_chat_template(chat, &problem);
    if (ctx->quiet)
        return;
    if (problem) {
        nb_str safe = {0};
        nb_safe_text(&safe, problem, strlen(problem), NB_SAFE_ONE_LINE);
        fprintf(stderr, "nibble: the model's own chat template cannot be run (%s); using %s\n",
                nb_str_c(&safe), name);
        nb_str_free(&safe);
    }
    if (ctx->opt[C_THINK].set && !nb_chat_can_think(chat))
        fputs("nibble: --think: this model's chat template does not ask for it\n", stderr);
}

/* Calls of tools are shown, not made. */
static void tell_calls(const ui_message *m)
{
    nb_tool_call call[UI_CALLS];
    size_t n = ui_transcript_calls(m, call, UI_CALLS);
    for (size_t i = 0; i < n && i < UI_CALLS; i++) {
        nb_str safe = {0};
        nb_safe_text(&safe, call[i].name, strlen(call[i].name), NB_SAFE_ONE_LINE);
        nb_str_add(&safe, " ");
        nb_safe_text(&safe, nb_str_c(&m->text) + call[i].args_at, call[i].args_len,
                     NB_SAFE_ONE_LINE);
        fprintf(stderr, "[tool call, not made: %s]\n", nb_str_c(&safe));
        nb_str_free(&safe);
    }
}

static void print_answers(const ui_ctx *ctx, const turn *t)
{
    unsigned long long seed = sampling_from(ctx->opt).seed;
    for (uint32_t i = 0; i < t->n; i++) {
        const ui_message *m = ui_transcript_at(t->log, t->answer + (int)i);
        const nb_turn_stats *s = &t->stats[i];
        char shifts[96];
        ui_transcript_shifts(m, shifts, sizeof shifts);
        if (!t->stream && !ctx->json) {
            printf("== answer %u, seed %llu\n", i + 1, seed + i);
            ui_print_safe(nb_str_c(&m->text), m->text.len);
        }
        if (!ctx->json)
            putchar('\n');
        if (ctx->json || ctx->quiet)
            continue;
        fflush(stdout);
        tell_calls(m);
        const char *host = t->remote ? dl_remote_host(t->remote) : "";
        char guessed[64] = "";
        if (s->n_drafted)
            snprintf(guessed, sizeof guessed, ", %u of %u guesses right", s->n_accepted,
                     s->n_drafted);
        if (ctx->err_tty || shifts[0])
            fprintf(stderr, "[%u tokens, %.1f tok/s, first after %.2f s%s%s%s%s]\n", s->n_answer,
                    s->tok_per_s, s->ttft, guessed, shifts, *host ? ", remote " : "", host);
    }
}

/* The question and its answers, still empty, as pane `pane` of the log. */
static nb_status begin_turn(turn *t, int pane, const char *model, const char *prompt,
                            const nb_local *local, nb_err *err)
{
    int question, answer;
    if (local)
        ui_transcript_set_vocabulary(t->log, pane, ui_transcript_vocabulary(nb_local_tok(local)));
    ui_transcript_name_pane(t->log, pane, model, model);
    NB_TRY(ui_transcript_add(t->log, pane, -1, NB_USER, prompt, strlen(prompt), &question, err));
    for (uint32_t i = 0; i < t->n; i++) {
        NB_TRY(ui_transcript_add(t->log, pane, question, NB_ASSISTANT, NULL, 0, &answer, err));
        t->answer = i ? t->answer : answer;
    }
    return NB_OK;
}

static nb_status check_options(const ui_ctx *ctx, nb_err *err)
{
    if (ctx->opt[C_SESSION].set && ctx->n_args > 1)
        return nb_fail(err, NB_USAGE, "--session: a session is of one model");
    if (ctx->opt[C_PARALLEL].set && ctx->n_args > 1)
        return nb_fail(err, NB_USAGE, "--parallel: several answers are of one model");
    if (ctx->opt[C_PARALLEL].set && ctx->opt[C_DRAFT].set)
        return nb_fail(err, NB_USAGE, "--draft: several answers at once share each pass already");
    return NB_OK;
}

/* What only a model on this machine has. */
static nb_status only_remote_options(const ui_ctx *ctx, nb_err *err)
{
    static const int local[] = {C_CTX,   C_CACHE_K,    C_CACHE_V,  C_DRAFT, C_SESSION,
                                C_LORA,  C_LORA_SCALE, C_PARALLEL, C_SHIFT, C_FLAT,
                                C_THINK, C_TOOLS,      C_VARIABLE};
    for (size_t i = 0; i < countof(local); i++)
        if (ctx->opt[local[i]].set)
            return nb_fail(err, NB_USAGE, "--%s: a remote model has none that nibble could set",
                           chat_opt[local[i]].name);
    return NB_OK;
}

static nb_status ask_remote(ui_ctx *ctx, int pane, const char *prompt, ui_transcript *log,
                            nb_err *err)
{
    turn t = {.ctx = ctx, .log = log, .n = 1, .stream = !ctx->json};
    const char *model = ctx->args[pane];
    NB_TRY(only_remote_options(ctx, err));
    NB_TRY(ui_remote_open(&t.remote, &ctx->cfg, false, model, err));
    nb_status st = begin_turn(&t, pane, model, prompt, NULL, err);
    if (st == NB_OK)
        st = run_turn(ctx, NULL, prompt, &t, err);
    if (st == NB_OK)
        ui_transcript_end(log, t.answer, &t.stats[0]);
    ui_ctx_done(ctx);
    if (st == NB_OK)
        print_answers(ctx, &t);
    else if (!ctx->json)
        putchar('\n');
    const char *remedy = dl_remote_remedy(dl_remote_trouble(t.remote));
    if (st != NB_OK && *remedy)
        ctx->remedy = remedy;
    dl_remote_close(&t.remote);
    return st;
}

/* The model's answer as pane `pane` of the log; *flat_bytes: of its flat copy, 0 at first. */
static nb_status ask_one(ui_ctx *ctx, int pane, const char *prompt, nb_sched *sched,
                         ui_transcript *log, const nb_chat_vars *vars, uint64_t *flat_bytes,
                         nb_err *err)
{
    char path[1024];
    const char *model = ctx->args[pane];
    const ui_arg *o = ctx->opt;
    nb_local *local = NULL;
    if (nb_is_remote(model))
        return ask_remote(ctx, pane, prompt, log, err);
    turn t = {.ctx = ctx,
              .log = log,
              .n = o[C_PARALLEL].set ? (uint32_t)o[C_PARALLEL].i : 1,
              .vars = vars};
    nb_session_options opt = {.n_ctx = o[C_CTX].set ? (uint32_t)o[C_CTX].i : 0, .n_seq = t.n};
    t.stream = !ctx->json && t.n == 1;
    NB_TRY(ui_cache_types(&opt, &o[C_CACHE_K], &o[C_CACHE_V], err));
    NB_TRY(nb_library_resolve(&ctx->cfg, model, path, sizeof path, err));
    NB_TRY(nb_local_open(&local, path, &ctx->ops, sched, ctx->threads, &opt, err));
    tell_template(ctx, nb_local_chat(local));
    nb_status st = begin_turn(&t, pane, model, prompt, local, err);
    if (st == NB_OK)
        st = resume(ctx, local, err);
    if (st == NB_OK)
        st = draft(ctx, local, err);
    if (st == NB_OK)
        st = flatten(ctx, local, flat_bytes, err);
    if (st == NB_OK)
        st = run_turn(ctx, local, prompt, &t, err);
    if (st == NB_OK && o[C_SESSION].set)
        st = nb_session_save(nb_local_session(local), o[C_SESSION].text, NULL, err);
    for (uint32_t i = 0; st == NB_OK && i < t.n; i++)
        ui_transcript_end(log, t.answer + (int)i, &t.stats[i]);
    nb_local_close(&local);
    if (st == NB_OK)
        print_answers(ctx, &t);
    else if (!ctx->json)
        putchar('\n');
    return st;
}

static void print_json(const ui_transcript *log, bool each, const char *warning, uint64_t flat)
{
    nb_str text = {0};
    nb_jout w = nb_jout_make(&text);
    nb_jout_object(&w);
    if (*warning)
        nb_jout_key(&w, "warning"), nb_jout_str(&w, warning);
    nb_jout_key(&w, "flat_bytes"), nb_jout_u64(&w, flat);
    ui_transcript_answers_json(log, each, &w);
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
    ui_chat_vars vars = {0};
    const ui_arg *o = ctx->opt;
    char warning[400] = "";
    uint64_t flat_all = 0;
    NB_TRY(check_options(ctx, err));
    if (ui_remote_warning(warning, sizeof warning, ctx->args, ctx->n_args) && !ctx->json)
        ui_remote_say(warning);
    NB_TRY(ui_chat_vars_read(&vars, &o[C_THINK], &o[C_TOOLS], &o[C_VARIABLE], err));
    nb_status st = nb_sched_open(&sched, ctx->threads, err);
    if (st == NB_OK)
        st = ui_transcript_open(&log, NULL, err);
    for (int i = 0; st == NB_OK && i < (int)ctx->n_args; i++) {
        if (!ctx->json && ctx->n_args > 1) {
            printf("== ");
            ui_print_safe(ctx->args[i], strlen(ctx->args[i]));
            putchar('\n');
        }
        uint64_t flat = 0;
        st = ask_one(ctx, i, prompt, sched, log, &vars.vars, &flat, err);
        flat_all += flat;
    }
    if (st == NB_OK && ctx->json)
        print_json(log, ctx->opt[C_PARALLEL].set, warning, flat_all);
    else if (st == NB_OK && ctx->n_args > 1)
        print_differences(ctx, log);
    ui_transcript_close(&log);
    nb_sched_close(&sched);
    ui_chat_vars_free(&vars);
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

/* The workbench opens with the options given, in its panel's words. */
static nb_status open_workbench(ui_ctx *ctx, nb_err *err)
{
    static const struct {
        int opt;
        const char *name; /* NULL: the panel has no such row */
    } map[] = {{C_MAX, "max"},          {C_TEMP, "temp"},
               {C_SEED, "seed"},        {C_TOP_K, "top-k"},
               {C_TOP_P, "top-p"},      {C_MIN_P, "min-p"},
               {C_PENALTY, "penalty"},  {C_SYSTEM, "system"},
               {C_CTX, "context"},      {C_CACHE_K, "k-cache"},
               {C_CACHE_V, "v-cache"},  {C_DRAFT, "draft"},
               {C_LORA, "lora"},        {C_LORA_SCALE, "lora-scale"},
               {C_PARALLEL, "answers"}, {C_SHIFT, "shift"},
               {C_THINK, "think"},      {C_TOOLS, "tools"},
               {C_SESSION, NULL},       {C_VARIABLE, NULL}};
    ui_app_setting given[countof(map)];
    ui_app_options opt = {.paths = ctx->args,
                          .n_paths = ctx->n_args,
                          .start = "chat",
                          .settings = given,
                          .no_color = ctx->cfg.no_color,
                          .threads = ctx->threads};
    for (size_t i = 0; i < countof(map); i++) {
        const ui_arg *a = &ctx->opt[map[i].opt];
        if (!a->set)
            continue;
        if (!map[i].name)
            return nb_fail(err, NB_USAGE, "--%s: only with -p, or a prompt on standard input",
                           chat_opt[map[i].opt].name);
        given[opt.n_settings++] =
            (ui_app_setting){map[i].name, map[i].opt == C_SHIFT ? "on" : a->text};
    }
    if (ctx->opt[C_FLAT].flag)
        ctx->cfg.flat = 1; /* of this run */
    return ui_app_run(&ctx->cfg, &opt, err);
}

static nb_status run_chat(ui_ctx *ctx, nb_err *err)
{
    const ui_arg *prompt = &ctx->opt[C_PROMPT];
    for (size_t i = 0; i < ctx->n_args; i++) /* before anything shows it */
        if (nb_is_remote(ctx->args[i]))
            NB_TRY(dl_remote_check(ctx->args[i], ctx->cfg.remote_http == 1, err));
    if (prompt->set)
        return ask_all(ctx, prompt->text, err);
    if (isatty(STDIN_FILENO) == 1 && !ctx->json)
        return open_workbench(ctx, err);
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
        "the first. Without a prompt and in a terminal the workbench opens on Chat,\n"
        "these options in its P panel.\n"
        "--parallel asks one model for N answers that share the prompt and each pass over the\n"
        "weights; each is what its seed gives alone. --context-shift keeps what stands before the\n"
        "first question; without -n an answer then ends after as many tokens as the model was\n"
        "trained on. --draft lookup guesses what comes next from the text so far, --draft MODEL "
        "asks\n"
        "that model, this one in fewer bits say; each guess is checked, so the answer is the "
        "same,\n"
        "only sooner where guesses are right. A call of a tool is shown, never made. A template "
        "that refuses the\n"
        "conversation, or takes no tools, is exit 3.\n"
        "MODEL may be https://host[:port][/path]#name, an OpenAI-compatible endpoint (vLLM, "
        "SGLang,\n"
        "llama.cpp's server, Ollama); its key is NIBBLE_API_KEY or OPENAI_API_KEY. Answers are "
        "then\n"
        "compared by text, as its tokens have no ids here.\n"
        "JSON keys: warning (where a key goes unencrypted to another machine), flat_bytes (of all "
        "flat\n"
        "copies), prompt, answers[]\n"
        "with model, text, ids (of a remote none), remote, compared_by\n"
        "(tokens, text), tok_per_s, ttft_s, prompt_tokens,\n"
        "reused_tokens (of a saved session, or shared by --parallel), drafted_tokens and\n"
        "accepted_tokens (guesses, and those that were right), stop (end, limit, context),\n"
        "shifts[] (token: before which one; dropped: tokens forgotten), tool_calls[] (name,\n"
        "arguments: JSON as text) and first_difference (token index against the first answer,\n"
        "null = same, or of another vocabulary); first_difference of all answers: the earliest of\n"
        "these.",
    .opt = chat_opt,
    .n_opt = C_COUNT,
    .min_args = 1,
    .max_args = UI_PANES,
    .run = run_chat,
};
