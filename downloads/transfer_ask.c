/* Before the first byte: what the Hub says of the file, whether somebody else fetches it already,
 * whether there is room. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/base/file.h"
#include "downloads/transfer.h"

static const double LOOK = .1;  /* s between two tries for the lock */
static const double BARREN = 5; /* s a file may stand still in another's hands */

/* --- resolve -----------------------------------------------------------------------------------
 */

nb_status dl_resolve_path(char out[DL_URL_MAX], const char *repo, const char *revision,
                          const char *path, nb_err *err)
{
    nb_str url = {0};
    nb_status st = NB_OK;
    nb_str_add(&url, "/");
    dl_url_encode(&url, repo, true);
    nb_str_add(&url, "/resolve/");
    dl_url_encode(&url, revision, false);
    nb_str_add(&url, "/");
    dl_url_encode(&url, path, true);
    if (url.failed)
        st = nb_fail(err, NB_NOMEM, "%s: no memory for its address", repo);
    else if (url.len >= DL_URL_MAX)
        st = nb_fail(err, NB_REFUSED, "%s: a name of %zu bytes is too long", repo, url.len);
    else
        memcpy(out, url.at, url.len + 1);
    nb_str_free(&url);
    return st;
}

/* The reply's identity, each part checked before it becomes a path. */
static nb_status take_reply(const dl_reply *r, const char *subject, const char *revision,
                            dl_resolved *out, dl_trouble *trouble, nb_err *err)
{
    const bool pinned = dl_commit_ok(revision);
    *trouble = DL_BAD_REPLY;
    if (!r->commit[0] && !pinned) {
        *trouble = DL_NOT_A_HUB;
        return nb_fail(err, NB_NETWORK, "%s: the answer names no commit: this is not a Hub",
                       subject);
    }
    if (r->commit[0] && (!dl_commit_ok(r->commit) || (pinned && strcmp(r->commit, revision) != 0)))
        return nb_fail(err, NB_NETWORK, "%s: the answer is about commit \"%.40s\"", subject,
                       r->commit);
    if (!dl_oid_ok(r->etag))
        return nb_fail(err, NB_NETWORK, "%s: the answer's ETag \"%.64s\" is no content id", subject,
                       r->etag);
    if (!r->has_size)
        return nb_fail(err, NB_NETWORK, "%s: the answer tells no size", subject);
    *trouble = DL_OK;
    snprintf(out->commit, sizeof out->commit, "%s", pinned ? revision : r->commit);
    snprintf(out->oid, sizeof out->oid, "%.64s", r->etag);
    snprintf(out->url, sizeof out->url, "%s", r->location);
    out->size = r->size;
    return NB_OK;
}

nb_status dl_resolve(dl_net *net, const char *repo, const char *revision, const char *path,
                     dl_resolved *out, dl_trouble *trouble, const nb_hooks *hooks, nb_err *err)
{
    char url[DL_URL_MAX], subject[320];
    dl_reply reply = {0};
    *trouble = DL_HOSTILE;
    if (!dl_repo_ok(repo) || !dl_revision_ok(revision))
        return nb_fail(err, NB_REFUSED, "\"%.100s\" at \"%.60s\" is no repository and revision",
                       repo, revision);
    NB_TRY(dl_path_ok(path, err));
    snprintf(subject, sizeof subject, "%s/%.200s", repo, path);
    nb_status st = dl_resolve_path(url, repo, revision, path, err);
    *trouble = dl_trouble_of(st);
    NB_TRY(st);
    dl_request rq = {.method = DL_HEAD, .follow = DL_FOLLOW_HUB, .url = url, .subject = subject};
    st = dl_call(net, &rq, &reply, hooks, err);
    *trouble = reply.trouble;
    if (st == NB_OK)
        st = take_reply(&reply, subject, revision, out, trouble, err);
    dl_reply_free(&reply);
    return st;
}

/* What dl_call says of itself ("rate limited, resumes in 12 s") becomes our note. */
static void on_progress(void *ud, const nb_progress *p)
{
    dl_transfer *t = ud;
    snprintf(t->said, sizeof t->said, "%s", p->what ? p->what : "");
    (void)dl_transfer_tend(t);
}

static bool on_canceled(void *ud)
{
    return !dl_transfer_tend(ud);
}

nb_status dl_transfer_resolve(dl_transfer *t, dl_resolved *out, dl_trouble *trouble, nb_err *err)
{
    const nb_hooks hooks = {on_progress, on_canceled, t};
    nb_status st =
        dl_resolve(t->net, t->rq->repo, t->rq->commit, t->rq->path, out, trouble, &hooks, err);
    t->said[0] = '\0';
    return st;
}

