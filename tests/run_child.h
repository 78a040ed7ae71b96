/* Runs build/nibble (this flavour's) as a user's shell would: as a child without a terminal, in a
 * scratch home, its output captured. Ends a child that takes over a minute, unless told otherwise.
 */
#ifndef NIBBLE_TEST_RUN_CHILD_H
#define NIBBLE_TEST_RUN_CHILD_H

#include <stdint.h>

#include "core/base/json.h"

enum { CHILD_ARGS = 16, CHILD_ENV = 6 };

typedef struct child_how {
    const char *program;          /* NULL = nibble; else looked up in PATH */
    const char *args[CHILD_ARGS]; /* up to the first NULL */
    const char *env[CHILD_ENV];   /* NAME=value, on top of the scratch home */
    const char *dir;              /* working folder, NULL = the repository */
    const char *in;               /* file on standard input, NULL = /dev/null */
    const char *out;              /* where standard output goes instead of `out` */
    const char *interrupt_when;   /* SIGINT once this file exists */
    double interrupt_after;       /* SIGINT so long after it can be caught, seconds; 0 = not */
    double kill_after;            /* SIGKILL likewise; both count from the child's start */
    bool (*kill_when)(void *arg); /* SIGKILL once it says so, asked every half a millisecond */
    void *kill_arg;
    bool may_die;        /* of a signal */
    double seconds;      /* it may take; 0 = a minute */
    bool peak;           /* look at its memory meanwhile */
    uint64_t file_limit; /* RLIMIT_FSIZE in bytes, 0 = none */
} child_how;

typedef struct child {
    int code; /* exit status, or 1000 + the signal that ended it */
    char *out, *err;
    size_t n_out, n_err;
    double after_signal; /* seconds from SIGINT to its end; 0 = not interrupted */
    uint64_t peak;       /* bytes of resident memory at most, if asked for; 0 = nobody knows */
} child;

extern const char child_nibble[]; /* full path of the program */
child child_run(const child_how *how);
/* Its standard output as a JSON document; the test fails when it is none. */
nb_json *child_json(const child *c);
void child_free(child *c);
/* Is there such a program in PATH? */
bool child_have(const char *program);

#endif
