#include "core/quant/hist.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Lower edge of magnitude bin k: 2^(EXP_MIN + k/8) * (1 + (k mod 8)/8). */
static double magnitude(size_t k)
{
    return ldexp(1.0 + (double)(k % 8) / 8.0, (int)(k / 8) + NB_HIST_EXP_MIN);
}

enum { KEY_SHIFT = 20, PART_SHIFT = 6, TALLIED_FROM = 4096 };
_Static_assert(NB_HIST_KEYS >> PART_SHIFT == 64, "parts are bits of nb_hist_keys.met");

/* Keys k..k+3 of all tables; most are empty. */
static void add_keys(nb_hist *h, const nb_hist_keys *tally, uint32_t k)
{
    uint64_t any = 0, four;
    for (size_t t = 0; t < NB_HIST_TABLES; t++) {
        memcpy(&four, &tally->count[t][k], sizeof four);
        any |= four;
    }
    for (uint32_t end = k + 4; any && k < end; k++) {
        uint32_t bits = k << KEY_SHIFT, n = 0;
        float like;
        memcpy(&like, &bits, sizeof like);
        for (size_t t = 0; t < NB_HIST_TABLES; t++)
            n += tally->count[t][k];
        if (n)
            h->count[nb_hist_bin(like)] += n;
    }
}

void nb_hist_keys_flush(nb_hist_keys *t, nb_hist *h)
{
    if (t->held == 0) /* h stays untouched, and without memory where it never was */
        return;
    for (uint64_t left = t->met; left; left &= left - 1) {
        uint32_t first = (uint32_t)__builtin_ctzll(left) << PART_SHIFT,
                 end = first + (1u << PART_SHIFT);
        for (uint32_t k = first; k < end; k += 4)
            add_keys(h, t, k);
        for (size_t i = 0; i < NB_HIST_TABLES; i++)
            memset(&t->count[i][first], 0, sizeof(t->count[i][0]) << PART_SHIFT);
    }
    h->total += t->held;
    t->held = 0;
    t->met = 0;
}

static uint64_t part_of(uint32_t key)
{
    return (uint64_t)1 << (key >> PART_SHIFT);
}

void nb_hist_keys_add(nb_hist_keys *t, const float *v, size_t n)
{
    uint32_t u[NB_HIST_TABLES];
    uint64_t met = t->met;
    size_t i = 0;
    for (; i + NB_HIST_TABLES <= n; i += NB_HIST_TABLES) {
        memcpy(u, v + i, sizeof u);
        for (size_t k = 0; k < NB_HIST_TABLES; k++)
            u[k] >>= KEY_SHIFT;
        t->count[0][u[0]]++;
        t->count[1][u[1]]++;
        t->count[2][u[2]]++;
        t->count[3][u[3]]++;
        met |= part_of(u[0]) | part_of(u[1]) | part_of(u[2]) | part_of(u[3]);
    }
    for (; i < n; i++) {
        memcpy(u, v + i, sizeof *u);
        *u >>= KEY_SHIFT;
        t->count[(t->held + i) % NB_HIST_TABLES][*u]++; /* in turn */
        met |= part_of(*u);
    }
    t->met = met;
    t->held += n;
}

void nb_hist_places(uint16_t *place, const float *v, size_t n)
{
    enum { FEW = 8 }; /* a whole number of registers: compiled as such */
    int32_t u[FEW];
    size_t i = 0;
    for (; i + FEW <= n; i += FEW) {
        memcpy(u, v + i, sizeof u);
        for (size_t k = 0; k < FEW; k++)
            u[k] = nb_hist_place(u[k]);
        for (size_t k = 0; k < FEW; k++)
            place[i + k] = (uint16_t)u[k];
    }
    for (; i < n; i++) {
        memcpy(u, v + i, sizeof *u);
        place[i] = (uint16_t)nb_hist_place(*u);
    }
}

void nb_hist_trio_add(nb_hist_trio *t, size_t which, const uint16_t *place, size_t n)
{
    for (size_t i = 0; i < n; i++)
        t->count[place[i]][which]++;
}

void nb_hist_trio_read(const nb_hist_trio *t, size_t which, nb_hist *out)
{
    for (size_t i = 0; i < NB_HIST_PLACES; i++) {
        size_t k = i / 2;
        out->count[i % 2 ? NB_HIST_SIDE - k : NB_HIST_SIDE + k] += t->count[i][which];
        out->total += t->count[i][which];
    }
}

