#include "tests/canvas_text.h"

#include <string.h>

#include "tests/check.h"

ui_canvas canvas_open(int w, int h)
{
    ui_canvas c = {0};
    nb_err err = {0};
    check(ui_canvas_resize(&c, w, h, &err) == NB_OK, "%s", err.msg);
    return c;
}

void canvas_shows(const ui_canvas *c, const char *want)
{
    nb_str s = {0};
    ui_canvas_text(c, &s, false);
    check(strcmp(nb_str_c(&s), want) == 0, "shows\n%swanted\n%s", nb_str_c(&s), want);
    nb_str_free(&s);
}
