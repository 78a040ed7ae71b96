#include "tests/pty/vt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"
#include "core/base/unicode.h"

enum { MAX_PARAMS = 16 };

static void blank(vt *t, int y, int from, int to)
{
    for (int x = from; x < to && x < VT_W; x++)
        t->cell[y][x] = (vt_cell){.text = " "};
}

static void blank_rows(vt *t, int from, int to)
{
    for (int y = from; y < to; y++)
        blank(t, y, 0, VT_W);
}

void vt_reset(vt *t, int w, int h)
{
    memset(t, 0, sizeof *t);
    blank_rows(t, 0, VT_H);
    vt_size(t, w, h);
}

static int clamp(int v, int lo, int hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

void vt_size(vt *t, int w, int h)
{
    t->w = clamp(w, 1, VT_W);
    t->h = clamp(h, 1, VT_H);
    blank_rows(t, t->h, VT_H); /* what no longer fits is lost, as on xterm's alternate screen */
    for (int y = 0; y < t->h; y++)
        blank(t, y, t->w, VT_W);
    t->top = 0;
    t->bottom = t->h;
    t->x = clamp(t->x, 0, t->w - 1);
    t->y = clamp(t->y, 0, t->h - 1);
    t->pending = false;
}

static void odd(vt *t, const char *s, size_t n)
{
    size_t k = 0;
    if (t->odd++)
        return;
    for (size_t i = 0; i < n && k + 5 < sizeof t->first_odd; i++) {
        unsigned char b = (unsigned char)s[i];
        k += (size_t)snprintf(t->first_odd + k, sizeof t->first_odd - k,
                              b >= 0x20 && b < 0x7f ? "%c" : "\\x%02x", b);
    }
}

/* Moves the rows from..bottom-1 by n: up when positive. */
static void scroll(vt *t, int from, int n)
{
    int rows = t->bottom - from, k = clamp(abs(n), 0, rows);
    if (n > 0) {
        memmove(t->cell[from], t->cell[from + k], (size_t)(rows - k) * sizeof t->cell[0]);
        blank_rows(t, t->bottom - k, t->bottom);
    } else {
        memmove(t->cell[from + k], t->cell[from], (size_t)(rows - k) * sizeof t->cell[0]);
        blank_rows(t, from, from + k);
    }
}

static void line_feed(vt *t)
{
    if (t->y == t->bottom - 1)
        scroll(t, t->top, 1);
    else if (t->y < t->h - 1)
        t->y++;
    t->pending = false;
}

static void show(vt *t, const char *s, size_t n, uint32_t cp)
{
    int width = nb_cp_width(cp);
    vt_cell *last = &t->cell[t->y][t->x > 0 && !t->pending ? t->x - 1 : t->x];
    if (width < 1 || cp == 0x200d) { /* joins what stands before */
        size_t have = strlen(last->text);
        if (have + n < sizeof last->text)
            memcpy(last->text + have, s, n + 1);
        return;
    }
    if (t->pending || t->x + width > t->w) {
        t->x = 0;
        line_feed(t);
    }
    vt_cell c = {.reverse = t->reverse, .bold = t->bold, .underline = t->underline};
    memcpy(c.text, t->shifted ? "#" : s, t->shifted ? 1 : n);
    t->cell[t->y][t->x] = c;
    if (width == 2 && t->x + 1 < t->w)
        t->cell[t->y][t->x + 1] = (vt_cell){.text = ""};
    t->pending = t->x + width >= t->w;
    t->x = t->pending ? t->w - 1 : t->x + width;
}

static void sgr(vt *t, const int *p, int n)
{
    for (int i = 0; i < n; i++) {
        int v = p[i];
        if (v == 0)
            t->reverse = t->bold = t->underline = false;
        else if (v == 1 || v == 22)
            t->bold = v == 1;
        else if (v == 4 || v == 24)
            t->underline = v == 4;
        else if (v == 7 || v == 27)
            t->reverse = v == 7;
        else if ((v >= 30 && v <= 49) || (v >= 90 && v <= 107))
            t->coloured += v != 39 && v != 49;
        if (v == 38 && i + 2 < n && p[i + 1] == 5 && p[i + 2] < 256)
            t->fg[p[i + 2]]++;
        if ((v == 38 || v == 48) && i + 1 < n)
            i += p[i + 1] == 5 ? 2 : 4;
    }
}

static void private_mode(vt *t, int mode, bool on)
{
    switch (mode) {
    case 1049:
        if (on && !t->switches)
            t->before = t->bytes - t->len;
        t->switches += on;
        t->alternate = on;
        blank_rows(t, 0, VT_H);
        break;
    case 25:
        t->hidden = !on;
        break;
    case 2004:
        t->paste = on;
        break;
    case 1004:
        t->focus = on;
        break;
    case 1000:
    case 1002:
    case 1003:
        t->mouse = on;
        break;
    case 2026:
        t->frames += on;
        t->frame = on;
        break;
    default: /* cursor keys, wrap, blink, SGR mouse form */
        break;
    }
}

static void erase(vt *t, char what, int how)
{
    int from = how == 0 ? t->x : 0, to = how == 1 ? t->x + 1 : t->w;
    blank(t, t->y, from, to);
    if (what == 'J' && how != 0)
        blank_rows(t, 0, how == 1 ? t->y : t->h);
    if (what == 'J' && how != 1)
        blank_rows(t, how == 2 ? 0 : t->y + 1, t->h);
}

static void shift_cells(vt *t, int n)
{
    vt_cell *row = t->cell[t->y];
    int k = clamp(abs(n), 0, t->w - t->x), keep = t->w - t->x - k;
    if (n > 0) {
        memmove(row + t->x + k, row + t->x, (size_t)keep * sizeof *row);
        blank(t, t->y, t->x, t->x + k);
    } else {
        memmove(row + t->x, row + t->x + k, (size_t)keep * sizeof *row);
        blank(t, t->y, t->w - k, t->w);
    }
}

static void repeat(vt *t, int n)
{
    vt_cell last = t->cell[t->y][t->pending ? t->x : t->x > 0 ? t->x - 1 : 0];
    uint32_t cp = ' ';
    nb_utf8_next(last.text, strlen(last.text), &cp, NULL);
    for (int i = 0; i < n; i++)
        show(t, last.text, strlen(last.text), cp);
}

/* Moves, erases, scrolls: false when the letter is not one of them. */
static bool csi_move(vt *t, char letter, const int *p)
{
    int n = p[0] ? p[0] : 1;
    switch (letter) {
    case 'A':
        t->y = clamp(t->y - n, 0, t->h - 1);
        break;
    case 'B':
    case 'e':
        t->y = clamp(t->y + n, 0, t->h - 1);
        break;
    case 'C':
    case 'a':
        t->x = clamp(t->x + n, 0, t->w - 1);
        break;
    case 'D':
        t->x = clamp(t->x - n, 0, t->w - 1);
        break;
    case 'G':
    case '`':
        t->x = clamp(n - 1, 0, t->w - 1);
        break;
    case 'd':
        t->y = clamp(n - 1, 0, t->h - 1);
        break;
    case 'H':
    case 'f':
        t->y = clamp(n - 1, 0, t->h - 1);
        t->x = clamp((p[1] ? p[1] : 1) - 1, 0, t->w - 1);
        break;
    default:
        return false;
    }
    t->pending = false;
    return true;
}

static bool csi_edit(vt *t, char letter, const int *p, int count)
{
    int n = p[0] ? p[0] : 1;
    switch (letter) {
    case 'J':
    case 'K':
        erase(t, letter, p[0]);
        break;
    case 'X':
        blank(t, t->y, t->x, clamp(t->x + n, 0, t->w));
        break;
    case '@':
        shift_cells(t, n);
        break;
    case 'P':
        shift_cells(t, -n);
        break;
    case 'L':
        scroll(t, t->y, -n);
        break;
    case 'M':
        scroll(t, t->y, n);
        break;
    case 'S':
        scroll(t, t->top, n);
        break;
    case 'T':
        scroll(t, t->top, -n);
        break;
    case 'b':
        repeat(t, n);
        break;
    case 'm':
        sgr(t, p, count);
        break;
    case 'r':
        t->top = clamp(n - 1, 0, t->h - 1);
        t->bottom = p[1] ? clamp(p[1], t->top + 1, t->h) : t->h;
        t->x = t->y = 0;
        break;
    default:
        return false;
    }
    return true;
}

static void csi(vt *t, const char *s, size_t n)
{
    int p[MAX_PARAMS] = {0}, count = 1;
    char mark = s[0] == '?' || s[0] == '>' || s[0] == '=' ? s[0] : 0;
    for (size_t i = mark ? 1 : 0; i + 1 < n; i++) {
        if (s[i] == ';' || s[i] == ':')
            count += count < MAX_PARAMS;
        else if (s[i] >= '0' && s[i] <= '9' && p[count - 1] < 100000)
            p[count - 1] = p[count - 1] * 10 + s[i] - '0';
    }
    char letter = s[n - 1];
    if (mark == '?' && (letter == 'h' || letter == 'l')) {
        for (int i = 0; i < count; i++)
            private_mode(t, p[i], letter == 'h');
        return;
    }
    t->asked_sync += mark == '?' && letter == 'p' && p[0] == 2026;
    /* t: window title stack, part of xterm's alternate screen; p: DECRQM; n, c: queries; l, h:
     * insert */
    if (mark ? strchr("pcmun", letter) != NULL : strchr("tlhnc", letter) != NULL)
        return;
    if (mark || (!csi_move(t, letter, p) && !csi_edit(t, letter, p, count)))
        odd(t, s, n);
}

/* What terminals know and neither nibble nor ncurses sends to xterm-256color: titles, resets,
 * questions, modes of others, and numbers that no screen has. */
static bool is_foreign(const char *s, size_t n)
{
    static const int modes[] = {1, 7, 12, 25, 1000, 1004, 1006, 1049, 2004, 2026};
    char letter = s[n - 1];
    int v = 0;
    bool private = s[1] == '[' && s[2] == '?', known = false;
    if (s[1] != '[')
        return strchr("kcDP\\", s[1]) != NULL;
    if (strchr("nc", letter))
        return true;
    for (size_t i = 2; i < n; i++) {
        if (s[i] >= '0' && s[i] <= '9') {
            v = v < 100000 ? v * 10 + s[i] - '0' : v;
            continue;
        }
        if (!private && v > (letter == 't' ? 23 : 999))
            return true;
        for (size_t k = 0; k < sizeof modes / sizeof modes[0]; k++)
            known |= v == modes[k];
        v = 0;
    }
    return private && strchr("hl", letter) && !known;
}

static void escape(vt *t, const char *s, size_t n)
{
    if (t->strict && is_foreign(s, n)) {
        odd(t, s, n);
        return;
    }
    switch (s[1]) {
    case '[':
        csi(t, s + 2, n - 2);
        break;
    case ']':
        /* only the question for the background colour is nibble's own */
        if (strncmp(s + 2, "11;?", 4) == 0)
            t->asked_background++;
        else
            odd(t, s, n);
        break;
    case 'M':
        if (t->y == t->top)
            scroll(t, t->top, -1);
        else if (t->y > 0)
            t->y--;
        break;
    case 'D':
        line_feed(t);
        break;
    case '7':
        t->saved_x = t->x;
        t->saved_y = t->y;
        break;
    case '8':
        t->x = clamp(t->saved_x, 0, t->w - 1);
        t->y = clamp(t->saved_y, 0, t->h - 1);
        t->pending = false;
        break;
    case '(':
    case ')':
    case '=':
    case '>':
    case 'k': /* title in TERM=screen */
    case '\\':
    case 'c':
        break;
    default:
        odd(t, s, n);
    }
}

/* Length of the whole sequence or character at the start of s; 0 = more bytes are needed. */
static size_t token(const char *s, size_t n)
{
    unsigned char b = (unsigned char)s[0];
    if (b >= 0x80) {
        uint32_t cp;
        bool cut = false;
        size_t used = nb_utf8_next(s, n, &cp, &cut);
        return used ? used : cut ? 0 : 1;
    }
    if (b != 0x1b)
        return 1;
    if (n < 2)
        return 0;
    if (s[1] == '(' || s[1] == ')')
        return n < 3 ? 0 : 3;
    if (s[1] == '[') {
        for (size_t i = 2; i < n; i++)
            if (s[i] >= '@' && s[i] <= '~')
                return i + 1;
        return 0;
    }
    if (s[1] != ']' && s[1] != 'P')
        return 2;
    for (size_t i = 2; i < n; i++)
        if (s[i] == 7 || (s[i] == '\\' && s[i - 1] == 0x1b))
            return i + 1;
    return 0;
}

static void control(vt *t, const char *s)
{
    switch (*s) {
    case '\r':
        t->x = 0;
        t->pending = false;
        break;
    case '\n':
        line_feed(t);
        break;
    case '\b':
        t->x -= t->x > 0;
        t->pending = false;
        break;
    case '\t':
        t->x = clamp((t->x / 8 + 1) * 8, 0, t->w - 1);
        break;
    case 14:
    case 15:
        t->shifted = *s == 14;
        break;
    case 0:
        break; /* padding of old terminals */
    default:
        odd(t, s, 1);
    }
}

static void take(vt *t, const char *s, size_t n)
{
    uint32_t cp = 0;
    char one[8] = "";
    unsigned char b = (unsigned char)s[0];
    if (b == 0x1b) {
        escape(t, s, n);
    } else if (b < 0x20) {
        control(t, s);
    } else if (!nb_utf8_next(s, n, &cp, NULL) || nb_cp_width(cp) < 0 ||
               (cp >= 0x80 && nb_cp_is(NB_CP_HIDDEN, cp) && cp != 0x200d && cp != 0xfe0f)) {
        odd(t, s, n);
    } else {
        memcpy(one, s, n);
        show(t, one, n, cp);
    }
}

void vt_feed(vt *t, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        t->bytes++;
        t->high += (unsigned char)bytes[i] >= 0x80;
        if (t->len == sizeof t->seq) { /* no sequence is that long */
            odd(t, t->seq, t->len);
            t->len = 0;
        }
        t->seq[t->len++] = bytes[i];
        size_t used = token(t->seq, t->len);
        if (!used)
            continue;
        take(t, t->seq, used);
        t->len -= used;
        memmove(t->seq, t->seq + used, t->len);
    }
}

