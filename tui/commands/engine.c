#include "tui/commands/engine.h"

#include <stdio.h>

#include "core/base/str.h"
#include "core/files/library.h"

nb_status ui_engine_open(ui_engine *e, const ui_ctx *ctx, const char *model, nb_err *err)
{
    NB_TRY(nb_library_resolve(&ctx->cfg, model, e->path, sizeof e->path, err));
    NB_TRY(nb_weights_open(&e->weights, e->path, err));
    NB_TRY(nb_model_open(&e->model, e->weights, err));
    return nb_tok_open(&e->tok, nb_weights_kvs(e->weights), err);
}

nb_status ui_engine_session(ui_engine *e, const ui_ctx *ctx, nk_pool *pool,
                            const nb_session_options *opt, nb_err *err)
{
    return nb_session_open(&e->session, e->model, &ctx->ops, pool, opt, err);
}

uint64_t ui_engine_room(const ui_ctx *ctx)
{
    uint64_t available, total, limit = ctx->cfg.ram_limit;
    nb_memory(&available, &total);
    return limit && limit < available ? limit : available;
}

nb_status ui_engine_flatten(ui_engine *e, ui_ctx *ctx, nk_pool *pool, nb_err *err)
{
    nb_hooks hooks = ui_ctx_hooks(ctx);
    nb_status st = nb_model_flatten(e->model, &ctx->ops, pool, ui_engine_room(ctx), &hooks, err);
    ui_ctx_done(ctx);
    if (st == NB_OK && !ctx->quiet && !ctx->json)
        ui_flat_say(e->model->flat_bytes);
    return st;
}

void ui_flat_say(uint64_t bytes)
{
    char human[16];
    if (bytes)
        fprintf(stderr, "flat copy: %s\n", nb_human_bytes(human, bytes));
    else
        fputs("flat copy: none, no weights that gain by one\n", stderr);
}

nb_status ui_engine_lora(ui_engine *e, const char *file, float scale, nb_err *err)
{
    NB_TRY(nb_weights_open(&e->adapter, file, err));
    NB_TRY(nb_lora_open(&e->lora, e->model, e->adapter, err));
    return nb_session_add_lora(e->session, e->lora, scale, err);
}

void ui_engine_close(ui_engine *e)
{
    nb_session_close(&e->session);
    nb_lora_close(&e->lora);
    nb_weights_close(&e->adapter);
    nb_tok_close(&e->tok);
    nb_model_close(&e->model);
    nb_weights_close(&e->weights);
}

const char *ui_engine_name(const ui_engine *e)
{
    return nb_path_base(e->path);
}

uint64_t ui_engine_print(const ui_engine *e)
{
    return nb_weights_fingerprint(e->weights);
}
