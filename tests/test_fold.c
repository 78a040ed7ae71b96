/* GPTQ's act-order: where its columns are hidden neurons, or dimensions of a head, they are put in
 * the order of their steps together with the rows that feed them, and no code is lost; elsewhere
 * they are not. */
#include "tests/check.h"

#include "core/model/session.h"
#include "kernels/cpu.h"
#include "kernels/fp.h"
#include "tests/pack_rig.h"
#include "tests/quantize.h"
#include "tests/util.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char LAYER[] = "model.layers.0.";
static const char CONFIG[] =
    "{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":64,\"sym\":true,\"desc_act\":true}";

/* Plain rows of two equal numbers, their own. */
static void put_numbered(pack_rig *r, const char *name, size_t rows, bool vector)
{
    char full[100];
    uint16_t value[PACK_COLS * 2];
    for (size_t i = 0; i < rows * 2; i++)
        value[i] = nk_f32_to_f16((float)(vector ? i : i / 2));
    snprintf(full, sizeof full, "%s%s", LAYER, name);
    char one[24];
    snprintf(one, sizeof one, "[%zu]", rows);
    pack_rig_put(r, full, "F16", vector ? one : pack_shape2(rows, 2), value,
                 rows * (vector ? 2 : 4));
}

static pack_plain shuffled(int step)
{
    pack_plain p = pack_plain_make(4, true, 61);
    for (int c = 0; c < PACK_COLS; c++)
        p.group[c] = c * step % PACK_COLS / PACK_GROUP;
    return p;
}

static float number_of(const nb_weights *w, const char *name, uint64_t i)
{
    const nb_view *v = nb_weights_find(w, name);
    check(v, "%s", name);
    float *all = malloc(nb_tensor_count(&v->t) * sizeof *all);
    nb_weights_floats(v, all);
    float n = all[v->t.n_dims == 1 ? i : 2 * i];
    free(all);
    return n;
}

/* Seen column c of the weight is the stored column whose number row c of what feeds it bears. */
static void check_folded(const nb_weights *w, const char *name, const pack_plain *p,
                         const char *const *feeds)
{
    const nb_view *v = nb_weights_find(w, name);
    check(v->t.type == NK_Q4_0 && nb_weights_sorted(v), "%s as %s", name,
          nk_type_get(v->t.type)->name);
    float landed[PACK_COLS], exact[PACK_COLS];
    uint8_t bytes[PACK_COLS];
    for (int r = 0; r < PACK_ROWS; r++) {
        nk_type_get(NK_Q4_0)->decode(nb_weights_row(v, (uint64_t)r, bytes), landed, PACK_COLS);
        nb_weights_exact(v, (uint64_t)r, exact);
        for (int c = 0; c < PACK_COLS; c++) {
            int stored = (int)number_of(w, feeds[0], (uint64_t)c);
            double want = pack_plain_value(p, r, stored);
            check((double)landed[c] == want && (double)exact[c] == want, "%s[%d][%d]: %g, not %g",
                  name, r, c, (double)landed[c], want);
        }
        r += 20;
    }
    for (int i = 1; feeds[i]; i++)
        for (int c = 0; c < PACK_COLS; c += 7)
            check(number_of(w, feeds[i], (uint64_t)c) == number_of(w, feeds[0], (uint64_t)c),
                  "%s: row %d", feeds[i], c);
}

CHECK_TEST(fold, hidden_neurons_are_sorted_with_the_rows_that_feed_them)
{
    static const char *const feeds[] = {"blk.0.ffn_gate.weight", "blk.0.ffn_up.weight",
                                        "blk.0.ffn_up.bias", NULL};
    pack_rig r = pack_rig_make("neurons", CONFIG);
    pack_plain p = shuffled(37);
    put_numbered(&r, "mlp.up_proj.bias", PACK_COLS, true);
    pack_put_gptq(&r, "model.layers.0.mlp.down_proj", &p, 4, 1, true);
    put_numbered(&r, "mlp.gate_proj.weight", PACK_COLS, false);
    put_numbered(&r, "mlp.up_proj.weight", PACK_COLS, false);
    nb_weights *w = pack_rig_opened(&r);
    check_folded(w, "blk.0.ffn_down.weight", &p, feeds);
    nb_weights_close(&w);
}

/* Four heads of 32: whole heads may have other steps than their place tells, no column moves
 * between heads. */
CHECK_TEST(fold, dimensions_move_within_their_head)
{
    static const char *const feeds[] = {"blk.0.attn_v.weight", NULL};
    for (int across = 0; across < 2; across++) {
        pack_rig r = pack_rig_make("heads", CONFIG);
        pack_plain p = shuffled(37);
        for (int c = 0; c < PACK_COLS && !across; c++)
            p.group[c] = c / 32 % 2;
        pack_put_gptq(&r, "model.layers.0.self_attn.o_proj", &p, 4, 1, true);
        put_numbered(&r, "self_attn.v_proj.weight", PACK_COLS, false);
        nb_weights *w = pack_rig_opened(&r);
        if (across)
            check(!nb_weights_sorted(nb_weights_find(w, "blk.0.attn_output.weight")) &&
                      nb_weights_find(w, "blk.0.attn_output.weight")->t.type == NK_F32,
                  "columns went over to another head");
        else
            check_folded(w, "blk.0.attn_output.weight", &p, feeds);
        nb_weights_close(&w);
    }
}

