#include "tui/term_input.h"

#include <string.h>

static const double DOUBLE_CLICK = 0.4; /* seconds between the presses */
static const double PASTE_SILENCE = 2;  /* seconds after which an unended paste is over */
static const double CUT_PATIENCE = 1;   /* seconds in which the end of a cut sequence may come */
static const char PASTE_END[] = "\033[201~";

typedef struct sequence {
    size_t len; /* bytes used, 0 = not complete */
    bool known; /* gives a key */
    bool paste; /* a bracketed paste begins */
    bool cut;   /* its end did not come in time */
    ui_key key;
} sequence;

size_t ui_decode_room(const ui_decode *d)
{
    return sizeof d->byte - d->n;
}

static void drop(ui_decode *d, size_t n)
{
    memmove(d->byte, d->byte + n, d->n - n);
    d->n -= n;
}

void ui_decode_feed(ui_decode *d, const void *bytes, size_t n, double now)
{
    if (n > ui_decode_room(d))
        n = ui_decode_room(d);
    memcpy(d->byte + d->n, bytes, n);
    d->n += n;
    d->fed = now;
}

void ui_decode_free(ui_decode *d)
{
    nb_str_free(&d->paste);
}

/* --- CSI and SS3 ----------------------------------------------------------------------------- */

static const struct {
    char final;
    ui_keycode code;
} finals[] = {{'A', UI_K_UP},       {'B', UI_K_DOWN},     {'C', UI_K_RIGHT}, {'D', UI_K_LEFT},
              {'H', UI_K_HOME},     {'F', UI_K_END},      {'P', UI_K_F1},    {'Z', UI_K_BACKTAB},
              {'I', UI_K_FOCUS_IN}, {'O', UI_K_FOCUS_OUT}};

static const struct {
    int number;
    ui_keycode code;
} tildes[] = {{1, UI_K_HOME}, {7, UI_K_HOME}, {4, UI_K_END},  {8, UI_K_END},
              {3, UI_K_DEL},  {5, UI_K_PGUP}, {6, UI_K_PGDN}, {11, UI_K_F1}};

/* xterm's modifier parameter: 1 + shift + 2 alt + 4 ctrl. */
static void modifiers(ui_key *k, int param)
{
    int bits = param > 0 ? param - 1 : 0;
    k->alt = (bits & 2) != 0;
    k->ctrl = (bits & 4) != 0;
}

static bool by_final(ui_key *k, char final)
{
    for (size_t i = 0; i < countof(finals); i++)
        if (finals[i].final == final)
            k->code = finals[i].code;
    return k->code != UI_K_NONE;
}

static bool by_number(ui_key *k, int number)
{
    for (size_t i = 0; i < countof(tildes); i++)
        if (tildes[i].number == number)
            k->code = tildes[i].code;
    return k->code != UI_K_NONE;
}

/* "CSI code ; modifiers u": terminals that report more than ASCII has. */
static bool by_code(ui_key *k, int code)
{
    switch (code) {
    case 9:
        k->code = UI_K_TAB;
        return true;
    case 13:
        k->code = UI_K_ENTER;
        return true;
    case 27:
        k->code = UI_K_ESC;
        return true;
    case 127:
        k->code = UI_K_BACKSPACE;
        return true;
    default:
        k->code = UI_K_CHAR;
        k->ch = (uint32_t)code;
        return code >= 0x20 && code < 0xd800;
    }
}

static bool mouse(ui_key *k, const int *p, int n, char final)
{
    if (n < 3 || final != 'M' || (p[0] & 32))
        return false; /* releases and drags are the terminal's */
    k->code = UI_K_MOUSE;
    k->x = p[1] - 1;
    k->y = p[2] - 1;
    k->button = p[0] & 64         ? ((p[0] & 3) == 0   ? 4
                                     : (p[0] & 3) == 1 ? 5
                                                       : 0)
                : (p[0] & 3) == 0 ? 1
                                  : 0;
    return k->button != 0 && k->x >= 0 && k->y >= 0;
}

