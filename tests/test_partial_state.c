/* State files of partials: what is no whole, sound header or no name of ours is refused. */
#include "tests/check.h"

#include "downloads/partial.h"
#include "downloads/partial_state.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* --- owner -------------------------------------------------------------------------------------
 */

CHECK_TEST(partial, the_start_of_a_process_is_the_22nd_field_A16)
{
#define FIELDS " 1 1 1 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 "
    static const struct {
        const char *text;
        bool told, ended;
        uint64_t start;
    } rows[] = {{"7 (sh) S" FIELDS "123456 9 9", true, false, 123456},
                {"7 (sh) S" FIELDS "123456", true, false, 123456},
                {"7 (a) b) (c) Z" FIELDS "5 9", true, true, 5},
                {"7 (sh) X" FIELDS "5 9", true, true, 5},
                {"7 (sh) S" FIELDS "x", false, false, 7},
                {"7 (sh) S" FIELDS, false, false, 7},
                {"7 (sh) S 1 1", false, false, 7},
                {"7 (sh) Z 1 1", false, true, 7},
                {"7 (sh)", false, false, 7},
                {"7 sh", false, false, 7},
                {"", false, false, 7}};
#undef FIELDS
    for (size_t i = 0; i < countof(rows); i++) {
        char text[200];
        uint64_t start = 7;
        bool ended = false;
        snprintf(text, sizeof text, "%s", rows[i].text);
        check(dl_stat_read(text, &start, &ended) == rows[i].told, "%s", rows[i].text);
        check(start == rows[i].start && ended == rows[i].ended, "%s: %llu, %d", rows[i].text,
              (unsigned long long)start, ended);
    }
}

CHECK_TEST(partial, an_owner_runs_only_as_the_process_it_was_A16)
{
    dl_owner self, o;
    dl_owner_self(&self);
    check(self.host[0] && self.boot[0] && self.start && self.pid == getpid(), "who we are");
    check(dl_owner_look(&self) == DL_OWNER_RUNS, "ourselves");
    static const struct {
        bool host, boot, pid, start; /* another's */
        dl_owner_is want;
    } rows[] = {{true, true, false, false, DL_OWNER_ELSEWHERE},
                {true, false, false, false, DL_OWNER_GONE},
                {false, true, false, false, DL_OWNER_GONE},
                {false, false, true, false, DL_OWNER_GONE},
                {false, false, false, true, DL_OWNER_GONE}};
    for (size_t i = 0; i < countof(rows); i++) {
        o = self;
        o.host[0] = (char)(o.host[0] ^ rows[i].host);
        o.boot[0] = (char)(o.boot[0] ^ rows[i].boot);
        o.pid = rows[i].pid ? INT32_MAX : o.pid; /* above every system's greatest */
        o.start += rows[i].start;
        check(dl_owner_look(&o) == rows[i].want, "row %zu: %d", i, dl_owner_look(&o));
    }
    o = self;
    o.start = 0;
    check(dl_owner_look(&o) == DL_OWNER_RUNS, "a start that was not told");
    o.pid = 0;
    check(dl_owner_look(&o) == DL_OWNER_GONE, "nobody");
}

CHECK_TEST(partial, a_process_that_ended_unasked_is_gone_A16)
{
    dl_owner o;
    siginfo_t how;
    dl_owner_self(&o);
    pid_t child = fork();
    check(child >= 0, "fork");
    if (child == 0)
        _exit(0);
    check(waitid(P_PID, (id_t)child, &how, WEXITED | WNOWAIT) == 0, "waitid");
    o.pid = child;
    o.start = 0;
    check(dl_owner_look(&o) == DL_OWNER_GONE, "its parent has not asked for it");
    check(waitpid(child, NULL, 0) == child, "waitpid");
    check(dl_owner_look(&o) == DL_OWNER_GONE, "it is no more");
}
