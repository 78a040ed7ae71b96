/* The mouse in Chat: a pane gets the focus and the token under the press the cursor, so that Enter
 * or the second press tells why it was said; the input is written in; the legend changes the
 * metric. */
#include <stdlib.h>
#include <string.h>

#include "tui/screens/chat.h"

enum { WHEEL = 3 }; /* rows of one notch */

void ui_chat_mouse_forget(chat *c)
{
    c->spots.n = 0;
    c->n_seen = 0;
    ui_list_hide(&c->params_list);
}

void ui_chat_mouse_row(chat *c, chat_seen row)
{
    if (c->n_seen == c->cap_seen) {
        size_t cap = c->cap_seen ? 2 * c->cap_seen : 128;
        chat_seen *grown = ui_xcalloc(cap, sizeof *grown);
        if (c->n_seen)
            memcpy(grown, c->seen, c->n_seen * sizeof *grown);
        free(c->seen);
        c->seen = grown;
        c->cap_seen = cap;
    }
    c->seen[c->n_seen++] = row;
}

/* Of the focused pane's last answer, the one h and l walk; -1 = none is there. */
static int token_under(const chat *c, int x, int y)
{
    int answer;
    ui_chat_answer(c, c->focus, &answer);
    for (size_t i = 0; i < c->n_seen; i++) {
        const chat_seen *s = &c->seen[i];
        if (s->y == y && x >= s->x && x < s->x + s->w && s->message == answer)
            return ui_chat_token_at(c, answer, s->row, x - s->x);
    }
    return -1;
}

static void press_pane(chat *c, int pane, const ui_key *k)
{
    if (k->button == 2 && c->token >= 0) {
        c->top = true; /* Enter would close it where the first press found it open */
        return;
    }
    if (k->button == 2) {
        ui_screen_chat.action(c, UI_ACT_ANY_OPEN);
        return;
    }
    c->focus = pane;
    c->typing = false;
    c->token = token_under(c, k->x, k->y);
    c->top = c->top && c->token >= 0;
}

static bool wheel(chat *c, int spot, bool up)
{
    int rows = up ? WHEEL : -WHEEL;
    if (spot == CHAT_SPOT_DIFF)
        c->diff.top -= rows;
    else if (spot >= 0 && spot < UI_PANES)
        c->pane[spot].scroll += rows; /* drawing brings it into range */
    else
        return false;
    return true;
}

static bool mouse_params(chat *c, const ui_key *k)
{
    bool row = ui_list_mouse(&c->params_list, k);
    if (!row && k->button == 1 && c->params_edit >= 0)
        return ui_input_press(&c->params_input, k->x, k->y);
    if (row && k->button < 4)
        c->params_edit = -1;
    if (row && k->button == 2)
        ui_chat_params_action(c, UI_ACT_ANY_OPEN);
    return row;
}

bool ui_chat_mouse(void *self, const ui_key *k)
{
    chat *c = self;
    int spot = ui_spots_hit(&c->spots, k->x, k->y);
    if (c->params)
        return mouse_params(c, k);
    if (k->button >= 4)
        return wheel(c, spot, k->button == 4);
    if (spot >= 0 && spot < UI_PANES) {
        press_pane(c, spot, k);
    } else if (spot == CHAT_SPOT_INPUT) {
        c->typing = true;
        ui_input_press(&c->input, k->x, k->y); /* not by its border */
    } else if (spot == CHAT_SPOT_LEGEND && k->button == 1) {
        ui_chat_next_metric(c);
    } else if (spot == CHAT_SPOT_STRIP && !ui_chat_kl_press(c, k->x, k->y) && k->button == 1) {
        ui_chat_next_metric(c);
    }
    return spot >= 0;
}
