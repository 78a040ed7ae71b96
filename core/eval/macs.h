/* Multiply-adds: how many a prompt takes, and how many this machine could do (perf.md 3.2). */
#ifndef NIBBLE_MACS_H
#define NIBBLE_MACS_H

#include "core/model/model.h"
#include "kernels/pool.h"

/* By the instructions that do them: of 8-bit integers, block types; of 32-bit floats, float types
 * and attention; of parts of float types in bf16, where `ops` multiplies a type so
 * (kernels/pairs.h).
 */
typedef struct nb_macs {
    double int8, f32, bf16;
} nb_macs;

/* Of a prompt of n tokens behind `depth` others, as the forward pass does them: in the last layer
 * only keys and values of all tokens, the rest and the head of the last token alone. Of experts
 * those that a token uses. k and v: the cache's types, NULL F16; q8_0 meets codes of 16 bits, two
 * products of 8 each (kernels/attn.h). */
nb_macs nb_macs_of_prompt(const nb_model *m, const nk_ops *ops, const nk_type *k, const nk_type *v,
                          uint32_t depth, uint32_t n);

/* A second of all threads at the speed of the instructions alone, the fastest pass of a tenth of a
 * second each. */
nb_macs nb_macs_rate(const nk_ops *ops, nk_pool *pool);
/* Seconds that `work` takes at `rate`, one kind after the other. */
double nb_macs_seconds(const nb_macs *work, const nb_macs *rate);

#endif
