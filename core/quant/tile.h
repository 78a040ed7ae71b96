/* Shared by work.c, which hands out and writes tiles, tile.c, which encodes one strip by strip, and
 * figures.c, which measures the strips. */
#ifndef NIBBLE_TILE_H
#define NIBBLE_TILE_H

#include "core/quant/run.h"

/* A few whole rows, or a piece of one: at most run->strip weights, whose floats are in the
 * workspace's src unless `raw`. */
typedef struct nb_strip {
    const nb_planned *plan;
    const nb_tensor *layout;
    uint64_t row, rows, col, cols;
    size_t n;          /* weights */
    uint64_t at;       /* element index of the first */
    uint8_t *out;      /* encoded bytes of this strip, rows without a gap */
    size_t piece;      /* bytes of one encoded row */
    bool copy;         /* same type: bytes are taken as they are */
    bool packed;       /* of a quantized checkpoint: held against what that defines, */
    bool spelled;      /* but encoded from the floats it lands in */
    bool raw;          /* a copy that was not decoded */
    bool unread;       /* nor was what halves were encoded from: src is to be decoded from `in` */
    const uint8_t *in; /* its rows as the source has them, one after another, if they were asked for
                        */
    bool halves;       /* it may be encoded without floats */
    const float *dec;  /* what the bytes mean, where that is known already; else NULL */
} nb_strip;

/* Bytes of so many weights, whole blocks. */
static inline uint64_t nb_row_bytes(const nk_type *type, uint64_t cols)
{
    return cols / type->block_len * type->block_size;
}

/* Types that are encoded about as fast as they are read. */
static inline bool nb_type_quick(const nk_type *t)
{
    return t->is_float || t->id == NK_Q8_0 || t->id == NK_Q4_0;
}

/* Encodes tile i to `out`. False: stop; the reason is recorded or not the tile's. */
bool nb_tile_encode(nb_run *run, nb_workspace *ws, const nb_tile *t, uint64_t i, uint8_t *out,
                    nb_stats *stats);
/* The fastest decoder there is for a type that has one. */
nk_decode_fn *nb_run_decoder(const nb_run *run, nk_type_id id);

/* Tensor i's share of looks: one of how many is measured, 1 = all weights are. */
uint64_t nb_figures_every(const nb_run *run, size_t i);
/* No look lies in the strip, as the last one told: so it is with most. */
static inline bool nb_figures_unseen(const nb_workspace *ws, const nb_strip *s)
{
    return ws->unseen_of == s->plan && s->at >= ws->unseen_from && s->at + s->n <= ws->unseen_to;
}

/* Measures what is to be measured of an encoded strip: sums into stats, values into the workspace's
 * tallies. */
void nb_figures_add(nb_run *run, nb_workspace *ws, const nb_strip *s, nb_stats *stats);
/* What the tallies hold enters the report of their tensor. */
void nb_figures_flush(nb_run *run, nb_workspace *ws);

#endif
