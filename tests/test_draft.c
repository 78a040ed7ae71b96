/* Answers with guesses are those without: token for token, for greedy choice and for any seed. */
#include "tests/arch_rows.h"
#include "tests/check.h"
#include "tests/run_child.h"
#include "tests/stage.h"
#include "tests/util.h"

#include "core/base/str.h"
#include "core/model/chat.h"
#include "core/model/draft.h"
#include "kernels/cpu.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MADE = 40, PROMPT = 12, CTX = 64 };

typedef struct rig {
    nb_weights *weights;
    nb_model *model;
    nb_session *session;
    nk_ops ops;
} rig;

static void rig_open(rig *r, const char *path)
{
    nb_err err = {0};
    const nb_session_options opt = {.n_ctx = CTX};
    *r = (rig){0};
    nk_ops_init(&r->ops, nk_cpu_detect());
    check(nb_weights_open(&r->weights, path, &err) == NB_OK &&
              nb_model_open(&r->model, r->weights, &err) == NB_OK &&
              nb_session_open(&r->session, r->model, &r->ops, NULL, &opt, &err) == NB_OK,
          "%s", err.msg);
}

static void rig_close(rig *r)
{
    nb_session_close(&r->session);
    nb_model_close(&r->model);
    nb_weights_close(&r->weights);
}

static int32_t pick(nb_session *s, nb_sampler *smp)
{
    nb_choice c;
    nb_err err;
    size_t n;
    const int32_t *ids = nb_session_tokens(s, &n);
    check(nb_sampler_pick(smp, nb_session_logits(s), ids, n, &c, &err) == NB_OK, "%s", err.msg);
    return c.id;
}

typedef struct tally {
    size_t drafted, right, passes;
} tally;

/* Guesses from an answer that is known, many of them wrong. */
static size_t guess_known(const int32_t *known, size_t made, int32_t *out)
{
    size_t count = made % 5;
    for (size_t i = 0; i < count; i++)
        out[i] = made + i < MADE && (made + i) % 4 ? known[made + i] : 1;
    return count;
}

/* MADE tokens behind what the session holds, as answer.c makes them. d NULL: guessed from known. */
static void make_drafted(nb_session *s, nb_draft *d, const int32_t *known, nb_sampler *smp,
                         int32_t *out, tally *sum)
{
    nb_err err = {0};
    int32_t ids[NB_MAX_TRY];
    bool more = false;
    for (size_t made = 0; made < MADE;) {
        size_t n, count = 0, right = 0;
        const int32_t *text = nb_session_tokens(s, &n);
        if (!more)
            out[made++] = pick(s, smp);
        more = false;
        ids[0] = out[made - 1];
        if (d)
            check(nb_draft_next(d, text, n, ids[0], smp, ids + 1, NB_MAX_TRY - 1, &count, NULL,
                                &err) == NB_OK,
                  "%s", err.msg);
        else
            count = guess_known(known, made, ids + 1);
        check(nb_session_try(s, ids, count + 1, NULL, &err) == NB_OK, "%s", err.msg);
        sum->passes++;
        nb_session_keep(s, 1);
        while (right < count && made < MADE && !more) {
            out[made++] = pick(s, smp);
            more = out[made - 1] != ids[right + 1];
            if (!more)
                nb_session_keep(s, ++right + 1);
        }
        sum->drafted += count;
        sum->right += right;
        if (d)
            nb_draft_judge(d, count, right);
    }
}

static void feed_prompt(nb_session *s, const nb_model *m, size_t n)
{
    nb_err err = {0};
    int32_t ids[PROMPT];
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)((7 + 5 * (i % 4)) % m->hp.n_vocab); /* repeats itself */
    nb_session_reset(s);
    check(nb_session_feed(s, ids, n, NULL, NULL, &err) == NB_OK, "%s", err.msg);
}

static void make_alone(nb_session *s, nb_sampler *smp, int32_t *out)
{
    nb_choice c;
    nb_err err = {0};
    for (size_t i = 0; i < MADE; i++) {
        check(nb_session_next(s, smp, &c, NULL, &err) == NB_OK, "%s", err.msg);
        out[i] = c.id;
    }
}

