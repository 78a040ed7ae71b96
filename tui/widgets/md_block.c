/* Lines to blocks (CommonMark 0.31, 4 and 5; tables of GFM 0.29, 4.10). A line first goes through
 * the containers that are open, then opens new ones, and what is left belongs to a leaf. Each byte
 * is looked at a bounded number of times. */
#include "tui/widgets/md_own.h"

#include <string.h>

enum { INDENTED = 4, FENCE_MIN = 3, ITEM_DIGITS = 9 };

typedef struct open_box {
    md_box box; /* first: not shown yet */
    int indent; /* of an item: columns its content stands in */
    bool empty; /* an item's marker was all so far */
} open_box;

typedef struct blocks {
    md_lay *l;
    open_box open[MD_DEPTH];
    size_t n_open;
    md_series list[MD_DEPTH + 1]; /* by level */
    bool in_leaf, blank;
    size_t low;       /* containers that stayed open since the last leaf began */
    uint32_t line_at; /* where the present line begins */
    bool whole_line;  /* it has its end */
    char fence;       /* CODE: 0 = indented */
    int fence_len, fence_indent;
    int html; /* kind of the HTML block */
} blocks;

/* --- leaves ---------------------------------------------------------------------------------- */

static md_leaf *leaf_of(blocks *b)
{
    md_lay *l = b->l;
    return b->in_leaf && l->n_leaf ? &l->leaf[l->n_leaf - 1] : &l->spare_leaf;
}

static bool leaf_is(blocks *b, md_kind kind)
{
    return b->in_leaf && leaf_of(b)->kind == kind;
}

static void push_line(blocks *b, uint32_t at, uint32_t end, int columns)
{
    md_lay *l = b->l;
    md_line *line = ui_md_more(l, l->line, l->n_line, &l->cap_line, sizeof *line);
    if (!line)
        return;
    l->line = line;
    line[l->n_line++] = (md_line){at, end, columns > 0 ? (uint32_t)columns : 0};
    leaf_of(b)->n_line++;
}

/* What stands in the open containers; they count as shown from now on. */
static void push_boxes(blocks *b)
{
    md_lay *l = b->l;
    for (size_t i = 0; i < b->n_open; i++) {
        md_box *box = ui_md_more(l, l->box, l->n_box, &l->cap_box, sizeof *box);
        if (!box)
            return;
        l->box = box;
        box[l->n_box++] = b->open[i].box;
        b->open[i].box.first = false;
        b->open[i].empty = false;
    }
}

static md_leaf *push_leaf(blocks *b, md_kind kind)
{
    md_lay *l = b->l;
    md_leaf *leaf = ui_md_more(l, l->leaf, l->n_leaf, &l->cap_leaf, sizeof *leaf);
    size_t box = l->n_box;
    l->leaf = leaf ? leaf : l->leaf;
    push_boxes(b);
    if (!leaf || l->failed)
        return &l->spare_leaf;
    leaf += l->n_leaf++;
    *leaf = (md_leaf){.kind = (uint8_t)kind,
                      .gap = b->blank,
                      .n_box = (uint8_t)(l->n_box - box),
                      .common = (uint8_t)b->low,
                      .box = (uint32_t)box,
                      .line = (uint32_t)l->n_line};
    b->blank = false;
    b->low = b->n_open;
    b->in_leaf = true;
    return leaf;
}

/* A block at the outermost level begins: from here a longer text is read again. Not in a line whose
 * end is still to come: with more behind it, it may belong to the block above. */
static void note_top(blocks *b, size_t level)
{
    if (level == 0 && b->whole_line)
        b->l->top = (md_tail){.src = b->line_at,
                              .leaf = b->l->n_leaf,
                              .list = b->list[0],
                              .blank = b->blank,
                              .n_def = b->l->m->n_def};
}

/* Link definitions at the head of a paragraph are no part of it. One may go on in the next line,
 * except in a container, whose markers stand between. */
static void take_defs(blocks *b, md_leaf *leaf)
{
    md_lay *l = b->l;
    md_def d;
    while (leaf->n_line) {
        const md_line *line = &l->line[leaf->line];
        uint32_t end = line[leaf->n_box ? 0 : leaf->n_line - 1].end;
        uint32_t stop = ui_md_def_read(l->text, line->at, end, &d);
        if (!stop)
            return;
        md_def *def = ui_md_more(l, l->m->def, l->m->n_def, &l->m->cap_def, sizeof *def);
        if (!def)
            return;
        l->m->def = def;
        def[l->m->n_def++] = d;
        for (; leaf->n_line && line->at <= stop; line++) {
            leaf->line++;
            leaf->n_line--;
        }
    }
}

