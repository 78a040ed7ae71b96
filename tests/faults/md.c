/* Markdown out of memory: rows or a clean failure; and drawing them asks for none. */
#include <string.h>

#include "tests/faults/faults.h"
#include "tui/widgets/md.h"

static const char text[] = "# A\n\n- b **c** `d`\n  1. [e](f) ![g](h)\n\n> <p>i</p>\n\n"
                           "x | y\n-|-\n1 | 2\n\n```\nj\n```\n\n[k]: l\n\n[k]\n"
                           "<table><tr><td>m</table>\n\n日本 ± …\n";

static nb_status lay(nb_err *err)
{
    ui_md *m = NULL;
    ui_md_look look = {.width = 30, .mark = true, .mark_at = 9, .mark_len = 3};
    nb_status status = ui_md_lay(&m, text, sizeof text / 2, &look, err);
    if (status == NB_OK)
        status = ui_md_lay(&m, text, sizeof text - 1, &look, err); /* it grew */
    fault_check((status == NB_OK) == (ui_md_rows(m) > 0), "%zu rows", ui_md_rows(m));
    if (status != NB_OK) /* and it can be tried again */
        fault_check(!m || ui_md_rows(m) == 0, "rows of a failure");
    ui_md_close(&m);
    return status;
}

/* A frame costs no allocation, once the canvas has drawn its longest text. */
static void draw(nb_status status)
{
    ui_md *m = NULL;
    ui_canvas c = {0};
    ui_md_look look = {.width = 30};
    (void)status;
    fault_check(ui_canvas_resize(&c, 30, 40, NULL) == NB_OK &&
                    ui_md_lay(&m, text, sizeof text - 1, &look, NULL) == NB_OK,
                "memory");
    ui_md_draw(m, &c, (ui_rect){0, 0, 30, 40}, 0);
    faults_arm(FAULT_MEMORY, 0, false, 0);
    for (size_t top = 0; top < 10; top++) {
        ui_md_lay(&m, text, sizeof text - 1, &look, NULL); /* nothing changed */
        ui_md_draw(m, &c, (ui_rect){0, 0, 30, 40}, top);
    }
    uint64_t calls = faults_disarm(NULL);
    fault_check(calls == 0, "%d allocations", (int)calls);
    ui_canvas_free(&c);
    ui_md_close(&m);
}
FAULT_SCENARIO(markdown, NULL, lay, draw);
