/* Classes of code points the display code asks about, looked up in generated tables (unicode.c).
 * Private to core/base. */
#ifndef NIBBLE_UNICODE_H
#define NIBBLE_UNICODE_H

#include "kernels/nb.h"

typedef enum nb_cp_class {
    NB_CP_WIDE,       /* takes two cells */
    NB_CP_ZERO,       /* takes none */
    NB_CP_HIDDEN,     /* invisible or unassigned: shown as its number */
    NB_CP_PICTOGRAPH, /* emoji a ZWJ may join and VS16 may follow */
} nb_cp_class;

/* Unicode 15.0; binary search. */
bool nb_cp_is(nb_cp_class class, uint32_t cp);

#endif