void nb_hist_add(nb_hist *h, const float *v, size_t n)
{
    if (n >= TALLIED_FROM) {
        nb_hist_keys t = {0};
        for (size_t i = 0; i < n; i += NB_HIST_HELD) {
            nb_hist_keys_add(&t, v + i, n - i < NB_HIST_HELD ? n - i : NB_HIST_HELD);
            nb_hist_keys_flush(&t, h);
        }
        return;
    }
    h->total += n;
    for (size_t i = 0; i < n; i++)
        h->count[nb_hist_bin(v[i])]++;
}

void nb_hist_merge(nb_hist *into, const nb_hist *from)
{
    for (size_t b = 0; b < NB_HIST_BINS; b++)
        into->count[b] += from->count[b];
    into->total += from->total;
}

double nb_hist_edge(size_t bin)
{
    if (bin < NB_HIST_SIDE) /* holds [-magnitude(k + 1), -magnitude(k)) up to the sign of edges */
        return -magnitude(NB_HIST_SIDE - bin);
    if (bin == NB_HIST_SIDE)
        return -magnitude(0);
    return magnitude(bin - NB_HIST_SIDE - 1);
}

/* Spreads `count` evenly over [a, b) onto columns `width` wide from lo. */
static void spread(double a, double b, double count, double lo, double width, double *out,
                   size_t cols)
{
    double per = count / (b - a);
    size_t first = a <= lo ? 0 : (size_t)((a - lo) / width);
    for (size_t c = first; c < cols; c++) {
        double left = lo + width * (double)c, right = lo + width * (double)(c + 1);
        if (left >= b)
            break;
        double part = (b < right ? b : right) - (a > left ? a : left);
        if (part > 0)
            out[c] += per * part;
    }
}

void nb_hist_columns(const nb_hist *h, double lo, double hi, double *out, size_t cols,
                     double *below, double *above)
{
    memset(out, 0, cols * sizeof *out);
    *below = *above = 0;
    if (cols == 0 || !(hi > lo))
        return;
    double width = (hi - lo) / (double)cols;
    for (size_t bin = 0; bin < NB_HIST_BINS; bin++) {
        if (h->count[bin] == 0)
            continue;
        double a = nb_hist_edge(bin), b = nb_hist_edge(bin + 1), n = (double)h->count[bin];
        double in_a = a > lo ? a : lo, in_b = b < hi ? b : hi;
        if (a < lo)
            *below += n * ((b < lo ? b : lo) - a) / (b - a);
        if (b > hi)
            *above += n * (b - (a > hi ? a : hi)) / (b - a);
        if (in_b > in_a)
            spread(in_a, in_b, n * (in_b - in_a) / (b - a), lo, width, out, cols);
    }
}

double nb_hist_reach(const nb_hist *h, double share)
{
    if (h->total == 0)
        return 0;
    double want = share * (double)h->total;
    uint64_t held = h->count[NB_HIST_SIDE];
    if ((double)held >= want)
        return magnitude(0);
    for (size_t k = 0; k < NB_HIST_SIDE; k++) {
        held += h->count[NB_HIST_SIDE + 1 + k] + h->count[NB_HIST_SIDE - 1 - k];
        if ((double)held >= want)
            return magnitude(k + 1);
    }
    return magnitude(NB_HIST_SIDE);
}

void nb_stats_clear(nb_stats *s)
{
    memset(s, 0, sizeof *s);
    s->min = FLT_MAX;
    s->max = -FLT_MAX;
}

static void add_measured(nb_stats *s, const nk_measured *m, size_t n, uint64_t at)
{
    nb_stats run = {.n = n,
                    .n_zero = m->n_zero,
                    .sum = m->w,
                    .sum2 = m->w2,
                    .sum4 = m->w4,
                    .sum_err = m->e,
                    .sum_err2 = m->e2,
                    .min = m->min,
                    .max = m->max,
                    .max_err = m->max_err,
                    .max_err_at = at + m->max_err_at};
    nb_stats_merge(s, &run);
}

/* NaN and Inf are counted and kept out of every sum. */
static void add_unfinite(nb_stats *s, const float *src, const float *dec, size_t n, uint64_t at)
{
    for (size_t i = 0; i < n; i++) {
        bool bad_src = !isfinite(src[i]), bad_dec = !isfinite(dec[i]);
        if (bad_src || bad_dec) {
            bool nan = bad_src ? isnan(src[i]) : isnan(dec[i]);
            s->n++;
            s->n_nan += nan;
            s->n_inf += !nan;
        } else {
            nk_measured m;
            nk_measure(nk_measure_eights, &src[i], &dec[i], 1, fabsf(s->max_err), &m);
            add_measured(s, &m, 1, at + i);
        }
    }
}

void nb_stats_add(nb_stats *s, const nk_ops *ops, const float *src, const float *dec, size_t n,
                  uint64_t at)
{
    nk_measured m;
    nk_measure(ops ? ops->measure : nk_measure_eights, src, dec, n, fabsf(s->max_err), &m);
    if (isfinite(m.w2) && isfinite(m.e2)) /* squares of finite floats never overflow a double */
        add_measured(s, &m, n, at);
    else
        add_unfinite(s, src, dec, n, at);
}

