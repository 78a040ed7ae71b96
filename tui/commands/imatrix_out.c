#include "tui/commands/imatrix_out.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/quant/imatrix_stats.h"
#include "tui/commands/cmd.h"

static nb_status describe(nb_imatrix_stats **out, const nb_imatrix *im, nb_err *err)
{
    nb_imatrix_stats *s = nb_alloc(im->n ? im->n : 1, sizeof *s, "statistics", err);
    if (!s)
        return NB_NOMEM;
    nb_imatrix_describe(s, im);
    *out = s;
    return NB_OK;
}

/* --- tables ------------------------------------------------------------------------------------
 */

static void print_entry(const nb_imatrix_stats *s)
{
    char layer[12] = "-", cosine[16] = "-", line[320];
    if (s->layer >= 0)
        snprintf(layer, sizeof layer, "%d", s->layer);
    if (!isnan(s->cosine))
        snprintf(cosine, sizeof cosine, "%.4f", s->cosine);
    snprintf(line, sizeof line,
             "%5s  %-18.40s %12.2f %10.4f %12.4f %9.2f %9.2f %7.2f%% %7llu %8.4f %7.2f%% %6.2f%% "
             "%7s",
             layer, s->tensor, s->total, s->min, s->max, s->mean, s->stddev, 100 * s->active,
             (unsigned long long)s->n, s->entropy, 100 * s->entropy_norm, 100 * s->z_density,
             cosine);
    ui_print_line(line);
}

static nb_status print_layers(const nb_imatrix_stats *s, size_t n, nb_err *err)
{
    nb_layer_stats *l = nb_alloc(n ? n : 1, sizeof *l, "statistics", err);
    if (!l)
        return NB_NOMEM;
    size_t layers = nb_imatrix_layers(l, s, n);
    if (layers)
        printf("\naverages of a layer, weighted by columns\n%5s %14s %9s %8s\n", "layer",
               "sum act2", "zd", "cossim");
    for (size_t i = 0; i < layers; i++)
        printf("%5d %14.2f %8.4f%% %8.4f\n", l[i].layer, l[i].total, 100 * l[i].z_density,
               l[i].cosine);
    free(l);
    return NB_OK;
}

static nb_status print_tables(const nb_imatrix *im, const char *file, nb_err *err)
{
    nb_imatrix_stats *s = NULL;
    NB_TRY(describe(&s, im, err));
    ui_print_line(file);
    printf("%zu weights, %u chunks of %u tokens\n", im->n, im->n_chunks, im->chunk_size);
    for (size_t i = 0; i < im->n_datasets; i++)
        ui_print_line(im->dataset[i]);
    printf("\n%5s  %-18s %12s %10s %12s %9s %9s %8s %7s %8s %8s %7s %7s\n", "layer", "tensor",
           "sum act2", "min", "max", "mean", "sd", "active", "n", "entropy", "e norm", "zd",
           "cossim");
    for (size_t i = 0; i < im->n; i++)
        print_entry(&s[i]);
    nb_status st = print_layers(s, im->n, err);
    free(s);
    if (st == NB_OK)
        putchar('\n');
    return st == NB_OK ? ui_imatrix_health(im, err) : st;
}

/* --- health ------------------------------------------------------------------------------------
 */

/* The rarest expert has this share of an even part of the rows, or is told. */
#define RARE 0.1

static void print_coverage(const nb_imatrix_stats *s)
{
    char line[240];
    double rows = 0;
    if (s->n_mat <= 1)
        return;
    rows = (double)(s->count_min + s->count_max) / 2;
    if (s->n_seen < s->n_mat)
        snprintf(line, sizeof line,
                 "%s: %llu of %llu experts saw no row: importance 1 everywhere there "
                 "(--imatrix-floor)",
                 s->name, (unsigned long long)(s->n_mat - s->n_seen), (unsigned long long)s->n_mat);
    else if ((double)s->count_min < RARE * rows)
        snprintf(line, sizeof line, "%s: experts saw between %lld and %lld rows", s->name,
                 (long long)s->count_min, (long long)s->count_max);
    else
        return;
    ui_print_line(line);
}

