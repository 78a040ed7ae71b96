#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/files/library.h"
#include "core/model/session.h"
#include "core/quant/solve.h"
#include "tui/commands/recipe.h"

typedef struct work {
    ui_ctx *ctx;
    nb_weights *weights;
    nb_imatrix *imatrix;
    nb_plan plan, solved; /* of the model as it is; of the recipe found */
    nb_solve solve;
    nb_recipe recipe;
    nb_front_point picked;
    uint64_t budget; /* bytes of the file; 0 = none given */
} work;

/* --- budget ------------------------------------------------------------------------------------
 */

/* "4MB", "7.5G", "512MiB", "3500000". */
static bool read_size(const char *text, uint64_t *out)
{
    static const char unit[] = "kMGT";
    char number[32];
    size_t n = strspn(text, "0123456789."), len = strlen(text);
    double base = 1000, v;
    if (n == 0 || n >= sizeof number)
        return false;
    snprintf(number, sizeof number, "%.*s", (int)n, text);
    const char *p = text + n, *at = *p ? strchr(unit, *p == 'K' ? 'k' : *p) : NULL;
    p += at != NULL;
    if (at && *p == 'i') {
        base = 1024;
        p++;
    }
    p += *p == 'B';
    if (p != text + len || !nb_parse_double(number, &v))
        return false;
    for (const char *u = unit; at && u <= at; u++)
        v *= base;
    *out = v < 1e18 ? (uint64_t)v : 0;
    return v >= 1 && v < 1e18;
}

static nb_status size_option(uint64_t *out, const ui_arg *a, const char *name, nb_err *err)
{
    return read_size(a->text, out)
               ? NB_OK
               : nb_fail(err, NB_USAGE, "--%s: \"%s\" is no size: 4MB, 7.5GB", name, a->text);
}

/* What is left of the memory for the file, the KV cache and buffers taken off. */
static nb_status ram_budget(work *w, nb_err *err)
{
    const ui_arg *o = w->ctx->opt;
    nb_hparams hp;
    uint64_t ram, kv, compute;
    nb_session_options opt = {.n_ctx = o[R_CTX].set ? (uint32_t)o[R_CTX].i : 0};
    NB_TRY(size_option(&ram, &o[R_RAM], "ram", err));
    NB_TRY(nb_hparams_read(&hp, nb_weights_kvs(w->weights), err));
    nb_session_plan(&hp, &opt, &kv, &compute);
    if (kv >= ram || compute >= ram - kv) {
        char a[16], b[16];
        return nb_fail(err, NB_NOTFOUND, "--ram: KV cache and buffers alone take %s of %s",
                       nb_human_bytes(a, kv + compute), nb_human_bytes(b, ram));
    }
    w->budget = ram - kv - compute;
    return NB_OK;
}

static nb_status read_budget(work *w, nb_err *err)
{
    const ui_arg *o = w->ctx->opt;
    if (o[R_SIZE].set + o[R_BPW].set + o[R_RAM].set > 1)
        return nb_fail(err, NB_USAGE, "--size, --bpw, --ram: one of them");
    if (o[R_CTX].set && !o[R_RAM].set)
        return nb_fail(err, NB_USAGE, "--ctx: --ram is missing");
    if (o[R_SAVE].set && !(o[R_SIZE].set || o[R_BPW].set || o[R_RAM].set))
        return nb_fail(err, NB_USAGE, "--save: --size, --bpw or --ram is missing");
    if (o[R_SIZE].set)
        return size_option(&w->budget, &o[R_SIZE], "size", err);
    if (o[R_RAM].set)
        return ram_budget(w, err);
    if (o[R_BPW].set) /* of tensors; the header comes on top */
        w->budget = w->plan.header.len + (uint64_t)(o[R_BPW].num * (double)w->plan.params / 8);
    return NB_OK;
}

static nb_status read_types(nk_type_id *types, size_t *n, const ui_arg *a, nb_err *err)
{
    *n = 0;
    for (const char *p = a->set ? a->text : ""; *p;) {
        char name[24];
        size_t len = strcspn(p, ",");
        if (len >= sizeof name || *n == NB_MAX_CHOICES)
            return nb_fail(err, NB_USAGE, "--types: \"%s\" is no list of types", a->text);
        memcpy(name, p, len);
        name[len] = '\0';
        NB_TRY(nb_recipe_type(name, &types[(*n)++], err));
        p += len + (p[len] == ',');
    }
    return NB_OK;
}

