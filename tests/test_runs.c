/* Stored results: what was measured comes back, for the same file, text, context and CPU only; a
 * torn line costs itself alone (A16). */
#include "tests/check.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/eval/runs.h"
#include "kernels/cpu.h"

static nb_config config(const char *name)
{
    nb_config c = {.writable = true};
    snprintf(c.state_dir, sizeof c.state_dir, "%s/%s/deep", test_tmpdir(), name);
    return c;
}

static nb_runs *open_runs(const nb_config *c)
{
    nb_runs *runs = NULL;
    nb_err err = {0};
    check(nb_runs_open(&runs, c, &err) == NB_OK, "%s", err.msg);
    return runs;
}

static nb_ppl some_ppl(uint32_t n_ctx, double perplexity)
{
    return (nb_ppl){.n_ctx = n_ctx,
                    .chunks = 83,
                    .tokens = 42500,
                    .scored = 21165,
                    .nll = 4.324,
                    .perplexity = perplexity,
                    .stderr_ = 0.1 + 0.2,
                    .seconds = 1e-3,
                    .tok_per_s = 12345.678};
}

static nb_bench some_bench(double tg)
{
    nb_bench b = {.n_prompt = 128,
                  .n_gen = 32,
                  .threads = 2,
                  .pp_tok_s = 200,
                  .tg_tok_s = tg,
                  .bandwidth = 2e10,
                  .fraction = 0.5,
                  .weight_bytes = UINT64_C(1) << 40,
                  .rss = 123456789,
                  .level = "avx2"};
    nk_cpu_model(b.cpu, sizeof b.cpu);
    return b;
}

static const uint64_t print = UINT64_C(0xfedcba9876543210);
static const char *const sha = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

CHECK_TEST(runs, what_was_stored_comes_back_after_reopening)
{
    nb_config c = config("back");
    nb_runs *runs = open_runs(&c);
    nb_err err = {0};
    nb_ppl p = some_ppl(512, 75.505717), got;
    nb_bench b = some_bench(10), other = some_bench(99);
    double pp, tg;
    check(!nb_runs_speed(runs, print, &pp, &tg) && nb_runs_bandwidth(runs) == 0, "empty");
    check(nb_runs_add_ppl(runs, print, sha, &p, &err) == NB_OK, "%s", err.msg);
    check(nb_runs_add_bench(runs, print, &b, &err) == NB_OK, "%s", err.msg);
    snprintf(other.cpu, sizeof other.cpu, "another processor");
    other.bandwidth = 9e11;
    check(nb_runs_add_bench(runs, print, &other, &err) == NB_OK, "%s", err.msg);
    for (int pass = 0; pass < 2; pass++) {
        check(nb_runs_skipped(runs) == 0, "%zu lines skipped", nb_runs_skipped(runs));
        check(nb_runs_ppl(runs, print, sha, 512, &got), "perplexity is gone");
        check(got.perplexity == p.perplexity && got.stderr_ == p.stderr_ && got.nll == p.nll &&
                  got.tokens == p.tokens && got.chunks == p.chunks && got.seconds == p.seconds,
              "a figure changed: %.17g", got.perplexity);
        check(!nb_runs_ppl(runs, print, sha, 256, &got), "another context was compared");
        check(!nb_runs_ppl(runs, print, "other", 512, &got), "another text was compared");
        check(!nb_runs_ppl(runs, print ^ 1, sha, 512, &got), "another file was compared");
        check(nb_runs_speed(runs, print, &pp, &tg) && tg == 10 && pp == 200,
              "another machine's speed was taken");
        check(nb_runs_bandwidth(runs) == 1e10, "%g", nb_runs_bandwidth(runs));
        nb_runs_close(&runs);
        runs = open_runs(&c);
    }
    nb_runs_close(&runs);
    nb_runs_close(&runs);
}