nb_status ui_imatrix_health(const nb_imatrix *im, nb_err *err)
{
    nb_imatrix_stats *s = NULL;
    char line[240];
    NB_TRY(describe(&s, im, err));
    for (size_t i = 0; i < im->n; i++) {
        print_coverage(&s[i]);
        if (s[i].n_bad) {
            snprintf(line, sizeof line,
                     "%s: %llu values were NaN, infinite or negative: their mean was taken",
                     s[i].name, (unsigned long long)s[i].n_bad);
            ui_print_line(line);
        }
        if (s[i].n_zero) {
            snprintf(line, sizeof line, "%s: %llu of %llu columns were never active", s[i].name,
                     (unsigned long long)s[i].n_zero, (unsigned long long)s[i].n);
            ui_print_line(line);
        }
    }
    free(s);
    return NB_OK;
}

/* --- JSON --------------------------------------------------------------------------------------
 */

static void num(nb_jout *w, const char *key, double v)
{
    nb_jout_key(w, key);
    nb_jout_double(w, v);
}

static void u64(nb_jout *w, const char *key, uint64_t v)
{
    nb_jout_key(w, key);
    nb_jout_u64(w, v);
}

void ui_imatrix_keys(nb_jout *w, const nb_imatrix *im)
{
    uint64_t unseen = 0;
    nb_jout_key(w, "format");
    nb_jout_str(w, im->format == NB_IMATRIX_DAT ? "dat" : "gguf");
    nb_jout_key(w, "datasets");
    nb_jout_array(w);
    for (size_t i = 0; i < im->n_datasets; i++)
        nb_jout_str(w, im->dataset[i]);
    nb_jout_array_end(w);
    u64(w, "chunks", im->n_chunks);
    u64(w, "chunk_size", im->chunk_size);
    u64(w, "entries", im->n);
    u64(w, "replaced", im->n_bad);
    for (size_t i = 0; i < im->n; i++)
        for (uint64_t m = 0; m < im->entry[i].n_mat; m++)
            unseen += im->entry[i].count[m] <= 0;
    u64(w, "unseen", unseen);
}

static void entry_json(nb_jout *w, const nb_imatrix_stats *s)
{
    nb_jout_object(w);
    nb_jout_key(w, "name"), nb_jout_str(w, s->name);
    num(w, "total", s->total);
    num(w, "min", s->min);
    num(w, "max", s->max);
    num(w, "mean", s->mean);
    num(w, "stddev", s->stddev);
    num(w, "active", s->active);
    u64(w, "n", s->n);
    num(w, "entropy", s->entropy);
    num(w, "entropy_norm", s->entropy_norm);
    num(w, "z_density", s->z_density);
    num(w, "cosine", s->cosine);
    u64(w, "matrices", s->n_mat);
    u64(w, "seen", s->n_seen);
    u64(w, "rows_min", (uint64_t)s->count_min);
    u64(w, "rows_max", (uint64_t)s->count_max);
    u64(w, "zero_columns", s->n_zero);
    u64(w, "replaced", s->n_bad);
    nb_jout_object_end(w);
}

static nb_status layers_json(nb_jout *w, const nb_imatrix_stats *s, size_t n, nb_err *err)
{
    nb_layer_stats *l = nb_alloc(n ? n : 1, sizeof *l, "statistics", err);
    if (!l)
        return NB_NOMEM;
    size_t layers = nb_imatrix_layers(l, s, n);
    nb_jout_key(w, "layers");
    nb_jout_array(w);
    for (size_t i = 0; i < layers; i++) {
        nb_jout_object(w);
        nb_jout_key(w, "layer"), nb_jout_i64(w, l[i].layer);
        num(w, "total", l[i].total);
        num(w, "z_density", l[i].z_density);
        num(w, "cosine", l[i].cosine);
        nb_jout_object_end(w);
    }
    nb_jout_array_end(w);
    free(l);
    return NB_OK;
}

static nb_status print_json(const nb_imatrix *im, const char *file, nb_err *err)
{
    nb_imatrix_stats *s = NULL;
    nb_str text = {0};
    nb_jout w = nb_jout_make(&text);
    NB_TRY(describe(&s, im, err));
    nb_jout_object(&w);
    nb_jout_key(&w, "file"), nb_jout_str(&w, file);
    ui_imatrix_keys(&w, im);
    nb_jout_key(&w, "tensors");
    nb_jout_array(&w);
    for (size_t i = 0; i < im->n; i++)
        entry_json(&w, &s[i]);
    nb_jout_array_end(&w);
    nb_status st = layers_json(&w, s, im->n, err);
    nb_jout_object_end(&w);
    if (st == NB_OK)
        puts(nb_str_c(&text));
    nb_str_free(&text);
    free(s);
    return st;
}

nb_status ui_imatrix_statistics(const nb_imatrix *im, const char *file, bool json, nb_err *err)
{
    return json ? print_json(im, file, err) : print_tables(im, file, err);
}
