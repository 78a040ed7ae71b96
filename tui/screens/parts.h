/* Pieces several screens draw or do alike. */
#ifndef NIBBLE_PARTS_H
#define NIBBLE_PARTS_H

#include "core/files/weights.h"
#include "core/quant/fit.h"
#include "tui/app.h"
#include "tui/widgets/widget.h"

enum { UI_PARTS_LONG = 600 }; /* s: what is estimated to take longer is asked about (tui.md 4.7) */

/* The role and the words of a fit. */
ui_role ui_parts_fit_role(nb_fit_word w);
/* Memory a model may take now; scripted runs are pinned to 8 GiB of 16. */
void ui_parts_memory(const ui_app *app, uint64_t *available, uint64_t *total);
/* Bytes a writer of path may still use; 0 = not known. Scripted runs are pinned to 100 GB. */
uint64_t ui_parts_free(const ui_app *app, const char *path);

/* Lines under one another inside a rectangle: `y` runs down, nothing is drawn past its end. */
typedef struct parts_lines {
    ui_canvas *c;
    ui_rect r;
    int y; /* next row, relative to r */
} parts_lines;
parts_lines ui_parts_begin(ui_canvas *c, ui_rect r);
void ui_parts_line(parts_lines *l, ui_role role, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* A dim label of label_w cells and a value. */
void ui_parts_pair(parts_lines *l, int label_w, const char *label, ui_role role, const char *fmt,
                   ...) __attribute__((format(printf, 5, 6)));
void ui_parts_skip(parts_lines *l); /* an empty row */
/* As ui_parts_line, over as many rows as it takes; an ellipsis ends the last one that fits. */
void ui_parts_wrap(parts_lines *l, ui_role role, const char *text);
/* How many rows that is, `width` columns wide; at least 1. */
int ui_parts_rows_of(const char *text, int width);
void ui_parts_wrapf(parts_lines *l, ui_role role, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int ui_parts_left(const parts_lines *l); /* rows still free */

/* "4k" for 4096, "512". */
const char *ui_parts_ctx(char out[16], uint64_t ctx);
/* "5.8M", "1.24B" of a count. */
const char *ui_parts_count(char out[16], uint64_t n);
/* Short number: 3 significant digits, no locale: "0.0123", "1.92". */
const char *ui_parts_num(char out[48], double v);
/* Percent with one decimal: "6.8%". */
const char *ui_parts_percent(char out[48], double share);
/* The type most bytes are stored in: "q4_K"; unchanged when there are no tensors. */
void ui_parts_type(const nb_weights *w, char out[24]);
/* Length of a tensor's name without the ".weight" all weights share. */
int ui_parts_short(const char *name);
/* "256x2048". */
void ui_parts_shape(const nb_tensor *t, char *buf, size_t cap);
/* Splits r into left (or top) and right (or bottom) with `first` cells for the first. */
void ui_parts_columns(ui_rect r, int first, ui_rect *left, ui_rect *right);
void ui_parts_rows(ui_rect r, int first, ui_rect *top, ui_rect *bottom);
/* Centred lines on an empty page: what is missing, what to press. NULL-terminated. */
void ui_parts_empty(ui_canvas *c, ui_rect r, const char *const *lines);

/* " 'text'": one word of a shell that reads back as these bytes; $'...' where a terminal might obey
 * or hide some of them. A path that begins with a dash gets "./" in front. */
void ui_parts_word(nb_str *out, const char *text);
void ui_parts_path(nb_str *out, const char *path);

/* Writes an export beside the chats (data_dir/exports/NAME, "-2" when taken) and says where; a
 * failure becomes a sticky error. */
void ui_parts_export(ui_app *app, const char *name, const char *ext, const nb_str *text);

#endif
