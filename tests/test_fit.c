/* One memory figure: its words at the borders, and its parts against what a session really holds
 * (tui 21, A12). */
#include "tests/arch_rows.h"
#include "tests/arch_tiny.h"
#include "tests/check.h"
#include "tests/quantize.h"
#include "tests/util.h"

#include <stdio.h>
#include <string.h>

#include "core/base/config.h"
#include "core/files/library.h"
#include "core/quant/fit.h"

static nb_hparams shape_hparams(const nb_shape *s)
{
    return (nb_hparams){.n_layer = s->n_layer,
                        .n_embd = s->n_embd,
                        .n_head = s->n_head,
                        .n_head_kv = s->n_head_kv,
                        .head_dim = s->head_dim,
                        .n_ff = s->n_ff,
                        .n_vocab = s->n_vocab,
                        .n_rot = s->head_dim,
                        .n_ctx_train = s->n_ctx};
}

CHECK_TEST(fit, words_change_at_their_borders)
{
    nb_hparams hp = shape_hparams(nb_shape_find("llama-1.1b"));
    uint64_t weights = 600u << 20;
    nb_fit f = nb_fit_of(&hp, weights, 2048, false, UINT64_MAX);
    uint64_t held = f.kv + f.compute, total = f.total;
    check(f.total == weights + held && f.ctx == 2048, "the sum is shown whole");
    static const struct {
        const char *what;
        int at; /* 0 total, 1 held, 2 total / 0.85 */
        int64_t plus;
        nb_fit_word want;
    } row[] = {
        {"nothing free", 1, -1, NB_NO},
        {"what cannot be paged just fits", 1, 0, NB_PAGES},
        {"one byte short of all", 0, -1, NB_PAGES},
        {"all, nothing left", 0, 0, NB_TIGHT},
        {"just under 15 % left", 2, -4096, NB_TIGHT},
        {"just over 15 % left", 2, 4096, NB_FITS},
    };
    for (size_t i = 0; i < countof(row); i++) {
        uint64_t base = row[i].at == 0 ? total : row[i].at == 1 ? held : total / 85 * 100;
        nb_fit g = nb_fit_of(&hp, weights, 2048, false, base + (uint64_t)row[i].plus);
        check(g.word == row[i].want, "%s: %s", row[i].what, nb_fit_name(g.word));
    }
    check(nb_fit_of(&hp, UINT64_MAX - 5, 2048, false, 1u << 30).total == UINT64_MAX, "overflow");
    check(strcmp(nb_fit_name(NB_PAGES), "PAGES") == 0, "names");
}

/* A12: 30 pairs of shape and context; the parts grow as their formulas say. */
CHECK_TEST(fit, parts_follow_shape_and_context)
{
    size_t n;
    const nb_shape *s = nb_shapes(&n);
    for (size_t i = 0; i < n; i++) {
        nb_hparams hp = shape_hparams(&s[i]);
        uint64_t last = 0;
        for (uint32_t ctx = 128; ctx <= 4096 && ctx <= s[i].n_ctx; ctx *= 2) {
            nb_fit f16 = nb_fit_of(&hp, 1, ctx, false, 1u << 30);
            nb_fit f32 = nb_fit_of(&hp, 1, ctx, true, 1u << 30);
            uint64_t row = 2ull * hp.n_layer * hp.n_head_kv * hp.head_dim;
            check(f16.kv >= row * ctx * 2 && f16.kv < row * ctx * 2 + (1u << 20),
                  "%s at %u: KV %llu", s[i].name, ctx, (unsigned long long)f16.kv);
            check(f32.kv >= 2 * row * ctx * 2, "%s: F32 cache", s[i].name);
            check(f16.total > last, "%s: grows with the context", s[i].name);
            last = f16.total;
        }
    }
}

/* A small model at three contexts: predicted = what the session reports, and RSS grows by no more
 * than the prediction + 16 MiB. */
