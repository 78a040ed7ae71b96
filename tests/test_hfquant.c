/* Checkpoints that others have quantized: packed here by the published layouts from known codes,
 * scales and zeros, read back two ways (the packing's own values, and the type they land in), and
 * written by the quantizer (quant.md 2.4, 2.5). */
#include "tests/check.h"

#include "core/base/str.h"
#include "core/files/hfquant.h"
#include "core/files/listing.h"
#include "core/files/weights.h"
#include "kernels/fp.h"
#include "tests/pack_rig.h"
#include "tests/quantize.h"
#include "tests/util.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- looking at it ---------------------------------------------------------------------------- */

static const char GATE[] = "model.layers.0.mlp.gate_proj";

/* Every row of blk.0.ffn_gate by the packing's values and by its landing type: the first equal, the
 * second within `bound` of each value's own step. */
static void compare(const nb_weights *w, const char *name, const pack_plain *p, nk_type_id type,
                    double bound)
{
    const nb_view *v = nb_weights_find(w, name);
    check(v && v->t.type == type, "%s lands in %s", name,
          v ? nk_type_get(v->t.type)->name : "nothing");
    check(v->t.shape[0] == PACK_COLS && v->t.shape[1] == PACK_ROWS && nb_weights_packing(v), "%s",
          name);
    float exact[PACK_COLS], landed[PACK_COLS];
    uint8_t *bytes = malloc(nb_weights_scratch(v));
    for (int r = 0; r < PACK_ROWS; r++) {
        check(nb_weights_exact(v, (uint64_t)r, exact), "row %d", r);
        nk_type_get(type)->decode(nb_weights_row(v, (uint64_t)r, bytes), landed, PACK_COLS);
        for (int c = 0; c < PACK_COLS; c++) {
            double want = pack_plain_value(p, r, c), step = (double)p->scale[r][p->group[c]];
            check((double)exact[c] == want, "%s[%d][%d]: %g, expected %g", name, r, c,
                  (double)exact[c], want);
            check(fabs((double)landed[c] - want) <= bound * step, "%s[%d][%d]: %g, expected %g",
                  name, r, c, (double)landed[c], want);
        }
    }
    free(bytes);
}

CHECK_TEST(hfquant, gptq_of_every_width_lands_with_its_codes)
{
    static const struct {
        unsigned bits;
        int bias;
        bool sym;
        nk_type_id type;
        double bound; /* in steps: m of q4_1 is rounded to 11 bits */
    } row[] = {{4, 1, true, NK_Q4_0, 0},
               {4, 0, true, NK_Q4_0, 0},
               {4, 1, false, NK_Q4_1, 16. / 2048},
               {3, 1, true, NK_Q4_0, 0},
               {3, 0, false, NK_Q4_1, 8. / 2048},
               {2, 1, true, NK_Q4_0, 0},
               {2, 1, false, NK_Q4_1, 4. / 2048},
               {8, 1, true, NK_Q8_0, 0},
               {8, 0, false, NK_F32, 0}};
    for (size_t i = 0; i < countof(row); i++) {
        char config[300];
        snprintf(config, sizeof config,
                 "{\"quant_method\":\"gptq\",\"bits\":%u,\"group_size\":64,\"sym\":%s%s}",
                 row[i].bits, row[i].sym ? "true" : "false",
                 row[i].bias ? "" : ",\"checkpoint_format\":\"gptq_v2\"");
        pack_rig r = pack_rig_make("gptq", config);
        pack_plain p = pack_plain_make(row[i].bits, row[i].sym, 7 + i);
        pack_put_gptq(&r, GATE, &p, row[i].bits, row[i].bias, i % 2);
        nb_weights *w = pack_rig_opened(&r);
        compare(w, "blk.0.ffn_gate.weight", &p, row[i].type, row[i].bound);
        nb_weights_close(&w);
    }
}

/* Codes of eight bits less any zero may need nine: then floats hold them, F16 if its eleven bits
 * do.
 */
