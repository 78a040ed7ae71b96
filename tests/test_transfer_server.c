/* What a transfer makes of servers that expire, fail, fall silent or trickle, of a disk without
 * room, and what screens see of it (hub 12, 14-16; tui 23). */
#include "tests/check.h"
#include "tests/transfer.h"
#include "tests/util.h"

#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/job.h"

enum { MIB = 1 << 20 };

/* --- an expired address (hub 14) ------------------------------------------------------------- */

static void expire_once(rig *r, const dl_fetch_view *v)
{
    bool *done = r->ud;
    if (v->have > 8 * MIB && !*done) {
        *done = true;
        fake_hub_expire(r->hub);
    }
}

CHECK_TEST(transfer, an_expired_address_is_asked_anew_once_hub_14)
{
    rig r;
    bool done = false;
    rig_open(&r, 2);
    fake_repo_noise(r.repo, "m.gguf", 48 * MIB, 7);
    rig_fault(&r, "GET cdn:*m.gguf rate=24M");
    r.watch = expire_once;
    r.ud = &done;
    check(rig_fetch(&r, "m.gguf") == NB_OK, "%s", r.err.msg);
    rig_expect_landed(&r, "m.gguf");
    check(done && fake_hub_count(r.hub, FAKE_HUB, NULL, NULL) == 2, "%zu requests to the Hub",
          fake_hub_count(r.hub, FAKE_HUB, NULL, NULL));
    check(rig_served(&r, "m.gguf") < 48 * MIB + RIG_EXTRA, "bytes were fetched again");
    rig_close(&r);
}

CHECK_TEST(transfer, a_storage_that_means_its_403_is_quoted_hub_14)
{
    rig r;
    rig_open(&r, 2);
    fake_repo_noise(r.repo, "m.gguf", 16 * MIB, 7);
    r.opt.connections = 1;
    rig_fault(&r, "GET cdn:*m.gguf #2+ status=403 body=\"<Error><Message>Key is \\x1b[31mgone"
                  "</Message></Error>\"");
    check(rig_fetch(&r, "m.gguf") == NB_NETWORK && r.trouble == DL_CDN_REFUSED, "%s", r.err.msg);
    check(r.seconds < 5, "after %.1f s", r.seconds);
    check(strstr(r.err.msg, "gone") && !strchr(r.err.msg, 27), "%s", r.err.msg);
    check(fake_hub_count(r.hub, FAKE_HUB, NULL, NULL) == 2, "asked more than once anew");
    check(rig_count_blobs(&r, ".incomplete") == 2, "what had come is gone");
    rig_close(&r);
}

/* --- servers that fail (hub 12) -------------------------------------------------------------- */

CHECK_TEST(transfer, failing_servers_get_time_hub_12)
{
    rig r;
    fake_request *log;
    rig_open(&r, 2);
    fake_repo_noise(r.repo, "m.gguf", MIB, 7);
    rig_fault(&r, "GET cdn:*m.gguf #1 rst"); /* on a fresh connection: libcurl does not repeat it */
    rig_fault(&r, "GET cdn:*m.gguf #2 status=503");
    check(rig_fetch(&r, "m.gguf") == NB_OK, "%s", r.err.msg);
    rig_expect_landed(&r, "m.gguf");
    size_t n = fake_hub_log(r.hub, &log), seen = 0;
    double at[3] = {0};
    for (size_t i = 0; i < n; i++)
        if (log[i].port == FAKE_CDN && seen < 3)
            at[seen++] = log[i].at;
    fake_hub_log_free(log, n);
    check(seen == 3, "%zu tries", seen);
    for (int i = 1; i < 3; i++) {
        double gap = at[i] - at[i - 1], least = .5 * (1 << (i - 1));
        check(gap >= .95 * least && gap <= 2 * least + test_within(.5), "try %d after %.2f s", i,
              gap);
    }
    rig_close(&r);
}

static void note_busy(rig *r, const dl_fetch_view *v)
{
    bool *said = r->ud;
    *said = *said || strncmp(v->note, "server busy, resumes in ", 24) == 0;
}

/* Storage that says when to come back: no connection comes sooner. */
CHECK_TEST(transfer, a_busy_storage_is_left_alone_by_all_connections_hub_12)
{
    rig r;
    fake_request *log;
    bool said = false;
    double refused = 0, next = 1e9;
    size_t soon = 0;
    rig_open(&r, 5);
    fake_repo_noise(r.repo, "m.gguf", 64 * MIB, 7);
    rig_fault(&r, "GET cdn:*m.gguf rate=16M");
    rig_fault(&r, "GET cdn:*m.gguf #3 status=503 header=\"Retry-After:2\"");
    r.watch = note_busy;
    r.ud = &said;
    check(rig_fetch(&r, "m.gguf") == NB_OK, "%s", r.err.msg);
    rig_expect_landed(&r, "m.gguf");
    check(said, "nothing was shown");
    size_t n = fake_hub_log(r.hub, &log);
    for (size_t i = 0; i < n; i++)
        if (log[i].status == 503)
            refused = log[i].ended;
    for (size_t i = 0; i < n; i++) {
        if (log[i].at <= refused)
            continue;
        soon += log[i].at < refused + 1.9 && log[i].at > refused + .3; /* on its way already */
        if (log[i].at > refused + .3)
            next = log[i].at < next ? log[i].at : next;
    }
    fake_hub_log_free(log, n);
    check(refused > 0 && soon == 0 && next < refused + 2 + test_within(1),
          "%zu came too soon, the next after %.2f s", soon, next - refused);
    rig_close(&r);
}

