/* A run as it goes: started as a job, polled for what its tensors say, and replayed at a pace one
 * can follow when it was over in a blink. */
#include "tui/screens/quantize.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"

static const double REPLAY_BELOW = 3.0;    /* s: a shorter run is replayed */
static const double REPLAY_RATE = 4.0;     /* tensors/s at least */
static const double REPLAY_MOST = 15.0;    /* s: more tensors go by faster */
static const double CHART_PAUSE = 0.1;     /* s between looks: charts move at 10 a second */
static const uint64_t COSTLY = 1ull << 30; /* bytes written that are asked about */

void ui_quantize_release(quantize_source **ps)
{
    quantize_source *s = *ps;
    *ps = NULL;
    if (!s || --s->users > 0)
        return;
    nb_weights_close(&s->weights);
    free(s);
}

void ui_quantize_drop_run(quantize *q)
{
    quantize_live *l = &q->live;
    if (l->set)
        nb_shards_close(&l->set);
    else
        nb_run_close(&l->run);
    if (l->shards) {
        nb_plans_free(&l->shards, l->n_shards);
        nb_plan_free(&l->whole);
    } else if (l->source) {
        nb_plan_free(&l->plan);
    }
    ui_quantize_release(&l->source);
    free(l->tensor);
    free(l->walk);
    *l = (quantize_live){0};
}

/* --- starting -------------------------------------------------------------------------------- */

static nb_status work(nb_job *job, void *arg, nb_err *err)
{
    quantize_live *l = arg;
    nb_lease *lease = NULL;
    nb_hooks hooks = nb_job_hooks(job);
    NB_TRY(nb_lease_take(&lease, l->sched, NB_WORK_QUANTIZE, l->threads, err));
    nb_status st = l->set ? nb_shards_go(l->set, l->ops, lease, &hooks, err)
                          : nb_run_go(l->run, l->ops, lease, &hooks, err);
    nb_lease_return(&lease);
    return st;
}

static void choose_walk(quantize_live *l)
{
    l->tensor = ui_xcalloc(l->plan.n + 1, sizeof *l->tensor);
    l->walk = ui_xcalloc(l->plan.n + 1, sizeof *l->walk);
    for (size_t i = 0; i < l->plan.n; i++)
        if (ui_quantize_is_quantized(&l->plan.tensor[i]))
            l->walk[l->n_walk++] = i;
    for (size_t i = 0; !l->n_walk && i < l->plan.n; i++)
        l->walk[i] = i;
    if (!ui_quantize_is_quantized(&l->plan.tensor[l->walk[0]]))
        l->n_walk = l->plan.n;
}

/* Shard i becomes what is looked at, a run like any other; what was seen of the one before goes. */
static void see_shard(quantize_live *l, size_t i)
{
    free(l->tensor);
    free(l->walk);
    l->n_seen = l->n_walk = l->at = 0;
    l->has_report = false;
    l->shard = i;
    l->plan = l->shards[i];
    l->run = nb_shards_run(l->set, i);
    choose_walk(l);
}

/* Of the set's names those that are there; *first: also that of the first shard. */
static nb_status count_taken(const quantize_live *l, size_t *taken, bool *first, nb_err *err)
{
    char one[1200];
    *taken = 0;
    for (size_t s = l->n_shards; s-- > 0;) {
        NB_TRY(nb_shard_path(one, sizeof one, l->base, s + 1, l->n_shards, err));
        *first = nb_exists(one);
        *taken += *first;
    }
    return NB_OK;
}

/* The workbench never overwrites: base is a name of which no file is there, "-2" added if need be.
 * But a set of ours whose naming was cut off has no first shard yet: that is gone on with. */
static nb_status open_split(quantize_live *l, const char *path, nb_err *err)
{
    size_t len = strlen(path) - (nb_has_suffix(path, ".gguf") ? 5 : 0), taken = 1;
    bool first = true;
    for (int i = 1; taken && i < 10000; i++) {
        char more[16] = "";
        if (i > 1)
            snprintf(more, sizeof more, "-%d", i);
        snprintf(l->base, sizeof l->base, "%.*s%s", (int)len, path, more);
        NB_TRY(count_taken(l, &taken, &first, err));
        if (taken && !first &&
            nb_shards_open(&l->set, l->shards, l->n_shards, l->base, &l->opt, NULL) == NB_OK)
            return NB_OK;
    }
    return nb_shards_open(&l->set, l->shards, l->n_shards, l->base, &l->opt, err);
}

