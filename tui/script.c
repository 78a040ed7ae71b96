/* --script FILE: the workbench without a terminal. One verb a line, `#` starts a comment:
 *
 *   size WxH, resize WxH    grid of the canvas
 *   keys NAME...            key names as in keys.conf; "gg" is pressed as two
 *   text WORDS              types the rest of the line
 *   paste "TEXT"            one paste; \n \t \e \\ \" are escapes
 *   click X,Y | TEXT        a press on that cell (the first is 0,0) or where the screen shows TEXT
 *   double X,Y | TEXT       the second press of a double click
 *   wheel-up, wheel-down    one notch over such a place
 *   verb NAME               runs an action of the key table
 *   command LINE            what the palette would run: "theme dark"
 *   frames N                N times: the clock moves 100 ms, a frame is drawn
 *   wait                    until no job runs and every event was delivered (60 s)
 *   wait-for TEXT           until the screen shows TEXT (60 s)
 *   save-screen FILE        the screen as text; save-roles adds the colours
 *   save-cuts FILE          one line for every text that lost letters without an ellipsis
 *   save-json FILE          the screen's content, equal to the matching command's --json
 *   quit                    ends; so does the end of the file
 *
 * The clock and the meters are pinned, so the same script gives the same bytes; file names are
 * relative to the working folder. A failing line ends the run and is named. */
#include "tui/app_private.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/file.h"

enum { MAX_SCRIPT = 1 << 20, PATIENCE = 60 /* real seconds */ };
static const double STEP = 0.1; /* seconds of a frame */

typedef struct verb {
    const char *name;
    nb_status (*run)(ui_app *app, char *arg, nb_err *err);
} verb;

/* --- time and drawing ------------------------------------------------------------------------ */

static void draw(ui_app *app)
{
    ui_app_tick(app);
    ui_app_draw(app);
}

static nb_status run_frames(ui_app *app, char *arg, nb_err *err)
{
    uint64_t n = 0;
    if (!nb_parse_u64(arg, &n) || n == 0 || n > 100000)
        return nb_fail(err, NB_USAGE, "frames: expected 1 to 100000, found \"%s\"", arg);
    while (n--) {
        ui_app_drain(app, 1000);
        nb_now_set(nb_now() + STEP);
        draw(app);
    }
    return NB_OK;
}