CHECK_TEST(hfquant, gptq_of_eight_bits_lands_in_the_smallest_type_that_is_exact)
{
    static const struct {
        int spread; /* of codes around their zero */
        bool even;  /* steps are powers of two */
        nk_type_id type;
    } row[] = {{127, false, NK_Q8_0}, {255, true, NK_F16}, {255, false, NK_F32}};
    for (size_t i = 0; i < countof(row); i++) {
        pack_rig r = pack_rig_make(
            "eight", "{\"quant_method\":\"gptq\",\"bits\":8,\"group_size\":64,\"sym\":false}");
        pack_plain p = pack_plain_make(8, false, 51 + i);
        for (int k = 0; k < PACK_ROWS; k++)
            for (int c = 0; c < PACK_COLS; c++) {
                int zero = p.zero[k][p.group[c]], *code = &p.code[k][c];
                int low = zero > row[i].spread ? zero - row[i].spread : 0;
                int high = zero + row[i].spread < 255 ? zero + row[i].spread : 255;
                *code = low + *code % (high - low + 1);
                p.scale[k][p.group[c]] =
                    row[i].even ? ldexpf(1, -5 - k % 3) : p.scale[k][p.group[c]];
            }
        pack_put_gptq(&r, GATE, &p, 8, 1, false);
        nb_weights *w = pack_rig_opened(&r);
        compare(w, "blk.0.ffn_gate.weight", &p, row[i].type, 0);
        nb_weights_close(&w);
    }
}

enum { TERNARY_COLS = 512 };

static int trit(int row, int col)
{
    return (row * 7 + col * 5 + col / 9) % 3 - 1;
}

/* transformers: BitLinear's output is divided by weight_scale, AutoBitLinear's multiplied. */
static pack_rig ternary_rig(bool offline, float scale)
{
    uint8_t q[PACK_ROWS / 4][TERNARY_COLS] = {{0}};
    pack_rig r = pack_rig_make("ternary", offline ? "{\"quant_method\":\"bitnet\",\"linear_class\":"
                                                    "\"autobitlinear\",\"quantization_mode\":"
                                                    "\"offline\"}"
                                                  : "{\"quant_method\":\"bitnet\"}");
    for (int row = 0; row < PACK_ROWS; row++)
        for (int c = 0; c < TERNARY_COLS; c++)
            q[row % (PACK_ROWS / 4)][c] |=
                (uint8_t)((trit(row, c) + 1) << (2 * (row / (PACK_ROWS / 4))));
    pack_rig_put(&r, "model.layers.0.mlp.gate_proj.weight", "U8", "[16,512]", q, sizeof q);
    pack_rig_put(&r, "model.layers.0.mlp.gate_proj.weight_scale", "F32", "[1]", &scale,
                 sizeof scale);
    return r;
}

CHECK_TEST(hfquant, ternary_weights_land_in_two_bits)
{
    static const struct {
        bool offline;
        float scale, step;
        nk_type_id type;
        const char *preset;
    } row[] = {{false, 32, 1 / 32.f, NK_TQ2_0, "TQ2_0"},
               {true, 1.4375f, 1.4375f, NK_TQ2_0, "TQ2_0"},
               {true, 1.4375f, 1.4375f, NK_TQ1_0, "TQ1_0"}};
    for (size_t i = 0; i < countof(row); i++) {
        nb_err err = {.msg = ""};
        float exact[TERNARY_COLS], landed[TERNARY_COLS];
        nb_tensor_report report[8];
        pack_rig r = ternary_rig(row[i].offline, row[i].scale);
        nb_weights *w = pack_rig_opened(&r);
        const nb_view *v = nb_weights_find(w, "blk.0.ffn_gate.weight");
        check(v->t.type == NK_TQ2_0 && v->t.shape[0] == TERNARY_COLS, "lands in %s",
              nk_type_get(v->t.type)->name);
        quant_job job = {.w = w,
                         .preset = row[i].preset,
                         .rule = "token_embd=f16",
                         .out = test_path(test_tmpdir(), "ternary.gguf"),
                         .force = true,
                         .reports = report};
        check(quant_run(&job, &err) == NB_OK, "%s", err.msg);
        nb_weights *g = quant_open(job.out);
        const nb_view *b = nb_weights_find(g, "blk.0.ffn_gate.weight");
        check(b->t.type == row[i].type && report[1].stats.max_err == 0, "%s: off by %g",
              nk_type_get(b->t.type)->name, (double)report[1].stats.max_err);
        for (int k = 0; k < PACK_ROWS; k++) {
            nb_weights_exact(v, (uint64_t)k, exact);
            nk_type_get(b->t.type)->decode(b->t.bytes + (size_t)k * b->t.nbytes / PACK_ROWS, landed,
                                           TERNARY_COLS);
            for (int c = 0; c < TERNARY_COLS; c++)
                check(exact[c] == (float)trit(k, c) * row[i].step && landed[c] == exact[c],
                      "%d, %d: %g as %g", k, c, (double)exact[c], (double)landed[c]);
        }
        nb_weights_close(&g);
        nb_weights_close(&w);
    }
}

