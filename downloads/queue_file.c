/* downloads.json: {"format":1,"items":[{...}]} in queue order. Written whole and atomically; what
 * cannot be believed in it is left out, a file that is no queue at all is set aside. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/json.h"
#include "downloads/queue_private.h"

enum { FILE_LIMIT = 32 << 20 /* bytes */ };

/* As they stand in the file. RUNNING becomes "queued": it goes on at the next start. */
static const char *const state_names[] = {"queued", "queued", "paused", "stopped", "done"};

static const char *const trouble_names[] = {
    "OK",
#define DL_TROUBLE(name, ...) #name,
#include "downloads/troubles.def"
#undef DL_TROUBLE
};

/* --- writing --------------------------------------------------------------------------------- */

static void put(nb_jout *w, const char *key, const char *value)
{
    nb_jout_key(w, key), nb_jout_str(w, value);
}

static void put_item(nb_jout *w, const dl_item *x)
{
    nb_jout_object(w);
    put(w, "repo", x->repo);
    put(w, "revision", x->revision);
    put(w, "commit", x->commit);
    put(w, "path", x->path);
    put(w, "oid", x->oid);
    if (x->size != UINT64_MAX)
        nb_jout_key(w, "size"), nb_jout_u64(w, x->size);
    nb_jout_key(w, "group"), nb_jout_u64(w, x->group);
    put(w, "state", state_names[x->state]);
    if (x->state == DL_STOPPED) {
        put(w, "trouble", trouble_names[x->trouble]);
        put(w, "message", x->err.msg);
    }
    if (x->state == DL_DONE)
        put(w, "landed", x->landed);
    nb_jout_object_end(w);
}

nb_status dl_queue_text(const dl_queue *q, nb_str *out, nb_err *err)
{
    nb_jout w = nb_jout_make(out);
    nb_jout_object(&w);
    nb_jout_key(&w, "format"), nb_jout_u64(&w, 1);
    nb_jout_key(&w, "items"), nb_jout_array(&w);
    for (size_t i = 0; i < q->n; i++)
        put_item(&w, &q->at[i]->item);
    nb_jout_array_end(&w);
    nb_jout_object_end(&w);
    nb_str_add(out, "\n");
    return out->failed ? nb_fail(err, NB_NOMEM, "downloads: no memory to write the list") : NB_OK;
}

/* --- reading --------------------------------------------------------------------------------- */

/* A member that fits, or "". */
static void get(const nb_jval *v, const char *key, char *out, size_t cap)
{
    const char *s = "";
    nb_jstr(nb_jget(v, key), &s);
    snprintf(out, cap, "%s", strlen(s) < cap ? s : "");
}

static bool get_u64(const nb_jval *v, const char *key, uint64_t *out)
{
    int64_t i;
    if (!nb_jint(nb_jget(v, key), &i) || i < 0)
        return false;
    *out = (uint64_t)i;
    return true;
}

/* Index of a name of the table, or fallback. */
static unsigned name_at(const nb_jval *v, const char *const *names, size_t n, unsigned fallback)
{
    const char *s;
    for (size_t i = 0; nb_jstr(v, &s) && i < n; i++)
        if (strcmp(s, names[i]) == 0)
            return (unsigned)i;
    return fallback;
}

/* Nothing here may become a path or a request before it passed the checks of cache.h. */
static bool read_item(const nb_jval *v, dl_item *x)
{
    get(v, "repo", x->repo, sizeof x->repo);
    get(v, "revision", x->revision, sizeof x->revision);
    get(v, "commit", x->commit, sizeof x->commit);
    get(v, "path", x->path, sizeof x->path);
    get(v, "oid", x->oid, sizeof x->oid);
    get(v, "landed", x->landed, sizeof x->landed);
    get(v, "message", x->err.msg, sizeof x->err.msg);
    x->size = UINT64_MAX;
    x->eta = -1;
    get_u64(v, "size", &x->size);
    get_u64(v, "group", &x->group);
    x->state = (dl_state)name_at(nb_jget(v, "state"), state_names, countof(state_names), DL_PAUSED);
    if (x->state == DL_STOPPED) {
        x->trouble = (dl_trouble)name_at(nb_jget(v, "trouble"), trouble_names,
                                         countof(trouble_names), DL_BAD_REPLY);
        if (x->trouble == DL_OK)
            x->trouble = DL_BAD_REPLY;
        x->err.status = dl_trouble_status(x->trouble);
    }
    bool asks = x->oid[0] == '\0' || x->size == UINT64_MAX;
    return dl_repo_ok(x->repo) && (!x->revision[0] || dl_revision_ok(x->revision)) &&
           dl_commit_ok(x->commit) && dl_path_ok(x->path, NULL) == NB_OK &&
           (asks || dl_oid_ok(x->oid));
}

