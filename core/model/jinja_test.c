/* Tests: what may stand behind "is". */
#include "core/model/jinja_vm.h"

#include <string.h>

static nb_status yes(nb_jv *out, bool holds)
{
    *out = nb_jv_bool(holds);
    return NB_OK;
}

static nb_status is_defined(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    (void)vm;
    return yes(out, c->self.kind != NB_JV_UNDEFINED);
}

static nb_status is_undefined(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    (void)vm;
    return yes(out, c->self.kind == NB_JV_UNDEFINED);
}

static nb_status is_none(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    (void)vm;
    return yes(out, c->self.kind == NB_JV_NONE);
}

static nb_status is_string(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    (void)vm;
    return yes(out, c->self.kind == NB_JV_STR);
}

static nb_status is_number(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    (void)vm;
    return yes(out, nb_jv_is_num(&c->self));
}

static nb_status is_integer(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    (void)vm;
    return yes(out, c->self.kind == NB_JV_INT);
}

static nb_status is_float(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    (void)vm;
    return yes(out, c->self.kind == NB_JV_FLOAT);
}

static nb_status is_boolean(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    (void)vm;
    return yes(out, c->self.kind == NB_JV_BOOL);
}

static nb_status is_true(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    (void)vm;
    return yes(out, c->self.kind == NB_JV_BOOL && c->self.b);
}

static nb_status is_false(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    (void)vm;
    return yes(out, c->self.kind == NB_JV_BOOL && !c->self.b);
}

static nb_status is_mapping(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    (void)vm;
    return yes(out, c->self.kind == NB_JV_DICT);
}

static bool goes_through(const nb_jv *v)
{
    return v->kind == NB_JV_STR || v->kind == NB_JV_LIST || v->kind == NB_JV_TUPLE ||
           v->kind == NB_JV_DICT || v->kind == NB_JV_RANGE || v->kind == NB_JV_UNDEFINED;
}

static nb_status is_iterable(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    (void)vm;
    return yes(out, goes_through(&c->self) || c->self.kind == NB_JV_LOOP);
}

static nb_status is_sequence(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    (void)vm;
    return yes(out, goes_through(&c->self));
}

static nb_status is_callable(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    const nb_jv *v = &c->self;
    (void)vm;
    return yes(out, v->kind == NB_JV_FUNC || v->kind == NB_JV_LOOP || v->kind == NB_JV_METHOD ||
                        v->kind == NB_JV_MACRO || v->kind == NB_JV_JOINER ||
                        v->kind == NB_JV_UNDEFINED);
}

static nb_status compared(nb_jvm *vm, nb_jcall *c, nb_jop op, nb_jv *out)
{
    bool holds;
    NB_TRY(nb_jvm_compare(vm, op, &c->self, &c->arg[0], &holds));
    return yes(out, holds);
}

static nb_status is_eq(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return compared(vm, c, NB_JOP_EQ, out);
}

static nb_status is_ne(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return compared(vm, c, NB_JOP_NE, out);
}

static nb_status is_lt(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return compared(vm, c, NB_JOP_LT, out);
}

static nb_status is_le(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return compared(vm, c, NB_JOP_LE, out);
}

static nb_status is_gt(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return compared(vm, c, NB_JOP_GT, out);
}

static nb_status is_ge(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return compared(vm, c, NB_JOP_GE, out);
}

static nb_status is_in(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return compared(vm, c, NB_JOP_IN, out);
}

/* One object: constants by value, the rest by place. */
static nb_status is_same(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    const nb_jv *a = &c->self, *b = &c->arg[0];
    bool object = a->kind >= NB_JV_LIST, same = a->kind == b->kind;
    if (same && object)
        same = a->at == b->at;
    else if (same)
        NB_TRY(nb_jv_equal(vm, a, b, &same));
    return yes(out, same);
}

