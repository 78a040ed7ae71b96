/* Base files: what is kept gives the same divergence as the reference itself, llama-perplexity's
 * kind is written to its rules, and damaged or foreign files are refused with words. */
#include "tests/check.h"
#include "tests/eval_rig.h"
#include "tests/quantize.h"
#include "tests/util.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/eval/base_file.h"

enum { CTX = 64, CHUNKS = 6 };
static const char sha[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

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

static nb_base_about about_of(const eval_rig *e, nb_base_kind kind)
{
    return (nb_base_about){.kind = kind,
                           .reference = nb_weights_fingerprint(e->w),
                           .vocab = nb_vocab_print(e->tok),
                           .text = sha,
                           .name = "the demo",
                           .cpu_flags = quant_ops()->flags};
}

static const char *save(eval_rig *e, nb_base_kind kind, const nb_reading *r, const char *name)
{
    const char *path = test_path(test_tmpdir(), name);
    nb_base_about about = about_of(e, kind);
    nb_ppl p;
    nb_err err = {0};
    check(nb_base_save(&p, path, &about, e->s, r, NULL, NULL, &err) == NB_OK, "%s", err.msg);
    check(p.scored == (uint64_t)r->chunks * r->count && p.perplexity > 1, "%llu scored",
          (unsigned long long)p.scored);
    check(quant_count(test_tmpdir(), ".part") == 0, "a part was left");
    return path;
}

static nb_kld from(eval_rig *model, const char *path, nb_base_head *head)
{
    nb_base *b = NULL;
    nb_kld k;
    nb_err err = {0};
    check(nb_base_open(&b, path, model->tok, quant_ops(), model->pool, &err) == NB_OK, "%s",
          err.msg);
    check(nb_kld_run(&k, model->s, &b->ref, model->pool, &b->reading, NULL, NULL, NULL, &err) ==
              NB_OK,
          "%s", err.msg);
    *head = b->head;
    nb_base_close(&b);
    return k;
}

/* The limit of the file format: 1e-5 nats of the mean. A position's error is some 1e-4, of either
 * sign. Over the whole of reference/eval.txt, Q8_0, Q4_K_M and Q2_K against F32, the mean was
 * 2.2e-7 off at most; llama-perplexity's own file gives 1.7e-5
 * and a perplexity of the reference that is 0.17 off (its floor). */
CHECK_TEST(base_file, divergence_from_a_file_is_that_from_the_reference)
{
    static const nb_protocol protocols[] = {NB_PROTOCOL_LLAMA, NB_PROTOCOL_PAPERS,
                                            NB_PROTOCOL_STRIDED};
    eval_rig a = eval_open(eval_file("Q4_K_M"), CTX, false);
    eval_rig b = eval_open(test_data("nibble-demo"), CTX, false);
    for (int i = 0; i < 3; i++) {
        nb_reading_options opt = {protocols[i], CTX, i == 2 ? 32 : 0, 3 * CHUNKS};
        nb_reading r = read_demo(&a, &opt);
        nb_live live;
        nb_kld exact;
        nb_base_head head;
        nb_err err = {0};
        nb_live_init(&live, b.s);
        check(nb_kld_run(&exact, a.s, &live.ref, a.pool, &r, NULL, NULL, NULL, &err) == NB_OK, "%s",
              err.msg);
        nb_kld k = from(&a, save(&b, NB_BASE_NIBBLE, &r, "own.base"), &head);
        check(fabs(k.kld.mean - exact.kld.mean) < 1e-5, "%s: %.8f, exact %.8f",
              nb_protocol_name(protocols[i]), k.kld.mean, exact.kld.mean);
        check(fabs(k.base_ppl / exact.base_ppl - 1) < 1e-4 && k.ppl == exact.ppl, "perplexities");
        check(head.reference == nb_weights_fingerprint(b.w) && strcmp(head.text, sha) == 0 &&
                  strcmp(head.name, "the demo") == 0 && head.reading.protocol == protocols[i],
              "what it is of");
        nb_reading_close(&r);
    }
    eval_close(&b);
    eval_close(&a);
}

/* llama-perplexity's kind: head and tokens as perplexity.cpp writes them, BOS not yet put in. */
CHECK_TEST(base_file, llama_files_follow_its_layout)
{
    eval_rig a = eval_open(eval_file("Q4_K_M"), CTX, false);
    eval_rig b = eval_open(test_data("nibble-demo"), CTX, false);
    nb_reading r = read_demo(&a, &(nb_reading_options){.n_ctx = CTX, .max_chunks = CHUNKS});
    nb_live live;
    nb_kld exact;
    nb_base_head head;
    nb_err err = {0};
    const char *path = save(&b, NB_BASE_LLAMA, &r, "llama.base");
    size_t n, rows = (size_t)CHUNKS * (CTX / 2 - 1), n_vocab = a.m->hp.n_vocab;
    char *bytes = test_slurp(path, &n);
    uint32_t figure[3];
    memcpy(figure, bytes + 8, sizeof figure);
    check(memcmp(bytes, "_logits_", 8) == 0 && figure[0] == CTX && figure[1] == n_vocab &&
              figure[2] == CHUNKS,
          "head %u %u %u", figure[0], figure[1], figure[2]);
    check(memcmp(bytes + 20, r.ids, (size_t)4 * CHUNKS * CTX) == 0, "tokens");
    check(n == 20 + (size_t)4 * CHUNKS * CTX + rows * 2 * (2 * ((n_vocab + 1) / 2) + 4), "%zu", n);
    nb_live_init(&live, b.s);
    check(nb_kld_run(&exact, a.s, &live.ref, a.pool, &r, NULL, NULL, NULL, &err) == NB_OK, "%s",
          err.msg);
    nb_kld k = from(&a, path, &head);
    check(fabs(k.kld.mean - exact.kld.mean) < 1e-4, "%.8f, exact %.8f", k.kld.mean, exact.kld.mean);
    check(fabs(k.base_ppl / exact.base_ppl - 1) < 1e-2, "%g, exact %g", k.base_ppl, exact.base_ppl);
    free(bytes);
    nb_reading_close(&r);
    eval_close(&b);
    eval_close(&a);
}

CHECK_TEST(base_file, codes_are_as_near_as_their_step)
{
    enum { N = 301 };
    test_rng rng = test_rng_make(9);
    float logits[N], scale, least;
    uint16_t code[N + 1];
    for (int i = 0; i < N; i++)
        logits[i] = 5 * test_normal(&rng);
    logits[7] = -40;
    double sum = 0, max = -100;
    for (int i = 0; i < N; i++) {
        sum += exp((double)logits[i]);
        max = (double)logits[i] > max ? (double)logits[i] : max;
    }
    nb_base_code(logits, N, &scale, &least, code);
    for (int i = 0; i < N; i++) {
        double p = (double)logits[i] - log(sum), floor = max - 16 - log(sum);
        double got = (double)scale * code[i] + (double)least, want = p > floor ? p : floor;
        check(fabs(got - want) < 0.51 * (double)scale + 1e-5, "%d: %g, wanted %g", i, got, want);
    }
    check(code[7] == 0, "below the floor");
    for (int i = 0; i < N; i++)
        logits[i] = 3;
    nb_base_code(logits, N, &scale, &least, code);
    check(scale == 0 && code[5] == 0 && fabs((double)least + log(N)) < 1e-5, "all the same");
}

static nb_status reopen(const eval_rig *e, const char *path, const char *bytes, size_t n,
                        nb_err *err)
{
    nb_base *b = NULL;
    test_spit(path, bytes, n);
    nb_status st = nb_base_open(&b, path, e->tok, quant_ops(), NULL, err);
    check((st == NB_OK) == (b != NULL), "what a failure leaves");
    nb_base_close(&b);
    return st;
}

CHECK_TEST(base_file, damaged_files_are_refused)
{
    eval_rig e = eval_open(test_data("nibble-demo"), CTX, false);
    nb_reading r = read_demo(&e, &(nb_reading_options){.n_ctx = CTX, .max_chunks = 2});
    nb_err err;
    for (int kind = 0; kind < NB_BASE_KINDS; kind++) {
        size_t n;
        const char *path = save(&e, (nb_base_kind)kind, &r, "damage.base");
        char *bytes = test_slurp(path, &n);
        for (size_t cut = 0; cut < n; cut += cut < 200 ? 7 : n / 9)
            check(reopen(&e, path, bytes, cut, &err) == NB_FORMAT && err.msg[0], "cut at %zu", cut);
        for (size_t at = 0; at < 60; at += 4) { /* every figure of the head */
            uint32_t was, huge = 0x7fffffff;
            memcpy(&was, bytes + at, 4);
            memcpy(bytes + at, &huge, 4);
            nb_status st = reopen(&e, path, bytes, n, &err);
            check(st != NB_OK || (kind == NB_BASE_LLAMA && at >= 20), "figure at %zu: %s", at,
                  err.msg);
            memcpy(bytes + at, &was, 4);
        }
        check(reopen(&e, path, bytes, n, &err) == NB_OK, "%s", err.msg);
        bytes[n - 100] ^= 1;
        check(kind == NB_BASE_LLAMA ||
                  (reopen(&e, path, bytes, n, &err) == NB_FORMAT && strstr(err.msg, "damaged")),
              "%s", err.msg);
        free(bytes);
    }
    check(nb_base_open(&(nb_base *){NULL}, test_data("eval.txt"), e.tok, quant_ops(), NULL, &err) ==
                  NB_FORMAT &&
              strstr(err.msg, "not a base file"),
          "%s", err.msg);
    nb_reading_close(&r);
    eval_close(&e);
}

CHECK_TEST(base_file, other_tokenizers_are_refused)
{
    eval_rig e = eval_open(test_data("nibble-demo"), CTX, false);
    eval_rig other = eval_open(quant_source("F32"), CTX, false);
    nb_reading r = read_demo(&e, &(nb_reading_options){.n_ctx = CTX, .max_chunks = 2});
    const char *path = save(&e, NB_BASE_NIBBLE, &r, "other.base");
    nb_base *b = NULL;
    nb_err err;
    check(nb_base_open(&b, path, other.tok, quant_ops(), NULL, &err) == NB_REFUSED &&
              strstr(err.msg, "other.base") && strstr(err.msg, "tokenizer"),
          "%s", err.msg);
    nb_reading_close(&r);
    eval_close(&other);
    eval_close(&e);
}

static bool always(void *ud)
{
    (void)ud;
    return true;
}

CHECK_TEST(base_file, a_cancelled_run_leaves_what_was_there)
{
    eval_rig e = eval_open(test_data("nibble-demo"), CTX, false);
    nb_reading r = read_demo(&e, &(nb_reading_options){.n_ctx = CTX, .max_chunks = 2});
    const char *path = test_path(test_tmpdir(), "kept.base");
    nb_base_about about = about_of(&e, NB_BASE_NIBBLE);
    nb_hooks hooks = {.canceled = always};
    nb_ppl p;
    nb_err err;
    size_t n;
    test_spit(path, "old", 3);
    check(nb_base_save(&p, path, &about, e.s, &r, NULL, &hooks, &err) == NB_CANCELED, "%s",
          err.msg);
    char *bytes = test_slurp(path, &n);
    check(n == 3 && memcmp(bytes, "old", 3) == 0 && quant_count(test_tmpdir(), ".part") == 0,
          "%zu bytes", n);
    free(bytes);
    about.kind = NB_BASE_LLAMA;
    r.protocol = NB_PROTOCOL_PAPERS;
    check(nb_base_save(&p, path, &about, e.s, &r, NULL, NULL, &err) == NB_USAGE, "%s", err.msg);
    nb_reading_close(&r);
    eval_close(&e);
}
