/* What the methods share. */
#ifndef NIBBLE_METHOD_PRIVATE_H
#define NIBBLE_METHOD_PRIVATE_H

#include "core/quant/method.h"

void nb_encode_reference(nb_encode_job *job, const float *src, void *dst, size_t rows, size_t cols);

#endif
