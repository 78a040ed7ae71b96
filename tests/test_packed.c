/* Checkpoints that tests/reference/packed.py wrote in the layouts quantizers publish, read through
 * quantize into F32 and held against what the writer meant. */
#include "tests/check.h"
#include "tests/hf_folder.h"
#include "tests/quantize.h"
#include "tests/util.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 64, COLS = 96 }; /* of mlp.down_proj */

static char *slurp(const char *folder, const char *name, const char *suffix, size_t *n)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s%s", folder, name, suffix);
    char *bytes = test_slurp(test_data(path), n);
    check(bytes, "%s cannot be read", path);
    return bytes;
}

static hf_folder folder_of(const char *name)
{
    size_t n;
    char *config = slurp("packed", name, ".json", &n);
    hf_folder f = hf_folder_make(name, config);
    char *weights = slurp("packed", name, ".safetensors", &n);
    test_spit(test_path(f.dir, "model.safetensors"), weights, n);
    free(config);
    free(weights);
    return f;
}

/* Largest |have - want| over the largest |want|. */
static double difference(const float *have, const float *want, size_t *at)
{
    double worst = 0, largest = 0;
    *at = 0;
    for (size_t i = 0; i < ROWS * COLS; i++) {
        double d = fabs((double)have[i] - (double)want[i]);
        largest = fmax(largest, fabs((double)want[i]));
        if (!(d <= worst)) {
            worst = d;
            *at = i;
        }
    }
    return worst / largest;
}

static void check_packed(const char *name, double allowed)
{
    nb_weights *w = NULL;
    nb_err err = {.msg = ""};
    size_t n, at;
    hf_folder f = folder_of(name);
    nb_status st = nb_weights_open(&w, f.dir, &err);
    if (st == NB_UNSUPPORTED)
        check_skip("%s: %s", name, err.msg);
    check(st == NB_OK, "%s", err.msg);
    quant_job job = {.w = w, .preset = "F32", .out = test_path(f.dir, "out.gguf"), .quiet = true};
    check(quant_run(&job, &err) == NB_OK, "%s", err.msg);
    nb_weights *out = quant_open(job.out);
    const nb_view *v = nb_weights_find(out, "blk.0.ffn_down.weight");
    check(v && v->t.type == NK_F32 && v->t.shape[0] == COLS && v->t.shape[1] == ROWS, "%s", name);
    char *want = slurp("../golden/packed", name, ".f32", &n);
    check(n == 4 * ROWS * COLS, "%s: %zu bytes", name, n);
    double d =
        difference((const float *)(const void *)v->t.bytes, (const float *)(void *)want, &at);
    check(d <= allowed, "%.2e of the largest weight at row %zu, column %zu; allowed %.0e", d,
          at / COLS, at % COLS, allowed);
    free(want);
    nb_weights_close(&out);
    nb_weights_close(&w);
}

/* Name, largest difference in units of the largest weight: nothing where codes and steps fit the
 * type it lands in (quant.md 2.5), else what that type's float16 step, offset or codes cost. */
#define PACKED(name, allowed)                                                                      \
    CHECK_TEST(packed, name)                                                                       \
    {                                                                                              \
        check_packed(#name, allowed);                                                              \
    }
PACKED(gptq4, 0)
PACKED(gptq4_asym, 1e-3)
PACKED(gptq4_order, 1e-3)
PACKED(gptq4_v2, 1e-3)
PACKED(gptq2, 0)
PACKED(gptq3, 1e-3)
PACKED(gptq8, 0)
PACKED(awq_gemm, 1e-3)
PACKED(awq_gemv, 1e-3)
PACKED(bnb_nf4, 5e-3)
PACKED(bnb_nf4_nested, 5e-3)
PACKED(bnb_fp4, 6e-3)
PACKED(bnb_int8, 1e-3)
PACKED(ct_pack, 0)
PACKED(ct_pack_asym, 1e-3)
PACKED(ct_int8, 0)
PACKED(ct_fp8, 5e-3)
PACKED(fp8_block, 5e-3)
PACKED(fp8_block_pow2, 0)
PACKED(nvfp4, 0)
PACKED(bitnet_packed, 0)
PACKED(bitnet_offline, 0)
