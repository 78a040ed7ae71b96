/* Checkpoints that tests/reference/packed.py wrote in the layouts quantizers publish, read through
 * quantize into F32 and held against what the writer meant. */
#include "core/files/hfquant.h"
#include "tests/check.h"
#include "tests/hf_folder.h"
#include "tests/pack_rig.h"
#include "tests/quantize.h"
#include "tests/util.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One tensor against its part of the golden; allowed in units of its largest weight. Returns what
 * follows it there. */
static const float *compare(const nb_weights *w, const nb_weights *source, const char *tensor,
                            const float *want, const float *end, double allowed)
{
    const nb_view *v = nb_weights_find(w, tensor), *from = nb_weights_find(source, tensor);
    const uint32_t *columns = from->gather->packed->columns; /* of act-order, sorted */
    double worst = 0, largest = 0;
    size_t at = 0;
    check(v && v->t.type == NK_F32, "no tensor %s of F32", tensor);
    check(nb_tensor_count(&v->t) <= (uint64_t)(end - want), "%s: larger than expected", tensor);
    const float *have = (const float *)(const void *)v->t.bytes;
    const size_t width = nb_tensor_cols(&v->t);
    for (size_t i = 0; i < nb_tensor_count(&v->t); i++) {
        size_t stored = columns ? i - i % width + columns[i % width] : i;
        double d = fabs((double)have[i] - (double)want[stored]);
        largest = fmax(largest, fabs((double)want[i]));
        if (!(d <= worst)) {
            worst = d;
            at = i;
        }
    }
    check(worst <= allowed * largest,
          "%s: %.2e of the largest at row %zu, column %zu; allowed %.0e", tensor, worst / largest,
          at / width, at % width, allowed);
    return want + nb_tensor_count(&v->t);
}

/* tensors: NULL-ended, in the golden's order. */
static void check_packed(const char *name, const char *const *tensors, double allowed)
{
    nb_weights *w = NULL;
    nb_err err = {.msg = ""};
    size_t n;
    hf_folder f = packed_folder(name);
    check(nb_weights_open(&w, f.dir, &err) == NB_OK, "%s", err.msg);
    quant_job job = {.w = w, .preset = "F32", .out = test_path(f.dir, "out.gguf"), .quiet = true};
    job.allow_requantize = true; /* a landing type, widened */
    check(quant_run(&job, &err) == NB_OK, "%s", err.msg);
    nb_weights *out = quant_open(job.out);
    char *golden = packed_slurp("../golden/packed", name, ".f32", &n);
    const float *want = (const float *)(void *)golden, *end = want + n / sizeof *want;
    for (size_t i = 0; tensors[i]; i++)
        want = compare(out, w, tensors[i], want, end, allowed);
    check(want == end, "%s: %td weights too many", name, end - want);
    free(golden);
    nb_weights_close(&out);
    nb_weights_close(&w);
}

static const char *const linear[] = {"blk.0.ffn_down.weight", NULL};
static const char *const experts[] = {"blk.0.ffn_gate_exps.weight", "blk.0.ffn_up_exps.weight",
                                      "blk.0.ffn_down_exps.weight", NULL};

/* Name, largest difference in units of the largest weight: nothing where codes and steps fit the
 * type it lands in (quant.md 2.5), else what that type's float16 step, offset or codes cost. */
#define PACKED(name, allowed) ROW(name, linear, allowed)
#define ROW(name, tensors, allowed)                                                                \
    CHECK_TEST(packed, name)                                                                       \
    {                                                                                              \
        check_packed(#name, tensors, allowed);                                                     \
    }
PACKED(gptq4, 0)
PACKED(gptq4_asym, 1e-3)
PACKED(gptq4_order, 0)
PACKED(gptq4_v2, 1e-3)
PACKED(gptq2, 0)
PACKED(gptq3, 1e-3)
PACKED(gptq8, 0)
PACKED(awq_gemm, 1e-3)
PACKED(awq_gemv, 1e-3)
PACKED(gptq_marlin, 0)
PACKED(awq_marlin, 0)
PACKED(awq_gemv_fast, 0)
PACKED(bnb_nf4, 5e-3)
PACKED(bnb_nf4_nested, 5e-3)
PACKED(bnb_fp4, 6e-3)
PACKED(bnb_int8, 1e-3)
PACKED(ct_pack, 0)
PACKED(ct_pack_asym, 1e-3)
PACKED(ct_mixed, 0)
PACKED(ct_int8, 0)
PACKED(ct_fp8, 5e-3)
PACKED(fp8_block, 5e-3)
PACKED(fp8_block_pow2, 0)
PACKED(nvfp4, 0)
PACKED(bitnet_packed, 0)
PACKED(bitnet_offline, 0)
PACKED(hqq4, 2e-3)
PACKED(hqq4_axis0, 0)
PACKED(hqq8_axis0, 0)
PACKED(quanto_int8, 0)
PACKED(quanto_int4, 2e-3)
ROW(gpt_oss_mxfp4, experts, 0)
