/* Blocks of HTML as rows. What stands between two tags that end a row is laid like a paragraph;
 * lists, quotes and tables are followed, everything else is let go. */
#include "tui/widgets/md_own.h"

#include <stdlib.h>
#include <string.h>

enum { COLS = 64, SPAN_MAX = 1000 };

typedef struct html {
    md_lay *l;
    const md_leaf *leaf;
    md_box box[MD_DEPTH + MD_NESTED]; /* the leaf's, then lists and quotes of HTML */
    bool ordered[MD_DEPTH + MD_NESTED];
    size_t n_box, over; /* over: opened beyond MD_NESTED */
    size_t common;
    bool any, pre, summary;
    uint32_t head; /* level of the heading, 0 = none */
    /* the table that is open */
    bool table, in_cell, has_head;
    uint32_t row, col, cols, cell_at, col_span, row_span;
    uint32_t pending[COLS]; /* rows that a cell above still takes */
} html;

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

/* --- rows ------------------------------------------------------------------------------------ */

static void prefix(html *h)
{
    ui_md_prefix(h->l, h->box, h->n_box, h->common);
    for (size_t i = 0; i < h->n_box; i++)
        h->box[i].first = false;
    h->common = h->leaf->n_box;
    h->any = true;
}

static void gap(html *h)
{
    h->l->m->gap |= h->any;
}

/* The text since the last tag that ended a row. */
static void slice(html *h, uint32_t at, uint32_t end)
{
    static const char marks[] = "###### ";
    md_lay *l = h->l;
    while (at < end && (h->pre ? l->s[at] == '\n' : is_white(l->s[at])))
        at++;
    while (end > at && is_white(l->s[end - 1]))
        end--;
    if (at == end || h->table)
        return;
    l->n_run = 0;
    l->pre = h->pre;
    l->style = (md_style){.strong = h->summary, .head = h->head > 0, .code = h->pre};
    md_flow f = ui_md_flow_begin(l);
    if (h->head)
        ui_md_say(l, at, marks + 6 - h->head, h->head + 1);
    size_t text = l->m->shown.len;
    ui_md_inline(l, at, end);
    ui_md_flow_end(l, &f);
    l->pre = false;
    if (l->m->shown.len == text)
        return;
    prefix(h);
    ui_md_flow_rows(l, &f, !h->pre);
}

/* --- containers ------------------------------------------------------------------------------ */

static void push_box(html *h, md_box_kind kind, bool ordered)
{
    if (h->n_box - h->leaf->n_box == MD_NESTED) {
        h->over++;
        return;
    }
    h->ordered[h->n_box] = ordered;
    h->box[h->n_box++] = (md_box){.kind = (uint8_t)kind};
}

static void pop_box(html *h, bool quote)
{
    if (h->over) {
        h->over--;
        return;
    }
    if (h->n_box > h->leaf->n_box && (h->box[h->n_box - 1].kind == MD_QUOTE) == quote)
        h->n_box--;
}

static void container(html *h, const md_tag *t, bool quote)
{
    if (h->n_box == h->leaf->n_box)
        gap(h);
    if (t->close)
        pop_box(h, quote);
    else
        push_box(h, quote ? MD_QUOTE : MD_LIST, strcmp(t->name, "ol") == 0);
    if (h->n_box == h->leaf->n_box)
        gap(h);
}

static void item(html *h)
{
    md_box *b = h->n_box > h->leaf->n_box ? &h->box[h->n_box - 1] : NULL;
    if (!b || b->kind == MD_QUOTE || h->over)
        return;
    b->kind = h->ordered[h->n_box - 1] ? MD_NUMBER : MD_BULLET;
    b->number++;
    b->first = true;
}

static void rule(html *h)
{
    prefix(h);
    ui_md_row_begin(h->l, MD_RULED, (uint32_t)h->l->left);
}

/* --- tables ---------------------------------------------------------------------------------- */

static void end_cell(html *h, uint32_t at)
{
    md_lay *l = h->l;
    if (!h->in_cell)
        return;
    h->in_cell = false;
    if (h->col >= COLS)
        return;
    md_cell *a = ui_md_more(l, l->cell, l->n_cell, &l->cap_cell, sizeof *a);
    if (!a)
        return;
    l->cell = a;
    a[l->n_cell++] = (md_cell){.at = h->cell_at, .end = at, .row = h->row, .col = h->col};
    for (uint32_t k = 0; k < h->col_span && h->col < COLS; k++)
        h->pending[h->col++] = h->row_span - 1;
    h->cols = h->col > h->cols ? h->col : h->cols;
}

static uint32_t span(const md_lay *l, const md_tag *t, const char *name)
{
    md_attr a;
    uint32_t v = 0;
    if (!ui_md_tag_attr(l->s, t, name, &a))
        return 1;
    for (uint32_t i = a.value; i < a.value + a.value_len && v < SPAN_MAX; i++)
        v = l->s[i] >= '0' && l->s[i] <= '9' ? v * 10 + (uint32_t)(l->s[i] - '0') : v;
    return v < 1 ? 1 : v > SPAN_MAX ? SPAN_MAX : v;
}

