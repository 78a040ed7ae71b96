/* Flat blocks beside the blocks they are made of: the same floats, the same dots, the same logits,
 * bit for bit, on every level; and what a model's flat copy takes, refuses and tells. */
#include "tests/arch_rows.h"
#include "tests/check.h"
#include "tests/kernels.h"
#include "tests/quantize.h"
#include "tests/run_child.h"
#include "tests/tiny.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/model/chat.h"
#include "core/model/session.h"
#include "core/quant/fit.h"
#include "kernels/flat.h"

static const nk_type_id ids[] = {NK_IQ1_S, NK_IQ1_M,   NK_IQ2_XXS, NK_IQ2_XS,
                                 NK_IQ2_S, NK_IQ3_XXS, NK_IQ3_S};

/* Blocks of random bytes, or of one byte, under moderate scales: any bytes are a block of these
 * types. */
static void fill(test_rng *r, const nk_type *t, uint8_t *w, size_t blocks, int byte)
{
    for (size_t i = 0; i < blocks * t->block_size; i++)
        w[i] = (uint8_t)(byte >= 0 ? byte : (int)test_below(r, 256));
    for (size_t i = 0; i < blocks; i++) {
        uint8_t *b = w + i * t->block_size;
        uint16_t d = (uint16_t)(0x2000 + test_below(r, 0x1000) + (i % 3 ? 0 : 0x8000));
        if (t->id != NK_IQ1_M)
            memcpy(b, &d, sizeof d);
        for (size_t k = 0; t->id == NK_IQ1_M && k < 4; k++) /* a nibble in each of four words */
            b[49 + 2 * k] = (uint8_t)((b[49 + 2 * k] & 15) | (d >> 4 * k & 15) << 4);
    }
}

static const int bytes[] = {-1, -1, 0x00, 0xff, 0x0f, 0xf0, 0x55};

CHECK_TEST(flat, blocks_hold_what_their_source_holds)
{
    enum { BLOCKS = 11, N = BLOCKS * NK_SUPER_LEN };
    test_rng r = test_rng_make(71);
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv);
    static float want[N], got[N];
    for (size_t v = 0; v < countof(ids) * countof(bytes) * 2; v++) {
        const nk_type *t = nk_type_get(ids[v % countof(ids)]), *flat = nk_flat_of(t);
        int side = (int)(v / countof(ids) / countof(bytes));
        check(flat && flat->block_len == t->block_len && flat->dot_with == t->dot_with, "%s",
              t->name);
        uint8_t *w = test_guard(BLOCKS * t->block_size, side);
        uint8_t *first = test_guard(BLOCKS * flat->block_size, side);
        uint8_t *copy = test_guard(BLOCKS * flat->block_size, side);
        fill(&r, t, w, BLOCKS, bytes[v / countof(ids) % countof(bytes)]);
        t->decode(w, want, N);
        lv[0].ops.flatten[t->id](w, first, N);
        for (size_t l = 0; l < levels; l++) {
            memset(copy, 0xa5, BLOCKS * flat->block_size);
            lv[l].ops.flatten[t->id](w, copy, N);
            check(memcmp(copy, first, BLOCKS * flat->block_size) == 0, "%s %s: bytes differ",
                  lv[l].name, t->name);
            lv[l].ops.decode[flat->id](copy, got, N);
            check(memcmp(want, got, sizeof want) == 0, "%s %s: floats differ", lv[l].name, t->name);
        }
        test_guard_free(w);
        test_guard_free(first);
        test_guard_free(copy);
    }
}

/* Products of a matrix and of its flat copy, operands at unreadable pages. */
static void compare_products(const test_level *lv, const nk_matrix *w, const nk_matrix *flat,
                             const float *x, size_t m, int side)
{
    float *want = test_guard(m * w->rows * sizeof *want, side);
    float *got = test_guard(m * w->rows * sizeof *got, side);
    void *scratch = test_guard(nk_matmul_scratch(w->cols, m), side);
    nk_matmul(&lv->ops, NULL, want, w->rows, w, x, m, scratch);
    nk_matmul(&lv->ops, NULL, got, w->rows, flat, x, m, scratch);
    for (size_t i = 0; i < m * w->rows; i++)
        check(memcmp(&want[i], &got[i], sizeof *got) == 0,
              "%s %s, %zu rows, %zu columns: element %zu is %.9g, of the source %.9g", lv->name,
              w->type->name, w->rows, m, i, (double)got[i], (double)want[i]);
    test_guard_free(want);
    test_guard_free(got);
    test_guard_free(scratch);
}

