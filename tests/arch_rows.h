/* A tiny random model for every architecture and every way its keys and tensors can differ. Every
 * one has a SentencePiece vocabulary, so that other programs load it too. */
#ifndef NIBBLE_TEST_ARCH_ROWS_H
#define NIBBLE_TEST_ARCH_ROWS_H

#include "tests/tiny.h"

typedef struct arch_row {
    const char *label; /* "phi3-longrope" */
    tiny model;
    bool ours_alone; /* llama.cpp leaves out what the published model does: no peer */
} arch_row;

size_t arch_rows(const arch_row **rows);
/* Writes the row's model to path. */
void arch_row_write(const char *path, const arch_row *row, nk_type_id type);

#endif