CHECK_TEST(runs, the_latest_run_of_a_file_counts)
{
    nb_config c = config("latest");
    nb_runs *runs = open_runs(&c);
    nb_ppl p;
    double pp, tg;
    for (int i = 1; i <= 200; i++) {
        p = some_ppl(512, i);
        nb_bench b = some_bench(i);
        check(nb_runs_add_ppl(runs, (uint64_t)(i % 3), sha, &p, NULL) == NB_OK, "add");
        check(nb_runs_add_bench(runs, (uint64_t)(i % 3), &b, NULL) == NB_OK, "add");
        if (i > 20)
            i += 57; /* each append is a sync: a few are enough */
    }
    check(nb_runs_ppl(runs, 1, sha, 512, &p) && nb_runs_speed(runs, 1, &pp, &tg), "lookup");
    check(p.perplexity == tg && tg > 3, "perplexity %g, speed %g", p.perplexity, tg);
    nb_runs_close(&runs);
}

/* Cut the file at every byte of its last line; what stood before stays, and the next record too. */
CHECK_TEST(runs, a_torn_line_costs_itself_alone_a16)
{
    nb_config c = config("torn");
    nb_runs *runs = open_runs(&c);
    nb_ppl p = some_ppl(512, 1), got;
    check(nb_runs_add_ppl(runs, 1, sha, &p, NULL) == NB_OK, "add");
    size_t whole, both;
    const char *path = test_path(c.state_dir, "runs.jsonl");
    free(test_slurp(path, &whole));
    check(nb_runs_add_ppl(runs, 2, sha, &p, NULL) == NB_OK, "add");
    nb_runs_close(&runs);
    char *text = test_slurp(path, &both);
    for (size_t cut = whole; cut <= both; cut += cut + 20 < both ? 13 : 1) {
        test_spit(path, text, cut);
        runs = open_runs(&c);
        check(nb_runs_ppl(runs, 1, sha, 512, &got), "cut at %zu: the first record is gone", cut);
        bool second = nb_runs_ppl(runs, 2, sha, 512, &got);
        check(second == (cut + 1 >= both), "cut at %zu: second record %d", cut, second);
        check(nb_runs_skipped(runs) == (second || cut == whole ? 0u : 1u), "cut at %zu", cut);
        check(nb_runs_add_ppl(runs, 3, sha, &p, NULL) == NB_OK, "add");
        nb_runs_close(&runs);
        runs = open_runs(&c);
        check(nb_runs_ppl(runs, 3, sha, 512, &got), "cut at %zu: the next record was lost", cut);
        nb_runs_close(&runs);
    }
    free(text);
}

CHECK_TEST(runs, foreign_lines_are_skipped_and_counted)
{
    static const char lines[] =
        "not json\n"
        "{\"run\":\"perplexity\"}\n"
        "{\"run\":\"weather\",\"model\":\"0123456789abcdef\"}\n"
        "[1,2,3]\n"
        "\n"
        "{\"run\":\"perplexity\",\"model\":\"000000000000000g\",\"text\":\"a\"}\n"
        "{\"run\":\"perplexity\",\"model\":\"0000000000000001\",\"text\":\"a\",\"n_ctx\":-1}\n"
        "\xff\xfe\n";
    nb_config c = config("foreign");
    nb_runs *runs = open_runs(&c);
    nb_ppl p = some_ppl(512, 5), got;
    check(nb_runs_add_ppl(runs, 7, sha, &p, NULL) == NB_OK, "add");
    nb_runs_close(&runs);
    size_t n;
    const char *path = test_path(c.state_dir, "runs.jsonl");
    char *good = test_slurp(path, &n), *both = malloc(n + sizeof lines);
    memcpy(both, lines, sizeof lines - 1);
    memcpy(both + sizeof lines - 1, good, n);
    test_spit(path, both, n + sizeof lines - 1);
    runs = open_runs(&c);
    check(nb_runs_skipped(runs) == 7, "%zu lines skipped", nb_runs_skipped(runs));
    check(nb_runs_ppl(runs, 7, sha, 512, &got) && got.perplexity == 5, "the good line is gone");
    nb_runs_close(&runs);
    free(good);
    free(both);
}

CHECK_TEST(runs, without_a_home_results_live_as_long_as_the_program)
{
    nb_config c = {.writable = false};
    nb_runs *runs = open_runs(&c);
    nb_ppl p = some_ppl(512, 5), got;
    check(nb_runs_add_ppl(runs, 7, sha, &p, NULL) == NB_OK, "add");
    check(nb_runs_ppl(runs, 7, sha, 512, &got), "lookup");
    nb_runs_close(&runs);
}

