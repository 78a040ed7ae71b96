/* The queue: two at once over four connections, and what the keys of the Downloads screen do to it;
 * its file survives quit and crash (hub 18, 20, 24; A15). */
#include "tests/check.h"
#include "tests/queue_bench.h"
#include "tests/util.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/job.h"
#include "core/base/json.h"

enum { MIB = 1 << 20 };

/* --- how connections are divided ---------------------------------------------------------------
 */

/* The most requests to the CDN that were open at one moment. */
static unsigned most_at_once(rig *r)
{
    fake_request *log;
    size_t n = fake_hub_log(r->hub, &log);
    unsigned most = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned open = 0;
        for (size_t k = 0; k < n; k++)
            open += log[k].port == FAKE_CDN && log[k].at <= log[i].at && log[k].ended > log[i].at;
        most = open > most ? open : most;
    }
    fake_hub_log_free(log, n);
    return most;
}

CHECK_TEST(queue, two_files_share_four_connections)
{
    bench b;
    bench_open(&b);
    fake_repo_noise(b.r.repo, "a.gguf", 24 * MIB, 1);
    fake_repo_noise(b.r.repo, "b.gguf", 24 * MIB, 2);
    fake_repo_noise(b.r.repo, "c.gguf", MIB, 3);
    rig_fault(&b.r, "GET cdn:* rate=8M");
    rig_net(&b.r);
    bench_queue(&b);
    bench_list(&b, "a.gguf");
    bench_list(&b, "b.gguf");
    bench_list(&b, "c.gguf");
    uint64_t group = bench_add(&b);
    check(group != 0 && dl_queue_count(b.q) == 3, "%zu items", dl_queue_count(b.q));
    bench_await_have(&b, 0, 4 * MIB);
    bench_await_have(&b, 1, 4 * MIB);
    dl_item x = bench_item(&b, 0), y = bench_item(&b, 1);
    check(x.state == DL_RUNNING && y.state == DL_RUNNING && bench_item(&b, 2).state == DL_QUEUED,
          "states %d %d", x.state, y.state);
    check(x.group == group && y.group == group && x.id != y.id, "groups and ids");
    check(x.view.have < 20 * MIB && y.view.have < 20 * MIB, "one waits for the other");
    bench_landed(&b, 0, "a.gguf");
    bench_landed(&b, 1, "b.gguf");
    bench_landed(&b, 2, "c.gguf");
    check(most_at_once(&b.r) <= 4, "%u connections at once", most_at_once(&b.r));
    check(dl_queue_missing(b.q) == 0, "%" PRIu64 " missing", dl_queue_missing(b.q));
    bench_close(&b);
}

CHECK_TEST(queue, a_second_file_need_not_wait_for_a_long_run)
{
    bench b;
    bench_open(&b);
    fake_repo_noise(b.r.repo, "a.gguf", 128 * MIB, 1);
    fake_repo_noise(b.r.repo, "b.gguf", 6 * MIB, 2);
    rig_fault(&b.r, "GET cdn:*a.gguf rate=4M"); /* runs of 16 MiB: 4 s each */
    rig_net(&b.r);
    bench_queue(&b);
    bench_list(&b, "a.gguf");
    bench_add(&b);
    bench_await_have(&b, 0, MIB);
    bench_list(&b, "b.gguf");
    double start = nb_now();
    bench_add_from(&b, 1);
    bench_landed(&b, 1, "b.gguf");
    check(nb_now() - start < test_within(2), "%.1f s", nb_now() - start);
    bench_close(&b);
}

CHECK_TEST(queue, the_limit_holds_over_all_files_hub_24)
{
    bench b;
    bench_open(&b);
    fake_repo_noise(b.r.repo, "a.gguf", 32 * MIB, 1);
    fake_repo_noise(b.r.repo, "b.gguf", 32 * MIB, 2);
    b.r.opt.limit = 2000000;
    rig_net(&b.r);
    bench_queue(&b);
    bench_list(&b, "a.gguf");
    bench_list(&b, "b.gguf");
    bench_add(&b);
    bench_await_have(&b, 0, 200000);
    dl_net_view before, after;
    dl_net_look(b.r.net, &before);
    double start = nb_now();
    usleep(5000000);
    dl_net_look(b.r.net, &after);
    double rate = (double)(after.received - before.received) / (nb_now() - start);
    check(rate > 1.8e6 / test_within(1) && rate < 2.2e6, "%.0f bytes/s", rate);
    bench_close(&b);
}

/* --- keys --------------------------------------------------------------------------------------
 */