static nb_status prepare(quantize *q, nb_err *err)
{
    quantize_live *l = &q->live;
    size_t n;
    NB_TRY(nb_mkdirs(ui_app_config(q->app)->data_dir, err));
    char dir[1200];
    snprintf(dir, sizeof dir, "%.*s", (int)(nb_path_base(q->output) - q->output), q->output);
    if (dir[0])
        NB_TRY(nb_mkdirs(dir, err));
    nb_plan plan;
    NB_TRY(nb_plan_make(&plan, &q->recipe, q->source->weights, q->requantize, err));
    l->source = q->source;
    l->source->users++;
    l->sched = ui_app_sched(q->app);
    l->ops = ui_app_ops(q->app);
    l->threads = q->threads;
    l->opt = (nb_quantize_options){
        .method = nb_methods(&n)[q->method], .knobs = q->knobs, .figures = NB_FIGURES_SAMPLE};
    if (!q->recipe.keep_split) {
        l->plan = plan;
        snprintf(l->out, sizeof l->out, "%s", q->output);
        NB_TRY(nb_run_open(&l->run, &l->plan, l->out, &l->opt, err));
        choose_walk(l);
        return NB_OK;
    }
    nb_status st = nb_plan_shards(&l->shards, &l->n_shards, &plan, err);
    if (st != NB_OK) {
        l->plan = plan; /* freed with the run */
        return st;
    }
    l->whole = plan;
    NB_TRY(open_split(l, q->output, err));
    NB_TRY(nb_shard_path(l->out, sizeof l->out, l->base, 1, l->n_shards, err));
    see_shard(l, 0);
    return NB_OK;
}

static void fail(quantize *q, const nb_err *err)
{
    ui_app_error(q->app, err->msg, "nothing was written",
                 err->status == NB_NOSPACE ? "free some space, then Ctrl-R"
                                           : "change the recipe or the output, then Ctrl-R");
}

static void start(void *arg, bool yes)
{
    quantize *q = arg;
    nb_err err = {0};
    char label[160];
    if (!yes || q->live.state == QUANTIZE_RUNNING || !q->planned)
        return;
    ui_quantize_drop_run(q);
    if (prepare(q, &err) != NB_OK) {
        ui_quantize_drop_run(q);
        fail(q, &err);
        return;
    }
    snprintf(label, sizeof label, "%s %s", q->recipe.preset->name, q->source->name);
    if (ui_app_job(q->app, &q->live.job, UI_QUANTIZE, "quantize", label, work, &q->live, &err) !=
        NB_OK) {
        ui_quantize_drop_run(q);
        fail(q, &err);
        return;
    }
    q->live.state = QUANTIZE_RUNNING;
    q->live.follow = true;
    q->table = false;
}

/* From the last run's speed on this machine; 0 = none yet. The types differ in cost, so it is an
 * estimate only. */
static double estimate(quantize *q)
{
    const char *kept = ui_workspace_get(ui_app_workspace(q->app), "quantize.speed");
    uint64_t rate;
    if (!kept || !nb_parse_u64(kept, &rate) || !rate)
        return 0;
    return (double)q->plan.params / (double)rate;
}

static void remember_speed(quantize *q)
{
    char text[32];
    double rate = q->live.view.weights_per_s;
    if (!(rate >= 1) || !(rate < 1e15) || ui_app_scripted(q->app))
        return;
    snprintf(text, sizeof text, "%" PRIu64, (uint64_t)rate);
    ui_workspace_set(ui_app_workspace(q->app), "quantize.speed", text);
}

void ui_quantize_start(quantize *q)
{
    char question[320], name[160], size[16], room[16], took[40] = "", time[16];
    if (q->live.state == QUANTIZE_RUNNING) {
        ui_app_say(q->app, "a quantize runs already: x cancels it");
        return;
    }
    if (ui_app_read_only(q->app)) {
        ui_app_say(q->app, "started with --read-only: nothing is written");
        return;
    }
    if (!q->planned) {
        ui_app_say(q->app, "%s", q->source ? q->plan_err.msg : "choose a model first: Q in Models");
        return;
    }
    double seconds = estimate(q);
    if (q->plan.file_bytes <= COSTLY && seconds <= UI_PARTS_LONG) {
        start(q, true);
        return;
    }
    if (seconds > 0)
        snprintf(took, sizeof took, ", about %s", nb_human_time(time, seconds));
    snprintf(question, sizeof question, "Write %s (%s, %s free%s)?",
             nb_short(name, sizeof name, nb_path_base(q->output)),
             nb_human_bytes(size, q->plan.file_bytes), nb_human_bytes(room, q->disk_free), took);
    ui_app_confirm(q->app, question, start, q);
}

/* --- following ------------------------------------------------------------------------------- */

static void look_at(quantize_live *l, size_t i)
{
    l->has_report = nb_run_report(l->run, l->walk[i], &l->report);
}

