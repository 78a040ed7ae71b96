/* Compare: unlike runs never stand in one ranking, the front is what brute force says, and each
 * file gets a sentence (tui row 26). */
#include "tests/check.h"
#include "tests/eval_rig.h"
#include "tests/quantize.h"
#include "tests/util.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/eval/compare.h"
#include "core/eval/judge.h"

static const char text_a[] = "aaaa", text_b[] = "bbbb";

static nb_runs *open_store(const char *name)
{
    static nb_config c;
    nb_runs *runs = NULL;
    nb_err err = {0};
    c = (nb_config){.writable = true};
    snprintf(c.state_dir, sizeof c.state_dir, "%s/%s", test_tmpdir(), name);
    check(nb_runs_open(&runs, &c, &err) == NB_OK, "%s", err.msg);
    return runs;
}

static void store(nb_runs *runs, uint64_t model, uint64_t reference, const char *text,
                  const char *protocol, uint32_t chunks, double kld)
{
    nb_run_key key = {.model = model, .reference = reference};
    nb_kld k = {.n_ctx = 512, .chunks = chunks, .ppl = 10 + kld, .base_ppl = 10, .same_top = 0.9};
    k.kld.mean = kld;
    k.kld.err = kld / 100;
    snprintf(key.text, sizeof key.text, "%s", text);
    snprintf(key.protocol, sizeof key.protocol, "%s", protocol);
    check(nb_runs_add(runs, NB_RUN_KLD, &key, &k, NULL) == NB_OK, "add");
}

static nb_compare table_of(const char *const *presets, size_t n)
{
    const char *paths[8];
    nb_compare c;
    nb_err err = {0};
    for (size_t i = 0; i < n; i++)
        paths[i] = eval_file(presets[i]);
    check(nb_compare_open(&c, paths, n, test_data("nibble-demo"), &err) == NB_OK, "%s", err.msg);
    return c;
}

static const char *const three[] = {"Q8_0", "Q4_0", "Q2_K"};

CHECK_TEST(compare, unlike_runs_are_never_joined)
{
    nb_runs *runs = open_store("unlike");
    nb_compare c = table_of(three, 3);
    uint64_t ref = c.row[0].model, a = c.row[1].model, b = c.row[2].model, d = c.row[3].model;
    store(runs, a, ref, text_a, "llama-perplexity", 8, 0.1);
    store(runs, b, ref, text_b, "llama-perplexity", 8, 0.2);     /* another text */
    store(runs, d, ref, text_a, "papers", 8, 0.3);               /* another protocol */
    store(runs, b, ref ^ 1, text_a, "llama-perplexity", 8, 0.4); /* another reference */
    store(runs, d, ref, text_a, "llama-perplexity", 9, 0.5);     /* more of the text */
    c.key = (nb_run_key){.reference = ref,
                         .n_ctx = 512,
                         .chunks = 8,
                         .text = "aaaa",
                         .protocol = "llama-perplexity"};
    nb_compare_look(&c, runs);
    nb_task_score five = {.asked = 5, .in_file = 71, .right = 5};
    nb_run_key asked = {.model = a, .text = "qaqa", .protocol = "qa"};
    check(nb_runs_add(runs, NB_RUN_FACTS, &asked, &five, NULL) == NB_OK, "add");
    size_t n;
    char *qa = test_slurp(test_data("nibble-demo/qa.json"), &n);
    check(nb_compare_ask(&c, qa, n, "qaqa", NULL) == NB_OK && c.qa_key.chunks == 71, "questions");
    free(qa);
    nb_compare_look(&c, runs);
    check(!c.row[1].has_facts, "five questions were taken for all");
    check(c.row[1].has_kld && c.row[1].kld.kld.mean == 0.1, "the one that is alike");
    check(!c.row[2].has_kld && !c.row[3].has_kld, "unlike ones were joined");
    check(c.row[0].has_ppl && c.row[0].ppl == 10, "the reference's perplexity comes along");
    nb_compare_advise(&c);
    check(!c.row[2].front && strstr(c.row[2].advice, "not measured"), "%s", c.row[2].advice);
    nb_compare_close(&c);
    nb_runs_close(&runs);
}

