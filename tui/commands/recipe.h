/* The command recipe in two files: what lies in the folder (cmd_recipe.c) and the solver
 * (recipe_solve.c). */
#ifndef NIBBLE_RECIPE_CMD_H
#define NIBBLE_RECIPE_CMD_H

#include "core/quant/recipe.h"
#include "tui/commands/cmd.h"

enum {
    R_TYPE,
    R_RULES,
    R_PURE,
    R_OUTPUT,
    R_EMBD,
    R_SIZE,
    R_BPW,
    R_RAM,
    R_CTX,
    R_TYPES,
    R_IMATRIX,
    R_SENSITIVITY,
    R_SAVE,
    R_COUNT
};
extern const ui_opt ui_recipe_opt[R_COUNT];

nb_status ui_recipe_solve(ui_ctx *ctx, nb_err *err);
/* Saves, or says that it would. */
nb_status ui_recipe_keep(const ui_ctx *ctx, const nb_recipe *r, const char *name, nb_err *err);
/* Members of an open object; plan NULL: without counts and sizes. */
void ui_recipe_json(nb_jout *w, const nb_recipe *r, const nb_plan *plan);

#endif
