/* State of the Quantize screen, shared by its files: quantize.c (what happens), quantize_form.c
 * (recipe, dry run), quantize_imatrix.c (its importance matrix), quantize_live.c (a run as it goes,
 * its replay), ui_quantize_draw.c (the form and the dry run's table), quantize_plots.c (histograms,
 * error strip).
 *
 * The recipe may be edited while a run goes: the run has a plan of its own. The source's weights
 * are counted, because both plans borrow them. */
#ifndef NIBBLE_SCREEN_QUANTIZE_H
#define NIBBLE_SCREEN_QUANTIZE_H

#include "core/quant/quantize.h"
#include "tui/screens/parts.h"

typedef enum quantize_field {
    QF_SOURCE,
    QF_METHOD,
    QF_TYPE,
    QF_IMATRIX,
    QF_PURE,
    QF_OUTPUT,
    QF_THREADS,
    QF_AGAIN,
    QF_CHAT,
    QF_RUN,
    QF_FIELDS /* then one row per rule */
} quantize_field;

typedef struct quantize_source {
    nb_weights *weights;
    nb_hparams hp;
    bool runs; /* hp is valid: an architecture nibble runs */
    int users; /* form, run */
    char path[1024], name[128], type[24];
} quantize_source;

/* One tensor of a run, as soon as it is done. */
typedef struct quantize_tensor {
    bool done;
    double rel, sqnr;
    nb_stats stats;
} quantize_tensor;

typedef enum quantize_state {
    QUANTIZE_IDLE,
    QUANTIZE_RUNNING,
    QUANTIZE_DONE,
    QUANTIZE_FAILED
} quantize_state;

enum { QUANTIZE_KINDS = 16 }; /* rows of the error map at most */

/* The run on the right side: being made, or the last one. */
typedef struct quantize_live {
    quantize_state state;
    nb_run *run;
    nb_plan plan;
    quantize_source *source;
    char out[1200];
    nb_job *job;
    nb_sched *sched; /* what the job's thread reads: */
    const nk_ops *ops;
    int threads;
    nb_err err;
    nb_run_view view;
    quantize_tensor *tensor; /* [plan.n] */
    size_t n_seen;
    size_t *walk, n_walk; /* plan indices worth looking at: the quantized ones */
    size_t at;            /* in walk */
    bool follow;          /* shows what is being worked on */
    bool replay;
    double replay_from;      /* clock of its first frame; < 0 = at the next tick */
    nb_tensor_report report; /* of walk[at] */
    bool has_report;
    double drawn;
    ui_rect strip;                  /* the error map's cells in the last frame; w 0 = not drawn */
    int strip_kind[QUANTIZE_KINDS]; /* which kind each of its rows shows */
} quantize_live;

enum { QUANTIZE_UNDO = 32, QUANTIZE_MATRICES = 64 };

typedef struct quantize {
    ui_app *app;
    quantize_source *source; /* NULL = none chosen */
    nb_job *opening;
    char wanted[1024]; /* chosen meanwhile; "" = nothing */
    struct quantize_opening {
        char path[1024];
        quantize_source *made;
    } open_arg;
    char problem[240]; /* why the source could not be opened */
    struct quantize_matrix {
        nb_imatrix *im;
        int64_t changed_at;      /* of its file, ns */
    } matrix[QUANTIZE_MATRICES]; /* all that were read; recipes and plans borrow them */
    size_t n_matrix;
    nb_job *reading;
    struct quantize_reading {
        char path[1024];
        nb_imatrix *made;
        int64_t changed_at;
    } read_arg;
    char matrix_error[240];
    nb_recipe recipe;
    nb_recipe undo[QUANTIZE_UNDO];
    size_t n_undo, n_redo; /* redo copies follow the undo copies */
    size_t method, preset;
    nb_knobs knobs; /* of the method */
    int threads;
    bool requantize, after_chat;
    bool named;  /* the output was typed */
    bool chosen; /* the preset was: it stays for other models too */
    char output[1024];
    nb_plan plan;
    bool planned;
    nb_err plan_err;
    ui_list form;
    ui_input input;
    int editing; /* form row with the input, -1 = none; n rows = a new rule */
    char input_error[240];
    bool table; /* D: the dry run tensor by tensor */
    ui_list table_list;
    ui_list look;   /* the dry run beside the form: seen only, a press opens it as the table */
    ui_spots spots; /* quantize_spot */
    bool heat_all, zoom, on_right;
    uint64_t disk_free, available, total;
    quantize_live live;
} quantize;

enum quantize_spot { QUANTIZE_SPOT_LIVE, QUANTIZE_SPOT_LEGEND, QUANTIZE_SPOT_INPUT };

/* quantize_form.c */
size_t ui_quantize_rows(const quantize *q);
void ui_quantize_plan(quantize *q);             /* the dry run, after every change */
void ui_quantize_change(quantize *q, int step); /* left, right on the field */
bool ui_quantize_edit(quantize *q, int row);    /* opens the input for a row */
void ui_quantize_accept(quantize *q);
bool ui_quantize_rule_action(quantize *q, ui_action a);
/* Unless one was chosen: what the demo shows best, what other models are usually made to. */
void ui_quantize_usual_preset(quantize *q);
bool ui_quantize_undo(quantize *q, bool redo);
void ui_quantize_name_output(quantize *q);
bool ui_quantize_is_quantized(const nb_planned *t);
void ui_quantize_remember(quantize *q); /* the recipe as it is, for undo */

/* quantize_imatrix.c */
void ui_quantize_use_imatrix(quantize *q, const char *path); /* "" = none; read by a job */
void ui_quantize_read(quantize *q, const nb_event *e);       /* that job's end */
void ui_quantize_step_imatrix(quantize *q, int step);        /* through those that lie near */
void ui_quantize_imatrix_line(const quantize *q, char *out, size_t cap, ui_role *role);
void ui_quantize_drop_matrices(quantize *q);

/* quantize_live.c */
void ui_quantize_start(quantize *q);
void ui_quantize_finished(quantize *q, const nb_event *e);
double ui_quantize_follow(quantize *q, double now); /* polls; seconds to the next look */
double ui_quantize_replay_rate(const quantize *q);  /* tensors/s */
void ui_quantize_walk(quantize *q, int step);
void ui_quantize_walk_to(quantize *q, size_t walk);
void ui_quantize_drop_run(quantize *q);
void ui_quantize_release(quantize_source **s);
/* Figures over the finished tensors up to the one shown while replaying. */
void ui_quantize_so_far(const quantize *q, nb_stats *out, uint64_t *bytes, size_t *done);

/* ui_quantize_draw.c, quantize_plots.c */
void ui_quantize_draw(void *self, ui_canvas *c, ui_rect r);
void ui_quantize_draw_live(quantize *q, ui_canvas *c, ui_rect r, bool narrow);
/* Index in walk of the tensor whose cell of the error map is there, SIZE_MAX = none. */
size_t ui_quantize_strip_hit(const quantize *q, int x, int y);
void ui_quantize_json(const void *self, nb_str *out);

#endif