/* A chat's rate counts as measured, for its file on this CPU, when it is long enough and news; it
 * says nothing about bandwidth, so no other file is estimated by it. */
CHECK_TEST(runs, a_chat_measures_its_own_file_alone)
{
    nb_config c = config("chat");
    nb_runs *runs = open_runs(&c);
    nb_err err = {0};
    static const struct {
        uint32_t tokens;
        double rate, then;
        bool added;
    } rows[] = {{15, 50, 0, false}, {16, 50, 50, true}, {99, 51, 50, false},
                {99, 40, 40, true}, {99, 0, 40, false}, {99, 41.9, 40, false}};
    for (size_t i = 0; i < countof(rows); i++) {
        bool added = false;
        double pp = -1, tg = 0;
        check(nb_runs_add_chat(runs, print, rows[i].tokens, 2, rows[i].rate, &added, &err) == NB_OK,
              "%s", err.msg);
        check(added == rows[i].added, "row %zu", i);
        nb_runs_speed(runs, print, &pp, &tg);
        check(tg == rows[i].then, "row %zu: %g", i, tg);
    }
    for (int pass = 0; pass < 2; pass++) {
        double pp, tg;
        check(nb_runs_count(runs) == 1 && nb_runs_skipped(runs) == 0, "%zu", nb_runs_count(runs));
        check(nb_runs_speed(runs, print, &pp, &tg) && tg == 40 && pp == 0, "%g", tg);
        check(!nb_runs_speed(runs, print + 1, &pp, &tg) && nb_runs_bandwidth(runs) == 0, "other");
        nb_runs_close(&runs);
        runs = open_runs(&c);
    }
    nb_runs_close(&runs);
}

/* However many answers there were (A34); a bench and another file's answer stay. */
CHECK_TEST(runs, answers_without_end_take_no_more_memory)
{
    nb_config c = config("answers");
    nb_runs *runs = open_runs(&c);
    nb_bench b = {.tg_tok_s = 7};
    double pp, tg;
    bool added;
    check(nb_runs_add_bench(runs, print, &b, NULL) == NB_OK, "bench");
    check(nb_runs_add_chat(runs, print + 1, 99, 2, 5, &added, NULL) == NB_OK && added, "other");
    for (int i = 0; i < 50; i++)
        check(nb_runs_add_chat(runs, print, 99, 2, i % 2 ? 10 : 20, &added, NULL) == NB_OK && added,
              "answer %d", i);
    for (int pass = 0; pass < 2; pass++) {
        check(nb_runs_count(runs) == 3, "pass %d: %zu", pass, nb_runs_count(runs));
        check(nb_runs_speed(runs, print, &pp, &tg) && tg == 10, "%g", tg);
        check(nb_runs_speed(runs, print + 1, &pp, &tg) && tg == 5, "other: %g", tg);
        nb_runs_close(&runs);
        runs = open_runs(&c);
    }
    nb_runs_close(&runs);
}

/* Every field of every kind, and what belongs to the key. */
CHECK_TEST(runs, all_kinds_of_results_come_back_whole)
{
    nb_config c = config("kinds");
    nb_runs *runs = open_runs(&c);
    nb_run_key key = {.model = print, .reference = 9, .protocol = "papers"};
    nb_kld k, k2;
    nb_task_score t = {71, 71, 70, 70.0 / 71, 0.92, 0.99, 0.25, 12.5}, t2;
    double *d = (double *)(void *)&k.ppl;
    memset(&k, 0, sizeof k);
    k.n_ctx = 512, k.chunks = 7, k.scored = 1785, k.n_same_top = 1500;
    for (size_t i = 0; i < 12; i++)
        d[i] = 0.1 + (double)i / 3;
    k.kld.max = 4.25, k.kld.p01 = 1e-9, k.dp.min = -0.5, k.dp.mean = -1e-3, k.rms_dp = 0.04;
    k.same_top = 0.84, k.same_top_lo = 0.82, k.same_top_hi = 0.86, k.tok_per_s = 1234.5;
    snprintf(key.text, sizeof key.text, "%s", sha);
    check(nb_runs_add(runs, NB_RUN_KLD, &key, &k, NULL) == NB_OK, "add");
    check(nb_runs_add(runs, NB_RUN_TASK, &key, &t, NULL) == NB_OK, "add");
    nb_runs_close(&runs);
    runs = open_runs(&c);
    key.n_ctx = 512;
    check(nb_runs_skipped(runs) == 0 && nb_runs_find(runs, NB_RUN_KLD, &key, &k2) &&
              memcmp(&k, &k2, sizeof k) == 0,
          "a field of a divergence changed");
    key.n_ctx = 0;
    key.chunks = 71;
    check(nb_runs_find(runs, NB_RUN_TASK, &key, &t2) && memcmp(&t, &t2, sizeof t) == 0,
          "a field of a task changed");
    check(!nb_runs_find(runs, NB_RUN_FACTS, &key, &t2), "another kind was taken");
    key.reference = 8;
    check(!nb_runs_find(runs, NB_RUN_TASK, &key, &t2), "another reference was taken");
    nb_runs_close(&runs);
}

