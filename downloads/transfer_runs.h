/* Which bytes of a file each connection asks for next. Pure bookkeeping over segments and slots (a
 * slot is one connection's place): no network, no clock, no lock; the caller guards it.
 *
 * A segment is HELD until somebody says what it is, FREE when it is to be fetched, TAKEN while it
 * is part of a slot's run, WHOLE when all its bytes are written. A run is consecutive segments,
 * asked for in one request of at most DL_RANGE_MAX bytes; runs go out in ascending order, so the
 * hasher behind never waits long. A segment whose connection broke keeps the bytes it has. */
#ifndef NIBBLE_TRANSFER_RUNS_H
#define NIBBLE_TRANSFER_RUNS_H

#include "kernels/nb.h"

enum { DL_RUN_SLOTS = 16, DL_RUN_SEGMENTS = 32, DL_RANGE_MAX = 1 << 30 /* bytes */ };

typedef enum dl_run_state { DL_RUN_HELD, DL_RUN_FREE, DL_RUN_TAKEN, DL_RUN_WHOLE } dl_run_state;

typedef struct dl_run { /* bytes at..end-1 are still to come to this slot; at == end: none */
    uint64_t at, end;
    bool through; /* one stream over the whole file: passes over what is not its own */
} dl_run;

typedef struct dl_runs {
    uint64_t size;      /* bytes of the file */
    uint64_t segment;   /* bytes of each but the last, a power of two */
    uint32_t n, n_free; /* segments */
    uint32_t low;       /* no segment before it is FREE */
    uint8_t *state;     /* [n] dl_run_state, owned */
    uint32_t *have;     /* [n] bytes of a segment not WHOLE that are written, owned */
    dl_run slot[DL_RUN_SLOTS];
} dl_runs;

/* All HELD. size may be 0: then there are no segments. NB_NOMEM. */
nb_status dl_runs_open(dl_runs *p, uint64_t size, uint64_t segment, nb_err *err);
void dl_runs_free(dl_runs *p);

/* HELD or WHOLE -> FREE, to be fetched from its start. */
void dl_runs_offer(dl_runs *p, uint32_t i);
/* HELD -> WHOLE. */
void dl_runs_keep(dl_runs *p, uint32_t i);

/* An empty slot gets the lowest free run: at most DL_RUN_SEGMENTS, and near the end only its share
 * of what is free (half of free / streams), so that all connections finish together. False when
 * nothing is free. */
bool dl_runs_take(dl_runs *p, unsigned slot, unsigned streams);
/* An empty slot gets every free segment as one run from offset 0 to the end of the file, for a
 * server that cannot do ranges; bytes of other segments pass by. False when nothing is free. */
bool dl_runs_take_through(dl_runs *p, unsigned slot);

/* What the next n > 0 bytes of the slot's stream are: at most up to the end of a segment. n 0: the
 * run is complete and they are too many. */
typedef struct dl_piece {
    uint64_t at; /* offset in the file */
    size_t n;
    uint32_t segment;
    bool mine;  /* to be written; false: a run through passes over them */
    bool whole; /* they complete the segment */
} dl_piece;
dl_piece dl_runs_next(const dl_runs *p, unsigned slot, size_t n);
/* The piece was written (or passed by). */
void dl_runs_wrote(dl_runs *p, unsigned slot, const dl_piece *piece);
/* The stream ended: what is left of its run is free again. */
void dl_runs_drop(dl_runs *p, unsigned slot);
/* The run ends with the segment it is in; what lies behind is free again. */
void dl_runs_trim(dl_runs *p, unsigned slot);

/* Nothing is free and `thief` is empty: it gets part of the run that would end last, if that takes
 * more than `worth` seconds. rate[slot]: bytes per second of each stream now, > 0; expect: those of
 * a new one. A victim in its last segment gives it away, from the byte it has reached, only when it
 * is more than four times slower than a new stream. The victim's slot (then shortened, perhaps to
 * nothing), or -1. */
int dl_runs_steal(dl_runs *p, unsigned thief, const double rate[DL_RUN_SLOTS], double expect,
                  double worth);

/* Bytes written of segments not WHOLE plus all of the WHOLE and HELD ones: never more than size. */
uint64_t dl_runs_written(const dl_runs *p);
uint64_t dl_runs_length(const dl_runs *p, uint32_t i); /* bytes of segment i */
static inline uint64_t dl_run_left(const dl_run *r)
{
    return r->end - r->at;
}

#endif