CHECK_TEST(compare, the_text_most_files_share_is_taken)
{
    nb_runs *runs = open_store("guess");
    nb_compare c = table_of(three, 3);
    uint64_t ref = c.row[0].model;
    check(!nb_compare_guess(&c, runs), "an empty store has no text");
    for (size_t i = 1; i < 4; i++)
        store(runs, c.row[i].model, ref, text_a, "llama-perplexity", 8, 0.1 * (double)i);
    store(runs, c.row[1].model, ref, text_b, "llama-perplexity", 8, 9);
    check(nb_compare_guess(&c, runs) && strcmp(c.key.text, text_a) == 0 && c.key.chunks == 8 &&
              c.key.model == 0,
          "%s", c.key.text);
    nb_compare_look(&c, runs);
    check(c.row[1].has_kld && c.row[2].has_kld && c.row[3].has_kld, "all of them");
    nb_compare_close(&c);
    nb_runs_close(&runs);
}

/* Dominated: another is as good on both axes and better on one. */
CHECK_TEST(compare, the_front_is_what_brute_force_says)
{
    enum { N = 40 };
    test_rng rng = test_rng_make(3);
    for (int round = 0; round < 50; round++) {
        nb_compare_row row[N];
        nb_compare c = {.row = row, .n = N};
        memset(row, 0, sizeof row);
        for (int i = 0; i < N; i++) {
            row[i].bytes = 1 + test_below(&rng, 12);
            row[i].has_kld = test_below(&rng, 5) != 0;
            row[i].kld.kld.mean = (double)test_below(&rng, 12);
        }
        nb_compare_front(&c, NB_AXIS_BYTES, NB_AXIS_KLD);
        for (int i = 0; i < N; i++) {
            bool front = row[i].has_kld;
            for (int k = 0; k < N; k++)
                front &=
                    !(row[k].has_kld && row[k].bytes <= row[i].bytes &&
                      row[k].kld.kld.mean <= row[i].kld.kld.mean &&
                      (row[k].bytes < row[i].bytes || row[k].kld.kld.mean < row[i].kld.kld.mean));
            check(row[i].front == front, "round %d, file %d", round, i);
        }
    }
}

CHECK_TEST(compare, every_file_gets_a_sentence)
{
    nb_compare_row row[5] = {
        {.name = "ref", .bytes = 1600, .bpw = 16, .is_reference = true},
        {.name = "q8", .bytes = 850, .bpw = 8.5, .has_kld = true},
        {.name = "q4a", .bytes = 450, .bpw = 4.5, .has_kld = true},
        {.name = "q4b", .bytes = 460, .bpw = 4.6, .has_kld = true},
        {.name = "q2", .bytes = 260, .bpw = 2.6, .has_kld = true},
    };
    const double kld[] = {0, 0.001, 0.05, 0.09, 0.9};
    nb_compare c = {.row = row, .n = 5};
    for (int i = 1; i < 5; i++) {
        row[i].kld.kld.mean = kld[i];
        row[i].kld.kld.err = kld[i] / 50;
    }
    row[2].has_facts = true;
    row[2].facts = (nb_task_score){.asked = 71, .right = 64};
    nb_compare_advise(&c);
    check(strstr(row[0].advice, "the reference"), "%s", row[0].advice);
    check(row[1].front && strstr(row[1].advice, "keep it: next to no loss"), "%s", row[1].advice);
    check(row[2].front && strstr(row[2].advice, "small loss") &&
              strstr(row[2].advice, "47 % smaller than q8") && strstr(row[2].advice, "64 of 71"),
          "%s", row[2].advice);
    check(!row[3].front && strstr(row[3].advice, "drop it: q4a takes 450 B instead of 460 B"), "%s",
          row[3].advice);
    check(row[4].front && strstr(row[4].advice, "only where nothing larger fits"), "%s",
          row[4].advice);
    row[3].kld.kld.mean = 0.0501;
    nb_compare_advise(&c);
    check(strstr(row[3].advice, "as good within the noise"), "%s", row[3].advice);
}