/* Lines from before protocols had names are llama-perplexity's. */
CHECK_TEST(runs, early_lines_are_read_as_they_were_meant)
{
    nb_config c = config("early");
    static const char line[] =
        "{\"run\":\"perplexity\",\"model\":\"00000000000000aa\",\"text\":\"abc\",\"n_ctx\":512,"
        "\"chunks\":2,\"tokens\":2000,\"scored\":510,\"nll\":4,\"perplexity\":54.5,\"stderr_\":1,"
        "\"seconds\":1,\"tok_per_s\":1}\n";
    nb_runs *runs = open_runs(&c);
    nb_ppl p = some_ppl(512, 7), got;
    check(nb_runs_add_ppl(runs, 1, "x", &p, NULL) == NB_OK, "add");
    nb_runs_close(&runs);
    test_spit(test_path(c.state_dir, "runs.jsonl"), line, sizeof line - 1);
    runs = open_runs(&c);
    check(nb_runs_skipped(runs) == 0 && nb_runs_ppl(runs, 0xaa, "abc", 512, &got) &&
              got.perplexity == 54.5,
          "the line was not understood");
    nb_run_key papers = {.model = 0xaa, .text = "abc", .protocol = "papers", .n_ctx = 512};
    check(!nb_runs_find(runs, NB_RUN_PPL, &papers, &got), "another protocol was compared");
    nb_runs_close(&runs);
}

CHECK_TEST(runs, what_an_endpoint_told_comes_back_and_is_no_files_run)
{
    nb_config c = config("far");
    nb_runs *runs = open_runs(&c);
    nb_run_key key = {.model = print, .protocol = "remote, server's tokens"};
    nb_far f = {.remote = "https://host/v1#far",
                .n_ctx = 512,
                .chunks = 7,
                .scored = 1785,
                .ppl = 5.25,
                .ppl_err = .1,
                .far_ppl = 5.125,
                .kld = .0625,
                .kld_err = 1e-3,
                .same_top = .9},
           got;
    nb_kld k;
    nb_ppl p;
    uint64_t other;
    snprintf(key.text, sizeof key.text, "%s", sha);
    check(nb_far_print(f.remote, &key.reference, NULL) == NB_OK && key.reference, "print");
    check(nb_far_print("https://host/v1#other", &other, NULL) == NB_OK && other != key.reference,
          "two endpoints, one print");
    check(nb_runs_add(runs, NB_RUN_FAR, &key, &f, NULL) == NB_OK, "add");
    nb_runs_close(&runs);
    runs = open_runs(&c);
    key.n_ctx = 512;
    check(nb_runs_skipped(runs) == 0 && nb_runs_find(runs, NB_RUN_FAR, &key, &got) &&
              strcmp(got.remote, f.remote) == 0 && got.kld == f.kld && got.far_ppl == f.far_ppl &&
              got.same_top == f.same_top && got.scored == f.scored && got.ppl_err == f.ppl_err,
          "a field changed");
    check(!nb_runs_find(runs, NB_RUN_KLD, &key, &k) && !nb_runs_ppl(runs, print, sha, 512, &p),
          "taken for a file's own");
    nb_runs_close(&runs);
}
