/* The quantizer's inside: one run's state, shared by quantize.c (order of steps), work.c (what
 * threads do), tile.c (one tile of work), figures.c (what is measured of it), output.c (OUT.part),
 * resume.c (its journal) and report.c (what others may see). Other writers of planned files (synth)
 * bring their own rows through nb_run_open_rows.
 *
 * Threads: tiles are handed out by an atomic counter. Whatever a tile adds to a report goes in
 * under `lock`: integer counts in any order, double sums only when every earlier tile of the wave
 * is in (`frontier`), so figures have the same bits for any number of threads. */
#ifndef NIBBLE_RUN_H
#define NIBBLE_RUN_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/base/flush.h"
#include "core/quant/quantize.h"

enum {
    NB_TILE_ROWS = 64,
    NB_TILE_WEIGHTS = 512 * 1024, /* at most: bounds a thread's buffers */
    NB_STRIP_WEIGHTS = 16 * 1024, /* between two polls of cancel */
    NB_WAVE_TILES = 4096,
    NB_BATCH_TILES = 16,          /* written at once, as many */
    NB_BATCH_BYTES = 1024 * 1024, /* as come to so much: file systems keep it in larger pages */
    NB_FLUSH_BYTES = 64 * 1024 * 1024,  /* synced at once while others are encoded */
    NB_AHEAD_TILES = 64,                /* asked for ahead since one had to be waited for */
    NB_WAVE_WEIGHTS = 8 * 1024 * 1024,  /* per thread; waves end so that leases can change */
    NB_FIGURES_MODEL = 8 * 1024 * 1024, /* models up to this many weights are measured whole, */
    NB_FIGURES_WHOLE = 256 * 1024,      /* tensors of others up to this many; */
    NB_FIGURES_LEAST = 16 * 1024,       /* of larger ones about so many weights, and */
    NB_FIGURES_EVERY = 512,             /* from 32 Mi on one of so many; */
    NB_FIGURES_QUICK = 3,    /* of types encoded as fast as they are read so many times fewer, in */
    NB_LOOK_WEIGHTS = 512,   /* looks of this many neighbours, whole blocks of any type */
    NB_PIECE_WEIGHTS = 2048, /* decoded, measured and counted while in the nearest cache */
    NB_HELD_WEIGHTS = 4096,  /* of looks, whose places are kept until the report hears of them */
    NB_TALLY_WEIGHTS = 32 * 1024, /* counted by a thread before the report hears of them, */
    NB_TALLY_MS = 50,             /* at the end of a wave if it has not for so long */
};

/* n weights of a planned tensor from element `first` on. Pure: any thread, any order. */
typedef void nb_rows_fn(void *ud, const nb_planned *t, const char *name, uint64_t first, float *dst,
                        size_t n);

/* How one tensor is cut. Rows longer than a tile are cut into pieces (multiples of 256): without
 * importance every encoder works block by block; with it rows stay whole. */
typedef struct nb_cut {
    uint64_t cols, rows;
    uint64_t row_bytes;  /* of the output */
    uint64_t tile_rows;  /* 1..64 */
    uint64_t tile_cols;  /* cols, or the piece */
    uint64_t pieces;     /* per row */
    uint64_t first_tile; /* in the run's list */
    uint64_t n_tiles, n_done;
    uint64_t look_every; /* one look of so many is measured: 1 = all weights are */
} nb_cut;

typedef struct nb_tile {
    size_t tensor;
    uint64_t index; /* in its tensor */
    uint64_t row, rows, col, cols;
} nb_tile;

/* What one tile comes to, until it enters its tensor's report. */
typedef struct nb_tile_sums {
    nb_stats stats;
    double gain[2];
    double seconds; /* of compute */
} nb_tile_sums;

/* Tiles that lie one behind the other in the file, encoded and not yet written. */
typedef struct nb_batch {
    uint64_t first;
    size_t n;
    uint64_t offset, bytes; /* in the file; so far */
    nb_tile_sums sums[NB_BATCH_TILES];
} nb_batch;

