#include "tui/term.h"

#include <curses.h>
#include <term.h>
/* term.h defines short lower-case macros for every capability */
#undef lines
#undef columns

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/base/job.h"
#include "tui/term_private.h"

enum { ESC_WAIT_MS = 25, CLIPBOARD_MAX = 74 << 10, DEAF = 100 /* failed reads in a row */ };
static const char FALLBACK[] = "xterm-256color";
static const double PATIENCE = 0.1; /* seconds an answer may take */
static const double SETTLED = 2;    /* seconds after which none is on its way any more */
static const char ASK_BACKGROUND[] = "\033]11;?\a", ASK_SYNC[] = "\033[?2026$p";
static const char SYNC_ON[] = "\033[?2026h", SYNC_OFF[] = "\033[?2026l";
static const char MODES_ON[] = "\033[?2004h", MODES_OFF[] = "\033[?2004l";
/* Where endwin leaves the cursor: not every terminal's rmcup puts it back. */
static const char LAST_ROW[] = "\033[999;1H";
static const char MOUSE_ON[] = "\033[?1000h\033[?1006h", MOUSE_OFF[] = "\033[?1006l\033[?1000l";

/* Straight to the terminal; curses has flushed before. */
static void say(const ui_term *t, const char *s, size_t n)
{
    while (n) {
        ssize_t k = write(t->out, s, n);
        if (k < 0 && errno != EINTR && errno != EAGAIN)
            return;
        if (k < 0 && errno == EAGAIN) {
            struct pollfd fd = {.fd = t->out, .events = POLLOUT};
            if (poll(&fd, 1, 100) <= 0)
                return;
        }
        s += k > 0 ? k : 0;
        n -= k > 0 ? (size_t)k : 0;
    }
}

static void modes(const ui_term *t, bool on)
{
    say(t, on ? MODES_ON : MODES_OFF, sizeof MODES_ON - 1);
    if (t->mouse)
        say(t, on ? MOUSE_ON : MOUSE_OFF, sizeof MOUSE_ON - 1);
}

/* --- which terminal -------------------------------------------------------------------------- */

static bool can_drive(const char *name, int fd)
{
    int why = 0;
    if (setupterm(name, fd, &why) != OK || why != 1)
        return false;
    const char *cup = tigetstr("cup");
    bool good = cup && cup != (char *)-1; /* terminfo's "no such capability" */
    del_curterm(cur_term);
    return good;
}

bool ui_term_plain(void)
{
    const char *name = getenv("TERM");
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return false;
    return !name || !*name || strcmp(name, "dumb") == 0 ||
           (!can_drive(name, STDOUT_FILENO) && !can_drive(FALLBACK, STDOUT_FILENO));
}

