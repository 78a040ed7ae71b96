/* Every architecture against tests/reference: the same tiny model opened from its Hugging Face
 * folder, from an F32 GGUF that quantize wrote of it, and from a Q8_0 one; logits at every position
 * of a text three times as long as the sliding windows. */
#include "tests/arch_tiny.h"
#include "tests/check.h"
#include "tests/pack_rig.h"
#include "tests/quantize.h"
#include "tests/util.h"

#include "core/base/file.h"
#include "core/model/session.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CTX = 64 };

/* Largest difference allowed, in units of the reference's largest logit. The reference sums in
 * float64. Between Q8_0 programs the last bit of a sum can turn the rounding of an activation over,
 * and what follows is rounded anew, a change of the size that Q8_0 makes at all (golden's
 * q8_shift); the first tokens of the text come near no tie. */
static const double tolerance = 1e-3;

static double loose(const arch_golden *g)
{
    return 5e-3 + 1.5 * g->q8_shift;
}

typedef struct keeper {
    float *logits; /* [n, n_vocab] */
    size_t n_vocab;
} keeper;

static void keep(void *arg, size_t pos, const float *logits)
{
    keeper *k = arg;
    memcpy(k->logits + pos * k->n_vocab, logits, k->n_vocab * sizeof *logits);
}

/* The text through a session that evaluates n_batch tokens at a time. */
static void score(const nb_model *m, const arch_golden *g, uint32_t n_batch, float *seen)
{
    nb_session *session = NULL;
    nb_err err = {.msg = ""};
    keeper k = {seen, g->n_vocab};
    nb_session_options opt = {.n_ctx = CTX, .n_batch = n_batch, .kv_f32 = true};
    check(nb_session_open(&session, m, quant_ops(), NULL, &opt, &err) == NB_OK, "%s", err.msg);
    check(nb_session_score(session, g->token, g->n, 0, keep, &k, NULL, &err) == NB_OK, "%s",
          err.msg);
    nb_session_close(&session);
}

/* Largest difference at n positions from `pos` on from want [n, n_vocab]; *at: where, counted in
 * logits from `pos`. */
static double difference(const arch_golden *g, const float *seen, size_t pos, const float *want,
                         size_t n, size_t *at)
{
    double worst = 0;
    *at = 0;
    seen += pos * g->n_vocab;
    for (size_t i = 0; i < n * g->n_vocab; i++) {
        double d = fabs((double)seen[i] - (double)want[i]) / g->scale;
        if (!(d <= worst)) {
            worst = d;
            *at = i;
        }
    }
    return worst;
}

static void compare(const arch_golden *g, const char *what, const float *seen, size_t pos,
                    const float *want, size_t n, double allowed)
{
    size_t at;
    double worst = difference(g, seen, pos, want, n, &at);
    check(worst <= allowed,
          "%s: %.2e of the largest logit at position %zu, token %zu; allowed %.0e", what, worst,
          pos + at / g->n_vocab, at % g->n_vocab, allowed);
    if (getenv("NB_TEST_LONG"))
        printf("  %s, %zu positions: %.1e of %.0e\n", what, n, worst, allowed);
}

static void check_logits(const nb_weights *w, const char *what, const arch_golden *g, bool q8)
{
    nb_model *m = NULL;
    nb_err err = {.msg = ""};
    size_t size = g->n * g->n_vocab * sizeof(float);
    float *seen = malloc(size), *again = malloc(size);
    check(nb_model_open(&m, w, &err) == NB_OK, "%s: %s", what, err.msg);
    check(m->hp.n_vocab == g->n_vocab, "%s: %u tokens", what, m->hp.n_vocab);
    score(m, g, 128, seen);
    if (q8) {
        compare(g, what, seen, 0, g->q8, g->n_first, tolerance);
        compare(g, what, seen, g->n - g->n_last, g->q8 + g->n_first * g->n_vocab, g->n_last,
                loose(g));
    } else {
        compare(g, what, seen, 0, g->logits, g->n, tolerance);
    }
    score(m, g, 5, again);
    check(memcmp(seen, again, size) == 0, "%s: five tokens at a time give other bits", what);
    free(seen);
    free(again);
    nb_model_close(&m);
}

/* source, quantized into its own folder. */
static void check_gguf(const nb_weights *source, const char *preset, const char *rule, bool q8,
                       const arch_golden *g)
{
    char out[700];
    nb_err err = {.msg = ""};
    snprintf(out, sizeof out, "%s/%s.gguf", nb_weights_path(source), preset);
    quant_job job = {
        .w = source, .preset = preset, .rule = rule, .out = out, .force = true, .quiet = true};
    check(quant_run(&job, &err) == NB_OK, "%s: %s", preset, err.msg);
    nb_weights *w = quant_open(out);
    check_logits(w, preset, g, q8);
    nb_weights_close(&w);
}