CHECK_TEST(queue, pause_answers_at_once_and_goes_on_hub_18)
{
    bench b;
    bench_open(&b);
    fake_repo_noise(b.r.repo, "a.gguf", 24 * MIB, 1);
    rig_fault(&b.r, "GET cdn:* rate=4M");
    rig_net(&b.r);
    bench_queue(&b);
    bench_list(&b, "a.gguf");
    bench_add(&b);
    bench_await_have(&b, 0, 6 * MIB);
    double start = nb_now();
    dl_queue_pause(b.q, bench_item(&b, 0).id, true);
    check(bench_item(&b, 0).state == DL_PAUSED, "the row does not say so");
    while (bench_item(&b, 0).view.connections > 0 && nb_now() - start < 2)
        usleep(2000);
    check(nb_now() - start < test_within(.2), "%.3f s", nb_now() - start);
    check(rig_count_blobs(&b.r, ".incomplete") == 2, "the partial is gone");
    check(dl_queue_missing(b.q) > 0, "nothing is missing");
    uint64_t served = rig_served(&b.r, "a.gguf");
    usleep(300000);
    check(rig_served(&b.r, "a.gguf") == served, "bytes come while it is paused");
    fake_hub_faults_clear(b.r.hub);
    dl_queue_pause(b.q, 0, false); /* all */
    bench_landed(&b, 0, "a.gguf");
    check(rig_served(&b.r, "a.gguf") < 24 * MIB + 10 * MIB, "%" PRIu64 " bytes",
          rig_served(&b.r, "a.gguf"));
    bench_close(&b);
}

CHECK_TEST(queue, cancel_can_delete_what_came_hub_18)
{
    bench b;
    struct stat st;
    bench_open(&b);
    fake_repo_noise(b.r.repo, "a.gguf", 24 * MIB, 1);
    rig_fault(&b.r, "GET cdn:* rate=4M");
    rig_net(&b.r);
    bench_queue(&b);
    bench_list(&b, "a.gguf");
    bench_add(&b);
    bench_await_have(&b, 0, 3 * MIB);
    dl_queue_cancel(b.q, bench_item(&b, 0).id, true);
    check(dl_queue_count(b.q) == 0, "the row stays");
    for (int i = 0; i < 100 && lstat(rig_path(&b.r, ""), &st) == 0; i++)
        usleep(10000);
    check(lstat(rig_path(&b.r, ""), &st) != 0, "its folder is left");
    /* The same for one that does not run. */
    bench_add(&b);
    bench_await_have(&b, 0, 3 * MIB);
    dl_queue_pause(b.q, 0, true);
    while (bench_item(&b, 0).view.connections > 0)
        usleep(2000);
    check(rig_count_blobs(&b.r, ".incomplete") == 2, "the partial is gone");
    dl_queue_cancel(b.q, bench_item(&b, 0).id, true);
    for (int i = 0; i < 100 && lstat(rig_path(&b.r, ""), &st) == 0; i++)
        usleep(10000);
    check(lstat(rig_path(&b.r, ""), &st) != 0, "its folder is left");
    bench_close(&b);
}

CHECK_TEST(queue, cancel_can_keep_what_came)
{
    bench b;
    bench_open(&b);
    fake_repo_noise(b.r.repo, "a.gguf", 12 * MIB, 1);
    rig_fault(&b.r, "GET cdn:* rate=4M");
    rig_net(&b.r);
    bench_queue(&b);
    bench_list(&b, "a.gguf");
    bench_add(&b);
    bench_await_have(&b, 0, 5 * MIB);
    dl_queue_cancel(b.q, bench_item(&b, 0).id, false);
    usleep(300000);
    check(rig_count_blobs(&b.r, ".incomplete") == 2, "the partial is gone");
    bench_close(&b);
}

/* The first of two gives up before it has a byte, and its empty folders go: the other's start must
 * not notice. */
CHECK_TEST(queue, one_that_gives_up_takes_no_folder_from_another)
{
    for (int round = 0; round < 12; round++) {
        bench b;
        bench_open(&b);
        fake_repo_noise(b.r.repo, "a.gguf", 4 * MIB, 1);
        fake_repo_noise(b.r.repo, "b.gguf", 4 * MIB, 2);
        rig_fault(&b.r, "GET cdn:*a.gguf delay=2000");
        rig_net(&b.r);
        bench_queue(&b);
        bench_list(&b, "a.gguf");
        bench_list(&b, "b.gguf");
        bench_add(&b);
        usleep((useconds_t)(500 * round));
        dl_queue_pause(b.q, bench_item(&b, 0).id, true);
        bench_await(&b, 1, DL_DONE, 10);
        bench_close(&b);
    }
}