static void check_same(const char *label, rig *r, nb_session *by, const nb_sampling *set,
                       tally *sum)
{
    int32_t alone[MADE], drafted[MADE];
    nb_sampler *smp = NULL;
    nb_draft *d = NULL;
    nb_err err = {0};
    check(nb_sampler_open(&smp, set, r->model->hp.n_vocab, &err) == NB_OK, "%s", err.msg);
    if (by)
        check(nb_draft_open(&d, by, 0.1, 0.2, CTX, &err) == NB_OK, "%s", err.msg);
    feed_prompt(r->session, r->model, PROMPT);
    make_alone(r->session, smp, alone);
    nb_sampler_reset(smp, set);
    feed_prompt(r->session, r->model, PROMPT);
    make_drafted(r->session, d, alone, smp, drafted, sum);
    for (size_t i = 0; i < MADE; i++)
        check(alone[i] == drafted[i], "%s, %s, temp %g: token %zu is %d alone, %d with guesses",
              label, by ? "model" : "known", (double)set->temp, i, alone[i], drafted[i]);
    nb_draft_close(&d);
    nb_sampler_close(&smp);
}

CHECK_TEST(draft, a_column_costs_least_where_weights_are_read_once_for_a_few)
{
    static const nk_type_id type[6] = {NK_Q8_0, NK_F32, NK_Q8_0, NK_Q8_0, NK_Q8_0, NK_F32};
    static const unsigned flags[6] = {NK_CPU_AVX512, NK_CPU_AVX512, NK_CPU_AVXVNNI, NK_CPU_AVX2};
    const arch_row *row;
    double cost[6] = {0};
    for (size_t i = arch_rows(&row) ? 0 : 6; i < 6; i++) { /* the last two: no few, pairs */
        rig r;
        arch_row_write(test_path(test_tmpdir(), "c"), &row[0], type[i]);
        rig_open(&r, test_path(test_tmpdir(), "c"));
        memset(r.ops.few, i != 4, sizeof r.ops.few); /* there or not, never called */
        memset(&r.ops.pairs[NK_F32].run, i == 5, sizeof r.ops.pairs[0].run);
        r.ops.flags = flags[i];
        cost[i] = nb_draft_column_cost(r.model, &r.ops);
        rig_close(&r);
    }
    for (size_t i = 1; i < 6; i++)
        check(i < 5 ? cost[i - 1] < cost[i] : fabs(cost[4] - cost[5]) < 1e-9, "%zu: %g, %g", i,
              cost[i - 1], cost[i]);
}

CHECK_TEST(draft, tokens_are_the_same_for_every_architecture_tui_13)
{
    const arch_row *row;
    size_t n = arch_rows(&row);
    tally known = {0}, model = {0};
    nb_sampling set[2] = {nb_sampling_greedy(), nb_sampling_default()};
    set[1].seed = 5;
    set[1].repeat_penalty = 1.1F;
    for (size_t i = 0; i < n; i++) {
        rig full, low;
        const char *path = test_path(test_tmpdir(), "full.gguf");
        const char *small = test_path(test_tmpdir(), "low.gguf");
        arch_row_write(path, &row[i], NK_F32);
        arch_row_write(small, &row[i], NK_Q8_0);
        rig_open(&full, path);
        rig_open(&low, small);
        for (size_t k = 0; k < countof(set); k++) {
            check_same(row[i].label, &full, NULL, &set[k], &known);
            check_same(row[i].label, &full, low.session, &set[k], &model);
        }
        rig_close(&full);
        rig_close(&low);
    }
    check(model.right * 2 > model.drafted && known.right * 3 > known.drafted,
          "%zu of %zu, %zu of %zu right", model.right, model.drafted, known.right, known.drafted);
    check(model.passes < 2 * n * MADE, "%zu passes for %zu tokens", model.passes, 2 * n * MADE);
}

/* The second token of many answers, each checked against a guess, is distributed as the model's own
 * probabilities say. The bound is chi-square's 99.9 % point for that many cells (Wilson, Hilferty
 * 1931); seeds are fixed, so the outcome is. */