void nb_stats_add_clips(nb_stats *s, const nk_block_view *v, const float *src, const float *dec)
{
    for (uint32_t g = 0; g < v->len / v->group; g++) {
        float limit = 1.5f * fabsf(v->scale[g]) * (float)v->code_step;
        uint32_t clips = 0;
        for (uint32_t i = g * v->group; i < (g + 1) * v->group; i++)
            clips += fabsf(dec[i] - src[i]) > limit;
        s->n_clip += clips;
    }
}

void nb_stats_merge(nb_stats *into, const nb_stats *from)
{
    into->n += from->n;
    into->n_zero += from->n_zero;
    into->n_nan += from->n_nan;
    into->n_inf += from->n_inf;
    into->n_clip += from->n_clip;
    into->sum += from->sum;
    into->sum2 += from->sum2;
    into->sum4 += from->sum4;
    into->sum_err += from->sum_err;
    into->sum_err2 += from->sum_err2;
    into->n_looks += from->n_looks;
    into->look_ee += from->look_ee;
    into->look_ew += from->look_ew;
    into->look_ww += from->look_ww;
    into->min = from->min < into->min ? from->min : into->min;
    into->max = from->max > into->max ? from->max : into->max;
    if (fabsf(from->max_err) > fabsf(into->max_err)) {
        into->max_err = from->max_err;
        into->max_err_at = from->max_err_at;
    }
}

void nb_stats_add_look(nb_stats *s, const nk_ops *ops, const float *src, const float *dec, size_t n,
                       uint64_t at)
{
    nb_stats look;
    nb_stats_clear(&look);
    look.max_err = s->max_err; /* smaller ones need no place */
    look.max_err_at = s->max_err_at;
    nb_stats_add(&look, ops, src, dec, n, at);
    look.n_looks = 1;
    look.look_ee = look.sum_err2 * look.sum_err2;
    look.look_ew = look.sum_err2 * look.sum2;
    look.look_ww = look.sum2 * look.sum2;
    nb_stats_merge(s, &look);
}

static uint64_t times(uint64_t n, double by)
{
    return (uint64_t)((double)n * by + 0.5);
}

nb_stats nb_stats_expand(const nb_stats *s, uint64_t n)
{
    nb_stats e = *s;
    if (s->n == 0 || n <= s->n) {
        e.n_looks = 0;
        e.look_ee = e.look_ew = e.look_ww = 0;
        return e;
    }
    double by = (double)n / (double)s->n;
    e.n = n;
    e.n_zero = times(s->n_zero, by);
    e.n_nan = times(s->n_nan, by);
    e.n_inf = times(s->n_inf, by);
    e.n_clip = times(s->n_clip, by);
    e.sum *= by, e.sum2 *= by, e.sum4 *= by;
    e.sum_err *= by, e.sum_err2 *= by;
    /* Variance of a total: squares go up by the square, less the share that is known for sure. */
    double m = (double)s->n_looks, spread = m > 1 ? m / (m - 1) : 1;
    spread *= by * by * (1 - 1 / by);
    e.look_ee *= spread, e.look_ew *= spread, e.look_ww *= spread;
    return e;
}

double nb_stats_rel_rmse_error(const nb_stats *s)
{
    double r = s->sum2 > 0 ? s->sum_err2 / s->sum2 : 0; /* the square of rel_rmse */
    double var = s->look_ee - 2 * r * s->look_ew + r * r * s->look_ww;
    return r > 0 && var > 0 ? sqrt(var) / s->sum2 / (2 * sqrt(r)) : 0;
}

double nb_stats_rel_rmse(const nb_stats *s)
{
    return s->sum2 > 0 ? sqrt(s->sum_err2 / s->sum2) : 0;
}

double nb_stats_sqnr_db(const nb_stats *s)
{
    return s->sum_err2 > 0 ? 10 * log10(s->sum2 / s->sum_err2) : INFINITY;
}

static double counted(const nb_stats *s)
{
    return (double)(s->n - s->n_nan - s->n_inf);
}

double nb_stats_std(const nb_stats *s)
{
    double n = counted(s);
    if (n <= 0)
        return 0;
    double mean = s->sum / n, var = s->sum2 / n - mean * mean;
    return var > 0 ? sqrt(var) : 0;
}

/* Fourth moment about zero: weights are centred far within their spread. */
double nb_stats_kurtosis(const nb_stats *s)
{
    return s->sum2 > 0 ? s->sum4 * counted(s) / (s->sum2 * s->sum2) : 0;
}
