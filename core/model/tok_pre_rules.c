#include "core/model/tok_pre_rules.h"

#include "core/base/str.h"
#include "core/base/unicode.h"

enum { /* sets of kinds, 1 << nb_cp_kind */
       LETTER = 1 << NB_KIND_LETTER,
       MARK = 1 << NB_KIND_MARK,
       NUMBER = 1 << NB_KIND_NUMBER,
       PUNCT = 1 << NB_KIND_PUNCT,
       SYMBOL = 1 << NB_KIND_SYMBOL,
       SPACE = 1 << NB_KIND_SPACE,
       ANY = (1 << NB_KINDS) - 1,
};

/* --- characters ---------------------------------------------------------------------------------
 */

typedef struct chr {
    uint32_t cp;   /* white space beyond ASCII: a vertical tab */
    unsigned kind; /* 1 << nb_cp_kind; 0 at the end */
    unsigned n;    /* bytes */
} chr;

static chr wide_chr(const nb_pre_text *x, size_t at, size_t end)
{
    uint32_t cp;
    size_t n = nb_utf8_next((const char *)x->bytes + at, end - at, &cp, NULL);
    if (n == 0)
        return (chr){0xfffd, SYMBOL, 1};
    unsigned kind = 1u << (cp < 0x10000 ? x->kinds[cp] : (unsigned)nb_cp_kind_of(cp));
    return (chr){kind == SPACE ? '\v' : cp, kind, (unsigned)n};
}

static inline chr chr_at(const nb_pre_text *x, size_t at, size_t end)
{
    if (at >= end)
        return (chr){0};
    uint8_t b = x->bytes[at];
    return b < 0x80 ? (chr){b, 1u << x->kinds[b], 1} : wide_chr(x, at, end);
}

/* End of the run of such characters that begins at `at`, at most `max` of them. */
static size_t run(const nb_pre_text *x, size_t at, size_t end, unsigned kinds, size_t max)
{
    for (chr c; max > 0 && (c = chr_at(x, at, end)).kind & kinds; max--)
        at += c.n;
    return at;
}

static bool matched(size_t at, size_t to, size_t *out)
{
    *out = to;
    return to > at;
}

static bool newline(uint32_t cp)
{
    return cp == '\r' || cp == '\n';
}

static bool ascii_alpha(uint32_t cp)
{
    return (cp | 0x20) >= 'a' && (cp | 0x20) <= 'z';
}

static bool ascii_digit(uint32_t cp)
{
    return cp >= '0' && cp <= '9';
}