static void close_leaf(blocks *b)
{
    md_leaf *leaf = leaf_of(b);
    md_lay *l = b->l;
    if (!b->in_leaf)
        return;
    if (leaf->kind == MD_PARA) {
        size_t lines = leaf->n_line;
        take_defs(b, leaf);
        if (lines && !leaf->n_line) {
            leaf->kind = MD_NONE;
            b->blank |= leaf->gap;
        }
    }
    while (leaf->kind == MD_CODE && !b->fence && leaf->n_line &&
           l->line[leaf->line + leaf->n_line - 1].at ==
               l->line[leaf->line + leaf->n_line - 1].end) {
        leaf->n_line--; /* empty lines behind indented code are none of it */
        l->n_line--;
        b->blank = true;
    }
    b->in_leaf = false;
}

/* Closes the leaf and all containers but the outermost n. */
static void close_to(blocks *b, size_t n)
{
    close_leaf(b);
    while (b->n_open > n) {
        if (b->open[b->n_open - 1].empty) { /* an item without content is a row too */
            push_leaf(b, MD_PARA);
            b->in_leaf = false;
        }
        b->n_open--;
    }
    if (b->low > n)
        b->low = n;
}

static md_leaf *open_leaf(blocks *b, size_t level, md_kind kind)
{
    close_to(b, level);
    note_top(b, level);
    b->list[level].mark = 0;
    return push_leaf(b, kind);
}

/* --- containers ------------------------------------------------------------------------------ */

/* How many of the open containers go on in this line; their markers are passed. */
static size_t match_open(const blocks *b, md_scan *c)
{
    size_t i = 0;
    for (; i < b->n_open; i++) {
        const open_box *o = &b->open[i];
        if (o->box.kind == MD_QUOTE) {
            if (ui_md_blank(c) || ui_md_indent(c) >= INDENTED || c->s[c->next] != '>')
                break;
            ui_md_pass(c, 1);
            ui_md_eat(c, ui_md_indent(c) > 0);
        } else if (ui_md_blank(c)) {
            if (o->empty)
                break;
        } else if (ui_md_indent(c) >= o->indent) {
            ui_md_eat(c, o->indent);
        } else {
            break;
        }
    }
    return i;
}

/* Bytes of an item's marker, 0 = is none. */
static uint32_t item_marker(const md_scan *c, md_series *out)
{
    uint32_t i = c->next, number = 0;
    char ch = i < c->end ? c->s[i] : '\0';
    if (ch == '-' || ch == '+' || ch == '*') {
        i++;
    } else {
        for (; i < c->end && i - c->next < ITEM_DIGITS && c->s[i] >= '0' && c->s[i] <= '9'; i++)
            number = number * 10 + (uint32_t)(c->s[i] - '0');
        ch = i < c->end ? c->s[i] : '\0';
        if (i == c->next || (ch != '.' && ch != ')'))
            return 0;
        i++;
    }
    if (i < c->end && !md_is_white(c->s[i]))
        return 0;
    *out = (md_series){ch, number};
    return i - c->next;
}

static void push_open(blocks *b, size_t level, open_box o)
{
    close_to(b, level);
    note_top(b, level);
    if (o.box.kind == MD_QUOTE)
        b->list[level].mark = 0;
    b->open[b->n_open++] = o;
    b->list[b->n_open].mark = 0;
}

static bool open_item(blocks *b, md_scan *c, size_t level, bool in_paragraph)
{
    md_series m;
    uint32_t len = item_marker(c, &m);
    if (!len || ui_md_is_rule(c))
        return false;
    bool numbered = m.mark == '.' || m.mark == ')';
    uint32_t rest = c->next + len;
    while (rest < c->end && md_is_white(c->s[rest]))
        rest++;
    if (in_paragraph && (rest == c->end || (numbered && m.number != 1)))
        return false;
    int before = ui_md_indent(c);
    ui_md_pass(c, len);
    int white = ui_md_indent(c);
    bool empty = ui_md_blank(c);
    int width = empty || white > INDENTED ? 1 : white;
    ui_md_eat(c, width < white ? width : white);
    open_box o = {.box = {numbered ? MD_NUMBER : MD_BULLET, true, 0, m.number},
                  .indent = before + (int)len + width,
                  .empty = true};
    md_series *list = &b->list[level];
    bool goes_on = list->mark == m.mark;
    if (goes_on && numbered)
        o.box.number = list->number + 1;
    md_series next = {m.mark, o.box.number};
    push_open(b, level, o);
    b->list[level] = next;
    return true;
}

