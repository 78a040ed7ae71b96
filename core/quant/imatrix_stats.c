#include "core/quant/imatrix_stats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACTIVE 1e-5 /* act² above which a column counts as active */

/* "blk.3.attn_q.weight" -> 3, "attn_q" */
static void name_parts(nb_imatrix_stats *s)
{
    const char *p = s->name;
    int layer = 0, used = 0;
    s->layer = -1;
    if (strncmp(p, "blk.", 4) == 0) {
        for (p += 4; *p >= '0' && *p <= '9' && layer < 100000; p++, used++)
            layer = layer * 10 + (*p - '0');
        if (used && *p == '.')
            s->layer = layer, p++;
        else
            p = s->name;
    }
    size_t n = strlen(p), tail = strlen(".weight");
    if (n > tail && strcmp(p + n - tail, ".weight") == 0)
        n -= tail;
    memcpy(s->tensor, p, n);
    s->tensor[n] = '\0';
}

/* f over every column of the matrices that saw rows (of a legacy file: all). */
static double over_columns(const nb_imatrix_entry *e, const nb_imatrix_stats *s,
                           double (*f)(double v, const nb_imatrix_stats *s))
{
    double sum = 0;
    uint64_t cols = e->n / e->n_mat;
    for (uint64_t m = 0; m < e->n_mat; m++)
        for (uint64_t c = 0; e->count[m] > 0 && c < cols; c++)
            sum += f((double)e->importance[m * cols + c], s);
    return sum;
}

static double value(double v, const nb_imatrix_stats *s)
{
    (void)s;
    return v;
}

static double spread(double v, const nb_imatrix_stats *s)
{
    return (v - s->mean) * (v - s->mean);
}

static double active(double v, const nb_imatrix_stats *s)
{
    (void)s;
    return v > ACTIVE;
}

static double surprise(double v, const nb_imatrix_stats *s)
{
    double p = s->total > 0 ? v / s->total : 0;
    return p > 0 ? -p * log2(p) : 0;
}

static double stands_out(double v, const nb_imatrix_stats *s)
{
    return s->stddev > 0 && (v - s->mean) / s->stddev > 1;
}

static void scan(nb_imatrix_stats *s, const nb_imatrix_entry *e)
{
    uint64_t cols = e->n / e->n_mat;
    for (uint64_t m = 0; m < e->n_mat; m++) {
        if (e->count[m] <= 0)
            continue;
        s->count_min = s->n_seen && s->count_min < e->count[m] ? s->count_min : e->count[m];
        s->count_max = s->count_max > e->count[m] ? s->count_max : e->count[m];
        s->n_seen++;
        for (uint64_t c = 0; c < cols; c++) {
            double v = (double)e->importance[m * cols + c];
            s->min = s->n && s->min < v ? s->min : v;
            s->max = s->max > v ? s->max : v;
            s->n_zero += e->sum2[m * cols + c] <= 0;
            s->n++;
        }
    }
}

static void describe(nb_imatrix_stats *s, const nb_imatrix_entry *e)
{
    *s = (nb_imatrix_stats){
        .name = e->name, .n_mat = e->n_mat, .n_bad = e->n_bad, .cosine = (double)NAN};
    name_parts(s);
    scan(s, e);
    if (s->n == 0)
        return;
    double n = (double)s->n;
    s->total = over_columns(e, s, value);
    s->mean = s->total / n;
    s->stddev = sqrt(over_columns(e, s, spread) / n);
    s->active = over_columns(e, s, active) / n;
    s->entropy = over_columns(e, s, surprise);
    s->entropy_norm = s->n > 1 ? s->entropy / log2(n) : 0;
    s->z_density = over_columns(e, s, stands_out) / n;
}

static double cosine(const nb_imatrix_entry *a, const nb_imatrix_entry *b)
{
    double ab = 0, aa = 0, bb = 0;
    for (uint64_t i = 0; i < a->n; i++) {
        double x = (double)a->sum2[i], y = (double)b->sum2[i];
        ab += x * y;
        aa += x * x;
        bb += y * y;
    }
    return aa > 0 && bb > 0 ? ab / (sqrt(aa) * sqrt(bb)) : 0;
}

static int by_tensor(const void *a, const void *b)
{
    const nb_imatrix_stats *x = a, *y = b;
    int c = strcmp(x->tensor, y->tensor);
    if (c)
        return c;
    if (x->total > y->total || x->total < y->total)
        return x->total > y->total ? -1 : 1;
    return strcmp(x->name, y->name);
}

void nb_imatrix_describe(nb_imatrix_stats *out, const nb_imatrix *im)
{
    char name[NB_MAX_NAME + 24];
    for (size_t i = 0; i < im->n; i++) {
        nb_imatrix_stats *s = &out[i];
        describe(s, &im->entry[i]);
        if (s->layer < 1)
            continue;
        snprintf(name, sizeof name, "blk.%d.%s", s->layer - 1, strchr(s->name + 4, '.') + 1);
        const nb_imatrix_entry *before = nb_imatrix_find(im, name);
        if (before && before->n == im->entry[i].n)
            s->cosine = cosine(&im->entry[i], before);
    }
    if (im->n)
        qsort(out, im->n, sizeof *out, by_tensor);
}

static int by_layer(const void *a, const void *b)
{
    const nb_layer_stats *x = a, *y = b;
    return (x->layer > y->layer) - (x->layer < y->layer);
}

/* llama-imatrix counts no layer before as a cosine of 0. */
size_t nb_imatrix_layers(nb_layer_stats *out, const nb_imatrix_stats *s, size_t n)
{
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        double columns = 0;
        while (k < used && out[k].layer != s[i].layer)
            k++;
        if (k < used || s[i].layer < 0)
            continue;
        nb_layer_stats l = {.layer = s[i].layer};
        for (size_t j = i; j < n; j++) {
            if (s[j].layer != l.layer)
                continue;
            double weight = (double)s[j].n;
            columns += weight;
            l.total += weight * s[j].total;
            l.z_density += weight * s[j].z_density;
            l.cosine += isnan(s[j].cosine) ? 0 : weight * s[j].cosine;
        }
        if (columns <= 0)
            continue;
        out[used++] =
            (nb_layer_stats){l.layer, l.total / columns, l.z_density / columns, l.cosine / columns};
    }
    if (used)
        qsort(out, used, sizeof *out, by_layer);
    return used;
}
