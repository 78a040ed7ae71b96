#include "kernels/gemm.h"
#include "kernels/fp.h"

#include <string.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* n codes, the first of them number `at` of the chunk; eights is a constant. */
ALWAYS_INLINE void pack_codes(nk_columns *out, size_t c, size_t at, const int8_t *q, size_t n,
                              const bool eights)
{
    for (size_t i = 0; eights && i < n / 8; i++)
        memcpy(out->q8[at / 8 + i][c], q + 8 * i, 8);
    for (size_t i = 0; !eights && i < n / 4; i++)
        memcpy(out->q[at / 4 + i][c], q + 4 * i, 4);
}

ALWAYS_INLINE void pack_super(nk_columns *out, size_t c, const nk_block_q8_k *b, const bool eights)
{
    pack_codes(out, c, 0, b->qs, NK_SUPER_LEN, eights);
    out->d[0][c] = b->d;
    for (size_t i = 0; i < NK_SUPER_LEN / 16; i++)
        out->sum16[i / 2][c][i % 2] = b->bsums[i];
    for (size_t i = 0; i < NK_SUPER_LEN / 32; i++) {
        int16_t sum = (int16_t)(b->bsums[2 * i] + b->bsums[2 * i + 1]);
        out->sum32[i / 2][c][i % 2] = sum;
        out->less32[i][c] = -8 * sum;
    }
    for (size_t i = 0; i < NK_SUPER_LEN / 16; i++) {
        int32_t first = 0;
        for (size_t k = 0; k < 8; k++)
            first += b->qs[16 * i + k];
        out->less8[2 * i][c] = -32 * first;
        out->less8[2 * i + 1][c] = -32 * (b->bsums[i] - first);
        out->half16[i][c] = -16 * b->bsums[i];
        out->less16[i][c] = -128 * b->bsums[i];
    }
}

ALWAYS_INLINE void pack(nk_columns *out, size_t c, nk_type_id with, const void *enc, size_t n,
                        const bool eights)
{
    if (with == NK_Q8_K) {
        pack_super(out, c, enc, eights);
        return;
    }
    const nk_block_q8_0 *simple = enc;
    const nk_block_q8_1 *summed = enc;
    for (size_t i = 0; i < n / NK_LEN; i++) {
        bool sums = with == NK_Q8_1;
        const int8_t *q = sums ? summed[i].qs : simple[i].qs;
        int32_t half[2] = {0, 0};
        for (size_t k = 0; k < NK_LEN / 2; k++) {
            half[0] += q[k];
            half[1] += q[NK_LEN / 2 + k];
        }
        pack_codes(out, c, i * NK_LEN, q, NK_LEN, eights);
        out->d[i][c] = nk_f16_to_f32(sums ? summed[i].d : simple[i].d);
        out->s[i][c] = sums ? nk_f16_to_f32(summed[i].s) : 0;
        out->less[i][c] = -(half[0] + half[1]);
        out->sum16[i][c][0] = (int16_t)half[0];
        out->sum16[i][c][1] = (int16_t)half[1];
    }
}

void nk_columns_pack(nk_columns *out, size_t c, nk_type_id with, const void *enc, size_t n)
{
    pack(out, c, with, enc, n, false);
}

void nk_columns_pack_eights(nk_columns *out, size_t c, nk_type_id with, const void *enc, size_t n)
{
    pack(out, c, with, enc, n, true);
}

static void pack_super_wide(nk_columns_wide *out, size_t c, const nk_block_q8_k *b)
{
    int32_t total = 0;
    memcpy(out->q[c], b->qs, NK_SUPER_LEN);
    out->d[0][c] = b->d;
    for (size_t i = 0; i < NK_SUPER_LEN / 16; i++) {
        out->sum16[i / 2][c][i % 2] = b->bsums[i];
        total += b->bsums[i];
    }
    for (size_t i = 0; i < NK_SUPER_LEN / 32; i++)
        out->sum32[i / 2][c][i % 2] = (int16_t)(b->bsums[2 * i] + b->bsums[2 * i + 1]);
    out->total[c] = total;
}

void nk_columns_pack_wide(nk_columns_wide *out, size_t c, nk_type_id with, const void *enc,
                          size_t n)
{
    if (with == NK_Q8_K) {
        pack_super_wide(out, c, enc);
        return;
    }
    const nk_block_q8_0 *simple = enc;
    const nk_block_q8_1 *summed = enc;
    bool sums = with == NK_Q8_1;
    for (size_t i = 0; i < n / NK_LEN; i++) {
        memcpy(out->q[c] + i * NK_LEN, sums ? summed[i].qs : simple[i].qs, NK_LEN);
        out->d[i][c] = nk_f16_to_f32(sums ? summed[i].d : simple[i].d);
        out->s[i][c] = sums ? nk_f16_to_f32(summed[i].s) : 0;
    }
}

void nk_columns_pack_f(nk_columns_f *out, size_t c, const float *x, size_t n)
{
    memcpy(out->f[c], x, n * sizeof *x);
    for (size_t i = n; i % 8; i++)
        out->f[c][i] = 0;
}
