/* What others may see of a run, while it goes and after. */
#include <stdio.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/job.h"
#include "core/quant/run.h"

static void merge_tile_stats(nb_run *run)
{
    while (run->frontier < run->wave_end && run->slot_full[run->frontier - run->wave_first]) {
        nb_tile t = nb_run_tile(run, run->frontier);
        nb_cut *c = &run->cut[t.tensor];
        nb_tensor_report *r = &run->report[t.tensor];
        const nb_tile_sums *sums = &run->slot[run->frontier - run->wave_first];
        nb_stats_merge(&r->stats, &sums->stats);
        for (int k = 0; k < 2; k++)
            r->gain[k] += sums->gain[k];
        run->frontier++;
        if (++c->n_done == c->n_tiles) {
            r->done = true;
            run->n_done++;
            if (!run->kept[t.tensor])
                nb_journal_note(run, t.tensor);
        }
    }
}

void nb_run_merge(nb_run *run, uint64_t i, const nb_tile_sums *sums)
{
    nb_tile t = nb_run_tile(run, i);
    nb_tensor_report *r = &run->report[t.tensor];
    uint64_t n = t.rows * t.cols;
    pthread_mutex_lock(&run->lock);
    r->seconds += sums->seconds;
    run->slot[i - run->wave_first] = *sums;
    run->slot_full[i - run->wave_first] = true;
    run->current = t.tensor;
    run->weights_done += n;
    run->bytes_out += nb_tile_bytes(run, &t);
    run->type_seconds[r->plan->type->id] += sums->seconds;
    run->type_done[r->plan->type->id] += n;
    nb_flush_tell(run->flush, run->bytes_out);
    merge_tile_stats(run);
    pthread_mutex_unlock(&run->lock);
}

void nb_run_merge_kept(nb_run *run, uint64_t i, const nb_tile *t)
{
    uint64_t n = t->rows * t->cols;
    pthread_mutex_lock(&run->lock);
    run->slot[i - run->wave_first] = (nb_tile_sums){0};
    nb_stats_clear(&run->slot[i - run->wave_first].stats);
    run->slot_full[i - run->wave_first] = true;
    run->weights_done += n;
    run->weights_kept += n;
    run->bytes_out += nb_tile_bytes(run, t);
    merge_tile_stats(run);
    pthread_mutex_unlock(&run->lock);
}

bool nb_run_report(nb_run *run, size_t i, nb_tensor_report *out)
{
    if (i >= run->plan->n)
        return false;
    pthread_mutex_lock(&run->lock);
    *out = run->report[i];
    nb_hist *of[3] = {&out->before, &out->after, &out->error};
    for (size_t k = 0; k < 3; k++)
        nb_hist_trio_read(&run->looked[i], k, of[k]);
    pthread_mutex_unlock(&run->lock);
    return true;
}

/* Types differ tenfold in cost, so the rest is priced type by type. -1 until something is known. */
static double time_left(const nb_run *run, double elapsed)
{
    double spent = 0, done = 0, left = 0;
    for (size_t t = 0; t < NK_TYPE_SLOTS; t++) {
        spent += run->type_seconds[t];
        done += (double)run->type_done[t];
    }
    if (done <= 0 || spent <= 0 || elapsed <= 0)
        return -1;
    for (size_t t = 0; t < NK_TYPE_SLOTS; t++) {
        double price =
            run->type_done[t] ? run->type_seconds[t] / (double)run->type_done[t] : spent / done;
        left += price * (double)(run->type_all[t] - run->type_done[t]);
    }
    return left / (spent / elapsed); /* seconds of all threads / threads kept busy */
}

static void total_stats(const nb_run *run, nb_run_view *out)
{
    nb_stats_clear(&out->total);
    for (size_t i = 0; i < run->plan->n; i++) {
        const nb_tensor_report *r = &run->report[i];
        if (!r->done || r->plan->type->is_float)
            continue;
        nb_stats all = nb_stats_expand(&r->stats, r->plan->n);
        nb_stats_merge(&out->total, &all);
        out->measured += r->stats.n;
    }
}

void nb_run_look(nb_run *run, nb_run_view *out)
{
    const nb_plan *p = run->plan;
    pthread_mutex_lock(&run->lock);
    *out = (nb_run_view){
        .current = run->current,
        .n_done = run->n_done,
        .n = p->n,
        .n_kept = run->n_kept,
        .bytes_out = run->bytes_out,
        .bytes_total_in = p->source_bytes,
        .bytes_total_out = p->tensor_bytes,
        .bpw_final = p->bpw,
        .eta = -1,
        .figures = run->opt.figures,
        .finished = run->ended_at > 0,
        .status = run->status,
    };
    double now = run->ended_at > 0   ? run->ended_at
                 : run->asked_at > 0 ? run->asked_at
                                     : nb_seconds();
    double share = p->params ? (double)run->weights_done / (double)p->params : 1;
    out->bytes_in = (uint64_t)(share * (double)p->source_bytes);
    out->elapsed = run->started_at > 0 ? now - run->started_at - run->held : 0;
    if (run->weights_done) {
        out->bpw_now = 8.0 * (double)run->bytes_out / (double)run->weights_done;
        if (out->elapsed > 0)
            out->weights_per_s = (double)(run->weights_done - run->weights_kept) / out->elapsed;
    }
    out->eta = out->finished ? 0 : time_left(run, out->elapsed);
    total_stats(run, out);
    pthread_mutex_unlock(&run->lock);
}

/* The model's own name for a file: general.name, or the folder's, letters a path can hold. */
static void file_stem(char *out, size_t cap, const nb_weights *w)
{
    const char *s = NULL;
    size_t n = 0, k = 0;
    if (!nb_kvs_str(nb_weights_kvs(w), "general.name", &s, &n) || n == 0) {
        s = nb_path_base(nb_weights_path(w));
        n = strlen(s);
        if (n > 5 && strcmp(s + n - 5, ".gguf") == 0)
            n -= 5;
    }
    for (size_t i = 0; i < n && k + 1 < cap; i++) {
        char c = s[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '.' || c == '_' || c == '-';
        if (plain && !(c == '.' && k == 0))
            out[k++] = c;
        else if (k && out[k - 1] != '-')
            out[k++] = '-';
    }
    while (k && out[k - 1] == '-')
        k--;
    out[k] = '\0';
    if (!k)
        snprintf(out, cap, "model");
}

nb_status nb_output_name(char *out, size_t cap, const char *dir, const nb_weights *w,
                         const char *label, nb_err *err)
{
    char stem[128], name[200], path[4096];
    file_stem(stem, sizeof stem, w);
    for (unsigned i = 1; i < 10000; i++) {
        if (i == 1)
            snprintf(name, sizeof name, "%s-%s.gguf", stem, label);
        else
            snprintf(name, sizeof name, "%s-%s-%u.gguf", stem, label, i);
        if (!nb_path_join(path, sizeof path, dir, name) || strlen(path) >= cap)
            return nb_fail(err, NB_IO, "output path under %s is too long", dir);
        if (nb_exists(path) || nb_weights_is_source(w, path))
            continue;
        memcpy(out, path, strlen(path) + 1);
        return NB_OK;
    }
    return nb_fail(err, NB_REFUSED, "%s: every name like %s is taken", dir, name);
}
