/* State of the Models screen, shared by its files: models.c (what happens), models_rows.c (which
 * rows, in which order), ui_models_draw.c (how it looks). Filter, order and marks are independent:
 * marks belong to paths, the filter and the order only choose rows (tui 20). */
#ifndef NIBBLE_SCREEN_MODELS_H
#define NIBBLE_SCREEN_MODELS_H

#include "core/eval/runs.h"
#include "tui/screens/parts.h"

typedef enum models_sort {
    MODELS_FOUND,
    MODELS_NAME,
    MODELS_PARAMS,
    MODELS_BPW,
    MODELS_SIZE,
    MODELS_FIT,
    MODELS_SPEED,
    MODELS_SORTS
} models_sort;

/* What a job brings back; the worker's until DONE. */
typedef struct models_scan {
    const nb_config *cfg;
    const char *const *paths;
    size_t n_paths;
    nb_library *lib;
    nb_runs *runs; /* NULL: none stored */
    double *speed; /* [entries] measured tokens/s, 0 = none */
} models_scan;

typedef struct models_row {
    size_t entry;      /* library index */
    bool nested, last; /* a variant under its source; the last of them */
} models_row;

typedef struct models {
    ui_app *app;
    nb_library *lib; /* NULL until the first scan ends */
    nb_runs *runs;
    double *speed;
    nb_fit *fit; /* [entries] at ctx */
    nb_job *job;
    models_scan scan;
    char problem[240]; /* why the scan failed */
    models_row *row;   /* [n_row] shown */
    size_t n_row;
    ui_list list;
    char (*mark)[1024]; /* [n_mark] paths */
    size_t n_mark;
    long range; /* row where v was pressed, -1 = not selecting a range */
    ui_input filter;
    bool typing;
    models_sort sort;
    bool reverse, zoom, kv_f32;
    uint32_t ctx;
    uint64_t available, total;
    ui_action after_scan;    /* asked for before the first list was there */
    char wanted[1024];       /* path to put the cursor on after a scan */
    const ui_canvas *canvas; /* while drawing */
    char fit_title[24];
    ui_spots spots; /* models_spot, or a nb_fit_word of the legend */
} models;

enum models_spot { MODELS_SPOT_LEGEND, MODELS_SPOT_FILTER = MODELS_SPOT_LEGEND + NB_NO + 1 };

/* The shown row's entry; NULL when there is none. */
const nb_entry *ui_models_current(const models *m);
const nb_entry *ui_models_entry(const models *m, size_t row);
bool ui_models_marked(const models *m, const char *path);
void ui_models_toggle(models *m, const char *path, bool on);
/* Applies filter and order, keeps the cursor on its model. */
void ui_models_arrange(models *m);
void ui_models_fits(models *m); /* after a change of ctx or KV type */
bool ui_models_match(const models *m, size_t entry, const char *filter);
/* Index of the model it was made from, or its own. */
size_t ui_models_source(const models *m, size_t entry);
/* Measured (true) or estimated tokens/s; 0 = unknown. */
bool ui_models_speed(const models *m, size_t entry, double *tok_s);

/* What a column of the table sorts by. */
models_sort ui_models_sort_of(int column);
void ui_models_draw(void *self, ui_canvas *c, ui_rect r);
void ui_models_json(const void *self, nb_str *out);

#endif