static void open_arch(const char *name, const char *arch, arch_golden *g, nb_weights **w)
{
    nb_err err = {.msg = ""};
    const char *dir = test_path(test_tmpdir(), name);
    check(nb_arch_find(arch), "arch %s is missing", arch);
    arch_golden_open(g, name);
    arch_tiny_make(dir, name);
    check(nb_weights_open(w, dir, &err) == NB_OK, "%s", err.msg);
}

static void check_arch(const char *name, const char *arch)
{
    arch_golden g;
    nb_weights *w = NULL;
    open_arch(name, arch, &g, &w);
    check_logits(w, "folder", &g, false);
    check_gguf(w, "F32", NULL, false, &g);
    check_gguf(w, "Q8_0", NULL, true, &g);
    nb_weights_close(&w);
    arch_golden_close(&g);
}

/* A checkpoint packed as NVFP4 (tests/reference/nvfp4.py): as it lies, with its codes in a file and
 * their factors beside them, and spelled out. */
static void check_nvfp4(const char *name)
{
    arch_golden g;
    nb_weights *w = NULL;
    nb_err err = {.msg = ""};
    hf_folder f = packed_folder(name);
    arch_golden_open(&g, name);
    check(nb_weights_open(&w, f.dir, &err) == NB_OK, "%s", err.msg);
    check_logits(w, "folder", &g, true);
    check_gguf(w, "F32", "blk.*=nvfp4", true, &g);
    check_gguf(w, "F32", NULL, false, &g);
    nb_weights_close(&w);
    arch_golden_close(&g);
}

/* Where nibble goes with llama.cpp, whose files cannot say what transformers does: the same up to
 * position `from`, and not after it; once it is the same there too, the row becomes an ARCH. */
static void check_departure(const char *name, const char *arch, size_t from)
{
    arch_golden g;
    nb_weights *w = NULL;
    nb_model *m = NULL;
    nb_err err = {.msg = ""};
    size_t at;
    open_arch(name, arch, &g, &w);
    float *seen = malloc(g.n * g.n_vocab * sizeof *seen);
    check(nb_model_open(&m, w, &err) == NB_OK, "%s", err.msg);
    score(m, &g, 128, seen);
    compare(&g, "folder", seen, 0, g.logits, from, tolerance);
    const float *rest = g.logits + from * g.n_vocab;
    check(difference(&g, seen, from, rest, g.n - from, &at) > tolerance,
          "%s is right at every position now: make it an ARCH row", name);
    free(seen);
    nb_model_close(&m);
    nb_weights_close(&w);
    arch_golden_close(&g);
}

/* Name of the model, its architecture in GGUF. */
#define ARCH(name, arch)          ROW(name, check_arch(#name, arch))
#define DEPARTS(name, arch, from) ROW(name, check_departure(#name, arch, from))
#define ROW(name, run)                                                                             \
    CHECK_TEST(arch_logits, name)                                                                  \
    {                                                                                              \
        run;                                                                                       \
    }
ARCH(llama2, "llama")
ARCH(llama3, "llama")
ARCH(llama_linear, "llama")
ARCH(llama_yarn, "llama")
ARCH(llama_bias, "llama")
ARCH(llama_v5, "llama")
ARCH(mistral, "llama")
ARCH(mistral_nemo, "llama")
ARCH(mixtral, "llama")
ARCH(smollm3, "smollm3")
ARCH(granite, "granite")
ARCH(qwen2, "qwen2")
ARCH(qwen2_yarn, "qwen2")
ARCH(qwen2_moe, "qwen2moe")
ARCH(qwen3, "qwen3")
ARCH(qwen3_moe, "qwen3moe")
ARCH(gemma, "gemma")
ARCH(gemma2, "gemma2")
ARCH(gemma3, "gemma3")
ARCH(gemma3_linear, "gemma3")
ARCH(gemma3_vision, "gemma3")
ARCH(phi3, "phi3")
ARCH(phi3_window, "phi3")
ARCH(phi3_long, "phi3")
ARCH(phi4_mini, "phi3")
ARCH(olmo2, "olmo2")
ARCH(gpt2, "gpt2")
ARCH(stablelm, "stablelm")
ARCH(stablelm_12b, "stablelm")
ARCH(starcoder2, "starcoder2")
ARCH(starcoder2_window, "starcoder2")
ARCH(falcon, "falcon")
ARCH(falcon_40b, "falcon")
ARCH(cohere, "command-r")
ARCH(cohere_plus, "command-r")
ARCH(gpt_oss, "gpt-oss")
DEPARTS(gpt_oss_ramp, "gpt-oss", 1) /* yarn's ramp ends rounded */
ARCH(bitnet, "bitnet-b1.58")
ARCH(bitnet_b158, "bitnet")
ROW(nvfp4_llama, check_nvfp4("nvfp4_llama"))
ROW(nvfp4_moe, check_nvfp4("nvfp4_moe"))
