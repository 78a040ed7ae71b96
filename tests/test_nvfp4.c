/* NVFP4 checkpoints: codes and scales as ggml's type has them, the factor of a whole linear in a
 * tensor beside it as llama.cpp's converter writes it, or in the weights where these are encoded
 * anew. */
#include "tests/check.h"

#include "core/files/weights.h"
#include "kernels/fp.h"
#include "tests/pack_rig.h"
#include "tests/quantize.h"
#include "tests/util.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static nb_weights *open_folder(const char *name)
{
    nb_weights *w = NULL;
    nb_err err = {.msg = ""};
    hf_folder f = packed_folder(name);
    check(nb_weights_open(&w, f.dir, &err) == NB_OK, "%s", err.msg);
    return w;
}

static nb_weights *written(const nb_weights *w, const char *preset, const char *rule,
                           nb_tensor_report *reports)
{
    nb_err err = {.msg = ""};
    quant_job job = {.w = w,
                     .preset = preset,
                     .rule = rule,
                     .out = test_path(test_tmpdir(), "out.gguf"),
                     .force = true,
                     .threads = 2,
                     .allow_requantize = true,
                     .reports = reports};
    check(quant_run(&job, &err) == NB_OK, "%s", err.msg);
    return quant_open(job.out);
}

/* n factors that are f32; NULL: no such tensor. */
static const float *factors(const nb_weights *w, const char *name, uint64_t n)
{
    const nb_view *v = nb_weights_find(w, name);
    if (!v)
        return NULL;
    check(v->t.type == NK_F32 && v->t.n_dims == 1 && v->t.shape[0] == n, "%s", name);
    return (const float *)(const void *)v->t.bytes;
}

CHECK_TEST(nvfp4, codes_and_factors_are_written_as_llama_cpp_writes_them)
{
    static nb_tensor_report report[64];
    nb_weights *w = open_folder("nvfp4_llama"), *g = written(w, "F32", "blk.*=nvfp4", report);
    static const char *const linear[] = {"attn_q",   "attn_k", "attn_v",  "attn_output",
                                         "ffn_gate", "ffn_up", "ffn_down"};
    for (size_t i = 0; i < 2 * countof(linear); i++) {
        char name[64];
        snprintf(name, sizeof name, "blk.%zu.%s.weight", i % 2, linear[i / 2]);
        const nb_view *v = nb_weights_find(g, name), *s = nb_weights_find(w, name);
        check(v && v->t.type == NK_NVFP4 && s->t.type == NK_NVFP4, "%s", name);
        uint8_t *bytes = malloc(s->t.nbytes);
        nb_weights_unpack(s, bytes);
        check(memcmp(bytes, v->t.bytes, s->t.nbytes) == 0, "%s: other bytes", name);
        free(bytes);
        snprintf(name, sizeof name, "blk.%zu.%s.scale", i % 2, linear[i / 2]);
        const float *scale = factors(g, name, 1), *source = factors(w, name, 1);
        check(scale && *scale == *source && *scale > 0.01f && *scale < 0.1f, "%s", name);
        snprintf(name, sizeof name, "blk.%zu.%s.input_scale", i % 2, linear[i / 2]);
        check(factors(g, name, 1) && *factors(g, name, 1) == 0.0123f, "%s", name);
    }
    size_t exact = 0;
    for (size_t i = 0; i < nb_weights_count(g); i++)
        exact += report[i].stats.n > 1 && report[i].stats.max_err == 0;
    check(exact == 14 + 2 * 2 + 2, "%zu tensors are equal to the checkpoint's", exact);
    check(nb_weights_count(g) == 14 * 3 + 2 * 2 + 2, "%zu tensors", nb_weights_count(g));
    nb_weights_close(&g);
    nb_weights_close(&w);
}

CHECK_TEST(nvfp4, experts_have_a_factor_each)
{
    nb_weights *w = open_folder("nvfp4_moe"), *g = written(w, "F32", "blk.*=nvfp4", NULL);
    const float *scale = factors(g, "blk.1.ffn_down_exps.scale", 4),
                *input = factors(g, "blk.1.ffn_down_exps.input_scale", 4);
    check(scale && input && nb_weights_find(g, "blk.1.ffn_down_exps.weight")->t.type == NK_NVFP4,
          "factors");
    for (int e = 0; e < 4; e++)
        check(scale[e] > 0 && (e == 0 || scale[e] != scale[0]) && fabsf(input[e] - 0.0123f) < 1e-8f,
              "expert %d: %g %g", e, (double)scale[e], (double)input[e]);
    nb_weights_close(&g);
    nb_weights_close(&w);
}

/* Another type takes the values whole: no factor is left beside them. */
CHECK_TEST(nvfp4, weights_encoded_anew_have_the_factor_in_them)
{
    nb_weights *w = open_folder("nvfp4_llama");
    nb_weights *g = written(w, "Q8_0", "blk.1.ffn_up=nvfp4", NULL);
    const nb_view *v = nb_weights_find(w, "blk.0.ffn_up.weight"),
                  *have = nb_weights_find(g, "blk.0.ffn_up.weight");
    check(have->t.type == NK_Q8_0 && !nb_weights_find(g, "blk.0.ffn_up.scale") &&
              !nb_weights_find(g, "blk.0.ffn_up.input_scale"),
          "the factor stands beside q8_0");
    check(nb_weights_find(g, "blk.1.ffn_up.scale"), "what keeps its type keeps its factor");
    float want[64], got[64];
    for (uint64_t r = 0; r < nb_tensor_rows(&v->t); r++) {
        uint8_t row[64];
        nb_weights_exact(v, r, want);
        nk_type_get(NK_NVFP4)->decode(nb_weights_row(v, r, row), got, 64);
        for (int c = 0; c < 64; c++)
            check(want[c] == got[c] * nb_weights_factor(v, r), "%d: %g", c, (double)want[c]);
        nk_type_get(NK_Q8_0)->decode(have->t.bytes + r * 68, got, 64);
        for (int c = 0; c < 64; c++)
            check(fabsf(want[c] - got[c]) < 0.01f, "%d: %g is %g", c, (double)want[c],
                  (double)got[c]);
    }
    nb_weights_close(&g);
    nb_weights_close(&w);
}

