/* Every family of pre-tokenizers cuts shaped and random text as the expressions that it stands for,
 * run by a slow matcher. The expressions are llama.cpp's (llama-vocab.cpp @ 00ad355,
 * llm_tokenizer_bpe); where it has a splitter of its own for one (gpt-2's lacks the last \s+), the
 * one named in that splitter's comment. */
#include "tests/check.h"
#include "tests/slow_regex.h"
#include "tests/util.h"

#include "core/base/job.h"
#include "core/base/unicode.h"
#include "core/model/tok_pre.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Written \d{1,3}(?=(?:\d{3})*\b) there; what llama.cpp does is this (tests/peers/words.mjs). */
#define THREES         "[^\\p{N}]*\\p{N}{1,3}(?=(?:\\p{N}{3})*(?!\\p{N}))"
#define GPT2           "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define SHORT          "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]"
#define BLANKS         "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define SIGNS          "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
#define LLAMA3(digits) "(?:" SHORT ")|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}" digits SIGNS BLANKS
#define CASED(set, behind, digits)                                                                 \
    "[^\\r\\n\\p{L}\\p{N}]?((?=[" set "])([^a-z]))*((?=[" set "])([^A-Z]))+" behind                \
    "|[^\\r\\n\\p{L}\\p{N}]?((?=[" set "])([^a-z]))+((?=[" set "])([^A-Z]))*" behind               \
    "|\\p{N}" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*" BLANKS
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define DEEPSEEK3                                                                                  \
    "[!\"#$%&'()*+,\\-./"                                                                          \
    ":;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}"                   \
    "]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"
#define SPARK25                                                                                    \
    "[!\"#$%&'()*+,\\-./"                                                                          \
    ":;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}"                   \
    "]+| ?[\\p{P}\\p{S}]+|[\r\n]|\\s+(?!\\S)|\\s+"
/* unicode.cpp, unicode_cpt_is_han; kimi-k2's expression is said there in a comment and in code,
 * which takes no marks. */
#define HAN                                                                                        \
    "[\343\220\200-\344\266\277\344\270\200-\351\277\277\357\244\200-\357\253\277"                 \
    "\360\240\200\200-\360\252\233\237\360\252\234\200-\360\256\257\257\360\257\240\200-"          \
    "\360\257\250\237]"
#define YOUTU                                                                                      \
    "[\352\260\200-\355\236\243\343\204\261-\343\206\216]+|[\357\274\201\342\200\246\342\200\234"  \
    "\342\200\235\342\200\230\342\200\231\342\200\224\357\274\232\357\274\233\357\274\214\343"     \
    "\200\201-\343\200\277\357\270\260-\357\271\217]+|[\343\204\205-\343\204\257]+|" KANA
#define CJK  "[\344\270\200-\351\276\245\340\240\200-\344\270\200\352\260\200-\355\237\277]+"
#define KANA "[\344\270\200-\351\276\245\343\201\200-\343\202\237\343\202\240-\343\203\277]+"
#define ASIAN                                                                                      \
    "[\340\271\200-\340\271\277\340\272\200-\340\273\277\341\200\200-\341\202\237\341"             \
    "\204\200-\341\207\277\341\236\200-\341\237\277\342\274\200-\342\277\237\343\201"              \
    "\200-\343\202\237\343\202\240-\343\203\277\343\220\200-\344\266\277\344\270\200-"             \
    "\351\277\277\352\247\240-\352\247\277\352\251\240-\352\251\277\352\260\200-\355"              \
    "\236\257\357\244\200-\357\253\277\357\275\245-\357\276\237]+"
#define BLOOM                                                                                      \
    " ?[^(\\s|.,!?\342\200\246\343\200\202\357\274\214\343\200\201\340\245\244\333\224\330\214)]+"
