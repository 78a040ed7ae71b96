/* Tasks: files as llama.cpp reads them, its picks, scores by definition, facts of the demo, and
 * files that are none refused with the line. */
#include "tests/check.h"
#include "tests/eval_rig.h"
#include "tests/quantize.h"
#include "tests/util.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"
#include "core/eval/stat.h"
#include "core/eval/task_private.h"

static nb_tasks *open_tasks(nb_task_kind kind, const void *bytes, size_t n, uint32_t most)
{
    nb_tasks *t = NULL;
    nb_err err = {0};
    check(nb_tasks_open(&t, kind, bytes, n, most, "test", &err) == NB_OK, "%s", err.msg);
    return t;
}

static bool is(nb_task_text t, const char *want)
{
    return t.len == strlen(want) && memcmp(t.at, want, t.len) == 0;
}

/* --- statistics ------------------------------------------------------------------------------- */

/* Values of the score test inverted by hand: 70 of 71, none and all of 10. */
CHECK_TEST(task, wilson_intervals_hold_their_ends)
{
    double lo, hi;
    nb_wilson(70, 71, &lo, &hi);
    check(fabs(lo - 0.92443) < 2e-4 && fabs(hi - 0.99751) < 2e-4, "%g %g", lo, hi);
    nb_wilson(0, 10, &lo, &hi);
    check(lo < 1e-9 && fabs(hi - 0.27753) < 1e-4, "%g %g", lo, hi);
    nb_wilson(10, 10, &lo, &hi);
    check(fabs(lo - 0.72247) < 1e-4 && hi > 1 - 1e-9, "%g %g", lo, hi);
    nb_wilson(0, 0, &lo, &hi);
    check(lo == 0 && hi == 1, "nothing asked");
}

CHECK_TEST(task, percentiles_are_exact)
{
    float v[] = {5, 1, 4, 2, 3};
    nb_spread s = {.mean = 7};
    nb_spread_of(&s, v, 5);
    check(s.min == 1 && s.max == 5 && s.median == 3 && s.p75 == 4 && s.p25 == 2, "%g", s.median);
    check(fabs(s.p90 - 4.6) < 1e-12 && fabs(s.p01 - 1.004) < 1e-12 && s.mean == 7, "%g", s.p90);
}

/* The standard's own check (26.6.5): the 10,000th number of the default seed. */
CHECK_TEST(task, the_generator_is_the_standards)
{
    nb_mt19937 g;
    uint32_t last = 0;
    nb_mt19937_seed(&g, 5489);
    for (int i = 0; i < 10000; i++)
        last = nb_mt19937_next(&g);
    check(last == 4123659995u, "%u", last);
    nb_mt19937_seed(&g, 1);
    check(nb_mt19937_next(&g) == 1791095845u, "seed 1");
}

/* --- files ------------------------------------------------------------------------------------ */

static const char hellaswag[] = "Cooking: She takes the pan\n1\nflies away.\nfries an egg.\n"
                                "reads it a book.\nis a king.\n"
                                "Once upon a time there was\n0\na king who had a daughter.\n"
                                "of of of the and.\nseven quantize.\nthe the the the.\n";

CHECK_TEST(task, hellaswag_files_have_six_lines_a_task)
{
    nb_tasks *t = open_tasks(NB_TASK_HELLASWAG, hellaswag, sizeof hellaswag - 1, 1);
    check(nb_tasks_count(t) == 1 && nb_tasks_in_file(t) == 2, "%zu of %zu", nb_tasks_count(t),
          nb_tasks_in_file(t));
    nb_tasks_close(&t);
    t = open_tasks(NB_TASK_HELLASWAG, hellaswag, sizeof hellaswag - 1, 0);
    size_t first = nb_tasks_at(t, 0)->first != 0; /* picked in an order of its own */
    const nb_task_option *o = nb_tasks_option(t, nb_tasks_at(t, first)->first);
    check(nb_tasks_at(t, first)->n == 4 && is(o[0].part[0], "Cooking: She takes the pan") &&
              is(o[1].part[1], " ") && is(o[1].part[2], "fries an egg.") && o[1].right &&
              !o[0].right && !o[2].right && !o[3].right,
          "the first task");
    nb_tasks_close(&t);
}

