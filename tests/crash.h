/* Kills and power cuts at every step of a writer, without a word from the writer: the child that
 * runs it is traced, its file-changing system calls counted and written down (Linux).
 *
 * Kill: the process ends before its n-th such call; the disk holds all earlier ones.
 * Power: after n calls the disk holds what was synced, and of the rest only some. Data of a file
 * since its last fsync: each write is there, gone, zeros, or torn at 4 KiB. Names of a folder since
 * its last fsync: the first few changes, in order. A rename is atomic (A16). */
#ifndef NIBBLE_TEST_CRASH_H
#define NIBBLE_TEST_CRASH_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/util.h"

typedef struct crash_log crash_log;

/* Runs fn(arg) in a child to its end; root is an empty folder that it writes below. NULL when the
 * machine permits no tracing or fn did not end well. */
crash_log *crash_record(void (*fn)(void *arg), void *arg, const char *root);
size_t crash_calls(const crash_log *log);
/* Makes `into` (not there yet) what a disk may hold when power goes after the first n calls. */
void crash_replay(const crash_log *log, size_t n, test_rng *rng, const char *into);
void crash_free(crash_log *log);

/* Runs fn(arg) in a child that is killed before its n-th file-changing call below root, 1 = first;
 * false when it ended before that. */
bool crash_kill(void (*fn)(void *arg), void *arg, const char *root, size_t n);

#endif
