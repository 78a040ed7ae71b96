#include "tests/queue_bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/job.h"
#include "tests/check.h"
#include "tests/util.h"

static void on_wake(void *ud)
{
    bench *b = ud;
    atomic_fetch_add(&b->woken, 1);
}

void bench_queue(bench *b)
{
    nb_err err = {0};
    check(dl_queue_open(&b->q, b->r.net, &b->r.cache, b->state, on_wake, b, &err) == NB_OK, "%s",
          err.msg);
}

void bench_open(bench *b)
{
    static unsigned count;
    memset(b, 0, sizeof *b);
    rig_open(&b->r, 5);
    snprintf(b->state, sizeof b->state, "%s/state%u", test_tmpdir(), count++);
}

void bench_close(bench *b)
{
    dl_queue_close(&b->q);
    rig_close(&b->r);
}

/* Adds a listed file to the choice that bench_add() asks for. */
void bench_list(bench *b, const char *path)
{
    dl_file *f = &b->file[b->repo.n_file];
    snprintf(b->repo.model.id, sizeof b->repo.model.id, "ns/repo");
    snprintf(b->repo.commit, sizeof b->repo.commit, "%s", fake_repo_head(b->r.repo));
    b->index[b->repo.n_file] = b->repo.n_file;
    f->path = (char *)(uintptr_t)path; /* a literal: the queue copies */
    check(fake_repo_listed(b->r.repo, path, &f->size, f->oid), "no %s", path);
    b->repo.file = b->file;
    b->repo.n_file++;
}

uint64_t bench_add_from(bench *b, size_t from)
{
    nb_err err = {0};
    uint64_t group = 0;
    dl_choice choice = {.file = b->index + from, .n_file = b->repo.n_file - from};
    check(dl_queue_add(b->q, &b->repo, "main", &choice, &group, &err) == NB_OK, "%s", err.msg);
    return group;
}

uint64_t bench_add(bench *b)
{
    return bench_add_from(b, 0);
}

dl_item bench_item(bench *b, size_t i)
{
    dl_item x;
    check(dl_queue_look(b->q, i, &x), "no item %zu", i);
    return x;
}

/* Waits until item i is in this state; seconds at most. */
dl_item bench_await(bench *b, size_t i, dl_state state, double seconds)
{
    double end = nb_now() + seconds;
    dl_item x = bench_item(b, i);
    while (x.state != state && nb_now() < end) {
        usleep(5000);
        x = bench_item(b, i);
    }
    check(x.state == state, "item %zu is in state %d (%s), not %d", i, x.state, x.err.msg, state);
    return x;
}

void bench_await_have(bench *b, size_t i, uint64_t have)
{
    double end = nb_now() + 20;
    while (bench_item(b, i).view.have < have && nb_now() < end)
        usleep(5000);
    check(bench_item(b, i).view.have >= have, "item %zu has %" PRIu64, i,
          bench_item(b, i).view.have);
}

void bench_landed(bench *b, size_t i, const char *path)
{
    dl_item x = bench_await(b, i, DL_DONE, 30);
    b->r.err = (nb_err){0};
    snprintf(b->r.got.path, sizeof b->r.got.path, "%s", x.landed);
    snprintf(b->r.got.oid, sizeof b->r.got.oid, "%s", x.oid);
    b->r.got.size = x.size;
    rig_expect_landed(&b->r, path);
}