CHECK_TEST(fit, prediction_is_what_a_session_takes)
{
    nb_weights *w = quant_open(quant_source("Q8_0"));
    nb_model *m = NULL;
    nb_err err = {0};
    check(nb_model_open(&m, w, &err) == NB_OK, "%s", err.msg);
    for (uint32_t ctx = 32; ctx <= 128; ctx *= 2) {
        nb_session_options opt = {.n_ctx = ctx};
        nb_session *s = NULL;
        uint64_t kv, scratch, before = nb_rss();
        nb_fit f = nb_fit_of(&m->hp, nb_weights_file_bytes(w), ctx, false, 1u << 30);
        check(nb_session_open(&s, m, quant_ops(), NULL, &opt, &err) == NB_OK, "%s", err.msg);
        nb_session_bytes(s, &kv, &scratch);
        check(f.kv == kv && f.compute == scratch, "predicted %llu + %llu, held %llu + %llu",
              (unsigned long long)f.kv, (unsigned long long)f.compute, (unsigned long long)kv,
              (unsigned long long)scratch);
        int32_t ids[128];
        for (uint32_t i = 0; i < ctx; i++)
            ids[i] = (int32_t)(i % 300);
        check(nb_session_feed(s, ids, ctx, NULL, NULL, &err) == NB_OK, "%s", err.msg);
        check(nb_rss() < before + f.total + (16u << 20), "RSS grew by %llu, predicted %llu",
              (unsigned long long)(nb_rss() - before), (unsigned long long)f.total);
        nb_session_close(&s);
    }
    nb_model_close(&m);
    nb_weights_close(&w);
}

/* A long context takes memory as it fills up. */
CHECK_TEST(fit, a_cache_that_is_not_used_takes_no_memory)
{
    nb_weights *w = quant_open(quant_source("Q8_0"));
    nb_model *m = NULL;
    nb_session *s = NULL;
    nb_err err = {0};
    check(nb_model_open(&m, w, &err) == NB_OK, "%s", err.msg);
    nb_session_options opt = {.n_ctx = 1u << 17};
    uint64_t kv, scratch, before = nb_rss();
    check(nb_session_open(&s, m, quant_ops(), NULL, &opt, &err) == NB_OK, "%s", err.msg);
    nb_session_bytes(s, &kv, &scratch);
    int32_t ids[300];
    for (int32_t i = 0; i < 300; i++)
        ids[i] = i;
    check(nb_session_feed(s, ids, 300, NULL, NULL, &err) == NB_OK, "%s", err.msg);
    uint64_t used = nb_rss() - before, most = kv / 16 + scratch + (4u << 20);
    check(most < kv && used < most, "%llu bytes of %llu for 300 of %u tokens",
          (unsigned long long)used, (unsigned long long)kv, opt.n_ctx);
    nb_session_close(&s);
    nb_model_close(&m);
    nb_weights_close(&w);
}

/* What a listing tells of a model before it is opened is what the opened one needs. */
static void check_listed(const char *path, const char *label)
{
    nb_config cfg = {.no_color = true};
    nb_library *lib = NULL;
    nb_weights *w = quant_open(path);
    nb_hparams hp;
    nb_err err = {0};
    check(nb_library_scan(&lib, &cfg, &path, 1, NULL, &err) == NB_OK, "%s", err.msg);
    const nb_entry *e = NULL;
    for (size_t i = 0; i < nb_library_count(lib) && !e; i++)
        if (strcmp(nb_library_at(lib, i)->path, path) == 0)
            e = nb_library_at(lib, i);
    check(e && !e->problem[0], "%s: %s", label, e ? e->problem : "not listed");
    check(nb_hparams_read(&hp, nb_weights_kvs(w), &err) == NB_OK, "%s: %s", label, err.msg);
    nb_hparams listed = nb_fit_hparams(e);
    for (uint32_t ctx = 32; ctx <= 64; ctx += 32) {
        nb_fit want = nb_fit_of(&hp, e->bytes, ctx, false, 1u << 30);
        nb_fit have = nb_fit_of(&listed, e->bytes, ctx, false, 1u << 30);
        check(have.kv == want.kv && have.compute == want.compute,
              "%s at %u: listed %llu + %llu, opened %llu + %llu", label, ctx,
              (unsigned long long)have.kv, (unsigned long long)have.compute,
              (unsigned long long)want.kv, (unsigned long long)want.compute);
    }
    nb_library_close(&lib);
    nb_weights_close(&w);
}

CHECK_TEST(fit, a_listing_knows_experts_windows_and_all_else_of_a_gguf)
{
    const arch_row *rows;
    size_t n = arch_rows(&rows);
    for (size_t i = 0; i < n; i++) {
        const char *path = test_path(test_tmpdir(), "listed.gguf");
        arch_row_write(path, &rows[i], NK_F32);
        check_listed(path, rows[i].label);
    }
}

CHECK_TEST(fit, a_listing_knows_them_of_a_hugging_face_folder)
{
    const char *const *names;
    size_t n = arch_tiny_names(&names);
    for (size_t i = 0; i < n; i++) {
        char dir[1024];
        snprintf(dir, sizeof dir, "%s", test_path(test_tmpdir(), names[i]));
        arch_tiny_make(dir, names[i]);
        check_listed(dir, names[i]);
    }
}
