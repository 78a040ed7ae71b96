/* State of the Downloads screen: copies of the queue's items, taken once a frame (downloads.c says
 * what happens, downloads_draw.c how it looks). The queue itself belongs to the app. */
#ifndef NIBBLE_SCREEN_DOWNLOADS_H
#define NIBBLE_SCREEN_DOWNLOADS_H

#include "tui/screens/parts.h"

typedef struct downloads {
    ui_app *app;
    dl_item *item; /* [n] owned; in queue order */
    size_t n, cap;
    size_t count[DL_DONE + 1]; /* items by state */
    uint64_t at;               /* id under the cursor, so that it stays with its file */
    ui_list list;
    ui_input limit; /* L: what is typed */
    bool typing;
    char limit_error[64];
    dl_net_view net;
    char endpoint[512], hub[1024]; /* where from, where to; "" before a network is open */
    const ui_canvas *canvas;       /* while drawing */
    ui_spots spots;
} downloads;

enum downloads_spot { DOWNLOADS_SPOT_LIMIT };

const dl_item *ui_downloads_current(const downloads *d); /* NULL: the list is empty */
/* "get", "queued", "paused", "stopped", "verify", "done": the word of a row. */
const char *ui_downloads_word(const dl_item *it);
void ui_downloads_draw(void *self, ui_canvas *c, ui_rect r);
void ui_downloads_json(const void *self, nb_str *out);

#endif
