#include "tui/commands/show_diff.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/quant/diff.h"

/* What is kept of a pair of tensors. */
typedef struct pair {
    const nb_view *a, *b;
    const char *skip; /* why the values were not compared; NULL = they were */
    bool equal;       /* every value is, NaN aside */
    double rel, max, cosine;
} pair;

typedef struct pairs {
    const nb_weights *a, *b;
    pair *row; /* [n] owned: tensors of b that a has */
    size_t n;
} pairs;

static nb_status compare_pair(pair *p, const pairs *all, const nk_ops *ops, const nb_hooks *hooks,
                              nb_err *err)
{
    const nk_type *type = nk_type_get(p->b->t.type);
    const nb_view *a = nb_diff_twin(all->a, p->b, &p->skip);
    if (a && (!type || !type->decode))
        p->skip = "a type that cannot be decoded";
    if (p->skip)
        return NB_OK;
    nb_diff *d = nb_alloc(1, sizeof *d, "figures of a tensor", err);
    if (!d)
        return NB_NOMEM;
    nb_status st = nb_diff_read(d, p->b, a, ops, hooks, err);
    p->rel = nb_stats_rel_rmse(&d->stats);
    p->max = fabs((double)d->stats.max_err);
    p->cosine = nb_diff_cosine(d);
    p->equal = !(d->stats.sum_err2 > 0) && !d->stats.n_nan && !d->stats.n_inf;
    free(d);
    return st;
}

static nb_status compare_all(pairs *p, ui_ctx *ctx, nb_err *err)
{
    nb_hooks hooks = ui_ctx_hooks(ctx), quiet = {NULL, hooks.canceled, hooks.ud};
    size_t n = nb_weights_count(p->b);
    p->row = nb_alloc(n ? n : 1, sizeof *p->row, "table of tensors", err);
    if (!p->row)
        return NB_NOMEM;
    for (size_t i = 0; i < n; i++) {
        const nb_view *v = nb_weights_at(p->b, i), *a = nb_weights_find(p->a, v->t.name);
        nb_report(&hooks, &(nb_progress){.what = v->t.name, .done = i, .total = n});
        if (!a)
            continue;
        p->row[p->n] = (pair){.a = a, .b = v};
        NB_TRY(compare_pair(&p->row[p->n++], p, &ctx->ops, &quiet, err));
    }
    ui_ctx_done(ctx);
    if (nb_weights_lost(p->a) || nb_weights_lost(p->b))
        return nb_fail(err, NB_IO, "a file was changed while it was read");
    return NB_OK;
}

/* --- keys --------------------------------------------------------------------------------------
 */

static bool key_text(const nb_kvs *kvs, const char *key, char out[200])
{
    for (size_t i = 0; i < nb_kvs_count(kvs); i++)
        if (strcmp(nb_kvs_at(kvs, i)->key, key) == 0) {
            nb_kv_text(nb_kvs_at(kvs, i), out, 200);
            return true;
        }
    return false;
}

/* fn for each key of the two that differs; a or b NULL: it has no such key. Arrays are told by
 * length and type alone. */
static size_t differing_keys(const pairs *p,
                             void (*fn)(void *arg, const char *key, const char *a, const char *b),
                             void *arg)
{
    const nb_kvs *x = nb_weights_kvs(p->a), *y = nb_weights_kvs(p->b);
    char mine[200], theirs[200];
    size_t n = 0;
    for (int side = 0; side < 2; side++)
        for (size_t i = 0; i < nb_kvs_count(side ? y : x); i++) {
            const char *key = nb_kvs_at(side ? y : x, i)->key;
            bool in_a = key_text(x, key, mine), in_b = key_text(y, key, theirs);
            if ((side && in_a) || (in_a && in_b && strcmp(mine, theirs) == 0))
                continue;
            fn(arg, key, in_a ? mine : NULL, in_b ? theirs : NULL);
            n++;
        }
    return n;
}

/* --- text --------------------------------------------------------------------------------------
 */

static const char *type_name(const nb_view *v)
{
    const nk_type *t = nk_type_get(v->t.type);
    return t ? t->name : "?";
}

static void print_key(void *arg, const char *key, const char *a, const char *b)
{
    char line[512];
    (void)arg;
    snprintf(line, sizeof line, "  %-40s %s -> %s", key, a ? a : "none", b ? b : "none");
    ui_print_line(line);
}

static void print_pair(const pair *p)
{
    char line[256], bytes[16];
    if (p->skip)
        snprintf(line, sizeof line, "%-32.60s %-7s %-7s %9s  not compared: %s", p->b->t.name,
                 type_name(p->a), type_name(p->b), nb_human_bytes(bytes, p->b->t.nbytes), p->skip);
    else
        snprintf(line, sizeof line, "%-32.60s %-7s %-7s %9s %8.3f %10.4g %9.6f%s", p->b->t.name,
                 type_name(p->a), type_name(p->b), nb_human_bytes(bytes, p->b->t.nbytes),
                 100 * p->rel, p->max, p->cosine, p->equal ? "  equal" : "");
    ui_print_line(line);
}

