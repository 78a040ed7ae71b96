/* The items of a block's text as styled text. */
#include "tui/widgets/md_own.h"

#include <stdio.h>
#include <string.h>

enum { EXPAND = 4096 }; /* bytes */

/* --- targets --------------------------------------------------------------------------------- */

static bool white(const md_lay *l)
{
    const nb_str *s = &l->m->shown;
    return s->len && s->at[s->len - 1] == ' ';
}

/* Before a target: one space. */
static void open_target(md_lay *l, uint32_t at)
{
    l->style.dim++;
    ui_md_say(l, at, white(l) ? "(" : " (", white(l) ? 1 : 2);
}

/* Part of a target. A definition's stands elsewhere in the text: it counts as where it is shown. */
static void put_part(md_lay *l, const md_item *def, uint32_t at, uint32_t end)
{
    if (def)
        ui_md_say(l, def->at, l->text + at, end - at);
    else
        ui_md_put(l, at, end - at);
}

/* A target with its escapes and entities as what they stand for; def: of a definition. */
static void put_target(md_lay *l, const md_item *def, uint32_t at, uint32_t len)
{
    const char *s = def ? l->text : l->s;
    char out[8];
    size_t n;
    uint32_t end = at + len, from = at;
    while (at < end) {
        uint32_t escape = ui_md_escape(s, at, end);
        uint32_t entity = s[at] == '&' ? ui_md_entity(s, at, end, out, &n) : 0;
        if (!escape && !entity) {
            at++;
            continue;
        }
        put_part(l, def, from, at);
        if (entity)
            ui_md_say(l, def ? def->at : at, out, n);
        from = at + (escape ? 1 : entity);
        at += escape + entity;
    }
    put_part(l, def, from, end);
}

void ui_md_note_target(md_lay *l, const md_item *note)
{
    put_target(l, note->def ? note : NULL, note->to, note->to_len);
}

/* " [n]" behind a link in a table. */
static void take_note(md_lay *l, const md_item *end)
{
    char number[16];
    md_item *a = ui_md_more(l, l->note, l->n_note, &l->cap_note, sizeof *a);
    if (!a)
        return;
    l->note = a;
    a[l->n_note++] = *end;
    int n = snprintf(number, sizeof number, "%s[%zu]", white(l) ? "" : " ", l->n_note);
    l->style.dim++;
    ui_md_say(l, end->at, number, (size_t)n);
    l->style.dim--;
}

void ui_md_target(md_lay *l, uint32_t at, uint32_t len, uint32_t text, uint32_t text_end)
{
    if (!len || l->s[at] == '#' ||
        (text_end - text == len && memcmp(l->s + text, l->s + at, len) == 0))
        return;
    if (l->table) {
        take_note(l, &(md_item){.at = text_end, .to = at, .to_len = len});
        return;
    }
    open_target(l, text_end);
    put_target(l, NULL, at, len);
    ui_md_say(l, at + len, ")", 1);
    l->style.dim--;
}

/* A definition's target may be asked for again and again: together no more than the text so far and
 * a little. (Not all of the text: what is laid may not change when it grows.) */
static void def_target(md_lay *l, const md_item *it)
{
    const char *to = l->text + it->to;
    if (!it->to_len || to[0] == '#' || l->m->expanded + it->to_len > l->leaf_at + EXPAND)
        return;
    l->m->expanded += it->to_len;
    if (l->table) {
        take_note(l, it);
        return;
    }
    open_target(l, it->at);
    put_target(l, it, it->to, it->to_len);
    ui_md_say(l, it->at, ")", 1);
    l->style.dim--;
}

void ui_md_image_name(md_lay *l, uint32_t at, uint32_t len)
{
    uint32_t end = at, from = at;
    if (len >= 5 && memcmp(l->s + at, "data:", 5) == 0)
        return;
    for (; end < at + len && l->s[end] != '?' && l->s[end] != '#'; end++)
        from = l->s[end] == '/' ? end + 1 : from;
    if (end > from) {
        ui_md_say(l, at, ": ", 2);
        ui_md_put(l, from, end - from);
    }
}

/* --- tags ------------------------------------------------------------------------------------ */

static void image(md_lay *l, const md_tag *t)
{
    md_attr a;
    l->style.dim++;
    ui_md_say(l, t->at, "[image", 6);
    if (ui_md_tag_attr(l->s, t, "alt", &a)) {
        ui_md_say(l, t->at, ": ", 2);
        ui_md_put(l, a.value, a.value_len);
    } else if (ui_md_tag_attr(l->s, t, "src", &a)) {
        ui_md_image_name(l, a.value, a.value_len);
    }
    ui_md_say(l, t->end, "]", 1);
    l->style.dim--;
}

static void link_tag(md_lay *l, const md_tag *t)
{
    if (l->href.value_len) { /* links do not nest */
        l->style.link--;
        ui_md_target(l, l->href.value, l->href.value_len, l->href.name, t->at);
    }
    l->href = (md_attr){0};
    if (!t->close && ui_md_tag_attr(l->s, t, "href", &l->href)) {
        l->href.name = t->end; /* where its text begins */
        l->style.link++;
    } else {
        l->href.value_len = 0;
    }
}

