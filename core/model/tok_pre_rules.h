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
    NB_PRE_JAIS2,
    NB_PRE_YOUTU,
    NB_PRE_CHAMELEON,
    NB_PRE_SUPERBPE,
    NB_PRE_EXAONE_MOE,
    NB_PRE_KIMI_K2,
    NB_PRE_SPARK25,
    NB_PRE_LINES,
    NB_PRE_WORDS,
    NB_PRE_FAMILIES
};

/* Characters listed one range after another (tok_pre_spans.c). */
typedef struct nb_pre_span {
    uint32_t first, last;
} nb_pre_span;
typedef struct nb_pre_spans {
    const nb_pre_span *at; /* [n], ascending */
    size_t n;
    bool spaced; /* \s? before */
} nb_pre_spans;

bool nb_pre_in_spans(const nb_pre_spans *s, uint32_t cp);
/* \s?[SPANS]+, arg: the spans */
nb_pre_match nb_pre_span_run;
/* A run of one of youtu's four scripts. */
nb_pre_match nb_pre_youtu_script;
extern const nb_pre_spans nb_pre_llm_letters, nb_pre_llm_signs, nb_pre_llm_cjk, nb_pre_v3_cjk,
    nb_pre_asian, nb_pre_han;

extern const nb_pre_rule nb_pre_families[NB_PRE_FAMILIES][NB_PRE_RULES + 1];

#endif