CHECK_TEST(task, winogrande_files_are_csv)
{
    static const char csv[] = "0,Sarah was better than Maria so _ won.,Sarah,Maria,1\n\n"
                              "1,\"Well, said _, no\",Tim,Tom,2";
    nb_tasks *t = open_tasks(NB_TASK_WINOGRANDE, csv, sizeof csv - 1, 0);
    check(nb_tasks_count(t) == 2, "%zu", nb_tasks_count(t));
    const nb_task_option *o = nb_tasks_option(t, nb_tasks_at(t, 1)->first);
    check(is(o[0].part[0], "Well, said ") && is(o[0].part[1], "Tim") && is(o[0].part[2], ", no") &&
              is(o[1].part[1], "Tom") && o[1].right && !o[0].right,
          "the quoted task");
    nb_tasks_close(&t);
}

static void put_u32(nb_str *s, uint32_t v)
{
    nb_str_addn(s, &v, sizeof v);
}

static void put_string(nb_str *s, const char *text)
{
    put_u32(s, (uint32_t)strlen(text));
    nb_str_add(s, text);
}

/* One task as llama.cpp's validation files have it; the second list is read over. */
static void put_choice(nb_str *s, const char *question, const char *a, const char *b, int right)
{
    put_string(s, question);
    put_u32(s, 2);
    put_string(s, a);
    put_string(s, b);
    put_u32(s, right == 0);
    put_u32(s, right == 1);
    put_u32(s, 1);
    put_string(s, "unused");
    put_u32(s, 1);
}

CHECK_TEST(task, choice_files_are_binary)
{
    nb_str s = {0};
    put_u32(&s, 2);
    put_u32(&s, 12);
    put_u32(&s, 0); /* places are not needed */
    put_choice(&s, "What is it?", "this", "that", 1);
    put_choice(&s, "Who?", "he", "she", 0);
    nb_tasks *t = open_tasks(NB_TASK_CHOICE, s.at, s.len, 0);
    const nb_task_option *o = nb_tasks_option(t, nb_tasks_at(t, 1)->first);
    check(nb_tasks_count(t) == 2 && is(o[0].part[0], "Who?") && is(o[0].part[2], "he") &&
              o[0].right && !o[1].right,
          "the second task");
    nb_tasks_close(&t);
    nb_str_free(&s);
}

