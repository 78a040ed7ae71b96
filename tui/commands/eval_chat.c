/* eval --chat: a stored answer scored again, token by token (forced scoring), as Chat does. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/eval/forced.h"
#include "tui/commands/chat_opt.h"
#include "tui/commands/eval_cmd.h"
#include "tui/forced_out.h"

typedef struct forced {
    ui_eval *e;
    ui_engine ref;
    nb_chat *chat; /* the reference's template */
    ui_transcript *log;
    const ui_message *m; /* borrowed: log */
    ui_chat_vars vars;
    const char *name; /* of the reference, as asked for */
    int32_t *ids;     /* [n_prompt + n_token] owned */
    nb_kld_point *point;
} forced;

/* --- what is read ------------------------------------------------------------------------------
 */

/* Pane A's last answer of the branch that was shown. */
static nb_status find_answer(forced *f, const char *file, nb_err *err)
{
    NB_TRY(ui_transcript_read(&f->log, file, NULL, err));
    int i = ui_transcript_leaf(f->log, 0);
    while (i >= 0 && ui_transcript_at(f->log, i)->role != NB_ASSISTANT)
        i = ui_transcript_at(f->log, i)->parent;
    const ui_message *m = f->m = ui_transcript_at(f->log, i);
    if (ui_transcript_remote(f->log, 0))
        return nb_fail(err, NB_REFUSED, "%s: pane A is remote, its answer has no token ids", file);
    if (!m || !m->n_token)
        return nb_fail(err, NB_REFUSED, "%s: pane A has no answer", file);
    if (!m->done || !m->n_prompt)
        return nb_fail(err, NB_REFUSED, "%s: pane A's last answer was interrupted", file);
    if (m->n_dropped)
        return nb_fail(err, NB_REFUSED,
                       "%s: pane A's last answer outgrew its context, what it followed is gone",
                       file);
    return NB_OK;
}

/* The conversation that the answer ended, the system prompt in front; malloc'd. */
static nb_message *gather(const forced *f, size_t *n, nb_err *err)
{
    const ui_arg *system = &f->e->ctx->opt[UI_EVAL_SYSTEM];
    size_t count = system->set;
    for (int i = f->m->parent; i >= 0; i = ui_transcript_at(f->log, i)->parent)
        count++;
    nb_message *out = nb_alloc(count + 1, sizeof *out, "conversation", err);
    *n = count;
    for (int i = f->m->parent; out && i >= 0; i = ui_transcript_at(f->log, i)->parent) {
        const ui_message *m = ui_transcript_at(f->log, i);
        out[--count] = (nb_message){m->role, nb_str_c(&m->text), m->text.len};
    }
    if (out && system->set)
        out[0] = (nb_message){NB_SYSTEM, system->text, strlen(system->text)};
    return out;
}

/* Its length first: what the file says of that is no size to trust. */
static nb_status context(forced *f, nb_err *err)
{
    size_t n, prompt = f->m->n_prompt;
    nb_prompt p = {0};
    nb_message *messages = gather(f, &n, err);
    if (!messages)
        return NB_NOMEM;
    nb_status st = nb_chat_encode(f->chat, messages, n, &f->vars.vars, NULL, 0, &p, err);
    if (st == NB_OK && p.n != prompt)
        st = nb_fail(err, NB_REFUSED,
                     "the answer followed %zu tokens, this reference reads the chat as %zu: "
                     "--system, --think and --tools are to be as they were",
                     prompt, p.n);
    if (st == NB_OK && !(f->ids = nb_alloc(prompt + f->m->n_token, sizeof *f->ids, "chat", err)))
        st = NB_NOMEM;
    if (st == NB_OK)
        st = nb_chat_encode(f->chat, messages, n, &f->vars.vars, f->ids, prompt, &p, err);
    if (st == NB_OK && p.n != prompt) /* its template tells the time */
        st = nb_fail(err, NB_REFUSED, "the conversation changed while it was read");
    for (size_t i = 0; st == NB_OK && i < f->m->n_token; i++)
        f->ids[prompt + i] = f->m->token[i].id;
    free(messages);
    return st;
}

/* --- what is told ------------------------------------------------------------------------------
 */

static void print_json(const forced *f)
{
    const ui_ctx *ctx = f->e->ctx;
    nb_str text = {0};
    nb_jout w = nb_jout_make(&text);
    nb_jout_object(&w);
    nb_jout_key(&w, "model"), nb_jout_str(&w, ctx->args[0]);
    nb_jout_key(&w, "reference"), nb_jout_str(&w, f->name);
    nb_jout_key(&w, "chat"), nb_jout_str(&w, ctx->opt[UI_EVAL_CHAT].text);
    nb_jout_key(&w, "prompt_tokens"), nb_jout_u64(&w, f->m->n_prompt);
    ui_forced_json(&w, f->m, f->point);
    nb_jout_object_end(&w);
    puts(nb_str_c(&text));
    nb_str_free(&text);
}

