/* Statements to nodes. */
#include "core/model/jinja_node.h"

#include <string.h>

typedef struct tag_row {
    const char *name;
    nb_status (*parse)(nb_jparser *p, uint32_t *out); /* from its name to behind its last tag */
} tag_row;

static nb_status statement(nb_jparser *p, uint32_t *out);

/* Ends at the name of a tag of `ends` (NULL-terminated); ends NULL: at the end of the template. */
static nb_status block(nb_jparser *p, const char *const *ends, uint32_t *out)
{
    uint32_t last = 0, item;
    NB_TRY(nb_jp_node(p, NB_JN_BLOCK, out));
    for (;;) {
        if (p->tok.kind == NB_JTK_DATA) {
            NB_TRY(nb_jp_node(p, NB_JN_DATA, &item));
            p->t->node[item].v = p->tok.v;
            NB_TRY(nb_jp_next(p));
        } else if (p->tok.kind == NB_JTK_PRINT_BEGIN) {
            NB_TRY(nb_jp_next(p));
            NB_TRY(nb_jp_tuple(p, true, &item));
            NB_TRY(nb_jp_wrap(p, NB_JN_PRINT, item, &item));
            NB_TRY(nb_jp_expect(p, NB_JTK_PRINT_END, "}}"));
        } else if (p->tok.kind == NB_JTK_TAG_BEGIN) {
            NB_TRY(nb_jp_next(p));
            for (size_t i = 0; ends && ends[i]; i++)
                if (nb_jp_is(p, NB_JTK_NAME, ends[i]))
                    return NB_OK;
            NB_TRY(statement(p, &item));
        } else if (!ends) {
            return NB_OK;
        } else {
            return nb_jp_unexpected(p, ends[1] ? ends[1] : ends[0]);
        }
        nb_jp_add(p, *out, &last, item);
    }
}

/* The rest of the opening tag, and all up to and with the closing one. */
static nb_status body(nb_jparser *p, const char *end, uint32_t *out)
{
    const char *const ends[] = {end, NULL};
    NB_TRY(nb_jp_expect(p, NB_JTK_TAG_END, "%}"));
    NB_TRY(block(p, ends, out));
    NB_TRY(nb_jp_next(p));
    return nb_jp_expect(p, NB_JTK_TAG_END, "%}");
}

static nb_status tag_if(nb_jparser *p, uint32_t *out)
{
    static const char *const ends[] = {"elif", "endif", "else", NULL};
    uint32_t last = 0, item;
    NB_TRY(nb_jp_node(p, NB_JN_IF, out));
    while (nb_jp_is(p, NB_JTK_NAME, "if") || nb_jp_is(p, NB_JTK_NAME, "elif")) {
        NB_TRY(nb_jp_next(p));
        NB_TRY(nb_jp_tuple(p, false, &item));
        nb_jp_add(p, *out, &last, item);
        NB_TRY(nb_jp_expect(p, NB_JTK_TAG_END, "%}"));
        NB_TRY(block(p, ends, &item));
        nb_jp_add(p, *out, &last, item);
    }
    bool other = nb_jp_is(p, NB_JTK_NAME, "else");
    NB_TRY(nb_jp_next(p));
    if (!other)
        return nb_jp_expect(p, NB_JTK_TAG_END, "%}");
    NB_TRY(body(p, "endif", &item));
    nb_jp_add(p, *out, &last, item);
    return NB_OK;
}

/* target in expr [if expr] [recursive] */
static nb_status for_head(nb_jparser *p, uint32_t node, uint32_t part[3])
{
    NB_TRY(nb_jp_next(p));
    NB_TRY(nb_jp_target(p, false, &part[0]));
    NB_TRY(nb_jp_expect(p, NB_JTK_NAME, "in"));
    NB_TRY(nb_jp_tuple(p, false, &part[1]));
    if (nb_jp_is(p, NB_JTK_NAME, "if")) {
        NB_TRY(nb_jp_next(p));
        NB_TRY(nb_jp_expr(p, true, &part[2]));
    } else {
        NB_TRY(nb_jp_node(p, NB_JN_NOTHING, &part[2]));
    }
    if (nb_jp_is(p, NB_JTK_NAME, "recursive")) {
        p->t->node[node].op = 1;
        NB_TRY(nb_jp_next(p));
    }
    return nb_jp_expect(p, NB_JTK_TAG_END, "%}");
}

