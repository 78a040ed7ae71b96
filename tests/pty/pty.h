/* Runs a program on a pty as a shell would: own session, job control, a known environment and an
 * empty home; what it writes goes through tests/pty/vt.h. A failed check ends the row. */
#ifndef NIBBLE_TEST_PTY_H
#define NIBBLE_TEST_PTY_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <termios.h>

#include "tests/pty/vt.h"

typedef struct pty {
    int fd, slave;      /* the terminal's side; the program's, kept to read termios */
    int report, orders; /* pipes to the session's leader */
    pid_t leader, pid;
    struct termios before;
    bool stopped, ended;
    int status;        /* of waitpid, once ended */
    const char *reply; /* to send at reply_at, once the program has asked; NULL = none (any more) */
    int reply_ms;
    double reply_at;    /* 0 = it has not asked */
    const char *secret; /* must not come: times it did are counted; NULL = none */
    unsigned told;
    char last[128]; /* end of what came, where a secret may begin */
    size_t n_last;
    vt screen;
} pty;

typedef struct pty_options {
    int w, h;               /* 0 = 80x24 */
    const char *term;       /* NULL = xterm-256color */
    const char *locale;     /* LC_ALL, NULL = C.UTF-8 */
    const char *const *env; /* further NAME=VALUE, NULL-terminated */
    const char *home;       /* NULL = one of the harness's own */
    const char *reply;      /* what the terminal answers to questions, NULL = nothing */
    int reply_ms;           /* how long that takes */
    const char *secret;     /* see pty */
} pty_options;

extern jmp_buf pty_row; /* where a failed check ends */
extern const char *pty_program;

#define pty_check(cond, ...)                                                                       \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            printf("    %s:%d: %s: ", __FILE__, __LINE__, #cond);                                  \
            printf(__VA_ARGS__);                                                                   \
            printf("\n");                                                                          \
            longjmp(pty_row, 1);                                                                   \
        }                                                                                          \
    } while (0)

/* A folder of this name under the scratch folder; see test_path for how long the string lives. */
const char *pty_folder(const char *name);
/* The row's own home, empty when the row began. */
const char *pty_home(void);
void pty_new_home(void);
/* argv[0] NULL-terminated; ends whatever ran on *p before. */
void pty_start(pty *p, const pty_options *opt, const char *const *argv);
/* nibble on a model or folder, waited for until its first frame stands. */
void pty_open(pty *p, const pty_options *opt, const char *what);
/* Reads for ms; returns the bytes that came. */
size_t pty_pump(pty *p, int ms);
/* True as soon as the screen shows text. */
bool pty_wait(pty *p, const char *text, int ms);
/* True as soon as the screen no longer shows it. */
bool pty_wait_gone(pty *p, const char *text, int ms);
void pty_send(pty *p, const char *bytes);
void pty_resize(pty *p, int w, int h);
/* True once it ended (status filled) or, with stopped, was suspended. */
bool pty_wait_end(pty *p, int ms);
bool pty_wait_stop(pty *p, int ms);
void pty_continue(pty *p); /* what `fg` does */
/* What was left behind of modes, cursor and termios; NULL = as before the start. */
const char *pty_left(pty *p);
/* What stands on the screen must be what a full repaint shows. The meters of row 1 may tick. */
void pty_check_fresh(pty *p, const char *what);
/* The number behind `field` in the program's /proc file; it must be there and not 0. */
uint64_t pty_proc(const pty *p, const char *file, const char *field);
/* CPU seconds of the program so far. */
double pty_cpu(const pty *p);
void pty_close(pty *p);
double pty_now(void);

/* Rows: name and what to do. */
typedef struct pty_test {
    const char *name;
    void (*run)(pty *p);
} pty_test;
extern const pty_test pty_self_tests[], pty_start_tests[], pty_live_tests[], pty_busy_tests[],
    pty_words_tests[], pty_hub_tests[], pty_hub_words_tests[], pty_secret_tests[],
    pty_fetch_tests[], pty_end_tests[], pty_plain_tests[], pty_killed_tests[], pty_soak_tests[];

#endif
