/* Entities as characters (CommonMark 0.31, 2.5). Of the named ones HTML 4's are known: Latin-1,
 * Greek, arrows, mathematics, typography; others are shown as written. */
#include "tui/widgets/md_parse.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_LEN = 7, DIGITS_MAX = 7, NO_CHARACTER = 0xfffd };

typedef struct name_row {
    const char *name;
    uint32_t cp;
} name_row;

/* Sorted by name. */
static const name_row names[] = {
    {"AElig", 0xc6},    {"Aacute", 0xc1},   {"Acirc", 0xc2},    {"Agrave", 0xc0},
    {"Alpha", 0x391},   {"Aring", 0xc5},    {"Atilde", 0xc3},   {"Auml", 0xc4},
    {"Beta", 0x392},    {"Ccedil", 0xc7},   {"Chi", 0x3a7},     {"Dagger", 0x2021},
    {"Delta", 0x394},   {"ETH", 0xd0},      {"Eacute", 0xc9},   {"Ecirc", 0xca},
    {"Egrave", 0xc8},   {"Epsilon", 0x395}, {"Eta", 0x397},     {"Euml", 0xcb},
    {"Gamma", 0x393},   {"Iacute", 0xcd},   {"Icirc", 0xce},    {"Igrave", 0xcc},
    {"Iota", 0x399},    {"Iuml", 0xcf},     {"Kappa", 0x39a},   {"Lambda", 0x39b},
    {"Mu", 0x39c},      {"Ntilde", 0xd1},   {"Nu", 0x39d},      {"OElig", 0x152},
    {"Oacute", 0xd3},   {"Ocirc", 0xd4},    {"Ograve", 0xd2},   {"Omega", 0x3a9},
    {"Omicron", 0x39f}, {"Oslash", 0xd8},   {"Otilde", 0xd5},   {"Ouml", 0xd6},
    {"Phi", 0x3a6},     {"Pi", 0x3a0},      {"Prime", 0x2033},  {"Psi", 0x3a8},
    {"Rho", 0x3a1},     {"Scaron", 0x160},  {"Sigma", 0x3a3},   {"THORN", 0xde},
    {"Tau", 0x3a4},     {"Theta", 0x398},   {"Uacute", 0xda},   {"Ucirc", 0xdb},
    {"Ugrave", 0xd9},   {"Upsilon", 0x3a5}, {"Uuml", 0xdc},     {"Xi", 0x39e},
    {"Yacute", 0xdd},   {"Yuml", 0x178},    {"Zeta", 0x396},    {"aacute", 0xe1},
    {"acirc", 0xe2},    {"acute", 0xb4},    {"aelig", 0xe6},    {"agrave", 0xe0},
    {"alpha", 0x3b1},   {"amp", 0x26},      {"and", 0x2227},    {"apos", 0x27},
    {"aring", 0xe5},    {"asymp", 0x2248},  {"atilde", 0xe3},   {"auml", 0xe4},
    {"bdquo", 0x201e},  {"beta", 0x3b2},    {"brvbar", 0xa6},   {"bull", 0x2022},
    {"cap", 0x2229},    {"ccedil", 0xe7},   {"cedil", 0xb8},    {"cent", 0xa2},
    {"check", 0x2713},  {"chi", 0x3c7},     {"circ", 0x2c6},    {"copy", 0xa9},
    {"cup", 0x222a},    {"curren", 0xa4},   {"dArr", 0x21d3},   {"dagger", 0x2020},
    {"darr", 0x2193},   {"deg", 0xb0},      {"delta", 0x3b4},   {"divide", 0xf7},
    {"eacute", 0xe9},   {"ecirc", 0xea},    {"egrave", 0xe8},   {"empty", 0x2205},
    {"emsp", 0x2003},   {"ensp", 0x2002},   {"epsilon", 0x3b5}, {"equiv", 0x2261},
    {"eta", 0x3b7},     {"eth", 0xf0},      {"euml", 0xeb},     {"euro", 0x20ac},
    {"exist", 0x2203},  {"forall", 0x2200}, {"frac12", 0xbd},   {"frac14", 0xbc},
    {"frac34", 0xbe},   {"gamma", 0x3b3},   {"ge", 0x2265},     {"gt", 0x3e},
    {"hArr", 0x21d4},   {"harr", 0x2194},   {"hearts", 0x2665}, {"hellip", 0x2026},
    {"iacute", 0xed},   {"icirc", 0xee},    {"iexcl", 0xa1},    {"igrave", 0xec},
    {"infin", 0x221e},  {"int", 0x222b},    {"iota", 0x3b9},    {"iquest", 0xbf},
    {"isin", 0x2208},   {"iuml", 0xef},     {"kappa", 0x3ba},   {"lArr", 0x21d0},
    {"lambda", 0x3bb},  {"laquo", 0xab},    {"larr", 0x2190},   {"ldquo", 0x201c},
    {"le", 0x2264},     {"loz", 0x25ca},    {"lsaquo", 0x2039}, {"lsquo", 0x2018},
    {"lt", 0x3c},       {"macr", 0xaf},     {"mdash", 0x2014},  {"micro", 0xb5},
    {"middot", 0xb7},   {"minus", 0x2212},  {"mu", 0x3bc},      {"nabla", 0x2207},
    {"nbsp", 0xa0},     {"ndash", 0x2013},  {"ne", 0x2260},     {"not", 0xac},
    {"ntilde", 0xf1},   {"nu", 0x3bd},      {"oacute", 0xf3},   {"ocirc", 0xf4},
    {"oelig", 0x153},   {"ograve", 0xf2},   {"oline", 0x203e},  {"omega", 0x3c9},
    {"omicron", 0x3bf}, {"oplus", 0x2295},  {"or", 0x2228},     {"ordf", 0xaa},
    {"ordm", 0xba},     {"oslash", 0xf8},   {"otilde", 0xf5},   {"otimes", 0x2297},
    {"ouml", 0xf6},     {"para", 0xb6},     {"part", 0x2202},   {"permil", 0x2030},
    {"perp", 0x22a5},   {"phi", 0x3c6},     {"pi", 0x3c0},      {"plusmn", 0xb1},
    {"pound", 0xa3},    {"prime", 0x2032},  {"prod", 0x220f},   {"prop", 0x221d},
    {"psi", 0x3c8},     {"quot", 0x22},     {"rArr", 0x21d2},   {"radic", 0x221a},
    {"raquo", 0xbb},    {"rarr", 0x2192},   {"rdquo", 0x201d},  {"reg", 0xae},
    {"rho", 0x3c1},     {"rsaquo", 0x203a}, {"rsquo", 0x2019},  {"sbquo", 0x201a},
    {"scaron", 0x161},  {"sdot", 0x22c5},   {"sect", 0xa7},     {"shy", 0xad},
    {"sigma", 0x3c3},   {"sigmaf", 0x3c2},  {"sub", 0x2282},    {"sube", 0x2286},
    {"sum", 0x2211},    {"sup", 0x2283},    {"sup1", 0xb9},     {"sup2", 0xb2},
    {"sup3", 0xb3},     {"supe", 0x2287},   {"szlig", 0xdf},    {"tau", 0x3c4},
    {"there4", 0x2234}, {"theta", 0x3b8},   {"thinsp", 0x2009}, {"thorn", 0xfe},
    {"tilde", 0x2dc},   {"times", 0xd7},    {"trade", 0x2122},  {"uArr", 0x21d1},
    {"uacute", 0xfa},   {"uarr", 0x2191},   {"ucirc", 0xfb},    {"ugrave", 0xf9},
    {"uml", 0xa8},      {"upsilon", 0x3c5}, {"uuml", 0xfc},     {"xi", 0x3be},
    {"yacute", 0xfd},   {"yen", 0xa5},      {"yuml", 0xff},     {"zeta", 0x3b6},
};

