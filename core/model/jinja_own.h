/* Private to jinja*.c: values, the compiled template, and the state of one rendering.
 *
 *     jinja_lex.c    text -> tokens          jinja_value.c  values: truth, equality, lists, dicts
 *     jinja_parse.c  statements -> nodes     jinja_text.c   values -> text: str, repr, JSON
 *     jinja_expr.c   expressions -> nodes    jinja_op.c     operators
 *     jinja_run.c    statements              jinja_path.c   attributes, items, slices, calls
 *     jinja_eval.c   expressions             jinja_filter*.c, jinja_method.c, jinja_test.c,
 *     jinja.c        open, input, render     jinja_func.c   the closed lists
 *
 * Everything of a compilation or a rendering lies in one bounded arena and goes as a whole. Text
 * under construction lies on a stack of bytes (nb_jvm.out) that is also the output. */
#ifndef NIBBLE_JINJA_OWN_H
#define NIBBLE_JINJA_OWN_H

#include "core/model/jinja.h"

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

/* --- compiled template ----------------------------------------------------------------------- */
typedef enum nb_jnode_kind {
    /* statements */
    NB_JN_BLOCK,    /* statement... */
    NB_JN_DATA,     /* text */
    NB_JN_PRINT,    /* expr */
    NB_JN_IF,       /* (cond block)... [block] */
    NB_JN_FOR,      /* target iter filter|NOTHING block else|NOTHING */
    NB_JN_SET,      /* target expr */
    NB_JN_CAPTURE,  /* target filters|NOTHING block */
    NB_JN_MACRO,    /* sym; parameter... block; flags */
    NB_JN_FILTERED, /* filters block */
    NB_JN_WITH,     /* (target expr)... block */
    NB_JN_BREAK,
    NB_JN_CONTINUE,
    NB_JN_DO, /* expr */
    /* expressions */
    NB_JN_NOTHING,
    NB_JN_CONST, /* value */
    NB_JN_NAME,  /* sym */
    NB_JN_LIST,
    NB_JN_TUPLE,
    NB_JN_DICT, /* key value... */
    NB_JN_COND, /* cond then [else] */
    NB_JN_AND,
    NB_JN_OR,
    NB_JN_NOT,
    NB_JN_NEG,
    NB_JN_POS,
    NB_JN_CONCAT,  /* expr... */
    NB_JN_ARITH,   /* expr LINK... */
    NB_JN_COMPARE, /* expr LINK... */
    NB_JN_LINK,    /* op; expr */
    NB_JN_PATH,    /* expr (ATTR | ITEM | SLICE | CALL | FILTER | TEST)... */
    NB_JN_ATTR,    /* name */
    NB_JN_ITEM,    /* expr */
    NB_JN_SLICE,   /* expr|NOTHING three times */
    NB_JN_CALL,    /* argument... */
    NB_JN_FILTER,  /* name; argument... */
    NB_JN_TEST,    /* name; argument...; op 1 = negated */
    NB_JN_KEYWORD, /* name; expr */
    NB_JN_CAUGHT,  /* what a filter block or set block caught */
    NB_JN_PARAM,   /* sym; [default] */
} nb_jnode_kind;

typedef enum nb_jop {
    NB_JOP_ADD,
    NB_JOP_SUB,
    NB_JOP_MUL,
    NB_JOP_DIV,
    NB_JOP_FLOOR,
    NB_JOP_MOD,
    NB_JOP_POW,
    NB_JOP_EQ,
    NB_JOP_NE,
    NB_JOP_LT,
    NB_JOP_LE,
    NB_JOP_GT,
    NB_JOP_GE,
    NB_JOP_IN,
    NB_JOP_NOT_IN,
} nb_jop;

/* Names that every template's table begins with. */
enum { NB_JSYM_LOOP, NB_JSYM_CALLER, NB_JSYM_VARARGS, NB_JSYM_KWARGS };
enum { NB_JMACRO_VARARGS = 1, NB_JMACRO_KWARGS = 2, NB_JMACRO_CALLER = 4 };

typedef struct nb_jnode {
    uint8_t kind, op;
    uint32_t line;
    uint32_t first, next; /* node indexes; 0 = none */
    uint32_t sym;
    nb_jv v; /* constant, text, or name (a STR) */
} nb_jnode;

