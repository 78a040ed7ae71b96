/* State of the Inspect screen, shared by its files: inspect.c (keys, opening), inspect_stats.c (the
 * job that reads tensors, rows of the table), ui_inspect_draw.c (table, metadata, histogram),
 * inspect_block.c (one block value by value).
 *
 * A tensor's figures are computed by a job and kept; with a file to compare with, all tensors are
 * visited, first the one under the cursor. A result changes hands with the event that brings it. */
#ifndef NIBBLE_SCREEN_INSPECT_H
#define NIBBLE_SCREEN_INSPECT_H

#include "core/base/json.h"
#include "core/files/weights.h"
#include "core/quant/diff.h"
#include "tui/screens/parts.h"

typedef enum inspect_sort {
    INSPECT_FILE,
    INSPECT_NAME,
    INSPECT_BYTES,
    INSPECT_TYPE,
    INSPECT_REL,
    INSPECT_SORTS
} inspect_sort;
typedef enum inspect_pane { INSPECT_TENSORS, INSPECT_META, INSPECT_PANES } inspect_pane;
typedef enum inspect_ask {
    INSPECT_NO_INPUT,
    INSPECT_ASK_FILTER,
    INSPECT_ASK_BLOCK,
    INSPECT_ASK_FILE
} inspect_ask;

/* What was found out about one tensor. */
typedef struct inspect_result {
    nb_diff d;         /* against the other file, where that has it with this shape */
    uint64_t outliers; /* beyond 6 sigma */
    bool readable;     /* false: no decoder for the type */
} inspect_result;

typedef struct inspect_work {
    const nk_ops *ops;
    nb_weights *weights, *other; /* borrowed: inspect */
    bool *have;                  /* [tensors] known when the job began; owned: inspect */
    size_t first, count;         /* tensors to visit: first, first+1, ... modulo the number */
} inspect_work;

typedef struct inspect {
    ui_app *app;
    nb_weights *weights, *other; /* NULL = none */
    char path[1024], other_path[1024];
    char wanted[1024], wanted_other[1024]; /* to open when no job holds the present ones */
    nb_job *opening, *job;
    struct inspect_opening {
        char path[1024], other[1024];
        nb_weights *made, *made_other;
        nb_err other_err;
    } open_arg;
    char problem[240];
    inspect_work work;
    inspect_result **result; /* [tensors], NULL = not looked at */
    size_t n_tensors;
    nb_str only_here, only_there; /* names that one of two files lacks, joined; owned */
    size_t n_here, n_there;
    size_t *row, n_row; /* tensor indices shown */
    ui_list list, meta;
    inspect_pane focus;
    inspect_sort sort;
    bool reverse, logy, zoom, hex, block_view;
    inspect_ask ask;
    ui_input input, filter;
    uint64_t block;       /* in the current tensor */
    ui_list values;       /* weights of the block */
    size_t block_of;      /* tensor the block view belongs to */
    float *mine, *theirs; /* [2 cols] decoded row of the block, of both files; room for its bytes */
    size_t cap_cols;
    bool have_theirs;
    ui_spots spots; /* inspect_spot */
} inspect;

enum inspect_spot { INSPECT_SPOT_INPUT, INSPECT_SPOT_PLOT };

/* inspect_stats.c */
void ui_inspect_arrange(inspect *s); /* filter, order */
/* Tensor under the cursor; NULL = none. *index may be NULL. */
const nb_view *ui_inspect_current(const inspect *s, size_t *index);
void ui_inspect_look(inspect *s); /* starts the job for what is missing */
void ui_inspect_looked(inspect *s, const nb_event *e);
void ui_inspect_forget(inspect *s);
void ui_inspect_only(inspect *s); /* which tensors the other file, or this one, lacks */

/* inspect_block.c */
uint64_t ui_inspect_blocks(const nb_view *v);
void ui_inspect_go(inspect *s, uint64_t block);
bool ui_inspect_block_action(inspect *s, ui_action a);
void ui_inspect_draw_block(inspect *s, ui_canvas *c, ui_rect r, bool focused);
/* The block shown as member of the tensor under the cursor; nothing for a type without blocks. */
void ui_inspect_block_json(const inspect *s, nb_jout *w);

/* ui_inspect_draw.c */
/* What a column of the table sorts by; INSPECT_FILE = it does not. */
inspect_sort ui_inspect_sort_of(int column);
void ui_inspect_draw(void *self, ui_canvas *c, ui_rect r);
void ui_inspect_json(const void *self, nb_str *out);

#endif
