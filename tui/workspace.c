#include "tui/workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/json.h"

enum { FILE_LIMIT = 4 << 20, MAX_ENTRIES = 4096 };

/* A text is a list of one that is not `many`. */
typedef struct entry {
    char *key;
    char **item; /* [n] owned */
    size_t n;
    bool many;
} entry;

struct ui_workspace {
    char file[1024]; /* "" = memory only */
    int lock;        /* fd, -1 = not ours */
    entry *entry;    /* [n] owned */
    size_t n;
    bool dirty;
};

static entry *find(const ui_workspace *w, const char *key)
{
    for (size_t i = 0; i < w->n; i++)
        if (strcmp(w->entry[i].key, key) == 0)
            return &w->entry[i];
    return NULL;
}

static void empty(entry *e)
{
    for (size_t i = 0; i < e->n; i++)
        free(e->item[i]);
    free(e->item);
    e->item = NULL;
    e->n = 0;
}

/* NULL when memory is gone or there are absurdly many: then the setting is not remembered. */
static entry *make(ui_workspace *w, const char *key)
{
    entry *e = find(w, key);
    if (e || w->n >= MAX_ENTRIES)
        return e;
    e = realloc(w->entry, (w->n + 1) * sizeof *e);
    if (!e)
        return NULL;
    w->entry = e;
    char *copy = nb_strdup(key, NULL);
    if (!copy)
        return NULL;
    w->entry[w->n] = (entry){.key = copy};
    return &w->entry[w->n++];
}

static bool push(entry *e, const char *item)
{
    char **list = e->n < MAX_ENTRIES ? realloc(e->item, (e->n + 1) * sizeof *list) : NULL;
    if (!list)
        return false;
    e->item = list;
    char *copy = nb_strdup(item, NULL);
    if (!copy)
        return false;
    e->item[e->n++] = copy;
    return true;
}

/* e becomes the one text value, or stays as it was. */
static bool put(entry *e, const char *value)
{
    entry fresh = {.key = e->key};
    if (!push(&fresh, value)) {
        empty(&fresh);
        return false;
    }
    empty(e);
    *e = fresh;
    return true;
}

const char *ui_workspace_get(const ui_workspace *w, const char *key)
{
    const entry *e = find(w, key);
    return e && !e->many && e->n ? e->item[0] : NULL;
}

void ui_workspace_set(ui_workspace *w, const char *key, const char *value)
{
    const char *old = ui_workspace_get(w, key);
    entry *e = old && strcmp(old, value) == 0 ? NULL : make(w, key);
    if (e && put(e, value))
        w->dirty = true;
}

size_t ui_workspace_count(const ui_workspace *w, const char *key)
{
    const entry *e = find(w, key);
    return e && e->many ? e->n : 0;
}

const char *ui_workspace_item(const ui_workspace *w, const char *key, size_t i)
{
    const entry *e = find(w, key);
    return e && e->many && i < e->n ? e->item[i] : NULL;
}

void ui_workspace_clear(ui_workspace *w, const char *key)
{
    entry *e = make(w, key);
    if (!e)
        return;
    w->dirty = w->dirty || e->n || !e->many;
    empty(e);
    e->many = true;
}

void ui_workspace_add(ui_workspace *w, const char *key, const char *item)
{
    entry *e = make(w, key);
    if (!e)
        return;
    if (!e->many)
        empty(e);
    e->many = true;
    push(e, item);
    w->dirty = true;
}

bool ui_workspace_foreign(const ui_workspace *w)
{
    return w->lock < 0;
}

/* --- file ------------------------------------------------------------------------------------ */

/* False when it could not be remembered. */
static bool read_entry(ui_workspace *w, const nb_jval *v)
{
    const char *s;
    if (nb_jkind_of(v) != NB_JSTRING && nb_jkind_of(v) != NB_JARRAY)
        return true;
    entry *e = make(w, nb_jkey(v));
    if (!e)
        return false;
    if (nb_jstr(v, &s))
        return push(e, s);
    e->many = true;
    for (const nb_jval *x = nb_jfirst(v); x; x = nb_jnext(x))
        if (nb_jstr(x, &s) && !push(e, s))
            return false;
    return true;
}

static void give_up_lock(ui_workspace *w)
{
    if (w->lock >= 0)
        close(w->lock);
    w->lock = -1;
}

