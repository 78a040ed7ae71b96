/* Statements. Output goes to the stack of bytes, from where blocks that catch it take it off. */
#include "core/model/jinja_vm.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static uint32_t next_of(const nb_jvm *vm, uint32_t node)
{
    return vm->t->node[node].next;
}

static nb_status run_block(nb_jvm *vm, const nb_jnode *node)
{
    for (uint32_t at = node->first; at && vm->flow == NB_JFLOW_ON; at = next_of(vm, at))
        NB_TRY(nb_jvm_run(vm, at));
    return NB_OK;
}

static nb_status run_data(nb_jvm *vm, const nb_jnode *node)
{
    return nb_jvm_put(vm, node->v.at, node->v.len, false);
}

static nb_status run_print(nb_jvm *vm, const nb_jnode *node)
{
    nb_jv v;
    NB_TRY(nb_jvm_eval(vm, node->first, &v));
    return nb_jvm_put_value(vm, &v);
}

static nb_status run_do(nb_jvm *vm, const nb_jnode *node)
{
    nb_jv v;
    return nb_jvm_eval(vm, node->first, &v);
}

static nb_status run_if(nb_jvm *vm, const nb_jnode *node)
{
    nb_jv cond;
    for (uint32_t at = node->first; at; at = next_of(vm, at)) {
        uint32_t then = next_of(vm, at);
        if (!then) /* else */
            return nb_jvm_run(vm, at);
        NB_TRY(nb_jvm_eval(vm, at, &cond));
        if (nb_jv_truth(&cond))
            return nb_jvm_run(vm, then);
        at = then;
    }
    return NB_OK;
}

/* --- assignment ------------------------------------------------------------------------------ */

static nb_status assign(nb_jvm *vm, uint32_t target, const nb_jv *v);

static nb_status unpack(nb_jvm *vm, const nb_jnode *target, const nb_jv *v)
{
    nb_jv all;
    int64_t n, want = 0, i = 0;
    NB_TRY(nb_jv_each(vm, v, &all, &n));
    for (uint32_t at = target->first; at; at = next_of(vm, at))
        want++;
    if (n != want)
        return nb_jvm_fail(vm, NB_FORMAT, "%s values to unpack (expected %lld, got %lld)",
                           n < want ? "not enough" : "too many", (long long)want, (long long)n);
    for (uint32_t at = target->first; at; at = next_of(vm, at)) {
        nb_jv one = nb_jv_at(&all, i++);
        NB_TRY(assign(vm, at, &one));
    }
    return NB_OK;
}

static nb_status assign(nb_jvm *vm, uint32_t target, const nb_jv *v)
{
    const nb_jnode *t = &vm->t->node[target];
    if (t->kind == NB_JN_NAME)
        return nb_jvm_set(vm, t->sym, v);
    if (t->kind == NB_JN_TUPLE)
        return unpack(vm, t, v);
    const nb_jnode *name = &vm->t->node[t->first], *attr = &vm->t->node[name->next];
    nb_jv object = nb_jvm_name(vm, name->sym);
    if (object.kind != NB_JV_NAMESPACE)
        return nb_jvm_fail(vm, NB_FORMAT, "cannot assign attribute on non-namespace object");
    return nb_jdict_set(vm, object.dict, &attr->v, v);
}

static nb_status run_set(nb_jvm *vm, const nb_jnode *node)
{
    nb_jv v;
    NB_TRY(nb_jvm_eval(vm, next_of(vm, node->first), &v));
    return assign(vm, node->first, &v);
}

/* Runs a block in a scope of its own and takes what it put out. */
static nb_status catch_block(nb_jvm *vm, uint32_t block, nb_jv *out)
{
    size_t start = vm->n_out;
    nb_jscope *back = vm->scope;
    NB_TRY(nb_jvm_enter(vm, back));
    NB_TRY(nb_jvm_run(vm, block));
    nb_jvm_leave(vm, back);
    return nb_jvm_text(vm, start, out);
}

static nb_status run_capture(nb_jvm *vm, const nb_jnode *node)
{
    uint32_t filters = next_of(vm, node->first);
    nb_jv v;
    NB_TRY(catch_block(vm, next_of(vm, filters), &v));
    vm->caught = v;
    if (vm->t->node[filters].kind == NB_JN_PATH)
        NB_TRY(nb_jvm_eval(vm, filters, &v));
    return assign(vm, node->first, &v);
}

static nb_status run_filtered(nb_jvm *vm, const nb_jnode *node)
{
    nb_jv v;
    NB_TRY(catch_block(vm, next_of(vm, node->first), &v));
    vm->caught = v;
    NB_TRY(nb_jvm_eval(vm, node->first, &v));
    return nb_jvm_put_value(vm, &v);
}

