/* Operators on values, with Python's rules. Whole numbers have 64 bits here: what does not fit is
 * an error, not another number. */
#include "core/model/jinja_vm.h"

#include <math.h>
#include <string.h>

static const char *const spelling[] = {
    [NB_JOP_ADD] = "+",    [NB_JOP_SUB] = "-", [NB_JOP_MUL] = "*", [NB_JOP_DIV] = "/",
    [NB_JOP_FLOOR] = "//", [NB_JOP_MOD] = "%", [NB_JOP_POW] = "**"};

static int64_t whole(const nb_jv *v)
{
    return v->kind == NB_JV_BOOL ? v->b : v->i;
}

static double real(const nb_jv *v)
{
    return v->kind == NB_JV_FLOAT ? v->f : (double)whole(v);
}

/* Floor division and the remainder with the divisor's sign. b is not 0, nor -1 on the smallest. */
static int64_t floor_div(int64_t a, int64_t b, int64_t *rest)
{
    int64_t q = a / b, r = a % b;
    if (r && (r < 0) != (b < 0)) {
        q--;
        r += b;
    }
    *rest = r;
    return q;
}

static bool int_pow(int64_t base, int64_t exp, int64_t *out)
{
    int64_t v = 1;
    for (; exp > 0; exp >>= 1) {
        if (exp & 1 && __builtin_mul_overflow(v, base, &v))
            return false;
        if (exp > 1 && __builtin_mul_overflow(base, base, &base))
            return false;
    }
    *out = v;
    return true;
}

static nb_status arith_int(nb_jvm *vm, nb_jop op, int64_t a, int64_t b, nb_jv *out)
{
    int64_t v = 0, rest = 0;
    bool fits = true;
    if (op == NB_JOP_ADD) {
        fits = !__builtin_add_overflow(a, b, &v);
    } else if (op == NB_JOP_SUB) {
        fits = !__builtin_sub_overflow(a, b, &v);
    } else if (op == NB_JOP_MUL) {
        fits = !__builtin_mul_overflow(a, b, &v);
    } else if (op == NB_JOP_POW) {
        fits = int_pow(a, b, &v);
    } else {
        fits = !(a == INT64_MIN && b == -1);
        if (fits)
            v = floor_div(a, b, &rest);
        if (op == NB_JOP_MOD)
            v = rest;
    }
    if (!fits)
        return nb_jvm_fail(vm, NB_FORMAT, "%lld %s %lld does not fit in 64 bits", (long long)a,
                           spelling[op], (long long)b);
    *out = nb_jv_int(v);
    return NB_OK;
}

static nb_status arith_float(nb_jvm *vm, nb_jop op, double a, double b, nb_jv *out)
{
    double v = 0, rest;
    if (op == NB_JOP_ADD) {
        v = a + b;
    } else if (op == NB_JOP_SUB) {
        v = a - b;
    } else if (op == NB_JOP_MUL) {
        v = a * b;
    } else if (op == NB_JOP_DIV) {
        v = a / b;
    } else if (op == NB_JOP_POW) {
        v = pow(a, b);
        if (!isfinite(v) && isfinite(a) && isfinite(b))
            return nb_jvm_fail(vm, NB_FORMAT, "a power is out of range");
    } else { /* as CPython's float_divmod */
        rest = fmod(a, b);
        double div = (a - rest) / b;
        if (rest != 0 && (b < 0) != (rest < 0)) {
            rest += b;
            div -= 1;
        } else if (rest == 0) {
            rest = copysign(0, b);
        }
        double down = floor(div);
        v = op == NB_JOP_MOD   ? rest
            : div == 0         ? copysign(0, a / b)
            : div - down > 0.5 ? down + 1
                               : down;
    }
    *out = nb_jv_float(v);
    return NB_OK;
}

static nb_status arith_num(nb_jvm *vm, nb_jop op, const nb_jv *a, const nb_jv *b, nb_jv *out)
{
    bool divides = op == NB_JOP_DIV || op == NB_JOP_FLOOR || op == NB_JOP_MOD;
    if (divides && real(b) == 0)
        return nb_jvm_fail(vm, NB_FORMAT, "division by zero");
    if (op == NB_JOP_POW && real(a) == 0 && real(b) < 0)
        return nb_jvm_fail(vm, NB_FORMAT, "0 cannot be raised to a negative power");
    bool ints = a->kind != NB_JV_FLOAT && b->kind != NB_JV_FLOAT;
    if (!ints || op == NB_JOP_DIV || (op == NB_JOP_POW && whole(b) < 0))
        return arith_float(vm, op, real(a), real(b), out);
    return arith_int(vm, op, whole(a), whole(b), out);
}

