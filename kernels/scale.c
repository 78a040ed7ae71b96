#include "kernels/scale.h"

#include <math.h>
#include <string.h>

float nk_absmax_signed(const float *x, size_t n)
{
    float amax = 0, max = 0;
    for (size_t i = 0; i < n; i++) {
        float a = fabsf(x[i]);
        if (a > amax) {
            amax = a;
            max = x[i];
        }
    }
    return max;
}

float nk_sum_squares(const float *x, size_t n)
{
    float sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sum;
}

void nk_importance_weights(const float *x, const float *importance, float sigma2, float *w,
                           size_t n)
{
    for (size_t i = 0; i < n; i++)
        w[i] = importance[i] * sqrtf(sigma2 + x[i] * x[i]);
}

/* Least-squares sums of one trial: scale = lx / l2 minimises sum w (x - scale * l)^2. */
typedef struct fit_sums {
    float lx, l2;
} fit_sums;

static int symmetric_code(float x, float iscale, int nmax)
{
    return nk_clamp(nk_nearest(iscale * x), -nmax, nmax - 1);
}

static fit_sums symmetric_sums(const float *x, const float *w, int n, int nmax, float iscale)
{
    fit_sums s = {0, 0};
    for (int i = 0; i < n; i++) {
        float l = (float)symmetric_code(x[i], iscale, nmax);
        s.lx += w[i] * x[i] * l;
        s.l2 += w[i] * l * l;
    }
    return s;
}

float nk_fit_symmetric(const float *x, const float *w, int n, int nmax, int8_t *code)
{
    float max = nk_absmax_signed(x, (size_t)n);
    if (fabsf(max) < NK_GROUP_EPS) {
        memset(code, 0, (size_t)n);
        return 0;
    }
    float iscale = (float)-nmax / max;
    fit_sums s = symmetric_sums(x, w, n, nmax, iscale);
    float scale = s.l2 != 0 ? s.lx / s.l2 : 0.0f;
    float best = scale * s.lx; /* explained energy lx^2 / l2 */
    float best_iscale = iscale;
    for (int k = -9; k <= 9; k++) {
        if (k == 0)
            continue;
        iscale = -((float)nmax + 0.1f * (float)k) / max;
        s = symmetric_sums(x, w, n, nmax, iscale);
        if (s.l2 > 0 && s.lx * s.lx > best * s.l2) {
            scale = s.lx / s.l2;
            best = scale * s.lx;
            best_iscale = iscale;
        }
    }
    for (int i = 0; i < n; i++)
        code[i] = (int8_t)(nmax + symmetric_code(x[i], best_iscale, nmax));
    return scale;
}

/* One pass over the codes, each moved to its optimum given the others; true if any moved. */
static bool sweep_symmetric(const float *x, int n, int nmax, int8_t *code, fit_sums *s)
{
    bool moved = false;
    for (int i = 0; i < n; i++) {
        float w = x[i] * x[i], old = code[i];
        float lx = s->lx - w * x[i] * old;
        if (!(lx > 0))
            continue;
        float l2 = s->l2 - w * old * old;
        int l = nk_clamp(nk_nearest(x[i] * l2 / lx), -nmax, nmax - 1);
        if (l == code[i])
            continue;
        lx += w * x[i] * (float)l;
        l2 += w * (float)l * (float)l;
        if (l2 > 0 && lx * lx * s->l2 > s->lx * s->lx * l2) {
            code[i] = (int8_t)l;
            *s = (fit_sums){lx, l2};
            moved = true;
        }
    }
    return moved;
}

float nk_fit_symmetric_sweep(const float *x, int n, int nmax, int8_t *code)
{
    float max = nk_absmax_signed(x, (size_t)n);
    if (fabsf(max) < NK_GROUP_EPS) {
        memset(code, 0, (size_t)n);
        return 0;
    }
    float iscale = (float)-nmax / max;
    fit_sums s = {0, 0};
    for (int i = 0; i < n; i++) {
        float w = x[i] * x[i];
        code[i] = (int8_t)symmetric_code(x[i], iscale, nmax);
        s.lx += w * x[i] * (float)code[i];
        s.l2 += w * (float)code[i] * (float)code[i];
    }
    for (int k = 0; k < 5 && sweep_symmetric(x, n, nmax, code, &s); k++)
        ;
    for (int i = 0; i < n; i++)
        code[i] = (int8_t)(code[i] + nmax);
    return s.l2 > 0 ? s.lx / s.l2 : 0.0f;
}

/* A group as the affine fit sees it. */
typedef struct affine_group {
    const float *x, *w;
    int n, nmax;
    float low; /* smallest value, at most 0 */
    float sum_w, sum_x;
} affine_group;

static void affine_codes(const affine_group *g, float iscale, uint8_t *code)
{
    for (int i = 0; i < g->n; i++)
        code[i] = (uint8_t)nk_clamp(nk_nearest(iscale * (g->x[i] - g->low)), 0, g->nmax);
}

static float affine_error(const affine_group *g, const uint8_t *code, float scale, float low,
                          bool absolute)
{
    float error = 0;
    for (int i = 0; i < g->n; i++) {
        float e = scale * (float)code[i] + low - g->x[i];
        error += g->w[i] * (absolute ? fabsf(e) : e * e);
    }
    return error;
}

