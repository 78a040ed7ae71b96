/* A kept list is one file: a checksum in the first line; endpoint, name asked for, commit and the
 * repository's own name in the second (two names may share a fingerprint); then the files as the
 * Hub's own JSON of a tree, read by the same parser as a fresh one. Not kept by token: whoever may
 * read the list on this disk may read the files as well. */
#include "downloads/listing.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/digest.h"
#include "core/base/file.h"
#include "downloads/cache_private.h"
#include "downloads/hub_private.h"

enum {
    KEPT_MAX = 200,        /* lists on disk; the oldest make room */
    KEPT_BYTES = 64 << 20, /* of all; no single one is larger than */
    LIST_BYTES = 16 << 20,
    SUM = 16, /* hex digits of the checksum */
};

/* Which list. */
typedef struct key {
    const char *cache_dir, *endpoint, *id, *commit; /* borrowed; id as it was asked for */
} key;

static key key_of(dl_net *net, const char *cache_dir, const char *id, const char *commit)
{
    return (key){cache_dir, dl_net_env(net)->endpoint, id, commit};
}

static bool path_of(char *out, size_t cap, const key *k)
{
    uint64_t where = nb_fingerprint(k->endpoint, strlen(k->endpoint));
    uint64_t what = nb_fingerprint(k->id, strlen(k->id));
    if (!k->cache_dir || !*k->cache_dir)
        return false;
    int n = snprintf(out, cap, "%s/trees/%016llx%016llx-%s.json", k->cache_dir,
                     (unsigned long long)where, (unsigned long long)what, k->commit);
    return n > 0 && (size_t)n < cap;
}

/* --- writing ------------------------------------------------------------------------------------
 */

static void write_file(nb_jout *w, const dl_file *f)
{
    nb_jout_object(w);
    nb_jout_key(w, "path"), nb_jout_str(w, f->path);
    nb_jout_key(w, "size"), nb_jout_u64(w, f->size);
    if (f->lfs) {
        nb_jout_key(w, "lfs"), nb_jout_object(w);
        nb_jout_key(w, "oid"), nb_jout_str(w, f->oid);
        nb_jout_key(w, "size"), nb_jout_u64(w, f->size);
        nb_jout_object_end(w);
    } else {
        nb_jout_key(w, "oid"), nb_jout_str(w, f->oid);
    }
    nb_jout_object_end(w);
}

static void keep(const key *k, const dl_repo *r)
{
    char path[1300];
    nb_str body = {0}, text = {0};
    if (!path_of(path, sizeof path, k) || r->n_file == 0)
        return;
    nb_str_addf(&body, "%s %s %s %s\n", k->endpoint, k->id, k->commit, r->model.id);
    nb_jout w = nb_jout_make(&body);
    nb_jout_array(&w);
    for (size_t i = 0; i < r->n_file; i++)
        write_file(&w, &r->file[i]);
    nb_jout_array_end(&w);
    nb_str_addf(&text, "%016llx\n", (unsigned long long)nb_fingerprint(body.at, body.len));
    nb_str_addn(&text, nb_str_c(&body), body.len);
    if (!body.failed && text.len <= LIST_BYTES)
        dl_kept_write(path, &text, KEPT_MAX, KEPT_BYTES);
    nb_str_free(&body);
    nb_str_free(&text);
}

/* --- reading ------------------------------------------------------------------------------------
 */

/* The checksum's line and whose list it is; *json behind them. */
static bool read_head(const key *k, const char *text, size_t len, char id[200], const char **json)
{
    char sum[SUM + 2];
    nb_str want = {0};
    if (len < sizeof sum)
        return false;
    const char *body = text + SUM + 1;
    size_t n = len - SUM - 1;
    snprintf(sum, sizeof sum, "%016llx\n", (unsigned long long)nb_fingerprint(body, n));
    nb_str_addf(&want, "%s %s %s ", k->endpoint, k->id, k->commit);
    bool ok = memcmp(text, sum, SUM + 1) == 0 && !want.failed && n > want.len &&
              memcmp(body, want.at, want.len) == 0;
    const char *at = body + want.len, *end = ok ? memchr(at, '\n', n - want.len) : NULL;
    ok = end && end - at < 200;
    if (ok) {
        snprintf(id, 200, "%.*s", (int)(end - at), at);
        *json = end + 1;
        ok = dl_repo_ok(id);
    }
    nb_str_free(&want);
    return ok;
}

static bool recall(const key *k, dl_repo *out)
{
    char path[1300], *text = NULL;
    const char *json;
    size_t len;
    dl_repo r = {.n_file = 0};
    if (!path_of(path, sizeof path, k) ||
        nb_file_read(&text, &len, path, LIST_BYTES, NULL) != NB_OK)
        return false;
    bool ok = read_head(k, text, len, r.model.id, &json) &&
              dl_json_tree(json, len - (size_t)(json - text), "kept list", &r, NULL) == NB_OK &&
              r.n_file > 0;
    free(text);
    if (!ok) {
        dl_repo_free(&r);
        return false;
    }
    dl_repo_settle(&r);
    snprintf(r.commit, sizeof r.commit, "%s", k->commit);
    snprintf(r.model.sha, sizeof r.model.sha, "%s", k->commit);
    utimensat(AT_FDCWD, path, NULL, 0); /* lists in use are the last to make room */
    *out = r;
    return true;
}

