/* What commands that run a model open: weights, model, tokenizer, and a session once its size is
 * known. */
#ifndef NIBBLE_ENGINE_H
#define NIBBLE_ENGINE_H

#include "core/model/lora.h"
#include "core/model/session.h"
#include "core/model/tok.h"
#include "tui/commands/cmd.h"

typedef struct ui_engine {
    char path[1024];
    nb_weights *weights;
    nb_model *model;
    nb_tok *tok;
    nb_session *session;
    nb_weights *adapter;
    nb_lora *lora;
} ui_engine;

/* model: as on the command line. On failure what was opened is left to ui_engine_close. */
nb_status ui_engine_open(ui_engine *e, const ui_ctx *ctx, const char *model, nb_err *err);
nb_status ui_engine_session(ui_engine *e, const ui_ctx *ctx, nk_pool *pool,
                            const nb_session_options *opt, nb_err *err);
/* The model reads a flat copy (nb_model_flatten) from now on, if it gains by one. */
nb_status ui_engine_flatten(ui_engine *e, ui_ctx *ctx, nk_pool *pool, nb_err *err);
/* Bytes that a copy of weights may take: what is free, at most the setting ram-limit. */
uint64_t ui_engine_room(const ui_ctx *ctx);
/* Its size, on stderr; 0: there is none. */
void ui_flat_say(uint64_t bytes);
/* Answers of the session are the adapter's from now on. */
nb_status ui_engine_lora(ui_engine *e, const char *file, float scale, nb_err *err);
void ui_engine_close(ui_engine *e);
/* File name or folder's, for tables and base files. */
const char *ui_engine_name(const ui_engine *e);
uint64_t ui_engine_print(const ui_engine *e); /* fingerprint */

#endif
