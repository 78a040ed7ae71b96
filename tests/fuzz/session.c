/* Any bytes as a saved session: refused with words, or a head whose every length is the file's. */
#include "tests/fuzz/fuzz.h"

#include "core/model/session_file.h"

FUZZ_TARGET(session)
{
    nb_session_head h;
    nb_err err = {.msg = ""};
    nb_status st = nb_session_head_read(&h, bytes, n, n, "fuzz", &err);
    if (st != NB_OK) {
        fuzz_check(err.status == st && err.msg[0], "failure without words");
        return;
    }
    unsigned __int128 rows = (unsigned __int128)h.k_row + h.v_row;
    unsigned __int128 len = rows * h.n * h.n_layer + 4 * (unsigned __int128)h.n;
    fuzz_check(h.n > 0 && len + NB_SESSION_HEAD + 4 == n, "%u tokens in %zu bytes", h.n, n);
    fuzz_check(nb_session_head_read(&h, bytes, n, (uint64_t)n + 1, "fuzz", &err) == NB_FORMAT,
               "a longer file holds no more");
    fuzz_check(nb_session_head_read(&h, bytes, NB_SESSION_HEAD - 1, n, "fuzz", &err) == NB_FORMAT,
               "read past its bytes");
}
