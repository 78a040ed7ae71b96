#include "core/base/str.h"

#include "core/base/unicode.h"

/* Well-formed sequences beyond ASCII by lead byte (Unicode 15, table 3-7): length and the range of
 * the second byte, which alone keeps out overlongs, surrogates and code points past U+10FFFF. The
 * last row begins none. */
typedef struct lead {
    uint8_t first, last, len, low, high;
} lead;
static const lead leads[] = {
    {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf}, {0xe1, 0xec, 3, 0x80, 0xbf},
    {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf}, {0xf0, 0xf0, 4, 0x90, 0xbf},
    {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f}, {0xf5, 0xff, 0, 0, 0},
};

size_t nb_utf8_next(const char *s, size_t n, uint32_t *cp, bool *cut)
{
    const uint8_t *b = (const uint8_t *)s;
    if (cut)
        *cut = false;
    if (n == 0)
        return 0;
    if (b[0] < 0x80) {
        *cp = b[0];
        return 1;
    }
    const lead *l = leads; /* sorted: the first that does not end before b[0] */
    while (b[0] > l->last)
        l++;
    if (b[0] < l->first || l->len == 0)
        return 0;
    uint32_t v = b[0] & (0x7fu >> l->len);
    for (size_t i = 1; i < l->len; i++) {
        if (i == n) {
            if (cut)
                *cut = true;
            return 0;
        }
        uint8_t low = i == 1 ? l->low : 0x80, high = i == 1 ? l->high : 0xbf;
        if (b[i] < low || b[i] > high)
            return 0;
        v = v << 6 | (b[i] & 0x3f);
    }
    *cp = v;
    return l->len;
}

size_t nb_utf8_put(uint32_t cp, char out[4])
{
    if (cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
        return 0;
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    size_t n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; cp >>= 6)
        out[i] = (char)(0x80 | (cp & 0x3f));
    out[0] = (char)((0xf00u >> n & 0xff) | cp);
    return n;
}

size_t nb_utf8_whole(const char *s, size_t n)
{
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        uint32_t cp;
        bool cut;
        nb_utf8_next(s + n - back, back, &cp, &cut);
        if (cut)
            return n - back;
    }
    return n;
}

int nb_cp_width(uint32_t cp)
{
    if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
        return -1;
    if (cp < 0x300)
        return 1;
    if (nb_cp_is(NB_CP_ZERO, cp))
        return 0;
    return nb_cp_is(NB_CP_WIDE, cp) ? 2 : 1;
}
