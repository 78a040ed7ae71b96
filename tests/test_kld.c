/* KL divergence from a reference: its arithmetic by definition, nothing for a model against itself,
 * the same bits for any thread count, protocols, and the figures of reference/kld.json. */
#include "tests/check.h"
#include "tests/eval_rig.h"
#include "tests/quantize.h"
#include "tests/util.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/eval/eval.h"
#include "core/eval/kld.h"
#include "core/quant/presets.h"

static nb_reading read_demo(const eval_rig *e, const nb_reading_options *opt)
{
    size_t n;
    char *text = eval_slice(&n);
    nb_reading r;
    nb_err err = {0};
    check(nb_reading_open(&r, e->tok, e->m->hp.n_vocab, text, n, opt, &err) == NB_OK, "%s",
          err.msg);
    free(text);
    return r;
}

static nb_kld against(eval_rig *model, eval_rig *ref, const nb_reading *r)
{
    nb_live live;
    nb_kld k;
    nb_err err = {0};
    nb_live_init(&live, ref->s);
    check(nb_kld_run(&k, model->s, &live.ref, model->pool, r, NULL, NULL, NULL, &err) == NB_OK,
          "%s", err.msg);
    return k;
}

CHECK_TEST(kld, a_position_is_measured_as_the_definition_says)
{
    enum { N = 777 };
    test_rng rng = test_rng_make(5);
    for (int round = 0; round < 20; round++) {
        float a[N], b[N];
        for (int i = 0; i < N; i++) {
            a[i] = 4 * test_normal(&rng);
            b[i] = a[i] + test_normal(&rng) * (float)round / 5;
        }
        int32_t target = (int32_t)test_below(&rng, N);
        long double sa = 0, sb = 0, kld = 0;
        int ta = 0, tb = 0;
        for (int i = 0; i < N; i++) {
            sa += expl((long double)a[i]);
            sb += expl((long double)b[i]);
            ta = a[i] > a[ta] ? i : ta;
            tb = b[i] > b[tb] ? i : tb;
        }
        for (int i = 0; i < N; i++) {
            long double p = expl((long double)b[i]) / sb;
            kld += p * (logl(p) - (long double)a[i] + logl(sa));
        }
        nb_kld_point k = nb_kld_measure(a, b, false, N, target);
        double nll = (double)(logl(sa) - (long double)a[target]);
        double base = (double)(logl(sb) - (long double)b[target]);
        check(fabs(k.kld - (double)kld) < 1e-6 * (1 + (double)kld), "%.9f, by definition %.9f",
              k.kld, (double)kld);
        check(fabs(k.nll - nll) < 1e-6 && fabs(k.base_nll - base) < 1e-6, "%g %g", k.nll, nll);
        check(fabs(k.dp - (exp(-nll) - exp(-base))) < 1e-7, "change of p %g", k.dp);
        check(k.same_top == (ta == tb), "likeliest tokens %d and %d", ta, tb);
    }
}

/* Codes carry log-probabilities: what is 16 below the likeliest counts for nothing. */
CHECK_TEST(kld, coded_rows_are_taken_as_they_are)
{
    const float base[4] = {logf(0.5F), logf(0.25F), logf(0.125F), -17};
    const float logits[4] = {1, 1, 1, 40};
    double lse = 40 + log(1 + 3 * exp(-39));
    double want =
        0.5 * (log(0.5) - 1 + lse) + 0.25 * (log(0.25) - 1 + lse) + 0.125 * (log(0.125) - 1 + lse);
    nb_kld_point k = nb_kld_measure(logits, base, true, 4, 0);
    check(fabs(k.kld - want) < 1e-5, "%.7f, wanted %.7f", k.kld, want);
    check(fabs(k.base_nll - log(2)) < 1e-6 && !k.same_top, "%g", k.base_nll);
}

