/* A fake Hub beside a row on the pty: tests/hub_shelf.h. */
#ifndef NIBBLE_TEST_PTY_HUB_H
#define NIBBLE_TEST_PTY_HUB_H

#include "tests/hub/fake_hub.h"
#include "tests/pty/pty.h"

/* For pty_options.env, once it is up: HF_ENDPOINT, and 1 s of patience for data. */
extern const char *const hub_env[];
void hub_up(uint64_t noise); /* bytes of slow-lm/Slow-GGUF's files; takes down the one before */
void hub_down(void);
fake_hub *hub_server(void);
void hub_fault(const char *line);
/* nibble on the demo, at Models; more: one further NAME=VALUE. */
void hub_start(pty *p);
void hub_start_with(pty *p, const char *more);
/* Types keys and waits until the screen shows it; the row fails when it does not. */
void hub_press(pty *p, const char *keys, const char *shows);
/* From Models as it opens: the repository's page, loaded, cursor on its largest file. */
void hub_open_repo(pty *p, const char *id);
/* On Downloads, slow-lm/Slow-GGUF's first file on its way at so many bytes a second and connection.
 */
void hub_fetch_slowly(pty *p, const char *rate);
/* The row of a file on Downloads; "" when it is not there. */
const char *hub_row(const vt *t, const char *file);
bool hub_row_says(pty *p, const char *file, const char *word, int ms);

#endif
