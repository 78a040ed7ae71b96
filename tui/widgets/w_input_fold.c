/* Folded pastes: a long one is kept aside, and one character stands for it in the text, so that the
 * caret steps over it, Backspace takes it whole and every other key works as ever. */
#include "tui/widgets/w_input_own.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ui_input_sign(const char *s, size_t n)
{
    uint32_t cp = 0;
    if (n < UI_SIGN_BYTES || (unsigned char)*s != 0xef || !nb_utf8_next(s, n, &cp, NULL))
        return -1;
    return cp >= UI_SIGN_FIRST && cp <= UI_SIGN_LAST ? (int)(cp - UI_SIGN_FIRST) : -1;
}

void ui_input_drop_signs(nb_str *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->len; i++) {
        s->at[kept++] = s->at[i];
        if (kept >= UI_SIGN_BYTES &&
            ui_input_sign(s->at + kept - UI_SIGN_BYTES, UI_SIGN_BYTES) >= 0)
            kept -= UI_SIGN_BYTES;
    }
    if (s->len)
        s->at[kept] = '\0';
    s->len = kept;
}

/* Next sign at or after byte i; its slot, -1 = there is none and *i is the end. */
static int next_sign(const ui_input *in, size_t *i)
{
    int slot = -1;
    while (*i < in->text.len && (slot = ui_input_sign(in->text.at + *i, in->text.len - *i)) < 0)
        ++*i;
    return slot;
}

bool ui_input_folded(const ui_input *in)
{
    size_t i = 0;
    return next_sign(in, &i) >= 0;
}

size_t ui_input_lines(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += *s == '\n' || !s[1];
    return n;
}

const char *ui_input_words(const ui_input *in, int slot, char out[40])
{
    const char *paste = slot < UI_FOLDS && in->fold[slot] ? in->fold[slot] : "";
    snprintf(out, 40, "[pasted %zu lines]", ui_input_lines(paste));
    return out;
}

void ui_input_replace(const ui_input *in, bool words, nb_str *out, size_t *caret)
{
    *caret = out->len;
    for (size_t i = 0; i < in->text.len;) {
        size_t from = i;
        int slot = next_sign(in, &i);
        nb_str_addn(out, in->text.at + from, i - from);
        if (in->at >= from && in->at <= i)
            *caret = out->len - (i - in->at);
        if (slot < 0)
            continue;
        char sign[40];
        if (words)
            nb_str_add(out, ui_input_words(in, slot, sign));
        else if (slot < UI_FOLDS && in->fold[slot])
            nb_str_add(out, in->fold[slot]);
        i += UI_SIGN_BYTES;
        if (in->at == i)
            *caret = out->len;
    }
}

void ui_input_whole(const ui_input *in, nb_str *out)
{
    size_t caret;
    ui_input_replace(in, false, out, &caret);
}

bool ui_input_unfold(ui_input *in)
{
    nb_str whole = {0};
    size_t caret;
    if (!ui_input_folded(in))
        return false;
    ui_input_replace(in, false, &whole, &caret);
    if (whole.failed) {
        nb_str_free(&whole);
        return true; /* it stays folded */
    }
    nb_str_free(&in->text);
    in->text = whole;
    in->at = caret;
    return true;
}

int ui_input_slot(ui_input *in)
{
    unsigned used = 0;
    size_t i = 0;
    for (int slot; (slot = next_sign(in, &i)) >= 0; i += UI_SIGN_BYTES)
        used |= 1u << slot;
    for (int k = 0; k < UI_FOLDS; k++)
        if (!(used & 1u << k)) {
            free(in->fold[k]);
            in->fold[k] = NULL;
            return k;
        }
    return -1;
}

void ui_input_forget(ui_input *in)
{
    for (size_t i = 0; i < UI_FOLDS; i++) {
        free(in->fold[i]);
        in->fold[i] = NULL;
    }
}