CHECK_TEST(kld, a_model_does_not_diverge_from_itself)
{
    eval_rig a = eval_open(test_data("nibble-demo"), 64, false);
    eval_rig b = eval_open(test_data("nibble-demo"), 64, false);
    nb_reading r = read_demo(&a, &(nb_reading_options){.n_ctx = 64, .max_chunks = 3});
    nb_kld k = against(&a, &b, &r);
    check(k.chunks == 3 && k.scored == 3 * 31, "%u chunks, %llu positions", k.chunks,
          (unsigned long long)k.scored);
    check(k.kld.mean == 0 && k.kld.max == 0 && k.dp.max == 0 && k.dp.min == 0, "%g", k.kld.max);
    check(k.same_top == 1 && k.same_top_lo > 0.95 && k.same_top_hi > 1 - 1e-9, "%g", k.same_top_lo);
    check(k.ppl == k.base_ppl && k.ratio == 1 && k.ratio_err == 0, "%g %g", k.ppl, k.base_ppl);
    check(fabs(k.cor - 1) < 1e-9, "correlation %g", k.cor);
    nb_reading_close(&r);
    eval_close(&b);
    eval_close(&a);
}

/* Perplexities of both are what eval says of each alone, and the figures hang together. */
CHECK_TEST(kld, figures_agree_with_perplexity_and_each_other)
{
    eval_rig a = eval_open(eval_file("Q2_K"), 128, false);
    eval_rig b = eval_open(test_data("nibble-demo"), 128, false);
    nb_reading r = read_demo(&a, &(nb_reading_options){.n_ctx = 128, .max_chunks = 4});
    nb_ppl own, base;
    nb_err err = {0};
    check(nb_eval_read(&own, a.s, &r, NULL, NULL, &err) == NB_OK, "%s", err.msg);
    check(nb_eval_read(&base, b.s, &r, NULL, NULL, &err) == NB_OK, "%s", err.msg);
    nb_kld k = against(&a, &b, &r);
    check(fabs(k.ppl / own.perplexity - 1) < 1e-6 && fabs(k.base_ppl / base.perplexity - 1) < 1e-6,
          "%.7f %.7f, alone %.7f %.7f", k.ppl, k.base_ppl, own.perplexity, base.perplexity);
    check(fabs(k.ppl_err / own.stderr_ - 1) < 1e-6, "%g, alone %g", k.ppl_err, own.stderr_);
    check(fabs(k.ratio - k.ppl / k.base_ppl) < 1e-9 && fabs(k.diff - (k.ppl - k.base_ppl)) < 1e-9,
          "ratio %g, difference %g", k.ratio, k.diff);
    check(k.kld.mean > 0.1 && k.kld.err > 0 && k.cor > 0.5 && k.cor < 1, "%g", k.kld.mean);
    const nb_spread *s[] = {&k.kld, &k.dp};
    for (int i = 0; i < 2; i++)
        check(s[i]->max >= s[i]->p999 && s[i]->p999 >= s[i]->p99 && s[i]->p99 >= s[i]->p95 &&
                  s[i]->p95 >= s[i]->p90 && s[i]->p90 >= s[i]->p75 && s[i]->p75 >= s[i]->median &&
                  s[i]->median >= s[i]->p25 && s[i]->p25 >= s[i]->p10 && s[i]->p10 >= s[i]->p5 &&
                  s[i]->p5 >= s[i]->p1 && s[i]->p1 >= s[i]->p01 && s[i]->p01 >= s[i]->min,
              "percentiles are not in order");
    check(k.same_top_lo < k.same_top && k.same_top < k.same_top_hi && k.same_top < 0.9, "%g",
          k.same_top);
    nb_reading_close(&r);
    eval_close(&b);
    eval_close(&a);
}

CHECK_TEST(kld, the_bits_do_not_depend_on_threads)
{
    enum { CTX = TEST_THIN > 1 ? 32 : 96 };
    nb_kld k[3];
    const int threads[] = {1, 2, 7};
    for (int i = 0; i < 3; i++) {
        eval_rig a =
            eval_open_threads(eval_file(TEST_THIN > 1 ? "Q4_0" : "Q4_K_M"), CTX, threads[i]);
        eval_rig b = eval_open_threads(test_data("nibble-demo"), CTX, threads[i]);
        nb_reading r = read_demo(&a, &(nb_reading_options){.n_ctx = CTX, .max_chunks = 2});
        k[i] = against(&a, &b, &r);
        k[i].seconds = k[i].tok_per_s = 0;
        check(memcmp(&k[i], &k[0], sizeof k[0]) == 0, "%d threads: %.17g, one %.17g", threads[i],
              k[i].kld.mean, k[0].kld.mean);
        nb_reading_close(&r);
        eval_close(&b);
        eval_close(&a);
    }
}

