/* Runs the workbench on a script in a scratch folder with the demo model and keeps what it saved.
 */
#ifndef NIBBLE_TEST_WORKBENCH_H
#define NIBBLE_TEST_WORKBENCH_H

#include "tui/app_private.h"

typedef struct workbench {
    nb_status status;
    nb_err err;
    char dir[512];    /* fresh for every run */
    char *screen[32]; /* loaded so far, owned */
    int n;
} workbench;

/* "save-screen a" lands in the scratch folder. */
workbench workbench_run(const char *script);
/* The same on Chat, with settings as given with the command. */
workbench workbench_chat(const char *script, const ui_app_setting *settings, size_t n);
/* Text of a saved file; NULL when it was not saved. Valid until workbench_free. */
const char *workbench_screen(workbench *w, const char *name);
/* Checks that the run went well and part stands in that file. */
void workbench_expect(workbench *w, const char *name, const char *part);
void workbench_free(workbench *w);
/* Settings as of a fresh account in that folder. */
void workbench_config(nb_config *cfg, const char *dir);

/* The app's state with closed screens: enough for keys, panels and jobs. Checks that it opens. */
ui_app *workbench_app(void);
void workbench_drop(ui_app *app); /* ends its jobs first */
void workbench_press(ui_app *app, const char *key_name);
/* Draws, then looks for text on the canvas. */
bool workbench_shows(ui_app *app, const char *text);

#endif
