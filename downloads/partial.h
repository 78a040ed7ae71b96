/* A file on its way: blobs/<oid>.<8hex>.incomplete holds the bytes at their final offsets, beside
 * it <oid>.<8hex>.state.incomplete says which segments are whole. Both names end as `hf cache
 * prune` expects (hub.md 2, 6). The state file is a fixed header (magic, version, size, segment
 * size, oid, commit, owner {host, boot id, pid, start time}, crc32c of itself) and one record
 * {crc32c of the segment, check of the record} per segment, written when the segment is whole.
 * Nothing is fsynced until the end: a resume re-reads each recorded segment and believes only a
 * matching crc.
 *
 * Private to downloads/. One owner: the functions below run on the transfer's threads as noted. */
#ifndef NIBBLE_PARTIAL_H
#define NIBBLE_PARTIAL_H

#include "downloads/cache.h"

enum { DL_SEGMENT = 2 << 20, DL_SEGMENT_BIG = 16 << 20 }; /* bytes; the latter above 16 GiB */

typedef struct dl_partial dl_partial;

/* Adopts the newest partial of (repo, oid, size) whose owner is gone, else creates one. prepare
 * must have run. Space is taken with nb_reserve (posix_fallocate); *err NB_NOSPACE names bytes
 * missing. */
nb_status dl_partial_open(dl_partial **out, const dl_cache *c, const char *repo, const char *oid,
                          uint64_t size, const char *commit, nb_err *err);
/* Removes what a kill around the last rename left in the repository: state files whose data or
 * whose blob is there, owner gone. dl_partial_open does it too; call it where the blob was found
 * and no partial is opened. */
void dl_partial_sweep(const dl_cache *c, const char *repo);
/* Removes every partial of this content without an owner, and folders then empty. */
void dl_partial_remove(const dl_cache *c, const char *repo, const char *oid);
/* Keeps both files (pause, error); the owner mark is cleared so that anyone may adopt. */
void dl_partial_close(dl_partial **p);
/* Removes both files and empty folders (cancel with delete). */
void dl_partial_discard(dl_partial **p);
/* Wrong for good: the data file is renamed *.bad.incomplete for the user to look at (hub 6c). */
void dl_partial_quarantine(dl_partial **p);

uint64_t dl_partial_size(const dl_partial *p);
uint32_t dl_partial_segments(const dl_partial *p);
uint64_t dl_partial_segment_at(const dl_partial *p, uint32_t i, uint64_t *len); /* its offset */
bool dl_partial_adopted(const dl_partial *p);
const char *dl_partial_path(const dl_partial *p); /* data file, borrowed */

/* Recorded by an earlier run and not yet re-read, or whole in this run, or to fetch. Any thread. */
typedef enum dl_segment_state { DL_SEG_TODO, DL_SEG_RECORDED, DL_SEG_WHOLE } dl_segment_state;
dl_segment_state dl_partial_state(const dl_partial *p, uint32_t i);
/* Net thread: bytes inside segment i at offset `at` of the file, in ascending order per segment. A
 * crc runs along; when the last byte is there the record is written and the state becomes WHOLE.
 * Starting a segment again (at == its offset) restarts its crc. Bytes for a WHOLE segment are
 * dropped: it may be read just now. NB_REFUSED for bytes out of order or past its end. */
nb_status dl_partial_write(dl_partial *p, uint32_t i, uint64_t at, const void *bytes, size_t n,
                           nb_err *err);
/* Worker thread: re-reads segment i into buf (segment size bytes), compares its crc; WHOLE and *ok,
 * or to fetch again, also when it cannot be read. Always NB_OK. */
nb_status dl_partial_check(dl_partial *p, uint32_t i, uint8_t *buf, bool *ok, nb_err *err);
/* Worker thread: bytes of a WHOLE segment for the hasher. */
nb_status dl_partial_read(dl_partial *p, uint32_t i, uint8_t *buf, nb_err *err);
/* Marks i as to fetch again, keeping its old crc: differed tells later whether the refetch did (hub
 * 6b).
 */
nb_status dl_partial_again(dl_partial *p, uint32_t i, nb_err *err);
bool dl_partial_differed(const dl_partial *p, uint32_t i);
/* All whole and verified: fsync, publish as blobs/<oid>, remove the state file; frees p. On failure
 * p is freed too and the files stay, for the next run to go on with. */
nb_status dl_partial_publish(dl_partial **p, const dl_cache *c, const char *repo, nb_err *err);

#endif
