/* Saved sessions: what comes back is what went away, and nothing else is taken for one. */
#include "tests/arch_rows.h"
#include "tests/check.h"
#include "tests/run_child.h"
#include "tests/util.h"

#include "core/base/beside.h"
#include "core/base/file.h"
#include "core/model/session_file.h"
#include "kernels/cpu.h"
#include "kernels/crc32c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { N_IDS = 30, N_VOCAB = 300 };

typedef struct rig {
    nb_weights *weights;
    nb_model *model;
    nk_ops ops;
    nb_session *s;
    int32_t ids[N_IDS];
} rig;

static nb_session *session(rig *r, nb_session_options opt)
{
    nb_session *s = NULL;
    nb_err err = {0};
    check(nb_session_open(&s, r->model, &r->ops, NULL, &opt, &err) == NB_OK, "%s", err.msg);
    return s;
}

static void rig_open(rig *r, const char *label, nb_session_options opt)
{
    const arch_row *rows;
    nb_err err = {0};
    size_t n = arch_rows(&rows), which = 0;
    while (which < n && strcmp(rows[which].label, label) != 0)
        which++;
    check(which < n, "%s", label);
    *r = (rig){0};
    char name[96];
    snprintf(name, sizeof name, "%s.gguf", label);
    const char *path = test_path(test_tmpdir(), name);
    arch_row_write(path, &rows[which], NK_F32);
    check(nb_weights_open(&r->weights, path, &err) == NB_OK, "%s", err.msg);
    check(nb_model_open(&r->model, r->weights, &err) == NB_OK, "%s", err.msg);
    nk_ops_init(&r->ops, nk_cpu_detect());
    test_rng rng = test_rng_make(3);
    for (size_t i = 0; i < N_IDS; i++)
        r->ids[i] = (int32_t)test_below(&rng, N_VOCAB);
    r->s = session(r, opt);
}

static void rig_close(rig *r)
{
    nb_session_close(&r->s);
    nb_model_close(&r->model);
    nb_weights_close(&r->weights);
}

static void feed(nb_session *s, const int32_t *ids, size_t n, size_t want_reused)
{
    nb_err err = {0};
    size_t reused;
    check(nb_session_feed(s, ids, n, &reused, NULL, &err) == NB_OK, "%s", err.msg);
    check(reused == want_reused, "%zu reused, expected %zu", reused, want_reused);
}

static void save(const nb_session *s, const char *path)
{
    nb_err err = {0};
    check(nb_session_save(s, path, NULL, &err) == NB_OK, "%s", err.msg);
}

CHECK_TEST(session_file, a_restored_session_goes_on_with_the_same_bits)
{
    static const char *const labels[] = {"llama", "gemma3", "gpt2", "gpt-oss", "phi3-longrope"};
    static const char *const types[] = {"f16", "bf16", "f32"};
    const char *path = test_path(test_tmpdir(), "session");
    for (size_t i = 0; i < countof(labels); i++) {
        const nk_type *t = nb_session_kv_type(types[i % countof(types)]);
        nb_session_options opt = {.n_ctx = 64, .k_type = t};
        rig r;
        nb_err err = {0};
        rig_open(&r, labels[i], opt);
        feed(r.s, r.ids, 20, 0);
        save(r.s, path);
        feed(r.s, r.ids, N_IDS, 20);
        opt.n_ctx = 50; /* another size, and as the second of two sequences */
        opt.n_seq = 2;
        nb_session *back = session(&r, opt);
        nb_session_use_seq(back, 1);
        check(nb_session_restore(back, path, NULL, &err) == NB_OK, "%s", err.msg);
        size_t n;
        const int32_t *ids = nb_session_tokens(back, &n);
        check(n == 20 && memcmp(ids, r.ids, 20 * sizeof *ids) == 0, "%zu tokens", n);
        check(!nb_session_logits(back), "logits from nowhere");
        feed(back, r.ids, N_IDS, 20);
        check(memcmp(nb_session_logits(back), nb_session_logits(r.s), N_VOCAB * sizeof(float)) == 0,
              "%s", labels[i]);
        nb_session_close(&back);
        rig_close(&r);
    }
    struct stat st;
    check(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600, "mode %o", st.st_mode);
    check(!nb_exists(test_path(test_tmpdir(), "session.part")), "a part is left");
}

