/* Searches for codes -nmax..nmax-1 of scale.h, LANES groups at once (lanes_fit.h). Included after
 * lanes_avx2.h or lanes_avx512.h. x and w are transposed: x[i] holds weight i of every group. */
#ifndef NIBBLE_X86_LANES_SYMMETRIC_H
#define NIBBLE_X86_LANES_SYMMETRIC_H

#ifdef NK_LANES

#include "kernels/x86/lanes_fit.h"

/* p as the compiler does not know it: what is read there is an operand of its instruction. It would
 * else be loaded once for several, into a register that the sums need. */
NK_INLINE const lanes *afresh(const lanes *p)
{
    __asm__("" : "+r"(p));
    return p;
}

NK_INLINE lanes symmetric_code(lanes x, lanes iscale, int nmax)
{
    return lanes_code(lanes_mul(iscale, x), -nmax, nmax - 1);
}

/* With nmax added. */
NK_INLINE lane_ints symmetric_up(lanes x, lanes iscale, int nmax)
{
    return lanes_whole(lanes_mul(iscale, x), -nmax, nmax - 1, nmax);
}

enum { SYMMETRIC_SIDE = 3 }; /* scales tried side by side, at most */

/* Sums of `side` scales; wx[i] = w[i] * x[i]. Codes as the reference rounds them, what is not a
 * number to 0. Where the greatest magnitude is tiny, the sums mean nothing. */
NK_INLINE void symmetric_sums(const lanes *x, const lanes *w, const lanes *wx, const int n,
                              const int nmax, const int side, const lanes *iscale, fit_sums *out)
{
    NK_UNSET fit_sums s[SYMMETRIC_SIDE];
#pragma GCC unroll 3
    for (int t = 0; t < side; t++)
        s[t] = (fit_sums){lanes_set(0), lanes_set(0)};
    for (int i = 0; i < n; i++)
#pragma GCC unroll 3
        for (int t = 0; t < side; t++) {
            lanes l = symmetric_code(*afresh(x + i), iscale[t], nmax);
            s[t].lx = lanes_add(s[t].lx, lanes_mul(l, *afresh(wx + i)));
            s[t].l2 = lanes_add(s[t].l2, lanes_mul(lanes_mul(l, *afresh(w + i)), l));
        }
#pragma GCC unroll 3
    for (int t = 0; t < side; t++)
        out[t] = s[t];
}

/* nk_absmax_signed: the greater end of the range; where both ends are as far, the one met first. */
NK_INLINE lanes absmax_signed(const lanes *x, const int n)
{
    lanes high = lanes_set(0), low = lanes_set(0);
    for (int i = 0; i < n; i++) {
        high = lanes_max(x[i], high);
        low = lanes_min(x[i], low);
    }
    lanes depth = lanes_neg(low), max = lanes_pick(lanes_less(depth, high), high, low);
    lane_mask level =
        lanes_both(lanes_less_or_equal(depth, high), lanes_less_or_equal(high, depth));
    for (int i = n - 1; i >= 0 && lanes_any(level); i--)
        max = lanes_pick(lanes_both(level, lanes_less_or_equal(high, lanes_abs(x[i]))), x[i], max);
    return max;
}

/* A group on its way through nk_fit_symmetric. */
typedef struct symmetric_fit {
    const lanes *x, *w;      /* [n] */
    lanes max;               /* of greatest magnitude */
    lanes iscale;            /* of the first trial, then of the best */
    lanes scale, best, mark; /* found so far: best = lx^2 / l2; mark is the trial's */
} symmetric_fit;

/* Scales tried together. Their sums wait for their turn: what is decided by them then stands
 * behind sums of the next ones, which it need not wait for. */
typedef struct symmetric_trials {
    lanes mark[SYMMETRIC_SIDE]; /* max * iscale, or iscale */
    fit_sums s[SYMMETRIC_SIDE];
} symmetric_trials;

