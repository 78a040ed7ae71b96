/* What a block's text is made of (CommonMark 0.31, 6; GFM 0.29, 6.5). One pass finds the items,
 * closing brackets and the end settle emphasis; md_write.c writes them. Nothing is looked for
 * twice: a search that fails is remembered or ends at what began it. */
#include "tui/widgets/md_own.h"

#include <string.h>

enum { DELIM_MAX = 255 };

typedef struct inline_text {
    md_lay *l;
    const char *s;
    uint32_t from, end;
    uint32_t text;              /* begin of what is not yet in an item */
    size_t n_bracket, inactive; /* brackets below this one may not become links */
    int32_t head, tail;         /* of the delimiters that are left, -1 = none */
    bool ticks_known;
    uint32_t ended[4]; /* md_html_skip */
} inline_text;

static bool is_punct(char c)
{
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
           (c >= '{' && c <= '~');
}

uint32_t ui_md_escape(const char *s, uint32_t at, uint32_t end)
{
    return s[at] == '\\' && at + 1 < end && is_punct(s[at + 1]) ? 2 : 0;
}

static md_item *push(inline_text *i, int kind, uint32_t at, uint32_t len)
{
    md_lay *l = i->l;
    md_item *a = ui_md_more(l, l->item, l->n_item, &l->cap_item, sizeof *a);
    if (!a)
        return &l->spare_item;
    l->item = a;
    a += l->n_item++;
    *a = (md_item){.at = at, .len = len, .kind = (uint8_t)kind};
    return a;
}

/* What came before `at` is plain text; goes on at next. */
static uint32_t take(inline_text *i, uint32_t at, uint32_t next)
{
    if (at > i->text)
        push(i, MD_IT_TEXT, i->text, at - i->text);
    i->text = next;
    return next;
}

/* --- emphasis -------------------------------------------------------------------------------- */

typedef enum side { WHITE, PUNCT, WORD } side;

static side side_of(uint32_t cp)
{
    if (cp <= ' ' || cp == 0xa0 || (cp >= 0x2000 && cp <= 0x200a) || cp == 0x3000)
        return WHITE;
    bool beyond = (cp >= 0xa1 && cp <= 0xbf) || (cp >= 0x2010 && cp <= 0x205e) ||
                  (cp >= 0x20a0 && cp <= 0x20cf) || (cp >= 0x2190 && cp <= 0x2bff) ||
                  (cp >= 0x3001 && cp <= 0x3020) || (cp >= 0xff01 && cp <= 0xff0f) ||
                  (cp >= 0xff1a && cp <= 0xff20) || (cp >= 0x1f000 && cp <= 0x1faff);
    return beyond || (cp < 0x80 && is_punct((char)cp)) ? PUNCT : WORD;
}

static side side_before(const inline_text *i, uint32_t at)
{
    uint32_t cp = '\n', back = 1;
    if (at == i->from)
        return WHITE;
    while (back < 4 && at - back > i->from && ((uint8_t)i->s[at - back] & 0xc0) == 0x80)
        back++;
    return nb_utf8_next(i->s + at - back, back, &cp, NULL) ? side_of(cp) : WORD;
}

static side side_after(const inline_text *i, uint32_t at)
{
    uint32_t cp;
    if (at >= i->end)
        return WHITE;
    return nb_utf8_next(i->s + at, i->end - at, &cp, NULL) ? side_of(cp) : WORD;
}

static uint32_t run_of(const inline_text *i, uint32_t at)
{
    uint32_t n = 1;
    while (at + n < i->end && i->s[at + n] == i->s[at])
        n++;
    return n;
}

static uint32_t delimiter(inline_text *i, uint32_t at)
{
    md_lay *l = i->l;
    char ch = i->s[at];
    uint32_t n = run_of(i, at), next = at + n;
    if (n > DELIM_MAX || (ch == '~' && n > 2))
        return next;
    side a = side_before(i, at), b = side_after(i, next);
    bool left = b != WHITE && (b != PUNCT || a != WORD);
    bool right = a != WHITE && (a != PUNCT || b != WORD);
    md_delim d = {.prev = i->tail, .next = -1, .ch = ch, .len = (uint8_t)n};
    d.open = left && (ch != '_' || !right || a == PUNCT);
    d.close = right && (ch != '_' || !left || b == PUNCT);
    if (!d.open && !d.close)
        return next;
    take(i, at, next);
    push(i, MD_IT_DELIM, at, n);
    d.item = (uint32_t)l->n_item - 1;
    md_delim *all = ui_md_more(l, l->delim, l->n_delim, &l->cap_delim, sizeof *all);
    l->delim = all ? all : l->delim;
    if (!all || l->failed)
        return next;
    int32_t id = (int32_t)l->n_delim++;
    all[id] = d;
    if (i->tail >= 0)
        all[i->tail].next = id;
    else
        i->head = id;
    i->tail = id;
    return next;
}