/* Columns that a cell of a row above takes are passed. */
static void pass_pending(html *h, bool all)
{
    while (h->col < COLS && (all || h->pending[h->col])) {
        h->pending[h->col] -= h->pending[h->col] > 0;
        h->col++;
    }
}

static void begin_row(html *h)
{
    if (h->row != UINT32_MAX)
        pass_pending(h, true);
    h->row++;
    h->col = 0;
}

static void end_table(html *h, uint32_t at)
{
    md_lay *l = h->l;
    end_cell(h, at);
    h->table = false;
    if (!l->n_cell)
        return;
    gap(h);
    prefix(h);
    ui_md_table_lay(l, h->cols, h->has_head);
    gap(h);
}

/* Tags within a table: only its own count. */
static void table_tag(html *h, const md_tag *t, md_effect e)
{
    end_cell(h, t->at);
    if (e == MD_TAG_TABLE) {
        if (t->close)
            end_table(h, t->at);
        return;
    }
    if (e == MD_TAG_TROW && !t->close && strcmp(t->name, "tr") == 0)
        begin_row(h);
    if (e != MD_TAG_CELL || t->close)
        return;
    if (h->row == UINT32_MAX)
        begin_row(h);
    pass_pending(h, false);
    h->has_head |= h->row == 0 && t->name[1] == 'h';
    h->in_cell = true;
    h->cell_at = t->end;
    h->col_span = span(h->l, t, "colspan");
    h->row_span = span(h->l, t, "rowspan");
}

static void begin_table(html *h)
{
    h->table = true;
    h->has_head = h->in_cell = false;
    h->row = UINT32_MAX;
    h->col = h->cols = 0;
    memset(h->pending, 0, sizeof h->pending);
    h->l->n_cell = h->l->n_align = 0;
}

/* --- the block ------------------------------------------------------------------------------- */

/* Behind the end of what is not shown. */
static uint32_t drop(const md_lay *l, const md_tag *t, uint32_t end)
{
    md_tag close;
    uint32_t at = t->end;
    for (const char *p; !t->close && (p = memmem(l->s + at, end - at, "</", 2));) {
        at = (uint32_t)(p - l->s);
        if (ui_md_tag_read(l->s, at, end, &close) && strcmp(close.name, t->name) == 0)
            return close.end;
        at += 2;
    }
    return t->close ? t->end : end;
}

/* A tag that ends a row; the text before it is laid already. */
static void block_tag(html *h, const md_tag *t, md_effect e)
{
    switch (e) {
    case MD_TAG_GAP:
        gap(h);
        break;
    case MD_TAG_HEAD:
        gap(h);
        h->head = t->close ? 0 : (uint32_t)(t->name[1] - '0');
        break;
    case MD_TAG_LIST:
    case MD_TAG_QUOTE:
        container(h, t, e == MD_TAG_QUOTE);
        break;
    case MD_TAG_ITEM:
        if (!t->close)
            item(h);
        break;
    case MD_TAG_RULE:
        rule(h);
        break;
    case MD_TAG_PRE:
        gap(h);
        h->pre = !t->close;
        break;
    case MD_TAG_SUMMARY:
        h->summary = !t->close;
        break;
    case MD_TAG_TABLE:
        if (!t->close)
            begin_table(h);
        break;
    default:
        break;
    }
}

void ui_md_html(md_lay *l, const md_leaf *leaf, uint32_t at, uint32_t end)
{
    html h = {.l = l, .leaf = leaf, .n_box = leaf->n_box, .common = leaf->common};
    uint32_t from = at, ended[4], next;
    md_tag t;
    memset(ended, 0xff, sizeof ended);
    for (size_t i = 0; i < h.n_box; i++)
        h.box[i] = l->box[leaf->box + i];
    l->html = true;
    for (; at < end; at = next) {
        const char *p = memchr(l->s + at, '<', end - at);
        at = p ? (uint32_t)(p - l->s) : end;
        next = p ? ui_md_html_skip(l->s, at, end, ended) : end;
        if (next)
            continue;
        if (!ui_md_tag_read(l->s, at, end, &t)) {
            next = at + 1;
            continue;
        }
        md_effect e = ui_md_tag_effect(&t);
        next = e == MD_TAG_DROP ? drop(l, &t, end) : t.end;
        if (e < MD_TAG_DROP || (h.table && e < MD_TAG_TABLE))
            continue;
        slice(&h, from, at);
        if (h.table)
            table_tag(&h, &t, e);
        else
            block_tag(&h, &t, e);
        from = next;
    }
    if (h.table)
        end_table(&h, end);
    else
        slice(&h, from, end);
    l->html = false;
}
