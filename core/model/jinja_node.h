/* Private to jinja*.c: the compiled template, and the compiler that makes it.
 *
 *     jinja_lex.c   text -> tokens      jinja_node.c   nodes, names, the current token
 *     jinja_expr.c  expressions         jinja_parse.c  statements */
#ifndef NIBBLE_JINJA_NODE_H
#define NIBBLE_JINJA_NODE_H

#include "core/model/jinja_value.h"

/* --- compiled template ----------------------------------------------------------------------- */
typedef enum nb_jnode_kind {
    /* statements */
    NB_JN_BLOCK,    /* statement... */
    NB_JN_DATA,     /* text */
    NB_JN_PRINT,    /* expr */
    NB_JN_IF,       /* (cond block)... [block] */
    NB_JN_FOR,      /* target iter filter|NOTHING block else|NOTHING; op 1 = recursive */
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
    NB_JN_SPREAD,  /* expr; op 0: *expr, 1: **expr */
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