/* 's|'t|'re|'ve|'m|'ll|'d at `at`: its end, or `at`. */
static size_t contraction(const nb_pre_text *x, size_t at, size_t end, bool any_case)
{
    if (end - at < 2 || x->bytes[at] != '\'')
        return at;
    uint8_t fold = any_case ? 0x20 : 0;
    uint8_t a = x->bytes[at + 1] | fold, b = end - at > 2 ? x->bytes[at + 2] | fold : 0;
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return at + 2;
    bool two = (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l');
    return two ? at + 3 : at;
}

/* \s+(?!\S)|\s+ : a run of white space without its last one when a word follows. */
static size_t blanks(const nb_pre_text *x, size_t at, size_t end)
{
    size_t last = at, to = at;
    for (chr c; (c = chr_at(x, to, end)).kind & SPACE; to += c.n)
        last = to;
    return to < end && last > at ? last : to;
}

/* \s*[\r\n]+ : up to the last newline of the run of white space, or `at`. */
static size_t newlines(const nb_pre_text *x, size_t at, size_t end)
{
    size_t to = at;
    for (chr c; (c = chr_at(x, at, end)).kind & SPACE; at += c.n)
        if (newline(c.cp))
            to = at + c.n;
    return to;
}

/* ` ?[...]+` : an optional space before a run of such characters; `at`: none. */
static size_t spaced(const nb_pre_text *x, size_t at, size_t end, unsigned kinds)
{
    size_t from = at < end && x->bytes[at] == ' ' ? at + 1 : at;
    size_t to = run(x, from, end, kinds, SIZE_MAX);
    return to > from ? to : at;
}

/* --- words --------------------------------------------------------------------------------------
 */

/* gpt-2: 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
static bool gpt2_word(const nb_pre_text *x, size_t at, size_t end, const void *arg, size_t *to)
{
    (void)arg;
    if (matched(at, contraction(x, at, end, false), to) ||
        matched(at, spaced(x, at, end, LETTER), to) ||
        matched(at, spaced(x, at, end, NUMBER), to) ||
        matched(at, spaced(x, at, end, ANY & ~(SPACE | LETTER | NUMBER)), to))
        return true;
    return matched(at, blanks(x, at, end), to);
}

/* The words of llama 3 and those made after it:
 *     contraction | [^\r\n\p{L}\p{N}]?LETTERS+ contraction | \p{N}{1,digits} |
 *     ` ?`[^\s SKIP]+[TAIL]* | \s*[\r\n]+ | \s+(?!\S) | \s+ */
typedef struct words {
    unsigned letters; /* kinds of LETTERS */
    unsigned skip;    /* kinds of SKIP, without white space */
    size_t digits;
    const char *tail;   /* behind a run of punctuation */
    bool front, behind; /* where contractions stand */
    bool cased;         /* an upper-case run ends a word that has lower case */
} words;

/* ((?=LETTERS)[^a-z])*((?=LETTERS)[^A-Z])+ or, when not `lower`, with + and * exchanged: a run of
 * what is not lower case, then one of what is not upper; only ASCII has a case. When nothing
 * follows the first run, it gives back what lies behind its last caseless letter. `at`: no match.
 */
static size_t cased_letters(const nb_pre_text *x, size_t at, size_t end, unsigned letters,
                            bool lower)
{
    size_t back = at, to = at;
    chr c;
    for (; (c = chr_at(x, to, end)).kind & letters && !(c.cp >= 'a' && c.cp <= 'z'); to += c.n)
        if (!(c.cp >= 'A' && c.cp <= 'Z'))
            back = to + c.n;
    if (!(c.kind & letters))
        return lower ? back : to;
    for (; (c = chr_at(x, to, end)).kind & letters && !(c.cp >= 'A' && c.cp <= 'Z'); to += c.n)
        continue;
    return to;
}

/* `lead` bytes that may stand before the letters are taken if letters follow. */
static size_t cased_word(const words *w, const nb_pre_text *x, size_t at, size_t end, size_t lead)
{
    for (int lower = 1; lower >= 0; lower--) {
        size_t to = cased_letters(x, at + lead, end, w->letters, lower);
        if (to == at + lead)
            to = cased_letters(x, at, end, w->letters, lower);
        if (to > at)
            return to;
    }
    return at;
}

/* The letters of a word, with the one character that may stand before them; `at`: none. */
static size_t whole_word(const words *w, const nb_pre_text *x, size_t at, size_t end)
{
    chr c = chr_at(x, at, end);
    size_t to, lead = newline(c.cp) || c.kind & (LETTER | NUMBER) ? 0 : c.n;
    if (w->cased) {
        to = cased_word(w, x, at, end, lead);
    } else {
        to = run(x, at + lead, end, w->letters, SIZE_MAX);
        if (to == at + lead)
            to = run(x, at, end, w->letters, SIZE_MAX);
    }
    return to > at && w->behind ? contraction(x, to, end, true) : to;
}

static bool in_tail(const char *tail, uint8_t byte)
{
    while (*tail && (uint8_t)*tail != byte)
        tail++;
    return *tail != '\0';
}

static bool word(const nb_pre_text *x, size_t at, size_t end, const void *arg, size_t *to)
{
    const words *w = arg;
    if (w->front && matched(at, contraction(x, at, end, true), to))
        return true;
    if (matched(at, whole_word(w, x, at, end), to) ||
        matched(at, run(x, at, end, NUMBER, w->digits), to))
        return true;
    if (matched(at, spaced(x, at, end, ANY & ~(SPACE | w->skip)), to)) {
        while (*to < end && in_tail(w->tail, x->bytes[*to]))
            ++*to;
        return true;
    }
    return matched(at, newlines(x, at, end), to) || matched(at, blanks(x, at, end), to);
}

/* deepseek-v3: [!-/:-@[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|
 * \s*[\r\n]+|\s+(?!\S)|\s+ ; what is none of these stays between the words. */
static bool deepseek3_word(const nb_pre_text *x, size_t at, size_t end, const void *arg, size_t *to)
{
    (void)arg;
    chr c = chr_at(x, at, end), next = chr_at(x, at + c.n, end);
    if (c.cp < 0x80 && c.kind & (PUNCT | SYMBOL) && ascii_alpha(next.cp)) {
        for (*to = at + 1; ascii_alpha(chr_at(x, *to, end).cp);)
            ++*to;
        return true;
    }
    bool before = !newline(c.cp) && !(c.kind & (LETTER | PUNCT | SYMBOL));
    if (before && next.kind & (LETTER | MARK))
        return matched(at, run(x, at + c.n, end, LETTER | MARK, SIZE_MAX), to);
    if (matched(at, run(x, at, end, LETTER | MARK, SIZE_MAX), to))
        return true;
    if (matched(at, spaced(x, at, end, PUNCT | SYMBOL), to)) {
        while (*to < end && newline(x->bytes[*to]))
            ++*to;
        return true;
    }
    if (matched(at, newlines(x, at, end), to) || matched(at, blanks(x, at, end), to))
        return true;
    *to = at + c.n;
    return false;
}

/* --- rules that find some characters and leave the rest together --------------------------------
 */

static bool no_match(size_t at, chr c, size_t *to)
{
    *to = at + c.n;
    return false;
}

/* \p{N}{1,n} */
static bool numbers(const nb_pre_text *x, size_t at, size_t end, const void *arg, size_t *to)
{
    const size_t *max = arg;
    return matched(at, run(x, at, end, NUMBER, *max), to) || no_match(at, chr_at(x, at, end), to);
}

/* [0-9][0-9][0-9] */
static bool three_digits(const nb_pre_text *x, size_t at, size_t end, const void *arg, size_t *to)
{
    (void)arg;
    size_t n = 0;
    while (n < 3 && at + n < end && ascii_digit(x->bytes[at + n]))
        n++;
    if (n < 3 && n > 0)
        *to = at + n;
    else
        *to = n ? at + 3 : at + chr_at(x, at, end).n;
    return n == 3;
}

/* Numbers by threes from the right: [^\p{N}]*\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N})), which llama.cpp
 * runs for tiny_aya's \d{1,3}(?=(?:\d{3})*\b) and afmoe: what stands before a run stays with its
 * first group. In three steps, for the sake of time: whole runs, what one has before its threes,
 * the threes. */
static bool with_numbers(const nb_pre_text *x, size_t at, size_t end, const void *arg, size_t *to)
{
    const size_t *max = arg;
    size_t from = run(x, at, end, ANY & ~NUMBER, SIZE_MAX);
    *to = run(x, from, end, NUMBER, *max);
    return *to > from;
}

static bool odd_numbers(const nb_pre_text *x, size_t at, size_t end, const void *arg, size_t *to)
{
    (void)arg;
    size_t n = 0, from = run(x, at, end, ANY & ~NUMBER, SIZE_MAX);
    for (size_t p = from, next; (next = run(x, p, end, NUMBER, 1)) > p; p = next)
        n++;
    *to = n % 3 ? run(x, from, end, NUMBER, n % 3) : end;
    return n % 3 != 0;
}

/* [\r\n] */
static bool one_newline(const nb_pre_text *x, size_t at, size_t end, const void *arg, size_t *to)
{
    (void)arg;
    (void)end;
    *to = at + 1;
    return newline(x->bytes[at]);
}

/* [^\n]+|[\n]+ */
static bool lines(const nb_pre_text *x, size_t at, size_t end, const void *arg, size_t *to)
{
    (void)arg;
    bool empty = x->bytes[at] == '\n';
    for (*to = at; *to < end && (x->bytes[*to] == '\n') == empty;)
        ++*to;
    return true;
}

/* [\p{P}$+<=>^~|]+, and the characters that arg holds */
static bool signs(const nb_pre_text *x, size_t at, size_t end, const void *arg, size_t *to)
{
    const char *more = arg;
    size_t p = at;
    for (chr c; (c = chr_at(x, p, end)).kind; p += c.n)
        if (!(c.kind & PUNCT) && !(c.cp < 0x80 && in_tail(more, (uint8_t)c.cp)))
            break;
    return matched(at, p, to) || no_match(at, chr_at(x, at, end), to);
}

/* \s?KIND+ */
static bool kind_run(const nb_pre_text *x, size_t at, size_t end, const void *arg, size_t *to)
{
    const unsigned *kind = arg;
    chr c = chr_at(x, at, end);
    size_t from = c.kind & SPACE ? at + c.n : at, stop = run(x, from, end, *kind, SIZE_MAX);
    return matched(from, stop, to) || no_match(at, c, to);
}

/* \s+$ */
static bool last_blanks(const nb_pre_text *x, size_t at, size_t end, const void *arg, size_t *to)
{
    (void)arg;
    size_t stop = run(x, at, end, SPACE, SIZE_MAX);
    if (stop == at)
        return no_match(at, chr_at(x, at, end), to);
    *to = stop;
    return stop == end;
}

/*  ?[^(\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+ */
static bool bloom_word(const nb_pre_text *x, size_t at, size_t end, const void *arg, size_t *to)
{
    static const uint32_t stops[] = {'(',    ')',    '|',    '.',    ',',    '!',   '?',
                                     0x2026, 0x3002, 0xff0c, 0x3001, 0x0964, 0x6d4, 0x60c};
    (void)arg;
    size_t from = at < end && x->bytes[at] == ' ' ? at + 1 : at, p = from;
    for (chr c; (c = chr_at(x, p, end)).kind && c.kind != SPACE; p += c.n) {
        bool stop = false;
        for (size_t i = 0; i < countof(stops); i++)
            stop = stop || c.cp == stops[i];
        if (stop)
            break;
    }
    return matched(from, p, to) || no_match(at, chr_at(x, at, end), to);
}

typedef struct span {
    uint32_t first, last;
} span;
typedef struct spans {
    const span *at; /* [n], ascending */
    size_t n;
    bool spaced; /* \s? before */
} spans;

static bool in_spans(const spans *s, uint32_t cp)
{
    size_t lo = 0, hi = cp < 0x80 ? 0 : s->n;
    while (cp < 0x80 && lo < s->n && s->at[lo].last < cp)
        lo++; /* few spans lie below, and most text is there */
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->at[mid].last < cp)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < s->n && s->at[lo].first <= cp;
}

