/* Private to jinja*.c: the arena that a template or a rendering lives in, and values.
 *
 *     jinja_value.c  truth, equality, order, lists, dicts      jinja_case.c  upper and lower case
 *     jinja_text.c   str, repr, characters                     jinja_json.c  JSON
 *     jinja_input.c  values given by the caller */
#ifndef NIBBLE_JINJA_VALUE_H
#define NIBBLE_JINJA_VALUE_H

#include "core/model/jinja.h"

typedef struct nb_jvm nb_jvm; /* jinja_vm.h */

/* --- arena ----------------------------------------------------------------------------------- */
typedef struct nb_jchunk nb_jchunk;
typedef struct nb_jmem {
    nb_jchunk *chunk; /* newest; owned */
    size_t at, room;  /* in it */
    size_t total;     /* bytes taken from malloc, and by out */
    size_t limit;
    bool dry; /* malloc failed; else the limit was met */
} nb_jmem;

void *nb_jmem_take(nb_jmem *m, uint64_t count, size_t size); /* zeroed; NULL: see dry */
bool nb_jmem_charge(nb_jmem *m, size_t n);                   /* for memory held elsewhere */
void nb_jmem_free(nb_jmem *m);

/* --- values ---------------------------------------------------------------------------------- */
typedef enum nb_jv_kind {
    NB_JV_ABSENT, /* an argument not given */
    NB_JV_UNDEFINED,
    NB_JV_NONE,
    NB_JV_BOOL,
    NB_JV_INT,
    NB_JV_FLOAT,
    NB_JV_STR,
    NB_JV_LIST,
    NB_JV_TUPLE,
    NB_JV_DICT,
    NB_JV_NAMESPACE,
    NB_JV_RANGE,
    NB_JV_LOOP,
    NB_JV_MACRO,
    NB_JV_FUNC,
    NB_JV_METHOD,
    NB_JV_CYCLER,
    NB_JV_JOINER,
    NB_JV_KINDS
} nb_jv_kind;

typedef struct nb_jv nb_jv;
typedef struct nb_jlist nb_jlist;
typedef struct nb_jdict nb_jdict;
typedef struct nb_jrange nb_jrange;
typedef struct nb_jloop nb_jloop;
typedef struct nb_jmacro nb_jmacro;
typedef struct nb_jmethod nb_jmethod;
typedef struct nb_jcycler nb_jcycler;
typedef struct nb_jrow nb_jrow;

/* A STR is len bytes at `at`. Whose they are: mark NULL = the template's, nb_jmark_user = a user's,
 * else one byte each, 1 = a user's. An UNDEFINED keeps in `at` why it is so. */
struct nb_jv {
    uint8_t kind;
    uint32_t len;
    union {
        bool b;
        int64_t i;
        double f;
        const char *at;
        nb_jlist *list; /* LIST, TUPLE */
        nb_jdict *dict; /* DICT, NAMESPACE */
        nb_jrange *range;
        nb_jloop *loop;
        nb_jmacro *macro;
        const nb_jrow *func;
        nb_jmethod *method;
        nb_jcycler *cycler; /* CYCLER, JOINER */
    };
    const uint8_t *mark;
};

extern const uint8_t nb_jmark_user[1];

struct nb_jlist {
    nb_jv *at; /* [cap] */
    uint32_t n, cap;
    bool given; /* by the caller: not to be changed */
};
struct nb_jdict { /* in order of insertion */
    nb_jv *key, *val;
    uint32_t n, cap;
    bool given;
};
struct nb_jrange {
    int64_t start, step, n;
};
struct nb_jmethod {
    const nb_jrow *row;
    nb_jv self;
};
struct nb_jcycler {
    nb_jlist items; /* a JOINER has one */
    uint32_t at;
};

