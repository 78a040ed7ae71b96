/* What tests of chat templates share. */
#ifndef NIBBLE_TEST_JINJA_H
#define NIBBLE_TEST_JINJA_H

#include "core/base/json.h"
#include "core/model/jinja.h"

/* A parsed JSON value as a template's variable; strings are owner's. */
void jinja_put(nb_jinja_input *in, const char *key, const nb_jval *v, nb_jinja_owner owner);
/* Compiles and renders text with the members of vars (may be NULL) as a user's, but bos_token and
 * eos_token as the template's, at noon of 31 January 2026. *out is zeroed on failure. */
nb_status jinja_render(const char *text, size_t len, const nb_jval *vars, nb_jinja_text *out,
                       nb_err *err);

#endif
