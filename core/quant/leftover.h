/* What quantize runs that were killed left behind: OUT.part with OUT.part.journal, found by the
 * journal, whose head must be one of ours: other programs name files ".part" too. The run that
 * wrote them goes on from there when it is started again; nobody else needs them.
 *
 * A leftover is live while a process has the lock on OUT.part, or on an OUT that has its name and
 * whose journal is about to go. It is never touched then. */
#ifndef NIBBLE_LEFTOVER_H
#define NIBBLE_LEFTOVER_H

#include "core/base/config.h"

typedef struct nb_leftover {
    char output[1024];    /* the file it was to become; sanitise before printing */
    char part[1040];      /* OUT.part, which may not be there */
    char journal[1048];   /* OUT.part.journal */
    uint64_t bytes, size; /* on disk, of both; of the whole output, 0 = unknown */
    double age;           /* s since either was written */
    bool live;
    uint64_t dev, ino; /* of the journal */
} nb_leftover;

typedef struct nb_leftovers {
    nb_leftover *at; /* [n] owned, by path */
    size_t n;
} nb_leftovers;

/* Looks where models are written to: paths[n] (folders), this folder, nibble's own. */
nb_status nb_leftovers_find(nb_leftovers *out, const nb_config *cfg, const char *const *paths,
                            size_t n, const nb_hooks *hooks, nb_err *err);
void nb_leftovers_free(nb_leftovers *l);
/* Removes those that are dead and at least `age` s old; dry_run: only counts. *bytes and *n: freed
 * (or that would be), added to what they hold. Each is looked at again under its lock. */
nb_status nb_leftovers_remove(const nb_leftovers *l, double age, bool dry_run, uint64_t *bytes,
                              size_t *n, const nb_hooks *hooks, nb_err *err);

#endif
