/* The preset engine's inner side: what plan.c needs to know about each choice. The rules themselves
 * are rows in presets.c; callers outside core/quant use recipe.h. */
#ifndef NIBBLE_PRESETS_H
#define NIBBLE_PRESETS_H

#include "core/quant/recipe.h"

typedef enum nb_why {
    NB_WHY_NEVER,
    NB_WHY_PRESET,
    NB_WHY_RULE,
    NB_WHY_PATTERN,
    NB_WHY_OPTION
} nb_why;

typedef struct nb_type_choice {
    nk_type_id type;     /* after the width's fallback; t->type where never quantized */
    nk_type_id wanted;   /* before it */
    const nb_rule *rule; /* borrowed: recipe; NULL unless NB_WHY_RULE */
    int pattern;         /* index in the recipe's patterns; -1 unless NB_WHY_PATTERN */
    nb_why why;
} nb_type_choice;

/* Whether any preset or rule may quantize t: two or more dimensions, a name that ends in "weight"
 * and is not on the list of small and delicate tensors. */
bool nb_quantizable(const nb_tensor *t);
/* The user's first rule that matches; NULL. n_layer: of the model. */
const nb_rule *nb_recipe_rule(const nb_recipe *r, const char *name, uint32_t n_layer);
/* First and last eighth of n layers, and every third between: use_more_bits in llama-quant.cpp. */
bool nb_layer_more(uint32_t i, uint32_t n);
/* Layer of "blk.N.…"; -1 outside layers. */
int nb_layer_of(const char *name);
/* t[n] in output order; out[n]. */
nb_status nb_preset_choose(const nb_recipe *r, const nb_shape_info *info, const nb_tensor *t,
                           size_t n, nb_type_choice *out, nb_err *err);

#endif
