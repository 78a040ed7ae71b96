/* Every family of Hugging Face models: the same tensors, types, shapes, values and keys as
 * llama.cpp's converter gives (tests/golden/hf), seen directly and written by the quantizer. */
#include "tests/check.h"

#include "core/files/hf_private.h"
#include "core/files/weights.h"
#include "tests/hf_folder.h"
#include "tests/hf_golden.h"
#include "tests/quantize.h"
#include "tests/util.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const families[] = {
    "llama",   "llama3",         "llama-yarn", "mistral",  "mixtral",        "smollm3",
    "granite", "granitemoe",     "qwen2",      "qwen2moe", "qwen3",          "qwen3moe",
    "gemma",   "qwen3moe-fused", "gemma2",     "gemma3",   "phi3",           "olmo2",
    "gpt2",    "stablelm",       "starcoder2", "falcon",   "stablelm-epoch", "falcon-40b",
    "rw",      "cohere",         "gpt-oss",    "bitnet",   "bitnet-b1.58"};

static nb_weights *opened(const char *path)
{
    nb_weights *w = NULL;
    nb_err err = {.msg = ""};
    check(nb_weights_open(&w, path, &err) == NB_OK, "%s: %s", path, err.msg);
    return w;
}

/* --- keys ------------------------------------------------------------------------------------- */

/* The architecture as the class must become it. */
static const char *arch_of(const char *family)
{
    static const char *const other[][2] = {
        {"llama3", "llama"},  {"llama-yarn", "llama"},        {"mistral", "llama"},
        {"mixtral", "llama"}, {"qwen3moe-fused", "qwen3moe"}, {"stablelm-epoch", "stablelm"},
        {"rw", "falcon"},     {"falcon-40b", "falcon"},       {"cohere", "command-r"}};
    for (size_t i = 0; i < countof(other); i++)
        if (strcmp(other[i][0], family) == 0)
            return other[i][1];
    return family;
}

static void expect_key(const nb_kvs *kvs, const char *arch, const char *name, const char *want)
{
    char key[256], text[256];
    snprintf(key, sizeof key, "%s.%s", arch, name);
    const nb_kv *kv = nb_kvs_find(kvs, key);
    check(kv != NULL, "%s is missing", key);
    double v;
    if (nb_kvs_float(kvs, key, &v))
        check((float)v == strtof(want, NULL), "%s is %g, expected %s", key, v, want);
    else {
        nb_kv_text(kv, text, sizeof text);
        check(strstr(text, want) && strlen(text) <= strlen(want) + 2, "%s is %s, expected %s", key,
              text, want);
    }
}

static void compare_keys(const hf_golden *g, const char *family, const nb_kvs *kvs)
{
    const char *arch = arch_of(family);
    size_t n = 0, len = strlen(arch);
    for (size_t i = 0; i < g->n_key; i++)
        expect_key(kvs, arch, g->key[i][0], g->key[i][1]);
    for (size_t i = 0; i < nb_kvs_count(kvs); i++) {
        const char *key = nb_kvs_at(kvs, i)->key;
        bool own = strncmp(key, arch, len) == 0 && key[len] == '.', known = !own;
        n += own;
        for (size_t k = 0; own && k < g->n_key; k++)
            known = known || strcmp(key + len + 1, g->key[k][0]) == 0;
        check(known, "%s: %s is no key of llama.cpp's converter", family, key);
    }
    check(n == g->n_key, "%s: %zu keys, expected %zu", family, n, g->n_key);
}

/* --- tensors ---------------------------------------------------------------------------------- */

static void lower(char *s)
{
    for (; *s; s++)
        *s = (char)tolower((unsigned char)*s);
}