static void unlink_delim(inline_text *i, int32_t id)
{
    md_delim *all = i->l->delim, *d = &all[id];
    if (d->prev >= 0)
        all[d->prev].next = d->next;
    else
        i->head = d->next;
    if (d->next >= 0)
        all[d->next].prev = d->prev;
    else
        i->tail = d->prev;
}

static bool fits(const md_delim *open, const md_delim *close)
{
    if (!open->open || open->ch != close->ch)
        return false;
    if (close->ch == '~')
        return open->len == close->len;
    bool both = open->close || close->open;
    return !both || (open->len + close->len) % 3 != 0 ||
           (open->len % 3 == 0 && close->len % 3 == 0);
}

/* Uses up two of each where there are two, else one; both of `~~`. */
static void pair(inline_text *i, int32_t open, int32_t close)
{
    md_lay *l = i->l;
    md_item *a = &l->item[l->delim[open].item], *b = &l->item[l->delim[close].item];
    bool strike = l->delim[close].ch == '~';
    uint32_t n = strike ? a->len : a->len >= 2 && b->len >= 2 ? 2 : 1;
    a->len -= n;
    b->len -= n;
    if (n == 2 && !strike) {
        a->open_strong++;
        b->close_strong++;
    } else {
        a->open_em++;
        b->close_em++;
    }
    for (int32_t d = l->delim[close].prev; d != open; d = l->delim[d].prev)
        unlink_delim(i, d);
    if (!a->len)
        unlink_delim(i, open);
}

/* Settles the delimiters behind `bottom`; none of them is left. `known` remembers, by what a closer
 * is, up to where no opener stands. */
static void settle(inline_text *i, int32_t bottom)
{
    const md_lay *l = i->l;
    int32_t known[3][2][3], next = bottom >= 0 ? l->delim[bottom].next : i->head;
    for (int32_t *k = &known[0][0][0]; k < &known[0][0][0] + 18; k++)
        *k = bottom;
    while (next >= 0) {
        int32_t close = next, open;
        const md_delim *d = &l->delim[close];
        int32_t *low = &known[d->ch == '*' ? 0 : d->ch == '_' ? 1 : 2][d->open][d->len % 3];
        next = d->next;
        if (!d->close)
            continue;
        for (open = d->prev; open > *low && !fits(&l->delim[open], d);)
            open = l->delim[open].prev;
        if (open > *low) {
            pair(i, open, close);
            if (l->item[d->item].len)
                next = close; /* what is left of it may close more */
            else
                unlink_delim(i, close);
            continue;
        }
        *low = d->prev;
        if (!d->open)
            unlink_delim(i, close);
    }
    i->tail = bottom;
    if (bottom >= 0)
        l->delim[bottom].next = -1;
    else
        i->head = -1;
}

/* --- brackets -------------------------------------------------------------------------------- */

static uint32_t bracket_open(inline_text *i, uint32_t at, bool image)
{
    md_lay *l = i->l;
    uint32_t next = at + 1 + image;
    if (i->n_bracket == MD_BRACKETS)
        return next;
    take(i, at, next);
    push(i, MD_IT_TEXT, at, next - at);
    l->bracket[i->n_bracket++] =
        (md_bracket){.item = (uint32_t)l->n_item - 1, .delim = i->tail, .image = image};
    return next;
}