/* iscale = -(nmax + 0.1 * step) / max, for steps from `step` on. */
NK_INLINE void set_trials(const int nmax, int step, symmetric_trials *t)
{
#pragma GCC unroll 3
    for (int k = 0; k < SYMMETRIC_SIDE; k++)
        t->mark[k] = lanes_set(-((float)nmax + 0.1f * (float)(step + k)));
}

NK_INLINE void start_trials(const fit_sums *s, symmetric_fit *f)
{
    const lanes zero = lanes_set(0);
    f->scale = lanes_pick(lanes_differ(s->l2, zero), lanes_div(s->lx, s->l2), zero);
    f->best = lanes_mul(f->scale, s->lx);
}

NK_INLINE void decide_trials(const symmetric_trials *t, symmetric_fit *f)
{
#pragma GCC unroll 3
    for (int k = 0; k < SYMMETRIC_SIDE; k++) {
        lanes lx = t->s[k].lx, l2 = t->s[k].l2, scale = lanes_div(lx, l2);
        lane_mask better = lanes_both(lanes_less(lanes_set(0), l2),
                                      lanes_less(lanes_mul(f->best, l2), lanes_mul(lx, lx)));
        f->scale = lanes_pick(better, scale, f->scale);
        f->best = lanes_pick(better, lanes_mul(scale, lx), f->best);
        f->mark = lanes_pick(better, t->mark[k], f->mark);
    }
}

/* The trials after the first one, in the order of the C reference. */
static const int8_t symmetric_steps[] = {-9, -6, -3, 1, 4, 7};
enum { ROUNDS = countof(symmetric_steps) };

/* Each from its own codes. */
NK_INLINE void try_symmetric(symmetric_fit *f, const int n, const int nmax)
{
    NK_UNSET symmetric_trials t[ROUNDS];
    NK_UNSET lanes wx[NK_LEN];
    fit_sums s;
    for (int i = 0; i < n; i++)
        wx[i] = lanes_mul(f->w[i], f->x[i]);
    symmetric_sums(f->x, f->w, wx, n, nmax, 1, &f->iscale, &s);
    start_trials(&s, f);
#pragma GCC unroll 6
    for (int k = 0; k < ROUNDS; k++) {
        set_trials(nmax, symmetric_steps[k], &t[k]);
        for (int i = 0; i < SYMMETRIC_SIDE; i++)
            t[k].mark[i] = lanes_div(t[k].mark[i], f->max);
        symmetric_sums(f->x, f->w, wx, n, nmax, SYMMETRIC_SIDE, t[k].mark, t[k].s);
        decide_trials(&t[k], f);
    }
    f->iscale = f->mark;
}

/* --- the same trials by what moves ---
 *
 * Trial `step` multiplies x by (nmax + 0.1 step) / max, the sign apart. Over nine steps either way
 * the product moves by 0.9 |x / max| at most, so a code moves once at most: outward for positive
 * steps, inward for negative ones, when the product passes the middle between two codes. With
 * R = 10 max / x that is after (code + 1/2) R - 10 nmax steps outward and 10 nmax - (code - 1/2) R
 * inward. What a weight adds to a trial's sums is thus one of two pairs of products, computed once;
 * the sums themselves are added up in the same order as ever.
 *
 * The step must be on the right side of its whole number as the reference rounds. Its trial scale
 * and product are off by three roundings, R and the step here by two, each at most 2^-24 of
 * 10 nmax steps; 0.1f and what is small of second order are less than one more. Where a step is
 * nearer than eight of them to a whole number, the codes of that trial are computed and compared.
 */

enum { TRIALS_A_WAY = 9 };

/* One way: steps until weight i has its other code, and the products of that. */
typedef struct symmetric_moves {
    lanes at[NK_LEN], lx[NK_LEN], l2[NK_LEN];
} symmetric_moves;

typedef struct symmetric_products {
    lanes lx[NK_LEN], l2[NK_LEN]; /* of the first trial's codes */
    symmetric_moves in, out;
} symmetric_products;

/* What stands for R where x is max: the product passes a middle at step -5 to the digit, and on
 * which side the reference rounds it is computed as it does. Outward such a code is cut to what it
 * is. */
