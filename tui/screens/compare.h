/* State of the Compare screen, shared by its files: compare.c (what happens), compare_load.c (files
 * and stored runs, read by a job; the groups among them), compare_measure.c (measuring now),
 * compare_draw.c (plot, card, table), compare_heat.c (the sensitivity map).
 *
 * Runs of one group alone are shown as figures; those of another reference, text or context stay
 * out of the plot and say why. What is selected and marked is known by its path, so that neither
 * axes, order nor a new reading lose it (tui 26). */
#ifndef NIBBLE_SCREEN_COMPARE_H
#define NIBBLE_SCREEN_COMPARE_H

#include "core/eval/compare.h"
#include "tui/screens/parts.h"
#include "tui/widgets/plot.h"

enum { COMPARE_FILES = UI_POINTS, COMPARE_MAPS = 16 };

typedef enum compare_sort {
    COMPARE_BY_FILE,
    COMPARE_BY_BPW,
    COMPARE_BY_SIZE,
    COMPARE_BY_KLD,
    COMPARE_BY_TOP1,
    COMPARE_BY_PPL,
    COMPARE_BY_FACTS,
    COMPARE_BY_SPEED,
    COMPARE_BY_RAM,
    COMPARE_SORTS
} compare_sort;

/* What an order is called and the figure it follows; COMPARE_BY_FILE's is as the table has them. */
extern const struct compare_order {
    const char *name;
    nb_compare_axis axis;
} ui_compare_sorts[COMPARE_SORTS];

/* What one reading brings; the job's until DONE. */
typedef struct compare_load {
    const nb_config *cfg;
    const char *const *given; /* models of the command line, for the library */
    size_t n_given;
    bool family;
    char path[COMPARE_FILES][1024];
    size_t n_path;
    nb_compare table;
    nb_runs *runs;
    nb_weights *mapped; /* file with sensitivity runs, NULL = none */
    nb_run_key map[COMPARE_MAPS];
    size_t n_map;
    char left_out[240]; /* why a file is not in the table; "" = all are */
} compare_load;

/* What is measured; the job's until DONE. */
typedef struct compare_measure {
    const nb_config *cfg;
    const nk_ops *ops;
    nb_sched *sched;
    int threads;
    char path[COMPARE_FILES][1024]; /* the files asked for */
    size_t n_path;
    char reference[1024];
    nb_run_key like; /* the group on screen; text "" = none */
    char text[1024]; /* file to read; "" = the demo's questions and answers */
    nb_err text_err; /* what is wrong with it */
    size_t measured;
    double weights; /* of all files to be read, times the text's tokens: an estimate */
    double began;   /* clock */
} compare_measure;

typedef struct compare {
    ui_app *app;
    nb_job *loading, *measuring;
    compare_load load;
    compare_measure work;
    bool again;                     /* read again once no job reads */
    bool family;                    /* path[0] and what was made from it; else just these */
    char path[COMPARE_FILES][1024]; /* asked for */
    size_t n_path;
    double looked; /* clock of the last look at the files' times */
    int64_t runs_time, models_time;
    nb_compare table; /* n 0 = nothing read yet */
    nb_runs *runs;
    nb_run_group group[NB_RUN_GROUPS];
    size_t n_group, at_group;
    size_t pick; /* row of the table, SIZE_MAX = none */
    char why[400];
    nb_str far; /* what endpoints told of these files, a line each; "" = nothing */
    char problem[240];
    char text[1024];                  /* to measure on; "" = the demo's */
    size_t row[COMPARE_FILES], n_row; /* of the table, as shown */
    ui_list list;
    compare_sort sort;
    bool reverse, front_only, zoom, card;
    nb_compare_axis x, y;
    char mark[COMPARE_FILES][1024];
    size_t n_mark;
    bool asking; /* for the text */
    ui_input input;
    bool map, on_map; /* the sensitivity map is shown, has the keys */
    nb_weights *mapped;
    nb_run_key map_key[COMPARE_MAPS];
    size_t n_map, at_map;
    nb_sense_table sense;
    ui_heat heat;
    ui_spots spots; /* compare_spot, or the row of a letter */
} compare;

enum compare_spot { COMPARE_SPOT_X, COMPARE_SPOT_Y, COMPARE_SPOT_INPUT, COMPARE_SPOT_ROW };

/* compare.c */
const nb_compare_row *ui_compare_current(const compare *s); /* NULL = none */
bool ui_compare_marked(const compare *s, const char *path);
void ui_compare_arrange(compare *s); /* which rows, in which order; the front of the axes */
size_t ui_compare_reference(const compare *s); /* row of the table; SIZE_MAX: it is no file here */

/* compare_load.c */
void ui_compare_load(compare *s);
void ui_compare_loaded(compare *s, const nb_event *e);
void ui_compare_show_group(compare *s, size_t group);
void ui_compare_watch(compare *s, double now); /* reads again what has changed on disk */
void ui_compare_drop(compare *s);

/* compare_measure.c */
void ui_compare_start(compare *s);
void ui_compare_measured(compare *s, const nb_event *e);
/* Name of the text that is measured on. */
const char *ui_compare_text(const compare *s);

/* compare_heat.c */
void ui_compare_map(compare *s, size_t map); /* shows the map of one type */
void ui_compare_draw_map(compare *s, ui_canvas *c, ui_rect r);
void ui_compare_drop_map(compare *s);

/* compare_draw.c */
compare_sort ui_compare_sort_of(int column);
void ui_compare_draw(void *self, ui_canvas *c, ui_rect r);

#endif