/* A second reference for free: what its states were when it ran. */
CHECK_TEST(kld, held_states_give_the_bits_of_the_live_reference)
{
    eval_rig a = eval_open(eval_file("Q4_0"), 64, false);
    eval_rig b = eval_open(test_data("nibble-demo"), 64, false);
    nb_reading r = read_demo(&a, &(nb_reading_options){.n_ctx = 64, .max_chunks = 3});
    nb_held h;
    nb_kld live = against(&a, &b, &r), held;
    nb_err err = {0};
    check(nb_held_open(&h, b.s, quant_ops(), b.pool, &r, NULL, &err) == NB_OK, "%s", err.msg);
    check(nb_kld_run(&held, a.s, &h.ref, a.pool, &r, NULL, NULL, NULL, &err) == NB_OK, "%s",
          err.msg);
    held.seconds = live.seconds = held.tok_per_s = live.tok_per_s = 0;
    check(memcmp(&held, &live, sizeof held) == 0, "%.17g, live %.17g", held.kld.mean,
          live.kld.mean);
    nb_held_close(&h);
    nb_reading_close(&r);
    eval_close(&b);
    eval_close(&a);
}

static bool after_some(void *ud)
{
    int *left = ud;
    return (*left)-- <= 0;
}

CHECK_TEST(kld, cancel_is_obeyed_wherever_it_comes)
{
    eval_rig a = eval_open(test_data("nibble-demo"), 64, false);
    eval_rig b = eval_open(test_data("nibble-demo"), 64, false);
    nb_reading r = read_demo(&a, &(nb_reading_options){.n_ctx = 64, .max_chunks = 2});
    nb_live live;
    nb_live_init(&live, b.s);
    for (int polls = 0; polls < 60; polls += 7) {
        int left = polls;
        nb_hooks hooks = {.canceled = after_some, .ud = &left};
        nb_kld k = {.chunks = 77};
        nb_err err = {0};
        check(nb_kld_run(&k, a.s, &live.ref, a.pool, &r, NULL, NULL, &hooks, &err) == NB_CANCELED,
              "after %d polls: %s", polls, err.msg);
        check(k.chunks == 77, "the output was touched");
    }
    nb_reading_close(&r);
    eval_close(&b);
    eval_close(&a);
}

CHECK_TEST(kld, unlike_vocabularies_are_refused_by_name)
{
    eval_rig a = eval_open(test_data("nibble-demo"), 64, false);
    eval_rig b = eval_open(quant_source("F32"), 64, false);
    nb_err err = {0};
    check(nb_vocab_same(a.tok, "one", a.tok, "same", &err) == NB_OK, "%s", err.msg);
    check(nb_vocab_same(a.tok, "one", b.tok, "other", &err) == NB_REFUSED &&
              strstr(err.msg, "one") && strstr(err.msg, "other"),
          "%s", err.msg);
    check(nb_vocab_print(a.tok) != nb_vocab_print(b.tok), "prints are equal");
    nb_reading r = read_demo(&a, &(nb_reading_options){.n_ctx = 64, .max_chunks = 1});
    if (a.m->hp.n_vocab != b.m->hp.n_vocab) {
        nb_live live;
        nb_kld k;
        nb_live_init(&live, b.s);
        check(nb_kld_run(&k, a.s, &live.ref, NULL, &r, NULL, NULL, NULL, &err) == NB_REFUSED &&
                  strstr(err.msg, "vocabularies differ"),
              "%s", err.msg);
    }
    nb_reading_close(&r);
    eval_close(&b);
    eval_close(&a);
}

/* --- protocols -------------------------------------------------------------------------------- */

static int32_t token_at(const nb_tok *tok, const char *text, size_t i)
{
    int32_t ids[64];
    size_t n = nb_tok_encode(tok, text, strlen(text), NB_TOK_BOS, ids, 64);
    check(i < n && n <= 64, "%zu tokens", n);
    return ids[i];
}

