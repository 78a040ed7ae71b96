/* Markdown as display rows: chat answers and model cards. Pure: bytes -> rows, kept for one width
 * -> the visible slice of them drawn.
 *
 * CommonMark with what GitHub adds (tables, task lists, strike-through, bare links). Shown so that
 * it reads without colour: headings keep their #, code its indent or its backticks, struck text its
 * tildes. A link's target follows it in brackets unless it is the text itself or a place in the
 * same page; in a table, whose columns it would drown, a number does, and the targets stand
 * beneath. HTML is read for its text: tags go, lists, tables, links and the names of images stay. A
 * table too wide for its columns becomes one `heading: cell` a row. What nests deeper than 12
 * levels is shown flat.
 *
 * Any bytes are safe: no row is wider than the width, what reaches the canvas is sanitised, time
 * and memory are linear in the bytes, nothing recurses. Of a text only the first UI_MD_MAX bytes
 * and UI_MD_ROWS rows are laid out; a last row says so. */
#ifndef NIBBLE_MD_H
#define NIBBLE_MD_H

#include "tui/canvas.h"

enum { UI_MD_MAX = 4 << 20, UI_MD_ROWS = 1 << 20 };

typedef struct ui_md ui_md; /* the rows of one text */

typedef struct ui_md_look {
    int width;  /* cells, at least 1 */
    bool ascii; /* as the canvas it will be drawn on */
    bool
        chat; /* line ends in a paragraph are kept and there is no front matter; else a README.md */
    bool mark; /* the glyph of a first difference stands before byte mark_at, and the mark_len */
    size_t mark_at, mark_len; /* bytes from there are in DIFF_FIRST */
} ui_md_look;

/* Lays text out; *m is made when NULL. At once when nothing changed. A text that grew must begin
 * with the bytes given before (else close *m first): only its last block is laid again. The text is
 * not kept. NB_NOMEM leaves no rows. */
nb_status ui_md_lay(ui_md **m, const char *text, size_t n, const ui_md_look *look, nb_err *err);
size_t ui_md_rows(const ui_md *m); /* m may be NULL: 0 */
/* Draws the rows from `top` on that fit into r, which is at least look.width wide or clips. */
void ui_md_draw(const ui_md *m, ui_canvas *c, ui_rect r, size_t top);
void ui_md_close(ui_md **m); /* frees and NULLs; *m may be NULL */

/* The YAML front matter of a README.md: true with the bytes between its two lines of dashes, where
 * license, tags and base_model are. */
bool ui_md_front(const char *text, size_t n, size_t *at, size_t *len);

#endif