static nb_status remainder_of(nb_jvm *vm, nb_jcall *c, int64_t by, bool odd, nb_jv *out)
{
    nb_jv rest, d = nb_jv_int(by);
    NB_TRY(nb_jvm_arith(vm, NB_JOP_MOD, &c->self, &d, &rest));
    bool zero = nb_jv_is_num(&rest) && !nb_jv_truth(&rest);
    if (odd) {
        nb_jv one = nb_jv_int(1);
        NB_TRY(nb_jv_equal(vm, &rest, &one, &zero));
    }
    return yes(out, zero);
}

static nb_status is_divisible(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    int64_t by;
    NB_TRY(nb_jarg_int(vm, &c->arg[0], 0, &by));
    return remainder_of(vm, c, by, false, out);
}

static nb_status is_odd(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return remainder_of(vm, c, 2, true, out);
}

static nb_status is_even(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return remainder_of(vm, c, 2, false, out);
}

static nb_status is_case(nb_jvm *vm, nb_jcall *c, const char *method, nb_jv *out)
{
    nb_jv text, name = nb_jv_text(method, strlen(method));
    NB_TRY(nb_jv_str(vm, &c->self, &text));
    return nb_jrow_run(vm, nb_jrow_find(nb_jmethods_str, &name), &text, NULL, 0, NULL, out);
}

static nb_status is_upper(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return is_case(vm, c, "isupper", out);
}

static nb_status is_lower(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return is_case(vm, c, "islower", out);
}

static nb_status is_filter(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    (void)vm;
    return yes(out, c->self.kind == NB_JV_STR && nb_jfilter_find(&c->self));
}

static nb_status is_test(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    (void)vm;
    return yes(out, c->self.kind == NB_JV_STR && nb_jtest_find(&c->self));
}

static nb_status is_escaped(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    (void)vm;
    (void)c;
    return yes(out, false);
}

static const nb_jrow tests[] = {
    {"defined", is_defined, "", 0, 0},   {"undefined", is_undefined, "", 0, 0},
    {"none", is_none, "", 0, 0},         {"string", is_string, "", 0, 0},
    {"number", is_number, "", 0, 0},     {"integer", is_integer, "", 0, 0},
    {"float", is_float, "", 0, 0},       {"boolean", is_boolean, "", 0, 0},
    {"true", is_true, "", 0, 0},         {"false", is_false, "", 0, 0},
    {"mapping", is_mapping, "", 0, 0},   {"iterable", is_iterable, "", 0, 0},
    {"sequence", is_sequence, "", 0, 0}, {"callable", is_callable, "", 0, 0},
    {"eq", is_eq, "other", 1, 0},        {"equalto", is_eq, "other", 1, 0},
    {"==", is_eq, "other", 1, 0},        {"ne", is_ne, "other", 1, 0},
    {"!=", is_ne, "other", 1, 0},        {"lt", is_lt, "other", 1, 0},
    {"lessthan", is_lt, "other", 1, 0},  {"<", is_lt, "other", 1, 0},
    {"le", is_le, "other", 1, 0},        {"<=", is_le, "other", 1, 0},
    {"gt", is_gt, "other", 1, 0},        {"greaterthan", is_gt, "other", 1, 0},
    {">", is_gt, "other", 1, 0},         {"ge", is_ge, "other", 1, 0},
    {">=", is_ge, "other", 1, 0},        {"in", is_in, "seq", 1, 0},
    {"sameas", is_same, "other", 1, 0},  {"divisibleby", is_divisible, "num", 1, 0},
    {"odd", is_odd, "", 0, 0},           {"even", is_even, "", 0, 0},
    {"upper", is_upper, "", 0, 0},       {"lower", is_lower, "", 0, 0},
    {"filter", is_filter, "", 0, 0},     {"test", is_test, "", 0, 0},
    {"escaped", is_escaped, "", 0, 0},   {0}};

const nb_jrow *nb_jtest_find(const nb_jv *name)
{
    return nb_jrow_find(tests, name);
}
