/* The Markdown widget's own: what is kept, what one call of ui_md_lay works on, and how its files
 * hand over. w_md.c keeps and draws rows, md_block.c turns lines into blocks, md_inline.c finds
 * what a block's text is made of and md_write.c writes it as styled text, which md_flow.c breaks
 * into rows; md_table.c and md_html_block.c do so for theirs; md_parse.h has the readers.
 *
 * Own code because no library fits. md4c, which streams events, parses only whole documents, does
 * not say where in the source a text stands (the marker of a first difference needs it), and as
 * Debian 12 has it (0.4.8) takes 1.4 s for 32 KiB of brackets and 4.6 s for 256 KiB of "](["
 * (its issues 172 and 236, repaired later). */
#ifndef NIBBLE_MD_OWN_H
#define NIBBLE_MD_OWN_H

#include "tui/widgets/md.h"
#include "tui/widgets/md_parse.h"

/* --- what is kept between calls --- */

typedef struct md_piece {
    uint32_t at, len; /* bytes of ui_md.shown */
    uint16_t x;
    uint8_t role, attrs;
} md_piece;

typedef enum md_deco { MD_PLAIN, MD_RULED, MD_BARS, MD_CROSSED } md_deco;
typedef struct md_row {
    uint32_t piece;      /* its first; the next row's first ends it */
    uint32_t deco : 2;   /* md_deco */
    uint32_t where : 30; /* RULED: its first cell; BARS, CROSSED: index of a grid */
} md_row;

/* Where the last block begins, which a longer text may change, and what stood before it. */
typedef struct md_tail {
    uint32_t src; /* byte of the text */
    size_t leaf;  /* while laying: its first leaf */
    md_series list;
    bool blank, marked, gap;
    size_t shown, n_piece, n_row, n_grid, n_def, expanded;
} md_tail;

struct ui_md {
    nb_str shown; /* all rows' text, sanitised */
    md_piece *piece;
    md_row *row;
    uint16_t *grid; /* {n, x of n bars, first x, end} one after another */
    md_def *def;
    size_t n_piece, cap_piece, n_row, cap_row, n_grid, cap_grid, n_def, cap_def;
    ui_md_look look;
    size_t len;     /* of the text that is laid */
    uint32_t start; /* where its Markdown begins */
    uint64_t def_sum;
    size_t expanded;        /* bytes of targets shown for [references] */
    bool laid, marked, gap; /* gap: an empty row is due */
    md_tail tail;
};

/* --- styled text --- */

typedef struct md_style {
    int strong, em, strike, code, link, dim, head;
} md_style;

typedef struct md_run {
    uint32_t at; /* byte of ui_md.shown, up to the next run's */
    uint8_t role, attrs;
} md_run;

typedef struct md_flow { /* styled text; '\n' is a row's end */
    uint32_t at, end;    /* bytes of ui_md.shown */
    uint32_t run, run_end;
} md_flow;

typedef struct md_pen { /* a place in a flow */
    uint32_t at, run;
} md_pen;

typedef struct md_cell {
    uint32_t at, end; /* bytes of the inline text */
    uint32_t row, col;
    md_flow flow;
    md_pen pen; /* what is still to be put */
    int width;  /* cells of its widest line */
} md_cell;

/* --- one call of ui_md_lay --- */

typedef struct md_lay {
    ui_md *m;
    const char *text; /* borrowed */
    uint32_t n;
    ui_md_look look;
    bool failed, full; /* out of memory; rows over the limit */
    md_tail top;       /* the last block at the outermost level */
    /* owned, for this call: */
    md_line *line;
    md_box *box;
    md_leaf *leaf;
    md_run *run;
    md_item *item;
    md_delim *delim;
    md_cell *cell;
    md_item *note;          /* of the table: ends of links whose targets stand beneath it */
    uint8_t *align;         /* [columns] 0 left, 1 centre, 2 right */
    struct md_label *label; /* of the definitions, sorted */
    size_t n_line, cap_line, n_box, cap_box, n_leaf, cap_leaf, n_run, cap_run, n_item, cap_item;
    size_t n_delim, cap_delim, n_cell, cap_cell, n_align, cap_align, n_label, cap_label;
    size_t n_note, cap_note;
    nb_str join;        /* a block's lines as one text */
    md_leaf spare_leaf; /* where a failed push points */
    md_item spare_item;
    md_bracket bracket[MD_BRACKETS];
    uint32_t ticks[MD_TICKS + 1]; /* where the last run of so many backticks begins */
    /* the text being written: */
    uint32_t leaf_at;      /* where in the text its block begins */
    const char *s;         /* the whole text, or join */
    size_t mark, mark_end; /* in s; SIZE_MAX = not in this block */
    md_style style;
    bool html, pre, table; /* only tags and entities count; white stays; targets are
                            noted */
    size_t flow_run;       /* first run of the open flow */
    md_attr href;          /* of the HTML link that is open; name: where its text begins */
    /* what stands left of the rows: */
    uint32_t first_at, first_len, rest_at, rest_len; /* bytes of ui_md.shown */
    uint32_t bar_at, bar_len;                        /* ... of the gap before them */
    int left, room;                                  /* its cells, and what is left of the width */
    bool first, prefixed;              /* at the first row; `last` is what it was made for */
    md_box last[MD_DEPTH + MD_NESTED]; /* [n_last] */
    size_t n_last, last_common;
} md_lay;