struct nb_jinja {
    nb_jmem mem;
    const char *name;
    char *text; /* text: as compiled, line ends \n */
    size_t len;
    nb_jnode *node; /* [n_node]; 0 is unused */
    uint32_t n_node, cap_node;
    uint32_t root;
    nb_jv *sym; /* [n_sym] names of variables */
    uint32_t n_sym, cap_sym;
    nb_jinja_limits limits;
};

/* --- one rendering --------------------------------------------------------------------------- */
typedef struct nb_jvar {
    uint32_t sym;
    nb_jv v;
} nb_jvar;

typedef struct nb_jscope nb_jscope;
struct nb_jscope {
    nb_jscope *up;
    nb_jvar *var; /* [cap] */
    uint32_t n, cap;
    bool kept; /* a macro was made in it: not used again */
};

struct nb_jmacro {
    uint32_t node;
    nb_jscope *scope; /* where it was made; NULL = the top */
};

struct nb_jloop {
    nb_jv over; /* what is gone through */
    int64_t index0, n;
    nb_jv changed; /* arguments of the last changed(); ABSENT = none yet */
};

typedef struct nb_jstretch { /* of out: from start on */
    uint32_t start;
    bool user;
} nb_jstretch;

typedef enum nb_jflow { NB_JFLOW_ON, NB_JFLOW_BREAK, NB_JFLOW_CONTINUE } nb_jflow;

enum { NB_JVM_STACK = 4096, NB_JVM_DEPTH = 700 }; /* values; nested calls of eval and run */

typedef struct nb_jvm {
    const nb_jinja *t;
    nb_jmem mem;
    const nb_jinja_clock *now; /* NULL = no clock */
    nb_err *err;
    uint32_t line, depth;
    uint64_t steps, check; /* check: when to look at the clock next */
    double deadline;       /* thread's seconds */
    nb_jv *global;         /* [n_sym] top-level variables; ABSENT = not set */
    nb_jscope *scope;      /* innermost; NULL = top */
    nb_jscope *spare;
    nb_jv *stack; /* [NB_JVM_STACK] arguments and elements under way */
    uint32_t sp;
    char *out; /* owned; [cap_out] */
    size_t n_out, cap_out;
    nb_jstretch *stretch; /* owned */
    uint32_t n_stretch;
    size_t cap_stretch;
    nb_jv caught;
    nb_jflow flow;
} nb_jvm;

/* Ends the rendering with "NAME line N: ...". */
nb_status nb_jvm_fail(nb_jvm *vm, nb_status status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), cold));
/* What an operation on something undefined says. */
nb_status nb_jvm_fail_undefined(nb_jvm *vm, const nb_jv *v);
#ifdef __clang_analyzer__ /* as nb_fail: it cannot see across files that the status comes back */
#define nb_jvm_fail(vm, status, ...) ((void)(nb_jvm_fail)((vm), (status), __VA_ARGS__), (status))
#define nb_jvm_fail_undefined(vm, v) ((void)(nb_jvm_fail_undefined)((vm), (v)), NB_FORMAT)
#endif
nb_status nb_jvm_step(nb_jvm *vm, uint64_t cost); /* counts; fails past a limit */
static inline nb_status nb_jvm_bulk(nb_jvm *vm, uint64_t bytes)
{
    return nb_jvm_step(vm, bytes / 64);
}
nb_status nb_jvm_take(nb_jvm *vm, uint64_t count, size_t size, void *out); /* *out: from arena */
nb_status nb_jvm_deeper(nb_jvm *vm); /* vm->depth-- comes back */
nb_status nb_jvm_push(nb_jvm *vm, const nb_jv *v);

/* Text under construction: start = vm->n_out; put...; nb_jvm_text(vm, start, &v) takes it off. */
nb_status nb_jvm_put(nb_jvm *vm, const char *at, size_t n, bool user);
nb_status nb_jvm_put_str(nb_jvm *vm, const nb_jv *s);
nb_status nb_jvm_text(nb_jvm *vm, size_t start, nb_jv *out);

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

/* jinja_op.c */
nb_status nb_jvm_arith(nb_jvm *vm, nb_jop op, const nb_jv *a, const nb_jv *b, nb_jv *out);
nb_status nb_jvm_compare(nb_jvm *vm, nb_jop op, const nb_jv *a, const nb_jv *b, bool *out);
nb_status nb_jvm_slice(nb_jvm *vm, const nb_jv *v, const nb_jv part[3], nb_jv *out);