static void compare_tensor(const hf_golden *g, const hf_line *t, const nb_weights *w, bool written)
{
    const nb_view *v = nb_weights_find(w, t->name);
    char type[8];
    snprintf(type, sizeof type, "%s", t->type);
    lower(type);
    check(v != NULL, "%s is missing", t->name);
    check(v->t.n_dims == (uint32_t)t->n_dims && memcmp(v->t.shape, t->dim, sizeof t->dim) == 0,
          "%s: %u dims, %llu x %llu x %llu", t->name, v->t.n_dims,
          (unsigned long long)v->t.shape[0], (unsigned long long)v->t.shape[1],
          (unsigned long long)v->t.shape[2]);
    check(strcmp(nk_type_get(written ? v->t.type : v->out_type)->name, type) == 0,
          "%s: type %s, expected %s", t->name, nk_type_get(v->out_type)->name, type);
    uint64_t n = nb_tensor_count(&v->t), bad = 0;
    float *want = calloc(n, sizeof *want), *got = calloc(n, sizeof *got);
    hf_golden_expect(g, t, want, n);
    nb_weights_floats(v, got);
    while (bad < n && fabsf(got[bad] - want[bad]) <=
                          1e-6f * fabsf(want[bad]) * (float)(strcmp(t->how, "made") == 0))
        bad++;
    check(bad == n, "%s: element %llu is %g, expected %g", t->name, (unsigned long long)bad,
          (double)got[bad], (double)want[bad]);
    free(want);
    free(got);
}

static void compare(const hf_golden *g, const char *family, const nb_weights *w, bool written)
{
    compare_keys(g, family, nb_weights_kvs(w));
    for (size_t i = 0; i < g->n_tensor; i++)
        compare_tensor(g, &g->tensor[i], w, written);
    check(nb_weights_count(w) == g->n_tensor, "%s: %zu tensors, expected %zu", family,
          nb_weights_count(w), g->n_tensor);
}

CHECK_TEST(hf_archs, folders_are_seen_as_the_converter_writes_them)
{
    for (size_t i = 0; i < countof(families); i++) {
        hf_golden g = hf_golden_read(families[i]);
        nb_weights *w = opened(hf_golden_folder(&g, families[i]));
        compare(&g, families[i], w, false);
        nb_weights_close(&w);
        hf_golden_free(&g);
    }
}

/* Type of the file that keeps what is stored. */
static const char *preset_of(const hf_golden *g)
{
    for (size_t i = 0; i < g->n_tensor; i++)
        if (strcmp(g->tensor[i].name, "blk.0.attn_output.weight") == 0)
            return g->tensor[i].type;
    return "F32";
}

/* One streaming pass through the quantizer, with one thread and with three: what is read back is
 * what was seen, in the planned size. */
CHECK_TEST(hf_archs, written_files_hold_the_same)
{
    for (size_t i = 0; i < countof(families); i++) {
        hf_golden g = hf_golden_read(families[i]);
        nb_weights *w = opened(hf_golden_folder(&g, families[i]));
        char out[2][700], *bytes[2];
        size_t n[2];
        for (int k = 0; k < 2; k++) {
            nb_err err = {.msg = ""};
            uint64_t planned = 0;
            snprintf(out[k], sizeof out[k], "%s/%s-%d.gguf", test_tmpdir(), families[i], k);
            quant_job job = {.w = w,
                             .preset = preset_of(&g),
                             .out = out[k],
                             .threads = k ? 3 : 1,
                             .force = true,
                             .file_bytes = &planned};
            check(quant_run(&job, &err) == NB_OK, "%s: %s", families[i], err.msg);
            bytes[k] = test_slurp(out[k], &n[k]);
            check(n[k] == planned, "%s: %zu bytes, planned %llu", families[i], n[k],
                  (unsigned long long)planned);
        }
        check(n[0] == n[1] && memcmp(bytes[0], bytes[1], n[0]) == 0, "%s: threads show",
              families[i]);
        nb_weights_close(&w);
        w = opened(out[0]);
        compare(&g, families[i], w, true);
        nb_weights_close(&w);
        free(bytes[0]);
        free(bytes[1]);
        hf_golden_free(&g);
    }
}