NK_INLINE lanes ratio_of_max(lanes max, const int nmax)
{
    const float middle = (float)nmax - 0.5f;
    lanes there = lanes_nearest_whole(lanes_mul(lanes_div(lanes_set(-middle), max), max));
    lane_mask stays = lanes_less_or_equal(there, lanes_set((float)-nmax));
    return lanes_pick(stays, lanes_set(-(10.0f * (float)nmax - 5.5f) / middle),
                      lanes_set(-(10.0f * (float)nmax - 4.5f) / middle));
}

/* Products of a weight with a code. */
NK_INLINE void set_products(lanes wx, lanes w, lanes code, lanes *lx, lanes *l2)
{
    *lx = lanes_mul(code, wx);
    *l2 = lanes_mul(lanes_mul(code, w), code);
}

/* How far steps are from a whole number. */
NK_INLINE lanes steps_apart(lanes at)
{
    return lanes_abs(lanes_sub(at, lanes_nearest_whole(at)));
}

NK_INLINE lanes steps_too_near(int nmax)
{
    return lanes_set(8 * 0x1p-24f * 10 * (float)nmax);
}

/* at[n] of one way where it is near to a whole number of steps: to that side of it where the codes
 * say. Rare. */
static __attribute__((noinline, cold)) void settle_moves(const symmetric_fit *f, int n, int nmax,
                                                         float way, lanes *at)
{
    const lanes half = lanes_set(0.5f), near = steps_too_near(nmax);
    const lanes first = lanes_set(1), last = lanes_set(TRIALS_A_WAY);
    for (int i = 0; i < n; i++) {
        lane_mask close = lanes_less_or_equal(steps_apart(at[i]), near);
        if (!lanes_any(close))
            continue;
        lanes steps = lanes_min(lanes_max(lanes_nearest_whole(at[i]), first), last);
        lanes trial = lanes_mul(lanes_set(0.1f), lanes_mul(steps, lanes_set(way)));
        trial = lanes_div(lanes_neg(lanes_add(lanes_set((float)nmax), trial)), f->max);
        lane_mask moved = lanes_differ(symmetric_code(f->x[i], trial, nmax),
                                       symmetric_code(f->x[i], f->iscale, nmax));
        lanes settled = lanes_pick(moved, lanes_sub(steps, half), lanes_add(steps, half));
        at[i] = lanes_pick(close, settled, at[i]);
    }
}

/* The products, when they change, and the first trial's sums. */
NK_INLINE fit_sums find_moves(const symmetric_fit *f, const int n, const int nmax,
                              symmetric_products *p)
{
    const lanes bottom = lanes_set((float)-nmax), top = lanes_set((float)(nmax - 1));
    const lanes all = lanes_set(10.0f * (float)nmax), of_max = ratio_of_max(f->max, nmax);
    const lanes dividend = lanes_mul(lanes_set(-10), f->max);
    const lanes beyond = lanes_set((float)TRIALS_A_WAY + 0.5f);
    lanes in_apart = lanes_set(1), out_apart = lanes_set(1);
    fit_sums s = {lanes_set(0), lanes_set(0)};
    for (int i = 0; i < n; i++) {
        lanes x = f->x[i], w = f->w[i], wx = lanes_mul(w, x), v = lanes_mul(f->iscale, x);
        lanes code = lanes_min(lanes_nearest_whole(v), top);
        lanes half = lanes_with_sign_of(v, 0.5f), one = lanes_with_sign_of(v, 1);
        lanes ratio = lanes_pick(lanes_equal(x, f->max), of_max, lanes_div(dividend, x));
        lanes out = lanes_lesser(lanes_mul_sub(lanes_add(code, half), ratio, all), beyond);
        lanes in = lanes_lesser(lanes_neg_mul_add(lanes_sub(code, half), ratio, all), beyond);
        in_apart = lanes_lesser(steps_apart(in), in_apart);
        out_apart = lanes_lesser(steps_apart(out), out_apart);
        p->out.at[i] = out;
        p->in.at[i] = in;
        set_products(wx, w, code, &p->lx[i], &p->l2[i]);
        s.lx = lanes_add(s.lx, p->lx[i]);
        s.l2 = lanes_add(s.l2, p->l2[i]);
        set_products(wx, w, lanes_sub(code, one), &p->in.lx[i], &p->in.l2[i]);
        code = lanes_max(lanes_min(lanes_add(code, one), top), bottom);
        set_products(wx, w, code, &p->out.lx[i], &p->out.l2[i]);
    }
    const lanes near = steps_too_near(nmax);
    if (lanes_any(lanes_less_or_equal(in_apart, near)))
        settle_moves(f, n, nmax, -1, p->in.at);
    if (lanes_any(lanes_less_or_equal(out_apart, near)))
        settle_moves(f, n, nmax, 1, p->out.at);
    return s;
}

