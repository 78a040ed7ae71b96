/* Sensitivity: every tensor of every architecture can be exchanged and put back, a type that loses
 * nothing does no damage, one that does costs what a file with that one tensor costs, and stored
 * rows are not measured again. */
#include "tests/arch_tiny.h"
#include "tests/check.h"
#include "tests/eval_rig.h"
#include "tests/quantize.h"
#include "tests/util.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/eval/sensitivity.h"

static nb_reading read_demo(const eval_rig *e, uint32_t n_ctx, uint32_t chunks)
{
    size_t n;
    char *text = eval_slice(&n);
    nb_reading r;
    nb_err err = {0};
    nb_reading_options opt = {.n_ctx = n_ctx, .max_chunks = chunks};
    check(nb_reading_open(&r, e->tok, e->m->hp.n_vocab, text, n, &opt, &err) == NB_OK, "%s",
          err.msg);
    free(text);
    return r;
}

static nb_damage damage_of(nb_sense *s, const nb_weights *w, const char *name, const char *type)
{
    nb_damage d;
    nb_err err = {0};
    nb_status st =
        nb_sense_measure(s, nb_weights_find(w, name), nk_type_find(type), NULL, &d, NULL, &err);
    check(st == NB_OK, "%s: %s", name, err.msg);
    return d;
}

CHECK_TEST(sensitivity, a_type_that_loses_nothing_does_no_damage)
{
    eval_rig e = eval_open(test_data("nibble-demo"), 64, false);
    nb_reading r = read_demo(&e, 64, 1);
    nb_sense *s = NULL;
    nb_err err = {0};
    check(nb_sense_open(&s, e.m, quant_ops(), e.pool, &r, NULL, &err) == NB_OK, "%s", err.msg);
    nb_damage same = damage_of(s, e.w, "blk.2.attn_q.weight", "f32");
    nb_damage two = damage_of(s, e.w, "blk.2.attn_q.weight", "q2_K");
    nb_damage eight = damage_of(s, e.w, "blk.2.attn_q.weight", "q8_0");
    nb_damage again = damage_of(s, e.w, "blk.2.attn_q.weight", "q2_K");
    check(fabs(same.kld) < 1e-9 && same.rmse == 0 && same.same_top == 1, "%g", same.kld);
    check(two.kld > 1e-3 && two.rmse > 0.2 && two.rmse < 0.35 && two.scored == 31, "%g %g", two.kld,
          two.rmse);
    check(eight.kld > 0 && eight.kld < two.kld / 50 && eight.rmse < 0.01, "%g %g", eight.kld,
          eight.rmse);
    check(again.kld == two.kld, "%.17g, then %.17g", two.kld, again.kld);
    nb_sense_close(&s);
    nb_reading_close(&r);
    eval_close(&e);
}

/* Against a file in which that tensor alone is quantized; only activations are encoded there too.
 */
CHECK_TEST(sensitivity, damage_is_that_of_a_file_with_one_tensor_quantized)
{
    eval_rig ref = eval_open(eval_file("F32"), 64, false);
    nb_reading r = read_demo(&ref, 64, 6);
    const char *path = test_path(test_tmpdir(), "one.gguf");
    nb_err err = {0};
    quant_job job = {.w = ref.w,
                     .preset = "F32",
                     .out = path,
                     .threads = 2,
                     .quiet = true,
                     .rule = "blk.1.ffn_down.weight=q3_K"};
    check(quant_run(&job, &err) == NB_OK, "%s", err.msg);
    eval_rig one = eval_open(path, 64, false);
    nb_live live;
    nb_kld k;
    nb_live_init(&live, ref.s);
    check(nb_kld_run(&k, one.s, &live.ref, one.pool, &r, NULL, NULL, NULL, &err) == NB_OK, "%s",
          err.msg);
    nb_sense *s = NULL;
    check(nb_sense_open(&s, ref.m, quant_ops(), ref.pool, &r, NULL, &err) == NB_OK, "%s", err.msg);
    nb_damage d = damage_of(s, ref.w, "blk.1.ffn_down.weight", "q3_K");
    check(k.kld.mean > 1e-4 && fabs(d.kld / k.kld.mean - 1) < 0.1, "%g, of the file %g", d.kld,
          k.kld.mean);
    nb_sense_close(&s);
    nb_reading_close(&r);
    eval_close(&one);
    eval_close(&ref);
}

