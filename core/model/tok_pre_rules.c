#include "core/model/tok_pre_rules.h"

#include <string.h>

#include "core/model/tok_pre_chars.h"

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

/* Behind a cut within a run of white space. */
static bool after_blank(const nb_pre_text *x, size_t at)
{
    size_t p = at;
    while (p > 0 && at - p < 4 && (x->bytes[p - 1] & 0xc0) == 0x80)
        p--;
    chr c = p > 0 ? chr_at(x, p - 1, at) : (chr){0};
    return c.kind & SPACE && !newline(c.cp);
}

/* \s{512}(?!\S)|\s{256}(?!\S)|...|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1} : by falling powers of two,
 * none of which takes the one character that a word may stand behind. */
static size_t halved_blanks(const nb_pre_text *x, size_t at, size_t end)
{
    for (size_t n = 512; n > 1; n /= 2) {
        size_t to = at, k = 0;
        chr c;
        for (; (c = chr_at(x, to, end)).kind & SPACE && k < n; k++)
            to += c.n;
        if (k == n && (!c.kind || c.kind & SPACE))
            return to;
    }
    return run(x, at, end, SPACE, 1);
}

/* jais-2: as llama 3, but for the white space. Where a run of it is cut there is no newline in the
 * rest, which is therefore not looked through again. */
static bool jais2_word(const nb_pre_text *x, size_t at, size_t end, const void *arg, size_t *to)
{
    const words *w = arg;
    if (!(chr_at(x, at, end).kind & SPACE) || whole_word(w, x, at, end) > at ||
        spaced(x, at, end, ANY & ~(SPACE | w->skip)) > at)
        return word(x, at, end, arg, to);
    if (!after_blank(x, at) && matched(at, newlines(x, at, end), to))
        return true;
    return matched(at, halved_blanks(x, at, end), to);
}

/* \p{L}\p{M}*(?: ?\p{L}\p{M}*)* : several words with single spaces between; `at`: none. */
static size_t many_words(const nb_pre_text *x, size_t at, size_t end)
{
    size_t to = at;
    for (;;) {
        size_t from = to > at && to < end && x->bytes[to] == ' ' ? to + 1 : to;
        chr c = chr_at(x, from, end);
        if (!(c.kind & LETTER))
            return to;
        to = run(x, from + c.n, end, MARK, SIZE_MAX);
    }
}

/* exaone-moe: contraction | [^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+ | \p{N} |
 *     ` ?`[^\s\p{L}\p{N}]+[\r\n/]? | \s*[\r\n] | \s+(?!\S) | \s+ */
static bool exaone_moe_word(const nb_pre_text *x, size_t at, size_t end, const void *arg,
                            size_t *to)
{
    (void)arg;
    chr c = chr_at(x, at, end);
    size_t lead = newline(c.cp) || c.kind & (LETTER | NUMBER) ? 0 : c.n;
    if (matched(at, contraction(x, at, end, true), to) ||
        matched(at + lead, many_words(x, at + lead, end), to) ||
        matched(at, run(x, at, end, NUMBER, 1), to))
        return true;
    if (matched(at, spaced(x, at, end, ANY & ~(SPACE | LETTER | NUMBER)), to)) {
        *to += *to < end && in_tail("\r\n/", x->bytes[*to]);
        return true;
    }
    return matched(at, newlines(x, at, end), to) || matched(at, blanks(x, at, end), to);
}

static size_t han_run(const nb_pre_text *x, size_t at, size_t end)
{
    for (chr c; (c = chr_at(x, at, end)).kind && nb_pre_in_spans(&nb_pre_han, c.cp);)
        at += c.n;
    return at;
}

/* Letters that are not Han. */
static size_t other_letters(const nb_pre_text *x, size_t at, size_t end)
{
    for (chr c; (c = chr_at(x, at, end)).kind & LETTER && !nb_pre_in_spans(&nb_pre_han, c.cp);)
        at += c.n;
    return at;
}

