/* A file that is written beside its final name, locked until it bears it: two writers to one name
 * never meet in one part, and what a kill left is taken over. */
#ifndef NIBBLE_BESIDE_H
#define NIBBLE_BESIDE_H

#include "kernels/nb.h"

/* Creates and empties `part`, of which path is to be made in one go, and locks it for this writer
 * alone: NB_REFUSED when another is at work, or when it is no leftover of a writer. *fd is set on
 * success only. */
nb_status nb_beside_open(int *fd, const char *part, unsigned mode, nb_err *err);
/* The end of a writer that came as far as st: NB_OK publishes part as path, the lock held until it
 * bears its name; else it is removed. fd is closed in any case. Returns st, or why it cannot be
 * published. */
nb_status nb_beside_end(int fd, const char *part, const char *path, nb_status st, nb_err *err);

#endif
