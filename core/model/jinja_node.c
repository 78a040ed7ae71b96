/* What both parsers build with: nodes, the table of variables' names, the current token. */
#include "core/model/jinja_node.h"

#include <string.h>

/* --- nodes ----------------------------------------------------------------------------------- */

nb_status nb_jp_enter(nb_jparser *p)
{
    if (p->depth == NB_JINJA_NESTING)
        return nb_jp_fail(p, NB_FORMAT, p->tok.line, "nested deeper than %d", NB_JINJA_NESTING);
    p->depth++;
    return NB_OK;
}

nb_status nb_jp_node(nb_jparser *p, nb_jnode_kind kind, uint32_t *out)
{
    nb_jinja *t = p->t;
    if (t->n_node == t->cap_node) {
        uint32_t cap = t->cap_node ? t->cap_node * 2 : 64;
        nb_jnode *node = NULL;
        NB_TRY(nb_jp_take(p, cap, sizeof *node, &node));
        if (t->n_node)
            memcpy(node, t->node, t->n_node * sizeof *node);
        t->node = node;
        t->cap_node = cap;
        t->n_node += t->n_node == 0; /* 0 stands for none */
    }
    t->node[t->n_node] = (nb_jnode){.kind = (uint8_t)kind, .line = p->tok.line};
    *out = t->n_node++;
    return NB_OK;
}

void nb_jp_add(nb_jparser *p, uint32_t parent, uint32_t *last, uint32_t child)
{
    nb_jnode *node = p->t->node;
    if (*last)
        node[*last].next = child;
    else
        node[parent].first = child;
    *last = child;
}

/* FNV-1a. */
static uint32_t hash(const nb_jv *name)
{
    uint32_t h = 2166136261u;
    for (uint32_t i = 0; i < name->len; i++)
        h = (h ^ (uint8_t)name->at[i]) * 16777619u;
    return h;
}

static nb_status grow_slots(nb_jparser *p)
{
    uint32_t n = p->n_slot ? p->n_slot * 2 : 128;
    NB_TRY(nb_jp_take(p, n, sizeof *p->slot, &p->slot));
    p->n_slot = n;
    for (uint32_t i = 0; i < p->t->n_sym; i++) {
        uint32_t at = hash(&p->t->sym[i]) & (n - 1);
        while (p->slot[at])
            at = (at + 1) & (n - 1);
        p->slot[at] = i + 1;
    }
    return NB_OK;
}

nb_status nb_jp_symbol(nb_jparser *p, const nb_jv *name, uint32_t *out)
{
    nb_jinja *t = p->t;
    if (2 * (t->n_sym + 1) > p->n_slot)
        NB_TRY(grow_slots(p));
    uint32_t at = hash(name) & (p->n_slot - 1);
    for (; p->slot[at]; at = (at + 1) & (p->n_slot - 1)) {
        const nb_jv *s = &t->sym[p->slot[at] - 1];
        if (s->len == name->len && memcmp(s->at, name->at, s->len) == 0) {
            *out = p->slot[at] - 1;
            return NB_OK;
        }
    }
    if (t->n_sym == t->cap_sym) {
        uint32_t cap = t->cap_sym ? t->cap_sym * 2 : 32;
        nb_jv *sym = NULL;
        NB_TRY(nb_jp_take(p, cap, sizeof *sym, &sym));
        if (t->n_sym)
            memcpy(sym, t->sym, t->n_sym * sizeof *sym);
        t->sym = sym;
        t->cap_sym = cap;
    }
    *out = t->n_sym;
    t->sym[t->n_sym++] = *name;
    p->slot[at] = t->n_sym;
    return NB_OK;
}

/* --- tokens ---------------------------------------------------------------------------------- */

bool nb_jp_is(const nb_jparser *p, nb_jtok_kind kind, const char *spelling)
{
    return p->tok.kind == kind && (!spelling || nb_jv_equals_text(&p->tok.v, spelling));
}

nb_status(nb_jp_unexpected)(nb_jparser *p, const char *wanted)
{
    static const char *const what[NB_JTK_OP + 1] = {[NB_JTK_EOF] = "the end of the template",
                                                    [NB_JTK_DATA] = "text",
                                                    [NB_JTK_PRINT_BEGIN] = "{{",
                                                    [NB_JTK_PRINT_END] = "}}",
                                                    [NB_JTK_TAG_BEGIN] = "{%",
                                                    [NB_JTK_TAG_END] = "%}",
                                                    [NB_JTK_STRING] = "a string",
                                                    [NB_JTK_INTEGER] = "a number",
                                                    [NB_JTK_FLOAT] = "a number"};
    const nb_jv *v = &p->tok.v;
    const char *found = what[p->tok.kind];
    if (found)
        return nb_jp_fail(p, NB_FORMAT, p->tok.line, "expected %s, found %s", wanted, found);
    return nb_jp_fail(p, NB_FORMAT, p->tok.line, "expected %s, found \"%.*s\"", wanted,
                      v->len > 40 ? 40 : (int)v->len, v->at);
}

nb_status nb_jp_expect(nb_jparser *p, nb_jtok_kind kind, const char *spelling)
{
    if (!nb_jp_is(p, kind, spelling))
        return nb_jp_unexpected(p, spelling);
    return nb_jp_next(p);
}

/* A node of this kind with one child. */
nb_status nb_jp_wrap(nb_jparser *p, nb_jnode_kind kind, uint32_t child, uint32_t *out)
{
    uint32_t last = 0;
    NB_TRY(nb_jp_node(p, kind, out));
    nb_jp_add(p, *out, &last, child);
    return NB_OK;
}