/* A file may say sym and hold other zeros, or shuffle its columns: then no code is lost either. */
CHECK_TEST(hfquant, gptq_that_is_not_what_it_says_lands_elsewhere)
{
    pack_rig r = pack_rig_make(
        "zeros", "{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":64,\"sym\":true}");
    pack_plain p = pack_plain_make(4, true, 3);
    p.zero[5][1] = 7;
    pack_put_gptq(&r, GATE, &p, 4, 1, true);
    nb_weights *w = pack_rig_opened(&r);
    compare(w, "blk.0.ffn_gate.weight", &p, NK_Q4_1, 16. / 2048);
    nb_weights_close(&w);
    r = pack_rig_make("order",
                      "{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":64,\"sym\":true,"
                      "\"desc_act\":true}");
    p = pack_plain_make(4, true, 4);
    for (int c = 0; c < PACK_COLS; c++)
        p.group[c] = c * 37 % PACK_COLS / PACK_GROUP;
    pack_put_gptq(&r, GATE, &p, 4, 1, true);
    w = pack_rig_opened(&r);
    compare(w, "blk.0.ffn_gate.weight", &p, NK_F32, 0);
    nb_weights_close(&w);
}

/* Rows of q are permuted with their codes. */
CHECK_TEST(hfquant, permuted_rows_keep_their_codes)
{
    pack_rig r = pack_rig_make(
        "perm", "{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":64,\"sym\":true}");
    pack_plain p = pack_plain_make(4, true, 5), turned = p;
    pack_put_gptq(&r, "model.layers.0.self_attn.q_proj", &p, 4, 1, false);
    for (int h = 0; h < 4; h++)
        for (int k = 0; k < 2; k++)
            for (int j = 0; j < 8; j++) {
                int to = h * 16 + 2 * j + k, from = h * 16 + 8 * k + j;
                memcpy(turned.code[to], p.code[from], sizeof p.code[0]);
                memcpy(turned.scale[to], p.scale[from], sizeof p.scale[0]);
            }
    nb_weights *w = pack_rig_opened(&r);
    compare(w, "blk.0.attn_q.weight", &turned, NK_Q4_0, 0);
    nb_weights_close(&w);
}

/* AutoAWQ, utils/packing_utils.py: nibble k of a word is output order[k]. */
static void put_awq(pack_rig *r, const pack_plain *p, bool gemv)
{
    static const int order[8] = {0, 2, 4, 6, 1, 3, 5, 7};
    enum { PAD = 8 }; /* groups of gemv, padded to whole words */
    uint32_t q[PACK_COLS][PACK_ROWS / 8] = {{0}}, z[PACK_GROUPS][PACK_ROWS / 8] = {{0}};
    uint32_t qv[PACK_ROWS][PACK_COLS / 8] = {{0}}, zv[PACK_ROWS][PAD / 8] = {{0}};
    uint16_t s[PACK_GROUPS][PACK_ROWS], sv[PACK_ROWS][PAD] = {{0}};
    for (int row = 0; row < PACK_ROWS; row++) {
        int word = row / 8, k = 0;
        while (order[k] != row % 8)
            k++;
        for (int c = 0; c < PACK_COLS; c++) {
            q[c][word] |= (uint32_t)p->code[row][c] << (4 * k);
            qv[row][c / 8] |= (uint32_t)p->code[row][c] << (4 * (c % 8));
        }
        for (int g = 0; g < PACK_GROUPS; g++) {
            z[g][word] |= (uint32_t)p->zero[row][g] << (4 * k);
            zv[row][g / 8] |= (uint32_t)p->zero[row][g] << (4 * (g % 8));
            s[g][row] = sv[row][g] = nk_f32_to_f16(p->scale[row][g]);
        }
    }
    pack_rig_put(r, "model.layers.0.mlp.gate_proj.qweight", "I32",
                 gemv ? pack_shape2(PACK_ROWS, PACK_COLS / 8)
                      : pack_shape2(PACK_COLS, PACK_ROWS / 8),
                 gemv ? (void *)qv : (void *)q, sizeof q);
    pack_rig_put(r, "model.layers.0.mlp.gate_proj.qzeros", "I32",
                 gemv ? pack_shape2(PACK_ROWS, PAD / 8) : pack_shape2(PACK_GROUPS, PACK_ROWS / 8),
                 gemv ? (void *)zv : (void *)z, gemv ? sizeof zv : sizeof z);
    pack_rig_put(r, "model.layers.0.mlp.gate_proj.scales", "F16",
                 gemv ? pack_shape2(PACK_ROWS, PAD) : pack_shape2(PACK_GROUPS, PACK_ROWS),
                 gemv ? (void *)sv : (void *)s, gemv ? sizeof sv : sizeof s);
}

