/* Forced scoring: what KL over the same positions gives, whatever was in the caches, whoever else
 * is scored, with any number of threads. */
#include "tests/check.h"
#include "tests/eval_rig.h"
#include "tests/quantize.h"
#include "tests/util.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/eval/forced.h"

enum { PROMPT = 37, ANSWER = 83, CTX = 128 };

/* The demo's own text, as if its first tokens had been a prompt. */
static int32_t *words(const eval_rig *e)
{
    size_t n;
    char *text = eval_slice(&n);
    int32_t *ids = calloc(n + 8, sizeof *ids);
    check(ids && nb_tok_encode(e->tok, text, n, 0, ids, n + 8) > PROMPT + ANSWER, "too short");
    free(text);
    return ids;
}

static nb_forced_text whole(const int32_t *ids)
{
    return (nb_forced_text){.ids = ids, .prompt = PROMPT, .answer = ANSWER};
}

CHECK_TEST(forced, a_point_is_that_of_the_divergence_over_the_same_positions)
{
    char low[1024];
    snprintf(low, sizeof low, "%s", eval_file("Q2_K"));
    eval_rig ref = eval_open(test_data("nibble-demo"), CTX, false), a = eval_open(low, CTX, false);
    int32_t *ids = words(&ref);
    nb_kld_point point[ANSWER];
    nb_forced_model with = {a.s, "low", point};
    nb_forced_text t = whole(ids);
    nb_err err = {0};
    check(nb_forced_run(&t, ref.s, &with, 1, a.pool, NULL, &err) == NB_OK, "%s", err.msg);
    nb_forced_sum s = nb_forced_sum_of(point, ANSWER);

    nb_reading rd = {.n_ctx = PROMPT + ANSWER,
                     .step = PROMPT + ANSWER,
                     .first = PROMPT - 1,
                     .count = ANSWER,
                     .chunks = 1,
                     .bos = -1,
                     .ids = ids,
                     .n_ids = PROMPT + ANSWER};
    nb_live live;
    nb_kld k;
    nb_live_init(&live, ref.s);
    check(nb_kld_run(&k, a.s, &live.ref, a.pool, &rd, NULL, NULL, NULL, &err) == NB_OK, "%s",
          err.msg);
    check(s.n == k.scored && s.n_same == k.n_same_top, "%llu same, %llu expected",
          (unsigned long long)s.n_same, (unsigned long long)k.n_same_top);
    check(fabs(s.kld - k.kld.mean) < 1e-12 && fabs(s.kld_err - k.kld.err) < 1e-12,
          "mean %.9g, %.9g expected", s.kld, k.kld.mean);
    check(fabs(s.kld_max - k.kld.max) < 1e-6 && (float)point[s.max_at].kld == (float)k.kld.max,
          "greatest %.9g, %.9g expected", s.kld_max, k.kld.max);
    check(s.kld > 1e-3 && s.n_same < s.n, "Q2_K differs: KL %.9g", s.kld);
    free(ids);
    eval_close(&a);
    eval_close(&ref);
}

/* The bits of the figures, not those between them. */
static bool equal(const nb_kld_point *a, const nb_kld_point *b)
{
    for (int i = 0; i < ANSWER; i++)
        if (memcmp(&a[i].nll, &b[i].nll, 4 * sizeof a[i].nll) != 0 ||
            a[i].same_top != b[i].same_top)
            return false;
    return true;
}

CHECK_TEST(forced, caches_company_and_threads_change_no_bit)
{
    char low[1024];
    snprintf(low, sizeof low, "%s", eval_file("Q4_K_M"));
    nb_kld_point first[ANSWER], again[ANSWER], other[ANSWER];
    nb_err err = {0};
    for (int threads = 1; threads <= 3; threads++) {
        eval_rig ref = eval_open_threads(test_data("nibble-demo"), CTX, threads),
                 a = eval_open_threads(low, CTX, threads), b = eval_open_threads(low, CTX, threads);
        int32_t *ids = words(&ref);
        nb_forced_text t = whole(ids);
        nb_forced_model one = {a.s, "one", threads == 1 ? first : again};
        check(nb_forced_run(&t, ref.s, &one, 1, a.pool, NULL, &err) == NB_OK, "%s", err.msg);
        check(threads == 1 || equal(first, again), "%d threads", threads);
        /* as after an answer: the prompt and some of another answer are in the cache */
        int32_t said[PROMPT + 5];
        memcpy(said, ids, sizeof said);
        said[PROMPT + 3] = said[0];
        check(nb_session_feed(a.s, said, PROMPT + 5, NULL, NULL, &err) == NB_OK, "%s", err.msg);
        nb_forced_model two[] = {{b.s, "two", other}, {a.s, "one", again}};
        check(nb_forced_run(&t, ref.s, two, 2, a.pool, NULL, &err) == NB_OK, "%s", err.msg);
        check(equal(first, again), "after another answer");
        check(equal(first, other), "beside another");
        free(ids);
        eval_close(&b);
        eval_close(&a);
        eval_close(&ref);
    }
}