/* \s?[SPANS]+ */
static bool span_run(const nb_pre_text *x, size_t at, size_t end, const void *arg, size_t *to)
{
    const spans *s = arg;
    chr first = chr_at(x, at, end), c;
    size_t from = s->spaced && first.kind & SPACE ? at + first.n : at, p = from;
    for (; (c = chr_at(x, p, end)).kind && in_spans(s, c.cp); p += c.n)
        continue;
    return matched(from, p, to) || no_match(at, first, to);
}

/* deepseek-llm's letters, punctuation and CJK, as its expressions list them. U+3000 is not found:
 * it has become white space before. */
static const span deepseek_letters[] = {
    {0x41, 0x5a},       {0x61, 0x7a},       {0xb5, 0xb5},       {0xc0, 0xd6},
    {0xd8, 0xf6},       {0xf8, 0x1ba},      {0x1bc, 0x1bf},     {0x1c4, 0x293},
    {0x295, 0x2af},     {0x370, 0x373},     {0x376, 0x377},     {0x37b, 0x37d},
    {0x37f, 0x37f},     {0x386, 0x386},     {0x388, 0x38a},     {0x38c, 0x38c},
    {0x38e, 0x3a1},     {0x3a3, 0x3f5},     {0x3f7, 0x481},     {0x48a, 0x52f},
    {0x531, 0x556},     {0x10a0, 0x10c5},   {0x13a0, 0x13f5},   {0x13f8, 0x13fd},
    {0x1c90, 0x1cba},   {0x1cbd, 0x1cbf},   {0x1d00, 0x1d2b},   {0x1d6b, 0x1d77},
    {0x1d79, 0x1d9a},   {0x1e00, 0x1f15},   {0x1f18, 0x1f1d},   {0x1f20, 0x1f45},
    {0x1f48, 0x1f4d},   {0x1f50, 0x1f57},   {0x1f59, 0x1f59},   {0x1f5b, 0x1f5b},
    {0x1f5d, 0x1f5d},   {0x1f5f, 0x1f7d},   {0x1f80, 0x1fb4},   {0x1fb6, 0x1fbc},
    {0x1fbe, 0x1fbe},   {0x1fc2, 0x1fc4},   {0x1fc6, 0x1fcc},   {0x1fd0, 0x1fd3},
    {0x1fd6, 0x1fdb},   {0x1fe0, 0x1fec},   {0x1ff2, 0x1ff4},   {0x1ff6, 0x1ffc},
    {0x2102, 0x2102},   {0x2107, 0x2107},   {0x210a, 0x2113},   {0x2115, 0x2115},
    {0x2119, 0x211d},   {0x2124, 0x2124},   {0x2126, 0x2126},   {0x2128, 0x2128},
    {0x212a, 0x212d},   {0x212f, 0x2134},   {0x2139, 0x2139},   {0x213c, 0x213f},
    {0x2145, 0x2149},   {0x214e, 0x214e},   {0x2183, 0x2184},   {0x2c00, 0x2c7b},
    {0x2c7e, 0x2ce4},   {0x2ceb, 0x2cee},   {0x2cf2, 0x2cf3},   {0xa640, 0xa66d},
    {0xa680, 0xa69b},   {0xa722, 0xa76f},   {0xa771, 0xa787},   {0xa78b, 0xa78e},
    {0xab70, 0xabbf},   {0xfb00, 0xfb06},   {0xfb13, 0xfb17},   {0xff21, 0xff3a},
    {0xff41, 0xff5a},   {0x10400, 0x1044f}, {0x104b0, 0x104d3}, {0x104d8, 0x104fb},
    {0x10c80, 0x10cb2}, {0x10cc0, 0x10cf2}, {0x118a0, 0x118df}, {0x1e900, 0x1e943},
};
static const span deepseek_signs[] = {
    {0x21, 0x2f},     {0x3a, 0x7e},     {0x2018, 0x201f},
    {0x3000, 0x3002}, {0xff01, 0xff0f}, {0xff1a, 0xff5e},
};
static const span deepseek_cjk[] = {{0x800, 0x9fa5}, {0xac00, 0xd7ff}};
static const span afmoe_asian[] = {
    {0xe40, 0xe7f},   {0xe80, 0xeff},   {0x1000, 0x109f}, {0x1100, 0x11ff}, {0x1780, 0x17ff},
    {0x2f00, 0x2fdf}, {0x3040, 0x30ff}, {0x3400, 0x4dbf}, {0x4e00, 0x9fff}, {0xa9e0, 0xa9ff},
    {0xaa60, 0xaa7f}, {0xac00, 0xd7af}, {0xf900, 0xfaff}, {0xff65, 0xff9f},
};
static const span deepseek3_cjk[] = {{0x3040, 0x30ff}, {0x4e00, 0x9fa5}};

