/* chat: one prompt to one or several precisions of a model, answers one after another. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/files/library.h"
#include "core/model/chat.h"
#include "tui/app.h"
#include "tui/commands/cmd.h"

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
};

enum { CHAT_MAX = 4, STDIN_LIMIT = 64 << 20 };

typedef struct answer {
    nb_str text;
    int32_t *id;
    size_t n, cap;
    nb_turn_stats stats;
    bool stream, failed;
} answer;

static void on_token(void *arg, const nb_token_event *e)
{
    answer *a = arg;
    if (a->n == a->cap) {
        size_t cap = a->cap ? a->cap * 2 : 256;
        int32_t *id = realloc(a->id, cap * sizeof *id);
        if (!id) {
            a->failed = true;
            return;
        }
        a->id = id;
        a->cap = cap;
    }
    a->id[a->n++] = e->id;
    nb_str_addn(&a->text, e->text, e->len);
    if (a->stream) {
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

static nb_status ask_one(ui_ctx *ctx, const char *model, const char *prompt, nb_sched *sched,
                         answer *a, nb_err *err)
{
    char path[1024];
    const ui_arg *o = ctx->opt;
    nb_local *local = NULL;
    nb_session_options opt = {.n_ctx = o[C_CTX].set ? (uint32_t)o[C_CTX].i : 0};
    NB_TRY(nb_library_resolve(&ctx->cfg, model, path, sizeof path, err));
    NB_TRY(nb_local_open(&local, path, &ctx->ops, sched, ctx->threads, &opt, err));
    bool fallback = false;
    nb_template t = nb_local_template(local, &fallback);
    if (fallback && !ctx->quiet)
        fprintf(stderr, "nibble: the model's own chat template is not known; using %s\n",
                nb_template_name(t));
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
                  .arg = a};
    nb_hooks hooks = ui_ctx_hooks(ctx);
    hooks.progress = NULL; /* the answer itself is the progress */
    nb_responder *r = nb_local_responder(local);
    nb_status st = r->ask(r, &ask, &a->stats, &hooks, err);
    if (st == NB_OK && (a->failed || a->text.failed))
        st = nb_fail(err, NB_NOMEM, "answer: out of memory after %zu tokens", a->n);
    nb_local_close(&local);
    return st;
}

/* First index where two answers differ; SIZE_MAX when they are equal. */
static size_t first_difference(const answer *a, const answer *b)
{
    size_t n = a->n < b->n ? a->n : b->n;
    for (size_t i = 0; i < n; i++)
        if (a->id[i] != b->id[i])
            return i;
    return a->n == b->n ? SIZE_MAX : n;
}

static void json_difference(nb_jout *w, size_t at)
{
    nb_jout_key(w, "first_difference");
    if (at == SIZE_MAX)
        nb_jout_null(w);
    else
        nb_jout_u64(w, at);
}

static void json_answer(nb_jout *w, const char *model, const answer *a, const answer *first)
{
    static const char *const stop[] = {"end", "limit", "context", "cancel", "fail"};
    nb_jout_object(w);
    nb_jout_key(w, "model"), nb_jout_str(w, model);
    nb_jout_key(w, "text"), nb_jout_strn(w, nb_str_c(&a->text), a->text.len);
    nb_jout_key(w, "ids"), nb_jout_array(w);
    for (size_t i = 0; i < a->n; i++)
        nb_jout_i64(w, a->id[i]);
    nb_jout_array_end(w);
    nb_jout_key(w, "tok_per_s"), nb_jout_double(w, a->stats.tok_per_s);
    nb_jout_key(w, "ttft_s"), nb_jout_double(w, a->stats.ttft);
    nb_jout_key(w, "prompt_tokens"), nb_jout_u64(w, a->stats.n_prompt);
    nb_jout_key(w, "stop"), nb_jout_str(w, stop[a->stats.stop]);
    json_difference(w, first_difference(first, a));
    nb_jout_object_end(w);
}

static void print_json(ui_ctx *ctx, const char *prompt, const answer *a)
{
    nb_str text = {0};
    nb_jout w = nb_jout_make(&text);
    nb_jout_object(&w);
    nb_jout_key(&w, "prompt"), nb_jout_str(&w, prompt);
    nb_jout_key(&w, "answers"), nb_jout_array(&w);
    for (size_t i = 0; i < ctx->n_args; i++)
        json_answer(&w, ctx->args[i], &a[i], &a[0]);
    nb_jout_array_end(&w);
    size_t earliest = SIZE_MAX;
    for (size_t i = 1; i < ctx->n_args; i++) {
        size_t at = first_difference(&a[0], &a[i]);
        earliest = at < earliest ? at : earliest;
    }
    json_difference(&w, earliest);
    nb_jout_object_end(&w);
    puts(nb_str_c(&text));
    nb_str_free(&text);
}

static void print_differences(ui_ctx *ctx, const answer *a)
{
    for (size_t i = 1; i < ctx->n_args; i++) {
        size_t at = first_difference(&a[0], &a[i]);
        ui_print_safe(ctx->args[i], strlen(ctx->args[i]));
        if (at == SIZE_MAX)
            printf(": the same %zu tokens\n", a[i].n);
        else
            printf(": first difference at token %zu\n", at);
    }
}

static nb_status ask_all(ui_ctx *ctx, const char *prompt, nb_err *err)
{
    answer a[CHAT_MAX] = {0};
    nb_sched *sched = NULL;
    nb_status st = nb_sched_open(&sched, ctx->threads, err);
    for (size_t i = 0; st == NB_OK && i < ctx->n_args; i++) {
        a[i].stream = !ctx->json;
        if (!ctx->json && ctx->n_args > 1) {
            printf("== ");
            ui_print_safe(ctx->args[i], strlen(ctx->args[i]));
            putchar('\n');
        }
        st = ask_one(ctx, ctx->args[i], prompt, sched, &a[i], err);
        if (!ctx->json)
            putchar('\n');
        if (st == NB_OK && !ctx->json && !ctx->quiet && ctx->err_tty)
            fprintf(stderr, "[%u tokens, %.1f tok/s, first after %.2f s]\n", a[i].stats.n_answer,
                    a[i].stats.tok_per_s, a[i].stats.ttft);
    }
    if (st == NB_OK && ctx->json)
        print_json(ctx, prompt, a);
    else if (st == NB_OK && ctx->n_args > 1)
        print_differences(ctx, a);
    for (size_t i = 0; i < CHAT_MAX; i++) {
        nb_str_free(&a[i].text);
        free(a[i].id);
    }
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
        "JSON keys: prompt, answers[] with model, text, ids, tok_per_s, ttft_s, prompt_tokens,\n"
        "stop (end, limit, context) and first_difference (token index against the first answer,\n"
        "null = same); first_difference of all answers: the earliest of these.",
    .opt = chat_opt,
    .n_opt = C_COUNT,
    .min_args = 1,
    .max_args = CHAT_MAX,
    .run = run_chat,
};
