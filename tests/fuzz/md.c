#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "core/base/unicode.h"
#include "tui/widgets/md.h"

enum { EXTRA = 4, SHOWN = 200 };

/* What may reach a terminal, and nothing right of the width (reliability A32, A33). */
static void check_cells(const ui_canvas *c, int width)
{
    for (int i = 0; i < c->w * c->h; i++) {
        const ui_cell *k = &c->cell[i];
        fuzz_check(i % c->w < width || strcmp(k->text, " ") == 0, "cell %d of row %d", i % c->w,
                   i / c->w);
        for (size_t j = 0, n = strlen(k->text), used; j < n; j += used) {
            uint32_t cp = 0;
            used = nb_utf8_next(k->text + j, n - j, &cp, NULL);
            bool joiner = cp == 0x200d || cp == 0xfe0f;
            fuzz_check(used > 0 && nb_cp_width(cp) >= 0, "U+%04X", (unsigned)cp);
            fuzz_check(joiner || cp < 0x80 || !nb_cp_is(NB_CP_HIDDEN, cp), "U+%04X", (unsigned)cp);
            fuzz_check(!c->ascii || cp < 0x80, "U+%04X in ASCII", (unsigned)cp);
        }
    }
}

static ui_canvas draw(const ui_md *m, const ui_md_look *look)
{
    ui_canvas c = {0};
    size_t rows = ui_md_rows(m);
    int h = rows < SHOWN ? (int)rows : SHOWN;
    if (ui_canvas_resize(&c, look->width + EXTRA, h, NULL) != NB_OK)
        abort();
    c.ascii = look->ascii;
    ui_md_draw(m, &c, (ui_rect){0, 0, c.w, h}, rows - (size_t)h);
    check_cells(&c, look->width);
    return c;
}

/* First four bytes: width, flags, where the marker is, where the text is cut before it grows. */
FUZZ_TARGET(md)
{
    ui_md *grown = NULL, *whole = NULL;
    if (n < 4)
        return;
    const char *text = (const char *)bytes + 4;
    n -= 4;
    ui_md_look look = {.width = 1 + bytes[0] % 120,
                       .ascii = bytes[1] & 1,
                       .chat = bytes[1] & 2,
                       .mark = bytes[1] & 4,
                       .mark_at = n * bytes[2] / 255,
                       .mark_len = bytes[1] >> 4};
    if (ui_md_lay(&grown, text, n * bytes[3] / 255, &look, NULL) != NB_OK ||
        ui_md_lay(&grown, text, n, &look, NULL) != NB_OK ||
        ui_md_lay(&whole, text, n, &look, NULL) != NB_OK)
        abort();
    fuzz_check(ui_md_rows(grown) == ui_md_rows(whole), "%zu rows grown, %zu whole",
               ui_md_rows(grown), ui_md_rows(whole));
    ui_canvas a = draw(grown, &look), b = draw(whole, &look);
    fuzz_check(ui_canvas_equal(&a, &b), "a grown text looks different");
    ui_canvas_free(&a);
    ui_canvas_free(&b);
    ui_md_close(&grown);
    ui_md_close(&whole);
}