/* One row alone and eight side by side, panels and wide panels; codes and activations at both ends
 * of their range. */
CHECK_TEST(flat, products_have_the_bits_of_their_source)
{
    enum { COLS = 3 * NK_SUPER_LEN, MAX_ROWS = 33, MAX_M = 19 };
    static const size_t rows[] = {1, 7, 8, 16, 17, MAX_ROWS}, m[] = {1, 2, 3, 5, MAX_M};
    test_rng r = test_rng_make(72);
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv);
    for (size_t v = 0; v < countof(ids) * countof(rows) * countof(bytes); v++) {
        const nk_type *t = nk_type_get(ids[v % countof(ids)]), *flat = nk_flat_of(t);
        size_t n = rows[v / countof(ids) % countof(rows)], blocks = COLS / NK_SUPER_LEN;
        int side = (int)(v % 2);
        uint8_t *w = test_guard(n * blocks * t->block_size, side);
        uint8_t *copy = test_guard(n * blocks * flat->block_size, side);
        float *x = test_guard(MAX_M * COLS * sizeof *x, side);
        int byte = bytes[v / countof(ids) / countof(rows)];
        fill(&r, t, w, n * blocks, byte);
        for (size_t i = 0; i < MAX_M * COLS; i++)
            x[i] = byte < 0 ? test_normal(&r) : i / COLS % 3 == 0 ? 1 : i % 2 ? -1 : 1;
        lv[0].ops.flatten[t->id](w, copy, n * COLS);
        nk_matrix a = {.data = w, .type = t, .rows = n, .cols = COLS};
        nk_matrix b = {.data = copy, .type = flat, .rows = n, .cols = COLS};
        a.row_size = blocks * t->block_size;
        b.row_size = blocks * flat->block_size;
        for (size_t l = 0; l < levels; l++)
            for (size_t k = 0; k < countof(m); k++)
                compare_products(&lv[l], &a, &b, x, m[k], side);
        test_guard_free(w);
        test_guard_free(copy);
        test_guard_free(x);
    }
}

/* --- models ------------------------------------------------------------------------------------
 */

typedef struct rig {
    nb_weights *w;
    nb_model *m;
} rig;

static rig open_rig(const char *path)
{
    rig r = {.w = quant_open(path)};
    nb_err err = {0};
    check(nb_model_open(&r.m, r.w, &err) == NB_OK, "%s", err.msg);
    return r;
}

static void close_rig(rig *r)
{
    nb_model_close(&r->m);
    nb_weights_close(&r->w);
}

/* Logits after a prompt and three tokens one by one; free() them. */
static float *logits_of(const nb_model *m, const nk_ops *ops)
{
    static const int32_t ids_in[] = {1, 17, 250, 9, 42, 131, 7, 3, 99, 28};
    nb_session *s = NULL;
    nb_err err = {0};
    nb_session_options o = {.n_ctx = 32};
    check(nb_session_open(&s, m, ops, NULL, &o, &err) == NB_OK, "%s", err.msg);
    for (size_t n = countof(ids_in) - 3; n <= countof(ids_in); n++)
        check(nb_session_feed(s, ids_in, n, NULL, NULL, &err) == NB_OK, "%s", err.msg);
    size_t size = m->hp.n_vocab * sizeof(float);
    float *out = malloc(size);
    check(out && nb_session_logits(s), "no logits");
    memcpy(out, nb_session_logits(s), size);
    nb_session_close(&s);
    return out;
}

