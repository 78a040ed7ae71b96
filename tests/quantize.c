#include "tests/quantize.h"

#include "tests/check.h"
#include "tests/util.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/files/gguf.h"
#include "core/quant/run.h"
#include "kernels/cpu.h"

const nk_ops *quant_ops(void)
{
    static nk_ops ops;
    nk_ops_init(&ops, nk_cpu_detect());
    return &ops;
}

const nk_ops *quant_slow_ops(void)
{
    static nk_ops ops;
    nk_ops_init(&ops, 0);
    return &ops;
}

const char *quant_source(const char *preset)
{
    static const nb_shape shape = {.name = "tiny",
                                   .arch = "llama",
                                   .n_layer = 2,
                                   .n_embd = 256,
                                   .n_head = 4,
                                   .n_head_kv = 2,
                                   .head_dim = 64,
                                   .n_ff = 512,
                                   .n_vocab = 300,
                                   .n_ctx = 128,
                                   .rope_base = 1e4f,
                                   .rms_eps = 1e-5f};
    static char path[600];
    nb_recipe r;
    uint64_t bytes;
    nb_err err = {0};
    snprintf(path, sizeof path, "%s/source-%s.gguf", test_tmpdir(), preset);
    nb_recipe_init(&r, nb_preset_find(preset));
    if (!nb_exists(path))
        check(nb_synth_write(&shape, &r, 7, path, false, quant_ops(), NULL, &bytes, NULL, &err) ==
                  NB_OK,
              "%s", err.msg);
    return path;
}

nb_weights *quant_open(const char *path)
{
    nb_weights *w = NULL;
    nb_err err = {0};
    check(nb_weights_open(&w, path, &err) == NB_OK, "%s", err.msg);
    return w;
}

/* Tensors t[n] with keys k and shard s of count. */
static void write_shard(const char *stem, nb_kvs *k, const nb_tensor *t, size_t n, size_t s,
                        size_t count)
{
    nb_str head = {0};
    uint64_t len;
    char path[700];
    nb_kvs_put(k, &(nb_kv){.key = "split.no", .type = NB_KV_U16, .v.u = s}, true, NULL);
    nb_kvs_put(k, &(nb_kv){.key = "split.count", .type = NB_KV_U16, .v.u = count}, true, NULL);
    nb_tensor *own = malloc(n * sizeof *own);
    memcpy(own, t, n * sizeof *own);
    check(nb_gguf_layout(&head, k, own, n, 32, &len, NULL) == NB_OK, "layout");
    char *file = calloc(len, 1);
    memcpy(file, head.at, head.len);
    for (size_t i = 0; i < n; i++)
        memcpy(file + own[i].offset, t[i].bytes, t[i].nbytes);
    snprintf(path, sizeof path, "%s-%05zu-of-%05zu.gguf", stem, s + 1, count);
    test_spit(path, file, len);
    free(file);
    free(own);
    nb_str_free(&head);
}

void quant_split(const char *in, const char *stem, size_t count)
{
    nb_weights *w = quant_open(in);
    size_t n = nb_weights_count(w);
    nb_tensor *t = malloc(n * sizeof *t);
    for (size_t i = 0; i < n; i++)
        t[i] = nb_weights_at(w, i)->t;
    for (size_t s = 0; s < count; s++) {
        nb_kvs *k;
        size_t first = n * s / count, end = n * (s + 1) / count;
        check(nb_kvs_open(&k, NULL) == NB_OK, "keys");
        for (size_t i = 0; s == 0 && i < nb_kvs_count(nb_weights_kvs(w)); i++)
            check(nb_kvs_put(k, nb_kvs_at(nb_weights_kvs(w), i), false, NULL) == NB_OK, "key");
        nb_kvs_put_i32(k, "split.tensors.count", (int32_t)n, NULL);
        write_shard(stem, k, t + first, end - first, s, count);
        nb_kvs_close(&k);
    }
    free(t);
    nb_weights_close(&w);
}

static nb_status run_plan(const quant_job *job, const nb_plan *plan, nb_err *err)
{
    nb_quantize_options opt = {.method = job->method,
                               .knobs = job->knobs,
                               .force = job->force,
                               .figures = job->quiet ? NB_FIGURES_NONE
                                          : job->all ? NB_FIGURES_ALL
                                                     : NB_FIGURES_SAMPLE,
                               .sha256 = true};
    nb_run *run = NULL;
    nk_pool *pool = NULL;
    nb_status st = nb_run_open(&run, plan, job->out, &opt, err);
    if (st == NB_OK && job->threads)
        st = nk_pool_open(&pool, job->threads, err);
    if (st == NB_OK)
        st = nb_run_go_pool(run, job->slow ? quant_slow_ops() : quant_ops(), pool, job->hooks, err);
    for (size_t i = 0; run && job->reports && i < plan->n; i++) {
        check(nb_run_report(run, i, &job->reports[i]), "report %zu", i);
        job->reports[i].plan = NULL; /* the plan goes; names live in the weights */
    }
    if (run && job->view)
        nb_run_look(run, job->view);
    nk_pool_close(&pool);
    nb_run_close(&run);
    return st;
}

nb_status quant_run(const quant_job *job, nb_err *err)
{
    nb_recipe r;
    nb_plan plan;
    nb_recipe_init(&r, nb_preset_find(job->preset));
    r.pure = job->pure;
    if (job->rule)
        check(nb_recipe_add(&r, job->rule, err) == NB_OK, "%s", job->rule);
    r.imatrix = job->imatrix;
    nb_status st = nb_plan_make(&plan, &r, job->w, job->allow_requantize, err);
    if (st != NB_OK)
        return st;
    if (job->file_bytes)
        *job->file_bytes = plan.file_bytes;
    st = run_plan(job, &plan, err);
    nb_plan_free(&plan);
    return st;
}

int quant_count(const char *dir, const char *part)
{
    int n = 0;
    struct dirent *e;
    DIR *d = opendir(dir);
    while (d && (e = readdir(d)))
        n += strstr(e->d_name, part) != NULL;
    if (d)
        closedir(d);
    return n;
}
