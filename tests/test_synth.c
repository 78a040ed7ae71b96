/* Models of named shapes: written to the predicted byte, seeded, readable, with a vocabulary that
 * spells every byte. */
#include "tests/check.h"
#include "tests/quantize.h"
#include "tests/util.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/model/session.h"
#include "core/model/tok.h"

static uint64_t write_shape(const nb_shape *shape, const char *preset, uint64_t seed,
                            const char *path, int threads)
{
    nb_recipe r;
    nb_err err = {0};
    uint64_t bytes = 0;
    nk_pool *pool = NULL;
    nb_recipe_init(&r, nb_preset_find(preset));
    if (threads)
        check(nk_pool_open(&pool, threads, &err) == NB_OK, "%s", err.msg);
    nb_status st =
        nb_synth_write(shape, &r, seed, path, true, quant_ops(), pool, &bytes, NULL, &err);
    nk_pool_close(&pool);
    check(st == NB_OK, "%s", err.msg);
    return bytes;
}

static const nb_shape small = {.name = "small",
                               .arch = "llama",
                               .n_layer = 2,
                               .n_embd = 128,
                               .n_head = 2,
                               .n_head_kv = 1,
                               .head_dim = 64,
                               .n_ff = 320,
                               .n_vocab = 1500,
                               .n_ctx = 256,
                               .rope_base = 1e4f,
                               .rms_eps = 1e-5f,
                               .tied = true};

CHECK_TEST(synth, the_same_seed_writes_the_same_file)
{
    char hash[4][65];
    static const struct {
        uint64_t seed;
        int threads;
    } row[] = {{1, 0}, {1, 3}, {2, 0}, {1, 1}};
    for (size_t i = 0; i < countof(row); i++) {
        const char *path = test_path(test_tmpdir(), "seed.gguf");
        uint64_t bytes = write_shape(&small, "Q4_0", row[i].seed, path, row[i].threads);
        size_t n;
        char *text = test_slurp(path, &n);
        check(n == bytes, "%zu bytes, predicted %llu", n, (unsigned long long)bytes);
        test_sha256(text, n, hash[i]);
        free(text);
    }
    check(strcmp(hash[0], hash[1]) == 0 && strcmp(hash[0], hash[3]) == 0, "threads changed bytes");
    check(strcmp(hash[0], hash[2]) != 0, "another seed wrote the same model");
}

CHECK_TEST(synth, weights_are_bell_shaped_and_norms_lie_at_one)
{
    const char *path = test_path(test_tmpdir(), "bell.gguf");
    write_shape(&small, "F32", 5, path, 0);
    nb_weights *w = quant_open(path);
    for (size_t i = 0; i < nb_weights_count(w); i++) {
        const nb_tensor *t = &nb_weights_at(w, i)->t;
        const float *v = (const float *)(const void *)t->bytes;
        double n = (double)nb_tensor_count(t), sum = 0, sum2 = 0;
        bool norm = strstr(t->name, "_norm.") != NULL;
        for (uint64_t k = 0; k < nb_tensor_count(t); k++) {
            double x = v[k] - (norm ? 1 : 0);
            sum += x, sum2 += x * x;
        }
        check(fabs(sum / n) < 5 * 0.02 / sqrt(n), "%s: mean %g", t->name, sum / n);
        check(fabs(sqrt(sum2 / n) - 0.02) < 0.004, "%s: sigma %g", t->name, sqrt(sum2 / n));
    }
    nb_weights_close(&w);
}

CHECK_TEST(synth, every_named_shape_plans_for_every_preset)
{
    size_t n, n_presets;
    const nb_shape *s = nb_shapes(&n);
    nb_presets(&n_presets);
    check(n >= 5 && nb_shape_find("LLAMA-1.1B") && !nb_shape_find("nope"), "lookup");
    for (size_t i = 0; i < n; i++) {
        check(s[i].n_head % s[i].n_head_kv == 0 && s[i].n_vocab >= 259, "%s", s[i].name);
        check(nb_shape_find(s[i].name) == &s[i], "%s is not unique", s[i].name);
    }
    static const struct {
        const char *name;
        uint64_t params; /* as their cards say */
    } known[] = {{"llama-3.1-8b", 8030261248},
                 {"qwen3-30b-a3b", 30532122624},
                 {"mixtral-8x7b", 46702792704},
                 {"gemma-2-2b", 2614341888},
                 {"qwen2.5-7b", 7615616512}};
    for (size_t i = 0; i < countof(known); i++)
        check(nb_shape_params(nb_shape_find(known[i].name)) == known[i].params, "%s: %llu",
              known[i].name, (unsigned long long)nb_shape_params(nb_shape_find(known[i].name)));
    write_shape(nb_shape_find("demo"), "Q8_0", 1, test_path(test_tmpdir(), "demo.gguf"), 2);
    nb_weights *w = quant_open(test_path(test_tmpdir(), "demo.gguf"));
    nb_weights *real = quant_open(test_data("nibble-demo"));
    check(nb_weights_count(w) == nb_weights_count(real), "%zu tensors", nb_weights_count(w));
    for (size_t i = 0; i < nb_weights_count(real); i++) {
        const nb_tensor *a = &nb_weights_at(real, i)->t;
        const nb_view *b = nb_weights_find(w, a->name);
        check(b && memcmp(a->shape, b->t.shape, sizeof a->shape) == 0, "%s", a->name);
    }
    nb_weights_close(&real);
    nb_weights_close(&w);
}