const char *vt_row(const vt *t, int y)
{
    static char ring[4][VT_W * 8];
    static int at;
    char *out = ring[at++ & 3];
    size_t n = 0, end = 0;
    for (int x = 0; x < t->w && n + 24 < sizeof ring[0]; x++) {
        size_t len = strlen(t->cell[y][x].text);
        memcpy(out + n, t->cell[y][x].text, len);
        n += len;
        if (strcmp(t->cell[y][x].text, " ") != 0)
            end = n;
    }
    out[end] = '\0';
    return out;
}

int vt_times(const vt *t, const char *text)
{
    int n = 0;
    for (int y = 0; y < t->h; y++)
        for (const char *s = vt_row(t, y); (s = strstr(s, text)); s++)
            n++;
    return n;
}

bool vt_shows(const vt *t, const char *text)
{
    for (int y = 0; y < t->h; y++)
        if (strstr(vt_row(t, y), text))
            return true;
    return false;
}

static bool spells(const vt *t, int x, int y, const char *text)
{
    for (; *text && x < t->w; x++) {
        size_t n = strlen(t->cell[y][x].text);
        if (strncmp(t->cell[y][x].text, text, n) != 0)
            return false;
        text += n;
    }
    return !*text;
}

bool vt_find(const vt *t, const char *text, int *x, int *y)
{
    for (*y = 0; *y < t->h; ++*y)
        for (*x = 0; *x < t->w; ++*x)
            if (spells(t, *x, *y, text))
                return true;
    return false;
}

bool vt_same(const vt *a, const vt *b, int from, int to)
{
    for (int y = from; y < to; y++)
        if (strcmp(vt_row(a, y), vt_row(b, y)) != 0)
            return false;
    return a->w == b->w && a->h == b->h;
}