/* The session keeps what it had, with logits. */
static void check_refused(nb_session *s, const char *path, nb_status want, const char *says)
{
    nb_err err = {0};
    nb_status st = nb_session_restore(s, path, NULL, &err);
    check(st == want && strstr(err.msg, says), "%d, \"%s\" does not say %s", st, err.msg, says);
}

CHECK_TEST(session_file, what_does_not_fit_is_refused_with_the_reason)
{
    const char *path = test_path(test_tmpdir(), "fit");
    rig r, other;
    rig_open(&r, "llama", (nb_session_options){.n_ctx = 64});
    rig_open(&other, "llama-yarn", (nb_session_options){.n_ctx = 64});
    nb_err err = {0};
    check(nb_session_save(r.s, path, NULL, &err) == NB_REFUSED, "an empty one was saved");
    check(!nb_exists(path), "a file of nothing");
    feed(r.s, r.ids, 20, 0);
    feed(other.s, r.ids, 9, 0);
    save(r.s, path);
    check_refused(other.s, path, NB_REFUSED, "another model");
    feed(other.s, r.ids, 10, 9);
    nb_session *small = session(&r, (nb_session_options){.n_ctx = 19});
    check_refused(small, path, NB_REFUSED, "room for 19");
    nb_session_close(&small);
    nb_session *wide = session(&r, (nb_session_options){.n_ctx = 64, .kv_f32 = true});
    check_refused(wide, path, NB_REFUSED, "f16 and f16, this one f32 and f32");
    nb_session_close(&wide);
    check_refused(r.s, test_path(test_tmpdir(), "absent"), NB_NOTFOUND, "absent");
    rig_close(&other);
    rig_close(&r);
    rig_open(&r, "phi3-longrope", (nb_session_options){.n_ctx = 64});
    feed(r.s, r.ids, 20, 0);
    save(r.s, path);
    nb_session *near = session(&r, (nb_session_options){.n_ctx = 32});
    check_refused(near, path, NB_REFUSED, "other side of 32");
    nb_session_close(&near);
    rig_close(&r);
}

/* Each byte flipped, each cut: never taken, never a crash. */
CHECK_TEST(session_file, no_damage_is_taken_for_a_session)
{
    const char *path = test_path(test_tmpdir(), "session"), *bad = test_path(test_tmpdir(), "bad");
    rig r;
    rig_open(&r, "llama", (nb_session_options){.n_ctx = 64});
    feed(r.s, r.ids, 2, 0);
    save(r.s, path);
    size_t len;
    char *bytes = test_slurp(path, &len);
    check(bytes && len == NB_SESSION_HEAD + 4 + 2 * (4 + 2 * 2 * 2 * 16 * 2), "%zu bytes", len);
    for (size_t i = 0; i < len; i++) {
        nb_err err = {0};
        bytes[i] ^= (char)(1 << (i % 8));
        test_spit(bad, bytes, len);
        check(nb_session_restore(r.s, bad, NULL, &err) != NB_OK && err.msg[0], "byte %zu", i);
        bytes[i] ^= (char)(1 << (i % 8));
        test_spit(bad, bytes, i ? i : 1);
        check(nb_session_restore(r.s, bad, NULL, &err) == NB_FORMAT, "cut at %zu: %s", i, err.msg);
    }
    feed(r.s, r.ids, 3, 2);
    free(bytes);
    rig_close(&r);
}

/* Where the head has them (session_file.h), and what follows it. */
enum { K_TYPE = 24, V_TYPE = 28, K_ROW = 32, V_ROW = 40, FLAGS = 48, ZERO = 52 };