static void check_model(const char *path, const test_level *lv, nk_pool *pool, const char *what)
{
    nb_err err = {0};
    rig r = open_rig(path);
    float *want = logits_of(r.m, &lv->ops);
    uint64_t plan = nb_model_flat_plan(r.w), before = r.m->weight_bytes;
    const void *head = r.m->head.data;
    check(nb_model_flatten(r.m, &lv->ops, pool, plan, NULL, &err) == NB_OK, "%s", err.msg);
    check(plan > 0 && r.m->flat_bytes == plan, "%s: %llu bytes, planned %llu", what,
          (unsigned long long)r.m->flat_bytes, (unsigned long long)plan);
    check(r.m->weight_bytes > before, "%s: %llu bytes a token", what,
          (unsigned long long)r.m->weight_bytes);
    check(r.m->head.data == head && r.m->head.type->id < NK_FLAT_IQ1, "%s: the file's head", what);
    float *got = logits_of(r.m, &lv->ops);
    check(memcmp(want, got, r.m->hp.n_vocab * sizeof *got) == 0, "%s %s: logits differ", lv->name,
          what);
    const void *copy = r.m->flat;
    check(nb_model_flatten(r.m, &lv->ops, pool, plan, NULL, &err) == NB_OK && r.m->flat == copy,
          "%s: made twice", what);
    free(want);
    free(got);
    close_rig(&r);
}

/* Of every type; with the output tied to the embedding, and with q, k and v in one tensor. */
CHECK_TEST(flat, a_model_gives_the_same_logits)
{
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv);
    nk_pool *pool;
    check(nk_pool_open(&pool, 3, NULL) == NB_OK, "pool");
    for (size_t v = 0; v < countof(ids) + 2; v++) {
        const nk_type *t = nk_type_get(ids[v % countof(ids)]);
        const char *f32 = test_path(test_tmpdir(), "flat-f32.gguf");
        const char *path = test_path(test_tmpdir(), "flat-iq.gguf");
        tiny tn = tiny_default();
        tn.tied = v == countof(ids);
        tn.fused_qkv = v == countof(ids) + 1;
        tn.arch = tn.fused_qkv ? "phi3" : tn.arch;
        tiny_write(f32, &tn, NULL);
        tiny_convert(path, f32, t->id);
        for (size_t l = 0; l < levels; l++)
            check_model(path, &lv[l], v % 2 ? pool : NULL, t->name);
    }
    nk_pool_close(&pool);
}

CHECK_TEST(flat, experts_give_the_same_logits)
{
    static const nb_shape shape = {"experts", "qwen3moe", 2,    256,   4,     2, 64, 256,
                                   300,       64,         1e4f, 1e-6f, false, 4, 2,  256};
    const char *f16 = test_path(test_tmpdir(), "flat-experts.gguf");
    const char *path = test_path(test_tmpdir(), "flat-experts-iq.gguf");
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv);
    nb_recipe recipe;
    uint64_t size;
    nb_err err = {0};
    nb_recipe_init(&recipe, nb_preset_find("F16"));
    check(nb_synth_write(&shape, &recipe, 5, f16, false, quant_ops(), NULL, &size, NULL, &err) ==
              NB_OK,
          "%s", err.msg);
    tiny_convert(path, f16, NK_IQ2_XXS);
    for (size_t l = 0; l < levels; l++)
        check_model(path, &lv[l], NULL, "experts");
}

static bool stop(void *ud)
{
    int *left = ud;
    return (*left)-- <= 0;
}

typedef struct seen {
    uint64_t done, total;
    bool sound;
} seen;

static void watch(void *ud, const nb_progress *p)
{
    seen *s = ud;
    s->sound = s->sound && p->done >= s->done && (!s->total || p->total == s->total);
    s->done = p->done;
    s->total = p->total;
}

static const char *small_file(nk_type_id id)
{
    const char *f32 = test_path(test_tmpdir(), "flat-small-f32.gguf");
    const char *path = test_path(test_tmpdir(), "flat-small.gguf");
    tiny t = tiny_default();
    tiny_write(f32, &t, NULL);
    tiny_convert(path, f32, id);
    return path;
}