CHECK_TEST(transfer, a_storage_that_is_away_for_hours_is_told_at_once_hub_12)
{
    rig r;
    rig_open(&r, 5);
    fake_repo_noise(r.repo, "m.gguf", MIB, 7);
    rig_fault(&r, "GET cdn:*m.gguf status=503 header=\"Retry-After:7200\"");
    check(rig_fetch(&r, "m.gguf") == NB_NETWORK && r.trouble == DL_SERVER &&
              strstr(r.err.msg, "503"),
          "%s", r.err.msg);
    check(r.seconds < test_within(1), "%.1f s", r.seconds);
    rig_close(&r);
}

CHECK_TEST(transfer, gives_up_with_the_last_cause_hub_12)
{
    rig r;
    rig_open(&r, 2);
    fake_repo_noise(r.repo, "m.gguf", MIB, 7);
    r.patience = 2;
    rig_fault(&r, "GET cdn:*m.gguf status=502");
    check(rig_fetch(&r, "m.gguf") == NB_NETWORK && r.trouble == DL_SERVER, "%s", r.err.msg);
    check(strstr(r.err.msg, "502") && strstr(r.err.msg, "no new byte for"), "%s", r.err.msg);
    check(r.seconds >= 2 && r.seconds < test_within(6), "after %.1f s", r.seconds);
    check(rig_count_blobs(&r, "incomplete") == 0, "an empty partial takes room");
    rig_close(&r);
}

CHECK_TEST(transfer, a_refusal_is_not_repeated_hub_12)
{
    static const struct {
        const char *rule;
        nb_status status;
        dl_trouble trouble;
    } rows[] = {
        {"GET hub:*m.gguf status=404 header=X-Error-Code:EntryNotFound", NB_NOTFOUND, DL_NO_FILE},
        {"GET hub:*m.gguf status=401 header=X-Error-Code:GatedRepo", NB_DENIED, DL_GATED_LOGIN},
        {"GET hub:*m.gguf status=403 header=X-Error-Code:GatedRepo", NB_DENIED, DL_GATED_PENDING},
        {"GET cdn:*m.gguf status=400", NB_NETWORK, DL_CDN_REFUSED},
        {"GET cdn:*m.gguf status=404", NB_NETWORK, DL_CDN_REFUSED},
    };
    rig r;
    rig_open(&r, 2);
    fake_repo_noise(r.repo, "m.gguf", MIB, 7);
    for (size_t i = 0; i < countof(rows); i++) {
        fake_hub_faults_clear(r.hub);
        fake_hub_log_clear(r.hub);
        rig_fault(&r, rows[i].rule);
        nb_status st = rig_fetch(&r, "m.gguf");
        check(st == rows[i].status && r.trouble == rows[i].trouble, "%s: %s", rows[i].rule,
              r.err.msg);
        check(fake_hub_count(r.hub, FAKE_PORTS, NULL, NULL) <= 2, "%s: repeated", rows[i].rule);
        check(r.seconds < test_within(1), "%s: %.1f s", rows[i].rule, r.seconds);
    }
    rig_expect_nothing(&r, "m.gguf");
    rig_close(&r);
}

/* --- silence (hub 15) ------------------------------------------------------------------------ */

static void watch_silence(rig *r, const dl_fetch_view *v)
{
    double *longest = r->ud; /* s of silence at which a rate was still shown */
    if (v->rate > 0 && v->stalled > *longest)
        *longest = v->stalled;
}

CHECK_TEST(transfer, silent_connections_are_replaced_hub_15)
{
    static const char *const rules[] = {"GET cdn:*m.gguf #1 stall_after=0",
                                        "GET cdn:*m.gguf #1 stall_after=300000"};
    for (size_t i = 0; i < countof(rules); i++) {
        rig r;
        double longest = 0;
        rig_open(&r, 2);
        fake_repo_noise(r.repo, "m.gguf", MIB, 7);
        rig_fault(&r, rules[i]);
        r.watch = watch_silence;
        r.ud = &longest;
        check(rig_fetch(&r, "m.gguf") == NB_OK, "%s", r.err.msg);
        rig_expect_landed(&r, "m.gguf");
        check(r.seconds < test_within(4.5), "%s: %.1f s", rules[i], r.seconds);
        check(longest < 2, "a rate is shown after %.1f s of silence", longest);
        check(rig_served(&r, "m.gguf") == MIB, "%" PRIu64 " bytes", rig_served(&r, "m.gguf"));
        rig_close(&r);
    }
}

