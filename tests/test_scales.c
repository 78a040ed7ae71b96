/* Linears that come with a factor of their own, "X.scale": a whole tensor's of NVFP4, BitNet's. In
 * every architecture it is as if the weights had been multiplied. */
#include "tests/arch_rows.h"
#include "tests/check.h"
#include "tests/util.h"

#include "core/model/session.h"
#include "kernels/cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_IDS = 20, N_VOCAB = 300 };

static bool is_linear(const char *name)
{
    char have[NB_MAX_NAME + 1];
    uint32_t layer = strncmp(name, "blk.", 4) == 0 ? (uint32_t)atoi(name + 4) : 0;
    for (int slot = 0; slot < NB_SLOT_COUNT; slot++) {
        nb_slot_name((nb_slot)slot, layer, have);
        if (strcmp(have, name) == 0)
            return nb_slot_is_linear((nb_slot)slot);
    }
    return false;
}

/* What the factor of each linear says, done to its weights. */
static bool multiply(void *arg, nb_tensor *t, float *values)
{
    uint64_t each = t->shape[0] * t->shape[1];
    (void)arg;
    if (!is_linear(t->name))
        return true;
    for (uint64_t i = 0; i < nb_tensor_count(t); i++)
        values[i] *= tiny_scale(t->name, i / each);
    return true;
}

static void logits_of(const char *path, float out[N_VOCAB])
{
    nb_weights *w = NULL;
    nb_model *m = NULL;
    nb_session *s = NULL;
    nk_pool *pool = NULL;
    nk_ops ops;
    nb_err err = {0};
    int32_t ids[N_IDS];
    nb_session_options opt = {.n_ctx = 32, .n_batch = 8};
    for (int i = 0; i < N_IDS; i++)
        ids[i] = i * 37 % N_VOCAB;
    nk_ops_init(&ops, nk_cpu_detect());
    check(nk_pool_open(&pool, 2, &err) == NB_OK, "%s", err.msg);
    check(nb_weights_open(&w, path, &err) == NB_OK, "%s", err.msg);
    check(nb_model_open(&m, w, &err) == NB_OK, "%s", err.msg);
    check(nb_session_open(&s, m, &ops, pool, &opt, &err) == NB_OK, "%s", err.msg);
    check(nb_session_feed(s, ids, N_IDS, NULL, NULL, &err) == NB_OK, "%s", err.msg);
    memcpy(out, nb_session_logits(s), N_VOCAB * sizeof *out);
    nb_session_close(&s);
    nb_model_close(&m);
    nb_weights_close(&w);
    nk_pool_close(&pool);
}

/* The factors are powers of two, so that not a bit may differ. */
CHECK_TEST(scales, every_architecture_multiplies_each_linear_by_its_factor)
{
    static const nk_type_id types[] = {NK_F32, NK_Q8_0};
    const tiny_hooks fold = {.tensor = multiply};
    const arch_row *rows;
    size_t n = arch_rows(&rows);
    const char *path = test_path(test_tmpdir(), "scales.gguf");
    for (size_t i = 0; i < 2 * n; i++) {
        static float plain[N_VOCAB], folded[N_VOCAB], scaled[N_VOCAB];
        tiny t = rows[i / 2].model;
        t.type = types[i % 2];
        t.n_layer = t.n_layer > 8 ? 8 : t.n_layer;
        t.scales = false;
        tiny_write(path, &t, NULL);
        logits_of(path, plain);
        tiny_write(path, &t, &fold);
        logits_of(path, folded);
        t.scales = true;
        tiny_write(path, &t, NULL);
        logits_of(path, scaled);
        check(memcmp(plain, folded, sizeof plain) != 0, "%s: factors without effect",
              rows[i / 2].label);
        check(memcmp(folded, scaled, sizeof folded) == 0, "%s as %s: %g, with factors apart %g",
              rows[i / 2].label, nk_type_get(t.type)->name, (double)folded[0], (double)scaled[0]);
    }
}

typedef struct beside {
    const char *from, *to; /* a tensor's other name */
    uint64_t cols;         /* 0: as it is */
    nk_type_id type;
} beside;

static bool rename_one(void *arg, nb_tensor *t, float *values)
{
    const beside *b = arg;
    (void)values;
    if (strcmp(t->name, b->from) != 0)
        return true;
    t->name = b->to;
    t->type = b->type;
    t->shape[0] = b->cols ? b->cols : t->shape[0];
    return true;
}

static nb_status open_with(const tiny *t, const beside *b, nb_err *err)
{
    nb_weights *w = NULL;
    nb_model *m = NULL;
    beside copy = *b;
    const tiny_hooks hooks = {.tensor = rename_one, .arg = &copy};
    const char *path = test_path(test_tmpdir(), "beside.gguf");
    *err = (nb_err){0};
    tiny_write(path, t, &hooks);
    check(nb_weights_open(&w, path, err) == NB_OK, "%s", err->msg);
    nb_status st = nb_model_open(&m, w, err);
    nb_model_close(&m);
    nb_weights_close(&w);
    return st;
}

static void experts(nb_kvs *k)
{
    nb_kvs_put_u32(k, "llama.expert_count", 4, NULL);
    nb_kvs_put_u32(k, "llama.expert_used_count", 2, NULL);
}

CHECK_TEST(scales, what_is_no_factor_of_a_linear_is_refused_by_name)
{
    static const char scale[] = "blk.0.ffn_up.scale", exps[] = "blk.1.ffn_up_exps.scale";
    static const struct {
        beside b;
        bool moe;
        nb_status st;
    } row[] = {
        {{scale, "blk.0.ffn_up.input_scale", 0, NK_F32}, false, NB_OK},
        {{scale, "output.input_scale", 0, NK_F32}, false, NB_OK},
        {{exps, "blk.1.ffn_up_exps.input_scale", 0, NK_F32}, true, NB_OK},
        {{scale, "blk.0.ffn_up.scale", 0, NK_F16}, false, NB_FORMAT},
        {{exps, "blk.1.ffn_up_exps.scale", 3, NK_F32}, true, NB_FORMAT},
        {{scale, "blk.0.ffn_up_exps.scale", 0, NK_F32}, false, NB_UNSUPPORTED},
        {{scale, "blk.0.ffn_norm.scale", 0, NK_F32}, false, NB_UNSUPPORTED},
        {{scale, "blk.0.attn_qkv.scale", 0, NK_F32}, false, NB_UNSUPPORTED},
        {{scale, "token_embd.scale", 0, NK_F32}, false, NB_UNSUPPORTED},
        {{scale, "blk.2.ffn_up.scale", 0, NK_F32}, false, NB_UNSUPPORTED},
    };
    tiny t = tiny_default();
    t.n_embd = t.n_ff = 64;
    t.scales = true;
    for (size_t i = 0; i < countof(row); i++) {
        nb_err err;
        t.keys = row[i].moe ? experts : NULL;
        nb_status st = open_with(&t, &row[i].b, &err);
        check(st == row[i].st && (st == NB_OK || strstr(err.msg, row[i].b.to)), "%s: %d %s",
              row[i].b.to, st, err.msg);
    }
}