#define DEEPSEEK_LETTERS                                                                           \
    "\\s?[A-Za-z\302\265\303\200-\303\226\303\230-\303\266\303\270-\306\272\306\274-"              \
    "\306\277\307\204-\312\223\312\225-\312\257\315\260-\315\263\315\266\315\267\315"              \
    "\273-\315\275\315\277\316\206\316\210-\316\212\316\214\316\216-\316\241\316\243-"             \
    "\317\265\317\267-\322\201\322\212-\324\257\324\261-\325\226\341\202\240-\341\203"             \
    "\205\341\216\240-\341\217\265\341\217\270-\341\217\275\341\262\220-\341\262\272"              \
    "\341\262\275-\341\262\277\341\264\200-\341\264\253\341\265\253-\341\265\267\341"              \
    "\265\271-\341\266\232\341\270\200-\341\274\225\341\274\230-\341\274\235\341\274"              \
    "\240-\341\275\205\341\275\210-\341\275\215\341\275\220-\341\275\227\341\275\231"              \
    "\341\275\233\341\275\235\341\275\237-\341\275\275\341\276\200-\341\276\264\341"               \
    "\276\266-\341\276\274\341\276\276\341\277\202-\341\277\204\341\277\206-\341\277"              \
    "\214\341\277\220-\341\277\223\341\277\226-\341\277\233\341\277\240-\341\277\254"              \
    "\341\277\262-\341\277\264\341\277\266-\341\277\274\342\204\202\342\204\207\342"               \
    "\204\212-\342\204\223\342\204\225\342\204\231-\342\204\235\342\204\244\342\204"               \
    "\246\342\204\250\342\204\252-\342\204\255\342\204\257-\342\204\264\342\204\271"               \
    "\342\204\274-\342\204\277\342\205\205-\342\205\211\342\205\216\342\206\203\342"               \
    "\206\204\342\260\200-\342\261\273\342\261\276-\342\263\244\342\263\253-\342\263"              \
    "\256\342\263\262\342\263\263\352\231\200-\352\231\255\352\232\200-\352\232\233"               \
    "\352\234\242-\352\235\257\352\235\261-\352\236\207\352\236\213-\352\236\216\352"              \
    "\255\260-\352\256\277\357\254\200-\357\254\206\357\254\223-\357\254\227\357\274"              \
    "\241-\357\274\272\357\275\201-\357\275\232\360\220\220\200-\360\220\221\217\360"              \
    "\220\222\260-\360\220\223\223\360\220\223\230-\360\220\223\273\360\220\262\200-"              \
    "\360\220\262\262\360\220\263\200-\360\220\263\262\360\221\242\240-\360\221\243"               \
    "\237\360\236\244\200-\360\236\245\203]+"
#define DEEPSEEK_SIGNS                                                                             \
    "\\s?[!-/:-~\357\274\201-\357\274\217\357\274\232-\357\275\236\342\200\230-\342"               \
    "\200\237\343\200\200-\343\200\202]+"