static inline nb_jv nb_jv_none(void)
{
    return (nb_jv){.kind = NB_JV_NONE};
}
static inline nb_jv nb_jv_bool(bool b)
{
    return (nb_jv){.kind = NB_JV_BOOL, .b = b};
}
static inline nb_jv nb_jv_int(int64_t i)
{
    return (nb_jv){.kind = NB_JV_INT, .i = i};
}
static inline nb_jv nb_jv_float(double f)
{
    return (nb_jv){.kind = NB_JV_FLOAT, .f = f};
}
static inline nb_jv nb_jv_text(const char *at, size_t len) /* the template's */
{
    return (nb_jv){.kind = NB_JV_STR, .len = (uint32_t)len, .at = at};
}
static inline nb_jv nb_jv_undefined(const char *why, size_t len)
{
    return (nb_jv){.kind = NB_JV_UNDEFINED, .len = (uint32_t)len, .at = why};
}
/* n bytes of s from byte `from` on. */
static inline nb_jv nb_jv_part(nb_jv s, size_t from, size_t n)
{
    s.at += from;
    s.len = (uint32_t)n;
    if (s.mark && s.mark != nb_jmark_user)
        s.mark += from;
    return s;
}
static inline bool nb_jv_is(const nb_jv *v, nb_jv_kind kind)
{
    return v->kind == kind;
}
static inline bool nb_jv_is_num(const nb_jv *v) /* BOOL counts, as in Python */
{
    return v->kind == NB_JV_INT || v->kind == NB_JV_FLOAT || v->kind == NB_JV_BOOL;
}
bool nb_jv_equals_text(const nb_jv *v, const char *text);

/* --- what can be done with them --------------------------------------------------------------- */
/* jinja_input.c. in may be NULL: *vars NULL. */
nb_status nb_jinja_input_vars(const nb_jinja_input *in, const nb_jdict **vars, nb_err *err);
size_t nb_jinja_input_bytes(const nb_jinja_input *in);

/* jinja_value.c */
bool nb_jv_truth(const nb_jv *v);
const char *nb_jv_type(const nb_jv *v); /* "int", as Python names it */
nb_status nb_jv_equal(nb_jvm *vm, const nb_jv *a, const nb_jv *b, bool *out);
nb_status nb_jv_order(nb_jvm *vm, const nb_jv *a, const nb_jv *b, int *out);
nb_status nb_jv_contains(nb_jvm *vm, const nb_jv *in, const nb_jv *what, bool *out);
/* As Python's len and for: dicts give keys, strings characters; undefined is empty. *n is -1 for
 * what cannot be gone through. nb_jv_at: element i of a LIST, TUPLE, RANGE, or key i of a DICT. */
nb_status nb_jv_count(nb_jvm *vm, const nb_jv *v, int64_t *n);
nb_jv nb_jv_at(const nb_jv *v, int64_t i);
/* What nb_jv_at can go through: v itself, or for a string the list of its characters. */
nb_status nb_jv_each(nb_jvm *vm, const nb_jv *v, nb_jv *out, int64_t *n);
nb_status nb_jv_list(nb_jvm *vm, const nb_jv *v, nb_jv *out); /* a new LIST of the elements */
nb_status nb_jlist_make(nb_jvm *vm, nb_jv_kind kind, const nb_jv *at, size_t n, nb_jv *out);
nb_status nb_jlist_add(nb_jvm *vm, nb_jlist *l, const nb_jv *v);
nb_status nb_jdict_make(nb_jvm *vm, nb_jv_kind kind, nb_jv *out);
nb_status nb_jdict_find(nb_jvm *vm, const nb_jdict *d, const nb_jv *key, nb_jv **out);
const nb_jv *nb_jdict_text(const nb_jdict *d, const char *key, size_t n); /* NULL = no such key */
nb_status nb_jdict_set(nb_jvm *vm, nb_jdict *d, const nb_jv *key, const nb_jv *val);
nb_status nb_jdict_drop(nb_jvm *vm, nb_jdict *d, const nb_jv *key);

/* jinja_text.c */
size_t nb_jchar(const char *at, size_t n,
                uint32_t *cp); /* one character; a bad byte counts as one */
size_t nb_jchars(const char *at, size_t n);
size_t nb_jchar_offset(const char *at, size_t n, size_t chars); /* bytes of the first chars */
bool nb_jspace(uint32_t cp);                                    /* as str.isspace */
uint32_t nb_jcase(uint32_t cp, bool upper);
nb_status nb_jvm_put_value(nb_jvm *vm, const nb_jv *v); /* str(v) */
nb_status nb_jvm_put_repr(nb_jvm *vm, const nb_jv *v);
nb_status nb_jv_str(nb_jvm *vm, const nb_jv *v, nb_jv *out);
const char *nb_jfloat(char out[96], double v); /* repr of a float */

/* jinja_json.c */
typedef struct nb_jjson {
    nb_jv item, key; /* separators */
    nb_jv indent;    /* one level; ABSENT = one line */
    bool ascii, sorted;
} nb_jjson;
nb_status nb_jvm_put_json(nb_jvm *vm, const nb_jv *v, const nb_jjson *how);

#endif
