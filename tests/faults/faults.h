/* Makes the n-th fallible system or library call of a scenario fail, once or from then on
 * (reliability A11, A13): the linker sends malloc, calloc, realloc, strdup, aligned allocations,
 * mmap, pthread_create, open, openat, read, write, pread, pwrite, fsync, fdatasync, fallocate,
 * ftruncate, sync_file_range, rename, renameat, mkdirat, symlinkat, eventfd, pipe, getentropy and
 * close of the whole program through tests/faults/wrap.c. A scenario is one file in tests/faults/
 * or a part of one:
 *
 *     static nb_status run(nb_err *err) { ... }            // calls the product, armed
 *     static void after(nb_status status) { ... }          // not armed: what must hold now
 *     FAULT_SCENARIO(config_save, before, run, after);
 *
 * run returns what the product returned. The runner (tests/faults/main.c) checks for every point
 * that a failure has the right status and words, that nothing leaks (LeakSanitizer) and no
 * descriptor stays open, and that the scenario succeeds again afterwards. */
#ifndef NIBBLE_FAULTS_H
#define NIBBLE_FAULTS_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

#include "kernels/nb.h"

typedef enum fault_class { FAULT_MEMORY, FAULT_IO } fault_class;

enum { FAULT_SHORT = -1 }; /* instead of an errno: reads and writes do half their work */

/* From here on calls of the class are counted, by all threads. The nth one (1 = first) fails, with
 * forever also all behind it; nth 0 only counts. */
void faults_arm(fault_class class, uint64_t nth, bool forever, int errnum);
/* Stops; returns the calls counted. *fired (may be NULL): whether one was made to fail. */
uint64_t faults_disarm(bool *fired);

/* For what must run in a process of its own: the child stays armed and what it counts is counted
 * here too; this process is disarmed. */
pid_t faults_fork(void);
/* Inside run: the class now armed, and what a process meant that ended with this code: several
 * statuses share one, the one that the fault must give is taken first. */
fault_class faults_class(void);
nb_status faults_status(int exit_code);
bool faults_leaked(void); /* false without LeakSanitizer */
void faults_where(void);  /* scenario, mode and call now under way, to stderr */

/* Set before arming: print the stack of every call that is made to fail (ASan builds). */
extern bool faults_trace;

typedef struct fault_scenario {
    const char *name;
    void (*before)(void); /* may be NULL */
    nb_status (*run)(nb_err *err);
    void (*after)(nb_status status); /* may be NULL */
    struct fault_scenario *next;
} fault_scenario;
void faults_register(fault_scenario *s);

#define FAULT_SCENARIO(name_, before_, run_, after_)                                               \
    __attribute__((constructor)) static void faults_register_##name_(void)                         \
    {                                                                                              \
        static fault_scenario row = {#name_, before_, run_, after_, NULL};                         \
        faults_register(&row);                                                                     \
    }                                                                                              \
    struct fault_scenario

/* Ends the program: an invariant broke. */
#define fault_check(cond, ...)                                                                     \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #cond);                             \
            faults_where();                                                                        \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fputc('\n', stderr);                                                                   \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#endif
