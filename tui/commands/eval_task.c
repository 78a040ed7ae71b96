/* eval --task: HellaSwag, Winogrande, multiple choice, questions and answers. */
#include <stdio.h>
#include <string.h>

#include "core/base/file.h"
#include "tui/commands/default_text.h"
#include "tui/commands/eval_cmd.h"

/* Questions that stand beside the model, or the demo's for files made from it. */
static nb_status find_questions(const ui_eval *e, char *out, size_t cap, nb_err *err)
{
    const char *demo = e->ctx->cfg.demo_dir;
    if (nb_is_dir(e->own.path) && nb_path_join(out, cap, e->own.path, "qa.json") && nb_exists(out))
        return NB_OK;
    if (demo[0] && ui_is_demo(e->own.weights) && nb_path_join(out, cap, demo, "qa.json") &&
        nb_exists(out))
        return NB_OK;
    return nb_fail(err, NB_USAGE, "--file is missing: the questions to ask");
}

static void task_print(const nb_task_score *s, nb_task_kind kind)
{
    if (kind == NB_TASK_QA)
        printf("facts kept %llu of %llu  (%.1f %%, 95 %%: %.1f to %.1f)\n",
               (unsigned long long)s->right, (unsigned long long)s->asked, 100 * s->score,
               100 * s->lo, 100 * s->hi);
    else
        printf("%s %.2f %%  (95 %%: %.2f to %.2f; chance %.1f %%; %llu of %llu tasks, %llu in the "
               "file)\n",
               nb_task_name(kind), 100 * s->score, 100 * s->lo, 100 * s->hi, 100 * s->chance,
               (unsigned long long)s->right, (unsigned long long)s->asked,
               (unsigned long long)s->in_file);
}

static void task_json(const ui_eval *e, const char *file, const nb_task_score *s, nb_task_kind kind)
{
    nb_str text = {0};
    nb_jout w = nb_jout_make(&text);
    nb_jout_object(&w);
    nb_jout_key(&w, "model"), nb_jout_str(&w, e->ctx->args[0]);
    nb_jout_key(&w, "task"), nb_jout_str(&w, nb_task_name(kind));
    nb_jout_key(&w, "text"), nb_jout_str(&w, file);
    nb_jout_key(&w, "text_sha256"), nb_jout_str(&w, e->sha256);
    nb_jout_key(&w, "in_file"), nb_jout_u64(&w, s->in_file);
    nb_jout_key(&w, "asked"), nb_jout_u64(&w, s->asked);
    nb_jout_key(&w, "right"), nb_jout_u64(&w, s->right);
    nb_jout_key(&w, "score"), nb_jout_double(&w, s->score);
    nb_jout_key(&w, "lo"), nb_jout_double(&w, s->lo);
    nb_jout_key(&w, "hi"), nb_jout_double(&w, s->hi);
    nb_jout_key(&w, "chance"), nb_jout_double(&w, s->chance);
    nb_jout_key(&w, "seconds"), nb_jout_double(&w, s->seconds);
    nb_jout_object_end(&w);
    puts(nb_str_c(&text));
    nb_str_free(&text);
}

static nb_status run_tasks(ui_eval *e, const char *file, const nb_tasks *t, const nb_chat *chat,
                           nb_err *err)
{
    uint32_t n_ctx;
    nb_task_score score;
    nb_task_kind kind = nb_tasks_kind(t);
    const ui_arg *ctx = &e->ctx->opt[UI_EVAL_CTX];
    NB_TRY(nb_tasks_context(&n_ctx, t, e->own.tok, chat, err));
    NB_TRY(ui_eval_session(e, ctx->set ? (uint32_t)ctx->i : n_ctx, err));
    nb_hooks hooks = ui_ctx_hooks(e->ctx);
    nb_status st =
        nb_tasks_run(&score, t, e->own.session, e->own.tok, chat, NULL, NULL, &hooks, err);
    ui_ctx_done(e->ctx);
    if (st != NB_OK)
        return st;
    if (e->ctx->json)
        task_json(e, file, &score, kind);
    else
        task_print(&score, kind);
    nb_run_key key = {.model = ui_engine_print(&e->own)};
    snprintf(key.text, sizeof key.text, "%s", e->sha256);
    snprintf(key.protocol, sizeof key.protocol, "%s", nb_task_name(kind));
    ui_eval_keep(e, kind == NB_TASK_QA ? NB_RUN_FACTS : NB_RUN_TASK, &key, &score);
    return NB_OK;
}

nb_status ui_eval_task(ui_eval *e, nb_err *err)
{
    const ui_arg *o = e->ctx->opt;
    nb_task_kind kind = nb_task_find(o[UI_EVAL_TASK].text);
    char file[1100];
    nb_tasks *t = NULL;
    nb_chat *chat = NULL;
    if (kind == NB_TASK_KINDS)
        return nb_fail(err, NB_USAGE,
                       "--task: \"%.40s\" is none of hellaswag, winogrande, choice, qa",
                       o[UI_EVAL_TASK].text);
    if (o[UI_EVAL_FILE].set) {
        nb_short(file, sizeof file, o[UI_EVAL_FILE].text);
    } else if (kind == NB_TASK_QA) {
        NB_TRY(find_questions(e, file, sizeof file, err));
        NB_TRY(ui_eval_read(e, file, err));
    } else {
        return nb_fail(err, NB_USAGE, "--file is missing: the tasks to score");
    }
    nb_status st =
        nb_tasks_open(&t, kind, e->text, e->len,
                      o[UI_EVAL_TASKS].set ? (uint32_t)o[UI_EVAL_TASKS].i : 0, file, err);
    if (st == NB_OK && kind == NB_TASK_QA)
        st = nb_chat_open(&chat, nb_weights_kvs(e->own.weights), e->own.tok, err);
    if (st == NB_OK)
        st = run_tasks(e, file, t, chat, err);
    nb_chat_close(&chat);
    nb_tasks_close(&t);
    return st;
}
