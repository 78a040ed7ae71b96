/* The searches of scale.h for LANES groups at once, one per lane: the same operations in the same
 * order for each, so each lane has the bits of the C reference. Included after lanes_avx2.h or
 * lanes_avx512.h. x and w are transposed: x[i] holds weight i of every group. */
#ifndef NIBBLE_X86_LANES_FIT_H
#define NIBBLE_X86_LANES_FIT_H

#ifdef NK_LANES

#include "kernels/nb.h"
#include "kernels/scale.h"

/* --- codes 0..nmax over a minimum ------------------------------------------------------------- */

/* What nk_fit_affine found. Its codes are lanes_code(iscale * (x - low), 0, nmax): `low` is the
 * start of the trial that won, not the minimum that came out of it. */
typedef struct affine_fit {
    lanes scale, min, iscale, low;
} affine_fit;

enum {
    AFFINE_PAIR = 2, /* batches whose sums run side by side: each waits for its own */
    AFFINE_SIDE =
        2 * AFFINE_PAIR, /* batches at most: one pair's divisions run while the other adds */
};

/* Weighted sums of a trial's codes. */
typedef struct affine_sums {
    lanes l, l2, xl;
} affine_sums;

/* A batch as its search sees it. */
typedef struct affine_group {
    lanes sum_w, sum_x;
    lanes least, high; /* values */
    lane_mask open;    /* they are apart */
    lanes low, best;   /* where trials start, and the least error so far */
    affine_fit found;
    /* of the trial under way */
    lanes iscale, scale, trial_low;
    lane_mask solved;
} affine_group;

/* Batches that go together: x, w and code are [wide][n]. */
typedef struct affine_pair {
    const lanes *x, *w;
    lanes *code;
    affine_group g[AFFINE_PAIR];
} affine_pair;

NK_INLINE lanes affine_code(lanes x, lanes low, lanes iscale, int nmax)
{
    return lanes_code(lanes_mul(iscale, lanes_sub(x, low)), 0, nmax);
}

NK_INLINE lane_ints affine_whole(lanes x, lanes low, lanes iscale, int nmax)
{
    return lanes_whole(lanes_mul(iscale, lanes_sub(x, low)), 0, nmax, 0);
}

/* How far a trial's products reach: decides what their codes need. */
typedef struct affine_reach {
    bool small; /* below 2^22 either way */
    bool above; /* nmax + 1/2 or more: codes may have to be cut to nmax */
    bool below; /* less than -1/2: codes may have to be cut to 0 */
} affine_reach;

/* A code of 0 may come out as -0, which adds to sums what 0 does. */
NK_INLINE lanes reach_code(lanes v, const int nmax, const affine_reach reach)
{
    if (!reach.small)
        return lanes_code(v, 0, nmax);
    lanes l = lanes_nearest_whole(v);
    l = reach.above ? lanes_min(l, lanes_set((float)nmax)) : l;
    return reach.below ? lanes_not_negative(l) : l;
}

NK_INLINE void affine_codes(affine_pair *p, const int wide, const int n, const int nmax,
                            const affine_reach reach, affine_sums *out)
{
    NK_UNSET affine_sums s[AFFINE_PAIR];
    const lanes *x = p->x, *w = p->w;
    lanes *code = p->code;
    for (int b = 0; b < wide; b++)
        s[b] = (affine_sums){lanes_set(0), lanes_set(0), lanes_set(0)};
    for (int i = 0; i < n; i++)
#pragma GCC unroll 2
        for (int b = 0; b < wide; b++) {
            const lanes value = x[b * n + i];
            lanes v = lanes_mul(p->g[b].iscale, lanes_sub(value, p->g[b].low));
            lanes l = reach_code(v, nmax, reach), wl = lanes_mul(w[b * n + i], l);
            code[b * n + i] = l;
            s[b].l = lanes_add(s[b].l, wl);
            s[b].l2 = lanes_add(s[b].l2, lanes_mul(wl, l));
            s[b].xl = lanes_add(s[b].xl, lanes_mul(wl, value));
        }
    for (int b = 0; b < wide; b++)
        out[b] = s[b];
}

