#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "core/base/regex.h"

/* The first line is the expression, the second the name. */
FUZZ_TARGET(regex)
{
    char pattern[NB_REGEX_PATTERN + 8], name[80] = "";
    nb_regex *re = NULL;
    nb_err err = {0};
    const uint8_t *end = n ? memchr(bytes, '\n', n) : NULL;
    size_t len = end ? (size_t)(end - bytes) : n;
    len = len < sizeof pattern - 1 ? len : sizeof pattern - 1;
    memcpy(pattern, bytes, len);
    pattern[len] = '\0';
    if (end) {
        size_t left = n - (size_t)(end - bytes) - 1;
        left = left < sizeof name - 1 ? left : sizeof name - 1;
        memcpy(name, end + 1, left);
        name[left] = '\0';
    }
    if (nb_regex_open(&re, pattern, &err) != NB_OK) {
        fuzz_check(err.msg[0] && !re, "refused without a word");
        return;
    }
    nb_regex_search(re, name);
    nb_regex_close(&re);
}