CHECK_TEST(queue, order_is_the_users)
{
    bench b;
    bench_open(&b);
    static const char *const names[] = {"a.gguf", "b.gguf", "c.gguf", "d.gguf"};
    for (size_t i = 0; i < 4; i++)
        fake_repo_noise(b.r.repo, names[i], 20 * MIB, i);
    rig_fault(&b.r, "GET cdn:* rate=1M");
    rig_net(&b.r);
    bench_queue(&b);
    for (size_t i = 0; i < 4; i++)
        bench_list(&b, names[i]);
    bench_add(&b);
    bench_await(&b, 1, DL_RUNNING, 5);
    uint64_t d = bench_item(&b, 3).id;
    dl_queue_move(b.q, d, -1);
    check(bench_item(&b, 2).id == d, "not moved");
    dl_queue_move(b.q, d, -99);
    check(bench_item(&b, 0).id == d, "not at the front");
    dl_queue_move(b.q, d, 99);
    check(bench_item(&b, 3).id == d, "not at the end");
    dl_queue_move(b.q, d, -1);
    dl_queue_pause(b.q, bench_item(&b, 0).id, true);
    bench_await(&b, 2, DL_RUNNING, 5); /* d comes before c */
    check(bench_item(&b, 3).state == DL_QUEUED && bench_item(&b, 2).id == d, "the wrong one runs");
    bench_close(&b);
}

CHECK_TEST(queue, what_is_queued_or_there_is_not_fetched_twice)
{
    bench b;
    bench_open(&b);
    fake_repo_noise(b.r.repo, "a.gguf", MIB, 1);
    fake_repo_noise(b.r.repo, "b.gguf", 20 * MIB, 2);
    rig_fault(&b.r, "GET cdn:*b.gguf rate=1M");
    rig_net(&b.r);
    bench_queue(&b);
    bench_list(&b, "a.gguf");
    uint64_t first = bench_add(&b);
    bench_landed(&b, 0, "a.gguf");
    check(bench_add(&b) == first && dl_queue_count(b.q) == 1, "a done one is added again");
    dl_queue_forget_done(b.q);
    check(dl_queue_count(b.q) == 0, "it is not forgotten");
    fake_hub_log_clear(b.r.hub);
    bench_add(&b);
    check(bench_item(&b, 0).state == DL_DONE && bench_item(&b, 0).landed[0],
          "not known to be there");
    check(fake_hub_count(b.r.hub, FAKE_PORTS, NULL, NULL) == 0, "asked for all the same");
    bench_list(&b, "b.gguf");
    uint64_t second = bench_add_from(&b, 1);
    check(bench_add_from(&b, 1) == second && dl_queue_count(b.q) == 2, "queued twice");
    bench_close(&b);
}

/* --- troubles ----------------------------------------------------------------------------------
 */

CHECK_TEST(queue, a_gated_repository_stops_with_one_request_hub_20)
{
    bench b;
    bench_open(&b);
    b.r.repo = fake_hub_add(b.r.hub, &(fake_repo_info){.id = "ns/repo", .gated = FAKE_GATED_AUTO});
    for (int i = 0; i < 4; i++) {
        static const char *const names[] = {"a.gguf", "b.gguf", "c.gguf", "d.gguf"};
        fake_repo_noise(b.r.repo, names[i], MIB, (uint64_t)i);
        bench_list(&b, names[i]);
    }
    rig_net(&b.r);
    bench_queue(&b);
    bench_add(&b);
    for (size_t i = 0; i < 4; i++) {
        dl_item x = bench_await(&b, i, DL_STOPPED, 5);
        check(x.trouble == DL_GATED_LOGIN && x.err.status == NB_DENIED && x.err.msg[0], "%s",
              x.err.msg);
    }
    size_t asked = fake_hub_count(b.r.hub, FAKE_PORTS, NULL, NULL);
    check(asked <= 2, "%zu requests", asked); /* two ran at once */
    check(rig_count_blobs(&b.r, "incomplete") == 0, "empty partials are left");
    /* A token arrives; r goes on. */
    fake_hub_token(b.r.hub, &(fake_token){.token = "hf_secret"});
    fake_repo_grant(b.r.repo, "hf_secret", FAKE_GRANTED);
    dl_net_token(b.r.net, "hf_secret", "test");
    dl_queue_retry(b.q, bench_item(&b, 0).id, false);
    bench_landed(&b, 0, "a.gguf");
    bench_close(&b);
}

CHECK_TEST(queue, a_file_that_changed_is_asked_for_again)
{
    bench b;
    bench_open(&b);
    fake_repo_noise(b.r.repo, "a.gguf", MIB, 1);
    bench_list(&b, "a.gguf");
    b.file[0].size = MIB - 7; /* an old list */
    rig_net(&b.r);
    bench_queue(&b);
    bench_add(&b);
    dl_item x = bench_await(&b, 0, DL_STOPPED, 10);
    check(x.trouble == DL_WRONG_SIZE, "%s", x.err.msg);
    check(strstr(x.err.msg, "1048576") && strstr(x.err.msg, "1048569"), "%s", x.err.msg);
    dl_queue_retry(b.q, x.id, false);
    bench_landed(&b, 0, "a.gguf");
    bench_close(&b);
}

