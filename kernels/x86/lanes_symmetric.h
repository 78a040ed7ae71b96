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

enum { SYMMETRIC_SIDE = 5 }; /* scales tried side by side, at most */

/* Sums of `side` scales, 3 at most; wx[i] = w[i] * x[i]. Codes as the reference rounds them, what
 * is not a number to 0. Where the greatest magnitude is tiny, the sums mean nothing. */
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
#pragma GCC unroll 8
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
    const lanes *x, *w;      /* [n]; no w: x^2 */
    lanes max;               /* of greatest magnitude */
    lanes iscale;            /* of the first trial, then of the best */
    lanes scale, best, mark; /* found so far: best = lx^2 / l2; mark is the trial's */
} symmetric_fit;

NK_INLINE lanes symmetric_weight(const symmetric_fit *f, int i)
{
    return f->w ? f->w[i] : lanes_mul(f->x[i], f->x[i]);
}

/* Scales tried together. Their sums wait for their turn: what is decided by them then stands
 * behind sums of the next ones, which it need not wait for. */
typedef struct symmetric_trials {
    lanes mark[SYMMETRIC_SIDE]; /* max * iscale, or iscale */
    fit_sums s[SYMMETRIC_SIDE];
} symmetric_trials;

/* iscale = -(nmax + 0.1 * step) / max, for `side` steps from `step` on, by 1 or -1. */
NK_INLINE void set_trials(const int nmax, int step, const int by, const int side,
                          symmetric_trials *t)
{
#pragma GCC unroll 5
    for (int k = 0; k < side; k++)
        t->mark[k] = lanes_set(-((float)nmax + 0.1f * (float)(step + by * k)));
}

NK_INLINE void start_trials(const fit_sums *s, symmetric_fit *f)
{
    const lanes zero = lanes_set(0);
    f->scale = lanes_pick(lanes_differ(s->l2, zero), lanes_div(s->lx, s->l2), zero);
    f->best = lanes_mul(f->scale, s->lx);
}

/* Of weights that are squares no sum of l2 is negative, and where it is 0 so is lx. */
NK_INLINE void decide_trial(const lanes *mark, const fit_sums *s, symmetric_fit *f)
{
    lanes lx = s->lx, l2 = s->l2, scale = lanes_div(lx, l2);
    lane_mask better = lanes_less(lanes_mul(f->best, l2), lanes_mul(lx, lx));
    if (f->w)
        better = lanes_both(better, lanes_less(lanes_set(0), l2));
    f->scale = lanes_pick(better, scale, f->scale);
    f->best = lanes_pick(better, lanes_mul(scale, lx), f->best);
    if (mark)
        f->mark = lanes_pick(better, *mark, f->mark);
}

/* In order of their steps: backwards where those go by -1. */
NK_INLINE void decide_trials(const symmetric_trials *t, const int by, const int side,
                             const bool marked, symmetric_fit *f)
{
#pragma GCC unroll 5
    for (int k = 0; k < side; k++) {
        const int i = by > 0 ? k : side - 1 - k;
        decide_trial(marked ? &t->mark[i] : NULL, &t->s[i], f);
    }
}

/* The trials after the first one in the order of the C reference, three at a time. */
static const int8_t symmetric_steps[] = {-9, -6, -3, 1, 4, 7};
enum { ROUNDS = countof(symmetric_steps), ROUND = 3 };

/* Each from its own codes. Rare. */
static __attribute__((noinline, cold)) void try_symmetric(symmetric_fit *f, int n, int nmax)
{
    NK_UNSET lanes w[NK_LEN], wx[NK_LEN];
    fit_sums s;
    for (int i = 0; i < n; i++) {
        w[i] = symmetric_weight(f, i);
        wx[i] = lanes_mul(w[i], f->x[i]);
    }
    symmetric_sums(f->x, w, wx, n, nmax, 1, &f->iscale, &s);
    start_trials(&s, f);
    f->mark = f->iscale;
    for (int k = 0; k < ROUNDS; k++) {
        NK_UNSET symmetric_trials t;
        set_trials(nmax, symmetric_steps[k], 1, ROUND, &t);
        for (int i = 0; i < ROUND; i++)
            t.mark[i] = lanes_div(t.mark[i], f->max);
        symmetric_sums(f->x, w, wx, n, nmax, ROUND, t.mark, t.s);
        decide_trials(&t, 1, ROUND, true, f);
    }
    f->iscale = f->mark;
}

