/* The rules of tok_pre.c, family by family. */
#ifndef NIBBLE_TOK_PRE_RULES_H
#define NIBBLE_TOK_PRE_RULES_H

#include "core/model/tok_pre.h"

enum nb_pre_family {
    NB_PRE_DEFAULT,
    NB_PRE_LLAMA3,
    NB_PRE_MINICPM5,
    NB_PRE_QWEN2,
    NB_PRE_QWEN35,
    NB_PRE_LAGUNA,
    NB_PRE_UFAKZEKA,
    NB_PRE_SEED_CODER,
    NB_PRE_GPT2,
    NB_PRE_STARCODER,
    NB_PRE_TEKKEN,
    NB_PRE_GPT4O,
    NB_PRE_GRANITE_MULTI,
    NB_PRE_TINY_AYA,
    NB_PRE_DEEPSEEK_LLM,
    NB_PRE_DEEPSEEK_CODER,
    NB_PRE_DEEPSEEK3,
    NB_PRE_AFMOE,
    NB_PRE_FALCON,
    NB_PRE_BLOOM,
    NB_PRE_VIKING,
    NB_PRE_FAMILIES
};

extern const nb_pre_rule nb_pre_families[NB_PRE_FAMILIES][NB_PRE_RULES + 1];

#endif