CHECK_TEST(draft, guesses_leave_the_distribution_as_it_is)
{
    enum { DRAWS = 4000, LEAST = 20 };
    const arch_row *row;
    rig full, low;
    nb_err err = {0};
    nb_draft *d = NULL;
    nb_sampler *smp = NULL;
    nb_sampling set = nb_sampling_default();
    set.top_k = 0, set.top_p = 1, set.min_p = 0, set.temp = 1;
    size_t drafted = 0, right = 0, cells = 0;
    check(arch_rows(&row) > 0, "no architectures");
    const char *path = test_path(test_tmpdir(), "f.gguf"), *small = test_path(test_tmpdir(), "l");
    arch_row_write(path, &row[0], NK_F32);
    arch_row_write(small, &row[0], NK_Q8_0);
    rig_open(&full, path);
    rig_open(&low, small);
    uint32_t n_vocab = full.model->hp.n_vocab;
    unsigned *seen = calloc(n_vocab, sizeof *seen);
    double *p = calloc(n_vocab, sizeof *p), sum = 0, rare = 0, rare_seen = 0, chi = 0;
    check(nb_sampler_open(&smp, &set, n_vocab, &err) == NB_OK &&
              nb_draft_open(&d, low.session, 0.1, 0.2, CTX, &err) == NB_OK,
          "%s", err.msg);
    for (int i = 0; i < DRAWS; i++) {
        size_t count, n;
        int32_t ids[2] = {3};
        set.seed = (uint64_t)i;
        nb_sampler_reset(smp, &set);
        nb_draft_reset(d);
        feed_prompt(full.session, full.model, 5);
        const int32_t *text = nb_session_tokens(full.session, &n);
        check(nb_draft_next(d, text, n, 3, smp, ids + 1, 1, &count, NULL, &err) == NB_OK &&
                  nb_session_try(full.session, ids, count + 1, NULL, &err) == NB_OK,
              "%s", err.msg);
        nb_session_keep(full.session, 1);
        for (uint32_t k = 0; i == 0 && k < n_vocab; k++)
            sum += p[k] = exp((double)nb_session_logits(full.session)[k]);
        int32_t id = pick(full.session, smp);
        seen[id]++;
        drafted += count;
        right += count && id == ids[1];
    }
    for (uint32_t k = 0; k < n_vocab; k++) {
        double expected = p[k] / sum * DRAWS, off = seen[k] - expected;
        rare += expected < LEAST ? expected : 0;
        rare_seen += expected < LEAST ? seen[k] : 0;
        chi += expected < LEAST ? 0 : off * off / expected;
        cells += expected >= LEAST;
    }
    chi += rare > 0 ? (rare_seen - rare) * (rare_seen - rare) / rare : 0;
    double df = (double)cells, cube = 1 - 2 / (9 * df) + 3.09 * sqrt(2 / (9 * df));
    check(cells >= 8 && chi < df * cube * cube * cube, "chi-square %g with %zu cells", chi, cells);
    check(drafted == DRAWS && right > DRAWS / 2 && right < DRAWS, "%zu of %zu right", right,
          drafted);
    free(seen);
    free(p);
    nb_draft_close(&d);
    nb_sampler_close(&smp);
    rig_close(&full);
    rig_close(&low);
}

