/* Markdown laid out for tests. */
#ifndef NIBBLE_TEST_MD_H
#define NIBBLE_TEST_MD_H

#include "tui/widgets/md.h"

/* The caller closes it. */
ui_md *md_lay(const char *text, size_t n, const ui_md_look *look);
/* All its rows on a canvas of its width; the caller frees it. */
ui_canvas md_drawn(const ui_md *m, const ui_md_look *look);
/* The same as text, into out, which is cleared first. */
void md_text(const char *text, size_t n, const ui_md_look *look, bool roles, nb_str *out);
/* Checks that no row is wider than the width and nothing on it unsafe. */
void md_keeps_its_width(const ui_md *m, const ui_md_look *look, const char *what);

#endif