/* --- families -----------------------------------------------------------------------------------
 */

static const spans llm_letters = {deepseek_letters, countof(deepseek_letters), true};
static const spans llm_signs = {deepseek_signs, countof(deepseek_signs), true};
static const spans llm_cjk = {deepseek_cjk, countof(deepseek_cjk), false};
static const spans v3_cjk = {deepseek3_cjk, countof(deepseek3_cjk), false};
static const spans asian = {afmoe_asian, countof(afmoe_asian), false};
static const unsigned letters = LETTER, punctuation = PUNCT;
static const size_t one = 1, three = 3, all = SIZE_MAX;

enum { SKIP = LETTER | NUMBER };
static const words llama3 = {LETTER, SKIP, 3, "\r\n", true, false, false};
static const words minicpm5 = {LETTER, SKIP, SIZE_MAX, "\r\n", true, false, false};
static const words qwen2 = {LETTER, SKIP, 1, "\r\n", true, false, false};
static const words qwen35 = {LETTER | MARK, SKIP | MARK, 1, "\r\n", true, false, false};
static const words ufakzeka = {LETTER, SKIP, 1, "\r\n", false, false, false};
static const words seed_coder = {LETTER, SKIP, 1, "", true, false, false};
static const words tekken = {LETTER, SKIP, 1, "\r\n/", false, false, true};
static const words gpt4o = {LETTER, SKIP, 3, "\r\n/", false, true, true};
static const words granite_multi = {LETTER | MARK, SKIP, 3, "\r\n/", false, true, true};
static const words tiny_aya = {LETTER | MARK, SKIP, 3, "\r\n/", false, true, false};

