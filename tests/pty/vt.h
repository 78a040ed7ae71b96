/* A small terminal: reads what a program writes to its pty and keeps what a person would see, which
 * modes are on, and every sequence that does not belong. It knows what the terminfo entries named
 * in tui row 6 let ncurses send (ECMA-48, xterm ctlseqs); anything else is counted in `odd`. */
#ifndef NIBBLE_TEST_VT_H
#define NIBBLE_TEST_VT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VT_W = 320, VT_H = 120 };

typedef struct vt_cell {
    char text[24];
    bool reverse, bold, underline;
} vt_cell;

typedef struct vt {
    int w, h, x, y, saved_x, saved_y;
    int top, bottom; /* rows of the scroll region */
    vt_cell cell[VT_H][VT_W];
    bool pending; /* the last column was written: the next character wraps */
    bool alternate, hidden, paste, mouse, focus, reverse, bold, underline;
    bool shifted;                          /* SO: line drawing */
    unsigned switches;                     /* times the alternate screen came on */
    unsigned asked_background, asked_sync; /* OSC 11, DECRQM 2026 */
    unsigned frames;                       /* times mode 2026 came on */
    bool frame;                            /* it is on */
    unsigned fg[256];                      /* times each text colour of 256 was set */
    unsigned coloured;                     /* SGR parameters that set a colour */
    unsigned high;                         /* bytes >= 0x80 */
    bool strict;                           /* odd also: what nibble has no use for, see vt.c */
    unsigned odd;                          /* sequences and bytes nobody should send */
    char first_odd[80];                    /* printable form of the first */
    size_t before;                         /* bytes seen before the first alternate screen */
    size_t bytes;
    char seq[256]; /* an unfinished sequence or character */
    size_t len;
} vt;

void vt_reset(vt *t, int w, int h);
void vt_size(vt *t, int w, int h);
void vt_feed(vt *t, const char *bytes, size_t n);
/* Row y as text, trailing spaces cut; in a ring of four buffers. */
const char *vt_row(const vt *t, int y);
bool vt_shows(const vt *t, const char *text);
int vt_times(const vt *t, const char *text); /* places that show it */
/* First cell of the first place that shows it. */
bool vt_find(const vt *t, const char *text, int *x, int *y);
/* Rows from..to-1 look the same. */
bool vt_same(const vt *a, const vt *b, int from, int to);

#endif