/* Cancelled at any matrix, or without room: the model is what it was. */
CHECK_TEST(flat, a_copy_not_made_leaves_the_model_as_it_was)
{
    rig r = open_rig(small_file(NK_IQ3_S));
    nb_err err = {0};
    const nk_ops *ops = quant_ops();
    uint64_t plan = nb_model_flat_plan(r.w), before = r.m->weight_bytes;
    float *want = logits_of(r.m, ops);
    for (int at = 0; at < 6; at++) {
        int left = at;
        nb_hooks hooks = {.canceled = stop, .ud = &left};
        nb_status st = nb_model_flatten(r.m, ops, NULL, plan, &hooks, &err);
        check(st == NB_CANCELED && !r.m->flat && !r.m->flat_bytes, "at %d: %d", at, (int)st);
    }
    check(nb_model_flatten(r.m, ops, NULL, plan - 1, NULL, &err) == NB_NOMEM, "no room");
    check(strstr(err.msg, "flat-small.gguf") && strstr(err.msg, "needs"), "%s", err.msg);
    float *got = logits_of(r.m, ops);
    check(memcmp(want, got, r.m->hp.n_vocab * sizeof *got) == 0 && r.m->weight_bytes == before,
          "the model changed");
    seen s = {.sound = true};
    nb_hooks hooks = {.progress = watch, .ud = &s};
    check(nb_model_flatten(r.m, ops, NULL, plan, &hooks, &err) == NB_OK, "%s", err.msg);
    check(s.sound && s.done == plan && s.total == plan, "told %llu of %llu",
          (unsigned long long)s.done, (unsigned long long)s.total);
    free(want);
    free(got);
    close_rig(&r);
}

/* Types without grids have no flat form and no copy; floats, K types and activations. */
CHECK_TEST(flat, other_types_are_left_alone)
{
    size_t count, found = 0;
    const nk_type *const *all = nk_type_all(&count);
    for (size_t i = 0; i < count; i++) {
        bool on_grid = false;
        for (size_t k = 0; k < countof(ids); k++)
            on_grid = on_grid || all[i]->id == ids[k];
        check(!nk_flat_of(all[i]) == !on_grid, "%s", all[i]->name);
        check(!quant_ops()->flatten[all[i]->id] == !on_grid, "%s", all[i]->name);
        found += on_grid;
    }
    check(found == countof(ids), "%zu types", found);
    for (uint32_t id = NK_FLAT_IQ1; id < NK_TYPE_SLOTS; id++)
        check(!nk_type_get(id), "id %u would be taken from a file", id);
    rig r = open_rig(small_file(NK_Q4_K));
    nb_err err = {0};
    check(nb_model_flat_plan(r.w) == 0, "a plan for q4_K");
    check(nb_model_flatten(r.m, quant_ops(), NULL, 0, NULL, &err) == NB_OK && !r.m->flat, "%s",
          err.msg);
    close_rig(&r);
}

/* The copy cannot be paged out: it decides whether a model fits. */
CHECK_TEST(flat, the_memory_plan_counts_the_copy)
{
    rig r = open_rig(small_file(NK_IQ2_XS));
    nb_session_options opt = {.n_ctx = 64};
    uint64_t file = nb_weights_file_bytes(r.w), flat = nb_model_flat_plan(r.w);
    nb_fit without = nb_fit_session(&r.m->hp, file, 0, &opt, UINT64_MAX);
    nb_fit with = nb_fit_session(&r.m->hp, file, flat, &opt, UINT64_MAX);
    check(with.flat == flat && with.total == without.total + flat, "%llu",
          (unsigned long long)with.total);
    uint64_t held = without.kv + without.compute;
    check(nb_fit_session(&r.m->hp, file, flat, &opt, held + flat - 1).word == NB_NO, "held");
    check(nb_fit_session(&r.m->hp, file, flat, &opt, held + flat).word == NB_PAGES, "pages");
    check(nb_fit_session(&r.m->hp, file, UINT64_MAX, &opt, 1u << 30).word == NB_NO, "overflow");
    close_rig(&r);
}

/* --- commands ----------------------------------------------------------------------------------
 */

/* The demo in IQ2_XXS. */
static const char *demo_iq2(void)
{
    static char path[512];
    if (*path)
        return path;
    snprintf(path, sizeof path, "%s/demo-iq2.gguf", test_tmpdir());
    child c = child_run(
        &(child_how){.args = {"quantize", test_data("nibble-demo"), "-t", "IQ2_XXS", "--imatrix",
                              test_data("demo.imatrix.gguf"), "-o", path, "-q"}});
    check(c.code == 0, "%s", c.err);
    child_free(&c);
    return path;
}

static int64_t whole(const nb_json *doc, const char *key)
{
    int64_t v = -1;
    check(nb_jint(nb_jget(nb_json_root(doc), key), &v), "no %s", key);
    return v;
}

