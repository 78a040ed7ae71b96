/* A queue of downloads over a rig's fake Hub, for tests. */
#ifndef NIBBLE_TEST_QUEUE_BENCH_H
#define NIBBLE_TEST_QUEUE_BENCH_H

#include <stdatomic.h>

#include "tests/transfer.h"

typedef struct bench {
    rig r;
    dl_queue *q;
    char state[600];
    dl_repo repo; /* one that the files are put into by hand, as the tree would list them */
    dl_file file[16];
    size_t index[16];
    atomic_uint woken;
} bench;

void bench_open(bench *b);  /* the Hub and folders; rig_net and bench_queue follow */
void bench_queue(bench *b); /* opens the queue; may be called again after dl_queue_close */
void bench_close(bench *b);
/* Adds a listed file to the choice that bench_add asks for. */
void bench_list(bench *b, const char *path);
uint64_t bench_add_from(bench *b, size_t from); /* only the files from there on */
uint64_t bench_add(bench *b);
dl_item bench_item(bench *b, size_t i);
/* Waits until item i is in this state, or has that many bytes; seconds at most. */
dl_item bench_await(bench *b, size_t i, dl_state state, double seconds);
void bench_await_have(bench *b, size_t i, uint64_t have);
/* Waits until it is done and checks what lies in the cache. */
void bench_landed(bench *b, size_t i, const char *path);

#endif
