/* State of the Detail screen: one repository of the Hub, with what can be downloaded from it, how
 * it fits, its card and a remote header. Shared by detail.c (what happens), detail_ask.c (its jobs)
 * and detail_draw.c (how it looks). */
#ifndef NIBBLE_SCREEN_DETAIL_H
#define NIBBLE_SCREEN_DETAIL_H

#include "tui/screens/parts.h"
#include "tui/widgets/md.h"

/* What the first job brings: the repository itself. The worker's until DONE. */
typedef struct detail_load {
    dl_net *net;
    char id[200], revision[200];
    dl_repo repo;
    dl_choices choices;
    dl_trouble trouble;
} detail_load;

/* What the second brings, for the same repository: what its model is, and its card. */
typedef struct detail_more {
    dl_net *net;
    const dl_repo *repo; /* borrowed: not replaced while a job runs */
    const dl_choices *choices;
    bool has_entry, has_card; /* at the start: known already, not asked again */
    nb_entry entry;
    nb_str card;
    dl_trouble card_trouble;
} detail_more;

/* The header of one file, on demand. */
typedef struct detail_peek {
    dl_net *net;
    const dl_repo *repo; /* borrowed */
    size_t file;
    dl_header header;
    dl_trouble trouble;
} detail_peek;

/* What was learned of one repository, put away while others are looked at: nothing of a commit is
 * asked twice in a run (hub 25), but for `r`. */
typedef struct detail_kept {
    char id[200], revision[200];
    dl_repo repo;
    dl_choices choices;
    bool has_entry, has_card, has_header;
    nb_entry entry;
    nb_str card;
    dl_trouble card_trouble;
    dl_header header;
    size_t header_of;
} detail_kept;
enum { DETAIL_KEPT = 8, DETAIL_HEADER_KEPT = 4 << 20 /* bytes; a larger one is asked again */ };

enum detail_pane { DETAIL_CARD, DETAIL_TENSORS }; /* of the right side */

typedef struct detail {
    ui_app *app;
    char id[200], revision[200]; /* "" = nothing was asked for yet */
    bool loaded;
    dl_repo repo;
    dl_choices choices;
    nb_err problem; /* why it is not loaded; status OK = none */
    dl_trouble trouble;
    bool has_entry;
    nb_entry entry;
    nb_str card;
    bool has_card;
    dl_trouble card_trouble; /* why it has none */
    ui_md *md;               /* the card's rows */
    size_t card_top;
    bool has_header;
    dl_header header; /* of repo.file[header_of] */
    size_t header_of;
    char header_problem[480]; /* of repo.file[problem_of]; "" = none */
    size_t problem_of;
    size_t *row; /* [n_row] choices shown */
    size_t n_row;
    bool *marked; /* [choices.n] */
    bool all_files, on_right, zoom;
    enum detail_pane pane;
    ui_list list, tensors;
    uint32_t ctx;
    bool kv_f32;
    uint64_t available, total;
    nb_job *job, *more_job, *peek_job;
    detail_load load;
    detail_more more;
    detail_peek peek;
    detail_kept kept[DETAIL_KEPT]; /* newest first */
    size_t n_kept;
    bool leave_after; /* another repository was asked for while a job ran */
    char next_id[200], next_revision[200];
    const ui_canvas *canvas; /* while drawing */
    char fit_title[24];
    ui_spots spots;
} detail;

enum detail_spot { DETAIL_SPOT_RIGHT };

/* detail_ask.c */
void ui_detail_ask(detail *d);  /* loads d->id */
void ui_detail_peek(detail *d); /* the header of the row under the cursor */
void ui_detail_event(void *self, const nb_event *e);
/* Puts away what is loaded and shows d->next_id: from what was kept, else by asking. No job may
 * run. */
void ui_detail_turn(detail *d);
void ui_detail_drop(detail *d); /* frees what is loaded; no job may run */
void ui_detail_drop_kept(detail *d);

/* detail.c */
void ui_detail_arrange(detail *d);                   /* which choices are rows */
const dl_choice *ui_detail_current(const detail *d); /* NULL = no row */
/* The file of a choice whose header tells most: a set's first, a checkpoint's weights. */
size_t ui_detail_header_file(const dl_choice *c);

/* detail_draw.c */
void ui_detail_draw(void *self, ui_canvas *c, ui_rect r);
void ui_detail_json(const void *self, nb_str *out);

#endif