CHECK_TEST(draft, lookup_goes_on_as_the_text_did)
{
    static const struct {
        int32_t ids[12], last, next;
        size_t n, count;
    } row[] = {
        {{1, 2, 3, 9, 8, 1, 2}, 3, 9, 7, 1},                 /* what followed */
        {{1, 2, 3, 9, 1, 2, 3, 7, 1, 2}, 3, 7, 10, 1},       /* the latest of equals */
        {{0, 1, 2, 3, 9, 5, 1, 2, 3, 7, 0, 1}, 2, 3, 12, 1}, /* the longest */
        {{4, 4, 4, 4}, 4, 4, 4, 1},                          /* repeats itself */
        {{1, 2, 3, 4, 5, 6, 7}, 8, 0, 7, 0},                 /* nothing alike */
        {{5, 2, 3, 9, 6, 2}, 3, 0, 6, 0},                    /* two alike are no evidence */
        {{0}, 3, 0, 0, 0},
    };
    nb_sampler *smp = NULL;
    nb_draft *d = NULL;
    nb_err err = {0};
    const nb_sampling greedy = nb_sampling_greedy();
    check(nb_sampler_open(&smp, &greedy, 16, &err) == NB_OK &&
              nb_draft_open(&d, NULL, 0, 0.2, CTX, &err) == NB_OK,
          "%s", err.msg);
    for (size_t i = 0; i < countof(row); i++) {
        int32_t out[NB_MAX_TRY];
        size_t count = 99;
        check(nb_draft_next(d, row[i].ids, row[i].n, row[i].last, smp, out, 6, &count, NULL,
                            &err) == NB_OK,
              "%s", err.msg);
        check((count > 0) == (row[i].count > 0) && (count == 0 || out[0] == row[i].next),
              "row %zu: %zu guesses, %d", i, count, count ? out[0] : -1);
        for (size_t k = 0; i == 3 && k < count; k++)
            check(out[k] == 4, "guess %zu is %d", k, out[k]);
    }
    nb_draft_close(&d);
    nb_sampler_close(&smp);
}

/* Guessing that is always wrong stops for longer and longer, one that is right grows. */
CHECK_TEST(draft, stops_after_misses_and_grows_with_hits)
{
    static const int32_t same[8] = {4, 4, 4, 4, 4, 4, 4, 4};
    nb_sampler *smp = NULL;
    nb_draft *d = NULL;
    nb_err err = {0};
    const nb_sampling greedy = nb_sampling_greedy();
    size_t wrong = 0, count, first, last = 0;
    int32_t out[NB_MAX_TRY];
    check(nb_sampler_open(&smp, &greedy, 16, &err) == NB_OK &&
              nb_draft_open(&d, NULL, 0, 0.2, CTX, &err) == NB_OK,
          "%s", err.msg);
    for (int i = 0; i < 1000; i++) {
        nb_draft_next(d, same, 8, 4, smp, out, 15, &count, NULL, &err);
        wrong += count;
        if (count)
            nb_draft_judge(d, count, 0);
    }
    check(wrong > 0 && wrong < 300, "%zu wrong guesses at 1000 places", wrong);
    nb_draft_reset(d);
    nb_draft_next(d, same, 8, 4, smp, out, 15, &first, NULL, &err);
    for (int i = 0; i < 40; i++) {
        nb_draft_next(d, same, 8, 4, smp, out, 15, &last, NULL, &err);
        nb_draft_judge(d, last, last);
    }
    check(first > 0 && last > first && last == 15, "%zu, then %zu", first, last);
    nb_draft_close(&d);
    nb_sampler_close(&smp);
}

CHECK_TEST(draft, what_is_tried_without_room_changes_nothing)
{
    const arch_row *row;
    rig r;
    nb_err err = {0};
    int32_t ids[NB_MAX_TRY] = {1, 2, 3}, many[CTX] = {0};
    size_t n;
    check(arch_rows(&row) > 0, "no architectures");
    const char *path = test_path(test_tmpdir(), "room.gguf");
    arch_row_write(path, &row[0], NK_F32);
    rig_open(&r, path);
    check(nb_session_feed(r.session, many, CTX - 2, NULL, NULL, &err) == NB_OK, "%s", err.msg);
    check(nb_session_try(r.session, ids, 3, NULL, &err) == NB_REFUSED &&
              strstr(err.msg, "context full"),
          "%s", err.msg);
    nb_session_tokens(r.session, &n);
    check(n == CTX - 2 && nb_session_logits(r.session), "%zu tokens", n);
    check(nb_session_try(r.session, ids, 2, NULL, &err) == NB_OK, "%s", err.msg);
    check(!nb_session_logits(r.session), "logits before it is said what stands");
    nb_session_keep(r.session, 1);
    nb_session_keep(r.session, 2);
    const int32_t *held = nb_session_tokens(r.session, &n);
    check(n == CTX && held[CTX - 1] == 2 && nb_session_logits(r.session), "%zu tokens", n);
    rig_close(&r);
}

