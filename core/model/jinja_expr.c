/* Expressions to nodes: Jinja's precedence (jinja2/parser.py @ 3.1.6), by climbing. What chains at
 * one level (a + b + c, a.b.c, a | b | c) becomes one node with many children, so that the depth of
 * nodes is the depth of brackets, which is counted. */
#include "core/model/jinja_node.h"

#include <string.h>

enum level { L_NONE, L_OR, L_AND, L_NOT, L_COMPARE, L_ADD, L_CONCAT, L_MUL, L_POW };

typedef struct op_row {
    char spelling[4];
    uint8_t level, op;
} op_row;

static const op_row symbols[] = {
    {"+", L_ADD, NB_JOP_ADD},     {"-", L_ADD, NB_JOP_SUB},    {"~", L_CONCAT, 0},
    {"*", L_MUL, NB_JOP_MUL},     {"/", L_MUL, NB_JOP_DIV},    {"//", L_MUL, NB_JOP_FLOOR},
    {"%", L_MUL, NB_JOP_MOD},     {"**", L_POW, NB_JOP_POW},   {"==", L_COMPARE, NB_JOP_EQ},
    {"!=", L_COMPARE, NB_JOP_NE}, {"<", L_COMPARE, NB_JOP_LT}, {"<=", L_COMPARE, NB_JOP_LE},
    {">", L_COMPARE, NB_JOP_GT},  {">=", L_COMPARE, NB_JOP_GE}};
static const op_row words[] = {{"or", L_OR, 0}, {"and", L_AND, 0}, {"in", L_COMPARE, NB_JOP_IN}};

static const nb_jnode_kind chain_kind[] = {
    [L_OR] = NB_JN_OR,     [L_AND] = NB_JN_AND,       [L_COMPARE] = NB_JN_COMPARE,
    [L_ADD] = NB_JN_ARITH, [L_CONCAT] = NB_JN_CONCAT, [L_MUL] = NB_JN_ARITH,
    [L_POW] = NB_JN_ARITH};

static bool is_op(const nb_jparser *p, const char *spelling)
{
    return nb_jp_is(p, NB_JTK_OP, spelling);
}

static nb_status name_token(nb_jparser *p, const char *wanted, nb_jv *out)
{
    if (p->tok.kind != NB_JTK_NAME)
        return nb_jp_unexpected(p, wanted);
    *out = p->tok.v;
    return nb_jp_next(p);
}

/* The name of a filter or test: it may have dots, as those that users of Jinja add. */
static nb_status dotted_name(nb_jparser *p, const char *wanted, nb_jv *out)
{
    nb_jv part = nb_jv_none();
    NB_TRY(name_token(p, wanted, out));
    while (is_op(p, ".")) {
        NB_TRY(nb_jp_next(p));
        NB_TRY(name_token(p, wanted, &part));
        *out = nb_jv_text(out->at, (size_t)(part.at + part.len - out->at));
    }
    return NB_OK;
}

/* --- arguments and suffixes ------------------------------------------------------------------ */

static nb_status argument(nb_jparser *p, uint32_t *out)
{
    uint32_t value;
    if (is_op(p, "*") || is_op(p, "**")) {
        bool named = is_op(p, "**");
        NB_TRY(nb_jp_next(p));
        NB_TRY(nb_jp_expr(p, true, &value));
        NB_TRY(nb_jp_wrap(p, NB_JN_SPREAD, value, out));
        p->t->node[*out].op = named;
        return NB_OK;
    }
    if (p->tok.kind == NB_JTK_NAME) {
        NB_TRY(nb_jp_peek(p));
        if (p->next.kind == NB_JTK_OP && nb_jv_equals_text(&p->next.v, "=")) {
            nb_jv name = p->tok.v;
            NB_TRY(nb_jp_next(p));
            NB_TRY(nb_jp_next(p));
            NB_TRY(nb_jp_expr(p, true, &value));
            NB_TRY(nb_jp_wrap(p, NB_JN_KEYWORD, value, out));
            p->t->node[*out].v = name;
            return NB_OK;
        }
    }
    return nb_jp_expr(p, true, out);
}

