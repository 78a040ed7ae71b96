/* A weight of a block is scale * code + offset, where codes are integers or levels of a table, and
 * scale and offset are a stored f16 times small integers of the block. The greatest of these
 * products is that of q6_K, 128 * 32 times the f16: a finite f16 is below 2^16, so no weight
 * reaches 2^29, far inside f32. A type is therefore finite wherever its stored f16s are, and the
 * layout of each (blocks.h) says where they lie.
 *
 *   mxfp4  2^(e - 128) times a level of at most 12, below 2^4: up to e = 251 that is below 2^127.
 *          Above it hangs on the codes.
 *   nvfp4  at most 240 times 12, whatever its bytes are (nk_nvfp4_scale).
 *   iq1_m  its f16 lies in the top bits of four other fields. */
#include "kernels/finite.h"

#include <string.h>

#include "kernels/blocks.h"

enum { F16_EXPONENT = 0x7c00, BF16_EXPONENT = 0x7f80, MXFP4_SAFE = 251 };

/* Where a block keeps its f16s: `count` of them side by side. */
typedef struct scale_place {
    uint32_t at, count;
} scale_place;

static const scale_place places[NK_TYPE_SLOTS] = {
    [NK_Q4_0] = {offsetof(nk_block_q4_0, d), 1},
    [NK_Q4_1] = {offsetof(nk_block_q4_1, d), 2},
    [NK_Q5_0] = {offsetof(nk_block_q5_0, d), 1},
    [NK_Q5_1] = {offsetof(nk_block_q5_1, d), 2},
    [NK_Q8_0] = {offsetof(nk_block_q8_0, d), 1},
    [NK_Q2_K] = {offsetof(nk_block_q2_k, d), 2},
    [NK_Q3_K] = {offsetof(nk_block_q3_k, d), 1},
    [NK_Q4_K] = {offsetof(nk_block_q4_k, d), 2},
    [NK_Q5_K] = {offsetof(nk_block_q5_k, d), 2},
    [NK_Q6_K] = {offsetof(nk_block_q6_k, d), 1},
    [NK_IQ2_XXS] = {offsetof(nk_block_iq2_xxs, d), 1},
    [NK_IQ2_XS] = {offsetof(nk_block_iq2_xs, d), 1},
    [NK_IQ2_S] = {offsetof(nk_block_iq2_s, d), 1},
    [NK_IQ3_XXS] = {offsetof(nk_block_iq3_xxs, d), 1},
    [NK_IQ3_S] = {offsetof(nk_block_iq3_s, d), 1},
    [NK_IQ1_S] = {offsetof(nk_block_iq1_s, d), 1},
    [NK_IQ4_NL] = {offsetof(nk_block_iq4_nl, d), 1},
    [NK_IQ4_XS] = {offsetof(nk_block_iq4_xs, d), 1},
    [NK_TQ1_0] = {offsetof(nk_block_tq1_0, d), 1},
    [NK_TQ2_0] = {offsetof(nk_block_tq2_0, d), 1},
    [NK_Q1_0] = {offsetof(nk_block_q1_0, d), 1},
};

static bool finite_scales(const nk_type *t, const uint8_t *at, size_t blocks)
{
    const scale_place *p = &places[t->id];
    unsigned worst = 0;
    at += p->at;
    for (size_t i = 0; i < blocks; i++, at += t->block_size) {
        uint16_t u[2];
        memcpy(u, at, sizeof *u);
        memcpy(u + 1, at + (p->count - 1) * sizeof *u, sizeof *u);
        unsigned a = u[0] & F16_EXPONENT, b = u[1] & F16_EXPONENT;
        worst = a > worst ? a : worst;
        worst = b > worst ? b : worst;
    }
    return worst < F16_EXPONENT;
}

static bool finite_iq1_m(const nk_block_iq1_m *b, size_t blocks)
{
    for (size_t i = 0; i < blocks; i++) /* top nibbles, lowest first: the last holds sign and ... */
        if ((b[i].scales[7] >> 4 & 7) == 7 && (b[i].scales[5] >> 6) == 3)
            return false; /* ... three bits of the exponent, the one before the other two */
    return true;
}

static bool finite_mxfp4(const nk_block_mxfp4 *b, size_t blocks)
{
    unsigned most = 0;
    for (size_t i = 0; i < blocks; i++)
        most = b[i].e > most ? b[i].e : most;
    return most <= MXFP4_SAFE;
}

static bool finite_floats(const nk_ops *ops, const uint8_t *at, size_t n)
{
    enum { PART = 64 };
    float part[PART]; /* bytes may lie anywhere, floats not */
    for (size_t i = 0, k; i < n; i += k, at += k * sizeof *part) {
        k = n - i < PART ? n - i : PART;
        memcpy(part, at, k * sizeof *part);
        if (!(ops ? ops->all_finite : nk_all_finite)(part, k))
            return false;
    }
    return true;
}

bool nk_finite_bytes(const nk_ops *ops, const nk_type *t, const void *bytes, size_t n)
{
    nk_halves_fn *halves = ops ? ops->finite_halves : nk_finite_halves;
    switch (t->id) {
    case NK_F32:
        return finite_floats(ops, bytes, n);
    case NK_F16:
        return halves(bytes, n, F16_EXPONENT);
    case NK_BF16:
        return halves(bytes, n, BF16_EXPONENT);
    case NK_IQ1_M:
        return finite_iq1_m(bytes, n / t->block_len);
    case NK_MXFP4:
        return finite_mxfp4(bytes, n / t->block_len);
    case NK_NVFP4:
        return true;
    default:
        return places[t->id].count && finite_scales(t, bytes, n / t->block_len);
    }
}
