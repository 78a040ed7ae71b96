#include "tests/eval_rig.h"

#include <stdio.h>

#include "core/base/file.h"
#include "tests/quantize.h"
#include "tests/util.h"

static eval_rig open_rig(const char *path, const nb_session_options *opt, int threads)
{
    eval_rig e = {.w = quant_open(path)};
    nb_err err = {0};
    check(nb_model_open(&e.m, e.w, &err) == NB_OK, "%s", err.msg);
    check(nb_tok_open(&e.tok, nb_weights_kvs(e.w), &err) == NB_OK, "%s", err.msg);
    check(nk_pool_open(&e.pool, threads, &err) == NB_OK, "%s", err.msg);
    check(nb_session_open(&e.s, e.m, quant_ops(), e.pool, opt, &err) == NB_OK, "%s", err.msg);
    return e;
}

eval_rig eval_open(const char *path, uint32_t n_ctx, bool kv_f32)
{
    return open_rig(path, &(nb_session_options){.n_ctx = n_ctx, .kv_f32 = kv_f32}, 2);
}

eval_rig eval_open_threads(const char *path, uint32_t n_ctx, int threads)
{
    return open_rig(path, &(nb_session_options){.n_ctx = n_ctx}, threads);
}

void eval_close(eval_rig *e)
{
    nb_session_close(&e->s);
    nk_pool_close(&e->pool);
    nb_tok_close(&e->tok);
    nb_model_close(&e->m);
    nb_weights_close(&e->w);
}

const char *eval_file(const char *preset)
{
    char name[64];
    nb_err err = {0};
    snprintf(name, sizeof name, "demo-%s.gguf", preset);
    const char *path = test_path(test_tmpdir(), name);
    if (nb_exists(path))
        return path;
    nb_weights *w = quant_open(test_data("nibble-demo"));
    quant_job job = {.w = w, .preset = preset, .out = path, .threads = 2, .quiet = true};
    check(quant_run(&job, &err) == NB_OK, "%s", err.msg);
    nb_weights_close(&w);
    return path;
}

char *eval_slice(size_t *n)
{
    char *text = test_slurp(test_data("eval.txt"), n);
    check(text, "tests/data/eval.txt is missing");
    return text;
}