/* Positional ones first, at most one *expr behind them, **expr last (jinja2/parser.py,
 * parse_call_args). *latest: rank of the last argument, 0 at first. */
static nb_status in_order(nb_jparser *p, const nb_jnode *arg, int *latest)
{
    enum { NAMED = 1, SPREAD };
    int rank = arg->kind == NB_JN_SPREAD ? SPREAD + arg->op : arg->kind == NB_JN_KEYWORD;
    bool after_spread = rank == NAMED && *latest == SPREAD; /* f(*a, b=1) */
    if (!after_spread && (rank < *latest || (rank >= SPREAD && rank == *latest)))
        return nb_jp_fail(p, NB_FORMAT, arg->line, "invalid syntax for function call expression");
    if (!after_spread)
        *latest = rank;
    return NB_OK;
}

/* ( ... ) as further children of `to`. */
static nb_status arguments(nb_jparser *p, uint32_t to)
{
    uint32_t last = 0, arg;
    int latest = 0;
    NB_TRY(nb_jp_expect(p, NB_JTK_OP, "("));
    while (!is_op(p, ")")) {
        if (last)
            NB_TRY(nb_jp_expect(p, NB_JTK_OP, ","));
        if (is_op(p, ")"))
            break;
        NB_TRY(argument(p, &arg));
        NB_TRY(in_order(p, &p->t->node[arg], &latest));
        nb_jp_add(p, to, &last, arg);
    }
    return nb_jp_next(p);
}

static nb_status slice_part(nb_jparser *p, uint32_t *out)
{
    if (is_op(p, ":") || is_op(p, "]"))
        return nb_jp_node(p, NB_JN_NOTHING, out);
    return nb_jp_expr(p, true, out);
}

/* [key] or [from:to:step] */
static nb_status subscript(nb_jparser *p, uint32_t *out)
{
    uint32_t part[3], last = 0;
    NB_TRY(nb_jp_next(p));
    NB_TRY(slice_part(p, &part[0]));
    if (is_op(p, "]") && p->t->node[part[0]].kind != NB_JN_NOTHING) {
        NB_TRY(nb_jp_wrap(p, NB_JN_ITEM, part[0], out));
        return nb_jp_next(p);
    }
    NB_TRY(nb_jp_expect(p, NB_JTK_OP, ":"));
    NB_TRY(slice_part(p, &part[1]));
    if (is_op(p, ":"))
        NB_TRY(nb_jp_next(p));
    else if (!is_op(p, "]"))
        return nb_jp_unexpected(p, "]");
    NB_TRY(slice_part(p, &part[2]));
    NB_TRY(nb_jp_node(p, NB_JN_SLICE, out));
    for (int i = 0; i < 3; i++)
        nb_jp_add(p, *out, &last, part[i]);
    return nb_jp_expect(p, NB_JTK_OP, "]");
}

static nb_status dotted(nb_jparser *p, uint32_t *out)
{
    NB_TRY(nb_jp_next(p));
    if (p->tok.kind == NB_JTK_INTEGER) {
        uint32_t index;
        NB_TRY(nb_jp_node(p, NB_JN_CONST, &index));
        p->t->node[index].v = p->tok.v;
        NB_TRY(nb_jp_wrap(p, NB_JN_ITEM, index, out));
        return nb_jp_next(p);
    }
    NB_TRY(nb_jp_node(p, NB_JN_ATTR, out));
    nb_jv name;
    NB_TRY(name_token(p, "a name", &name));
    p->t->node[*out].v = name;
    return NB_OK;
}

static nb_status filter(nb_jparser *p, uint32_t *out)
{
    nb_jv name;
    NB_TRY(nb_jp_node(p, NB_JN_FILTER, out));
    NB_TRY(dotted_name(p, "the name of a filter", &name));
    p->t->node[*out].v = name;
    return is_op(p, "(") ? arguments(p, *out) : NB_OK;
}

