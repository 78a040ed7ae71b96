/* Files that hold the newer types: opened, run on every level, looked into, copied; and what is
 * said about types that can only be shown. */
#include "tests/check.h"
#include "tests/kernels.h"
#include "tests/quantize.h"
#include "tests/run_child.h"
#include "tests/tiny.h"
#include "tests/util.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/model/session.h"
#include "core/quant/run.h"

static const nk_type_id ids[] = {NK_IQ4_NL, NK_IQ4_XS, NK_TQ1_0,   NK_TQ2_0, NK_MXFP4,
                                 NK_NVFP4,  NK_Q1_0,   NK_IQ1_S,   NK_IQ1_M, NK_IQ2_XXS,
                                 NK_IQ2_XS, NK_IQ2_S,  NK_IQ3_XXS, NK_IQ3_S};

/* A tiny model in this type; path in the ring of test_path. */
static const char *file_of(nk_type_id id)
{
    char name[40];
    const char *f32 = test_path(test_tmpdir(), "types-f32.gguf");
    tiny t = tiny_default();
    tiny_write(f32, &t, NULL);
    snprintf(name, sizeof name, "types-%s.gguf", nk_type_get(id)->name);
    const char *path = test_path(test_tmpdir(), name);
    tiny_convert(path, f32, id);
    return path;
}

/* Logits after a short prompt, n_vocab of them, free() them. */
static float *logits_of(const char *path, const nk_ops *ops, size_t *n)
{
    static const int32_t prompt[] = {1, 17, 250, 9, 42, 131, 7};
    nb_weights *w = quant_open(path);
    nb_model *m = NULL;
    nb_session *s = NULL;
    nb_err err = {0};
    check(nb_model_open(&m, w, &err) == NB_OK, "%s", err.msg);
    nb_session_options o = {.n_ctx = 32, .n_batch = 8};
    check(nb_session_open(&s, m, ops, NULL, &o, &err) == NB_OK, "%s", err.msg);
    check(nb_session_feed(s, prompt, countof(prompt), NULL, NULL, &err) == NB_OK, "%s", err.msg);
    *n = m->hp.n_vocab;
    float *out = malloc(*n * sizeof *out);
    check(out && nb_session_logits(s), "no logits");
    memcpy(out, nb_session_logits(s), *n * sizeof *out);
    nb_session_close(&s);
    nb_model_close(&m);
    nb_weights_close(&w);
    return out;
}

static double distance(const float *a, const float *b, size_t n)
{
    double err = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        err += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        size += (double)b[i] * (double)b[i];
    }
    return sqrt(err / size);
}

/* The engine on blocks beside the engine on the floats they decode to: what is left are activations
 * in 8 bits, 2 to 4 % of these logits; a code or scale misread is tens of percents. */
CHECK_TEST(type_files, run_as_their_decoded_weights_do)
{
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv), n;
    for (size_t k = 0; k < countof(ids); k++) {
        const char *path = file_of(ids[k]), *name = nk_type_get(ids[k])->name;
        const char *floats = test_path(test_tmpdir(), "types-decoded.gguf");
        tiny_convert(floats, path, NK_F32);
        float *want = logits_of(floats, &lv[0].ops, &n);
        for (size_t l = 0; l < levels; l++) {
            float *got = logits_of(path, &lv[l].ops, &n);
            double d = distance(got, want, n);
            check(d < 0.06, "%s %s: logits %g off", lv[l].name, name, d);
            free(got);
        }
        free(want);
    }
}

CHECK_TEST(type_files, are_shown_and_inspected)
{
    for (size_t k = 0; k < countof(ids); k++) {
        const char *path = file_of(ids[k]), *name = nk_type_get(ids[k])->name;
        child c = child_run(&(child_how){.args = {"show", path}});
        check(c.code == 0 && strcasestr(c.out, name), "show %s: %d %s", name, c.code, c.err);
        child_free(&c);
        c = child_run(&(child_how){
            .args = {"inspect", path, "blk.1.ffn_up.weight", "--block", "3", "--json"}});
        check(c.code == 0, "inspect %s: %s", name, c.err);
        nb_json *doc = child_json(&c);
        const nb_jval *values = nb_jget(nb_jget(nb_json_root(doc), "block"), "values");
        check(nb_jlen(values) == nk_type_get(ids[k])->block_len, "%s: %zu values", name,
              nb_jlen(values));
        for (const nb_jval *v = nb_jfirst(values); v; v = nb_jnext(v)) {
            double code, scale, decoded;
            check(nb_jnum(nb_jget(v, "code"), &code) && nb_jnum(nb_jget(v, "scale"), &scale) &&
                      nb_jnum(nb_jget(v, "decoded"), &decoded),
                  "%s: a value without code", name);
            check(fabs(code * scale - decoded) <= 1e-5 * fabs(decoded), "%s: %g * %g is no %g",
                  name, code, scale, decoded);
        }
        check(nb_jlen(nb_jget(nb_json_root(doc), "histogram")) > 1, "%s: no histogram", name);
        nb_json_close(&doc);
        child_free(&c);
    }
}