CHECK_TEST(synth, every_architecture_is_written_and_runs)
{
    static const struct {
        const char *arch, *has;
        uint32_t n_expert;
    } row[] = {
        {"qwen3", "blk.1.attn_q_norm.weight", 0},     {"llama", "blk.1.ffn_down_exps.weight", 4},
        {"qwen3moe", "blk.1.ffn_gate_inp.weight", 4}, {"gemma2", "blk.0.post_ffw_norm.weight", 0},
        {"gpt2", "position_embd.weight", 0},          {"falcon", "blk.0.attn_norm.bias", 0},
        {"gpt-oss", "blk.0.attn_sinks.weight", 4}};
    static const int32_t ids[] = {1, 300, 301};
    for (size_t i = 0; i < countof(row); i++) {
        nb_shape q = small;
        nb_model *m = NULL;
        nb_session *s = NULL;
        nb_err err = {0};
        q.arch = row[i].arch;
        q.n_expert = row[i].n_expert;
        q.n_expert_used = row[i].n_expert / 2;
        q.n_expert_ff = row[i].n_expert ? 96 : 0;
        const char *path = test_path(test_tmpdir(), "any.gguf");
        write_shape(&q, "Q4_K_M", 1, path, 0);
        nb_weights *w = quant_open(path);
        check(nb_weights_find(w, row[i].has), "%s without %s", q.arch, row[i].has);
        check(nb_model_open(&m, w, &err) == NB_OK, "%s: %s", q.arch, err.msg);
        check(nb_session_open(&s, m, quant_ops(), NULL, NULL, &err) == NB_OK, "%s", err.msg);
        check(nb_session_feed(s, ids, countof(ids), NULL, NULL, &err) == NB_OK, "%s: %s", q.arch,
              err.msg);
        nb_session_close(&s);
        nb_model_close(&m);
        nb_weights_close(&w);
    }
}

CHECK_TEST(synth, its_vocabulary_spells_any_text)
{
    static const char *const text[] = {"hello world", "\xff\xfe\x80 bytes", "a\tb\nc",
                                       "\xe5\x85\xac\xe5\x9c\x92", "The quick brown fox."};
    const char *path = test_path(test_tmpdir(), "vocab.gguf");
    write_shape(&small, "F16", 1, path, 0);
    nb_weights *w = quant_open(path);
    nb_tok *tok = NULL;
    nb_err err = {0};
    check(nb_tok_open(&tok, nb_weights_kvs(w), &err) == NB_OK, "%s", err.msg);
    check(nb_tok_count(tok) == small.n_vocab, "%u tokens", nb_tok_count(tok));
    for (size_t i = 0; i < countof(text); i++) {
        int32_t ids[256];
        char *back;
        size_t len, n = nb_tok_encode(tok, text[i], strlen(text[i]), 0, ids, countof(ids));
        check(n > 0 && n <= countof(ids), "%zu tokens", n);
        check(nb_tok_decode(tok, ids, n, true, false, &back, &len, &err) == NB_OK, "%s", err.msg);
        check(len == strlen(text[i]) && memcmp(back, text[i], len) == 0, "text %zu came back as %s",
              i, back);
        free(back);
        for (size_t k = 0; k < n; k++)
            check(ids[k] != 0, "text %zu holds an unknown token", i);
    }
    int32_t ids[64];
    size_t n = nb_tok_encode(tok, "the the the", 11, 0, ids, 64);
    check(n < 11, "words are spelt letter by letter: %zu tokens", n);
    nb_tok_close(&tok);
    nb_weights_close(&w);
}

CHECK_TEST(synth, nonsense_shapes_are_refused)
{
    nb_shape bad[3] = {small, small, small};
    bad[0].n_vocab = 258;
    bad[1].n_head_kv = 0;
    bad[2].n_layer = 0;
    const char *path = test_path(test_tmpdir(), "bad.gguf");
    for (size_t i = 0; i < countof(bad); i++) {
        nb_recipe r;
        uint64_t bytes;
        nb_recipe_init(&r, nb_preset_find("F16"));
        check(nb_synth_write(&bad[i], &r, 1, path, true, quant_ops(), NULL, &bytes, NULL, NULL) ==
                  NB_USAGE,
              "shape %zu", i);
        check(!nb_exists(path), "a file was left");
    }
}
