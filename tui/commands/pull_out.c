#include "tui/commands/pull.h"

#include <stdio.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/job.h"

static const double DRAW_EVERY = .1; /* s */

static void say(const ui_pull *p, const char *text)
{
    nb_str safe = {0};
    if (p->ctx->quiet)
        return;
    nb_safe_text(&safe, text, strlen(text), NB_SAFE_ONE_LINE);
    fprintf(stderr, "nibble: %s\n", nb_str_c(&safe));
    nb_str_free(&safe);
}

static void print_line(const char *text)
{
    ui_print_safe(text, strlen(text));
    putchar('\n');
}

/* --- progress ----------------------------------------------------------------------------------
 */

void ui_pull_count(ui_pull_sum *s, const dl_item *x)
{
    uint64_t size = x->size == UINT64_MAX ? x->view.have : x->size;
    bool done = x->state == DL_DONE;
    s->done += done;
    s->bytes += size;
    s->have += done ? size : x->view.have;
    if (x->state != DL_RUNNING)
        return;
    s->rate += x->view.rate;
    if (s->current[0])
        return;
    snprintf(s->current, sizeof s->current, "%s", nb_path_base(x->path));
    snprintf(s->note, sizeof s->note, "%s", x->view.note);
}

static void draw_line(ui_pull *p, const ui_pull_sum *s)
{
    char have[16], all[16], rate[16], left[16], count[64] = "";
    nb_str line = {0}, safe = {0};
    int percent = s->bytes ? (int)(100 * ((double)s->have / (double)s->bytes)) : 0;
    double eta = s->rate > 0 ? (double)(s->bytes - s->have) / s->rate : -1;
    if (s->n > 1)
        snprintf(count, sizeof count, "  %zu of %zu files", s->done, s->n);
    nb_safe_text(&safe, s->current, strlen(s->current), NB_SAFE_ONE_LINE);
    nb_str_addf(&line, "%3d%%  %.40s  %s of %s%s  %s/s  ", percent, nb_str_c(&safe),
                nb_human_bytes(have, s->have), nb_human_bytes(all, s->bytes), count,
                nb_human_bytes(rate, (uint64_t)s->rate));
    nb_str_addf(&line, eta >= 0 ? "%s left" : "%s",
                eta >= 0 ? nb_human_time(left, eta) : "stalled");
    nb_str_clear(&safe);
    nb_safe_text(&safe, s->note, strlen(s->note), NB_SAFE_ONE_LINE);
    if (s->note[0])
        nb_str_addf(&line, "  %.60s", nb_str_c(&safe));
    fprintf(stderr, "\r\033[K%s", nb_str_c(&line));
    fflush(stderr);
    nb_str_free(&line);
    nb_str_free(&safe);
    p->shown = true;
}

void ui_pull_draw(ui_pull *p, const ui_pull_sum *s)
{
    double now = nb_now();
    if (p->ctx->quiet || now - p->drawn < DRAW_EVERY)
        return;
    p->drawn = now;
    if (p->ctx->err_tty && now - p->started > .15) {
        draw_line(p, s);
        return;
    }
    /* "waiting for pid 12", "rate limited, resumes in 9 s": the kind counts, not the seconds. */
    size_t kind = strcspn(s->note, "0123456789");
    if (!p->ctx->err_tty && s->note[0] && strncmp(p->note, s->note, kind) != 0)
        say(p, s->note);
    memcpy(p->note, s->note, sizeof p->note);
}

void ui_pull_undraw(ui_pull *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
    p->shown = false;
}

void ui_pull_remark(const ui_pull *p, const ui_wish *w)
{
    char text[800];
    if (w->repo.model.gated && !dl_net_env(p->net)->token[0]) {
        snprintf(text, sizeof text,
                 "%s is gated: it needs a token of an account that accepted its terms",
                 w->repo.model.id);
        say(p, text);
    }
    if (w->mmproj) {
        snprintf(text, sizeof text, "%s also has %s, for images: %s:%s", w->repo.model.id,
                 w->mmproj->name, w->repo.model.id, w->mmproj->name);
        say(p, text);
    }
}

