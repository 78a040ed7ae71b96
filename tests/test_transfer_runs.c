/* Who fetches which bytes (hub 15, 19): pure bookkeeping, no network. */
#include "tests/check.h"
#include "tests/util.h"

#include <stdlib.h>
#include <string.h>

#include "downloads/partial.h"
#include "downloads/transfer_runs.h"

static dl_runs runs_of(uint64_t size, uint64_t segment)
{
    dl_runs p;
    nb_err err = {0};
    check(dl_runs_open(&p, size, segment, &err) == NB_OK, "%s", err.msg);
    return p;
}

static dl_runs all_free(uint64_t size, uint64_t segment)
{
    dl_runs p = runs_of(size, segment);
    for (uint32_t i = 0; i < p.n; i++)
        dl_runs_offer(&p, i);
    return p;
}

/* n bytes arrive for a slot; returns those taken. */
static uint64_t feed(dl_runs *p, unsigned slot, uint64_t n)
{
    uint64_t done = 0;
    while (done < n) {
        dl_piece piece = dl_runs_next(p, slot, (size_t)(n - done));
        if (piece.n == 0)
            break;
        dl_runs_wrote(p, slot, &piece);
        done += piece.n;
    }
    return done;
}

static void expect_run(const dl_runs *p, unsigned slot, uint64_t at, uint64_t end)
{
    check(p->slot[slot].at == at && p->slot[slot].end == end,
          "slot %u: %llu..%llu, expected %llu..%llu", slot, (unsigned long long)p->slot[slot].at,
          (unsigned long long)p->slot[slot].end, (unsigned long long)at, (unsigned long long)end);
}

CHECK_TEST(transfer_runs, sixty_gigabytes_with_three_segments_left_hub_19)
{
    const uint64_t size = 60000000000, seg = DL_SEGMENT_BIG;
    const uint32_t n = (uint32_t)((size + seg - 1) / seg);
    const uint32_t left[] = {(uint32_t)((4ull << 30) / seg), (uint32_t)(50000000000 / seg), n - 1};
    dl_runs p = runs_of(size, seg);
    check(p.n == n, "%u segments", p.n);
    for (uint32_t i = 0; i < n; i++)
        if (i == left[0] || i == left[1] || i == left[2])
            dl_runs_offer(&p, i);
        else
            dl_runs_keep(&p, i);
    for (unsigned s = 0; s < 3; s++)
        check(dl_runs_take(&p, s, 4), "slot %u gets nothing", s);
    check(!dl_runs_take(&p, 3, 4), "a fourth segment is free");
    expect_run(&p, 0, 4294967296, 4294967296 + 16777216);
    expect_run(&p, 1, 49996103680, 49996103680 + 16777216);
    expect_run(&p, 2, 59995324416, size);
    uint64_t missing = 2 * seg + size - 59995324416;
    check(dl_runs_written(&p) == size - missing, "%llu", (unsigned long long)dl_runs_written(&p));
    for (unsigned s = 0; s < 3; s++)
        feed(&p, s, UINT64_MAX);
    check(dl_runs_written(&p) == size, "%llu", (unsigned long long)dl_runs_written(&p));
    dl_runs_free(&p);
}

CHECK_TEST(transfer_runs, no_range_is_over_a_gibibyte)
{
    dl_runs p = all_free(500000000000, 64 << 20); /* segments larger than any used */
    check(dl_runs_take(&p, 0, 1), "nothing free");
    check(dl_run_left(&p.slot[0]) == DL_RANGE_MAX, "%llu",
          (unsigned long long)dl_run_left(&p.slot[0]));
    dl_runs_free(&p);
    p = all_free(500000000000, DL_SEGMENT_BIG);
    uint64_t before = 0;
    while (dl_runs_take(&p, 0, 4)) {
        uint64_t n = dl_run_left(&p.slot[0]);
        check(n <= DL_RANGE_MAX && n <= (uint64_t)DL_RUN_SEGMENTS * DL_SEGMENT_BIG, "%llu",
              (unsigned long long)n);
        check(p.slot[0].at == before, "not ascending");
        before = p.slot[0].end;
        feed(&p, 0, n);
        dl_runs_drop(&p, 0);
    }
    check(before == 500000000000, "stopped at %llu", (unsigned long long)before);
    dl_runs_free(&p);
}

CHECK_TEST(transfer_runs, runs_shrink_so_that_all_end_together)
{
    dl_runs p = all_free(64 << 20, DL_SEGMENT); /* 32 segments */
    const uint64_t expect[] = {4, 3, 3, 2};     /* half of the share of what is free */
    for (unsigned s = 0; s < 4; s++) {
        check(dl_runs_take(&p, s, 4), "slot %u gets nothing", s);
        check(dl_run_left(&p.slot[s]) == expect[s] * DL_SEGMENT, "slot %u: %llu", s,
              (unsigned long long)dl_run_left(&p.slot[s]));
    }
    dl_runs_free(&p);
}

