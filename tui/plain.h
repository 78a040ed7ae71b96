/* --plain: the workbench in lines, for screen readers, dumb terminals and pipes. Every choice is a
 * number, every change of state one appended line, nothing is drawn or drawn over. It stands on the
 * screens' own state and functions: a form's rows are the form's, a chat is the chat's.
 *
 * plain.c has the loop and the menus' root, plain_io.c lines in and out, plain_quantize.c the form,
 * plain_chat.c the panes, plain_eval.c what commands do best: comparing, downloading. */
#ifndef NIBBLE_PLAIN_H
#define NIBBLE_PLAIN_H

#include "tui/app_private.h"

enum { UI_PLAIN_MOST = 32 }; /* jobs told of at once */

typedef struct ui_plain {
    ui_app *app;
    nb_str in;   /* read and not taken yet */
    nb_str line; /* the line taken last */
    bool ended;  /* no further line comes: end of input, a signal, q */
    bool asking; /* a question of the app's is being put */
    struct plain_job {
        nb_job *job;
        char name[120], words[120];
        bool said; /* that it runs */
    } job[UI_PLAIN_MOST];
    size_t n_job;
    double told_at; /* clock of the last line about progress */
    size_t n_log;   /* notes of the app that were told */
    /* Called whenever something may have changed; NULL = nobody listens. */
    void (*news)(struct ui_plain *p, void *arg);
    void *news_arg;
} ui_plain;

/* Runs until quit or the end of input. NB_CANCELED: ended by Ctrl-C. */
nb_status ui_plain_run(ui_app *app, nb_err *err);

/* plain_io.c */
/* One line, sanitised; in ASCII where the locale or --ascii wants it. */
void ui_plain_say(ui_plain *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A question as a line, then the answer: borrowed until the next one. NULL: there will be none. */
const char *ui_plain_ask(ui_plain *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* 1..n; 0 = back, or there will be no answer (p->ended). empty: what an empty line means. */
int ui_plain_choose(ui_plain *p, int n, int empty, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Goes on while busy(arg): events are delivered, progress is told at most once a second, Ctrl-C
 * cancels. False: the program is to end. */
bool ui_plain_wait(ui_plain *p, bool (*busy)(const void *arg), const void *arg);
/* Puts the app's own question, if one is open. False: the program is to end. */
bool ui_plain_settle(ui_plain *p);
void ui_plain_begin(ui_plain *p); /* signals */
void ui_plain_end(ui_plain *p);

/* plain.c */
/* Numbered models of this machine; most numbers are taken, the paths stay borrowed until the next
 * scan. Returns how many were chosen, 0 = none. */
size_t ui_plain_models(ui_plain *p, const char *out[], size_t most, const char *what);

/* plain_quantize.c, plain_chat.c, plain_eval.c: a menu each, back at 0 */
void ui_plain_quantize(ui_plain *p);
void ui_plain_chat(ui_plain *p);
void ui_plain_compare(ui_plain *p);
void ui_plain_download(ui_plain *p);

#endif
