/* A server that has no such bytes (hub 10): a partial that is complete is verified and finished,
 * one of another size is discarded, and neither counts as success unverified. */
#include "tests/check.h"
#include "tests/transfer.h"
#include "tests/util.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MIB = 1 << 20 };

static void cancel_when_landing(rig *r, const dl_fetch_view *v)
{
    if (v->stage == DL_LAND)
        atomic_store(&r->cancel, true);
}

/* A partial with every byte in it, and a server that refuses any range from now on. */
static void complete_partial(rig *r)
{
    rig_open(r, 2);
    fake_repo_noise(r->repo, "m.gguf", 9 * MIB, 7);
    r->watch = cancel_when_landing;
    check(rig_fetch(r, "m.gguf") == NB_CANCELED, "%s", r->err.msg);
    r->watch = NULL;
    atomic_store(&r->cancel, false);
    rig_expect_nothing(r, "m.gguf");
    fake_hub_log_clear(r->hub);
    rig_fault(r, "GET cdn:* status=416");
}

CHECK_TEST(transfer_416, a_complete_partial_is_verified_and_finished_hub_10)
{
    rig r;
    complete_partial(&r);
    check(rig_fetch(&r, "m.gguf") == NB_OK, "%s", r.err.msg);
    rig_expect_landed(&r, "m.gguf");
    check(fake_hub_count(r.hub, FAKE_PORTS, NULL, NULL) == 0, "a request was made");
    rig_close(&r);
}

/* The last byte on disk is not the file's: that segment is asked for, and a 416 is no answer. */
CHECK_TEST(transfer_416, a_complete_partial_that_is_wrong_is_no_success_hub_10)
{
    rig r;
    char data[1600];
    complete_partial(&r);
    snprintf(data, sizeof data, "%s", rig_find_blob(&r, ".state.incomplete"));
    snprintf(strstr(data, ".state"), 20, ".incomplete");
    FILE *f = fopen(data, "r+");
    check(f && fseek(f, 9 * MIB - 1, SEEK_SET) == 0, "no %s", data);
    int last = fgetc(f);
    check(fseek(f, 9 * MIB - 1, SEEK_SET) == 0 && fputc(last ^ 1, f) >= 0 && fclose(f) == 0, "%s",
          data);
    r.patience = 2;
    check(rig_fetch(&r, "m.gguf") == NB_NETWORK && r.trouble == DL_BAD_REPLY &&
              strstr(r.err.msg, "416"),
          "%s", r.err.msg);
    rig_expect_nothing(&r, "m.gguf");
    check(rig_count_blobs(&r, ".incomplete") == 2, "what had come is gone");
    fake_hub_faults_clear(r.hub); /* the server comes to its senses */
    fake_hub_log_clear(r.hub);
    check(rig_fetch(&r, "m.gguf") == NB_OK, "%s", r.err.msg);
    rig_expect_landed(&r, "m.gguf");
    check(rig_served(&r, "m.gguf") <= 2 * RIG_SEGMENT, "%" PRIu64 " bytes again",
          rig_served(&r, "m.gguf"));
    rig_close(&r);
}

/* m.gguf of so many bytes, under the content id of the five MiB that are right. */
static void serve(rig *r, uint64_t size, const char *sha256)
{
    fake_file f = {.path = "m.gguf", .seed = 7, .size = size, .sha256 = sha256};
    check(fake_repo_file(r->repo, &f, &r->err) == NB_OK, "%s", r->err.msg);
}

static void cancel_past_four(rig *r, const dl_fetch_view *v)
{
    if (v->have >= 4 * MIB)
        atomic_store(&r->cancel, true);
}

/* The Hub listed 8 MiB, half of which came; now it lists 5 MiB of the same content. */
static void stale_partial(rig *r, char sha256[65])
{
    rig_open(r, 2);
    fake_repo_noise(r->repo, "right.gguf", 5 * MIB, 7);
    fake_repo_sha256(r->repo, "right.gguf", sha256);
    serve(r, 8 * MIB, sha256);
    rig_fault(r, "GET cdn:*m.gguf rate=16M");
    r->watch = cancel_past_four;
    check(rig_fetch(r, "m.gguf") == NB_CANCELED, "%s", r->err.msg);
    r->watch = NULL;
    atomic_store(&r->cancel, false);
    check(rig_count_blobs(r, ".incomplete") == 2, "no partial");
    serve(r, 5 * MIB, sha256);
    fake_hub_faults_clear(r->hub);
    fake_hub_log_clear(r->hub);
}

CHECK_TEST(transfer_416, a_stale_partial_is_discarded_and_restarted_hub_10)
{
    rig r;
    char sha256[65];
    stale_partial(&r, sha256);
    check(rig_fetch(&r, "m.gguf") == NB_OK, "%s", r.err.msg);
    rig_expect_landed(&r, "m.gguf");
    check(rig_served(&r, "m.gguf") == 5 * MIB, "%" PRIu64 " bytes", rig_served(&r, "m.gguf"));
    check(rig_count_blobs(&r, "incomplete") == 0, "the old partial takes room");
    rig_close(&r);
}

/* Who still believes in 8 MiB asks for bytes that are not there: told with both numbers, in no more
 * than a few requests, and a second try asks the Hub first. */
CHECK_TEST(transfer_416, a_range_behind_the_end_tells_the_size_and_starts_anew_hub_10)
{
    enum { OLD = 8 * MIB };
    rig r;
    char sha256[65];
    dl_item *x = calloc(1, sizeof *x);
    dl_queue *q = NULL;
    stale_partial(&r, sha256);
    r.err = (nb_err){0};
    dl_file file = {.path = "m.gguf", .size = OLD, .lfs = true};
    size_t index = 0;
    dl_repo repo = {.file = &file, .n_file = 1};
    dl_choice choice = {.kind = DL_CHOICE_FILE, .file = &index, .n_file = 1, .complete = true};
    snprintf(file.oid, sizeof file.oid, "%s", sha256);
    snprintf(repo.model.id, sizeof repo.model.id, "ns/repo");
    snprintf(repo.commit, sizeof repo.commit, "%s", fake_repo_head(r.repo));
    check(dl_queue_open(&q, r.net, &r.cache, NULL, NULL, NULL, &r.err) == NB_OK &&
              dl_queue_add(q, &repo, "main", &choice, NULL, &r.err) == NB_OK,
          "%s", r.err.msg);
    for (int i = 0; dl_queue_look(q, 0, x) && x->state != DL_STOPPED && i < 2000; i++)
        usleep(10000);
    check(x->trouble == DL_WRONG_SIZE && strstr(x->err.msg, "5242880") &&
              strstr(x->err.msg, "8388608"),
          "%s", x->err.msg);
    check(rig_body_requests(&r, "m.gguf") <= 8, "%zu requests", rig_body_requests(&r, "m.gguf"));
    rig_expect_nothing(&r, "m.gguf");
    dl_queue_retry(q, x->id, false);
    for (int i = 0; dl_queue_look(q, 0, x) && x->state != DL_DONE && i < 2000; i++)
        usleep(10000);
    check(x->state == DL_DONE && x->size == 5 * MIB, "%s", x->err.msg);
    snprintf(r.got.path, sizeof r.got.path, "%s", x->landed);
    snprintf(r.got.oid, sizeof r.got.oid, "%s", x->oid);
    r.got.size = x->size;
    rig_expect_landed(&r, "m.gguf");
    dl_queue_close(&q);
    free(x);
    rig_close(&r);
}