const nb_pre_rule nb_pre_families[NB_PRE_FAMILIES][NB_PRE_RULES + 1] = {
    [NB_PRE_DEFAULT] = {{signs, "$+<=>^~|"}, {gpt2_word, 0}, {numbers, &all}, {three_digits, 0}},
    [NB_PRE_LLAMA3] = {{word, &llama3}},
    [NB_PRE_MINICPM5] = {{numbers, &three}, {word, &minicpm5}},
    [NB_PRE_QWEN2] = {{word, &qwen2}},
    [NB_PRE_QWEN35] = {{word, &qwen35}},
    [NB_PRE_LAGUNA] = {{lines, 0}, {word, &qwen2}},
    [NB_PRE_UFAKZEKA] = {{word, &ufakzeka}},
    [NB_PRE_SEED_CODER] = {{word, &seed_coder}},
    [NB_PRE_GPT2] = {{gpt2_word, 0}},
    [NB_PRE_STARCODER] = {{numbers, &one}, {gpt2_word, 0}},
    [NB_PRE_TEKKEN] = {{word, &tekken}},
    [NB_PRE_GPT4O] = {{word, &gpt4o}},
    [NB_PRE_GRANITE_MULTI] = {{word, &granite_multi}},
    [NB_PRE_TINY_AYA] = {{with_numbers, &all},
                         {odd_numbers, 0},
                         {with_numbers, &three},
                         {word, &tiny_aya}},
    [NB_PRE_DEEPSEEK_LLM] = {{one_newline, 0},
                             {span_run, &llm_letters},
                             {span_run, &llm_signs},
                             {last_blanks, 0},
                             {span_run, &llm_cjk},
                             {numbers, &all}},
    [NB_PRE_DEEPSEEK_CODER] = {{one_newline, 0},
                               {kind_run, &letters},
                               {kind_run, &punctuation},
                               {span_run, &llm_cjk},
                               {numbers, &one}},
    [NB_PRE_DEEPSEEK3] = {{numbers, &three}, {span_run, &v3_cjk}, {deepseek3_word, 0}},
    [NB_PRE_AFMOE] = {{with_numbers, &all},
                      {odd_numbers, 0},
                      {with_numbers, &three},
                      {span_run, &asian},
                      {deepseek3_word, 0}},
    [NB_PRE_FALCON] = {{signs, "$+<=>^~|`"}, {gpt2_word, 0}, {three_digits, 0}},
    [NB_PRE_BLOOM] = {{bloom_word, 0}},
    [NB_PRE_VIKING] = {{bloom_word, 0}, {numbers, &one}},
};