static const struct {
    const char *pre, *regex[NB_PRE_RULES];
} families[] = {
    {"default", {"[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"}},
    {"llama-bpe", {LLAMA3("{1,3}")}},
    {"minicpm5", {"\\p{N}{1,3}", LLAMA3("+")}},
    {"qwen2", {LLAMA3("")}},
    {"bailingmoe",
     {"'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "
      "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"}},
    {"qwen35",
     {"(?:" SHORT ")|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| "
      "?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*" BLANKS}},
    {"laguna", {"[^\\n]+|[\\n]+", LLAMA3("")}},
    {"ufakzeka", {"[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}" SIGNS BLANKS}},
    {"seed-coder",
     {"(?:" SHORT ")|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| "
      "?[^\\s\\p{L}\\p{N}\\r\\n]+" BLANKS}},
    {"gpt-2", {GPT2}},
    {"starcoder", {"\\p{N}", GPT2}},
    {"tekken", {CASED("\\p{L}", "", "")}},
    {"gpt-4o", {CASED("\\p{L}", "(?:" SHORT ")?", "{1,3}")}},
    {"granite-embed-multi-97m", {CASED("\\p{L}\\p{M}", "(?:" SHORT ")?", "{1,3}")}},
    {"tiny_aya",
     {THREES,
      "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+(?:" SHORT ")?|[^\\r\\n\\p{L}\\p{N}]?" UPPER
      "+" LOWER "*(?:" SHORT ")?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*" BLANKS}},
    {"deepseek-llm", {"[\r\n]", DEEPSEEK_LETTERS, DEEPSEEK_SIGNS, "\\s+$", CJK, "\\p{N}+"}},
    {"deepseek-coder", {"[\r\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", CJK, "\\p{N}"}},
    {"deepseek-v3", {"\\p{N}{1,3}", KANA, DEEPSEEK3}},
    {"afmoe", {THREES, ASIAN, DEEPSEEK3}},
    {"falcon", {"[\\p{P}\\$\\+<=>\\^~\\|`]+", GPT2, "[0-9][0-9][0-9]"}},
    {"bloom", {BLOOM}},
    {"viking", {BLOOM, "\\p{N}"}},
    {"jais-2",
     {"(?:" SHORT ")|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}" SIGNS
      "|\\s*[\\r\\n]+|\\s{512}(?!\\S)|\\s{256}(?!\\S)|\\s{128}(?!\\S)|\\s{64}(?!\\S)|\\s{32}(?!\\S)"
      "|\\s{16}(?!\\S)|\\s{8}(?!\\S)|\\s{4}(?!\\S)|\\s{1,2}(?!\\S)|\\s{1}"}},
    {"youtu",
     {YOUTU, "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+(?:" SHORT ")?|[^\\r\\n\\p{L}\\p{N}]?" UPPER
             "+" LOWER "*(?:" SHORT ")?|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*" BLANKS}},
    {"chameleon",
     {"<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", "([\\t\\n]|    |  )", "\\p{N}",
      "[\\p{P}!-/:-@\\[-`{-~]", GPT2}},
    {"superbpe", {"\\p{N}+", "(?=(\\d{3})+(?!\\d))"}},
    {"exaone-moe",
     {"(?:" SHORT ")|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}| "
      "?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"}},
    {"kimi-k2",
     {HAN "+|[^\\r\\n\\p{L}\\p{N}]?((?!" HAN ")\\p{L})+(?:" SHORT ")?|\\p{N}{1,3}" SIGNS BLANKS}},
    {"spark2_5", {"\\p{N}{1,3}", KANA, SPARK25, "\\p{N}"}},
    {"gemma4", {"[^\\n]+|[\\n]+"}},
    {"whitespace", {"\\S+"}},
};

static void cut(const nb_pre *pre, const char *text, size_t len, size_t *ends, size_t *n)
{
    static uint8_t kinds[0x10000];
    if (!kinds['a'])
        nb_cp_kinds(kinds, sizeof kinds);
    nb_pre_text x = {(const uint8_t *)text, kinds};
    nb_split s;
    size_t from, to, last = 0;
    *n = 0;
    nb_split_open(&s, pre, &x, len);
    while (nb_split_next(&s, &from, &to)) {
        check(from == last && to > from && to <= len, "%s: piece %zu..%zu after %zu of %zu",
              pre->name, from, to, last, len);
        last = ends[(*n)++] = to;
    }
    check(last == len, "%s: ends at %zu of %zu", pre->name, last, len);
}

static void compare(size_t family, const char *text, size_t len)
{
    enum { LONGEST = 2048 };
    size_t got[LONGEST], want[LONGEST], n, n_want, n_regex = 0;
    const nb_pre *pre = nb_pre_find(families[family].pre, strlen(families[family].pre));
    check(pre && len < countof(got), "%s is not known", families[family].pre);
    while (n_regex < NB_PRE_RULES && families[family].regex[n_regex])
        n_regex++;
    cut(pre, text, len, got, &n);
    slow_text *slow = slow_text_open(text, len);
    n_want = slow_split(slow, families[family].regex, n_regex, want);
    slow_text_close(&slow);
    char hex[3 * 256 + 1] = "";
    for (size_t i = 0; i < len && i < 256; i++)
        snprintf(hex + 3 * i, 4, " %02x", (unsigned)(uint8_t)text[i]);
    for (size_t i = 0; i < n && i < n_want; i++)
        check(got[i] == want[i], "%s: piece %zu ends at %zu, expected %zu:%s", pre->name, i, got[i],
              want[i], hex);
    check(n == n_want, "%s: %zu pieces, expected %zu:%s", pre->name, n, n_want, hex);
}

