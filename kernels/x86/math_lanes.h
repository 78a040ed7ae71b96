/* Exponentials in as many lanes as there are: included after lanes_avx2.h or lanes_avx512.h, which
 * give the same bits. */
#ifndef NIBBLE_X86_MATH_LANES_H
#define NIBBLE_X86_MATH_LANES_H

#if defined(NK_LANES)

/* x = n ln 2 + r with |r| <= ln 2 / 2, n whole: e^r. Taylor to r^7 leaves 6e-9. */
NK_INLINE lanes exp_part(lanes x, lanes *n)
{
    *n = lanes_nearest_whole(lanes_mul(x, lanes_set(0x1.715476p+0f)));
    lanes r = lanes_neg_mul_add(*n, lanes_set(0x1.62e4p-1f), x); /* 16 bits: exact product */
    r = lanes_neg_mul_add(*n, lanes_set(0x1.7f7d1cp-20f), r);
    static const float coef[] = {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f};
    lanes p = lanes_set(1.0f / 5040);
#pragma GCC unroll 7
    for (int i = 0; i < 7; i++)
        p = lanes_mul_add(p, r, lanes_set(coef[i]));
    return p;
}

/* e^x within 2 ulp, 0 and Inf at the ends, NaN kept. */
NK_INLINE lanes lanes_exp(lanes x)
{
    lanes n;
    x = lanes_max(lanes_set(-104.0f), lanes_min(lanes_set(89.0f), x));
    lanes p = exp_part(x, &n);
    return lanes_scaled_far(p, n);
}

/* e^x within 2 ulp for x <= 0; below -87 that of -87, 1e-38. NaN kept. */
NK_INLINE lanes lanes_exp_neg(lanes x)
{
    lanes n;
    lanes p = exp_part(lanes_max(lanes_set(-87.0f), x), &n);
    return lanes_scaled(p, n);
}

#endif
#endif