/* Weighted least squares for x ~ scale * code + low with low <= 0; false if it is degenerate. */
static bool affine_solve(const affine_group *g, const uint8_t *code, float *scale, float *low)
{
    float sum_l = 0, sum_l2 = 0, sum_xl = 0;
    for (int i = 0; i < g->n; i++) {
        float w = g->w[i], l = (float)code[i];
        sum_l += w * l;
        sum_l2 += w * l * l;
        sum_xl += w * l * g->x[i];
    }
    float det = g->sum_w * sum_l2 - sum_l * sum_l;
    if (!(det > 0))
        return false;
    *scale = (g->sum_w * sum_xl - g->sum_x * sum_l) / det;
    *low = (sum_l2 * g->sum_x - sum_l * sum_xl) / det;
    if (*low > 0) {
        *low = 0;
        *scale = sum_xl / sum_l2;
    }
    return true;
}

float nk_fit_affine(const float *x, const float *w, int n, int nmax, const nk_affine_search *search,
                    uint8_t *code, float *min)
{
    affine_group g = {.x = x, .w = w, .n = n, .nmax = nmax, .low = x[0]};
    float high = x[0];
    g.sum_w = w[0];
    g.sum_x = w[0] * x[0];
    for (int i = 1; i < n; i++) {
        g.low = x[i] < g.low ? x[i] : g.low;
        high = x[i] > high ? x[i] : high;
        g.sum_w += w[i];
        g.sum_x += w[i] * x[i];
    }
    if (g.low > 0)
        g.low = 0;
    if (high <= g.low) {
        memset(code, 0, (size_t)n);
        *min = -g.low;
        return 0;
    }
    float iscale = (float)nmax / (high - g.low);
    float best_scale = 1 / iscale;
    affine_codes(&g, iscale, code);
    float best = affine_error(&g, code, best_scale, g.low, search->absolute);
    for (int k = 0; k <= search->last; k++) {
        uint8_t trial[32];
        float scale, low;
        iscale = (search->first + search->step * (float)k + (float)nmax) / (high - g.low);
        affine_codes(&g, iscale, trial);
        if (!affine_solve(&g, trial, &scale, &low))
            continue;
        float error = affine_error(&g, trial, scale, low, search->absolute);
        if (error < best) {
            memcpy(code, trial, (size_t)n);
            best = error;
            best_scale = scale;
            g.low = low; /* later trials start from the better min */
        }
    }
    *min = -g.low;
    return best_scale;
}

/* As sweep_symmetric for codes 0..nmax under weights w. */
static bool sweep_positive(const float *x, const float *w, int n, int nmax, uint8_t *code,
                           fit_sums *s)
{
    bool moved = false;
    for (int i = 0; i < n; i++) {
        float old = code[i];
        float lx = s->lx - w[i] * x[i] * old;
        float l2 = s->l2 - w[i] * old * old;
        if (!(lx > 0 && l2 > 0))
            continue;
        int l = nk_nearest(x[i] * l2 / lx);
        l = l < nmax ? l : nmax;
        if (l == code[i])
            continue;
        lx += w[i] * x[i] * (float)l;
        l2 += w[i] * (float)l * (float)l;
        if (lx * lx * s->l2 > s->lx * s->lx * l2) {
            code[i] = (uint8_t)l;
            *s = (fit_sums){lx, l2};
            moved = true;
        }
    }
    return moved;
}

/* Weighted squared error of codes min(nmax, round(x * iscale)); the starting trial of the reference
 * is not limited to nmax but wrapped to a byte. */
static float positive_error(const float *x, const float *w, int n, int nmax, float iscale,
                            bool first)
{
    float scale = 1 / iscale, error = 0;
    for (int i = 0; i < n; i++) {
        int l = nk_nearest(iscale * x[i]);
        l = first ? (uint8_t)l : l < nmax ? l : nmax;
        float e = x[i] - scale * (float)l;
        error += w[i] * e * e;
    }
    return error;
}

float nk_fit_positive(const float *x, const float *w, int n, int nmax, uint8_t *code)
{
    float max = 0;
    for (int i = 0; i < n; i++)
        max = max > x[i] ? max : x[i];
    if (max < NK_GROUP_EPS) {
        memset(code, 0, (size_t)n);
        return 0;
    }
    float iscale = (float)nmax / max;
    float best = positive_error(x, w, n, nmax, iscale, true);
    for (int k = -4; k <= 4; k++) {
        if (k == 0)
            continue;
        float trial = (0.1f * (float)k + (float)nmax) / max;
        float error = positive_error(x, w, n, nmax, trial, false);
        if (error < best) {
            best = error;
            iscale = trial;
        }
    }
    fit_sums s = {0, 0};
    for (int i = 0; i < n; i++) {
        int l = nk_nearest(iscale * x[i]);
        l = l < nmax ? l : nmax;
        code[i] = (uint8_t)l;
        s.lx += w[i] * x[i] * (float)l;
        s.l2 += w[i] * (float)l * (float)l;
    }
    for (int k = 0; k < 5 && sweep_positive(x, w, n, nmax, code, &s); k++)
        ;
    return s.l2 > 0 ? s.lx / s.l2 : 0.0f;
}