static nb_status join_lists(nb_jvm *vm, const nb_jv *a, const nb_jv *b, nb_jv *out)
{
    size_t n = (size_t)a->list->n + b->list->n;
    NB_TRY(nb_jlist_make(vm, (nb_jv_kind)a->kind, NULL, 0, out));
    NB_TRY(nb_jvm_take(vm, n, sizeof(nb_jv), &out->list->at));
    if (a->list->n)
        memcpy(out->list->at, a->list->at, a->list->n * sizeof(nb_jv));
    if (b->list->n)
        memcpy(out->list->at + a->list->n, b->list->at, b->list->n * sizeof(nb_jv));
    out->list->n = out->list->cap = (uint32_t)n;
    return NB_OK;
}

static nb_status repeat(nb_jvm *vm, const nb_jv *v, int64_t times, nb_jv *out)
{
    size_t start = vm->n_out;
    if (times < 0)
        times = 0;
    if (v->kind == NB_JV_STR) {
        for (int64_t i = 0; i < times && v->len; i++) {
            NB_TRY(nb_jvm_step(vm, 1));
            NB_TRY(nb_jvm_put_str(vm, v));
        }
        return nb_jvm_text(vm, start, out);
    }
    NB_TRY(nb_jlist_make(vm, (nb_jv_kind)v->kind, NULL, 0, out));
    for (int64_t i = 0; i < times && v->list->n; i++) {
        NB_TRY(nb_jvm_step(vm, 1));
        for (uint32_t k = 0; k < v->list->n; k++)
            NB_TRY(nb_jlist_add(vm, out->list, &v->list->at[k]));
    }
    return NB_OK;
}

static bool is_sequence(const nb_jv *v)
{
    return v->kind == NB_JV_STR || v->kind == NB_JV_LIST || v->kind == NB_JV_TUPLE;
}

static nb_status arith(nb_jvm *vm, nb_jop op, const nb_jv *a, const nb_jv *b, nb_jv *out)
{
    size_t start = vm->n_out;
    NB_TRY(nb_jvm_step(vm, 1));
    bool formats = op == NB_JOP_MOD && a->kind == NB_JV_STR; /* what is undefined shows as "" */
    if (a->kind == NB_JV_UNDEFINED || (b->kind == NB_JV_UNDEFINED && !formats))
        return nb_jvm_fail_undefined(vm, a->kind == NB_JV_UNDEFINED ? a : b);
    if (nb_jv_is_num(a) && nb_jv_is_num(b))
        return arith_num(vm, op, a, b, out);
    if (formats)
        return nb_jvm_percent(vm, a, b, out);
    if (op == NB_JOP_ADD && a->kind == NB_JV_STR && b->kind == NB_JV_STR) {
        NB_TRY(nb_jvm_put_str(vm, a));
        NB_TRY(nb_jvm_put_str(vm, b));
        return nb_jvm_text(vm, start, out);
    }
    if (op == NB_JOP_ADD && a->kind == b->kind && is_sequence(a))
        return join_lists(vm, a, b, out);
    bool a_times = b->kind == NB_JV_INT || b->kind == NB_JV_BOOL;
    bool b_times = a->kind == NB_JV_INT || a->kind == NB_JV_BOOL;
    if (op == NB_JOP_MUL && is_sequence(a) && a_times)
        return repeat(vm, a, whole(b), out);
    if (op == NB_JOP_MUL && is_sequence(b) && b_times)
        return repeat(vm, b, whole(a), out);
    return nb_jvm_fail(vm, NB_FORMAT, "unsupported operand types for %s: '%s' and '%s'",
                       spelling[op], nb_jv_type(a), nb_jv_type(b));
}

nb_status nb_jvm_arith(nb_jvm *vm, nb_jop op, const nb_jv *a, const nb_jv *b, nb_jv *out)
{
    nb_jv v; /* out may be a or b */
    NB_TRY(arith(vm, op, a, b, &v));
    *out = v;
    return NB_OK;
}

nb_status nb_jvm_compare(nb_jvm *vm, nb_jop op, const nb_jv *a, const nb_jv *b, bool *out)
{
    int c;
    if (op == NB_JOP_EQ || op == NB_JOP_NE) {
        NB_TRY(nb_jv_equal(vm, a, b, out));
        *out = *out == (op == NB_JOP_EQ);
        return NB_OK;
    }
    if (op == NB_JOP_IN || op == NB_JOP_NOT_IN) {
        NB_TRY(nb_jv_contains(vm, b, a, out));
        *out = *out == (op == NB_JOP_IN);
        return NB_OK;
    }
    NB_TRY(nb_jv_order(vm, a, b, &c));
    *out = (c == -1 && (op == NB_JOP_LT || op == NB_JOP_LE)) ||
           (c == 0 && (op == NB_JOP_LE || op == NB_JOP_GE)) ||
           (c == 1 && (op == NB_JOP_GT || op == NB_JOP_GE));
    return NB_OK;
}