CHECK_TEST(transfer, a_trickle_is_replaced_and_an_honest_line_is_not_hub_15)
{
    rig r;
    rig_open(&r, 1);
    fake_repo_noise(r.repo, "m.gguf", 65536, 7);
    fake_repo_noise(r.repo, "n.gguf", 65536, 8);
    rig_fault(&r, "GET cdn:*m.gguf #1 rate=1");
    check(rig_fetch(&r, "m.gguf") == NB_OK, "%s", r.err.msg);
    rig_expect_landed(&r, "m.gguf");
    check(rig_body_requests(&r, "m.gguf") == 2, "%zu requests", rig_body_requests(&r, "m.gguf"));
    check(r.seconds < 5, "%.1f s", r.seconds);
    rig_fault(&r, "GET cdn:*n.gguf rate=20K");
    check(rig_fetch(&r, "n.gguf") == NB_OK, "%s", r.err.msg);
    rig_expect_landed(&r, "n.gguf");
    check(rig_body_requests(&r, "n.gguf") == 1, "an honest line was cut");
    check(r.seconds > 2.5, "%.1f s", r.seconds);
    rig_close(&r);
}

CHECK_TEST(transfer, one_slow_of_four_does_not_hold_up_the_end_hub_15)
{
    rig r;
    rig_open(&r, 5);
    fake_repo_noise(r.repo, "m.gguf", 32 * MIB, 7);
    rig_fault(&r, "GET cdn:*m.gguf rate=8M");
    rig_fault(&r, "GET cdn:*m.gguf #2 rate=40K"); /* alone it would take 150 s */
    check(rig_fetch(&r, "m.gguf") == NB_OK, "%s", r.err.msg);
    rig_expect_landed(&r, "m.gguf");
    check(r.seconds < test_within(8), "%.1f s", r.seconds);
    check(rig_served(&r, "m.gguf") < 32 * MIB + 2 * RIG_EXTRA, "%" PRIu64 " bytes",
          rig_served(&r, "m.gguf"));
    rig_close(&r);
}

/* --- room (hub 16) --------------------------------------------------------------------------- */

CHECK_TEST(transfer, what_would_not_fit_is_refused_with_numbers_hub_16)
{
    rig r;
    rig_open(&r, 2);
    fake_repo_noise(r.repo, "m.gguf", MIB, 7);
    r.queued_bytes = UINT64_C(900) << 40;
    check(rig_fetch(&r, "m.gguf") == NB_NOSPACE && r.trouble == DL_DISK_FULL, "%s", r.err.msg);
    check(strstr(r.err.msg, "needs 1.05 MB more, what is queued behind it 990 TB, "), "%s",
          r.err.msg);
    check(fake_hub_count(r.hub, FAKE_PORTS, NULL, NULL) == 0, "a byte was asked for");
    r.ignore_space = true;
    check(rig_fetch(&r, "m.gguf") == NB_OK, "%s", r.err.msg);
    rig_expect_landed(&r, "m.gguf");
    rig_close(&r);
}

/* --- what the screens see -------------------------------------------------------------------- */

typedef struct seen {
    double first, last, rate;
    uint64_t received;
    unsigned flying, samples;
} seen;

static void watch_rate(rig *r, const dl_fetch_view *v)
{
    seen *s = r->ud;
    if (v->stage != DL_GET_BYTES)
        return;
    s->samples++;
    s->rate = v->rate;
    for (unsigned i = 0; i < v->n_map; i++)
        s->flying += v->map[i] == 101;
    check(v->n_map == 5 && v->segments == 5 && v->whole <= 5, "map of %u", v->n_map);
}

CHECK_TEST(transfer, rate_and_map_tell_the_truth_tui_23)
{
    rig r;
    seen s = {0};
    rig_open(&r, 2);
    fake_repo_noise(r.repo, "m.gguf", 9 * MIB, 7);
    rig_fault(&r, "GET cdn:*m.gguf rate=4000000");
    r.opt.connections = 1;
    r.watch = watch_rate;
    r.ud = &s;
    check(rig_fetch(&r, "m.gguf") == NB_OK, "%s", r.err.msg);
    rig_expect_landed(&r, "m.gguf");
    check(s.samples > 12 && s.flying > 10, "%u reports", s.samples);
    double truth = 9. * MIB / r.seconds;
    double off = getenv("NB_TEST_STRICT") ? .1 : .3; /* the mean of 5 s against that of all */
    check(RIG_SLOW > 1 || fabs(s.rate / truth - 1) < off, "%.0f shown, %.0f true", s.rate, truth);
    rig_close(&r);
}
