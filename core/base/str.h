/* Text: a growable string, strict UTF-8 steps, display width, human sizes, and the one sanitiser
 * every sink uses. Numbers are written and read here without the locale, so files and JSON never
 * depend on LC_NUMERIC. */
#ifndef NIBBLE_STR_H
#define NIBBLE_STR_H

#include "kernels/nb.h"

/* Growable byte string, always NUL-terminated once non-empty. Zero-initialise; bytes are kept in
 * one malloc block. After a failed append (memory) `failed` stays set and further appends do
 * nothing, so a builder checks once at the end. */
typedef struct nb_str {
    char *at; /* owned; NULL when empty */
    size_t len, cap;
    bool failed;
} nb_str;

void nb_str_add(nb_str *s, const char *text);
void nb_str_addn(nb_str *s, const void *bytes, size_t n);
void nb_str_addf(nb_str *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void nb_str_clear(nb_str *s);          /* keeps the memory */
void nb_str_free(nb_str *s);           /* frees, zeroes */
const char *nb_str_c(const nb_str *s); /* "" when empty */

/* One strict UTF-8 step (no overlongs, surrogates, > U+10FFFF): bytes used and *cp, or 0 for an
 * invalid or cut sequence; *cut tells an incomplete but so far valid tail (may be NULL). */
size_t nb_utf8_next(const char *s, size_t n, uint32_t *cp, bool *cut);
/* Writes cp, returns 1..4; 0 if not a scalar value. */
size_t nb_utf8_put(uint32_t cp, char out[4]);
/* Length of the longest prefix that ends between characters: what a stream may show now. An
 * invalid byte counts as complete. */
size_t nb_utf8_whole(const char *s, size_t n);
/* Cells of one code point on a terminal: 0 combining, 1, 2 wide; -1 control. Own table, not libc's.
 */
int nb_cp_width(uint32_t cp);

/* Appends text made safe to print: C0 except \n and \t, DEL, C1, bidi controls, zero-width, tags
 * and unassigned become visible <U+XXXX> with mathematical brackets ("⟨U+202E⟩"; ASCII "<U+202E>"
 * when ascii), invalid bytes U+FFFD (ASCII "?"), at most 4 combining marks per base; ZWJ and VS16
 * inside emoji sequences stay. `one_line` also shows \n and \t as a space. In ASCII every other
 * character is one ? per cell. Give whole texts where you can: what joins or piles up over two
 * calls is not seen. */
enum { NB_SAFE_ONE_LINE = 1, NB_SAFE_ASCII = 2 };
void nb_safe_text(nb_str *out, const char *text, size_t n, unsigned flags);

/* Copies text to out[cap], cap >= 4; what does not fit ends in an ellipsis. Returns out. */
const char *nb_short(char *out, size_t cap, const char *text);

/* "11.5 MB", "1.41 GB": decimal units, three significant digits, as the Hub writes sizes. */
const char *nb_human_bytes(char out[16], uint64_t bytes);
/* "0:48", "1h02", "<1s". seconds < 0 = "?". */
const char *nb_human_time(char out[16], double seconds);
/* Shortest decimal that reads back as the same double; NaN and Inf as "null". For JSON and files.
 */
const char *nb_fmt_double(char out[32], double v);
/* "%.*f" without the locale. */
const char *nb_fmt_fixed(char out[48], double v, int decimals);
/* Whole-string decimal number; false on trailing text, overflow to Inf, NaN, or empty. */
bool nb_parse_double(const char *s, double *out);
bool nb_parse_u64(const char *s, uint64_t *out);
bool nb_parse_i64(const char *s, int64_t *out);
/* Equal but for the case of ASCII letters; strcasecmp asks the locale (Turkish i). */
bool nb_same_word(const char *a, const char *b);
/* Shell-style glob over the whole name: * ? [abc]. Linear time. */
bool nb_glob(const char *pattern, const char *name);

/* Allocation that refuses overflow; NULL with NB_NOMEM in err and the bytes in its text. Zeroed. */
void *nb_alloc(uint64_t count, uint64_t size, const char *what, nb_err *err);
char *nb_strdup(const char *s, nb_err *err);

#endif