/* --- slices ---------------------------------------------------------------------------------- */

/* Bounds as Python's slice.indices; ABSENT and None are defaults. */
static nb_status bounds(nb_jvm *vm, const nb_jv part[3], int64_t n, int64_t *from, int64_t *to,
                        int64_t *step)
{
    int64_t v[3];
    for (int i = 0; i < 3; i++) {
        bool open = part[i].kind == NB_JV_ABSENT || part[i].kind == NB_JV_NONE;
        v[i] = 0;
        if (!open && part[i].kind != NB_JV_INT && part[i].kind != NB_JV_BOOL)
            return nb_jvm_fail(vm, NB_FORMAT, "slice indices must be integers, not %s",
                               nb_jv_type(&part[i]));
        if (!open)
            v[i] = whole(&part[i]);
        if (i == 2)
            *step = open ? 1 : v[i];
    }
    if (*step == 0)
        return nb_jvm_fail(vm, NB_FORMAT, "slice step cannot be zero");
    int64_t low = *step < 0 ? -1 : 0, high = *step < 0 ? n - 1 : n;
    for (int i = 0; i < 2; i++) {
        if (v[i] < 0)
            v[i] = v[i] < -n ? low : v[i] + n;
        else if (v[i] > high)
            v[i] = high;
    }
    bool open_from = part[0].kind == NB_JV_ABSENT || part[0].kind == NB_JV_NONE;
    bool open_to = part[1].kind == NB_JV_ABSENT || part[1].kind == NB_JV_NONE;
    *from = open_from ? (*step < 0 ? high : low) : v[0];
    *to = open_to ? (*step < 0 ? low : high) : v[1];
    return NB_OK;
}

/* How many elements from, from + step, ... come before `to`. */
static int64_t slice_count(int64_t from, int64_t to, int64_t step)
{
    uint64_t width = step < 0 ? (uint64_t)(from - to) : (uint64_t)(to - from);
    uint64_t stride = step < 0 ? 0 - (uint64_t)step : (uint64_t)step;
    bool none = step < 0 ? from <= to : from >= to;
    return none ? 0 : (int64_t)((width - 1) / stride + 1);
}

static nb_status slice_str(nb_jvm *vm, const nb_jv *v, int64_t from, int64_t n, int64_t step,
                           nb_jv *out)
{
    nb_jv chars;
    if (step == 1) {
        size_t begin = nb_jchar_offset(v->at, v->len, (size_t)from);
        size_t len = nb_jchar_offset(v->at + begin, v->len - begin, (size_t)n);
        *out = nb_jv_part(*v, begin, len);
        return NB_OK;
    }
    size_t start = vm->n_out;
    NB_TRY(nb_jv_list(vm, v, &chars));
    for (int64_t i = 0; i < n; i++)
        NB_TRY(nb_jvm_put_str(vm, &chars.list->at[from + i * step]));
    return nb_jvm_text(vm, start, out);
}

nb_status nb_jvm_slice(nb_jvm *vm, const nb_jv *v, const nb_jv part[3], nb_jv *out)
{
    int64_t n, from = 0, to = 0, step = 1;
    if (v->kind == NB_JV_UNDEFINED)
        return nb_jvm_fail_undefined(vm, v);
    NB_TRY(nb_jv_count(vm, v, &n));
    if (n < 0 || v->kind == NB_JV_DICT) {
        *out = nb_jv_undefined("a slice of what has no order", 28);
        return NB_OK;
    }
    NB_TRY(bounds(vm, part, n, &from, &to, &step));
    n = slice_count(from, to, step);
    if (v->kind == NB_JV_STR) {
        NB_TRY(nb_jvm_bulk(vm, v->len));
        return slice_str(vm, v, n ? from : 0, n, step, out);
    }
    if (v->kind == NB_JV_RANGE) {
        nb_jrange *r = NULL;
        NB_TRY(nb_jvm_take(vm, 1, sizeof *r, &r));
        *r = (nb_jrange){v->range->start + from * v->range->step, v->range->step * step, n};
        *out = (nb_jv){.kind = NB_JV_RANGE, .range = r};
        return NB_OK;
    }
    NB_TRY(nb_jlist_make(vm, v->kind == NB_JV_TUPLE ? NB_JV_TUPLE : NB_JV_LIST, NULL, 0, out));
    NB_TRY(nb_jvm_take(vm, (uint64_t)n, sizeof(nb_jv), &out->list->at));
    out->list->cap = (uint32_t)n;
    for (int64_t i = 0; i < n; i++)
        out->list->at[out->list->n++] = nb_jv_at(v, from + i * step);
    return NB_OK;
}
