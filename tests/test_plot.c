/* The plot of an evaluation and the map of sensitivity: what is drawn where, in ASCII too, and what
 * a press or a key reaches. */
#include "tests/check.h"
#include "tests/eval_rig.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/widgets/plot.h"

static const char *plain(char out[24], double v)
{
    snprintf(out, 24, "%g", v);
    return out;
}

static ui_canvas canvas(int w, int h, bool ascii)
{
    ui_canvas c = {.ascii = ascii};
    check(ui_canvas_resize(&c, w, h, NULL) == NB_OK, "memory");
    return c;
}

/* The cell where a letter stands; -1 = nowhere. */
static int find(const ui_canvas *c, char letter, int *y)
{
    for (int i = 0; i < c->w * c->h; i++)
        if (c->cell[i].text[0] == letter && !c->cell[i].text[1]) {
            *y = i / c->w;
            return i % c->w;
        }
    return -1;
}

CHECK_TEST(plot, smaller_is_lower_left_and_the_front_is_a_line)
{
    const ui_point p[] = {{.x = 1, .y = 100, .letter = 'a', .front = true},
                          {.x = 10, .y = 10, .letter = 'b', .front = true},
                          {.x = 100, .y = 1, .letter = 'c', .front = true},
                          {.x = 90, .y = 90, .letter = 'd', .selected = true}};
    const ui_plot plot = {{true, plain}, {true, plain}, p, countof(p)};
    for (int ascii = 0; ascii < 2; ascii++) {
        ui_canvas c = canvas(60, 20, ascii);
        ui_spots spots = {.n = 0};
        nb_str text = {0};
        int ya, yb, yc, yd, xa, xb, xc, xd;
        ui_plot_draw(&c, (ui_rect){0, 0, 60, 20}, &plot, &spots);
        xa = find(&c, 'a', &ya), xb = find(&c, 'b', &yb), xc = find(&c, 'c', &yc);
        xd = find(&c, 'd', &yd);
        check(xa < xb && xb < xc && ya < yb && yb < yc && xd > xb && yd < yb, "places");
        check(c.cell[yd * 60 + xd - 1].text[0] == '>', "the selected is marked");
        check(spots.n == 4 && ui_spots_hit(&spots, xb, yb) == p[1].what, "spots");
        ui_canvas_text(&c, &text, false);
        check(strstr(nb_str_c(&text), ascii ? "'" : "\xe2\xa0") ||
                  strstr(nb_str_c(&text), "\xe2\xa1"),
              "a line: %s", nb_str_c(&text));
        for (size_t i = 0; ascii && i < text.len; i++)
            check((unsigned char)text.at[i] < 0x80, "%s", nb_str_c(&text));
        check(c.n_cut == 0, "%d texts cut", c.n_cut);
        nb_str_free(&text);
        ui_canvas_free(&c);
    }
}

CHECK_TEST(plot, no_letter_hides_another_and_odd_values_have_a_place)
{
    ui_point p[8];
    for (size_t i = 0; i < countof(p); i++)
        p[i] =
            (ui_point){.x = i < 5 ? 3 : 0, .y = i < 5 ? 7 : 1e-9, .letter = (char)('a' + (int)i)};
    const ui_plot plot = {{true, plain}, {true, plain}, p, countof(p)};
    ui_canvas c = canvas(50, 12, false);
    ui_plot_draw(&c, (ui_rect){0, 0, 50, 12}, &plot, NULL);
    for (size_t i = 0; i < countof(p); i++) {
        int y;
        check(find(&c, p[i].letter, &y) >= 10 && y < 10, "%c is not seen", p[i].letter);
    }
    ui_canvas_clear(&c);
    const ui_plot none = {{false, plain}, {false, plain}, p, 0};
    ui_plot_draw(&c, (ui_rect){0, 0, 50, 12}, &none, NULL);
    for (int w = 0; w < 60; w += 7)
        for (int h = 0; h < 14; h++)
            ui_plot_draw(&c, (ui_rect){0, 0, w, h}, &plot, NULL); /* alive at every size */
    ui_canvas_free(&c);
}

/* --- the map -----------------------------------------------------------------------------------
 */

