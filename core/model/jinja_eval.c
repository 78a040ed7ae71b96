/* Expressions. The depth of calls is counted; locals of the recursive function are few. */
#include "core/model/jinja_vm.h"

#include <assert.h>
#include <stdio.h>

/* --- variables ------------------------------------------------------------------------------- */

nb_jv nb_jvm_name(const nb_jvm *vm, uint32_t sym)
{
    for (const nb_jscope *s = vm->scope; s; s = s->up)
        for (uint32_t i = 0; i < s->n; i++)
            if (s->var[i].sym == sym)
                return s->var[i].v;
    if (vm->global[sym].kind != NB_JV_ABSENT)
        return vm->global[sym];
    return (nb_jv){.kind = NB_JV_UNDEFINED, .at = NULL, .len = sym};
}

nb_status nb_jvm_set(nb_jvm *vm, uint32_t sym, const nb_jv *v)
{
    nb_jscope *s = vm->scope;
    if (!s) {
        vm->global[sym] = *v;
        return NB_OK;
    }
    NB_TRY(nb_jvm_step(vm, s->n / 8));
    for (uint32_t i = 0; i < s->n; i++)
        if (s->var[i].sym == sym) {
            s->var[i].v = *v;
            return NB_OK;
        }
    if (s->n == s->cap) {
        uint32_t cap = s->cap ? s->cap * 2 : 4;
        nb_jvar *var = NULL;
        NB_TRY(nb_jvm_take(vm, cap, sizeof *var, &var));
        for (uint32_t i = 0; i < s->n; i++)
            var[i] = s->var[i];
        s->var = var;
        s->cap = cap;
    }
    s->var[s->n++] = (nb_jvar){sym, *v};
    return NB_OK;
}

nb_status nb_jvm_enter(nb_jvm *vm, nb_jscope *up)
{
    nb_jscope *s = vm->spare;
    if (s)
        vm->spare = s->up;
    else
        NB_TRY(nb_jvm_take(vm, 1, sizeof *s, &s));
    s->n = 0;
    s->kept = false;
    s->up = up;
    vm->scope = s;
    return NB_OK;
}

void nb_jvm_leave(nb_jvm *vm, nb_jscope *back)
{
    nb_jscope *s = vm->scope;
    vm->scope = back;
    if (!s->kept) {
        s->up = vm->spare;
        vm->spare = s;
    }
}

void nb_jvm_keep(nb_jscope *s)
{
    for (; s && !s->kept; s = s->up)
        s->kept = true;
}

/* --- operators ------------------------------------------------------------------------------- */

/* a + b + c: text is put together on the stack of bytes and taken off once. */
static nb_status eval_arith(nb_jvm *vm, const nb_jnode *node, nb_jv *out)
{
    size_t start = vm->n_out;
    bool open = false; /* the value so far is text on the stack */
    NB_TRY(nb_jvm_eval(vm, node->first, out));
    for (uint32_t at = vm->t->node[node->first].next; at; at = vm->t->node[at].next) {
        const nb_jnode *link = &vm->t->node[at];
        nb_jv right;
        NB_TRY(nb_jvm_eval(vm, link->first, &right));
        bool text = link->op == NB_JOP_ADD && right.kind == NB_JV_STR;
        if (text && !open && out->kind == NB_JV_STR) {
            NB_TRY(nb_jvm_put_str(vm, out));
            open = true;
        }
        if (open && text) {
            NB_TRY(nb_jvm_put_str(vm, &right));
            continue;
        }
        if (open)
            NB_TRY(nb_jvm_text(vm, start, out));
        open = false;
        vm->line = link->line;
        NB_TRY(nb_jvm_arith(vm, (nb_jop)link->op, out, &right, out));
    }
    return open ? nb_jvm_text(vm, start, out) : NB_OK;
}