/* Files of a front: bytes, divergence; named a, b, .. from the largest down. */
static nb_compare front_of(nb_compare_row *row, const double (*file)[2], size_t n, double err)
{
    row[0] = (nb_compare_row){.name = "ref", .bytes = 1600, .bpw = 16, .is_reference = true};
    for (size_t i = 0; i < n; i++) {
        row[i + 1] = (nb_compare_row){.bytes = (uint64_t)file[i][0], .bpw = file[i][0] / 100};
        snprintf(row[i + 1].name, sizeof row[i + 1].name, "%c", (char)('a' + (int)i));
        row[i + 1].has_kld = true;
        row[i + 1].kld.kld.mean = file[i][1];
        row[i + 1].kld.kld.err = err * file[i][1];
    }
    nb_compare c = {.row = row, .n = n + 1};
    nb_compare_advise(&c);
    return c;
}

/* name NULL: none. */
static void picks(const double (*file)[2], size_t n, double err, const char *name,
                  const char *const words[5])
{
    nb_compare_row row[8];
    char why[400];
    nb_compare c = front_of(row, file, n, err);
    size_t at = nb_compare_pick(&c, why, sizeof why);
    check(name ? at < c.n && strcmp(c.row[at].name, name) == 0 : at == SIZE_MAX, "wanted %s: %s",
          name ? name : "none", why);
    for (size_t i = 0; words[i]; i++)
        check(strstr(why, words[i]), "\"%s\" is not in: %s", words[i], why);
}

/* Which to keep: the knee of those that lose little, the smallest where the text cannot tell, the
 * least bad where all lose much, none where little is left of any; never more than the figures say.
 */
CHECK_TEST(compare, the_file_to_keep_is_the_knee)
{
    static const double knee[][2] = {{850, .001}, {650, .0015}, {480, .01}, {400, .05}, {300, .9}};
    static const double poor[][2] = {{400, .3}, {300, .9}};
    static const double lost[][2] = {{400, .8}, {300, 2}};
    static const double two[][2] = {{850, .001}, {450, .04}};
    picks(knee, 5, .01, "b",
          (const char *const[5]){"keep b: next to no loss", "c would save 26 %", "for 6.7 times",
                                 "a is 31 % larger"});
    picks(poor, 2, .01, "a",
          (const char *const[5]){"keep a only where nothing larger fits: a heavy loss",
                                 "the least here: a larger type would lose less", NULL});
    picks(lost, 2, .01, NULL,
          (const char *const[5]){"keep none of these: of a, which loses least, little is left",
                                 "a larger type would lose less", NULL});
    picks(two, 2, .01, "b", (const char *const[5]){"a small loss", "a is 89 % larger", NULL});
}

CHECK_TEST(compare, what_the_text_cannot_tell_apart_is_called_so)
{
    static const double near[][2] = {{850, .0100}, {650, .0101}, {480, .0102}};
    nb_compare_row row[8];
    char why[400];
    picks(near, 3, .05, "c",
          (const char *const[5]){"keep c", "b is 35 % larger and its interval overlaps",
                                 "cannot tell", NULL});
    nb_compare c = front_of(row, near, 3, .05);
    for (size_t i = 0; i < c.n; i++)
        row[i].has_kld = false;
    nb_compare_advise(&c);
    check(nb_compare_pick(&c, why, sizeof why) == SIZE_MAX && strstr(why, "nothing is measured"),
          "%s", why);
    for (size_t i = 1; i < c.n; i++) {
        row[i].has_ppl = true;
        row[i].ppl = 10 + (double)i;
        row[i].ppl_err = 5;
    }
    nb_compare_advise(&c);
    check(nb_compare_pick(&c, why, sizeof why) == 3 && strstr(why, "no divergence is measured"),
          "%s", why);
}

