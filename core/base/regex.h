/* Regular expressions over short names, as std::regex reads them (ECMAScript): | ( ) (?: ) (?= )
 * (?! ) * + ? {n} {n,} {n,m}, lazy forms, . ^ $ [..] [^..] [[:alpha:]], \d \w \s \b and escapes.
 * Back references are refused: only they need backtracking.
 *
 * A name has at most 63 bytes, so that its 64 positions are the bits of a word, and an expression
 * is a relation between positions: 64 words. Alternatives are unions, sequences are products,
 * repeats are powers. No pattern is catastrophic: work is bounded by its length times a constant.
 */
#ifndef NIBBLE_REGEX_H
#define NIBBLE_REGEX_H

#include "kernels/nb.h"

enum { NB_REGEX_TEXT = 63, NB_REGEX_PATTERN = 1024 };

typedef struct nb_regex nb_regex;

/* NB_USAGE tells what is wrong and where. */
nb_status nb_regex_open(nb_regex **out, const char *pattern, nb_err *err);
void nb_regex_close(nb_regex **re);
/* Whether the expression matches somewhere in text; longer than NB_REGEX_TEXT bytes: never. Any
 * thread. */
bool nb_regex_search(const nb_regex *re, const char *text);

#endif