NK_INLINE void affine_errors(const affine_pair *p, const int wide, const int n, const bool absolute,
                             lanes *out)
{
    NK_UNSET lanes error[AFFINE_PAIR];
    const lanes *x = p->x, *w = p->w, *code = p->code;
    for (int b = 0; b < wide; b++)
        error[b] = lanes_set(0);
    for (int i = 0; i < n; i++)
#pragma GCC unroll 2
        for (int b = 0; b < wide; b++) {
            lanes e = lanes_mul(p->g[b].scale, code[b * n + i]);
            e = lanes_sub(lanes_add(e, p->g[b].trial_low), x[b * n + i]);
            e = absolute ? lanes_abs(e) : lanes_mul(e, e);
            error[b] = lanes_add(error[b], lanes_mul(w[b * n + i], e));
        }
    for (int b = 0; b < wide; b++)
        out[b] = error[b];
}

/* Of the products of open lanes: those of the two ends bound all others. A minimum that was fitted
 * may lie beyond either end, and then iscale is negative. */
NK_INLINE void add_reach(const affine_group *g, const int nmax, affine_reach *r)
{
    const lanes zero = lanes_set(0), far = lanes_set(0x1p21f), half = lanes_set(0.5f);
    lanes a = lanes_pick(g->open, lanes_mul(g->iscale, lanes_sub(g->least, g->low)), zero);
    lanes b = lanes_pick(g->open, lanes_mul(g->iscale, lanes_sub(g->high, g->low)), zero);
    lane_mask small = lanes_both(lanes_less(lanes_abs(a), far), lanes_less(lanes_abs(b), far));
    lanes most = lanes_max(a, b), top = lanes_add(lanes_set((float)nmax), half);
    r->small = lanes_all(small) && r->small;
    r->above = !lanes_all(lanes_less(most, top)) || r->above;
    r->below = !lanes_all(lanes_less_or_equal(lanes_neg(half), lanes_min(a, b))) || r->below;
}

/* Least squares under a trial's codes, and the lanes where that has a solution. */
NK_INLINE void affine_solve(affine_group *g, const affine_sums *s)
{
    lanes zero = lanes_set(0);
    lanes det = lanes_sub(lanes_mul(g->sum_w, s->l2), lanes_mul(s->l, s->l));
    lanes m = lanes_div(lanes_sub(lanes_mul(s->l2, g->sum_x), lanes_mul(s->l, s->xl)), det);
    g->scale = lanes_div(lanes_sub(lanes_mul(g->sum_w, s->xl), lanes_mul(g->sum_x, s->l)), det);
    g->trial_low = m;
    g->solved = lanes_less(zero, det);
    lane_mask above = lanes_less(zero, m);
    if (lanes_any(above)) {
        g->trial_low = lanes_pick(above, zero, m);
        g->scale = lanes_pick(above, lanes_div(s->xl, s->l2), g->scale);
    }
}

/* One trial: codes and sums by the loop that does for this reach. */
NK_INLINE void affine_trial(affine_pair *p, const int wide, const int n, const int nmax,
                            float steps, affine_sums *s)
{
    affine_reach r = {.small = true};
    for (int b = 0; b < wide; b++) {
        p->g[b].iscale = lanes_div(lanes_set(steps), lanes_sub(p->g[b].high, p->g[b].low));
        add_reach(&p->g[b], nmax, &r);
    }
    if (!r.small)
        affine_codes(p, wide, n, nmax, (affine_reach){false, true, true}, s);
    else if (r.above && r.below)
        affine_codes(p, wide, n, nmax, (affine_reach){true, true, true}, s);
    else if (r.above)
        affine_codes(p, wide, n, nmax, (affine_reach){true, true, false}, s);
    else if (r.below)
        affine_codes(p, wide, n, nmax, (affine_reach){true, false, true}, s);
    else
        affine_codes(p, wide, n, nmax, (affine_reach){true, false, false}, s);
}