CHECK_TEST(flat, commands_answer_alike_and_tell_the_copy)
{
    const char *path = demo_iq2();
    rig r = open_rig(path);
    int64_t plan = (int64_t)nb_model_flat_plan(r.w);
    close_rig(&r);
    child a = child_run(&(child_how){.args = {"chat", path, "-p", "hello", "-n", "20"}});
    child b = child_run(&(child_how){.args = {"chat", path, "-p", "hello", "-n", "20", "--flat"}});
    check(a.code == 0 && b.code == 0 && strcmp(a.out, b.out) == 0, "%s%s", a.out, b.out);
    check(strstr(b.err, "flat copy: ") && !strstr(a.err, "flat copy"), "%s", b.err);
    child_free(&a);
    child_free(&b);
    b = child_run(
        &(child_how){.args = {"chat", path, "-p", "hello", "-n", "4", "--flat", "--json"}});
    nb_json *doc = child_json(&b);
    check(whole(doc, "flat_bytes") == plan, "%s", b.out);
    nb_json_close(&doc);
    child_free(&b);
    const char *text = test_data("eval.txt");
    double ppl[2] = {0};
    for (int i = 0; i < 2; i++) {
        b = child_run(&(child_how){.args = {"eval", path, "-f", text, "-c", "64", "--chunks", "2",
                                            "--json", i ? "--flat" : NULL}});
        doc = child_json(&b);
        check(nb_jnum(nb_jget(nb_json_root(doc), "nll"), &ppl[i]), "%s", b.out);
        check(whole(doc, "flat_bytes") == (i ? plan : 0), "%s", b.out);
        nb_json_close(&doc);
        child_free(&b);
    }
    check(memcmp(&ppl[0], &ppl[1], sizeof ppl[0]) == 0, "%.17g, flat %.17g", ppl[0], ppl[1]);
    b = child_run(
        &(child_how){.args = {"bench", path, "-p", "8", "-n", "4", "-r", "1", "--flat", "--json"}});
    doc = child_json(&b);
    check(whole(doc, "flat_bytes") == plan && whole(doc, "weight_bytes") > 0, "%s", b.out);
    nb_json_close(&doc);
    child_free(&b);
    b = child_run(
        &(child_how){.args = {"bench", "demo", "-p", "8", "-n", "4", "-r", "1", "--flat"}});
    check(b.code == 0 && !strstr(b.out, "flat copy"), "%s", b.out);
    child_free(&b);
}

/* A base file keeps the output matrix of the file, whatever copy the model reads. */
CHECK_TEST(flat, a_base_file_is_the_same_with_the_copy)
{
    size_t n[2];
    char *base[2];
    for (int i = 0; i < 2; i++) {
        const char *out = test_path(test_tmpdir(), i ? "flat-1.base" : "flat-0.base");
        child c = child_run(
            &(child_how){.args = {"eval", demo_iq2(), "-f", test_data("eval.txt"), "-c", "64",
                                  "--chunks", "2", "--save-base", out, i ? "--flat" : NULL}});
        check(c.code == 0, "%s", c.err);
        child_free(&c);
        base[i] = test_slurp(out, &n[i]);
    }
    check(base[0] && base[1] && n[0] == n[1] && memcmp(base[0], base[1], n[0]) == 0,
          "base files differ");
    free(base[0]);
    free(base[1]);
}

/* The setting does for every chat what --flat does for one. */
CHECK_TEST(flat, the_setting_makes_copies)
{
    static char home[512];
    snprintf(home, sizeof home, "XDG_CONFIG_HOME=%s/flat-config", test_tmpdir());
    child c = child_run(&(child_how){.args = {"config", "flat", "on"}, .env = {home}});
    check(c.code == 0, "%s", c.err);
    child_free(&c);
    c = child_run(
        &(child_how){.args = {"chat", demo_iq2(), "-p", "hello", "-n", "2"}, .env = {home}});
    check(c.code == 0 && strstr(c.err, "flat copy: "), "%s", c.err);
    child_free(&c);
}

static int64_t flat_bytes(const char *model, const char *guesser, char *answer, size_t cap)
{
    child c = child_run(&(child_how){.args = {"chat", model, "-p", "hello", "-n", "20", "--flat",
                                              "--json", guesser ? "--draft" : NULL, guesser}});
    nb_json *doc = child_json(&c);
    int64_t copy = whole(doc, "flat_bytes");
    const char *text = "";
    const nb_jval *said = nb_jfirst(nb_jget(nb_json_root(doc), "answers"));
    check(nb_jstr(nb_jget(said, "text"), &text), "%s", c.out);
    snprintf(answer, cap, "%s", text);
    nb_json_close(&doc);
    child_free(&c);
    return copy;
}