static nb_status eval_concat(nb_jvm *vm, const nb_jnode *node, nb_jv *out)
{
    size_t start = vm->n_out;
    for (uint32_t at = node->first; at; at = vm->t->node[at].next) {
        nb_jv part;
        NB_TRY(nb_jvm_eval(vm, at, &part));
        NB_TRY(nb_jvm_put_value(vm, &part));
    }
    return nb_jvm_text(vm, start, out);
}

static nb_status eval_compare(nb_jvm *vm, const nb_jnode *node, nb_jv *out)
{
    nb_jv left;
    bool holds = true;
    NB_TRY(nb_jvm_eval(vm, node->first, &left));
    for (uint32_t at = vm->t->node[node->first].next; at && holds; at = vm->t->node[at].next) {
        const nb_jnode *link = &vm->t->node[at];
        nb_jv right;
        NB_TRY(nb_jvm_eval(vm, link->first, &right));
        NB_TRY(nb_jvm_compare(vm, (nb_jop)link->op, &left, &right, &holds));
        left = right;
    }
    *out = nb_jv_bool(holds);
    return NB_OK;
}

/* and, or: the operand that decides. */
static nb_status eval_logic(nb_jvm *vm, const nb_jnode *node, nb_jv *out)
{
    for (uint32_t at = node->first; at; at = vm->t->node[at].next) {
        NB_TRY(nb_jvm_eval(vm, at, out));
        if (nb_jv_truth(out) == (node->kind == NB_JN_OR))
            break;
    }
    return NB_OK;
}

static nb_status eval_cond(nb_jvm *vm, const nb_jnode *node, nb_jv *out)
{
    static const char why[] = "the inline if has no else and its condition was false";
    nb_jv cond;
    NB_TRY(nb_jvm_eval(vm, node->first, &cond));
    uint32_t then = vm->t->node[node->first].next, other = vm->t->node[then].next;
    if (nb_jv_truth(&cond))
        return nb_jvm_eval(vm, then, out);
    if (other)
        return nb_jvm_eval(vm, other, out);
    *out = nb_jv_undefined(why, sizeof why - 1);
    return NB_OK;
}

static nb_status eval_sign(nb_jvm *vm, const nb_jnode *node, nb_jv *out)
{
    nb_jv zero = nb_jv_int(0), v;
    NB_TRY(nb_jvm_eval(vm, node->first, &v));
    if (v.kind == NB_JV_FLOAT) {
        *out = nb_jv_float(node->kind == NB_JN_NEG ? -v.f : v.f);
        return NB_OK;
    }
    if (v.kind != NB_JV_UNDEFINED && !nb_jv_is_num(&v))
        return nb_jvm_fail(vm, NB_FORMAT, "bad operand type for unary %c: '%s'",
                           node->kind == NB_JN_NEG ? '-' : '+', nb_jv_type(&v));
    return nb_jvm_arith(vm, node->kind == NB_JN_NEG ? NB_JOP_SUB : NB_JOP_ADD, &zero, &v, out);
}

static nb_status eval_not(nb_jvm *vm, const nb_jnode *node, nb_jv *out)
{
    NB_TRY(nb_jvm_eval(vm, node->first, out));
    *out = nb_jv_bool(!nb_jv_truth(out));
    return NB_OK;
}

/* --- displays -------------------------------------------------------------------------------- */

static nb_status eval_list(nb_jvm *vm, const nb_jnode *node, nb_jv *out)
{
    uint32_t from = vm->sp;
    for (uint32_t at = node->first; at; at = vm->t->node[at].next) {
        NB_TRY(nb_jvm_eval(vm, at, out));
        NB_TRY(nb_jvm_push(vm, out));
    }
    nb_jv_kind kind = node->kind == NB_JN_TUPLE ? NB_JV_TUPLE : NB_JV_LIST;
    NB_TRY(nb_jlist_make(vm, kind, vm->stack + from, vm->sp - from, out));
    vm->sp = from;
    return NB_OK;
}

