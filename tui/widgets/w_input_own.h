/* What the files of the text input share: w_input.c (keys), w_input_fold.c (folded pastes),
 * w_input_draw.c. */
#ifndef NIBBLE_W_INPUT_OWN_H
#define NIBBLE_W_INPUT_OWN_H

#include "tui/widgets/widget.h"

/* The signs are noncharacters, which Unicode keeps for the inside of programs. */
enum { UI_SIGN_FIRST = 0xfdd0, UI_SIGN_LAST = 0xfdef, UI_SIGN_BYTES = 3 };

/* Byte after the cluster that begins at `at`; n at the end. */
size_t ui_input_step(const char *s, size_t n, size_t at);
/* Slot of the sign at these bytes, -1 = none begins there. */
int ui_input_sign(const char *s, size_t n);
/* Text from outside has no signs. */
void ui_input_drop_signs(nb_str *s);
size_t ui_input_lines(const char *s); /* an unended last one counts */
/* "[pasted 214 lines]". */
const char *ui_input_words(const ui_input *in, int slot, char out[40]);
/* Appends the text with something in place of each sign: the paste, or the words shown for it.
 * *caret = where the caret stands then. */
void ui_input_replace(const ui_input *in, bool words, nb_str *out, size_t *caret);
/* A slot without a sign, emptied; -1 = all are in use. */
int ui_input_slot(ui_input *in);
void ui_input_forget(ui_input *in); /* frees the pastes */

#endif
