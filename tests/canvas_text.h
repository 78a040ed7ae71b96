/* Canvases for tests of what is drawn. */
#ifndef NIBBLE_TEST_CANVAS_H
#define NIBBLE_TEST_CANVAS_H

#include "tui/canvas.h"

ui_canvas canvas_open(int w, int h);
/* The canvas as text must be want. */
void canvas_shows(const ui_canvas *c, const char *want);

#endif
