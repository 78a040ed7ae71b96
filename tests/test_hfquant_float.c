/* Checkpoints packed as codes of floats: fp8 with block scales, plain int8, bitsandbytes' 4-bit
 * maps (quant.md 2.4, 2.5). */
#include "tests/check.h"

#include "core/files/weights.h"
#include "tests/hf_folder.h"
#include "tests/pack_rig.h"
#include "tests/util.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All 256 codes by their definition. */
static double e4m3(unsigned b)
{
    int exp = (int)(b >> 3 & 15), man = (int)(b & 7);
    double v = exp ? ldexp(1 + man / 8.0, exp - 7) : ldexp(man / 8.0, -6);
    return b & 128 ? -v : v;
}

CHECK_TEST(hfquant, fp8_blocks_are_exact_where_scales_are_powers_of_two)
{
    for (int rough = 0; rough < 2; rough++) {
        pack_rig r =
            pack_rig_make("fp8", "{\"quant_method\":\"fp8\",\"weight_block_size\":[48,96]}");
        uint8_t q[PACK_ROWS][PACK_COLS];
        float s[2][2], exact[PACK_COLS], landed[PACK_COLS];
        for (int i = 0; i < PACK_ROWS * PACK_COLS; i++)
            q[i / PACK_COLS][i % PACK_COLS] =
                (uint8_t)((i * 7 + i / 256) & ((i * 7 + i / 256) % 128 == 127 ? 254 : 255));
        for (int i = 0; i < 4; i++)
            s[i / 2][i % 2] = rough ? 0.3f + 0.1f * (float)i : ldexpf(1, i - 9);
        pack_rig_put(&r, "model.layers.0.mlp.gate_proj.weight", "F8_E4M3", "[64,128]", q, sizeof q);
        pack_rig_put(&r, "model.layers.0.mlp.gate_proj.weight_scale_inv", "F32", "[2,2]", s,
                     sizeof s);
        nb_weights *w = pack_rig_opened(&r);
        const nb_view *v = nb_weights_find(w, "blk.0.ffn_gate.weight");
        uint8_t bytes[PACK_COLS * 2];
        check(v->t.type == NK_BF16, "bf16");
        for (int row = 0; row < PACK_ROWS; row++) {
            nb_weights_exact(v, (uint64_t)row, exact);
            nk_type_get(NK_BF16)->decode(nb_weights_row(v, (uint64_t)row, bytes), landed,
                                         PACK_COLS);
            for (int c = 0; c < PACK_COLS; c++) {
                double want = e4m3(q[row][c]) * (double)s[row / 48][c / 96];
                check((double)exact[c] == (double)(float)want, "%d %d: %g, expected %g", row, c,
                      (double)exact[c], want);
                check(fabs((double)landed[c] - want) <= (rough ? fabs(want) / 256 : 0),
                      "%d %d: %g lands as %g", row, c, want, (double)landed[c]);
            }
        }
        nb_weights_close(&w);
    }
}