/* Values are worked out before any of the names is known. */
static nb_status run_with(nb_jvm *vm, const nb_jnode *node)
{
    uint32_t from = vm->sp, at = node->first;
    nb_jscope *back = vm->scope;
    nb_jv v;
    for (; next_of(vm, at); at = next_of(vm, next_of(vm, at))) {
        NB_TRY(nb_jvm_eval(vm, next_of(vm, at), &v));
        NB_TRY(nb_jvm_push(vm, &v));
    }
    NB_TRY(nb_jvm_enter(vm, back));
    uint32_t i = from;
    for (at = node->first; next_of(vm, at); at = next_of(vm, next_of(vm, at)))
        NB_TRY(assign(vm, at, &vm->stack[i++]));
    vm->sp = from;
    NB_TRY(nb_jvm_run(vm, at));
    nb_jvm_leave(vm, back);
    return NB_OK;
}

/* --- loops ----------------------------------------------------------------------------------- */

static nb_status loop_near(const nb_jloop *l, int64_t i, const char *why, nb_jv *out)
{
    if (i < 0 || i >= l->n)
        *out = nb_jv_undefined(why, strlen(why));
    else
        *out = nb_jv_at(&l->over, i);
    return NB_OK;
}

nb_status nb_jvm_loop_attr(nb_jvm *vm, const nb_jloop *l, const nb_jv *name, nb_jv *out)
{
    int64_t i = l->index0;
    const struct {
        const char *name;
        nb_jv v;
    } plain[] = {{"index", nb_jv_int(i + 1)},       {"index0", nb_jv_int(i)},
                 {"revindex", nb_jv_int(l->n - i)}, {"revindex0", nb_jv_int(l->n - i - 1)},
                 {"first", nb_jv_bool(i == 0)},     {"last", nb_jv_bool(i + 1 == l->n)},
                 {"length", nb_jv_int(l->n)},       {"depth", nb_jv_int(l->depth0 + 1)},
                 {"depth0", nb_jv_int(l->depth0)}};
    NB_TRY(nb_jvm_step(vm, 1));
    *out = (nb_jv){.kind = NB_JV_ABSENT};
    for (size_t k = 0; k < countof(plain); k++)
        if (nb_jv_equals_text(name, plain[k].name))
            *out = plain[k].v;
    if (nb_jv_equals_text(name, "previtem"))
        return loop_near(l, i - 1, "there is no previous item", out);
    if (nb_jv_equals_text(name, "nextitem"))
        return loop_near(l, i + 1, "there is no next item", out);
    return NB_OK;
}

/* Elements for which the loop's own condition holds. */
static nb_status sift(nb_jvm *vm, const nb_jnode *loop, uint32_t cond, nb_jv *over, int64_t *n)
{
    nb_jscope *back = vm->scope;
    nb_jv kept, holds;
    NB_TRY(nb_jlist_make(vm, NB_JV_LIST, NULL, 0, &kept));
    for (int64_t i = 0; i < *n; i++) {
        nb_jv one = nb_jv_at(over, i);
        NB_TRY(nb_jvm_enter(vm, back));
        NB_TRY(assign(vm, loop->first, &one));
        NB_TRY(nb_jvm_eval(vm, cond, &holds));
        if (nb_jv_truth(&holds))
            NB_TRY(nb_jlist_add(vm, kept.list, &one));
        nb_jvm_leave(vm, back);
    }
    *over = kept;
    *n = kept.list->n;
    return NB_OK;
}

static nb_status turn(nb_jvm *vm, const nb_jnode *node, uint32_t body, nb_jloop *l)
{
    nb_jscope *back = vm->scope;
    nb_jv loop = {.kind = NB_JV_LOOP, .loop = l}, one = nb_jv_at(&l->over, l->index0);
    NB_TRY(nb_jvm_enter(vm, back));
    NB_TRY(nb_jvm_set(vm, NB_JSYM_LOOP, &loop));
    NB_TRY(assign(vm, node->first, &one));
    NB_TRY(nb_jvm_run(vm, body));
    nb_jvm_leave(vm, back);
    if (vm->flow == NB_JFLOW_CONTINUE)
        vm->flow = NB_JFLOW_ON;
    return NB_OK;
}

