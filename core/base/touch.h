/* Memory that is about to be written, made present in one go instead of by a fault for every page.
 * A hint: where the system has none of this (Linux from 5.14 has, others have not), memory comes as
 * it is written, as ever. */
#ifndef NIBBLE_TOUCH_H
#define NIBBLE_TOUCH_H

#include "kernels/nb.h"

/* n bytes at `at`, of memory that may be written, are written soon. What they hold stays. Any
 * thread. */
void nb_touch(void *at, uint64_t n);

#endif