static bool bare_argument(const nb_jparser *p)
{
    static const char *const not_args[] = {"else", "or", "and", "is", "if", "in", "not"};
    if (p->tok.kind == NB_JTK_NAME) {
        for (size_t i = 0; i < countof(not_args); i++)
            if (nb_jv_equals_text(&p->tok.v, not_args[i]))
                return false;
        return true;
    }
    return p->tok.kind == NB_JTK_STRING || p->tok.kind == NB_JTK_INTEGER ||
           p->tok.kind == NB_JTK_FLOAT || is_op(p, "[") || is_op(p, "{");
}

static nb_status primary(nb_jparser *p, uint32_t *out);
static nb_status suffixes(nb_jparser *p, bool filters, uint32_t *base);

static nb_status test(nb_jparser *p, uint32_t *out)
{
    uint32_t last = 0, arg;
    nb_jv name;
    NB_TRY(nb_jp_next(p));
    NB_TRY(nb_jp_node(p, NB_JN_TEST, out));
    if (nb_jp_is(p, NB_JTK_NAME, "not")) {
        p->t->node[*out].op = 1;
        NB_TRY(nb_jp_next(p));
    }
    NB_TRY(dotted_name(p, "the name of a test", &name));
    p->t->node[*out].v = name;
    if (is_op(p, "("))
        return arguments(p, *out);
    if (!bare_argument(p))
        return NB_OK;
    NB_TRY(primary(p, &arg));
    NB_TRY(suffixes(p, false, &arg));
    nb_jp_add(p, *out, &last, arg);
    return NB_OK;
}

/* What follows *base and belongs to it: then *base becomes a PATH. */
static nb_status suffixes(nb_jparser *p, bool filters, uint32_t *base)
{
    uint32_t path = 0, last = 0, suffix;
    for (bool late = false;;) {
        bool postfix = !late && (is_op(p, ".") || is_op(p, "["));
        bool bar = filters && is_op(p, "|"), is = filters && nb_jp_is(p, NB_JTK_NAME, "is");
        if (!postfix && !bar && !is && !is_op(p, "("))
            break;
        if (!path) {
            NB_TRY(nb_jp_wrap(p, NB_JN_PATH, *base, &path));
            last = *base;
            *base = path;
        }
        if (is_op(p, ".")) {
            NB_TRY(dotted(p, &suffix));
        } else if (is_op(p, "[")) {
            NB_TRY(subscript(p, &suffix));
        } else if (bar) {
            NB_TRY(nb_jp_next(p));
            NB_TRY(filter(p, &suffix));
        } else if (is) {
            NB_TRY(test(p, &suffix));
        } else {
            NB_TRY(nb_jp_node(p, NB_JN_CALL, &suffix));
            NB_TRY(arguments(p, suffix));
        }
        late = late || bar || is;
        nb_jp_add(p, path, &last, suffix);
    }
    return NB_OK;
}

/* --- operands -------------------------------------------------------------------------------- */

static nb_status constant(nb_jparser *p, nb_jv v, uint32_t *out)
{
    NB_TRY(nb_jp_node(p, NB_JN_CONST, out));
    p->t->node[*out].v = v;
    return nb_jp_next(p);
}

/* Strings side by side are one, as in Python. */
static nb_status string(nb_jparser *p, uint32_t *out)
{
    nb_jv whole = p->tok.v;
    NB_TRY(nb_jp_node(p, NB_JN_CONST, out));
    NB_TRY(nb_jp_next(p));
    while (p->tok.kind == NB_JTK_STRING) {
        char *text = NULL;
        NB_TRY(nb_jp_take(p, (uint64_t)whole.len + p->tok.v.len + 1, 1, &text));
        memcpy(text, whole.at, whole.len);
        memcpy(text + whole.len, p->tok.v.at, p->tok.v.len);
        whole = nb_jv_text(text, (size_t)whole.len + p->tok.v.len);
        NB_TRY(nb_jp_next(p));
    }
    p->t->node[*out].v = whole;
    return NB_OK;
}

