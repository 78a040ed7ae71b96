/* A stage whose demo has quantized files beside it and runs stored by hand: the same figures on
 * every machine, and nothing to wait for. */
#ifndef NIBBLE_TEST_COMPARE_RIG_H
#define NIBBLE_TEST_COMPARE_RIG_H

#include "core/eval/compare.h"
#include "core/eval/sensitivity.h"
#include "tests/stage.h"

/* Begins the stage: files of these presets (NULL-terminated) in its data folder, the demo as their
 * source. */
void compare_begin(stage *s, const char *name, const char *const *presets);
/* "../data/models/Nibble-Demo-Q2_K.gguf"; the string is test_path's kind: copied by whoever keeps
 * it. */
const char *compare_path(const char *preset);
/* Fingerprint of a file, of the demo for NULL. */
uint64_t compare_print(const char *preset);
/* The store of the stage, to be closed by the caller. */
nb_runs *compare_store(const stage *s);
/* A divergence from the demo: context, chunks; kld nats with a hundredth of it as error. */
void compare_add(nb_runs *runs, const char *preset, const char *text, uint32_t n_ctx,
                 uint32_t chunks, double kld);

#endif
