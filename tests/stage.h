/* The workbench headless in a folder of its own, for tests that look at whole screens. Runs are
 * pinned: scalar kernels, 2 threads, a script's clock and meters, relative paths. */
#ifndef NIBBLE_TEST_STAGE_H
#define NIBBLE_TEST_STAGE_H

#include "tui/app.h"

typedef struct stage {
    nb_config cfg;      /* to be changed before stage_play */
    ui_app_options opt; /* cpu "scalar": goldens; NULL = as fast as the machine is */
} stage;

/* A fresh home beside a fresh working folder, which the process is in until stage_leave(). demo:
 * the folder's name under which the demo model is found, NULL = no model at all. */
void stage_begin(stage *s, const char *name, const char *demo);
/* Runs script text; what it saves lands in the working folder. Checks that every line works, and
 * leaves if one does not. */
void stage_play(stage *s, const char *text);
/* tests/scripts/NAME.script in malloc'd memory. */
char *stage_script(const char *name);
/* The script so that each "save-... NAME" happens at every size, as NAME-WxH: one run shows them
 * all, because a frame depends on nothing but state and size (A30). verb: what to save instead;
 * NULL = what the line says, and lines that save no golden are left out. */
void stage_at_sizes(nb_str *out, const char *script, const char *const *sizes, size_t n_sizes,
                    const char *verb);
/* The names of a script's screens, one a call; false after the last. *at starts at the script.
 * cuts: also those that have no golden. */
bool stage_next_screen(const char **at, char name[64], bool cuts);
void stage_leave(void); /* back to the repository */

#endif