static nb_status named(nb_jparser *p, uint32_t *out)
{
    static const struct {
        char word[6];
        nb_jv v;
    } constants[] = {{"true", {.kind = NB_JV_BOOL, .b = true}},
                     {"True", {.kind = NB_JV_BOOL, .b = true}},
                     {"false", {.kind = NB_JV_BOOL}},
                     {"False", {.kind = NB_JV_BOOL}},
                     {"none", {.kind = NB_JV_NONE}},
                     {"None", {.kind = NB_JV_NONE}}};
    static const char *const reserved[] = {"and", "or", "not", "in", "is", "if", "else"};
    static const char *const in_macro[] = {"varargs", "kwargs", "caller"};
    for (size_t i = 0; i < countof(constants); i++)
        if (nb_jv_equals_text(&p->tok.v, constants[i].word))
            return constant(p, constants[i].v, out);
    for (size_t i = 0; i < countof(reserved); i++)
        if (nb_jv_equals_text(&p->tok.v, reserved[i]))
            return nb_jp_unexpected(p, "a value");
    for (size_t i = 0; i < countof(in_macro); i++)
        if (nb_jv_equals_text(&p->tok.v, in_macro[i]))
            p->macro_flags |= (uint8_t)(1u << i);
    uint32_t sym;
    NB_TRY(nb_jp_node(p, NB_JN_NAME, out));
    NB_TRY(nb_jp_symbol(p, &p->tok.v, &sym));
    p->t->node[*out].sym = sym;
    return nb_jp_next(p);
}

/* [a, b] and {k: v} */
static nb_status display(nb_jparser *p, bool dict, uint32_t *out)
{
    const char *close = dict ? "}" : "]";
    uint32_t last = 0, item;
    NB_TRY(nb_jp_node(p, dict ? NB_JN_DICT : NB_JN_LIST, out));
    NB_TRY(nb_jp_next(p));
    while (!is_op(p, close)) {
        if (last)
            NB_TRY(nb_jp_expect(p, NB_JTK_OP, ","));
        if (is_op(p, close))
            break;
        NB_TRY(nb_jp_expr(p, true, &item));
        nb_jp_add(p, *out, &last, item);
        if (!dict)
            continue;
        NB_TRY(nb_jp_expect(p, NB_JTK_OP, ":"));
        NB_TRY(nb_jp_expr(p, true, &item));
        nb_jp_add(p, *out, &last, item);
    }
    return nb_jp_next(p);
}

static nb_status primary(nb_jparser *p, uint32_t *out)
{
    if (p->tok.kind == NB_JTK_NAME)
        return named(p, out);
    if (p->tok.kind == NB_JTK_STRING)
        return string(p, out);
    if (p->tok.kind == NB_JTK_INTEGER || p->tok.kind == NB_JTK_FLOAT)
        return constant(p, p->tok.v, out);
    if (is_op(p, "[") || is_op(p, "{"))
        return display(p, is_op(p, "{"), out);
    if (!is_op(p, "("))
        return nb_jp_unexpected(p, "a value");
    NB_TRY(nb_jp_next(p));
    if (is_op(p, ")"))
        NB_TRY(nb_jp_node(p, NB_JN_TUPLE, out));
    else
        NB_TRY(nb_jp_tuple(p, true, out));
    return nb_jp_expect(p, NB_JTK_OP, ")");
}

static nb_status unary(nb_jparser *p, bool filters, uint32_t *out)
{
    if (!is_op(p, "-") && !is_op(p, "+")) {
        NB_TRY(primary(p, out));
        return suffixes(p, filters, out);
    }
    bool minus = is_op(p, "-");
    uint32_t inner;
    NB_TRY(nb_jp_enter(p));
    NB_TRY(nb_jp_next(p));
    NB_TRY(unary(p, false, &inner));
    p->depth--;
    NB_TRY(nb_jp_wrap(p, minus ? NB_JN_NEG : NB_JN_POS, inner, out));
    return suffixes(p, filters, out);
}

/* --- operators ------------------------------------------------------------------------------- */