static double wall(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static nb_status run_wait(ui_app *app, char *arg, nb_err *err)
{
    if (*arg)
        return nb_fail(err, NB_USAGE, "wait takes no argument");
    do { /* a frame may start a job: the library is scanned again after a quantize */
        if (!ui_app_jobs_wait(app, PATIENCE))
            return nb_fail(err, NB_ERROR, "wait: a job still runs after %d s", PATIENCE);
        draw(app);
    } while (ui_app_running(app) > 0);
    return NB_OK;
}

static nb_status run_wait_for(ui_app *app, char *arg, nb_err *err)
{
    double end = wall() + PATIENCE;
    if (!*arg)
        return nb_fail(err, NB_USAGE, "wait-for: no text given");
    for (;;) {
        nb_str text = {0};
        ui_app_drain(app, 1000);
        draw(app);
        ui_canvas_text(&app->canvas, &text, false);
        bool found = strstr(nb_str_c(&text), arg) != NULL;
        nb_str_free(&text);
        if (found)
            return NB_OK;
        if (wall() >= end)
            return nb_fail(err, NB_ERROR, "wait-for: \"%s\" did not appear in %d s", arg, PATIENCE);
        struct pollfd fd = {.fd = nb_mailbox_fd(app->mail), .events = POLLIN};
        poll(&fd, 1, 20);
    }
}

/* --- input ----------------------------------------------------------------------------------- */

/* Two numbers up to 1000 with `between` in the middle. */
static bool parse_pair(const char *s, char between, int *first, int *second)
{
    char head[8];
    const char *x = strchr(s, between);
    uint64_t a, b;
    if (!x || (size_t)(x - s) >= sizeof head)
        return false;
    memcpy(head, s, (size_t)(x - s));
    head[x - s] = '\0';
    if (!nb_parse_u64(head, &a) || !nb_parse_u64(x + 1, &b) || a > 1000 || b > 1000)
        return false;
    *first = (int)a;
    *second = (int)b;
    return true;
}

static nb_status run_resize(ui_app *app, char *arg, nb_err *err)
{
    ui_key k = {.code = UI_K_RESIZE};
    if (!parse_pair(arg, 'x', &k.x, &k.y) || k.x < 1 || k.y < 1)
        return nb_fail(err, NB_USAGE, "expected WIDTHxHEIGHT up to 1000x1000, found \"%s\"", arg);
    ui_app_key(app, &k);
    return NB_OK;
}

static nb_status run_keys(ui_app *app, char *arg, nb_err *err)
{
    char *save = NULL;
    for (char *word = strtok_r(arg, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        ui_key k;
        if (!ui_key_parse(word, &k))
            return nb_fail(err, NB_USAGE, "keys: no key is called \"%s\"", word);
        ui_app_key(app, &k);
        bool pair = k.code == UI_K_CHAR && !k.ctrl && !k.alt && strlen(word) == 2 &&
                    (uint8_t)word[0] < 0x80;
        if (pair && ui_key_parse(word + 1, &k))
            ui_app_key(app, &k);
        else if (k.code == UI_K_CHAR && !k.ctrl && !k.alt && strcmp(word, "Space") != 0 &&
                 nb_utf8_put(k.ch, (char[4]){0}) != strlen(word))
            return nb_fail(err, NB_USAGE, "keys: no key is called \"%s\"", word);
    }
    return NB_OK;
}

static nb_status run_text(ui_app *app, char *arg, nb_err *err)
{
    size_t n = strlen(arg);
    for (size_t i = 0; i < n;) {
        ui_key k = {.code = UI_K_CHAR};
        size_t used = nb_utf8_next(arg + i, n - i, &k.ch, NULL);
        if (!used)
            return nb_fail(err, NB_USAGE, "text: not UTF-8");
        ui_app_key(app, &k);
        i += used;
    }
    return NB_OK;
}

/* "TEXT" with escapes, undone in place. */
static bool unquote(char *s)
{
    static const char from[] = "ntre\\\"", to[] = "\n\t\r\033\\\"";
    size_t n = strlen(s), out = 0;
    if (n < 2 || s[0] != '"' || s[n - 1] != '"')
        return false;
    for (size_t i = 1; i < n - 1; i++) {
        const char *e = s[i] == '\\' && i + 1 < n - 1 ? strchr(from, s[i + 1]) : NULL;
        if (s[i] == '\\' && !e)
            return false;
        s[out++] = e ? to[e - from] : s[i];
        i += e != NULL;
    }
    s[out] = '\0';
    return true;
}

static nb_status run_paste(ui_app *app, char *arg, nb_err *err)
{
    if (!unquote(arg))
        return nb_fail(err, NB_USAGE,
                       "paste: expected \"text\" with \\n \\t \\r \\e \\\\ \\\" escapes");
    ui_key k = {.code = UI_K_PASTE, .paste = arg, .paste_len = strlen(arg)};
    ui_app_key(app, &k);
    return NB_OK;
}

/* Whether the cells from x on spell the text. */
static bool spells(const ui_canvas *c, int x, int y, const char *text)
{
    for (; *text && x < c->w; x++) {
        const char *cell = c->cell[y * c->w + x].text;
        size_t n = strlen(cell);
        if (strncmp(cell, text, n) != 0)
            return false;
        text += n;
    }
    return !*text;
}

static bool find_text(const ui_canvas *c, const char *text, int *x, int *y)
{
    for (*y = 0; *y < c->h; ++*y)
        for (*x = 0; *x < c->w; ++*x)
            if (spells(c, *x, *y, text))
                return true;
    return false;
}

static nb_status press(ui_app *app, const char *arg, int button, nb_err *err)
{
    ui_key k = {.code = UI_K_MOUSE, .button = button};
    draw(app);
    if (!*arg || (!parse_pair(arg, ',', &k.x, &k.y) && !find_text(&app->canvas, arg, &k.x, &k.y)))
        return nb_fail(err, NB_USAGE, "mouse: the screen does not show \"%s\"", arg);
    ui_app_key(app, &k);
    return NB_OK;
}

static nb_status run_click(ui_app *app, char *arg, nb_err *err)
{
    return press(app, arg, 1, err);
}

static nb_status run_double(ui_app *app, char *arg, nb_err *err)
{
    return press(app, arg, 2, err);
}

static nb_status run_wheel_up(ui_app *app, char *arg, nb_err *err)
{
    return press(app, arg, 4, err);
}

static nb_status run_wheel_down(ui_app *app, char *arg, nb_err *err)
{
    return press(app, arg, 5, err);
}

static nb_status run_verb(ui_app *app, char *arg, nb_err *err)
{
    return ui_app_verb(app, arg, err);
}

static nb_status run_command(ui_app *app, char *arg, nb_err *err)
{
    return ui_app_command(app, arg, err);
}

/* --- output ---------------------------------------------------------------------------------- */

static nb_status run_save(ui_app *app, char *arg, nb_err *err)
{
    draw(app);
    return ui_app_save_text(app, arg, false, err);
}

static nb_status run_save_roles(ui_app *app, char *arg, nb_err *err)
{
    draw(app);
    return ui_app_save_text(app, arg, true, err);
}

static nb_status run_save_cuts(ui_app *app, char *arg, nb_err *err)
{
    const ui_canvas *c = &app->canvas;
    nb_str text = {0};
    draw(app);
    for (int i = 0; i < c->n_cut && i < UI_CUTS; i++)
        nb_str_addf(&text, "%d,%d %s\n", c->cut[i].x, c->cut[i].y, c->cut[i].text);
    nb_status st = text.failed ? nb_fail(err, NB_NOMEM, "save-cuts: not enough memory")
                               : nb_replace_file(arg, nb_str_c(&text), text.len, 0, err);
    nb_str_free(&text);
    return st;
}

static nb_status run_save_json(ui_app *app, char *arg, nb_err *err)
{
    app_page *p = ui_app_current(app);
    nb_str text = {0};
    if (!p->self || !p->row->json)
        return nb_fail(err, NB_UNSUPPORTED, "save-json: %s has no JSON form", p->row->name);
    p->row->json(p->self, &text);
    nb_status st = text.failed ? nb_fail(err, NB_NOMEM, "save-json: not enough memory")
                               : nb_replace_file(arg, nb_str_c(&text), text.len, 0, err);
    nb_str_free(&text);
    return st;
}

static nb_status run_quit(ui_app *app, char *arg, nb_err *err)
{
    (void)arg;
    (void)err;
    app->quit = true;
    return NB_OK;
}

/* --- the file -------------------------------------------------------------------------------- */

static const verb verbs[] = {
    {"size", run_resize},
    {"resize", run_resize},
    {"keys", run_keys},
    {"text", run_text},
    {"paste", run_paste},
    {"click", run_click},
    {"double", run_double},
    {"wheel-up", run_wheel_up},
    {"wheel-down", run_wheel_down},
    {"verb", run_verb},
    {"command", run_command},
    {"frames", run_frames},
    {"wait", run_wait},
    {"wait-for", run_wait_for},
    {"save-screen", run_save},
    {"save-roles", run_save_roles},
    {"save-cuts", run_save_cuts},
    {"save-json", run_save_json},
    {"quit", run_quit},
};

static nb_status run_line(ui_app *app, char *line, nb_err *err)
{
    line += strspn(line, " \t");
    size_t n = strlen(line);
    while (n && (line[n - 1] == '\r' || line[n - 1] == ' ' || line[n - 1] == '\t'))
        line[--n] = '\0';
    if (!n || *line == '#')
        return NB_OK;
    size_t word = strcspn(line, " ");
    char *arg = line + word + strspn(line + word, " ");
    line[word] = '\0';
    for (size_t i = 0; i < countof(verbs); i++)
        if (strcmp(verbs[i].name, line) == 0)
            return verbs[i].run(app, arg, err);
    return nb_fail(err, NB_USAGE, "no such verb \"%s\"", line);
}

nb_status ui_app_script(ui_app *app, const char *path, nb_err *err)
{
    char *text = NULL;
    size_t n;
    nb_status st = NB_OK;
    NB_TRY(nb_file_read(&text, &n, path, MAX_SCRIPT, err));
    ui_app_begin(app);
    int number = 1;
    char *end = text + n;
    for (char *line = text; st == NB_OK && !app->quit && line < end; number++) {
        nb_err why = {0};
        char *stop = memchr(line, '\n', (size_t)(end - line));
        char *next = stop ? stop + 1 : end;
        if (stop)
            *stop = '\0';
        st = run_line(app, line, &why);
        ui_app_drain(app, 1000);
        if (st != NB_OK)
            nb_fail(err, st, "%s line %d: %.180s", nb_path_base(path), number, why.msg);
        line = next;
    }
    free(text);
    return st;
}