/* --- answers -----------------------------------------------------------------------------------
 */

typedef struct heard {
    int32_t id[400];
    float logprob[400];
    uint32_t n, dropped, cancel_at;
    nb_turn_stats stats;
    nb_str text;
} heard;

static void hear(void *arg, const nb_token_event *e)
{
    heard *h = arg;
    nb_str_addn(&h->text, e->text, e->len);
    h->dropped += e->dropped;
    if (e->id < 0 || h->n == countof(h->id))
        return;
    h->logprob[h->n] = e->logprob;
    h->id[h->n++] = e->id;
}

static bool enough(void *ud)
{
    const heard *h = ud;
    return h->cancel_at && h->n >= h->cancel_at;
}

static nb_status ask(nb_local *l, const nb_ask *how, heard *h)
{
    nb_err err = {0};
    nb_ask a = *how;
    const nb_hooks hooks = {.canceled = enough, .ud = h};
    uint32_t cancel_at = h->cancel_at;
    nb_str_free(&h->text);
    *h = (heard){.cancel_at = cancel_at};
    a.token = hear;
    a.arg = h;
    nb_session_reset(nb_local_session(l));
    return nb_local_ask_each(l, &a, 1, &h->stats, &hooks, &err);
}

static nb_local *demo(const nk_ops *ops, nb_sched *sched, uint32_t n_ctx)
{
    nb_local *l = NULL;
    nb_err err = {0};
    const nb_session_options opt = {.n_ctx = n_ctx};
    check(nb_local_open(&l, test_data("nibble-demo"), ops, sched, 0, &opt, &err) == NB_OK, "%s",
          err.msg);
    return l;
}

/* The demo in four bits. */
static const char *small_demo(void)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s", test_path(test_tmpdir(), "demo-q4.gguf"));
    child c = child_run(
        &(child_how){.args = {"quantize", "demo", "-t", "Q4_0", "-o", path, "--force", "-q"}});
    check(c.code == 0, "%s", c.err);
    child_free(&c);
    return path;
}

static void check_answers(const char *how, uint32_t n_ctx, bool shift, uint32_t max, int cores,
                          float temp)
{
    static heard plain, guessed;
    nk_ops ops;
    nb_err err = {0};
    nb_sched *sched = NULL;
    static const char said[] = "Two bits have only four levels. Every weight must move to one of "
                               "them, so the errors are large";
    const nb_message msg[] = {{NB_USER, "Why do low bits hurt?", 21},
                              {NB_ASSISTANT, said, sizeof said - 1},
                              {NB_USER, "Why do low bits hurt?", 21}};
    nb_ask a = {.messages = n_ctx < 64 ? msg + 2 : msg,
                .n_messages = n_ctx < 64 ? 1 : 3,
                .max_tokens = max,
                .shift = shift,
                .sampling = nb_sampling_default()};
    a.sampling.temp = temp;
    a.sampling.seed = 11;
    a.sampling.repeat_penalty = temp > 1 ? 1.1F : 1.0F;
    nk_ops_init(&ops, nk_cpu_detect());
    check(nb_sched_open(&sched, cores, NULL) == NB_OK, "sched");
    nb_local *l = demo(&ops, sched, n_ctx);
    nb_status alone = ask(l, &a, &plain);
    check(plain.stats.n_drafted == 0, "guesses without being asked for");
    check(nb_local_draft(l, how, NULL, &err) == NB_OK, "%s", err.msg);
    check(ask(l, &a, &guessed) == alone, "another end");
    check(plain.n == guessed.n && memcmp(plain.id, guessed.id, plain.n * sizeof *plain.id) == 0 &&
              memcmp(plain.logprob, guessed.logprob, plain.n * sizeof *plain.logprob) == 0 &&
              strcmp(nb_str_c(&plain.text), nb_str_c(&guessed.text)) == 0,
          "%s, ctx %u, temp %g: \"%s\" and \"%s\"", how, n_ctx, (double)temp, nb_str_c(&plain.text),
          nb_str_c(&guessed.text));
    check(plain.stats.stop == guessed.stats.stop && plain.dropped == guessed.dropped &&
              plain.stats.n_answer == guessed.stats.n_answer,
          "stop %d and %d", plain.stats.stop, guessed.stats.stop);
    const nb_turn_stats *s = &guessed.stats;
    check(s->n_accepted <= s->n_drafted, "%u of %u", s->n_accepted, s->n_drafted);
    if (n_ctx > 64 && temp <= 0) /* its own answer again: guesses are right */
        check(s->n_accepted > 5, "%s: %u of %u right", how, s->n_accepted, s->n_drafted);
    nb_local_close(&l);
    nb_sched_close(&sched);
}

