/* A folder's names in an order of their own. Private to core/files. */
#ifndef NIBBLE_FOLDER_H
#define NIBBLE_FOLDER_H

#include "kernels/nb.h"

/* Names in dir that do not begin with a dot, sorted, so that a listing never depends on the disk's
 * order; nb_names_free frees them. A folder that cannot be read is an empty one. */
nb_status nb_names_in(const char *dir, char ***out, size_t *n_out, nb_err *err);
void nb_names_free(char **names, size_t n);

#endif
