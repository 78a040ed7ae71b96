/* Any bytes as blocks of any type: decode, explain and dot read exactly the block, and the view is
 * the same weights. First byte: the type; the rest: blocks. */
#include "tests/fuzz/fuzz.h"

#include "kernels/fp.h"
#include "kernels/type.h"

#include <string.h>

static void check_view(const nk_type *t, const uint8_t *block, const float *w)
{
    nk_block_view v;
    t->explain(block, &v);
    fuzz_check(v.len == t->block_len && v.group && v.len % v.group == 0, "%s: shape", t->name);
    for (uint32_t i = 0; i < v.len; i++) {
        float seen = nk_view_weight(&v, i);
        fuzz_check(v.code[i] >= v.code_min && v.code[i] <= v.code_max, "%s: code", t->name);
        fuzz_check(nk_f32_bits(seen) == nk_f32_bits(w[i]) || (seen != seen && w[i] != w[i]),
                   "%s[%u]: %a, view %a", t->name, i, (double)w[i], (double)seen);
    }
}

FUZZ_TARGET(blocks)
{
    size_t count;
    const nk_type *const *all = nk_type_all(&count);
    const nk_type *t = n ? all[bytes[0] % count] : NULL;
    if (!t || !t->decode || t->block_len > NK_VIEW_LEN)
        return;
    for (size_t at = 1; at + t->block_size <= n; at += t->block_size) {
        float w[NK_VIEW_LEN], x[NK_VIEW_LEN];
        uint8_t *block = malloc(t->block_size); /* its end is a wall for ASan */
        uint8_t y[NK_VIEW_LEN * 4];
        if (!block)
            return;
        memcpy(block, bytes + at, t->block_size);
        t->decode(block, w, t->block_len);
        if (t->explain)
            check_view(t, block, w);
        for (size_t i = 0; i < NK_VIEW_LEN; i++)
            x[i] = i % 2 ? 1.0f : -0.5f;
        const nk_type *with = nk_type_get(t->dot_with);
        if (t->dot && t->block_len % with->block_len == 0) {
            with->encode(x, y, 1, t->block_len, NULL);
            t->dot(t->block_len, block, y);
        }
        free(block);
    }
}
