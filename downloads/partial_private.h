/* A partial's insides, for partial.c (its bytes) and partial_find.c (which one, whose). Private to
 * downloads/. */
#ifndef NIBBLE_PARTIAL_PRIVATE_H
#define NIBBLE_PARTIAL_PRIVATE_H

#include <stdatomic.h>
#include <sys/stat.h>

#include "downloads/cache_private.h"
#include "downloads/partial.h"
#include "downloads/partial_state.h"
#include "kernels/crc32c.h"

struct dl_partial {
    dl_cache cache;
    dl_state_head head; /* owner: this process */
    char repo[200];
    int dir, data, state; /* blobs/ and both files; -1 = closed. state holds the flock */
    char data_name[DL_NAME_MAX], state_name[DL_NAME_MAX];
    char path[1500]; /* data file */
    bool adopted;
    nk_crc32c_fn *crc32c;
    uint32_t n;
    atomic_uchar *seg; /* [n] dl_segment_state */
    uint32_t *crc;     /* [n] of what was recorded, or running over what was written */
    uint32_t *filled;  /* [n] bytes written in order; net thread */
    uint32_t *before;  /* [n] crc before dl_partial_again */
    bool *redone;      /* [n] before is set */
};

/* What is known of one state file and its data, by name. */
typedef struct dl_partial_look {
    int fd;             /* of the state file; holds its lock when gone */
    dl_state_head head; /* when whole */
    bool whole, gone; /* the header is sound; nobody owns it, as far as lock, owner and age tell */
    bool data;        /* the data file is there */
    struct stat st;   /* of it */
    time_t made;      /* mtime of the state file */
} dl_partial_look;
/* flags: O_RDWR to take it over or O_RDONLY to look. False when it cannot be opened; else close fd,
 * and until then nobody else takes it. */
bool dl_partial_look_at(int dir, const char *data_name, const char *state_name, int flags,
                        dl_partial_look *l);

/* Removes folders of the repository that hold nothing any more: blobs, snapshots, its own. */
void dl_partial_tidy(const dl_cache *c, const char *folder);
/* Frees without touching the files. */
void dl_partial_drop(dl_partial **p);
/* Fills dir, data, state, names, adopted, head.owner and the records of p, whose head is set: the
 * newest partial without an owner, or a new one. */
nb_status dl_partial_attach(dl_partial *p, nb_err *err);
/* Writes the header, with its owner or with none. */
nb_status dl_partial_mark(dl_partial *p, bool owned, nb_err *err);

#endif
