#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "downloads/partial_state.h"
#include "kernels/crc32c.h"

/* What a header that was believed says, said again, is believed alike. */
static void check_head(const dl_state_head *h)
{
    uint8_t again[DL_STATE_HEAD];
    dl_state_head back;
    uint64_t segments = dl_state_segments(h);
    fuzz_check(segments <= DL_SEGMENTS_MAX && segments * h->segment >= h->size &&
                   (segments == 0 || (segments - 1) * h->segment < h->size),
               "%d segments", (int)segments);
    fuzz_check(dl_oid_ok(h->oid) && (!h->commit[0] || dl_commit_ok(h->commit)), "names");
    dl_state_write(again, h);
    fuzz_check(dl_state_read(&back, again, sizeof again), "not read back");
    fuzz_check(back.size == h->size && back.segment == h->segment &&
                   strcmp(back.oid, h->oid) == 0 && strcmp(back.commit, h->commit) == 0 &&
                   strcmp(back.owner.host, h->owner.host) == 0 &&
                   strcmp(back.owner.boot, h->owner.boot) == 0 && back.owner.pid == h->owner.pid &&
                   back.owner.start == h->owner.start,
               "another header");
}

static void check_records(const dl_state_head *h, const uint8_t *bytes, size_t n)
{
    uint32_t segments = dl_state_segments(h), crc;
    for (uint32_t i = 0; i < segments && (i + 1) * (size_t)DL_STATE_RECORD <= n; i++) {
        const uint8_t *record = bytes + i * (size_t)DL_STATE_RECORD;
        uint8_t again[DL_STATE_RECORD];
        if (!dl_record_read(record, h, i, &crc))
            continue;
        dl_record_write(again, h, i, crc);
        fuzz_check(memcmp(again, record, sizeof again) == 0, "record %d", (int)i);
        fuzz_check(!dl_record_read(record, h, i + 1, &crc), "passes as another's");
    }
}

/* Any bytes as a state file, and the same bytes with a sum that fits, behind which the fields lie.
 */
FUZZ_TARGET(partial)
{
    dl_state_head h;
    if (dl_state_read(&h, bytes, n)) {
        check_head(&h);
        check_records(&h, bytes + DL_STATE_HEAD, n - DL_STATE_HEAD);
    }
    uint8_t *copy = malloc(n + 1);
    memcpy(copy, bytes, n);
    if (n >= DL_STATE_HEAD) {
        uint32_t crc = nk_crc32c_c(0, copy, 252);
        for (int i = 0; i < 4; i++)
            copy[252 + i] = (uint8_t)(crc >> 8 * i);
    }
    if (dl_state_read(&h, copy, n)) {
        check_head(&h);
        check_records(&h, copy + DL_STATE_HEAD, n - DL_STATE_HEAD);
    }
    free(copy);
}