static nb_sense_table table_of(nb_weights **w)
{
    nb_sense_table t;
    nb_err err = {0};
    check(nb_weights_open(w, test_data("nibble-demo"), &err) == NB_OK, "%s", err.msg);
    check(nb_sense_table_open(&t, *w, nk_type_find("q2_K"), &err) == NB_OK, "%s", err.msg);
    return t;
}

static size_t row_of(const nb_sense_table *t, const char *name)
{
    size_t i = 0;
    while (i < t->n && strcmp(t->row[i].view->t.name, name) != 0)
        i++;
    return i;
}

CHECK_TEST(heat, shades_follow_damage_and_unknown_cells_say_so)
{
    nb_weights *w = NULL;
    nb_sense_table t = table_of(&w);
    size_t most = row_of(&t, "blk.0.ffn_up.weight"), some = row_of(&t, "blk.1.ffn_up.weight");
    size_t least = row_of(&t, "blk.2.ffn_up.weight"), no = row_of(&t, "blk.3.ffn_up.weight");
    t.row[most].known = t.row[some].known = t.row[least].known = true;
    t.row[most].damage.kld = 1;
    t.row[some].damage.kld = 0.2;
    t.row[least].damage.kld = 0.001;
    t.row[no].skip = "cannot";
    ui_heat h = {.table = &t, .at = some};
    ui_canvas c = canvas(80, ui_heat_rows(&t), true);
    nb_str text = {0};
    ui_heat_draw(&c, (ui_rect){0, 0, c.w, c.h}, &h, true);
    ui_canvas_text(&c, &text, false);
    check(strstr(nb_str_c(&text), ">ffn_up        #*.x??"), "%s", nb_str_c(&text));
    check(strstr(nb_str_c(&text), "KL .<0.03 :<0.1 *<0.3 # more"), "%s", nb_str_c(&text));
    check(strstr(nb_str_c(&text), "\n                ^"), "%s", nb_str_c(&text));
    check(c.cursor_x == h.area.x + 1, "the cursor is on the selected cell");
    check(ui_heat_hit(&h, h.area.x + 3, c.cursor_y) == no, "a press finds its tensor");
    check(ui_heat_hit(&h, 0, 0) == SIZE_MAX, "the names are none");
    nb_str_free(&text);
    ui_canvas_free(&c);
    nb_sense_table_close(&t);
    nb_weights_close(&w);
}

CHECK_TEST(heat, keys_reach_every_tensor)
{
    static const ui_action far[] = {UI_ACT_ANY_LEFT, UI_ACT_ANY_UP};
    nb_weights *w = NULL;
    nb_sense_table t = table_of(&w);
    bool seen[64] = {false};
    size_t missing = 0;
    ui_heat h = {.table = &t, .at = SIZE_MAX};
    check(t.n <= countof(seen) && !ui_heat_move(&h, UI_ACT_ANY_WRITE), "%zu tensors", t.n);
    ui_heat_move(&h, UI_ACT_ANY_FIRST);
    for (size_t i = 0; i < 8; i++)
        ui_heat_move(&h, far[0]);
    for (uint32_t y = 0; y < t.n_kind; y++) {
        for (size_t x = 0; x < t.n_layer; x++) {
            seen[h.at] = true;
            ui_heat_move(&h, UI_ACT_ANY_RIGHT);
        }
        for (size_t x = 0; x < t.n_layer; x++)
            ui_heat_move(&h, far[0]);
        ui_heat_move(&h, UI_ACT_ANY_DOWN);
    }
    for (size_t i = 0; i < t.n; i++)
        missing += !seen[i];
    check(missing == 0, "%zu of %zu tensors", missing, t.n);
    ui_canvas c = canvas(20, 6, false); /* less room than layers: the selected stays in view */
    ui_heat_move(&h, UI_ACT_ANY_FIRST);
    for (size_t x = 0; x < t.n_layer; x++)
        ui_heat_move(&h, UI_ACT_ANY_RIGHT);
    ui_heat_draw(&c, (ui_rect){0, 0, 20, 6}, &h, true);
    check(h.area.w == 5 && h.first == 1 && c.cursor_x == h.area.x + 4, "first layer %d", h.first);
    ui_canvas_free(&c);
    nb_sense_table_close(&t);
    nb_weights_close(&w);
}