static bool open_container(blocks *b, md_scan *c, size_t level, bool in_paragraph)
{
    if (ui_md_blank(c) || ui_md_indent(c) >= INDENTED)
        return false;
    if (c->s[c->next] != '>')
        return level < MD_DEPTH && open_item(b, c, level, in_paragraph);
    ui_md_pass(c, 1);
    ui_md_eat(c, ui_md_indent(c) > 0);
    while (level == MD_DEPTH && !ui_md_blank(c) && c->s[c->next] == '>') /* deeper is flat */
        ui_md_pass(c, 1);
    if (level == MD_DEPTH)
        return false;
    push_open(b, level, (open_box){.box = {.kind = MD_QUOTE}});
    return true;
}

/* --- what a line is -------------------------------------------------------------------------- */

static bool heading(blocks *b, const md_scan *c, size_t level)
{
    uint32_t n = ui_md_run_of(c, c->next, '#'), at = c->next + n,
             end = ui_md_trim(c->s, at, c->end), tail = end;
    if (n < 1 || n > 6 || (at < c->end && !md_is_white(c->s[at])))
        return false;
    while (at < end && md_is_white(c->s[at]))
        at++;
    while (tail > at && c->s[tail - 1] == '#')
        tail--;
    if (tail == at || md_is_white(c->s[tail - 1]))
        end = ui_md_trim(c->s, at, tail);
    md_leaf *leaf = open_leaf(b, level, MD_HEAD);
    leaf->level = (uint8_t)n;
    push_line(b, at, end, 0);
    close_leaf(b);
    return true;
}

static bool fence(blocks *b, const md_scan *c, size_t level)
{
    char ch = c->s[c->next];
    uint32_t n = ch == '`' || ch == '~' ? ui_md_run_of(c, c->next, ch) : 0;
    if (n < FENCE_MIN || (ch == '`' && memchr(c->s + c->next + n, '`', c->end - c->next - n)))
        return false;
    open_leaf(b, level, MD_CODE);
    b->fence = ch;
    b->fence_len = (int)n;
    b->fence_indent = ui_md_indent(c);
    return true;
}

static bool html(blocks *b, const md_scan *c, size_t level, bool in_paragraph)
{
    int kind = ui_md_html_begins(c->s, c->next, c->end, in_paragraph);
    if (!kind)
        return false;
    open_leaf(b, level, MD_HTML);
    b->html = kind;
    push_line(b, c->next, c->end, 0);
    if (ui_md_html_ends(kind, c->s, c->next, c->end))
        close_leaf(b);
    return true;
}

/* The line below a paragraph that makes it a heading. */
static bool underline(blocks *b, const md_scan *c)
{
    char ch = c->s[c->next];
    md_leaf *leaf = leaf_of(b);
    if ((ch != '=' && ch != '-') ||
        c->next + ui_md_run_of(c, c->next, ch) != ui_md_trim(c->s, c->next, c->end))
        return false;
    take_defs(b, leaf);
    if (!leaf->n_line)
        return false;
    leaf->kind = MD_HEAD;
    leaf->level = ch == '=' ? 1 : 2;
    b->in_leaf = false;
    return true;
}

/* The row of dashes below a table's heading, which is the paragraph's last line so far. */
static bool table(blocks *b, const md_scan *c)
{
    md_lay *l = b->l;
    md_leaf *leaf = leaf_of(b);
    md_line head = leaf->n_line ? l->line[leaf->line + leaf->n_line - 1] : (md_line){0};
    uint32_t cols = ui_md_table_rule(l, c->next, c->end);
    if (!cols || !leaf->n_line || ui_md_table_count(l->text, head.at, head.end) != cols)
        return false;
    if (leaf->n_line > 1) { /* what stood above stays a paragraph */
        leaf->n_line--;
        l->n_line--;
        close_leaf(b);
        push_leaf(b, MD_TABLE);
        push_line(b, head.at, head.end, 0);
    }
    leaf_of(b)->kind = MD_TABLE;
    push_line(b, c->next, c->end, 0);
    return true;
}

