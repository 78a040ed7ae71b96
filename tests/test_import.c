/* What quantize says of weights that another quantizer packed: equal, with the difference that
 * proves it, or what was lost, how much and where; for every packing, in text and as JSON. */
#include "tests/check.h"

#include "core/quant/import.h"
#include "tests/pack_rig.h"
#include "tests/quantize.h"
#include "tests/run_child.h"
#include "tests/util.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Linears of most files of tests/data/packed. */
enum { LINEARS = 7, MOST = 64 };

typedef struct import_row {
    const char *name, *preset, *rule;
    size_t exact;
    const char *lost; /* of those that are not */
} import_row;

static const import_row rows[] = {
    {"gptq4", "Q4_0", NULL, LINEARS, NULL},
    {"gptq4_order", "Q4_0", NULL, 1, "its steps lie apart"},
    {"gptq4_order", "F32", NULL, LINEARS, NULL},
    {"gptq4_asym", "F16", NULL, LINEARS, NULL},
    {"gptq8", "Q8_0", NULL, LINEARS, NULL},
    {"gptq_marlin", "Q4_0", NULL, 5, NULL},
    {"awq_gemm", "Q4_1", NULL, LINEARS, NULL},
    {"gptq2", "Q4_0", NULL, LINEARS, NULL},
    {"gptq3", "Q4_1", NULL, LINEARS, NULL},
    {"gptq4_v2", "Q4_1", NULL, LINEARS, NULL},
    {"awq_gemv", "Q4_1", NULL, LINEARS, NULL},
    {"awq_gemv_fast", "Q4_1", NULL, LINEARS, NULL},
    {"awq_marlin", "Q4_0", NULL, 5, NULL},
    {"bitnet_packed", "TQ2_0", NULL, LINEARS, NULL},
    {"bitnet_offline", "TQ1_0", NULL, LINEARS, NULL},
    {"bnb_nf4", "Q8_0", NULL, 0, "16 levels"},
    {"bnb_nf4_nested", "Q8_0", NULL, 0, "16 levels"},
    {"bnb_fp4", "Q8_0", NULL, 0, "a sixteenth"},
    {"bnb_int8", "Q8_0", NULL, 0, "steps are rounded to float16"},
    {"ct_int8", "Q8_0", NULL, LINEARS, NULL},
    {"ct_pack", "Q4_0", NULL, LINEARS, NULL},
    {"ct_pack_asym", "Q4_1", NULL, LINEARS, NULL},
    {"ct_mixed", "Q4_0", "blk.*.ffn_*=q8_0", LINEARS, NULL},
    {"ct_fp8", "BF16", NULL, 0, "rounded to bfloat16"},
    {"ct_fp8", "Q8_0", NULL, 0, "chosen anew"},
    {"fp8_block", "BF16", NULL, 1, "rounded to bfloat16"},
    {"fp8_block_pow2", "BF16", NULL, LINEARS, NULL},
    {"nvfp4", "F32", "blk.*=nvfp4", 6, "rounded to float16"}, /* a width of 96 */
    {"nvfp4_llama", "F32", "blk.*=nvfp4", 14, NULL},
    {"nvfp4_moe", "F32", "blk.*=nvfp4", 14, NULL},
    {"nvfp4", "Q4_K_M", NULL, 0, "chosen anew"},
    {"hqq4", "Q4_1", NULL, 0, "steps and offsets are rounded to float16"},
    {"hqq4_axis0", "Q8_0", NULL, 0, "chosen anew"},
    {"hqq8_axis0", "Q8_0", NULL, 0, "chosen anew"},
    {"quanto_int8", "Q8_0", NULL, LINEARS, NULL},
    {"quanto_int4", "Q4_1", NULL, LINEARS, NULL},
    {"gpt_oss_mxfp4", "MXFP4_MOE", NULL, 3, NULL},
};

/* Not packed: what gptq4_order is made from. */
static const char plain_twin[] = "gptq4_order_plain";