static nb_status eval_dict(nb_jvm *vm, const nb_jnode *node, nb_jv *out)
{
    nb_jv d, key, val;
    NB_TRY(nb_jdict_make(vm, NB_JV_DICT, &d));
    for (uint32_t at = node->first; at; at = vm->t->node[at].next) {
        NB_TRY(nb_jvm_eval(vm, at, &key));
        at = vm->t->node[at].next;
        NB_TRY(nb_jvm_eval(vm, at, &val));
        NB_TRY(nb_jdict_set(vm, d.dict, &key, &val));
    }
    *out = d;
    return NB_OK;
}

static nb_status eval_const(nb_jvm *vm, const nb_jnode *node, nb_jv *out)
{
    (void)vm;
    *out = node->v;
    return NB_OK;
}

/* An undefined name keeps why it is so. */
static nb_status eval_name(nb_jvm *vm, const nb_jnode *node, nb_jv *out)
{
    char *why = NULL;
    const nb_jv *name = &vm->t->sym[node->sym];
    *out = nb_jvm_name(vm, node->sym);
    if (out->kind != NB_JV_UNDEFINED || out->at)
        return NB_OK;
    NB_TRY(nb_jvm_take(vm, (uint64_t)name->len + 24, 1, &why));
    int n = snprintf(why, (size_t)name->len + 24, "'%.*s' is undefined", (int)name->len, name->at);
    *out = nb_jv_undefined(why, (size_t)n);
    return NB_OK;
}

static nb_status eval_caught(nb_jvm *vm, const nb_jnode *node, nb_jv *out)
{
    (void)node;
    *out = vm->caught;
    return NB_OK;
}

static nb_status eval_nothing(nb_jvm *vm, const nb_jnode *node, nb_jv *out)
{
    (void)vm;
    (void)node;
    *out = (nb_jv){.kind = NB_JV_ABSENT};
    return NB_OK;
}

/* A macro as a value: the body of a call block. */
nb_status nb_jvm_macro(nb_jvm *vm, const nb_jnode *node, nb_jv *out)
{
    nb_jmacro *m = NULL;
    NB_TRY(nb_jvm_take(vm, 1, sizeof *m, &m));
    *m = (nb_jmacro){(uint32_t)(node - vm->t->node), vm->scope};
    nb_jvm_keep(vm->scope);
    *out = (nb_jv){.kind = NB_JV_MACRO, .macro = m};
    return NB_OK;
}

nb_status nb_jvm_eval(nb_jvm *vm, uint32_t node, nb_jv *out)
{
    static nb_status (*const eval[])(nb_jvm * vm, const nb_jnode *node, nb_jv *out) = {
        [NB_JN_CONST] = eval_const,   [NB_JN_NAME] = eval_name,       [NB_JN_LIST] = eval_list,
        [NB_JN_TUPLE] = eval_list,    [NB_JN_DICT] = eval_dict,       [NB_JN_COND] = eval_cond,
        [NB_JN_AND] = eval_logic,     [NB_JN_OR] = eval_logic,        [NB_JN_NOT] = eval_not,
        [NB_JN_NEG] = eval_sign,      [NB_JN_POS] = eval_sign,        [NB_JN_CONCAT] = eval_concat,
        [NB_JN_ARITH] = eval_arith,   [NB_JN_COMPARE] = eval_compare, [NB_JN_PATH] = nb_jvm_path,
        [NB_JN_CAUGHT] = eval_caught, [NB_JN_NOTHING] = eval_nothing, [NB_JN_MACRO] = nb_jvm_macro};
    const nb_jnode *n = &vm->t->node[node];
    NB_TRY(nb_jvm_step(vm, 1));
    NB_TRY(nb_jvm_deeper(vm));
    vm->line = n->line;
    assert(n->kind < countof(eval) && eval[n->kind]);
    NB_TRY(eval[n->kind](vm, n, out));
    vm->depth--;
    return NB_OK;
}
