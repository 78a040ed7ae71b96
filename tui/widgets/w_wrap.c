#include "tui/widgets/widget.h"

#include <stdlib.h>

/* Bytes and cells of the cluster at s: a base and what joins it; an invalid byte is one cell. */
static size_t cluster(const char *s, size_t n, int *width, uint32_t *first)
{
    uint32_t cp;
    size_t used = nb_utf8_next(s, n, first, NULL);
    if (!used) {
        *width = 1;
        *first = 0xfffd;
        return 1;
    }
    int w = nb_cp_width(*first);
    *width = w < 0 ? 8 : w; /* shown as a code such as <U+202E> */
    bool joined = false;
    for (size_t more; used < n; used += more) {
        more = nb_utf8_next(s + used, n - used, &cp, NULL);
        if (!more || (nb_cp_width(cp) != 0 && !joined))
            break;
        joined = cp == 0x200d;
        if (cp == 0xfe0f)
            *width = 2;
    }
    return used;
}

static nb_status push(ui_row **rows, size_t *count, size_t *cap, size_t start, size_t end,
                      nb_err *err)
{
    if (*count == *cap) {
        size_t more = *cap ? *cap * 2 : 64;
        ui_row *grown = realloc(*rows, more * sizeof *grown);
        if (!grown)
            return nb_fail(err, NB_NOMEM, "wrapped text: %zu rows", more);
        *rows = grown;
        *cap = more;
    }
    (*rows)[(*count)++] = (ui_row){(uint32_t)start, (uint32_t)(end - start)};
    return NB_OK;
}

/* End of the display row that starts at `start`; *next is where the following one begins. */
static size_t row_end(const char *text, size_t n, size_t start, int width, size_t *next)
{
    size_t i = start, space = 0, after_space = 0;
    int used = 0;
    while (i < n) {
        int w;
        uint32_t cp;
        if (text[i] == '\n') {
            *next = i + 1;
            return i;
        }
        size_t len = cluster(text + i, n - i, &w, &cp);
        if (used + w > width && i > start) {
            if (cp == ' ') { /* the space that does not fit is swallowed */
                *next = i + len;
                return i;
            }
            *next = after_space > start ? after_space : i;
            return after_space > start ? space : i;
        }
        used += w;
        if (cp == ' ') {
            space = i;
            after_space = i + len;
        }
        i += len;
    }
    *next = n;
    return n;
}

nb_status ui_wrap(const char *text, size_t n, int width, ui_row **rows, size_t *count, size_t *cap,
                  nb_err *err)
{
    size_t at = 0;
    width = width > 0 ? width : 1;
    if (*count) { /* the last valid row may grow: wrap it again */
        (*count)--;
        at = (*rows)[*count].start;
    }
    while (at < n) {
        size_t next, end = row_end(text, n, at, width, &next);
        NB_TRY(push(rows, count, cap, at, end, err));
        at = next;
    }
    if (n == 0 || text[n - 1] == '\n') /* the caret's own empty row */
        return push(rows, count, cap, n, n, err);
    return NB_OK;
}
