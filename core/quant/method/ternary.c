/* Weights as -d, 0 or d. Of all d and thresholds of a block the best has d = mean of the k largest
 * magnitudes for the k that maximises (sum of them)^2 / k, and drops what lies below d / 2
 * (quant.md 3.11); with importance w: (sum w|x|)^2 / sum w. On normal weights 43 % of error, where
 * the reference's largest magnitude leaves 81 %. */
#include <math.h>
#include <stdlib.h>

#include "core/quant/method/method_private.h"
#include "kernels/blocks.h"
#include "kernels/fp.h"

typedef struct magnitude {
    float size, weight;
} magnitude;

static int largest_first(const void *a, const void *b)
{
    float x = ((const magnitude *)a)->size, y = ((const magnitude *)b)->size;
    return x > y ? -1 : x < y;
}

/* d in half precision. */
static float best_scale(const float *w, const float *importance)
{
    magnitude m[NK_SUPER_LEN];
    double sum = 0, weight = 0, most = 0, d = 0;
    for (size_t i = 0; i < NK_SUPER_LEN; i++)
        m[i] = (magnitude){fabsf(w[i]), importance ? importance[i] : 1};
    qsort(m, NK_SUPER_LEN, sizeof *m, largest_first);
    for (size_t k = 0; k < NK_SUPER_LEN; k++) {
        sum += (double)m[k].weight * m[k].size;
        weight += m[k].weight;
        if (weight > 0 && sum * sum / weight > most) {
            most = sum * sum / weight;
            d = sum / weight;
        }
    }
    return nk_f16_to_f32(nk_f32_to_f16((float)d));
}

/* The type's own encoder takes the largest magnitude as d: given -d, 0 and d it finds just them. */
static void encode(nb_encode_job *job, const float *src, void *dst, size_t rows, size_t cols)
{
    const nk_type *t = job->type;
    nb_encode_job block = *job;
    block.importance = NULL;
    for (size_t i = 0; i < rows * cols; i += NK_SUPER_LEN) {
        float on_grid[NK_SUPER_LEN];
        float d = best_scale(src + i, job->importance ? job->importance + i % cols : NULL);
        for (size_t k = 0; k < NK_SUPER_LEN; k++) {
            float w = src[i + k];
            on_grid[k] = fabsf(w) <= d / 2 ? 0 : w < 0 ? -d : d;
        }
        nb_encode_reference(&block, on_grid, (uint8_t *)dst + i / t->block_len * t->block_size, 1,
                            NK_SUPER_LEN);
    }
}

static const char *preset(const nb_knobs *k)
{
    (void)k;
    return "TQ2_0";
}

static bool writes(const nk_type *t, const nb_knobs *k)
{
    (void)k;
    return t->id == NK_TQ1_0 || t->id == NK_TQ2_0;
}

extern const nb_method nb_method_ternary;
const nb_method nb_method_ternary = {
    .name = "ternary",
    .help = "-d, 0, d with the best threshold of each 256, in tq2_0 or tq1_0",
    .group = 32,
    .preset = preset,
    .writes = writes,
    .encode = encode,
};