/* --- the same trials by what moves ---
 *
 * Trial `step` multiplies x by (nmax + 0.1 step) / max, the sign apart. Over nine steps either way
 * the product moves by 0.9 |x / max| at most, so a code moves once at most: outward for positive
 * steps, inward for negative ones, when the product passes the middle between two codes. With
 * R = 10 |max / x| that is after (|code| + 1/2) R - 10 nmax steps outward and
 * 10 nmax - (|code| - 1/2) R inward. What a weight adds to a trial's sums is thus one of two pairs
 * of products, computed once; the sums themselves are added up in the same order as ever.
 *
 * All of it is done on magnitudes: codes have the sign of their products, so the first sum of a
 * group has one sign throughout, and is the same to the digit without.
 *
 * The step must be on the right side of its whole number as the reference rounds. Its trial scale
 * and product are off by three roundings, R by two, each at most 2^-24 of 10 nmax steps; 0.1f and
 * what is small of second order are less than one more, and so is the last digit of a step as it
 * is kept here. Where a step is not farther than step_margin from a whole number, the codes of that
 * trial are computed and compared.
 */

enum { TRIALS_A_WAY = 9, NEAR_TRIALS = 5, FAR_TRIALS = TRIALS_A_WAY - NEAR_TRIALS };

/* Steps stand above STEP_BASE, where 2^-18 is the last digit of all of them: their bits then count
 * in 2^-18, so whole steps are taken off as integers are. They are kept with the margin added: what
 * is near to a whole number has a fraction below twice the margin. */
enum { STEP_BASE = 48, STEP_DIGITS = LANES_STEP_DIGITS, STEP_FRACTION = (1 << STEP_DIGITS) - 1 };

/* In last digits: more than nine of those roundings. */
NK_INLINE int step_margin(const int nmax)
{
    return nmax + nmax / 2;
}

NK_INLINE float step_margin_value(const int nmax)
{
    return (float)step_margin(nmax) / (float)(1 << STEP_DIGITS);
}

/* One way: steps until a weight has its other code, and the products of that. */
typedef struct symmetric_move {
    lanes at, lx, l2;
} symmetric_move;

/* A weight. All of it stands together: loads of one place in several arrays would get in each
 * other's way. */
typedef struct symmetric_products {
    lanes lx, l2; /* products of the first trial's code */
    symmetric_move in, out;
} symmetric_products;

/* What stands for R where x is max: the product passes a middle at step -5 to the digit, and on
 * which side the reference rounds it is computed as it does. Outward such a code is cut to what it
 * is. */
NK_INLINE lanes ratio_of_max(lanes max, const int nmax)
{
    const float middle = (float)nmax - 0.5f;
    lanes there = lanes_nearest_whole(lanes_mul(lanes_div(lanes_set(-middle), max), max));
    lane_mask stays = lanes_less_or_equal(there, lanes_set((float)-nmax));
    return lanes_pick(stays, lanes_set((10.0f * (float)nmax - 5.5f) / middle),
                      lanes_set((10.0f * (float)nmax - 4.5f) / middle));
}

/* Products of a weight with a code. */
NK_INLINE void set_products(lanes wx, lanes w, lanes code, lanes *lx, lanes *l2)
{
    *lx = lanes_mul(code, wx);
    *l2 = lanes_mul(lanes_mul(code, w), code);
}

/* Steps inward (way -1) or outward (1) where they are near to a whole number: to that side of it
 * where the codes say. Rare. */
static __attribute__((noinline, cold)) void settle_moves(const symmetric_fit *f, int n, int nmax,
                                                         float way, symmetric_products *p)
{
    const lanes half = lanes_set(0.5f), base = lanes_set((float)STEP_BASE);
    const lanes first = lanes_set(1), last = lanes_set(TRIALS_A_WAY);
    const lanes from = lanes_set((float)STEP_BASE + step_margin_value(nmax));
    for (int i = 0; i < n; i++) {
        lanes *at = way < 0 ? &p[i].in.at : &p[i].out.at;
        lane_mask close =
            lanes_bits_below(lanes_low_bits(*at, STEP_FRACTION), 2 * step_margin(nmax) + 1);
        if (!lanes_any(close))
            continue;
        lanes steps = lanes_nearest_whole(lanes_sub(*at, from));
        steps = lanes_min(lanes_max(steps, first), last);
        lanes trial = lanes_mul(lanes_set(0.1f), lanes_mul(steps, lanes_set(way)));
        trial = lanes_div(lanes_neg(lanes_add(lanes_set((float)nmax), trial)), f->max);
        lane_mask moved = lanes_differ(symmetric_code(f->x[i], trial, nmax),
                                       symmetric_code(f->x[i], f->iscale, nmax));
        lanes settled = lanes_pick(moved, lanes_sub(steps, half), lanes_add(steps, half));
        *at = lanes_pick(close, lanes_add(settled, base), *at);
    }
}

/* Of all weights of a group, or rather of their magnitudes. */
typedef struct group_moves {
    lanes iscale, dividend, of_max; /* R is dividend / |x|, or of_max */
    lanes top_below, top_above;     /* the greatest code of a negative weight, of others */
} group_moves;

