/* State of the Models screen, shared by its files: models.c (what happens), models_rows.c (which
 * rows, in which order), models_lead.c (to other screens), models_draw.c (how it looks). Filter,
 * order and marks are independent: marks belong to paths, the filter and the order only choose rows
 * (tui 20). */
#ifndef NIBBLE_SCREEN_MODELS_H
#define NIBBLE_SCREEN_MODELS_H

#include "core/eval/runs.h"
#include "downloads/hub.h"
#include "core/base/json.h"
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

/* A page of a search; the worker's until DONE. */
typedef struct models_ask {
    dl_net *net;
    char cache_dir[1024];
    char text[256], author[100], task[64], license[64];
    dl_search q; /* its texts are the ones above */
    char next[DL_URL_MAX];
    dl_page page;
    dl_trouble trouble;
} models_ask;

typedef enum models_view { MODELS_LOCAL, MODELS_HUB, MODELS_BOTH } models_view;

/* The Hub's list: what models_hub.c asks and holds. */
typedef struct models_hub {
    models_view view;
    bool focus;   /* it has the keys, not the local list */
    dl_model *at; /* [n] owned */
    size_t n, dropped;
    char next[DL_URL_MAX]; /* "" = no further page */
    ui_list list;
    ui_input query;
    bool typing, wide; /* wide: the table shows every column */
    double due;        /* clock when the typed query is asked; < 0 = it was */
    double asked_at;   /* clock */
    double took;       /* s of the last answer */
    bool more;         /* the job brings a further page, not a new list */
    bool again;        /* another query was typed while a job ran */
    nb_job *job;
    models_ask *ask; /* of the job; owned */
    dl_order order;
    bool cached, offline; /* offline: nothing newer can be asked */
    double age;           /* s of a cached answer */
    char problem[240];
    dl_trouble trouble;
} models_hub;

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
    models_hub hub;
} models;

enum models_spot {
    MODELS_SPOT_LEGEND,
    MODELS_SPOT_FILTER = MODELS_SPOT_LEGEND + NB_NO + 1,
    MODELS_SPOT_QUERY,
};

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

void ui_models_scan(models *m); /* lists the models anew, a job */

/* models_lead.c: to another screen */
void ui_models_to_screen(models *m, ui_scope screen); /* the one under the cursor */
void ui_models_talk(models *m);                       /* the marked ones, or it */
void ui_models_compare(models *m);
void ui_models_diff(models *m);

/* models_trash.c: asks first; z brings the newest back */
void ui_models_trash(models *m);
void ui_models_restore(models *m);

/* "4b" -> 4e9, "512m", "1.5g", "3k"; false if no number. */
bool ui_models_amount(const char *s, size_t n, double *out);

/* models_hub.c, models_hub_draw.c */
void ui_models_hub_open(models *m);
void ui_models_hub_close(models *m);
/* True if it was for the Hub's list or about it. */
bool ui_models_hub_action(models *m, ui_action a);
bool ui_models_hub_key(models *m, const ui_key *k);
bool ui_models_hub_mouse(models *m, const ui_key *k);
bool ui_models_hub_event(models *m, const nb_event *e); /* true: the event was its */
/* Asks what was typed when its time has come; seconds until it wants to be called again, < 0 = not.
 */
double ui_models_hub_tick(models *m, double now);
const dl_model *
ui_models_hub_current(const models *m); /* NULL: none, or the local list has the keys */
/* The memory word of a row from its parameters alone (bf16, or 4.85 bits where it is GGUF): an
 * estimate. False without parameters. */
bool ui_models_hub_fit(const models *m, const dl_model *row, nb_fit_word *out);
const char *ui_models_hub_order(const models *m);
void ui_models_hub_draw(models *m, ui_canvas *c, ui_rect r);
void ui_models_hub_preview(models *m, ui_canvas *c, ui_rect r);
void ui_models_hub_json(const models *m, nb_jout *w);

/* What a column of the table sorts by. */
models_sort ui_models_sort_of(int column);
void ui_models_draw(void *self, ui_canvas *c, ui_rect r);
void ui_models_json(const void *self, nb_str *out);

#endif