static nb_status read_items(dl_queue *q, const nb_jval *list, nb_err *err)
{
    size_t left_out = 0;
    for (const nb_jval *v = nb_jfirst(list); v; v = nb_jnext(v)) {
        dl_item x = {0};
        if (q->n == DL_QUEUE_MAX || !read_item(v, &x)) {
            left_out++;
            continue;
        }
        dl_entry *e = nb_alloc(1, sizeof *e, "download", err);
        if (!e)
            return NB_NOMEM;
        e->item = x;
        if (dl_queue_push(q, e, err) != NB_OK) {
            free(e);
            return NB_NOMEM;
        }
        if (x.group > q->last_group && x.group < UINT64_MAX)
            q->last_group = x.group;
    }
    if (left_out)
        nb_fail(err, NB_FORMAT, "%s: %zu downloads that cannot be believed are left out", q->file,
                left_out);
    return NB_OK;
}

/* A file that is no queue is kept beside; one that could not be read may be sound: it stays, and
 * this process keeps its list in memory. */
static void refuse_file(dl_queue *q, const nb_err *why, nb_err *err)
{
    char aside[1040];
    snprintf(aside, sizeof aside, "%.*sbad", (int)strlen(q->file) - 4, q->file);
    if (why->status == NB_FORMAT && rename(q->file, aside) == 0) {
        nb_fail(err, NB_FORMAT, "%s; set aside as %s", why->msg, nb_path_base(aside));
        return;
    }
    q->file[0] = '\0';
    if (err)
        *err = *why;
}

static nb_status read_file(dl_queue *q, nb_err *err)
{
    nb_json *doc;
    nb_err why = {0};
    int64_t format = 0;
    if (!nb_exists(q->file))
        return NB_OK;
    nb_status st = nb_json_load(&doc, q->file, FILE_LIMIT, &why);
    if (st == NB_OK && (!nb_jint(nb_jget(nb_json_root(doc), "format"), &format) || format != 1)) {
        st = nb_fail(&why, NB_FORMAT, "%s: not a list of downloads this version knows", q->file);
        nb_json_close(&doc);
    }
    if (st != NB_OK) {
        refuse_file(q, &why, err);
        return NB_OK;
    }
    st = read_items(q, nb_jget(nb_json_root(doc), "items"), err);
    nb_json_close(&doc);
    return st;
}

static bool take_lock(dl_queue *q, const char *dir, nb_err *err)
{
    char path[1040];
    if (nb_mkdirs(dir, err) != NB_OK)
        return false;
    snprintf(path, sizeof path, "%s/downloads.lock", dir);
    do
        q->file_lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    while (q->file_lock < 0 && errno == EINTR);
    if (q->file_lock < 0) {
        nb_fail_errno(err, errno, "lock", path);
        return false;
    }
    if (flock(q->file_lock, LOCK_EX | LOCK_NB) == 0)
        return true;
    q->foreign = errno == EWOULDBLOCK;
    if (q->foreign)
        nb_fail(err, NB_REFUSED,
                "another workbench has the list of downloads: this one's is not "
                "kept");
    else
        nb_fail_errno(err, errno, "lock", path);
    close(q->file_lock);
    q->file_lock = -1;
    return false;
}

nb_status dl_queue_load(dl_queue *q, const char *state_dir, nb_err *err)
{
    if (!state_dir || !*state_dir)
        return NB_OK;
    if (!nb_path_join(q->file, sizeof q->file, state_dir, "downloads.json"))
        q->file[0] = '\0';
    if (!q->file[0] || !take_lock(q, state_dir, err)) {
        q->file[0] = '\0';
        return NB_OK;
    }
    return read_file(q, err);
}
