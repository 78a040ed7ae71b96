/* Private to jinja*.c: the state of one rendering, and what works on it.
 *
 *     jinja.c       open, limits, render    jinja_op.c          operators
 *     jinja_run.c   statements              jinja_format.c      % and format
 *     jinja_eval.c  expressions             jinja_filter*.c, jinja_method.c, jinja_func.c,
 *     jinja_path.c  what follows a value    jinja_clock.c, jinja_test.c: the closed lists
 *
 * Text under construction lies on a stack of bytes (nb_jvm.out) that is also the output. */
#ifndef NIBBLE_JINJA_VM_H
#define NIBBLE_JINJA_VM_H

#include "core/model/jinja_node.h"

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
    bool kept; /* a macro or recursive loop was made in it: not used again */
};

struct nb_jmacro {
    uint32_t node;
    nb_jscope *scope; /* where it was made; NULL = the top */
};

struct nb_jloop {
    nb_jv over; /* what is gone through */
    int64_t index0, n;
    nb_jv changed; /* arguments of the last changed(); ABSENT = none yet */
    uint32_t node; /* the FOR of a recursive loop, which can be called; 0 = of a plain one */
    int64_t depth0;
    nb_jscope *scope; /* where a recursive loop was written; NULL = the top */
};

typedef struct nb_jstretch { /* of out: from start on */
    uint32_t start;
    bool user;
} nb_jstretch;

typedef enum nb_jflow { NB_JFLOW_ON, NB_JFLOW_BREAK, NB_JFLOW_CONTINUE } nb_jflow;

enum { NB_JVM_STACK = 4096, NB_JVM_DEPTH = 700 }; /* values; nested calls of eval and run */

struct nb_jvm {
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
};

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
extern const nb_jrow nb_jfilters_list[], nb_jfilters_web[], nb_jmethods_str[];
nb_status nb_jlist_sort(nb_jvm *vm, nb_jv *list); /* *list becomes a sorted copy */
nb_status nb_jclock_strftime(nb_jvm *vm, nb_jcall *c, nb_jv *out);
nb_status nb_jwordwrap(nb_jvm *vm, nb_jcall *c, nb_jv *out); /* jinja_wrap.c */
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
nb_status nb_jvm_call_loop(nb_jvm *vm, const nb_jloop *l, const nb_jv *pos, size_t n,
                           const nb_jdict *named, nb_jv *out);
nb_status nb_jvm_call_macro(nb_jvm *vm, const nb_jmacro *m, const nb_jv *pos, size_t n,
                            const nb_jdict *named, nb_jv *out);
nb_status nb_jvm_attr(nb_jvm *vm, const nb_jv *v, const nb_jv *name, nb_jv *out);
nb_status nb_jvm_attr_alone(nb_jvm *vm, const nb_jv *v, const nb_jv *name,
                            nb_jv *out); /* no item */
nb_status nb_jvm_item(nb_jvm *vm, const nb_jv *v, const nb_jv *key, nb_jv *out);
nb_status nb_jvm_loop_attr(nb_jvm *vm, const nb_jloop *l, const nb_jv *name, nb_jv *out);
nb_jv nb_jvm_name(const nb_jvm *vm, uint32_t sym);
nb_status nb_jvm_set(nb_jvm *vm, uint32_t sym, const nb_jv *v);
nb_status nb_jvm_enter(nb_jvm *vm, nb_jscope *up);
void nb_jvm_leave(nb_jvm *vm, nb_jscope *back);
void nb_jvm_keep(nb_jscope *s); /* it and those above outlive their block */

#endif
