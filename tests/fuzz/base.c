/* Any bytes as a base file: refused with words, or a head whose every part lies in the file. */
#include "tests/fuzz/fuzz.h"

#include "core/eval/base_file.h"

FUZZ_TARGET(base)
{
    nb_base_head h;
    nb_err err = {.msg = ""};
    nb_status st = nb_base_head_read(&h, bytes, n, "fuzz", &err);
    if (st != NB_OK) {
        fuzz_check(err.status == st && err.msg[0], "failure without words");
        return;
    }
    const nb_reading *r = &h.reading;
    unsigned __int128 rows = (unsigned __int128)r->chunks * r->count * h.row;
    fuzz_check(h.ids_at + 4 * h.n_ids <= n && h.rows_at + rows <= n, "parts past the end");
    fuzz_check(r->first + r->count + 1 == r->n_ctx && r->chunks >= 1, "no reading");
    fuzz_check((unsigned __int128)(r->chunks - 1) * r->step + r->n_ctx <= h.n_ids, "few tokens");
    if (h.kind == NB_BASE_NIBBLE)
        fuzz_check(h.matrix_at + (unsigned __int128)h.matrix_row * h.n_vocab <= h.rows_at,
                   "matrix past the states");
}