bool ui_term_utf8(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

static nb_status choose(ui_term *t, nb_err *err)
{
    const char *name = getenv("TERM");
    if (!isatty(t->in) || !isatty(t->out))
        return nb_fail(
            err, NB_USAGE,
            "the workbench needs a terminal; nibble --help lists the commands that do not");
    if (!name || !can_drive(name, t->out))
        name = FALLBACK;
    if (name == FALLBACK && !can_drive(name, t->out))
        return nb_fail(
            err, NB_USAGE,
            "no terminal type is known here, not even %s: install ncurses-term or set TERM", name);
    snprintf(t->name, sizeof t->name, "%s", name);
    return NB_OK;
}

/* --- the way back ---------------------------------------------------------------------------- */

/* A capability without its padding marks "$<5/>". */
static void add_cap(nb_str *out, const char *cap)
{
    const char *s = tigetstr(cap);
    if (!s || s == (char *)-1)
        return;
    while (*s) {
        const char *pad = strstr(s, "$<"), *end = pad ? strchr(pad, '>') : NULL;
        nb_str_addn(out, s, end ? (size_t)(pad - s) : strlen(s));
        s = end ? end + 1 : s + strlen(s);
    }
}

static nb_status guard(ui_term *t, nb_err *err)
{
    nb_str restore = {0};
    nb_str_add(&restore, SYNC_OFF);
    nb_str_add(&restore, MODES_OFF);
    nb_str_add(&restore, MOUSE_OFF);
    add_cap(&restore, "sgr0");
    if (t->colors)
        add_cap(&restore, "op");
    add_cap(&restore, "cnorm");
    nb_str_add(&restore, LAST_ROW);
    add_cap(&restore, "rmcup");
    term_last_words w = {.in = t->in,
                         .out = t->out,
                         .log_fd = t->log_fd,
                         .restore = nb_str_c(&restore),
                         .saved = &t->saved};
    nb_status st = restore.failed ? nb_fail(err, NB_NOMEM, "terminal: not enough memory")
                                  : ui_term_signals_open(&w, err);
    nb_str_free(&restore);
    return st;
}

/* What libraries print to stderr must not land between the cells. */
static void redirect_stderr(ui_term *t, bool away)
{
    if (!away && t->stderr_was >= 0) {
        dup2(t->stderr_was, STDERR_FILENO);
        close(t->stderr_was);
        t->stderr_was = -1;
    } else if (away && t->stderr_was < 0) {
        t->stderr_was = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
        if (t->log_fd >= 0)
            dup2(t->log_fd, STDERR_FILENO);
    }
}

/* --- what the terminal is asked -------------------------------------------------------------- */

/* The Linux console and hardware terminals print what they do not know. */
static bool swallows_unknown(const ui_term *t)
{
    return strncmp(t->name, "linux", 5) != 0 && strncmp(t->name, "vt", 2) != 0 &&
           strncmp(t->name, "ansi", 4) != 0;
}

/* Before the first frame, which covers what a terminal may have printed of it all the same. */
static void ask(ui_term *t)
{
    if (!swallows_unknown(t))
        return;
    if (t->colors)
        say(t, ASK_BACKGROUND, sizeof ASK_BACKGROUND - 1);
    say(t, ASK_SYNC, sizeof ASK_SYNC - 1);
    t->asked = nb_now();
}

static bool in_time(const ui_term *t, double at)
{
    return t->asked >= 0 && at > 0 && at - t->asked <= PATIENCE;
}

static bool has_answered(const ui_term *t)
{
    const ui_replies *r = &t->input.replies;
    return t->asked < 0 || (r->sync_at > 0 && (r->background_at > 0 || !t->colors));
}

/* Milliseconds in which an answer may still come in time. */
static int waits_for(const ui_term *t)
{
    double left = t->asked + PATIENCE - nb_now();
    return has_answered(t) || left <= 0 ? 0 : 1 + (int)(left * 1000);
}

bool ui_term_background(ui_term *t, int32_t *rgb)
{
    const ui_replies *r = &t->input.replies;
    if (t->told || !in_time(t, r->background_at))
        return false;
    *rgb = r->background;
    t->told = true;
    return true;
}

void ui_term_frame(const ui_term *t, bool begins)
{
    if (t->input.replies.sync && in_time(t, t->input.replies.sync_at))
        say(t, begins ? SYNC_ON : SYNC_OFF, sizeof SYNC_ON - 1);
}

/* Takes what waits within ms; false when nothing came. */
static bool feed(ui_term *t, int ms)
{
    char bytes[UI_INPUT_BYTES];
    struct pollfd fd = {.fd = t->in, .events = POLLIN};
    size_t room = ui_decode_room(&t->input);
    if (!room || poll(&fd, 1, ms) <= 0 || !(fd.revents & POLLIN))
        return false;
    ssize_t n = read(t->in, bytes, room);
    t->deaf = n < 0 && errno != EINTR && errno != EAGAIN ? t->deaf + 1 : 0;
    if (n <= 0)
        return false;
    ui_decode_feed(&t->input, bytes, (size_t)n, nb_now());
    return true;
}

/* An answer that comes after the end would be typed into the shell: soon after the question it is
 * waited for, and what is there by then is taken. */
static void settle(ui_term *t)
{
    ui_key k;
    while (!has_answered(t) && nb_now() - t->asked < SETTLED && feed(t, waits_for(t)))
        while (ui_decode_key(&t->input, false, nb_now(), &k))
            ;
}

/* --- life ------------------------------------------------------------------------------------ */

static void start_curses(ui_term *t, const ui_term_options *opt)
{
    raw();
    noecho();
    nonl();
    typeahead(-1);
    scrollok(stdscr, FALSE);
    leaveok(stdscr, FALSE);
    if (opt->color && has_colors()) {
        start_color();
        use_default_colors();
        t->colors = COLORS;
    }
    t->cursor_x = 0;
    curs_set(0);
    t->cursor_x = -1;
}

nb_status ui_term_open(ui_term **out, const ui_term_options *opt, nb_err *err)
{
    ui_term *t = nb_alloc(1, sizeof *t, "terminal", err);
    if (!t)
        return NB_NOMEM;
    *t = (ui_term){.in = STDIN_FILENO, .out = STDOUT_FILENO, .stderr_was = -1, .asked = -1};
    t->log_fd = opt->log_fd >= 0 ? fcntl(opt->log_fd, F_DUPFD_CLOEXEC, 3)
                                 : open("/dev/null", O_WRONLY | O_CLOEXEC);
    t->ascii = opt->ascii || !ui_term_utf8();
    t->mouse = opt->mouse;
    nb_status st = choose(t, err);
    if (st == NB_OK && tcgetattr(t->in, &t->saved) != 0)
        st = nb_fail_errno(err, errno, "ask", "terminal");
    if (st != NB_OK)
        goto fail;
    t->screen = newterm(t->name, stdout, stdin);
    if (!t->screen) {
        st = nb_fail(err, NB_USAGE, "terminal type \"%.40s\" cannot be driven", t->name);
        goto fail;
    }
    start_curses(t, opt);
    st = guard(t, err);
    if (st != NB_OK)
        goto fail;
    ui_term_enter(t);
    ask(t);
    *out = t;
    return NB_OK;
fail:
    ui_term_close(&t);
    return st;
}

void ui_term_close(ui_term **out)
{
    ui_term *t = *out;
    if (!t)
        return;
    settle(t);
    if (t->active)
        ui_term_leave(t);
    if (t->screen) {
        if (!isendwin()) /* newterm took the screen, but it was never entered */
            endwin();
        ui_term_signals_close();
        delscreen(t->screen);
        tcsetattr(t->in, TCSADRAIN, &t->saved);
    }
    if (t->log_fd >= 0)
        close(t->log_fd);
    ui_decode_free(&t->input);
    free(t->shown);
    free(t->done);
    free(t);
    *out = NULL;
}

void ui_term_leave(ui_term *t)
{
    if (!t->active)
        return;
    t->active = false;
    modes(t, false);
    if (t->cursor_x < 0)
        curs_set(1);
    endwin();
    ui_term_signals_active(false, -1);
    redirect_stderr(t, false);
}

void ui_term_enter(ui_term *t)
{
    redirect_stderr(t, true);
    ui_term_signals_active(true, t->stderr_was);
    t->active = true;
    reset_prog_mode();
    t->redraw = true;
    clearok(curscr, TRUE);
    doupdate();
    curs_set(t->cursor_x >= 0);
    modes(t, true);
}

/* --- asked ----------------------------------------------------------------------------------- */

void ui_term_size(const ui_term *t, int *w, int *h)
{
    struct winsize ws;
    *w = COLS;
    *h = LINES;
    if (ioctl(t->out, TIOCGWINSZ, &ws) != 0 || ws.ws_col == 0 || ws.ws_row == 0)
        return;
    *w = ws.ws_col < 1000 ? ws.ws_col : 1000;
    *h = ws.ws_row < 1000 ? ws.ws_row : 1000;
}

bool ui_term_ascii(const ui_term *t)
{
    return t->ascii;
}

int ui_term_fd(const ui_term *t)
{
    return t->in;
}

bool ui_term_lost(const ui_term *t)
{
    return t->deaf >= DEAF;
}

int ui_term_signal_fd(const ui_term *t)
{
    (void)t;
    return ui_term_signals_fd();
}

uint64_t ui_term_signals(ui_term *t)
{
    (void)t;
    return ui_term_signals_take();
}

void ui_term_theme(ui_term *t, const ui_theme *theme)
{
    ui_term_look_compile(t, theme);
}

size_t ui_term_written(const ui_term *t)
{
    return t->written;
}

void ui_term_redraw(ui_term *t)
{
    t->redraw = true;
}

void ui_term_mouse(ui_term *t, bool on)
{
    t->mouse = on;
    say(t, on ? MOUSE_ON : MOUSE_OFF, sizeof MOUSE_ON - 1);
}

/* --- out ------------------------------------------------------------------------------------- */

bool ui_term_flush(ui_term *t, const ui_canvas *c)
{
    struct pollfd fd = {.fd = t->out, .events = POLLOUT};
    if (poll(&fd, 1, 0) <= 0 || !(fd.revents & POLLOUT))
        return false;
    if (c->w != COLS || c->h != LINES)
        resizeterm(c->h, c->w);
    return ui_term_draw(t, c);
}

bool ui_term_copy(ui_term *t, const char *text, size_t n)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    nb_str s = {0};
    if (n > CLIPBOARD_MAX || !swallows_unknown(t))
        return false;
    nb_str_add(&s, "\033]52;c;");
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)(uint8_t)text[i] << 16;
        v |= i + 1 < n ? (uint32_t)(uint8_t)text[i + 1] << 8 : 0;
        v |= i + 2 < n ? (uint32_t)(uint8_t)text[i + 2] : 0;
        char four[4] = {digit[v >> 18], digit[(v >> 12) & 63],
                        i + 1 < n ? digit[(v >> 6) & 63] : '=', i + 2 < n ? digit[v & 63] : '='};
        nb_str_addn(&s, four, sizeof four);
    }
    nb_str_add(&s, "\007");
    bool good = !s.failed;
    if (good)
        say(t, s.at, s.len);
    nb_str_free(&s);
    return good;
}

/* --- in -------------------------------------------------------------------------------------- */

/* How long the rest of a sequence may take; the halves of an answer belong together. */
static int wait_ms(const ui_term *t)
{
    int answer = waits_for(t);
    return !ui_decode_partial(&t->input) ? 0 : answer > ESC_WAIT_MS ? answer : ESC_WAIT_MS;
}

bool ui_term_key(ui_term *t, ui_key *out)
{
    if (ui_decode_key(&t->input, false, nb_now(), out))
        return true;
    while (feed(t, wait_ms(t)))
        if (ui_decode_key(&t->input, false, nb_now(), out))
            return true;
    return ui_decode_key(&t->input, true, nb_now(), out);
}