/* A weight's first code and R. */
typedef struct first_code {
    lanes top, code, ratio;
} first_code;

NK_INLINE group_moves start_moves(const symmetric_fit *f, const int nmax)
{
    const lanes most = lanes_set((float)nmax), less = lanes_set((float)(nmax - 1));
    /* Codes of weights that share the sign of max reach nmax, others not. */
    const lane_mask positive = lanes_less(lanes_set(0), f->max);
    return (group_moves){.iscale = lanes_abs(f->iscale),
                         .dividend = lanes_mul(lanes_set(10), lanes_abs(f->max)),
                         .of_max = ratio_of_max(f->max, nmax),
                         .top_below = lanes_pick(positive, less, most),
                         .top_above = lanes_pick(positive, most, less)};
}

NK_INLINE first_code code_first(const symmetric_fit *f, const group_moves *g, int i)
{
    lanes x = lanes_abs(f->x[i]);
    first_code c;
    c.top = lanes_pick(lanes_negative(f->x[i]), g->top_below, g->top_above);
    c.code = lanes_min(lanes_nearest_whole(lanes_mul(g->iscale, x)), c.top);
    c.ratio = lanes_pick(lanes_equal(f->x[i], f->max), g->of_max, lanes_div(g->dividend, x));
    return c;
}

/* The products, when they change, and the first trial's sums. A weight's first code is found while
 * the weight before is finished: the one takes as long as the other. */
NK_INLINE fit_sums find_moves(const symmetric_fit *f, const int n, const int nmax,
                              symmetric_products *p)
{
    const float all = 10.0f * (float)nmax, from = (float)STEP_BASE + step_margin_value(nmax);
    const lanes half = lanes_set(0.5f), one = lanes_set(1), zero = lanes_set(0);
    const lanes beyond = lanes_set((float)STEP_BASE + (float)TRIALS_A_WAY + 0.5f);
    const group_moves g = start_moves(f, nmax);
    lanes in_fraction = one, out_fraction = one; /* greater than any */
    fit_sums s = {zero, zero};
    first_code next = code_first(f, &g, 0);
    for (int i = 0; i < n; i++) {
        const lanes code = next.code, top = next.top;
        lanes w = symmetric_weight(f, i), wx = lanes_mul(w, lanes_abs(f->x[i]));
        lanes out = lanes_mul_sub(lanes_add(code, half), next.ratio, lanes_set(all - from));
        lanes in = lanes_neg_mul_add(lanes_sub(code, half), next.ratio, lanes_set(all + from));
        next = code_first(f, &g, i + 1 < n ? i + 1 : i);
        p[i].out.at = out = lanes_lesser(out, beyond);
        p[i].in.at = in = lanes_lesser(in, beyond);
        out_fraction = lanes_lesser(lanes_low_bits(out, STEP_FRACTION), out_fraction);
        in_fraction = lanes_lesser(lanes_low_bits(in, STEP_FRACTION), in_fraction);
        set_products(wx, w, code, &p[i].lx, &p[i].l2);
        s.lx = lanes_add(s.lx, p[i].lx);
        s.l2 = lanes_add(s.l2, p[i].l2);
        set_products(wx, w, lanes_sub(code, one), &p[i].in.lx, &p[i].in.l2);
        set_products(wx, w, lanes_min(lanes_add(code, one), top), &p[i].out.lx, &p[i].out.l2);
    }
    const int near = 2 * step_margin(nmax) + 1;
    if (lanes_any(lanes_bits_below(in_fraction, near)))
        settle_moves(f, n, nmax, -1, p);
    if (lanes_any(lanes_bits_below(out_fraction, near)))
        settle_moves(f, n, nmax, 1, p);
    return s;
}

#ifndef NK_REGISTER /* emulated lanes are in none */
#define NK_REGISTER "+x"
#endif

/* v as a register: it would else be read from memory by each that uses it. */
NK_INLINE lanes held(lanes v)
{
    __asm__("" : NK_REGISTER(v));
    return v;
}

/* Sums of trials |step| = first, first + 1, ... of one way, inward or outward; `steps` begin there.
 * Those of weight 0 are not added to zeros: only the sign of a zero could tell. */
