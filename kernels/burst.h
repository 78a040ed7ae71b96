/* Multiply-adds at the speed of the instructions alone: independent chains in registers, nothing
 * loaded or stored. What `bench` holds products against (perf.md 3.2). */
#ifndef NIBBLE_BURST_H
#define NIBBLE_BURST_H

#include <stddef.h>
#include <stdint.h>

/* Runs `turns` turns and returns how many multiply-adds those were. */
typedef uint64_t nk_burst_fn(size_t turns);

typedef struct nk_bursts {
    nk_burst_fn *int8; /* signed and unsigned bytes into 32 bits, what block types are made of */
    nk_burst_fn *f32;  /* float types and attention */
    nk_burst_fn *bf16; /* parts of float types (pairs.h); NULL: the level has no unit for these */
} nk_bursts;

nk_burst_fn nk_burst_int8, nk_burst_f32; /* C */

#endif