/* jinja_format.c: "%s" % args and "{}".format(args) */
nb_status nb_jvm_percent(nb_jvm *vm, const nb_jv *format, const nb_jv *args, nb_jv *out);
nb_status nb_jvm_format(nb_jvm *vm, const nb_jv *format, const nb_jv *pos, size_t n,
                        const nb_jdict *named, nb_jv *out);

/* --- closed lists ---------------------------------------------------------------------------- */
enum { NB_JARGS = 8 };

/* What a filter, test, method or function is called with: arg[] bound by the row's parameters,
 * ABSENT where none was given. A row whose parameters are "*" takes pos and named as they are. */
typedef struct nb_jcall {
    nb_jv self; /* what is filtered, tested, or the method's object */
    nb_jv arg[NB_JARGS];
    const nb_jv *pos; /* [n] */
    size_t n;
    const nb_jdict *named; /* may be NULL */
} nb_jcall;

struct nb_jrow {
    const char *name;
    nb_status (*run)(nb_jvm *vm, nb_jcall *c, nb_jv *out);
    const char *params; /* "a,b,c"; "*" = any */
    uint8_t need;       /* of them */
    uint8_t kind;       /* of self that a method is for */
};

const nb_jrow *nb_jfilter_find(const nb_jv *name); /* NULL = none */
const nb_jrow *nb_jtest_find(const nb_jv *name);
const nb_jrow *nb_jfunc_find(const nb_jv *name);
const nb_jrow *nb_jmethod_find(const nb_jv *self, const nb_jv *name);
const nb_jrow *nb_jrow_find(const nb_jrow *rows, const nb_jv *name); /* rows end with name NULL */
extern const nb_jrow nb_jfilters_list[], nb_jmethods_str[];
/* Binds and runs a row. */
nb_status nb_jrow_run(nb_jvm *vm, const nb_jrow *row, const nb_jv *self, const nb_jv *pos, size_t n,
                      const nb_jdict *named, nb_jv *out);
/* An argument that must be a string; a whole number, or the fallback where absent or None. */
nb_status nb_jarg_str(nb_jvm *vm, const nb_jv *v);
nb_status nb_jarg_int(nb_jvm *vm, const nb_jv *v, int64_t fallback, int64_t *out);

/* jinja_method.c: what filters and methods of strings share */
typedef enum nb_jletters { NB_JUPPER, NB_JLOWER, NB_JCAPITALIZE, NB_JTITLE, NB_JWORDS } nb_jletters;
enum { NB_JLEFT = 1, NB_JRIGHT = 2 };
nb_status nb_jstr_case(nb_jvm *vm, const nb_jv *s, nb_jletters how, nb_jv *out);
/* chars ABSENT or None: white space */
nb_status nb_jstr_strip(nb_jvm *vm, const nb_jv *s, const nb_jv *chars, unsigned sides, nb_jv *out);
nb_status nb_jstr_replace(nb_jvm *vm, const nb_jv *s, const nb_jv *old, const nb_jv *by,
                          int64_t count, nb_jv *out);
nb_status nb_jstr_lines(nb_jvm *vm, const nb_jv *s, bool keep_ends, nb_jv *out);

/* jinja_eval.c, jinja_path.c, jinja_run.c */
nb_status nb_jvm_eval(nb_jvm *vm, uint32_t node, nb_jv *out);
nb_status nb_jvm_path(nb_jvm *vm, const nb_jnode *node, nb_jv *out);
nb_status nb_jvm_macro(nb_jvm *vm, const nb_jnode *node, nb_jv *out); /* as a value */
nb_status nb_jvm_run(nb_jvm *vm, uint32_t node);
nb_status nb_jvm_call(nb_jvm *vm, const nb_jv *what, const nb_jv *pos, size_t n,
                      const nb_jdict *named, nb_jv *out);
nb_status nb_jvm_call_macro(nb_jvm *vm, const nb_jmacro *m, const nb_jv *pos, size_t n,
                            const nb_jdict *named, nb_jv *out);
