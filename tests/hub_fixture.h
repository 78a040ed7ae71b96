/* What the tests of the fake Hub share: one with a small repository, and looks at its replies. */
#ifndef NIBBLE_TEST_HUB_FIXTURE_H
#define NIBBLE_TEST_HUB_FIXTURE_H

#include "core/base/json.h"
#include "tests/ask.h"
#include "tests/hub/fake_hub.h"

enum { FIX_BYTES = 5000000, FIX_SEED = 7 }; /* of m.gguf */

/* The test fails when it cannot start. */
fake_hub *fix_start(const fake_hub_options *opt);
/* ns/repo with config.json {"model_type":"llama"}, d/e.txt "e" and m.gguf. */
fake_repo *fix_repo(fake_hub *hub);
/* GET from the Hub, with a token unless NULL. */
ask_reply fix_get(fake_hub *hub, const char *path, const char *token);
/* GET of ns/repo's m.gguf, redirects followed; range "0-9" or NULL. */
ask_reply fix_file(fake_hub *hub, const char *range);
void fix_fault(fake_hub *hub, const char *line);
/* Fails the test unless the field is exactly this. */
void fix_has(const ask_reply *r, const char *field, const char *want);
bool fix_starts(const char *text, const char *with); /* NULL starts with nothing */
/* The body of a complete 200 as JSON; the test fails when it is none. */
nb_json *fix_json(const ask_reply *r);
const char *fix_str(const nb_jval *obj, const char *key); /* "" if absent or no string */

#endif