CHECK_TEST(draft, an_answer_is_the_same_with_guesses_tui_13)
{
    const char *const how[] = {"lookup", small_demo()};
    for (size_t i = 0; i < countof(how); i++) {
        check_answers(how[i], 256, false, 0, 1, 0);
        check_answers(how[i], 256, false, 0, 3, 0);
        check_answers(how[i], 256, false, 17, 2, 0); /* a limit among guesses */
        check_answers(how[i], 256, false, 60, 2, 1.2F);
        check_answers(how[i], 32, false, 0, 1, 0); /* a full context */
        check_answers(how[i], 32, true, 90, 2, 0); /* and one that is shifted */
        check_answers(how[i], 32, true, 90, 2, 1.7F);
    }
}

CHECK_TEST(draft, cancel_comes_within_a_pass)
{
    static heard h;
    nk_ops ops;
    nb_err err = {0};
    const nb_message msg[] = {{NB_USER, "Why do low bits hurt?", 21}};
    const nb_ask a = {.messages = msg, .n_messages = 1, .sampling = nb_sampling_greedy()};
    nk_ops_init(&ops, nk_cpu_detect());
    nb_local *l = demo(&ops, NULL, 256);
    check(nb_local_draft(l, small_demo(), NULL, &err) == NB_OK, "%s", err.msg);
    h.cancel_at = 9;
    check(ask(l, &a, &h) == NB_CANCELED && h.stats.stop == NB_STOP_CANCEL, "%d", h.stats.stop);
    check(h.n >= 9 && h.n < 9 + NB_MAX_TRY, "%u tokens", h.n);
    h.cancel_at = 0;
    check(ask(l, &a, &h) == NB_OK && h.stats.stop == NB_STOP_END, "%d", h.stats.stop);
    nb_local_close(&l);
}

CHECK_TEST(draft, who_cannot_guess_is_refused_by_name)
{
    nk_ops ops;
    nb_err err = {0};
    const arch_row *row;
    const char *path = test_path(test_tmpdir(), "other.gguf");
    check(arch_rows(&row) > 0, "no architectures");
    arch_row_write(path, &row[0], NK_F32);
    nk_ops_init(&ops, nk_cpu_detect());
    nb_local *l = demo(&ops, NULL, 64);
    check(nb_local_draft(l, "lookup", NULL, &err) == NB_OK, "%s", err.msg);
    check(nb_local_draft(l, path, NULL, &err) == NB_REFUSED && strstr(err.msg, "other.gguf") &&
              strstr(err.msg, "token"),
          "%s", err.msg);
    check(nb_local_draft(l, test_path(test_tmpdir(), "none.gguf"), NULL, &err) != NB_OK &&
              strstr(err.msg, "none.gguf"),
          "%s", err.msg);
    check(nb_local_draft(l, "off", NULL, &err) == NB_OK, "%s", err.msg);
    nb_local_close(&l);
}

/* --- the command -------------------------------------------------------------------------------
 */

static const nb_jval *answer_of(const nb_json *doc)
{
    const nb_jval *a = nb_jfirst(nb_jget(nb_json_root(doc), "answers"));
    check(a, "no answer");
    return a;
}