/* One thread's buffers. */
typedef struct nb_workspace {
    float *src, *dec; /* [strip] owned */
    uint16_t *held;   /* [3, NB_HELD_WEIGHTS] places of values before, after, errors, owned */
    size_t n_held;    /* of each, on their way into the report of tensor tally_of */
    uint8_t *out;     /* [out_cap] what the batch holds, or one tile read back, owned */
    nb_batch batch;
    uint8_t *row;        /* [row_cap] a source row that does not lie as it is seen, owned */
    uint8_t *in;         /* [in_cap] a strip's rows as the source has them, owned */
    int ahead;           /* for how many more tiles others are asked for ahead */
    bool mapped;         /* the tile at hand is in memory and read where it is mapped */
    nb_hist_keys *tally; /* [3] the same on their way into a report, owned */
    size_t tally_of;     /* the tensor they are of */
    double told_at;      /* seconds: when they last entered it */
    const nb_planned
        *unseen_of; /* the tensor of which no look lies in weights [unseen_from, unseen_to) */
    uint64_t unseen_from, unseen_to;
    nk_block_view view;
    double gain[2]; /* of the tile at hand */
} nb_workspace;

struct nb_run {
    const nb_plan *plan; /* borrowed */
    nb_quantize_options opt;
    const nb_method *method;
    nb_knobs knobs;
    nb_rows_fn *rows; /* NULL: from the plan's weights */
    void *rows_ud;
    char *path, *part, *journal; /* owned */
    int fd;                      /* of OUT.part, locked; -1 = none */
    int journal_fd;              /* -1 = none is kept */
    uint64_t journal_len;        /* where the next record goes; under `lock` while running */
    bool started, resumed;       /* resumed: OUT.part was begun by another run */
    /* Of a set (shards.c): */
    bool hold;   /* go ends with OUT.part verified: the set names it */
    bool landed; /* OUT is there, named by a run that was then killed; part is OUT's own name */
    bool keep;   /* what fails from here on leaves all files for the next run */

    const nk_ops *ops; /* borrowed while running */
    const nb_hooks *hooks;
    nb_cut *cut;          /* [plan->n] */
    uint64_t n_tiles;     /* of all tensors */
    uint64_t *mark;       /* [n_tiles] digest of each tile's encoded bytes */
    nb_range *range;      /* [plan->n] what a tensor-wide scale is made from */
    bool *kept;           /* [plan->n] whole since an earlier run */
    bool short_of_memory; /* model and output exceed what is free: what was read may go first */
    size_t strip;         /* floats, the most any strip has; the others in bytes: */
    size_t out_cap, row_cap, in_cap; /* the largest any tile, row, strip of rows needs */
    nb_workspace *space;             /* [n_space] owned */
    int n_space;

    atomic_uint_fast64_t next; /* tile, or tensor while verifying */
    uint64_t wave_end;
    uint64_t behind_from,
        behind_n;       /* bytes of the last wave, which the disk has not been told of */
    atomic_bool behind; /* whoever clears it tells */
    nb_flush *flush;    /* owned; NULL = the file is small */
    atomic_bool stop;   /* an error or cancel: threads leave at the next strip */

    pthread_mutex_t poll;           /* hooks are called by one thread at a time */
    atomic_uint_fast64_t polled_us; /* when they last were */

    pthread_mutex_t lock;     /* guards everything below */
    nb_tensor_report *report; /* [plan->n] without the histograms of */
    nb_hist_trio *looked;     /* [plan->n] looks: values before, after, errors */
    nb_tile_sums *slot;       /* [NB_WAVE_TILES] of finished tiles not yet merged */
    bool *slot_full;
    uint64_t wave_first, frontier;
    uint64_t weights_done, bytes_out, bytes_verified;
    double type_seconds[NK_TYPE_SLOTS];
    uint64_t type_done[NK_TYPE_SLOTS], type_all[NK_TYPE_SLOTS];
    uint64_t weights_kept;
    size_t current, n_done, n_kept;
    double started_at, ended_at; /* seconds; 0 = not yet */
    double asked_at, held;       /* inside `canceled` since; seconds spent there: pauses */
    nb_status status;
    nb_err fail; /* the first error in file order */
    uint64_t fail_tile;
};