CHECK_TEST(transfer_runs, a_broken_run_goes_on_at_the_same_byte)
{
    dl_runs p = all_free(10 * DL_SEGMENT, DL_SEGMENT);
    check(dl_runs_take(&p, 0, 1), "nothing free");
    expect_run(&p, 0, 0, 5 * DL_SEGMENT);
    feed(&p, 0, DL_SEGMENT + 1000);
    dl_runs_drop(&p, 0);
    check(dl_runs_written(&p) == DL_SEGMENT + 1000, "bytes are lost");
    check(dl_runs_take(&p, 1, 1), "nothing free");
    expect_run(&p, 1, DL_SEGMENT + 1000, 5 * DL_SEGMENT); /* nine are free: half of them is four */
    dl_runs_free(&p);
}

/* Two broken runs side by side: a request has one start, so the second piece waits. */
CHECK_TEST(transfer_runs, a_begun_segment_only_starts_a_run)
{
    dl_runs p = all_free(40 * DL_SEGMENT, DL_SEGMENT);
    check(dl_runs_take(&p, 0, 4) && dl_runs_take(&p, 1, 4), "nothing free");
    uint64_t second = p.slot[1].at;
    feed(&p, 0, 10);
    feed(&p, 1, 20);
    dl_runs_drop(&p, 0);
    dl_runs_drop(&p, 1);
    check(dl_runs_take(&p, 0, 1) && dl_runs_take(&p, 1, 1), "nothing free");
    expect_run(&p, 0, 10, second);
    check(p.slot[1].at == second + 20, "starts at %llu", (unsigned long long)p.slot[1].at);
    dl_runs_free(&p);
}

CHECK_TEST(transfer_runs, bytes_too_many_are_no_ones)
{
    dl_runs p = all_free(DL_SEGMENT + 5, DL_SEGMENT);
    check(dl_runs_take(&p, 0, 1), "nothing free");
    feed(&p, 0, DL_SEGMENT);
    check(!dl_run_left(&p.slot[0]), "the run of one segment goes on");
    check(dl_runs_next(&p, 0, 1).n == 0, "a byte too many is taken");
    dl_runs_drop(&p, 0);
    check(dl_runs_take(&p, 0, 1), "nothing free");
    check(feed(&p, 0, 100) == 5, "the file grows");
    check(dl_runs_written(&p) == p.size, "not whole");
    dl_runs_free(&p);
}

CHECK_TEST(transfer_runs, one_stream_through_passes_over_what_is_there_hub_9)
{
    dl_runs p = runs_of(4 * DL_SEGMENT, DL_SEGMENT);
    dl_runs_keep(&p, 1);
    dl_runs_offer(&p, 0);
    dl_runs_offer(&p, 3); /* 2 stays held: not read again yet */
    check(dl_runs_take(&p, 0, 1), "nothing free");
    feed(&p, 0, 77);
    dl_runs_drop(&p, 0);
    check(dl_runs_take_through(&p, 0), "nothing free");
    expect_run(&p, 0, 0, p.size);
    bool mine[4] = {false};
    for (;;) {
        dl_piece piece = dl_runs_next(&p, 0, 1 << 20);
        if (!piece.n)
            break;
        if (piece.at == 0)
            check(p.have[0] == 0, "the begun segment is not restarted");
        mine[piece.segment] = piece.mine;
        dl_runs_wrote(&p, 0, &piece);
    }
    check(mine[0] && !mine[1] && !mine[2] && mine[3], "wrong segments written");
    check(p.state[2] == DL_RUN_HELD && p.state[3] == DL_RUN_WHOLE, "wrong states");
    dl_runs_drop(&p, 0);
    check(!dl_runs_take_through(&p, 0), "something is free");
    dl_runs_free(&p);
}

CHECK_TEST(transfer_runs, another_file_gets_the_rest_of_a_run)
{
    dl_runs p = all_free(40 * DL_SEGMENT, DL_SEGMENT);
    check(dl_runs_take(&p, 0, 1), "nothing free");
    expect_run(&p, 0, 0, 20 * DL_SEGMENT);
    feed(&p, 0, DL_SEGMENT * 3 + 1);
    dl_runs_trim(&p, 0);
    check(p.slot[0].end == 4 * DL_SEGMENT && p.n_free == 36, "%u free", p.n_free);
    dl_runs_trim(&p, 0);
    check(p.n_free == 36, "trimmed twice");
    dl_runs_free(&p);
}