CHECK_TEST(hfquant, awq_of_both_layouts_lands_with_its_codes)
{
    static const char *const version[] = {"gemm", "GEMM", "gemv"};
    for (size_t i = 0; i < countof(version); i++) {
        char config[200];
        snprintf(config, sizeof config,
                 "{\"quant_method\":\"awq\",\"bits\":4,\"group_size\":64,\"zero_point\":true,"
                 "\"version\":\"%s\"}",
                 version[i]);
        pack_rig r = pack_rig_make("awq", config);
        pack_plain p = pack_plain_make(4, false, 11 + i);
        put_awq(&r, &p, i == 2);
        nb_weights *w = pack_rig_opened(&r);
        compare(w, "blk.0.ffn_gate.weight", &p, NK_Q4_1, 16. / 2048);
        nb_weights_close(&w);
    }
}

/* compressed-tensors: codes along the inputs, zeros down the outputs. */
CHECK_TEST(hfquant, compressed_tensors_land_with_their_codes)
{
    for (int asym = 0; asym < 2; asym++) {
        char config[400];
        snprintf(config, sizeof config,
                 "{\"quant_method\":\"compressed-tensors\",\"format\":\"pack-quantized\","
                 "\"config_groups\":{\"group_0\":{\"weights\":{\"num_bits\":4,\"group_size\":64,"
                 "\"symmetric\":%s}}}}",
                 asym ? "false" : "true");
        pack_rig r = pack_rig_make("ct", config);
        pack_plain p = pack_plain_make(4, !asym, 21);
        uint32_t q[PACK_ROWS][PACK_COLS / 8] = {{0}}, z[PACK_ROWS / 8][PACK_GROUPS] = {{0}};
        float s[PACK_ROWS][PACK_GROUPS];
        static const int64_t shape[2] = {PACK_ROWS, PACK_COLS};
        for (int row = 0; row < PACK_ROWS; row++) {
            for (int c = 0; c < PACK_COLS; c++)
                q[row][c / 8] |= (uint32_t)p.code[row][c] << (4 * (c % 8));
            for (int g = 0; g < PACK_GROUPS; g++) {
                z[row / 8][g] |= (uint32_t)p.zero[row][g] << (4 * (row % 8));
                s[row][g] = p.scale[row][g];
            }
        }
        pack_rig_put(&r, "model.layers.0.mlp.gate_proj.weight_packed", "I32", "[64,16]", q,
                     sizeof q);
        pack_rig_put(&r, "model.layers.0.mlp.gate_proj.weight_scale", "F32", "[64,2]", s, sizeof s);
        pack_rig_put(&r, "model.layers.0.mlp.gate_proj.weight_shape", "I64", "[2]", shape,
                     sizeof shape);
        if (asym)
            pack_rig_put(&r, "model.layers.0.mlp.gate_proj.weight_zero_point", "I32", "[8,2]", z,
                         sizeof z);
        nb_weights *w = pack_rig_opened(&r);
        compare(w, "blk.0.ffn_gate.weight", &p, asym ? NK_Q4_1 : NK_Q4_0, asym ? 16. / 2048 : 0);
        nb_weights_close(&w);
    }
}

/* --- written ---------------------------------------------------------------------------------- */

/* The quantizer copies the codes and holds each weight against the packing's own values: the
 * largest difference and its place are in the report. */
