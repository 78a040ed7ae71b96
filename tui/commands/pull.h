/* The pull command's pieces: cmd_pull.c decides, pull_find.c finds what is meant, pull_out.c says.
 */
#ifndef NIBBLE_PULL_H
#define NIBBLE_PULL_H

#include "downloads/queue.h"
#include "tui/commands/cmd.h"

/* One argument and what it stands for. */
typedef struct ui_wish {
    dl_name name;
    dl_repo repo;
    dl_choices choices;
    dl_choice alone;         /* of a single file that was not listed; its `file` owned */
    const dl_choice *choice; /* borrowed: of choices, or alone */
    const dl_choice *mmproj; /* a projector that goes with it; NULL = none */
} ui_wish;

typedef struct ui_pull {
    ui_ctx *ctx;
    dl_net *net;
    dl_cache cache;
    dl_queue *queue;
    ui_wish *wish; /* [n] owned */
    size_t n;
    dl_item *item;         /* scratch: an item is large; owned */
    uint64_t insisted;     /* id of the item --force was used for */
    double started, drawn; /* nb_now */
    bool shown;            /* a progress line is on stderr */
    char note[160];        /* last said */
} ui_pull;

/* Which files the wish's name means: no request for a commit that is known, one for any other
 * revision that is, none offline, where what is not in the cache is the failure (hub 2, 24). */
nb_status ui_pull_find(ui_pull *p, ui_wish *w, nb_err *err);
/* The server's file was not what the list said: a list that is kept is forgotten. */
void ui_pull_doubt(ui_pull *p, const dl_item *x);

/* All files together. */
typedef struct ui_pull_sum {
    size_t n, done;
    uint64_t bytes, have;
    double rate;
    char current[96], note[160]; /* of the first that runs */
} ui_pull_sum;
void ui_pull_count(ui_pull_sum *s, const dl_item *x);

/* The progress line on a terminal; elsewhere only what has to be known (waits, retries), once each.
 */
void ui_pull_draw(ui_pull *p, const ui_pull_sum *s);
void ui_pull_undraw(ui_pull *p);
/* On stderr: gated, a projector beside the model, names left out. */
void ui_pull_remark(const ui_pull *p, const ui_wish *w);
/* NB_CANCELED, saying how much is kept and how to go on. */
nb_status ui_pull_canceled(ui_pull *p, nb_err *err);
void ui_pull_paths(ui_pull *p);
nb_status ui_pull_json(ui_pull *p, nb_err *err);
/* What would be fetched and whether there is room. */
nb_status ui_pull_dry(ui_pull *p, nb_err *err);

#endif