/* kimi-k2, as unicode.cpp's splitter of its own does it, where marks are no part of a word:
 *     HAN+ | [^\r\n\p{L}\p{N}]?((?!HAN)\p{L})+contraction? | and the rest of llama 3's */
static bool kimi_word(const nb_pre_text *x, size_t at, size_t end, const void *arg, size_t *to)
{
    chr c = chr_at(x, at, end);
    size_t lead = newline(c.cp) || c.kind & (LETTER | NUMBER) ? 0 : c.n;
    if (matched(at, han_run(x, at, end), to))
        return true;
    if (matched(at + lead, other_letters(x, at + lead, end), to)) {
        *to = contraction(x, *to, end, true);
        return true;
    }
    return word(x, at, end, arg, to);
}

/* deepseek-v3: [!-/:-@[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|
 * \s*[\r\n]+|\s+(?!\S)|\s+ ; what is none of these stays between the words. spark2_5: [\r\n] in
 * place of \s*[\r\n]+, and no [\r\n]* before. */
static bool deepseek3_word(const nb_pre_text *x, size_t at, size_t end, const void *arg, size_t *to)
{
    const bool *alone = arg; /* spark2_5: each newline is a word, none ends one */
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
        while (!*alone && *to < end && newline(x->bytes[*to]))
            ++*to;
        return true;
    }
    if (matched(at, *alone ? at + newline(c.cp) : newlines(x, at, end), to) ||
        matched(at, blanks(x, at, end), to))
        return true;
    *to = at + c.n;
    return false;
}

/* --- rules that find some characters and leave the rest together --------------------------------
 */

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

static size_t digit_run(const nb_pre_text *x, size_t at, size_t end)
{
    while (at < end && ascii_digit(x->bytes[at]))
        at++;
    return at;
}

/* superbpe cuts where (?=(\d{3})+(?!\d)) holds. In two steps, for the sake of time: up to where the
 * threes of the next run of digits begin, then the threes. */
static bool before_threes(const nb_pre_text *x, size_t at, size_t end, const void *arg, size_t *to)
{
    (void)arg;
    size_t p = at, stop = digit_run(x, at, end);
    if ((stop - p) % 3 == 0)
        p = stop;
    for (; p<end; p = stop> p ? stop : p + chr_at(x, p, end).n) {
        stop = digit_run(x, p, end);
        *to = p + (stop - p) % 3;
        if (stop - p >= 3)
            return true;
    }
    *to = end;
    return true;
}

static bool leading_three(const nb_pre_text *x, size_t at, size_t end, const void *arg, size_t *to)
{
    (void)arg;
    bool more = digit_run(x, at, end - at > 4 ? at + 4 : end) == at + 4;
    *to = more ? at + 3 : end;
    return more;
}

/* <sentinel:[0-9]+> */
static bool sentinel(const nb_pre_text *x, size_t at, size_t end, const void *arg, size_t *to)
{
    static const char open[] = "<sentinel:";
    (void)arg;
    size_t from = at + sizeof open - 1;
    if (from < end && memcmp(x->bytes + at, open, sizeof open - 1) == 0) {
        size_t stop = digit_run(x, from, end);
        if (stop > from && stop < end && x->bytes[stop] == '>')
            return matched(at, stop + 1, to);
    }
    return no_match(at, chr_at(x, at, end), to);
}

/* IMGIMG[A-I]{1,4}Z */
static bool image_token(const nb_pre_text *x, size_t at, size_t end, const void *arg, size_t *to)
{
    (void)arg;
    size_t from = at + 6, p = from;
    if (end - at > 6 && memcmp(x->bytes + at, "IMGIMG", 6) == 0) {
        while (p < end && p - from < 4 && x->bytes[p] >= 'A' && x->bytes[p] <= 'I')
            p++;
        if (p > from && p < end && x->bytes[p] == 'Z')
            return matched(at, p + 1, to);
    }
    return no_match(at, chr_at(x, at, end), to);
}