/* Keeps each finished tensor's sums; its histograms stay in the run. */
static void collect(quantize_live *l)
{
    nb_run_look(l->run, &l->view);
    for (size_t i = 0; i < l->plan.n && l->n_seen < l->view.n_done; i++) {
        nb_tensor_report r;
        quantize_tensor *t = &l->tensor[i];
        if (t->done || !nb_run_report(l->run, i, &r) || !r.done)
            continue;
        *t = (quantize_tensor){.done = true,
                               .rel = nb_stats_rel_rmse(&r.stats),
                               .sqnr = nb_stats_sqnr_db(&r.stats),
                               .stats = r.stats};
        l->n_seen++;
    }
}

static void follow_current(quantize_live *l)
{
    for (size_t i = 0; i < l->n_walk; i++)
        if (l->walk[i] <= l->view.current)
            l->at = i;
}

static void end_replay(quantize *q)
{
    q->live.replay = false;
    if (!q->after_chat)
        return;
    const char *paths[] = {q->live.source->path, q->live.out, NULL};
    ui_app_show(q->app, UI_CHAT, paths, NULL);
}

double ui_quantize_replay_rate(const quantize *q)
{
    double whole = (double)q->live.n_walk / REPLAY_MOST;
    return whole > REPLAY_RATE ? whole : REPLAY_RATE;
}

static void replay(quantize *q, double now)
{
    quantize_live *l = &q->live;
    if (l->replay_from < 0)
        l->replay_from = now;
    double at = (now - l->replay_from) * ui_quantize_replay_rate(q);
    if (at >= (double)l->n_walk) {
        end_replay(q);
        return;
    }
    l->at = (size_t)at;
}

double ui_quantize_follow(quantize *q, double now)
{
    quantize_live *l = &q->live;
    if (!l->run)
        return -1;
    if (now - l->drawn >= CHART_PAUSE || l->state != QUANTIZE_RUNNING) {
        collect(l);
        if (l->view.finished && l->state == QUANTIZE_RUNNING && l->shard + 1 < l->n_shards) {
            see_shard(l, l->shard + 1);
            collect(l);
        }
        if (l->state == QUANTIZE_RUNNING && l->follow)
            follow_current(l);
        if (l->replay)
            replay(q, now);
        look_at(l, l->at);
        l->drawn = now;
    }
    return l->state == QUANTIZE_RUNNING ? CHART_PAUSE
           : l->replay                  ? 1 / ui_quantize_replay_rate(q)
                                        : -1;
}

void ui_quantize_walk_to(quantize *q, size_t walk)
{
    quantize_live *l = &q->live;
    if (!l->run)
        return;
    l->follow = l->replay = false;
    l->at = walk < l->n_walk ? walk : l->at;
    look_at(l, l->at);
}

void ui_quantize_walk(quantize *q, int step)
{
    size_t at = q->live.at;
    ui_quantize_walk_to(q, step > 0 ? at + 1 : at ? at - 1 : 0);
}

void ui_quantize_finished(quantize *q, const nb_event *e)
{
    quantize_live *l = &q->live;
    l->job = NULL;
    l->err = e->err;
    if (e->err.status == NB_CANCELED) {
        ui_quantize_drop_run(q);
        ui_app_say(q->app, "cancelled; nothing was left on disk");
        return;
    }
    if (l->err.status != NB_OK) {
        nb_err err = l->err;
        l->state = QUANTIZE_FAILED;
        if (l->run)
            collect(l);
        else
            ui_quantize_drop_run(q);
        fail(q, &err);
        return;
    }
    l->state = QUANTIZE_DONE;
    if (l->set && l->shard + 1 < l->n_shards)
        see_shard(l, l->n_shards - 1); /* over before all could be looked at */
    collect(l);
    remember_speed(q);
    ui_app_log(q->app, "quantized %s to %s", l->source->path, l->out);
    bool quick = ui_app_scripted(q->app) || l->view.elapsed < REPLAY_BELOW;
    l->replay = quick && l->n_walk > 1; /* a script's screens do not depend on the machine */
    l->replay_from = -1;
    ui_app_rescan(q->app);
    ui_quantize_plan(q); /* the name is taken now: the next one gets -2 */
    if (!l->replay)
        end_replay(q);
}

static void merge_expanded(nb_stats *into, const nb_stats *s, uint64_t n)
{
    nb_stats all = nb_stats_expand(s, n);
    nb_stats_merge(into, &all);
}

void ui_quantize_so_far(const quantize *q, nb_stats *out, uint64_t *bytes, size_t *done)
{
    const quantize_live *l = &q->live;
    size_t last = l->replay && l->n_walk ? l->walk[l->at] : l->plan.n;
    nb_stats_clear(out);
    *bytes = 0;
    *done = 0;
    for (size_t i = 0; i < l->plan.n && i <= last; i++) {
        if (!l->tensor[i].done)
            continue;
        ++*done;
        *bytes += l->plan.tensor[i].nbytes;
        if (ui_quantize_is_quantized(&l->plan.tensor[i]))
            merge_expanded(out, &l->tensor[i].stats, l->plan.tensor[i].n);
    }
}