CHECK_TEST(hfquant, a_written_file_has_the_codes_and_a_proof)
{
    for (int asym = 0; asym < 2; asym++) {
        char out[700], config[200];
        snprintf(config, sizeof config,
                 "{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":64,\"sym\":%s}",
                 asym ? "false" : "true");
        pack_rig r = pack_rig_make("write", config);
        pack_plain p = pack_plain_make(4, !asym, 31);
        pack_put_gptq(&r, GATE, &p, 4, 1, false);
        nb_weights *w = pack_rig_opened(&r);
        nb_tensor_report report[2];
        nb_err err = {.msg = ""};
        snprintf(out, sizeof out, "%s/written-%d.gguf", test_tmpdir(), asym);
        quant_job job = {
            .w = w, .preset = asym ? "Q4_1" : "Q4_0", .out = out, .threads = 2, .reports = report};
        check(quant_run(&job, &err) == NB_OK, "%s", err.msg);
        const nb_stats *s = &report[1].stats;
        check(strcmp(report[1].name, "blk.0.ffn_gate.weight") == 0 && s->n == PACK_ROWS * PACK_COLS,
              "%s", report[1].name);
        double want = 0, most = 0;
        uint64_t at = 0;
        for (int i = 0; asym && i < PACK_ROWS * PACK_COLS; i++) {
            int row = i / PACK_COLS, c = i % PACK_COLS, g = p.group[c];
            float m = nk_f16_to_f32(nk_f32_to_f16(-(float)p.zero[row][g] * p.scale[row][g]));
            float error =
                p.scale[row][g] * (float)p.code[row][c] + m - (float)pack_plain_value(&p, row, c);
            if (fabsf(error) > most) {
                most = fabsf(error);
                want = (double)error;
                at = (uint64_t)i;
            }
        }
        check((double)s->max_err == want && s->max_err_at == at, "%g at %llu, expected %g at %llu",
              (double)s->max_err, (unsigned long long)s->max_err_at, want, (unsigned long long)at);
        check(!asym == (most == 0), "the case has something to find");
        nb_weights *g = quant_open(out);
        const nb_view *a = nb_weights_find(w, "blk.0.ffn_gate.weight"),
                      *b = nb_weights_find(g, "blk.0.ffn_gate.weight");
        uint8_t *bytes = malloc(a->t.nbytes);
        nb_weights_unpack(a, bytes);
        check(b->t.type == a->t.type && memcmp(b->t.bytes, bytes, a->t.nbytes) == 0, "codes");
        free(bytes);
        nb_weights_close(&g);
        nb_weights_close(&w);
    }
}

/* A listing counts the weights, not the words they are packed in. */
CHECK_TEST(hfquant, listings_count_weights)
{
    nb_weights *w;
    nb_err err;
    nb_listing l;
    pack_rig r =
        pack_rig_make("listed", "{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":64}");
    pack_plain p = pack_plain_make(4, true, 41);
    pack_put_gptq(&r, GATE, &p, 4, 1, true);
    check(pack_rig_open(&r, &w, &err) == NB_OK, "%s", err.msg);
    nb_weights_close(&w);
    nb_listing_hf(&l, r.dir, true);
    check(l.e.params == PACK_ROWS * PACK_COLS + 4 * PACK_COLS && !l.e.unsupported && !l.is_float,
          "%llu weights, %s", (unsigned long long)l.e.params, l.e.problem);
    check(strcmp(l.e.type_name, "gptq") == 0, "%s", l.e.type_name);
    static const char *const kind[][2] = {{"quanto_int8", "quanto int8"},
                                          {"quanto_int4", "quanto int4"},
                                          {"nvfp4", "modelopt nvfp4"},
                                          {"bitnet_packed", "bitnet"},
                                          {"hqq8_axis0", "hqq"}};
    for (size_t i = 0; i < countof(kind);
         i++) { /* 7 linears, 64 x 64 of embedding, norms, biases */
        nb_listing_hf(&l, packed_folder(kind[i][0]).dir, true);
        check(strcmp(l.e.type_name, kind[i][1]) == 0 && !l.e.problem[0] && !l.is_float,
              "%s: %s, %s", kind[i][0], l.e.type_name, l.e.problem);
        check(l.e.params ==
                  2 * 64 * 64 + 2 * 32 * 64 + 3 * 96 * 64 + 64 * 64 + 3 * 64 + 64 + 2 * 32,
              "%s: %llu weights", kind[i][0], (unsigned long long)l.e.params);
    }
    r = pack_rig_make("unread", "{\"quant_method\":\"spqr\"}");
    check(pack_rig_open(&r, &w, &err) == NB_UNSUPPORTED, "%s", err.msg);
    nb_listing_hf(&l, r.dir, true);
    check(l.e.unsupported && strstr(l.e.problem, "spqr"), "%s", l.e.problem);
}