nb_status ui_pull_canceled(ui_pull *p, nb_err *err)
{
    char kept[16];
    ui_pull_sum s = {0};
    for (size_t i = 0; dl_queue_look(p->queue, i, p->item); i++)
        ui_pull_count(&s, p->item);
    return nb_fail(err, NB_CANCELED, "cancelled: %s are kept, the same command goes on with them",
                   nb_human_bytes(kept, s.have));
}

/* --- what was fetched --------------------------------------------------------------------------
 */

static bool same_wish(const ui_wish *w, const dl_item *x)
{
    return strcmp(w->repo.model.id, x->repo) == 0 && strcmp(w->repo.commit, x->commit) == 0;
}

/* The queue's item of file i of the wish, in p->item. */
static bool item_of(ui_pull *p, const ui_wish *w, size_t i)
{
    const char *path = w->repo.file[w->choice->file[i]].path;
    for (size_t k = 0; p->queue && dl_queue_look(p->queue, k, p->item); k++)
        if (same_wish(w, p->item) && strcmp(p->item->path, path) == 0)
            return true;
    return false;
}

static bool folder_of(const ui_pull *p, const ui_wish *w, char *out, size_t cap)
{
    char dir[1100];
    return dl_cache_repo_dir(&p->cache, w->repo.model.id, dir, sizeof dir) &&
           snprintf(out, cap, "%s/snapshots/%s", dir, w->repo.commit) < (int)cap;
}

void ui_pull_paths(ui_pull *p)
{
    char folder[1200];
    for (size_t i = 0; i < p->n; i++) {
        const ui_wish *w = &p->wish[i];
        if (w->choice->kind == DL_CHOICE_CHECKPOINT) {
            if (folder_of(p, w, folder, sizeof folder))
                print_line(folder);
            continue;
        }
        for (size_t k = 0; k < w->choice->n_file; k++)
            if (item_of(p, w, k))
                print_line(p->item->landed);
    }
}

/* One file as it is now: fetched, found, or missing. */
typedef struct file_now {
    const char *path, *oid, *landed; /* landed NULL = not there */
    uint64_t bytes;
    bool cached;
} file_now;

static void json_file(nb_jout *w, const file_now *f)
{
    nb_jout_object(w);
    nb_jout_key(w, "path"), nb_jout_str(w, f->path);
    nb_jout_key(w, "bytes"), nb_jout_u64(w, f->bytes);
    nb_jout_key(w, "oid"), nb_jout_str(w, f->oid);
    nb_jout_key(w, "sha256");
    if (strlen(f->oid) == 64)
        nb_jout_str(w, f->oid);
    else
        nb_jout_null(w);
    nb_jout_key(w, "cached"), nb_jout_bool(w, f->cached);
    nb_jout_key(w, "landed");
    if (f->landed)
        nb_jout_str(w, f->landed);
    else
        nb_jout_null(w);
    nb_jout_object_end(w);
}

static void json_wish(nb_jout *w, const ui_wish *wish)
{
    nb_jout_key(w, "repo"), nb_jout_str(w, wish->repo.model.id);
    nb_jout_key(w, "revision"), nb_jout_str(w, wish->name.revision);
    nb_jout_key(w, "commit"), nb_jout_str(w, wish->repo.commit);
    nb_jout_key(w, "name"), nb_jout_str(w, wish->choice->name);
}

static nb_status json_end(nb_jout *w, nb_str *text, nb_err *err)
{
    nb_jout_object_end(w);
    nb_status st = text->failed ? nb_fail(err, NB_NOMEM, "no memory for the output") : NB_OK;
    if (st == NB_OK)
        puts(nb_str_c(text));
    nb_str_free(text);
    return st;
}