CHECK_TEST(task, files_that_are_none_are_refused_with_the_place)
{
    static const struct {
        nb_task_kind kind;
        const char *bytes, *says;
    } rows[] = {
        {NB_TASK_HELLASWAG, "", "no tasks"},
        {NB_TASK_HELLASWAG, "a\n4\nb\nc\nd\ne\n", "line 2"},
        {NB_TASK_HELLASWAG, "a\n1\nb\nc\n", "2 of 4 endings"},
        {NB_TASK_WINOGRANDE, "0,a _ b,c\n", "line 1"},
        {NB_TASK_WINOGRANDE, "\n0,a b,c,d,1\n", "line 2: no _"},
        {NB_TASK_WINOGRANDE, "0,a _,c,d,3\n", "neither 1 nor 2"},
        {NB_TASK_CHOICE, "abc", "no list"},
        {NB_TASK_CHOICE, "\1aaa", "no list"},
        {NB_TASK_QA, "{}", "expected a list"},
        {NB_TASK_QA, "[{\"questions\":[],\"answer\":\"x\"}]", "entry 1"},
        {NB_TASK_QA, "[{\"questions\":[1],\"answer\":\"x\"}]", "no text"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        nb_tasks *t = NULL;
        nb_err err = {0};
        nb_status st =
            nb_tasks_open(&t, rows[i].kind, rows[i].bytes, strlen(rows[i].bytes), 0, "file", &err);
        check(st == NB_FORMAT && !t && strstr(err.msg, rows[i].says) && strstr(err.msg, "file"),
              "%zu: %s", i, err.msg);
    }
}

/* --- scores ----------------------------------------------------------------------------------- */

/* Mean log-probability of tokens [start, end) of a text, token by token from feed. */
static double by_definition(eval_rig *e, const char *text, size_t start, size_t cut)
{
    int32_t ids[256];
    size_t n = nb_tok_encode(e->tok, text, strlen(text), NB_TOK_BOS, ids, 256);
    double sum = 0;
    check(n <= 256 && start < n - cut, "%zu tokens", n);
    for (size_t i = start; i < n - cut; i++) {
        nb_err err = {0};
        check(nb_session_feed(e->s, ids, i, NULL, NULL, &err) == NB_OK, "%s", err.msg);
        const float *l = nb_session_logits(e->s);
        double total = 0;
        for (uint32_t k = 0; k < e->m->hp.n_vocab; k++)
            total += exp((double)l[k]);
        sum += (double)l[ids[i]] - log(total);
    }
    return sum / (double)(n - cut - start);
}

static size_t shared_tokens(const eval_rig *e, const char *const *text, size_t n)
{
    int32_t ids[8][256];
    size_t len[8], k = 0;
    for (size_t i = 0; i < n; i++)
        len[i] = nb_tok_encode(e->tok, text[i], strlen(text[i]), NB_TOK_BOS, ids[i], 256);
    for (bool same = true; same; k += same)
        for (size_t i = 0; i < n; i++)
            same = same && k < len[i] && ids[i][k] == ids[0][k];
    return k;
}

static void note(void *arg, size_t task, bool right, const nb_task_score *so_far)
{
    uint64_t *seen = arg;
    (void)right;
    check(task == *seen && so_far->asked == ++*seen, "task %zu", task);
}

static nb_task_score score(eval_rig *e, const nb_tasks *t)
{
    nb_task_score s;
    nb_err err = {0};
    uint64_t seen = 0;
    check(nb_tasks_run(&s, t, e->s, e->tok, NULL, note, &seen, NULL, &err) == NB_OK, "%s", err.msg);
    check(s.asked == nb_tasks_count(t) && s.lo <= s.score && s.score <= s.hi, "figures");
    return s;
}

/* All eight endings by definition: the likeliest of each task is the one that is chosen. */
CHECK_TEST(task, hellaswag_takes_the_likeliest_ending)
{
    eval_rig e = eval_open(test_data("nibble-demo"), 128, false);
    nb_tasks *t = open_tasks(NB_TASK_HELLASWAG, hellaswag, sizeof hellaswag - 1, 0);
    uint64_t right = 0;
    for (size_t i = 0; i < 2; i++) {
        const nb_task_option *o = nb_tasks_option(t, nb_tasks_at(t, i)->first);
        const char *text[4];
        nb_str s[4] = {{0}};
        size_t best = 0;
        double top = -1e9;
        for (int k = 0; k < 4; k++) {
            for (int p = 0; p < 3; p++)
                nb_str_addn(&s[k], o[k].part[p].at, o[k].part[p].len);
            text[k] = nb_str_c(&s[k]);
        }
        size_t start = shared_tokens(&e, text, 4);
        for (size_t k = 0; k < 4; k++) {
            double v = by_definition(&e, text[k], start, 0);
            best = v > top ? k : best;
            top = v > top ? v : top;
        }
        right += o[best].right;
        for (int k = 0; k < 4; k++)
            nb_str_free(&s[k]);
    }
    nb_task_score s = score(&e, t);
    check(s.right == right && s.chance == 0.25, "%llu right, by definition %llu",
          (unsigned long long)s.right, (unsigned long long)right);
    nb_tasks_close(&t);
    eval_close(&e);
}

/* The tail behind the choice is scored, its last token left out. */
CHECK_TEST(task, winogrande_scores_the_shared_tail)
{
    static const char csv[] =
        "0,The king was older than the wolf so the _ was buried first by the people.,king,wolf,1\n";
    static const char *const text[] = {
        "The king was older than the wolf so the king was buried first by the people.",
        "The king was older than the wolf so the wolf was buried first by the people."};
    static const char *const base[] = {"The king was older than the wolf so the king",
                                       "The king was older than the wolf so the wolf"};
    eval_rig e = eval_open(test_data("nibble-demo"), 128, false);
    nb_tasks *t = open_tasks(NB_TASK_WINOGRANDE, csv, sizeof csv - 1, 0);
    double v[2];
    for (int i = 0; i < 2; i++) {
        size_t start = nb_tok_encode(e.tok, base[i], strlen(base[i]), NB_TOK_BOS, NULL, 0);
        v[i] = by_definition(&e, text[i], start, 1);
    }
    nb_task_score s = score(&e, t);
    check(s.right == (v[0] > v[1]) && s.chance == 0.5, "%llu right of %g, %g",
          (unsigned long long)s.right, v[0], v[1]);
    nb_tasks_close(&t);
    eval_close(&e);
}

CHECK_TEST(task, tasks_longer_than_the_context_are_refused)
{
    eval_rig e = eval_open(test_data("nibble-demo"), 8, false);
    nb_tasks *t = open_tasks(NB_TASK_HELLASWAG, hellaswag, sizeof hellaswag - 1, 0);
    nb_task_score s = {.asked = 77};
    nb_err err = {0};
    uint32_t need;
    check(nb_tasks_run(&s, t, e.s, e.tok, NULL, NULL, NULL, NULL, &err) == NB_REFUSED &&
              strstr(err.msg, "context holds 8"),
          "%s", err.msg);
    check(s.asked == 77, "the output was touched");
    check(nb_tasks_context(&need, t, e.tok, NULL, &err) == NB_OK && need > 8 && need < 40, "%u",
          need);
    nb_tasks_close(&t);
    eval_close(&e);
}

/* --- facts ------------------------------------------------------------------------------------ */

static nb_task_score facts_of(const char *path, uint32_t most)
{
    nb_tasks *t;
    nb_chat *chat = NULL;
    nb_task_score s;
    nb_err err = {0};
    size_t n;
    uint32_t n_ctx;
    char *json = test_slurp(test_data("nibble-demo/qa.json"), &n);
    check(json, "qa.json is missing");
    t = open_tasks(NB_TASK_QA, json, n, most);
    eval_rig e = eval_open(path, 256, false);
    check(nb_chat_open(&chat, nb_weights_kvs(e.w), e.tok, &err) == NB_OK, "%s", err.msg);
    check(nb_tasks_context(&n_ctx, t, e.tok, chat, &err) == NB_OK && n_ctx > 32 && n_ctx <= 256,
          "%u tokens", n_ctx);
    check(nb_tasks_run(&s, t, e.s, e.tok, chat, NULL, NULL, NULL, &err) == NB_OK, "%s", err.msg);
    nb_chat_close(&chat);
    eval_close(&e);
    nb_tasks_close(&t);
    free(json);
    return s;
}

/* The model card: 70 of the 71 facts by heart, and fewer as bits are taken away. */
CHECK_TEST(task, the_demo_keeps_its_facts_and_loses_them_at_two_bits)
{
    uint64_t asked = TEST_THIN > 1 ? 24 : 71, right = TEST_THIN > 1 ? 23 : 70;
    nb_task_score whole = facts_of(test_data("nibble-demo"), TEST_THIN > 1 ? 24 : 0);
    check(whole.asked == asked && whole.right >= right && whole.chance == 0 &&
              (TEST_THIN > 1 || whole.right == right),
          "%llu of %llu", (unsigned long long)whole.right, (unsigned long long)whole.asked);
    nb_task_score low = facts_of(eval_file("Q2_K"), 24);
    check(low.asked == 24 && low.in_file == 71 && low.right < 12, "%llu of 24 at two bits",
          (unsigned long long)low.right);
}
