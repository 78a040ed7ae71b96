/* Adapters: a model with one is the model whose matrices it was merged into. */
#include "tests/arch_rows.h"
#include "tests/check.h"
#include "tests/run_child.h"
#include "tests/util.h"

#include "core/files/gguf.h"
#include "core/model/lora.h"
#include "core/model/session_file.h"
#include "kernels/cpu.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RANK = 4, N_IDS = 24, N_VOCAB = 300, MAX_PAIRS = 64 };
static const float alpha = 6, scale = 0.5f;

/* --- writing one -------------------------------------------------------------------------------
 */

/* A of a tensor, then its B: both follow from its name alone. */
static float *part(const char *name, bool b, size_t n)
{
    uint64_t seed = b ? 7 : 3;
    for (const char *c = name; *c; c++)
        seed = seed * 31 + (uint8_t)*c;
    test_rng rng = test_rng_make(seed);
    float *v = malloc(n * sizeof *v);
    for (size_t i = 0; i < n; i++)
        v[i] = 0.15f * test_normal(&rng);
    return v;
}

static bool is_adapted(const nb_tensor *t)
{
    return t->n_dims == 2 && !strstr(t->name, "_embd") && !strstr(t->name, "norm") &&
           !strstr(t->name, "gate_inp");
}

typedef struct file {
    nb_tensor t[2 * MAX_PAIRS];
    char name[2 * MAX_PAIRS][NB_MAX_NAME + 16];
    float *values[2 * MAX_PAIRS];
    size_t n;
} file;

static void add(file *f, const char *base, bool b, uint64_t cols, uint64_t rows)
{
    check(f->n < countof(f->t), "too many tensors");
    snprintf(f->name[f->n], sizeof f->name[0], "%s.lora_%c", base, b ? 'b' : 'a');
    f->values[f->n] = part(base, b, cols * rows);
    f->t[f->n] = (nb_tensor){.name = f->name[f->n],
                             .type = NK_F32,
                             .n_dims = 2,
                             .shape = {cols, rows, 1, 1},
                             .nbytes = cols * rows * sizeof(float)};
    f->n++;
}

/* Pairs for every matrix of the model at `model`. spoil, if not NULL, changes keys and tensors. */
static void write_adapter(const char *path, const char *model, const char *arch,
                          void (*spoil)(nb_kvs *kvs, file *f))
{
    nb_weights *w = NULL;
    nb_kvs *kvs = NULL;
    nb_str head = {0};
    nb_err err = {0};
    uint64_t len;
    file *f = calloc(1, sizeof *f);
    check(nb_weights_open(&w, model, &err) == NB_OK, "%s", err.msg);
    for (size_t i = 0; i < nb_weights_count(w); i++) {
        const nb_tensor *t = &nb_weights_at(w, i)->t;
        if (is_adapted(t)) {
            add(f, t->name, false, t->shape[0], RANK);
            add(f, t->name, true, RANK, t->shape[1]);
        }
    }
    check(nb_kvs_open(&kvs, &err) == NB_OK, "memory");
    nb_kvs_put_str(kvs, "general.architecture", arch, strlen(arch), NULL);
    nb_kvs_put_str(kvs, "general.type", "adapter", 7, NULL);
    nb_kvs_put_str(kvs, "adapter.type", "lora", 4, NULL);
    nb_kvs_put_f32(kvs, "adapter.lora.alpha", alpha, NULL);
    if (spoil)
        spoil(kvs, f);
    check(nb_gguf_layout(&head, kvs, f->t, f->n, 32, &len, &err) == NB_OK, "%s", err.msg);
    uint8_t *bytes = calloc(1, len);
    memcpy(bytes, head.at, head.len);
    for (size_t i = 0; i < f->n; i++)
        memcpy(bytes + f->t[i].offset, f->values[i], f->t[i].nbytes);
    test_spit(path, bytes, len);
    for (size_t i = 0; i < countof(f->values); i++)
        free(f->values[i]);
    free(bytes);
    free(f);
    nb_str_free(&head);
    nb_kvs_close(&kvs);
    nb_weights_close(&w);
}

