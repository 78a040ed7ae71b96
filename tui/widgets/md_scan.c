/* A line of Markdown as its blocks see it: white counted in columns (CommonMark 0.31, 2.2). */
#include "tui/widgets/md_parse.h"

static int tab_end(int col)
{
    return (col | 3) + 1;
}

static void find_next(md_scan *c)
{
    c->next = c->at;
    c->next_col = c->at_col;
    for (; c->next < c->end && md_is_white(c->s[c->next]); c->next++)
        c->next_col = c->s[c->next] == '\t' ? tab_end(c->next_col) : c->next_col + 1;
}

md_scan ui_md_scan_line(const char *s, uint32_t at, uint32_t end)
{
    md_scan c = {.s = s, .at = at, .end = end};
    find_next(&c);
    return c;
}

int ui_md_indent(const md_scan *c)
{
    return c->next_col - c->col;
}

bool ui_md_blank(const md_scan *c)
{
    return c->next == c->end;
}

void ui_md_eat(md_scan *c, int n)
{
    c->col += n;
    while (c->at < c->next) {
        int end = c->s[c->at] == '\t' ? tab_end(c->at_col) : c->at_col + 1;
        if (end > c->col)
            break;
        c->at_col = end;
        c->at++;
    }
}

void ui_md_pass(md_scan *c, uint32_t n)
{
    c->at = c->next + n;
    c->at_col = c->col = c->next_col + (int)n;
    find_next(c);
}

uint32_t ui_md_trim(const char *s, uint32_t at, uint32_t end)
{
    while (end > at && md_is_white(s[end - 1]))
        end--;
    return end;
}

uint32_t ui_md_run_of(const md_scan *c, uint32_t at, char ch)
{
    uint32_t n = 0;
    while (at + n < c->end && c->s[at + n] == ch)
        n++;
    return n;
}

bool ui_md_is_rule(const md_scan *c)
{
    char mark = ui_md_blank(c) ? '\0' : c->s[c->next];
    int n = 0;
    if (!mark || (mark != '-' && mark != '_' && mark != '*'))
        return false;
    for (uint32_t i = c->next; i < c->end; i++) {
        n += c->s[i] == mark;
        if (c->s[i] != mark && !md_is_white(c->s[i]))
            return false;
    }
    return n >= 3;
}
