/* What Markdown is made of, and the readers of its parts. They look at s[at, end), keep nothing,
 * and return where the part ends, 0 when there is none. Private to the Markdown widget. */
#ifndef NIBBLE_MD_PARSE_H
#define NIBBLE_MD_PARSE_H

#include "core/base/str.h"

enum {
    MD_DEPTH = 12,         /* containers within each other */
    MD_NESTED = 8,         /* of those of HTML within them */
    MD_LABEL = 999,        /* bytes of a link label (CommonMark 0.31, 4.7) */
    MD_NAME = 16,          /* bytes of a tag's name, with the NUL */
    MD_BRACKETS = 256,     /* open at a time */
    MD_TICKS = 64,         /* backticks in a row that still begin code */
    MD_INLINE = 128 << 10, /* bytes of text within which what is inline begins and ends */
};

/* --- lines (md_scan.c) --- */

static inline bool md_is_white(char c)
{
    return c == ' ' || c == '\t';
}

/* A line being read. A tab may be half used: `col` is then inside it. */
typedef struct md_scan {
    const char *s;
    uint32_t at, end, next; /* place, line's end, first byte from `at` on that is not white */
    int col, at_col, next_col;
} md_scan;
md_scan ui_md_scan_line(const char *s, uint32_t at, uint32_t end);
int ui_md_indent(const md_scan *c); /* columns of white before `next` */
bool ui_md_blank(const md_scan *c);
void ui_md_eat(md_scan *c, int n);       /* goes over n columns of white */
void ui_md_pass(md_scan *c, uint32_t n); /* goes over the white and n bytes behind it */
uint32_t ui_md_trim(const char *s, uint32_t at, uint32_t end); /* end without white before it */
uint32_t ui_md_run_of(const md_scan *c, uint32_t at, char ch); /* how many of ch stand there */
bool ui_md_is_rule(const md_scan *c); /* three or more of one of - _ *, with white between */

/* --- blocks (md_block.c) --- */

typedef enum md_kind { MD_PARA, MD_HEAD, MD_CODE, MD_HTML, MD_RULE, MD_TABLE, MD_NONE } md_kind;

typedef struct md_line {
    uint32_t at, end; /* bytes of the text, without line end */
    uint32_t indent;  /* CODE: columns of white before `at` */
} md_line;

typedef enum md_box_kind { MD_QUOTE, MD_BULLET, MD_NUMBER, MD_LIST } md_box_kind;
typedef struct md_box { /* a container around a block */
    uint8_t kind;       /* LIST: of HTML, between its items */
    bool first;         /* its marker is to be shown */
    char task;          /* ' ' or 'x'; 0 = is none */
    uint32_t number;
} md_box;

typedef struct md_leaf {
    uint8_t kind, level;   /* HEAD: 1..6 */
    bool gap;              /* an empty line stood before it */
    uint8_t n_box, common; /* containers; how many of them go on from the block before */
    uint32_t box, line, n_line;
} md_leaf;

/* The list an item would continue; mark 0 = none. */
typedef struct md_series {
    char mark; /* - + * . ) */
    uint32_t number;
} md_series;

/* --- text (md_inline.c) --- */

typedef enum md_item_kind {
    MD_IT_TEXT,
    MD_IT_DELIM, /* what is left of it is text */
    MD_IT_CODE,
    MD_IT_LINK,
    MD_IT_LINK_END,
    MD_IT_IMAGE,
    MD_IT_IMAGE_END,
    MD_IT_AUTO, /* a link that is its own text */
    MD_IT_TAG,
    MD_IT_ENTITY,
    MD_IT_BREAK,
    MD_IT_SOFT,
} md_item_kind;

typedef struct md_item { /* what a block's text is made of, in order */
    uint32_t at, len;    /* bytes; LINK_END, IMAGE_END: len is the item that begins it */
    uint32_t to, to_len; /* LINK_END, IMAGE_END: target */
    uint8_t kind;
    bool def; /* the target is a definition's, bytes of the whole text */
    uint8_t close_strong, close_em, open_strong, open_em;
} md_item;