/* A sound sum over what is no sound session: each is refused by what is wrong with it. */
CHECK_TEST(session_file, a_sum_that_fits_makes_no_session)
{
    static const struct {
        size_t at;
        int add;
        nb_status status;
        const char *says;
    } rows[] = {
        {NB_SESSION_HEAD + 3, 1, NB_FORMAT, "bad: token 0 is none of the model's 300"},
        {NB_SESSION_HEAD + 7, 1, NB_FORMAT, "bad: token 1 is none of the model's 300"},
        {K_TYPE + 2, 1, NB_REFUSED, "bad: its cache is unknown and f16, this one f16 and f16"},
        {V_TYPE + 2, 1, NB_REFUSED, "bad: its cache is f16 and unknown, this one f16 and f16"},
        {K_ROW, 2, NB_REFUSED, "bad: its cache is f16 and f16, this one f16 and f16"},
        {FLAGS, 2, NB_FORMAT, "bad: 2 tokens, flags 2: no session of this version"},
        {ZERO, 1, NB_FORMAT, "bad: 2 tokens, flags 0: no session of this version"}};
    const char *path = test_path(test_tmpdir(), "sound"), *bad = test_path(test_tmpdir(), "bad");
    rig r;
    size_t len, n;
    rig_open(&r, "llama", (nb_session_options){.n_ctx = 64});
    feed(r.s, r.ids, 2, 0);
    save(r.s, path);
    for (size_t i = 0; i < countof(rows); i++) {
        nb_err err = {0};
        char *bytes = test_slurp(path, &len);
        bytes[rows[i].at] = (char)(bytes[rows[i].at] + rows[i].add);
        if (rows[i].at == K_ROW) /* as long as before, between the two */
            bytes[V_ROW] = (char)(bytes[V_ROW] - rows[i].add);
        uint32_t sum = nk_crc32c_c(0, bytes, len - 4);
        for (int k = 0; k < 4; k++)
            bytes[len - 4 + (size_t)k] = (char)(sum >> (8 * k));
        test_spit(bad, bytes, len);
        nb_status st = nb_session_restore(r.s, bad, NULL, &err);
        check(st == rows[i].status && strcmp(err.msg, rows[i].says) == 0, "row %zu: %d, %s", i, st,
              err.msg);
        nb_session_tokens(r.s, &n);
        check(n == (rows[i].at >= NB_SESSION_HEAD ? 0 : 2), "row %zu: %zu tokens", i, n);
        if (!n)
            feed(r.s, r.ids, 2, 0);
        free(bytes);
    }
    rig_close(&r);
}

/* Lengths past 64 bits are not those of a file. */
CHECK_TEST(session_file, a_head_of_absurd_sizes_is_refused)
{
    static const struct {
        uint64_t k_row, v_row;
        uint32_t n_layer, n;
    } rows[] = {{UINT64_MAX, 1, 1, 1},
                {UINT64_MAX / 2, 0, 1, 3},
                {UINT64_MAX / 8, 0, 9, 1},
                {UINT64_MAX - 3, 0, 1, 1},
                {8, 8, 2, 1}};
    for (size_t i = 0; i < countof(rows); i++) {
        uint8_t bytes[NB_SESSION_HEAD] = "NBSESSN1";
        nb_session_head h = {.n = 77};
        nb_err err = {0};
        for (int k = 0; k < 8; k++) {
            bytes[K_ROW + k] = (uint8_t)(rows[i].k_row >> (8 * k));
            bytes[V_ROW + k] = (uint8_t)(rows[i].v_row >> (8 * k));
        }
        bytes[16] = (uint8_t)rows[i].n_layer;
        bytes[20] = (uint8_t)rows[i].n;
        nb_status st = nb_session_head_read(&h, bytes, sizeof bytes, 100, "x", &err);
        check(st == NB_FORMAT && h.n == 77, "row %zu: %d", i, st);
        check(strncmp(err.msg, "x: 100 bytes do not hold ", 25) == 0, "row %zu: %s", i, err.msg);
        uint64_t whole = NB_SESSION_HEAD + 4 + 4 + 2 * 16;
        st = nb_session_head_read(&h, bytes, sizeof bytes, whole, "x", &err);
        check((st == NB_OK) == (i == 4), "row %zu: %d, %s", i, st, err.msg);
    }
}

static bool at_once(void *ud)
{
    (void)ud;
    return true;
}

CHECK_TEST(session_file, a_cancelled_save_leaves_the_old_file)
{
    const char *path = test_path(test_tmpdir(), "kept");
    const nb_hooks hooks = {.canceled = at_once};
    rig r;
    nb_err err = {0};
    test_spit(path, "old", 3);
    rig_open(&r, "llama", (nb_session_options){.n_ctx = 64});
    feed(r.s, r.ids, 20, 0);
    check(nb_session_save(r.s, path, &hooks, &err) == NB_CANCELED, "%s", err.msg);
    size_t len;
    char *bytes = test_slurp(path, &len);
    check(len == 3 && memcmp(bytes, "old", 3) == 0, "%zu bytes", len);
    free(bytes);
    check(!nb_exists(test_path(test_tmpdir(), "kept.part")), "a part is left");
    save(r.s, path);
    check(nb_session_restore(r.s, path, &hooks, &err) == NB_CANCELED, "%s", err.msg);
    rig_close(&r);
}