void dl_listing_forget(dl_net *net, const char *cache_dir, const char *id, const char *commit)
{
    char path[1300];
    key k = key_of(net, cache_dir, id, commit);
    if (path_of(path, sizeof path, &k))
        unlink(path);
}

/* --- asking --------------------------------------------------------------------------------------
 */

/* The head of the repository is known: its list from the disk, else from the Hub. */
static nb_status list(dl_net *net, const key *k, dl_repo *r, dl_trouble *trouble,
                      const nb_hooks *hooks, nb_err *err)
{
    dl_repo kept;
    size_t pages;
    if (recall(k, &kept)) {
        kept.model = r->model; /* its name may be another by now */
        *r = kept;
        return NB_OK;
    }
    NB_TRY(dl_hub_tree(net, r, &pages, trouble, hooks, err));
    keep(k, r);
    return NB_OK;
}

nb_status dl_listing_ask(dl_net *net, const char *cache_dir, const char *id, const char *revision,
                         dl_repo *out, dl_trouble *trouble, const nb_hooks *hooks, nb_err *err)
{
    dl_repo r = {.n_file = 0};
    key k = key_of(net, cache_dir, id, revision);
    *trouble = DL_OK;
    NB_TRY(dl_hub_names_ok(id, revision, err));
    if (dl_commit_ok(revision) && recall(&k, out))
        return NB_OK;
    nb_status st = dl_hub_info(net, id, revision, &r, trouble, hooks, err);
    k.commit = r.commit;
    if (st == NB_OK)
        st = list(net, &k, &r, trouble, hooks, err);
    if (st != NB_OK)
        dl_repo_free(&r);
    else
        *out = r;
    return st;
}

/* --- without a request --------------------------------------------------------------------------
 */

typedef struct snapshot {
    const dl_cache *cache;
    dl_repo *r;
    nb_status status;
    nb_err *err;
} snapshot;

/* What is there and whole; a link that dangles is a file that is missing. */
static bool take_entry(void *arg, const dl_entry *e)
{
    snapshot *s = arg;
    char path[2048];
    struct stat st;
    dl_file f = {.lfs = strlen(e->oid) == 64};
    if (!dl_cache_find(s->cache, s->r->model.id, e->commit, e->path, UINT64_MAX, path,
                       sizeof path) ||
        stat(path, &st) != 0)
        return true;
    f.size = (uint64_t)st.st_size;
    memcpy(f.oid, e->oid, sizeof f.oid);
    if (s->r->n_file >= DL_FILES_MAX)
        s->status = nb_fail(s->err, NB_REFUSED, "%s: more than %d files", s->r->model.id,
                            (int)DL_FILES_MAX);
    else
        s->status = dl_repo_add(s->r, e->path, strlen(e->path), &f, s->err);
    return s->status == NB_OK;
}

static nb_status read_snapshot(const dl_cache *cache, const char *id, const char *commit,
                               dl_repo *out, nb_err *err)
{
    char folder[DL_FOLDER_MAX];
    dl_repo r = {.n_file = 0};
    snapshot s = {cache, &r, NB_OK, err};
    snprintf(r.model.id, sizeof r.model.id, "%s", id);
    snprintf(r.commit, sizeof r.commit, "%s", commit);
    dl_folder_of(folder, id);
    nb_status st = dl_snapshots_walk(cache, folder, commit, take_entry, &s, err);
    if (st == NB_OK)
        st = s.status;
    if (st != NB_OK) {
        dl_repo_free(&r);
        return st;
    }
    dl_repo_settle(&r);
    *out = r;
    return NB_OK;
}

nb_status dl_listing_here(dl_net *net, const char *cache_dir, const dl_cache *cache, const char *id,
                          const char *revision, dl_repo *out, bool *whole, dl_trouble *trouble,
                          nb_err *err)
{
    char commit[41];
    *trouble = DL_OK;
    NB_TRY(dl_hub_names_ok(id, revision, err));
    bool known = dl_cache_commit(cache, id, revision, commit);
    key k = key_of(net, cache_dir, id, commit);
    *whole = known && recall(&k, out);
    if (*whole)
        return NB_OK;
    if (known)
        NB_TRY(read_snapshot(cache, id, commit, out, err));
    if (known && out->n_file)
        return NB_OK;
    if (known)
        dl_repo_free(out);
    *trouble = DL_OFFLINE_MODE;
    return nb_fail(err, NB_NETWORK, "%s: nothing of revision %.80s is in the cache, and offline",
                   id, revision);
}