CHECK_TEST(compare, facts_of_a_smaller_file_are_told)
{
    static const double two[][2] = {{850, .001}, {450, .3}};
    nb_compare_row row[8];
    char why[400];
    nb_compare c = front_of(row, two, 2, .01);
    row[1].has_facts = row[2].has_facts = true;
    row[1].facts = (nb_task_score){.asked = 71, .right = 70, .score = .986, .lo = .92, .hi = .998};
    row[2].facts = (nb_task_score){.asked = 71, .right = 69, .score = .972, .lo = .90, .hi = .992};
    check(nb_compare_pick(&c, why, sizeof why) == 1 && strstr(why, "knows 70 of 71") &&
              strstr(why, "b (450 B) as many within the interval (69)"),
          "%s", why);
    row[2].facts = (nb_task_score){.asked = 71, .right = 6, .score = .08, .lo = .04, .hi = .17};
    nb_compare_pick(&c, why, sizeof why);
    check(!strstr(why, "within the interval"), "%s", why);
}

/* Every difference of keys makes a group of its own, the fullest first, and says what differs. */
CHECK_TEST(compare, runs_fall_into_groups_tui_26)
{
    nb_runs *runs = open_store("groups");
    nb_compare c = table_of(three, 3);
    nb_run_group g[NB_RUN_GROUPS];
    char why[160];
    uint64_t ref = c.row[0].model, a = c.row[1].model, b = c.row[2].model, d = c.row[3].model;
    store(runs, a, ref, text_b, "llama-perplexity", 8, 0.4);
    store(runs, a, ref, text_a, "llama-perplexity", 8, 0.1);
    store(runs, b, ref, text_a, "llama-perplexity", 8, 0.2);
    store(runs, d, ref, text_a, "papers", 8, 0.3);
    store(runs, d, ref ^ 1, text_a, "llama-perplexity", 8, 0.3);
    store(runs, ref ^ 7, ref, text_a, "llama-perplexity", 8, 0.3); /* no file of the table */
    check(nb_compare_groups(&c, runs, g) == 4, "groups");
    check(g[0].kld == 2 && strcmp(g[0].key.text, text_a) == 0 && g[1].kld == 1, "%zu, %zu",
          g[0].kld, g[1].kld);
    nb_compare_use(&c, &g[0].key, runs);
    check(c.row[1].has_kld && c.row[2].has_kld && !c.row[3].has_kld, "the first group");
    check(c.row[3].unlike == NB_UNLIKE_REFERENCE, "the latest run of the other: %d",
          c.row[3].unlike);
    nb_unlike_text(why, sizeof why, &c.row[3].other, &c.key);
    check(strstr(why, "another reference"), "%s", why);
    for (size_t i = 0; i < 4; i++)
        if (g[i].key.reference != ref) {
            nb_compare_use(&c, &g[i].key, runs);
            check(!c.row[0].is_reference && c.row[3].has_kld && !c.row[1].has_kld,
                  "against another reference");
        }
    static const struct {
        nb_run_key have;
        nb_unlike what;
        const char *says;
    } row[] = {
        {{.n_ctx = 256, .chunks = 8, .protocol = "x", .text = "t"}, NB_UNLIKE_CTX, "256, not 512"},
        {{.n_ctx = 512, .chunks = 4, .protocol = "x", .text = "t"}, NB_UNLIKE_CHUNKS, "4 chunks"},
        {{.n_ctx = 512, .chunks = 8, .protocol = "y", .text = "t"}, NB_UNLIKE_PROTOCOL, "y, not x"},
        {{.n_ctx = 512, .chunks = 8, .protocol = "x", .text = "u"}, NB_UNLIKE_TEXT, "another text"},
        {{.n_ctx = 512, .chunks = 8, .protocol = "x", .text = "t"}, NB_LIKE, "alike"}};
    const nb_run_key want = {.n_ctx = 512, .chunks = 8, .protocol = "x", .text = "t"};
    for (size_t i = 0; i < countof(row); i++) {
        nb_unlike_text(why, sizeof why, &row[i].have, &want);
        check(nb_run_key_unlike(&row[i].have, &want) == row[i].what && strstr(why, row[i].says),
              "%zu: %s", i, why);
    }
    nb_compare_close(&c);
    nb_runs_close(&runs);
}