/* The turns of a loop over *over, which was not gone through before. */
static nb_status loop_over(nb_jvm *vm, const nb_jnode *node, nb_jloop *l, nb_jv *over)
{
    uint32_t cond = next_of(vm, next_of(vm, node->first)), body = next_of(vm, cond);
    int64_t n;
    NB_TRY(nb_jv_each(vm, over, over, &n));
    if (vm->t->node[cond].kind != NB_JN_NOTHING)
        NB_TRY(sift(vm, node, cond, over, &n));
    l->over = *over;
    l->n = n;
    for (; l->index0 < n && vm->flow == NB_JFLOW_ON; l->index0++)
        NB_TRY(turn(vm, node, body, l));
    vm->flow = NB_JFLOW_ON;
    uint32_t other = next_of(vm, body);
    return n == 0 && vm->t->node[other].kind == NB_JN_BLOCK ? nb_jvm_run(vm, other) : NB_OK;
}

static nb_status run_for(nb_jvm *vm, const nb_jnode *node)
{
    nb_jv over;
    nb_jloop *l = NULL;
    NB_TRY(nb_jvm_eval(vm, next_of(vm, node->first), &over));
    NB_TRY(nb_jvm_take(vm, 1, sizeof *l, &l));
    if (node->op) {
        l->node = (uint32_t)(node - vm->t->node);
        l->scope = vm->scope;
        nb_jvm_keep(vm->scope);
    }
    return loop_over(vm, node, l, &over);
}

/* loop(items) within a recursive loop: the same loop over other items, as text. */
nb_status nb_jvm_call_loop(nb_jvm *vm, const nb_jloop *l, const nb_jv *pos, size_t n,
                           const nb_jdict *named, nb_jv *out)
{
    nb_jloop *deeper = NULL;
    nb_jscope *back = vm->scope;
    size_t start = vm->n_out;
    const nb_jv *items = named ? nb_jdict_text(named, "iterable", 8) : NULL;
    if (!l->node)
        return nb_jvm_fail(vm, NB_FORMAT,
                           "The loop must have the 'recursive' marker to be called recursively.");
    if (n + (named ? named->n : 0) != 1 || (!n && !items))
        return nb_jvm_fail(vm, NB_FORMAT, "loop() takes what to go through, and nothing else");
    nb_jv over = n ? pos[0] : *items;
    NB_TRY(nb_jvm_step(vm, 1));
    NB_TRY(nb_jvm_deeper(vm));
    NB_TRY(nb_jvm_take(vm, 1, sizeof *deeper, &deeper));
    *deeper = (nb_jloop){.node = l->node, .depth0 = l->depth0 + 1, .scope = l->scope};
    vm->scope = l->scope;
    NB_TRY(loop_over(vm, &vm->t->node[l->node], deeper, &over));
    vm->scope = back;
    vm->depth--;
    return nb_jvm_text(vm, start, out);
}

static nb_status run_break(nb_jvm *vm, const nb_jnode *node)
{
    vm->flow = node->kind == NB_JN_BREAK ? NB_JFLOW_BREAK : NB_JFLOW_CONTINUE;
    return NB_OK;
}

/* --- macros ---------------------------------------------------------------------------------- */

static nb_status run_macro(nb_jvm *vm, const nb_jnode *node)
{
    nb_jv m;
    NB_TRY(nb_jvm_macro(vm, node, &m));
    return nb_jvm_set(vm, node->sym, &m);
}

static nb_status not_given(nb_jvm *vm, const nb_jnode *param, nb_jv *out)
{
    const nb_jv *name = &vm->t->sym[param->sym];
    char *why = NULL;
    size_t room = (size_t)name->len + 40;
    NB_TRY(nb_jvm_take(vm, room, 1, &why));
    int n = snprintf(why, room, "parameter '%.*s' was not provided", (int)name->len, name->at);
    *out = nb_jv_undefined(why, (size_t)n);
    return NB_OK;
}

/* Sets the parameters in the macro's scope; *body: the node behind them. */
static nb_status bind_params(nb_jvm *vm, const nb_jnode *macro, const nb_jv *pos, size_t n,
                             const nb_jdict *named, uint32_t *body, size_t *n_params)
{
    uint32_t at = macro->first;
    size_t i = 0;
    for (; vm->t->node[at].kind == NB_JN_PARAM; at = next_of(vm, at), i++) {
        const nb_jnode *p = &vm->t->node[at];
        const nb_jv *name = &vm->t->sym[p->sym];
        const nb_jv *given = named ? nb_jdict_text(named, name->at, name->len) : NULL;
        nb_jv v;
        if (i < n)
            v = pos[i];
        else if (given)
            v = *given;
        else if (p->first)
            NB_TRY(nb_jvm_eval(vm, p->first, &v));
        else
            NB_TRY(not_given(vm, p, &v));
        NB_TRY(nb_jvm_set(vm, p->sym, &v));
    }
    *body = at;
    *n_params = i;
    return NB_OK;
}

