/* Hands a growing file to the disk while it is written, by a thread that mostly waits. Drives with
 * a cache of their own, virtual ones above all, take writes at once and their time for fsync: one
 * at the end would take as long as what was written before it. */
#ifndef NIBBLE_FLUSH_H
#define NIBBLE_FLUSH_H

#include <stdbool.h>
#include <stdint.h>

typedef struct nb_flush nb_flush;

/* path: an existing file, opened anew: a lost write is still told to the caller's descriptor. Data
 * is synced whenever `step` bytes more have been told of. NULL: there is no thread to be had, and
 * the caller's fsync does it all. */
nb_flush *nb_flush_open(const char *path, uint64_t step);
/* So many bytes have been written in all. Any thread; f may be NULL. */
void nb_flush_tell(nb_flush *f, uint64_t bytes);
/* wait: a sync that has begun is waited for. Else it goes on, and what it needs is freed after it.
 * *f becomes NULL. Returns how often data was synced so far. */
unsigned nb_flush_close(nb_flush **f, bool wait);

#endif
