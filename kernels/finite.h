/* Whether weights are finite, told from their bytes as they are stored: for most types from the
 * scales alone, one or two of them a block, so that nothing need be decoded. */
#ifndef NIBBLE_FINITE_H
#define NIBBLE_FINITE_H

#include "kernels/ops.h"

/* True: each of the n weights of type t at bytes decodes to a finite float. False: one does not, or
 * it takes decoding them to tell (see finite.c). n is a multiple of the block; any alignment. ops
 * NULL = the C reference; the answer is the same. */
bool nk_finite_bytes(const nk_ops *ops, const nk_type *t, const void *bytes, size_t n);

#endif