/* What the expressions tell apart, and its neighbours. */
static const char *const bits[] = {
    "a",
    "s",
    "t",
    "re",
    "ve",
    "m",
    "ll",
    "d",
    "S",
    "LL",
    "Re",
    "A",
    "BC",
    "Z",
    "'",
    "'s",
    "'LL",
    "\342\200\231",
    "0",
    "12",
    "345",
    "6789",
    "\302\262",
    "\331\243",
    "\357\274\221",
    "\342\205\247",
    "\303\251",
    "\303\211",
    "\303\237",
    "\307\205",
    "\312\260",
    "\302\252",
    "\317\211",
    "\320\226",
    "\344\270\255",
    "\351\276\245",
    "\351\276\246",
    "\343\201\202",
    "\343\202\242",
    "\352\260\200",
    "\340\240\200",
    "\340\244\225",
    "\340\244\277",
    "\314\201",
    "\342\203\235",
    "\340\271\200",
    " ",
    " ",
    " ",
    "  ",
    "   ",
    "\t",
    "\n",
    "\n",
    "\r",
    "\r\n",
    "\v",
    "\302\240",
    "\343\200\200",
    "\342\200\250",
    "\302\205",
    "\342\200\213",
    "!",
    "/",
    "//",
    "$",
    "+",
    "<",
    "=",
    "`",
    "_",
    "~",
    "^",
    "|",
    ".",
    ",",
    "?",
    "-",
    "#",
    "(",
    ")",
    "[",
    "]",
    "\\",
    "\"",
    "\342\200\246",
    "\343\200\202",
    "\357\274\214",
    "\343\200\201",
    "\340\245\244",
    "\333\224",
    "\330\214",
    "\342\200\230",
    "\357\275\236",
    "\302\267",
    "\342\202\254",
    "\342\210\202",
    "\302\254",
    "\360\237\232\200",
    "\360\237\217\275",
    "\342\200\215",
    "\1",
    "\0",
    "\177",
    "\302\255",
    "\356\200\200",
    "\315\270",
    "\360\220\220\200",
    "\360\223\200\200",
    "\360\235\237\231",
    "\360\257\240\200",
    "\363\240\204\200",
    "\377",
    "\344\270",
    "\300\200",
    "\355\240\200",
    "\364\220\200\200",
    "\357\277\275",
    "<sentinel:",
    "3>",
    "IMGIMG",
    "AGI",
    "BIZ",
    "    ",
    "\343\204\205",
    "\343\204\261",
    "\342\200\224",
    "\357\270\260",
    "\357\251\256",
    "\343\220\200",
};

CHECK_TEST(tok_pre, words_are_those_of_the_expressions)
{
    for (size_t f = 0; f < countof(families); f++) {
        test_rng rng = test_rng_make(f);
        for (int round = 0; round < test_rounds(1000, 1000); round++) {
            char text[200];
            size_t len = 0, parts = test_below(&rng, 20);
            /* few kinds of bits in a text: runs of them matter */
            size_t first = test_below(&rng, countof(bits)), window = 1 + test_below(&rng, 40);
            bool any = test_below(&rng, 3) == 0;
            for (size_t i = 0; i < parts; i++) {
                size_t pick = any ? test_below(&rng, countof(bits))
                                  : (first + test_below(&rng, (uint32_t)window)) % countof(bits);
                size_t n = bits[pick][0] ? strlen(bits[pick]) : 1;
                memcpy(text + len, bits[pick], n);
                len += n;
            }
            compare(f, text, len);
        }
    }
}

CHECK_TEST(tok_pre, random_bytes_are_cut_alike)
{
    for (size_t f = 0; f < countof(families); f++) {
        test_rng rng = test_rng_make(1000 + f);
        for (int round = 0; round < test_rounds(200, 200); round++) {
            char text[64];
            size_t len = test_below(&rng, sizeof text);
            for (size_t i = 0; i < len; i++)
                text[i] = (char)(test_below(&rng, 2) ? test_u64(&rng) : 32 + test_below(&rng, 96));
            compare(f, text, len);
        }
    }
}

/* Lengths of white space around every power of two that one of them counts; of their ends an
 * instrumented build takes one or none, another for each family and blank. */