NK_INLINE void open_affine(affine_group *g, const lanes *x, const lanes *w, const int n)
{
    lanes zero = lanes_set(0);
    g->sum_w = w[0];
    g->sum_x = lanes_mul(w[0], x[0]);
    g->least = g->high = x[0];
    for (int i = 1; i < n; i++) {
        g->least = lanes_min(x[i], g->least);
        g->high = lanes_max(x[i], g->high);
        g->sum_w = lanes_add(g->sum_w, w[i]);
        g->sum_x = lanes_add(g->sum_x, lanes_mul(w[i], x[i]));
    }
    g->low = lanes_pick(lanes_less(zero, g->least), zero, g->least);
    g->open = lanes_less(g->low, g->high);
}

/* The codes that map the range to 0..nmax, and their error. */
NK_INLINE void start_affine(affine_pair *p, const int wide, const int n, const int nmax,
                            const bool absolute)
{
    NK_UNSET affine_sums s[AFFINE_PAIR];
    NK_UNSET lanes error[AFFINE_PAIR];
    for (int b = 0; b < wide; b++)
        open_affine(&p->g[b], p->x + b * n, p->w + b * n, n);
    affine_trial(p, wide, n, nmax, (float)nmax, s);
    for (int b = 0; b < wide; b++) {
        affine_group *g = &p->g[b];
        g->scale = lanes_div(lanes_set(1), g->iscale);
        g->trial_low = g->low;
        g->found = (affine_fit){.scale = g->scale, .iscale = g->iscale, .low = g->low};
    }
    affine_errors(p, wide, n, absolute, error);
    for (int b = 0; b < wide; b++)
        p->g[b].best = error[b];
}

/* A trial with less error is the one to beat, and its minimum where later ones start. */
NK_INLINE void decide_affine(affine_pair *p, const int wide, const int n, const bool absolute)
{
    NK_UNSET lanes error[AFFINE_PAIR];
    affine_errors(p, wide, n, absolute, error);
    for (int b = 0; b < wide; b++) {
        affine_group *g = &p->g[b];
        lane_mask better =
            lanes_both(lanes_both(g->solved, g->open), lanes_less(error[b], g->best));
        g->best = lanes_pick(better, error[b], g->best);
        g->found.scale = lanes_pick(better, g->scale, g->found.scale);
        g->found.iscale = lanes_pick(better, g->iscale, g->found.iscale);
        g->found.low = lanes_pick(better, g->low, g->found.low);
        g->low = lanes_pick(better, g->trial_low, g->low);
    }
}

/* Searches x and w [side, n] for f[side]. n <= 32, nmax and side (1 or AFFINE_SIDE) are constants
 * after inlining. */
NK_INLINE void fit_affine(const lanes *x, const lanes *w, const int n, const int nmax,
                          const nk_affine_search *search, const bool absolute, const int side,
                          affine_fit *f)
{
    const int wide = side == 1 ? 1 : AFFINE_PAIR, pairs = side / wide;
    NK_UNSET lanes code[AFFINE_SIDE * NK_LEN];
    NK_UNSET affine_pair p[AFFINE_SIDE / AFFINE_PAIR];
    for (int k = 0; k < pairs; k++) {
        const int at = k * wide * n;
        p[k].x = x + at;
        p[k].w = w + at;
        p[k].code = code + at;
        start_affine(&p[k], wide, n, nmax, absolute);
    }
    for (int t = 0; t <= search->last; t++) {
        float steps = search->first + search->step * (float)t + (float)nmax;
        for (int k = 0; k < pairs; k++) {
            NK_UNSET affine_sums s[AFFINE_PAIR];
            affine_trial(&p[k], wide, n, nmax, steps, s);
            for (int b = 0; b < wide; b++)
                affine_solve(&p[k].g[b], &s[b]);
        }
        for (int k = 0; k < pairs; k++)
            decide_affine(&p[k], wide, n, absolute);
    }
    const lanes zero = lanes_set(0);
    for (int b = 0; b < side; b++) {
        const affine_group *g = &p[b / wide].g[b % wide];
        f[b] = g->found;
        f[b].scale = lanes_pick(g->open, f[b].scale, zero);
        f[b].iscale = lanes_pick(g->open, f[b].iscale, zero);
        f[b].min = lanes_neg(g->low);
    }
}

/* Least-squares sums of one trial: scale = lx / l2. */
typedef struct fit_sums {
    lanes lx, l2;
} fit_sums;