/* The array `at` with room for element n, moved if need be; NULL: out of memory, l->failed is set
 * and `at` stays. */
void *ui_md_more(md_lay *l, void *at, size_t n, size_t *cap, size_t size);

/* md_block.c: the text from `from` on as l->leaf; definitions go to m->def. */
void ui_md_blocks(md_lay *l, const md_tail *from);

/* md_flow.c */
/* What stands left of the rows to come in n containers, of which `common` go on through a gap. */
void ui_md_prefix(md_lay *l, const md_box *box, size_t n, size_t common);
md_flow ui_md_flow_begin(md_lay *l);
void ui_md_flow_end(const md_lay *l, md_flow *f);
/* Appends source text s[at, at + len) in the present style, with the marker where it belongs. */
void ui_md_put(md_lay *l, uint32_t at, uint32_t len);
/* Appends text that is not in the source; `at` is where it would be. */
void ui_md_say(md_lay *l, uint32_t at, const char *text, size_t n);
void ui_md_break(md_lay *l, const md_flow *f); /* a row's end, unless at one */
/* End of the row that starts at *p; moves *p to where the next one does. words: between words. */
uint32_t ui_md_wrap(const md_lay *l, const md_flow *f, md_pen *p, int room, bool words);
int ui_md_flow_width(const md_lay *l, const md_flow *f); /* of its widest line; capped at 10,000 */
void ui_md_row_begin(md_lay *l, md_deco deco, uint32_t where);
/* Pieces of the flow from p to end, at cell x. */
void ui_md_row_put(md_lay *l, const md_flow *f, md_pen p, uint32_t end, int x);
void ui_md_row_text(md_lay *l, const char *text, int x);       /* dim, not in the source */
void ui_md_flow_rows(md_lay *l, const md_flow *f, bool words); /* all rows of it */
void ui_md_mark_end(md_lay *l); /* the marker, when no text stands behind its place */

/* md_inline.c: s[at, end) into the open flow, by l->item */
void ui_md_inline(md_lay *l, uint32_t at, uint32_t end);

/* md_write.c */
void ui_md_write(md_lay *l, const md_flow *f); /* l->item into the open flow f */
/* " (target)" behind a link whose text is s[text, text_end); in a table "[n]" and a note. */
void ui_md_target(md_lay *l, uint32_t at, uint32_t len, uint32_t text, uint32_t text_end);
/* The target of a note, into the open flow. */
void ui_md_note_target(md_lay *l, const md_item *note);
/* Name of the image s[at, at + len) when it has no other: the end of its path. */
void ui_md_image_name(md_lay *l, uint32_t at, uint32_t len);
void ui_md_inline_tag(md_lay *l, const md_flow *f, const md_tag *t);

/* md_link.c */
void ui_md_defs_sort(md_lay *l); /* makes md_def_find ready; the first of a label counts */
const md_def *ui_md_def_find(const md_lay *l, const char *label, uint32_t len); /* NULL = none */

/* md_html_block.c: rows of the HTML block s[at, end) */
void ui_md_html(md_lay *l, const md_leaf *leaf, uint32_t at, uint32_t end);

/* md_table.c */
/* Columns of the delimiter row text[at, end), 0 = is none; aligns go to l->align. */
uint32_t ui_md_table_rule(md_lay *l, uint32_t at, uint32_t end);
void ui_md_table(md_lay *l, const md_leaf *leaf);
/* Lays l->cell; head: row 0 is a heading. */
void ui_md_table_lay(md_lay *l, uint32_t cols, bool head);

#endif
