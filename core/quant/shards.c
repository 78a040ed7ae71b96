#include "core/quant/shards.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/quant/run.h"

enum { PATH_CAP = 1200 };

struct nb_shards {
    size_t n;
    const nb_plan *plan; /* [n] borrowed */
    char path[PATH_CAP]; /* as given */
    nb_quantize_options opt;
    nb_run **run; /* [n] owned; NULL = not opened */
};

nb_status nb_shard_path(char *out, size_t cap, const char *path, size_t no, size_t count,
                        nb_err *err)
{
    size_t len = strlen(path);
    len -= len > 5 && strcmp(path + len - 5, ".gguf") == 0 ? 5 : 0;
    int n = snprintf(out, cap, "%.*s-%05zu-of-%05zu.gguf", (int)len, path, no, count);
    return n > 0 && (size_t)n < cap ? NB_OK : nb_fail(err, NB_USAGE, "%s: name is too long", path);
}

/* A run that was killed while it gave names left the journal but not the part. */
static bool has_landed(const char *path)
{
    char part[PATH_CAP], journal[PATH_CAP + sizeof ".journal"];
    int n = snprintf(part, sizeof part, "%s.part", path);
    if (n < 0 || (size_t)n >= sizeof part || !nb_exists(path) || nb_exists(part))
        return false;
    snprintf(journal, sizeof journal, "%s.journal", part);
    return nb_exists(journal);
}

/* What looks landed but is not what its journal says is somebody's, and in the way. */
static nb_status open_one(nb_shards *s, size_t i, bool landed, nb_err *err)
{
    char name[PATH_CAP];
    nb_err why = {.status = NB_OK};
    NB_TRY(nb_shard_path(name, sizeof name, s->path, i + 1, s->n, err));
    landed = landed && has_landed(name);
    nb_status st = nb_run_open_shard(&s->run[i], &s->plan[i], name, &s->opt, landed, &why);
    if (st == NB_REFUSED && landed && s->opt.force)
        return nb_run_open_shard(&s->run[i], &s->plan[i], name, &s->opt, false, err);
    if (st != NB_OK && err)
        *err = why;
    return st;
}

static void keep_all(nb_shards *s)
{
    for (size_t i = 0; i < s->n; i++)
        s->run[i]->keep = true;
}

/* The first shard is named last: as long as its part goes on, the others' names may be ours. */
static nb_status open_all(nb_shards *s, nb_err *err)
{
    bool any = false;
    for (size_t i = 0; i < s->n; i++) {
        NB_TRY(open_one(s, i, i > 0 && s->run[0]->resumed, err));
        any = any || s->run[i]->landed;
    }
    if (any)
        keep_all(s);
    return NB_OK;
}

nb_status nb_shards_open(nb_shards **out, const nb_plan *plan, size_t n, const char *path,
                         const nb_quantize_options *opt, nb_err *err)
{
    nb_shards *s = nb_alloc(1, sizeof *s, "shards", err);
    if (!s)
        return NB_NOMEM;
    s->n = n;
    s->plan = plan;
    s->opt = *opt;
    s->run = nb_alloc(n, sizeof *s->run, "shards", err);
    nb_status st = s->run ? NB_OK : NB_NOMEM;
    if (st == NB_OK && strlen(path) >= sizeof s->path)
        st = nb_fail(err, NB_USAGE, "%.200s...: name is too long", path);
    if (st == NB_OK) {
        snprintf(s->path, sizeof s->path, "%s", path);
        st = open_all(s, err);
    }
    if (st != NB_OK)
        nb_shards_close(&s);
    else
        *out = s;
    return st;
}

static nb_status go_one(nb_shards *s, size_t i, const nk_ops *ops, nb_lease *lease,
                        const nb_hooks *hooks, nb_err *err)
{
    nb_err why = {.status = NB_OK};
    nb_status st = nb_run_go(s->run[i], ops, lease, hooks, &why);
    if (st == NB_REFUSED && s->run[i]->landed && s->opt.force) {
        nb_run_close(&s->run[i]);
        NB_TRY(open_one(s, i, false, err));
        s->run[i]->keep = true;
        return nb_run_go(s->run[i], ops, lease, hooks, err);
    }
    if (st != NB_OK && err)
        *err = why;
    return st;
}

/* Journals first, then one rename after the other reaches the disk: the order holds after a power
 * cut too. */
static nb_status give_names(nb_shards *s, nb_err *err)
{
    for (size_t i = 0; i < s->n; i++)
        NB_TRY(nb_part_may_publish(s->run[i], err));
    for (size_t i = 0; i < s->n && s->n > 1; i++)
        NB_TRY(nb_journal_sync(s->run[i], err));
    keep_all(s);
    if (s->n > 1)
        NB_TRY(nb_remove_file(s->run[0]->path, err));
    for (size_t i = s->n; i-- > 0;)
        NB_TRY(nb_part_publish(s->run[i], err));
    for (size_t i = 0; i < s->n; i++)
        nb_part_done(s->run[i]);
    return NB_OK;
}

nb_status nb_shards_go(nb_shards *s, const nk_ops *ops, nb_lease *lease, const nb_hooks *hooks,
                       nb_err *err)
{
    nb_status st = NB_OK;
    for (size_t i = 0; i < s->n && st == NB_OK; i++)
        st = go_one(s, i, ops, lease, hooks, err);
    if (st == NB_OK)
        st = give_names(s, err);
    for (size_t i = 0; i < s->n && st != NB_OK; i++)
        if (s->run[i])
            nb_part_drop(s->run[i]);
    return st;
}

nb_run *nb_shards_run(const nb_shards *s, size_t i)
{
    return s->run[i];
}

void nb_shards_close(nb_shards **sp)
{
    nb_shards *s = *sp;
    if (!s)
        return;
    for (size_t i = 0; s->run && i < s->n; i++)
        nb_run_close(&s->run[i]);
    free(s->run);
    free(s);
    *sp = NULL;
}
