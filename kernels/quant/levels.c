#include "kernels/quant/levels.h"

void nk_levels_decode(const int8_t levels[NK_LEVELS], const uint8_t *code, float scale, float *dst,
                      int n)
{
    for (int i = 0; i < n; i++)
        dst[i] = (float)levels[code[i]] * scale;
}

int nk_levels_dot(const int8_t levels[NK_LEVELS], const uint8_t *code, const int8_t *x, int n)
{
    int sum = 0;
    for (int i = 0; i < n; i++)
        sum += levels[code[i]] * x[i];
    return sum;
}

/* Distance from level k to the next higher one, 0 for the highest. */
static int gap_above(const int8_t levels[NK_LEVELS], int k)
{
    int gap = 0;
    for (int i = 0; i < NK_LEVELS; i++) {
        int up = levels[i] - levels[k];
        if (up > 0 && (gap == 0 || up < gap))
            gap = up;
    }
    return gap;
}

void nk_levels_view(nk_block_view *v, const int8_t levels[NK_LEVELS], const uint8_t *code,
                    uint32_t len, uint32_t group)
{
    v->len = len;
    v->group = group;
    v->code_min = v->code_max = (int)levels[0];
    v->code_step = 1;
    for (int k = 0; k < NK_LEVELS; k++) {
        int gap = gap_above(levels, k);
        v->code_min = levels[k] < v->code_min ? (int)levels[k] : v->code_min;
        v->code_max = levels[k] > v->code_max ? (int)levels[k] : v->code_max;
        v->code_step = gap > v->code_step ? gap : v->code_step;
    }
    v->dmin = 0;
    for (uint32_t g = 0; g < len / group; g++) {
        v->offset[g] = -0.0f;
        v->min_code[g] = 0;
    }
    for (uint32_t i = 0; i < len; i++)
        v->code[i] = (int16_t)levels[code[i]];
}
