/* Options of commands that open a session. */
#ifndef NIBBLE_SESSION_OPT_H
#define NIBBLE_SESSION_OPT_H

#include "core/model/session.h"
#include "tui/commands/cmd.h"

/* Of --flat. */
#define UI_FLAT_HELP                                                                               \
    "IQ1, IQ2 and IQ3 weights by a flat copy: more memory, faster on CPUs without AVX-512 VBMI, "  \
    "same answer"
#define UI_CACHE_TYPES "f32, f16, bf16, q8_0 or q4_0"

/* --cache-type-k and --cache-type-v into *out; what is not set stays. NB_USAGE names a type that no
 * cache has. */
nb_status ui_cache_types(nb_session_options *out, const ui_arg *k, const ui_arg *v, nb_err *err);

#endif
