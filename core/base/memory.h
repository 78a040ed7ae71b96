/* nb_memory with its root folder as a parameter, so tests can lay out a machine of their own.
 * Private to core/base. */
#ifndef NIBBLE_MEMORY_H
#define NIBBLE_MEMORY_H

#include "kernels/nb.h"

/* root stands before /proc and /sys: "" on a real machine. */
void nb_memory_under(const char *root, uint64_t *available, uint64_t *total);

#endif
