#include "tests/compare_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/files/weights.h"
#include "tests/check.h"
#include "tests/eval_rig.h"
#include "tests/util.h"

const char *compare_path(const char *preset)
{
    static char path[8][128];
    static size_t at;
    char *out = path[at++ % 8];
    snprintf(out, sizeof path[0], "../data/models/Nibble-Demo-%s.gguf", preset);
    return out;
}

void compare_begin(stage *s, const char *name, const char *const *presets)
{
    char made[16][600];
    nb_err err = {0};
    size_t n = 0;
    for (; presets[n]; n++)
        snprintf(made[n], sizeof made[n], "%s", eval_file(presets[n]));
    stage_begin(s, name, "nibble-demo");
    check(nb_mkdirs("../data/models", &err) == NB_OK, "%s", err.msg);
    for (size_t i = 0; i < n; i++) {
        unlink(compare_path(presets[i]));
        check(link(made[i], compare_path(presets[i])) == 0, "%s", presets[i]);
    }
}

uint64_t compare_print(const char *preset)
{
    nb_weights *w = NULL;
    nb_err err = {0};
    check(nb_weights_open(&w, preset ? compare_path(preset) : "../nibble-demo", &err) == NB_OK,
          "%s", err.msg);
    uint64_t print = nb_weights_fingerprint(w);
    nb_weights_close(&w);
    return print;
}

nb_runs *compare_store(const stage *s)
{
    nb_runs *runs = NULL;
    nb_err err = {0};
    check(nb_runs_open(&runs, &s->cfg, &err) == NB_OK, "%s", err.msg);
    return runs;
}

void compare_add(nb_runs *runs, const char *preset, const char *text, uint32_t n_ctx,
                 uint32_t chunks, double kld)
{
    nb_run_key key = {.model = compare_print(preset),
                      .reference = compare_print(NULL),
                      .protocol = "llama-perplexity"};
    nb_kld k = {.n_ctx = n_ctx,
                .chunks = chunks,
                .scored = 1000,
                .ppl = 10 * (1 + kld),
                .ppl_err = 0.5,
                .base_ppl = 10,
                .base_ppl_err = 0.5,
                .n_same_top = 900,
                .same_top = 1 / (1 + kld),
                .same_top_err = 0.01};
    k.same_top_lo = k.same_top - 0.02;
    k.same_top_hi = k.same_top + 0.01;
    k.kld.mean = kld;
    k.kld.err = kld / 100;
    k.kld.p99 = 8 * kld;
    k.kld.max = 20 * kld;
    snprintf(key.text, sizeof key.text, "%s", text);
    check(nb_runs_add(runs, NB_RUN_KLD, &key, &k, NULL) == NB_OK, "add");
}
