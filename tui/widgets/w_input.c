#include "tui/widgets/w_input_own.h"

#include <stdlib.h>
#include <string.h>

/* Bytes. A single line is measured whole at each draw, so it stays short. */
enum { MAX_INPUT = 4 << 20, MAX_LINE = 64 << 10 };

static size_t room(const ui_input *in)
{
    size_t max = in->multiline ? MAX_INPUT : MAX_LINE, used = in->text.len;
    for (size_t i = 0; i < UI_FOLDS; i++)
        used += in->fold[i] ? strlen(in->fold[i]) : 0;
    return used < max ? max - used : 0;
}

/* --- clusters: the caret never stands inside one ------------------------------------------------
 */

size_t ui_input_step(const char *s, size_t n, size_t at)
{
    uint32_t cp;
    size_t used = at < n ? nb_utf8_next(s + at, n - at, &cp, NULL) : 0;
    if (at >= n)
        return n;
    at += used ? used : 1;
    bool joined = false;
    while (at < n) {
        used = nb_utf8_next(s + at, n - at, &cp, NULL);
        if (!used || (nb_cp_width(cp) != 0 && !joined))
            break;
        joined = cp == 0x200d;
        at += used;
    }
    return at;
}

static size_t step_left(const char *s, size_t n, size_t at)
{
    /* clusters are found forwards, from a line's start */
    size_t start = at ? at - 1 : 0;
    while (start && s[start - 1] != '\n')
        start--;
    size_t last = start;
    for (size_t i = start; i < at; i = ui_input_step(s, n, i))
        last = i;
    return at ? (last < at ? last : at - 1) : 0;
}

static size_t line_start(const char *s, size_t at)
{
    while (at && s[at - 1] != '\n')
        at--;
    return at;
}

static size_t line_end(const char *s, size_t n, size_t at)
{
    while (at < n && s[at] != '\n')
        at++;
    return at;
}

static size_t word_left(const char *s, size_t at)
{
    while (at && (s[at - 1] == ' ' || s[at - 1] == '\n'))
        at--;
    while (at && s[at - 1] != ' ' && s[at - 1] != '\n')
        at--;
    return at;
}

static size_t word_right(const char *s, size_t n, size_t at)
{
    while (at < n && (s[at] == ' ' || s[at] == '\n'))
        at++;
    while (at < n && s[at] != ' ' && s[at] != '\n')
        at++;
    return at;
}

/* --- edits --------------------------------------------------------------------------------------
 */

static void erase(ui_input *in, size_t from, size_t to)
{
    if (from >= to)
        return;
    memmove(in->text.at + from, in->text.at + to, in->text.len - to + 1);
    in->text.len -= to - from;
    in->at = from;
}

static void insert(ui_input *in, const char *s, size_t n)
{
    if (n == 0 || n > room(in))
        return;
    size_t old = in->text.len, tail = old - in->at;
    nb_str_addn(&in->text, s, n); /* makes room; then the tail moves behind */
    if (in->text.failed || in->text.len != old + n)
        return;
    memmove(in->text.at + in->at + n, in->text.at + in->at, tail);
    memcpy(in->text.at + in->at, s, n);
    in->text.at[old + n] = '\0';
    in->at += n;
}

/* Takes the text when it is to be folded. */
static bool fold(ui_input *in, nb_str *clean)
{
    char sign[4];
    if (!in->folds || !in->multiline || ui_input_lines(nb_str_c(clean)) <= UI_FOLD_LINES)
        return false;
    int slot = ui_input_slot(in);
    if (slot < 0 || clean->len + UI_SIGN_BYTES > room(in))
        return false;
    in->fold[slot] = clean->at;
    *clean = (nb_str){0};
    insert(in, sign, nb_utf8_put(UI_SIGN_FIRST + (uint32_t)slot, sign));
    return true;
}

/* A paste is one edit: line ends become \n, tabs spaces, control bytes go; a single-line input gets
 * spaces for line ends. What does not fit is left out. */
static void paste(ui_input *in, const char *s, size_t n)
{
    nb_str clean = {0};
    for (size_t i = 0, used; i < n; i += used) {
        uint32_t cp = 0;
        used = nb_utf8_next(s + i, n - i, &cp, NULL);
        if (!used) {
            nb_str_add(&clean, "\xef\xbf\xbd"); /* U+FFFD */
            used = 1;
        } else if (cp == '\r' || cp == '\n') {
            used += cp == '\r' && i + 1 < n && s[i + 1] == '\n';
            nb_str_add(&clean, in->multiline ? "\n" : " ");
        } else if (cp == '\t') {
            nb_str_add(&clean, "    ");
        } else if (cp >= 0x20 && cp != 0x7f && (cp < UI_SIGN_FIRST || cp > UI_SIGN_LAST)) {
            nb_str_addn(&clean, s + i, used);
        }
    }
    size_t left = room(in), len = clean.len;
    if (!fold(in, &clean))
        insert(in, nb_str_c(&clean), len <= left ? len : nb_utf8_whole(nb_str_c(&clean), left));
    nb_str_free(&clean);
}