/* Code and HTML take lines as they are. */
static bool verbatim(blocks *b, md_scan *c)
{
    if (leaf_is(b, MD_HTML)) {
        if (b->html >= 6 && ui_md_blank(c))
            return false;
        push_line(b, c->at, c->end, 0);
        if (ui_md_html_ends(b->html, c->s, c->at, c->end))
            close_leaf(b);
        return true;
    }
    if (!leaf_is(b, MD_CODE))
        return false;
    if (!b->fence) {
        if (!ui_md_blank(c) && ui_md_indent(c) < INDENTED)
            return false;
        push_line(b, c->next, c->end, ui_md_indent(c) - INDENTED);
        return true;
    }
    uint32_t n = ui_md_blank(c) ? 0 : ui_md_run_of(c, c->next, b->fence);
    if ((int)n >= b->fence_len && ui_md_indent(c) < INDENTED &&
        ui_md_trim(c->s, c->next, c->end) == c->next + n)
        close_leaf(b);
    else
        push_line(b, c->next, c->end, ui_md_indent(c) - b->fence_indent);
    return true;
}

/* A leaf that begins in this line and is no paragraph. */
static bool begin_leaf(blocks *b, const md_scan *c, size_t level, bool in_paragraph)
{
    if (ui_md_indent(c) >= INDENTED) {
        if (leaf_is(b, MD_PARA))
            return false; /* a paragraph's next line may stand anywhere */
        open_leaf(b, level, MD_CODE);
        b->fence = 0;
        push_line(b, c->next, c->end, ui_md_indent(c) - INDENTED);
        return true;
    }
    if (in_paragraph && (underline(b, c) || table(b, c)))
        return true;
    if (ui_md_is_rule(c)) {
        open_leaf(b, level, MD_RULE);
        close_leaf(b);
        return true;
    }
    return heading(b, c, level) || fence(b, c, level) || html(b, c, level, leaf_is(b, MD_PARA));
}

/* "[x] " at the head of an item's first paragraph. */
static uint32_t take_task(blocks *b, const md_scan *c)
{
    open_box *o = b->n_open ? &b->open[b->n_open - 1] : NULL;
    const char *s = c->s + c->next;
    bool task = o && o->box.kind != MD_QUOTE && o->box.first && c->end - c->next >= 4 &&
                s[0] == '[' && s[2] == ']' && md_is_white(s[3]) && strchr(" xX", s[1]) && s[1];
    if (!task)
        return 0;
    o->box.task = s[1] == ' ' ? ' ' : 'x';
    return 4;
}

static void paragraph(blocks *b, const md_scan *c, size_t level, bool opened)
{
    uint32_t at = c->next;
    if (leaf_is(b, MD_TABLE) && level == b->n_open && !opened) {
        push_line(b, at, c->end, 0);
        return;
    }
    if (!leaf_is(b, MD_PARA) || opened) {
        close_to(b, level);
        at += take_task(b, c);
        open_leaf(b, level, MD_PARA);
    }
    push_line(b, at, c->end, 0);
}

/* --- lines ----------------------------------------------------------------------------------- */

static void read_line(blocks *b, uint32_t at, uint32_t end)
{
    md_scan c = ui_md_scan_line(b->l->text, at, end);
    size_t level = match_open(b, &c);
    bool whole = level == b->n_open, opened = false;
    if (whole && verbatim(b, &c))
        return;
    while (open_container(b, &c, level, leaf_is(b, MD_PARA) && whole && !opened)) {
        opened = true;
        level = b->n_open;
    }
    if (ui_md_blank(&c)) {
        if (opened) /* the item's marker is all there is */
            return;
        close_to(b, level);
        b->blank = true;
        return;
    }
    bool in_paragraph = leaf_is(b, MD_PARA) && whole && !opened;
    if (!begin_leaf(b, &c, level, in_paragraph))
        paragraph(b, &c, level, opened);
}

void ui_md_blocks(md_lay *l, const md_tail *from)
{
    blocks b = {.l = l, .blank = from->blank};
    b.list[0] = from->list;
    l->n_line = l->n_box = l->n_leaf = 0;
    l->top =
        (md_tail){.src = from->src, .list = from->list, .blank = from->blank, .n_def = from->n_def};
    for (uint32_t at = from->src, next; at < l->n && !l->failed; at = next) {
        const char *nl = memchr(l->text + at, '\n', l->n - at);
        uint32_t end = nl ? (uint32_t)(nl - l->text) : l->n;
        next = nl ? end + 1 : end;
        if (end > at && l->text[end - 1] == '\r')
            end--;
        b.line_at = at;
        b.whole_line = nl != NULL;
        read_line(&b, at, end);
    }
    close_to(&b, 0);
}
