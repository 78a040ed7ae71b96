/* OUT.part.journal: which tensors of an unfinished OUT.part are whole. Little-endian:
 *
 *     0  "NBQUANT2"
 *     8  64 hex digits: SHA-256 of all that decides the bytes (nb_run_identity)
 *    72  u32 crc32c of bytes 0..71
 *    76  records, each: u32 tensor, u32 tiles, the tensor's figures (NB_JOURNAL_STATS bytes),
 *        u64 digest of each tile's bytes, u32 crc32c of the record before it
 *
 * A record is written when the tensor's last tile has been; nothing is synced. Whoever resumes
 * reads the tensor back and believes a record only where every tile has its digest, so that what a
 * power cut left out costs work, never bytes. A record that is cut or has another sum ends the
 * journal; of two for one tensor the later counts. */
#ifndef NIBBLE_JOURNAL_H
#define NIBBLE_JOURNAL_H

#include "core/base/str.h"
#include "core/quant/hist.h"

enum { NB_JOURNAL_HEAD = 76, NB_JOURNAL_ID = 64, NB_JOURNAL_STATS = 10 * 8 + 3 * 4 + 8 + 4 * 8 };

typedef struct nb_journal_record {
    uint32_t tensor, n_tiles;
    nb_stats stats;
    const uint8_t *marks; /* [n_tiles] u64, borrowed: the bytes read */
} nb_journal_record;

void nb_journal_begin(nb_str *out, const char id[NB_JOURNAL_ID + 1]);
void nb_journal_add(nb_str *out, uint32_t tensor, const nb_stats *stats, const uint64_t *marks,
                    uint32_t n_tiles);

/* False: not the head of a journal. c stands behind it then; id gets 64 digits and a NUL. */
bool nb_journal_head(nb_cursor *c, char id[NB_JOURNAL_ID + 1]);
/* False at the end, whole or not; c stands behind the last whole record. */
bool nb_journal_next(nb_cursor *c, nb_journal_record *out);
uint64_t nb_journal_mark(const nb_journal_record *r, uint32_t tile);

#endif