/* Fused, reordered, stacked or tied: each tensor has a place where exchanging it shows. */
CHECK_TEST(sensitivity, every_tensor_of_every_architecture_can_be_exchanged)
{
    const char *const *names;
    size_t n = arch_tiny_names(&names), seen = 0, shows = 0;
    for (size_t i = 0; i < n; i++) {
        const char *dir = test_path(test_tmpdir(), names[i]);
        arch_tiny_make(dir, names[i]);
        eval_rig e = eval_open(dir, 16, true);
        int32_t ids[16];
        for (int k = 0; k < 16; k++)
            ids[k] = 3 + k * 7 % (int)(e.m->hp.n_vocab - 3);
        nb_reading r = {.n_ctx = 16,
                        .step = 16,
                        .first = 0,
                        .count = 15,
                        .chunks = 1,
                        .bos = -1,
                        .ids = ids,
                        .n_ids = 16,
                        .tokens = 16};
        nb_sense_table t;
        nb_sense *s = NULL;
        nb_err err = {0};
        check(nb_sense_table_open(&t, e.w, nk_type_get(NK_F16), &err) == NB_OK, "%s", err.msg);
        check(nb_sense_open(&s, e.m, quant_ops(), e.pool, &r, NULL, &err) == NB_OK, "%s: %s",
              names[i], err.msg);
        for (size_t k = 0; k < t.n; k++, seen++) {
            const char *name = t.row[k].view->t.name;
            nb_damage same = damage_of(s, e.w, name, "f32"), less = damage_of(s, e.w, name, "bf16");
            check(same.rmse == 0 && fabs(same.kld) < 1e-9, "%s: %s: %g when nothing changes",
                  names[i], name, same.kld);
            shows += less.rmse > 0 && less.kld != same.kld;
        }
        nb_sense_close(&s);
        nb_sense_table_close(&t);
        eval_close(&e);
    }
    fprintf(stderr, "%zu tensors of %zu models, %zu show\n", seen, n, shows);
    check(shows > seen * 9 / 10, "%zu of %zu tensors show", shows, seen); /* idle experts do not */
}

CHECK_TEST(sensitivity, the_table_knows_layers_and_kinds)
{
    nb_weights *w = quant_open(test_data("nibble-demo"));
    nb_sense_table t;
    nb_err err = {0};
    check(nb_sense_table_open(&t, w, nk_type_get(NK_Q4_K), &err) == NB_OK, "%s", err.msg);
    check(t.n == 44 && t.n_layer == 6 && t.n_kind == 9, "%zu tensors, %u layers, %u kinds", t.n,
          t.n_layer, t.n_kind);
    for (uint32_t k = 0; k < t.n_kind; k++) {
        bool outside = strcmp(t.kind[k], "output") == 0 || strcmp(t.kind[k], "token_embd") == 0;
        check((nb_sense_at(&t, -1, k) != NULL) == outside, "%s outside", t.kind[k]);
        for (int l = 0; l < 6; l++)
            check((nb_sense_at(&t, l, k) != NULL) == !outside, "%s in layer %d", t.kind[k], l);
    }
    nb_sense_table_close(&t);
    nb_weights_close(&w);
}

CHECK_TEST(sensitivity, what_is_stored_is_known_again)
{
    nb_config c = {.writable = true};
    nb_weights *w = quant_open(test_data("nibble-demo"));
    nb_runs *runs = NULL;
    nb_sense_table t;
    nb_err err = {0};
    nb_run_key like = {
        .model = 7, .protocol = "llama-perplexity", .text = "abc", .n_ctx = 512, .chunks = 4};
    nb_damage d = {.n_ctx = 512, .chunks = 4, .kld = 0.25, .kld_err = 0.01, .rmse = 0.3};
    snprintf(c.state_dir, sizeof c.state_dir, "%s/sense", test_tmpdir());
    check(nb_sense_table_open(&t, w, nk_type_get(NK_Q4_K), &err) == NB_OK, "%s", err.msg);
    check(nb_runs_open(&runs, &c, &err) == NB_OK, "%s", err.msg);
    check(nb_sense_look(&t, runs, &like) == 0, "an empty store knows nothing");
    nb_run_key key = nb_sense_key(&like, &t, 3);
    check(nb_runs_add(runs, NB_RUN_DAMAGE, &key, &d, &err) == NB_OK, "%s", err.msg);
    nb_runs_close(&runs);
    check(nb_runs_open(&runs, &c, &err) == NB_OK && nb_runs_skipped(runs) == 0, "%s", err.msg);
    nb_run_key other = like;
    other.chunks = 5;
    check(nb_sense_look(&t, runs, &other) == 0, "other chunks are another measurement");
    other = like;
    other.model = 8;
    check(nb_sense_look(&t, runs, &other) == 0, "another model's");
    check(nb_sense_look(&t, runs, &like) == 1 && t.row[3].known && t.row[3].damage.kld == 0.25,
          "the row");
    check(nb_sense_most(&t) == 0.25 && nb_sense_sum(&t) == 0.25, "sum");
    nb_sense_table_close(&t);
    check(nb_sense_table_open(&t, w, nk_type_get(NK_Q3_K), &err) == NB_OK &&
              nb_sense_look(&t, runs, &like) == 0,
          "another type's");
    nb_sense_table_close(&t);
    nb_runs_close(&runs);
    nb_weights_close(&w);
}

CHECK_TEST(sensitivity, what_cannot_be_done_is_said)
{
    eval_rig e = eval_open(test_data("nibble-demo"), 64, false);
    nb_reading r = read_demo(&e, 64, 1);
    nb_sense *s = NULL;
    nb_damage d = {.chunks = 77};
    nb_err err = {0};
    check(nb_sense_open(&s, e.m, quant_ops(), e.pool, &r, NULL, &err) == NB_OK, "%s", err.msg);
    const nb_view *v = nb_weights_find(e.w, "blk.0.attn_k.weight");
    check(nb_sense_measure(s, v, nk_type_get(NK_I8), NULL, &d, NULL, &err) == NB_UNSUPPORTED &&
              strstr(err.msg, "blk.0.attn_k.weight"),
          "%s", err.msg);
    check(d.chunks == 77, "the output was touched");
    nb_sense_close(&s);
    nb_reading_close(&r);
    eval_close(&e);
}
