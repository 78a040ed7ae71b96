#include "kernels/measure.h"
#include "kernels/fp.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { LANES = NK_MEASURE_LANES };

static void add_one(nk_measure_lanes *t, size_t k, float src, float dec)
{
    double w = src, e = (double)dec - w, w2 = w * w;
    float size = fabsf(dec - src);
    t->w[k] += w;
    t->w2[k] += w2;
    t->w4[k] += w2 * w2;
    t->e[k] += e;
    t->e2[k] += e * e;
    t->min[k] = src < t->min[k] ? src : t->min[k];
    t->max[k] = src > t->max[k] ? src : t->max[k];
    t->err[k] = size > t->err[k] ? size : t->err[k];
    t->zero[k] += src == 0.0f;
}

/* One value's part of a run's sums, which stay floats. */
typedef struct run_lanes {
    float w[LANES], w2[LANES], w4[LANES], e[LANES], e2[LANES];
} run_lanes;

void nk_measure_eights(const float *src, const float *dec, size_t n, nk_measure_lanes *t)
{
    run_lanes r = {0};
    for (size_t i = 0; i < n; i++) {
        size_t k = i % LANES;
        float w = src[i], e = dec[i] - w, size = fabsf(e), w2 = w * w;
        r.w[k] += w;
        r.w2[k] += w2;
        r.w4[k] += w2 * w2;
        r.e[k] += e;
        r.e2[k] += e * e;
        t->min[k] = w < t->min[k] ? w : t->min[k];
        t->max[k] = w > t->max[k] ? w : t->max[k];
        t->err[k] = size > t->err[k] ? size : t->err[k];
        t->zero[k] += w == 0.0f;
    }
    for (size_t k = 0; k < LANES; k++) {
        t->w[k] += (double)r.w[k];
        t->w2[k] += (double)r.w2[k];
        t->w4[k] += (double)r.w4[k];
        t->e[k] += (double)r.e[k];
        t->e2[k] += (double)r.e2[k];
    }
}

static double fold(const double v[LANES])
{
    double four[LANES / 2];
    for (size_t k = 0; k < LANES / 2; k++)
        four[k] = v[k] + v[k + 4];
    return (four[0] + four[2]) + (four[1] + four[3]);
}

static float greatest(const float v[LANES])
{
    float most = v[0];
    for (size_t k = 1; k < LANES; k++)
        most = v[k] > most ? v[k] : most;
    return most;
}

static float least(const float v[LANES])
{
    float low = v[0];
    for (size_t k = 1; k < LANES; k++)
        low = v[k] < low ? v[k] : low;
    return low;
}

/* The first error of this magnitude; it is among those from `from` on. */
static void find_error(nk_measured *m, const float *src, const float *dec, size_t from, size_t n,
                       float size)
{
    enum { FEW = 8 }; /* a whole number of registers: compiled as such */
    for (int32_t met = 0; from + FEW <= n; from += FEW) {
        for (size_t k = 0; k < FEW; k++)
            met |= -(fabsf(dec[from + k] - src[from + k]) == size);
        if (met)
            break;
    }
    for (size_t i = from; i < n; i++)
        if (fabsf(dec[i] - src[i]) == size) {
            m->max_err = dec[i] - src[i];
            m->max_err_at = i;
            return;
        }
}

static nk_measure_lanes no_lanes(void)
{
    nk_measure_lanes t = {0};
    for (size_t k = 0; k < LANES; k++) {
        t.min[k] = FLT_MAX;
        t.max[k] = -FLT_MAX;
    }
    return t;
}

static void fold_all(const nk_measure_lanes *t, nk_measured *out)
{
    out->w = fold(t->w);
    out->w2 = fold(t->w2);
    out->w4 = fold(t->w4);
    out->e = fold(t->e);
    out->e2 = fold(t->e2);
    out->min = least(t->min);
    out->max = greatest(t->max);
}

/* Fourth powers of these, and squares of their errors, are normal floats. */
static bool in_reach(const nk_measured *m)
{
    float size = -m->min > m->max ? -m->min : m->max;
    return size > 0x1p-24f && size < 0x1p24f && isfinite(m->e2);
}

/* All in double, for what floats cannot hold. */
static void measure_wide(const float *src, const float *dec, size_t n, nk_measured *out)
{
    nk_measure_lanes t = no_lanes();
    for (size_t i = 0; i < n; i++)
        add_one(&t, i % LANES, src[i], dec[i]);
    fold_all(&t, out);
}

void nk_measure(nk_measure_fn *eights, const float *src, const float *dec, size_t n, float known,
                nk_measured *out)
{
    nk_measure_lanes t = no_lanes();
    size_t worst_run = 0;
    *out = (nk_measured){0};
    float worst = known;
    for (size_t i = 0; i < n; i += NK_MEASURE_RUN) {
        size_t len = n - i < NK_MEASURE_RUN ? n - i : NK_MEASURE_RUN, whole = len / LANES * LANES;
        eights(src + i, dec + i, whole, &t);
        for (size_t k = whole; k < len; k++)
            add_one(&t, k - whole, src[i + k], dec[i + k]);
        float most = greatest(t.err);
        if (most > worst) {
            worst = most;
            worst_run = i;
        }
    }
    for (size_t k = 0; k < LANES; k++)
        out->n_zero += (size_t)t.zero[k];
    fold_all(&t, out);
    if (n && !in_reach(out))
        measure_wide(src, dec, n, out);
    if (worst > known)
        find_error(out, src, dec, worst_run, n, worst);
}

bool nk_all_finite(const float *v, size_t n)
{
    uint32_t worst = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t u = nk_f32_bits(v[i]) & 0x7f800000u;
        worst = u > worst ? u : worst;
    }
    return worst < 0x7f800000u;
}

bool nk_finite_halves(const void *v, size_t n, uint16_t exponent)
{
    unsigned worst = 0;
    for (size_t i = 0; i < n; i++) {
        uint16_t u;
        memcpy(&u, (const char *)v + i * sizeof u, sizeof u);
        unsigned e = u & exponent;
        worst = e > worst ? e : worst;
    }
    return worst < exponent;
}

size_t nk_find_far(const float *src, const float *dec, size_t from, size_t n, size_t group,
                   float share)
{
    for (; from < n; from += group) {
        float lo = dec[from], hi = dec[from], err = 0;
        for (size_t i = from; i < from + group; i++) {
            float size = fabsf(dec[i] - src[i]);
            lo = dec[i] < lo ? dec[i] : lo;
            hi = dec[i] > hi ? dec[i] : hi;
            err = size > err ? size : err;
        }
        if (err > share * (hi - lo))
            return from;
    }
    return n;
}