CHECK_TEST(hfquant, plain_int8_keeps_its_codes)
{
    static const char *const config[] = {
        "{\"quant_method\":\"bitsandbytes\",\"load_in_8bit\":true}",
        "{\"quant_method\":\"compressed-tensors\",\"format\":\"int-quantized\",\"config_groups\":"
        "{\"g\":{\"weights\":{\"num_bits\":8,\"strategy\":\"channel\"}}}}"};
    for (int i = 0; i < 2; i++) {
        pack_rig r = pack_rig_make("int8", config[i]);
        int8_t q[PACK_ROWS][PACK_COLS];
        float s[PACK_ROWS], exact[PACK_COLS];
        uint8_t mark = 0, bytes[PACK_COLS / 32 * 34];
        for (int k = 0; k < PACK_ROWS * PACK_COLS; k++)
            q[k / PACK_COLS][k % PACK_COLS] = (int8_t)(k * 31 % 255 - 127);
        for (int k = 0; k < PACK_ROWS; k++)
            s[k] = 0.01f * (float)(k + 1);
        pack_rig_put(&r, "model.layers.0.mlp.gate_proj.weight", "I8", "[64,128]", q, sizeof q);
        pack_rig_put(&r,
                     i ? "model.layers.0.mlp.gate_proj.weight_scale"
                       : "model.layers.0.mlp.gate_proj.SCB",
                     "F32", i ? "[64,1]" : "[64]", s, sizeof s);
        if (i == 0)
            pack_rig_put(&r, "model.layers.0.mlp.gate_proj.weight_format", "U8", "[]", &mark, 1);
        nb_weights *w = pack_rig_opened(&r);
        const nb_view *v = nb_weights_find(w, "blk.0.ffn_gate.weight");
        check(v->t.type == NK_Q8_0, "q8_0");
        for (int row = 0; row < PACK_ROWS; row++) {
            double step = i ? (double)s[row] : (double)(s[row] / 127.0f);
            nb_weights_exact(v, (uint64_t)row, exact);
            nb_weights_row(v, (uint64_t)row, bytes);
            for (int c = 0; c < PACK_COLS; c++) {
                check(exact[c] == (float)(step * q[row][c]), "%d %d: %g", row, c, (double)exact[c]);
                check((int8_t)bytes[c / 32 * 34 + 2 + c % 32] == q[row][c], "code %d %d", row, c);
            }
        }
        nb_weights_close(&w);
    }
}

/* bitsandbytes' maps, in its own order (functional.py), here with nested scales. */
static const float nf4[16] = {-1.0f,        -0.6961928f,  -0.52507305f, -0.39491749f,
                              -0.28444138f, -0.18477343f, -0.09105004f, 0.0f,
                              0.0795803f,   0.1609302f,   0.2461123f,   0.33791524f,
                              0.44070983f,  0.562617f,    0.72295684f,  1.0f};
static const float fp4[16] = {
    0.0f,  0.0052083333f,  0.6666667f,  1.0f,  0.33333334f,  0.5f,  0.16666667f,  0.25f,
    -0.0f, -0.0052083333f, -0.6666667f, -1.0f, -0.33333334f, -0.5f, -0.16666667f, -0.25f};

