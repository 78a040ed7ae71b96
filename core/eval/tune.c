#include "core/eval/tune.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/job.h"
#include "core/base/json.h"
#include "kernels/cpu.h"

enum {
    ROWS = 256, /* a matrix that stays in L2 */
    DIFFERENT = NK_PANEL_ROWS,
    COLS = 1024,
    COLUMNS = 128,
    ROUNDS = 5,
    MAX_PASSES = 10000, /* of a round, should the clock stand still */
    MAX_FILE = 64 * 1024,
};
static const double ROUND_S = 0.005;

/* --- measuring ---------------------------------------------------------------------------------
 */

typedef struct bench {
    nk_matrix w;
    nk_pool *pool;
    float *x, *y;
    void *scratch;
    size_t tall; /* rows of a matrix for one column */
} bench;

static double seconds_of_pass(const bench *b, const nk_ops *ops, size_t m)
{
    double start = nb_seconds(), spent = 0;
    int passes = 0;
    while (spent < ROUND_S && passes < MAX_PASSES) {
        nk_matmul(ops, b->pool, b->y, b->w.rows, &b->w, b->x, m, b->scratch);
        passes++;
        spent = nb_seconds() - start;
    }
    return spent / passes;
}

/* The best of some rounds of each, in turn. */
static double gain_of(const bench *b, const nk_ops *ops, size_t m)
{
    double best[2] = {INFINITY, INFINITY};
    nk_ops narrow = *ops;
    memset(narrow.wide, 0, sizeof narrow.wide);
    memset(narrow.pairs, 0, sizeof narrow.pairs);
    for (int round = 0; round < ROUNDS; round++) {
        best[0] = fmin(best[0], seconds_of_pass(b, &narrow, m));
        best[1] = fmin(best[1], seconds_of_pass(b, ops, m));
    }
    return best[0] / best[1];
}

/* A few rows of noise, again and again. */
static nb_status encode_rows(bench *b, const nk_type *t, size_t rows, nb_err *err)
{
    uint64_t row_size = 0;
    if (!nk_row_size(t, COLS, &row_size))
        return nb_fail(err, NB_ERROR, "tune: %s has no rows of %d", t->name, COLS);
    char *data = nb_alloc(rows, row_size, "tune", err);
    if (!data)
        return NB_NOMEM;
    t->encode(b->x, data, DIFFERENT, COLS, NULL);
    for (size_t r = DIFFERENT; r < rows; r++)
        memcpy(data + r * row_size, data + r % DIFFERENT * row_size, row_size);
    b->w = (nk_matrix){
        .data = data, .type = t, .rows = rows, .cols = COLS, .row_size = (size_t)row_size};
    return NB_OK;
}

static nb_status gain_with(bench *b, const nk_ops *ops, const nk_type *t, size_t rows, size_t m,
                           double *gain, nb_err *err)
{
    NB_TRY(encode_rows(b, t, rows, err));
    *gain = gain_of(b, ops, m);
    free((void *)(uintptr_t)b->w.data);
    return NB_OK;
}

static nb_status measure(nb_tune *out, bench *b, const nk_ops *ops, const nb_hooks *hooks,
                         nb_err *err)
{
    size_t count;
    const nk_type *const *types = nk_type_all(&count);
    uint32_t state = 1;
    for (size_t i = 0; i < (size_t)COLUMNS * COLS; i++) {
        state = state * 1664525 + 1013904223;
        b->x[i] = (float)(int32_t)state * 0x1p-31f;
    }
    for (size_t i = 0; i < count; i++) {
        const nk_type *t = types[i];
        bool pairs = ops->pairs[t->id].run;
        if ((!ops->wide[t->id].run && !pairs) || !t->encode)
            continue;
        double gain, alone = 1;
        nb_report(hooks, &(nb_progress){.what = t->name, .done = i, .total = count});
        if (nb_canceled(hooks))
            return nb_fail(err, NB_CANCELED, "canceled");
        NB_TRY(gain_with(b, ops, t, ROWS, COLUMNS, &gain, err));
        if (pairs)
            NB_TRY(gain_with(b, ops, t, b->tall, 1, &alone, err));
        out->row[out->n++] = (nb_tune_row){t, alone < NB_TUNE_EVEN ? fmin(gain, alone) : gain};
    }
    return NB_OK;
}

