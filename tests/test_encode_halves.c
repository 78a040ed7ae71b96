/* Encoders that read f16 and bf16 themselves: the bytes of the C reference's decoder and encoder
 * one after the other on every level, and false exactly where a weight, a scale or its inverse is
 * not finite (A25). */
#include "tests/check.h"
#include "tests/kernels.h"
#include "tests/rows.h"
#include "tests/util.h"

#include "kernels/finite.h"
#include "kernels/fp.h"

#include <math.h>
#include <string.h>

enum { MOST = 37 * NK_LEN };

typedef struct part {
    const nk_type *from, *to;
    nk_half_kind kind;
    uint16_t x[MOST];
    float f[MOST];
    uint8_t want[MOST * 2];
    unsigned taken, refused;
} part;

/* Whether the greatest magnitude of some block gives a scale that has no finite inverse. */
static bool has_tiny_scale(const part *p, size_t n)
{
    bool tiny = false;
    for (size_t b = 0; b < n; b += NK_LEN) {
        float most = 0;
        for (size_t i = b; i < b + NK_LEN; i++)
            most = fabsf(p->f[i]) > most ? fabsf(p->f[i]) : most;
        float d = most / (p->to->id == NK_Q4_0 ? 8.0f : 127.0f);
        tiny |= d != 0 && isinf(1.0f / d);
    }
    return tiny;
}

/* x[n] through the reference, then through every level that has an encoder of its own. */
static void compare(part *p, const test_level *lv, size_t levels, size_t n, const char *what)
{
    size_t size = n / NK_LEN * p->to->block_size;
    p->from->decode(p->x, p->f, n);
    p->to->encode(p->f, p->want, 1, n, NULL);
    bool fine = nk_finite_bytes(NULL, p->from, p->x, n) &&
                nk_finite_bytes(NULL, p->to, p->want, n) && !has_tiny_scale(p, n);
    uint8_t *src = test_guard(n * sizeof *p->x, 1), *dst = test_guard(size, 1);
    memcpy(src, p->x, n * sizeof *p->x);
    for (size_t l = 1; l < levels; l++) {
        nk_encode_halves_fn *fn = lv[l].ops.encode_halves[p->to->id];
        if (!fn || fn == lv[l - 1].ops.encode_halves[p->to->id])
            continue;
        bool got = fn(src, dst, n, p->kind);
        check(got == fine, "%s %s from %s: %zu %s: %s", lv[l].name, p->to->name, p->from->name, n,
              what, got ? "taken" : "refused");
        check(!got || memcmp(dst, p->want, size) == 0, "%s %s from %s: %zu %s: bytes differ",
              lv[l].name, p->to->name, p->from->name, n, what);
        p->taken += got;
        p->refused += !got;
    }
    test_guard_free(src);
    test_guard_free(dst);
}

/* The families of rows.h, every number of blocks. */
static void whole_rows(part *p, const test_level *lv, size_t levels)
{
    test_rng r = rows_rng(31);
    for (size_t n = NK_LEN; n <= MOST; n += NK_LEN)
        for (int family = 0; family < ROWS_FAMILIES; family++) {
            if (TEST_THIN > 1 && (n / NK_LEN + (size_t)family) % 4)
                continue;
            rows_fill(&r, family, p->f, n);
            p->from->encode(p->f, p->x, 1, n, NULL);
            compare(p, lv, levels, n, "weights of a family");
        }
}

/* Any bits below a magnitude, so that every exponent leads a block; ends of both signs alike, the
 * negative or the positive one first. */
static void any_bits(part *p, const test_level *lv, size_t levels)
{
    test_rng r = test_rng_make(32);
    const size_t n = 18 * NK_LEN;
    for (unsigned most = 1; most <= 0x8000; most += most < 300 ? 1 : 97 * TEST_THIN) {
        for (size_t i = 0; i < n; i++)
            p->x[i] = (uint16_t)(test_below(&r, most) | test_below(&r, 2) << 15);
        for (size_t b = 0; b < n; b += NK_LEN) {
            unsigned at = test_below(&r, NK_LEN), other = test_below(&r, NK_LEN);
            p->x[b + at] = (uint16_t)(most - 1);
            p->x[b + other] = (uint16_t)((most - 1) | 0x8000);
        }
        compare(p, lv, levels, n, "bits");
    }
}

/* One weight that is not finite, in any lane of whole groups of blocks and of the rest. */
static void one_wrong(part *p, const test_level *lv, size_t levels)
{
    test_rng r = test_rng_make(33);
    static const uint16_t f16[] = {0x7c00, 0xfc00, 0x7e00, 0xfe01},
                          bf16[] = {0x7f80, 0xff80, 0x7fc0, 0xff81};
    const size_t n = 19 * NK_LEN;
    for (size_t i = 0; i < n; i += TEST_THIN) {
        for (size_t k = 0; k < n; k++)
            p->x[k] = (uint16_t)(0x2000 + test_below(&r, 0x800) + (test_below(&r, 2) << 15));
        p->x[i] = (p->kind == NK_HALF_F16 ? f16 : bf16)[i % 4];
        compare(p, lv, levels, n, "weights, one not finite,");
    }
}

static void all_of(const nk_type_id to)
{
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv);
    static part p;
    for (int kind = 0; kind < 2; kind++) {
        p.kind = kind ? NK_HALF_BF16 : NK_HALF_F16;
        p.from = nk_type_get(kind ? NK_BF16 : NK_F16);
        p.to = nk_type_get(to);
        p.taken = p.refused = 0;
        whole_rows(&p, lv, levels);
        any_bits(&p, lv, levels);
        one_wrong(&p, lv, levels);
        bool any = false;
        for (size_t l = 1; l < levels; l++)
            any |= lv[l].ops.encode_halves[to] != NULL;
        check(!any || (p.taken > 100 && p.refused > 100), "%u taken, %u refused", p.taken,
              p.refused);
    }
}

CHECK_TEST(encode_halves, q4_0_from_halves_is_decoded_and_encoded_A25)
{
    all_of(NK_Q4_0);
}

CHECK_TEST(encode_halves, q8_0_from_halves_is_decoded_and_encoded_A25)
{
    all_of(NK_Q8_0);
}