/* Who guesses has its copy too, and who is compared with. */
CHECK_TEST(flat, a_second_model_has_its_copy_too)
{
    char alone[512] = "", guessed[512] = "";
    rig r = open_rig(demo_iq2());
    int64_t plan = (int64_t)nb_model_flat_plan(r.w);
    close_rig(&r);
    check(flat_bytes("demo", NULL, alone, sizeof alone) == 0, "the demo has a copy");
    check(flat_bytes("demo", demo_iq2(), guessed, sizeof guessed) == plan, "no copy of one");
    check(alone[0] && strcmp(alone, guessed) == 0, "%s / %s", alone, guessed);
    check(flat_bytes(demo_iq2(), demo_iq2(), guessed, sizeof guessed) == 2 * plan, "not of both");
    child c = child_run(
        &(child_how){.args = {"eval", "demo", "--ref", demo_iq2(), "-f", test_data("eval.txt"),
                              "-c", "64", "--chunks", "1", "--flat"}});
    check(c.code == 0 && strstr(c.err, "flat copy: none") && strstr(c.err, " MB"), "%s", c.err);
    child_free(&c);
}

/* What a drafter's copy took is there again for the next one. */
CHECK_TEST(flat, drafters_come_and_go_in_the_same_room)
{
    nk_ops ops;
    nb_err err = {0};
    nb_local *l = NULL;
    uint64_t copy = 0;
    const nb_session_options opt = {.n_ctx = 64};
    rig r = open_rig(demo_iq2());
    uint64_t plan = nb_model_flat_plan(r.w);
    close_rig(&r);
    nk_ops_init(&ops, nk_cpu_detect());
    check(nb_local_open(&l, demo_iq2(), &ops, NULL, 0, &opt, &err) == NB_OK, "%s", err.msg);
    check(nb_local_flatten(l, 2 * plan, &copy, NULL, &err) == NB_OK && copy == plan, "%s", err.msg);
    for (int i = 0; i < 3; i++) {
        check(nb_local_draft(l, demo_iq2(), NULL, &err) == NB_OK, "%s", err.msg);
        check(nb_local_draft(l, "off", NULL, &err) == NB_OK, "%s", err.msg);
    }
    check(nb_local_flatten(l, 2 * plan - 1, &copy, NULL, &err) == NB_OK, "%s", err.msg);
    check(nb_local_draft(l, demo_iq2(), NULL, &err) == NB_NOMEM, "a copy beyond the room");
    nb_local_close(&l);
}

/* What one token reads, by the tensors of the file: layers, idle experts out, and the output. The
 * scales of whole matrices are not counted. */
static uint64_t bytes_of_a_token(const rig *r)
{
    uint64_t sum = 0;
    const char *out = r->m->hp.tied ? "token_embd.weight" : "output.weight";
    for (size_t i = 0; i < nb_weights_count(r->w); i++) {
        const nb_tensor *t = &nb_weights_at(r->w, i)->t;
        uint64_t size = t->nbytes;
        if (strstr(t->name, "_exps."))
            size = size / r->m->hp.n_expert * r->m->hp.n_expert_used;
        if (strstr(t->name, ".scale") == NULL &&
            (strncmp(t->name, "blk.", 4) == 0 || strcmp(t->name, out) == 0))
            sum += size;
    }
    return sum;
}

/* Fused tensors are read in parts: bytes per token count them once. */
CHECK_TEST(flat, bytes_of_a_token_count_each_tensor_once)
{
    const arch_row *row;
    size_t n = arch_rows(&row);
    for (size_t i = 0; i < n; i++) {
        const char *path = test_path(test_tmpdir(), "counted.gguf");
        arch_row_write(path, &row[i], NK_F32);
        rig r = open_rig(path);
        check(r.m->weight_bytes == bytes_of_a_token(&r), "row %zu, %s: %llu bytes, not %llu", i,
              r.m->hp.arch->name, (unsigned long long)r.m->weight_bytes,
              (unsigned long long)bytes_of_a_token(&r));
        close_rig(&r);
    }
    check(n > 0, "no architectures");
}