/* ESC [ params final; s starts at ESC. */
static sequence csi(const uint8_t *s, size_t n)
{
    sequence q = {0};
    int p[4] = {0}, count = 0;
    char lead = 0;
    size_t i = 2;
    if (i < n && s[i] == '[') { /* the Linux console's function keys: ESC [ [ A */
        q.len = n > 3 ? 4 : 0;
        q.known = q.len && s[3] == 'A';
        q.key.code = UI_K_F1;
        return q;
    }
    if (i < n && s[i] >= '<' && s[i] <= '?')
        lead = (char)s[i++];
    for (; i < n && s[i] >= 0x20 && s[i] <= 0x3f; i++) {
        if (s[i] >= '0' && s[i] <= '9' && count < (int)countof(p) && p[count] < 100000)
            p[count] = p[count] * 10 + (s[i] - '0');
        else if (s[i] == ';' && count < (int)countof(p))
            count++;
    }
    if (i >= n)
        return q;
    char final = (char)s[i];
    q.len = i + 1;
    if (final == 'M' && !lead) { /* an old mouse report: three bytes follow */
        q.len = n >= i + 4 ? i + 4 : 0;
        return q;
    }
    if (lead == '<')
        q.known = mouse(&q.key, p, count + 1, final);
    else if (lead)
        q.known = false;
    else if (final == '~' && p[0] == 200)
        q.paste = true;
    else if (final == '~')
        q.known = by_number(&q.key, p[0]);
    else if (final == 'u')
        q.known = by_code(&q.key, p[0]);
    else
        q.known = by_final(&q.key, final);
    if (q.known && !lead)
        modifiers(&q.key, p[1]);
    return q;
}

/* ESC O final: cursor keys in application mode, F1, keypad Enter. */
static sequence ss3(const uint8_t *s, size_t n)
{
    sequence q = {0};
    if (n < 3)
        return q;
    q.len = 3;
    q.key.code = s[2] == 'M' ? UI_K_ENTER : UI_K_NONE;
    q.known =
        q.key.code != UI_K_NONE || (s[2] != 'I' && s[2] != 'O' && by_final(&q.key, (char)s[2]));
    return q;
}

/* OSC, DCS, APC, PM: swallowed to BEL or ESC \. */
static sequence string(const uint8_t *s, size_t n)
{
    sequence q = {0};
    for (size_t i = 2; i < n; i++) {
        bool st = s[i] == 0x1b && i + 1 < n && s[i + 1] == '\\';
        if (s[i] == 7 || st) {
            q.len = i + 1 + st;
            return q;
        }
    }
    return q;
}

/* --- single bytes and characters ------------------------------------------------------------- */

static sequence plain(const uint8_t *s, size_t n)
{
    sequence q = {.len = 1, .known = true, .key = {.code = UI_K_CHAR}};
    bool cut = false;
    switch (s[0]) {
    case 0x0d:
        q.key.code = UI_K_ENTER;
        return q;
    case 0x09:
        q.key.code = UI_K_TAB;
        return q;
    case 0x08:
    case 0x7f:
        q.key.code = UI_K_BACKSPACE;
        return q;
    default:
        break;
    }
    if (s[0] < 0x20) { /* C-a .. C-z; NUL is C-Space, 0x1c.. C-\ C-] C-^ C-_ */
        q.key.ctrl = true;
        q.key.ch = s[0] == 0 ? ' ' : s[0] < 0x1b ? s[0] + 0x60u : s[0] + 0x40u;
        return q;
    }
    q.len = nb_utf8_next((const char *)s, n, &q.key.ch, &cut);
    q.known = q.len != 0;
    if (!q.len && !cut)
        q.len = 1; /* no UTF-8: one byte is lost, not the next key */
    return q;
}

static sequence escape(const uint8_t *s, size_t n, bool late)
{
    sequence q = {.len = 1, .known = true, .key = {.code = UI_K_ESC}};
    if (n == 1 || s[1] == 0x1b) {
        q.len = n == 1 && !late ? 0 : 1;
        return q;
    }
    bool introduces = strchr("[O]P_^X", s[1]) && s[1];
    if (introduces && !(late && n == 2)) {
        q = s[1] == '[' ? csi(s, n) : s[1] == 'O' ? ss3(s, n) : string(s, n);
        if (!q.len && late)
            q = (sequence){.len = n, .cut = true}; /* nobody's key */
        return q;
    }
    q = plain(s + 1, n - 1);
    if (!q.len && late)
        q = (sequence){.len = 1};
    q.len += q.len != 0;
    q.key.alt = true;
    return q;
}

static sequence next(const ui_decode *d, bool late)
{
    if (d->byte[0] == 0x1b)
        return escape(d->byte, d->n, late);
    sequence q = plain(d->byte, d->n);
    if (!q.len && late)
        q = (sequence){.len = 1};
    return q;
}

/* --- replies --------------------------------------------------------------------------------- */

/* One channel of 1 to 4 hex digits as 0..255; *s moves behind it. -1 = none is there. */
static int channel(const char **s, const char *end)
{
    static const char digits[] = "0123456789abcdef";
    int v = 0, n = 0;
    for (; *s < end && n < 4; ++*s, n++) {
        const char *d = memchr(digits, **s | (**s >= 'A' ? 0x20 : 0), sizeof digits - 1);
        if (!d)
            break;
        v = v * 16 + (int)(d - digits);
    }
    return n ? v * 255 / ((1 << 4 * n) - 1) : -1;
}