/* A file that is no workspace is set aside. One that could not be read for want of memory or by a
 * failing disk may well be sound: it stays, and this session keeps its changes in memory. */
static void refuse_file(ui_workspace *w, const nb_err *why, nb_err *err)
{
    char aside[1040];
    snprintf(aside, sizeof aside, "%.*sbad", (int)strlen(w->file) - 4, w->file);
    if (why->status != NB_FORMAT) {
        give_up_lock(w);
    } else if (!ui_workspace_foreign(w) && rename(w->file, aside) == 0) {
        nb_fail(err, NB_FORMAT, "%s; set aside as %s", why->msg, nb_path_base(aside));
        return;
    }
    if (err)
        *err = *why;
}

static void read_file(ui_workspace *w, nb_err *err)
{
    nb_json *doc;
    nb_err why = {0};
    if (!nb_exists(w->file))
        return;
    if (nb_json_load(&doc, w->file, FILE_LIMIT, &why) != NB_OK) {
        refuse_file(w, &why, err);
        return;
    }
    bool whole = true;
    for (const nb_jval *v = nb_jfirst(nb_json_root(doc)); v && whole; v = nb_jnext(v))
        whole = read_entry(w, v);
    nb_json_close(&doc);
    if (!whole) {
        nb_fail(&why, NB_NOMEM, "%s: no memory to remember all of it", w->file);
        refuse_file(w, &why, err);
    }
}

static void take_lock(ui_workspace *w, const char *dir, nb_err *err)
{
    char path[1040];
    if (nb_mkdirs(dir, err) != NB_OK)
        return;
    snprintf(path, sizeof path, "%s/workspace.lock", dir);
    do
        w->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    while (w->lock < 0 && errno == EINTR);
    if (w->lock < 0) {
        nb_fail_errno(err, errno, "lock", path);
        return;
    }
    if (flock(w->lock, LOCK_EX | LOCK_NB) == 0)
        return;
    if (errno == EWOULDBLOCK)
        nb_fail(err, NB_REFUSED, "another workbench is open: this one's layout is not kept");
    else
        nb_fail_errno(err, errno, "lock", path);
    give_up_lock(w);
}

nb_status ui_workspace_open(ui_workspace **out, const char *dir, nb_err *err)
{
    ui_workspace *w = nb_alloc(1, sizeof *w, "workspace", err);
    if (!w)
        return NB_NOMEM;
    w->lock = -1;
    if (dir && *dir && nb_path_join(w->file, sizeof w->file, dir, "workspace.json")) {
        take_lock(w, dir, err);
        read_file(w, err);
    }
    w->dirty = false;
    *out = w;
    return NB_OK;
}

static void write_entry(nb_jout *j, const entry *e)
{
    if (!e->many && !e->n)
        return;
    nb_jout_key(j, e->key);
    if (!e->many) {
        nb_jout_str(j, e->item[0]);
        return;
    }
    nb_jout_array(j);
    for (size_t i = 0; i < e->n; i++)
        nb_jout_str(j, e->item[i]);
    nb_jout_array_end(j);
}

nb_status ui_workspace_save(ui_workspace *w, nb_err *err)
{
    if (!w->dirty || ui_workspace_foreign(w))
        return NB_OK;
    nb_str text = {0};
    nb_jout j = nb_jout_make(&text);
    nb_jout_object(&j);
    for (size_t i = 0; i < w->n; i++)
        write_entry(&j, &w->entry[i]);
    nb_jout_object_end(&j);
    nb_str_add(&text, "\n");
    nb_status st = text.failed ? nb_fail(err, NB_NOMEM, "workspace: no memory")
                               : nb_replace_file(w->file, text.at, text.len, 0600, err);
    if (st == NB_OK)
        w->dirty = false;
    nb_str_free(&text);
    return st;
}

void ui_workspace_close(ui_workspace **pw)
{
    ui_workspace *w = *pw;
    if (!w)
        return;
    ui_workspace_save(w, NULL);
    give_up_lock(w);
    for (size_t i = 0; i < w->n; i++) {
        empty(&w->entry[i]);
        free(w->entry[i].key);
    }
    free(w->entry);
    free(w);
    *pw = NULL;
}