CHECK_TEST(forced, the_reference_is_nothing_from_itself)
{
    eval_rig ref = eval_open(test_data("nibble-demo"), CTX, false),
             a = eval_open(test_data("nibble-demo"), CTX, false);
    int32_t *ids = words(&ref);
    nb_kld_point point[ANSWER];
    nb_forced_model with = {a.s, "itself", point};
    nb_forced_text t = whole(ids);
    nb_err err = {0};
    check(nb_forced_run(&t, ref.s, &with, 1, NULL, NULL, &err) == NB_OK, "%s", err.msg);
    nb_forced_sum s = nb_forced_sum_of(point, ANSWER);
    check(s.kld_max < 1e-9 && s.n_same == ANSWER, "KL %.9g, %llu the same", s.kld_max,
          (unsigned long long)s.n_same);
    free(ids);
    eval_close(&a);
    eval_close(&ref);
}

/* --- looked on ---------------------------------------------------------------------------------
 */

typedef struct watch {
    uint64_t done, total;
    int left;  /* polls until the wish */
    int after; /* polls behind it */
    bool backwards;
} watch;

static void on_progress(void *ud, const nb_progress *p)
{
    watch *w = ud;
    w->backwards = w->backwards || p->done < w->done || p->done > p->total;
    w->done = p->done;
    w->total = p->total;
}

static bool on_canceled(void *ud)
{
    watch *w = ud;
    w->after += w->left < 0;
    return w->left-- <= 0;
}

CHECK_TEST(forced, progress_counts_the_tokens_of_all_models)
{
    eval_rig ref = eval_open(test_data("nibble-demo"), CTX, false),
             a = eval_open(test_data("nibble-demo"), CTX, false),
             b = eval_open(test_data("nibble-demo"), CTX, false);
    int32_t *ids = words(&ref);
    nb_kld_point point[2][ANSWER];
    nb_forced_model with[] = {{a.s, "a", point[0]}, {b.s, "b", point[1]}};
    nb_forced_text t = whole(ids);
    nb_err err = {0};
    watch w = {0};
    nb_hooks hooks = {.progress = on_progress, .ud = &w};
    for (int warm = 0; warm < 2; warm++) {
        w = (watch){0};
        check(nb_forced_run(&t, ref.s, with, 2, a.pool, &hooks, &err) == NB_OK, "%s", err.msg);
        check(w.done == w.total && w.total == 3 * (PROMPT + ANSWER - 1) && !w.backwards,
              "%llu of %llu", (unsigned long long)w.done, (unsigned long long)w.total);
    }
    free(ids);
    eval_close(&b);
    eval_close(&a);
    eval_close(&ref);
}

CHECK_TEST(forced, cancel_is_obeyed_at_the_next_question)
{
    eval_rig ref = eval_open(test_data("nibble-demo"), CTX, false),
             a = eval_open(test_data("nibble-demo"), CTX, false);
    int32_t *ids = words(&ref);
    nb_kld_point point[ANSWER];
    nb_forced_model with = {a.s, "a", point};
    nb_forced_text t = whole(ids);
    for (int polls = 0; polls < 60; polls += 7) {
        watch w = {.left = polls};
        nb_hooks hooks = {.canceled = on_canceled, .ud = &w};
        nb_err err = {0};
        check(nb_forced_run(&t, ref.s, &with, 1, a.pool, &hooks, &err) == NB_CANCELED,
              "after %d polls: %s", polls, err.msg);
        check(w.after == 0, "asked %d times more", w.after);
    }
    free(ids);
    eval_close(&a);
    eval_close(&ref);
}

CHECK_TEST(forced, what_cannot_be_scored_is_refused_in_a_sentence)
{
    eval_rig ref = eval_open(test_data("nibble-demo"), CTX, false),
             small = eval_open(test_data("nibble-demo"), 64, false),
             strange = eval_open(quant_source("F32"), CTX, false);
    int32_t *ids = words(&ref);
    nb_kld_point point[ANSWER];
    nb_forced_text t = whole(ids);
    nb_err err = {0};
    nb_forced_model with = {small.s, "small", point};
    check(nb_forced_run(&t, ref.s, &with, 1, NULL, NULL, &err) == NB_REFUSED &&
              strstr(err.msg, "small: the answer and its context have 119 tokens, room for 64"),
          "%s", err.msg);
    with = (nb_forced_model){strange.s, "strange", point};
    check(ref.m->hp.n_vocab != strange.m->hp.n_vocab, "the sizes are the same");
    check(nb_forced_run(&t, ref.s, &with, 1, NULL, NULL, &err) == NB_REFUSED &&
              strstr(err.msg, "strange has a vocabulary of "),
          "%s", err.msg);
    with.session = ref.s;
    t.answer = 0;
    check(nb_forced_run(&t, ref.s, &with, 1, NULL, NULL, &err) == NB_USAGE, "no answer");
    t = whole(ids);
    ids[PROMPT + 2] = (int32_t)ref.m->hp.n_vocab;
    check(nb_forced_run(&t, ref.s, &with, 0, NULL, NULL, &err) == NB_FORMAT &&
              strstr(err.msg, "the model has "),
          "%s", err.msg);
    free(ids);
    eval_close(&strange);
    eval_close(&small);
    eval_close(&ref);
}
