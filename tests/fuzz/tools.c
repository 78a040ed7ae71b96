/* Any bytes as a list of tools and as an answer with calls: refused with words, or places that lie
 * in the text and hold JSON. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "core/base/json.h"
#include "core/model/tools.h"

enum { CALLS = 4 };

static void check_calls(const char *text, size_t n, bool bare)
{
    nb_tool_call c[CALLS];
    size_t found = nb_tool_calls(text, n, bare, c, CALLS);
    fuzz_check(nb_tool_calls(text, n, bare, NULL, 0) == found, "another number when counted");
    for (size_t i = 0; i < found && i < CALLS; i++) {
        nb_json *doc = NULL;
        size_t end = c[i].at + c[i].len;
        fuzz_check(c[i].len && end <= n && c[i].args_len, "call %zu lies outside", i);
        fuzz_check(c[i].args_at > c[i].at && c[i].args_at + c[i].args_len < end,
                   "its arguments lie outside");
        fuzz_check(c[i].name[0] && memchr(c[i].name, 0, sizeof c[i].name), "no name");
        nb_status st =
            nb_json_parse(&doc, text + c[i].args_at, c[i].args_len, 1 << 20, "fuzz", NULL);
        fuzz_check(st == NB_OK || st == NB_FORMAT, "arguments: status %d", st);
        nb_json_close(&doc);
    }
}

FUZZ_TARGET(tools)
{
    nb_err err = {.msg = ""};
    nb_status st = nb_tools_check((const char *)bytes, n, "fuzz", &err);
    fuzz_check(st == NB_OK || (err.status == st && err.msg[0]), "failure without words");
    check_calls((const char *)bytes, n, false);
    check_calls((const char *)bytes, n, true);
}
