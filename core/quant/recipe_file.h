/* Recipes as text, one wish a line, and by name in the data folder (recipes/NAME.recipe):
 *
 *     # what it is for
 *     preset Q4_K_M
 *     pure
 *     output-tensor-type q6_K
 *     token-embedding-type q4_K
 *     leave-output-tensor
 *     rule ffn_down@first/8,more=q6_K
 *
 * Lines are those of quantize's options; patterns of --tensor-type, edits and importance are not
 * part of a recipe. */
#ifndef NIBBLE_RECIPE_FILE_H
#define NIBBLE_RECIPE_FILE_H

#include "core/base/config.h"
#include "core/quant/recipe.h"

/* name: for messages. NB_FORMAT names the line. */
nb_status nb_recipe_parse(nb_recipe *out, const char *text, size_t n, const char *name,
                          nb_err *err);
void nb_recipe_print(const nb_recipe *r, nb_str *out);

/* Letters, digits, ".", "_", "-", not first ".": what a recipe may be called. */
bool nb_recipe_name_ok(const char *name);
/* The file of a recipe by name. NB_USAGE for a name that may not be. */
nb_status nb_recipe_path(char *out, size_t cap, const nb_config *cfg, const char *name,
                         nb_err *err);
/* name: of a saved recipe, else a file. */
nb_status nb_recipe_load(nb_recipe *out, const nb_config *cfg, const char *name, nb_err *err);
/* NB_REFUSED when the name is taken, unless force. */
nb_status nb_recipe_save(const nb_recipe *r, const nb_config *cfg, const char *name, bool force,
                         nb_err *err);
/* Calls see for every saved recipe in order of names. */
nb_status nb_recipe_each(const nb_config *cfg, void (*see)(void *ud, const char *name), void *ud,
                         nb_err *err);

#endif