/* v as a register: it would else be read from memory by each that uses it. */
NK_INLINE lanes held(lanes v)
{
    __asm__("" : "+x"(v));
    return v;
}

/* Sums of trials |step| = from, from + by, from + 2 by. A function of its own: every register is
 * wanted here. */
static __attribute__((noinline)) void moved_sums(const symmetric_products *p,
                                                 const symmetric_moves *m, int n, float from,
                                                 float by, fit_sums s[SYMMETRIC_SIDE])
{
    lanes lx[SYMMETRIC_SIDE], l2[SYMMETRIC_SIDE];
#pragma GCC unroll 3
    for (int t = 0; t < SYMMETRIC_SIDE; t++)
        lx[t] = l2[t] = lanes_set(0);
    for (int i = 0; i < n; i++) {
        const lanes at = held(m->at[i]), lx0 = held(p->lx[i]), l20 = held(p->l2[i]);
        const lanes lx1 = held(m->lx[i]), l21 = held(m->l2[i]);
#pragma GCC unroll 3
        for (int t = 0; t < SYMMETRIC_SIDE; t++) {
            lane_mask moved = lanes_passed(at, lanes_set(from + by * (float)t));
            lx[t] = lanes_add(lx[t], lanes_pick(moved, lx1, lx0));
            l2[t] = lanes_add(l2[t], lanes_pick(moved, l21, l20));
        }
    }
#pragma GCC unroll 3
    for (int t = 0; t < SYMMETRIC_SIDE; t++)
        s[t] = (fit_sums){lx[t], l2[t]};
}

NK_INLINE void try_moves(symmetric_fit *f, const int n, const int nmax)
{
    NK_UNSET symmetric_trials t[ROUNDS];
    NK_UNSET symmetric_products p;
    fit_sums s = find_moves(f, n, nmax, &p);
    start_trials(&s, f);
    f->mark = lanes_set((float)-nmax);
#pragma GCC unroll 6
    for (int k = 0; k < ROUNDS; k++) {
        const int step = symmetric_steps[k];
        set_trials(nmax, step, &t[k]);
        if (step < 0)
            moved_sums(&p, &p.in, n, (float)-step, -1, t[k].s);
        else
            moved_sums(&p, &p.out, n, (float)step, 1, t[k].s);
        if (k)
            decide_trials(&t[k - 1], f);
    }
    decide_trials(&t[ROUNDS - 1], f);
    f->iscale = lanes_div(f->mark, f->max);
}

/* nk_fit_symmetric: the scale. Codes are those of *iscale (symmetric_code) in the lanes that
 * count, in the others all are -nmax. */
NK_INLINE lanes fit_symmetric(const lanes *x, const lanes *w, const int n, const int nmax,
                              lanes *iscale, lane_mask *counts)
{
    NK_UNSET symmetric_fit f;
    f.x = x;
    f.w = w;
    f.max = absmax_signed(x, n);
    f.iscale = f.mark = lanes_div(lanes_set((float)-nmax), f.max);
    lane_mask modest = lanes_less(lanes_abs(f.max), lanes_set(1e30f));
    if (lanes_all(modest))
        try_moves(&f, n, nmax);
    else
        try_symmetric(&f, n, nmax);
    *iscale = f.iscale;
    *counts = not_tiny(f.max);
    return lanes_pick(*counts, f.scale, lanes_set(0));
}