/* --- its file ----------------------------------------------------------------------------------
 */

static void await_file(const char *path, const char *text)
{
    bool there = false;
    for (int i = 0; i < 200 && !there; i++) {
        size_t n;
        char *s = test_slurp(path, &n);
        there = s && strstr(s, text);
        free(s);
        usleep(10000);
    }
    check(there, "%s never says %s", path, text);
}

CHECK_TEST(queue, survives_quit_and_crash_A15)
{
    bench b;
    char file[700], saved[700];
    size_t n;
    bench_open(&b);
    fake_repo_noise(b.r.repo, "a.gguf", 24 * MIB, 1);
    fake_repo_noise(b.r.repo, "b.gguf", 3 * MIB, 2);
    fake_repo_noise(b.r.repo, "c.gguf", MIB, 3);
    rig_fault(&b.r, "GET cdn:*a.gguf rate=4M");
    rig_net(&b.r);
    bench_queue(&b);
    bench_list(&b, "a.gguf");
    bench_list(&b, "b.gguf");
    bench_list(&b, "c.gguf");
    uint64_t group = bench_add(&b);
    bench_landed(&b, 1, "b.gguf");
    bench_await(&b, 2, DL_DONE, 5);
    bench_await_have(&b, 0, 6 * MIB);
    snprintf(file, sizeof file, "%s/downloads.json", b.state);
    await_file(file, "c.gguf\",\"oid\"");
    char *text = test_slurp(file, &n); /* as a crash would leave it */
    double start = nb_now();
    dl_queue_close(&b.q);
    check(nb_now() - start < test_within(.3), "%.3f s to close", nb_now() - start);
    snprintf(saved, sizeof saved, "%s/downloads.json", b.state);
    test_spit(saved, text, n);
    free(text);
    fake_hub_faults_clear(b.r.hub);
    bench_queue(&b);
    check(dl_queue_count(b.q) == 3 && bench_item(&b, 0).group == group, "%zu items",
          dl_queue_count(b.q));
    bench_landed(&b, 0, "a.gguf");
    check(rig_served(&b.r, "a.gguf") <= 24 * MIB + 16 * MIB, "%" PRIu64 " bytes",
          rig_served(&b.r, "a.gguf"));
    dl_item x = bench_item(&b, 1);
    check(x.state == DL_DONE && strcmp(x.path, "b.gguf") == 0 && x.landed[0], "b.gguf is lost");
    bench_close(&b);
}

CHECK_TEST(queue, a_paused_and_a_stopped_one_stay_so)
{
    bench b;
    char file[700];
    bench_open(&b);
    fake_repo_noise(b.r.repo, "a.gguf", 24 * MIB, 1);
    fake_repo_noise(b.r.repo, "b.gguf", MIB, 2);
    rig_fault(&b.r, "GET cdn:*a.gguf rate=4M");
    rig_fault(&b.r, "GET hub:*b.gguf status=404 header=X-Error-Code:EntryNotFound");
    rig_net(&b.r);
    bench_queue(&b);
    bench_list(&b, "a.gguf");
    bench_list(&b, "b.gguf");
    bench_add(&b);
    dl_queue_pause(b.q, bench_item(&b, 0).id, true);
    bench_await(&b, 1, DL_STOPPED, 5);
    snprintf(file, sizeof file, "%s/downloads.json", b.state);
    await_file(file, "\"NO_FILE\"");
    dl_queue_close(&b.q);
    bench_queue(&b);
    dl_item x = bench_item(&b, 0), y = bench_item(&b, 1);
    check(x.state == DL_PAUSED, "state %d: %s", x.state, x.err.msg);
    check(y.state == DL_STOPPED && y.trouble == DL_NO_FILE && y.err.status == NB_NOTFOUND &&
              strstr(y.err.msg, "no such file"),
          "%s", y.err.msg);
    bench_close(&b);
}

CHECK_TEST(queue, a_second_process_keeps_its_own)
{
    bench b;
    nb_err err = {0};
    dl_queue *other = NULL;
    bench_open(&b);
    rig_net(&b.r);
    bench_queue(&b);
    check(!dl_queue_foreign(b.q), "its own file is foreign");
    check(dl_queue_open(&other, b.r.net, &b.r.cache, b.state, NULL, NULL, &err) == NB_OK, "%s",
          err.msg);
    check(dl_queue_foreign(other) && err.status == NB_REFUSED && strstr(err.msg, "another"), "%s",
          err.msg);
    dl_queue_close(&other);
    dl_queue_close(&b.q);
    bench_queue(&b);
    check(!dl_queue_foreign(b.q), "the lock stays");
    bench_close(&b);
}
