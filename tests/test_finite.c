/* Finite or not, told from stored bytes: held against what they decode to (A25). */
#include "tests/check.h"
#include "tests/kernels.h"
#include "tests/util.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/finite.h"

enum { BLOCKS = 3, MOST = BLOCKS * NK_VIEW_LEN };

static bool decodes_finite(const nk_type *t, const uint8_t *bytes, size_t n)
{
    float v[MOST];
    t->decode(bytes, v, n);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(v[i]))
            return false;
    return true;
}

/* Two bytes anywhere in a block take each of their values, the rest are at random: whatever holds
 * a scale is met by all scales there are. */
CHECK_TEST(finite, bytes_pass_as_finite_only_if_they_decode_so_A25)
{
    test_rng r = test_rng_make(25);
    test_level lv[MAX_LEVELS];
    size_t levels = test_levels(lv), n_types, seen = 0;
    const nk_type *const *all = nk_type_all(&n_types);
    for (size_t k = 0; k < n_types; k++) {
        const nk_type *t = all[k];
        size_t len = t->is_float ? 4 : t->block_len, n = BLOCKS * len;
        size_t block = t->is_float ? len * t->block_size : t->block_size, told = 0, asked = 0;
        if (!t->decode || t->activation_only || t->id == NK_F64)
            continue;
        uint8_t *bytes = test_guard(BLOCKS * block, 1);
        for (size_t at = 0; at + 2 <= block; at++) {
            for (size_t i = 0; i < BLOCKS * block; i++)
                bytes[i] = (uint8_t)test_below(&r, 256);
            for (unsigned v = 0; v < 65536; v += v % 1024 < 8 ? 1 : 61 * TEST_THIN) {
                bytes[block + at] = (uint8_t)v;
                bytes[block + at + 1] = (uint8_t)(v >> 8);
                bool want = decodes_finite(t, bytes, n);
                for (size_t l = 0; l < levels; l++) {
                    bool got = nk_finite_bytes(&lv[l].ops, t, bytes, n);
                    check(!got || want, "%s %s: bytes %zu = %04x pass", lv[l].name, t->name, at, v);
                    told += got && l == 0;
                }
                asked += want;
            }
        }
        /* A block of mxfp4 near the end of the range is not told from its scale. */
        check(told == asked || (t->id == NK_MXFP4 && told > asked / 2),
              "%s: %zu of %zu finite runs are told as such", t->name, told, asked);
        seen++;
        test_guard_free(bytes);
    }
    check(seen > 24, "%zu types", seen);
}

/* The greatest weights a type can hold pass, the next scale does not. */
CHECK_TEST(finite, every_type_that_is_written_is_told_from_its_bytes_A25)
{
    size_t n_types;
    const nk_type *const *all = nk_type_all(&n_types);
    for (size_t k = 0; k < n_types; k++) {
        const nk_type *t = all[k];
        if (!t->encode || t->activation_only)
            continue;
        float src[NK_VIEW_LEN], ones[NK_VIEW_LEN];
        uint8_t bytes[NK_VIEW_LEN * sizeof(float)];
        size_t n = NK_VIEW_LEN;
        bool passed = false, refused = false;
        for (size_t i = 0; i < n; i++)
            ones[i] = 1.0f;
        for (float size = 1; isfinite(size) && size < 3e38f; size *= 1.5f) {
            for (size_t i = 0; i < n; i++)
                src[i] = size * (i % 2 ? 1.0f : -0.75f) * ((float)(i % 8 + 1) / 8);
            t->encode(src, bytes, 1, n, t->wants_imatrix ? ones : NULL);
            bool want = decodes_finite(t, bytes, n);
            bool got = nk_finite_bytes(NULL, t, bytes, n);
            check(want == got || (t->id == NK_MXFP4 && want), "%s at %g", t->name, (double)size);
            passed |= got;
            refused |= !got;
        }
        bool holds_all = t->id == NK_F32 || t->id == NK_BF16 || t->id == NK_NVFP4;
        check(passed && refused == !holds_all, "%s: passed %d refused %d", t->name, passed,
              refused);
    }
}
