#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "core/base/str.h"
#include "core/base/unicode.h"

/* What may reach a terminal (reliability A32, A33). */
static void check_safe(const nb_str *s, unsigned flags)
{
    unsigned marks = 0;
    for (size_t i = 0; i < s->len;) {
        uint32_t cp;
        size_t used = nb_utf8_next(s->at + i, s->len - i, &cp, NULL);
        fuzz_check(used > 0, "output is not UTF-8 at byte %zu", i);
        bool layout = (cp == '\n' || cp == '\t') && !(flags & NB_SAFE_ONE_LINE);
        int width = layout ? 1 : nb_cp_width(cp);
        bool joiner = cp == 0x200d || cp == 0xfe0f;
        fuzz_check(width >= 0, "control U+%04X", (unsigned)cp);
        fuzz_check(joiner || cp < 0x80 || !nb_cp_is(NB_CP_HIDDEN, cp), "U+%04X", (unsigned)cp);
        fuzz_check(!(flags & NB_SAFE_ASCII) || cp < 0x80, "U+%04X in ASCII", (unsigned)cp);
        marks = width == 0 && !joiner ? marks + 1 : joiner ? marks : 0;
        fuzz_check(marks <= 4, "%u combining marks", marks);
        i += used;
    }
}

/* First byte: flags. The rest is the text. */
FUZZ_TARGET(safe_text)
{
    nb_str once = {0}, twice = {0};
    unsigned flags = n ? bytes[0] & 3u : 0;
    const char *text = (const char *)bytes + (n > 0);
    nb_safe_text(&once, text, n ? n - 1 : 0, flags);
    check_safe(&once, flags);
    nb_safe_text(&twice, nb_str_c(&once), once.len, flags);
    fuzz_check(once.len == twice.len && strcmp(nb_str_c(&once), nb_str_c(&twice)) == 0,
               "safe text changes when made safe again");
    nb_str_free(&once);
    nb_str_free(&twice);
}