/* --- by hand -----------------------------------------------------------------------------------
 */

static const char GATE[] = "model.layers.0.mlp.gate_proj";
enum { ROWS = 4 };

/* weight u8 [4][cols / 2], scales [4][cols / 16]; factor 0: not stored. */
static pack_rig rig_of(uint64_t cols, uint8_t scale, float factor, const char *extra)
{
    static uint8_t codes[ROWS * 64], scales[ROWS * 8];
    char name[80], shape[32], config[200];
    snprintf(config, sizeof config, "{\"quant_method\":\"modelopt\",\"quant_algo\":\"%s\"}", extra);
    pack_rig r = pack_rig_make("nvfp4", config);
    for (size_t i = 0; i < sizeof codes; i++)
        codes[i] = (uint8_t)(i * 37 + i / 9);
    memset(scales, scale, sizeof scales);
    snprintf(name, sizeof name, "%s.weight", GATE);
    snprintf(shape, sizeof shape, "[4,%d]", (int)cols / 2);
    pack_rig_put(&r, name, "U8", shape, codes, ROWS * cols / 2);
    snprintf(name, sizeof name, "%s.weight_scale", GATE);
    snprintf(shape, sizeof shape, "[4,%d]", (int)cols / 16);
    pack_rig_put(&r, name, "F8_E4M3", shape, scales, ROWS * cols / 16);
    snprintf(name, sizeof name, "%s.weight_scale_2", GATE);
    if (factor < 0 || factor > 0)
        pack_rig_put(&r, name, "F32", "[]", &factor, sizeof factor);
    return r;
}

/* Rows that are no whole blocks are floats, factor and all; a scale's sign goes to its codes. */
CHECK_TEST(nvfp4, what_no_block_holds_lands_where_it_is_exact)
{
    static const struct {
        uint64_t cols;
        uint8_t scale;
        float factor;
        nk_type_id type;
        bool beside;
    } row[] = {{128, 0x40, 0.3f, NK_NVFP4, true},
               {128, 0xc5, 0.3f, NK_NVFP4, true},
               {64, 0x38, 0, NK_NVFP4, false},
               {64, 0x38, 1, NK_NVFP4, false},
               {96, 0x40, 0.3f, NK_F32, false}};
    for (size_t i = 0; i < countof(row); i++) {
        pack_rig r = rig_of(row[i].cols, row[i].scale, row[i].factor, "NVFP4");
        nb_weights *w = pack_rig_opened(&r);
        const nb_view *v = nb_weights_find(w, "blk.0.ffn_gate.weight");
        check(v && v->t.type == row[i].type && v->t.shape[0] == row[i].cols, "%zu", i);
        check(!nb_weights_find(w, "blk.0.ffn_gate.scale") == !row[i].beside, "%zu: factor", i);
        float exact[128], landed[128];
        uint8_t bytes[512];
        for (uint64_t k = 0; k < ROWS; k++) {
            nb_weights_exact(v, k, exact);
            nk_type_get(v->t.type)->decode(nb_weights_row(v, k, bytes), landed, row[i].cols);
            for (uint64_t c = 0; c < row[i].cols; c++)
                check(landed[c] * nb_weights_factor(v, k) == exact[c], "%zu: row %d, %d: %g, %g", i,
                      (int)k, (int)c, (double)landed[c], (double)exact[c]);
        }
        nb_weights_close(&w);
    }
}

CHECK_TEST(nvfp4, what_is_no_nvfp4_is_refused_in_words)
{
    static const struct {
        uint64_t cols;
        float factor;
        const char *algo, *says;
        nb_status st;
    } row[] = {{64, -1, "NVFP4", "no factor", NB_FORMAT},
               {64, INFINITY, "NVFP4", "no factor", NB_FORMAT},
               {40, 1, "NVFP4", "weight_scale", NB_FORMAT},
               {64, 1, "W4A8_AWQ", "W4A8_AWQ", NB_UNSUPPORTED},
               {64, 1, "", "modelopt", NB_UNSUPPORTED}};
    for (size_t i = 0; i < countof(row); i++) {
        nb_weights *w;
        nb_err err;
        pack_rig r = rig_of(row[i].cols, 0x38, row[i].factor, row[i].algo);
        nb_status st = pack_rig_open(&r, &w, &err);
        check(st == row[i].st && !w && strstr(err.msg, row[i].says), "%zu: %d %s", i, st, err.msg);
    }
}

/* A scale that is no number is found when the weights are read. */
CHECK_TEST(nvfp4, a_scale_that_is_nan_is_never_written)
{
    nb_err err = {.msg = ""};
    pack_rig r = rig_of(64, 0x7f, 1, "NVFP4");
    nb_weights *w = pack_rig_opened(&r);
    quant_job job = {.w = w,
                     .preset = "F32",
                     .rule = "blk.*=nvfp4",
                     .out = test_path(test_tmpdir(), "nan.gguf")};
    check(quant_run(&job, &err) == NB_FORMAT && strstr(err.msg, "NaN"), "%s", err.msg);
    nb_weights_close(&w);
}
