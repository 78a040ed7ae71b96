/* The parts of the eval command: perplexity, divergence from a reference, tasks, answers. */
#ifndef NIBBLE_EVAL_CMD_H
#define NIBBLE_EVAL_CMD_H

#include "core/eval/runs.h"
#include "tui/commands/engine.h"

enum {
    UI_EVAL_FILE,
    UI_EVAL_CTX,
    UI_EVAL_CHUNKS,
    UI_EVAL_PROTOCOL,
    UI_EVAL_STRIDE,
    UI_EVAL_REF,
    UI_EVAL_BASE,
    UI_EVAL_SAVE_BASE,
    UI_EVAL_BASE_TYPE,
    UI_EVAL_TASK,
    UI_EVAL_TASKS,
    UI_EVAL_KV_F32,
    UI_EVAL_CACHE_K,
    UI_EVAL_CACHE_V,
    UI_EVAL_LORA,
    UI_EVAL_LORA_SCALE,
    UI_EVAL_FLAT,
    UI_EVAL_CHAT,
    UI_EVAL_SYSTEM,
    UI_EVAL_THINK,
    UI_EVAL_TOOLS,
    UI_EVAL_COUNT
};

typedef struct ui_eval {
    ui_ctx *ctx;
    ui_engine own;
    nk_pool *pool;
    nb_session_options session; /* n_ctx open */
    char *text;                 /* owned; what was read */
    size_t len;
    char sha256[65];
    nb_reading reading;
    bool plain; /* as the file is: no adapter, no other cache */
} ui_eval;

/* What --file names, into e->text, with its SHA-256. */
nb_status ui_eval_read(ui_eval *e, const char *path, nb_err *err);
/* Cuts the text by --protocol, --ctx, --chunks and --stride. */
nb_status ui_eval_cut(ui_eval *e, nb_err *err);
/* The model's session of n_ctx, with --lora. */
nb_status ui_eval_session(ui_eval *e, uint32_t n_ctx, nb_err *err);
/* Everything that figures depend on but the reference. */
nb_run_key ui_eval_key(const ui_eval *e);
/* A result is worth keeping, but never worth failing for. */
void ui_eval_keep(const ui_eval *e, nb_run_kind kind, const nb_run_key *key, const void *record);
/* JSON keys that all results begin with: model, text, text_sha256, protocol, ctx, chunks. */
void ui_eval_json_head(nb_jout *w, const ui_eval *e);

/* The model is open. */
nb_status ui_eval_kld(ui_eval *e, nb_err *err);
nb_status ui_eval_task(ui_eval *e, nb_err *err);
nb_status ui_eval_chat(ui_eval *e, nb_err *err);

/* A divergence as others print it too. */
void ui_kld_json(nb_jout *w, const nb_kld *k);
void ui_kld_print(const nb_kld *k);

#endif