/* A batch on its way through fit_symmetric_sweep. */
typedef struct sweep {
    const lanes *x; /* [n] */
    lanes *code;    /* [n], without nmax added */
    fit_sums s;
    lane_mask open;
} sweep;

NK_INLINE sweep start_sweep(const lanes *x, const int n, const int nmax, lanes *code)
{
    lanes max = absmax_signed(x, n), iscale = lanes_div(lanes_set((float)-nmax), max);
    sweep p = {x, code, {lanes_set(0), lanes_set(0)}, not_tiny(max)};
    for (int i = 0; i < n; i++) {
        lanes w = lanes_mul(x[i], x[i]);
        code[i] = symmetric_code(x[i], iscale, nmax);
        p.s.lx = lanes_add(p.s.lx, lanes_mul(lanes_mul(w, x[i]), code[i]));
        p.s.l2 = lanes_add(p.s.l2, lanes_mul(lanes_mul(w, code[i]), code[i]));
    }
    return p;
}

/* Code i moved to its optimum given the others, where that explains more. */
NK_INLINE bool move_code(sweep *p, int i, const int nmax)
{
    lanes zero = lanes_set(0), x = p->x[i], w = lanes_mul(x, x), old = p->code[i];
    lanes lx = lanes_sub(p->s.lx, lanes_mul(lanes_mul(w, x), old));
    lanes l2 = lanes_sub(p->s.l2, lanes_mul(lanes_mul(w, old), old));
    lane_mask go = lanes_both(p->open, lanes_less(zero, lx));
    lanes l = lanes_code(lanes_div(lanes_mul(x, l2), lx), -nmax, nmax - 1);
    go = lanes_both(go, lanes_differ(l, old));
    lx = lanes_add(lx, lanes_mul(lanes_mul(w, x), l));
    l2 = lanes_add(l2, lanes_mul(lanes_mul(w, l), l));
    go = lanes_both(go, lanes_less(zero, l2));
    go = lanes_both(go, lanes_less(lanes_mul(lanes_mul(p->s.lx, p->s.lx), l2),
                                   lanes_mul(lanes_mul(lx, lx), p->s.l2)));
    p->code[i] = lanes_pick(go, l, old);
    p->s.lx = lanes_pick(go, lx, p->s.lx);
    p->s.l2 = lanes_pick(go, l2, p->s.l2);
    return lanes_any(go);
}

NK_INLINE lanes end_sweep(sweep *p, const int n, const int nmax)
{
    lanes zero = lanes_set(0);
    for (int i = 0; i < n; i++)
        p->code[i] = lanes_pick(p->open, p->code[i], lanes_set((float)-nmax));
    lanes scale = lanes_pick(lanes_less(zero, p->s.l2), lanes_div(p->s.lx, p->s.l2), zero);
    return lanes_pick(p->open, scale, zero);
}

enum { SWEEPS = 4 }; /* at most */

/* nk_fit_symmetric_sweep of `batches` batches side by side, since each waits for its own last
 * division: x and code [batches][n]; code without nmax added, -nmax where all are zero. A batch
 * whose codes rest is swept on with the others, to no effect. */
NK_INLINE void fit_symmetric_sweep(const lanes *x, const int n, const int nmax, const int batches,
                                   lanes *code, lanes *scale)
{
    NK_UNSET sweep p[SWEEPS];
    bool moved = true;
    for (int b = 0; b < batches; b++)
        p[b] = start_sweep(x + b * n, n, nmax, code + b * n);
    for (int k = 0; k < 5 && moved; k++) {
        moved = false;
        for (int i = 0; i < n; i++)
            for (int b = 0; b < batches; b++)
                moved |= move_code(&p[b], i, nmax);
    }
    for (int b = 0; b < batches; b++)
        scale[b] = end_sweep(&p[b], n, nmax);
}

#endif
#endif
