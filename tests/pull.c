#include "tests/pull.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/check.h"
#include "tests/util.h"

#include "downloads/partial_state.h"

pull_env pull_place(rig *r)
{
    pull_env p;
    snprintf(p.endpoint, sizeof p.endpoint, "HF_ENDPOINT=%s", r->env.endpoint);
    snprintf(p.home, sizeof p.home, "HF_HOME=%s", r->env.home);
    snprintf(p.kept, sizeof p.kept, "XDG_CACHE_HOME=%s/cache", r->env.home);
    snprintf(p.timeout, sizeof p.timeout, "HF_HUB_DOWNLOAD_TIMEOUT=%d", r->env.download_timeout);
    snprintf(p.preload, sizeof p.preload, "LD_PRELOAD=%s/%s/tests/preload.so", NB_TEST_ROOT,
             NB_TEST_BUILD);
    return p;
}

child pull_how(rig *r, child_how how, const char *const *args)
{
    pull_env p = pull_place(r);
    how.args[0] = "pull";
    for (int i = 0; args[i]; i++)
        how.args[i + 1] = args[i];
    int n = 0;
    while (how.env[n])
        n++;
    how.env[n] = p.endpoint;
    how.env[n + 1] = p.home;
    how.env[n + 2] = p.timeout;
    how.env[n + 3] = p.kept;
    if (n) /* something for the preloaded library */
        how.env[n + 4] = p.preload;
    return child_run(&how);
}

child pull(rig *r, const char *name)
{
    return pull_how(r, (child_how){0}, (const char *[]){name, NULL});
}

void pull_expect_landed(rig *r, const char *path)
{
    char rest[300];
    snprintf(rest, sizeof rest, "snapshots/%s/%s", fake_repo_head(r->repo), path);
    r->err = (nb_err){0};
    check(fake_repo_listed(r->repo, path, &r->got.size, r->got.oid), "no %s", path);
    snprintf(r->got.path, sizeof r->got.path, "%s", rig_path(r, rest));
    rig_expect_landed(r, path);
}

void pull_expect_sound(rig *r, const char *path, const char *when)
{
    char rest[300], target[300];
    struct stat st;
    size_t n;
    snprintf(rest, sizeof rest, "snapshots/%s/%s", fake_repo_head(r->repo), path);
    const char *entry = rig_path(r, rest);
    if (lstat(entry, &st) == 0)
        check(stat(entry, &st) == 0, "%s: the link dangles", when);
    char *ref = test_slurp(rig_path(r, "refs/main"), &n);
    if (ref) {
        snprintf(target, sizeof target, "snapshots/%.40s", ref);
        check(n == 40 && stat(rig_path(r, target), &st) == 0, "%s: the ref leads nowhere", when);
        check(stat(entry, &st) == 0, "%s: the ref came before the file", when);
    }
    free(ref);
}

uint64_t pull_held(rig *r, bool *held, size_t segments)
{
    static const char zero[4096];
    size_t n = 0, len = 0;
    uint64_t lost = 0;
    dl_state_head h;
    char path[1600];
    memset(held, 0, segments * sizeof *held);
    snprintf(path, sizeof path, "%s", rig_find_blob(r, ".state.incomplete"));
    char *state = path[0] ? test_slurp(path, &n) : NULL;
    bool begun = state && dl_state_read(&h, (uint8_t *)state, n);
    for (uint32_t i = 0; i < segments && begun; i++) {
        size_t at = DL_STATE_HEAD + (size_t)i * DL_STATE_RECORD;
        uint32_t crc;
        held[i] = at + DL_STATE_RECORD <= n && dl_record_read((uint8_t *)state + at, &h, i, &crc);
    }
    if (begun)
        snprintf(strstr(path, ".state"), sizeof ".incomplete", ".incomplete");
    char *data = begun ? test_slurp(path, &len) : NULL;
    for (size_t at = 0; at + sizeof zero <= len; at += sizeof zero)
        if (!held[at / RIG_SEGMENT] && memcmp(data + at, zero, sizeof zero) != 0)
            lost += sizeof zero;
    free(data);
    free(state);
    return lost;
}

void pull_expect_not_asked(rig *r, const bool *held, size_t segments, int round)
{
    fake_request *log;
    size_t n = fake_hub_log(r->hub, &log);
    for (size_t i = 0; i < n; i++) {
        uint64_t from, to;
        if (log[i].port != FAKE_CDN)
            continue;
        check(log[i].range && sscanf(log[i].range, "bytes=%" SCNu64 "-%" SCNu64, &from, &to) == 2,
              "round %d: asked for all of it", round);
        for (uint64_t s = from / RIG_SEGMENT; s <= to / RIG_SEGMENT && s < segments; s++)
            check(!held[s], "round %d: %s, but segment %d is there", round, log[i].range, (int)s);
    }
    fake_hub_log_free(log, n);
}
