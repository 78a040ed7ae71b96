/* Scenarios of core/quant and core/eval: every call of a run fails in turn (A13). */
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/eval/runs.h"
#include "core/eval/synth.h"
#include "core/quant/run.h"
#include "tests/faults/faults.h"
#include "tests/util.h"

static const nb_shape shape = {.name = "small",
                               .arch = "llama",
                               .n_layer = 1,
                               .n_embd = 64,
                               .n_head = 2,
                               .n_head_kv = 1,
                               .head_dim = 32,
                               .n_ff = 96,
                               .n_vocab = 280,
                               .n_ctx = 64,
                               .rope_base = 1e4f,
                               .rms_eps = 1e-5f,
                               .tied = true};

static const char *file(const char *name)
{
    return test_path(test_tmpdir(), name);
}

static nb_status write_synth(const char *path, const char *preset, nb_err *err)
{
    nk_ops ops;
    nb_recipe r;
    uint64_t bytes;
    nk_ops_init(&ops, 0);
    nb_recipe_init(&r, nb_preset_find(preset));
    return nb_synth_write(&shape, &r, 3, path, true, &ops, NULL, &bytes, NULL, err);
}

/* out is "old" or opens as a whole model; no partial file is left. */
static void whole(const char *out, nb_status status)
{
    size_t n;
    nb_weights *w = NULL;
    nb_err err = {0};
    char *text = test_slurp(out, &n);
    bool old = text && n == 3 && memcmp(text, "old", 3) == 0;
    free(text);
    fault_check(!old || status != NB_OK, "success, but the old file stands");
    if (!old) {
        fault_check(nb_weights_open(&w, out, &err) == NB_OK, "a third file: %s", err.msg);
        nb_weights_close(&w);
    }
    char part[600];
    snprintf(part, sizeof part, "%s.part", out);
    fault_check(access(part, F_OK) != 0, "%s is left", part);
}

static void lay_out(void)
{
    nb_err err = {0};
    if (!nb_exists(file("source.gguf")))
        fault_check(write_synth(file("source.gguf"), "BF16", &err) == NB_OK, "%s", err.msg);
    test_spit(file("out.gguf"), "old", 3);
    test_spit(file("synth.gguf"), "old", 3);
}

static nb_status quantize(nb_err *err)
{
    nb_weights *w = NULL;
    nb_plan plan = {0};
    nb_run *run = NULL;
    nk_pool *pool = NULL;
    nk_ops ops;
    nb_recipe r;
    nb_quantize_options opt = {.force = true, .figures = NB_FIGURES_SAMPLE};
    nk_ops_init(&ops, 0);
    nb_recipe_init(&r, nb_preset_find("Q4_0"));
    nb_status st = nb_weights_open(&w, file("source.gguf"), err);
    if (st == NB_OK)
        st = nb_plan_make(&plan, &r, w, false, err);
    if (st == NB_OK)
        st = nb_run_open(&run, &plan, file("out.gguf"), &opt, err);
    if (st == NB_OK)
        st = nk_pool_open(&pool, 2, err);
    if (st == NB_OK)
        st = nb_run_go_pool(run, &ops, pool, NULL, err);
    nk_pool_close(&pool);
    nb_run_close(&run);
    nb_plan_free(&plan);
    nb_weights_close(&w);
    return st;
}

static void quantized_whole(nb_status status)
{
    whole(file("out.gguf"), status);
}
FAULT_SCENARIO(quantize, lay_out, quantize, quantized_whole);

static nb_status synth(nb_err *err)
{
    return write_synth(file("synth.gguf"), "Q8_0", err);
}

static void synth_whole(nb_status status)
{
    whole(file("synth.gguf"), status);
}
FAULT_SCENARIO(synth, lay_out, synth, synth_whole);

/* --- stored results: a failed append costs nothing that was stored --- */

static nb_config runs_config(void)
{
    nb_config c = {.writable = true};
    snprintf(c.state_dir, sizeof c.state_dir, "%s/runs", test_tmpdir());
    return c;
}

static void one_run(void)
{
    nb_config c = runs_config();
    nb_runs *runs;
    nb_err err = {0};
    unlink(test_path(c.state_dir, "runs.jsonl"));
    fault_check(nb_runs_open(&runs, &c, &err) == NB_OK, "%s", err.msg);
    fault_check(nb_runs_add_ppl(runs, 1, "a", &(nb_ppl){.n_ctx = 512}, &err) == NB_OK, "%s",
                err.msg);
    nb_runs_close(&runs);
}

static nb_status store_run(nb_err *err)
{
    nb_config c = runs_config();
    nb_runs *runs;
    NB_TRY(nb_runs_open(&runs, &c, err));
    fault_check(nb_runs_skipped(runs) == 0, "a good line was skipped");
    nb_status st = nb_runs_add_ppl(runs, 2, "a", &(nb_ppl){.n_ctx = 512}, err);
    nb_runs_close(&runs);
    return st;
}

static void first_run_stands(nb_status status)
{
    nb_config c = runs_config();
    nb_runs *runs;
    nb_ppl p;
    nb_err err = {0};
    fault_check(nb_runs_open(&runs, &c, &err) == NB_OK, "%s", err.msg);
    fault_check(nb_runs_ppl(runs, 1, "a", 512, &p), "the first run is gone");
    fault_check(status != NB_OK || nb_runs_ppl(runs, 2, "a", 512, &p), "the second is missing");
    nb_runs_close(&runs);
}
FAULT_SCENARIO(runs, one_run, store_run, first_run_stands);
