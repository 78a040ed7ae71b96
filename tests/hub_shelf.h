/* A fake Hub with a small shelf, the same in every run: what the tests of the screens and of the
 * workbench on a pty browse and download. */
#ifndef NIBBLE_TEST_HUB_SHELF_H
#define NIBBLE_TEST_HUB_SHELF_H

#include "tests/hub/fake_hub.h"

/* The token that may read lock-lm/Lock-1M, and whose "tester" it is. */
#define SHELF_TOKEN "hf_GrantedOnTheShelf"

/* reed-lm/Reed-1M-GGUF   F16, Q8_0, Q4_0 of random weights that open, a card with a table
 * reed-lm/Reed-1M        its BF16 checkpoint's config and a safetensors file
 * lock-lm/Lock-1M-GGUF   gated: one Q4_0, SHELF_TOKEN is granted
 * odd-lm/Odd-1M-GGUF     words that attack a terminal, in tags, card and file names
 * slow-lm/Slow-GGUF      noise named as a Q4_0 and a Q8_0 of `noise` bytes; 0 = no such repository
 *
 * Files are written to dir first, which is kept as long as the Hub. The caller stops it. */
fake_hub *shelf_start(const char *dir, uint64_t noise);

#endif
