/* The textbooks' integers: a weight is a whole number of steps from a zero. Symmetric: step =
 * max|w| / (2^(b-1) - 1), code = round(w / step) in -2^(b-1)..2^(b-1) - 1. Asymmetric: step = (max
 * - min) / (2^b - 1) over a range that holds 0, zero = round(-min / step), code = round(w / step) +
 * zero in 0..2^b - 1. The step is rounded to half precision before any code is chosen, so that the
 * file decodes to exactly the textbook's values (quant.md 1.6, 3.1):
 *
 *     int8 sym   q8_0: d = step                        int4 sym   q4_0: d = step
 *     int8 asym  q8_0: d = step where the codes minus their zero fit a byte, else twice that
 *     int4 asym  q4_1: d = step, m = -zero * step, rounded to half precision (< 0.8 % of a step)
 *     int2 sym   q2_K: sc = 1, m = 2, d = dmin = step  int2 asym  q2_K: sc = 1, m = zero
 *     int2 in groups below 256: steps, and asymmetric zeros, are 15ths of the largest in the
 *     super-block; codes are chosen for the rounded ones
 *
 * A scale of more than 32 weights stands in every block they fill. */
#include <math.h>
#include <string.h>

#include "core/quant/method/method_private.h"
#include "kernels/blocks.h"
#include "kernels/fp.h"

typedef struct grid {
    float step;
    int zero;     /* code of weight 0 */
    int lo, hi;   /* codes */
    float offset; /* weight of code 0 as stored */
} grid;

static float half(float v)
{
    return nk_f16_to_f32(nk_f32_to_f16(v));
}

static int bits_of(const nk_type *t)
{
    return t->id == NK_Q8_0 ? 8 : t->id == NK_Q2_K ? 2 : 4;
}

static nb_range range_of(const float *w, size_t n)
{
    nb_range r = {0, 0};
    for (size_t i = 0; i < n; i++) {
        r.lo = w[i] < r.lo ? w[i] : r.lo;
        r.hi = w[i] > r.hi ? w[i] : r.hi;
    }
    return r;
}

static grid grid_of(const nb_range *r, float share, int bits, bool asymmetric)
{
    float lo = r->lo * share, hi = r->hi * share;
    int half_codes = 1 << (bits - 1);
    if (!asymmetric) {
        float most = -lo > hi ? -lo : hi;
        float step = half(most / (float)(half_codes - 1));
        return (grid){step, 0, -half_codes, half_codes - 1, 0};
    }
    grid g = {.step = half((hi - lo) / (float)(2 * half_codes - 1)), .hi = 2 * half_codes - 1};
    if (g.step > 0) {
        float zero = roundf(-lo / g.step);
        g.zero = zero > (float)g.hi ? g.hi : (int)zero;
    }
    g.offset = -(float)g.zero * g.step;
    if (bits == 4)
        g.offset = half(g.offset);
    return g;
}

static int code_of(const grid *g, float w)
{
    if (!(g->step > 0))
        return g->zero;
    float code = roundf(w / g->step) + (float)g->zero;
    return code < (float)g->lo ? g->lo : code > (float)g->hi ? g->hi : (int)code;
}

static float weight_of(const grid *g, int code)
{
    return (float)code * g->step + g->offset;
}

/* Nearest whole number, without a call: below 2^22 the sum leaves no room for a fraction. */
static inline float nearest(float v)
{
    return (v + 12582912.0f) - 12582912.0f;
}

/* Squared error of n weights, four sums side by side. Ties and quotients are rounded in another way
 * than in code_of: the error is the same or as good as. */
