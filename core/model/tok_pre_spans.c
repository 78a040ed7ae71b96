/* Rules of pre-tokenizers that list their characters, as the expressions of llama.cpp do
 * (llama-vocab.cpp @ 00ad355, llm_tokenizer_bpe). */
#include "core/model/tok_pre_rules.h"

#include "core/model/tok_pre_chars.h"

typedef nb_pre_span span;
typedef nb_pre_spans spans;

bool nb_pre_in_spans(const spans *s, uint32_t cp)
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
bool nb_pre_span_run(const nb_pre_text *x, size_t at, size_t end, const void *arg, size_t *to)
{
    const spans *s = arg;
    chr first = chr_at(x, at, end), c;
    size_t from = s->spaced && first.kind & SPACE ? at + first.n : at, p = from;
    for (; (c = chr_at(x, p, end)).kind && nb_pre_in_spans(s, c.cp); p += c.n)
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

const spans nb_pre_llm_letters = {deepseek_letters, countof(deepseek_letters), true};
const spans nb_pre_llm_signs = {deepseek_signs, countof(deepseek_signs), true};
const spans nb_pre_llm_cjk = {deepseek_cjk, countof(deepseek_cjk), false};
const spans nb_pre_v3_cjk = {deepseek3_cjk, countof(deepseek3_cjk), false};
const spans nb_pre_asian = {afmoe_asian, countof(afmoe_asian), false};

/* What llama.cpp's unicode_cpt_is_han takes for Han. */
static const span han[] = {
    {0x3400, 0x4dbf},   {0x4e00, 0x9fff},   {0xf900, 0xfaff},
    {0x20000, 0x2a6df}, {0x2a700, 0x2ebef}, {0x2f800, 0x2fa1f},
};
const spans nb_pre_han = {han, countof(han), false};

/* Hangul, wide punctuation, Bopomofo; Han and kana are deepseek-v3's. */
static const span hangul[] = {{0x3131, 0x318e}, {0xac00, 0xd7a3}};
static const span wide_signs[] = {
    {0x2014, 0x2014}, {0x2018, 0x2019}, {0x201c, 0x201d}, {0x2026, 0x2026}, {0x3001, 0x303f},
    {0xfe30, 0xfe4f}, {0xff01, 0xff01}, {0xff0c, 0xff0c}, {0xff1a, 0xff1b},
};
static const span bopomofo[] = {{0x3105, 0x312f}};

bool nb_pre_youtu_script(const nb_pre_text *x, size_t at, size_t end, const void *arg, size_t *to)
{
    static const spans scripts[] = {{hangul, countof(hangul), false},
                                    {wide_signs, countof(wide_signs), false},
                                    {bopomofo, countof(bopomofo), false},
                                    {deepseek3_cjk, countof(deepseek3_cjk), false}};
    (void)arg;
    for (size_t i = 0; i < countof(scripts); i++)
        if (nb_pre_span_run(x, at, end, &scripts[i], to))
            return true;
    return false;
}