/* [text][label], [label][] or [label] with its ] at `at`: the end, 0 = not defined. */
static uint32_t reference(const inline_text *i, const md_bracket *b, uint32_t at, const md_def **d)
{
    const md_lay *l = i->l;
    if (!l->n_label)
        return 0;
    uint32_t text = l->item[b->item].at + l->item[b->item].len, next = at + 1;
    uint32_t label = ui_md_label_read(i->s, next, i->end);
    if (label) {
        *d = ui_md_def_find(l, i->s + next + 1, label - next - 2);
        return *d ? label : 0;
    }
    if (next + 1 < i->end && i->s[next] == '[' && i->s[next + 1] == ']')
        next += 2;
    if (b->inner || at - text > MD_LABEL || at == text)
        return 0;
    *d = ui_md_def_find(l, i->s + text, at - text);
    return *d ? next : 0;
}

static uint32_t bracket_close(inline_text *i, uint32_t at)
{
    md_lay *l = i->l;
    const md_def *d = NULL;
    uint32_t to = 0, len = 0;
    if (!i->n_bracket || l->failed)
        return at + 1;
    md_bracket b = l->bracket[--i->n_bracket];
    bool dead = !b.image && i->n_bracket < i->inactive;
    if (i->inactive > i->n_bracket)
        i->inactive = i->n_bracket;
    if (i->n_bracket)
        l->bracket[i->n_bracket - 1].inner = true;
    uint32_t next = dead ? 0 : ui_md_link_read(i->s, at + 1, i->end, &to, &len);
    if (!next && !dead)
        next = reference(i, &b, at, &d);
    if (!next)
        return at + 1;
    take(i, at, next);
    l->item[b.item].kind = b.image ? MD_IT_IMAGE : MD_IT_LINK;
    md_item *end = push(i, b.image ? MD_IT_IMAGE_END : MD_IT_LINK_END, at, b.item);
    end->def = d != NULL;
    end->to = d ? d->to : to;
    end->to_len = d ? d->to_len : len;
    settle(i, b.delim);
    if (!b.image)
        i->inactive = i->n_bracket;
    return next;
}

/* --- the rest -------------------------------------------------------------------------------- */

static void find_ticks(inline_text *i, uint32_t at)
{
    memset(i->l->ticks, 0, sizeof i->l->ticks);
    for (uint32_t n; at < i->end; at += n) {
        n = i->s[at] == '`' ? run_of(i, at) : 1;
        if (i->s[at] == '`' && n <= MD_TICKS)
            i->l->ticks[n] = at;
    }
    i->ticks_known = true;
}

static uint32_t code(inline_text *i, uint32_t at)
{
    uint32_t n = run_of(i, at), text = at + n, close = text, m;
    if (!i->ticks_known)
        find_ticks(i, at);
    if (n > MD_TICKS || i->l->ticks[n] <= at)
        return text;
    do { /* there is one */
        while (i->s[close] != '`')
            close++;
        m = run_of(i, close);
        close += m;
    } while (m != n);
    close -= n;
    take(i, at, close + n);
    push(i, MD_IT_CODE, text, close - text);
    return close + n;
}

static uint32_t line_end(inline_text *i, uint32_t at)
{
    const md_lay *l = i->l;
    uint32_t text = at, next = at + 1;
    while (!l->pre && text > i->text && md_is_white(i->s[text - 1]))
        text--;
    bool hard = l->pre || (!l->html && (l->look.chat || (at - text >= 2 && i->s[at - 1] == ' ')));
    while (l->html && !l->pre && next < i->end && (md_is_white(i->s[next]) || i->s[next] == '\n'))
        next++;
    take(i, text, next);
    push(i, hard ? MD_IT_BREAK : MD_IT_SOFT, at, 1);
    return next;
}

static uint32_t backslash(inline_text *i, uint32_t at)
{
    if (at + 1 < i->end && i->s[at + 1] == '\n') {
        take(i, at, at + 2);
        push(i, MD_IT_BREAK, at, 2);
        return at + 2;
    }
    if (!ui_md_escape(i->s, at, i->end))
        return at + 1;
    take(i, at, at + 1);
    return at + 2;
}

/* Bytes of <scheme:...> or <name@host>, 0 = is none. */
static uint32_t angle_link(const inline_text *i, uint32_t at)
{
    uint32_t p = at + 1, mark = 0;
    for (; p < i->end && i->s[p] != '>'; p++) {
        char c = i->s[p];
        if ((uint8_t)c <= ' ' || c == '<')
            return 0;
        if (!mark && (c == ':' || c == '@'))
            mark = p;
        else if (!mark && is_punct(c) && !strchr("+-._", c))
            return 0;
    }
    return p < i->end && mark > at + 2 && p > mark + 1 ? p + 1 - at : 0;
}

