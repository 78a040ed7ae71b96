/* Chat templates in the subset of Jinja2 that published models use (Jinja 3.1's semantics, with
 * trim_blocks and lstrip_blocks, `break` and `continue`, and `generation` as a plain block, as the
 * transformers library sets it up). Values behave and print as Python's do.
 *
 * A template is foreign code. It is compiled once and cannot reach anything but the values given:
 * types, filters, tests, methods and functions are closed lists, an unknown name is an error when
 * it is used. Work, time, memory, output and nesting are bounded (reliability A6); nothing recurses
 * deeper than a counted limit.
 *
 * Every byte of the result is known to come from the template or from a user. Text given as
 * NB_JINJA_USER stays the user's through concatenation, slices, filters and JSON, so that the
 * tokenizer finds special tokens only where the template itself wrote them. */
#ifndef NIBBLE_JINJA_H
#define NIBBLE_JINJA_H

#include "core/base/str.h"

typedef struct nb_jinja_limits {
    uint64_t steps;  /* nodes visited, and bytes handled in bulk / 64 */
    size_t memory;   /* bytes of the compiled template and one rendering, + 4x the input */
    size_t output;   /* bytes */
    unsigned cpu_ms; /* of this thread */
} nb_jinja_limits;

enum { NB_JINJA_TEXT_MAX = 1 << 20, NB_JINJA_NESTING = 128 }; /* bytes of a template; its depth */

nb_jinja_limits nb_jinja_default_limits(void); /* reliability.md 4 */

/* --- template -------------------------------------------------------------------------------- */
typedef struct nb_jinja nb_jinja;

/* Copies text and name (for errors: "NAME line 3: ..."). limits NULL = defaults. NB_FORMAT: not
 * well-formed, or past a limit; NB_UNSUPPORTED: a tag outside the subset. */
nb_status nb_jinja_open(nb_jinja **out, const char *text, size_t len, const char *name,
                        const nb_jinja_limits *limits, nb_err *err);
void nb_jinja_close(nb_jinja **t);
/* Whether the template names this attribute or key anywhere. */
bool nb_jinja_uses(const nb_jinja *t, const char *word);
/* Whether it names this variable anywhere. */
bool nb_jinja_names(const nb_jinja *t, const char *variable);

/* --- input ----------------------------------------------------------------------------------- */
/* Variables, written like JSON: in a map every value has a key, in a list none (NULL). Strings are
 * copied. A failure of memory is kept and comes out of nb_jinja_render. */
typedef struct nb_jinja_input nb_jinja_input;

typedef enum nb_jinja_owner { NB_JINJA_TEMPLATE, NB_JINJA_USER } nb_jinja_owner;

nb_status nb_jinja_input_open(nb_jinja_input **out, nb_err *err);
void nb_jinja_input_close(nb_jinja_input **in);
void nb_jinja_put_none(nb_jinja_input *in, const char *key);
void nb_jinja_put_bool(nb_jinja_input *in, const char *key, bool v);
void nb_jinja_put_int(nb_jinja_input *in, const char *key, int64_t v);
void nb_jinja_put_float(nb_jinja_input *in, const char *key, double v);
void nb_jinja_put_str(nb_jinja_input *in, const char *key, const char *s, size_t n,
                      nb_jinja_owner owner);
void nb_jinja_begin_list(nb_jinja_input *in, const char *key);
void nb_jinja_begin_map(nb_jinja_input *in, const char *key);
void nb_jinja_end(nb_jinja_input *in); /* of the innermost list or map */
/* A JSON text as a value; its strings and keys are owner's. */
nb_status nb_jinja_put_json(nb_jinja_input *in, const char *key, const char *json, size_t n,
                            nb_jinja_owner owner, nb_err *err);

/* --- rendering ------------------------------------------------------------------------------- */
/* What strftime_now tells. */
typedef struct nb_jinja_clock {
    int year, month, day, hour, minute, second; /* 2026, 1..12, 1..31, 0.. */
} nb_jinja_clock;

/* One stretch of the result: up to `end`, from where the one before ends. */
typedef struct nb_jinja_run {
    uint32_t end;
    nb_jinja_owner owner;
} nb_jinja_run;

typedef struct nb_jinja_text {
    char *at; /* owned, NUL-terminated */
    size_t len;
    nb_jinja_run *run; /* [n_run], owned; neighbours differ */
    size_t n_run;
} nb_jinja_text;

/* in and now may be NULL: no variables, no clock (strftime_now is then undefined). NB_REFUSED with
 * the template's own words: it raised them; NB_FORMAT: it went wrong, or past a limit;
 * NB_UNSUPPORTED: it asks for what the subset lacks. On failure *out is zeroed. */
nb_status nb_jinja_render(const nb_jinja *t, const nb_jinja_input *in, const nb_jinja_clock *now,
                          nb_jinja_text *out, nb_err *err);
void nb_jinja_text_free(nb_jinja_text *text);

#endif