/* --- work --------------------------------------------------------------------------------------
 */

static nb_status open_model(work *w, nb_err *err)
{
    const ui_arg *o = w->ctx->opt;
    char path[1024];
    nb_recipe r;
    if (w->ctx->n_args != 2)
        return nb_fail(err, NB_USAGE, "usage: nibble recipe solve MODEL --size 4MB");
    NB_TRY(nb_library_resolve(&w->ctx->cfg, w->ctx->args[1], path, sizeof path, err));
    NB_TRY(nb_weights_open(&w->weights, path, err));
    if (o[R_IMATRIX].set)
        NB_TRY(nb_imatrix_open(&w->imatrix, o[R_IMATRIX].text, err));
    nb_recipe_init(&r, nb_preset_find("Q4_0")); /* encodes every tensor, so that it has its entry */
    r.imatrix = w->imatrix;
    return nb_plan_make(&w->plan, &r, w->weights, true, err);
}

static nb_status find_recipe(work *w, nb_err *err)
{
    const ui_arg *o = w->ctx->opt;
    nk_type_id types[NB_MAX_CHOICES];
    size_t n;
    nk_pool *pool = NULL;
    nb_hooks hooks = ui_ctx_hooks(w->ctx);
    NB_TRY(read_types(types, &n, &o[R_TYPES], err));
    NB_TRY(nb_solve_open(&w->solve, &w->plan, types, n, err));
    if (o[R_SENSITIVITY].set)
        NB_TRY(nb_solve_sensitivity(&w->solve, o[R_SENSITIVITY].text, err));
    NB_TRY(nk_pool_open(&pool, w->ctx->threads, err));
    nb_status st = nb_solve_measure(&w->solve, &w->ctx->ops, pool, &hooks, err);
    nk_pool_close(&pool);
    ui_ctx_done(w->ctx);
    if (st != NB_OK || !w->budget)
        return st;
    NB_TRY(nb_solve_pick(&w->solve, w->budget, &w->picked, err));
    NB_TRY(nb_solve_recipe(&w->solve, &w->recipe, err));
    w->recipe.imatrix = w->imatrix;
    return nb_plan_make(&w->solved, &w->recipe, w->weights, true, err);
}

/* --- the front ---------------------------------------------------------------------------------
 */

enum { PLOT_W = 56, PLOT_H = 12, DOTS_W = 2 * PLOT_W, DOTS_H = 4 * PLOT_H };

/* Braille cells are 2 x 4 dots: bit of the dot at x, y of its cell (Unicode 2800). */
static const uint8_t dot_bit[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};

typedef struct plot {
    uint8_t cell[PLOT_H][PLOT_W];
    double x0, x1, y0, y1; /* bytes; log10 of damage */
} plot;

static void put_dot(plot *p, double bytes, double damage)
{
    double x = p->x1 > p->x0 ? (bytes - p->x0) / (p->x1 - p->x0) : 0;
    double y = p->y1 > p->y0 ? (log10(damage) - p->y0) / (p->y1 - p->y0) : 0;
    int dx = (int)(x * (DOTS_W - 1) + 0.5), dy = (int)((1 - y) * (DOTS_H - 1) + 0.5);
    if (dx >= 0 && dx < DOTS_W && dy >= 0 && dy < DOTS_H)
        p->cell[dy / 4][dx / 2] |= dot_bit[dy % 4][dx % 2];
}

static void print_plot(const nb_solve *s)
{
    plot p;
    char lo[16], hi[16], number[48];
    size_t n = s->n_front;
    while (n > 1 && !(s->front[n - 1].damage > 0)) /* exact files have no place on a log scale */
        n--;
    if (!(s->front[0].damage > 0))
        return;
    p = (plot){.x0 = (double)s->front[0].bytes,
               .x1 = (double)s->front[n - 1].bytes,
               .y0 = log10(s->front[n - 1].damage),
               .y1 = log10(s->front[0].damage)};
    for (size_t i = 0; i < n; i++)
        put_dot(&p, (double)s->front[i].bytes, s->front[i].damage);
    for (int y = 0; y < PLOT_H; y++) {
        bool edge = y == 0 || y == PLOT_H - 1;
        double at = y == 0 ? s->front[0].damage : s->front[n - 1].damage;
        printf("%9s ", edge ? nb_fmt_fixed(number, at, at < 0.1 ? 5 : 3) : "");
        for (int x = 0; x < PLOT_W; x++) {
            char utf8[5] = {0};
            nb_utf8_put(0x2800u + p.cell[y][x], utf8);
            fputs(p.cell[y][x] ? utf8 : " ", stdout);
        }
        putchar('\n');
    }
    nb_human_bytes(lo, s->front[0].bytes);
    nb_human_bytes(hi, s->front[n - 1].bytes);
    printf("  damage  %s%*s\n", lo, PLOT_W - (int)strlen(lo), hi);
}