/* --- refusals --------------------------------------------------------------------------------- */

CHECK_TEST(hfquant, what_cannot_be_read_is_named)
{
    static const struct {
        const char *config, *says;
    } row[] = {
        {"{\"quant_method\":\"modelopt\"}", "modelopt"},
        {"{\"quant_method\":\"spqr\"}", "spqr"},
        {"{\"quant_method\":\"hqq\",\"quant_config\":{\"weight_quant_params\":{\"nbits\":3}}}",
         "hqq of 3 bits"},
        {"{\"quant_method\":\"awq\",\"version\":\"llm-awq\"}", "awq llm-awq"},
        {"{\"quant_method\":\"gptq\",\"checkpoint_format\":\"bitblas\"}", "gptq bitblas"},
        {"{\"quant_method\":\"compressed-tensors\",\"format\":\"marlin-24\",\"config_groups\":{"
         "\"g\":"
         "{}}}",
         "marlin-24"},
        {"{\"quant_method\":\"compressed-tensors\",\"format\":\"pack-quantized\"}",
         "config_groups"},
        {"{}", "another quantizer"},
        {"{\"quant_method\":\"gptq\",\"bits\":9}", "bits"},
        {"{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":32}", "groups"},
        {"{\"quant_method\":\"gptq\",\"bits\":5,\"group_size\":64}", "5 bits"},
    };
    for (size_t i = 0; i < countof(row); i++) {
        nb_weights *w;
        nb_err err;
        pack_rig r = pack_rig_make("refused", row[i].config);
        pack_plain p = pack_plain_make(4, true, 1);
        pack_put_gptq(&r, GATE, &p, 4, 1, false);
        nb_status st = pack_rig_open(&r, &w, &err);
        check(!w && (st == NB_UNSUPPORTED || st == NB_FORMAT), "%s: status %d", row[i].config, st);
        check(strstr(err.msg, row[i].says), "%s: %s", row[i].config, err.msg);
    }
}

CHECK_TEST(hfquant, missing_and_misshapen_pieces_are_refused)
{
    static const char config[] = "{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":64}";
    static const uint32_t words[PACK_COLS / 8 * PACK_ROWS];
    static const int32_t wild[PACK_COLS] = {[9] = 77};
    static const struct {
        const char *scales, *zeros; /* shapes; NULL: absent */
        size_t n_scales, n_zeros;
        bool order;
        const char *says;
    } row[] = {{NULL, "[2,8]", 0, 16, false, "scales is missing"},
               {"[2,64]", NULL, 128, 0, false, "qzeros is missing"},
               {"[2,63]", "[2,8]", 126, 16, false, "scales"},
               {"[2,64]", "[2,7]", 128, 14, false, "qzeros"},
               {"[3,64]", "[2,8]", 192, 16, false, "groups"},
               {"[2,64]", "[2,8]", 128, 16, true, "group 77"}};
    for (size_t i = 0; i < countof(row); i++) {
        nb_weights *w;
        nb_err err;
        pack_rig r = pack_rig_make("pieces", config);
        pack_rig_put(&r, "model.layers.0.mlp.gate_proj.qweight", "I32", "[16,64]", words,
                     sizeof words);
        if (row[i].scales)
            pack_rig_put(&r, "model.layers.0.mlp.gate_proj.scales", "F16", row[i].scales, words,
                         2 * row[i].n_scales);
        if (row[i].zeros)
            pack_rig_put(&r, "model.layers.0.mlp.gate_proj.qzeros", "I32", row[i].zeros, words,
                         4 * row[i].n_zeros);
        if (row[i].order)
            pack_rig_put(&r, "model.layers.0.mlp.gate_proj.g_idx", "I32", "[128]", wild,
                         sizeof wild);
        check(pack_rig_open(&r, &w, &err) == NB_FORMAT && !w, "%zu", i);
        check(strstr(err.msg, row[i].says), "%zu: %s", i, err.msg);
    }
}
