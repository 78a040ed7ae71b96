/* State of the Quantize screen, shared by its files: quantize.c (what happens), quantize_form.c
 * (recipe, dry run), quantize_fields.c (its rows in words), quantize_more.c (the options behind
 * "more"), quantize_pick.c (lists of presets and saved recipes), quantize_target.c (a size to meet,
 * the solver's front), quantize_imatrix.c and quantize_collect.c (the importance matrix: read,
 * made), quantize_again.c (what a second quantizing costs), quantize_live.c (a run as it goes, its
 * replay), quantize_draw.c (the form and the dry run's table), quantize_plots.c (histograms, error
 * strip). --plain works on the same state through the same functions.
 *
 * The recipe may be edited while a run goes: the run has a plan of its own. The source's weights
 * are counted, because both plans borrow them. */
#ifndef NIBBLE_SCREEN_QUANTIZE_H
#define NIBBLE_SCREEN_QUANTIZE_H

#include "core/quant/budget.h"
#include "core/quant/shards.h"
#include "core/quant/quantize.h"
#include "core/quant/requantize.h"
#include "core/quant/solve.h"
#include "tui/screens/parts.h"

typedef enum quantize_field {
    QF_SOURCE,
    QF_RECIPE,
    QF_METHOD,
    QF_TYPE,
    QF_TARGET,
    QF_IMATRIX,
    QF_COLLECT,
    QF_OUTPUT,
    QF_THREADS,
    QF_AGAIN,
    QF_CHAT,
    QF_MORE, /* folds the next ones away */
    QF_PURE,
    QF_OUT_TYPE,
    QF_EMBD_TYPE,
    QF_LEAVE,
    QF_PATTERNS,
    QF_KEYS,
    QF_PRUNE,
    QF_SPLIT,
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
    char out[1200];         /* of a set its first file, with which readers begin */
    nb_plan whole;          /* --keep-split: what the shards are cut from */
    nb_plan *shards;        /* [n_shards] plan is a copy of shards[shard]; NULL: one file */
    size_t n_shards, shard; /* the one that is looked at */
    nb_shards *set;         /* owns the shards' runs, run among them; NULL: one file */
    char base[1100];        /* their common name */
    nb_quantize_options opt;
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

/* A size to meet. The front is measured once for a source and its importance; every target, and
 * every step along it, is then answered at once. */
typedef struct quantize_target {
    nb_budget budget;
    uint64_t bytes;      /* of the budget, for this source */
    char error[240];     /* why there is no recipe for it */
    nb_front_point took; /* what was chosen */
    bool met;            /* took holds */
    nb_solve solve;      /* n_front 0: nothing measured yet */
    nb_plan plan;        /* behind it */
    quantize_source *source;
    const nb_imatrix *imatrix; /* both as measured with; the matrix is only compared */
    nb_job *job;
    bool stale; /* the job measures what is no longer asked for */
    struct quantize_measure {
        nb_solve solve;
        nb_plan plan;
        quantize_source *source;
        const nb_imatrix *imatrix;
        nb_sched *sched;
        const nk_ops *ops;
        int threads;
    } work;
} quantize_target;

/* What is known of a collection while it goes: sent by its job after every chunk. */
typedef struct quantize_coverage {
    uint64_t chunks, of;
    uint64_t weights, matrices, unseen; /* entries; matrices in them; those without a row */
    uint64_t columns, zero;             /* of the seen ones; those never other than 0 */
} quantize_coverage;

typedef struct quantize_collect {
    nb_job *job;
    char error[240];
    bool typed; /* the text is a file of the user's */
    char text[1024], out[1200];
    quantize_coverage seen;
    struct quantize_collecting {
        nb_job *job;
        const nb_config *cfg;
        const char *text; /* NULL: the bundled one */
        const char *out;
        quantize_source *source;
        nb_sched *sched;
        const nk_ops *ops;
        int threads;
        uint64_t of;
    } work;
} quantize_collect;

/* Damage of a second quantizing, asked anew after every change of the plan. */
typedef struct quantize_again {
    nb_job *job;
    bool stale, known;
    nb_requantized row[NB_MAX_REQUANTIZED]; /* [n] */
    size_t n;
    struct quantize_predict {
        nb_plan plan;
        quantize_source *source;
        const nk_ops *ops;
        nb_requantized row[NB_MAX_REQUANTIZED];
        size_t n;
    } work;
} quantize_again;

/* Patterns and edits that were ever accepted: recipes, plans and undone ones borrow them. */
typedef struct quantize_extra {
    struct quantize_extra *next;
    nb_patterns *patterns;
    nb_edits edits;
    char text[3][512]; /* --tensor-type, --override-kv, --prune-layers, as typed */
} quantize_extra;

typedef enum quantize_list { QUANTIZE_NO_LIST, QUANTIZE_PRESETS, QUANTIZE_RECIPES } quantize_list;
enum { QUANTIZE_MOST_PICKS = 256 };
/* One row of the list to choose from. */
typedef struct quantize_pick {
    char name[64], why[160]; /* why: what it is for, or why it cannot be had */
    int bits;                /* size class, of the base type; 0 = a recipe */
    bool possible;
    uint64_t bytes;
    double bpw;
} quantize_pick;

enum { QUANTIZE_UNDO = 32, QUANTIZE_MATRICES = 64, QUANTIZE_TEXT = 520 };

/* What the form's rows say; made anew for every frame, in the same memory. */
typedef struct quantize_words {
    char text[QF_FIELDS + NB_MAX_RULES][QUANTIZE_TEXT], note[QF_FIELDS + NB_MAX_RULES][160];
} quantize_words;

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
    char recipe_name[64];   /* as loaded or saved last; "" = none */
    nb_str recipe_text;     /* as it was then */
    bool modified;          /* it is another now */
    quantize_words *words;  /* of the last frame; owned */
    quantize_extra *extras; /* owned, newest first; the recipe's may be any of them */
    quantize_target target;
    quantize_collect collect;
    quantize_again again;
    quantize_list picking;
    quantize_pick *pick; /* [n_pick] owned */
    size_t n_pick;
    ui_list pick_list;
    bool more; /* unfolded */
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
    int editing; /* field with the input, -1 = none; QF_FIELDS + rules = a new rule */
    bool saving; /* the input is the name the recipe is saved under */
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
int ui_quantize_at(const quantize *q); /* the field under the cursor */
void ui_quantize_go(quantize *q, int field);
void ui_quantize_plan(quantize *q);             /* the dry run, after every change */
void ui_quantize_change(quantize *q, int step); /* left, right on the field */
bool ui_quantize_edit(quantize *q, int field);  /* opens the input for it */
void ui_quantize_accept(quantize *q);
bool ui_quantize_rule_action(quantize *q, ui_action a);
/* Unless one was chosen: what the demo shows best, what other models are usually made to. */
void ui_quantize_usual_preset(quantize *q);
bool ui_quantize_undo(quantize *q, bool redo);
void ui_quantize_name_output(quantize *q);
bool ui_quantize_is_quantized(const nb_planned *t);
void ui_quantize_remember(quantize *q); /* the recipe as it is, for undo */
/* Another recipe in its place: what a saved one cannot hold (importance, keys) stays. */
void ui_quantize_put(quantize *q, const nb_recipe *r);
/* DIR/STEM.gguf, "-2", "-3" ... when taken. */
void ui_quantize_free_name(char *out, size_t cap, const char *stem, const char *ext);

/* quantize_fields.c */
/* field[QF_FIELDS + NB_MAX_RULES]: the rows as they are shown; texts lie in words. Returns how many
 * there are; id (may be NULL) tells which field each is. */
size_t ui_quantize_fields(const quantize *q, quantize_words *words, ui_field *field, int *id);
const char *ui_quantize_help(const quantize *q, int field);
const char *ui_quantize_prompt(const quantize *q);

/* quantize_more.c */
void ui_quantize_change_more(quantize *q, int field, int step);
bool ui_quantize_accept_more(quantize *q, int field, const char *text);
/* The text behind QF_PATTERNS, QF_KEYS, QF_PRUNE; "" = none. */
const char *ui_quantize_extra_text(const quantize *q, int field);
void ui_quantize_clear_patterns(quantize *q);
void ui_quantize_drop_extras(quantize *q);
void ui_quantize_more_command(const quantize *q, nb_str *out); /* as options of the command */

/* quantize_pick.c */
void ui_quantize_pick_open(quantize *q, quantize_list what);
void ui_quantize_pick_close(quantize *q);
/* A saved recipe becomes the form's; false: it said why not. */
bool ui_quantize_load(quantize *q, const char *name);
bool ui_quantize_pick_take(quantize *q, size_t row); /* false: it cannot be had */
void ui_quantize_pick_draw(quantize *q, ui_canvas *c, ui_rect r);
void ui_quantize_step_recipe(quantize *q, int step);
/* Name of the recipe; modified since it was loaded or saved. */
bool ui_quantize_modified(const quantize *q); /* as text; q->modified keeps it */
bool ui_quantize_save_recipe(quantize *q, const char *name);

/* quantize_target.c */
bool ui_quantize_aim(quantize *q, const char *text); /* false: input_error says why */
void ui_quantize_aim_again(quantize *q); /* the importance is another: so is the front */
void ui_quantize_step_target(quantize *q, int step); /* along the front */
void ui_quantize_take_point(quantize *q, size_t front);
bool ui_quantize_has_front(const quantize *q); /* of this source with this importance */
void ui_quantize_measured(quantize *q, const nb_event *e);
void ui_quantize_drop_target(quantize *q);
void ui_quantize_front_draw(const quantize *q, ui_canvas *c, ui_rect r);
/* Front points worth naming: about `most` of them, from the smallest to the largest. */
size_t ui_quantize_front_rows(const quantize *q, size_t *out, size_t most);

/* quantize_collect.c */
void ui_quantize_collect(quantize *q, const char *text); /* "" = the bundled text */
void ui_quantize_collected(quantize *q, const nb_event *e);
void ui_quantize_collect_line(const quantize *q, char *out, size_t cap);

/* quantize_again.c */
void ui_quantize_predict(quantize *q);
void ui_quantize_predicted(quantize *q, const nb_event *e);
void ui_quantize_again_line(const nb_requantized *r, char *out, size_t cap);
void ui_quantize_drop_predict(quantize *q);

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

/* quantize_draw.c, quantize_plots.c */
void ui_quantize_draw(void *self, ui_canvas *c, ui_rect r);
void ui_quantize_draw_live(quantize *q, ui_canvas *c, ui_rect r, bool narrow);
/* Index in walk of the tensor whose cell of the error map is there, SIZE_MAX = none. */
size_t ui_quantize_strip_hit(const quantize *q, int x, int y);
void ui_quantize_json(const void *self, nb_str *out);

#endif
