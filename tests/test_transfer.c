/* One file from the Hub to the cache, and all that can go wrong on the way (hub 1-19). */
#include "tests/check.h"
#include "tests/transfer.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/job.h"

enum { MIB = 1 << 20 };

CHECK_TEST(transfer, round_trip_hub_1)
{
    rig r;
    rig_open(&r, 2);
    fake_repo_noise(r.repo, "m.gguf", 64 * MIB, 7);
    r.revision = "main";
    check(rig_fetch(&r, "m.gguf") == NB_OK, "%s", r.err.msg);
    rig_expect_landed(&r, "m.gguf");
    fprintf(stderr, "%.3f s, %u reports, served %.1f\n", r.seconds, r.reports, rig_served(&r,"m.gguf")/1048576.);
    rig_close(&r);
}
static void dbg(rig *r, const dl_fetch_view *v)
{
    static double t0; if (r->reports == 1) t0 = nb_now();
    fprintf(stderr, "%.3f stage %d have %.1f conns %u retries %u rate %.1f M stalled %.2f %s\n", nb_now()-t0, v->stage, v->have/1048576., v->connections, v->retries, v->rate/1e6, v->stalled, v->note);
}
CHECK_TEST(transfer, dbg)
{
    rig r;
    rig_open(&r, 2);
    fake_repo_noise(r.repo, "m.gguf", 64 * MIB, 7);
    r.revision = "main"; r.watch = dbg;
    check(rig_fetch(&r, "m.gguf") == NB_OK, "%s", r.err.msg);
    rig_expect_landed(&r, "m.gguf");
    fake_request *log; size_t n = fake_hub_log(r.hub, &log);
    for (size_t i = 0; i < n; i++) fprintf(stderr, "%.3f-%.3f port %d %s %s %d body %.2f range %s conn %u cut %d\n", log[i].at, log[i].ended, log[i].port, log[i].method, log[i].name, log[i].status, log[i].body/1048576., log[i].range, log[i].connection, log[i].cut);
    fprintf(stderr, "%.3f s, %u reports, served %.1f\n", r.seconds, r.reports, rig_served(&r,"m.gguf")/1048576.);
    rig_close(&r);
}
