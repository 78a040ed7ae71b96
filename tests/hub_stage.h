/* What the tests of commands about the Hub share: a fake one with a few repositories, and nibble
 * run as its user. */
#ifndef NIBBLE_TEST_HUB_STAGE_H
#define NIBBLE_TEST_HUB_STAGE_H

#include "tests/hub_fixture.h"
#include "tests/run_child.h"

#define STAGE_TOKEN "hf_NobodyMayReadThis0123456789"
/* Titles, colours, C1, bidi and zero width: what no terminal may get from a server. */
#define STAGE_EVIL "\x1b]0;x\x07\x1b[2J\xc2\x9b\x33\x31m\xe2\x80\xaetxet\xe2\x80\x8b"

typedef struct stage {
    fake_hub *hub;
    fake_repo *repo; /* ns/repo: fix_repo's, s-Q4_0.gguf, a card with STAGE_EVIL, half a Q8_0 */
    char dir[600];   /* its user's home folder, nobody else's */
    /* Of the environment, NAME=VALUE; token "" = none. */
    char endpoint[600], home[620], token[80];
} stage;
/* Also ns/gated (a Q8_0 nobody may read) and ns/off (disabled). STAGE_TOKEN is tester's. */
stage stage_up(void);
void stage_down(stage *s);

/* args end with NULL; env: one more NAME=VALUE, which goes before the stage's, or NULL. */
child stage_run_args(const stage *s, const char *env, const char *const *args);
#define STAGE_RUN(s, ...)          stage_run_args(s, NULL, (const char *const[]){__VA_ARGS__, NULL})
#define STAGE_RUN_ENV(s, env, ...) stage_run_args(s, env, (const char *const[]){__VA_ARGS__, NULL})
/* Fails the test unless it ended with 0 and said nothing on stderr. */
void stage_works(const child *c, const char *what);

#endif
