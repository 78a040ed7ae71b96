/* The connections of one dl_net, divided among the files being fetched: each may have what the
 * others leave, but gives back what is over its fair part as soon as another waits for one. Any
 * thread. Private to downloads/. */
#ifndef NIBBLE_DL_SHARE_H
#define NIBBLE_DL_SHARE_H

#include <pthread.h>

#include "kernels/nb.h"

enum { DL_SHARE_MEMBERS = 4 };

typedef struct dl_share {
    pthread_mutex_t lock; /* over the rest */
    int total;            /* connections */
    struct dl_share_member {
        bool in, waits;
        int used;
    } member[DL_SHARE_MEMBERS];
} dl_share;

void dl_share_open(dl_share *s, int connections); /* 1..16 */
void dl_share_close(dl_share *s);                 /* all have left */
/* A member's number; -1 when there are too many. */
int dl_share_join(dl_share *s);
void dl_share_leave(dl_share *s, int m); /* gives back what it still uses */
/* One connection more for m; false = not now, and m counts as waiting until it gets one or
 * dl_share_content. */
bool dl_share_take(dl_share *s, int m);
void dl_share_give(dl_share *s, int m);
void dl_share_content(dl_share *s, int m);
/* Connections m should give back: those over its part, while another waits for his. */
int dl_share_over(dl_share *s, int m);

#endif
