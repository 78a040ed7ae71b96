/* What code points are, from generated tables: classes that the display code asks about (unicode.c,
 * for core/base alone) and the general categories by which tokenizers cut text into words
 * (unicode_kind.c). */
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

typedef enum nb_cp_kind {
    NB_KIND_OTHER,  /* C, unassigned, past U+10FFFF */
    NB_KIND_LETTER, /* L */
    NB_KIND_MARK,   /* M */
    NB_KIND_NUMBER, /* N */
    NB_KIND_PUNCT,  /* P */
    NB_KIND_SYMBOL, /* S */
    NB_KIND_SPACE,  /* White_Space */
    NB_KINDS
} nb_cp_kind;

/* Unicode 15.1; binary search. */
nb_cp_kind nb_cp_kind_of(uint32_t cp);
/* out[cp] = kind of cp for all cp < n, n <= 0x110000. */
void nb_cp_kinds(uint8_t *out, uint32_t n);

#endif
