/* A sequence of a session as a file: its tokens and what the cache holds of them, so that a long
 * prompt is evaluated once. Bound to the model's fingerprint and the cache's types: another model's
 * file is refused. Little-endian:
 *
 *     "NBSESSN1"  u64 fingerprint  u32 layers  u32 tokens  u32 K type  u32 V type
 *     u64 K row  u64 V row  u32 flags (1: longrope's far angles)  u32 0
 *     i32 id [tokens]   then per layer: K [tokens][K row], V [tokens][V row]
 *     u32 crc32c of all before
 *
 * A file is trusted no further than any other: lengths are checked against the file's before a byte
 * is used, ids against the vocabulary, all bytes against the sum. */
#ifndef NIBBLE_SESSION_FILE_H
#define NIBBLE_SESSION_FILE_H

#include "core/model/session.h"

typedef struct nb_session_head {
    uint64_t fingerprint, k_row, v_row;
    uint32_t n_layer, n, k_type, v_type, flags;
} nb_session_head;

enum { NB_SESSION_HEAD = 56 }; /* bytes */

/* The head of a file of `len` bytes, the first of which (at least NB_SESSION_HEAD, or all) are at
 * bytes: what it promises is exactly what a file of that length holds. name: for messages. */
nb_status nb_session_head_read(nb_session_head *out, const uint8_t *bytes, size_t n, uint64_t len,
                               const char *name, nb_err *err);
/* Writes the current sequence to path, readable by its owner alone: whole or, after a failure, what
 * was there before. NB_REFUSED when it is empty. */
nb_status nb_session_save(const nb_session *s, const char *path, const nb_hooks *hooks,
                          nb_err *err);
/* The current sequence becomes the file's; logits are gone until the next feed, which evaluates the
 * last token anew. NB_REFUSED for another model, other cache types or a context that is too small;
 * NB_FORMAT for a damaged file. On failure the sequence is empty or what it was. */
nb_status nb_session_restore(nb_session *s, const char *path, const nb_hooks *hooks, nb_err *err);

#endif
