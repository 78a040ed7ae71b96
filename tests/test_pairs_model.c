/* A model of f16 or bf16 matrices on pairs (kernels/pairs.h), whose bits are not those of the other
 * kernels: however its text was read, the logits are the same, so an answer that is written anew
 * and one that was drafted begin from the same numbers. */
#include "tests/check.h"
#include "tests/kernels.h"
#include "tests/tiny.h"
#include "tests/util.h"

#include "core/model/draft.h"
#include "core/model/session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TOKENS = 40, VOCAB = 160 };

/* Logits after TOKENS tokens in chunks of n_batch, `step` of them a call. */
static void logits_after(nb_model *model, const nk_ops *ops, int threads, uint32_t n_batch,
                         size_t step, float out[VOCAB])
{
    nb_err err = {0};
    nb_session *s = NULL;
    nk_pool *pool;
    int32_t ids[TOKENS];
    nb_session_options o = {.n_ctx = 64, .n_batch = n_batch};
    test_rng r = test_rng_make(9);
    for (size_t i = 0; i < TOKENS; i++)
        ids[i] = (int32_t)test_below(&r, VOCAB);
    check(nk_pool_open(&pool, threads, &err) == NB_OK, "%s", err.msg);
    check(nb_session_open(&s, model, ops, pool, &o, &err) == NB_OK, "%s", err.msg);
    for (size_t n = step; n < TOKENS + step; n += step)
        check(nb_session_feed(s, ids, n < TOKENS ? n : TOKENS, NULL, NULL, &err) == NB_OK, "%s",
              err.msg);
    memcpy(out, nb_session_logits(s), VOCAB * sizeof *out);
    nb_session_close(&s);
    nk_pool_close(&pool);
}

static nb_model *open_tiny(nb_weights **w, const nk_type *type)
{
    tiny t = tiny_default();
    nb_model *model = NULL;
    nb_err err = {0};
    t.type = type->id;
    t.n_ff = 256;
    t.n_vocab = VOCAB;
    const char *path = test_path(test_tmpdir(), type->name);
    tiny_write(path, &t, NULL);
    check(nb_weights_open(w, path, &err) == NB_OK, "%s", err.msg);
    check(nb_model_open(&model, *w, &err) == NB_OK, "%s", err.msg);
    return model;
}

CHECK_TEST(pairs, a_text_has_the_same_logits_however_it_was_read)
{
    static const nk_type *const types[] = {&nk_type_f16, &nk_type_bf16};
    static const struct {
        int threads;
        uint32_t n_batch;
        size_t step;
    } ways[] = {{1, 64, 1}, {3, 64, 2}, {2, 3, TOKENS}, {7, 17, TOKENS}, {2, 64, 9}};
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv);
    for (size_t i = 0; i < levels * countof(types); i++) {
        const nk_type *t = types[i % countof(types)];
        const nk_ops *ops = &lv[i / countof(types)].ops;
        if (!ops->pairs[t->id].run)
            continue;
        nb_weights *w = NULL;
        nb_model *model = open_tiny(&w, t);
        float want[VOCAB], got[VOCAB], off = 0, size = 0;
        double cost = nb_draft_column_cost(model, ops); /* pairs of a few columns are cheap */
        check((cost < 0.3) == (ops->pairs[t->id].few != NULL), "a column costs %g", cost);
        logits_after(model, ops, 2, 64, TOKENS, want);
        for (size_t k = 0; k < countof(ways); k++) {
            logits_after(model, ops, ways[k].threads, ways[k].n_batch, ways[k].step, got);
            check(memcmp(want, got, sizeof want) == 0, "%s %s: way %zu",
                  lv[i / countof(types)].name, t->name, k);
        }
        logits_after(model, &lv[0].ops, 2, 64, TOKENS, got);
        for (size_t v = 0; v < VOCAB; v++) {
            off += (got[v] - want[v]) * (got[v] - want[v]);
            size += want[v] * want[v];
        }
        float most = ops->pairs[t->id].parts == 1 ? 2e-2f : 1e-3f;
        check(sqrtf(off / size) < most, "%s: off by %g", t->name, (double)sqrtf(off / size));
        nb_model_close(&model);
        nb_weights_close(&w);
    }
}