static bool control_key(ui_input *in, uint32_t ch)
{
    const char *s = nb_str_c(&in->text);
    size_t n = in->text.len;
    switch (ch) {
    case 'a':
        in->at = line_start(s, in->at);
        return true;
    case 'e':
        in->at = line_end(s, n, in->at);
        return true;
    case 'b':
        in->at = step_left(s, n, in->at);
        return true;
    case 'f':
        in->at = ui_input_step(s, n, in->at);
        return true;
    case 'k':
        erase(in, in->at, line_end(s, n, in->at));
        return true;
    case 'u':
        erase(in, line_start(s, in->at), in->at);
        return true;
    case 'w':
        erase(in, word_left(s, in->at), in->at);
        return true;
    case 'd':
        if (in->at < n)
            erase(in, in->at, ui_input_step(s, n, in->at));
        return true;
    case 'h':
        erase(in, step_left(s, n, in->at), in->at);
        return true;
    case 'j':
        if (in->multiline)
            insert(in, "\n", 1);
        return in->multiline;
    default:
        return false;
    }
}

static bool alt_key(ui_input *in, const ui_key *k)
{
    const char *s = nb_str_c(&in->text);
    if (k->code == UI_K_ENTER && in->multiline) {
        insert(in, "\n", 1);
        return true;
    }
    if (k->code == UI_K_BACKSPACE) {
        erase(in, word_left(s, in->at), in->at);
        return true;
    }
    if (k->code != UI_K_CHAR || (k->ch != 'b' && k->ch != 'f' && k->ch != 'd'))
        return false;
    if (k->ch == 'b')
        in->at = word_left(s, in->at);
    else if (k->ch == 'f')
        in->at = word_right(s, in->text.len, in->at);
    else
        erase(in, in->at, word_right(s, in->text.len, in->at));
    return true;
}

/* Up and down keep the byte column of logical lines; false at the first or last line. */
static bool vertical(ui_input *in, bool up)
{
    const char *s = nb_str_c(&in->text);
    size_t n = in->text.len, start = line_start(s, in->at), column = in->at - start;
    if (up ? start == 0 : line_end(s, n, in->at) == n)
        return false;
    size_t target = up ? line_start(s, start - 1) : line_end(s, n, in->at) + 1;
    size_t end = line_end(s, n, target), at = target;
    while (at < end && at - target < column)
        at = ui_input_step(s, n, at);
    in->at = at;
    return true;
}

bool ui_input_key(ui_input *in, const ui_key *k)
{
    const char *s = nb_str_c(&in->text);
    size_t n = in->text.len;
    char utf8[4];
    if (k->alt)
        return alt_key(in, k);
    if (k->ctrl)
        return k->code == UI_K_CHAR && control_key(in, k->ch);
    switch (k->code) {
    case UI_K_CHAR:
        if (k->ch < UI_SIGN_FIRST || k->ch > UI_SIGN_LAST)
            insert(in, utf8, nb_utf8_put(k->ch, utf8));
        return true;
    case UI_K_PASTE:
        paste(in, k->paste, k->paste_len);
        return true;
    case UI_K_LEFT:
        in->at = step_left(s, n, in->at);
        return true;
    case UI_K_RIGHT:
        in->at = ui_input_step(s, n, in->at);
        return true;
    case UI_K_UP:
    case UI_K_DOWN:
        return in->multiline && vertical(in, k->code == UI_K_UP);
    case UI_K_HOME:
        in->at = line_start(s, in->at);
        return true;
    case UI_K_END:
        in->at = line_end(s, n, in->at);
        return true;
    case UI_K_BACKSPACE:
        erase(in, step_left(s, n, in->at), in->at);
        return true;
    case UI_K_DEL:
        if (in->at < n)
            erase(in, in->at, ui_input_step(s, n, in->at));
        return true;
    default:
        return false;
    }
}

void ui_input_set(ui_input *in, const char *text)
{
    nb_str_clear(&in->text);
    nb_str_add(&in->text, text);
    ui_input_drop_signs(&in->text);
    ui_input_forget(in);
    in->at = in->text.len;
    in->top = 0;
}

void ui_input_free(ui_input *in)
{
    nb_str_free(&in->text);
    ui_input_forget(in);
    in->at = 0;
    in->top = 0;
}
