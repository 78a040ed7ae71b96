#include "tui/term.h"

#include <signal.h>
#include <unistd.h>

nb_status ui_term_open(ui_term **out, const ui_term_options *opt, nb_err *err)
{
    (void)out;
    (void)opt;
    return nb_fail(err, NB_USAGE, "no terminal");
}
void ui_term_close(ui_term **t)
{
    *t = NULL;
}
void ui_term_size(const ui_term *t, int *w, int *h)
{
    (void)t;
    *w = 80;
    *h = 24;
}
bool ui_term_ascii(const ui_term *t)
{
    (void)t;
    return false;
}
int ui_term_colors(const ui_term *t)
{
    (void)t;
    return 0;
}
void ui_term_theme(ui_term *t, const ui_theme *theme)
{
    (void)t;
    (void)theme;
}
bool ui_term_flush(ui_term *t, const ui_canvas *c)
{
    (void)t;
    (void)c;
    return true;
}
void ui_term_redraw(ui_term *t)
{
    (void)t;
}
bool ui_term_key(ui_term *t, ui_key *out)
{
    (void)t;
    (void)out;
    return false;
}
int ui_term_fd(const ui_term *t)
{
    (void)t;
    return -1;
}
void ui_term_mouse(ui_term *t, bool on)
{
    (void)t;
    (void)on;
}
void ui_term_leave(ui_term *t)
{
    (void)t;
}
void ui_term_enter(ui_term *t)
{
    (void)t;
}
bool ui_term_copy(ui_term *t, const char *text, size_t n)
{
    (void)t;
    (void)text;
    (void)n;
    return false;
}
uint64_t ui_term_signals(ui_term *t)
{
    (void)t;
    return 0;
}
int ui_term_signal_fd(const ui_term *t)
{
    (void)t;
    return -1;
}
void ui_term_emergency(void)
{
}
void ui_term_die(int n)
{
    raise(n);
    _exit(1);
}
