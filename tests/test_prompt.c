/* How a prompt is read: in passes of as many tokens as suit the model, each of which tells how far
 * it is. */
#include "tests/check.h"
#include "tests/tiny.h"
#include "tests/util.h"

#include "core/model/session.h"
#include "kernels/cpu.h"

#include <string.h>

/* The larger a layer, the fewer tokens a pass takes where nobody says how many; a layer that caches
 * keep has nothing from more. */
CHECK_TEST(prompt, a_pass_takes_as_many_tokens_as_suit_the_model)
{
    static const struct {
        uint32_t n_embd, n_head, n_head_kv, head_dim, n_ff, n_batch;
    } row[] = {
        {256, 4, 2, 64, 768, 128},      /* the demo */
        {1024, 16, 8, 128, 3072, 512},  /* Qwen3 0.6B */
        {2048, 32, 4, 64, 5632, 512},   /* TinyLlama 1.1B */
        {2048, 32, 8, 64, 8192, 384},   /* Llama 3.2 1B */
        {3072, 24, 8, 128, 8192, 192},  /* Llama 3.2 3B */
        {4096, 32, 8, 128, 14336, 128}, /* Llama 3.1 8B */
        {8192, 64, 8, 128, 28672, 128}, /* Llama 3.1 70B */
    };
    for (size_t i = 0; i < countof(row); i++) {
        nb_hparams hp = {.n_layer = 2,
                         .n_ctx_train = 4096,
                         .n_vocab = 32000,
                         .n_embd = row[i].n_embd,
                         .n_head = row[i].n_head,
                         .n_head_kv = row[i].n_head_kv,
                         .head_dim = row[i].head_dim,
                         .n_ff = row[i].n_ff};
        uint64_t kv, usual, told;
        nb_session_plan(&hp, NULL, &kv, &usual);
        nb_session_plan(&hp, &(nb_session_options){.n_batch = row[i].n_batch}, &kv, &told);
        check(usual == told, "n_embd %u: %llu bytes of scratch, not %llu", hp.n_embd,
              (unsigned long long)usual, (unsigned long long)told);
    }
}

enum { TOKENS = 60 };

typedef struct told {
    uint64_t done[64];
    size_t n;
} told;

static void tell(void *ud, const nb_progress *p)
{
    told *t = ud;
    check(t->n < countof(t->done) && p->total == TOKENS && strcmp(p->what, "prompt") == 0, "%s: %d",
          p->what, (int)p->total);
    t->done[t->n++] = p->done;
}

/* A long pass is no silence: each layer says how far the prompt is. Of a pass whose last layer
 * gives nothing but keys and values its end speaks instead. An answer's tokens say nothing. */
CHECK_TEST(prompt, every_layer_tells_how_far_it_is)
{
    static const uint64_t want[] = {8, 16, 24, 32, 40, 48, 54, TOKENS, TOKENS};
    const char *path = test_path(test_tmpdir(), "tiny");
    tiny shape = tiny_default();
    int32_t ids[TOKENS];
    nb_err err = {0};
    nb_weights *w = NULL;
    nb_model *model = NULL;
    nb_session *s = NULL;
    nb_sampler *sampler = NULL;
    nb_choice c;
    nb_sampling greedy = nb_sampling_greedy();
    told t = {0};
    nk_ops ops;
    nk_ops_init(&ops, nk_cpu_detect());
    tiny_write(path, &shape, NULL);
    check(nb_weights_open(&w, path, &err) == NB_OK && nb_model_open(&model, w, &err) == NB_OK, "%s",
          err.msg);
    check(model->hp.n_layer == 2, "%u layers", model->hp.n_layer);
    test_rng r = test_rng_make(12);
    for (int i = 0; i < TOKENS; i++)
        ids[i] = (int32_t)test_below(&r, model->hp.n_vocab);
    const nb_session_options opt = {.n_ctx = 64, .n_batch = 16};
    check(nb_session_open(&s, model, &ops, NULL, &opt, &err) == NB_OK, "%s", err.msg);
    const nb_hooks hooks = {.progress = tell, .ud = &t};
    check(nb_session_feed(s, ids, TOKENS, NULL, &hooks, &err) == NB_OK, "%s", err.msg);
    check(t.n == countof(want) && memcmp(t.done, want, sizeof want) == 0, "%zu other reports", t.n);
    check(nb_sampler_open(&sampler, &greedy, model->hp.n_vocab, &err) == NB_OK, "%s", err.msg);
    check(nb_session_next(s, sampler, &c, &hooks, &err) == NB_OK && t.n == countof(want),
          "an answer's token reported");
    nb_sampler_close(&sampler);
    nb_session_close(&s);
    nb_model_close(&model);
    nb_weights_close(&w);
}