static nb_status tag_for(nb_jparser *p, uint32_t *out)
{
    static const char *const ends[] = {"else", "endfor", NULL};
    uint32_t part[5], node, last = 0;
    NB_TRY(nb_jp_node(p, NB_JN_FOR, &node));
    NB_TRY(for_head(p, node, part));
    p->loops++;
    NB_TRY(block(p, ends, &part[3]));
    p->loops--;
    bool other = nb_jp_is(p, NB_JTK_NAME, "else");
    NB_TRY(nb_jp_next(p));
    if (other) {
        NB_TRY(body(p, "endfor", &part[4]));
    } else {
        NB_TRY(nb_jp_node(p, NB_JN_NOTHING, &part[4]));
        NB_TRY(nb_jp_expect(p, NB_JTK_TAG_END, "%}"));
    }
    for (size_t i = 0; i < countof(part); i++)
        nb_jp_add(p, node, &last, part[i]);
    *out = node;
    return NB_OK;
}

static nb_status tag_leave(nb_jparser *p, uint32_t *out)
{
    bool stop = nb_jp_is(p, NB_JTK_NAME, "break");
    if (!p->loops)
        return nb_jp_fail(p, NB_FORMAT, p->tok.line, "%s outside of a loop",
                          stop ? "break" : "continue");
    NB_TRY(nb_jp_node(p, stop ? NB_JN_BREAK : NB_JN_CONTINUE, out));
    NB_TRY(nb_jp_next(p));
    return nb_jp_expect(p, NB_JTK_TAG_END, "%}");
}

static nb_status tag_set(nb_jparser *p, uint32_t *out)
{
    uint32_t last = 0, target, value, text;
    NB_TRY(nb_jp_node(p, NB_JN_SET, out));
    NB_TRY(nb_jp_next(p));
    NB_TRY(nb_jp_target(p, true, &target));
    nb_jp_add(p, *out, &last, target);
    if (nb_jp_is(p, NB_JTK_OP, "=")) {
        NB_TRY(nb_jp_next(p));
        NB_TRY(nb_jp_tuple(p, true, &value));
        nb_jp_add(p, *out, &last, value);
        return nb_jp_expect(p, NB_JTK_TAG_END, "%}");
    }
    if (nb_jp_is(p, NB_JTK_OP, "|"))
        NB_TRY(nb_jp_filters(p, true, &value));
    else
        NB_TRY(nb_jp_node(p, NB_JN_NOTHING, &value));
    NB_TRY(body(p, "endset", &text));
    nb_jp_add(p, *out, &last, value);
    nb_jp_add(p, *out, &last, text);
    p->t->node[*out].kind = NB_JN_CAPTURE;
    return NB_OK;
}

/* (name, name=default) as children of `node`. */
static nb_status parameters(nb_jparser *p, uint32_t node, uint32_t *last)
{
    uint32_t param, sym, value;
    NB_TRY(nb_jp_expect(p, NB_JTK_OP, "("));
    while (!nb_jp_is(p, NB_JTK_OP, ")")) {
        if (*last)
            NB_TRY(nb_jp_expect(p, NB_JTK_OP, ","));
        if (p->tok.kind != NB_JTK_NAME)
            return nb_jp_unexpected(p, "the name of a parameter");
        NB_TRY(nb_jp_node(p, NB_JN_PARAM, &param));
        NB_TRY(nb_jp_symbol(p, &p->tok.v, &sym));
        p->t->node[param].sym = sym;
        NB_TRY(nb_jp_next(p));
        if (nb_jp_is(p, NB_JTK_OP, "=")) {
            uint32_t none = 0;
            NB_TRY(nb_jp_next(p));
            NB_TRY(nb_jp_expr(p, true, &value));
            nb_jp_add(p, param, &none, value);
        }
        nb_jp_add(p, node, last, param);
    }
    return nb_jp_next(p);
}

/* The body of a macro, whose parameters are in; sets its flags. */
static nb_status macro_body(nb_jparser *p, uint32_t node, uint32_t last, uint8_t outer_flags,
                            const char *end)
{
    uint32_t text, loops = p->loops;
    p->loops = 0;
    NB_TRY(body(p, end, &text));
    nb_jp_add(p, node, &last, text);
    p->t->node[node].op = p->macro_flags;
    p->macro_flags = outer_flags;
    p->loops = loops;
    return NB_OK;
}

static nb_status tag_macro(nb_jparser *p, uint32_t *out)
{
    uint32_t last = 0, sym;
    uint8_t outer = p->macro_flags;
    NB_TRY(nb_jp_node(p, NB_JN_MACRO, out));
    NB_TRY(nb_jp_next(p));
    if (p->tok.kind != NB_JTK_NAME)
        return nb_jp_unexpected(p, "the name of a macro");
    NB_TRY(nb_jp_symbol(p, &p->tok.v, &sym));
    p->t->node[*out].sym = sym;
    p->t->node[*out].v = p->tok.v;
    p->macro_flags = 0;
    NB_TRY(nb_jp_next(p));
    NB_TRY(parameters(p, *out, &last));
    return macro_body(p, *out, last, outer, "endmacro");
}