/* [\t\n]|    |  */
static bool blank_pairs(const nb_pre_text *x, size_t at, size_t end, const void *arg, size_t *to)
{
    (void)arg;
    size_t n = 0;
    while (n < 4 && at + n < end && x->bytes[at + n] == ' ')
        n++;
    if (x->bytes[at] == '\t' || x->bytes[at] == '\n')
        n = 1;
    else
        n = n == 4 ? 4 : n & 2;
    return matched(at, at + n, to) || no_match(at, chr_at(x, at, end), to);
}

/* [\p{P}!-/:-@\[-`{-~] */
static bool one_sign(const nb_pre_text *x, size_t at, size_t end, const void *arg, size_t *to)
{
    (void)arg;
    chr c = chr_at(x, at, end);
    *to = at + c.n;
    return c.kind & PUNCT || (c.cp < 0x80 && c.kind & SYMBOL);
}

/* \S+ */
static bool no_blanks(const nb_pre_text *x, size_t at, size_t end, const void *arg, size_t *to)
{
    (void)arg;
    return matched(at, run(x, at, end, ANY & ~SPACE, SIZE_MAX), to) ||
           no_match(at, chr_at(x, at, end), to);
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

/* --- families -----------------------------------------------------------------------------------
 */

static const unsigned letters = LETTER, punctuation = PUNCT;
static const bool joined = false, alone = true;
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
static const words youtu = {LETTER | MARK, SKIP, 1, "\r\n/", false, true, false};
static const words kimi = {0, SKIP, 3, "\r\n", false, false, false};
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
                             {nb_pre_span_run, &nb_pre_llm_letters},
                             {nb_pre_span_run, &nb_pre_llm_signs},
                             {last_blanks, 0},
                             {nb_pre_span_run, &nb_pre_llm_cjk},
                             {numbers, &all}},
    [NB_PRE_DEEPSEEK_CODER] = {{one_newline, 0},
                               {kind_run, &letters},
                               {kind_run, &punctuation},
                               {nb_pre_span_run, &nb_pre_llm_cjk},
                               {numbers, &one}},
    [NB_PRE_DEEPSEEK3] = {{numbers, &three},
                          {nb_pre_span_run, &nb_pre_v3_cjk},
                          {deepseek3_word, &joined}},
    [NB_PRE_AFMOE] = {{with_numbers, &all},
                      {odd_numbers, 0},
                      {with_numbers, &three},
                      {nb_pre_span_run, &nb_pre_asian},
                      {deepseek3_word, &joined}},
    [NB_PRE_FALCON] = {{signs, "$+<=>^~|`"}, {gpt2_word, 0}, {three_digits, 0}},
    [NB_PRE_BLOOM] = {{bloom_word, 0}},
    [NB_PRE_VIKING] = {{bloom_word, 0}, {numbers, &one}},
    [NB_PRE_JAIS2] = {{jais2_word, &llama3}},
    [NB_PRE_YOUTU] = {{nb_pre_youtu_script, 0}, {word, &youtu}},
    [NB_PRE_CHAMELEON] = {{sentinel, 0},
                          {image_token, 0},
                          {blank_pairs, 0},
                          {numbers, &one},
                          {one_sign, 0},
                          {gpt2_word, 0}},
    [NB_PRE_SUPERBPE] = {{numbers, &all}, {before_threes, 0}, {leading_three, 0}},
    [NB_PRE_EXAONE_MOE] = {{exaone_moe_word, 0}},
    [NB_PRE_KIMI_K2] = {{kimi_word, &kimi}},
    [NB_PRE_SPARK25] = {{numbers, &three},
                        {nb_pre_span_run, &nb_pre_v3_cjk},
                        {deepseek3_word, &alone},
                        {numbers, &one}},
    [NB_PRE_LINES] = {{lines, 0}},
    [NB_PRE_WORDS] = {{no_blanks, 0}},
};