/* ESC ] 11 ; rgb:RRRR/GGGG/BBBB, or rgba: with the alpha behind. */
static bool background(const char *s, const char *end, int32_t *rgb)
{
    static const char head[] = "\033]11;rgb";
    size_t n = sizeof head - 1;
    if ((size_t)(end - s) < n + 2 || memcmp(s, head, n) != 0)
        return false;
    s += n + (s[n] == 'a');
    if (*s++ != ':')
        return false;
    *rgb = 0;
    for (int i = 0; i < 3; i++, s++) {
        int v = channel(&s, end);
        if (v < 0 || s >= end || (i < 2 && *s != '/'))
            return false;
        *rgb = *rgb << 8 | v;
    }
    return true;
}

static void note_reply(ui_decode *d, size_t len)
{
    static const char mode[] = "\033[?2026;";
    const char *s = (const char *)d->byte;
    size_t n = sizeof mode - 1;
    int32_t rgb;
    if (background(s, s + len, &rgb)) {
        d->replies.background = rgb;
        d->replies.background_at = d->fed;
    } else if (len == n + 3 && memcmp(s, mode, n) == 0 && s[n + 1] == '$' && s[n + 2] == 'y') {
        d->replies.sync = s[n] >= '1' && s[n] <= '3'; /* set, reset, permanently set */
        d->replies.sync_at = d->fed;
    }
}

/* The end of a sequence that was cut off; false while it may still come. */
static bool swallow(ui_decode *d, bool late, double now)
{
    if (now - d->cut_at >= CUT_PATIENCE)
        d->cut = 0;
    while (d->cut && d->n) {
        uint8_t b = d->byte[0];
        bool csi = d->cut == '[', half = d->cut == 0x1b; /* of ESC \ */
        if (half && b != '\\') {
            d->cut = 0;
            break;
        }
        if (b != 0x1b) {
            bool last = half || (csi ? b >= 0x40 && b <= 0x7e : b == 7);
            drop(d, 1);
            d->cut = last ? 0 : d->cut;
            continue;
        }
        if (d->n == 1 && !late)
            return false;
        if (!csi && d->n > 1 && d->byte[1] == '\\')
            drop(d, 2);
        d->cut = 0; /* or something new begins */
    }
    return !d->cut;
}

/* --- paste ----------------------------------------------------------------------------------- */

static void take(ui_decode *d, size_t n)
{
    size_t room = UI_PASTE_MAX - d->paste.len;
    nb_str_addn(&d->paste, d->byte, n < room ? n : room);
    drop(d, n);
}

/* Raw bytes up to the end mark; true when it came or never will. */
static bool collect(ui_decode *d, double now)
{
    size_t mark = sizeof PASTE_END - 1;
    const uint8_t *end = d->n ? memmem(d->byte, d->n, PASTE_END, mark) : NULL;
    if (end) {
        take(d, (size_t)(end - d->byte));
        drop(d, mark);
        return true;
    }
    if (now - d->fed >= PASTE_SILENCE) {
        take(d, d->n);
        return true;
    }
    if (d->n >= mark)
        take(d, d->n - (mark - 1)); /* the rest may be the mark's beginning */
    return false;
}

static bool paste_key(ui_decode *d, double now, ui_key *out)
{
    if (!collect(d, now))
        return false;
    d->pasting = false;
    *out = (ui_key){.code = UI_K_PASTE, .paste = nb_str_c(&d->paste), .paste_len = d->paste.len};
    return true;
}

/* --- keys ------------------------------------------------------------------------------------ */

bool ui_decode_partial(const ui_decode *d)
{
    return d->n && !d->pasting && next(d, false).len == 0;
}

static void note_click(ui_decode *d, ui_key *k, double now)
{
    if (k->code != UI_K_MOUSE || k->button != 1)
        return;
    bool again = now - d->click_at < DOUBLE_CLICK && k->x == d->click_x && k->y == d->click_y;
    k->button = again ? 2 : 1;
    d->click_at = again ? -1 : now;
    d->click_x = k->x;
    d->click_y = k->y;
}

bool ui_decode_key(ui_decode *d, bool late, double now, ui_key *out)
{
    if (d->pasting)
        return paste_key(d, now, out);
    if (d->cut && !swallow(d, late, now))
        return false;
    while (d->n) {
        bool full = d->n == sizeof d->byte;
        sequence q = next(d, late || full);
        if (!q.len)
            return false;
        if (q.cut) {
            d->cut = (char)(d->byte[q.len - 1] == 0x1b ? 0x1b : d->byte[1]);
            d->cut_at = now;
        }
        if (!q.known)
            note_reply(d, q.len);
        drop(d, q.len);
        if (q.paste) {
            d->pasting = true;
            nb_str_clear(&d->paste);
            return paste_key(d, now, out);
        }
        if (!q.known)
            continue;
        *out = q.key;
        note_click(d, out, now);
        return true;
    }
    return false;
}