static void print_front(const nb_solve *s)
{
    enum { LINES = 8 };
    char bytes[16], bpw[48], damage[48];
    print_plot(s);
    for (size_t i = 0; i < LINES && i < s->n_front; i++) {
        const nb_front_point *f =
            &s->front[s->n_front <= LINES ? i : i * (s->n_front - 1) / (LINES - 1)];
        printf("%9s  %s bits per weight  damage %s\n", nb_human_bytes(bytes, f->bytes),
               nb_fmt_fixed(bpw, f->bpw, 3), nb_fmt_fixed(damage, f->damage, 5));
    }
}

/* --- saying it ---------------------------------------------------------------------------------
 */

static void print_solution(const work *w)
{
    char budget[16], bytes[16], bpw[48], damage[48];
    if (!w->budget) {
        printf("--size, --bpw or --ram picks one of them\n");
        return;
    }
    printf("budget %s: %s, %s bits per weight, damage %s\n", nb_human_bytes(budget, w->budget),
           nb_human_bytes(bytes, w->solved.file_bytes), nb_fmt_fixed(bpw, w->solved.bpw, 3),
           nb_fmt_fixed(damage, w->picked.damage, 5));
    for (size_t i = 0; i < w->recipe.n_rules; i++)
        printf("  %s=%s\n", w->recipe.rule[i].pattern, nk_type_get(w->recipe.rule[i].type)->name);
}

static void print_json(const work *w)
{
    nb_str text = {0};
    nb_jout j = nb_jout_make(&text);
    nb_jout_object(&j);
    nb_jout_key(&j, "model"), nb_jout_str(&j, nb_weights_path(w->weights));
    nb_jout_key(&j, "front"), nb_jout_array(&j);
    for (size_t i = 0; i < w->solve.n_front; i++) {
        const nb_front_point *f = &w->solve.front[i];
        nb_jout_object(&j);
        nb_jout_key(&j, "bytes"), nb_jout_u64(&j, f->bytes);
        nb_jout_key(&j, "bpw"), nb_jout_double(&j, f->bpw);
        nb_jout_key(&j, "damage"), nb_jout_double(&j, f->damage);
        nb_jout_object_end(&j);
    }
    nb_jout_array_end(&j);
    if (w->budget) {
        nb_jout_key(&j, "budget"), nb_jout_u64(&j, w->budget);
        nb_jout_key(&j, "damage"), nb_jout_double(&j, w->picked.damage);
        nb_jout_key(&j, "predicted"), nb_jout_u64(&j, w->picked.bytes);
        ui_recipe_json(&j, &w->recipe, &w->solved);
    }
    nb_jout_object_end(&j);
    puts(nb_str_c(&text));
    nb_str_free(&text);
}

nb_status ui_recipe_solve(ui_ctx *ctx, nb_err *err)
{
    work w = {.ctx = ctx};
    nb_status st = open_model(&w, err);
    if (st == NB_OK)
        st = read_budget(&w, err);
    if (st == NB_OK)
        st = find_recipe(&w, err);
    if (st == NB_OK && ctx->json) {
        print_json(&w);
    } else if (st == NB_OK) {
        print_front(&w.solve);
        print_solution(&w);
    }
    if (st == NB_OK && ctx->opt[R_SAVE].set)
        st = ui_recipe_keep(ctx, &w.recipe, ctx->opt[R_SAVE].text, err);
    nb_solve_close(&w.solve);
    nb_plan_free(&w.solved);
    nb_plan_free(&w.plan);
    nb_imatrix_close(&w.imatrix);
    nb_weights_close(&w.weights);
    return st;
}