CHECK_TEST(draft, the_command_tells_guesses_and_right_ones)
{
    static const char prompt[] = "Count: one two three four one two three four one two three";
    const char *const how[] = {"off", "lookup", small_demo()};
    char *first = NULL;
    for (size_t i = 0; i < countof(how); i++) {
        const char *text = NULL;
        int64_t drafted = -1, accepted = -1;
        child c = child_run(&(child_how){
            .args = {"chat", "demo", "-p", prompt, "-n", "40", "--draft", how[i], "--json"}});
        check(c.code == 0, "%s", c.err);
        nb_json *doc = child_json(&c);
        check(nb_jstr(nb_jget(answer_of(doc), "text"), &text) &&
                  nb_jint(nb_jget(answer_of(doc), "drafted_tokens"), &drafted) &&
                  nb_jint(nb_jget(answer_of(doc), "accepted_tokens"), &accepted),
              "%s", c.out);
        if (!first)
            first = strdup(text);
        check(first && strcmp(first, text) == 0, "%s: %s", how[i], text);
        check(i == 2 ? accepted > 0 && drafted >= accepted : i == 1 || drafted == 0,
              "%s: %lld of %lld", how[i], (long long)accepted, (long long)drafted);
        nb_json_close(&doc);
        child_free(&c);
    }
    free(first);
    child two = child_run(
        &(child_how){.args = {"chat", "demo", "-p", "x", "--parallel", "2", "--draft", "lookup"}});
    check(two.code == 2 && strstr(two.err, "--draft"), "%d %s", two.code, two.err);
    child_free(&two);
}

CHECK_TEST(draft, bench_tells_what_guesses_give)
{
    int64_t depth = -1, drafted = -1, accepted = -1;
    double alone = 0, with = 0;
    child c = child_run(&(child_how){.args = {"bench", "demo", "-p", "8", "-n", "30", "-r", "2",
                                              "--depth", "20", "--draft", small_demo(), "--json"}});
    check(c.code == 0, "%s", c.err);
    nb_json *doc = child_json(&c);
    const nb_jval *root = nb_json_root(doc), *d = nb_jget(root, "draft");
    check(nb_jint(nb_jget(root, "depth"), &depth) && depth == 20, "%s", c.out);
    check(nb_jint(nb_jget(d, "drafted_tokens"), &drafted) &&
              nb_jint(nb_jget(d, "accepted_tokens"), &accepted) && accepted > 0 &&
              accepted <= drafted,
          "%s", c.out);
    check(nb_jnum(nb_jget(d, "tok_s"), &with) && nb_jnum(nb_jget(d, "alone_tok_s"), &alone) &&
              with > 0 && alone > 0,
          "%s", c.out);
    nb_json_close(&doc);
    child_free(&c);
}

/* The pane's figures tell how many guesses were right; the row of the P panel sets who guesses. */
CHECK_TEST(draft, the_pane_tells_guesses_and_right_ones_tui_13)
{
    stage s;
    size_t n;
    stage_begin(&s, "guesses", "nibble-demo");
    s.opt.cpu = NULL;
    stage_play(&s,
               "size 120x40\nkeys t\nwait\nkeys i\ntext Why do low bits hurt?\nkeys Enter\n"
               "wait\nsave-screen alone\nkeys Esc P G k k k k k Enter\nsave-screen panel\n"
               "keys Esc i\ntext Why do low bits hurt?\nkeys Enter\nwait\nsave-screen guessed\n");
    char *alone = test_slurp("alone", &n), *panel = test_slurp("panel", &n),
         *guessed = test_slurp("guessed", &n);
    stage_leave();
    check(alone && !strstr(alone, "guesses"), "%s", alone);
    check(panel && strstr(panel, "> draft      lookup"), "%s", panel);
    const char *at = guessed ? strstr(guessed, "guesses ") : NULL;
    unsigned right = 0, all = 0;
    check(at && sscanf(at, "guesses %u/%u", &right, &all) == 2 && right > 0 && right <= all, "%s",
          guessed);
    check(strstr(guessed, "draft lookup"), "%s", guessed);
    free(alone);
    free(panel);
    free(guessed);
}
