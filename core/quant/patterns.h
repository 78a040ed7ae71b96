/* llama-quantize's --tensor-type and --tensor-type-file: expressions searched for in a tensor's
 * name, the first that is found decides. Case of the pattern is folded before it is compiled (of
 * \D, too), as there. They count only where the preset quantizes, come after the options for
 * output.weight and token_embd.weight, and a hit leaves the preset's counters alone
 * (llama-quant.cpp, quantize.cpp @ de3ff81). */
#ifndef NIBBLE_PATTERNS_H
#define NIBBLE_PATTERNS_H

#include "kernels/type.h"

typedef struct nb_patterns nb_patterns;

nb_status nb_patterns_open(nb_patterns **out, nb_err *err);
void nb_patterns_close(nb_patterns **p);
/* "blk\.[0-3]\.ffn_down=q6_K" */
nb_status nb_patterns_add(nb_patterns *p, const char *text, nb_err *err);
/* The same from a file, between blanks and line ends. */
nb_status nb_patterns_read(nb_patterns *p, const char *path, nb_err *err);

size_t nb_patterns_count(const nb_patterns *p); /* 0 for NULL */
const char *nb_patterns_text(const nb_patterns *p, size_t i);
nk_type_id nb_patterns_type(const nb_patterns *p, size_t i);
/* Index of the first that is found in name, -1 = none. p may be NULL. */
int nb_patterns_find(const nb_patterns *p, const char *name);

#endif
