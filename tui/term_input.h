/* Bytes of a terminal -> keys, without a terminal: CSI and SS3 sequences, UTF-8, Alt as an ESC
 * prefix, bracketed paste, SGR mouse, focus. Replies to what term.c asks are noted. What is not
 * known (other replies, other keys) is swallowed whole, even when its end comes late, and never
 * becomes text. */
#ifndef NIBBLE_TERM_INPUT_H
#define NIBBLE_TERM_INPUT_H

#include "core/base/str.h"
#include "tui/keys.h"

enum { UI_INPUT_BYTES = 4096, UI_PASTE_MAX = 1 << 20 };

/* What the terminal has told, and when its bytes came (seconds); 0 = nothing yet. */
typedef struct ui_replies {
    double background_at, sync_at;
    int32_t background; /* 0xRRGGBB, of OSC 11 */
    bool sync;          /* of DECRQM 2026: it can hold a frame back until it is whole */
} ui_replies;

typedef struct ui_decode {
    uint8_t byte[UI_INPUT_BYTES];
    size_t n;
    bool pasting;
    nb_str paste; /* raw so far; the last finished one stays until the next key */
    ui_replies replies;
    char cut;        /* introducer of a sequence whose end is still to be swallowed, ESC of half an
                        end; 0 = none */
    double cut_at;   /* seconds, when it stopped */
    double fed;      /* seconds, when the last bytes came */
    double click_at; /* of the last left press, to tell double clicks */
    int click_x, click_y;
} ui_decode;

/* Room for more bytes now. */
size_t ui_decode_room(const ui_decode *d);
void ui_decode_feed(ui_decode *d, const void *bytes, size_t n, double now);
/* True if what is held may be the start of a longer sequence: feed or wait, then ask again. */
bool ui_decode_partial(const ui_decode *d);
/* Next key. `late`: nothing more is coming, so a lone ESC is the Esc key. */
bool ui_decode_key(ui_decode *d, bool late, double now, ui_key *out);
void ui_decode_free(ui_decode *d);

#endif