static double grid_error(const grid *g, const float *w, const float *importance, size_t n)
{
    float inverse = g->step > 0 ? 1 / g->step : 0, limit = 1e6f;
    float lo = (float)(g->lo - g->zero), hi = (float)(g->hi - g->zero);
    float shift = (float)g->zero * g->step + g->offset; /* 0 but for the rounding of offset */
    double sum[4] = {0};
    for (size_t i = 0; i < n; i++) {
        float q = w[i] * inverse;
        q = q > limit ? limit : q < -limit ? -limit : q;
        q = nearest(q);
        q = q < lo ? lo : q > hi ? hi : q;
        float e = q * g->step + shift - w[i];
        sum[i & 3] += (double)(importance ? importance[i] * e * e : e * e);
    }
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static float share_of(int i)
{
    return 1.0f - (float)i / 100.0f;
}

/* The grid of n weights that share it: by their range, or the share of it with the least error. */
static grid choose_grid(const nb_encode_job *job, const float *w, const float *importance, size_t n)
{
    int bits = bits_of(job->type);
    nb_range r = job->tensor ? *job->tensor : range_of(w, n);
    grid best = grid_of(&r, 1, bits, job->knobs->asymmetric);
    if (job->tensor || !job->knobs->mse)
        return best;
    double least = grid_error(&best, w, importance, n);
    for (int i = 1; i < NB_CLIP_STEPS && least > 0; i++) {
        grid g = grid_of(&r, share_of(i), bits, job->knobs->asymmetric);
        double e = grid_error(&g, w, importance, n);
        if (e < least) {
            least = e;
            best = g;
        }
    }
    return best;
}

static void survey(const nb_encode_job *job, const nb_range *range, const float *src, size_t n,
                   double error[NB_CLIP_STEPS])
{
    for (int i = 0; i < NB_CLIP_STEPS; i++) {
        grid g = grid_of(range, share_of(i), bits_of(job->type), job->knobs->asymmetric);
        error[i] += grid_error(&g, src, NULL, n);
    }
}

/* --- blocks ------------------------------------------------------------------------------------
 */

/* (q - zero) of 8 bits may need nine: then every second is stored. */
static void put_q8_0(const grid *g, const float *w, size_t n, bool twice, uint8_t *dst)
{
    for (size_t i = 0; i < n; i += NK_LEN, dst += sizeof(nk_block_q8_0)) {
        nk_block_q8_0 b;
        b.d = nk_f32_to_f16(twice ? 2 * g->step : g->step);
        for (size_t k = 0; k < NK_LEN; k++) {
            int code = code_of(g, w[i + k]) - g->zero;
            if (twice)
                code = (int)roundf((float)code / 2);
            b.qs[k] = (int8_t)code;
        }
        memcpy(dst, &b, sizeof b);
    }
}

static bool needs_nine_bits(const grid *g, const float *w, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int code = code_of(g, w[i]) - g->zero;
        if (code < -128 || code > 127)
            return true;
    }
    return false;
}

static void put_q4(const grid *g, const float *w, size_t n, bool asymmetric, uint8_t *dst)
{
    for (size_t i = 0; i < n; i += NK_LEN) {
        uint16_t head[2] = {nk_f32_to_f16(g->step), nk_f32_to_f16(g->offset)};
        size_t len = asymmetric ? sizeof head : sizeof *head;
        memcpy(dst, head, len);
        dst += len;
        for (size_t k = 0; k < NK_LEN / 2; k++) {
            int low = code_of(g, w[i + k]) - g->lo;
            int high = code_of(g, w[i + k + NK_LEN / 2]) - g->lo;
            *dst++ = (uint8_t)(low | high << 4);
        }
    }
}

static void encode_units(nb_encode_job *job, const float *src, void *dst, size_t rows, size_t cols)
{
    const nk_type *t = job->type;
    size_t unit = job->knobs->group > 0 ? (size_t)job->knobs->group : cols;
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < cols; c += unit) {
            size_t n = cols - c < unit ? cols - c : unit;
            const float *w = src + r * cols + c;
            uint8_t *to = (uint8_t *)dst + (r * cols + c) / t->block_len * t->block_size;
            grid g = choose_grid(job, w, job->importance ? job->importance + c : NULL, n);
            if (t->id == NK_Q8_0)
                put_q8_0(&g, w, n, job->knobs->asymmetric && needs_nine_bits(&g, w, n), to);
            else
                put_q4(&g, w, n, job->knobs->asymmetric, to);
        }
    }
}

/* --- two bits ----------------------------------------------------------------------------------
 */