static uint32_t angle(inline_text *i, uint32_t at)
{
    md_tag t;
    uint32_t n = i->l->html ? 0 : angle_link(i, at);
    if (n) {
        take(i, at, at + n);
        push(i, MD_IT_AUTO, at + 1, n - 2);
        return at + n;
    }
    n = ui_md_html_skip(i->s, at, i->end, i->ended);
    if (n)
        return take(i, at, n);
    if (!ui_md_tag_read(i->s, at, i->end, &t))
        return at + 1;
    take(i, at, t.end);
    push(i, MD_IT_TAG, at, t.end - at);
    return t.end;
}

static uint32_t entity(inline_text *i, uint32_t at)
{
    char out[8];
    size_t n;
    uint32_t len = ui_md_entity(i->s, at, i->end, out, &n);
    if (!len)
        return at + 1;
    take(i, at, at + len);
    push(i, MD_IT_ENTITY, at, len);
    return at + len;
}

static uint32_t bare_link(inline_text *i, uint32_t at)
{
    uint32_t from = at, n = ui_md_bare_read(i->s, i->text, at, i->end, i->n_bracket > 0, &from);
    if (!n)
        return at + 1;
    take(i, from, from + n);
    push(i, MD_IT_AUTO, from, n);
    return from + n;
}

/* Goes on behind what begins at the special character s[at]. */
static uint32_t special(inline_text *i, uint32_t at)
{
    switch (i->s[at]) {
    case '\n':
        return line_end(i, at);
    case '<':
        return angle(i, at);
    case '&':
        return entity(i, at);
    case '\\':
        return backslash(i, at);
    case '`':
        return code(i, at);
    case '[':
        return bracket_open(i, at, false);
    case ']':
        return bracket_close(i, at);
    case '!':
        return at + 1 < i->end && i->s[at + 1] == '[' ? bracket_open(i, at, true) : at + 1;
    case ':':
    case 'w':
        return bare_link(i, at);
    default:
        return delimiter(i, at);
    }
}

static const bool special_in_html[256] = {['\n'] = true, ['<'] = true, ['&'] = true};
static const bool special_char[256] = {
    ['\n'] = true, ['<'] = true, ['&'] = true, ['\\'] = true, ['`'] = true,
    ['*'] = true,  ['_'] = true, ['~'] = true, ['['] = true,  [']'] = true,
    ['!'] = true,  [':'] = true, ['w'] = true,
};

static void part(md_lay *l, uint32_t at, uint32_t end)
{
    const bool *stop = l->html ? special_in_html : special_char;
    const md_style before = l->style;
    const md_flow f = {.at = (uint32_t)l->m->shown.len};
    inline_text i = {.l = l,
                     .s = l->s,
                     .from = at,
                     .end = end,
                     .text = at,
                     .head = -1,
                     .tail = -1,
                     .ended = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}};
    l->n_item = l->n_delim = 0;
    l->href = (md_attr){0};
    while (at < end && !stop[(uint8_t)l->s[at]])
        at++;
    if (at == end) { /* nothing but text */
        ui_md_put(l, i.from, end - i.from);
        return;
    }
    while (at < end)
        at = stop[(uint8_t)l->s[at]] ? special(&i, at) : at + 1;
    take(&i, end, end);
    settle(&i, -1);
    if (l->failed)
        return;
    ui_md_write(l, &f);
    l->style = before;
}

/* Where a text of more than MD_INLINE bytes is divided: behind a line, a word or a character. */
static uint32_t divide(const char *s, uint32_t at)
{
    uint32_t end = at + MD_INLINE, low = at + MD_INLINE / 2, cut = end;
    while (cut > low && s[cut - 1] != '\n')
        cut--;
    for (cut = cut > low ? cut : end; cut > low && !md_is_white(s[cut - 1]) && s[cut - 1] != '\n';)
        cut--;
    return cut > low ? cut : at + (uint32_t)nb_utf8_whole(s + at, MD_INLINE);
}

void ui_md_inline(md_lay *l, uint32_t at, uint32_t end)
{
    for (uint32_t cut; end - at > MD_INLINE; at = cut) {
        cut = divide(l->s, at);
        part(l, at, cut);
    }
    part(l, at, end);
}