/* The row of the current token as an operator; "not in" looks one token ahead. */
static nb_status operator_here(nb_jparser *p, op_row *out)
{
    static const op_row not_in = {"in", L_COMPARE, NB_JOP_NOT_IN};
    const op_row *rows = p->tok.kind == NB_JTK_OP ? symbols : words;
    size_t n = p->tok.kind == NB_JTK_OP ? countof(symbols) : countof(words);
    *out = (op_row){"", L_NONE, 0};
    if (p->tok.kind != NB_JTK_OP && p->tok.kind != NB_JTK_NAME)
        return NB_OK;
    for (size_t i = 0; i < n; i++)
        if (nb_jv_equals_text(&p->tok.v, rows[i].spelling))
            *out = rows[i];
    if (!nb_jp_is(p, NB_JTK_NAME, "not"))
        return NB_OK;
    NB_TRY(nb_jp_peek(p));
    if (p->next.kind == NB_JTK_NAME && nb_jv_equals_text(&p->next.v, "in"))
        *out = not_in;
    return NB_OK;
}

static nb_status binary(nb_jparser *p, unsigned least, uint32_t *out);

/* All that follows *out at this level. */
static nb_status chain(nb_jparser *p, op_row op, uint32_t *out)
{
    uint32_t last = 0, node, item;
    unsigned level = op.level;
    bool links = chain_kind[level] == NB_JN_ARITH || chain_kind[level] == NB_JN_COMPARE;
    NB_TRY(nb_jp_node(p, chain_kind[level], &node));
    nb_jp_add(p, node, &last, *out);
    while (op.level == level) {
        if (op.op == NB_JOP_NOT_IN)
            NB_TRY(nb_jp_next(p));
        NB_TRY(nb_jp_next(p));
        NB_TRY(binary(p, level + 1, &item));
        if (links) {
            NB_TRY(nb_jp_wrap(p, NB_JN_LINK, item, &item));
            p->t->node[item].op = op.op;
        }
        nb_jp_add(p, node, &last, item);
        NB_TRY(operator_here(p, &op));
    }
    *out = node;
    return NB_OK;
}

/* Operators of level `least` and above. */
static nb_status binary(nb_jparser *p, unsigned least, uint32_t *out)
{
    op_row op;
    if (least <= L_NOT && nb_jp_is(p, NB_JTK_NAME, "not")) {
        uint32_t inner;
        NB_TRY(nb_jp_enter(p));
        NB_TRY(nb_jp_next(p));
        NB_TRY(binary(p, L_NOT, &inner));
        p->depth--;
        NB_TRY(nb_jp_wrap(p, NB_JN_NOT, inner, out));
    } else {
        NB_TRY(unary(p, true, out));
    }
    NB_TRY(operator_here(p, &op));
    while (op.level && op.level >= least) {
        NB_TRY(chain(p, op, out));
        NB_TRY(operator_here(p, &op));
    }
    return NB_OK;
}

nb_status nb_jp_expr(nb_jparser *p, bool with_cond, uint32_t *out)
{
    uint32_t depth = p->depth;
    NB_TRY(nb_jp_enter(p));
    NB_TRY(binary(p, L_OR, out));
    while (with_cond && nb_jp_is(p, NB_JTK_NAME, "if")) {
        uint32_t cond, other, node, last = 0;
        NB_TRY(nb_jp_enter(p)); /* what was read so far goes inside of this one */
        NB_TRY(nb_jp_next(p));
        NB_TRY(binary(p, L_OR, &cond));
        NB_TRY(nb_jp_node(p, NB_JN_COND, &node));
        nb_jp_add(p, node, &last, cond);
        nb_jp_add(p, node, &last, *out);
        *out = node;
        if (!nb_jp_is(p, NB_JTK_NAME, "else"))
            continue;
        NB_TRY(nb_jp_next(p));
        NB_TRY(nb_jp_expr(p, true, &other));
        nb_jp_add(p, node, &last, other);
    }
    p->depth = depth;
    return NB_OK;
}

static bool tuple_ends(const nb_jparser *p)
{
    return p->tok.kind == NB_JTK_TAG_END || p->tok.kind == NB_JTK_PRINT_END || is_op(p, ")") ||
           nb_jp_is(p, NB_JTK_NAME, "in") || nb_jp_is(p, NB_JTK_NAME, "recursive");
}