nb_status nb_run_open_rows(nb_run **out, const nb_plan *plan, const char *path,
                           const nb_quantize_options *opt, nb_rows_fn *rows, void *ud, nb_err *err);
/* A shard that its set publishes. landed: it has its final name already and is only held against
 * its journal; NB_REFUSED where it is not what that says. */
nb_status nb_run_open_shard(nb_run **out, const nb_plan *plan, const char *path,
                            const nb_quantize_options *opt, bool landed, nb_err *err);
/* As nb_run_go on a pool of the caller's. */
nb_status nb_run_go_pool(nb_run *run, const nk_ops *ops, nk_pool *pool, const nb_hooks *hooks,
                         nb_err *err);

/* Asks the hooks when due: false = stop now. Any thread. */
bool nb_run_poll(nb_run *run);
/* Records a failure; of several the one earliest in the file stays. Stops the run. */
void nb_run_fail(nb_run *run, uint64_t tile, const nb_err *why);
/* NB_IO when the model's file shrank under its mapping: what was read of it cannot be believed. */
nb_status nb_run_source_stands(const nb_run *run, nb_err *err);

/* tile.c */
nb_status nb_run_cut(nb_run *run, nb_err *err); /* tile list and its buffers' sizes */
nb_tile nb_run_tile(const nb_run *run, uint64_t i);
uint64_t nb_tile_offset(const nb_run *run, const nb_tile *t); /* in the file */
uint64_t nb_tile_bytes(const nb_run *run, const nb_tile *t);
uint64_t nb_mark(const uint8_t *bytes, size_t n);
/* The method that writes tensor i. */
const nb_method *nb_run_method(const nb_run *run, size_t i);
/* Calls see for tile i as floats, a few rows at a time; false = stopped. */
bool nb_tile_each(nb_run *run, nb_workspace *ws, uint64_t i,
                  void (*see)(void *arg, const float *src, size_t n), void *arg);

/* work.c */
/* Asks for the last wave to be written to disk, if nobody has. */
void nb_run_write_behind(nb_run *run);
nk_pool_fn nb_run_work; /* nk_parallel body: arg = run; tiles until wave_end */

/* survey.c: the ranges that tensor-wide scales need; buffers are there. */
nb_status nb_run_survey(nb_run *run, nk_pool *pool, int threads, nb_err *err);

/* output.c */
nb_status nb_part_open(nb_run *run, nb_err *err); /* checks, locks, truncates, reserves */
/* Header, verify, publish; of a shard all but the last. */
nb_status nb_part_finish(nb_run *run, nk_pool *pool, nb_err *err);
/* Asks again, before a name is given, what was asked at the start. */
nb_status nb_part_may_publish(const nb_run *run, nb_err *err);
/* OUT.part -> OUT, journal and lock stay; nb_part_done lets go of both. */
nb_status nb_part_publish(nb_run *run, nb_err *err);
void nb_part_done(nb_run *run);
/* Removes OUT.part and its journal, if they are ours and `keep` does not say otherwise. */
void nb_part_drop(nb_run *run);
/* Closes both; removes them unless another run began them and this one has not started. */
void nb_part_leave(nb_run *run);

/* resume.c */
/* Takes over or begins the journal beside the opened OUT.part. */
nb_status nb_journal_open(nb_run *run, bool *resumes, nb_err *err);
void nb_journal_close(nb_run *run, bool drop);
/* Its records reach the disk, as a set needs them before it gives names. */
nb_status nb_journal_sync(const nb_run *run, nb_err *err);
void nb_journal_note(nb_run *run, size_t tensor); /* it is whole; under run->lock */
/* Reads back what the journal says is whole and forgets what is not; buffers are there. */
void nb_journal_check(nb_run *run, nk_pool *pool, int threads);

/* report.c: one finished tile enters the run's figures. */
void nb_run_merge(nb_run *run, uint64_t i, const nb_tile_sums *sums);
/* The same for a tile of a tensor that is kept. */
void nb_run_merge_kept(nb_run *run, uint64_t i, const nb_tile *t);

#endif