typedef struct md_delim { /* a run of * _ or ~ */
    uint32_t item;
    int32_t prev, next; /* -1 = none */
    char ch;
    uint8_t len; /* at first */
    bool open, close;
} md_delim;

typedef struct md_bracket { /* an open one */
    uint32_t item;
    int32_t delim;     /* the last before it */
    bool image, inner; /* inner: another stands within */
} md_bracket;

/* Length of the backslash escape at s[at]. */
uint32_t ui_md_escape(const char *s, uint32_t at, uint32_t end);
/* The entity at s[at], its length; out, *n: the character it stands for (md_entity.c). */
uint32_t ui_md_entity(const char *s, uint32_t at, uint32_t end, char out[8], size_t *n);

/* --- links (md_link.c) --- */

typedef struct md_def {                    /* [label]: target */
    uint32_t label, label_len, to, to_len; /* bytes of the text */
} md_def;

uint32_t ui_md_label_read(const char *s, uint32_t at, uint32_t end); /* [label] */
/* (target "title") */
uint32_t ui_md_link_read(const char *s, uint32_t at, uint32_t end, uint32_t *to, uint32_t *len);
/* [label]: target "title", up to the end of its last line; d is filled. */
uint32_t ui_md_def_read(const char *s, uint32_t at, uint32_t end, md_def *d);
/* The bare link whose ':' or 'w' is s[at]: its length; it begins at *from >= low. */
uint32_t ui_md_bare_read(const char *s, uint32_t low, uint32_t at, uint32_t end, bool in_bracket,
                         uint32_t *from);

/* --- HTML (md_html.c) --- */

typedef struct md_tag {
    char name[MD_NAME]; /* lower case */
    bool close;
    uint32_t at, attrs, end; /* of '<', behind the name, behind '>' */
} md_tag;

typedef struct md_attr { /* bytes of s */
    uint32_t name, name_len, value, value_len;
} md_attr;

/* What a tag does; from ROW on it ends a row. */
typedef enum md_effect {
    MD_TAG_NONE,
    MD_TAG_STRONG,
    MD_TAG_EM,
    MD_TAG_CODE,
    MD_TAG_STRIKE,
    MD_TAG_LINK,
    MD_TAG_IMAGE,
    MD_TAG_BREAK,
    MD_TAG_DROP, /* what is in it is not shown */
    MD_TAG_ROW,
    MD_TAG_GAP, /* with an empty row */
    MD_TAG_HEAD,
    MD_TAG_LIST,
    MD_TAG_ITEM,
    MD_TAG_QUOTE,
    MD_TAG_RULE,
    MD_TAG_PRE,
    MD_TAG_SUMMARY,
    MD_TAG_TABLE,
    MD_TAG_TROW,
    MD_TAG_CELL,
} md_effect;

bool ui_md_tag_read(const char *s, uint32_t at, uint32_t end, md_tag *t);
/* The tag's attribute of that name, when it has a value. */
bool ui_md_tag_attr(const char *s, const md_tag *t, const char *name, md_attr *a);
md_effect ui_md_tag_effect(const md_tag *t);
/* Comments, declarations and their like. `ended` remembers, by kind, from where on there is no end;
 * it begins as UINT32_MAX. */
uint32_t ui_md_html_skip(const char *s, uint32_t at, uint32_t end, uint32_t ended[4]);
/* Kind 1..7 of the HTML block that begins at s[at] (CommonMark 0.31, 4.6). */
int ui_md_html_begins(const char *s, uint32_t at, uint32_t end, bool in_paragraph);
bool ui_md_html_ends(int kind, const char *s, uint32_t at, uint32_t end);

/* --- tables (md_table.c) --- */

uint32_t ui_md_table_count(const char *s, uint32_t at, uint32_t end); /* cells of a row */

#endif