CHECK_TEST(fold, columns_stay_where_nothing_can_follow_them)
{
    static const struct {
        const char *stem, *seen, *feed, *norm;
        size_t rows; /* of what feeds it; 0: it is not there */
    } row[] = {
        {"mlp.gate_proj", "blk.0.ffn_gate.weight", "mlp.up_proj.weight", NULL, 64},
        {"self_attn.v_proj", "blk.0.attn_v.weight", "mlp.up_proj.weight", NULL, 64},
        {"mlp.down_proj", "blk.0.ffn_down.weight", "mlp.up_proj.weight", NULL, 0},
        {"mlp.down_proj", "blk.0.ffn_down.weight", "mlp.up_proj.weight", NULL, 64},
        {"self_attn.o_proj", "blk.0.attn_output.weight", "self_attn.v_proj.weight", NULL, 64}};
    for (size_t i = 0; i < countof(row); i++) {
        char stem[80];
        pack_rig r = pack_rig_make("stay", CONFIG);
        pack_plain p = shuffled(37);
        snprintf(stem, sizeof stem, "%s%s", LAYER, row[i].stem);
        pack_put_gptq(&r, stem, &p, 4, 1, true);
        if (row[i].rows)
            put_numbered(&r, row[i].feed, row[i].rows, false);
        nb_weights *w = pack_rig_opened(&r);
        const nb_view *v = nb_weights_find(w, row[i].seen);
        float exact[PACK_COLS];
        check(v->t.type == NK_F32 && !nb_weights_sorted(v), "%s", row[i].seen);
        nb_weights_exact(v, 5, exact);
        for (int c = 0; c < PACK_COLS; c++)
            check((double)exact[c] == pack_plain_value(&p, 5, c), "%s, %d", row[i].seen, c);
        nb_weights_close(&w);
    }
}

/* --- a whole model -----------------------------------------------------------------------------
 */

enum { N_IDS = 12, N_VOCAB = 64 };

static void logits_of(const nb_weights *w, float out[N_VOCAB])
{
    nb_model *m = NULL;
    nb_session *s = NULL;
    nk_ops ops;
    nb_err err = {0};
    int32_t ids[N_IDS];
    nb_session_options opt = {.n_ctx = 32, .n_batch = 8, .kv_f32 = true};
    for (int i = 0; i < N_IDS; i++)
        ids[i] = i * 37 % N_VOCAB;
    nk_ops_init(&ops, nk_cpu_detect());
    check(nb_model_open(&m, w, &err) == NB_OK, "%s", err.msg);
    check(nb_session_open(&s, m, &ops, NULL, &opt, &err) == NB_OK, "%s", err.msg);
    check(nb_session_feed(s, ids, N_IDS, NULL, NULL, &err) == NB_OK, "%s", err.msg);
    memcpy(out, nb_session_logits(s), N_VOCAB * sizeof *out);
    nb_session_close(&s);
    nb_model_close(&m);
}

/* A checkpoint with act-order everywhere, spelled out: with its neurons sorted it gives what it
 * gives with g_idx taken column by column. */
CHECK_TEST(fold, a_sorted_model_computes_the_same)
{
    float sorted[N_VOCAB], plain[N_VOCAB];
    nb_weights *w = NULL;
    nb_err err = {.msg = ""};
    check(nb_weights_open(&w, packed_folder("gptq4_order").dir, &err) == NB_OK, "%s", err.msg);
    const nb_view *down = nb_weights_find(w, "blk.0.ffn_down.weight");
    check(down->t.type == NK_Q4_0 && nb_weights_sorted(down) &&
              nb_weights_sorted(nb_weights_find(w, "blk.0.ffn_gate.weight")),
          "neurons are not sorted");
    quant_job job = {.w = w, .preset = "F32", .out = test_path(test_tmpdir(), "sorted.gguf")};
    check(quant_run(&job, &err) == NB_OK, "%s", err.msg);
    nb_weights *g = quant_open(job.out);
    logits_of(g, sorted);
    nb_weights_close(&g);
    nb_weights_close(&w);

    /* the same linears as plain floats of reference/packed.py */
    check(nb_weights_open(&w, packed_folder("gptq4_order_plain").dir, &err) == NB_OK, "%s",
          err.msg);
    job = (quant_job){.w = w, .preset = "F32", .out = test_path(test_tmpdir(), "plain.gguf")};
    check(quant_run(&job, &err) == NB_OK, "%s", err.msg);
    g = quant_open(job.out);
    logits_of(g, plain);
    for (int i = 0; i < N_VOCAB; i++)
        check(fabsf(sorted[i] - plain[i]) <= 1e-5f, "%d: %g, unsorted %g", i, (double)sorted[i],
              (double)plain[i]);
    nb_weights_close(&g);
    nb_weights_close(&w);
}
