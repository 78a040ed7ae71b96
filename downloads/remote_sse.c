/* Server-sent events as the standard has them (WHATWG HTML 9.2.6): lines end in CR, LF or both,
 * "data:" lines of one event are joined, an empty line ends it, everything else is passed over. Two
 * liberties: "error:" counts as data (older llama.cpp servers send their errors so), and what ends
 * without an empty line is an event too. A server that does not stream answers one document. */
#include <string.h>

#include "downloads/remote_own.h"

void dl_sse_push(dl_sse *s, const void *bytes, size_t n)
{
    if (s->at > 0 && s->in.len > 0) {
        s->in.len -= s->at;
        s->seen -= s->at;
        memmove(s->in.at, s->in.at + s->at, s->in.len + 1);
        s->at = 0;
    }
    nb_str_addn(&s->in, bytes, n);
}

void dl_sse_end(dl_sse *s)
{
    s->whole = true;
}

/* Whether c is one of the n bytes at set; no byte ends a text here. */
static bool is_one_of(char c, const char *set, size_t n)
{
    return memchr(set, c, n) != NULL;
}

/* Before the first line: a byte order mark, then blanks go; false = nothing else is there yet. */
static bool start(dl_sse *s)
{
    static const char bom[] = "\xef\xbb\xbf";
    size_t left = s->in.len - s->at;
    const char *p = nb_str_c(&s->in) + s->at;
    if (!s->marked && left < 3 && !s->whole && memcmp(p, bom, left) == 0)
        return false;
    if (!s->marked && left >= 3 && memcmp(p, bom, 3) == 0)
        s->at += 3;
    s->marked = true;
    while (s->at < s->in.len && is_one_of(s->in.at[s->at], " \t\r\n", 4))
        s->at++;
    if (s->at == s->in.len)
        return false;
    s->seen = s->at;
    s->plain = is_one_of(s->in.at[s->at], "{[<", 3);
    s->started = true;
    return true;
}

/* The next line without its end; false = it is not whole yet. */
static bool next_line(dl_sse *s, const char **line, size_t *n)
{
    char *text = s->in.at;
    if (s->skip_lf && s->at < s->in.len) {
        s->at += text[s->at] == '\n';
        s->seen = s->seen < s->at ? s->at : s->seen;
        s->skip_lf = false;
    }
    while (s->seen < s->in.len && text[s->seen] != '\n' && text[s->seen] != '\r')
        s->seen++;
    if (s->seen == s->in.len) {
        s->over = s->in.len - s->at > DL_EVENT_MAX;
        if (!s->whole || s->at == s->in.len || s->over)
            return false;
    }
    *line = text + s->at;
    *n = s->seen - s->at;
    s->skip_lf = s->seen < s->in.len && text[s->seen] == '\r';
    s->seen += s->seen < s->in.len;
    s->at = s->seen;
    return true;
}

static bool is_field(const char *line, size_t n, const char *name)
{
    size_t len = strlen(name);
    return n >= len && memcmp(line, name, len) == 0 && (n == len || line[len] == ':');
}

static void take_line(dl_sse *s, const char *line, size_t n)
{
    if (!is_field(line, n, "data") && !is_field(line, n, "error"))
        return;
    size_t skip = *line == 'd' ? 4 : 5;
    skip += skip < n;
    skip += skip < n && line[skip] == ' ';
    if (s->has_data)
        nb_str_add(&s->data, "\n");
    nb_str_addn(&s->data, line + skip, n - skip);
    s->has_data = true;
    s->over = s->data.len > DL_EVENT_MAX;
}

static bool whole_document(dl_sse *s, char **data, size_t *n)
{
    s->over = s->in.len - s->at > DL_EVENT_MAX;
    if (!s->whole || s->given || s->over)
        return false;
    s->given = true;
    *data = s->in.at + s->at;
    *n = s->in.len - s->at;
    return true;
}

bool dl_sse_next(dl_sse *s, char **data, size_t *n)
{
    const char *line;
    size_t len;
    if (s->over || s->in.failed || (!s->started && !start(s)))
        return false;
    if (s->plain)
        return whole_document(s, data, n);
    if (s->given)
        nb_str_clear(&s->data);
    s->given = false;
    bool ends = false;
    while (!ends && next_line(s, &line, &len)) {
        ends = len == 0 && s->data.len > 0; /* one without data is none */
        s->has_data = s->has_data && (len > 0 || ends);
        take_line(s, line, len);
        if (s->over || s->data.failed)
            return false;
    }
    bool last = s->whole && s->data.len > 0 && s->at == s->in.len && !s->over;
    if (!ends && !last)
        return false;
    s->has_data = false;
    s->given = true;
    *data = s->data.at;
    *n = s->data.len;
    return true;
}

void dl_sse_free(dl_sse *s)
{
    nb_str_free(&s->in);
    nb_str_free(&s->data);
    *s = (dl_sse){0};
}
