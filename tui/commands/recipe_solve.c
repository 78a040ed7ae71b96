#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/files/library.h"
#include "core/quant/budget.h"
#include "core/quant/solve.h"
#include "tui/commands/recipe.h"
#include "tui/widgets/w_dots.h"

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

static nb_status size_option(uint64_t *out, const ui_arg *a, const char *name, nb_err *err)
{
    return nb_size_read(a->text, out)
               ? NB_OK
               : nb_fail(err, NB_USAGE, "--%s: \"%s\" is no size: 4MB, 7.5GB", name, a->text);
}

static nb_status read_budget(work *w, nb_err *err)
{
    const ui_arg *o = w->ctx->opt;
    nb_budget b = {.bpw = o[R_BPW].num, .ctx = o[R_CTX].set ? (uint32_t)o[R_CTX].i : 0};
    if (o[R_SIZE].set + o[R_BPW].set + o[R_RAM].set > 1)
        return nb_fail(err, NB_USAGE, "--size, --bpw, --ram: one of them");
    if (o[R_CTX].set && !o[R_RAM].set)
        return nb_fail(err, NB_USAGE, "--ctx: --ram is missing");
    if (o[R_SAVE].set && !(o[R_SIZE].set || o[R_BPW].set || o[R_RAM].set))
        return nb_fail(err, NB_USAGE, "--save: --size, --bpw or --ram is missing");
    b.kind = o[R_SIZE].set  ? NB_BUDGET_SIZE
             : o[R_RAM].set ? NB_BUDGET_RAM
             : o[R_BPW].set ? NB_BUDGET_BPW
                            : NB_BUDGET_NONE;
    if (o[R_SIZE].set)
        NB_TRY(size_option(&b.bytes, &o[R_SIZE], "size", err));
    if (o[R_RAM].set)
        NB_TRY(size_option(&b.bytes, &o[R_RAM], "ram", err));
    return b.kind ? nb_budget_bytes(&b, &w->plan, &w->budget, err) : NB_OK;
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

enum { PLOT_W = 56, PLOT_H = 12 };

static void print_plot(const nb_solve *s)
{
    char lo[16], hi[16], number[48];
    uint8_t cells[PLOT_W * PLOT_H];
    ui_dots p = {.w = PLOT_W, .h = PLOT_H, .cell = cells};
    size_t n = ui_dots_front(&p, s->front, s->n_front);
    if (!n)
        return;
    for (int y = 0; y < PLOT_H; y++) {
        bool edge = y == 0 || y == PLOT_H - 1;
        double at = y == 0 ? s->front[0].damage : s->front[n - 1].damage;
        printf("%9s ", edge ? nb_fmt_fixed(number, at, at < 0.1 ? 5 : 3) : "");
        for (int x = 0; x < PLOT_W; x++) {
            char utf8[UI_DOTS_UTF8];
            fputs(ui_dots_text(&p, x, y, utf8), stdout);
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