static bool is_param(const nb_jvm *vm, const nb_jnode *macro, const nb_jv *name)
{
    for (uint32_t at = macro->first; vm->t->node[at].kind == NB_JN_PARAM; at = next_of(vm, at)) {
        const nb_jv *sym = &vm->t->sym[vm->t->node[at].sym];
        if (sym->len == name->len && memcmp(sym->at, name->at, name->len) == 0)
            return true;
    }
    return false;
}

/* What no parameter takes: caller, kwargs, varargs, or an error. */
static nb_status bind_rest(nb_jvm *vm, const nb_jnode *macro, const nb_jv *pos, size_t n,
                           const nb_jdict *named)
{
    nb_jv caller = nb_jv_undefined("no caller defined", 17), rest, list;
    int shown = macro->v.len > 60 ? 60 : (int)macro->v.len;
    NB_TRY(nb_jdict_make(vm, NB_JV_DICT, &rest));
    for (uint32_t i = 0; named && i < named->n; i++) {
        const nb_jv *key = &named->key[i];
        if (is_param(vm, macro, key))
            continue;
        if (macro->op & NB_JMACRO_CALLER && nb_jv_equals_text(key, "caller"))
            caller = named->val[i];
        else if (macro->op & NB_JMACRO_KWARGS)
            NB_TRY(nb_jdict_set(vm, rest.dict, key, &named->val[i]));
        else
            return nb_jvm_fail(vm, NB_FORMAT, "macro '%.*s' takes no keyword argument '%.*s'",
                               shown, macro->v.at, key->len > 60 ? 60 : (int)key->len, key->at);
    }
    if (n && !(macro->op & NB_JMACRO_VARARGS))
        return nb_jvm_fail(vm, NB_FORMAT, "macro '%.*s' takes %zu arguments less", shown,
                           macro->v.at, n);
    if (macro->op & NB_JMACRO_CALLER)
        NB_TRY(nb_jvm_set(vm, NB_JSYM_CALLER, &caller));
    if (macro->op & NB_JMACRO_KWARGS)
        NB_TRY(nb_jvm_set(vm, NB_JSYM_KWARGS, &rest));
    if (!(macro->op & NB_JMACRO_VARARGS))
        return NB_OK;
    NB_TRY(nb_jlist_make(vm, NB_JV_TUPLE, pos, n, &list));
    return nb_jvm_set(vm, NB_JSYM_VARARGS, &list);
}

nb_status nb_jvm_call_macro(nb_jvm *vm, const nb_jmacro *m, const nb_jv *pos, size_t n,
                            const nb_jdict *named, nb_jv *out)
{
    const nb_jnode *macro = &vm->t->node[m->node];
    nb_jscope *back = vm->scope;
    size_t start = vm->n_out, n_params;
    uint32_t body;
    NB_TRY(nb_jvm_enter(vm, m->scope));
    NB_TRY(bind_params(vm, macro, pos, n, named, &body, &n_params));
    size_t extra = n > n_params ? n - n_params : 0;
    NB_TRY(bind_rest(vm, macro, extra ? pos + n_params : NULL, extra, named));
    NB_TRY(nb_jvm_run(vm, body));
    nb_jvm_leave(vm, back);
    return nb_jvm_text(vm, start, out);
}

nb_status nb_jvm_run(nb_jvm *vm, uint32_t node)
{
    static nb_status (*const run[])(nb_jvm * vm,
                                    const nb_jnode *node) = {[NB_JN_BLOCK] = run_block,
                                                             [NB_JN_DATA] = run_data,
                                                             [NB_JN_PRINT] = run_print,
                                                             [NB_JN_IF] = run_if,
                                                             [NB_JN_FOR] = run_for,
                                                             [NB_JN_SET] = run_set,
                                                             [NB_JN_CAPTURE] = run_capture,
                                                             [NB_JN_MACRO] = run_macro,
                                                             [NB_JN_WITH] = run_with,
                                                             [NB_JN_FILTERED] = run_filtered,
                                                             [NB_JN_BREAK] = run_break,
                                                             [NB_JN_CONTINUE] = run_break,
                                                             [NB_JN_DO] = run_do};
    const nb_jnode *n = &vm->t->node[node];
    NB_TRY(nb_jvm_step(vm, 1));
    NB_TRY(nb_jvm_deeper(vm));
    vm->line = n->line;
    assert(n->kind < countof(run) && run[n->kind]);
    NB_TRY(run[n->kind](vm, n));
    vm->depth--;
    return NB_OK;
}