CHECK_TEST(kld, protocols_score_what_they_say)
{
    eval_rig e = eval_open(test_data("nibble-demo"), 64, false);
    nb_reading llama = read_demo(&e, &(nb_reading_options){.n_ctx = 64});
    nb_reading papers =
        read_demo(&e, &(nb_reading_options){.protocol = NB_PROTOCOL_PAPERS, .n_ctx = 64});
    nb_reading strided = read_demo(
        &e, &(nb_reading_options){.protocol = NB_PROTOCOL_STRIDED, .n_ctx = 64, .stride = 16});
    int32_t chunk[64];
    check(llama.first == 32 && llama.count == 31 && llama.chunks == llama.tokens / 64, "llama");
    check(papers.first == 0 && papers.count == 63 && papers.bos == -1, "papers");
    check(strided.first == 47 && strided.count == 16 && strided.step == 16 &&
              strided.chunks == (strided.tokens - 64 + 15) / 16,
          "strided: %u chunks of %llu tokens", strided.chunks, (unsigned long long)strided.tokens);
    nb_reading_chunk(&llama, 1, chunk);
    check(chunk[0] == nb_tok_bos(e.tok) && chunk[1] == llama.ids[65], "BOS goes first");
    nb_reading_chunk(&papers, 1, chunk);
    check(chunk[0] == papers.ids[64], "the papers put no BOS into the text");
    nb_reading_chunk(&strided, 2, chunk);
    check(chunk[0] == strided.ids[32] && chunk[63] == strided.ids[95], "chunks overlap");
    nb_reading_close(&llama);
    nb_reading_close(&papers);
    nb_reading_close(&strided);
    eval_close(&e);
}

/* datasets gives wikitext's rows with their line ends, blank ones empty; GPTQ puts "\n\n" between
 * rows: "a \n" + "\n\n" + "" + "\n\n" + "b". */
CHECK_TEST(kld, the_papers_join_rows_by_blank_lines)
{
    eval_rig e = eval_open(test_data("nibble-demo"), 64, false);
    nb_reading r;
    nb_err err = {0};
    const char *text = "one \n  \ntwo", *want = "one \n\n\n\n\ntwo";
    nb_reading_options opt = {.protocol = NB_PROTOCOL_PAPERS, .n_ctx = 4};
    check(nb_reading_open(&r, e.tok, e.m->hp.n_vocab, text, strlen(text), &opt, &err) == NB_OK,
          "%s", err.msg);
    for (size_t i = 0; i < r.tokens; i++)
        check(r.ids[i] == token_at(e.tok, want, i), "token %zu differs", i);
    nb_reading_close(&r);
    eval_close(&e);
}