static void four_bits_of(bool nf, bool nested)
{
    enum { N = PACK_ROWS * PACK_COLS, BLOCKS = N / 64 };
    const float *map = nf ? nf4 : fp4;
    char config[200], state[200], name[200];
    static const char stem[] = "model.layers.0.mlp.gate_proj.weight";
    snprintf(config, sizeof config,
             "{\"quant_method\":\"bitsandbytes\",\"load_in_4bit\":true,"
             "\"bnb_4bit_quant_type\":\"%s\"}",
             nf ? "nf4" : "fp4");
    pack_rig r = pack_rig_make("bnb4", config);
    uint8_t q[N / 2] = {0}, codes[BLOCKS], bytes[PACK_COLS / 32 * 34];
    float absmax[BLOCKS], values[256], outer[1] = {0.5f}, exact[PACK_COLS], landed[PACK_COLS];
    for (int i = 0; i < N; i++)
        q[i / 2] |= (uint8_t)(i * 13 % 16 << (i % 2 ? 0 : 4));
    for (int i = 0; i < 256; i++)
        values[i] = (float)(i - 128) / 128;
    for (int i = 0; i < BLOCKS; i++) {
        codes[i] = (uint8_t)(i * 3);
        absmax[i] = nested ? values[codes[i]] * outer[0] + 0.75f : 0.1f + 0.01f * (float)i;
    }
    int n = snprintf(
        state, sizeof state,
        "{\"quant_type\":\"%s\",\"blocksize\":64,\"dtype\":\"float16\",\"shape\":[64,128]"
        "%s}",
        nf ? "nf4" : "fp4", nested ? ",\"nested_blocksize\":256,\"nested_offset\":0.75" : "");
    pack_rig_put(&r, stem, "U8", "[4096,1]", q, sizeof q);
    snprintf(name, sizeof name, "%s.absmax", stem);
    pack_rig_put(&r, name, nested ? "U8" : "F32", "[128]", nested ? (void *)codes : (void *)absmax,
                 nested ? sizeof codes : sizeof absmax);
    snprintf(name, sizeof name, "%s.quant_map", stem);
    pack_rig_put(&r, name, "F32", "[16]", map, 64);
    snprintf(name, sizeof name, "%s.nested_absmax", stem);
    if (nested)
        pack_rig_put(&r, name, "F32", "[1]", outer, 4);
    snprintf(name, sizeof name, "%s.nested_quant_map", stem);
    if (nested)
        pack_rig_put(&r, name, "F32", "[256]", values, sizeof values);
    snprintf(name, sizeof name, "%s.quant_state.bitsandbytes__%s", stem, nf ? "nf4" : "fp4");
    char shape[20];
    snprintf(shape, sizeof shape, "[%d]", n);
    pack_rig_put(&r, name, "U8", shape, state, (size_t)n);
    nb_weights *w = pack_rig_opened(&r);
    const nb_view *v = nb_weights_find(w, "blk.0.ffn_gate.weight");
    check(v->t.type == NK_Q8_0, "q8_0");
    for (int row = 0; row < PACK_ROWS; row++) {
        nb_weights_exact(v, (uint64_t)row, exact);
        nk_type_get(NK_Q8_0)->decode(nb_weights_row(v, (uint64_t)row, bytes), landed, PACK_COLS);
        for (int c = 0; c < PACK_COLS; c++) {
            int i = row * PACK_COLS + c;
            float top = absmax[i / 64], want = map[i * 13 % 16] * top;
            check(exact[c] == want, "%d: %g, expected %g", i, (double)exact[c], (double)want);
            /* half a step of absmax / 127; FP4's own steps, but for its smallest code */
            float bound = fabsf(top) * (nf                                 ? 0.5f / 127
                                        : fabsf(want) < 0.01f * fabsf(top) ? 0.006f
                                                                           : 0.0005f);
            check(fabsf(landed[c] - want) <= bound * 1.01f, "%d: %g lands as %g", i, (double)want,
                  (double)landed[c]);
        }
    }
    nb_weights_close(&w);
}

CHECK_TEST(hfquant, four_bit_maps_land_near)
{
    for (int i = 0; i < 4; i++)
        four_bits_of(i & 1, i & 2);
}

/* gpt-oss as it is published (tests/data/packed): blocks of a stack of experts, gate and up in
 * turns, land in mxfp4 and lose nothing. */
CHECK_TEST(hfquant, mxfp4_lands_bit_for_bit)
{
    static const char *const name[] = {"blk.0.ffn_gate_exps.weight", "blk.0.ffn_up_exps.weight",
                                       "blk.0.ffn_down_exps.weight"};
    size_t n;
    char *config = test_slurp(test_data("packed/gpt_oss_mxfp4.json"), &n);
    hf_folder f = hf_folder_make("mxfp4", config);
    char *file = test_slurp(test_data("packed/gpt_oss_mxfp4.safetensors"), &n);
    test_spit(test_path(f.dir, "model.safetensors"), file, n);
    nb_weights *w = NULL;
    nb_err err = {.msg = ""};
    check(nb_weights_open(&w, f.dir, &err) == NB_OK, "%s", err.msg);
    for (size_t i = 0; i < countof(name); i++) {
        const nb_view *v = nb_weights_find(w, name[i]);
        float exact[64], landed[64];
        uint8_t bytes[2 * 17];
        check(v && v->t.type == NK_MXFP4 && v->t.shape[0] == 64 && v->t.shape[1] == 64 &&
                  v->t.shape[2] == 2,
              "%s", name[i]);
        for (uint64_t r = 0; r < nb_tensor_rows(&v->t); r++) {
            nb_weights_exact(v, r, exact);
            nk_type_get(NK_MXFP4)->decode(nb_weights_row(v, r, bytes), landed, 64);
            for (int c = 0; c < 64; c++)
                check(exact[c] == landed[c], "%s: row %llu, column %d", name[i],
                      (unsigned long long)r, c);
        }
    }
    nb_weights_close(&w);
    free(config);
    free(file);
}