nb_status nb_jvm_attr(nb_jvm *vm, const nb_jv *v, const nb_jv *name, nb_jv *out);
nb_status nb_jvm_item(nb_jvm *vm, const nb_jv *v, const nb_jv *key, nb_jv *out);
nb_status nb_jvm_loop_attr(nb_jvm *vm, const nb_jloop *l, const nb_jv *name, nb_jv *out);
nb_jv nb_jvm_name(const nb_jvm *vm, uint32_t sym);
nb_status nb_jvm_set(nb_jvm *vm, uint32_t sym, const nb_jv *v);
nb_status nb_jvm_enter(nb_jvm *vm, nb_jscope *up);
void nb_jvm_leave(nb_jvm *vm, nb_jscope *back);

/* --- compiler -------------------------------------------------------------------------------- */
typedef enum nb_jtok_kind {
    NB_JTK_EOF, /* of the template */
    NB_JTK_DATA,
    NB_JTK_PRINT_BEGIN,
    NB_JTK_PRINT_END,
    NB_JTK_TAG_BEGIN,
    NB_JTK_TAG_END,
    NB_JTK_NAME,
    NB_JTK_STRING,
    NB_JTK_INTEGER,
    NB_JTK_FLOAT,
    NB_JTK_OP, /* v: its spelling */
} nb_jtok_kind;

typedef struct nb_jtok {
    nb_jtok_kind kind;
    uint32_t line;
    nb_jv v; /* spelling, decoded string, or number */
} nb_jtok;

typedef struct nb_jparser {
    nb_jinja *t;
    nb_err *err;
    const char *at, *end;
    uint32_t line;
    bool inside;       /* a tag or print */
    bool in_tag;       /* which of them */
    bool line_start;   /* at begins a line as far as lstrip_blocks cares */
    uint32_t brackets; /* open in the tag: its end is not looked for */
    nb_jtok tok, next; /* current and the one behind, where has_next */
    bool has_next;
    uint32_t depth, loops;
    uint8_t macro_flags; /* NB_JMACRO_* named since the innermost macro began */
    uint32_t *slot;      /* [n_slot] hash of symbols */
    uint32_t n_slot;
} nb_jparser;

nb_status nb_jp_fail(nb_jparser *p, nb_status status, uint32_t line, const char *fmt, ...)
    __attribute__((format(printf, 4, 5), cold));
#ifdef __clang_analyzer__
#define nb_jp_fail(p, status, line, ...)                                                           \
    ((void)(nb_jp_fail)((p), (status), (line), __VA_ARGS__), (status))
#define nb_jp_unexpected(p, wanted) ((void)(nb_jp_unexpected)((p), (wanted)), NB_FORMAT)
#endif
nb_status nb_jp_take(nb_jparser *p, uint64_t count, size_t size, void *out);
/* jinja_lex.c */
nb_status nb_jp_next(nb_jparser *p); /* p->tok becomes the next token */
nb_status nb_jp_peek(nb_jparser *p); /* p->next is filled */
/* jinja_node.c */
bool nb_jp_is(const nb_jparser *p, nb_jtok_kind kind, const char *spelling); /* current token */
nb_status nb_jp_expect(nb_jparser *p, nb_jtok_kind kind, const char *spelling);
nb_status(nb_jp_unexpected)(nb_jparser *p, const char *wanted);
nb_status nb_jp_enter(nb_jparser *p); /* p->depth-- leaves */
nb_status nb_jp_node(nb_jparser *p, nb_jnode_kind kind, uint32_t *out);
nb_status nb_jp_wrap(nb_jparser *p, nb_jnode_kind kind, uint32_t child, uint32_t *out);
/* Makes child the next of parent's children; *last: the one before, 0 at first. */
void nb_jp_add(nb_jparser *p, uint32_t parent, uint32_t *last, uint32_t child);
nb_status nb_jp_symbol(nb_jparser *p, const nb_jv *name, uint32_t *out);
/* jinja_expr.c */
nb_status nb_jp_expr(nb_jparser *p, bool with_cond, uint32_t *out);
nb_status nb_jp_tuple(nb_jparser *p, bool with_cond, uint32_t *out);   /* expr or bare tuple */
nb_status nb_jp_target(nb_jparser *p, bool attributes, uint32_t *out); /* of set and for */
nb_status nb_jp_filters(nb_jparser *p, bool bar, uint32_t *out); /* PATH of CAUGHT and FILTERs */
nb_status nb_jp_call_caller(nb_jparser *p, uint32_t path, uint32_t caller);
/* jinja_parse.c */
nb_status nb_jp_template(nb_jparser *p);

#endif
