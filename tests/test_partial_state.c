/* State files of partials: what is no whole, sound header or no name of ours is refused. */
#include "tests/check.h"

#include "downloads/partial.h"
#include "downloads/partial_state.h"

#include <stdio.h>
#include <string.h>

/* The sum covers what no field's own check would see: a size, a process, a start. */
CHECK_TEST(partial, a_state_with_any_bit_changed_is_refused)
{
    dl_state_head h = {.size = 12345, .segment = DL_SEGMENT}, back;
    uint8_t bytes[DL_STATE_HEAD];
    memset(h.oid, 'a', 64);
    memset(h.commit, 'c', 40);
    snprintf(h.owner.host, sizeof h.owner.host, "host");
    snprintf(h.owner.boot, sizeof h.owner.boot, "boot");
    h.owner.pid = 77;
    dl_state_write(bytes, &h);
    check(dl_state_read(&back, bytes, sizeof bytes) && back.size == h.size, "it cannot be read");
    for (size_t i = 0; i < 256; i++) {
        bytes[i] ^= 1;
        check(!dl_state_read(&back, bytes, sizeof bytes), "byte %zu is not looked at", i);
        bytes[i] ^= 1;
        check(!dl_state_read(&back, bytes, i), "%zu bytes are taken", i);
    }
}

/* A sum that fits makes no absurd header a sound one. */
CHECK_TEST(partial, a_state_with_absurd_fields_is_refused)
{
    const dl_state_head sound = {.size = 12345, .segment = 1u << 12};
    dl_state_head bad[9], back;
    uint8_t bytes[DL_STATE_HEAD];
    for (size_t i = 0; i < countof(bad); i++) {
        bad[i] = sound;
        memset(bad[i].oid, 'a', 64);
    }
    bad[1].segment = 1u << 11;
    bad[2].segment = 1u << 31;
    bad[3].segment = 3u << 12;
    bad[4].size = UINT64_C(1) << 33;
    bad[5].oid[63] = '\0';
    memset(bad[6].commit, 'g', 40);
    bad[7].owner.pid = -1;
    bad[8].owner.pid = INT64_C(1) << 31;
    for (size_t i = 0; i < countof(bad); i++) {
        dl_state_write(bytes, &bad[i]);
        check(dl_state_read(&back, bytes, sizeof bytes) == (i == 0), "header %zu", i);
    }
}

CHECK_TEST(partial, only_names_of_ours_are_taken_for_parts)
{
    static const struct {
        const char *tail;
        bool ours, state;
    } rows[] = {{".01234567.incomplete", true, false},  {".01234567.state.incomplete", true, true},
                {".0123456.incomplete", false, false},  {".01234567.incompletely", false, false},
                {"-01234567.incomplete", false, false}, {"a.01234567.incomplete", false, false}};
    static const size_t digits[] = {40, 64};
    for (size_t k = 0; k < countof(digits); k++)
        for (size_t i = 0; i < countof(rows); i++) {
            char name[160], oid[65], tag[9];
            bool state = false;
            memset(name, 'a', digits[k]);
            snprintf(name + digits[k], 80, "%s", rows[i].tail);
            check(dl_partial_name(name, oid, tag, &state) == rows[i].ours, "%s", name);
            check(!rows[i].ours || (state == rows[i].state && strcmp(tag, "01234567") == 0 &&
                                    strlen(oid) == digits[k]),
                  "%s", name);
        }
}