CHECK_TEST(tok_pre, long_white_space_is_cut_alike)
{
    static const char *const blanks[] = {" ", "\t", "\302\240", " \n"}, *const ends[] = {"", "x",
                                                                                         "!", "\n"};
    static const size_t lengths[] = {1,  2,  3,  4,  5,   7,   8,   9,   15,  16,  17,  31,  33,
                                     63, 64, 65, 96, 127, 128, 129, 255, 257, 511, 512, 513, 1000};
    for (size_t f = 0; f < countof(families); f++)
        for (size_t b = 0; b < countof(blanks); b++)
            for (size_t i = 0; i < countof(lengths); i++)
                for (size_t e = (f + b + i) % TEST_THIN; e < countof(ends); e += TEST_THIN) {
                    char text[2040] = "x";
                    size_t len = 1, n = strlen(blanks[b]);
                    for (size_t k = 0; k < lengths[i]; k++, len += n)
                        memcpy(text + len, blanks[b], n);
                    len += (size_t)snprintf(text + len, sizeof text - len, "%s", ends[e]);
                    compare(f, text, len);
                }
}

/* Every name of the table belongs to a family that is compared above. */
CHECK_TEST(tok_pre, every_name_is_of_a_tested_family)
{
    static const char *const names[] = {
#define PRE(name, family, flags) name,
#include "core/model/pretok.def"
#undef PRE
    };
    for (size_t i = 0; i < countof(names); i++) {
        const nb_pre *pre = nb_pre_find(names[i], strlen(names[i]));
        bool tested = false;
        check(pre && strcmp(pre->name, names[i]) == 0, "%s", names[i]);
        for (size_t f = 0; f < countof(families); f++)
            tested = tested ||
                     nb_pre_find(families[f].pre, strlen(families[f].pre))->rules == pre->rules;
        check(tested, "%s: no expressions", names[i]);
    }
    check(!nb_pre_find("llama", 5) && !nb_pre_find("", 0) && !nb_pre_find("llama-bpe2", 10),
          "unknown names");
}

/* A5: each family's time grows with the text, whatever it is; a fifth of it would show as well. */
CHECK_TEST(tok_pre, long_runs_take_no_longer_than_their_length_A5)
{
    static const char *const units[] = {
        "a",  "A",         "7",  " ",  "\n",       " \n",          "\303\251",
        "aA", "!",         "'s", "\1", "\377",     "1a",           "/",
        " a", "\303\251A", "\t", "\r", "\314\201", "\344\270\255", "  \n  "};
    enum { LEN = (1 << 18) / TEST_THIN };
    char *text = malloc(LEN);
    size_t *ends = malloc(LEN * sizeof *ends), n;
    for (size_t f = 0; f < countof(families); f++) {
        const nb_pre *pre = nb_pre_find(families[f].pre, strlen(families[f].pre));
        double start = nb_now();
        for (size_t u = 0; u < countof(units); u++) {
            size_t k = strlen(units[u]), len = LEN / k * k;
            for (size_t i = 0; i < len; i += k)
                memcpy(text + i, units[u], k);
            cut(pre, text, len, ends, &n);
            text[len - 1] = 'x'; /* what ends the run is seen from its first character */
            cut(pre, text, len, ends, &n);
        }
        check(nb_now() - start < test_within(2), "%s: %g s", pre->name, nb_now() - start);
    }
    free(ends);
    free(text);
}

/* As many code points of each kind as Unicode 15.1 has (White_Space first, then the category). */
CHECK_TEST(tok_pre, kinds_are_those_of_unicode)
{
    enum { ALL = 0x110000 };
    static const uint32_t want[NB_KINDS] = {964463, 136726, 2450, 1831, 842, 7775, 25};
    uint32_t count[NB_KINDS] = {0};
    uint8_t *kinds = malloc(ALL);
    nb_cp_kinds(kinds, ALL);
    for (uint32_t cp = 0; cp < ALL; cp++) {
        check(kinds[cp] == nb_cp_kind_of(cp), "U+%04X", (unsigned)cp);
        count[kinds[cp]]++;
    }
    for (int k = 0; k < NB_KINDS; k++)
        check(count[k] == want[k], "kind %d: %u code points", k, (unsigned)count[k]);
    check(nb_cp_kind_of(ALL) == NB_KIND_OTHER, "past the end");
    free(kinds);
}