NK_INLINE void moved_sums(const symmetric_products *p, int n, const bool inward,
                          const lane_steps *steps, const int side, fit_sums *s)
{
    const symmetric_move *m = inward ? &p->in : &p->out;
    lanes lx[SYMMETRIC_SIDE], l2[SYMMETRIC_SIDE], at = m->at;
#pragma GCC unroll 5
    for (int t = 0; t < side; t++) {
        lane_mask moved = lanes_passed(&at, steps, t);
        lx[t] = lanes_pick(moved, m->lx, p->lx);
        l2[t] = lanes_pick(moved, m->l2, p->l2);
    }
#pragma GCC unroll 3
    for (int i = 1; i < n; i++) {
        m = inward ? &p[i].in : &p[i].out;
        at = held(m->at);
        const lanes lx0 = held(p[i].lx), l20 = held(p[i].l2), lx1 = held(m->lx);
#pragma GCC unroll 5
        for (int t = 0; t < side; t++) {
            lane_mask moved = lanes_passed(&at, steps, t);
            lanes to_lx = lanes_pick(moved, lx1, lx0),
                  to_l2 = lanes_pick(moved, *afresh(&m->l2), l20);
            lx[t] = lanes_add(lx[t], to_lx);
            l2[t] = lanes_add(l2[t], to_l2);
        }
    }
#pragma GCC unroll 5
    for (int t = 0; t < side; t++)
        s[t] = (fit_sums){lx[t], l2[t]};
}

/* Functions of their own: every register is wanted here. */
#define SUMS(name, inward, first, side)                                                            \
    static __attribute__((noinline)) void name(const symmetric_products *p, int n, fit_sums *s)    \
    {                                                                                              \
        static const lane_steps steps = NK_LANE_STEPS(STEP_BASE - 32 + (first));                   \
        moved_sums(p, n, inward, &steps, side, s);                                                 \
    }
SUMS(far_in_sums, true, 1 + NEAR_TRIALS, FAR_TRIALS)
SUMS(near_in_sums, true, 1, NEAR_TRIALS)
SUMS(near_out_sums, false, 1, NEAR_TRIALS)
SUMS(far_out_sums, false, 1 + NEAR_TRIALS, FAR_TRIALS)

/* Each decided while the next ones are added up. The scale is that of the magnitudes. */
NK_INLINE void try_moves(symmetric_fit *f, const int n, const int nmax, const bool marked)
{
    NK_UNSET symmetric_trials far_in, near_in, near_out, far_out;
    NK_UNSET symmetric_products p[NK_LEN];
    fit_sums s = find_moves(f, n, nmax, p);
    start_trials(&s, f);
    f->mark = lanes_set((float)-nmax);
    set_trials(nmax, -1 - NEAR_TRIALS, -1, FAR_TRIALS, &far_in);
    set_trials(nmax, -1, -1, NEAR_TRIALS, &near_in);
    set_trials(nmax, 1, 1, NEAR_TRIALS, &near_out);
    set_trials(nmax, 1 + NEAR_TRIALS, 1, FAR_TRIALS, &far_out);
    far_in_sums(p, n, far_in.s);
    near_in_sums(p, n, near_in.s);
    decide_trials(&far_in, -1, FAR_TRIALS, marked, f);
    near_out_sums(p, n, near_out.s);
    decide_trials(&near_in, -1, NEAR_TRIALS, marked, f);
    decide_trials(&near_out, 1, NEAR_TRIALS, marked, f);
    far_out_sums(p, n, far_out.s);
    decide_trials(&far_out, 1, FAR_TRIALS, marked, f);
    if (marked)
        f->iscale = lanes_div(f->mark, f->max);
}

NK_INLINE void start_symmetric(symmetric_fit *f, const lanes *x, const lanes *w, const int n,
                               const int nmax)
{
    f->x = x;
    f->w = w;
    f->max = absmax_signed(x, n);
    f->iscale = lanes_div(lanes_set((float)-nmax), f->max);
}

/* nk_fit_symmetric: the scale, under w or, without, x^2. Codes are those of *iscale, where that is
 * asked for (symmetric_code), in the lanes that count, in the others all are -nmax. */
NK_INLINE lanes fit_symmetric(const lanes *x, const lanes *w, const int n, const int nmax,
                              lanes *iscale, lane_mask *counts)
{
    NK_UNSET symmetric_fit f;
    const lanes zero = lanes_set(0);
    start_symmetric(&f, x, w, n, nmax);
    const lanes first = f.iscale;
    *counts = not_tiny(f.max);
    bool found = lanes_all(lanes_less(lanes_abs(f.max), lanes_set(1e30f)));
    if (found) {
        try_moves(&f, n, nmax, iscale != NULL);
        found = !lanes_any(lanes_both(*counts, lanes_reach(zero, f.scale)));
        f.scale = lanes_pick(lanes_less(zero, f.max), lanes_neg(f.scale), f.scale);
    }
    if (!found) {
        f.iscale = first;
        try_symmetric(&f, n, nmax);
    }
    if (iscale)
        *iscale = f.iscale;
    return lanes_pick(*counts, f.scale, zero);
}

/* The *iscale of fit_symmetric without w. */
static __attribute__((noinline, cold)) lanes best_iscale(const lanes *x, int n, int nmax)
{
    NK_UNSET symmetric_fit f;
    start_symmetric(&f, x, NULL, n, nmax);
    try_symmetric(&f, n, nmax);
    return f.iscale;
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