nb_status nb_tune_run(nb_tune *out, const nk_ops *ops, nk_pool *pool, size_t bytes,
                      const nb_hooks *hooks, nb_err *err)
{
    nb_tune t = {0};
    nb_status st = NB_NOMEM;
    size_t tall = bytes / (COLS * sizeof(nk_f16)), y = COLUMNS * ROWS;
    bench b = {.pool = pool,
               .tall = tall,
               .x = nb_alloc((uint64_t)COLUMNS * COLS, sizeof *b.x, "tune", err),
               .y = nb_alloc(y < tall ? tall : y, sizeof *b.y, "tune", err),
               .scratch = nb_alloc(nk_matmul_scratch(COLS, COLUMNS), 1, "tune", err)};
    nk_cpu_model(t.cpu, sizeof t.cpu);
    if (b.x && b.y && b.scratch)
        st = measure(&t, &b, ops, hooks, err);
    free(b.x);
    free(b.y);
    free(b.scratch);
    if (st == NB_OK)
        *out = t;
    return st;
}

/* --- the file ----------------------------------------------------------------------------------
 */

static bool path_of(const nb_config *cfg, char *path, size_t cap)
{
    return cfg->writable && nb_path_join(path, cap, cfg->state_dir, "tune.json");
}

nb_status nb_tune_save(const nb_config *cfg, const nb_tune *t, nb_err *err)
{
    char path[1100];
    nb_str text = {0};
    if (!path_of(cfg, path, sizeof path))
        return nb_fail(err, NB_REFUSED, "tune: there is no folder to remember it in");
    NB_TRY(nb_mkdirs(cfg->state_dir, err));
    nb_jout w = nb_jout_make(&text);
    nb_jout_object(&w);
    nb_jout_key(&w, "version"), nb_jout_str(&w, NB_VERSION);
    nb_jout_key(&w, "cpu"), nb_jout_str(&w, t->cpu);
    nb_jout_key(&w, "gain");
    nb_jout_object(&w);
    for (size_t i = 0; i < t->n; i++)
        nb_jout_key(&w, t->row[i].type->name), nb_jout_double(&w, t->row[i].gain);
    nb_jout_object_end(&w);
    nb_jout_object_end(&w);
    nb_status st = text.failed ? nb_fail(err, NB_NOMEM, "tune: no memory for its text")
                               : nb_replace_file(path, nb_str_c(&text), text.len, 0, err);
    nb_str_free(&text);
    return st;
}

static bool is_text(const nb_jval *object, const char *key, const char *want)
{
    const char *text;
    return nb_jstr(nb_jget(object, key), &text) && strcmp(text, want) == 0;
}

/* Marks the types that won, and flat blocks with what they are made of: the products are the same.
 */
static void read_wins(const nb_config *cfg, bool won[NK_TYPE_SLOTS])
{
    char path[1100], cpu[96];
    nb_json *doc = NULL;
    if (!path_of(cfg, path, sizeof path) || nb_json_load(&doc, path, MAX_FILE, NULL) != NB_OK)
        return;
    const nb_jval *root = nb_json_root(doc);
    nk_cpu_model(cpu, sizeof cpu);
    if (is_text(root, "version", NB_VERSION) && is_text(root, "cpu", cpu))
        for (const nb_jval *v = nb_jfirst(nb_jget(root, "gain")); v; v = nb_jnext(v)) {
            const nk_type *t = nb_jkey(v) ? nk_type_find(nb_jkey(v)) : NULL;
            double gain;
            if (t && nb_jnum(v, &gain))
                won[t->id] = gain >= NB_TUNE_WIN;
            const nk_type *flat = t ? nk_flat_of(t) : NULL;
            if (flat)
                won[flat->id] = won[flat->id] || won[t->id];
        }
    nb_json_close(&doc);
}

void nb_tune_apply(const nb_config *cfg, const char *level, nk_ops *ops)
{
    bool won[NK_TYPE_SLOTS] = {false}, any = false;
    if (!(ops->flags & NK_CPU_AMX) || strcmp(level, "amx") == 0)
        return;
    read_wins(cfg, won);
    for (size_t i = 0; i < NK_TYPE_SLOTS; i++) {
        if (!won[i]) {
            ops->wide[i] = (nk_wide){0};
            ops->pairs[i] = (nk_pairs){0};
        }
        any = any || ops->wide[i].run || ops->pairs[i].run;
    }
    if (!any)
        ops->flags &= ~(unsigned)NK_CPU_AMX;
}
