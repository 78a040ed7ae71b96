/* nibble pull as a child process over a rig's fake Hub, for tests. */
#ifndef NIBBLE_TEST_PULL_H
#define NIBBLE_TEST_PULL_H

#include "tests/run_child.h"
#include "tests/transfer.h"

/* A sanitizer's runtime insists on being the first library. */
enum { PULL_PRELOADS = RIG_SLOW == 1 };

typedef struct pull_env { /* NAME=value each */
    char endpoint[600], home[1100], timeout[64], kept[1200], preload[600];
} pull_env;
pull_env pull_place(rig *r);
/* args end with NULL; how's arguments and environment are filled in. What is in its environment
 * already is for tests/preload, which then is preloaded. */
child pull_how(rig *r, child_how how, const char *const *args);
child pull(rig *r, const char *name);
/* What the last pull left is what rig_fetch would have told. */
void pull_expect_landed(rig *r, const char *path);
/* Nothing that `hf cache ls` would call corrupt: a dangling link, a ref without its snapshot. */
void pull_expect_sound(rig *r, const char *path, const char *when);

/* Which segments of the one partial file its state file records; returns the bytes on disk of the
 * others, which are lost. held [segments]. */
uint64_t pull_held(rig *r, bool *held, size_t segments);
/* No request to the CDN since the log was cleared was for a held segment. Bytes sent are no
 * measure: what an abandoned connection leaves in the sockets depends on the machine. What was
 * asked for does not. */
void pull_expect_not_asked(rig *r, const bool *held, size_t segments, int round);

#endif
