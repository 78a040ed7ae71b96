/* The state file of a partial (partial.h), byte for byte, and whether its owner still runs. Little
 * endian; what is read is believed only as far as its checks go. Private to downloads/.
 *
 *     0  "nbpart1\n"        88  commit, 40 bytes        232  pid, i64 (0 = nobody)
 *     8  u32 version = 1   128  host, 64, padded        240  start time of pid, u64
 *    12  u32 segment size  192  boot id, 36, padded     248  zero
 *    16  u64 size          228  zero                    252  u32 crc32c of bytes 0..251
 *    24  oid, 64, padded   256  records of 8 bytes: u32 crc32c of the segment, u32 check
 */
#ifndef NIBBLE_PARTIAL_STATE_H
#define NIBBLE_PARTIAL_STATE_H

#include "downloads/cache.h"

enum { DL_STATE_HEAD = 256, DL_STATE_RECORD = 8, DL_SEGMENTS_MAX = 1 << 20, DL_NAME_MAX = 128 };

typedef struct dl_owner {
    char host[65], boot[37];
    int64_t pid;    /* 0 = nobody: free for all */
    uint64_t start; /* clock ticks since boot; 0 = not told */
} dl_owner;

typedef struct dl_state_head {
    uint64_t size;
    uint32_t segment; /* bytes, a power of two */
    char oid[65], commit[41];
    dl_owner owner;
} dl_state_head;

/* Segments of a file; size 0 has none. */
uint32_t dl_state_segments(const dl_state_head *h);
void dl_state_write(uint8_t out[DL_STATE_HEAD], const dl_state_head *h);
/* False when bytes[n] is no whole header of this version. */
bool dl_state_read(dl_state_head *out, const uint8_t *bytes, size_t n);
/* Record of segment i; its check covers oid, size, number and crc, so that neither a hole nor
 * another file's record passes. */
void dl_record_write(uint8_t out[DL_STATE_RECORD], const dl_state_head *h, uint32_t i,
                     uint32_t crc);
bool dl_record_read(const uint8_t in[DL_STATE_RECORD], const dl_state_head *h, uint32_t i,
                    uint32_t *crc);

/* Fields 3 and 22 of /proc/PID/stat, behind the name in brackets that may hold anything (proc(5));
 * text is cut up. False: the start is not told, *start stays. ended: killed, but its parent has not
 * asked for its status yet. */
bool dl_stat_read(char *text, uint64_t *start, bool *ended);
void dl_owner_self(dl_owner *out);
/* RUNS: certainly. GONE: certainly not, as far as this machine can tell. ELSEWHERE: on another
 * machine that shares the disk, unknown. */
typedef enum dl_owner_is { DL_OWNER_GONE, DL_OWNER_RUNS, DL_OWNER_ELSEWHERE } dl_owner_is;
dl_owner_is dl_owner_look(const dl_owner *o);

/* "<oid>.<8 hex>.incomplete" and "<oid>.<8 hex>.state.incomplete", out of and into a name. */
bool dl_partial_name(const char *name, char oid[65], char tag[9], bool *state);
void dl_partial_names(char data[DL_NAME_MAX], char state[DL_NAME_MAX], const char *oid,
                      const char *tag);

#endif
