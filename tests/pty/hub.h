/* A fake Hub beside a row on the pty: tests/hub_shelf.h. */
#ifndef NIBBLE_TEST_PTY_HUB_H
#define NIBBLE_TEST_PTY_HUB_H

#include "tests/pty/pty.h"

/* For pty_options.env, once it is up: HF_ENDPOINT, and 1 s of patience for data. */
extern const char *const hub_env[];
void hub_up(uint64_t noise); /* bytes of slow-lm/Slow-GGUF's files; takes down the one before */
void hub_down(void);
void hub_fault(const char *line);
/* From Models as it opens: the repository's page, loaded, cursor on its largest file. */
void hub_open_repo(pty *p, const char *id);

#endif