static int name_cmp(const void *name, const void *row)
{
    return strcmp(name, ((const name_row *)row)->name);
}

/* &#123; and &#x7b;: digits from `at` up to `end`; 0 = are none. What is no character is U+FFFD. */
static uint32_t number(const char *s, uint32_t at, uint32_t end)
{
    uint32_t base = 10, v = 0;
    if (at < end && (s[at] == 'x' || s[at] == 'X')) {
        base = 16;
        at++;
    }
    if (at == end || end - at > DIGITS_MAX)
        return 0;
    for (; at < end; at++) {
        char c = s[at], low = (char)(c | 0x20);
        uint32_t digit = c >= '0' && c <= '9'       ? (uint32_t)(c - '0')
                         : low >= 'a' && low <= 'f' ? (uint32_t)(low - 'a') + 10
                                                    : 99;
        if (digit >= base)
            return 0;
        v = v * base + digit;
    }
    return v && v <= 0x10ffff && (v < 0xd800 || v > 0xdfff) ? v : NO_CHARACTER;
}

uint32_t ui_md_entity(const char *s, uint32_t at, uint32_t end, char out[8], size_t *n)
{
    char name[NAME_MAX_LEN + 1];
    uint32_t from = at + 1, p = from, cp = 0;
    bool digits = p < end && s[p] == '#';
    while (p < end && p - from <= NAME_MAX_LEN + 1 && s[p] != ';' && s[p] != '&')
        p++;
    if (p >= end || s[p] != ';')
        return 0;
    if (digits) {
        cp = number(s, from + 1, p);
    } else if (p - from <= NAME_MAX_LEN) {
        memcpy(name, s + from, p - from);
        name[p - from] = '\0';
        const name_row *row = bsearch(name, names, countof(names), sizeof *names, name_cmp);
        cp = row ? row->cp : 0;
    }
    *n = cp ? nb_utf8_put(cp, out) : 0;
    return *n ? p + 1 - at : 0;
}