static size_t print_only(const nb_weights *in, const nb_weights *not_in)
{
    size_t n = 0;
    char line[512];
    for (size_t i = 0; i < nb_weights_count(in); i++) {
        const char *name = nb_weights_at(in, i)->t.name;
        if (nb_weights_find(not_in, name))
            continue;
        snprintf(line, sizeof line, "  %.80s only in %.400s", name, nb_weights_path(in));
        ui_print_line(line);
        n++;
    }
    return n;
}

static void print_text(const pairs *p)
{
    size_t equal = 0, worst = SIZE_MAX;
    printf("%-32s %-7s %-7s %9s %8s %10s %9s\n", "tensor", "a", "b", "bytes of b", "rms, %",
           "max error", "cosine");
    for (size_t i = 0; i < p->n; i++) {
        const pair *r = &p->row[i];
        print_pair(r);
        equal += r->equal && !r->skip;
        if (!r->skip && !r->equal && (worst == SIZE_MAX || r->rel > p->row[worst].rel))
            worst = i;
    }
    printf("\n%zu tensors in both, %zu of them equal", p->n, equal);
    if (worst != SIZE_MAX)
        printf("; most differs ");
    nb_str s = {0};
    if (worst != SIZE_MAX)
        nb_str_addf(&s, "%s: %.2f %%", p->row[worst].b->t.name, 100 * p->row[worst].rel);
    ui_print_line(nb_str_c(&s));
    nb_str_free(&s);
    print_only(p->a, p->b);
    print_only(p->b, p->a);
    printf("keys that differ:\n");
    if (!differing_keys(p, print_key, NULL))
        printf("  none\n");
}

/* --- JSON --------------------------------------------------------------------------------------
 */

static void pair_json(nb_jout *j, const pair *p)
{
    nb_jout_object(j);
    nb_jout_key(j, "name"), nb_jout_str(j, p->b->t.name);
    nb_jout_key(j, "shape"), nb_jout_array(j);
    for (uint32_t d = 0; d < p->b->t.n_dims; d++)
        nb_jout_u64(j, p->b->t.shape[d]);
    nb_jout_array_end(j);
    nb_jout_key(j, "a_type"), nb_jout_str(j, type_name(p->a));
    nb_jout_key(j, "b_type"), nb_jout_str(j, type_name(p->b));
    nb_jout_key(j, "a_bytes"), nb_jout_u64(j, p->a->t.nbytes);
    nb_jout_key(j, "b_bytes"), nb_jout_u64(j, p->b->t.nbytes);
    if (p->skip) {
        nb_jout_key(j, "skipped"), nb_jout_str(j, p->skip);
    } else {
        nb_jout_key(j, "equal"), nb_jout_bool(j, p->equal);
        nb_jout_key(j, "rel_rmse"), nb_jout_double(j, p->rel);
        nb_jout_key(j, "max_error"), nb_jout_double(j, p->max);
        nb_jout_key(j, "cosine"), nb_jout_double(j, p->cosine);
    }
    nb_jout_object_end(j);
}

static void only_json(nb_jout *j, const char *key, const nb_weights *in, const nb_weights *not_in)
{
    nb_jout_key(j, key), nb_jout_array(j);
    for (size_t i = 0; i < nb_weights_count(in); i++)
        if (!nb_weights_find(not_in, nb_weights_at(in, i)->t.name))
            nb_jout_str(j, nb_weights_at(in, i)->t.name);
    nb_jout_array_end(j);
}

static void key_json(void *arg, const char *key, const char *a, const char *b)
{
    nb_jout *j = arg;
    nb_jout_object(j);
    nb_jout_key(j, "key"), nb_jout_str(j, key);
    nb_jout_key(j, "a");
    if (a)
        nb_jout_str(j, a);
    else
        nb_jout_null(j);
    nb_jout_key(j, "b");
    if (b)
        nb_jout_str(j, b);
    else
        nb_jout_null(j);
    nb_jout_object_end(j);
}

static void print_json(const pairs *p)
{
    nb_str text = {0};
    nb_jout j = nb_jout_make(&text);
    nb_jout_object(&j);
    nb_jout_key(&j, "a"), nb_jout_str(&j, nb_weights_path(p->a));
    nb_jout_key(&j, "b"), nb_jout_str(&j, nb_weights_path(p->b));
    nb_jout_key(&j, "a_bytes"), nb_jout_u64(&j, nb_weights_file_bytes(p->a));
    nb_jout_key(&j, "b_bytes"), nb_jout_u64(&j, nb_weights_file_bytes(p->b));
    nb_jout_key(&j, "tensors"), nb_jout_array(&j);
    for (size_t i = 0; i < p->n; i++)
        pair_json(&j, &p->row[i]);
    nb_jout_array_end(&j);
    only_json(&j, "only_a", p->a, p->b);
    only_json(&j, "only_b", p->b, p->a);
    nb_jout_key(&j, "keys"), nb_jout_array(&j);
    differing_keys(p, key_json, &j);
    nb_jout_array_end(&j);
    nb_jout_object_end(&j);
    puts(nb_str_c(&text));
    nb_str_free(&text);
}

nb_status ui_show_diff(ui_ctx *ctx, const nb_weights *a, const nb_weights *b, nb_err *err)
{
    pairs p = {.a = a, .b = b};
    nb_status st = compare_all(&p, ctx, err);
    if (st == NB_OK)
        (ctx->json ? print_json : print_text)(&p);
    free(p.row);
    return st;
}
