/* Texts spoilt at every place, one place at a time: what a parser's every step must survive. */
#ifndef NIBBLE_TEST_SPOIL_H
#define NIBBLE_TEST_SPOIL_H

#include <stddef.h>

/* text is the spoilt one, NUL-terminated at [n]; what says how it was spoilt, for messages. */
typedef void spoil_fn(void *arg, const char *text, size_t n, const char *what);

/* Cut behind every byte but the last. */
void spoil_ends(const char *text, size_t n, spoil_fn *fn, void *arg);
/* Every byte replaced by each byte of with. */
void spoil_bytes(const char *text, size_t n, const char *with, spoil_fn *fn, void *arg);
/* Every value of a sound JSON text replaced by values of each other kind, and left out with its key
 * or comma. */
void spoil_values(const char *json, size_t n, spoil_fn *fn, void *arg);

#endif
