/* JSON in and out. Small documents: typed, bounded getters over a parsed tree (cJSON inside, and
 * nowhere else) that name the path of a wrong key. Big documents (tokenizer.json, safetensors
 * headers, shard indexes): a pull reader that never builds a tree. Writing: a small builder with
 * locale-free numbers.
 *
 * Both readers refuse what cJSON lets pass: trailing garbage, 01, 1., raw control bytes, invalid
 * UTF-8, \u0000, lone surrogates, depth > 64, numbers beyond double; duplicate keys are refused by
 * the tree reader and reported by the pull reader's user (reliability A3, A4). */
#ifndef NIBBLE_JSON_H
#define NIBBLE_JSON_H

#include "core/base/str.h"

/* --- tree ------------------------------------------------------------------------------------ */
typedef struct nb_json nb_json; /* a document, owned */
typedef struct nb_jval nb_jval; /* a value in it, borrowed; NULL = absent everywhere below */

/* text[n] need not be terminated. `what` names the document in errors (a path). limit in bytes. */
nb_status nb_json_parse(nb_json **out, const char *text, size_t n, uint64_t limit, const char *what,
                        nb_err *err);
nb_status nb_json_load(nb_json **out, const char *path, uint64_t limit, nb_err *err);
void nb_json_close(nb_json **doc);
const nb_jval *nb_json_root(const nb_json *doc);

typedef enum nb_jkind {
    NB_JNULL,
    NB_JBOOL,
    NB_JNUMBER,
    NB_JSTRING,
    NB_JARRAY,
    NB_JOBJECT
} nb_jkind;
nb_jkind nb_jkind_of(const nb_jval *v);                      /* NULL counts as NB_JNULL */
const nb_jval *nb_jget(const nb_jval *obj, const char *key); /* case-sensitive; NULL if absent */
size_t nb_jlen(const nb_jval *v);                            /* members or elements */
/* Walk children: first(v), next(child). key of an object member, NULL for elements. */
const nb_jval *nb_jfirst(const nb_jval *v);
const nb_jval *nb_jnext(const nb_jval *child);
const char *nb_jkey(const nb_jval *child);
/* Leaf readers; false if absent or of another kind. */
bool nb_jstr(const nb_jval *v, const char **out);
bool nb_jbool(const nb_jval *v, bool *out);
bool nb_jnum(const nb_jval *v, double *out);
bool nb_jint(const nb_jval *v, int64_t *out); /* exact integers within +-(2^53 - 1) only */

/* Required or defaulted members with a named error: "config.json: hidden_size: expected an integer
 * 1..65536, found \"x\"". doc gives the name; range inclusive. */
nb_status nb_jneed_int(const nb_json *doc, const nb_jval *obj, const char *key, int64_t min,
                       int64_t max, int64_t *out, nb_err *err);
/* Absent or null: *out keeps its value and NB_OK is returned. */
nb_status nb_jopt_int(const nb_json *doc, const nb_jval *obj, const char *key, int64_t min,
                      int64_t max, int64_t *out, nb_err *err);
nb_status nb_jopt_num(const nb_json *doc, const nb_jval *obj, const char *key, double min,
                      double max, double *out, nb_err *err);
nb_status nb_jopt_bool(const nb_json *doc, const nb_jval *obj, const char *key, bool *out,
                       nb_err *err);
nb_status nb_jopt_str(const nb_json *doc, const nb_jval *obj, const char *key, const char **out,
                      nb_err *err);

/* --- pull ------------------------------------------------------------------------------------ */
typedef enum nb_jtoken {
    NB_JT_END, /* document complete */
    NB_JT_OBJECT,
    NB_JT_OBJECT_END,
    NB_JT_ARRAY,
    NB_JT_ARRAY_END,
    NB_JT_KEY,
    NB_JT_STRING,
    NB_JT_NUMBER,
    NB_JT_TRUE,
    NB_JT_FALSE,
    NB_JT_NULL,
    NB_JT_ERROR, /* err filled, sticky */
} nb_jtoken;

typedef struct nb_jpull {
    const char *at, *end, *start;
    const char *what; /* document name, borrowed */
    nb_str text;      /* decoded KEY or STRING, or the number's spelling; valid until next */
    uint8_t stack[64];
    int depth, state;
    nb_status status; /* NB_OK; after ERROR NB_FORMAT or NB_NOMEM */
    nb_err *err;
} nb_jpull;

/* bytes stay borrowed; err (may be NULL) is kept for later tokens. */
void nb_jpull_open(nb_jpull *p, const char *bytes, size_t n, const char *what, nb_err *err);
nb_jtoken nb_jpull_next(nb_jpull *p);
/* After a KEY or inside an array: skips one whole value. False on error. */
bool nb_jpull_skip(nb_jpull *p);
/* The last NUMBER as an exact unsigned integer ("1e3", "1.0", "-0" refused). */
bool nb_jpull_u64(const nb_jpull *p, uint64_t *out);
bool nb_jpull_double(const nb_jpull *p, double *out);
void nb_jpull_close(nb_jpull *p);
/* Closes and returns status, the outcome of the user's own reading; but NB_NOMEM, said in err, when
 * the reader itself had no memory: the user saw only a token that did not fit. */
nb_status nb_jpull_end(nb_jpull *p, nb_status status);

/* --- write ----------------------------------------------------------------------------------- */
/* Appends to a nb_str; commas and nesting are kept by the writer, output is one line. Strings that
 * are not UTF-8 get U+FFFD per bad byte, control bytes \u00XX. */
typedef struct nb_jout {
    nb_str *out;    /* borrowed */
    uint64_t comma; /* bit per depth */
    int depth;
    bool after_key;
} nb_jout;

nb_jout nb_jout_make(nb_str *out);
void nb_jout_object(nb_jout *w);
void nb_jout_object_end(nb_jout *w);
void nb_jout_array(nb_jout *w);
void nb_jout_array_end(nb_jout *w);
void nb_jout_key(nb_jout *w, const char *key);
void nb_jout_str(nb_jout *w, const char *s);
void nb_jout_strn(nb_jout *w, const char *s, size_t n);
void nb_jout_u64(nb_jout *w, uint64_t v);
void nb_jout_i64(nb_jout *w, int64_t v);
void nb_jout_double(nb_jout *w, double v); /* NaN, Inf: null */
void nb_jout_bool(nb_jout *w, bool v);
void nb_jout_null(nb_jout *w);

#endif
