#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "core/quant/journal.h"
#include "kernels/crc32c.h"

/* What is believed says the same when it is written again. */
static void read_all(const uint8_t *bytes, size_t n)
{
    char id[NB_JOURNAL_ID + 1];
    nb_journal_record r;
    nb_str again = {0};
    nb_cursor c = nb_cursor_make(bytes, n);
    if (!nb_journal_head(&c, id))
        return;
    nb_journal_begin(&again, id);
    while (nb_journal_next(&c, &r)) {
        uint64_t *marks = malloc(((size_t)r.n_tiles + 1) * sizeof *marks);
        for (uint32_t i = 0; i < r.n_tiles; i++)
            marks[i] = nb_journal_mark(&r, i);
        nb_journal_add(&again, r.tensor, &r.stats, marks, r.n_tiles);
        free(marks);
    }
    fuzz_check(again.len == nb_cursor_pos(&c) && memcmp(again.at, bytes, again.len) == 0,
               "%d bytes", (int)again.len);
    nb_str_free(&again);
}

static void put_sum(uint8_t *at, const uint8_t *from)
{
    uint32_t crc = nk_crc32c_c(0, from, (size_t)(at - from));
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(crc >> 8 * i);
}

/* Any bytes, and the same with sums that fit a head and one record to the end. */
FUZZ_TARGET(journal)
{
    read_all(bytes, n);
    uint8_t *copy = malloc(n + 1);
    memcpy(copy, bytes, n);
    if (n > NB_JOURNAL_HEAD + 4) {
        put_sum(copy + NB_JOURNAL_HEAD - 4, copy);
        put_sum(copy + n - 4, copy + NB_JOURNAL_HEAD);
    }
    read_all(copy, n);
    free(copy);
}