/* The source of `path`'s bytes with the type of one tensor rewritten: a tensor info is name, u32
 * dims, u64 each, u32 type. */
static const char *with_type(const char *path, const char *tensor, nk_type_id id)
{
    size_t n;
    char *bytes = test_slurp(path, &n);
    const char *out = test_path(test_tmpdir(), "types-shown.gguf");
    char *at = memmem(bytes, n, tensor, strlen(tensor));
    check(at, "no %s", tensor);
    at += strlen(tensor) + 4 + 2 * 8;
    memcpy(at, &(uint32_t){id}, 4);
    test_spit(out, bytes, n);
    free(bytes);
    return out;
}

/* i16, two bytes like f16: no kernels. Such a tensor goes through quantize as it is and stops
 * everything else with its name. */
CHECK_TEST(type_files, types_without_kernels_are_copied_or_named)
{
    const char *tensor = "blk.1.ffn_up.weight";
    const char *path = with_type(file_of(NK_F16), tensor, NK_I16);
    const char *out = test_path(test_tmpdir(), "types-copy.gguf");
    nb_weights *w = quant_open(path), *copy;
    const nb_view *v = nb_weights_find(w, tensor), *c;
    nb_model *m = NULL;
    nb_plan plan;
    nb_recipe r;
    nb_err err;
    check(v && v->t.type == NK_I16, "type");
    check(nb_model_open(&m, w, &err) == NB_UNSUPPORTED && strstr(err.msg, tensor) &&
              strstr(err.msg, "i16"),
          "%s", err.msg);
    nb_recipe_init(&r, nb_preset_find("Q8_0"));
    check(nb_recipe_add(&r, "blk.*=i16", &err) == NB_UNSUPPORTED && strstr(err.msg, "i16"), "%s",
          err.msg);
    check(nb_plan_make(&plan, &r, w, true, &err) == NB_UNSUPPORTED && strstr(err.msg, tensor), "%s",
          err.msg);
    check(nb_recipe_add(&r, "*ffn_up=q8_0", &err) == NB_OK, "%s", err.msg);
    snprintf(r.rule[0].pattern, sizeof r.rule[0].pattern, "%s", tensor);
    r.rule[0].type = NK_I16; /* what the source has */
    check(nb_plan_make(&plan, &r, w, true, &err) == NB_OK, "%s", err.msg);
    nb_run *run = NULL;
    nb_quantize_options opt = {.figures = NB_FIGURES_SAMPLE};
    check(nb_run_open(&run, &plan, out, &opt, &err) == NB_OK, "%s", err.msg);
    check(nb_run_go_pool(run, quant_ops(), NULL, NULL, &err) == NB_OK, "%s", err.msg);
    nb_run_close(&run);
    nb_plan_free(&plan);
    copy = quant_open(out);
    c = nb_weights_find(copy, tensor);
    check(c && c->t.type == NK_I16 && c->t.nbytes == v->t.nbytes &&
              memcmp(nb_weights_row(c, 0, NULL), nb_weights_row(v, 0, NULL), v->t.nbytes) == 0,
          "the copy differs");
    nb_weights_close(&copy);
    nb_weights_close(&w);
    child k = child_run(&(child_how){.args = {"show", path}});
    check(k.code == 0 && strstr(k.out, "i16"), "show: %s %s", k.out, k.err);
    child_free(&k);
    k = child_run(&(child_how){.args = {"inspect", path, tensor}});
    check(k.code == 3 && strstr(k.err, "i16 cannot be decoded"), "inspect: %s", k.err);
    child_free(&k);
}
