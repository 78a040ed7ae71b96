/* Tools a model is told of, in the shape of OpenAI's API, and the calls of them in an answer.
 * nibble shows a call and never makes one. */
#ifndef NIBBLE_TOOLS_H
#define NIBBLE_TOOLS_H

#include "kernels/nb.h"

enum { NB_TOOLS_MAX = 1 << 20 }; /* bytes of a list of tools */

/* NB_FORMAT unless json is [{"type": "function", "function": {"name": ...}}, ...]: names the first
 * element that is none. what: the list's name for messages. */
nb_status nb_tools_check(const char *json, size_t n, const char *what, nb_err *err);

typedef struct nb_tool_call {
    char name[96];   /* cut between characters where it is longer */
    size_t at, len;  /* in the answer: the call as JSON; */
    size_t args_at;  /*   what it is called with, */
    size_t args_len; /*   0 = nothing */
} nb_tool_call;

/* The calls in an answer (its thought left out): JSON objects with a name (or tool_name) and
 * arguments (or parameters), one or a list of them, between <tool_call> and </tool_call> as Hermes
 * and Qwen write them; with `bare` also an answer that is nothing else, as of Llama and Mistral.
 * Returns their number, at most cap of them written. SIZE_MAX never: without memory there are none.
 */
size_t nb_tool_calls(const char *text, size_t len, bool bare, nb_tool_call *out, size_t cap);

#endif