/* W + scale alpha / rank B A */
static bool merge(void *arg, nb_tensor *t, float *values)
{
    (void)arg;
    if (!is_adapted(t))
        return true;
    float *a = part(t->name, false, t->shape[0] * RANK),
          *b = part(t->name, true, RANK * t->shape[1]);
    for (uint64_t r = 0; r < t->shape[1]; r++)
        for (uint64_t c = 0; c < t->shape[0]; c++) {
            double sum = 0;
            for (int k = 0; k < RANK; k++)
                sum += (double)b[r * RANK + (uint64_t)k] * (double)a[(uint64_t)k * t->shape[0] + c];
            values[r * t->shape[0] + c] += scale * alpha / RANK * (float)sum;
        }
    free(a);
    free(b);
    return true;
}

/* --- running -----------------------------------------------------------------------------------
 */

typedef struct rig {
    nb_weights *weights, *adapter;
    nb_model *model;
    nb_lora *lora;
    nk_ops ops;
    nk_pool *pool;
} rig;

static const arch_row *row_named(const char *label)
{
    const arch_row *rows;
    size_t n = arch_rows(&rows);
    for (size_t i = 0; i < n; i++)
        if (strcmp(rows[i].label, label) == 0)
            return &rows[i];
    check(false, "%s", label);
}

static void rig_open(rig *r, const char *model, const char *adapter)
{
    nb_err err = {0};
    *r = (rig){0};
    check(nb_weights_open(&r->weights, model, &err) == NB_OK, "%s", err.msg);
    check(nb_model_open(&r->model, r->weights, &err) == NB_OK, "%s", err.msg);
    check(nk_pool_open(&r->pool, 2, &err) == NB_OK, "%s", err.msg);
    nk_ops_init(&r->ops, nk_cpu_detect());
    if (!adapter)
        return;
    check(nb_weights_open(&r->adapter, adapter, &err) == NB_OK, "%s", err.msg);
    check(nb_lora_open(&r->lora, r->model, r->adapter, &err) == NB_OK, "%s", err.msg);
}

static void rig_close(rig *r)
{
    nk_pool_close(&r->pool);
    nb_lora_close(&r->lora);
    nb_model_close(&r->model);
    nb_weights_close(&r->adapter);
    nb_weights_close(&r->weights);
}

static nb_session *session(rig *r, uint32_t n_batch)
{
    nb_session *s = NULL;
    nb_err err = {0};
    nb_session_options opt = {.n_ctx = 64, .n_batch = n_batch, .kv_f32 = true};
    check(nb_session_open(&s, r->model, &r->ops, r->pool, &opt, &err) == NB_OK, "%s", err.msg);
    return s;
}

static void logits_of(nb_session *s, size_t step, float out[N_VOCAB])
{
    int32_t ids[N_IDS];
    nb_err err = {0};
    test_rng rng = test_rng_make(5);
    for (size_t i = 0; i < N_IDS; i++)
        ids[i] = (int32_t)test_below(&rng, N_VOCAB);
    for (size_t n = step; n < N_IDS + step; n += step)
        check(nb_session_feed(s, ids, n < N_IDS ? n : N_IDS, NULL, NULL, &err) == NB_OK, "%s",
              err.msg);
    memcpy(out, nb_session_logits(s), N_VOCAB * sizeof *out);
}

static double distance(const float *a, const float *b)
{
    double most = 0, off = 0;
    for (size_t i = 0; i < N_VOCAB; i++) {
        most = fmax(most, fabs((double)a[i]));
        off = fmax(off, fabs((double)a[i] - (double)b[i]));
    }
    return off / most;
}

CHECK_TEST(lora, an_adapter_is_as_good_as_merged)
{
    static const char *const labels[] = {"llama", "phi3", "gpt2", "gemma2", "qwen2moe", "bitnet"};
    static float plain[N_VOCAB], want[N_VOCAB], have[N_VOCAB], again[N_VOCAB];
    const char *model = test_path(test_tmpdir(), "base.gguf"),
               *merged = test_path(test_tmpdir(), "merged.gguf"),
               *adapter = test_path(test_tmpdir(), "adapter.gguf");
    for (size_t i = 0; i < countof(labels); i++) {
        const arch_row *row = row_named(labels[i]);
        tiny_hooks hooks = {.tensor = merge};
        nb_err err = {0};
        rig r, m;
        tiny_write(model, &row->model, NULL);
        tiny_write(merged, &row->model, &hooks);
        write_adapter(adapter, model, row->model.arch, NULL);
        rig_open(&r, model, adapter);
        rig_open(&m, merged, NULL);
        nb_session *s = session(&r, 0), *t = session(&m, 0), *u = session(&r, 5);
        logits_of(s, N_IDS, plain);
        logits_of(t, N_IDS, want);
        check(nb_session_add_lora(s, r.lora, scale, &err) == NB_OK, "%s", err.msg);
        check(nb_session_add_lora(u, r.lora, scale, &err) == NB_OK, "%s", err.msg);
        check(!nb_session_logits(s), "logits of the model without");
        logits_of(s, N_IDS, have);
        check(distance(want, plain) > 0.02, "%s: the adapter does nothing", labels[i]);
        check(distance(want, have) < 2e-5, "%s: %g", labels[i], distance(want, have));
        logits_of(u, 7, again);
        check(memcmp(have, again, sizeof have) == 0, "%s: another split", labels[i]);
        nb_session_close(&s);
        nb_session_close(&t);
        nb_session_close(&u);
        rig_close(&r);
        rig_close(&m);
    }
}