static void print_text(const forced *f)
{
    nb_forced_sum s = nb_forced_sum_of(f->point, f->m->n_token);
    nb_str line = {0};
    nb_str_addf(&line, "%s against %s, along the reference's answer of %llu tokens",
                ui_engine_name(&f->e->own), ui_engine_name(&f->ref), (unsigned long long)s.n);
    ui_print_line(nb_str_c(&line));
    printf("KL divergence, nats           %12.6f +/- %.6f  (n %llu)\n", s.kld, s.kld_err,
           (unsigned long long)s.n);
    printf("its greatest, at token %-6llu %12.6f\n", (unsigned long long)s.max_at, s.kld_max);
    printf("same most likely token, %%     %12.3f  (95 %%: %.3f to %.3f)\n", 100 * s.same,
           100 * s.same_lo, 100 * s.same_hi);
    printf("\n%6s %12s %8s %8s  %s\n", "token", "KL", "ref %", "model %", "text");
    for (size_t i = 0; i < f->m->n_token; i++) {
        const nb_kld_point *p = &f->point[i];
        size_t n;
        const char *piece = ui_forced_piece(f->m, i, &n);
        nb_str_clear(&line);
        nb_str_addf(&line, "%6zu %12.6f %8.3f %8.3f %s", i, p->kld, 100 * exp(-p->base_nll),
                    100 * exp(-p->nll), p->same_top ? " " : "*");
        nb_str_addn(&line, piece, n);
        ui_print_line(nb_str_c(&line));
    }
    puts("\n+/- one standard error, * another most likely token than the reference's");
    nb_str_free(&line);
}

/* --- the run -----------------------------------------------------------------------------------
 */

static nb_status open_reference(forced *f, nb_err *err)
{
    ui_eval *e = f->e;
    const ui_arg *ref = &e->ctx->opt[UI_EVAL_REF];
    f->name = ref->set ? ref->text : ui_transcript_model(f->log, 0);
    NB_TRY(ui_engine_open(&f->ref, e->ctx, f->name, err));
    NB_TRY(nb_vocab_same(e->own.tok, ui_engine_name(&e->own), f->ref.tok, ui_engine_name(&f->ref),
                         err));
    return nb_chat_open(&f->chat, nb_weights_kvs(f->ref.weights), f->ref.tok, err);
}

static nb_status run(forced *f, nb_err *err)
{
    ui_eval *e = f->e;
    const ui_arg *o = e->ctx->opt, none = {0};
    if (e->ctx->dry_run)
        return nb_fail(err, NB_USAGE, "--dry-run: not with --chat, which writes nothing");
    NB_TRY(ui_chat_vars_read(&f->vars, &o[UI_EVAL_THINK], &o[UI_EVAL_TOOLS], &none, err));
    NB_TRY(find_answer(f, o[UI_EVAL_CHAT].text, err));
    NB_TRY(open_reference(f, err));
    NB_TRY(context(f, err));
    uint32_t need = f->m->n_prompt + (uint32_t)f->m->n_token;
    NB_TRY(ui_eval_session(e, need, err));
    NB_TRY(ui_engine_session(&f->ref, e->ctx, e->pool, &e->session, err));
    if (!(f->point = nb_alloc(f->m->n_token, sizeof *f->point, "scores", err)))
        return NB_NOMEM;
    const nb_forced_text t = {f->ids, f->m->n_prompt, f->m->n_token};
    const nb_forced_model with = {e->own.session, ui_engine_name(&e->own), f->point};
    const nb_hooks hooks = ui_ctx_hooks(e->ctx);
    NB_TRY(nb_forced_run(&t, f->ref.session, &with, 1, e->pool, &hooks, err));
    ui_ctx_done(e->ctx);
    if (e->ctx->json)
        print_json(f);
    else
        print_text(f);
    return NB_OK;
}

nb_status ui_eval_chat(ui_eval *e, nb_err *err)
{
    forced f = {.e = e};
    nb_status st = run(&f, err);
    nb_chat_close(&f.chat);
    ui_engine_close(&f.ref);
    ui_transcript_close(&f.log);
    ui_chat_vars_free(&f.vars);
    free(f.ids);
    free(f.point);
    return st;
}
