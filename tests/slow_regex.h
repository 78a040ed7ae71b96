/* Regular expressions by plain backtracking: what tokenizers' hand-written rules are held against.
 * ECMAScript's meaning (first alternative, greedy, leftmost) of | (?:) () (?=) (?!) [] * + ? {m,n}
 * $ \s \S \d \b \p{L} \p{M} \p{N} \p{P} \p{S} (also \p{Lu} and so on: all are letters) and
 * literals, on text as llama.cpp's unicode_regex_split prepares it: each byte that is no UTF-8 is
 * U+FFFD, and white space beyond ASCII is a vertical tab. An empty match cuts where it lies. */
#ifndef NIBBLE_TEST_SLOW_REGEX_H
#define NIBBLE_TEST_SLOW_REGEX_H

#include <stddef.h>

typedef struct slow_text slow_text;
slow_text *slow_text_open(const char *bytes, size_t n);
void slow_text_close(slow_text **t);

/* Cuts the text by each of the n expressions in turn, as llama.cpp does, into ends[], offsets in
 * bytes of where the pieces end; returns how many. ends has room for one a byte. */
size_t slow_split(const slow_text *t, const char *const *regex, size_t n, size_t *ends);

#endif