nb_status dl_transfer_ask(dl_transfer *t)
{
    dl_resolved r;
    dl_trouble trouble;
    nb_err err = {0};
    if (!dl_transfer_stage(t, DL_ASK))
        return NB_CANCELED;
    nb_status st = dl_transfer_resolve(t, &r, &trouble, &err);
    if (st != NB_OK) {
        dl_transfer_fail(t, st, trouble, &err);
        return st;
    }
    snprintf(t->oid, sizeof t->oid, "%s", r.oid);
    t->size = r.size;
    if (*r.url) {
        memcpy(t->address, r.url, sizeof t->address);
        t->serial = 1;
    }
    explicit_bzero(r.url, sizeof r.url);
    return NB_OK;
}

/* --- who else ----------------------------------------------------------------------------------
 */

/* All that lies in blobs/ under this content's name: the blob, partials of any client. */
typedef struct growth {
    uint64_t sum;      /* changes when any of them does */
    uint64_t reserved; /* bytes on disk of the largest partial of ours */
} growth;

static bool ours(const char *name, size_t n_oid)
{
    const char *rest = name + n_oid;
    return rest[0] == '.' && strspn(rest + 1, "0123456789abcdef") == 8 &&
           strcmp(rest + 9, ".incomplete") == 0;
}

static growth look_at(const dl_transfer *t)
{
    char dir[1300];
    growth g = {0};
    size_t n_oid = strlen(t->oid);
    size_t n = dl_cache_repo_dir(t->cache, t->rq->repo, dir, sizeof dir) ? strlen(dir) : 0;
    if (!n || n + 7 > sizeof dir)
        return g;
    memcpy(dir + n, "/blobs", 7);
    DIR *d = opendir(dir);
    for (const struct dirent *e; d && (e = readdir(d));) {
        struct stat st;
        if (strncmp(e->d_name, t->oid, n_oid) != 0 ||
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        g.sum += (uint64_t)st.st_size + (uint64_t)st.st_ino * 31 +
                 (uint64_t)st.st_mtim.tv_sec * 1000000007 + (uint64_t)st.st_mtim.tv_nsec;
        uint64_t disk = (uint64_t)st.st_blocks * 512;
        if (ours(e->d_name, n_oid) && disk > g.reserved)
            g.reserved = disk;
    }
    if (d)
        closedir(d);
    return g;
}

static void rest(double seconds)
{
    struct timespec left = {0, (long)(1e9 * seconds)};
    nanosleep(&left, NULL);
}

nb_status dl_transfer_wait(dl_transfer *t, dl_lock *l, bool *there)
{
    nb_err err = {0};
    growth before = {0};
    double grown = dl_clock();
    for (bool first = true;; first = false) {
        nb_status st = dl_cache_lock(t->cache, t->rq->repo, t->oid, l, &err);
        if (st != NB_OK) {
            dl_transfer_fail(t, st, dl_trouble_of(st), &err);
            return st;
        }
        *there = dl_cache_has_blob(t->cache, t->rq->repo, t->oid, t->size);
        if (!l->busy || *there)
            return NB_OK;
        t->waits_for = l->holder;
        growth now = look_at(t);
        if (first || now.sum != before.sum)
            grown = dl_clock();
        before = now;
        if (dl_clock() - grown >= BARREN)
            return NB_OK; /* a stale lock, or one who does not get on: we go on by ourselves */
        if (!(first ? dl_transfer_stage(t, DL_WAIT) : dl_transfer_tend(t)))
            return NB_CANCELED;
        rest(LOOK);
    }
}

/* --- room --------------------------------------------------------------------------------------
 */

nb_status dl_transfer_room(dl_transfer *t)
{
    char need[16], have[16], behind[16];
    uint64_t free_bytes, reserved = look_at(t).reserved;
    uint64_t missing = reserved < t->size ? t->size - reserved : 0;
    nb_err err = {0};
    if (t->rq->ignore_space || missing == 0)
        return NB_OK;
    nb_status st = nb_free_space(t->cache->hub, &free_bytes, &err);
    uint64_t all;
    if (!nb_add(missing, t->rq->queued_bytes, &all))
        all = UINT64_MAX;
    if (st == NB_OK && all > free_bytes)
        st = nb_fail(&err, NB_NOSPACE, "%.100s: needs %s more%s%s, %s can be used in %.60s",
                     t->subject, nb_human_bytes(need, missing),
                     t->rq->queued_bytes ? ", what is queued behind it " : "",
                     t->rq->queued_bytes ? nb_human_bytes(behind, t->rq->queued_bytes) : "",
                     nb_human_bytes(have, free_bytes), t->cache->hub);
    if (st != NB_OK)
        dl_transfer_fail(t, st, dl_trouble_of(st), &err);
    return st;
}