CHECK_TEST(import, no_packing_is_left_out)
{
    static const char end[] = ".safetensors";
    DIR *d = opendir(test_data("packed"));
    struct dirent *e;
    size_t n = 0;
    check(d, "%s cannot be listed", test_data("packed"));
    while ((e = readdir(d))) {
        size_t len = strlen(e->d_name), i = 0;
        if (len < sizeof end || strcmp(e->d_name + len - sizeof end + 1, end) != 0)
            continue;
        len -= sizeof end - 1;
        n++;
        if (len == strlen(plain_twin) && memcmp(e->d_name, plain_twin, len) == 0)
            continue;
        while (i < countof(rows) &&
               (strlen(rows[i].name) != len || memcmp(rows[i].name, e->d_name, len) != 0))
            i++;
        check(i < countof(rows), "%s has no row", e->d_name);
    }
    closedir(d);
    check(n >= 30, "%zu checkpoints", n);
}

/* The largest |decoded - defined| of one tensor by this test's own arithmetic, and where. */
static double worst_of(const nb_view *v, const nb_weights *out, uint64_t *at)
{
    const nb_view *have = nb_weights_find(out, v->t.name);
    const uint64_t n = nb_tensor_rows(&v->t), cols = nb_tensor_cols(&v->t);
    float *want = malloc(cols * 4), *got = malloc(cols * 4);
    double worst = 0;
    *at = 0;
    for (uint64_t r = 0; r < n; r++) {
        nb_weights_exact(v, r, want);
        nk_type_get(have->t.type)->decode(have->t.bytes + r * (have->t.nbytes / n), got, cols);
        float factor = have->t.type == NK_NVFP4 ? nb_weights_factor(v, r) : 1;
        for (uint64_t c = 0; c < cols; c++) {
            double d = fabs((double)(got[c] * factor) - (double)want[c]);
            *at = d > worst ? r * cols + c : *at;
            worst = d > worst ? d : worst;
        }
    }
    free(want);
    free(got);
    return worst;
}

CHECK_TEST(import, every_packing_tells_what_is_kept_and_what_is_lost)
{
    static nb_tensor_report report[MOST];
    for (size_t i = 0; i < countof(rows); i++) {
        nb_weights *w = NULL;
        nb_err err = {.msg = ""};
        check(nb_weights_open(&w, packed_folder(rows[i].name).dir, &err) == NB_OK, "%s", err.msg);
        check(nb_weights_count(w) <= MOST, "%s", rows[i].name);
        memset(report, 0, sizeof report);
        quant_job job = {.w = w,
                         .preset = rows[i].preset,
                         .rule = rows[i].rule,
                         .out = test_path(test_tmpdir(), "import.gguf"),
                         .force = true,
                         .allow_requantize = true,
                         .reports = report};
        check(quant_run(&job, &err) == NB_OK, "%s: %s", rows[i].name, err.msg);
        nb_weights *out = quant_open(job.out);
        size_t exact = 0;
        for (size_t k = 0; k < nb_weights_count(w); k++) {
            const nb_view *v = nb_weights_at(w, k);
            const nb_tensor_report *r = report;
            while (r < report + MOST && !(r->name && strcmp(r->name, v->t.name) == 0))
                r++;
            if (!nb_weights_packing(v))
                continue;
            uint64_t at;
            double worst = worst_of(v, out, &at);
            exact += worst == 0;
            check(r < report + MOST && fabs((double)r->stats.max_err) == worst &&
                      (worst == 0 || r->stats.max_err_at == at),
                  "%s to %s: %s: %g at %llu, reported %g at %llu", rows[i].name, rows[i].preset,
                  v->t.name, worst, (unsigned long long)at, (double)r->stats.max_err,
                  (unsigned long long)r->stats.max_err_at);
            const char *lost = nb_weights_loss(v, nb_weights_find(out, v->t.name)->t.type);
            bool anew = lost && strstr(lost, "chosen anew"); /* rows that are no whole blocks */
            check(worst == 0 || anew || (lost && rows[i].lost && strstr(lost, rows[i].lost)),
                  "%s: %s", rows[i].name, lost);
        }
        check(exact == rows[i].exact, "%s to %s: %zu tensors equal", rows[i].name, rows[i].preset,
              exact);
        nb_weights_close(&out);
        nb_weights_close(&w);
    }
}

static child quantize(const char *folder, const char *preset, const char *flag)
{
    child_how how = {.args = {"quantize", packed_folder(folder).dir, "-t", preset, "-o",
                              test_path(test_tmpdir(), "said.gguf"), "--force", flag, NULL}};
    return child_run(&how);
}