CHECK_TEST(kld, impossible_readings_are_refused)
{
    eval_rig e = eval_open(test_data("nibble-demo"), 64, false);
    static const struct {
        nb_reading_options opt;
        nb_status want;
        const char *says;
    } rows[] = {
        {{NB_PROTOCOL_LLAMA, 2, 0, 0}, NB_USAGE, "too short to score"},
        {{NB_PROTOCOL_STRIDED, 64, 0, 0}, NB_USAGE, "stride 0"},
        {{NB_PROTOCOL_STRIDED, 64, 64, 0}, NB_USAGE, "stride 64"},
        {{NB_PROTOCOL_LLAMA, 64, 0, 0}, NB_REFUSED, "128 are needed"},
        {{NB_PROTOCOL_PAPERS, 64, 0, 0}, NB_REFUSED, "64 are needed"},
        {{NB_PROTOCOL_STRIDED, 64, 8, 0}, NB_REFUSED, "65 are needed"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        nb_reading r = {.chunks = 77};
        nb_err err = {0};
        nb_status st =
            nb_reading_open(&r, e.tok, e.m->hp.n_vocab, "a few words", 11, &rows[i].opt, &err);
        check(st == rows[i].want && strstr(err.msg, rows[i].says), "%zu: %s", i, err.msg);
        check(r.chunks == 77, "the output was touched");
    }
    check(nb_protocol_find("llama") == NB_PROTOCOL_LLAMA &&
              nb_protocol_find("papers") == NB_PROTOCOL_PAPERS &&
              nb_protocol_find("wikitext") == NB_PROTOCOL_COUNT,
          "names");
    eval_close(&e);
}

/* --- reference/kld.json ----------------------------------------------------------------------- */

/* llama-perplexity's base file codes log-probabilities in 16 bits, cut off 16 below the likeliest
 * (its F32 against itself gives up to 6e-5), and rounding of encoded activations differs between
 * engines: perplexity as perplexity.json allows, divergences to 5 % and 1e-4. BF16 differs by
 * design: nibble keeps activations in F32 there. */
static bool agrees(const char *preset, const nb_kld *k, const nb_jval *want)
{
    double ppl, mean, p99, top, rms;
    check(nb_jnum(nb_jget(want, "ppl"), &ppl) && nb_jnum(nb_jget(want, "mean_kld"), &mean) &&
              nb_jnum(nb_jget(want, "p99_kld"), &p99) &&
              nb_jnum(nb_jget(want, "same_top_percent"), &top) &&
              nb_jnum(nb_jget(want, "rms_dp_percent"), &rms),
          "%s", preset);
    double loose = strcmp(preset, "Q2_K") == 0 ? 1e-2 : 4e-3;
    bool good = fabs(k->ppl / ppl - 1) < loose && fabs(k->kld.mean - mean) < 0.05 * mean + 1e-4 &&
                fabs(k->kld.p99 - p99) < 0.1 * p99 + 3e-4 && fabs(100 * k->same_top - top) < 1.0 &&
                fabs(100 * k->rms_dp - rms) < 0.25;
    fprintf(stderr, "%-7s KLD %.6f (%.6f) 99%% %.6f (%.6f) top %.3f (%.3f) rms %.3f (%.3f)%s\n",
            preset, k->kld.mean, mean, k->kld.p99, p99, 100 * k->same_top, top, 100 * k->rms_dp,
            rms, good ? "" : "  off");
    return good;
}

/* Answers of a bf16 model may be written with activations in one part (pairs.h), as llama.cpp has
 * them always: then they are as far from F32 as its. */
static bool one_part_agrees(const nk_ops *ops, nb_reference *ref, const nb_reading *r,
                            const nb_jval *want)
{
    nb_err err = {0};
    nb_session *s = NULL;
    nb_kld k;
    eval_rig e = eval_open(eval_file("BF16"), 512, false);
    check(nb_session_open(&s, e.m, ops, e.pool, &(nb_session_options){.n_ctx = 512}, &err) == NB_OK,
          "%s", err.msg);
    check(nb_kld_run(&k, s, ref, e.pool, r, NULL, NULL, NULL, &err) == NB_OK, "%s", err.msg);
    nb_session_close(&s);
    eval_close(&e);
    double mean;
    return agrees("BF16", &k, want) && nb_jnum(nb_jget(want, "mean_kld"), &mean) &&
           k.kld.mean < 1.02 * mean;
}

CHECK_TEST(kld, whole_text_agrees_with_llama_perplexity)
{
    if (!getenv("NB_TEST_PPL") || !test_shared("reference/kld.json"))
        check_skip("the whole text takes minutes: NB_TEST_PPL=all and ../shared/reference");
    static const char *const presets[] = {"F32",    "BF16", "Q8_0",   "Q6_K", "Q5_K_M",
                                          "Q4_K_M", "Q4_0", "Q3_K_M", "Q2_K"};
    size_t len, n;
    char *text = test_slurp(test_shared("reference/eval.txt"), &len);
    char *json = test_slurp(test_shared("reference/kld.json"), &n);
    nb_json *doc;
    nb_held h;
    nb_reading r;
    nb_err err = {0};
    int bad = 0;
    check(nb_json_parse(&doc, json, n, n, "kld.json", &err) == NB_OK, "%s", err.msg);
    eval_rig ref = eval_open(eval_file("F32"), 512, false);
    check(nb_reading_open(&r, ref.tok, ref.m->hp.n_vocab, text, len,
                          &(nb_reading_options){.n_ctx = 512}, &err) == NB_OK,
          "%s", err.msg);
    check(nb_held_open(&h, ref.s, quant_ops(), ref.pool, &r, NULL, &err) == NB_OK, "%s", err.msg);
    for (size_t i = 0; i < countof(presets); i++) {
        eval_rig e = eval_open(eval_file(presets[i]), 512, false);
        nb_kld k;
        check(nb_kld_run(&k, e.s, &h.ref, e.pool, &r, NULL, NULL, NULL, &err) == NB_OK, "%s",
              err.msg);
        bad += !agrees(presets[i], &k, nb_jget(nb_jget(nb_json_root(doc), "kld"), presets[i]));
        eval_close(&e);
    }
    nk_ops quick = *quant_ops();
    nk_ops_one_part(&quick);
    if (quick.pairs[NK_BF16].run)
        bad += !one_part_agrees(&quick, &h.ref, &r,
                                nb_jget(nb_jget(nb_json_root(doc), "kld"), "BF16"));
    check(bad == 0, "%d presets are off", bad);
    nb_held_close(&h);
    nb_reading_close(&r);
    eval_close(&ref);
    nb_json_close(&doc);
    free(json);
    free(text);
}