/* Lanes whose greatest magnitude counts. */
NK_INLINE lane_mask not_tiny(lanes max)
{
    return lanes_reach(lanes_abs(max), lanes_set(NK_GROUP_EPS));
}

/* --- scales of a super-block ------------------------------------------------------------------ */

/* Code without lower limit, as nk_fit_positive has it. */
NK_INLINE lanes positive_code(lanes v, int nmax)
{
    return lanes_code(v, -0x400000, nmax);
}

NK_INLINE lanes positive_error(const lanes *x, const lanes *w, const int n, const int nmax,
                               lanes iscale, const bool first)
{
    lanes scale = lanes_div(lanes_set(1), iscale), error = lanes_set(0);
    for (int i = 0; i < n; i++) {
        lanes v = lanes_mul(iscale, x[i]);
        lanes l = first ? lanes_byte(positive_code(v, 0x3fffff)) : positive_code(v, nmax);
        lanes e = lanes_sub(x[i], lanes_mul(scale, l));
        error = lanes_add(error, lanes_mul(lanes_mul(w[i], e), e));
    }
    return error;
}

NK_INLINE bool sweep_positive(const lanes *x, const lanes *w, const int n, const int nmax,
                              lanes *code, fit_sums *s, lane_mask open)
{
    bool moved = false;
    lanes zero = lanes_set(0);
    for (int i = 0; i < n; i++) {
        lanes old = code[i], wx = lanes_mul(w[i], x[i]);
        lanes lx = lanes_sub(s->lx, lanes_mul(wx, old));
        lanes l2 = lanes_sub(s->l2, lanes_mul(lanes_mul(w[i], old), old));
        lane_mask go = lanes_both(lanes_both(open, lanes_less(zero, lx)), lanes_less(zero, l2));
        lanes l = positive_code(lanes_div(lanes_mul(x[i], l2), lx), nmax);
        go = lanes_both(go, lanes_differ(l, old));
        lx = lanes_add(lx, lanes_mul(wx, l));
        l2 = lanes_add(l2, lanes_mul(lanes_mul(w[i], l), l));
        go = lanes_both(go, lanes_less(lanes_mul(lanes_mul(s->lx, s->lx), l2),
                                       lanes_mul(lanes_mul(lx, lx), s->l2)));
        code[i] = lanes_pick(go, lanes_byte(l), old);
        s->lx = lanes_pick(go, lx, s->lx);
        s->l2 = lanes_pick(go, l2, s->l2);
        moved |= lanes_any(go);
    }
    return moved;
}

/* nk_fit_positive: the scale and code[n]. */
NK_INLINE lanes fit_positive(const lanes *x, const lanes *w, const int n, const int nmax,
                             lanes *code)
{
    lanes max = lanes_set(0), zero = lanes_set(0), top = lanes_set((float)nmax);
    for (int i = 0; i < n; i++)
        max = lanes_max(max, x[i]);
    lane_mask open = not_tiny(max);
    lanes iscale = lanes_div(top, max);
    lanes best = positive_error(x, w, n, nmax, iscale, true);
    for (int k = -4; k <= 4; k++) {
        if (k == 0)
            continue;
        lanes trial = lanes_div(lanes_set(0.1f * (float)k + (float)nmax), max);
        lanes error = positive_error(x, w, n, nmax, trial, false);
        lane_mask better = lanes_less(error, best);
        best = lanes_pick(better, error, best);
        iscale = lanes_pick(better, trial, iscale);
    }
    fit_sums s = {zero, zero};
    for (int i = 0; i < n; i++) {
        lanes l = positive_code(lanes_mul(iscale, x[i]), nmax);
        code[i] = lanes_byte(l);
        s.lx = lanes_add(s.lx, lanes_mul(lanes_mul(w[i], x[i]), l));
        s.l2 = lanes_add(s.l2, lanes_mul(lanes_mul(w[i], l), l));
    }
    for (int k = 0; k < 5 && sweep_positive(x, w, n, nmax, code, &s, open); k++)
        ;
    for (int i = 0; i < n; i++)
        code[i] = lanes_pick(open, code[i], zero);
    lanes scale = lanes_pick(lanes_less(zero, s.l2), lanes_div(s.lx, s.l2), zero);
    return lanes_pick(open, scale, zero);
}

#endif
#endif