/* step[g], offset[g] = weight of code 0 for each 16: stored as 15ths of the largest. */
static void put_q2_k(const float *w, const grid g[16], bool shared, nk_block_q2_k *b)
{
    float most_step = 0, most_offset = 0;
    memset(b, 0, sizeof *b);
    for (int i = 0; i < 16; i++) {
        float down = -weight_of(&g[i], g[i].lo);
        most_step = g[i].step > most_step ? g[i].step : most_step;
        most_offset = down > most_offset ? down : most_offset;
    }
    float d = shared ? half(most_step) : half(most_step / 15);
    float dmin = shared ? d : half(most_offset / 15);
    b->d = nk_f32_to_f16(d);
    b->dmin = nk_f32_to_f16(dmin);
    for (int i = 0; i < 16; i++) {
        float down = -weight_of(&g[i], g[i].lo);
        int sc = d > 0 ? (int)roundf(g[i].step / d) : 0;
        int m = dmin > 0 ? (int)roundf(down / dmin) : 0;
        sc = sc < 1 ? 1 : sc > 15 ? 15 : sc;
        m = m > 15 ? 15 : m;
        b->scales[i] = (uint8_t)(sc | m << 4);
        float step = d * (float)sc, offset = dmin * (float)m;
        for (int k = 0; k < 16; k++) {
            int at = i * 16 + k;
            float code = step > 0 ? roundf((w[at] + offset) / step) : 0;
            int q = code < 0 ? 0 : code > 3 ? 3 : (int)code;
            if (shared) /* nothing was rounded: the textbook's own code */
                q = code_of(&g[i], w[at]) - g[i].lo;
            b->qs[at / 128 * 32 + at % 32] |= (uint8_t)(q << 2 * (at % 128 / 32));
        }
    }
}

static void encode_int2(nb_encode_job *job, const float *src, void *dst, size_t rows, size_t cols)
{
    bool grouped = job->knobs->group > 0;
    size_t unit = grouped ? (size_t)job->knobs->group : cols;
    grid g[16];
    for (size_t r = 0; r < rows; r++) {
        const float *row = src + r * cols;
        for (size_t c = 0; c < cols; c += NK_SUPER_LEN) {
            nk_block_q2_k b;
            for (size_t i = 0; i < 16 && (grouped || c == 0); i++) {
                size_t at = grouped ? (c + i * 16) / unit * unit : 0;
                if (i > 0 && (!grouped || i * 16 % unit != 0))
                    g[i] = g[i - 1];
                else
                    g[i] = choose_grid(job, row + at, job->importance ? job->importance + at : NULL,
                                       unit);
            }
            put_q2_k(row + c, g, !grouped, &b);
            memcpy((uint8_t *)dst + (r * cols + c) / NK_SUPER_LEN * sizeof b, &b, sizeof b);
        }
    }
}

/* --- rows --------------------------------------------------------------------------------------
 */

static const char *preset_int8(const nb_knobs *k)
{
    (void)k;
    return "Q8_0";
}

static const char *preset_int4(const nb_knobs *k)
{
    return k->asymmetric ? "Q4_1" : "Q4_0";
}

static const char *preset_int2(const nb_knobs *k)
{
    (void)k;
    return "Q2_K";
}

static bool writes_int8(const nk_type *t, const nb_knobs *k)
{
    (void)k;
    return t->id == NK_Q8_0;
}

static bool writes_int4(const nk_type *t, const nb_knobs *k)
{
    return t->id == (k->asymmetric ? NK_Q4_1 : NK_Q4_0);
}

static bool writes_int2(const nk_type *t, const nb_knobs *k)
{
    (void)k;
    return t->id == NK_Q2_K;
}

extern const nb_method nb_method_int8, nb_method_int4, nb_method_int2;

const nb_method nb_method_int8 = {
    .name = "int8",
    .help = "the textbook's 8 bits, in q8_0; e: sym asym, tensor channel 32 64 128, minmax mse",
    .knobs = NB_KNOB_SCHEME | NB_KNOB_GROUP | NB_KNOB_CLIP,
    .group = 32,
    .preset = preset_int8,
    .writes = writes_int8,
    .encode = encode_units,
    .survey = survey,
};

const nb_method nb_method_int4 = {
    .name = "int4",
    .help =
        "the textbook's 4 bits, q4_0 or q4_1; e: sym asym, tensor channel 32 64 128, minmax mse",
    .knobs = NB_KNOB_SCHEME | NB_KNOB_GROUP | NB_KNOB_CLIP,
    .group = 32,
    .preset = preset_int4,
    .writes = writes_int4,
    .encode = encode_units,
    .survey = survey,
};

const nb_method nb_method_int2 = {
    .name = "int2",
    .help = "the textbook's 2 bits, in q2_K; steps of groups are 15ths of the block's largest",
    .knobs = NB_KNOB_SCHEME | NB_KNOB_GROUP | NB_KNOB_CLIP,
    .group = NB_GROUP_CHANNEL,
    .preset = preset_int2,
    .writes = writes_int2,
    .encode = encode_int2,
    .survey = survey,
};