nb_status ui_pull_json(ui_pull *p, nb_err *err)
{
    nb_str text = {0};
    nb_jout w = nb_jout_make(&text);
    uint64_t all = 0;
    nb_jout_object(&w);
    nb_jout_key(&w, "pulled"), nb_jout_array(&w);
    for (size_t i = 0; i < p->n; i++) {
        const ui_wish *wish = &p->wish[i];
        uint64_t bytes = 0;
        nb_jout_object(&w);
        json_wish(&w, wish);
        nb_jout_key(&w, "files"), nb_jout_array(&w);
        for (size_t k = 0; k < wish->choice->n_file; k++) {
            if (!item_of(p, wish, k))
                continue;
            const dl_item *x = p->item;
            json_file(&w, &(file_now){.path = x->path,
                                      .oid = x->oid,
                                      .landed = x->landed,
                                      .bytes = x->size,
                                      .cached = x->view.received == 0});
            bytes += x->size;
        }
        nb_jout_array_end(&w);
        nb_jout_key(&w, "bytes"), nb_jout_u64(&w, bytes);
        nb_jout_object_end(&w);
        all += bytes;
    }
    nb_jout_array_end(&w);
    nb_jout_key(&w, "bytes"), nb_jout_u64(&w, all);
    nb_jout_key(&w, "seconds"), nb_jout_double(&w, nb_now() - p->started);
    return json_end(&w, &text, err);
}

/* --- a dry run ---------------------------------------------------------------------------------
 */

/* Where the file is; path holds the name meanwhile. */
static file_now find_now(const ui_pull *p, const ui_wish *w, size_t i, char *path, size_t cap)
{
    const dl_file *f = &w->repo.file[w->choice->file[i]];
    file_now now = {.path = f->path, .oid = f->oid, .bytes = f->size};
    now.cached =
        dl_cache_find(&p->cache, w->repo.model.id, w->repo.commit, f->path, f->size, path, cap);
    if (now.cached)
        now.landed = path;
    now.cached = now.cached ||
                 (f->oid[0] && dl_cache_has_blob(&p->cache, w->repo.model.id, f->oid, f->size));
    return now;
}

static void print_now(const file_now *f)
{
    char size[16], line[1300];
    snprintf(line, sizeof line, "%10s  %s  %s", nb_human_bytes(size, f->bytes),
             f->cached ? "there" : "fetch", f->path);
    print_line(line);
}

static void dry_wish(ui_pull *p, const ui_wish *wish, nb_jout *w, uint64_t *all, uint64_t *missing)
{
    char path[1200], folder[1200] = "";
    uint64_t bytes = 0;
    if (p->ctx->json) {
        nb_jout_object(w);
        json_wish(w, wish);
        nb_jout_key(w, "files"), nb_jout_array(w);
    }
    for (size_t k = 0; k < wish->choice->n_file; k++) {
        file_now f = find_now(p, wish, k, path, sizeof path);
        bytes += f.bytes;
        *missing += f.cached ? 0 : f.bytes;
        if (p->ctx->json)
            json_file(w, &f);
        else
            print_now(&f);
    }
    *all += bytes;
    if (p->ctx->json) {
        nb_jout_array_end(w);
        nb_jout_key(w, "bytes"), nb_jout_u64(w, bytes);
        nb_jout_object_end(w);
    } else if (folder_of(p, wish, folder, sizeof folder)) {
        printf("would land in ");
        print_line(folder);
    }
}

nb_status ui_pull_dry(ui_pull *p, nb_err *err)
{
    nb_str text = {0};
    nb_jout w = nb_jout_make(&text);
    uint64_t all = 0, missing = 0, room = 0;
    char a[16], m[16], f[16];
    NB_TRY(nb_free_space(p->cache.hub, &room, err));
    nb_jout_object(&w);
    nb_jout_key(&w, "pulled"), nb_jout_array(&w);
    for (size_t i = 0; i < p->n; i++)
        dry_wish(p, &p->wish[i], &w, &all, &missing);
    nb_jout_array_end(&w);
    if (!p->ctx->json) {
        printf("%s in all, %s to fetch, %s free%s\n", nb_human_bytes(a, all),
               nb_human_bytes(m, missing), nb_human_bytes(f, room),
               missing > room ? ": does not fit" : "");
        nb_str_free(&text);
        return NB_OK;
    }
    nb_jout_key(&w, "bytes"), nb_jout_u64(&w, all);
    nb_jout_key(&w, "missing"), nb_jout_u64(&w, missing);
    nb_jout_key(&w, "free"), nb_jout_u64(&w, room);
    return json_end(&w, &text, err);
}