/* {% call(args) macro(...) %}: the call gets the body as a macro named caller. */
static nb_status tag_call(nb_jparser *p, uint32_t *out)
{
    uint32_t last = 0, caller, path;
    uint8_t outer = p->macro_flags;
    NB_TRY(nb_jp_node(p, NB_JN_MACRO, &caller));
    p->t->node[caller].v = nb_jv_text("caller", 6);
    NB_TRY(nb_jp_next(p));
    if (nb_jp_is(p, NB_JTK_OP, "("))
        NB_TRY(parameters(p, caller, &last));
    NB_TRY(nb_jp_expr(p, true, &path));
    NB_TRY(nb_jp_call_caller(p, path, caller));
    p->macro_flags = 0;
    NB_TRY(macro_body(p, caller, last, outer, "endcall"));
    return nb_jp_wrap(p, NB_JN_PRINT, path, out);
}

static nb_status tag_filter(nb_jparser *p, uint32_t *out)
{
    uint32_t last = 0, filters, text;
    NB_TRY(nb_jp_node(p, NB_JN_FILTERED, out));
    NB_TRY(nb_jp_next(p));
    NB_TRY(nb_jp_filters(p, false, &filters));
    nb_jp_add(p, *out, &last, filters);
    NB_TRY(body(p, "endfilter", &text));
    nb_jp_add(p, *out, &last, text);
    return NB_OK;
}

static nb_status tag_with(nb_jparser *p, uint32_t *out)
{
    uint32_t last = 0, item;
    NB_TRY(nb_jp_node(p, NB_JN_WITH, out));
    NB_TRY(nb_jp_next(p));
    while (p->tok.kind != NB_JTK_TAG_END) {
        if (last)
            NB_TRY(nb_jp_expect(p, NB_JTK_OP, ","));
        NB_TRY(nb_jp_target(p, false, &item));
        nb_jp_add(p, *out, &last, item);
        NB_TRY(nb_jp_expect(p, NB_JTK_OP, "="));
        NB_TRY(nb_jp_expr(p, true, &item));
        nb_jp_add(p, *out, &last, item);
    }
    NB_TRY(body(p, "endwith", &item));
    nb_jp_add(p, *out, &last, item);
    return NB_OK;
}

static nb_status tag_generation(nb_jparser *p, uint32_t *out)
{
    NB_TRY(nb_jp_next(p));
    return body(p, "endgeneration", out);
}

static nb_status tag_do(nb_jparser *p, uint32_t *out)
{
    uint32_t value;
    NB_TRY(nb_jp_next(p));
    NB_TRY(nb_jp_tuple(p, true, &value));
    NB_TRY(nb_jp_wrap(p, NB_JN_DO, value, out));
    return nb_jp_expect(p, NB_JTK_TAG_END, "%}");
}

static const tag_row tags[] = {{"if", tag_if},         {"for", tag_for},
                               {"set", tag_set},       {"macro", tag_macro},
                               {"call", tag_call},     {"with", tag_with},
                               {"do", tag_do},         {"generation", tag_generation},
                               {"filter", tag_filter}, {"break", tag_leave},
                               {"continue", tag_leave}};

static nb_status statement(nb_jparser *p, uint32_t *out)
{
    if (p->tok.kind != NB_JTK_NAME)
        return nb_jp_unexpected(p, "the name of a tag");
    for (size_t i = 0; i < countof(tags); i++)
        if (nb_jv_equals_text(&p->tok.v, tags[i].name)) {
            NB_TRY(nb_jp_enter(p));
            NB_TRY(tags[i].parse(p, out));
            p->depth--;
            return NB_OK;
        }
    const nb_jv *v = &p->tok.v;
    int n = v->len > 40 ? 40 : (int)v->len;
    if (v->len > 3 && nb_jv_equals_text(&(nb_jv){.kind = NB_JV_STR, .at = v->at, .len = 3}, "end"))
        return nb_jp_fail(p, NB_FORMAT, p->tok.line, "%.*s closes nothing", n, v->at);
    static const char *const loading[] = {"include", "import", "from", "extends"};
    for (size_t i = 0; i < countof(loading); i++)
        if (nb_jv_equals_text(v, loading[i]))
            return nb_jp_fail(p, NB_UNSUPPORTED, p->tok.line,
                              "tag \"%s\" is not supported: a model has one template, and no other "
                              "can be loaded",
                              loading[i]);
    return nb_jp_fail(p, NB_UNSUPPORTED, p->tok.line, "tag \"%.*s\" is not supported", n, v->at);
}

nb_status nb_jp_template(nb_jparser *p)
{
    static const char *const first[] = {"loop", "caller", "varargs", "kwargs"}; /* NB_JSYM_* */
    uint32_t sym;
    for (size_t i = 0; i < countof(first); i++) {
        nb_jv name = nb_jv_text(first[i], strlen(first[i]));
        NB_TRY(nb_jp_symbol(p, &name, &sym));
    }
    NB_TRY(nb_jp_next(p));
    return block(p, NULL, &p->t->root);
}