static double rates[DL_RUN_SLOTS];

static void all_rates(double rate)
{
    for (unsigned s = 0; s < DL_RUN_SLOTS; s++)
        rates[s] = rate;
}

CHECK_TEST(transfer_runs, the_slow_one_is_split_near_the_end_hub_15)
{
    dl_runs p = all_free(16 * DL_SEGMENT, DL_SEGMENT);
    all_rates(10e6);
    rates[0] = 100e3;
    check(dl_runs_take(&p, 0, 1), "nothing free");
    expect_run(&p, 0, 0, 8 * DL_SEGMENT);
    feed(&p, 0, 5);
    while (dl_runs_take(&p, 1, 1)) {
        feed(&p, 1, UINT64_MAX);
        dl_runs_drop(&p, 1);
    }
    check(dl_runs_steal(&p, 1, rates, 10e6, 1.0) == 0, "the slow one is not the victim");
    expect_run(&p, 0, 5, DL_SEGMENT); /* a hundredth of the rate: none of the seven stays */
    expect_run(&p, 1, DL_SEGMENT, 8 * DL_SEGMENT);
    feed(&p, 1, UINT64_MAX);
    check(dl_runs_steal(&p, 1, rates, 10e6, 1.0) == 0, "its last segment stays with it");
    expect_run(&p, 0, 5, 5);
    expect_run(&p, 1, 5, DL_SEGMENT);
    feed(&p, 1, UINT64_MAX);
    check(dl_runs_written(&p) == p.size, "not whole");
    check(dl_runs_steal(&p, 0, rates, 10e6, 1.0) == -1, "something is left to steal");
    dl_runs_free(&p);
}

CHECK_TEST(transfer_runs, equals_share_and_short_rests_stay)
{
    dl_runs p = all_free(16 * DL_SEGMENT, DL_SEGMENT);
    all_rates(1e6);
    check(dl_runs_take(&p, 0, 1), "nothing free");
    for (uint32_t i = 8; i < 16; i++) { /* another connection had them */
        check(dl_runs_take(&p, 1, 16), "nothing free");
        feed(&p, 1, UINT64_MAX);
        dl_runs_drop(&p, 1);
    }
    check(dl_runs_steal(&p, 1, rates, 1e6, 60) == -1, "17 s are not worth it");
    check(dl_runs_steal(&p, 1, rates, 1e6, 1) == 0, "17 s are worth it");
    expect_run(&p, 0, 0, 4 * DL_SEGMENT); /* its own and three of seven */
    expect_run(&p, 1, 4 * DL_SEGMENT, 8 * DL_SEGMENT);
    feed(&p, 0, 3 * DL_SEGMENT + 1);
    feed(&p, 1, 3 * DL_SEGMENT + 1);
    check(dl_runs_steal(&p, 2, rates, 1e6, 1) == -1, "an equal's last segment is taken away");
    dl_runs_free(&p);
}

/* Random life of a transfer: every byte is written exactly once unless its segment is offered
 * again, no two runs overlap, nothing is lost. */
CHECK_TEST(transfer_runs, any_order_of_events_fills_the_file_once)
{
    enum { SEGMENT = 64, ROUNDS = 300 };
    test_rng rng = test_rng_make(41);
    all_rates(1);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t size = test_below(&rng, 6000);
        uint8_t *written = calloc(1, size + 1);
        dl_runs p = all_free(size, SEGMENT);
        for (int step = 0; dl_runs_written(&p) < size; step++) {
            check(step < 1000000, "round %d never ends", round);
            unsigned s = test_below(&rng, 6), what = test_below(&rng, 20);
            if (what == 0) {
                dl_runs_drop(&p, s);
            } else if (what == 1) {
                dl_runs_trim(&p, s);
            } else if (dl_run_left(&p.slot[s]) == 0) {
                if (!dl_runs_take(&p, s, 6))
                    dl_runs_steal(&p, s, rates, 5, 0);
            } else {
                dl_piece piece = dl_runs_next(&p, s, 1 + test_below(&rng, 100));
                for (size_t k = 0; k < piece.n; k++)
                    check(!written[piece.at + k]++, "round %d: byte %llu twice", round,
                          (unsigned long long)(piece.at + k));
                dl_runs_wrote(&p, s, &piece);
            }
        }
        for (uint64_t k = 0; k < size; k++)
            check(written[k] == 1, "round %d: byte %llu is missing", round, (unsigned long long)k);
        for (uint32_t i = 0; i < p.n; i++)
            check(p.state[i] == DL_RUN_WHOLE, "round %d: segment %u", round, i);
        free(written);
        dl_runs_free(&p);
    }
}
