#include "kernels/quant/lattice.h"
#include "kernels/fp.h"

#include <string.h>

void nk_lattice_decode(nk_lattice_unpack_fn *unpack, size_t size, int group, const void *src,
                       float *dst, size_t n)
{
    const char *b = src;
    for (size_t i = 0; i < n / NK_SUPER_LEN; i++, b += size, dst += NK_SUPER_LEN) {
        nk_lattice_block a;
        unpack(b, &a);
        for (int g = 0; g < NK_SUPER_LEN / group; g++)
            for (int j = g * group; j < (g + 1) * group; j++)
                dst[j] = a.d * (float)a.sc[g] * (float)a.value[j];
    }
}

float nk_lattice_dot(nk_lattice_unpack_fn *unpack, size_t size, int group, size_t n, const void *w,
                     const void *x)
{
    const char *b = w;
    const nk_block_q8_k *y = x;
    double sum = 0;
    for (size_t i = 0; i < n / NK_SUPER_LEN; i++, b += size) {
        nk_lattice_block a;
        int scaled = 0;
        unpack(b, &a);
        for (int j = 0; j < NK_SUPER_LEN; j++)
            scaled += a.sc[j / group] * a.value[j] * y[i].qs[j];
        sum += (double)a.d * y[i].d * scaled;
    }
    return (float)sum;
}

void nk_lattice_view(nk_lattice_unpack_fn *unpack, int group, int end, int step, const void *block,
                     nk_block_view *v)
{
    nk_lattice_block a;
    unpack(block, &a);
    v->len = NK_SUPER_LEN;
    v->group = (uint32_t)group;
    v->code_min = -end;
    v->code_max = end;
    v->code_step = step;
    v->d = a.d;
    v->dmin = 0;
    for (int g = 0; g < NK_SUPER_LEN / group; g++) {
        v->scale_code[g] = a.sc[g];
        v->scale[g] = a.d * (float)a.sc[g];
        v->offset[g] = -0.0f;
        v->min_code[g] = 0;
    }
    for (int j = 0; j < NK_SUPER_LEN; j++)
        v->code[j] = (int16_t)a.value[j];
}