nb_status nb_jp_tuple(nb_jparser *p, bool with_cond, uint32_t *out)
{
    uint32_t node, last = 0, item;
    NB_TRY(nb_jp_expr(p, with_cond, out));
    if (!is_op(p, ","))
        return NB_OK;
    NB_TRY(nb_jp_node(p, NB_JN_TUPLE, &node));
    nb_jp_add(p, node, &last, *out);
    *out = node;
    while (is_op(p, ",")) {
        NB_TRY(nb_jp_next(p));
        if (tuple_ends(p))
            break;
        NB_TRY(nb_jp_expr(p, with_cond, &item));
        nb_jp_add(p, node, &last, item);
    }
    return NB_OK;
}

/* --- pieces of statements -------------------------------------------------------------------- */

static nb_status target_one(nb_jparser *p, bool attributes, uint32_t *out)
{
    if (is_op(p, "(")) {
        NB_TRY(nb_jp_enter(p));
        NB_TRY(nb_jp_next(p));
        NB_TRY(nb_jp_target(p, attributes, out));
        p->depth--;
        return nb_jp_expect(p, NB_JTK_OP, ")");
    }
    if (p->tok.kind != NB_JTK_NAME)
        return nb_jp_unexpected(p, "a name");
    NB_TRY(named(p, out));
    if (p->t->node[*out].kind != NB_JN_NAME)
        return nb_jp_fail(p, NB_FORMAT, p->tok.line, "cannot assign to a constant");
    if (!attributes || !is_op(p, "."))
        return NB_OK;
    uint32_t path, last = *out, attr;
    NB_TRY(nb_jp_wrap(p, NB_JN_PATH, *out, &path));
    NB_TRY(dotted(p, &attr));
    nb_jp_add(p, path, &last, attr);
    *out = path;
    return NB_OK;
}

nb_status nb_jp_target(nb_jparser *p, bool attributes, uint32_t *out)
{
    uint32_t node, last = 0, item;
    NB_TRY(target_one(p, attributes, out));
    if (!is_op(p, ","))
        return NB_OK;
    NB_TRY(nb_jp_node(p, NB_JN_TUPLE, &node));
    nb_jp_add(p, node, &last, *out);
    *out = node;
    while (is_op(p, ",")) {
        NB_TRY(nb_jp_next(p));
        if (tuple_ends(p) || is_op(p, "="))
            break;
        NB_TRY(target_one(p, attributes, &item));
        nb_jp_add(p, node, &last, item);
    }
    return NB_OK;
}

nb_status nb_jp_filters(nb_jparser *p, bool bar, uint32_t *out)
{
    uint32_t caught, last, item;
    NB_TRY(nb_jp_node(p, NB_JN_CAUGHT, &caught));
    NB_TRY(nb_jp_wrap(p, NB_JN_PATH, caught, out));
    last = caught;
    for (bool first = true; is_op(p, "|") || (first && !bar); first = false) {
        if (is_op(p, "|"))
            NB_TRY(nb_jp_next(p));
        NB_TRY(filter(p, &item));
        nb_jp_add(p, *out, &last, item);
    }
    return NB_OK;
}

nb_status nb_jp_call_caller(nb_jparser *p, uint32_t path, uint32_t caller)
{
    nb_jnode *node = p->t->node;
    uint32_t call = node[path].kind == NB_JN_PATH ? node[path].first : 0, last, key;
    while (call && node[call].next)
        call = node[call].next;
    if (!call || node[call].kind != NB_JN_CALL)
        return nb_jp_fail(p, NB_FORMAT, p->tok.line, "call needs a call of a macro");
    NB_TRY(nb_jp_wrap(p, NB_JN_KEYWORD, caller, &key));
    node = p->t->node;
    node[key].v = nb_jv_text("caller", 6);
    last = node[call].first;
    while (last && node[last].next)
        last = node[last].next;
    nb_jp_add(p, call, &last, key);
    return NB_OK;
}