CHECK_TEST(compare, the_reference_is_the_file_with_most_bits)
{
    const char *paths[] = {eval_file("Q4_0"), eval_file("Q8_0"), eval_file("Q2_K")};
    nb_compare c;
    nb_err err = {0};
    check(nb_compare_open(&c, paths, 3, NULL, &err) == NB_OK, "%s", err.msg);
    check(c.n == 3 && c.row[0].is_reference && strcmp(c.row[0].type_name, "q8_0") == 0 &&
              c.key.reference == c.row[0].model && c.row[0].bpw > 8,
          "%s", c.row[0].type_name);
    nb_compare_close(&c);
    check(nb_compare_open(&c, paths, 3, paths[0], &err) == NB_OK && c.n == 3 &&
              strcmp(c.row[0].path, paths[0]) == 0,
          "a reference that is among the files stands once");
    nb_compare_close(&c);
    check(nb_compare_open(&c, paths, 0, NULL, &err) == NB_USAGE, "nothing to compare");
}

/* What the judge measures is what a run of both models side by side gives. */
CHECK_TEST(compare, the_judge_measures_what_eval_measures)
{
    size_t n;
    char *text = eval_slice(&n);
    eval_rig a = eval_open(eval_file("Q4_0"), 64, false);
    eval_rig b = eval_open(test_data("nibble-demo"), 64, false);
    nb_judge_options opt = {.reference = test_data("nibble-demo"),
                            .text = text,
                            .len = n,
                            .text_sha256 = text_a,
                            .reading = {.n_ctx = 64, .max_chunks = 3}};
    nb_reading r;
    nb_live live;
    nb_kld want, got;
    nb_task_score facts;
    nb_judge *j = NULL;
    nb_err err = {0};
    check(nb_reading_open(&r, a.tok, a.m->hp.n_vocab, text, n, &opt.reading, &err) == NB_OK, "%s",
          err.msg);
    nb_live_init(&live, b.s);
    check(nb_kld_run(&want, a.s, &live.ref, a.pool, &r, NULL, NULL, NULL, &err) == NB_OK, "%s",
          err.msg);
    check(nb_judge_open(&j, &opt, quant_ops(), a.pool, NULL, &err) == NB_OK, "%s", err.msg);
    nb_run_key key = nb_judge_key(j);
    check(key.chunks == 3 && key.reference == nb_weights_fingerprint(b.w) &&
              strcmp(key.text, text_a) == 0 && strcmp(key.protocol, "llama-perplexity") == 0,
          "key");
    check(nb_judge_kld(j, eval_file("Q4_0"), &got, NULL, &err) == NB_OK, "%s", err.msg);
    check(got.kld.mean == want.kld.mean && got.ppl == want.ppl, "%.17g, side by side %.17g",
          got.kld.mean, want.kld.mean);
    check(nb_judge_facts(j, eval_file("Q4_0"), &facts, NULL, &err) == NB_USAGE, "no questions");
    check(nb_judge_kld(j, quant_source("F32"), &got, NULL, &err) == NB_REFUSED &&
              strstr(err.msg, "differ"),
          "%s", err.msg);
    nb_judge_close(&j);
    nb_reading_close(&r);
    eval_close(&b);
    eval_close(&a);
    free(text);
}