void ui_md_inline_tag(md_lay *l, const md_flow *f, const md_tag *t)
{
    md_style *s = &l->style;
    md_effect e = ui_md_tag_effect(t);
    int *count = e == MD_TAG_STRONG || e == MD_TAG_SUMMARY ? &s->strong
                 : e == MD_TAG_EM                          ? &s->em
                 : e == MD_TAG_CODE                        ? &s->code
                 : e == MD_TAG_STRIKE                      ? &s->strike
                                                           : NULL;
    if (e == MD_TAG_STRIKE)
        ui_md_say(l, t->at, "~~", 2);
    if (count && (!t->close || *count > 0)) /* an end without a begin does nothing */
        *count += t->close ? -1 : 1;
    if (e == MD_TAG_LINK)
        link_tag(l, t);
    else if (e == MD_TAG_IMAGE)
        image(l, t);
    else if (e == MD_TAG_BREAK)
        ui_md_say(l, t->at, "\n", 1);
    else if (e >= MD_TAG_ROW)
        ui_md_break(l, f);
    if (e == MD_TAG_ITEM && !t->close)
        ui_md_say(l, t->at, l->look.ascii ? "- " : "• ", l->look.ascii ? 2 : 4);
}

/* --- items ----------------------------------------------------------------------------------- */

static void write_delim(md_lay *l, const md_item *it)
{
    bool strike = l->s[it->at] == '~';
    for (int k = 0; strike && k < it->close_em + it->open_em; k++) {
        l->style.strike += k < it->close_em ? 0 : 1;
        ui_md_say(l, it->at, "~~", 2);
        l->style.strike -= k < it->close_em ? 1 : 0;
    }
    l->style.strong -= it->close_strong;
    l->style.em -= strike ? 0 : it->close_em;
    ui_md_put(l, it->at, it->len);
    l->style.strong += it->open_strong;
    l->style.em += strike ? 0 : it->open_em;
}

static void write_code(md_lay *l, const md_item *it)
{
    const char *s = l->s;
    uint32_t at = it->at, end = at + it->len, from;
    bool white = true;
    for (uint32_t i = at; i < end && white; i++)
        white = s[i] == ' ' || s[i] == '\n';
    if (!white && (s[at] == ' ' || s[at] == '\n') && (s[end - 1] == ' ' || s[end - 1] == '\n')) {
        at++;
        end--;
    }
    l->style.code++;
    ui_md_say(l, at, "`", 1);
    for (from = at; at < end; at++) {
        bool pipe = l->table && s[at] == '\\' && at + 1 < end && s[at + 1] == '|';
        if (s[at] != '\n' && !pipe)
            continue;
        ui_md_put(l, from, at - from);
        if (!pipe)
            ui_md_say(l, at, " ", 1);
        from = at + 1;
    }
    ui_md_put(l, from, end - from);
    ui_md_say(l, end, "`", 1);
    l->style.code--;
}

static void write_end(md_lay *l, const md_item *it)
{
    const md_item *open = &l->item[it->len];
    if (it->kind == MD_IT_IMAGE_END) {
        if (it - open == 1 && !it->def)
            ui_md_image_name(l, it->to, it->to_len);
        ui_md_say(l, it->at, "]", 1);
        l->style.dim--;
        return;
    }
    l->style.link--;
    if (it->def)
        def_target(l, it);
    else
        ui_md_target(l, it->to, it->to_len, open->at + open->len, it->at);
}

static void write_item(md_lay *l, const md_flow *f, const md_item *it)
{
    char out[8];
    size_t n;
    md_tag t;
    switch (it->kind) {
    case MD_IT_DELIM:
        write_delim(l, it);
        break;
    case MD_IT_CODE:
        write_code(l, it);
        break;
    case MD_IT_LINK:
        l->style.link++;
        break;
    case MD_IT_IMAGE:
        l->style.dim++;
        ui_md_say(l, it->at, it[1].kind == MD_IT_IMAGE_END ? "[image" : "[image: ",
                  it[1].kind == MD_IT_IMAGE_END ? 6 : 8);
        break;
    case MD_IT_LINK_END:
    case MD_IT_IMAGE_END:
        write_end(l, it);
        break;
    case MD_IT_AUTO:
        l->style.link++;
        ui_md_put(l, it->at, it->len);
        l->style.link--;
        break;
    case MD_IT_TAG:
        if (ui_md_tag_read(l->s, it->at, it->at + it->len, &t))
            ui_md_inline_tag(l, f, &t);
        break;
    case MD_IT_ENTITY:
        ui_md_entity(l->s, it->at, it->at + it->len, out, &n);
        ui_md_say(l, it->at, out, n);
        break;
    case MD_IT_BREAK:
        ui_md_say(l, it->at, "\n", 1);
        break;
    default:
        if (!l->html ||
            (l->m->shown.len > f->at && !md_is_white(l->m->shown.at[l->m->shown.len - 1])))
            ui_md_say(l, it->at, " ", 1);
    }
}

/* Shown as it is. */
static bool is_plain(const md_item *it)
{
    return it->kind == MD_IT_TEXT || (it->kind == MD_IT_DELIM && !it->close_strong &&
                                      !it->close_em && !it->open_strong && !it->open_em);
}

void ui_md_write(md_lay *l, const md_flow *f)
{
    for (size_t k = 0, next; k < l->n_item; k = next) {
        const md_item *it = &l->item[k];
        uint32_t end = it->at + it->len;
        for (next = k + 1; is_plain(it) && next < l->n_item && is_plain(&l->item[next]) &&
                           l->item[next].at == end;)
            end += l->item[next++].len;
        if (is_plain(it))
            ui_md_put(l, it->at, end - it->at);
        else
            write_item(l, f, it);
    }
}