CHECK_TEST(lora, two_halves_are_one_and_a_saved_session_knows_them)
{
    static float want[N_VOCAB], have[N_VOCAB];
    const arch_row *row = row_named("llama");
    const char *model = test_path(test_tmpdir(), "halves.gguf"),
               *adapter = test_path(test_tmpdir(), "half.gguf"),
               *saved = test_path(test_tmpdir(), "half.session");
    nb_err err = {0};
    rig r;
    tiny_write(model, &row->model, NULL);
    write_adapter(adapter, model, "llama", NULL);
    rig_open(&r, model, adapter);
    nb_session *one = session(&r, 0), *two = session(&r, 0);
    check(nb_session_add_lora(one, r.lora, scale, &err) == NB_OK, "%s", err.msg);
    logits_of(one, N_IDS, want);
    for (int i = 0; i < 2; i++)
        check(nb_session_add_lora(two, r.lora, scale / 2, &err) == NB_OK, "%s", err.msg);
    logits_of(two, N_IDS, have);
    check(distance(want, have) < 1e-5, "%g", distance(want, have));
    check(nb_session_save(two, saved, NULL, &err) == NB_OK, "%s", err.msg);
    check(nb_session_restore(two, saved, NULL, &err) == NB_OK, "%s", err.msg);
    check(nb_session_restore(one, saved, NULL, &err) == NB_REFUSED, "taken for its own");
    check(strstr(err.msg, "adapters"), "%s", err.msg);
    for (int i = 2; i < NB_MAX_LORA; i++)
        check(nb_session_add_lora(two, r.lora, 0, &err) == NB_OK, "%s", err.msg);
    check(nb_session_add_lora(two, r.lora, 1, &err) == NB_REFUSED, "a fifth");
    nb_session_close(&one);
    nb_session_close(&two);
    rig other;
    rig_open(&other, model, NULL);
    nb_session *s = session(&other, 0);
    check(nb_session_add_lora(s, r.lora, 1, &err) == NB_USAGE, "another model's");
    nb_session_close(&s);
    rig_close(&other);
    rig_close(&r);
}

/* --- what is none ------------------------------------------------------------------------------
 */

static void no_type(nb_kvs *kvs, file *f)
{
    (void)f;
    nb_kvs_drop(kvs, "adapter.type");
}
static void other_arch(nb_kvs *kvs, file *f)
{
    (void)f;
    nb_kvs_put_str(kvs, "general.architecture", "gemma", 5, NULL);
}
static void nan_alpha(nb_kvs *kvs, file *f)
{
    (void)f;
    nb_kvs_put_f32(kvs, "adapter.lora.alpha", NAN, NULL);
}
static void no_b(nb_kvs *kvs, file *f)
{
    (void)kvs;
    f->n--;
}
static void stray(nb_kvs *kvs, file *f)
{
    (void)kvs;
    snprintf(f->name[0], sizeof f->name[0], "blk.0.attn_q.weight");
}
static void unknown_base(nb_kvs *kvs, file *f)
{
    (void)kvs;
    snprintf(f->name[0], sizeof f->name[0], "blk.7.attn_q.weight.lora_a");
    snprintf(f->name[1], sizeof f->name[1], "blk.7.attn_q.weight.lora_b");
}
static void of_embedding(nb_kvs *kvs, file *f)
{
    (void)kvs;
    snprintf(f->name[0], sizeof f->name[0], "token_embd.weight.lora_a");
    snprintf(f->name[1], sizeof f->name[1], "token_embd.weight.lora_b");
}
static void narrow_a(nb_kvs *kvs, file *f)
{
    (void)kvs;
    f->t[0].shape[0] -= 1;
    f->t[0].nbytes = f->t[0].shape[0] * RANK * sizeof(float);
}
static void ranks_differ(nb_kvs *kvs, file *f)
{
    (void)kvs;
    f->t[0].shape[1] -= 1;
    f->t[0].nbytes = f->t[0].shape[0] * (RANK - 1) * sizeof(float);
}
static void nothing(nb_kvs *kvs, file *f)
{
    (void)kvs;
    f->n = 0;
}

