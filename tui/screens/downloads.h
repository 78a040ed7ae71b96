/* State of the Downloads screen: copies of the queue's items, taken once a frame (downloads.c says
 * what happens, downloads_draw.c how it looks). The queue itself belongs to the app. */
#ifndef NIBBLE_SCREEN_DOWNLOADS_H
#define NIBBLE_SCREEN_DOWNLOADS_H

#include "core/quant/leftover.h"
#include "downloads/cache.h"
#include "tui/screens/parts.h"

/* Partials in the cache and what quantize left: downloads_left.c. What is found is the worker's
 * until DONE. */
typedef struct downloads_left {
    dl_net *net;
    const nb_config *cfg; /* borrowed: app */
    nb_job *job;
    bool again; /* a row went while the job looked */
    dl_store found, store;
    nb_leftovers found_runs, runs;
} downloads_left;

typedef struct downloads {
    ui_app *app;
    dl_item *item; /* [n] owned; in queue order */
    size_t n, cap;
    size_t count[DL_DONE + 1]; /* items by state */
    uint64_t at;               /* id under the cursor, so that it stays with its file */
    uint64_t dropping;         /* id a question is about */
    uint64_t checked;          /* id whose full disk was looked at a second time */
    ui_list list;
    ui_input limit; /* L: what is typed */
    bool typing;
    char limit_error[64];
    dl_net_view net;
    char endpoint[512], hub[1024]; /* where from, where to; "" before a network is open */
    downloads_left left;
    const ui_canvas *canvas; /* while drawing */
    ui_spots spots;
} downloads;

enum downloads_spot { DOWNLOADS_SPOT_LIMIT };

const dl_item *ui_downloads_current(const downloads *d); /* NULL: the list is empty */
/* "get", "queued", "paused", "stopped", "verify", "done": the word of a row. */
const char *ui_downloads_word(const dl_item *it);
/* It was refused for want of room twice: a further r means "I know, go on". */
bool ui_downloads_may_insist(const downloads *d, const dl_item *it);
void ui_downloads_draw(void *self, ui_canvas *c, ui_rect r);
void ui_downloads_left_scan(downloads *d);
void ui_downloads_left_event(void *self, const nb_event *e);
int ui_downloads_left_rows(const downloads *d); /* it wants; 0 = there are none */
void ui_downloads_left_draw(const downloads *d, ui_canvas *c, ui_rect r);
void ui_downloads_left_close(downloads *d);
void ui_downloads_json(const void *self, nb_str *out);

#endif