CHECK_TEST(import, the_command_prints_the_proof_or_the_loss)
{
    child c = quantize("gptq4", "Q4_0", NULL);
    check(c.code == 0 && strstr(c.out, "7 of 7 tensors from gptq hold every weight of the "
                                       "checkpoint: largest difference 0 over 30720 weights"),
          "%s%s", c.out, c.err);
    child_free(&c);
    c = quantize("gptq4_order", "Q4_0", NULL);
    check(c.code == 0 && strstr(c.out, "6 of 7 tensors from gptq differ") &&
              strstr(c.out, "blk.0.ffn_up.weight  gptq as q4_0: its steps lie apart: codes are "
                            "chosen anew; at most 0.0") &&
              strstr(c.out, ", at row ") && strstr(c.out, "3 of them are in another order"),
          "%s%s", c.out, c.err);
    child_free(&c);
    c = quantize("gptq4", "Q4_K_M", NULL);
    check(c.code != 0 && strstr(c.err, "is already quantized (gptq, kept as q4_0)"), "%s", c.err);
    child_free(&c);
    c = quantize("bnb_nf4", "Q8_0", "--dry-run");
    check(c.code == 0 && strstr(c.out, "from bitsandbytes nf4: its 16 levels"), "%s%s", c.out,
          c.err);
    child_free(&c);
}

CHECK_TEST(import, json_has_what_the_text_says)
{
    static const struct {
        const char *folder, *preset, *lands, *lost;
        bool exact;
    } row[] = {{"gptq4", "Q4_0", "q4_0", NULL, true},
               {"bnb_nf4", "Q8_0", "q8_0", "its 16 levels are rounded to 255 steps", false}};
    for (size_t i = 0; i < countof(row); i++) {
        child c = quantize(row[i].folder, row[i].preset, "--json");
        check(c.code == 0, "%s", c.err);
        nb_json *doc = child_json(&c);
        size_t n = 0;
        const nb_jval *t = nb_jfirst(nb_jget(nb_json_root(doc), "tensors"));
        for (; t; t = nb_jnext(t)) {
            const char *packing = NULL, *lands = "", *lost = NULL;
            bool exact = !row[i].exact;
            double most = -1;
            if (!nb_jstr(nb_jget(t, "packing"), &packing))
                continue;
            nb_jstr(nb_jget(t, "lands_in"), &lands);
            nb_jstr(nb_jget(t, "lost"), &lost);
            nb_jbool(nb_jget(t, "exact"), &exact);
            nb_jnum(nb_jget(t, "max_error"), &most);
            check(strcmp(lands, row[i].lands) == 0 && exact == row[i].exact &&
                      (most == 0) == exact && !lost == exact &&
                      (!lost || strcmp(lost, row[i].lost) == 0),
                  "%s: %s, %s, %g", row[i].folder, lands, lost ? lost : "nothing", most);
            n++;
        }
        check(n == LINEARS, "%zu tensors", n);
        nb_json_close(&doc);
        child_free(&c);
    }
}

/* The Quantize screen: of the tensor in view, and of all of them. */
CHECK_TEST(import, the_screen_shows_what_is_kept)
{
    static const struct {
        const char *folder, *keys, *says[2];
    } row[] = {
        {"gptq4_asym",
         "keys a\ntext blk.*=q4_1\nkeys Enter\n",
         {"7 tensors from gptq, every weight equal", "every weight equal, max 0"}},
        {"gptq4_order",
         "keys j j j j j j Space\n", /* even if quantized */
         {"7 tensors from gptq, 0 equal, max ", "its steps lie apart: codes are chosen anew"}}};
    for (size_t i = 0; i < countof(row); i++) {
        const char *script = test_path(test_tmpdir(), "import.script");
        char text[300], folder[700];
        size_t n;
        snprintf(folder, sizeof folder, "%s", packed_folder(row[i].folder).dir);
        snprintf(text, sizeof text,
                 "size 160x50\nkeys 3\nwait\n%skeys C-r\nwait\nframes 300\nsave-screen done\n",
                 row[i].keys);
        test_spit(script, text, strlen(text));
        child_how how = {.args = {"--script", script, folder}, .dir = test_tmpdir()};
        child c = child_run(&how);
        check(c.code == 0, "%s", c.err);
        char *screen = test_slurp(test_path(test_tmpdir(), "done"), &n);
        for (int k = 0; k < 2; k++)
            check(screen && strstr(screen, row[i].says[k]), "no \"%s\" in\n%s", row[i].says[k],
                  screen);
        free(screen);
        child_free(&c);
    }
}