CHECK_TEST(lora, what_is_no_adapter_of_the_model_is_refused_by_name)
{
    static const struct {
        void (*spoil)(nb_kvs *kvs, file *f);
        nb_status status;
        const char *says;
    } bad[] = {
        {no_type, NB_FORMAT, "adapter.type"},
        {other_arch, NB_FORMAT, "gemma"},
        {nan_alpha, NB_FORMAT, "adapter.lora.alpha"},
        {no_b, NB_FORMAT, "is missing"},
        {stray, NB_UNSUPPORTED, "blk.0.attn_q.weight"},
        {unknown_base, NB_UNSUPPORTED, "blk.7.attn_q.weight"},
        {of_embedding, NB_UNSUPPORTED, "token_embd.weight"},
        {narrow_a, NB_FORMAT, "does not fit"},
        {ranks_differ, NB_FORMAT, "does not fit"},
        {nothing, NB_FORMAT, "adapter"},
    };
    const char *model = test_path(test_tmpdir(), "sound.gguf"),
               *adapter = test_path(test_tmpdir(), "bad.gguf");
    rig r;
    tiny_write(model, &row_named("llama")->model, NULL);
    rig_open(&r, model, NULL);
    for (size_t i = 0; i < countof(bad); i++) {
        nb_weights *w = NULL;
        nb_lora *l = NULL;
        nb_err err = {0};
        write_adapter(adapter, model, "llama", bad[i].spoil);
        nb_status st = nb_weights_open(&w, adapter, &err);
        if (st == NB_OK)
            st = nb_lora_open(&l, r.model, w, &err);
        check(st == bad[i].status && !l, "row %zu: %d %s", i, st, err.msg);
        check(strstr(err.msg, bad[i].says), "row %zu: \"%s\" does not say %s", i, err.msg,
              bad[i].says);
        nb_weights_close(&w);
    }
    rig_close(&r);
}

static child run(const char *const *args)
{
    child_how how = {0};
    for (int i = 0; i < CHILD_ARGS && args[i]; i++)
        how.args[i] = args[i];
    return child_run(&how);
}

CHECK_TEST(lora, commands_take_an_adapter_and_its_scale)
{
    const char *demo = NB_TEST_ROOT "/tests/data/nibble-demo", *text = test_data("eval.txt");
    const char *adapter = test_path(test_tmpdir(), "demo.gguf");
    write_adapter(adapter, demo, "llama", NULL);
    const char *args[] = {"eval", demo,     "-f",     text,    "-c",           "64", "--chunks",
                          "1",    "--json", "--lora", adapter, "--lora-scale", "0",  NULL};
    child none = run(args);
    args[12] = "0.1";
    child some = run(args);
    args[9] = NULL;
    child plain = run(args);
    check(none.code == 0 && some.code == 0 && plain.code == 0, "%s%s%s", none.err, some.err,
          plain.err);
    nb_json *a = child_json(&none), *b = child_json(&some), *c = child_json(&plain);
    double x = 0, y = 0, z = 0;
    check(nb_jnum(nb_jget(nb_json_root(a), "perplexity"), &x) &&
              nb_jnum(nb_jget(nb_json_root(b), "perplexity"), &y) &&
              nb_jnum(nb_jget(nb_json_root(c), "perplexity"), &z),
          "%s", none.out);
    check(fabs(x - z) < 1e-9 && fabs(y - z) > 1e-3, "%g, %g, %g", x, y, z);
    const char *const chat[] = {"chat", demo, "-p", "a", "-n", "4", "--lora", demo, NULL};
    child bad = run(chat);
    check(bad.code == 3 && strstr(bad.err, "adapter.type"), "%d: %s", bad.code, bad.err);
    nb_json_close(&a);
    nb_json_close(&b);
    nb_json_close(&c);
    child_free(&none);
    child_free(&some);
    child_free(&plain);
    child_free(&bad);
}
