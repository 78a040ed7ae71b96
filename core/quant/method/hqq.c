/* HQQ (Badri & Shaji; mobiusml/hqq, quantize.py; quant.md 3.7): the step from the range, the zero
 * by half-quadratic splitting of ||W - s(q - z)||_p, p = 0.7: e = shrink(W - W', beta), z =
 * mean(q - (W - e) / s), beta grows; it ends when the mean error rises, the best zero stays. No
 * calibration. q4_1 and q5_1 hold a zero that is no whole number: m = -s z.
 *
 * Not on K grids, whose reference searches steps and minima itself. Measured on the demo's 5.8 M
 * weights: with the published beta no residual of q4_K and q5_K outlives the shrinking, so the
 * target W - e is W; of q2_K 0.5 % do, and mean, squared and p = 0.7 error all rise. Zeros solved
 * for the groups and put on the grid are 3 to 6 % worse than the reference's in all three. */
#include <math.h>
#include <string.h>

#include "core/quant/method/method_private.h"
#include "kernels/blocks.h"
#include "kernels/fp.h"

enum { ROUNDS = 20 };
static const float power = 0.7f, beta_0 = 10.0f, beta_growth = 1.01f;

typedef struct group {
    float step, zero;
    int most; /* largest code */
} group;

static float code_of(const group *g, float w)
{
    float q = roundf(w / g->step + g->zero);
    return q < 0 ? 0 : q > (float)g->most ? (float)g->most : q;
}

static float shrink(float x, float beta)
{
    float size = fabsf(x);
    if (size == 0)
        return 0;
    float left = size - powf(size, power - 1) / beta;
    return left <= 0 ? 0 : x < 0 ? -left : left;
}

static double mean_error(const group *g, const float *w, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += fabs((double)w[i] - (double)(g->step * (code_of(g, w[i]) - g->zero)));
    return sum / (double)n;
}

static void solve(group *g, const float *w, size_t n)
{
    float beta = beta_0;
    double least = mean_error(g, w, n);
    group now = *g;
    for (int round = 0; round < ROUNDS; round++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++) {
            float q = code_of(&now, w[i]);
            float e = shrink(w[i] - now.step * (q - now.zero), beta);
            sum += (double)(q - (w[i] - e) / now.step);
        }
        now.zero = (float)(sum / (double)n);
        double error = mean_error(&now, w, n);
        if (error >= least)
            return;
        least = error;
        *g = now;
        beta *= beta_growth;
    }
}

static void put(const nk_type *t, const group *g, const float *w, size_t n, uint8_t *dst)
{
    uint16_t d = nk_f32_to_f16(g->step), m = nk_f32_to_f16(-g->step * g->zero);
    float offset = nk_f16_to_f32(m);
    for (size_t i = 0; i < n; i += NK_LEN, dst += t->block_size) {
        nk_block_q5_1 b = {.d = d, .m = m};
        for (size_t k = 0; k < NK_LEN; k++) {
            float q = g->step > 0 ? roundf((w[i + k] - offset) / g->step) : 0;
            unsigned code = q < 0 ? 0 : q > (float)g->most ? (unsigned)g->most : (unsigned)q;
            b.qs[k % 16] |= (uint8_t)((code & 15) << (k < 16 ? 0 : 4));
            b.qh[k / 8] |= (uint8_t)((code >> 4) << k % 8);
        }
        size_t head = sizeof b.d + sizeof b.m, high = t->id == NK_Q5_1 ? sizeof b.qh : 0;
        memcpy(dst, &b, head);
        memcpy(dst + head, b.qh, high);
        memcpy(dst + head + high, b.qs, sizeof b.qs);
    }
}

static void encode(nb_encode_job *job, const float *src, void *dst, size_t rows, size_t cols)
{
    const nk_type *t = job->type;
    size_t unit = job->knobs->group > 0 ? (size_t)job->knobs->group : cols;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c += unit) {
            const float *w = src + r * cols + c;
            size_t n = cols - c < unit ? cols - c : unit;
            group g = {.most = t->id == NK_Q5_1 ? 31 : 15};
            float lo = w[0], hi = w[0];
            for (size_t i = 1; i < n; i++) {
                lo = w[i] < lo ? w[i] : lo;
                hi = w[i] > hi ? w[i] : hi;
            }
            g.step = nk_f16_to_f32(nk_f32_to_f16((hi - lo) / (float)g.most));
            g.zero = g.step > 0 ? -lo / g.step : 0;
            if (g.step > 0)
                solve(&g, w, n);
            else
                g = (group){.step = 1, .zero = -lo, .most = g.most}; /* all alike: m holds it */
            put(t, &g, w, n, (uint8_t *)dst + (r * cols + c) / t->block_len * t->block_size);
        }
}

static const char *preset(const nb_knobs *k)
{
    (void)k;
    return "Q4_1";
}

static bool writes(const nk_type *t, const nb_knobs *k)
{
    (void)k;
    return t->id == NK_Q4_1 || t->id == NK_Q5_1;
}

extern const nb_method nb_method_hqq;
const nb_method nb_method_hqq = {
    .name = "hqq",
    .help = "half-quadratic: a zero that is no whole number, in q4_1 or q5_1; no calibration",
    .knobs = NB_KNOB_GROUP,
    .group = 64,
    .preset = preset,
    .writes = writes,
    .encode = encode,
};