/* Two runs to one name: the second must not empty what the first is about to publish. */
CHECK_TEST(session_file, a_part_that_another_run_writes_is_left_alone)
{
    char path[1024], part[1040];
    snprintf(path, sizeof path, "%s", test_path(test_tmpdir(), "shared"));
    snprintf(part, sizeof part, "%s.part", path);
    rig r;
    nb_err err = {0};
    int fd = -1;
    size_t len;
    rig_open(&r, "llama", (nb_session_options){.n_ctx = 64});
    feed(r.s, r.ids, 20, 0);
    check(nb_beside_open(&fd, part, 0600, &err) == NB_OK, "%s", err.msg);
    check(nb_pwrite_all(fd, "theirs", 6, 0, part, &err) == NB_OK, "%s", err.msg);
    check(nb_session_save(r.s, path, NULL, &err) == NB_REFUSED &&
              strstr(err.msg, "shared.part is being written by another run"),
          "%s", err.msg);
    check(nb_beside_end(fd, part, path, NB_OK, &err) == NB_OK, "%s", err.msg);
    char *bytes = test_slurp(path, &len);
    check(bytes && len == 6 && memcmp(bytes, "theirs", 6) == 0, "%zu bytes", len);
    free(bytes);
    test_spit(part, "left by a kill, and longer than nothing", 39);
    save(r.s, path);
    check(nb_session_restore(r.s, path, NULL, &err) == NB_OK, "%s", err.msg);
    check(mkfifo(part, 0600) == 0 && nb_session_save(r.s, path, NULL, &err) != NB_OK, "a pipe");
    rig_close(&r);
}

static child run(const char *const *args)
{
    child_how how = {0};
    for (int i = 0; i < CHILD_ARGS && args[i]; i++)
        how.args[i] = args[i];
    return child_run(&how);
}

static char *answer_of(const child *c)
{
    nb_json *doc = child_json(c);
    const char *text = "";
    check(nb_jstr(nb_jget(nb_jfirst(nb_jget(nb_json_root(doc), "answers")), "text"), &text), "%s",
          c->out);
    char *copy = strdup(text);
    nb_json_close(&doc);
    return copy;
}

/* The file holds prompt and answer; asked again, the model goes on from there and says the same. */
CHECK_TEST(session_file, chat_goes_on_from_a_file)
{
    const char *demo = NB_TEST_ROOT "/tests/data/nibble-demo";
    const char *path = test_path(test_tmpdir(), "chat.session");
    const char *args[] = {"chat", demo, "-p", "What is Q4_K?", "--session", path, "--json", NULL};
    nb_session_head h;
    nb_err err = {0};
    child first = run(args);
    check(first.code == 0, "%s", first.err);
    size_t len;
    char *bytes = test_slurp(path, &len);
    check(bytes && nb_session_head_read(&h, (uint8_t *)bytes, len, len, "chat", &err) == NB_OK,
          "%s", err.msg);
    for (uint64_t wrong = len - 1; wrong <= len + 1; wrong += 2)
        check(nb_session_head_read(&h, (uint8_t *)bytes, len, wrong, "chat", &err) == NB_FORMAT,
              "of %zu bytes, taken for %zu", (size_t)wrong, len);
    check(nb_session_head_read(&h, (uint8_t *)bytes, len, len, "chat", &err) == NB_OK, "again");
    check(h.n > 20, "%u tokens", h.n);
    child second = run(args);
    check(second.code == 0, "%s", second.err);
    char *a = answer_of(&first), *b = answer_of(&second);
    check(a[0] && strcmp(a, b) == 0, "\"%s\", then \"%s\"", a, b);
    test_spit(path, "nonsense", 8);
    child bad = run(args);
    check(bad.code == 3 && strstr(bad.err, "not a saved session"), "%d: %s", bad.code, bad.err);
    const char *const both[] = {"chat", demo, demo, "-p", "a", "--session", path, NULL};
    child two = run(both);
    check(two.code == 2 && strstr(two.err, "one model"), "%d: %s", two.code, two.err);
    free(a);
    free(b);
    free(bytes);
    child_free(&first);
    child_free(&second);
    child_free(&bad);
    child_free(&two);
}
